//! Partial radial distribution functions and running coordination numbers.
//!
//! `g_ij(r) = ⟨ n_ij(r, r + Δr) / (N_i ρ_j V_shell) ⟩` with `V_shell = 4π/3 (r₂³ − r₁³)` and
//! `ρ_j = N_j / V` of each frame (so that changing volumes are right), averaged over frames; for
//! `i = j` each pair counts from both ends. `n_ij(r)` is the mean number of `j` within `r` of an
//! `i`, from cumulative counts (paper, eqs. 1 and 2). Images are explicit: `r_max` may exceed half
//! the cell.
//!
//! Errors are those of the mean over up to 32 blocks of consecutive frames; that of a peak position
//! is the delete-one-block jackknife.

use crate::error::{AnalysisError, check_finite};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::math;
use vitrion_core::neighbors::VerletList;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::{Frame, SpeciesId, SpeciesTable};

/// Blocks are merged in pairs when there are more than this.
const BLOCKS: usize = 32;
/// Fewer blocks than this give no error.
const FEW_BLOCKS: usize = 4;

/// Streaming accumulator of all partial g(r).
pub struct RadialDistribution {
    table: Arc<SpeciesTable>,
    r_max: f64,
    dr: f64,
    bins: usize,
    list: VerletList,
    sums: RadialSums,
}

/// What a [`RadialDistribution`] has counted so far; plain data for checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadialSums {
    counts: Vec<usize>,
    frames: usize,
    /// Finished blocks, each the mean over `per_block` frames: first `V n_ij / (N_i N_j)`, then
    /// `n_ij / N_i`, both `[pair][bin]`.
    blocks: Vec<Vec<f64>>,
    per_block: usize,
    open: Vec<f64>,
    in_open: usize,
}

impl RadialDistribution {
    /// Distances up to `r_max` [Å] in bins of about `dr` [Å] (adjusted so that they fit exactly).
    ///
    /// # Errors
    /// `r_max` or `dr` not positive, or `dr` above `r_max`.
    pub fn new(table: Arc<SpeciesTable>, r_max: f64, dr: f64) -> Result<Self, AnalysisError> {
        if !(r_max.is_finite() && r_max > 0.0) {
            return Err(AnalysisError::Parameter {
                name: "r_max",
                found: format!("{r_max} Å"),
                expected: "a positive distance".into(),
            });
        }
        if !(dr.is_finite() && dr > 0.0 && dr <= r_max) {
            return Err(AnalysisError::Parameter {
                name: "dr",
                found: format!("{dr} Å"),
                expected: format!("a distance above 0 and up to r_max = {r_max} Å"),
            });
        }
        let bins = (r_max / dr).round() as usize;
        let n = table.len();
        Ok(RadialDistribution {
            dr: r_max / bins as f64,
            bins,
            r_max,
            list: VerletList::new(r_max, 0.5),
            sums: RadialSums {
                counts: Vec::new(),
                frames: 0,
                blocks: Vec::new(),
                per_block: 1,
                open: vec![0.0; 2 * n * n * bins],
                in_open: 0,
            },
            table,
        })
    }

    /// What was counted so far.
    pub fn sums(&self) -> &RadialSums {
        &self.sums
    }

    /// Goes on from what was counted before, with the same species, range and bins.
    ///
    /// # Errors
    /// Sums of another range or other species.
    pub fn restore(&mut self, sums: RadialSums) -> Result<(), AnalysisError> {
        if sums.open.len() != self.sums.open.len() {
            return Err(AnalysisError::Parameter {
                name: "stored sums",
                found: format!("{} numbers", sums.open.len()),
                expected: format!("{}: same species, r_max and dr", self.sums.open.len()),
            });
        }
        self.sums = sums;
        Ok(())
    }

