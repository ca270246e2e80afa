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

fn rewrite<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], data: &[T]) {
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
}

#[test]
fn single_precision_several_sets_and_flat_or_column_energies_are_read() {
    let (_folder, path) = system(&[labelled(0), labelled(1)]);
    let second = path.join("set.001");
    std::fs::create_dir(&second).expect("a folder");
    let coord: Vec<f32> = (0..15).map(|k| k as f32 * 0.5).collect();
    rewrite(&second.join("coord.npy"), &[1, 15], &coord);
    let cell = [9.0_f32, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0];
    rewrite(&second.join("box.npy"), &[1, 9], &cell);
    rewrite(&second.join("energy.npy"), &[1, 1], &[-3.5_f32]);
    let frames = io::read_all(&path, &ReadOptions::default()).expect("readable");
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[2].labels.energy, Some(-3.5));
    assert_eq!(frames[2].labels.forces, None);
    assert_eq!(frames[2].structure.positions[4], [6.0, 6.5, 7.0]);
}

#[test]
fn the_mixed_layout_drops_atoms_that_are_not_there() {
    let (_folder, path) = system(&[labelled(0), labelled(1)]);
    let types = [0, 1, 1, -1, -1, 1, 0, 0, 0, -1];
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
fn isolated_molecules_keep_their_box_or_get_one() {
    let isolate = |mut frame: Frame| {
        let matrix = *frame.structure.cell.matrix();
        frame.structure.cell = Cell::new(matrix, [false; 3]).expect("a cell");
        frame
    };
    let frames = [isolate(labelled(0)), isolate(labelled(1))];
    let (_folder, path) = system(&frames);
    assert_eq!(io::read_all(&path, &ReadOptions::default()).expect("readable"), frames);
    rewrite(&path.join("set.000/box.npy"), &[2, 9], &[0.0; 18]);
    let boxless = io::read_all(&path, &ReadOptions::default()).expect("readable");
    std::fs::remove_file(path.join("set.000/box.npy")).expect("gone");
    assert_eq!(io::read_all(&path, &ReadOptions::default()).expect("readable"), boxless);
    assert_eq!(boxless[0].structure.positions, frames[0].structure.positions);
    assert_eq!(boxless[0].structure.cell.periodicity(), [false; 3]);
}

#[test]
fn sets_follow_their_numbers_and_a_type_map_stands_in_for_a_missing_one() {
    let (_folder, path) = system(&[labelled(0)]);
    for (name, energy) in [("set.1000", 3.0), ("set.999", 2.0)] {
        let set = path.join(name);
        std::fs::create_dir(&set).expect("a folder");
        for array in ["coord.npy", "box.npy"] {
            std::fs::copy(path.join("set.000").join(array), set.join(array)).expect("copied");
        }
        rewrite(&set.join("energy.npy"), &[1], &[energy]);
    }
    std::fs::remove_file(path.join("type_map.raw")).expect("gone");
    let type_map = Some(vec!["P".to_owned(), "Na".to_owned()]);
    let options = ReadOptions { type_map, ..Default::default() };
    let frames = io::read_all(&path, &options).expect("readable");
    let energies: Vec<_> = frames.iter().map(|f| f.labels.energy).collect();
    assert_eq!(energies, [Some(-10.25), Some(2.0), Some(3.0)]);
    assert_eq!(frames[0].structure.formula(), "P3Na2");
}

type Damage = fn(&Path);

fn assert_refused(cases: &[(Damage, &str)]) {
    for (damage, expected) in cases {
        let (_folder, path) = system(&[labelled(0), labelled(1)]);
        damage(&path);
        let format = Some(io::Format::DeepmdNpy);
        let error = io::read_all(&path, &ReadOptions { format, ..Default::default() });
        let message = error.expect_err(expected).to_string();
        assert!(message.contains(expected), "expected {expected:?} in {message:?}");
    }
}

#[test]
fn malformed_systems_are_refused_with_the_place() {
    assert_refused(&[
        (|p| std::fs::remove_file(p.join("type_map.raw")).expect("gone"), "--type-map Li,P,S"),
        (|p| std::fs::write(p.join("type_map.raw"), "\n").expect("written"), "no element is named"),
        (
            |p| std::fs::write(p.join("type_map.raw"), "Li\nSulphur\n").expect("written"),
            "type_map.raw: \"Sulphur\" is not a chemical element",
        ),
        (
            |p| std::fs::write(p.join("type.raw"), "0 1\n0 7 0\n").expect("written"),
            "type.raw:2: expected a type from 0 to 1 (Li, S), found \"7\"",
        ),
        (
            |p| std::fs::write(p.join("type.raw"), "0\n-1\n").expect("written"),
            "type.raw:2: expected a type from 0 to 1 (Li, S), found \"-1\"",
        ),
        (|p| std::fs::write(p.join("type.raw"), "").expect("written"), "no atom types"),
        (
            |p| std::fs::remove_dir_all(p.join("set.000")).expect("gone"),
            "the system holds no set.000",
        ),
        (
            |p| std::fs::create_dir(p.join("set.old")).expect("made"),
            "set.old: sets are numbered: set.000, set.001, …",
        ),
        (
            |p| std::fs::remove_file(p.join("set.000/box.npy")).expect("gone"),
            "set.000: no box.npy; hint: a system without periodic boundaries",
        ),
    ]);
}

#[test]
fn malformed_arrays_are_refused_with_file_frame_and_atom() {
    assert_refused(&[
        (
            |p| rewrite(&p.join("set.000/force.npy"), &[2, 12], &[0.0; 24]),
            "force.npy: the array has shape (2, 12), expected (2, 15); hint: rows are the frames",
        ),
        (
            |p| rewrite(&p.join("set.000/coord.npy"), &[15], &[0.0; 15]),
            "coord.npy: the array has shape (15), expected (frames, 15)",
        ),
        (
            |p| rewrite(&p.join("set.000/energy.npy"), &[3], &[0.0; 3]),
            "energy.npy: the array has shape (3), expected (2,) or (2, 1)",
        ),
        (
            |p| rewrite(&p.join("set.000/energy.npy"), &[], &[f64::NAN]),
            "energy.npy: the array has shape (), expected (2,) or (2, 1)",
        ),
        (
            |p| rewrite(&p.join("set.000/energy.npy"), &[2], &[1.0, f64::NAN]),
            "energy.npy: frame 1: NaN is not finite",
        ),
        (
            |p| {
                let mut force = [0.0_f32; 30];
                force[15 + 11] = f32::NEG_INFINITY;
                rewrite(&p.join("set.000/force.npy"), &[2, 15], &force);
            },
            "force.npy: frame 1, atom 3: -inf is not finite",
        ),
        (
            |p| rewrite(&p.join("set.000/box.npy"), &[2, 9], &[1.0; 18]),
            "set.000/box.npy: frame 0: the cell is singular",
        ),
        (
            |p| rewrite(&p.join("set.000/coord.npy"), &[2, 15], &[1_i64; 30]),
            "coord.npy: the array holds i8, expected f4 or f8 numbers; hint: save it again",
        ),
        (
            |p| std::fs::write(p.join("set.000/coord.npy"), "not an array").expect("written"),
            "coord.npy: not a readable .npy array",
        ),
        (
            |p| {
                let path = p.join("set.000/virial.npy");
                let bytes = std::fs::read(&path).expect("written above");
                std::fs::write(&path, &bytes[..bytes.len() - 5]).expect("written");
            },
            "virial.npy: the header announces 144 bytes of data, the file holds 139; hint: was the",
        ),
        (
            |p| {
                let path = p.join("set.000/coord.npy");
                let bytes = std::fs::read(&path).expect("written above");
                let shape = b"(2, 15, ), }      ";
                let at = bytes.windows(shape.len()).position(|w| w == shape).expect("a header");
                let mut bytes = bytes;
                bytes[at..at + shape.len()].copy_from_slice(b"(99999999999,15,)}");
                std::fs::write(&path, bytes).expect("written");
            },
            "coord.npy: the header announces 11999999999880 bytes of data, the file holds 240",
        ),
        (
            |p| {
                let types = [0, 1, 0, 2, 0, 0, 0, 0, 0, -1];
                rewrite(&p.join("set.000/real_atom_types.npy"), &[2, 5], &types);
            },
            "real_atom_types.npy: frame 0, atom 3: expected a type from 0 to 1 (Li, S) or -1, found 2",
        ),
        (
            |p| rewrite(&p.join("set.000/real_atom_types.npy"), &[2, 5], &[0.0; 10]),
            "real_atom_types.npy: the array holds f8, expected i4 or i8 integers",
        ),
        (
            |p| {
                let types = [0, 1, 0, 1, 0, -1, -1, -1, -1, -1];
                rewrite(&p.join("set.000/real_atom_types.npy"), &[2, 5], &types);
            },
            "real_atom_types.npy: frame 1 holds only virtual atoms",
        ),
    ]);
}

#[test]
fn only_a_system_is_replaced_and_only_on_request() {
    let (folder, path) = system(&[labelled(0), labelled(1)]);
    let replace = |path: &Path, overwrite| {
        Writer::create(path, &CreateOptions { overwrite, ..CreateOptions::default() }, false).map(
            |mut sink| {
                sink.write(&labelled(2)).expect("the first");
                Box::new(sink).finish()
            },
        )
    };
    let error = replace(&path, false).expect_err("exists").to_string();
    assert!(error.contains("the folder exists and is not overwritten"), "{error}");
    let error = replace(folder.path(), true).expect_err("no system").to_string();
    assert!(error.contains("this is not a deepmd/npy system"), "{error}");
    replace(&path, true).expect("a system").expect("written");
    assert_eq!(io::read_all(&path, &ReadOptions::default()).expect("readable"), [labelled(2)]);
}

#[test]
fn a_label_that_some_frames_lack_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sink = Writer::create(&folder.path().join("new"), &CreateOptions::default(), false)
        .expect("a new folder");
    let mut bare = labelled(1);
    bare.labels.forces = None;
    sink.write(&labelled(0)).expect("the first");
    sink.write(&bare).expect("the same atoms");
    let error = Box::new(sink).finish().expect_err("no forces").to_string();
    assert!(error.contains("frame 1 has no forces, but others have"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
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

/// Checks a frame against the reading of dpdata, whose numbers `f` rounds as the arrays were.
fn assert_as_dpdata(frame: &Frame, expected: &serde_json::Value, f: fn(f64) -> f64) {
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        let rows = value.as_array().expect("rows").iter();
        rows.flat_map(|row| row.as_array().expect("a row"))
            .map(|x| f(x.as_f64().expect("a number")))
            .collect()
    };
    let structure = &frame.structure;
    let symbols: Vec<&str> = (0..structure.len()).map(|i| structure.symbol(i)).collect();
    assert_eq!(serde_json::json!(symbols), expected["symbols"]);
    assert_eq!(structure.cell.matrix().as_flattened(), numbers(&expected["cell"]));
    assert_eq!(structure.positions.as_flattened(), numbers(&expected["positions"]));
    assert_eq!(frame.labels.energy, expected["energy"].as_f64().map(f));
    let forces = frame.labels.forces.as_ref().expect("labelled");
    assert_eq!(forces.as_flattened(), numbers(&expected["forces"]));
    let virial = frame.labels.virial.expect("labelled");
    assert_eq!(virial.as_flattened(), numbers(&expected["virial"]));
}

#[test]
fn systems_by_dpdata_are_read_as_dpdata_reads_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/deepmd_npy");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("a fixture");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let exact: fn(f64) -> f64 = |x| x;
    let single: fn(f64) -> f64 = |x| f64::from(x as f32);
    for (system, key, round) in
        [("f64", "f64", exact), ("f32", "f64", single), ("mixed", "mixed", exact)]
    {
        let frames = io::read_all(&folder.join(system), &ReadOptions::default()).expect("readable");
        let expected = expected[key].as_array().expect("frames");
        assert_eq!(frames.len(), expected.len(), "{system}");
        for (frame, expected) in frames.iter().zip(expected) {
            assert_as_dpdata(frame, expected, round);
        }
    }
}

#[test]
fn the_shared_data_sets_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lips-dft");
    if !root.is_dir() {
        println!("SKIPPED: shared data absent");
        return;
    }
    let systems = std::fs::read_dir(&root).expect("readable").map(|e| e.expect("an entry").path());
    for path in systems.filter(|path| path.is_dir()) {
        let name = path.file_name().expect("named").to_string_lossy();
        let expected = match name.as_ref() {
            "glass67" => 496,
            "glass70" => 364,
            "glass75" => 136,
            _ => 900, // the crystals and elements
        };
        let mut frames = 0;
        for frame in io::open(&path, &ReadOptions::default()).expect("a system") {
            assert!(frame.expect("a frame").labels.virial.is_some(), "{name}");
            frames += 1;
        }
        assert_eq!(frames, expected, "{name}");
    }
    let frames =
        io::read_all(&root.join("beta-Li3PS4"), &ReadOptions::default()).expect("readable");
    assert_eq!(frames.len(), 900);
    assert_eq!(frames[0].structure.formula(), "Li24P8S32");
    assert!(frames.iter().all(|f| f.labels.energy.is_some_and(|e| e.is_finite() && e < 0.0)));
    // positive on average at 3000 K in a fixed cell: W > 0 points outwards
    let trace = |f: &Frame| f.labels.virial.map(|w| crate::math::trace(&w)).expect("labelled");
    assert!(frames.iter().map(trace).sum::<f64>() > 0.0);
}
