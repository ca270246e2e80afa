//! What jobs do.

use super::events::{self, Event};
use super::run::{self, RunWork};
use super::{DONE, JOB, JobError, LOCK, STOPPED};
use crate::dft::{AimdSettings, Cp2kSettings, EngineSettings, Outcome, cp2k};
use crate::error::{Error, InputError};
use crate::labels::{FailureKind, RunInfo};
use crate::learn::exploration::{self, Explored};
use crate::results::{read_json, write_atomically};
use crate::run_file::{Located, Start, TrainingFile};
use crate::training::{self, Evaluation, TrainingSummary};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion_core::io::{self, CreateOptions, IoError, ReadOptions};
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::{Frame, Labels};
use vitrion_md::StageSettings;
use vitrion_model::train::dataset::validate::{Severity, validate};
use vitrion_model::train::trainer::Control;

/// Geometries of a label job.
pub(crate) const FRAMES: &str = "frames.extxyz";
/// What became of each, a line each.
pub(super) const OUTCOMES: &str = "outcomes.jsonl";
/// Converged steps of an AIMD job.
pub(crate) const STEPS: &str = "steps.extxyz";
/// Start of an exploration or of AIMD.
pub(crate) const START: &str = "start.extxyz";

/// A job file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "lowercase")]
pub enum Work {
    Label(LabelWork),
    Aimd(AimdWork),
    Train(TrainWork),
    Explore(Box<ExploreWork>),
    Run(RunWork),
}

/// Labels for `frames.extxyz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelWork {
    pub settings: EngineSettings,
    /// Frames in the file.
    pub frames: usize,
}

/// Molecular dynamics by CP2K from `start.extxyz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AimdWork {
    pub settings: Cp2kSettings,
    pub aimd: AimdSettings,
}

/// One model of a committee.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainWork {
    /// The training file, and where it stands: paths in it are relative to its folder.
    pub text: String,
    pub path: PathBuf,
    pub member: usize,
    /// Weights to start from, a file or a builtin name.
    pub from: Option<PathBuf>,
    /// Train although the data checks found errors.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_errors: bool,
}

impl TrainWork {
    /// Everything that decides the model is the same.
    fn is_as(&self, other: &TrainWork) -> bool {
        let essence = |work: &TrainWork| {
            let mut table = work.text.parse::<toml::Table>().unwrap_or_default();
            for key in ["scheduler", "device", "tensor_cores"] {
                table.remove(key);
            }
            TrainWork { text: table.to_string(), accept_errors: false, ..work.clone() }
        };
        essence(self) == essence(other)
    }
}

/// Dynamics with the first member of a committee, watched by all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExploreWork {
    pub models: Vec<PathBuf>,
    pub stage: StageSettings,
    /// Of the initial velocities [K].
    pub temperature: f64,
    pub seed: u64,
    /// Steps between two looks of the committee.
    pub every: u64,
    /// A run is given up when the largest deviation of a force stays above this [eV/Å].
    pub hopeless: Option<f64>,
}

/// A label job's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelDone {
    pub labelled: usize,
    pub failed: usize,
}

/// An AIMD job's result; frames are in `steps.extxyz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AimdDone {
    pub frames: usize,
    pub unconverged: Vec<u64>,
    pub parts: usize,
    pub program: String,
    /// Wall time of the last session [s].
    pub seconds: f64,
}

/// A training job's result; the model is `model.safetensors`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainDone {
    pub summary: TrainingSummary,
    pub evaluation: Evaluation,
}

/// An exploration job's result; frames are in its trajectory.
pub type ExploreDone = Explored;

/// One line of `outcomes.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelOutcome {
    /// Frame of the job, from 0.
    pub frame: usize,
    pub run: RunInfo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<(FailureKind, String)>,
    pub energy: Option<f64>,
    pub forces: Option<Vec<Vector3>>,
    pub virial: Option<Matrix3>,
}

impl LabelOutcome {
    /// The labels of a success.
    pub fn labels(&self) -> Labels {
        Labels {
            energy: self.energy,
            forces: self.forces.clone(),
            virial: self.virial,
            atom_energies: None,
        }
    }
}

