//! Molecular dynamics by CP2K itself: initial data far from equilibrium.
//!
//! A run is made of parts. Each part is a CP2K process with a name of its own; the first starts from the
//! structure, a later one (after a kill, a walltime) from the last restart file of the one before. Steps
//! that a part repeats replace those of the part before, so nothing is counted twice.

use super::super::EngineError;
use super::super::process::{Call, End, run as run_process};
use super::settings::Cp2kSettings;
use super::{ERRORS, INPUT, OUTPUT, missing, shortened, writer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use vitrion_core::io::IoError;
use vitrion_core::io::cp2k as files;
use vitrion_core::{Frame, Structure};

/// Settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AimdSettings {
    /// [K]
    pub temperature: f64,
    /// [fs]
    pub timestep: f64,
    pub steps: u64,
    /// A frame is kept every so many steps.
    pub every: u64,
    /// Time constant of the Nosé–Hoover thermostat [fs].
    pub thermostat: f64,
    /// Of the initial velocities.
    pub seed: u64,
}

/// A step that may be used: its SCF converged.
#[derive(Debug, Clone, PartialEq)]
pub struct AimdStep {
    pub step: u64,
    pub frame: Frame,
}

/// Why a run did not get to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AimdError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A part that ended without adding a step.
    #[error("{}: no progress after step {step}: {message}", folder.display())]
    Stuck { folder: PathBuf, step: u64, message: String },
    #[error("stopped on request")]
    Interrupted,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct AimdFound {
    /// Converged steps, all of them.
    pub steps: Vec<AimdStep>,
    /// Steps whose SCF did not converge; they are not among the steps.
    pub unconverged: Vec<u64>,
    pub parts: usize,
}

/// Runs to the last step, or goes on from where earlier parts in `folder` ended.
///
/// # Errors
/// CP2K is missing, makes no progress, or was stopped.
pub fn run(
    settings: &Cp2kSettings,
    aimd: &AimdSettings,
    start: &Structure,
    folder: &Path,
    progress: &dyn Fn(u64),
    stop: &AtomicBool,
) -> Result<AimdFound, AimdError> {
    let mut found = gather(folder, start)?;
    loop {
        let last = found.last_step();
        progress(last.unwrap_or(0));
        if last == Some(aimd.steps) {
            return Ok(found);
        }
        let number = found.parts + 1;
        let part = folder.join(format!("part-{number:02}"));
        std::fs::create_dir_all(&part)
            .map_err(IoError::os(&part, "create"))
            .map_err(EngineError::Io)?;
        let restart = restart_file(folder, found.parts);
        let text = input(settings, aimd, start, restart.as_ref())?;
        let path = part.join(INPUT);
        std::fs::write(&path, text)
            .map_err(IoError::os(&path, "write"))
            .map_err(EngineError::Io)?;
        let resources = &settings.resources;
        let words = resources.command(&[INPUT]);
        let call = Call {
            words: &words,
            folder: &part,
            output: OUTPUT,
            errors: ERRORS,
            threads: resources.threads,
            timeout: resources.timeout.map(Duration::from_secs_f64),
        };
        let end = run_process(&call, stop)
            .map_err(|error| missing(&error.program, &error.source.to_string()))?;
        if end == End::Stopped {
            return Err(AimdError::Interrupted);
        }
        found = gather(folder, start)?;
        let after = found.last_step();
        if after.is_none() || after <= last {
            let output = files::output::read(&part.join(OUTPUT)).map_err(EngineError::Io)?;
            let said = std::fs::read_to_string(part.join(ERRORS)).unwrap_or_default();
            let message = match output.abort {
                Some(text) => format!("CP2K gave up: {}", shortened(&text)),
                None => format!("{}; {}", end.describe(), shortened(&said)),
            };
            return Err(AimdError::Stuck { folder: part, step: last.unwrap_or(0), message });
        }
    }
}

impl AimdFound {
    fn last_step(&self) -> Option<u64> {
        let good = self.steps.last().map(|s| s.step);
        good.max(self.unconverged.iter().copied().max())
    }
}

