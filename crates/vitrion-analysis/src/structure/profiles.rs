//! Density profiles along the normal of a lattice plane, and profiles of properties of atoms (paper, Fig. 4d).
//!
//! ```text
//! u_j = h s_a + k s_b + l s_c (mod 1),   z = u d_hkl
//! ρ_e(z) = ⟨ bins · N_e(bin) / V ⟩,   ρ_m(z) = Σ_e m_e ρ_e(z),   x_e(z) = ρ_e(z)/Σ ρ(z)
//! ⟨p⟩(z) = ⟨ Σ_{j in bin} p_j ⟩ / ⟨ N(bin) ⟩
//! ```
//!
//! The place of an atom is a fraction of the period along the normal, `d_hkl`, so that bins stay exact in skewed cells
//! and in cells that change: every bin is `V/bins` of the volume of its frame. Where a slab drifts, each
//! frame is moved so that the centre of mass of chosen atoms (on the periodic axis, a circle) is in the
//! middle.
//!
//! Properties of atoms come from other analyses, which see every frame before: averaged `q6`, the unit of an
//! atom, its coordination. Numbers are averaged over the atoms of a bin that have one, words give the fraction
//! of these atoms that bear each.

mod axis;
mod report;
#[cfg(test)]
mod tests;

use super::bonds;
use crate::error::AnalysisError;
use crate::pass::{AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use axis::Axis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::{SpeciesTable, Structure};

/// No bin is narrower [Å].
const NARROWEST: f64 = 0.01;
/// The word of atoms that have none.
const NO_WORD: &str = "-";

/// Along which normal, how fine, of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfilesSettings {
    /// Miller indices of a lattice plane of the cell; profiles are along its normal. A common divisor is taken out.
    pub plane: [i64; 3],
    /// Thickness of bins [Å], adjusted so that a whole number fits the first frame.
    #[serde(rename = "bin_a")]
    pub bin: f64,
    /// Standard deviation of the Gaussian that profiles are folded with [Å]; 0: none.
    #[serde(default, rename = "smoothing_a")]
    pub smoothing: f64,
    /// Whose centre of mass is moved to the middle in every frame; without, atoms stay where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<Center>,
    /// Properties of atoms, by the names of columns of the analyses that give them.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Phases whose densities are told apart.
    #[serde(default)]
    pub phases: Vec<String>,
}

impl Default for ProfilesSettings {
    fn default() -> Self {
        ProfilesSettings {
            plane: [0, 0, 1],
            bin: 1.0,
            smoothing: 0.0,
            center: None,
            columns: Vec::new(),
            phases: Vec::new(),
        }
    }
}

/// Atoms that stay in the middle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// All atoms of these elements.
    Elements(Vec<String>),
    /// All atoms of a phase.
    Phase(String),
}

/// Profiles of densities and of properties of atoms.
pub struct Profiles {
    settings: ProfilesSettings,
    table: Arc<SpeciesTable>,
    /// Without a common divisor.
    plane: [i64; 3],
    bins: usize,
}

impl Profiles {
    /// Of densities, for trajectories that begin with this structure.
    ///
    /// # Errors
    /// Settings out of range, fewer than two bins, an element that is not there, columns that no analysis
    /// gives.
    pub fn new(settings: ProfilesSettings, first: &Structure) -> Result<Self, AnalysisError> {
        let plane = axis::primitive(settings.plane)?;
        let length = Axis::new(&first.cell, plane).length;
        if !(settings.bin >= NARROWEST && settings.bin <= 0.5 * length) {
            return Err(AnalysisError::Parameter {
                name: "bin",
                found: format!("{} Å", settings.bin),
                expected: format!(
                    "{NARROWEST} Å to {:.2} Å, half the period along the normal of {}",
                    0.5 * length,
                    axis::described(plane)
                ),
            });
        }
        if !(settings.smoothing >= 0.0 && settings.smoothing <= 0.5 * length) {
            return Err(AnalysisError::Parameter {
                name: "smoothing",
                found: format!("{} Å", settings.smoothing),
                expected: format!("0 Å to {:.2} Å, half the period", 0.5 * length),
            });
        }
        if let Some(Center::Elements(elements)) = &settings.center {
            if elements.is_empty() {
                return Err(AnalysisError::Parameter {
                    name: "center",
                    found: "no element".into(),
                    expected: format!("elements among {}", first.table.symbols().join(", ")),
                });
            }
            for symbol in elements {
                bonds::species(symbol, &first.table)?;
            }
        }
        let bins = (length / settings.bin).round() as usize;
        Ok(Profiles { settings, table: first.table.clone(), plane, bins })
    }

