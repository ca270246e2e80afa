//! Structural analyses from the command line and in runs.

use super::{one_line, stderr, stdout, vitrion, workplace};
use serde_json::Value;
use std::fs;
use std::path::Path;
use vitrion_core::build::supercell;
use vitrion_core::io::{self, ReadOptions, extxyz};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure, phases::Phases};

/// Frames of β-Li3PS4 whose atoms tremble; labelled by halves if asked.
fn write_beta(folder: &Path, name: &str, seed: u64, labelled: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("structures/beta-li3ps4.extxyz");
    let beta = io::read_first(&path, &ReadOptions::default()).expect("it is built in");
    let crystal = supercell::repeat(&beta.structure, [1, 2, 3]);
    let mut text = Vec::new();
    for step in 0..24_u64 {
        let mut random = rng::at(seed, Stream::Testing, step, 0);
        let mut structure = crystal.clone();
        for x in structure.positions.as_flattened_mut() {
            *x += 0.05 * random.normal();
        }
        if labelled {
            let half = |k: usize| if k < crystal.len() / 2 { "glass" } else { "crystal" };
            let names: Vec<&str> = (0..crystal.len()).map(half).collect();
            structure.phases = Some(Phases::new(&names).expect("names").into());
        }
        let frame = Frame { step: Some(step), time: Some(step as f64), ..structure.into() };
        extxyz::write_frame(&mut text, &frame).expect("memory");
    }
    fs::write(folder.join(name), text).expect("the folder is there");
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = vitrion(folder, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

fn estimate(observables: &Value, name: &str) -> f64 {
    let list = observables["estimates"].as_array().expect("a list");
    let one = list.iter().find(|one| one["name"] == name);
    let one = one.unwrap_or_else(|| panic!("no {name}"));
    one["value"].as_f64().expect("a number")
}

fn of_kind<'a>(found: &'a Value, kind: &str) -> &'a Value {
    let list = found.as_array().expect("a list");
    list.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn analyze_measures_all_that_suits_a_thiophosphate() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "t.extxyz", 1, true);
    let arguments = ["analyze", "t.extxyz", "--json", "--quiet"];
    let one = vitrion(folder.path(), &[&arguments[..], &["--threads", "1"]].concat());
    let two = vitrion(folder.path(), &[&arguments[..], &["--threads", "2"]].concat());
    assert_eq!(stdout(&one), stdout(&two), "results depend on the number of threads");
    assert!(one.status.success(), "{}", stderr(&one));
    assert!(!stdout(&one).contains("null"), "not every number is finite");
    let found: Value = serde_json::from_str(&stdout(&one)).expect("JSON");
    for kind in [
        "radial_distribution",
        "structure_factor",
        "voronoi",
        "bond_angles",
        "coordination",
        "speciation",
        "steinhardt",
    ] {
        let formula = of_kind(&found, kind)["formula"].as_str().expect("a text");
        assert!(formula.len() > 10, "{kind}: {formula}");
    }
    let units = of_kind(&found, "speciation");
    assert!((estimate(units, "unit_fraction_PS4") - 1.0).abs() < 1e-12);
    let around = of_kind(&found, "coordination");
    assert!((estimate(around, "bond_length_P_S_a") - 2.05).abs() < 0.05);
    // phases of the file are told apart
    let text = of_kind(&found, "steinhardt").to_string();
    assert!(text.contains("glass") && text.contains("crystal"), "{text}");
}

