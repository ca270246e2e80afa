//! Crystals described in the lattice of one of their planes, the plane in xy.

use crate::cell::{Cell, CellError};
use crate::math;
use crate::structure::Structure;

use super::lattice_plane::{Integers, Lattice, bezout, plane_basis};
use super::supercell;

/// Larger Miller indices are refused: such planes are no surfaces, and their cells are all but flat.
const LARGEST_INDEX: u32 = 1000;
/// Fractional coordinates this close to a face from outside are on it: an atom on the plane stays
/// at the bottom whatever the rounding.
const ON_FACE: f64 = 1e-12;

/// Why a crystal could not be oriented.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OrientError {
    /// Indices that name no plane.
    #[error("(0 0 0) is no lattice plane: at least one Miller index must differ from zero")]
    NoPlane,
    /// Indices beyond any surface.
    #[error(
        "plane ({} {} {}): Miller indices without common factor may be at most {LARGEST_INDEX}; \
         choose a plane of smaller indices nearby",
        plane[0], plane[1], plane[2]
    )]
    IndexTooLarge { plane: [i32; 3] },
    /// New lattice vectors mix old ones: all of them must repeat.
    #[error(
        "the structure is periodic along {periodic:?}; only a crystal periodic along all three \
         lattice vectors can be described in another cell"
    )]
    NotPeriodic { periodic: [bool; 3] },
    /// No supercell is as perpendicular as wanted.
    #[error(
        "no supercell of at most {largest} cells has perpendicular lattice vectors within \
         {tolerance} degrees; the best has {cells}: the angle of the first two is {off:.4} degrees \
         off a right angle, and the third is tilted by {tilt:.4} degrees; allow more cells or a \
         larger tolerance"
    )]
    NotOrthogonal { largest: usize, tolerance: f64, cells: usize, off: f64, tilt: f64 },
    /// The new lattice vectors are no cell.
    #[error(transparent)]
    Cell(#[from] CellError),
}

/// A crystal in another cell, rotated rigidly.
#[derive(Debug, Clone, PartialEq)]
pub struct Oriented {
    /// The first lattice vector is along +x, the second in xy with positive y, the third has
    /// positive z. Positions are in the cell.
    pub structure: Structure,
    /// The new lattice vectors before the rotation, in units of the old: `H_new = T · H · R` with a
    /// proper rotation `R`. The determinant is the number of cells, negative for a left-handed `H`.
    pub matrix: [[i64; 3]; 3],
    /// Angle between the third lattice vector and z [degrees].
    pub tilt: f64,
}

/// The crystal in a right-handed cell whose first two lattice vectors lie in the plane (h k l), with
/// the normal `h b₁ + k b₂ + l b₃` along +z and the first lattice vector along +x. Volume and atoms
/// are those of the given cell, and the height of the new one is the distance of the planes,
/// `d = 1 / |h b₁ + k b₂ + l b₃|` with reciprocal vectors without 2π.
///
/// Indices count in the lattice vectors of `structure` as they are, primitive or not; a common factor
/// is divided out, so (2 2 0) is (1 1 0). The first two vectors are the shortest in the plane that
/// form a basis of its lattice; the third leads to the next plane with the smallest component along it. Of
/// vectors of equal length those with the smallest sum of absolute coefficients, then the
/// lexicographically largest ones are taken. A left-handed cell gives a right-handed one (the
/// transform then has determinant −1); the crystal is never mirrored.
///
/// Positions are moved by lattice vectors into the new cell, `0 ≤ s < 1`: molecules may be cut. The
/// order of atoms stays.
///
/// # Errors
/// (0 0 0), indices above 1000, structures that are not periodic in all directions, cells too flat.
pub fn oriented(structure: &Structure, plane: [i32; 3]) -> Result<Oriented, OrientError> {
    let plane = without_common_factor(plane)?;
    let lattice = crystal_lattice(structure, plane)?;
    let [first, second, third] = plane_basis(plane);
    let (first, second) = lattice.reduced(first, second);
    let third = lattice.upright(first, second, third);
    Ok(described_in(structure, [first, second, third], [1; 3])?)
}

