//! Simulation cells, triclinic in general, periodic along any of the three lattice vectors.

use crate::math::{self, Matrix3, Vector3};

/// A parallelepiped whose rows are the lattice vectors [Å], with its inverse kept beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    matrix: Matrix3,
    inverse: Matrix3,
    periodic: [bool; 3],
}

/// Why three vectors do not make a cell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// A component is NaN or infinite.
    #[error("lattice vector {} holds a component that is not finite: {vector:?}", letter(*row))]
    NotFinite { row: usize, vector: Vector3 },
    /// The vectors do not span space.
    #[error(
        "the cell is singular: its volume is {volume:.3e} Å^3 (rows {matrix:?}); \
         three independent lattice vectors are needed"
    )]
    Singular { matrix: Matrix3, volume: f64 },
    /// Lengths or angles that no cell has.
    #[error("no cell has lengths {lengths:?} Å and angles {angles:?} degrees")]
    Impossible { lengths: Vector3, angles: Vector3 },
    /// A deformation that changes the handedness.
    #[error(
        "the strain {strain:?} mirrors the crystal: det(1 + strain) is {determinant:.3}, it must be \
         positive"
    )]
    Mirrored { strain: Matrix3, determinant: f64 },
}

fn letter(row: usize) -> char {
    ['a', 'b', 'c'][row]
}

impl Cell {
    /// A cell from lattice vectors as rows [Å].
    ///
    /// # Errors
    /// Non-finite components, or a volume below 1e-6 of the product of the lengths.
    pub fn new(matrix: Matrix3, periodic: [bool; 3]) -> Result<Self, CellError> {
        for (row, vector) in matrix.iter().enumerate() {
            if !vector.iter().all(|x| x.is_finite()) {
                return Err(CellError::NotFinite { row, vector: *vector });
            }
        }
        let volume = math::determinant(&matrix);
        let lengths: f64 = matrix.iter().map(|v| math::norm(*v)).product();
        let inverse = math::inverse(&matrix);
        match inverse {
            Some(inverse) if volume.abs() > 1e-6 * lengths => {
                Ok(Cell { matrix, inverse, periodic })
            }
            _ => Err(CellError::Singular { matrix, volume: volume.abs() }),
        }
    }

    /// A periodic cell from lattice vectors as rows [Å].
    ///
    /// # Errors
    /// As [`Cell::new`].
    pub fn periodic(matrix: Matrix3) -> Result<Self, CellError> {
        Cell::new(matrix, [true; 3])
    }

    /// A periodic box with edges along x, y, z [Å].
    ///
    /// # Errors
    /// An edge that is zero or not finite.
    pub fn orthorhombic(edges: Vector3) -> Result<Self, CellError> {
        Cell::periodic([[edges[0], 0.0, 0.0], [0.0, edges[1], 0.0], [0.0, 0.0, edges[2]]])
    }

    /// A periodic cell from lengths [Å] and angles α, β, γ [degrees]; `a` along x, `b` in the
    /// xy plane.
    ///
    /// # Errors
    /// Lengths or angles that cannot close, and all of [`Cell::new`].
    pub fn from_lengths_angles(lengths: Vector3, angles: Vector3) -> Result<Self, CellError> {
        let impossible = CellError::Impossible { lengths, angles };
        if !lengths.iter().all(|l| l.is_finite() && *l > 0.0)
            || !angles.iter().all(|a| *a > 0.0 && *a < 180.0)
        {
            return Err(impossible);
        }
        // exact right angles stay exact
        let cosine = |degrees: f64| {
            if (degrees - 90.0).abs() < 1e-12 { 0.0 } else { degrees.to_radians().cos() }
        };
        let [cos_alpha, cos_beta, cos_gamma] = angles.map(cosine);
        let sin_gamma = (1.0 - cos_gamma * cos_gamma).sqrt();
        let y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma;
        let z2 = 1.0 - cos_beta * cos_beta - y * y;
        if z2 <= 0.0 {
            return Err(impossible);
        }
        let [a, b, c] = lengths;
        Cell::periodic([
            [a, 0.0, 0.0],
            [b * cos_gamma, b * sin_gamma, 0.0],
            [c * cos_beta, c * y, c * z2.sqrt()],
        ])
    }

