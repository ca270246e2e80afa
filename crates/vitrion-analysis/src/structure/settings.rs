//! Which structural analyses there are, as data.

use super::bonds::{CATIONS, FORMERS, LIGANDS, present};
use super::{
    Amorphization, AmorphizationSettings, BondAngles, BondAnglesSettings, Coordination,
    CoordinationSettings, Profiles, ProfilesSettings, RadialDistribution,
    RadialDistributionSettings, Speciation, SpeciationSettings, Steinhardt, SteinhardtSettings,
    StructureFactor, StructureFactorSettings, VoronoiSettings, VoronoiVolumes,
};
use crate::error::AnalysisError;
use crate::pass::StructuralAnalysis;
use crate::softness::{Softness, SoftnessSettings};
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// One structural analysis with everything it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StructureSettings {
    RadialDistribution(RadialDistributionSettings),
    BondAngles(BondAnglesSettings),
    Coordination(CoordinationSettings),
    Speciation(SpeciationSettings),
    Steinhardt(SteinhardtSettings),
    Amorphization(AmorphizationSettings),
    Profiles(ProfilesSettings),
    StructureFactor(StructureFactorSettings),
    Voronoi(VoronoiSettings),
    Softness(Box<SoftnessSettings>),
}

impl StructureSettings {
    /// All analyses that suit a structure, with their defaults.
    pub fn suiting(first: &Structure) -> Vec<Self> {
        let table = &first.table;
        let ligands = !present(&LIGANDS, table).is_empty();
        let formers = !present(&FORMERS, table).is_empty();
        let cations = !present(&CATIONS, table).is_empty();
        let mut all =
            vec![StructureSettings::RadialDistribution(RadialDistributionSettings::default())];
        if first.cell.periodicity() == [true; 3] {
            let settings = StructureFactorSettings::default();
            all.push(StructureSettings::StructureFactor(settings));
            all.push(StructureSettings::Voronoi(VoronoiSettings::default()));
        }
        if ligands && formers {
            all.push(StructureSettings::BondAngles(BondAnglesSettings::default()));
        }
        if ligands && (formers || cations) {
            all.push(StructureSettings::Coordination(CoordinationSettings::default()));
        }
        if ligands && formers {
            all.push(StructureSettings::Speciation(SpeciationSettings::default()));
        }
        all.push(StructureSettings::Steinhardt(SteinhardtSettings::default()));
        // slabs along the longest axis, if the cell is long enough to have regions
        let widths = first.cell.perpendicular_widths();
        let axis = (0..3).max_by(|a, b| widths[*a].total_cmp(&widths[*b])).expect("three axes");
        if first.cell.periodicity() == [true; 3] && widths[axis] >= LONG {
            let settings = AmorphizationSettings { axis, ..Default::default() };
            all.push(StructureSettings::Amorphization(settings));
            let mut plane = [0; 3];
            plane[axis] = 1;
            let columns = vec!["q6_averaged".to_owned()];
            let settings = ProfilesSettings { plane, columns, ..Default::default() };
            all.push(StructureSettings::Profiles(settings));
        }
        all
    }

    /// The word in run files and the name of the result file.
    pub fn kind(&self) -> &'static str {
        match self {
            StructureSettings::RadialDistribution(_) => "radial_distribution",
            StructureSettings::BondAngles(_) => "bond_angles",
            StructureSettings::Coordination(_) => "coordination",
            StructureSettings::Speciation(_) => "speciation",
            StructureSettings::Steinhardt(_) => "steinhardt",
            StructureSettings::Amorphization(_) => "amorphization",
            StructureSettings::Profiles(_) => "profiles",
            StructureSettings::StructureFactor(_) => "structure_factor",
            StructureSettings::Voronoi(_) => "voronoi",
            StructureSettings::Softness(_) => "softness",
        }
    }

    /// The same without what it takes from other analyses of the pass.
    #[must_use]
    pub fn alone(mut self) -> Self {
        if let StructureSettings::Profiles(settings) = &mut self {
            settings.columns.clear();
        }
        self
    }

    /// Tells phases apart, if the analysis can and does not say which itself.
    #[must_use]
    pub fn with_phases(mut self, names: &[String]) -> Self {
        let phases = match &mut self {
            StructureSettings::Coordination(settings) => &mut settings.phases,
            StructureSettings::Steinhardt(settings) => &mut settings.phases,
            StructureSettings::Profiles(settings) => &mut settings.phases,
            StructureSettings::Voronoi(settings) => &mut settings.phases,
            StructureSettings::Softness(settings) => &mut settings.phases,
            _ => return self,
        };
        if phases.is_empty() {
            phases.extend_from_slice(names);
        }
        self
    }

    /// The analysis of trajectories that begin with this structure.
    ///
    /// # Errors
    /// Settings that make no sense, alone or for this structure.
    pub fn analysis(
        &self,
        first: &Structure,
    ) -> Result<Box<dyn StructuralAnalysis>, AnalysisError> {
        let table = &first.table;
        Ok(match self.clone() {
            StructureSettings::RadialDistribution(settings) => {
                Box::new(RadialDistribution::new(table, settings)?)
            }
            StructureSettings::BondAngles(settings) => Box::new(BondAngles::new(table, settings)?),
            StructureSettings::Coordination(settings) => {
                Box::new(Coordination::new(table, settings)?)
            }
            StructureSettings::Speciation(settings) => Box::new(Speciation::new(table, settings)?),
            StructureSettings::Steinhardt(settings) => Box::new(Steinhardt::new(table, settings)?),
            StructureSettings::Amorphization(settings) => {
                Box::new(Amorphization::new(settings, first)?)
            }
            StructureSettings::Profiles(settings) => Box::new(Profiles::new(settings, first)?),
            StructureSettings::StructureFactor(settings) => {
                Box::new(StructureFactor::new(settings, first)?)
            }
            StructureSettings::Voronoi(settings) => Box::new(VoronoiVolumes::new(settings, first)?),
            StructureSettings::Softness(settings) => Box::new(Softness::new(*settings, first)?),
        })
    }
}

/// Cells at least so long have slabs worth telling apart [Å].
const LONG: f64 = 40.0;
