//! How fast motion is analysed on this machine: free diffusion of known coefficient, beside resting atoms.

use super::peak;
use crate::error::{Error, InputError};
use crate::pipeline::machine_description;
use crate::threads;
use serde::Serialize;
use std::time::Instant;
use vitrion_analysis::{
    AnalysisError, DiffusionSettings, MotionPass, MotionSettings, MsdSettings, Recording,
    RecordingSettings, RegionsSettings, ScatteringSettings, VanHoveSettings, diffusion,
    mean_squared_displacement,
};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Phases, Structure};

/// Time between frames [fs].
const INTERVAL: f64 = 100.0;
/// Width of a step along each axis [Å].
const STEP: f64 = 0.3;
/// Resting atoms.
const RESTING: usize = 8;
/// Seed of the walk.
const SEED: u64 = 2026;

/// What is timed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Mobile atoms.
    pub atoms: usize,
    pub frames: usize,
    pub threads: usize,
    /// Time van Hove functions, scattering and regions as well.
    pub all: bool,
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    pub machine: String,
    pub threads: usize,
    pub atoms: usize,
    pub frames: usize,
    /// Keeping the frames, unwrapped, by atoms [s].
    pub recording_s: f64,
    /// MSD tensor, fourth moment, single atoms and errors at about 120 lags, of all elements [s].
    pub msd_s: f64,
    /// The MSD at every lag by Fourier transforms besides [s].
    pub every_lag_s: f64,
    /// Diffusive lags, fit, error, tensor and bound after that [s].
    pub fit_s: f64,
    /// Other analyses by kind, each alone from the frames [s].
    pub others: Vec<(&'static str, f64)>,
    /// Largest resident memory up to the fit [MB], where it is known.
    pub peak_mb: Option<f64>,
    /// What was found, and the truth [cm²/s].
    pub diffusion: f64,
    pub error: f64,
    pub truth: f64,
}

/// Times everything; `tell` hears what is going on.
///
/// # Errors
/// No room for the frames, or too few of them.
pub fn run(settings: &Settings, tell: &(dyn Fn(&str) + Sync)) -> Result<Results, Error> {
    let failed = |error: AnalysisError| Error::from(InputError::Usage(error.to_string()));
    threads::on(settings.threads, || measure(settings, tell)).map_err(failed)
}

fn recording() -> RecordingSettings {
    RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: Some(900.0),
        unwrap: false,
    }
}

fn measure(settings: &Settings, tell: &(dyn Fn(&str) + Sync)) -> Result<Results, AnalysisError> {
    tell("keeping frames");
    let mut data = Recording::new(recording());
    let recording_s = each_frame(settings, |frame| data.add(frame).map(|_| ()))?;
    let timed = |work: &mut dyn FnMut() -> Result<(), AnalysisError>| {
        let start = Instant::now();
        work().map(|()| start.elapsed().as_secs_f64())
    };
    let all_lags = MsdSettings { every_lag: true, ..MsdSettings::default() };
    let msd_s =
        timed(&mut || mean_squared_displacement(&data, &MsdSettings::default()).map(|_| ()))?;
    let every_lag_s = timed(&mut || mean_squared_displacement(&data, &all_lags).map(|_| ()))?;
    let ion = DiffusionSettings { charge: 1.0, window: None, axes: None };
    let mut found = None;
    let fit_s = timed(&mut || {
        found = Some(diffusion(&data, &ion)?.1);
        Ok(())
    })?;
    let found = found.expect("fitted above");
    let peak_mb = peak::most_resident_bytes().map(|bytes| bytes as f64 * 1e-6);
    drop(data);
    let mut others = Vec::new();
    if settings.all {
        for one in [
            MotionSettings::VanHove(VanHoveSettings::default()),
            MotionSettings::SelfIntermediateScattering(ScatteringSettings::default()),
            MotionSettings::Regions(RegionsSettings::default()),
        ] {
            tell(one.kind());
            let mut pass = MotionPass::new(recording(), vec![one.clone()]);
            let mut seconds = each_frame(settings, |frame| pass.add(frame))?;
            let start = Instant::now();
            pass.finish().map_err(|(_, error)| error)?;
            seconds += start.elapsed().as_secs_f64();
            others.push((one.kind(), seconds));
        }
    }
    let to_cm2 = vitrion_core::units::A2_PER_FS_IN_CM2_PER_S;
    Ok(Results {
        machine: machine_description(),
        threads: settings.threads,
        atoms: settings.atoms,
        frames: settings.frames,
        recording_s,
        msd_s,
        every_lag_s,
        fit_s,
        others,
        peak_mb,
        diffusion: found.value * to_cm2,
        error: found.error * to_cm2,
        truth: STEP * STEP / (2.0 * INTERVAL) * to_cm2,
    })
}

/// Shows frame after frame and returns the time that `work` took [s]; making them is not counted.
fn each_frame(
    settings: &Settings,
    mut work: impl FnMut(&Frame) -> Result<(), AnalysisError>,
) -> Result<f64, AnalysisError> {
    let symbols: Vec<&str> = (0..settings.atoms + RESTING)
        .map(|k| if k < settings.atoms { "Li" } else { "S" })
        .collect();
    let edge = (settings.atoms as f64 / 0.0165).cbrt();
    let cell = Cell::orthorhombic([edge; 3]).expect("a positive edge");
    let mut random = rng::at(SEED, Stream::Structure, 0, 0);
    let positions =
        symbols.iter().map(|_| std::array::from_fn(|_| edge * random.uniform())).collect();
    let mut structure = Structure::new(cell, &symbols, positions).expect("elements");
    let halves: Vec<&str> =
        (0..symbols.len()).map(|k| if k % 2 == 0 { "crystal" } else { "glass" }).collect();
    structure.phases = Some(std::sync::Arc::new(Phases::new(&halves).expect("plain names")));
    let mut frame: Frame = structure.into();
    let mut seconds = 0.0;
    for number in 0..settings.frames {
        frame.time = Some(number as f64 * INTERVAL);
        let start = Instant::now();
        work(&frame)?;
        seconds += start.elapsed().as_secs_f64();
        for r in &mut frame.structure.positions[..settings.atoms] {
            for x in r {
                // a sum of uniform numbers of the same variance is made faster than a normal one
                *x += STEP * (random.uniform() + random.uniform() - 1.0) * 6.0_f64.sqrt();
            }
        }
    }
    Ok(seconds)
}
