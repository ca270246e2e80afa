//! Oriented crystals: the same crystal in a cell whose first two vectors span a chosen lattice plane.

use crate::cell::{Cell, CellError};
use crate::math::{self, Matrix3, Vector3};
use crate::structure::Structure;

/// Why a crystal cannot be oriented.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OrientError {
    #[error("(0 0 0) is no lattice plane; give Miller indices such as 1 0 0")]
    NoPlane,
    #[error("an oriented crystal needs a cell that is periodic in all directions, found {0:?}")]
    NotPeriodic([bool; 3]),
    #[error(transparent)]
    Cell(#[from] CellError),
}

/// A crystal in a new cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Oriented {
    /// First lattice vector along x, second in the xy plane, plane normal along z.
    pub structure: Structure,
    /// New lattice vectors in the old ones: row `i` is `Σ_k basis[i][k] a_k`. Determinant ±1.
    pub basis: [[i64; 3]; 3],
    /// Angle between the third lattice vector and the normal [degrees]: zero where the lattice has a
    /// vector along the normal.
    pub tilt: f64,
}

/// The crystal with the lattice plane `(h k l)` in xy.
///
/// Common factors of the indices are taken out. The first two new lattice vectors are the shortest basis
/// of the plane, the third leads to the next plane (`d = 1/|h b₁ + k b₂ + l b₃|` higher) with the least
/// sideways shift. Volume and number of atoms are unchanged; atoms lie inside the new cell.
///
/// # Errors
/// Indices that are all zero, a cell that is not periodic.
pub fn oriented(structure: &Structure, plane: [i64; 3]) -> Result<Oriented, OrientError> {
    if structure.cell.periodicity() != [true; 3] {
        return Err(OrientError::NotPeriodic(structure.cell.periodicity()));
    }
    let lattice = structure.cell.matrix();
    let vector = |c: [i64; 3]| math::row_times(c.map(|x| x as f64), lattice);
    let [mut u, mut v, mut w] = plane_basis(plane)?;
    // the normal points to the side of w: h b₁ + k b₂ + l b₃, columns of the inverse are b
    let inverse = structure.cell.inverse();
    let normal: Vector3 =
        std::array::from_fn(|a| (0..3).map(|k| inverse[a][k] * plane[k] as f64).sum());
    let normal = math::scale(normal, 1.0 / math::norm(normal));
    reduce_pair(&mut u, &mut v, vector);
    if math::dot(math::cross(vector(u), vector(v)), normal) < 0.0 {
        v = v.map(|x| -x);
    }
    shift_back(&mut w, u, v, normal, vector);
    let x = math::scale(vector(u), 1.0 / math::norm(vector(u)));
    let y = math::cross(normal, x);
    // r · R has its components along the new axes
    let rotation: Matrix3 = math::transpose(&[x, y, normal]);
    let mut matrix = [u, v, w].map(|c| math::row_times(vector(c), &rotation));
    // zeros by construction
    (matrix[0][1], matrix[0][2], matrix[1][2]) = (0.0, 0.0, 0.0);
    let third = matrix[2];
    let tilt = third[0].hypot(third[1]).atan2(third[2]).to_degrees();
    let cell = Cell::periodic(matrix)?;
    let positions =
        structure.positions.iter().map(|r| cell.wrap(math::row_times(*r, &rotation)).0).collect();
    let structure = Structure { cell, positions, ..structure.clone() };
    Ok(Oriented { structure, basis: [u, v, w], tilt })
}

/// Three integer vectors of determinant ±1: two with `h · u = 0`, one with `h · w = 1`, for the plane
/// with its common factor taken out.
fn plane_basis(plane: [i64; 3]) -> Result<[[i64; 3]; 3], OrientError> {
    let [h, k, l] = plane;
    let (common, ..) = extended_gcd(extended_gcd(h, k).0, l);
    if common == 0 {
        return Err(OrientError::NoPlane);
    }
    let [h, k, l] = plane.map(|x| x / common);
    let (g, p, q) = extended_gcd(h, k);
    if g == 0 {
        return Ok([[1, 0, 0], [0, 1, 0], [0, 0, l]]);
    }
    let (_, r, s) = extended_gcd(g, l);
    Ok([[k / g, -h / g, 0], [p * l, q * l, -g], [r * p, r * q, s]])
}

