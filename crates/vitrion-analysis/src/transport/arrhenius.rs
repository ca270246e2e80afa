//! Temperature dependence of diffusion and conductivity, and what it says about other temperatures.
//!
//! `ln D = ln D₀ − E_a / (k_B T)`, weighted by the errors of each point plus an intrinsic scatter
//! `s` that is as large as the residuals ask for (Paule–Mandel). Intervals use Student's t.

use super::TransportError;
use super::diffusion::{Outcome, nernst_einstein};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::{least_squares, quantile};
use vitrion_core::units::{A2_PER_FS_IN_CM2_PER_S, BOLTZMANN};

/// Probability of the intervals.
const LEVEL: f64 = 0.95;
/// Fewest temperatures of a fit with an error.
const LEAST_POINTS: usize = 3;
/// Points of the fitted curves.
const CURVE_POINTS: usize = 61;

/// Diffusion at one temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrheniusPoint {
    /// Temperature [K].
    pub temperature: f64,
    /// Diffusion coefficient [Å²/fs].
    pub outcome: Outcome,
    /// Ions per volume [Å⁻³] at this temperature.
    pub number_density: f64,
}

/// Where to extrapolate, and what the conductivity needs there.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrheniusOptions {
    /// Symbol of the ion, for labels.
    pub species: String,
    /// Charge of an ion [e].
    pub charge: f64,
    /// Temperature to extrapolate to [K].
    pub target: f64,
    /// Ions per volume at that temperature [Å⁻³].
    pub number_density: f64,
}

/// The fitted line, `ln D = intercept − E_a x`, `x = 1 / k_B T`.
struct Fit {
    line: least_squares::Line,
    /// Intrinsic standard deviation of ln D beyond the errors of the points.
    scatter: f64,
    /// Degrees of freedom behind the errors of the points.
    dof_measured: f64,
    dof_scatter: f64,
    /// Mean share of the points' own errors in the variances of the fit.
    measured_share: f64,
}

impl Fit {
    /// `ln D` at x: value and half width of the interval.
    fn interval_at(&self, x: f64) -> (f64, f64) {
        let line = self.line.variance_at(x);
        let variance = line + self.scatter * self.scatter;
        let t = quantile::student_t(0.5 + 0.5 * LEVEL, self.dof());
        (self.line.at(x), t * variance.sqrt())
    }

    /// Welch–Satterthwaite: the share of the variance that the points' own errors explain has
    /// their degrees of freedom, the rest those of the residuals.
    fn dof(&self) -> f64 {
        let measured = self.measured_share;
        let rest = 1.0 - measured;
        1.0 / (measured * measured / self.dof_measured + rest * rest / self.dof_scatter)
    }
}

/// Arrhenius fit, activation energy, and D and σ at the target temperature with 95 % predictive
/// intervals.
///
/// Points that are only bounds or unresolved are left out with a caution. With two points the
/// activation energy has no error; with fewer nothing is fitted and a caution says so.
///
/// # Errors
/// Temperatures, densities or diffusion coefficients that are not positive.
pub fn arrhenius(
    points: &[ArrheniusPoint],
    options: &ArrheniusOptions,
) -> Result<Observables, TransportError> {
    check(points, options)?;
    let species = &options.species;
    let mut result = Observables::new(
        "arrhenius",
        &format!("Temperature dependence of {species} transport"),
        "ln D = ln D0 - E_a / (k_B T), weights 1 / ((err D / D)^2 + s^2), s from chi^2 = points - 2; \
         interval: Student t on line variance + s^2; sigma = N/V (Z e)^2 D / (k_B T)",
    );
    let measured: Vec<Measured> = points.iter().filter_map(measured).collect();
    state_parameters(&mut result, points, &measured, options);
    data_curves(&mut result, &measured, options);
    let left_out: Vec<String> = points
        .iter()
        .filter(|point| !matches!(point.outcome, Outcome::Measured { .. }))
        .map(|point| format!("{:.0} K", point.temperature))
        .collect();
    if !left_out.is_empty() {
        result.caution(
            "points_excluded",
            format!("no diffusion coefficient was resolved at {}: left out", left_out.join(", ")),
            "Run longer at these temperatures.",
        );
    }
    let distinct = distinct_temperatures(&measured);
    if distinct < LEAST_POINTS {
        too_few(&mut result, &measured, distinct)?;
        return Ok(result);
    }
    let fit = fit(&measured)?;
    estimates(&mut result, &fit, &measured, options);
    line_curves(&mut result, &fit, &measured, options);
    Ok(result)
}

