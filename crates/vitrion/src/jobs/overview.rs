//! What the jobs of a folder are doing: from their folders, and from the queue where one knows them. Read only, from
//! any shell of any machine that sees the folder.

use super::events::{self, Entry, Event};
use super::slurm::{self, Key, Known, SlurmMeaning, Ticket};
use super::work::OUTCOMES;
use super::{DONE, JOB, JobError, LOCK, LOG, Work};
use crate::error::{Error, InputError};
use crate::pipeline::Status;
use crate::results::read_json;
use crate::run_file::TrainingFile;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Folders below the one that is looked at in which jobs are looked for: `iteration-000/train/member-0`.
const DEPTH: usize = 4;
/// Bytes at the end of a file that may hold its last line.
const TAIL: i64 = 8192;

/// All jobs of a folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    pub folder: PathBuf,
    pub jobs: Vec<JobRow>,
    /// Why the queue could not be asked, where jobs are in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// In the queue, or for a driver to start it.
    Waiting,
    Running,
    Done,
    /// It was given up, or ended with an error.
    Failed,
    /// It was told to stop, or ended in another way, and goes on when it is handed over again.
    Stopped,
    /// It was handed over, but the queue does not know it or cannot be asked.
    Unknown,
}

impl JobState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Stopped => "stopped",
            JobState::Unknown => "unknown",
        }
    }
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRow {
    /// Its folder, below the one that was asked about.
    pub job: String,
    /// "run", "label", "aimd", "train" or "explore".
    pub work: &'static str,
    pub state: JobState,
    /// Times a process has begun to work on it; all but the first went on where the one before was.
    pub starts: usize,
    /// As Slurm's commands take it.
    pub slurm: Option<String>,
    pub node: Option<String>,
    /// Since it was started last, up to its end [s].
    pub elapsed_s: Option<u64>,
    /// Steps or structures.
    pub progress: Option<Steps>,
    /// What happened last, if there is something to say.
    pub message: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Steps {
    /// A stage, or what is counted.
    pub of: String,
    pub done: u64,
    pub all: u64,
    /// Time to the end of the stage [s], where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_s: Option<f64>,
}

/// Looks at all jobs below a folder.
///
/// # Errors
/// No such folder, or one without jobs.
pub fn of(folder: &Path) -> Result<Overview, Error> {
    let mut places = Vec::new();
    find(folder, DEPTH, &mut places).map_err(InputError::os(folder, "read"))?;
    if places.is_empty() {
        return Err(InputError::Usage(format!(
            "{} holds no jobs: expected the folder of `vitrion run` or `train` with a [scheduler] of kind \"slurm\", or of \
             `vitrion label` or `learn`; a run without a queue is shown by `vitrion watch`",
            folder.display()
        ))
        .into());
    }
    places.sort();
    let tickets: Vec<Option<Ticket>> =
        places.iter().map(|place| Ticket::of(place)).collect::<Result<_, JobError>>()?;
    let mut silence = None;
    let mut queue = None;
    if tickets.iter().any(Option::is_some) {
        match slurm::queue() {
            Ok(found) => queue = Some(found),
            Err(error) => silence = Some(error.to_string()),
        }
    }
    let mut jobs = Vec::new();
    for (place, ticket) in places.iter().zip(&tickets) {
        let name = place.strip_prefix(folder).unwrap_or(place).display().to_string();
        let name = if name.is_empty() { ".".to_owned() } else { name };
        jobs.push(row(place, name, ticket.as_ref(), queue.as_ref())?);
    }
    Ok(Overview { folder: folder.to_owned(), jobs, silence })
}

/// Folders with a job file. Links are not followed.
fn find(folder: &Path, depth: usize, places: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.join(JOB).exists() {
        places.push(folder.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // what is being removed now is no job
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = find(&entry.path(), depth - 1, places);
        }
    }
    Ok(())
}

fn row(
    place: &Path,
    job: String,
    ticket: Option<&Ticket>,
    queue: Option<&BTreeMap<Key, Known>>,
) -> Result<JobRow, Error> {
    let work: Work = read_json(&place.join(JOB))?;
    let entries = events::of(place);
    let done = place.join(DONE).exists();
    let known = ticket.and_then(|ticket| queue?.get(&ticket.key()));
    let (state, message) = if done {
        (JobState::Done, String::new())
    } else if let Some(known) = known {
        by_queue(known)
    } else if is_held(place) {
        (JobState::Running, String::new())
    } else if ticket.is_some() {
        (JobState::Unknown, "the queue does not know it".to_owned())
    } else {
        by_events(&entries)
    };
    let began = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Started { host, number, .. } => Some((entry.at, host.clone(), number.clone())),
        _ => None,
    });
    let last = entries.last().map_or(0, |entry| entry.at);
    let until = match state {
        JobState::Running => events::now(),
        JobState::Done => modified(&place.join(DONE)).unwrap_or(last),
        _ => last,
    };
    let is_begun = state != JobState::Waiting;
    let submitted = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Submitted { number } => Some(number.clone()),
        _ => None,
    });
    let began = began.filter(|_| is_begun);
    let node = known.map(|known| known.node.clone()).filter(|node| !node.is_empty());
    Ok(JobRow {
        job,
        work: name(&work),
        state,
        starts: entries.iter().filter(|e| matches!(e.event, Event::Started { .. })).count(),
        slurm: known
            .map(|known| known.number.clone())
            .or(submitted)
            .or_else(|| began.as_ref().and_then(|(_, _, number)| number.clone())),
        node: node.or_else(|| began.as_ref().map(|(_, host, _)| host.clone())),
        elapsed_s: began.as_ref().map(|(at, _, _)| until.saturating_sub(*at)),
        progress: progress(&work, place, done),
        message: if message.is_empty() { last_words(place, state) } else { message },
    })
}

