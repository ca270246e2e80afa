//! Conductivity from the current autocorrelation.
//!
//! `σ(τ) = 1/(3 V k_B T) ∫₀^τ ⟨J(0)·J(t)⟩ dt` by the trapezoidal rule. The integral is read off where the autocorrelation is first lost in its noise: below its own
//! standard error for [`LOST`] lags in a row; what comes later adds only noise.

use vitrion_core::observables::{Axis, Curve, Estimate, Uncertainty};
use vitrion_core::units;

/// Lags in a row at which the autocorrelation is below its error.
const LOST: usize = 3;
/// S/cm in mS/cm.
const MILLI: f64 = 1e3;

/// A running integral and what is read off it.
#[derive(Debug, Clone, PartialEq)]
pub struct GreenKubo {
    pub curve: Curve,
    /// `None` where the autocorrelation never sinks into its noise.
    pub conductivity: Option<Estimate>,
}

/// The running integral of a current autocorrelation [e²Å²/fs²] with its standard errors at rising lags [fs], the first of which is zero.
/// `volume` [Å³], `temperature` [K]; errors of lags are added as if independent, `parts` is how many independent parts they come from.
pub fn green_kubo(
    lags: &[f64],
    correlation: (&[f64], &[f64]),
    volume: f64,
    temperature: f64,
    parts: f64,
) -> GreenKubo {
    let (values, errors) = correlation;
    let scale =
        MILLI * units::CONDUCTIVITY_IN_S_PER_CM / (3.0 * volume * units::BOLTZMANN * temperature);
    let (mut integral, mut variance) = (0.0, 0.0);
    let (mut y, mut y_error) = (vec![0.0; lags.len().min(1)], vec![0.0; lags.len().min(1)]);
    for k in 1..lags.len() {
        let half = 0.5 * (lags[k] - lags[k - 1]);
        integral += half * (values[k] + values[k - 1]);
        // neighbouring lags share most of their noise
        variance += half * (errors[k] + errors[k - 1]);
        y.push(integral * scale);
        y_error.push(variance * scale);
    }
    let lost = |k: usize| (k..k + LOST).all(|k| values[k].abs() <= errors[k]);
    let cut = (1..lags.len().saturating_sub(LOST - 1)).find(|k| lost(*k));
    let conductivity = cut.map(|cut| Estimate {
        name: "conductivity_green_kubo_ms_per_cm".into(),
        label: format!(
            "conductivity (Green–Kubo, integral to {:.3} ps, where the current is forgotten)",
            lags[cut] * 1e-3
        ),
        value: y[cut],
        uncertainty: Uncertainty::StandardError { value: y_error[cut], n_eff: parts.max(2.0) },
        unit: "mS/cm".into(),
    });
    let curve = Curve {
        name: "green_kubo".into(),
        label: "running Green–Kubo integral".into(),
        x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
        y_axis: Axis { label: "σ".into(), unit: "mS/cm".into() },
        x: lags.iter().map(|lag| lag * 1e-3).collect(),
        y,
        y_error,
    };
    GreenKubo { curve, conductivity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_current_gives_its_time_times_its_square() {
        // C = c exp(−τ/t): ∫ C = c t
        let lags: Vec<f64> = (0..4000).map(|k| 0.5 * f64::from(k)).collect();
        let values: Vec<f64> = lags.iter().map(|lag| 2e-4 * (-lag / 50.0).exp()).collect();
        let errors = vec![1e-10; lags.len()];
        let found = green_kubo(&lags, (&values, &errors), 1000.0, 300.0, 10.0);
        let exact = 1e3 * units::CONDUCTIVITY_IN_S_PER_CM * 2e-4 * 50.0
            / (3.0 * 1000.0 * units::BOLTZMANN * 300.0);
        let estimate = found.conductivity.expect("it is forgotten");
        assert!((estimate.value / exact - 1.0).abs() < 1e-4, "{estimate:?}, not {exact}");
    }
}
