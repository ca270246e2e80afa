//! How fast training steps are: real batches, the trainer's gradient and optimiser.

use super::peak;
use crate::error::{Error, InputError};
use crate::threads;
use serde::Serialize;
use std::time::Instant;
use vitrion_core::neighbors::VerletList;
use vitrion_model::Precision;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::gradient::Gradient;
use vitrion_model::train::initial::Shape;
use vitrion_model::train::loss::{Loss, Prefactors};
use vitrion_model::train::neighborhoods::Neighborhoods;
use vitrion_model::train::optimizer::{Method, Optimizer};
use vitrion_model::train::sampler::{Sampler, Sampling};
use vitrion_model::train::settings::Settings;
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::{Dataset, Example};

/// Steps before the first that is timed.
const WARM_UP: usize = 3;
/// Memory for neighbours, as the trainer's default [bytes].
const CACHE: usize = 1 << 30;
/// Timed runs; the median is reported.
const REPEATS: usize = 3;

/// What is timed.
#[derive(Debug, Clone)]
pub struct TrainingSettings {
    pub shape: Shape,
    /// Atoms per batch, about.
    pub atoms: usize,
    pub steps: usize,
    pub threads: Vec<usize>,
    pub precisions: Vec<Precision>,
    pub optimizer: Method,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingRun {
    pub precision: &'static str,
    pub threads: usize,
    /// Atoms of a batch, on average, and its frames.
    pub atoms: f64,
    pub frames: usize,
    pub neighbors: f64,
    pub ms_per_step: f64,
    pub us_per_atom: f64,
    /// Fastest and slowest of the repeats.
    pub us_min: f64,
    pub us_max: f64,
    /// By the documented count, see `Gradient::flops`.
    pub gflops: f64,
    pub peak_gflops: f64,
    pub fraction_of_peak: f64,
    /// µs per atom of each part.
    pub parts: Vec<(&'static str, f64)>,
}

/// Times steps on these frames.
///
/// # Errors
/// Frames that cannot be trained on.
pub fn run(
    data: &Dataset,
    settings: &TrainingSettings,
    tell: &dyn Fn(&str),
) -> Result<Vec<TrainingRun>, Error> {
    let mut runs = Vec::new();
    for precision in &settings.precisions {
        for count in &settings.threads {
            tell(&format!("{} on {count} thread(s)", precision.name()));
            let peak = peak::measure(*precision, *count).gflops;
            let run = threads::on(*count, || match precision {
                Precision::Mixed => case::<f32>(data, settings),
                Precision::Double => case::<f64>(data, settings),
            })?;
            runs.push(TrainingRun {
                precision: if *precision == Precision::Mixed { "single" } else { "double" },
                threads: *count,
                peak_gflops: peak,
                fraction_of_peak: run.gflops / peak,
                ..run
            });
        }
    }
    Ok(runs)
}

fn case<T: Real>(data: &Dataset, settings: &TrainingSettings) -> Result<TrainingRun, Error> {
    let frames: Vec<usize> = (0..data.len()).collect();
    let shape = &settings.shape;
    let sel = shape.sel.as_deref();
    let some: Vec<usize> = frames.iter().copied().step_by(data.len().div_ceil(200)).collect();
    let statistics = Statistics::measure(data, &some, shape.cutoff, shape.smooth_cutoff, sel);
    let model = shape.model(data.species(), &statistics, 1);
    let failed = |error: &dyn std::fmt::Display| InputError::Usage(error.to_string());
    let nearest = 0.7 * statistics.nearest.0;
    let mut gradient = Gradient::<T>::new(&model, nearest, Settings::default().grid_spacing)
        .map_err(|e| failed(&e))?;
    let mut parameters: Vec<T> = gradient.places().read(&model);
    let mut optimizer = Optimizer::new(settings.optimizer, gradient.places());
    let mut slopes = vec![T::ZERO; parameters.len()];
    let sampling = Sampling { atoms_per_batch: settings.atoms, energy_flattening: 0.0 };
    let sampler = Sampler::new(data, &frames, &sampling, 1);
    let mut batch: Vec<Example> = Vec::new();
    // as in the trainer: neighbours are found when a frame is first seen
    let neighborhoods = Neighborhoods::new(data, CACHE);
    for some in frames.chunks(sampler.frames_per_batch()) {
        neighborhoods.fill(data, some, shape.cutoff, &mut batch, |_| {});
    }
    let prefactors = Prefactors { energy: 0.1, force: 100.0, virial: 0.1 };
    let (mut chosen, mut step) = (Vec::new(), 0);
    let (mut atoms, mut pairs, mut flops) = (0.0, 0.0, 0.0);
    let mut times = Vec::new();
    let (mut lists, mut updates) = (0.0, 0.0);
    for repeat in 0..=REPEATS {
        // the first round warms up
        let steps = if repeat == 0 { WARM_UP } else { settings.steps };
        let (mut seen, mut spent) = (0.0, 0.0);
        for _ in 0..steps {
            let start = Instant::now();
            sampler.batch(step, &mut chosen);
            step += 1;
            neighborhoods.fill(data, &chosen, shape.cutoff, &mut batch, |_| {});
            let listed = Instant::now();
            gradient
                .evaluate(&parameters, &batch, &Loss::default(), &prefactors, &mut slopes)
                .map_err(|e| failed(&e))?;
            let evaluated = Instant::now();
            optimizer.step(&mut parameters, &slopes, 1e-5);
            let done = Instant::now();
            spent += (done - start).as_secs_f64();
            let here: usize = batch.iter().map(Example::atoms).sum();
            seen += here as f64;
            if repeat > 0 {
                lists += (listed - start).as_secs_f64();
                updates += (done - evaluated).as_secs_f64();
                atoms += here as f64;
                let (count, near) = census(data, &chosen, shape.cutoff);
                pairs += near * here as f64;
                flops += gradient.flops(&count, near);
            }
        }
        if repeat > 0 {
            times.push(spent / seen);
        } else {
            gradient.take_phases();
        }
    }
    let phases = gradient.take_phases();
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let steps = (REPEATS * settings.steps) as f64;
    let per_atom = |seconds: f64| 1e6 * seconds / atoms;
    Ok(TrainingRun {
        precision: "",
        threads: 0,
        atoms: atoms / steps,
        frames: batch.len(),
        neighbors: pairs / atoms,
        ms_per_step: 1e3 * median * atoms / steps,
        us_per_atom: 1e6 * median,
        us_min: 1e6 * times[0],
        us_max: 1e6 * times[times.len() - 1],
        gflops: 1e-9 * flops / atoms / median,
        peak_gflops: 0.0,
        fraction_of_peak: 0.0,
        parts: vec![
            ("batch", per_atom(lists)),
            ("forward", per_atom(phases.forward)),
            ("frames", per_atom(phases.frames)),
            ("adjoints", per_atom(phases.adjoints)),
            ("weights", per_atom(phases.weights)),
            ("embedding", per_atom(phases.embedding)),
            ("optimiser", per_atom(updates)),
        ],
    })
}

/// Atoms of each species, and the mean number of neighbours, of a batch.
fn census(data: &Dataset, chosen: &[usize], cutoff: f64) -> (Vec<usize>, f64) {
    let n = data.species().len();
    let mut counts = vec![0; n];
    let (mut pairs, mut atoms) = (0.0, 0.0);
    for number in chosen {
        let frame = data.frame(*number);
        counts.iter_mut().zip(frame.counts(n)).for_each(|(a, b)| *a += b);
        let mut list = VerletList::new(cutoff, 0.0);
        list.update(&frame.cell, frame.positions);
        pairs += list.mean_neighbors() * frame.species.len() as f64;
        atoms += frame.species.len() as f64;
    }
    (counts, pairs / atoms)
}
