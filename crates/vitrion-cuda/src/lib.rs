//! Deep Potentials on one NVIDIA GPU.
mod arguments;
mod device;
mod dynamics;
mod error;
mod potential;
#[cfg(any(test, feature = "emulator"))]
pub use device::emulator;
pub use device::{Device, Width};
pub use dynamics::CudaDynamics;
pub use error::CudaError;
pub use potential::CudaEvaluator;
