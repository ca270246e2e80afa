//! Structure of crystals and of a melt from DFT, where the shared data is at hand.

use std::path::Path;
use vitrion_analysis::structure::{
    Amorphization, AmorphizationSettings, Coordination, CoordinationSettings, Profiles,
    ProfilesSettings, Speciation, SpeciationSettings,
};
use vitrion_analysis::{Observables, Pass, StructuralAnalysis};
use vitrion_core::build::supercell;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::math;
use vitrion_core::{Cell, Frame, Structure};

/// Every `step`-th frame of a system, from `first`; `None` without the data.
fn frames(system: &str, first: usize, step: usize, count: usize) -> Option<Vec<Frame>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lips-dft");
    if !root.is_dir() {
        #[allow(clippy::print_stdout)] // the line by which skipped checks are counted
        {
            println!("SKIPPED: shared data absent");
        }
        return None;
    }
    let all = io::open(&root.join(system), &ReadOptions::default()).expect("a system");
    let chosen = all.skip(first).step_by(step).take(count);
    let chosen: Vec<Frame> = chosen.map(|frame| frame.expect("a frame")).collect();
    assert_eq!(chosen.len(), count);
    Some(chosen)
}

fn analyse(frame: &Frame, analysis: impl StructuralAnalysis + 'static) -> Observables {
    let mut pass = Pass::new(frame.structure.table.clone(), vec![Box::new(analysis)]);
    pass.add(std::slice::from_ref(frame)).expect("a good frame");
    pass.finish().expect("a frame").remove(0)
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}")).value
}

fn coordination(frame: &Frame) -> Observables {
    let settings = CoordinationSettings::default();
    let analysis = Coordination::new(&frame.structure.table, settings).expect("Li, P and S");
    analyse(frame, analysis)
}

fn units(frame: &Frame) -> Observables {
    let settings = SpeciationSettings::default();
    let analysis = Speciation::new(&frame.structure.table, settings).expect("P and S");
    analyse(frame, analysis)
}

/// Names and fractions of formers.
fn formers(found: &Observables) -> Vec<(String, f64)> {
    let all = found.categories.iter().find(|all| all.name == "former_fraction");
    let all = all.expect("always there");
    all.names.iter().cloned().zip(all.values.iter().copied()).collect()
}

#[test]
fn lithium_thiophosphate_crystals_are_lis4_and_ps4() {
    for system in ["beta-Li3PS4", "gamma-Li3PS4"] {
        let Some(start) = frames(system, 0, 1, 1) else { return };
        let found = coordination(&start[0]);
        let lithium = value(&found, "coordination_Li_S");
        assert!((lithium - 4.0).abs() < 0.005, "{system}: {lithium} S around Li within 3.2 Å");
        let bond = value(&found, "bond_length_P_S_a");
        assert!((bond - 2.03).abs() < 0.005, "{system}: P–S {bond} Å");
        let found = units(&start[0]);
        assert_eq!(formers(&found), [("PS4".to_owned(), 1.0)], "{system}");
        assert!(value(&found, "charge_per_former").abs() < 1e-12);
        assert!(found.cautions.iter().all(|caution| caution.code != "sensitive_to_cutoffs"));
    }
}

#[test]
fn as_many_ps4_as_p2s7_make_li7p3s11() {
    let Some(start) = frames("Li7P3S11", 0, 1, 1) else { return };
    let found = units(&start[0]);
    let share = |name: &str| value(&found, &format!("unit_fraction_{name}"));
    assert!((share("PS4") / share("P2S7") - 1.0).abs() < 1e-12);
    assert!((share("PS4") + share("P2S7") - 1.0).abs() < 1e-12);
    assert!((value(&found, "former_fraction_P2S7") - 2.0 / 3.0).abs() < 1e-12);
    assert!(value(&found, "charge_per_former").abs() < 1e-12);
    let lithium = value(&coordination(&start[0]), "coordination_Li_S");
    assert!((lithium - 4.21).abs() < 0.01, "{lithium}");
}

#[test]
fn isomers_of_p2s6_are_told_apart() {
    for (system, name, charge) in
        [("Li4P2S6", "P2S6 (P–P bond)", -4.0), ("Li2P2S6", "P2S6 (edge-sharing)", -2.0)]
    {
        let Some(start) = frames(system, 0, 1, 1) else { return };
        let found = units(&start[0]);
        assert_eq!(formers(&found), [(name.to_owned(), 1.0)], "{system}");
        let machine = name.replace("P–P bond", "direct").replace([' ', '-', '('], "_");
        let machine = machine.replace("__", "_").replace(')', "");
        let found = value(&found, &format!("charge_{machine}"));
        assert!((found - charge).abs() < 1e-12, "{system}: {found}");
    }
}

