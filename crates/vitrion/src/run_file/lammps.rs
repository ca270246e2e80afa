//! `engine` and `[lammps]`: who carries out the stages of dynamics.

use super::reader::{Located, Table};
use crate::error::InputError;
use serde::{Deserialize, Serialize};

/// Who carries out the stages of dynamics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynamicsEngine {
    /// This program, on the processor or a device.
    #[default]
    Vitrion,
    /// LAMMPS, as a program of its own.
    Lammps,
}

/// `[lammps]`, as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LammpsTable {
    /// The program.
    pub command: Option<Located<String>>,
    /// What starts it on several ranks; `-n RANKS` follows.
    pub launcher: Option<Located<Vec<String>>>,
    /// MPI ranks.
    pub ranks: Option<Located<u32>>,
    /// Threads of each rank.
    pub threads: Option<Located<u32>>,
    /// The shared object with `pair_style vitrion`.
    pub plugin: Option<Located<String>>,
    /// Lines of LAMMPS after `atom_style`.
    pub setup: Vec<String>,
}

impl LammpsTable {
    /// MPI ranks, and threads of each.
    pub fn layout(&self) -> (u32, u32) {
        let number = |n: Option<Located<u32>>| n.map_or(1, |n| n.value);
        (number(self.ranks), number(self.threads))
    }

    /// Reads the key `engine` and the table `[lammps]`, which only one of the engines has.
    pub(super) fn read(
        root: &Table<'_>,
    ) -> Result<(Located<DynamicsEngine>, Option<Located<Self>>), InputError> {
        let words = [("vitrion", DynamicsEngine::Vitrion), ("lammps", DynamicsEngine::Lammps)];
        let unsaid = Located { value: DynamicsEngine::Vitrion, line: 1 };
        let engine = root.word("engine", &words)?.unwrap_or(unsaid);
        let Some(table) = root.table("lammps", "in [lammps]")? else { return Ok((engine, None)) };
        if engine.value != DynamicsEngine::Lammps {
            let message = "the table is only read with engine = \"lammps\" at the top of the file";
            return Err(root.refuse("lammps", message));
        }
        let known = ["command", "launcher", "ranks", "threads", "plugin", "setup"];
        table.only(&known)?;
        let value = LammpsTable {
            command: filled(&table, "command")?,
            launcher: launcher(&table)?,
            ranks: count(&table, "ranks")?,
            threads: count(&table, "threads")?,
            plugin: filled(&table, "plugin")?,
            setup: table
                .strings("setup")?
                .unwrap_or_default()
                .into_iter()
                .map(|line| line.value)
                .collect(),
        };
        Ok((engine, Some(Located { line: table.line(), value })))
    }
}

/// A text that is not empty.
fn filled(table: &Table<'_>, key: &str) -> Result<Option<Located<String>>, InputError> {
    let found = table.string(key)?;
    if found.as_ref().is_some_and(|text| text.value.trim().is_empty()) {
        return Err(table.refuse(key, "the text is empty"));
    }
    Ok(found)
}

/// A list of words, or one text that is cut at blanks.
fn launcher(table: &Table<'_>) -> Result<Option<Located<Vec<String>>>, InputError> {
    let words = if let Ok(Some(text)) = table.string("launcher") {
        let value = text.value.split_whitespace().map(str::to_owned).collect();
        Some(Located { value, line: text.line })
    } else {
        let line = table.line_of("launcher");
        table.strings("launcher")?.map(|words| Located {
            value: words.into_iter().map(|word| word.value).collect::<Vec<_>>(),
            line,
        })
    };
    if words.as_ref().is_some_and(|words| words.value.first().is_none_or(String::is_empty)) {
        let message =
            "it names no program; \"mpirun\", \"mpiexec\" or [\"srun\", \"--mpi=pmix\"] are usual";
        return Err(table.refuse("launcher", message));
    }
    Ok(words)
}

/// One or more.
fn count(table: &Table<'_>, key: &str) -> Result<Option<Located<u32>>, InputError> {
    let Some(found) = table.count(key)? else { return Ok(None) };
    match u32::try_from(found.value) {
        Ok(value) if value > 0 => Ok(Some(Located { value, line: found.line })),
        _ => Err(table.refuse(key, format!("expected one or more, found {}", found.value))),
    }
}
