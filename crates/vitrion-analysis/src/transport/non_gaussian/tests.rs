use super::*;
use crate::transport::RecordingSettings;
use vitrion_core::rng::{self, Random, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// Time between frames [fs].
const INTERVAL: f64 = 100.0;

/// Frames of ions that `step` moves, beside sulphur at rest in a skewed cell.
fn watched(
    seed: u64,
    atoms: usize,
    frames: usize,
    mut step: impl FnMut(&mut Random, usize, &mut Vector3) -> Vector3,
) -> Recording {
    let mut random = rng::at(seed, Stream::Testing, 61, 0);
    let cell = Cell::from_lengths_angles([40.0, 44.0, 36.0], [75.0, 90.0, 105.0]).expect("closes");
    let symbols: Vec<&str> = (0..atoms + 2).map(|k| if k < atoms { "Li" } else { "S" }).collect();
    let mut data = Recording::new(RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: Some(900.0),
        unwrap: false,
    });
    let mut sites = vec![[0.0; 3]; atoms];
    for number in 0..frames {
        let seen = sites.iter_mut().enumerate().map(|(ion, site)| step(&mut random, ion, site));
        let positions = seen.chain([[5.0; 3], [1.0, 9.0, 4.0]]).collect();
        let structure = Structure::new(cell.clone(), &symbols, positions).expect("elements");
        let time = Some(number as f64 * INTERVAL);
        data.add(&Frame { time, ..structure.into() }).expect("regular frames");
    }
    data
}

fn move_by(random: &mut Random, sigma: f64, site: &mut Vector3) -> Vector3 {
    for x in site.iter_mut() {
        *x += sigma * random.normal();
    }
    *site
}

#[test]
fn free_diffusion_is_gaussian_and_the_errors_cover_zero_as_often_as_they_say() {
    let trials = 300;
    let mut inside = [0, 0];
    for seed in 0..trials {
        let data = watched(seed, 32, 40, |random, _, site| move_by(random, 0.2, site));
        let found = non_gaussian_parameter(&data).expect("enough frames");
        let curve = found.curve("alpha2_Li").expect("there");
        for (count, k) in inside.iter_mut().zip([0, 5]) {
            *count += usize::from(curve.y[k].abs() < curve.y_error[k]);
        }
    }
    for count in inside {
        // 68 %; a little less with 16 groups
        let share = count as f64 / trials as f64;
        assert!((share - 0.66).abs() < 0.10, "{share}");
    }
}

#[test]
fn a_harmonic_solid_is_gaussian_and_has_no_peak() {
    let data = watched(3, 200, 100, |random, _, site| {
        let _ = site;
        std::array::from_fn(|_| 0.3 * random.normal())
    });
    let found = non_gaussian_parameter(&data).expect("enough frames");
    let curve = found.curve("alpha2_Li").expect("there");
    for (y, error) in curve.y.iter().zip(&curve.y_error) {
        assert!(y.abs() < 5.0 * error, "{y} ± {error}");
    }
    assert!(found.estimates.is_empty());
    assert!(found.cautions.iter().any(|caution| caution.code == "no_peak"));
}

#[test]
fn two_kinds_of_walkers_have_the_variance_of_their_diffusion_coefficients() {
    // D and 4 D, a half each: Var(D)/⟨D⟩² = 2.25/6.25
    let data = watched(4, 600, 90, |random, ion, site| {
        move_by(random, if ion % 2 == 0 { 0.2 } else { 0.1 }, site)
    });
    let found = non_gaussian_parameter(&data).expect("enough frames");
    let curve = found.curve("alpha2_Li").expect("there");
    for k in [0, 3, 10] {
        let (y, error) = (curve.y[k], curve.y_error[k]);
        assert!((y - 0.36).abs() < 4.0 * error, "{y} ± {error}");
        assert!(error < 0.05, "{error}");
    }
}

#[test]
fn the_peak_of_trapped_ions_that_jump_is_where_theory_puts_it() {
    // Gaussian rattle of variance u² along each axis about sites; jumps of length l at the rate k in random directions:
    // ⟨|Δr|²⟩ = 6u² + k l² τ,  α₂ = (3/5) k l⁴ τ / (6u² + k l² τ)²,  peak l²/(40 u²) at τ = 6u²/(k l²)
    let (u2, l, per_frame) = (0.05_f64, 2.0_f64, 1.0 / 267.0);
    let data = watched(5, 400, 700, |random, _, site| {
        if random.uniform() < per_frame {
            let v: Vector3 = std::array::from_fn(|_| random.normal());
            *site = math::add(*site, math::scale(v, l / math::norm(v)));
        }
        std::array::from_fn(|k| site[k] + u2.sqrt() * random.normal())
    });
    let found = non_gaussian_parameter(&data).expect("enough frames");
    let exact_time = 6.0 * u2 / (per_frame * l * l) * INTERVAL * 1e-3;
    let exact_height = l * l / (40.0 * u2);
    for (name, exact) in [("alpha2_peak_time_ps", exact_time), ("alpha2_peak", exact_height)] {
        let one = found.estimates.iter().find(|one| one.name == name).expect("a peak");
        let Uncertainty::StandardError { value: error, .. } = one.uncertainty else {
            panic!("{:?}", one.uncertainty)
        };
        assert!(
            (one.value - exact).abs() < 4.0 * error,
            "{name}: {} ± {error}, {exact}",
            one.value
        );
        assert!(error < 0.15 * exact, "{name}: {error}");
    }
}

#[test]
fn a_parabola_is_found_exactly_and_ends_have_no_peak() {
    let times: Vec<f64> = (1..60).map(f64::from).collect();
    let curve: Vec<f64> = times.iter().map(|t| 2.0 - 0.7 * (t / 11.0).ln().powi(2)).collect();
    let found = peak(&times, &curve).expect("inside");
    assert!((found.time - 11.0).abs() < 1e-8 && (found.height - 2.0).abs() < 1e-8, "{found:?}");
    let rising: Vec<f64> = times.iter().map(|t| t.ln()).collect();
    assert_eq!(peak(&times, &rising), None);
    assert_eq!(peak(&times[..4], &curve[..4]), None, "too few points");
}

#[test]
fn too_little_is_refused_or_has_no_error() {
    let data = watched(6, 4, 3, |random, _, site| move_by(random, 0.1, site));
    let error = non_gaussian_parameter(&data).expect_err("three frames").to_string();
    assert!(error.contains('4') && error.contains('3'), "{error}");
    let data = watched(6, 1, 40, |random, _, site| move_by(random, 0.1, site));
    let found = non_gaussian_parameter(&data).expect("one ion will do");
    assert!(found.curves[0].y_error.is_empty() && found.estimates.is_empty());
    // two frames in a row where nothing moves: α₂ is 0/0
    let data = watched(6, 2, 8, |_, _, _| [1.0; 3]);
    let found = non_gaussian_parameter(&data).expect("nothing moves");
    assert!(found.curves[0].y.iter().all(|y| y.is_finite()), "{:?}", found.curves[0].y);
}
