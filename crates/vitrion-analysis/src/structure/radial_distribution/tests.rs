use super::*;
use crate::pass::Accumulator;
use vitrion_core::neighbors::brute_force;
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Frame, Structure};

fn accumulator(table: &Arc<SpeciesTable>, r_max: f64, dr: f64) -> Accumulator<RadialDistribution> {
    let g = RadialDistribution::new(table, RadialDistributionSettings { r_max, dr })
        .expect("good parameters");
    Accumulator::new(table.clone(), g)
}

fn accumulate(frames: &[Frame], r_max: f64, dr: f64) -> Observables {
    let mut g = accumulator(&frames[0].structure.table, r_max, dr);
    for frame in frames {
        g.add(frame).expect("same atoms");
    }
    g.finish().expect("frames were added")
}

#[test]
fn an_ideal_gas_has_no_structure_beyond_half_a_triclinic_cell() {
    let cell = Cell::from_lengths_angles([9.0, 10.0, 8.0], [70.0, 85.0, 100.0]).expect("closes");
    let mut random = rng::at(2, Stream::Testing, 40, 0);
    let symbols: Vec<&str> = (0..120).map(|i| if i % 3 == 0 { "S" } else { "Li" }).collect();
    let frames: Vec<Frame> = (0..64)
        .map(|_| {
            let positions = (0..120)
                .map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform())))
                .collect();
            Structure::new(cell.clone(), &symbols, positions).expect("elements").into()
        })
        .collect();
    let result = accumulate(&frames, 7.0, 0.5);
    for (name, ideal) in
        [("g_S_Li", 1.0), ("g_S_S", 1.0 - 1.0 / 40.0), ("g_Li_Li", 1.0 - 1.0 / 80.0)]
    {
        let Some(curve) = result.curve(name).or_else(|| result.curve("g_Li_S")) else {
            panic!("{name} is missing")
        };
        // beyond the first bins, images of the atom itself do not matter: all are farther than 7 Å
        for k in 4..curve.y.len() {
            let deviation = (curve.y[k] - ideal).abs() / curve.y_error[k];
            assert!(deviation < 5.5, "{name} at {}: {}", curve.x[k], curve.y[k]);
        }
    }
}

#[test]
fn counts_equal_brute_force_in_random_cells() {
    for seed in 0..10 {
        let cell = systems::random_cell(seed, 4.0, 8.0);
        let structure = systems::random_structure(seed, &["Li", "P", "S"], 12, cell, 1.2);
        let result = accumulate(&[structure.clone().into()], 6.0, 6.0 / 40.0);
        let pairs = brute_force::pairs(&structure.cell, &structure.positions, 6.0);
        for (a, b) in [("Li", "S"), ("S", "Li"), ("P", "P")] {
            let centres = structure.atoms_of(a);
            let exact = centres
                .iter()
                .flat_map(|i| &pairs.pairs[pairs.offsets[*i]..pairs.offsets[i + 1]])
                .filter(|pair| structure.symbol(pair.j as usize) == b)
                .count() as f64
                / centres.len() as f64;
            let curve = result.curve(&format!("n_{a}_{b}")).expect("both directions exist");
            let last = curve.y.last().expect("bins");
            assert!((last - exact).abs() < 1e-9, "seed {seed} {a}-{b}: {last} is not {exact}");
        }
    }
}

#[test]
fn coordination_shells_of_fcc() {
    let cell = Cell::orthorhombic([4.0; 3]).expect("a box");
    let sites = vec![[0.0; 3], [0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]];
    let structure = Structure::new(cell, &["Ar"; 4], sites).expect("elements");
    let result = accumulate(&[structure.into()], 6.0, 0.05);
    let running = result.curve("n_Ar_Ar").expect("one species");
    // shells at a/√2, a, a√(3/2), a√2 hold 12, 6, 24, 12 atoms
    for (r, count) in [(2.9, 12.0), (4.2, 18.0), (5.0, 42.0), (5.8, 54.0)] {
        let k = running.x.iter().position(|x| *x >= r).expect("in range");
        assert!((running.y[k] - count).abs() < 1e-9, "{} within {r}", running.y[k]);
    }
}

#[test]
fn bad_parameters_and_changing_atoms_are_refused() {
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    let structure = Structure::new(cell.clone(), &["Li"; 2], vec![[0.0; 3], [2.0; 3]]);
    let structure = structure.expect("elements");
    let table = structure.table.clone();
    let error =
        RadialDistribution::new(&table, RadialDistributionSettings { r_max: -1.0, dr: 0.1 })
            .expect_err("negative");
    assert_eq!(error.to_string(), "r_max is -1 Å; expected a positive distance");
    let mut g = accumulator(&table, 5.0, 0.1);
    g.add(&structure.into()).expect("first");
    let other = Structure::new(cell, &["Li"; 3], vec![[0.0; 3]; 3]).expect("elements");
    let error = g.add(&other.into()).expect_err("three atoms");
    assert_eq!(error, AnalysisError::AtomsChanged { frame: 1, expected: 2, found: 3 });
}

