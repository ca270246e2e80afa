use super::symmetry::Operation;
use crate::frame::Frame;
use crate::io::{self, ReadOptions};
use crate::math;
use std::path::Path;

fn read(text: &str) -> Result<Frame, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.cif");
    std::fs::write(&path, text).expect("written");
    let place = format!("{}", path.display());
    io::read_first(&path, &ReadOptions::default())
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

const CELL: &str = "data_x\n_cell_length_a 4.0(1)\n_cell_length_b 5\n_cell_length_c 6.5(20)\n\
                    _cell_angle_alpha 90\n_cell_angle_beta 90.0\n_cell_angle_gamma 90\n";
const SITES: &str = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n\
                     _atom_site_fract_z\n";

#[test]
fn operations_are_read_in_all_spellings() {
    let s = [0.1, 0.2, 0.3];
    for (text, expected) in [
        ("x,y,z", s),
        ("-X+1/2, -y ,Z-0.25", [0.4, -0.2, 0.05]),
        ("1/2+x, -x+y, 2/3-z", [0.6, 0.1, 2.0 / 3.0 - 0.3]),
        ("x-y,x,z+5/6", [-0.1, 0.1, 0.3 + 5.0 / 6.0]),
    ] {
        let r = Operation::parse(text).expect(text).apply(s);
        assert!(math::norm(math::sub(r, expected)) < 1e-14, "{text}: {r:?}");
    }
    for bad in ["x,y", "x,y,w", "x,,z", "x,y,z/0", "xy,y,z"] {
        assert_eq!(Operation::parse(bad), None, "{bad}");
    }
}

#[test]
fn special_positions_are_one_atom_and_texts_are_skipped() {
    let text = format!("# comment\n{CELL}_title 'it''s quoted'\n;\n")
        .replace("_title 'it''s quoted'\n;\n", "_title\n;\nseveral\nlines # not a comment\n;\n")
        + "loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n'-x, -y, -z'\n"
        + SITES
        + "Li1 0 0 0\nS1 0.25 0.1 0.9\n";
    let frame = read(&text).expect("readable");
    assert_eq!(frame.structure.formula(), "LiS2");
}

