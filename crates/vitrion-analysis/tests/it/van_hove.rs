//! The van Hove functions of systems whose answer is known.

use vitrion_analysis::{
    MotionPass, MotionSettings, Observables, RecordingSettings, VanHoveSettings,
};
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

const INTERVAL: f64 = 100.0;

/// What is found for ions beside sulphur at rest, frame by frame.
fn found(settings: VanHoveSettings, cell: &Cell, frames: &[Vec<Vector3>]) -> Observables {
    let recording = RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: None,
        unwrap: true,
    };
    let mut pass = MotionPass::new(recording, vec![MotionSettings::VanHove(settings)]);
    for (number, ions) in frames.iter().enumerate() {
        let symbols: Vec<&str> = ions.iter().map(|_| "Li").chain(["S"]).collect();
        let positions = ions.iter().copied().chain([[1.0; 3]]).collect();
        let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
        let time = Some(number as f64 * INTERVAL);
        pass.add(&Frame { time, ..structure.into() }).expect("regular");
    }
    pass.finish().expect("enough frames").remove(0).observables
}

#[test]
fn ions_that_never_meet_are_spread_evenly_about_each_other() {
    let cell = Cell::from_lengths_angles([20.0, 21.0, 22.0], [75.0, 95.0, 110.0]).expect("closes");
    let mut random = rng::at(1, Stream::Testing, 71, 0);
    let ions: Vec<Vector3> =
        (0..400).map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()))).collect();
    let mut frames = vec![ions];
    for _ in 1..60 {
        let last = frames.last().expect("one at least");
        let step = |r: &Vector3| -> Vector3 {
            // written wrapped
            cell.wrap(math::add(*r, std::array::from_fn(|_| 0.3 * random.normal()))).0
        };
        let next = last.iter().map(step).collect();
        frames.push(next);
    }
    let settings = VanHoveSettings { bin: 0.5, r_max: 9.0, ..VanHoveSettings::default() };
    let result = found(settings, &cell, &frames);
    let mut checked = 0;
    for curve in result.curves.iter().filter(|curve| curve.name.starts_with("distinct_")) {
        for (r, g) in curve.x.iter().zip(&curve.y).filter(|(r, _)| **r > 2.0) {
            assert!((g - 1.0).abs() < 0.12, "{} at {r} Å: {g}", curve.name);
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
    // the self part and what lies beyond make one
    for curve in result.curves.iter().filter(|curve| curve.name.starts_with("self_")) {
        let inside: f64 = curve.y.iter().sum::<f64>() * 0.5;
        let time = curve.name.trim_start_matches("self_Li_");
        let beyond = result.estimate(&format!("beyond_{time}")).expect("stated").value;
        assert!((inside + beyond - 1.0).abs() < 1e-9, "{time}: {inside} + {beyond}");
    }
}

#[test]
fn an_ion_that_moves_into_the_place_of_another_fills_the_middle() {
    // a ring of sites 5 Å apart, in which all ions move on by one site every ten frames
    let cell = Cell::orthorhombic([20.0, 30.0, 30.0]).expect("a box");
    let frames: Vec<Vec<Vector3>> = (0..121)
        .map(|frame: i32| {
            let turn = 0.5 * f64::from(frame);
            (0..4).map(|site| cell.wrap([5.0 * f64::from(site) + turn, 15.0, 15.0]).0).collect()
        })
        .collect();
    let settings =
        VanHoveSettings { bin: 0.3, r_max: 6.0, times: vec![10.0 * INTERVAL], distinct: true };
    let result = found(settings, &cell, &frames);
    let now = result.curve("distinct_Li_0.000ps").expect("at zero lag");
    let then = result.curve("distinct_Li_1.000ps").expect("as asked for");
    assert!(now.y[0].abs() < 1e-12 && now.y[16] > 1.0, "{now:?}");
    // one other ion in the very place: 1/(4π r³ ρ/3), ρ = 3/V
    let expected = 1.0 / (4.0 / 3.0 * std::f64::consts::PI * 0.3_f64.powi(3) * 3.0 / 18000.0);
    assert!((then.y[0] / expected - 1.0).abs() < 1e-9, "{} {expected}", then.y[0]);
    let moved = result.curve("self_Li_1.000ps").expect("as asked for");
    let at = moved.y.iter().position(|p| *p > 0.0).expect("one distance");
    assert!((moved.x[at] - 5.0).abs() < 0.16 && (moved.y[at] * 0.3 - 1.0).abs() < 1e-9);
}

#[test]
fn times_that_no_frames_have_are_refused() {
    let cell = Cell::orthorhombic([20.0; 3]).expect("a box");
    let frames = vec![vec![[0.0; 3], [5.0; 3]]; 31];
    for times in [vec![150.0], vec![2000.0]] {
        let settings = VanHoveSettings { times: times.clone(), ..VanHoveSettings::default() };
        let recording = RecordingSettings {
            species: "Li".into(),
            framework: Vec::new(),
            skip: 0.0,
            interval: Some(INTERVAL),
            temperature: None,
            unwrap: false,
        };
        let mut pass = MotionPass::new(recording, vec![MotionSettings::VanHove(settings)]);
        for ions in &frames {
            let structure =
                Structure::new(cell.clone(), &["Li", "Li"], ions.clone()).expect("elements");
            pass.add(&structure.into()).expect("regular");
        }
        let (number, error) = pass.finish().expect_err("no such lag");
        assert_eq!(number, 0);
        let text = error.to_string();
        assert!(text.contains(&format!("times is {} fs", times[0])), "{text}");
        assert!(text.contains("1000 fs"), "{text}");
    }
}
