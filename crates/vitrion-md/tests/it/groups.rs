//! Frozen atoms, thermostats of groups, and given deformations.

use crate::ensembles::{CHAIN, CSVR, LANGEVIN, argon, mtk, sampled};
use crate::systems::{assert_mean, crystal, run, sites};
use vitrion_core::math::{self, Vector3};
use vitrion_core::units::{BOLTZMANN, EV_PER_A3_IN_GPA};
use vitrion_core::{Cell, Evaluation, Interactions, Potential, Structure};
use vitrion_md::{
    Barostat, Bath, Coupling, Ensemble, Ramp, StageSettings, State, Thermostat, kinetic_energy,
};

/// The lower half of a crystal of 2 × 2 × 4 cells' worth of atoms.
fn lower_half(state: &State) -> Vec<u32> {
    let middle = 0.5 * state.structure.cell.lengths()[2];
    let positions = state.structure.positions.iter();
    (0..).zip(positions).filter(|(_, r)| r[2] < middle - 1.0).map(|(atom, _)| atom).collect()
}

/// What argon says of these positions.
fn evaluated(cell: &Cell, positions: &[Vector3]) -> Evaluation {
    let mut potential = argon();
    let mut interactions = Interactions::new(potential.cutoff(), 0.5);
    let mut evaluation = Evaluation::default();
    let species = vec![0; positions.len()];
    interactions
        .evaluate(&mut potential, cell, positions, &species, &mut evaluation)
        .expect("an evaluation");
    evaluation
}

fn npt(thermostat: Thermostat, barostat: Barostat) -> Ensemble {
    Ensemble::Npt {
        temperature: Ramp::constant(60.0),
        thermostat,
        pressure: Ramp::constant(0.1 / EV_PER_A3_IN_GPA),
        barostat,
    }
}

#[test]
fn frozen_atoms_stay_where_they_are_while_the_cell_moves() {
    let initial = crystal(3, 5.5, &["Ar"], 60.0);
    let frozen = lower_half(&initial);
    let rescaling = Barostat::StochasticCellRescaling { period: 300.0, compressibility: 50.0 };
    for (name, ensemble) in [
        ("mtk", npt(CHAIN, mtk(Coupling::ANISOTROPIC))),
        ("triclinic", npt(LANGEVIN, mtk(Coupling::TRICLINIC))),
        ("rescaling", npt(CSVR, rescaling)),
    ] {
        let settings = StageSettings { frozen: frozen.clone(), ..sampled(ensemble, 3, 400) };
        let (end, summary, thermo) = run(&initial, &mut argon(), &settings);
        assert_eq!(summary.degrees_of_freedom, 3 * (108 - frozen.len()), "{name}");
        assert!(end.structure.cell.volume() < 0.999 * initial.structure.cell.volume(), "{name}");
        for atom in 0..108_u32 {
            let moved = math::sub(
                end.structure.positions[atom as usize],
                initial.structure.positions[atom as usize],
            );
            let still =
                math::norm(moved) <= 0.0 && math::norm(end.velocities[atom as usize]) <= 0.0;
            assert_eq!(still, frozen.contains(&atom), "{name}: atom {atom}");
        }
        // work of the cell on atoms that do not follow it would show here
        let swing = |column: &str| {
            let series = thermo.column(column);
            let low = series.iter().copied().fold(f64::INFINITY, f64::min);
            (series.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low) / 108.0 * 1e3
        };
        let (conserved, total) = (swing("conserved_ev"), swing("total_energy_ev"));
        assert!(conserved < 0.03 * total && total > 1.0, "{name}: {conserved} of {total} meV/atom");
    }
}