    /// Lattice vectors as rows [Å].
    #[inline]
    pub fn matrix(&self) -> &Matrix3 {
        &self.matrix
    }

    /// Inverse of the matrix [1/Å]; its columns are the reciprocal vectors without 2π.
    #[inline]
    pub fn inverse(&self) -> &Matrix3 {
        &self.inverse
    }

    /// Which lattice vectors repeat.
    #[inline]
    pub fn periodicity(&self) -> [bool; 3] {
        self.periodic
    }

    /// Volume [Å³], positive for either handedness.
    pub fn volume(&self) -> f64 {
        math::determinant(&self.matrix).abs()
    }

    /// Lengths a, b, c [Å].
    pub fn lengths(&self) -> Vector3 {
        self.matrix.map(math::norm)
    }

    /// Angles α (b, c), β (a, c), γ (a, b) [degrees].
    pub fn angles(&self) -> Vector3 {
        let [a, b, c] = self.matrix;
        let angle = |u: Vector3, v: Vector3| {
            (math::dot(u, v) / (math::norm(u) * math::norm(v))).clamp(-1.0, 1.0).acos().to_degrees()
        };
        [angle(b, c), angle(a, c), angle(a, b)]
    }

    /// The rotation `R` (used as `r · R`) that brings the first lattice vector along +x and the second into
    /// the xy plane with positive y, and the lattice vectors there, a lower-triangular matrix. `None` for
    /// a left-handed cell.
    pub fn standard_orientation(&self) -> Option<(Matrix3, Matrix3)> {
        let [a, b, c] = self.matrix;
        if math::determinant(&self.matrix) < 0.0 {
            return None;
        }
        let already = a[1] == 0.0 && a[2] == 0.0 && b[2] == 0.0 && a[0] > 0.0 && b[1] > 0.0;
        if already {
            return Some((math::IDENTITY, self.matrix));
        }
        let x = math::scale(a, 1.0 / math::norm(a));
        let along = math::sub(b, math::scale(x, math::dot(b, x)));
        let y = math::scale(along, 1.0 / math::norm(along));
        let z = math::cross(x, y);
        let lower = [
            [math::norm(a), 0.0, 0.0],
            [math::dot(b, x), math::dot(b, y), 0.0],
            [math::dot(c, x), math::dot(c, y), math::dot(c, z)],
        ];
        // columns of R are the new axes
        Some((math::transpose(&[x, y, z]), lower))
    }

    /// Distances between opposite faces [Å]: the width along each reciprocal vector.
    pub fn perpendicular_widths(&self) -> Vector3 {
        let [a, b, c] = self.matrix;
        let volume = self.volume();
        [
            volume / math::norm(math::cross(b, c)),
            volume / math::norm(math::cross(c, a)),
            volume / math::norm(math::cross(a, b)),
        ]
    }

    /// Fractional coordinates of a Cartesian vector.
    #[inline]
    pub fn to_fractional(&self, r: Vector3) -> Vector3 {
        math::row_times(r, &self.inverse)
    }

    /// Cartesian vector [Å] of fractional coordinates.
    #[inline]
    pub fn to_cartesian(&self, s: Vector3) -> Vector3 {
        math::row_times(s, &self.matrix)
    }

    /// The position moved by lattice vectors into the cell along its periodic directions, and the
    /// image it came from: `r = wrapped + image · H`.
    pub fn wrap(&self, r: Vector3) -> (Vector3, [i32; 3]) {
        let mut s = self.to_fractional(r);
        let mut image = [0; 3];
        for k in 0..3 {
            if self.periodic[k] {
                let floor = s[k].floor();
                s[k] -= floor;
                // −1e-17 − floor(−1e-17) rounds to exactly 1
                let carry = f64::from(u8::from(s[k] >= 1.0));
                s[k] -= carry;
                image[k] = (floor + carry) as i32;
            }
        }
        (self.to_cartesian(s), image)
    }

