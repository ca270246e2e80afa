//! The plan: a run file with every default visible, every reference resolved, every value checked.
//!
//! A plan is data. It is written to `plan.toml` of the results folder, and two runs are the same
//! run exactly if their plans are equal; it holds nothing of the machine, neither paths outside the
//! run file nor threads.

mod analyses;
mod estimate;
mod groups;
mod observers;
mod resolve;

pub use analyses::{AnalysisPlan, Dynamics};
pub(crate) use estimate::bytes_per_atom;
pub use estimate::{Estimate, RunEstimate};
pub use groups::{GroupPlan, Members};

use crate::error::InputError;
use crate::inputs::Inputs;
use crate::run_file::{
    BarostatKind, DynamicsEngine, LennardJonesSpecies, Precision, RunFile, StageKind,
    ThermostatKind,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitrion_core::units::{self, Kind};
use vitrion_core::{Matrix3, Structure};
use vitrion_md::{
    Barostat, Bath, Coupling, MinimizeSettings, Ramp, StageSettings, Thermostat, TrajectoryFormat,
    TrajectorySettings,
};

/// The golden ratio in 64 bits spreads the numbers of stages and of replicas over all seeds.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A resolved run file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u64,
    pub name: String,
    pub seed: u64,
    /// Who carries out the stages of dynamics.
    #[serde(default)]
    pub engine: DynamicsEngine,
    /// Lines that a user adds to LAMMPS input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lammps_setup: Vec<String>,
    pub potential: PotentialPlan,
    #[serde(rename = "system")]
    pub systems: Vec<SystemPlan>,
    #[serde(rename = "group", default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupPlan>,
    #[serde(rename = "stage")]
    pub stages: Vec<StagePlan>,
    #[serde(rename = "analysis", default)]
    pub analyses: Vec<AnalysisPlan>,
    #[serde(rename = "run")]
    pub runs: Vec<RunPlan>,
}

/// Which potential, in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PotentialPlan {
    DeepPotential {
        /// As written in the run file.
        model: String,
        blake3: String,
        precision: Precision,
        #[serde(default)]
        exact: bool,
        species: Vec<String>,
        cutoff_a: f64,
    },
    LennardJones {
        cutoff_a: f64,
        shifted: bool,
        species: Vec<LennardJonesSpecies>,
    },
    Zbl {
        species: Vec<String>,
        inner_a: f64,
        outer_a: f64,
    },
}

/// One system as it is simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemPlan {
    pub name: String,
    /// As written in the run file.
    pub structure: String,
    pub blake3: String,
    pub repeat: [usize; 3],
    /// Factor on all lengths that brings the cell to the wanted density; 1 without one.
    pub scale: f64,
    pub formula: String,
    pub atoms: usize,
    pub density_g_per_cm3: f64,
    pub cell_a: Matrix3,
    /// Distance of the closest two atoms [Å]; absent if none are within 4 Å.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closest_pair_a: Option<f64>,
    /// Part of the atoms that are crystal: as the run file says, or those labelled so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crystal_fraction: Option<f64>,
}

/// A target over the time of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Schedule {
    Constant(f64),
    Ramp {
        start: f64,
        end: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        plateaus: Option<u32>,
    },
    Sweep(SweepWord),
}

/// The word "sweep": the temperature of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepWord {
    Sweep,
}

/// One stage; intervals are in steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    pub name: String,
    pub kind: StageKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_k: Option<Schedule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure_gpa: Option<Schedule>,
    pub timestep_fs: f64,
    pub steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermostat: Option<ThermostatKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermostat_period_fs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermostat_chain: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barostat: Option<BarostatKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barostat_period_fs: Option<f64>,
    /// Deformations of the cell: "isotropic", "anisotropic", "triclinic", or axes such as "xy, z".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupling: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_modulus_gpa: Option<f64>,
    /// Groups that do not move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thermostats: Vec<GroupThermostatPlan>,
    /// xx, yy, zz, yz, xz, xy
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strain_rate_per_ps: Option<[f64; 6]>,
    /// Of a minimisation, in which no time passes; `steps` are at most made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_tolerance_ev_per_a: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stress_tolerance_gpa: Option<f64>,
    pub skin_a: f64,
    pub max_displacement_a: f64,
    pub thermo_every: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectory_every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectory_format: Option<TrajectoryFormat>,
    #[serde(default)]
    pub trajectory_velocities: bool,
    #[serde(default)]
    pub trajectory_forces: bool,
    pub checkpoint_every: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlations: Option<CorrelationsPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radial_distribution: Option<RadialPlan>,
}

