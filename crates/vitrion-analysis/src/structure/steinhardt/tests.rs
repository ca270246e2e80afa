//! Lattices, symmetry, and input that must be refused; `reference.rs` and `golden.rs` compare with
//! other code.

mod golden;
mod lattices;
mod reference;

use super::{Neighborhood, Steinhardt, SteinhardtSettings};
use crate::error::AnalysisError;
use crate::pairs::{Columns, Neighbors};
use crate::pass::{Accumulator, AtomValues, Measured, Scene, StructuralAnalysis};
use crate::tessellation::Tessellation;
use std::sync::Arc;
use vitrion_core::build::supercell::repeat;
use vitrion_core::math;
use vitrion_core::observables::Observables;
use vitrion_core::phases::Phases;
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Frame, Structure};

/// Settings with these neighbours.
fn with(l: &[u32], neighborhood: Neighborhood) -> SteinhardtSettings {
    SteinhardtSettings { l: l.to_vec(), neighborhood, ..SteinhardtSettings::default() }
}

/// What one frame gives.
fn try_measure(
    structure: &Structure,
    settings: &SteinhardtSettings,
) -> Result<Measured, AnalysisError> {
    let analysis = Steinhardt::new(&structure.table, settings.clone())?;
    let mut neighbors = Neighbors::default();
    // a table that reaches farther than asked for, as if another analysis needed it
    if let reach @ 0.1.. = analysis.needs().neighbors {
        neighbors.find(&structure.cell, &structure.positions, 1.15 * reach);
    }
    let mut voronoi = Tessellation::default();
    if analysis.needs().voronoi {
        voronoi.make(0, &structure.cell, &structure.positions, None)?;
    }
    let species: Vec<usize> = structure.species.iter().map(|id| id.index()).collect();
    analysis.measure(&Scene {
        number: 0,
        structure,
        species: &species,
        counts: &structure.counts(),
        neighbors: neighbors.table(),
        columns: &Columns::default(),
        voronoi: &voronoi,
        others: &[],
    })
}

fn measure(structure: &Structure, settings: &SteinhardtSettings) -> Measured {
    try_measure(structure, settings).expect("a good frame")
}

/// A column of [`measure`].
fn column(measured: &Measured, name: &str) -> Vec<f64> {
    let column = measured.columns.iter().find(|column| column.name == name);
    match &column.unwrap_or_else(|| panic!("{name} is missing")).values {
        AtomValues::Real(values) => values.clone(),
        AtomValues::Words { .. } => panic!("{name} holds words"),
    }
}

fn accumulate(frames: &[Frame], settings: SteinhardtSettings) -> Observables {
    let table = frames[0].structure.table.clone();
    let analysis = Steinhardt::new(&table, settings).expect("good settings");
    let mut accumulator = Accumulator::new(table, analysis);
    for frame in frames {
        accumulator.add(frame).expect("same atoms");
    }
    accumulator.finish().expect("frames were added")
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = (a - b).abs() < tolerance || (a.is_nan() && b.is_nan());
        assert!(same, "{what}, atom {k}: {a} is not {b}");
    }
}

