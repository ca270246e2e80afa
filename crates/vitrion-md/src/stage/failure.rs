//! What can go wrong in a step, who is to blame, and the last good state.

use super::trajectory::write_single;
use super::{LAST_GOOD_FILE, Stage};
use crate::error::{MdError, Offender};
use crate::integrate::{LARGEST_STRAIN, System};
use std::path::PathBuf;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Frame, PotentialError, Structure};

/// Atoms named when a step fails.
const MOST_OFFENDERS: usize = 8;

impl Stage<'_> {
    /// Forces at the present positions, every value checked.
    pub(super) fn evaluate_again(&mut self) -> Result<(), MdError> {
        let System { cell, positions, evaluation, .. } = &mut self.system;
        let result = self.interactions.evaluate(
            &mut *self.potential,
            cell,
            positions,
            &self.species,
            evaluation,
        );
        let (what, named) = match result {
            Ok(()) => {
                let evaluation = &self.system.evaluation;
                let finite = evaluation.energy.is_finite()
                    && evaluation.forces.iter().flatten().all(|f| f.is_finite())
                    && evaluation.virial.iter().flatten().all(|w| w.is_finite());
                if finite {
                    self.system.leave_out_frozen();
                    return Ok(());
                }
                ("energy, forces or virial are not finite".to_owned(), None)
            }
            Err(error) => {
                let named = match &error {
                    PotentialError::NonFinite { atom, .. } => Some(*atom),
                    _ => None,
                };
                (format!("the potential failed: {error}"), named)
            }
        };
        let evaluation = &self.system.evaluation;
        let mut worst: Vec<usize> = (0..self.species.len())
            .filter(|atom| {
                Some(*atom) != named
                    && (evaluation.forces.get(*atom).is_some_and(|f| !math::norm(*f).is_finite())
                        || evaluation.atom_energies.get(*atom).is_some_and(|e| !e.is_finite()))
            })
            .collect();
        if worst.is_empty() && named.is_none() {
            // no atom stands out: the closest pair is the likeliest cause
            worst.extend((0..self.species.len()).filter(|atom| self.nearest(*atom).is_some()));
        }
        worst.sort_by(|a, b| {
            let distance = |atom: &usize| self.nearest(*atom).unwrap_or(f64::INFINITY);
            distance(a).total_cmp(&distance(b))
        });
        worst.splice(0..0, named);
        Err(self.blow_up(what, &worst, &math::IDENTITY))
    }

    /// Stops at the first atom that moved further than allowed, `growth` of the cell taken out.
    pub(super) fn check_displacements(&self, growth: &Matrix3) -> Result<(), MdError> {
        let limit = self.settings.max_displacement;
        let limit2 = limit * limit;
        let moved2 = |atom: usize| math::norm2(self.displacement(atom, growth));
        let too_far = |atom: usize| moved2(atom) > limit2 || moved2(atom).is_nan();
        if !(0..self.species.len()).any(too_far) {
            return Ok(());
        }
        let mut worst: Vec<usize> = (0..self.species.len()).filter(|atom| too_far(*atom)).collect();
        worst.sort_by(|a, b| {
            let distance = |atom: &usize| {
                let moved2 = moved2(*atom);
                if moved2.is_nan() { f64::INFINITY } else { moved2 }
            };
            distance(b).total_cmp(&distance(a))
        });
        let what =
            format!("{} atom(s) move further than the limit of {limit} Å in one step", worst.len());
        Err(self.blow_up(what, &worst, growth))
    }

    fn displacement(&self, atom: usize, growth: &Matrix3) -> Vector3 {
        if self.system.is_frozen(atom) {
            return [0.0; 3];
        }
        let before = math::row_times(self.last_good.positions[atom], growth);
        math::sub(self.system.positions[atom], before)
    }

    /// Distance to the nearest neighbour in the present list [Å].
    fn nearest(&self, atom: usize) -> Option<f64> {
        self.interactions.nearest(atom)
    }

    fn blow_up(&self, mut what: String, worst: &[usize], growth: &Matrix3) -> MdError {
        let atoms = worst
            .iter()
            .take(MOST_OFFENDERS)
            .map(|&atom| Offender {
                atom,
                symbol: self.frame.structure.symbol(atom).to_owned(),
                nearest: self.nearest(atom),
                force: self.system.evaluation.forces.get(atom).copied().unwrap_or([f64::NAN; 3]),
                displacement: math::norm(self.displacement(atom, growth)),
            })
            .collect();
        let last_good = self.save_last_good(&mut what);
        MdError::BlowUp { step: self.start_step + self.done + 1, what, atoms, last_good }
    }

    pub(super) fn cell_runs_away(&self, strain: f64) -> MdError {
        let what = format!(
            "the barostat changes lengths by {strain:.4} of themselves in one step (limit \
             {LARGEST_STRAIN}); lengthen its period or bring the structure to temperature in NVT \
             first"
        );
        self.blow_up(what, &[], &math::IDENTITY)
    }

    /// Saves the state before the failed step; trouble with the file is added to the message, which
    /// matters more.
    fn save_last_good(&self, message: &mut String) -> PathBuf {
        let path = self.directory.join(LAST_GOOD_FILE);
        let mut frame = Frame::from(Structure {
            cell: self.last_good.cell.clone(),
            positions: self.last_good.positions.clone(),
            ..self.frame.structure.clone()
        });
        frame.step = Some(self.start_step + self.done);
        frame.time = Some(self.time());
        frame.velocities = Some(self.last_good.velocities.clone());
        if let Err(error) = write_single(&path, &frame) {
            *message += " (and the last good frame could not be saved: ";
            *message += &error.to_string();
            message.push(')');
        }
        path
    }
}
