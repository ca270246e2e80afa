//! How fast dynamics run on this machine, and how near that is to what the machine can do.
//!
//! Real dynamics (NVT, the integrator, lists and evaluator of `vitrion md`) of a structure repeated
//! to several sizes; times, floating-point operations by a documented count, and the fused
//! multiply-add peak measured beside them.

pub mod analysis;
#[cfg(feature = "cuda")]
pub mod device;
pub mod flops;
pub mod peak;
pub mod softness;
pub mod training;
pub mod transport;

use crate::error::{Error, InputError};
use crate::inputs::embedding;
use crate::plan::bytes_per_atom;
use crate::threads;
use peak::Peak;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use vitrion_core::build::supercell;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Structure};
use vitrion_md::{
    Control, EngineMaker, Ensemble, Host, Ramp, StageOutcome, StageSettings, StageSummary, State,
    Thermostat, run_stage_with, velocities,
};
use vitrion_model::{Breakdown, Committee, DeepPotential, Evaluator, Precision};

/// Steps before the first that is timed.
const WARM_UP: u64 = 3;
/// Timed runs of each case; the median is reported.
const REPEATS: usize = 3;
/// Wall time of one of them unless the number of steps is given [s].
const PATIENCE: f64 = 2.0;
/// Seed of the velocities.
const SEED: u64 = 2026;

/// What is timed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Atoms wanted; the structure is repeated until it has at least as many. Empty: as it is.
    pub sizes: Vec<usize>,
    pub threads: Vec<usize>,
    pub precisions: Vec<Precision>,
    /// Steps of a timed run; `None` takes as many as fit about two seconds, five at least.
    pub steps: Option<u64>,
    /// [fs]
    pub timestep: f64,
    /// [K]
    pub temperature: f64,
    /// [Å]
    pub skin: f64,
    /// The embedding nets themselves instead of tables.
    pub exact: bool,
    /// Members of the committee whose cost is compared with that of one; 0 or 1 skips it.
    pub committee: usize,
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    pub machine: String,
    pub peaks: Vec<Peak>,
    pub runs: Vec<Run>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub committees: Vec<CommitteeRun>,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub atoms: usize,
    /// Within the cut-off, per atom.
    pub neighbors: f64,
    pub threads: usize,
    pub precision: &'static str,
    pub steps: u64,
    /// Median of the repeats, and their range.
    pub us_per_atom_step: f64,
    pub us_min: f64,
    pub us_max: f64,
    pub ns_per_day: f64,
    /// By the documented count of [`flops::documented`], and its part of the measured peak.
    pub gflops: f64,
    pub fraction_of_peak: f64,
    /// By what the evaluator really carries out.
    pub gflops_executed: f64,
    pub fraction_of_peak_executed: f64,
    /// Of the fitting nets alone, activations included, executed operations.
    pub fitting_fraction_of_peak: f64,
    /// Tables and packed weights [s].
    pub setup_s: f64,
    /// Memory that grows with the system, as `vitrion check` predicts it [kB/atom].
    pub kb_per_atom: f64,
    /// Growth of the resident memory of the process during the case [kB/atom], where it is known.
    pub resident_kb_per_atom: Option<f64>,
    /// One search of the neighbour list [µs/atom]; it is part of `breakdown.neighbor` when it happens.
    pub list_build_us_per_atom: f64,
    pub list_builds: u64,
    pub breakdown: Parts,
    pub tables: String,
}

/// Wall time by part [µs/atom/step].
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Parts {
    pub neighbor: f64,
    pub environment: f64,
    pub embedding: f64,
    pub fitting: f64,
    pub force: f64,
    pub integrate: f64,
    pub output: f64,
}

/// Cost of a committee relative to its first member.
#[derive(Debug, Clone, Serialize)]
pub struct CommitteeRun {
    pub members: usize,
    pub atoms: usize,
    pub precision: &'static str,
    pub threads: usize,
    /// One evaluation of one member, and of all with the deviation of forces [µs/atom].
    pub single_us_per_atom: f64,
    pub committee_us_per_atom: f64,
    /// Second over first; below `members`, as neighbours and geometry are shared.
    pub ratio: f64,
}

