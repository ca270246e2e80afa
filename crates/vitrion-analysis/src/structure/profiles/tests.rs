use super::*;
use crate::pass::{Accumulator, AtomColumn, Pass};
use crate::structure::{
    Coordination, CoordinationSettings, Neighborhood, Speciation, SpeciationSettings, Steinhardt,
    SteinhardtSettings,
};
use serde_json::Value;
use std::f64::consts::PI;
use vitrion_core::build::supercell;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::Curve;
use vitrion_core::phases::Phases;
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::units::AMU_PER_A3_IN_G_PER_CM3;
use vitrion_core::{Cell, Frame};

fn along(plane: [i64; 3], bin: f64) -> ProfilesSettings {
    ProfilesSettings { plane, bin, ..Default::default() }
}

fn analyse(frames: &[Frame], settings: ProfilesSettings) -> Observables {
    let first = &frames[0].structure;
    let analysis = Profiles::new(settings, first).unwrap_or_else(|error| panic!("{error}"));
    let mut all = Accumulator::new(first.table.clone(), analysis);
    for frame in frames {
        all.add(frame).expect("the same atoms");
    }
    all.finish().expect("frames were added")
}

fn curve<'a>(found: &'a Observables, name: &str) -> &'a Curve {
    found.curve(name).unwrap_or_else(|| panic!("no {name}"))
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}")).value
}

fn gas(seed: u64, cell: &Cell, symbols: &[&str]) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 60, 0);
    let positions = symbols
        .iter()
        .map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform())))
        .collect();
    Structure::new(cell.clone(), symbols, positions).expect("elements")
}

#[test]
fn a_gas_is_uniform_along_any_normal() {
    let cell = Cell::from_lengths_angles([9.0, 11.0, 10.0], [70.0, 85.0, 110.0]).expect("closes");
    let symbols: Vec<&str> = (0..120).map(|k| if k % 3 == 0 { "S" } else { "Li" }).collect();
    let frames: Vec<Frame> = (0..256).map(|seed| gas(seed, &cell, &symbols).into()).collect();
    for plane in [[0, 0, 1], [2, -1, 1]] {
        let found = analyse(&frames, along(plane, 0.7));
        let (lithium, share) = (80.0 / cell.volume(), 80.0 / 120.0);
        for (name, expected) in [("number_density_Li", lithium), ("concentration_Li", share)] {
            let curve = curve(&found, name);
            for (k, y) in curve.y.iter().enumerate() {
                let off = (y - expected).abs() / curve.y_error[k];
                assert!(off < 5.5, "{name} {plane:?}: {y} is not {expected}");
            }
        }
        assert!((value(&found, "number_density_Li_per_a3") - lithium).abs() < 1e-12);
        let density = frames[0].structure.density_g_per_cm3();
        assert!((value(&found, "mass_density_g_per_cm3") - density).abs() < 1e-12);
    }
}

#[test]
fn a_half_filled_cell_is_a_step() {
    let one = Cell::orthorhombic([2.0; 3]).expect("a box");
    let one = Structure::new(one, &["S"], vec![[0.5; 3]]).expect("an element");
    let block = supercell::repeat(&one, [4, 4, 5]);
    let cell = Cell::orthorhombic([8.0, 8.0, 20.0]).expect("a box");
    let slab = Structure { cell, ..block };
    let found = analyse(&[slab.into()], along([0, 0, 1], 2.0));
    let density = curve(&found, "number_density_S");
    let expected: Vec<f64> = (0..10).map(|k| if k < 5 { 0.125 } else { 0.0 }).collect();
    for (k, (y, expected)) in density.y.iter().zip(&expected).enumerate() {
        assert!((y - expected).abs() < 1e-12, "bin {k}");
        assert!((density.x[k] - (2.0 * k as f64 + 1.0)).abs() < 1e-12);
    }
    let mass = curve(&found, "mass_density");
    assert!((mass.y[0] - 0.125 * 32.06 * AMU_PER_A3_IN_G_PER_CM3).abs() < 1e-12);
    // no concentration where there is nothing
    assert_eq!(curve(&found, "concentration_S").x, [1.0, 3.0, 5.0, 7.0, 9.0]);
    let left_out = found.parameters.iter().find(|(name, _)| name.contains("concentration_S"));
    assert!(left_out.expect("it is said").1.starts_with("5 of 10"));
}

