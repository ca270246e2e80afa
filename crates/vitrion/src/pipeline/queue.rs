//! The runs of a sweep as jobs: who starts them, and what is shown meanwhile.

use super::ledger::stage_folder;
use super::{Event, Options, Status};
use crate::error::{Error, InputError};
use crate::jobs::{self, Drive, Job, RunDone, RunWork, SchedulerSettings, Work, drive};
use crate::plan::Plan;
use crate::results::{JOBS, Results, read_json};
use crate::run_file::{RunFile, StageKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vitrion_md::Progress;

/// Between two looks at what the runs say of themselves.
const LOOK: Duration = Duration::from_secs(1);

/// Where jobs go, and how they are followed.
#[derive(Debug)]
pub struct Queue<'a> {
    pub settings: &'a SchedulerSettings,
    /// Cores of each run, and MPI ranks that share them.
    pub cores: usize,
    pub ranks: usize,
    /// Vitrion itself, as the jobs call it.
    pub program: &'a Path,
    pub patience: Drive,
}

impl Queue<'_> {
    /// For people.
    pub(super) fn describe(&self) -> String {
        self.settings.describe(self.cores)
    }

    /// All stages of all runs: jobs that are with the queue are adopted, others handed over, and all followed
    /// to their end. Returns the engines and devices that computed.
    pub(super) fn dynamics(
        &self,
        run_file: &RunFile,
        plan: &Plan,
        results: &Results,
        options: &Options<'_>,
    ) -> Result<[Vec<String>; 2], Error> {
        let list = self.prepare(run_file, plan, results)?;
        let mut scheduler = self.settings.scheduler(self.program, options.threads)?;
        let over = AtomicBool::new(false);
        let report = std::thread::scope(|scope| {
            scope.spawn(|| follow(plan, results, &list, options, &over));
            let report = drive(&mut *scheduler, &list, &self.patience, &mut |_| {}, options.stop);
            over.store(true, Ordering::Relaxed);
            report
        })?;
        report.all_done(list.len(), "runs", options.resume)?;
        let mut computed = [Vec::new(), Vec::new()];
        for job in &list {
            let done: RunDone = read_json(&job.folder.join(jobs::DONE))?;
            computed[0].push(done.engine);
            computed[1].push(done.device);
        }
        for names in &mut computed {
            names.sort();
            names.dedup();
        }
        Ok(computed)
    }

    /// The jobs of all runs, their folders made.
    fn prepare(
        &self,
        run_file: &RunFile,
        plan: &Plan,
        results: &Results,
    ) -> Result<Vec<Job>, Error> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut list = Vec::new();
        for run in &plan.runs {
            let work = Work::Run(RunWork {
                text: run_file.text.clone(),
                path: absolute(&run_file.path),
                results: absolute(results.root()),
                run: run.id.clone(),
            });
            let folder: PathBuf = results.root().join(JOBS).join(&run.id);
            jobs::prepare(&folder, &work, None)?;
            let stages = plan.stages.iter().enumerate();
            let mut stages = stages.map(|(k, stage)| stage_folder(&run.id, k, &stage.name));
            if !stages.all(|stage| results.path(&format!("{stage}/{}", jobs::DONE)).exists()) {
                // somebody removed results, so the word of the job is not theirs any more
                let done = folder.join(jobs::DONE);
                match std::fs::remove_file(&done) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(InputError::os(&done, "remove")(error).into());
                    }
                    _ => {}
                }
            }
            list.push(Job { folder, name: run.id.clone(), cores: self.cores, ranks: self.ranks });
        }
        Ok(list)
    }
}

/// Tells what the jobs write of themselves, until it is `over`.
fn follow(plan: &Plan, results: &Results, list: &[Job], options: &Options<'_>, over: &AtomicBool) {
    let mut seen = vec![Seen::default(); list.len()];
    loop {
        let last = over.load(Ordering::Relaxed);
        for (run, (job, seen)) in list.iter().zip(&mut seen).enumerate() {
            seen.look(plan, results, run, job, options.watch);
        }
        if last {
            return;
        }
        // short sleeps: a small sweep should not wait for its display
        for _ in 0..10 {
            if !over.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK / 10);
            }
        }
    }
}

/// What was told of a run.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Stages.
    finished: usize,
    done: bool,
}

impl Seen {
    fn look(
        &mut self,
        plan: &Plan,
        results: &Results,
        run: usize,
        job: &Job,
        watch: &dyn Fn(Event<'_>),
    ) {
        if self.done {
            return;
        }
        let id = &plan.runs[run].id;
        self.done = job.is_done();
        let path = results.path(&format!("runs/{id}/status.json"));
        // a job that has not begun has none
        let status: Option<Status> = read_json(&path).ok();
        let finished = match (self.done, &status) {
            (true, _) => plan.stages.len(),
            (false, Some(status)) => status.stage_number.saturating_sub(1).min(plan.stages.len()),
            (false, None) => 0,
        };
        for stage in plan.stages.iter().take(finished).skip(self.finished) {
            watch(Event::StageDone { run, steps: stage.dynamics_steps() });
        }
        self.finished = self.finished.max(finished);
        if self.done {
            watch(Event::RunDone { run, id });
            return;
        }
        let Some(status) = status else { return };
        let dynamics = plan.stages.get(finished).is_some_and(|s| s.kind != StageKind::Minimize);
        if let Some(temperature) = status.temperature_k.filter(|_| dynamics) {
            let progress = Progress {
                // whoever shows steps looks at every tenth
                step: status.step / 10 * 10,
                steps: status.steps,
                temperature,
                potential_energy: status.potential_energy_ev.unwrap_or(0.0),
                conserved: status.conserved_ev.unwrap_or(0.0),
            };
            watch(Event::Step { run, id, stage: &status.stage, progress });
        }
    }
}
