//! What exploration found, frame by frame, and which of it may teach.

use super::deviation::{Deviation, Watch};
use super::exploration::{self, Ended, Explored};
use super::ledger::{Counts, RunRow};
use super::windows::{Verdict, Window};
use crate::error::Error;
use crate::labels::{Origin, key};
use std::path::Path;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::{Frame, units};
use vitrion_md::Ensemble;
use vitrion_model::DeepPotential;

/// A frame that may teach.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) frame: Frame,
    pub(super) deviation: Deviation,
    pub(super) origin: Origin,
    /// The last one before a run left what is known.
    pub(super) traced: bool,
}

/// What one run or file of frames gave.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) row: RunRow,
    pub(super) candidates: Vec<Candidate>,
    /// Of every frame [eV/Å].
    pub(super) largest: Vec<f64>,
}

fn count(verdicts: &[Verdict]) -> Counts {
    let of = |wanted: Verdict| verdicts.iter().filter(|v| **v == wanted).count();
    Counts {
        accurate: of(Verdict::Accurate),
        candidate: of(Verdict::Candidate),
        failed: of(Verdict::Failed),
    }
}

/// What an exploration job means.
pub(super) struct Run<'a> {
    pub(super) name: &'a str,
    pub(super) structure: &'a str,
    pub(super) ensemble: &'a Ensemble,
    pub(super) timestep: f64,
    pub(super) every: u64,
    pub(super) iteration: usize,
}

/// Sorts the frames of a run. Behind the first failed frame nothing is trusted, whatever the members say
/// there; the last reliable state before it is followed step by step to where they part.
pub(super) fn of_run(
    run: &Run<'_>,
    explored: &Explored,
    folder: &Path,
    models: &[DeepPotential],
    window: &Window,
) -> Result<Sorted, Error> {
    let samples = &explored.samples;
    let mut verdicts: Vec<Verdict> = samples.iter().map(|d| window.verdict(d)).collect();
    let first_failed = verdicts.iter().position(|v| *v == Verdict::Failed);
    if let Some(first) = first_failed {
        verdicts[first..].fill(Verdict::Failed);
    }
    let lost = first_failed
        .or_else(|| matches!(explored.ended, Ended::FlewApart { .. }).then_some(samples.len()));
    let last_reliable = lost.and_then(|lost| lost.checked_sub(1));
    let wanted = |k: usize| verdicts[k] == Verdict::Candidate || Some(k) == last_reliable;
    let mut candidates = Vec::new();
    let path = folder.join("trajectory.extxyz.zst");
    let frames = io::open(&path, &ReadOptions::default())?;
    for (k, frame) in frames.take(samples.len()).enumerate() {
        if !wanted(k) {
            // a frame that is cut off behind the last one wanted is no loss
            if (k..samples.len()).any(wanted) {
                frame?;
                continue;
            }
            break;
        }
        let frame = frame?;
        let origin = |frame_number: usize, deviation: f64| Origin {
            how: "explored".to_owned(),
            source: run.name.to_owned(),
            frame: Some(frame_number),
            iteration: Some(run.iteration),
            force_deviation: Some(deviation),
        };
        if Some(k) == last_reliable {
            let limit = window.force.1;
            let (traced, deviation) =
                exploration::trace(models, &frame, run.timestep, run.every, limit)?;
            let origin = origin(k, deviation.max_f);
            candidates.push(Candidate { frame: traced, deviation, origin, traced: true });
        } else {
            let deviation = samples[k];
            let origin = origin(k, deviation.max_f);
            candidates.push(Candidate { frame, deviation, origin, traced: false });
        }
    }
    let (temperature, pressure) = match run.ensemble {
        Ensemble::Nve => (None, None),
        Ensemble::Nvt { temperature, .. } => (Some(temperature.start), None),
        Ensemble::Npt { temperature, pressure, .. } => {
            (Some(temperature.start), Some(pressure.start * units::EV_PER_A3_IN_GPA))
        }
    };
    Ok(Sorted {
        row: RunRow {
            name: run.name.to_owned(),
            structure: run.structure.to_owned(),
            temperature_k: temperature,
            pressure_gpa: pressure,
            counts: count(&verdicts),
            ended: Some(explored.ended.clone()),
            steps: explored.steps,
            wanted: explored.wanted,
            largest: samples.iter().map(|d| d.max_f).fold(0.0, f64::max),
        },
        candidates,
        largest: samples.iter().map(|d| d.max_f).collect(),
    })
}

/// Sorts frames that are there already; those with a label (by `known`) are left out.
pub(super) fn of_pool(
    path: &Path,
    watch: &mut Watch,
    window: &Window,
    iteration: usize,
    known: &dyn Fn(&str) -> bool,
) -> Result<Sorted, Error> {
    let name = crate::training::system_name(path);
    let mut candidates = Vec::new();
    let mut verdicts = Vec::new();
    let mut largest = Vec::new();
    for (k, frame) in io::open(path, &ReadOptions::default())?.enumerate() {
        let mut frame = frame?;
        let structure = &frame.structure;
        if known(&key("", structure)) {
            continue;
        }
        watch.set_species(exploration::species(structure, watch.committee())?);
        let deviation =
            watch.look(k as u64, &structure.cell, &structure.positions).map_err(|source| {
                Error::Potential { what: format!("{name}, frame {}", k + 1), source }
            })?;
        let verdict = window.verdict(&deviation);
        verdicts.push(verdict);
        largest.push(deviation.max_f);
        if verdict == Verdict::Candidate {
            frame.labels = vitrion_core::Labels::default();
            let origin = Origin {
                how: "pool".to_owned(),
                source: path.display().to_string(),
                frame: Some(k),
                iteration: Some(iteration),
                force_deviation: Some(deviation.max_f),
            };
            candidates.push(Candidate { frame, deviation, origin, traced: false });
        }
    }
    let row = RunRow {
        name: name.clone(),
        structure: name,
        temperature_k: None,
        pressure_gpa: None,
        counts: count(&verdicts),
        ended: None,
        steps: verdicts.len() as u64,
        wanted: verdicts.len() as u64,
        largest: largest.iter().copied().fold(0.0, f64::max),
    };
    Ok(Sorted { row, candidates, largest })
}
