//! How fast softness is computed and trained on this machine: structures of random atoms, and features of which some matter.

use super::peak;
use crate::error::{Error, InputError};
use crate::pipeline::machine_description;
use crate::threads;
use rayon::prelude::*;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;
use vitrion_analysis::AnalysisError;
use vitrion_analysis::softness::{
    ClassifierSettings, FeatureSettings, Fit, FitError, MobilitySettings, Table, WindowReader,
};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// Atoms of Li3PS4 in a volume [1/Å³].
const DENSITY: f64 = 0.0495;
/// Seed of everything.
const SEED: u64 = 2026;

/// What is timed.
#[derive(Debug, Clone)]
pub struct Settings {
    pub ions: usize,
    pub frames: usize,
    /// Of the fit.
    pub samples: usize,
    pub features: usize,
    pub c: f64,
    pub threads: usize,
    /// Where the features and sides of the fit are written, for another program: `f64` row by row, the side last.
    pub data: Option<PathBuf>,
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    pub machine: String,
    pub threads: usize,
    pub ions: usize,
    pub frames: usize,
    /// Radial functions of every ion in every frame.
    pub functions: usize,
    pub features_s: f64,
    /// D²min of every ion from each frame to the next.
    pub non_affine_s: f64,
    pub samples: usize,
    pub width: usize,
    pub fit_s: f64,
    pub iterations: usize,
    pub objective: f64,
    /// Largest resident memory [MB], where it is known.
    pub peak_mb: Option<f64>,
}

/// Times everything; `tell` hears what is going on.
///
/// # Errors
/// Numbers that make no sense; a file that cannot be written.
pub fn run(settings: &Settings, tell: &(dyn Fn(&str) + Sync)) -> Result<Results, Error> {
    threads::on(settings.threads, || measure(settings, tell))
}

fn measure(settings: &Settings, tell: &(dyn Fn(&str) + Sync)) -> Result<Results, Error> {
    let failed = |error: AnalysisError| Error::from(InputError::Usage(error.to_string()));
    tell("features");
    let frames: Vec<Structure> =
        (0..settings.frames).map(|k| structure(settings.ions, k)).collect();
    let elements = ["Li", "P", "S"].map(str::to_owned);
    let functions = FeatureSettings::new("Li", &elements);
    let start = Instant::now();
    let sums: Result<Vec<f64>, AnalysisError> =
        frames.par_iter().map(|structure| Ok(functions.of(structure)?.iter().sum())).collect();
    let features_s = start.elapsed().as_secs_f64();
    let sums = sums.map_err(failed)?;
    assert!(sums.iter().all(|sum| sum.is_finite()), "Gaussians are finite");
    tell("D²min");
    let non_affine_s = non_affine(settings, &frames).map_err(failed)?;
    drop(frames);
    tell("fit");
    let (values, mobile) = samples(settings);
    if let Some(path) = &settings.data {
        write(path, &values, &mobile, settings.features)
            .map_err(|error| InputError::Usage(format!("{}: {error}", path.display())))?;
    }
    let rows: Vec<u32> = (0..settings.samples as u32).collect();
    let table = Table { values: &values, width: settings.features };
    let classifier = ClassifierSettings { c: settings.c, ..ClassifierSettings::default() };
    let start = Instant::now();
    let fit = Fit::new(table, &rows, &mobile, &classifier, None)
        .map_err(|error: FitError| InputError::Usage(error.to_string()))?;
    let fit_s = start.elapsed().as_secs_f64();
    Ok(Results {
        machine: machine_description(),
        threads: settings.threads,
        ions: settings.ions,
        frames: settings.frames,
        functions: functions.len(),
        features_s,
        non_affine_s,
        samples: settings.samples,
        width: settings.features,
        fit_s,
        iterations: fit.iterations,
        objective: fit.objective,
        peak_mb: peak::most_resident_bytes().map(|bytes| bytes as f64 * 1e-6),
    })
}

/// Random places at the density of Li3PS4.
fn structure(ions: usize, number: usize) -> Structure {
    let atoms = ions * 8 / 3;
    let symbols: Vec<&str> = (0..atoms)
        .map(|k| {
            if k < ions {
                "Li"
            } else if (k - ions).is_multiple_of(5) {
                "P"
            } else {
                "S"
            }
        })
        .collect();
    let edge = (atoms as f64 / DENSITY).cbrt();
    let cell = Cell::orthorhombic([edge; 3]).expect("a positive edge");
    // every atom stays near its place
    let mut place = rng::at(SEED, Stream::Structure, 0, 0);
    let mut shake = rng::at(SEED, Stream::Structure, 1, number as u64);
    let mut coordinate = || edge * place.uniform() + 0.2 * shake.normal();
    let positions = (0..atoms).map(|_| std::array::from_fn(|_| coordinate())).collect();
    Structure::new(cell, &symbols, positions).expect("elements")
}

fn non_affine(settings: &Settings, frames: &[Structure]) -> Result<f64, AnalysisError> {
    let window = (frames.len() - 1) as f64;
    let mobility =
        MobilitySettings { interval: 1.0, window, hop_time: 1.0, ..MobilitySettings::new("Li") };
    let mut reader = WindowReader::new(mobility)?;
    let mut seconds = 0.0;
    for (number, structure) in frames.iter().enumerate() {
        let frame = Frame { time: Some(number as f64), ..structure.clone().into() };
        let start = Instant::now();
        reader.add(&frame)?;
        seconds += start.elapsed().as_secs_f64();
    }
    let found = reader.finish()?;
    assert_eq!(found.windows[0].mobility.cumulative.len(), settings.ions);
    Ok(seconds)
}

/// Features that neighbour each other are correlated, as radial functions are; every fifth matters.
fn samples(settings: &Settings) -> (Vec<f64>, Vec<bool>) {
    let Settings { samples, features, .. } = *settings;
    let mut values = vec![0.0; samples * features];
    let mobile = values
        .par_chunks_mut(features)
        .enumerate()
        .map(|(sample, row)| {
            let mut random = rng::at(SEED, Stream::Structure, 2, sample as u64);
            let (mut before, mut z) = (0.0, 0.0);
            for (k, x) in row.iter_mut().enumerate() {
                // uniform numbers of variance one are made faster than normal ones
                before = 0.9 * before + 0.436 * 3.464 * (random.uniform() - 0.5);
                *x = 5.0 + 2.0 * before;
                z += if k % 5 == 0 { 0.2 * before } else { 0.0 };
            }
            random.uniform() < 1.0 / (1.0 + f64::exp(-z))
        })
        .collect();
    (values, mobile)
}

fn write(
    path: &std::path::Path,
    values: &[f64],
    mobile: &[bool],
    width: usize,
) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for (row, mobile) in values.chunks_exact(width).zip(mobile) {
        for x in row {
            file.write_all(&x.to_le_bytes())?;
        }
        file.write_all(&f64::from(u8::from(*mobile)).to_le_bytes())?;
    }
    file.flush()
}
