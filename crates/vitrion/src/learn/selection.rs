//! Which candidates to label: the farthest from everything that is labelled, one by one.
//!
//! A frame is described by the mean descriptor of each of its species (what the fitting nets see, averaged
//! over atoms), every component divided by its spread over all frames. Neighbouring frames of a run are
//! nearly the same point there, so that labelling one of them makes the others worthless, which random
//! picks do not see.
//!
//! `next = argmax_c s_c · min_{l ∈ labelled ∪ chosen} |x_c − x_l|` with `s_c` the deviation of the committee
//! relative to the mean of the candidates (farthest-point sampling, Gonzalez, Theor. Comput. Sci. 38, 293
//! (1985), weighted by what the committee does not know).

use crate::error::Error;
use rayon::prelude::*;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Structure};
use vitrion_model::{DeepPotential, Embedding, Evaluator, Precision};

/// Points of frames, all of one length.
#[derive(Debug, Clone, Default)]
pub struct Points {
    width: usize,
    values: Vec<f32>,
}

impl Points {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// True without points.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn point(&self, k: usize) -> &[f32] {
        &self.values[k * self.width..(k + 1) * self.width]
    }

    /// From rows of numbers.
    ///
    /// # Panics
    /// Rows of different lengths.
    pub fn from_rows(rows: &[Vec<f32>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        assert!(rows.iter().all(|row| row.len() == width), "rows of one length");
        Points { width, values: rows.concat() }
    }
}

/// Describes frames by a model.
pub struct Descriptor {
    evaluator: Evaluator,
    species: vitrion_core::SpeciesTable,
    cutoff: f64,
}

impl Descriptor {
    /// Descriptors of this model.
    pub fn new(model: &DeepPotential) -> Self {
        Descriptor {
            evaluator: model.evaluator(Precision::Mixed, Embedding::Tables),
            species: model.species.clone(),
            cutoff: model.descriptor.cutoff,
        }
    }

    /// Mean descriptor of each species of the model, one after the other; zeros for those that are not
    /// there; then the fraction of each species.
    ///
    /// # Errors
    /// An element that the model does not know.
    pub fn point(&mut self, structure: &Structure) -> Result<Vec<f32>, Error> {
        let species = structure
            .species_in(&self.species)
            .map_err(|error| crate::error::InputError::Usage(error.to_string()))?;
        let mut list = VerletList::new(self.cutoff, 0.0);
        list.update(&structure.cell, &structure.positions);
        let sorted: Vec<u8> = list.order().iter().map(|atom| species[*atom as usize]).collect();
        let atoms = Atoms { positions: list.positions(), species: &sorted, n_local: sorted.len() };
        let (rows, width) = self.evaluator.descriptors(atoms, list.list());
        let n = self.species.len();
        let mut sums = vec![0.0_f64; n * width];
        let mut counts = vec![0.0_f64; n];
        for (row, species) in rows.chunks_exact(width).zip(&sorted) {
            let species = usize::from(*species);
            counts[species] += 1.0;
            let sum = &mut sums[species * width..(species + 1) * width];
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
        }
        let mut point: Vec<f32> = Vec::with_capacity(n * (width + 1));
        for (species, sum) in sums.chunks_exact(width).enumerate() {
            point.extend(sum.iter().map(|s| (s / f64::max(counts[species], 1.0)) as f32));
        }
        point.extend(counts.iter().map(|c| (c / sorted.len().max(1) as f64) as f32));
        Ok(point)
    }
}

