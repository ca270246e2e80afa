//! What can go wrong in a step, who is to blame, and the last good state.

use super::trajectory::write_single;
use super::{LAST_GOOD_FILE, Stage};
use crate::engine::{Fault, Wreck, displacement};
use crate::error::{MdError, Offender};
use std::path::PathBuf;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Frame, PotentialError, Structure};

/// Atoms named when a step fails.
const MOST_OFFENDERS: usize = 8;

/// What a fault means before the first step, or while the engine stands still after `step − 1` steps.
pub(super) fn outside_a_step(fault: Fault, step: u64) -> MdError {
    match fault {
        Fault::Potential(error) => MdError::Start(error),
        Fault::Cell(source) => MdError::Cell { step, source },
        Fault::Device(message) => MdError::Device { step, message },
        Fault::Program(message) | Fault::RunAway(message) => MdError::Program { step, message },
        other => MdError::Device { step, message: other.to_string() },
    }
}

impl Stage<'_> {
    /// What a fault of the step after the last one means; the state before it is saved.
    pub(super) fn failed(&self, fault: Fault) -> MdError {
        match fault {
            Fault::Cell(_) | Fault::Device(_) | Fault::Program(_) => {
                outside_a_step(fault, self.step() + 1)
            }
            Fault::Strain(_) | Fault::RunAway(_) => {
                self.blow_up(fault.to_string(), &[], &math::IDENTITY)
            }
            Fault::Displacement { growth } => self.moved_too_far(&growth),
            Fault::Potential(PotentialError::NonFinite { atom, .. }) => {
                self.bad_forces(fault.to_string(), Some(atom))
            }
            Fault::NotFinite | Fault::Potential(_) => self.bad_forces(fault.to_string(), None),
        }
    }

    /// Blames `named`, then atoms whose values are not finite, the closest to another first.
    fn bad_forces(&self, what: String, named: Option<usize>) -> MdError {
        let Wreck { forces, atom_energies, .. } = self.engine.wreck();
        let nearest = |atom: usize| self.engine.nearest(atom);
        let mut worst: Vec<usize> = (0..self.frame.structure.len())
            .filter(|atom| {
                Some(*atom) != named
                    && (forces.get(*atom).is_some_and(|f| !math::norm(*f).is_finite())
                        || atom_energies.get(*atom).is_some_and(|e| !e.is_finite()))
            })
            .collect();
        if worst.is_empty() && named.is_none() {
            // no atom stands out: the closest pair is the likeliest cause
            let atoms = 0..self.frame.structure.len();
            worst.extend(atoms.filter(|atom| nearest(*atom).is_some()));
        }
        worst.sort_by(|a, b| {
            let distance = |atom: &usize| nearest(*atom).unwrap_or(f64::INFINITY);
            distance(a).total_cmp(&distance(b))
        });
        worst.splice(0..0, named);
        self.blow_up(what, &worst, &math::IDENTITY)
    }

    /// Blames the atoms that moved further than allowed, `growth` of the cell taken out.
    fn moved_too_far(&self, growth: &Matrix3) -> MdError {
        let limit = self.settings.max_displacement;
        let limit2 = limit * limit;
        let wreck = self.engine.wreck();
        let moved2 = |atom: usize| math::norm2(self.displacement(&wreck, atom, growth));
        let too_far = |atom: &usize| moved2(*atom) > limit2 || moved2(*atom).is_nan();
        let mut worst: Vec<usize> = (0..wreck.positions.len()).filter(too_far).collect();
        worst.sort_by(|a, b| {
            let distance = |atom: &usize| {
                let moved2 = moved2(*atom);
                if moved2.is_nan() { f64::INFINITY } else { moved2 }
            };
            distance(b).total_cmp(&distance(a))
        });
        let what =
            format!("{} atom(s) move further than the limit of {limit} Å in one step", worst.len());
        self.blow_up(what, &worst, growth)
    }

    fn displacement(&self, wreck: &Wreck<'_>, atom: usize, growth: &Matrix3) -> Vector3 {
        if self.settings.frozen.binary_search(&(atom as u32)).is_ok() {
            return [0.0; 3];
        }
        displacement(wreck.before[atom], wreck.positions[atom], growth)
    }

    fn blow_up(&self, mut what: String, worst: &[usize], growth: &Matrix3) -> MdError {
        let wreck = self.engine.wreck();
        let atoms = worst
            .iter()
            .take(MOST_OFFENDERS)
            .map(|&atom| Offender {
                atom,
                symbol: self.frame.structure.symbol(atom).to_owned(),
                nearest: self.engine.nearest(atom),
                force: wreck.forces.get(atom).copied().unwrap_or([f64::NAN; 3]),
                displacement: math::norm(self.displacement(&wreck, atom, growth)),
            })
            .collect();
        if wreck.age > 0 {
            let seen = (self.step() - wreck.age).to_string();
            what.push_str(" (the last state that was seen, and is saved, is that after step ");
            what.push_str(&seen);
            what.push(')');
        }
        let last_good = self.save_last_good(&wreck, &mut what);
        MdError::BlowUp { step: self.step() + 1, what, atoms, last_good }
    }

    /// Saves the state before the failed step; trouble with the file is added to the message, which
    /// matters more.
    fn save_last_good(&self, wreck: &Wreck<'_>, message: &mut String) -> PathBuf {
        let path = self.directory.join(LAST_GOOD_FILE);
        let mut frame = Frame::from(Structure {
            cell: wreck.cell.clone(),
            positions: wreck.before.to_vec(),
            ..self.frame.structure.clone()
        });
        frame.step = Some(self.step() - wreck.age);
        frame.time = Some(self.time() - wreck.age as f64 * self.settings.timestep);
        frame.velocities = Some(wreck.velocities.to_vec());
        if let Err(error) = write_single(&path, &frame) {
            *message += " (and the last good frame could not be saved: ";
            *message += &error.to_string();
            message.push(')');
        }
        path
    }
}
