//! The kernels against the processor's own numbers: on the emulator always, on every CUDA device that
//! is there.

mod devices;
mod dynamics;
mod evaluators;
#[allow(dead_code)]
#[path = "../../../vitrion-model/tests/it/expected.rs"]
mod expected;
mod training;
