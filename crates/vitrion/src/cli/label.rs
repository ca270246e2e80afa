//! `vitrion label`: labels from first principles, and the store that keeps them.

use super::output::{complain, print, print_json};
use super::progress::jobs_bar;
use super::{Common, ReadArguments};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::jobs::Drive;
use vitrion::labeling::{self, Labeling, Labelled, Request};
use vitrion::labels::{
    Agreement, Comparison, Equivalence, LabelRecord, Level, Origin, Record, RunInfo, Status, Store,
    Tolerance, compare, key, write_frames,
};
use vitrion::results::now;
use vitrion::run_file::LabelFile;
use vitrion_core::io;

/// Label structures with DFT (CP2K) or any ASE calculator; show, import and export labels
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Arguments {
    /// The label file: structures, engine, scheduler
    #[arg(value_name = "LABEL.toml", required_unless_present = "store")]
    file: Option<PathBuf>,
    /// Folder of jobs and store [default: the name in the label file, beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A label store to show, import into or export from
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "out"])]
    store: Option<PathBuf>,
    /// Show what the store holds; labels nothing
    #[arg(long)]
    status: bool,
    /// Check the file and print the plan; labels nothing
    #[arg(long)]
    check: bool,
    /// Take in labelled frames (VASP, CP2K, extended XYZ, deepmd/npy); needs --level
    #[arg(long, value_name = "DATA", requires = "level")]
    import: Vec<PathBuf>,
    /// Write the labels: NAME.extxyz, or a folder of deepmd/npy systems
    #[arg(long, value_name = "OUT", conflicts_with = "import")]
    export: Option<PathBuf>,
    /// Replace what --export would write
    #[arg(long)]
    overwrite: bool,
    /// A level of the store, by its hash or the name it was imported under
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Label some frames of this level again with the engine of the file, and tell if the two agree
    #[arg(long, value_name = "LEVEL", requires = "file")]
    compare: Option<String>,
    /// Frames to compare
    #[arg(long, value_name = "N", default_value_t = 3)]
    frames: usize,
    #[command(flatten)]
    read: ReadArguments,
    /// Results as JSON
    #[arg(long)]
    json: bool,
}

/// Sums of forces per atom beyond which labels are doubtful [meV/Å].
const LARGE_NET_FORCE: f64 = 10.0;
/// Failures that are printed.
const MOST_FAILURES: usize = 5;

/// What is printed at the end.
#[derive(Serialize)]
struct Summary {
    store: PathBuf,
    new: usize,
    known: usize,
    failed: usize,
    status: Status,
}

pub(super) fn label(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    match (&arguments.store, &arguments.file) {
        (Some(store), _) => of_store(arguments, store),
        (None, Some(path)) => {
            let file = LabelFile::read(path)?;
            let out = arguments.out.clone().unwrap_or_else(|| file.resolve(&file.name));
            let store = out.join("labels");
            if arguments.status || arguments.export.is_some() || !arguments.import.is_empty() {
                return of_store(arguments, &store);
            }
            of_file(arguments, &file, &out, common)
        }
        (None, None) => unreachable!("the command line asks for one of them"),
    }
}

fn of_store(arguments: &Arguments, folder: &Path) -> Result<(), Error> {
    if let (false, Some(level)) = (arguments.import.is_empty(), &arguments.level) {
        return import(arguments, folder, level);
    }
    let store = Store::read(folder)?;
    if let Some(out) = &arguments.export {
        let records = store.of_level(arguments.level.as_deref())?;
        let written = write_frames(&records, out, arguments.overwrite)?;
        if arguments.json {
            print_json(&written);
        } else {
            let names: Vec<String> = written.iter().map(|p| p.display().to_string()).collect();
            print(&format!("{} labels in {}", records.len(), names.join(", ")));
        }
        return Ok(());
    }
    show(arguments, &store);
    Ok(())
}

fn show(arguments: &Arguments, store: &Store) {
    let status = store.status();
    if arguments.json {
        print_json(&status);
    } else {
        print(&described(&status, store.folder()));
    }
}

