//! Files: what is read, what is written, and how trouble is reported.
//!
//! [`open`] streams frames from any known format, [`create`] writes them. Text formats may be
//! compressed (`.gz`, `.zst`). Conventions are those of the crate root; each format's own units and
//! signs are converted at its border and documented in its module.

pub mod amber_netcdf;
pub mod cif;
pub mod compression;
pub mod cp2k;
pub mod cube;
pub mod deepmd_npy;
pub mod extxyz;
mod format;
mod ionic_step;
mod lammps;
pub mod lammps_data;
pub mod lammps_dump;
mod lines;
pub mod outcar;
pub mod poscar;
pub mod vasprun;
mod words;
pub mod xdatcar;

pub use format::{
    CreateOptions, Format, LammpsUnits, ReadOptions, create, open, read_all, read_first, read_last,
};

use std::path::{Path, PathBuf};

/// Why a file could not be read or written. The place and what was found are always named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        /// "open", "create", "write", "read"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A line that is not what the format asks for.
    #[error("{}:{line}: expected {expected}, found {found:?}{}", path.display(), hint_text(hint.as_deref()))]
    Parse { path: PathBuf, line: usize, expected: String, found: String, hint: Option<String> },
    /// The file ends in the middle of something.
    #[error(
        "{}: the file ends after line {line}, in the middle of {what}{}",
        path.display(), hint_text(hint.as_deref())
    )]
    Truncated { path: PathBuf, line: usize, what: String, hint: Option<String> },
    /// A file that is well formed line by line but makes no sense, or that cannot be used.
    #[error("{}: {message}{}", path.display(), hint_text(hint.as_deref()))]
    Invalid { path: PathBuf, message: String, hint: Option<String> },
}

fn hint_text(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; hint: {hint}"))
}

impl IoError {
    /// An operating-system error about a path.
    pub fn os(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> IoError {
        let path = path.to_owned();
        move |source| IoError::Os { path, doing, source }
    }

    /// A file that cannot be used as a whole.
    pub fn invalid(path: &Path, message: impl Into<String>, hint: Option<&str>) -> IoError {
        IoError::Invalid {
            path: path.to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
        }
    }
}
