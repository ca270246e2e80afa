#![allow(clippy::float_cmp)] // exactness is what these tests ask for

use crate::frame::Frame;
use crate::io::{self, CreateOptions, ReadOptions};
use crate::math;
use crate::testing::systems;

fn read(text: &str, map: Option<&str>) -> Result<Frame, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.data");
    std::fs::write(&path, text).expect("written");
    let type_map = map.map(|m| m.split(',').map(str::to_owned).collect());
    let place = format!("{}", path.display());
    io::read_first(&path, &ReadOptions { type_map, ..Default::default() })
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

const HEADER: &str = "title\n\n2 atoms\n2 atom types\n\n-1 4 xlo xhi\n0 6 ylo yhi\n0 7 zlo zhi\n\
                      1 0.5 -0.5 xy xz yz\n\nMasses\n\n1 6.94 # Li\n2 32.06 # S\n";

#[test]
fn image_flags_origin_and_velocities_are_applied() {
    let text = format!(
        "{HEADER}\nAtoms # charge\n\n2 2 -0.5 0 0 0 0 1 0\n1 1 1.0 1 2 3 0 0 0\n\nVelocities\n\n\
         1 2.0 0 0\n2 0 0 -4.0\n"
    );
    let frame = read(&text, None).expect("readable");
    assert_eq!(frame.structure.formula(), "LiS");
    assert_eq!(frame.structure.positions, [[2.0, 2.0, 3.0], [2.0, 6.0, 0.0]]);
    let velocities = frame.velocities.expect("in the file");
    assert!((velocities[0][0] - 0.002).abs() < 1e-15, "Å/ps became Å/fs");
}

#[test]
fn frames_survive_the_round_trip() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for seed in 0..6 {
        let cell = systems::random_cell(seed, 5.0, 9.0);
        let structure = systems::random_structure(seed, &["P", "Li"], 7, cell, 1.0);
        let mut frame = Frame::from(structure);
        frame.structure.positions[3][1] += 25.0;
        frame.velocities = Some(vec![[1e-3, -2e-4, 0.0]; 7]);
        let path = folder.path().join(format!("{seed}.data"));
        let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
        sink.write(&frame).expect("written");
        sink.finish().expect("finished");
        let back = io::read_first(&path, &ReadOptions::default()).expect("readable");
        for (a, b) in back.structure.positions.iter().zip(&frame.structure.positions) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-11, "{a:?} is not {b:?}");
        }
        assert_eq!(back.structure.formula(), frame.structure.formula());
    }
}

#[test]
fn any_right_handed_cell_is_rotated_and_left_handed_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cell = crate::Cell::periodic([[0.0, 4.0, 1.0], [0.5, 0.0, 5.0], [6.0, 1.0, 0.0]]);
    let cell = cell.expect("regular");
    let structure = systems::random_structure(1, &["Li", "S"], 6, cell.clone(), 1.0);
    let write = |structure: crate::Structure, name: &str| {
        let path = folder.path().join(name);
        let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
        sink.write(&structure.into()).map(|()| {
            sink.finish().expect("finished");
            io::read_first(&path, &ReadOptions::default()).expect("readable").structure
        })
    };
    let back = write(structure.clone(), "turned.data").expect("right-handed");
    // distances do not change
    for i in 0..6 {
        for j in 0..6 {
            let d = |s: &crate::Structure| {
                math::norm(s.cell.minimum_image(math::sub(s.positions[i], s.positions[j])))
            };
            assert!((d(&back) - d(&structure)).abs() < 1e-11);
        }
    }
    let [a, b, c] = *cell.matrix();
    let mut left = structure;
    left.cell = crate::Cell::periodic([b, a, c]).expect("regular");
    let error = write(left, "left.data").expect_err("left-handed").to_string();
    assert!(error.contains("left-handed"), "{error}");
}

#[test]
fn malformed_data_files_are_refused_with_the_line() {
    let atoms = "\nAtoms # atomic\n\n1 1 0 0 0\n2 2 1 1 1\n";
    let cases = [
        (
            HEADER.replace(" # S", "") + atoms,
            "the element of type 2 is not named (its mass 32.06 suggests S); hint: write the symbol behind the mass (1 6.94 # Li), or use --type-map Li,P,S",
        ),
        (
            format!("{HEADER}\nAtoms # atomic\n\n1 1 0 0 0\n"),
            "in the middle of the section Atoms: 1 of 2 atoms were read",
        ),
        (
            format!("{HEADER}\nAtoms # atomic\n\n1 1 0 0 0\n2 3 1 1 1\n"),
            "FILE:19: expected an atom type from 1 to 2, found \"3\"",
        ),
        (
            format!("{HEADER}\nAtoms # atomic\n\n1 1 0 0 0\n1 2 1 1 1\n"),
            "FILE:19: expected an id that no other atom has, found \"1\"",
        ),
        (
            format!("{HEADER}\nAtoms # sphere\n\n1 1 0 0 0\n2 2 1 1 1\n"),
            "expected atom style atomic, charge, molecular, bond or full, found \"sphere\"",
        ),
        (
            format!("{HEADER}\nAtoms\n\n1 1 0 0 0 0\n2 2 1 1 1 0\n"),
            "hint: write the style behind the section name: Atoms # full",
        ),
        (
            HEADER.replace("0 7 zlo zhi\n", "") + atoms,
            "no complete box (xlo xhi, ylo yhi, zlo zhi) in the file",
        ),
        (
            HEADER.replace("2 atoms\n", "two atoms\n") + atoms,
            "FILE:3: expected a whole number, found \"two\"",
        ),
        (String::new(), "in the middle of a LAMMPS data file: it is empty"),
    ];
    for (text, expected) in cases {
        let error = read(&text, None).expect_err(expected);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let error = read(&(HEADER.to_owned() + atoms), Some("Li,Sx")).expect_err("no element");
    assert!(error.contains("--type-map names \"Sx\""), "{error}");
}
