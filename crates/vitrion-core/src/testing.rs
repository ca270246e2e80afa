//! Batteries that every potential, format and observable must pass, and random test systems.

pub mod derivatives;
pub mod invariance;
pub mod systems;
