//! Stages on devices against those on the processor: the same steps, numbers, files and errors.

use crate::devices;
use crate::evaluators::fixture;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Structure, math};
use vitrion_cuda::{CudaDynamics, CudaError, Device};
use vitrion_md::{
    Barostat, Bath, Control, Coupling, EngineMaker, Ensemble, Host, LAST_GOOD_FILE, MdError,
    RESTART_FILE, Ramp, StageOutcome, StageSettings, State, THERMO_FILE, Thermostat,
    run_stage_with, velocities,
};
use vitrion_model::{DeepPotential, Embedding, Precision};

const CHAIN: Thermostat = Thermostat::NoseHooverChain { period: 20.0, chain: 3 };

/// Forty atoms in a skewed cell, at rest where the model would leave them for a while.
fn start(temperature: f64) -> State {
    let cell = Cell::from_lengths_angles([9.0, 8.0, 10.0], [80.0, 95.0, 100.0]).expect("closes");
    let structure: Structure = systems::random_structure(1, &["Li", "S", "S"], 40, cell, 1.6);
    let velocities =
        velocities::maxwell_boltzmann(&structure, temperature, 7).expect("a temperature");
    State::new(structure, velocities)
}

fn nvt(thermostat: Thermostat) -> Ensemble {
    Ensemble::Nvt { temperature: Ramp::linear(400.0, 500.0), thermostat }
}

fn npt(barostat: Barostat) -> Ensemble {
    Ensemble::Npt {
        temperature: Ramp::constant(400.0),
        thermostat: CHAIN,
        pressure: Ramp::linear(0.0, 0.01),
        barostat,
    }
}

fn mtk(coupling: Coupling) -> Barostat {
    Barostat::MartynaTobiasKlein { period: 100.0, chain: 3, coupling }
}

/// Everything the device can hold, with a name.
fn stages() -> Vec<(&'static str, StageSettings)> {
    let stage = |ensemble| {
        let mut settings = StageSettings::new(ensemble, 1.0, 30);
        // small, so that the list is searched several times
        settings.skin = 0.12;
        settings.thermo_every = 1;
        settings.trajectory_every = Some(7);
        settings
    };
    let frozen = |ensemble| StageSettings { frozen: vec![3, 4, 11], ..stage(ensemble) };
    let groups = StageSettings {
        baths: vec![
            Bath {
                name: "a".into(),
                atoms: vec![0, 1, 2, 5, 6],
                thermostat: CHAIN,
                temperature: Ramp::constant(300.0),
            },
            Bath {
                name: "b".into(),
                atoms: vec![7, 8, 20],
                thermostat: Thermostat::Csvr { period: 15.0 },
                temperature: Ramp { plateaus: Some(3), ..Ramp::linear(600.0, 300.0) },
            },
        ],
        ..frozen(nvt(CHAIN))
    };
    let strain = [[2e-5, 1e-5, 0.0], [1e-5, -1e-5, 0.0], [0.0, 0.0, 0.0]];
    let scr = Barostat::StochasticCellRescaling { period: 100.0, compressibility: 2.0 };
    let planar = Coupling { axes: [Some(0), Some(0), None], shear: false };
    vec![
        ("nve", stage(Ensemble::Nve)),
        ("nvt chain", stage(nvt(CHAIN))),
        ("nvt csvr", stage(nvt(Thermostat::Csvr { period: 30.0 }))),
        ("npt isotropic", stage(npt(mtk(Coupling::ISOTROPIC)))),
        ("npt planar", stage(npt(mtk(planar)))),
        ("npt triclinic", stage(npt(mtk(Coupling::TRICLINIC)))),
        ("npt rescaling", stage(npt(scr))),
        ("npt frozen", frozen(npt(mtk(Coupling::ANISOTROPIC)))),
        ("groups", groups),
        ("deformed", StageSettings { strain_rate: Some(strain), ..stage(nvt(CHAIN)) }),
    ]
}

