//! Partial radial distribution functions and running coordination numbers.
//!
//! `g_ij(r) = ⟨ n_ij(r, r + Δr) / (N_i ρ_j V_shell) ⟩` with `V_shell = 4π/3 (r₂³ − r₁³)` and
//! `ρ_j = N_j / V` of each frame (so that changing volumes are right), averaged over frames; for
//! `i = j` each pair counts from both ends. `n_ij(r)` is the mean number of `j` within `r` of an
//! `i`, from cumulative counts (paper, eqs. 1 and 2). Images are explicit: `r_max` may exceed half
//! the cell.

pub(super) mod count;
pub mod peak;
#[cfg(test)]
mod tests;

use crate::error::AnalysisError;
use crate::pass::{Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use peak::FirstPeak;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::{SpeciesId, SpeciesTable};

/// All partial g(r) up to a distance.
#[derive(Debug)]
pub struct RadialDistribution {
    table: Arc<SpeciesTable>,
    r_max: f64,
    dr: f64,
    bins: usize,
}

/// How far, and how fine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RadialDistributionSettings {
    /// Largest distance [Å]; it may exceed half the cell.
    #[serde(rename = "r_max_a")]
    pub r_max: f64,
    /// Bin width [Å], adjusted so that bins fit exactly.
    #[serde(rename = "dr_a")]
    pub dr: f64,
}

impl Default for RadialDistributionSettings {
    fn default() -> Self {
        RadialDistributionSettings { r_max: 10.0, dr: 0.05 }
    }
}

impl RadialDistribution {
    /// For frames of these species.
    ///
    /// # Errors
    /// `r_max` or `dr` not positive, or `dr` above `r_max`.
    pub fn new(
        table: &Arc<SpeciesTable>,
        settings: RadialDistributionSettings,
    ) -> Result<Self, AnalysisError> {
        let RadialDistributionSettings { r_max, dr } = settings;
        if !(r_max.is_finite() && r_max > 0.0) {
            return Err(AnalysisError::Parameter {
                name: "r_max",
                found: format!("{r_max} Å"),
                expected: "a positive distance".into(),
            });
        }
        if !(dr.is_finite() && dr > 0.0 && dr <= r_max) {
            return Err(AnalysisError::Parameter {
                name: "dr",
                found: format!("{dr} Å"),
                expected: format!("a distance above 0 and up to r_max = {r_max} Å"),
            });
        }
        let bins = (r_max / dr).round() as usize;
        Ok(RadialDistribution { table: table.clone(), r_max, dr: r_max / bins as f64, bins })
    }

    /// Where the numbers of a pair begin, in the first or the second half of the means.
    fn place(&self, half: usize, a: usize, b: usize) -> usize {
        let n = self.table.len();
        ((half * n + a) * n + b) * self.bins
    }

    fn shell(&self, k: usize) -> f64 {
        let (r1, r2) = (k as f64 * self.dr, (k + 1) as f64 * self.dr);
        4.0 / 3.0 * std::f64::consts::PI * (r2.powi(3) - r1.powi(3))
    }

    /// `g_ab` in every bin, from means.
    fn g(&self, means: &[f64], a: usize, b: usize) -> Vec<f64> {
        let first = self.place(0, a, b);
        let row = &means[first..first + self.bins];
        row.iter().enumerate().map(|(k, x)| x / self.shell(k)).collect()
    }

    /// Mean number of `b` within the outer edge of every bin around an `a`, from means.
    fn running(&self, means: &[f64], a: usize, b: usize) -> Vec<f64> {
        let first = self.place(1, a, b);
        let add = |sum: &mut f64, x: &f64| {
            *sum += x;
            Some(*sum)
        };
        means[first..first + self.bins].iter().scan(0.0, add).collect()
    }

    fn symbol(&self, index: usize) -> &str {
        self.table.symbol(SpeciesId(u8::try_from(index).expect("at most 255 species")))
    }

    fn pair(&self, a: usize, b: usize, samples: &Samples, result: &mut Observables) {
        let (symbol_a, symbol_b) = (self.symbol(a), self.symbol(b));
        let at = |at: f64| (0..self.bins).map(|k| (k as f64 + at) * self.dr).collect();
        if a <= b {
            self.first_peak((a, b), samples, result);
            let (name, label) =
                (format!("g_{symbol_a}_{symbol_b}"), format!("{symbol_a}–{symbol_b}"));
            let x = (("r", "Å"), at(0.5));
            let g = |means: &[f64]| self.g(means, a, b);
            result.curves.push(samples.curve((&name, &label), x, ("g(r)", ""), g));
        }
        let name = format!("n_{symbol_a}_{symbol_b}");
        let label = format!("{symbol_b} around {symbol_a}");
        let (x, y) = ((("r", "Å"), at(1.0)), ("running coordination", ""));
        let running = |means: &[f64]| self.running(means, a, b);
        result.curves.push(samples.curve((&name, &label), x, y, running));
    }

