//! What carries out the steps of a stage and holds the system meanwhile.
//!
//! A stage owns files, statistics, observers and checkpoints; an [`Engine`] owns positions, velocities,
//! cell, neighbour list, forces, thermostats and barostat. Between them pass one [`Record`] a step, and
//! arrays when a frame, an observer or a checkpoint is due. [`Host`] makes the engine of this crate.

mod host;

pub use host::Host;

use crate::integrate::{LARGEST_STRAIN, Variables};
use crate::settings::StageSettings;
use vitrion_core::cell::CellError;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, PotentialError, SpeciesTable, Structure};

/// Carries out the steps of one stage. "Now" is after the last completed step.
pub trait Engine {
    /// Steps it likes to do at once; a stage never asks for more.
    fn stride(&self) -> u64;

    /// Carries out steps `done + 1 ..= done + steps` of the stage, or fewer, but at least one, and pushes
    /// one record for each of them.
    ///
    /// # Errors
    /// The step after those recorded could not be completed. The stage then asks for
    /// [`Engine::spent`], [`Engine::wreck`] and [`Engine::nearest`] (the last two not after
    /// [`Fault::Device`] and [`Fault::Cell`]), and for nothing else.
    fn advance(&mut self, done: u64, steps: u64, records: &mut Vec<Record>) -> Result<(), Fault>;

    /// The record of now; before the first step, that of the start.
    ///
    /// # Errors
    /// [`Fault::Device`].
    fn record(&mut self) -> Result<Record, Fault>;

    /// Arrays of now.
    ///
    /// # Errors
    /// [`Fault::Device`].
    fn snapshot(&mut self) -> Result<View<'_>, Fault>;

    /// Thermostat and barostat variables of now.
    ///
    /// # Errors
    /// [`Fault::Device`].
    fn variables(&mut self) -> Result<Variables, Fault>;

    /// Cell and positions for which the neighbour list of now was searched. An engine that is given them
    /// at its start goes on bit for bit.
    ///
    /// # Errors
    /// [`Fault::Device`].
    fn list_reference(&mut self) -> Result<Reference, Fault>;

    /// How often the neighbour list was searched, the search at the start included.
    fn builds(&self) -> u64;

    /// Time that steps took since this was last asked.
    fn spent(&mut self) -> Spent;

    /// The step that failed.
    fn wreck(&self) -> Wreck<'_>;

    /// Distance from an atom to its nearest neighbour in the list of the step that failed [Å], where it
    /// is known.
    fn nearest(&self, atom: usize) -> Option<f64>;

    /// Asks for an end after `done` steps; true if arrays and variables of now can be had, so that a
    /// checkpoint can be written. Otherwise the stage goes on until they can: an engine that works ahead
    /// of the stage stops as soon as it can.
    ///
    /// # Errors
    /// As [`Engine::advance`].
    fn halt(&mut self, _done: u64) -> Result<bool, Fault> {
        Ok(true)
    }
}

/// Makes the engines of one potential.
pub trait EngineMaker {
    /// Species of the potential; [`Start::species`] are indices into this table.
    fn species(&self) -> &SpeciesTable;

    /// Interaction range of the potential [Å].
    fn cutoff(&self) -> f64;

    /// An engine with the forces at the start evaluated, and found to be finite.
    ///
    /// # Errors
    /// Forces that are not finite ([`Fault::Potential`]), or a device that fails.
    fn make<'a>(&'a mut self, start: Start<'_>) -> Result<Box<dyn Engine + 'a>, Fault>;
}

/// What an engine is made from: a stage after `done` steps.
#[derive(Debug)]
pub struct Start<'a> {
    /// Cell, species, masses and unwrapped positions.
    pub structure: &'a Structure,
    /// [Å/fs]; drift removed, zero for frozen atoms.
    pub velocities: Vec<Vector3>,
    /// Species of each atom in the table of the potential.
    pub species: Vec<u8>,
    /// Of the stage, checked.
    pub settings: &'a StageSettings,
    /// Of thermostats and barostat.
    pub variables: Variables,
    /// Steps of the stage that are done.
    pub done: u64,
    /// Cell and positions for which the list must be searched first; `None` at the start of a stage.
    pub reference: Option<Reference>,
}

