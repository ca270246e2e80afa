//! The label file: structures, engine, store, scheduler.

use super::engine::read_engine;
use super::reader::{Document, Located, Table};
use super::scheduler::{Cores, read_scheduler};
use super::system::read_repeat;
use super::{positive_quantity, refuse_unsafe_name};
use crate::dft::{AimdSettings, EngineSettings};
use crate::error::InputError;
use crate::jobs::SchedulerSettings;
use std::path::{Path, PathBuf};
use vitrion_core::units::Kind;

/// A label file.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFile {
    pub path: PathBuf,
    pub text: String,
    pub name: String,
    /// Of random displacements and velocities.
    pub seed: u64,
    pub engine: EngineSettings,
    pub scheduler: SchedulerSettings,
    pub frames: Vec<Located<FramesTable>>,
    pub perturbed: Vec<Located<PerturbTable>>,
    pub aimd: Vec<Located<AimdTable>>,
}

/// `[[frames]]`: structures as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct FramesTable {
    pub path: Located<String>,
    /// Every so many frames.
    pub every: usize,
}

/// `[[perturb]]`: copies of a structure, each deformed and shaken at random.
#[derive(Debug, Clone, PartialEq)]
pub struct PerturbTable {
    /// A file or `builtin:…`.
    pub structure: Located<String>,
    pub count: usize,
    /// Standard deviation of each coordinate [Å].
    pub displacement: f64,
    /// Largest component of the strain.
    pub strain: f64,
    /// Copies along each axis.
    pub repeat: [usize; 3],
}

/// `[[aimd]]`: dynamics by the engine itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AimdTable {
    pub structure: Located<String>,
    pub repeat: [usize; 3],
    pub settings: AimdSettings,
}

impl LabelFile {
    /// Reads a label file.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a label file; `path` is for messages and relative paths in it.
    ///
    /// # Errors
    /// As [`LabelFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        let document = Document { path, text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        super::require_format(&root)?;
        root.only(&["format", "name", "seed", "engine", "scheduler", "frames", "perturb", "aimd"])?;
        let name = root.require("name", "name = \"li2s-labels\"", root.string("name")?)?;
        refuse_unsafe_name(&root, &name)?;
        let seed = root.count("seed")?.map_or(1, |s| s.value);
        let engine = root.table("engine", "in [engine]")?;
        let engine = root.require("engine", "[engine] with kind = \"cp2k\"", engine)?;
        let engine = read_engine(&engine)?;
        let file = LabelFile {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.value,
            seed,
            frames: super::located(&root.tables("frames")?, read_frames)?,
            perturbed: super::located(&root.tables("perturb")?, read_perturb)?,
            aimd: super::located(&root.tables("aimd")?, |table| read_aimd(table, &engine, seed))?,
            engine,
            scheduler: read_scheduler(&root, Cores::OfWork)?,
        };
        if file.frames.is_empty() && file.perturbed.is_empty() && file.aimd.is_empty() {
            root.require("frames", "[[frames]] with path = \"frames.extxyz\"", None::<()>)?;
        }
        Ok(file)
    }

    /// A path written in this file, relative to its folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

fn read_frames(table: &Table<'_>) -> Result<FramesTable, InputError> {
    table.only(&["path", "every"])?;
    let path = table.require("path", "path = \"frames.extxyz\"", table.string("path")?)?;
    let every = table.count("every")?.map_or(1, |n| n.value as usize);
    if every == 0 {
        return Err(table.refuse("every", "expected one or more, found 0"));
    }
    Ok(FramesTable { path, every })
}

fn read_structure(table: &Table<'_>) -> Result<Located<String>, InputError> {
    table.require("structure", "structure = \"li2s.cif\"", table.string("structure")?)
}

pub(super) fn read_perturb(table: &Table<'_>) -> Result<PerturbTable, InputError> {
    table.only(&["structure", "repeat", "count", "displacement", "strain"])?;
    let count = table.require("count", "count = 10", table.count("count")?)?;
    let strain = table.number("strain")?.map_or(0.0, |s| s.value);
    if !(0.0..0.5).contains(&strain) {
        return Err(table.refuse("strain", format!("expected 0 up to 0.5, found {strain}")));
    }
    let displacement = table.quantity("displacement", Kind::Length)?.map_or(0.0, |d| d.value);
    if displacement < 0.0 {
        let message = format!("it cannot be negative, found {displacement} Å");
        return Err(table.refuse("displacement", message));
    }
    if count.value == 0 {
        return Err(table.refuse("count", "expected one or more, found 0"));
    }
    if count.value > 1 && strain <= 0.0 && displacement <= 0.0 {
        return Err(
            table.refuse("count", "copies without displacement and strain are all the same")
        );
    }
    Ok(PerturbTable {
        structure: read_structure(table)?,
        repeat: read_repeat(table)?.unwrap_or([1; 3]),
        count: count.value as usize,
        displacement,
        strain,
    })
}

pub(super) fn read_aimd(
    table: &Table<'_>,
    engine: &EngineSettings,
    seed: u64,
) -> Result<AimdTable, InputError> {
    if let EngineSettings::Cp2k(settings) = engine
        && settings.template.is_some()
    {
        let message =
            "dynamics needs an [engine] of settings, not a template: its &MOTION is vitrion's";
        return Err(table.refuse("structure", message));
    }
    if !matches!(engine, EngineSettings::Cp2k(_)) {
        let message = "only CP2K runs dynamics of its own; with other engines start from [[perturb]], or \
                       from [[frames]] of a run with any potential";
        return Err(table.refuse("structure", message));
    }
    table.only(&[
        "structure",
        "repeat",
        "temperature",
        "timestep",
        "duration",
        "every",
        "thermostat_period",
    ])?;
    let value = |key: &str, kind: Kind, default: f64| -> Result<f64, InputError> {
        Ok(positive_quantity(table, key, kind)?.map_or(default, |q| q.value))
    };
    let timestep = value("timestep", Kind::Time, 0.5)?;
    let duration = value("duration", Kind::Time, 2500.0)?;
    let every = value("every", Kind::Time, 2.5)?;
    let steps = (duration / timestep).round() as u64;
    let stride = (every / timestep).round() as u64;
    if stride == 0 || steps < stride {
        let message =
            format!("expected from one step ({timestep} fs) to the duration ({duration} fs)");
        return Err(table.refuse("every", message));
    }
    Ok(AimdTable {
        structure: read_structure(table)?,
        repeat: read_repeat(table)?.unwrap_or([1; 3]),
        settings: AimdSettings {
            temperature: value("temperature", Kind::Temperature, 3000.0)?,
            timestep,
            steps,
            every: stride,
            thermostat: value("thermostat_period", Kind::Time, 50.0)?,
            seed,
        },
    })
}
