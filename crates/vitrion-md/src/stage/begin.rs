//! How a stage begins: at its first step, or where its checkpoint left it.

use super::checkpoint::{Checkpoint, Identity};
use super::failure::outside_a_step;
use super::output::ThermoFile;
use super::trajectory::TrajectoryFile;
use super::{FINAL_FILE, RESTART_FILE, Stage, StageOutcome, THERMO_FILE, checkpoint, conclude};
use crate::engine::{EngineMaker, Start};
use crate::error::MdError;
use crate::integrate::Variables;
use crate::observe::Observer;
use crate::settings::StageSettings;
use crate::state::{State, kinetic_energy, remove_drift};
use crate::summary::Statistics;
use std::path::Path;
use std::time::Instant;
use vitrion_core::math::Matrix3;
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, Frame, Structure};

/// A resume that finds the potential energy changed by more than this [eV/atom] has another
/// potential; less is the rounding of another machine or build.
const ENERGY_TOLERANCE: f64 = 1e-5;

impl<'a> Stage<'a> {
    /// A stage at its first step: momentum removed, forces evaluated, first rows written.
    pub(super) fn start(
        initial: State,
        maker: &'a mut dyn EngineMaker,
        settings: &'a StageSettings,
        directory: &'a Path,
        observers: &'a mut [Box<dyn Observer>],
    ) -> Result<Self, MdError> {
        for name in [THERMO_FILE, settings.trajectory.format.file_name(), FINAL_FILE] {
            let path = directory.join(name);
            if path.exists() {
                return Err(MdError::Occupied { path });
            }
        }
        let identity = Identity::new(&initial, settings, maker);
        let State { structure, mut velocities, step, time } = initial;
        let drift = if settings.keeps_momentum() {
            remove_drift(&structure, &mut velocities)
        } else {
            [0.0; 3]
        };
        let species = structure.species_in(maker.species())?;
        for atom in &settings.frozen {
            velocities[*atom as usize] = [0.0; 3];
        }
        let held = settings.ensemble.temperature().is_some() || !settings.baths.is_empty();
        if held && kinetic_energy(&structure, &velocities) <= 0.0 {
            return Err(MdError::BadState(
                "all atoms are at rest, and a thermostat only scales velocities; draw them with \
                 velocities::maxwell_boltzmann"
                    .to_owned(),
            ));
        }
        let failed = |fault| outside_a_step(fault, step + 1);
        let start = Start {
            structure: &structure,
            velocities,
            species,
            settings,
            variables: Variables::at_rest(settings),
            done: 0,
            reference: None,
        };
        let mut engine = maker.make(start).map_err(failed)?;
        let record = engine.record().map_err(failed)?;
        let mut statistics = Statistics::new(drift);
        statistics.list_builds = engine.builds();
        // before the first byte of output, so that a run killed at any later instant can go on
        let energy = record.potential_energy;
        checkpoint(&mut *engine, energy, &identity, 0, &statistics, [0, 0], observers)
            .map_err(failed)?
            .write(&directory.join(RESTART_FILE))?;
        let dofs = degrees_of_freedom(settings, structure.len());
        let mut stage = Stage {
            settings,
            directory,
            identity,
            start_step: step,
            start_time: time,
            total_mass: structure.total_mass(),
            dof: dofs.iter().sum(),
            dofs,
            trajectory: open_trajectory(settings, directory, &structure, 0)?,
            frame: Frame::from(structure),
            counted_builds: engine.builds(),
            engine,
            record,
            records: Vec::new(),
            done: 0,
            observers,
            statistics,
            thermo: ThermoFile::open(directory.join(THERMO_FILE), 0, &settings.baths)?,
        };
        stage.first_rows()?;
        Ok(stage)
    }

    /// A stage as its checkpoint left it.
    pub(super) fn resume(
        initial: State,
        checkpoint: Checkpoint,
        maker: &'a mut dyn EngineMaker,
        settings: &'a StageSettings,
        directory: &'a Path,
        observers: &'a mut [Box<dyn Observer>],
    ) -> Result<Self, MdError> {
        let path = directory.join(RESTART_FILE);
        let mut structure = initial.structure;
        let atoms = structure.len();
        let periodic = structure.cell.periodicity();
        structure.cell = cell_of(checkpoint.cell, periodic, &path)?;
        structure.positions = checkpoint.positions;
        let list_cell = cell_of(checkpoint.list_cell, periodic, &path)?;
        let species = structure.species_in(maker.species())?;
        let failed = |fault| outside_a_step(fault, initial.step + checkpoint.done + 1);
        let start = Start {
            structure: &structure,
            velocities: checkpoint.velocities,
            species,
            settings,
            variables: checkpoint.variables,
            done: checkpoint.done,
            reference: Some(Reference { cell: list_cell, positions: checkpoint.list_positions }),
        };
        let mut engine = maker.make(start).map_err(failed)?;
        let record = engine.record().map_err(failed)?;
        let mut statistics = checkpoint.statistics;
        let change = (record.potential_energy - checkpoint.potential_energy).abs();
        if change > ENERGY_TOLERANCE * atoms as f64 || change.is_nan() {
            let differences = vec![format!(
                "potential energy at step {} of the stage [eV]: stored {}, now {}: another \
                 potential",
                checkpoint.done, checkpoint.potential_energy, record.potential_energy
            )];
            return Err(MdError::OtherRun { path, differences });
        }
        statistics.resume_energy_change = statistics.resume_energy_change.max(change);
        statistics.resumed += 1;
        restore(observers, &checkpoint.observers)?;
        let fresh = checkpoint.thermo_bytes == 0;
        let thermo_path = directory.join(THERMO_FILE);
        let thermo = ThermoFile::open(thermo_path, checkpoint.thermo_bytes, &settings.baths)?;
        let trajectory =
            open_trajectory(settings, directory, &structure, checkpoint.trajectory_bytes)?;
        let dofs = degrees_of_freedom(settings, atoms);
        let mut stage = Stage {
            settings,
            directory,
            identity: checkpoint.identity,
            start_step: initial.step,
            start_time: initial.time,
            total_mass: structure.total_mass(),
            dof: dofs.iter().sum(),
            dofs,
            frame: Frame::from(structure),
            counted_builds: engine.builds(),
            engine,
            record,
            records: Vec::new(),
            done: checkpoint.done,
            observers,
            statistics,
            thermo,
            trajectory,
        };
        if fresh {
            stage.first_rows()?;
        }
        Ok(stage)
    }

