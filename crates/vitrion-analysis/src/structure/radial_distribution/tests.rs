use super::*;
use vitrion_core::build::supercell;
use vitrion_core::neighbors::brute_force;
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Structure};

fn table(symbols: &[&str]) -> Arc<SpeciesTable> {
    Arc::new(SpeciesTable::new(symbols).expect("elements"))
}

fn random_frame(seed: u64, atoms: usize) -> Frame {
    let (cell, positions) = systems::random_atoms(seed, atoms, 3.0, 8.0, [true; 3]);
    let symbols: Vec<&str> = (0..atoms).map(|i| ["Li", "S", "P", "S"][i % 4]).collect();
    Frame::from(Structure::new(cell, &symbols, positions).expect("elements"))
}

/// The definition: every pair and image one by one, straight into g(r).
fn slow_g(frame: &Frame, a: &str, b: &str, bins: usize, dr: f64) -> Vec<f64> {
    let structure = &frame.structure;
    let (cell, positions) = (&structure.cell, &structure.positions);
    let pairs = brute_force::pairs(cell, positions, bins as f64 * dr);
    let mut counts = vec![0.0; bins];
    for i in structure.atoms_of(a) {
        for pair in &pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]] {
            if structure.symbol(pair.j as usize) == b {
                let r = math::norm(pair_vector(cell, positions, i, *pair));
                let bin = (r / dr) as usize;
                if bin < bins {
                    counts[bin] += 1.0;
                }
            }
        }
    }
    let centers = structure.atoms_of(a).len() as f64;
    let density = structure.atoms_of(b).len() as f64 / cell.volume();
    counts
        .iter()
        .enumerate()
        .map(|(k, count)| {
            let (r1, r2) = (k as f64 * dr, (k + 1) as f64 * dr);
            count / (centers * density * 4.0 / 3.0 * PI * (r2.powi(3) - r1.powi(3)))
        })
        .collect()
}

#[test]
fn the_streamed_result_is_the_brute_force_one_in_random_triclinic_cells() {
    for seed in 0..12 {
        let frame = random_frame(seed, 20);
        // ranges beyond half, and beyond the whole, of the cell
        let (bins, dr) = ([30, 50, 90][seed as usize % 3], 0.1);
        let symbols = table(&["Li", "P", "S"]);
        let mut rdf = RadialDistribution::new(symbols, bins as f64 * dr, dr).expect("a range");
        rdf.add(&frame).expect("fits the table");
        let result = rdf.finish().expect("one frame");
        for (a, b) in [("Li", "Li"), ("Li", "P"), ("Li", "S"), ("P", "S"), ("S", "S")] {
            let fast = &result.curve(&format!("g_{a}_{b}")).expect("there").y;
            let forward = slow_g(&frame, a, b, bins, dr);
            let backward = slow_g(&frame, b, a, bins, dr);
            for k in 0..bins {
                let near = |x: f64| (fast[k] - x).abs() <= 1e-9 * x.abs().max(1.0);
                assert!(near(forward[k]) && near(backward[k]), "seed {seed}, {a}-{b}, bin {k}");
            }
        }
    }
}

#[test]
fn an_ideal_gas_has_no_structure_within_its_errors() {
    let (atoms, frames, edge) = (60, 400, 10.0);
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    let symbols: Vec<&str> = (0..atoms).map(|i| ["Li", "S"][i % 2]).collect();
    let mut rdf = RadialDistribution::new(table(&["Li", "S"]), 6.0, 0.5).expect("a range");
    for number in 0..frames {
        let mut random = rng::at(17, Stream::Testing, number, 0);
        let positions =
            (0..atoms).map(|_| std::array::from_fn(|_| edge * random.uniform())).collect();
        let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
        rdf.add(&Frame::from(structure)).expect("fits");
    }
    let result = rdf.finish().expect("frames");
    for (name, level) in [("g_Li_S", 1.0), ("g_Li_Li", 1.0 - 1.0 / 30.0), ("g_S_S", 29.0 / 30.0)] {
        let curve = result.curve(name).expect("there");
        // below 1.5 Å there are few pairs and errors are rough
        for k in 3..curve.y.len() {
            let deviation = (curve.y[k] - level).abs() / curve.y_error[k];
            assert!(
                deviation < 5.0,
                "{name} at {}: {} ± {}",
                curve.x[k],
                curve.y[k],
                curve.y_error[k]
            );
            assert!(curve.y_error[k] < 0.05, "{name}: the errors are informative");
        }
    }
    // n(r) of an ideal gas: density times the volume of the sphere
    let running = result.curve("coordination_Li_S").expect("there");
    let exact = 30.0 / edge.powi(3) * 4.0 / 3.0 * PI * running.x[11].powi(3);
    assert!((running.y[11] - exact).abs() < 5.0 * running.y_error[11]);
}

