use super::*;
use vitrion_core::observables::Observables;
use vitrion_core::rng::{self, Stream};

fn settings(longest: f64, charges: &[(&str, i64)]) -> CorrelatorSettings {
    let charges = charges.iter().map(|(s, z)| ((*s).to_owned(), *z)).collect();
    CorrelatorSettings { interval: 2.0, longest, charges }
}

/// Two elements in a tilted box.
fn structure() -> Structure {
    let cell =
        Cell::periodic([[9.0, 0.0, 0.0], [2.0, 8.0, 0.0], [-1.0, 1.0, 7.0]]).expect("a cell");
    let symbols = ["Li", "S", "Li", "Li", "S"];
    let positions = (0..5).map(|i| [f64::from(i), 0.5 * f64::from(i), 1.0]).collect();
    Structure::new(cell, &symbols, positions).expect("elements")
}

/// Positions and velocities that have nothing to do with each other.
fn noise(samples: usize) -> Vec<(Vec<Vector3>, Vec<Vector3>)> {
    let mut positions = structure().positions;
    (0..samples)
        .map(|k| {
            let mut random = rng::at(3, Stream::Testing, k as u64, 0);
            for r in &mut positions {
                *r = math::add(*r, std::array::from_fn(|_| 0.3 * random.normal()));
            }
            let velocities =
                (0..5).map(|_| std::array::from_fn(|_| 0.01 * random.normal())).collect();
            (positions.clone(), velocities)
        })
        .collect()
}

fn correlated(samples: &[(Vec<Vector3>, Vec<Vector3>)], charges: &[(&str, i64)]) -> Correlator {
    let structure = structure();
    let mut correlator = Correlator::new(settings(900.0, charges), &structure).expect("settings");
    for (positions, velocities) in samples {
        correlator.add(&structure.cell, positions, velocities).expect("a sample");
    }
    correlator
}

fn point(observables: &Observables, curve: &str, tau: f64) -> f64 {
    let curve = observables.curve(curve).expect("a curve");
    let at = curve.x.iter().position(|x| (x - tau).abs() < 1e-9);
    curve.y[at.unwrap_or_else(|| panic!("no lag {tau} in {:?}", curve.x))]
}

/// The slow twin: the centre of mass taken out of stored samples, then every origin that is a multiple of
/// the level's spacing.
#[test]
fn every_lag_equals_the_sum_over_its_origins() {
    let samples = noise(700);
    let observables = correlated(&samples, &[("Li", 1), ("S", -2)]).finish().expect("samples");
    let structure = structure();
    let masses: Vec<f64> = (0..5).map(|atom| structure.mass(atom)).collect();
    let centred = |vectors: &[Vector3]| -> Vec<Vector3> {
        let total: f64 = masses.iter().sum();
        let sum = vectors
            .iter()
            .zip(&masses)
            .fold([0.0; 3], |s, (v, m)| math::add(s, math::scale(*v, m / total)));
        vectors.iter().map(|v| math::sub(*v, sum)).collect()
    };
    let stored: Vec<_> = samples.iter().map(|(r, v)| (centred(r), centred(v))).collect();
    let charges = [1.0, -2.0, 1.0, 1.0, -2.0];
    let sum = |vectors: &[Vector3]| {
        let weighted = vectors.iter().zip(charges);
        weighted.fold([0.0; 3], |s, (v, z)| math::add(s, math::scale(*v, z)))
    };
    for (lag, spacing) in
        [(1, 1), (15, 1), (4 * 4, 4), (15 * 4, 4), (5 * 16, 16), (15 * 16, 16), (7 * 64, 64)]
    {
        let (mut r2, mut r4, mut x2, mut vv, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut dipole, mut current, mut origins) = (0.0, 0.0, 0.0);
        for start in (0..).step_by(spacing).take_while(|start| start + lag < stored.len()) {
            let ((ra, va), (rb, vb)) = (&stored[start], &stored[start + lag]);
            for atom in [0, 2, 3] {
                let d = math::sub(rb[atom], ra[atom]);
                r2 += math::norm2(d);
                r4 += math::norm2(d).powi(2);
                x2 += d[0] * d[0];
                vv += math::dot(va[atom], vb[atom]);
                n += 1.0;
            }
            dipole += math::norm2(math::sub(sum(rb), sum(ra)));
            current += math::dot(sum(va), sum(vb));
            origins += 1.0;
        }
        let tau = lag as f64 * 2e-3;
        for (name, expected) in [
            ("msd_Li", r2 / n),
            ("msd_x_Li", x2 / n),
            ("alpha2_Li", 3.0 * (r4 / n) / (5.0 * (r2 / n).powi(2)) - 1.0),
            ("vacf_Li", 1e6 * vv / n),
            ("charge_msd", dipole / origins),
            ("current_acf", 1e6 * current / origins),
        ] {
            let found = point(&observables, name, tau);
            assert!(
                (found - expected).abs() < 1e-11 * expected.abs().max(1e-6),
                "{name} {tau}: {found} {expected}"
            );
        }
    }
}

