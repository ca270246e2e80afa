//! Ziegler–Biersack–Littmark screened nuclear repulsion (1985), switched to zero smoothly.
//!
//! `φ(r) = k Z_i Z_j / r · Φ(r/a)`, `a = 0.46850 / (Z_i^0.23 + Z_j^0.23)` Å, with the universal
//! screening function Φ. Between `inner` and `outer` a polynomial is added whose energy, force and
//! curvature bring those of φ to zero at `outer`, as in LAMMPS `pair_style zbl`.

use super::sum_pairs;
use crate::deep_potential::evaluator::check_finite;
use vitrion_core::math::Vector3;
use vitrion_core::species::SpeciesTable;
use vitrion_core::{Atoms, Evaluation, NeighborList, Potential, PotentialError, elements, units};

/// Weights and exponents of the universal screening function.
const SCREENING: [(f64, f64); 4] =
    [(0.02817, 0.20162), (0.28022, 0.40290), (0.50986, 0.94229), (0.18175, 3.19980)];

/// ZBL between any species.
#[derive(Debug, Clone)]
pub struct Zbl {
    species: SpeciesTable,
    inner: f64,
    outer: f64,
    /// `[i][j]`: k Z_i Z_j [eV Å], 1/a [1/Å], and the switching coefficients.
    pairs: Vec<ZblPair>,
    gradient: Vec<Vector3>,
}

#[derive(Debug, Clone, Copy)]
struct ZblPair {
    strength: f64,
    per_length: f64,
    /// `(A/3)(r − inner)³ + (B/4)(r − inner)⁴ + C`
    switch: [f64; 3],
}

impl ZblPair {
    /// `φ`, `φ′`, `φ″` without the switch.
    fn bare(&self, r: f64) -> (f64, f64, f64) {
        let (mut f, mut df, mut ddf) = (0.0, 0.0, 0.0);
        for (weight, exponent) in SCREENING {
            let k = exponent * self.per_length;
            let e = weight * (-k * r).exp();
            f += e;
            df -= k * e;
            ddf += k * k * e;
        }
        let s = self.strength / r;
        (s * f, s * (df - f / r), s * (ddf - 2.0 * df / r + 2.0 * f / (r * r)))
    }

    fn switched(&self, r: f64, inner: f64) -> (f64, f64) {
        let (phi, slope, _) = self.bare(r);
        let [a, b, c] = self.switch;
        let t = r - inner;
        if t <= 0.0 {
            return (phi + c, slope);
        }
        (phi + t * t * t * (a / 3.0 + b / 4.0 * t) + c, slope + t * t * (a + b * t))
    }
}

impl Zbl {
    /// ZBL for these species, switched off between `inner` and `outer` [Å].
    ///
    /// # Errors
    /// Distances that are not `0 < inner < outer`.
    pub fn new(species: SpeciesTable, inner: f64, outer: f64) -> Result<Self, PotentialError> {
        if !(inner > 0.0 && inner < outer && outer.is_finite()) {
            return Err(PotentialError::Parameter(format!(
                "ZBL needs 0 < inner < outer, found inner = {inner} Å, outer = {outer} Å"
            )));
        }
        let numbers: Vec<f64> = species
            .symbols()
            .iter()
            .map(|s| elements::by_symbol(s).map(|e| f64::from(e.number)))
            .collect::<Option<_>>()
            .expect("a species table holds elements");
        let mut pairs = Vec::new();
        for zi in &numbers {
            for zj in &numbers {
                let mut pair = ZblPair {
                    strength: units::COULOMB * zi * zj,
                    per_length: (zi.powf(0.23) + zj.powf(0.23)) / 0.46850,
                    switch: [0.0; 3],
                };
                let (phi, slope, bend) = pair.bare(outer);
                let width = outer - inner;
                let a = (-3.0 * slope + width * bend) / (width * width);
                let b = (2.0 * slope - width * bend) / (width * width * width);
                let c = -phi + width * slope / 2.0 - width * width * bend / 12.0;
                pair.switch = [a, b, c];
                pairs.push(pair);
            }
        }
        Ok(Zbl { species, inner, outer, pairs, gradient: Vec::new() })
    }

    /// `[i][j]`: `k Z_i Z_j` [eV Å], `1/a` [1/Å], and `A`, `B`, `C` of the switch.
    pub fn parameters(&self) -> impl Iterator<Item = [f64; 5]> {
        self.pairs.iter().map(|pair| {
            let [a, b, c] = pair.switch;
            [pair.strength, pair.per_length, a, b, c]
        })
    }
}

impl Potential for Zbl {
    fn species(&self) -> &SpeciesTable {
        &self.species
    }

    fn cutoff(&self) -> f64 {
        self.outer
    }

    fn evaluate(
        &mut self,
        atoms: Atoms<'_>,
        neighbors: &NeighborList,
        out: &mut Evaluation,
    ) -> Result<(), PotentialError> {
        let n = self.species.len();
        let (pairs, inner, outer) = (&self.pairs, self.inner, self.outer);
        sum_pairs(atoms, neighbors, out, &mut self.gradient, |i, j, r| {
            if r >= outer {
                return (0.0, 0.0);
            }
            pairs[usize::from(i) * n + usize::from(j)].switched(r, inner)
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
        let species = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
        let mut zbl = Zbl::new(species, 1.5, 3.5).expect("inner < outer");
        let cell = systems::random_cell(6, 6.0, 8.0);
        let structure = systems::random_structure(6, &["Li", "S", "P"], 12, cell, 1.2);
        derivatives::check(&mut zbl, &structure, 1e-5, 1e-5);
        invariance::check(&mut zbl, &structure, 1e-9);
    }

    #[test]
    fn energy_force_and_curvature_vanish_at_the_outer_radius() {
        let species = SpeciesTable::new(&["P", "S"]).expect("elements");
        let zbl = Zbl::new(species, 0.7, 1.4).expect("inner < outer");
        let (phi, slope) = zbl.pairs[1].switched(1.4, 0.7);
        let (_, before) = zbl.pairs[1].switched(1.4 - 1e-5, 0.7);
        assert!(phi.abs() < 1e-10 && slope.abs() < 1e-9);
        assert!((before / 1e-5).abs() < 1.0, "the curvature vanishes: {before:e}");
    }
}
