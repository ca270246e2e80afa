//! From a plan to a finished results folder: a list of steps.
//!
//! Runs go side by side, each through its stages in order, then through its analyses; analyses
//! over the sweep and the report come last. Whatever is finished on disk is not done again.

mod analyses;
mod ledger;
mod machine;
mod minimum;
mod queue;
mod status;

use crate::error::Error;
use crate::inputs::Inputs;
use crate::plan::{Members, Plan, RunPlan, StagePlan};
use crate::report::write_report;
use crate::results::{Manifest, Results, read_json};
use crate::run_file::{RunFile, StageKind};
use crate::threads;
use analyses::Coefficients;
use ledger::Ledger;
use status::StatusFile;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use vitrion_core::Structure;
use vitrion_core::frame::Frame;
use vitrion_core::io::{self, CreateOptions};
use vitrion_md::{
    Control, MdError, Observer, Progress, StageOutcome, StageSummary, State, velocities,
};

pub use machine::{commit, description as machine_description};
pub use queue::Queue;
pub use status::Status;

/// Status of a folder whose runs go on in a queue while nobody follows them.
pub const QUEUED: &str = "in the queue";

/// How a pipeline is run; nothing here changes the results.
pub struct Options<'a> {
    /// Threads in all.
    pub threads: usize,
    /// Set it to stop after the present step with checkpoints.
    pub stop: &'a AtomicBool,
    /// Told what happens, from any thread.
    pub watch: &'a (dyn Fn(Event<'_>) + Sync),
    /// Stages only: neither analyses nor report.
    pub dynamics_only: bool,
    /// Carry out the dynamics of one run only, by its index in the plan.
    pub only: Option<usize>,
    /// Hand the dynamics of all runs to a queue, and follow them.
    pub queue: Option<Queue<'a>>,
    /// What the user types to go on after an interruption.
    pub resume: &'a str,
}

impl Options<'_> {
    fn stages_only(&self) -> bool {
        self.dynamics_only || self.only.is_some()
    }
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A stage starts or goes on; `run` is an index into the runs of the plan.
    Stage { run: usize, id: &'a str, stage: &'a str },
    /// After a step.
    Step { run: usize, id: &'a str, stage: &'a str, progress: Progress },
    /// A stage has finished, now or in an earlier session.
    StageDone { run: usize, steps: u64 },
    /// All stages of a run have finished.
    RunDone { run: usize, id: &'a str },
}

/// Carries out a plan in `results`, or goes on with it.
///
/// # Errors
/// The first thing that went wrong; other runs are checkpointed before it is returned.
pub fn carry_out(
    run_file: &RunFile,
    inputs: &Inputs,
    plan: &Plan,
    results: &Results,
    options: &Options<'_>,
) -> Result<Manifest, Error> {
    let ledger = Ledger::begin(run_file, inputs, plan, results, options)?;
    let queued = options.queue.as_ref().map_or(Ok(()), |queue| {
        let [engines, devices] = queue.dynamics(run_file, plan, results, options)?;
        ledger.computed_by(&engines, &devices);
        Ok(())
    });
    let outcome = queued.and_then(|()| all_runs(inputs, plan, &ledger, options));
    let outcome = outcome.and_then(|coefficients| {
        if options.stages_only() {
            return Ok(());
        }
        analyses::of_sweep(plan, &coefficients, &ledger)?;
        threads::on(options.threads, || analyses::of_replicas(plan, &ledger))
    });
    let manifest = ledger.end(&outcome)?;
    outcome?;
    if !options.stages_only() {
        write_report(results.root())?;
    }
    Ok(manifest)
}

