//! Diffusion of one random walk that is seen with noise, from all origins.
//!
//! The model (Bullerjahn, von Bülow and Hummer, J. Chem. Phys. 153, 024116 (2020)): along each axis positions are `X_t = Y_t + ε_t`, steps of `Y` have the variance `s²`, the noise
//! `ε` has the variance `a/2`. Mean squared displacements over all origins of `T` positions, `MSD_n = a + n s²`, then have the covariance
//!
//! ```text
//! C_nm = 2/((T − n)(T − m)) Σ_{t,s} c(t, t+n; s, s+m)²,   c = s² · overlap + (a/2)(δ_{t+n,s+m} + δ_{ts} − δ_{t+n,s} − δ_{t,s+m})
//! ```
//!
//! and `C` of three equal axes together is three times that of one. Generalised least squares with `C`, whose `a` and `s²` come from the fit before.
//!
//! Where motion has directions the variance is larger by `φ = 3 Σ_ab Σ²_ab/(tr Σ)²`, three for motion along one line (`Σ` is the covariance of the steps). The same ratio `f` of
//! the fitted tensor has chance in it: for a tensor of `k` degrees of freedom (Wishart's distribution), `E f ≈ [(1 + 1/k) φ + 3/k]/[1 + 2φ/(3k)]`, which is solved for `φ`.

use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::stats::{chi_squared_quantile, shrunk_line_fit};

/// Rounds of fit and covariance.
const ROUNDS: usize = 4;

/// A coefficient of one path; times in frames.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WalkFit {
    /// `slope/6` of the MSD [per frame].
    pub(super) value: f64,
    /// Standard error.
    pub(super) error: f64,
    /// `D = Σ weights[k] MSD(lags[k])`.
    pub(super) weights: Vec<f64>,
}

impl WalkFit {
    /// How many squares of normal numbers the estimate is like: `2 D²/Var`.
    pub(super) fn degrees(&self) -> f64 {
        2.0 * (self.value / self.error).powi(2)
    }

    /// The interval that holds the truth with a probability, from the quantiles of `χ²_ν`.
    pub(super) fn interval(&self, level: f64) -> (f64, f64) {
        let nu = self.degrees();
        let quantile = |p: f64| chi_squared_quantile(p, nu);
        (
            self.value * nu / quantile(0.5 + 0.5 * level),
            self.value * nu / quantile(0.5 - 0.5 * level),
        )
    }
}

/// `⟨|X(t + n) − X(t)|²⟩` over all origins.
pub(super) fn msd(path: &[Vector3], lag: usize) -> f64 {
    cross(path, path, lag)
}

/// `⟨ΔX·ΔY⟩` of two paths.
fn cross(x: &[Vector3], y: &[Vector3], lag: usize) -> f64 {
    let steps = |path: &[Vector3], t: usize| math::sub(path[t + lag], path[t]);
    let origins = x.len() - lag;
    (0..origins).map(|t| math::dot(steps(x, t), steps(y, t))).sum::<f64>() / origins as f64
}

/// `⟨ΔX_a ΔX_b⟩`
fn tensor(path: &[Vector3], lag: usize) -> Matrix3 {
    let pairs = path.iter().zip(&path[lag..]);
    let sum = pairs.fold(math::ZERO, |sum, (a, b)| {
        let step = math::sub(*b, *a);
        math::matrix_add(&sum, &math::outer(step, step))
    });
    math::matrix_scale(&sum, 1.0 / (path.len() - lag) as f64)
}

/// The MSD at a lag and its standard error, if all of it is diffusion in all directions alike.
pub(super) fn msd_with_error(path: &[Vector3], lag: usize) -> (f64, f64) {
    let value = msd(path, lag);
    let variance = covariance(&[lag], path.len(), 0.0, value / (3.0 * lag as f64));
    (value, variance[0].sqrt())
}

/// The part of two paths in the coefficient of their sum, counted once, and its standard error
/// `√((D_aa D_bb + D_ab²)/ν)`.
pub(super) fn part(of: &WalkFit, lags: &[usize], a: &[Vector3], b: &[Vector3]) -> (f64, f64) {
    let fitted = |x: &[Vector3], y: &[Vector3]| -> f64 {
        of.weights.iter().zip(lags).map(|(weight, lag)| weight * cross(x, y, *lag)).sum()
    };
    let (aa, bb, ab) = (fitted(a, a), fitted(b, b), fitted(a, b));
    (ab, (((aa * bb).max(0.0) + ab * ab) / of.degrees()).sqrt())
}

/// `φ` from the tensor that was fitted, with `degrees` along each axis.
fn directions(tensor: &Matrix3, degrees: f64) -> f64 {
    let squares: f64 = tensor.iter().flatten().map(|x| x * x).sum();
    let trace: f64 = (0..3).map(|a| tensor[a][a]).sum();
    let f = 3.0 * squares / (trace * trace);
    let phi = (f - 3.0 / degrees) / (1.0 + 1.0 / degrees - 2.0 * f / (3.0 * degrees));
    if phi.is_finite() { phi.clamp(1.0, 3.0) } else { 3.0 }
}

