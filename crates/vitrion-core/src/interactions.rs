//! A potential with its neighbour list: forces for atoms in the caller's order.

use crate::cell::Cell;
use crate::math::Vector3;
use crate::neighbors::VerletList;
use crate::neighbors::verlet::Reference;
use crate::potential::{Atoms, Evaluation, Potential, PotentialError};
use std::time::{Duration, Instant};

/// Owns the list, and atoms in the list's spatial order; evaluates a potential on them.
///
/// Nothing is allocated between searches of the list.
#[derive(Debug)]
pub struct Interactions {
    list: VerletList,
    species: Vec<u8>,
    sorted: Evaluation,
    potential_time: Duration,
}

impl Interactions {
    /// For pairs within `cutoff`, listed up to `skin` beyond it [Å].
    ///
    /// # Panics
    /// If the cutoff is not positive or the skin is negative.
    pub fn new(cutoff: f64, skin: f64) -> Self {
        Interactions {
            list: VerletList::new(cutoff, skin),
            species: Vec::new(),
            sorted: Evaluation::default(),
            potential_time: Duration::ZERO,
        }
    }

    /// Energy, forces and virial of these atoms; `species` are indices into the potential's table.
    ///
    /// # Errors
    /// What the potential reports, with the caller's number of the atom.
    pub fn evaluate(
        &mut self,
        potential: &mut dyn Potential,
        cell: &Cell,
        positions: &[Vector3],
        species: &[u8],
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        self.list.update(cell, positions);
        let order = self.list.order();
        self.species.clear();
        self.species.extend(order.iter().map(|atom| species[*atom as usize]));
        let listed = Instant::now();
        let atoms = Atoms {
            positions: self.list.positions(),
            species: &self.species,
            n_local: positions.len(),
        };
        self.sorted.want_atom_virials = out.want_atom_virials;
        let result = potential.evaluate(atoms, self.list.list(), &mut self.sorted);
        self.potential_time = listed.elapsed();
        if result.is_ok() || self.sorted.forces.len() == order.len() {
            // of a failure too: the caller may want to see which forces are not finite
            self.sorted.reorder(order, out);
        }
        result.map_err(|error| match error {
            PotentialError::NonFinite { atom, symbol, energy, nearest } => {
                let atom = order[atom] as usize;
                PotentialError::NonFinite { atom, symbol, energy, nearest }
            }
            other => other,
        })
    }

    /// The neighbour list, in its own order of atoms.
    pub fn list(&self) -> &VerletList {
        &self.list
    }

    /// Builds the list from a stored reference, for a bit-exact restart.
    pub fn restore(&mut self, reference: &Reference) {
        self.list.restore(reference);
    }

    /// Distance from `atom` to its nearest neighbour in the present list [Å].
    pub fn nearest(&self, atom: usize) -> Option<f64> {
        let (list, positions) = (self.list.list(), self.list.positions());
        let i = self.list.order().iter().position(|number| *number as usize == atom)?;
        list.row(i).map(|p| crate::math::norm(list.vector(positions, i, p))).min_by(f64::total_cmp)
    }

    /// Time of the last evaluation spent in the potential.
    pub fn potential_time(&self) -> Duration {
        self.potential_time
    }
}

