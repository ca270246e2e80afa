//! Jobs in a Slurm queue.
//!
//! A job is known by a name of its own, written into its folder before it is submitted, never by its number
//! alone: a controller that loses its last seconds gives a number again. A query that fails says nothing
//! about a job; a job that the queue does not know is looked for in its folder before it counts as lost.
//! Jobs are submitted with `--no-requeue`: who starts a job again is decided here, by what it left behind.

use super::{End, Job, JobError, LOG, Scheduler, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Name and number of a job, in its folder.
const TICKET: &str = "slurm.json";
/// Seconds before the walltime at which a job is told to write its checkpoint.
const WARNING: u64 = 120;
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
    /// Jobs in the queue at a time.
    pub most_jobs: usize,
    /// Further lines `#SBATCH …`, each given without that word.
    pub options: Vec<String>,
    /// Shell lines before the job: modules, environments.
    pub setup: Vec<String>,
    /// Seconds between two looks at the queue.
    pub poll: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ticket {
    name: String,
    /// Not known until `sbatch` has answered.
    number: Option<String>,
}

/// What the queue said last about a job.
#[derive(Debug, Clone)]
struct Known {
    state: String,
    reason: String,
    number: String,
}

/// A Slurm cluster that this machine may submit to.
pub struct Slurm {
    program: PathBuf,
    settings: SlurmSettings,
    /// By name; of the last successful query.
    queue: BTreeMap<String, Known>,
    asked: Option<Instant>,
    /// Jobs that the queue does not know: since when, and how often that was seen.
    missed: BTreeMap<String, (Instant, u32)>,
    /// Names of submitted jobs that have not ended.
    open: BTreeMap<PathBuf, Ticket>,
}

impl Slurm {
    /// A queue for jobs that `program` (vitrion) carries out.
    ///
    /// # Errors
    /// There is no `sbatch` here.
    pub fn new(program: &Path, settings: SlurmSettings) -> Result<Self, JobError> {
        let found = Command::new("sbatch").arg("--version").stdin(Stdio::null()).output();
        if let Err(error) = found {
            return Err(JobError::Scheduler {
                command: "sbatch --version".to_owned(),
                message: format!(
                    "{error}; [scheduler] kind = \"slurm\" needs Slurm's commands in PATH"
                ),
            });
        }
        Ok(Slurm {
            program: program.to_owned(),
            settings,
            queue: BTreeMap::new(),
            asked: None,
            missed: BTreeMap::new(),
            open: BTreeMap::new(),
        })
    }

    /// The batch script of a job.
    fn script(&self, job: &Job, name: &str) -> String {
        let s = &self.settings;
        let folder = std::path::absolute(&job.folder).unwrap_or_else(|_| job.folder.clone());
        let minutes = s.walltime.div_ceil(60).max(1);
        let mut text = format!(
            "#!/bin/bash\n#SBATCH --job-name={name}\n#SBATCH --comment={}\n#SBATCH --chdir={}\n#SBATCH \
             --output={}\n#SBATCH --open-mode=append\n#SBATCH --nodes=1\n#SBATCH --ntasks={}\n#SBATCH \
             --cpus-per-task={}\n#SBATCH --time={minutes}\n#SBATCH --no-requeue\n",
            plain(&job.name),
            folder.display(),
            folder.join(LOG).display(),
            job.ranks,
            (job.cores / job.ranks).max(1),
        );
        if minutes * 60 > 2 * WARNING {
            let _ = writeln!(text, "#SBATCH --signal=B:TERM@{WARNING}");
        }
        for (option, value) in [("partition", &s.partition), ("account", &s.account)] {
            if let Some(value) = value {
                let _ = writeln!(text, "#SBATCH --{option}={value}");
            }
        }
        if let Some(memory) = s.memory_per_core {
            let _ = writeln!(text, "#SBATCH --mem-per-cpu={memory}");
        }
        for option in &s.options {
            let _ = writeln!(text, "#SBATCH {option}");
        }
        for line in &s.setup {
            let _ = writeln!(text, "{line}");
        }
        // exec: the warning before the walltime must reach the program itself
        let _ = writeln!(
            text,
            "exec {} job {} --threads {}",
            quoted(&self.program),
            quoted(&folder),
            job.cores
        );
        text
    }

    /// Asks about all jobs at once, not more often than wished.
    fn refresh(&mut self) -> Result<(), JobError> {
        if self.asked.is_some_and(|at| at.elapsed().as_secs_f64() < self.settings.poll) {
            return Ok(());
        }
        let text = slurm("squeue", &["-h", "-t", "all", "--me", "-o", "%i|%T|%j|%r"], None)?;
        self.queue = text
            .lines()
            .filter_map(|line| {
                let mut words = line.splitn(4, '|');
                let (number, state, name) = (words.next()?, words.next()?, words.next()?);
                let reason = words.next().unwrap_or("").to_owned();
                Some((
                    name.to_owned(),
                    Known { state: state.to_owned(), reason, number: number.to_owned() },
                ))
            })
            .collect();
        self.asked = Some(Instant::now());
        for ticket in self.open.values() {
            if self.queue.contains_key(&ticket.name) {
                self.missed.remove(&ticket.name);
            } else {
                let entry = self.missed.entry(ticket.name.clone());
                entry.or_insert((Instant::now(), 0)).1 += 1;
            }
        }
        Ok(())
    }

    fn end(&mut self, job: &Job, how: End, message: String) -> State {
        if let Some(ticket) = self.open.remove(&job.folder) {
            self.missed.remove(&ticket.name);
        }
        // nothing to lose: the next start writes a ticket of its own
        let _ = std::fs::remove_file(job.folder.join(TICKET));
        State::Ended { how, message }
    }
}

impl Scheduler for Slurm {
    fn submit(&mut self, job: &Job) -> Result<(), JobError> {
        let path = job.folder.join(TICKET);
        if let Ok(text) = std::fs::read_to_string(&path) {
            // handed over before this process began: the queue will say how it is
            let ticket = serde_json::from_str(&text)
                .map_err(|e| JobError::Damaged { path: path.clone(), message: e.to_string() })?;
            self.open.insert(job.folder.clone(), ticket);
            return Ok(());
        }
        let name = unique_name(job);
        let mut ticket = Ticket { name: name.clone(), number: None };
        let write = |ticket: &Ticket| {
            let text = serde_json::to_string(ticket).expect("a ticket is plain data");
            crate::results::write_atomically(&path, text.as_bytes())
                .map_err(|e| JobError::Damaged { path: path.clone(), message: e.to_string() })
        };
        write(&ticket)?;
        let answer = slurm("sbatch", &["--parsable"], Some(&self.script(job, &name)));
        match answer {
            Ok(number) => ticket.number = number.trim().split(';').next().map(str::to_owned),
            Err(error) if is_silence(&error) => {
                // it may have been accepted all the same: the name will tell
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
        }
        write(&ticket)?;
        self.open.insert(job.folder.clone(), ticket);
        Ok(())
    }

    fn state(&mut self, job: &Job) -> Result<State, JobError> {
        self.refresh()?;
        let Some(ticket) = self.open.get(&job.folder) else { return Ok(State::Waiting) };
        let Some(known) = self.queue.get(&ticket.name).cloned() else {
            if job.is_done() {
                return Ok(self.end(job, End::Exit, "done".to_owned()));
            }
            let gone = self.missed.get(&ticket.name);
            let lost = gone.is_some_and(|(at, n)| *n >= MISSES && at.elapsed() > MISSED_FOR);
            if lost {
                let message = "the queue knows nothing of it any more".to_owned();
                return Ok(self.end(job, End::Lost, message));
            }
            return Ok(State::Waiting);
        };
        let message = format!("Slurm job {}: {} ({})", known.number, known.state, known.reason);
        Ok(match known.state.as_str() {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "SPECIAL_EXIT" => {
                if NEVER.contains(&known.reason.as_str()) {
                    return Err(JobError::Scheduler {
                        command: format!("squeue (job {})", known.number),
                        message: format!(
                            "it waits for {}, which will not come by itself: check partition, walltime \
                             and cores of [scheduler], then scancel {}",
                            known.reason, known.number
                        ),
                    });
                }
                State::Waiting
            }
            "RUNNING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT" | "COMPLETING" => {
                State::Running
            }
            "COMPLETED" | "FAILED" | "OUT_OF_MEMORY" => {
                // the shell or the node failed, not the program
                let how = if known.reason == "JobLaunchFailure" { End::Requeue } else { End::Exit };
                self.end(job, how, message)
            }
            "TIMEOUT" | "DEADLINE" | "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" => {
                self.end(job, End::Requeue, message)
            }
            "CANCELLED" | "REVOKED" => self.end(job, End::Exit, message),
            // a word of another version: wait for one we know
            _ => State::Running,
        })
    }

    fn has_room(&self, _: usize) -> bool {
        self.open.len() < self.settings.most_jobs
    }

    fn leave(&mut self) {
        // jobs of a queue go on; the next session finds them by their tickets
    }
}

/// Reasons for which a job waits in vain.
const NEVER: [&str; 5] = [
    "PartitionConfig",
    "PartitionTimeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "AccountNotAllowed",
];

/// Runs a command of Slurm and returns what it printed.
fn slurm(command: &str, arguments: &[&str], input: Option<&str>) -> Result<String, JobError> {
    use std::io::Write as _;
    let failed = |message: String| JobError::Scheduler {
        command: format!("{command} {}", arguments.join(" ")),
        message,
    };
    let mut child = Command::new(command)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
        pipe.write_all(text.as_bytes()).map_err(|e| failed(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The controller did not answer: nothing is decided.
fn is_silence(error: &JobError) -> bool {
    let text = error.to_string();
    ["Unable to contact", "Socket timed out", "authentication error", "Munge encode"]
        .iter()
        .any(|words| text.contains(words))
}

/// A name that no other job has.
fn unique_name(job: &Job) -> String {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(job.folder.as_os_str().as_encoded_bytes());
    hasher.update(&now.as_nanos().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    format!("vitrion-{}", &hasher.finalize().to_hex()[..20])
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
        .collect()
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_script_says_everything_and_execs_the_program() {
        let slurm = Slurm {
            program: PathBuf::from("/opt/it's/vitrion"),
            settings: SlurmSettings {
                walltime: 7200,
                partition: Some("short".into()),
                account: None,
                memory_per_core: Some(2000),
                most_jobs: 10,
                options: vec!["--gres=gpu:1".into()],
                setup: vec!["module load cp2k".into()],
                poll: 1.0,
            },
            queue: BTreeMap::new(),
            asked: None,
            missed: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        let job =
            Job { folder: "/data/a b/job".into(), name: "label 3".into(), cores: 4, ranks: 2 };
        let script = slurm.script(&job, "vitrion-1");
        for line in [
            "#SBATCH --job-name=vitrion-1",
            "#SBATCH --comment=label_3",
            "#SBATCH --ntasks=2",
            "#SBATCH --cpus-per-task=2",
            "#SBATCH --time=120",
            "#SBATCH --signal=B:TERM@120",
            "#SBATCH --no-requeue",
            "#SBATCH --partition=short",
            "#SBATCH --mem-per-cpu=2000",
            "#SBATCH --gres=gpu:1",
            "module load cp2k",
            "exec '/opt/it'\\''s/vitrion' job '/data/a b/job' --threads 4",
        ] {
            assert!(script.lines().any(|l| l == line), "{line} is not in\n{script}");
        }
        assert_ne!(unique_name(&job), unique_name(&job));
    }
}
