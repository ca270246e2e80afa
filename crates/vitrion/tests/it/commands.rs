//! Commands on good input.

use super::{stderr, stdout, vitrion, workplace};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = vitrion(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON on stdout")
}

#[test]
fn a_run_leaves_every_promised_file_and_a_second_call_changes_nothing() {
    let folder = workplace("good/argon.toml");
    let summary = json(folder.path(), &["run", "run.toml", "--json", "--quiet"]);
    assert_eq!(summary["manifest"]["status"], "finished");
    let results = folder.path().join("argon");
    for file in [
        "run.toml",
        "plan.toml",
        "manifest.json",
        "report.html",
        "runs/argon-60K/initial.extxyz",
        "runs/argon-60K/stages/00-heat/done.json",
        "runs/argon-80K/stages/01-production/thermo.csv",
        "runs/argon-80K/stages/01-production/trajectory.extxyz.zst",
        "runs/argon-80K/stages/01-production/final.extxyz",
        "runs/argon-80K/analysis/radial_distribution.json",
        "runs/argon-100K/analysis/mean_squared_displacement-Ar.json",
        "runs/argon-100K/analysis/diffusion-Ar.json",
        "analysis/argon/arrhenius-Ar.json",
    ] {
        assert!(results.join(file).exists(), "{file}");
    }
    assert!(!folder.path().join("argon/manifest.json.part").exists());
    let done = results.join("runs/argon-60K/stages/00-heat/done.json");
    let before = fs::read(&done).expect("readable");
    let diffusion = results.join("runs/argon-80K/analysis/diffusion-Ar.json");
    let diffusion_before = fs::read(&diffusion).expect("readable");
    json(folder.path(), &["run", "run.toml", "--json", "--quiet"]);
    assert_eq!(fs::read(&done).expect("readable"), before, "a finished stage is not run again");
    assert_eq!(fs::read(&diffusion).expect("readable"), diffusion_before);
    let info = json(folder.path(), &["info", "argon", "--json"]);
    assert_eq!(info["systems"][0]["runs"].as_array().map(Vec::len), Some(3));
}

#[test]
fn check_prints_the_plan_and_runs_nothing() {
    let folder = workplace("good/argon.toml");
    let checked = json(folder.path(), &["check", "run.toml", "--json"]);
    let plan = &checked["plan"];
    assert_eq!(plan["stage"][1]["thermostat_period_fs"], 100.0, "defaults are visible");
    assert_eq!(plan["run"][2]["id"], "argon-100K");
    assert_eq!(plan["system"][0]["atoms"], 108);
    assert!(checked["estimate"]["wall_s"].as_f64().is_some_and(|s| s > 0.0));
    let bytes = checked["estimate"]["runs"][0]["bytes_per_atom"].as_f64().expect("a number");
    assert!(bytes > 500.0 && bytes < 4000.0, "{bytes} bytes per atom");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing is written");
}

#[test]
fn structures_survive_a_conversion_and_back() {
    let folder = workplace("good/argon.toml");
    let there = json(folder.path(), &["convert", "argon.extxyz", "a.extxyz.zst", "--json"]);
    assert_eq!((&there["frames_written"], &there["atoms"]), (&1.into(), &4.into()));
    json(folder.path(), &["convert", "a.extxyz.zst", "b.extxyz", "--json"]);
    json(folder.path(), &["convert", "b.extxyz", "b.extxyz.gz", "--json"]);
    let info = |file: &str| {
        let mut info = json(folder.path(), &["info", file, "--json"]);
        info["format"].take();
        info
    };
    assert_eq!(info("argon.extxyz"), info("b.extxyz.gz"));
}

#[test]
fn a_converted_model_predicts_what_the_embedded_one_does() {
    let folder = workplace("good/argon.toml");
    fs::write(
        folder.path().join("li2s.extxyz"),
        "3\nLattice=\"4 0 0 0 5 0 1 0 6\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n\
         Li 0 0 0\nLi 2 1.8 1\nS 0.5 2.1 3\n",
    )
    .expect("writable");
    json(folder.path(), &["convert", "builtin:li-p-s", "m.dp", "--json"]);
    let predict = |model: &str| {
        json(folder.path(), &["predict", model, "li2s.extxyz", "--json"])["frames"][0].take()
    };
    let (first, second) = (predict("builtin:li-p-s"), predict("m.dp"));
    let energy = first["energy"].as_f64().expect("a number");
    assert!((energy - second["energy"].as_f64().expect("a number")).abs() < 1e-6 * energy.abs());
    let sum: f64 = first["atom_energies"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| e.as_f64().expect("a number"))
        .sum();
    assert!((sum - energy).abs() < 1e-9 * energy.abs());
    // a model agrees with its own labels
    let arguments = ["predict", "m.dp", "li2s.extxyz", "--out", "labelled.extxyz", "--json"];
    json(folder.path(), &arguments);
    let table = json(folder.path(), &["eval", "m.dp", "labelled.extxyz", "--json"]);
    for key in ["energy_mev_per_atom", "force_mev_per_A", "virial_mev_per_atom"] {
        assert!(table["total"][key]["rmse"].as_f64().is_some_and(|e| e < 1e-4), "{key}: {table}");
    }
}

