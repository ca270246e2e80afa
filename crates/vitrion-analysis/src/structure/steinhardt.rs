//! Steinhardt bond-order parameters, plain and averaged over neighbours.
//!
//! ```text
//! q_lm(i) = Σ_j w_ij Y_lm(r_ij) / Σ_j w_ij          (paper, eq. 7; w = 1)
//! q_l(i)  = √(4π/(2l + 1) Σ_m |q_lm(i)|²)           (eq. 8)
//! q̄_lm(i) = (q_lm(i) + Σ_k q_lm(k)) / (N_k + 1)     (eq. 9)
//! ```
//!
//! `j` are the neighbours of `i`: within a distance, the N nearest, or behind a face of the Voronoi
//! cell, with its area as the weight `w_ij`. `k` are those neighbours that have a `q_lm` themselves,
//! that is, which are centres with neighbours; each counts once per bond, whatever its weight.
//! Equation 9 as printed divides `N_b + 1` terms by `N_b`; this divides by their number, as Lechner
//! and Dellago (2008) do.

mod bond_order;
mod harmonics;
mod invariants;
mod nearest;
mod report;
mod shells;
#[cfg(test)]
mod tests;
mod third_order;

use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use bond_order::{BondOrder, Centers};
use harmonics::{L_MAX, Layout};
use invariants::Invariants;
use nearest::Nearest;
use report::Atoms;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use third_order::ThirdOrder;
use vitrion_core::SpeciesTable;
use vitrion_core::observables::Observables;

/// Which atoms are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Neighborhood {
    /// All closer than this distance [Å], with equal weights; also several images of one atom.
    #[serde(rename = "cutoff_a")]
    Cutoff(f64),
    /// Exactly so many, however far, with equal weights. Of those at the same distance the first in
    /// the order of the atoms are taken; results then depend on that order, and say so.
    Nearest(usize),
    /// All that share a face of the Voronoi tessellation, weighted with its area.
    Voronoi,
}

/// What [`Steinhardt`] computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SteinhardtSettings {
    /// Degrees of the spherical harmonics, from 2 to 12.
    pub l: Vec<u32>,
    /// Which atoms are neighbours.
    pub neighborhood: Neighborhood,
    /// Elements whose atoms get a parameter; all if empty.
    pub centers: Vec<String>,
    /// Elements whose atoms are neighbours; all if empty.
    pub neighbors: Vec<String>,
    /// Width of the bins of the distributions on [0, 1] (adjusted so that they fit exactly).
    pub bin_width: f64,
    /// Named phases to tell apart, beside all atoms together.
    pub phases: Vec<String>,
    /// Also the third-order invariants `w_l` of even `l`, normalised.
    pub third_order: bool,
}

impl Default for SteinhardtSettings {
    fn default() -> Self {
        SteinhardtSettings {
            l: vec![4, 6],
            neighborhood: Neighborhood::Nearest(12),
            centers: Vec::new(),
            neighbors: Vec::new(),
            bin_width: 0.01,
            phases: Vec::new(),
            third_order: false,
        }
    }
}

/// Distributions of `q_l` and of its average over neighbours, and both of every atom.
#[derive(Debug)]
pub struct Steinhardt {
    table: Arc<SpeciesTable>,
    settings: SteinhardtSettings,
    bins: usize,
    layout: Layout,
    third: Vec<Option<ThirdOrder>>,
    /// By species: which are centres, which are neighbours.
    is_center: Vec<bool>,
    is_neighbor: Vec<bool>,
}

impl Steinhardt {
    /// For frames of these species.
    ///
    /// # Errors
    /// An `l` outside 2 to 12 or none, one twice, a cut-off or bin width that is not positive, no
    /// neighbours, an element that the table lacks.
    pub fn new(
        table: &Arc<SpeciesTable>,
        settings: SteinhardtSettings,
    ) -> Result<Self, AnalysisError> {
        let refuse = |name, found: String, expected: &str| {
            Err(AnalysisError::Parameter { name, found, expected: expected.into() })
        };
        let l = &settings.l;
        let twice = l.iter().enumerate().any(|(k, one)| l[..k].contains(one));
        if l.is_empty() || twice || !l.iter().all(|l| (2..=L_MAX as u32).contains(l)) {
            return refuse("l", format!("{l:?}"), "different numbers from 2 to 12");
        }
        match settings.neighborhood {
            Neighborhood::Cutoff(cutoff) if !(cutoff.is_finite() && cutoff > 0.0) => {
                return refuse("cutoff", format!("{cutoff} Å"), "a positive distance");
            }
            Neighborhood::Nearest(0) => {
                return refuse("nearest", "0".into(), "at least 1 neighbour");
            }
            _ => {}
        }
        let width = settings.bin_width;
        if !(width > 0.0 && width <= 1.0) {
            return refuse("bin_width", width.to_string(), "a number above 0 and up to 1");
        }
        let mask = |symbols: &[String]| -> Result<Vec<bool>, AnalysisError> {
            let mut mask = vec![symbols.is_empty(); table.len()];
            for symbol in symbols {
                let id = table.id(symbol).ok_or_else(|| AnalysisError::NoSuchSpecies {
                    species: symbol.clone(),
                    present: table.symbols().to_vec(),
                })?;
                mask[id.index()] = true;
            }
            Ok(mask)
        };
        let third = |l: &u32| ThirdOrder::new(*l as usize).filter(|_| settings.third_order);
        Ok(Steinhardt {
            is_center: mask(&settings.centers)?,
            is_neighbor: mask(&settings.neighbors)?,
            bins: (1.0 / width).round() as usize,
            layout: Layout::new(l),
            third: l.iter().map(third).collect(),
            settings,
            table: table.clone(),
        })
    }

