//! The models of a training file as jobs of a queue, one for each member of the committee.

use super::Finished;
use crate::error::Error;
use crate::jobs::{
    self, Drive, Job, Progress, SchedulerSettings, TrainDone, TrainWork, Work, drive,
};
use crate::results::{hold, read_json};
use crate::run_file::TrainingFile;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Held by the process that follows the jobs. Jobs have locks of their own, that of a single model in this folder.
const LOCK: &str = ".lock";

/// How the models are trained elsewhere.
#[derive(Debug)]
pub struct Queue<'a> {
    pub settings: &'a SchedulerSettings,
    /// Cores of each model.
    pub cores: usize,
    /// Vitrion itself, as the jobs call it.
    pub program: &'a Path,
    pub patience: Drive,
    /// Weights to start from, instead of what the file says.
    pub from: Option<PathBuf>,
    /// Train although the data checks find errors.
    pub accept_errors: bool,
    /// What the user types to go on.
    pub resume: String,
}

impl Queue<'_> {
    /// Hands over the models that are not trained yet and follows them. Files lie in `folder` as they do
    /// without a queue.
    ///
    /// # Errors
    /// Another process follows these jobs, a queue that refuses, jobs that fail, jobs that go on without us.
    pub fn carry_out(
        &self,
        file: &TrainingFile,
        folder: &Path,
        watch: &mut dyn FnMut(Progress),
        stop: &AtomicBool,
    ) -> Result<Vec<Finished>, Error> {
        let mut scheduler = self.settings.scheduler(self.program, self.cores)?;
        // two of us would hand over the same jobs twice
        let _lock = hold(folder, LOCK)?;
        let list = self.prepare(file, folder)?;
        let report = drive(&mut *scheduler, &list, &self.patience, watch, stop)?;
        report.all_done(list.len(), "trainings", &self.resume)?;
        list.iter().map(finished).collect()
    }

    fn prepare(&self, file: &TrainingFile, folder: &Path) -> Result<Vec<Job>, Error> {
        let mut list = Vec::new();
        for member in 0..file.committee {
            let place = file.member_folder(folder, member);
            let work = Work::Train(TrainWork {
                text: file.text.clone(),
                path: std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone()),
                member,
                from: self.from.clone(),
                accept_errors: self.accept_errors,
            });
            jobs::prepare(&place, &work, None)?;
            let name = format!("{}-{member}", file.name);
            list.push(Job { folder: place, name, cores: self.cores, ranks: 1 });
        }
        Ok(list)
    }
}

fn finished(job: &Job) -> Result<Finished, Error> {
    let TrainDone { summary, evaluation } = read_json(&job.folder.join(jobs::DONE))?;
    let [model, report] = ["model.safetensors", "report.html"].map(|name| job.folder.join(name));
    Ok(Finished { summary, evaluation, model, report })
}
