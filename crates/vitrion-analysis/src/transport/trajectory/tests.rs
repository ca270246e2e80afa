use super::*;
use crate::transport::MeanSquaredDisplacement;
use crate::transport::displacement::logarithmic_lags;
use vitrion_core::Structure;
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::testing::systems;

const SYMBOLS: [&str; 6] = ["Li", "P", "S", "Li", "S", "S"];

fn frame(cell: &Cell, positions: Vec<Vector3>, number: usize) -> Frame {
    let structure = Structure::new(cell.clone(), &SYMBOLS, positions).expect("elements");
    Frame { time: Some(10.0 * number as f64), ..Frame::from(structure) }
}

fn normal3(random: &mut Random, sigma: f64) -> Vector3 {
    std::array::from_fn(|_| sigma * random.normal())
}

/// Continuous random paths in a random triclinic cell.
fn paths(seed: u64, frames: usize) -> (Cell, Vec<Vec<Vector3>>) {
    let cell = systems::random_cell(seed, 6.0, 9.0);
    let mut random = rng::at(seed, Stream::Testing, 0, 0);
    let mut at: Vec<Vector3> =
        (0..6).map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()))).collect();
    let rows = (0..frames)
        .map(|_| {
            for r in &mut at {
                *r = math::add(*r, normal3(&mut random, 0.3));
            }
            at.clone()
        })
        .collect();
    (cell, rows)
}

fn read(options: TrajectoryOptions, frames: &[Frame]) -> Result<Trajectory, TransportError> {
    let mut trajectory = Trajectory::new(options);
    for frame in frames {
        trajectory.add(frame)?;
    }
    Ok(trajectory)
}

fn options(positions: Positions, drift: Drift) -> TrajectoryOptions {
    TrajectoryOptions { positions, drift, ..TrajectoryOptions::new("Li") }
}

fn assert_same(a: &Trajectory, b: &Trajectory, what: &str) {
    for symbol in ["Li", "P", "S"] {
        let (a, b) = (a.paths(symbol).expect("there"), b.paths(symbol).expect("there"));
        for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-9, "{what}, {symbol}: {a:?} {b:?}");
        }
    }
}

#[test]
fn wrapped_positions_in_triclinic_cells_give_the_continuous_paths_back() {
    for seed in 0..20 {
        let (cell, rows) = paths(seed, 80);
        let continuous: Vec<Frame> =
            rows.iter().enumerate().map(|(n, row)| frame(&cell, row.clone(), n)).collect();
        let wrapped: Vec<Frame> = rows
            .iter()
            .enumerate()
            .map(|(n, row)| frame(&cell, row.iter().map(|r| cell.wrap(*r).0).collect(), n))
            .collect();
        let flagged: Vec<Frame> = rows
            .iter()
            .zip(&wrapped)
            .map(|(row, frame)| Frame {
                images: Some(row.iter().map(|r| cell.wrap(*r).1).collect()),
                ..frame.clone()
            })
            .collect();
        for drift in [Drift::Framework, Drift::CenterOfMass, Drift::Keep] {
            let what = format!("seed {seed}, {drift:?}");
            let exact =
                read(options(Positions::Unwrapped, drift), &continuous).expect("continuous");
            let rebuilt = read(options(Positions::Wrapped, drift), &wrapped).expect("wrapped");
            assert_same(&exact, &rebuilt, &what);
            let images = read(options(Positions::Unwrapped, drift), &flagged).expect("flagged");
            assert_same(&exact, &images, &what);
        }
    }
}

