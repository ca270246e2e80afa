//! Volumes of Voronoi cells: how much room every element takes, by phase and by environment.
//!
//! `V_i` is the volume of all points nearer to atom `i` than to any other, or, with radii, of those
//! with the smallest `|x − r_i|² − R_i²` (radical tessellation; Gellatly and Finney 1982). The
//! volumes of a frame add up to the volume of the cell. `⟨V⟩ = Σ V_i/N` and the standard deviation are
//! taken over all atoms of a kind in all frames. An environment is the number of ligands within a
//! cut-off, as in [`Coordination`](super::Coordination).

mod report;
#[cfg(test)]
mod tests;

use super::bonds::{BondCutoff, Bonds, species};
use super::coordination::CoordinationSettings;
use super::phases;
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use crate::tessellation::Tessellation;
use report::{ATOMS, EMPTY, FACES, SQUARES, VOLUME};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use vitrion_core::SpeciesTable;
use vitrion_core::math;
use vitrion_core::observables::Observables;

/// Environments with more ligands than this are counted together.
const MOST_LIGANDS: usize = 12;

/// The radius of the atoms of an element in a radical tessellation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtomRadius {
    /// Its symbol.
    pub element: String,
    /// [Å]
    #[serde(rename = "radius_a")]
    pub radius: f64,
}

/// What [`VoronoiVolumes`] computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VoronoiVolumesSettings {
    /// Width of the bins of the distributions [Å³], adjusted so that they fit exactly.
    #[serde(rename = "bin_width_a3")]
    pub bin_width: f64,
    /// Where the distributions end [Å³]; larger volumes count in means, and a caution tells how
    /// many there are.
    #[serde(rename = "largest_volume_a3")]
    pub largest_volume: f64,
    /// Of every element, for the radical tessellation; the plain one if empty.
    pub radii: Vec<AtomRadius>,
    /// Named phases to tell apart, beside all atoms together.
    pub phases: Vec<String>,
    /// Which ligands belong to the environment of an ion; the usual pairs if empty.
    pub cutoffs: Vec<BondCutoff>,
}

impl Default for VoronoiVolumesSettings {
    fn default() -> Self {
        VoronoiVolumesSettings {
            bin_width: 0.5,
            largest_volume: 80.0,
            radii: Vec::new(),
            phases: Vec::new(),
            cutoffs: Vec::new(),
        }
    }
}

/// Distributions of the volumes of Voronoi cells, and the volume of every atom.
#[derive(Debug)]
pub struct VoronoiVolumes {
    table: Arc<SpeciesTable>,
    settings: VoronoiVolumesSettings,
    bins: usize,
    /// Of every species [Å]; none for the plain tessellation.
    radii: Option<Vec<f64>>,
    /// Pairs of an ion and its ligands; none if there are no such elements.
    bonds: Bonds,
    /// By species: which have environments, which are their ligands.
    is_center: Vec<bool>,
    is_ligand: Vec<bool>,
    /// Radical tessellations that are not in use; the memory of frames before.
    memory: Mutex<Vec<Tessellation>>,
}

impl VoronoiVolumes {
    /// For frames of these species.
    ///
    /// # Errors
    /// A bin width or range that is not positive, radii that are negative, given twice or not given
    /// for every element, cut-offs that make no sense, an element that the table lacks.
    pub fn new(
        table: &Arc<SpeciesTable>,
        mut settings: VoronoiVolumesSettings,
    ) -> Result<Self, AnalysisError> {
        let refuse = |name, found: String, expected: String| {
            Err(AnalysisError::Parameter { name, found, expected })
        };
        let VoronoiVolumesSettings { bin_width, largest_volume, .. } = settings;
        if !(largest_volume.is_finite() && largest_volume > 0.0) {
            let found = format!("{largest_volume} Å³");
            return refuse("largest_volume", found, "a positive volume".into());
        }
        if !(bin_width > 0.0 && bin_width <= largest_volume) {
            let expected = format!("a volume above 0 and up to {largest_volume} Å³");
            return refuse("bin_width", format!("{bin_width} Å³"), expected);
        }
        let radii = radii_of(&settings.radii, table)?;
        let environments = CoordinationSettings {
            cutoffs: settings.cutoffs.clone(),
            ..CoordinationSettings::default()
        };
        let environments = environments.resolved(table);
        if let Some(other) = settings.cutoffs.iter().find(|bond| !environments.cutoffs.contains(bond)) {
            let expected = "pairs of an ion and a ligand of these atoms".into();
            return refuse("cutoffs", other.pair.join("-"), expected);
        }
        settings.cutoffs = environments.cutoffs;
        let mask = |symbols: &[String]| -> Result<Vec<bool>, AnalysisError> {
            let mut mask = vec![false; table.len()];
            for symbol in symbols {
                mask[species(symbol, table)?] = true;
            }
            Ok(mask)
        };
        Ok(VoronoiVolumes {
            bins: (largest_volume / bin_width).round() as usize,
            radii,
            bonds: Bonds::new(&settings.cutoffs, table)?,
            is_center: mask(&environments.centers)?,
            is_ligand: mask(&environments.ligands)?,
            memory: Mutex::default(),
            settings,
            table: table.clone(),
        })
    }

