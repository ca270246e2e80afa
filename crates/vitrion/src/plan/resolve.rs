//! From the run file and what it points to, to the plan.

use super::analyses::Context;
use super::{Plan, PotentialPlan, RunPlan, Schedule, StagePlan, SweepWord, SystemPlan};
use crate::error::InputError;
use crate::inputs::{Inputs, LoadedPotential, LoadedStructure};
use crate::run_file::{
    BarostatKind, Duration, Ensemble, FORMAT, Located, PotentialTable, RunFile, StageTable,
    SystemTable, Target, ThermostatKind,
};
use std::path::Path;
use vitrion_core::build::supercell;
use vitrion_core::neighbors::closest_pair;
use vitrion_core::units::{self, Kind};
use vitrion_core::{Cell, Structure, math};
use vitrion_md::{Coupling, MdError};

/// Thermostat time [fs].
const THERMOSTAT_PERIOD: f64 = 100.0;
/// Barostat time [fs].
const BAROSTAT_PERIOD: f64 = 1000.0;
/// Thermostats in a chain.
const THERMOSTAT_CHAIN: usize = 3;
/// Bulk modulus for stochastic cell rescaling [GPa]: that of a sulphide electrolyte, about.
const BULK_MODULUS: f64 = 20.0;
/// Skin of the neighbour list [Å].
const SKIN: f64 = 1.0;
/// Longest displacement in one step [Å].
const MAX_DISPLACEMENT: f64 = 0.5;
/// Steps between thermo rows.
const THERMO_EVERY: u64 = 10;
/// Steps between checkpoints.
const CHECKPOINT_EVERY: u64 = 1000;

/// Closer atoms are a mistake in the structure [Å]; the shortest bond, H–H, is 0.74 Å.
const OVERLAP: f64 = 0.5;
/// How far the closest pair is searched [Å].
const SEARCH: f64 = 4.0;
/// Largest change of volume by `density`: more is a slip in the number or the unit.
const MOST_VOLUME_CHANGE: f64 = 2.0;

pub(super) fn plan(run: &RunFile, inputs: &Inputs) -> Result<Plan, InputError> {
    let mut systems: Vec<SystemPlan> = Vec::new();
    let mut structures = Vec::new();
    for (number, (table, loaded)) in run.systems.iter().zip(&inputs.structures).enumerate() {
        let at = At { run, title: run.system_title(number), line: table.line };
        let (system, structure) = system(&at, &table.value, loaded, inputs)?;
        if systems.iter().any(|other| other.name == system.name) {
            let line = table.value.name.as_ref().map(|name| name.line);
            let message = format!("two systems are called \"{}\"", system.name);
            return Err(at.refuse(line, "name", message));
        }
        systems.push(system);
        structures.push(structure);
    }
    let stages = stages(run)?;
    let analyses =
        Context { run, systems: &systems, structures: &structures, stages: &stages }.resolve()?;
    Ok(Plan {
        format: FORMAT,
        name: run.name.clone(),
        seed: run.seed,
        potential: potential(run, &inputs.potential),
        runs: runs(run, &systems),
        systems,
        stages,
        analyses,
    })
}

/// The structure repeated, then all lengths multiplied by `scale`.
pub(super) fn scaled(structure: &Structure, repeat: [usize; 3], scale: f64) -> Structure {
    let mut larger = supercell::repeat(structure, repeat);
    let matrix = math::matrix_scale(larger.cell.matrix(), scale);
    larger.cell =
        Cell::new(matrix, larger.cell.periodicity()).expect("a multiple of a cell is a cell");
    for r in &mut larger.positions {
        *r = math::scale(*r, scale);
    }
    larger
}

