//! Coordination environments and bond lengths: LiS₃, LiS₄, LiS₆ and how long their bonds are.
//!
//! An ion is coordinated by the ligands within a cut-off; its environment is named after their
//! numbers, "LiS4". `n̄ = Σ ligands / Σ ions`. Bond lengths are those of the same pairs.

use super::bonds::{self, BondCutoff, Bonds, described, species};
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::Arc;
use vitrion_core::SpeciesTable;
use vitrion_core::math;
use vitrion_core::observables::Observables;

/// Width of the bins of bond lengths [Å].
const BIN: f64 = 0.02;
/// Numbers of a pair beside its histogram: bonds, sum, sum of squares.
const MOMENTS: usize = 3;

/// Which ions, which ligands, how near.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CoordinationSettings {
    /// Ions whose environments are named; empty: cations and network formers.
    #[serde(default)]
    pub centers: Vec<String>,
    /// What coordinates them; empty: the usual ligands.
    #[serde(default)]
    pub ligands: Vec<String>,
    /// Of pairs of a centre and a ligand; empty: the usual ones.
    #[serde(default)]
    pub cutoffs: Vec<BondCutoff>,
    /// Phases whose environments are told apart, beside all together.
    #[serde(default)]
    pub phases: Vec<String>,
}

impl CoordinationSettings {
    /// With every default filled in for these species.
    #[must_use]
    pub fn resolved(mut self, table: &SpeciesTable) -> Self {
        if self.ligands.is_empty() {
            self.ligands = bonds::present(&bonds::LIGANDS, table);
        }
        if self.cutoffs.is_empty() {
            for center in table.symbols() {
                for ligand in self.ligands.iter().filter(|ligand| *ligand != center) {
                    if let Some(cutoff) = bonds::known(center, ligand) {
                        let pair = [center.clone(), ligand.clone()];
                        self.cutoffs.push(BondCutoff { pair, cutoff });
                    }
                }
            }
        }
        if self.centers.is_empty() {
            let all = bonds::present(&bonds::CATIONS, table).into_iter();
            let all = all.chain(bonds::present(&bonds::FORMERS, table));
            self.centers = all
                .filter(|center| !self.ligands.contains(center))
                .filter(|center| self.cutoffs.iter().any(|bond| bond.pair.contains(center)))
                .collect();
        }
        let wanted = |bond: &BondCutoff| {
            let [a, b] = &bond.pair;
            (self.centers.contains(a) && self.ligands.contains(b))
                || (self.centers.contains(b) && self.ligands.contains(a))
        };
        self.cutoffs = self.cutoffs.iter().filter(|bond| wanted(bond)).cloned().collect();
        self
    }
}

/// Environments of ions and lengths of their bonds.
#[derive(Debug)]
pub struct Coordination {
    settings: CoordinationSettings,
    bonds: Bonds,
    /// Species of each centre and ligand, in the order of the settings.
    centers: Vec<usize>,
    ligands: Vec<usize>,
    /// Bins up to the longest cut-off.
    bins: usize,
}

impl Coordination {
    /// For frames of these species.
    ///
    /// # Errors
    /// No centre or no ligand, an element that is not there, a centre without a cut-off.
    pub fn new(
        table: &Arc<SpeciesTable>,
        settings: CoordinationSettings,
    ) -> Result<Self, AnalysisError> {
        let given = settings.cutoffs.clone();
        let settings = settings.resolved(table);
        for (name, list) in [("centers", &settings.centers), ("ligands", &settings.ligands)] {
            if list.is_empty() {
                return Err(AnalysisError::Parameter {
                    name,
                    found: format!("none among {}", table.symbols().join(", ")),
                    expected: "at least one element".into(),
                });
            }
        }
        if let Some(other) = given.iter().find(|bond| !settings.cutoffs.contains(bond)) {
            return Err(AnalysisError::Parameter {
                name: "cutoffs",
                found: other.pair.join("-"),
                expected: "pairs of a centre and a ligand".into(),
            });
        }
        let bonds = Bonds::new(&settings.cutoffs, table)?;
        let find = |list: &[String]| -> Result<Vec<usize>, AnalysisError> {
            list.iter().map(|symbol| species(symbol, table)).collect()
        };
        let (centers, ligands) = (find(&settings.centers)?, find(&settings.ligands)?);
        for (center, symbol) in centers.iter().zip(&settings.centers) {
            if !ligands.iter().any(|ligand| bonds.cutoff(*center, *ligand) > 0.0) {
                return Err(AnalysisError::Parameter {
                    name: "cutoffs",
                    found: format!("none for {symbol}"),
                    expected: "a cut-off of every centre to a ligand".into(),
                });
            }
        }
        let bins = (bonds.longest() / BIN).ceil() as usize;
        Ok(Coordination { settings, bonds, centers, ligands, bins })
    }

