use super::*;
use crate::pass::Accumulator;
use vitrion_core::phases::Phases;
use vitrion_core::{Cell, Frame, Structure};

fn analyse(frame: &Frame, settings: CoordinationSettings) -> Observables {
    let table = frame.structure.table.clone();
    let analysis = Coordination::new(&table, settings).expect("good settings");
    let mut all = Accumulator::new(table, analysis);
    all.add(frame).expect("a good frame");
    all.finish().expect("a frame was added")
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}: {:?}", found.estimates)).value
}

/// Rock salt: every Li has six S at half the edge.
fn rock_salt() -> Frame {
    let (mut symbols, mut r) = (Vec::new(), Vec::new());
    for k in 0..8 {
        let site = [k % 2, k / 2 % 2, k / 4];
        symbols.push(if site.iter().sum::<i32>() % 2 == 0 { "Li" } else { "S" });
        r.push(site.map(|n| 2.6 * f64::from(n)));
    }
    let cell = Cell::orthorhombic([5.2; 3]).expect("a box");
    Structure::new(cell, &symbols, r).expect("elements").into()
}

#[test]
fn rock_salt_is_six_fold() {
    let found = analyse(&rock_salt(), CoordinationSettings::default());
    assert!((value(&found, "fraction_LiS6") - 1.0).abs() < 1e-12);
    assert!((value(&found, "coordination_Li_S") - 6.0).abs() < 1e-12);
    assert!((value(&found, "bond_length_Li_S_a") - 2.6).abs() < 1e-12);
    assert!(value(&found, "bond_length_sd_Li_S_a") < 1e-6);
    assert_eq!(found.categories[0].names, ["LiS6"]);
}

#[test]
fn phases_have_environments_of_their_own() {
    let mut frame = rock_salt();
    // one Li off its site, with fewer S within 3.2 Å
    let first = frame.structure.atoms_of("Li")[0];
    frame.structure.positions[first][0] += 0.9;
    let label = |atom| if atom == first { "glass" } else { "crystal" };
    let labels: Vec<&str> = (0..frame.structure.len()).map(label).collect();
    frame.structure.phases = Some(Arc::new(Phases::new(&labels).expect("plain names")));
    let phases = vec!["glass".to_owned(), "crystal".to_owned()];
    let found = analyse(&frame, CoordinationSettings { phases, ..CoordinationSettings::default() });
    assert!((value(&found, "fraction_LiS5_glass") - 1.0).abs() < 1e-12);
    assert!((value(&found, "fraction_LiS6_crystal") - 1.0).abs() < 1e-12);
    assert!((value(&found, "fraction_LiS6") - 0.75).abs() < 1e-12);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let table = Arc::new(SpeciesTable::new(&["Li", "S", "Xe"]).expect("elements"));
    let refused = |settings: CoordinationSettings| {
        Coordination::new(&table, settings).expect_err("bad").to_string()
    };
    let text = refused(CoordinationSettings {
        centers: vec!["Xe".into()],
        ..CoordinationSettings::default()
    });
    assert!(text.contains("none for Xe"), "{text}");
    let cutoffs = vec![BondCutoff { pair: ["Li".into(), "Xe".into()], cutoff: 3.0 }];
    let text = refused(CoordinationSettings { cutoffs, ..CoordinationSettings::default() });
    assert!(text.contains("Li-Xe; expected pairs of a centre and a ligand"), "{text}");
}
