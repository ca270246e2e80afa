//! Structural analyses, the same in run files and in files for `vitrion analyze`.

pub(super) mod keys;

use super::AnalysisKind;
use super::motion::{self, MotionTable};
use super::reader::{Document, Located, Table};
use crate::error::{InputError, Place};
use std::path::{Path, PathBuf};
use vitrion_analysis::AnalysisError;
use vitrion_analysis::structure::StructureSettings;
use vitrion_core::Structure;

/// A structural analysis as written: settings, and where the keys are for complaints.
#[derive(Debug, Clone, PartialEq)]
pub struct StructureTable {
    /// With defaults for keys that are not there.
    pub settings: StructureSettings,
    keys: Vec<(String, usize)>,
}

/// `[[analysis]]` tables without a run: the file of `vitrion analyze --config`.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisFile {
    path: PathBuf,
    /// At least one.
    pub analyses: Vec<Located<FileAnalysis>>,
}

/// An analysis of a file for `vitrion analyze`.
#[derive(Debug, Clone, PartialEq)]
pub enum FileAnalysis {
    /// Of single frames.
    Structure(StructureTable),
    Motion(MotionTable),
}

impl AnalysisFile {
    /// Reads a file of `[[analysis]]` tables.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        let document = Document { path, text: &text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        root.only(&["analysis"])?;
        let analyses = super::located(&root.tables("analysis")?, FileAnalysis::read)?;
        if analyses.is_empty() {
            let example = "[[analysis]] with kind = \"radial_distribution\"";
            root.require("analysis", example, None::<()>)?;
        }
        Ok(AnalysisFile { path: path.to_owned(), analyses })
    }

    /// Refuses settings that do not suit the atoms of a structure, with the place.
    ///
    /// # Errors
    /// The first analysis that cannot be done, and why.
    pub fn check(&self, structure: &Structure) -> Result<(), InputError> {
        for (number, Located { value, line }) in self.analyses.iter().enumerate() {
            let checked = match value {
                FileAnalysis::Structure(table) => table.check(structure),
                FileAnalysis::Motion(table) => table.check(structure),
            };
            checked.map_err(|(key, message)| InputError::Value {
                place: Place { path: self.path.clone(), line: key.1.unwrap_or(*line) },
                key: key.0,
                table: format!("in [[analysis]] {}", number + 1),
                message,
            })?;
        }
        Ok(())
    }
}

/// A key and the line it stands on, if it is there.
pub(crate) type KeyLine = (String, Option<usize>);

impl FileAnalysis {
    fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let kind = AnalysisKind::read(table)?;
        let only = |keys: &[&'static str]| {
            let known: Vec<&str> = ["kind"].iter().chain(keys).copied().collect();
            table.only(&known)
        };
        if let Some(keys) = kind.structure_keys() {
            only(keys)?;
            return Ok(FileAnalysis::Structure(StructureTable::read(table, kind)?));
        }
        let Some(keys) = kind.motion_keys() else {
            let message = "it needs a sweep of temperatures, which only a run file has";
            return Err(table.refuse("kind", message));
        };
        only(&[&motion::SHARED[..], keys].concat())?;
        Ok(FileAnalysis::Motion(MotionTable::read(table, kind)?))
    }
}

impl StructureTable {
    /// Reads the keys of a structural analysis.
    pub(super) fn read(table: &Table<'_>, kind: AnalysisKind) -> Result<Self, InputError> {
        let keys = table.keys().into_iter().map(|key| {
            let line = table.line_of(&key);
            (key, line)
        });
        Ok(StructureTable { keys: keys.collect(), settings: keys::settings(table, kind)? })
    }

    /// Refuses settings that do not suit the atoms of a structure: the key, its line and why.
    pub(crate) fn check(&self, structure: &Structure) -> Result<(), (KeyLine, String)> {
        self.settings.analysis(structure).map(|_| ()).map_err(|error| {
            let (key, message) = match error {
                AnalysisError::Parameter { name, found, expected } => {
                    (name.to_owned(), format!("found {found}, expected {expected}"))
                }
                other => ("kind".to_owned(), other.to_string()),
            };
            let line = self.keys.iter().find(|(known, _)| *known == key).map(|(_, line)| *line);
            ((key, line), message)
        })
    }
}
