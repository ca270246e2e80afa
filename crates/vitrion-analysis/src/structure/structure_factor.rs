//! Static structure factors, by two routes.
//!
//! Wave vectors that fit the cell give them exactly, Bragg peaks included (paper, eqs. 3–5 are the other route):
//!
//! ```text
//! A_ab(k) = Re Σ_{i∈a} e^{ik·r_i} Σ_{j∈b} e^{−ik·r_j} / N
//! S_ab = 1 + (A_ab − c_a δ_ab)/(c_a c_b)                  Faber–Ziman
//! S_ab = A_ab/√(c_a c_b)                                   Ashcroft–Langreth
//! S_NN = Σ A_ab,  S_Nc = c_b A_aa − c_a A_bb + (c_b − c_a) A_ab,
//! S_cc = c_b² A_aa + c_a² A_bb − 2 c_a c_b A_ab            Bhatia–Thornton, two elements
//! ```
//!
//! The transform of g(r) gives a smooth curve up to large Q, broadened by about `2π/r_max`:
//!
//! ```text
//! S_ab(Q) = 1 + 4π Σ_bins ⟨ρ (g_ab − 1)⟩ M(r) ∫_bin r sin(Qr)/Q dr,   M = sin(πr/r_max)/(πr/r_max) (Lorch) or 1
//! ```
//!
//! Both are weighted with neutron lengths or X-ray form factors `w`:
//! `F(Q) = Σ_ab c_a c_b w_a w_b (S_ab − 1)` over all ordered pairs, `S(Q) = 1 + F/⟨w⟩²`, and with the self
//! part `F + ⟨w²⟩`.

mod experiment;
mod report;
#[cfg(test)]
mod tests;
mod wave_vectors;
mod weights;

use super::radial_distribution::count;
use crate::error::AnalysisError;
use crate::pairs::Columns;
use crate::pass::{Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::{SpeciesTable, Structure};
use wave_vectors::Amplitudes;
use weights::FormFactor;

pub use experiment::{Experiment, Point, Scattering};

/// How far, how fine, and for which probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StructureFactorSettings {
    /// Width of shells of Q [1/Å].
    #[serde(rename = "dq_per_a")]
    pub dq: f64,
    /// Wave vectors are summed up to here [1/Å].
    #[serde(rename = "q_max_direct_per_a")]
    pub q_max_direct: f64,
    /// Wave vectors of each shell, at most.
    pub vectors_per_shell: usize,
    /// The transform goes up to here [1/Å].
    #[serde(rename = "q_max_per_a")]
    pub q_max: f64,
    /// g(r) goes up to here [Å]; beyond half the cell it repeats itself.
    #[serde(rename = "r_max_a")]
    pub r_max: f64,
    /// Width of the bins of g(r) [Å].
    #[serde(rename = "dr_a")]
    pub dr: f64,
    /// Damp the end of g(r), against ripples from cutting it off.
    pub lorch: bool,
    /// Standard deviation of the Gaussian of an instrument [1/Å]; 0: none.
    #[serde(rename = "sigma_q_per_a")]
    pub sigma_q: f64,
    /// Isotopes in place of the natural elements, for example "7Li".
    #[serde(default)]
    pub isotopes: Vec<String>,
    /// Where the first sharp diffraction peak is looked for [1/Å].
    #[serde(rename = "first_peak_per_a")]
    pub first_peak: [f64; 2],
    /// A measurement to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Experiment>,
}

impl Default for StructureFactorSettings {
    fn default() -> Self {
        StructureFactorSettings {
            dq: 0.05,
            q_max_direct: 8.0,
            vectors_per_shell: 100,
            q_max: 25.0,
            r_max: 20.0,
            dr: 0.02,
            lorch: true,
            sigma_q: 0.0,
            isotopes: Vec::new(),
            first_peak: [0.8, 2.0],
            experiment: None,
        }
    }
}

/// Structure factors of a trajectory.
#[derive(Debug)]
pub struct StructureFactor {
    settings: StructureFactorSettings,
    table: Arc<SpeciesTable>,
    /// Indices of the wave vectors that are summed.
    indices: Vec<[i32; 3]>,
    shells: usize,
    bins: usize,
    /// Neutron lengths [fm].
    lengths: Vec<f64>,
    form_factors: Vec<FormFactor>,
    /// The smallest Q of the first cell [1/Å].
    smallest: f64,
}

