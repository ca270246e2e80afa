//! `vitrion train`: a Deep Potential from labelled frames.

use super::output::{complain, duration, print};
use super::{Common, ReadArguments};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;
use vitrion::error::{Error, InputError};
use vitrion::run_file::TrainingFile;
use vitrion::{threads, training};
use vitrion_model::train::trainer::{Control, Progress};

/// Train a Deep Potential; goes on from the last checkpoint of its folder
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The training file
    #[arg(value_name = "TRAIN.toml")]
    file: PathBuf,
    /// Folder of the run [default: the name in the training file, beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn train(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    let file = TrainingFile::read(&arguments.file)?;
    let out = arguments.out.clone().unwrap_or_else(|| file.resolve(&file.name));
    std::fs::create_dir_all(&out).map_err(|source| InputError::Os {
        path: out.clone(),
        doing: "create",
        source,
    })?;
    let stop = super::run::stop_on_signal();
    let started = Instant::now();
    threads::on(common.threads, || {
        let prepared =
            training::prepare(&file, &out, &arguments.read.options(), 0, &|_| {})?;
        if !common.quiet {
            complain(&format!("{:?}", prepared.statistics));
            complain(&format!("prepared in {}", duration(started.elapsed().as_secs_f64())));
        }
        let _ = std::io::stderr().is_terminal();
        let mut watch = |progress: &Progress<'_>| {
            if let Some(validation) = progress.validation
                && !common.quiet
            {
                let milli = |x: Option<f64>| x.map_or("-".into(), |x| format!("{:.2}", 1e3 * x));
                complain(&format!(
                    "{} {}/{} lr {:.2e}  e {} {}  f {} {}  v {} {}  {:.0} atoms/s",
                    progress.stage,
                    progress.step,
                    progress.steps,
                    progress.learning_rate,
                    milli(validation.energy.root_mean()),
                    milli(progress.training.energy.root_mean()),
                    milli(validation.force.root_mean()),
                    milli(progress.training.force.root_mean()),
                    milli(validation.virial.root_mean()),
                    milli(progress.training.virial.root_mean()),
                    progress.atoms_per_second,
                ));
            }
            if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue }
        };
        let trained = training::carry_out(&file, &prepared, &out, &mut watch)?;
        print(&format!("{} steps in {}", trained.steps, duration(trained.seconds)));
        complain(&format!("{:?} {} {}", trained.phases, trained.batches, trained.optimizer));
        Ok(())
    })
}
