//! `vitrion job`: what schedulers start.

use super::Common;
use std::path::PathBuf;
use vitrion::error::Error;
use vitrion::{jobs, threads};

/// Carry out the job of a folder (run, label, train, explore); schedulers call this
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folder with a job.json
    #[arg(value_name = "JOB")]
    folder: PathBuf,
}

pub(super) fn job(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    let stop = super::run::stop_on_signal();
    let done = threads::on(common.threads, || jobs::carry_out(&arguments.folder, &stop))?;
    if done {
        return Ok(());
    }
    let resume = format!("vitrion job {}", arguments.folder.display());
    Err(Error::Interrupted { resume })
}
