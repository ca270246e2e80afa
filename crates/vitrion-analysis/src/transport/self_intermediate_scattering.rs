//! Self-intermediate scattering function: how long an ion stays near where it was, at the scale of a wave vector.
//!
//! `F_s(q, τ) = ⟨cos(q·(r_i(t + τ) − r_i(t)))⟩` over ions and all time origins, for wave vectors of one length along x, y and z and their mean. It is
//! the Fourier transform of the self part of the van Hove function, `exp(−q² D τ)` for free diffusion. No wave vector need fit the
//! cell: positions are continuous. Errors are those of leaving out groups of ions.
//!
//! The relaxation time is where the mean falls to 1/e, by a straight line in ln τ between two lags.

use super::lags::{dealt, longest, spaced};
use super::moments::GROUPS;
use super::msd::times;
use super::recording::{Path, Recording, Reference};
use crate::error::AnalysisError;
use crate::samples::jackknife;
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};

/// Lags of the curves.
const LAGS: usize = 60;
/// Numbers that are summed at once.
const LANES: usize = 8;

/// Which wave vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScatteringSettings {
    /// Lengths of wave vectors [1/Å].
    pub q: Vec<f64>,
}

impl Default for ScatteringSettings {
    fn default() -> Self {
        ScatteringSettings { q: vec![0.5, 1.0, 2.0] }
    }
}

impl ScatteringSettings {
    /// # Errors
    /// No wave vector, or one that is not positive.
    pub(super) fn check(&self) -> Result<(), AnalysisError> {
        if !self.q.is_empty() && self.q.iter().all(|q| q.is_finite() && *q > 0.0) {
            return Ok(());
        }
        Err(AnalysisError::Parameter {
            name: "q",
            found: format!("{:?}", self.q),
            expected: "positive lengths of wave vectors in 1/Å, as [0.5, 1.0]".into(),
        })
    }
}

/// `F_s` of the mobile species.
///
/// # Errors
/// Fewer than 4 frames after the skipped time.
pub(super) fn self_intermediate_scattering(
    data: &Recording,
    settings: &ScatteringSettings,
) -> Result<Observables, AnalysisError> {
    data.needs(4, "the self-intermediate scattering function")?;
    let species = &data.settings().species;
    let lags = spaced(longest(data.frames()), LAGS);
    let atoms = data.mobile_atoms();
    let groups = GROUPS.min(atoms);
    let group_of = dealt(atoms, groups);
    // [q][lag][group]: means over origins along x, y, z, summed over ions
    let mut sums = vec![vec![vec![[0.0; 3]; groups]; lags.len()]; settings.q.len()];
    let mut sizes = vec![0.0; groups];
    let arch = Arch::new();
    let measure = |_: usize, path: Path<'_>| -> Vec<Vec<[f64; 3]>> {
        settings.q.iter().map(|q| one_ion(arch, path, *q, &lags)).collect()
    };
    data.each_path(species, Reference::Framework, measure, |atom, found| {
        let group = group_of[atom];
        sizes[group] += 1.0;
        for (sums, found) in sums.iter_mut().zip(found) {
            for (sums, found) in sums.iter_mut().zip(found) {
                for (sum, mean) in sums[group].iter_mut().zip(found) {
                    *sum += mean;
                }
            }
        }
    })?;
    let mut result = Observables::new(
        "self_intermediate_scattering",
        &format!("Self-intermediate scattering function of {species}"),
        "F_s(q, tau) = <cos(q . (r_i(t+tau) - r_i(t)))> over ions and all time origins, mean over q along x, y and z; relaxation time where it is 1/e",
    );
    data.describe(&mut result);
    result.parameter("groups of atoms", groups);
    let times = times(data, &lags);
    for (q, sums) in settings.q.iter().zip(&sums) {
        let of = |axes: &[usize], left_out: Option<usize>| -> Vec<f64> {
            let mean = |of_lag: &Vec<[f64; 3]>| {
                let kept = (0..groups).filter(|group| Some(*group) != left_out);
                let (sum, count) = kept.fold((0.0, 0.0), |(sum, count), group| {
                    let ions: f64 = axes.iter().map(|axis| of_lag[group][*axis]).sum();
                    (sum + ions, count + sizes[group] * axes.len() as f64)
                });
                sum / count
            };
            sums.iter().map(mean).collect()
        };
        for (suffix, label, axes) in [
            ("", "", &[0, 1, 2][..]),
            ("_x", ", along x", &[0]),
            ("_y", ", along y", &[1]),
            ("_z", ", along z", &[2]),
        ] {
            let left: Vec<Vec<f64>> = if groups > 1 {
                (0..groups).map(|group| of(axes, Some(group))).collect()
            } else {
                Vec::new()
            };
            let error = |k: usize| jackknife(left.iter().map(|curve| curve[k]));
            let y = of(axes, None);
            if axes.len() == 3 {
                result.estimates.extend(relaxation(*q, &times, &y, &left));
            }
            result.curves.push(Curve {
                name: format!("fs_{species}_{q}{suffix}"),
                label: format!("q = {q} 1/Å{label}"),
                x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
                y_axis: Axis { label: "F_s".into(), unit: String::new() },
                x: times.clone(),
                y,
                y_error: if left.is_empty() {
                    Vec::new()
                } else {
                    (0..lags.len()).map(error).collect()
                },
            });
        }
    }
    Ok(result)
}

