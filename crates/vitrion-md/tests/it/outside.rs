//! Averages that others have measured: NIST's Lennard-Jones liquid, LAMMPS's argon at constant pressure;
//! and frozen atoms step by step.

use crate::ensembles::{CSVR, mtk, sampled};
use crate::lammps::{Reference, number};
use crate::potentials::LennardJones;
use crate::systems::{assert_mean, crystal, frames, mean_and_error, run, run_in};
use serde_json::Value;
use vitrion_core::math;
use vitrion_core::units::{BOLTZMANN, EV_PER_A3_IN_GPA};
use vitrion_md::{Coupling, Ensemble, Ramp, StageSettings, Thermostat};

/// Frozen atoms and the chain on the others, against `fix setforce` and `fix nvt` of a group.
#[test]
fn frozen_atoms_repeat_lammps() {
    let mut reference = Reference::load("nvt-frozen.json");
    let frozen: Vec<u32> =
        serde_json::from_value(reference.json["frozen"].clone()).expect("indices");
    let timestep = number(&reference.json["timestep_ps"]) * 1e3;
    let settings = StageSettings {
        frozen,
        thermo_every: 1,
        trajectory_every: None,
        ..StageSettings::new(reference.thermostat(), timestep, 20)
    };
    let initial = reference.initial.clone();
    let (end, summary, thermo) = run(&initial, &mut reference.potential, &settings);
    assert_eq!(summary.degrees_of_freedom, 3 * 72);
    let column = |name: &str| -> Vec<f64> {
        let names = reference.json["columns"].as_array().expect("names");
        let k = names.iter().position(|n| n == name).expect("a column");
        let rows = reference.json["thermo"].as_array().expect("rows");
        rows.iter().map(|row| number(&row[k])).collect()
    };
    for (ours, theirs, factor) in
        [("temperature_k", "temp", 1.0 / reference.kelvin), ("kinetic_energy_ev", "ke", 1.0)]
    {
        for (a, b) in thermo.column(ours).iter().zip(column(theirs)) {
            // the chain is advanced in three pieces here and in one there: the third order differs
            assert!((a * factor - b).abs() < 2e-3 * factor, "{ours}: {a} here, {b} there");
        }
    }
    for (name, ours, tolerance) in [
        ("positions_unwrapped", &end.structure.positions, 2e-6),
        ("velocities", &end.velocities, 1e-4),
    ] {
        let theirs: Vec<[f64; 3]> =
            serde_json::from_value(reference.json["final"][name].clone()).expect("vectors");
        let unit = if name == "velocities" { 1e3 } else { 1.0 };
        for (a, b) in ours.iter().zip(&theirs) {
            let off = math::norm(math::sub(math::scale(*a, unit), *b));
            assert!(off < tolerance, "{name}: {off:.2e}");
        }
    }
}

/// NIST, Lennard-Jones Fluid Properties, NVT Monte Carlo at T* = 0.85, ρ* = 0.776, cut at 3σ with
/// long-range corrections: U*/N = −5.5121(5), P* = 0.0068(17).
#[test]
fn a_lennard_jones_liquid_has_the_energy_and_pressure_of_nist() {
    let (epsilon, sigma, density, reduced) = (0.0103, 3.4, 0.776, 0.85);
    let edge = (256.0_f64 / density).cbrt() * sigma;
    let kelvin = reduced * epsilon / BOLTZMANN;
    let initial = crystal(4, edge / 4.0, &["Ar"], kelvin);
    let mut potential = LennardJones::new(&["Ar"], epsilon, sigma, 3.0 * sigma, false);
    let ensemble = Ensemble::Nvt { temperature: Ramp::constant(kelvin), thermostat: CSVR };
    let settings = StageSettings { trajectory_every: Some(50), ..sampled(ensemble, 11, 24_000) };
    let folder = tempfile::tempdir().expect("a folder");
    run_in(folder.path(), &initial, &mut potential, &settings).expect("a stage");
    let trajectory = frames(&folder.path().join("trajectory.extxyz.zst"));
    let (mut energies, mut pressures) = (Vec::new(), Vec::new());
    for frame in &trajectory[80..] {
        let positions = &frame.structure.positions;
        let (mut energy, mut virial) = (0.0, 0.0);
        for i in 0..256 {
            for j in 0..i {
                let d = math::sub(positions[j], positions[i])
                    .map(|x| (x / edge - (x / edge).round()) * edge / sigma);
                let r2 = math::norm2(d);
                if r2 < 9.0 {
                    let s6 = 1.0 / (r2 * r2 * r2);
                    energy += 4.0 * (s6 * s6 - s6);
                    virial += 48.0 * s6 * s6 - 24.0 * s6;
                }
            }
        }
        energies.push(energy / 256.0);
        pressures.push(density * reduced + virial / 256.0 * density / 3.0);
    }
    // beyond 3σ as if nothing were correlated there
    let pi = std::f64::consts::PI;
    let (r3, r9) = (3.0_f64.powi(-3), 3.0_f64.powi(-9));
    let energy_tail = 8.0 / 3.0 * pi * density * (r9 / 3.0 - r3);
    let pressure_tail = 16.0 / 3.0 * pi * density * density * (2.0 * r9 / 3.0 - r3);
    let shifted =
        |series: &[f64], tail: f64| -> Vec<f64> { series.iter().map(|x| x + tail).collect() };
    assert_mean("U*/N", &shifted(&energies, energy_tail), -5.5121, 0.005);
    assert_mean("P*", &shifted(&pressures, pressure_tail), 0.0068, 0.03);
}

/// The volume of liquid argon at constant pressure and its fluctuations, against LAMMPS's.
#[test]
fn constant_pressure_has_the_averages_of_lammps() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/lammps/npt-averages.json");
    let text = std::fs::read_to_string(path).expect("the data of the repository");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let pair = |name: &str| number(&json["pair"][name]);
    let initial = crystal(4, number(&json["lattice"]), &["Ar"], 90.0);
    let mut potential =
        LennardJones::new(&["Ar"], pair("epsilon"), pair("sigma"), pair("cutoff"), false);
    let pressure = number(&json["bar"]) * 1e-4 / EV_PER_A3_IN_GPA;
    let ensemble = Ensemble::Npt {
        temperature: Ramp::constant(number(&json["kelvin"])),
        thermostat: Thermostat::NoseHooverChain { period: 200.0, chain: 3 },
        pressure: Ramp::constant(pressure),
        barostat: mtk(Coupling::ISOTROPIC),
    };
    let settings = StageSettings { thermo_every: 10, ..sampled(ensemble, 5, 30_000) };
    let (_, _, thermo) = run(&initial, &mut potential, &settings);
    for (column, name) in [("volume_a3", "vol"), ("potential_energy_ev", "pe")] {
        let series = &thermo.column(column)[500..];
        let (mean, error) = mean_and_error(series);
        let squares: Vec<f64> = series.iter().map(|x| (x - mean).powi(2)).collect();
        let (variance, variance_error) = mean_and_error(&squares);
        for (what, ours, our_error) in [
            (name.to_owned(), mean, error),
            (format!("variance of {name}"), variance, variance_error),
        ] {
            let theirs = number(&json["averages"][&what]["mean"]);
            let their_error = number(&json["averages"][&what]["error"]);
            let off = (ours - theirs) / our_error.hypot(their_error);
            assert!(
                off.abs() < 4.5,
                "{what}: {ours} ± {our_error}, LAMMPS {theirs} ± {their_error}"
            );
            if !what.starts_with("variance") {
                assert!(our_error < 0.01 * theirs.abs(), "{what}: ± {our_error}");
            }
        }
    }
}