/// Divides every component by its standard deviation over both sets together; components that do not vary
/// become zero.
pub fn standardize(candidates: &mut Points, labelled: &mut Points) {
    let width = candidates.width.max(labelled.width);
    let all = || {
        (0..candidates.len())
            .map(|k| candidates.point(k))
            .chain((0..labelled.len()).map(|k| labelled.point(k)))
    };
    let n = (candidates.len() + labelled.len()).max(1) as f64;
    let mut mean = vec![0.0_f64; width];
    let mut square = vec![0.0_f64; width];
    for point in all() {
        for (c, x) in point.iter().enumerate() {
            mean[c] += f64::from(*x) / n;
        }
    }
    for point in all() {
        for (c, x) in point.iter().enumerate() {
            square[c] += (f64::from(*x) - mean[c]).powi(2) / n;
        }
    }
    let root = (width as f64).sqrt();
    for points in [candidates, labelled] {
        for point in points.values.chunks_exact_mut(width.max(1)) {
            for (c, x) in point.iter_mut().enumerate() {
                let spread = square[c].sqrt();
                let flat = spread <= 1e-7 * mean[c].abs();
                *x = if flat { 0.0 } else { ((f64::from(*x) - mean[c]) / (spread * root)) as f32 };
            }
        }
    }
}

/// Selection of `count` candidates from where most of what is unknown lies: every candidate belongs to the
/// nearest point that is labelled or chosen, and the next one is the farthest of the group with the largest
/// sum of squared distances (each times its weight). Unlike [`farthest`], a single odd candidate does not
/// outweigh many ordinary ones (largest-cluster maximum distance: Holzmüller et al., J. Mach. Learn. Res.
/// 24, 164 (2023)).
///
/// Cost as [`farthest`].
pub fn largest_cluster(
    candidates: &Points,
    weights: &[f64],
    labelled: &Points,
    count: usize,
) -> Vec<(usize, f64)> {
    // (squared distance, number of the nearest point: labelled ones first, then chosen ones)
    let mut nearest: Vec<(f64, usize)> = (0..candidates.len())
        .into_par_iter()
        .map(|k| {
            (0..labelled.len())
                .map(|l| (distance2(candidates.point(k), labelled.point(l)), l))
                .fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 { b } else { a })
        })
        .collect();
    let mut chosen: Vec<(usize, f64)> = Vec::new();
    let mut free: Vec<bool> = vec![true; candidates.len()];
    while chosen.len() < count.min(candidates.len()) {
        let open = || (0..candidates.len()).filter(|k| free[*k]);
        let mut sizes = vec![0.0; labelled.len().max(1) + chosen.len()];
        for k in open() {
            sizes[nearest[k].1] += (weights[k] * weights[k]) * nearest[k].0;
        }
        let score = |k: usize| {
            let (d, of) = nearest[k];
            // without anything labelled or chosen, the most uncertain
            if d.is_infinite() { (0.0, weights[k]) } else { (sizes[of], weights[k] * d.sqrt()) }
        };
        // the first of equals
        let best = open().reduce(|a, b| if score(b) > score(a) { b } else { a });
        let Some(best) = best else { break };
        free[best] = false;
        let number = labelled.len().max(1) + chosen.len();
        chosen.push((best, nearest[best].0.sqrt()));
        let point = candidates.point(best);
        nearest.par_iter_mut().enumerate().for_each(|(k, own)| {
            let d = distance2(candidates.point(k), point);
            if d < own.0 {
                *own = (d, number);
            }
        });
    }
    chosen
}

fn distance2(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>())
}

