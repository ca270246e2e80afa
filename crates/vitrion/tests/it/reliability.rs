//! Queues, signals, full disks, missing files: nothing is lost, and the end is always the same.

use super::resume::physics;
use super::{stderr, vitrion, workplace};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn begin(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built before its tests")
}

/// Runs to the end in a folder of its own.
fn uninterrupted(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let whole = vitrion(folder, &["run", "run.toml", "--out", "whole", "--quiet"]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    physics(&folder.join("whole"))
}

fn assert_finishes_alike(folder: &Path, results: &str, whole: &BTreeMap<String, Vec<u8>>) {
    let last = vitrion(folder, &["run", "run.toml", "--out", results, "--quiet"]);
    assert_eq!(last.status.code(), Some(0), "{}", stderr(&last));
    let found = physics(&folder.join(results));
    assert_eq!(whole.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (path, bytes) in whole {
        assert!(*bytes == found[path], "{path} differs");
    }
}

#[test]
fn single_runs_go_side_by_side_and_add_up_to_the_whole() {
    let folder = workplace("good/long.toml");
    let whole = uninterrupted(folder.path());
    let only =
        |id| ["run", "run.toml", "--out", "parts", "--quiet", "--threads", "1", "--only", id];
    let ids = ["argon-60K", "argon-80K", "argon-100K"];
    let children: Vec<Child> = ids.iter().map(|id| begin(folder.path(), &only(id))).collect();
    for (id, child) in ids.iter().zip(children) {
        let output = child.wait_with_output().expect("our own child");
        assert_eq!(output.status.code(), Some(0), "{id}: {}", stderr(&output));
    }
    let results = folder.path().join("parts");
    assert!(!results.join("manifest.json").exists(), "it belongs to the process that does all");
    let status = fs::read_to_string(results.join("runs/argon-80K/status.json")).expect("a status");
    assert!(status.contains("\"state\": \"finished\""), "{status}");
    assert_finishes_alike(folder.path(), "parts", &whole);
    let unknown = vitrion(folder.path(), &only("argon-70K"));
    let message = stderr(&unknown);
    assert!(message.contains("no run is called \"argon-70K\"; there is argon-60K"), "{message}");
    assert_eq!(unknown.status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn sigterm_leaves_a_checkpoint_and_the_way_to_go_on() {
    let folder = workplace("good/long.toml");
    let whole = uninterrupted(folder.path());
    let child = begin(folder.path(), &["run", "run.toml", "--out", "stopped", "--quiet"]);
    let start = Instant::now();
    let thermo = folder.path().join("stopped/runs/argon-60K/stages/00-heat/thermo.csv");
    while !fs::metadata(&thermo).is_ok_and(|file| file.len() > 2000) {
        assert!(start.elapsed() < Duration::from_secs(20), "the run does not start");
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("our own child");
    let message = stderr(&output);
    assert!(message.contains("stopping after the present step"), "{message}");
    assert!(message.contains("run run.toml --out stopped"), "{message}");
    assert_eq!(output.status.code(), Some(2));
    let manifest = fs::read_to_string(folder.path().join("stopped/manifest.json")).expect("there");
    assert!(manifest.contains("\"status\": \"interrupted\""), "{manifest}");
    assert_finishes_alike(folder.path(), "stopped", &whole);
}

/// A limit on the size of files refuses writes as a full disk does.
#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_by_name_and_loses_nothing() {
    let folder = workplace("good/long.toml");
    let whole = uninterrupted(folder.path());
    for blocks in [8, 40, 100] {
        let command = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} run run.toml --out full --quiet",
            env!("CARGO_BIN_EXE_vitrion")
        );
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        let message = stderr(&output);
        assert!(
            message.contains("cannot write") && message.contains("full/"),
            "{blocks}: {message}"
        );
        assert!(matches!(output.status.code(), Some(1 | 2)), "{blocks}: {message}");
    }
    assert_finishes_alike(folder.path(), "full", &whole);
}

/// Minimisations before and after dynamics: the cell at its pressure, the same end after a pause between
/// stages, and no silence when they do not converge.
#[test]
fn minimisations_are_stages_like_others() {
    let folder = workplace("good/argon.toml");
    let text = fs::read_to_string(folder.path().join("run.toml")).expect("readable");
    let head = text.split("[sweep]").next().expect("its start");
    let stages = "[[stage]]\nname = \"relax\"\nkind = \"minimize\"\ncoupling = \"isotropic\"\n\
                  pressure = \"0.1 GPa\"\n[[stage]]\nname = \"heat\"\nkind = \"nvt\"\n\
                  temperature = \"40 K\"\ntimestep = \"4 fs\"\nsteps = 200\n[[stage]]\n\
                  name = \"quench\"\nkind = \"minimize\"\nforce_tolerance = \"0.001 eV/A\"\n";
    fs::write(folder.path().join("run.toml"), format!("{head}{stages}")).expect("writable");
    let whole = uninterrupted(folder.path());
    let done = |stage: &str| -> serde_json::Value {
        let file = folder.path().join(format!("whole/runs/argon/stages/{stage}/done.json"));
        serde_json::from_slice(&fs::read(file).expect("done")).expect("JSON")
    };
    let pressure = done("00-relax")["pressure"]["value"].as_f64().expect("a number");
    assert!((pressure - 0.1).abs() < 0.01, "{pressure} GPa");
    let volume = |stage: &str| done(stage)["volume"]["value"].as_f64().expect("a number");
    assert!((volume("00-relax") - volume("02-quench")).abs() < 1e-9);
    // the last stage again, from what the earlier ones left on disk
    fs::remove_dir_all(folder.path().join("whole/runs/argon/stages/02-quench")).expect("there");
    assert_finishes_alike(folder.path(), "whole", &whole);
    let short = stages.replace("\"0.001 eV/A\"", "\"0.001 eV/A\"\nsteps = 2");
    fs::write(folder.path().join("run.toml"), format!("{head}{short}")).expect("writable");
    let output = vitrion(folder.path(), &["run", "run.toml", "--out", "short", "--quiet"]);
    assert!(stderr(&output).contains("not converged after 2 steps"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_input_that_is_gone_is_named_and_the_results_wait_for_it() {
    let folder = workplace("good/long.toml");
    let whole = uninterrupted(folder.path());
    let mut child = begin(folder.path(), &["run", "run.toml", "--out", "waiting", "--quiet"]);
    std::thread::sleep(Duration::from_millis(300));
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let (here, away) = (folder.path().join("argon.extxyz"), folder.path().join("away"));
    fs::rename(&here, &away).expect("movable");
    let output = vitrion(folder.path(), &["run", "run.toml", "--out", "waiting", "--quiet"]);
    let message = stderr(&output);
    assert!(message.contains("argon.extxyz: cannot open"), "{message}");
    assert_eq!(output.status.code(), Some(1));
    // a file of the same name that is another is noticed as well
    let text = fs::read_to_string(&away).expect("readable");
    fs::write(&here, text.replacen("Ar 0", "Ar 0.1", 1)).expect("writable");
    let output = vitrion(folder.path(), &["run", "run.toml", "--out", "waiting", "--quiet"]);
    let message = stderr(&output);
    assert!(message.contains("results folder of another run"), "{message}");
    fs::rename(&away, &here).expect("movable");
    assert_finishes_alike(folder.path(), "waiting", &whole);
}
