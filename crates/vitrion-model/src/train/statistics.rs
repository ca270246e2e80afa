//! What a new network needs to know of its data: spread of the environment, numbers of neighbours,
//! shortest distances, atomic energies.

use super::dataset::Dataset;
use super::example::{Example, Known};
use crate::deep_potential::switching::weight;
use rayon::prelude::*;
use vitrion_core::math;

/// Sums over centres of one species.
#[derive(Debug, Clone, Copy, Default)]
struct Environment {
    centres: f64,
    /// `Σ s`, `Σ s²` and `Σ |s r̂|²/3`-like square of the angular rows.
    radial: f64,
    radial2: f64,
    angular2: f64,
}

/// Measured on a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Largest number of neighbours of each species around any atom.
    pub most_neighbors: Vec<usize>,
    /// Mean number of neighbours.
    pub mean_neighbors: f64,
    /// Shortest distance [Å], and the frame it is in.
    pub nearest: (f64, usize),
    /// Atoms per species.
    pub atoms: Vec<usize>,
    /// Spread of the radial row and of each angular row, per centre species, over
    /// `Σ sel` slots as in DeePMD-kit.
    pub spread: Vec<[f64; 2]>,
    /// Slots per neighbour species that these were computed for.
    pub sel: Vec<usize>,
    /// Atomic energies [eV]: least squares of the energies over compositions, the shortest such
    /// vector if compositions do not determine them.
    pub energy_bias: Vec<f64>,
    /// How many independent compositions there are.
    pub compositions: usize,
}

struct Part {
    environment: Vec<Environment>,
    most: Vec<usize>,
    neighbors: f64,
    nearest: (f64, usize),
}

/// Smallest spread, DeePMD-kit's protection.
const PROTECTION: f64 = 1e-2;

impl Statistics {
    /// Measures these frames for a network of this range [Å]. `sel` are the slots per species; where
    /// they are not given, one tenth more than the most neighbours found.
    pub fn measure(
        data: &Dataset,
        frames: &[usize],
        cutoff: f64,
        smooth_cutoff: f64,
        sel: Option<&[usize]>,
    ) -> Statistics {
        let n = data.species().len();
        let parts: Vec<Part> = frames
            .par_chunks(16)
            .map_init(
                || Example::new(cutoff),
                |example, frames| {
                    let mut part = Part::new(n);
                    for f in frames {
                        part.add(data, *f, example, smooth_cutoff);
                    }
                    part
                },
            )
            .collect();
        let mut all = Part::new(n);
        for part in &parts {
            all.merge(part);
        }
        let mut atoms = vec![0; n];
        for frame in frames {
            let counts = data.frame(*frame).counts(n);
            atoms.iter_mut().zip(counts).for_each(|(a, c)| *a += c);
        }
        let sel: Vec<usize> = match sel {
            Some(sel) => sel.to_vec(),
            // a species that is never a neighbour still has a slot
            None => all.most.iter().map(|m| (m + m.div_ceil(10)).max(1)).collect(),
        };
        let slots: usize = sel.iter().sum();
        let spread = all
            .environment
            .iter()
            .map(|e| {
                if e.centres < 0.5 {
                    return [0.1, 0.1];
                }
                let count = e.centres * slots as f64;
                let mean = e.radial / count;
                let radial = (e.radial2 / count - mean * mean).max(0.0).sqrt();
                let angular = (e.angular2 / (3.0 * count)).sqrt();
                [radial.max(PROTECTION), angular.max(PROTECTION)]
            })
            .collect();
        let (energy_bias, compositions) = energy_bias(data, frames);
        Statistics {
            most_neighbors: all.most,
            mean_neighbors: all.neighbors / atoms.iter().sum::<usize>().max(1) as f64,
            nearest: all.nearest,
            atoms,
            spread,
            sel,
            energy_bias,
            compositions,
        }
    }
}

impl Part {
    fn new(n: usize) -> Self {
        Part {
            environment: vec![Environment::default(); n],
            most: vec![0; n],
            neighbors: 0.0,
            nearest: (f64::INFINITY, 0),
        }
    }

