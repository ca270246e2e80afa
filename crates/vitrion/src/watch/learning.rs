//! The folder of a learning loop: what is finished from `ledger.json`, the present iteration from the files its
//! jobs write.

use super::files::{Json, Look};
use super::labels::{Counts, Jobs};
use super::state::{Curve, Line, State, Table, Task};
use super::tail::{Lines, Tail};
use super::training::{Member, steps};
use crate::jobs::{DONE, JOB};
use crate::learn::exploration::TABLE;
use crate::learn::ledger::{Ledger, Summary};
use crate::run_file::TrainingFile;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::path::Path;
use vitrion_model::train::evaluation::Row;

/// Bins of deviations in a decade, from the first edge on [eV/Å].
const PER_DECADE: usize = 10;
const FIRST_EDGE: f64 = 1e-4;
const BINS: usize = 8 * PER_DECADE;
/// Iterations that are looked for.
const MOST_ITERATIONS: u32 = 1000;

/// What is known of a loop.
#[derive(Debug, Default)]
pub(super) struct Learning {
    ledger: Json<Ledger>,
    labels: Jobs,
    /// Of the present iteration.
    present: Present,
}

/// One iteration on its way.
#[derive(Debug, Default)]
struct Present {
    number: Option<u32>,
    /// Steps of its training file, once it is there.
    steps: Option<f64>,
    members: BTreeMap<String, Member>,
    explorations: BTreeMap<String, Exploration>,
    selected: Json<Selected>,
}

/// `select.json`, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Selected {
    window: Levels,
    candidates: usize,
    chosen: Vec<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Levels {
    force: (f64, f64),
}

/// One run of exploration.
#[derive(Debug, Default)]
struct Exploration {
    job: Json<ExploreJob>,
    thermo_tail: Tail,
    step: LastStep,
    table_tail: Tail,
    deviations: Deviations,
}

#[derive(Debug, Deserialize)]
struct ExploreJob {
    stage: Wanted,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    steps: u64,
}

/// The step of the last row of a `thermo.csv`.
#[derive(Debug, Default)]
struct LastStep(Option<u64>);

impl Lines for LastStep {
    fn clear(&mut self) {
        self.0 = None;
    }

    fn line(&mut self, text: &str) {
        self.0 = text.split(',').next().and_then(|cell| cell.parse().ok()).or(self.0);
    }
}

/// Largest deviations of forces in `model_devi.out`, counted in bins.
#[derive(Debug)]
struct Deviations([u32; BINS]);

impl Default for Deviations {
    fn default() -> Self {
        Deviations([0; BINS])
    }
}

impl Lines for Deviations {
    fn clear(&mut self) {
        self.0 = [0; BINS];
    }

    fn line(&mut self, text: &str) {
        if text.trim_start().starts_with('#') {
            return;
        }
        // step max_devi_v min_devi_v avg_devi_v max_devi_f min_devi_f avg_devi_f
        let value = text.split_whitespace().nth(4).and_then(|cell| cell.parse::<f64>().ok());
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let place = (value.max(FIRST_EDGE) / FIRST_EDGE).log10() * PER_DECADE as f64;
            self.0[(place as usize).min(BINS - 1)] += 1;
        }
    }
}

fn edge(k: usize) -> f64 {
    FIRST_EDGE * 10.0_f64.powf(k as f64 / PER_DECADE as f64)
}

impl Learning {
    pub(super) fn state(&mut self, look: &mut Look<'_>, chosen: Option<usize>) -> State {
        let mut state = State { kind: "learning", tasks_title: "Work", ..State::default() };
        let ledger = self.ledger.refresh(look, "ledger.json");
        let number = present_iteration(look);
        if self.present.number != number {
            self.present = Present { number, ..Present::default() };
        }
        let (counts, label_tasks) = self.labels.tasks(look, "labels/jobs");
        let members = self.present.train(look, &mut state);
        self.present.explore(look, &mut state);
        let last = ledger.and_then(|ledger| ledger.iterations.last());
        let finished = last.is_some_and(|last| Some(last.iteration) == number.map(|n| n as usize));
        let phase = self.present.phase(look, finished, &state.tasks, &counts);
        state.tasks.extend(label_tasks);
        let ended = ledger.and_then(|ledger| ledger.ended.clone());
        state.running = ended.is_none();
        state.status = ended.map_or(format!("running: {phase}"), |why| format!("finished: {why}"));
        state.shown = state.pick(chosen);
        if let Some(shown) = state.shown
            && let Some(member) = self.present.members.values().take(members).nth(shown)
        {
            state.curves = member.curves();
        }
        let levels = self.present.selected.value().map(|s| s.window.force);
        let levels = levels.or_else(|| last.map(|last| last.window.force));
        let mut deviations = self.present.histogram(levels);
        if let Some(last) = last.filter(|_| deviations.lines.is_empty()) {
            deviations = histogram_of(last);
        }
        state.curves.push(deviations);
        if let Some(ledger) = ledger {
            state.title.clone_from(&ledger.name);
            of_ledger(&mut state, ledger);
        }
        if let Some(number) = number.filter(|_| state.running) {
            state.fact("iteration", number.to_string());
        }
        if let Some(selected) = self.present.selected.value() {
            let (chosen, of) = (selected.chosen.len(), selected.candidates);
            state.fact("chosen", format!("{chosen} of {of} candidates"));
        }
        state
    }
}

