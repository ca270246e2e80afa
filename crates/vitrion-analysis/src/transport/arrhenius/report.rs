//! Numbers and curves of the fit.

use super::fit::{Fit, inverse};
use super::{ArrheniusPoint, Data};
use crate::transport::diffusion::{Diffusion, nernst_einstein};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::units;

/// Points of the fitted curves.
const POINTS: u32 = 80;

/// Parameters, points and bounds.
pub(super) fn described(all: &[ArrheniusPoint], used: usize, data: &Data<'_>) -> Observables {
    let settings = data.settings;
    let species = &settings.species;
    let mut result = Observables::new(
        "arrhenius",
        &format!("Arrhenius fit of {species} diffusion"),
        "ln D = ln D0 - Ea/(k_B T), weights 1/(sigma^2 + s^2), s from the residuals; sigma(T) by Nernst-Einstein at the density of that temperature; \
         kink by ln B = (chi2_1 - chi2_2)/(2 q) - ln n",
    );
    let excluded = all.len() - used;
    result.parameter("species", species);
    result.parameter("runs used", used);
    result.parameter("runs excluded (upper bounds)", excluded);
    result.parameter("temperatures", data.points.len());
    if used > data.points.len() {
        let how = "mean of the runs; the larger of their own errors and of their spread";
        result.parameter("several runs at one temperature", how);
    }
    let t = settings.extrapolate;
    result.parameter("extrapolated to", format!("{t} K"));
    result.parameter("level of the intervals", settings.level);
    let density = data.density.at(t);
    result.parameter(&format!("number density at {t} K"), format!("{density:.5} 1/Å³"));
    let simulated: Vec<f64> = all.iter().map(|p| p.diffusion.number_density).collect();
    let nearest = simulated.iter().copied().fold(f64::INFINITY, |least, n| {
        if (n - density).abs() < (least - density).abs() { n } else { least }
    });
    if (density / nearest - 1.0).abs() > 0.1 {
        let message = format!(
            "the straight line through the densities of the runs gives {density:.5} 1/Å³ at {t} K, far from the {nearest:.5} that was simulated"
        );
        result.caution(
            "density_extrapolated",
            message,
            "the conductivity there is off by as much; run at lower temperatures",
        );
    }
    points(all, data, &mut result);
    if excluded > 0 {
        let message =
            format!("{excluded} of {} runs gave only an upper bound and are left out", all.len());
        result.caution("excluded_points", message, "run these temperatures longer");
    }
    result
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.into(), unit: unit.into() }
}

/// What is drawn of a coefficient: name, label of the axis, unit, and its value for a coefficient [Å²/fs], a temperature and a number density.
type Form<'a> = (&'static str, &'static str, &'static str, Box<dyn Fn(f64, f64, f64) -> f64 + 'a>);

/// `D`, `σ` and `σT`.
fn forms<'a>(data: &'a Data<'a>) -> [Form<'a>; 3] {
    let charge = data.settings.charge;
    let cm2 = Box::new(|d: f64, _: f64, _: f64| d * units::A2_PER_FS_IN_CM2_PER_S);
    let ms = Box::new(move |d: f64, t: f64, n: f64| 1e3 * nernst_einstein(n, charge, d, t));
    let times_t = Box::new(move |d: f64, t: f64, n: f64| nernst_einstein(n, charge, d, t) * t);
    [
        ("diffusion", "D", "cm²/s", cm2),
        ("conductivity", "σ", "mS/cm", ms),
        ("sigma_t", "σT", "S K/cm", times_t),
    ]
}

fn points(all: &[ArrheniusPoint], data: &Data<'_>, result: &mut Observables) {
    let bounds: Vec<ArrheniusPoint> =
        all.iter().copied().filter(|point| !point.diffusion.diffusive).collect();
    for (name, label, unit, scale) in forms(data) {
        let mut push = |suffix: &str, legend: String, points: &[ArrheniusPoint], errors: bool| {
            if points.is_empty() {
                return;
            }
            let shown = |f: fn(&ArrheniusPoint) -> f64| -> Vec<f64> {
                let at =
                    |p: &ArrheniusPoint| scale(f(p), p.temperature, p.diffusion.number_density);
                points.iter().map(at).collect()
            };
            result.curves.push(Curve {
                name: format!("{name}_{suffix}"),
                label: legend,
                x_axis: axis("1000/T", "1/K"),
                y_axis: axis(label, unit),
                x: points.iter().map(|point| 1000.0 / point.temperature).collect(),
                y: shown(|point| point.diffusion.value),
                y_error: if errors { shown(|point| point.diffusion.error) } else { Vec::new() },
            });
        };
        push("data", label.to_owned(), &data.points, true);
        push("bounds", format!("{label} below (95 %)"), &bounds, false);
    }
}

