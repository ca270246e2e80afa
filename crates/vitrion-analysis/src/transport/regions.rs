//! Motion in the parts of a sample: glass, interface and crystal of a glass-ceramic, or any other regions (paper, Fig. 3).
//!
//! Regions are labels of atoms in every frame, see [`RegionRule`]. What an ion does is counted for the region it is in at the origin of a displacement,
//! in two ways side by side:
//!
//! * **origin-assigned**: whatever happens later. Ions that leave mix the regions at long lags.
//! * **stayed**: only ions that are in the region all the time in between. Those that leave are the fast ones, so that this is too low, and in a
//!   slab of width `w` it saturates near `w²/6`.
//!
//! They bracket the truth where the part of ions that stay, `P(τ)`, is above one half; diffusion is fitted there only. Displacements are those of continuous
//! positions with the framework at rest, labels those of the place in the cell.
//!
//! Rates: an ion leaves a region when it stays elsewhere for the commit time at least; shorter excursions are no crossings.
//! The rate is the number of crossings over the time spent in the region, its inverse the residence time (the maximum-likelihood estimate for exponential residence,
//! with visits that the trajectory cuts off counted as what they are).

mod crossings;
mod paths;
mod report;
mod rule;

use super::msd::unit;
use super::pass::{Motion, MotionAnalysis};
use super::recording::Recording;
use super::recording::store::Store;
use crate::error::AnalysisError;
use rule::Labels;
pub use rule::{RegionRule, Slab};
use serde::{Deserialize, Serialize};
use vitrion_core::{Frame, Matrix3, Structure, Vector3};

/// Which regions, and what is said about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionsSettings {
    pub rule: RegionRule,
    /// Excursions shorter than this are no crossings [fs].
    pub commit: f64,
    /// Width of a bin of the van Hove function [Å].
    pub bin: f64,
    /// Distances up to here are counted [Å].
    pub r_max: f64,
    /// Lags of the van Hove function [fs]; evenly spaced in their logarithm if none are given.
    pub times: Vec<f64>,
    /// Directions of the crystal axes a, b, c, rows; lattice vectors of the mean cell if not given.
    pub axes: Option<Matrix3>,
}

impl Default for RegionsSettings {
    fn default() -> Self {
        RegionsSettings {
            rule: RegionRule::Labels,
            commit: 1000.0,
            bin: 0.2,
            r_max: 10.0,
            times: Vec::new(),
            axes: None,
        }
    }
}

/// The labels of all frames, and numbers of atoms in the regions.
pub(super) struct Regions {
    settings: RegionsSettings,
    labels: Labels,
    /// Mobile atoms, in the order of the recording.
    mobile: Vec<usize>,
    of_atoms: Store<u8>,
    /// `[frame][region]`: mobile atoms, and all others.
    counts: Vec<Vec<[u32; 2]>>,
    others: usize,
}

impl Regions {
    /// # Errors
    /// A rule that does not suit the structure, numbers that make no sense.
    pub(super) fn new(
        settings: RegionsSettings,
        first: &Structure,
        species: &str,
    ) -> Result<Self, AnalysisError> {
        for (name, value) in
            [("commit", settings.commit), ("bin", settings.bin), ("r_max", settings.r_max)]
        {
            if !(value.is_finite() && value > 0.0) {
                let (found, expected) = (value.to_string(), "a positive number".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        if let Some(axes) = &settings.axes {
            unit(axes)?;
        }
        let mobile = first.atoms_of(species);
        Ok(Regions {
            labels: Labels::new(&settings.rule, first)?,
            of_atoms: Store::new(mobile.len()),
            others: first.len() - mobile.len(),
            counts: Vec::new(),
            settings,
            mobile,
        })
    }
}

impl MotionAnalysis for Regions {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        let of = self.labels.of(self.counts.len(), &frame.structure)?;
        self.of_atoms.push(|row| of[self.mobile[row]])?;
        let mut counts = vec![[0, 0]; self.labels.names().len()];
        for region in &of {
            counts[usize::from(*region)][1] += 1;
        }
        for atom in &self.mobile {
            let count = &mut counts[usize::from(of[*atom])];
            *count = [count[0] + 1, count[1] - 1];
        }
        self.counts.push(counts);
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(30, "motion in regions")?;
        report::observables(self, data).map(Motion::from)
    }
}
