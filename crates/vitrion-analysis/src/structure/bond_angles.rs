//! Bond-angle distributions and the tetrahedral order parameter.
//!
//! The angle A–B–C is the one at B, between bonds to an A and to a C that are shorter than the cut-off of
//! their pair; A and C are different atoms or images. `P(θ)` integrates to 1 over degrees. Since
//! directions at random favour 90°, the same is given relative to them,
//! `P(θ)/P_random(θ)` with `P_random = ½ (cos θ₁ − cos θ₂)` of each bin, exactly
//! what `P(θ)/sin θ` approximates.
//!
//! `q = 1 − 3/8 Σ_{j<k} (cos ψ_jk + 1/3)²` over the four nearest ligands (Errington and Debenedetti,
//! Nature 409, 318, 2001): 1 for a perfect tetrahedron, 0 on average at random. Centres with fewer than
//! four ligands within the cut-off have none and are counted.

use super::bonds::{self, BondCutoff, Bonds, described, species};
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::SpeciesTable;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::Observables;

/// Range and bins of the tetrahedral order parameter.
const Q_LOW: f64 = -3.0;
const Q_BINS: usize = 200;
/// The bin that begins at 0.
const Q_ZERO: usize = (Q_BINS as f64 * Q_LOW / (Q_LOW - 1.0)) as usize;
/// Numbers of a triplet, or of a tetrahedral pair, beside its histogram.
const MOMENTS: usize = 4;

/// Which angles, with which bonds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BondAnglesSettings {
    /// Elements A, B, C with B in the middle; empty: those of formers, ligands and cations that
    /// have usual cut-offs.
    #[serde(default)]
    pub triplets: Vec<[String; 3]>,
    /// Bonds; empty: the usual ones.
    #[serde(default)]
    pub cutoffs: Vec<BondCutoff>,
    /// [°], adjusted so that bins fit 180° exactly.
    #[serde(rename = "bin_deg")]
    pub bin: f64,
    /// Centre and ligand of tetrahedral order parameters; empty: formers with ligands.
    #[serde(default)]
    pub tetrahedra: Vec<[String; 2]>,
}

impl Default for BondAnglesSettings {
    fn default() -> Self {
        BondAnglesSettings {
            triplets: Vec::new(),
            cutoffs: Vec::new(),
            bin: 1.0,
            tetrahedra: Vec::new(),
        }
    }
}

impl BondAnglesSettings {
    /// With every default filled in for these species.
    #[must_use]
    pub fn resolved(mut self, table: &SpeciesTable) -> Self {
        let ligands = bonds::present(&bonds::LIGANDS, table);
        let mut formers = bonds::present(&bonds::FORMERS, table);
        formers.retain(|symbol| !ligands.contains(symbol));
        let cations = bonds::present(&bonds::CATIONS, table);
        if self.cutoffs.is_empty() {
            let symbols = table.symbols();
            for (k, a) in symbols.iter().enumerate() {
                for b in &symbols[k..] {
                    if let Some(cutoff) = bonds::known(a, b) {
                        self.cutoffs.push(BondCutoff { pair: [a.clone(), b.clone()], cutoff });
                    }
                }
            }
        }
        let bonded = |a: &str, b: &str| {
            self.cutoffs.iter().any(|bond| {
                let [p, q] = &bond.pair;
                (p == a && q == b) || (p == b && q == a)
            })
        };
        if self.triplets.is_empty() {
            let mut add = |a: &String, b: &String, c: &String| {
                if bonded(a, b) && bonded(b, c) {
                    self.triplets.push([a.clone(), b.clone(), c.clone()]);
                }
            };
            for former in &formers {
                for ligand in &ligands {
                    add(ligand, former, ligand);
                    add(former, ligand, former);
                    add(ligand, former, former);
                }
            }
            for cation in &cations {
                for ligand in &ligands {
                    for former in &formers {
                        add(cation, ligand, former);
                    }
                    add(ligand, cation, ligand);
                }
            }
        }
        if self.tetrahedra.is_empty() {
            for former in &formers {
                for ligand in ligands.iter().filter(|ligand| bonded(former, ligand)) {
                    self.tetrahedra.push([former.clone(), ligand.clone()]);
                }
            }
        }
        self
    }
}

