//! How long a series remembers.

use super::{StatsError, check_finite, mean};

/// Integrated autocorrelation time of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutocorrelationTime {
    /// `τ = 1/2 + Σ_{k=1}^{W} ρ(k)` in samples; 1/2 for independent samples.
    pub tau: f64,
    /// Standard error of `tau`, `τ sqrt(2 (2W + 1) / n)`.
    pub standard_error: f64,
    /// Summation window `W`.
    pub window: usize,
    /// Effective number of independent samples, `n / (2 τ)`.
    pub n_eff: f64,
}

/// Integrated autocorrelation time with Sokal's self-consistent window, `W ≥ 5 τ(W)`.
///
/// Source: Madras & Sokal, J. Stat. Phys. 50, 109 (1988). Cost O(n · W).
///
/// # Errors
/// Fewer than four values, a value that is not finite, or a constant series (whose memory is
/// undefined).
pub fn integrated_time(series: &[f64]) -> Result<AutocorrelationTime, StatsError> {
    let n = series.len();
    if n < 4 {
        return Err(StatsError::TooFew {
            statistic: "an autocorrelation time",
            needed: 4,
            found: n,
        });
    }
    check_finite("the series", series)?;
    let center = mean(series);
    let deviation: Vec<f64> = series.iter().map(|x| x - center).collect();
    let covariance = |lag: usize| {
        let sum: f64 = deviation.iter().zip(&deviation[lag..]).map(|(a, b)| a * b).sum();
        sum / (n - lag) as f64
    };
    let zero = covariance(0);
    if zero <= 0.0 {
        return Err(StatsError::Singular);
    }
    let (mut tau, mut window) = (0.5, 0);
    for lag in 1..n / 2 {
        tau += covariance(lag) / zero;
        window = lag;
        if lag as f64 >= 5.0 * tau {
            break;
        }
    }
    // anticorrelation can drive the sum below the floor that any finite series supports
    let tau = tau.max(0.5 / n as f64);
    Ok(AutocorrelationTime {
        tau,
        standard_error: tau * (2.0 * (2 * window + 1) as f64 / n as f64).sqrt(),
        window,
        n_eff: n as f64 / (2.0 * tau),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Stream};

    #[test]
    fn an_autoregressive_series_has_its_known_time() {
        // ρ(k) = φ^k, so τ = 1/2 + φ / (1 − φ)
        for (seed, phi) in [(1, 0.0), (2, 0.5), (3, 0.9)] {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let mut x = 0.0;
            let series: Vec<f64> = (0..40_000)
                .map(|_| {
                    x = phi * x + random.normal();
                    x
                })
                .collect();
            let time = integrated_time(&series).expect("long enough");
            let exact = 0.5 + phi / (1.0 - phi);
            let bound = 5.0 * time.standard_error + 0.02 * exact;
            assert!((time.tau - exact).abs() < bound, "φ {phi}: {time:?} is not {exact}");
        }
    }

    #[test]
    fn a_constant_series_is_refused() {
        assert_eq!(integrated_time(&[1.0; 10]), Err(StatsError::Singular));
    }
}
