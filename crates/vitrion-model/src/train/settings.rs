//! Everything that decides a training run, as plain data.

use super::loss::{Loss, Prefactors};
use super::optimizer::Method;
use super::sampler::Sampling;
use super::schedule::{Decay, LearningRate, PrefactorSchedule};
use super::split::Split;

/// A training run: stages in order, on one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub stages: Vec<Stage>,
    pub sampling: Sampling,
    pub split: Split,
    pub seed: u64,
    /// Spacing of the embedding grid in normalised inputs.
    pub grid_spacing: f64,
    /// Shortest distance the grid reaches [Å].
    pub nearest: f64,
    /// Steps between lines of the learning curve.
    pub display_every: u64,
    /// Atoms of the fixed part of the validation frames behind the learning curve.
    pub display_atoms: usize,
    /// Memory for the neighbours of frames that were seen before [bytes].
    pub cache_bytes: usize,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: f64,
    /// Stop a stage when the validation error has not improved for this many lines of the curve.
    pub patience: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            stages: vec![Stage::default()],
            sampling: Sampling::default(),
            split: Split::default(),
            seed: 1,
            grid_spacing: 0.15,
            nearest: 0.6,
            display_every: 500,
            display_atoms: 16_384,
            cache_bytes: 1 << 30,
            checkpoint_seconds: 300.0,
            patience: None,
        }
    }
}

/// Steps with one schedule, one loss and one optimiser.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    pub name: String,
    pub steps: u64,
    pub learning_rate: LearningRate,
    pub prefactors: PrefactorSchedule,
    pub loss: Loss,
    pub optimizer: Method,
    /// Largest norm of the gradient; longer ones are scaled down.
    pub clip: Option<f64>,
    /// Decay of the moving average of the weights per step; evaluated and saved instead of the last
    /// weights.
    pub average: Option<f64>,
    /// Screened nuclear repulsion inside the model, `(inner, outer)` [Å]: the network learns the rest.
    pub zbl: Option<(f64, f64)>,
}

impl Default for Stage {
    /// DeePMD-kit's default loss and schedule.
    fn default() -> Self {
        Stage {
            name: "train".into(),
            steps: 20_000,
            learning_rate: LearningRate {
                start: 1e-3,
                stop: 1e-6,
                decay: Decay::Exponential { decay_steps: None, smooth: true },
                warmup_steps: 0,
            },
            prefactors: PrefactorSchedule {
                start: Prefactors { energy: 0.02, force: 1000.0, virial: 0.02 },
                limit: Prefactors { energy: 1.0, force: 1.0, virial: 0.2 },
            },
            loss: Loss::default(),
            optimizer: Method::ADAM,
            clip: None,
            average: None,
            zbl: None,
        }
    }
}
