//! Sign and factor of virials against forces.
//!
//! Pair forces along the lines between atoms, `f_ab(r)` on a few hat functions per pair of species,
//! are fitted to the forces of some frames (linear least squares with a small ridge). They are a poor
//! potential but know the sign and the size of things: the trace of their virial, `Σ r f(r)`, follows
//! the labels' from frame to frame. Its regression against the labels should have a slope near one.

use super::{Notes, Severity};
use crate::train::dataset::{Dataset, LabelledFrame};
use crate::train::example::{Example, Known};
use vitrion_core::math;

/// Hat functions per pair of species, and their range [Å].
const HATS: usize = 14;
const FROM: f64 = 1.2;
const TO: f64 = 6.2;
const FRAMES: usize = 24;

pub(super) fn check(data: &Dataset, system: usize, notes: &mut Notes<'_>) {
    let range = data.systems()[system].frames.clone();
    let usable: Vec<usize> = range
        .filter(|k| {
            let frame = data.frame(*k);
            frame.forces.is_some() && frame.virial.is_some()
        })
        .collect();
    if usable.len() < 8 {
        return;
    }
    let chosen: Vec<usize> = (0..FRAMES.min(usable.len()))
        .map(|k| usable[k * usable.len() / FRAMES.min(usable.len())])
        .collect();
    let n = data.species().len();
    let unknowns = n * (n + 1) / 2 * HATS;
    let mut fit =
        Fit { n, matrix: vec![vec![0.0; unknowns]; unknowns], right: vec![0.0; unknowns] };
    let mut traces = Vec::new();
    let mut example = Example::new(TO);
    for k in chosen {
        let frame = data.frame(k);
        traces.push((fit.add(k, &frame, &mut example), frame));
    }
    let Some(solution) = fit.solve() else { return };
    let found: Vec<(f64, f64)> = traces
        .iter()
        .map(|(row, frame)| {
            let given = frame.virial.as_ref().map_or(0.0, math::trace);
            (row.iter().zip(&solution).map(|(a, b)| a * b).sum(), given)
        })
        .collect();
    let count = found.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / count;
    let (mx, my) = (mean(&|p| p.0), mean(&|p| p.1));
    let sxx = mean(&|p| (p.0 - mx).powi(2));
    let syy = mean(&|p| (p.1 - my).powi(2));
    let sxy = mean(&|p| (p.0 - mx) * (p.1 - my));
    if sxx <= 0.0 || syy <= 0.0 {
        return;
    }
    let (correlation, slope) = (sxy / (sxx * syy).sqrt(), sxy / sxx);
    let volume = traces[0].1.cell.volume();
    if correlation.abs() < 0.6 {
        notes.whole(
            Severity::Note,
            format!(
                "sign and unit of the virial could not be told from the forces (correlation \
                 {correlation:.2})"
            ),
        );
    } else if slope < 0.0 {
        notes.whole(
            Severity::Error,
            format!(
                "the virial has the wrong sign (slope {slope:.2} against what the forces say, \
                 correlation {correlation:.2}): W = −∂E/∂ε is positive for outward pressure"
            ),
        );
    } else if !(0.2..5.0).contains(&slope) {
        let guesses = [
            (1.0 / volume, "a stress in eV/Å³ instead of the virial W = stress · volume"),
            (160.217_66 / volume, "a pressure in GPa"),
            (1_602.176_6 / volume, "a pressure in kbar"),
            (27.211_386, "in Hartree"),
        ];
        let guess = guesses
            .iter()
            .find(|(factor, _)| (0.4..2.5).contains(&(slope / factor)))
            .map_or(String::new(), |(_, name)| format!("; is it {name}?"));
        notes.whole(
            Severity::Error,
            format!(
                "the virial is {slope:.3} times what the forces say (correlation {correlation:.2}), \
                 expected about 1{guess}"
            ),
        );
    }
}

struct Fit {
    n: usize,
    matrix: Vec<Vec<f64>>,
    right: Vec<f64>,
}

impl Fit {
    /// Adds the force equations of a frame; returns the trace of the virial of every function.
    fn add(&mut self, number: usize, frame: &LabelledFrame<'_>, example: &mut Example) -> Vec<f64> {
        let forces = frame.forces.expect("frames with forces were chosen");
        let known = Known { forces: Some(forces), ..Known::default() };
        example.set(number, 1.0, &frame.cell, frame.positions, frame.species, known);
        let (list, positions) = (&example.neighborhood.list, &example.neighborhood.positions[..]);
        let labels = example.labels.forces.as_ref().expect("just set");
        let unknowns = self.right.len();
        let mut trace = vec![0.0; unknowns];
        let mut rows = vec![[0.0; 3]; unknowns];
        for i in 0..example.atoms() {
            rows.fill([0.0; 3]);
            let mut touched: Vec<usize> = Vec::new();
            for p in list.row(i) {
                let vector = list.vector(positions, i, p);
                let r = math::norm(vector);
                let place = (r - FROM) / (TO - FROM) * HATS as f64;
                if !(0.0..HATS as f64).contains(&place) {
                    continue;
                }
                let (a, b) = (example.species[i], example.species[list.index[p] as usize]);
                let (a, b) = (usize::from(a.min(b)), usize::from(a.max(b)));
                let pair = a * self.n - a * (a + 1) / 2 + b;
                let (left, u) = (place as usize, place.fract());
                for (hat, weight) in [(left, 1.0 - u), (left + 1, u)] {
                    // the function at the end of the range is zero
                    if hat == HATS {
                        continue;
                    }
                    let k = pair * HATS + hat;
                    // a positive f pushes i away from j
                    for c in 0..3 {
                        rows[k][c] -= weight * vector[c] / r;
                    }
                    trace[k] += 0.5 * weight * r;
                    touched.push(k);
                }
            }
            touched.sort_unstable();
            touched.dedup();
            for &k in &touched {
                self.right[k] += math::dot(rows[k], labels[i]);
                for &l in &touched {
                    self.matrix[k][l] += math::dot(rows[k], rows[l]);
                }
            }
        }
        trace
    }

    /// Solves the normal equations with a ridge of 1e-4 of the mean diagonal.
    fn solve(mut self) -> Option<Vec<f64>> {
        let n = self.right.len();
        let mean = (0..n).map(|k| self.matrix[k][k]).sum::<f64>() / n as f64;
        if mean <= 0.0 {
            return None;
        }
        for k in 0..n {
            self.matrix[k][k] += 1e-4 * mean;
        }
        // positive definite: no pivoting needed
        for k in 0..n {
            for row in k + 1..n {
                let factor = self.matrix[row][k] / self.matrix[k][k];
                for column in k..n {
                    self.matrix[row][column] -= factor * self.matrix[k][column];
                }
                self.right[row] -= factor * self.right[k];
            }
        }
        let mut solution = vec![0.0; n];
        for k in (0..n).rev() {
            let known: f64 = (k + 1..n).map(|l| self.matrix[k][l] * solution[l]).sum();
            solution[k] = (self.right[k] - known) / self.matrix[k][k];
        }
        Some(solution)
    }
}