    /// Where the densities of a species begin among the means.
    fn species_at(&self, species: usize) -> usize {
        species * self.bins
    }

    fn phase_at(&self, phase: usize) -> usize {
        self.species_at(self.table.len()) + phase * self.bins
    }

    /// Sums of a column by bin, then the numbers of atoms that have a value.
    fn column_at(&self, column: usize) -> usize {
        self.phase_at(self.settings.phases.len()) + 2 * column * self.bins
    }

    /// Period [Å], volume [Å³], how well the centre is defined, atoms that define it.
    fn frame_at(&self) -> usize {
        self.column_at(self.settings.columns.len())
    }

    /// The bin of every atom, how well the centre is defined, and the atoms that define it.
    fn bins_of(
        &self,
        scene: &Scene<'_>,
        along: Axis,
        species: &[usize],
    ) -> Result<(Vec<usize>, f64, usize), AnalysisError> {
        let structure = scene.structure;
        let mut places: Vec<f64> = structure.positions.iter().map(|r| along.place(*r)).collect();
        let chosen: Vec<usize> = match &self.settings.center {
            None => Vec::new(),
            Some(Center::Elements(elements)) => (0..places.len())
                .filter(|atom| elements.contains(&self.table.symbols()[species[*atom]]))
                .collect(),
            Some(Center::Phase(phase)) => {
                let id = phase_id(scene, phase).ok_or_else(|| no_such_phase(scene, phase))?;
                let ids = structure.phases.as_deref().expect("it has that phase").ids();
                (0..places.len()).filter(|atom| ids[*atom] == id).collect()
            }
        };
        let mut concentration = 1.0;
        if self.settings.center.is_some() {
            let points = chosen.iter().map(|atom| (places[*atom], structure.mass(*atom)));
            let (center, found) = axis::circular_mean(points);
            concentration = found;
            for u in &mut places {
                *u = axis::wrapped(*u - center + 0.5);
            }
        }
        let bins = places.iter().map(|u| axis::bin(*u, self.bins)).collect();
        Ok((bins, concentration, chosen.len()))
    }