/// Prepares the folder of a job; one that is there must be of the same work.
pub(crate) fn prepare(
    folder: &Path,
    work: &Work,
    frames: Option<(&str, &[Frame])>,
) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(work).expect("work is plain data");
    let path = folder.join(JOB);
    if let Ok(present) = std::fs::read_to_string(&path) {
        let replaceable = match work {
            // the same dynamics on other cores goes on where it was; a results folder knows its own plan
            Work::Aimd(_) | Work::Run(_) => true,
            Work::Train(work) => matches!(
                serde_json::from_str(&present), Ok(Work::Train(there)) if work.is_as(&there)
            ),
            Work::Label(_) | Work::Explore(_) => false,
        };
        if present != text {
            if !replaceable {
                return Err(JobError::OtherJob { path: folder.to_owned() }.into());
            }
            write_atomically(&path, text.as_bytes())?;
        }
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(InputError::os(folder, "create"))?;
    if let Some((name, frames)) = frames {
        write_frames(&folder.join(name), frames)?;
    }
    // last: it makes the folder a job
    write_atomically(&path, text.as_bytes())?;
    Ok(())
}

pub(crate) fn write_frames(path: &Path, frames: &[Frame]) -> Result<(), IoError> {
    let options = CreateOptions { overwrite: true, ..CreateOptions::default() };
    let mut sink = io::create(path, &options)?;
    frames.iter().try_for_each(|frame| sink.write(frame))?;
    sink.finish()
}

/// Carries out the job of a folder, or goes on with it. `false` if it was stopped.
///
/// # Errors
/// What went wrong, for the job's log.
pub fn carry_out(folder: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    let path = folder.join(JOB);
    let work: Work = read_json(&path)?;
    let lock_path = folder.join(LOCK);
    let lock = File::create(&lock_path).map_err(InputError::os(&lock_path, "create"))?;
    // a process of an earlier session may still be at it
    lock.lock().map_err(InputError::os(&lock_path, "lock"))?;
    if folder.join(DONE).exists() {
        return Ok(true);
    }
    let stopped = folder.join(STOPPED);
    if stopped.exists() {
        std::fs::remove_file(&stopped).map_err(InputError::os(&stopped, "remove"))?;
    }
    events::started(folder);
    let done = match dispatch(work, folder, stop) {
        Ok(done) => done,
        Err(error) => {
            events::note(folder, Event::Failed { message: error.to_string() });
            return Err(error);
        }
    };
    if !done {
        // whoever looks after the queue may simply start it again
        std::fs::write(&stopped, "").map_err(InputError::os(&stopped, "write"))?;
        events::note(folder, Event::Stopped);
    }
    Ok(done)
}

fn dispatch(work: Work, folder: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    match work {
        Work::Label(work) => label(&work, folder, stop),
        Work::Aimd(work) => aimd(&work, folder, stop),
        Work::Train(work) => train(&work, folder, stop),
        Work::Explore(work) => finish_if(folder, exploration::run(&work, folder, stop)?),
        Work::Run(work) => finish_if(folder, run::carry_out(&work, stop)?),
    }
}

/// Makes a job count as done, if it has a result.
fn finish_if<T: Serialize>(folder: &Path, result: Option<T>) -> Result<bool, Error> {
    result.map_or(Ok(false), |result| finish(folder, &result).map(|()| true))
}

fn finish<T: Serialize>(folder: &Path, result: &T) -> Result<(), Error> {
    let text = serde_json::to_string(result).expect("results are plain data");
    write_atomically(&folder.join(DONE), text.as_bytes())?;
    Ok(())
}

/// What became of the frames of a label job so far, in any order. A line that was being written when the
/// job was killed is left out.
///
/// # Errors
/// The file cannot be read.
pub fn read_outcomes(folder: &Path) -> Result<Vec<LabelOutcome>, InputError> {
    let path = folder.join(OUTCOMES);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = File::open(&path).map_err(InputError::os(&path, "open"))?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(InputError::os(&path, "read"))?;
        found.extend(serde_json::from_str::<LabelOutcome>(&line).ok());
    }
    Ok(found)
}

