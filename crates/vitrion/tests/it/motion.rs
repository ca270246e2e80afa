//! Analyses of motion from the command line and in runs.

use super::{stderr, stdout, vitrion, workplace};
use serde_json::Value;
use std::fs;
use std::path::Path;
use vitrion_core::build::supercell;
use vitrion_core::io::{self, ReadOptions, extxyz};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Frame, Vector3};

/// Frames of β-Li3PS4 whose atoms tremble and whose Li wander, not wrapped.
fn write_beta(folder: &Path, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("structures/beta-li3ps4.extxyz");
    let beta = io::read_first(&path, &ReadOptions::default()).expect("it is built in");
    let crystal = supercell::repeat(&beta.structure, [1, 2, 3]);
    let lithium = crystal.atoms_of("Li");
    let mut walked: Vec<Vector3> = vec![[0.0; 3]; crystal.len()];
    let mut text = Vec::new();
    for step in 0..130_u64 {
        let mut random = rng::at(3, Stream::Testing, step, 1);
        let mut structure = crystal.clone();
        for (r, walked) in structure.positions.iter_mut().zip(&walked) {
            for (x, walked) in r.iter_mut().zip(walked) {
                *x += walked + 0.05 * random.normal();
            }
        }
        for atom in &lithium {
            for x in &mut walked[*atom] {
                *x += 0.4 * random.normal();
            }
        }
        let time = Some(100.0 * step as f64);
        let frame = Frame { step: Some(step), time, ..structure.into() };
        extxyz::write_frame(&mut text, &frame).expect("memory");
    }
    fs::write(folder.join(name), text).expect("the folder is there");
}

fn of_kind<'a>(found: &'a Value, kind: &str) -> &'a Value {
    let list = found.as_array().expect("a list");
    list.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn estimate<'a>(observables: &'a Value, name: &str) -> &'a Value {
    let list = observables["estimates"].as_array().expect("a list");
    list.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn settings_of_the_guide_and_of_the_example_work_as_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "walk.extxyz");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |path: &str| fs::read_to_string(root.join(path)).expect("it is part of the program");
    let guide = text("docs/book/src/guide/motion.md");
    let blocks = guide.split("```toml\n").skip(1);
    let mut settings: Vec<String> =
        blocks.map(|block| block.split("```").next().expect("a part").to_owned()).collect();
    assert_eq!(settings.len(), 1, "settings in the guide");
    settings.push(text("examples/analyze-li3ps4/motion.toml"));
    for one in settings {
        fs::write(folder.path().join("motion.toml"), &one).expect("the folder is there");
        let arguments = ["analyze", "walk.extxyz", "--config", "motion.toml", "--quiet", "--json"];
        let more = ["--temperature", "900 K", "--out", "motion", "--overwrite"];
        let outputs = ["1", "2"].map(|threads| {
            let threads = ["--threads", threads];
            vitrion(folder.path(), &[&arguments[..], &more[..], &threads[..]].concat())
        });
        assert!(outputs[0].status.success(), "{}", stderr(&outputs[0]));
        let [one_thread, two] = outputs.map(|output| stdout(&output));
        assert_eq!(one_thread, two, "results depend on the number of threads");
        assert!(!one_thread.contains("null"), "not every number is finite");
        let found: Value = serde_json::from_str(&one_thread).expect("JSON");
        assert_eq!(found.as_array().expect("a list").len(), one.matches("kind =").count());
        // steps of 0.4 Å along each axis: D = 0.08 Å² per 100 fs
        let d = estimate(of_kind(&found, "diffusion"), "diffusion_cm2_per_s");
        let (value, error) = (&d["value"], &d["uncertainty"]["value"]);
        let [value, error] = [value, error].map(|x| x.as_f64().expect("a number"));
        assert!((value - 8e-5).abs() < 4.0 * error, "{d}");
    }
    let made = |name: &str| folder.path().join("motion").join(name);
    for name in ["density_map.cube", "paths.xyz", "van_hove.self_li.csv", "sites.link.csv"] {
        assert!(made(name).exists(), "{name}");
    }
    let moved = io::read_first(&made("displacement_snapshots.xyz"), &ReadOptions::default());
    assert!(moved.expect("a frame").structure.len() > 100);
    assert!(made("figures/van-hove-self-Li.svg").exists(), "the map is drawn");
    let page = fs::read_to_string(made("report.html")).expect("a page");
    for title in ["Hops of Li between sites", "Collective transport", "Reorientation", "Density"] {
        assert!(page.contains(title), "{title}");
    }
}

#[test]
fn seeds_of_a_run_are_averaged() {
    let folder = workplace("good/argon.toml");
    let path = folder.path().join("run.toml");
    let text = fs::read_to_string(&path).expect("it was copied");
    let end = text.find("[[analysis]]\nkind = \"arrhenius\"").expect("it is there");
    let text =
        text[..end].replace("[\"60 K\", \"80 K\", \"100 K\"]", "[\"100 K\"]\nseeds = [1, 2, 3]");
    fs::write(&path, text).expect("the folder is there");
    let output = vitrion(folder.path(), &["run", "run.toml", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let pooled = folder.path().join("argon/analysis/argon/mean_squared_displacement-Ar-100K.json");
    let pooled = fs::read_to_string(pooled).expect("three runs are averaged");
    let pooled: Value = serde_json::from_str(&pooled).expect("JSON");
    let parameters = pooled["parameters"].to_string();
    assert!(parameters.contains("[\"independent runs\",\"3\"]"), "{parameters}");
    let n_eff = &estimate(&pooled, "exponent")["uncertainty"]["n_eff"];
    assert!(n_eff.as_f64().expect("a number") >= 3.0);
}

#[test]
fn positions_that_are_wrapped_are_refused_and_joined_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    write_beta(folder.path(), "walk.extxyz");
    let frames = io::read_all(&folder.path().join("walk.extxyz"), &ReadOptions::default());
    let mut text = Vec::new();
    for mut frame in frames.expect("frames") {
        let cell = frame.structure.cell.clone();
        for r in &mut frame.structure.positions {
            *r = cell.wrap(*r).0;
        }
        extxyz::write_frame(&mut text, &frame).expect("memory");
    }
    fs::write(folder.path().join("wrapped.extxyz"), text).expect("the folder is there");
    let arguments = ["analyze", "wrapped.extxyz", "--species", "Li", "--only", "steinhardt"];
    let rest = ["--temperature", "900 K", "--json", "--quiet"];
    let all = [&arguments[..], &rest[..]].concat();
    let refused = vitrion(folder.path(), &all);
    assert!(!refused.status.success() && stderr(&refused).contains("--unwrap"));
    let joined = vitrion(folder.path(), &[&all[..], &["--unwrap"]].concat());
    let whole = all.iter().map(|a| if *a == "wrapped.extxyz" { "walk.extxyz" } else { a });
    let whole = vitrion(folder.path(), &whole.collect::<Vec<_>>());
    let d = |output| {
        let found: Value = serde_json::from_str(&stdout(output)).expect("JSON");
        estimate(of_kind(&found, "diffusion"), "diffusion_cm2_per_s")["value"].as_f64()
    };
    let (joined, whole) = (d(&joined).expect("a number"), d(&whole).expect("a number"));
    assert!((joined / whole - 1.0).abs() < 1e-9, "{joined} {whole}");
}