fn run(
    maker: &mut dyn EngineMaker,
    initial: &State,
    settings: &StageSettings,
    folder: &Path,
    stop_after: u64,
) -> Result<StageOutcome, MdError> {
    let stop = AtomicBool::new(false);
    let progress = |p: vitrion_md::Progress| {
        if p.step >= stop_after {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let control = Control { stop: &stop, progress: &progress };
    run_stage_with(initial.clone(), maker, settings, folder, &mut [], &control)
}

fn finished(outcome: Result<StageOutcome, MdError>) -> State {
    match outcome.expect("a stage that ends well") {
        StageOutcome::Finished { state, .. } => state,
        StageOutcome::Interrupted { step } => panic!("nobody asked for a stop at {step}"),
    }
}

fn rows(folder: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(folder.join(THERMO_FILE)).expect("a thermo table");
    let line = |line: &str| line.split(',').map(|x| x.parse().expect("a number")).collect();
    text.lines().skip(1).map(line).collect()
}

fn on_processor(model: &DeepPotential, settings: &StageSettings, folder: &Path) -> State {
    let mut potential = model.evaluator(Precision::Double, Embedding::Tables);
    let mut host = Host { potential: &mut potential };
    finished(run(&mut host, &start(400.0), settings, folder, u64::MAX))
}

fn maker(device: &Device, model: &DeepPotential, precision: Precision) -> CudaDynamics {
    CudaDynamics::new(device, model, precision).expect("a supported model")
}

#[test]
fn every_ensemble_takes_the_steps_of_the_processor() {
    let model = fixture("one-side-tanh-text.yaml");
    let devices = devices::all();
    for (name, settings) in stages() {
        let folder = tempfile::tempdir().expect("a folder");
        let exact = on_processor(&model, &settings, &folder.path().join("host"));
        let expected = rows(&folder.path().join("host"));
        let mut first: Option<State> = None;
        for (k, device) in devices.iter().enumerate() {
            let own = folder.path().join(format!("device-{k}"));
            let mut maker = maker(device, &model, Precision::Double);
            let found = finished(run(&mut maker, &start(400.0), &settings, &own, u64::MAX));
            let farthest = found.structure.positions.iter().zip(&exact.structure.positions);
            let farthest = farthest.map(|(a, b)| math::norm(math::sub(*a, *b))).fold(0.0, f64::max);
            assert!(farthest < 1e-8, "{name}: positions differ by {farthest:e} Å");
            let cells = found.structure.cell.matrix().as_flattened().iter();
            let cells = cells.zip(exact.structure.cell.matrix().as_flattened());
            cells.for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{name}: cells {a} {b}"));
            let table = rows(&own);
            assert_eq!(table.len(), expected.len(), "{name}");
            for (row, (a, b)) in table.iter().zip(&expected).enumerate() {
                for (column, (a, b)) in a.iter().zip(b).enumerate() {
                    let d = (a - b).abs();
                    assert!(
                        d < 1e-6 * b.abs().max(1.0),
                        "{name}: row {row}, column {column}: {a} and {b}"
                    );
                }
            }
            if device.name().contains("emulat") {
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{name}: bits");
            }
        }
    }
}

#[test]
fn a_stage_that_is_stopped_goes_on_bit_for_bit_and_on_the_processor_too() {
    let model = fixture("one-side-tanh-text.yaml");
    let (_, mut settings) = stages().swap_remove(3);
    settings.checkpoint_every = 10;
    for device in &devices::one_of_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        let mut maker = maker(device, &model, Precision::Double);
        let straight = finished(run(&mut maker, &start(400.0), &settings, &whole, u64::MAX));
        let stopped = run(&mut maker, &start(400.0), &settings, &parts, 13).expect("a stop");
        assert!(matches!(stopped, StageOutcome::Interrupted { .. }), "{stopped:?}");
        let crossed = folder.path().join("crossed");
        std::fs::create_dir(&crossed).expect("a folder");
        for file in std::fs::read_dir(&parts).expect("files") {
            let file = file.expect("a file");
            std::fs::copy(file.path(), crossed.join(file.file_name())).expect("a copy");
        }
        let resumed = finished(run(&mut maker, &start(400.0), &settings, &parts, u64::MAX));
        assert_eq!(straight, resumed);
        let thermo = |folder: &Path| std::fs::read(folder.join(THERMO_FILE)).expect("a table");
        assert_eq!(thermo(&whole), thermo(&parts));
        // the checkpoint of a device is one for the processor
        assert!(crossed.join(RESTART_FILE).exists());
        let there = on_processor(&model, &settings, &crossed);
        for (a, b) in there.structure.positions.iter().zip(&straight.structure.positions) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-8);
        }
    }
}

