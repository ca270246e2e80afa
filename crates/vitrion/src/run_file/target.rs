//! Temperatures and pressures that a stage aims at.

use super::positive_quantity;
use super::reader::{Located, Table};
use crate::error::InputError;
use vitrion_core::units::Kind;

/// A temperature or pressure that a stage aims at, in internal units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// That of the sweep; temperatures only.
    Sweep,
    Constant(f64),
    /// Linear in time, or in equal parts of the stage with constant values.
    Ramp {
        start: f64,
        end: f64,
        plateaus: Option<u32>,
    },
}

/// A quantity, a table with `start`, `end` and maybe `plateaus`, or (temperatures) the word "sweep".
pub(super) fn read_target(
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
        ramp.only(&["start", "end", "plateaus"])?;
        let example = |key: &str| format!("{key} = \"300 {}\"", kind.internal_unit());
        let start = ramp.require("start", &example("start"), read(&ramp, "start")?)?;
        let end = ramp.require("end", &example("end"), read(&ramp, "end")?)?;
        let plateaus = match ramp.count("plateaus")? {
            None => None,
            Some(n) => Some(u32::try_from(n.value).ok().filter(|n| *n >= 2).ok_or_else(|| {
                let message =
                    format!("expected at least 2 parts with constant values, found {}", n.value);
                ramp.refuse_at(n.line, "plateaus", message)
            })?),
        };
        let value = Target::Ramp { start: start.value, end: end.value, plateaus };
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
