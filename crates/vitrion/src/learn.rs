//! Active learning: a committee that knows where it is ignorant, and labels only for what teaches it.
//!
//! ```text
//! initial data ─► committee ─► exploration ─► deviations ─► candidates ─► selection ─► labels ─┐
//!                    ▲                                                                          │
//!                    └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everything lies below one folder: `labels/` (the store), `initial/`, and for each iteration
//! `iteration-NNN/{data, train, explore, select.json, selected.extxyz, summary.json}`. Trainings,
//! explorations and labels are [`jobs`]; a step that left its result is not done again, so that the loop goes
//! on wherever it was killed.

mod candidates;
mod choice;
pub mod deviation;
pub mod dpgen;
pub mod exploration;
mod initial;
mod iteration;
pub mod ledger;
pub mod selection;
mod training_text;
pub mod windows;

use crate::dft::EngineSettings;
use crate::error::{Error, InputError};
use crate::inputs::structure_name;
use crate::jobs::{self, Drive, Job, Progress, Scheduler, drive};
use crate::labels::Store;
use crate::results::{read_json, write_atomically, write_json};
use crate::run_file::{ExploreTable, LearnFile};
use ledger::{Ledger, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use vitrion_core::Structure;

/// The file that says what a folder was made from.
const LEARN: &str = "learn.toml";
const LEDGER: &str = "ledger.json";

/// How a loop is run; nothing here changes the results.
pub struct Options<'a> {
    pub stop: &'a AtomicBool,
    /// Of vitrion itself, and of its jobs if the file does not say.
    pub threads: usize,
    /// Told which jobs are under way, and how far they are.
    pub watch: &'a mut (dyn FnMut(&str, Option<Progress>) + Send),
    pub patience: Drive,
    /// What the user types to go on.
    pub resume: String,
}

/// A loop and what it works with.
struct Loop<'a, 'o> {
    file: &'a LearnFile,
    folder: &'a Path,
    engine: &'a EngineSettings,
    level: String,
    store: Store,
    scheduler: Box<dyn Scheduler>,
    /// Structures by name.
    structures: Vec<(String, Structure)>,
    options: Options<'o>,
}

/// Systems of `[[data]]` and their weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct InitialSystem {
    path: PathBuf,
    weight: f64,
    frames: usize,
}

/// What was done before the first iteration; `initial/done.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Initial {
    /// Hash of the level of all labels of the loop.
    level: String,
    systems: Vec<InitialSystem>,
    /// Labels made for the start, by key.
    labels: usize,
    checks: Vec<String>,
}

/// Runs the loop of a learn file in `folder`, or goes on with it.
///
/// # Errors
/// Input that makes no sense, an engine that cannot work, labels that must not be mixed, jobs that fail.
pub fn carry_out(
    file: &LearnFile,
    folder: &Path,
    program: &Path,
    options: Options<'_>,
) -> Result<Ledger, Error> {
    begin(file, folder)?;
    let structures = structures(file)?;
    let mut work = Loop {
        file,
        folder,
        engine: &file.engine,
        level: file.engine.level().hash(),
        store: Store::open(&folder.join("labels"))?,
        scheduler: file.scheduler.scheduler(program, options.threads)?,
        structures,
        options,
    };
    let initial = work.initial()?;
    let mut summaries: Vec<Summary> = Vec::new();
    let ended = loop {
        let k = summaries.len();
        let step = match summaries.last() {
            None => 0,
            Some(last) => last.step + usize::from(last.leave_step),
        };
        if let Some(reason) = work.end_before(k, step, summaries.last()) {
            break reason;
        }
        let place = work.iteration_folder(k).join("summary.json");
        let summary = if place.exists() {
            read_json(&place)?
        } else {
            let spent = spent_on(step, &summaries);
            let summary = work.iteration(k, step, spent, summaries.last(), &initial)?;
            write_json(&place, &summary)?;
            summary
        };
        summaries.push(summary);
        work.write_ledger(&initial, &summaries, None, Vec::new())?;
    };
    // the labels of the last iteration deserve a training too
    let models = work.final_training(&summaries, &initial)?;
    work.write_ledger(&initial, &summaries, Some(ended), models)
}

/// Iterations that were spent on a step of the schedule.
fn spent_on(step: usize, summaries: &[Summary]) -> usize {
    summaries.iter().filter(|s| s.step == step).count()
}

/// Writes `learn.toml` into a new folder, or compares.
fn begin(file: &LearnFile, folder: &Path) -> Result<(), Error> {
    let path = folder.join(LEARN);
    if !path.exists() {
        let occupied = folder.exists()
            && std::fs::read_dir(folder).map_err(InputError::os(folder, "read"))?.next().is_some();
        if occupied {
            let found = "files that are not of a learning loop".to_owned();
            return Err(InputError::NotAResultsFolder { path: folder.to_owned(), found }.into());
        }
        write_atomically(&path, file.text.as_bytes())?;
        return Ok(());
    }
    let present = std::fs::read_to_string(&path).map_err(InputError::os(&path, "read"))?;
    let (there, here) = (essence(&present), essence(&file.text));
    if there == here {
        return Ok(());
    }
    let differences = there
        .symmetric_difference(&here)
        .map(|line| {
            let place = if there.contains(line) { "only there" } else { "only here" };
            format!("{place}: {line}")
        })
        .collect();
    Err(InputError::OtherLoop { path: folder.to_owned(), differences }.into())
}

/// Every value that decides results, with its place: where jobs run and when the loop stops may change on
/// the way.
fn essence(text: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let Ok(mut table) = text.parse::<toml::Table>() else {
        // compared as it is
        lines.insert(text.to_owned());
        return lines;
    };
    table.remove("scheduler");
    table.remove("stop");
    list(&toml::Value::Table(table), "", &mut lines);
    lines
}

