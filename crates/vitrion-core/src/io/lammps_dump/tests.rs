#![allow(clippy::float_cmp)] // exactness is what these tests ask for

use crate::frame::{Frame, Labels};
use crate::io::{self, CreateOptions, ReadOptions};
use crate::math;
use crate::testing::systems;
use std::path::Path;

fn read(text: &str, map: Option<&str>) -> Result<Vec<Frame>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.lammpstrj");
    std::fs::write(&path, text).expect("written");
    let type_map = map.map(|m| m.split(',').map(str::to_owned).collect());
    let place = format!("{}", path.display());
    io::read_all(&path, &ReadOptions { type_map, ..Default::default() })
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

/// One tilted cell and two atoms in every coordinate style.
#[test]
fn all_coordinate_styles_describe_the_same_atoms() {
    let header = "ITEM: TIMESTEP\n7\nITEM: NUMBER OF ATOMS\n2\n\
                  ITEM: BOX BOUNDS xy xz yz pp pp pp\n-2.0 9.5 1.5\n1.0 9.0 -1.0\n0.5 6.5 2.0\n";
    // xlo = -2 - min(0, 1.5, -1, 0.5) = -1, xhi = 9.5 - 1.5 = 8: lx = 9; ylo = 1, yhi = 7: ly = 6
    let bodies = [
        "ITEM: ATOMS id element xu yu zu\n2 S -1.0 1.0 0.5\n1 Li 10.5 4.0 3.5\n",
        "ITEM: ATOMS id element x y z ix iy iz\n2 S -1.0 1.0 0.5 0 0 0\n1 Li 1.5 4.0 3.5 1 0 0\n",
        "ITEM: ATOMS id element xsu ysu zsu\n2 S 0 0 0\n1 Li 1.2777777777777777 0.3333333333333333 0.5\n",
        "ITEM: ATOMS id element xs ys zs ix iy iz\n2 S 0 0 0 0 0 0\n\
         1 Li 0.2777777777777778 0.3333333333333333 0.5 1 0 0\n",
    ];
    for body in bodies {
        let frames = read(&format!("{header}{body}"), None).expect("readable");
        let frame = &frames[0];
        assert_eq!(frame.step, Some(7));
        assert_eq!(frame.structure.symbol(0), "Li");
        let expected = [[11.5, 3.0, 3.0], [0.0; 3]];
        for (r, e) in frame.structure.positions.iter().zip(expected) {
            assert!(math::norm(math::sub(*r, e)) < 1e-12, "{body}: {r:?}");
        }
        let expected = [[9.0, 0.0, 0.0], [1.5, 6.0, 0.0], [-1.0, 2.0, 6.0]];
        for (row, e) in frame.structure.cell.matrix().iter().zip(expected) {
            assert!(math::norm(math::sub(*row, e)) < 1e-12, "{row:?}");
        }
    }
}

#[test]
fn units_and_type_maps_are_applied() {
    let text = "ITEM: UNITS\nreal\nITEM: TIME\n50\nITEM: TIMESTEP\n100\nITEM: NUMBER OF ATOMS\n1\n\
                ITEM: BOX BOUNDS pp pp ff\n0 5\n0 5\n0 5\nITEM: ATOMS id type x y z vx vy vz fx fy fz\n\
                1 2 1 2 3 0.001 0 0 23.060548 0 0\n";
    let frame = read(text, Some("Li,S")).expect("readable").remove(0);
    assert_eq!(frame.structure.symbol(0), "S");
    assert_eq!(frame.structure.cell.periodicity(), [true, true, false]);
    assert_eq!((frame.time, frame.velocities), (Some(50.0), Some(vec![[0.001, 0.0, 0.0]])));
    // 1 eV = 23.060548 kcal/mol
    let force = frame.labels.forces.expect("in the file")[0][0];
    assert!((force - 1.0).abs() < 1e-7, "{force}");
}

#[test]
fn frames_survive_the_round_trip_up_to_the_rotation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for seed in 0..6 {
        let cell = systems::random_cell(seed, 5.0, 9.0);
        let structure = systems::random_structure(seed, &["P", "Li"], 7, cell, 1.0);
        let frame = Frame {
            step: Some(5),
            time: Some(2.5),
            velocities: Some(structure.positions.iter().map(|r| r.map(|x| x * 1e-3)).collect()),
            labels: Labels {
                forces: Some(structure.positions.iter().map(|r| r.map(|x| 1.0 - x)).collect()),
                ..Default::default()
            },
            ..structure.into()
        };
        let path = folder.path().join(format!("{seed}.lammpstrj.zst"));
        let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
        sink.write(&frame).expect("written");
        sink.finish().expect("finished");
        let back = io::read_first(&path, &ReadOptions::default()).expect("readable");
        assert_eq!((back.step, back.time), (frame.step, frame.time));
        // cells of from_lengths_angles are already oriented: nothing is rotated
        for (a, b) in back.structure.positions.iter().zip(&frame.structure.positions) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-12);
        }
        let (a, b) = (back.labels.forces.expect("kept"), frame.labels.forces.expect("kept"));
        assert!(a.iter().zip(&b).all(|(a, b)| math::norm(math::sub(*a, *b)) < 1e-12));
        let (a, b) = (back.velocities.expect("kept"), frame.velocities.expect("kept"));
        assert!(a.iter().zip(&b).all(|(a, b)| math::norm(math::sub(*a, *b)) < 1e-15));
    }
}

