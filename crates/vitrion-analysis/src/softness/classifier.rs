//! Linear classifiers of standardised features.
//!
//! ```text
//! minimise  C Σ_n s_n ℓ(y_n (w·x_n + b)) + R(w),   y = ±1
//! ```
//!
//! with the logistic loss `ln(1 + e^{−m})` or the squared hinge `max(0, 1 − m)²`, weights `s` of the samples, and `R = ½|w|²` or `|w|₁`; the intercept `b` is free. These are the problems of scikit-learn's
//! `LogisticRegression` (and of `LinearSVC`, which penalises the intercept). Features are standardised with the mean and the standard deviation of the training samples alone.
//!
//! Newton's method with the exact Hessian finds the minimum to rounding: the problem is convex, has one minimum, and a few hundred unknowns.

mod gram;
mod newton;
#[cfg(test)]
mod tests;

pub use newton::{Fit, FitError};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What an error costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    Logistic,
    SquaredHinge,
}

impl Loss {
    /// Loss at a margin, its slope and its curvature.
    #[inline(always)]
    pub(crate) fn at(self, margin: f64) -> [f64; 3] {
        match self {
            Loss::Logistic => {
                let e = (-margin.abs()).exp();
                let loss = (-margin).max(0.0) + e.ln_1p();
                // 1/(1 + e^m), without overflow
                let wrong = if margin > 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
                [loss, -wrong, wrong * (1.0 - wrong)]
            }
            Loss::SquaredHinge => {
                let short = (1.0 - margin).max(0.0);
                let curvature = if short > 0.0 { 2.0 } else { 0.0 };
                [short * short, -2.0 * short, curvature]
            }
        }
    }
}

/// What large weights cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    L2,
    L1,
}

/// Which problem.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassifierSettings {
    pub loss: Loss,
    pub penalty: Penalty,
    /// Weight of the errors.
    pub c: f64,
    /// Both classes count the same, whatever their sizes.
    pub balanced: bool,
}

impl Default for ClassifierSettings {
    fn default() -> Self {
        ClassifierSettings { loss: Loss::Logistic, penalty: Penalty::L2, c: 1.0, balanced: true }
    }
}

/// Features of samples, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    pub values: &'a [f64],
    pub width: usize,
}

impl Table<'_> {
    /// The features of a sample.
    pub fn row(&self, sample: usize) -> &[f64] {
        &self.values[sample * self.width..(sample + 1) * self.width]
    }
}

/// Mean and scale of every feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardizer {
    pub mean: Vec<f64>,
    /// Standard deviation (divided by n); one where a feature hardly varies: by less than a hundredth of an atom.
    pub scale: Vec<f64>,
}

impl Standardizer {
    /// Of some samples.
    pub fn of(table: Table<'_>, samples: &[u32]) -> Self {
        let count = samples.len() as f64;
        let mean = sums(table, samples, |_, x| x).into_iter().map(|sum| sum / count).collect();
        let about = |mean: &Vec<f64>| {
            sums(table, samples, |k, x| (x - mean[k]) * (x - mean[k]))
                .into_iter()
                .map(|sum| sum / count)
                .collect::<Vec<f64>>()
        };
        let square = about(&mean);
        let scale = square
            .iter()
            .map(|square| if *square > LEAST * LEAST { square.sqrt() } else { 1.0 })
            .collect();
        Standardizer { mean, scale }
    }
}

/// Features that vary less are not scaled up: the tails of Gaussians at distances where no atom ever is would become enormous in the first structure that has one there.
const LEAST: f64 = 0.01;
/// Samples whose sum one thread makes.
const TOGETHER: usize = 4096;

/// Sums of a function of feature and number over some samples, the same for any number of threads.
fn sums(table: Table<'_>, samples: &[u32], f: impl Fn(usize, f64) -> f64 + Sync) -> Vec<f64> {
    let of_part = |part: &[u32]| {
        let mut sum = vec![0.0; table.width];
        for sample in part {
            for (k, (sum, x)) in sum.iter_mut().zip(table.row(*sample as usize)).enumerate() {
                *sum += f(k, *x);
            }
        }
        sum
    };
    let parts: Vec<Vec<f64>> = samples.par_chunks(TOGETHER).map(of_part).collect();
    let mut total = vec![0.0; table.width];
    for part in parts {
        for (total, x) in total.iter_mut().zip(part) {
            *total += x;
        }
    }
    total
}

/// A plane in the space of standardised features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    pub standardizer: Standardizer,
    pub weights: Vec<f64>,
    pub intercept: f64,
}

impl Plane {
    /// `S = w·(x − mean)/scale + b` of a sample.
    pub fn softness(&self, features: &[f64]) -> f64 {
        let Standardizer { mean, scale } = &self.standardizer;
        let terms = features.iter().zip(mean).zip(scale).zip(&self.weights);
        self.intercept + terms.map(|(((x, mean), scale), w)| w * (x - mean) / scale).sum::<f64>()
    }

    /// `|w|`: `S/|w|` is the distance from the plane.
    pub fn norm(&self) -> f64 {
        self.weights.iter().map(|w| w * w).sum::<f64>().sqrt()
    }
}