#[test]
fn malformed_files_are_refused_with_advice() {
    let site = "Li1 0 0 0\n";
    let cases = [
        (
            format!("{CELL}{SITES}{site}").replace("_cell_length_b 5\n", ""),
            "no _cell_length_b in the file",
        ),
        (
            format!("{CELL}{SITES}Li1 0 0\n"),
            "expected rows of 4 values in this loop, found \"3 values\"",
        ),
        (
            format!("{CELL}{SITES}Xx1 0 0 0\n"),
            "FILE:13: expected an element for site Xx1, found \"Xx1\"; hint: give the element in _atom_site_type_symbol",
        ),
        (
            format!("{CELL}_symmetry_space_group_name_H-M 'P n m a'\n{SITES}{site}"),
            "the space group \"P n m a\" is named, but its operations are not listed; hint: export the file with symmetry operations",
        ),
        (
            format!("{CELL}loop_\n_symmetry_equiv_pos_as_xyz\nx,y,q\n{SITES}{site}"),
            "FILE:10: expected a symmetry operation such as \"-x+1/2, y, z\", found \"x,y,q\"",
        ),
        (
            format!("{CELL}{SITES}{site}")
                .replace("fract_z\n", "fract_z\n_atom_site_occupancy\n")
                .replace("0 0 0\n", "0 0 0 0.7\n"),
            "FILE:14: expected occupancy 1 of site Li1, found \"0.7\"; hint: choose which atoms to keep",
        ),
        (
            format!("{CELL}{SITES}{site}")
                + &format!("{CELL}{SITES}{site}").replace("data_x", "data_y"),
            "several structures: x, y",
        ),
        (CELL.to_owned(), "no block holds _atom_site_fract_x"),
        (
            format!("{CELL}{SITES}Li1 0 zero 0\n"),
            "FILE:13: expected a fractional coordinate of site Li1, found \"zero\"",
        ),
        ("_cell_length_a 3\n".to_owned(), "FILE:1: expected data_NAME at the start of a CIF"),
        (format!("{CELL}_title 'open\n"), "expected a closing '"),
        (CELL.replace("90.0", "200") + SITES + site, "no cell has lengths"),
    ];
    for (text, expected) in cases {
        let error = read(&text).expect_err(expected);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn lists_of_operations_that_lose_or_misplace_atoms_are_refused() {
    let with = |operations: &str| {
        format!("{CELL}loop_\n_space_group_symop_operation_xyz\n{operations}{SITES}Li1 .1 .2 .3\n")
    };
    let cases = [
        (with("-x,-y,-z\n"), "are not a group: the identity x, y, z is not among the operations"),
        (
            with("x,y,z\n-x,-y,z\n-x,y,-z\n"),
            "are not a group: one operation after another gives one that is not listed",
        ),
        (
            with("x,y,z\ny,x,z\n"),
            "FILE:11: expected a symmetry operation of this cell, one that keeps distances, found \"y,x,z\"",
        ),
        (with("x,x,z\n"), "FILE:10: expected a symmetry operation of this cell"),
        (with(""), "FILE:8: expected rows of 1 values in this loop, found \"0 values\""),
        (
            with("x,y,z\n") + "_space_group_name_H-M_alt 'P 1'\n_space_group_IT_number 62\n",
            "the space group \"62\" is named, but the only operation is the identity",
        ),
        (
            with("x,y,z\n").replace("symop_operation", "symop_magn_operation"),
            "\"_space_group_symop_magn_operation_xyz\" is named, but its operations are not listed",
        ),
    ];
    for (text, expected) in cases {
        let error = read(&text).expect_err(expected);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let text = with("x,y,z\n-x,-y,z\n-x,y,-z\nx,-y,-z\n");
    assert_eq!(read(&text).expect("P 2 2 2").structure.len(), 4);
    assert_eq!(read(&text.replace("_site_", "_site.")).expect("newer keys").structure.len(), 4);
}

#[test]
fn elements_are_never_guessed_from_labels() {
    for (label, symbol) in [("Li1", "Li"), ("LiA", "Li"), ("S2-", "S"), ("O1W", "O"), ("OW", "O")] {
        let frame = read(&format!("{CELL}{SITES}{label} 0 0 0\n")).expect(label);
        assert_eq!(frame.structure.symbol(0), symbol, "{label}");
    }
    for (label, hint) in [
        ("CL1", "capitals matter: give Cl in _atom_site_type_symbol if meant"),
        ("SI2", "capitals matter: give Si"),
        ("LI1", "capitals matter: give Li"),
        ("Wat1", "give the element in _atom_site_type_symbol, such as Li or Li1+"),
        ("1Li", "give the element"),
    ] {
        let error = read(&format!("{CELL}{SITES}{label} 0 0 0\n")).expect_err(label);
        assert!(error.contains(hint), "{error}");
    }
    let typed = SITES.replace("fract_z\n", "fract_z\n_atom_site_type_symbol\n");
    let frame = read(&format!("{CELL}{typed}CL1 0 0 0 Cl1-\n")).expect("typed");
    assert_eq!(frame.structure.symbol(0), "Cl");
    let error = read(&format!("{CELL}{typed}W1 0 0 0 Wat\n")).expect_err("no element");
    assert!(error.contains("expected an element for site W1, found \"Wat\""), "{error}");
}

#[test]
fn columns_of_different_lengths_and_repeated_keys_are_refused() {
    let loops = format!("{CELL}{SITES}Li1 0 0 0\nS1 .5 .5 .5\n");
    let apart = loops.clone() + "_atom_site_occupancy 1\n";
    let error = read(&apart).expect_err("one occupancy for two sites");
    let expected = "_atom_site_occupancy has 1 values, _atom_site_fract_x has 2; hint: list all";
    assert!(error.contains(expected), "{error}");
    let error = read(&(loops + "_cell_length_a 9\n")).expect_err("twice");
    let expected = "FILE:15: expected every key once, found \"_cell_length_a\"";
    assert!(error.contains(expected), "{error}");
}

/// Files and positions by ASE; see the README beside them.
#[test]
fn structures_agree_with_ase() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/crystal");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("a fixture");
    let json: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let mut files = 0;
    for (name, expected) in json["files"].as_object().expect("a table") {
        let path = folder.join(name);
        let frame = io::read_last(&path, &ReadOptions::default()).expect(name);
        let structure = &frame.structure;
        let symbols: Vec<String> =
            serde_json::from_value(expected["symbols"].clone()).expect("symbols");
        let fractional: Vec<[f64; 3]> =
            serde_json::from_value(expected["scaled_positions"].clone()).expect("vectors");
        let lengths: Vec<f64> =
            serde_json::from_value(expected["lengths_angles"].clone()).expect("six numbers");
        assert_eq!(structure.len(), symbols.len(), "{name}");
        let ours: Vec<f64> =
            structure.cell.lengths().into_iter().chain(structure.cell.angles()).collect();
        for (a, b) in ours.iter().zip(&lengths) {
            assert!((a - b).abs() < 1e-6, "{name}: cell {a} is not {b}");
        }
        // the order within a site may differ: every atom of ASE has one of ours
        for (symbol, s) in symbols.iter().zip(&fractional) {
            let r = structure.cell.to_cartesian(*s);
            let found = (0..structure.len()).filter(|i| {
                let d = math::sub(structure.positions[*i], r);
                structure.symbol(*i) == symbol && math::norm(structure.cell.minimum_image(d)) < 1e-4
            });
            assert_eq!(found.count(), 1, "{name}: {symbol} at {s:?}");
        }
        files += 1;
    }
    assert!(files >= 8, "only {files} files");
}