    /// What is due before the first step.
    fn first_rows(&mut self) -> Result<(), MdError> {
        let begin = Instant::now();
        self.report()?;
        self.show()?;
        self.statistics.clocks.output += begin.elapsed().as_secs_f64();
        Ok(())
    }
}

/// The checkpoint in the folder of a stage, if it is one of a stage with this start.
pub(super) fn read_checkpoint(
    initial: &State,
    maker: &dyn EngineMaker,
    settings: &StageSettings,
    directory: &Path,
) -> Result<Checkpoint, MdError> {
    let path = directory.join(RESTART_FILE);
    let checkpoint = Checkpoint::read(&path)?;
    let differences = checkpoint.identity.differences(&Identity::new(initial, settings, maker));
    if !differences.is_empty() {
        return Err(MdError::OtherRun { path, differences });
    }
    let atoms = initial.structure.len();
    if [&checkpoint.positions, &checkpoint.velocities, &checkpoint.list_positions]
        .iter()
        .any(|vectors| vectors.len() != atoms)
    {
        let found = "its arrays do not have one entry per atom".to_owned();
        return Err(MdError::BadCheckpoint { path, found });
    }
    Ok(checkpoint)
}

/// The result of a stage whose checkpoint is that of its last step. No engine is made: another program
/// or a device may be slow to start, and would write into a folder that is complete.
pub(super) fn finished(
    initial: State,
    checkpoint: Checkpoint,
    settings: &StageSettings,
    directory: &Path,
    observers: &mut [Box<dyn Observer>],
) -> Result<StageOutcome, MdError> {
    let mut structure = initial.structure;
    let periodic = structure.cell.periodicity();
    structure.cell = cell_of(checkpoint.cell, periodic, &directory.join(RESTART_FILE))?;
    structure.positions = checkpoint.positions;
    restore(observers, &checkpoint.observers)?;
    // refuses files that are shorter than the checkpoint says
    ThermoFile::open(directory.join(THERMO_FILE), checkpoint.thermo_bytes, &settings.baths)?;
    open_trajectory(settings, directory, &structure, checkpoint.trajectory_bytes)?;
    let mut statistics = checkpoint.statistics;
    statistics.resumed += 1;
    let mut frame = Frame::from(structure);
    frame.velocities = Some(checkpoint.velocities);
    frame.step = Some(initial.step + settings.steps);
    frame.time = Some(initial.time + settings.steps as f64 * settings.timestep);
    conclude(&frame, &statistics, settings, directory)
}

fn cell_of(matrix: Matrix3, periodic: [bool; 3], path: &Path) -> Result<Cell, MdError> {
    Cell::new(matrix, periodic).map_err(|_| MdError::BadCheckpoint {
        path: path.to_owned(),
        found: "its cell is singular".to_owned(),
    })
}

/// Observers as the checkpoint has them.
fn restore(
    observers: &mut [Box<dyn Observer>],
    saved: &[(String, Vec<u8>)],
) -> Result<(), MdError> {
    for observer in observers {
        let bytes = saved.iter().find(|(name, _)| name == observer.name());
        let restored = match bytes {
            Some((_, bytes)) => observer.restore(bytes),
            None => Err("the checkpoint knows nothing of it".to_owned()),
        };
        restored
            .map_err(|message| MdError::Observer { name: observer.name().to_owned(), message })?;
    }
    Ok(())
}

/// Those of each part.
pub(super) fn degrees_of_freedom(settings: &StageSettings, atoms: usize) -> Vec<f64> {
    settings.parts(atoms).iter().map(|part| part.dof).collect()
}

fn open_trajectory(
    settings: &StageSettings,
    directory: &Path,
    structure: &Structure,
    bytes: u64,
) -> Result<Option<TrajectoryFile>, MdError> {
    settings
        .trajectory_every
        .map(|_| TrajectoryFile::open(directory, settings.trajectory, structure, bytes))
        .transpose()
}
