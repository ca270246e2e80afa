//! Interatomic potentials: the Deep Potential (se_e2_a) and a few classical ones.
//!
//! ```text
//! model file ── load ──► DeepPotential (plain data) ──► Reference  f64 loops in the order of the equations
//!                                                  └──► Evaluator  batched, threaded, double or mixed
//! ```
//!
//! Both evaluators implement [`vitrion_core::Potential`]; the second is tested against the first,
//! the first against DeePMD-kit.

pub mod builtin;
pub mod card;
pub mod classical;
pub mod deep_potential;
pub mod error;
pub mod train;

pub use card::Card;
pub use deep_potential::{
    Breakdown, Committee, CommitteeError, DeepPotential, Embedding, Evaluator, Precision,
    force_deviation, virial_deviation,
};
pub use error::ModelError;