/// A resolved point: 1/k_B T [1/eV], ln D and its standard error.
#[derive(Debug, Clone, Copy)]
struct Measured {
    temperature: f64,
    number_density: f64,
    x: f64,
    ln_d: f64,
    sigma: f64,
}

fn measured(point: &ArrheniusPoint) -> Option<Measured> {
    let Outcome::Measured { diffusion, standard_error } = point.outcome else { return None };
    Some(Measured {
        temperature: point.temperature,
        number_density: point.number_density,
        x: 1.0 / (BOLTZMANN * point.temperature),
        ln_d: diffusion.ln(),
        sigma: standard_error / diffusion,
    })
}

fn check(points: &[ArrheniusPoint], options: &ArrheniusOptions) -> Result<(), TransportError> {
    let positive = "a positive number";
    let mut values = vec![
        ("the target temperature [K]", options.target),
        ("the number density at the target temperature [1/Å³]", options.number_density),
        ("the magnitude of the charge [e]", options.charge.abs()),
    ];
    for point in points {
        values.push(("the temperature of a point [K]", point.temperature));
        values.push(("the number density of a point [1/Å³]", point.number_density));
        if let Outcome::Measured { diffusion, standard_error } = point.outcome {
            values.push(("a diffusion coefficient [Å²/fs]", diffusion));
            values.push(("the standard error of a diffusion coefficient [Å²/fs]", standard_error));
        }
    }
    match values.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
        Some((what, value)) => Err(TransportError::BadValue { what, value, expected: positive }),
        None => Ok(()),
    }
}

fn distinct_temperatures(measured: &[Measured]) -> usize {
    let mut temperatures: Vec<f64> = measured.iter().map(|m| m.temperature).collect();
    temperatures.sort_by(f64::total_cmp);
    temperatures.dedup_by(|a, b| (*a - *b).abs() < 1.0);
    temperatures.len()
}

fn line_through(
    measured: &[Measured],
    scatter: f64,
) -> Result<least_squares::Line, TransportError> {
    let column = |of: &dyn Fn(&Measured) -> f64| -> Vec<f64> { measured.iter().map(of).collect() };
    least_squares::weighted_line(
        &column(&|m| m.x),
        &column(&|m| m.ln_d),
        &column(&|m| m.sigma.hypot(scatter)),
    )
    .map_err(|source| TransportError::Statistics { doing: "fitting ln D against 1/T", source })
}

/// The weighted line with the intrinsic scatter that makes `χ² = n − 2`, zero if it is less.
fn fit(measured: &[Measured]) -> Result<Fit, TransportError> {
    let dof = (measured.len() - 2) as f64;
    let mut scatter = 0.0;
    let bare = line_through(measured, 0.0)?;
    if bare.chi2 > dof {
        // χ² falls monotonically with the scatter
        let (mut low, mut high) = (0.0, 1.0);
        while line_through(measured, high)?.chi2 > dof {
            high *= 2.0;
        }
        for _ in 0..100 {
            scatter = 0.5 * (low + high);
            if line_through(measured, scatter)?.chi2 > dof { low = scatter } else { high = scatter }
        }
    }
    // mean share of the points' own errors in the variances used
    let share = measured.iter().map(|m| m.sigma.powi(2) / (m.sigma.powi(2) + scatter * scatter));
    let measured_share = share.sum::<f64>() / measured.len() as f64;
    // a D known to the fraction σ is like a χ² variable with 2/σ² degrees of freedom
    let dof_measured =
        measured.iter().map(|m| 2.0 / m.sigma.powi(2)).fold(f64::INFINITY, f64::min).max(1.0);
    Ok(Fit {
        line: line_through(measured, scatter)?,
        scatter,
        dof_measured,
        dof_scatter: dof,
        measured_share,
    })
}

