//! Training from frames to a model that other commands use.

use super::{one_line, stderr, stdout, vitrion};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Evaluation, Frame, Labels, SpeciesTable, interactions, io};
use vitrion_model::classical::{LennardJones, LennardJonesPair};

/// Lennard-Jones frames and a training file for a tiny network.
pub(super) fn workplace(energy_unit: f64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let species = SpeciesTable::new(&["Li", "S"]).expect("elements");
    let pairs =
        [(0.1, 2.3), (0.1, 2.5)].map(|(epsilon, sigma)| LennardJonesPair { epsilon, sigma });
    let mut potential = LennardJones::new(species.clone(), &pairs, 4.5, true).expect("positive");
    let mut structure = random_structure(4, &["Li", "S"], 16, random_cell(4, 9.5, 10.0), 2.3);
    let map = structure.table.map_onto(&species).expect("known");
    let types: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
    let mut out = Vec::new();
    for k in 0..60 {
        let mut found = Evaluation::default();
        let (cell, positions) = (&structure.cell, &structure.positions);
        interactions::evaluate(&mut potential, cell, positions, &types, &mut found)
            .expect("finite");
        let mut frame = Frame::from(structure.clone());
        frame.labels = Labels {
            energy: Some(found.energy * energy_unit),
            forces: Some(found.forces.clone()),
            virial: Some(found.virial),
            atom_energies: None,
        };
        io::extxyz::write_frame(&mut out, &frame).expect("memory");
        for (i, r) in structure.positions.iter_mut().enumerate() {
            let phase = f64::from(k) * 0.3 + i as f64;
            *r = [r[0] + 0.02 * phase.sin(), r[1] + 0.02 * (2.0 * phase).cos(), r[2]];
        }
    }
    fs::write(folder.path().join("frames.extxyz"), out).expect("written");
    let mut text = String::from(
        "format = 1\nname = \"tiny\"\nspecies = [\"Li\", \"S\"]\nseed = 5\ncommittee = 1\n\
         [[data]]\npath = \"frames.extxyz\"\n[network]\ncutoff = \"4.5 A\"\nembedding = [4, 8]\naxis = 2\n\
         fitting = [8, 8]\n[batch]\natoms = 64\n[output]\nevery = 20\n",
    );
    let _ = writeln!(text, "[[stage]]\nsteps = 60\nstart_lr = 1e-2\noptimizer = \"muon\"");
    fs::write(folder.path().join("train.toml"), text).expect("written");
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = vitrion(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON on stdout")
}

#[test]
fn a_trained_model_is_evaluated_converted_and_reported() {
    let folder = workplace(1.0);
    let found = json(folder.path(), &["train", "train.toml", "--json", "--quiet"]);
    assert_eq!(found[0][0]["steps"], 60);
    let held = &found[0][1]["validation"]["total"]["force_mev_per_A"]["rmse"];
    let run = folder.path().join("tiny");
    for file in [
        "model.safetensors",
        "checkpoint.bin",
        "lcurve.out",
        "summary.json",
        "evaluation.json",
        "data.json",
        "report.html",
        "figures/parity-force.svg",
        "figures/learning-energy.svg",
    ] {
        assert!(run.join(file).exists(), "{file}");
    }
    let curve = fs::read_to_string(run.join("lcurve.out")).expect("a learning curve");
    assert_eq!(curve.lines().count(), 4);
    let columns = "# step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn rmse_v_val \
                   rmse_v_trn lr";
    assert_eq!(one_line(curve.lines().next().expect("a heading")), columns);

    // finished: going on changes nothing
    let model = fs::read(run.join("model.safetensors")).expect("a model");
    let again = json(folder.path(), &["train", "--continue", "tiny", "--json", "--quiet"]);
    assert_eq!(&again[0][1]["validation"]["total"]["force_mev_per_A"]["rmse"], held);
    assert_eq!(fs::read(run.join("model.safetensors")).expect("a model"), model);

    let output = vitrion(folder.path(), &["convert", "tiny/model.safetensors", "model.dp"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let errors = |model: &str| json(folder.path(), &["eval", model, "frames.extxyz", "--json"]);
    let (own, exported) = (errors("tiny/model.safetensors"), errors("model.dp"));
    let rmse = |v: &Value| v["total"]["force_mev_per_A"]["rmse"].as_f64().expect("a number");
    assert!((rmse(&own) - rmse(&exported)).abs() < 1e-6);

    // fine-tuning starts where the model is
    let tuned = json(
        folder.path(),
        &["train", "train.toml", "--from", "model.dp", "--out", "tuned", "--json", "--quiet"],
    );
    let tuned = tuned[0][1]["training"]["total"]["force_mev_per_A"]["rmse"].as_f64();
    assert!(tuned.expect("a number") < 1.5 * rmse(&own));
}

#[test]
fn a_committee_has_members_of_different_seeds() {
    let folder = workplace(1.0);
    let text = fs::read_to_string(folder.path().join("train.toml")).expect("the file");
    let text = text.replace("committee = 1", "committee = 2").replace("steps = 60", "steps = 5");
    fs::write(folder.path().join("train.toml"), text).expect("written");
    let found = json(folder.path(), &["train", "train.toml", "--json", "--quiet"]);
    assert_eq!((&found[0][0]["seed"], &found[1][0]["seed"]), (&5.into(), &6.into()));
    let of = |k: usize| fs::read(folder.path().join(format!("tiny/model-{k}/model.safetensors")));
    assert_ne!(of(0).expect("a model"), of(1).expect("a model"));
}

#[test]
fn contradictory_frames_are_refused_with_the_reason() {
    let folder = workplace(1.0 / 27.211_386);
    let output = vitrion(folder.path(), &["train", "train.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = one_line(&stderr(&output));
    assert!(
        text.contains("are energies in Hartree?") && text.contains("--accept-errors"),
        "{text}"
    );
    assert!(!folder.path().join("tiny/model.safetensors").exists());
}
