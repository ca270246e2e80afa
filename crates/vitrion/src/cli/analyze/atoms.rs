//! `--atoms`: every analysed frame again, with what the analyses found for its atoms.

use std::path::Path;
use vitrion::error::{Error, InputError};
use vitrion::movie::{columns_of, write_moment};
use vitrion_analysis::AnalysisError;
use vitrion_analysis::pass::Measured;
use vitrion_core::Frame;
use vitrion_core::io::IoError;
use vitrion_core::io::compression::Output;

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
        write_moment(out, frame, &columns_of(measured)).map_err(Failure::Io)
    }

    pub(super) fn finish(self) -> Result<(), InputError> {
        self.0.map_or(Ok(()), |out| out.finish().map_err(InputError::Io))
    }
}
