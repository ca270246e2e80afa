//! The definition of a neighbour list: every pair and every image, tried one by one.

use super::{Pair, Pairs, pair_vector};
use crate::cell::Cell;
use crate::math::{self, Vector3};

/// All directed pairs closer than `cutoff` [Å], each row sorted by (j, shift).
///
/// A shift `n` can only matter while `|s_k + n_k| · w_k < cutoff` for every periodic direction,
/// with `s` the fractional separation and `w` the distance between opposite faces.
///
/// Cost O(N² · images).
pub fn pairs(cell: &Cell, positions: &[Vector3], cutoff: f64) -> Pairs {
    let widths = cell.perpendicular_widths();
    let periodic = cell.periodicity();
    let mut result = Pairs { offsets: vec![0], pairs: Vec::new() };
    for i in 0..positions.len() {
        for j in 0..positions.len() {
            let s = cell.to_fractional(math::sub(positions[j], positions[i]));
            let range = |k: usize| {
                if !periodic[k] {
                    return 0..=0;
                }
                let reach = cutoff / widths[k];
                (-reach - s[k]).floor() as i32..=(reach - s[k]).ceil() as i32
            };
            for a in range(0) {
                for b in range(1) {
                    for c in range(2) {
                        let pair = Pair {
                            j: u32::try_from(j).expect("fewer than 2^32 atoms"),
                            shift: [a, b, c],
                        };
                        if i == j && pair.shift == [0; 3] {
                            continue;
                        }
                        if math::norm2(pair_vector(cell, positions, i, pair)) < cutoff * cutoff {
                            result.pairs.push(pair);
                        }
                    }
                }
            }
        }
        result.offsets.push(result.pairs.len());
    }
    result
}
