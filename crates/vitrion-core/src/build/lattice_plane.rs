//! The lattice of a plane: its shortest basis, and the vectors that leave it most upright.

use crate::cell::Cell;
use crate::math::{self, Matrix3, Vector3};

/// A vector in units of the lattice vectors.
pub(super) type Integers = [i64; 3];

/// Lengths that differ by less than this share are equal, and integers decide.
const EQUAL: f64 = 1e-9;

/// `(g, u, v)` with `g = gcd(a, b) = u a + v b`, `g ≥ 0`.
pub(super) fn bezout(a: i64, b: i64) -> (i64, i64, i64) {
    if b == 0 {
        return (a.abs(), a.signum(), 0);
    }
    let (divisor, u, v) = bezout(b, a % b);
    (divisor, v, u - (a / b) * v)
}

/// A basis of all integer vectors: two with `n · (h k l) = 0` and one with `n · (h k l) = 1`. The
/// indices have no common factor.
pub(super) fn plane_basis([h, k, l]: Integers) -> [Integers; 3] {
    let (divisor, u, v) = bezout(h, k);
    if divisor == 0 {
        return [[1, 0, 0], [0, 1, 0], [0, 0, l]];
    }
    let (_, s, t) = bezout(divisor, l);
    [[k / divisor, -h / divisor, 0], [u * l, v * l, -divisor], [s * u, s * v, t]]
}

/// A lattice and one of its planes.
pub(super) struct Lattice {
    matrix: Matrix3,
    plane: Integers,
    /// Unit normal of the plane, along `h b₁ + k b₂ + l b₃`.
    normal: Vector3,
    /// Of the lattice vectors: 1 right, −1 left.
    handedness: i64,
}

impl Lattice {
    /// `plane`: Miller indices without common factor.
    pub(super) fn new(cell: &Cell, plane: Integers) -> Self {
        let matrix = *cell.matrix();
        // reciprocal vectors are the columns of the inverse
        let reciprocal = math::transpose(cell.inverse());
        let normal = math::row_times(plane.map(|n| n as f64), &reciprocal);
        let handedness = if math::determinant(&matrix) > 0.0 { 1 } else { -1 };
        let normal = math::scale(normal, 1.0 / math::norm(normal));
        Lattice { matrix, plane, normal, handedness }
    }

    /// The vector [Å].
    pub(super) fn vector(&self, n: Integers) -> Vector3 {
        math::row_times(n.map(|n| n as f64), &self.matrix)
    }

    /// Cells between two vectors of the plane; positive when they turn anticlockwise seen against the
    /// normal.
    fn turn(&self, a: Integers, b: Integers) -> i64 {
        let cross =
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let along: i64 = (0..3).map(|k| cross[k] * self.plane[k]).sum();
        let square: i64 = self.plane.iter().map(|index| index * index).sum();
        self.handedness * (along / square)
    }

    /// The shortest basis of the lattice in the plane that is spanned by two vectors (Lagrange's
    /// reduction), turning anticlockwise. No basis is closer to a right angle: the product of the
    /// lengths is the area over the sine.
    pub(super) fn reduced(&self, a: Integers, b: Integers) -> (Integers, Integers) {
        let cells = self.turn(a, b).abs();
        let length2 = |n: Integers| math::norm2(self.vector(n));
        let (mut a, mut b) = (a, b);
        loop {
            if length2(b) < length2(a) {
                (a, b) = (b, a);
            }
            let overlap = math::dot(self.vector(a), self.vector(b)) / length2(a);
            b = combination([(1, b), (-(overlap.round() as i64), a)]);
            if length2(b) >= length2(a) {
                break;
            }
        }
        // in hexagonal and rhombic lattices there are several shortest bases
        let sum = combination([(1, a), (1, b)]);
        let difference = combination([(1, a), (-1, b)]);
        let around = [a, b, sum, difference].into_iter().flat_map(|n| [n, n.map(|n| -n)]);
        let first = shortest(around.clone(), length2);
        let second = shortest(around.filter(|n| self.turn(first, *n) == cells), length2);
        (first, second)
    }

    /// `c` moved by vectors of the reduced basis `a`, `b` until its component in the plane is smallest.
    pub(super) fn upright(&self, a: Integers, b: Integers, c: Integers) -> Integers {
        let [va, vb, vc] = [a, b, c].map(|n| self.vector(n));
        let (aa, ab, bb) = (math::norm2(va), math::dot(va, vb), math::norm2(vb));
        let (ac, bc) = (math::dot(va, vc), math::dot(vb, vc));
        let area2 = aa * bb - ab * ab;
        let i = ((ac * bb - bc * ab) / area2).round() as i64;
        let j = ((bc * aa - ac * ab) / area2).round() as i64;
        // in a reduced basis the closest point is at most one step from the rounded one
        let near = (-1..=1).flat_map(|di| {
            (-1..=1).map(move |dj| combination([(1, c), (-(i + di), a), (-(j + dj), b)]))
        });
        shortest(near, |n| {
            let r = self.vector(n);
            math::norm2(math::sub(r, math::scale(self.normal, math::dot(r, self.normal))))
        })
    }

    /// Angle to the normal [degrees].
    pub(super) fn tilt(&self, n: Integers) -> f64 {
        let r = self.vector(n);
        math::norm(math::cross(r, self.normal)).atan2(math::dot(r, self.normal)).to_degrees()
    }
}

fn combination<const N: usize>(terms: [(i64, Integers); N]) -> Integers {
    std::array::from_fn(|k| terms.iter().map(|(factor, n)| factor * n[k]).sum())
}

/// The shortest; of equally short ones that of the simplest integers.
fn shortest(
    candidates: impl Iterator<Item = Integers> + Clone,
    length2: impl Fn(Integers) -> f64,
) -> Integers {
    let least = candidates.clone().map(&length2).fold(f64::INFINITY, f64::min);
    candidates
        .filter(|n| length2(*n) <= least * (1.0 + EQUAL))
        .min_by_key(|n| (n.iter().map(|n| n.abs()).sum::<i64>(), n.map(|n| -n)))
        .expect("the candidates hold the shortest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_of_the_plane_spans_all_integers() {
        for plane in [[0, 0, -1], [0, 1, 0], [-1, 0, 0], [2, -1, 3], [6, 10, 15], [999, -1000, 7]] {
            let basis = plane_basis(plane);
            let height = basis.map(|n| (0..3).map(|k| n[k] * plane[k]).sum::<i64>());
            assert_eq!(height, [0, 0, 1], "{plane:?}");
            let determinant = math::determinant(&basis.map(|n| n.map(|n| n as f64)));
            assert!((determinant.abs() - 1.0).abs() < 1e-9, "{plane:?}: {determinant}");
        }
    }

    #[test]
    fn equally_short_vectors_are_chosen_the_same_from_any_basis() {
        for gamma in [60.0, 90.0, 120.0] {
            let cell = Cell::from_lengths_angles([4.0, 4.0, 5.0], [90.0, 90.0, gamma]);
            let lattice = Lattice::new(&cell.expect("closes"), [0, 0, 1]);
            for n in 0..7_i64.pow(4) {
                let [i, j, k, l] = [n % 7 - 3, n / 7 % 7 - 3, n / 49 % 7 - 3, n / 343 - 3];
                if (i * l - j * k).abs() == 1 {
                    let reduced = lattice.reduced([i, j, 0], [k, l, 0]);
                    assert_eq!(reduced, ([1, 0, 0], [0, 1, 0]), "{gamma}: {i} {j}, {k} {l}");
                }
            }
        }
    }
}
