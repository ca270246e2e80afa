//! One stage of dynamics from start or checkpoint to end, and the files of its folder.

mod checkpoint;
mod failure;
mod output;
mod trajectory;

use crate::error::MdError;
use crate::integrate::{Integrator, StepError, System};
use crate::observe::{self, Observer};
use crate::settings::{Ensemble, StageSettings};
use crate::state::{State, degrees_of_freedom, remove_drift};
use crate::summary::{Sample, StageSummary, Statistics};
use checkpoint::{Checkpoint, Identity};
use output::ThermoFile;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use trajectory::{TrajectoryFile, write_single};
use vitrion_core::math::{self, Vector3};
use vitrion_core::neighbors::VerletList;
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, Frame, Interactions, Potential, PotentialError, Structure};

/// Table of instantaneous values.
pub const THERMO_FILE: &str = "thermo.csv";
/// The checkpoint.
pub const RESTART_FILE: &str = "restart.bin";
/// Positions and velocities after the last step.
pub const FINAL_FILE: &str = "final.extxyz";
/// The state before the step that could not be completed.
pub const LAST_GOOD_FILE: &str = "last-good.extxyz";

/// A resume that finds the potential energy changed by more than this [eV/atom] has another
/// potential; less is the rounding of another machine or build.
const ENERGY_TOLERANCE: f64 = 1e-5;

/// How a running stage talks to its caller.
pub struct Control<'a> {
    /// Set it to end the stage after the present step with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Called after every step, from the calling thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps of this stage that are done.
    pub step: u64,
    /// Steps of this stage.
    pub steps: u64,
    /// Instantaneous temperature [K].
    pub temperature: f64,
    /// Potential energy [eV].
    pub potential_energy: f64,
    /// Conserved quantity [eV].
    pub conserved: f64,
}

/// How a stage ended.
#[expect(
    clippy::large_enum_variant,
    reason = "one value per stage, and nearly always the large one"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum StageOutcome {
    /// All steps are done.
    Finished {
        /// Where the next stage starts.
        state: State,
        /// What the stage did, resumed parts included.
        summary: StageSummary,
    },
    /// Stopped on request; the same call goes on from the checkpoint.
    Interrupted {
        /// Steps of this stage that are done.
        step: u64,
    },
}

/// Runs one stage in `directory`, or goes on with it where `restart.bin` says.
///
/// The folder then holds `thermo.csv`, a trajectory (if asked for), `restart.bin` and,
/// after the last step, `final.extxyz`. `initial` is the state the stage starts from, also when it
/// is resumed: a checkpoint that belongs to another start is refused. A resumed stage repeats the
/// uninterrupted one bit for bit (same machine, same build) and leaves the same files, the
/// decompressed trajectory included. Calling it on a finished folder returns its result.
///
/// `observers` look every so many steps, from the start of the stage on.
///
/// Cost per step: one evaluation of the potential and O(N); nothing is allocated between searches
/// of the neighbour list.
///
/// # Errors
/// Settings or a state that make no sense; a checkpoint of another run; a non-finite value or a
/// displacement beyond the limit, with the last good frame saved; any file that cannot be written.
pub fn run_stage(
    initial: State,
    potential: &mut dyn Potential,
    settings: &StageSettings,
    directory: &Path,
    observers: &mut [Box<dyn Observer>],
    control: &Control<'_>,
) -> Result<StageOutcome, MdError> {
    settings.validate()?;
    initial.validate()?;
    let atoms = initial.structure.len();
    settings.validate_atoms(atoms)?;
    if degrees_of_freedom(atoms, settings.remove_drift) == 0 {
        return Err(MdError::NoDegreesOfFreedom { atoms });
    }
    if matches!(settings.ensemble, Ensemble::Npt { .. })
        && initial.structure.cell.periodicity() != [true; 3]
    {
        return Err(MdError::BadState(format!(
            "a barostat needs a cell that is periodic in all directions, found {:?}",
            initial.structure.cell.periodicity()
        )));
    }
    fs::create_dir_all(directory).map_err(MdError::os(directory, "create"))?;
    let mut stage = if directory.join(RESTART_FILE).exists() {
        Stage::resume(initial, potential, settings, directory, observers)?
    } else {
        Stage::start(initial, potential, settings, directory, observers)?
    };
    stage.advance(control)
}

