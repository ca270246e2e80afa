//! A results folder: `manifest.json`, `status.json` of every run, `thermo.csv` of every stage.

use super::files::{Json, Look};
use super::state::{Curve, Line, State, Task};
use super::tail::{Lines, Tail};
use super::thinned::Thinned;
use crate::pipeline::Status;
use crate::results::{Manifest, RunEntry, StageEntry};
use std::collections::BTreeMap;
use vitrion_core::units;

/// Points of a curve for each stage.
const POINTS: usize = 600;
/// Columns of `thermo.csv` that are kept.
const COLUMNS: [&str; 6] = [
    "time_ps",
    "temperature_k",
    "pressure_gpa",
    "potential_energy_ev",
    "conserved_ev",
    "density_g_per_cm3",
];
/// A density that varies by less is constant.
const CONSTANT: f64 = 1e-6;

/// What is known of a results folder.
#[derive(Debug, Default)]
pub(super) struct Run {
    manifest: Json<Manifest>,
    /// By run.
    statuses: BTreeMap<String, Json<Status>>,
    /// By folder of the stage.
    thermo: BTreeMap<String, Thermo>,
}

/// A `thermo.csv` as far as it has been read.
#[derive(Debug)]
struct Thermo {
    tail: Tail,
    rows: Rows,
}

#[derive(Debug)]
struct Rows {
    /// Where the kept columns stand; empty before the heading.
    places: Vec<Option<usize>>,
    table: Thinned,
}

impl Default for Thermo {
    fn default() -> Self {
        let rows = Rows { places: Vec::new(), table: Thinned::new(COLUMNS.len(), POINTS) };
        Thermo { tail: Tail::default(), rows }
    }
}

impl Lines for Rows {
    fn clear(&mut self) {
        self.places.clear();
        self.table.clear();
    }

    fn line(&mut self, text: &str) {
        if text.starts_with('#') || text.trim().is_empty() {
            return;
        }
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        if self.places.is_empty() {
            let place = |name: &&str| cells.iter().position(|cell| cell == name);
            self.places = COLUMNS.iter().map(place).collect();
            return;
        }
        let value = |place: &Option<usize>| {
            let cell = place.and_then(|place| cells.get(place));
            cell.and_then(|cell| cell.parse().ok()).unwrap_or(f64::NAN)
        };
        let row: Vec<f64> = self.places.iter().map(value).collect();
        self.table.push(&row);
    }
}

/// A run with what its status file says.
struct Known {
    entry: RunEntry,
    atoms: usize,
    status: Option<Status>,
}

impl Run {
    pub(super) fn state(&mut self, look: &mut Look<'_>, chosen: Option<usize>) -> State {
        let manifest = self.manifest.refresh(look, "manifest.json").cloned();
        let mut state = State { kind: "run", tasks_title: "Runs", ..State::default() };
        let runs = match &manifest {
            Some(manifest) => listed(manifest),
            None => found(look),
        };
        let runs: Vec<Known> = runs
            .into_iter()
            .map(|(entry, atoms)| {
                let file = format!("runs/{}/status.json", entry.id);
                let status = self.statuses.entry(entry.id.clone()).or_default();
                let status = status.refresh(look, &file).cloned();
                Known { entry, atoms, status }
            })
            .collect();
        state.tasks = runs.iter().map(task).collect();
        overview(&mut state, manifest.as_ref());
        state.shown = state.pick(chosen);
        if let Some(shown) = state.shown {
            state.curves = self.curves(look, &runs[shown]);
        }
        state
    }

    /// The curves of a run over all of its stages.
    fn curves(&mut self, look: &mut Look<'_>, run: &Known) -> Vec<Curve> {
        let mut curves = [
            ("temperature", "Temperature", "T [K]"),
            ("pressure", "Pressure", "P [GPa]"),
            ("energy", "Potential energy", "E − E(first) [meV/atom]"),
            ("conserved", "Conserved quantity", "drift within its stage [meV/atom]"),
            ("density", "Density", "ρ [g/cm³]"),
        ]
        .map(|(id, title, y)| Curve {
            id,
            title: title.to_owned(),
            x: "time [ps]",
            y,
            ..Curve::default()
        });
        let per_atom = units::express(1.0, units::Kind::Energy, "meV") / run.atoms.max(1) as f64;
        let mut first_energy = None;
        let mut densities: Option<(f64, f64)> = None;
        for stage in &run.entry.stages {
            let thermo = self.thermo.entry(stage.folder.clone()).or_default();
            let file = format!("{}/thermo.csv", stage.folder);
            let Some(left) = thermo.tail.read(look, &file, &mut thermo.rows) else { continue };
            if left > 0 {
                look.note(format!("{file} is long; {} MB of it are still to be read", left >> 20));
            }
            let table = &thermo.rows.table;
            let Some(first) = &table.first else { continue };
            let energy = *first_energy.get_or_insert(first[3]);
            for (k, curve) in curves.iter_mut().enumerate() {
                let mut drawn = table.curve(0, k + 1);
                let zero = [None, None, Some(energy), Some(first[4]), None][k];
                if let Some(zero) = zero {
                    for values in [&mut drawn.y, &mut drawn.low, &mut drawn.high] {
                        for x in values {
                            *x = (*x - zero) * per_atom;
                        }
                    }
                }
                if k == 4 {
                    for x in drawn.y.iter().chain(&drawn.low).chain(&drawn.high) {
                        let (low, high) = densities.unwrap_or((*x, *x));
                        densities = Some((low.min(*x), high.max(*x)));
                    }
                }
                curve.lines.push(Line::new(&stage.name, drawn));
            }
        }
        let constant = densities.is_none_or(|(low, high)| high - low < CONSTANT * high);
        let mut curves = curves.to_vec();
        if constant {
            curves.pop();
        }
        curves
    }
}

