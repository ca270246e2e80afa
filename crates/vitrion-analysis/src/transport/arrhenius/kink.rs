//! One line or two that meet: a phase or glass transition between the temperatures.
//!
//! The broken line `ln D = a + b x + c max(0, x − x_b)`, `x = 1/(k_B T)`, is fitted with the best break `x_b` between the second and the last but one temperature. It has two
//! parameters more than the straight one; the evidence for it is that of the Bayesian information criterion (Schwarz, Ann. Stat. 6, 461 (1978)),
//!
//! ```text
//! ln B = (χ²₁ − χ²₂)/(2 q) − ln n,   q = max(1, χ²₂/(n − 4))
//! ```
//!
//! where `q` enlarges errors that do not explain the scatter about the broken line either. With few temperatures `q` is badly known; so the same two lines are fitted with the scatter
//! of the straight one in the weights, and `(χ²₂/χ²₁)^((n − 4)/2)`, the chance of the F test with two parameters more, is asked for too. Above `ln 20` and below 5 % the kink
//! is called likely.

use super::fit::{Fit, inverse, own_variance};
use super::{ArrheniusPoint, Data};
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::observables::{Estimate, Observables, Uncertainty};
use vitrion_core::stats::weighted_line_fit;
use vitrion_core::units;

/// Temperatures that the test needs.
const FEWEST: usize = 5;
/// Breaks that are tried between two temperatures.
const BREAKS: usize = 20;
/// Chance below which a kink is likely.
const CHANCE: f64 = 0.05;
/// `ln B` above which a kink is likely: 20 to 1.
const LIKELY: f64 = 2.995_732;

/// The best broken line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kink {
    /// `ln B`
    pub(super) evidence: f64,
    /// Probability of as good a broken line where one line with scatter is true.
    pub(super) chance: f64,
    /// Temperature of the break [K].
    pub(super) temperature: f64,
    /// Activation energies above and below it [eV], with standard errors.
    pub(super) energies: [(f64, f64); 2],
}

/// `None` below five temperatures.
pub(super) fn find(points: &[ArrheniusPoint], fit: &Fit) -> Option<Kink> {
    let count = points.len();
    if count < FEWEST {
        return None;
    }
    let x: Vec<f64> = points.iter().map(|point| inverse(point.temperature)).collect();
    let y: Vec<f64> = points.iter().map(|point| point.diffusion.value.ln()).collect();
    let variance: Vec<f64> = points.iter().map(own_variance).collect();
    let straight = weighted_line_fit(&x, &y, &variance)?;
    let (chi2, at, [_, b, c], covariance) = best(&x, &y, &variance)?;
    let scattered: Vec<f64> = variance.iter().map(|own| own + fit.scatter * fit.scatter).collect();
    let one = fit.line.chi2;
    let ratio = if one > 0.0 { best(&x, &y, &scattered)?.0 / one } else { 1.0 };
    let inflated = (chi2 / (count as f64 - 4.0)).max(1.0);
    let error = |variance: f64| (inflated * variance).sqrt();
    // x falls with T: b is the slope at high temperatures
    let low = covariance[1][1] + 2.0 * covariance[1][2] + covariance[2][2];
    Some(Kink {
        evidence: 0.5 * (straight.chi2 - chi2) / inflated - (count as f64).ln(),
        chance: ratio.powf(0.5 * (count as f64 - 4.0)),
        temperature: 1.0 / (units::BOLTZMANN * at),
        energies: [(-b, error(covariance[1][1])), (-(b + c), error(low))],
    })
}

/// The best break: χ², its place, parameters and their covariance.
fn best(x: &[f64], y: &[f64], variance: &[f64]) -> Option<(f64, f64, Vector3, Matrix3)> {
    let mut best: Option<(f64, f64, Vector3, Matrix3)> = None;
    for pair in x[1..x.len() - 1].windows(2) {
        for k in 0..=BREAKS {
            let at = pair[0] + (pair[1] - pair[0]) * k as f64 / BREAKS as f64;
            let Some((chi2, solution, covariance)) = broken(x, y, variance, at) else { continue };
            if best.as_ref().is_none_or(|(least, ..)| chi2 < *least) {
                best = Some((chi2, at, solution, covariance));
            }
        }
    }
    best
}

/// χ², parameters and their covariance of the broken line with its break at `at`.
fn broken(x: &[f64], y: &[f64], variance: &[f64], at: f64) -> Option<(f64, Vector3, Matrix3)> {
    let row = |x: f64| [1.0, x - at, (x - at).max(0.0)];
    let (mut normal, mut right) = (math::ZERO, [0.0; 3]);
    for k in 0..x.len() {
        let row = row(x[k]);
        normal = math::matrix_add(
            &normal,
            &math::matrix_scale(&math::outer(row, row), 1.0 / variance[k]),
        );
        right = math::add(right, math::scale(row, y[k] / variance[k]));
    }
    let covariance = math::inverse(&normal)?;
    let solution = math::row_times(right, &covariance);
    let chi2 =
        (0..x.len()).map(|k| (y[k] - math::dot(solution, row(x[k]))).powi(2) / variance[k]).sum();
    Some((chi2, solution, covariance))
}

pub(super) fn report(data: &Data<'_>, fit: &Fit, result: &mut Observables) {
    let Some(kink) = find(&data.points, fit) else {
        let found = data.points.len();
        result.parameter("kink", format!("not tested: {found} temperatures, {FEWEST} are needed"));
        return;
    };
    let ratio = kink.evidence.exp();
    result.parameter(
        "kink",
        format!(
            "odds of a broken line {ratio:.2e}, chance without one {:.2e}, break at {:.0} K",
            kink.chance, kink.temperature
        ),
    );
    if kink.evidence < LIKELY || kink.chance > CHANCE {
        return;
    }
    for (name, label, (value, error)) in [
        ("activation_energy_hot_ev", "above", kink.energies[0]),
        ("activation_energy_cold_ev", "below", kink.energies[1]),
    ] {
        result.estimates.push(Estimate {
            name: name.into(),
            label: format!(
                "activation energy {label} {:.0} K, by the broken line",
                kink.temperature
            ),
            value,
            uncertainty: Uncertainty::StandardError {
                value: error,
                n_eff: data.points.len() as f64 - 3.0,
            },
            unit: "eV".into(),
        });
    }
    result.caution(
        "arrhenius_kink",
        format!(
            "the points follow two lines rather than one (odds {ratio:.1e}): {:.3} eV above {:.0} K, {:.3} eV below",
            kink.energies[0].0, kink.temperature, kink.energies[1].0
        ),
        "extrapolate from one side only; look for a phase or glass transition",
    );
}
