//! Partial radial distribution functions and running coordination numbers, streamed.
//!
//! `g_ij(r) = ⟨ n_ij(r) / (N_i ρ_j V_shell) ⟩`, `ρ_j = N_j / V` of each frame and the exact shell
//! volume `V_shell = 4π/3 (r₂³ − r₁³)`; `n_ij` counts directed pairs, periodic images included, so
//! `r_max` may exceed half the cell.

use super::StructureError;
use super::shell::{self, FirstShell};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::Arc;
use vitrion_core::neighbors::{Pairs, cell_list, pair_vector};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::{Frame, SpeciesTable, math};

/// Blocks are merged in pairs whenever this many are full.
const MOST_BLOCKS: usize = 32;
/// Below this many blocks an error is not worth stating without a caution.
const FEW_BLOCKS: usize = 5;

/// Collects frames; see the module for the definition.
///
/// Memory is O(pairs of species · bins · 32) whatever the number of frames.
#[derive(Debug, Clone)]
pub struct RadialDistribution {
    table: Arc<SpeciesTable>,
    dr: f64,
    bins: usize,
    /// Atoms of each species, from the first frame.
    counts: Vec<usize>,
    formula: String,
    frames: usize,
    /// Mean over all frames of the volume [Å³].
    volume: f64,
    block_length: usize,
    blocks: Vec<Block>,
}

/// Sums over consecutive frames, for all pairs `i ≤ j` in row order.
#[derive(Debug, Clone)]
struct Block {
    frames: usize,
    /// Σ over frames of `count · V / (N_i N_j)` per pair and bin [Å³]; g times the shell volume.
    scaled: Vec<f64>,
    /// Σ over frames of directed counts per pair and bin.
    counted: Vec<f64>,
}

impl Block {
    fn absorb(&mut self, other: &Block) {
        self.frames += other.frames;
        for (mine, theirs) in self.scaled.iter_mut().zip(&other.scaled) {
            *mine += theirs;
        }
        for (mine, theirs) in self.counted.iter_mut().zip(&other.counted) {
            *mine += theirs;
        }
    }
}

impl RadialDistribution {
    /// An empty histogram for pairs of the species in `table`, up to `r_max` [Å] in bins of `dr`
    /// [Å]. The bin width is adjusted so that a whole number of bins ends at `r_max`; the width
    /// used is among the parameters of the result.
    ///
    /// # Errors
    /// [`StructureError::BadRange`] unless 0 < `dr` < `r_max`.
    pub fn new(table: Arc<SpeciesTable>, r_max: f64, dr: f64) -> Result<Self, StructureError> {
        if !(dr > 0.0 && dr < r_max && r_max.is_finite()) {
            return Err(StructureError::BadRange { r_max, dr });
        }
        let bins = (r_max / dr).round() as usize;
        Ok(RadialDistribution {
            counts: vec![0; table.len()],
            table,
            dr: r_max / bins as f64,
            bins,
            formula: String::new(),
            frames: 0,
            volume: 0.0,
            block_length: 1,
            blocks: Vec::new(),
        })
    }

