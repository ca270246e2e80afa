//! Which analyses of motion there are, as data.

use super::collective::{Collective, CollectiveSettings};
use super::density_map::{DensityMap, DensityMapSettings};
use super::diffusion::{DiffusionSettings, diffusion};
use super::hops::{HopSettings, hops};
use super::msd::{MsdSettings, mean_squared_displacement};
use super::non_gaussian::non_gaussian_parameter;
use super::pass::{Motion, MotionAnalysis};
use super::paths::{PathSettings, paths};
use super::recording::Recording;
use super::regions::{Regions, RegionsSettings};
use super::reorientation::{Reorientation, ReorientationSettings};
use super::self_intermediate_scattering::{ScatteringSettings, self_intermediate_scattering};
use super::sites::{SiteSettings, Sites};
use super::snapshots::{SnapshotSettings, Snapshots};
use super::van_hove::{VanHove, VanHoveSettings};
use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// One analysis of motion with everything it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MotionSettings {
    MeanSquaredDisplacement(MsdSettings),
    NonGaussian,
    Diffusion(DiffusionSettings),
    VanHove(VanHoveSettings),
    SelfIntermediateScattering(ScatteringSettings),
    DisplacementSnapshots(SnapshotSettings),
    Regions(RegionsSettings),
    Collective(CollectiveSettings),
    Hops(HopSettings),
    Sites(SiteSettings),
    DensityMap(DensityMapSettings),
    Paths(PathSettings),
    Reorientation(ReorientationSettings),
}

impl MotionSettings {
    /// The word in run files and the name of the result file.
    pub fn kind(&self) -> &'static str {
        match self {
            MotionSettings::MeanSquaredDisplacement(_) => "mean_squared_displacement",
            MotionSettings::NonGaussian => "non_gaussian",
            MotionSettings::Diffusion(_) => "diffusion",
            MotionSettings::VanHove(_) => "van_hove",
            MotionSettings::SelfIntermediateScattering(_) => "self_intermediate_scattering",
            MotionSettings::DisplacementSnapshots(_) => "displacement_snapshots",
            MotionSettings::Regions(_) => "regions",
            MotionSettings::Collective(_) => "collective",
            MotionSettings::Hops(_) => "hops",
            MotionSettings::Sites(_) => "sites",
            MotionSettings::DensityMap(_) => "density_map",
            MotionSettings::Paths(_) => "paths",
            MotionSettings::Reorientation(_) => "reorientation",
        }
    }

    /// Refuses settings that make no sense for the motion of `species` in a structure.
    ///
    /// # Errors
    /// What is wrong, by the name of the setting.
    pub fn check(&self, first: &Structure, species: &str) -> Result<(), AnalysisError> {
        self.analysis(first, species).map(|_| ())
    }

    /// The analysis of trajectories that begin with this structure.
    pub(crate) fn analysis(
        &self,
        first: &Structure,
        species: &str,
    ) -> Result<Box<dyn MotionAnalysis>, AnalysisError> {
        Ok(match self.clone() {
            MotionSettings::MeanSquaredDisplacement(settings) => {
                Box::new(OfPaths(move |data: &Recording| {
                    mean_squared_displacement(data, &settings).map(Motion::from)
                }))
            }
            MotionSettings::NonGaussian => {
                Box::new(OfPaths(|data: &Recording| non_gaussian_parameter(data).map(Motion::from)))
            }
            MotionSettings::Diffusion(settings) => Box::new(OfPaths(move |data: &Recording| {
                let (observables, found) = diffusion(data, &settings)?;
                Ok(Motion { diffusion: Some(found), ..observables.into() })
            })),
            MotionSettings::VanHove(settings) => Box::new(VanHove::new(settings, species)?),
            MotionSettings::SelfIntermediateScattering(settings) => {
                settings.check()?;
                Box::new(OfPaths(move |data: &Recording| {
                    self_intermediate_scattering(data, &settings).map(Motion::from)
                }))
            }
            MotionSettings::DisplacementSnapshots(settings) => {
                settings.check()?;
                Box::new(Snapshots::new(settings))
            }
            MotionSettings::Regions(settings) => Box::new(Regions::new(settings, first, species)?),
            MotionSettings::Collective(settings) => {
                Box::new(Collective::new(settings, first, species)?)
            }
            MotionSettings::Hops(settings) => {
                settings.check()?;
                Box::new(OfPaths(move |data: &Recording| hops(data, &settings).map(Motion::from)))
            }
            MotionSettings::Sites(settings) => Box::new(Sites::new(settings, first, species)?),
            MotionSettings::DensityMap(settings) => {
                Box::new(DensityMap::new(settings, first, species)?)
            }
            MotionSettings::Paths(settings) => {
                Box::new(OfPaths(move |data: &Recording| paths(data, &settings)))
            }
            MotionSettings::Reorientation(settings) => {
                Box::new(Reorientation::new(settings, first)?)
            }
        })
    }
}

/// An analysis that needs nothing but the recorded paths.
struct OfPaths<F>(F);

impl<F> MotionAnalysis for OfPaths<F>
where
    F: Fn(&Recording) -> Result<Motion, AnalysisError> + Send,
{
    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        self.0(data)
    }
}
