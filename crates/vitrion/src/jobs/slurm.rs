//! Jobs in a Slurm queue.
//!
//! Jobs of equal size that are submitted together are one array. A job is known by the name of its array, which
//! nothing else has, and its index in it; both are written into its folder before the array is submitted, so
//! that a kill at any instant leaves nothing unknown. Numbers are never relied on: a controller that loses its
//! last seconds gives a number again. A query that fails says nothing about a job; a job that the queue does not
//! know is looked for in its folder before it counts as lost. Jobs are submitted with `--no-requeue`: who starts
//! a job again is decided here, by what it left behind.

mod commands;
mod script;
mod states;

use super::events::{self, Event};
use super::{End, Job, JobError, Scheduler, State};
use commands::{Answer, advice, most_elements, slurm, submit};
use serde::{Deserialize, Serialize};
use states::Meaning;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) use commands::{Key, Known, queue};
pub(super) use states::{Meaning as SlurmMeaning, described, meaning};

/// Name and index of a job, in its folder.
const TICKET: &str = "slurm.json";
/// What was submitted, in the folder of the first job of an array.
const SCRIPT: &str = "slurm.sh";
/// Queries that must miss a job, and for how long, before it counts as lost.
const MISSES: u32 = 3;
const MISSED_FOR: Duration = Duration::from_secs(20);

/// How jobs are queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlurmSettings {
    /// Longest time of a job [s]; it goes on in another one.
    pub walltime: u64,
    pub partition: Option<String>,
    pub account: Option<String>,
    /// Memory per core [MB].
    pub memory_per_core: Option<u64>,
    /// Cores of a job, where its work does not say it itself.
    #[serde(default)]
    pub cores: Option<usize>,
    /// Jobs in the queue at a time, waiting and running.
    pub most_jobs: usize,
    /// Jobs of one array that run at a time.
    #[serde(default)]
    pub most_running: Option<usize>,
    /// Further lines `#SBATCH …`, each given without that word.
    pub options: Vec<String>,
    /// Shell lines before the job: modules, environments.
    pub setup: Vec<String>,
    /// Seconds between two looks at the queue.
    pub poll: f64,
    /// File and line that say all this, for messages.
    #[serde(skip)]
    pub place: String,
}

impl Default for SlurmSettings {
    fn default() -> Self {
        SlurmSettings {
            walltime: 4 * 3600,
            partition: None,
            account: None,
            memory_per_core: None,
            cores: None,
            most_jobs: 1000,
            most_running: None,
            options: Vec::new(),
            setup: Vec::new(),
            poll: 10.0,
            place: String::new(),
        }
    }
}

/// By what a job is known to the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ticket {
    name: String,
    /// In an array.
    #[serde(default)]
    index: Option<u32>,
}

impl Ticket {
    /// The ticket of a job that was handed over and whose end nobody has seen.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>, JobError> {
        let path = folder.join(TICKET);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        let found = serde_json::from_str(&text);
        found.map(Some).map_err(|e| JobError::Damaged { path, message: e.to_string() })
    }

    fn write(&self, folder: &Path) -> Result<(), JobError> {
        let path = folder.join(TICKET);
        let text = serde_json::to_string(self).expect("a ticket is plain data");
        crate::results::write_atomically(&path, text.as_bytes())
            .map_err(|e| JobError::Damaged { path, message: e.to_string() })
    }

    pub(super) fn key(&self) -> Key {
        (self.name.clone(), self.index)
    }
}

/// A Slurm cluster that this machine may submit to.
pub struct Slurm {
    program: PathBuf,
    settings: SlurmSettings,
    /// Of the last successful query.
    queue: BTreeMap<Key, Known>,
    asked: Option<Instant>,
    /// Jobs that the queue does not know: since when, and how often that was seen.
    missed: BTreeMap<Key, (Instant, u32)>,
    /// Tickets of submitted jobs that have not ended.
    open: BTreeMap<PathBuf, Ticket>,
    /// Names of which `sbatch` said something that may be a refusal, and what.
    unclear: BTreeMap<String, String>,
    /// Most elements of an array, once it was asked for.
    most_elements: Option<usize>,
}

