//! The loop: batches, steps, learning curve, checkpoints.

mod checkpoint;
mod lcurve;

use super::dataset::Dataset;
use super::engine::{DeviceError, Engine, EngineError, Host, StepPlan};
use super::gradient::{GradientError, Phases};
use super::loss::Squares;
use super::parameters::Places;
use super::sampler::Sampler;
use super::settings::Settings;
use crate::deep_potential::DeepPotential;
use crate::deep_potential::real::Real;
use checkpoint::{Checkpoint, Position};
use lcurve::{LearningCurve, Line};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why a training run stopped early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A frame the model cannot be evaluated on.
    #[error("step {step}, {frame}: {source}")]
    Frame {
        step: u64,
        frame: String,
        #[source]
        source: GradientError,
    },
    /// A feature of the model that cannot be trained.
    #[error(transparent)]
    Model(GradientError),
    /// The gradient of a batch is not finite.
    #[error(
        "step {step}: the gradient is not finite at {frame}; the last good parameters are in {path}; \
         a smaller learning rate or gradient clipping may help"
    )]
    Diverged { step: u64, frame: String, path: PathBuf },
    /// The device that carries out the steps.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The folder cannot be written or read.
    #[error("{path}: {doing} failed: {source}")]
    Os {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint of another run.
    #[error("{path}: {message}")]
    Checkpoint { path: PathBuf, message: String },
    /// The split leaves nothing to train on.
    #[error("no frames are left to train on: {0}")]
    NoFrames(String),
}

/// What a caller sees at every line of the learning curve.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    pub stage: &'a str,
    /// Steps done of all stages, and in all.
    pub step: u64,
    pub steps: u64,
    pub learning_rate: f64,
    /// Since the last line, as far as the engine is; all of it at a line.
    pub training: &'a Squares,
    /// True where the learning curve gets a line.
    pub line: bool,
    /// On the fixed validation frames, at a line of the curve.
    pub validation: Option<&'a Squares>,
    /// Atoms per second since the start or the resume.
    pub atoms_per_second: f64,
}

/// What the caller wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Continue,
    /// Write a checkpoint and return.
    Stop,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Trained {
    /// With the averaged weights where a stage asks for them.
    pub model: DeepPotential,
    pub steps: u64,
    /// False if the caller stopped it; it can be continued.
    pub complete: bool,
    /// Seconds in the loop, over all continued runs.
    pub seconds: f64,
    /// Seconds of this run by phase.
    pub phases: Phases,
    /// Seconds of this run for batches and their neighbour lists, and for the optimiser.
    pub batches: f64,
    pub optimizer: f64,
    /// Atoms seen.
    pub atoms: f64,
}

/// One training run in a folder.
pub struct Trainer<'a, T> {
    settings: &'a Settings,
    data: &'a Dataset,
    folder: &'a Path,
    model: DeepPotential,
    places: Places,
    engine: Box<dyn Engine<T> + 'a>,
    sampler: Sampler,
    displayed: Vec<usize>,
    position: Position,
    curve: LearningCurve,
}

impl<'a, T: Real> Trainer<'a, T> {
    /// A run from `model` in `folder`, on the processors; continues from the folder's checkpoint if
    /// there is one, which must be of the same settings and data (`identity` describes both).
    ///
    /// # Errors
    /// Models that cannot be trained, an unusable folder, a checkpoint of another run.
    pub fn new(
        settings: &'a Settings,
        data: &'a Dataset,
        model: DeepPotential,
        folder: &'a Path,
        identity: &str,
    ) -> Result<Self, TrainError> {
        let engine = Host::new(settings, data, &model).map_err(TrainError::Model)?;
        Self::with_engine(settings, data, model, folder, identity, Box::new(engine))
    }

    /// The same on an engine that was made for this model and data. Checkpoints do not depend on it.
    ///
    /// # Errors
    /// As [`Trainer::new`]; a device that fails.
    pub fn with_engine(
        settings: &'a Settings,
        data: &'a Dataset,
        model: DeepPotential,
        folder: &'a Path,
        identity: &str,
        mut engine: Box<dyn Engine<T> + 'a>,
    ) -> Result<Self, TrainError> {
        let places = Places::new(&model);
        let parts = settings.split.parts(data);
        if parts.training.is_empty() {
            return Err(TrainError::NoFrames(format!("{:?}", settings.split)));
        }
        let found = Checkpoint::read(folder, identity)?;
        // a finished run points behind its last stage
        let last = settings.stages.len() - 1;
        let stage = &settings.stages[found.as_ref().map_or(0, |c| c.position.stage.min(last))];
        engine.begin_stage(stage.optimizer, stage.zbl)?;
        let position = match found {
            None => Position::new(identity),
            Some(checkpoint) => checkpoint.restore(folder, places.len, &mut *engine)?,
        };
        let curve = LearningCurve::open(folder, position.curve_bytes, data_has_virial(data))?;
        Ok(Trainer {
            sampler: Sampler::new(data, &parts.training, &settings.sampling, settings.seed),
            displayed: display_part(data, &parts.validation, settings.display_atoms),
            settings,
            data,
            folder,
            model,
            places,
            engine,
            position,
            curve,
        })
    }

