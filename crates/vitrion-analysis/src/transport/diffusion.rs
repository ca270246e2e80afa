//! Tracer diffusion coefficient and Nernst–Einstein conductivity.
//!
//! `MSD(τ) = a + 6 D τ` is fitted by generalised least squares with the covariance of the lags
//! `C_ij = Var_i n_i / (n_i n_j) = Var_i / n_j` for `τ_i ≤ τ_j`, `n = N T/τ` (McCluskey et al.,
//! J. Chem. Theory Comput. 21, 79 (2025), in closed form); the intercept `a` is free because
//! vibrations and ballistic motion add a constant. The estimate is linear in the MSD, `D = Σ_k w_k MSD(τ_k)/6`, and so the mean of those of single
//! atoms, whose scatter gives the error whatever the motion is like: `√(F Var(D_i)/N)`, Student's t with `N − 1` degrees of freedom, `F` as in
//! `moments.rs`. Only a single atom has the error of the fit.
//!
//! The posterior is that distribution cut off below `D = 0`. Where `6 D T < (2 Å)²`, or `D` is below two of its errors, motion
//! cannot be told from rattling, and where the MSD still grows more slowly than `τ^0.8` at the longest lags, what is measured is more than `D`: the 95 % quantile
//! is given as an upper bound.

pub(super) mod fit;
mod report;
pub(super) mod tensor;

use super::moments::Moments;
use super::recording::Recording;
use super::window::{self, Exponent};
use crate::error::AnalysisError;
use fit::Fit;
use serde::{Deserialize, Serialize};
use vitrion_core::observables::Observables;
use vitrion_core::stats::{student_t_distribution, student_t_quantile};
use vitrion_core::units;

/// Net squared displacement below which motion counts as rattling [Å²]: (2 Å)².
const RATTLING: f64 = 4.0;
/// Above this exponent over the window the motion is closer to free flight than to diffusion.
const FLIGHT: f64 = 1.5;
/// Below this exponent at the longest lags the MSD grows too slowly for a coefficient to be given.
const TRAPPED: f64 = 0.8;
/// Probability of upper bounds.
const LEVEL: f64 = 0.95;

/// How diffusion is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffusionSettings {
    /// Charge number of the mobile ion.
    pub charge: f64,
    /// Lags of the fit, first and last [fs]; otherwise the diffusive ones.
    pub window: Option<[f64; 2]>,
    /// Directions of the crystal axes a, b, c, rows; lattice vectors of the mean cell if not given.
    pub axes: Option<vitrion_core::Matrix3>,
}

/// A diffusion coefficient for further use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diffusion {
    /// [Å²/fs]; the 95 % upper bound where `diffusive` is false.
    pub value: f64,
    /// One standard error [Å²/fs].
    pub error: f64,
    /// False if only an upper bound is known.
    pub diffusive: bool,
    /// Number density of the mobile ion [1/Å³].
    pub number_density: f64,
}

/// What the MSD says about diffusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Regime {
    Diffusive,
    /// Too little motion to tell it from rattling.
    Trapped,
    /// Displacements grow far too slowly with time, and so does what would be called D.
    Slowing,
    /// Closer to free flight.
    Flying,
}

impl Regime {
    /// That of a fit, with the exponent of the MSD at the longest lags.
    pub(crate) fn of(
        fit: &Fit,
        late: Option<Exponent>,
        moments: &Moments,
        data: &Recording,
    ) -> Self {
        let slowing = late.is_some_and(|late| {
            late.value < TRAPPED && late.value + window::ERRORS * late.error < 1.0
        });
        let net = 6.0 * fit.value * data.duration() / data.interval();
        if fit.exponent(moments) > FLIGHT {
            Regime::Flying
        } else if net < RATTLING || fit.value < 2.0 * fit.error {
            Regime::Trapped
        } else if slowing {
            Regime::Slowing
        } else {
            Regime::Diffusive
        }
    }
}

/// `σ = N/V (Z e)² D / (k_B T)` [S/cm] from a density [1/Å³], `D` [Å²/fs] and `T` [K] (paper, eq. 15).
pub(crate) fn nernst_einstein(number_density: f64, charge: f64, d: f64, temperature: f64) -> f64 {
    units::CONDUCTIVITY_IN_S_PER_CM * number_density * charge * charge * d
        / (units::BOLTZMANN * temperature)
}

/// Diffusion coefficient, its tensor and, where the temperature is known, the conductivity, with errors.
///
/// # Errors
/// Fewer than 30 frames, or a window without lags.
pub fn diffusion(
    data: &Recording,
    settings: &DiffusionSettings,
) -> Result<(Observables, Diffusion), AnalysisError> {
    data.needs(30, "a diffusion coefficient")?;
    let moments = data.moments()?;
    let exponents = window::exponents(moments);
    let diffusive = window::diffusive(moments, &exponents);
    let range = match settings.window {
        Some(window) => fit::given(window, data, moments)?,
        None => diffusive.clone().unwrap_or_else(|| fit::late(data, moments)),
    };
    let fit = Fit::new(moments, range, data.frames()).ok_or(AnalysisError::Parameter {
        name: "trajectory",
        found: "displacements without any variance".into(),
        expected: "moving atoms".into(),
    })?;
    let late = window::late_exponent(moments);
    let regime = Regime::of(&fit, late, moments, data);
    // lags are counted in frames up to here
    let per_fs = 1.0 / data.interval();
    let (value, error) = (fit.value * per_fs, fit.error * per_fs);
    let found = Diffusion {
        value: match regime {
            Regime::Diffusive | Regime::Flying => value,
            Regime::Trapped | Regime::Slowing => bound(value, error, fit.degrees),
        },
        error,
        diffusive: regime == Regime::Diffusive,
        number_density: data.mobile_atoms() as f64 / data.mean_volume(),
    };
    let known = report::Known { data, settings, moments, fit: &fit, found, regime };
    let mut observables = known.observables(diffusive.is_some())?;
    report::cautions(&known, late, &mut observables)?;
    Ok((observables, found))
}

/// The 95 % quantile of Student's t about `value`, cut off below zero.
fn bound(value: f64, error: f64, degrees: f64) -> f64 {
    if error == 0.0 {
        return value.max(0.0);
    }
    let below = student_t_distribution(-value / error, degrees);
    let quantile = below + LEVEL * (1.0 - below);
    (value + error * student_t_quantile(quantile.min(1.0 - 1e-12), degrees)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posterior_is_cut_off_below_zero() {
        // half a normal distribution: erf⁻¹(0.95) √2
        let half = bound(0.0, 1.0, f64::INFINITY);
        assert!((half - 1.959_963_985).abs() < 1e-6, "{half}");
        // far from zero nothing is cut off
        assert!((bound(20.0, 1.0, f64::INFINITY) - 21.644_853_6).abs() < 1e-5);
        // scipy 1.16: truncnorm.ppf(0.95, a=2, b=inf, loc=-2, scale=1)
        let negative = bound(-2.0, 1.0, f64::INFINITY);
        assert!((negative - 1.052_016).abs() < 1e-3, "{negative}");
    }
}