fn described(status: &Status, folder: &Path) -> String {
    let mut text = format!(
        "{}: {} level(s), {:.1} MB",
        folder.display(),
        status.levels.len(),
        status.bytes as f64 * 1e-6
    );
    for level in &status.levels {
        let listed = |map: &std::collections::BTreeMap<String, usize>| {
            map.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
        };
        let agrees: Vec<&str> = level.agrees_with.iter().map(|h| &h[..Level::SHORT]).collect();
        let failed: usize = level.failures.values().sum();
        let mut line = |what: &str, value: &str| {
            let _ = write!(text, "\n{what:<14} {value}");
        };
        line("\nlevel", &format!(" {}  {}", &level.hash[..Level::SHORT], level.description));
        line(
            "labels",
            &format!(
                "{} ({} with virial), {} atoms, {:.2} core hours, {} needed more than one attempt",
                level.labels, level.with_virial, level.atoms, level.core_hours, level.retried
            ),
        );
        let net = 1e3 * level.largest_net_force;
        let doubt = if net > LARGE_NET_FORCE {
            "; a sum of forces that is not zero says that the cut-off is too low: raise it (cutoff_ry) and label \
             again"
        } else {
            ""
        };
        line("net force", &format!("at most {net:.2} meV/Å per atom{doubt}"));
        line("compositions", &listed(&level.compositions));
        line("origins", &listed(&level.origins));
        if failed > 0 {
            line("without label", &format!("{} (never exported)", listed(&level.failures)));
        }
        if !agrees.is_empty() {
            line("agrees with", &agrees.join(", "));
        }
    }
    text
}

fn import(arguments: &Arguments, folder: &Path, name: &str) -> Result<(), Error> {
    let level = Level::imported(name);
    let hash = level.hash();
    let mut store = Store::open(folder)?;
    let (mut new, mut known, mut bare) = (0, 0, 0);
    for path in &arguments.import {
        let systems = vitrion::training::systems_in(path).map_err(|source| InputError::Os {
            path: path.clone(),
            doing: "read",
            source,
        })?;
        for system in systems {
            let mut records = vec![Record::Level(level.clone())];
            for (k, frame) in io::open(&system, &arguments.read.options())?.enumerate() {
                let frame = frame?;
                let run = RunInfo { program: "imported".to_owned(), ..RunInfo::default() };
                let origin = Origin {
                    how: "import".to_owned(),
                    source: system.display().to_string(),
                    frame: Some(k),
                    ..Origin::default()
                };
                match LabelRecord::new(&hash, &frame, run, origin, now()) {
                    Some(record) if store.label(&record.key).is_some() => known += 1,
                    Some(record) => {
                        new += 1;
                        records.push(Record::Label(Box::new(record)));
                    }
                    None => bare += 1,
                }
            }
            store.append(records)?;
        }
    }
    if bare > 0 {
        complain(&format!("{bare} frames have no energy or no forces and were left out"));
    }
    if arguments.json {
        show(arguments, &store);
    } else {
        print(&format!(
            "{new} labels taken in as \"{name}\" ({}), {known} were there; check them with `vitrion label \
             LABEL.toml --compare {name}` before you mix them with others",
            &hash[..Level::SHORT]
        ));
    }
    Ok(())
}

fn of_file(
    arguments: &Arguments,
    file: &LabelFile,
    out: &Path,
    common: &Common,
) -> Result<(), Error> {
    let level = file.engine.level();
    let requests = labeling::requests(file)?;
    let runs = file.aimd_runs()?;
    let plan = plan(file, &level, requests.len(), &runs, common);
    if arguments.check {
        print(&plan);
        return Ok(());
    }
    if !common.quiet {
        complain(&plan);
    }
    // a program that is missing should be known before anything is queued
    let program = file.engine.engine()?.program()?;
    if !common.quiet {
        complain(&format!("engine: {program}"));
    }
    let stop = super::run::stop_on_signal();
    let mut store = Store::open(&out.join("labels"))?;
    let this = super::run::this_program()?;
    let mut scheduler = file.scheduler.scheduler(&this, common.threads)?;
    let mut labeling = Labeling {
        engine: &file.engine,
        scheduler: &mut *scheduler,
        jobs: &out.join("jobs"),
        patience: Drive::default(),
        stop: &stop,
    };
    if let Some(other) = &arguments.compare {
        return of_comparison(arguments, &mut labeling, &mut store, other, common);
    }
    let mut done = Labelled::default();
    if !runs.is_empty() {
        let bar = jobs_bar(common, "AIMD");
        let found = labeling.aimd(&runs, &mut store, &mut |progress| bar.show(&progress))?;
        done.merge(found);
    }
    if !done.interrupted && !requests.is_empty() {
        let bar = jobs_bar(common, "labels");
        let found = labeling.label(&requests, &mut store, &mut |progress| bar.show(&progress))?;
        done.merge(found);
    }
    finish(arguments, &done, &store)
}

