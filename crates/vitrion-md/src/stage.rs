//! One stage of dynamics from start or checkpoint to end, and the files of its folder.

mod begin;
mod checkpoint;
mod failure;
mod output;
mod trajectory;

use crate::engine::{Engine, EngineMaker, Fault, Host, Record, View};
use crate::error::MdError;
use crate::observe::{self, Observer};
use crate::settings::{Ensemble, StageSettings};
use crate::state::{State, degrees_of_freedom};
use crate::summary::{Sample, StageSummary, Statistics};
use checkpoint::{Checkpoint, Identity};
use output::ThermoFile;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use trajectory::{TrajectoryFile, write_single};
use vitrion_core::{Frame, Potential, units};

/// Table of instantaneous values.
pub const THERMO_FILE: &str = "thermo.csv";
/// The checkpoint.
pub const RESTART_FILE: &str = "restart.bin";
/// Positions and velocities after the last step.
pub const FINAL_FILE: &str = "final.extxyz";
/// The state before the step that could not be completed.
pub const LAST_GOOD_FILE: &str = "last-good.extxyz";

/// How a running stage talks to its caller.
pub struct Control<'a> {
    /// Set it to end the stage with a checkpoint, after the steps that the engine is at: one on the CPU.
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

/// Runs one stage in `directory` on the CPU, or goes on with it where `restart.bin` says.
///
/// The folder then holds `thermo.csv`, a trajectory (if asked for), `restart.bin` and,
/// after the last step, `final.extxyz`. `initial` is the state the stage starts from, also when it
/// is resumed: a checkpoint that belongs to another start is refused. A resumed stage repeats the
/// uninterrupted one bit for bit (same machine, same build) and leaves the same files, the
/// decompressed trajectory included. Calling it on a finished folder returns its result, and does not
/// evaluate the potential.
///
/// `observers` look every so many steps, from the start of the stage on.
///
/// Cost per step: one evaluation of the potential and O(N); no arrays are allocated between searches
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
    let mut host = Host { potential };
    run_stage_with(initial, &mut host, settings, directory, observers, control)
}

/// [`run_stage`] with an engine of any kind. Files are the same, and a checkpoint of one engine can be
/// gone on from with another of the same potential, within its rounding.
///
/// # Errors
/// Those of [`run_stage`], and a device that fails.
pub fn run_stage_with(
    initial: State,
    maker: &mut dyn EngineMaker,
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
        let checkpoint = begin::read_checkpoint(&initial, maker, settings, directory)?;
        if checkpoint.done == settings.steps {
            return begin::finished(initial, checkpoint, settings, directory, observers);
        }
        Stage::resume(initial, checkpoint, maker, settings, directory, observers)?
    } else {
        Stage::start(initial, maker, settings, directory, observers)?
    };
    stage.run(control)
}

/// A stage between two steps.
struct Stage<'a> {
    settings: &'a StageSettings,
    directory: &'a Path,
    identity: Identity,
    start_step: u64,
    start_time: f64,
    /// Composition, and room for frames to be written.
    frame: Frame,
    total_mass: f64,
    /// Degrees of freedom that share the kinetic energy.
    dof: f64,
    /// Those of each part: first that of the ensemble, then the baths.
    dofs: Vec<f64>,
    engine: Box<dyn Engine + 'a>,
    /// Of the last step.
    record: Record,
    /// Room for those of the next steps.
    records: Vec<Record>,
    /// Builds of the list that the statistics know, or that only repeated one before a restart.
    counted_builds: u64,
    done: u64,
    statistics: Statistics,
    thermo: ThermoFile,
    trajectory: Option<TrajectoryFile>,
    observers: &'a mut [Box<dyn Observer>],
}