/// The state before a step, kept to be saved if the step fails.
struct LastGood {
    cell: Cell,
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
}

/// A stage between two steps.
struct Stage<'a> {
    settings: &'a StageSettings,
    potential: &'a mut dyn Potential,
    directory: &'a Path,
    identity: Identity,
    start_step: u64,
    start_time: f64,
    /// Composition, and room for frames to be written.
    frame: Frame,
    total_mass: f64,
    /// Species of each atom in the table of the potential.
    species: Vec<u8>,
    system: System,
    integrator: Integrator,
    interactions: Interactions,
    /// Builds of the list that the statistics know, or that only repeated one before a restart.
    counted_builds: u64,
    last_good: LastGood,
    done: u64,
    statistics: Statistics,
    thermo: ThermoFile,
    trajectory: Option<TrajectoryFile>,
    observers: &'a mut [Box<dyn Observer>],
}

impl<'a> Stage<'a> {
    /// A stage at its first step: momentum removed, forces evaluated, first rows written.
    fn start(
        initial: State,
        potential: &'a mut dyn Potential,
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
        let identity = Identity::new(&initial, settings, potential);
        let State { structure, mut velocities, step, time } = initial;
        let drift = if settings.keeps_momentum() {
            remove_drift(&structure, &mut velocities)
        } else {
            [0.0; 3]
        };
        let species = structure.species_in(potential.species())?;
        let mut system = System::new(&structure, velocities, settings);
        let held = settings.ensemble.temperature().is_some() || !settings.baths.is_empty();
        if held && system.twice_kinetic() <= 0.0 {
            return Err(MdError::BadState(
                "all atoms are at rest, and a thermostat only scales velocities; draw them with \
                 velocities::maxwell_boltzmann"
                    .to_owned(),
            ));
        }
        let mut interactions = Interactions::new(potential.cutoff(), settings.skin);
        evaluate(&mut *potential, &species, &mut interactions, &mut system)
            .map_err(MdError::Start)?;
        let integrator = Integrator::new(settings);
        let mut statistics = Statistics::new(drift);
        statistics.list_builds = interactions.list().builds();
        // before the first byte of output, so that a run killed at any later instant can go on
        let saved = observe_states(observers);
        let list = interactions.list();
        snapshot(&identity, 0, &system, &integrator, list, &statistics, [0, 0], saved)
            .write(&directory.join(RESTART_FILE))?;
        let mut stage = Stage {
            settings,
            potential,
            directory,
            identity,
            start_step: step,
            start_time: time,
            total_mass: structure.total_mass(),
            species,
            last_good: LastGood {
                cell: system.cell.clone(),
                positions: system.positions.clone(),
                velocities: system.velocities.clone(),
            },
            trajectory: open_trajectory(settings, directory, &structure, 0)?,
            frame: Frame::from(structure),
            system,
            integrator,
            counted_builds: interactions.list().builds(),
            interactions,
            done: 0,
            observers,
            statistics,
            thermo: ThermoFile::open(directory.join(THERMO_FILE), 0, &settings.baths)?,
        };
        stage.report(Instant::now())?;
        Ok(stage)
    }

