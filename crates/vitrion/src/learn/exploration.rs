//! Dynamics with one member of a committee while all of them watch: where the potential is taken, and
//! where it stops being one.

use super::deviation::{Deviation, Watch, table};
use crate::error::{Error, InputError};
use crate::jobs::ExploreWork;
use crate::results::write_atomically;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, Structure};
use vitrion_md::{
    Control, MdError, Observer, Progress, StageOutcome, State, run_stage, velocities,
};
use vitrion_model::{Committee, DeepPotential, Embedding, Precision};

/// Looks in a row beyond the limit after which a run is given up.
const HOPELESS: usize = 5;
/// Name of the table, as LAMMPS users know it.
pub const TABLE: &str = "model_devi.out";

/// What a run of exploration found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explored {
    /// At step 0 and every so many steps; the trajectory has a frame for each.
    pub samples: Vec<Deviation>,
    pub ended: Ended,
    /// Steps done and asked for.
    pub steps: u64,
    pub wanted: u64,
    pub atoms: usize,
    /// Wall time of the last session [s].
    pub seconds: f64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// At its last step.
    Finished,
    /// Given up: the members had nothing in common any more.
    Hopeless,
    /// The dynamics itself failed.
    FlewApart { message: String },
}

/// Deviations of a stage; what it has is shared, because a stage that fails keeps its observers.
struct Observing {
    watch: Watch,
    every: u64,
    hopeless: Option<f64>,
    samples: Arc<Mutex<Vec<Deviation>>>,
}

/// The message with which a hopeless run ends.
const GIVEN_UP: &str = "the committee has nothing in common any more";

impl Observer for Observing {
    fn name(&self) -> &'static str {
        "deviation"
    }

    fn every(&self) -> u64 {
        self.every
    }

    fn observe(&mut self, instant: &vitrion_md::Instant<'_>) -> Result<(), String> {
        let found = self
            .watch
            .look(instant.step, instant.cell, instant.positions)
            .map_err(|error| error.to_string())?;
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(found);
        if let Some(limit) = self.hopeless {
            let last = samples.iter().rev().take(HOPELESS);
            if samples.len() >= HOPELESS && last.into_iter().all(|d| d.max_f > limit) {
                return Err(GIVEN_UP.to_owned());
            }
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        postcard::to_stdvec(&*samples).expect("numbers in memory")
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let saved = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = saved;
        Ok(())
    }

    fn finish(&self) -> Result<Observables, String> {
        Ok(Observables::default())
    }
}

/// The models of a committee.
///
/// # Errors
/// A file that cannot be read, or models that do not fit together.
pub(crate) fn load_committee(paths: &[std::path::PathBuf]) -> Result<Vec<DeepPotential>, Error> {
    let models: Result<Vec<_>, _> = paths.iter().map(|path| DeepPotential::load(path)).collect();
    Ok(models.map_err(|error| InputError::Usage(error.to_string()))?)
}

/// A committee of these models, in mixed precision.
pub(crate) fn committee(models: &[DeepPotential]) -> Result<Committee, Error> {
    let members: Vec<&DeepPotential> = models.iter().collect();
    let committee = Committee::new(&members, Precision::Mixed);
    Ok(committee.map_err(|error| InputError::Usage(error.to_string()))?)
}

/// Species of a structure as numbers of the committee.
pub(crate) fn species(structure: &Structure, committee: &Committee) -> Result<Vec<u8>, Error> {
    let species = structure.species_in(committee.species());
    Ok(species.map_err(|error| InputError::Usage(error.to_string()))?)
}

