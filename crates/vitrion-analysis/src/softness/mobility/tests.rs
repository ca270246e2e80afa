//! Motions whose outcome is known, and a twin that lists images.

use super::*;
use vitrion_core::rng::{self, Stream};

fn settings() -> MobilitySettings {
    MobilitySettings {
        interval: 100.0,
        window: 300.0,
        hop_time: 100.0,
        cutoff: 4.0,
        ..MobilitySettings::new("Li")
    }
}

fn random_structure(seed: u64, atoms: usize) -> Structure {
    let mut random = rng::at(seed, Stream::Testing, 82, 0);
    let cell = Cell::from_lengths_angles([9.0, 10.0, 8.0], [70.0, 80.0, 105.0]).expect("closes");
    let symbols: Vec<&str> = (0..atoms).map(|k| ["Li", "S", "P"][k % 3]).collect();
    let positions =
        (0..atoms).map(|_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()))).collect();
    Structure::new(cell, &symbols, positions).expect("elements")
}

fn frame(structure: Structure, time: f64) -> Frame {
    Frame { time: Some(time), ..structure.into() }
}

fn read(settings: &MobilitySettings, frames: Vec<Structure>, spacing: f64) -> Windows {
    let mut reader = WindowReader::new(settings.clone()).expect("settings");
    for (k, structure) in frames.into_iter().enumerate() {
        reader.add(&frame(structure, k as f64 * spacing)).expect("a frame");
    }
    reader.finish().expect("a window")
}

#[test]
fn a_cell_that_deforms_with_its_atoms_leaves_nothing() {
    let first = random_structure(1, 60);
    let frames = (0..7)
        .map(|k| {
            let t = f64::from(k);
            let strain = [
                [1.0 + 0.01 * t, 0.004 * t, 0.0],
                [0.0, 1.0 - 0.007 * t, 0.01 * t],
                [0.003 * t, 0.0, 1.0],
            ];
            let matrix = math::matmul(first.cell.matrix(), &strain);
            let cell = Cell::periodic(matrix).expect("a volume");
            let shifted = |r: &Vector3| {
                cell.wrap(math::add(math::row_times(*r, &strain), [2.3 * t, 0.0, 0.0])).0
            };
            let positions = first.positions.iter().map(shifted).collect();
            Structure { cell: cell.clone(), positions, ..first.clone() }
        })
        .collect();
    let found = read(&settings(), frames, 100.0);
    assert_eq!((found.windows.len(), found.frames), (2, 7));
    for window in &found.windows {
        let Mobility { cumulative, whole, hop, displacement, .. } = &window.mobility;
        for value in cumulative.iter().chain(whole).chain(hop).chain(displacement) {
            assert!(value.abs() < 1e-6, "{:?}", window.mobility);
        }
    }
}

/// The minimum over `F`, by steepest descent in its nine numbers being needless: three least-squares problems by normal equations, images listed one by one.
fn naive(before: &Structure, after: &Structure, atom: usize, cutoff: f64) -> f64 {
    let mut pairs = Vec::new();
    for other in 0..before.len() {
        for a in -2..=2 {
            for b in -2..=2 {
                for c in -2..=2 {
                    let n = [f64::from(a), f64::from(b), f64::from(c)];
                    let vector = |s: &Structure| {
                        let shift = s.cell.to_cartesian(n);
                        math::add(math::sub(s.positions[other], s.positions[atom]), shift)
                    };
                    let r = vector(before);
                    if (other, n) != (atom, [0.0; 3]) && math::norm(r) < cutoff {
                        pairs.push((r, vector(after)));
                    }
                }
            }
        }
    }
    let normal =
        pairs.iter().fold(math::ZERO, |sum, (r, _)| math::matrix_add(&sum, &math::outer(*r, *r)));
    let inverse = math::inverse(&normal).expect("enough neighbours");
    (0..3)
        .map(|k| {
            let right = pairs
                .iter()
                .fold([0.0; 3], |sum, (r, after)| math::add(sum, math::scale(*r, after[k])));
            let row = math::row_times(right, &inverse);
            pairs.iter().map(|(r, after)| (after[k] - math::dot(*r, row)).powi(2)).sum::<f64>()
        })
        .sum()
}

