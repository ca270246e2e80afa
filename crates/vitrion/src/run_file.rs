//! The run file as written: typed, every unit read, nothing resolved yet.
//!
//! Unknown keys are refused everywhere, with the nearest known key; every complaint names file,
//! line, table and key. What the values mean together is checked by [`crate::plan`]. All keys are
//! listed in the book, `reference/run-file.md`.

mod analysis;
mod device;
mod engine;
mod group;
mod label;
mod lammps;
mod learn;
mod motion;
mod on_the_fly;
mod potential;
mod reader;
mod scheduler;
mod softness;
mod stage;
mod structure;
mod system;
mod target;
mod training;

pub use analysis::{AnalysisKind, AnalysisSettings, AnalysisTable};
pub use device::DeviceChoice;
pub use group::GroupTable;
pub use label::{AimdTable, FramesTable, LabelFile, PerturbTable};
pub use lammps::{DynamicsEngine, LammpsTable};
pub use learn::{
    Dynamics, ExploreTable, LearnData, LearnFile, Method, SelectionTable, StopTable, TrainTable,
};
pub use motion::MotionTable;
pub use on_the_fly::{CorrelationsTable, RadialTable};
pub use potential::{LennardJonesSpecies, PotentialTable, Precision};
pub use reader::Located;
pub use softness::{SampleTable, SoftnessFile};
pub use stage::{BarostatKind, Duration, GroupThermostat, StageKind, StageTable, ThermostatKind};
pub(crate) use structure::KeyLine;
pub use structure::{AnalysisFile, FileAnalysis, StructureTable};
pub use system::SystemTable;
pub use target::Target;
pub use training::{DataTable, Start, TrainingFile};

use crate::error::{InputError, Place};
use crate::jobs::SchedulerSettings;
use reader::{Document, Table};
use scheduler::{Cores, read_scheduler};
use std::path::{Path, PathBuf};
use vitrion_core::units::Kind;

/// The format this version reads.
pub const FORMAT: u64 = 1;

/// A run file.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFile {
    /// Where it was read from; paths in it are relative to its folder.
    pub path: PathBuf,
    /// As given, byte for byte.
    pub text: String,
    /// Name of the run.
    pub name: String,
    /// Seed of all random numbers.
    pub seed: u64,
    /// `engine`: who carries out the stages.
    pub engine: Located<DynamicsEngine>,
    /// `[lammps]`
    pub lammps: Option<Located<LammpsTable>>,
    /// `[potential]`
    pub potential: Located<PotentialTable>,
    /// `[system]` or `[[system]]`, at least one.
    pub systems: Vec<Located<SystemTable>>,
    /// `[[group]]`
    pub groups: Vec<Located<GroupTable>>,
    /// `[sweep]`
    pub sweep: Option<SweepTable>,
    /// `[[stage]]`, at least one.
    pub stages: Vec<Located<StageTable>>,
    /// `[[analysis]]`
    pub analyses: Vec<Located<AnalysisTable>>,
    /// `[scheduler]`: where the runs are carried out; no part of what they are.
    pub scheduler: SchedulerSettings,
}

impl RunFile {
    /// Reads a run file.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a run file; `path` is for messages and for relative paths in it.
    ///
    /// # Errors
    /// As [`RunFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        let document = Document { path, text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        // the version first: a later format may have other keys
        let format = root.require("format", "format = 1", root.count("format")?)?;
        if format.value != FORMAT {
            let message =
                format!("this version of vitrion reads format {FORMAT}, found {}", format.value);
            return Err(root.refuse("format", message));
        }
        root.only(&[
            "format",
            "name",
            "seed",
            "engine",
            "lammps",
            "potential",
            "system",
            "group",
            "sweep",
            "stage",
            "analysis",
            "scheduler",
        ])?;
        let name = root.require("name", "name = \"glass-600K\"", root.string("name")?)?;
        refuse_unsafe_name(&root, &name)?;
        let seed = root.require("seed", "seed = 20240611", root.count("seed")?)?;
        let (engine, lammps) = LammpsTable::read(&root)?;
        let potential = root.require(
            "potential",
            "[potential] with model = \"builtin:li-p-s\"",
            root.table("potential", "in [potential]")?,
        )?;
        let potential =
            Located { line: potential.line(), value: PotentialTable::read(&potential)? };
        let systems = located(&root.tables("system")?, SystemTable::read)?;
        if systems.is_empty() {
            let example = "[system] with structure = \"crystal.cif\"";
            root.require("system", example, None::<()>)?;
        }
        let stages = located(&root.tables("stage")?, StageTable::read)?;
        if stages.is_empty() {
            root.require("stage", "[[stage]] with name = \"melt\", kind = \"nvt\"", None::<()>)?;
        }
        Ok(RunFile {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.value,
            seed: seed.value,
            engine,
            lammps,
            potential,
            systems,
            groups: located(&root.tables("group")?, GroupTable::read)?,
            sweep: read_sweep(&root)?,
            stages,
            analyses: located(&root.tables("analysis")?, AnalysisTable::read)?,
            scheduler: read_scheduler(&root, Cores::OfUser)?,
        })
    }

    /// A line of this file.
    pub fn place(&self, line: usize) -> Place {
        Place { path: self.path.clone(), line }
    }

    /// How messages call a system table.
    pub(crate) fn system_title(&self, number: usize) -> String {
        if self.systems.len() == 1 {
            return "in [system]".to_owned();
        }
        let name = self.systems[number].value.name.as_ref();
        let name = name.map_or(String::new(), |name| format!(" (\"{}\")", name.value));
        format!("in [[system]] {}{name}", number + 1)
    }

    /// A path written in this file, relative to its folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