/// `W = −∂E/∂ε` of a deformation that moves all atoms but the frozen ones, by central differences.
#[test]
fn the_pressure_with_frozen_atoms_is_that_of_deforming_the_others() {
    let initial = crystal(3, 5.3, &["Ar"], 60.0);
    let frozen = lower_half(&initial);
    let energy = |strain: f64, axis: usize| {
        let mut growth = math::IDENTITY;
        growth[axis][axis] += strain;
        let Structure { cell, positions, .. } = &initial.structure;
        let mut positions = positions.clone();
        for (atom, r) in (0..).zip(&mut positions) {
            if !frozen.contains(&atom) {
                *r = math::row_times(*r, &growth);
            }
        }
        let cell = Cell::periodic(math::matmul(cell.matrix(), &growth)).expect("a cell");
        evaluated(&cell, &positions).energy
    };
    let ensemble = Ensemble::Nvt { temperature: Ramp::constant(60.0), thermostat: CSVR };
    let settings = StageSettings { frozen: frozen.clone(), ..sampled(ensemble, 3, 2) };
    let (_, _, thermo) = run(&initial, &mut argon(), &settings);
    for (axis, column) in
        ["pressure_xx_gpa", "pressure_yy_gpa", "pressure_zz_gpa"].iter().enumerate()
    {
        let h = 1e-5;
        let virial = -(energy(h, axis) - energy(-h, axis)) / (2.0 * h);
        let momentum_flux: f64 = (0..108_u32)
            .filter(|atom| !frozen.contains(atom))
            .map(|atom| {
                let atom = atom as usize;
                let v = initial.velocities[atom][axis];
                initial.structure.mass(atom) * v * v
            })
            .sum();
        let flux = momentum_flux * vitrion_core::units::KINETIC_PER_MV2;
        let expected = (flux + virial) / initial.structure.cell.volume() * EV_PER_A3_IN_GPA;
        let found = thermo.column(column)[0];
        assert!((found - expected).abs() < 1e-6, "{column}: {found}, differences {expected}");
    }
}

/// Two halves held at different temperatures; heat flows through the system and is accounted for.
#[test]
fn every_group_has_the_temperature_of_its_thermostat() {
    let initial = crystal(3, 5.5, &["Ar"], 60.0);
    let bath = |atoms: Vec<u32>, kelvin: f64, thermostat| Bath {
        name: format!("at-{kelvin}"),
        atoms,
        temperature: Ramp::constant(kelvin),
        thermostat,
    };
    let cold = lower_half(&initial);
    let hot: Vec<u32> = (0..108).filter(|atom| !cold.contains(atom)).collect();
    let strong = |thermostat| match thermostat {
        Thermostat::Langevin { .. } => Thermostat::Langevin { period: 50.0 },
        Thermostat::Csvr { .. } => Thermostat::Csvr { period: 40.0 },
        Thermostat::NoseHooverChain { .. } => {
            Thermostat::NoseHooverChain { period: 50.0, chain: 3 }
        }
    };
    for thermostat in [CHAIN, CSVR, LANGEVIN].map(strong) {
        let settings = StageSettings {
            baths: vec![bath(hot.clone(), 50.0, thermostat)],
            thermo_every: 20,
            ..sampled(Ensemble::Nvt { temperature: Ramp::constant(40.0), thermostat }, 3, 40_000)
        };
        let (_, summary, thermo) = run(&initial, &mut argon(), &settings);
        assert_eq!(summary.degrees_of_freedom, 3 * 108);
        let group = &thermo.column("temperature_at-50_k")[100..];
        assert_mean(&format!("{thermostat:?}: hot"), group, 50.0, 0.5);
        let all = &thermo.column("temperature_k")[100..];
        let n = hot.len() as f64;
        let rest: Vec<f64> =
            all.iter().zip(group).map(|(all, hot)| (108.0 * all - n * hot) / (108.0 - n)).collect();
        assert_mean(&format!("{thermostat:?}: cold"), &rest, 40.0, 0.5);
        let drift = summary.conserved_drift_mev_per_atom_ps.abs();
        assert!(drift < 0.01, "{thermostat:?}: {drift} meV/atom/ps");
    }
}

