//! Killed at any instant, a run goes on and ends with the same bytes.

use super::{stderr, vitrion, workplace};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Contents of the files that depend on the physics alone, by their path.
pub(super) fn physics(results: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![results.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                pending.push(path);
            } else if ["thermo.csv", "final.extxyz", "initial.extxyz", "plan.toml"]
                .contains(&name.as_str())
                || path.parent().is_some_and(|folder| folder.ends_with("analysis"))
            {
                let bytes = fs::read(&path).expect("readable");
                found.insert(
                    path.strip_prefix(results).expect("below").display().to_string(),
                    bytes,
                );
            } else if name == "trajectory.extxyz.zst" {
                let file = fs::File::open(&path).expect("readable");
                let bytes = zstd::decode_all(file).expect("a whole file");
                found.insert(
                    path.strip_prefix(results).expect("below").display().to_string(),
                    bytes,
                );
            }
        }
    }
    found
}

#[test]
fn a_run_that_was_killed_again_and_again_ends_with_the_same_bytes() {
    let folder = workplace("good/long.toml");
    let whole = vitrion(folder.path(), &["run", "run.toml", "--out", "whole", "--quiet"]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    let mut kills = 0;
    // the instants are not reproducible, the results must be
    for wait in [60, 90, 130, 200, 350, 600, 1000, 2000] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .args(["run", "run.toml", "--out", "killed", "--quiet"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built before its tests");
        let start = Instant::now();
        let mut finished = false;
        while start.elapsed() < Duration::from_millis(wait) && !finished {
            std::thread::sleep(Duration::from_millis(5));
            finished = child.try_wait().expect("our own child").is_some();
        }
        if finished {
            break;
        }
        child.kill().expect("our own child"); // SIGKILL on Unix
        child.wait().expect("our own child");
        kills += 1;
    }
    assert!(kills > 0, "the run is too short to be killed");
    let last = vitrion(folder.path(), &["run", "run.toml", "--out", "killed", "--quiet"]);
    assert_eq!(last.status.code(), Some(0), "{}", stderr(&last));
    let (whole, killed) =
        (physics(&folder.path().join("whole")), physics(&folder.path().join("killed")));
    assert_eq!(whole.keys().collect::<Vec<_>>(), killed.keys().collect::<Vec<_>>());
    for (path, bytes) in &whole {
        assert!(*bytes == killed[path], "{path} differs after {kills} kills");
    }
}

#[test]
fn two_processes_cannot_work_in_the_same_folder() {
    let folder = workplace("good/long.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["md", "run.toml", "--out", "results", "--quiet"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program is built before its tests");
    let start = Instant::now();
    while !folder.path().join("results/plan.toml").exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "the first process does not start");
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = vitrion(folder.path(), &["md", "run.toml", "--out", "results", "--quiet"]);
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    assert!(stderr(&second).contains("in use by another vitrion process"), "{}", stderr(&second));
    assert_eq!(second.status.code(), Some(1));
}