/// The lattice of a structure that is periodic along all of its vectors.
pub(super) fn crystal_lattice(
    structure: &Structure,
    plane: Integers,
) -> Result<Lattice, OrientError> {
    let periodic = structure.cell.periodicity();
    if periodic != [true; 3] {
        return Err(OrientError::NotPeriodic { periodic });
    }
    Ok(Lattice::new(&structure.cell, plane))
}

fn without_common_factor(plane: [i32; 3]) -> Result<Integers, OrientError> {
    let [h, k, l] = plane.map(i64::from);
    let (divisor, ..) = bezout(bezout(h, k).0, l);
    if divisor == 0 {
        return Err(OrientError::NoPlane);
    }
    let reduced = [h / divisor, k / divisor, l / divisor];
    if reduced.iter().any(|index| index.unsigned_abs() > u64::from(LARGEST_INDEX)) {
        return Err(OrientError::IndexTooLarge { plane });
    }
    Ok(reduced)
}

/// The crystal in the cell `matrix · H`, which must be right-handed, rotated so that the first
/// lattice vector is along x and the second in xy. `copies` of the old cell along each of its vectors
/// fill the new one.
pub(super) fn described_in(
    structure: &Structure,
    matrix: [Integers; 3],
    copies: [usize; 3],
) -> Result<Oriented, CellError> {
    let integers = matrix.map(|n| n.map(|n| n as f64));
    let [a, b, c] = math::matmul(&integers, structure.cell.matrix());
    let x = math::scale(a, 1.0 / math::norm(a));
    let normal = math::cross(a, b);
    let z = math::scale(normal, 1.0 / math::norm(normal));
    let y = math::cross(z, x);
    let lower = [
        [math::norm(a), 0.0, 0.0],
        [math::dot(b, x), math::dot(b, y), 0.0],
        [math::dot(c, x), math::dot(c, y), math::dot(c, z)],
    ];
    let cell = Cell::new(lower, structure.cell.periodicity())?;
    let inverse = math::inverse(&integers).expect("a basis has a determinant");
    let mut filled = supercell::repeat(structure, copies);
    for r in &mut filled.positions {
        let s = math::row_times(structure.cell.to_fractional(*r), &inverse);
        *r = cell.to_cartesian(s.map(into_cell));
    }
    filled.cell = cell;
    let tilt = lower[2][0].hypot(lower[2][1]).atan2(lower[2][2]).to_degrees();
    Ok(Oriented { structure: filled, matrix, tilt })
}

