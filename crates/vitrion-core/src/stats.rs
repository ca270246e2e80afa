//! Quantiles and straight-line fits.

pub mod fit;
pub mod quantiles;

pub use fit::{LineFit, generalised_line_fit, weighted_line_fit};
pub use quantiles::{normal_quantile, student_t_distribution, student_t_quantile};