#[test]
fn non_affine_motion_equals_its_definition() {
    let first = random_structure(2, 60);
    let mut random = rng::at(3, Stream::Testing, 82, 1);
    let mut frames = vec![first];
    for _ in 0..3 {
        let last = &frames[frames.len() - 1];
        let positions = last
            .positions
            .iter()
            .map(|r| math::add(*r, std::array::from_fn(|_| 0.3 * random.normal())))
            .collect();
        let next = Structure { positions, ..last.clone() };
        frames.push(next);
    }
    let ions = frames[0].atoms_of("Li");
    let wrapped = frames
        .iter()
        .map(|s| {
            let positions = s.positions.iter().map(|r| s.cell.wrap(*r).0).collect();
            Structure { positions, ..s.clone() }
        })
        .collect();
    let found = read(&settings(), wrapped, 100.0);
    for (number, ion) in ions.iter().enumerate() {
        let root = |k: usize| naive(&frames[k], &frames[k + 1], *ion, 4.0).sqrt();
        let exact: f64 = (0..3).map(root).sum();
        let mobility = &found.windows[0].mobility;
        assert!((mobility.cumulative[number] - exact).abs() < 1e-8 * exact);
        let whole = naive(&frames[0], &frames[3], *ion, 4.0).sqrt();
        assert!((mobility.whole[number] - whole).abs() < 1e-8 * whole);
    }
}

#[test]
fn hops_displacements_and_means_are_those_of_the_motion() {
    let first = random_structure(4, 60);
    // one ion hops by 3 Å between frames 4 and 5; everything drifts
    let ion = first.atoms_of("Li")[2];
    let frames: Vec<Structure> = (0..9)
        .map(|k| {
            let drift = [0.2 * k as f64, -0.1 * k as f64, 0.0];
            let mut positions: Vec<Vector3> =
                first.positions.iter().map(|r| math::add(*r, drift)).collect();
            if k > 4 {
                positions[ion] = math::add(positions[ion], [0.0, 0.0, 3.0]);
            }
            let positions = positions.iter().map(|r| first.cell.wrap(*r).0).collect();
            Structure { positions, ..first.clone() }
        })
        .collect();
    let settings = MobilitySettings { window: 800.0, hop_time: 300.0, ..settings() };
    let found = read(&settings, frames.clone(), 100.0);
    let mobility = &found.windows[0].mobility;
    for (number, atom) in first.atoms_of("Li").iter().enumerate() {
        let exact = if *atom == ion { 3.0 } else { 0.0 };
        assert!((mobility.displacement[number] - exact).abs() < 1e-9);
        // all of the mean square on either side is that of the hop
        assert!((mobility.hop[number] - exact * exact).abs() < 1e-9);
    }
    let averaged = MobilitySettings { snapshot: Snapshot::Averaged { time: 200.0 }, ..settings };
    let found = read(&averaged, frames, 100.0);
    let shift = math::sub(found.windows[0].start.positions[1], first.positions[1]);
    assert!(math::norm(math::sub(shift, [0.2, -0.1, 0.0])) < 1e-9, "{shift:?}");
}

#[test]
fn intervals_between_frames_and_windows_that_do_not_end_are_refused() {
    let settings = settings();
    let mut reader = WindowReader::new(settings.clone()).expect("settings");
    let structure = random_structure(5, 30);
    reader.add(&frame(structure.clone(), 0.0)).expect("the first");
    reader.add(&frame(structure.clone(), 70.0)).expect("between");
    let error = reader.add(&frame(structure.clone(), 140.0)).expect_err("100 fs were missed");
    assert!(error.to_string().contains("no frame is 100 fs after the first"), "{error}");
    let mut reader = WindowReader::new(settings.clone()).expect("settings");
    for k in 0..3 {
        reader.add(&frame(structure.clone(), 100.0 * f64::from(k))).expect("a frame");
    }
    assert!(reader.finish().is_err());
    assert!(WindowReader::new(MobilitySettings { window: 250.0, ..settings }).is_err());
}
