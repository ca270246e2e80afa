//! Fits of synthetic data with a known activation energy.

use vitrion_analysis::{ArrheniusPoint, ArrheniusSettings, Diffusion, arrhenius};
use vitrion_core::observables::Uncertainty;
use vitrion_core::rng::{self, Stream};
use vitrion_core::units;

const ENERGY: f64 = 0.31;

fn settings() -> ArrheniusSettings {
    ArrheniusSettings { species: "Li".into(), charge: 1.0, extrapolate: 300.0, level: 0.95 }
}

fn point(temperature: f64, noise: f64, error: f64) -> ArrheniusPoint {
    let exact = 0.012 * (-ENERGY / (units::BOLTZMANN * temperature)).exp();
    let value = exact * (error * noise).exp();
    ArrheniusPoint {
        temperature,
        diffusion: Diffusion {
            value,
            error: error * value,
            diffusive: true,
            number_density: 0.018,
        },
    }
}

#[test]
fn exact_data_give_the_exact_energy_and_conductivity() {
    let points: Vec<_> = [700.0, 800.0, 900.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    let result = arrhenius(&points, &settings()).expect("three points");
    let energy = result.estimate("activation_energy_ev").expect("fitted");
    assert!((energy.value - ENERGY).abs() < 1e-10);
    // σ = n e² D / (k_B T) by hand: 0.018e24 cm⁻³ · (1.602e-19 C)² · D / (1.380649e-23 · 300 J)
    let d = 0.012 * (-ENERGY / (units::BOLTZMANN * 300.0)).exp() * units::A2_PER_FS_IN_CM2_PER_S;
    let charge = units::E_IN_COULOMB;
    let by_hand = 0.018e24 * charge * charge * d / (units::BOLTZMANN_J * 300.0) * 1e3;
    let sigma = result.estimate("conductivity_300k_ms_per_cm").expect("fitted");
    assert!((sigma.value / by_hand - 1.0).abs() < 1e-9, "{} vs {by_hand}", sigma.value);
    assert!(result.cautions.iter().any(|c| c.code == "far_extrapolation"));
}

/// 700/800/900/1000 K extrapolated to 300 K: sd(ln D_300) = 6.69 sd(ln D) for equal errors.
#[test]
fn the_interval_grows_by_the_known_leverage() {
    let points: Vec<_> = [700.0, 800.0, 900.0, 1000.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    let result = arrhenius(&points, &settings()).expect("four points");
    let sigma = result.estimate("conductivity_300k_ms_per_cm").expect("fitted");
    let Uncertainty::Interval { low, high, .. } = sigma.uncertainty else { panic!("an interval") };
    let leverage = (high / low).ln() / (2.0 * 1.959_964 * 0.1);
    assert!((leverage - 6.69).abs() < 0.01, "{leverage}");
}

#[test]
fn intervals_cover_the_truth() {
    let mut inside = 0;
    let runs = 200;
    for seed in 0..runs {
        let mut random = rng::at(seed, Stream::Testing, 60, 0);
        let points: Vec<_> =
            [700.0, 800.0, 900.0, 1000.0].map(|t| point(t, random.normal(), 0.15)).to_vec();
        let result = arrhenius(&points, &settings()).expect("four points");
        let energy = result.estimate("activation_energy_ev").expect("fitted");
        let Uncertainty::Interval { low, high, .. } = energy.uncertainty else {
            panic!("an interval")
        };
        inside += usize::from((low..=high).contains(&ENERGY));
    }
    // 95 % of 200 is 190 ± 3; intervals widen where the scatter exceeds the errors
    assert!((178..=200).contains(&inside), "{inside} of {runs}");
}

#[test]
fn bounds_are_left_out_and_two_points_are_no_fit() {
    let mut points: Vec<_> = [700.0, 800.0, 900.0].map(|t| point(t, 0.0, 0.1)).to_vec();
    points[0].diffusion.diffusive = false;
    let result = arrhenius(&points, &settings()).expect("points");
    assert!(result.estimate("activation_energy_ev").is_none());
    let codes: Vec<&str> = result.cautions.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes, ["excluded_points", "no_fit"]);
    assert_eq!(result.curve("diffusion_bounds").expect("shown").x.len(), 1);
}