/// Atoms by element and bin from the Cartesian normal.
fn naive(structure: &Structure, plane: [i64; 3], bins: usize, symbol: &str) -> (Vec<f64>, f64) {
    let [a, b, c] = *structure.cell.matrix();
    let volume = math::dot(a, math::cross(b, c));
    let [h, k, l] = plane.map(|index| index as f64 / volume);
    let sum = math::add(math::scale(math::cross(b, c), h), math::scale(math::cross(c, a), k));
    let sum = math::add(sum, math::scale(math::cross(a, b), l));
    let period = 1.0 / math::norm(sum);
    let normal = math::scale(sum, period);
    let mut counts = vec![0.0; bins];
    for atom in structure.atoms_of(symbol) {
        let z = math::dot(structure.positions[atom], normal).rem_euclid(period);
        counts[(z / period * bins as f64) as usize] += 1.0;
    }
    (counts, period)
}

#[test]
fn profiles_equal_counts_along_the_cartesian_normal_in_random_cells() {
    let mut planes = rng::at(3, Stream::Testing, 61, 0);
    for seed in 0..20 {
        let (cell, r) = systems::random_atoms(seed, 60, 6.0, 14.0, [true; 3]);
        let symbols: Vec<&str> = (0..60).map(|k| ["Li", "P", "S"][k % 3]).collect();
        let structure = Structure::new(cell, &symbols, r).expect("elements");
        // without a common divisor, since one index is 1
        let mut plane: [i64; 3] = std::array::from_fn(|_| planes.below(7) as i64 - 3);
        plane[seed as usize % 3] = 1;
        let spacing = Axis::new(&structure.cell, plane).length;
        let found = analyse(&[structure.clone().into()], along(plane, spacing / 6.3));
        for symbol in ["Li", "S"] {
            let density = curve(&found, &format!("number_density_{symbol}"));
            let bins = density.y.len();
            let (counts, period) = naive(&structure, plane, bins, symbol);
            let factor = bins as f64 / structure.cell.volume();
            for (y, count) in density.y.iter().zip(counts) {
                assert!((y - count * factor).abs() < 1e-12, "seed {seed}, {plane:?}");
            }
            assert!((value(&found, "length_a") - period).abs() < 1e-9);
        }
    }
}

#[test]
fn planes_of_a_crystal_stay_sharp_when_the_cell_changes() {
    // P and S planes in turn, 2 Å apart at first
    let layers = |shape: [Vector3; 3]| -> Frame {
        let cell = Cell::periodic(shape).expect("a cell");
        let mut positions = Vec::new();
        let mut symbols = Vec::new();
        for layer in 0..6 {
            for k in 0..9 {
                let s = [
                    f64::from(k % 3) / 3.0,
                    f64::from(k / 3) / 3.0,
                    (f64::from(layer) + 0.5) / 6.0,
                ];
                positions.push(cell.to_cartesian(s));
                symbols.push(["P", "S"][layer as usize % 2]);
            }
        }
        Structure::new(cell, &symbols, positions).expect("elements").into()
    };
    let shapes = [
        [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 12.0]],
        [[9.2, 0.0, 0.0], [1.0, 8.7, 0.0], [0.7, -2.0, 13.1]],
        [[8.8, 0.0, 0.0], [-0.6, 9.3, 0.0], [-1.4, 0.3, 11.4]],
    ];
    let frames = shapes.map(layers);
    let found = analyse(&frames, along([0, 0, 1], 2.0));
    let mean = |f: &dyn Fn(&Cell) -> f64| {
        frames.iter().map(|frame| f(&frame.structure.cell)).sum::<f64>() / 3.0
    };
    let inverse = mean(&|cell| 1.0 / cell.volume());
    let density = curve(&found, "number_density_S");
    for (k, y) in density.y.iter().enumerate() {
        let expected = if k % 2 == 1 { 9.0 * 6.0 * inverse } else { 0.0 };
        assert!((y - expected).abs() < 1e-12, "bin {k}: {y}");
    }
    let length = mean(&|cell| cell.perpendicular_widths()[2]);
    assert!((value(&found, "length_a") - length).abs() < 1e-10);
    assert!((density.x[5] - 5.5 / 6.0 * length).abs() < 1e-10);
}

