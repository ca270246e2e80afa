//! Neighbour lists with a skin: built rarely, exact always.

use super::cell_list::{self, Sorted};
use crate::cell::Cell;
use crate::math::{self, Vector3};
use crate::potential::NeighborList;

/// Keeps every pair within `cutoff + skin` of atoms sorted in space.
///
/// The list speaks of atoms in an order of its own, inside the cell: take positions from
/// [`VerletList::positions`], and the caller's numbers from [`VerletList::order`].
///
/// **Why no pair is ever missed.** Let the list be built at cell `H₀` and positions `r⁰`, and let
/// `F = H₀⁻¹ H` carry the old cell to the present one. A pair absent from the list had
/// `|v⁰| ≥ cutoff + skin`; now its vector is `v⁰ F + d_j − d_i` with the non-affine displacements
/// `d_i = r_i − r_i⁰ F`. Because `|v⁰ F| ≥ σ_min(F) |v⁰|` and `σ_min(F) ≥ 1 − ‖F − 1‖`, the pair
/// is still outside the cutoff while
/// `d_first + d_second ≤ (1 − ‖F − 1‖)(cutoff + skin) − cutoff`,
/// the two largest displacements on the left. The list is rebuilt as soon as this fails. In a fixed
/// cell the rule reads: the two largest displacements together do not exceed the skin.
#[derive(Debug, Clone)]
pub struct VerletList {
    cutoff: f64,
    skin: f64,
    reference: Option<Reference>,
    sorted: Sorted,
    images: Vec<[i32; 3]>,
    list: NeighborList,
    builds: u64,
}

/// Cell and positions at the last build. Together with the present positions they determine the
/// list, its order included, so a restart stores them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Cell at the last build.
    pub cell: Cell,
    /// Positions at the last build [Å].
    pub positions: Vec<Vector3>,
}

impl VerletList {
    /// An empty list; `cutoff` and `skin` in Å.
    ///
    /// # Panics
    /// If the cutoff is not positive or the skin is negative.
    pub fn new(cutoff: f64, skin: f64) -> Self {
        assert!(cutoff > 0.0 && cutoff.is_finite(), "the cutoff is positive");
        assert!(skin >= 0.0 && skin.is_finite(), "the skin is not negative");
        VerletList {
            cutoff,
            skin,
            reference: None,
            sorted: Sorted::default(),
            images: Vec::new(),
            list: NeighborList::default(),
            builds: 0,
        }
    }

    /// Interaction range [Å].
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// How often the candidates were searched.
    pub fn builds(&self) -> u64 {
        self.builds
    }

    /// Cell and positions at the last build.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// Builds the list from a stored reference, for a bit-exact restart.
    pub fn restore(&mut self, reference: &Reference) {
        self.build(&reference.cell, &reference.positions);
    }

    /// The list of the last [`VerletList::update`]: all pairs within the cutoff, and others up to a
    /// skin beyond it.
    pub fn list(&self) -> &NeighborList {
        &self.list
    }

    /// Positions of the sorted atoms at the last update, wrapped into the cell when the list was
    /// built [Å].
    pub fn positions(&self) -> &[Vector3] {
        &self.sorted.positions
    }

    /// The caller's number of each sorted atom.
    pub fn order(&self) -> &[u32] {
        &self.sorted.order
    }

    /// Mean number of pairs within the cutoff per atom, at the last update.
    pub fn mean_neighbors(&self) -> f64 {
        let atoms = self.order().len();
        let within = |i: usize| {
            let near = |p: &usize| {
                math::norm2(self.list.vector(self.positions(), i, *p)) < self.cutoff * self.cutoff
            };
            self.list.row(i).filter(near).count()
        };
        (0..atoms).map(within).sum::<usize>() as f64 / atoms.max(1) as f64
    }

    /// Brings the list to these positions, searching anew if it expired. O(N) between searches.
    pub fn update(&mut self, cell: &Cell, positions: &[Vector3]) -> &NeighborList {
        if self.expired(cell, positions) {
            self.build(cell, positions);
        } else {
            self.sorted.refresh(cell, positions);
            let images = self.images.iter().map(|n| cell.to_cartesian(n.map(f64::from)));
            self.list.translations.clear();
            self.list.translations.extend(images);
        }
        &self.list
    }

