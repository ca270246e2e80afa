//! Stages: defaults filled in, intervals in steps, groups checked.

use super::At;
use crate::error::InputError;
use crate::plan::groups::members;
use crate::plan::{
    CorrelationsPlan, GroupPlan, GroupThermostatPlan, Members, RadialPlan, Schedule, StagePlan,
    SweepWord,
};
use crate::run_file::{
    BarostatKind, Duration, Located, RunFile, StageKind, StageTable, Target, ThermostatKind,
};
use vitrion_core::Structure;
use vitrion_core::units::{self, Kind};
use vitrion_md::{Coupling, MdError, MinimizeSettings};

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
/// Range and bins of radial distribution functions [Å].
const R_MAX: f64 = 8.0;
const DR: f64 = 0.05;
/// Steps between thermo rows.
const THERMO_EVERY: u64 = 10;
/// Steps between checkpoints.
const CHECKPOINT_EVERY: u64 = 1000;

pub(super) fn stages(
    run: &RunFile,
    groups: &[GroupPlan],
    structures: &[Structure],
) -> Result<Vec<StagePlan>, InputError> {
    let members: Vec<Members> =
        structures.iter().map(|structure| members(groups, structure)).collect();
    let mut plans: Vec<StagePlan> = Vec::new();
    for (number, table) in run.stages.iter().enumerate() {
        let name = &table.value.name;
        let title = format!("in [[stage]] {} (\"{}\")", number + 1, name.value);
        let at = At { run, title, line: table.line };
        if plans.iter().any(|other| other.name == name.value) {
            let message = format!("two stages are called \"{}\"", name.value);
            return Err(at.refuse(Some(name.line), "name", message));
        }
        check_groups(&at, &table.value, groups)?;
        if table.value.kind.value == StageKind::Minimize {
            plans.push(minimization(&at, &table.value)?);
            continue;
        }
        let first = plans.iter().all(|plan| plan.kind == StageKind::Minimize);
        let plan = stage(&at, &table.value, first)?;
        validate(&at, &table.value, &plan)?;
        check_on_the_fly(&at, &table.value, &plan, structures)?;
        for (members, structure) in members.iter().zip(structures) {
            let settings = plan.settings(at.any_temperature(), 0, members);
            settings.validate_atoms(structure.len()).map_err(|error| {
                let key = if plan.freeze.is_empty() { "thermostats" } else { "freeze" };
                at.refuse(None, key, error.to_string())
            })?;
        }
        plans.push(plan);
    }
    Ok(plans)
}

fn stage(at: &At<'_>, table: &StageTable, first: bool) -> Result<StagePlan, InputError> {
    let kind = table.kind.value;
    let thermostat = kind != StageKind::Nve;
    let swept = at.run.sweep.as_ref().is_some_and(|sweep| !sweep.temperatures.is_empty());
    let targets = table.thermostats.iter().map(|t| t.value.temperature).chain(table.temperature);
    if let Some(Located { line, .. }) = { targets }.find(|t| t.value == Target::Sweep && !swept) {
        let message = "\"sweep\" needs a table [sweep] with temperature = [\"700 K\", …]";
        return Err(at.refuse(Some(line), "temperature", message));
    }
    match table.temperature {
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
        Target::Ramp { start, end, plateaus } => {
            Schedule::Ramp { start: start * factor, end: end * factor, plateaus }
        }
    };
    let gpa = units::express(1.0, Kind::Pressure, "GPa");
    let method = table.thermostat.map_or(ThermostatKind::NoseHooverChain, |t| t.value);
    let piston = table.barostat.map_or(BarostatKind::MartynaTobiasKlein, |b| b.value);
    let pressured = kind == StageKind::Npt;
    let moving_cell = pressured && piston == BarostatKind::MartynaTobiasKlein;
    let chains = (thermostat && method == ThermostatKind::NoseHooverChain) || moving_cell;
    let coupling = coupling(at, table)?.unwrap_or(Coupling::ISOTROPIC);
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
        freeze: table.freeze.iter().map(|name| name.value.clone()).collect(),
        thermostats: table
            .thermostats
            .iter()
            .map(|Located { value: t, .. }| {
                let method = t.thermostat.map_or(ThermostatKind::NoseHooverChain, |m| m.value);
                let chain = t.chain.map_or(THERMOSTAT_CHAIN, |n| n.value as usize);
                GroupThermostatPlan {
                    group: t.group.value.clone(),
                    temperature_k: schedule(t.temperature.value, 1.0),
                    thermostat: method,
                    thermostat_period_fs: t.period.map_or(THERMOSTAT_PERIOD, |t| t.value),
                    thermostat_chain: (method == ThermostatKind::NoseHooverChain).then_some(chain),
                }
            })
            .collect(),
        force_tolerance_ev_per_a: None,
        stress_tolerance_gpa: None,
        strain_rate_per_ps: table.strain_rate.map(|rate| rate.value.map(|x| x * 1e3)),
        skin_a: table.skin.map_or(SKIN, |skin| skin.value),
        max_displacement_a: table.max_displacement.map_or(MAX_DISPLACEMENT, |d| d.value),
        thermo_every: every("thermo", table.thermo)?.unwrap_or(THERMO_EVERY.min(steps)),
        trajectory_every: every("trajectory", table.trajectory)?,
        trajectory_format: table.trajectory.map(|_| table.trajectory_settings.format),
        trajectory_velocities: table.trajectory_settings.velocities,
        trajectory_forces: table.trajectory_settings.forces,
        checkpoint_every: every("checkpoint", table.checkpoint)?
            .unwrap_or(CHECKPOINT_EVERY.min(steps)),
        correlations: match &table.correlations {
            None => None,
            Some(Located { value, .. }) => Some(CorrelationsPlan {
                every: every("correlations", Some(value.every))?.unwrap_or(1),
                longest_fs: value.longest.value,
                charges: value.charges.iter().cloned().collect(),
            }),
        },
        radial_distribution: match &table.radial_distribution {
            None => None,
            Some(Located { value, .. }) => Some(RadialPlan {
                every: every("radial_distribution", Some(value.every))?.unwrap_or(1),
                r_max_a: value.r_max.map_or(R_MAX, |r| r.value),
                dr_a: value.dr.map_or(DR, |dr| dr.value),
            }),
        },
    })
}

