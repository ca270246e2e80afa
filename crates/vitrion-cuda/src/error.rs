//! What can go wrong on a device.

use std::path::PathBuf;

/// An error of the device, its driver or its compiler.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// No driver on this machine.
    #[error(
        "no CUDA device: the NVIDIA driver (libcuda) was not found; install it, or use device = \
         \"cpu\""
    )]
    NoDriver,
    /// A driver, but no such device.
    #[error("no CUDA device {ordinal}: this machine has {count} (numbers start from 0)")]
    NoDevice { ordinal: usize, count: usize },
    /// No compiler for the kernels.
    #[error(
        "the kernels must be compiled for {device}, but NVRTC (libnvrtc) was not found; install the \
         CUDA toolkit, or `pip install {package}` and put its lib folder on LD_LIBRARY_PATH"
    )]
    NoCompiler { device: String, package: String },
    /// The kernels do not compile: a fault of this program.
    #[error("the kernels do not compile for {target}; this is a fault of vitrion:\n{log}")]
    Compile { target: String, log: String },
    /// The device has too little memory.
    #[error(
        "the device has too little memory: {wanted_mib} MiB more were asked for and {free_mib} MiB \
         are free; use fewer atoms, a larger device, or device = \"cpu\""
    )]
    OutOfMemory { wanted_mib: usize, free_mib: usize },
    /// Anything the driver reports.
    #[error("the CUDA driver failed while {doing}: {message}")]
    Driver { doing: &'static str, message: String },
    /// The model or the run uses something that the device kernels do not have.
    #[error("{what} is not available on a CUDA device; use device = \"cpu\"")]
    Unsupported { what: String },
    /// The model has a feature that cannot be trained anywhere.
    #[error("{0}")]
    Untrainable(String),
    /// The compiled kernels cannot be kept or read.
    #[error("cannot {doing} {path:?}: {message}")]
    File { path: PathBuf, doing: &'static str, message: String },
}

pub(crate) type Result<T> = std::result::Result<T, CudaError>;

/// A feature that the kernels lack.
pub(crate) fn unsupported<T>(what: impl Into<String>) -> Result<T> {
    Err(CudaError::Unsupported { what: what.into() })
}
