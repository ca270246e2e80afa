//! `[[stage]]`: one piece of dynamics.

use super::located;
use super::on_the_fly::{CorrelationsTable, RadialTable, read_correlations, read_radial};
use super::reader::{Located, Table};
use super::target::{Target, read_target};
use super::{positive_quantity, refuse_unsafe_name};
use crate::error::InputError;
use serde::{Deserialize, Serialize};
use vitrion_core::units::Kind;
use vitrion_md::{TrajectoryFormat, TrajectorySettings};

/// `[[stage]]`
#[derive(Debug, Clone, PartialEq)]
pub struct StageTable {
    pub name: Located<String>,
    pub kind: Located<StageKind>,
    /// [K]
    pub temperature: Option<Located<Target>>,
    /// [fs]
    pub timestep: Located<f64>,
    pub duration: Located<Duration>,
    /// [fs]
    pub thermostat_period: Option<Located<f64>>,
    pub thermostat: Option<Located<ThermostatKind>>,
    /// Thermostats in a chain.
    pub thermostat_chain: Option<Located<u64>>,
    /// [eV/Å³]
    pub pressure: Option<Located<Target>>,
    pub barostat: Option<Located<BarostatKind>>,
    /// [fs]
    pub barostat_period: Option<Located<f64>>,
    /// Deformations that the barostat may make, by name.
    pub coupling: Option<Located<String>>,
    /// [eV/Å³]
    pub bulk_modulus: Option<Located<f64>>,
    /// Names of groups that do not move.
    pub freeze: Vec<Located<String>>,
    /// Thermostats of groups.
    pub thermostats: Vec<Located<GroupThermostat>>,
    /// Components xx, yy, zz, yz, xz, xy [1/fs].
    pub strain_rate: Option<Located<[f64; 6]>>,
    /// Of a minimisation [eV/Å] and [eV/Å³].
    pub force_tolerance: Option<Located<f64>>,
    pub stress_tolerance: Option<Located<f64>>,
    /// Skin of the neighbour list [Å].
    pub skin: Option<Located<f64>>,
    /// Longest displacement in one step [Å].
    pub max_displacement: Option<Located<f64>>,
    /// Interval between trajectory frames [fs], and what they hold.
    pub trajectory: Option<Located<f64>>,
    pub trajectory_settings: TrajectorySettings,
    /// Accumulated while the stage runs.
    pub correlations: Option<Located<CorrelationsTable>>,
    pub radial_distribution: Option<Located<RadialTable>>,
    /// Interval between thermo rows [fs].
    pub thermo: Option<Located<f64>>,
    /// Interval between checkpoints [fs].
    pub checkpoint: Option<Located<f64>>,
}

/// The thermostat of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupThermostat {
    pub group: Located<String>,
    /// [K]
    pub temperature: Located<Target>,
    pub thermostat: Option<Located<ThermostatKind>>,
    /// [fs]
    pub period: Option<Located<f64>>,
    /// Thermostats in a chain.
    pub chain: Option<Located<u64>>,
}

/// What a stage does: dynamics by what is held constant, or a minimisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    Nve,
    Nvt,
    Npt,
    Minimize,
}

impl StageKind {
    /// The word in run files.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Nve => "nve",
            StageKind::Nvt => "nvt",
            StageKind::Npt => "npt",
            StageKind::Minimize => "minimize",
        }
    }
}

/// How the temperature is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThermostatKind {
    NoseHooverChain,
    Csvr,
    Langevin,
}

const THERMOSTATS: [(&str, ThermostatKind); 3] = [
    ("nose_hoover_chain", ThermostatKind::NoseHooverChain),
    ("csvr", ThermostatKind::Csvr),
    ("langevin", ThermostatKind::Langevin),
];

/// How the pressure is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BarostatKind {
    MartynaTobiasKlein,
    StochasticCellRescaling,
}

const BAROSTATS: [(&str, BarostatKind); 2] = [
    ("martyna_tobias_klein", BarostatKind::MartynaTobiasKlein),
    ("stochastic_cell_rescaling", BarostatKind::StochasticCellRescaling),
];

/// How long a stage lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Duration {
    /// [fs]
    Time(f64),
    Steps(u64),
}

/// Of a minimisation, unless the run file says otherwise.
const MOST_STEPS: u64 = 5000;

const KEYS: [&str; 26] = [
    "name",
    "kind",
    "temperature",
    "timestep",
    "duration",
    "steps",
    "thermostat",
    "thermostat_period",
    "thermostat_chain",
    "pressure",
    "barostat",
    "barostat_period",
    "coupling",
    "bulk_modulus",
    "freeze",
    "thermostats",
    "strain_rate",
    "force_tolerance",
    "stress_tolerance",
    "skin",
    "max_displacement",
    "trajectory",
    "correlations",
    "radial_distribution",
    "thermo",
    "checkpoint",
];

