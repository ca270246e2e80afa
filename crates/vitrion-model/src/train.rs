//! Training of a Deep Potential from labelled frames.

pub mod dataset;
pub mod evaluation;
pub mod example;
pub mod gradient;
pub mod initial;
pub mod loss;
pub mod optimizer;
pub mod parameters;
pub mod sampler;
pub mod schedule;
pub mod settings;
pub mod split;
pub mod statistics;
#[cfg(test)]
pub(crate) mod testing;
pub mod trainer;

pub use dataset::{Dataset, DatasetError, LabelledFrame, Source, System};
pub use example::{Example, Known};
pub use gradient::{BatchLoss, Gradient, GradientError, Phases, Predicted};
pub use loss::{Loss, Prefactors};
pub use parameters::Places;