/// Time correlations accumulated while a stage runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelationsPlan {
    /// Steps.
    pub every: u64,
    pub longest_fs: f64,
    /// Charge numbers by element.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charges: BTreeMap<String, i64>,
}

/// Radial distribution functions accumulated while a stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RadialPlan {
    /// Steps.
    pub every: u64,
    pub r_max_a: f64,
    pub dr_a: f64,
}

/// The thermostat of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupThermostatPlan {
    pub group: String,
    pub temperature_k: Schedule,
    pub thermostat: ThermostatKind,
    pub thermostat_period_fs: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermostat_chain: Option<usize>,
}

/// One system at one temperature of the sweep, with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Folder below `runs/`.
    pub id: String,
    /// Name of the system.
    pub system: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_k: Option<f64>,
    /// Seed of the replica, as listed in the run file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u64>,
    /// Seed of all its random numbers.
    pub seed: u64,
}

impl Plan {
    /// Resolves a run file.
    ///
    /// # Errors
    /// Values that make no sense together or with the files they name, with file and line.
    pub fn resolve(run: &RunFile, inputs: &Inputs) -> Result<Self, InputError> {
        resolve::plan(run, inputs)
    }

    /// Settings that run but rarely do what was meant, each named with its stage.
    pub fn advice(&self, inputs: &Inputs) -> Vec<String> {
        let structures = self.structures(inputs);
        let members: Vec<Members> = structures.iter().map(|s| self.members(s)).collect();
        let mut remarks: Vec<String> = Vec::new();
        for run in &self.runs {
            let system = self.system_of(run);
            let (structure, members) = (&structures[system], &members[system]);
            for stage in self.stages.iter().filter(|stage| stage.kind != StageKind::Minimize) {
                let settings = stage.settings(run.temperature_k, run.seed, members);
                for remark in settings.advice(structure) {
                    let remark = format!("stage \"{}\": {remark}", stage.name);
                    if !remarks.contains(&remark) {
                        remarks.push(remark);
                    }
                }
            }
        }
        remarks
    }

    /// Index of the run with this id.
    ///
    /// # Errors
    /// There is none; the message lists those there are.
    pub fn run_called(&self, id: &str) -> Result<usize, InputError> {
        self.runs.iter().position(|run| run.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.runs.iter().map(|run| run.id.as_str()).collect();
            InputError::Usage(format!("no run is called \"{id}\"; there is {}", known.join(", ")))
        })
    }

    /// The text of `plan.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan holds nothing that TOML cannot")
    }

    /// The systems as they are simulated: repeated, then scaled.
    pub fn structures(&self, inputs: &Inputs) -> Vec<Structure> {
        self.systems
            .iter()
            .zip(&inputs.structures)
            .map(|(plan, loaded)| resolve::scaled(&loaded.structure, plan.repeat, plan.scale))
            .collect()
    }

    /// Atoms of the groups in a structure of [`Plan::structures`].
    pub fn members(&self, structure: &Structure) -> Members {
        groups::members(&self.groups, structure)
    }

    /// Seed of the random numbers of a stage of a run.
    pub fn stage_seed(run: &RunPlan, number: usize) -> u64 {
        run.seed ^ (number as u64 + 1).wrapping_mul(SPREAD)
    }

    /// Index of the system of a run.
    pub fn system_of(&self, run: &RunPlan) -> usize {
        self.systems
            .iter()
            .position(|system| system.name == run.system)
            .expect("runs are made from the systems of the plan")
    }
}

impl Schedule {
    /// The target of a run at `sweep`, in the unit of the schedule.
    fn ramp(self, sweep: Option<f64>) -> Ramp {
        match self {
            Schedule::Constant(value) => Ramp::constant(value),
            Schedule::Ramp { start, end, plateaus } => Ramp { start, end, plateaus },
            Schedule::Sweep(_) => Ramp::constant(sweep.expect("checked: a sweep is planned")),
        }
    }
}

impl StagePlan {
    /// What the trajectory holds, and its format.
    pub fn trajectory(&self) -> TrajectorySettings {
        TrajectorySettings {
            format: self.trajectory_format.unwrap_or_default(),
            velocities: self.trajectory_velocities,
            forces: self.trajectory_forces,
        }
    }

    /// Target [K] of a run at `sweep`; `None` where no temperature is given.
    pub fn target_temperature(&self, sweep: Option<f64>) -> Option<Ramp> {
        self.temperature_k.map(|schedule| schedule.ramp(sweep))
    }