    /// Adds the pairs of one frame. Cost O(atoms · neighbours within `r_max`).
    ///
    /// # Errors
    /// Atoms other than in the first frame, a species outside the table, a cell that is not
    /// periodic, or a position that is not finite.
    pub fn add(&mut self, frame: &Frame) -> Result<(), StructureError> {
        let structure = &frame.structure;
        let number = self.frames;
        let open: Vec<&str> = ["a", "b", "c"]
            .into_iter()
            .zip(structure.cell.periodicity())
            .filter_map(|(name, periodic)| (!periodic).then_some(name))
            .collect();
        if !open.is_empty() {
            let directions = open.join(", ");
            return Err(StructureError::NotPeriodic { frame: number, directions });
        }
        let bad = structure.positions.iter().position(|r| !r.iter().all(|x| x.is_finite()));
        if let Some(atom) = bad {
            let position = structure.positions[atom];
            return Err(StructureError::NotFinite { frame: number, atom, position });
        }
        let map = structure
            .table
            .map_onto(&self.table)
            .map_err(|source| StructureError::Species { frame: number, source })?;
        let species: Vec<usize> =
            structure.species.iter().map(|id| usize::from(map[id.index()])).collect();
        let mut counts = vec![0; self.table.len()];
        for id in &species {
            counts[*id] += 1;
        }
        if number == 0 {
            self.counts = counts;
            self.formula = structure.formula();
        } else if counts != self.counts {
            return Err(StructureError::CompositionChanged {
                frame: number,
                expected: self.formula.clone(),
                found: structure.formula(),
            });
        }
        let counted = self.count(frame, &species);
        let volume = structure.cell.volume();
        let mut scaled = counted.clone();
        for (pair, (i, j)) in self.pairs().into_iter().enumerate() {
            let per_pair = volume / (self.counts[i] * self.counts[j]).max(1) as f64;
            for value in &mut scaled[pair * self.bins..(pair + 1) * self.bins] {
                *value *= per_pair;
            }
        }
        self.push(&Block { frames: 1, scaled, counted });
        self.frames += 1;
        self.volume += (volume - self.volume) / self.frames as f64;
        Ok(())
    }

    /// The result. Species without atoms give no curves.
    ///
    /// Standard errors come from blocks of consecutive frames (those of peak positions by the
    /// delete-one-block jackknife).
    ///
    /// # Errors
    /// [`StructureError::NoFrames`] if nothing was added.
    pub fn finish(&self) -> Result<Observables, StructureError> {
        let Some(first) = self.blocks.first() else { return Err(StructureError::NoFrames) };
        let mut total = first.clone();
        for block in &self.blocks[1..] {
            total.absorb(block);
        }
        let mut result = Observables::new(
            "radial_distribution",
            "Radial distribution functions",
            "g_ij(r) = < n_ij(r) / (N_i rho_j 4 pi/3 (r2^3 - r1^3)) >, rho_j = N_j / V of each \
             frame; n_ij(r): mean number of j within r of an i, by counting",
        );
        self.state_parameters(&mut result);
        let whole = self.whole_blocks();
        if whole.len() < FEW_BLOCKS {
            result.caution(
                "few_blocks",
                format!(
                    "{} frames make {} blocks; the standard errors of g(r) are rough or absent",
                    self.frames,
                    whole.len()
                ),
                "Add frames, further apart in time.",
            );
        }
        for (pair, (i, j)) in self.pairs().into_iter().enumerate() {
            if self.counts[i] == 0 || self.counts[j] == 0 {
                continue;
            }
            self.pair_curves(&mut result, pair, (i, j), &total, &whole);
            self.first_shell(&mut result, pair, (i, j), &total, &whole);
        }
        Ok(result)
    }

    /// Histogram of directed pairs of one frame, for species pairs `i ≤ j`.
    fn count(&self, frame: &Frame, species: &[usize]) -> Vec<f64> {
        let structure = &frame.structure;
        let (cell, positions) = (&structure.cell, &structure.positions);
        let r_max = self.dr * self.bins as f64;
        let mut found = Pairs::default();
        cell_list::pairs(cell, positions, r_max, &mut found);
        let length = self.pairs().len() * self.bins;
        // counts are whole numbers: the order of the sums cannot matter
        (0..positions.len())
            .into_par_iter()
            .fold(
                || vec![0.0; length],
                |mut histogram, i| {
                    for pair in &found.pairs[found.offsets[i]..found.offsets[i + 1]] {
                        let (a, b) = (species[i], species[pair.j as usize]);
                        if a > b {
                            continue;
                        }
                        let r = math::norm(pair_vector(cell, positions, i, *pair));
                        let bin = (r / self.dr) as usize;
                        if bin < self.bins {
                            histogram[self.pair(a, b) * self.bins + bin] += 1.0;
                        }
                    }
                    histogram
                },
            )
            .reduce(
                || vec![0.0; length],
                |mut a, b| {
                    for (a, b) in a.iter_mut().zip(b) {
                        *a += b;
                    }
                    a
                },
            )
    }

    /// Species pairs `i ≤ j` in storage order.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let n = self.table.len();
        (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect()
    }

