//! Molecular dynamics that stays on the device: positions, velocities, cell, neighbour list, forces,
//! thermostats and barostat. The host sees a record of every step, [`RING`] steps at a time at most,
//! and arrays when a frame, an observer or a checkpoint asks for them.
//!
//! A step is a fixed sequence of launches, recorded once and replayed:
//!
//! 1. `begin_step` (one thread): targets, thermostats, barostat, matrices of this step;
//! 2. `move_atoms`: kick and drift of every atom; how far they went;
//! 3. `check_list` (one thread), then the search of the list, which returns at once where the list
//!    still holds;
//! 4. the potential ([`Forces`]);
//! 5. `kick_atoms`, `sum_atoms`; `end_step` (one thread): barostat, thermostats;
//! 6. `scale_atoms`, `sum_atoms`; `record_step`.
//!
//! Anything that cannot go on sets `halt`, after which all kernels return at once; the state before
//! the step is kept. Equations and signs are those of `vitrion-md`.

mod arguments;
mod engine;
mod list;
mod plan;

use crate::device::Device;
use crate::error::{CudaError, Result};
use crate::potential::model::Model;
use crate::potential::{Arithmetic, Forces};
use engine::DeviceEngine;
use std::sync::Arc;
use vitrion_core::{Cell, SpeciesTable};
use vitrion_md::{Engine, EngineMaker, Fault, StageSettings, Start};
use vitrion_model::{DeepPotential, Precision};

/// Runs stages of a Deep Potential on a device.
#[derive(Debug)]
pub struct CudaDynamics {
    device: Device,
    species: SpeciesTable,
    cutoff: f64,
    model: Prepared,
}

/// The model on the device, in either arithmetic.
#[derive(Debug)]
enum Prepared {
    Mixed(Arc<Model<f32>>),
    Double(Arc<Model<f64>>),
}

impl CudaDynamics {
    /// For this model, which is put on the device; the kernels are compiled now, if this machine does
    /// not have them yet.
    ///
    /// # Errors
    /// A model with features that the kernels do not have; no compiler; too little memory.
    pub fn new(
        device: &Device,
        model: &DeepPotential,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<Self> {
        let arithmetic = arithmetic.into();
        let none = vec![0; model.species.len()];
        let prepared = match arithmetic.precision {
            Precision::Mixed => {
                let made = Arc::new(Model::new(device, model, arithmetic)?);
                Forces::new(device, &made, &none)?;
                Prepared::Mixed(made)
            }
            Precision::Double => {
                let made = Arc::new(Model::new(device, model, arithmetic)?);
                Forces::new(device, &made, &none)?;
                Prepared::Double(made)
            }
        };
        Ok(CudaDynamics {
            device: device.clone(),
            species: model.species.clone(),
            cutoff: model.descriptor.cutoff,
            model: prepared,
        })
    }

    /// Whether a stage can run on a device.
    ///
    /// # Errors
    /// [`CudaError::Unsupported`] names what cannot.
    pub fn supports(settings: &StageSettings, cell: &Cell) -> Result<()> {
        plan::supported(settings, cell)
    }
}

impl EngineMaker for CudaDynamics {
    fn species(&self) -> &SpeciesTable {
        &self.species
    }

    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn make<'a>(
        &'a mut self,
        start: Start<'_>,
    ) -> std::result::Result<Box<dyn Engine + 'a>, Fault> {
        // a stage of its own order of work: its recording may not see what others do
        let device = &self.device.fork().map_err(fault)?;
        Ok(match &self.model {
            Prepared::Mixed(model) => {
                Box::new(DeviceEngine::new(device, model, self.species.clone(), start)?)
            }
            Prepared::Double(model) => {
                Box::new(DeviceEngine::new(device, model, self.species.clone(), start)?)
            }
        })
    }
}

/// What a failure of the device means to a stage.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
fn fault(error: CudaError) -> Fault {
    Fault::Device(error.to_string())
}