fn label(work: &LabelWork, folder: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    let frames = io::read_all(&folder.join(FRAMES), &ReadOptions::default())?;
    let mut known = read_outcomes(folder)?;
    let path = folder.join(OUTCOMES);
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(InputError::os(&path, "open"))?;
    // ends a line that an earlier process could not
    file.write_all(b"\n").map_err(InputError::os(&path, "append"))?;
    let mut engine = work.settings.engine()?;
    for (k, frame) in frames.iter().enumerate() {
        if known.iter().any(|outcome| outcome.frame == k) {
            continue;
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let place = folder.join(format!("{k:04}"));
        let outcome = match engine.label(frame, &place, stop)? {
            Outcome::Interrupted => return Ok(false),
            Outcome::Labelled { labels, run } => LabelOutcome {
                frame: k,
                run,
                failure: None,
                energy: labels.energy,
                forces: labels.forces,
                virial: labels.virial,
            },
            Outcome::Failed { reason, message, run } => LabelOutcome {
                frame: k,
                run,
                failure: Some((reason, message)),
                energy: None,
                forces: None,
                virial: None,
            },
        };
        let mut line = serde_json::to_string(&outcome).expect("outcomes are plain data");
        line.push('\n');
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(InputError::os(&path, "append"))?;
        known.push(outcome);
    }
    let failed = known.iter().filter(|outcome| outcome.failure.is_some()).count();
    finish(folder, &LabelDone { labelled: known.len() - failed, failed })?;
    Ok(true)
}

fn aimd(work: &AimdWork, folder: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    let started = std::time::Instant::now();
    let start = io::read_first(&folder.join(START), &ReadOptions::default())?;
    let program = cp2k::version(&work.settings.resources.program)?;
    let told = |step: u64| {
        say(&format!("AIMD at step {step} of {}", work.aimd.steps));
    };
    let found =
        match cp2k::run_aimd(&work.settings, &work.aimd, &start.structure, folder, &told, stop) {
            Ok(found) => found,
            Err(cp2k::AimdError::Interrupted) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
    let kept: Vec<Frame> = found
        .steps
        .into_iter()
        .filter(|step| step.step.is_multiple_of(work.aimd.every))
        .map(|step| step.frame)
        .collect();
    if kept.is_empty() {
        let message = "no step of the AIMD run converged; see the outputs in part-01".to_owned();
        return Err(InputError::Usage(message).into());
    }
    write_frames(&folder.join(STEPS), &kept)?;
    let done = AimdDone {
        frames: kept.len(),
        unconverged: found.unconverged,
        parts: found.parts,
        program,
        seconds: started.elapsed().as_secs_f64(),
    };
    finish(folder, &done)?;
    Ok(true)
}

/// A line in the job's log.
#[expect(clippy::print_stderr, reason = "a job's standard error is its log")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn train(work: &TrainWork, folder: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    let mut file = TrainingFile::parse(&work.path, &work.text)?;
    if let Some(model) = &work.from {
        file.start = Start::Model(Located { value: model.display().to_string(), line: 1 });
    }
    let prepared = training::prepare(&file, folder, &ReadOptions::default(), work.member, &|_| {})?;
    if work.member == 0 {
        let found = validate(&prepared.data);
        training::write_json(&folder.join("data.json"), &found)?;
        if found.worst() == Some(Severity::Error) && !work.accept_errors {
            let errors = found.findings.iter().filter(|f| f.severity == Severity::Error);
            let list: Vec<String> =
                errors.map(|f| format!("{}: {}", f.system, f.message)).collect();
            let message = format!(
                "the frames contradict themselves (--accept-errors trains all the same): {}",
                list.join("; ")
            );
            return Err(InputError::Usage(message).into());
        }
    }
    let mut watch = |_: &vitrion_model::train::trainer::Progress<'_>| {
        if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue }
    };
    let finished = training::carry_out(&file, &prepared, folder, &mut watch, &mut |_, _| {})?;
    let Some(finished) = finished else { return Ok(false) };
    // the frames are elsewhere too; a packed copy for each model would fill disks
    let _ = std::fs::remove_file(folder.join("frames.pack"));
    finish(folder, &TrainDone { summary: finished.summary, evaluation: finished.evaluation })?;
    Ok(true)
}
