//! Walks whose diffusion is known, vibrations, drift, wrapped and breathing cells.

use vitrion_analysis::{
    AnalysisError, DiffusionSettings, MsdSettings, Recording, RecordingSettings, diffusion,
    mean_squared_displacement,
};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::Uncertainty;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

const INTERVAL: f64 = 100.0;

fn settings(unwrap: bool) -> RecordingSettings {
    RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: Some(900.0),
        unwrap,
    }
}

fn ion() -> DiffusionSettings {
    DiffusionSettings { charge: 1.0, window: None, axes: None }
}

fn frame(cell: &Cell, lithium: &[Vector3], sulphur: &[Vector3], time: f64) -> Frame {
    let symbols: Vec<&str> =
        lithium.iter().map(|_| "Li").chain(sulphur.iter().map(|_| "S")).collect();
    let positions = lithium.iter().chain(sulphur).copied().collect();
    let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
    Frame { time: Some(time), ..structure.into() }
}

/// `atoms` independent walkers with diffusion coefficient `d` [Å²/fs] over resting S.
fn walk(seed: u64, atoms: usize, frames: usize, d: f64) -> Recording {
    let cell = Cell::from_lengths_angles([20.0, 22.0, 18.0], [75.0, 90.0, 105.0]).expect("closes");
    let mut random = rng::at(seed, Stream::Testing, 50, 0);
    let sigma = (2.0 * d * INTERVAL).sqrt();
    let mut lithium = vec![[0.0; 3]; atoms];
    let sulphur = [[5.0; 3], [1.0, 9.0, 4.0]];
    let mut data = Recording::new(settings(false));
    for k in 0..frames {
        data.add(&frame(&cell, &lithium, &sulphur, k as f64 * INTERVAL)).expect("regular frames");
        for r in &mut lithium {
            for x in r {
                *x += sigma * random.normal();
            }
        }
    }
    data
}

#[test]
fn the_interval_of_a_random_walk_covers_the_truth_as_often_as_it_says() {
    let truth = 2e-4;
    let (mut inside, mut sum) = (0, 0.0);
    let runs = 60;
    for seed in 0..runs {
        let data = walk(seed, 20, 300, truth);
        let ion = ion();
        let (_, found) = diffusion(&data, &ion).expect("enough frames");
        assert!(found.diffusive);
        inside += usize::from((found.value - truth).abs() < 1.96 * found.error);
        sum += found.value / runs as f64;
    }
    // 95 % of 60 is 57 ± 1.7; the larger of two errors is a little cautious, never careless
    assert!(inside >= 50, "{inside} of {runs}");
    assert!((sum / truth - 1.0).abs() < 0.05, "mean {sum:e}");
}

#[test]
fn a_free_flight_is_quadratic_and_drift_is_removed() {
    let cell = Cell::orthorhombic([30.0; 3]).expect("a box");
    let mut data = Recording::new(settings(false));
    for k in 0..40 {
        let t = f64::from(k);
        // everything drifts by 0.3 Å per frame; Li also flies at 0.1 Å per frame along z
        let drift = [0.3 * t, 0.0, 0.0];
        let lithium = [math::add(drift, [0.0, 0.0, 0.1 * t])];
        let sulphur = [math::add(drift, [5.0, 5.0, 5.0]), math::add(drift, [9.0, 1.0, 2.0])];
        data.add(&frame(&cell, &lithium, &sulphur, t * INTERVAL)).expect("regular");
    }
    let msd = mean_squared_displacement(&data, &MsdSettings::default()).expect("enough frames");
    let curve = msd.curve("msd_Li").expect("named by species");
    for (k, value) in curve.y.iter().enumerate() {
        let exact = (0.1 * (k + 1) as f64).powi(2);
        assert!((value - exact).abs() < 1e-9, "lag {}: {value} is not {exact}", k + 1);
    }
    assert!(msd.curve("msd_S").expect("kept").y.iter().all(|x| *x < 1e-20));
    let exponent = msd.curve("exponent").expect("kept");
    assert!(exponent.y.iter().all(|b| (b - 2.0).abs() < 1e-6));
}