    /// Adds the properties of atoms that other analyses found.
    fn add_columns(
        &self,
        scene: &Scene<'_>,
        bins: &[usize],
        measured: &mut Measured,
    ) -> Result<(), AnalysisError> {
        let all: Vec<_> = scene.others.iter().flat_map(|found| &found.columns).collect();
        for (number, name) in self.settings.columns.iter().enumerate() {
            let Some(column) = all.iter().find(|column| column.name == *name) else {
                let known: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
                let expected = if known.is_empty() {
                    "a property that another analysis of the same pass finds for every atom".into()
                } else {
                    format!("one of {}", known.join(", "))
                };
                return Err(AnalysisError::Parameter {
                    name: "columns",
                    found: format!("\"{name}\""),
                    expected,
                });
            };
            let place = self.column_at(number);
            let (sums, counts) =
                measured.means[place..place + 2 * self.bins].split_at_mut(self.bins);
            match &column.values {
                AtomValues::Real(values) => add_numbers(values, bins, sums, counts),
                AtomValues::Words { list, of } => {
                    let mut table = vec![0.0; list.len() * self.bins];
                    for (word, bin) in of.iter().zip(bins) {
                        table[*word as usize * self.bins + bin] += 1.0;
                    }
                    for (word, row) in list.iter().zip(table.chunks_exact(self.bins)) {
                        if word == NO_WORD {
                            continue;
                        }
                        for (bin, count) in row.iter().enumerate().filter(|(_, n)| **n > 0.0) {
                            counts[bin] += count;
                            measured.named.push((format!("{number}:{bin}:{word}"), *count));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn add_numbers(values: &[f64], bins: &[usize], sums: &mut [f64], counts: &mut [f64]) {
    for (value, bin) in values.iter().zip(bins).filter(|(value, _)| !value.is_nan()) {
        sums[*bin] += value;
        counts[*bin] += 1.0;
    }
}

fn phase_id(scene: &Scene<'_>, phase: &str) -> Option<u8> {
    let phases = scene.structure.phases.as_deref()?;
    let at = phases.names().iter().position(|name| name == phase)?;
    Some(u8::try_from(at).expect("at most 255 phases"))
}

fn no_such_phase(scene: &Scene<'_>, phase: &str) -> AnalysisError {
    AnalysisError::NoSuchPhase {
        frame: scene.number,
        phase: phase.to_owned(),
        present: scene.structure.phases.as_deref().map_or(Vec::new(), |p| p.names().to_vec()),
    }
}

impl StructuralAnalysis for Profiles {
    fn needs(&self) -> Needs {
        Needs { others: !self.settings.columns.is_empty(), ..Needs::default() }
    }

    /// Means: number densities by species and bin, by phase and bin, sums and counts of columns by bin, then period,
    /// volume, how well the centre is defined, atoms that define it. Named: `COLUMN:BIN:WORD`, atoms.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let structure = scene.structure;
        if structure.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: scene.number });
        }
        let map = structure
            .table
            .map_onto(&self.table)
            .map_err(|source| AnalysisError::Species { frame: scene.number, source })?;
        let species: Vec<usize> =
            structure.species.iter().map(|id| usize::from(map[id.index()])).collect();
        let along = Axis::new(&structure.cell, self.plane);
        let (bins, concentration, chosen) = self.bins_of(scene, along, &species)?;
        let volume = structure.cell.volume();
        let density = self.bins as f64 / volume;
        let mut measured = Measured::means(vec![0.0; self.frame_at()]);
        for (bin, species) in bins.iter().zip(&species) {
            measured.means[self.species_at(*species) + bin] += density;
        }
        for (number, phase) in self.settings.phases.iter().enumerate() {
            let Some(phases) = structure.phases.as_deref() else {
                return Err(no_such_phase(scene, phase));
            };
            // a phase that is found frame by frame may be missing from one of them
            let Some(id) = phase_id(scene, phase) else { continue };
            for (bin, _) in bins.iter().zip(phases.ids()).filter(|(_, of)| **of == id) {
                measured.means[self.phase_at(number) + bin] += density;
            }
        }
        self.add_columns(scene, &bins, &mut measured)?;
        measured.means.extend([along.length, volume, concentration, chosen as f64]);
        Ok(measured)
    }

    fn report(&self, samples: &Samples) -> Observables {
        report::report(self, samples)
    }
}

/// Mean of a property of the atoms of one structure, bin by bin along the normal of a plane; atoms without a value (NaN)
/// do not count, and bins without an atom that has one are NaN.
///
/// # Errors
/// A plane (0 0 0), no bins, not one value for each atom, a cell that is not periodic.
pub fn profile_of(
    structure: &Structure,
    plane: [i64; 3],
    bins: usize,
    values: &[f64],
) -> Result<Vec<f64>, AnalysisError> {
    let plane = axis::primitive(plane)?;
    let refuse = |name, found: String, expected: String| {
        Err(AnalysisError::Parameter { name, found, expected })
    };
    if bins == 0 {
        return refuse("bins", "0".into(), "at least one".into());
    }
    if values.len() != structure.len() {
        let expected = format!("one for each of {} atoms", structure.len());
        return refuse("values", format!("{} numbers", values.len()), expected);
    }
    if structure.cell.periodicity() != [true; 3] {
        return Err(AnalysisError::NotPeriodic { frame: 0 });
    }
    let along = Axis::new(&structure.cell, plane);
    let of: Vec<usize> =
        structure.positions.iter().map(|r| axis::bin(along.place(*r), bins)).collect();
    let (mut sums, mut counts) = (vec![0.0; bins], vec![0.0; bins]);
    add_numbers(values, &of, &mut sums, &mut counts);
    Ok(sums.iter().zip(counts).map(|(sum, count)| sum / count).collect())
}
