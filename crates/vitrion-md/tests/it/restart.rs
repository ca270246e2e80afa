//! Killed, interrupted and resumed runs against the uninterrupted one: byte for byte.

use crate::potentials::LennardJones;
use crate::systems::{crystal, frames, run_in};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::units::EV_PER_A3_IN_GPA;
use vitrion_md::{
    Barostat, Bath, Control, Coupling, Ensemble, FINAL_FILE, MdError, Progress, RESTART_FILE, Ramp,
    StageOutcome, StageSettings, StageSummary, State, THERMO_FILE, Thermostat, TrajectoryFormat,
    TrajectorySettings, run_stage,
};

const STEPS: u64 = 60;

/// Everything that has memory at once: both chains, the piston, two ramps, a list that is rebuilt.
fn settings() -> StageSettings {
    StageSettings {
        skin: 0.15,
        thermo_every: 3,
        trajectory_every: Some(4),
        checkpoint_every: 7,
        ..StageSettings::new(
            Ensemble::Npt {
                temperature: Ramp::linear(150.0, 190.0),
                thermostat: Thermostat::NoseHooverChain { period: 60.0, chain: 3 },
                pressure: Ramp::linear(0.0, 0.05 / EV_PER_A3_IN_GPA),
                barostat: Barostat::MartynaTobiasKlein {
                    period: 200.0,
                    chain: 3,
                    coupling: Coupling::ISOTROPIC,
                },
            },
            4.0,
            STEPS,
        )
    }
}

fn start() -> State {
    let mut initial = crystal(2, 5.6, &["Ar", "Ne"], 160.0);
    (initial.step, initial.time) = (1000, 2500.0);
    initial
}

fn argon() -> LennardJones {
    LennardJones::new(&["Ne", "Ar"], 0.0103, 3.4, 5.0, true)
}

/// Goes on in a folder; `watch` sees the progress and may ask for a stop.
fn go_on(directory: &Path, watch: &(dyn Fn(Progress, &AtomicBool) + Sync)) -> StageOutcome {
    let stop = AtomicBool::new(false);
    let progress = |progress: Progress| watch(progress, &stop);
    let control = Control { stop: &stop, progress: &progress };
    run_stage(start(), &mut argon(), &settings(), directory, &mut [], &control).expect("a stage")
}