    /// Adds a frame; species are matched by symbol.
    ///
    /// # Errors
    /// A frame with other atoms than the first, with a species outside the table, without full
    /// periodicity, or with positions that are not finite.
    pub fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        let structure = &frame.structure;
        let number = self.sums.frames;
        check_finite(number, &structure.positions)?;
        if structure.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: number });
        }
        let map = structure
            .table
            .map_onto(&self.table)
            .map_err(|source| AnalysisError::Species { frame: number, source })?;
        let species: Vec<usize> =
            structure.species.iter().map(|id| usize::from(map[id.index()])).collect();
        let mut counts = vec![0; self.table.len()];
        for id in &species {
            counts[*id] += 1;
        }
        if self.sums.frames == 0 {
            self.sums.counts = counts;
        } else if counts != self.sums.counts {
            return Err(AnalysisError::AtomsChanged {
                frame: self.sums.frames,
                expected: self.sums.counts.iter().sum(),
                found: structure.len(),
            });
        }
        let (n, bins) = (self.table.len(), self.bins);
        let volume = structure.cell.volume();
        self.list.update(&structure.cell, &structure.positions);
        let (list, order) = (self.list.list(), self.list.order());
        let r_max = self.list.cutoff();
        for i in 0..structure.len() {
            let a = species[order[i] as usize];
            for p in list.row(i) {
                let r = math::norm(list.vector(self.list.positions(), i, p));
                if r >= r_max {
                    continue;
                }
                let bin = (r / self.dr) as usize;
                let b = species[order[list.index[p] as usize] as usize];
                let per_centre = 1.0 / self.sums.counts[a] as f64;
                let at = (a * n + b) * bins + bin.min(bins - 1);
                self.sums.open[at] += per_centre * volume / self.sums.counts[b] as f64;
                self.sums.open[n * n * bins + at] += per_centre;
            }
        }
        self.sums.frames += 1;
        self.sums.in_open += 1;
        if self.sums.in_open == self.sums.per_block {
            self.close_block();
        }
        Ok(())
    }

    fn close_block(&mut self) {
        let count = self.sums.in_open as f64;
        let block = self.sums.open.iter().map(|x| x / count).collect();
        self.sums.blocks.push(block);
        self.sums.open.fill(0.0);
        self.sums.in_open = 0;
        if self.sums.blocks.len() == BLOCKS {
            self.sums.blocks = self
                .sums
                .blocks
                .chunks_exact(2)
                .map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| 0.5 * (a + b)).collect())
                .collect();
            self.sums.per_block *= 2;
        }
    }

    /// All partials with errors, running coordinations, first peaks.
    ///
    /// # Errors
    /// No frame was added.
    pub fn finish(&self) -> Result<Observables, AnalysisError> {
        if self.sums.frames == 0 {
            return Err(AnalysisError::TooFewFrames {
                what: "the radial distribution function",
                needed: 1,
                found: 0,
            });
        }
        let mut result = Observables::new(
            "radial_distribution",
            "Radial distribution functions",
            "g_ij(r) = <n_ij(r, r+dr) / (N_i rho_j 4pi/3 (r2^3 - r1^3))>, rho_j = N_j/V of each frame; \
             n_ij(r) = mean number of j within r of an i",
        );
        let parameters = [
            ("r_max", format!("{} Å", self.r_max)),
            ("dr", format!("{:.4} Å", self.dr)),
            ("frames", self.sums.frames.to_string()),
            ("blocks", self.sums.blocks.len().to_string()),
        ];
        for (name, value) in parameters {
            result.parameters.push((name.into(), value));
        }
        let n = self.table.len();
        let total = self.mean_of_all_frames();
        for a in 0..n {
            for b in 0..n {
                if self.sums.counts[a] == 0 || self.sums.counts[b] == 0 {
                    continue;
                }
                self.pair(a, b, &total, &mut result);
            }
        }
        if self.sums.blocks.len() < FEW_BLOCKS {
            result.caution(
                "few_blocks",
                format!(
                    "only {} blocks of frames: errors of g(r) are not estimated",
                    self.sums.blocks.len()
                ),
                "analyse a longer trajectory",
            );
        }
        Ok(result)
    }

    /// Mean over every frame; the last ones may not fill a block.
    fn mean_of_all_frames(&self) -> Vec<f64> {
        let mut sum = self.sums.open.clone();
        for block in &self.sums.blocks {
            for (sum, mean) in sum.iter_mut().zip(block) {
                *sum += mean * self.sums.per_block as f64;
            }
        }
        sum.iter().map(|sum| sum / self.sums.frames as f64).collect()
    }

    fn symbol(&self, index: usize) -> &str {
        self.table.symbol(SpeciesId(u8::try_from(index).expect("at most 255 species")))
    }

    fn pair(&self, a: usize, b: usize, total: &[f64], result: &mut Observables) {
        let (n, bins) = (self.table.len(), self.bins);
        let (symbol_a, symbol_b) = (self.symbol(a), self.symbol(b));
        let shell = |k: usize| {
            let (r1, r2) = (k as f64 * self.dr, (k + 1) as f64 * self.dr);
            4.0 / 3.0 * std::f64::consts::PI * (r2.powi(3) - r1.powi(3))
        };
        let g_of = |sums: &[f64]| -> Vec<f64> {
            let row = &sums[(a * n + b) * bins..(a * n + b + 1) * bins];
            row.iter().enumerate().map(|(k, x)| x / shell(k)).collect()
        };
        let running_of = |sums: &[f64]| -> Vec<f64> {
            let start = (n * n + a * n + b) * bins;
            let add = |sum: &mut f64, x: &f64| {
                *sum += x;
                Some(*sum)
            };
            sums[start..start + bins].iter().scan(0.0, add).collect()
        };
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        let running = running_of(total);
        if a <= b {
            let g = g_of(total);
            let blocks: Vec<Vec<f64>> = self.sums.blocks.iter().map(|block| g_of(block)).collect();
            if let Some((peak, minimum)) = first_peak(&g) {
                let within: Vec<f64> =
                    self.sums.blocks.iter().map(|block| running_of(block)[minimum]).collect();
                let position = (self.position(&g, peak), self.jackknife(&blocks));
                let number = (running[minimum], standard_error(&within));
                self.peak_estimates((a, b), minimum, position, number, result);
            }
            let error_at = |k: usize| {
                let values: Vec<f64> = blocks.iter().map(|block| block[k]).collect();
                standard_error(&values)
            };
            result.curves.push(Curve {
                name: format!("g_{symbol_a}_{symbol_b}"),
                label: format!("{symbol_a}–{symbol_b}"),
                x_axis: axis("r", "Å"),
                y_axis: axis("g(r)", ""),
                x: (0..bins).map(|k| (k as f64 + 0.5) * self.dr).collect(),
                y: g,
                y_error: (0..bins).map_while(error_at).collect(),
            });
        }
        result.curves.push(Curve {
            name: format!("n_{symbol_a}_{symbol_b}"),
            label: format!("{symbol_b} around {symbol_a}"),
            x_axis: axis("r", "Å"),
            y_axis: axis("running coordination", ""),
            x: (0..bins).map(|k| (k + 1) as f64 * self.dr).collect(),
            y: running,
            y_error: Vec::new(),
        });
    }

    /// Maximum [Å] of the parabola through the highest bin and its neighbours.
    fn position(&self, g: &[f64], peak: usize) -> f64 {
        let (left, top, right) = (g[peak - 1], g[peak], g[peak + 1]);
        let bend = left - 2.0 * top + right;
        let offset = if bend.abs() > 1e-12 { 0.5 * (left - right) / bend } else { 0.0 };
        (peak as f64 + 0.5 + offset) * self.dr
    }

    /// Standard error [Å] of the first peak's position, leaving out one block at a time; `None`
    /// below four blocks or where a peak is lost.
    fn jackknife(&self, blocks: &[Vec<f64>]) -> Option<f64> {
        if blocks.len() < FEW_BLOCKS {
            return None;
        }
        let n = blocks.len() as f64;
        let sums: Vec<f64> =
            (0..self.bins).map(|k| blocks.iter().map(|block| block[k]).sum()).collect();
        let positions = blocks.iter().map(|left_out| {
            let rest: Vec<f64> =
                sums.iter().zip(left_out).map(|(sum, g)| (sum - g) / (n - 1.0)).collect();
            first_peak(&rest).map(|(peak, _)| self.position(&rest, peak))
        });
        let positions: Vec<f64> = positions.collect::<Option<_>>()?;
        standard_error(&positions).map(|error| error * (n - 1.0))
    }

    fn peak_estimates(
        &self,
        (a, b): (usize, usize),
        minimum: usize,
        position: (f64, Option<f64>),
        number: (f64, Option<f64>),
        result: &mut Observables,
    ) {
        let (symbol_a, symbol_b) = (self.symbol(a), self.symbol(b));
        let uncertainty = |error: Option<f64>| match error {
            Some(value) => {
                Uncertainty::StandardError { value, n_eff: self.sums.blocks.len() as f64 }
            }
            None => Uncertainty::NotEstimated { why: "fewer than 4 blocks of frames".into() },
        };
        result.estimates.push(Estimate {
            name: format!("first_peak_{symbol_a}_{symbol_b}_a"),
            label: format!("first peak of g({symbol_a}–{symbol_b})"),
            value: position.0,
            uncertainty: uncertainty(position.1),
            unit: "Å".into(),
        });
        result.estimates.push(Estimate {
            name: format!("coordination_{symbol_a}_{symbol_b}"),
            label: format!(
                "{symbol_b} around {symbol_a} within the first minimum, {:.2} Å",
                (minimum + 1) as f64 * self.dr
            ),
            value: number.0,
            uncertainty: uncertainty(number.1),
            unit: String::new(),
        });
    }
}

/// Standard error of the mean of block values; `None` below four blocks.
fn standard_error(values: &[f64]) -> Option<f64> {
    if values.len() < FEW_BLOCKS {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((spread / (count * (count - 1.0))).sqrt())
}

/// Bins of the first maximum above 1 and of the lowest value between it and 1.7 times its distance,
/// if there are such.
fn first_peak(g: &[f64]) -> Option<(usize, usize)> {
    let bins = g.len();
    // a maximum must dominate a tenth of its own distance to either side, so that noise is no peak
    let peak = (1..bins.saturating_sub(1)).find(|&k| {
        let reach = (k / 10).max(2);
        let (low, high) = (k.saturating_sub(reach), (k + reach).min(bins - 1));
        g[k] > 1.0 && g[low..=high].iter().all(|x| *x <= g[k])
    })?;
    let end = (peak * 17 / 10).min(bins - 1);
    let minimum = (peak + 1..=end).min_by(|i, j| g[*i].total_cmp(&g[*j]))?;
    (g[minimum] < 0.8 * g[peak] && minimum < bins - 1).then_some((peak, minimum))
}

#[cfg(test)]
mod tests;
