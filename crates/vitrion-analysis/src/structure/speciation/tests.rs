use super::*;
use crate::pass::{Accumulator, Pass};
use vitrion_core::math::Vector3;
use vitrion_core::{Cell, Structure};

/// P–S bond length, P–P bond length [Å].
const PS: f64 = 2.05;
const PP: f64 = 2.2;

/// Corners of a tetrahedron around a point.
fn corners(center: Vector3, bond: f64) -> [Vector3; 4] {
    let d = bond / 3.0_f64.sqrt();
    [[d, d, d], [d, -d, -d], [-d, d, -d], [-d, -d, d]]
        .map(|v| std::array::from_fn(|k| center[k] + v[k]))
}

fn frame(edge: f64, atoms: &[(&str, Vector3)]) -> Frame {
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    let symbols: Vec<&str> = atoms.iter().map(|(symbol, _)| *symbol).collect();
    let positions = atoms.iter().map(|(_, r)| *r).collect();
    Structure::new(cell, &symbols, positions).expect("elements").into()
}

fn analyse(frames: &[Frame], settings: SpeciationSettings) -> Observables {
    let table = frames[0].structure.table.clone();
    let analysis = Speciation::new(&table, settings).expect("good settings");
    let mut all = Accumulator::new(table, analysis);
    for frame in frames {
        all.add(frame).expect("the same atoms");
    }
    all.finish().expect("frames were added")
}

fn fraction(found: &Observables, of: &str, name: &str) -> f64 {
    let all = found.categories.iter().find(|all| all.name == of).expect("always there");
    all.names.iter().position(|known| known == name).map_or(0.0, |k| all.values[k])
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}: {:?}", found.estimates)).value
}

/// PS₄, P₂S₇, P₂S₆ of both kinds, S₂ and S far from each other, some across the faces of the cell.
fn zoo() -> Vec<(&'static str, Vector3)> {
    let mut atoms: Vec<(&str, Vector3)> = Vec::new();
    // PS4 on a corner of the cell
    atoms.push(("P", [0.0; 3]));
    atoms.extend(corners([0.0; 3], PS).map(|r| ("S", r)));
    // P2S7: two tetrahedra that share a corner, P···P 3.5 Å
    let at = [12.0, 12.0, 12.0];
    let up: Vector3 = [1.75, 0.0, 1.068];
    let second = [at[0] + 3.5, at[1], at[2]];
    atoms.push(("P", at));
    atoms.push(("P", second));
    atoms.push(("S", [at[0] + up[0], at[1], at[2] + up[2]]));
    for (center, side) in [(at, -1.0), (second, 1.0)] {
        for (y, z) in [(1.7, 0.4), (-1.7, 0.4), (0.0, -1.8)] {
            let x: f64 = side * (PS * PS - y * y - z * z).max(0.0).sqrt();
            atoms.push(("S", [center[0] + x, center[1] + y, center[2] + z]));
        }
    }
    // P2S6 with a P–P bond
    let at = [6.0, 18.0, 6.0];
    let second = [at[0] + PP, at[1], at[2]];
    for (center, side) in [(at, -1.0), (second, 1.0)] {
        atoms.push(("P", center));
        for k in 0..3 {
            let angle = f64::from(k) * 2.0 * std::f64::consts::FRAC_PI_3;
            let (across, along) = (1.93, side * 0.69);
            atoms.push((
                "S",
                [
                    center[0] + along,
                    center[1] + across * angle.cos(),
                    center[2] + across * angle.sin(),
                ],
            ));
        }
    }
    // P2S6 that shares an edge
    let at = [18.0, 4.0, 18.0];
    let second = [at[0] + 3.0, at[1], at[2]];
    for (center, side) in [(at, -1.0), (second, 1.0)] {
        atoms.push(("P", center));
        for y in [1.6, -1.6] {
            atoms.push(("S", [center[0] + side * 1.3, center[1], center[2] + y]));
        }
    }
    for y in [1.5, -1.5] {
        atoms.push(("S", [at[0] + 1.5, at[1] + y, at[2]]));
    }
    // S2 across a face, a free S
    atoms.push(("S", [12.0, 0.9, 23.9]));
    atoms.push(("S", [12.0, 0.9, 1.9]));
    atoms.push(("S", [6.0, 6.0, 18.0]));
    // lithium that makes the whole neutral: 3 + 4 + 4 + 2 + 2 + 2
    for k in 0..17 {
        atoms.push(("Li", [1.4 * f64::from(k), 7.5, 11.5]));
    }
    atoms
}

