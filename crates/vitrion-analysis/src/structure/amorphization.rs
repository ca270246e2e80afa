//! Amorphisation profile: how ordered a material is, slab by slab (Stegmaier et al., Adv. Energy Mater. 11,
//! 2100707, 2021; paper, eq. 6).
//!
//! ```text
//! F(slab) = Σ_{k ≠ 0} |Σ_{j in slab} exp(i k·r_j)| exp(−σ²k²/2)
//! ```
//!
//! over the wave vectors `k` below `π/spacing` of the two lattice vectors in the plane: the sum of the amplitudes of
//! the two-dimensional Fourier transform of the projected slab, its atoms smeared by Gaussians. A
//! crystal has few strong amplitudes, a glass many weak ones, so that F is large in a glass. It
//! must be the amplitude: the sum of squares does not depend on order (Parseval).
//!
//! Atoms at random have `F = √(πN)/2 Σ exp(−σ²k²/2)`; relative to it F is a measure of disorder that
//! depends neither on the density nor on the size of the slab, and that tells a
//! cell that is all glass from one that is all crystal.

mod phases;
#[cfg(test)]
mod tests;
mod transform;

use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use phases::Regions;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::phases::Phases;
use vitrion_core::{SpeciesTable, Structure};

pub use phases::{CRYSTAL, GLASS, INTERFACE};

/// Along which lattice vector, how fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AmorphizationSettings {
    /// Lattice vector along which slabs are stacked: 0, 1 or 2.
    pub axis: usize,
    /// Thickness of slabs [Å]; the axis is divided into a whole number of them.
    #[serde(rename = "thickness_a")]
    pub thickness: f64,
    /// Slabs overlap so that there are so many times more of them.
    pub overlap: usize,
    /// Width of the Gaussians [Å].
    #[serde(rename = "sigma_a")]
    pub sigma: f64,
    /// Largest spacing of the grid [Å].
    #[serde(rename = "spacing_a")]
    pub spacing: f64,
    /// Elements that count; empty: all.
    #[serde(default)]
    pub elements: Vec<String>,
    /// Where the material is known to be glass: from and to along the axis [Å]; without, it is found.
    #[serde(default, rename = "glass_a", skip_serializing_if = "Option::is_none")]
    pub glass: Option<[f64; 2]>,
    /// Other analyses of the same pass tell atoms apart by the phases found here.
    pub label: bool,
}

impl Default for AmorphizationSettings {
    fn default() -> Self {
        AmorphizationSettings {
            axis: 2,
            thickness: 4.0,
            overlap: 1,
            sigma: 0.5,
            spacing: 0.3,
            elements: Vec::new(),
            glass: None,
            label: true,
        }
    }
}

/// F of every slab, and the phases that follow from it.
#[derive(Debug, Clone)]
pub struct Amorphization {
    settings: AmorphizationSettings,
    /// Slabs side by side, from the first frame; `overlap` times as many windows are measured.
    slabs: usize,
    /// Elements that count, by symbol; empty: all.
    table: Arc<SpeciesTable>,
}

/// Phases that an [`Amorphization`] tells apart.
pub const PHASES: [&str; 3] = [GLASS, INTERFACE, CRYSTAL];

fn place(phase: &str) -> usize {
    PHASES.iter().position(|name| *name == phase).expect("one of the three")
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// F of every window, and what it would be for as many atoms at random.
    pub(super) f: Vec<f64>,
    pub(super) random: Vec<f64>,
    /// Width of the cell along the axis [Å].
    pub(super) length: f64,
}

impl Amorphization {
    /// For trajectories that begin with this structure.
    ///
    /// # Errors
    /// Settings out of range, an element that is not there, fewer than four slabs.
    pub fn new(settings: AmorphizationSettings, first: &Structure) -> Result<Self, AnalysisError> {
        let refuse = |name, found: String, expected: &str| {
            Err(AnalysisError::Parameter { name, found, expected: expected.into() })
        };
        if settings.axis > 2 {
            return refuse("axis", settings.axis.to_string(), "0, 1 or 2");
        }
        for (name, value, most) in [
            ("thickness", settings.thickness, f64::INFINITY),
            ("sigma", settings.sigma, 5.0),
            ("spacing", settings.spacing, 1.0),
        ] {
            if !(value > 0.0 && value.is_finite() && value <= most) {
                return refuse(name, format!("{value} Å"), "a positive length, not too large");
            }
        }
        if settings.spacing > settings.sigma {
            let found = format!("{} Å", settings.spacing);
            return refuse("spacing", found, "at most sigma, or the grid misses the Gaussians");
        }
        if settings.overlap == 0 || settings.overlap > 16 {
            return refuse("overlap", settings.overlap.to_string(), "a number from 1 to 16");
        }
        for symbol in &settings.elements {
            super::bonds::species(symbol, &first.table)?;
        }
        let length = first.cell.perpendicular_widths()[settings.axis];
        let slabs = (length / settings.thickness).round() as usize;
        if slabs < 4 {
            let found = format!("{} Å of {length:.2} Å", settings.thickness);
            return refuse("thickness", found, "at least four slabs along the axis");
        }
        if let Some([from, to]) = settings.glass
            && !(from >= 0.0 && from < to && to <= length)
        {
            let found = format!("{from} Å to {to} Å");
            return refuse("glass", found, "from below to, both within the cell");
        }
        Ok(Amorphization { settings, slabs, table: first.table.clone() })
    }

