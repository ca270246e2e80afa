use super::*;
use vitrion_core::rng::{self, Stream};

const EA: f64 = 0.25;
const D0: f64 = 5e-3; // Å²/fs

fn options() -> ArrheniusOptions {
    ArrheniusOptions {
        species: "Li".to_owned(),
        charge: 1.0,
        target: 300.0,
        number_density: 0.0184,
    }
}

fn exact(temperature: f64) -> f64 {
    D0 * (-EA / (BOLTZMANN * temperature)).exp()
}

fn point(temperature: f64, diffusion: f64, relative: f64) -> ArrheniusPoint {
    let standard_error = relative * diffusion;
    ArrheniusPoint {
        temperature,
        outcome: Outcome::Measured { diffusion, standard_error },
        number_density: 0.0184,
    }
}

fn interval(result: &Observables, name: &str) -> (f64, f64, f64) {
    let estimate = result.estimate(name).expect("there");
    match estimate.uncertainty {
        Uncertainty::Interval { low, high, .. } => (low, estimate.value, high),
        ref other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn exact_points_give_the_activation_energy_and_the_extrapolated_values() {
    let points: Vec<_> = [600.0, 700.0, 800.0, 1000.0].map(|t| point(t, exact(t), 0.1)).to_vec();
    let result = arrhenius(&points, &options()).expect("a fit");
    let energy = result.estimate("activation_energy_ev").expect("there");
    assert!((energy.value - EA).abs() < 1e-12);
    let (low, d, high) = interval(&result, "diffusion_300k_cm2_per_s");
    let truth = exact(300.0) * A2_PER_FS_IN_CM2_PER_S;
    assert!((d / truth - 1.0).abs() < 1e-10);
    assert!(low < d && d < high);
    let (_, sigma, _) = interval(&result, "conductivity_300k_ms_per_cm");
    assert!((sigma / nernst_einstein(0.0184, 1.0, 300.0, exact(300.0)) - 1.0).abs() < 1e-10);
    let fit = result.curve("arrhenius_diffusion_fit").expect("there");
    assert!((fit.y[CURVE_POINTS - 1] / truth - 1.0).abs() < 1e-9);
    let (first, last) = (fit.x[0], fit.x[CURVE_POINTS - 1]);
    assert!((first - 1.0).abs() < 1e-12 && (last - 1000.0 / 300.0).abs() < 1e-12);
    assert!(result.cautions.iter().any(|c| c.code == "far_extrapolation"));
    let band = result.curve("arrhenius_conductivity_high").expect("there");
    assert!(
        band.y
            .iter()
            .zip(&result.curve("arrhenius_conductivity_low").expect("there").y)
            .all(|(high, low)| high > low)
    );
}

/// The lever arm worked out by hand: for 700, 800, 900, 1000 K and equal errors the standard
/// deviation of ln D(300 K) is 6.69 that of ln D.
#[test]
fn the_extrapolated_error_is_the_lever_arm_times_the_error_of_a_point() {
    let points: Vec<_> = [700.0, 800.0, 900.0, 1000.0].map(|t| point(t, exact(t), 0.02)).to_vec();
    let measured: Vec<Measured> = points.iter().filter_map(measured).collect();
    let fit = fit(&measured).expect("a fit");
    let arm = fit.line.variance_at(1.0 / (BOLTZMANN * 300.0)).sqrt() / 0.02;
    assert!((arm - 6.69).abs() < 0.01, "{arm}");
    // no scatter beyond the errors: the dof are those of the points
    assert!((fit.dof() - 2.0 / 0.02f64.powi(2)).abs() < 1e-6, "{}", fit.dof());
}

#[test]
fn intervals_hold_the_truth_as_often_as_promised() {
    let temperatures = [600.0, 700.0, 850.0, 1000.0];
    for (errors_known, extra) in [(true, 0.0), (false, 0.2)] {
        let (mut inside, mut energies) = (0, 0);
        let runs = 200;
        for seed in 0..runs {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let points: Vec<_> = temperatures
                .map(|t| {
                    let noise = 0.1 * random.normal() + extra * random.normal();
                    point(t, exact(t) * noise.exp(), 0.1)
                })
                .to_vec();
            let result = arrhenius(&points, &options()).expect("a fit");
            let (low, _, high) = interval(&result, "diffusion_300k_cm2_per_s");
            let truth = exact(300.0) * A2_PER_FS_IN_CM2_PER_S;
            inside += usize::from(low < truth && truth < high);
            let energy = result.estimate("activation_energy_ev").expect("there");
            let Uncertainty::StandardError { value, .. } = energy.uncertainty else { panic!() };
            energies += usize::from((energy.value - EA).abs() < 4.0 * value);
        }
        // 95 % of 200 is 190 ± 3; residual scatter from two degrees of freedom is known badly
        let least = if errors_known { 180 } else { 165 };
        assert!(inside >= least, "known {errors_known}: {inside} of {runs}");
        assert!(energies >= 170, "known {errors_known}: {energies} of {runs}");
    }
}

#[test]
fn residuals_larger_than_the_errors_widen_the_interval_and_are_named() {
    let offsets = [0.4, -0.5, 0.5, -0.4];
    let points: Vec<_> = [600.0, 700.0, 850.0, 1000.0]
        .into_iter()
        .zip(offsets)
        .map(|(t, offset): (f64, f64)| point(t, exact(t) * offset.exp(), 0.02))
        .collect();
    let measured: Vec<Measured> = points.iter().filter_map(measured).collect();
    let fit = fit(&measured).expect("a fit");
    assert!((fit.line.chi2 - 2.0).abs() < 1e-9, "{}", fit.line.chi2);
    assert!((2.0..2.1).contains(&fit.dof()), "{}", fit.dof());
    let result = arrhenius(&points, &options()).expect("a fit");
    assert!(result.cautions.iter().any(|c| c.code == "scatter"));
}

#[test]
fn bounds_are_left_out_and_two_temperatures_are_not_enough() {
    let bound = ArrheniusPoint {
        temperature: 500.0,
        outcome: Outcome::UpperBound { diffusion: 1e-6 },
        number_density: 0.0184,
    };
    let points = [bound, point(700.0, exact(700.0), 0.1), point(900.0, exact(900.0), 0.1)];
    let result = arrhenius(&points, &options()).expect("no fit, but a result");
    let codes: Vec<&str> = result.cautions.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes, ["points_excluded", "too_few_temperatures"]);
    let energy = result.estimate("activation_energy_ev").expect("a value without error");
    assert!((energy.value - EA).abs() < 1e-12);
    assert!(matches!(energy.uncertainty, Uncertainty::NotEstimated { .. }));
    assert!(result.estimate("diffusion_300k_cm2_per_s").is_none());
    assert_eq!(result.curve("arrhenius_diffusion").map(|c| c.x.len()), Some(2));

    // two runs at one temperature are one temperature
    let twice = [points[1], points[1], points[2]];
    let result = arrhenius(&twice, &options()).expect("a result");
    assert!(result.estimate("diffusion_300k_cm2_per_s").is_none());
}

#[test]
fn impossible_numbers_are_refused_by_name() {
    let error = arrhenius(&[point(-5.0, 1e-4, 0.1)], &options()).expect_err("negative T");
    assert_eq!(
        error.to_string(),
        "the temperature of a point [K] is -5; expected a positive number"
    );
    let error = arrhenius(&[point(500.0, 1e-4, 0.0)], &options()).expect_err("no error");
    assert!(error.to_string().contains("standard error"), "{error}");
}