fn plan(
    file: &LabelFile,
    level: &Level,
    requests: usize,
    runs: &[(vitrion::run_file::AimdTable, vitrion_core::Structure)],
    common: &Common,
) -> String {
    let mut text = format!(
        "{}: {requests} structures to label\nlevel {}: {}\n{} core(s) a calculation, {}",
        file.name,
        &level.hash()[..Level::SHORT],
        level.description,
        file.engine.cores(),
        file.scheduler.describe(common.threads),
    );
    for (table, structure) in runs {
        let s = &table.settings;
        let _ = write!(
            text,
            "\nAIMD of {} ({}): {} steps of {} fs at {} K, a frame every {} steps",
            table.structure.value,
            structure.formula(),
            s.steps,
            s.timestep,
            s.temperature,
            s.every
        );
    }
    text
}

fn finish(arguments: &Arguments, done: &Labelled, store: &Store) -> Result<(), Error> {
    for failure in done.failures.iter().take(MOST_FAILURES) {
        let (reason, message) = (failure.reason.name(), &failure.message);
        complain(&format!("no label for {}: {reason}: {message}", failure.formula));
    }
    if done.failures.len() > MOST_FAILURES {
        complain(&format!("and {} more", done.failures.len() - MOST_FAILURES));
    }
    for failed in &done.broken {
        complain(&format!("{}: {} ({})", failed.name, failed.message, failed.folder.display()));
    }
    if done.interrupted {
        let resume = format!(
            "vitrion label {}",
            arguments.file.as_ref().map_or(String::new(), |f| f.display().to_string())
        );
        return Err(Error::Interrupted { resume });
    }
    if arguments.json {
        print_json(&Summary {
            store: store.folder().to_owned(),
            new: done.new,
            known: done.known,
            failed: done.failed,
            status: store.status(),
        });
    } else {
        print(&format!(
            "{} new labels, {} were there, {} failed\n{}",
            done.new,
            done.known,
            done.failed,
            described(&store.status(), store.folder())
        ));
    }
    if done.failed > 0 && done.new + done.known == 0 {
        let message =
            "no structure could be labelled; the reasons are above and in the job folders";
        return Err(Error::Learning(message.to_owned()));
    }
    Ok(())
}

fn of_comparison(
    arguments: &Arguments,
    labeling: &mut Labeling<'_>,
    store: &mut Store,
    other: &str,
    common: &Common,
) -> Result<(), Error> {
    let found = comparison(labeling, store, other, arguments.frames, common)?;
    if arguments.json {
        print_json(&found);
    } else {
        print(&found.verdict);
    }
    if found.agreement == Agreement::Same {
        return Ok(());
    }
    let message = format!("the labels of \"{other}\" must not be mixed with those of this engine");
    Err(Error::Learning(message))
}

/// Labels frames of another level again and compares; that they agree enters the store.
fn comparison(
    labeling: &mut Labeling<'_>,
    store: &mut Store,
    other: &str,
    frames: usize,
    common: &Common,
) -> Result<Comparison, Error> {
    let records = store.of_level(Some(other))?;
    let theirs = store.find_level(other).expect("it was just found");
    let mut records: Vec<LabelRecord> =
        records.into_iter().filter(|r| r.level == theirs).cloned().collect();
    // small ones first: they cost least
    records.sort_by_key(|r| r.positions.len());
    let smallest = records.first().map_or(0, |r| r.positions.len());
    let cheap: Vec<&LabelRecord> =
        records.iter().filter(|r| r.positions.len() <= 2 * smallest).collect();
    let stride = (cheap.len() / frames.max(1)).max(1);
    let chosen: Vec<LabelRecord> =
        cheap.into_iter().step_by(stride).take(frames).cloned().collect();
    let mut requests = Vec::new();
    for record in &chosen {
        let frame = record.frame().map_err(InputError::Usage)?;
        let origin =
            Origin { how: "check".to_owned(), source: other.to_owned(), ..Origin::default() };
        requests.push(Request { frame: frame.structure.into(), origin });
    }
    let bar = jobs_bar(common, "comparison");
    let done = labeling.label(&requests, store, &mut |progress| bar.show(&progress))?;
    if done.interrupted {
        return Err(Error::Interrupted { resume: "the same command".to_owned() });
    }
    let ours = labeling.engine.level().hash();
    let mut pairs = Vec::new();
    for (record, request) in chosen.iter().zip(&requests) {
        if let Some(label) = store.label(&key(&ours, &request.frame.structure)) {
            pairs.push((record, label));
        }
    }
    if pairs.is_empty() {
        let message = "none of the frames could be labelled, so nothing can be compared";
        return Err(Error::Learning(message.to_owned()));
    }
    let found = compare(&pairs, &Tolerance::default());
    if found.agreement == Agreement::Same && theirs != ours {
        store.append(vec![Record::Equivalence(Equivalence {
            levels: [theirs, ours],
            frames: found.frames,
            evidence: found.verdict.clone(),
            time: now(),
        })])?;
    }
    Ok(found)
}
