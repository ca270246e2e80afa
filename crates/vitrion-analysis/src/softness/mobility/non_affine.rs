//! What is left of the motion of neighbours when the best deformation is taken out.
//!
//! `D²min(i) = min_F Σ_j |r_ij(t + Δt) − r_ij(t) F|²` over the neighbours `j` at time `t` (Falk and Langer, Phys. Rev. E 57, 7192 (1998)); `F = Y⁻¹ X`,
//! `Y = Σ r ⊗ r`, `X = Σ r ⊗ r′`. Neighbours keep the image that they had at `t`; a deformation of the cell is part of `F`.

use crate::pairs::NeighborTable;
use vitrion_core::math::{self, Matrix3, Vector3};

/// Neighbours below which nothing is left by construction.
pub(super) const FEWEST: usize = 4;
/// Part of the trace that is added to the diagonal of `Y`, so that neighbours in a plane do no harm.
const RIDGE: f64 = 1e-12;

/// How atoms moved since the neighbours were found.
pub(super) struct Motion<'a> {
    /// `H⁻¹ H′`
    pub(super) growth: Matrix3,
    /// Beyond that [Å].
    pub(super) shift: &'a [Vector3],
}

/// `D²min` of an atom, summed over its neighbours that count [Å²], and how many they are.
pub(super) fn of_atom(
    atom: usize,
    table: &NeighborTable,
    counts: &[bool],
    motion: &Motion<'_>,
) -> (f64, usize) {
    let neighbors = || table.of(atom).filter(|(other, _)| counts[*other]);
    let after = |other: usize, r: Vector3| {
        let moved = math::sub(motion.shift[other], motion.shift[atom]);
        math::add(math::row_times(r, &motion.growth), moved)
    };
    let (mut x, mut y, mut number) = (math::ZERO, math::ZERO, 0);
    for (other, r) in neighbors() {
        x = math::matrix_add(&x, &math::outer(r, after(other, r)));
        y = math::matrix_add(&y, &math::outer(r, r));
        number += 1;
    }
    let ridge = math::matrix_scale(&math::IDENTITY, RIDGE * math::trace(&y));
    let Some(inverse) = math::inverse(&math::matrix_add(&y, &ridge)) else { return (0.0, number) };
    let f = math::matmul(&inverse, &x);
    let left = neighbors()
        .map(|(other, r)| math::norm2(math::sub(after(other, r), math::row_times(r, &f))))
        .sum();
    (left, number)
}
