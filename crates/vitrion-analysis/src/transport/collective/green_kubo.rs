//! Conductivity from the current autocorrelation.
//!
//! `σ(τ) = 1/(3 V k_B T) ∫₀^τ C(t) dt`, `C = ⟨J(0)·J(t)⟩`. For currents with a normal distribution, seen for a time `T` that is long beside their memory, the
//! autocorrelation has the noise `√(2/(3T) ∫₀^τ C²)` and the integral, once it has settled, the relative error `√(4τ/(3T))`
//! (Jones and Mandadapu, J. Chem. Phys. 136, 154102 (2012), three axes).
//!
//! The current is forgotten at the first `τ` from which on, up to `2τ`, `C` has a root mean square of less than [`LOST`] times its noise. What comes later adds only noise.
//! A whole stretch is looked at, not single lags: an autocorrelation that oscillates goes through zero early. The conductivity is the mean of the running integral over this stretch:
//! vibrations of bonds between charges, noise of which never ends, swing the integral far and average out. It is an integral with weights `w` that fall from one
//! to zero over the stretch, and `∫ w² = 4τ/3` is the time that counts for its noise.

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
    /// Where the curve was read.
    pub(crate) read: Option<Stretch>,
}

/// Lags over which a running integral is averaged [fs].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stretch {
    begin: f64,
    end: f64,
}

impl Stretch {
    /// Mean of a curve over it, by the trapezoidal rule.
    pub(crate) fn mean(&self, lags: &[f64], curve: &[f64]) -> f64 {
        let inside = |lag: &f64| (self.begin..=self.end).contains(&(lag * (1.0 + 1e-9)));
        let (x, y): (Vec<f64>, Vec<f64>) =
            lags.iter().zip(curve).filter(|(lag, _)| inside(lag)).unzip();
        match (x.first(), x.last()) {
            (Some(first), Some(last)) if last > first => {
                trapezoidal(&x, &y).last().unwrap_or(&0.0) / (last - first)
            }
            _ => y.iter().sum::<f64>() / y.len() as f64,
        }
    }

    /// Time over which its noise adds up [fs].
    fn noisy(&self) -> f64 {
        self.begin + (self.end - self.begin) / 3.0
    }
}

impl CurrentCorrelation<'_> {
    /// Conductivity [mS/cm] of an integral [e²Å²/fs].
    pub(crate) fn scale(&self) -> f64 {
        MILLI * units::CONDUCTIVITY_IN_S_PER_CM
            / (3.0 * self.volume * units::BOLTZMANN * self.temperature)
    }

    /// Where the current is forgotten.
    fn forgotten(&self) -> Option<Stretch> {
        let CurrentCorrelation { lags, values, .. } = self;
        let squares: Vec<f64> = values.iter().map(|c| c * c).collect();
        let square = trapezoidal(lags, &squares);
        let longest = *lags.last()?;
        (FIRST..lags.len()).take_while(|k| 2.0 * lags[*k] <= longest).find_map(|k| {
            let end = lags.iter().rposition(|lag| *lag <= 2.0 * lags[k])?;
            let mean_square = (square[end] - square[k]) / (lags[end] - lags[k]);
            let noise = 2.0 / (3.0 * self.span) * square[k];
            let stretch = Stretch { begin: lags[k], end: lags[end] };
            (end > k && mean_square <= LOST * LOST * noise).then_some(stretch)
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
        let read = self.forgotten();
        let conductivity = read.map(|read| {
            let value = read.mean(lags, &y);
            Estimate {
                name: "conductivity_green_kubo_ms_per_cm".into(),
                label: format!(
                    "conductivity (Green–Kubo, mean of the integral from {:.3} to {:.3} ps, where the current is forgotten)",
                    read.begin * 1e-3,
                    read.end * 1e-3
                ),
                value,
                uncertainty: Uncertainty::StandardError {
                    value: value.abs() * relative(read.noisy()),
                    n_eff: (self.span / read.noisy()).max(2.0),
                },
                unit: "mS/cm".into(),
            }
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

    /// Shares of 68.3 and 95 % intervals that hold the exact integral, and its mean, for currents `slow + bond`: a part that forgets and the displacement rate of a
    /// damped vibration, whose integral is nearly zero.
    fn coverage(bond: f64) -> [f64; 3] {
        // v' = c v + noise of unit variance: Σ C (trapezoidal) = 3 (1 + c)/(1 − c)/2
        let (c, frames, trials) = (0.85_f64, 6000, 300);
        let (damping, omega) = (0.97_f64, 1.0_f64);
        let lags: Vec<f64> = (0..300).map(f64::from).collect();
        let (mut inside, mut sum, mut read) = ([0, 0], 0.0, 0);
        for seed in 0..trials {
            let mut random = rng::at(seed, Stream::Testing, 95, 0);
            let mut v: [f64; 3] = std::array::from_fn(|_| random.normal());
            // a complex number turns and shrinks: real part with C = exp(−γτ) cos ωτ
            let mut z: [[f64; 2]; 3] = std::array::from_fn(|_| [random.normal(), random.normal()]);
            let path: Vec<[f64; 3]> = (0..frames)
                .map(|_| {
                    v = v.map(|v| c * v + (1.0 - c * c).sqrt() * random.normal());
                    let kick = (1.0 - damping * damping).sqrt();
                    z = z.map(|[x, y]| {
                        let (s, c) = omega.sin_cos();
                        [
                            damping * (c * x - s * y) + kick * random.normal(),
                            damping * (s * x + c * y) + kick * random.normal(),
                        ]
                    });
                    std::array::from_fn(|k| v[k] + bond * z[k][0])
                })
                .collect();
            let at = |lag: usize| {
                let pairs = path.iter().zip(&path[lag..]);
                let products = pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>());
                products.sum::<f64>() / (frames - lag) as f64
            };
            let values: Vec<f64> = (0..lags.len()).map(at).collect();
            let found = correlation(&lags, &values, frames as f64);
            // Σ ρ^k cos ωk, half of the first: (1 − ρ²)/(2(1 − 2ρ cos ω + ρ²))
            let turning = (1.0 - damping * damping)
                / (2.0 * (1.0 - 2.0 * damping * omega.cos() + damping * damping));
            let exact = 3.0 * found.scale() * (0.5 * (1.0 + c) / (1.0 - c) + bond * bond * turning);
            // a vibration that happens to be remembered for long is not read
            let Some(estimate) = found.green_kubo().conductivity else { continue };
            read += 1;
            let Uncertainty::StandardError { value: error, .. } = estimate.uncertainty else {
                panic!("{estimate:?}")
            };
            sum += estimate.value / exact;
            for (count, quantile) in inside.iter_mut().zip([1.0, 1.96]) {
                *count += u32::from((estimate.value - exact).abs() < quantile * error);
            }
        }
        assert!(read > 285, "{read} of {trials} are forgotten");
        let [one, two] = inside.map(|count| f64::from(count) / f64::from(read));
        [one, two, sum / f64::from(read)]
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let [one, two, mean] = coverage(0.0);
        assert!((one - 0.683).abs() < 0.09 && (two - 0.95).abs() < 0.05, "{one} {two}");
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
    }

    #[test]
    fn vibrations_of_bonds_do_not_spoil_the_intervals() {
        let [one, two, mean] = coverage(3.0);
        assert!((one - 0.683).abs() < 0.09 && (two - 0.95).abs() < 0.05, "{one} {two}");
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
    }
}
