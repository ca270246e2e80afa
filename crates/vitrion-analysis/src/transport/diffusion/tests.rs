use super::super::displacement::logarithmic_lags;
use super::*;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Vector3, math};

const FRAMES: usize = 1500;
const INTERVAL: f64 = 20.0;

/// Walkers with diffusion coefficient `d` [Å²/fs] that also rattle with standard deviation
/// `rattle` [Å] per axis about their path; `shared` of every step's variance is common to all.
fn walkers(seed: u64, ions: usize, d: f64, rattle: f64, shared: f64) -> Vec<Vec<Vector3>> {
    let mut random = rng::at(seed, Stream::Testing, 0, 0);
    let sigma = (2.0 * d * INTERVAL).sqrt();
    let (own, common) = (sigma * (1.0 - shared).sqrt(), sigma * shared.sqrt());
    let mut at = vec![[0.0; 3]; ions];
    (0..FRAMES)
        .map(|_| {
            let together: Vector3 = std::array::from_fn(|_| common * random.normal());
            let mut frame = Vec::with_capacity(ions);
            for r in &mut at {
                for k in 0..3 {
                    r[k] += together[k] + own * random.normal();
                }
                frame.push(math::add(*r, std::array::from_fn(|_| rattle * random.normal())));
            }
            frame
        })
        .collect()
}

fn measure(paths: &[Vec<Vector3>]) -> Diffusion {
    let lags = logarithmic_lags(FRAMES / 2 - 1);
    let msd = MeanSquaredDisplacement::from_paths("Li", paths, INTERVAL, lags).expect("frames");
    Diffusion::measure(&msd, &DiffusionOptions::new(1.0, 600.0, 5000.0)).expect("enough frames")
}