#[test]
fn vibrations_give_an_upper_bound_and_say_so() {
    let cell = Cell::orthorhombic([12.0; 3]).expect("a box");
    let mut random = rng::at(9, Stream::Testing, 51, 0);
    let mut data = Recording::new(settings(false));
    for k in 0..200 {
        let lithium: Vec<Vector3> = (0..16)
            .map(|i| std::array::from_fn(|_| f64::from(i) + 0.3 * random.normal()))
            .collect();
        data.add(&frame(&cell, &lithium, &[[1.0; 3]], f64::from(k) * INTERVAL)).expect("regular");
    }
    let ion = ion();
    let (observables, found) = diffusion(&data, &ion).expect("enough frames");
    assert!(!found.diffusive);
    let d = observables.estimate("diffusion_cm2_per_s").expect("always there");
    assert_eq!(d.uncertainty, Uncertainty::UpperBound { level: 0.95 });
    assert!(observables.cautions.iter().any(|c| c.code == "not_diffusive"));
}

#[test]
fn wrapped_positions_are_noticed_and_can_be_joined() {
    let cell = Cell::from_lengths_angles([8.0, 9.0, 10.0], [65.0, 80.0, 110.0]).expect("closes");
    let mut wrapped = Recording::new(settings(false));
    let mut joined = Recording::new(settings(true));
    let mut error = None;
    for k in 0..40 {
        let t = f64::from(k);
        let (inside, _) = cell.wrap([0.9 * t, -0.4 * t, 0.2 * t]);
        let f = frame(&cell, &[inside], &[[4.0; 3]], t * INTERVAL);
        joined.add(&f).expect("joined");
        if error.is_none() {
            error = wrapped.add(&f).err();
        }
    }
    assert!(matches!(error, Some(AnalysisError::Wrapped { atom: 0, .. })), "{error:?}");
    let msd = mean_squared_displacement(&joined, &MsdSettings::default()).expect("enough");
    let speed2 = 0.9_f64.powi(2) + 0.4_f64.powi(2) + 0.2_f64.powi(2);
    let first = msd.curve("msd_Li").expect("kept").y[0];
    assert!((first - speed2).abs() < 1e-9, "{first}");
}

#[test]
fn atoms_frozen_in_a_breathing_cell_do_not_diffuse() {
    let mut data = Recording::new(settings(true));
    for k in 0..300 {
        let scale = 1.0 + 0.02 * (0.7 * f64::from(k)).sin();
        let cell = Cell::orthorhombic([10.0 * scale; 3]).expect("a box");
        // resting in fractional coordinates, written wrapped, one of them near the border
        let at = |s: Vector3| cell.to_cartesian(s);
        let lithium = [at([0.02, 0.5, 0.5]), at([0.98, 0.1, 0.9])];
        data.add(&frame(&cell, &lithium, &[at([0.5; 3])], f64::from(k) * INTERVAL))
            .expect("regular");
    }
    let msd = mean_squared_displacement(&data, &MsdSettings::default()).expect("enough");
    for element in ["Li", "S"] {
        let curve = msd.curve(&format!("msd_{element}")).expect("kept");
        let most = curve.y.iter().copied().fold(0.0, f64::max);
        assert!(most < 1e-24, "{element}: {most} Å²");
    }
}

#[test]
fn trouble_is_named() {
    let cell = Cell::orthorhombic([12.0; 3]).expect("a box");
    let mut data = Recording::new(RecordingSettings { species: "Na".into(), ..settings(false) });
    let error = data.add(&frame(&cell, &[[0.0; 3]], &[[1.0; 3]], 0.0)).expect_err("no Na");
    assert_eq!(error.to_string(), "no atom of species Na in the trajectory; it holds Li, S");
    let mut data = Recording::new(settings(false));
    for time in [0.0, 10.0] {
        data.add(&frame(&cell, &[[0.0; 3]], &[[1.0; 3]], time)).expect("regular");
    }
    let error = data.add(&frame(&cell, &[[0.0; 3]], &[[1.0; 3]], 25.0)).expect_err("uneven");
    assert_eq!(error, AnalysisError::UnequalTimes { frame: 2, expected: 10.0, found: 15.0 });
    let ion = ion();
    let error = diffusion(&data, &ion).expect_err("two frames");
    assert!(error.to_string().contains("needs at least 30 frames, found 2"), "{error}");
}

