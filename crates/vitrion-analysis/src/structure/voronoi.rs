//! Volumes of Voronoi cells: by element, by phase and by how many ligands an ion has (paper, Fig. S4).
//!
//! Plain cells are where an atom is the nearest; with radii the radical tessellation gives large
//! atoms more room. The volumes of a frame add up to that of its cell (see [`crate::tessellation`]).

#[cfg(test)]
mod tests;

use super::CoordinationSettings;
use super::bonds::{Bonds, species};
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use crate::tessellation::Tessellation;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use vitrion_core::math;
use vitrion_core::observables::Observables;
use vitrion_core::{SpeciesTable, Structure};

/// Distributions end at so many times the mean volume per atom of the first frame; what is larger
/// counts in the means, and its fraction is given.
const WIDEST: f64 = 6.0;
/// Numbers of a group: atoms, sums of V, V², faces, atoms beyond the last bin.
const NUMBERS: usize = 5;

/// How cells are made and told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoronoiSettings {
    /// Width of the bins of volume [Å³].
    #[serde(rename = "bin_a3")]
    pub bin: f64,
    /// Radii by element [Å], of all elements or none: the radical tessellation.
    #[serde(default, rename = "radii_a")]
    pub radii: Vec<(String, f64)>,
    /// Phases told apart, beside all atoms together.
    #[serde(default)]
    pub phases: Vec<String>,
}

impl Default for VoronoiSettings {
    fn default() -> Self {
        VoronoiSettings { bin: 0.25, radii: Vec::new(), phases: Vec::new() }
    }
}

/// Voronoi volumes of a trajectory.
#[derive(Debug)]
pub struct VoronoiVolumes {
    settings: VoronoiSettings,
    table: Arc<SpeciesTable>,
    bins: usize,
    /// By species, if there are any.
    radii: Vec<f64>,
    /// Which bonds make environments.
    bonds: Bonds,
    is_center: Vec<bool>,
    is_ligand: Vec<bool>,
}

impl VoronoiVolumes {
    /// For trajectories that begin with this structure.
    ///
    /// # Errors
    /// Settings out of range, an element that is not there or has no radius.
    pub fn new(settings: VoronoiSettings, first: &Structure) -> Result<Self, AnalysisError> {
        let table = first.table.clone();
        let widest = WIDEST * first.cell.volume() / first.len() as f64;
        if !(settings.bin > 0.0 && settings.bin <= 0.25 * widest) {
            return Err(AnalysisError::Parameter {
                name: "bin",
                found: format!("{} Å³", settings.bin),
                expected: format!("a positive volume up to {:.2} Å³", 0.25 * widest),
            });
        }
        let mut radii = vec![f64::NAN; table.len()];
        for (symbol, radius) in &settings.radii {
            let at = species(symbol, &table)?;
            if !(*radius > 0.0 && *radius <= 10.0 && radii[at].is_nan()) {
                let found = format!("{symbol} {radius} Å");
                let expected = "one positive radius up to 10 Å for each element".to_owned();
                return Err(AnalysisError::Parameter { name: "radii", found, expected });
            }
            radii[at] = *radius;
        }
        if settings.radii.is_empty() {
            radii.clear();
        } else if let Some(at) = radii.iter().position(|radius| radius.is_nan()) {
            let found = format!("none for {}", table.symbols()[at]);
            let expected = "a radius for every element, or none at all".to_owned();
            return Err(AnalysisError::Parameter { name: "radii", found, expected });
        }
        let environments = CoordinationSettings::default().resolved(&table);
        let among = |list: &[String]| -> Vec<bool> {
            table.symbols().iter().map(|symbol| list.contains(symbol)).collect()
        };
        Ok(VoronoiVolumes {
            bins: (widest / settings.bin).ceil() as usize,
            bonds: Bonds::new(&environments.cutoffs, &table)?,
            is_center: among(&environments.centers),
            is_ligand: among(&environments.ligands),
            radii,
            table,
            settings,
        })
    }

    /// Groups of atoms: species, then species in every phase.
    fn group(&self, species: usize, phase: Option<usize>) -> usize {
        phase.map_or(0, |phase| phase + 1) * self.table.len() + species
    }

    fn groups(&self) -> usize {
        (self.settings.phases.len() + 1) * self.table.len()
    }