/// Where the curve first falls below 1/e; `None` where it does not.
pub(super) fn crossing(times: &[f64], curve: &[f64]) -> Option<f64> {
    let level = (-1.0_f64).exp();
    let after = curve.iter().position(|value| *value < level)?;
    let before = after.checked_sub(1)?;
    let part = (curve[before] - level) / (curve[before] - curve[after]);
    Some((times[before].ln() + part * (times[after] / times[before]).ln()).exp())
}

/// `None` where the curve stays on one side of 1/e.
fn relaxation(q: f64, times: &[f64], curve: &[f64], left: &[Vec<f64>]) -> Option<Estimate> {
    let value = crossing(times, curve)?;
    let others: Option<Vec<f64>> = left.iter().map(|curve| crossing(times, curve)).collect();
    let uncertainty = match others {
        Some(others) if others.len() > 1 => Uncertainty::StandardError {
            value: jackknife(others.iter().copied()),
            n_eff: others.len() as f64,
        },
        _ => Uncertainty::NotEstimated { why: "not in every group of ions".into() },
    };
    Some(Estimate {
        name: format!("relaxation_time_{q}_ps"),
        label: format!("relaxation time at q = {q} 1/Å"),
        value,
        uncertainty,
        unit: "ps".into(),
    })
}

/// Means over origins at all lags, along x, y and z.
fn one_ion(arch: Arch, path: Path<'_>, q: f64, lags: &[usize]) -> Vec<[f64; 3]> {
    let mut means = vec![[0.0; 3]; lags.len()];
    for (axis, x) in path.r.iter().enumerate() {
        let (sines, cosines): (Vec<f64>, Vec<f64>) = x.iter().map(|x| (q * x).sin_cos()).unzip();
        for (mean, lag) in means.iter_mut().zip(lags) {
            let sum = arch.dispatch(Products { sines: &sines, cosines: &cosines, lag: *lag });
            mean[axis] = sum / (x.len() - lag) as f64;
        }
    }
    means
}

/// `Σ_t cos a(t) cos a(t + lag) + sin a(t) sin a(t + lag)`.
struct Products<'a> {
    sines: &'a [f64],
    cosines: &'a [f64],
    lag: usize,
}

impl WithSimd for Products<'_> {
    type Output = f64;

    /// A plain loop over lanes, which the compiler turns into instructions of the architecture it is called for.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut lanes = [0.0; LANES];
        let mut rest = 0.0;
        for list in [self.sines, self.cosines] {
            let starts = list[..list.len() - self.lag].as_chunks::<LANES>();
            let ends = list[self.lag..].as_chunks::<LANES>();
            for (a, b) in starts.0.iter().zip(ends.0) {
                for l in 0..LANES {
                    lanes[l] += a[l] * b[l];
                }
            }
            rest += starts.1.iter().zip(ends.1).map(|(a, b)| a * b).sum::<f64>();
        }
        rest + lanes.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crossing_lies_between_two_lags() {
        let times = [1.0, 2.0, 4.0, 8.0];
        let decay: Vec<f64> = times.iter().map(|t: &f64| (-t / 3.0).exp()).collect();
        let found = crossing(&times, &decay).expect("it falls");
        assert!((found / 3.0 - 1.0).abs() < 0.03, "{found}");
        assert_eq!(crossing(&times, &[0.9; 4]), None);
    }
}
