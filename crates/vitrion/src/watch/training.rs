//! A training folder: `lcurve.out` of every model of the committee.

use super::files::{Json, Look};
use super::state::{Curve, Line, State, Task};
use super::tail::{Lines, Tail};
use super::thinned::Thinned;
use crate::run_file::TrainingFile;
use crate::training::TrainingSummary;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Instant;

/// Points of a learning curve: many, because a logarithmic axis shows the first ones best.
const POINTS: usize = 3000;
/// Models of a committee that are shown.
const MOST_MEMBERS: usize = 64;
/// Columns of `lcurve.out` that are kept.
const COLUMNS: [&str; 8] = [
    "step",
    "rmse_e_val",
    "rmse_e_trn",
    "rmse_f_val",
    "rmse_f_trn",
    "rmse_v_val",
    "rmse_v_trn",
    "lr",
];

/// `origin.json` of `vitrion train`, or `job.json` of a training job.
#[derive(Debug, Clone, Deserialize)]
struct Origin {
    path: PathBuf,
    text: String,
}

/// What is known of a training folder.
#[derive(Debug, Default)]
pub(super) struct Training {
    origin: Json<Origin>,
    members: Vec<Member>,
}

/// One model in training.
#[derive(Debug, Default)]
pub(super) struct Member {
    tail: Tail,
    rows: Rows,
    summary: Json<TrainingSummary>,
    pace: Pace,
}

#[derive(Debug)]
struct Rows {
    places: Vec<Option<usize>>,
    table: Thinned,
}

impl Default for Rows {
    fn default() -> Self {
        Rows { places: Vec::new(), table: Thinned::new(COLUMNS.len(), POINTS) }
    }
}

impl Lines for Rows {
    fn clear(&mut self) {
        self.places.clear();
        self.table.clear();
    }

    fn line(&mut self, text: &str) {
        if let Some(heading) = text.trim_start().strip_prefix('#') {
            let names: Vec<&str> = heading.split_whitespace().collect();
            if names.first() == Some(&"step") {
                let place = |column: &&str| names.iter().position(|name| name == column);
                self.places = COLUMNS.iter().map(place).collect();
            }
            return;
        }
        let cells: Vec<&str> = text.split_whitespace().collect();
        let value = |place: &Option<usize>| {
            let cell = place.and_then(|place| cells.get(place));
            cell.and_then(|cell| cell.parse().ok()).unwrap_or(f64::NAN)
        };
        let row: Vec<f64> = self.places.iter().map(value).collect();
        if row.first().is_some_and(|step| step.is_finite()) {
            self.table.push(&row);
        }
    }
}

/// Speed of something that only says how far it is, from the changes that were seen.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<f64>,
    /// The first change, and the latest.
    first_change: Option<(Instant, f64)>,
    latest: Option<(Instant, f64)>,
}

impl Pace {
    /// Steps per second; `None` until two changes were seen.
    pub(super) fn seen(&mut self, now: Instant, done: f64) -> Option<f64> {
        if self.last.is_some_and(|last| done < last) {
            *self = Pace::default();
        }
        if self.last.is_some_and(|last| done > last) {
            self.first_change.get_or_insert((now, done));
            self.latest = Some((now, done));
        }
        self.last = Some(done);
        let ((start, first), (end, last)) = (self.first_change?, self.latest?);
        let seconds = end.duration_since(start).as_secs_f64();
        (seconds > 0.0).then(|| (last - first) / seconds)
    }
}

/// Steps of a training file over all its stages.
pub(super) fn steps(file: &TrainingFile) -> f64 {
    file.settings.stages.iter().map(|stage| stage.steps as f64).sum()
}

impl Member {
    /// Looks at the folder (a prefix that is empty or ends with `/`) of a training of `all` steps.
    pub(super) fn task(
        &mut self,
        look: &mut Look<'_>,
        prefix: &str,
        name: &str,
        all: Option<f64>,
    ) -> Task {
        let begun = self.tail.read(look, &format!("{prefix}lcurve.out"), &mut self.rows).is_some();
        let summary = self.summary.refresh(look, &format!("{prefix}summary.json"));
        let step = self.rows.table.last.as_ref().map_or(0.0, |row| row[0]);
        let mut task = Task {
            name: name.to_owned(),
            state: "waiting".to_owned(),
            done: step,
            all: all.unwrap_or(0.0),
            unit: "steps",
            curves: begun,
            ..Task::default()
        };
        if let Some(summary) = summary {
            "finished".clone_into(&mut task.state);
            // a stage may end early
            task.done = summary.steps as f64;
            task.all = task.done;
            if summary.seconds > 0.0 {
                task.speeds.push((task.done / summary.seconds, "steps/s"));
            }
            return task;
        }
        if begun {
            "running".clone_into(&mut task.state);
            if let Some(row) = &self.rows.table.last {
                task.what = format!("learning rate {:.1e}", row[7]);
            }
            if let Some(speed) = self.pace.seen(Instant::now(), step) {
                task.speeds.push((speed, "steps/s"));
                task.left_s = (task.all > 0.0).then(|| (task.all - step).max(0.0) / speed);
            }
        }
        task
    }

