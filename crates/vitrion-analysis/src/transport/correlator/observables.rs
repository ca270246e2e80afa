//! From sums to curves with errors.
//!
//! A mean over `N` atoms and `T/τ` windows that do not overlap has `n = N T/τ` independent
//! observations (collective quantities: `T/τ`), so its standard error is `√(Var/n)`; that of α₂ follows
//! from those of its two moments and their covariance.

use super::Correlator;
use crate::error::AnalysisError;
use crate::transport::collective::CurrentCorrelation;
use vitrion_core::observables::{Axis, Curve, Observables};

/// Fewer windows than this are few.
const FEW_WINDOWS: f64 = 10.0;
/// (fs/ps)⁻²
const PER_PS2: f64 = 1e6;

/// Points of one curve.
#[derive(Default)]
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
    error: Vec<f64>,
}

impl Points {
    /// A mean of `count` values with these sums, `n` of them independent.
    fn mean(&mut self, x: f64, sum: f64, sum_of_squares: f64, count: f64, n: f64) {
        let mean = sum / count;
        let variance = (sum_of_squares / count - mean * mean).max(0.0);
        self.push(x, mean, (variance / n).sqrt());
    }

    fn push(&mut self, x: f64, y: f64, error: f64) {
        self.x.push(x);
        self.y.push(y);
        self.error.push(error);
    }

    /// In units larger by `factor`.
    fn scaled(mut self, factor: f64) -> Self {
        for y in self.y.iter_mut().chain(&mut self.error) {
            *y *= factor;
        }
        self
    }

    fn curve(self, name: String, label: &str, quantity: &str, unit: &str) -> Curve {
        Curve {
            name,
            label: label.to_owned(),
            x_axis: Axis { label: "tau".to_owned(), unit: "ps".to_owned() },
            y_axis: Axis { label: quantity.to_owned(), unit: unit.to_owned() },
            x: self.x,
            y: self.y,
            y_error: self.error,
        }
    }
}

impl Correlator {
    /// Curves of all quantities at all lags with at least one origin.
    ///
    /// # Errors
    /// Fewer than two samples.
    pub fn finish(&self) -> Result<Observables, AnalysisError> {
        if self.samples < 2 {
            return Err(AnalysisError::TooFewFrames {
                what: "time correlations",
                needed: 2,
                found: self.samples as usize,
            });
        }
        let mut result = Observables::new(
            "time_correlation",
            "Time correlations, accumulated while the simulation ran",
            "MSD = <|dr|^2>, alpha2 = 3<|dr|^4>/(5<|dr|^2>^2) - 1, <v(0).v(tau)>; J = sum z v, sigma = 1/(3 V k_B T) int <J(0).J(tau)> dtau; displacements \
             against the deforming cell, centre of mass at rest; order-n scheme, exact lags; standard \
             error sqrt(Var/n), n = N T/tau (collective: T/tau)",
        );
        let span = (self.samples - 1) as f64 * self.settings.interval * 1e-3;
        let parameters = [
            ("samples", self.samples.to_string()),
            ("interval", format!("{} fs", self.settings.interval)),
            ("length", format!("{span:.3} ps")),
            (
                "memory",
                format!("{:.1} kB per atom", self.bytes() as f64 * 1e-3 / self.order.len() as f64),
            ),
        ];
        result.parameters.extend(parameters.map(|(name, value)| (name.to_owned(), value)));
        for (element, symbol) in self.symbols.iter().enumerate() {
            self.single_particle(element, symbol, span, &mut result);
        }
        if !self.charges.is_empty() {
            self.collective(span, &mut result);
        }
        let longest =
            result.curves.iter().flat_map(|curve| &curve.x).fold(0.0_f64, |m, x| m.max(*x));
        if span < FEW_WINDOWS * longest {
            result.caution(
                "few_windows",
                format!(
                    "the longest lag, {longest:.3} ps, fits {:.1} times into {span:.3} ps: collective \
                     quantities beyond {:.3} ps are hardly averaged",
                    span / longest,
                    span / FEW_WINDOWS
                ),
                "run longer, or read the curves up to a tenth of the length of the run",
            );
        }
        Ok(result)
    }

    /// `(level, lag in its units, τ [ps], origins)` of all lags that were seen.
    fn lags(&self) -> impl Iterator<Item = (&super::Level, usize, f64, f64)> {
        let unit = self.settings.interval * 1e-3;
        self.levels.iter().flat_map(move |level| {
            level.lags().filter(|lag| level.origins(*lag) > 0).map(move |lag| {
                let tau = (lag as u64 * level.every()) as f64 * unit;
                (level, lag, tau, level.origins(lag) as f64)
            })
        })
    }

