//! Whether LAMMPS starts, and has what a run needs: asked before the run begins.

use super::program::command;
use std::io::Write as _;
use std::process::Stdio;

/// The last line of what LAMMPS says if all is well.
const READY: &str = "vitrion: ready";
/// Lines of an answer that are shown.
const SHOWN: usize = 6;

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
    let output = child.wait_with_output().map_err(not_started)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = said.lines().find_map(|line| line.strip_prefix("LAMMPS (")?.strip_suffix(')'));
    if let (Some(version), true) = (version, said.lines().any(|line| line == READY)) {
        return Ok(version.to_owned());
    }
    Err(Trouble::Refused(trouble(&said, &errors, version.is_some())))
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