#[test]
fn every_unit_is_known_wherever_the_cell_begins() {
    for shift in [0.0, 5.3, 11.7] {
        let moved: Vec<(&str, Vector3)> =
            zoo().into_iter().map(|(symbol, r)| (symbol, r.map(|x| x + shift))).collect();
        let found = analyse(&[frame(24.0, &moved)], SpeciationSettings::default());
        for (name, expected) in
            [("PS4", 1.0), ("P2S7", 2.0), ("P2S6 (P–P bond)", 2.0), ("P2S6 (edge-sharing)", 2.0)]
        {
            let (units, formers) = (
                fraction(&found, "unit_fraction", name),
                fraction(&found, "former_fraction", name),
            );
            assert!((units - 0.25).abs() < 1e-12, "{name}: {units} of units");
            assert!((formers - expected / 7.0).abs() < 1e-12, "{name}: {formers} of P");
        }
        for (name, expected) in [
            ("units_S2", 1.0),
            ("units_S_free", 1.0),
            ("charge_PS4", -3.0),
            ("charge_P2S7", -4.0),
            ("charge_P2S6_direct", -4.0),
            ("charge_P2S6_edge_sharing", -2.0),
            ("charge_S2", -2.0),
            ("charge_S_free", -2.0),
            ("charge_per_former", 0.0),
        ] {
            assert!((value(&found, name) - expected).abs() < 1e-12, "{name}");
        }
    }
}

#[test]
fn a_chain_through_the_cell_is_a_network_and_unknown_units_keep_their_formula() {
    // …P–S–P–S… along x, closed only through its image
    let chain: Vec<(&str, Vector3)> =
        (0..4).map(|k| (["P", "S"][k % 2], [2.0 * k as f64, 0.0, 0.0])).collect();
    let found = analyse(&[frame(8.0, &chain)], SpeciationSettings::default());
    assert!((fraction(&found, "unit_fraction", NETWORK) - 1.0).abs() < 1e-12);
    // the same atoms in a larger cell: a finite P2S2
    let found = analyse(&[frame(20.0, &chain)], SpeciationSettings::default());
    assert!((fraction(&found, "unit_fraction", "P2S2") - 1.0).abs() < 1e-12);
    assert!((value(&found, "charge_P2S2") - 6.0).abs() < 1e-12);
    assert!(found.cautions.iter().any(|c| c.code == "charges_do_not_balance"));
}

#[test]
fn silica_is_a_network_of_q4() {
    // ideal β-cristobalite: Si on a diamond lattice, O halfway
    let a = 7.16;
    let fcc = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let mut atoms: Vec<(&str, Vector3)> = Vec::new();
    for site in fcc {
        atoms.push(("Si", site.map(|x| x * a)));
        atoms.push(("Si", site.map(|x| (x + 0.25) * a)));
        let halves =
            [[0.125; 3], [0.125, -0.125, -0.125], [-0.125, 0.125, -0.125], [-0.125, -0.125, 0.125]];
        for half in halves {
            atoms.push(("O", std::array::from_fn(|k| (site[k] + half[k]) * a)));
        }
    }
    let found = analyse(&[frame(a, &atoms)], SpeciationSettings::default());
    assert!((fraction(&found, "former_fraction", NETWORK) - 1.0).abs() < 1e-12);
    assert!((fraction(&found, "bridges_of_formers", "4 bridging ligands") - 1.0).abs() < 1e-12);
    assert!((fraction(&found, "bonds_of_ligands", "bridging") - 1.0).abs() < 1e-12);
    assert!(value(&found, "charge_per_former").abs() < 1e-12);
}

