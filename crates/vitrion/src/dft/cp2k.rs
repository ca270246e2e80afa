//! CP2K: one process per attempt, in a folder of its own, its output read with suspicion.

mod aimd;
mod settings;
mod writer;

pub use aimd::{AimdError, AimdSettings, AimdStep, run as run_aimd};
pub use settings::{
    Basis, Cp2kSettings, Dispersion, Functional, Minimizer, Resources, Scf, Smearing, Template,
};

use super::process::{Call, End, run};
use super::{EngineError, LabelEngine, Outcome, host};
use crate::labels::{FailureKind, RunInfo};
use settings::Rung;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vitrion_core::io::IoError;
use vitrion_core::io::cp2k::output::{self, Output, Shortage};
use vitrion_core::{Frame, Labels, Structure, math};

/// Names of the files of an attempt.
const INPUT: &str = "cp2k.inp";
const OUTPUT: &str = "cp2k.out";
const ERRORS: &str = "cp2k.err";
/// Most of a message that is kept.
const LONGEST_MESSAGE: usize = 400;

/// The engine.
pub(crate) struct Cp2k {
    settings: Cp2kSettings,
    program: Option<String>,
}

impl Cp2k {
    pub(crate) fn new(settings: Cp2kSettings) -> Self {
        Cp2k { settings, program: None }
    }

