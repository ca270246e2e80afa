//! Deep Potentials on one NVIDIA GPU.
mod arguments;
mod device;
mod error;
mod potential;
mod training;
#[cfg(any(test, feature = "emulator"))]
pub use device::emulator;
pub use device::{Device, Width};
pub use error::CudaError;
pub use potential::CudaEvaluator;
pub use training::CudaTrainer;
