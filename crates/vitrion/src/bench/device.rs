//! Whether a CUDA device computes what the processor computes, and how fast it is.

mod training;

use super::{Scratch, carry_out, counts, failed, flops, nvt, repeats, silent};
use crate::error::{Error, InputError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
pub use training::DeviceTraining;
use vitrion_core::build::supercell;
use vitrion_core::math;
use vitrion_core::neighbors::VerletList;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Atoms, Evaluation, Potential, Structure};
use vitrion_cuda::{CudaDynamics, CudaError, CudaEvaluator, Device, KernelTime, ceilings};
use vitrion_md::{
    Control, Ensemble, Host, StageSettings, StageSummary, State, run_stage_with, velocities,
};
use vitrion_model::{DeepPotential, Embedding, Precision};

/// Atoms of the structure on which results are compared, about.
const COMPARED: usize = 128;
/// Atoms of copies of it, about.
const COPIED: usize = 40_000;
/// Steps that are compared, and that of the energy drift.
const STEPS: u64 = 20;
const DRIFT_STEPS: u64 = 2000;
/// Steps before those that are timed, and those that are timed kernel by kernel.
const WARM_UP: u64 = 10;
const PROFILED: u64 = 3;
/// Wall time of a timed run unless the number of steps is given [s].
const PATIENCE: f64 = 2.0;
const REPEATS: usize = 3;
/// A few displacements away from a crystal [Å].
const DISPLACED: f64 = 0.15;

/// What is compared and timed.
#[derive(Debug, Clone)]
pub struct DeviceSettings {
    /// Atoms of the timed systems, about; those that do not fit are named.
    pub sizes: Vec<usize>,
    pub precisions: Vec<Precision>,
    /// Steps of a timed run; `None` takes as many as fit about two seconds.
    pub steps: Option<u64>,
    /// [fs]
    pub timestep: f64,
    /// [K]
    pub temperature: f64,
    /// [Å]
    pub skin: f64,
    /// Below 1 shortens what is not a comparison, for slow devices.
    pub effort: f64,
}

/// One comparison with its limit.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub what: String,
    pub found: f64,
    /// `None`: only told.
    pub limit: Option<f64>,
    pub unit: &'static str,
    pub passed: bool,
}

/// One timed system.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceRun {
    pub atoms: usize,
    pub neighbors: f64,
    pub precision: &'static str,
    pub steps: u64,
    /// Median of the repeats, and their range.
    pub us_per_atom_step: f64,
    pub us_min: f64,
    pub us_max: f64,
    pub ns_per_day: f64,
    /// By the documented count, and its part of the measured peak.
    pub gflops: f64,
    pub fraction_of_peak: f64,
    /// Device memory that the system takes [kB/atom].
    pub kb_per_atom: f64,
    /// Time of each kernel when every launch is waited for [µs/atom/step], longest first.
    pub kernels: Vec<(String, f64)>,
    /// Launches a step.
    pub launches: f64,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeviceResults {
    pub device: String,
    pub version: &'static str,
    pub commit: String,
    pub model: String,
    /// Multiply-adds of registers alone [GFLOP/s] and copies [GB/s], by precision.
    pub peaks: Vec<(&'static str, f64, f64)>,
    pub comparisons: Vec<Comparison>,
    pub runs: Vec<DeviceRun>,
    pub training: Vec<DeviceTraining>,
    /// What did not fit or cannot be done, and why.
    pub skipped: Vec<String>,
}

impl DeviceResults {
    /// Whether every comparison is within its limit.
    pub fn passed(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.passed)
    }

    fn compare(&mut self, what: String, found: f64, limit: f64, unit: &'static str) {
        // false for NaN
        let passed = found <= limit;
        self.comparisons.push(Comparison { what, found, limit: Some(limit), unit, passed });
    }
}

/// What a device reports, as an error of the program.
fn device_failed(error: &CudaError) -> Error {
    InputError::Usage(error.to_string()).into()
}