/// A fractional coordinate moved into `0 ≤ s < 1`.
pub(super) fn into_cell(s: f64) -> f64 {
    (s - (s + ON_FACE).floor()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::systems;

    fn crystal(seed: u64) -> Structure {
        systems::random_structure(
            seed,
            &["Li", "S", "P"],
            7,
            systems::random_cell(seed, 5.0, 9.0),
            1.2,
        )
    }

    #[test]
    fn a_reduced_cell_in_standard_orientation_stays_as_it_is() {
        let cell = Cell::from_lengths_angles([4.0, 5.0, 6.0], [85.0, 92.0, 96.0]).expect("closes");
        let unit =
            Structure::new(cell, &["Li", "S"], vec![[0.0; 3], [1.0, 2.0, 3.0]]).expect("elements");
        let same = oriented(&unit, [0, 0, 1]).expect("a plane");
        assert_eq!(same.matrix, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
        for (found, given) in same.structure.positions.iter().zip(&unit.positions) {
            assert!(math::norm(math::sub(*found, *given)) < 1e-14);
        }
    }

    #[test]
    fn no_lattice_vectors_of_a_wide_search_are_shorter_or_more_upright() {
        for seed in 0..40 {
            let crystal = crystal(seed);
            let plane = [[1, 0, 0], [1, 1, 1], [2, -1, 3], [0, 1, -2]][seed as usize % 4];
            let found = oriented(&crystal, plane).expect("a plane");
            let [a, b, c] = *found.structure.cell.matrix();
            for n in 0..19_i32.pow(3) {
                let n = [n / 361 - 9, n / 19 % 19 - 9, n % 19 - 9];
                let height: i32 = (0..3).map(|k| n[k] * plane[k]).sum();
                let r = crystal.cell.to_cartesian(n.map(f64::from));
                if height == 0 && n != [0; 3] {
                    assert!(math::norm(r) > math::norm(a) - 1e-9, "seed {seed}: {n:?}");
                    let parallel = (0..3).all(|k| {
                        let (i, j) = ((k + 1) % 3, (k + 2) % 3);
                        i64::from(n[i]) * found.matrix[0][j] == i64::from(n[j]) * found.matrix[0][i]
                    });
                    assert!(parallel || math::norm(r) > math::norm(b) - 1e-9, "seed {seed}: {n:?}");
                }
                // vectors to the next plane have the same height
                assert!(height != 1 || math::norm(r) > math::norm(c) - 1e-9, "seed {seed}: {n:?}");
            }
        }
    }

    #[test]
    fn a_left_handed_cell_is_described_in_a_right_handed_one_without_mirroring() {
        let right = crystal(3);
        let [a, b, c] = *right.cell.matrix();
        let mut left = right.clone();
        left.cell = Cell::periodic([b, a, c]).expect("the same vectors");
        // the same plane: h and k change places with a and b
        let from_right = oriented(&right, [2, -1, 3]).expect("a plane");
        let from_left = oriented(&left, [-1, 2, 3]).expect("a plane");
        let determinant = |m: &[Integers; 3]| math::determinant(&m.map(|n| n.map(|n| n as f64)));
        assert!((determinant(&from_right.matrix) - 1.0).abs() < 1e-12);
        assert!((determinant(&from_left.matrix) + 1.0).abs() < 1e-12);
        assert!(math::determinant(from_left.structure.cell.matrix()) > 0.0);
        for (r, other) in from_right.structure.positions.iter().zip(&from_left.structure.positions)
        {
            // the first in-plane vector may point the other way
            let turned = [-other[0], -other[1], other[2]];
            let away = [*other, turned].map(|other| {
                math::norm(from_right.structure.cell.minimum_image(math::sub(*r, other)))
            });
            assert!(away[0].min(away[1]) < 1e-9, "{away:?}");
        }
    }

    #[test]
    fn the_opposite_plane_turns_the_crystal_over() {
        let crystal = crystal(5);
        let up = oriented(&crystal, [1, 1, 0]).expect("a plane").structure;
        let down = oriented(&crystal, [-1, -1, 0]).expect("a plane").structure;
        let height = up.cell.matrix()[2][2];
        for (r, other) in up.positions.iter().zip(&down.positions) {
            let sum = (r[2] + other[2]) / height;
            assert!((sum - sum.round()).abs() < 1e-12, "{sum}");
        }
    }

    #[test]
    fn a_common_factor_of_the_indices_does_not_matter() {
        let crystal = crystal(1);
        assert_eq!(oriented(&crystal, [-4, 2, 6]), oriented(&crystal, [-2, 1, 3]));
        assert_eq!(oriented(&crystal, [0, 0, i32::MIN]), oriented(&crystal, [0, 0, -1]));
    }

    #[test]
    fn an_atom_just_below_the_plane_is_put_on_it() {
        assert!(into_cell(-1e-15).abs() < 1e-300 && into_cell(1.0 - 1e-15).abs() < 1e-300);
        assert!((into_cell(-0.25) - 0.75).abs() < 1e-15 && (into_cell(2.5) - 0.5).abs() < 1e-15);
        assert!(into_cell(-1e-11) < 1.0);
    }

    #[test]
    fn what_is_no_plane_of_a_crystal_is_refused() {
        let mut crystal = crystal(2);
        assert_eq!(oriented(&crystal, [0, 0, 0]), Err(OrientError::NoPlane));
        let error = oriented(&crystal, [1, 1001, 0]).expect_err("too large").to_string();
        assert!(error.contains("(1 1001 0)") && error.contains("at most 1000"), "{error}");
        crystal.cell = Cell::new(*crystal.cell.matrix(), [true, true, false]).expect("a cell");
        let error = oriented(&crystal, [0, 0, 1]).expect_err("a slab").to_string();
        assert!(error.contains("[true, true, false]"), "{error}");
    }
}
