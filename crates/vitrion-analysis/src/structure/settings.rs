//! Which structural analyses there are, as data.

use super::{RadialDistribution, RadialDistributionSettings};
use crate::error::AnalysisError;
use crate::pass::StructuralAnalysis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::SpeciesTable;

/// One structural analysis with everything it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StructureSettings {
    RadialDistribution(RadialDistributionSettings),
}

impl StructureSettings {
    /// All analyses that suit these species, with their defaults.
    pub fn suiting(_table: &SpeciesTable) -> Vec<Self> {
        vec![StructureSettings::RadialDistribution(RadialDistributionSettings::default())]
    }

    /// The word in run files and the name of the result file.
    pub fn kind(&self) -> &'static str {
        match self {
            StructureSettings::RadialDistribution(_) => "radial_distribution",
        }
    }

    /// The analysis for frames of these species.
    ///
    /// # Errors
    /// Settings that make no sense, alone or for these species.
    pub fn analysis(
        &self,
        table: Arc<SpeciesTable>,
    ) -> Result<Box<dyn StructuralAnalysis>, AnalysisError> {
        Ok(match self.clone() {
            StructureSettings::RadialDistribution(settings) => {
                Box::new(RadialDistribution::new(table, settings)?)
            }
        })
    }
}