    /// A stage as its checkpoint left it.
    fn resume(
        initial: State,
        potential: &'a mut dyn Potential,
        settings: &'a StageSettings,
        directory: &'a Path,
        observers: &'a mut [Box<dyn Observer>],
    ) -> Result<Self, MdError> {
        let path = directory.join(RESTART_FILE);
        let checkpoint = Checkpoint::read(&path)?;
        let identity = Identity::new(&initial, settings, potential);
        let differences = checkpoint.identity.differences(&identity);
        if !differences.is_empty() {
            return Err(MdError::OtherRun { path, differences });
        }
        let bad = |found: &str| MdError::BadCheckpoint { path: path.clone(), found: found.into() };
        let structure = initial.structure;
        let atoms = structure.len();
        if [&checkpoint.positions, &checkpoint.velocities, &checkpoint.list_positions]
            .iter()
            .any(|vectors| vectors.len() != atoms)
        {
            return Err(bad("its arrays do not have one entry per atom"));
        }
        let periodic = structure.cell.periodicity();
        let cell = Cell::new(checkpoint.cell, periodic).map_err(|_| bad("its cell is singular"))?;
        let list_cell =
            Cell::new(checkpoint.list_cell, periodic).map_err(|_| bad("its cell is singular"))?;
        let species = structure.species_in(potential.species())?;
        let mut system = System::new(&structure, checkpoint.velocities, settings);
        system.cell = cell;
        system.positions = checkpoint.positions;
        let mut interactions = Interactions::new(potential.cutoff(), settings.skin);
        interactions.restore(&Reference { cell: list_cell, positions: checkpoint.list_positions });
        evaluate(&mut *potential, &species, &mut interactions, &mut system)
            .map_err(MdError::Start)?;
        let mut statistics = checkpoint.statistics;
        let change = (system.evaluation.energy - checkpoint.potential_energy).abs();
        if change > ENERGY_TOLERANCE * atoms as f64 || change.is_nan() {
            let differences = vec![format!(
                "potential energy at step {} of the stage [eV]: stored {}, now {}: another \
                 potential",
                checkpoint.done, checkpoint.potential_energy, system.evaluation.energy
            )];
            return Err(MdError::OtherRun { path, differences });
        }
        statistics.resume_energy_change = statistics.resume_energy_change.max(change);
        statistics.resumed += 1;
        for observer in &mut *observers {
            let saved = checkpoint.observers.iter().find(|(name, _)| name == observer.name());
            let restored = match saved {
                Some((_, bytes)) => observer.restore(bytes),
                None => Err("the checkpoint knows nothing of it".to_owned()),
            };
            restored.map_err(|message| MdError::Observer {
                name: observer.name().to_owned(),
                message,
            })?;
        }
        let fresh = checkpoint.thermo_bytes == 0;
        let thermo_path = directory.join(THERMO_FILE);
        let thermo = ThermoFile::open(thermo_path, checkpoint.thermo_bytes, &settings.baths)?;
        let trajectory =
            open_trajectory(settings, directory, &structure, checkpoint.trajectory_bytes)?;
        let mut stage = Stage {
            settings,
            potential,
            directory,
            identity,
            start_step: initial.step,
            start_time: initial.time,
            total_mass: structure.total_mass(),
            species,
            last_good: LastGood {
                cell: system.cell.clone(),
                positions: system.positions.clone(),
                velocities: system.velocities.clone(),
            },
            frame: Frame::from(structure),
            system,
            integrator: Integrator::resume(settings, checkpoint.variables, checkpoint.done),
            counted_builds: interactions.list().builds(),
            interactions,
            done: checkpoint.done,
            observers,
            statistics,
            thermo,
            trajectory,
        };
        if fresh {
            stage.report(Instant::now())?;
        }
        Ok(stage)
    }

