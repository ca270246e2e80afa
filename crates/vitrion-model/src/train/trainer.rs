//! The loop: batches, steps, learning curve, checkpoints.

mod checkpoint;
mod lcurve;

use super::dataset::Dataset;
use super::example::Example;
use super::gradient::{Gradient, GradientError, Phases};
use super::loss::Squares;
use super::neighborhoods::Neighborhoods;
use super::optimizer::{self, Optimizer};
use super::sampler::Sampler;
use super::settings::{Settings, Stage};
use super::split::Parts;
use crate::classical::Zbl;
use crate::deep_potential::DeepPotential;
use crate::deep_potential::real::Real;
use checkpoint::{Checkpoint, Position};
use lcurve::{LearningCurve, Line};
use rayon::prelude::*;
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
    /// Since the last line.
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
    gradient: Gradient<T>,
    parameters: Vec<T>,
    average: Vec<T>,
    optimizer: Optimizer<T>,
    slopes: Vec<T>,
    batch: Vec<Example>,
    parts: Parts,
    displayed: Vec<usize>,
    position: Position,
    curve: LearningCurve,
    neighborhoods: Neighborhoods,
    /// Seconds for batches and for the optimiser.
    times: [f64; 2],
}

impl<'a, T: Real> Trainer<'a, T> {
    /// A run from `model` in `folder`; continues from the folder's checkpoint if there is one, which
    /// must be of the same settings and data (`identity` describes both).
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
        let gradient = Gradient::new(&model, settings.nearest, settings.grid_spacing)
            .map_err(TrainError::Model)?;
        let places = gradient.places().clone();
        let mut parameters: Vec<T> = places.read(&model);
        let parts = settings.split.parts(data);
        if parts.training.is_empty() {
            return Err(TrainError::NoFrames(format!("{:?}", settings.split)));
        }
        let mut average = parameters.clone();
        let mut optimizer = Optimizer::new(settings.stages[0].optimizer, &places);
        let found = Checkpoint::read(folder, identity)?;
        let position = match found {
            None => Position::new(identity),
            Some(checkpoint) => {
                // a finished run points behind its last stage
                let last = settings.stages.len() - 1;
                let stage = &settings.stages[checkpoint.position.stage.min(last)];
                optimizer = Optimizer::new(stage.optimizer, &places);
                checkpoint.restore(folder, &mut parameters, &mut average, &mut optimizer)?
            }
        };
        let curve = LearningCurve::open(folder, position.curve_bytes, data_has_virial(data))?;
        Ok(Trainer {
            displayed: display_part(data, &parts.validation, settings.display_atoms),
            slopes: vec![T::ZERO; places.len],
            batch: Vec::new(),
            settings,
            data,
            folder,
            model,
            gradient,
            parameters,
            average,
            optimizer,
            parts,
            position,
            curve,
            neighborhoods: Neighborhoods::new(data, settings.cache_bytes),
            times: [0.0; 2],
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
        let total: u64 = self.settings.stages.iter().map(|s| s.steps).sum();
        let started = Instant::now();
        let (before, mut seen) = (self.position.seconds, 0.0);
        let mut saved = Instant::now();
        let mut complete = true;
        'stages: while self.position.stage < self.settings.stages.len() {
            let stage = &self.settings.stages[self.position.stage];
            let sampler = Sampler::new(
                self.data,
                &self.parts.training,
                &self.settings.sampling,
                self.settings.seed,
            );
            let mut zbl = repulsion(stage, &self.model);
            let mut frames = Vec::new();
            while self.position.stage_step < stage.steps {
                let now = Instant::now();
                sampler.batch(self.position.step, &mut frames);
                self.fill(&frames, zbl.as_ref());
                self.times[0] += now.elapsed().as_secs_f64();
                let rate = stage.learning_rate.at(self.position.stage_step, stage.steps);
                let squares = self.step(stage, rate, &mut zbl)?;
                self.position.squares.merge(&squares);
                let atoms: usize = self.batch.iter().map(Example::atoms).sum();
                seen += atoms as f64;
                self.position.atoms += atoms as f64;
                self.position.step += 1;
                self.position.stage_step += 1;
                let line = self.position.stage_step == stage.steps
                    || self.position.stage_step.is_multiple_of(self.settings.display_every);
                let validation = if line { self.validate(stage)? } else { None };
                let seconds = started.elapsed().as_secs_f64();
                self.position.seconds = before + seconds;
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
                if stop || line && saved.elapsed().as_secs_f64() > self.settings.checkpoint_seconds
                {
                    self.save()?;
                    saved = Instant::now();
                }
                if stop {
                    complete = false;
                    break 'stages;
                }
            }
            self.next_stage();
        }
        if complete {
            self.save()?;
        }
        let stage = self.position.stage.min(self.settings.stages.len() - 1);
        let averaged = self.settings.stages[stage].average.is_some();
        let mut model = self.model.clone();
        let parameters = if averaged { &self.average } else { &self.parameters };
        self.gradient.places().write(parameters, &mut model);
        model.zbl = self.settings.stages[stage].zbl;
        Ok(Trained {
            model,
            steps: self.position.step,
            complete,
            seconds: self.position.seconds,
            phases: self.gradient.take_phases(),
            batches: self.times[0],
            optimizer: self.times[1],
            atoms: self.position.atoms,
        })
    }

