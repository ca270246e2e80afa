//! Motion in regions with known coefficients and known rates of exchange.

use crate::walkers::{INTERVAL, Walkers, gaussian};
use vitrion_analysis::{MotionSettings, Observables, RegionRule, RegionsSettings, Slab};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::Uncertainty;

/// [cm²/s] of the coefficient of steps of this width per frame.
fn cm2(sigma: f64) -> f64 {
    0.1 * sigma * sigma / 2.0 / INTERVAL
}

fn agrees(found: &Observables, name: &str, truth: f64, errors: f64) {
    let estimate = found.estimate(name).unwrap_or_else(|| panic!("no {name}"));
    let Uncertainty::StandardError { value: error, .. } = estimate.uncertainty else {
        panic!("{estimate:?}")
    };
    assert!((estimate.value - truth).abs() < errors * error, "{estimate:?}, not {truth}");
    assert!(error < 0.2 * truth, "{estimate:?} is not known well");
}

/// Ions in one of two states, which they leave at a rate, with steps of a width each.
struct Ion {
    r: Vector3,
    glass: bool,
}

#[test]
fn ions_that_change_their_phase_at_a_known_rate() {
    // per frame: 0.01 from glass to crystal, 0.02 back
    let (leave_glass, leave_crystal) = (0.01, 0.02);
    let (in_glass, in_crystal) = (0.5, 0.2);
    let settings = RegionsSettings { commit: INTERVAL, ..RegionsSettings::default() };
    let walkers = Walkers { ions: 200, frames: 400 };
    let found = walkers.watch_labelled(
        3,
        &[MotionSettings::Regions(settings)],
        |random, _| Ion { r: [0.0; 3], glass: random.uniform() < 2.0 / 3.0 },
        |random, ion| {
            // the step belongs to the phase at its beginning
            let sigma = if ion.glass { in_glass } else { in_crystal };
            let shown = ion.r;
            ion.r = math::add(ion.r, gaussian(random, sigma));
            shown
        },
        |ion| Some(if ion.glass { "glass" } else { "crystal" }),
    );
    // without exchange first: labels never change
    let fixed = &found[0].observables;
    agrees(fixed, "diffusion_glass_cm2_per_s", cm2(in_glass), 3.5);
    agrees(fixed, "diffusion_crystal_stayed_cm2_per_s", cm2(in_crystal), 3.5);
    let bound = fixed.estimate("leaving_glass_per_ps").expect("a bound");
    assert!(matches!(bound.uncertainty, Uncertainty::UpperBound { .. }));

    let settings = RegionsSettings { commit: INTERVAL, ..RegionsSettings::default() };
    let found = walkers.watch_labelled(
        4,
        &[MotionSettings::Regions(settings)],
        |random, _| (Ion { r: [0.0; 3], glass: random.uniform() < 2.0 / 3.0 }, [0.0; 3]),
        |random, (ion, next)| {
            ion.r = *next;
            let leave = if ion.glass { leave_glass } else { leave_crystal };
            ion.glass ^= random.uniform() < leave;
            let sigma = if ion.glass { in_glass } else { in_crystal };
            *next = math::add(ion.r, gaussian(random, sigma));
            ion.r
        },
        |(ion, _)| Some(if ion.glass { "glass" } else { "crystal" }),
    );
    let found = &found[0].observables;
    agrees(found, "diffusion_glass_stayed_cm2_per_s", cm2(in_glass), 3.5);
    agrees(found, "diffusion_crystal_stayed_cm2_per_s", cm2(in_crystal), 3.5);
    agrees(found, "residence_glass_ps", INTERVAL * 1e-3 / leave_glass, 3.5);
    agrees(found, "residence_crystal_ps", INTERVAL * 1e-3 / leave_crystal, 3.5);
    let survival = found.curve("survival_glass").expect("there");
    for (time, part) in survival.x.iter().zip(&survival.y).take(30) {
        let exact = (1.0 - leave_glass).powf(time / (INTERVAL * 1e-3));
        assert!((part - exact).abs() < 0.05, "{time} ps: {part}, not {exact}");
    }
    // two thirds of the ions are glass
    let share = &found.curve("fraction_glass").expect("there").y;
    let mean = share.iter().sum::<f64>() / share.len() as f64;
    assert!((mean - 2.0 / 3.0).abs() < 0.04, "{mean}");
}

#[test]
fn slabs_are_told_by_places_and_displacements_by_paths() {
    // the crystal is the middle of a cell of 4000 Å; walls let nobody through
    let slabs = vec![Slab { name: "crystal".into(), axis: 2, from: 0.0, to: 0.5 }];
    let settings = RegionsSettings {
        rule: RegionRule::Slabs { slabs },
        commit: INTERVAL,
        ..RegionsSettings::default()
    };
    let walkers = Walkers { ions: 128, frames: 200 };
    let sigma = |z: f64| if z < 2000.0 { [0.1, 0.2, 0.4] } else { [0.5; 3] };
    let found = walkers.watch(
        5,
        &[MotionSettings::Regions(settings)],
        |_, ion| [0.0, 0.0, if ion % 2 == 0 { 1000.0 } else { 3000.0 }],
        |random, r: &mut Vector3| {
            let widths = sigma(r[2]);
            *r = std::array::from_fn(|k| r[k] + widths[k] * random.normal());
            *r
        },
    );
    let found = &found[0].observables;
    for (axis, width) in ["a", "b", "c"].iter().zip([0.1, 0.2, 0.4]) {
        agrees(found, &format!("diffusion_crystal_{axis}_cm2_per_s"), cm2(width), 3.5);
        agrees(found, &format!("diffusion_rest_{axis}_cm2_per_s"), cm2(0.5), 3.5);
    }
    // α₂ of each region is zero, though that of all ions together is not
    let alpha = found.curve("alpha2_rest").expect("there");
    assert!(alpha.y[0].abs() < 4.0 * alpha.y_error[0]);
}
