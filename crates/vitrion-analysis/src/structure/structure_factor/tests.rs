use super::*;
use crate::pass::{Accumulator, Pass};
use std::f64::consts::PI;
use vitrion_core::build::supercell;
use vitrion_core::math;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame};

fn random_gas(seed: u64, cell: &Cell, symbols: &[&str]) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 21, 0);
    let r = symbols.iter().map(|_| cell.to_cartesian([0; 3].map(|_| random.uniform()))).collect();
    Structure::new(cell.clone(), symbols, r).expect("elements")
}

fn found(frames: &[Frame], settings: StructureFactorSettings) -> Observables {
    let first = &frames[0].structure;
    let analysis = StructureFactor::new(settings, first).unwrap_or_else(|error| panic!("{error}"));
    let mut pass = Pass::new(first.table.clone(), vec![Box::new(analysis)]);
    pass.add(frames).expect("good frames");
    pass.finish().expect("frames").remove(0)
}

fn curve<'a>(found: &'a Observables, name: &str) -> &'a vitrion_core::observables::Curve {
    found.curve(name).unwrap_or_else(|| panic!("no curve {name}"))
}

#[test]
fn amplitudes_equal_sums_over_atoms_in_skewed_cells() {
    for seed in 0..4 {
        let cell =
            Cell::from_lengths_angles([9.0, 11.0, 8.0], [70.0, 105.0, 62.0]).expect("closes");
        let symbols: Vec<&str> = (0..301).map(|k| ["Li", "P", "S", "S"][k % 4]).collect();
        let structure = random_gas(seed, &cell, &symbols);
        let species: Vec<usize> = structure.species.iter().map(|id| id.index()).collect();
        let indices = wave_vectors::choose(&cell, 6.0, 0.05, 20);
        assert!(indices.len() > 500);
        let fast = Amplitudes::of(&cell, &structure.positions, &species, 3, &indices);
        let g = wave_vectors::reciprocal(&cell);
        for (at, n) in indices.iter().enumerate() {
            let mut wave = [0.0; 3];
            for (g, n) in g.iter().zip(n) {
                wave = math::add(wave, math::scale(*g, f64::from(*n)));
            }
            assert!((math::norm(wave) - fast.q[at]).abs() < 1e-12);
            let mut sums = [[0.0; 2]; 3];
            for (r, kind) in structure.positions.iter().zip(&species) {
                let phase = math::dot(wave, *r);
                sums[*kind][0] += phase.cos();
                sums[*kind][1] += phase.sin();
            }
            for (kind, [re, im]) in sums.into_iter().enumerate() {
                let place = kind * indices.len() + at;
                assert!((re - fast.re[place]).abs() < 1e-10, "{n:?}");
                assert!((im - fast.im[place]).abs() < 1e-10, "{n:?}");
            }
        }
    }
}

#[test]
fn all_wave_vectors_of_half_a_sphere_are_there_and_shells_are_thinned_evenly() {
    let cell = Cell::from_lengths_angles([9.0, 11.0, 8.0], [70.0, 105.0, 62.0]).expect("closes");
    let all = wave_vectors::choose(&cell, 5.0, 0.1, usize::MAX);
    let volume = 4.0 / 3.0 * PI * 125.0 * cell.volume() / (2.0 * PI).powi(3);
    assert!((2.0 * all.len() as f64 / volume - 1.0).abs() < 0.05, "{} of {volume}", all.len());
    assert!(all.iter().all(|[h, k, l]| !all.contains(&[-h, -k, -l])));
    let thin = wave_vectors::choose(&cell, 5.0, 0.1, 10);
    assert!(thin.len() <= 500 && thin.iter().all(|n| all.contains(n)));
}

#[test]
fn tables_hold_the_published_numbers() {
    let near =
        |found: f64, expected: f64| assert!((found - expected).abs() < 6e-4, "{found} {expected}");
    for (symbol, expected) in [
        ("Li", [3.000, 2.200, 1.275, 0.516, 0.091]),
        ("P", [14.999, 13.082, 7.567, 4.315, 1.636]),
        ("S", [16.000, 14.120, 7.876, 4.818, 1.789]),
    ] {
        let factor = FormFactor::of(symbol).expect("in the table");
        for (q, expected) in [0.0, 1.28, 5.0, 10.0, 20.0].into_iter().zip(expected) {
            near(factor.at(q), expected);
        }
    }
    // weights of Li3PS4: c_a c_b b_a b_b/<b>^2, unlike pairs twice
    let cell = Cell::orthorhombic([6.0; 3]).expect("a box");
    let symbols = ["Li", "Li", "Li", "P", "S", "S", "S", "S"];
    let structure = random_gas(1, &cell, &symbols);
    let c = [3.0 / 8.0, 1.0 / 8.0, 0.5];
    let weights = |isotopes: &[String]| {
        let b = weights::neutron_lengths(&structure.table, isotopes).expect("known");
        let mean: f64 = c.iter().zip(&b).map(|(c, b)| c * b).sum();
        [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]].map(|[i, j]: [usize; 2]| {
            let twice = if i == j { 1.0 } else { 2.0 };
            twice * c[i] * c[j] * b[i] * b[j] / (mean * mean)
        })
    };
    let natural = [0.2776, -0.4997, -1.1093, 0.2249, 0.9984, 1.1082];
    let heavy = [0.4564, -0.7031, -1.5609, 0.2708, 1.2023, 1.3345];
    for (found, expected) in [(weights(&[]), natural), (weights(&["7Li".into()]), heavy)] {
        for (found, expected) in found.into_iter().zip(expected) {
            near(found, expected);
        }
    }
}

