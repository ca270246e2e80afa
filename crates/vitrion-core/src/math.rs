//! 3-vectors and 3×3 matrices on plain arrays.
//!
//! Vectors are rows: `r · M` is [`row_times`]. Matrices are row-major `[[f64; 3]; 3]`.

/// Three Cartesian or fractional components.
pub type Vector3 = [f64; 3];
/// A 3×3 matrix, row-major.
pub type Matrix3 = [[f64; 3]; 3];

/// The identity matrix.
pub const IDENTITY: Matrix3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Sweeps of Jacobi rotations; three are enough for 3 × 3.
const SWEEPS: usize = 12;

/// The zero matrix.
pub const ZERO: Matrix3 = [[0.0; 3]; 3];

/// `a + b`
#[inline]
pub fn add(a: Vector3, b: Vector3) -> Vector3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a − b`
#[inline]
pub fn sub(a: Vector3, b: Vector3) -> Vector3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `factor · a`
#[inline]
pub fn scale(a: Vector3, factor: f64) -> Vector3 {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

/// `a · b`
#[inline]
pub fn dot(a: Vector3, b: Vector3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a × b`
#[inline]
pub fn cross(a: Vector3, b: Vector3) -> Vector3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `|a|²`
#[inline]
pub fn norm2(a: Vector3) -> f64 {
    dot(a, a)
}

/// `|a|`
#[inline]
pub fn norm(a: Vector3) -> f64 {
    norm2(a).sqrt()
}

/// Row vector times matrix, `r · M`.
#[inline]
pub fn row_times(r: Vector3, m: &Matrix3) -> Vector3 {
    [
        r[0] * m[0][0] + r[1] * m[1][0] + r[2] * m[2][0],
        r[0] * m[0][1] + r[1] * m[1][1] + r[2] * m[2][1],
        r[0] * m[0][2] + r[1] * m[1][2] + r[2] * m[2][2],
    ]
}

/// Matrix product `A · B`.
pub fn matmul(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    [row_times(a[0], b), row_times(a[1], b), row_times(a[2], b)]
}

/// Transpose.
pub fn transpose(m: &Matrix3) -> Matrix3 {
    [[m[0][0], m[1][0], m[2][0]], [m[0][1], m[1][1], m[2][1]], [m[0][2], m[1][2], m[2][2]]]
}

/// Determinant, signed.
pub fn determinant(m: &Matrix3) -> f64 {
    dot(m[0], cross(m[1], m[2]))
}

/// Trace.
pub fn trace(m: &Matrix3) -> f64 {
    m[0][0] + m[1][1] + m[2][2]
}

/// Inverse, or `None` when the determinant is zero or not finite.
pub fn inverse(m: &Matrix3) -> Option<Matrix3> {
    let det = determinant(m);
    if !det.is_finite() || det.abs() < f64::MIN_POSITIVE {
        return None;
    }
    let (c0, c1, c2) = (cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1]));
    Some([
        [c0[0] / det, c1[0] / det, c2[0] / det],
        [c0[1] / det, c1[1] / det, c2[1] / det],
        [c0[2] / det, c1[2] / det, c2[2] / det],
    ])
}

/// `A + B`
pub fn matrix_add(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    [add(a[0], b[0]), add(a[1], b[1]), add(a[2], b[2])]
}

/// `factor · A`
pub fn matrix_scale(a: &Matrix3, factor: f64) -> Matrix3 {
    [scale(a[0], factor), scale(a[1], factor), scale(a[2], factor)]
}

/// `a ⊗ b`, that is `M[i][j] = a[i] b[j]`.
pub fn outer(a: Vector3, b: Vector3) -> Matrix3 {
    [scale(b, a[0]), scale(b, a[1]), scale(b, a[2])]
}

/// Eigenvalues and eigenvectors (rows) of a symmetric matrix, by Jacobi rotations.
pub fn eigen(matrix: &Matrix3) -> ([f64; 3], Matrix3) {
    let mut a = *matrix;
    let mut rows = IDENTITY;
    for _ in 0..SWEEPS {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            // also true for a diagonal matrix, which stays as it is
            if a[p][q].abs() < f64::MIN_POSITIVE {
                continue;
            }
            let theta = 0.5 * (a[q][q] - a[p][p]) / a[p][q];
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            let s = t * c;
            for k in 0..3 {
                let (x, y) = (a[k][p], a[k][q]);
                a[k][p] = c * x - s * y;
                a[k][q] = s * x + c * y;
            }
            for k in 0..3 {
                let (x, y) = (a[p][k], a[q][k]);
                a[p][k] = c * x - s * y;
                a[q][k] = s * x + c * y;
            }
            for k in 0..3 {
                let (x, y) = (rows[p][k], rows[q][k]);
                rows[p][k] = c * x - s * y;
                rows[q][k] = s * x + c * y;
            }
        }
    }
    ([a[0][0], a[1][1], a[2][2]], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_times_matrix_is_the_identity() {
        let m = [[4.0, 0.2, -1.0], [0.5, 6.0, 0.3], [1.5, -2.0, 5.0]];
        let product = matmul(&inverse(&m).expect("regular"), &m);
        for i in 0..3 {
            for j in 0..3 {
                assert!((product[i][j] - IDENTITY[i][j]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn singular_matrix_has_no_inverse() {
        assert!(inverse(&[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]]).is_none());
    }
}
