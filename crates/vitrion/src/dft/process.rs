//! Other programs: started in a folder, watched, stopped.

use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exit(ExitStatus),
    /// We stopped it because its time was over.
    TimedOut,
    /// We stopped it because somebody asked us to.
    Stopped,
}

impl End {
    /// For messages: "exit code 1", "signal 9".
    pub(super) fn describe(self) -> String {
        match self {
            End::Exit(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (None, Some(9)) => {
                    "killed by signal 9, which is what the system does when memory runs out"
                        .to_owned()
                }
                (None, Some(signal)) => format!("killed by signal {signal}"),
                (None, None) => "ended without a status".to_owned(),
            },
            End::TimedOut => "stopped because its time was over".to_owned(),
            End::Stopped => "stopped on request".to_owned(),
        }
    }

    /// The signal that killed it, if one did that was not ours.
    pub(super) fn signal(self) -> Option<i32> {
        match self {
            End::Exit(status) => status.signal(),
            End::TimedOut | End::Stopped => None,
        }
    }
}

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{program}: {source}")]
pub struct ProcessError {
    pub program: String,
    #[source]
    pub source: std::io::Error,
}

/// What to start, and where its words go.
pub(super) struct Call<'a> {
    pub(super) words: &'a [String],
    pub(super) folder: &'a Path,
    /// Names in the folder.
    pub(super) output: &'a str,
    pub(super) errors: &'a str,
    pub(super) threads: usize,
    pub(super) timeout: Option<Duration>,
}

/// Runs a program to its end. It leads a group of its own, so that all it started can be stopped.
pub(super) fn run(call: &Call<'_>, stop: &AtomicBool) -> Result<End, ProcessError> {
    let program = &call.words[0];
    let failed = |source| ProcessError { program: program.clone(), source };
    let output = File::create(call.folder.join(call.output)).map_err(failed)?;
    let errors = File::create(call.folder.join(call.errors)).map_err(failed)?;
    let mut child = Command::new(program)
        .args(&call.words[1..])
        .current_dir(call.folder)
        .env("OMP_NUM_THREADS", call.threads.to_string())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let started = Instant::now();
    let asked = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(End::Exit(status));
        }
        if stop.load(Ordering::Relaxed) {
            break End::Stopped;
        }
        if call.timeout.is_some_and(|limit| started.elapsed() > limit) {
            break End::TimedOut;
        }
        std::thread::sleep(LOOK);
    };
    signal_group(child.id(), "TERM");
    let waited = Instant::now();
    while child.try_wait().map_err(failed)?.is_none() {
        if waited.elapsed() > GRACE {
            signal_group(child.id(), "KILL");
            child.wait().map_err(failed)?;
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(asked)
}

/// Signals a process and all of its group.
pub(crate) fn signal_group(leader: u32, signal: &str) {
    // kill(1) is everywhere, and signalling a group needs no unsafe code this way; a group that is gone
    // is what we wanted
    let _ = Command::new("kill")
        .args([format!("-{signal}"), "--".to_owned(), format!("-{leader}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
