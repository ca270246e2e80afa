//! What is taken where: exploration, verdicts, and the choice of what to label.

use super::candidates::{self, Candidate, Sorted};
use super::deviation::{Deviation, Watch};
use super::exploration::{self, Explored};
use super::ledger::{Histogram, Share};
use super::selection::{Descriptor, Points, farthest, largest_cluster, standardize};
use super::windows::Window;
use super::{Initial, Loop, result};
use crate::error::{Error, InputError};
use crate::jobs::{self, ExploreWork, Job, START, Work};
use crate::labels::key;
use crate::results::{read_json, write_json};
use crate::run_file::{Dynamics, ExploreTable, Method};
use crate::training;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Instant;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Frame, units};
use vitrion_md::{Barostat, Ensemble, Ramp, StageSettings, Thermostat, TrajectorySettings};
use vitrion_model::DeepPotential;

/// Training frames whose deviations set the trust levels, at most.
const MEASURED: usize = 400;
/// A run of exploration is given up beyond this many times the upper trust level.
const HOPELESS: f64 = 4.0;
/// Bulk modulus for the volume's relaxation [GPa]; only its speed depends on it.
const BULK_MODULUS: f64 = 20.0;
const BINS: usize = 40;

/// What was chosen; `select.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Selected {
    pub(super) window: Window,
    pub(super) candidates: usize,
    pub(super) chosen: Vec<Chosen>,
    pub(super) runs: Vec<super::ledger::RunRow>,
    pub(super) accurate: Share,
    pub(super) histogram: Histogram,
    pub(super) exploration_seconds: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) origin: crate::labels::Origin,
    pub(super) deviation: Deviation,
    pub(super) traced: bool,
    /// To everything labelled or chosen before, in descriptor space; `None` for other methods.
    pub(super) distance: Option<f64>,
}

impl Loop<'_, '_> {
    /// Trust levels, exploration and selection; the result is kept.
    pub(super) fn select(
        &mut self,
        k: usize,
        step: usize,
        models: &[DeepPotential],
        initial: &Initial,
    ) -> Result<Selected, Error> {
        let folder = self.iteration_folder(k);
        let place = folder.join("select.json");
        if place.exists() {
            return Ok(read_json(&place)?);
        }
        let started = Instant::now();
        let taught = deviations(models, &self.training_frames(initial, MEASURED)?)?;
        let window = self.file.trust.window(&taught).map_err(Error::Learning)?;
        let (sorted, job_seconds) = match &self.file.explore[step].value {
            ExploreTable::Pool { path, systems, .. } => {
                (self.pool(k, path, systems.as_deref(), models, &window)?, 0.0)
            }
            ExploreTable::Dynamics(dynamics) => {
                self.dynamics(k, &dynamics.clone(), models, &window)?
            }
        };
        let (mut runs, mut found, mut largest) = (Vec::new(), Vec::new(), Vec::new());
        for Sorted { row, candidates, largest: values } in sorted {
            runs.push(row);
            found.extend(candidates);
            largest.extend(values);
        }
        // the same geometry may turn up twice
        let mut seen = BTreeSet::new();
        found.retain(|c| {
            let known = self.store.label(&key(&self.level, &c.frame.structure)).is_some();
            !known && seen.insert(key("", &c.frame.structure))
        });
        // a run that failed at its start has no share of accurate frames
        let shares: Vec<f64> = runs
            .iter()
            .filter(|run| run.counts.all() > 0 || run.ended.is_some())
            .map(|run| run.counts.accurate as f64 / run.counts.all().max(1) as f64)
            .collect();
        (self.options.watch)(&format!("iteration {k}: {} candidates, choosing", found.len()), None);
        let order = self.choose(k, &found, &models[0], initial)?;
        let chosen: Vec<Chosen> = order
            .iter()
            .map(|(c, distance)| Chosen {
                origin: found[*c].origin.clone(),
                deviation: found[*c].deviation,
                traced: found[*c].traced,
                distance: distance.filter(|d| d.is_finite()),
            })
            .collect();
        if !order.is_empty() {
            let frames: Vec<Frame> =
                order.iter().map(|(c, _)| found[*c].frame.structure.clone().into()).collect();
            jobs::write_frames(&folder.join("selected.extxyz"), &frames)?;
        }
        let known: Vec<f64> = taught.iter().map(|d| d.max_f).collect();
        let selected = Selected {
            window,
            candidates: found.len(),
            chosen,
            accurate: Share::over(&shares),
            histogram: Histogram::new(&largest, &known, BINS),
            runs,
            exploration_seconds: if job_seconds > 0.0 {
                job_seconds
            } else {
                started.elapsed().as_secs_f64()
            },
        };
        write_json(&place, &selected)?;
        Ok(selected)
    }

