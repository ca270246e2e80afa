//! The results folder in memory. What is missing or unreadable becomes a note, not a crash.

use super::ReportError;
use crate::movie::{self, Moment};
use crate::results::{Manifest, RunEntry, StageEntry, SystemEntry, really_inside};
use std::path::{Path, PathBuf};
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::observables::Observables;

/// Version of the folder layout this report understands.
const FORMAT: u32 = 1;

/// One results folder, or several side by side.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) title: String,
    /// The folders.
    pub(super) sources: Vec<Source>,
    pub(super) systems: Vec<System>,
    /// What could not be read, in plain words.
    pub(super) notes: Vec<String>,
}

/// Where results are from.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Name of the folder.
    pub(super) name: String,
    /// Default in folders of analyses alone.
    pub(super) manifest: Manifest,
    /// `plan.toml` and `run.toml`, where present.
    pub(super) plan: Option<String>,
    pub(super) run_file: Option<String>,
}

impl Source {
    /// True for a folder that `vitrion run` wrote.
    pub(super) fn is_run(&self) -> bool {
        self.manifest.format > 0
    }
}

/// One system with its runs and the analyses over them.
#[derive(Debug, Default)]
pub(super) struct System {
    pub(super) entry: SystemEntry,
    pub(super) runs: Vec<Run>,
    pub(super) analyses: Vec<Observables>,
    pub(super) picture: Option<Atoms>,
}

/// The atoms of a system to look at.
#[derive(Debug)]
pub(super) struct Atoms {
    /// File, relative to the results folder, and with the name of the folder where there are several.
    pub(super) source: String,
    /// Of the run [K], if it has one.
    pub(super) temperature_k: Option<f64>,
    pub(super) moments: Vec<Moment>,
}

/// One run with its analyses.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) entry: RunEntry,
    pub(super) stages: Vec<Stage>,
    pub(super) analyses: Vec<Observables>,
}

/// One stage with its thermo table.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) entry: StageEntry,
    pub(super) thermo: Option<Thermo>,
}

/// `thermo.csv`: named columns of equal length.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Thermo {
    columns: Vec<(String, Vec<f64>)>,
}

impl Thermo {
    /// A column by name.
    pub(super) fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values.as_slice())
    }
}

impl System {
    /// The cross-run analysis of a kind.
    pub(super) fn analysis(&self, kind: &str) -> Option<&Observables> {
        self.analyses.iter().find(|observables| observables.kind == kind)
    }

    /// Diffusion at each temperature, in the order of the runs: the mean over replicas where there are several, with the runs it is of.
    pub(super) fn diffusion(&self) -> Vec<(&Observables, Vec<&Run>)> {
        let temperature = |observables: &Observables| -> Option<String> {
            let mut parameters = observables.parameters.iter();
            parameters.find(|(name, _)| name == "temperature").map(|(_, value)| value.clone())
        };
        let mut found: Vec<(&Observables, Vec<&Run>)> = Vec::new();
        for run in &self.runs {
            let Some(own) = run.analysis("diffusion") else { continue };
            let at = temperature(own);
            let same = |(known, _): &&mut (&Observables, Vec<&Run>)| {
                at.is_some() && temperature(known) == at
            };
            let Some((known, runs)) = found.iter_mut().find(same) else {
                found.push((own, vec![run]));
                continue;
            };
            runs.push(run);
            let mean = |all: &&Observables| all.kind == "diffusion" && temperature(all) == at;
            if let Some(mean) = self.analyses.iter().find(mean) {
                *known = mean;
            }
        }
        found
    }
}

impl Run {
    /// Temperature of the sweep [K], or without a sweep the mean of the last finished stage.
    pub(super) fn temperature_k(&self) -> Option<f64> {
        let measured = || {
            let last = self.stages.iter().rfind(|stage| stage.entry.finished)?;
            (last.entry.mean_temperature_k > 0.0).then_some(last.entry.mean_temperature_k)
        };
        self.entry.temperature_k.or_else(measured)
    }

    /// The analysis of a kind.
    pub(super) fn analysis(&self, kind: &str) -> Option<&Observables> {
        self.analyses.iter().find(|observables| observables.kind == kind)
    }
}

impl Results {
    /// All analyses, runs first, with the place they belong to.
    pub(super) fn analyses(&self) -> impl Iterator<Item = (&str, &Observables)> {
        self.systems.iter().flat_map(|system| {
            let runs = system.runs.iter().flat_map(|run| {
                run.analyses.iter().map(move |observables| (run.entry.id.as_str(), observables))
            });
            runs.chain(system.analyses.iter().map(|o| (system.entry.name.as_str(), o)))
        })
    }