impl Slurm {
    /// A queue for jobs that `program` (vitrion) carries out.
    ///
    /// # Errors
    /// There is no `sbatch` here.
    pub fn new(program: &Path, settings: SlurmSettings) -> Result<Self, JobError> {
        let found = Command::new("sbatch")
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = found {
            let message = format!(
                "kind = \"slurm\" needs Slurm's commands (sbatch, squeue, scontrol) in PATH, but sbatch: {error}; run \
                 this on a machine that may submit jobs, or say kind = \"local\""
            );
            return Err(JobError::Settings { place: settings.place, message });
        }
        Ok(Slurm {
            program: program.to_owned(),
            settings,
            queue: BTreeMap::new(),
            asked: None,
            missed: BTreeMap::new(),
            open: BTreeMap::new(),
            unclear: BTreeMap::new(),
            most_elements: None,
        })
    }

    fn refused(&self, message: String) -> JobError {
        JobError::Settings { place: self.settings.place.clone(), message }
    }

    /// Submits jobs of equal size: one alone, or several as an array.
    fn submit_equal(&mut self, jobs: &[&Job]) -> Result<(), JobError> {
        let name = unique_name(jobs[0]);
        let element = |k: usize| {
            let index = (jobs.len() > 1).then(|| u32::try_from(k).expect("an index of an array"));
            Ticket { name: name.clone(), index }
        };
        for (k, job) in jobs.iter().enumerate() {
            element(k).write(&job.folder)?;
        }
        let script = script::script(&self.program, &self.settings, jobs, &name);
        // a file: a script that comes through a pipe is cut if we are killed meanwhile
        let path = jobs[0].folder.join(SCRIPT);
        crate::results::write_atomically(&path, script.as_bytes())
            .map_err(|e| JobError::Damaged { path: path.clone(), message: e.to_string() })?;
        let path = path.display().to_string();
        let number = match submit("sbatch", &["--parsable", &path])? {
            Answer::Accepted(number) => number,
            // they may have been accepted all the same: the name will tell
            Answer::Silent => String::new(),
            Answer::Unclear(message) => {
                self.unclear.insert(name.clone(), message);
                String::new()
            }
            Answer::Refused(message) => {
                forget(jobs.iter().map(|job| job.folder.as_path()));
                let hint = advice(&message);
                return Err(self.refused(format!("sbatch {path}: {message}{hint}")));
            }
        };
        for (k, job) in jobs.iter().enumerate() {
            let ticket = element(k);
            let number = ticket.index.map_or(number.clone(), |index| format!("{number}_{index}"));
            // unknown if the controller was silent
            if number.starts_with(|c: char| c.is_ascii_digit()) {
                events::note(&job.folder, Event::Submitted { number });
            }
            self.open.insert(job.folder.clone(), ticket);
        }
        Ok(())
    }

    fn most_elements(&mut self) -> Result<usize, JobError> {
        if self.most_elements.is_none() {
            self.most_elements = Some(most_elements()?);
        }
        Ok(self.most_elements.expect("it was just found"))
    }

    /// Asks about all jobs at once, not more often than wished.
    fn refresh(&mut self) -> Result<(), JobError> {
        if self.asked.is_some_and(|at| at.elapsed().as_secs_f64() < self.settings.poll) {
            return Ok(());
        }
        self.queue = queue()?;
        self.asked = Some(Instant::now());
        for ticket in self.open.values() {
            let key = ticket.key();
            if self.queue.contains_key(&key) {
                self.missed.remove(&key);
                self.unclear.remove(&key.0);
            } else {
                self.missed.entry(key).or_insert((Instant::now(), 0)).1 += 1;
            }
        }
        Ok(())
    }

    /// Takes jobs of a name out of the queue that would wait there for ever.
    fn withdraw(&mut self, name: &str, known: &Known) -> JobError {
        // if that fails, the next session says the same again
        if slurm("scancel", &["--me", "--state=PENDING", &format!("--name={name}")]).is_ok() {
            let Slurm { open, queue, .. } = self;
            open.retain(|folder, ticket| {
                let known = queue.get(&ticket.key()).map(meaning);
                let is_gone = ticket.name == name && known == Some(Meaning::InVain);
                if is_gone {
                    let _ = std::fs::remove_file(folder.join(TICKET));
                }
                !is_gone
            });
        }
        self.refused(format!(
            "Slurm job {} waits for {}, which will not come by itself, so it was taken out of the queue; check \
             `partition`, `walltime` and cores, then start again",
            known.number, known.reason
        ))
    }

