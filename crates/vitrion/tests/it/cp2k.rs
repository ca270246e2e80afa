//! Real CP2K, where it is installed: labels, their derivatives, failures, dynamics.

use super::{stderr, stdout, vitrion};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use vitrion_core::math::{self, Matrix3};
use vitrion_core::{Cell, Frame, Structure, io};

#[expect(clippy::print_stdout, reason = "skips are counted")]
fn installed() -> bool {
    let found = Command::new("cp2k.psmp").arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: no cp2k.psmp");
    }
    found
}

const ENGINE: &str = "kind = \"cp2k\"\ncutoff_ry = 150\nrel_cutoff_ry = 40\nbasis = { H = \"SZV-MOLOPT-SR-GTH\", S = \
                      \"SZV-MOLOPT-SR-GTH\" }\neps_default = 1e-10\n";

fn label_file(engine: &str, tables: &str) -> String {
    format!(
        "format = 1\nname = \"h2s\"\n[engine]\n{ENGINE}{engine}\n[scheduler]\ncores = 2\n{tables}\n"
    )
}

/// H2S in a triclinic cell, strained and with one atom moved.
fn h2s(strain: &Matrix3, moved: f64) -> Structure {
    let deform = |r: [f64; 3]| math::add(r, math::row_times(r, strain));
    let matrix = [[4.6, 0.0, 0.0], [0.3, 4.4, 0.0], [-0.2, 0.4, 4.5]].map(deform);
    let mut positions =
        [[0.10, 0.05, -0.03], [1.02, 0.93, 0.11], [-0.85, 1.01, -0.20]].map(deform).to_vec();
    positions[1][0] += moved;
    let cell = Cell::periodic(matrix).expect("a cell");
    Structure::new(cell, &["S", "H", "H"], positions).expect("elements")
}

fn write(path: &Path, structures: &[Structure]) {
    let mut out = Vec::new();
    for structure in structures {
        io::extxyz::write_frame(&mut out, &Frame::from(structure.clone())).expect("memory");
    }
    fs::write(path, out).expect("written");
}

fn records(folder: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("h2s/labels/labels.jsonl")).expect("a store");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["record"].take())
        .filter(|record| record["kind"] == kind)
        .collect()
}

#[test]
fn energies_forces_and_virials_of_real_labels_fit_together() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (h, dx) = (1e-3, 0.01);
    let zero = math::ZERO;
    let strained = |a: usize, b: usize, e: f64| {
        let mut strain = math::ZERO;
        // half of it on each side of the diagonal: dE/dε of a symmetric strain
        strain[a][b] += 0.5 * e;
        strain[b][a] += 0.5 * e;
        h2s(&strain, 0.0)
    };
    let components = [(0, 0), (2, 2), (1, 2), (0, 1)];
    let mut structures = vec![h2s(&zero, 0.0), h2s(&zero, dx), h2s(&zero, -dx)];
    for (a, b) in components {
        structures.extend([strained(a, b, h), strained(a, b, -h)]);
    }
    write(&folder.path().join("frames.extxyz"), &structures);
    let engine = "minimizer = \"diagonalization\"\neps_scf = 1e-8";
    let text = label_file(engine, "[[frames]]\npath = \"frames.extxyz\"");
    fs::write(folder.path().join("label.toml"), text).expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = records(folder.path(), "label");
    let energy = |structure: &Structure| {
        let found = records.iter().find(|r| {
            let positions: Vec<[f64; 3]> =
                serde_json::from_value(r["positions"].clone()).expect("positions");
            let cell: Matrix3 = serde_json::from_value(r["cell"].clone()).expect("a cell");
            positions == structure.positions && cell == *structure.cell.matrix()
        });
        found.expect("every structure is labelled")
    };
    let number = |record: &Value| record["energy"].as_f64().expect("an energy");
    let plain = energy(&structures[0]);
    let virial: Matrix3 = serde_json::from_value(plain["virial"].clone()).expect("a virial");
    let largest = virial.as_flattened().iter().fold(0.0_f64, |m, w| m.max(w.abs()));
    for (k, (a, b)) in components.into_iter().enumerate() {
        let (up, down) = (&structures[3 + 2 * k], &structures[4 + 2 * k]);
        let slope = -(number(energy(up)) - number(energy(down))) / (2.0 * h);
        let difference = (slope - virial[a][b]).abs();
        assert!(
            difference < 0.01 * largest,
            "W[{a}][{b}] is {}, −dE/dε is {slope} eV (largest {largest})",
            virial[a][b]
        );
    }
    let forces: Vec<[f64; 3]> = serde_json::from_value(plain["forces"].clone()).expect("forces");
    let slope = -(number(energy(&structures[1])) - number(energy(&structures[2]))) / (2.0 * dx);
    assert!((slope - forces[1][0]).abs() < 0.05, "F is {}, −dE/dx is {slope}", forces[1][0]);
    assert!(plain["run"]["program"].as_str().is_some_and(|p| p.starts_with("CP2K ")));
    assert!(plain["run"]["scf_cycles"].as_u64().is_some_and(|n| n > 3));
}

#[test]
fn what_does_not_converge_climbs_the_ladder_and_is_never_a_label() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("frames.extxyz"), &[h2s(&math::ZERO, 0.0)]);
    let frames = "[[frames]]\npath = \"frames.extxyz\"";
    // too few cycles for the first rung
    let impatient = "max_scf = 2\nmax_outer = 1";
    let only = format!("{impatient}\nretry = false");
    fs::write(folder.path().join("label.toml"), label_file(&only, frames)).expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(records(folder.path(), "label").is_empty());
    let failures = records(folder.path(), "failure");
    assert_eq!(failures[0]["reason"], "unconverged", "{failures:?}");
    let exported = vitrion(folder.path(), &["label", "label.toml", "--export", "out.extxyz"]);
    assert_eq!(exported.status.code(), Some(1), "{}", stdout(&exported));
    // the same level: the failed geometry is tried again, and the second rung gets there
    fs::write(folder.path().join("label.toml"), label_file(impatient, frames)).expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let labels = records(folder.path(), "label");
    assert_eq!(labels[0]["run"]["attempts"], 2, "{labels:?}");
    assert_eq!(labels[0]["run"]["method"], "OT CG");
    // time
    fs::write(
        folder.path().join("label.toml"),
        label_file("timeout = \"1 s\"\ncutoff_ry = 600", frames).replace("cutoff_ry = 150\n", ""),
    )
    .expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet", "--out", "slow"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stdout(&output).contains("timed out"), "{}", stdout(&output));
}

#[test]
fn dynamics_by_cp2k_fills_the_store_and_goes_on_after_a_kill() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("h2s.extxyz"), &[h2s(&math::ZERO, 0.0)]);
    let aimd = "[[aimd]]\nstructure = \"h2s.extxyz\"\ntemperature = \"3000 K\"\nduration = \"4 fs\"\nevery = \"1 fs\"";
    let text = label_file("minimizer = \"diagonalization\"\nstress = true", aimd);
    fs::write(folder.path().join("label.toml"), text).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["label", "label.toml", "--quiet"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program is built before its tests");
    // a stop in the middle: CP2K is told to end, its last restart file is where the next part begins
    std::thread::sleep(std::time::Duration::from_secs(4));
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    child.wait().expect("it ended");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let labels = records(folder.path(), "label");
    assert_eq!(labels.len(), 5, "steps 0, 2, 4, 6, 8: each once");
    assert!(labels.iter().all(|r| r["origin"]["how"] == "aimd" && !r["virial"].is_null()));
}