#[test]
fn atoms_at_random_have_a_structure_factor_of_one() {
    let cell = Cell::from_lengths_angles([22.0, 23.0, 24.0], [80.0, 95.0, 70.0]).expect("closes");
    let symbols: Vec<&str> = (0..500).map(|k| ["Li", "S"][k % 2]).collect();
    let frames: Vec<Frame> = (0..160).map(|k| random_gas(k, &cell, &symbols).into()).collect();
    let settings = StructureFactorSettings { dq: 0.25, r_max: 10.0, ..Default::default() };
    let found = found(&frames, settings);
    for name in ["neutron_s", "xray_s", "s_nn", "s_Li_S", "s_Li_Li", "s_S_S_transform"] {
        let curve = curve(&found, name);
        let far = (0..curve.x.len()).filter(|k| curve.x[*k] > 1.5);
        let mut deviations = 0.0;
        for k in far.clone() {
            assert!((curve.y[k] - 1.0).abs() < 6.0 * curve.y_error[k], "{name} at {}", curve.x[k]);
            deviations += ((curve.y[k] - 1.0) / curve.y_error[k]).powi(2);
        }
        let mean = deviations / far.count() as f64;
        assert!((0.4..2.5).contains(&mean), "{name}: {mean}");
    }
    // S_cc tends to c(1 − c), S_nc to nothing
    let cc = curve(&found, "s_cc");
    assert!((cc.y.iter().sum::<f64>() / cc.y.len() as f64 - 0.25).abs() < 0.01);
    let nc = curve(&found, "s_nc");
    assert!((nc.y.iter().sum::<f64>() / nc.y.len() as f64).abs() < 0.01);
    let al = curve(&found, "ashcroft_langreth_Li_Li");
    assert!((al.y.iter().sum::<f64>() / al.y.len() as f64 - 1.0).abs() < 0.02);
}

#[test]
fn a_crystal_has_bragg_peaks_and_nothing_between() {
    let cubic = Cell::orthorhombic([3.0; 3]).expect("a box");
    let one = Structure::new(cubic, &["S"], vec![[0.4, 0.1, 0.2]]).expect("an element");
    let crystal = supercell::repeat(&one, [4, 4, 4]);
    let settings = StructureFactorSettings {
        vectors_per_shell: 100_000,
        q_max_direct: 4.5,
        r_max: 8.0,
        ..Default::default()
    };
    let atoms = crystal.len() as f64;
    let found = found(&[crystal.into()], settings);
    let s = curve(&found, "s_nn");
    for (q, s) in s.x.iter().zip(&s.y) {
        let bragg = [1.0, 2.0_f64.sqrt(), 3.0_f64.sqrt(), 2.0]
            .into_iter()
            .any(|n| (n * 2.0 * PI / 3.0 - q).abs() <= 0.025);
        if bragg {
            // mean over the shell, of which some vectors are reflections with S = N
            assert!(*s > 1.0 && *s <= atoms + 1e-6, "{s} at {q}");
        } else {
            assert!(s.abs() < 1e-9, "{s} at {q}");
        }
    }
}

#[test]
fn two_atoms_scatter_as_debye_says() {
    // directions at random and a wide empty cell: S = 1 + sin(Qd)/(Qd)
    let cell = Cell::orthorhombic([30.0; 3]).expect("a box");
    let d = 2.0;
    let mut random = rng::at(2, Stream::Testing, 22, 0);
    let frames: Vec<Frame> = (0..400)
        .map(|_| {
            let v: [f64; 3] = [0; 3].map(|_| random.normal());
            let v = math::scale(v, d / math::norm(v));
            let r = vec![[15.0; 3], math::add([15.0; 3], v)];
            Structure::new(cell.clone(), &["S", "S"], r).expect("elements").into()
        })
        .collect();
    let settings = StructureFactorSettings { dq: 0.2, r_max: 3.0, ..Default::default() };
    let found = found(&frames, settings);
    let s = curve(&found, "s_nn");
    for (k, q) in s.x.iter().enumerate().skip(2) {
        let expected = 1.0 + (q * d).sin() / (q * d);
        let tolerance = 6.0 * s.y_error[k] + 0.03;
        assert!((s.y[k] - expected).abs() < tolerance, "{} not {expected} at {q}", s.y[k]);
    }
}

