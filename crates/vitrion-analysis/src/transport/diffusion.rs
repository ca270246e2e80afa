//! Tracer diffusion coefficient and Nernst–Einstein conductivity from a mean squared displacement.
//!
//! Within the diffusive window `MSD(τ) = a + 6 D τ` with a free intercept `a` (vibrations), fitted by
//! generalised least squares with the covariance of overlapping displacements,
//! `cov(τ_i ≤ τ_j) = (Var r²)_i / n_i · n_i / n_j`, `n_i = N T / τ_i` (McCluskey et al., J. Chem.
//! Theory Comput. 21, 79 (2025)), where `Var r² = v τ²` with one `v` for the window.

use super::TransportError;
use super::arrhenius::ArrheniusPoint;
use super::displacement::{MeanSquaredDisplacement, standard_error};
use super::window::{diffusive_start, long_enough};
use std::ops::Range;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::{self, least_squares, quantile};
use vitrion_core::units::{self, Kind};

/// Lags of a window used in the fit; more add cost and rounding, not information.
const MOST_LAGS: usize = 40;
/// Level of intervals and bounds.
const LEVEL: f64 = 0.95;

/// What a diffusion coefficient needs besides displacements.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffusionOptions {
    /// Charge of an ion [e].
    pub charge: f64,
    /// Mean temperature [K].
    pub temperature: f64,
    /// Mean volume of the cell [Å³].
    pub volume: f64,
    /// Longest lag of the fit as a fraction of the trajectory; default 1/3.
    pub longest_lag: f64,
    /// How far the exponent may be from 1 at the start of the window, and the late slope from the
    /// fitted one (relative, beyond its noise); default 0.2.
    pub exponent_tolerance: f64,
    /// Least diffusive displacement over the trajectory, `sqrt(6 D T)` [Å]; default 2.
    pub least_displacement: f64,
}

impl DiffusionOptions {
    /// The defaults for ions of `charge` [e] at `temperature` [K] in `volume` [Å³].
    pub fn new(charge: f64, temperature: f64, volume: f64) -> Self {
        DiffusionOptions {
            charge,
            temperature,
            volume,
            longest_lag: 1.0 / 3.0,
            exponent_tolerance: 0.2,
            least_displacement: 2.0,
        }
    }
}

/// What could be said about the diffusion coefficient [Å²/fs].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Resolved, with its standard error.
    Measured { diffusion: f64, standard_error: f64 },
    /// Too slow to be seen in this time: at most this, with 95 % confidence.
    UpperBound { diffusion: f64 },
    /// Faster than diffusive up to the longest lag: this slope is not a diffusion coefficient.
    Unresolved { slope: f64 },
}

/// A diffusion coefficient with all that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Diffusion {
    /// Symbol of the ion.
    pub species: String,
    /// Temperature [K].
    pub temperature: f64,
    /// Charge [e].
    pub charge: f64,
    /// Ions per volume [Å⁻³].
    pub number_density: f64,
    /// The diffusion coefficient.
    pub outcome: Outcome,
    /// First and last lag of the fit [fs].
    pub window: (f64, f64),
    /// Estimates, fit line, parameters, cautions.
    pub observables: Observables,
}

/// Nernst–Einstein conductivity [mS/cm], `σ = (N/V) (Z e)² D / (k_B T)`, for `number_density`
/// [Å⁻³], `charge` [e], `temperature` [K] and `diffusion` [Å²/fs].
pub fn nernst_einstein(number_density: f64, charge: f64, temperature: f64, diffusion: f64) -> f64 {
    let siemens_per_cm = units::CONDUCTIVITY_IN_S_PER_CM * number_density * charge * charge
        / (units::BOLTZMANN * temperature)
        * diffusion;
    1e3 * siemens_per_cm
}

/// One fit of `a + 6 D τ`.
pub(super) struct Fit {
    /// `a` [Å²].
    pub(super) intercept: f64,
    intercept_error: f64,
    /// `D` [Å²/fs].
    pub(super) diffusion: f64,
    /// Error from the covariance model, from the scatter of ions, of blocks of origins [Å²/fs].
    errors: [f64; 3],
    /// D along x, y, z with errors from the scatter of ions.
    components: [(f64, f64); 3],
}