/// Energy, forces and virial of atoms in a cell, from nothing.
///
/// # Errors
/// What the potential reports.
pub fn evaluate(
    potential: &mut dyn Potential,
    cell: &Cell,
    positions: &[Vector3],
    species: &[u8],
    out: &mut Evaluation,
) -> Result<(), PotentialError> {
    Interactions::new(potential.cutoff(), 0.0).evaluate(potential, cell, positions, species, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math;
    use crate::potential::NeighborList;
    use crate::species::SpeciesTable;
    use crate::testing::systems;

    /// `φ = k (r − cutoff)²` per pair, scaled by the neighbour's species; fails for one species.
    struct Soft {
        table: SpeciesTable,
        fails: Option<u8>,
    }

    impl Potential for Soft {
        fn species(&self) -> &SpeciesTable {
            &self.table
        }

        fn cutoff(&self) -> f64 {
            3.0
        }

        fn evaluate(
            &mut self,
            atoms: Atoms<'_>,
            list: &NeighborList,
            out: &mut Evaluation,
        ) -> Result<(), PotentialError> {
            out.reset(atoms.positions.len(), atoms.n_local);
            if let Some(atom) = atoms.species.iter().position(|s| Some(*s) == self.fails) {
                let symbol = "S".to_owned();
                return Err(PotentialError::NonFinite { atom, symbol, energy: 0.0, nearest: 0.0 });
            }
            let mut gradient = vec![[0.0; 3]; list.pairs()];
            for i in 0..atoms.n_local {
                for p in list.row(i) {
                    let v = list.vector(atoms.positions, i, p);
                    let (r, k) =
                        (math::norm(v), f64::from(1 + atoms.species[list.index[p] as usize]));
                    if r < 3.0 {
                        out.atom_energies[i] += k * (r - 3.0).powi(2);
                        gradient[p] = math::scale(v, 2.0 * k * (r - 3.0) / r);
                    }
                }
            }
            out.energy = out.atom_energies.iter().sum();
            out.scatter(list, atoms.positions, &gradient);
            Ok(())
        }
    }

    /// The definition: all pairs one by one, in the caller's order.
    fn naive(cell: &Cell, positions: &[Vector3], species: &[u8]) -> Evaluation {
        let pairs = crate::neighbors::brute_force::pairs(cell, positions, 3.0);
        let mut out = Evaluation::with_atom_virials();
        out.reset(positions.len(), positions.len());
        for i in 0..positions.len() {
            for pair in &pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]] {
                let v = crate::neighbors::pair_vector(cell, positions, i, *pair);
                let (r, j) = (math::norm(v), pair.j as usize);
                let k = f64::from(1 + species[j]);
                let g = math::scale(v, 2.0 * k * (r - 3.0) / r);
                out.atom_energies[i] += k * (r - 3.0).powi(2);
                out.forces[i] = math::add(out.forces[i], g);
                out.forces[j] = math::sub(out.forces[j], g);
                let w = math::outer(g, math::scale(v, -1.0));
                out.atom_virials[j] = math::matrix_add(&out.atom_virials[j], &w);
                out.virial = math::matrix_add(&out.virial, &w);
            }
        }
        out.energy = out.atom_energies.iter().sum();
        out
    }

    fn soft(fails: Option<u8>) -> Soft {
        Soft { table: SpeciesTable::new(&["Li", "P", "S"]).expect("elements"), fails }
    }

    #[test]
    fn results_come_back_in_the_order_of_the_caller() {
        for seed in 0..6 {
            let (cell, positions) = systems::random_atoms(seed, 60, 6.0, 11.0, [true; 3]);
            let species: Vec<u8> = (0..60).map(|i| (i * 7 % 3) as u8).collect();
            let exact = naive(&cell, &positions, &species);
            let mut out = Evaluation::with_atom_virials();
            let mut interactions = Interactions::new(3.0, 0.5);
            for _ in 0..2 {
                interactions
                    .evaluate(&mut soft(None), &cell, &positions, &species, &mut out)
                    .expect("finite");
                assert!((out.energy - exact.energy).abs() < 1e-10 * exact.energy);
                for i in 0..60 {
                    let scale = math::norm(exact.forces[i]).max(1.0);
                    let d = math::norm(math::sub(out.forces[i], exact.forces[i]));
                    assert!(d < 1e-11 * scale, "atom {i}: {d:e}");
                    assert!((out.atom_energies[i] - exact.atom_energies[i]).abs() < 1e-10);
                    let (a, b) = (out.atom_virials[i], exact.atom_virials[i]);
                    let pairs = a.iter().flatten().zip(b.iter().flatten());
                    assert!(pairs.into_iter().all(|(x, y)| (x - y).abs() < 1e-10));
                }
            }
            let nearest = interactions.nearest(17).expect("neighbours");
            let pairs = crate::neighbors::brute_force::pairs(&cell, &positions, 3.5);
            let row = &pairs.pairs[pairs.offsets[17]..pairs.offsets[18]];
            let exact = row
                .iter()
                .map(|p| math::norm(crate::neighbors::pair_vector(&cell, &positions, 17, *p)))
                .fold(f64::INFINITY, f64::min);
            assert!((nearest - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn errors_name_the_atom_by_the_number_of_the_caller() {
        let (cell, positions) = systems::random_atoms(4, 40, 9.0, 12.0, [true; 3]);
        let mut species = vec![0; 40];
        species[23] = 2;
        let mut out = Evaluation::default();
        let error = Interactions::new(3.0, 0.5)
            .evaluate(&mut soft(Some(2)), &cell, &positions, &species, &mut out)
            .expect_err("it fails");
        assert!(matches!(error, PotentialError::NonFinite { atom: 23, .. }), "{error}");
    }
}
