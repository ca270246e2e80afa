//! Deep Potentials against DeePMD-kit, and the fast evaluator against the reference.

mod classical;
mod dataset;
mod evaluators;
mod expected;
mod exports;
mod parity;
mod refusals;
mod trainer;
mod training;
