//! Where a training computes: chosen, and carried out there.

use super::Prepared;
use crate::device::Device;
use crate::error::{Error, InputError};
use crate::run_file::{DeviceChoice, TrainingFile};
use std::path::Path;
#[cfg(feature = "cuda")]
use vitrion_cuda::CudaTrainer;
use vitrion_model::DeepPotential;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::Dataset;
use vitrion_model::train::settings::Settings;
use vitrion_model::train::trainer::{Control, Progress, Trained, Trainer};

/// The device that a training file asks for, and whether it is to use tensor cores.
pub(super) fn of(
    file: &TrainingFile,
    data: &Dataset,
    model: &DeepPotential,
    settings: &Settings,
) -> Result<(Device, bool), InputError> {
    let refuse = |line: usize, key: &str, message: &str| {
        InputError::Usage(format!("{}:{line}: `{key}`: {message}", file.path.display()))
    };
    let can = |device: &Device| fit(file, data, model, settings, device);
    let choice = file.device.map_or(DeviceChoice::default(), |device| device.value);
    let chosen = Device::choose(choice, can)
        .map_err(|why| refuse(file.device.map_or(1, |device| device.line), "device", &why))?;
    let tensor = file.tensor_cores.filter(|tensor| tensor.value);
    if let Some(tensor) = tensor {
        if file.double {
            return Err(refuse(tensor.line, "tensor_cores", "double precision does not use them"));
        }
        if matches!(chosen, Device::Cpu { .. }) {
            let why = "the training is on the processor, which has none";
            return Err(refuse(tensor.line, "tensor_cores", why));
        }
    }
    Ok((chosen, tensor.is_some()))
}

/// Whether a device can train the model.
#[cfg_attr(
    not(feature = "cuda"),
    expect(clippy::unnecessary_wraps, unused_variables, reason = "only CUDA devices refuse")
)]
fn fit(
    file: &TrainingFile,
    data: &Dataset,
    model: &DeepPotential,
    settings: &Settings,
    device: &Device,
) -> Result<(), String> {
    match device {
        Device::Cpu { .. } => Ok(()),
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let text = |error: vitrion_cuda::CudaError| error.to_string();
            if file.double {
                CudaTrainer::<f64>::new(device, settings, data, model).map(|_| ()).map_err(text)
            } else {
                CudaTrainer::<f32>::new(device, settings, data, model).map(|_| ()).map_err(text)
            }
        }
    }
}

/// The loop itself, on the device that was chosen.
pub(super) fn train<T: Real>(
    prepared: &Prepared,
    folder: &Path,
    watch: &mut dyn FnMut(&Progress<'_>) -> Control,
) -> Result<Trained, Error> {
    let Prepared { data, model, settings, identity, device, .. } = prepared;
    let mut trainer = match device {
        Device::Cpu { .. } => Trainer::<T>::new(settings, data, model.clone(), folder, identity)?,
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let engine = CudaTrainer::<T>::new(device, settings, data, model)
                .and_then(|engine| engine.with_tensor_cores(prepared.tensor_cores))
                .map_err(|error| InputError::Usage(error.to_string()))?;
            let (model, engine) = (model.clone(), Box::new(engine));
            Trainer::<T>::with_engine(settings, data, model, folder, identity, engine)?
        }
    };
    Ok(trainer.run(watch)?)
}
