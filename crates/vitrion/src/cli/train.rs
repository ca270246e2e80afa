//! `vitrion train`: a Deep Potential from labelled frames.

use super::eval::error_table;
use super::output::{complain, duration, print, print_json};
use super::progress::jobs_bar;
use super::{Common, ReadArguments};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vitrion::error::{Error, InputError};
use vitrion::jobs::{Drive, SchedulerSettings};
use vitrion::run_file::{Located, Start, TrainingFile};
use vitrion::threads;
use vitrion::training::{self, Finished, Prepared, Queue};
use vitrion_model::train::dataset::validate::{Severity, validate};
use vitrion_model::train::trainer::{Control, Progress};

/// Train a Deep Potential; goes on from the last checkpoint of its folder
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Arguments {
    /// The training file
    #[arg(value_name = "TRAIN.toml", required_unless_present = "continue_run")]
    file: Option<PathBuf>,
    /// Folder of the run [default: the name in the training file, beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, with the training file it was started from
    #[arg(long = "continue", value_name = "DIR", conflicts_with_all = ["file", "out", "from"])]
    continue_run: Option<PathBuf>,
    /// Start from the weights of this model instead of new ones
    #[arg(long, value_name = "MODEL")]
    from: Option<String>,
    /// Check the data and print the plan, train nothing
    #[arg(long)]
    check: bool,
    /// Train although the data checks found errors
    #[arg(long)]
    accept_errors: bool,
    #[command(flatten)]
    read: ReadArguments,
    /// Hand the training over to the queue of [scheduler] and come back at once; called again it hands over
    /// what must be started again, and shows the result once all is done
    #[arg(long, conflicts_with = "check")]
    submit: bool,
    /// Summary and errors as JSON
    #[arg(long)]
    json: bool,
}

/// Kept in the folder of a run, so that it can be continued from there.
#[derive(Serialize, Deserialize)]
struct Origin {
    path: PathBuf,
    text: String,
    from: Option<String>,
}

pub(super) fn train(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    let (file, out) = resolve(arguments)?;
    let stop = super::run::stop_on_signal();
    match &file.scheduler {
        SchedulerSettings::Slurm(slurm) if !arguments.check => {
            let cores = slurm.cores.expect("a training file says it");
            in_queue(arguments, common, &file, &out, cores, &stop)
        }
        SchedulerSettings::Local { .. } if arguments.submit => {
            Err(super::run::no_queue(&file.path).into())
        }
        SchedulerSettings::Local { cores: Some(cores) } => {
            threads::on(*cores, || carry_out(arguments, common, &file, &out, &stop))
        }
        _ => threads::on(common.threads, || carry_out(arguments, common, &file, &out, &stop)),
    }
}

/// Trains in the queue of the file; what is printed at the end is the same.
fn in_queue(
    arguments: &Arguments,
    common: &Common,
    file: &TrainingFile,
    out: &Path,
    cores: usize,
    stop: &AtomicBool,
) -> Result<(), Error> {
    if arguments.read.given() {
        let message = "--format, --type-map and --lammps-units do not reach the jobs of a queue; convert the \
                       frames first (vitrion convert)";
        return Err(InputError::Usage(message.to_owned()).into());
    }
    let from = match &file.start {
        Start::Model(model) if arguments.from.is_some() => Some(PathBuf::from(&model.value)),
        _ => None,
    };
    let queue = Queue {
        settings: &file.scheduler,
        cores,
        program: &super::run::this_program()?,
        patience: Drive { detach: arguments.submit, ..Drive::default() },
        from,
        accept_errors: arguments.accept_errors,
        resume: format!("vitrion train --continue {}", out.display()),
    };
    if !common.quiet {
        let many = file.committee;
        complain(&format!("{}: {many} model(s) as {}", file.name, file.scheduler.describe(cores)));
    }
    let bar = jobs_bar(common, &file.name);
    match queue.carry_out(file, out, &mut |progress| bar.show(&progress), stop) {
        Err(Error::Queued { jobs, resume }) if arguments.submit => {
            super::run::handed_over(jobs, out, &resume, arguments.json);
        }
        other => show(arguments, &other?),
    }
    Ok(())
}