/// `(g, p, q)` with `p a + q b = g = gcd(a, b) ≥ 0`.
fn extended_gcd(a: i64, b: i64) -> (i64, i64, i64) {
    let (mut r, mut p, mut q) = ([a, b], [1, 0], [0, 1]);
    while r[1] != 0 {
        let quotient = r[0].div_euclid(r[1]);
        for pair in [&mut r, &mut p, &mut q] {
            *pair = [pair[1], pair[0] - quotient * pair[1]];
        }
    }
    let sign = if r[0] < 0 { -1 } else { 1 };
    (sign * r[0], sign * p[0], sign * q[0])
}

fn minus(a: [i64; 3], b: [i64; 3], n: i64) -> [i64; 3] {
    std::array::from_fn(|k| a[k] - n * b[k])
}

/// Gauss's reduction: the two shortest vectors that span the same plane lattice, the shorter first.
fn reduce_pair(u: &mut [i64; 3], v: &mut [i64; 3], vector: impl Fn([i64; 3]) -> Vector3) {
    loop {
        // a hair's difference must not decide, so that equal lengths end
        if math::norm2(vector(*v)) < math::norm2(vector(*u)) * (1.0 - 1e-9) {
            std::mem::swap(u, v);
        }
        let (a, b) = (vector(*u), vector(*v));
        let n = (math::dot(a, b) / math::norm2(a) * (1.0 - 1e-9)).round() as i64;
        if n == 0 {
            return;
        }
        *v = minus(*v, *u, n);
    }
}

/// Takes plane vectors off `w` so that it lies as close to the normal as possible.
fn shift_back(
    w: &mut [i64; 3],
    u: [i64; 3],
    v: [i64; 3],
    normal: Vector3,
    vector: impl Fn([i64; 3]) -> Vector3,
) {
    let sideways = |c: [i64; 3]| {
        let r = vector(c);
        math::norm2(r) - math::dot(r, normal).powi(2)
    };
    // coordinates of the shift in the plane basis, then the neighbours of their rounding
    let (a, b, r) = (vector(u), vector(v), vector(*w));
    let [aa, ab, bb] = [math::dot(a, a), math::dot(a, b), math::dot(b, b)];
    let [ra, rb] = [math::dot(r, a), math::dot(r, b)];
    let determinant = aa * bb - ab * ab;
    let m = ((ra * bb - rb * ab) / determinant).round() as i64;
    let n = ((rb * aa - ra * ab) / determinant).round() as i64;
    let start = *w;
    let mut least = f64::INFINITY;
    for i in m - 1..=m + 1 {
        for j in n - 1..=n + 1 {
            let candidate = minus(minus(start, u, i), v, j);
            let length = sideways(candidate);
            if length < least - 1e-9 {
                (least, *w) = (length, candidate);
            }
        }
    }
}

