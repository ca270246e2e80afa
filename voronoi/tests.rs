use super::*;
use crate::pass::Accumulator;
use vitrion_core::phases::Phases;
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Frame, Structure};

fn analyse(frames: &[Frame], settings: VoronoiVolumesSettings) -> Observables {
    let table = frames[0].structure.table.clone();
    let analysis = VoronoiVolumes::new(&table, settings).expect("good settings");
    let mut all = Accumulator::new(table, analysis);
    for frame in frames {
        all.add(frame).expect("a good frame");
    }
    all.finish().expect("frames were added")
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}: {:?}", found.estimates)).value
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found}, {expected}");
}

fn radius(element: &str, radius: f64) -> AtomRadius {
    AtomRadius { element: element.into(), radius }
}

/// Nearest neighbours at 2.6 Å; all cells are cubes.
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

fn glass(seed: u64) -> Frame {
    let cell = systems::random_cell(seed, 9.0, 11.0);
    systems::random_structure(seed, &["Li", "Li", "S", "P"], 40, cell, 1.8).into()
}

#[test]
fn atoms_of_rock_salt_have_cubes() {
    let found = analyse(&[rock_salt()], VoronoiVolumesSettings::default());
    let cube = 2.6_f64.powi(3);
    for symbol in ["Li", "S"] {
        close(value(&found, &format!("mean_volume_{symbol}_a3")), cube);
        assert!(value(&found, &format!("sd_volume_{symbol}_a3")) < 1e-6);
        close(value(&found, &format!("faces_{symbol}")), 6.0);
        close(value(&found, &format!("volume_fraction_{symbol}")), 0.5);
    }
    close(value(&found, "mean_volume_Li_coordination_6_a3"), cube);
    let curve = found.curve("p_volume_Li").expect("a curve");
    let bin = (cube / 0.5) as usize;
    close(curve.y[bin], 2.0);
    close(curve.y.iter().sum::<f64>() * 0.5, 1.0);
    assert!(found.cautions.is_empty());
}

#[test]
fn radii_move_the_faces_between_unlike_atoms() {
    let radii = vec![radius("Li", 0.8), radius("S", 1.6)];
    let found = analyse(
        &[rock_salt()],
        VoronoiVolumesSettings { radii, ..VoronoiVolumesSettings::default() },
    );
    // the face is at (d² + R_Li² − R_S²)/2d from Li, where the cells are still cubes
    let half = (2.6_f64.powi(2) + 0.64 - 2.56) / 5.2;
    let expected = (2.0 * half).powi(3);
    close(value(&found, "mean_volume_Li_a3"), expected);
    close(value(&found, "mean_volume_S_a3"), 2.0 * 2.6_f64.powi(3) - expected);
}

#[test]
fn volumes_of_a_disordered_frame_add_up_in_every_grouping() {
    let mut frame = glass(4);
    let atoms = frame.structure.len();
    let labels: Vec<&str> = (0..atoms).map(|k| ["glass", "crystal"][k % 2]).collect();
    frame.structure.phases = Some(Arc::new(Phases::new(&labels).expect("plain names")));
    let radii = vec![radius("Li", 0.9), radius("S", 1.8), radius("P", 1.1)];
    for radii in [Vec::new(), radii] {
        let phases = vec!["crystal".to_owned(), "glass".to_owned()];
        let settings =
            VoronoiVolumesSettings { radii, phases, ..VoronoiVolumesSettings::default() };
        let found = analyse(&[frame.clone()], settings);
        let counts = frame.structure.counts();
        let sum: f64 = (frame.structure.table.symbols().iter().zip(&counts))
            .map(|(symbol, n)| *n as f64 * value(&found, &format!("mean_volume_{symbol}_a3")))
            .sum();
        close(sum, frame.structure.cell.volume());
        let of = |suffix: &str| value(&found, &format!("mean_volume_{suffix}_a3"));
        // 40 atoms in cycles of Li, Li, S, P: Li is even and odd, S glass, P crystal
        close(of("S_glass"), of("S"));
        close(of("P_crystal"), of("P"));
        close(0.5 * (of("Li_glass") + of("Li_crystal")), of("Li"));
        assert!(found.estimate("mean_volume_S_crystal_a3").is_none());
    }
}

#[test]
fn environments_are_told_apart_by_their_ligands() {
    let mut frame = rock_salt();
    let first = frame.structure.atoms_of("Li")[0];
    frame.structure.positions[first][0] += 0.9;
    let found = analyse(&[frame.clone()], VoronoiVolumesSettings::default());
    let mut voronoi = Tessellation::default();
    let (cell, positions) = (&frame.structure.cell, &frame.structure.positions);
    voronoi.make(0, cell, positions, None).expect("cells");
    close(value(&found, "mean_volume_Li_coordination_5_a3"), voronoi.volumes()[first]);
    let names = &found.categories[0].names;
    assert_eq!(names, &["5", "6"]);
}

#[test]
fn large_and_empty_cells_are_pointed_out() {
    let cell = Cell::orthorhombic([6.0; 3]).expect("a box");
    let positions = vec![[3.0; 3], [3.0, 3.0, 3.4]];
    let structure = Structure::new(cell, &["S", "Li"], positions).expect("elements");
    let radii = vec![radius("Li", 0.1), radius("S", 2.0)];
    let settings = VoronoiVolumesSettings { radii, ..VoronoiVolumesSettings::default() };
    let found = analyse(&[structure.into()], settings);
    let codes: Vec<&str> = found.cautions.iter().map(|caution| caution.code.as_str()).collect();
    assert_eq!(codes, ["empty_cells", "beyond_the_range"]);
    close(value(&found, "mean_volume_S_a3"), 216.0);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let table = Arc::new(SpeciesTable::new(&["Li", "S", "Xe"]).expect("elements"));
    let refused = |settings: VoronoiVolumesSettings| {
        VoronoiVolumes::new(&table, settings).expect_err("bad").to_string()
    };
    let default = VoronoiVolumesSettings::default;
    let text = refused(VoronoiVolumesSettings { bin_width: 0.0, ..default() });
    assert!(text.contains("bin_width is 0 Å³"), "{text}");
    let text = refused(VoronoiVolumesSettings { radii: vec![radius("Li", 0.8)], ..default() });
    assert_eq!(text, "radii is none for S; expected a radius of every element");
    let text = refused(VoronoiVolumesSettings { radii: vec![radius("Li", -0.8)], ..default() });
    assert!(text.contains("-0.8 Å for Li"), "{text}");
    let cutoffs = vec![BondCutoff { pair: ["Li".into(), "Xe".into()], cutoff: 3.0 }];
    let text = refused(VoronoiVolumesSettings { cutoffs, ..default() });
    assert!(text.contains("cutoffs is Li-Xe"), "{text}");
    // atoms without ions and ligands have no environments
    let argon = Arc::new(SpeciesTable::new(&["Ar"]).expect("an element"));
    let analysis = VoronoiVolumes::new(&argon, default()).expect("nothing wrong");
    assert!(analysis.needs().neighbors <= 0.0);
}