#[test]
fn species_are_matched_by_symbol_when_frames_list_them_in_another_order() {
    let cell = Cell::orthorhombic([6.0; 3]).expect("a box");
    let positions = vec![[0.0; 3], [2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [2.0, 0.5, 0.0]];
    let make = |order: [usize; 4]| -> Frame {
        let symbols: Vec<&str> = order.iter().map(|k| ["Li", "Li", "S", "S"][*k]).collect();
        let positions = order.iter().map(|k| positions[*k]).collect();
        Structure::new(cell.clone(), &symbols, positions).expect("elements").into()
    };
    let same = accumulate(&[make([0, 1, 2, 3]), make([0, 1, 2, 3])], 2.5, 0.1);
    let swapped = accumulate(&[make([0, 1, 2, 3]), make([2, 3, 0, 1])], 2.5, 0.1);
    for name in ["g_Li_Li", "g_Li_S", "g_S_S"] {
        assert_eq!(same.curve(name).map(|c| &c.y), swapped.curve(name).map(|c| &c.y), "{name}");
    }
    let other: Frame = Structure::new(cell.clone(), &["Li", "Li", "S", "Na"], positions.clone())
        .expect("ok")
        .into();
    let mut g = accumulator(&make([0, 1, 2, 3]).structure.table, 2.5, 0.1);
    let error = g.add(&other).expect_err("sodium is not in the table");
    assert!(error.to_string().contains("Na"), "{error}");
}

#[test]
fn every_frame_counts_however_many_there_are() {
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    for frames in [1, 5, 31, 33, 47, 100] {
        let all: Vec<Frame> = (0..frames)
            .map(|k| {
                // one pair at 1 Å, in the last frame at 2 Å
                let x = if k + 1 == frames { 2.0 } else { 1.0 };
                Structure::new(cell.clone(), &["Li", "S"], vec![[0.0; 3], [x, 0.0, 0.0]])
                    .expect("elements")
                    .into()
            })
            .collect();
        let result = accumulate(&all, 2.4, 0.15);
        let running = &result.curve("n_Li_S").expect("kept").y;
        let (near, both) = (running[9], running[15]);
        let expected = 1.0 - 1.0 / f64::from(frames);
        assert!((near - expected).abs() < 1e-12, "{frames} frames: {near} is not {expected}");
        assert!((both - 1.0).abs() < 1e-12, "{frames} frames: {both}");
    }
}

#[test]
fn slabs_and_positions_that_are_not_finite_are_refused() {
    let cell = Cell::new([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]], [true, true, false])
        .expect("a slab");
    let slab: Frame = Structure::new(cell, &["Li"], vec![[0.0; 3]]).expect("an element").into();
    let mut g = accumulator(&slab.structure.table, 2.0, 0.1);
    let error = g.add(&slab).expect_err("no volume");
    assert!(error.to_string().contains("periodic"), "{error}");
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    let broken: Frame =
        Structure::new(cell, &["Li"], vec![[0.0, f64::NAN, 0.0]]).expect("an element").into();
    let error = g.add(&broken).expect_err("NaN");
    assert!(error.to_string().contains("atom 0"), "{error}");
}

#[test]
fn the_counts_of_ase_and_the_g_of_freud_are_reproduced() {
    // made by scripts/references/rdf.py, versions inside the file
    let text = include_str!("../../../tests/data/rdf.json");
    let data: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    let read = |value: &serde_json::Value| -> Vec<f64> {
        serde_json::from_value(value.clone()).expect("numbers")
    };
    let symbols: Vec<String> = serde_json::from_value(data["symbols"].clone()).expect("symbols");
    let frames: Vec<Frame> = data["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .map(|frame| {
            let matrix = serde_json::from_value(frame["cell"].clone()).expect("a matrix");
            let positions = serde_json::from_value(frame["positions"].clone()).expect("positions");
            let cell = Cell::periodic(matrix).expect("a cell");
            Structure::new(cell, &symbols, positions).expect("elements").into()
        })
        .collect();
    let result = accumulate(&frames, 6.0, 0.1);
    for (name, expected) in data["g"].as_object().expect("pairs") {
        let found = &result.curve(&format!("g_{name}")).expect("kept").y;
        for (k, expected) in read(expected).into_iter().enumerate() {
            let difference = (found[k] - expected).abs();
            assert!(difference < 1e-8 * expected.max(1.0), "{name}, bin {k}: {difference}");
        }
        let center = name.split('_').next().expect("a symbol");
        let centers = symbols.iter().filter(|symbol| *symbol == center).count() as f64;
        let running = &result.curve(&format!("n_{name}")).expect("kept").y;
        let mut total = 0.0;
        for (k, count) in read(&data["counts"][name]).into_iter().enumerate() {
            total += count / 3.0 / centers;
            assert!((running[k] - total).abs() < 1e-9, "{name}, bin {k}");
        }
    }
    let freud = &data["freud"];
    let points: Vec<[f64; 3]> = serde_json::from_value(freud["points"].clone()).expect("points");
    let edge = freud["box"].as_f64().expect("a length");
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    let gas = Structure::new(cell, &vec!["Ar"; points.len()], points).expect("an element");
    let result = accumulate(&[gas.into()], 4.0, 0.2);
    let found = &result.curve("g_Ar_Ar").expect("kept").y;
    for (k, expected) in read(&freud["g"]).into_iter().enumerate() {
        // freud works in single precision
        let difference = (found[k] - expected).abs();
        assert!(difference < 1e-4 * expected.max(1.0), "freud, bin {k}: {} {expected}", found[k]);
    }
}