/// The structure under the homogeneous deformation `r → r · (1 + ε)`, `H → H · (1 + ε)`.
///
/// # Errors
/// A deformation that leaves no cell.
pub fn strained(structure: &Structure, strain: &Matrix3) -> Result<Structure, CellError> {
    let growth = math::matrix_add(&math::IDENTITY, strain);
    let matrix = math::matmul(structure.cell.matrix(), &growth);
    let cell = Cell::new(matrix, structure.cell.periodicity())?;
    let positions = structure.positions.iter().map(|r| math::row_times(*r, &growth)).collect();
    Ok(Structure { cell, positions, ..structure.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::{brute_force, pair_vector};
    use crate::testing::systems;

    const PLANES: [[i64; 3]; 10] = [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, -2],
        [1, 1, 0],
        [0, 1, 1],
        [1, 1, 1],
        [2, -1, 3],
        [-3, 2, 0],
        [4, 6, -2],
    ];

    /// Distances of all pairs by species, sorted: what no rotation and no choice of cell changes.
    fn distances(structure: &Structure) -> Vec<(u8, u8, f64)> {
        let found = brute_force::pairs(&structure.cell, &structure.positions, 5.0);
        let mut list = Vec::new();
        for i in 0..structure.len() {
            for pair in &found.pairs[found.offsets[i]..found.offsets[i + 1]] {
                let r = math::norm(pair_vector(&structure.cell, &structure.positions, i, *pair));
                list.push((structure.species[i].0, structure.species[pair.j as usize].0, r));
            }
        }
        list.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
        list
    }

    #[test]
    fn the_crystal_stays_the_same_and_the_plane_lies_in_xy() {
        let triclinic = systems::random_cell(3, 4.0, 7.0);
        let crystal = systems::random_structure(3, &["Li", "P", "S"], 6, triclinic, 1.0);
        let before = distances(&crystal);
        assert!(before.len() > 100);
        for plane in PLANES {
            let Oriented { structure, basis, .. } = oriented(&crystal, plane).expect("a plane");
            let determinant = math::determinant(&basis.map(|row| row.map(|x| x as f64)));
            assert!((determinant.abs() - 1.0).abs() < 1e-9, "{plane:?}: {basis:?}");
            assert!(math::determinant(structure.cell.matrix()) > 0.0);
            // d = 1/|h b₁ + k b₂ + l b₃| with the common factor taken out
            let (g, ..) = extended_gcd(extended_gcd(plane[0], plane[1]).0, plane[2]);
            let inverse = crystal.cell.inverse();
            let reciprocal: Vector3 = std::array::from_fn(|a| {
                (0..3).map(|k| inverse[a][k] * (plane[k] / g) as f64).sum()
            });
            let spacing = 1.0 / math::norm(reciprocal);
            let height = structure.cell.matrix()[2][2];
            assert!((height - spacing).abs() < 1e-10, "{plane:?}: {height} {spacing}");
            let after = distances(&structure);
            assert_eq!(before.len(), after.len(), "{plane:?}");
            for (a, b) in before.iter().zip(&after) {
                assert!((a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() < 1e-9, "{plane:?}");
            }
        }
    }

    /// Surface cells of a face-centred cubic crystal have known shapes: (111) a rhombus of edge a/√2 with
    /// 60° or 120°, planes a/√3 apart.
    #[test]
    fn planes_of_a_primitive_cubic_face_centred_lattice_have_their_textbook_cells() {
        let a = 4.05;
        let half = 0.5 * a;
        let cell =
            Cell::periodic([[0.0, half, half], [half, 0.0, half], [half, half, 0.0]]).expect("fcc");
        let crystal = Structure::new(cell, &["Al"], vec![[0.0; 3]]).expect("an element");
        // indices of the primitive cell: cubic (111) is primitive (111), cubic (001) is primitive (110)
        let surface = |plane| oriented(&crystal, plane).expect("a plane").structure.cell;
        let (dense, square) = (surface([1, 1, 1]), surface([1, 1, 0]));
        let [u, v, _] = dense.lengths();
        assert!((u - a / 2.0_f64.sqrt()).abs() < 1e-12 && (u - v).abs() < 1e-12);
        let gamma = dense.angles()[2];
        assert!((gamma - 60.0).abs() < 1e-9 || (gamma - 120.0).abs() < 1e-9, "{gamma}");
        assert!((dense.matrix()[2][2] - a / 3.0_f64.sqrt()).abs() < 1e-12);
        let [u, v, _] = square.lengths();
        assert!((u - v).abs() < 1e-12 && (square.angles()[2] - 90.0).abs() < 1e-9);
        assert!((square.matrix()[2][2] - half).abs() < 1e-12);
    }

    #[test]
    fn a_left_handed_cell_becomes_right_handed_and_no_plane_is_refused() {
        let cell =
            Cell::periodic([[0.0, 5.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 6.0]]).expect("a cell");
        let crystal = Structure::new(cell, &["Li"], vec![[1.0, 2.0, 3.0]]).expect("an element");
        let turned = oriented(&crystal, [1, 0, 0]).expect("a plane");
        assert!(math::determinant(turned.structure.cell.matrix()) > 0.0 && turned.tilt < 1e-9);
        assert!((turned.structure.cell.matrix()[2][2] - 5.0).abs() < 1e-12);
        assert_eq!(oriented(&crystal, [0, 0, 0]), Err(OrientError::NoPlane));
    }

    #[test]
    fn a_strain_moves_cell_and_atoms_together() {
        let cell = Cell::orthorhombic([4.0, 5.0, 6.0]).expect("a box");
        let crystal = Structure::new(cell, &["Li"], vec![[1.0, 2.0, 3.0]]).expect("an element");
        let strain = [[0.01, 0.02, 0.0], [0.0, -0.03, 0.0], [0.0, 0.0, 0.0]];
        let strained = strained(&crystal, &strain).expect("a cell");
        let expected = [1.01, 0.02 + 2.0 * 0.97, 3.0];
        for (found, expected) in strained.positions[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14);
        }
        assert!((strained.cell.matrix()[0][1] - 0.08).abs() < 1e-14);
    }
}