/// The highest `iteration-NNN`.
fn present_iteration(look: &Look<'_>) -> Option<u32> {
    (0..MOST_ITERATIONS).take_while(|k| look.is_folder(&format!("iteration-{k:03}"))).last()
}

impl Present {
    fn folder(&self) -> Option<String> {
        self.number.map(|k| format!("iteration-{k:03}"))
    }

    /// Adds a task for each model in training; returns how many.
    fn train(&mut self, look: &mut Look<'_>, state: &mut State) -> usize {
        let Some(folder) = self.folder() else { return 0 };
        if self.steps.is_none() {
            let text = look.bytes(&format!("{folder}/train.toml"));
            let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
            let file =
                text.and_then(|text| TrainingFile::parse(Path::new("train.toml"), &text).ok());
            self.steps = file.as_ref().map(steps);
        }
        for name in look.names(&format!("{folder}/train")) {
            let prefix = format!("{folder}/train/{name}/");
            let member = self.members.entry(name.clone()).or_default();
            let shown = format!("training, {name}");
            state.tasks.push(member.task(look, &prefix, &shown, self.steps));
        }
        self.members.len()
    }

    /// Adds a task for each run of exploration.
    fn explore(&mut self, look: &mut Look<'_>, state: &mut State) {
        let Some(folder) = self.folder() else { return };
        self.selected.refresh(look, &format!("{folder}/select.json"));
        for name in look.names(&format!("{folder}/explore")) {
            let place = format!("{folder}/explore/{name}");
            let exploration = self.explorations.entry(name.clone()).or_default();
            state.tasks.push(exploration.task(look, &place, &name));
        }
    }

    fn phase(
        &self,
        look: &mut Look<'_>,
        finished: bool,
        tasks: &[Task],
        counts: &Counts,
    ) -> &'static str {
        let Some(folder) = self.folder() else { return "labels for the start" };
        let trained =
            !self.members.is_empty() && tasks.iter().take(self.members.len()).all(is_finished);
        match () {
            () if finished => "the next iteration begins",
            () if look.has(&format!("{folder}/summary.json")) => "bookkeeping",
            () if self.selected.value().is_some() && counts.waiting() > 0 => "labels",
            () if self.selected.value().is_some() => "labels are judged",
            () if trained => "exploration and choice",
            () => "training",
        }
    }

    /// Deviations of all runs of exploration that have ended.
    fn histogram(&self, levels: Option<(f64, f64)>) -> Curve {
        let mut counts = [0_u64; BINS];
        for run in self.explorations.values() {
            counts.iter_mut().zip(&run.deviations.0).for_each(|(a, b)| *a += u64::from(*b));
        }
        let all: u64 = counts.iter().sum();
        let used = |k: &usize| counts[*k] > 0;
        let (Some(first), Some(last)) = ((0..BINS).find(used), (0..BINS).rfind(used)) else {
            return deviations(0, levels, Vec::new());
        };
        let edges: Vec<f64> = (first..=last + 1).map(edge).collect();
        let line = bars(&format!("{all} explored frames"), &edges, &counts[first..=last]);
        deviations(self.number.unwrap_or(0) as usize, levels, vec![line])
    }
}

/// Deviations of an iteration that is finished.
fn histogram_of(summary: &Summary) -> Curve {
    let found = &summary.histogram;
    let counts = |counts: &[usize]| counts.iter().map(|n| *n as u64).collect::<Vec<u64>>();
    let lines = [("explored frames", &found.explored), ("training frames", &found.training)]
        .map(|(what, n)| bars(what, &found.edges, &counts(n)));
    deviations(summary.iteration, Some(summary.window.force), lines.into())
}

/// A chart of deviations with its trust levels.
fn deviations(iteration: usize, levels: Option<(f64, f64)>, lines: Vec<Line>) -> Curve {
    let mark = |(low, high): (f64, f64)| {
        vec![(low as f32, "lower level".to_owned()), (high as f32, "upper level".to_owned())]
    };
    let note = levels.map_or(String::new(), |(low, high)| {
        format!("Dotted: trust levels, {low:.3} and {high:.3} eV/Å.")
    });
    Curve {
        id: "deviations",
        title: format!("Deviations, iteration {iteration}"),
        x: "largest deviation of a force [eV/Å]",
        y: "share of frames [%]",
        log: (true, false),
        marks: levels.map_or(Vec::new(), mark),
        note,
        lines,
    }
}