/// What one step leaves for the thermo table and the statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub cell: Cell,
    /// [eV]
    pub potential_energy: f64,
    /// `W = −∂E/∂ε`, frozen atoms left out [eV].
    pub virial: Matrix3,
    /// `2K = Σ m v²` of all atoms [eV].
    pub twice_kinetic: f64,
    /// `Σ m v v` of all atoms [eV].
    pub kinetic: Matrix3,
    /// `2K` of each bath of the settings [eV].
    pub baths: Vec<f64>,
    /// Conserved quantity [eV].
    pub conserved: f64,
}

impl Record {
    /// `P = (2K + tr W)/(3V)` [eV/Å³].
    pub(crate) fn pressure(&self) -> f64 {
        (self.twice_kinetic + math::trace(&self.virial)) / (3.0 * self.cell.volume())
    }
}

/// The system of now, in the order of the structure.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub cell: &'a Cell,
    /// Unwrapped [Å].
    pub positions: &'a [Vector3],
    /// [Å/fs]
    pub velocities: &'a [Vector3],
    /// [eV/Å]; zero on frozen atoms.
    pub forces: &'a [Vector3],
}

/// The system around a step that failed: before it, and as far as it came.
#[derive(Debug, Clone, Copy)]
pub struct Wreck<'a> {
    /// Before the step.
    pub cell: &'a Cell,
    /// Before the step [Å].
    pub before: &'a [Vector3],
    /// Before the step [Å/fs].
    pub velocities: &'a [Vector3],
    /// Where the step moved the atoms [Å].
    pub positions: &'a [Vector3],
    /// The last that were evaluated [eV/Å]; may be empty.
    pub forces: &'a [Vector3],
    /// The last that were evaluated [eV]; may be empty.
    pub atom_energies: &'a [f64],
    /// Steps by which "before" is older than the last completed step: zero where every step is kept.
    pub age: u64,
}

/// Seconds that steps took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Neighbour list.
    pub neighbor: f64,
    /// Potential.
    pub potential: f64,
    /// Integrator and its checks.
    pub integrate: f64,
}

/// Why a step could not be completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The barostat wants to change a length by this fraction, more than [`LARGEST_STRAIN`], or NaN.
    #[error(
        "the barostat changes lengths by {0:.4} of themselves in one step (limit {LARGEST_STRAIN}); \
         lengthen its period or bring the structure to temperature in NVT first"
    )]
    Strain(f64),
    /// The cell cannot be changed.
    #[error(transparent)]
    Cell(CellError),
    /// Some atom that is not frozen moved further than [`StageSettings::max_displacement`], or to NaN.
    #[error("atoms move further than allowed in one step")]
    Displacement {
        /// What the step multiplied positions and cell by, which is no displacement.
        growth: Matrix3,
    },
    /// Energy, a force or the virial.
    #[error("energy, forces or virial are not finite")]
    NotFinite,
    /// What the potential reports.
    #[error("the potential failed: {0}")]
    Potential(#[source] PotentialError),
    /// Another program carries out the steps and says that atoms or cell ran away.
    #[error("{0}")]
    RunAway(String),
    /// Another program carries out the steps and failed, or could not be started.
    #[error("{0}")]
    Program(String),
    /// The device failed or has too little memory; what it held may be lost.
    #[error("the device failed: {0}")]
    Device(String),
}

/// How far an atom moved in a step, the growth of the cell taken out [Å].
pub(crate) fn displacement(before: Vector3, after: Vector3, growth: &Matrix3) -> Vector3 {
    math::sub(after, math::row_times(before, growth))
}
