//! The non-Gaussian parameter of displacements and its peak.
//!
//! `α₂(τ) = 3⟨|Δr|⁴⟩/(5⟨|Δr|²⟩²) − 1` (paper, eq. 11): zero where displacements are Gaussian, as those of a harmonic solid or
//! of free diffusion, positive where some ions moved and others did not. Both averages run over ions and all time origins before
//! the ratio is taken. Its peak says how long ions stay trapped and how unlike they are.
//!
//! The peak is the vertex of a parabola in `ln τ`, fitted where the curve, smoothed in the same way, is highest. Errors are those
//! of the delete-one-group jackknife over groups of ions, enlarged where ions move together.

use super::moments::Sums;
use super::msd::times;
use super::recording::Recording;
use crate::error::AnalysisError;
use crate::samples::jackknife;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};

/// Half of the width of a fitted parabola, in ln τ: 0.2 decades.
const HALF_WIDTH: f64 = 0.2 * std::f64::consts::LN_10;
/// Points on either side of its middle that a parabola has at least.
const NEAREST: usize = 2;
/// A peak that is lower than this many standard errors is none: the highest of many lags is high by chance.
const SIGNIFICANT: f64 = 5.0;

/// `α₂` of the mobile species, with the time and the height of its peak.
///
/// # Errors
/// Fewer than 4 frames after the skipped time.
pub fn non_gaussian_parameter(data: &Recording) -> Result<Observables, AnalysisError> {
    data.needs(4, "the non-Gaussian parameter")?;
    let moments = data.moments()?;
    let times = times(data, &moments.lags);
    let (alpha2, errors) = moments.curve(Sums::alpha2);
    // [group left out][lag]
    let groups = moments.groups.first().map_or(0, Vec::len);
    let left: Vec<Vec<f64>> = (0..groups)
        .map(|group| {
            let lags = moments.total.iter().zip(&moments.groups);
            lags.map(|(all, of)| all.plus(of[group], -1.0).alpha2()).collect()
        })
        .collect();
    let mut result = described(data, groups);
    report_peak(&times, &alpha2, &errors, &left, &mut result);
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    result.curves.push(Curve {
        name: format!("alpha2_{}", data.settings().species),
        label: data.settings().species.clone(),
        x_axis: axis("lag time", "ps"),
        y_axis: axis("α₂", ""),
        x: times,
        y: alpha2,
        y_error: errors,
    });
    Ok(result)
}

fn described(data: &Recording, groups: usize) -> Observables {
    let mut result = Observables::new(
        "non_gaussian",
        &format!("Non-Gaussian parameter of {}", data.settings().species),
        "alpha2(tau) = 3 <|dr|^4> / (5 <|dr|^2>^2) - 1 over ions and all time origins, drift of the framework removed; \
         peak by a parabola in ln tau; errors by leaving out groups of ions",
    );
    data.describe(&mut result);
    result.parameter("groups of atoms", groups);
    result.parameter("longest lag", "a third of the trajectory");
    result
}

fn report_peak(
    times: &[f64],
    alpha2: &[f64],
    errors: &[f64],
    left: &[Vec<f64>],
    result: &mut Observables,
) {
    let found = peak(times, alpha2).filter(|peak| {
        let nearest = (0..times.len())
            .min_by(|a, b| (times[*a] - peak.time).abs().total_cmp(&(times[*b] - peak.time).abs()));
        nearest
            .is_some_and(|k| errors.get(k).is_some_and(|error| peak.height > SIGNIFICANT * error))
    });
    let Some(found) = found else {
        result.caution(
            "no_peak",
            "α₂ has no peak within the lags that stands out of its errors".into(),
            "ions neither stay trapped nor escape while they are watched: look at shorter intervals between frames or at a longer \
             trajectory",
        );
        return;
    };
    let others: Option<Vec<Peak>> = left.iter().map(|curve| peak(times, curve)).collect();
    let known = |value: fn(&Peak) -> f64| match &others {
        Some(others) => {
            let error = jackknife(others.iter().map(value));
            Uncertainty::StandardError { value: error, n_eff: others.len() as f64 }
        }
        None => Uncertainty::NotEstimated {
            why: "the peak goes away when a group of ions is left out".into(),
        },
    };
    for (name, label, value, unit) in [
        ("alpha2_peak_time_ps", "time of the peak of α₂", (|p| p.time) as fn(&Peak) -> f64, "ps"),
        ("alpha2_peak", "height of the peak of α₂", |p| p.height, ""),
    ] {
        result.estimates.push(Estimate {
            name: name.into(),
            label: label.into(),
            value: value(&found),
            uncertainty: known(value),
            unit: unit.into(),
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Peak {
    time: f64,
    height: f64,
}

/// The highest point of the smoothed curve, unless it is at an end.
fn peak(times: &[f64], curve: &[f64]) -> Option<Peak> {
    let x: Vec<f64> = times.iter().map(|t| t.ln()).collect();
    let fits: Vec<Option<[f64; 3]>> = (0..x.len()).map(|k| parabola(&x, curve, k)).collect();
    let height = |k: &usize| fits[*k].map(|[height, ..]| height);
    let top = (0..x.len())
        .filter(|k| height(k).is_some())
        .max_by(|a, b| height(a).partial_cmp(&height(b)).expect("finite"))?;
    let [a, b, c] = fits[top]?;
    let shift = -b / (2.0 * c);
    // a vertex outside of the points it was made of is none
    if c >= 0.0 || shift.abs() > HALF_WIDTH.max((x[top + 1] - x[top - 1]) / 2.0) {
        return None;
    }
    Some(Peak { time: (x[top] + shift).exp(), height: a + 0.5 * b * shift })
}

/// Coefficients of `a + b (x − x_k) + c (x − x_k)²` through the points about `k`; `None` near the ends.
fn parabola(x: &[f64], y: &[f64], k: usize) -> Option<[f64; 3]> {
    let (low, high) = (k.checked_sub(NEAREST)?, k + NEAREST);
    if high >= x.len() {
        return None;
    }
    let near =
        (0..x.len()).filter(|j| (low..=high).contains(j) || (x[*j] - x[k]).abs() <= HALF_WIDTH);
    // sums of powers of x, and of those with y
    let (mut powers, mut with_y) = ([0.0; 5], [0.0; 3]);
    for j in near {
        let mut power = 1.0;
        for p in 0..5 {
            powers[p] += power;
            if p < 3 {
                with_y[p] += power * y[j];
            }
            power *= x[j] - x[k];
        }
    }
    let normal: [Vector3; 3] =
        std::array::from_fn(|row| std::array::from_fn(|col| powers[row + col]));
    let inverse = math::inverse(&normal)?;
    let solution: Vector3 = std::array::from_fn(|row| math::dot(inverse[row], with_y));
    solution.iter().all(|c| c.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests;
