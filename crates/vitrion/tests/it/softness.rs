//! `vitrion softness`, and its model in `vitrion analyze`.

use super::{one_line, stderr, stdout, vitrion};
use serde_json::Value;
use std::fs;
use std::path::Path;
use vitrion_core::io::{self, ReadOptions, extxyz};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// Ions between resting S; those that have S nearby tremble more.
fn write_trajectory(folder: &Path, name: &str, seed: u64) {
    let mut random = rng::at(seed, Stream::Testing, 86, 0);
    let cell = Cell::from_lengths_angles([15.0, 14.0, 16.0], [80.0, 95.0, 100.0]).expect("closes");
    let symbols: Vec<&str> = (0..150).map(|k| if k < 50 { "Li" } else { "S" }).collect();
    let positions =
        (0..150).map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()))).collect();
    let start = Structure::new(cell, &symbols, positions).expect("elements");
    let near = |atom: usize| {
        let close = |other: &usize| {
            let step =
                std::array::from_fn(|k| start.positions[*other][k] - start.positions[atom][k]);
            let step = start.cell.minimum_image(step);
            step.iter().map(|x| x * x).sum::<f64>() < 9.0
        };
        (50..150).filter(close).count()
    };
    let width: Vec<f64> =
        (0..150).map(|k| if k < 50 { 0.1 + 0.05 * near(k) as f64 } else { 0.02 }).collect();
    let mut text = Vec::new();
    for step in 0..33_u64 {
        let mut random = rng::at(seed, Stream::Testing, 87, step);
        let mut structure = start.clone();
        for (r, width) in structure.positions.iter_mut().zip(&width) {
            let moved = std::array::from_fn(|k| r[k] + width * random.normal());
            *r = structure.cell.wrap(moved).0;
        }
        let frame = Frame { time: Some(100.0 * step as f64), ..structure.into() };
        extxyz::write_frame(&mut text, &frame).expect("memory");
    }
    fs::write(folder.join(name), text).expect("the folder is there");
}

const FILE: &str = r#"
format = 1
name = "soft"
species = "Li"

[[sample]]
name = "one"
trajectory = "one.extxyz"
temperature = "300 K"

[[sample]]
name = "two"
trajectory = "two.extxyz"
temperature = "300 K"

[[sample]]
name = "three"
material = "two"
trajectory = "three.extxyz"
temperature = "400 K"
train = false

[mobility]
interval = "100 fs"
window = "800 fs"
hop_time = "300 fs"

[features]
cutoff = "5 A"

[validation]
bootstraps = 5
permutations = 5

[scan]
c = [0.01, 1.0]
thresholds = [0.3, 0.5]
dr = ["0.2 A", "0.4 A"]
cutoff = ["3 A", "5 A"]
"#;

fn estimate(results: &Value, kind: &str, name: &str) -> f64 {
    let one = results.as_array().expect("a list").iter().find(|one| one["kind"] == kind);
    let list = one.unwrap_or_else(|| panic!("no {kind}"))["estimates"].as_array().expect("a list");
    let found = list.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["value"].as_f64().expect("a number")
}

