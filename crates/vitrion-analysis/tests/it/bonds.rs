//! Bond angles, coordination and units against ASE and networkx (`scripts/references/bonds.py`; versions in
//! the file).

use serde_json::Value;
use vitrion_analysis::structure::{
    BondAngles, BondAnglesSettings, BondCutoff, Coordination, CoordinationSettings, Speciation,
    SpeciationSettings,
};
use vitrion_analysis::{Observables, Pass};
use vitrion_core::{Cell, Frame, Structure};

/// Fractions are quotients of the same whole numbers.
const EXACT: f64 = 1e-12;
/// Ten digits are stored.
const STORED: f64 = 1e-9;

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("numbers")
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}")).value
}

fn fraction(found: &Observables, of: &str, name: &str) -> f64 {
    let all = found.categories.iter().find(|all| all.name == of).expect("always there");
    all.names.iter().position(|known| known == name).map_or(0.0, |k| all.values[k])
}

struct Reference {
    data: Value,
    frames: Vec<Frame>,
    cutoffs: Vec<BondCutoff>,
}

fn reference() -> Reference {
    let data: Value = serde_json::from_str(include_str!("../data/bonds.json")).expect("JSON");
    let cell = Cell::periodic(read(&data["cell"])).expect("a cell");
    let symbols: Vec<String> = read(&data["symbols"]);
    let frames: Vec<Vec<[f64; 3]>> = read(&data["frames"]);
    let frame = |positions| Structure::new(cell.clone(), &symbols, positions).expect("elements");
    let frames = frames.into_iter().map(|positions| frame(positions).into()).collect();
    let cutoffs: Vec<(String, String, f64)> = read(&data["cutoffs"]);
    let bond = |(a, b, cutoff)| BondCutoff { pair: [a, b], cutoff };
    Reference { data, frames, cutoffs: cutoffs.into_iter().map(bond).collect() }
}

#[test]
fn histograms_of_angles_are_those_of_ase() {
    let Reference { data, frames, cutoffs } = reference();
    let table = frames[0].structure.table.clone();
    let settings = BondAnglesSettings { cutoffs, bin: read(&data["bin"]), ..Default::default() };
    let analysis = BondAngles::new(&table, settings).expect("good settings");
    let mut pass = Pass::new(table, vec![Box::new(analysis)]);
    pass.add(&frames).expect("good frames");
    let found = pass.finish().expect("frames").remove(0);
    let width: f64 = read(&data["bin"]);
    let mut compared = 0;
    for (name, counts) in data["angles"].as_object().expect("names") {
        let counts: Vec<f64> = read(counts);
        let total: f64 = counts.iter().sum();
        assert!(total > 0.0, "{name}: nothing to compare");
        let curve = found.curve(&format!("p_{}", name.replace('-', "_")));
        let curve = curve.unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(curve.y.len(), counts.len());
        for (y, count) in curve.y.iter().zip(counts) {
            assert!((y * width * total - count).abs() < 1e-9, "{name}: {y}, {count}");
        }
        compared += 1;
    }
    assert_eq!(compared, 5);
}

#[test]
fn coordination_and_bond_lengths_are_those_of_ase() {
    let Reference { data, frames, cutoffs } = reference();
    let table = frames[0].structure.table.clone();
    let of_centers =
        cutoffs.into_iter().filter(|bond| bond.pair[1] == "S" && bond.pair[0] != "S").collect();
    let settings = CoordinationSettings { cutoffs: of_centers, ..Default::default() };
    let analysis = Coordination::new(&table, settings).expect("good settings");
    let mut pass = Pass::new(table, vec![Box::new(analysis)]);
    pass.add(&frames).expect("good frames");
    let found = pass.finish().expect("frames").remove(0);
    for symbol in ["P", "Li"] {
        let counts = data["coordination"][symbol].as_object().expect("numbers of S");
        let ions: f64 = counts.values().map(read::<f64>).sum();
        let mut bonds = 0.0;
        for (number, count) in counts {
            let name = match number.as_str() {
                "0" => symbol.to_owned(),
                "1" => format!("{symbol}S"),
                _ => format!("{symbol}S{number}"),
            };
            let count: f64 = read(count);
            let share = fraction(&found, &format!("environments_{symbol}"), &name);
            assert!((share - count / ions).abs() < EXACT, "{name}: {share}");
            bonds += count * number.parse::<f64>().expect("a number");
        }
        let mean = value(&found, &format!("coordination_{symbol}_S"));
        assert!((mean - bonds / ions).abs() < EXACT, "{symbol}: {mean}");
        let [length, sd]: [f64; 2] = read(&data["bond_length"][format!("{symbol}-S")]);
        let mean = value(&found, &format!("bond_length_{symbol}_S_a"));
        assert!((mean - length).abs() < STORED, "{symbol}: {mean} is not {length}");
        let spread = value(&found, &format!("bond_length_sd_{symbol}_S_a"));
        assert!((spread - sd).abs() < STORED, "{symbol}: {spread} is not {sd}");
    }
}

#[test]
fn units_are_the_connected_components_of_networkx() {
    let Reference { data, frames, cutoffs } = reference();
    let table = frames[0].structure.table.clone();
    let cutoffs = cutoffs.into_iter().filter(|bond| bond.pair[0] != "Li").collect();
    let settings = SpeciationSettings { cutoffs, ..Default::default() };
    let analysis = Speciation::new(&table, settings).expect("good settings");
    let mut pass = Pass::new(table, vec![Box::new(analysis)]);
    pass.add(&frames).expect("good frames");
    let found = pass.finish().expect("frames").remove(0);
    let units = data["units"].as_object().expect("names");
    let count = |name: &str| read::<f64>(&units[name]);
    let formers = [("PS4", 1.0), ("P2S7", 2.0), ("P2S6 (P–P bond)", 2.0)];
    let all: f64 = formers.iter().map(|(name, _)| count(name)).sum();
    let all_formers: f64 = formers.iter().map(|(name, p)| p * count(name)).sum();
    for (name, p) in formers {
        let share = fraction(&found, "unit_fraction", name);
        assert!((share - count(name) / all).abs() < EXACT, "{name}: {share}");
        let share = fraction(&found, "former_fraction", name);
        assert!((share - p * count(name) / all_formers).abs() < EXACT, "{name}: {share}");
    }
    for (name, unit) in [("units_S_free", "S (free)"), ("units_S2", "S2")] {
        let per_frame = count(unit) / frames.len() as f64;
        assert!((value(&found, name) - per_frame).abs() < EXACT, "{unit}");
    }
    assert_eq!(units.len(), 5);
}