fn potential(run: &RunFile, loaded: &LoadedPotential) -> PotentialPlan {
    match (&run.potential.value, loaded) {
        (
            PotentialTable::Model { model, .. },
            LoadedPotential::Deep { blake3, precision, exact, .. },
        ) => PotentialPlan::DeepPotential {
            model: model.value.clone(),
            blake3: blake3.clone(),
            precision: *precision,
            exact: *exact,
            species: loaded.species().symbols().to_vec(),
            cutoff_a: loaded.cutoff(),
        },
        (PotentialTable::LennardJones { species, cutoff, shifted }, _) => {
            PotentialPlan::LennardJones {
                cutoff_a: *cutoff,
                shifted: shifted.unwrap_or(crate::inputs::SHIFTED),
                species: species.clone(),
            }
        }
        (PotentialTable::Zbl { species, inner, outer }, _) => {
            PotentialPlan::Zbl { species: species.clone(), inner_a: *inner, outer_a: *outer }
        }
        (PotentialTable::Model { .. }, _) => unreachable!("a model is loaded as a Deep Potential"),
    }
}

fn system(
    at: &At<'_>,
    table: &SystemTable,
    loaded: &LoadedStructure,
    inputs: &Inputs,
) -> Result<(SystemPlan, Structure), InputError> {
    let file = &table.structure;
    let refuse = |message: String| at.refuse(Some(file.line), "structure", message);
    loaded
        .structure
        .table
        .map_onto(inputs.potential.species())
        .map_err(|error| refuse(error.to_string()))?;
    if loaded.structure.is_empty() {
        return Err(refuse("there are no atoms".to_owned()));
    }
    let repeat = table.repeat.unwrap_or([1; 3]);
    let scale = match table.density {
        None => 1.0,
        Some(density) => scale_to(at, &loaded.structure, density)?,
    };
    let structure = scaled(&loaded.structure, repeat, scale);
    if structure.len() < 2 {
        let message = "a single atom has no temperature; use `repeat` to make a supercell";
        return Err(refuse(message.to_owned()));
    }
    // atoms are named as the file numbers them
    let unit = scaled(&loaded.structure, [1; 3], scale);
    let closest = closest_pair(&unit.cell, &unit.positions, SEARCH);
    if let Some((i, j, distance)) = closest.filter(|(_, _, distance)| *distance < OVERLAP) {
        return Err(refuse(format!(
            "atoms {} ({}) and {} ({}) overlap: {distance:.4} Å apart, at least {OVERLAP} Å is \
             needed",
            i + 1,
            unit.symbol(i),
            j + 1,
            unit.symbol(j)
        )));
    }
    let name = match &table.name {
        Some(name) => name.value.clone(),
        None => default_name(&file.value),
    };
    let plan = SystemPlan {
        name,
        structure: file.value.clone(),
        blake3: loaded.blake3.clone(),
        repeat,
        scale,
        formula: structure.formula(),
        atoms: structure.len(),
        density_g_per_cm3: structure.density_g_per_cm3(),
        cell_a: *structure.cell.matrix(),
        closest_pair_a: closest.map(|(_, _, distance)| distance),
    };
    Ok((plan, structure))
}

/// Stem of the file name, or the name of the builtin structure.
fn default_name(structure: &str) -> String {
    let last = structure.strip_prefix("builtin:").unwrap_or(structure);
    let file = Path::new(last).file_name().map_or(last.into(), |name| name.to_string_lossy());
    let stem: String = file.split('.').next().unwrap_or_default().to_owned();
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = stem.chars().map(safe).collect();
    if name.is_empty() { "system".to_owned() } else { name }
}

fn scale_to(at: &At<'_>, structure: &Structure, density: Located<f64>) -> Result<f64, InputError> {
    let present = structure.density();
    let ratio = present / density.value; // of volumes
    if !(1.0 / MOST_VOLUME_CHANGE..=MOST_VOLUME_CHANGE).contains(&ratio) {
        let grams = |value: f64| units::express(value, Kind::Density, "g/cm3");
        let message = format!(
            "{:.4} g/cm3 would change the volume by a factor of {ratio:.3}: the structure has \
             {:.4} g/cm3; at most a factor of {MOST_VOLUME_CHANGE} is accepted",
            grams(density.value),
            grams(present)
        );
        return Err(at.refuse(Some(density.line), "density", message));
    }
    Ok(ratio.cbrt())
}