fn finish(directory: &Path) -> (State, StageSummary) {
    match go_on(directory, &|_, _| {}) {
        StageOutcome::Finished { state, summary } => (state, summary),
        StageOutcome::Interrupted { step } => panic!("nobody asked for a stop at {step}"),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

/// What a run leaves behind: thermo bytes, trajectory text, final frame, final state, statistics.
struct Left {
    thermo: String,
    trajectory: String,
    last: String,
    state: State,
    numbers: Vec<u64>,
}

fn result(directory: &Path, state: State, summary: &StageSummary) -> Left {
    let packed = fs::read(directory.join("trajectory.extxyz.zst")).expect("a trajectory");
    let text = zstd::stream::decode_all(&packed[..]).expect("zstd frames");
    let estimates = [&summary.temperature, &summary.pressure, &summary.volume, &summary.density];
    let mut numbers: Vec<u64> = estimates.iter().map(|e| e.value.to_bits()).collect();
    numbers.push(summary.conserved_drift_mev_per_atom_ps.to_bits());
    numbers.push(summary.list_builds);
    Left {
        thermo: fs::read_to_string(directory.join(THERMO_FILE)).expect("a table"),
        trajectory: String::from_utf8(text).expect("text"),
        last: fs::read_to_string(directory.join(FINAL_FILE)).expect("a final frame"),
        state,
        numbers,
    }
}

impl Left {
    fn assert_same(&self, other: &Left, case: &str) {
        assert!(self.state == other.state, "{case}: the final state differs");
        assert!(self.last == other.last, "{case}: the final frame differs");
        assert!(self.trajectory == other.trajectory, "{case}: the trajectory differs");
        assert_eq!(self.thermo, other.thermo, "{case}");
        assert_eq!(self.numbers, other.numbers, "{case}");
    }
}

/// The uninterrupted run.
fn reference() -> Left {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, summary) = finish(folder.path());
    assert!(summary.list_builds > 2, "{} builds: the list must age", summary.list_builds);
    assert_eq!(summary.resumed, 0);
    let result = result(folder.path(), state, &summary);
    assert_eq!(result.thermo.lines().count(), 1 + 21, "a header and steps 0, 3 … 60");
    assert!(result.thermo.contains("\n1003,2.512000,"), "global step and time");
    // what the files hold is what the next stage gets
    let last = &frames(&folder.path().join(FINAL_FILE))[0];
    assert_eq!(last.structure, result.state.structure);
    assert_eq!(last.velocities.as_ref(), Some(&result.state.velocities));
    assert_eq!((last.step, last.time), (Some(1060), Some(2740.0)));
    let path = frames(&folder.path().join("trajectory.extxyz.zst"));
    assert_eq!(path.len(), 16, "steps 0, 4 … 60");
    assert_eq!(path[15].structure, result.state.structure);
    // calling it again changes nothing
    let (state, summary) = finish(folder.path());
    self::result(folder.path(), state, &summary).assert_same(&result, "called again");
    result
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    let reference = reference();
    let folder = tempfile::tempdir().expect("a folder");
    let kills = [1, 7, 13, 40, 60];
    let whole = folder.path().join("whole");
    // a copy made while the run is under way is what SIGKILL leaves
    go_on(&whole, &|progress, _| {
        if kills.contains(&progress.step) {
            copy(&whole, &folder.path().join(progress.step.to_string()));
        }
    });
    for step in kills {
        let directory = folder.path().join(step.to_string());
        let (state, summary) = finish(&directory);
        assert_eq!(summary.resumed, 1);
        assert_eq!(summary.resume_energy_change_ev.to_bits(), 0.0_f64.to_bits());
        result(&directory, state, &summary)
            .assert_same(&reference, &format!("killed after step {step}"));
    }
}

#[test]
fn a_run_killed_before_its_first_row_goes_on() {
    let reference = reference();
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    go_on(&whole, &|progress, _| {
        if progress.step == 1 {
            copy(&whole, &killed);
        }
    });
    fs::remove_file(killed.join(THERMO_FILE)).expect("a table");
    fs::remove_file(killed.join("trajectory.extxyz.zst")).expect("a trajectory");
    let (state, summary) = finish(&killed);
    result(&killed, state, &summary).assert_same(&reference, "killed at once");
}

#[test]
fn an_interrupted_run_goes_on_bit_for_bit_however_often() {
    let reference = reference();
    let folder = tempfile::tempdir().expect("a folder");
    for stops in [vec![14], vec![5, 23, 24, 59]] {
        let directory = folder.path().join(format!("{stops:?}"));
        for &at in &stops {
            let outcome = go_on(&directory, &|progress, stop| {
                stop.store(progress.step >= at, Ordering::Relaxed);
            });
            assert_eq!(outcome, StageOutcome::Interrupted { step: at });
        }
        let (state, summary) = finish(&directory);
        assert_eq!(summary.resumed as usize, stops.len());
        result(&directory, state, &summary)
            .assert_same(&reference, &format!("stopped at {stops:?}"));
    }
}

#[test]
fn a_stop_before_the_first_step_leaves_a_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let stop = AtomicBool::new(true);
    let control = Control { stop: &stop, progress: &|_| {} };
    let outcome = run_stage(start(), &mut argon(), &settings(), folder.path(), &mut [], &control);
    assert_eq!(outcome.expect("no error"), StageOutcome::Interrupted { step: 0 });
    let (state, summary) = finish(folder.path());
    result(folder.path(), state, &summary).assert_same(&reference(), "stopped at once");
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_the_differing_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    finish(folder.path());
    let refuse = |initial: &State, potential: &mut LennardJones, settings: &StageSettings| {
        let error = run_in(folder.path(), initial, potential, settings).expect_err("another run");
        assert!(matches!(error, MdError::OtherRun { .. }), "{error}");
        error.to_string()
    };
    let other = StageSettings { timestep: 3.0, skin: 0.5, ..settings() };
    let message = refuse(&start(), &mut argon(), &other);
    assert!(message.contains("timestep [fs]: stored 4, now 3"), "{message}");
    assert!(message.contains("skin [Å]: stored 0.15, now 0.5"), "{message}");
    assert!(!message.contains("positions"), "{message}");

    let nvt = Ensemble::Nvt {
        temperature: Ramp::constant(150.0),
        thermostat: Thermostat::NoseHooverChain { period: 60.0, chain: 3 },
    };
    let other = StageSettings { ensemble: nvt, ..settings() };
    let message = refuse(&start(), &mut argon(), &other);
    assert!(message.contains("ensemble: stored NPT, now NVT"), "{message}");
    assert!(message.contains("temperature [K]: stored 150 to 190, now 150 to 150"), "{message}");
    assert!(message.contains("barostat period [fs]: stored 200, now absent"), "{message}");

    let mut moved = start();
    moved.structure.positions[4][1] += 1e-12;
    moved.velocities[0][0] *= 2.0;
    let message = refuse(&moved, &mut argon(), &settings());
    assert!(message.contains("initial positions: stored digest"), "{message}");
    assert!(message.contains("initial velocities: stored digest"), "{message}");

    let message = refuse(&crystal(2, 5.6, &["Ar"], 160.0), &mut argon(), &settings());
    assert!(message.contains("composition: stored Ar16Ne16, now Ar32"), "{message}");
    assert!(message.contains("start step: stored 1000, now 0"), "{message}");

    let mut potential = LennardJones::new(&["Ne", "Ar"], 0.0103, 3.4, 4.9, true);
    let message = refuse(&start(), &mut potential, &settings());
    assert!(message.contains("cutoff of the potential [Å]: stored 5, now 4.9"), "{message}");

    // what has nothing to go on with does not ask the potential
    let stopped = tempfile::tempdir().expect("a folder");
    go_on(stopped.path(), &|progress, stop| stop.store(progress.step == 44, Ordering::Relaxed));
    let mut potential = LennardJones::new(&["Ne", "Ar"], 0.0104, 3.4, 5.0, true);
    let error = run_in(stopped.path(), &start(), &mut potential, &settings());
    let message = error.expect_err("another run").to_string();
    assert!(message.contains("potential energy at step 44 of the stage"), "{message}");
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    finish(folder.path());
    let restart = folder.path().join(RESTART_FILE);
    let whole = fs::read(&restart).expect("a checkpoint");
    let refuse = |bytes: &[u8]| {
        fs::write(&restart, bytes).expect("a file");
        run_in(folder.path(), &start(), &mut argon(), &settings()).expect_err("damage").to_string()
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (bytes, words) in [
        (&flipped[..], "the checksum is wrong"),
        (&whole[..whole.len() - 100], "bytes of content, but the header says"),
        (&whole[..10], "not a checkpoint of vitrion, or cut short"),
        (b"something else that is long enough to hold a header", "not a checkpoint of vitrion"),
    ] {
        let message = refuse(bytes);
        assert!(message.contains(words) && message.contains(RESTART_FILE), "{message}");
    }
    fs::write(&restart, &whole).expect("a file");
    let thermo = folder.path().join(THERMO_FILE);
    let table = fs::read(&thermo).expect("a table");
    fs::write(&thermo, &table[..table.len() - 1]).expect("a table");
    let message = refuse(&whole);
    assert!(
        message.contains(&format!("{} bytes, but the checkpoint", table.len() - 1)),
        "{message}"
    );
}

/// Thermostats and barostats that draw random numbers or hold a tensor, stopped twice.
#[test]
fn every_method_goes_on_bit_for_bit() {
    let temperature = Ramp::linear(150.0, 190.0);
    let pressure = Ramp::linear(0.0, 0.05 / EV_PER_A3_IN_GPA);
    let langevin = Thermostat::Langevin { period: 100.0 };
    let csvr = Thermostat::Csvr { period: 60.0 };
    let chain = Thermostat::NoseHooverChain { period: 60.0, chain: 3 };
    let mtk = |coupling| Barostat::MartynaTobiasKlein { period: 200.0, chain: 2, coupling };
    let rescaling = Barostat::StochasticCellRescaling { period: 200.0, compressibility: 50.0 };
    let npt = |thermostat, barostat| Ensemble::Npt { temperature, thermostat, pressure, barostat };
    let ensembles = [
        Ensemble::Nve,
        Ensemble::Nvt { temperature, thermostat: chain },
        Ensemble::Nvt { temperature, thermostat: csvr },
        Ensemble::Nvt { temperature, thermostat: langevin },
        npt(chain, mtk(Coupling::ANISOTROPIC)),
        npt(langevin, mtk(Coupling::TRICLINIC)),
        npt(csvr, rescaling),
    ];
    let plain = ensembles.map(|ensemble| StageSettings { ensemble, ..settings() });
    let nvt = Ensemble::Nvt { temperature, thermostat: chain };
    let bath = |thermostat| Bath {
        name: "group".to_owned(),
        atoms: (8..20).collect(),
        temperature: Ramp { plateaus: Some(5), ..temperature },
        thermostat,
    };
    let frozen = (0..8).collect();
    let deformed = [[1e-5, 2e-6, 0.0], [2e-6, 0.0, 0.0], [0.0, 0.0, -1e-5]];
    let grouped = [
        StageSettings { frozen, baths: vec![bath(csvr)], ensemble: nvt, ..settings() },
        StageSettings {
            baths: vec![bath(langevin)],
            ensemble: npt(chain, mtk(Coupling::TRICLINIC)),
            ..settings()
        },
        StageSettings { strain_rate: Some(deformed), ensemble: nvt, ..settings() },
    ];
    for settings in plain.into_iter().chain(grouped) {
        let go_on = |directory: &Path, until: u64| {
            let stop = AtomicBool::new(false);
            let progress = |progress: Progress| {
                stop.store(progress.step == until, Ordering::Relaxed);
            };
            let control = Control { stop: &stop, progress: &progress };
            match run_stage(start(), &mut argon(), &settings, directory, &mut [], &control) {
                Ok(StageOutcome::Finished { state, summary }) => Some((state, summary)),
                Ok(StageOutcome::Interrupted { .. }) => None,
                Err(error) => panic!("{settings:?}: {error}"),
            }
        };
        let [whole, parts] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
        let (state, summary) = go_on(whole.path(), u64::MAX).expect("nobody stopped it");
        let reference = result(whole.path(), state, &summary);
        assert!(go_on(parts.path(), 23).is_none() && go_on(parts.path(), 44).is_none());
        let (state, summary) = go_on(parts.path(), u64::MAX).expect("nobody stopped it");
        assert_eq!(summary.resumed, 2);
        result(parts.path(), state, &summary).assert_same(&reference, &format!("{settings:?}"));
    }
}

/// Every format holds the same frames, readable while the stage goes on, and a stage that was killed
/// after its last checkpoint leaves the same bytes.
#[test]
fn trajectories_of_every_format_go_on_byte_for_byte() {
    let mut expected: Vec<vitrion_core::Frame> = Vec::new();
    for format in TrajectoryFormat::ALL {
        let forces = format != TrajectoryFormat::AmberNetcdf;
        let trajectory = TrajectorySettings { format, velocities: true, forces };
        let settings = StageSettings { trajectory, checkpoint_every: 20, ..settings() };
        let run = |directory: &Path, until: u64| {
            let stop = AtomicBool::new(false);
            let progress = |progress: Progress| {
                stop.store(progress.step == until, Ordering::Relaxed);
            };
            let control = Control { stop: &stop, progress: &progress };
            run_stage(start(), &mut argon(), &settings, directory, &mut [], &control)
                .expect("a stage")
        };
        let [whole, parts] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
        run(whole.path(), u64::MAX);
        let file = whole.path().join(format.file_name());
        let frames = io::read_all(&file, &ReadOptions::default()).expect("readable");
        run(parts.path(), 20);
        let killed = parts.path().join(format.file_name());
        let part = io::read_all(&killed, &ReadOptions::default()).expect("readable when stopped");
        assert!(!part.is_empty() && part[..] == frames[..part.len()], "{format:?}");
        // a kill leaves frames that no checkpoint knows
        let mut bytes = fs::read(&killed).expect("a file");
        bytes.extend_from_slice(&fs::read(&file).expect("a file")[..100]);
        fs::write(&killed, bytes).expect("writable");
        run(parts.path(), u64::MAX);
        if format != TrajectoryFormat::ExtXyzZstd {
            assert_eq!(fs::read(&killed).expect("a file"), fs::read(&file).expect("a file"));
        }
        assert_eq!(io::read_all(&killed, &ReadOptions::default()).expect("readable"), frames);
        if expected.is_empty() {
            expected = frames;
            continue;
        }
        for (a, b) in expected.iter().zip(&frames) {
            assert_eq!((a.step, frames.len()), (b.step, expected.len()), "{format:?}");
            let far = |x: &[vitrion_core::Vector3], y: &[vitrion_core::Vector3]| {
                x.iter()
                    .flatten()
                    .zip(y.iter().flatten())
                    .fold(0.0_f64, |m, (x, y)| m.max((x - y).abs()))
            };
            assert!(far(&a.structure.positions, &b.structure.positions) < 4e-6, "{format:?}");
            let [v, w] = [a, b].map(|frame| frame.velocities.as_deref().expect("asked for"));
            assert!(far(v, w) < 1e-8, "{format:?}");
            assert_eq!(b.labels.forces.is_some(), forces, "{format:?}");
        }
    }
}