impl Stage<'_> {
    fn run(&mut self, control: &Control<'_>) -> Result<StageOutcome, MdError> {
        let steps = self.settings.steps;
        let mut saved = None;
        while self.done < steps {
            if control.stop.load(Ordering::Relaxed) && self.halted()? {
                if saved != Some(self.done) {
                    self.save()?;
                }
                return Ok(StageOutcome::Interrupted { step: self.done });
            }
            let progress = match self.advance(control) {
                Ok(progress) => progress,
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
            (control.progress)(progress);
        }
        self.finish()
    }

    /// Asks the engine for an end; true if a checkpoint can be written now.
    fn halted(&mut self) -> Result<bool, MdError> {
        self.engine.halt(self.done).map_err(|fault| self.failed(fault))
    }

    /// Steps up to the next one whose arrays are needed, or fewer; returns where that leads, which the
    /// caller is yet to be told.
    fn advance(&mut self, control: &Control<'_>) -> Result<Progress, MdError> {
        let mut records = std::mem::take(&mut self.records);
        let result = self.engine.advance(self.done, self.steps_at_once(), &mut records);
        let begin = Instant::now();
        self.statistics.clocks.add(self.engine.spent());
        let mut last = None;
        for record in records.drain(..) {
            last.take().into_iter().for_each(control.progress);
            self.done += 1;
            self.record = record;
            last = Some(self.report()?);
        }
        self.records = records;
        if let Err(fault) = result {
            last.into_iter().for_each(control.progress);
            return Err(self.failed(fault));
        }
        self.show()?;
        self.statistics.clocks.output += begin.elapsed().as_secs_f64();
        Ok(last.expect("an engine completes a step or says why it cannot"))
    }

    /// Steps that may be done before arrays are needed, as many as the engine likes at most.
    fn steps_at_once(&self) -> u64 {
        let settings = self.settings;
        let observers = self.observers.iter().map(|observer| observer.every());
        let due = [Some(settings.checkpoint_every), settings.trajectory_every];
        let until = |every| self.done.checked_rem(every).map_or(u64::MAX, |past| every - past);
        let next = due.into_iter().flatten().chain(observers).map(until).min();
        let left = settings.steps - self.done;
        next.map_or(left, |next| next.min(left)).min(self.engine.stride()).max(1)
    }

    /// Statistics and thermo row of the present step, as due.
    fn report(&mut self) -> Result<Progress, MdError> {
        let record = &self.record;
        let volume = record.cell.volume();
        let sample = Sample {
            temperature: record.twice_kinetic / (self.dof * units::BOLTZMANN),
            pressure: record.pressure(),
            volume,
            density: self.total_mass / volume,
            potential: record.potential_energy,
            kinetic: 0.5 * record.twice_kinetic,
            conserved: record.conserved,
        };
        self.statistics.add(self.done, &sample);
        if self.done.is_multiple_of(self.settings.thermo_every) || self.done == self.settings.steps
        {
            self.thermo.write(self.step(), self.time(), &sample, &self.record, &self.dofs[1..])?;
        }
        Ok(Progress {
            step: self.done,
            steps: self.settings.steps,
            temperature: sample.temperature,
            potential_energy: sample.potential,
            conserved: sample.conserved,
        })
    }

    /// Trajectory frame and observers of the present step, as due.
    fn show(&mut self) -> Result<(), MdError> {
        let (done, settings) = (self.done, self.settings);
        let framed = settings.trajectory_every.is_some_and(|every| done.is_multiple_of(every));
        let seen = self.observers.iter().any(|observer| done.is_multiple_of(observer.every()));
        if !framed && !seen {
            return Ok(());
        }
        let (step, time) = (self.step(), self.time());
        let view = self.engine.snapshot().map_err(|fault| standing(fault, step))?;
        if framed {
            fill(&mut self.frame, &view, (step, time), settings.trajectory.velocities);
            if settings.trajectory.forces {
                self.frame.labels.forces = Some(view.forces.to_vec());
            }
            if let Some(trajectory) = &mut self.trajectory {
                trajectory.write(&self.frame)?;
            }
        }
        let instant = observe::Instant {
            step: done,
            composition: &self.frame.structure,
            cell: view.cell,
            positions: view.positions,
            velocities: view.velocities,
        };
        for observer in &mut *self.observers {
            if done.is_multiple_of(observer.every()) {
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
        self.statistics.list_builds += self.engine.builds() - self.counted_builds;
        self.counted_builds = self.engine.builds();
        checkpoint(
            &mut *self.engine,
            self.record.potential_energy,
            &self.identity,
            self.done,
            &self.statistics,
            [thermo, trajectory],
            self.observers,
        )
        .map_err(|fault| standing(fault, self.step()))?
        .write(&self.directory.join(RESTART_FILE))?;
        self.statistics.clocks.output += begin.elapsed().as_secs_f64();
        Ok(())
    }

    /// The last frame, and what the stage leads to.
    fn finish(&mut self) -> Result<StageOutcome, MdError> {
        let (step, time) = (self.step(), self.time());
        let view = self.engine.snapshot().map_err(|fault| standing(fault, step))?;
        fill(&mut self.frame, &view, (step, time), true);
        self.frame.labels.forces = None;
        conclude(&self.frame, &self.statistics, self.settings, self.directory)
    }

    /// Steps since the start of the protocol.
    fn step(&self) -> u64 {
        self.start_step + self.done
    }

    /// Time since the start of the protocol [fs].
    fn time(&self) -> f64 {
        self.start_time + self.done as f64 * self.settings.timestep
    }
}

/// Writes the last frame of a stage, velocities included, and says what the stage leads to.
fn conclude(
    frame: &Frame,
    statistics: &Statistics,
    settings: &StageSettings,
    directory: &Path,
) -> Result<StageOutcome, MdError> {
    write_single(&directory.join(FINAL_FILE), frame)?;
    let structure = frame.structure.clone();
    let dof: f64 = begin::degrees_of_freedom(settings, structure.len()).iter().sum();
    let summary = statistics.summary(
        settings.ensemble.name(),
        structure.len(),
        dof as usize,
        settings.steps,
        settings.timestep,
    );
    let state = State {
        structure,
        velocities: frame.velocities.clone().expect("the last frame has them"),
        step: frame.step.expect("the last frame has one"),
        time: frame.time.expect("the last frame has one"),
    };
    Ok(StageOutcome::Finished { state, summary })
}

/// What it means that an engine cannot say how things are after step `step`.
fn standing(fault: Fault, step: u64) -> MdError {
    failure::outside_a_step(fault, step + 1)
}

fn fill(frame: &mut Frame, view: &View<'_>, (step, time): (u64, f64), with_velocities: bool) {
    frame.structure.cell.clone_from(view.cell);
    frame.structure.positions.copy_from_slice(view.positions);
    frame.step = Some(step);
    frame.time = Some(time);
    frame.velocities = with_velocities.then(|| view.velocities.to_vec());
}

/// A stage after `done` steps, its files having these lengths.
fn checkpoint(
    engine: &mut dyn Engine,
    potential_energy: f64,
    identity: &Identity,
    done: u64,
    statistics: &Statistics,
    [thermo_bytes, trajectory_bytes]: [u64; 2],
    observers: &[Box<dyn Observer>],
) -> Result<Checkpoint, Fault> {
    let variables = engine.variables()?;
    let reference = engine.list_reference()?;
    let view = engine.snapshot()?;
    let saved = observers.iter().map(|observer| (observer.name().to_owned(), observer.save()));
    Ok(Checkpoint {
        identity: identity.clone(),
        done,
        cell: *view.cell.matrix(),
        positions: view.positions.to_vec(),
        velocities: view.velocities.to_vec(),
        potential_energy,
        variables,
        list_cell: *reference.cell.matrix(),
        list_positions: reference.positions,
        thermo_bytes,
        trajectory_bytes,
        observers: saved.collect(),
        statistics: statistics.clone(),
    })
}
