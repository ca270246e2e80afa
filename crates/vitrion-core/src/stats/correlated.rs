//! The mean of a correlated series and its standard error.

/// A mean with the error that its correlations leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrelatedMean {
    pub mean: f64,
    /// `√(variance / n_eff)`
    pub standard_error: f64,
    /// Effective number of independent samples, `N / (2 τ_int)`.
    pub n_eff: f64,
}

/// Mean of a stationary series with the integrated autocorrelation time
/// `τ_int = ½ + Σ_t ρ(t)`, summed up to the first window `w ≥ 5 τ_int` (Sokal 1997).
///
/// Returns `None` below four samples. Cost O(N · τ).
pub fn correlated_mean(series: &[f64]) -> Option<CorrelatedMean> {
    let n = series.len();
    if n < 4 {
        return None;
    }
    let mean = series.iter().sum::<f64>() / n as f64;
    let covariance = |lag: usize| -> f64 {
        let pairs = series[..n - lag].iter().zip(&series[lag..]);
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n as f64
    };
    let variance = covariance(0);
    if variance <= 0.0 {
        return Some(CorrelatedMean { mean, standard_error: 0.0, n_eff: n as f64 });
    }
    let mut tau = 0.5;
    for lag in 1..n / 2 {
        tau += covariance(lag) / variance;
        if lag as f64 >= 5.0 * tau {
            break;
        }
    }
    let n_eff = (n as f64 / (2.0 * tau.max(0.5))).max(1.0);
    // the variance about the sample mean is too small by (n_eff − 1)/n_eff
    let unbiased = variance * n_eff / (n_eff - 1.0).max(1.0);
    Some(CorrelatedMean { mean, standard_error: (unbiased / n_eff).sqrt(), n_eff })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Stream};

    /// An autoregressive process has τ_int = ½ (1 + a)/(1 − a) exactly.
    #[test]
    fn correlation_time_of_an_autoregressive_process() {
        let (a, n) = (0.8_f64, 200_000);
        let mut random = rng::at(3, Stream::Testing, 30, 0);
        let mut x = 0.0;
        let series: Vec<f64> = (0..n)
            .map(|_| {
                x = a * x + (1.0 - a * a).sqrt() * random.normal();
                x
            })
            .collect();
        let result = correlated_mean(&series).expect("enough samples");
        let exact = f64::from(n) / ((1.0 + a) / (1.0 - a));
        assert!((result.n_eff / exact - 1.0).abs() < 0.1, "{} vs {exact}", result.n_eff);
        assert!(result.mean.abs() < 5.0 * result.standard_error);
    }

    #[test]
    fn three_samples_have_no_error() {
        assert_eq!(correlated_mean(&[1.0, 2.0, 3.0]), None);
    }
}
