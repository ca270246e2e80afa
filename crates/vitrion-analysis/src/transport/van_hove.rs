//! Van Hove functions: where an ion is a time after it, or another ion, was here.
//!
//! Self part, shown as the probability density of the distance moved (paper, eq. 12),
//!
//! ```text
//! 4πr² G_s(r, τ) = ⟨δ(r − |r_i(t + τ) − r_i(t)|)⟩,   ∫ 4πr² G_s dr = 1
//! ```
//!
//! over ions and all time origins: a map over about equal steps of log τ, and curves at fixed times with errors from leaving out groups of ions.
//! Distances beyond the last bin are counted and stated, so that the integral is one with them.
//!
//! Distinct part, as a pair distribution: the density of other ions at a distance from where an ion was, over their mean density,
//!
//! ```text
//! G_d(r, τ)/ρ = ⟨Σ_{j≠i} δ(r − |r_j(t + τ) − r_i(t)|)⟩ / (4πr² ρ),   ρ = (N − 1)/V
//! ```
//!
//! which is `g(r)` at `τ = 0`, fills at `r = 0` where ions follow each other into the same sites, and tends to one. It is
//! counted in exact shells for up to [`distinct::ORIGINS`] origins, with the displacements of the analysis (drift removed, against the deforming cell) added to the positions at the origin.

mod distinct;

use super::lags::{at_times, dealt, longest, spaced};
use super::moments::GROUPS;
use super::msd::times;
use super::pass::{Motion, MotionAnalysis};
use super::recording::{Path, Recording, Reference};
use crate::error::AnalysisError;
use crate::samples::jackknife;
use distinct::Origins;
use serde::{Deserialize, Serialize};
use vitrion_core::observables::{Axis, Curve, Estimate, Map, Observables, Uncertainty};
use vitrion_core::{Frame, Vector3};

/// Lags of the map.
const MAP_LAGS: usize = 40;
/// Lags of the curves, where none are given.
const CURVES: usize = 6;

/// How distances are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VanHoveSettings {
    /// Width of a bin [Å].
    pub bin: f64,
    /// Distances up to here are counted [Å].
    pub r_max: f64,
    /// Lags of the curves [fs]; evenly spaced in their logarithm if none are given.
    pub times: Vec<f64>,
    /// Count other ions, too.
    pub distinct: bool,
}

impl Default for VanHoveSettings {
    fn default() -> Self {
        VanHoveSettings { bin: 0.1, r_max: 10.0, times: Vec::new(), distinct: true }
    }
}

