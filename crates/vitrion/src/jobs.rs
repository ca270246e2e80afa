//! Work that runs somewhere else: runs of a sweep, labels, training and exploration as jobs.
//!
//! ```text
//! JOB/job.json      what to do, complete: a job needs nothing but its folder and the files it names
//! JOB/done.json     appears whole when all of it is done
//! JOB/lock          held by the process that works on it
//! JOB/log.txt       what it said
//! JOB/events.jsonl  what happened to it, for people and `vitrion jobs`
//! ```
//!
//! A job is `vitrion job JOB`, whoever starts it: [`Local`] with a budget of cores, or [`Slurm`]. Jobs resume
//! by themselves, so a scheduler may start one again whenever it is not done: after a crash, a walltime, a
//! lost node, or a kill of vitrion itself. What counts is `done.json`, never what a queue says.

mod drive;
pub mod events;
mod local;
pub mod overview;
mod run;
mod slurm;
mod work;

pub use drive::{Drive, Failed, Progress, Report, drive};
pub use local::Local;
pub use run::{RunDone, RunWork};
pub use slurm::{Slurm, SlurmSettings};
pub use work::{
    AimdDone, AimdWork, ExploreDone, ExploreWork, LabelDone, LabelWork, TrainDone, TrainWork, Work,
    carry_out, read_outcomes,
};
pub(crate) use work::{FRAMES, START, STEPS, prepare, write_frames};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Appears when a job is done.
pub const DONE: &str = "done.json";
/// What to do.
pub const JOB: &str = "job.json";
/// Left by a job that was told to stop and may simply go on.
pub const STOPPED: &str = "stopped";
/// What a job said.
pub const LOG: &str = "log.txt";
/// Held by the process that works on a job.
const LOCK: &str = "lock";

/// A job as a scheduler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub folder: PathBuf,
    /// For people, in queues and tables.
    pub name: String,
    pub cores: usize,
    /// Processes that share the cores, where a queue must know them (MPI).
    pub ranks: usize,
}

impl Job {
    /// Done, now or in an earlier session.
    pub fn is_done(&self) -> bool {
        self.folder.join(DONE).exists()
    }
}

/// Where a job that was handed over stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The scheduler does not know it: not yet, or not any more.
    Unknown,
    Waiting,
    Running,
    /// It ended; `done.json` says whether it is done.
    Ended {
        how: End,
        message: String,
    },
}

/// How a job ended, as far as its scheduler knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, or somebody ended it.
    Exit,
    /// Its walltime was over, or others had the right of way: it may simply go on.
    Requeue,
    /// The machine under it failed: it may go on, but not for ever on such machines.
    Machine,
    /// Nobody knows anything of it any more.
    Lost,
    /// It would end the same way again.
    Hopeless,
}

/// Why jobs cannot be handed over or asked about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// The queue does not answer: nothing is decided.
    #[error("{command}: {message}")]
    Silent { command: String, message: String },
    /// The queue refuses.
    #[error("{command}: {message}")]
    Scheduler { command: String, message: String },
    /// The queue refuses what a file asks for.
    #[error("{place}: in [scheduler]: {message}")]
    Settings {
        /// File and line.
        place: String,
        message: String,
    },
    /// A job whose folder says something else.
    #[error(
        "{}: this folder holds another job; it was made with other settings. Choose another folder, or \
         remove it", path.display()
    )]
    OtherJob { path: PathBuf },
    #[error("{}: {message}", path.display())]
    Damaged { path: PathBuf, message: String },
}

impl JobError {
    pub(crate) fn os(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| JobError::Os { path, doing, source }
    }
}

/// Runs jobs. What was handed over before a crash is found again by its folder.
pub trait Scheduler: Send {
    /// Hands jobs over, but for those that are with the scheduler already. After an error the same call may be
    /// made again.
    ///
    /// # Errors
    /// They cannot be started or queued.
    fn submit(&mut self, jobs: &[&Job]) -> Result<(), JobError>;

    /// Where a job stands that was submitted.
    ///
    /// # Errors
    /// The scheduler cannot be asked; nothing is known about the job then.
    fn state(&mut self, job: &Job) -> Result<State, JobError>;

    /// How many of these jobs, in their order, may be handed over at present.
    fn room(&self, waiting: &[&Job]) -> usize;

    /// Ends what would not survive this process; jobs of a queue go on.
    fn leave(&mut self);
}

/// Where jobs run, as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SchedulerSettings {
    /// `None`: as many cores as vitrion itself may use.
    Local {
        cores: Option<usize>,
    },
    Slurm(SlurmSettings),
}

impl SchedulerSettings {
    /// The scheduler; `program` is vitrion, which may use so many threads.
    ///
    /// # Errors
    /// There is no such queue here.
    pub fn scheduler(
        &self,
        program: &Path,
        threads: usize,
    ) -> Result<Box<dyn Scheduler>, JobError> {
        Ok(match self {
            SchedulerSettings::Local { cores } => {
                Box::new(Local::new(program, cores.unwrap_or(threads)))
            }
            SchedulerSettings::Slurm(settings) => Box::new(Slurm::new(program, settings.clone())?),
        })
    }

    /// For people, with this many threads for vitrion itself.
    pub fn describe(&self, threads: usize) -> String {
        match self {
            SchedulerSettings::Local { cores } => {
                format!("{} cores of this machine", cores.unwrap_or(threads))
            }
            SchedulerSettings::Slurm(settings) => format!(
                "jobs in the Slurm queue{}",
                settings.partition.as_ref().map_or(String::new(), |p| format!(" \"{p}\""))
            ),
        }
    }
}