    /// Begins the next stage with what this one saved.
    fn next_stage(&mut self) {
        let stage = &self.settings.stages[self.position.stage];
        if stage.average.is_some() {
            self.parameters.copy_from_slice(&self.average);
        } else {
            self.average.copy_from_slice(&self.parameters);
        }
        self.position.stage += 1;
        if let Some(next) = self.settings.stages.get(self.position.stage) {
            self.position.stage_step = 0;
            self.position.best = f64::INFINITY;
            self.position.waited = 0;
            self.optimizer = Optimizer::new(next.optimizer, self.gradient.places());
        }
    }

    /// Takes over frames with their neighbours; subtracts what the repulsion gives.
    fn fill(&mut self, frames: &[usize], zbl: Option<&Zbl>) {
        let cutoff = self.model.descriptor.cutoff;
        self.neighborhoods.fill(self.data, frames, cutoff, &mut self.batch, |example| {
            if let Some(zbl) = zbl {
                example.subtract(&mut zbl.clone());
            }
        });
    }

    /// One step; the squares of its batch.
    fn step(
        &mut self,
        stage: &Stage,
        rate: f64,
        zbl: &mut Option<Zbl>,
    ) -> Result<Squares, TrainError> {
        let prefactors = stage.prefactors.at(rate / stage.learning_rate.start);
        let (step, data) = (self.position.step, self.data);
        let found = self
            .gradient
            .evaluate(&self.parameters, &self.batch, &stage.loss, &prefactors, &mut self.slopes)
            .map_err(|source| TrainError::Frame { step, frame: named(data, &source), source })?;
        let norm = optimizer::norm(&self.slopes);
        if !norm.is_finite() {
            let frame = self.offender(stage, rate, zbl);
            self.save()?;
            let path = Checkpoint::path(self.folder);
            return Err(TrainError::Diverged { step, frame, path });
        }
        let now = Instant::now();
        if let Some(most) = stage.clip
            && norm > most
        {
            let scale = T::from_f64(most / norm);
            self.slopes.par_iter_mut().with_min_len(1 << 14).for_each(|g| *g = *g * scale);
        }
        self.optimizer.step(&mut self.parameters, &self.slopes, rate);
        if let Some(decay) = stage.average {
            let t = self.position.stage_step as f64;
            let decay = decay.min((1.0 + t) / (10.0 + t));
            let (keep, take) = (T::from_f64(decay), T::from_f64(1.0 - decay));
            self.average.par_chunks_mut(1 << 14).zip(self.parameters.par_chunks(1 << 14)).for_each(
                |(a, p)| {
                    a.iter_mut().zip(p).for_each(|(a, p)| *a = keep * *a + take * *p);
                },
            );
        }
        self.times[1] += now.elapsed().as_secs_f64();
        Ok(found.squares)
    }

    /// The frame of the batch whose own gradient is not finite.
    fn offender(&mut self, stage: &Stage, rate: f64, zbl: &mut Option<Zbl>) -> String {
        let prefactors = stage.prefactors.at(rate / stage.learning_rate.start);
        let numbers: Vec<usize> = self.batch.iter().map(|e| e.number()).collect();
        for number in &numbers {
            self.fill(&[*number], zbl.as_ref());
            let found = self.gradient.evaluate(
                &self.parameters,
                &self.batch,
                &stage.loss,
                &prefactors,
                &mut self.slopes,
            );
            if found.is_err() || !optimizer::norm(&self.slopes).is_finite() {
                return self.data.name_of(*number);
            }
        }
        format!("the batch of {} frames as a whole", numbers.len())
    }

    /// Errors on the fixed validation frames.
    fn validate(&mut self, stage: &Stage) -> Result<Option<Squares>, TrainError> {
        if self.displayed.is_empty() {
            return Ok(None);
        }
        let zbl = repulsion(stage, &self.model);
        let parameters = if stage.average.is_some() { &self.average } else { &self.parameters };
        let parameters = parameters.clone();
        let mut squares = Squares::default();
        let displayed = std::mem::take(&mut self.displayed);
        for frames in displayed.chunks(16) {
            self.fill(frames, zbl.as_ref());
            let step = self.position.step;
            squares.merge(&self.gradient.errors(&parameters, &self.batch).map_err(|source| {
                TrainError::Frame { step, frame: named(self.data, &source), source }
            })?);
        }
        self.displayed = displayed;
        Ok(Some(squares))
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

    fn save(&self) -> Result<(), TrainError> {
        Checkpoint::write(
            self.folder,
            &self.position,
            &self.parameters,
            &self.average,
            &self.optimizer,
        )
    }
}

/// The repulsion of a stage.
fn repulsion(stage: &Stage, model: &DeepPotential) -> Option<Zbl> {
    let (inner, outer) = stage.zbl?;
    Some(Zbl::new(model.species.clone(), inner, outer).expect("radii were checked"))
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