impl VanHoveSettings {
    fn check(&self) -> Result<(), AnalysisError> {
        for (name, value) in [("bin", self.bin), ("r_max", self.r_max)] {
            if !(value.is_finite() && value > 0.0) {
                let (found, expected) = (format!("{value} Å"), "a positive length".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        if self.r_max / self.bin > 1e5 || self.r_max < self.bin {
            let found = format!("{} Å", self.bin);
            let expected = format!("a width that makes 1 to 100000 bins of {} Å", self.r_max);
            return Err(AnalysisError::Parameter { name: "bin", found, expected });
        }
        Ok(())
    }

    fn bins(&self) -> usize {
        (self.r_max / self.bin).round() as usize
    }

    /// Middles of the bins [Å].
    fn middles(&self) -> Vec<f64> {
        (0..self.bins()).map(|k| (k as f64 + 0.5) * self.bin).collect()
    }
}

/// Both parts of the van Hove function of the mobile species.
pub(super) struct VanHove {
    settings: VanHoveSettings,
    origins: Option<Origins>,
}

impl VanHove {
    /// # Errors
    /// Bins that make no sense.
    pub(super) fn new(settings: VanHoveSettings, species: &str) -> Result<Self, AnalysisError> {
        settings.check()?;
        let origins = settings.distinct.then(|| Origins::new(species));
        Ok(VanHove { settings, origins })
    }
}

impl MotionAnalysis for VanHove {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        if let Some(origins) = &mut self.origins {
            origins.see(frame);
        }
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(4, "the van Hove function")?;
        let settings = &self.settings;
        let species = &data.settings().species;
        let map_lags = spaced(longest(data.frames()), MAP_LAGS);
        let curve_lags = if settings.times.is_empty() {
            let few: Vec<usize> =
                (0..CURVES).map(|k| map_lags[k * (map_lags.len() - 1) / (CURVES - 1)]).collect();
            few
        } else {
            at_times(&settings.times, data, "times")?
        };
        let mut lags: Vec<usize> = map_lags.iter().chain(&curve_lags).copied().collect();
        lags.sort_unstable();
        lags.dedup();
        let counted = Counted::of(data, settings, &lags)?;
        let mut result = Observables::new(
            "van_hove",
            &format!("Van Hove functions of {species}"),
            "4 pi r^2 G_s(r, tau) = <delta(r - |r_i(t+tau) - r_i(t)|)>, integral 1 with the distances beyond the last bin; \
             G_d(r, tau)/rho = <sum_{j != i} delta(r - |r_j(t+tau) - r_i(t)|)>/(4 pi r^2 rho), rho = (N-1)/V",
        );
        data.describe(&mut result);
        result.parameter("bin", format!("{} Å", settings.bin));
        result.parameter("largest distance", format!("{} Å", settings.r_max));
        result.parameter("groups of atoms", counted.groups);
        counted.map(data, settings, &map_lags, &mut result);
        counted.curves(data, settings, &curve_lags, &mut result);
        if let Some(origins) = &self.origins {
            origins.report(data, settings, &curve_lags, &mut result)?;
        }
        Ok(result.into())
    }
}

/// Numbers of distances moved.
struct Counted {
    lags: Vec<usize>,
    groups: usize,
    /// `[lag][group][bin]`; the last bin holds what lies beyond.
    counts: Vec<Vec<Vec<u64>>>,
}

impl Counted {
    fn of(
        data: &Recording,
        settings: &VanHoveSettings,
        lags: &[usize],
    ) -> Result<Self, AnalysisError> {
        let (bins, per_angstrom) = (settings.bins(), 1.0 / settings.bin);
        let atoms = data.mobile_atoms();
        let groups = GROUPS.min(atoms);
        let group_of = dealt(atoms, groups);
        let mut counts = vec![vec![vec![0_u64; bins + 1]; groups]; lags.len()];
        let measure = |_: usize, path: Path<'_>| -> Vec<Vec<u32>> {
            lags.iter().map(|lag| histogram(path, *lag, bins, per_angstrom)).collect()
        };
        let species = &data.settings().species;
        data.each_path(species, Reference::Framework, measure, |atom, found| {
            for (counts, found) in counts.iter_mut().zip(found) {
                for (sum, count) in counts[group_of[atom]].iter_mut().zip(found) {
                    *sum += u64::from(count);
                }
            }
        })?;
        Ok(Counted { lags: lags.to_vec(), groups, counts })
    }

    /// Probability density per bin [1/Å] of all groups but one, and the part beyond the last bin.
    fn density(&self, lag: usize, left_out: Option<usize>, bin: f64) -> (Vec<f64>, f64) {
        let place = self.lags.binary_search(&lag).expect("one of the lags");
        let groups = self.counts[place].iter().enumerate();
        let used: Vec<&Vec<u64>> =
            groups.filter(|(k, _)| Some(*k) != left_out).map(|(_, counts)| counts).collect();
        let sum = |k: usize| used.iter().map(|counts| counts[k]).sum::<u64>() as f64;
        let bins = self.counts[place][0].len() - 1;
        let total: f64 = (0..=bins).map(sum).sum();
        let density = (0..bins).map(|k| sum(k) / (total * bin)).collect();
        (density, sum(bins) / total)
    }

    fn map(
        &self,
        data: &Recording,
        settings: &VanHoveSettings,
        lags: &[usize],
        result: &mut Observables,
    ) {
        let species = &data.settings().species;
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        result.maps.push(Map {
            name: format!("self_{species}"),
            label: format!("{species}, self part"),
            x_axis: axis("lag time", "ps"),
            y_axis: axis("r", "Å"),
            z_axis: axis("4πr²G_s", "1/Å"),
            x: times(data, lags),
            y: settings.middles(),
            z: lags.iter().map(|lag| self.density(*lag, None, settings.bin).0).collect(),
        });
    }

    fn curves(
        &self,
        data: &Recording,
        settings: &VanHoveSettings,
        lags: &[usize],
        result: &mut Observables,
    ) {
        let species = &data.settings().species;
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        for (lag, time) in lags.iter().zip(times(data, lags)) {
            let (y, beyond) = self.density(*lag, None, settings.bin);
            let left: Vec<(Vec<f64>, f64)> = if self.groups > 1 {
                (0..self.groups).map(|g| self.density(*lag, Some(g), settings.bin)).collect()
            } else {
                Vec::new()
            };
            let error = |k: usize| jackknife(left.iter().map(|(density, _)| density[k]));
            let y_error =
                if left.is_empty() { Vec::new() } else { (0..y.len()).map(error).collect() };
            let moved: f64 =
                y.iter().zip(settings.middles()).map(|(p, r)| p * r * settings.bin).sum();
            result.curves.push(Curve {
                name: format!("self_{species}_{time:.3}ps"),
                label: format!("{time:.3} ps"),
                x_axis: axis("r", "Å"),
                y_axis: axis("4πr²G_s", "1/Å"),
                x: settings.middles(),
                y,
                y_error,
            });
            result.estimates.push(Estimate {
                name: format!("beyond_{time:.3}ps"),
                label: format!(
                    "part of the ions beyond {} Å after {time:.3} ps (the others moved {moved:.2} Å in the mean)",
                    settings.r_max
                ),
                value: beyond,
                uncertainty: if left.is_empty() {
                    Uncertainty::NotEstimated { why: "a single atom".into() }
                } else {
                    Uncertainty::StandardError {
                        value: jackknife(left.iter().map(|(_, beyond)| *beyond)),
                        n_eff: self.groups as f64,
                    }
                },
                unit: String::new(),
            });
        }
    }
}

/// Numbers of distances in bins at one lag, the last of them beyond all bins.
fn histogram(path: Path<'_>, lag: usize, bins: usize, per_angstrom: f64) -> Vec<u32> {
    let [x, y, z] = path.r;
    let mut counts = vec![0; bins + 1];
    for t in 0..x.len() - lag {
        let (dx, dy, dz) = (x[t + lag] - x[t], y[t + lag] - y[t], z[t + lag] - z[t]);
        let bin = ((dx * dx + dy * dy + dz * dz).sqrt() * per_angstrom) as usize;
        counts[bin.min(bins)] += 1;
    }
    counts
}
