//! Work that runs somewhere else: labels, training and exploration as jobs.
//!
//! ```text
//! JOB/job.json      what to do, complete: a job needs nothing but its folder and the files it names
//! JOB/done.json     appears whole when all of it is done
//! JOB/lock          held by the process that works on it
//! JOB/log.txt       what it said
//! ```
//!
//! A job is `vitrion job JOB`, whoever starts it: [`Local`] with a budget of cores, or [`Slurm`]. Jobs resume
//! by themselves, so a scheduler may start one again whenever it is not done: after a crash, a walltime, a
//! lost node, or a kill of vitrion itself. What counts is `done.json`, never what a queue says.

mod drive;
mod local;
mod slurm;
mod work;

pub use drive::{Drive, Failed, Progress, Report, drive};
pub use local::Local;
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
    Waiting,
    Running,
    /// It ended; `done.json` says whether it is done.
    Ended {
        how: End,
        message: String,
    },
}

/// How a job ended, as far as its scheduler knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exit,
    /// Its walltime was over, or the machine went away: it may simply go on.
    Requeue,
    /// Nobody knows anything of it any more.
    Lost,
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
    /// The queue refuses.
    #[error("{command}: {message}")]
    Scheduler { command: String, message: String },
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
    /// Hands a job over, unless it is with the scheduler already.
    ///
    /// # Errors
    /// It cannot be started or queued.
    fn submit(&mut self, job: &Job) -> Result<(), JobError>;

    /// Where a job stands that was submitted.
    ///
    /// # Errors
    /// The scheduler cannot be asked; nothing is known about the job then.
    fn state(&mut self, job: &Job) -> Result<State, JobError>;

    /// More cores may be asked for at present.
    fn has_room(&self, cores: usize) -> bool;

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
