//! What the page shows, whatever is watched: plain data, the content of `state.json`.

use super::files::Look;
use super::thinned::Drawn;
use crate::results::now;
use serde::Serialize;
use std::path::Path;

/// Nothing written for so long is worth a word [s].
const SILENCE_S: f64 = 300.0;

/// Where the work stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct State {
    /// "run", "training", "learning", "labels" or "waiting".
    pub kind: &'static str,
    pub title: String,
    /// "running", "finished", "interrupted", "failed: why", …
    pub status: String,
    /// False as soon as the work has ended, well or not.
    pub running: bool,
    /// The folder as given.
    pub folder: String,
    /// RFC 3339, UTC; empty if not known.
    pub started: String,
    pub finished: String,
    /// When this was found out.
    pub now: String,
    /// How long ago the youngest file was written that was looked at [s].
    pub silence_s: Option<f64>,
    /// Nothing was written for long although the work is said to go on.
    pub silent: bool,
    /// Share that is done, 0 to 1, and the time that is left [s], as far as can be told.
    pub fraction: Option<f64>,
    pub left_s: Option<f64>,
    /// There is a `report.html`.
    pub report: bool,
    pub facts: Vec<(String, String)>,
    /// Heading of the tasks.
    pub tasks_title: &'static str,
    pub tasks: Vec<Task>,
    /// The task whose curves these are.
    pub shown: Option<usize>,
    pub curves: Vec<Curve>,
    pub tables: Vec<Table>,
    /// What could not be read.
    pub notes: Vec<String>,
}

/// Something with a progress of its own: a run, the training of a model, the labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Task {
    pub name: String,
    /// "running", "finished", "waiting", "failed: why", …
    pub state: String,
    /// What is being done.
    pub what: String,
    pub done: f64,
    pub all: f64,
    pub unit: &'static str,
    /// How fast, each with its unit.
    pub speeds: Vec<(f64, &'static str)>,
    pub left_s: Option<f64>,
    /// It has curves that can be chosen.
    pub curves: bool,
}

impl Task {
    /// Share that is done, 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        if self.all > 0.0 { (self.done / self.all).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Curve {
    pub id: &'static str,
    pub title: String,
    pub x: &'static str,
    pub y: &'static str,
    /// Logarithmic axes, x and y.
    pub log: (bool, bool),
    /// Vertical lines and what they mean.
    pub marks: Vec<(f32, String)>,
    /// Below the chart.
    pub note: String,
    pub lines: Vec<Line>,
}

/// A line of a chart; seven digits are enough for a picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Line {
    pub label: String,
    /// Points without a line between them.
    pub points: bool,
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// Least and greatest of what was merged into a point, or empty.
    pub low: Vec<f32>,
    pub high: Vec<f32>,
}

impl Line {
    pub(super) fn new(label: &str, drawn: Drawn) -> Self {
        let single = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        Line {
            label: label.to_owned(),
            points: false,
            x: single(drawn.x),
            y: single(drawn.y),
            low: single(drawn.low),
            high: single(drawn.high),
        }
    }

    /// Points joined by lines.
    pub(super) fn points(label: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (x, y) = points.into_iter().filter(|(_, y)| y.is_finite()).unzip();
        Line { points: true, ..Line::new(label, Drawn { x, y, ..Drawn::default() }) }
    }
}

/// A table of text; the first column names the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    pub title: &'static str,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl State {
    /// Of a folder that holds nothing yet.
    pub(super) fn waiting() -> Self {
        State {
            kind: "waiting",
            title: "Waiting".to_owned(),
            status: "nothing there yet".to_owned(),
            running: true,
            ..State::default()
        }
    }

    /// Adds what is the same for all kinds.
    pub(super) fn place(&mut self, folder: &Path, look: Look<'_>) {
        self.folder = folder.display().to_string();
        if self.title.is_empty() {
            self.title = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        self.now = now();
        self.silence_s = look.silence_s();
        self.silent = self.running && self.silence_s.is_some_and(|s| s > SILENCE_S);
        self.notes = look.notes.into_iter().collect();
        self.curves.retain(|curve| curve.lines.iter().any(|line| !line.x.is_empty()));
    }

    /// Adds a line to the facts.
    pub(super) fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// The task to show: the one that was chosen, or else the first that is running, or else the last one that
    /// has curves.
    pub(super) fn pick(&self, chosen: Option<usize>) -> Option<usize> {
        let has = |k: &usize| self.tasks[*k].curves;
        let running = |k: &usize| has(k) && self.tasks[*k].state == "running";
        let all = 0..self.tasks.len();
        chosen
            .filter(|k| all.contains(k) && has(k))
            .or_else(|| all.clone().find(running))
            .or_else(|| all.rev().find(has))
    }
}
