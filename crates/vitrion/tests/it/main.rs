//! The built program on whole tasks.

mod bad_input;
mod browser;
mod commands;
mod cp2k;
mod device;
mod labels;
mod lammps;
mod learn;
mod motion;
mod queue;
mod reliability;
mod render;
mod resume;
mod slurm;
mod softness;
mod structure;
mod training;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A call of the built program.
fn vitrion(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program is built before its tests")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Text with any white space between words as one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A folder with the run file of this name and the argon structure beside it.
fn workplace(run_file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (from, to) in [(run_file, "run.toml"), ("structures/argon.extxyz", "argon.extxyz")] {
        std::fs::copy(data(from), folder.path().join(to)).expect("test data is there");
    }
    folder
}
