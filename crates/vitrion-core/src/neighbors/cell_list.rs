//! Neighbour pairs in linear time: atoms are binned, and only bins within reach are searched.

use super::{Pair, Pairs};
use crate::cell::Cell;
use crate::math::{self, Vector3};

/// Bins along each lattice vector and the atoms in them.
struct Bins {
    counts: [i64; 3],
    /// Lower end and inverse width of a bin, in fractional coordinates.
    origin: Vector3,
    per_bin: Vector3,
    starts: Vec<u32>,
    atoms: Vec<u32>,
}

/// All directed pairs closer than `cutoff` [Å], in any cell, with cutoffs larger than the cell.
///
/// The order within a row is fixed by the positions alone. Cost O(N · neighbours).
///
/// # Panics
/// If a position is not finite: readers and the integrator check before.
pub fn pairs(cell: &Cell, positions: &[Vector3], cutoff: f64, out: &mut Pairs) {
    out.offsets.clear();
    out.pairs.clear();
    out.offsets.push(0);
    if positions.is_empty() {
        return;
    }
    assert!(
        positions.iter().flatten().all(|x| x.is_finite()),
        "positions are finite when a neighbour list is built"
    );
    let periodic = cell.periodicity();
    let wrapped: Vec<(Vector3, [i32; 3])> = positions.iter().map(|r| cell.wrap(*r)).collect();
    let fractional: Vec<Vector3> = wrapped.iter().map(|(r, _)| cell.to_fractional(*r)).collect();
    let bins = Bins::new(cell, &fractional, cutoff);

    // bins to visit on each side: a bin at offset m is at least (m − 1) bin widths away
    let widths = cell.perpendicular_widths();
    let reach: [i64; 3] = std::array::from_fn(|k| {
        let bin_width = widths[k] / bins.per_bin[k];
        (cutoff / bin_width).ceil() as i64
    });
    let cutoff2 = cutoff * cutoff;
    for i in 0..positions.len() {
        let (ri, image_i) = wrapped[i];
        let home = bins.of(fractional[i]);
        let range = |k: usize| {
            let (low, high) = (home[k] - reach[k], home[k] + reach[k]);
            if periodic[k] { low..=high } else { low.max(0)..=high.min(bins.counts[k] - 1) }
        };
        for a in range(0) {
            for b in range(1) {
                for c in range(2) {
                    let visited = [a, b, c];
                    let bin: [i64; 3] =
                        std::array::from_fn(|k| visited[k].rem_euclid(bins.counts[k]));
                    let image: [i32; 3] = std::array::from_fn(|k| {
                        i32::try_from(visited[k].div_euclid(bins.counts[k]))
                            .expect("fewer than 2^31 images within the cutoff")
                    });
                    let shift = cell.to_cartesian(image.map(f64::from));
                    for &j in bins.members(bin) {
                        let (rj, image_j) = wrapped[j as usize];
                        let vector = math::add(math::sub(rj, ri), shift);
                        if math::norm2(vector) >= cutoff2 || (i == j as usize && image == [0; 3]) {
                            continue;
                        }
                        // relative to the positions as given, not to the wrapped ones
                        let shift = std::array::from_fn(|k| image[k] - image_j[k] + image_i[k]);
                        out.pairs.push(Pair { j, shift });
                    }
                }
            }
        }
        out.offsets.push(out.pairs.len());
    }
}