/// Walkers with diffusion coefficient `d` [Å²/fs] that rattle by `rattle` [Å] per axis about their
/// path; `shared` of the variance of every step is common to all. Over resting S.
fn rattling_walk(seed: u64, d: f64, rattle: f64, shared: f64) -> Recording {
    const FRAMES: usize = 600;
    let cell = Cell::orthorhombic([40.0; 3]).expect("a box");
    let mut random = rng::at(seed, Stream::Testing, 60, 0);
    let sigma = (2.0 * d * INTERVAL).sqrt();
    let (own, common) = (sigma * (1.0 - shared).sqrt(), sigma * shared.sqrt());
    let mut at = vec![[0.0; 3]; 24];
    let sulphur = [[5.0; 3], [1.0, 9.0, 4.0]];
    let mut data = Recording::new(settings(false));
    for k in 0..FRAMES {
        let together: Vector3 = std::array::from_fn(|_| common * random.normal());
        let mut seen = Vec::new();
        for r in &mut at {
            for x in 0..3 {
                r[x] += together[x] + own * random.normal();
            }
            seen.push(math::add(*r, std::array::from_fn(|_| rattle * random.normal())));
        }
        data.add(&frame(&cell, &seen, &sulphur, k as f64 * INTERVAL)).expect("regular");
    }
    data
}

#[test]
fn rattling_and_common_motion_leave_the_interval_honest() {
    let truth = 2e-4;
    let runs = 60;
    // independent ions: 57 ± 1.7 of 60; with 30 % of every step in common there are in effect three
    // ions, whose error is itself known badly
    for (rattle, shared, least) in [(0.35, 0.0, 50), (0.0, 0.3, 48)] {
        let (mut inside, mut sum) = (0, 0.0);
        for seed in 0..runs {
            let ion = ion();
            let data = rattling_walk(seed, truth, rattle, shared);
            let (_, found) = diffusion(&data, &ion).expect("enough frames");
            assert!(found.diffusive, "seed {seed}");
            inside += usize::from((found.value - truth).abs() < 1.96 * found.error);
            sum += found.value / runs as f64;
        }
        let what = format!("rattle {rattle} Å, shared {shared}");
        assert!(inside >= least, "{what}: {inside} of {runs}");
        assert!((sum / truth - 1.0).abs() < 0.06, "{what}: mean {sum:e}");
    }
}

#[test]
fn free_flight_is_not_called_diffusion() {
    let cell = Cell::orthorhombic([400.0; 3]).expect("a box");
    let mut random = rng::at(4, Stream::Testing, 61, 0);
    let velocity: Vec<Vector3> =
        (0..12).map(|_| std::array::from_fn(|_| 0.05 * random.normal())).collect();
    let mut data = Recording::new(settings(false));
    for k in 0..120 {
        let at: Vec<Vector3> = velocity.iter().map(|v| math::scale(*v, f64::from(k))).collect();
        data.add(&frame(&cell, &at, &[[5.0; 3]], f64::from(k) * INTERVAL)).expect("regular");
    }
    let ion = ion();
    let (observables, found) = diffusion(&data, &ion).expect("enough frames");
    assert!(!found.diffusive);
    assert!(observables.cautions.iter().any(|c| c.code == "not_diffusive"));
    let estimate = observables.estimate("diffusion_cm2_per_s").expect("always stated");
    assert!(matches!(estimate.uncertainty, Uncertainty::NotEstimated { .. }), "{estimate:?}");
}

/// Li walkers of `tests/data/msd.json` (made by scripts/references/msd.py, versions inside) over
/// resting S.
fn reference() -> (serde_json::Value, Recording) {
    let text = include_str!("../data/msd.json");
    let data: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
    let paths: Vec<Vec<Vector3>> = serde_json::from_value(data["paths"].clone()).expect("paths");
    let interval = data["interval"].as_f64().expect("a time");
    let cell = Cell::orthorhombic([60.0; 3]).expect("a box");
    let mut displacements = Recording::new(settings(false));
    for (k, row) in paths.iter().enumerate() {
        let frame = frame(&cell, row, &[[5.0; 3]], k as f64 * interval);
        displacements.add(&frame).expect("regular");
    }
    (data, displacements)
}

#[test]
fn mean_squared_displacements_are_those_of_numpy() {
    let (data, displacements) = reference();
    let msd =
        mean_squared_displacement(&displacements, &MsdSettings::default()).expect("enough frames");
    let lags: Vec<usize> = serde_json::from_value(data["lags"].clone()).expect("lags");
    let expected: Vec<Vector3> =
        serde_json::from_value(data["components"].clone()).expect("components");
    let times = &msd.curve("msd_Li").expect("kept").x;
    let mut compared = 0;
    for (lag, expected) in lags.iter().zip(&expected) {
        let time = *lag as f64 * data["interval"].as_f64().expect("a time") * 1e-3;
        let Some(at) = times.iter().position(|t| (t - time).abs() < 1e-9) else { continue };
        for (k, axis) in ["a", "b", "c"].iter().enumerate() {
            let found = msd.curve(&format!("msd_Li_{axis}")).expect("kept").y[at];
            assert!((found / expected[k] - 1.0).abs() < 1e-10, "lag {lag}, {axis}: {found}");
        }
        compared += 1;
    }
    assert!(compared >= 5, "{compared} lags in common");
}

