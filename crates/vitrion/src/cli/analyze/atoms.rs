//! `--atoms`: every analysed frame again, with what the analyses found for its atoms.

use std::path::Path;
use vitrion::error::{Error, InputError};
use vitrion_analysis::AnalysisError;
use vitrion_analysis::pass::Measured;
use vitrion_core::Frame;
use vitrion_core::columns::AtomColumn;
use vitrion_core::io::compression::Output;
use vitrion_core::io::{IoError, extxyz};

/// The name of the column that replaces labels which frames brought along.
const PHASE: &str = "phase";

/// Why a frame was not analysed or not written.
pub(super) enum Failure {
    Analysis(AnalysisError),
    Io(IoError),
}

impl From<AnalysisError> for Failure {
    fn from(error: AnalysisError) -> Self {
        Failure::Analysis(error)
    }
}

impl Failure {
    /// As the command reports it, with the trajectory that was read.
    pub(super) fn of(self, trajectory: Option<&Path>) -> Error {
        let error = match self {
            Failure::Io(error) => InputError::Io(error),
            Failure::Analysis(error) => InputError::Usage(match trajectory {
                Some(path) => format!("{}: {error}", path.display()),
                None => error.to_string(),
            }),
        };
        error.into()
    }
}

/// The file, if one was asked for.
pub(super) struct AtomsFile(Option<Output>);

impl AtomsFile {
    pub(super) fn create(path: Option<&Path>, overwrite: bool) -> Result<Self, InputError> {
        let create = |path| Output::create(path, overwrite).map_err(InputError::Io);
        Ok(AtomsFile(path.map(create).transpose()?))
    }

    pub(super) fn write(&mut self, frame: &Frame, measured: &[Measured]) -> Result<(), Failure> {
        let Some(out) = &mut self.0 else { return Ok(()) };
        let mut columns: Vec<AtomColumn> = Vec::new();
        for column in measured.iter().flat_map(|one| &one.columns) {
            let same = |name: &str| columns.iter().any(|known| known.name == name);
            let mut name = column.name.clone();
            let mut copies = 1;
            while same(&name) {
                copies += 1;
                name = format!("{}_{copies}", column.name);
            }
            columns.push(AtomColumn { name, values: column.values.clone() });
        }
        let written = if columns.iter().any(|column| column.name == PHASE) {
            let mut frame = frame.clone();
            frame.structure.phases = None;
            extxyz::write_frame_with(out, &frame, &columns)
        } else {
            extxyz::write_frame_with(out, frame, &columns)
        };
        written.map_err(|error| Failure::Io(IoError::os(out.path(), "write")(error)))
    }

    pub(super) fn finish(self) -> Result<(), InputError> {
        self.0.map_or(Ok(()), |out| out.finish().map_err(InputError::Io))
    }
}