    fn windows(&self) -> usize {
        self.slabs * self.settings.overlap
    }

    /// Centre of a window as a fraction of the axis.
    fn center(&self, window: usize) -> f64 {
        let step = 1.0 / self.windows() as f64;
        (window as f64 * step + 0.5 / self.slabs as f64).fract()
    }

    fn profile(&self, frame: usize, structure: &Structure) -> Result<Profile, AnalysisError> {
        if structure.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame });
        }
        let counts: Vec<bool> = structure
            .table
            .symbols()
            .iter()
            .map(|symbol| {
                self.settings.elements.is_empty() || self.settings.elements.contains(symbol)
            })
            .collect();
        Ok(transform::profile(self, structure, &counts))
    }

    /// The phase of every atom of a frame, from its own profile.
    ///
    /// # Errors
    /// A cell that is not periodic.
    pub fn phases_of(&self, structure: &Structure) -> Result<Phases, AnalysisError> {
        let profile = self.profile(0, structure)?;
        let regions = Regions::find(self, &profile.f, &profile.random, profile.length);
        let words = self.words(structure, &regions);
        let of = words.iter().map(|word| place(word));
        Ok(Phases::with_names(&PHASES, of).expect("three plain words"))
    }

    fn words(&self, structure: &Structure, regions: &Regions) -> Vec<&'static str> {
        let windows = self.windows();
        let axis = self.settings.axis;
        let word = |r: &vitrion_core::Vector3| {
            let (wrapped, _) = structure.cell.wrap(*r);
            let s = structure.cell.to_fractional(wrapped)[axis];
            // the window whose centre is nearest
            let shift = 0.5 / self.slabs as f64 - 0.5 / windows as f64;
            let at = ((s - shift).rem_euclid(1.0) * windows as f64) as usize;
            regions.labels[at.min(windows - 1)]
        };
        structure.positions.iter().map(word).collect()
    }
}

impl StructuralAnalysis for Amorphization {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// F of all windows, F at random, fraction of atoms in glass, interface and crystal, length.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let profile = self.profile(scene.number, scene.structure)?;
        let regions = Regions::find(self, &profile.f, &profile.random, profile.length);
        let words = self.words(scene.structure, &regions);
        let atoms = words.len() as f64;
        let fraction =
            |name: &&str| words.iter().filter(|word| *word == name).count() as f64 / atoms;
        let fractions: Vec<f64> = PHASES.iter().map(fraction).collect();
        let of = words.iter().map(|word| place(word) as u32);
        let columns = vec![AtomColumn {
            name: "phase".into(),
            values: AtomValues::Words {
                list: PHASES.iter().map(|name| (*name).to_owned()).collect(),
                of: of.collect(),
            },
        }];
        let means = [profile.f, profile.random, fractions, vec![profile.length]].concat();
        Ok(Measured { means, columns, ..Measured::default() })
    }

    fn report(&self, samples: &Samples) -> Observables {
        phases::report(self, samples)
    }
}

impl Amorphization {
    fn parameters(&self, result: &mut Observables, length: f64) {
        let s = &self.settings;
        result.parameter("axis", ["a", "b", "c"][s.axis]);
        let thickness = length / self.slabs as f64;
        result.parameter("thickness", format!("{thickness:.3} Å ({} slabs)", self.slabs));
        result.parameter("overlap", s.overlap);
        result.parameter("sigma", format!("{} Å", s.sigma));
        result.parameter("spacing", format!("at most {} Å", s.spacing));
        let elements = if s.elements.is_empty() { self.table.symbols() } else { &s.elements };
        result.parameter("elements", elements.join(", "));
        let glass = s.glass.map_or("found".to_owned(), |[a, b]| format!("{a} Å to {b} Å"));
        result.parameter("glass plateau", glass);
        result.parameter("other analyses use these phases", s.label);
    }
}