fn runs(run: &RunFile, systems: &[SystemPlan]) -> Vec<RunPlan> {
    let temperatures: Vec<Option<f64>> = match &run.sweep {
        None => vec![None],
        Some(sweep) => sweep.iter().map(|t| Some(t.value)).collect(),
    };
    let mut runs: Vec<RunPlan> = Vec::new();
    for system in systems {
        for temperature_k in &temperatures {
            let id = match temperature_k {
                None => system.name.clone(),
                Some(t) => format!("{}-{t}K", system.name),
            };
            // TOML integers have a sign
            let seed = run.seed.wrapping_add(runs.len() as u64) & u64::MAX >> 1;
            let temperature_k = *temperature_k;
            runs.push(RunPlan { id, system: system.name.clone(), temperature_k, seed });
        }
    }
    runs
}

fn stages(run: &RunFile) -> Result<Vec<StagePlan>, InputError> {
    let mut plans: Vec<StagePlan> = Vec::new();
    for (number, table) in run.stages.iter().enumerate() {
        let name = &table.value.name;
        let title = format!("in [[stage]] {} (\"{}\")", number + 1, name.value);
        let at = At { run, title, line: table.line };
        if plans.iter().any(|other| other.name == name.value) {
            let message = format!("two stages are called \"{}\"", name.value);
            return Err(at.refuse(Some(name.line), "name", message));
        }
        let plan = stage(&at, &table.value, number == 0)?;
        validate(&at, &table.value, &plan)?;
        plans.push(plan);
    }
    Ok(plans)
}

fn stage(at: &At<'_>, table: &StageTable, first: bool) -> Result<StagePlan, InputError> {
    let kind = table.kind.value;
    let thermostat = kind != Ensemble::Nve;
    match table.temperature {
        Some(Located { value: Target::Sweep, line }) if at.run.sweep.is_none() => {
            let message = "\"sweep\" needs a table [sweep] with temperature = [\"700 K\", …]";
            return Err(at.refuse(Some(line), "temperature", message));
        }
        None if first => {
            let message = "the first stage needs one: initial velocities are drawn from it";
            return Err(at.refuse(None, "temperature", message));
        }
        Some(Located { line, .. }) if !thermostat && !first => {
            let message = "a stage of kind \"nve\" holds no temperature; only as first stage does \
                           it use one, for the initial velocities";
            return Err(at.refuse(Some(line), "temperature", message));
        }
        _ => {}
    }
    let timestep = table.timestep.value;
    let steps = match table.duration.value {
        Duration::Steps(steps) => steps,
        Duration::Time(time) => at.whole_steps(table.duration.line, "duration", time, timestep)?,
    };
    let every = |key: &str, interval: Option<Located<f64>>| {
        let Some(interval) = interval else { return Ok(None) };
        let every = at.whole_steps(interval.line, key, interval.value, timestep)?;
        if every > steps {
            let message = format!(
                "every {} fs is longer than the stage ({} fs)",
                interval.value,
                steps as f64 * timestep
            );
            return Err(at.refuse(Some(interval.line), key, message));
        }
        Ok(Some(every))
    };
    let schedule = |target: Target, factor: f64| match target {
        Target::Sweep => Schedule::Sweep(SweepWord::Sweep),
        Target::Constant(value) => Schedule::Constant(value * factor),
        Target::Ramp { start, end } => Schedule::Ramp { start: start * factor, end: end * factor },
    };
    let gpa = units::express(1.0, Kind::Pressure, "GPa");
    let method = table.thermostat.map_or(ThermostatKind::NoseHooverChain, |t| t.value);
    let piston = table.barostat.map_or(BarostatKind::MartynaTobiasKlein, |b| b.value);
    let pressured = kind == Ensemble::Npt;
    let moving_cell = pressured && piston == BarostatKind::MartynaTobiasKlein;
    let chains = (thermostat && method == ThermostatKind::NoseHooverChain) || moving_cell;
    let coupling = match &table.coupling {
        None => Coupling::ISOTROPIC,
        Some(name) => Coupling::from_name(&name.value).ok_or_else(|| {
            let message = format!(
                "expected \"isotropic\", \"anisotropic\", \"triclinic\", or the free axes with \
                 coupled ones together such as \"xy, z\", found \"{}\"",
                name.value
            );
            at.refuse(Some(name.line), "coupling", message)
        })?,
    };
    let bulk_modulus = table.bulk_modulus.map_or(BULK_MODULUS, |k| k.value * gpa);
    let chain = table.thermostat_chain.map_or(THERMOSTAT_CHAIN, |n| n.value as usize);
    let period = table.thermostat_period.map_or(THERMOSTAT_PERIOD, |t| t.value);
    let barostat = table.barostat_period.map_or(BAROSTAT_PERIOD, |t| t.value);
    Ok(StagePlan {
        name: table.name.value.clone(),
        kind,
        temperature_k: table.temperature.map(|t| schedule(t.value, 1.0)),
        pressure_gpa: table.pressure.map(|p| schedule(p.value, gpa)),
        timestep_fs: timestep,
        steps,
        thermostat: thermostat.then_some(method),
        thermostat_period_fs: thermostat.then_some(period),
        thermostat_chain: chains.then_some(chain),
        barostat: pressured.then_some(piston),
        barostat_period_fs: pressured.then_some(barostat),
        coupling: moving_cell.then(|| coupling.name()),
        bulk_modulus_gpa: (pressured && !moving_cell).then_some(bulk_modulus),
        skin_a: table.skin.map_or(SKIN, |skin| skin.value),
        max_displacement_a: table.max_displacement.map_or(MAX_DISPLACEMENT, |d| d.value),
        thermo_every: every("thermo", table.thermo)?.unwrap_or(THERMO_EVERY.min(steps)),
        trajectory_every: every("trajectory", table.trajectory)?,
        checkpoint_every: every("checkpoint", table.checkpoint)?
            .unwrap_or(CHECKPOINT_EVERY.min(steps)),
    })
}

