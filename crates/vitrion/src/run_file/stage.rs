//! `[[stage]]`: one piece of dynamics.

use super::reader::{Located, Table};
use super::{positive_quantity, refuse_unsafe_name};
use crate::error::InputError;
use serde::{Deserialize, Serialize};
use vitrion_core::units::Kind;

/// `[[stage]]`
#[derive(Debug, Clone, PartialEq)]
pub struct StageTable {
    pub name: Located<String>,
    pub kind: Located<Ensemble>,
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
    /// Skin of the neighbour list [Å].
    pub skin: Option<Located<f64>>,
    /// Longest displacement in one step [Å].
    pub max_displacement: Option<Located<f64>>,
    /// Interval between trajectory frames [fs].
    pub trajectory: Option<Located<f64>>,
    /// Interval between thermo rows [fs].
    pub thermo: Option<Located<f64>>,
    /// Interval between checkpoints [fs].
    pub checkpoint: Option<Located<f64>>,
}

/// What is held constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ensemble {
    Nve,
    Nvt,
    Npt,
}

impl Ensemble {
    /// The word in run files.
    pub fn name(self) -> &'static str {
        match self {
            Ensemble::Nve => "nve",
            Ensemble::Nvt => "nvt",
            Ensemble::Npt => "npt",
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

/// A temperature or pressure that a stage aims at, in internal units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// That of the sweep; temperatures only.
    Sweep,
    Constant(f64),
    /// Linear in time.
    Ramp {
        start: f64,
        end: f64,
    },
}

/// How long a stage lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Duration {
    /// [fs]
    Time(f64),
    Steps(u64),
}

const KEYS: [&str; 19] = [
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
    "skin",
    "max_displacement",
    "trajectory",
    "thermo",
    "checkpoint",
];

impl StageTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        table.only(&KEYS)?;
        let name = table.require("name", "name = \"melt\"", table.string("name")?)?;
        refuse_unsafe_name(table, &name)?;
        let words = [("nve", Ensemble::Nve), ("nvt", Ensemble::Nvt), ("npt", Ensemble::Npt)];
        let kind = table.require("kind", "kind = \"nvt\"", table.word("kind", &words)?)?;
        refuse_keys_without_use(table, kind.value)?;
        let needs_temperature = kind.value != Ensemble::Nve;
        let temperature = read_target(table, "temperature", Kind::Temperature)?;
        if needs_temperature {
            table.require("temperature", "temperature = \"600 K\"", temperature)?;
        }
        let pressure = read_target(table, "pressure", Kind::Pressure)?;
        if kind.value == Ensemble::Npt {
            table.require("pressure", "pressure = \"0 GPa\"", pressure)?;
        }
        let thermostat = table.word("thermostat", &THERMOSTATS)?;
        let barostat = table.word("barostat", &BAROSTATS)?;
        let rescaling = barostat.is_some_and(|b| b.value != BarostatKind::MartynaTobiasKlein);
        let chains = thermostat.is_none_or(|t| t.value == ThermostatKind::NoseHooverChain)
            || (kind.value == Ensemble::Npt && !rescaling);
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
            timestep: table.require(
                "timestep",
                "timestep = \"1 fs\"",
                positive_quantity(table, "timestep", Kind::Time)?,
            )?,
            duration: read_duration(table)?,
            thermostat_period: positive_quantity(table, "thermostat_period", Kind::Time)?,
            thermostat,
            thermostat_chain: table.count("thermostat_chain")?,
            pressure,
            barostat,
            coupling: table.string("coupling")?,
            bulk_modulus: positive_quantity(table, "bulk_modulus", Kind::Pressure)?,
            barostat_period: positive_quantity(table, "barostat_period", Kind::Time)?,
            skin: table.quantity("skin", Kind::Length)?,
            max_displacement: positive_quantity(table, "max_displacement", Kind::Length)?,
            trajectory: read_every(table, "trajectory")?,
            thermo: read_every(table, "thermo")?,
            checkpoint: read_every(table, "checkpoint")?,
        })
    }
}

fn refuse_keys_without_use(table: &Table<'_>, kind: Ensemble) -> Result<(), InputError> {
    let useless: &[&str] = match kind {
        Ensemble::Nve => &[
            "thermostat",
            "thermostat_period",
            "thermostat_chain",
            "pressure",
            "barostat",
            "barostat_period",
            "coupling",
            "bulk_modulus",
        ],
        Ensemble::Nvt => &["pressure", "barostat", "barostat_period", "coupling", "bulk_modulus"],
        Ensemble::Npt => &[],
    };
    for key in useless {
        if table.has(key) {
            let message = format!("it has no meaning in a stage of kind \"{}\"", kind.name());
            return Err(table.refuse(key, message));
        }
    }
    Ok(())
}

/// A quantity, a table with `start` and `end`, or (temperatures) the word "sweep".
fn read_target(
    table: &Table<'_>,
    key: &str,
    kind: Kind,
) -> Result<Option<Located<Target>>, InputError> {
    // a pressure may be negative
    let read = |table: &Table<'_>, key: &str| match kind {
        Kind::Temperature => positive_quantity(table, key, kind),
        _ => table.quantity(key, kind),
    };
    if let Ok(Some(ramp)) = table.table(key, &format!("{} {key}", table.title)) {
        ramp.only(&["start", "end"])?;
        let example = |key: &str| format!("{key} = \"300 {}\"", kind.internal_unit());
        let start = ramp.require("start", &example("start"), read(&ramp, "start")?)?;
        let end = ramp.require("end", &example("end"), read(&ramp, "end")?)?;
        let value = Target::Ramp { start: start.value, end: end.value };
        return Ok(Some(Located { value, line: start.line }));
    }
    if let Ok(Some(Located { value, line })) = table.string(key)
        && value == "sweep"
        && kind == Kind::Temperature
    {
        return Ok(Some(Located { value: Target::Sweep, line }));
    }
    Ok(read(table, key)?.map(|q| Located { value: Target::Constant(q.value), line: q.line }))
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

/// `key = { every = "20 fs" }`
fn read_every(table: &Table<'_>, key: &str) -> Result<Option<Located<f64>>, InputError> {
    let Some(inner) = table.table(key, &format!("{} {key}", table.title))? else {
        return Ok(None);
    };
    inner.only(&["every"])?;
    let every = positive_quantity(&inner, "every", Kind::Time)?;
    inner.require("every", "every = \"20 fs\"", every).map(Some)
}
