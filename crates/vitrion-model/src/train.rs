//! Training of a Deep Potential from labelled frames.
//!
//! ```text
//! sources ─ dataset (packed, checked) ─ split ─┬─ statistics ─ initial ──► model, or one from a file
//!                                              │                            │ parameters (flat)
//!                                              └─ sampler ─ example ──► gradient ─ optimizer ◄─ schedule
//!                                                           engine: these, on the processors or a device
//!                                                                           trainer: the loop, checkpoints
//! trained model ─ evaluation: errors per system, group and element
//! ```
//!
//! Everything a run depends on is in [`settings::Settings`], the frames and the starting model; the same
//! three give the same bits at any number of threads, stopped and continued or not.

pub mod dataset;
pub mod engine;
pub mod evaluation;
pub mod example;
pub mod gradient;
pub mod initial;
pub mod loss;
pub mod neighborhoods;
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
pub use engine::{Engine, Host};
pub use example::{Example, Known};
pub use gradient::{BatchLoss, Geometry, Gradient, GradientError, Phases, Predicted};
pub use loss::{Loss, Prefactors};
pub use parameters::Places;
