//! What a run file points to, read: the potential and the structures as the files hold them.

mod engines;
mod load;

pub use engines::Engines;
pub use load::{bench_structure, fingerprint, model, structure_called, structure_name};

use crate::device::Device;
use crate::error::InputError;
use crate::lammps::Lammps;
use crate::plan::Plan;
use crate::results::PotentialCard;
use crate::run_file::{DeviceChoice, PotentialTable, Precision, RunFile};
use vitrion_core::{Potential, SpeciesTable, Structure};
use vitrion_model::classical::{LennardJones, Zbl};
use vitrion_model::{DeepPotential, Embedding};

/// Lennard-Jones energies are zero at the cutoff unless the run file says otherwise.
pub const SHIFTED: bool = true;

/// Everything that is outside the run file.
pub struct Inputs {
    /// What `[potential]` names.
    pub potential: LoadedPotential,
    /// One per `[system]`, in order.
    pub structures: Vec<LoadedStructure>,
    /// LAMMPS, where it carries out the stages.
    pub lammps: Option<Lammps>,
}

/// A structure and the fingerprint of its file.
#[derive(Debug, Clone)]
pub struct LoadedStructure {
    /// As the file holds it.
    pub structure: Structure,
    /// BLAKE3 of the file.
    pub blake3: String,
}

/// A potential that can be copied for any number of runs.
pub enum LoadedPotential {
    /// A Deep Potential and how it is evaluated.
    Deep {
        model: Box<DeepPotential>,
        /// BLAKE3 of the file.
        blake3: String,
        precision: Precision,
        /// Embedding nets themselves instead of their tables.
        exact: bool,
        /// Tables of the embedding nets and their measured error, in plain text.
        tables: String,
        /// What evaluates it.
        device: Device,
        /// On a CUDA device: matrix products of mixed precision on tensor cores.
        tensor_cores: bool,
    },
    LennardJones(LennardJones),
    Zbl(Zbl),
}

impl LoadedPotential {
    /// Species it knows.
    pub fn species(&self) -> &SpeciesTable {
        match self {
            LoadedPotential::Deep { model, .. } => &model.species,
            LoadedPotential::LennardJones(potential) => potential.species(),
            LoadedPotential::Zbl(potential) => potential.species(),
        }
    }

    /// Interaction range [Å].
    pub fn cutoff(&self) -> f64 {
        match self {
            LoadedPotential::Deep { model, .. } => model.descriptor.cutoff,
            LoadedPotential::LennardJones(potential) => potential.cutoff(),
            LoadedPotential::Zbl(potential) => potential.cutoff(),
        }
    }

    /// What evaluates it, in one line.
    pub fn device(&self) -> String {
        match self {
            LoadedPotential::Deep { device, .. } => device.describe(),
            LoadedPotential::LennardJones(_) | LoadedPotential::Zbl(_) => "device: cpu".to_owned(),
        }
    }

    /// What the manifest and the report say about it.
    pub fn card(&self) -> PotentialCard {
        let card = PotentialCard {
            species: self.species().symbols().to_vec(),
            cutoff_a: self.cutoff(),
            precision: "double".to_owned(),
            device: "cpu".to_owned(),
            ..PotentialCard::default()
        };
        let analytic = |name: &str, kind: &str| PotentialCard {
            name: name.to_owned(),
            kind: kind.to_owned(),
            provenance: "analytic, parameters from the run file".to_owned(),
            ..card.clone()
        };
        match self {
            LoadedPotential::LennardJones(_) => {
                analytic("Lennard-Jones", "Lennard-Jones 12-6, Lorentz–Berthelot mixing")
            }
            LoadedPotential::Zbl(_) => analytic("ZBL", "Ziegler–Biersack–Littmark repulsion"),
            LoadedPotential::Deep {
                model,
                blake3,
                precision,
                tables,
                device,
                tensor_cores,
                ..
            } => PotentialCard {
                name: model.card.name.clone(),
                kind: deep_potential_kind(model),
                precision: vitrion_model::Precision::from(*precision).name().to_owned(),
                device: if *tensor_cores {
                    format!("{}, products on tensor cores (3×TF32)", device.name())
                } else {
                    device.name().to_owned()
                },
                blake3: blake3.clone(),
                provenance: model.card.provenance.join(" "),
                errors: model.card.errors.clone(),
                tables: tables.clone(),
                limitations: model.card.limitations.clone(),
                ..card
            },
        }
    }
}

impl Inputs {
    /// What carries out the stages, for the manifest.
    pub fn engine(&self) -> String {
        self.lammps.as_ref().map_or_else(|| "vitrion".to_owned(), Lammps::name)
    }

    /// What computes, in plain text.
    pub fn described(&self) -> String {
        self.lammps.as_ref().map_or_else(|| self.potential.device(), Lammps::describe)
    }

    /// Chooses what computes, as the run file asks, once it is known what there is to do.
    ///
    /// # Errors
    /// A device or an engine that was asked for and is not there, or cannot do it; with the line that asks.
    pub fn choose_device(&mut self, run: &RunFile, plan: &Plan) -> Result<(), InputError> {
        self.lammps = Lammps::choose(run, self, plan)?;
        if self.lammps.is_some() {
            return Ok(());
        }
        let PotentialTable::Model { device: asked, tensor_cores, precision, .. } =
            &run.potential.value
        else {
            return Ok(());
        };
        let refuse = |line: usize, key: &str, message: String| InputError::Value {
            place: run.place(line),
            key: key.to_owned(),
            table: "in [potential]".to_owned(),
            message,
        };
        let tensor = tensor_cores.filter(|tensor| tensor.value);
        let choice = asked.map_or(DeviceChoice::default(), |asked| asked.value);
        let can = |device: &Device| self.fit(device, plan);
        let chosen = Device::choose(choice, can).map_err(|message| {
            refuse(asked.map_or(run.potential.line, |asked| asked.line), "device", message)
        })?;
        if let Some(tensor) = tensor {
            let refuse = |why: &str| refuse(tensor.line, "tensor_cores", why.to_owned());
            if *precision == Some(Precision::Double) {
                return Err(refuse("double precision does not use them"));
            }
            if matches!(chosen, Device::Cpu { .. }) {
                return Err(refuse("the run is on the processor, which has none"));
            }
        }
        if let LoadedPotential::Deep { device, tensor_cores, .. } = &mut self.potential {
            *device = chosen;
            *tensor_cores = tensor.is_some();
        }
        Ok(())
    }
}

/// How embedding nets are evaluated if `exact` is asked for or not.
pub fn embedding(exact: bool) -> Embedding {
    if exact { Embedding::Exact } else { Embedding::Tables }
}

/// For example "Deep Potential se_e2_a, one-side".
pub fn deep_potential_kind(model: &DeepPotential) -> String {
    let sides = if model.descriptor.one_side { "one-side" } else { "two-side" };
    format!("Deep Potential se_e2_a, {sides}")
}

impl From<Precision> for vitrion_model::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Double => vitrion_model::Precision::Double,
            Precision::Mixed => vitrion_model::Precision::Mixed,
        }
    }
}