    /// One attempt in an empty folder.
    fn attempt(
        &self,
        frame: &Frame,
        rung: &Rung,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<(End, Result<Output, String>, String), EngineError> {
        std::fs::create_dir_all(folder).map_err(IoError::os(folder, "create"))?;
        let text = writer::input(&self.settings, rung, &frame.structure)?;
        let path = folder.join(INPUT);
        std::fs::write(&path, text).map_err(IoError::os(&path, "write"))?;
        let resources = &self.settings.resources;
        let words = resources.command(&[INPUT]);
        let call = Call {
            words: &words,
            folder,
            output: OUTPUT,
            errors: ERRORS,
            threads: resources.threads,
            timeout: resources.timeout.map(Duration::from_secs_f64),
        };
        let end =
            run(&call, stop).map_err(|error| missing(&error.program, &error.source.to_string()))?;
        let found = match output::read(&folder.join(OUTPUT)) {
            Ok(found) => Ok(found),
            // numbers that are none: stars where a force is too large to print
            Err(error @ IoError::Parse { .. }) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let said = std::fs::read(folder.join(ERRORS)).unwrap_or_default();
        Ok((end, found, String::from_utf8_lossy(&said).into_owned()))
    }
}

fn missing(program: &str, message: &str) -> EngineError {
    EngineError::Start {
        program: program.to_owned(),
        message: message.to_owned(),
        hint:
            "install CP2K (Debian: apt-get install cp2k; conda: conda-forge::cp2k) or name it with \
               [engine] program"
                .to_owned(),
    }
}

/// Version of a CP2K program, as it says itself.
pub(crate) fn version(program: &str) -> Result<String, EngineError> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| missing(program, &error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().find_map(|line| line.trim().strip_prefix("CP2K version "));
    if let Some(version) = version {
        return Ok(format!("CP2K {}", version.trim()));
    }
    let first = text.lines().next().unwrap_or("nothing").to_owned();
    Err(missing(program, &format!("--version says \"{first}\", not a version of CP2K")))
}

impl LabelEngine for Cp2k {
    fn program(&mut self) -> Result<String, EngineError> {
        if self.program.is_none() {
            self.program = Some(version(&self.settings.resources.program)?);
        }
        Ok(self.program.clone().expect("just found"))
    }

    fn label(
        &mut self,
        frame: &Frame,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<Outcome, EngineError> {
        let program = self.program()?;
        check(&frame.structure)?;
        let started = Instant::now();
        let ladder = self.settings.ladder();
        // attempts of a job that was killed stay where they are
        let mut begun = 1;
        while attempt_folder(folder, begun).exists() {
            begun += 1;
        }
        let mut failed = None;
        for (k, rung) in ladder.iter().enumerate() {
            let place = attempt_folder(folder, begun + k);
            let (end, found, said) = self.attempt(frame, rung, &place, stop)?;
            if end == End::Stopped {
                return Ok(Outcome::Interrupted);
            }
            let read = found.as_ref().ok();
            let cycles = read.and_then(|o| o.evaluations.last()).map(|e| e.scf.cycles);
            let said_version = read.and_then(|o| o.version.as_ref());
            let run = RunInfo {
                program: said_version.map_or(program.clone(), |v| format!("CP2K {v}")),
                host: host(),
                cores: self.settings.resources.cores(),
                seconds: started.elapsed().as_secs_f64(),
                attempts: k + 1,
                scf_cycles: cycles,
                net_force: None,
                method: rung.name(),
            };
            let judged = found
                .map_err(|message| (FailureKind::Incomplete, message))
                .and_then(|found| judge(&found, end, &said, frame, self.settings.stress));
            match judged {
                Ok(labels) => {
                    if !self.settings.keep_files {
                        discard(&place);
                    }
                    return Ok(Outcome::Labelled { labels, run });
                }
                Err((reason, message)) => {
                    let message =
                        format!("{message} ({}; files: {})", rung.name(), place.display());
                    failed = Some(Outcome::Failed { reason, message, run });
                    if reason != FailureKind::Unconverged {
                        break;
                    }
                }
            }
        }
        Ok(failed.expect("the ladder has a rung"))
    }
}

/// Refuses structures that no calculation can be of.
fn check(structure: &Structure) -> Result<(), EngineError> {
    let refuse = |message: &str| Err(EngineError::Setting(message.to_owned()));
    if structure.cell.periodicity() != [true; 3] {
        return refuse("CP2K labels need a cell that is periodic in all directions");
    }
    if structure.is_empty() {
        return refuse("there are no atoms");
    }
    Ok(())
}

fn attempt_folder(folder: &Path, number: usize) -> std::path::PathBuf {
    folder.join(format!("attempt-{number:02}"))
}

/// Removes what only a restart of CP2K would need.
fn discard(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if ![INPUT, OUTPUT, ERRORS].iter().any(|kept| name == *kept) {
            // space is all that is lost if this fails
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Labels of an output that may be believed, or what is wrong with it.
fn judge(
    found: &Output,
    end: End,
    said: &str,
    frame: &Frame,
    want_stress: bool,
) -> Result<Labels, (FailureKind, String)> {
    if found.shortage == Some(Shortage::Memory) || output::is_out_of_memory(said) {
        return Err((FailureKind::OutOfMemory, "memory ran out".to_owned()));
    }
    if end == End::TimedOut || found.shortage == Some(Shortage::Time) {
        return Err((FailureKind::TimedOut, "the time was over before it ended".to_owned()));
    }
    if let Some(text) = &found.abort {
        let unconverged = text.contains("NOT converged");
        let reason = if unconverged { FailureKind::Unconverged } else { FailureKind::Crashed };
        return Err((reason, format!("CP2K gave up: {}", shortened(text))));
    }
    if !found.ended {
        let reason = match end.signal() {
            Some(_) => FailureKind::Killed,
            None => FailureKind::Crashed,
        };
        let words = shortened(said.trim());
        let words = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        let message = format!(
            "the output ends after line {} without PROGRAM ENDED, {}{words}",
            found.lines,
            end.describe()
        );
        return Err((reason, message));
    }
    if let Some(text) = &found.too_close {
        return Err((FailureKind::Crashed, format!("CP2K warns: {}", shortened(text))));
    }
    if end != End::Exit(std::process::ExitStatus::default()) {
        return Err((FailureKind::Crashed, end.describe()));
    }
    let incomplete = |message: String| Err((FailureKind::Incomplete, message));
    let [evaluation] = &found.evaluations[..] else {
        return incomplete(format!("{} energies, expected one", found.evaluations.len()));
    };
    match evaluation.scf.converged {
        Some(true) => {}
        Some(false) => {
            let cycles = evaluation.scf.cycles;
            let message = format!("the SCF did not converge in {cycles} cycles");
            return Err((FailureKind::Unconverged, message));
        }
        None => return incomplete("no SCF was run: METHOD is not QUICKSTEP?".to_owned()),
    }
    let atoms = frame.structure.len();
    let forces = match &evaluation.forces {
        Some(forces) if forces.len() == atoms => forces.clone(),
        Some(forces) => return incomplete(format!("{} forces for {atoms} atoms", forces.len())),
        None => return incomplete("there are no forces in the output".to_owned()),
    };
    if want_stress && evaluation.stress.is_none() {
        return incomplete("there is no analytical stress in the output".to_owned());
    }
    let volume = frame.structure.cell.volume();
    Ok(Labels {
        energy: Some(evaluation.energy),
        forces: Some(forces),
        virial: evaluation.stress.map(|stress| math::matrix_scale(&stress, volume)),
        atom_energies: None,
    })
}

fn shortened(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}

#[cfg(test)]
mod tests;