    /// Where the numbers of a group begin among the means; its histogram follows.
    fn place(&self, group: usize) -> usize {
        group * (NUMBERS + self.bins)
    }

    fn add(&self, measured: &mut Measured, group: usize, volume: f64, faces: usize) {
        let place = self.place(group);
        let bin = (volume / self.settings.bin) as usize;
        let beyond = f64::from(u8::from(bin >= self.bins));
        let numbers = [1.0, volume, volume * volume, faces as f64, beyond];
        for (k, x) in numbers.into_iter().enumerate() {
            measured.means[place + k] += x;
        }
        if bin < self.bins {
            measured.means[place + NUMBERS + bin] += 1.0;
        }
    }

    /// Ligands around an ion, if it is one.
    fn ligands(&self, scene: &Scene<'_>, atom: usize) -> Option<usize> {
        let own = scene.species[atom];
        if !self.is_center[own] || self.bonds.longest() <= 0.0 {
            return None;
        }
        let bonded = |(neighbor, vector): &(usize, [f64; 3])| {
            let other = scene.species[*neighbor];
            self.is_ligand[other] && math::norm(*vector) < self.bonds.cutoff(own, other)
        };
        Some(scene.neighbors.of(atom).filter(bonded).count())
    }
}

impl StructuralAnalysis for VoronoiVolumes {
    fn needs(&self) -> Needs {
        let neighbors = self.bonds.longest();
        Needs { voronoi: self.radii.is_empty(), neighbors, ..Needs::default() }
    }

    /// For every group its numbers and its histogram. Named: `ELEMENT:LIGANDS:atoms` and `ELEMENT:LIGANDS:volume`.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let mut own = Tessellation::default();
        let cells = if self.radii.is_empty() {
            scene.voronoi
        } else {
            let radii: Vec<f64> = scene.species.iter().map(|kind| self.radii[*kind]).collect();
            let structure = scene.structure;
            own.make(scene.number, &structure.cell, &structure.positions, Some(&radii))?;
            &own
        };
        let mut measured = Measured::means(vec![0.0; self.place(self.groups())]);
        let phases = scene.structure.phases.as_deref();
        let wanted = &self.settings.phases;
        if let (Some(phase), None) = (wanted.first(), phases) {
            let (frame, phase) = (scene.number, phase.clone());
            return Err(AnalysisError::NoSuchPhase { frame, phase, present: Vec::new() });
        }
        let mut environments: Vec<(usize, usize, [f64; 2])> = Vec::new();
        for (atom, kind) in scene.species.iter().enumerate() {
            let (volume, faces) = (cells.volumes()[atom], cells.faces(atom).len());
            self.add(&mut measured, self.group(*kind, None), volume, faces);
            let phase =
                phases.and_then(|all| wanted.iter().position(|name| name == all.name(atom)));
            if phase.is_some() {
                self.add(&mut measured, self.group(*kind, phase), volume, faces);
            }
            let Some(ligands) = self.ligands(scene, atom) else { continue };
            let same = environments.iter().position(|(k, n, _)| k == kind && *n == ligands);
            let at = same.unwrap_or_else(|| {
                environments.push((*kind, ligands, [0.0; 2]));
                environments.len() - 1
            });
            environments[at].2[0] += 1.0;
            environments[at].2[1] += volume;
        }
        for (kind, ligands, [atoms, volume]) in environments {
            let name = format!("{}:{ligands}", self.table.symbols()[kind]);
            measured.named.push((format!("{name}:atoms"), atoms));
            measured.named.push((format!("{name}:volume"), volume));
        }
        let values = AtomValues::Real(cells.volumes().to_vec());
        measured.columns = vec![AtomColumn { name: "voronoi_volume".into(), values }];
        Ok(measured)
    }

    fn report(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "voronoi",
            "Voronoi volumes",
            "V_i = volume nearer to atom i than to any other (with radii: |r - r_i|^2 - R_i^2 least); sum over atoms = \
             volume of the cell",
        );
        let s = &self.settings;
        result.parameter("bin", format!("{} Å³", s.bin));
        let radii: Vec<String> =
            s.radii.iter().map(|(symbol, radius)| format!("{symbol} {radius} Å")).collect();
        let radii = if radii.is_empty() { "none: plain cells".into() } else { radii.join(", ") };
        result.parameter("radii", radii);
        result.parameter("phases", s.phases.join(", "));
        let mean = samples.mean();
        let occupied = self.occupied(&mean);
        for phase in [None].into_iter().chain((0..s.phases.len()).map(Some)) {
            for species in 0..self.table.len() {
                if mean[self.place(self.group(species, phase))] > 0.0 {
                    self.report_group(species, phase, occupied.clone(), samples, &mut result);
                }
            }
        }
        self.report_environments(samples, &mut result);
        result
    }
}

