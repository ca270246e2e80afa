//! Less common forms of the formats, written by ASE or after the documentation of LAMMPS.

mod json;

use json::vectors;
use serde_json::Value;
use std::path::{Path, PathBuf};
use vitrion_core::Frame;
use vitrion_core::io::{LammpsUnits, ReadOptions, read_all};
use vitrion_core::math::{self, Vector3};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dialects")
}

fn is_a(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == extension)
}

/// ASE writes 8 decimals in extended XYZ, 16 digits elsewhere but fewer in POSCAR.
fn tolerance(name: &str) -> f64 {
    if is_a(name, "dump") { 1e-12 } else { 2e-7 }
}

fn read(name: &str) -> Vec<Frame> {
    let units = if name == "ase-full.data" { LammpsUnits::Real } else { LammpsUnits::Metal };
    let map = is_a(name, "data").then(|| ["Li", "P", "S"].map(str::to_owned).to_vec());
    let options = ReadOptions { lammps_units: units, type_map: map, ..ReadOptions::default() };
    read_all(&folder().join(name), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn assert_close(found: &[Vector3], expected: &[Vector3], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = math::norm(math::sub(*a, *b));
        assert!(difference < tolerance, "{what} {index}: {a:?} is not {b:?}");
    }
}

#[test]
fn dialects_are_read_as_ase_reads_them() {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("fixtures");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    for (name, entries) in expected.as_object().expect("files by name") {
        let frames = read(name);
        let entries = entries.as_array().expect("frames");
        assert_eq!(frames.len(), entries.len(), "{name}");
        let tolerance = tolerance(name);
        for (frame, entry) in frames.iter().zip(entries) {
            let cell = vectors(&entry["cell"]);
            assert_close(frame.structure.cell.matrix(), &cell, tolerance, &format!("{name} cell"));
            let symbols: Vec<&str> = entry["symbols"]
                .as_array()
                .expect("list")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let mut positions = vectors(&entry["positions"]);
            if let Some(origin) = entry.get("origin") {
                let origin: Vector3 = vectors(origin)[0];
                for r in &mut positions {
                    *r = math::sub(*r, origin);
                }
            }
            let found: Vec<&str> =
                (0..frame.structure.len()).map(|i| frame.structure.symbol(i)).collect();
            assert_eq!(found, symbols, "{name}");
            assert_close(&frame.structure.positions, &positions, tolerance, name);
            if !is_a(name, "data") && !name.contains("dump") {
                let periodic: Vec<bool> = entry["pbc"]
                    .as_array()
                    .expect("list")
                    .iter()
                    .filter_map(Value::as_bool)
                    .collect();
                assert_eq!(frame.structure.cell.periodicity().to_vec(), periodic, "{name}");
            }
            if let Some(velocities) = entry.get("velocities") {
                let found = frame.velocities.as_ref().expect("velocities");
                assert_close(found, &vectors(velocities), tolerance, &format!("{name} velocity"));
            }
            if let Some(energy) = entry.get("energy").and_then(Value::as_f64) {
                let found = frame.labels.energy.expect("an energy");
                assert!((found - energy).abs() < tolerance, "{name}: {found} is not {energy}");
                let forces = frame.labels.forces.as_ref().expect("forces");
                assert_close(forces, &vectors(&entry["forces"]), tolerance, name);
                // ASE writes the stress with 16 digits; the volume scales its rounding
                let virial = frame.labels.virial.as_ref().expect("a virial");
                assert_close(virial, &vectors(&entry["virial"]), 1e-6, &format!("{name} virial"));
            }
            if let Some(step) = entry.get("step").and_then(Value::as_u64) {
                assert_eq!(frame.step, Some(step), "{name}");
            }
        }
    }
}