    /// The shortest periodic image of a separation vector [Å], exact in any cell.
    ///
    /// Rounding the fractional coordinates is exact only in cells close to rectangular; all images
    /// that could be shorter than the rounded one are therefore tried.
    pub fn minimum_image(&self, r: Vector3) -> Vector3 {
        let mut s = self.to_fractional(r);
        for k in 0..3 {
            if self.periodic[k] {
                s[k] -= s[k].round();
            }
        }
        let first = self.to_cartesian(s);
        let widths = self.perpendicular_widths();
        let mut best = first;
        let mut best2 = math::norm2(first);
        let reach = best2.sqrt();
        // an image at shift n is at least (|n| − 1/2) widths away along each reciprocal vector
        let span: [i32; 3] = std::array::from_fn(|k| {
            if self.periodic[k] { (reach / widths[k] + 0.5).floor() as i32 } else { 0 }
        });
        if span == [0; 3] {
            return best;
        }
        for i in -span[0]..=span[0] {
            for j in -span[1]..=span[1] {
                for k in -span[2]..=span[2] {
                    let shift = self.to_cartesian([f64::from(i), f64::from(j), f64::from(k)]);
                    let candidate = math::add(first, shift);
                    let length2 = math::norm2(candidate);
                    if length2 < best2 {
                        best2 = length2;
                        best = candidate;
                    }
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::systems;

    #[test]
    fn lengths_and_angles_survive_the_round_trip() {
        let cell = Cell::from_lengths_angles([5.0, 6.5, 8.0], [80.0, 95.0, 107.0]).expect("closes");
        for (value, expected) in cell.lengths().iter().zip([5.0, 6.5, 8.0]) {
            assert!((value - expected).abs() < 1e-12);
        }
        for (value, expected) in cell.angles().iter().zip([80.0, 95.0, 107.0]) {
            assert!((value - expected).abs() < 1e-10);
        }
    }

    #[test]
    fn angles_that_cannot_close_are_refused() {
        let error = Cell::from_lengths_angles([1.0; 3], [40.0, 40.0, 170.0]).expect_err("flat");
        assert!(matches!(error, CellError::Impossible { .. }));
    }

    #[test]
    fn a_flat_cell_is_singular() {
        let error = Cell::periodic([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]);
        assert!(matches!(error, Err(CellError::Singular { .. })));
    }

    #[test]
    fn wrapped_positions_are_inside_and_the_image_brings_them_back() {
        for seed in 0..50 {
            let cell = systems::random_cell(seed, 3.0, 9.0);
            let r = [-17.3, 41.0 - seed as f64, 5.5];
            let (wrapped, image) = cell.wrap(r);
            let s = cell.to_fractional(wrapped);
            assert!(s.iter().all(|x| (-1e-12..1.0 + 1e-12).contains(x)), "seed {seed}: {s:?}");
            let back = math::add(wrapped, cell.to_cartesian(image.map(f64::from)));
            assert!(math::norm(math::sub(back, r)) < 1e-11, "seed {seed}");
        }
    }

    #[test]
    fn minimum_image_is_the_shortest_of_a_wide_search_even_in_skewed_cells() {
        for seed in 0..200 {
            let cell = systems::random_cell(seed, 2.0, 9.0);
            let r = [3.7 * (seed % 7) as f64, -5.1, 2.2 * (seed % 3) as f64];
            let fast = math::norm(cell.minimum_image(r));
            let mut slow = f64::INFINITY;
            let (wrapped, _) = cell.wrap(r);
            for i in -6..=6 {
                for j in -6..=6 {
                    for k in -6..=6 {
                        let shift = cell.to_cartesian([i, j, k].map(f64::from));
                        slow = slow.min(math::norm(math::add(wrapped, shift)));
                    }
                }
            }
            assert!((fast - slow).abs() < 1e-10, "seed {seed}: {fast} vs {slow}");
        }
    }
}