    fn single_particle(&self, element: usize, symbol: &str, span: f64, result: &mut Observables) {
        let begin = element.checked_sub(1).map_or(0, |before| self.ends[before]);
        let atoms = (self.ends[element] - begin) as f64;
        let (mut msd, mut alpha2, mut vacf) =
            (Points::default(), Points::default(), Points::default());
        let mut axes = [Points::default(), Points::default(), Points::default()];
        for (level, lag, tau, origins) in self.lags() {
            let sums = level.sums(lag, element);
            let count = origins * atoms;
            // at zero lag every sample is its own window
            let windows = if tau > 0.0 { (span / tau).min(origins) } else { origins };
            let n = atoms * windows;
            vacf.mean(tau, sums.velocity, sums.velocity2, count, n);
            if lag == 0 {
                continue;
            }
            let r2 = sums.axes.iter().sum::<f64>();
            let [r4, r6, r8] = sums.higher.map(|sum| sum / count);
            msd.mean(tau, r2, r4 * count, count, n);
            for (points, sum) in axes.iter_mut().zip(sums.axes) {
                // isotropic share of the error: a third of the squares, and their variances add
                let error = msd.error.last().expect("just pushed") / 3.0_f64.sqrt();
                points.push(tau, sum / count, error);
            }
            let r2 = r2 / count;
            if r2 > 0.0 {
                let value = 3.0 * r4 / (5.0 * r2 * r2);
                let relative = (r8 - r4 * r4) / (r4 * r4) + 4.0 * (r4 - r2 * r2) / (r2 * r2)
                    - 4.0 * (r6 - r2 * r4) / (r2 * r4);
                alpha2.push(tau, value - 1.0, value * (relative.max(0.0) / n).sqrt());
            }
        }
        result.curves.push(msd.curve(format!("msd_{symbol}"), symbol, "MSD", "Å²"));
        for (points, axis) in axes.into_iter().zip(["x", "y", "z"]) {
            let label = format!("{symbol}, {axis}");
            let name = format!("msd_{axis}_{symbol}");
            result.curves.push(points.curve(name, &label, "MSD", "Å²"));
        }
        result.curves.push(alpha2.curve(format!("alpha2_{symbol}"), symbol, "alpha2", ""));
        let name = format!("vacf_{symbol}");
        let vacf = vacf.scaled(PER_PS2);
        result.curves.push(vacf.curve(name, symbol, "<v(0).v(tau)>", "Å²/ps²"));
    }

    fn collective(&self, span: f64, result: &mut Observables) {
        let (mut dipole, mut current) = (Points::default(), Points::default());
        for (level, lag, tau, origins) in self.lags() {
            let sums = level.collective(lag).expect("charges are known");
            let n = if tau > 0.0 { (span / tau).min(origins) } else { origins };
            current.mean(tau, sums.current, sums.current2, origins, n);
            if lag > 0 {
                dipole.mean(tau, sums.dipole, sums.dipole2, origins, n);
            }
        }
        let name = "charge_msd".to_owned();
        result.curves.push(dipole.curve(name, "charge", "<|sum z dr|^2>", "e²Å²"));
        let (volume, temperature) = (self.mean_volume(), self.mean_temperature());
        result.parameter("mean volume", format!("{volume:.1} Å³"));
        result.parameter("mean temperature", format!("{temperature:.1} K"));
        let in_fs: Vec<f64> = current.x.iter().map(|tau| tau * 1e3).collect();
        if volume > 0.0 && temperature > 0.0 {
            let (at, integral) = self.slopes();
            let values = &current.y[..];
            let known = Some((&at[..], &integral[..]));
            let (lags, span) = (&in_fs[..], span * 1e3);
            let current =
                CurrentCorrelation { lags, values, integral: known, span, volume, temperature };
            let found = current.green_kubo();
            result.curves.push(found.curve);
            result.estimates.extend(found.conductivity);
        }
        let name = "current_acf".to_owned();
        let current = current.scaled(PER_PS2);
        result.curves.push(current.curve(name, "current", "<J(0).J(tau)>", "e²Å²/ps²"));
    }

    /// Half of the slope of `⟨|Σ z Δr|²⟩` between neighbouring lags of one level [fs, e²Å²/fs]. It is the integral of the current
    /// autocorrelation up to there, whatever the spacing of the lags.
    fn slopes(&self) -> (Vec<f64>, Vec<f64>) {
        let unit = self.settings.interval;
        let (mut at, mut integral) = (Vec::new(), Vec::new());
        for level in &self.levels {
            let step = level.every() as f64 * unit;
            let mean = |lag: usize| {
                let origins = level.origins(lag);
                let sums = level.collective(lag).filter(|_| origins > 0);
                sums.map(|sums| sums.dipole / origins as f64)
            };
            for lag in level.lags().skip(1) {
                if let (Some(shorter), Some(longer)) = (mean(lag - 1), mean(lag)) {
                    at.push((lag as f64 - 0.5) * step);
                    integral.push(0.5 * (longer - shorter) / step);
                }
            }
        }
        (at, integral)
    }
}
