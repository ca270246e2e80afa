#![allow(clippy::float_cmp)] // exactness is what these tests ask for

use crate::frame::Frame;
use crate::io::{self, CreateOptions, ReadOptions};
use crate::math;
use crate::testing::systems;

fn read(name: &str, text: &str) -> Result<Vec<Frame>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    let place = format!("{}", path.display());
    io::read_all(&path, &ReadOptions::default())
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

#[test]
fn scale_factors_modes_and_velocities() {
    let text = "Li2S\n-64.0\n2 0 0\n0 2 0\n0 0 2\nLi S\n2 1\nSelective dynamics\nDirect\n\
                0 0 0 T T F\n0.5 0.5 0.5 F F F\n0.25 0 0 T T T\n\n0.001 0 0\n0 0 0\n0 0 -0.002\n";
    let frame = read("POSCAR", text).expect("readable").remove(0);
    assert!((frame.structure.cell.volume() - 64.0).abs() < 1e-9);
    assert_eq!(frame.structure.formula(), "Li2S");
    assert!(math::norm(math::sub(frame.structure.positions[1], [2.0; 3])) < 1e-12);
    assert_eq!(frame.velocities.expect("in the file")[2], [0.0, 0.0, -0.002]);
    let cartesian = "x\n2.0\n1 0 0\n0 1 0\n0 0 1\nLi\n1\nCartesian\n0.5 0 0\n";
    let frame = read("CONTCAR", cartesian).expect("readable").remove(0);
    assert_eq!(frame.structure.positions[0], [1.0, 0.0, 0.0]);
}

#[test]
fn frames_survive_the_round_trip_with_their_order_and_outside_the_cell() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cell = systems::random_cell(3, 5.0, 9.0);
    let mut structure = systems::random_structure(3, &["Li", "P", "Li"], 8, cell, 1.0);
    structure.positions[2][0] -= 30.0;
    let frame = Frame { velocities: Some(vec![[0.1, -0.2, 1e-7]; 8]), ..structure.into() };
    let path = folder.path().join("POSCAR");
    let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
    sink.write(&frame).expect("written");
    sink.finish().expect("finished");
    assert_eq!(
        io::read_all(&path, &ReadOptions::default()).expect("readable"),
        std::slice::from_ref(&frame)
    );

    let path = folder.path().join("XDATCAR.gz");
    let mut second = frame.clone();
    second.structure.cell = systems::random_cell(4, 5.0, 9.0);
    let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
    for frame in [&frame, &second] {
        sink.write(frame).expect("written");
    }
    sink.finish().expect("finished");
    let back = io::read_all(&path, &ReadOptions::default()).expect("readable");
    assert_eq!(back.len(), 2);
    for (a, b) in back[1].structure.positions.iter().zip(&second.structure.positions) {
        assert!(math::norm(math::sub(*a, *b)) < 1e-12);
    }
    assert_eq!(back[1].step, Some(2));
}

#[test]
fn random_triclinic_frames_survive_the_round_trip() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let overwrite = CreateOptions { overwrite: true, ..CreateOptions::default() };
    for seed in 0..40 {
        let cell = systems::random_cell(seed, 3.0, 12.0);
        let atoms = 1 + usize::try_from(seed).expect("small") % 9;
        let structure = systems::random_structure(seed + 100, &["S", "Li", "P"], atoms, cell, 0.5);
        let frame: Frame = structure.into();
        for (name, exact) in [("a.POSCAR", true), ("XDATCAR.zst", false)] {
            let path = folder.path().join(name);
            let mut sink = io::create(&path, &overwrite).expect("a new file");
            sink.write(&frame).expect("written");
            sink.finish().expect("finished");
            let back = io::read_first(&path, &ReadOptions::default()).expect("readable");
            assert_eq!(back.structure.cell, frame.structure.cell, "{name}, seed {seed}");
            for i in 0..atoms {
                assert_eq!(back.structure.symbol(i), frame.structure.symbol(i), "{name}");
                let (a, b) = (back.structure.positions[i], frame.structure.positions[i]);
                assert!(if exact { a == b } else { math::norm(math::sub(a, b)) < 1e-12 });
            }
        }
    }
}