#[test]
fn a_plane_of_mixed_indices_of_a_crystal_has_its_spacing() {
    let (a, n) = (3.0, 4);
    let one = Cell::orthorhombic([a; 3]).expect("a box");
    // off the edges of bins
    let one = Structure::new(one, &["Li"], vec![[0.125 * a, 0.0, 0.0]]).expect("an element");
    let crystal = supercell::repeat(&one, [n; 3]);
    let period = a * n as f64 / 2.0_f64.sqrt();
    let bins = 4 * n;
    for plane in [[1, 1, 0], [-3, -3, 0]] {
        let found = analyse(&[crystal.clone().into()], along(plane, period / bins as f64));
        let density = curve(&found, "number_density_Li");
        assert_eq!(density.y.len(), bins);
        assert!((value(&found, "length_a") - period).abs() < 1e-10);
        let peak = (n * n * bins) as f64 / crystal.cell.volume();
        let full: Vec<usize> = (0..bins).filter(|k| density.y[*k] > 0.0).collect();
        // n planes a/√2 apart
        assert_eq!(full.len(), n, "{:?}", density.y);
        assert!(full.iter().all(|k| k % 4 == full[0] % 4 && (density.y[*k] - peak).abs() < 1e-10));
    }
}

#[test]
fn turning_or_repeating_the_structure_changes_nothing() {
    let mut random = rng::at(5, Stream::Testing, 62, 0);
    let cell = systems::random_cell(8, 8.0, 12.0);
    let structure = gas(1, &cell, &["S"; 50]);
    let settings = along([1, -2, 1], 0.4);
    let expected = analyse(&[structure.clone().into()], settings.clone());
    let expected = &curve(&expected, "number_density_S").y;
    let turn = systems::random_rotation(&mut random);
    let turned = Structure {
        cell: Cell::periodic(math::matmul(cell.matrix(), &turn)).expect("a cell"),
        positions: structure.positions.iter().map(|r| math::row_times(*r, &turn)).collect(),
        ..structure.clone()
    };
    // (1 -2 1) of the cell is (2 -2 1) of the cell that is twice as long along a
    let twice = supercell::repeat(&structure, [2, 1, 1]);
    for (other, plane) in [(turned, [1, -2, 1]), (twice, [2, -2, 1])] {
        let found = analyse(&[other.into()], ProfilesSettings { plane, ..settings.clone() });
        for (y, expected) in curve(&found, "number_density_S").y.iter().zip(expected) {
            assert!((y - expected).abs() < 1e-10, "{plane:?}: {y} is not {expected}");
        }
    }
}

