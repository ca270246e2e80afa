//! Any calculator of ASE, by a Python process that is asked over a pipe.
//!
//! One request and one answer a line, JSON, in eV and Å. The process is started once per job and starts
//! anew after a structure that killed it or took too long.

use super::process::signal_group;
use super::{EngineError, LabelEngine, Outcome, host};
use crate::labels::{FailureKind, Level, RunInfo};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use vitrion_core::io::IoError;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Frame, Labels};

const WORKER: &str = include_str!("ase/worker.py");
/// How often a slow answer is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Importing torch on a busy machine takes its time.
const START: Duration = Duration::from_mins(10);
/// Largest difference between stress components that should be equal [eV/Å³].
const ASYMMETRY: f64 = 1e-3;

/// Settings of an ASE calculator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AseSettings {
    /// "module:Class"; empty with a script.
    pub calculator: String,
    /// Keyword arguments of the class.
    pub arguments: serde_json::Value,
    /// A Python file that defines `calculator()`.
    pub script: Option<PathBuf>,
    /// Content of the script, which decides the level.
    pub script_text: Option<String>,
    /// Python to start.
    pub python: String,
    /// Ask for stress; a calculator without it gives labels without virial.
    pub stress: bool,
    /// Longest time for one structure [s].
    pub timeout: Option<f64>,
    pub cores: usize,
    pub frames_per_job: usize,
}

impl AseSettings {
    /// The level of theory: the calculator and its arguments, or the script.
    pub fn level(&self) -> Level {
        let name = match &self.script {
            Some(script) => script.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            None => self.calculator.clone(),
        };
        let arguments = match &self.arguments {
            serde_json::Value::Object(map) if map.is_empty() => String::new(),
            other => format!(" {other}"),
        };
        Level {
            engine: "ase".to_owned(),
            description: format!("ASE {name}{arguments}"),
            settings: serde_json::json!({
                "calculator": self.calculator, "arguments": self.arguments, "script": self.script_text,
            }),
        }
    }
}

/// The engine.
pub(super) struct Ase {
    settings: AseSettings,
    worker: Option<Worker>,
    next: u64,
    folder: Option<PathBuf>,
}

struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    program: String,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal_group(self.child.id(), "KILL");
        }
        let _ = self.child.wait();
    }
}

/// First line of a worker.
#[derive(Deserialize)]
struct Ready {
    #[serde(rename = "ready")]
    good: bool,
    #[serde(default)]
    program: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    seconds: f64,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    energy: f64,
    #[serde(default)]
    forces: Vec<Vector3>,
    #[serde(default)]
    stress: Option<Matrix3>,
    #[serde(default = "yes")]
    converged: bool,
}

fn yes() -> bool {
    true
}

impl Ase {
    pub(super) fn new(settings: AseSettings) -> Self {
        Ase { settings, worker: None, next: 0, folder: None }
    }