#[test]
fn malformed_dumps_are_refused_with_the_line() {
    let header =
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n";
    let cases = [
        (
            format!("{header}ITEM: ATOMS id type x y z\n1 1 0 0 0\n2 1 1 1 1\n"),
            "FILE:9: expected an element column, found \"id type x y z\"; hint: name the elements of \
             types 1, 2, … in order with --type-map, for example --type-map Li,P,S",
        ),
        (
            format!("{header}ITEM: ATOMS id element x y z\n1 Li 0 0 0\n"),
            "FILE: the file ends after line 10, in the middle of a frame of 2 atoms: 1 were read",
        ),
        (
            format!("{header}ITEM: ATOMS id element x y z\n1 Li 0 0 0\n1 Li 1 1 1\n"),
            "FILE: frame ending at line 11: two atoms have the id 1",
        ),
        (
            format!("{header}ITEM: ATOMS id element x y z\n1 li 0 0 0\n2 Li 1 1 1\n"),
            "FILE:10: expected an element symbol, found \"li\"; hint: did you mean Li?",
        ),
        (
            format!("{header}ITEM: ATOMS id element x y z\n1 Li 0 nan 0\n2 Li 1 1 1\n"),
            "FILE:10: expected a finite number, found \"nan\"",
        ),
        (
            format!("{header}ITEM: ATOMS id element q\n1 Li 0\n2 Li 1\n"),
            "FILE:9: expected columns x y z, xs ys zs, xu yu zu or xsu ysu zsu, found \"id element q\"",
        ),
        (
            header.replace("0 5\n0 5\n0 5\n", "0 5\n0 0\n0 5\nITEM: ATOMS id element x y z\n"),
            "the cell is singular",
        ),
        ("ITEM: TIMESTEP\n-3\n".to_owned(), "FILE:2: expected a timestep, found \"-3\""),
        (
            format!("{header}ITEM: ATOMS id element x y z\n1 Li 0 0 0\n2 Li 1 1 1\n3 Li 2 2 2\n"),
            "FILE:12: expected a line starting with ITEM:, found \"3 Li 2 2 2\"; hint: does the number \
             of atoms of the frame before agree with its lines?",
        ),
    ];
    for (text, expected) in cases {
        let error = read(&text, None).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}

/// Dumps written by LAMMPS itself; the same configuration in four coordinate styles.
#[test]
fn dumps_of_lammps_agree_in_all_styles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lammps");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("a fixture");
    let json: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    for style in ["xu", "x", "xs", "xsu"] {
        let path = folder.join(format!("{style}.lammpstrj"));
        let frames = io::read_all(&path, &ReadOptions::default()).expect("readable");
        let expected = json["frames"].as_array().expect("frames");
        assert_eq!(frames.len(), expected.len());
        for (frame, expected) in frames.iter().zip(expected) {
            let positions: Vec<[f64; 3]> =
                serde_json::from_value(expected["positions"].clone()).expect("vectors");
            let cell: [[f64; 3]; 3] =
                serde_json::from_value(expected["cell"].clone()).expect("a matrix");
            for (a, b) in frame.structure.positions.iter().zip(&positions) {
                assert!(math::norm(math::sub(*a, *b)) < 1e-7, "{style}: {a:?} is not {b:?}");
            }
            for (a, b) in frame.structure.cell.matrix().iter().zip(&cell) {
                assert!(math::norm(math::sub(*a, *b)) < 1e-7, "{style}");
            }
        }
    }
    let data = io::read_first(&folder.join("written.data"), &ReadOptions::default());
    let last: Vec<[f64; 3]> = serde_json::from_value(
        json["frames"].as_array().expect("frames").last().expect("one")["positions"].clone(),
    )
    .expect("vectors");
    for (a, b) in data.expect("readable").structure.positions.iter().zip(&last) {
        assert!(math::norm(math::sub(*a, *b)) < 1e-7, "data: {a:?} is not {b:?}");
    }
}