/// kinisi samples the posterior of the same linear model from a shorter first lag: both must agree
/// within their errors, and with the truth.
#[test]
fn the_diffusion_coefficient_agrees_with_kinisi() {
    let (data, displacements) = reference();
    let number = |name: &str| data["kinisi"][name].as_f64().expect("a number");
    let ion = ion();
    let (_, found) = diffusion(&displacements, &ion).expect("enough frames");
    let both = found.error.hypot(number("standard_deviation"));
    assert!((found.value - number("mean")).abs() < 2.0 * both, "{found:?}");
    let truth = data["true_diffusion"].as_f64().expect("a number");
    assert!((found.value - truth).abs() < 4.0 * found.error, "{found:?}");
}

/// What is found for a Li atom beside resting S, one frame after the other.
fn recorded(frames: &[(Cell, Vector3)], unwrap: bool) -> Result<Recording, AnalysisError> {
    let mut data = Recording::new(settings(unwrap));
    for (k, (cell, lithium)) in frames.iter().enumerate() {
        let sulphur = [cell.to_cartesian([0.5; 3])];
        data.add(&frame(cell, &[*lithium], &sulphur, k as f64 * INTERVAL))?;
    }
    Ok(data)
}

#[test]
fn a_cell_whose_tilt_is_flipped_moves_nothing() {
    let before = Cell::periodic([[10.0, 0.0, 0.0], [4.9, 10.0, 0.0], [0.0, 0.0, 12.0]]);
    let after = Cell::periodic([[10.0, 0.0, 0.0], [-5.1, 10.0, 0.0], [0.0, 0.0, 12.0]]);
    let (before, after) = (before.expect("a cell"), after.expect("the same lattice"));
    let r = [8.0, 7.0, 3.0];
    let frames: Vec<(Cell, Vector3)> = (0..40)
        .map(|k| if k < 20 { (before.clone(), r) } else { (after.clone(), after.wrap(r).0) })
        .collect();
    // the framework is written where the new cell has its middle; Li alone must not move
    let mut data =
        Recording::new(RecordingSettings { framework: vec!["S".into()], ..settings(true) });
    for (k, (cell, lithium)) in frames.iter().enumerate() {
        let sulphur = [cell.wrap([5.0, 5.0, 6.0]).0];
        data.add(&frame(cell, &[*lithium], &sulphur, k as f64 * INTERVAL)).expect("one lattice");
    }
    let msd = mean_squared_displacement(&data, &MsdSettings::default()).expect("frames");
    assert!(msd.curve("msd_Li").expect("there").y.iter().all(|x| *x < 1e-20));
}

#[test]
fn a_cell_that_jumps_is_refused() {
    let small = Cell::orthorhombic([10.0; 3]).expect("a box");
    let large = Cell::orthorhombic([16.0; 3]).expect("a box");
    let frames = [(small, [1.0; 3]), (large, [1.0; 3])];
    let error = recorded(&frames, true).expect_err("no displacement can be told");
    assert_eq!(error, AnalysisError::CellJumped { frame: 1 });
}

#[test]
fn images_that_disagree_are_counted() {
    let cell = Cell::orthorhombic([10.0; 3]).expect("a box");
    // 6 Å along a in one step as written, 4 Å the other way to the nearest image
    let at = |k: usize| [if k < 20 { 1.0 } else { 7.0 }, 2.0, 3.0];
    let frames: Vec<(Cell, Vector3)> = (0..40).map(|k| (cell.clone(), at(k))).collect();
    let data = recorded(&frames, false).expect("taken as written");
    let msd = mean_squared_displacement(&data, &MsdSettings::default()).expect("frames");
    assert!(msd.cautions.iter().any(|caution| caution.code == "images_disagree"));
    let joined = recorded(&frames, true).expect("joined");
    let joined = mean_squared_displacement(&joined, &MsdSettings::default()).expect("frames");
    let first = |found: &vitrion_analysis::Observables| found.curve("msd_Li").expect("there").y[0];
    assert!((first(&msd) / first(&joined) - 36.0 / 16.0).abs() < 1e-9);
}
