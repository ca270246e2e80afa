//! Deep Potentials on one NVIDIA GPU.
mod arguments;
pub mod device;
pub mod error;
pub mod potential;
pub use device::Device;
pub use error::CudaError;
pub use potential::CudaEvaluator;
