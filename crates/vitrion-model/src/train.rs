//! Training of a Deep Potential from labelled frames.

pub mod example;
pub mod gradient;
pub mod loss;
pub mod parameters;
#[cfg(test)]
pub(crate) mod testing;

pub use example::{Example, Known};
pub use gradient::{BatchLoss, Gradient, GradientError, Predicted};
pub use loss::{Loss, Prefactors};
pub use parameters::Places;