impl StageTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        table.only(&KEYS)?;
        let name = table.require("name", "name = \"melt\"", table.string("name")?)?;
        refuse_unsafe_name(table, &name)?;
        let words = [StageKind::Nve, StageKind::Nvt, StageKind::Npt, StageKind::Minimize]
            .map(|kind| (kind.name(), kind));
        let kind = table.require("kind", "kind = \"nvt\"", table.word("kind", &words)?)?;
        refuse_keys_without_use(table, kind.value)?;
        let minimizes = kind.value == StageKind::Minimize;
        let needs_temperature = matches!(kind.value, StageKind::Nvt | StageKind::Npt);
        let temperature = read_target(table, "temperature", Kind::Temperature)?;
        if needs_temperature {
            table.require("temperature", "temperature = \"600 K\"", temperature)?;
        }
        let pressure = read_target(table, "pressure", Kind::Pressure)?;
        if kind.value == StageKind::Npt {
            table.require("pressure", "pressure = \"0 GPa\"", pressure)?;
        }
        let thermostat = table.word("thermostat", &THERMOSTATS)?;
        let barostat = table.word("barostat", &BAROSTATS)?;
        if minimizes && table.has("pressure") && !table.has("coupling") {
            return Err(table.refuse("pressure", "it needs a cell that may move: give `coupling`"));
        }
        let rescaling = barostat.is_some_and(|b| b.value != BarostatKind::MartynaTobiasKlein);
        let chains = thermostat.is_none_or(|t| t.value == ThermostatKind::NoseHooverChain)
            || (kind.value == StageKind::Npt && !rescaling);
        for (key, has_use, which) in [
            ("thermostat_chain", chains, "nose_hoover_chain or martyna_tobias_klein"),
            ("coupling", !rescaling, "martyna_tobias_klein"),
            ("bulk_modulus", rescaling, "stochastic_cell_rescaling"),
        ] {
            if table.has(key) && !has_use {
                return Err(table.refuse(key, format!("it belongs to {which}")));
            }
        }
        Ok(StageTable {
            name,
            kind,
            temperature,
            timestep: if minimizes {
                Located { value: 0.0, line: kind.line }
            } else {
                table.require(
                    "timestep",
                    "timestep = \"1 fs\"",
                    positive_quantity(table, "timestep", Kind::Time)?,
                )?
            },
            duration: if minimizes && !table.has("steps") {
                Located { value: Duration::Steps(MOST_STEPS), line: kind.line }
            } else {
                read_duration(table)?
            },
            thermostat_period: positive_quantity(table, "thermostat_period", Kind::Time)?,
            thermostat,
            thermostat_chain: table.count("thermostat_chain")?,
            pressure,
            barostat,
            coupling: table.string("coupling")?,
            bulk_modulus: positive_quantity(table, "bulk_modulus", Kind::Pressure)?,
            barostat_period: positive_quantity(table, "barostat_period", Kind::Time)?,
            freeze: table.strings("freeze")?.unwrap_or_default(),
            thermostats: located(&table.tables("thermostats")?, GroupThermostat::read)?,
            strain_rate: read_strain_rate(table)?,
            force_tolerance: positive_quantity(table, "force_tolerance", Kind::Force)?,
            stress_tolerance: positive_quantity(table, "stress_tolerance", Kind::Pressure)?,
            skin: table.quantity("skin", Kind::Length)?,
            max_displacement: positive_quantity(table, "max_displacement", Kind::Length)?,
            trajectory: read_every(
                table,
                "trajectory",
                &["every", "format", "velocities", "forces"],
            )?,
            trajectory_settings: read_trajectory(table)?,
            correlations: read_correlations(table)?,
            radial_distribution: read_radial(table)?,
            thermo: read_every(table, "thermo", &["every"])?,
            checkpoint: read_every(table, "checkpoint", &["every"])?,
        })
    }
}

impl GroupThermostat {
    fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let keys = ["group", "temperature", "thermostat", "thermostat_period", "thermostat_chain"];
        table.only(&keys)?;
        let temperature = read_target(table, "temperature", Kind::Temperature)?;
        let thermostat = table.word("thermostat", &THERMOSTATS)?;
        let chains = thermostat.is_none_or(|t| t.value == ThermostatKind::NoseHooverChain);
        if table.has("thermostat_chain") && !chains {
            return Err(table.refuse("thermostat_chain", "it belongs to nose_hoover_chain"));
        }
        Ok(GroupThermostat {
            group: table.require("group", "group = \"crystal\"", table.string("group")?)?,
            temperature: table.require("temperature", "temperature = \"300 K\"", temperature)?,
            thermostat,
            period: positive_quantity(table, "thermostat_period", Kind::Time)?,
            chain: table.count("thermostat_chain")?,
        })
    }
}