    fn pair(&self, i: usize, j: usize) -> usize {
        let n = self.table.len();
        i * n - i * (i + 1) / 2 + j
    }

    fn push(&mut self, frame: &Block) {
        match self.blocks.last_mut() {
            Some(last) if last.frames < self.block_length => last.absorb(frame),
            _ => {
                if self.blocks.len() == MOST_BLOCKS {
                    self.blocks = self
                        .blocks
                        .chunks_exact(2)
                        .map(|two| {
                            let mut merged = two[0].clone();
                            merged.absorb(&two[1]);
                            merged
                        })
                        .collect();
                    self.block_length *= 2;
                }
                self.blocks.push(frame.clone());
            }
        }
    }

    /// Complete blocks only: a short last one would count too much.
    fn whole_blocks(&self) -> Vec<&Block> {
        self.blocks.iter().filter(|block| block.frames == self.block_length).collect()
    }

    fn state_parameters(&self, result: &mut Observables) {
        let r_max = self.dr * self.bins as f64;
        result.parameters = vec![
            ("r_max".to_owned(), format!("{r_max} Å")),
            ("bin width".to_owned(), format!("{} Å", self.dr)),
            ("bins".to_owned(), self.bins.to_string()),
            ("frames".to_owned(), self.frames.to_string()),
            ("frames per block".to_owned(), self.block_length.to_string()),
            ("formula".to_owned(), self.formula.clone()),
            ("mean volume".to_owned(), format!("{:.6} Å³", self.volume)),
            (
                "density of partners".to_owned(),
                "rho_j = N_j / V, also for i = j (like pairs tend to 1 - 1/N_j)".to_owned(),
            ),
            ("smoothing for peaks".to_owned(), format!("Gaussian, sigma {} Å", shell::SMOOTHING)),
        ];
    }

    fn shell_volume(&self, bin: usize) -> f64 {
        let (inner, outer) = (bin as f64 * self.dr, (bin + 1) as f64 * self.dr);
        4.0 / 3.0 * PI * (outer.powi(3) - inner.powi(3))
    }

    fn g_of(&self, block: &Block, pair: usize) -> Vec<f64> {
        (0..self.bins)
            .map(|bin| {
                let sum = block.scaled[pair * self.bins + bin];
                sum / block.frames as f64 / self.shell_volume(bin)
            })
            .collect()
    }

    /// Mean number of partners within the upper edge of each bin, per atom of `centers` atoms.
    fn running_of(&self, block: &Block, pair: usize, centers: usize) -> Vec<f64> {
        let mut sum = 0.0;
        (0..self.bins)
            .map(|bin| {
                sum += block.counted[pair * self.bins + bin];
                sum / (block.frames * centers) as f64
            })
            .collect()
    }

    fn pair_curves(
        &self,
        result: &mut Observables,
        pair: usize,
        (i, j): (usize, usize),
        total: &Block,
        whole: &[&Block],
    ) {
        let symbols = self.table.symbols();
        let r_axis = || Axis { label: "r".to_owned(), unit: "Å".to_owned() };
        let blocks: Vec<Vec<f64>> = whole.iter().map(|b| self.g_of(b, pair)).collect();
        result.curves.push(Curve {
            name: format!("g_{}_{}", symbols[i], symbols[j]),
            label: format!("{}–{}", symbols[i], symbols[j]),
            x_axis: r_axis(),
            y_axis: Axis { label: "g(r)".to_owned(), unit: String::new() },
            x: (0..self.bins).map(|bin| (bin as f64 + 0.5) * self.dr).collect(),
            y: self.g_of(total, pair),
            y_error: block_errors(&blocks),
        });
        let directions = if i == j { vec![(i, j)] } else { vec![(i, j), (j, i)] };
        for (center, partner) in directions {
            let running = |b: &Block| self.running_of(b, pair, self.counts[center]);
            let blocks: Vec<Vec<f64>> = whole.iter().map(|b| running(b)).collect();
            result.curves.push(Curve {
                name: format!("coordination_{}_{}", symbols[center], symbols[partner]),
                label: format!("{} around {}", symbols[partner], symbols[center]),
                x_axis: r_axis(),
                y_axis: Axis { label: "n(r)".to_owned(), unit: String::new() },
                x: (1..=self.bins).map(|edge| edge as f64 * self.dr).collect(),
                y: running(total),
                y_error: block_errors(&blocks),
            });
        }
    }