/// A slab of P and S within Li, moved as a whole by some part of the cell.
fn moving(shift: f64) -> Frame {
    let cell = Cell::from_lengths_angles([8.0, 9.0, 24.0], [80.0, 95.0, 100.0]).expect("closes");
    let mut random = rng::at(17, Stream::Testing, 63, 0);
    let (mut positions, mut symbols, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..90 {
        let inside = k % 3 != 0;
        let height = random.uniform() * if inside { 0.4 } else { 0.6 };
        let s =
            [random.uniform(), random.uniform(), height + shift + if inside { 0.0 } else { 0.4 }];
        positions.push(cell.to_cartesian(s));
        symbols.push(["Li", "P", "S"][k % 3]);
        labels.push(if inside { "slab" } else { "rest" });
    }
    let mut structure = Structure::new(cell, &symbols, positions).expect("elements");
    structure.phases = Some(Arc::new(Phases::new(&labels).expect("plain names")));
    structure.into()
}

#[test]
fn a_moving_slab_gives_a_still_profile_when_it_is_centred() {
    let frames: Vec<Frame> = (0..9).map(|k| moving(0.371 * f64::from(k))).collect();
    let elements = Center::Elements(vec!["P".into(), "S".into()]);
    for center in [elements, Center::Phase("slab".into())] {
        let settings = ProfilesSettings {
            center: Some(center),
            phases: vec!["slab".into()],
            ..along([0, 0, 1], 1.0)
        };
        let still = analyse(&frames[..1], settings.clone());
        let found = analyse(&frames, settings);
        for name in ["number_density_Li", "number_density_P", "number_density_slab"] {
            for (y, expected) in curve(&found, name).y.iter().zip(&curve(&still, name).y) {
                assert!((y - expected).abs() < 1e-10, "{name}: {y} is not {expected}");
            }
        }
        assert!(found.cautions.iter().all(|caution| caution.code != "no_centre"));
        // the slab is 0.4 of the period wide, in the middle
        let density = curve(&found, "number_density_P");
        let length = value(&found, "length_a");
        for (x, y) in density.x.iter().zip(&density.y) {
            assert!((x / length - 0.5).abs() < 0.27 || *y == 0.0, "{y} at {x}");
        }
        let share = curve(&found, "fraction_slab");
        assert!(share.y.iter().any(|y| (y - 1.0).abs() < 1e-12));
    }
    let blurred = analyse(&frames, along([0, 0, 1], 1.0));
    assert!(curve(&blurred, "number_density_P").y.iter().all(|y| *y > 0.0));
}

#[test]
fn atoms_without_a_centre_bring_a_caution() {
    let cell = Cell::orthorhombic([10.0; 3]).expect("a box");
    let frame: Frame = gas(4, &cell, &["Li"; 200]).into();
    let center = Some(Center::Elements(vec!["Li".into()]));
    let found = analyse(&[frame], ProfilesSettings { center, ..along([1, 0, 0], 1.0) });
    assert!(found.cautions.iter().any(|caution| caution.code == "no_centre"));
}

#[test]
fn smoothing_makes_a_gaussian_of_a_plane_and_keeps_the_integral() {
    let cell = Cell::orthorhombic([5.0, 5.0, 20.0]).expect("a box");
    let positions = (0..10).map(|k| [f64::from(k), 0.3, 0.05]).collect();
    let plane = Structure::new(cell, &["S"; 10], positions).expect("elements");
    let sigma = 0.8;
    for smoothing in [0.0, sigma, 6.0] {
        let settings = ProfilesSettings { smoothing, ..along([0, 0, 1], 0.1) };
        let found = analyse(&[plane.clone().into()], settings);
        let density = curve(&found, "number_density_S");
        let integral: f64 = density.y.iter().map(|y| y * 0.1 * 25.0).sum();
        assert!((integral - 10.0).abs() < 1e-9, "{smoothing} Å: {integral} atoms");
        if (smoothing - sigma).abs() < 1e-12 {
            for (x, y) in density.x.iter().zip(&density.y) {
                let d = (x - 0.05) - 20.0 * ((x - 0.05) / 20.0).round();
                let gauss = (-0.5 * (d / sigma).powi(2)).exp() / (sigma * (2.0 * PI).sqrt());
                assert!((y - 10.0 / 25.0 * gauss).abs() < 1e-9, "{y} at {x}");
            }
        }
    }
}

#[test]
fn a_bin_that_was_visited_once_does_not_take_the_errors_of_others() {
    let cell = Cell::orthorhombic([10.0; 3]).expect("a box");
    let frames: Vec<Frame> = (0..16)
        .map(|k| {
            let far = if k == 7 { 8.5 } else { 0.5 };
            let positions = vec![[0.0, 0.0, 0.5], [1.0, 1.0, 1.5], [0.0, 3.0, far]];
            Structure::new(cell.clone(), &["S", "S", "Li"], positions).expect("elements").into()
        })
        .collect();
    let found = analyse(&frames, along([0, 0, 1], 1.0));
    let share = curve(&found, "concentration_Li");
    assert_eq!(share.x, [0.5, 1.5]);
    // 15 of 31 atoms in the first bin
    assert!((share.y[0] - 15.0 / 31.0).abs() < 1e-12 && share.y_error.len() == 2);
    // densities are known everywhere
    let density = curve(&found, "number_density_Li");
    assert_eq!((density.y.len(), density.y_error.len()), (10, 10));
}

/// Gives every atom its height along c, and the word of its element.
struct Heights;

impl StructuralAnalysis for Heights {
    fn needs(&self) -> Needs {
        Needs { neighbors: 1.5, ..Needs::default() }
    }

    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let heights = scene.structure.positions.iter().enumerate().map(|(atom, r)| {
            if atom % 5 == 0 { f64::NAN } else { scene.structure.cell.to_fractional(*r)[2] }
        });
        let list = vec!["-".to_owned(), "of P".to_owned(), "of S".to_owned()];
        let of = scene.species.iter().map(|species| *species as u32).collect();
        let columns = vec![
            AtomColumn { name: "height".into(), values: AtomValues::Real(heights.collect()) },
            AtomColumn { name: "word".into(), values: AtomValues::Words { list, of } },
        ];
        Ok(Measured { columns, ..Measured::default() })
    }

    fn report(&self, _samples: &Samples) -> Observables {
        Observables::default()
    }
}