/// Atoms that keep a distance from each other.
fn liquid(seed: u64) -> Frame {
    let cell = Cell::from_lengths_angles([24.0, 25.0, 26.0], [85.0, 95.0, 75.0]).expect("closes");
    let mut random = rng::at(seed, Stream::Testing, 23, 0);
    let mut r: Vec<[f64; 3]> = Vec::new();
    while r.len() < 450 {
        let next = cell.to_cartesian([0; 3].map(|_| random.uniform()));
        let free = |other: &[f64; 3]| {
            let s = cell.to_fractional(math::sub(next, *other)).map(|s| s - s.round());
            math::norm(cell.to_cartesian(s)) > 2.2
        };
        if r.iter().all(free) {
            r.push(next);
        }
    }
    let symbols: Vec<&str> = (0..450).map(|k| ["Li", "S"][k % 2]).collect();
    Structure::new(cell, &symbols, r).expect("elements").into()
}

#[test]
fn both_routes_give_the_same_curve_of_a_liquid() {
    let frames: Vec<Frame> = (0..24).map(liquid).collect();
    let settings = StructureFactorSettings {
        dq: 0.1,
        r_max: 11.0,
        lorch: false,
        vectors_per_shell: 2000,
        ..Default::default()
    };
    let plain = found(&frames, settings.clone());
    let difference = plain.estimate("difference_of_routes").expect("always there");
    assert!(difference.value < 0.03, "{}", difference.value);
    let (direct, transform) = (curve(&plain, "neutron_s"), curve(&plain, "neutron_s_transform"));
    for (k, q) in direct.x.iter().enumerate().filter(|(_, q)| **q > 1.2) {
        let at = transform.x.iter().position(|x| (x - q).abs() < 1e-9).expect("same shells");
        let tolerance = 6.0 * direct.y_error[k].hypot(transform.y_error[at]) + 0.05;
        assert!((direct.y[k] - transform.y[at]).abs() < tolerance, "{q}");
    }
    // F, S and the total are one function
    let f = curve(&plain, "neutron_f");
    let total = curve(&plain, "neutron_total");
    let (b_li, b_s) = (-1.90, 2.847);
    let (mean, squares) = (0.5 * (b_li + b_s), 0.5 * (b_li * b_li + b_s * b_s));
    for k in 0..f.x.len() {
        assert!((direct.y[k] - 1.0 - 100.0 * f.y[k] / (mean * mean)).abs() < 1e-9);
        assert!((total.y[k] - f.y[k] - 0.01 * squares).abs() < 1e-12);
    }
    // an instrument blurs but does not lose
    let blurred = found_blurred(&frames, settings);
    let spread =
        |c: &vitrion_core::observables::Curve| c.y.iter().map(|y| (y - 1.0).powi(2)).sum::<f64>();
    assert!(spread(curve(&blurred, "s_nn")) < spread(curve(&plain, "s_nn")));
}

fn found_blurred(frames: &[Frame], settings: StructureFactorSettings) -> Observables {
    found(frames, StructureFactorSettings { sigma_q: 0.2, ..settings })
}

#[test]
fn a_measurement_that_is_the_calculation_agrees_with_it() {
    let frames: Vec<Frame> = (0..8).map(liquid).collect();
    let settings = StructureFactorSettings { dq: 0.1, r_max: 11.0, ..Default::default() };
    let own = found(&frames, settings.clone());
    let s = curve(&own, "neutron_s_transform");
    let lines: Vec<String> =
        (5..60).map(|k| format!("{} {} 0.01", s.x[k], 2.0 * s.y[k] + 0.3)).collect();
    let text = lines.join("\n");
    let points = Experiment::parse(&format!("# Q S dS\n{text}")).expect("good lines");
    let experiment = |fit| Experiment {
        file: "s.dat".into(),
        function: Scattering::NeutronS,
        fit,
        points: points.clone(),
    };
    let compared = |fit| {
        let experiment = Some(experiment(fit));
        found(&frames, StructureFactorSettings { experiment, ..settings.clone() })
    };
    let (plain, fitted) = (compared(false), compared(true));
    let value = |found: &Observables, name: &str| found.estimate(name).expect("there").value;
    assert!(value(&plain, "r_chi") > 0.3);
    assert!(value(&fitted, "r_chi") < 1e-10);
    assert!((value(&fitted, "scale") - 2.0).abs() < 1e-9);
    assert!((value(&fitted, "offset") - 0.3).abs() < 1e-9);
    assert!(value(&fitted, "chi2") < 1e-12);
    for (text, line, expected) in [
        ("0.5 1\n0.7 x\n", 2, "expected numbers"),
        ("0.5 1\n0.4 1\n", 2, "Q must increase"),
        ("0.5 1 0.1\n0.7 1\n", 2, "some lines have errors"),
        ("0.5\n", 1, "2 or 3 columns"),
        ("0.5 1\n0.6 1\n", 2, "at least 3 points"),
    ] {
        let (at, what) = Experiment::parse(text).expect_err("bad");
        assert_eq!(at, line, "{text}");
        assert!(what.contains(expected), "{what}");
    }
}

