//! Diffusion of one random walk that is seen with noise, from all origins.
//!
//! The model (Bullerjahn, von Bülow and Hummer, J. Chem. Phys. 153, 024116 (2020)): along each axis positions are `X_t = Y_t + ε_t`, steps of `Y` have the variance `s²`, the noise
//! `ε` has the variance `a/2`. Mean squared displacements over all origins of `T` positions, `MSD_n = a + n s²`, then have the covariance
//!
//! ```text
//! C_nm = 2/((T − n)(T − m)) Σ_{t,s} c(t, t+n; s, s+m)²,   c = s² · overlap + (a/2)(δ_{t+n,s+m} + δ_{ts} − δ_{t+n,s} − δ_{t,s+m})
//! ```
//!
//! a third of it for three axes together. Generalised least squares with `C`, whose `a` and `s²` come from the fit before.

use vitrion_core::math::{self, Vector3};
use vitrion_core::stats::{chi_squared_quantile, generalised_line_fit};

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
    let pairs = path.iter().zip(&path[lag..]);
    let sum: f64 = pairs.map(|(a, b)| math::norm2(math::sub(*b, *a))).sum();
    sum / (path.len() - lag) as f64
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
        let line = generalised_line_fit(&x, &y, &covariance)?;
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
    found
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

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let step = 0.4_f64;
        let truth = step * step / 2.0;
        let lags = [3, 5, 8, 12, 18, 27, 40];
        let (trials, mut inside) = (500, [0, 0]);
        for seed in 0..trials {
            let path = walk(seed, 200, step, 0.3);
            let found = fit(&path, &lags).expect("it moves");
            for (count, level) in inside.iter_mut().zip([0.682_7, 0.95]) {
                let (low, high) = found.interval(level);
                *count += u32::from(low < truth && truth < high);
            }
        }
        let shares = inside.map(|count| f64::from(count) / trials as f64);
        assert!((shares[0] - 0.683).abs() < 0.063 && (shares[1] - 0.95).abs() < 0.03, "{shares:?}");
    }
}