    fn place(&self, center: usize, ligand: usize) -> usize {
        (center * self.ligands.len() + ligand) * (self.bins + MOMENTS)
    }

    /// Where the number of ions of a centre is.
    fn ions(&self, center: usize) -> usize {
        self.place(self.centers.len(), 0) + center
    }

    /// "LiS4", with ligands in the order of the settings.
    fn environment(&self, center: usize, counts: &[usize]) -> String {
        let mut name = self.settings.centers[center].clone();
        for (symbol, count) in self.settings.ligands.iter().zip(counts) {
            match count {
                0 => {}
                1 => name.push_str(symbol),
                _ => write!(name, "{symbol}{count}").expect("writing to a string cannot fail"),
            }
        }
        name
    }
}

impl StructuralAnalysis for Coordination {
    fn needs(&self) -> Needs {
        Needs { neighbors: self.bonds.longest(), ..Needs::default() }
    }

    /// Named: `CENTRE:ENVIRONMENT`, and `phase PHASE:CENTRE:ENVIRONMENT`.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let mut measured = Measured::means(vec![0.0; self.ions(self.centers.len())]);
        let mut numbers = vec![f64::NAN; scene.species.len()];
        // a frame has few environments and many atoms
        let mut found: Vec<(usize, Option<u8>, Vec<usize>, f64)> = Vec::new();
        let phases = scene.structure.phases.as_deref();
        for (atom, kind) in scene.species.iter().enumerate() {
            let Some(center) = self.centers.iter().position(|center| center == kind) else {
                continue;
            };
            let mut counts = vec![0; self.ligands.len()];
            for (neighbor, vector) in scene.neighbors.of(atom) {
                let other = scene.species[neighbor];
                let Some(ligand) = self.ligands.iter().position(|ligand| *ligand == other) else {
                    continue;
                };
                let length = math::norm(vector);
                if length >= self.bonds.cutoff(*kind, other) {
                    continue;
                }
                counts[ligand] += 1;
                let place = self.place(center, ligand);
                measured.means[place + (length / BIN) as usize] += 1.0;
                for (k, x) in [1.0, length, length * length].into_iter().enumerate() {
                    measured.means[place + self.bins + k] += x;
                }
            }
            let all: usize = counts.iter().sum();
            numbers[atom] = all as f64;
            measured.means[self.ions(center)] += 1.0;
            let phase = phases.map(|phases| phases.ids()[atom]);
            let same = |(c, p, n, _): &&mut (usize, Option<u8>, Vec<usize>, f64)| {
                *c == center && *p == phase && *n == counts
            };
            match found.iter_mut().find(same) {
                Some((.., times)) => *times += 1.0,
                None => found.push((center, phase, counts, 1.0)),
            }
        }
        for (center, phase, counts, times) in found {
            let symbol = &self.settings.centers[center];
            let name = format!("{symbol}:{}", self.environment(center, &counts));
            if let Some((phase, phases)) = phase.zip(phases) {
                let phase = &phases.names()[usize::from(phase)];
                measured.named.push((format!("phase {phase}:{name}"), times));
            }
            measured.named.push((name, times));
        }
        measured.columns =
            vec![AtomColumn { name: "coordination".into(), values: AtomValues::Real(numbers) }];
        Ok(measured)
    }

    fn report(&self, samples: &Samples) -> Observables {
        let mut result = Observables::new(
            "coordination",
            "Coordination environments",
            "environment of an ion = numbers of ligands with r < r_cut; mean coordination = sum of ligands/sum of \
             ions; bond lengths of the same pairs",
        );
        result.parameter("centers", self.settings.centers.join(", "));
        result.parameter("ligands", self.settings.ligands.join(", "));
        result.parameter("cutoffs", described(&self.settings.cutoffs));
        result.parameter("phases", self.settings.phases.join(", "));
        for center in 0..self.centers.len() {
            self.environments(center, None, samples, &mut result);
            for phase in &self.settings.phases {
                self.environments(center, Some(phase), samples, &mut result);
            }
            for ligand in 0..self.ligands.len() {
                if samples.mean()[self.place(center, ligand) + self.bins] > 0.0 {
                    self.lengths(center, ligand, samples, &mut result);
                }
            }
        }
        result
    }
}

