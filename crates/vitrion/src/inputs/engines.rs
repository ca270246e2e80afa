//! What carries out the stages of a run: the potential on the processor, or a device that keeps the
//! whole system.

use super::{Inputs, LoadedPotential, embedding};
use crate::device::Device;
use crate::plan::Plan;
use std::path::Path;
use vitrion_core::{Potential, PotentialError};
use vitrion_md::{Control, MdError, Observer, StageOutcome, StageSettings, State, run_stage};

/// The engines of one run; potentials are made when they are first needed.
pub struct Engines<'a> {
    loaded: &'a LoadedPotential,
    potential: Option<Box<dyn Potential>>,
    #[cfg(feature = "cuda")]
    dynamics: Option<vitrion_cuda::CudaDynamics>,
}

impl LoadedPotential {
    /// Engines for one run; they work on the threads of the pool they are called in.
    pub fn engines(&self) -> Engines<'_> {
        Engines {
            loaded: self,
            potential: None,
            #[cfg(feature = "cuda")]
            dynamics: None,
        }
    }

    /// Numbers that a CUDA device computes with.
    #[cfg(feature = "cuda")]
    fn arithmetic(&self) -> vitrion_cuda::Arithmetic {
        let LoadedPotential::Deep { precision, tensor_cores, .. } = self else {
            return vitrion_model::Precision::Double.into();
        };
        let precision = (*precision).into();
        vitrion_cuda::Arithmetic { precision, tensor_cores: *tensor_cores }
    }

    /// One copy for one run, on the device that was chosen.
    ///
    /// # Errors
    /// A device that fails.
    pub fn instance(&self) -> Result<Box<dyn Potential>, PotentialError> {
        match self {
            #[cfg(feature = "cuda")]
            LoadedPotential::Deep { model, device: Device::Cuda(device), .. } => {
                vitrion_cuda::CudaEvaluator::new(device, model, self.arithmetic())
                    .map(|evaluator| Box::new(evaluator) as Box<dyn Potential>)
                    .map_err(|error| PotentialError::Parameter(error.to_string()))
            }
            LoadedPotential::Deep { model, precision, exact, .. } => {
                Ok(Box::new(model.evaluator((*precision).into(), embedding(*exact))))
            }
            LoadedPotential::LennardJones(potential) => Ok(Box::new(potential.clone())),
            LoadedPotential::Zbl(potential) => Ok(Box::new(potential.clone())),
        }
    }
}

impl Inputs {
    /// Whether a device can evaluate the model and carry out the stages of a plan.
    ///
    /// # Errors
    /// What it cannot.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(
            clippy::unnecessary_wraps,
            clippy::unused_self,
            unused_variables,
            reason = "only CUDA devices refuse"
        )
    )]
    pub(super) fn fit(&self, device: &Device, plan: &Plan) -> Result<(), String> {
        match device {
            Device::Cpu { .. } => Ok(()),
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => {
                let LoadedPotential::Deep { model, exact, .. } = &self.potential else {
                    return Ok(());
                };
                if *exact {
                    return Err(
                        "exact embedding nets are not available on a CUDA device".to_owned()
                    );
                }
                let text = |error: vitrion_cuda::CudaError| error.to_string();
                for structure in &plan.structures(self) {
                    let members = plan.members(structure);
                    let moving = plan.stages.iter().filter(|s| s.minimize_settings().is_none());
                    for stage in moving {
                        // whether it can does not depend on temperature and seed
                        let settings = stage.settings(Some(300.0), 0, &members);
                        vitrion_cuda::CudaDynamics::supports(&settings, &structure.cell)
                            .map_err(text)?;
                    }
                }
                let made =
                    vitrion_cuda::CudaDynamics::new(device, model, self.potential.arithmetic());
                made.map(|_| ()).map_err(text)
            }
        }
    }
}

impl Engines<'_> {
    /// The potential by itself, for minimisations.
    ///
    /// # Errors
    /// A device that fails.
    pub fn potential(&mut self) -> Result<&mut dyn Potential, PotentialError> {
        if self.potential.is_none() {
            self.potential = Some(self.loaded.instance()?);
        }
        Ok(&mut **self.potential.as_mut().expect("made above"))
    }

    /// One stage, see [`run_stage`].
    ///
    /// # Errors
    /// What the stage reports.
    pub fn run_stage(
        &mut self,
        initial: State,
        settings: &StageSettings,
        directory: &Path,
        observers: &mut [Box<dyn Observer>],
        control: &Control<'_>,
    ) -> Result<StageOutcome, MdError> {
        #[cfg(feature = "cuda")]
        if let LoadedPotential::Deep { model, device: Device::Cuda(device), .. } = self.loaded {
            if self.dynamics.is_none() {
                let made = vitrion_cuda::CudaDynamics::new(device, model, self.loaded.arithmetic());
                let failed = |error: vitrion_cuda::CudaError| MdError::Device {
                    step: 0,
                    message: error.to_string(),
                };
                self.dynamics = Some(made.map_err(failed)?);
            }
            let maker = self.dynamics.as_mut().expect("made above");
            return vitrion_md::run_stage_with(
                initial, maker, settings, directory, observers, control,
            );
        }
        let potential = self.potential().map_err(MdError::Start)?;
        run_stage(initial, potential, settings, directory, observers, control)
    }
}
