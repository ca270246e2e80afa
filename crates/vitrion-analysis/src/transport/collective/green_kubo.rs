//! Conductivity from the current autocorrelation.
//!
//! `σ(τ) = 1/(3 V k_B T) ∫₀^τ C(t) dt`, `C = ⟨J(0)·J(t)⟩`. For currents with a normal distribution, seen for a time `T` that is long beside their memory, the
//! autocorrelation has the noise `√(2/(3T) ∫₀^τ C²)` and the integral, once it has settled, the relative error `√(4τ/(3T))`
//! (Jones and Mandadapu, J. Chem. Phys. 136, 154102 (2012), three axes).
//!
//! The current is forgotten at the first `τ` from which on, up to `2τ`, `C` has a root mean square of less than [`LOST`] times its noise; the integral is read at `2τ`.
//! What comes later adds only noise. A whole stretch is looked at, not single lags: an autocorrelation that oscillates goes through zero early.

use vitrion_core::observables::{Axis, Curve, Estimate, Uncertainty};
use vitrion_core::units;

/// The current is forgotten below so many times the noise.
const LOST: f64 = 1.5;
/// The first lag that is tried: a stretch of fewer says nothing.
const FIRST: usize = 3;
/// S/cm in mS/cm.
const MILLI: f64 = 1e3;

/// Autocorrelation of a current and what turns it into a conductivity.
#[derive(Debug, Clone, Copy)]
pub struct CurrentCorrelation<'a> {
    /// Rising lags [fs], the first is zero.
    pub lags: &'a [f64],
    /// `⟨J(0)·J(τ)⟩` [e²Å²/fs²]
    pub values: &'a [f64],
    /// Running integral at lags of its own [fs, e²Å²/fs], where it is known better than by the trapezoidal rule.
    pub integral: Option<(&'a [f64], &'a [f64])>,
    /// Time that was watched [fs].
    pub span: f64,
    /// \[Å³\]
    pub volume: f64,
    /// [K]
    pub temperature: f64,
}

/// A running integral and what is read off it.
#[derive(Debug, Clone, PartialEq)]
pub struct GreenKubo {
    pub curve: Curve,
    /// `None` where the autocorrelation never sinks into its noise.
    pub conductivity: Option<Estimate>,
    /// The point of the curve that was read.
    pub(crate) read: Option<usize>,
}