#[test]
fn velocities_follow_lattice_velocities() {
    let text = "x\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n1\nDirect\n0 0 0\n\
                Lattice velocities and vectors\n1\n0 0 0\n0 0 0\n0 0 0\n3 0 0\n0 3 0\n0 0 3\n\
                \n0.001 0.002 -0.003\n\n1\n0.5\n";
    let frame = read("CONTCAR", text).expect("readable").remove(0);
    assert_eq!(frame.velocities, Some(vec![[0.001, 0.002, -0.003]]));
}

#[test]
fn constant_cell_trajectories_have_one_header() {
    let text = "Li\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n1\nDirect configuration=     1\n0 0 0\n\
                Direct configuration=     2\n0.5 0 0\n";
    let frames = read("XDATCAR", text).expect("readable");
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].structure.positions[0], [1.5, 0.0, 0.0]);
}

#[test]
fn malformed_files_are_refused_with_the_line() {
    let good = "t\n1\n3 0 0\n0 3 0\n0 0 3\nLi S\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n".to_owned();
    let cases = [
        (
            good.replace("Li S\n", ""),
            "FILE:6: expected element symbols, found \"1 1\"; hint: this is a VASP 4 file without symbols: insert a line with them, for example Li P S",
        ),
        (
            good.replace("Li S", "Li_sv S"),
            "FILE:6: expected element symbols, found \"Li_sv\"; hint: write the plain symbol Li",
        ),
        (good.replace("1 1\n", "1\n"), "FILE:7: expected 2 numbers of atoms, found \"1\""),
        (
            good.replace("Direct", "Fractional"),
            "FILE:8: expected Direct or Cartesian, found \"Fractional\"",
        ),
        (
            good.replace("0.5 0.5 0.5\n", ""),
            "FILE: the file ends after line 9, in the middle of the coordinates: 1 of 2 were read",
        ),
        (good.replace("0 3 0", "6 0 0"), "the cell is singular"),
        (
            good.replace("0 0 3", "0 0"),
            "FILE:5: expected three finite numbers, found \"the end of the line\"",
        ),
        (
            good.replace("t\n1\n", "t\n0\n"),
            "FILE:2: expected a scale factor, found \"0\"; hint: one",
        ),
        (good.replace("t\n1\n", "t\n1 -1 1\n"), "FILE:2: expected a scale factor"),
        (good.replace("t\n1\n", "t\n-27\n").replace("0 3 0", "6 0 0"), "the cell is singular"),
        (good.replace("Li S", "LI S"), "found \"LI\"; hint: capitals matter: did you mean Li?"),
        (
            good.replace("1 1\n", "1 99999999999999\n"),
            "FILE:7: expected at most 10000000 atoms, found \"1 99999999999999\"",
        ),
        (
            good.replace("0 0 0\n", "0 0 0 S\n"),
            "FILE:9: expected an atom of Li by the symbol line, found \"S\"; hint: the symbols or the",
        ),
        (
            good.clone() + "Lattice velocities and vectors\n1\n0 0 0\n",
            "in the middle of the lattice velocities",
        ),
    ];
    for (text, expected) in cases {
        let error = read("POSCAR", &text).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
    let error = read("XDATCAR", "Direct configuration= 1\n0 0 0\n").expect_err("no header");
    assert!(error.contains("a title, a scale factor and a lattice"), "{error}");
    let first = "t\n1\n3 0 0\n0 3 0\n0 0 3\nLi S\n1 1\nDirect configuration= 1\n0 0 0\n.5 .5 .5\n";
    let joined = first.to_owned() + &first.replace("Li S", "S Li");
    let error = read("XDATCAR", &joined).expect_err("other atoms");
    assert!(error.contains("expected the atoms of the first header"), "{error}");
}