#[test]
fn rotating_and_moving_the_system_changes_nothing() {
    let l: Vec<u32> = (2..=12).collect();
    for seed in 0..6 {
        let cell = systems::random_cell(seed, 5.0, 8.0);
        let structure = systems::random_structure(seed, &["Li", "S"], 12, cell, 1.4);
        let mut random = rng::at(seed, Stream::Testing, 1, 0);
        let rotation = systems::random_rotation(&mut random);
        let shift = [1.3, -7.7, 2.9];
        let mut moved = structure.clone();
        moved.cell = Cell::periodic(math::matmul(structure.cell.matrix(), &rotation)).expect("ok");
        for r in &mut moved.positions {
            *r = math::add(math::row_times(*r, &rotation), shift);
        }
        for neighborhood in [Neighborhood::Cutoff(3.5), Neighborhood::Nearest(9)] {
            let mut settings = with(&l, neighborhood);
            settings.third_order = true;
            let (before, after) = (measure(&structure, &settings), measure(&moved, &settings));
            for l in &l {
                for tail in ["", "_averaged"] {
                    let name = format!("q{l}{tail}");
                    let what = format!("seed {seed}, {name}");
                    close(&column(&after, &name), &column(&before, &name), 1e-12, &what);
                    if l % 2 == 0 {
                        let name = format!("w{l}{tail}");
                        let what = format!("seed {seed}, {name}");
                        close(&column(&after, &name), &column(&before, &name), 1e-11, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn averages_run_over_the_atom_and_its_neighbours_that_are_centres() {
    // a chain Li–Li–S–Li; first all are centres, then only Li, then only S are neighbours as well
    let cell = Cell::new(math::IDENTITY, [false; 3]).expect("open space");
    let positions = vec![[0.0; 3], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 1.0, 0.3]];
    let symbols = ["Li", "Li", "S", "Li"];
    let structure = Structure::new(cell, &symbols, positions).expect("elements");
    let all = with(&[6], Neighborhood::Cutoff(1.2));
    let masked = SteinhardtSettings { centers: vec!["Li".into()], ..all.clone() };
    let blind = SteinhardtSettings { neighbors: vec!["S".into()], ..masked.clone() };
    let (plain, masked) = (measure(&structure, &all), measure(&structure, &masked));
    // atom 0: one neighbour, atom 1, which has two at a right angle
    let q = column(&masked, "q6");
    assert!((q[0] - 1.0).abs() < 1e-14 && q[2].is_nan(), "{q:?}");
    close(&[q[1]], &[column(&plain, "q6")[1]], 1e-14, "masks of centres do not change q");
    // atom 3 has S as its only neighbour, which is no centre: nothing to average
    let averaged = column(&masked, "q6_averaged");
    assert!((averaged[3] - q[3]).abs() < 1e-14);
    assert!((averaged[0] - column(&plain, "q6_averaged")[0]).abs() < 1e-14);
    assert!((averaged[1] - column(&plain, "q6_averaged")[1]).abs() > 1e-3);
    // only S are neighbours: atom 0 has none
    let q = column(&measure(&structure, &blind), "q6");
    assert!(q[0].is_nan() && (q[1] - 1.0).abs() < 1e-14 && (q[3] - 1.0).abs() < 1e-14);
}

#[test]
fn atoms_without_neighbours_are_left_out_and_reported() {
    let cell = Cell::orthorhombic([20.0; 3]).expect("a box");
    let positions = vec![[1.0; 3], [2.0, 1.0, 1.0], [10.0; 3]];
    let structure = Structure::new(cell, &["Li"; 3], positions).expect("an element");
    let frames = vec![structure.into(); 5];
    let result = accumulate(&frames, with(&[6], Neighborhood::Cutoff(1.5)));
    let caution = result.cautions.iter().find(|caution| caution.code == "no_neighbors");
    let message = &caution.expect("one atom is alone").message;
    assert!(message.starts_with("1.00 of 3.00 centres per frame"), "{message}");
    let value = |name: &str| result.estimate(name).expect("kept").value;
    assert!((value("neighbors_Li") - 1.0).abs() < 1e-14);
    assert!((value("mean_q6_Li") - 1.0).abs() < 1e-14);
    assert!(value("sd_q6_Li") < 1e-7);
    let curve = result.curve("q6_Li").expect("kept");
    assert!((curve.y[99] - 100.0).abs() < 1e-10, "q = 1 belongs to the last bin");
}

#[test]
fn distributions_are_densities_and_have_the_mean_and_spread_that_are_reported() {
    let frames: Vec<Frame> = (0..8)
        .map(|seed| {
            let cell = Cell::orthorhombic([9.0; 3]).expect("a box");
            systems::random_structure(seed, &["Li", "S"], 30, cell, 1.6).into()
        })
        .collect();
    let settings = with(&[4, 6], Neighborhood::Nearest(8));
    let result = accumulate(&frames, settings.clone());
    for name in ["q4", "q6", "q4_averaged", "q6_averaged"] {
        let values: Vec<f64> = frames
            .iter()
            .flat_map(|frame| {
                let values = column(&measure(&frame.structure, &settings), name);
                frame.structure.atoms_of("S").into_iter().map(move |atom| values[atom])
            })
            .collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let sd = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let value = |what: &str| result.estimate(&format!("{what}_{name}_S")).expect("kept").value;
        assert!((value("mean") - mean).abs() < 1e-12 && (value("sd") - sd).abs() < 1e-12);
        let curve = result.curve(&format!("{name}_S")).expect("kept");
        let area: f64 = curve.y.iter().sum::<f64>() * 0.01;
        assert!((area - 1.0).abs() < 1e-12);
        assert_eq!(curve.y_error.len(), 100);
        let in_bin = values.iter().filter(|x| (0.3..0.31).contains(*x)).count() as f64;
        assert!((curve.y[30] - 100.0 * in_bin / count).abs() < 1e-9);
    }
    let neighbors = result.estimate("neighbors_S").expect("kept").value;
    assert!((neighbors - 8.0).abs() < 1e-12);
}

#[test]
fn phases_are_told_apart() {
    let mut structure = repeat(&lattices::fcc(), [3; 3]);
    let labels: Vec<&str> =
        (0..structure.len()).map(|atom| if atom < 40 { "crystal" } else { "glass" }).collect();
    structure.phases = Some(Arc::new(Phases::new(&labels).expect("names")));
    let mut settings = with(&[6], Neighborhood::Cutoff(0.85));
    settings.phases = vec!["glass".into(), "crystal".into()];
    let result = accumulate(&[structure.clone().into()], settings.clone());
    for name in ["mean_q6_Ar", "mean_q6_Ar_glass", "mean_q6_averaged_Ar_crystal"] {
        let value = result.estimate(name).unwrap_or_else(|| panic!("{name} is missing")).value;
        assert!((value - (169.0_f64 / 512.0).sqrt()).abs() < 1e-12, "{name}: {value}");
    }
    settings.phases = vec!["melt".into()];
    let error = try_measure(&structure, &settings).expect_err("no melt");
    assert_eq!(error.to_string(), "frame 0: no atom of phase melt; there are crystal, glass");
    structure.phases = None;
    let error = try_measure(&structure, &settings).expect_err("no labels");
    assert_eq!(error.to_string(), "frame 0: no atom of phase melt; atoms are not labelled");
}

#[test]
fn bad_settings_and_frames_are_refused() {
    let structure = lattices::fcc();
    let refused = |settings: SteinhardtSettings| {
        let table = structure.table.clone();
        Steinhardt::new(&table, settings).expect_err("refused").to_string()
    };
    for l in [vec![], vec![1], vec![13], vec![6, 6]] {
        let message = refused(with(&l, Neighborhood::Voronoi));
        assert_eq!(message, format!("l is {l:?}; expected different numbers from 2 to 12"));
    }
    for (settings, message) in [
        (with(&[6], Neighborhood::Cutoff(0.0)), "cutoff is 0 Å; expected a positive distance"),
        (with(&[6], Neighborhood::Nearest(0)), "nearest is 0; expected at least 1 neighbour"),
        (
            SteinhardtSettings { bin_width: f64::NAN, ..Default::default() },
            "bin_width is NaN; expected a number above 0 and up to 1",
        ),
        (
            SteinhardtSettings { centers: vec!["Na".into()], ..Default::default() },
            "no atom of species Na in the trajectory; it holds Ar",
        ),
    ] {
        assert_eq!(refused(settings), message);
    }
    let mut doubled = structure.clone();
    doubled.positions[1] = doubled.positions[0];
    let error = try_measure(&doubled, &with(&[6], Neighborhood::Cutoff(0.8)));
    assert_eq!(error, Err(AnalysisError::NoDirection { frame: 0, atom: 0 }));
    let open = Cell::new(*structure.cell.matrix(), [false; 3]).expect("the same matrix");
    let cluster = Structure { cell: open, ..structure.clone() };
    let error = try_measure(&cluster, &with(&[6], Neighborhood::Nearest(4)));
    let expected = AnalysisError::TooFewNeighbors { frame: 0, atom: 0, needed: 4, found: 3 };
    assert_eq!(error, Err(expected));
    assert!(try_measure(&cluster, &with(&[6], Neighborhood::Nearest(3))).is_ok());
}