impl StructureFactor {
    /// For trajectories that begin with this structure.
    ///
    /// # Errors
    /// Settings out of range, an isotope or element without a table, a cell that is not periodic.
    pub fn new(
        mut settings: StructureFactorSettings,
        first: &Structure,
    ) -> Result<Self, AnalysisError> {
        if first.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: 0 });
        }
        let s = &mut settings;
        for (name, value, least, most, unit) in [
            ("dq", s.dq, 1e-3, 1.0, "1/Å"),
            ("q_max_direct", s.q_max_direct, 0.5, 50.0, "1/Å"),
            ("q_max", s.q_max, 1.0, 100.0, "1/Å"),
            ("r_max", s.r_max, 2.0, 100.0, "Å"),
            ("dr", s.dr, 1e-3, 0.2, "Å"),
            ("sigma_q", s.sigma_q, 0.0, 1.0, "1/Å"),
        ] {
            if !(least..=most).contains(&value) {
                let found = format!("{value} {unit}");
                let expected = format!("{least} {unit} to {most} {unit}");
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        if s.vectors_per_shell == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1".to_owned());
            return Err(AnalysisError::Parameter { name: "vectors_per_shell", found, expected });
        }
        let [from, to] = s.first_peak;
        if !(from >= 0.0 && from + 3.0 * s.dq <= to && to <= s.q_max) {
            return Err(AnalysisError::Parameter {
                name: "first_peak",
                found: format!("{from} to {to} 1/Å"),
                expected: format!("a range of three shells or more up to {} 1/Å", s.q_max),
            });
        }
        if let Some(experiment) = &s.experiment {
            experiment.check(s.q_max)?;
        }
        let table = first.table.clone();
        let lengths = weights::neutron_lengths(&table, &s.isotopes)?;
        let form_factor = |symbol: &String| {
            FormFactor::of(symbol).ok_or_else(|| AnalysisError::Parameter {
                name: "kind",
                found: symbol.clone(),
                expected: "elements with X-ray form factors, H to Cf".into(),
            })
        };
        let form_factors = table.symbols().iter().map(form_factor).collect::<Result<_, _>>()?;
        let bins = (s.r_max / s.dr).ceil() as usize;
        s.dr = s.r_max / bins as f64;
        let shells = (s.q_max_direct / s.dq).ceil() as usize;
        s.q_max_direct = shells as f64 * s.dq;
        let reciprocal = wave_vectors::reciprocal(&first.cell);
        let shortest = reciprocal.map(vitrion_core::math::norm);
        Ok(StructureFactor {
            indices: wave_vectors::choose(&first.cell, s.q_max_direct, s.dq, s.vectors_per_shell),
            shells,
            bins,
            lengths,
            form_factors,
            smallest: shortest.into_iter().fold(f64::INFINITY, f64::min),
            table,
            settings,
        })
    }

    /// Unordered pairs of species, in the order of their numbers.
    fn pairs(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let kinds = self.table.len();
        (0..kinds).flat_map(move |a| (a..kinds).map(move |b| [a, b]))
    }

    fn pair_number(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        // rows above hold kinds, kinds − 1, … pairs
        a * self.table.len() - a * (a + 1) / 2 + b
    }

    fn pair_count(&self) -> usize {
        self.table.len() * (self.table.len() + 1) / 2
    }

    /// Places among the means: sums of `A_ab` by shell, then vectors by shell.
    fn vectors_at(&self) -> usize {
        self.pair_count() * self.shells
    }

    /// `ρ (g_ab − 1)` by bin.
    fn transform_at(&self) -> usize {
        self.vectors_at() + self.shells
    }

    /// Fractions of the species.
    fn fractions_at(&self) -> usize {
        self.transform_at() + self.pair_count() * self.bins
    }

    fn add_amplitudes(&self, scene: &Scene<'_>, means: &mut [f64]) {
        let structure = scene.structure;
        let kinds = self.table.len();
        let (cell, positions) = (&structure.cell, &structure.positions);
        let found = Amplitudes::of(cell, positions, scene.species, kinds, &self.indices);
        let per_atom = 1.0 / structure.len() as f64;
        for (at, q) in found.q.iter().enumerate() {
            let shell = (q / self.settings.dq) as usize;
            if shell >= self.shells {
                continue;
            }
            means[self.vectors_at() + shell] += 1.0;
            for (number, [a, b]) in self.pairs().enumerate() {
                let [a, b] = [a, b].map(|kind| kind * self.indices.len() + at);
                let product = found.re[a] * found.re[b] + found.im[a] * found.im[b];
                means[number * self.shells + shell] += per_atom * product;
            }
        }
    }

    fn add_correlations(&self, scene: &Scene<'_>, means: &mut [f64]) {
        let structure = scene.structure;
        // farther than other analyses look, so that these columns are not theirs
        let mut columns = Columns::default();
        columns.sort(&structure.cell, &structure.positions, self.settings.r_max);
        let scene = Scene { columns: &columns, ..*scene };
        let (kinds, dr) = (self.table.len(), self.settings.dr);
        let seen = count::pairs(&scene, self.settings.r_max, dr, self.bins);
        let density = structure.len() as f64 / structure.cell.volume();
        for (number, [a, b]) in self.pairs().enumerate() {
            let row = self.transform_at() + number * self.bins;
            let [n_a, n_b] = [a, b].map(|kind| scene.counts[kind] as f64);
            if n_a * n_b == 0.0 {
                continue;
            }
            for bin in 0..self.bins {
                let place = |a: usize, b: usize| (a * kinds + b) * self.bins + bin;
                // each pair was seen from one of its ends
                let ordered = f64::from(seen[place(a, b)] + seen[place(b, a)]);
                let radius = |edge: usize| (edge as f64 * dr).powi(3);
                let shell = 4.0 / 3.0 * std::f64::consts::PI * (radius(bin + 1) - radius(bin));
                // ρ g = N n_ab/(N_a N_b V_shell)
                let g = structure.len() as f64 * ordered / (n_a * n_b * shell);
                means[row + bin] = g - density;
            }
        }
    }
}

impl StructuralAnalysis for StructureFactor {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Sums of `A_ab` over the wave vectors of every shell, `[pair][shell]`, their number, then `ρ (g_ab − 1)`, `[pair][bin]`,
    /// and the fractions of the species.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        if scene.structure.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: scene.number });
        }
        let mut means = vec![0.0; self.fractions_at()];
        self.add_amplitudes(scene, &mut means);
        self.add_correlations(scene, &mut means);
        let atoms = scene.structure.len() as f64;
        means.extend(scene.counts.iter().map(|count| *count as f64 / atoms));
        Ok(Measured::means(means))
    }

    fn report(&self, samples: &Samples) -> Observables {
        report::report(self, samples)
    }
}
