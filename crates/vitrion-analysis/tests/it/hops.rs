//! Hops of known rate and length, density of known shape.

use crate::walkers::{INTERVAL, Walkers, gaussian};
use vitrion_analysis::{
    DensityMapSettings, HopSettings, MotionPass, MotionSettings, Observables, PathSettings,
    RecordingSettings, SiteSettings,
};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::Uncertainty;
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::{Cell, Frame, Structure};

const DIRECTIONS: [Vector3; 6] = [
    [1.0, 0.0, 0.0],
    [-1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, -1.0, 0.0],
    [0.0, 0.0, 1.0],
    [0.0, 0.0, -1.0],
];

fn value(found: &Observables, name: &str) -> (f64, f64) {
    let estimate = found.estimate(name).unwrap_or_else(|| panic!("no {name}"));
    match estimate.uncertainty {
        Uncertainty::StandardError { value, .. } => (estimate.value, value),
        _ => panic!("{estimate:?}"),
    }
}

fn agrees(found: &Observables, name: &str, truth: f64, bias: f64) {
    let (value, error) = value(found, name);
    assert!(
        (value - truth).abs() < 3.5 * error + bias * truth,
        "{name}: {value} ± {error}, not {truth}"
    );
}

/// The next jump: back where the last one came from with a probability, otherwise anywhere.
fn jump(random: &mut Random, last: Vector3, back: f64) -> Vector3 {
    if random.uniform() < back && math::norm(last) > 0.0 {
        return math::scale(last, -1.0);
    }
    DIRECTIONS[random.below(6)]
}

#[test]
fn hops_without_sites_have_their_rate_length_and_correlation() {
    let (rate, length, rattle) = (0.004, 3.0, 0.1);
    let settings = HopSettings { window: 500.0, distance: 1.5, commit: 0.0 };
    for (seed, back) in [(1, 0.0), (2, 0.2)] {
        let walkers = Walkers { ions: 96, frames: 12_000 };
        let diffuse = MotionSettings::Hops(settings.clone());
        let found = walkers.watch(
            seed,
            &[diffuse],
            |_, _| ([0.0; 3], [0.0; 3]),
            |random, (site, last): &mut (Vector3, Vector3)| {
                if random.uniform() < rate {
                    *last = jump(random, *last, back);
                    *site = math::add(*site, math::scale(*last, length));
                }
                math::add(*site, gaussian(random, rattle))
            },
        );
        let found = &found[0].observables;
        // hops closer than a window in time are one, or none
        agrees(found, "hop_rate_per_ps", rate / INTERVAL * 1e3, 0.03);
        agrees(found, "residence_time_ps", INTERVAL * 1e-3 / rate, 0.03);
        agrees(found, "jump_length_a", length, 0.02);
        // back with b, else anywhere: ⟨cos θ⟩ = −b, f = (1 − b)/(1 + b)
        let (cosine, error) = value(found, "cosine");
        assert!((cosine + back).abs() < 3.5 * error + 0.02, "{cosine} ± {error}");
        agrees(found, "correlation_factor", (1.0 - back) / (1.0 + back), 0.05);
        let survival = found.curve("residence").expect("cages end");
        for (time, part) in survival.x.iter().zip(&survival.y).filter(|(t, _)| **t < 40.0) {
            let exact = (-rate * time / (INTERVAL * 1e-3)).exp();
            assert!((part - exact).abs() < 0.06, "{time} ps: {part}, not {exact}");
        }
    }
}

#[test]
fn ions_that_rattle_do_not_hop() {
    let walkers = Walkers { ions: 64, frames: 500 };
    let settings = MotionSettings::Hops(HopSettings::default());
    let found = walkers.watch(3, &[settings], |_, _| (), |random, ()| gaussian(random, 0.4));
    let found = &found[0].observables;
    let estimate = found.estimate("hop_rate_per_ps").expect("a bound");
    assert!(matches!(estimate.uncertainty, Uncertainty::UpperBound { .. }), "{estimate:?}");
    // three over all the time
    assert!((estimate.value / (2.9957 / (64.0 * 50.0)) - 1.0).abs() < 1e-3);
}

/// Ions on a lattice of 4 × 4 × 4 sites in a skewed cell that breathes, written wrapped.
fn crystal(seed: u64, frames: usize, rate: f64, settings: Vec<MotionSettings>) -> Vec<Observables> {
    let mut random = rng::at(seed, Stream::Testing, 75, 0);
    let recording = RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: None,
        unwrap: true,
    };
    let mut pass = MotionPass::new(recording, settings);
    let ions = 40;
    let mut sites: Vec<[i32; 3]> = (0..ions).map(|k| [k % 4, k / 4 % 4, k / 16 % 4]).collect();
    for frame in 0..frames {
        let swell = 1.0 + 0.02 * (0.3 * frame as f64).sin();
        let cell = Cell::from_lengths_angles([12.0 * swell, 12.0, 13.0], [75.0, 80.0, 110.0])
            .expect("closes");
        let place = |site: &[i32; 3], random: &mut Random| {
            let s = site.map(|n| 0.25 * f64::from(n) + 0.125);
            cell.wrap(math::add(cell.to_cartesian(s), gaussian(random, 0.15))).0
        };
        let mut positions: Vec<Vector3> =
            sites.iter().map(|site| place(site, &mut random)).collect();
        positions.push(cell.to_cartesian([0.0; 3]));
        let symbols: Vec<&str> = (0..=ions).map(|k| if k < ions { "Li" } else { "S" }).collect();
        let structure = Structure::new(cell, &symbols, positions).expect("elements");
        let time = Some(frame as f64 * INTERVAL);
        pass.add(&Frame { time, ..structure.into() }).expect("regular");
        for site in &mut sites {
            if random.uniform() < rate {
                // along the first lattice vector half of the time
                let axis = [0, 0, 1, 2][random.below(4)];
                site[axis] += if random.uniform() < 0.5 { 1 } else { -1 };
            }
        }
    }
    pass.finish().expect("enough frames").into_iter().map(|motion| motion.observables).collect()
}