#[test]
fn a_model_is_made_tested_and_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        write_trajectory(folder.path(), &format!("{name}.extxyz"), number as u64);
    }
    fs::write(folder.path().join("soft.toml"), FILE).expect("writable");
    let output = vitrion(folder.path(), &["softness", "soft.toml", "--json", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let made: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let results = &made["results"];
    let area = estimate(results, "softness_classifier", "auc");
    assert!(area > 0.75, "what makes ions tremble is found: {area}");
    let null = estimate(results, "softness_classifier", "null_auc");
    assert!((null - 0.5).abs() < 0.12, "{null}");
    let kinds: Vec<&str> =
        results.as_array().expect("a list").iter().filter_map(|one| one["kind"].as_str()).collect();
    let expected = [
        "softness_classifier",
        "softness_structure",
        "softness_rearrangement",
        "softness_mobility",
        "softness_scans",
    ];
    assert_eq!(kinds, expected);
    for file in
        ["softness.json", "report.html", "softness.toml", "one.extxyz", "softness_scans.json"]
    {
        assert!(folder.path().join("soft").join(file).exists(), "{file}");
    }
    // a second call replaces nothing, and with --overwrite makes the same model
    let again = vitrion(folder.path(), &["softness", "soft.toml", "--quiet"]);
    assert!(stderr(&again).contains("exists"), "{}", stderr(&again));
    let model = || fs::read(folder.path().join("soft/softness.json")).expect("made");
    let first = model();
    let again = vitrion(
        folder.path(),
        &["softness", "soft.toml", "--quiet", "--overwrite", "--threads", "1"],
    );
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(first == model(), "one thread makes the same model");
    // the model gives the sample that it has not seen the softness that was written beside it
    fs::write(
        folder.path().join("apply.toml"),
        "[[analysis]]\nkind = \"softness\"\nmodel = \"soft/softness.json\"\n",
    )
    .expect("writable");
    let arguments = [
        "analyze",
        "three.extxyz",
        "--config",
        "apply.toml",
        "--atoms",
        "applied.extxyz",
        "--quiet",
    ];
    let output = vitrion(folder.path(), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let column = |file: &str, frame: usize| -> Vec<f64> {
        let text = fs::read_to_string(folder.path().join(file)).expect("made");
        let lines: Vec<&str> = text.lines().skip(frame * 152).take(152).collect();
        let names = lines[1].split("Properties=").nth(1).expect("columns");
        let before = names.split(":softness:").next().expect("it is there");
        let parts: Vec<&str> = before.split(':').collect();
        let at: usize = parts
            .chunks(3)
            .filter_map(|part| part.get(2))
            .map(|count| count.parse::<usize>().expect("a count"))
            .sum();
        let number = |line: &&str| line.split_whitespace().nth(at).expect("a word").parse();
        lines[2..52].iter().map(|line| number(line).expect("a number")).collect()
    };
    for (window, frame) in [(0, 0), (1, 8), (3, 24)] {
        let (written, applied) =
            (column("soft/three.extxyz", window), column("applied.extxyz", frame));
        for (written, applied) in written.iter().zip(&applied) {
            assert!((written - applied).abs() < 1e-9, "{written} {applied}");
        }
    }
    let structure =
        io::read_first(&folder.path().join("soft/three.extxyz"), &ReadOptions::default());
    assert_eq!(structure.expect("readable").structure.len(), 150);
}

#[test]
fn bad_softness_files_are_refused_with_line_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    write_trajectory(folder.path(), "one.extxyz", 1);
    for name in ["two", "three"] {
        fs::copy(folder.path().join("one.extxyz"), folder.path().join(format!("{name}.extxyz")))
            .expect("copied");
    }
    let cases = [
        ("species = \"Li\"", "", "`species`"),
        ("species = \"Li\"", "species = \"Na\"", "no atom of species Na in the trajectory"),
        ("name = \"two\"", "name = \"one\"", "there is a sample \"one\" already"),
        ("window = \"800 fs\"", "window = \"850 fs\"", "a whole number of intervals"),
        ("window = \"800 fs\"", "window = \"80 ps\"", "longer than the trajectory"),
        ("interval = \"100 fs\"", "interval = \"80 fs\"", "no frame is 80 fs after the first"),
        (
            "cutoff = \"5 A\"\n\n[val",
            "cutoff = \"5 A\"\nstructures = \"averaged\"\n\n[val",
            "average",
        ),
        ("cutoff = \"5 A\"\n\n[val", "cutoff = \"0.1 A\"\n\n[val", "less than the cut-off"),
        ("hop_time = \"300 fs\"", "hop_time = \"600 fs\"\nlabel = \"p_hop\"", "twice that time"),
        ("hop_time = \"300 fs\"", "threshold = 1e9", "one class"),
        ("[validation]", "[validation]\nfolds = 60", "cannot be dealt to 60 folds"),
        ("[validation]", "[validation]\nfoldz = 6", "did you mean `folds`?"),
        ("trajectory = \"two.extxyz\"", "trajectory = \"no.extxyz\"", "no.extxyz"),
        ("[scan]", "[scan]\nmost_row = 5", "did you mean `most_rows`?"),
    ];
    for (from, to, expected) in cases {
        assert!(FILE.contains(from), "{from}");
        fs::write(folder.path().join("bad.toml"), FILE.replacen(from, to, 1)).expect("writable");
        let output = vitrion(folder.path(), &["softness", "bad.toml", "--quiet"]);
        let message = one_line(&stderr(&output));
        assert!(message.contains(expected), "{to}: {message}");
        assert_eq!(output.status.code(), Some(1), "{to}: {message}");
        assert!(!folder.path().join("soft").exists(), "{to}: nothing is written");
    }
    fs::write(
        folder.path().join("a.toml"),
        "[[analysis]]\nkind = \"softness\"\nmodel = \"x.json\"\n",
    )
    .expect("writable");
    fs::write(folder.path().join("x.json"), "{}").expect("writable");
    let output = vitrion(folder.path(), &["analyze", "one.extxyz", "--config", "a.toml"]);
    let message = one_line(&stderr(&output));
    assert!(message.contains("a.toml:3") && message.contains("no softness model"), "{message}");
}

#[test]
fn the_example_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/softness-li3ps4");
    let file = vitrion::run_file::SoftnessFile::read(&root.join("softness.toml"));
    let file = file.expect("a good file");
    assert_eq!((file.samples.len(), file.mobility.steps()), (5, 10));
}
