//! One ionic step of VASP on its way to a labelled frame: what OUTCAR and vasprun.xml share.

use super::IoError;
use crate::cell::Cell;
use crate::frame::{Frame, Labels};
use crate::math::{self, Matrix3, Vector3};
use crate::species::{SpeciesId, SpeciesTable};
use crate::structure::Structure;
use crate::units;
use std::path::Path;
use std::sync::Arc;

/// The atoms of all steps, in the order of the file.
pub(super) struct Atoms {
    table: Arc<SpeciesTable>,
    species: Vec<SpeciesId>,
}

impl Atoms {
    /// From one symbol per atom; an element may come back later in the list.
    pub(super) fn new<S: AsRef<str>>(symbols: &[S], path: &Path) -> Result<Self, IoError> {
        if symbols.is_empty() {
            return Err(IoError::invalid(path, "the header names no atoms", None));
        }
        let (table, species) = SpeciesTable::from_atoms(symbols)
            .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
        Ok(Atoms { table, species })
    }

    pub(super) fn len(&self) -> usize {
        self.species.len()
    }
}

/// What a step holds, and how its electrons fared.
#[derive(Default)]
pub(super) struct IonicStep {
    /// From 1, as VASP counts.
    pub(super) number: u64,
    /// Electronic iterations so far.
    pub(super) iterations: usize,
    pub(super) matrix: Option<Matrix3>,
    /// Cartesian [Å] in an OUTCAR, fractions of the lattice vectors in a vasprun.xml.
    pub(super) positions: Vec<Vector3>,
    pub(super) fractional: bool,
    /// [eV/Å]
    pub(super) forces: Vec<Vector3>,
    /// [kB], positive if the cell pushes outwards.
    pub(super) pressure: Option<Matrix3>,
    /// Free energy of the electrons and ions [eV].
    pub(super) energy: Option<f64>,
}

impl IonicStep {
    /// The frame, once the step is complete; `line` is where it ends.
    pub(super) fn frame(self, atoms: &Atoms, path: &Path, line: usize) -> Result<Frame, IoError> {
        let number = self.number;
        let trouble = |message: String, hint: Option<&str>| {
            let message = format!("ionic step {number}, which ends at line {line}: {message}");
            IoError::invalid(path, message, hint)
        };
        let missing = [
            (self.matrix.is_none(), "lattice vectors"),
            (self.positions.is_empty(), "positions"),
            (self.forces.is_empty(), "forces"),
            (self.energy.is_none(), "free energy"),
        ];
        let missing: Vec<&str> = missing.iter().filter(|(no, _)| *no).map(|(_, it)| *it).collect();
        if !missing.is_empty() {
            let hint = "an OUTCAR written with NWRITE = 0 lacks them: read vasprun.xml instead";
            let hint = (!self.fractional).then_some(hint);
            return Err(trouble(format!("no {}", missing.join(", no ")), hint));
        }
        for (found, what) in [(self.positions.len(), "positions"), (self.forces.len(), "forces")] {
            if found != atoms.len() {
                return Err(trouble(format!("{found} {what} of {} atoms", atoms.len()), None));
            }
        }
        let cell = Cell::periodic(self.matrix.expect("checked above"))
            .map_err(|error| trouble(error.to_string(), None))?;
        let positions = if self.fractional {
            self.positions.iter().map(|s| cell.to_cartesian(*s)).collect()
        } else {
            self.positions
        };
        // W = p V, undoing what VASP did to print kB
        let unit = cell.volume() / units::VASP_EV_PER_A3_IN_KB;
        let virial = self.pressure.map(|pressure| math::matrix_scale(&pressure, unit));
        Ok(Frame {
            structure: Structure {
                cell,
                species: atoms.species.clone(),
                positions,
                table: Arc::clone(&atoms.table),
                phases: None,
            },
            step: Some(number),
            time: None,
            velocities: None,
            labels: Labels {
                energy: self.energy,
                forces: Some(self.forces),
                virial,
                atom_energies: None,
            },
        })
    }

    /// Energy and forces of electrons that were not at their minimum fit no potential.
    pub(super) fn unconverged(&self, why: &str, path: &Path, line: usize) -> IoError {
        IoError::invalid(
            path,
            format!(
                "ionic step {}, which ends at line {line}: electronic minimisation not converged ({why})",
                self.number
            ),
            Some("remove this step, or raise NELM and run again"),
        )
    }

    /// The file ends within this step.
    pub(super) fn truncated(&self, complete: usize, path: &Path, line: usize) -> IoError {
        IoError::Truncated {
            path: path.to_owned(),
            line,
            what: format!("ionic step {}", self.number),
            hint: Some(match complete {
                0 => "no step is complete: run VASP again".into(),
                1 => "the step before it is complete; remove this one to read it".into(),
                _ => format!(
                    "the {complete} steps before it are complete; remove this one to read them"
                ),
            }),
        }
    }
}