/// Frames side by side, `n` of them along each lattice vector.
fn mosaic(frames: &[Frame], n: [usize; 3]) -> Structure {
    let cell = &frames[0].structure.cell;
    let (mut symbols, mut positions) = (Vec::new(), Vec::new());
    let mut tile = frames.iter();
    for i in 0..n[0] {
        for j in 0..n[1] {
            for k in 0..n[2] {
                let one = &tile.next().expect("a frame for every tile").structure;
                let shift = cell.to_cartesian([i as f64, j as f64, k as f64]);
                for (atom, r) in one.positions.iter().enumerate() {
                    symbols.push(one.symbol(atom).to_owned());
                    positions.push(math::add(one.cell.wrap(*r).0, shift));
                }
            }
        }
    }
    let matrix = [0, 1, 2].map(|axis| math::scale(cell.matrix()[axis], n[axis] as f64));
    let cell = Cell::periodic(matrix).expect("a larger cell");
    Structure::new(cell, &symbols, positions).expect("elements")
}

fn mean_of_curve(found: &Observables, name: &str) -> f64 {
    let y = &found.curve(name).expect("always there").y;
    y.iter().sum::<f64>() / y.len() as f64
}

#[test]
fn f_of_the_crystal_is_well_below_that_of_a_melt() {
    let n = [3, 4, 3];
    let Some(start) = frames("beta-Li3PS4", 0, 1, 1) else { return };
    let melt = frames("beta-Li3PS4", 180, 20, 36).expect("the same data");
    let crystal = supercell::repeat(&start[0].structure, n);
    let melt = mosaic(&melt, n);
    assert_eq!(crystal.len(), melt.len());
    for axis in 0..3 {
        let f = |structure: &Structure| {
            let settings = AmorphizationSettings { axis, ..Default::default() };
            let analysis = Amorphization::new(settings, structure).expect("good settings");
            mean_of_curve(&analyse(&structure.clone().into(), analysis), "f")
        };
        let contrast = f(&crystal) / f(&melt);
        assert!(contrast < 0.6, "axis {axis}: {contrast}");
    }
}

#[test]
fn a_crystal_beside_a_melt_is_found_and_has_the_density_of_both() {
    let n = [3, 4, 6];
    let Some(start) = frames("beta-Li3PS4", 0, 1, 1) else { return };
    let melt = frames("beta-Li3PS4", 180, 20, 36).expect("the same data");
    // tiles run fastest along c: three of crystal, three of melt
    let mut melt = melt.into_iter();
    let tiles: Vec<Frame> = (0..72)
        .map(|k| if k % 6 < 3 { start[0].clone() } else { melt.next().expect("36 of melt") })
        .collect();
    let structure = mosaic(&tiles, n);
    let length = structure.cell.perpendicular_widths()[2];
    let analysis = Amorphization::new(AmorphizationSettings::default(), &structure);
    let frame: Frame = structure.clone().into();
    let found = analyse(&frame, analysis.expect("good settings"));
    assert!(value(&found, "contrast") < 0.6);
    let mut boundaries = [value(&found, "boundary_1_a"), value(&found, "boundary_2_a")];
    assert!(found.estimate("boundary_3_a").is_none());
    boundaries.sort_by(f64::total_cmp);
    let off = |at: f64, expected: f64| {
        let d = (at - expected) / length;
        (d - d.round()).abs() * length
    };
    let [a, b] = boundaries;
    let apart = off(a, 0.5 * length) + off(b, 0.0);
    let other = off(b, 0.5 * length) + off(a, 0.0);
    assert!(apart.min(other) < 6.0, "{boundaries:?} of {length} Å");
    // the number of atoms of every tile is the same
    let profiles = ProfilesSettings { bin: length / 6.0, ..Default::default() };
    let profiles = Profiles::new(profiles, &structure).unwrap_or_else(|error| panic!("{error}"));
    let found = analyse(&frame, profiles);
    assert!((value(&found, "mass_density_g_per_cm3") - 1.853).abs() < 0.001);
    for y in &found.curve("mass_density").expect("always there").y {
        assert!((y - 1.853).abs() < 0.001, "{y} g/cm³");
    }
}
