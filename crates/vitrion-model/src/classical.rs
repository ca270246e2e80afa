//! Analytic pair potentials: the test bed of the engine, and short-range repulsion.

pub mod lennard_jones;
pub mod zbl;

pub use lennard_jones::{LennardJones, LennardJonesPair};
pub use zbl::Zbl;

use vitrion_core::math::{self, Vector3};
use vitrion_core::{Atoms, Evaluation, NeighborList};

/// Sums a pair energy over a full list: half of `φ(r)` to each end.
///
/// `pair(centre, neighbour, r)` returns `φ` [eV] and `dφ/dr` [eV/Å].
fn sum_pairs(
    atoms: Atoms<'_>,
    neighbors: &NeighborList,
    out: &mut Evaluation,
    gradient: &mut Vec<Vector3>,
    pair: impl Fn(u8, u8, f64) -> (f64, f64),
) {
    out.reset(atoms.positions.len(), atoms.n_local);
    gradient.clear();
    gradient.resize(neighbors.pairs(), [0.0; 3]);
    for i in 0..atoms.n_local {
        let mut energy = 0.0;
        for p in neighbors.row(i) {
            let vector = neighbors.vector(atoms.positions, i, p);
            let r = math::norm(vector);
            let other = atoms.species[neighbors.index[p] as usize];
            let (phi, slope) = pair(atoms.species[i], other, r);
            energy += 0.5 * phi;
            gradient[p] = math::scale(vector, 0.5 * slope / r);
        }
        out.atom_energies[i] = energy;
        out.energy += energy;
    }
    out.scatter(neighbors, atoms.positions, gradient);
}