    /// Temperatures of all sweeps [K], ascending, without repeats.
    pub(super) fn temperatures(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self
            .systems
            .iter()
            .flat_map(|system| &system.runs)
            .filter_map(|run| run.entry.temperature_k)
            .collect();
        all.sort_by(f64::total_cmp);
        all.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
        all
    }
}

/// Reads several folders, of runs or of analyses alone, as one: names that occur more than once get the name of their folder.
///
/// # Errors
/// As [`results`], of any of the folders.
pub(super) fn together(folders: &[PathBuf]) -> Result<Results, ReportError> {
    let mut all = Results::default();
    let mut found = Vec::new();
    for folder in folders {
        let one = match results(folder) {
            Err(ReportError::NoManifest { .. }) => analyses_alone(folder)
                .ok_or_else(|| ReportError::NothingToCompare { folder: folder.clone() })?,
            other => other?,
        };
        found.push(one);
    }
    let count = |name: &str| {
        let systems = found.iter().flat_map(|one| &one.systems);
        systems.filter(|system| system.entry.name == name).count()
    };
    let shared: Vec<String> = found
        .iter()
        .flat_map(|one| &one.systems)
        .map(|system| system.entry.name.clone())
        .filter(|name| count(name) > 1)
        .collect();
    let mut folders: Vec<String> = Vec::new();
    for one in found {
        let mut name = one.sources[0].name.clone();
        while folders.contains(&name) {
            name.push('′');
        }
        folders.push(name.clone());
        for mut system in one.systems {
            if shared.contains(&system.entry.name) {
                system.entry.name = format!("{} ({name})", system.entry.name);
                for run in &mut system.runs {
                    run.entry.id = format!("{} ({name})", run.entry.id);
                }
            }
            if let Some(atoms) = &mut system.picture {
                atoms.source = format!("{name}/{}", atoms.source);
            }
            all.systems.push(system);
        }
        all.notes.extend(one.notes.into_iter().map(|note| format!("{name}: {note}")));
        all.sources.extend(one.sources.into_iter().map(|s| Source { name: name.clone(), ..s }));
    }
    all.title = folders.join(" · ");
    Ok(all)
}

/// Reads a results folder.
///
/// # Errors
/// A folder without a readable manifest, or with one of another layout version.
pub(super) fn results(folder: &Path) -> Result<Results, ReportError> {
    let path = folder.join("manifest.json");
    let text = std::fs::read_to_string(&path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            ReportError::NoManifest { folder: folder.to_owned() }
        } else {
            ReportError::Os { path: path.clone(), doing: "read", source }
        }
    })?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|source| ReportError::Manifest { path: path.clone(), source })?;
    if manifest.format != FORMAT {
        return Err(ReportError::Format { path, found: manifest.format, expected: FORMAT });
    }
    let mut notes = Vec::new();
    let plan = text_file(folder, "plan.toml", &mut notes);
    let run_file = text_file(folder, "run.toml", &mut notes);
    let systems = manifest.systems.iter().map(|entry| system(folder, entry, &mut notes)).collect();
    if manifest.systems.is_empty() {
        notes.push("The manifest lists no system.".to_owned());
    }
    let title = manifest.name.clone();
    let source = Source { name: name_of(folder), manifest, plan, run_file };
    Ok(Results { title, sources: vec![source], systems, notes })
}

/// The name of a folder, of "." too.
pub(super) fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole
        .file_name()
        .map_or_else(|| "results".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Reads a folder that `vitrion analyze --out` wrote, as one system with one run; `None` without results of any analysis.
pub(super) fn analyses_alone(folder: &Path) -> Option<Results> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let of_analysis = |name: &&String| Path::new(name).extension().is_some_and(|e| e == "json");
    let read = |name: &String| -> Option<Observables> {
        serde_json::from_str(&std::fs::read_to_string(folder.join(name)).ok()?).ok()
    };
    let found: Vec<Observables> = names.iter().filter(of_analysis).filter_map(read).collect();
    if found.is_empty() {
        return None;
    }
    let name = name_of(folder);
    let is_movie = |known: &&String| known.contains(".movie.");
    let movies: Vec<String> = names.iter().filter(is_movie).cloned().collect();
    let mut notes = Vec::new();
    let run = Run {
        entry: RunEntry { id: name.clone(), movies, ..RunEntry::default() },
        analyses: found,
        ..Run::default()
    };
    let entry =
        SystemEntry { name: name.clone(), runs: vec![run.entry.clone()], ..SystemEntry::default() };
    let picture = picture(folder, &entry, &mut notes);
    let system = System { entry, runs: vec![run], picture, ..System::default() };
    let source = Source { name: name.clone(), ..Source::default() };
    Some(Results { title: name, sources: vec![source], systems: vec![system], notes })
}

