#![allow(clippy::float_cmp)] // exactness is what these tests ask for

use super::*;
use crate::io::{self, CreateOptions, ReadOptions};
use crate::testing::systems;
use crate::trajectory::FrameSink;

fn labelled(seed: u64) -> Frame {
    let cell = systems::random_cell(seed, 5.0, 8.0);
    let structure = systems::random_structure(3, &["Li", "S"], 5, cell, 1.0);
    Frame {
        labels: Labels {
            energy: Some(-10.25 - seed as f64),
            forces: Some(structure.positions.iter().map(|r| r.map(|x| 0.1 - x)).collect()),
            virial: Some([[1.0, 0.5, 0.0], [0.5, 2.0, 0.25], [0.0, 0.25, seed as f64]]),
            atom_energies: Some(vec![-2.05; 5]),
        },
        ..structure.into()
    }
}

fn system(frames: &[Frame]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("system");
    let mut sink = Writer::create(&path, &CreateOptions::default(), false).expect("a new folder");
    for frame in frames {
        sink.write(frame).expect("same atoms");
    }
    Box::new(sink).finish().expect("written");
    (folder, path)
}

fn rewrite(path: &Path, shape: &[u64], data: &[f32]) {
    use npyz::WriterBuilder;
    let file = std::fs::File::create(path).expect("writable");
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(file)
        .begin_nd()
        .expect("a header");
    writer.extend(data.iter().copied()).expect("numbers");
    writer.finish().expect("complete");
}

#[test]
fn labelled_frames_survive_the_round_trip_exactly() {
    let frames: Vec<Frame> = (0..3).map(labelled).collect();
    let (_folder, path) = system(&frames);
    let back = io::read_all(&path, &ReadOptions::default()).expect("readable");
    assert_eq!(back, frames);
    let error = io::create(
        &path,
        &CreateOptions { format: Some(io::Format::DeepmdNpy), ..CreateOptions::default() },
    );
    assert!(error.err().expect("exists").to_string().contains("not overwritten"));
}

#[test]
fn single_precision_several_sets_and_flat_or_column_energies_are_read() {
    let (_folder, path) = system(&[labelled(0), labelled(1)]);
    let second = path.join("set.001");
    std::fs::create_dir(&second).expect("a folder");
    let coord: Vec<f32> = (0..15).map(|k| k as f32 * 0.5).collect();
    rewrite(&second.join("coord.npy"), &[1, 15], &coord);
    rewrite(&second.join("box.npy"), &[1, 9], &[9.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0]);
    rewrite(&second.join("energy.npy"), &[1, 1], &[-3.5]);
    let frames = io::read_all(&path, &ReadOptions::default()).expect("readable");
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[2].labels.energy, Some(-3.5));
    assert_eq!(frames[2].labels.forces, None);
    assert_eq!(frames[2].structure.positions[4], [6.0, 6.5, 7.0]);
}

#[test]
fn the_mixed_layout_drops_atoms_that_are_not_there() {
    let (_folder, path) = system(&[labelled(0), labelled(1)]);
    let types = [0.0, 1.0, 1.0, -1.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0];
    rewrite(&path.join("set.000/real_atom_types.npy"), &[2, 5], &types);
    let frames = io::read_all(&path, &ReadOptions::default()).expect("readable");
    assert_eq!(frames[0].structure.formula(), "LiS2");
    assert_eq!(frames[1].structure.formula(), "Li3S");
    assert_eq!(frames[1].labels.forces.as_ref().map(Vec::len), Some(4));
}