fn by_queue(known: &Known) -> (JobState, String) {
    match slurm::meaning(known) {
        SlurmMeaning::Waiting | SlurmMeaning::InVain => {
            (JobState::Waiting, format!("waits for {}", known.reason))
        }
        SlurmMeaning::Running => (JobState::Running, String::new()),
        // a driver that looks will know what to do
        SlurmMeaning::Ended(_) => (JobState::Stopped, slurm::described(known)),
    }
}

/// Where a job stands that no queue has and no process works on.
fn by_events(entries: &[Entry]) -> (JobState, String) {
    match entries.last().map(|entry| &entry.event) {
        Some(Event::GivenUp { message } | Event::Failed { message }) => {
            (JobState::Failed, message.clone())
        }
        Some(Event::Stopped) => (JobState::Stopped, "it goes on when it is started".to_owned()),
        Some(Event::Ended { message, .. }) => (JobState::Stopped, message.clone()),
        Some(Event::Started { .. }) => {
            (JobState::Stopped, "its process is gone without a word".to_owned())
        }
        Some(Event::Submitted { .. }) | None => (JobState::Waiting, String::new()),
    }
}

/// A process works on it, here or on a machine whose locks are seen here.
fn is_held(place: &Path) -> bool {
    let Ok(lock) = File::open(place.join(LOCK)) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn name(work: &Work) -> &'static str {
    match work {
        Work::Label(_) => "label",
        Work::Aimd(_) => "aimd",
        Work::Train(_) => "train",
        Work::Explore(_) => "explore",
        Work::Run(_) => "run",
    }
}