impl CurrentCorrelation<'_> {
    /// Conductivity [mS/cm] of an integral [e²Å²/fs].
    pub(crate) fn scale(&self) -> f64 {
        MILLI * units::CONDUCTIVITY_IN_S_PER_CM
            / (3.0 * self.volume * units::BOLTZMANN * self.temperature)
    }

    /// Where the current is forgotten, and twice that [fs].
    fn forgotten(&self) -> Option<f64> {
        let CurrentCorrelation { lags, values, .. } = self;
        let squares: Vec<f64> = values.iter().map(|c| c * c).collect();
        let square = trapezoidal(lags, &squares);
        let longest = *lags.last()?;
        (FIRST..lags.len()).take_while(|k| 2.0 * lags[*k] <= longest).find_map(|k| {
            let end = lags.iter().rposition(|lag| *lag <= 2.0 * lags[k])?;
            let mean_square = (square[end] - square[k]) / (lags[end] - lags[k]);
            let noise = 2.0 / (3.0 * self.span) * square[k];
            (end > k && mean_square <= LOST * LOST * noise).then_some(lags[end])
        })
    }

    /// The running integral and the conductivity.
    pub fn green_kubo(&self) -> GreenKubo {
        let own = trapezoidal(self.lags, self.values);
        let (lags, integral) = self.integral.unwrap_or((self.lags, &own));
        let scale = self.scale();
        let relative = |lag: f64| (4.0 * lag / (3.0 * self.span)).sqrt();
        let y: Vec<f64> = integral.iter().map(|one| one * scale).collect();
        let y_error: Vec<f64> =
            y.iter().zip(lags).map(|(y, lag)| y.abs() * relative(*lag)).collect();
        let read =
            self.forgotten().and_then(|end| lags.iter().position(|lag| *lag >= end * (1.0 - 1e-9)));
        let conductivity = read.map(|read| Estimate {
            name: "conductivity_green_kubo_ms_per_cm".into(),
            label: format!(
                "conductivity (Green–Kubo, integral to {:.3} ps, where the current is forgotten)",
                lags[read] * 1e-3
            ),
            value: y[read],
            uncertainty: Uncertainty::StandardError {
                value: y_error[read],
                n_eff: (self.span / lags[read]).max(2.0),
            },
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
        GreenKubo { curve, conductivity, read }
    }
}

/// Running integral by the trapezoidal rule, zero at the first point.
pub(super) fn trapezoidal(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut all = vec![0.0; x.len()];
    for k in 1..x.len() {
        sum += 0.5 * (x[k] - x[k - 1]) * (y[k] + y[k - 1]);
        all[k] = sum;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    fn correlation<'a>(lags: &'a [f64], values: &'a [f64], span: f64) -> CurrentCorrelation<'a> {
        let (volume, temperature) = (1000.0, 300.0);
        CurrentCorrelation { lags, values, integral: None, span, volume, temperature }
    }

    #[test]
    fn an_exponential_current_gives_its_time_times_its_square() {
        // C = c exp(−τ/t): ∫ C = c t
        let lags: Vec<f64> = (0..4000).map(|k| 0.5 * f64::from(k)).collect();
        let values: Vec<f64> = lags.iter().map(|lag| 2e-4 * (-lag / 50.0).exp()).collect();
        let found = correlation(&lags, &values, 1e9);
        let exact = found.scale() * 2e-4 * 50.0;
        let estimate = found.green_kubo().conductivity.expect("it is forgotten");
        assert!((estimate.value / exact - 1.0).abs() < 1e-4, "{estimate:?}, not {exact}");
    }

    #[test]
    fn an_oscillation_is_not_cut_at_its_first_zero() {
        // C = c exp(−τ/t) cos(ωτ): ∫ C = c t/(1 + ω²t²)
        let lags: Vec<f64> = (0..2000).map(f64::from).collect();
        let omega = 0.1;
        let values: Vec<f64> =
            lags.iter().map(|lag| 2e-4 * (-lag / 50.0).exp() * (omega * lag).cos()).collect();
        let found = correlation(&lags, &values, 1e5);
        let exact = found.scale() * 2e-4 * 50.0 / (1.0 + 25.0);
        let estimate = found.green_kubo().conductivity.expect("it is forgotten");
        assert!((estimate.value / exact - 1.0).abs() < 0.05, "{estimate:?}, not {exact}");
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // v' = c v + noise of unit variance: Σ C (trapezoidal) = 3 (1 + c)/(1 − c)/2
        let (c, frames, trials) = (0.85_f64, 6000, 300);
        let lags: Vec<f64> = (0..200).map(f64::from).collect();
        let (mut inside, mut sum) = ([0, 0], 0.0);
        for seed in 0..trials {
            let mut random = rng::at(seed, Stream::Testing, 95, 0);
            let mut v: [f64; 3] = std::array::from_fn(|_| random.normal());
            let path: Vec<[f64; 3]> = (0..frames)
                .map(|_| {
                    v = v.map(|v| c * v + (1.0 - c * c).sqrt() * random.normal());
                    v
                })
                .collect();
            let at = |lag: usize| {
                let pairs = path.iter().zip(&path[lag..]);
                let products = pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>());
                products.sum::<f64>() / (frames - lag) as f64
            };
            let values: Vec<f64> = (0..lags.len()).map(at).collect();
            let found = correlation(&lags, &values, frames as f64);
            let exact = found.scale() * 1.5 * (1.0 + c) / (1.0 - c);
            let estimate = found.green_kubo().conductivity.expect("it is forgotten");
            let Uncertainty::StandardError { value: error, .. } = estimate.uncertainty else {
                panic!("{estimate:?}")
            };
            sum += estimate.value / exact;
            for (count, quantile) in inside.iter_mut().zip([1.0, 1.96]) {
                *count += u32::from((estimate.value - exact).abs() < quantile * error);
            }
        }
        let [one, two] = inside.map(|count| f64::from(count) / trials as f64);
        let bias = sum / trials as f64 - 1.0;
        assert!((one - 0.683).abs() < 0.09 && (two - 0.95).abs() < 0.05, "{one} {two}");
        assert!(bias.abs() < 0.03, "{bias}");
    }
}
