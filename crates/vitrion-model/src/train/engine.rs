//! What carries out training steps.
//!
//! The trainer decides which frames a step sees and with which constants; an engine holds the
//! parameters, their average and the optimiser's memory, and does the arithmetic. [`Host`] does it on
//! the processors, at once. An engine on a device may run behind: what became of a step is then told
//! by a later call, at the latest by [`Engine::finish`], which the trainer calls at every line of the
//! learning curve and before everything that needs to know. Engines are interchangeable between the
//! parts of a run: [`State`] is all that a checkpoint keeps of them.

mod host;

use super::gradient::{GradientError, Phases};
use super::loss::{Loss, Prefactors, Squares};
use super::optimizer::Method;
use super::schedule::PrefactorSchedule;
use super::settings::Stage;
pub use host::Host;

/// Carries out training steps; holds parameters, their average and the optimiser's memory.
///
/// A new engine has the starting model's parameters and an equal average. Frames are numbers in the
/// data set.
pub trait Engine<T> {
    /// Begins a stage: a fresh optimiser; the repulsion between these radii [Å] is what the model has
    /// beside its nets, taken off the labels of all frames until the next stage.
    ///
    /// # Errors
    /// A device that fails.
    fn begin_stage(
        &mut self,
        method: Method,
        repulsion: Option<(f64, f64)>,
    ) -> Result<(), DeviceError>;

    /// Ends a stage with nothing under way: the average becomes the parameters where the stage is
    /// `averaged`, otherwise the reverse.
    ///
    /// # Errors
    /// A device that fails.
    fn end_stage(&mut self, averaged: bool) -> Result<(), DeviceError>;

    /// Does one step, or begins it. The squares of its batch are merged into `squares`, now or by a
    /// later call of this or of [`Engine::finish`]: those of every step on their own, in the order of
    /// the steps, so that sums are the same bits wherever a run was stopped.
    ///
    /// # Errors
    /// Of this step or of an earlier one; see [`EngineError`].
    fn step(
        &mut self,
        frames: &[usize],
        plan: &StepPlan<'_>,
        squares: &mut Squares,
    ) -> Result<(), EngineError>;

    /// Waits for all steps under way; merges what was not merged yet into `squares`.
    ///
    /// # Errors
    /// Of the first step that failed; see [`EngineError`].
    fn finish(&mut self, squares: &mut Squares) -> Result<(), EngineError>;

    /// Squares of the errors of frames, with the average of the parameters where `averaged`. Nothing
    /// is under way.
    ///
    /// # Errors
    /// Frames that the model cannot be evaluated on, a device that fails.
    fn errors(&mut self, averaged: bool, frames: &[usize]) -> Result<Squares, EngineError>;

    /// What a checkpoint keeps, and a model is made of. Nothing is under way.
    ///
    /// # Errors
    /// A device that fails.
    fn state(&mut self) -> Result<State<'_, T>, DeviceError>;

    /// Goes on from the state of another engine, whose stage was begun here.
    ///
    /// # Errors
    /// A device that fails.
    fn restore(&mut self, state: State<'_, T>) -> Result<(), DeviceError>;

    /// Seconds since the last call.
    fn take_seconds(&mut self) -> Seconds;
}

/// Everything that decides a step on given frames.
#[derive(Debug, Clone, Copy)]
pub struct StepPlan<'a> {
    /// Number of the step over all stages, from 0; for messages.
    pub step: u64,
    pub loss: &'a Loss,
    pub prefactors: Prefactors,
    pub learning_rate: f64,
    /// Largest norm of the gradient; longer ones are scaled down.
    pub clip: Option<f64>,
    /// `average ← decay · average + (1 − decay) · parameters` after the step; without, the average
    /// stays as it is.
    pub decay: Option<f64>,
}

impl<'a> StepPlan<'a> {
    /// Step number `step` of a run, which is number `t` of its stage. The decay of the average grows
    /// to the stage's as `(1 + t)/(10 + t)`.
    pub fn new(stage: &'a Stage, step: u64, t: u64) -> Self {
        let Stage { learning_rate, prefactors, steps, .. } = stage;
        let rate = learning_rate.at(t, *steps);
        let prefactors = PrefactorSchedule::at(prefactors, rate / learning_rate.start);
        let t = t as f64;
        StepPlan {
            step,
            loss: &stage.loss,
            prefactors,
            learning_rate: rate,
            clip: stage.clip,
            decay: stage.average.map(|decay| decay.min((1.0 + t) / (10.0 + t))),
        }
    }
}

/// Parameters and what the optimiser remembers, laid out as [`super::Places`] says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State<'a, T> {
    pub parameters: &'a [T],
    pub average: &'a [T],
    /// First and second moments of the gradient; of matrices that Muon treats the first is the
    /// momentum and the second unused.
    pub first: &'a [T],
    pub second: &'a [T],
    /// Steps the optimiser has taken in its stage.
    pub steps: u64,
}

/// Seconds of an engine's work, summed over steps; zero where it does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// Frames and their neighbours.
    pub batches: f64,
    pub gradient: Phases,
    pub optimizer: f64,
}

/// Why an engine could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A frame that the model cannot be evaluated on, and the step that saw it; none where errors
    /// were measured.
    #[error("{source}")]
    Frame { step: Option<u64>, source: GradientError },
    /// The gradient of a step is not finite. Parameters, average and the optimiser's memory are as
    /// before that step, the squares merged are those of the steps before it, and nothing is under
    /// way any more.
    #[error("the gradient of step {step} is not finite")]
    Diverged { step: u64 },
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A device that refused or failed: no memory left, an error of its driver.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "{device} failed: {message}; the run can be continued from its last checkpoint, on any device \
     or without one"
)]
pub struct DeviceError {
    pub device: String,
    pub message: String,
}
