//! `[[analysis]]`: what is computed from the trajectories.

use super::positive_quantity;
use super::reader::{Located, Table};
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
    /// Largest distance [Å].
    pub r_max: Option<Located<f64>>,
    /// Bin width [Å].
    pub dr: Option<Located<f64>>,
    /// Charge number of the mobile ion.
    pub charge: Option<Located<i64>>,
    /// Temperature extrapolated to [K].
    pub extrapolate: Option<Located<f64>>,
}

/// Which analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnalysisKind {
    RadialDistribution,
    MeanSquaredDisplacement,
    Diffusion,
    Arrhenius,
}

impl AnalysisKind {
    /// The word in run files and the name of the result file.
    pub fn name(self) -> &'static str {
        match self {
            AnalysisKind::RadialDistribution => "radial_distribution",
            AnalysisKind::MeanSquaredDisplacement => "mean_squared_displacement",
            AnalysisKind::Diffusion => "diffusion",
            AnalysisKind::Arrhenius => "arrhenius",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            AnalysisKind::RadialDistribution => &["kind", "stage", "skip", "r_max", "dr"],
            AnalysisKind::MeanSquaredDisplacement => {
                &["kind", "stage", "skip", "species", "framework"]
            }
            AnalysisKind::Diffusion => &["kind", "stage", "skip", "species", "framework", "charge"],
            AnalysisKind::Arrhenius => &["kind", "species", "extrapolate"],
        }
    }
}

impl AnalysisTable {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, InputError> {
        let words = [
            AnalysisKind::RadialDistribution,
            AnalysisKind::MeanSquaredDisplacement,
            AnalysisKind::Diffusion,
            AnalysisKind::Arrhenius,
        ]
        .map(|kind| (kind.name(), kind));
        let example = "kind = \"diffusion\"";
        let kind = table.require("kind", example, table.word("kind", &words)?)?.value;
        table.only(kind.keys())?;
        let species = table.string("species")?;
        if kind != AnalysisKind::RadialDistribution {
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
            r_max: positive_quantity(table, "r_max", Kind::Length)?,
            dr: positive_quantity(table, "dr", Kind::Length)?,
            charge,
            extrapolate: positive_quantity(table, "extrapolate", Kind::Temperature)?,
        })
    }
}
