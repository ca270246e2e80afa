//! A label folder: jobs, what became of their structures, and how far dynamics are.

use super::files::{Json, Look};
use super::state::{State, Task};
use super::tail::{Lines, Tail};
use super::training::Pace;
use crate::jobs::{DONE, JOB, LOG};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a job file says, as far as progress needs it.
#[derive(Debug, Deserialize)]
struct JobFile {
    work: String,
    /// Structures of a label job.
    #[serde(default)]
    frames: usize,
}

/// A line of `outcomes.jsonl`, as far as progress needs it.
#[derive(Debug, Deserialize)]
struct Outcome {
    frame: usize,
    failure: Option<IgnoredAny>,
}

/// Structures of a job by number: did they fail?
#[derive(Debug, Default)]
struct Outcomes(BTreeMap<usize, bool>);

impl Lines for Outcomes {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn line(&mut self, text: &str) {
        if let Ok(outcome) = serde_json::from_str::<Outcome>(text) {
            self.0.insert(outcome.frame, outcome.failure.is_some());
        }
    }
}

/// The last step that a job of dynamics told, and the last of all.
#[derive(Debug, Default)]
struct Steps(Option<(f64, f64)>);

impl Lines for Steps {
    fn clear(&mut self) {
        self.0 = None;
    }

    fn line(&mut self, text: &str) {
        let told = || {
            let (step, all) = text.trim().strip_prefix("AIMD at step ")?.split_once(" of ")?;
            Some((step.parse().ok()?, all.parse().ok()?))
        };
        self.0 = told().or(self.0);
    }
}

/// One job.
#[derive(Debug, Default)]
struct Job {
    file: Json<JobFile>,
    outcomes_tail: Tail,
    outcomes: Outcomes,
    log_tail: Tail,
    steps: Steps,
    /// Nothing changes any more.
    done: bool,
}

/// All jobs of a folder.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<String, Job>,
    pace: Pace,
}

/// How far the structures are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) labelled: usize,
    pub(super) failed: usize,
    pub(super) all: usize,
    /// Jobs that have begun and are not done.
    pub(super) busy: usize,
}

impl Counts {
    /// Structures that nothing is known about yet.
    pub(super) fn waiting(&self) -> usize {
        self.all.saturating_sub(self.labelled + self.failed)
    }
}

impl Jobs {
    /// Tasks of the jobs below `folder`: one for all structures, one for each run of dynamics.
    pub(super) fn tasks(&mut self, look: &mut Look<'_>, folder: &str) -> (Counts, Vec<Task>) {
        let mut counts = Counts::default();
        let mut dynamics = Vec::new();
        for name in look.names(folder) {
            let job = self.jobs.entry(name.clone()).or_default();
            let place = format!("{folder}/{name}");
            if !job.done {
                // first: what was written before it counts then
                let done = look.has(&format!("{place}/{DONE}"));
                let outcomes = format!("{place}/outcomes.jsonl");
                job.outcomes_tail.read(look, &outcomes, &mut job.outcomes);
                job.log_tail.read(look, &format!("{place}/{LOG}"), &mut job.steps);
                job.done = job.file.refresh(look, &format!("{place}/{JOB}")).is_some() && done;
            }
            let Some(file) = &job.file.value() else { continue };
            match file.work.as_str() {
                "label" => {
                    let failed = job.outcomes.0.values().filter(|failed| **failed).count();
                    counts.all = counts.all.saturating_add(file.frames);
                    counts.failed += failed;
                    counts.labelled += job.outcomes.0.len() - failed;
                    counts.busy += usize::from(!job.done && !job.outcomes.0.is_empty());
                }
                "aimd" => dynamics.push(job.of_dynamics(name)),
                _ => {}
            }
        }
        let mut tasks = Vec::new();
        if counts.all > 0 {
            tasks.push(self.of_structures(&counts));
        }
        tasks.extend(dynamics);
        (counts, tasks)
    }

