//! Forces and virials against central differences of the energy.

use crate::cell::Cell;
use crate::interactions;
use crate::math::{self, Matrix3};
use crate::potential::{Evaluation, Potential};
use crate::structure::Structure;

/// Energy, forces and virial of a structure, with a list built from nothing.
///
/// # Panics
/// If the potential lacks a species or fails.
pub fn evaluate(potential: &mut dyn Potential, structure: &Structure) -> Evaluation {
    let species = structure.species_in(potential.species()).expect("species of the test");
    let mut out = Evaluation::with_atom_virials();
    interactions::evaluate(potential, &structure.cell, &structure.positions, &species, &mut out)
        .expect("a finite energy");
    out
}

/// Checks `F = −∂E/∂r` for a few atoms and `W = −∂E/∂ε` by central differences of step `h` [Å].
///
/// `tolerance` is absolute, in eV/Å for forces and eV for the virial. Per-atom energies and virials
/// must sum to the totals.
///
/// # Panics
/// On the first disagreement, with the numbers.
pub fn check(potential: &mut dyn Potential, structure: &Structure, h: f64, tolerance: f64) {
    let result = evaluate(potential, structure);
    let total: f64 = result.atom_energies.iter().sum();
    assert!((total - result.energy).abs() < 1e-9 * total.abs().max(1.0), "atom energies");
    let sum = result.atom_virials.iter().fold(math::ZERO, |s, w| math::matrix_add(&s, w));
    for a in 0..3 {
        for b in 0..3 {
            let scale = result.virial[a][b].abs().max(1.0);
            assert!((sum[a][b] - result.virial[a][b]).abs() < 1e-9 * scale, "atom virials");
        }
    }
    let mut energy_at = |structure: &Structure| evaluate(potential, structure).energy;
    let stride = structure.len().div_ceil(6);
    for atom in (0..structure.len()).step_by(stride) {
        for k in 0..3 {
            let mut moved = structure.clone();
            moved.positions[atom][k] += h;
            let up = energy_at(&moved);
            moved.positions[atom][k] -= 2.0 * h;
            let down = energy_at(&moved);
            let force = -(up - down) / (2.0 * h);
            assert!(
                (force - result.forces[atom][k]).abs() < tolerance,
                "force on atom {atom}, component {k}: {} but −ΔE/Δr = {force}",
                result.forces[atom][k]
            );
        }
    }
    for a in 0..3 {
        for b in 0..3 {
            let up = energy_at(&strained(structure, a, b, h));
            let down = energy_at(&strained(structure, a, b, -h));
            let virial = -(up - down) / (2.0 * h);
            assert!(
                (virial - result.virial[a][b]).abs() < tolerance * 10.0,
                "virial[{a}][{b}]: {} but −ΔE/Δε = {virial}",
                result.virial[a][b]
            );
        }
    }
}

/// The structure under `r → r · (1 + ε)` with a single strain component.
fn strained(structure: &Structure, a: usize, b: usize, strain: f64) -> Structure {
    let mut deformation: Matrix3 = math::IDENTITY;
    deformation[a][b] += strain;
    let matrix = math::matmul(structure.cell.matrix(), &deformation);
    let mut result = structure.clone();
    result.cell = Cell::new(matrix, structure.cell.periodicity()).expect("a small strain");
    for r in &mut result.positions {
        *r = math::row_times(*r, &deformation);
    }
    result
}
