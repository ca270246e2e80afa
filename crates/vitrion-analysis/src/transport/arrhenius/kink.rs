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
//!
//! The broken line only says where to part the points: where the break lies is as uncertain as the slopes are, and a slope whose error takes it as known is too sure of itself.
//! The activation energies are those of straight lines through the points of each side alone.

use super::fit::{Fit, inverse, own_variance};
use super::{ArrheniusPoint, Data};
use vitrion_core::math;
use vitrion_core::observables::{Estimate, Observables, Uncertainty};
use vitrion_core::stats::{student_t_quantile, weighted_line_fit};
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
    /// Activation energies above and below it [eV], each with half of its interval.
    pub(super) energies: [(f64, f64); 2],
}

/// `None` below five temperatures.
pub(super) fn find(points: &[ArrheniusPoint], fit: &Fit, level: f64) -> Option<Kink> {
    let count = points.len();
    if count < FEWEST {
        return None;
    }
    let x: Vec<f64> = points.iter().map(|point| inverse(point.temperature)).collect();
    let y: Vec<f64> = points.iter().map(|point| point.diffusion.value.ln()).collect();
    let variance: Vec<f64> = points.iter().map(own_variance).collect();
    let straight = weighted_line_fit(&x, &y, &variance)?;
    let (chi2, at) = best(&x, &y, &variance)?;
    let scattered: Vec<f64> = variance.iter().map(|own| own + fit.scatter * fit.scatter).collect();
    let one = fit.line.chi2;
    let ratio = if one > 0.0 { best(&x, &y, &scattered)?.0 / one } else { 1.0 };
    let inflated = (chi2 / (count as f64 - 4.0)).max(1.0);
    // x falls with T, and the points rise with it
    let cold = x.iter().filter(|x| **x > at).count();
    let (below, above) = points.split_at(cold);
    Some(Kink {
        evidence: 0.5 * (straight.chi2 - chi2) / inflated - (count as f64).ln(),
        chance: ratio.powf(0.5 * (count as f64 - 4.0)),
        temperature: 1.0 / (units::BOLTZMANN * at),
        energies: [side(above, level, inflated)?, side(below, level, inflated)?],
    })
}

/// Activation energy of the points on one side of the break, and half of its interval; two points show no scatter, their errors are enlarged by that of all.
fn side(points: &[ArrheniusPoint], level: f64, inflated: f64) -> Option<(f64, f64)> {
    if let Some(fit) = Fit::new(points, level) {
        return Some((-fit.line.slope, fit.quantile() * fit.line.variance_slope.sqrt()));
    }
    let [one, other] = points else { return None };
    let step = inverse(other.temperature) - inverse(one.temperature);
    let slope = (other.diffusion.value / one.diffusion.value).ln() / step;
    let error = (inflated * (own_variance(one) + own_variance(other))).sqrt() / step.abs();
    Some((-slope, student_t_quantile(0.5 + 0.5 * level, f64::INFINITY) * error))
}

/// The best break: χ² and its place.
fn best(x: &[f64], y: &[f64], variance: &[f64]) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64)> = None;
    for pair in x[1..x.len() - 1].windows(2) {
        for k in 0..=BREAKS {
            let at = pair[0] + (pair[1] - pair[0]) * k as f64 / BREAKS as f64;
            let Some(chi2) = broken(x, y, variance, at) else { continue };
            if best.is_none_or(|(least, _)| chi2 < least) {
                best = Some((chi2, at));
            }
        }
    }
    best
}

/// χ² of the broken line with its break at `at`.
fn broken(x: &[f64], y: &[f64], variance: &[f64], at: f64) -> Option<f64> {
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
    let solution = math::row_times(right, &math::inverse(&normal)?);
    Some((0..x.len()).map(|k| (y[k] - math::dot(solution, row(x[k]))).powi(2) / variance[k]).sum())
}

pub(super) fn report(data: &Data<'_>, fit: &Fit, result: &mut Observables) {
    let Some(kink) = find(&data.points, fit, data.settings.level) else {
        let found = data.points.len();
        result.parameter("kink", format!("not tested: {found} temperatures, {FEWEST} are needed"));
        return;
    };
    let (ratio, level) = (kink.evidence.exp(), data.settings.level);
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
    for (name, label, (value, half)) in [
        ("activation_energy_hot_ev", "above", kink.energies[0]),
        ("activation_energy_cold_ev", "below", kink.energies[1]),
    ] {
        result.estimates.push(Estimate {
            name: name.into(),
            label: format!(
                "activation energy {label} {:.0} K, by the points there",
                kink.temperature
            ),
            value,
            uncertainty: Uncertainty::Interval { low: value - half, high: value + half, level },
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
