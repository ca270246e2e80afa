//! Statistics of correlated series: block averages, correlation times, fits, resampling.
//!
//! No simulation datum is independent of the one before it. These functions turn series into a
//! mean and a standard error that says so, fit lines to points with errors or with a full
//! covariance, and give the quantiles that make intervals of them.

pub mod autocorrelation;
pub mod blocking;
pub mod bootstrap;
pub mod least_squares;
pub mod quantile;

/// Why a statistic cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Fewer values than the statistic needs.
    #[error("{statistic} needs at least {needed} values, found {found}")]
    TooFew { statistic: &'static str, needed: usize, found: usize },
    /// Arrays that belong together differ in length.
    #[error("{what} holds {found} values, expected {expected}")]
    LengthMismatch { what: &'static str, expected: usize, found: usize },
    /// NaN or infinite input.
    #[error("value {index} of {what} is {value}; it must be finite")]
    NotFinite { what: &'static str, index: usize, value: f64 },
    /// A standard error that is zero or negative.
    #[error("standard error {index} is {value}; it must be positive")]
    BadError { index: usize, value: f64 },
    /// A covariance that no data can have.
    #[error(
        "the covariance matrix is not positive definite: pivot {row} is {pivot:.3e}; \
         two points may be identical"
    )]
    NotPositiveDefinite { row: usize, pivot: f64 },
    /// The fit has no unique solution, for example when all abscissae are equal.
    #[error("the fit has no unique solution: the abscissae do not determine every parameter")]
    Singular,
}

/// Refuses NaN and infinity with the place.
pub(crate) fn check_finite(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { what, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Arithmetic mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased sample variance, `Σ (x − x̄)² / (n − 1)`; NaN below two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let center = mean(values);
    values.iter().map(|x| (x - center).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}