fn system(folder: &Path, entry: &SystemEntry, notes: &mut Vec<String>) -> System {
    let runs: Vec<Run> = entry
        .runs
        .iter()
        .map(|run| Run {
            entry: run.clone(),
            stages: run.stages.iter().map(|stage| load_stage(folder, stage, notes)).collect(),
            analyses: analyses(folder, &run.analyses, notes),
        })
        .collect();
    System {
        entry: entry.clone(),
        picture: picture(folder, entry, notes),
        runs,
        analyses: analyses(folder, &entry.analyses, notes),
    }
}

fn load_stage(folder: &Path, entry: &StageEntry, notes: &mut Vec<String>) -> Stage {
    let relative = format!("{}/thermo.csv", entry.folder);
    let begun = really_inside(folder, &relative).is_some_and(|path| path.exists());
    if !begun && !entry.finished {
        return Stage { entry: entry.clone(), thermo: None }; // not begun: nothing is missing
    }
    let thermo = text_file(folder, &relative, notes).and_then(|text| match parse_thermo(&text) {
        Ok(thermo) => Some(thermo),
        Err(message) => {
            notes.push(format!("{relative}: {message}"));
            None
        }
    });
    Stage { entry: entry.clone(), thermo }
}

fn analyses(folder: &Path, files: &[String], notes: &mut Vec<String>) -> Vec<Observables> {
    let mut out = Vec::new();
    for relative in files {
        let Some(text) = text_file(folder, relative, notes) else { continue };
        match serde_json::from_str(&text) {
            Ok(observables) => out.push(observables),
            Err(error) => notes.push(format!("{relative}: not an analysis result: {error}")),
        }
    }
    out
}

/// The last movie of the hottest run, or else its last finished frame, or else its first structure.
fn picture(folder: &Path, entry: &SystemEntry, notes: &mut Vec<String>) -> Option<Atoms> {
    let hottest = entry
        .runs
        .iter()
        .max_by(|a, b| a.temperature_k.unwrap_or(0.0).total_cmp(&b.temperature_k.unwrap_or(0.0)))?;
    let movies = hottest.movies.iter().rev().cloned();
    let last = hottest.stages.iter().rev().map(|stage| format!("{}/final.extxyz", stage.folder));
    let first = format!("runs/{}/initial.extxyz", hottest.id);
    let mut refusals = Vec::new();
    for relative in movies.chain(last).chain([first]) {
        let Some(path) = really_inside(folder, &relative) else {
            refusals.push(format!("{relative:?} points outside the results folder"));
            continue;
        };
        let found = if relative.contains(".movie.") {
            movie::read(&path)
        } else {
            io::read_last(&path, &ReadOptions::default())
                .map(|frame| vec![Moment { frame, columns: Vec::new() }])
        };
        match found {
            Ok(moments) if moments.is_empty() => refusals.push(format!("{relative}: no frame")),
            Ok(moments) => {
                let temperature_k = hottest.temperature_k;
                return Some(Atoms { source: relative, temperature_k, moments });
            }
            Err(error) => {
                // the page is the same wherever the folder lies
                refusals.push(error.to_string().replace(&format!("{}/", folder.display()), ""));
            }
        }
    }
    notes.push(format!("No atom picture of {}: {}", entry.name, refusals.join("; ")));
    None
}

/// The text of a file inside the folder; a note when it cannot be had.
fn text_file(folder: &Path, relative: &str, notes: &mut Vec<String>) -> Option<String> {
    let Some(path) = really_inside(folder, relative) else {
        notes.push(format!("{relative:?} points outside the results folder and was not read."));
        return None;
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            notes.push(format!("{relative} could not be read: {error}"));
            None
        }
    }
}

fn parse_thermo(text: &str) -> Result<Thermo, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let (_, header) = lines.next().ok_or("the file is empty")?;
    let mut columns: Vec<(String, Vec<f64>)> =
        header.split(',').map(|name| (name.trim().to_owned(), Vec::new())).collect();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != columns.len() {
            return Err(format!(
                "line {}: expected {} columns, found {}",
                index + 1,
                columns.len(),
                cells.len()
            ));
        }
        for ((name, values), cell) in columns.iter_mut().zip(cells) {
            let value = cell.trim().parse().map_err(|_| {
                format!("line {}: expected a number for {name}, found {cell:?}", index + 1)
            })?;
            values.push(value);
        }
    }
    Ok(Thermo { columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thermo_table_keeps_its_columns_and_names_bad_lines() {
        let thermo = parse_thermo("step,time_ps\n0,0.0\n10,0.01\n").expect("well formed");
        assert_eq!(thermo.column("time_ps"), Some(&[0.0, 0.01][..]));
        assert_eq!(
            parse_thermo("step,time_ps\n0\n"),
            Err("line 2: expected 2 columns, found 1".to_owned())
        );
        let error = parse_thermo("step\nx\n").expect_err("x is no number");
        assert!(error.contains("line 2: expected a number for step, found \"x\""), "{error}");
    }
}