/// Runs of a manifest with their numbers of atoms.
fn listed(manifest: &Manifest) -> Vec<(RunEntry, usize)> {
    let systems = manifest.systems.iter();
    systems.flat_map(|system| system.runs.iter().map(|run| (run.clone(), system.atoms))).collect()
}

/// Runs by their folders: `vitrion run --only` leaves the manifest to the process that does the rest.
fn found(look: &Look<'_>) -> Vec<(RunEntry, usize)> {
    let stages = |id: &str| {
        let folder = format!("runs/{id}/stages");
        let names = look.names(&folder).into_iter();
        names
            .map(|name| StageEntry {
                folder: format!("{folder}/{name}"),
                name: name.split_once('-').map_or(name.clone(), |(_, name)| name.to_owned()),
                ..StageEntry::default()
            })
            .collect()
    };
    let runs = look.names("runs").into_iter();
    runs.map(|id| (RunEntry { stages: stages(&id), id, ..RunEntry::default() }, 0)).collect()
}

fn task(run: &Known) -> Task {
    let Known { entry, atoms, status } = run;
    let begun = status.is_some();
    let mut task = Task { name: entry.id.clone(), unit: "steps", curves: begun, ..Task::default() };
    let moves = |stage: &&StageEntry| stage.kind != "minimize";
    let steps = |stages: &[StageEntry]| -> f64 {
        stages.iter().filter(moves).map(|stage| stage.steps as f64).sum()
    };
    task.all = steps(&entry.stages);
    let Some(status) = status else {
        let finished = entry.stages.iter().all(|stage| stage.finished) && !entry.stages.is_empty();
        (if finished { "finished" } else { "waiting" }).clone_into(&mut task.state);
        task.done = if finished { task.all } else { 0.0 };
        return task;
    };
    task.state.clone_from(&status.state);
    let number = status.stage_number.saturating_sub(1);
    let present = entry.stages.get(number);
    let step = if present.is_none_or(|stage| moves(&stage)) { status.step as f64 } else { 0.0 };
    if task.all <= 0.0 {
        // without a manifest only the length of the present stage is known
        task.all = status.steps as f64;
    }
    task.done = (steps(&entry.stages[..number.min(entry.stages.len())]) + step).min(task.all);
    if status.state == "finished" {
        task.done = task.all;
        return task;
    }
    if status.stage_number > 0 {
        task.what = format!("stage {} of {}: {}", status.stage_number, status.stages, status.stage);
    }
    let speed = status.steps_per_s.filter(|speed| speed.is_finite() && *speed > 0.0);
    if let Some(speed) = speed.filter(|_| status.state == "running") {
        task.speeds.push((speed, "steps/s"));
        if let Some(stage) = present.filter(|stage| stage.timestep_fs > 0.0) {
            const FS_PER_S_IN_NS_PER_DAY: f64 = 86_400.0 * 1e-6;
            task.speeds.push((speed * stage.timestep_fs * FS_PER_S_IN_NS_PER_DAY, "ns/day"));
        }
        if *atoms > 0 {
            task.speeds.push((1e6 / (speed * *atoms as f64), "µs/atom/step"));
        }
        task.left_s = Some((task.all - task.done) / speed);
    }
    task
}

/// Title, status and what can be said of all runs together.
fn overview(state: &mut State, manifest: Option<&Manifest>) {
    let tasks = &state.tasks;
    let all: f64 = tasks.iter().map(|task| task.all).sum();
    let done: f64 = tasks.iter().map(|task| task.done).sum();
    let speed: f64 =
        tasks.iter().filter_map(|task| task.speeds.first().map(|(speed, _)| speed)).sum();
    state.fraction = (all > 0.0).then(|| (done / all).clamp(0.0, 1.0));
    state.left_s = (speed > 0.0).then(|| (all - done) / speed);
    let finished = tasks.iter().filter(|task| task.state == "finished").count();
    let runs = tasks.len();
    let Some(manifest) = manifest else {
        let going = tasks.iter().any(|task| task.state == "running") || tasks.is_empty();
        state.running = going;
        (if going { "running" } else { "no run is going on" }).clone_into(&mut state.status);
        state.fact("runs", format!("{finished} of {runs} that have begun are finished"));
        return;
    };
    state.title.clone_from(&manifest.name);
    state.status.clone_from(&manifest.status);
    state.running = ["running", crate::pipeline::QUEUED].contains(&manifest.status.as_str());
    state.started.clone_from(&manifest.started);
    state.finished.clone_from(&manifest.finished);
    let dynamics_done = runs > 0 && finished == runs;
    if state.running && dynamics_done {
        "running: analyses and report".clone_into(&mut state.status);
        state.left_s = None;
    }
    state.fact("runs", format!("{finished} of {runs} finished"));
    let systems: Vec<String> = manifest
        .systems
        .iter()
        .map(|system| format!("{} ({}, {} atoms)", system.name, system.formula, system.atoms))
        .collect();
    state.fact("systems", systems.join(", "));
    state.fact("potential", manifest.potential.name.clone());
    state.fact("machine", format!("{}; {} used", manifest.machine, manifest.threads));
}
