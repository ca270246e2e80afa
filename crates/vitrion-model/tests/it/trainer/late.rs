//! An engine that runs behind gives what the one that does not gives.

use super::{curve, data, folder, frames, model, run, settings};
use std::path::Path;
use vitrion_model::train::engine::{DeviceError, Engine, EngineError, Host};
use vitrion_model::train::engine::{Seconds, State, StepPlan};
use vitrion_model::train::loss::Squares;
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::settings::{Settings, Stage};
use vitrion_model::train::trainer::{Control, TrainError, Trained, Trainer};
use vitrion_model::train::{Dataset, Prefactors};

/// The processors, but what became of a step is only told when the trainer waits for it.
struct Late<'a> {
    host: Host<'a, f32>,
    squares: Vec<Squares>,
    failed: Option<EngineError>,
}

impl Engine<f32> for Late<'_> {
    fn begin_stage(
        &mut self,
        method: Method,
        repulsion: Option<(f64, f64)>,
    ) -> Result<(), DeviceError> {
        self.host.begin_stage(method, repulsion)
    }

    fn end_stage(&mut self, averaged: bool) -> Result<(), DeviceError> {
        assert!(self.squares.is_empty(), "nothing is under way");
        self.host.end_stage(averaged)
    }

    fn step(
        &mut self,
        frames: &[usize],
        plan: &StepPlan<'_>,
        _: &mut Squares,
    ) -> Result<(), EngineError> {
        if self.failed.is_none() {
            let mut own = Squares::default();
            match self.host.step(frames, plan, &mut own) {
                Ok(()) => self.squares.push(own),
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(())
    }

    fn finish(&mut self, squares: &mut Squares) -> Result<(), EngineError> {
        self.squares.drain(..).for_each(|own| squares.merge(&own));
        self.failed.take().map_or(Ok(()), Err)
    }

    fn errors(&mut self, averaged: bool, frames: &[usize]) -> Result<Squares, EngineError> {
        assert!(self.squares.is_empty(), "nothing is under way");
        self.host.errors(averaged, frames)
    }

    fn state(&mut self) -> Result<State<'_, f32>, DeviceError> {
        assert!(self.squares.is_empty(), "nothing is under way");
        self.host.state()
    }

    fn restore(&mut self, state: State<'_, f32>) -> Result<(), DeviceError> {
        self.host.restore(state)
    }

    fn take_seconds(&mut self) -> Seconds {
        self.host.take_seconds()
    }
}

fn run_late(
    settings: &Settings,
    data: &Dataset,
    folder: &Path,
    stop_at: Option<u64>,
) -> Result<Trained, TrainError> {
    let start = model(data, settings);
    let host = Host::new(settings, data, &start).expect("it can be trained");
    let late = Late { host, squares: Vec::new(), failed: None };
    let engine = Box::new(late);
    let mut trainer = Trainer::with_engine(settings, data, start, folder, "test", engine)?;
    trainer.run(&mut |progress| match stop_at {
        Some(step) if progress.step >= step => Control::Stop,
        _ => Control::Continue,
    })
}

/// Header and numbers of a folder's checkpoint; the seconds it took are left out.
fn checkpoint(folder: &Path) -> (serde_json::Value, Vec<u8>) {
    let bytes = std::fs::read(folder.join("checkpoint.bin")).expect("a checkpoint");
    let rest = bytes.strip_prefix(b"vitrion training 1\n").expect("the magic");
    let (length, rest) = rest.split_first_chunk().expect("a length");
    let (json, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(json).expect("a header");
    header.as_object_mut().expect("fields").remove("seconds").expect("a field");
    (header, numbers[..numbers.len() - 32].to_vec())
}

/// Two stages: clipped Muon with an average, then Adam beside a repulsion.
fn two_stages() -> Settings {
    let mut settings = settings(25, Method::MUON);
    settings.stages[0].clip = Some(5.0);
    settings.stages.push(Stage { steps: 15, zbl: Some((1.8, 2.4)), ..Stage::default() });
    settings
}

#[test]
fn an_engine_that_runs_behind_gives_the_same_curve_checkpoints_and_model() {
    let home = folder("late");
    let path = frames(home.path(), 24, |_, _| {});
    let data = data(home.path(), &path);
    let settings = two_stages();
    let (direct, late) = (folder("direct"), folder("behind"));
    // 7 and 33 lie between lines of the curve, 20 on one, 25 between the stages
    for stop in [Some(7), Some(20), Some(25), Some(33), None] {
        let once = run(&settings, &data, direct.path(), stop).expect("training runs");
        let again = run_late(&settings, &data, late.path(), stop).expect("training runs");
        assert_eq!((once.complete, once.steps), (again.complete, again.steps));
        assert_eq!(once.model, again.model, "{stop:?}");
        assert_eq!(curve(direct.path()), curve(late.path()), "{stop:?}");
        assert!(checkpoint(direct.path()) == checkpoint(late.path()), "{stop:?}");
    }
}

#[test]
fn either_engine_goes_on_from_the_checkpoint_of_the_other() {
    let home = folder("turns");
    let path = frames(home.path(), 24, |_, _| {});
    let data = data(home.path(), &path);
    let settings = two_stages();
    let (whole, turns) = (folder("whole"), folder("turns"));
    let once = run(&settings, &data, whole.path(), None).expect("training runs");
    run_late(&settings, &data, turns.path(), Some(13)).expect("training runs");
    run(&settings, &data, turns.path(), Some(28)).expect("training runs");
    let again = run_late(&settings, &data, turns.path(), None).expect("training runs");
    assert_eq!(again.model, once.model);
    assert_eq!(curve(turns.path()), curve(whole.path()));
    assert!(checkpoint(turns.path()) == checkpoint(whole.path()));
}

#[test]
fn a_step_that_diverges_is_found_late_and_taken_back() {
    let home = folder("blow");
    let path = frames(home.path(), 40, |k, labels| {
        if k == 23 {
            labels.energy = Some(1e39);
        }
    });
    let data = data(home.path(), &path);
    let mut settings = settings(200, Method::ADAM);
    settings.split.every = 0;
    settings.sampling.atoms_per_batch = 28;
    // behind by more steps than the first bad batch is from the start
    settings.display_every = 150;
    let (direct, late) = (folder("direct"), folder("behind"));
    let told = |result: Result<Trained, TrainError>| match result {
        Err(TrainError::Diverged { step, frame, .. }) => (step, frame),
        other => panic!("it diverges: {other:?}"),
    };
    let once = told(run(&settings, &data, direct.path(), None));
    let again = told(run_late(&settings, &data, late.path(), None));
    assert!(once.0 > 0 && once.0 < 140, "some steps are good: {}", once.0);
    assert_eq!(once, again);
    assert_eq!(curve(direct.path()), curve(late.path()));
    assert!(checkpoint(direct.path()) == checkpoint(late.path()));
}

#[test]
fn a_plan_follows_the_schedules_of_its_stage() {
    let settings = settings(100, Method::ADAM);
    let stage = &settings.stages[0];
    let first = StepPlan::new(stage, 1000, 0);
    assert_eq!((first.step, first.clip), (1000, None));
    assert!((first.learning_rate - 5e-3).abs() < 1e-15);
    assert!((first.decay.expect("an average") - 0.1).abs() < 1e-15);
    let Prefactors { force, .. } = first.prefactors;
    assert!((force - 1000.0).abs() < 1e-9);
    let last = StepPlan::new(stage, 1099, 99);
    assert!((last.decay.expect("an average") - 0.9).abs() < 1e-15);
    assert!(last.learning_rate < 1e-5 && last.prefactors.force < 10.0);
}