    /// Sums over the atoms of a frame.
    fn sums(&self, scene: &Scene<'_>, voronoi: &Tessellation) -> Result<Vec<f64>, AnalysisError> {
        let phases = phases::places(scene, &self.settings.phases)?;
        let mut sums = vec![0.0; self.length()];
        let per_volume = self.bins as f64 / self.settings.largest_volume;
        for (atom, volume) in voronoi.volumes().iter().enumerate() {
            let species = scene.species[atom];
            let faces = voronoi.faces(atom).len();
            for phase in [Some(None), phases[atom].map(Some)].into_iter().flatten() {
                let place = self.place(species, phase);
                sums[place + ATOMS] += 1.0;
                sums[place + VOLUME] += volume;
                sums[place + SQUARES] += volume * volume;
                sums[place + FACES] += faces as f64;
                sums[place + EMPTY] += f64::from(u8::from(faces == 0));
                // the last bin holds all that is larger
                let bin = ((volume * per_volume) as usize).min(self.bins);
                sums[self.histogram(place) + bin] += 1.0;
            }
            if self.is_center[species] {
                let near = |(neighbor, vector): &(usize, math::Vector3)| {
                    let other = scene.species[*neighbor];
                    self.is_ligand[other]
                        && math::norm(*vector) < self.bonds.cutoff(species, other)
                };
                let ligands = scene.neighbors.of(atom).filter(near).count();
                let place = self.environment(species, ligands.min(MOST_LIGANDS));
                sums[place + ATOMS] += 1.0;
                sums[place + VOLUME] += volume;
            }
        }
        Ok(sums)
    }
}

/// The radius of every species.
fn radii_of(
    list: &[AtomRadius],
    table: &SpeciesTable,
) -> Result<Option<Vec<f64>>, AnalysisError> {
    if list.is_empty() {
        return Ok(None);
    }
    let refuse = |found: String, expected: &str| {
        Err(AnalysisError::Parameter { name: "radii", found, expected: expected.into() })
    };
    let mut radii = vec![f64::NAN; table.len()];
    for AtomRadius { element, radius } in list {
        let place = species(element, table)?;
        if !(radius.is_finite() && *radius >= 0.0) {
            return refuse(format!("{radius} Å for {element}"), "a distance of 0 or more");
        }
        if radii[place].is_finite() {
            return refuse(format!("{element} twice"), "one radius for each element");
        }
        radii[place] = *radius;
    }
    match radii.iter().position(|radius| radius.is_nan()) {
        Some(place) => {
            refuse(format!("none for {}", table.symbols()[place]), "a radius of every element")
        }
        None => Ok(Some(radii)),
    }
}

impl StructuralAnalysis for VoronoiVolumes {
    fn needs(&self) -> Needs {
        let voronoi = self.radii.is_none();
        Needs { neighbors: self.bonds.longest(), voronoi, ..Needs::default() }
    }

    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let measured = |voronoi: &Tessellation| -> Result<Measured, AnalysisError> {
            let values = AtomValues::Real(voronoi.volumes().to_vec());
            Ok(Measured {
                means: self.sums(scene, voronoi)?,
                columns: vec![AtomColumn { name: "voronoi_volume".into(), values }],
                ..Measured::default()
            })
        };
        let Some(radii) = &self.radii else { return measured(scene.voronoi) };
        let memory = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut voronoi = memory().pop().unwrap_or_default();
        let radii: Vec<f64> = scene.species.iter().map(|species| radii[*species]).collect();
        let (cell, positions) = (&scene.structure.cell, &scene.structure.positions);
        voronoi.make(scene.number, cell, positions, Some(&radii))?;
        let measured = measured(&voronoi);
        memory().push(voronoi);
        measured
    }

    fn report(&self, samples: &Samples) -> Observables {
        self.observables(samples)
    }
}
