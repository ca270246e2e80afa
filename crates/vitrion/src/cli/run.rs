//! `vitrion run` and `vitrion md`: carrying out a run file.

use super::Common;
use super::output::{complain, print, print_json, table};
use super::progress::Bars;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion::error::Error;
use vitrion::inputs::Inputs;
use vitrion::pipeline::{self, Options};
use vitrion::results::{Manifest, Results, Scope};
use vitrion::{Plan, RunFile};

/// Carry out a run file: dynamics, analyses, report; goes on after the last finished stage
#[derive(clap::Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    md: MdArguments,
    /// Carry out the dynamics of this run only, as `vitrion check` names it; others may go on at the same
    /// time in processes of their own. Without --only, all that is left, the analyses and the report
    /// follow
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Carry out only the dynamics of a run file
#[derive(clap::Args)]
pub(super) struct MdArguments {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    run: PathBuf,
    /// Results folder [default: the name in the run file, beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Summary as JSON
    #[arg(long)]
    json: bool,
}

/// What is printed at the end.
#[derive(Serialize)]
struct Summary<'a> {
    results: &'a Path,
    manifest: &'a Manifest,
}

pub(super) fn run(arguments: &RunArguments, common: &Common) -> Result<(), Error> {
    let run = RunFile::read(&arguments.md.run)?;
    let out = output_folder(&arguments.md, &run);
    let only = arguments.only.as_deref();
    carry_out(&run, &out, false, only, arguments.md.json, common)
}

pub(super) fn md(arguments: &MdArguments, common: &Common) -> Result<(), Error> {
    let run = RunFile::read(&arguments.run)?;
    let out = output_folder(arguments, &run);
    carry_out(&run, &out, true, None, arguments.json, common)
}

fn output_folder(arguments: &MdArguments, run: &RunFile) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| run.resolve(&run.name))
}

/// Carries out a run file in a results folder and prints the summary.
pub(super) fn carry_out(
    run: &RunFile,
    out: &Path,
    dynamics_only: bool,
    only: Option<&str>,
    json: bool,
    common: &Common,
) -> Result<(), Error> {
    let mut inputs = Inputs::load(run)?;
    let plan = Plan::resolve(run, &inputs)?;
    inputs.choose_device(run, &plan)?;
    let scope = only.map_or(Scope::Whole, Scope::Run);
    let only = only.map(|id| plan.run_called(id)).transpose()?;
    let results = Results::open(out, run, &plan, scope)?;
    let stop = stop_on_signal();
    if !common.quiet {
        for remark in plan.advice(&inputs) {
            complain(&format!("advice: {remark}"));
        }
        let (atoms, bytes) = plan.largest_run(&inputs);
        complain(&format!(
            "memory: {:.2} kB per atom, {:.0} MB for the largest run ({atoms} atoms), networks and \
             tables besides",
            bytes * 1e-3,
            (bytes * atoms as f64 * 1e-6).ceil(),
        ));
        complain(&inputs.described());
        let tables = inputs.potential.card().tables;
        if !tables.is_empty() {
            complain(&tables);
        }
    }
    let bars = Bars::new(&plan, only, common.quiet);
    let resume: Vec<String> = std::env::args().collect();
    let options = Options {
        threads: common.threads,
        stop: &stop,
        watch: &|event| bars.show(event),
        dynamics_only,
        only,
        resume: &resume.join(" "),
    };
    let outcome = pipeline::carry_out(run, &inputs, &plan, &results, &options);
    bars.finish();
    let mut manifest = outcome?;
    if let Some(index) = only {
        let id = &plan.runs[index].id;
        for system in &mut manifest.systems {
            system.runs.retain(|run| run.id == *id);
        }
        manifest.systems.retain(|system| !system.runs.is_empty());
    }
    if json {
        print_json(&Summary { results: results.root(), manifest: &manifest });
    } else {
        print(&described(&manifest, results.root()));
    }
    Ok(())
}

/// A flag that the first signal to stop sets.
pub(super) fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let on_signal = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // the second signal ends the process at once; checkpoints are always whole
        if on_signal.swap(true, Ordering::Relaxed) {
            std::process::exit(2);
        }
        complain("stopping after the present step; once more to stop at once");
    })
    .expect("the only signal handler of the process");
    stop
}

fn described(manifest: &Manifest, root: &Path) -> String {
    let heading = ["stage", "ps", "T [K]", "P [GPa]", "drift [meV/atom/ps]", "µs/atom/step"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for run in manifest.systems.iter().flat_map(|system| &system.runs) {
        for stage in &run.stages {
            rows.push(vec![
                format!("{} {}", run.id, stage.name),
                format!("{:.3}", stage.steps as f64 * stage.timestep_fs * 1e-3),
                format!("{:.1}", stage.mean_temperature_k),
                format!("{:.3}", stage.mean_pressure_gpa),
                format!("{:.1e}", stage.conserved_drift_mev_per_atom_ps),
                format!("{:.2}", stage.us_per_atom_step),
            ]);
        }
    }
    let report = root.join("report.html");
    let end = if report.exists() {
        format!("report: {}", report.display())
    } else {
        format!("results: {}", root.display())
    };
    format!("{}\n{end}", table(&rows))
}