    /// Frames that are there already.
    fn pool(
        &self,
        k: usize,
        written: &crate::run_file::Located<String>,
        systems: Option<&[String]>,
        models: &[DeepPotential],
        window: &Window,
    ) -> Result<Vec<Sorted>, Error> {
        let path = self.file.resolve(&written.value);
        let mut paths = training::systems_in(&path).map_err(InputError::os(&path, "read"))?;
        if let Some(wanted) = systems {
            paths = training::systems_called(paths, wanted).map_err(|missing| {
                let name = &wanted[missing];
                InputError::Usage(format!("{} holds no system \"{name}\"", path.display()))
            })?;
        }
        let known: BTreeSet<String> = self
            .labels_of_level()
            .iter()
            .filter_map(|label| Some(key("", &label.frame().ok()?.structure)))
            .collect();
        let mut watch = Watch::new(exploration::committee(models)?, Vec::new());
        paths
            .iter()
            .map(|path| {
                candidates::of_pool(path, &mut watch, window, k, &|key| known.contains(key))
            })
            .collect()
    }

    /// Runs of dynamics as jobs, and their frames sorted; core seconds they took.
    fn dynamics(
        &mut self,
        k: usize,
        dynamics: &Dynamics,
        models: &[DeepPotential],
        window: &Window,
    ) -> Result<(Vec<Sorted>, f64), Error> {
        let folder = self.iteration_folder(k);
        let paths = self.models(k);
        let wanted: Vec<(String, vitrion_core::Structure)> = self
            .structures
            .iter()
            .filter(|(name, _)| {
                dynamics.structures.is_empty()
                    || dynamics.structures.iter().any(|s| s.value == *name)
            })
            .cloned()
            .collect();
        let pressures: Vec<Option<f64>> = match dynamics.pressures.len() {
            0 => vec![None],
            _ => dynamics.pressures.iter().copied().map(Some).collect(),
        };
        let mut runs: Vec<(Job, String, String, StageSettings)> = Vec::new();
        for (name, structure) in &wanted {
            for temperature in &dynamics.temperatures {
                for pressure in &pressures {
                    for replica in 0..dynamics.replicas {
                        let number = runs.len() as u64;
                        let seed = self
                            .file
                            .seed
                            .wrapping_mul(1_000_003)
                            .wrapping_add(k as u64 * 1009 + number);
                        let stage = stage(dynamics, *temperature, *pressure, seed);
                        let pressure = pressure.map_or("nvt".to_owned(), |p| {
                            format!(
                                "{}GPa",
                                super::trimmed(&format!("{:.8}", p * units::EV_PER_A3_IN_GPA))
                            )
                        });
                        let kelvin = super::trimmed(&format!("{temperature:.4}"));
                        let run = format!("{name}-{kelvin}K-{pressure}-{replica}");
                        let place = folder.join("explore").join(&run);
                        let work = Work::Explore(Box::new(ExploreWork {
                            models: paths.clone(),
                            stage: stage.clone(),
                            temperature: *temperature,
                            seed,
                            every: dynamics.every,
                            hopeless: Some(HOPELESS * window.force.1),
                        }));
                        let start: Frame = structure.clone().into();
                        jobs::prepare(&place, &work, Some((START, &[start])))?;
                        let job = Job {
                            folder: place,
                            name: format!("explore-{k}-{run}"),
                            cores: 1,
                            ranks: 1,
                        };
                        runs.push((job, run, name.clone(), stage));
                    }
                }
            }
        }
        let list: Vec<Job> = runs.iter().map(|(job, ..)| job.clone()).collect();
        self.jobs(&format!("iteration {k}: exploration"), &list)?;
        let mut sorted = Vec::new();
        let mut seconds = 0.0;
        for (job, name, structure, stage) in &runs {
            let explored: Explored = result(job)?;
            seconds += explored.seconds;
            let run = candidates::Run {
                name,
                structure,
                ensemble: &stage.ensemble,
                timestep: stage.timestep,
                every: dynamics.every,
                iteration: k,
            };
            sorted.push(candidates::of_run(&run, &explored, &job.folder, models, window)?);
        }
        Ok((sorted, seconds))
    }

