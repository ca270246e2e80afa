//! Whether LAMMPS starts, and has what a run needs: asked before the run begins.

use super::program::{LOOK, command, stop};
use std::io::{self, Read, Write as _};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The last line of what LAMMPS says if all is well.
const READY: &str = "vitrion: ready";
/// Lines of an answer that are shown.
const SHOWN: usize = 6;
/// A program that has not answered by then waits for something that does not come, such as a launcher for its queue.
const LIMIT: Duration = Duration::from_mins(1);

/// Why LAMMPS cannot be used.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// The first word of the command is no program.
    NotStarted(String),
    /// It started and said this.
    Refused(String),
}

/// Starts LAMMPS with a script on its standard input and returns its version, such as
/// "22 Jul 2025 - Update 4".
///
/// # Errors
/// A program that does not start, is not LAMMPS, or refuses a line.
pub(super) fn version(words: &[String], threads: u32, script: &str) -> Result<String, Trouble> {
    let not_started = |error: std::io::Error| Trouble::NotStarted(error.to_string());
    let mut child = command(words, threads)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    let mut input = child.stdin.take().expect("a pipe was asked for");
    // a program that ends before it reads is told by what it says
    let _ = writeln!(input, "{script}print \"{READY}\"");
    drop(input);
    let out = child.stdout.take().map(read_aside).expect("a pipe was asked for");
    let err = child.stderr.take().map(read_aside).expect("a pipe was asked for");
    if !ends(&mut child, LIMIT).map_err(not_started)? {
        stop(&mut child);
        let seconds = LIMIT.as_secs();
        return Err(Trouble::Refused(format!("no answer in {seconds} s: {}", words.join(" "))));
    }
    let [said, errors] = [out, err].map(|text| text.join().expect("reading does not panic"));
    let version = said.lines().find_map(|line| line.strip_prefix("LAMMPS (")?.strip_suffix(')'));
    if let (Some(version), true) = (version, said.lines().any(|line| line == READY)) {
        return Ok(version.to_owned());
    }
    Err(Trouble::Refused(trouble(&said, &errors, version.is_some())))
}

/// All that comes through a pipe, read by a thread so that no pipe is full.
fn read_aside(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // what came before an error is told
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// True once the program has ended, false if it runs on after `limit`.
fn ends(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() > limit {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}

/// The lines that tell what went wrong.
fn trouble(said: &str, errors: &str, is_lammps: bool) -> String {
    let all: Vec<&str> =
        said.lines().chain(errors.lines()).map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = all.iter().position(|line| line.starts_with("ERROR"));
    let shown = match first {
        Some(first) => &all[first..all.len().min(first + SHOWN)],
        None => &all[all.len().saturating_sub(SHOWN)..],
    };
    let what = if is_lammps { "LAMMPS refuses" } else { "it does not say that it is LAMMPS" };
    if shown.is_empty() {
        format!("{what} and says nothing")
    } else {
        format!("{what}: {}", shown.join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_answer_is_given_up() {
        let words = ["sleep", "60"].map(str::to_owned);
        let mut child = command(&words, 1).spawn().expect("sleep is everywhere");
        let ended = ends(&mut child, Duration::from_millis(30)).expect("our own child");
        assert!(!ended);
        let begin = Instant::now();
        stop(&mut child);
        assert!(begin.elapsed() < Duration::from_secs(2), "it hears TERM");
        assert!(ends(&mut child, Duration::ZERO).expect("our own child"));
    }
}
