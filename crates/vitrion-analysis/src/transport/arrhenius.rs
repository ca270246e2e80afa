//! Temperature dependence of diffusion and its extrapolation.
//!
//! `ln D = ln D₀ − E_a / (k_B T)` (paper, eq. 14) is fitted with weights `1/(σ² + s²)`: `σ` is the
//! error of each `ln D`, and the scatter `s` is the smallest that brings χ² down to its degrees of
//! freedom. Intervals use Student's t with `n − 2` degrees of freedom where `s > 0` (the scatter is
//! then measured from the residuals), the normal distribution otherwise.
//!
//! * Runs at one temperature are averaged first; the larger of their own errors and of their spread counts ([`pool`]).
//! * `σ = n (Z e)² D/(k_B T)` with the number density `n` of the runs at that temperature, between and beyond them that of a straight line through all. Fits of `ln σ` and of `ln σT`
//!   (that of `ln D`, if `n` is constant) differ by about `k_B T` in the activation energy; both are given.
//! * A kink (see `kink.rs`) and fits without each temperature tell whether one line is enough.

mod fit;
mod kink;
mod leave_one_out;
mod pool;
mod report;

use super::diffusion::{Diffusion, nernst_einstein};
use crate::error::AnalysisError;
use fit::{Density, Fit};
use pool::pool;
use vitrion_core::observables::Observables;

/// One temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrheniusPoint {
    /// [K]
    pub temperature: f64,
    pub diffusion: Diffusion,
}

/// What the extrapolation needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrheniusSettings {
    /// Mobile species, for labels.
    pub species: String,
    /// Charge number.
    pub charge: f64,
    /// Temperature of the extrapolation [K].
    pub extrapolate: f64,
    /// Probability of the intervals, 0.95 usually.
    pub level: f64,
}

/// Points of a fit and what it needs to know of them.
struct Data<'a> {
    settings: &'a ArrheniusSettings,
    /// One for every temperature, in their order.
    points: Vec<ArrheniusPoint>,
    density: Density,
}

impl Data<'_> {
    /// [S/cm] of a coefficient [Å²/fs] at the density of a temperature.
    fn conductivity(&self, d: f64, temperature: f64) -> f64 {
        nernst_einstein(self.density.at(temperature), self.settings.charge, d, temperature)
    }
}

/// Activation energy and extrapolated conductivity with intervals.
///
/// # Errors
/// No point at all, or a temperature or level that makes no sense.
pub fn arrhenius(
    points: &[ArrheniusPoint],
    settings: &ArrheniusSettings,
) -> Result<Observables, AnalysisError> {
    if points.is_empty() {
        return Err(AnalysisError::TooFewFrames {
            what: "an Arrhenius fit (one diffusion coefficient per temperature)",
            needed: 3,
            found: 0,
        });
    }
    if !(settings.extrapolate > 0.0 && settings.extrapolate.is_finite()) {
        return Err(AnalysisError::Parameter {
            name: "extrapolate",
            found: format!("{} K", settings.extrapolate),
            expected: "a positive temperature".into(),
        });
    }
    if !(settings.level > 0.0 && settings.level < 1.0) {
        return Err(AnalysisError::Parameter {
            name: "level",
            found: settings.level.to_string(),
            expected: "a probability between 0 and 1".into(),
        });
    }
    let mut used: Vec<ArrheniusPoint> =
        points.iter().copied().filter(|point| point.diffusion.diffusive).collect();
    used.sort_by(|a, b| a.temperature.total_cmp(&b.temperature));
    let data = Data { settings, points: pool(&used), density: Density::of(points) };
    let mut result = report::described(points, used.len(), &data);
    let Some(fit) = Fit::new(&data.points, settings.level) else {
        let found = data.points.len();
        let why = format!("{found} usable temperatures, 3 different ones are needed");
        result.caution("no_fit", why, "add temperatures to the sweep, or run longer");
        return Ok(result);
    };
    report::fitted(&data, &fit, &mut result);
    kink::report(&data, &fit, &mut result);
    leave_one_out::report(&data, &fit, &mut result);
    Ok(result)
}
