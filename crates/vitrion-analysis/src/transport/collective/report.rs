//! Numbers and curves of collective transport.

use super::walk::{self, WalkFit};
use super::{Collective, PARTS, currents};
use crate::error::AnalysisError;
use crate::transport::diffusion::fit::{self, Fit};
use crate::transport::diffusion::{Regime, nernst_einstein};
use crate::transport::lags::{longest, spaced};
use crate::transport::moments::standard_error;
use crate::transport::msd::times;
use crate::transport::recording::{Recording, Reference};
use crate::transport::window;
use vitrion_core::math::Vector3;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::normal_quantile;
use vitrion_core::units;

/// Points of the fit.
const POINTS: usize = 12;
/// Probability of intervals.
const LEVEL: f64 = 0.95;

pub(super) fn observables(of: &Collective, data: &Recording) -> Result<Observables, AnalysisError> {
    let species = &data.settings().species;
    let mut result = Observables::new(
        "collective",
        &format!("Collective transport of {species}"),
        "M = sum z r; <|M(t+tau) - M(t)|^2>/(N z^2) = a + 6 D_sigma tau; sigma = N (z e)^2 D_sigma/(V k_B T); H_R = D*/D_sigma; \
         Green-Kubo sigma = 1/(3 V k_B T) int <J(0).J(tau)> dtau, J = sum z v",
    );
    data.describe(&mut result);
    let charges: Vec<String> =
        of.settings.charges.iter().map(|(symbol, z)| format!("{symbol} {z:+}")).collect();
    result.parameter("charges", charges.join(", "));
    let dipole = of.dipole(data, Reference::Framework);
    let per_ion = data.mobile_atoms() as f64 * of.settings.charge(species).powi(2);
    curves(of, data, &dipole, per_ion, &mut result);
    coefficient(of, data, &dipole, per_ion, &mut result)?;
    currents::report(of, data, &mut result);
    Ok(result)
}

/// Charge MSD in both frames of reference, the tracer MSD beside it, and the sum of all charges.
fn curves(
    of: &Collective,
    data: &Recording,
    dipole: &[Vector3],
    per_ion: f64,
    result: &mut Observables,
) {
    let lags = spaced(longest(data.frames()), 120);
    let in_mass_frame = of.dipole(data, Reference::Mass);
    let total: f64 = of
        .settings
        .charges
        .iter()
        .map(|(symbol, z)| z * data.center(symbol, Reference::Framework).1 as f64)
        .sum();
    result.parameter("sum of all charges", format!("{total} e"));
    let mut push = |name: &str, label: &str, path: &[Vector3]| {
        let found = lags.iter().map(|lag| walk::msd_with_error(path, *lag));
        let (y, y_error) = found.map(|(value, error)| (value / per_ion, error / per_ion)).unzip();
        result.curves.push(Curve {
            name: name.into(),
            label: label.into(),
            x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
            y_axis: Axis { label: "MSD".into(), unit: "Å²".into() },
            x: times(data, &lags),
            y,
            y_error,
        });
    };
    push("charge_msd", "charge, framework at rest", dipole);
    push("charge_msd_mass_frame", "charge, centre of mass at rest", &in_mass_frame);
    if total.abs() > 1e-9 {
        let message = format!("the charges that were given add up to {total} e");
        let advice = "charge moved then depends on what is taken to be at rest, here the framework; give the charges of all elements";
        result.caution("not_neutral", message, advice);
    }
}