/// The training file and the folder, from the command line or from a run that was begun.
fn resolve(arguments: &Arguments) -> Result<(TrainingFile, PathBuf), Error> {
    let (origin, out) = if let Some(folder) = &arguments.continue_run {
        let path = folder.join("origin.json");
        let text = std::fs::read_to_string(&path).map_err(|source| InputError::Os {
            path: path.clone(),
            doing: "read",
            source,
        })?;
        let origin: Origin = serde_json::from_str(&text)
            .map_err(|e| InputError::Usage(format!("{}: {e}", path.display())))?;
        (origin, Some(folder.clone()))
    } else {
        let written = arguments.file.as_ref().expect("the command line asks for it");
        let failed = |doing| {
            let path = written.clone();
            move |source| InputError::Os { path, doing, source }
        };
        let text = std::fs::read_to_string(written).map_err(failed("read"))?;
        let path = std::path::absolute(written).map_err(failed("find"))?;
        let absolute = |model: &String| -> Result<String, InputError> {
            if model.starts_with("builtin:") {
                return Ok(model.clone());
            }
            let path = std::path::absolute(model).map_err(failed("find"))?;
            Ok(path.display().to_string())
        };
        let from = arguments.from.as_ref().map(absolute).transpose()?;
        (Origin { path, text, from }, arguments.out.clone())
    };
    let mut file = TrainingFile::parse(&origin.path, &origin.text)?;
    if let Some(model) = &origin.from {
        file.start = Start::Model(Located { value: model.clone(), line: 1 });
    }
    let out = out.unwrap_or_else(|| file.resolve(&file.name));
    std::fs::create_dir_all(&out).map_err(|source| InputError::Os {
        path: out.clone(),
        doing: "create",
        source,
    })?;
    if !arguments.check {
        training::write_json(&out.join("origin.json"), &origin)?;
    }
    Ok((file, out))
}

fn carry_out(
    arguments: &Arguments,
    common: &Common,
    file: &TrainingFile,
    out: &Path,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut finished = Vec::new();
    for member in 0..file.committee {
        let started = Instant::now();
        let reading = bar(common, 0, "reading frames");
        let prepared = training::prepare(file, out, &arguments.read.options(), member, &|done| {
            reading.set_position(done as u64);
        })?;
        reading.finish_and_clear();
        if member == 0 {
            check(arguments, common, &prepared, out, started.elapsed().as_secs_f64())?;
            if arguments.check {
                print(&plan(file, &prepared));
                return Ok(());
            }
        }
        let folder = file.member_folder(out, member);
        std::fs::create_dir_all(&folder).map_err(|source| InputError::Os {
            path: folder.clone(),
            doing: "create",
            source,
        })?;
        if !common.quiet {
            complain(&plan(file, &prepared));
        }
        let watcher = RefCell::new(Watcher::new(common, file, member, stop));
        let found = training::carry_out(
            file,
            &prepared,
            &folder,
            &mut |progress| watcher.borrow_mut().step(progress),
            &mut |done, all| watcher.borrow().evaluated(done, all),
        )?;
        let Some(found) = found else {
            return Err(Error::Interrupted {
                resume: format!("vitrion train --continue {}", out.display()),
            });
        };
        finished.push(found);
    }
    show(arguments, &finished);
    Ok(())
}

fn show(arguments: &Arguments, finished: &[Finished]) {
    if arguments.json {
        let all: Vec<_> = finished.iter().map(|f| (&f.summary, &f.evaluation)).collect();
        print_json(&all);
    } else {
        for found in finished {
            print(&described(found));
        }
    }
}

/// Prints what the checks found; refuses contradictory data.
fn check(
    arguments: &Arguments,
    common: &Common,
    prepared: &Prepared,
    out: &Path,
    seconds: f64,
) -> Result<(), Error> {
    let found = validate(&prepared.data);
    training::write_json(&out.join("data.json"), &found)?;
    if !common.quiet {
        complain(found.describe().trim_end());
        complain(&format!("frames read and measured in {}", duration(seconds)));
    }
    if found.worst() == Some(Severity::Error) && !arguments.accept_errors {
        let errors = found.findings.iter().filter(|f| f.severity == Severity::Error);
        let list: Vec<String> = errors.map(|f| format!("{}: {}", f.system, f.message)).collect();
        return Err(InputError::Usage(format!(
            "the frames contradict themselves (--accept-errors trains all the same):\n  {}",
            list.join("\n  ")
        ))
        .into());
    }
    Ok(())
}