#[test]
fn groups_may_have_thermostats_in_a_system_without_one() {
    let initial = crystal(2, 5.5, &["Ar"], 60.0);
    let bath = Bath {
        name: "wall".to_owned(),
        atoms: (0..8).collect(),
        temperature: Ramp::linear(60.0, 90.0),
        thermostat: CSVR,
    };
    let settings = StageSettings { baths: vec![bath], ..sampled(Ensemble::Nve, 3, 3000) };
    let (end, summary, _) = run(&initial, &mut argon(), &settings);
    let kelvin = 2.0 * kinetic_energy(&end.structure, &end.velocities) / (96.0 * BOLTZMANN);
    assert!(kelvin > 55.0, "{kelvin} K: the wall must have heated the rest");
    assert!(summary.conserved_drift_mev_per_atom_ps.abs() < 0.1);
}

#[test]
fn a_deformation_reaches_its_strain_and_its_work_is_accounted_for() {
    let rate = [[2e-5, 1e-5, 0.0], [1e-5, -1e-5, 0.0], [0.0, 0.0, 0.0]];
    let initial = crystal(2, 5.4, &["Ar"], 60.0);
    for ensemble in
        [Ensemble::Nve, Ensemble::Nvt { temperature: Ramp::constant(60.0), thermostat: LANGEVIN }]
    {
        let settings = StageSettings { strain_rate: Some(rate), ..sampled(ensemble, 3, 1000) };
        let time = settings.timestep * 1000.0;
        let (end, _, thermo) = run(&initial, &mut argon(), &settings);
        // H = H₀ exp(D t), D t by its power series
        let mut growth = math::IDENTITY;
        let mut term = math::IDENTITY;
        for k in 1..10 {
            let step = math::matrix_scale(&rate, time / f64::from(k));
            term = math::matmul(&term, &step);
            growth = math::matrix_add(&growth, &term);
        }
        let expected = math::matmul(initial.structure.cell.matrix(), &growth);
        let pairs = end.structure.cell.matrix().as_flattened().iter().zip(expected.as_flattened());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} {b}"));
        let conserved = thermo.column("conserved_ev");
        let total = thermo.column("total_energy_ev");
        let change = |series: &[f64]| (series[series.len() - 1] - series[0]) / 32.0 * 1e3;
        let (kept, worked) = (change(&conserved).abs(), change(&total).abs());
        assert!(kept < 0.1 && worked > 20.0 * kept, "{kept} of {worked} meV/atom");
    }
}

/// `C₁₁` and `C₁₂` of a cold crystal from the stress of a slow deformation, against second differences
/// of the energy of the static lattice.
#[test]
fn a_slow_deformation_gives_the_elastic_constants() {
    let mut initial = crystal(3, 5.3, &["Ar"], 0.01);
    initial.structure.positions = sites(3, 5.3);
    let stress_at = |strain: f64| {
        let mut growth = math::IDENTITY;
        growth[0][0] += strain;
        let Structure { cell, positions, .. } = &initial.structure;
        let cell = Cell::periodic(math::matmul(cell.matrix(), &growth)).expect("a cell");
        let positions: Vec<_> = positions.iter().map(|r| math::row_times(*r, &growth)).collect();
        let virial = evaluated(&cell, &positions).virial;
        [0, 1].map(|a| -virial[a][a] / cell.volume() * EV_PER_A3_IN_GPA)
    };
    let end = 0.002;
    let (reached, before) = (stress_at(end), stress_at(0.0));
    let rate = [[f64::ln_1p(end) / 2000.0, 0.0, 0.0], [0.0; 3], [0.0; 3]];
    let settings = StageSettings { strain_rate: Some(rate), ..sampled(Ensemble::Nve, 3, 500) };
    let settings = StageSettings { timestep: 4.0, ..settings };
    let (_, _, thermo) = run(&initial, &mut argon(), &settings);
    for (axis, column) in ["pressure_xx_gpa", "pressure_yy_gpa"].iter().enumerate() {
        let series = thermo.column(column);
        let dynamic = -(series[series.len() - 1] - series[0]) / end;
        let fixed = (reached[axis] - before[axis]) / end;
        assert!((dynamic / fixed - 1.0).abs() < 0.02, "{column}: {dynamic} and {fixed} GPa");
    }
}