#[test]
fn wrapped_positions_declared_unwrapped_are_refused_with_the_atom_and_the_remedy() {
    let cell = Cell::orthorhombic([8.0; 3]).expect("a box");
    let mut positions = vec![[1.0; 3]; 6];
    positions[3] = [7.9, 4.0, 4.0];
    let mut next = positions.clone();
    next[3] = [0.1, 4.0, 4.0];
    let frames = [frame(&cell, positions, 0), frame(&cell, next, 1)];
    let error = read(TrajectoryOptions::new("Li"), &frames).expect_err("a jump of 7.8 Å");
    assert_eq!(
        error.to_string(),
        "atom 3 (Li) moves 7.80 Å between frames 0 and 1, but only 0.20 Å to its nearest image: \
         the positions look wrapped into the cell. Read them as wrapped (displacements by nearest \
         image), or write unwrapped positions (xu yu zu)"
    );
}

#[test]
fn a_uniform_drift_of_everything_leaves_no_displacement() {
    let (cell, rows) = paths(4, 2);
    for drift in [Drift::Framework, Drift::CenterOfMass] {
        let frames: Vec<Frame> = (0..40)
            .map(|n| {
                let shift = [0.2 * n as f64, -0.1 * n as f64, 0.0];
                let row = rows[0].iter().map(|r| math::add(*r, shift)).collect();
                frame(&cell, row, n)
            })
            .collect();
        let trajectory = read(options(Positions::Unwrapped, drift), &frames).expect("fine");
        let msd = MeanSquaredDisplacement::of(&trajectory, "Li").expect("enough frames");
        assert!(msd.values().iter().all(|v| *v < 1e-20), "{drift:?}: {:?}", msd.values());
        let drifted = msd.observables();
        let found = drifted.estimate("net_drift_angstrom").expect("stated").value;
        assert!((found - 39.0 * 0.05f64.sqrt()).abs() < 1e-9, "{found}");
    }
}

#[test]
fn the_framework_drift_is_weighted_by_mass_and_ignores_the_mobile_ions() {
    let cell = Cell::orthorhombic([20.0; 3]).expect("a box");
    let start = vec![[5.0; 3]; 6];
    let mut end = start.clone();
    end[1][0] += 1.0; // P
    end[0][1] += 2.0; // Li
    let frames = [frame(&cell, start, 0), frame(&cell, end, 1)];
    let trajectory = read(TrajectoryOptions::new("Li"), &frames).expect("fine");
    let (p, s) = (30.973_761_998, 32.06);
    let expected = p / (p + 3.0 * s);
    assert!((trajectory.drift()[1][0] - expected).abs() < 1e-12);
    assert!(trajectory.drift()[1][1].abs() < 1e-12);
    let lithium = trajectory.paths("Li").expect("there");
    assert!((lithium[1][0][0] + expected).abs() < 1e-12);
    assert!((lithium[1][0][1] - 2.0).abs() < 1e-12);
}

#[test]
fn atoms_that_only_follow_a_breathing_cell_do_not_move_in_the_nearest_image_scheme() {
    for seed in 0..5 {
        let cell = systems::random_cell(seed, 6.0, 9.0);
        let mut random = rng::at(seed, Stream::Testing, 1, 0);
        // far from the origin, as after long diffusion
        let s: Vec<Vector3> = (0..6).map(|_| normal3(&mut random, 20.0)).collect();
        let frames: Vec<Frame> = (0..200)
            .map(|n| {
                let strain = 1.0 + 0.02 * random.normal();
                let matrix = (*cell.matrix()).map(|row| math::scale(row, strain));
                let cell = Cell::periodic(matrix).expect("a cell");
                let row = s.iter().map(|s| cell.wrap(cell.to_cartesian(*s)).0).collect();
                frame(&cell, row, n)
            })
            .collect();
        let trajectory =
            read(options(Positions::Wrapped, Drift::Framework), &frames).expect("fine");
        let msd = MeanSquaredDisplacement::of(&trajectory, "Li").expect("enough frames");
        let largest = msd.values().into_iter().fold(0.0, f64::max);
        assert!(largest < 1e-18, "seed {seed}: {largest}");
    }
}

