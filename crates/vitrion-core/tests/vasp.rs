//! Frames of OUTCAR and vasprun.xml as ASE, dpdata and pymatgen read them.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use vitrion_core::frame::Frame;
use vitrion_core::io::{ReadOptions, read_all};
use vitrion_core::math::{self, Matrix3, Vector3};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vasp")
}

fn read(path: &Path) -> Vec<Frame> {
    read_all(path, &ReadOptions::default()).expect("readable")
}

fn vectors(value: &Value) -> Vec<Vector3> {
    serde_json::from_value(value.clone()).expect("vectors")
}

fn matrix(value: &Value) -> Matrix3 {
    serde_json::from_value(value.clone()).expect("a matrix")
}

fn largest_difference(a: &[Vector3], b: &[Vector3]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| math::norm(math::sub(*a, *b))).fold(0.0, f64::max)
}

/// The texts are the same; only the last bits of sums and of products may differ.
const ROUNDING: f64 = 1e-12;
/// The work of PSTRESS has ten digits in the file.
const ENERGY: f64 = 1e-9;
/// VASP turns eV into kB by the electronvolt of 1986; ASE and dpdata turn it back by newer ones, 4.4e-7 less.
const UNITS: f64 = 6e-7;

#[test]
fn frames_are_those_that_other_programs_read() {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("the table");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let files = table["files"].as_object().expect("files by name");
    assert_eq!(files.len(), 5);
    for (file, expected) in files {
        let frames = read(&folder().join(file));
        let expected = expected["frames"].as_array().expect("a list");
        assert_eq!(frames.len(), expected.len(), "{file}");
        for (frame, expected) in frames.iter().zip(expected) {
            let place = format!("{file}, step {:?}", frame.step);
            assert_eq!(frame.step, expected["step"].as_u64(), "{place}");
            let structure = &frame.structure;
            let symbols: Vec<&str> = (0..structure.len()).map(|i| structure.symbol(i)).collect();
            let named: Vec<String> =
                serde_json::from_value(expected["symbols"].clone()).expect("symbols");
            assert_eq!(symbols, named, "{place}");
            let cell = largest_difference(structure.cell.matrix(), &vectors(&expected["cell"]));
            assert!(cell < ROUNDING, "{place}: cell differs by {cell}");
            let positions =
                largest_difference(&structure.positions, &vectors(&expected["positions"]));
            assert!(positions < ROUNDING, "{place}: positions differ by {positions}");
            let labels = &frame.labels;
            let forces = labels.forces.as_deref().expect("forces");
            let forces = largest_difference(forces, &vectors(&expected["forces"]));
            assert!(forces < ROUNDING, "{place}: forces differ by {forces}");
            let energy = labels.energy.expect("an energy");
            let reference = expected["energy"].as_f64().expect("an energy");
            assert!((energy - reference).abs() < ENERGY, "{place}: {energy} is not {reference}");
            let virial = labels.virial.expect("a virial");
            let reference = matrix(&expected["virial"]);
            let difference = largest_difference(&virial, &reference);
            let size = math::norm(reference.map(math::norm));
            assert!(difference < UNITS * size, "{place}: {virial:?} is not {reference:?}");
        }
    }
}

#[test]
fn both_files_of_a_run_hold_the_same_labels() {
    for run in ["relax", "npt"] {
        let text = read(&folder().join(format!("{run}.OUTCAR")));
        let xml = read(&folder().join(format!("{run}.vasprun.xml")));
        assert_eq!(text.len(), xml.len());
        for (a, b) in text.iter().zip(&xml) {
            // an OUTCAR has five decimals of positions, six of forces, five of the pressure in kB
            let structures = (&a.structure.positions, &b.structure.positions);
            assert!(largest_difference(structures.0, structures.1) < 1e-5, "{run}");
            let forces = (&a.labels.forces, &b.labels.forces);
            let (Some(fa), Some(fb)) = forces else { panic!("{run}: no forces") };
            assert!(largest_difference(fa, fb) < 1e-6, "{run}");
            let (Some(ea), Some(eb)) = (a.labels.energy, b.labels.energy) else {
                panic!("{run}: no energy")
            };
            assert!((ea - eb).abs() < 2e-8, "{run}: {ea} and {eb}");
            let (Some(wa), Some(wb)) = (a.labels.virial, b.labels.virial) else {
                panic!("{run}: no virial")
            };
            assert!(largest_difference(&wa, &wb) < 2e-6, "{run}: {wa:?} and {wb:?}");
        }
    }
}

#[test]
fn compressed_files_are_read_alike() {
    let temporary = tempfile::tempdir().expect("a folder");
    for name in ["relax.OUTCAR", "npt.vasprun.xml"] {
        let plain = folder().join(name);
        let bytes = std::fs::read(&plain).expect("readable");
        let gz = temporary.path().join(format!("{name}.gz"));
        let file = std::fs::File::create(&gz).expect("created");
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packer.write_all(&bytes).expect("written");
        packer.finish().expect("finished");
        let zst = temporary.path().join(format!("{name}.zst"));
        let file = std::fs::File::create(&zst).expect("created");
        zstd::stream::copy_encode(&bytes[..], file, 3).expect("written");
        let frames = read(&plain);
        assert_eq!(read(&gz), frames, "{name}");
        assert_eq!(read(&zst), frames, "{name}");
        let packed = std::fs::read(&gz).expect("readable");
        std::fs::write(&gz, &packed[..packed.len() / 2]).expect("cut");
        let error = read_all(&gz, &ReadOptions::default()).expect_err("half of it").to_string();
        assert!(error.contains("in the middle of a compressed block"), "{error}");
    }
}

#[test]
fn unnamed_files_are_known_by_their_content() {
    let temporary = tempfile::tempdir().expect("a folder");
    for name in ["npt.OUTCAR", "npt.vasprun.xml"] {
        let unnamed = temporary.path().join(format!("run-{}", name.len()));
        std::fs::copy(folder().join(name), &unnamed).expect("copied");
        assert_eq!(read(&unnamed), read(&folder().join(name)));
    }
}
