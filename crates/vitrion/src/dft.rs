//! Labels from first principles: engines that compute energy, forces and virial of a structure.
//!
//! ```text
//! EngineSettings ── engine() ──► dyn LabelEngine ── label(frame, folder) ──► Outcome
//! ```
//!
//! An engine is blocking and knows nothing of queues: a job ([`crate::jobs`]) runs it where there is
//! room. What it returns is either a complete, converged label or the reason why there is none.

mod ase;
pub mod cp2k;
mod fake;
mod known;
mod process;

pub use ase::AseSettings;
pub use cp2k::{AimdSettings, Cp2kSettings};
pub use fake::FakeSettings;
pub use known::KnownSettings;
pub use process::ProcessError;
pub(crate) use process::signal_group;

use crate::labels::{FailureKind, Level, RunInfo};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use vitrion_core::{Frame, Labels};

/// What an engine says about one structure.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Converged and complete.
    Labelled {
        labels: Labels,
        run: RunInfo,
    },
    Failed {
        reason: FailureKind,
        message: String,
        run: RunInfo,
    },
    /// Stopped on request; nothing is known.
    Interrupted,
}

/// Why an engine cannot work at all; labelling stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A program that is not there, or will not start.
    #[error("cannot start {program}: {message}; {hint}")]
    Start { program: String, message: String, hint: String },
    /// A setting that makes no sense.
    #[error("[engine]: {0}")]
    Setting(String),
    /// A file that cannot be written or read.
    #[error(transparent)]
    Io(#[from] vitrion_core::io::IoError),
}

/// Computes labels.
pub trait LabelEngine {
    /// Program and version, for example "CP2K 2023.1"; starts the program if need be.
    ///
    /// # Errors
    /// The program is missing or of a kind that is not understood.
    fn program(&mut self) -> Result<String, EngineError>;

    /// Labels one structure, in a folder of its own. Failures of the calculation are an [`Outcome`].
    ///
    /// # Errors
    /// The engine cannot work at all.
    fn label(
        &mut self,
        frame: &Frame,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<Outcome, EngineError>;
}

/// An engine as data: what a job file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "lowercase")]
pub enum EngineSettings {
    Cp2k(Box<Cp2kSettings>),
    Ase(AseSettings),
    Fake(FakeSettings),
    Known(KnownSettings),
}

impl EngineSettings {
    /// The level of theory of its labels.
    pub fn level(&self) -> Level {
        match self {
            EngineSettings::Cp2k(settings) => settings.level(),
            EngineSettings::Ase(settings) => settings.level(),
            EngineSettings::Fake(settings) => settings.level(),
            EngineSettings::Known(settings) => settings.level(),
        }
    }

    /// Cores that one calculation uses.
    pub fn cores(&self) -> usize {
        match self {
            EngineSettings::Cp2k(settings) => settings.resources.cores(),
            EngineSettings::Ase(settings) => settings.cores,
            EngineSettings::Fake(_) | EngineSettings::Known(_) => 1,
        }
    }

    /// MPI processes of one calculation.
    pub fn ranks(&self) -> usize {
        match self {
            EngineSettings::Cp2k(settings) => settings.resources.ranks,
            _ => 1,
        }
    }

    /// Structures that one job labels: cheap ones together.
    pub fn frames_per_job(&self) -> usize {
        match self {
            EngineSettings::Cp2k(_) => 1,
            EngineSettings::Ase(settings) => settings.frames_per_job,
            EngineSettings::Fake(_) | EngineSettings::Known(_) => 64,
        }
    }

    /// The engine itself.
    ///
    /// # Errors
    /// Settings that make no sense together.
    pub fn engine(&self) -> Result<Box<dyn LabelEngine>, EngineError> {
        Ok(match self {
            EngineSettings::Cp2k(settings) => Box::new(cp2k::Cp2k::new((**settings).clone())),
            EngineSettings::Ase(settings) => Box::new(ase::Ase::new(settings.clone())),
            EngineSettings::Fake(settings) => Box::new(fake::Fake::new(settings.clone())?),
            EngineSettings::Known(settings) => Box::new(known::Known::new(settings)?),
        })
    }
}

/// Name of this machine.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
