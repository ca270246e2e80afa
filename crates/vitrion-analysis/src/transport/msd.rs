//! Mean squared displacements over all time origins.
//!
//! `MSD(τ) = ⟨|r_i(t + τ) − r_i(t)|²⟩` over atoms `i` and origins `t` (paper, eq. 10), in the frame
//! of the framework. Lags are all multiples of the frame interval up to a third of the trajectory,
//! thinned to about equal steps in log τ where there are many.
//!
//! Error of a point: `√(Var(|Δr|²) / n)` with `n = N · T/τ` independent observations (atoms ×
//! non-overlapping windows; McCluskey et al., J. Chem. Theory Comput. 21, 79 (2025)). Points of one
//! curve are correlated with each other.

use super::displacements::Displacements;
use crate::error::AnalysisError;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Observables};

/// Most lags of a curve.
const LAGS: usize = 120;

/// Moments of the displacement at one lag.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LagMoments {
    /// `⟨x²⟩, ⟨y²⟩, ⟨z²⟩` [Å²]
    pub(crate) axes: Vector3,
    /// `⟨|Δr|²⟩` [Å²]
    pub(crate) mean: f64,
    /// Variance of `|Δr|²` [Å⁴]
    pub(crate) variance: f64,
}

/// The definition: all origins, all atoms, one lag.
pub(crate) fn moments(positions: &[Vec<Vector3>], lag: usize) -> LagMoments {
    let (mut axes, mut sum, mut sum2, mut count) = ([0.0; 3], 0.0, 0.0, 0.0_f64);
    for (start, end) in positions.iter().zip(&positions[lag..]) {
        for (a, b) in start.iter().zip(end) {
            let d = math::sub(*b, *a);
            let r2 = math::norm2(d);
            for k in 0..3 {
                axes[k] += d[k] * d[k];
            }
            sum += r2;
            sum2 += r2 * r2;
            count += 1.0;
        }
    }
    let count = count.max(1.0);
    let mean = sum / count;
    LagMoments {
        axes: math::scale(axes, 1.0 / count),
        mean,
        variance: (sum2 / count - mean * mean).max(0.0),
    }
}

/// Lags [frames] from 1 to `longest`, all of them or about `LAGS` evenly spaced in their logarithm.
pub(crate) fn lags(longest: usize) -> Vec<usize> {
    if longest <= LAGS {
        return (1..=longest).collect();
    }
    let ratio = (longest as f64).ln();
    let mut result: Vec<usize> =
        (0..=LAGS).map(|k| (ratio * k as f64 / LAGS as f64).exp().round() as usize).collect();
    result.dedup();
    result
}

/// Number of independent observations at a lag.
pub(crate) fn independent(displacements: &Displacements, lag: usize) -> f64 {
    let windows = (displacements.frames() - 1) as f64 / lag as f64;
    displacements.mobile_atoms() as f64 * windows
}

/// MSD of the mobile species (total and per axis), of the framework, and the local exponent
/// `β(τ) = d ln MSD / d ln τ`.
///
/// # Errors
/// Fewer than 4 frames after the skipped time.
pub fn mean_squared_displacement(data: &Displacements) -> Result<Observables, AnalysisError> {
    let frames = data.frames();
    if frames < 4 {
        return Err(AnalysisError::TooFewFrames {
            what: "the mean squared displacement",
            needed: 4,
            found: frames,
        });
    }
    let species = &data.settings.species;
    let lags = lags((frames - 1) / 3);
    let mut result = Observables::new(
        "mean_squared_displacement",
        &format!("Mean squared displacement of {species}"),
        "MSD(tau) = <|r_i(t+tau) - r_i(t)|^2> over atoms and all time origins, drift of the \
         framework removed; standard error sqrt(Var(|dr|^2)/n), n = N T/tau",
    );
    let parameters = [
        ("species", species.clone()),
        ("atoms", data.mobile_atoms().to_string()),
        ("framework", data.framework_species.join(", ")),
        ("largest framework drift removed", format!("{:.3} Å", data.drift)),
        ("frames", frames.to_string()),
        ("frame interval", format!("{} fs", data.interval)),
        ("skipped", format!("{} fs", data.settings.skip)),
        ("unwrapped by vitrion", if data.settings.unwrap { "yes" } else { "no" }.into()),
        ("longest lag", "a third of the trajectory".into()),
    ];
    for (name, value) in parameters {
        result.parameters.push((name.into(), value));
    }
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    let times: Vec<f64> = lags.iter().map(|lag| *lag as f64 * data.interval * 1e-3).collect();
    let curve = |name: String, label: String, y: Vec<f64>, y_error: Vec<f64>| Curve {
        name,
        label,
        x_axis: axis("lag time", "ps"),
        y_axis: axis("MSD", "Å²"),
        x: times.clone(),
        y,
        y_error,
    };
    let all: Vec<LagMoments> = lags.iter().map(|lag| moments(&data.mobile, *lag)).collect();
    let errors = lags
        .iter()
        .zip(&all)
        .map(|(lag, m)| (m.variance / independent(data, *lag)).sqrt())
        .collect();
    let total: Vec<f64> = all.iter().map(|m| m.mean).collect();
    let exponent = exponents(&times, &total);
    result.curves.push(curve(format!("msd_{species}"), species.clone(), total, errors));
    for (k, name) in ["x", "y", "z"].iter().enumerate() {
        let y = all.iter().map(|m| m.axes[k]).collect();
        result.curves.push(curve(
            format!("msd_{species}_{name}"),
            format!("{species} along {name}"),
            y,
            Vec::new(),
        ));
    }
    let framework = data.framework_species.join("+");
    let rest = lags.iter().map(|lag| moments(&data.framework, *lag).mean).collect();
    result.curves.push(curve(
        "msd_framework".into(),
        format!("framework ({framework})"),
        rest,
        Vec::new(),
    ));
    let (x, y) = exponent;
    result.curves.push(Curve {
        name: "exponent".into(),
        label: format!("{species} exponent"),
        x_axis: axis("lag time", "ps"),
        y_axis: axis("d ln MSD / d ln τ", ""),
        x,
        y,
        y_error: Vec::new(),
    });
    Ok(result)
}

/// Local slopes of ln MSD against ln τ, fitted over a factor of about 2 in τ.
fn exponents(times: &[f64], msd: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let half = std::f64::consts::LN_2 / 2.0;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for (k, t) in times.iter().enumerate() {
        let near: Vec<(f64, f64)> = (0..times.len())
            .filter(|j| (times[*j] / t).ln().abs() <= half && msd[*j] > 0.0)
            .map(|j| (times[j].ln(), msd[j].ln()))
            .collect();
        if near.len() < 3 {
            continue;
        }
        let n = near.len() as f64;
        let (mx, my) =
            (near.iter().map(|p| p.0).sum::<f64>() / n, near.iter().map(|p| p.1).sum::<f64>() / n);
        let sxx: f64 = near.iter().map(|p| (p.0 - mx).powi(2)).sum();
        let sxy: f64 = near.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
        x.push(times[k]);
        y.push(sxy / sxx);
    }
    (x, y)
}
