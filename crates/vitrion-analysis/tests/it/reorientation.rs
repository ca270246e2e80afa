//! Tetrahedra that turn at a known rate.

use crate::coverage::Coverage;
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
    breaking(seed, frames, turn, |_| usize::MAX)
}

/// Units of which the last ligand goes away in a frame.
fn breaking(
    seed: u64,
    frames: usize,
    turn: impl Fn(&mut Random, &[Vector3; 4]) -> Vector3,
    breaks: impl Fn(usize) -> usize,
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
            for (which, bond) in unit.iter().enumerate() {
                let away = which == 3 && frame >= breaks(k);
                let bond = if away { math::scale(*bond, 1.7) } else { *bond };
                symbols.push("S");
                positions.push(cell.wrap(math::add(center, bond)).0);
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

#[test]
fn units_count_until_they_break() {
    // every other unit breaks at frame 40: all in all 32 × 100 + 32 × 40 frames of units at rest
    let half = |unit: usize| if unit.is_multiple_of(2) { 40 } else { usize::MAX };
    let found = breaking(4, 100, |_, _| [0.0; 3], half);
    let said = |name: &str| found.parameters.iter().find(|(known, _)| known == name);
    assert_eq!(said("units that lost a bond, followed until then").expect("said").1, "32");
    assert!(found.cautions.iter().any(|caution| caution.code == "units_break"));
    let rate = found.estimate("flip_rate_per_ps").expect("a bound").value;
    let time = 32.0 * (91.0 + 31.0) * INTERVAL * 1e-3;
    assert!((rate * time / -(0.05_f64.ln()) - 1.0).abs() < 1e-6, "{rate}");
    // what a unit does after it broke is not seen: flips that all come later
    let spinning = breaking(5, 100, |random, unit| math::scale(unit[0], random.uniform()), |_| 1);
    assert!(spinning.curve("c1").is_none(), "a unit that breaks at once has no lag");
    assert!(spinning.estimate("flip_rate_per_ps").is_none(), "nor a time to flip in");
    // all break at frame 40: no lags beyond
    let all = breaking(4, 100, |_, _| [0.0; 3], |_| 40);
    let curve = all.curve("c1").expect("there");
    assert!(curve.x.iter().all(|time| *time < 40.0 * INTERVAL * 1e-3), "{:?}", curve.x);
    assert!(curve.y.iter().chain(&curve.y_error).all(|value| value.is_finite()));
    let ligands = &found.categories[0];
    assert_eq!((ligands.names[0].as_str(), ligands.values[0]), ("4", 64.0));
}

#[test]
fn intervals_of_correlations_and_flip_rates_cover_the_truth() {
    // rotations by vectors of variance v about each axis: with χ_l = sin((2l + 1)φ/2)/sin(φ/2), C_l = ⟨χ_l/(2l + 1)⟩ for a step, and its powers;
    // ⟨cos kφ⟩ = (1 − k²v) exp(−k²v/2)
    let v = 0.01_f64;
    let mean = |k: f64| (1.0 - k * k * v) * (-0.5 * k * k * v).exp();
    let step = [(1.0 + 2.0 * mean(1.0)) / 3.0, (1.0 + 2.0 * mean(1.0) + 2.0 * mean(2.0)) / 5.0];
    let mut correlations = [[Coverage::default(), Coverage::default()], Default::default()];
    for seed in 0..500 {
        let found =
            turning(seed, 100, |random, _| std::array::from_fn(|_| v.sqrt() * random.normal()));
        for l in 0..2 {
            let curve = found.curve(&format!("c{}", l + 1)).expect("there");
            for (which, lag) in [5.0, 20.0].into_iter().enumerate() {
                let at = curve.x.iter().position(|x| (x - lag * INTERVAL * 1e-3).abs() < 1e-9);
                let truth = step[l].powf(lag);
                correlations[l][which].point(curve, at.expect("a lag"), 10.0, truth);
            }
        }
    }
    for l in 0..2 {
        for (coverage, lag) in correlations[l].iter().zip([5.0, 20.0]) {
            coverage.check(&format!("C_{} at lag {lag}", l + 1), step[l].powf(lag), 0.02);
        }
    }
    // of two flips within the commit time of five frames only one is seen
    let rate = 0.002;
    let truth = rate * (1.0 - 5.0 * rate) / (INTERVAL * 1e-3);
    let mut flips = Coverage::default();
    for seed in 0..500 {
        let found = turning(seed, 400, |random, unit| {
            if random.uniform() < rate {
                let axis = unit[random.below(4)];
                return math::scale(axis, std::f64::consts::TAU / 3.0 / math::norm(axis));
            }
            [0.0; 3]
        });
        flips.estimate(found.estimate("flip_rate_per_ps").expect("there"), truth);
    }
    flips.check("flip rate", truth, 0.03);
}