/// Activation energies and the extrapolated numbers.
pub(super) fn fitted(data: &Data<'_>, fit: &Fit, result: &mut Observables) {
    let settings = data.settings;
    let level = settings.level;
    result.parameter("scatter beyond the errors", format!("{:.3} in ln D", fit.scatter));
    result.parameter(
        "quantile",
        if fit.scatter > 0.0 {
            let degrees = data.points.len() - 2;
            format!("{:.3} (Student t, {degrees} degrees of freedom)", fit.quantile())
        } else {
            format!("{:.3} (normal: the errors of D explain the scatter)", fit.quantile())
        },
    );
    let interval = |low: f64, high: f64| Uncertainty::Interval { low, high, level };
    let mut energy = |name: &str, label: &str, fit: &Fit| {
        let (value, spread) = (-fit.line.slope, fit.quantile() * fit.line.variance_slope.sqrt());
        result.estimates.push(Estimate {
            name: name.into(),
            label: label.into(),
            value,
            uncertainty: interval(value - spread, value + spread),
            unit: "eV".into(),
        });
    };
    energy("activation_energy_ev", "activation energy (of D)", fit);
    // at the density of the runs there; that of the line through all is for where none was made
    let sigma = |point: &ArrheniusPoint| {
        let Diffusion { value, number_density, .. } = point.diffusion;
        nernst_einstein(number_density, settings.charge, value, point.temperature)
    };
    for (name, label, times_t) in [
        ("activation_energy_of_sigma_t_ev", "activation energy of σT", true),
        ("activation_energy_of_sigma_ev", "activation energy of σ", false),
    ] {
        let form = |point: &ArrheniusPoint| {
            (sigma(point) * if times_t { point.temperature } else { 1.0 }).ln()
        };
        if let Some(other) = Fit::of(&data.points, level, &form) {
            energy(name, label, &other);
        }
    }
    let t = settings.extrapolate;
    let (middle, half) = (fit.at(t), fit.half_width(t));
    let mut extrapolated = |name: String, label: String, unit: &str, scale: &dyn Fn(f64) -> f64| {
        result.estimates.push(Estimate {
            name,
            label,
            value: scale(middle.exp()),
            uncertainty: interval(scale((middle - half).exp()), scale((middle + half).exp())),
            unit: unit.into(),
        });
    };
    let species = &settings.species;
    extrapolated(
        format!("diffusion_{t}k_cm2_per_s"),
        format!("{species} diffusion coefficient at {t} K, extrapolated"),
        "cm²/s",
        &|d| d * units::A2_PER_FS_IN_CM2_PER_S,
    );
    extrapolated(
        format!("conductivity_{t}k_ms_per_cm"),
        format!("{species} conductivity at {t} K, extrapolated"),
        "mS/cm",
        &|d| 1e3 * data.conductivity(d, t),
    );
    curves(data, fit, result);
    let (coldest, hottest) = ends(data);
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

fn ends(data: &Data<'_>) -> (f64, f64) {
    let points = &data.points;
    (points[0].temperature, points[points.len() - 1].temperature)
}

fn curves(data: &Data<'_>, fit: &Fit, result: &mut Observables) {
    let (coldest, hottest) = ends(data);
    let t = data.settings.extrapolate;
    let (low, high) = (1.0 / hottest.max(t), 1.0 / coldest.min(t));
    let temperatures: Vec<f64> = (0..=POINTS)
        .map(|k| 1.0 / (low + (high - low) * f64::from(k) / f64::from(POINTS)))
        .collect();
    for (name, label, unit, scale) in forms(data) {
        for (suffix, what, sign) in
            [("fit", "fit", 0.0), ("low", "lower bound", -1.0), ("high", "upper bound", 1.0)]
        {
            let at = |t: &f64| {
                scale((fit.at(*t) + sign * fit.half_width(*t)).exp(), *t, data.density.at(*t))
            };
            result.curves.push(Curve {
                name: format!("{name}_{suffix}"),
                label: format!("{label} {what}"),
                x_axis: axis("1000/T", "1/K"),
                y_axis: axis(label, unit),
                x: temperatures.iter().map(|t| 1000.0 / t).collect(),
                y: temperatures.iter().map(at).collect(),
                y_error: Vec::new(),
            });
        }
    }
}
