//! Why a stage of dynamics could not start or had to stop.

use std::fmt;
use std::path::PathBuf;
use vitrion_core::PotentialError;
use vitrion_core::cell::CellError;
use vitrion_core::io::IoError;
use vitrion_core::math::{self, Vector3};
use vitrion_core::species::SpeciesError;

/// An atom that made a step impossible.
#[derive(Debug, Clone, PartialEq)]
pub struct Offender {
    /// Index, from 0.
    pub atom: usize,
    /// Element.
    pub symbol: String,
    /// Distance to its nearest neighbour within the cutoff [Å], where it has one.
    pub nearest: Option<f64>,
    /// Force on it [eV/Å].
    pub force: Vector3,
    /// How far it moved in the step, the deformation of the cell taken out [Å].
    pub displacement: f64,
}

impl fmt::Display for Offender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "atom {} ({}): ", self.atom, self.symbol)?;
        match self.nearest {
            Some(distance) => write!(f, "nearest neighbour at {distance:.4} Å")?,
            None => write!(f, "no neighbour within the cutoff")?,
        }
        write!(f, ", |force| {:.4e} eV/Å, moved {:.4} Å", math::norm(self.force), self.displacement)
    }
}

/// Each item on a line of its own.
fn listed<T: fmt::Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |text, item| text + "\n  " + &item.to_string())
}

/// Why a stage of dynamics could not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MdError {
    /// A setting that makes no sense.
    #[error("{setting} is {found}: {expected}")]
    Setting {
        /// For example "timestep".
        setting: &'static str,
        /// The value with its unit.
        found: String,
        /// What would do, and a hint.
        expected: String,
    },
    /// Positions, velocities or masses that no dynamics can start from.
    #[error("the initial state cannot be used: {0}")]
    BadState(String),
    /// Momentum removed from a single atom: nothing can move.
    #[error(
        "{atoms} atom with its momentum removed has no degree of freedom (3N − 3 = 0), so it has \
         no temperature; use a supercell"
    )]
    NoDegreesOfFreedom { atoms: usize },
    /// A species the potential does not know.
    #[error(transparent)]
    Species(#[from] SpeciesError),
    /// The potential failed before the first step.
    #[error("the potential cannot be evaluated at the start: {0}")]
    Start(#[source] PotentialError),
    /// A non-finite value, an absurd displacement, or a cell that runs away.
    #[error(
        "step {step}: {what}{}\nThe last good state is in {}; the checkpoint is kept. \
         Overlapping atoms in the structure, a timestep that is too long, or a potential far from \
         its training data are the usual causes",
        listed(atoms), last_good.display()
    )]
    BlowUp {
        /// The step that could not be completed.
        step: u64,
        /// What happened, with the numbers.
        what: String,
        /// The worst atoms, worst first, eight at most.
        atoms: Vec<Offender>,
        /// File with the last good frame.
        last_good: PathBuf,
    },
    /// A device (a graphics card) that failed; the fault is not in the dynamics.
    #[error(
        "step {step}: the device that carries out the steps failed: {message}\nThe checkpoint is \
         kept: the same call goes on from it, on the CPU if the device cannot be used. Too little \
         memory on it, other programs, or its driver are the usual causes"
    )]
    Device {
        /// The first step that is not done.
        step: u64,
        message: String,
    },
    /// Another program that carries out the steps, and failed.
    #[error(
        "step {step}: the program that carries out the steps failed: {message}\nThe checkpoint is kept: \
         the same call goes on from it"
    )]
    Program {
        /// The first step that is not done.
        step: u64,
        message: String,
    },
    /// The cell cannot be scaled any more.
    #[error("step {step}: {source}")]
    Cell {
        step: u64,
        #[source]
        source: CellError,
    },
    /// The folder holds files of a stage but no checkpoint to go on from.
    #[error(
        "{} exists but there is no restart.bin beside it: the folder holds something else; \
         choose another folder or move the file away", path.display()
    )]
    Occupied { path: PathBuf },
    /// A checkpoint of another run.
    #[error(
        "{} belongs to another run; these differ:{}", path.display(),
        listed(differences)
    )]
    OtherRun {
        path: PathBuf,
        /// One line per field: name, stored and present value.
        differences: Vec<String>,
    },
    /// A checkpoint that cannot be read.
    #[error("{}: {found}; move it away to start the stage anew", path.display())]
    BadCheckpoint { path: PathBuf, found: String },
    /// An output file that is shorter than the checkpoint says.
    #[error(
        "{}: {found} bytes, but the checkpoint was written when it had {expected}; it was cut or \
         replaced since. Move the stage folder away to start anew", path.display()
    )]
    ShortFile { path: PathBuf, found: u64, expected: u64 },
    /// A minimisation that ran out of steps.
    #[error(
        "not converged after {steps} steps: a force of {force:.4} eV/Å is left, {tolerance} eV/Å is wanted; \
         raise `steps`, loosen the tolerance, or look at the structure"
    )]
    NotConverged { steps: u64, force: f64, tolerance: f64 },
    /// An observer could not take what it saw, or go on from what it saved.
    #[error("{name}: {message}")]
    Observer { name: String, message: String },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl MdError {
    /// An operating system error on a path.
    pub(crate) fn os(
        path: &std::path::Path,
        doing: &'static str,
    ) -> impl FnOnce(std::io::Error) -> MdError {
        let path = path.to_owned();
        move |source| MdError::Io(IoError::Os { path, doing, source })
    }
}