#[test]
fn image_flags_in_a_changing_cell_are_refused() {
    let small = Cell::orthorhombic([8.0; 3]).expect("a box");
    let large = Cell::orthorhombic([8.1; 3]).expect("a box");
    let flagged = |cell: &Cell, n: usize| Frame {
        images: Some(vec![[1, 0, 0]; 6]),
        ..frame(cell, vec![[1.0; 3]; 6], n)
    };
    let frames = [flagged(&small, 0), flagged(&large, 1)];
    let error = read(TrajectoryOptions::new("Li"), &frames).expect_err("NPT with images");
    assert_eq!(error, TransportError::ImagesInChangingCell { frame: 1 });
    assert!(read(options(Positions::Wrapped, Drift::Framework), &frames).is_ok());
}

#[test]
fn frames_that_do_not_belong_together_are_refused() {
    let cell = Cell::orthorhombic([8.0; 3]).expect("a box");
    let good = || frame(&cell, vec![[1.0; 3]; 6], 0);
    let late = frame(&cell, vec![[1.0; 3]; 6], 1);
    let later = frame(&cell, vec![[1.0; 3]; 6], 3);
    let error = read(TrajectoryOptions::new("Li"), &[good(), late, later]).expect_err("a gap");
    assert_eq!(error, TransportError::UnevenTime { frame: 2, expected: 10.0, found: 20.0 });

    let timeless = Frame { time: None, ..good() };
    let error = read(TrajectoryOptions::new("Li"), &[timeless.clone()]).expect_err("no time");
    assert_eq!(error, TransportError::NoTime { frame: 0 });
    let given = TrajectoryOptions { frame_interval: Some(5.0), ..TrajectoryOptions::new("Li") };
    let trajectory = read(given, &[timeless.clone(), timeless]).expect("a time is given");
    assert_eq!(trajectory.frame_interval(), Ok(5.0));

    let other = Structure::new(cell.clone(), &["Li", "Li", "S", "P", "S", "S"], vec![[1.0; 3]; 6])
        .expect("elements");
    let error =
        read(TrajectoryOptions::new("Li"), &[good(), Frame::from(other)]).expect_err("order");
    assert!(matches!(error, TransportError::AtomsChanged { frame: 1, .. }), "{error}");

    let mut broken = good();
    broken.structure.positions[2][1] = f64::NAN;
    let error = read(TrajectoryOptions::new("Li"), &[broken]).expect_err("NaN");
    assert!(matches!(error, TransportError::NotFinite { frame: 0, atom: 2, .. }));

    let error = read(TrajectoryOptions::new("Na"), &[good()]).expect_err("no sodium");
    assert_eq!(error.to_string(), "no atom of Na to follow; the trajectory holds Li, P, S");

    let everything = TrajectoryOptions {
        mobile: ["Li", "P", "S"].map(str::to_owned).to_vec(),
        ..TrajectoryOptions::new("Li")
    };
    let error = read(everything, &[good()]).expect_err("no framework");
    assert!(matches!(error, TransportError::NoFramework { .. }));
}

#[test]
fn a_coarse_wrapped_trajectory_carries_a_caution() {
    let cell = Cell::orthorhombic([8.0; 3]).expect("a box");
    let mut random = rng::at(2, Stream::Testing, 0, 0);
    let frames: Vec<Frame> = (0..10)
        .map(|n| {
            let row = (0..6).map(|_| std::array::from_fn(|_| 8.0 * random.uniform())).collect();
            frame(&cell, row, n)
        })
        .collect();
    let trajectory = read(options(Positions::Wrapped, Drift::Keep), &frames).expect("fine");
    let lithium = trajectory.paths("Li").expect("there");
    let lags = logarithmic_lags(4);
    assert!(MeanSquaredDisplacement::from_paths("Li", &lithium, 10.0, lags).is_ok());
    let result = MeanSquaredDisplacement::of(&trajectory, "Li").expect("enough").observables();
    assert!(result.cautions.iter().any(|caution| caution.code == "coarse_frames"));
}