#[test]
fn a_unit_that_breaks_and_heals_has_a_residence_time() {
    let mut whole: Vec<(&str, Vector3)> = vec![("P", [10.0; 3])];
    whole.extend(corners([10.0; 3], PS).map(|r| ("S", r)));
    let mut broken = whole.clone();
    broken[1].1 = [15.0; 3];
    // ten frames whole, two broken, over and over, 100 fs apart
    let frames: Vec<Frame> = (0..120)
        .map(|k| {
            let mut frame = frame(20.0, if k % 12 < 10 { &whole } else { &broken });
            frame.time = Some(100.0 * f64::from(k));
            frame
        })
        .collect();
    let settings = SpeciationSettings { persistence: 3, ..SpeciationSettings::default() };
    let found = analyse(&frames, settings.clone());
    assert!((value(&found, "residence_PS4_ps") - 1.0).abs() < 1e-9);
    assert!((value(&found, "residence_PS3_ps") - 0.2).abs() < 0.02);
    // 19 changes in 119 pairs of frames
    assert!((value(&found, "changed_fraction") - 19.0 / 119.0).abs() < 1e-12);
    // eight of twelve frames are settled, and none of the broken ones
    assert!((value(&found, "settled_fraction") - 8.0 / 12.0).abs() < 1e-12);
    // two trajectories have nothing to do with each other
    let table = frames[0].structure.table.clone();
    let analysis = Speciation::new(&table, settings).expect("good settings");
    let mut pass = Pass::new(table, vec![Box::new(analysis)]);
    pass.add(&frames[..10]).expect("frames");
    pass.next_trajectory();
    pass.add(&frames[10..12]).expect("frames");
    let found = pass.finish().expect("frames").remove(0);
    assert!(value(&found, "changed_fraction").abs() < 1e-12);
}

#[test]
fn the_sensitivity_to_cutoffs_is_seen() {
    // a bond of 2.75 Å counts from a shift of 0.1 Å on
    let mut atoms: Vec<(&str, Vector3)> = vec![("P", [10.0; 3])];
    atoms.extend(corners([10.0; 3], PS).map(|r| ("S", r)));
    atoms[1].1 = corners([10.0; 3], 2.75)[0];
    let found = analyse(&[frame(20.0, &atoms)], SpeciationSettings::default());
    let curve = found.curve("sensitivity_PS3").expect("it is what is there");
    assert_eq!(curve.y, [1.0, 1.0, 1.0, 0.0, 0.0]);
    assert!(found.cautions.iter().any(|c| c.code == "sensitive_to_cutoffs"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let table = Arc::new(SpeciesTable::new(&["Li", "P", "S"]).expect("elements"));
    let refused = |settings| Speciation::new(&table, settings).expect_err("bad").to_string();
    let cutoff = |a: &str, b: &str, cutoff| BondCutoff { pair: [a.into(), b.into()], cutoff };
    let text = refused(SpeciationSettings {
        cutoffs: vec![cutoff("P", "S", 0.2)],
        ..SpeciationSettings::default()
    });
    assert!(text.contains("0.2 Å for P-S; expected more than 0.3 Å"), "{text}");
    let text = refused(SpeciationSettings {
        cutoffs: vec![cutoff("P", "O", 2.0)],
        ..SpeciationSettings::default()
    });
    assert!(text.contains("no atom of species O"), "{text}");
    let text = refused(SpeciationSettings {
        formers: vec!["S".into()],
        ligands: vec!["S".into()],
        ..SpeciationSettings::default()
    });
    assert!(text.contains("S, which is a ligand too"), "{text}");
    let metal = Arc::new(SpeciesTable::new(&["Cu"]).expect("an element"));
    let text = Speciation::new(&metal, SpeciationSettings::default()).expect_err("bad").to_string();
    assert!(text.contains("formers is none among Cu"), "{text}");
}