#[test]
fn analyze_finds_in_a_trajectory_what_the_run_found() {
    let folder = workplace("good/argon.toml");
    json(folder.path(), &["run", "run.toml", "--json", "--quiet"]);
    let trajectory = "argon/runs/argon-100K/stages/01-production/trajectory.extxyz.zst";
    let only = ["--only", "radial_distribution"];
    let motion = ["--species", "Ar", "--temperature", "100 K"];
    let arguments = [&["analyze", trajectory, "--json"][..], &only, &motion].concat();
    let found = json(folder.path(), &arguments);
    let text =
        fs::read_to_string(folder.path().join("argon/runs/argon-100K/analysis/diffusion-Ar.json"))
            .expect("written by the run");
    let of_run: Value = serde_json::from_str(&text).expect("JSON");
    let kinds: Vec<&str> =
        found.as_array().expect("a list").iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!(
        kinds,
        ["radial_distribution", "mean_squared_displacement", "non_gaussian", "diffusion"]
    );
    assert_eq!(found[3]["estimates"], of_run["estimates"]);
}

#[test]
fn bench_measures_a_small_case_and_explains_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["bench", "md", "--sizes", "30", "--steps", "2", "--on-threads", "1"];
    let measured = json(folder.path(), &[&arguments[..], &["--json", "-q"]].concat());
    let runs = measured["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2, "mixed and double");
    for run in runs {
        assert_eq!((run["atoms"].as_u64(), run["threads"].as_u64()), (Some(32), Some(1)));
        for key in ["us_per_atom_step", "ns_per_day", "gflops", "fraction_of_peak", "kb_per_atom"] {
            assert!(run[key].as_f64().is_some_and(|x| x > 0.0 && x.is_finite()), "{key}");
        }
    }
    let output = vitrion(folder.path(), &[&arguments[..], &["--precision", "mixed"]].concat());
    let text = stdout(&output);
    for word in ["f32 multiply-add", "µs/atom/step", "neighbour", "embedding nets tabulated"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is written");
    let refused = vitrion(folder.path(), &["bench", "md", "--sizes", "0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--sizes must be at least 1 atom"), "{}", stderr(&refused));
}

#[test]
fn a_committee_reports_how_much_its_members_disagree() {
    let folder = workplace("good/argon.toml");
    let model = ["predict", "builtin:li-p-s", "frame.extxyz"];
    let text = "2\nLattice=\"9 0 0 0 9 0 0 0 9\" Properties=species:S:1:pos:R:3\n\
                Li 0.0 0.0 0.0\nS 2.4 0.3 0.1\n";
    fs::write(folder.path().join("frame.extxyz"), text).expect("writable");
    let alone = json(folder.path(), &[&model[..], &["--json"]].concat());
    assert!(alone["frames"][0].get("force_deviation").is_none());
    let twins =
        json(folder.path(), &[&model[..], &["--with", "builtin:li-p-s", "--json"]].concat());
    assert_eq!(twins["frames"][0]["forces"], alone["frames"][0]["forces"]);
    let deviation = twins["frames"][0]["force_deviation"].as_array().expect("one per atom");
    assert!(deviation.len() == 2 && deviation.iter().all(|x| x.as_f64() == Some(0.0)));
    let exact = json(folder.path(), &[&model[..], &["--exact", "--json"]].concat());
    let energy = |found: &Value| found["frames"][0]["energy"].as_f64().expect("an energy");
    assert!((energy(&exact) - energy(&alone)).abs() < 1e-9);
}

#[test]
fn a_relaxed_crystal_has_no_forces_and_the_pressure_asked_for() {
    let folder = workplace("good/argon.toml");
    // lithium sulphide, antifluorite, 5 % too long and one ion off its site
    fs::write(
        folder.path().join("li2s.extxyz"),
        "3\nLattice=\"0 3 3 3 0 3 3 3 0\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n\
         Li 1.5 1.5 1.6\nLi 4.5 4.5 4.5\nS 0 0 0\n",
    )
    .expect("writable");
    let relax = ["relax", "builtin:li-p-s", "li2s.extxyz", "--out", "r.extxyz", "--json"];
    let cell = ["--cell", "isotropic", "--pressure", "1 GPa", "--force-tolerance", "1 meV/A"];
    let found = json(folder.path(), &[&relax[..], &cell[..]].concat())[0].take();
    assert_eq!(found["converged"], true, "{found}");
    assert!(found["force_ev_per_a"].as_f64().is_some_and(|f| f <= 1e-3));
    let stress = &found["stress_gpa"];
    let trace: f64 = (0..3).map(|a| stress[a][a].as_f64().expect("a number")).sum();
    assert!((trace / 3.0 + 1.0).abs() < 0.011, "{stress}");
    let frame = json(folder.path(), &["predict", "builtin:li-p-s", "r.extxyz", "--json"]);
    let energy = frame["frames"][0]["energy"].as_f64().expect("a number");
    assert!((energy - found["energy_ev"].as_f64().expect("a number")).abs() < 1e-9 * energy.abs());
}

#[test]
fn a_random_packing_has_the_composition_and_density_asked_for() {
    let folder = workplace("good/argon.toml");
    let packing = ["build", "packing", "75Li2S-25P2S5", "--atoms", "64", "--density", "1.85 g/cm3"];
    let out = ["--out", "start.extxyz", "--distance", "S-S=2.9", "--json"];
    let built = json(folder.path(), &[&packing[..], &out[..]].concat());
    assert_eq!((&built["atoms"], &built["formula"]), (&64.into(), &"Li24P8S32".into()));
    assert!(built["density_g_per_cm3"].as_f64().is_some_and(|d| (d - 1.85).abs() < 1e-9));
    assert!(built["closest_pair_a"].as_f64().is_some_and(|d| d > 1.9), "{built}");
    // dynamics can start from it
    let found = json(folder.path(), &["predict", "builtin:li-p-s-fast", "start.extxyz", "--json"]);
    assert!(found["frames"][0]["energy"].as_f64().is_some_and(f64::is_finite));
}
