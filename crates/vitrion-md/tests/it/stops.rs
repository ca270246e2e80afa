//! Runs that cannot start or must stop: what is said and what is left behind.

use crate::potentials::{Failing, LennardJones};
use crate::systems::{crystal, run_in};
use std::fs;
use vitrion_core::{Cell, Structure};
use vitrion_md::{
    Barostat, Coupling, Ensemble, LAST_GOOD_FILE, MdError, RESTART_FILE, Ramp, StageSettings,
    State, THERMO_FILE, Thermostat,
};

fn nve(steps: u64) -> StageSettings {
    StageSettings {
        checkpoint_every: 4,
        thermo_every: 1,
        trajectory_every: Some(1),
        ..StageSettings::new(Ensemble::Nve, 2.0, steps)
    }
}

fn nvt() -> StageSettings {
    let ensemble = Ensemble::Nvt {
        temperature: Ramp::constant(60.0),
        thermostat: Thermostat::NoseHooverChain { period: 100.0, chain: 3 },
    };
    StageSettings { ensemble, ..nve(10) }
}

#[test]
fn overlapping_atoms_stop_the_run_at_once_and_are_named() {
    let mut initial = crystal(2, 5.6, &["Ar", "Ne"], 50.0);
    let close = initial.structure.positions[9];
    initial.structure.positions[20] = [close[0] + 1.1, close[1], close[2]];
    let folder = tempfile::tempdir().expect("a folder");
    let mut potential = LennardJones::argon(&["Ar", "Ne"]);
    let error =
        run_in(folder.path(), &initial, &mut potential, &nve(10)).expect_err("an explosion");
    let message = error.to_string();
    let MdError::BlowUp { step, atoms, last_good, .. } = error else { panic!("{message}") };
    assert_eq!(step, 1);
    let mut named: Vec<(usize, &str)> =
        atoms[..2].iter().map(|atom| (atom.atom, atom.symbol.as_str())).collect();
    named.sort_unstable();
    assert_eq!(named, [(9, "Ne"), (20, "Ar")]);
    for atom in &atoms[..2] {
        assert!((atom.nearest.expect("a neighbour") - 1.1).abs() < 1e-9);
        assert!(atom.displacement > 0.5);
    }
    assert!(message.contains("atom 20 (Ar): nearest neighbour at 1.1000 Å, |force|"), "{message}");
    assert!(message.contains("further than the limit of 0.5 Å in one step"), "{message}");
    assert_eq!(last_good, folder.path().join(LAST_GOOD_FILE));
    assert!(last_good.exists() && folder.path().join(RESTART_FILE).exists());
}

#[test]
fn a_force_that_is_not_finite_stops_the_run_and_the_state_before_is_saved() {
    let initial = crystal(2, 5.6, &["Ar", "Ne"], 50.0);
    let folder = tempfile::tempdir().expect("a folder");
    let inner = LennardJones::argon(&["Ar", "Ne"]);
    // the first evaluation is that of the start, so step 7 fails
    let site = initial.structure.positions[13];
    let mut potential = Failing { inner, evaluations_left: 7, site };
    let error = run_in(folder.path(), &initial, &mut potential, &nve(20)).expect_err("NaN");
    let message = error.to_string();
    let MdError::BlowUp { step, atoms, last_good, .. } = error else { panic!("{message}") };
    assert_eq!(step, 7);
    assert_eq!(atoms.len(), 1);
    assert_eq!((atoms[0].atom, atoms[0].symbol.as_str()), (13, "Ne"));
    assert!(message.contains("step 7: energy, forces or virial are not finite"), "{message}");
    // rows and frames up to step 6 are there, and the last good frame is step 6
    let table = fs::read_to_string(folder.path().join(THERMO_FILE)).expect("a table");
    assert!(table.lines().last().expect("rows").starts_with("6,"), "{table}");
    let packed = fs::read(folder.path().join("trajectory.extxyz.zst")).expect("a trajectory");
    let text = zstd::stream::decode_all(&packed[..]).expect("zstd frames");
    let text = String::from_utf8(text).expect("text");
    assert_eq!(text.lines().count(), 7 * 34);
    let saved = fs::read_to_string(last_good).expect("a frame");
    assert!(saved.lines().nth(1).expect("a comment line").contains("step=6"), "{saved}");

    // with a sound potential the run goes on from the checkpoint
    let mut potential = LennardJones::argon(&["Ar", "Ne"]);
    let (state, summary) =
        run_in(folder.path(), &initial, &mut potential, &nve(20)).expect("a sound potential");
    assert_eq!((state.step, summary.resumed), (20, 1));
}