/// Compares and times `device`; `tell` hears about each part before it starts.
///
/// # Errors
/// A device that fails, a model it cannot evaluate, dynamics that fail.
pub fn run(
    device: &Device,
    model: &DeepPotential,
    structure: &Structure,
    settings: &DeviceSettings,
    tell: &dyn Fn(&str),
) -> Result<DeviceResults, Error> {
    structure
        .table
        .map_onto(&model.species)
        .map_err(|error| InputError::Usage(format!("the structure: {error}")))?;
    let mut results = DeviceResults {
        device: device.name().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        commit: crate::pipeline::commit().to_owned(),
        model: model.card.name.clone(),
        ..DeviceResults::default()
    };
    let small = displaced(structure, COMPARED, 0);
    for precision in &settings.precisions {
        tell(&format!("results, {}", precision.name()));
        let work = Work { device, model, settings, precision: *precision };
        work.compare_forces(&small, &mut results)?;
        work.compare_dynamics(&small, &mut results)?;
        work.compare_copies(&small, &mut results)?;
    }
    training::run(device, model, structure, settings, &mut results, tell)?;
    let timed = if settings.sizes.is_empty() { &[][..] } else { &settings.precisions };
    for precision in timed {
        tell(&format!("peak, {}", precision.name()));
        let found = ceilings(device, *precision, settings.effort).map_err(|e| device_failed(&e))?;
        results.peaks.push((precision.name(), found.flops * 1e-9, found.bandwidth * 1e-9));
        for wanted in &settings.sizes {
            let larger = supercell::repeat(structure, repeats(structure, *wanted));
            tell(&format!("{} atoms, {}", larger.len(), precision.name()));
            let work = Work { device, model, settings, precision: *precision };
            match work.time(&larger, found.flops) {
                Ok(run) => results.runs.push(run),
                Err(error) => results.skipped.push(format!(
                    "{} atoms, {}: {error}",
                    larger.len(),
                    precision.name()
                )),
            }
        }
    }
    Ok(results)
}

/// The structure repeated, atoms moved from their places in the way of this number.
fn displaced(structure: &Structure, atoms: usize, number: u64) -> Structure {
    let mut larger = supercell::repeat(structure, repeats(structure, atoms));
    for (atom, r) in (0..).zip(&mut larger.positions) {
        let mut random = rng::at(11, Stream::Structure, number, atom);
        for x in r.iter_mut() {
            *x += DISPLACED * random.normal();
        }
    }
    larger
}

struct Work<'a> {
    device: &'a Device,
    model: &'a DeepPotential,
    settings: &'a DeviceSettings,
    precision: Precision,
}