/// How far it is, by the files that the work writes anyway.
fn progress(work: &Work, place: &Path, done: bool) -> Option<Steps> {
    let steps = |of: &str, at: u64, all: u64| {
        Some(Steps { of: of.to_owned(), done: if done { all } else { at }, all, left_s: None })
    };
    match work {
        Work::Run(work) => {
            let file = work.results.join("runs").join(&work.run).join("status.json");
            let status: Status = read_json(&file).ok()?;
            if done {
                return steps("stages", 0, status.stages as u64);
            }
            Some(Steps {
                of: format!("{} ({} of {})", status.stage, status.stage_number, status.stages),
                done: status.step,
                all: status.steps,
                left_s: status.stage_eta_s.filter(|_| status.state == "running"),
            })
        }
        Work::Label(work) => {
            let text = fs::read_to_string(place.join(OUTCOMES)).unwrap_or_default();
            let whole = text.lines().filter(|line| line.ends_with('}')).count();
            steps("structures", whole as u64, work.frames as u64)
        }
        Work::Train(work) => {
            let file = TrainingFile::parse(&work.path, &work.text).ok()?;
            let all = file.settings.stages.iter().map(|stage| stage.steps).sum();
            let line = last_line(&place.join("lcurve.out")).unwrap_or_default();
            let at = line.split_whitespace().next().and_then(|cell| cell.parse().ok());
            steps("steps", at.unwrap_or(0), all)
        }
        Work::Explore(work) => {
            let line = last_line(&place.join("thermo.csv")).unwrap_or_default();
            let at = line.split(',').next().and_then(|cell| cell.trim().parse().ok());
            // given up or flown apart, it ends early
            let at = at.unwrap_or(0);
            let all = work.stage.steps;
            Some(Steps { of: "steps".to_owned(), done: at, all, left_s: None })
        }
        Work::Aimd(work) => {
            let line = last_line(&place.join(LOG)).unwrap_or_default();
            let words = line.strip_prefix("AIMD at step ").and_then(|line| line.split_once(' '));
            let at = words.and_then(|(step, _)| step.parse().ok()).unwrap_or(0);
            steps("steps", at, work.aimd.steps)
        }
    }
}

/// The last line of its log, for jobs that have trouble.
fn last_words(place: &Path, state: JobState) -> String {
    match state {
        JobState::Failed | JobState::Stopped => last_line(&place.join(LOG)).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The last line of a file that may be long.
fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = i64::try_from(file.metadata().ok()?.len()).ok()?;
    file.seek(SeekFrom::End(-length.min(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end().lines().next_back().map(str::to_owned)
}

/// Seconds since 1970.
fn modified(path: &Path) -> Option<u64> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{End, RunWork};

    #[test]
    fn a_job_without_a_queue_is_told_from_what_it_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(of(folder.path()).expect_err("empty").to_string().contains("holds no jobs"));
        let place = folder.path().join("jobs/argon-60K");
        let work = Work::Run(RunWork {
            text: String::new(),
            path: "run.toml".into(),
            results: folder.path().into(),
            run: "argon-60K".into(),
        });
        crate::jobs::prepare(&place, &work, None).expect("written");
        let look = || {
            let found = of(folder.path()).expect("a job");
            assert_eq!((found.jobs.len(), &found.silence), (1, &None));
            found.jobs[0].clone()
        };
        let row = look();
        assert_eq!((row.job.as_str(), row.work), ("jobs/argon-60K", "run"));
        assert_eq!((row.state, row.starts), (JobState::Waiting, 0));
        events::note(&place, Event::Submitted { number: "4_2".into() });
        events::started(&place);
        let row = look();
        assert_eq!((row.state, row.starts), (JobState::Stopped, 1));
        assert!(row.message.contains("gone without a word"), "{}", row.message);
        assert_eq!(row.slurm.as_deref(), Some("4_2"));
        // a process holds the lock
        let lock = File::create(place.join(LOCK)).expect("a lock");
        lock.lock().expect("ours");
        assert_eq!(look().state, JobState::Running);
        drop(lock);
        events::note(&place, Event::Ended { how: End::Machine, message: "NODE_FAIL".into() });
        assert_eq!(look().message, "NODE_FAIL");
        events::note(&place, Event::GivenUp { message: "no such file".into() });
        let row = look();
        assert_eq!((row.state, row.message.as_str()), (JobState::Failed, "no such file"));
        fs::write(place.join(DONE), "{}").expect("written");
        assert_eq!(look().state, JobState::Done);
    }
}