    /// Steps that were done before.
    pub fn done(&self) -> u64 {
        self.position.step
    }

    /// Runs to the end, or until `watch` says stop. `watch` sees every step.
    ///
    /// # Errors
    /// Frames that cannot be evaluated, gradients that are not finite, a folder that cannot be
    /// written.
    pub fn run(
        &mut self,
        watch: &mut dyn FnMut(&Progress<'_>) -> Control,
    ) -> Result<Trained, TrainError> {
        let settings = self.settings;
        let total: u64 = settings.stages.iter().map(|s| s.steps).sum();
        let started = Instant::now();
        let (before, mut seen, mut drawing) = (self.position.seconds, 0.0, 0.0);
        let mut saved = Instant::now();
        let mut complete = true;
        let mut frames = Vec::new();
        'stages: while self.position.stage < settings.stages.len() {
            let stage = &settings.stages[self.position.stage];
            while self.position.stage_step < stage.steps {
                let now = Instant::now();
                self.sampler.batch(self.position.step, &mut frames);
                drawing += now.elapsed().as_secs_f64();
                let plan = self.plan();
                let done = self.engine.step(&frames, &plan, &mut self.position.squares);
                done.map_err(|error| self.failed(error))?;
                let atoms = self.atoms_of(&frames);
                seen += atoms;
                self.position.atoms += atoms;
                self.position.step += 1;
                self.position.stage_step += 1;
                let line = self.position.stage_step == stage.steps
                    || self.position.stage_step.is_multiple_of(settings.display_every);
                let mut validation = None;
                if line {
                    self.finish()?;
                    validation = self.validate(stage.average.is_some())?;
                }
                let seconds = started.elapsed().as_secs_f64();
                self.position.seconds = before + seconds;
                let rate = plan.learning_rate;
                let progress = Progress {
                    stage: &stage.name,
                    step: self.position.step,
                    steps: total,
                    learning_rate: rate,
                    line,
                    training: &self.position.squares,
                    validation: validation.as_ref(),
                    atoms_per_second: seen / seconds,
                };
                let stop = watch(&progress) == Control::Stop;
                if line {
                    let training = std::mem::take(&mut self.position.squares);
                    let step = self.position.step;
                    self.curve.write(&Line { step, training, validation, rate })?;
                    self.position.curve_bytes = self.curve.bytes();
                    let patient = self.improved(validation.as_ref());
                    if !patient {
                        self.position.stage_step = stage.steps;
                    }
                }
                if stop || line && saved.elapsed().as_secs_f64() > settings.checkpoint_seconds {
                    self.finish()?;
                    self.save()?;
                    saved = Instant::now();
                }
                if stop {
                    complete = false;
                    break 'stages;
                }
            }
            self.next_stage()?;
        }
        if complete {
            self.save()?;
        }
        let stage = &settings.stages[self.position.stage.min(settings.stages.len() - 1)];
        let seconds = self.engine.take_seconds();
        let state = self.engine.state()?;
        let averaged = stage.average.is_some();
        let parameters = if averaged { state.average } else { state.parameters };
        let mut model = self.model.clone();
        self.places.write(parameters, &mut model);
        model.zbl = stage.zbl;
        Ok(Trained {
            model,
            steps: self.position.step,
            complete,
            seconds: self.position.seconds,
            phases: seconds.gradient,
            batches: drawing + seconds.batches,
            optimizer: seconds.optimizer,
            atoms: self.position.atoms,
        })
    }

    /// Begins the next stage with what this one saved.
    fn next_stage(&mut self) -> Result<(), TrainError> {
        let stage = &self.settings.stages[self.position.stage];
        self.engine.end_stage(stage.average.is_some())?;
        self.position.stage += 1;
        if let Some(next) = self.settings.stages.get(self.position.stage) {
            self.position.stage_step = 0;
            self.position.best = f64::INFINITY;
            self.position.waited = 0;
            self.engine.begin_stage(next.optimizer, next.zbl)?;
        }
        Ok(())
    }

