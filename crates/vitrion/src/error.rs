//! What can go wrong, sorted by whose turn it is: the user's (exit code 1) or the run's (2).

use crate::dft::{EngineError, cp2k::AimdError};
use crate::jobs::JobError;
use crate::labels::StoreError;
use crate::report::ReportError;
use crate::results::ResultsError;
use crate::watch::WatchError;
use vitrion_analysis::AnalysisError;
use vitrion_core::PotentialError;
use vitrion_core::io::IoError;
use vitrion_md::MdError;
use vitrion_model::train::DatasetError;
use vitrion_model::train::trainer::TrainError;

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a command did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Input that must be changed first.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A stage of dynamics stopped.
    #[error("run {run}, stage \"{stage}\": {source}")]
    Stage {
        run: String,
        stage: String,
        #[source]
        source: Box<MdError>,
    },
    /// Velocities could not be drawn.
    #[error("run {run}: {source}")]
    Start {
        run: String,
        #[source]
        source: Box<MdError>,
    },
    /// An analysis could not be done.
    #[error("{run}, analysis \"{analysis}\": {source}")]
    Analysis {
        /// The run, or the system of an analysis over the sweep.
        run: String,
        analysis: String,
        #[source]
        source: Box<AnalysisError>,
    },
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A folder cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The potential failed on a structure.
    #[error("{what}: {source}")]
    Potential {
        what: String,
        #[source]
        source: PotentialError,
    },
    /// Training stopped.
    #[error("training: {0}")]
    Train(#[from] TrainError),
    /// Labels could not be computed at all.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An AIMD run did not get to its end.
    #[error(transparent)]
    Aimd(#[from] AimdError),
    /// The label store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Jobs cannot be run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Some jobs did not get to their end.
    #[error("{0}")]
    FailedJobs(String),
    /// Nobody follows the jobs of a queue any more; they go on.
    #[error("{jobs} jobs go on in the queue without this process. To follow them again: {resume}")]
    Queued { jobs: usize, resume: String },
    /// Active learning cannot go on.
    #[error("{0}")]
    Learning(String),
    /// A result could not be written.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A frame could not be written or a trajectory of the run not read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Stopped by a signal; the checkpoints are written.
    #[error("stopped on request; every run is checkpointed. To go on: {resume}")]
    Interrupted { resume: String },
}

impl Error {
    /// 1: the user's turn; 2: the run failed or was stopped.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_)
            | Error::Engine(_)
            | Error::Store(_)
            | Error::Watch(_)
            | Error::Job(
                JobError::OtherJob { .. } | JobError::Settings { .. } | JobError::Scheduler { .. },
            )
            | Error::Report(
                ReportError::NoManifest { .. }
                | ReportError::NotThere { .. }
                | ReportError::NothingToCompare { .. }
                | ReportError::Manifest { .. }
                | ReportError::Format { .. }
                | ReportError::Overlay { .. }
                | ReportError::Unplaced { .. },
            ) => 1,
            _ => 2,
        }
    }
}

/// A line of a file the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// Input that cannot be used as it is. The file, line, table and key are named where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        /// "read", "create"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax { place: Place, message: String },
    /// A key nobody reads.
    #[error("{place}: unknown key `{key}` {table}{advice}")]
    UnknownKey {
        place: Place,
        key: String,
        /// For example "in [[stage]] 1 (\"melt\")".
        table: String,
        /// The nearest known key, or all of them.
        advice: String,
    },
    /// A key that must be there.
    #[error("{place}: `{key}` is missing {table}; for example {example}")]
    MissingKey { place: Place, key: String, table: String, example: String },
    /// A value of the wrong type, unit or size.
    #[error("{place}: `{key}` {table}: {message}")]
    Value { place: Place, key: String, table: String, message: String },
    /// A command line that makes no sense although each option does.
    #[error("{0}")]
    Usage(String),
    /// A file that must not be replaced.
    #[error("{} exists; choose another name or say --overwrite", path.display())]
    Exists { path: PathBuf },
    /// A results folder that was made from another plan.
    #[error(
        "{} is the results folder of another run; these lines of plan.toml differ:{}\n\
         choose another folder with --out",
        path.display(), listed(differences)
    )]
    OtherRun { path: PathBuf, differences: Vec<String> },
    /// The folder of a loop that was made from another learn file.
    #[error(
        "{} is the folder of another learning loop; these values of learn.toml differ:{}\nchoose another folder \
         with --out; only [scheduler] and [stop] may change on the way",
        path.display(), listed(differences)
    )]
    OtherLoop { path: PathBuf, differences: Vec<String> },
    /// A folder with something else in it.
    #[error(
        "{} is not empty and is not a results folder (it has no plan.toml; it holds {found}); \
         choose another folder with --out", path.display()
    )]
    NotAResultsFolder { path: PathBuf, found: String },
    /// Another process works there.
    #[error(
        "{} is in use by another vitrion process (its lock file {} is held); wait for it or choose \
         another folder", path.display(), lock.display()
    )]
    Locked { path: PathBuf, lock: PathBuf },
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Frames to train on could not be had.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

impl InputError {
    /// For `map_err`: the operating system refused something about `path`.
    pub(crate) fn os(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| InputError::Os { path, doing, source }
    }
}

fn listed(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// The known word closest to what was written, if any is close.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(found, word), *word))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}
