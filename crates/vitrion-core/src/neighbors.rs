//! Who is close to whom, with every periodic image explicit.
//!
//! [`brute_force`] is the definition: all pairs, all images. [`cell_list`] finds the same pairs in
//! linear time, on all threads. [`VerletList`] keeps them with a skin from step to step and knows
//! when they expire.

pub mod brute_force;
pub mod cell_list;
pub mod verlet;

pub use verlet::VerletList;

use crate::cell::Cell;
use crate::math::{self, Vector3};

/// One directed pair: `r_ij = r_j − r_i + shift · H`, shifts relative to the positions as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Neighbour.
    pub j: u32,
    /// Lattice translation of the neighbour.
    pub shift: [i32; 3],
}

/// Directed pairs of every atom in compressed rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Row `i` is `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<usize>,
    /// Pairs, row by row.
    pub pairs: Vec<Pair>,
}

/// `r_j − r_i + shift · H` [Å].
#[inline]
pub fn pair_vector(cell: &Cell, positions: &[Vector3], i: usize, pair: Pair) -> Vector3 {
    let direct = math::sub(positions[pair.j as usize], positions[i]);
    if pair.shift == [0; 3] {
        return direct;
    }
    math::add(direct, cell.to_cartesian(pair.shift.map(f64::from)))
}

/// The closest pair of atoms `(i, j, distance)` among pairs nearer than `within` [Å].
pub fn closest_pair(
    cell: &Cell,
    positions: &[Vector3],
    within: f64,
) -> Option<(usize, usize, f64)> {
    let mut verlet = VerletList::new(within, 0.0);
    verlet.update(cell, positions);
    let (list, order) = (verlet.list(), verlet.order());
    let mut best: Option<(usize, usize, f64)> = None;
    for i in 0..positions.len() {
        for p in list.row(i) {
            let distance = math::norm(list.vector(verlet.positions(), i, p));
            let pair = (order[i] as usize, order[list.index[p] as usize] as usize, distance);
            // of equally close pairs, the one with the lowest numbers
            if best.is_none_or(|b| distance < b.2 || (distance <= b.2 && pair.0 < b.0)) {
                best = Some(pair);
            }
        }
    }
    best
}
