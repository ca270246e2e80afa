//! Symmetries of any potential: translation, rotation, permutation, choice of images, supercell.

use super::derivatives::evaluate;
use super::systems::random_rotation;
use crate::build::supercell;
use crate::cell::Cell;
use crate::math;
use crate::potential::Potential;
use crate::rng::{self, Stream};
use crate::structure::Structure;

/// Checks all symmetries; `tolerance` is relative for energies and absolute for forces [eV/Å].
///
/// # Panics
/// On the first broken symmetry.
pub fn check(potential: &mut dyn Potential, structure: &Structure, tolerance: f64) {
    let base = evaluate(potential, structure);
    let scale = base.energy.abs().max(1.0);
    let mut random = rng::at(11, Stream::Testing, 2, 0);

    let mut moved = structure.clone();
    for r in &mut moved.positions {
        *r = math::add(*r, [1.7, -0.4, 3.9]);
    }
    let result = evaluate(potential, &moved);
    assert!((result.energy - base.energy).abs() < tolerance * scale, "translation");

    let rotation = random_rotation(&mut random);
    let mut rotated = structure.clone();
    rotated.cell =
        Cell::new(math::matmul(structure.cell.matrix(), &rotation), structure.cell.periodicity())
            .expect("a rotated cell");
    for r in &mut rotated.positions {
        *r = math::row_times(*r, &rotation);
    }
    let result = evaluate(potential, &rotated);
    assert!((result.energy - base.energy).abs() < tolerance * scale, "rotation: energy");
    for (before, after) in base.forces.iter().zip(&result.forces) {
        let expected = math::row_times(*before, &rotation);
        assert!(math::norm(math::sub(expected, *after)) < tolerance, "rotation: forces");
    }

    let mut reversed = structure.clone();
    reversed.positions.reverse();
    reversed.species.reverse();
    let result = evaluate(potential, &reversed);
    assert!((result.energy - base.energy).abs() < tolerance * scale, "permutation: energy");
    for (before, after) in base.forces.iter().zip(result.forces.iter().rev()) {
        assert!(math::norm(math::sub(*before, *after)) < tolerance, "permutation: forces");
    }

    let mut shifted = structure.clone();
    for r in &mut shifted.positions {
        let n: [f64; 3] = std::array::from_fn(|k| {
            if structure.cell.periodicity()[k] { random.below(7) as f64 - 3.0 } else { 0.0 }
        });
        *r = math::add(*r, structure.cell.to_cartesian(n));
    }
    let result = evaluate(potential, &shifted);
    assert!((result.energy - base.energy).abs() < tolerance * scale, "choice of images");

    if structure.cell.periodicity() == [true; 3] {
        let repeat = [2, 1, 3];
        let result = evaluate(potential, &supercell::repeat(structure, repeat));
        let expected = 6.0 * base.energy;
        assert!((result.energy - expected).abs() < 6.0 * tolerance * scale, "supercell");
    }
    let total = base.forces.iter().fold([0.0; 3], |s, f| math::add(s, *f));
    assert!(math::norm(total) < tolerance * structure.len() as f64, "forces do not sum to zero");
}