/// `D_σ`, the conductivity, the Haven ratio.
fn coefficient(
    of: &Collective,
    data: &Recording,
    dipole: &[Vector3],
    per_ion: f64,
    result: &mut Observables,
) -> Result<(), AnalysisError> {
    let species = &data.settings().species;
    let moments = data.moments()?;
    // charges that rattle (P and S too) hide the slope at short lags, where tracers may be diffusive already
    let range = match of.settings.window {
        Some(window) => fit::given(window, data, moments)?,
        None => fit::late(data, moments),
    };
    let (first, last) = (moments.lags[range.start], moments.lags[range.end - 1]);
    let place = |k: usize| {
        let ratio = (last as f64 / first as f64).ln() * k as f64 / (POINTS - 1) as f64;
        (first as f64 * ratio.exp()).round() as usize
    };
    let mut lags: Vec<usize> = (0..POINTS).map(place).collect();
    lags.dedup();
    let to_ps = data.interval() * 1e-3;
    let shown = format!("{:.3} to {:.3} ps", first as f64 * to_ps, last as f64 * to_ps);
    result.parameter("fit window", shown);
    let tracer = Fit::new(moments, range, data.frames());
    let (Some(found), Some(tracer)) = (walk::fit(dipole, &lags), tracer) else {
        result.caution(
            "no_collective_diffusion",
            "the charge MSD does not grow over the fit window".into(),
            "run longer, or hotter",
        );
        return Ok(());
    };
    let scale = units::A2_PER_FS_IN_CM2_PER_S / data.interval() / per_ion;
    let (low, high) = found.interval(LEVEL);
    let interval = |low: f64, high: f64| Uncertainty::Interval { low, high, level: LEVEL };
    push_estimate(
        result,
        "charge_diffusion_cm2_per_s",
        format!("{species} charge diffusion coefficient"),
        found.value * scale,
        interval(low * scale, high * scale),
        "cm²/s",
    );
    let z = of.settings.charge(species);
    if let Some(temperature) = data.settings().temperature {
        let density = data.mobile_atoms() as f64 / data.mean_volume();
        let per_d = 1e3 * nernst_einstein(density, z, 1.0, temperature) / data.interval() / per_ion;
        push_estimate(
            result,
            "conductivity_ms_per_cm",
            "conductivity (Einstein–Helfand)".into(),
            found.value * per_d,
            interval(low * per_d, high * per_d),
            "mS/cm",
        );
        by_elements(of, data, &lags, &found, per_d, result);
    }
    result.parameter("independent squares behind D_σ", format!("{:.1}", found.degrees()));
    spread(dipole, &lags, &found, scale, result);
    if Regime::of(&tracer, window::late_exponent(moments), moments, data) != Regime::Diffusive {
        result.caution(
            "no_haven_ratio",
            format!(
                "{species} does not diffuse: it has no tracer coefficient, and so no Haven ratio"
            ),
            "run longer, or hotter; the analysis of diffusion says what is missing",
        );
        return Ok(());
    }
    let own = Uncertainty::StandardError {
        value: tracer.error * scale * per_ion,
        n_eff: tracer.degrees + 1.0,
    };
    push_estimate(
        result,
        "tracer_diffusion_cm2_per_s",
        format!("{species} tracer diffusion coefficient, over the same lags"),
        tracer.value * scale * per_ion,
        own,
        "cm²/s",
    );
    let haven = tracer.value / (found.value / per_ion);
    let (haven_low, haven_high) = haven_interval(&tracer, &found, per_ion);
    let (name, label) = ("haven_ratio", "Haven ratio D*/D_σ".to_owned());
    push_estimate(result, name, label, haven, interval(haven_low, haven_high), "");
    let distinct = found.value * scale - tracer.value * scale * per_ion;
    push_estimate(
        result,
        "distinct_diffusion_cm2_per_s",
        "distinct part D_σ − D*".into(),
        distinct,
        interval(
            low * scale - tracer.value * scale * per_ion,
            high * scale - tracer.value * scale * per_ion,
        ),
        "cm²/s",
    );
    if haven_low < 1.0 && haven_high > 1.0 {
        result.caution(
            "haven_ratio_unknown",
            format!("the Haven ratio lies between {haven_low:.2} and {haven_high:.2} (95 %): it cannot be told from one"),
            "collective numbers need about as many times longer runs as there are ions; average over independent runs",
        );
    }
    Ok(())
}

fn push_estimate(
    result: &mut Observables,
    name: &str,
    label: String,
    value: f64,
    uncertainty: Uncertainty,
    unit: &str,
) {
    let (name, unit) = (name.into(), unit.into());
    result.estimates.push(Estimate { name, label, value, uncertainty, unit });
}

/// What pairs of elements add to the conductivity, where more than one has a charge.
fn by_elements(
    of: &Collective,
    data: &Recording,
    lags: &[usize],
    found: &WalkFit,
    per_d: f64,
    result: &mut Observables,
) {
    let parts = of.parts(data, Reference::Framework);
    if parts.len() < 2 {
        return;
    }
    for (k, (a, of_a)) in parts.iter().enumerate() {
        for (b, of_b) in &parts[k..] {
            let (value, error) = walk::part(found, lags, of_a, of_b);
            // both orders of two elements
            let twice = if a == b { per_d } else { 2.0 * per_d };
            let label = if a == b {
                format!("part of {a} in the conductivity")
            } else {
                format!("part of {a} with {b} in the conductivity")
            };
            let known = Uncertainty::StandardError {
                value: error * twice.abs(),
                n_eff: found.degrees() + 1.0,
            };
            let name = format!("conductivity_{a}_{b}_ms_per_cm");
            push_estimate(result, &name, label, value * twice, known, "mS/cm");
        }
    }
}

/// 95 % interval of the ratio: relative errors of both are combined on either side, in the logarithm.
fn haven_interval(tracer: &Fit, charge: &WalkFit, per_ion: f64) -> (f64, f64) {
    let ratio = tracer.value / (charge.value / per_ion);
    let (low, high) = charge.interval(LEVEL);
    let own = normal_quantile(0.5 + 0.5 * LEVEL) * tracer.error / tracer.value;
    let down = (high / charge.value).ln().hypot(own);
    let up = (charge.value / low).ln().hypot(own);
    (ratio * (-down).exp(), ratio * up.exp())
}

/// The same estimate from parts of the trajectory.
fn spread(
    dipole: &[Vector3],
    lags: &[usize],
    found: &WalkFit,
    scale: f64,
    result: &mut Observables,
) {
    let length = dipole.len() / PARTS;
    let longest = *lags.last().expect("there are lags");
    if length < 2 * longest {
        result.parameter(
            "spread over parts",
            "not known: the fit window is longer than half of a fifth",
        );
        return;
    }
    let of_part = |part: usize| -> f64 {
        let path = &dipole[part * length..(part + 1) * length];
        let terms = found.weights.iter().zip(lags);
        terms.map(|(weight, lag)| weight * walk::msd(path, *lag)).sum()
    };
    let values: Vec<f64> = (0..PARTS).map(of_part).collect();
    let error = standard_error(&values) * scale;
    result.parameter("spread over five parts", format!("{error:.2e} cm²/s standard error"));
}
