//! Training steps on a device.
//!
//! Frames, parameters and the optimiser's memory stay on the device. A step uploads a table of the
//! frames of its batch and puts some thirty launches in the queue; nobody waits. What became of the
//! steps is read when somebody asks, or when there is no room for more results:
//!
//! 1. `arrange`, `environment`: centres in order of species, rows and Hermite weights of all entries;
//! 2. `grid_forward`: embedding nets at the nodes of their grids;
//! 3. `moments`, fitting nets forward and back, `pair_gradients`, `collect_forces`;
//! 4. `frame_losses`: loss and its slopes, one block a frame;
//! 5. `displace`, tangents forward, adjoints back, as `train/gradient.rs` derives them;
//! 6. `chunk_sums`, `node_sums`, `grid_backward`: adjoints of the nodes; then all weight gradients;
//! 7. norm of the gradient, verdict, optimiser, moving average.
//!
//! Every sum has a fixed order, so the same steps give the same bits. A gradient that is not finite
//! stops the device: later steps change nothing.

mod arguments;
mod batch;
mod frames;
mod layout;
mod nets;
mod pass;
mod tables;
mod update;

use crate::device::{Buffer, Device};
use crate::error::{CudaError, Result, unsupported};
use arguments::{BAD_FRAME, Control, StepResult};
use batch::Uploaded;
use bytemuck::Zeroable;
use frames::{Frames, Refused};
use nets::Weights;
use pass::Pass;
use std::time::Instant;
use update::Update;
use vitrion_model::DeepPotential;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::engine::{DeviceError, Engine, EngineError, Seconds, State, StepPlan};
use vitrion_model::train::loss::{Norms, Squares, Sum};
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::settings::Settings;
use vitrion_model::train::{Dataset, Geometry, GradientError, Loss, Places, Prefactors};

/// Steps whose results there is room for.
const RING: usize = 512;
/// Atoms of the frames whose errors are measured at once, about.
const COMPARED: usize = 4096;

/// The engine that trains on a CUDA device; steps are queued, not waited for.
#[derive(Debug)]
pub struct CudaTrainer<'a, T> {
    device: Device,
    frames: Frames<'a>,
    pass: Pass<T>,
    update: Update<T>,
    control: Buffer<Control>,
    results: Buffer<StepResult>,
    /// Steps that are queued and not read.
    pending: usize,
    /// Steps of the optimiser, with those that are pending.
    steps: u64,
    /// Flat vectors of [`Engine::state`].
    flat: [Vec<T>; 4],
    seconds: Seconds,
}

impl<'a, T: Real> CudaTrainer<'a, T> {
    /// For training `model` on `data`.
    ///
    /// # Errors
    /// Models that cannot be trained, at all or on a device; no compiler; too little memory.
    pub fn new(
        device: &Device,
        settings: &Settings,
        data: &'a Dataset,
        model: &DeepPotential,
    ) -> Result<Self> {
        let places = Places::new(model);
        let geometry = Geometry::new(model, &places, settings.nearest, settings.grid_spacing)
            .map_err(|error| CudaError::Untrainable(error.to_string()))?;
        let pass = Pass::new(device, model, &places, &geometry)?;
        let trainer = CudaTrainer {
            frames: Frames::new(device, data, &model.species, geometry, settings.cache_bytes)?,
            update: Update::new(device, settings.stages[0].optimizer, &pass.layout)?,
            control: device.zeros(1)?,
            results: device.zeros(RING)?,
            pending: 0,
            steps: 0,
            flat: std::array::from_fn(|_| Vec::new()),
            seconds: Seconds::default(),
            device: device.clone(),
            pass,
        };
        trainer.forget(RING)?;
        Ok(trainer)
    }

    /// Frames take at most so many bytes of device memory; three quarters of what is free if not said.
    #[must_use]
    pub fn with_frame_memory(mut self, bytes: usize) -> Self {
        self.frames.budget = bytes;
        self
    }

    /// Matrix products of single precision on tensor cores: each f32 number split into two of TF32 and
    /// three products made of one, whose error is that of f32.
    ///
    /// # Errors
    /// A device without them, or one that fails.
    pub fn with_tensor_cores(mut self, tensor_cores: bool) -> Result<Self> {
        if tensor_cores && !self.device.tensor_cores() {
            return unsupported("a product on tensor cores (compute capability below 8.0)");
        }
        self.pass.set_tensor_cores(tensor_cores)?;
        self.update.set_tensor_cores(tensor_cores)?;
        Ok(self)
    }

