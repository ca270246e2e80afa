//! Labels that are known already: a data set that plays the part of an engine, for replays of active
//! learning and for thinning out a large set.

use super::{EngineError, LabelEngine, Outcome, host};
use crate::labels::{FailureKind, Level, RunInfo, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::{Frame, Labels};

/// Where the labels are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownSettings {
    /// What the level is called.
    pub name: String,
    /// Labelled files or deepmd/npy systems.
    pub files: Vec<PathBuf>,
}

impl KnownSettings {
    /// The level of theory: that of an import of this name.
    pub fn level(&self) -> Level {
        Level::imported(&self.name)
    }
}

/// Labels by geometry.
pub(super) struct Known {
    labels: BTreeMap<String, Labels>,
}

impl Known {
    pub(super) fn new(settings: &KnownSettings) -> Result<Self, EngineError> {
        let mut labels = BTreeMap::new();
        for file in &settings.files {
            for frame in io::open(file, &ReadOptions::default())? {
                let frame = frame?;
                labels.insert(key("", &frame.structure), frame.labels);
            }
        }
        Ok(Known { labels })
    }
}

impl LabelEngine for Known {
    fn program(&mut self) -> Result<String, EngineError> {
        Ok("known labels".to_owned())
    }

    fn label(&mut self, frame: &Frame, _: &Path, _: &AtomicBool) -> Result<Outcome, EngineError> {
        let run = RunInfo {
            program: self.program()?,
            host: host(),
            cores: 1,
            attempts: 1,
            method: "looked up".to_owned(),
            ..RunInfo::default()
        };
        match self.labels.get(&key("", &frame.structure)) {
            Some(labels) if labels.energy.is_some() && labels.forces.is_some() => {
                Ok(Outcome::Labelled { labels: labels.clone(), run })
            }
            Some(_) => {
                let message = "the frame has no energy or no forces".to_owned();
                Ok(Outcome::Failed { reason: FailureKind::Incomplete, message, run })
            }
            None => {
                let message = "this geometry is not among the known ones".to_owned();
                Ok(Outcome::Failed { reason: FailureKind::Crashed, message, run })
            }
        }
    }
}