#[test]
fn an_fcc_crystal_has_its_textbook_shells() {
    let a = 4.0;
    let unit = Structure::new(
        Cell::orthorhombic([a; 3]).expect("a box"),
        &["Ar"; 4],
        vec![[0.0; 3], [0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]],
    )
    .expect("elements");
    // one unit cell and a supercell must say the same: images are explicit
    for copies in [[1, 1, 1], [3, 2, 2]] {
        let crystal = supercell::repeat(&unit, copies);
        let mut rdf = RadialDistribution::new(table(&["Ar"]), 6.5, 0.05).expect("a range");
        rdf.add(&Frame::from(crystal)).expect("fits");
        let result = rdf.finish().expect("one frame");
        let running = result.curve("coordination_Ar_Ar").expect("there");
        let within = |r: f64| running.y[(r / 0.05).round() as usize - 1];
        // 12 at a/√2, 6 at a, 24 at a √(3/2), 12 at a √2, 24 at a √(5/2)
        for (r, count) in [(3.0, 12.0), (4.5, 18.0), (5.2, 42.0), (6.0, 54.0), (6.45, 78.0)] {
            assert!((within(r) - count).abs() < 1e-12, "{copies:?}: {} within {r} Å", within(r));
        }
        let first = result.estimate("coordination_Ar_Ar").expect("a first shell");
        assert!((first.value - 12.0).abs() < 1e-12);
        let peak = result.estimate("first_peak_Ar_Ar_angstrom").expect("a peak");
        assert!((peak.value - a / 2f64.sqrt()).abs() < 0.03, "{}", peak.value);
        assert!(result.cautions.iter().any(|caution| caution.code == "few_blocks"));
    }
}

#[test]
fn coordination_numbers_of_the_two_directions_are_in_the_ratio_of_the_counts() {
    let mut rdf = RadialDistribution::new(table(&["Li", "P", "S"]), 5.0, 0.1).expect("a range");
    for seed in 0..3 {
        rdf.add(&random_frame(seed, 24)).expect("fits");
    }
    let result = rdf.finish().expect("frames");
    let forward = &result.curve("coordination_Li_S").expect("there").y;
    let backward = &result.curve("coordination_S_Li").expect("there").y;
    // 6 Li, 12 S
    for (f, b) in forward.iter().zip(backward) {
        assert!((f * 6.0 - b * 12.0).abs() < 1e-9);
    }
}

/// A rattling dumbbell crystal: the error of the peak is that of the mean bond length.
#[test]
fn the_first_shell_is_found_with_an_honest_error() {
    let cell = Cell::orthorhombic([8.0; 3]).expect("a box");
    let mut rdf = RadialDistribution::new(table(&["P", "S"]), 6.0, 0.02).expect("a range");
    let (bond, sigma, frames) = (2.05, 0.08, 640);
    for number in 0..frames {
        let mut random = rng::at(3, Stream::Testing, number, 0);
        let mut positions = Vec::new();
        let mut symbols = Vec::new();
        for corner in 0..8 {
            let at = [corner & 1, corner >> 1 & 1, corner >> 2].map(|k| 4.0 * f64::from(k));
            positions.push(at);
            symbols.push("P");
            positions.push([at[0] + bond + sigma * random.normal(), at[1], at[2]]);
            symbols.push("S");
        }
        let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
        rdf.add(&Frame::from(structure)).expect("fits");
    }
    let result = rdf.finish().expect("frames");
    let peak = result.estimate("first_peak_P_S_angstrom").expect("a peak");
    let Uncertainty::StandardError { value: error, n_eff } = peak.uncertainty else {
        panic!("{peak:?}")
    };
    // images along x make a second bond of 4 − 2.05 = 1.95 Å, so the peak lies between
    assert!((peak.value - 2.0).abs() < 0.08, "{peak:?}");
    assert!(error > 0.0 && error < 0.1, "{error}");
    assert!((16.0..=32.0).contains(&n_eff), "{n_eff}");
    let shell = result.estimate("coordination_P_S").expect("a shell");
    assert!((shell.value - 2.0).abs() < 1e-9, "{shell:?}");
}