fn too_few(
    result: &mut Observables,
    measured: &[Measured],
    distinct: usize,
) -> Result<(), TransportError> {
    if distinct == 2 {
        let line = line_through(measured, 0.0)?;
        result.estimates.push(Estimate {
            name: "activation_energy_ev".to_owned(),
            label: "Activation energy of diffusion".to_owned(),
            value: -line.slope,
            uncertainty: Uncertainty::NotEstimated {
                why: "two temperatures always lie on a line; three are needed".to_owned(),
            },
            unit: "eV".to_owned(),
        });
    }
    result.caution(
        "too_few_temperatures",
        format!(
            "diffusion is resolved at {distinct} temperature{}; an Arrhenius fit with an interval \
             needs {LEAST_POINTS}, so nothing is extrapolated",
            if distinct == 1 { "" } else { "s" }
        ),
        "Add temperatures, or run longer where only a bound was found.",
    );
    Ok(())
}

fn estimates(
    result: &mut Observables,
    fit: &Fit,
    measured: &[Measured],
    options: &ArrheniusOptions,
) {
    let n = measured.len() as f64;
    let target = options.target;
    let species = &options.species;
    let mut add = |name: String, label: String, value: f64, uncertainty, unit: &str| {
        let unit = unit.to_owned();
        result.estimates.push(Estimate { name, label, value, uncertainty, unit });
    };
    add(
        "activation_energy_ev".to_owned(),
        format!("Activation energy of {species} diffusion"),
        -fit.line.slope,
        Uncertainty::StandardError { value: fit.line.covariance[1][1].sqrt(), n_eff: n },
        "eV",
    );
    let interval = |(center, half): (f64, f64), unit: f64| {
        let (low, high) = ((center - half).exp() * unit, (center + half).exp() * unit);
        (center.exp() * unit, Uncertainty::Interval { low, high, level: LEVEL })
    };
    let t = quantile::student_t(0.5 + 0.5 * LEVEL, fit.dof());
    let prefactor = (fit.line.intercept, t * fit.line.covariance[0][0].sqrt());
    let (value, uncertainty) = interval(prefactor, A2_PER_FS_IN_CM2_PER_S);
    let name = "prefactor_cm2_per_s".to_owned();
    add(name, format!("{species} diffusion prefactor D₀"), value, uncertainty, "cm²/s");
    let at_target = fit.interval_at(1.0 / (BOLTZMANN * target));
    let (value, uncertainty) = interval(at_target, A2_PER_FS_IN_CM2_PER_S);
    let name = format!("diffusion_{target:.0}k_cm2_per_s");
    add(name, format!("{species} diffusion at {target:.0} K"), value, uncertainty, "cm²/s");
    let per_d = nernst_einstein(options.number_density, options.charge, target, 1.0);
    let (value, uncertainty) = interval(at_target, per_d);
    let name = format!("conductivity_{target:.0}k_ms_per_cm");
    let label = format!("Nernst–Einstein conductivity at {target:.0} K");
    add(name, label, value, uncertainty, "mS/cm");
    let residual = Uncertainty::NotEstimated { why: "itself a measure of uncertainty".to_owned() };
    let label = "Scatter of ln D beyond its errors".to_owned();
    add("scatter_ln_d".to_owned(), label, fit.scatter, residual, "");

    let inverse = |t: f64| 1.0 / t;
    let low = measured.iter().map(|m| inverse(m.temperature)).fold(f64::INFINITY, f64::min);
    let high = measured.iter().map(|m| inverse(m.temperature)).fold(0.0, f64::max);
    let beyond = (inverse(target) - high).max(low - inverse(target)) / (high - low);
    if beyond > 0.5 {
        result.caution(
            "far_extrapolation",
            format!(
                "{target:.0} K lies {beyond:.1} times the fitted range of 1/T ({:.0} to {:.0} K) \
                 beyond it; the interval holds only if one mechanism rules throughout",
                1.0 / high,
                1.0 / low
            ),
            "Add lower temperatures; check that no phase or glass transition lies between.",
        );
    }
    if fit.scatter > 0.0 {
        result.caution(
            "scatter",
            format!(
                "the points scatter about the line by {:.2} in ln D more than their errors explain",
                fit.scatter
            ),
            "Errors may be too small, or the line is not straight; the interval includes this.",
        );
    }
}

