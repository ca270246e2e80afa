//! `[[analysis]]`: what is computed from the trajectories.

use super::motion::{self, MotionTable};
use super::positive_quantity;
use super::reader::{Located, Table};
use super::structure::StructureTable;
use crate::error::InputError;
use vitrion_core::units::Kind;

/// `[[analysis]]`
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisTable {
    pub kind: AnalysisKind,
    /// Stage whose trajectory is read; not for analyses over the sweep.
    pub stage: Option<Located<String>>,
    /// Part of the trajectory left out at its start [fs].
    pub skip: Option<Located<f64>>,
    pub settings: AnalysisSettings,
}

/// What is computed, with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalysisSettings {
    /// Of single frames.
    Structure(StructureTable),
    Motion(MotionTable),
    /// Over the sweep.
    Arrhenius {
        /// Mobile element.
        species: Located<String>,
        /// Temperature extrapolated to [K].
        extrapolate: Option<Located<f64>>,
    },
}

/// Which analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnalysisKind {
    RadialDistribution,
    BondAngles,
    Coordination,
    Speciation,
    Steinhardt,
    Amorphization,
    Profiles,
    StructureFactor,
    Voronoi,
    Softness,
    MeanSquaredDisplacement,
    NonGaussian,
    Diffusion,
    VanHove,
    SelfIntermediateScattering,
    DisplacementSnapshots,
    Regions,
    Collective,
    Hops,
    Sites,
    DensityMap,
    Paths,
    Reorientation,
    Arrhenius,
}

impl AnalysisKind {
    /// The word in run files and the name of the result file.
    pub fn name(self) -> &'static str {
        match self {
            AnalysisKind::RadialDistribution => "radial_distribution",
            AnalysisKind::BondAngles => "bond_angles",
            AnalysisKind::Coordination => "coordination",
            AnalysisKind::Speciation => "speciation",
            AnalysisKind::Steinhardt => "steinhardt",
            AnalysisKind::Amorphization => "amorphization",
            AnalysisKind::Profiles => "profiles",
            AnalysisKind::StructureFactor => "structure_factor",
            AnalysisKind::Voronoi => "voronoi",
            AnalysisKind::Softness => "softness",
            AnalysisKind::MeanSquaredDisplacement => "mean_squared_displacement",
            AnalysisKind::NonGaussian => "non_gaussian",
            AnalysisKind::Diffusion => "diffusion",
            AnalysisKind::VanHove => "van_hove",
            AnalysisKind::SelfIntermediateScattering => "self_intermediate_scattering",
            AnalysisKind::DisplacementSnapshots => "displacement_snapshots",
            AnalysisKind::Regions => "regions",
            AnalysisKind::Collective => "collective",
            AnalysisKind::Hops => "hops",
            AnalysisKind::Sites => "sites",
            AnalysisKind::DensityMap => "density_map",
            AnalysisKind::Paths => "paths",
            AnalysisKind::Reorientation => "reorientation",
            AnalysisKind::Arrhenius => "arrhenius",
        }
    }

    /// Every kind.
    const ALL: [AnalysisKind; 24] = [
        AnalysisKind::RadialDistribution,
        AnalysisKind::BondAngles,
        AnalysisKind::Coordination,
        AnalysisKind::Speciation,
        AnalysisKind::Steinhardt,
        AnalysisKind::Amorphization,
        AnalysisKind::Profiles,
        AnalysisKind::StructureFactor,
        AnalysisKind::Voronoi,
        AnalysisKind::Softness,
        AnalysisKind::MeanSquaredDisplacement,
        AnalysisKind::NonGaussian,
        AnalysisKind::Diffusion,
        AnalysisKind::VanHove,
        AnalysisKind::SelfIntermediateScattering,
        AnalysisKind::DisplacementSnapshots,
        AnalysisKind::Regions,
        AnalysisKind::Collective,
        AnalysisKind::Hops,
        AnalysisKind::Sites,
        AnalysisKind::DensityMap,
        AnalysisKind::Paths,
        AnalysisKind::Reorientation,
        AnalysisKind::Arrhenius,
    ];

    /// The key `kind` of a table.
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let words = Self::ALL.map(|kind| (kind.name(), kind));
        let example = "kind = \"diffusion\"";
        Ok(table.require("kind", example, table.word("kind", &words)?)?.value)
    }

    fn keys(self) -> Vec<&'static str> {
        let common = ["kind", "stage", "skip"];
        if let Some(keys) = self.structure_keys() {
            return common.iter().chain(keys).copied().collect();
        }
        match self.motion_keys() {
            Some(keys) => common.iter().chain(&motion::SHARED).chain(keys).copied().collect(),
            None => vec!["kind", "species", "extrapolate"],
        }
    }
}

impl AnalysisTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let kind = AnalysisKind::read(table)?;
        table.only(&kind.keys())?;
        let settings = if kind.structure_keys().is_some() {
            AnalysisSettings::Structure(StructureTable::read(table, kind)?)
        } else if kind.motion_keys().is_some() {
            AnalysisSettings::Motion(MotionTable::read(table, kind)?)
        } else {
            AnalysisSettings::Arrhenius {
                species: table.require("species", "species = \"Li\"", table.string("species")?)?,
                extrapolate: positive_quantity(table, "extrapolate", Kind::Temperature)?,
            }
        };
        let skip = table.quantity("skip", Kind::Time)?;
        if let Some(skip) = skip.filter(|skip| skip.value < 0.0) {
            return Err(table.refuse("skip", format!("it is negative: {} fs", skip.value)));
        }
        Ok(AnalysisTable { kind, stage: table.string("stage")?, skip, settings })
    }
}