    fn first_shell(
        &self,
        result: &mut Observables,
        pair: usize,
        (i, j): (usize, usize),
        total: &Block,
        whole: &[&Block],
    ) {
        let symbols = self.table.symbols();
        let name = format!("{}_{}", symbols[i], symbols[j]);
        let Some(FirstShell { peak, minimum }) =
            shell::first_shell(&self.g_of(total, pair), self.dr)
        else {
            return;
        };
        let replicas = self.jackknife_peaks(whole, pair);
        let n = replicas.len() as f64;
        let scatter = vitrion_core::stats::variance(&replicas);
        result.estimates.push(Estimate {
            name: format!("first_peak_{name}_angstrom"),
            label: format!("{}–{} first peak", symbols[i], symbols[j]),
            value: peak,
            uncertainty: uncertainty((n - 1.0) / n.sqrt() * scatter.sqrt(), replicas.len()),
            unit: "Å".to_owned(),
        });
        let Some(edge) = minimum else { return };
        result.estimates.push(Estimate {
            name: format!("first_minimum_{name}_angstrom"),
            label: format!("{}–{} first minimum (cut-off)", symbols[i], symbols[j]),
            value: edge as f64 * self.dr,
            uncertainty: Uncertainty::NotEstimated {
                why: "chosen as a bin edge; it defines the coordination number".to_owned(),
            },
            unit: "Å".to_owned(),
        });
        let directions = if i == j { vec![(i, j)] } else { vec![(i, j), (j, i)] };
        for (center, partner) in directions {
            let at_edge =
                |b: &Block| self.running_of(b, pair, self.counts[center])[edge.max(1) - 1];
            let blocks: Vec<f64> = whole.iter().map(|b| at_edge(b)).collect();
            let error = (vitrion_core::stats::variance(&blocks) / blocks.len() as f64).sqrt();
            result.estimates.push(Estimate {
                name: format!("coordination_{}_{}", symbols[center], symbols[partner]),
                label: format!(
                    "{} around {} within the first minimum",
                    symbols[partner], symbols[center]
                ),
                value: at_edge(total),
                uncertainty: uncertainty(error, blocks.len()),
                unit: String::new(),
            });
        }
    }

    /// Peak positions with one block left out at a time; empty below two blocks.
    fn jackknife_peaks(&self, whole: &[&Block], pair: usize) -> Vec<f64> {
        if whole.len() < 2 {
            return Vec::new();
        }
        let blocks: Vec<Vec<f64>> = whole.iter().map(|b| self.g_of(b, pair)).collect();
        let others = (whole.len() - 1) as f64;
        let sums: Vec<f64> =
            (0..self.bins).map(|bin| blocks.iter().map(|g| g[bin]).sum()).collect();
        blocks
            .iter()
            .filter_map(|left_out| {
                let rest: Vec<f64> =
                    sums.iter().zip(left_out).map(|(sum, g)| (sum - g) / others).collect();
                shell::first_shell(&rest, self.dr).map(|shell| shell.peak)
            })
            .collect()
    }
}

/// Standard error of the mean of the blocks, bin by bin; empty below two blocks.
fn block_errors(blocks: &[Vec<f64>]) -> Vec<f64> {
    if blocks.len() < 2 {
        return Vec::new();
    }
    (0..blocks[0].len())
        .map(|bin| {
            let values: Vec<f64> = blocks.iter().map(|block| block[bin]).collect();
            (vitrion_core::stats::variance(&values) / values.len() as f64).sqrt()
        })
        .collect()
}

fn uncertainty(value: f64, blocks: usize) -> Uncertainty {
    if value.is_finite() && blocks >= 2 {
        Uncertainty::StandardError { value, n_eff: blocks as f64 }
    } else {
        Uncertainty::NotEstimated { why: "fewer than two blocks of frames; add frames".to_owned() }
    }
}

#[cfg(test)]
mod tests;
