//! A job that carries out the dynamics of one run of a sweep.

use crate::error::Error;
use crate::inputs::Inputs;
use crate::pipeline::{self, Options};
use crate::plan::Plan;
use crate::results::{Results, Scope};
use crate::run_file::RunFile;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// The dynamics of one run; its files lie in the results folder as they do without a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunWork {
    /// The run file, and where it stands: paths in it are relative to its folder.
    pub text: String,
    pub path: PathBuf,
    /// The results folder.
    pub results: PathBuf,
    /// Name of the run in the plan.
    pub run: String,
}

/// What is left when all stages are finished: their results lie in the results folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDone {
    pub run: String,
    /// What carried out the stages.
    pub engine: String,
    /// What computed.
    pub device: String,
}

/// Carries out the run, or goes on with it; `None` if it was stopped.
pub(super) fn carry_out(work: &RunWork, stop: &AtomicBool) -> Result<Option<RunDone>, Error> {
    let file = RunFile::parse(&work.path, &work.text)?;
    let mut inputs = Inputs::load(&file)?;
    let plan = Plan::resolve(&file, &inputs)?;
    inputs.choose_device(&file, &plan)?;
    let only = Some(plan.run_called(&work.run)?);
    let results = Results::open(&work.results, &file, &plan, Scope::Run(&work.run))?;
    let options = Options {
        threads: rayon::current_num_threads(),
        stop,
        watch: &|_| {},
        dynamics_only: true,
        only,
        queue: None,
        resume: "",
    };
    match pipeline::carry_out(&file, &inputs, &plan, &results, &options) {
        Ok(_) => Ok(Some(RunDone {
            run: work.run.clone(),
            engine: inputs.engine(),
            device: inputs.potential.card().device,
        })),
        Err(Error::Interrupted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
