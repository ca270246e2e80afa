//! The manifest, kept true while runs go on side by side.

use super::{Options, Queue, machine};
use crate::error::Error;
use crate::inputs::Inputs;
use crate::plan::Plan;
use crate::results::{
    FORMAT, Manifest, Results, ResultsError, RunEntry, StageEntry, SystemEntry, now,
};
use crate::run_file::RunFile;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use vitrion_md::StageSummary;

/// The manifest of a running pipeline.
pub(super) struct Ledger<'a> {
    pub(super) results: &'a Results,
    /// A process that carries out a single run leaves the manifest to the one that does all.
    shared: bool,
    manifest: Mutex<Manifest>,
    /// `(system, run within the system)` of each run of the plan.
    places: Vec<(usize, usize)>,
    /// Wall time of earlier sessions [s].
    earlier_s: f64,
    start: Instant,
}

impl<'a> Ledger<'a> {
    /// Writes the manifest of a session that begins.
    pub(super) fn begin(
        run_file: &RunFile,
        inputs: &Inputs,
        plan: &Plan,
        results: &'a Results,
        options: &Options<'_>,
    ) -> Result<Self, ResultsError> {
        let earlier = results.manifest()?;
        let mut systems: Vec<SystemEntry> = plan
            .systems
            .iter()
            .map(|system| SystemEntry {
                name: system.name.clone(),
                source: system.structure.clone(),
                blake3: system.blake3.clone(),
                formula: system.formula.clone(),
                atoms: system.atoms,
                density_g_per_cm3: system.density_g_per_cm3,
                cell_a: system.cell_a,
                crystal_fraction: system.crystal_fraction,
                runs: Vec::new(),
                analyses: Vec::new(),
            })
            .collect();
        let mut places = Vec::new();
        for run in &plan.runs {
            let system = plan.system_of(run);
            places.push((system, systems[system].runs.len()));
            let stages = plan.stages.iter().enumerate().map(|(number, stage)| StageEntry {
                name: stage.name.clone(),
                kind: stage.kind.name().to_owned(),
                folder: stage_folder(&run.id, number, &stage.name),
                timestep_fs: stage.timestep_fs,
                steps: stage.steps,
                ..StageEntry::default()
            });
            systems[system].runs.push(RunEntry {
                id: run.id.clone(),
                temperature_k: run.temperature_k,
                stages: stages.collect(),
                analyses: Vec::new(),
                movies: Vec::new(),
            });
        }
        let manifest = Manifest {
            format: FORMAT,
            name: plan.name.clone(),
            status: "running".to_owned(),
            vitrion_version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: machine::commit().to_owned(),
            machine: options.queue.as_ref().map_or_else(machine::description, Queue::describe),
            threads: options.queue.as_ref().map_or(options.threads, |queue| queue.cores),
            started: earlier.as_ref().map_or_else(now, |manifest| manifest.started.clone()),
            finished: String::new(),
            wall_s: earlier.as_ref().map_or(0.0, |manifest| manifest.wall_s),
            seed: plan.seed,
            run_file_blake3: blake3::hash(run_file.text.as_bytes()).to_string(),
            plan_blake3: blake3::hash(plan.to_toml().as_bytes()).to_string(),
            engine: inputs.engine(),
            potential: inputs.potential.card(),
            systems,
        };
        let ledger = Ledger {
            results,
            shared: options.only.is_some(),
            earlier_s: manifest.wall_s,
            manifest: Mutex::new(manifest),
            places,
            start: Instant::now(),
        };
        ledger.save(&mut ledger.lock())?;
        Ok(ledger)
    }

    /// Notes a finished stage.
    pub(super) fn stage_done(
        &self,
        run: usize,
        stage: usize,
        summary: &StageSummary,
    ) -> Result<(), ResultsError> {
        let mut manifest = self.lock();
        let (system, place) = self.places[run];
        let entry = &mut manifest.systems[system].runs[place].stages[stage];
        entry.wall_s = summary.wall_s;
        entry.us_per_atom_step = summary.us_per_atom_step;
        entry.mean_temperature_k = summary.temperature.value;
        entry.mean_pressure_gpa = summary.pressure.value;
        entry.conserved_drift_mev_per_atom_ps = summary.conserved_drift_mev_per_atom_ps;
        entry.finished = true;
        self.save(&mut manifest)
    }

    /// Notes the result file of an analysis of a run.
    pub(super) fn run_analysis(&self, run: usize, file: String) -> Result<(), ResultsError> {
        let mut manifest = self.lock();
        let (system, place) = self.places[run];
        manifest.systems[system].runs[place].analyses.push(file);
        self.save(&mut manifest)
    }

    /// Notes the thinned trajectory of a run.
    pub(super) fn run_movie(&self, run: usize, file: String) -> Result<(), ResultsError> {
        let mut manifest = self.lock();
        let (system, place) = self.places[run];
        manifest.systems[system].runs[place].movies.push(file);
        self.save(&mut manifest)
    }

    /// Notes the result file of an analysis over the sweep of a system.
    pub(super) fn system_analysis(&self, system: usize, file: String) -> Result<(), ResultsError> {
        let mut manifest = self.lock();
        manifest.systems[system].analyses.push(file);
        self.save(&mut manifest)
    }

    /// Folder of a stage, relative to the results folder.
    pub(super) fn stage_folder(&self, run: usize, stage: usize) -> String {
        let (system, place) = self.places[run];
        self.lock().systems[system].runs[place].stages[stage].folder.clone()
    }

    /// Notes what computed, where others know that.
    pub(super) fn computed_by(&self, engines: &[String], devices: &[String]) {
        let mut manifest = self.lock();
        manifest.engine = engines.join(", ");
        manifest.potential.device = devices.join(", ");
    }

    /// Writes how the session ended and returns what is known.
    pub(super) fn end(&self, outcome: &Result<(), Error>) -> Result<Manifest, ResultsError> {
        let mut manifest = self.lock();
        manifest.status = match outcome {
            Ok(()) => "finished".to_owned(),
            Err(Error::Interrupted { .. }) => "interrupted".to_owned(),
            Err(Error::Queued { .. }) => super::QUEUED.to_owned(),
            Err(error) => format!("failed: {error}"),
        };
        manifest.finished = now();
        self.save(&mut manifest)?;
        Ok(manifest.clone())
    }

    fn save(&self, manifest: &mut Manifest) -> Result<(), ResultsError> {
        manifest.wall_s = self.earlier_s + self.start.elapsed().as_secs_f64();
        if self.shared {
            return Ok(());
        }
        self.results.write_json("manifest.json", manifest)
    }

    fn lock(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Below the results folder.
pub(super) fn stage_folder(run: &str, number: usize, name: &str) -> String {
    format!("runs/{run}/stages/{number:02}-{name}")
}