fn state_parameters(
    result: &mut Observables,
    points: &[ArrheniusPoint],
    measured: &[Measured],
    options: &ArrheniusOptions,
) {
    let temperatures: Vec<String> =
        points.iter().map(|point| format!("{:.1}", point.temperature)).collect();
    result.parameters = vec![
        ("temperatures".to_owned(), format!("{} K", temperatures.join(", "))),
        ("points in the fit".to_owned(), measured.len().to_string()),
        ("target".to_owned(), format!("{} K", options.target)),
        ("number density at target".to_owned(), format!("{:.6} Å⁻³", options.number_density)),
        ("charge".to_owned(), format!("{} e", options.charge)),
        ("level".to_owned(), format!("{LEVEL}")),
    ];
}

fn x_axis() -> Axis {
    Axis { label: "1000/T".to_owned(), unit: "1/K".to_owned() }
}

fn diffusion_axis() -> Axis {
    Axis { label: "D".to_owned(), unit: "cm²/s".to_owned() }
}

fn conductivity_axis() -> Axis {
    Axis { label: "σ".to_owned(), unit: "mS/cm".to_owned() }
}

fn data_curves(result: &mut Observables, measured: &[Measured], options: &ArrheniusOptions) {
    let x: Vec<f64> = measured.iter().map(|m| 1000.0 / m.temperature).collect();
    let mut add = |name: &str, y_axis: Axis, unit: &dyn Fn(&Measured) -> f64| {
        let y: Vec<f64> = measured.iter().map(|m| m.ln_d.exp() * unit(m)).collect();
        result.curves.push(Curve {
            name: name.to_owned(),
            label: format!("{} simulation", options.species),
            x_axis: x_axis(),
            y_axis,
            x: x.clone(),
            y_error: y.iter().zip(measured).map(|(y, m)| y * m.sigma).collect(),
            y,
        });
    };
    add("arrhenius_diffusion", diffusion_axis(), &|_| A2_PER_FS_IN_CM2_PER_S);
    add("arrhenius_conductivity", conductivity_axis(), &|m| {
        nernst_einstein(m.number_density, options.charge, m.temperature, 1.0)
    });
}

/// The line and its interval from the hottest point to the target, as fit, low, high.
fn line_curves(
    result: &mut Observables,
    fit: &Fit,
    measured: &[Measured],
    options: &ArrheniusOptions,
) {
    let inverse: Vec<f64> =
        measured.iter().map(|m| 1000.0 / m.temperature).chain([1000.0 / options.target]).collect();
    let low = inverse.iter().copied().fold(f64::INFINITY, f64::min);
    let high = inverse.iter().copied().fold(0.0, f64::max);
    let x: Vec<f64> = (0..CURVE_POINTS)
        .map(|k| low + (high - low) * k as f64 / (CURVE_POINTS - 1) as f64)
        .collect();
    let bounds: Vec<(f64, f64)> =
        x.iter().map(|x| fit.interval_at(x / (1000.0 * BOLTZMANN))).collect();
    for (name, label, sign) in [
        ("fit", "Arrhenius fit", 0.0),
        ("low", "95 % interval, low", -1.0),
        ("high", "95 % interval, high", 1.0),
    ] {
        let d: Vec<f64> =
            bounds.iter().map(|(center, half)| (center + sign * half).exp()).collect();
        let mut add = |quantity: &str, y_axis: Axis, unit: &dyn Fn(f64) -> f64| {
            result.curves.push(Curve {
                name: format!("arrhenius_{quantity}_{name}"),
                label: label.to_owned(),
                x_axis: x_axis(),
                y_axis,
                x: x.clone(),
                y: x.iter().zip(&d).map(|(x, d)| d * unit(1000.0 / x)).collect(),
                y_error: Vec::new(),
            });
        };
        add("diffusion", diffusion_axis(), &|_| A2_PER_FS_IN_CM2_PER_S);
        add("conductivity", conductivity_axis(), &|t| {
            nernst_einstein(options.number_density, options.charge, t, 1.0)
        });
    }
}

#[cfg(test)]
mod tests;
