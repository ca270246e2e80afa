//! Velocity Verlet: order, drift, reversibility, momentum.

use crate::potentials::{LennardJones, Springs};
use crate::systems::{crystal, run};
use vitrion_core::{Cell, SpeciesTable, Structure, math};
use vitrion_md::{Ensemble, StageSettings, State};

fn nve(timestep: f64, steps: u64) -> StageSettings {
    StageSettings {
        thermo_every: 1,
        trajectory_every: None,
        ..StageSettings::new(Ensemble::Nve, timestep, steps)
    }
}

#[test]
fn the_energy_error_falls_as_the_square_of_the_timestep() {
    let initial = crystal(3, 5.4, &["Ar"], 60.0);
    let error = |timestep: f64, steps| {
        let (_, summary, _) =
            run(&initial, &mut LennardJones::argon(&["Ar"]), &nve(timestep, steps));
        summary.conserved_rms_mev_per_atom
    };
    let (coarse, fine) = (error(8.0, 100), error(4.0, 200));
    let ratio = coarse / fine;
    assert!((3.5..4.5).contains(&ratio), "{coarse} and {fine} meV/atom: ratio {ratio}");
}

#[test]
fn a_melt_keeps_its_energy() {
    let initial = crystal(3, 5.8, &["Ar"], 220.0);
    let (_, summary, thermo) = run(&initial, &mut LennardJones::argon(&["Ar"]), &nve(2.0, 1500));
    // 3 ps; the bound is the acceptance of the project, 0.1 meV/atom over 10 ps
    assert!(
        summary.conserved_drift_mev_per_atom_ps.abs() < 0.01,
        "{} meV/atom/ps",
        summary.conserved_drift_mev_per_atom_ps
    );
    let total = thermo.column("total_energy_ev");
    let conserved = thermo.column("conserved_ev");
    assert!(total.iter().zip(&conserved).all(|(a, b)| (a - b).abs() < 1e-9));
    assert!(summary.list_builds > 1, "the melt must outrun its neighbour list");
    assert!(summary.wall_s > 0.0 && summary.us_per_atom_step > 0.0);
}

#[test]
fn reversed_velocities_lead_back_to_the_start() {
    let initial = crystal(3, 5.5, &["Ar", "Ne"], 80.0);
    let mut potential = LennardJones::argon(&["Ar", "Ne"]);
    let settings = StageSettings { remove_drift: false, ..nve(2.0, 200) };
    let (mut there, ..) = run(&initial, &mut potential, &settings);
    for v in &mut there.velocities {
        *v = math::scale(*v, -1.0);
    }
    let (back, ..) = run(&there, &mut potential, &settings);
    for (a, b) in back.structure.positions.iter().zip(&initial.structure.positions) {
        // rounding grows by the Lyapunov exponent over 400 steps
        assert!(math::norm(math::sub(*a, *b)) < 1e-8, "{a:?} is not {b:?}");
    }
    assert_eq!(back.step, 400);
    assert!((back.time - 800.0).abs() < 1e-9);
}

#[test]
fn a_moving_start_loses_its_momentum_and_says_how_much() {
    let mut initial = crystal(3, 5.5, &["Ar", "Ne"], 80.0);
    for v in &mut initial.velocities {
        *v = math::add(*v, [0.01, 0.0, -0.02]);
    }
    let mut potential = LennardJones::argon(&["Ar", "Ne"]);
    let (end, summary, _) = run(&initial, &mut potential, &nve(2.0, 100));
    let [x, y, z] = summary.removed_drift;
    assert!((x - 0.01).abs() < 1e-12 && y.abs() < 1e-12 && (z + 0.02).abs() < 1e-12);
    for k in 0..3 {
        let momentum: f64 =
            (0..end.velocities.len()).map(|i| end.structure.mass(i) * end.velocities[i][k]).sum();
        assert!(momentum.abs() < 1e-12, "momentum {momentum} amu Å/fs");
    }
    assert_eq!(summary.degrees_of_freedom, 3 * 108 - 3);
}

#[test]
fn one_atom_on_a_spring_swings_with_the_frequency_of_the_discrete_map() {
    // velocity Verlet turns the phase by θ per step, cos θ = 1 − (ω dt)²/2, and keeps its own
    // ellipse: after n steps r = A cos(nθ) exactly
    let cell = Cell::orthorhombic([10.0; 3]).expect("a cube");
    let structure = Structure::new(cell, &["Li"], vec![[5.3, 5.0, 5.0]]).expect("lithium");
    let mass = structure.mass(0);
    let table = SpeciesTable::new(&["Li"]).expect("lithium");
    let mut potential = Springs { table, sites: vec![[5.0; 3]], k: [1.0; 3] };
    let initial = State::new(structure, vec![[0.0; 3]]);
    let (dt, steps) = (1.5, 1000_u64);
    let settings = StageSettings { remove_drift: false, ..nve(dt, steps) };
    let (end, ..) = run(&initial, &mut potential, &settings);
    let omega2 = vitrion_core::units::ACCELERATION_PER_FORCE / mass;
    let theta = (1.0 - 0.5 * omega2 * dt * dt).acos();
    let exact = 5.0 + 0.3 * (steps as f64 * theta).cos();
    assert!((end.structure.positions[0][0] - exact).abs() < 1e-11);
}
