//! Temperature dependence of diffusion and its extrapolation.
//!
//! `ln D = ln D₀ − E_a / (k_B T)` (paper, eq. 14) is fitted with weights `1/(σ² + s²)`: `σ` is the
//! error of each `ln D`, and the scatter `s` is the smallest that brings χ² down to its degrees of
//! freedom. Intervals use Student's t with `n − 2` degrees of freedom where `s > 0` (the scatter is
//! then measured from the residuals), the normal distribution otherwise.

use super::diffusion::{Diffusion, nernst_einstein};
use crate::error::AnalysisError;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::{LineFit, normal_quantile, student_t_quantile, weighted_line_fit};
use vitrion_core::units;

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

/// The fit with its scatter.
struct Fit {
    line: LineFit,
    scatter: f64,
    quantile: f64,
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
    let species = &settings.species;
    let mut result = Observables::new(
        "arrhenius",
        &format!("Arrhenius fit of {species} diffusion"),
        "ln D = ln D0 - Ea/(k_B T), weights 1/(sigma^2 + s^2), s from the residuals; \
         sigma(T) by Nernst-Einstein at the density of the runs",
    );
    let mut used: Vec<ArrheniusPoint> =
        points.iter().copied().filter(|p| p.diffusion.diffusive).collect();
    used.sort_by(|a, b| a.temperature.total_cmp(&b.temperature));
    let excluded = points.len() - used.len();
    let density =
        points.iter().map(|p| p.diffusion.number_density).sum::<f64>() / points.len() as f64;
    let sigma = |d: f64, t: f64| nernst_einstein(density, settings.charge, d, t);
    for (name, value) in [
        ("species", species.clone()),
        ("points used", used.len().to_string()),
        ("points excluded (upper bounds)", excluded.to_string()),
        ("extrapolated to", format!("{} K", settings.extrapolate)),
        ("level of the intervals", settings.level.to_string()),
        ("number density", format!("{density:.5} 1/Å³")),
    ] {
        result.parameters.push((name.into(), value));
    }
    data_curves(points, &used, &sigma, &mut result);
    if excluded > 0 {
        result.caution(
            "excluded_points",
            format!(
                "{excluded} of {} temperatures gave only an upper bound and are left out",
                points.len()
            ),
            "run these temperatures longer",
        );
    }
    if let Some(fit) = line(&used, settings.level) {
        fitted(&used, &fit, settings, &sigma, &mut result);
    } else {
        let why = format!("{} usable temperatures, 3 different ones are needed", used.len());
        result.caution("no_fit", why, "add temperatures to the sweep, or run longer");
    }
    Ok(result)
}

fn inverse(temperature: f64) -> f64 {
    1.0 / (units::BOLTZMANN * temperature)
}

fn line(points: &[ArrheniusPoint], level: f64) -> Option<Fit> {
    if points.len() < 3 {
        return None;
    }
    let x: Vec<f64> = points.iter().map(|p| inverse(p.temperature)).collect();
    let y: Vec<f64> = points.iter().map(|p| p.diffusion.value.ln()).collect();
    let own: Vec<f64> =
        points.iter().map(|p| (p.diffusion.error / p.diffusion.value).powi(2)).collect();
    let degrees = points.len() as f64 - 2.0;
    let fit = |scatter: f64| {
        let variance: Vec<f64> = own.iter().map(|v| v + scatter * scatter).collect();
        weighted_line_fit(&x, &y, &variance)
    };
    let plain = fit(0.0)?;
    if plain.chi2 <= degrees {
        let quantile = normal_quantile(0.5 + 0.5 * level);
        return Some(Fit { line: plain, scatter: 0.0, quantile });
    }
    // χ² falls monotonically with the scatter
    let (mut low, mut high) = (0.0, 1.0);
    while fit(high)?.chi2 > degrees {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if fit(middle)?.chi2 > degrees {
            low = middle;
        } else {
            high = middle;
        }
    }
    let quantile = student_t_quantile(0.5 + 0.5 * level, degrees);
    Some(Fit { line: fit(high)?, scatter: high, quantile })
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.into(), unit: unit.into() }
}

fn data_curves(
    all: &[ArrheniusPoint],
    used: &[ArrheniusPoint],
    sigma: &dyn Fn(f64, f64) -> f64,
    result: &mut Observables,
) {
    let per_kelvin = |t: f64| 1000.0 / t;
    let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S;
    let mut push = |name: &str,
                    label: &str,
                    y_axis: Axis,
                    points: &[ArrheniusPoint],
                    scale: &dyn Fn(f64, f64) -> f64,
                    errors: bool| {
        if points.is_empty() {
            return;
        }
        result.curves.push(Curve {
            name: name.into(),
            label: label.into(),
            x_axis: axis("1000/T", "1/K"),
            y_axis,
            x: points.iter().map(|p| per_kelvin(p.temperature)).collect(),
            y: points.iter().map(|p| scale(p.diffusion.value, p.temperature)).collect(),
            y_error: if errors {
                points.iter().map(|p| scale(p.diffusion.error, p.temperature)).collect()
            } else {
                Vec::new()
            },
        });
    };
    let bounds: Vec<ArrheniusPoint> =
        all.iter().copied().filter(|p| !p.diffusion.diffusive).collect();
    let d_axis = || axis("D", "cm²/s");
    let s_axis = || axis("σ", "mS/cm");
    let in_cm2 = |d: f64, _: f64| d * to_cm2;
    let in_ms = |d: f64, t: f64| 1e3 * sigma(d, t);
    push("diffusion_data", "D", d_axis(), used, &in_cm2, true);
    push("diffusion_bounds", "D below (95 %)", d_axis(), &bounds, &in_cm2, false);
    push("conductivity_data", "σ", s_axis(), used, &in_ms, true);
    push("conductivity_bounds", "σ below (95 %)", s_axis(), &bounds, &in_ms, false);
}