#[test]
fn analyze_writes_tables_figures_a_page_and_atoms() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "t.extxyz", 2, false);
    let arguments = ["analyze", "t.extxyz", "--out", "found", "--atoms", "atoms.extxyz", "--quiet"];
    let output = vitrion(folder.path(), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    for name in [
        "radial_distribution",
        "structure_factor",
        "voronoi",
        "bond_angles",
        "coordination",
        "speciation",
        "steinhardt",
    ] {
        for ending in ["json", "estimates.csv"] {
            let path = folder.path().join("found").join(name).with_extension(ending);
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
            assert!(!text.contains("NaN"), "{}", path.display());
        }
    }
    let page = fs::read_to_string(folder.path().join("found/report.html")).expect("a page");
    assert!(page.contains("Structural units") && page.contains("<svg"));
    let atoms = fs::read_to_string(folder.path().join("atoms.extxyz")).expect("atoms");
    let header = atoms.lines().nth(1).expect("a header");
    for column in [":unit:S:1", ":coordination:R:1", ":q_tet:R:1"] {
        assert!(header.contains(column), "{header}");
    }
    let frames =
        io::read_all(&folder.path().join("atoms.extxyz"), &ReadOptions::default()).expect("frames");
    assert_eq!(frames.len(), 24);
    // nothing is overwritten unless told so
    let again = vitrion(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists"), "{}", stderr(&again));
}

#[test]
fn settings_of_a_file_are_used_and_bad_ones_named_with_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "t.extxyz", 3, false);
    let config = "[[analysis]]\nkind = \"steinhardt\"\nl = [6]\ncutoff = \"3.6 A\"\ncenters = [\"Li\"]\n\
                  [[analysis]]\nkind = \"bond_angles\"\ntriplets = [\"S-P-S\"]\nbin = 2.0\n\
                  [[analysis]]\nkind = \"speciation\"\ncutoffs = [\"P-S 2.5 A\"]\n\
                  [[analysis.units]]\nname = \"ortho\"\nformula = \"PS4\"\n";
    fs::write(folder.path().join("a.toml"), config).expect("the folder is there");
    let arguments = ["analyze", "t.extxyz", "--config", "a.toml", "--json", "--quiet"];
    let found = json(folder.path(), &arguments);
    assert_eq!(found.as_array().map(Vec::len), Some(3));
    assert!((estimate(of_kind(&found, "speciation"), "unit_fraction_ortho") - 1.0).abs() < 1e-12);
    let parameters = of_kind(&found, "steinhardt")["parameters"].to_string();
    assert!(parameters.contains("3.6"), "{parameters}");
    for (from, to, expected) in [
        ("\"Li\"", "\"Na\"", "Na"),
        ("2.5 A", "2.5", "a.toml:12: `cutoffs`"),
        ("[6]", "[60]", "a.toml:3: `l`"),
        ("bin = 2.0", "bins = 2.0", "a.toml:9: unknown key `bins`"),
        ("\"PS4\"", "\"4PS\"", "a.toml:15: `formula`"),
        ("\"speciation\"", "\"arrhenius\"", "a sweep of temperatures"),
        ("\"speciation\"", "\"diffusion\"", "a.toml:12: unknown key `cutoffs`"),
    ] {
        fs::write(folder.path().join("a.toml"), config.replace(from, to)).expect("a folder");
        let output = vitrion(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{to}");
        let text = one_line(&stderr(&output));
        assert!(text.contains(expected), "{to}: {text}");
    }
}

#[test]
fn independent_trajectories_are_pooled() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seed, name) in [(4, "a.extxyz"), (5, "b.extxyz"), (6, "c.extxyz")] {
        write_beta(folder.path(), name, seed, false);
    }
    let only = ["--only", "coordination", "--json", "--quiet"];
    let files = ["analyze", "a.extxyz", "b.extxyz", "c.extxyz", "--independent"];
    let pooled = json(folder.path(), &[&files[..], &only].concat());
    let single = |name| {
        let found = json(folder.path(), &[&["analyze", name][..], &only].concat());
        estimate(&found[0], "bond_length_P_S_a")
    };
    let mean = (single("a.extxyz") + single("b.extxyz") + single("c.extxyz")) / 3.0;
    assert!((estimate(&pooled[0], "bond_length_P_S_a") - mean).abs() < 1e-9);
    let parameters = pooled[0]["parameters"].to_string();
    assert!(parameters.contains("[\"trajectories\",\"3\"]"), "{parameters}");
}

