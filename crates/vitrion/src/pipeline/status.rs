//! `runs/ID/status.json`: where a run stands, for those who look at it from outside.

use crate::results::{Results, now, write_atomically};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitrion_md::Progress;

/// Shortest time between two writes while a stage goes on.
const INTERVAL: Duration = Duration::from_secs(2);

/// Contents of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub run: String,
    /// "running", "finished", "interrupted" or "failed: …".
    pub state: String,
    pub stage: String,
    /// From 1.
    pub stage_number: usize,
    pub stages: usize,
    /// Steps of this stage that are done, and all of them.
    pub step: u64,
    pub steps: u64,
    /// Instantaneous values.
    pub temperature_k: Option<f64>,
    pub potential_energy_ev: Option<f64>,
    pub conserved_ev: Option<f64>,
    /// Of this session.
    pub steps_per_s: Option<f64>,
    /// Time to the end of the stage at that speed.
    pub stage_eta_s: Option<f64>,
    /// RFC 3339, UTC.
    pub updated: String,
}

/// Keeps the file of one run true. Trouble with it is no reason to stop a run: what matters is written
/// elsewhere, and a full disk shows there.
pub(super) struct StatusFile<'a> {
    results: &'a Results,
    file: String,
    inner: Mutex<Inner>,
}

struct Inner {
    status: Status,
    written: Instant,
    /// Start of the stage in this session, and the step it started from.
    since: Option<(Instant, u64)>,
}

impl<'a> StatusFile<'a> {
    pub(super) fn new(results: &'a Results, run: &str, stages: usize) -> Self {
        let status = Status {
            run: run.to_owned(),
            state: "running".to_owned(),
            stage: String::new(),
            stage_number: 0,
            stages,
            step: 0,
            steps: 0,
            temperature_k: None,
            potential_energy_ev: None,
            conserved_ev: None,
            steps_per_s: None,
            stage_eta_s: None,
            updated: now(),
        };
        let inner = Mutex::new(Inner { status, written: Instant::now(), since: None });
        StatusFile { results, file: format!("runs/{run}/status.json"), inner }
    }

    /// A stage starts or goes on.
    pub(super) fn stage(&self, name: &str, number: usize, steps: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.since = None;
        let status = &mut inner.status;
        name.clone_into(&mut status.stage);
        (status.stage_number, status.step, status.steps) = (number + 1, 0, steps);
        (status.steps_per_s, status.stage_eta_s) = (None, None);
        self.write(&mut inner);
    }

    /// After a step.
    pub(super) fn step(&self, progress: &Progress) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, first) = *inner.since.get_or_insert((Instant::now(), progress.step));
        let done = progress.step == progress.steps;
        if inner.written.elapsed() < INTERVAL && !done && progress.step > first {
            return;
        }
        let status = &mut inner.status;
        status.step = progress.step;
        status.temperature_k = Some(progress.temperature);
        status.potential_energy_ev = Some(progress.potential_energy);
        status.conserved_ev = Some(progress.conserved);
        let elapsed = start.elapsed().as_secs_f64();
        if progress.step > first && elapsed > 0.0 {
            let speed = (progress.step - first) as f64 / elapsed;
            status.steps_per_s = Some(speed);
            status.stage_eta_s = Some((progress.steps - progress.step) as f64 / speed);
        }
        self.write(&mut inner);
    }

    /// The run has ended, well or not.
    pub(super) fn end(&self, state: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone_into(&mut inner.status.state);
        inner.status.stage_eta_s = None;
        self.write(&mut inner);
    }

    fn write(&self, inner: &mut Inner) {
        inner.written = Instant::now();
        inner.status.updated = now();
        let mut text = serde_json::to_string_pretty(&inner.status)
            .expect("a status holds nothing that JSON cannot");
        text.push('\n');
        let _ = write_atomically(&self.results.path(&self.file), text.as_bytes());
    }
}