/// Distributions of bond angles.
#[derive(Debug)]
pub struct BondAngles {
    settings: BondAnglesSettings,
    triplets: Vec<[usize; 3]>,
    tetrahedra: Vec<[usize; 2]>,
    bonds: Bonds,
    bins: usize,
}

impl BondAngles {
    /// For frames of these species.
    ///
    /// # Errors
    /// No triplet, an element that is not there, a triplet without a cut-off, a bin width out of range.
    pub fn new(
        table: &Arc<SpeciesTable>,
        settings: BondAnglesSettings,
    ) -> Result<Self, AnalysisError> {
        let settings = settings.resolved(table);
        if settings.triplets.is_empty() {
            return Err(AnalysisError::Parameter {
                name: "triplets",
                found: format!("none, and none are usual for {}", table.symbols().join(", ")),
                expected: "triplets such as \"S-P-S\" and cut-offs of their bonds".into(),
            });
        }
        if !(settings.bin > 0.0 && settings.bin <= 90.0) {
            return Err(AnalysisError::Parameter {
                name: "bin",
                found: format!("{}°", settings.bin),
                expected: "a width above 0° and up to 90°".into(),
            });
        }
        let bonds = Bonds::new(&settings.cutoffs, table)?;
        let has = |a: usize, b: usize, name: &'static str, what: String| {
            if bonds.cutoff(a, b) > 0.0 {
                return Ok(());
            }
            Err(AnalysisError::Parameter {
                name,
                found: format!("{what} without a cut-off of each bond"),
                expected: "a cut-off in `cutoffs` for every bond".into(),
            })
        };
        let mut triplets = Vec::new();
        for [a, b, c] in &settings.triplets {
            let found = [species(a, table)?, species(b, table)?, species(c, table)?];
            has(found[0], found[1], "triplets", format!("{a}-{b}-{c}"))?;
            has(found[1], found[2], "triplets", format!("{a}-{b}-{c}"))?;
            triplets.push(found);
        }
        let mut tetrahedra = Vec::new();
        for [a, b] in &settings.tetrahedra {
            let found = [species(a, table)?, species(b, table)?];
            has(found[0], found[1], "tetrahedra", format!("{a}-{b}"))?;
            tetrahedra.push(found);
        }
        let bins = (180.0 / settings.bin).round() as usize;
        Ok(BondAngles { settings, triplets, tetrahedra, bonds, bins })
    }

    fn triplet_place(&self, triplet: usize) -> usize {
        triplet * (self.bins + MOMENTS)
    }

    fn tetrahedron_place(&self, number: usize) -> usize {
        self.triplet_place(self.triplets.len()) + number * (Q_BINS + MOMENTS)
    }

    fn angles(
        &self,
        scene: &Scene<'_>,
        center: usize,
        neighbors: &[Vec<Vector3>],
        means: &mut [f64],
    ) {
        for (number, [a, b, c]) in self.triplets.iter().enumerate() {
            if scene.species[center] != *b {
                continue;
            }
            let place = self.triplet_place(number);
            let moments = place + self.bins;
            means[moments] += 1.0;
            let mut count = |u: Vector3, v: Vector3| {
                let cosine = math::dot(u, v).clamp(-1.0, 1.0);
                let degrees = cosine.acos().to_degrees();
                let bin = (degrees / 180.0 * self.bins as f64) as usize;
                means[place + bin.min(self.bins - 1)] += 1.0;
                means[moments + 1] += 1.0;
                means[moments + 2] += degrees;
                means[moments + 3] += degrees * degrees;
            };
            if a == c {
                for (k, u) in neighbors[*a].iter().enumerate() {
                    for v in &neighbors[*a][k + 1..] {
                        count(*u, *v);
                    }
                }
            } else {
                for u in &neighbors[*a] {
                    for v in &neighbors[*c] {
                        count(*u, *v);
                    }
                }
            }
        }
    }

    /// The order parameter of a centre from unit vectors to ligands by distance.
    fn tetrahedral(&self, scene: &Scene<'_>, center: usize, means: &mut [f64]) -> f64 {
        let mut value = f64::NAN;
        for (number, [former, ligand]) in self.tetrahedra.iter().enumerate() {
            if scene.species[center] != *former {
                continue;
            }
            let place = self.tetrahedron_place(number);
            let moments = place + Q_BINS;
            let limit = self.bonds.cutoff(*former, *ligand).powi(2);
            let mut near: Vec<(f64, Vector3)> = scene
                .neighbors
                .of(center)
                .filter(|(j, vector)| scene.species[*j] == *ligand && math::norm2(*vector) < limit)
                .map(|(_, vector)| (math::norm(vector), vector))
                .collect();
            if near.len() < 4 {
                means[moments + 3] += 1.0;
                continue;
            }
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut sum = 0.0;
            for j in 0..4 {
                for k in j + 1..4 {
                    let cosine = math::dot(near[j].1, near[k].1) / (near[j].0 * near[k].0);
                    sum += (cosine + 1.0 / 3.0).powi(2);
                }
            }
            value = 1.0 - 3.0 / 8.0 * sum;
            let bin = ((value - Q_LOW) / (1.0 - Q_LOW) * Q_BINS as f64) as usize;
            means[place + bin.min(Q_BINS - 1)] += 1.0;
            means[moments] += 1.0;
            means[moments + 1] += value;
            means[moments + 2] += value * value;
        }
        value
    }
}