    /// Candidates to label, in the order of their worth, with their distances.
    fn choose(
        &self,
        k: usize,
        found: &[Candidate],
        model: &DeepPotential,
        initial: &Initial,
    ) -> Result<Vec<(usize, Option<f64>)>, Error> {
        let selection = &self.file.selection;
        let count = selection.labels.min(found.len());
        match selection.method {
            Method::Random => {
                let mut order: Vec<usize> = (0..found.len()).collect();
                order.sort_by_cached_key(|c| {
                    rng::at(self.file.seed, Stream::Selection, k as u64, *c as u64).bits()
                });
                Ok(order.into_iter().take(count).map(|c| (c, None)).collect())
            }
            Method::Deviation => {
                let mut order: Vec<usize> = (0..found.len()).collect();
                let of = |c: usize| found[c].deviation.avg_f;
                order.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
                Ok(order.into_iter().take(count).map(|c| (c, None)).collect())
            }
            Method::Farthest | Method::Cluster => {
                let mut descriptor = Descriptor::new(model);
                let mut describe = |frames: &mut dyn Iterator<Item = &Frame>| {
                    let rows: Result<Vec<Vec<f32>>, Error> =
                        frames.map(|frame| descriptor.point(&frame.structure)).collect();
                    rows.map(|rows| Points::from_rows(&rows))
                };
                let mut candidates = describe(&mut found.iter().map(|c| &c.frame))?;
                let labelled = self.training_frames(initial, selection.compared)?;
                let mut labelled = describe(&mut labelled.iter())?;
                standardize(&mut candidates, &mut labelled);
                let mean = found.iter().map(|c| c.deviation.avg_f).sum::<f64>()
                    / found.len().max(1) as f64;
                let weights: Vec<f64> =
                    found.iter().map(|c| c.deviation.avg_f / mean.max(f64::MIN_POSITIVE)).collect();
                let rule =
                    if selection.method == Method::Farthest { farthest } else { largest_cluster };
                let order = rule(&candidates, &weights, &labelled, count);
                Ok(order.into_iter().map(|(c, distance)| (c, Some(distance))).collect())
            }
        }
    }
}

/// Deviations of the committee on frames.
fn deviations(models: &[DeepPotential], frames: &[Frame]) -> Result<Vec<Deviation>, Error> {
    let committee = exploration::committee(models)?;
    let mut watch = Watch::new(committee, Vec::new());
    let mut found = Vec::new();
    for (k, frame) in frames.iter().enumerate() {
        let structure = &frame.structure;
        watch.set_species(exploration::species(structure, watch.committee())?);
        let deviation = watch.look(k as u64, &structure.cell, &structure.positions);
        let what = || format!("training frame {k}");
        found.push(deviation.map_err(|source| Error::Potential { what: what(), source })?);
    }
    Ok(found)
}

/// A run of exploration as a stage of dynamics.
fn stage(dynamics: &Dynamics, temperature: f64, pressure: Option<f64>, seed: u64) -> StageSettings {
    let thermostat = Thermostat::NoseHooverChain { period: dynamics.thermostat_period, chain: 3 };
    let temperature = Ramp::constant(temperature);
    let ensemble = match pressure {
        None => Ensemble::Nvt { temperature, thermostat },
        Some(pressure) => Ensemble::Npt {
            temperature,
            thermostat,
            pressure: Ramp::constant(pressure),
            barostat: Barostat::StochasticCellRescaling {
                period: dynamics.barostat_period,
                compressibility: units::EV_PER_A3_IN_GPA / BULK_MODULUS,
            },
        },
    };
    StageSettings {
        seed,
        trajectory_every: Some(dynamics.every),
        trajectory: TrajectorySettings { velocities: true, ..TrajectorySettings::default() },
        checkpoint_every: (dynamics.every * 50).max(1000),
        ..StageSettings::new(ensemble, dynamics.timestep, dynamics.steps)
    }
}