    fn add(&mut self, data: &Dataset, number: usize, example: &mut Example, smooth: f64) {
        let frame = data.frame(number);
        let (positions, species) = (frame.positions, frame.species);
        example.set(number, 1.0, &frame.cell, positions, species, Known::default());
        let (list, positions) = (example.list(), example.positions());
        let cutoff = example.cutoff();
        let mut counts = vec![0; self.most.len()];
        for i in 0..example.atoms() {
            counts.fill(0);
            let environment = &mut self.environment[usize::from(example.species()[i])];
            environment.centres += 1.0;
            for p in list.row(i) {
                let r = math::norm(list.vector(positions, i, p));
                if r >= cutoff {
                    continue;
                }
                let s = weight(r, smooth, cutoff).0 / r;
                environment.radial += s;
                environment.radial2 += s * s;
                // the squares of the three angular rows sum to s²
                environment.angular2 += s * s;
                counts[usize::from(example.species()[list.index[p] as usize])] += 1;
                if r < self.nearest.0 {
                    self.nearest = (r, number);
                }
            }
            self.neighbors += counts.iter().sum::<usize>() as f64;
            self.most.iter_mut().zip(&counts).for_each(|(m, c)| *m = (*m).max(*c));
        }
    }

    fn merge(&mut self, other: &Part) {
        for (a, b) in self.environment.iter_mut().zip(&other.environment) {
            a.centres += b.centres;
            a.radial += b.radial;
            a.radial2 += b.radial2;
            a.angular2 += b.angular2;
        }
        self.most.iter_mut().zip(&other.most).for_each(|(a, b)| *a = (*a).max(*b));
        self.neighbors += other.neighbors;
        if other.nearest.0 < self.nearest.0 {
            self.nearest = other.nearest;
        }
    }
}

/// Least squares of `E = Σ n_t b_t` per atom over all frames, and the rank of the compositions. A
/// ridge far below every real eigenvalue picks the shortest solution where compositions leave
/// freedom.
pub(super) fn energy_bias(data: &Dataset, frames: &[usize]) -> (Vec<f64>, usize) {
    let n = data.species().len();
    let mut matrix = vec![vec![0.0; n]; n];
    let mut right = vec![0.0; n];
    for number in frames {
        let frame = data.frame(*number);
        let Some(energy) = frame.energy else { continue };
        let atoms = frame.species.len() as f64;
        let fractions: Vec<f64> =
            frame.counts(n).into_iter().map(|count| count as f64 / atoms).collect();
        for a in 0..n {
            right[a] += fractions[a] * energy / atoms;
            for b in 0..n {
                matrix[a][b] += fractions[a] * fractions[b];
            }
        }
    }
    let trace: f64 = (0..n).map(|a| matrix[a][a]).sum();
    (0..n).for_each(|a| matrix[a][a] += 1e-10 * trace.max(f64::MIN_POSITIVE));
    let mut rank = 0;
    // Gaussian elimination of a positive definite matrix with diagonal pivots
    let mut free: Vec<usize> = (0..n).collect();
    let mut order = Vec::new();
    while !free.is_empty() {
        let at = (0..free.len())
            .max_by(|a, b| matrix[free[*a]][free[*a]].total_cmp(&matrix[free[*b]][free[*b]]))
            .expect("rows are left");
        let pivot = free.remove(at);
        rank += usize::from(matrix[pivot][pivot] > 1e-8 * trace);
        for row in &free {
            let factor = matrix[*row][pivot] / matrix[pivot][pivot];
            for column in 0..n {
                matrix[*row][column] -= factor * matrix[pivot][column];
            }
            right[*row] -= factor * right[pivot];
        }
        order.push(pivot);
    }
    let mut bias = vec![0.0; n];
    for (k, row) in order.iter().enumerate().rev() {
        let known: f64 = order[k + 1..].iter().map(|c| matrix[*row][*c] * bias[*c]).sum();
        bias[*row] = (right[*row] - known) / matrix[*row][*row];
    }
    (bias, rank)
}
