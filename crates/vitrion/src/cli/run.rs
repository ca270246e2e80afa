//! `vitrion run` and `vitrion md`: carrying out a run file.

use super::Common;
use super::output::{complain, print, print_json, table};
use super::progress::Bars;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion::error::{Error, InputError};
use vitrion::inputs::Inputs;
use vitrion::jobs::{Drive, SchedulerSettings};
use vitrion::pipeline::{self, Options, Queue};
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
    #[arg(long, value_name = "NAME", conflicts_with = "submit")]
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
    /// Hand the runs over to the queue of [scheduler] and come back at once; called again it hands over what
    /// must be started again, and once all are done the analyses and the report follow
    #[arg(long)]
    submit: bool,
    /// Summary as JSON
    #[arg(long)]
    json: bool,
}

/// What is done of a run file, and how.
#[derive(Clone, Copy, Default)]
pub(super) struct Manner<'a> {
    dynamics_only: bool,
    /// One run by its name.
    only: Option<&'a str>,
    /// Hand over to a queue and come back.
    submit: bool,
    json: bool,
}

impl Manner<'_> {
    /// Everything, here.
    pub(super) fn whole(json: bool) -> Self {
        Manner { json, ..Manner::default() }
    }
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
    let MdArguments { submit, json, .. } = arguments.md;
    carry_out(&run, &out, Manner { dynamics_only: false, only, submit, json }, common)
}

pub(super) fn md(arguments: &MdArguments, common: &Common) -> Result<(), Error> {
    let run = RunFile::read(&arguments.run)?;
    let out = output_folder(arguments, &run);
    let MdArguments { submit, json, .. } = *arguments;
    carry_out(&run, &out, Manner { dynamics_only: true, only: None, submit, json }, common)
}

fn output_folder(arguments: &MdArguments, run: &RunFile) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| run.resolve(&run.name))
}

/// Carries out a run file in a results folder and prints the summary.
pub(super) fn carry_out(
    run: &RunFile,
    out: &Path,
    manner: Manner<'_>,
    common: &Common,
) -> Result<(), Error> {
    let Manner { dynamics_only, only, submit, json } = manner;
    let mut inputs = Inputs::load(run)?;
    let plan = Plan::resolve(run, &inputs)?;
    let program = this_program()?;
    let queue = match only {
        None => queue_of(run, &program, submit)?,
        Some(_) => None,
    };
    // the jobs of a queue choose on their machines
    if queue.is_none() {
        inputs.choose_device(run, &plan)?;
    }
    let scope = match (&queue, only) {
        (Some(_), _) => Scope::Queue,
        (None, Some(id)) => Scope::Run(id),
        (None, None) => Scope::Whole,
    };
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
        complain(&queue.as_ref().map_or_else(
            || inputs.described(),
            |queue| format!("{} runs as {}", plan.runs.len(), queue.settings.describe(queue.cores)),
        ));
        let tables = inputs.potential.card().tables;
        if !tables.is_empty() {
            complain(&tables);
        }
    }
    let bars = Bars::new(&plan, only, common.quiet);
    // to go on also means to try again what was given up, which --submit does not
    let resume: Vec<String> = std::env::args().filter(|word| word != "--submit").collect();
    let options = Options {
        threads: match run.scheduler {
            SchedulerSettings::Local { cores: Some(cores) } => cores,
            _ => common.threads,
        },
        stop: &stop,
        watch: &|event| bars.show(event),
        dynamics_only,
        only,
        queue,
        resume: &resume.join(" "),
    };
    let outcome = pipeline::carry_out(run, &inputs, &plan, &results, &options);
    bars.finish();
    let mut manifest = match outcome {
        Err(Error::Queued { jobs, resume }) if submit => {
            handed_over(jobs, results.root(), &resume, json);
            return Ok(());
        }
        other => other?,
    };
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

/// The queue that a run file asks for, if it does.
fn queue_of<'a>(
    run: &'a RunFile,
    program: &'a Path,
    submit: bool,
) -> Result<Option<Queue<'a>>, Error> {
    let SchedulerSettings::Slurm(slurm) = &run.scheduler else {
        if submit {
            return Err(no_queue(&run.path).into());
        }
        return Ok(None);
    };
    let patience = Drive { detach: submit, ..Drive::default() };
    let cores = slurm.cores.expect("a run file says it");
    let layout = run.lammps.as_ref().map(|table| (table.line, table.value.layout()));
    if let Some((line, (ranks, threads))) = layout
        && (ranks * threads) as usize != cores
    {
        let message = format!(
            "{ranks} rank(s) of {threads} thread(s) need as many cores, but `cores_per_job` of [scheduler] is {cores}"
        );
        let (key, table) = ("ranks".to_owned(), "in [lammps]".to_owned());
        return Err(InputError::Value { place: run.place(line), key, table, message }.into());
    }
    let ranks = layout.map_or(1, |(_, (ranks, _))| ranks as usize);
    Ok(Some(Queue { settings: &run.scheduler, cores, ranks, program, patience }))
}

/// `--submit` with a file that asks for no queue.
pub(super) fn no_queue(file: &Path) -> InputError {
    InputError::Usage(format!(
        "--submit needs a queue: {} has no [scheduler] with kind = \"slurm\"",
        file.display()
    ))
}

/// Vitrion itself, as jobs call it.
pub(super) fn this_program() -> Result<PathBuf, InputError> {
    std::env::current_exe().map_err(|source| InputError::Os {
        path: PathBuf::from("vitrion"),
        doing: "find",
        source,
    })
}

/// What is said after `--submit`.
pub(super) fn handed_over(jobs: usize, folder: &Path, resume: &str, json: bool) {
    if json {
        print_json(&serde_json::json!({ "folder": folder, "queued": jobs }));
        return;
    }
    print(&format!(
        "{jobs} jobs are with the queue; how they are: vitrion jobs {}\nto go on: {resume}",
        folder.display()
    ));
}

/// A flag that the first signal to stop sets.
pub(super) fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let on_signal = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // the second signal ends the process at once; checkpoints are always whole
        if on_signal.swap(true, Ordering::Relaxed) {
            vitrion::lammps::terminate_all();
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
