//! Quantiles, straight-line fits and positive definite matrices.

mod cholesky;
pub mod fit;
pub mod gamma;
pub mod quantiles;

pub use cholesky::Cholesky;
pub use fit::{LineFit, generalised_line_fit, shrunk_line_fit, weighted_line_fit};
pub use gamma::{chi_squared_distribution, chi_squared_quantile};
pub use quantiles::{normal_quantile, sample_quantile, student_t_distribution, student_t_quantile};