/// The fit at some lags; `None` where nothing moves or the slope is not positive.
pub(super) fn fit(path: &[Vector3], lags: &[usize]) -> Option<WalkFit> {
    let x: Vec<f64> = lags.iter().map(|lag| *lag as f64).collect();
    let y: Vec<f64> = lags.iter().map(|lag| msd(path, *lag)).collect();
    // a first guess: all of it is diffusion
    let last = x.len() - 1;
    let (mut noise, mut step) = (0.0, y[last] / x[last]);
    let mut found = None;
    for _ in 0..ROUNDS {
        let covariance = covariance(lags, path.len(), noise / 3.0, step / 3.0);
        let line = shrunk_line_fit(&x, &y, &covariance)?;
        if line.slope <= 0.0 {
            return None;
        }
        (noise, step) = (line.intercept.max(0.0), line.slope);
        found = Some(WalkFit {
            value: line.slope / 6.0,
            error: line.variance_slope.sqrt() / 6.0,
            weights: line.slope_weights.iter().map(|w| w / 6.0).collect(),
        });
    }
    let mut found = found?;
    let terms = found.weights.iter().zip(lags);
    let tensor = terms.fold(math::ZERO, |sum, (weight, lag)| {
        math::matrix_add(&sum, &math::matrix_scale(&tensor(path, *lag), *weight))
    });
    found.error *= directions(&tensor, found.degrees() / 3.0).sqrt();
    Some(found)
}

/// Covariance of the MSD of three axes, row-major; `noise` and `step` along each of them.
fn covariance(lags: &[usize], frames: usize, noise: f64, step: f64) -> Vec<f64> {
    let count = lags.len();
    let mut all = vec![0.0; count * count];
    for i in 0..count {
        for j in i..count {
            let (n, m) = (lags[i] as i64, lags[j] as i64);
            let (origins_n, origins_m) = (frames as i64 - n, frames as i64 - m);
            let mut sum = 0.0;
            // s = t + k
            for k in -m..=n {
                let pairs = (origins_n.min(origins_m - k) - 0.max(-k)).max(0);
                let overlap = (n.min(k + m) - k.max(0)).max(0);
                let meets = |condition: bool| f64::from(u8::from(condition));
                let delta = meets(n == k + m) + meets(k == 0) - meets(n == k) - meets(k == -m);
                let c = step * overlap as f64 + 0.5 * noise * delta;
                sum += pairs as f64 * c * c;
            }
            // three axes add their variances
            let value = 3.0 * 2.0 * sum / (origins_n * origins_m) as f64;
            all[i * count + j] = value;
            all[j * count + i] = value;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    fn walk(seed: u64, frames: usize, step: f64, noise: f64) -> Vec<Vector3> {
        let mut random = rng::at(seed, Stream::Testing, 90, 0);
        let mut at = [0.0; 3];
        (0..frames)
            .map(|_| {
                at = std::array::from_fn(|k| at[k] + step * random.normal());
                std::array::from_fn(|k| at[k] + noise * random.normal())
            })
            .collect()
    }

    #[test]
    fn the_covariance_is_that_of_many_walks() {
        let (frames, step, noise) = (60, 0.4, 0.3);
        let lags = [1, 4, 15];
        let runs = 4000;
        let found: Vec<Vec<f64>> = (0..runs)
            .map(|seed| {
                let path = walk(seed, frames, step, noise);
                lags.iter().map(|lag| msd(&path, *lag)).collect()
            })
            .collect();
        let mean = |k: usize| found.iter().map(|msd| msd[k]).sum::<f64>() / runs as f64;
        let exact = covariance(&lags, frames, 2.0 * noise * noise, step * step);
        for i in 0..3 {
            for j in 0..3 {
                let (a, b) = (mean(i), mean(j));
                let sum: f64 = found.iter().map(|msd| (msd[i] - a) * (msd[j] - b)).sum();
                let measured = sum / runs as f64;
                let scale = (exact[4 * i] * exact[4 * j]).sqrt();
                assert!((measured - exact[3 * i + j]).abs() < 0.08 * scale, "{i} {j}");
            }
        }
    }

    /// Shares of the 68 % and 95 % intervals that hold the truth.
    fn coverage(steps: Vector3, frames: usize) -> [f64; 2] {
        let truth = steps.iter().map(|s| s * s).sum::<f64>() / 6.0;
        let lags = [3, 5, 8, 12, 18, 27, 40];
        let (trials, mut inside) = (500, [0, 0]);
        for seed in 0..trials {
            let noisy = walk(seed, frames, 1.0, 0.3);
            let path: Vec<Vector3> =
                noisy.iter().map(|r| std::array::from_fn(|k| steps[k] * r[k])).collect();
            let found = fit(&path, &lags).expect("it moves");
            for (count, level) in inside.iter_mut().zip([0.682_7, 0.95]) {
                let (low, high) = found.interval(level);
                *count += u32::from(low < truth && truth < high);
            }
        }
        inside.map(|count| f64::from(count) / trials as f64)
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        for (steps, frames) in [
            ([0.4, 0.4, 0.4], 200),
            ([0.4, 0.4, 0.4], 1000),
            ([0.4, 0.0, 0.0], 200),
            ([0.4, 0.0, 0.0], 1000),
            ([0.4, 0.1, 0.3], 1000),
        ] {
            let [one, two] = coverage(steps, frames);
            assert!(
                (one - 0.683).abs() < 0.063 && (two - 0.95).abs() < 0.03,
                "{steps:?} {frames}: {one} {two}"
            );
        }
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let (a, b) = (walk(1, 300, 0.4, 0.1), walk(2, 300, 0.2, 0.1));
        let sum: Vec<Vector3> = a.iter().zip(&b).map(|(a, b)| math::add(*a, *b)).collect();
        let lags = [3, 6, 12];
        let found = fit(&sum, &lags).expect("it moves");
        let of = |x: &[Vector3], y: &[Vector3]| part(&found, &lags, x, y).0;
        let total = of(&a, &a) + 2.0 * of(&a, &b) + of(&b, &b);
        assert!((total - found.value).abs() < 1e-12 * found.value);
        assert!((part(&found, &lags, &sum, &sum).1 / found.error - 1.0).abs() < 1e-12);
    }
}