/// Runs all cases; `tell` hears about each before it starts.
///
/// # Errors
/// A structure with species the model lacks, or dynamics that fail.
pub fn run(
    model: &DeepPotential,
    structure: &Structure,
    settings: &Settings,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Results, Error> {
    structure
        .table
        .map_onto(&model.species)
        .map_err(|error| InputError::Usage(format!("the structure: {error}")))?;
    let mut results = Results {
        machine: crate::pipeline::machine_description(),
        peaks: Vec::new(),
        runs: Vec::new(),
        committees: Vec::new(),
    };
    for precision in &settings.precisions {
        for threads in &settings.threads {
            tell(&format!("peak of {threads} thread(s), {}", precision.name()));
            results.peaks.push(peak::measure(*precision, *threads));
        }
    }
    let as_it_is = [structure.len()];
    let sizes = if settings.sizes.is_empty() { &as_it_is[..] } else { &settings.sizes };
    for wanted in sizes {
        let structure = supercell::repeat(structure, repeats(structure, *wanted));
        for precision in &settings.precisions {
            for threads in &settings.threads {
                let what =
                    format!("{} atoms, {}, {threads} thread(s)", structure.len(), precision.name());
                tell(&what);
                let peak = results
                    .peaks
                    .iter()
                    .find(|p| p.precision == precision.name() && p.threads == *threads)
                    .expect("measured above")
                    .gflops;
                let case = Case { model, structure: &structure, settings, precision: *precision };
                let run = threads::on(*threads, || case.dynamics(*threads, peak))?;
                results.runs.push(run);
                if settings.committee > 1 {
                    let compared = threads::on(*threads, || case.committee(*threads))?;
                    results.committees.push(compared);
                }
            }
        }
    }
    Ok(results)
}

/// How often the cell is repeated along each vector to hold at least `wanted` atoms, kept near a
/// cube.
fn repeats(structure: &Structure, wanted: usize) -> [usize; 3] {
    let lengths = structure.cell.lengths();
    let mut n = [1_usize; 3];
    while structure.len() * n.iter().product::<usize>() < wanted {
        let length = |k: &usize| lengths[*k] * n[*k] as f64;
        let shortest = (0..3).min_by(|a, b| length(a).total_cmp(&length(b))).expect("three");
        n[shortest] += 1;
    }
    n
}

struct Case<'a> {
    model: &'a DeepPotential,
    structure: &'a Structure,
    settings: &'a Settings,
    precision: Precision,
}

/// Constant temperature [K] by a chain of the usual period; the timestep in fs.
fn nvt(temperature: f64, timestep: f64) -> Ensemble {
    Ensemble::Nvt {
        temperature: Ramp::constant(temperature),
        thermostat: Thermostat::NoseHooverChain { period: 100.0 * timestep, chain: 3 },
    }
}

/// A stage that writes nothing before its end; fs and Å.
fn silent(ensemble: Ensemble, timestep: f64, skin: f64, steps: u64) -> StageSettings {
    let mut settings = StageSettings::new(ensemble, timestep, steps);
    settings.skin = skin;
    settings.trajectory_every = None;
    settings.thermo_every = steps;
    settings.checkpoint_every = steps;
    settings
}

/// Runs a stage to its end in a folder of the scratch.
fn carry_out(
    maker: &mut dyn EngineMaker,
    state: State,
    settings: &StageSettings,
    scratch: &Scratch,
    name: &str,
) -> Result<(State, StageSummary), Error> {
    let stop = AtomicBool::new(false);
    let control = Control { stop: &stop, progress: &|_| {} };
    let folder = scratch.0.join(name);
    let outcome = run_stage_with(state, maker, settings, &folder, &mut [], &control);
    match outcome.map_err(|source| failed(name, source))? {
        StageOutcome::Finished { state, summary } => Ok((state, summary)),
        StageOutcome::Interrupted { .. } => unreachable!("nobody asks for a stop"),
    }
}

