//! `vitrion learn`: the active-learning loop.

use super::Common;
use super::output::{complain, print, print_json};
use super::progress::{JobsBar, jobs_bar};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::error::Error;
use vitrion::jobs::{Drive, Progress};
use vitrion::learn::ledger::Ledger;
use vitrion::learn::windows::Trust;
use vitrion::learn::{self, Options};
use vitrion::run_file::{ExploreTable, LearnFile, Method};
use vitrion::threads;

/// Active learning: explore with a committee, label what teaches, train again; goes on where it stopped
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The learn file
    #[arg(value_name = "LEARN.toml", required_unless_present = "from_dpgen")]
    file: Option<PathBuf>,
    /// Folder of the loop [default: the name in the learn file, beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check the file and print the plan; runs nothing
    #[arg(long)]
    check: bool,
    /// Print a learn file made from a param.json of DP-GEN, and what could not be carried over
    #[arg(long, value_name = "PARAM.json", conflicts_with_all = ["file", "out", "check"])]
    from_dpgen: Option<PathBuf>,
    /// Its machine.json
    #[arg(long, value_name = "MACHINE.json", requires = "from_dpgen")]
    machine: Option<PathBuf>,
    /// The ledger as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn learn(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    if let Some(param) = &arguments.from_dpgen {
        let imported = learn::dpgen::import(param, arguments.machine.as_deref())?;
        for line in &imported.not_carried {
            complain(&format!("not carried over: {line}"));
        }
        print(imported.text.trim_end());
        return Ok(());
    }
    let path = arguments.file.as_ref().expect("the command line asks for it");
    let file = LearnFile::read(path)?;
    let plan = plan(&file, common);
    if arguments.check {
        print(&plan);
        return Ok(());
    }
    // a program that is missing should be known before anything is queued
    let program = file.engine.engine()?.program()?;
    if !common.quiet {
        complain(&plan);
        complain(&format!("engine: {program}"));
    }
    let out = arguments.out.clone().unwrap_or_else(|| file.resolve(&file.name));
    let stop = super::run::stop_on_signal();
    let program = super::run::this_program()?;
    let mut shown: Option<(String, JobsBar)> = None;
    let mut watch = |what: &str, progress: Option<Progress>| match progress {
        None if !common.quiet => complain(what),
        None => {}
        Some(progress) => {
            if shown.as_ref().is_none_or(|(name, _)| name != what) {
                shown = Some((what.to_owned(), jobs_bar(common, what)));
            }
            if let Some((_, bar)) = &shown {
                bar.show(&progress);
            }
        }
    };
    let options = Options {
        stop: &stop,
        threads: common.threads,
        watch: &mut watch,
        patience: Drive::default(),
        resume: resume(path, arguments.out.as_deref()),
    };
    let ledger = threads::on(common.threads, || learn::carry_out(&file, &out, &program, options))?;
    if arguments.json {
        print_json(&ledger);
    } else {
        print(&described(&ledger, &out));
    }
    Ok(())
}

fn resume(file: &Path, out: Option<&Path>) -> String {
    let out = out.map_or(String::new(), |out| format!(" --out {}", out.display()));
    format!("vitrion learn {}{out}", file.display())
}

/// What will be done, with every default that matters.
fn plan(file: &LearnFile, common: &Common) -> String {
    let level = file.engine.level();
    let mut text = format!(
        "{}: {} models of {}, labels by {} ({}), {}\n",
        file.name,
        file.committee,
        file.species.join(" "),
        level.description,
        &level.hash()[..8],
        file.scheduler.describe(common.threads),
    );
    let trust = match file.trust {
        Trust::Quantile { quantile, low, high } => format!(
            "trust levels: {low} and {high} times the {:.0} % quantile of the deviations on training frames\n",
            100.0 * quantile
        ),
        Trust::Fixed { force, .. } => {
            format!("trust levels: {} and {} eV/Å\n", force.0, force.1)
        }
    };
    text += &trust;
    let _ = writeln!(
        text,
        "selection: {} labels an iteration, {}; {}",
        file.selection.labels,
        match file.selection.method {
            Method::Farthest => "farthest from what is labelled, weighted by deviation",
            Method::Cluster => "farthest of the group that holds most of what is unknown",
            Method::Deviation => "largest mean deviation first",
            Method::Random => "at random",
        },
        if file.retraining {
            "later trainings start from the models before"
        } else {
            "every training from scratch"
        }
    );
    for (k, step) in file.explore.iter().enumerate() {
        let what = match &step.value {
            ExploreTable::Pool { path, repeats, .. } => {
                format!("frames of {}, iterations: at most {repeats}", path.value)
            }
            ExploreTable::Dynamics(d) => {
                let structures = if d.structures.is_empty() {
                    file.structures.len()
                } else {
                    d.structures.len()
                };
                let runs = structures
                    * d.temperatures.len()
                    * d.pressures.len().max(1)
                    * d.replicas as usize;
                format!(
                    "{runs} runs of {} steps of {} fs, a look every {} steps, iterations: at most {}",
                    d.steps, d.timestep, d.every, d.repeats
                )
            }
        };
        let _ = writeln!(text, "step {k}: {what}");
    }
    let _ = write!(
        text,
        "a step is left at {:.1} % accurate frames without failures; iterations in all: at most {}",
        100.0 * file.stop.accurate,
        file.stop.iterations
    );
    text
}

fn described(ledger: &Ledger, out: &Path) -> String {
    let labels = ledger.iterations.last().map_or(ledger.initial_labels, |s| s.labels);
    let mut text = String::new();
    for s in &ledger.iterations {
        let force = s.before.as_ref().and_then(|row| row.force_mev_per_a);
        let _ = writeln!(
            text,
            "iteration {}: {} of {} frames accurate, {} new labels{}; {}",
            s.iteration,
            s.counts.accurate,
            s.counts.all(),
            s.new_labels,
            force.map_or(String::new(), |f| format!(" (predicted within {:.1} meV/Å)", f.rmse)),
            s.decision
        );
    }
    let models: Vec<String> =
        ledger.models.iter().map(|m| out.join(m).display().to_string()).collect();
    text + &format!(
        "{}; {labels} labels\nmodels: {}\nreport: {}",
        ledger.ended.as_deref().unwrap_or("still running"),
        models.join(", "),
        out.join("report.html").display()
    )
}
