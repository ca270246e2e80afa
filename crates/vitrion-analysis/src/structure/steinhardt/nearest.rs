//! Exactly N nearest neighbours of every centre, in any cell.
//!
//! No distance is given that holds N neighbours, so one is guessed: a little more than the median
//! distance of the neighbour N + 1 of a few centres. A table up to there serves most centres at once;
//! it is enlarged while many lack neighbours, and the few that still do (atoms in a void) are served
//! one by one from all atoms and as many images as it takes. Neighbour N + 1 is always looked for, to
//! see whether it is as near as neighbour N.

use super::bond_order::Centers;
use crate::error::AnalysisError;
use crate::pairs::Neighbors;
use crate::pass::Scene;
use std::cmp::Ordering;
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Centres whose exact distances make the guess.
const SAMPLES: usize = 9;
/// The guess, as a multiple of their median.
const MARGIN: f64 = 1.2;
/// Enlargement of the table, how often at most, and the part of the centres worth another table.
const GROWTH: f64 = 1.3;
const TABLES: usize = 4;
const MANY: usize = 64;
/// Distances whose squares differ by less than this part are equal but for rounding.
const TIE: f64 = 1e-6;

/// A neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    pub(super) neighbor: usize,
    pub(super) vector: Vector3,
    squared: f64,
}

impl Near {
    fn new(neighbor: usize, vector: Vector3) -> Self {
        Near { neighbor, vector, squared: math::norm2(vector) }
    }

    /// By distance; where that is the same, by number and image.
    fn order(&self, other: &Near) -> Ordering {
        let by_vector = || {
            let pairs = self.vector.iter().zip(&other.vector);
            pairs.fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)))
        };
        (self.squared.total_cmp(&other.squared))
            .then(self.neighbor.cmp(&other.neighbor))
            .then_with(by_vector)
    }
}

/// The nearest neighbours of all centres.
#[derive(Debug)]
pub(super) struct Nearest {
    number: usize,
    /// `number` of each centre.
    near: Vec<Near>,
    /// Centres for which other neighbours would have been as near.
    ties: Vec<bool>,
}

impl Nearest {
    /// The `number` nearest of the atoms for which `allowed` is true, for every centre.
    ///
    /// # Errors
    /// Fewer atoms than that, in a cell that does not repeat.
    pub(super) fn find(
        scene: &Scene<'_>,
        centers: &Centers,
        number: usize,
        allowed: impl Fn(usize) -> bool,
    ) -> Result<Self, AnalysisError> {
        let structure = scene.structure;
        let search = Search::new(&structure.cell, &structure.positions, &allowed);
        let mut found = Nearest {
            number,
            near: Vec::with_capacity(centers.len() * number),
            ties: Vec::with_capacity(centers.len()),
        };
        let mut candidates = Vec::new();
        let mut distances: Vec<f64> = (0..SAMPLES.min(centers.len()))
            .map(|sample| {
                let which = sample * centers.len() / SAMPLES.min(centers.len());
                let atom = centers.atom(which);
                search.within(atom, number + 1, &mut candidates);
                candidates.sort_unstable_by(Near::order);
                candidates.get(number).or(candidates.last()).map_or(0.0, |near| near.squared.sqrt())
            })
            .collect();
        distances.sort_unstable_by(f64::total_cmp);
        let mut reach = MARGIN * distances.get(distances.len() / 2).copied().unwrap_or(0.0);
        if reach <= 0.0 {
            reach = 1.0;
        }
        let mut table = Neighbors::default();
        for left in (0..TABLES).rev() {
            table.find(&structure.cell, &structure.positions, reach);
            let enough = |atom: &usize| {
                table.table().of(*atom).filter(|(j, _)| allowed(*j)).count() > number
            };
            let lack = centers.len() - centers.atoms().filter(enough).count();
            if lack <= centers.len() / MANY || left == 0 {
                break;
            }
            reach *= GROWTH;
        }
        for atom in centers.atoms() {
            candidates.clear();
            let near = table.table().of(atom).filter(|(j, _)| allowed(*j));
            candidates.extend(near.map(|(j, vector)| Near::new(j, vector)));
            if candidates.len() <= number {
                search.within(atom, number + 1, &mut candidates);
            }
            if candidates.len() < number {
                return Err(AnalysisError::TooFewNeighbors {
                    frame: scene.number,
                    atom,
                    needed: number,
                    found: candidates.len(),
                });
            }
            found.keep(&mut candidates);
        }
        Ok(found)
    }