impl Bins {
    fn new(cell: &Cell, fractional: &[Vector3], cutoff: f64) -> Bins {
        let widths = cell.perpendicular_widths();
        let periodic = cell.periodicity();
        // never more bins than atoms along one direction: empty bins only cost time
        let most = (fractional.len() as f64).cbrt().ceil() as i64 * 2;
        let mut counts = [1; 3];
        let mut origin = [0.0; 3];
        let mut per_bin = [1.0; 3];
        for k in 0..3 {
            let mut span = 1.0;
            if !periodic[k] {
                let low = fractional.iter().map(|s| s[k]).fold(f64::INFINITY, f64::min);
                let high = fractional.iter().map(|s| s[k]).fold(f64::NEG_INFINITY, f64::max);
                origin[k] = low;
                // a hair wider, so that the highest atom falls into the last bin
                span = (high - low).max(1e-9) * (1.0 + 1e-9);
            }
            // two bins per cutoff: fewer useless distances than with one
            counts[k] = ((2.0 * span * widths[k] / cutoff).floor() as i64).clamp(1, most);
            per_bin[k] = counts[k] as f64 / span;
        }
        let total = usize::try_from(counts[0] * counts[1] * counts[2]).expect("bins are bounded");
        let mut bins = Bins { counts, origin, per_bin, starts: vec![0; total + 1], atoms: vec![] };
        let home: Vec<usize> = fractional.iter().map(|s| bins.flat(bins.of(*s))).collect();
        for bin in &home {
            bins.starts[bin + 1] += 1;
        }
        for bin in 0..total {
            bins.starts[bin + 1] += bins.starts[bin];
        }
        let mut next = bins.starts.clone();
        bins.atoms = vec![0; fractional.len()];
        for (atom, bin) in home.iter().enumerate() {
            bins.atoms[next[*bin] as usize] = u32::try_from(atom).expect("fewer than 2^32 atoms");
            next[*bin] += 1;
        }
        bins
    }

    fn of(&self, s: Vector3) -> [i64; 3] {
        std::array::from_fn(|k| {
            (((s[k] - self.origin[k]) * self.per_bin[k]).floor() as i64)
                .clamp(0, self.counts[k] - 1)
        })
    }

    fn flat(&self, bin: [i64; 3]) -> usize {
        usize::try_from((bin[0] * self.counts[1] + bin[1]) * self.counts[2] + bin[2])
            .expect("bin indices are not negative")
    }

    fn members(&self, bin: [i64; 3]) -> &[u32] {
        let flat = self.flat(bin);
        &self.atoms[self.starts[flat] as usize..self.starts[flat + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::brute_force;
    use crate::testing::systems;

    fn sorted(mut pairs: Pairs) -> Pairs {
        for i in 0..pairs.offsets.len() - 1 {
            pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]].sort_unstable();
        }
        pairs
    }

    fn compare(cell: &Cell, positions: &[Vector3], cutoff: f64, what: &str) {
        let mut fast = Pairs::default();
        super::pairs(cell, positions, cutoff, &mut fast);
        assert_eq!(
            sorted(fast),
            sorted(brute_force::pairs(cell, positions, cutoff)),
            "{what}, cutoff {cutoff}, cell {:?}",
            cell.matrix()
        );
    }

    #[test]
    fn same_pairs_as_brute_force_in_random_triclinic_cells() {
        for seed in 0..120 {
            let atoms = [1, 2, 7, 30, 90][seed as usize % 5];
            let periodic = [[true; 3], [true, true, false], [false; 3]][seed as usize % 3];
            let (cell, positions) = systems::random_atoms(seed, atoms, 2.0, 12.0, periodic);
            let cutoff = [1.1, 2.5, 4.0, 6.5][seed as usize % 4];
            compare(&cell, &positions, cutoff, &format!("seed {seed}"));
        }
    }

    #[test]
    fn one_atom_sees_its_own_images() {
        let cell = Cell::orthorhombic([2.0, 2.0, 2.0]).expect("a box");
        let mut found = Pairs::default();
        super::pairs(&cell, &[[0.3, 0.4, 0.5]], 2.1, &mut found);
        assert_eq!(found.pairs.len(), 6, "six images of a simple cubic lattice");
    }

    #[test]
    fn atoms_far_outside_the_cell_are_found_through_their_images() {
        let cell = systems::random_cell(3, 5.0, 9.0);
        let far = cell.to_cartesian([41.2, -17.9, 8.3]);
        compare(&cell, &[[0.1, 0.2, 0.3], far, [3.0, 1.0, -2.0]], 5.0, "far atoms");
    }

    #[test]
    fn large_sparse_boxes_do_not_need_more_bins_than_atoms() {
        let cell = Cell::orthorhombic([1e4, 1e4, 1e4]).expect("a box");
        compare(&cell, &[[1.0; 3], [2.0; 3], [9999.5, 1.0, 1.0]], 3.0, "sparse");
    }
}