    /// Loss of frames, its squares, and its gradient as [`Places`] lays it out; for checks.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn gradient(
        &mut self,
        frames: &[usize],
        plan: &StepPlan<'_>,
    ) -> std::result::Result<(f64, Squares, Vec<T>), EngineError> {
        let (loss, squares) =
            self.measure(Weights::Present, frames, plan.loss, &plan.prefactors, Some(plan.step))?;
        let gradient = || -> Result<Vec<T>> {
            self.pass.backward(&self.frames)?;
            Ok(self.pass.layout.collect(&self.pass.vectors.gradient.to_vec()?))
        };
        let gradient = gradient().map_err(|error| self.failed(&error))?;
        Ok((loss, squares, gradient))
    }

    fn failed(&self, error: &CudaError) -> DeviceError {
        DeviceError { device: self.device.name().to_owned(), message: error.to_string() }
    }

    /// Brings frames to the device and makes them the batch.
    fn load(
        &mut self,
        frames: &[usize],
        step: Option<u64>,
    ) -> std::result::Result<Uploaded, EngineError> {
        let refused = |refused: Refused, device: &Device| match refused {
            Refused::Frame(source) => EngineError::Frame { step, source },
            Refused::Device(error) => {
                DeviceError { device: device.name().to_owned(), message: error.to_string() }.into()
            }
        };
        self.frames.require(frames).map_err(|error| refused(error, &self.device))?;
        match self.pass.load(&self.frames, frames) {
            Err(CudaError::OutOfMemory { .. }) => {
                // frames that were seen before make room for a larger batch
                self.frames.release();
                self.frames.budget /= 2;
                self.frames.require(frames).map_err(|error| refused(error, &self.device))?;
                self.pass.load(&self.frames, frames).map_err(|error| self.failed(&error).into())
            }
            loaded => loaded.map_err(|error| self.failed(&error).into()),
        }
    }

    /// Denominators of the loss of frames that are on the device.
    fn norms(&self, loss: &Loss, frames: &[usize]) -> Norms {
        let known = |f: &usize| (self.frames.species_of(*f), &self.frames.get(*f).labels, 1.0);
        loss.norms(frames.iter().map(known))
    }

    /// Loss and squares of frames, at once.
    fn measure(
        &mut self,
        weights: Weights,
        frames: &[usize],
        loss: &Loss,
        prefactors: &Prefactors,
        step: Option<u64>,
    ) -> std::result::Result<(f64, Squares), EngineError> {
        let batch = self.load(frames, step)?;
        let norms = self.norms(loss, frames);
        let found = || -> Result<(Control, StepResult)> {
            self.pass.forward(&self.frames.geometry, weights, loss, prefactors, &norms)?;
            let control = self.device.zeros::<Control>(1)?;
            let result = self.device.zeros::<StepResult>(1)?;
            let places = (control.address(), result.address());
            let found = self.pass.lists.found.address();
            self.update.end(None, &batch, found, places, (0, None))?;
            Ok((control.to_vec()?[0], result.to_vec()?[0]))
        };
        let (control, result) = found().map_err(|error| self.failed(&error))?;
        if control.halt == BAD_FRAME {
            return Err(EngineError::Frame { step, source: not_finite(&control) });
        }
        Ok((result.loss, squares_of(&result)))
    }

    /// Puts a step in the queue.
    fn queue(&self, frames: &[usize], plan: &StepPlan<'_>, batch: &Uploaded) -> Result<()> {
        let Self { pass, update, frames: resident, .. } = self;
        let norms = self.norms(plan.loss, frames);
        let geometry = &resident.geometry;
        pass.forward(geometry, Weights::Present, plan.loss, &plan.prefactors, &norms)?;
        pass.backward(resident)?;
        update.end(
            Some(&pass.vectors.gradient),
            batch,
            pass.lists.found.address(),
            (self.control.address(), self.results.at(self.pending)),
            (plan.step, plan.clip),
        )?;
        let (steps, rate) = (self.steps + 1, plan.learning_rate);
        update.apply(&pass.vectors, &self.control, steps, rate, plan.decay)
    }

    /// Waits for all steps; merges their squares.
    fn drain(&mut self, squares: &mut Squares) -> std::result::Result<(), EngineError> {
        let pending = std::mem::take(&mut self.pending);
        if pending == 0 {
            return Ok(());
        }
        let read = || -> Result<(Control, Vec<StepResult>)> {
            let mut results = vec![StepResult::zeroed(); pending];
            self.results.download(&mut results)?;
            Ok((self.control.to_vec()?[0], results))
        };
        let (control, results) = read().map_err(|error| self.failed(&error))?;
        let steps = self.steps - pending as u64;
        let done = match control.halt {
            0 => pending,
            _ => results.iter().take_while(|result| result.norm >= 0.0).count(),
        };
        results[..done].iter().for_each(|result| squares.merge(&squares_of(result)));
        self.steps = steps + done as u64;
        self.forget(pending).map_err(|error| self.failed(&error))?;
        match control.halt {
            0 => Ok(()),
            BAD_FRAME => {
                Err(EngineError::Frame { step: Some(control.step), source: not_finite(&control) })
            }
            _ => Err(EngineError::Diverged { step: control.step }),
        }
    }

    /// Marks results as not there; lets the device go on.
    fn forget(&self, results: usize) -> Result<()> {
        let none = StepResult { norm: -1.0, ..StepResult::zeroed() };
        self.results.upload_at(0, &vec![none; results])?;
        self.control.zero()
    }
}

