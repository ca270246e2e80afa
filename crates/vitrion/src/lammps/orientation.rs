//! Between our axes and those of LAMMPS, whose lattice vectors are a lower-triangular matrix.
//!
//! With the orthogonal matrix `R` a vector is `r · R` there and `r′ · Rᵀ` here; a tensor `T′` there is `R T′ Rᵀ`
//! here. `R` is a rotation, and for left-handed lattice vectors a rotation and a mirror: energies do not change.

use vitrion_core::Cell;
use vitrion_core::math::{self, Matrix3, Vector3};

/// The matrix `R` of a cell, and the lattice vectors there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Orientation {
    to: Matrix3,
    from: Matrix3,
}

impl Orientation {
    /// The orientation of a cell, and its lattice vectors in LAMMPS [Å]; exactly the identity where they
    /// are lower-triangular already.
    pub(super) fn of(cell: &Cell) -> (Self, Matrix3) {
        let mut mirror = math::IDENTITY;
        let mut standing = cell.standard_orientation();
        if standing.is_none() {
            mirror[2][2] = -1.0;
            let mirrored = Cell::periodic(math::matmul(cell.matrix(), &mirror));
            standing = mirrored.ok().and_then(|cell| cell.standard_orientation());
        }
        let (rotation, lattice) = standing.expect("a cell or its mirror image is right-handed");
        let to = math::matmul(&mirror, &rotation);
        (Orientation { from: math::transpose(&to), to }, lattice)
    }

    /// True if the axes are the same.
    pub(super) fn is_identity(&self) -> bool {
        self.to == math::IDENTITY
    }

    pub(super) fn vector_there(&self, r: Vector3) -> Vector3 {
        if self.is_identity() { r } else { math::row_times(r, &self.to) }
    }

    pub(super) fn vector_here(&self, r: Vector3) -> Vector3 {
        if self.is_identity() { r } else { math::row_times(r, &self.from) }
    }

    /// Lattice vectors, which are rows.
    pub(super) fn lattice_here(&self, rows: &Matrix3) -> Matrix3 {
        rows.map(|row| self.vector_here(row))
    }

    pub(super) fn tensor_here(&self, tensor: &Matrix3) -> Matrix3 {
        if self.is_identity() {
            return *tensor;
        }
        math::matmul(&math::matmul(&self.to, tensor), &self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cell_of_either_hand_becomes_lower_triangular_and_comes_back() {
        let right = [[1.0, 7.0, 0.5], [-6.0, 0.3, 1.0], [0.2, 1.5, 8.0]];
        let left = [right[1], right[0], right[2]];
        for matrix in [right, left] {
            let cell = Cell::periodic(matrix).expect("a cell");
            let (orientation, lattice) = Orientation::of(&cell);
            assert!(lattice[0][1] == 0.0 && lattice[0][2] == 0.0 && lattice[1][2] == 0.0);
            assert!((0..3).all(|k| lattice[k][k] > 0.0), "{lattice:?}");
            let back = orientation.lattice_here(&lattice);
            let close = |a: &Matrix3, b: &Matrix3| {
                a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-14)
            };
            assert!(close(&back, &matrix), "{back:?}");
            // r ⊗ f comes back as a tensor
            let (r, f) = ([1.0, -2.0, 0.4], [0.3, 0.1, 5.0]);
            let there = math::outer(orientation.vector_there(r), orientation.vector_there(f));
            assert!(close(&orientation.tensor_here(&there), &math::outer(r, f)));
        }
    }

    #[test]
    fn a_cell_that_stands_well_is_left_alone() {
        let matrix = [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [-0.5, 0.3, 7.0]];
        let (orientation, lattice) = Orientation::of(&Cell::periodic(matrix).expect("a cell"));
        assert!(orientation.is_identity() && lattice == matrix);
    }
}
