//! An engine that does several steps at once against that of this crate: byte for byte.

use crate::ensembles::{CHAIN, CSVR, mtk};
use crate::potentials::{Failing, LennardJones};
use crate::systems::{Thermo, crystal, run_in};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::observables::Observables;
use vitrion_core::{Potential, SpeciesTable};
use vitrion_md::{
    Bath, Control, Coupling, Engine, EngineMaker, Ensemble, FINAL_FILE, Fault, Host, Instant,
    LAST_GOOD_FILE, MdError, Observer, RESTART_FILE, Ramp, Record, Spent, StageOutcome,
    StageSettings, Start, State, THERMO_FILE, TrajectoryFormat, TrajectorySettings, Variables,
    View, Wreck, run_stage_with,
};

/// Steps that [`Batched`] likes to do at once.
const STRIDE: u64 = 5;

/// Does with the engine of this crate up to [`STRIDE`] steps at once.
struct Batched<'a> {
    inner: Box<dyn Engine + 'a>,
    /// Step at which the device fails.
    lost_at: Option<u64>,
    /// Numbers of steps that were asked for.
    asked: &'a Mutex<BTreeSet<u64>>,
}

struct Batches<'p> {
    host: Host<'p>,
    lost_at: Option<u64>,
    asked: Mutex<BTreeSet<u64>>,
}

impl<'p> Batches<'p> {
    fn new(potential: &'p mut dyn Potential) -> Self {
        Batches { host: Host { potential }, lost_at: None, asked: Mutex::default() }
    }
}

impl EngineMaker for Batches<'_> {
    fn species(&self) -> &SpeciesTable {
        self.host.species()
    }

    fn cutoff(&self) -> f64 {
        self.host.cutoff()
    }

    fn make<'a>(&'a mut self, start: Start<'_>) -> Result<Box<dyn Engine + 'a>, Fault> {
        let inner = self.host.make(start)?;
        Ok(Box::new(Batched { inner, lost_at: self.lost_at, asked: &self.asked }))
    }
}

impl Engine for Batched<'_> {
    fn stride(&self) -> u64 {
        STRIDE
    }

    fn advance(&mut self, done: u64, steps: u64, records: &mut Vec<Record>) -> Result<(), Fault> {
        self.asked.lock().expect("no panic").insert(steps);
        for before in done..done + steps {
            if self.lost_at == Some(before + 1) {
                return Err(Fault::Device("fell off the bus".to_owned()));
            }
            self.inner.advance(before, 1, records)?;
        }
        Ok(())
    }

    fn record(&mut self) -> Result<Record, Fault> {
        self.inner.record()
    }

    fn snapshot(&mut self) -> Result<View<'_>, Fault> {
        self.inner.snapshot()
    }

    fn variables(&mut self) -> Result<Variables, Fault> {
        self.inner.variables()
    }

    fn list_reference(&mut self) -> Result<Reference, Fault> {
        self.inner.list_reference()
    }

    fn builds(&self) -> u64 {
        self.inner.builds()
    }

    fn spent(&mut self) -> Spent {
        self.inner.spent()
    }

    fn wreck(&self) -> Wreck<'_> {
        self.inner.wreck()
    }

    fn nearest(&self, atom: usize) -> Option<f64> {
        self.inner.nearest(atom)
    }
}

/// Writes down every sixth step, and where atom 3 is.
#[derive(Default)]
struct Watcher(Vec<u8>);

impl Observer for Watcher {
    fn name(&self) -> &'static str {
        "watcher"
    }

    fn every(&self) -> u64 {
        6
    }

    fn observe(&mut self, instant: &Instant<'_>) -> Result<(), String> {
        self.0.push(instant.step as u8);
        self.0.extend(instant.positions[3][0].to_le_bytes());
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0 = bytes.to_vec();
        Ok(())
    }

    fn finish(&self) -> Result<Observables, String> {
        Err(format!("{:?}", self.0))
    }
}

fn argon() -> LennardJones {
    LennardJones::new(&["Ne", "Ar"], 0.0103, 3.4, 5.0, true)
}

fn start() -> State {
    crystal(2, 5.6, &["Ar", "Ne"], 160.0)
}

fn cases() -> [StageSettings; 2] {
    let temperature = Ramp::linear(150.0, 190.0);
    let trajectory =
        TrajectorySettings { format: TrajectoryFormat::ExtXyz, velocities: true, forces: true };
    let barostat = mtk(Coupling::TRICLINIC);
    let pressure = Ramp::constant(0.0);
    let npt = Ensemble::Npt { temperature, thermostat: CHAIN, pressure, barostat };
    let plain = StageSettings {
        skin: 0.15,
        thermo_every: 3,
        trajectory_every: Some(16),
        trajectory,
        checkpoint_every: 23,
        ..StageSettings::new(npt, 4.0, 61)
    };
    let bath =
        Bath { name: "group".to_owned(), atoms: (8..20).collect(), temperature, thermostat: CSVR };
    let ensemble = Ensemble::Nvt { temperature, thermostat: CHAIN };
    let frozen = (0..8).collect();
    let grouped = StageSettings { ensemble, frozen, baths: vec![bath], ..plain.clone() };
    [plain, grouped]
}