fn squares_of(result: &StepResult) -> Squares {
    let sum = |k: usize| Sum { sum: result.squares[2 * k], count: result.squares[2 * k + 1] };
    Squares { energy: sum(0), force: sum(1), virial: sum(2) }
}

fn not_finite(control: &Control) -> GradientError {
    GradientError::NonFinite { frame: control.frame as usize, energy: control.energy }
}

impl<T: Real> Engine<T> for CudaTrainer<'_, T> {
    fn begin_stage(
        &mut self,
        method: Method,
        repulsion: Option<(f64, f64)>,
    ) -> std::result::Result<(), DeviceError> {
        self.frames.set_repulsion(repulsion);
        self.steps = 0;
        let mut begin = || -> Result<()> {
            self.update.set_method(method, &self.pass.layout)?;
            self.pass.vectors.first.zero()?;
            self.pass.vectors.second.zero()?;
            self.forget(RING)
        };
        begin().map_err(|error| self.failed(&error))
    }

    fn end_stage(&mut self, averaged: bool) -> std::result::Result<(), DeviceError> {
        let vectors = &self.pass.vectors;
        let copied = if averaged {
            vectors.parameters.copy_from(&vectors.average)
        } else {
            vectors.average.copy_from(&vectors.parameters)
        };
        copied.map_err(|error| self.failed(&error))
    }

    fn step(
        &mut self,
        frames: &[usize],
        plan: &StepPlan<'_>,
        squares: &mut Squares,
    ) -> std::result::Result<(), EngineError> {
        if self.pending == RING {
            self.drain(squares)?;
        }
        let now = Instant::now();
        let batch = match self.load(frames, Some(plan.step)) {
            Ok(batch) => batch,
            Err(error) => {
                // a step before it may have failed first
                self.drain(squares)?;
                return Err(error);
            }
        };
        self.seconds.batches += now.elapsed().as_secs_f64();
        self.queue(frames, plan, &batch).map_err(|error| self.failed(&error))?;
        self.pending += 1;
        self.steps += 1;
        Ok(())
    }

    fn finish(&mut self, squares: &mut Squares) -> std::result::Result<(), EngineError> {
        self.drain(squares)
    }

    fn errors(
        &mut self,
        averaged: bool,
        frames: &[usize],
    ) -> std::result::Result<Squares, EngineError> {
        let weights = if averaged { Weights::Averaged } else { Weights::Present };
        let mut squares = Squares::default();
        let (loss, prefactors) = (Loss::default(), Prefactors::default());
        let mut rest = frames;
        while !rest.is_empty() {
            let mut atoms = 0;
            let fits = rest.iter().position(|frame| {
                atoms += self.frames.species_of(*frame).len();
                atoms > COMPARED
            });
            let (part, after) = rest.split_at(fits.unwrap_or(rest.len()).max(1));
            squares.merge(&self.measure(weights, part, &loss, &prefactors, None)?.1);
            rest = after;
        }
        Ok(squares)
    }

    fn state(&mut self) -> std::result::Result<State<'_, T>, DeviceError> {
        let read = || -> Result<[Vec<T>; 4]> {
            let vectors = &self.pass.vectors;
            let flat = |buffer: &Buffer<T>| Ok(self.pass.layout.collect(&buffer.to_vec()?));
            Ok([
                flat(&vectors.parameters)?,
                flat(&vectors.average)?,
                flat(&vectors.first)?,
                flat(&vectors.second)?,
            ])
        };
        self.flat = read().map_err(|error| self.failed(&error))?;
        let [parameters, average, first, second] = &self.flat;
        Ok(State { parameters, average, first, second, steps: self.steps })
    }

    fn restore(&mut self, state: State<'_, T>) -> std::result::Result<(), DeviceError> {
        let write = || -> Result<()> {
            let vectors = &self.pass.vectors;
            let spread = |from: &[T]| self.pass.layout.spread(from);
            vectors.parameters.upload(&spread(state.parameters))?;
            vectors.average.upload(&spread(state.average))?;
            vectors.first.upload(&spread(state.first))?;
            vectors.second.upload(&spread(state.second))
        };
        write().map_err(|error| self.failed(&error))?;
        self.steps = state.steps;
        Ok(())
    }

    fn take_seconds(&mut self) -> Seconds {
        std::mem::take(&mut self.seconds)
    }
}