/// Deviations from the truth in standard errors over many seeds, and their mean in units of D.
fn pulls(d: f64, rattle: f64, shared: f64, seeds: u64) -> (Vec<f64>, f64) {
    let mut deviations = Vec::new();
    let mut sum = 0.0;
    for seed in 0..seeds {
        match measure(&walkers(seed, 24, d, rattle, shared)).outcome {
            Outcome::Measured { diffusion, standard_error } => {
                deviations.push((diffusion - d) / standard_error);
                sum += diffusion / d / seeds as f64;
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    (deviations, sum)
}

/// 95 % intervals should hold the truth in 38 of 40; the error is the largest of three, so more is
/// fine as long as it is not absurdly large.
fn assert_covers(deviations: &[f64], what: &str) {
    let inside = deviations.iter().filter(|z| z.abs() < 1.96).count();
    let rms = (deviations.iter().map(|z| z * z).sum::<f64>() / deviations.len() as f64).sqrt();
    assert!(inside >= 34, "{what}: the truth lies in {inside} of {}", deviations.len());
    assert!((0.4..1.3).contains(&rms), "{what}: rms deviation {rms} standard errors");
}

#[test]
fn the_true_diffusion_coefficient_lies_in_the_interval_as_often_as_promised() {
    let (deviations, ratio) = pulls(2e-4, 0.0, 0.0, 40);
    assert_covers(&deviations, "free walkers");
    assert!((ratio - 1.0).abs() < 0.02, "mean D over the true one: {ratio}");
}

#[test]
fn vibrations_about_the_path_do_not_bias_the_slope() {
    let (deviations, ratio) = pulls(2e-4, 0.35, 0.0, 40);
    assert_covers(&deviations, "rattling walkers");
    assert!((ratio - 1.0).abs() < 0.05, "mean D over the true one: {ratio}");
}

#[test]
fn ions_that_move_together_get_the_larger_error_they_deserve() {
    let (deviations, _) = pulls(2e-4, 0.0, 0.3, 40);
    assert_covers(&deviations, "walkers with common steps");
}

#[test]
fn vibration_without_diffusion_gives_an_upper_bound() {
    let result = measure(&walkers(3, 24, 0.0, 0.5, 0.0));
    let Outcome::UpperBound { diffusion } = result.outcome else { panic!("{:?}", result.outcome) };
    let detectable = 4.0 / (6.0 * (FRAMES - 1) as f64 * INTERVAL);
    assert!(diffusion >= detectable && diffusion < 3.0 * detectable, "{diffusion} {detectable}");
    assert!(result.observables.cautions.iter().any(|c| c.code == "not_diffusive"));
    let estimate = result.observables.estimate("diffusion_cm2_per_s").expect("a bound");
    assert_eq!(estimate.uncertainty, Uncertainty::UpperBound { level: 0.95 });
}

#[test]
fn a_slow_ion_is_below_the_bound_that_is_given() {
    for seed in 0..10 {
        let d = 5e-6;
        let result = measure(&walkers(seed, 24, d, 0.6, 0.0));
        match result.outcome {
            Outcome::UpperBound { diffusion } => assert!(diffusion > d, "seed {seed}"),
            Outcome::Measured { diffusion, standard_error } => {
                assert!((diffusion - d).abs() < 5.0 * standard_error, "seed {seed}");
            }
            Outcome::Unresolved { .. } => panic!("seed {seed}"),
        }
    }
}

#[test]
fn ballistic_motion_is_not_called_diffusion() {
    let mut random = rng::at(5, Stream::Testing, 0, 0);
    let velocities: Vec<Vector3> =
        (0..10).map(|_| std::array::from_fn(|_| 1e-2 * random.normal())).collect();
    let paths: Vec<Vec<Vector3>> = (0..FRAMES)
        .map(|t| velocities.iter().map(|v| math::scale(*v, t as f64)).collect())
        .collect();
    let result = measure(&paths);
    assert!(matches!(result.outcome, Outcome::Unresolved { .. }), "{:?}", result.outcome);
    assert!(result.observables.cautions.iter().any(|c| c.code == "not_diffusive"));
}

#[test]
fn frozen_atoms_are_bounded_by_what_could_have_been_seen() {
    let result = measure(&vec![vec![[0.0; 3]; 4]; FRAMES]);
    let detectable = 4.0 / (6.0 * (FRAMES - 1) as f64 * INTERVAL);
    assert_eq!(result.outcome, Outcome::UpperBound { diffusion: detectable });
}

#[test]
fn the_conductivity_is_the_one_worked_out_by_hand() {
    // 1.83 g/cm³ Li3PS4 at 300 K: σ/D = 1.138e5 S s/cm³ for n = 3 · 1.83 / 180.034 · N_A
    let n = 3.0 * 1.83 / 180.034 * units::AVOGADRO * 1e-24;
    let d = 1e-8; // cm²/s
    let sigma = nernst_einstein(n, 1.0, 300.0, d / units::A2_PER_FS_IN_CM2_PER_S);
    assert!((sigma / (1.138e5 * d * 1e3) - 1.0).abs() < 1e-3, "{sigma}");
}

#[test]
fn anisotropic_motion_is_seen_along_its_axes() {
    let mut paths = walkers(8, 60, 3e-5, 0.0, 0.0);
    for r in paths.iter_mut().flatten() {
        r[2] *= 0.5;
    }
    let result = measure(&paths);
    let value = |name: &str| {
        let estimate = result.observables.estimate(name).expect("measured");
        match estimate.uncertainty {
            Uncertainty::StandardError { value, .. } => (estimate.value, value),
            ref other => panic!("{name}: {other:?}"),
        }
    };
    for (name, exact) in [
        ("diffusion_xx_cm2_per_s", 3e-6),
        ("diffusion_yy_cm2_per_s", 3e-6),
        ("diffusion_zz_cm2_per_s", 0.75e-6),
        ("diffusion_cm2_per_s", 2.25e-6),
    ] {
        let (found, error) = value(name);
        assert!((found - exact).abs() < 5.0 * error, "{name}: {found} ± {error}");
        assert!(error < 0.3 * exact, "{name}: {error}");
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let paths = walkers(1, 4, 1e-5, 0.0, 0.0);
    let msd = MeanSquaredDisplacement::from_paths("Li", &paths, INTERVAL, logarithmic_lags(500))
        .expect("frames");
    let error =
        Diffusion::measure(&msd, &DiffusionOptions::new(1.0, 0.0, 5000.0)).expect_err("0 K");
    assert_eq!(error.to_string(), "the temperature [K] is 0; expected a positive number");
    let error = Diffusion::measure(&msd, &DiffusionOptions::new(0.0, 300.0, 1.0)).expect_err("Z 0");
    assert!(error.to_string().contains("charge"), "{error}");
}

/// kinisi samples the posterior of the same linear model with the measured variances; the closed
/// form with one variance for the window must agree within a fraction of the error.
#[test]
fn the_fit_and_its_error_are_close_to_those_of_kinisi() {
    // made by scripts/references/msd.py, versions inside the file
    let text = include_str!("../../../tests/data/msd.json");
    let data: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    let paths: Vec<Vec<Vector3>> = serde_json::from_value(data["paths"].clone()).expect("paths");
    let number = |name: &str| data["kinisi"][name].as_f64().expect("a number");
    let (mean, deviation) = (number("mean"), number("standard_deviation"));
    let last = paths.len() / 3 - 1;
    let msd = MeanSquaredDisplacement::from_paths("Li", &paths, 50.0, (1..=last).collect())
        .expect("frames");
    let start = number("start") as usize - 1;
    let fit = fit_line(&msd, start..msd.lags.len()).expect("a fit");
    let shift = (fit.diffusion - mean) / deviation;
    assert!(shift.abs() < 0.75, "D differs by {shift} kinisi errors");
    let ratio = fit.errors[0] / deviation;
    assert!((0.6..1.7).contains(&ratio), "error over that of kinisi: {ratio}");
}