impl StructuralAnalysis for BondAngles {
    fn needs(&self) -> Needs {
        Needs { neighbors: self.bonds.longest(), ..Needs::default() }
    }

    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let mut means = vec![0.0; self.tetrahedron_place(self.tetrahedra.len())];
        let mut order = vec![f64::NAN; scene.species.len()];
        let mut neighbors: Vec<Vec<Vector3>> = vec![Vec::new(); scene.counts.len()];
        for center in 0..scene.species.len() {
            let kind = scene.species[center];
            if !self.triplets.iter().any(|[_, b, _]| *b == kind)
                && !self.tetrahedra.iter().any(|[b, _]| *b == kind)
            {
                continue;
            }
            neighbors.iter_mut().for_each(Vec::clear);
            for (neighbor, vector) in scene.neighbors.of(center) {
                let other = scene.species[neighbor];
                let length = math::norm(vector);
                if length < self.bonds.cutoff(kind, other) {
                    neighbors[other].push(math::scale(vector, 1.0 / length));
                }
            }
            self.angles(scene, center, &neighbors, &mut means);
            order[center] = self.tetrahedral(scene, center, &mut means);
        }
        let columns = vec![AtomColumn { name: "q_tet".into(), values: AtomValues::Real(order) }];
        Ok(Measured { means, columns, ..Measured::default() })
    }

    fn report(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "bond_angles",
            "Bond angles",
            "P(A-B-C) = angles at B per degree, integral 1; relative to random directions: divided by \
             (cos t1 - cos t2)/2 of each bin; q = 1 - 3/8 sum_{j<k} (cos psi_jk + 1/3)^2 over the four nearest \
             ligands (Errington and Debenedetti, Nature 409, 318 (2001))",
        );
        result.parameter("bin", format!("{:.4}°", 180.0 / self.bins as f64));
        result.parameter("cutoffs", described(&self.settings.cutoffs));
        let mean = samples.mean();
        for (number, [a, b, c]) in self.settings.triplets.iter().enumerate() {
            let place = self.triplet_place(number);
            if mean[place + self.bins + 1] > 0.0 {
                self.triplet(samples, place, [a, b, c], &mut result);
            }
        }
        // all curves begin where the first of them does, at 0 or below
        let places = (0..self.settings.tetrahedra.len()).map(|k| self.tetrahedron_place(k));
        let first = |place: usize| (0..Q_ZERO).find(|k| mean[place + k] > 0.0);
        let from = places.filter_map(first).min().unwrap_or(Q_ZERO);
        for (number, [a, b]) in self.settings.tetrahedra.iter().enumerate() {
            let place = self.tetrahedron_place(number);
            if mean[place + Q_BINS] > 0.0 {
                tetrahedra(samples, place, from, [a, b], &mut result);
            }
        }
        result
    }
}

