//! Nosé–Hoover chains: canonical distribution, equipartition, conserved quantity.

use crate::potentials::{LennardJones, Springs};
use crate::systems::{Thermo, assert_mean, crystal, frames, run, run_in};
use vitrion_core::units::BOLTZMANN;
use vitrion_core::{Cell, SpeciesTable, Structure, math};
use vitrion_md::{Ensemble, Ramp, StageSettings, State, Thermostat};

fn nvt(temperature: Ramp, period: f64, timestep: f64, steps: u64) -> StageSettings {
    StageSettings {
        thermo_every: 5,
        trajectory_every: None,
        checkpoint_every: 1_000_000,
        ..StageSettings::new(
            Ensemble::Nvt {
                temperature,
                thermostat: Thermostat::NoseHooverChain { period, chain: 3 },
            },
            timestep,
            steps,
        )
    }
}

#[test]
fn oscillators_have_the_canonical_kinetic_and_potential_energy() {
    let cell = Cell::orthorhombic([10.0; 3]).expect("a cube");
    let structure = Structure::new(cell, &["Li"], vec![[5.0; 3]]).expect("lithium");
    let table = SpeciesTable::new(&["Li"]).expect("lithium");
    // incommensurate frequencies, so that the three oscillators mix through the chain
    let mut potential = Springs { table, sites: vec![[5.0; 3]], k: [1.0, 1.618, 2.449] };
    let initial = State::new(structure, vec![[0.012, -0.009, 0.006]]);
    let settings = StageSettings {
        remove_drift: false,
        max_displacement: 1.0,
        ..nvt(Ramp::constant(400.0), 20.0, 2.0, 400_000)
    };
    let (_, summary, thermo) = run(&initial, &mut potential, &settings);
    assert_eq!(summary.degrees_of_freedom, 3);
    let kt = BOLTZMANN * 400.0;
    // three quadratic degrees of freedom: mean 3/2, variance 3/2 in units of kT and kT²
    for name in ["kinetic_energy_ev", "potential_energy_ev"] {
        let energy: Vec<f64> = thermo.column(name).iter().map(|e| e / kt).collect();
        // velocity Verlet samples a shadow Hamiltonian: the error (ω dt)²/4 is 0.1 %
        assert_mean(&format!("mean {name}"), &energy, 1.5, 0.02);
        let squares: Vec<f64> = energy.iter().map(|e| (e - 1.5).powi(2)).collect();
        assert_mean(&format!("variance of {name}"), &squares, 1.5, 0.06);
    }
}

#[test]
fn a_liquid_has_the_canonical_kinetic_energy_and_equal_temperatures_of_its_species() {
    let initial = crystal(2, 5.9, &["Ar", "Ne"], 150.0);
    let mut potential = LennardJones::new(&["Ar", "Ne"], 0.0103, 3.4, 5.0, true);
    let settings =
        StageSettings { trajectory_every: Some(1), ..nvt(Ramp::constant(150.0), 100.0, 4.0, 8000) };
    let folder = tempfile::tempdir().expect("a folder");
    run_in(folder.path(), &initial, &mut potential, &settings).expect("a stage");
    let thermo = Thermo::read(&folder.path().join(vitrion_md::THERMO_FILE));
    let shape = f64::from(3 * 32 - 3) / 2.0;
    let kt = BOLTZMANN * 150.0;
    let kinetic: Vec<f64> =
        thermo.column("kinetic_energy_ev")[200..].iter().map(|k| k / kt).collect();
    assert_mean("kinetic energy", &kinetic, shape, 0.01 * shape);
    let squares: Vec<f64> = kinetic.iter().map(|k| (k - shape).powi(2)).collect();
    assert_mean("its variance", &squares, shape, 0.12 * shape);

    // r(t + dt) − r(t − dt) is v(t) times a factor that the chain gives to all atoms alike
    let frames = frames(&folder.path().join("trajectory.extxyz.zst"));
    let mass = |atom: usize| initial.structure.mass(atom);
    let share: Vec<f64> = frames
        .windows(3)
        .skip(1000)
        .map(|window| {
            let [before, after] = [0, 2].map(|k| &window[k].structure.positions);
            let moved = |i: usize| math::sub(after[i], before[i]);
            let of = |parity: usize| -> f64 {
                (parity..32).step_by(2).map(|i| mass(i) * math::norm2(moved(i))).sum()
            };
            of(1) / (of(0) + of(1))
        })
        .collect();
    // with the momentum at zero, Σ m v² of a species is (3n − 3 m_species/m_total) kT
    let total = initial.structure.total_mass();
    let neon = 16.0 * mass(1);
    let theory = (48.0 - 3.0 * neon / total) / 93.0;
    assert_mean("share of neon", &share, theory, 0.01);
}

#[test]
fn the_conserved_quantity_is_conserved_and_converges_with_the_timestep() {
    let initial = crystal(2, 5.5, &["Ar"], 60.0);
    // a ramp of 30 K within 0.8 ps: its work must be accounted for
    let ramp = Ramp::linear(60.0, 90.0);
    let error = |timestep: f64, steps: u64| {
        let mut potential = LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true);
        let (_, summary, thermo) = run(&initial, &mut potential, &nvt(ramp, 80.0, timestep, steps));
        let conserved = thermo.column("conserved_ev");
        let total = thermo.column("total_energy_ev");
        let moved = (total[total.len() - 1] - total[0]).abs() / 32.0 * 1e3;
        assert!(moved > 2.0, "the thermostat must do work for this test, {moved} meV/atom");
        let (first, last) = (conserved[0], conserved[conserved.len() - 1]);
        assert!((last - first).abs() / 32.0 * 1e3 < 0.05, "{first} became {last}");
        summary.conserved_rms_mev_per_atom
    };
    let (coarse, fine) = (error(8.0, 100), error(4.0, 200));
    let ratio = coarse / fine;
    assert!((3.3..4.7).contains(&ratio), "{coarse} and {fine} meV/atom: ratio {ratio}");
}

#[test]
fn a_ramp_is_followed_to_its_end() {
    let initial = crystal(3, 5.6, &["Ar"], 120.0);
    let settings = nvt(Ramp::linear(60.0, 20.0), 100.0, 5.0, 2000);
    let (end, _, thermo) = run(&initial, &mut LennardJones::argon(&["Ar"]), &settings);
    let t = thermo.column("temperature_k");
    let tail = &t[t.len() - 40..];
    let mean = tail.iter().sum::<f64>() / tail.len() as f64;
    // the target passes from 24 K to 20 K here; the relative fluctuation of one value is 8 %
    assert!((mean - 22.0).abs() < 4.0, "{mean} K");
    assert!(vitrion_md::temperature(&end.structure, &end.velocities).is_some());
}