    /// Bond-order vectors of the centres, and which of these could have had other neighbours.
    fn bond_order(
        &self,
        scene: &Scene<'_>,
        centers: &Centers,
    ) -> Result<(BondOrder<'_>, Vec<bool>), AnalysisError> {
        let allowed = |atom: usize| self.is_neighbor[scene.species[atom]];
        let (layout, frame) = (&self.layout, scene.number);
        let mut ties = Vec::new();
        let order = match self.settings.neighborhood {
            Neighborhood::Cutoff(cutoff) => {
                let table = scene.neighbors;
                let everyone = self.is_neighbor.iter().all(|is| *is);
                let exact = table.cutoff() <= cutoff;
                BondOrder::new(layout, frame, centers, |atom, shell| {
                    let row = table.row(atom);
                    if everyone && exact {
                        shell.extend(table.indices(row.clone()), table.components(row));
                        return Ok(());
                    }
                    for (neighbor, vector) in table.of(atom) {
                        let [x, y, z] = vector;
                        let near = exact || x * x + y * y + z * z < cutoff * cutoff;
                        if near && allowed(neighbor) {
                            shell.push(neighbor, vector, 1.0);
                        }
                    }
                    Ok(())
                })?
            }
            Neighborhood::Nearest(number) => {
                let nearest = Nearest::find(scene, centers, number, allowed)?;
                ties.extend((0..centers.len()).map(|center| nearest.is_tied(center)));
                let mut rows = (0..centers.len()).map(|center| nearest.of(center));
                BondOrder::new(layout, frame, centers, |_, shell| {
                    for near in rows.next().expect("a row for every centre") {
                        shell.push(near.neighbor, near.vector, 1.0);
                    }
                    Ok(())
                })?
            }
            Neighborhood::Voronoi => BondOrder::new(layout, frame, centers, |atom, shell| {
                let faces = scene.voronoi.faces(atom).iter();
                for face in faces.filter(|face| allowed(face.neighbor) && face.area > 0.0) {
                    shell.push(face.neighbor, face.vector, face.area);
                }
                Ok(())
            })?,
        };
        ties.resize(centers.len(), false);
        Ok((order, ties))
    }

    /// Number of the phase of every atom among those that were asked for.
    fn phases(&self, scene: &Scene<'_>) -> Result<Vec<Option<usize>>, AnalysisError> {
        let wanted = &self.settings.phases;
        if wanted.is_empty() {
            return Ok(vec![None; scene.structure.len()]);
        }
        let missing = |phase: &str, present: &[String]| AnalysisError::NoSuchPhase {
            frame: scene.number,
            phase: phase.to_owned(),
            present: present.to_vec(),
        };
        let phases = scene.structure.phases.as_deref();
        let phases = phases.ok_or_else(|| missing(&wanted[0], &[]))?;
        if let Some(phase) = wanted.iter().find(|phase| !phases.names().contains(phase)) {
            return Err(missing(phase, phases.names()));
        }
        let place = |name: &String| wanted.iter().position(|wanted| wanted == name);
        let places: Vec<Option<usize>> = phases.names().iter().map(place).collect();
        Ok(phases.ids().iter().map(|id| places[usize::from(*id)]).collect())
    }
}

impl StructuralAnalysis for Steinhardt {
    fn needs(&self) -> Needs {
        match self.settings.neighborhood {
            Neighborhood::Cutoff(cutoff) => Needs { neighbors: cutoff, ..Needs::default() },
            Neighborhood::Nearest(_) => Needs::default(),
            Neighborhood::Voronoi => Needs { voronoi: true, ..Needs::default() },
        }
    }

    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let count = scene.structure.len();
        let phases = self.phases(scene)?;
        let centers = Centers::new(count, |atom| self.is_center[scene.species[atom]]);
        let (order, ties) = self.bond_order(scene, &centers)?;
        let counts = order.counts();
        let (averaged, over) = order.averaged();
        let plain = Invariants::of(&self.layout, order.vectors(), counts, &self.third);
        let averaged = Invariants::of(&self.layout, &averaged, counts, &self.third);
        let means = self.sums(&Atoms {
            centers: &centers,
            species: scene.species,
            phases: &phases,
            neighbors: counts,
            averaged_over: &over,
            tied: &ties,
            invariants: [&plain, &averaged],
        });
        let column = |name: String, of_centers: &[f64]| {
            let mut values = vec![f64::NAN; count];
            for (atom, value) in centers.atoms().zip(of_centers) {
                values[atom] = *value;
            }
            AtomColumn { name, values: AtomValues::Real(values) }
        };
        let mut columns = Vec::new();
        for (which, l) in self.settings.l.iter().enumerate() {
            columns.push(column(format!("q{l}"), &plain.q[which]));
            columns.push(column(format!("q{l}_averaged"), &averaged.q[which]));
            if self.third[which].is_some() {
                columns.push(column(format!("w{l}"), &plain.w[which]));
                columns.push(column(format!("w{l}_averaged"), &averaged.w[which]));
            }
        }
        Ok(Measured { means, columns, ..Measured::default() })
    }

    fn report(&self, samples: &Samples) -> Observables {
        self.observables(samples)
    }
}