#[test]
fn a_supercell_scatters_as_its_cell() {
    let frame = liquid(3);
    let double: Frame = supercell::repeat(&frame.structure, [2, 1, 1]).into();
    let settings = StructureFactorSettings { dq: 0.1, r_max: 15.0, ..Default::default() };
    let (one, two) = (found(&[frame], settings.clone()), found(&[double], settings));
    let (a, b) = (curve(&one, "s_Li_S_transform"), curve(&two, "s_Li_S_transform"));
    for (a, b) in a.y.iter().zip(&b.y) {
        assert!((a - b).abs() < 1e-9);
    }
}

#[test]
fn frames_of_changing_cells_keep_fitting_wave_vectors() {
    let frame = liquid(4);
    let analysis = StructureFactor::new(StructureFactorSettings::default(), &frame.structure);
    let mut all = Accumulator::new(frame.structure.table.clone(), analysis.expect("good"));
    all.add(&frame).expect("good");
    let mut wider = frame.clone();
    let cell = math::matrix_scale(wider.structure.cell.matrix(), 1.02);
    wider.structure.cell = Cell::new(cell, [true; 3]).expect("closes");
    for r in &mut wider.structure.positions {
        *r = math::scale(*r, 1.02);
    }
    all.add(&wider).expect("good");
    let s = all.finish().expect("frames");
    assert!(curve(&s, "s_nn").y.iter().all(|y| y.is_finite() && *y > 0.0));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let structure = liquid(5).structure;
    let refused = |settings: StructureFactorSettings| {
        StructureFactor::new(settings, &structure).expect_err("bad").to_string()
    };
    let default = StructureFactorSettings::default;
    let text = refused(StructureFactorSettings { isotopes: vec!["8Li".into()], ..default() });
    assert!(text.contains("\"8Li\"; expected some of 6Li, 7Li, 32S"), "{text}");
    let text = refused(StructureFactorSettings { isotopes: vec!["31P".into()], ..default() });
    assert!(text.contains("31P"), "{text}");
    let text = refused(StructureFactorSettings { dq: 0.0, ..default() });
    assert!(text.contains("dq is 0 1/Å"), "{text}");
    let text = refused(StructureFactorSettings { first_peak: [2.0, 1.0], ..default() });
    assert!(text.contains("first_peak"), "{text}");
    let text = refused(StructureFactorSettings { vectors_per_shell: 0, ..default() });
    assert!(text.contains("vectors_per_shell"), "{text}");
}

#[test]
fn products_of_amplitudes_agree_with_dynasor() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/structure_factor.json"))
            .expect("JSON");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let vectors = |name: &str| -> Vec<[f64; 3]> {
        let list = golden[name].as_array().expect("a list");
        list.iter().map(|v| numbers(v).try_into().expect("three")).collect()
    };
    let cell: [[f64; 3]; 3] = vectors("cell").try_into().expect("three rows");
    let cell = Cell::new(cell, [true; 3]).expect("closes");
    let positions = vectors("positions");
    let symbols: Vec<&str> =
        golden["symbols"].as_array().expect("a list").iter().filter_map(|s| s.as_str()).collect();
    let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
    let species: Vec<usize> = structure.species.iter().map(|id| id.index()).collect();
    let indices: Vec<[i32; 3]> =
        vectors("indices").into_iter().map(|n| n.map(|n| n as i32)).collect();
    let found = Amplitudes::of(&cell, &structure.positions, &species, 3, &indices);
    let of = |symbol: &str| structure.table.id(symbol).expect("there").index() * indices.len();
    for pair in ["Li_Li", "Li_P", "Li_S", "P_P", "P_S", "S_S"] {
        let (a, b) = pair.split_once('_').expect("two");
        for (at, expected) in numbers(&golden["s"][pair]).into_iter().enumerate() {
            let (i, j) = (of(a) + at, of(b) + at);
            let product = found.re[i] * found.re[j] + found.im[i] * found.im[j];
            // dynasor adds both orders of unlike elements
            let orders = if a == b { 1.0 } else { 2.0 };
            let product = orders * product / structure.len() as f64;
            assert!(
                (product - expected).abs() < 1e-6,
                "{pair} {:?}: {product} {expected}",
                indices[at]
            );
        }
    }
}