    /// Gives up jobs of a name that the queue does not show, after words that were a refusal then.
    fn not_accepted(&mut self, name: &str, message: &str) -> JobError {
        let of_name = self.open.iter().filter(|(_, ticket)| ticket.name == name);
        forget(of_name.map(|(folder, _)| folder.as_path()));
        self.open.retain(|_, ticket| ticket.name != name);
        self.refused(format!("sbatch: {message}{}; the queue has no such job", advice(message)))
    }

    fn end(&mut self, job: &Job, how: End, message: String) -> State {
        if let Some(ticket) = self.open.remove(&job.folder) {
            self.missed.remove(&ticket.key());
        }
        // nothing to lose: the next start writes a ticket of its own
        let _ = std::fs::remove_file(job.folder.join(TICKET));
        State::Ended { how, message }
    }
}

impl Scheduler for Slurm {
    fn submit(&mut self, jobs: &[&Job]) -> Result<(), JobError> {
        let mut equal: BTreeMap<(usize, usize), Vec<&Job>> = BTreeMap::new();
        for job in jobs {
            match Ticket::of(&job.folder)? {
                // handed over before this process began: the queue will say how it is
                Some(ticket) => {
                    self.open.insert(job.folder.clone(), ticket);
                }
                None => equal.entry((job.cores, job.ranks)).or_default().push(job),
            }
        }
        for jobs in equal.values() {
            let most = if jobs.len() > 1 { self.most_elements()? } else { 1 };
            for part in jobs.chunks(most) {
                self.submit_equal(part)?;
            }
        }
        Ok(())
    }

    fn state(&mut self, job: &Job) -> Result<State, JobError> {
        self.refresh()?;
        let Some(ticket) = self.open.get(&job.folder) else { return Ok(State::Unknown) };
        let key = ticket.key();
        let Some(known) = self.queue.get(&key).cloned() else {
            if job.is_done() {
                return Ok(self.end(job, End::Exit, "done".to_owned()));
            }
            let gone = self.missed.get(&key);
            let lost = gone.is_some_and(|(at, n)| *n >= MISSES && at.elapsed() > MISSED_FOR);
            if lost && let Some(message) = self.unclear.remove(&key.0) {
                return Err(self.not_accepted(&key.0, &message));
            }
            if lost {
                let message = "the queue knows nothing of it any more".to_owned();
                return Ok(self.end(job, End::Lost, message));
            }
            return Ok(State::Unknown);
        };
        Ok(match meaning(&known) {
            Meaning::Waiting => State::Waiting,
            Meaning::Running => State::Running,
            Meaning::Ended(how) => self.end(job, how, described(&known)),
            Meaning::InVain => return Err(self.withdraw(&key.0, &known)),
        })
    }

    fn room(&self, _: &[&Job]) -> usize {
        self.settings.most_jobs.saturating_sub(self.open.len())
    }

    fn leave(&mut self) {
        // jobs of a queue go on; the next session finds them by their tickets
    }
}

/// Removes the tickets of jobs that the queue does not have.
fn forget<'a>(folders: impl Iterator<Item = &'a Path>) {
    for folder in folders {
        let _ = std::fs::remove_file(folder.join(TICKET));
    }
}

/// A name that nothing else in a queue has.
fn unique_name(job: &Job) -> String {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(job.folder.as_os_str().as_encoded_bytes());
    hasher.update(&now.as_nanos().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    format!("vitrion-{}", &hasher.finalize().to_hex()[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_given_twice_and_tickets_of_earlier_versions_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = Job { folder: folder.path().into(), name: "a".into(), cores: 1, ranks: 1 };
        assert_ne!(unique_name(&job), unique_name(&job));
        assert!(Ticket::of(folder.path()).expect("nothing there").is_none());
        let text = "{\"name\": \"vitrion-1\", \"number\": \"17\"}";
        std::fs::write(folder.path().join(TICKET), text).expect("written");
        let ticket = Ticket::of(folder.path()).expect("readable").expect("a ticket");
        assert_eq!(ticket.key(), ("vitrion-1".to_owned(), None));
        std::fs::write(folder.path().join(TICKET), "{\"name\"").expect("written");
        assert!(
            Ticket::of(folder.path()).is_err(),
            "a damaged ticket is no reason to submit again"
        );
    }
}
