use super::*;
use crate::io::{self, CreateOptions, ReadOptions};
use crate::testing::systems;

fn labelled(seed: u64) -> Frame {
    let cell = systems::random_cell(seed, 5.0, 9.0);
    let mut structure = systems::random_structure(seed, &["Li", "P", "S"], 9, cell, 1.0);
    let phases: Vec<&str> =
        (0..9).map(|i| if i % 4 == 0 { "glass" } else { "crystal-1" }).collect();
    structure.phases = Some(Phases::new(&phases).expect("plain names").into());
    let vector = |k: f64| move |i: usize| [k * i as f64, -1.0 / (i as f64 + 3.0), 1e-17 * k];
    Frame {
        step: Some(1200),
        time: Some(600.1),
        velocities: Some((0..9).map(vector(0.003)).collect()),
        labels: Labels {
            energy: Some(-1_234.567_890_123_456_7),
            forces: Some((0..9).map(vector(1.7)).collect()),
            virial: Some([[1.0, 0.2, -0.3], [0.2, 2.0, 0.1], [-0.3, 0.1, 1.0 / 3.0]]),
            atom_energies: Some((0..9).map(|i| -137.1 / (f64::from(i) + 1.0)).collect()),
        },
        structure,
    }
}

#[test]
fn frames_survive_the_round_trip_exactly_packed_or_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["a.extxyz", "a.extxyz.gz", "a.extxyz.zst"] {
        let path = folder.path().join(name);
        let frames = [labelled(1), labelled(2)];
        let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
        for frame in &frames {
            sink.write(frame).expect("written");
        }
        sink.finish().expect("finished");
        let back = io::read_all(&path, &ReadOptions::default()).expect("readable");
        assert_eq!(back, frames, "{name}");
    }
}

#[test]
fn stress_of_ase_becomes_a_virial_with_the_opposite_sign() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ase.xyz");
    let text = "1\nLattice=\"2 0 0 0 2 0 0 0 2\" Properties=species:S:1:pos:R:3:momenta:R:3 \
                stress=\"0.1 0.2 0.3 0.4 0.5 0.6\" config_type=bulk ok comment=\"a \\\"b\\\" c\"\n\
                Li 0.0 0.0 0.0 1.0 0.0 0.0\n";
    std::fs::write(&path, text).expect("written");
    let frame = io::read_first(&path, &ReadOptions::default()).expect("readable");
    let virial = frame.labels.virial.expect("from stress");
    for (value, expected) in [(virial[0][0], -0.8), (virial[1][2], -3.2), (virial[0][1], -4.8)] {
        assert!((value - expected).abs() < 1e-12);
    }
    // ASE: v [Å/(Å √(amu/eV))] = p/m, and one such unit is 0.0982269 Å/fs
    let velocity = frame.velocities.expect("from momenta")[0][0];
    assert!((velocity - 0.098_226_9 / 6.94).abs() < 1e-6, "{velocity}");
}

#[test]
fn a_truncated_pack_names_the_last_line_that_was_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cut.extxyz.zst");
    let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
    for seed in 0..40 {
        sink.write(&labelled(seed)).expect("written");
    }
    sink.finish().expect("finished");
    let bytes = std::fs::read(&path).expect("readable");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let error = io::read_all(&path, &ReadOptions::default()).expect_err("cut off");
    assert!(error.to_string().contains("cut off; everything up to this line is intact"), "{error}");
}

#[test]
fn existing_files_are_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("here.extxyz");
    std::fs::write(&path, "precious").expect("written");
    let error = io::create(&path, &CreateOptions::default()).err().expect("refused");
    assert!(error.to_string().contains("the file exists and is not overwritten"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), "precious");
}

/// A file by ASE; see the README beside it.
#[test]
fn labels_and_velocities_of_ase_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/extxyz");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("a fixture");
    let json: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let frames = io::read_all(&folder.join("ase.extxyz"), &ReadOptions::default());
    let frames = frames.expect("readable");
    let expected = json["frames"].as_array().expect("frames");
    assert_eq!(frames.len(), expected.len());
    for (frame, expected) in frames.iter().zip(expected) {
        let rows = |key: &str| -> Vec<Vector3> {
            serde_json::from_value(expected[key].clone()).expect("rows of three")
        };
        let close = |ours: &[Vector3], key: &str, tolerance: f64| {
            for (a, b) in ours.iter().zip(rows(key)) {
                assert!(math::norm(math::sub(*a, b)) < tolerance, "{key}: {a:?} is not {b:?}");
            }
        };
        close(&frame.structure.positions, "positions", 1e-7);
        close(frame.structure.cell.matrix(), "cell", 1e-7);
        close(frame.labels.forces.as_ref().expect("labelled"), "forces", 1e-7);
        close(frame.labels.virial.as_ref().expect("labelled"), "virial", 1e-5);
        // ASE 3.29 uses CODATA 2014, we use 2022: 1e-8 relative
        close(frame.velocities.as_ref().expect("momenta"), "velocities_a_per_fs", 1e-8);
        let energy = expected["energy"].as_f64().expect("a number");
        assert!((frame.labels.energy.expect("labelled") - energy).abs() < 1e-9);
        let pbc: [bool; 3] = serde_json::from_value(expected["pbc"].clone()).expect("flags");
        assert_eq!(frame.structure.cell.periodicity(), pbc);
    }
}
