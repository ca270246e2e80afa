//! `[[group]]`: named atoms that stages freeze or hold at a temperature of their own.

use super::reader::{Located, Table};
use super::refuse_unsafe_name;
use crate::error::InputError;
use vitrion_core::units::Kind;

/// `[[group]]`: atoms that meet all conditions given.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTable {
    pub name: Located<String>,
    pub elements: Option<Vec<Located<String>>>,
    /// Labels of atoms in the structure file.
    pub phases: Option<Vec<Located<String>>>,
    /// For example "1-512, 600", from 1.
    pub atoms: Option<Located<String>>,
    /// Intervals of Cartesian coordinates [Å] of the structure as it is simulated, moved into the cell.
    pub region: [Option<Located<[f64; 2]>>; 3],
}

impl GroupTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        table.only(&["name", "element", "phase", "atoms", "x", "y", "z"])?;
        let name = table.require("name", "name = \"crystal\"", table.string("name")?)?;
        refuse_unsafe_name(table, &name)?;
        let interval = |key: &str| -> Result<Option<Located<[f64; 2]>>, InputError> {
            let Some(ends) = table.quantities(key, Kind::Length)? else { return Ok(None) };
            match ends.as_slice() {
                [low, high] if low.value < high.value => {
                    Ok(Some(Located { value: [low.value, high.value], line: low.line }))
                }
                _ => Err(table.refuse(
                    key,
                    format!(
                        "expected two lengths, the lower one first, such as {key} = [\"0 A\", \
                             \"20 A\"]"
                    ),
                )),
            }
        };
        let group = GroupTable {
            elements: words(table, "element")?,
            phases: words(table, "phase")?,
            atoms: table.string("atoms")?,
            region: [interval("x")?, interval("y")?, interval("z")?],
            name,
        };
        let conditions = group.elements.is_some()
            || group.phases.is_some()
            || group.atoms.is_some()
            || group.region.iter().any(Option::is_some);
        if conditions {
            return Ok(group);
        }
        let message = "it names no atoms; give element, phase, atoms, x, y or z";
        Err(table.refuse("name", message))
    }
}

/// One word or a list of them.
fn words(table: &Table<'_>, key: &str) -> Result<Option<Vec<Located<String>>>, InputError> {
    if let Ok(Some(word)) = table.string(key) {
        return Ok(Some(vec![word]));
    }
    let list = table.strings(key)?;
    if list.as_ref().is_some_and(Vec::is_empty) {
        return Err(table.refuse(key, "the list is empty"));
    }
    Ok(list)
}
