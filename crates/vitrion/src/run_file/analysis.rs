//! `[[analysis]]`: what is computed from the trajectories.

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
    /// Mobile element.
    pub species: Option<Located<String>>,
    /// Part of the trajectory left out at its start [fs].
    pub skip: Option<Located<f64>>,
    /// Elements whose centre of mass stands still.
    pub framework: Option<Vec<Located<String>>>,
    /// Settings of an analysis of single frames.
    pub structure: Option<StructureTable>,
    /// Charge number of the mobile ion.
    pub charge: Option<Located<i64>>,
    /// Temperature extrapolated to [K].
    pub extrapolate: Option<Located<f64>>,
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
    MeanSquaredDisplacement,
    NonGaussian,
    Diffusion,
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
            AnalysisKind::MeanSquaredDisplacement => "mean_squared_displacement",
            AnalysisKind::NonGaussian => "non_gaussian",
            AnalysisKind::Diffusion => "diffusion",
            AnalysisKind::Arrhenius => "arrhenius",
        }
    }

    /// Every kind.
    const ALL: [AnalysisKind; 13] = [
        AnalysisKind::RadialDistribution,
        AnalysisKind::BondAngles,
        AnalysisKind::Coordination,
        AnalysisKind::Speciation,
        AnalysisKind::Steinhardt,
        AnalysisKind::Amorphization,
        AnalysisKind::Profiles,
        AnalysisKind::StructureFactor,
        AnalysisKind::Voronoi,
        AnalysisKind::MeanSquaredDisplacement,
        AnalysisKind::NonGaussian,
        AnalysisKind::Diffusion,
        AnalysisKind::Arrhenius,
    ];

    /// The key `kind` of a table.
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let words = Self::ALL.map(|kind| (kind.name(), kind));
        let example = "kind = \"diffusion\"";
        Ok(table.require("kind", example, table.word("kind", &words)?)?.value)
    }

    fn keys(self) -> Vec<&'static str> {
        if let Some(keys) = self.structure_keys() {
            return ["kind", "stage", "skip"].iter().chain(keys).copied().collect();
        }
        match self {
            AnalysisKind::Diffusion => {
                vec!["kind", "stage", "skip", "species", "framework", "charge"]
            }
            AnalysisKind::Arrhenius => vec!["kind", "species", "extrapolate"],
            _ => vec!["kind", "stage", "skip", "species", "framework"],
        }
    }
}

impl AnalysisTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let kind = AnalysisKind::read(table)?;
        table.only(&kind.keys())?;
        let structural = kind.structure_keys().is_some();
        let structure = structural.then(|| StructureTable::read(table, kind)).transpose()?;
        let species = if structural { None } else { table.string("species")? };
        if !structural {
            table.require("species", "species = \"Li\"", species.as_ref())?;
        }
        let charge = table.integer("charge")?;
        if let Some(Located { value: 0, .. }) = charge {
            return Err(table.refuse("charge", "a neutral atom carries no current"));
        }
        if kind == AnalysisKind::Diffusion {
            table.require("charge", "charge = 1", charge)?;
        }
        let skip = table.quantity("skip", Kind::Time)?;
        if let Some(skip) = skip.filter(|skip| skip.value < 0.0) {
            return Err(table.refuse("skip", format!("it is negative: {} fs", skip.value)));
        }
        Ok(AnalysisTable {
            kind,
            stage: table.string("stage")?,
            species,
            skip,
            framework: table.strings("framework")?,
            structure,
            charge,
            extrapolate: positive_quantity(table, "extrapolate", Kind::Temperature)?,
        })
    }
}