#[test]
fn the_reference_counts_of_ase_and_the_g_of_freud_are_reproduced() {
    // made by scripts/references/rdf.py, versions inside the file
    let text = include_str!("../../../tests/data/rdf.json");
    let data: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    let read = |value: &serde_json::Value| -> Vec<f64> {
        serde_json::from_value(value.clone()).expect("numbers")
    };
    let symbols: Vec<String> = serde_json::from_value(data["symbols"].clone()).expect("symbols");
    let mut rdf = RadialDistribution::new(table(&["Li", "S", "P"]), 6.0, 0.1).expect("a range");
    for frame in data["frames"].as_array().expect("frames") {
        let matrix = serde_json::from_value(frame["cell"].clone()).expect("a matrix");
        let positions = serde_json::from_value(frame["positions"].clone()).expect("positions");
        let cell = Cell::periodic(matrix).expect("a cell");
        let structure = Structure::new(cell, &symbols, positions).expect("elements");
        rdf.add(&Frame::from(structure)).expect("fits");
    }
    let result = rdf.finish().expect("frames");
    for (name, expected) in data["g"].as_object().expect("pairs") {
        let found = &result.curve(&format!("g_{name}")).expect("there").y;
        for (k, expected) in read(expected).into_iter().enumerate() {
            let difference = (found[k] - expected).abs();
            assert!(difference < 1e-8 * expected.max(1.0), "{name}, bin {k}: {difference}");
        }
        let mut total = 0.0;
        let center = name.split('_').next().expect("a symbol");
        let centers = symbols.iter().filter(|symbol| *symbol == center).count() as f64;
        let running = &result.curve(&format!("coordination_{name}")).expect("there").y;
        for (k, count) in read(&data["counts"][name]).into_iter().enumerate() {
            total += count / 3.0 / centers;
            assert!((running[k] - total).abs() < 1e-9, "{name}, bin {k}");
        }
    }

    let freud = &data["freud"];
    let points: Vec<[f64; 3]> = serde_json::from_value(freud["points"].clone()).expect("points");
    let edge = freud["box"].as_f64().expect("a length");
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    let structure = Structure::new(cell, &vec!["Ar"; points.len()], points).expect("elements");
    let mut rdf = RadialDistribution::new(table(&["Ar"]), 4.0, 0.2).expect("a range");
    rdf.add(&Frame::from(structure)).expect("fits");
    let result = rdf.finish().expect("one frame");
    let found = &result.curve("g_Ar_Ar").expect("there").y;
    for (k, expected) in read(&freud["g"]).into_iter().enumerate() {
        // freud works in single precision
        let difference = (found[k] - expected).abs();
        assert!(difference < 1e-4 * expected.max(1.0), "freud, bin {k}: {} {expected}", found[k]);
    }
}

#[test]
fn what_makes_no_histogram_is_refused_by_name() {
    let symbols = table(&["Li", "P", "S"]);
    let error = RadialDistribution::new(symbols.clone(), 5.0, 0.0).expect_err("no bins");
    assert_eq!(error.to_string(), "r_max 5 Å with bins of 0 Å: need 0 < dr < r_max, both finite");
    let mut rdf = RadialDistribution::new(symbols, 5.0, 0.1).expect("a range");
    assert_eq!(rdf.finish().expect_err("empty"), StructureError::NoFrames);
    rdf.add(&random_frame(0, 8)).expect("fits");
    let error = rdf.add(&random_frame(1, 9)).expect_err("one more atom");
    assert!(matches!(error, StructureError::CompositionChanged { frame: 1, .. }), "{error}");

    let (cell, positions) = systems::random_atoms(2, 8, 4.0, 6.0, [true, true, false]);
    let symbols: Vec<&str> = (0..8).map(|i| ["Li", "S", "P", "S"][i % 4]).collect();
    let open = Structure::new(cell, &symbols, positions).expect("elements");
    let error = rdf.add(&Frame::from(open)).expect_err("a slab");
    assert!(error.to_string().contains("not periodic along c"), "{error}");

    let sodium =
        Structure::new(Cell::orthorhombic([5.0; 3]).expect("a box"), &["Na"], vec![[0.0; 3]])
            .expect("an element");
    let error = rdf.add(&Frame::from(sodium)).expect_err("not in the table");
    assert!(matches!(error, StructureError::Species { frame: 1, .. }), "{error}");
}
