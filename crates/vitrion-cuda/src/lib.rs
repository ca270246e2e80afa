//! Deep Potentials on one NVIDIA GPU.
mod arguments;
mod device;
mod dynamics;
mod error;
mod peak;
mod potential;
mod training;
#[cfg(any(test, feature = "emulator"))]
pub use device::emulator;
pub use device::{Device, KernelTime};
pub use dynamics::CudaDynamics;
pub use error::CudaError;
pub use peak::{Ceilings, ceilings};
pub use potential::{Arithmetic, CudaEvaluator};
pub use training::CudaTrainer;