fn fitted(
    points: &[ArrheniusPoint],
    fit: &Fit,
    settings: &ArrheniusSettings,
    sigma: &dyn Fn(f64, f64) -> f64,
    result: &mut Observables,
) {
    let level = settings.level;
    let line = &fit.line;
    let half_width = |t: f64| fit.quantile * line.variance_at(inverse(t)).sqrt();
    let spread = fit.quantile * line.variance_slope.sqrt();
    result
        .parameters
        .push(("scatter beyond the errors".into(), format!("{:.3} in ln D", fit.scatter)));
    result.parameters.push((
        "quantile".into(),
        if fit.scatter > 0.0 {
            format!("{:.3} (Student t, {} degrees of freedom)", fit.quantile, points.len() - 2)
        } else {
            format!("{:.3} (normal: the errors of D explain the scatter)", fit.quantile)
        },
    ));
    let interval = |low: f64, high: f64| Uncertainty::Interval { low, high, level };
    result.estimates.push(Estimate {
        name: "activation_energy_ev".into(),
        label: "activation energy".into(),
        value: -line.slope,
        uncertainty: interval(-line.slope - spread, -line.slope + spread),
        unit: "eV".into(),
    });
    let t = settings.extrapolate;
    let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S;
    let (middle, half) = (line.at(inverse(t)), half_width(t));
    result.estimates.push(Estimate {
        name: format!("diffusion_{t}k_cm2_per_s"),
        label: format!("{} diffusion coefficient at {t} K, extrapolated", settings.species),
        value: middle.exp() * to_cm2,
        uncertainty: interval((middle - half).exp() * to_cm2, (middle + half).exp() * to_cm2),
        unit: "cm²/s".into(),
    });
    result.estimates.push(Estimate {
        name: format!("conductivity_{t}k_ms_per_cm"),
        label: format!("{} conductivity at {t} K, extrapolated", settings.species),
        value: 1e3 * sigma(middle.exp(), t),
        uncertainty: interval(
            1e3 * sigma((middle - half).exp(), t),
            1e3 * sigma((middle + half).exp(), t),
        ),
        unit: "mS/cm".into(),
    });
    curves(points, fit, t, sigma, &half_width, result);
    let (coldest, hottest) = (points[0].temperature, points[points.len() - 1].temperature);
    let beyond = (inverse(t) - inverse(coldest)).abs() / (inverse(coldest) - inverse(hottest));
    if t < coldest && beyond > 0.5 {
        result.caution(
            "far_extrapolation",
            format!(
                "{t} K lies {beyond:.1} times the fitted range of 1/T beyond the coldest run \
                 ({coldest} K): the interval holds only if one activation energy rules all the way"
            ),
            "add lower temperatures; phase transitions and the glass transition break the line",
        );
    }
}

fn curves(
    points: &[ArrheniusPoint],
    fit: &Fit,
    extrapolate: f64,
    sigma: &dyn Fn(f64, f64) -> f64,
    half_width: &dyn Fn(f64) -> f64,
    result: &mut Observables,
) {
    let (coldest, hottest) = (points[0].temperature, points[points.len() - 1].temperature);
    let (low, high) = (1.0 / hottest.max(extrapolate), 1.0 / coldest.min(extrapolate));
    let temperatures: Vec<f64> =
        (0..=80).map(|k| 1.0 / (low + (high - low) * f64::from(k) / 80.0)).collect();
    let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S;
    for (prefix, unit, label) in [("diffusion", "cm²/s", "D"), ("conductivity", "mS/cm", "σ")] {
        for (suffix, name, sign) in
            [("fit", "fit", 0.0), ("low", "lower bound", -1.0), ("high", "upper bound", 1.0)]
        {
            let y = temperatures
                .iter()
                .map(|t| {
                    let d = (fit.line.at(inverse(*t)) + sign * half_width(*t)).exp();
                    if prefix == "diffusion" { d * to_cm2 } else { 1e3 * sigma(d, *t) }
                })
                .collect();
            result.curves.push(Curve {
                name: format!("{prefix}_{suffix}"),
                label: format!("{label} {name}"),
                x_axis: axis("1000/T", "1/K"),
                y_axis: axis(label, unit),
                x: temperatures.iter().map(|t| 1000.0 / t).collect(),
                y,
                y_error: Vec::new(),
            });
        }
    }
}