impl Work<'_> {
    fn dynamics(&self) -> Result<CudaDynamics, Error> {
        CudaDynamics::new(self.device, self.model, self.precision).map_err(|e| device_failed(&e))
    }

    /// One evaluation against the reference, and against itself.
    fn compare_forces(
        &self,
        structure: &Structure,
        results: &mut DeviceResults,
    ) -> Result<(), Error> {
        let species = structure.species_in(&self.model.species).expect("checked at the start");
        let mut list = VerletList::new(self.model.descriptor.cutoff, 0.0);
        list.update(&structure.cell, &structure.positions);
        let sorted: Vec<u8> = list.order().iter().map(|atom| species[*atom as usize]).collect();
        let atoms = Atoms { positions: list.positions(), species: &sorted, n_local: sorted.len() };
        let evaluate = |potential: &mut dyn Potential| -> Result<Evaluation, Error> {
            let mut out = Evaluation::default();
            potential.evaluate(atoms, list.list(), &mut out).map_err(|source| {
                Error::Potential { what: "the structure that is compared".to_owned(), source }
            })?;
            Ok(out)
        };
        let exact = evaluate(&mut self.model.reference())?;
        let mut evaluator = CudaEvaluator::new(self.device, self.model, self.precision)
            .map_err(|e| device_failed(&e))?;
        let found = evaluate(&mut evaluator)?;
        let again = evaluate(&mut evaluator)?;
        let differences = found.forces.iter().zip(&exact.forces);
        let force = differences.map(|(a, b)| math::norm(math::sub(*a, *b))).fold(0.0, f64::max);
        let virials = found.virial.as_flattened().iter().zip(exact.virial.as_flattened());
        let virial = virials.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let n = structure.len() as f64;
        let name = self.precision.name();
        let (force_limit, energy_limit) = match self.precision {
            Precision::Mixed => (1e-4, 2e-5),
            Precision::Double => (1e-9, 1e-10),
        };
        results.compare(format!("largest force error, {name}"), force, force_limit, "eV/Å");
        let energy = (found.energy - exact.energy).abs() / n;
        results.compare(format!("energy error, {name}"), energy, energy_limit, "eV/atom");
        results.compare(format!("virial error, {name}"), virial / n, force_limit, "eV/atom");
        let same = f64::from(u8::from(found != again));
        results.compare(format!("evaluations that differ in a bit, {name}"), same, 0.0, "");
        Ok(())
    }

    /// Steps against those of the processor and against themselves; the drift of the energy.
    fn compare_dynamics(
        &self,
        structure: &Structure,
        results: &mut DeviceResults,
    ) -> Result<(), Error> {
        let scratch = Scratch::new()?;
        let state = self.start(structure)?;
        let settings = self.stage(nvt(self.settings.temperature, self.settings.timestep), STEPS);
        let mut potential = self.model.evaluator(self.precision, Embedding::Tables);
        let mut host = Host { potential: &mut potential };
        let (exact, _) = carry_out(&mut host, state.clone(), &settings, &scratch, "host")?;
        let mut maker = self.dynamics()?;
        let (found, _) = carry_out(&mut maker, state.clone(), &settings, &scratch, "device")?;
        let (again, _) = carry_out(&mut maker, state.clone(), &settings, &scratch, "again")?;
        let pairs = found.structure.positions.iter().zip(&exact.structure.positions);
        let far = pairs.map(|(a, b)| math::norm(math::sub(*a, *b))).fold(0.0, f64::max);
        let name = self.precision.name();
        let limit = if self.precision == Precision::Mixed { 1e-5 } else { 1e-9 };
        let what = format!("positions after {STEPS} steps of NVT, {name}");
        results.compare(what, far, limit, "Å");
        let same = f64::from(u8::from(found != again));
        results.compare(format!("trajectories that differ in a bit, {name}"), same, 0.0, "");
        let steps = (DRIFT_STEPS as f64 * self.settings.effort) as u64;
        if steps < STEPS {
            return Ok(()); // too short to tell a drift from a swing
        }
        let nve = self.stage(Ensemble::Nve, steps);
        let (_, summary) = carry_out(&mut maker, state, &nve, &scratch, "drift")?;
        results.comparisons.push(Comparison {
            what: format!("drift of the energy in {steps} steps of NVE, {name}"),
            found: summary.conserved_drift_mev_per_atom_ps,
            limit: None,
            unit: "meV/atom/ps",
            passed: summary.conserved_drift_mev_per_atom_ps.is_finite(),
        });
        Ok(())
    }

    /// Many copies of the small structure: the same energy per atom and the same forces on every copy,
    /// from more centres than go through the kernels at once.
    fn compare_copies(
        &self,
        structure: &Structure,
        results: &mut DeviceResults,
    ) -> Result<(), Error> {
        let copies = COPIED as f64 * self.settings.effort / structure.len() as f64;
        let times = (copies.cbrt().ceil() as usize).max(2);
        let larger = supercell::repeat(structure, [times; 3]);
        let scratch = Scratch::new()?;
        let nve = self.stage(Ensemble::Nve, 1);
        let rest =
            |structure: &Structure| State::new(structure.clone(), vec![[0.0; 3]; structure.len()]);
        let mut maker = self.dynamics()?;
        let mut potential = self.model.evaluator(self.precision, Embedding::Tables);
        let mut host = Host { potential: &mut potential };
        let (small, _) = carry_out(&mut host, rest(structure), &nve, &scratch, "one")?;
        let (found, _) = carry_out(&mut maker, rest(&larger), &nve, &scratch, "copies")?;
        // velocities after one step from rest are forces
        let copies = found.velocities.chunks_exact(found.velocities.len() / times.pow(3));
        let mut worst = 0.0_f64;
        for copy in copies {
            let pairs = copy.iter().zip(&small.velocities);
            worst = pairs.map(|(a, b)| math::norm(math::sub(*a, *b))).fold(worst, f64::max);
        }
        let largest = small.velocities.iter().map(|v| math::norm(*v)).fold(0.0, f64::max);
        let limit = if self.precision == Precision::Mixed { 1e-4 } else { 1e-7 };
        let what = format!(
            "forces of {} atoms, copies of {}, relative, {}",
            larger.len(),
            structure.len(),
            self.precision.name()
        );
        results.compare(what, worst / largest, limit, "");
        Ok(())
    }

    fn start(&self, structure: &Structure) -> Result<State, Error> {
        let speeds = velocities::maxwell_boltzmann(structure, self.settings.temperature, 2026)
            .map_err(|source| failed("velocities", source))?;
        Ok(State::new(structure.clone(), speeds))
    }

    fn stage(&self, ensemble: Ensemble, steps: u64) -> StageSettings {
        silent(ensemble, self.settings.timestep, self.settings.skin, steps)
    }

    /// Dynamics of a structure: time, memory, and the time of every kernel.
    fn time(&self, structure: &Structure, peak: f64) -> Result<DeviceRun, Error> {
        let atoms = structure.len();
        let scratch = Scratch::new()?;
        let ensemble = nvt(self.settings.temperature, self.settings.timestep);
        let mut maker = self.dynamics()?;
        let (before, _) = self.device.memory().map_err(|e| device_failed(&e))?;
        let settings = self.stage(ensemble, WARM_UP);
        let (mut state, warm) =
            carry_out(&mut maker, self.start(structure)?, &settings, &scratch, "warm-up")?;
        let steps = self.settings.steps.unwrap_or_else(|| {
            let per_step = step_seconds(&warm);
            ((PATIENCE * self.settings.effort / per_step) as u64).clamp(3, 20_000)
        });
        let settings = self.stage(ensemble, steps);
        let mut us = Vec::new();
        for repeat in 0..REPEATS {
            let (next, summary) =
                carry_out(&mut maker, state, &settings, &scratch, &format!("run-{repeat}"))?;
            state = next;
            us.push(step_seconds(&summary) * 1e6 / atoms as f64);
        }
        us.sort_by(f64::total_cmp);
        let median = us[us.len() / 2];
        // memory while an engine is alive, and its kernels one by one; what the start takes is taken off
        let least = Mutex::new(f64::INFINITY);
        let start = self.profile(&mut maker, &state, 1, &scratch, &least)?;
        let whole = self.profile(&mut maker, &state, 1 + PROFILED, &scratch, &least)?;
        let per = 1e6 / (atoms as f64 * PROFILED as f64);
        let before_them = |name: &str| start.0.get(name).copied().unwrap_or_default().seconds;
        let mut kernels: Vec<(String, f64)> = (whole.0.iter())
            .map(|(name, t)| ((*name).to_owned(), (t.seconds - before_them(name)).max(0.0) * per))
            .collect();
        kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut list = VerletList::new(self.model.descriptor.cutoff, 0.0);
        list.update(&state.structure.cell, &state.structure.positions);
        let neighbors = list.mean_neighbors();
        let count = flops::documented(self.model, &counts(self.model, structure), neighbors);
        let used = before as f64 - *least.lock().expect("no panics with it");
        Ok(DeviceRun {
            atoms,
            neighbors,
            precision: self.precision.name(),
            steps,
            us_per_atom_step: median,
            us_min: us[0],
            us_max: us[us.len() - 1],
            ns_per_day: self.settings.timestep * 1e-6 * 86_400.0 / (median * 1e-6 * atoms as f64),
            gflops: count * 1e-3 / median,
            fraction_of_peak: count * 1e6 / median / peak,
            kb_per_atom: used * 1e-3 / atoms as f64,
            kernels,
            launches: (whole.launches() - start.launches()) as f64 / PROFILED as f64,
        })
    }

    /// Times of the kernels of a start and so many steps.
    fn profile(
        &self,
        maker: &mut CudaDynamics,
        state: &State,
        steps: u64,
        scratch: &Scratch,
        least: &Mutex<f64>,
    ) -> Result<Times, Error> {
        let settings = self.stage(nvt(self.settings.temperature, self.settings.timestep), steps);
        let watch = |_| {
            let free = self.device.memory().map_or(f64::INFINITY, |(free, _)| free as f64);
            let mut least = least.lock().expect("no panics with it");
            *least = least.min(free);
        };
        let stop = AtomicBool::new(false);
        let control = Control { stop: &stop, progress: &watch };
        let folder = scratch.0.join(format!("profile-{steps}"));
        self.device.set_profile(true);
        let outcome = run_stage_with(state.clone(), maker, &settings, &folder, &mut [], &control);
        self.device.set_profile(false);
        outcome.map_err(|source| failed("profile", source))?;
        Ok(Times(self.device.take_profile()))
    }
}

/// Times of kernels by name.
struct Times(BTreeMap<&'static str, KernelTime>);

impl Times {
    fn launches(&self) -> u64 {
        self.0.values().map(|time| time.launches).sum()
    }
}

/// Time of a step without the checkpoint at the end of the stage [s].
fn step_seconds(summary: &StageSummary) -> f64 {
    (summary.neighbor_s + summary.potential_s + summary.integrate_s) / summary.steps.max(1) as f64
}