/// The restart file of the last part that wrote one.
fn restart_file(folder: &Path, parts: usize) -> Option<PathBuf> {
    let file = |k: usize| folder.join(format!("part-{k:02}/{}-1.restart", writer::PROJECT));
    (1..=parts).rev().map(file).find(|path| path.exists())
}

/// Steps of all parts; a later part replaces what it repeats.
fn gather(folder: &Path, start: &Structure) -> Result<AimdFound, AimdError> {
    let mut steps: BTreeMap<u64, Option<Frame>> = BTreeMap::new();
    let mut parts = 0;
    while let part = folder.join(format!("part-{:02}", parts + 1))
        && part.exists()
    {
        parts += 1;
        let output = part.join(OUTPUT);
        if !output.exists() {
            continue;
        }
        let found = files::dynamics(&output, start).map_err(EngineError::Io)?;
        if let Some((first, _)) = found.first() {
            steps.split_off(first);
        }
        steps.extend(found);
    }
    let unconverged = steps.iter().filter(|(_, f)| f.is_none()).map(|(step, _)| *step).collect();
    let steps = steps
        .into_iter()
        .filter_map(|(step, frame)| Some(AimdStep { step, frame: frame? }))
        .collect();
    Ok(AimdFound { steps, unconverged, parts })
}

/// The input of a part.
fn input(
    settings: &Cp2kSettings,
    aimd: &AimdSettings,
    start: &Structure,
    restart: Option<&PathBuf>,
) -> Result<String, AimdError> {
    if settings.template.is_some() {
        let message = "AIMD needs settings, not a template: the dynamics sections are vitrion's";
        return Err(EngineError::Setting(message.to_owned()).into());
    }
    let mut text = format!(
        "&GLOBAL\n  PROJECT {}\n  RUN_TYPE MD\n  PRINT_LEVEL LOW\n  SEED {}\n&END GLOBAL\n",
        writer::PROJECT,
        aimd.seed
    );
    if let Some(restart) = restart {
        let _ = write!(
            text,
            "&EXT_RESTART\n  RESTART_FILE_NAME {}\n&END EXT_RESTART\n",
            absolute(restart)
        );
    }
    let done: u64 = match restart {
        Some(path) => step_of(path)?,
        None => 0,
    };
    let _ = write!(
        text,
        "&MOTION\n  &MD\n    ENSEMBLE NVT\n    STEPS {}\n    TIMESTEP {}\n    TEMPERATURE {}\n    \
         &THERMOSTAT\n      TYPE NOSE\n      &NOSE\n        TIMECON {}\n      &END NOSE\n    &END \
         THERMOSTAT\n  &END MD\n  &PRINT\n    &TRAJECTORY\n      FORMAT XYZ\n      &EACH\n        MD 1\n      \
         &END EACH\n    &END TRAJECTORY\n    &FORCES ON\n    &END FORCES\n    &CELL ON\n    &END CELL\n    \
         &RESTART\n      BACKUP_COPIES 0\n      &EACH\n        MD 1\n      &END EACH\n    &END RESTART\n    \
         &RESTART_HISTORY OFF\n    &END RESTART_HISTORY\n  &END PRINT\n&END MOTION\n",
        aimd.steps - done,
        aimd.timestep,
        aimd.temperature,
        aimd.thermostat
    );
    let rung = settings.ladder()[0];
    text += &writer::force_eval(settings, &rung, start);
    Ok(text)
}

/// CP2K cannot read names with spaces or beyond a line; relative ones would depend on the part.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The step that a restart file was written after.
fn step_of(path: &Path) -> Result<u64, AimdError> {
    let text = std::fs::read_to_string(path)
        .map_err(IoError::os(path, "read"))
        .map_err(EngineError::Io)?;
    let step = text.lines().find_map(|line| line.trim().strip_prefix("STEP_START_VAL"));
    let step = step.and_then(|word| word.trim().parse().ok());
    step.ok_or_else(|| {
        let what = "the restart file has no STEP_START_VAL";
        EngineError::Io(IoError::invalid(path, what, Some("remove it to start the run anew")))
            .into()
    })
}