#[test]
fn a_random_walk_has_its_slope_and_no_alpha2() {
    let samples = noise(6000);
    let observables = correlated(&samples, &[]).finish().expect("samples");
    for (curve, tau, expected) in [("msd_Li", 0.02, 3.0 * 0.09 * 10.0), ("alpha2_Li", 0.02, 0.0)] {
        let found = point(&observables, curve, tau);
        let at = observables.curve(curve).expect("a curve");
        let error = at.y_error[at.x.iter().position(|x| (x - tau).abs() < 1e-9).expect("the lag")];
        // the centre of mass takes a mass-weighted share of a light atom's steps: below 4 %
        let share = 0.05 * expected;
        assert!((found - expected).abs() < 4.0 * error + share, "{curve}: {found} ± {error}");
        assert!(error < 0.2, "{curve}: {error}");
    }
    assert!(observables.curve("charge_msd").is_none());
}

#[test]
fn a_cell_that_breathes_makes_nothing_diffuse() {
    let structure = structure();
    let mut correlator = Correlator::new(settings(200.0, &[]), &structure).expect("settings");
    let rest = vec![[0.0; 3]; 5];
    // far outside the cell, as unwrapped atoms are after a long time
    let far: Vec<Vector3> =
        structure.positions.iter().map(|r| math::add(*r, [400.0, -300.0, 90.0])).collect();
    for k in 0..300 {
        let phase = 0.1 * f64::from(k);
        let growth = [
            [1.0 + 0.02 * phase.sin(), 0.0, 0.0],
            [0.01 * phase.cos(), 1.0, 0.0],
            [0.0, 0.0, 1.0 - 0.01 * phase.sin()],
        ];
        let cell = Cell::periodic(math::matmul(structure.cell.matrix(), &growth)).expect("a cell");
        let positions: Vec<Vector3> = far.iter().map(|r| math::row_times(*r, &growth)).collect();
        correlator.add(&cell, &positions, &rest).expect("a sample");
    }
    let observables = correlator.finish().expect("samples");
    let msd = observables.curve("msd_Li").expect("a curve");
    assert!(msd.y.iter().all(|y| *y < 1e-20), "{:?}", msd.y);
}

#[test]
fn an_oscillator_has_a_cosine_and_a_pause_changes_no_bit() {
    let structure = structure();
    let sample = |k: u32| -> (Vec<Vector3>, Vec<Vector3>) {
        // opposite motion of two equal atoms, so that the centre of mass rests
        let (sin, cos) = (0.05 * 2.0 * f64::from(k)).sin_cos();
        let mut positions = structure.positions.clone();
        let mut velocities = vec![[0.0; 3]; 5];
        for (atom, sign) in [(0, 1.0), (2, -1.0)] {
            positions[atom][1] += sign * 0.4 * sin;
            velocities[atom][1] = sign * 0.4 * 0.05 * cos;
        }
        (positions, velocities)
    };
    let mut whole = Correlator::new(settings(900.0, &[]), &structure).expect("settings");
    let mut parts = whole.clone();
    for k in 0..2000 {
        let (positions, velocities) = sample(k);
        whole.add(&structure.cell, &positions, &velocities).expect("a sample");
        parts.add(&structure.cell, &positions, &velocities).expect("a sample");
        if k == 777 {
            let text = serde_json::to_string(&parts).expect("plain data");
            parts = serde_json::from_str(&text).expect("our own text");
        }
    }
    assert_eq!(whole, parts);
    let observables = whole.finish().expect("samples");
    let zero = point(&observables, "vacf_Li", 0.0);
    assert!((zero - 1e6 * 0.02 * 0.02 / 2.0 * 2.0 / 3.0).abs() < 2e-3 * zero);
    for tau in [0.004, 0.03, 0.064, 0.12] {
        let ratio = point(&observables, "vacf_Li", tau) / zero;
        assert!((ratio - (0.05 * tau * 1e3).cos()).abs() < 5e-3, "{tau}: {ratio}");
    }
}

#[test]
fn charges_must_be_those_of_the_elements() {
    let structure = structure();
    for (charges, message) in [
        (vec![("Na", 1)], "elements of the structure: Li, S"),
        (vec![("Li", 1)], "a charge number for every element"),
    ] {
        let error = Correlator::new(settings(100.0, &charges), &structure).expect_err("refused");
        assert!(error.to_string().contains(message), "{error}");
    }
    let mut wrong = settings(1.0, &[]);
    let error = Correlator::new(wrong.clone(), &structure).expect_err("shorter than a sample");
    assert!(error.to_string().contains("at least the interval"), "{error}");
    wrong.interval = 0.0;
    assert!(Correlator::new(wrong, &structure).is_err());
}