/// Goes on until at least step `until`; with what was told of progress and seen by the observer.
fn go_on(
    maker: &mut dyn EngineMaker,
    settings: &StageSettings,
    directory: &Path,
    until: u64,
) -> (StageOutcome, Vec<u64>, String) {
    let stop = AtomicBool::new(false);
    let told = Mutex::new(Vec::new());
    let progress = |progress: vitrion_md::Progress| {
        told.lock().expect("no panic").push(progress.step);
        stop.store(progress.step >= until, Ordering::Relaxed);
    };
    let control = Control { stop: &stop, progress: &progress };
    let mut observers: [Box<dyn Observer>; 1] = [Box::new(Watcher::default())];
    let outcome = run_stage_with(start(), maker, settings, directory, &mut observers, &control)
        .expect("a stage");
    let seen = observers[0].finish().expect_err("what was seen");
    (outcome, told.into_inner().expect("no panic"), seen)
}

fn assert_same_files(a: &Path, b: &Path) {
    for name in [THERMO_FILE, FINAL_FILE, TrajectoryFormat::ExtXyz.file_name()] {
        let [a, b] = [a, b].map(|folder| fs::read_to_string(folder.join(name)).expect("a file"));
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn several_steps_at_once_leave_the_same_files() {
    for settings in cases() {
        let [one, many, parts] = [0; 3].map(|_| tempfile::tempdir().expect("a folder"));
        let potential = &mut argon();
        let (reference, told, seen) =
            go_on(&mut Host { potential }, &settings, one.path(), u64::MAX);
        assert_eq!(told, (1..=61).collect::<Vec<_>>());
        let StageOutcome::Finished { state, summary } = &reference else { panic!("no stop") };
        assert!(summary.list_builds > 2, "{} builds: the list must age", summary.list_builds);

        let mut potential = argon();
        let mut batches = Batches::new(&mut potential);
        let (outcome, told_many, seen_many) = go_on(&mut batches, &settings, many.path(), u64::MAX);
        let asked = batches.asked.into_inner().expect("no panic");
        assert!(asked.contains(&STRIDE) && asked.contains(&1), "{asked:?}");
        assert_eq!((told, &seen), (told_many, &seen_many));
        let StageOutcome::Finished { state: same, summary: same_summary } = outcome else {
            panic!("no stop")
        };
        assert!(*state == same);
        assert_eq!(summary.pressure, same_summary.pressure);
        assert_eq!(summary.list_builds, same_summary.list_builds);
        assert_same_files(one.path(), many.path());

        // stopped after the batch in which the stop was asked for; the CPU goes on, then batches again
        let mut batches = Batches::new(&mut potential);
        let (outcome, _, _) = go_on(&mut batches, &settings, parts.path(), 7);
        assert_eq!(outcome, StageOutcome::Interrupted { step: 11 });
        let mut host = Host { potential: &mut potential };
        let (outcome, _, _) = go_on(&mut host, &settings, parts.path(), 33);
        assert_eq!(outcome, StageOutcome::Interrupted { step: 33 });
        let (outcome, _, seen_parts) =
            go_on(&mut Batches::new(&mut potential), &settings, parts.path(), u64::MAX);
        let StageOutcome::Finished { state: same, .. } = outcome else { panic!("no stop") };
        assert!(*state == same && seen == seen_parts);
        assert_same_files(one.path(), parts.path());
    }
}

#[test]
fn a_fault_among_several_steps_keeps_the_rows_before_it() {
    let initial = start();
    let settings = StageSettings {
        thermo_every: 1,
        trajectory_every: None,
        ..StageSettings::new(Ensemble::Nve, 2.0, 20)
    };
    let control = Control { stop: &AtomicBool::new(false), progress: &|_| {} };
    let last_row =
        |folder: &Path| Thermo::read(&folder.join(THERMO_FILE)).column("step").last().copied();

    // the first evaluation is that of the start, so step 8 fails, the third of a batch
    let site = initial.structure.positions[13];
    let broken = || Failing { inner: argon(), evaluations_left: 8, site };
    let [one, many, lost] = [0; 3].map(|_| tempfile::tempdir().expect("a folder"));
    let error = run_in(one.path(), &initial, &mut broken(), &settings).expect_err("NaN");
    let mut potential = broken();
    let mut maker = Batches::new(&mut potential);
    let same =
        run_stage_with(initial.clone(), &mut maker, &settings, many.path(), &mut [], &control)
            .expect_err("NaN");
    let said = |error: &MdError, folder: &Path| {
        error.to_string().replace(folder.to_str().expect("a plain name"), "")
    };
    assert_eq!(said(&error, one.path()), said(&same, many.path()));
    assert!(matches!(same, MdError::BlowUp { step: 8, .. }), "{same}");
    for name in [THERMO_FILE, LAST_GOOD_FILE] {
        let [a, b] = [&one, &many].map(|f| fs::read_to_string(f.path().join(name)).expect("it"));
        assert_eq!(a, b, "{name}");
    }
    assert_eq!(last_row(many.path()), Some(7.0));

    let mut potential = argon();
    let mut maker = Batches { lost_at: Some(9), ..Batches::new(&mut potential) };
    let error =
        run_stage_with(initial.clone(), &mut maker, &settings, lost.path(), &mut [], &control)
            .expect_err("a device that fails");
    assert!(matches!(error, MdError::Device { step: 9, .. }), "{error}");
    assert!(error.to_string().contains("step 9: the device"), "{error}");
    assert!(error.to_string().contains("failed: fell off the bus"), "{error}");
    assert_eq!(last_row(lost.path()), Some(8.0));
    assert!(lost.path().join(RESTART_FILE).exists() && !lost.path().join(LAST_GOOD_FILE).exists());
    let (state, _) = run_in(lost.path(), &initial, &mut potential, &settings).expect("the CPU");
    assert_eq!(state.step, 20);
}