#[test]
fn properties_of_atoms_are_averaged_over_the_atoms_that_have_one() {
    let frames: Vec<Frame> = (0..12).map(|k| moving(0.02 * f64::from(k))).collect();
    let first = &frames[0].structure;
    let settings =
        ProfilesSettings { columns: vec!["height".into(), "word".into()], ..along([0, 0, 1], 2.0) };
    let profiles = Profiles::new(settings, first).unwrap_or_else(|error| panic!("{error}"));
    let bins = profiles.bins;
    let mut pass = Pass::new(first.table.clone(), vec![Box::new(profiles), Box::new(Heights)]);
    pass.add(&frames).expect("good frames");
    let found = pass.finish().expect("frames").remove(0);
    let heights = curve(&found, "height");
    let (mut sums, mut counts, mut of_p, mut with) =
        (vec![0.0; bins], vec![0.0; bins], vec![0.0; bins], vec![0.0; bins]);
    for frame in &frames {
        for (atom, r) in frame.structure.positions.iter().enumerate() {
            let s = frame.structure.cell.to_fractional(*r)[2];
            let bin = (s.rem_euclid(1.0) * bins as f64) as usize;
            if atom % 5 != 0 {
                sums[bin] += s;
                counts[bin] += 1.0;
            }
            if atom % 3 != 0 {
                with[bin] += 1.0;
                of_p[bin] += f64::from(u8::from(atom % 3 == 1));
            }
        }
    }
    let expected: Vec<f64> =
        (0..bins).filter(|k| counts[*k] > 0.0).map(|k| sums[k] / counts[k]).collect();
    assert_eq!(heights.y.len(), expected.len());
    assert!(heights.y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-12));
    let words = curve(&found, "word_of_P");
    let expected: Vec<f64> =
        (0..bins).filter(|k| with[*k] > 0.0).map(|k| of_p[k] / with[k]).collect();
    assert_eq!(words.y.len(), expected.len());
    assert!(words.y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-12));
    // 30 of each: Li has no word
    assert!((value(&found, "fraction_word_of_P") - 0.5).abs() < 1e-12);
    assert!(found.curve("word_-").is_none());
    // one structure by the plain function
    let column: Vec<f64> =
        first.positions.iter().map(|r| first.cell.to_fractional(*r)[2]).collect();
    let plain = profile_of(first, [0, 0, 1], bins, &column).expect("good values");
    let mut pass = Accumulator::new(
        first.table.clone(),
        Profiles::new(along([0, 0, 1], 2.0), first).unwrap_or_else(|error| panic!("{error}")),
    );
    pass.add(&frames[0]).expect("good frame");
    let density = pass.finish().expect("a frame");
    for (mean, density) in plain.iter().zip(&curve(&density, "number_density").y) {
        assert_eq!(mean.is_nan(), *density == 0.0);
    }
}

