//! Tetrahedra that turn at a known rate.

use vitrion_analysis::{
    MotionPass, MotionSettings, Observables, RecordingSettings, ReorientationSettings,
};
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::observables::Uncertainty;
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::{Cell, Frame, Structure};

const INTERVAL: f64 = 100.0;

/// Rotation by the length of a vector about it (Rodrigues).
fn rotation(about: Vector3) -> Matrix3 {
    let angle = math::norm(about);
    if angle == 0.0 {
        return math::IDENTITY;
    }
    let [x, y, z] = math::scale(about, 1.0 / angle);
    let (s, c) = angle.sin_cos();
    let t = 1.0 - c;
    [
        [t * x * x + c, t * x * y + s * z, t * x * z - s * y],
        [t * x * y - s * z, t * y * y + c, t * y * z + s * x],
        [t * x * z + s * y, t * y * z - s * x, t * z * z + c],
    ]
}

/// PS4 units in a skewed, breathing cell, wrapped; `turn` gives what each does between frames.
fn turning(
    seed: u64,
    frames: usize,
    turn: impl Fn(&mut Random, &[Vector3; 4]) -> Vector3,
) -> Observables {
    let mut random = rng::at(seed, Stream::Testing, 78, 0);
    let h = 2.05 / 3.0_f64.sqrt();
    let tetrahedron = [[h, h, h], [h, -h, -h], [-h, h, -h], [-h, -h, h]];
    let units = 64;
    let mut bonds = vec![tetrahedron; units];
    let settings = MotionSettings::Reorientation(ReorientationSettings {
        commit: 500.0,
        ..ReorientationSettings::default()
    });
    let recording = RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: None,
        unwrap: true,
    };
    let mut pass = MotionPass::new(recording, vec![settings]);
    for frame in 0..frames {
        let swell = 1.0 + 0.01 * (0.2 * frame as f64).sin();
        let cell = Cell::from_lengths_angles([28.0 * swell, 28.0, 28.0], [75.0, 95.0, 105.0])
            .expect("closes");
        let (mut symbols, mut positions) = (vec!["Li"], vec![[0.0; 3]]);
        for (k, unit) in bonds.iter().enumerate() {
            let s = [k % 4, k / 4 % 4, k / 16].map(|n| 0.25 * n as f64);
            let center = cell.to_cartesian(s);
            symbols.push("P");
            positions.push(cell.wrap(center).0);
            for bond in unit {
                symbols.push("S");
                positions.push(cell.wrap(math::add(center, *bond)).0);
            }
        }
        let structure = Structure::new(cell, &symbols, positions).expect("elements");
        let time = Some(frame as f64 * INTERVAL);
        pass.add(&Frame { time, ..structure.into() }).expect("regular");
        for unit in &mut bonds {
            let matrix = rotation(turn(&mut random, unit));
            *unit = unit.map(|bond| math::row_times(bond, &matrix));
        }
    }
    pass.finish().expect("enough frames").remove(0).observables
}

#[test]
fn rotational_diffusion_decays_as_theory_says() {
    // steps of variance 2 D_r along each axis: C_l = exp(−l(l + 1) D_r τ)
    let d = 0.01_f64;
    let found =
        turning(1, 600, |random, _| std::array::from_fn(|_| (2.0 * d).sqrt() * random.normal()));
    for (l, factor) in [(1, 2.0), (2, 6.0)] {
        let curve = found.curve(&format!("c{l}")).expect("there");
        for ((time, c), error) in curve.x.iter().zip(&curve.y).zip(&curve.y_error) {
            let exact = (-factor * d * time / (INTERVAL * 1e-3)).exp();
            assert!(
                (c - exact).abs() < 4.5 * error + 0.004,
                "C_{l}({time} ps): {c} ± {error}, not {exact}"
            );
        }
        let estimate = found.estimate(&format!("relaxation_time_{l}_ps")).expect("reached");
        let exact = INTERVAL * 1e-3 / (factor * d);
        let Uncertainty::StandardError { value: error, .. } = estimate.uncertainty else {
            panic!("{estimate:?}")
        };
        assert!(
            (estimate.value - exact).abs() < 4.0 * error + 0.03 * exact,
            "{estimate:?} {exact}"
        );
    }
}

#[test]
fn flips_about_a_bond_are_counted_once() {
    let rate = 0.003;
    let found = turning(2, 1500, |random, unit| {
        if random.uniform() < rate {
            let axis = unit[random.below(4)];
            return math::scale(axis, std::f64::consts::TAU / 3.0 / math::norm(axis));
        }
        [0.0; 3]
    });
    let estimate = found.estimate("flip_rate_per_ps").expect("there");
    let Uncertainty::StandardError { value: error, .. } = estimate.uncertainty else {
        panic!("{estimate:?}")
    };
    let exact = rate / (INTERVAL * 1e-3);
    // two flips within the commit time are one
    assert!(
        (estimate.value - exact).abs() < 3.5 * error + 0.04 * exact,
        "{estimate:?}, not {exact}"
    );
    // half a turn ends at the angles of a tetrahedron, or where it began
    let angles = found.curves.iter().find(|curve| curve.name.starts_with("angle_")).expect("there");
    let most = |range: std::ops::Range<f64>| {
        let inside = angles.x.iter().zip(&angles.y).filter(|(x, _)| range.contains(*x));
        inside.map(|(_, y)| y * 3.0).sum::<f64>()
    };
    assert!((most(0.0..3.0) + most(108.0..111.0) - 1.0).abs() < 1e-9);
}

#[test]
fn units_at_rest_have_an_upper_bound_of_flips() {
    let found = turning(3, 60, |_, _| [0.0; 3]);
    let estimate = found.estimate("flip_rate_per_ps").expect("a bound");
    assert!(matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }));
    let curve = found.curve("c2").expect("there");
    assert!(curve.y.iter().all(|c| (c - 1.0).abs() < 1e-9), "{:?}", curve.y);
}