    fn keep(&mut self, candidates: &mut [Near]) {
        let number = self.number;
        let mut tie = false;
        if candidates.len() > number {
            let (nearest, next, _) = candidates.select_nth_unstable_by(number, Near::order);
            let last = nearest.iter().fold(0.0, |last, near| f64::max(last, near.squared));
            tie = next.squared - last <= TIE * last;
        }
        self.near.extend_from_slice(&candidates[..number]);
        self.ties.push(tie);
    }

    /// The neighbours of a centre, in no particular order.
    pub(super) fn of(&self, center: usize) -> &[Near] {
        &self.near[center * self.number..][..self.number]
    }

    /// Whether a neighbour of a centre that was left out is as near as one that was not.
    pub(super) fn is_tied(&self, center: usize) -> bool {
        self.ties[center]
    }
}

/// All atoms and images around one atom, however far.
struct Search<'a> {
    cell: &'a Cell,
    positions: &'a [Vector3],
    fractional: Vec<Vector3>,
    allowed: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(cell: &'a Cell, positions: &'a [Vector3], allowed: impl Fn(usize) -> bool) -> Self {
        let allowed = (0..positions.len()).filter(|atom| allowed(*atom)).collect();
        let fractional = positions.iter().map(|r| cell.to_fractional(*r)).collect();
        Search { cell, positions, fractional, allowed }
    }

    /// Everything within a distance that holds `number` neighbours of an atom at least, or all there
    /// are.
    fn within(&self, atom: usize, number: usize, found: &mut Vec<Near>) {
        let periodic = self.cell.periodicity().contains(&true);
        let others = self.allowed.iter().filter(|other| **other != atom).count();
        let there_are = if periodic && !self.allowed.is_empty() { usize::MAX } else { others };
        let per_atom = self.cell.volume() / self.allowed.len().max(1) as f64;
        let sphere = 4.0 / 3.0 * std::f64::consts::PI;
        let mut reach = ((number + 1) as f64 * per_atom / sphere).cbrt();
        loop {
            self.gather(atom, reach, found);
            if found.len() >= number.min(there_are) {
                return;
            }
            reach *= GROWTH;
        }
    }

    fn gather(&self, atom: usize, reach: f64, found: &mut Vec<Near>) {
        found.clear();
        let periodic = self.cell.periodicity();
        let turns = self.cell.perpendicular_widths().map(|width| reach / width + 1e-9);
        for &other in &self.allowed {
            let apart = math::sub(self.fractional[other], self.fractional[atom]);
            let images: [(i64, i64); 3] = std::array::from_fn(|k| {
                if periodic[k] {
                    ((-turns[k] - apart[k]).ceil() as i64, (turns[k] - apart[k]).floor() as i64)
                } else {
                    (0, 0)
                }
            });
            let direct = math::sub(self.positions[other], self.positions[atom]);
            for a in images[0].0..=images[0].1 {
                for b in images[1].0..=images[1].1 {
                    for c in images[2].0..=images[2].1 {
                        if other == atom && [a, b, c] == [0; 3] {
                            continue;
                        }
                        let shift = self.cell.to_cartesian([a as f64, b as f64, c as f64]);
                        let near = Near::new(other, math::add(direct, shift));
                        if near.squared < reach * reach {
                            found.push(near);
                        }
                    }
                }
            }
        }
    }
}
