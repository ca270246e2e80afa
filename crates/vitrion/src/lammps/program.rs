//! LAMMPS as a running program: what it says, line by line, and how it ends.

use super::input::END;
use crate::dft::signal_group;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What LAMMPS says, but for the rows of all steps.
pub(super) const LOG_FILE: &str = "log.lammps";
/// What MPI and the system say.
pub(super) const ERROR_FILE: &str = "lammps.err";
/// Lines of an error that are shown.
const SHOWN: usize = 4;
/// A launcher has this long to end its ranks. Open MPI puts each into a group of its own, out of reach of a signal
/// to the group of the launcher.
const GRACE: Duration = Duration::from_secs(3);
/// How often it is looked whether a program has ended.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Programs that run now.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks every LAMMPS of this process to end: for a process that is about to exit without more ado.
pub fn terminate_all() {
    running().iter().for_each(|leader| signal_group(*leader, "TERM"));
}

/// LAMMPS in the folder of a stage.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// Until it has ended.
    output: Option<BufReader<ChildStdout>>,
    log: File,
    /// Lines from the first that says ERROR on.
    errors: Vec<String>,
    complete: bool,
    ended: Option<ExitStatus>,
    line: Vec<u8>,
}

/// A program that is started in `folder` as the leader of a group of its own, so that a signal from the
/// keyboard reaches vitrion only.
///
/// # Errors
/// The system cannot start it.
pub(super) fn command(words: &[String], threads: u32) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("OMP_NUM_THREADS", threads.to_string()).process_group(0);
    command
}

impl Program {
    /// Starts LAMMPS; what it says is added to the log of earlier sessions.
    pub(super) fn start(words: &[String], threads: u32, folder: &Path) -> io::Result<Self> {
        let add = |name: &str| File::options().create(true).append(true).open(folder.join(name));
        let log = add(LOG_FILE)?;
        let mut child = command(words, threads)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join(ERROR_FILE))?)
            .spawn()?;
        let output = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let (errors, line) = (Vec::new(), Vec::new());
        running().push(child.id());
        let output = Some(output);
        Ok(Program { child, output, log, errors, complete: false, ended: None, line })
    }

    /// The next line; `None` once LAMMPS has ended.
    pub(super) fn line(&mut self) -> io::Result<Option<&str>> {
        self.line.clear();
        let Some(output) = &mut self.output else { return Ok(None) };
        if output.read_until(b'\n', &mut self.line)? == 0 {
            self.ended = Some(self.child.wait()?);
            self.output = None;
            return Ok(None);
        }
        // errors of LAMMPS may hold any bytes of input
        if let Err(error) = std::str::from_utf8(&self.line) {
            self.line.truncate(error.valid_up_to());
        }
        Ok(Some(std::str::from_utf8(&self.line).expect("cut to what is valid").trim_end()))
    }

    /// Notes a line that is not the row of a step.
    pub(super) fn note(&mut self, line: &str) -> io::Result<()> {
        self.complete |= line == END;
        if line.starts_with("ERROR") || !self.errors.is_empty() {
            self.errors.push(line.to_owned());
        }
        writeln!(self.log, "{line}")
    }

    /// True if LAMMPS has ended as the input says.
    pub(super) fn is_complete(&self) -> bool {
        self.complete && self.ended.is_some_and(|status| status.success())
    }

    /// What LAMMPS said about its end.
    pub(super) fn last_words(&self, folder: &Path) -> String {
        let mut words: Vec<String> =
            self.errors.iter().filter(|line| !line.is_empty()).take(SHOWN).cloned().collect();
        if words.is_empty() {
            let text = std::fs::read_to_string(folder.join(ERROR_FILE)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            words.extend(lines.iter().rev().take(SHOWN).rev().map(|line| (*line).to_owned()));
        }
        let end = self.ended.map_or("it still runs".to_owned(), describe);
        let log = folder.join(LOG_FILE);
        if words.is_empty() {
            return format!(
                "LAMMPS ended before the stage was complete ({end}); see {}",
                log.display()
            );
        }
        format!("{} ({end}; see {})", words.join("\n  "), log.display())
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// Ends a program and those it started.
pub(super) fn stop(child: &mut Child) {
    signal_group(child.id(), "TERM");
    let asked = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
        thread::sleep(LOOK);
    }
    signal_group(child.id(), "KILL");
    let _ = child.wait();
}

impl Drop for Program {
    /// Nobody reads on: LAMMPS and all its ranks are stopped.
    fn drop(&mut self) {
        if self.ended.is_none() {
            if let Some(mut output) = self.output.take() {
                // a launcher that waits for a reader does not hear the signal
                thread::spawn(move || io::copy(&mut output, &mut io::sink()));
            }
            stop(&mut self.child);
        }
        running().retain(|leader| *leader != self.child.id());
    }
}