    fn advance(&mut self, control: &Control<'_>) -> Result<StageOutcome, MdError> {
        let steps = self.settings.steps;
        let mut saved = None;
        while self.done < steps {
            if control.stop.load(Ordering::Relaxed) {
                if saved != Some(self.done) {
                    self.save()?;
                }
                return Ok(StageOutcome::Interrupted { step: self.done });
            }
            let sample = match self.step().and_then(|()| self.report(Instant::now())) {
                Ok(sample) => sample,
                Err(error) => {
                    if let Some(trajectory) = &mut self.trajectory {
                        trajectory.flush()?; // what led to the failure can be looked at
                    }
                    return Err(error);
                }
            };
            if self.done.is_multiple_of(self.settings.checkpoint_every) || self.done == steps {
                self.save()?;
                saved = Some(self.done);
            }
            (control.progress)(Progress {
                step: self.done,
                steps,
                temperature: sample.temperature,
                potential_energy: sample.potential,
                conserved: sample.conserved,
            });
        }
        self.fill_frame(true);
        self.frame.labels.forces = None;
        write_single(&self.directory.join(FINAL_FILE), &self.frame)?;
        Ok(StageOutcome::Finished {
            state: State {
                structure: self.frame.structure.clone(),
                velocities: self.system.velocities.clone(),
                step: self.start_step + self.done,
                time: self.time(),
            },
            summary: self.statistics.summary(
                self.settings.ensemble.name(),
                self.frame.structure.len(),
                self.system.dof as usize,
                self.done,
                self.settings.timestep,
            ),
        })
    }

    fn step(&mut self) -> Result<(), MdError> {
        let begin = Instant::now();
        self.last_good.cell.clone_from(&self.system.cell);
        self.last_good.positions.copy_from_slice(&self.system.positions);
        self.last_good.velocities.copy_from_slice(&self.system.velocities);
        let growth = match self.integrator.first_half(&mut self.system, self.done + 1) {
            Ok(growth) => growth,
            Err(StepError::Strain(strain)) => return Err(self.cell_runs_away(strain)),
            Err(StepError::Cell(source)) => {
                return Err(MdError::Cell { step: self.start_step + self.done + 1, source });
            }
        };
        self.check_displacements(&growth)?;
        let moved = Instant::now();
        self.evaluate_again()?;
        let evaluated = Instant::now();
        self.done += 1;
        self.integrator.second_half(&mut self.system, self.done);
        let clocks = &mut self.statistics.clocks;
        let potential = self.interactions.potential_time();
        clocks.potential += potential.as_secs_f64();
        clocks.neighbor += (evaluated - moved).saturating_sub(potential).as_secs_f64();
        clocks.integrate += ((moved - begin) + evaluated.elapsed()).as_secs_f64();
        Ok(())
    }

    /// Statistics, thermo row and trajectory frame of the present step, as due.
    fn report(&mut self, begin: Instant) -> Result<Sample, MdError> {
        let twice_kinetic = self.system.twice_kinetic();
        let volume = self.system.cell.volume();
        let sample = Sample {
            temperature: self.system.temperature(twice_kinetic),
            pressure: self.system.pressure(twice_kinetic),
            volume,
            density: self.total_mass / volume,
            potential: self.system.evaluation.energy,
            kinetic: 0.5 * twice_kinetic,
            conserved: self.integrator.conserved(&self.system, twice_kinetic),
        };
        self.statistics.add(self.done, &sample);
        if self.done.is_multiple_of(self.settings.thermo_every) || self.done == self.settings.steps
        {
            let (step, time) = (self.start_step + self.done, self.time());
            self.thermo.write(step, time, &sample, &self.system)?;
        }
        if self.settings.trajectory_every.is_some_and(|every| self.done.is_multiple_of(every)) {
            self.fill_frame(self.settings.trajectory.velocities);
            if self.settings.trajectory.forces {
                self.frame.labels.forces = Some(self.system.evaluation.forces.clone());
            }
            if let Some(trajectory) = &mut self.trajectory {
                trajectory.write(&self.frame)?;
            }
        }
        self.observe()?;
        self.statistics.clocks.output += begin.elapsed().as_secs_f64();
        Ok(sample)
    }

