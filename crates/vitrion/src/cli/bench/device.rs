//! `vitrion bench device`: whether a CUDA device is right, and how fast it is.

#[cfg(feature = "cuda")]
mod report;

#[cfg(feature = "cuda")]
pub(super) use report::bench;
use std::path::PathBuf;

/// A CUDA device: results against the processor, then time per atom and step, memory and kernels
#[derive(clap::Args)]
pub(super) struct DeviceArguments {
    /// The device: cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cuda")]
    device: String,
    /// A model file, builtin:li-p-s or builtin:li-p-s-fast
    #[arg(long, value_name = "MODEL", default_value = "builtin:li-p-s")]
    model: String,
    /// A structure file; its first frame is used [default: β-Li3PS4]
    #[arg(long, value_name = "FILE")]
    structure: Option<PathBuf>,
    #[command(flatten)]
    read: super::ReadArguments,
    /// Atoms of the timed systems; none for comparisons only
    #[arg(long, value_name = "N", value_delimiter = ',',
          default_values_t = [1000, 4000, 10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// Arithmetic: mixed, double, or both
    #[arg(long, value_name = "P", value_delimiter = ',', default_values = ["mixed", "double"],
          value_parser = ["mixed", "double"])]
    precision: Vec<String>,
    /// Steps of each of three timed runs [default: about two seconds]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Timestep [fs]
    #[arg(long, value_name = "FS", default_value_t = 0.5)]
    timestep: f64,
    /// Temperature [K]
    #[arg(long, value_name = "K", default_value_t = 300.0)]
    temperature: f64,
    /// Skin of the neighbour list [Å]
    #[arg(long, value_name = "A", default_value_t = 1.0)]
    skin: f64,
    /// Comparisons only, and as short as they can be
    #[arg(long)]
    quick: bool,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

/// There is no device without CUDA.
#[cfg(not(feature = "cuda"))]
pub(super) fn bench(
    _: &DeviceArguments,
    _: &super::super::Common,
) -> Result<(), vitrion::error::Error> {
    use vitrion::{device::Device, error::InputError, run_file::DeviceChoice};
    match Device::choose(DeviceChoice::Cuda(0), |_| Ok(())) {
        Err(why) => Err(InputError::Usage(why).into()),
        Ok(_) => unreachable!("built without CUDA"),
    }
}
