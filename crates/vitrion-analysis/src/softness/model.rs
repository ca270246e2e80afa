//! A trained plane as a file, and what it says of any structure.

use super::classifier::{ClassifierSettings, Plane};
use super::dataset::Label;
use super::features::FeatureSettings;
use crate::error::AnalysisError;
use crate::pairs::Columns;
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// Version of the file.
const FORMAT: u32 = 1;

/// Everything that is needed to compute softness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftnessModel {
    pub format: u32,
    pub features: FeatureSettings,
    /// Which positions it was trained on: "thermal", "averaged over 1000 fs", "inherent".
    pub structures: String,
    pub plane: Plane,
    /// Standard errors of the weights; empty without.
    pub weight_errors: Vec<f64>,
    pub label: Label,
    /// Mobile above, in the unit of the label.
    pub threshold: f64,
    /// Length of the window for which mobility was measured [fs].
    pub window: f64,
    pub classifier: ClassifierSettings,
    /// Where it comes from and how good it is, for people.
    pub about: Vec<(String, String)>,
}

impl SoftnessModel {
    /// Version that this program writes.
    pub const FORMAT: u32 = FORMAT;

    /// Refuses what does not fit together.
    ///
    /// # Errors
    /// Another version; numbers of weights and functions that differ; numbers that are not finite.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |name, found: String, expected: String| {
            Err(AnalysisError::Parameter { name, found, expected })
        };
        if self.format != FORMAT {
            return refuse("format", self.format.to_string(), format!("{FORMAT}"));
        }
        self.features.check()?;
        let Plane { standardizer, weights, intercept } = &self.plane;
        let count = self.features.len();
        for (name, list) in
            [("weights", weights), ("mean", &standardizer.mean), ("scale", &standardizer.scale)]
        {
            if list.len() != count {
                return refuse(name, format!("{} numbers", list.len()), format!("{count}"));
            }
            if let Some(wrong) = list.iter().find(|x| !x.is_finite()) {
                return refuse(name, wrong.to_string(), "finite numbers".into());
            }
        }
        if !intercept.is_finite() || standardizer.scale.iter().any(|scale| *scale <= 0.0) {
            return refuse("scale", "zero, or an intercept".into(), "positive numbers".into());
        }
        Ok(())
    }

    /// Softness of every ion, in the order of the structure.
    ///
    /// # Errors
    /// No ion of the species.
    pub fn of(&self, structure: &Structure) -> Result<Vec<f64>, AnalysisError> {
        Ok(self.of_features(&self.features.of(structure)?))
    }

    /// From columns that reach far enough.
    pub(crate) fn with_columns(
        &self,
        structure: &Structure,
        columns: &Columns,
    ) -> Result<Vec<f64>, AnalysisError> {
        Ok(self.of_features(&self.features.with_columns(structure, columns)?))
    }

    fn of_features(&self, features: &[f64]) -> Vec<f64> {
        features.chunks_exact(self.features.len()).map(|row| self.plane.softness(row)).collect()
    }
}