/// Farthest-point selection of `count` candidates; numbers of candidates in the order they were chosen,
/// with the distance each had to everything labelled or chosen before (infinite for the first of nothing).
///
/// Cost O(candidates · (labelled + count) · width).
pub fn farthest(
    candidates: &Points,
    weights: &[f64],
    labelled: &Points,
    count: usize,
) -> Vec<(usize, f64)> {
    let mut nearest: Vec<f64> = (0..candidates.len())
        .into_par_iter()
        .map(|k| {
            let to = (0..labelled.len()).map(|l| distance2(candidates.point(k), labelled.point(l)));
            to.fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut chosen: Vec<(usize, f64)> = Vec::new();
    let mut free: Vec<bool> = vec![true; candidates.len()];
    while chosen.len() < count.min(candidates.len()) {
        let score = |k: &usize| weights[*k] * nearest[*k].sqrt();
        // the first of equals, so that the choice depends on nothing else
        let best = (0..candidates.len()).filter(|k| free[*k]).reduce(|a, b| {
            let better = if nearest[a].is_infinite() && nearest[b].is_infinite() {
                weights[b] > weights[a]
            } else {
                score(&b) > score(&a)
            };
            if better { b } else { a }
        });
        let Some(best) = best else { break };
        free[best] = false;
        chosen.push((best, nearest[best].sqrt()));
        let point = candidates.point(best);
        nearest
            .par_iter_mut()
            .enumerate()
            .for_each(|(k, d)| *d = d.min(distance2(candidates.point(k), point)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(rows: &[[f32; 2]]) -> Points {
        Points::from_rows(&rows.iter().map(|r| r.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn near_duplicates_are_chosen_once_and_never_beside_what_is_labelled() {
        let candidates =
            points(&[[0.0, 0.0], [5.0, 0.0], [5.01, 0.0], [0.0, 3.0], [5.0, 0.02], [0.1, 0.0]]);
        let labelled = points(&[[0.0, 0.1]]);
        let chosen = farthest(&candidates, &[1.0; 6], &labelled, 3);
        let order: Vec<usize> = chosen.iter().map(|c| c.0).collect();
        assert_eq!(order[..2], [2, 3], "the farthest pair of clusters first");
        assert!((chosen[1].1 - 2.9).abs() < 1e-6);
        // what is left is close to something: far less than the first two
        assert!(chosen[2].1 < 0.2, "{chosen:?}");
    }

    #[test]
    fn many_ordinary_candidates_outweigh_a_single_odd_one() {
        let mut rows = vec![[100.0, 0.0]];
        rows.extend((0..2000).map(|k| [0.0, 3.0 + 0.001 * k as f32]));
        let (candidates, labelled) = (points(&rows), points(&[[0.0, 0.0], [90.0, 0.0]]));
        let weights = vec![1.0; rows.len()];
        assert_eq!(farthest(&candidates, &weights, &labelled, 1)[0].0, 0);
        let chosen = largest_cluster(&candidates, &weights, &labelled, 3);
        assert_eq!(chosen[0].0, 2000, "the far end of the crowd");
        assert!((chosen[0].1 - 4.999).abs() < 1e-3);
        assert!(chosen.iter().all(|c| c.0 != 0), "{chosen:?}");
        let nothing = Points::default();
        assert_eq!(largest_cluster(&candidates, &weights, &nothing, 5).len(), 5);
    }

    #[test]
    fn ignorance_weighs_as_much_as_distance() {
        let candidates = points(&[[2.0, 0.0], [0.0, 1.5]]);
        let labelled = points(&[[0.0, 0.0]]);
        assert_eq!(farthest(&candidates, &[1.0, 1.0], &labelled, 1)[0].0, 0);
        assert_eq!(farthest(&candidates, &[1.0, 2.0], &labelled, 1)[0].0, 1);
        // without anything labelled the most uncertain goes first
        let nothing = Points::default();
        assert_eq!(farthest(&candidates, &[1.0, 2.0], &nothing, 2)[0].0, 1);
    }

    #[test]
    fn components_count_alike_and_constant_ones_not_at_all() {
        let mut candidates = points(&[[1000.0, 7.0], [3000.0, 7.0]]);
        let mut labelled = points(&[[2000.0, 7.0]]);
        standardize(&mut candidates, &mut labelled);
        let middle = labelled.point(0);
        assert!(middle.iter().all(|x| x.abs() < 1e-6));
        let (low, high) = (candidates.point(0), candidates.point(1));
        assert!((low[0] + high[0]).abs() < 1e-6 && low[1].abs() < 1e-9);
        // variance 2/3 of 1000², over two components
        assert!((f64::from(high[0]) - 1.5_f64.sqrt() / 2.0_f64.sqrt()).abs() < 1e-6);
    }
}
