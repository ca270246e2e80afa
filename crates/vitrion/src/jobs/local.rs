//! Jobs as processes of this machine, within a budget of cores.

use super::{End, Job, JobError, LOG, Scheduler, State};
use crate::dft::signal_group;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long jobs may take to write their checkpoints when we leave.
const GRACE: Duration = Duration::from_secs(20);

/// The scheduler of one machine.
pub struct Local {
    program: PathBuf,
    cores: usize,
    running: BTreeMap<PathBuf, (Child, usize)>,
}

impl Local {
    /// A budget of `cores` for jobs that `program` (vitrion) carries out.
    pub fn new(program: &Path, cores: usize) -> Self {
        Local { program: program.to_owned(), cores, running: BTreeMap::new() }
    }

    fn busy(&self) -> usize {
        self.running.values().map(|(_, cores)| cores).sum()
    }

    fn start(&mut self, job: &Job) -> Result<(), JobError> {
        let path = job.folder.join(LOG);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(JobError::os(&path, "open"))?;
        let errors = log.try_clone().map_err(JobError::os(&path, "open"))?;
        let child = Command::new(&self.program)
            .arg("job")
            .arg(&job.folder)
            .args(["--threads", &job.cores.to_string()])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(JobError::os(&self.program, "start"))?;
        self.running.insert(job.folder.clone(), (child, job.cores));
        Ok(())
    }
}

impl Scheduler for Local {
    fn submit(&mut self, jobs: &[&Job]) -> Result<(), JobError> {
        for job in jobs {
            if !self.running.contains_key(&job.folder) {
                self.start(job)?;
            }
        }
        Ok(())
    }

    fn state(&mut self, job: &Job) -> Result<State, JobError> {
        let Some((child, _)) = self.running.get_mut(&job.folder) else { return Ok(State::Waiting) };
        match child.try_wait().map_err(JobError::os(&job.folder, "watch"))? {
            None => Ok(State::Running),
            Some(status) => {
                self.running.remove(&job.folder);
                Ok(State::Ended { how: End::Exit, message: status.to_string() })
            }
        }
    }

    fn room(&self, waiting: &[&Job]) -> usize {
        let mut busy = self.busy();
        let fits = |job: &&&Job| {
            // a job that is larger than the budget runs alone
            let fits = busy == 0 || busy + job.cores <= self.cores;
            busy += job.cores;
            fits
        };
        waiting.iter().take_while(fits).count()
    }

    fn leave(&mut self) {
        for (child, _) in self.running.values() {
            signal_group(child.id(), "TERM");
        }
        let asked = Instant::now();
        for (child, _) in self.running.values_mut() {
            while matches!(child.try_wait(), Ok(None)) {
                if asked.elapsed() > GRACE {
                    signal_group(child.id(), "KILL");
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.running.clear();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.leave();
    }
}