/// Mean and standard deviation from a number, a sum and a sum of squares.
fn spread(moments: &[f64]) -> [f64; 2] {
    let mean = moments[1] / moments[0];
    [mean, (moments[2] / moments[0] - mean * mean).max(0.0).sqrt()]
}

impl BondAngles {
    fn triplet(
        &self,
        samples: &Samples,
        place: usize,
        [a, b, c]: [&str; 3],
        result: &mut Observables,
    ) {
        let (bins, width) = (self.bins, 180.0 / self.bins as f64);
        let label = format!("{a}–{b}–{c}");
        let name = format!("{a}_{b}_{c}");
        let x = || (0..bins).map(|k| (k as f64 + 0.5) * width).collect();
        let total = |means: &[f64]| means[place + bins + 1];
        let curve = samples.curve(
            (&format!("p_{name}"), &label),
            (("angle", "°"), x()),
            ("P(θ)", "1/°"),
            |means| means[place..place + bins].iter().map(|n| n / total(means) / width).collect(),
        );
        result.curves.push(curve);
        let random = |k: usize| {
            let edge = |k: usize| (k as f64 * width).to_radians().cos();
            0.5 * (edge(k) - edge(k + 1))
        };
        let curve = samples.curve(
            (&format!("relative_{name}"), &label),
            (("angle", "°"), x()),
            ("P(θ) relative to random directions", ""),
            |means| (0..bins).map(|k| means[place + k] / total(means) / random(k)).collect(),
        );
        result.curves.push(curve);
        let labels = [
            (format!("angle_{name}_deg"), format!("mean angle {label}"), "°"),
            (format!("angle_sd_{name}_deg"), format!("standard deviation of {label}"), "°"),
            (format!("angles_per_{name}"), format!("angles {label} per {b}"), ""),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            let moments = &means[place + bins..];
            let [mean, sd] = spread(&moments[1..]);
            vec![mean, sd, moments[1] / moments[0]]
        }));
    }
}

fn tetrahedra(
    samples: &Samples,
    place: usize,
    from: usize,
    [a, b]: [&str; 2],
    result: &mut Observables,
) {
    let width = (1.0 - Q_LOW) / Q_BINS as f64;
    let (name, label) = (format!("{a}_{b}"), format!("{a} with {b}"));
    let x = (from..Q_BINS).map(|k| Q_LOW + (k as f64 + 0.5) * width).collect();
    let curve = samples.curve(
        (&format!("p_q_tet_{name}"), &label),
        (("q", ""), x),
        ("P(q), tetrahedral order", ""),
        |means| {
            let total = means[place + Q_BINS];
            means[place + from..place + Q_BINS].iter().map(|n| n / total / width).collect()
        },
    );
    result.curves.push(curve);
    let labels = [
        (format!("q_tet_{name}"), format!("tetrahedral order of {label}"), ""),
        (format!("q_tet_sd_{name}"), format!("standard deviation of it, {label}"), ""),
        (format!("q_tet_missing_{name}"), format!("fraction of {a} with fewer than four {b}"), ""),
    ];
    result.estimates.extend(samples.estimates(&labels, |means| {
        let moments = &means[place + Q_BINS..];
        let [mean, sd] = spread(moments);
        vec![mean, sd, moments[3] / (moments[0] + moments[3])]
    }));
}

#[cfg(test)]
mod tests;
