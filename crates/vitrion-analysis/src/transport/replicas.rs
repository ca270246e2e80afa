//! Several independent runs of one system at one temperature.
//!
//! Every number is the mean over the runs. Its standard error is the larger of what the runs say of themselves, `√(Σ s²)/R`, and of their spread, `sd/√R`, which is known from three runs
//! on; then Student's t has `R − 1` degrees of freedom. Of two runs that differ by more than three of their errors half of the difference counts.

use super::moments::standard_error;
use vitrion_core::observables::{Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::normal_quantile;

/// Estimates that are ratios of two others, by name. The mean of ratios with a noisy denominator is too large: that of the means is given.
const RATIOS: [(&str, &str, &str); 1] =
    [("haven_ratio", "tracer_diffusion_cm2_per_s", "charge_diffusion_cm2_per_s")];

/// What several runs say together, the same analysis of each.
///
/// # Panics
/// Without runs.
pub fn pooled(runs: &[Observables]) -> Observables {
    let first = &runs[0];
    let mut result = Observables::new(&first.kind, &first.title, &first.formula);
    for (name, value) in &first.parameters {
        let same = |other: &Observables| other.parameters.contains(&(name.clone(), value.clone()));
        if runs.iter().all(same) {
            result.parameter(name, value);
        }
    }
    result.parameter("independent runs", runs.len());
    result.parameter("errors", "the larger of those of the runs and of their spread");
    let mut apart = Vec::new();
    for estimate in &first.estimates {
        let all: Option<Vec<&Estimate>> =
            runs.iter().map(|run| run.estimate(&estimate.name)).collect();
        match all.as_deref().and_then(mean) {
            Some(mean) => result.estimates.push(mean),
            None => apart.push(estimate.label.clone()),
        }
    }
    for names in &RATIOS {
        ratio(&mut result, names);
    }
    if !apart.is_empty() {
        let message = format!("not every run gives {}", apart.join(", "));
        result.caution("runs_differ", message, "look at the runs one by one");
    }
    for curve in &first.curves {
        let all: Option<Vec<&Curve>> = runs
            .iter()
            .map(|run| run.curve(&curve.name).filter(|other| other.x == curve.x))
            .collect();
        if let Some(all) = all {
            result.curves.push(mean_curve(&all));
        }
    }
    for caution in runs.iter().flat_map(|run| &run.cautions) {
        if !result.cautions.iter().any(|known| known.code == caution.code) {
            result.cautions.push(caution.clone());
        }
    }
    result
}

/// Replaces the mean of a ratio by the ratio of the means, with their relative errors combined.
fn ratio(result: &mut Observables, (name, above, below): &(&str, &str, &str)) {
    let known = |name: &str| {
        let estimate = result.estimate(name)?;
        match estimate.uncertainty {
            Uncertainty::StandardError { value, n_eff } => Some((estimate.value, value, n_eff)),
            _ => None,
        }
    };
    let (Some((a, a_error, a_n)), Some((b, b_error, b_n))) = (known(above), known(below)) else {
        return;
    };
    if let Some(estimate) = result.estimates.iter_mut().find(|one| one.name == *name) {
        let value = a / b;
        estimate.value = value;
        estimate.uncertainty = Uncertainty::StandardError {
            value: value * (a_error / a).hypot(b_error / b),
            n_eff: a_n.min(b_n),
        };
    }
}

/// Standard error of the mean of independent runs, and whether it is that of their spread rather than that of their own errors.
pub(super) fn error_of_mean(values: &[f64], errors: &[f64]) -> (f64, bool) {
    let count = values.len() as f64;
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let within = squares.sqrt() / count;
    let between = match values {
        [_] => 0.0,
        [a, b] if (a - b).abs() < 3.0 * squares.sqrt() => 0.0,
        [a, b] => 0.5 * (a - b).abs(),
        _ => standard_error(values),
    };
    (within.max(between), between > within)
}

/// `None` where some of the runs give bounds and others values.
fn mean(all: &[&Estimate]) -> Option<Estimate> {
    let values: Vec<f64> = all.iter().map(|one| one.value).collect();
    let bounds = all.iter().filter(|one| matches!(one.uncertainty, Uncertainty::UpperBound { .. }));
    let mut result = all[0].clone();
    match bounds.count() {
        0 => {}
        n if n == all.len() => {
            // each run excludes what lies above its own bound; the weakest of them is sure
            result.value = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            return Some(result);
        }
        _ => return None,
    }
    result.value = values.iter().sum::<f64>() / values.len() as f64;
    let known: Option<Vec<(f64, f64)>> = all
        .iter()
        .map(|one| match &one.uncertainty {
            Uncertainty::StandardError { value, n_eff } => Some((*value, *n_eff)),
            Uncertainty::Interval { low, high, level } => {
                Some((0.5 * (high - low) / normal_quantile(0.5 + 0.5 * level), f64::MAX))
            }
            _ => None,
        })
        .collect();
    let (errors, samples) = match &known {
        Some(known) => (
            known.iter().map(|(error, _)| *error).collect(),
            known.iter().map(|(_, n)| *n).sum::<f64>().min(1e9),
        ),
        None if values.len() > 2 => (vec![0.0; values.len()], values.len() as f64),
        None => return Some(result),
    };
    let (value, spread) = error_of_mean(&values, &errors);
    let n_eff = if spread { values.len() as f64 } else { samples };
    result.uncertainty = Uncertainty::StandardError { value, n_eff };
    Some(result)
}

fn mean_curve(all: &[&Curve]) -> Curve {
    let mut result = all[0].clone();
    let known = all.iter().all(|curve| curve.y_error.len() == curve.y.len());
    let point = |k: usize| -> (f64, f64) {
        let values: Vec<f64> = all.iter().map(|curve| curve.y[k]).collect();
        let errors: Vec<f64> = if known {
            all.iter().map(|curve| curve.y_error[k]).collect()
        } else {
            vec![0.0; values.len()]
        };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, error_of_mean(&values, &errors).0)
    };
    let (y, y_error) = (0..result.x.len()).map(point).unzip();
    result.y = y;
    result.y_error = if known || all.len() > 2 { y_error } else { Vec::new() };
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64, uncertainty: Uncertainty) -> Observables {
        let mut run = Observables::new("diffusion", "Diffusion", "");
        let (name, label, unit) = ("d".to_owned(), "D".to_owned(), String::new());
        run.estimates.push(Estimate { name, label, value, uncertainty, unit });
        run
    }

    fn known(value: f64, error: f64) -> Observables {
        run(value, Uncertainty::StandardError { value: error, n_eff: 20.0 })
    }

    #[test]
    fn runs_that_agree_make_a_smaller_error_and_runs_that_differ_a_larger() {
        let close = pooled(&[known(1.0, 0.3), known(1.1, 0.3), known(0.9, 0.3)]);
        let Uncertainty::StandardError { value, n_eff } = close.estimates[0].uncertainty else {
            panic!("known")
        };
        assert!((value - 0.3 / 3.0_f64.sqrt()).abs() < 1e-12 && (n_eff - 60.0).abs() < 1e-12);
        let far = pooled(&[known(1.0, 0.1), known(2.0, 0.1), known(3.0, 0.1)]);
        let Uncertainty::StandardError { value, n_eff } = far.estimates[0].uncertainty else {
            panic!("known")
        };
        assert!((value - (1.0_f64 / 3.0).sqrt()).abs() < 1e-12 && (n_eff - 3.0).abs() < 1e-12);
        assert!((far.estimates[0].value - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_is_that_of_the_means() {
        let run = |charge: f64| {
            let mut run = Observables::new("collective", "", "");
            for (name, value) in
                [("haven_ratio", 1.0 / charge), (RATIOS[0].1, 1.0), (RATIOS[0].2, charge)]
            {
                let uncertainty = Uncertainty::StandardError { value: 0.1 * value, n_eff: 20.0 };
                let (name, label, unit) = (name.to_owned(), String::new(), String::new());
                run.estimates.push(Estimate { name, label, value, uncertainty, unit });
            }
            run
        };
        let found = pooled(&[run(0.5), run(1.0), run(1.5)]);
        assert!((found.estimates[0].value - 1.0).abs() < 1e-12, "{:?}", found.estimates[0]);
    }

    #[test]
    fn values_and_bounds_are_not_mixed() {
        let bound = run(1.0, Uncertainty::UpperBound { level: 0.95 });
        let mixed = pooled(&[known(1.0, 0.1), bound.clone()]);
        assert!(mixed.estimates.is_empty());
        assert_eq!(mixed.cautions[0].code, "runs_differ");
        let bounds = pooled(&[bound, run(2.0, Uncertainty::UpperBound { level: 0.95 })]);
        assert!((bounds.estimates[0].value - 2.0).abs() < 1e-12);
    }
}
