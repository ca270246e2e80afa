//! `[system]`: where atoms come from.

use super::reader::{Located, Table};
use super::{positive_quantity, refuse_unsafe_name};
use crate::error::InputError;
use vitrion_core::units::Kind;

/// `[system]`
#[derive(Debug, Clone, PartialEq)]
pub struct SystemTable {
    /// Folder names of its runs start with it.
    pub name: Option<Located<String>>,
    /// "builtin:beta-li3ps4" or a path.
    pub structure: Located<String>,
    /// Elements of numbered types, where the file has only numbers.
    pub type_map: Option<Vec<String>>,
    /// Supercell.
    pub repeat: Option<[usize; 3]>,
    /// Density the cell is scaled to [amu/Å³].
    pub density: Option<Located<f64>>,
    /// Part of the atoms that are crystal, where no labels say it.
    pub crystal_fraction: Option<f64>,
}

impl SystemTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        table.only(&["name", "structure", "type_map", "repeat", "density", "crystal_fraction"])?;
        let name = table.string("name")?;
        if let Some(name) = &name {
            refuse_unsafe_name(table, name)?;
        }
        let crystal_fraction = table.number("crystal_fraction")?.map(|found| found.value);
        if crystal_fraction.is_some_and(|part| !(0.0..=1.0).contains(&part)) {
            return Err(table.refuse("crystal_fraction", "expected a part between 0 and 1"));
        }
        Ok(SystemTable {
            crystal_fraction,
            name,
            structure: table.require(
                "structure",
                "structure = \"crystal.cif\"",
                table.string("structure")?,
            )?,
            type_map: table
                .strings("type_map")?
                .map(|symbols| symbols.into_iter().map(|symbol| symbol.value).collect()),
            repeat: read_repeat(table)?,
            density: positive_quantity(table, "density", Kind::Density)?,
        })
    }
}

/// Counts of a supercell, if the key is there.
pub(super) fn read_repeat(table: &Table<'_>) -> Result<Option<[usize; 3]>, InputError> {
    let Some(counts) = table.integers("repeat")? else { return Ok(None) };
    let values: Vec<i64> = counts.iter().map(|count| count.value).collect();
    let wrong = || {
        table.refuse("repeat", format!("expected three counts from 1 to 1000, found {values:?}"))
    };
    let mut repeat = [0; 3];
    if values.len() != 3 {
        return Err(wrong());
    }
    for (count, value) in repeat.iter_mut().zip(&values) {
        *count =
            usize::try_from(*value).ok().filter(|n| (1..=1000).contains(n)).ok_or_else(wrong)?;
    }
    Ok(Some(repeat))
}
