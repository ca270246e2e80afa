//! One pass over the frames of a trajectory for any number of analyses of motion.

use super::diffusion::Diffusion;
use super::recording::{Recording, RecordingSettings};
use super::settings::MotionSettings;
use crate::error::AnalysisError;
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, Vector3};

/// What an analysis of motion found.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    pub observables: Observables,
    /// For the fit over temperatures, where the analysis gives one.
    pub diffusion: Option<Diffusion>,
    /// Files beside the numbers.
    pub attachments: Vec<Attachment>,
}

/// A file that an analysis makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Ending of its name, for example "cube".
    pub ending: &'static str,
    pub content: Vec<u8>,
}

impl From<Observables> for Motion {
    fn from(observables: Observables) -> Self {
        Motion { observables, diffusion: None, attachments: Vec::new() }
    }
}

/// An analysis of how atoms move.
pub(crate) trait MotionAnalysis: Send {
    /// Sees every frame that is recorded, for what the paths of atoms do not tell, and how far the framework has drifted [Å].
    ///
    /// # Errors
    /// A frame that cannot be analysed.
    fn see(&mut self, _frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        Ok(())
    }

    /// The results.
    ///
    /// # Errors
    /// Too few frames, parameters that make no sense for them.
    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError>;
}

/// Records a trajectory for analyses that follow the same atoms.
pub struct MotionPass {
    recording: Recording,
    settings: Vec<MotionSettings>,
    analyses: Vec<Box<dyn MotionAnalysis>>,
}

impl MotionPass {
    /// For analyses of these settings.
    pub fn new(recording: RecordingSettings, settings: Vec<MotionSettings>) -> Self {
        MotionPass { recording: Recording::new(recording), settings, analyses: Vec::new() }
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// As [`Recording::add`]; settings that do not suit the atoms of the first frame that is not skipped.
    pub fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        if self.recording.add(frame)? {
            // the frame from which drift counts: an earlier one, that is skipped, may lie elsewhere and have other bonds
            if self.analyses.is_empty() {
                let species = &self.recording.settings().species;
                let analysis =
                    |settings: &MotionSettings| settings.analysis(&frame.structure, species);
                self.analyses = self.settings.iter().map(analysis).collect::<Result<_, _>>()?;
            }
            let drift = self.recording.present_drift();
            for analysis in &mut self.analyses {
                analysis.see(frame, drift)?;
            }
        }
        Ok(())
    }

    /// The results, in the order of the settings.
    ///
    /// # Errors
    /// Too few frames; the number of the analysis comes with the error.
    pub fn finish(self) -> Result<Vec<Motion>, (usize, AnalysisError)> {
        if self.analyses.is_empty() {
            let what = "an analysis of motion";
            return Err((0, AnalysisError::TooFewFrames { what, needed: 1, found: 0 }));
        }
        let numbered = self.analyses.iter().enumerate();
        let report = |number, found: Result<Motion, _>| found.map_err(|error| (number, error));
        numbered.map(|(number, one)| report(number, one.report(&self.recording))).collect()
    }
}
