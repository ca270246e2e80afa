//! Lennard-Jones: `φ(r) = 4ε[(σ/r)¹² − (σ/r)⁶]` up to a cut-off, optionally shifted to zero there.

use super::sum_pairs;
use crate::deep_potential::evaluator::check_finite;
use vitrion_core::math::Vector3;
use vitrion_core::species::SpeciesTable;
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError};

/// Parameters of one pair of species.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LennardJonesPair {
    /// Well depth ε [eV].
    pub epsilon: f64,
    /// Distance of zero energy σ [Å].
    pub sigma: f64,
}

/// Lennard-Jones between any number of species, as LAMMPS `pair_style lj/cut`.
#[derive(Debug, Clone)]
pub struct LennardJones {
    species: SpeciesTable,
    cutoff: f64,
    /// `[i][j]`, symmetric.
    pairs: Vec<LennardJonesPair>,
    shifted: bool,
    /// Energy subtracted from each pair [eV]; zero without shift.
    shift: Vec<f64>,
    gradient: Vec<Vector3>,
}

impl LennardJones {
    /// One (ε, σ) per species, mixed as `ε_ij = √(ε_i ε_j)`, `σ_ij = (σ_i + σ_j)/2`
    /// (Lorentz–Berthelot). With `shifted` the energy is zero at the cut-off [Å].
    ///
    /// # Errors
    /// Parameters that are not positive and finite, or not one pair per species.
    pub fn new(
        species: SpeciesTable,
        parameters: &[LennardJonesPair],
        cutoff: f64,
        shifted: bool,
    ) -> Result<Self, PotentialError> {
        let n = species.len();
        if parameters.len() != n {
            return Err(PotentialError::Parameter(format!(
                "Lennard-Jones needs one (epsilon, sigma) per species: {} given for {n} species",
                parameters.len()
            )));
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(cutoff) {
            return Err(PotentialError::Parameter(format!(
                "the Lennard-Jones cutoff is {cutoff} Å; it must be positive"
            )));
        }
        for (symbol, p) in species.symbols().iter().zip(parameters) {
            if !positive(p.epsilon) || !positive(p.sigma) {
                return Err(PotentialError::Parameter(format!(
                    "Lennard-Jones parameters of {symbol} must be positive, found epsilon = {} eV, \
                     sigma = {} Å",
                    p.epsilon, p.sigma
                )));
            }
        }
        let mut pairs = Vec::with_capacity(n * n);
        for a in parameters {
            for b in parameters {
                pairs.push(LennardJonesPair {
                    epsilon: (a.epsilon * b.epsilon).sqrt(),
                    sigma: 0.5 * (a.sigma + b.sigma),
                });
            }
        }
        let mut lj = LennardJones {
            species,
            cutoff,
            pairs,
            shifted,
            shift: Vec::new(),
            gradient: Vec::new(),
        };
        lj.set_shift();
        Ok(lj)
    }

    /// The same potential with explicit parameters between two species (by index) instead of mixed
    /// ones.
    pub fn with_pair(mut self, i: usize, j: usize, pair: LennardJonesPair) -> Self {
        let n = self.species.len();
        self.pairs[i * n + j] = pair;
        self.pairs[j * n + i] = pair;
        self.set_shift();
        self
    }

    fn set_shift(&mut self) {
        let at_cutoff =
            |p: &LennardJonesPair| if self.shifted { energy_slope(p, self.cutoff).0 } else { 0.0 };
        self.shift = self.pairs.iter().map(at_cutoff).collect();
    }
}

fn energy_slope(p: &LennardJonesPair, r: f64) -> (f64, f64) {
    let s2 = (p.sigma / r).powi(2);
    let s6 = s2 * s2 * s2;
    (4.0 * p.epsilon * s6 * (s6 - 1.0), -24.0 * p.epsilon * s6 * (2.0 * s6 - 1.0) / r)
}

impl Potential for LennardJones {
    fn species(&self) -> &SpeciesTable {
        &self.species
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
        let n = self.species.len();
        let (pairs, shift, cutoff) = (&self.pairs, &self.shift, self.cutoff);
        sum_pairs(atoms, neighbors, out, &mut self.gradient, |i, j, r| {
            if r >= cutoff {
                return (0.0, 0.0);
            }
            let k = usize::from(i) * n + usize::from(j);
            let (energy, slope) = energy_slope(&pairs[k], r);
            (energy - shift[k], slope)
        });
        check_finite(&self.species, atoms, neighbors, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::testing::{derivatives, invariance, systems};

    #[test]
    fn forces_virial_and_symmetries() {
        let species = SpeciesTable::new(&["Ar", "Kr"]).expect("elements");
        let parameters = [
            LennardJonesPair { epsilon: 0.0104, sigma: 3.4 },
            LennardJonesPair { epsilon: 0.0140, sigma: 3.65 },
        ];
        let mut lj = LennardJones::new(species, &parameters, 6.0, true).expect("positive");
        let cell = systems::random_cell(4, 9.0, 12.0);
        let structure = systems::random_structure(4, &["Ar", "Kr"], 14, cell, 3.0);
        derivatives::check(&mut lj, &structure, 1e-4, 1e-6);
        invariance::check(&mut lj, &structure, 1e-10);
    }

    #[test]
    fn a_dimer_has_its_minimum_at_the_sixth_root_of_two() {
        let p = LennardJonesPair { epsilon: 0.3, sigma: 2.0 };
        let (energy, slope) = energy_slope(&p, 2.0 * 2f64.powf(1.0 / 6.0));
        assert!((energy + 0.3).abs() < 1e-14 && slope.abs() < 1e-13);
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        let species = SpeciesTable::new(&["Ar"]).expect("an element");
        let bad = [LennardJonesPair { epsilon: -1.0, sigma: 3.4 }];
        let error = LennardJones::new(species, &bad, 6.0, false).expect_err("negative depth");
        assert!(error.to_string().contains("epsilon = -1 eV"), "{error}");
    }
}