    /// The step that comes next.
    fn plan(&self) -> StepPlan<'a> {
        let Position { stage, step, stage_step, .. } = self.position;
        StepPlan::new(&self.settings.stages[stage], step, stage_step)
    }

    fn atoms_of(&self, frames: &[usize]) -> f64 {
        frames.iter().map(|frame| self.data.atoms_of(*frame)).sum::<usize>() as f64
    }

    /// Waits until all steps are done.
    fn finish(&mut self) -> Result<(), TrainError> {
        let done = self.engine.finish(&mut self.position.squares);
        done.map_err(|error| self.failed(error))
    }

    /// What to say of a step that failed. Where its gradient is not finite, the run goes back to where
    /// the parameters are, before that step, and is saved.
    fn failed(&mut self, error: EngineError) -> TrainError {
        match error {
            EngineError::Frame { step, source } => {
                let step = step.unwrap_or(self.position.step);
                TrainError::Frame { step, frame: named(self.data, &source), source }
            }
            EngineError::Diverged { step } => {
                self.go_back(step);
                match self.offender().and_then(|frame| self.save().map(|()| frame)) {
                    Ok(frame) => {
                        TrainError::Diverged { step, frame, path: Checkpoint::path(self.folder) }
                    }
                    Err(error) => error,
                }
            }
            EngineError::Device(error) => error.into(),
        }
    }

    /// Takes back the steps from this one on, all since the last line of the curve.
    fn go_back(&mut self, step: u64) {
        let mut frames = Vec::new();
        while self.position.step > step {
            self.position.step -= 1;
            self.position.stage_step -= 1;
            self.sampler.batch(self.position.step, &mut frames);
            self.position.atoms -= self.atoms_of(&frames);
        }
    }

    /// The frame of the next batch whose own gradient is not finite; sought on the processors, whatever
    /// the engine.
    fn offender(&mut self) -> Result<String, TrainError> {
        let plan = self.plan();
        let mut frames = Vec::new();
        self.sampler.batch(plan.step, &mut frames);
        let stage = &self.settings.stages[self.position.stage];
        let host = Host::<T>::new(self.settings, self.data, &self.model);
        let mut host = host.map_err(TrainError::Model)?;
        host.begin_stage(stage.optimizer, stage.zbl)?;
        host.restore(self.engine.state()?)?;
        Ok(match host.offender(&frames, &plan) {
            Some(frame) => self.data.name_of(frame),
            None => format!("the batch of {} frames as a whole", frames.len()),
        })
    }

    /// Errors on the fixed validation frames.
    fn validate(&mut self, averaged: bool) -> Result<Option<Squares>, TrainError> {
        if self.displayed.is_empty() {
            return Ok(None);
        }
        let squares = self.engine.errors(averaged, &self.displayed);
        squares.map(Some).map_err(|error| self.failed(error))
    }

    /// Notes the validation error; false when patience is at its end.
    fn improved(&mut self, validation: Option<&Squares>) -> bool {
        let (Some(patience), Some(squares)) = (self.settings.patience, validation) else {
            return true;
        };
        let force = squares.force.root_mean().unwrap_or(0.0);
        // energies per atom are a few per cent of forces: both count
        let error = force + 10.0 * squares.energy.root_mean().unwrap_or(0.0);
        if error < self.position.best {
            self.position.best = error;
            self.position.waited = 0;
        } else {
            self.position.waited += 1;
        }
        self.position.waited < patience as u64
    }

    /// Writes a checkpoint; no step is under way.
    fn save(&mut self) -> Result<(), TrainError> {
        Checkpoint::write(self.folder, &self.position, &self.engine.state()?)
    }
}

fn named(data: &Dataset, error: &GradientError) -> String {
    match error {
        GradientError::TooClose { frame, .. } | GradientError::NonFinite { frame, .. } => {
            data.name_of(*frame)
        }
        GradientError::Unsupported(_) => "the model".to_owned(),
    }
}

fn data_has_virial(data: &Dataset) -> bool {
    (0..data.len()).any(|frame| data.frame(frame).virial.is_some())
}

/// Validation frames evenly spaced over all, with about so many atoms.
fn display_part(data: &Dataset, validation: &[usize], atoms: usize) -> Vec<usize> {
    let all: usize = validation.iter().map(|f| data.atoms_of(*f)).sum();
    let stride = all.div_ceil(atoms.max(1)).max(1);
    validation.iter().copied().step_by(stride).collect()
}
