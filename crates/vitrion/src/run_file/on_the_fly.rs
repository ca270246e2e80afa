//! What a stage accumulates while it runs.

use super::positive_quantity;
use super::reader::{Located, Table};
use crate::error::InputError;
use vitrion_core::units::Kind;

/// `correlations = { every = "10 fs", longest = "50 ps", charges = { Li = 1, P = 5, S = -2 } }`
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelationsTable {
    /// [fs]
    pub every: Located<f64>,
    /// [fs]
    pub longest: Located<f64>,
    /// By element; empty without.
    pub charges: Vec<(String, i64)>,
}

/// `radial_distribution = { every = "50 fs", r_max = "8 A", dr = "0.05 A" }`
#[derive(Debug, Clone, PartialEq)]
pub struct RadialTable {
    /// [fs]
    pub every: Located<f64>,
    /// [Å]
    pub r_max: Option<Located<f64>>,
    /// [Å]
    pub dr: Option<Located<f64>>,
}

pub(super) fn read_correlations(
    table: &Table<'_>,
) -> Result<Option<Located<CorrelationsTable>>, InputError> {
    let Some(inner) = table.table("correlations", &format!("{} correlations", table.title))? else {
        return Ok(None);
    };
    inner.only(&["every", "longest", "charges"])?;
    let time = |key: &str| {
        let example = format!("{key} = \"20 fs\"");
        inner.require(key, &example, positive_quantity(&inner, key, Kind::Time)?)
    };
    let mut charges = Vec::new();
    if let Some(list) = inner.table("charges", &format!("{} charges", inner.title))? {
        for symbol in list.keys() {
            let charge = list.integer(&symbol)?.expect("the key is there");
            charges.push((symbol, charge.value));
        }
    }
    let value = CorrelationsTable { every: time("every")?, longest: time("longest")?, charges };
    Ok(Some(Located { value, line: inner.line() }))
}

pub(super) fn read_radial(table: &Table<'_>) -> Result<Option<Located<RadialTable>>, InputError> {
    let title = format!("{} radial_distribution", table.title);
    let Some(inner) = table.table("radial_distribution", &title)? else { return Ok(None) };
    inner.only(&["every", "r_max", "dr"])?;
    let every = positive_quantity(&inner, "every", Kind::Time)?;
    let value = RadialTable {
        every: inner.require("every", "every = \"50 fs\"", every)?,
        r_max: positive_quantity(&inner, "r_max", Kind::Length)?,
        dr: positive_quantity(&inner, "dr", Kind::Length)?,
    };
    Ok(Some(Located { value, line: inner.line() }))
}
