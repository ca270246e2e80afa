//! What a trajectory says: structure and transport, each number with its uncertainty.
//!
//! Frames are consumed one by one. Every analysis ends in
//! [`Observables`](vitrion_core::observables::Observables): estimates, curves, the formula, all
//! parameters with their defaults, and cautions where the numbers must not be taken at face value.
//! Estimators, error models and their limits: book, `theory/structure.md` and
//! `theory/transport.md`.

pub mod structure;
pub mod transport;