    /// Position, height, width and area of the first peak, if there is one in the mean of all frames.
    fn first_peak(&self, (a, b): (usize, usize), samples: &Samples, result: &mut Observables) {
        let Some(peak) = FirstPeak::of(&self.g(&samples.mean(), a, b)) else { return };
        let (symbol_a, symbol_b) = (self.symbol(a), self.symbol(b));
        let minimum = peak.minimum;
        let pair = format!("{symbol_a}_{symbol_b}");
        let name = |what: &str, unit: &str| format!("{what}_{pair}{unit}");
        let within = (minimum + 1) as f64 * self.dr;
        let labels = [
            (name("first_peak", "_a"), format!("first peak of g({symbol_a}–{symbol_b})"), "Å"),
            (
                name("coordination", ""),
                format!("{symbol_b} around {symbol_a} within the first minimum, {within:.2} Å"),
                "",
            ),
            (
                name("first_peak_width", "_a"),
                format!("full width at half maximum of that peak, {symbol_a}–{symbol_b}"),
                "Å",
            ),
            (
                name("first_peak_height", ""),
                format!("height of that peak, {symbol_a}–{symbol_b}"),
                "",
            ),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            let area = self.running(means, a, b)[minimum];
            match FirstPeak::of(&self.g(means, a, b)) {
                Some(peak) => {
                    vec![peak.position * self.dr, area, peak.width * self.dr, peak.height]
                }
                None => vec![f64::NAN, area, f64::NAN, f64::NAN],
            }
        }));
    }
}

impl StructuralAnalysis for RadialDistribution {
    fn needs(&self) -> Needs {
        Needs { pairs: self.r_max, ..Needs::default() }
    }

    /// First `V n_ij / (N_i N_j)`, then `n_ij / N_i`, both `[i][j][bin]`; last half the width of the cell
    /// where it is narrowest.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let structure = scene.structure;
        if structure.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: scene.number });
        }
        let (n, bins) = (self.table.len(), self.bins);
        let pairs = count::pairs(scene, self.r_max, self.dr, bins);
        let volume = structure.cell.volume();
        let mut means = vec![0.0; 2 * n * n * bins + 1];
        let widths = structure.cell.perpendicular_widths();
        means[2 * n * n * bins] = 0.5 * widths.into_iter().fold(f64::INFINITY, f64::min);
        for a in (0..n).filter(|a| scene.counts[*a] > 0) {
            for b in (0..n).filter(|b| scene.counts[*b] > 0) {
                let per_center = 1.0 / scene.counts[a] as f64;
                let per_density = volume / scene.counts[b] as f64;
                for k in 0..bins {
                    // each pair was seen from one of its ends
                    let seen = pairs[(a * n + b) * bins + k] + pairs[(b * n + a) * bins + k];
                    let number = f64::from(seen) * per_center;
                    means[self.place(0, a, b) + k] = number * per_density;
                    means[self.place(1, a, b) + k] = number;
                }
            }
        }
        Ok(Measured::means(means))
    }

    fn report(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "radial_distribution",
            "Radial distribution functions",
            "g_ij(r) = <n_ij(r, r+dr) / (N_i rho_j 4pi/3 (r2^3 - r1^3))>, rho_j = N_j/V of each frame; \
             n_ij(r) = mean number of j within r of an i",
        );
        result.parameter("r_max", format!("{} Å", self.r_max));
        result.parameter("dr", format!("{:.4} Å", self.dr));
        let mean = samples.mean();
        let half = mean.last().copied().unwrap_or_default();
        result.parameter("half the narrowest width of the cell", format!("{half:.3} Å"));
        if self.r_max > half {
            result.caution(
                "beyond_half_the_cell",
                format!(
                    "r_max = {} Å exceeds half the cell ({half:.2} Å): from there on, atoms meet images of \
                     the same atoms, and each atom its own",
                    self.r_max
                ),
                "trust features beyond it only if a larger cell shows them too",
            );
        }
        for a in 0..self.table.len() {
            for b in 0..self.table.len() {
                let first = self.place(1, a, b);
                if mean[first..first + self.bins].iter().any(|x| *x > 0.0) {
                    self.pair(a, b, samples, &mut result);
                }
            }
        }
        result
    }
}
