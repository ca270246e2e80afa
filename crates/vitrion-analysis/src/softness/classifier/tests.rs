//! Against finite differences, the conditions of the minimum, and scikit-learn.

use super::gram::{PAD, Samples};
use super::*;
use vitrion_core::rng::{self, Stream};

/// Correlated features with a plane between two classes that overlap.
fn problem(seed: u64, count: usize, width: usize) -> (Vec<f64>, Vec<bool>) {
    let mut random = rng::at(seed, Stream::Testing, 83, 0);
    let mut values = Vec::with_capacity(count * width);
    let mut mobile = Vec::new();
    for _ in 0..count {
        let (mut before, mut z) = (0.0, 0.3);
        for k in 0..width {
            before = 0.7 * before + random.normal();
            values.push(3.0 + (k + 1) as f64 * before);
            z += if k % 3 == 0 { 0.6 * before } else { -0.1 * before };
        }
        mobile.push(random.uniform() < 1.0 / (1.0 + f64::exp(-z)));
    }
    (values, mobile)
}

#[test]
fn sums_are_the_derivatives_of_the_loss() {
    let (values, mobile) = problem(1, 700, 29);
    let (unknowns, stride) = (30, 30_usize.next_multiple_of(PAD));
    let mut samples = Samples {
        unknowns,
        stride,
        x: vec![0.0; 700 * stride],
        side: mobile.iter().map(|mobile| if *mobile { 1.0 } else { -1.0 }).collect(),
        weight: (0..700).map(|k| 0.5 + 0.01 * f64::from(k % 7)).collect(),
    };
    for row in 0..700 {
        let x = &mut samples.x[row * stride..];
        for k in 0..29 {
            x[k] = values[row * 29 + k] / (k + 1) as f64 - 3.0 / (k + 1) as f64;
        }
        x[29] = 1.0;
    }
    let at: Vec<f64> = (0..30).map(|k| 0.05 * f64::from(k - 15)).collect();
    for loss in [Loss::Logistic, Loss::SquaredHinge] {
        let found = samples.sums(loss, &at);
        for k in [0, 7, 28, 29] {
            let moved = |by: f64| {
                let mut at = at.clone();
                at[k] += by;
                samples.sums(loss, &at)
            };
            let (low, high) = (moved(-1e-5), moved(1e-5));
            let slope = (high.value - low.value) / 2e-5;
            assert!((slope - found.gradient[k]).abs() < 1e-5 * (1.0 + slope.abs()));
            for j in k..30 {
                let slope = (high.gradient[j] - low.gradient[j]) / 2e-5;
                let curvature = found.hessian[k * stride + j];
                // the hinge has corners, at which differences are off
                let tolerance = if loss == Loss::Logistic { 1e-5 } else { 0.02 };
                assert!(
                    (slope - curvature).abs() < tolerance * (1.0 + slope.abs()),
                    "{loss:?} {k} {j}: {slope} {curvature}"
                );
            }
        }
    }
}

/// Slope of the loss part at the minimum, by the definition.
fn slopes(
    table: Table<'_>,
    mobile: &[bool],
    settings: &ClassifierSettings,
    plane: &Plane,
) -> Vec<f64> {
    let count = mobile.len() as f64;
    let positive = mobile.iter().filter(|mobile| **mobile).count() as f64;
    let mut sum = vec![0.0; table.width + 1];
    for (sample, mobile) in mobile.iter().enumerate() {
        let side = if *mobile { 1.0 } else { -1.0 };
        let class = if *mobile { positive } else { count - positive };
        let weight = if settings.balanced { count / (2.0 * class) } else { 1.0 };
        let row = table.row(sample);
        let [_, slope, _] = settings.loss.at(side * plane.softness(row));
        let factor = settings.c * weight * slope * side;
        for k in 0..table.width {
            sum[k] += factor * (row[k] - plane.standardizer.mean[k]) / plane.standardizer.scale[k];
        }
        sum[table.width] += factor;
    }
    sum
}

#[test]
fn planes_fulfil_the_conditions_of_the_minimum() {
    let (values, mobile) = problem(2, 1500, 20);
    let table = Table { values: &values, width: 20 };
    let samples: Vec<u32> = (0..1500).collect();
    for loss in [Loss::Logistic, Loss::SquaredHinge] {
        for penalty in [Penalty::L2, Penalty::L1] {
            for (c, balanced) in [(1e-3, true), (0.02, false), (10.0, true)] {
                let settings = ClassifierSettings { loss, penalty, c, balanced };
                let fit = Fit::new(table, &samples, &mobile, &settings, None).expect("converges");
                let slope = slopes(table, &mobile, &settings, &fit.plane);
                for (k, (slope, w)) in slope.iter().zip(&fit.plane.weights).enumerate() {
                    let right = match penalty {
                        Penalty::L2 => (slope + w).abs() < 1e-8,
                        Penalty::L1 if *w == 0.0 => slope.abs() < 1.0 + 1e-7,
                        Penalty::L1 => (slope + w.signum()).abs() < 1e-7,
                    };
                    assert!(right, "{settings:?}, weight {k}: {slope} {w}");
                }
                assert!(slope[20].abs() < 1e-7, "{settings:?}, intercept: {}", slope[20]);
                let again =
                    Fit::new(table, &samples, &mobile, &settings, Some(&fit.plane)).expect("done");
                assert!(again.iterations <= 2, "{} iterations", again.iterations);
            }
        }
    }
}

#[test]
fn planes_do_not_depend_on_threads() {
    let (values, mobile) = problem(3, 3000, 40);
    let table = Table { values: &values, width: 40 };
    let samples: Vec<u32> = (0..3000).collect();
    let fit = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let settings = ClassifierSettings::default();
        pool.install(|| Fit::new(table, &samples, &mobile, &settings, None).expect("converges"))
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn one_class_and_a_feature_that_never_varies() {
    let (mut values, mobile) = problem(4, 200, 3);
    for row in values.chunks_exact_mut(3) {
        row[1] = 0.1;
    }
    let table = Table { values: &values, width: 3 };
    let samples: Vec<u32> = (0..200).collect();
    let settings = ClassifierSettings::default();
    let fit = Fit::new(table, &samples, &mobile, &settings, None).expect("converges");
    assert!((fit.plane.standardizer.scale[1] - 1.0).abs() < 1e-15);
    assert!(fit.plane.weights[1].abs() < 1e-10);
    let error = Fit::new(table, &samples, &[true; 200], &settings, None).expect_err("one class");
    assert!(error.to_string().contains("200 training samples are mobile"), "{error}");
}
