//! Which frames a step sees.
//!
//! A batch is filled to a number of atoms, not of frames, and mixes systems: the frames, ordered by
//! system and time, lie on a line, each as long as its weight; a batch of `n` frames draws one point
//! in each of `n` equal parts of the line. So every batch holds its share of every system. The draw
//! depends on seed and step alone, and a resumed run sees the same batches.

use super::dataset::Dataset;
use vitrion_core::rng::{self, Stream};

/// How frames are weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Atoms per batch, on average.
    pub atoms_per_batch: usize,
    /// Frames of a system count as `1/density^flattening` of their energy per atom: 0 takes them as
    /// they come, 1 makes all energies equally likely. A trajectory that heats up from a crystal has
    /// few cold frames, and they matter.
    pub energy_flattening: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling { atoms_per_batch: 1024, energy_flattening: 0.5 }
    }
}

/// Draws batches of training frames.
#[derive(Debug, Clone)]
pub struct Sampler {
    frames: Vec<u32>,
    /// Sums of weights up to and with each frame.
    cumulative: Vec<f64>,
    frames_per_batch: usize,
    seed: u64,
}

/// Bins of the energy histogram of a system.
const BINS: usize = 20;

impl Sampler {
    /// A sampler of these frames of a data set.
    ///
    /// # Panics
    /// If there are no frames.
    pub fn new(data: &Dataset, frames: &[usize], sampling: &Sampling, seed: u64) -> Self {
        let mut weights: Vec<f64> =
            frames.iter().map(|f| data.systems()[data.system_of(*f)].weight).collect();
        if sampling.energy_flattening > 0.0 {
            for system in 0..data.systems().len() {
                let members: Vec<usize> =
                    (0..frames.len()).filter(|k| data.system_of(frames[*k]) == system).collect();
                let energy = |k: &usize| {
                    let frame = frames[*k];
                    Some(data.frame(frame).energy? / data.atoms_of(frame) as f64)
                };
                let energies: Option<Vec<f64>> = members.iter().map(energy).collect();
                let Some(energies) = energies.filter(|e| !e.is_empty()) else { continue };
                let factors = flattened(&energies, sampling.energy_flattening);
                members.iter().zip(factors).for_each(|(k, factor)| weights[*k] *= factor);
            }
        }
        let mut sum = 0.0;
        let mut atoms = 0.0;
        let cumulative = frames
            .iter()
            .zip(&weights)
            .map(|(frame, weight)| {
                sum += weight;
                atoms += weight * data.atoms_of(*frame) as f64;
                sum
            })
            .collect();
        let mean = atoms / sum;
        assert!(mean > 0.0, "frames with weights are given");
        let frames_per_batch = (sampling.atoms_per_batch as f64 / mean).round().max(1.0) as usize;
        let frames = frames.iter().map(|f| *f as u32).collect();
        Sampler { frames, cumulative, frames_per_batch, seed }
    }

    /// Frames of a batch.
    pub fn frames_per_batch(&self) -> usize {
        self.frames_per_batch
    }

    /// The batch of a step.
    pub fn batch(&self, step: u64, out: &mut Vec<usize>) {
        let n = self.frames_per_batch as f64;
        let total = *self.cumulative.last().expect("there are frames");
        out.clear();
        for k in 0..self.frames_per_batch {
            let mut random = rng::at(self.seed, Stream::Batches, step, k as u64);
            let point = (k as f64 + random.uniform()) / n * total;
            let found = self.cumulative.partition_point(|sum| *sum <= point);
            out.push(self.frames[found.min(self.frames.len() - 1)] as usize);
        }
    }
}

/// `(N/BINS / count of the frame's bin)^power`, with mean one.
fn flattened(energies: &[f64], power: f64) -> Vec<f64> {
    let low = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let high = energies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let bin = |e: &f64| (((e - low) / width) as usize).min(BINS - 1);
    let mut counts = [0.0_f64; BINS];
    for e in energies {
        counts[bin(e)] += 1.0;
    }
    let raw: Vec<f64> = energies.iter().map(|e| counts[bin(e)].powf(-power)).collect();
    let mean = raw.iter().sum::<f64>() / raw.len() as f64;
    raw.into_iter().map(|w| w / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_energies_gain_weight() {
        let mut energies = vec![-3.0; 90];
        energies.extend(vec![-5.0; 10]);
        let even = flattened(&energies, 1.0);
        let sum = |part: &[f64]| part.iter().sum::<f64>();
        assert!((sum(&even[..90]) - sum(&even[90..])).abs() < 1e-9);
        let half = flattened(&energies, 0.5);
        assert!((half[99] / half[0] - 3.0).abs() < 1e-9 && (sum(&half) - 100.0).abs() < 1e-9);
        let plain = flattened(&energies, 0.0);
        assert!(plain.iter().all(|w| (w - 1.0).abs() < 1e-12));
    }
}
