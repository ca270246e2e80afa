//! `[potential]`: a model file, a model inside the binary, or an analytic potential.

use super::device::DeviceChoice;
use super::positive_quantity;
use super::reader::{Located, Table};
use crate::error::InputError;
use serde::{Deserialize, Serialize};
use vitrion_core::units::Kind;

/// `[potential]`
#[derive(Debug, Clone, PartialEq)]
pub enum PotentialTable {
    /// A Deep Potential.
    Model {
        /// "builtin:li-p-s" or a path.
        model: Located<String>,
        /// Arithmetic of the networks.
        precision: Option<Precision>,
        /// Embedding nets themselves instead of their tables.
        exact: Option<bool>,
        /// What computes.
        device: Option<Located<DeviceChoice>>,
        /// Matrix products on the tensor cores of a CUDA device.
        tensor_cores: Option<Located<bool>>,
    },
    /// Lennard-Jones, Lorentz–Berthelot mixed.
    LennardJones {
        species: Vec<LennardJonesSpecies>,
        /// [Å]
        cutoff: f64,
        /// Energy zero at the cutoff.
        shifted: Option<bool>,
    },
    /// Screened nuclear repulsion.
    Zbl {
        species: Vec<String>,
        /// Where the switch to zero starts and ends [Å].
        inner: f64,
        outer: f64,
    },
}

/// Arithmetic of a Deep Potential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f64 throughout.
    Double,
    /// f32 networks, f64 sums.
    Mixed,
}

/// Parameters of one species.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LennardJonesSpecies {
    pub symbol: String,
    /// Well depth [eV].
    pub epsilon_ev: f64,
    /// Distance of zero energy [Å].
    pub sigma_a: f64,
}

#[derive(Clone, Copy)]
enum Analytic {
    LennardJones,
    Zbl,
}

impl PotentialTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let words = [("lennard_jones", Analytic::LennardJones), ("zbl", Analytic::Zbl)];
        match table.word("kind", &words)?.map(|kind| kind.value) {
            None => read_model(table),
            Some(_) if table.has("model") => {
                Err(table.refuse("kind", "a potential has a `model` or a `kind`, not both"))
            }
            Some(Analytic::LennardJones) => read_lennard_jones(table),
            Some(Analytic::Zbl) => {
                table.only(&["kind", "species", "inner", "outer"])?;
                let species = table.require(
                    "species",
                    "species = [\"Li\", \"S\"]",
                    table.strings("species")?,
                )?;
                Ok(PotentialTable::Zbl {
                    species: species.into_iter().map(|symbol| symbol.value).collect(),
                    inner: length(table, "inner", "inner = \"0.8 A\"")?,
                    outer: length(table, "outer", "outer = \"1.6 A\"")?,
                })
            }
        }
    }
}

fn read_model(table: &Table<'_>) -> Result<PotentialTable, InputError> {
    table.only(&["model", "precision", "exact", "device", "tensor_cores", "kind"])?;
    let words = [("double", Precision::Double), ("mixed", Precision::Mixed)];
    Ok(PotentialTable::Model {
        model: table.require("model", "model = \"builtin:li-p-s\"", table.string("model")?)?,
        precision: table.word("precision", &words)?.map(|word| word.value),
        exact: table.boolean("exact")?.map(|word| word.value),
        device: DeviceChoice::read(table)?,
        tensor_cores: table.boolean("tensor_cores")?,
    })
}

fn read_lennard_jones(table: &Table<'_>) -> Result<PotentialTable, InputError> {
    table.only(&["kind", "species", "cutoff", "shifted"])?;
    let example = "species = { Ar = { epsilon = \"10.3 meV\", sigma = \"3.4 A\" } }";
    let all =
        table.require("species", example, table.table("species", "in [potential] species")?)?;
    let mut species = Vec::new();
    for symbol in all.keys() {
        let title = format!("in [potential] species {symbol}");
        let one = all.require(&symbol, example, all.table(&symbol, &title)?)?;
        one.only(&["epsilon", "sigma"])?;
        let epsilon = positive_quantity(&one, "epsilon", Kind::Energy)?;
        species.push(LennardJonesSpecies {
            symbol,
            epsilon_ev: one.require("epsilon", "epsilon = \"10.3 meV\"", epsilon)?.value,
            sigma_a: length(&one, "sigma", "sigma = \"3.4 A\"")?,
        });
    }
    if species.is_empty() {
        return Err(table.refuse("species", "it names no species"));
    }
    Ok(PotentialTable::LennardJones {
        species,
        cutoff: length(table, "cutoff", "cutoff = \"8.5 A\"")?,
        shifted: table.boolean("shifted")?.map(|shifted| shifted.value),
    })
}

fn length(table: &Table<'_>, key: &str, example: &str) -> Result<f64, InputError> {
    let length = positive_quantity(table, key, Kind::Length)?;
    Ok(table.require(key, example, length)?.value)
}
