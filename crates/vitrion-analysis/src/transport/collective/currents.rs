//! Green–Kubo from the velocities of stored frames.

use super::green_kubo::{CurrentCorrelation, trapezoidal};
use super::{Collective, PARTS};
use crate::transport::moments::standard_error;
use crate::transport::recording::Recording;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Observables, Uncertainty};

/// Currents must be seen at least so often [fs].
const OFTEN: f64 = 10.0;
/// Longest lag of the current autocorrelation [fs].
const LONGEST: f64 = 5000.0;
/// The spread over the parts is not that of currents with a normal distribution beyond so many times it: less than one time in a hundred for five parts.
const UNUSUAL: f64 = 2.0;

/// Adds autocorrelation, running integral and conductivity; says why where there are none.
pub(super) fn report(of: &Collective, data: &Recording, result: &mut Observables) {
    let Some(currents) = of.currents(data).filter(|_| data.interval() <= OFTEN) else {
        let why = if of.velocities.is_none() {
            "no: frames carry no velocities".to_owned()
        } else {
            format!("no: frames are more than {OFTEN} fs apart")
        };
        result.parameter("Green–Kubo", why);
        return;
    };
    let (Some(temperature), true) = (data.settings().temperature, currents.len() > 20 * PARTS)
    else {
        result.parameter("Green–Kubo", "no: no temperature, or too few frames");
        return;
    };
    let most = ((LONGEST / data.interval()) as usize).min(currents.len() / (2 * PARTS));
    let lags: Vec<f64> = (0..=most).map(|lag| lag as f64 * data.interval()).collect();
    let values = correlation(&currents, most);
    let length = currents.len() / PARTS;
    let of_parts: Vec<Vec<f64>> =
        currents.chunks_exact(length).take(PARTS).map(|part| correlation(part, most)).collect();
    let all = CurrentCorrelation {
        lags: &lags,
        values: &values,
        integral: None,
        span: data.duration(),
        volume: data.mean_volume(),
        temperature,
    };
    let found = all.green_kubo();
    result.parameter("Green–Kubo", "from velocities, the framework at rest");
    if let (Some(read), Some(estimate)) = (found.read, &found.conductivity) {
        let integral = |part: &Vec<f64>| read.mean(&lags, &trapezoidal(&lags, part)) * all.scale();
        let read_off: Vec<f64> = of_parts.iter().map(integral).collect();
        let spread = standard_error(&read_off);
        let shown = format!("{spread:.3e} mS/cm standard error");
        result.parameter("spread of the Green–Kubo integral over five parts", shown);
        let Uncertainty::StandardError { value: stated, .. } = estimate.uncertainty else { return };
        if spread > UNUSUAL * stated {
            result.caution(
                "green_kubo_parts_differ",
                format!(
                    "five parts of the trajectory give Green–Kubo conductivities with a standard error of {spread:.2e} mS/cm for their mean, {:.2e} ± {stated:.2e} mS/cm was expected",
                    estimate.value
                ),
                "the run is not stationary, or too short beside the memory of the current",
            );
        }
    }
    let error =
        |lag: usize| standard_error(&of_parts.iter().map(|part| part[lag]).collect::<Vec<f64>>());
    result.curves.push(Curve {
        name: "current_acf".into(),
        label: "current autocorrelation".into(),
        x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
        y_axis: Axis { label: "⟨J(0)·J(τ)⟩".into(), unit: "e²Å²/fs²".into() },
        x: lags.iter().map(|lag| lag * 1e-3).collect(),
        y_error: (0..=most).map(error).collect(),
        y: values,
    });
    result.curves.push(found.curve);
    result.estimates.extend(found.conductivity);
}

/// `⟨J(t)·J(t + lag)⟩` over all origins.
fn correlation(currents: &[Vector3], most: usize) -> Vec<f64> {
    let at = |lag: usize| {
        let pairs = currents.iter().zip(&currents[lag..]);
        pairs.map(|(a, b)| math::dot(*a, *b)).sum::<f64>() / (currents.len() - lag) as f64
    };
    (0..=most).map(at).collect()
}