    fn start(&self, folder: &Path) -> Result<Worker, EngineError> {
        std::fs::create_dir_all(folder).map_err(IoError::os(folder, "create"))?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(IoError::os(&path, "write"))
        };
        write("worker.py", WORKER)?;
        let settings = serde_json::to_string(&self.settings).expect("settings are plain data");
        write("calculator.json", &settings)?;
        let errors = folder.join("worker.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&errors)
            .map_err(IoError::os(&errors, "open"))?;
        let python = &self.settings.python;
        let failed = |message: String| EngineError::Start {
            program: python.clone(),
            message,
            hint: "set [engine] python to one that has ase and the calculator installed".to_owned(),
        };
        let mut child = Command::new(python)
            .args(["-u", "worker.py", "calculator.json"])
            .current_dir(folder)
            .env("OMP_NUM_THREADS", self.settings.cores.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let requests = child.stdin.take().expect("the pipe was asked for");
        let output = child.stdout.take().expect("the pipe was asked for");
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut worker = Worker { child, requests, answers, program: String::new() };
        let line = worker.answers.recv_timeout(START).map_err(|_| {
            let said = std::fs::read_to_string(&errors).unwrap_or_default();
            let last = said.trim().lines().next_back().unwrap_or("it said nothing").to_owned();
            failed(format!("the worker ended before it was ready: {last}"))
        })?;
        let ready: Ready =
            serde_json::from_str(&line).map_err(|_| failed(format!("it said {line}")))?;
        if !ready.good {
            return Err(failed(ready.error));
        }
        worker.program = ready.program;
        Ok(worker)
    }

    fn worker(&mut self, folder: &Path) -> Result<&mut Worker, EngineError> {
        if self.worker.is_none() {
            self.worker = Some(self.start(folder)?);
        }
        Ok(self.worker.as_mut().expect("just started"))
    }

    /// One answer, or why there is none.
    fn ask(&mut self, frame: &Frame, stop: &AtomicBool) -> Result<Asked, EngineError> {
        let structure = &frame.structure;
        self.next += 1;
        let id = self.next;
        let symbols: Vec<&str> = (0..structure.len()).map(|i| structure.symbol(i)).collect();
        let request = serde_json::json!({
            "id": id, "symbols": symbols, "positions": structure.positions,
            "cell": structure.cell.matrix(), "periodic": structure.cell.periodicity(),
            "want_stress": self.settings.stress,
        });
        let timeout = self.settings.timeout.map(Duration::from_secs_f64);
        let folder = self.folder.clone().expect("set before asking");
        let worker = self.worker(&folder)?;
        if writeln!(worker.requests, "{request}").and_then(|()| worker.requests.flush()).is_err() {
            return Ok(Asked::Died);
        }
        let started = Instant::now();
        loop {
            match worker.answers.recv_timeout(LOOK) {
                Ok(line) => {
                    return match serde_json::from_str::<Answer>(&line) {
                        Ok(answer) if answer.id == id => Ok(Asked::Answer(Box::new(answer))),
                        Ok(_) => continue,
                        Err(error) => Ok(Asked::Nonsense(format!("{error} in {line}"))),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Asked::Died),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(Asked::Stopped);
            }
            if timeout.is_some_and(|limit| started.elapsed() > limit) {
                return Ok(Asked::TooSlow);
            }
        }
    }
}

enum Asked {
    Answer(Box<Answer>),
    Nonsense(String),
    Died,
    TooSlow,
    Stopped,
}

impl LabelEngine for Ase {
    fn program(&mut self) -> Result<String, EngineError> {
        if let Some(worker) = &self.worker {
            return Ok(worker.program.clone());
        }
        // where no job has begun: start one to ask, in a folder of its own
        let folder = std::env::temp_dir().join(format!("vitrion-ase-{}", std::process::id()));
        let worker = self.start(&folder);
        let _ = std::fs::remove_dir_all(&folder);
        let program = worker?.program.clone();
        Ok(program)
    }

    fn label(
        &mut self,
        frame: &Frame,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<Outcome, EngineError> {
        // the worker stays in the folder of its first structure
        let home = folder.parent().unwrap_or(folder).to_owned();
        self.folder.get_or_insert(home);
        let started = Instant::now();
        let asked = self.ask(frame, stop)?;
        let program = self.worker.as_ref().map_or_else(|| "ASE".to_owned(), |w| w.program.clone());
        let mut run = RunInfo {
            program,
            host: host(),
            cores: self.settings.cores,
            seconds: started.elapsed().as_secs_f64(),
            attempts: 1,
            scf_cycles: None,
            net_force: None,
            method: "ase".to_owned(),
        };
        let fail = |reason, message: String, run| Ok(Outcome::Failed { reason, message, run });
        match asked {
            Asked::Stopped => {
                self.worker = None;
                Ok(Outcome::Interrupted)
            }
            Asked::TooSlow => {
                self.worker = None;
                let limit = self.settings.timeout.unwrap_or_default();
                fail(FailureKind::TimedOut, format!("no answer within {limit} s"), run)
            }
            Asked::Died => {
                self.worker = None;
                let message =
                    "the Python process died; its last words are in worker.log".to_owned();
                fail(FailureKind::Killed, message, run)
            }
            Asked::Nonsense(message) => {
                self.worker = None;
                fail(FailureKind::Incomplete, message, run)
            }
            Asked::Answer(answer) => {
                run.seconds = answer.seconds;
                Ok(outcome(&answer, frame, run))
            }
        }
    }
}

/// What an answer is worth.
fn outcome(answer: &Answer, frame: &Frame, run: RunInfo) -> Outcome {
    let fail = |reason, message: String, run| Outcome::Failed { reason, message, run };
    if let Some(error) = &answer.error {
        let reason = if error.to_lowercase().contains("converge") {
            FailureKind::Unconverged
        } else if error.contains("MemoryError") || error.to_lowercase().contains("out of memory") {
            FailureKind::OutOfMemory
        } else {
            FailureKind::Crashed
        };
        return fail(reason, error.clone(), run);
    }
    if !answer.converged {
        let message = "the calculator says that it did not converge".to_owned();
        return fail(FailureKind::Unconverged, message, run);
    }
    let atoms = frame.structure.len();
    let finite = answer.energy.is_finite()
        && answer.forces.as_flattened().iter().all(|f| f.is_finite())
        && answer.stress.iter().flatten().flatten().all(|s| s.is_finite());
    if answer.forces.len() != atoms || !finite {
        let message = format!("{} forces for {atoms} atoms, finite: {finite}", answer.forces.len());
        return fail(FailureKind::Incomplete, message, run);
    }
    if let Some(s) = &answer.stress {
        let worst = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| (s[a][b] - s[b][a]).abs());
        if worst.iter().any(|difference| *difference > ASYMMETRY) {
            let message = format!("the stress is not symmetric: {s:?} eV/Å³");
            return fail(FailureKind::Incomplete, message, run);
        }
    }
    // ASE's stress is positive in tension: σ = −W/V
    let volume = frame.structure.cell.volume();
    let labels = Labels {
        energy: Some(answer.energy),
        forces: Some(answer.forces.clone()),
        virial: answer.stress.map(|stress| math::matrix_scale(&stress, -volume)),
        atom_energies: None,
    };
    Outcome::Labelled { labels, run }
}