impl Fit {
    fn error(&self) -> f64 {
        self.errors.into_iter().fold(0.0, f64::max)
    }
}

impl Diffusion {
    /// Finds the diffusive window and fits it.
    ///
    /// The window ends at `longest_lag` of the trajectory and begins at the shortest lag from which
    /// the MSD grows like `a + c τ^β` with β within `exponent_tolerance` of 1, diffusion exceeds
    /// vibration (`6 D τ ≥ a`), and the slope lasts to the end (book, `theory/transport.md`). The error is the largest of: the covariance model, the scatter
    /// between ions, the scatter between eight blocks of time origins; and the shift of D when the
    /// window begins twice as late, where that shift is significant.
    ///
    /// An upper bound is returned when no window exists, when `6 D T` is below the square of
    /// `least_displacement`, or when D is below two standard errors.
    ///
    /// # Errors
    /// Options out of range, or fewer than 24 frames.
    pub fn measure(
        msd: &MeanSquaredDisplacement,
        options: &DiffusionOptions,
    ) -> Result<Diffusion, TransportError> {
        check(options)?;
        if msd.frames < 24 {
            return Err(TransportError::TooFewFrames {
                quantity: "a diffusion coefficient",
                needed: 24,
                found: msd.frames,
            });
        }
        let longest = (msd.duration() * options.longest_lag / msd.interval + 1e-9).floor();
        let end = msd.lags.iter().filter(|lag| **lag as f64 <= longest).count();
        let start = diffusive_start(msd, end, options.exponent_tolerance)?;
        // without a window the late part serves for the bound
        let late = (0..end).rev().find(|k| long_enough(msd, *k..end)).unwrap_or(0);
        let range = start.unwrap_or(late)..end;
        let window =
            (msd.lags[range.start] as f64 * msd.interval, msd.lags[end - 1] as f64 * msd.interval);
        let fit = fit_line(msd, range.clone())?;
        let number_density = msd.ions as f64 / options.volume;
        let mut observables = Observables::new(
            "diffusion",
            &format!("Tracer diffusion of {} at {:.0} K", msd.species, options.temperature),
            "MSD(tau) = a + 6 D tau by generalised least squares, \
             cov(i<=j) = v tau_i^2 tau_j / (N T); sigma = N/V (Z e)^2 D / (k_B T)",
        );
        state_parameters(&mut observables, msd, options, window, number_density);
        let mut error = fit.error();
        if start.is_some() {
            error = check_window(&mut observables, msd, range.clone(), &fit, error)?;
        }
        let outcome = judge(&mut observables, msd, options, start.is_some(), &range, &fit, error);
        let result = Diffusion {
            species: msd.species.clone(),
            temperature: options.temperature,
            charge: options.charge,
            number_density,
            outcome,
            window,
            observables,
        };
        Ok(result.with_estimates(msd, range, &fit))
    }

    /// The same for an Arrhenius fit.
    pub fn point(&self) -> ArrheniusPoint {
        ArrheniusPoint {
            temperature: self.temperature,
            outcome: self.outcome,
            number_density: self.number_density,
        }
    }