#[test]
fn order_parameters_and_units_of_real_analyses_are_profiled() {
    // an fcc crystal below, a gas above; both reach around the cell
    let one = Cell::orthorhombic([5.0; 3]).expect("a box");
    let sites = vec![[0.1; 3], [0.1, 2.6, 2.6], [2.6, 0.1, 2.6], [2.6, 2.6, 0.1]];
    let one = Structure::new(one, &["S"; 4], sites).expect("elements");
    let mut structure = supercell::repeat(&one, [3, 3, 8]);
    structure.phases = None;
    let mut random = rng::at(9, Stream::Testing, 64, 0);
    for r in structure.positions.iter_mut().filter(|r| r[2] > 20.0) {
        *r = [15.0 * random.uniform(), 15.0 * random.uniform(), 20.0 + 20.0 * random.uniform()];
    }
    let frame: Frame = structure.clone().into();
    let table = structure.table.clone();
    let order = SteinhardtSettings {
        l: vec![6],
        neighborhood: Neighborhood::Nearest(12),
        ..Default::default()
    };
    let order = Steinhardt::new(&table, order).expect("good settings");
    let settings =
        ProfilesSettings { columns: vec!["q6_averaged".into()], ..along([0, 0, 1], 5.0) };
    let profiles = Profiles::new(settings, &structure).unwrap_or_else(|error| panic!("{error}"));
    let mut pass = Pass::new(table, vec![Box::new(profiles), Box::new(order)]);
    pass.add(&[frame]).expect("a good frame");
    let found = pass.finish().expect("a frame").remove(0);
    let q = curve(&found, "q6_averaged");
    assert_eq!(q.y.len(), 8);
    let perfect = (169.0_f64 / 512.0).sqrt();
    assert!((q.y[2] - perfect).abs() < 1e-9, "{:?}", q.y);
    assert!(q.y[5] < 0.3 && q.y[6] < 0.3, "{:?}", q.y);
}

#[test]
fn units_of_a_layer_are_counted_by_their_atoms() {
    // PS4 at a quarter, S alone at three quarters
    let cell = Cell::orthorhombic([10.0, 10.0, 24.0]).expect("a box");
    let d = 2.05 / 3.0_f64.sqrt();
    let mut positions: Vec<Vector3> = vec![[5.0, 5.0, 6.0]];
    for v in [[d, d, d], [d, -d, -d], [-d, d, -d], [-d, -d, d]] {
        positions.push([5.0 + v[0], 5.0 + v[1], 6.0 + v[2]]);
    }
    positions.push([5.0, 5.0, 18.0]);
    positions.push([1.0, 1.0, 6.0]);
    let symbols = ["P", "S", "S", "S", "S", "S", "Li"];
    let structure = Structure::new(cell, &symbols, positions).expect("elements");
    let table = structure.table.clone();
    let mut analyses: Vec<Box<dyn StructuralAnalysis>> = vec![
        Box::new(Speciation::new(&table, SpeciationSettings::default()).expect("Li-P-S")),
        Box::new(Coordination::new(&table, CoordinationSettings::default()).expect("Li-P-S")),
    ];
    let settings = ProfilesSettings {
        columns: vec!["unit".into(), "coordination".into()],
        ..along([0, 0, 1], 12.0)
    };
    let profiles = Profiles::new(settings, &structure).unwrap_or_else(|error| panic!("{error}"));
    analyses.push(Box::new(profiles));
    let mut pass = Pass::new(table, analyses);
    pass.add(&[structure.into()]).expect("a good frame");
    let found = pass.finish().expect("a frame").remove(2);
    assert_eq!(curve(&found, "unit_PS4").y, [1.0, 0.0]);
    assert_eq!(curve(&found, "unit_S_free").y, [0.0, 1.0]);
    // P with four S, Li with none
    assert_eq!(curve(&found, "coordination").y, [2.0]);
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("numbers")
}

