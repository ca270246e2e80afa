use super::*;
use crate::pass::Pass;
use serde_json::Value;
use std::f64::consts::PI;
use vitrion_core::build::supercell;
use vitrion_core::math;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame};

fn random_atoms(seed: u64, cell: &Cell, count: usize) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 11, 0);
    let r =
        (0..count).map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()))).collect();
    let symbols: Vec<&str> = (0..count).map(|k| ["P", "S"][k % 2]).collect();
    Structure::new(cell.clone(), &symbols, r).expect("elements")
}

/// The sum over the same wave vectors, from the definition.
fn naive(structure: &Structure, axis: usize, slabs: usize, sigma: f64, spacing: f64) -> Vec<f64> {
    let cell = &structure.cell;
    let [p, q] = [(axis + 1) % 3, (axis + 2) % 3];
    let (u, v) = (cell.matrix()[p], cell.matrix()[q]);
    let normal = math::cross(u, v);
    let normal = math::scale(normal, 1.0 / math::norm(normal));
    let volume = math::dot(math::cross(u, v), normal);
    let g = [
        math::scale(math::cross(v, normal), 2.0 * PI / volume),
        math::scale(math::cross(normal, u), 2.0 * PI / volume),
    ];
    let mut f = vec![0.0; slabs];
    for h in -60..=60 {
        for k in -60..=60 {
            if h == 0 && k == 0 {
                continue;
            }
            let wave = math::add(math::scale(g[0], h as f64), math::scale(g[1], k as f64));
            if math::norm(wave) >= PI / spacing {
                continue;
            }
            let smear = (-0.5 * sigma * sigma * math::norm2(wave)).exp();
            let mut sums = vec![[0.0; 2]; slabs];
            for r in &structure.positions {
                let s = cell.to_fractional(cell.wrap(*r).0)[axis];
                let slab = ((s * slabs as f64) as usize).min(slabs - 1);
                let phase = math::dot(wave, *r);
                sums[slab][0] += phase.cos();
                sums[slab][1] += phase.sin();
            }
            for (f, [re, im]) in f.iter_mut().zip(sums) {
                *f += smear * re.hypot(im);
            }
        }
    }
    f
}

#[test]
fn amplitudes_equal_direct_sums_in_skewed_cells() {
    for (seed, axis) in [(1, 0), (2, 1), (3, 2)] {
        let cell =
            Cell::from_lengths_angles([14.0, 13.0, 17.0], [75.0, 100.0, 65.0]).expect("closes");
        let structure = random_atoms(seed, &cell, 60);
        let settings = AmorphizationSettings { axis, thickness: 3.0, ..Default::default() };
        let analysis = Amorphization::new(settings, &structure).expect("good settings");
        let profile = analysis.profile(0, &structure).expect("periodic");
        let expected = naive(&structure, axis, analysis.slabs, 0.5, 0.3);
        for (found, expected) in profile.f.iter().zip(expected) {
            let error = (found - expected).abs() / expected;
            assert!(error < 2e-5, "axis {axis}: {found} is not {expected}");
        }
    }
}