    fn with_estimates(
        mut self,
        msd: &MeanSquaredDisplacement,
        range: Range<usize>,
        fit: &Fit,
    ) -> Self {
        let species = self.species.clone();
        let cm2 = units::A2_PER_FS_IN_CM2_PER_S;
        let to_sigma =
            |d: f64| nernst_einstein(self.number_density, self.charge, self.temperature, d);
        let (value, in_unit): (f64, Box<dyn Fn(f64) -> Uncertainty>) = match self.outcome {
            Outcome::Measured { diffusion, standard_error } => (
                diffusion,
                Box::new(move |unit: f64| Uncertainty::StandardError {
                    value: standard_error * unit,
                    n_eff: effective_samples(diffusion, standard_error),
                }),
            ),
            Outcome::UpperBound { diffusion } => {
                (diffusion, Box::new(|_| Uncertainty::UpperBound { level: LEVEL }))
            }
            Outcome::Unresolved { slope } => (
                slope,
                Box::new(|_| Uncertainty::NotEstimated {
                    why: "the motion is faster than diffusive up to the longest lag".to_owned(),
                }),
            ),
        };
        let mut add = |name: &str, label: String, value: f64, uncertainty, unit: &str| {
            self.observables.estimates.push(Estimate {
                name: name.to_owned(),
                label,
                value,
                uncertainty,
                unit: unit.to_owned(),
            });
        };
        let label = format!("{species} tracer diffusion coefficient");
        add("diffusion_cm2_per_s", label, value * cm2, in_unit(cm2), "cm²/s");
        let label = format!("Nernst–Einstein conductivity of {species}");
        add("conductivity_ms_per_cm", label, to_sigma(value), in_unit(to_sigma(1.0)), "mS/cm");
        if matches!(self.outcome, Outcome::Measured { .. }) {
            for (axis, (value, error)) in ["xx", "yy", "zz"].into_iter().zip(fit.components) {
                let uncertainty = if error > 0.0 {
                    let n_eff = msd.ions as f64;
                    Uncertainty::StandardError { value: error * cm2, n_eff }
                } else {
                    Uncertainty::NotEstimated { why: "a single ion has no scatter".to_owned() }
                };
                let name = format!("diffusion_{axis}_cm2_per_s");
                add(
                    &name,
                    format!("{species} diffusion, {axis}"),
                    value * cm2,
                    uncertainty,
                    "cm²/s",
                );
            }
            let uncertainty =
                Uncertainty::StandardError { value: fit.intercept_error, n_eff: msd.ions as f64 };
            let label = format!("{species} vibrational intercept of the MSD");
            add("intercept_angstrom2", label, fit.intercept, uncertainty, "Å²");
        }
        let times: Vec<f64> = msd.times()[range].to_vec();
        self.observables.curves.push(Curve {
            name: format!("msd_fit_{species}"),
            label: format!("{species} fit"),
            x_axis: Axis { label: "lag time".to_owned(), unit: "ps".to_owned() },
            y_axis: Axis { label: "MSD".to_owned(), unit: "Å²".to_owned() },
            x: times.iter().map(|t| units::express(*t, Kind::Time, "ps")).collect(),
            y: times.iter().map(|t| fit.intercept + 6.0 * fit.diffusion * t).collect(),
            y_error: Vec::new(),
        });
        self.observables.caution(
            "nernst_einstein",
            "The conductivity is the Nernst–Einstein one: it ignores correlations between ions \
             (the Haven ratio is taken as 1)."
                .to_owned(),
            "Compare with experiment only within the Haven ratio, often 0.3 to 1 in fast conductors.",
        );
        self
    }
}

/// Number of independent displacements that would give the relative error: the variance of r² of
/// a Gaussian displacement is 2/3 of its squared mean.
pub(super) fn effective_samples(diffusion: f64, standard_error: f64) -> f64 {
    2.0 / 3.0 * (diffusion / standard_error).powi(2)
}

fn check(options: &DiffusionOptions) -> Result<(), TransportError> {
    let positive = "a positive number";
    for (what, value, good, expected) in [
        ("the temperature [K]", options.temperature, options.temperature > 0.0, positive),
        ("the volume [Å³]", options.volume, options.volume > 0.0, positive),
        ("the charge [e]", options.charge, options.charge.abs() > 0.0, "a charge other than zero"),
        (
            "the longest lag over the duration",
            options.longest_lag,
            options.longest_lag > 0.0 && options.longest_lag <= 0.5,
            "a fraction above 0, at most 0.5",
        ),
        (
            "the tolerance of the exponent",
            options.exponent_tolerance,
            options.exponent_tolerance > 0.0 && options.exponent_tolerance < 1.0,
            "a number between 0 and 1",
        ),
        (
            "the least displacement [Å]",
            options.least_displacement,
            options.least_displacement > 0.0,
            positive,
        ),
    ] {
        if !(good && value.is_finite()) {
            return Err(TransportError::BadValue { what, value, expected });
        }
    }
    Ok(())
}