    fn of_structures(&mut self, counts: &Counts) -> Task {
        let done = (counts.labelled + counts.failed) as f64;
        let mut task = Task {
            name: "labels".to_owned(),
            state: if counts.waiting() == 0 { "finished" } else { "running" }.to_owned(),
            what: format!(
                "{} labelled, {} failed, {} waiting",
                counts.labelled,
                counts.failed,
                counts.waiting()
            ),
            done,
            all: counts.all as f64,
            unit: "structures",
            ..Task::default()
        };
        if let Some(speed) = self.pace.seen(Instant::now(), done)
            && counts.waiting() > 0
        {
            task.speeds.push((speed * 3600.0, "structures/h"));
            task.left_s = Some(counts.waiting() as f64 / speed);
        }
        task
    }
}

impl Job {
    fn of_dynamics(&self, name: String) -> Task {
        let (step, all) = self.steps.0.unwrap_or_default();
        let state = match (self.done, self.steps.0) {
            (true, _) => "finished",
            (false, Some(_)) => "running",
            (false, None) => "waiting",
        };
        let done = if self.done { all } else { step };
        Task { name, state: state.to_owned(), done, all, unit: "steps", ..Task::default() }
    }
}

/// What is known of a label folder.
#[derive(Debug, Default)]
pub(super) struct Labels {
    jobs: Jobs,
}

impl Labels {
    pub(super) fn state(&mut self, look: &mut Look<'_>) -> State {
        let mut state = State { kind: "labels", tasks_title: "Work", ..State::default() };
        let (counts, tasks) = self.jobs.tasks(look, "jobs");
        // the store grows when jobs end
        look.has("labels/labels.jsonl");
        state.running = tasks.is_empty() || tasks.iter().any(|task| task.state != "finished");
        (if state.running { "running" } else { "finished" }).clone_into(&mut state.status);
        if counts.all > 0 {
            state.fraction = tasks.first().map(Task::fraction);
            state.left_s = tasks.first().and_then(|task| task.left_s);
            state.fact("labelled", counts.labelled.to_string());
            state.fact("failed", counts.failed.to_string());
            state.fact("waiting", counts.waiting().to_string());
            state.fact("jobs under way", counts.busy.to_string());
        }
        state.tasks = tasks;
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn structures_are_counted_by_what_became_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = |name: &str, text: &str| {
            let place = folder.path().join("jobs").join(name);
            fs::create_dir_all(&place).expect("a folder");
            fs::write(place.join(JOB), text).expect("written");
            place
        };
        let first = job("label-a", r#"{"work": "label", "frames": 3, "settings": {}}"#);
        job("label-b", r#"{"work": "label", "frames": 2, "settings": {}}"#);
        let dynamics = job("aimd-c", r#"{"work": "aimd"}"#);
        let lines =
            "\n{\"frame\": 0, \"run\": {}}\n{\"frame\": 2, \"failure\": [\"scf\", \"no\"]}\n{\"fra";
        fs::write(first.join("outcomes.jsonl"), lines).expect("written");
        fs::write(dynamics.join(LOG), "starting\nAIMD at step 5 of 20\n").expect("written");
        let mut jobs = Jobs::default();
        let mut look = Look::new(folder.path());
        let (counts, tasks) = jobs.tasks(&mut look, "jobs");
        assert_eq!(counts, Counts { labelled: 1, failed: 1, all: 5, busy: 1 });
        assert_eq!(tasks[0].what, "1 labelled, 1 failed, 3 waiting");
        assert_eq!((tasks[1].done, tasks[1].all, tasks[1].state.as_str()), (5.0, 20.0, "running"));
        fs::write(dynamics.join(DONE), "{}").expect("written");
        let (_, tasks) = jobs.tasks(&mut look, "jobs");
        assert_eq!((tasks[1].done, tasks[1].state.as_str()), (20.0, "finished"));
    }
}