#[test]
fn a_start_with_forces_that_are_not_finite_leaves_the_folder_empty() {
    let initial = crystal(2, 5.6, &["Ar"], 50.0);
    let folder = tempfile::tempdir().expect("a folder");
    let inner = LennardJones::argon(&["Ar"]);
    let site = initial.structure.positions[3];
    let mut potential = Failing { inner, evaluations_left: 0, site };
    let error = run_in(folder.path(), &initial, &mut potential, &nve(20)).expect_err("NaN");
    assert!(error.to_string().contains("at the start: the energy of atom 3 (Ar)"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_barostat_that_runs_away_is_stopped() {
    // crushed: the pressure is tens of GPa
    let initial = crystal(2, 4.0, &["Ar"], 50.0);
    let folder = tempfile::tempdir().expect("a folder");
    let ensemble = Ensemble::Npt {
        temperature: Ramp::constant(50.0),
        thermostat: Thermostat::NoseHooverChain { period: 100.0, chain: 3 },
        pressure: Ramp::constant(0.0),
        barostat: Barostat::MartynaTobiasKlein {
            period: 20.0,
            chain: 3,
            coupling: Coupling::ISOTROPIC,
        },
    };
    let settings = StageSettings { ensemble, ..nve(50) };
    let mut potential = LennardJones::argon(&["Ar"]);
    let error = run_in(folder.path(), &initial, &mut potential, &settings).expect_err("runaway");
    let message = error.to_string();
    assert!(matches!(error, MdError::BlowUp { .. }), "{message}");
    assert!(message.contains("the barostat changes lengths by"), "{message}");
    assert!(folder.path().join(LAST_GOOD_FILE).exists());
}

#[test]
fn states_that_make_no_sense_are_refused() {
    let good = crystal(2, 5.6, &["Ar"], 50.0);
    let mut cases: Vec<(State, StageSettings, &str)> = Vec::new();
    let mut state = good.clone();
    state.structure.positions[3][1] = f64::NAN;
    cases.push((state, nve(5), "the position of atom 3 (Ar) is"));
    let mut state = good.clone();
    state.velocities[4][0] = f64::INFINITY;
    cases.push((state, nve(5), "the velocity of atom 4 (Ar) is"));
    let mut state = good.clone();
    state.velocities.pop();
    cases.push((state, nve(5), "32 positions, 32 species and 31 velocities"));
    let mut state = good.clone();
    state.velocities.fill([0.0; 3]);
    cases.push((state, nvt(), "all atoms are at rest"));
    let cell = Cell::orthorhombic([5.0; 3]).expect("a cube");
    let one = Structure::new(cell, &["Ar"], vec![[0.0; 3]]).expect("argon");
    cases.push((State::new(one, vec![[0.0; 3]]), nve(5), "1 atom with its momentum removed"));
    let mut state = good.clone();
    state.structure.cell =
        Cell::new(*good.structure.cell.matrix(), [true, true, false]).expect("a slab");
    let ensemble = Ensemble::Npt {
        temperature: Ramp::constant(50.0),
        thermostat: Thermostat::NoseHooverChain { period: 100.0, chain: 3 },
        pressure: Ramp::constant(0.0),
        barostat: Barostat::MartynaTobiasKlein {
            period: 1000.0,
            chain: 3,
            coupling: Coupling::ISOTROPIC,
        },
    };
    cases.push((state, StageSettings { ensemble, ..nve(5) }, "periodic in all directions"));
    cases.push((crystal(2, 5.6, &["Xe"], 50.0), nve(5), "contains Xe, but the potential only"));
    for (state, settings, words) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let mut potential = LennardJones::argon(&["Ar", "Ne"]);
        let error = run_in(folder.path(), &state, &mut potential, &settings).expect_err(words);
        assert!(error.to_string().contains(words), "{error} does not say {words:?}");
    }
}

#[test]
fn folders_that_cannot_be_used_are_named() {
    let initial = crystal(2, 5.6, &["Ar"], 50.0);
    let mut potential = LennardJones::argon(&["Ar"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let error = run_in(&file.join("stage"), &initial, &mut potential, &nve(5)).expect_err("a file");
    assert!(error.to_string().contains("stage: cannot create"), "{error}");

    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).expect("a folder");
    fs::write(occupied.join(THERMO_FILE), "precious").expect("a file");
    let error = run_in(&occupied, &initial, &mut potential, &nve(5)).expect_err("occupied");
    assert!(matches!(error, MdError::Occupied { .. }), "{error}");
    let kept = fs::read_to_string(occupied.join(THERMO_FILE)).expect("the file");
    assert_eq!(kept, "precious");
}
