//! `vitrion render`: pictures, and what it refuses.

use super::{one_line, stderr, stdout, vitrion};
use std::fs;
use std::path::Path;

/// Two atoms of a wrapped trajectory: Li goes across the face of the cell, 3 Å in all.
const FRAMES: &str = "2
Lattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3:phase:S:1:charge:R:1:site:S:1
Li 6 4 4 glass 0.5 oct
S 2 2 2 crystal nan tet
2
Lattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3:phase:S:1:charge:R:1:site:S:1
Li 1 4 4 glass 0.7 oct
S 2 2 2 crystal nan tet
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("moves.extxyz"), FRAMES).expect("written");
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let small = ["--size", "60x40", "--json", "--overwrite"];
    let output = vitrion(folder, &[&["render"], arguments, &small].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

#[test]
fn pictures_are_png_files_that_do_not_depend_on_threads() {
    let folder = folder();
    let picture = |threads: &str| {
        let arguments =
            ["builtin:glass-li3ps4", "--out", "a.png", "--polyhedra", "P", "--threads", threads];
        let report = json(folder.path(), &arguments);
        assert_eq!(report["atoms"], 128);
        assert_eq!(report["kinds"][0], serde_json::json!(["Li", "#009e73"]));
        fs::read(folder.path().join("a.png")).expect("written")
    };
    let bytes = picture("1");
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(bytes, picture("2"));
}

#[test]
fn displacements_are_followed_across_the_faces_of_the_cell() {
    let folder = folder();
    let options = ["--color", "displacement", "--size-by", "displacement", "--threshold", "2 Å"];
    let report = json(folder.path(), &[&["moves.extxyz"], &options[..]].concat());
    assert_eq!((&report["frame"], &report["picture"]), (&2.into(), &"moves.png".into()));
    let range: Vec<f64> = serde_json::from_value(report["range"].clone()).expect("two numbers");
    assert!(range[0].abs() < 1e-12 && (range[1] - 3.0).abs() < 1e-12, "{range:?}");
}

#[test]
fn columns_of_numbers_and_of_words_colour_the_atoms_of_any_frame() {
    let folder = folder();
    let report = json(folder.path(), &["moves.extxyz", "--frame", "first", "--color", "charge"]);
    assert_eq!(report["range"], serde_json::json!([0.5, 0.5]));
    let report = json(folder.path(), &["moves.extxyz", "--color", "site", "--repeat", "2 1 1"]);
    assert_eq!(report["kinds"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["atoms"], 4);
    let report =
        json(folder.path(), &["moves.extxyz", "--color", "phase", "--view", "-1 0 0", "--legend"]);
    assert_eq!(report["kinds"][1][0], "crystal");
}

#[test]
fn what_makes_no_picture_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("here.png"), "precious").expect("written");
    let beta = "builtin:beta-li3ps4";
    let cases: [(&[&str], &str); 20] = [
        (&["none.extxyz"], "none.extxyz: cannot open"),
        (&["builtin:beta"], "there is no structure \"builtin:beta\""),
        (&[beta, "--out", "a.jpg"], "pictures are PNG files"),
        (&[beta, "--out", "here.png"], "here.png exists; choose another name or say --overwrite"),
        (&[beta, "--size", "100"], "for example 1600x1200"),
        (&[beta, "--size", "0x100"], "up to 20000"),
        (&[beta, "--frame", "0"], "a number from 1"),
        (&["moves.extxyz", "--frame", "3"], "--frame 3: moves.extxyz has 2 frame(s)"),
        (
            &["moves.extxyz", "--color", "q"],
            "they have element, phase, charge, site, and displacement",
        ),
        (&[beta, "--color", "phase"], "have no phases"),
        (&["moves.extxyz", "--color", "charge", "--range", "4:1"], "two rising numbers"),
        (&["moves.extxyz", "--color", "site", "--range", "0:1"], "--color site has kinds"),
        (&["moves.extxyz", "--size-by", "displacement", "--threshold", "4"], "has no unit"),
        (&["moves.extxyz", "--size-by", "site", "--threshold", "4"], "holds words, not numbers"),
        (&[beta, "--view", "d"], "expected a, b, c, iso or three numbers"),
        (&[beta, "--view", "0 0 1", "--up", "0 0 2"], "choose another direction for up"),
        (&[beta, "--polyhedra", "Ge"], "--polyhedra names Ge, but there is only Li, P, S"),
        (&[beta, "--slice", "a 0.6 0.2"], "two rising fractions"),
        (&[beta, "--legend", "--size", "20x400"], "the legend needs a width of"),
        (&[beta, "--background", "pink"], "expected white, transparent or #rrggbb"),
    ];
    for (arguments, expected) in cases {
        let output = vitrion(folder.path(), &[&["render"], arguments].concat());
        let message = one_line(&stderr(&output));
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("here.png")).expect("there"), "precious");
}