fn located<T>(
    tables: &[Table<'_>],
    read: impl Fn(&Table<'_>) -> Result<T, InputError>,
) -> Result<Vec<Located<T>>, InputError> {
    tables.iter().map(|table| Ok(Located { line: table.line(), value: read(table)? })).collect()
}

/// `[sweep]`: every system is simulated at every temperature with every seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepTable {
    /// [K]; empty if only seeds are swept.
    pub temperatures: Vec<Located<f64>>,
    /// Of independent replicas; empty without.
    pub seeds: Vec<Located<u64>>,
}

fn read_sweep(root: &Table<'_>) -> Result<Option<SweepTable>, InputError> {
    let Some(table) = root.table("sweep", "in [sweep]")? else { return Ok(None) };
    table.only(&["temperature", "seeds"])?;
    let seeds = read_seeds(&table)?;
    let found = table.quantities("temperature", Kind::Temperature)?;
    if found.is_none() && seeds.is_empty() {
        let example = "temperature = [\"700 K\", \"800 K\", \"900 K\"]";
        table.require("temperature", example, None::<()>)?;
    }
    if found.as_ref().is_some_and(Vec::is_empty) {
        return Err(table.refuse("temperature", "the list is empty"));
    }
    let temperatures = found.unwrap_or_default();
    for (i, t) in temperatures.iter().enumerate() {
        positive(&table, "temperature", Kind::Temperature, *t)?;
        if temperatures[..i].iter().any(|earlier| (earlier.value - t.value).abs() < 1e-9) {
            let message = format!("{} K is listed twice", t.value);
            return Err(table.refuse_at(t.line, "temperature", message));
        }
    }
    Ok(Some(SweepTable { temperatures, seeds }))
}

fn read_seeds(table: &Table<'_>) -> Result<Vec<Located<u64>>, InputError> {
    let Some(found) = table.integers("seeds")? else { return Ok(Vec::new()) };
    let mut seeds: Vec<Located<u64>> = Vec::with_capacity(found.len());
    for seed in found {
        let message =
            |text: &str| table.refuse_at(seed.line, "seeds", format!("{} {text}", seed.value));
        let value = u64::try_from(seed.value).map_err(|_| message("is negative"))?;
        if seeds.iter().any(|earlier| earlier.value == value) {
            return Err(message("is listed twice: two runs would be the same"));
        }
        seeds.push(Located { value, line: seed.line });
    }
    if seeds.is_empty() {
        return Err(table.refuse("seeds", "the list is empty"));
    }
    Ok(seeds)
}

/// Names become folders.
fn refuse_unsafe_name(table: &Table<'_>, name: &Located<String>) -> Result<(), InputError> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let text = &name.value;
    if text.is_empty() || text.starts_with('.') || !text.chars().all(safe) {
        let message = format!(
            "\"{text}\" cannot name a folder: use letters, digits, '-', '_' and '.', not first"
        );
        return Err(table.refuse_at(name.line, "name", message));
    }
    Ok(())
}

fn positive(
    table: &Table<'_>,
    key: &str,
    kind: Kind,
    quantity: Located<f64>,
) -> Result<Located<f64>, InputError> {
    if quantity.value > 0.0 {
        Ok(quantity)
    } else {
        let message =
            format!("it must be above zero, found {} {}", quantity.value, kind.internal_unit());
        Err(table.refuse_at(quantity.line, key, message))
    }
}

/// Refuses files of another format.
fn require_format(root: &Table<'_>) -> Result<(), InputError> {
    let format = root.require("format", "format = 1", root.count("format")?)?;
    if format.value == FORMAT {
        return Ok(());
    }
    let message = format!("this version reads format {FORMAT}, found {}", format.value);
    Err(root.refuse("format", message))
}

/// A number without a unit, above zero, if the key is there.
fn positive_number(table: &Table<'_>, key: &str) -> Result<Option<f64>, InputError> {
    match table.number(key)? {
        Some(x) if x.value <= 0.0 => {
            Err(table.refuse(key, format!("expected a number above zero, found {}", x.value)))
        }
        other => Ok(other.map(|x| x.value)),
    }
}

/// A positive quantity, if the key is there.
fn positive_quantity(
    table: &Table<'_>,
    key: &str,
    kind: Kind,
) -> Result<Option<Located<f64>>, InputError> {
    table.quantity(key, kind)?.map(|quantity| positive(table, key, kind, quantity)).transpose()
}

#[cfg(test)]
mod tests;
