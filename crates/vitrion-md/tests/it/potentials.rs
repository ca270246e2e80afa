//! Potentials with known answers. Spokes do not import each other, so these are the tests' own.

use vitrion_core::math::{self, Vector3};
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError, SpeciesTable};

/// `4ε[(σ/r)¹² − (σ/r)⁶]`, shifted to zero at the cutoff, in energy or in energy and force; the
/// same parameters for all species.
pub(crate) struct LennardJones {
    pub(crate) table: SpeciesTable,
    pub(crate) epsilon: f64,
    pub(crate) sigma: f64,
    pub(crate) cutoff: f64,
    pub(crate) shift_force: bool,
    gradient: Vec<Vector3>,
}

impl LennardJones {
    pub(crate) fn new(
        symbols: &[&str],
        epsilon: f64,
        sigma: f64,
        cutoff: f64,
        shift_force: bool,
    ) -> Self {
        let table = SpeciesTable::new(symbols).expect("elements");
        LennardJones { table, epsilon, sigma, cutoff, shift_force, gradient: Vec::new() }
    }

    /// Argon with a short, smooth cutoff.
    pub(crate) fn argon(symbols: &[&str]) -> Self {
        LennardJones::new(symbols, 0.0103, 3.4, 7.0, true)
    }

    fn value_and_slope(&self, r: f64) -> (f64, f64) {
        let s6 = (self.sigma / r).powi(6);
        (4.0 * self.epsilon * (s6 * s6 - s6), 4.0 * self.epsilon * (6.0 * s6 - 12.0 * s6 * s6) / r)
    }
}

impl Potential for LennardJones {
    fn species(&self) -> &SpeciesTable {
        &self.table
    }

    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        out.reset(atoms.positions.len(), atoms.n_local);
        let (at_cutoff, slope_at_cutoff) = self.value_and_slope(self.cutoff);
        let shift = if self.shift_force { slope_at_cutoff } else { 0.0 };
        self.gradient.clear();
        for i in 0..atoms.n_local {
            for p in neighbors.row(i) {
                let vector = neighbors.vector(atoms.positions, i, p);
                let r = math::norm(vector);
                if r >= self.cutoff {
                    self.gradient.push([0.0; 3]);
                    continue;
                }
                let (value, slope) = self.value_and_slope(r);
                // each pair is seen from both ends: half of it here
                let half = 0.5 * (value - at_cutoff - shift * (r - self.cutoff));
                out.atom_energies[i] += half;
                out.energy += half;
                let factor = 0.5 * (slope - shift) / r;
                self.gradient.push(math::scale(vector, factor));
            }
        }
        out.scatter(neighbors, atoms.positions, &self.gradient);
        Ok(())
    }
}

/// Atoms tied to sites by springs `k_x, k_y, k_z` [eV/Å²], without neighbours; all springs zero
/// make an ideal gas.
pub(crate) struct Springs {
    pub(crate) table: SpeciesTable,
    pub(crate) sites: Vec<Vector3>,
    pub(crate) k: Vector3,
}

impl Potential for Springs {
    fn species(&self) -> &SpeciesTable {
        &self.table
    }

    fn cutoff(&self) -> f64 {
        0.5
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        _: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        out.reset(atoms.positions.len(), atoms.n_local);
        for i in 0..atoms.n_local {
            for axis in 0..3 {
                let d = atoms.positions[i][axis] - self.sites[i][axis];
                out.forces[i][axis] = -self.k[axis] * d;
                out.atom_energies[i] += 0.5 * self.k[axis] * d * d;
            }
            out.energy += out.atom_energies[i];
        }
        Ok(())
    }
}

/// Argon that returns NaN for the force on the atom nearest to `site` [Å] from the n-th evaluation
/// on. (Potentials see atoms in an order of the engine's own.)
pub(crate) struct Failing {
    pub(crate) inner: LennardJones,
    pub(crate) evaluations_left: u64,
    pub(crate) site: Vector3,
}

impl Potential for Failing {
    fn species(&self) -> &SpeciesTable {
        self.inner.species()
    }

    fn cutoff(&self) -> f64 {
        self.inner.cutoff()
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        self.inner.evaluate(atoms, neighbors, out)?;
        if self.evaluations_left == 0 {
            let distance = |i: &usize| math::norm(math::sub(atoms.positions[*i], self.site));
            let nearest = (0..atoms.n_local).min_by(|a, b| distance(a).total_cmp(&distance(b)));
            out.forces[nearest.expect("there are atoms")][1] = f64::NAN;
        }
        self.evaluations_left = self.evaluations_left.saturating_sub(1);
        Ok(())
    }
}

#[test]
fn the_lennard_jones_of_these_tests_has_right_forces_and_virial() {
    for shift_force in [false, true] {
        let cell = vitrion_core::Cell::orthorhombic([7.5, 8.0, 9.0]).expect("a box");
        let structure =
            vitrion_core::testing::systems::random_structure(3, &["Ar", "Ne"], 9, cell, 2.9);
        let mut potential = LennardJones::new(&["Ne", "Ar"], 0.0103, 3.4, 7.0, shift_force);
        vitrion_core::testing::derivatives::check(&mut potential, &structure, 1e-4, 1e-5);
    }
}
