//! Lennard-Jones and ZBL against LAMMPS; the README beside the data says how it was made.

use serde_json::Value;
use std::path::Path;
use vitrion_core::testing::derivatives::evaluate;
use vitrion_core::{Cell, Potential, SpeciesTable, Structure};
use vitrion_model::classical::{LennardJones, LennardJonesPair, Zbl};

fn read(name: &str) -> (Value, Structure) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/classical").join(name);
    let text = std::fs::read_to_string(path).expect("a fixture");
    let json: Value = serde_json::from_str(&text).expect("valid JSON");
    let cell: [[f64; 3]; 3] = serde_json::from_value(json["cell"].clone()).expect("a matrix");
    let symbols: Vec<String> = serde_json::from_value(json["symbols"].clone()).expect("symbols");
    let positions: Vec<[f64; 3]> =
        serde_json::from_value(json["positions"].clone()).expect("positions");
    let cell = Cell::periodic(cell).expect("a cell");
    let structure = Structure::new(cell, &symbols, positions).expect("elements");
    (json, structure)
}

fn compare(potential: &mut dyn Potential, structure: &Structure, case: &Value, tolerance: f64) {
    let result = evaluate(potential, structure);
    let energy = case["energy"].as_f64().expect("an energy");
    let scale = energy.abs().max(1.0);
    assert!((result.energy - energy).abs() < tolerance * scale, "{} vs {energy}", result.energy);
    let forces: Vec<[f64; 3]> = serde_json::from_value(case["forces"].clone()).expect("forces");
    let largest = forces.iter().flatten().fold(1.0_f64, |m, f| m.max(f.abs()));
    for (ours, theirs) in result.forces.iter().zip(&forces) {
        for k in 0..3 {
            assert!((ours[k] - theirs[k]).abs() < tolerance * largest, "{ours:?} vs {theirs:?}");
        }
    }
    let virial: [[f64; 3]; 3] = serde_json::from_value(case["virial"].clone()).expect("a virial");
    let largest = virial.iter().flatten().fold(1.0_f64, |m, w| m.max(w.abs()));
    for a in 0..3 {
        for b in 0..3 {
            assert!((result.virial[a][b] - virial[a][b]).abs() < tolerance * largest);
        }
    }
}

#[test]
fn lennard_jones_agrees_with_lammps() {
    let (json, structure) = read("lj-cut.json");
    let cases = json["cases"].as_array().expect("cases");
    let parameters: Vec<LennardJonesPair> = ["Ar", "Kr"]
        .iter()
        .map(|s| {
            let pair = &json["pairs"][format!("{s}-{s}")];
            let value = |key: &str| pair[key].as_f64().expect("a parameter");
            LennardJonesPair { epsilon: value("epsilon"), sigma: value("sigma") }
        })
        .collect();
    let mixed = &json["pairs"]["Ar-Kr"];
    let value = |key: &str| mixed[key].as_f64().expect("a parameter");
    let between = LennardJonesPair { epsilon: value("epsilon"), sigma: value("sigma") };
    for case in cases {
        let species = SpeciesTable::new(&["Ar", "Kr"]).expect("elements");
        let cutoff = case["cutoff"].as_f64().expect("a cutoff");
        let shifted = case["shift"].as_bool().expect("a flag");
        let mut lj = LennardJones::new(species, &parameters, cutoff, shifted)
            .expect("positive")
            .with_pair(0, 1, between);
        compare(&mut lj, &structure, case, 1e-12);
    }
}

#[test]
fn zbl_agrees_with_lammps() {
    let (json, structure) = read("zbl.json");
    for case in json["cases"].as_array().expect("cases") {
        let species = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
        let value = |key: &str| case[key].as_f64().expect("a distance");
        let mut zbl = Zbl::new(species, value("inner"), value("outer")).expect("ordered");
        // LAMMPS rounds the Coulomb constant to 14.399645 eV Å (2e-8 relative)
        compare(&mut zbl, &structure, case, 1e-6);
    }
}
