//! What LAMMPS data and dump files share: units, type maps, and LAMMPS's orientation of the cell.
//!
//! LAMMPS wants `a` along +x and `b` in the xy plane. Writers rotate the whole frame into that
//! orientation: cell, positions, velocities and forces. Readers subtract the origin of the box, so
//! that the cell starts at zero.

use super::{IoError, LammpsUnits};
use crate::cell::Cell;
use crate::elements;
use crate::frame::Frame;
use crate::math::{self, Matrix3, Vector3};
use crate::units::{Kind, parse};
use std::path::Path;

/// Factors from the units of a file to ours.
#[derive(Debug, Clone, Copy)]
pub(in crate::io) struct Factors {
    /// Å/ps or Å/fs → Å/fs
    pub(in crate::io) velocity: f64,
    /// eV/Å or kcal/(mol Å) → eV/Å
    pub(in crate::io) force: f64,
    /// ps or fs → fs
    pub(in crate::io) time: f64,
}

impl LammpsUnits {
    pub(in crate::io) fn factors(self) -> Factors {
        let of = |text: &str, kind: Kind| parse(text, kind).expect("a known unit");
        match self {
            LammpsUnits::Metal => {
                let time = of("1 ps", Kind::Time);
                Factors { velocity: 1.0 / time, force: 1.0, time }
            }
            LammpsUnits::Real => {
                Factors { velocity: 1.0, force: of("1 kcal/mol", Kind::Energy), time: 1.0 }
            }
        }
    }
}

/// Checks the element symbols of a type map.
pub(super) fn check_map(map: &[String], path: &Path) -> Result<(), IoError> {
    match map.iter().find(|s| elements::by_symbol(s).is_none()) {
        None => Ok(()),
        Some(bad) => Err(IoError::invalid(
            path,
            format!("--type-map names {bad:?}, which is not a chemical element"),
            elements::nearest(bad).map(|near| format!("did you mean {near}?")).as_deref(),
        )),
    }
}

/// The rotation `R` (used as `r · R`) into LAMMPS's orientation and the lower-triangular cell.
pub(in crate::io) fn orientation(cell: &Cell, path: &Path) -> Result<(Matrix3, Matrix3), IoError> {
    cell.standard_orientation().ok_or_else(|| {
        IoError::invalid(
            path,
            "the lattice vectors are left-handed; LAMMPS needs a right-handed cell",
            Some("swap two lattice vectors, or write extxyz"),
        )
    })
}

/// A frame turned into LAMMPS's orientation.
pub(in crate::io) struct Turned {
    /// Lower-triangular cell.
    pub(in crate::io) cell: Matrix3,
    pub(in crate::io) positions: Vec<Vector3>,
    pub(in crate::io) velocities: Option<Vec<Vector3>>,
    pub(in crate::io) forces: Option<Vec<Vector3>>,
}

pub(in crate::io) fn turned(frame: &Frame, path: &Path) -> Result<Turned, IoError> {
    let (rotation, cell) = orientation(&frame.structure.cell, path)?;
    let turn = |v: &Vec<Vector3>| -> Vec<Vector3> {
        if rotation == math::IDENTITY {
            return v.clone();
        }
        v.iter().map(|r| math::row_times(*r, &rotation)).collect()
    };
    Ok(Turned {
        cell,
        positions: turn(&frame.structure.positions),
        velocities: frame.velocities.as_ref().map(turn),
        forces: frame.labels.forces.as_ref().map(turn),
    })
}

/// The refusal of types that are only numbers.
pub(super) const MAP_HINT: &str =
    "name the elements of types 1, 2, … in order with --type-map, for example --type-map Li,P,S";

/// The element of a type number from 1.
pub(super) fn mapped(map: Option<&[String]>, number: usize) -> Result<Option<&str>, String> {
    let Some(map) = map else { return Ok(None) };
    match number.checked_sub(1).and_then(|k| map.get(k)) {
        Some(symbol) => Ok(Some(symbol)),
        None => Err(format!("a type from 1 to {} (the type map)", map.len())),
    }
}