    /// Learning curves.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let table = &self.rows.table;
        let kinds = [
            ("energy", "Energy error", "RMSE [meV/atom]", 1),
            ("force", "Force error", "RMSE [meV/Å]", 3),
            ("virial", "Virial error", "RMSE [meV/atom]", 5),
        ];
        kinds
            .into_iter()
            .map(|(id, title, y, column)| {
                let line = |label: &str, column: usize| {
                    let mut drawn = table.curve(0, column);
                    for values in [&mut drawn.y, &mut drawn.low, &mut drawn.high] {
                        for x in values {
                            *x *= 1e3;
                        }
                    }
                    Line::new(label, drawn)
                };
                Curve {
                    id,
                    title: title.to_owned(),
                    x: "step",
                    y,
                    log: (true, true),
                    lines: vec![line("held out", column), line("training", column + 1)],
                    ..Curve::default()
                }
            })
            .collect()
    }
}

impl Training {
    pub(super) fn state(&mut self, look: &mut Look<'_>, chosen: Option<usize>) -> State {
        let name = if look.has("origin.json") { "origin.json" } else { "job.json" };
        let origin = self.origin.refresh(look, name);
        let file = origin.and_then(|o| TrainingFile::parse(&o.path, &o.text).ok());
        let committee = file.as_ref().map_or(1, |file| file.committee).clamp(1, MOST_MEMBERS);
        // a single model has no folder of its own, nor has a member that is watched alone
        let single = committee == 1 || look.has("lcurve.out");
        self.members.resize_with(if single { 1 } else { committee }, Member::default);
        let all = file.as_ref().map(steps);
        let mut state = State { kind: "training", tasks_title: "Models", ..State::default() };
        for (k, member) in self.members.iter_mut().enumerate() {
            let (prefix, name) = match (single, &file) {
                (true, Some(file)) => (String::new(), file.name.clone()),
                (true, None) => (String::new(), "model".to_owned()),
                (false, _) => (format!("model-{k}/"), format!("model {k}")),
            };
            state.tasks.push(member.task(look, &prefix, &name, all));
        }
        if let Some(file) = &file {
            state.title.clone_from(&file.name);
            state.fact("elements", file.species.join(" "));
        }
        if let Some(all) = all {
            let done: f64 = state.tasks.iter().map(Task::fraction).sum();
            state.fraction = Some(done / state.tasks.len() as f64);
            state.fact("steps", all.to_string());
        }
        // models are trained one after the other
        let speed = state.tasks.iter().rev().find_map(|task| task.speeds.first().map(|s| s.0));
        let left: f64 = state.tasks.iter().map(|task| task.all - task.done).sum();
        state.left_s = speed.filter(|speed| *speed > 0.0 && left > 0.0).map(|speed| left / speed);
        state.running = state.tasks.iter().any(|task| task.state != "finished");
        let begun = state.tasks.iter().any(|task| task.state != "waiting");
        let status = match (state.running, begun) {
            (false, _) => "finished",
            (true, true) => "running",
            (true, false) => "running: reading frames",
        };
        status.clone_into(&mut state.status);
        state.shown = state.pick(chosen);
        if let Some(shown) = state.shown {
            state.curves = self.members[shown].curves();
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_pace_is_told_from_changes_and_begins_anew_when_work_does() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        // the first value may have been there for long
        assert_eq!(pace.seen(at(0), 100.0), None);
        assert_eq!(pace.seen(at(2), 100.0), None);
        assert_eq!(pace.seen(at(4), 200.0), None);
        assert_eq!(pace.seen(at(14), 300.0), Some(10.0));
        assert_eq!(pace.seen(at(16), 300.0), Some(10.0));
        assert_eq!(pace.seen(at(24), 400.0), Some(10.0));
        assert_eq!(pace.seen(at(26), 0.0), None);
    }

    #[test]
    fn columns_of_a_learning_curve_are_found_by_their_names() {
        let mut rows = Rows::default();
        rows.line("# step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn lr");
        rows.line("  100  1 2 0.5 0.25 nan 0.125 1.0e-03");
        rows.line("rubbish");
        let member = Member { rows, ..Member::default() };
        let curves = member.curves();
        assert_eq!(curves[0].lines[1].y, [250.0]);
        assert!(curves[1].lines[0].y.is_empty() && curves[1].lines[1].y == [125.0]);
        assert!(curves[2].lines.iter().all(|line| line.x.is_empty()), "no virials");
    }
}