#[test]
fn mixed_precision_follows_and_keeps_its_energy() {
    let model = fixture("one-side-tanh-text.yaml");
    let (_, settings) = stages().swap_remove(0);
    let folder = tempfile::tempdir().expect("a folder");
    let exact = on_processor(&model, &settings, &folder.path().join("host"));
    for (k, device) in devices::all().iter().enumerate() {
        let own = folder.path().join(format!("device-{k}"));
        let mut maker = maker(device, &model, Precision::Mixed);
        let found = finished(run(&mut maker, &start(400.0), &settings, &own, u64::MAX));
        for (a, b) in found.structure.positions.iter().zip(&exact.structure.positions) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-4);
        }
    }
}

#[test]
fn a_stage_that_blows_up_stops_with_the_last_good_frame() {
    let model = fixture("one-side-tanh-text.yaml");
    for device in &devices::one_of_each() {
        // two atoms on a collision course
        let mut initial = start(400.0);
        initial.structure.positions[1] = math::add(initial.structure.positions[0], [1.2, 0.0, 0.0]);
        initial.velocities[1] = [-0.09, 0.0, 0.0];
        initial.velocities[0] = [0.09, 0.0, 0.0];
        let mut settings = StageSettings::new(Ensemble::Nve, 1.0, 30);
        settings.remove_drift = false;
        settings.thermo_every = 1;
        let folder = tempfile::tempdir().expect("a folder");
        let mut maker = maker(device, &model, Precision::Double);
        let error = run(&mut maker, &initial, &settings, folder.path(), u64::MAX);
        let error = error.expect_err("they meet");
        let MdError::BlowUp { step, .. } = &error else { panic!("{error}") };
        assert!(folder.path().join(LAST_GOOD_FILE).exists());
        assert_eq!(rows(folder.path()).len() as u64, *step, "{error}");
        // one that jumps
        let mut initial = start(400.0);
        initial.velocities[5] = [0.8, 0.0, 0.0];
        let folder = tempfile::tempdir().expect("a folder");
        let error = run(&mut maker, &initial, &settings, folder.path(), u64::MAX);
        let text = error.expect_err("it jumps").to_string();
        assert!(text.contains("move further than the limit"), "{text}");
        assert!(text.contains("atom 5"), "{text}");
    }
}

#[test]
fn what_the_device_cannot_do_is_said_before_the_run() {
    let state = start(400.0);
    let langevin = StageSettings::new(nvt(Thermostat::Langevin { period: 50.0 }), 1.0, 5);
    let error = CudaDynamics::supports(&langevin, &state.structure.cell).expect_err("Langevin");
    assert!(matches!(error, CudaError::Unsupported { .. }));
    assert!(error.to_string().contains("Langevin dynamics is not available on a CUDA device"));
    let slab = Cell::new(*state.structure.cell.matrix(), [true, true, false]).expect("a slab");
    let nve = StageSettings::new(Ensemble::Nve, 1.0, 5);
    let error = CudaDynamics::supports(&nve, &slab).expect_err("a slab").to_string();
    assert!(error.contains("use device = \"cpu\""), "{error}");
}