/// Values of numpy, made by `scripts/references/amorphization.py` (version in the file).
#[test]
fn sums_of_numpy_are_reproduced() {
    let data: Value =
        serde_json::from_str(include_str!("../../../tests/data/amorphization.json")).expect("JSON");
    for system in data["systems"].as_array().expect("systems") {
        let positions: Vec<[f64; 3]> = read(&system["positions"]);
        let cell = Cell::periodic(read(&system["cell"])).expect("a cell");
        let symbols = vec!["S"; positions.len()];
        let structure = Structure::new(cell, &symbols, positions).expect("an element");
        let settings = AmorphizationSettings {
            axis: read(&system["axis"]),
            thickness: read(&system["thickness"]),
            sigma: read(&system["sigma"]),
            spacing: read(&system["spacing"]),
            ..Default::default()
        };
        let analysis = Amorphization::new(settings, &structure).expect("good settings");
        let profile = analysis.profile(0, &structure).expect("periodic");
        // spreading and transforming costs up to 1e-5 of an amplitude
        for (name, found, tolerance) in [("f", profile.f, 2e-5), ("random", profile.random, 1e-9)] {
            let expected: Vec<f64> = read(&system[name]);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                let error = (found - expected).abs() / expected;
                assert!(error < tolerance, "{}, {name}: {found}, {expected}", system["name"]);
            }
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("numbers")
}

#[test]
fn atoms_at_random_have_the_f_of_random_positions() {
    let cell = Cell::orthorhombic([40.0, 40.0, 40.0]).expect("a box");
    let structure = random_atoms(5, &cell, 4000);
    let analysis =
        Amorphization::new(AmorphizationSettings::default(), &structure).expect("good settings");
    let profile = analysis.profile(0, &structure).expect("periodic");
    for (f, random) in profile.f.iter().zip(&profile.random) {
        assert!((f / random - 1.0).abs() < 0.05, "{f} against {random}");
    }
    let phases = analysis.phases_of(&structure).expect("periodic");
    assert!((0..4000).all(|atom| phases.name(atom) == GLASS));
}

#[test]
fn moving_the_material_within_the_plane_changes_nothing() {
    let cell = Cell::orthorhombic([20.0, 21.0, 22.0]).expect("a box");
    let structure = random_atoms(6, &cell, 300);
    let analysis =
        Amorphization::new(AmorphizationSettings::default(), &structure).expect("good settings");
    let before = analysis.profile(0, &structure).expect("periodic");
    let mut moved = structure.clone();
    for r in &mut moved.positions {
        r[0] += 0.137;
        r[1] -= 3.91;
    }
    let after = analysis.profile(0, &moved).expect("periodic");
    for (a, b) in before.f.iter().zip(&after.f) {
        assert!((a / b - 1.0).abs() < 1e-5, "{a} and {b}");
    }
}

/// A simple cubic crystal of 2.5 Å below half of the cell, atoms at random above.
fn half_crystal(seed: u64, crystal_to: f64) -> Structure {
    let cubic = Cell::orthorhombic([2.5; 3]).expect("a box");
    let one = Structure::new(cubic, &["S"], vec![[0.3; 3]]).expect("an element");
    let crystal = supercell::repeat(&one, [10, 10, 32]);
    let mut random = rng::at(seed, Stream::Testing, 12, 0);
    let mut structure = crystal.clone();
    for r in &mut structure.positions {
        if r[2] >= crystal_to {
            *r = [
                25.0 * random.uniform(),
                25.0 * random.uniform(),
                crystal_to + (80.0 - crystal_to) * random.uniform(),
            ];
        } else {
            for x in r.iter_mut() {
                *x += 0.1 * random.normal();
            }
        }
    }
    structure
}

#[test]
fn a_known_boundary_is_found_and_atoms_are_labelled() {
    let frames: Vec<Frame> = (0..8).map(|seed| half_crystal(seed, 40.0).into()).collect();
    let first = &frames[0].structure;
    let settings = AmorphizationSettings { thickness: 2.5, ..Default::default() };
    let analysis = Amorphization::new(settings.clone(), first).expect("good settings");
    let mut pass = Pass::new(first.table.clone(), vec![Box::new(analysis.clone())]);
    let measured = pass.add(&frames).expect("good frames");
    let found = pass.finish().expect("frames").remove(0);
    let boundary = |k: usize| {
        found.estimate(&format!("boundary_{k}_a")).unwrap_or_else(|| panic!("boundary {k}")).value
    };
    let boundaries = [boundary(1), boundary(2)];
    for expected in [0.0, 40.0] {
        let near = |found: &f64| {
            (found - expected - 80.0 * ((found - expected) / 80.0).round()).abs() < 2.5
        };
        assert!(boundaries.iter().any(near), "{boundaries:?}");
    }
    assert!(found.estimate("boundary_3_a").is_none());
    let contrast = found.estimate("contrast").expect("two phases").value;
    assert!(contrast < 0.6, "{contrast}");
    let curve = found.curve("f_normalised").expect("always there");
    let inside = |from: f64, to: f64| {
        let chosen: Vec<f64> = curve
            .x
            .iter()
            .zip(&curve.y)
            .filter(|(x, _)| (from..to).contains(*x))
            .map(|(_, y)| *y)
            .collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    assert!((inside(50.0, 70.0) - 1.0).abs() < 0.05);
    // labels of single frames
    let phases = analysis.phases_of(first).expect("periodic");
    let right = (0..first.len()).filter(|atom| {
        let z = first.cell.wrap(first.positions[*atom]).0[2];
        let expected = if z < 40.0 { CRYSTAL } else { GLASS };
        phases.name(*atom) == expected
    });
    let right = right.count() as f64 / first.len() as f64;
    assert!(right > 0.93, "{right} of the labels are right");
    assert_eq!(measured.len(), 8);
    // overlapping windows agree with plain ones where they coincide
    let overlapping = AmorphizationSettings { overlap: 4, ..settings };
    let fine = Amorphization::new(overlapping, first).expect("good settings");
    let (coarse, fine) =
        (analysis.profile(0, first).expect("periodic"), fine.profile(0, first).expect("periodic"));
    for (k, f) in coarse.f.iter().enumerate() {
        assert!((f / fine.f[4 * k] - 1.0).abs() < 1e-9);
    }
}

#[test]
fn one_phase_is_not_cut_in_two() {
    for (to, expected) in [(80.0, CRYSTAL), (0.0, GLASS)] {
        let structure = half_crystal(3, to);
        let settings = AmorphizationSettings { thickness: 2.5, ..Default::default() };
        let analysis = Amorphization::new(settings, &structure).expect("good settings");
        let phases = analysis.phases_of(&structure).expect("periodic");
        let all = (0..structure.len()).all(|atom| phases.name(atom) == expected);
        assert!(all, "crystal up to {to} Å");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let structure = half_crystal(0, 40.0);
    let refused = |settings: AmorphizationSettings| {
        Amorphization::new(settings, &structure).expect_err("bad").to_string()
    };
    let default = AmorphizationSettings::default;
    let text = refused(AmorphizationSettings { axis: 3, ..default() });
    assert!(text.contains("axis is 3; expected 0, 1 or 2"), "{text}");
    let text = refused(AmorphizationSettings { thickness: 30.0, ..default() });
    assert!(text.contains("at least four slabs"), "{text}");
    let text = refused(AmorphizationSettings { spacing: 0.8, ..default() });
    assert!(text.contains("at most sigma"), "{text}");
    let text = refused(AmorphizationSettings { glass: Some([50.0, 90.0]), ..default() });
    assert!(text.contains("both within the cell"), "{text}");
    let text = refused(AmorphizationSettings { elements: vec!["O".into()], ..default() });
    assert!(text.contains("no atom of species O"), "{text}");
}