#[test]
fn frames_of_any_atoms_survive_the_mixed_layout_and_single_precision_is_close() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cell = Cell::orthorhombic([9.0; 3]).expect("a box");
    let other = systems::random_structure(1, &["P", "Li"], 3, cell, 1.0);
    let mut other = Frame::from(other);
    other.labels = Labels {
        energy: Some(-1.5),
        forces: Some(vec![[0.25; 3]; 3]),
        virial: Some([[1.0; 3]; 3]),
        atom_energies: Some(vec![-0.5; 3]),
    };
    let frames = [labelled(1), other];
    for single_precision in [false, true] {
        let path = folder.path().join(format!("mixed-{single_precision}"));
        let format = Some(io::Format::DeepmdMixed);
        let options = CreateOptions { format, single_precision, ..CreateOptions::default() };
        let mut sink = io::create(&path, &options).expect("a new folder");
        for frame in &frames {
            sink.write(frame).expect("any atoms");
        }
        sink.finish().expect("written");
        let back = io::read_all(&path, &ReadOptions::default()).expect("readable");
        for (a, b) in back.iter().zip(&frames) {
            let symbols = |f: &Frame| -> Vec<String> {
                (0..f.structure.len()).map(|i| f.structure.symbol(i).to_owned()).collect()
            };
            assert_eq!(symbols(a), symbols(b));
            let tolerance = if single_precision { 1e-6 } else { 0.0 };
            for (x, y) in a.structure.positions.iter().zip(&b.structure.positions) {
                for k in 0..3 {
                    assert!((x[k] - y[k]).abs() <= tolerance * y[k].abs().max(1.0));
                }
            }
            assert_eq!(a.labels.atom_energies.as_ref().map(Vec::len), Some(b.structure.len()));
        }
    }
}

#[test]
fn malformed_systems_are_refused_with_the_place() {
    type Damage = fn(&Path);
    let cases: [(Damage, &str); 8] = [
        (|p| std::fs::remove_file(p.join("type_map.raw")).expect("gone"), "--type-map Li,P,S"),
        (
            |p| std::fs::write(p.join("type.raw"), "0\n7\n0\n1\n0\n").expect("written"),
            "type.raw:2: expected a type from 0 to 1 (Li, S), found \"7\"",
        ),
        (
            |p| std::fs::write(p.join("type_map.raw"), "Li\nSulphur\n").expect("written"),
            "\"Sulphur\" is not a chemical element",
        ),
        (
            |p| std::fs::remove_dir_all(p.join("set.000")).expect("gone"),
            "the system holds no set.000",
        ),
        (
            |p| rewrite(&p.join("set.000/force.npy"), &[2, 12], &[0.0; 24]),
            "force.npy: the array has shape [2, 12], expected [2, 15]",
        ),
        (
            |p| rewrite(&p.join("set.000/energy.npy"), &[2], &[1.0, f32::NAN]),
            "energy.npy: frame 1, column 0: NaN is not finite",
        ),
        (
            |p| rewrite(&p.join("set.000/box.npy"), &[2, 9], &[1.0; 18]),
            "frame 0: the cell is singular",
        ),
        (
            |p| std::fs::write(p.join("set.000/coord.npy"), "not an array").expect("written"),
            "coord.npy: not a readable .npy array",
        ),
    ];
    for (damage, expected) in cases {
        let (_folder, path) = system(&[labelled(0), labelled(1)]);
        damage(&path);
        let error = io::read_all(
            &path,
            &ReadOptions { format: Some(io::Format::DeepmdNpy), ..Default::default() },
        );
        let message = error.expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn frames_of_other_atoms_do_not_fit_into_one_system() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sink = Writer::create(&folder.path().join("new"), &CreateOptions::default(), false)
        .expect("a new folder");
    sink.write(&labelled(0)).expect("the first");
    let cell = Cell::orthorhombic([9.0; 3]).expect("a box");
    let other = systems::random_structure(1, &["P"], 3, cell, 1.0);
    let error = sink.write(&other.into()).expect_err("other atoms").to_string();
    assert!(error.contains("frame 1 is P3 (3 atoms), the first frame is Li3S2"), "{error}");
}

#[test]
fn the_shared_data_set_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lips-dft");
    if !root.is_dir() {
        println!("SKIPPED: shared data absent");
        return;
    }
    let frames =
        io::read_all(&root.join("beta-Li3PS4"), &ReadOptions::default()).expect("readable");
    assert_eq!(frames.len(), 900);
    assert_eq!(frames[0].structure.formula(), "Li24P8S32");
    // positive on average at 3000 K in a fixed cell: W > 0 points outwards
    let trace = |f: &Frame| f.labels.virial.map(|w| crate::math::trace(&w)).expect("labelled");
    assert!(frames.iter().map(trace).sum::<f64>() > 0.0);
}