impl Coordination {
    fn environments(
        &self,
        center: usize,
        phase: Option<&String>,
        samples: &Samples,
        result: &mut Observables,
    ) {
        let symbol = &self.settings.centers[center];
        let (prefix, ending, words) = match phase {
            None => (format!("{symbol}:"), String::new(), String::new()),
            Some(phase) => (
                format!("phase {phase}:{symbol}:"),
                format!("_{phase}"),
                format!(" in the {phase}"),
            ),
        };
        let mut list: Vec<(String, usize)> = samples
            .names()
            .filter_map(|(name, at)| Some((name.strip_prefix(&prefix)?.to_owned(), at)))
            .collect();
        if list.is_empty() {
            return;
        }
        list.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(&b.0)));
        let fractions = |means: &[f64]| -> Vec<f64> {
            let of = |at: usize| means.get(at).copied().unwrap_or(0.0);
            let total: f64 = list.iter().map(|(_, at)| of(*at)).sum();
            list.iter().map(|(_, at)| of(*at) / total).collect()
        };
        let names: Vec<String> = list.iter().map(|(name, _)| name.clone()).collect();
        let all = samples.categories(
            (
                &format!("environments_{symbol}{ending}"),
                &format!("Environments of {symbol}{words}"),
            ),
            (&format!("fraction of {symbol}"), ""),
            names,
            fractions,
        );
        result.categories.push(all);
        let labels: Vec<(String, String, &str)> = list
            .iter()
            .map(|(name, _)| {
                let label = format!("fraction of {symbol} that is {name}{words}");
                (format!("fraction_{name}{ending}"), label, "")
            })
            .collect();
        result.estimates.extend(samples.estimates(&labels, fractions));
    }

    fn lengths(&self, center: usize, ligand: usize, samples: &Samples, result: &mut Observables) {
        let (a, b) = (&self.settings.centers[center], &self.settings.ligands[ligand]);
        let (place, bins, ions) = (self.place(center, ligand), self.bins, self.ions(center));
        let (name, label) = (format!("{a}_{b}"), format!("{a}–{b}"));
        let cutoff = self.bonds.cutoff(self.centers[center], self.ligands[ligand]);
        let labels = [
            (format!("coordination_{name}"), format!("{b} around {a} within {cutoff} Å"), ""),
            (format!("bond_length_{name}_a"), format!("mean length of {label} bonds"), "Å"),
            (format!("bond_length_sd_{name}_a"), format!("standard deviation of it, {label}"), "Å"),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            let [bonds, sum, squares] = [0, 1, 2].map(|k| means[place + bins + k]);
            let mean = sum / bonds;
            vec![bonds / means[ions], mean, (squares / bonds - mean * mean).max(0.0).sqrt()]
        }));
        let x = (0..bins).map(|k| (k as f64 + 0.5) * BIN).collect();
        let curve = samples.curve(
            (&format!("p_length_{name}"), &label),
            (("bond length", "Å"), x),
            ("P(r) of bonds", "1/Å"),
            |means| {
                let total = means[place + bins];
                means[place..place + bins].iter().map(|n| n / total / BIN).collect()
            },
        );
        result.curves.push(curve);
        let shortest = samples.mean()[place..place + bins].iter().position(|n| *n > 0.0);
        if let Some(bin) = shortest {
            let text = format!("{:.2} to {:.2} Å", bin as f64 * BIN, (bin + 1) as f64 * BIN);
            result.parameter(&format!("shortest {label} bond"), text);
        }
    }
}

#[cfg(test)]
mod tests;