/// A folder of its own that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, InputError> {
        let name = format!("vitrion-bench-{}-{:?}", std::process::id(), Instant::now());
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(InputError::os(&path, "create"))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // what cannot be removed stays in the folder for temporary files
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Case<'_> {
    fn dynamics(&self, threads: usize, peak: f64) -> Result<Run, Error> {
        let Case { model, structure, settings, precision } = *self;
        let atoms = structure.len();
        let resident = peak::resident_bytes();
        let begin = Instant::now();
        let mut evaluator = model.evaluator(precision, embedding(settings.exact));
        let setup_s = begin.elapsed().as_secs_f64();
        let scratch = Scratch::new()?;
        let speeds = velocities::maxwell_boltzmann(structure, settings.temperature, SEED)
            .map_err(|source| failed("velocities", source))?;
        let state = State::new(structure.clone(), speeds);
        let (mut state, warm) = self.stage(state, &mut evaluator, WARM_UP, &scratch, "warm-up")?;
        let steps = settings.steps.unwrap_or_else(|| {
            let per_step = warm.wall_s / WARM_UP as f64;
            ((PATIENCE / per_step) as u64).clamp(5, 5000)
        });
        evaluator.take_breakdown();
        let mut summaries = Vec::new();
        for repeat in 0..REPEATS {
            let name = format!("run-{repeat}");
            let (next, summary) = self.stage(state, &mut evaluator, steps, &scratch, &name)?;
            state = next;
            summaries.push(summary);
        }
        let resident_kb_per_atom = peak::resident_bytes()
            .zip(resident)
            .map(|(after, before)| (after as f64 - before as f64) * 1e-3 / atoms as f64);
        let spent = evaluator.take_breakdown();
        let mut us: Vec<f64> = summaries.iter().map(|s| s.us_per_atom_step).collect();
        us.sort_by(f64::total_cmp);
        let median = us[us.len() / 2];

        let mut list = VerletList::new(model.descriptor.cutoff, settings.skin);
        let begin = Instant::now();
        list.update(&state.structure.cell, &state.structure.positions);
        let list_build_us_per_atom = begin.elapsed().as_secs_f64() * 1e6 / atoms as f64;
        let neighbors = list.mean_neighbors();
        let breakdown = parts(&summaries, &spent, atoms);

        let counts = counts(model, structure);
        let documented = flops::documented(model, &counts, neighbors);
        let executed = evaluator.flops_per_atom(&counts, neighbors);
        let rate = |flops: f64, us: f64| flops * 1e-3 / us; // FLOP/µs → GFLOP/s
        let fitting = evaluator.fitting_flops_per_atom(&counts);
        Ok(Run {
            atoms,
            neighbors,
            threads,
            precision: precision.name(),
            steps,
            us_per_atom_step: median,
            us_min: us[0],
            us_max: us[us.len() - 1],
            ns_per_day: settings.timestep * 1e-6 * 86_400.0 / (median * 1e-6 * atoms as f64),
            gflops: rate(documented, median),
            fraction_of_peak: rate(documented, median) / peak,
            gflops_executed: rate(executed, median),
            fraction_of_peak_executed: rate(executed, median) / peak,
            fitting_fraction_of_peak: rate(fitting, breakdown.fitting) / peak,
            setup_s,
            kb_per_atom: bytes_per_atom(&list, precision == Precision::Mixed) * 1e-3,
            resident_kb_per_atom,
            list_build_us_per_atom,
            list_builds: summaries.iter().map(|s| s.list_builds).sum(),
            breakdown,
            tables: evaluator.describe(),
        })
    }

    fn stage(
        &self,
        state: State,
        evaluator: &mut Evaluator,
        steps: u64,
        scratch: &Scratch,
        name: &str,
    ) -> Result<(State, StageSummary), Error> {
        let Settings { temperature, timestep, skin, .. } = *self.settings;
        let settings = silent(nvt(temperature, timestep), timestep, skin, steps);
        carry_out(&mut Host { potential: evaluator }, state, &settings, scratch, name)
    }

    /// Evaluations of one model, and of a committee of copies of it.
    fn committee(&self, threads: usize) -> Result<CommitteeRun, Error> {
        let Case { model, structure, settings, precision } = *self;
        let species = structure.species_in(&model.species).expect("checked at the start");
        let mut list = VerletList::new(model.descriptor.cutoff, settings.skin);
        list.update(&structure.cell, &structure.positions);
        let species: Vec<u8> = list.order().iter().map(|atom| species[*atom as usize]).collect();
        let atoms =
            Atoms { positions: list.positions(), species: &species, n_local: species.len() };
        let time = |members: usize| -> Result<f64, Error> {
            let mut committee = Committee::new(&vec![model; members], precision)
                .map_err(|error| InputError::Usage(error.to_string()))?;
            let mut evaluate = || {
                let what = "the committee".to_owned();
                committee
                    .evaluate(atoms, list.list())
                    .map_err(|source| Error::Potential { what, source })
            };
            evaluate()?;
            let mut best = f64::INFINITY;
            for _ in 0..REPEATS {
                let begin = Instant::now();
                evaluate()?;
                best = best.min(begin.elapsed().as_secs_f64());
            }
            Ok(best * 1e6 / species.len() as f64)
        };
        let (single, all) = (time(1)?, time(settings.committee)?);
        Ok(CommitteeRun {
            members: settings.committee,
            atoms: species.len(),
            precision: precision.name(),
            threads,
            single_us_per_atom: single,
            committee_us_per_atom: all,
            ratio: all / single,
        })
    }
}

fn failed(stage: &str, source: vitrion_md::MdError) -> Error {
    Error::Stage { run: "bench".to_owned(), stage: stage.to_owned(), source: Box::new(source) }
}

/// Atoms of each species of the model.
fn counts(model: &DeepPotential, structure: &Structure) -> Vec<usize> {
    let map = structure.table.map_onto(&model.species).expect("checked at the start");
    let mut counts = vec![0; model.species.len()];
    for id in &structure.species {
        counts[usize::from(map[id.index()])] += 1;
    }
    counts
}