/// Carries out an exploration job in its folder; `None` if it was stopped.
pub(crate) fn run(
    work: &ExploreWork,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<Option<Explored>, Error> {
    let started = Instant::now();
    let start = io::read_first(&folder.join(crate::jobs::START), &ReadOptions::default())?;
    let models = load_committee(&work.models)?;
    let committee = committee(&models)?;
    let species = species(&start.structure, &committee)?;
    let name = || folder.display().to_string();
    let failed = |source| Error::Start { run: name(), source: Box::new(source) };
    let drawn = velocities::maxwell_boltzmann(&start.structure, work.temperature, work.seed);
    let state = State::new(start.structure.clone(), drawn.map_err(failed)?);
    let samples = Arc::new(Mutex::new(Vec::new()));
    let observing = Observing {
        watch: Watch::new(committee, species),
        every: work.every,
        hopeless: work.hopeless,
        samples: Arc::clone(&samples),
    };
    let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(observing)];
    let mut potential = models[0].evaluator(Precision::Mixed, Embedding::Tables);
    let last = Mutex::new(0);
    let progress = |progress: Progress| {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = progress.step;
    };
    let control = Control { stop, progress: &progress };
    let outcome = run_stage(state, &mut potential, &work.stage, folder, &mut observers, &control);
    let ended = match outcome {
        Ok(StageOutcome::Interrupted { .. }) => return Ok(None),
        Ok(StageOutcome::Finished { .. }) => Ended::Finished,
        Err(MdError::Observer { message, .. }) if message == GIVEN_UP => Ended::Hopeless,
        // a potential that cannot follow is what exploration looks for
        Err(
            error @ (MdError::BlowUp { .. }
            | MdError::Cell { .. }
            | MdError::Observer { .. }
            | MdError::Start(_)),
        ) => Ended::FlewApart { message: error.to_string() },
        Err(source) => {
            let stage = "exploration".to_owned();
            return Err(Error::Stage { run: name(), stage, source: Box::new(source) });
        }
    };
    let samples = std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner));
    write_atomically(&folder.join(TABLE), table(&samples).as_bytes())?;
    let steps = match ended {
        Ended::Finished => work.stage.steps,
        _ => *last.lock().unwrap_or_else(PoisonError::into_inner),
    };
    Ok(Some(Explored {
        samples,
        ended,
        steps,
        wanted: work.stage.steps,
        atoms: start.structure.len(),
        seconds: started.elapsed().as_secs_f64(),
    }))
}

/// From a reliable frame on at constant energy, step by step, as long as the members agree within `limit`:
/// the frame nearest to the place where they part, and their deviation there.
///
/// # Errors
/// The frame cannot be evaluated at all.
pub(crate) fn trace(
    models: &[DeepPotential],
    frame: &Frame,
    timestep: f64,
    steps: u64,
    limit: f64,
) -> Result<(Frame, Deviation), Error> {
    let committee = committee(models)?;
    let species = species(&frame.structure, &committee)?;
    let mut watch = Watch::new(committee, species.clone());
    let failed = |source| Error::Potential { what: "a reliable frame".to_owned(), source };
    let structure = &frame.structure;
    let mut best = frame.clone();
    let mut found = watch.look(0, &structure.cell, &structure.positions).map_err(failed)?;
    let Some(velocities) = &frame.velocities else { return Ok((best, found)) };
    let mut positions = structure.positions.clone();
    let mut velocities = velocities.clone();
    let forces_of = |watch: &Watch, order: &[u32]| {
        let mut forces = vec![[0.0; 3]; order.len()];
        for (k, atom) in order.iter().enumerate() {
            forces[*atom as usize] = watch.committee().evaluations()[0].forces[k];
        }
        forces
    };
    let kick = |velocities: &mut Vec<[f64; 3]>, forces: &[[f64; 3]], half: f64| {
        for (atom, (v, f)) in velocities.iter_mut().zip(forces).enumerate() {
            let factor = half * vitrion_core::units::ACCELERATION_PER_FORCE / structure.mass(atom);
            (0..3).for_each(|k| v[k] += factor * f[k]);
        }
    };
    let mut forces = forces_of(&watch, watch.list.order());
    for step in 1..=steps {
        // velocity Verlet
        kick(&mut velocities, &forces, 0.5 * timestep);
        for (r, v) in positions.iter_mut().zip(&velocities) {
            (0..3).for_each(|k| r[k] += timestep * v[k]);
        }
        let Ok(next) = watch.look(step, &structure.cell, &positions) else { break };
        if !next.max_f.is_finite() || next.max_f > limit {
            break;
        }
        forces = forces_of(&watch, watch.list.order());
        kick(&mut velocities, &forces, 0.5 * timestep);
        if next.max_f >= found.max_f {
            found = next;
            best.structure.positions.clone_from(&positions);
            best.step = frame.step.map(|s| s + step);
        }
    }
    best.velocities = None;
    Ok((best, found))
}