    fn observe(&mut self) -> Result<(), MdError> {
        let instant = observe::Instant {
            step: self.done,
            composition: &self.frame.structure,
            cell: &self.system.cell,
            positions: &self.system.positions,
            velocities: &self.system.velocities,
        };
        for observer in &mut *self.observers {
            if self.done.is_multiple_of(observer.every()) {
                observer.observe(&instant).map_err(|message| MdError::Observer {
                    name: observer.name().to_owned(),
                    message,
                })?;
            }
        }
        Ok(())
    }

    /// Output to disk first, then the checkpoint that counts on it.
    fn save(&mut self) -> Result<(), MdError> {
        let begin = Instant::now();
        let thermo = self.thermo.sync()?;
        let trajectory = self.trajectory.as_mut().map_or(Ok(0), TrajectoryFile::sync)?;
        self.statistics.list_builds += self.interactions.list().builds() - self.counted_builds;
        self.counted_builds = self.interactions.list().builds();
        snapshot(
            &self.identity,
            self.done,
            &self.system,
            &self.integrator,
            self.interactions.list(),
            &self.statistics,
            [thermo, trajectory],
            observe_states(self.observers),
        )
        .write(&self.directory.join(RESTART_FILE))?;
        self.statistics.clocks.output += begin.elapsed().as_secs_f64();
        Ok(())
    }

    /// Time since the start of the protocol [fs].
    fn time(&self) -> f64 {
        self.start_time + self.done as f64 * self.settings.timestep
    }

    fn fill_frame(&mut self, with_velocities: bool) {
        let frame = &mut self.frame;
        frame.structure.cell.clone_from(&self.system.cell);
        frame.structure.positions.copy_from_slice(&self.system.positions);
        frame.step = Some(self.start_step + self.done);
        frame.time = Some(self.start_time + self.done as f64 * self.settings.timestep);
        frame.velocities = with_velocities.then(|| self.system.velocities.clone());
    }
}

/// Names of the observers and what they have.
fn observe_states(observers: &[Box<dyn Observer>]) -> Vec<(String, Vec<u8>)> {
    observers.iter().map(|observer| (observer.name().to_owned(), observer.save())).collect()
}

#[expect(clippy::too_many_arguments, reason = "one for each field of a checkpoint")]
fn snapshot(
    identity: &Identity,
    done: u64,
    system: &System,
    integrator: &Integrator,
    list: &VerletList,
    statistics: &Statistics,
    [thermo_bytes, trajectory_bytes]: [u64; 2],
    observers: Vec<(String, Vec<u8>)>,
) -> Checkpoint {
    let reference = list.reference().expect("the list is built before the first checkpoint");
    Checkpoint {
        identity: identity.clone(),
        done,
        cell: *system.cell.matrix(),
        positions: system.positions.clone(),
        velocities: system.velocities.clone(),
        potential_energy: system.evaluation.energy,
        variables: integrator.variables().clone(),
        list_cell: *reference.cell.matrix(),
        list_positions: reference.positions.clone(),
        thermo_bytes,
        trajectory_bytes,
        observers,
        statistics: statistics.clone(),
    }
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

/// First forces of a stage or of a resumed one.
fn evaluate(
    potential: &mut dyn Potential,
    species: &[u8],
    interactions: &mut Interactions,
    system: &mut System,
) -> Result<(), PotentialError> {
    let System { cell, positions, evaluation, .. } = system;
    interactions.evaluate(potential, cell, positions, species, evaluation)?;
    let evaluation = &system.evaluation;
    let atom = evaluation.forces.iter().position(|f| !math::norm(*f).is_finite());
    if atom.is_none() && evaluation.energy.is_finite() {
        system.leave_out_frozen();
        return Ok(());
    }
    let atom = atom.unwrap_or(0);
    Err(PotentialError::NonFinite {
        atom,
        symbol: potential.species().symbols()[usize::from(species[atom])].clone(),
        energy: evaluation.atom_energies.get(atom).copied().unwrap_or(evaluation.energy),
        nearest: interactions.nearest(atom).unwrap_or(f64::INFINITY),
    })
}
