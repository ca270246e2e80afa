//! Training on a device: the same losses as on the processor, and how long a step takes.

use super::super::Scratch;
use super::{DeviceResults, DeviceSettings, device_failed, displaced};
use crate::error::{Error, InputError};
use serde::Serialize;
use std::time::Instant;
use vitrion_core::io::{self, CreateOptions, ReadOptions};
use vitrion_core::{Evaluation, Frame, Labels, Structure, interactions};
use vitrion_cuda::{CudaTrainer, Device};
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::engine::{Engine, Host, StepPlan};
use vitrion_model::train::initial::Shape;
use vitrion_model::train::loss::Squares;
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::sampler::{Sampler, Sampling};
use vitrion_model::train::settings::{Settings, Stage};
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::{Dataset, Source};
use vitrion_model::{DeepPotential, Embedding, Precision};

/// Steps whose losses are compared: in f64, and in f32. Roundings grow from step to step: on the
/// processor alone the losses of f32 and f64 part by 6e-6 in 100 steps of Adam, and by 1e-5 in 40, by
/// more than 1e-2 in 60 steps of Muon (the network of the paper, 1024 atoms).
const COMPARED: [u64; 2] = [100, 20];
/// Timed steps, three times.
const TIMED: u64 = 200;
const REPEATS: usize = 3;
/// Labelled frames, and atoms of each.
const FRAMES: usize = 24;
const ATOMS: usize = 128;

/// Time of training steps.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceTraining {
    pub optimizer: &'static str,
    pub precision: &'static str,
    /// Atoms of a batch.
    pub atoms: usize,
    /// Median of the repeats, and their range.
    pub ms_per_step: f64,
    pub ms_min: f64,
    pub ms_max: f64,
    /// Time of each kernel when every launch is waited for [ms/step], longest first.
    pub kernels: Vec<(String, f64)>,
    /// Launches a step.
    pub launches: f64,
}

/// Compares and times training of the model's kind of network on frames that the model labels.
pub(super) fn run(
    device: &Device,
    model: &DeepPotential,
    structure: &Structure,
    settings: &DeviceSettings,
    results: &mut DeviceResults,
    tell: &dyn Fn(&str),
) -> Result<(), Error> {
    let short = settings.effort <= 0.0;
    let scratch = Scratch::new()?;
    let data = labelled(model, structure, &scratch, if short { 3 } else { FRAMES })?;
    // the network of the paper, or a small one where that would take hours
    let shape = if short {
        Shape { embedding: vec![8, 16], axis: 4, fitting: vec![16, 16], ..Shape::default() }
    } else {
        Shape::default()
    };
    let all: Vec<usize> = (0..data.len()).collect();
    let statistics =
        Statistics::measure(&data, &all, shape.cutoff, shape.smooth_cutoff, shape.sel.as_deref());
    let fresh = shape.model(data.species(), &statistics, 1);
    let mut trained = Settings { nearest: 0.8 * statistics.nearest.0, ..Settings::default() };
    for method in [Method::ADAM, Method::MUON] {
        let rate = if method == Method::ADAM { 1e-3 } else { 5e-3 };
        let mut stage = Stage { optimizer: method, average: Some(0.99), ..Stage::default() };
        stage.learning_rate.start = rate;
        trained.stages = vec![stage];
        let atoms = if short { ATOMS } else { 8 * ATOMS };
        trained.sampling = Sampling { atoms_per_batch: atoms, ..Sampling::default() };
        let work = Work { device, data: &data, model: &fresh, settings: &trained, atoms };
        tell(&format!("training with {}, losses", method.name()));
        let [double, single] = if short { [3, 4] } else { COMPARED };
        for (precision, steps, found) in [
            ("double", double, work.compare::<f64>(double)?),
            ("single", single, work.compare::<f32>(single)?),
        ] {
            let name = method.name();
            let what = format!("losses of {steps} training steps, relative, {name}, {precision}");
            results.compare(what, found, 1e-5, "");
        }
        if !short {
            tell(&format!("training with {}, time", method.name()));
            results.training.push(work.time::<f32>("single")?);
        }
    }
    Ok(())
}

/// Frames around the structure, labelled by the model.
fn labelled(
    model: &DeepPotential,
    structure: &Structure,
    scratch: &Scratch,
    frames: usize,
) -> Result<Dataset, Error> {
    let path = scratch.0.join("frames.extxyz");
    let mut sink = io::create(&path, &CreateOptions::default()).map_err(InputError::Io)?;
    let mut potential = model.evaluator(Precision::Double, Embedding::Tables);
    for number in 0..frames {
        let moved = displaced(structure, ATOMS, number as u64);
        let species = moved.species_in(&model.species).expect("checked at the start");
        let mut out = Evaluation::default();
        let (cell, positions) = (&moved.cell, &moved.positions);
        interactions::evaluate(&mut potential, cell, positions, &species, &mut out).map_err(
            |source| Error::Potential { what: "the frames to train on".to_owned(), source },
        )?;
        let mut frame = Frame::from(moved);
        frame.labels = Labels {
            energy: Some(out.energy),
            forces: Some(out.forces),
            virial: Some(out.virial),
            ..Labels::default()
        };
        sink.write(&frame).map_err(InputError::Io)?;
    }
    sink.finish().map_err(InputError::Io)?;
    let name = "displaced".to_owned();
    let source = Source { path, name: name.clone(), group: name, weight: 1.0 };
    let packed = scratch.0.join("frames.pack");
    let options = ReadOptions::default();
    let data = Dataset::open(&[source], &model.species, &packed, &options, &|_| {});
    Ok(data.map_err(InputError::Dataset)?)
}