/// All stages and analyses of all runs; diffusion coefficients in the order of the runs.
fn all_runs(
    inputs: &Inputs,
    plan: &Plan,
    ledger: &Ledger<'_>,
    options: &Options<'_>,
) -> Result<Vec<Coefficients>, Error> {
    let structures = plan.structures(inputs);
    let wanted: Vec<usize> = match options.only {
        Some(index) => vec![index],
        None => (0..plan.runs.len()).collect(),
    };
    let (concurrent, per_run) = match &inputs.lammps {
        None => threads::share(wanted.len(), options.threads),
        // the cores of a run are those of LAMMPS
        Some(lammps) => {
            let concurrent = (options.threads / lammps.cores()).clamp(1, wanted.len());
            (concurrent, (options.threads / concurrent).max(1))
        }
    };
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let coefficients: Mutex<Vec<Coefficients>> = Mutex::new(vec![Vec::new(); plan.runs.len()]);
    let worker = || {
        loop {
            let Some(&index) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let run = &plan.runs[index];
            let structure = &structures[plan.system_of(run)];
            let status = StatusFile::new(ledger.results, &run.id, plan.stages.len());
            let work = Work { inputs, plan, ledger, options, index, run, status };
            match threads::on(per_run, || work.carry_out(structure)) {
                Ok(found) => {
                    coefficients.lock().unwrap_or_else(PoisonError::into_inner)[index] = found;
                }
                Err(error) => {
                    let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // an interruption caused by another run's failure is not the cause
                    if first.is_none() {
                        *first = Some(error);
                    }
                    options.stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..concurrent {
            scope.spawn(worker);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(coefficients.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// One run and what it needs.
struct Work<'a> {
    inputs: &'a Inputs,
    plan: &'a Plan,
    ledger: &'a Ledger<'a>,
    options: &'a Options<'a>,
    index: usize,
    run: &'a RunPlan,
    status: StatusFile<'a>,
}

impl Work<'_> {
    fn carry_out(&self, structure: &Structure) -> Result<Coefficients, Error> {
        let outcome = self.all_stages(structure);
        self.status.end(&match &outcome {
            Ok(()) => "finished".to_owned(),
            Err(Error::Interrupted { .. }) => "interrupted".to_owned(),
            Err(error) => format!("failed: {error}"),
        });
        outcome?;
        self.list_observed()?;
        let found = if self.options.stages_only() {
            Vec::new()
        } else {
            analyses::of_run(self.plan, self.run, self.index, self.ledger)?
        };
        self.tell(Event::RunDone { run: self.index, id: &self.run.id });
        Ok(found)
    }

    fn all_stages(&self, structure: &Structure) -> Result<(), Error> {
        let stages = &self.plan.stages;
        let done = (0..stages.len()).take_while(|stage| self.done_file(*stage).exists()).count();
        for stage in 0..done {
            let summary: StageSummary = read_json(&self.done_file(stage))?;
            self.ledger.stage_done(self.index, stage, &summary)?;
            let steps = stages[stage].dynamics_steps();
            self.tell(Event::StageDone { run: self.index, steps });
        }
        if done == stages.len() {
            return Ok(());
        }
        if self.options.queue.is_some() {
            // here it would be another engine or device than the manifest says
            return Err(Error::FailedJobs(format!(
                "the job of run {} is done, but {} is not there (yet); go on with: {}",
                self.run.id,
                self.done_file(done).display(),
                self.options.resume
            )));
        }
        self.remaining_stages(structure, done)
    }

    fn remaining_stages(&self, structure: &Structure, done: usize) -> Result<(), Error> {
        let mut engines = self.inputs.potential.engines();
        let mut state = self.initial(structure)?;
        let members = self.plan.members(structure);
        for (number, stage) in self.plan.stages.iter().enumerate() {
            if number >= done {
                self.status.stage(&stage.name, number, stage.steps);
                self.tell(Event::Stage { run: self.index, id: &self.run.id, stage: &stage.name });
            }
            if let Some(settings) = stage.minimize_settings() {
                let failed = |source| Error::Potential { what: self.run.id.clone(), source };
                let potential = engines.potential().map_err(failed)?;
                state = self.minimum(state, potential, &settings, number, number < done)?;
                continue;
            }
            let seed = Plan::stage_seed(self.run, number);
            self.release(&mut state, number, seed, &members)?;
            let settings = stage.settings(self.run.temperature_k, seed, &members);
            let folder = self.ledger.results.path(&self.ledger.stage_folder(self.index, number));
            let step = |progress| {
                self.status.step(&progress);
                self.tell(Event::Step {
                    run: self.index,
                    id: &self.run.id,
                    stage: &stage.name,
                    progress,
                });
            };
            // nobody looks at a stage that is finished
            let mut observers =
                if number < done { Vec::new() } else { self.observers(stage, structure)? };
            let control = Control { stop: self.options.stop, progress: &step };
            // a finished stage returns its last state at once
            let outcome = match &self.inputs.lammps {
                None => engines.run_stage(state, &settings, &folder, &mut observers, &control),
                Some(lammps) => {
                    let potential = &self.inputs.potential;
                    lammps.run_stage(potential, state, &settings, &folder, &mut observers, &control)
                }
            }
            .map_err(|source| Error::Stage {
                run: self.run.id.clone(),
                stage: stage.name.clone(),
                source: Box::new(source),
            })?;
            match outcome {
                StageOutcome::Interrupted { .. } => {
                    let resume = self.options.resume.to_owned();
                    return Err(Error::Interrupted { resume });
                }
                StageOutcome::Finished { state: last, summary } => {
                    state = last;
                    if number >= done {
                        self.write_observed(&stage.name, &observers)?;
                        self.finish_stage(number, &summary)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes a stage count as done.
    fn finish_stage(&self, number: usize, summary: &StageSummary) -> Result<(), Error> {
        let file = format!("{}/done.json", self.ledger.stage_folder(self.index, number));
        self.ledger.results.write_json(&file, summary)?;
        self.ledger.stage_done(self.index, number, summary)?;
        let steps = self.plan.stages[number].dynamics_steps();
        self.tell(Event::StageDone { run: self.index, steps });
        Ok(())
    }

    fn observers(
        &self,
        stage: &StagePlan,
        structure: &Structure,
    ) -> Result<Vec<Box<dyn Observer>>, Error> {
        stage.observers(structure).map_err(|source| Error::Analysis {
            run: self.run.id.clone(),
            analysis: stage.name.clone(),
            source: Box::new(source),
        })
    }

    /// What was accumulated in a stage, before it counts as done.
    fn write_observed(&self, stage: &str, observers: &[Box<dyn Observer>]) -> Result<(), Error> {
        for observer in observers {
            let observables = observer.finish().map_err(|message| Error::Stage {
                run: self.run.id.clone(),
                stage: stage.to_owned(),
                source: Box::new(MdError::Observer { name: observer.name().to_owned(), message }),
            })?;
            let stem = self.observed_stem(stage, observer.name());
            self.ledger.results.write_observables(&stem, &observables)?;
        }
        Ok(())
    }

    /// Enters the files of [`Work::write_observed`] of all stages into the manifest.
    fn list_observed(&self) -> Result<(), Error> {
        for stage in &self.plan.stages {
            for name in stage.observed() {
                let file = format!("{}.json", self.observed_stem(&stage.name, name));
                self.ledger.run_analysis(self.index, file)?;
            }
        }
        Ok(())
    }

    fn observed_stem(&self, stage: &str, name: &str) -> String {
        format!("runs/{}/analysis/{stage}-{name}", self.run.id)
    }

    /// Velocities for atoms that the stage before held and this one does not.
    fn release(
        &self,
        state: &mut State,
        number: usize,
        seed: u64,
        members: &Members,
    ) -> Result<(), Error> {
        let stages = &self.plan.stages;
        let moves = |stage: &usize| stages[*stage].kind != StageKind::Minimize;
        let Some(before) = (0..number).rev().find(moves) else { return Ok(()) };
        let held = members.of_any(&stages[number].freeze);
        let mut released = members.of_any(&stages[before].freeze);
        released.retain(|atom| held.binary_search(atom).is_err());
        // the first stage has a temperature, so one of those up to here does
        let target = |stage: usize| stages[stage].target_temperature(self.run.temperature_k);
        let temperature = target(number)
            .map(|ramp| ramp.start)
            .or_else(|| (0..number).rev().find_map(target).map(|ramp| ramp.end))
            .expect("checked: the first stage has a temperature");
        let State { structure, velocities, .. } = state;
        velocities::thermalize(structure, velocities, &released, temperature, seed)
            .map_err(|source| Error::Start { run: self.run.id.clone(), source: Box::new(source) })
    }

    /// The structure with velocities of exactly the first temperature, kept as `initial.extxyz`.
    fn initial(&self, structure: &Structure) -> Result<State, Error> {
        let mut targets = self.plan.stages.iter();
        let Some(temperature) =
            targets.find_map(|stage| stage.target_temperature(self.run.temperature_k))
        else {
            // minimisations only
            return Ok(State::new(structure.clone(), vec![[0.0; 3]; structure.len()]));
        };
        let temperature = temperature.start;
        let failed = |source| Error::Start { run: self.run.id.clone(), source: Box::new(source) };
        let mut drawn =
            velocities::maxwell_boltzmann(structure, temperature, self.run.seed).map_err(failed)?;
        velocities::rescale(structure, &mut drawn, temperature).map_err(failed)?;
        let path = self.ledger.results.path(&format!("runs/{}/initial.extxyz", self.run.id));
        if !path.exists() {
            let mut frame = Frame::from(structure.clone());
            frame.velocities = Some(drawn.clone());
            write_frame(&path, &frame)?;
        }
        Ok(State::new(structure.clone(), drawn))
    }

    fn done_file(&self, stage: usize) -> PathBuf {
        let folder = self.ledger.stage_folder(self.index, stage);
        self.ledger.results.path(&folder).join("done.json")
    }

    fn tell(&self, event: Event<'_>) {
        // what jobs of a queue did has been told
        if self.options.queue.is_none() {
            (self.options.watch)(event);
        }
    }
}

/// Replaces a file by a single frame; missing folders are made.
fn write_frame(path: &Path, frame: &Frame) -> Result<(), Error> {
    let folder = path.parent().expect("the path has folders");
    std::fs::create_dir_all(folder).map_err(io::IoError::os(folder, "create"))?;
    let options = CreateOptions { overwrite: true, ..CreateOptions::default() };
    let mut sink = io::create(path, &options)?;
    sink.write(frame)?;
    sink.finish()?;
    Ok(())
}