/// Shares of bins as steps.
fn bars(label: &str, edges: &[f64], counts: &[u64]) -> Line {
    let all: u64 = counts.iter().sum();
    let mut line = Line { label: label.to_owned(), ..Line::default() };
    for (ends, count) in edges.windows(2).zip(counts) {
        let share = 100.0 * *count as f64 / all.max(1) as f64;
        line.x.extend([ends[0] as f32, ends[1] as f32]);
        line.y.extend([share as f32; 2]);
    }
    line
}

fn is_finished(task: &Task) -> bool {
    task.state == "finished"
}

impl Exploration {
    fn task(&mut self, look: &mut Look<'_>, place: &str, name: &str) -> Task {
        let wanted = self.job.refresh(look, &format!("{place}/{JOB}"));
        let all = wanted.map_or(0.0, |job| job.stage.steps as f64);
        let done = look.has(&format!("{place}/{DONE}"));
        let begun =
            self.thermo_tail.read(look, &format!("{place}/thermo.csv"), &mut self.step).is_some();
        self.table_tail.read(look, &format!("{place}/{TABLE}"), &mut self.deviations);
        let state = match (done, begun) {
            (true, _) => "finished",
            (false, true) => "running",
            (false, false) => "waiting",
        };
        Task {
            name: format!("exploration, {name}"),
            state: state.to_owned(),
            done: self.step.0.unwrap_or(0) as f64,
            all,
            unit: "steps",
            ..Task::default()
        }
    }
}

/// Facts, curves and the table of the iterations that are finished.
fn of_ledger(state: &mut State, ledger: &Ledger) {
    let all = &ledger.iterations;
    let labels = all.last().map_or(ledger.initial_labels, |s| s.labels);
    state.fact("labels", labels.to_string());
    state.fact("labels by", ledger.level.clone());
    let force =
        |row: Option<&Row>| row.and_then(|r| r.force_mev_per_a).map_or(f64::NAN, |m| m.rmse);
    let shown = |x: f64| if x.is_finite() { format!("{x:.1}") } else { "–".to_owned() };
    let line = |label: &str, of: &dyn Fn(&Summary) -> f64| {
        Line::points(label, all.iter().map(|s| (s.iteration as f64, of(s))))
    };
    let curve = |id, title: &str, y, lines| Curve {
        id,
        title: title.to_owned(),
        x: "iteration",
        y,
        lines,
        ..Curve::default()
    };
    state.curves.push(curve(
        "accurate",
        "Accurate frames",
        "share of explored frames [%]",
        vec![line("accurate", &|s| 100.0 * s.accurate.value)],
    ));
    state.curves.push(curve(
        "errors",
        "Force error over iterations",
        "RMSE [meV/Å]",
        vec![
            line("new labels, before training on them", &|s| force(s.before.as_ref())),
            line("held-out frames", &|s| force(s.held_out.as_ref())),
        ],
    ));
    state.tables.push(Table {
        title: "Iterations",
        head: vec![
            "iteration",
            "explored",
            "accurate",
            "candidates",
            "failed",
            "new labels",
            "labels",
            "force error before [meV/Å]",
            "what",
        ],
        rows: all
            .iter()
            .map(|s| {
                vec![
                    s.iteration.to_string(),
                    s.counts.all().to_string(),
                    s.counts.accurate.to_string(),
                    s.counts.candidate.to_string(),
                    s.counts.failed.to_string(),
                    s.new_labels.to_string(),
                    s.labels.to_string(),
                    shown(force(s.before.as_ref())),
                    s.schedule.clone(),
                ]
            })
            .collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_fall_into_the_bin_that_holds_them() {
        let mut found = Deviations::default();
        found.line("#  step max_devi_v min_devi_v avg_devi_v max_devi_f min_devi_f avg_devi_f");
        for value in ["0", "1e-9", "1.5e-1", "9e99", "nan", "x"] {
            found.line(&format!("10 1 1 1 {value} 1 1"));
        }
        found.line("10 1 1");
        assert_eq!(found.0.iter().sum::<u32>(), 4);
        assert_eq!((found.0[0], found.0[BINS - 1]), (2, 1));
        let k = found.0[1..BINS - 1].iter().position(|n| *n == 1).expect("one between") + 1;
        assert!(edge(k) <= 0.15 && 0.15 < edge(k + 1), "{} to {}", edge(k), edge(k + 1));
    }
}