fn coupling(at: &At<'_>, table: &StageTable) -> Result<Option<Coupling>, InputError> {
    let Some(name) = &table.coupling else { return Ok(None) };
    Coupling::from_name(&name.value).map(Some).ok_or_else(|| {
        let message = format!(
            "expected \"isotropic\", \"anisotropic\", \"triclinic\", or the free axes with coupled ones \
             together such as \"xy, z\", found \"{}\"",
            name.value
        );
        at.refuse(Some(name.line), "coupling", message)
    })
}

/// A stage in which no time passes.
fn minimization(at: &At<'_>, table: &StageTable) -> Result<StagePlan, InputError> {
    let gpa = units::express(1.0, Kind::Pressure, "GPa");
    let coupling = coupling(at, table)?;
    let defaults = MinimizeSettings::default();
    let pressure = match table.pressure {
        None => coupling.map(|_| 0.0),
        Some(Located { value: Target::Constant(value), .. }) => Some(value * gpa),
        Some(Located { line, .. }) => {
            return Err(at.refuse(Some(line), "pressure", "a minimum has one pressure, no ramp"));
        }
    };
    let Duration::Steps(steps) = table.duration.value else {
        return Err(at.refuse(
            Some(table.duration.line),
            "duration",
            "say `steps`: no time passes",
        ));
    };
    let force = table.force_tolerance.map_or(defaults.force_tolerance, |f| f.value);
    let stress = table.stress_tolerance.map_or(defaults.stress_tolerance, |s| s.value);
    Ok(StagePlan {
        name: table.name.value.clone(),
        kind: StageKind::Minimize,
        temperature_k: None,
        pressure_gpa: pressure.map(Schedule::Constant),
        timestep_fs: 0.0,
        steps,
        thermostat: None,
        thermostat_period_fs: None,
        thermostat_chain: None,
        barostat: None,
        barostat_period_fs: None,
        coupling: coupling.map(Coupling::name),
        bulk_modulus_gpa: None,
        freeze: Vec::new(),
        thermostats: Vec::new(),
        strain_rate_per_ps: None,
        force_tolerance_ev_per_a: Some(force),
        stress_tolerance_gpa: coupling.map(|_| stress * gpa),
        skin_a: table.skin.map_or(defaults.skin, |skin| skin.value),
        max_displacement_a: table.max_displacement.map_or(defaults.max_displacement, |d| d.value),
        thermo_every: steps,
        trajectory_every: None,
        trajectory_format: None,
        trajectory_velocities: false,
        trajectory_forces: false,
        checkpoint_every: steps,
        correlations: None,
        radial_distribution: None,
    })
}

/// The limits of the engine, reported on the line of the key.
fn validate(at: &At<'_>, table: &StageTable, plan: &StagePlan) -> Result<(), InputError> {
    let settings = plan.settings(at.any_temperature(), 0, &Members::default());
    let Err(error) = settings.validate() else { return Ok(()) };
    let MdError::Setting { setting, found, expected } = &error else {
        return Err(at.refuse(None, "kind", error.to_string()));
    };
    let (key, line) = match *setting {
        "timestep" => ("timestep", Some(table.timestep.line)),
        "thermostat period" => ("thermostat_period", table.thermostat_period.map(|t| t.line)),
        "barostat period" => ("barostat_period", table.barostat_period.map(|t| t.line)),
        "chain" => ("thermostat_chain", table.thermostat_chain.map(|n| n.line)),
        "plateaus" => ("temperature", table.temperature.map(|t| t.line)),
        "strain_rate" => ("strain_rate", table.strain_rate.map(|rate| rate.line)),
        "skin" => ("skin", table.skin.map(|skin| skin.line)),
        other => (other, None),
    };
    Err(at.refuse(line, key, format!("{found}: {expected}")))
}

/// Names in a stage must be groups of the file.
fn check_groups(at: &At<'_>, table: &StageTable, groups: &[GroupPlan]) -> Result<(), InputError> {
    let frozen = table.freeze.iter().map(|name| ("freeze", name));
    let held = table.thermostats.iter().map(|t| ("thermostats", &t.value.group));
    for (key, name) in frozen.chain(held) {
        if !groups.iter().any(|group| group.name == name.value) {
            let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            let hint = if known.is_empty() {
                "; define it with [[group]] name, and element, phase, atoms, x, y or z".to_owned()
            } else {
                format!("; there is {}", known.join(", "))
            };
            let message = format!("there is no group \"{}\"{hint}", name.value);
            return Err(at.refuse(Some(name.line), key, message));
        }
    }
    Ok(())
}

/// What is accumulated while the stage runs must suit every system.
fn check_on_the_fly(
    at: &At<'_>,
    table: &StageTable,
    plan: &StagePlan,
    structures: &[Structure],
) -> Result<(), InputError> {
    for structure in structures {
        plan.check_observers(structure).map_err(|(name, error)| {
            let line = match name {
                "correlations" => table.correlations.as_ref().map(|c| c.line),
                _ => table.radial_distribution.as_ref().map(|r| r.line),
            };
            at.refuse(line, name, error.to_string())
        })?;
    }
    Ok(())
}