#[test]
fn a_run_finds_what_analyze_finds() {
    let folder = workplace("good/argon.toml");
    let path = folder.path().join("run.toml");
    let text = fs::read_to_string(&path).expect("it was copied");
    let tables = "\n[[analysis]]\nkind = \"steinhardt\"\nnearest = 12\nl = [4, 6]\n";
    let text =
        text.replace("\"60 K\", \"80 K\", ", "").replace("[\"100 K\"]", "[\"100 K\", \"90 K\"]");
    let start = text.find("[[analysis]]").expect("there are some");
    fs::write(&path, format!("{}{tables}", &text[..start])).expect("the folder is there");
    fs::write(folder.path().join("a.toml"), tables).expect("the folder is there");
    json(folder.path(), &["run", "run.toml", "--json", "--quiet"]);
    let run = "argon/runs/argon-100K";
    let of_run = fs::read_to_string(folder.path().join(run).join("analysis/steinhardt.json"));
    let of_run: Value = serde_json::from_str(&of_run.expect("written by the run")).expect("JSON");
    let trajectory = format!("{run}/stages/01-production/trajectory.extxyz.zst");
    let arguments = ["analyze", &trajectory, "--config", "a.toml", "--json", "--quiet"];
    let found = json(folder.path(), &arguments);
    assert_eq!(found[0]["estimates"], of_run["estimates"]);
    assert_eq!(found[0]["curves"], of_run["curves"]);
    assert!(folder.path().join(run).join("analysis/steinhardt.estimates.csv").exists());
    let page = fs::read_to_string(folder.path().join("argon/report.html")).expect("a page");
    assert!(page.contains("Steinhardt"));
}

/// β-cristobalite: silicon as in diamond, oxygen halfway between.
fn write_silica(folder: &Path) {
    let (mut symbols, mut positions) = (Vec::new(), Vec::new());
    for corner in [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]] {
        let mut add = |symbol, shift: [f64; 3]| {
            symbols.push(symbol);
            positions.push(std::array::from_fn(|k| 7.16 * (corner[k] + shift[k])));
        };
        add("Si", [0.0; 3]);
        add("Si", [0.25; 3]);
        for [x, y] in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] {
            add("O", [0.125 * x, 0.125 * y, 0.125 * x * y]);
        }
    }
    let cell = Cell::orthorhombic([7.16; 3]).expect("a cube");
    let silica = Structure::new(cell, &symbols, positions).expect("elements");
    let frame: Frame = supercell::repeat(&silica, [2, 2, 2]).into();
    let mut text = Vec::new();
    extxyz::write_frame(&mut text, &frame).expect("memory");
    fs::write(folder.join("silica.extxyz"), text).expect("the folder is there");
}

#[test]
fn settings_of_the_guide_and_of_the_examples_work_as_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "beta.extxyz", 5, true);
    write_silica(folder.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |path: &str| fs::read_to_string(root.join(path)).expect("it is part of the program");
    let guide = text("docs/book/src/guide/structure.md");
    let mut settings: Vec<String> = guide
        .split("```toml\n")
        .skip(1)
        .map(|block| block.split("```").next().expect("a part").to_owned())
        .collect();
    assert_eq!(settings.len(), 2, "settings in the guide");
    settings.push(text("examples/analyze-li3ps4/structure.toml"));
    for one in settings {
        fs::write(folder.path().join("settings.toml"), &one).expect("the folder is there");
        let silica = one.contains("Si-O");
        let file = if silica { "silica.extxyz" } else { "beta.extxyz" };
        let arguments = ["analyze", file, "--config", "settings.toml", "--json", "--quiet"];
        let found = json(folder.path(), &arguments);
        assert_eq!(found.as_array().expect("a list").len(), one.matches("kind =").count());
        let units = of_kind(&found, "speciation");
        if silica {
            // one network across all faces of the cell
            assert!((estimate(units, "unit_fraction_network") - 1.0).abs() < 1e-12, "{units}");
        } else {
            assert!((estimate(units, "unit_fraction_PS4") - 1.0).abs() < 1e-12);
        }
    }
}