/// Generalised least squares of `a + 6 D τ` over the lags `range`.
pub(super) fn fit_line(
    msd: &MeanSquaredDisplacement,
    range: Range<usize>,
) -> Result<Fit, TransportError> {
    let stride = range.len().div_ceil(MOST_LAGS);
    let lags: Vec<usize> = range.step_by(stride).collect();
    let values = msd.values();
    // times in units of the shortest lag keep the matrix well scaled
    let unit = msd.lags[lags[0]] as f64 * msd.interval;
    let times: Vec<f64> = lags.iter().map(|k| msd.lags[*k] as f64 * msd.interval / unit).collect();
    let spread: Vec<f64> = lags.iter().zip(&times).map(|(k, t)| msd.spread[*k] / (t * t)).collect();
    let v = stats::mean(&spread);
    let design: Vec<Vec<f64>> = times.iter().map(|t| vec![1.0, 6.0 * t]).collect();
    let y: Vec<f64> = lags.iter().map(|k| values[*k]).collect();
    let shape = |i: usize, j: usize| {
        let (short, long) = (times[i].min(times[j]), times[i].max(times[j]));
        short * short * long
    };
    let covariance: Vec<Vec<f64>> =
        (0..times.len()).map(|i| (0..times.len()).map(|j| shape(i, j)).collect()).collect();
    let fit = least_squares::generalised(&design, &y, &covariance).map_err(|source| {
        TransportError::Statistics { doing: "fitting the mean squared displacement", source }
    })?;
    // the estimate does not depend on the scale of the covariance, only its error does
    let scale = v / (msd.ions as f64 * msd.duration() / unit);
    let weights = &fit.weights[1];
    let over = |of: &dyn Fn(usize) -> f64| -> f64 {
        lags.iter().zip(weights).map(|(k, w)| w * of(*k)).sum::<f64>() / unit
    };
    let ions = |of: &dyn Fn(&[f64; 3]) -> f64| -> Vec<f64> {
        (0..msd.ions).map(|ion| over(&|k| of(&msd.per_ion[k][ion]))).collect()
    };
    let blocks = lags.iter().map(|k| msd.per_block[*k].len()).min().unwrap_or(0);
    let of_blocks: Vec<f64> = (0..blocks).map(|b| over(&|k| msd.per_block[k][b])).collect();
    let components = std::array::from_fn(|axis| {
        // along one axis the slope is 2 D, while the weights expect 6 D
        let value = over(&|k| 3.0 * msd.components[k][axis]);
        (value, standard_error(&ions(&|c| 3.0 * c[axis])))
    });
    let intercepts: Vec<f64> = (0..msd.ions)
        .map(|ion| {
            let terms = lags.iter().zip(&fit.weights[0]);
            terms.map(|(k, w)| w * msd.per_ion[*k][ion].iter().sum::<f64>()).sum()
        })
        .collect();
    Ok(Fit {
        intercept: fit.parameters[0],
        intercept_error: (scale * fit.covariance[0][0]).sqrt().max(standard_error(&intercepts)),
        diffusion: fit.parameters[1] / unit,
        errors: [
            (scale * fit.covariance[1][1]).sqrt() / unit,
            standard_error(&ions(&|c| c.iter().sum())),
            standard_error(&of_blocks),
        ],
        components,
    })
}

/// Fits again from twice the first lag; a significant shift widens the error.
fn check_window(
    observables: &mut Observables,
    msd: &MeanSquaredDisplacement,
    range: Range<usize>,
    fit: &Fit,
    error: f64,
) -> Result<f64, TransportError> {
    let later = (range.start..range.end)
        .find(|k| msd.lags[*k] >= 2 * msd.lags[range.start])
        .filter(|k| long_enough(msd, *k..range.end));
    let Some(later) = later else { return Ok(error) };
    let second = fit_line(msd, later..range.end)?;
    let shift = (second.diffusion - fit.diffusion).abs();
    // for nested windows the variances of efficient estimates subtract
    let expected = (second.error().powi(2) - error.powi(2)).max(0.0).sqrt();
    if shift <= error.max(2.0 * expected) {
        return Ok(error);
    }
    let cm2 = units::A2_PER_FS_IN_CM2_PER_S;
    observables.caution(
        "window_sensitive",
        format!(
            "D is {:.3e} cm²/s from {:.3} ps on, but {:.3e} cm²/s from {:.3} ps on: the motion is \
             not yet purely diffusive. The stated error covers the difference.",
            fit.diffusion * cm2,
            units::express(msd.lags[range.start] as f64 * msd.interval, Kind::Time, "ps"),
            second.diffusion * cm2,
            units::express(msd.lags[later] as f64 * msd.interval, Kind::Time, "ps"),
        ),
        "Run longer, so that a later window can be used.",
    );
    Ok(shift)
}