/// The limits of the engine, reported on the line of the key.
fn validate(at: &At<'_>, table: &StageTable, plan: &StagePlan) -> Result<(), InputError> {
    let sweep = at.run.sweep.as_ref().and_then(|sweep| sweep.first()).map(|t| t.value);
    let Err(error) = plan.settings(sweep, 0).validate() else { return Ok(()) };
    let MdError::Setting { setting, found, expected } = &error else {
        return Err(at.refuse(None, "kind", error.to_string()));
    };
    let (key, line) = match *setting {
        "timestep" => ("timestep", Some(table.timestep.line)),
        "thermostat period" => ("thermostat_period", table.thermostat_period.map(|t| t.line)),
        "barostat period" => ("barostat_period", table.barostat_period.map(|t| t.line)),
        "chain" => ("thermostat_chain", table.thermostat_chain.map(|n| n.line)),
        "skin" => ("skin", table.skin.map(|skin| skin.line)),
        other => (other, None),
    };
    Err(at.refuse(line, key, format!("{found}: {expected}")))
}

/// The table a complaint is about.
struct At<'a> {
    run: &'a RunFile,
    title: String,
    line: usize,
}

impl At<'_> {
    fn refuse(&self, line: Option<usize>, key: &str, message: impl Into<String>) -> InputError {
        InputError::Value {
            place: self.run.place(line.unwrap_or(self.line)),
            key: key.to_owned(),
            table: self.title.clone(),
            message: message.into(),
        }
    }

    /// `time` in steps, refused unless whole: an interval is never rounded silently.
    fn whole_steps(
        &self,
        line: usize,
        key: &str,
        time: f64,
        timestep: f64,
    ) -> Result<u64, InputError> {
        let steps = (time / timestep).round();
        if steps < 1.0 || (time - steps * timestep).abs() > 1e-6 * timestep {
            let nearest = steps.max(1.0) * timestep;
            let message = format!(
                "{time} fs is not a whole number of timesteps of {timestep} fs; the nearest is \
                 {nearest} fs"
            );
            return Err(self.refuse(Some(line), key, message));
        }
        Ok(steps as u64)
    }
}