impl VoronoiVolumes {
    /// From the first bin with an atom of any group to the last.
    fn occupied(&self, mean: &[f64]) -> Range<usize> {
        let any = |bin: &usize| {
            (0..self.groups()).any(|group| mean[self.place(group) + NUMBERS + bin] > 0.0)
        };
        let first = (0..self.bins).find(any).unwrap_or(0);
        first..(0..self.bins).rfind(any).map_or(self.bins, |last| last + 1)
    }

    fn report_group(
        &self,
        species: usize,
        phase: Option<usize>,
        occupied: Range<usize>,
        samples: &Samples,
        result: &mut Observables,
    ) {
        let symbol = &self.table.symbols()[species];
        let phase_name = phase.map(|phase| &self.settings.phases[phase]);
        let ending = phase_name.map_or(String::new(), |phase| format!("_{phase}"));
        let of = phase_name.map_or(symbol.clone(), |phase| format!("{symbol} in the {phase}"));
        let place = self.place(self.group(species, phase));
        let labels = [
            (format!("volume_{symbol}{ending}_a3"), format!("mean Voronoi volume of {of}"), "Å³"),
            (
                format!("volume_sd_{symbol}{ending}_a3"),
                format!("standard deviation of it, {of}"),
                "Å³",
            ),
            (format!("faces_{symbol}{ending}"), format!("faces of the cell of {of}"), ""),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            let [atoms, sum, squares, faces] = std::array::from_fn(|k| means[place + k]);
            let mean = sum / atoms;
            vec![mean, (squares / atoms - mean * mean).max(0.0).sqrt(), faces / atoms]
        }));
        let bin = self.settings.bin;
        let x: Vec<f64> = occupied.clone().map(|k| (k as f64 + 0.5) * bin).collect();
        let title = "P(V)";
        let curve = samples.curve(
            (&format!("distribution_{symbol}{ending}"), &of),
            (("Voronoi volume", "Å³"), x),
            (title, "1/Å³"),
            |means| {
                let atoms = means[place];
                let bins = occupied.clone();
                bins.map(|k| means[place + NUMBERS + k] / (atoms * bin)).collect()
            },
        );
        result.curves.push(curve);
        let mean = samples.mean();
        let beyond = mean[place + 4] / mean[place];
        if beyond > 0.0 {
            let what = format!("{beyond:.2e} of {of}");
            result.parameter("larger than the last bin", what);
        }
    }

    /// Mean volumes by the number of ligands.
    fn report_environments(&self, samples: &Samples, result: &mut Observables) {
        let names: Vec<(String, usize)> =
            samples.names().map(|(name, at)| (name.to_owned(), at)).collect();
        for symbol in self.table.symbols() {
            let prefix = format!("{symbol}:");
            let mut found: Vec<(usize, usize, usize)> = Vec::new();
            for (name, atoms) in &names {
                let number =
                    name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(":atoms"));
                let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
                let volume = format!("{symbol}:{number}:volume");
                let Some((_, volume)) = names.iter().find(|(name, _)| *name == volume) else {
                    continue;
                };
                found.push((number, *atoms, *volume));
            }
            if found.is_empty() {
                continue;
            }
            found.sort_unstable();
            let labels = found.iter().map(|(number, ..)| number.to_string()).collect();
            let title = format!("Voronoi volume of {symbol} by number of ligands");
            let name = format!("volumes_by_ligands_{symbol}");
            // blocks before a name first came up do not have it
            let at = |means: &[f64], place: usize| means.get(place).copied().unwrap_or(0.0);
            result.categories.push(samples.categories(
                (&name, &title),
                ("mean volume", "Å³"),
                labels,
                |means| {
                    let ratio = |(_, atoms, volume): &(usize, usize, usize)| {
                        at(means, *volume) / at(means, *atoms)
                    };
                    found.iter().map(ratio).collect()
                },
            ));
        }
    }
}