/// What will be done, with every default that matters.
fn plan(file: &TrainingFile, prepared: &Prepared) -> String {
    let s = &prepared.statistics;
    let d = &prepared.model.descriptor;
    let parts = prepared.settings.split.parts(&prepared.data);
    let per = |values: &[usize]| -> String {
        let pairs = file.species.iter().zip(values);
        pairs.map(|(symbol, n)| format!("{symbol} {n}")).collect::<Vec<_>>().join(", ")
    };
    let bias: Vec<String> = file
        .species
        .iter()
        .zip(&prepared.model.energy_bias)
        .map(|(symbol, e)| format!("{symbol} {e:.3} eV"))
        .collect();
    let mut text = format!(
        "{}: {} parameters, {} precision, seed {}\n\
         cut-off {} Å, {:.1} neighbours on average, at most {} within it, sel {}; shortest distance \
         {:.2} Å\n\
         atomic energies: {}{}\n\
         {} frames to train on, {} held out; batches of about {} atoms\n\
         {}\n",
        file.name,
        prepared.model.parameters(),
        if file.double { "double" } else { "single" },
        prepared.settings.seed,
        d.cutoff,
        s.mean_neighbors,
        per(&s.most_neighbors),
        per(&d.sel),
        s.nearest.0,
        bias.join(", "),
        if s.compositions < file.species.len() {
            format!(
                " ({} independent compositions for {} species: only their sums are determined)",
                s.compositions,
                file.species.len()
            )
        } else {
            String::new()
        },
        parts.training.len(),
        parts.validation.len(),
        prepared.settings.sampling.atoms_per_batch,
        prepared.device.describe(),
    );
    let over = d.sel.iter().zip(&s.most_neighbors).any(|(sel, most)| sel < most);
    if over {
        text.push_str(
            "note: some atoms have more neighbours than sel; vitrion uses them all, DeePMD-kit \
             would drop the farthest\n",
        );
    }
    for stage in &prepared.settings.stages {
        let (rate, p) = (&stage.learning_rate, &stage.prefactors);
        let _ = write!(
            text,
            "stage \"{}\": {} steps of {}, learning rate {:e} to {:e} ({}), prefactors e {} to {}, f {} \
             to {}, v {} to {}",
            stage.name,
            stage.steps,
            stage.optimizer.name(),
            rate.start,
            rate.stop,
            rate.decay.name(),
            p.start.energy,
            p.limit.energy,
            p.start.force,
            p.limit.force,
            p.start.virial,
            p.limit.virial,
        );
        if let Some(decay) = stage.average {
            let _ = write!(text, ", weights averaged over about {:.0} steps", 1.0 / (1.0 - decay));
        }
        if let Some((inner, outer)) = stage.zbl {
            let _ = write!(text, ", ZBL switched off from {inner} to {outer} Å");
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn bar(common: &Common, length: u64, message: &str) -> ProgressBar {
    if common.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = if length == 0 {
        "{msg} {pos}"
    } else {
        "{prefix:12} {wide_bar:.cyan} {percent:>3} %  {elapsed} gone, {eta} left  {msg}"
    };
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
    bar.set_message(message.to_owned());
    bar
}

/// Shows the run and passes on the wish to stop.
struct Watcher<'a> {
    stop: &'a AtomicBool,
    quiet: bool,
    bar: ProgressBar,
    heading: bool,
}

impl<'a> Watcher<'a> {
    fn new(common: &Common, file: &TrainingFile, member: usize, stop: &'a AtomicBool) -> Self {
        let steps = file.settings.stages.iter().map(|s| s.steps).sum();
        let bar = bar(common, steps, "");
        if file.committee > 1 {
            bar.set_prefix(format!("model {member}"));
        }
        Watcher { stop, quiet: common.quiet, bar, heading: true }
    }

    fn step(&mut self, progress: &Progress<'_>) -> Control {
        self.bar.set_position(progress.step);
        if progress.line && !self.quiet {
            let milli = |x: Option<f64>| x.map_or("-".into(), |x| format!("{:.1}", 1e3 * x));
            let pair = |of: &dyn Fn(&vitrion_model::train::loss::Squares) -> Option<f64>| {
                let held = milli(progress.validation.and_then(of));
                format!("{held:>9} {:>7}", milli(of(progress.training)))
            };
            if std::mem::take(&mut self.heading) {
                self.say(
                    "    step        lr   energy: held out, training [meV/atom]   force [meV/Å]   \
                     virial [meV/atom]   atoms/s",
                );
            }
            self.say(&format!(
                "{:>8} {:>9.2e} {} {} {}   {:>8.0}",
                progress.step,
                progress.learning_rate,
                pair(&|s| s.energy.root_mean()),
                pair(&|s| s.force.root_mean()),
                pair(&|s| s.virial.root_mean()),
                progress.atoms_per_second,
            ));
        }
        if self.stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue }
    }

    fn evaluated(&self, done: usize, all: usize) {
        self.bar.set_message(format!("errors of {done}/{all} frames"));
        if done == all {
            self.bar.finish_and_clear();
        }
    }

    /// A line above the bar.
    fn say(&self, line: &str) {
        self.bar.suspend(|| complain(line));
    }
}

fn described(found: &Finished) -> String {
    let summary = &found.summary;
    let (what, errors) = match &found.evaluation.validation {
        Some(held) => ("held-out frames", held),
        None => ("training frames", &found.evaluation.training),
    };
    format!(
        "{} steps in {} ({:.0} atoms/s)\n{what}: {}model: {}\nreport: {}",
        summary.steps,
        duration(summary.seconds),
        summary.atoms_seen / summary.seconds,
        error_table(&errors.systems, &errors.total),
        found.model.display(),
        found.report.display(),
    )
}