/// `strain_rate = { xx = "1e-4 /ps", xy = "2e-5 /ps" }`; components not named are zero.
fn read_strain_rate(table: &Table<'_>) -> Result<Option<Located<[f64; 6]>>, InputError> {
    const COMPONENTS: [&str; 6] = ["xx", "yy", "zz", "yz", "xz", "xy"];
    let Some(inner) = table.table("strain_rate", &format!("{} strain_rate", table.title))? else {
        return Ok(None);
    };
    inner.only(&COMPONENTS)?;
    let mut rate = [0.0; 6];
    for (component, value) in COMPONENTS.iter().zip(&mut rate) {
        *value = inner.quantity(component, Kind::Rate)?.map_or(0.0, |rate| rate.value);
    }
    if rate.iter().all(|x| x.abs() <= 0.0) {
        return Err(table.refuse("strain_rate", "no component is given that is not zero"));
    }
    Ok(Some(Located { value: rate, line: inner.line() }))
}

/// Keys that only some kinds of stages have a use for.
const OF_THERMOSTATS: [&str; 3] = ["thermostat", "thermostat_period", "thermostat_chain"];
const OF_BAROSTATS: [&str; 3] = ["barostat", "barostat_period", "bulk_modulus"];
const OF_CELLS: [&str; 2] = ["pressure", "coupling"];
const OF_MINIMA: [&str; 2] = ["force_tolerance", "stress_tolerance"];
const OF_MOTION: [&str; 11] = [
    "temperature",
    "timestep",
    "duration",
    "freeze",
    "thermostats",
    "strain_rate",
    "trajectory",
    "correlations",
    "radial_distribution",
    "thermo",
    "checkpoint",
];

fn refuse_keys_without_use(table: &Table<'_>, kind: StageKind) -> Result<(), InputError> {
    let useless: &[&[&str]] = match kind {
        StageKind::Nve => &[&OF_THERMOSTATS, &OF_CELLS, &OF_BAROSTATS, &OF_MINIMA],
        StageKind::Nvt => &[&OF_CELLS, &OF_BAROSTATS, &OF_MINIMA],
        StageKind::Npt => &[&["strain_rate"], &OF_MINIMA],
        StageKind::Minimize => &[&OF_MOTION, &OF_THERMOSTATS, &OF_BAROSTATS],
    };
    match useless.iter().copied().flatten().find(|key| table.has(key)) {
        None => Ok(()),
        Some(key) => {
            let message = format!("it has no meaning in a stage of kind \"{}\"", kind.name());
            Err(table.refuse(key, message))
        }
    }
}

fn read_duration(table: &Table<'_>) -> Result<Located<Duration>, InputError> {
    let duration = positive_quantity(table, "duration", Kind::Time)?;
    let steps = table.count("steps")?;
    match (duration, steps) {
        (Some(_), Some(_)) => {
            Err(table.refuse("steps", "a stage has a `duration` or `steps`, not both"))
        }
        (Some(time), None) => Ok(Located { value: Duration::Time(time.value), line: time.line }),
        (None, Some(steps)) if steps.value == 0 => {
            Err(table.refuse("steps", "it must be at least 1"))
        }
        (None, Some(steps)) => {
            Ok(Located { value: Duration::Steps(steps.value), line: steps.line })
        }
        (None, None) => table.require("duration", "duration = \"2 ps\" (or steps = 2000)", None),
    }
}

/// `trajectory = { …, format = "amber-netcdf", velocities = true, forces = true }`
fn read_trajectory(table: &Table<'_>) -> Result<TrajectorySettings, InputError> {
    let Some(inner) = table.table("trajectory", &format!("{} trajectory", table.title))? else {
        return Ok(TrajectorySettings::default());
    };
    let flag = |key: &str| -> Result<bool, InputError> {
        Ok(inner.boolean(key)?.is_some_and(|flag| flag.value))
    };
    let formats = TrajectoryFormat::ALL.map(|format| (format.name(), format));
    let format = inner.word("format", &formats)?.map_or_else(Default::default, |f| f.value);
    let settings =
        TrajectorySettings { format, velocities: flag("velocities")?, forces: flag("forces")? };
    if settings.forces && format == TrajectoryFormat::AmberNetcdf {
        let message = "AMBER NetCDF files hold no forces; write extxyz or lammps-dump";
        return Err(inner.refuse("forces", message));
    }
    Ok(settings)
}

/// `key = { every = "20 fs" }` and maybe more keys
fn read_every(
    table: &Table<'_>,
    key: &str,
    keys: &[&str],
) -> Result<Option<Located<f64>>, InputError> {
    let Some(inner) = table.table(key, &format!("{} {key}", table.title))? else {
        return Ok(None);
    };
    inner.only(keys)?;
    let every = positive_quantity(&inner, "every", Kind::Time)?;
    inner.require("every", "every = \"20 fs\"", every).map(Some)
}