    /// Steps of dynamics; a minimisation has none.
    pub fn dynamics_steps(&self) -> u64 {
        if self.kind == StageKind::Minimize { 0 } else { self.steps }
    }

    /// What a minimisation needs; `None` for dynamics.
    pub fn minimize_settings(&self) -> Option<MinimizeSettings> {
        let force_tolerance = self.force_tolerance_ev_per_a?;
        let defaults = MinimizeSettings::default();
        let pressure = self.pressure_gpa.map_or(0.0, |gpa| internal(gpa.ramp(None).start));
        Some(MinimizeSettings {
            force_tolerance,
            steps: self.steps,
            coupling: self.coupling.as_deref().and_then(Coupling::from_name),
            pressure,
            stress_tolerance: self.stress_tolerance_gpa.map_or(defaults.stress_tolerance, internal),
            max_displacement: self.max_displacement_a,
            skin: self.skin_a,
        })
    }

    /// What the engine needs for a run at `sweep` [K]; `seed` is for this stage alone, `members` are
    /// the groups of the structure.
    pub fn settings(&self, sweep: Option<f64>, seed: u64, members: &Members) -> StageSettings {
        let target =
            || self.temperature_k.expect("checked: thermostats have a temperature").ramp(sweep);
        let thermostat = || {
            let period = self.thermostat_period_fs.expect("planned with its thermostat");
            let kind = self.thermostat.expect("planned with its ensemble");
            thermostat(kind, period, self.thermostat_chain)
        };
        let barostat = || {
            let period = self.barostat_period_fs.expect("planned with its barostat");
            match self.barostat.expect("planned with its ensemble") {
                BarostatKind::MartynaTobiasKlein => Barostat::MartynaTobiasKlein {
                    period,
                    chain: self.thermostat_chain.expect("planned with its barostat"),
                    coupling: self
                        .coupling
                        .as_deref()
                        .and_then(Coupling::from_name)
                        .expect("checked: a coupling"),
                },
                BarostatKind::StochasticCellRescaling => Barostat::StochasticCellRescaling {
                    period,
                    compressibility: 1.0
                        / internal(self.bulk_modulus_gpa.expect("planned with its barostat")),
                },
            }
        };
        let ensemble = match self.kind {
            StageKind::Nve => vitrion_md::Ensemble::Nve,
            StageKind::Nvt => {
                vitrion_md::Ensemble::Nvt { temperature: target(), thermostat: thermostat() }
            }
            StageKind::Minimize => unreachable!("dynamics only"),
            StageKind::Npt => {
                let gpa = self.pressure_gpa.expect("checked: npt has a pressure").ramp(None);
                vitrion_md::Ensemble::Npt {
                    temperature: target(),
                    thermostat: thermostat(),
                    pressure: Ramp { start: internal(gpa.start), end: internal(gpa.end), ..gpa },
                    barostat: barostat(),
                }
            }
        };
        StageSettings {
            seed,
            skin: self.skin_a,
            thermo_every: self.thermo_every,
            trajectory_every: self.trajectory_every,
            trajectory: self.trajectory(),
            checkpoint_every: self.checkpoint_every,
            max_displacement: self.max_displacement_a,
            frozen: members.of_any(&self.freeze),
            baths: self.thermostats.iter().map(|plan| plan.bath(sweep, members)).collect(),
            strain_rate: self.strain_rate_per_ps.map(|rate| {
                let [xx, yy, zz, yz, xz, xy] = rate.map(|x| x * 1e-3);
                [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
            }),
            ..StageSettings::new(ensemble, self.timestep_fs, self.steps)
        }
    }
}

impl GroupThermostatPlan {
    fn bath(&self, sweep: Option<f64>, members: &Members) -> Bath {
        Bath {
            name: self.group.clone(),
            atoms: members.of(&self.group).to_vec(),
            temperature: self.temperature_k.ramp(sweep),
            thermostat: thermostat(
                self.thermostat,
                self.thermostat_period_fs,
                self.thermostat_chain,
            ),
        }
    }
}

/// [eV/Å³]
fn internal(gpa: f64) -> f64 {
    gpa / units::express(1.0, Kind::Pressure, "GPa")
}

fn thermostat(kind: ThermostatKind, period: f64, chain: Option<usize>) -> Thermostat {
    match kind {
        ThermostatKind::NoseHooverChain => {
            let chain = chain.expect("planned with its thermostat");
            Thermostat::NoseHooverChain { period, chain }
        }
        ThermostatKind::Csvr => Thermostat::Csvr { period },
        ThermostatKind::Langevin => Thermostat::Langevin { period },
    }
}

#[cfg(test)]
mod tests;