struct Work<'a> {
    device: &'a Device,
    data: &'a Dataset,
    model: &'a DeepPotential,
    settings: &'a Settings,
    atoms: usize,
}

impl Work<'_> {
    fn stage(&self) -> &Stage {
        &self.settings.stages[0]
    }

    fn engine<T: Real>(&self) -> Result<CudaTrainer<'_, T>, Error> {
        let mut engine = CudaTrainer::new(self.device, self.settings, self.data, self.model)
            .map_err(|error| device_failed(&error))?;
        engine.begin_stage(self.stage().optimizer, None).map_err(|e| failed(&e))?;
        Ok(engine)
    }

    /// Carries out steps from number `first` on; squares are read after each where `each` is set.
    fn steps<T>(
        &self,
        engine: &mut dyn Engine<T>,
        first: u64,
        count: u64,
        each: bool,
    ) -> Result<Vec<Squares>, Error> {
        let all: Vec<usize> = (0..self.data.len()).collect();
        let sampler = Sampler::new(self.data, &all, &self.settings.sampling, 1);
        let (mut frames, mut squares) = (Vec::new(), Vec::new());
        let mut sum = Squares::default();
        for step in first..first + count {
            sampler.batch(step, &mut frames);
            let plan = StepPlan::new(self.stage(), step, step);
            engine.step(&frames, &plan, &mut sum).map_err(|e| failed(&e))?;
            if each {
                engine.finish(&mut sum).map_err(|e| failed(&e))?;
                squares.push(std::mem::take(&mut sum));
            }
        }
        engine.finish(&mut sum).map_err(|e| failed(&e))?;
        Ok(squares)
    }

    /// Largest relative difference of the mean square errors of a step, of forces and energies.
    fn compare<T: Real>(&self, steps: u64) -> Result<f64, Error> {
        let mut host = Host::<T>::new(self.settings, self.data, self.model)
            .map_err(|error| InputError::Usage(error.to_string()))?;
        host.begin_stage(self.stage().optimizer, None).map_err(|e| failed(&e))?;
        let exact = self.steps(&mut host, 0, steps, true)?;
        let mut engine = self.engine::<T>()?;
        let found = self.steps(&mut engine, 0, steps, true)?;
        let weighted = |squares: &Squares, step: u64| {
            let p = StepPlan::new(self.stage(), step, step).prefactors;
            let mean = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
            let (e, f) = (squares.energy, squares.force);
            let n = ATOMS as f64;
            p.energy * n * mean(e.sum, e.count)
                + p.force * mean(f.sum, f.count)
                + p.virial * n * mean(squares.virial.sum, squares.virial.count)
        };
        let pairs = (0..).zip(found.iter().zip(&exact));
        let relative = pairs.map(|(step, (a, b))| {
            let (a, b) = (weighted(a, step), weighted(b, step));
            (a - b).abs() / b
        });
        // NaN stays
        Ok(relative.fold(0.0, |largest, x| if x <= largest { largest } else { x }))
    }

    fn time<T: Real>(&self, precision: &'static str) -> Result<DeviceTraining, Error> {
        let mut engine = self.engine::<T>()?;
        let mut first = 0;
        // all frames are seen and memory has its size
        self.steps(&mut engine, first, 20, false)?;
        first += 20;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            let begin = Instant::now();
            self.steps(&mut engine, first, TIMED, false)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3 / TIMED as f64);
            first += TIMED;
        }
        times.sort_by(f64::total_cmp);
        let profiled = 10;
        self.device.set_profile(true);
        let outcome = self.steps(&mut engine, first, profiled, false);
        self.device.set_profile(false);
        outcome?;
        let profile = self.device.take_profile();
        let launches: u64 = profile.values().map(|time| time.launches).sum();
        let per = 1e3 / profiled as f64;
        let mut kernels: Vec<(String, f64)> =
            profile.iter().map(|(name, t)| ((*name).to_owned(), t.seconds * per)).collect();
        kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(DeviceTraining {
            optimizer: self.stage().optimizer.name(),
            precision,
            atoms: self.atoms,
            ms_per_step: times[times.len() / 2],
            ms_min: times[0],
            ms_max: times[times.len() - 1],
            kernels,
            launches: launches as f64 / profiled as f64,
        })
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    InputError::Usage(error.to_string()).into()
}
