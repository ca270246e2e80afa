//! Neighbour lists with a skin: built rarely, exact always.

use super::{Pairs, cell_list, pair_vector};
use crate::cell::Cell;
use crate::math::{self, Vector3};
use crate::potential::NeighborList;

/// Keeps every pair within `cutoff + skin` and hands out those within `cutoff`.
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
    candidates: Pairs,
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
            candidates: Pairs::default(),
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

    /// Rebuilds the candidates from a stored reference, for a bit-exact restart.
    pub fn restore(&mut self, reference: &Reference) {
        self.build(&reference.cell, &reference.positions);
    }

    /// The list of the last [`VerletList::update`].
    pub fn list(&self) -> &NeighborList {
        &self.list
    }

    /// Takes the list out.
    pub fn into_list(self) -> NeighborList {
        self.list
    }

    /// The pairs within the cutoff at these positions, rebuilding the candidates if they expired.
    pub fn update(&mut self, cell: &Cell, positions: &[Vector3]) -> &NeighborList {
        if self.expired(cell, positions) {
            self.build(cell, positions);
        }
        let cutoff2 = self.cutoff * self.cutoff;
        let list = &mut self.list;
        list.offsets.clear();
        list.index.clear();
        list.vector.clear();
        list.offsets.push(0);
        for i in 0..positions.len() {
            let row = self.candidates.offsets[i]..self.candidates.offsets[i + 1];
            for pair in &self.candidates.pairs[row] {
                let vector = pair_vector(cell, positions, i, *pair);
                if math::norm2(vector) < cutoff2 {
                    list.index.push(pair.j);
                    list.vector.push(vector);
                }
            }
            list.offsets.push(list.index.len());
        }
        &self.list
    }

    fn build(&mut self, cell: &Cell, positions: &[Vector3]) {
        cell_list::pairs(cell, positions, self.cutoff + self.skin, &mut self.candidates);
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
    use crate::neighbors::brute_force;
    use crate::rng::{self, Stream};
    use crate::testing::systems;

    fn canonical(list: &NeighborList) -> Vec<Vec<(u32, [i64; 3])>> {
        (0..list.offsets.len() - 1)
            .map(|i| {
                let mut row: Vec<_> = list
                    .row(i)
                    .map(|p| (list.index[p], list.vector[p].map(|x| (x * 1e8).round() as i64)))
                    .collect();
                row.sort_unstable();
                row
            })
            .collect()
    }

    fn brute(cell: &Cell, positions: &[Vector3], cutoff: f64) -> NeighborList {
        let pairs = brute_force::pairs(cell, positions, cutoff);
        let mut list = NeighborList { offsets: pairs.offsets.clone(), ..Default::default() };
        for i in 0..positions.len() {
            for pair in &pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]] {
                list.index.push(pair.j);
                list.vector.push(pair_vector(cell, positions, i, *pair));
            }
        }
        list
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
                let list = verlet.update(&cell, &positions);
                assert_eq!(
                    canonical(list),
                    canonical(&brute(&cell, &positions, 3.0)),
                    "seed {seed}, step {step}"
                );
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
        assert_eq!(first.builds(), 1);
    }
}