/// Wall time by part, averaged over the repeats. The evaluator's own parts are thread seconds: they
/// are scaled to its wall time, so that they add up to it.
fn parts(summaries: &[StageSummary], spent: &Breakdown, atoms: usize) -> Parts {
    let steps: u64 = summaries.iter().map(|s| s.steps).sum();
    let us = 1e6 / (atoms as f64 * steps as f64);
    let sum = |part: fn(&StageSummary) -> f64| summaries.iter().map(part).sum::<f64>() * us;
    let scale = sum(|s| s.potential_s) / spent.total().max(f64::MIN_POSITIVE);
    Parts {
        neighbor: sum(|s| s.neighbor_s),
        environment: spent.environment * scale,
        embedding: spent.embedding * scale,
        fitting: spent.fitting * scale,
        force: spent.force * scale,
        integrate: sum(|s| s.integrate_s),
        output: sum(|s| s.output_s),
    }
}

/// Refuses settings that make no sense.
///
/// # Errors
/// The first setting that does not.
pub fn validate(settings: &Settings) -> Result<(), InputError> {
    let refuse = |message: String| Err(InputError::Usage(message));
    if let Some(0) = settings.threads.iter().find(|n| **n == 0) {
        return refuse("--on-threads must be at least 1".to_owned());
    }
    if settings.sizes.contains(&0) {
        return refuse("--sizes must be at least 1 atom".to_owned());
    }
    if settings.steps == Some(0) {
        return refuse("--steps must be at least 1".to_owned());
    }
    if !(settings.temperature > 0.0 && settings.temperature.is_finite()) {
        let found = settings.temperature;
        return refuse(format!("--temperature must be positive, found {found} K"));
    }
    if !(settings.timestep > 0.0 && settings.timestep.is_finite()) {
        return refuse(format!("--timestep must be positive, found {} fs", settings.timestep));
    }
    if !(settings.skin > 0.0 && settings.skin.is_finite()) {
        return refuse(format!("--skin must be positive, found {} Å", settings.skin));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs;

    fn settings() -> Settings {
        Settings {
            sizes: vec![60],
            threads: vec![1, 2],
            precisions: vec![Precision::Mixed],
            steps: Some(2),
            timestep: 0.5,
            temperature: 300.0,
            skin: 1.0,
            exact: false,
            committee: 2,
        }
    }

    #[test]
    fn a_small_bench_gives_figures_that_fit_together() {
        let model = vitrion_model::builtin::li_p_s();
        let structure = inputs::bench_structure();
        let results = run(&model, &structure, &settings(), &|_| {}).expect("it runs");
        assert_eq!((results.runs.len(), results.peaks.len(), results.committees.len()), (2, 2, 2));
        for (run, threads) in results.runs.iter().zip([1, 2]) {
            assert_eq!((run.atoms, run.threads, run.steps), (64, threads, 2));
            assert!(run.us_min <= run.us_per_atom_step && run.us_per_atom_step <= run.us_max);
            assert!(run.neighbors > 30.0 && run.neighbors < 90.0);
            let p = run.breakdown;
            let sum = p.neighbor + p.environment + p.embedding + p.fitting + p.force;
            let sum = sum + p.integrate + p.output;
            assert!(sum > 0.0 && sum <= 1.5 * run.us_max, "{sum} of {}", run.us_max);
            assert!(run.gflops > 0.0 && run.fraction_of_peak < 2.0);
            assert!(run.kb_per_atom > 0.5 && run.kb_per_atom < 4.0);
        }
        assert!(results.committees.iter().all(|c| c.members == 2 && c.ratio > 0.5));
        let json = serde_json::to_value(&results).expect("plain numbers");
        assert!(json["runs"][0]["us_per_atom_step"].as_f64().is_some_and(|us| us > 0.0));
    }

    #[test]
    fn cells_are_repeated_towards_a_cube() {
        let structure = inputs::bench_structure();
        let atoms = structure.len();
        assert_eq!(repeats(&structure, 1), [1; 3]);
        let n = repeats(&structure, 1000);
        assert!(n.iter().product::<usize>() * atoms >= 1000);
        let lengths = structure.cell.lengths();
        let edges: Vec<f64> = (0..3).map(|k| lengths[k] * n[k] as f64).collect();
        let (low, high) = (edges.iter().copied().fold(f64::MAX, f64::min), edges[0].max(edges[1]));
        assert!(high.max(edges[2]) < 2.2 * low, "{edges:?}");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_by_name() {
        for (change, word) in [
            (Settings { sizes: vec![0], ..settings() }, "--sizes"),
            (Settings { threads: vec![0], ..settings() }, "--on-threads"),
            (Settings { steps: Some(0), ..settings() }, "--steps"),
            (Settings { temperature: -1.0, ..settings() }, "--temperature"),
            (Settings { timestep: f64::NAN, ..settings() }, "--timestep"),
            (Settings { skin: 0.0, ..settings() }, "--skin"),
        ] {
            let error = validate(&change).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(validate(&settings()).is_ok());
    }
}