/// Values of numpy and MDAnalysis, made by `scripts/references/profiles.py` (versions in the file).
#[test]
fn numpy_and_mdanalysis_are_reproduced() {
    let data: Value =
        serde_json::from_str(include_str!("../../../tests/data/profiles.json")).expect("JSON");
    let symbols: Vec<String> = read(&data["symbols"]);
    let frames = data["frames"].as_array().expect("frames");
    let structures: Vec<Structure> = frames
        .iter()
        .map(|frame| {
            let cell = Cell::periodic(read(&frame["cell"])).expect("a cell");
            Structure::new(cell, &symbols, read(&frame["positions"])).expect("elements")
        })
        .collect();
    let all: Vec<Frame> = structures.iter().map(|structure| structure.clone().into()).collect();
    for profile in data["profiles"].as_array().expect("profiles") {
        let plane: [i64; 3] = read(&profile["plane"]);
        let bins: usize = read(&profile["bins"]);
        let periods: Vec<f64> = read(&profile["periods"]);
        let found = analyse(&all, along(plane, periods[0] / bins as f64));
        let mean = periods.iter().sum::<f64>() / 3.0;
        assert!((value(&found, "length_a") / mean - 1.0).abs() < 1e-10);
        for symbol in ["Li", "P", "S"] {
            let expected: Vec<f64> = read(&profile["density"][symbol]);
            let density = curve(&found, &format!("number_density_{symbol}"));
            assert_eq!(density.y.len(), expected.len());
            for (y, expected) in density.y.iter().zip(expected) {
                assert!((y - expected).abs() < 1e-11, "{plane:?} {symbol}: {y}, {expected}");
            }
        }
        let means: Vec<Vec<Option<f64>>> = read(&profile["means"]);
        for ((structure, frame), means) in structures.iter().zip(frames).zip(means) {
            let values: Vec<f64> = read(&frame["values"]);
            let found = profile_of(structure, plane, bins, &values).expect("good values");
            for (found, expected) in found.iter().zip(means) {
                match expected {
                    Some(expected) => assert!((found - expected).abs() < 1e-11),
                    None => assert!(found.is_nan()),
                }
            }
        }
    }
    let box_ = &data["mdanalysis"];
    let cell = Cell::orthorhombic(read(&box_["box"])).expect("a box");
    let points: Vec<Vec<Vector3>> = read(&box_["points"]);
    let frames: Vec<Frame> = points
        .into_iter()
        .map(|r| Structure::new(cell.clone(), &symbols, r).expect("elements").into())
        .collect();
    let expected: Vec<f64> = read(&box_["mass_density"]);
    let found = analyse(&frames, along([0, 0, 1], cell.lengths()[2] / expected.len() as f64));
    for (y, expected) in curve(&found, "mass_density").y.iter().zip(&expected) {
        // single precision
        assert!((y / expected - 1.0).abs() < 1e-5, "{y} is not {expected}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let frame = moving(0.0);
    let first = &frame.structure;
    let refused = |settings: ProfilesSettings| {
        Profiles::new(settings, first).err().expect("bad settings").to_string()
    };
    let text = refused(along([0, 0, 0], 1.0));
    assert!(text.contains("plane is (0 0 0); expected Miller indices"), "{text}");
    let text = refused(along([0, i64::MIN, 0], 1.0));
    assert!(text.contains("expected Miller indices between -50 and 50"), "{text}");
    for bin in [12.5, 0.0, -1.0, f64::NAN] {
        let text = refused(along([0, 0, 1], bin));
        assert!(text.contains(&format!("bin is {bin} Å; expected 0.01 Å to 11.")), "{text}");
    }
    let text = refused(ProfilesSettings { smoothing: -1.0, ..along([0, 0, 1], 1.0) });
    assert!(text.contains("smoothing is -1 Å"), "{text}");
    let center = |elements: &[&str]| {
        let elements = elements.iter().map(|symbol| (*symbol).to_owned()).collect();
        ProfilesSettings { center: Some(Center::Elements(elements)), ..Default::default() }
    };
    let text = refused(center(&["O"]));
    assert!(text.contains("no atom of species O in the trajectory; it holds Li, P, S"), "{text}");
    let text = refused(center(&[]));
    assert!(text.contains("center is no element; expected elements among Li, P, S"), "{text}");
    let columns = ProfilesSettings { columns: vec!["q7".into()], ..Default::default() };
    let profiles = Profiles::new(columns.clone(), first).expect("good so far");
    let mut pass = Pass::new(first.table.clone(), vec![Box::new(Heights), Box::new(profiles)]);
    let text = pass.add(std::slice::from_ref(&frame)).expect_err("no such column").to_string();
    assert_eq!(text, "columns is \"q7\"; expected one of height, word");
    let measured = |profiles: Result<Profiles, AnalysisError>, frame: &Frame| {
        let profiles = profiles.unwrap_or_else(|error| panic!("{error}"));
        let mut all = Accumulator::new(frame.structure.table.clone(), profiles);
        all.add(frame).expect_err("bad frame").to_string()
    };
    let text = measured(Profiles::new(columns, first), &frame);
    assert!(text.contains("another analysis of the same pass"), "{text}");
    let center = Some(Center::Phase("glass".into()));
    let settings = ProfilesSettings { center, ..Default::default() };
    let text = measured(Profiles::new(settings, first), &frame);
    assert_eq!(text, "frame 0: no atom of phase glass; there are rest, slab");
    let mut bare = frame.clone();
    bare.structure.phases = None;
    let settings = ProfilesSettings { phases: vec!["slab".into()], ..Default::default() };
    let text = measured(Profiles::new(settings, first), &bare);
    assert_eq!(text, "frame 0: no atom of phase slab; atoms are not labelled");
    let open = Cell::new(*first.cell.matrix(), [true, true, false]).expect("the same");
    bare.structure.cell = open;
    let text = measured(Profiles::new(ProfilesSettings::default(), first), &bare);
    assert!(text.contains("not periodic in all three directions"), "{text}");
    let text = profile_of(first, [0, 0, 1], 4, &[1.0]).expect_err("one value").to_string();
    assert_eq!(text, "values is 1 numbers; expected one for each of 90 atoms");
    let text = profile_of(first, [0, 0, 1], 0, &[1.0]).expect_err("no bins").to_string();
    assert_eq!(text, "bins is 0; expected at least one");
}

#[test]
fn settings_are_written_with_their_units() {
    let settings =
        ProfilesSettings { center: Some(Center::Phase("crystal".into())), ..along([1, 1, 0], 0.5) };
    let text = serde_json::to_value(&settings).expect("plain data");
    assert_eq!(text["bin_a"], 0.5);
    assert_eq!(text["smoothing_a"], 0.0);
    assert_eq!(text["center"]["phase"], "crystal");
    assert_eq!(serde_json::from_value::<ProfilesSettings>(text).expect("the same"), settings);
}