fn lattice() -> Vec<Vector3> {
    (0..64).map(|k| [k % 4, k / 4 % 4, k / 16].map(|n| 0.25 * f64::from(n) + 0.125)).collect()
}

#[test]
fn hops_between_sites_of_a_skewed_cell_that_breathes() {
    let rate = 0.01;
    let settings = SiteSettings { sites: lattice(), commit: 200.0, axes: None };
    let found = crystal(4, 1500, rate, vec![MotionSettings::Sites(settings)]);
    let found = &found[0];
    // a hop back within the commit time is a flicker
    agrees(found, "hop_rate_per_ps", rate / INTERVAL * 1e3, 0.03);
    agrees(found, "correlation_factor", 1.0, 0.05);
    let (cosine, error) = value(found, "cosine");
    assert!(cosine.abs() < 3.5 * error + 0.1, "{cosine} ± {error}");
    let occupancy = &found.curve("occupancy").expect("there").y;
    assert_eq!(occupancy.len(), 64);
    assert!((occupancy.iter().sum::<f64>() - 40.0).abs() < 1e-9);
    // links join neighbours, 3 to 3.25 Å apart; two hops within the commit time go farther
    let lengths = &found.curve("link_length").expect("there").y;
    let near = lengths.iter().filter(|l| (2.9..3.4).contains(*l)).count();
    assert!(near > 100 && near * 20 > lengths.len() * 19, "{near} of {}", lengths.len());
    assert!(found.cautions.iter().any(|c| c.code == "sites_missing"), "ions pass each other here");
}

#[test]
fn a_density_holds_its_ions_where_they_are() {
    // a Gaussian about one place: half of it within 1.5382 widths
    let width = 0.6_f64;
    let mut random = rng::at(5, Stream::Testing, 76, 0);
    let cell = Cell::from_lengths_angles([10.0, 11.0, 12.0], [80.0, 95.0, 105.0]).expect("closes");
    let recording = RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: Some(INTERVAL),
        temperature: None,
        unwrap: true,
    };
    let settings = MotionSettings::DensityMap(DensityMapSettings { spacing: 0.25 });
    let mut pass = MotionPass::new(recording, vec![settings]);
    for _ in 0..2000 {
        let mut positions: Vec<Vector3> =
            (0..64).map(|_| cell.wrap(gaussian(&mut random, width)).0).collect();
        positions.push([5.0, 5.0, 5.0]);
        let symbols: Vec<&str> = (0..65).map(|k| if k < 64 { "Li" } else { "S" }).collect();
        let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
        pass.add(&structure.into()).expect("regular");
    }
    let found = pass.finish().expect("frames").remove(0);
    let volume = found.observables.estimate("volume_of_50_percent").expect("there").value;
    let exact = 4.0 / 3.0 * std::f64::consts::PI * (1.5382 * width).powi(3) / cell.volume();
    assert!((volume / exact - 1.0).abs() < 0.05, "{volume}, not {exact}");
    for axis in ["a", "b", "c"] {
        let name = format!("percolates_90_percent_{axis}");
        assert!(found.observables.estimate(&name).expect("there").value.abs() < 0.5);
    }
    let cube = String::from_utf8(found.attachments[0].content.clone()).expect("ASCII");
    let lines: Vec<&str> = cube.lines().collect();
    assert!(lines[2].trim_start().starts_with("1 "), "{}", lines[2]);
    let numbers = lines[7..].iter().flat_map(|line| line.split_whitespace());
    let values: Vec<f64> = numbers.map(|number| number.parse().expect("a number")).collect();
    assert_eq!(values.len(), 40 * 44 * 48);
    let ions = values.iter().sum::<f64>() * cell.volume() / values.len() as f64;
    assert!((ions - 64.0).abs() < 0.01, "{ions}");
}

#[test]
fn paths_are_those_of_the_ions_that_were_named() {
    let walkers = Walkers { ions: 8, frames: 100 };
    let watch = |atoms: Vec<usize>| {
        walkers.watch(
            6,
            &[MotionSettings::Paths(PathSettings { atoms })],
            |_, ion| (ion as f64, [0.0; 3]),
            |_, (speed, r): &mut (f64, Vector3)| {
                r[0] += 0.1 * *speed;
                *r
            },
        )
    };
    let named = watch(vec![3]);
    let curve = named[0].observables.curve("distance_3").expect("named");
    assert!((curve.y[99] - 0.3 * 99.0).abs() < 1e-9, "{}", curve.y[99]);
    // the fastest, and the one in the middle
    let chosen = watch(Vec::new());
    for atom in [7, 3] {
        assert!(chosen[0].observables.curve(&format!("x_{atom}")).is_some(), "{atom}");
    }
    let text = String::from_utf8(chosen[0].attachments[0].content.clone()).expect("ASCII");
    assert!(text.starts_with("200\nLattice=") && text.lines().count() == 202);
}