    fn build(&mut self, cell: &Cell, positions: &[Vector3]) {
        let reach = self.cutoff + self.skin;
        let VerletList { sorted, images, list, .. } = self;
        cell_list::build(cell, positions, reach, sorted, images, list);
        self.builds += 1;
        match &mut self.reference {
            Some(reference) => {
                reference.cell = cell.clone();
                reference.positions.clear();
                reference.positions.extend_from_slice(positions);
            }
            None => {
                self.reference =
                    Some(Reference { cell: cell.clone(), positions: positions.to_vec() });
            }
        }
    }

    fn expired(&self, cell: &Cell, positions: &[Vector3]) -> bool {
        let Some(reference) = &self.reference else { return true };
        if reference.positions.len() != positions.len()
            || reference.cell.periodicity() != cell.periodicity()
        {
            return true;
        }
        let fixed_cell = reference.cell == *cell;
        let (deformation, strain) = if fixed_cell {
            (math::IDENTITY, 0.0)
        } else {
            let f = math::matmul(reference.cell.inverse(), cell.matrix());
            let excess = math::matrix_add(&f, &math::matrix_scale(&math::IDENTITY, -1.0));
            (f, excess.iter().flatten().map(|x| x * x).sum::<f64>().sqrt())
        };
        let allowed = (1.0 - strain) * (self.cutoff + self.skin) - self.cutoff;
        if allowed < 0.0 {
            return true;
        }
        let (mut first, mut second) = (0.0_f64, 0.0_f64);
        for (now, old) in positions.iter().zip(&reference.positions) {
            let carried = if fixed_cell { *old } else { math::row_times(*old, &deformation) };
            let moved2 = math::norm2(math::sub(*now, carried));
            if moved2 > first {
                second = first;
                first = moved2;
            } else if moved2 > second {
                second = moved2;
            }
        }
        // a comparison that is false for NaN: such positions must be rebuilt, not trusted
        let covered = self.skin > 0.0 && first.sqrt() + second.sqrt() <= allowed;
        !covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::{Pair, brute_force, pair_vector};
    use crate::rng::{self, Stream};
    use crate::testing::systems;

    /// Rows by the caller's numbers: neighbour and rounded vector of the pairs within the cutoff.
    fn canonical(verlet: &VerletList) -> Vec<Vec<(u32, [i64; 3])>> {
        let list = verlet.list();
        let mut rows = vec![Vec::new(); list.offsets.len() - 1];
        for (i, atom) in verlet.order().iter().enumerate() {
            let row = &mut rows[*atom as usize];
            for p in list.row(i) {
                let v = list.vector(verlet.positions(), i, p);
                if math::norm(v) < verlet.cutoff() {
                    let j = verlet.order()[list.index[p] as usize];
                    row.push((j, v.map(|x| (x * 1e8).round() as i64)));
                }
            }
            row.sort_unstable();
        }
        rows
    }

    fn brute(cell: &Cell, positions: &[Vector3], cutoff: f64) -> Vec<Vec<(u32, [i64; 3])>> {
        let pairs = brute_force::pairs(cell, positions, cutoff);
        (0..positions.len())
            .map(|i| {
                let row = pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]].iter();
                let vector = |pair: &Pair| pair_vector(cell, positions, i, *pair);
                let mut row: Vec<_> = row
                    .map(|pair| (pair.j, vector(pair).map(|x| (x * 1e8).round() as i64)))
                    .collect();
                row.sort_unstable();
                row
            })
            .collect()
    }

    fn compare(cell: &Cell, positions: &[Vector3], cutoff: f64, what: &str) {
        let mut verlet = VerletList::new(cutoff, 0.0);
        verlet.update(cell, positions);
        let (fast, exact) = (canonical(&verlet), brute(cell, positions, cutoff));
        assert_eq!(fast, exact, "{what}, cutoff {cutoff}, cell {:?}", cell.matrix());
        let list = verlet.list();
        for i in 0..positions.len() {
            for p in list.row(i) {
                let (q, j) = (list.reverse[p] as usize, list.index[p] as usize);
                assert_eq!((list.reverse[q] as usize, list.index[q] as usize), (p, i), "{what}");
                assert!(list.row(j).contains(&q));
                let there = list.vector(verlet.positions(), i, p);
                let back = list.vector(verlet.positions(), j, q);
                let sums = there.iter().zip(back).map(|(a, b)| (a + b).abs());
                assert!(sums.into_iter().all(|x| x <= 0.0), "{what}: exact negatives");
            }
        }
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
    fn same_pairs_as_brute_force_where_no_bin_is_seen_twice() {
        for seed in 0..4 {
            let (cell, positions) = systems::random_atoms(seed, 700, 22.0, 30.0, [true; 3]);
            compare(&cell, &positions, 4.0, &format!("seed {seed}"));
        }
    }

    #[test]
    fn one_atom_sees_its_own_images() {
        let cell = Cell::orthorhombic([2.0, 2.0, 2.0]).expect("a box");
        let mut verlet = VerletList::new(2.1, 0.0);
        let found = verlet.update(&cell, &[[0.3, 0.4, 0.5]]).pairs();
        assert_eq!(found, 6, "six images of a simple cubic lattice");
        compare(&cell, &[[0.3, 0.4, 0.5]], 2.1, "own images");
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

    #[test]
    fn the_list_does_not_depend_on_the_number_of_threads() {
        let (cell, positions) = systems::random_atoms(9, 3000, 30.0, 40.0, [true; 3]);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let mut verlet = VerletList::new(5.0, 1.0);
            pool.expect("a few threads").install(|| verlet.update(&cell, &positions).clone())
        };
        let single = on(1);
        assert!(single.pairs() > 3000);
        for threads in [2, 3, 5] {
            assert_eq!(on(threads), single, "{threads} threads");
        }
    }

    #[test]
    fn neighbours_in_space_are_neighbours_in_memory() {
        let (cell, positions) = systems::random_atoms(2, 8000, 50.0, 51.0, [true; 3]);
        let mut verlet = VerletList::new(5.0, 0.0);
        let list = verlet.update(&cell, &positions);
        let apart: f64 = (0..positions.len())
            .flat_map(|i| list.row(i).map(move |p| (i, p)))
            .map(|(i, p)| (f64::from(list.index[p]) - i as f64).abs())
            .sum::<f64>()
            / list.pairs() as f64;
        // random numbers would be 8000/3 apart
        assert!(apart < 1200.0, "{apart}");
    }

    /// Atoms wander and the cell breathes and shears; the list must equal brute force every step.
    #[test]
    fn no_pair_is_missed_while_atoms_move_and_the_cell_deforms() {
        for seed in 0..12 {
            let (mut cell, mut positions) = systems::random_atoms(seed, 40, 5.0, 9.0, [true; 3]);
            let mut verlet = VerletList::new(3.0, 0.8);
            let mut random = rng::at(seed, Stream::Testing, 1, 0);
            let steps = 60;
            for step in 0..steps {
                verlet.update(&cell, &positions);
                let exact = brute(&cell, &positions, 3.0);
                assert_eq!(canonical(&verlet), exact, "seed {seed}, step {step}");
                let mut matrix = *cell.matrix();
                if seed % 2 == 0 {
                    for x in matrix.iter_mut().flatten() {
                        *x += 0.004 * random.normal();
                    }
                }
                let next = Cell::periodic(matrix).expect("still regular");
                for r in &mut positions {
                    let s = cell.to_fractional(*r);
                    *r = next.to_cartesian(s);
                    for x in r {
                        *x += 0.03 * random.normal();
                    }
                }
                cell = next;
            }
            assert!(verlet.builds() > 1, "seed {seed}: the list never expired");
            assert!(verlet.builds() < steps, "seed {seed}: the skin is never used");
        }
    }

    #[test]
    fn a_restored_list_has_the_same_order() {
        let (cell, positions) = systems::random_atoms(5, 50, 6.0, 9.0, [true; 3]);
        let mut first = VerletList::new(3.0, 1.0);
        first.update(&cell, &positions);
        let moved: Vec<_> = positions.iter().map(|r| [r[0] + 0.1, r[1], r[2] - 0.1]).collect();
        let mut second = VerletList::new(3.0, 1.0);
        second.restore(first.reference().expect("built"));
        assert_eq!(first.update(&cell, &moved), second.update(&cell, &moved));
        assert_eq!((first.order(), first.positions()), (second.order(), second.positions()));
        assert_eq!(first.builds(), 1);
    }
}