/// Decides whether the fit is a diffusion coefficient, and says why not.
fn judge(
    observables: &mut Observables,
    msd: &MeanSquaredDisplacement,
    options: &DiffusionOptions,
    diffusive: bool,
    range: &Range<usize>,
    fit: &Fit,
    error: f64,
) -> Outcome {
    let detectable = options.least_displacement.powi(2) / (6.0 * msd.duration());
    let exponent = msd.mean_exponent(range.clone());
    let advice = "Run longer or at a higher temperature.";
    if !diffusive && exponent.is_some_and(|beta| beta > 1.0 + options.exponent_tolerance) {
        observables.caution(
            "not_diffusive",
            format!(
                "the MSD grows with exponent {:.2} up to the longest lag used: faster than \
                 diffusion, so no diffusion coefficient is given",
                exponent.unwrap_or(f64::NAN)
            ),
            "Check the drift that is removed and the wrapping of the positions; run longer.",
        );
        return Outcome::Unresolved { slope: fit.diffusion };
    }
    let net = 6.0 * fit.diffusion * msd.duration();
    let why = if net < options.least_displacement.powi(2) {
        Some(format!(
            "beyond vibrations the ions moved {:.2} Å (root mean square) in {:.1} ps, less than \
             {} Å",
            net.max(0.0).sqrt(),
            units::express(msd.duration(), Kind::Time, "ps"),
            options.least_displacement
        ))
    } else if !diffusive {
        Some(format!(
            "no range of lags grows in proportion to time within {} (exponent {:.2} at the longest)",
            options.exponent_tolerance,
            exponent.unwrap_or(0.0)
        ))
    } else if fit.diffusion < 2.0 * error {
        Some("D is less than two standard errors above zero".to_owned())
    } else {
        None
    };
    let Some(why) = why else {
        if error > 0.3 * fit.diffusion {
            observables.caution(
                "poor_statistics",
                format!("the standard error of D is {:.0} % of it", 100.0 * error / fit.diffusion),
                "Run longer, or with more ions.",
            );
        }
        return Outcome::Measured { diffusion: fit.diffusion, standard_error: error };
    };
    observables.caution("not_diffusive", format!("{why}: only an upper bound is given"), advice);
    let bound = fit.diffusion.max(0.0) + quantile::normal(LEVEL) * error;
    Outcome::UpperBound { diffusion: bound.max(detectable) }
}

fn state_parameters(
    observables: &mut Observables,
    msd: &MeanSquaredDisplacement,
    options: &DiffusionOptions,
    window: (f64, f64),
    number_density: f64,
) {
    let ps = |time: f64| units::express(time, Kind::Time, "ps");
    observables.parameters = vec![
        ("species".to_owned(), msd.species.clone()),
        ("ions".to_owned(), msd.ions.to_string()),
        ("duration".to_owned(), format!("{} ps", ps(msd.duration()))),
        ("temperature".to_owned(), format!("{} K", options.temperature)),
        ("mean volume".to_owned(), format!("{} Å³", options.volume)),
        ("number density".to_owned(), format!("{number_density:.6} Å⁻³")),
        ("charge".to_owned(), format!("{} e", options.charge)),
        ("fit window".to_owned(), format!("{} to {} ps", ps(window.0), ps(window.1))),
        ("longest lag".to_owned(), format!("{:.4} of the duration", options.longest_lag)),
        ("exponent within".to_owned(), format!("{} of 1", options.exponent_tolerance)),
        ("least displacement".to_owned(), format!("{} Å", options.least_displacement)),
    ];
}

#[cfg(test)]
mod tests;
