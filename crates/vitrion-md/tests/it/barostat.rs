//! Isotropic Martyna–Tobias–Klein dynamics: volume distribution, virial theorem, conserved quantity.

use crate::potentials::{LennardJones, Springs};
use crate::systems::{assert_mean, crystal, run};
use vitrion_core::units::{BOLTZMANN, EV_PER_A3_IN_GPA};
use vitrion_core::{SpeciesTable, math};
use vitrion_md::{Barostat, Coupling, Ensemble, Ramp, StageSettings, Thermostat};

fn npt(temperature: Ramp, pressure: Ramp, times: [f64; 2], dt: f64, steps: u64) -> StageSettings {
    let ensemble = Ensemble::Npt {
        temperature,
        thermostat: Thermostat::NoseHooverChain { period: times[0], chain: 3 },
        pressure,
        barostat: Barostat::MartynaTobiasKlein {
            period: times[1],
            chain: 3,
            coupling: Coupling::ISOTROPIC,
        },
    };
    StageSettings {
        thermo_every: 5,
        trajectory_every: None,
        checkpoint_every: 1_000_000,
        ..StageSettings::new(ensemble, dt, steps)
    }
}

#[test]
fn the_volume_of_an_ideal_gas_has_its_gamma_distribution() {
    let initial = crystal(1, 6.0, &["Ne", "Ar"], 300.0);
    let atoms = initial.structure.len() as f64;
    let table = SpeciesTable::new(&["Ne", "Ar"]).expect("elements");
    let mut gas = Springs { table, sites: vec![[0.0; 3]; 4], k: [0.0; 3] };
    let kt = BOLTZMANN * 300.0;
    let pressure = kt / 50.0;
    let settings =
        npt(Ramp::constant(300.0), Ramp::constant(pressure), [100.0, 600.0], 5.0, 200_000);
    let (_, _, thermo) = run(&initial, &mut gas, &settings);
    // p(V) ∝ V^(N−1) exp(−PV/kT): mean and variance N in units of kT/P and its square
    let volume: Vec<f64> = thermo.column("volume_a3")[2000..].iter().map(|v| v / 50.0).collect();
    assert_mean("mean volume", &volume, atoms, 0.05 * atoms);
    let squares: Vec<f64> = volume.iter().map(|v| (v - atoms).powi(2)).collect();
    assert_mean("its variance", &squares, atoms, 0.15 * atoms);
}

#[test]
fn a_liquid_obeys_the_virial_theorem_of_the_ensemble() {
    let initial = crystal(2, 5.7, &["Ar"], 130.0);
    let mut potential = LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true);
    let kt = BOLTZMANN * 130.0;
    let pressure = 0.05 / EV_PER_A3_IN_GPA;
    let settings =
        npt(Ramp::constant(130.0), Ramp::constant(pressure), [100.0, 400.0], 4.0, 12_000);
    let (end, summary, thermo) = run(&initial, &mut potential, &settings);
    // ⟨G_ε⟩ = 0 reads ⟨V (P_inst − P)⟩ = −kT, with P_inst from the 3N − 3 degrees of freedom
    let work: Vec<f64> = thermo.column("volume_a3")[400..]
        .iter()
        .zip(&thermo.column("pressure_gpa")[400..])
        .map(|(v, p)| v * (p / EV_PER_A3_IN_GPA - pressure) / kt)
        .collect();
    assert_mean("⟨V (P_inst − P)⟩ / kT", &work, -1.0, 2.0);
    let temperature = thermo.column("temperature_k")[400..].to_vec();
    assert_mean("temperature", &temperature, 130.0, 1.0);
    assert_eq!(summary.ensemble, "NPT");
    let [a, b, c] = end.structure.cell.lengths();
    assert!((a - b).abs() < 1e-10 && (a - c).abs() < 1e-10, "the shape is kept");
}

#[test]
fn the_conserved_quantity_survives_ramps_and_converges_with_the_timestep() {
    let initial = crystal(2, 5.5, &["Ar"], 60.0);
    let error = |dt: f64, steps: u64| {
        let mut potential = LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true);
        let settings = npt(
            Ramp::linear(60.0, 75.0),
            Ramp::linear(0.0, 0.1 / EV_PER_A3_IN_GPA),
            [100.0, 400.0],
            dt,
            steps,
        );
        let (end, summary, thermo) = run(&initial, &mut potential, &settings);
        let conserved = thermo.column("conserved_ev");
        let (first, last) = (conserved[0], conserved[conserved.len() - 1]);
        assert!((last - first).abs() / 32.0 * 1e3 < 0.05, "{first} became {last}");
        let change = end.structure.cell.volume() / initial.structure.cell.volume() - 1.0;
        assert!(change.abs() > 0.01, "the volume must move for this test, {change}");
        summary.conserved_rms_mev_per_atom
    };
    let (coarse, fine) = (error(8.0, 100), error(4.0, 200));
    let ratio = coarse / fine;
    assert!((3.0..5.0).contains(&ratio), "{coarse} and {fine} meV/atom: ratio {ratio}");
}

#[test]
fn the_choice_of_image_does_not_change_the_dynamics() {
    let initial = crystal(2, 5.5, &["Ar"], 60.0);
    let mut moved = initial.clone();
    let edge = initial.structure.cell.lengths()[0];
    moved.structure.positions[3][0] += 2.0 * edge;
    moved.structure.positions[7][2] -= edge;
    let pressure = Ramp::constant(0.02 / EV_PER_A3_IN_GPA);
    let settings = npt(Ramp::constant(60.0), pressure, [100.0, 400.0], 4.0, 100);
    let argon = || LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true);
    let (a, ..) = run(&initial, &mut argon(), &settings);
    let (b, ..) = run(&moved, &mut argon(), &settings);
    assert!((a.structure.cell.volume() - b.structure.cell.volume()).abs() < 1e-9);
    let edge = b.structure.cell.lengths()[0];
    for (atom, image) in [(3, [2.0 * edge, 0.0, 0.0]), (7, [0.0, 0.0, -edge]), (5, [0.0; 3])] {
        let there = math::sub(b.structure.positions[atom], image);
        let distance = math::norm(math::sub(there, a.structure.positions[atom]));
        assert!(distance < 1e-9, "atom {atom} differs by {distance} Å");
    }
}
