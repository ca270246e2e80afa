//! What computes: the processor, or a CUDA device where this program was built for it.

use crate::run_file::DeviceChoice;

/// A device that is ready.
#[derive(Debug, Clone)]
pub enum Device {
    /// The processor, and why not a CUDA device where one was looked for.
    Cpu { why: Option<String> },
    #[cfg(feature = "cuda")]
    Cuda(vitrion_cuda::Device),
}

impl Device {
    /// The device of a choice that `can` do the work; with [`DeviceChoice::Auto`] the processor where
    /// no other can.
    ///
    /// # Errors
    /// Why the device that was asked for is not there or cannot.
    pub fn choose(
        choice: DeviceChoice,
        can: impl Fn(&Device) -> Result<(), String>,
    ) -> Result<Self, String> {
        let usable = |ordinal| {
            let device = open(ordinal)?;
            can(&device).map(|()| device)
        };
        match choice {
            DeviceChoice::Cuda(ordinal) => usable(ordinal),
            DeviceChoice::Auto if cfg!(feature = "cuda") => {
                Ok(usable(0).unwrap_or_else(|why| Device::Cpu { why: Some(why) }))
            }
            DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu { why: None }),
        }
    }

    /// "cpu", or what the device calls itself.
    pub fn name(&self) -> &str {
        match self {
            Device::Cpu { .. } => "cpu",
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => device.name(),
        }
    }

    /// One line: the name, and why it is not a CUDA device where one was looked for.
    pub fn describe(&self) -> String {
        if let Device::Cpu { why: Some(why) } = self {
            return format!("device: cpu ({why})");
        }
        format!("device: {}", self.name())
    }
}

#[cfg(feature = "cuda-emulator")]
fn open(_: usize) -> Result<Device, String> {
    let order = vitrion_cuda::emulator::Order::Ascending;
    vitrion_cuda::Device::emulated(order).map(Device::Cuda).map_err(|error| error.to_string())
}

#[cfg(all(feature = "cuda", not(feature = "cuda-emulator")))]
fn open(ordinal: usize) -> Result<Device, String> {
    vitrion_cuda::Device::open(ordinal).map(Device::Cuda).map_err(|error| error.to_string())
}

#[cfg(not(feature = "cuda"))]
fn open(_: usize) -> Result<Device, String> {
    Err("this vitrion was built without CUDA: build it with `cargo build --release --features cuda` \
         (no CUDA toolkit is needed for that), or use device = \"cpu\""
        .to_owned())
}
