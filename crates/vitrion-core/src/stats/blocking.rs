//! The mean of a correlated series and its standard error, by blocking.

use super::{StatsError, check_finite, mean, variance};

/// A mean, how well it is known, and how many independent samples that is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockAverage {
    /// Mean of the series.
    pub mean: f64,
    /// One standard error of the mean.
    pub standard_error: f64,
    /// Effective number of independent samples, `s² / standard_error²`, at most the length.
    pub n_eff: f64,
    /// Length of the blocks that were used; 1 for an uncorrelated series.
    pub block: usize,
    /// Whether a plateau was found. Otherwise the series is too short for its correlation time
    /// and the error is the largest seen, a lower bound.
    pub converged: bool,
}

/// Mean of a correlated series with the error of Flyvbjerg and Petersen, plateau chosen
/// automatically.
///
/// The series is halved again and again by averaging neighbours. At block length `B` the naive
/// error is `σ_B = sqrt(s_B² / n_B)`; it grows until blocks are independent. The plateau is the
/// smallest `B = 2^k` with `B³ > 2 n (σ_B / σ_1)⁴` (Wolff 2004, Lee et al. 2011): there the
/// systematic error of too short blocks equals the statistical one of too few.
///
/// Sources: Flyvbjerg & Petersen, J. Chem. Phys. 91, 461 (1989); Lee et al., Phys. Rev. E 83,
/// 066706 (2011).
///
/// # Errors
/// Fewer than two values, or a value that is not finite.
pub fn block_average(series: &[f64]) -> Result<BlockAverage, StatsError> {
    let n = series.len();
    if n < 2 {
        return Err(StatsError::TooFew { statistic: "a block average", needed: 2, found: n });
    }
    check_finite("the series", series)?;
    let center = mean(series);
    let spread = variance(series);
    let naive = (spread / n as f64).sqrt();
    let done = |standard_error: f64, block: usize, converged: bool| BlockAverage {
        mean: center,
        standard_error,
        n_eff: if standard_error > 0.0 {
            (spread / standard_error.powi(2)).min(n as f64)
        } else {
            n as f64
        },
        block,
        converged,
    };
    if naive <= 0.0 {
        return Ok(done(0.0, 1, true));
    }
    let mut blocks = series.to_vec();
    let (mut length, mut largest, mut largest_at) = (1_usize, naive, 1);
    while blocks.len() >= 2 {
        let error = (variance(&blocks) / blocks.len() as f64).sqrt();
        if (length as f64).powi(3) > 2.0 * n as f64 * (error / naive).powi(4) {
            // anticorrelated noise must not claim more than every sample counted once
            return Ok(done(error.max(naive), length, true));
        }
        if error > largest {
            (largest, largest_at) = (error, length);
        }
        blocks = blocks.chunks_exact(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        length *= 2;
    }
    Ok(done(largest, largest_at, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Stream};

    /// First-order autoregressive series, `x ← φ x + ξ`; its mean has variance
    /// `(1 + φ) / (1 − φ) / (1 − φ²) / n` for long series.
    fn autoregressive(seed: u64, phi: f64, n: usize) -> Vec<f64> {
        let mut random = rng::at(seed, Stream::Testing, 0, 0);
        let mut x = random.normal() / (1.0 - phi * phi).sqrt();
        (0..n)
            .map(|_| {
                x = phi * x + random.normal();
                x
            })
            .collect()
    }

    #[test]
    fn independent_samples_have_the_textbook_error() {
        let series = autoregressive(1, 0.0, 10_000);
        let average = block_average(&series).expect("enough values");
        assert!(average.converged);
        assert!((average.standard_error / 0.01 - 1.0).abs() < 0.2, "{average:?}");
        assert!(average.mean.abs() < 5.0 * 0.01);
    }

    #[test]
    fn the_error_of_a_correlated_series_is_the_known_one() {
        let (phi, n) = (0.9, 20_000_u32);
        let exact = (1.0 / (1.0 - phi) / (1.0 - phi) / f64::from(n)).sqrt();
        let mut ratios = Vec::new();
        for seed in 0..20 {
            let average = block_average(&autoregressive(seed, phi, n as usize)).expect("enough");
            assert!(average.converged, "seed {seed}");
            ratios.push(average.standard_error / exact);
        }
        assert!((mean(&ratios) - 1.0).abs() < 0.12, "{ratios:?}");
    }

    #[test]
    fn a_series_shorter_than_its_memory_is_not_converged() {
        let ramp: Vec<f64> = (0..64).map(f64::from).collect();
        let average = block_average(&ramp).expect("enough values");
        assert!(!average.converged);
        assert!(average.n_eff < 5.0, "{average:?}");
    }

    #[test]
    fn a_constant_has_no_error_and_one_value_is_refused() {
        let average = block_average(&[2.0; 8]).expect("enough values");
        assert_eq!((average.mean, average.standard_error), (2.0, 0.0));
        assert!(matches!(block_average(&[1.0]), Err(StatsError::TooFew { found: 1, .. })));
        assert!(matches!(
            block_average(&[1.0, f64::NAN]),
            Err(StatsError::NotFinite { index: 1, .. })
        ));
    }
}