fn list(value: &toml::Value, path: &str, lines: &mut BTreeSet<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, value)| list(value, &below(key), lines));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().enumerate().for_each(|(k, v)| list(v, &below(&k.to_string()), lines));
        }
        other => {
            lines.insert(format!("{path} = {other}"));
        }
    }
}

/// Refuses structures with elements that the models will not know.
fn refuse_unknown_elements(
    file: &LearnFile,
    name: &str,
    structure: &Structure,
) -> Result<(), InputError> {
    let unknown = (0..structure.len())
        .map(|atom| structure.symbol(atom))
        .find(|symbol| !file.species.iter().any(|s| s == symbol));
    unknown.map_or(Ok(()), |symbol| {
        Err(InputError::Usage(format!(
            "{}: {name} holds {symbol}, which species = {:?} does not name",
            file.path.display(),
            file.species
        )))
    })
}

fn structures(file: &LearnFile) -> Result<Vec<(String, Structure)>, Error> {
    let mut found = Vec::new();
    for table in &file.structures {
        let table = &table.value;
        let name = structure_name(&table.structure.value, |path| file.resolve(path));
        let start = crate::labeling::structure(&name)?;
        let structure = vitrion_core::build::supercell::repeat(&start, table.repeat);
        refuse_unknown_elements(file, &name, &structure)?;
        found.push((table.name.value.clone(), structure));
    }
    Ok(found)
}

impl Loop<'_, '_> {
    fn iteration_folder(&self, k: usize) -> PathBuf {
        self.folder.join(format!("iteration-{k:03}"))
    }

    /// The models of iteration `k`, by absolute paths: jobs may run anywhere.
    fn models(&self, k: usize) -> Vec<PathBuf> {
        let folder = self.iteration_folder(k);
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        (0..self.file.committee)
            .map(|member| folder.join(format!("train/member-{member}/model.safetensors")))
            .collect()
    }

    /// Why there is no iteration `k`, if there is none.
    fn end_before(&self, k: usize, step: usize, last: Option<&Summary>) -> Option<String> {
        if let Some(reason) = last.and_then(|last| last.end.clone()) {
            return Some(reason);
        }
        if step >= self.file.explore.len() {
            return Some("the schedule of exploration is finished".to_owned());
        }
        let most = self.file.stop.iterations;
        (k >= most).then(|| format!("{most} iterations were allowed ([stop] iterations)"))
    }

    /// The step of the schedule, for people.
    fn schedule(&self, step: usize) -> String {
        match &self.file.explore[step].value {
            ExploreTable::Pool { path, .. } => format!("frames of {}", path.value),
            ExploreTable::Dynamics(d) => {
                let list = |values: &[f64]| {
                    let words = values.iter().map(|x| trimmed(&format!("{x:.4}")));
                    words.collect::<Vec<_>>().join(", ")
                };
                let gpa: Vec<f64> =
                    d.pressures.iter().map(|p| p * vitrion_core::units::EV_PER_A3_IN_GPA).collect();
                let pressure = if gpa.is_empty() {
                    "constant volume".to_owned()
                } else {
                    format!("{} GPa", list(&gpa))
                };
                format!(
                    "{} at {} K, {pressure}, {} ps",
                    if d.structures.is_empty() {
                        "all structures".to_owned()
                    } else {
                        let names = d.structures.iter().map(|s| s.value.clone());
                        names.collect::<Vec<_>>().join(", ")
                    },
                    list(&d.temperatures),
                    trimmed(&format!("{:.4}", d.steps as f64 * d.timestep * 1e-3)),
                )
            }
        }
    }

    /// Runs jobs; any that fail end the loop, for what comes next needs them all.
    fn jobs(&mut self, what: &str, list: &[Job]) -> Result<(), Error> {
        let Loop { scheduler, options, .. } = self;
        let watch = &mut options.watch;
        let report = drive(
            &mut **scheduler,
            list,
            &options.patience,
            &mut |progress| watch(what, Some(progress)),
            options.stop,
        )?;
        if report.interrupted {
            return Err(Error::Interrupted { resume: options.resume.clone() });
        }
        match report.failed.first() {
            None => Ok(()),
            Some(failed) => Err(Error::Learning(format!(
                "{what}: {} of {} jobs failed, the first: {} in {}; mend the cause and go on with: {}",
                report.failed.len(),
                list.len(),
                failed.message,
                failed.folder.display(),
                options.resume
            ))),
        }
    }

    fn write_ledger(
        &self,
        initial: &Initial,
        summaries: &[Summary],
        ended: Option<String>,
        models: Vec<String>,
    ) -> Result<Ledger, Error> {
        let ledger = Ledger {
            name: self.file.name.clone(),
            level: self.engine.level().description,
            level_hash: self.level.clone(),
            checks: initial.checks.clone(),
            initial_labels: initial.labels,
            initial_frames: initial.systems.iter().map(|s| s.frames).sum(),
            iterations: summaries.to_vec(),
            ended,
            models,
        };
        write_json(&self.folder.join(LEDGER), &ledger)?;
        crate::report::write_learning_report(self.folder)?;
        Ok(ledger)
    }
}

/// Without zeros behind the point.
fn trimmed(text: &str) -> String {
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text.to_owned()
}

/// A finished job's result.
fn result<T: serde::de::DeserializeOwned>(job: &Job) -> Result<T, Error> {
    Ok(read_json(&job.folder.join(jobs::DONE))?)
}
