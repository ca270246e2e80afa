use super::*;
use vitrion_core::rng::{self, Stream};

/// Independent Gaussian walkers: `steps[t][i]` with standard deviation `sigma` [Å] per axis.
fn random_walk(seed: u64, frames: usize, ions: usize, sigma: f64) -> Vec<Vec<Vector3>> {
    let mut random = rng::at(seed, Stream::Testing, 0, 0);
    let mut at = vec![[0.0; 3]; ions];
    let mut paths = vec![at.clone()];
    for _ in 1..frames {
        for r in &mut at {
            *r = math::add(*r, std::array::from_fn(|_| sigma * random.normal()));
        }
        paths.push(at.clone());
    }
    paths
}

#[test]
fn ballistic_motion_is_quadratic_with_exponent_two() {
    let velocity = [0.1, -0.2, 0.05];
    let paths: Vec<Vec<Vector3>> =
        (0..200).map(|t| vec![math::scale(velocity, f64::from(t))]).collect();
    let lags = logarithmic_lags(60);
    let msd = MeanSquaredDisplacement::from_paths("Li", &paths, 2.0, lags).expect("enough frames");
    for (lag, value) in msd.lags.iter().zip(msd.values()) {
        let exact = math::norm2(velocity) * (*lag as f64).powi(2);
        assert!((value / exact - 1.0).abs() < 1e-10, "lag {lag}");
    }
    for exponent in msd.exponents() {
        let (beta, error) = exponent.expect("something moves");
        assert!((beta - 2.0).abs() < 1e-9 && error.abs() < 1e-12);
    }
}

#[test]
fn every_lag_agrees_with_the_definition() {
    for seed in 0..5 {
        let paths = random_walk(seed, 60, 7, 0.3);
        let msd = MeanSquaredDisplacement::from_paths("Li", &paths, 1.0, (1..60).collect())
            .expect("enough frames");
        for (lag, value) in msd.lags.iter().zip(msd.values()) {
            let exact = definition(&paths, *lag);
            assert!((value - exact).abs() < 1e-10 * exact, "seed {seed}, lag {lag}");
        }
        for (k, ions) in msd.per_ion.iter().enumerate() {
            let over_ions: f64 = ions.iter().flatten().sum::<f64>() / 7.0;
            assert!((over_ions - msd.values()[k]).abs() < 1e-10, "seed {seed}");
        }
        // 56 origins at lag 4 make eight equal blocks
        assert!((mean(&msd.per_block[3]) - msd.values()[3]).abs() < 1e-10, "seed {seed}");
    }
}

#[test]
fn a_random_walk_grows_as_six_d_tau_within_its_errors() {
    let sigma = 0.4;
    let paths = random_walk(11, 2000, 40, sigma);
    let lags = logarithmic_lags(600);
    let msd = MeanSquaredDisplacement::from_paths("Li", &paths, 1.0, lags).expect("enough frames");
    let (values, errors) = (msd.values(), msd.errors());
    for (k, lag) in msd.lags.iter().enumerate() {
        let exact = 3.0 * sigma * sigma * *lag as f64;
        assert!((values[k] - exact).abs() < 5.0 * errors[k], "lag {lag}: {} {exact}", values[k]);
        // Gaussian displacements: Var r² = 2/3 MSD², independent displacements N T / τ
        let independent = 40.0 * 2000.0 / *lag as f64;
        let expected = (2.0 / 3.0 / independent).sqrt() * exact;
        assert!(errors[k] > 0.3 * expected && errors[k] < 3.0 * expected, "lag {lag}");
    }
    let axis: f64 = msd.components[20][1];
    assert!((axis / (values[20] / 3.0) - 1.0).abs() < 0.2);
}

#[test]
fn lags_increase_to_the_longest_without_repetition() {
    for longest in [1, 5, 10, 11, 37, 5000] {
        let lags = logarithmic_lags(longest);
        assert!(lags.windows(2).all(|two| two[0] < two[1]), "{lags:?}");
        assert_eq!(lags.last(), Some(&longest));
    }
    assert!(logarithmic_lags(0).is_empty());
}

#[test]
fn atoms_at_rest_have_no_exponent() {
    let paths = vec![vec![[0.0; 3]; 3]; 30];
    let msd = MeanSquaredDisplacement::from_paths("P", &paths, 1.0, logarithmic_lags(10))
        .expect("enough frames");
    assert!(msd.exponents().iter().all(Option::is_none));
    assert!(msd.values().iter().all(|v| *v == 0.0));
    assert!(msd.observables().curve("exponent_P").is_some_and(|curve| curve.x.is_empty()));
}

#[test]
fn a_lag_as_long_as_the_path_is_refused() {
    let paths = vec![vec![[0.0; 3]]; 10];
    let error = MeanSquaredDisplacement::from_paths("Li", &paths, 1.0, vec![10]).expect_err("10");
    assert_eq!(
        error.to_string(),
        "the mean squared displacement needs at least 11 frames, the trajectory has 10"
    );
}

#[test]
fn every_component_is_that_of_numpy() {
    // made by scripts/references/msd.py, versions inside the file
    let text = include_str!("../../../tests/data/msd.json");
    let data: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    let paths: Vec<Vec<Vector3>> = serde_json::from_value(data["paths"].clone()).expect("paths");
    let lags: Vec<usize> = serde_json::from_value(data["lags"].clone()).expect("lags");
    let expected: Vec<Vector3> =
        serde_json::from_value(data["components"].clone()).expect("components");
    let msd = MeanSquaredDisplacement::from_paths("Li", &paths, 50.0, lags).expect("frames");
    for (found, expected) in msd.components.iter().zip(&expected) {
        for k in 0..3 {
            assert!((found[k] / expected[k] - 1.0).abs() < 1e-10, "{found:?} {expected:?}");
        }
    }
}
