//! Sign and factor of virials against forces.
//!
//! Pair forces along the lines between atoms, `f_ab(r)` on a few hat functions per pair of species,
//! are fitted to the forces of some frames (linear least squares with a small ridge). They are a poor
//! potential but know the sign and the size of things: the trace of their virial, `Σ r f(r)`, follows
//! the labels' from frame to frame. Its regression against the labels should have a slope near one.
//!
//! Around one crystal forces say little about some combinations of these functions (those whose forces
//! cancel by symmetry) that the virial does see: where the fit leaves the traces uncertain, nothing is said.

use super::{Notes, Severity};
use crate::train::dataset::{Dataset, LabelledFrame};
use crate::train::example::{Example, Known};
use vitrion_core::math;
use vitrion_core::stats::Cholesky;

/// Hat functions per pair of species, and their range [Å].
const HATS: usize = 14;
const FROM: f64 = 1.2;
const TO: f64 = 6.2;
const FRAMES: usize = 24;
/// Largest share of uncertainty in the variance of the traces that leaves a verdict.
const UNCERTAIN: f64 = 0.1;

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
    let mut fit = Fit {
        n,
        matrix: vec![0.0; unknowns * unknowns],
        right: vec![0.0; unknowns],
        squares: 0.0,
        equations: 0,
    };
    let mut traces = Vec::new();
    let mut example = Example::new(TO);
    for k in chosen {
        let frame = data.frame(k);
        traces.push((fit.add(k, &frame, &mut example), frame));
    }
    let Some(Solution { values: solution, factor, variance }) = fit.solve() else { return };
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
    let middle: Vec<f64> =
        (0..unknowns).map(|k| traces.iter().map(|(row, _)| row[k]).sum::<f64>() / count).collect();
    let doubt = traces.iter().map(|(row, _)| {
        let from_middle: Vec<f64> = row.iter().zip(&middle).map(|(x, m)| x - m).collect();
        variance * factor.inverse_quadratic(&from_middle)
    });
    let doubt = doubt.sum::<f64>() / count;
    if correlation.abs() < 0.6 || doubt > UNCERTAIN * sxx {
        notes.whole(
            Severity::Note,
            format!(
                "sign and unit of the virial could not be told from the forces (correlation \
                 {correlation:.2}, {:.0} % of the fit uncertain)",
                100.0 * (doubt / sxx).min(1.0)
            ),
        );
    } else if (-5.0..-0.2).contains(&slope) {
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
        let guess = guesses.iter().find(|(factor, _)| (0.4..2.5).contains(&(slope / factor).abs()));
        // a factor that no unit makes is rather the fault of the pair forces
        let severity = if guess.is_some() { Severity::Error } else { Severity::Warning };
        let guess = guess.map_or(String::new(), |(_, name)| format!("; is it {name}?"));
        notes.whole(
            severity,
            format!(
                "the virial is {slope:.3} times what the forces say (correlation {correlation:.2}), \
                 expected about 1{guess}"
            ),
        );
    }
}

struct Fit {
    n: usize,
    /// Row-major.
    matrix: Vec<f64>,
    right: Vec<f64>,
    /// Sum of the squares of all force components, and their number.
    squares: f64,
    equations: usize,
}

/// A fit: its parameters, the Cholesky factor of the normal matrix, and the variance of a force component
/// about it.
struct Solution {
    values: Vec<f64>,
    factor: Cholesky,
    variance: f64,
}

impl Fit {
    /// Adds the force equations of a frame; returns the trace of the virial of every function.
    fn add(&mut self, number: usize, frame: &LabelledFrame<'_>, example: &mut Example) -> Vec<f64> {
        let forces = frame.forces.expect("frames with forces were chosen");
        let known = Known { forces: Some(forces), ..Known::default() };
        example.set(number, 1.0, &frame.cell, frame.positions, frame.species, known);
        let (list, positions) = (example.list(), example.positions());
        let labels = example.labels().forces.as_ref().expect("just set");
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
                let (a, b) = (example.species()[i], example.species()[list.index[p] as usize]);
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
            self.squares += math::norm2(labels[i]);
            self.equations += 3;
            touched.sort_unstable();
            touched.dedup();
            for &k in &touched {
                self.right[k] += math::dot(rows[k], labels[i]);
                for &l in &touched {
                    self.matrix[k * unknowns + l] += math::dot(rows[k], rows[l]);
                }
            }
        }
        trace
    }

    /// Solves the normal equations with a ridge of 1e-4 of the mean diagonal.
    fn solve(mut self) -> Option<Solution> {
        let n = self.right.len();
        let mean = (0..n).map(|k| self.matrix[k * n + k]).sum::<f64>() / n as f64;
        if mean <= 0.0 || self.equations <= n {
            return None;
        }
        for k in 0..n {
            self.matrix[k * n + k] += 1e-4 * mean;
        }
        let factor = Cholesky::new(&self.matrix, n)?;
        let values = factor.solve(&self.right);
        // |F − Xθ|² = |F|² − |L⁻¹Xᵀ F|², but for the ridge
        let rest = self.squares - factor.inverse_quadratic(&self.right);
        let variance = (rest / (self.equations - n) as f64).max(0.0);
        Some(Solution { values, factor, variance })
    }
}
