//! Functions of a symmetric rate of strain: the exact motion of the cell and of what it carries.

use vitrion_core::Matrix3;

/// The symmetric matrix with these eigenvectors (rows) and the eigenvalues `f(λ)`.
pub(crate) fn compose(values: [f64; 3], vectors: &Matrix3, f: impl Fn(f64) -> f64) -> Matrix3 {
    let mut sum = [[0.0; 3]; 3];
    for (value, u) in values.into_iter().zip(vectors) {
        let value = f(value);
        for a in 0..3 {
            for b in 0..3 {
                sum[a][b] += value * u[a] * u[b];
            }
        }
    }
    sum
}

/// `sinh(x)/x`, by its series where the quotient would lose digits.
pub(super) fn sinhc(x: f64) -> f64 {
    if x.abs() > 0.1 {
        return x.sinh() / x;
    }
    let x2 = x * x;
    1.0 + x2 / 6.0 * (1.0 + x2 / 20.0 * (1.0 + x2 / 42.0 * (1.0 + x2 / 72.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::math::{self, eigen};

    #[test]
    fn sinhc_is_continuous_where_the_series_takes_over() {
        for x in [-0.1000001, -0.0999999, 0.0999999, 0.1000001, 1.0] {
            let exact = f64::sinh(x) / x;
            assert!((sinhc(x) - exact).abs() < 1e-15 * exact, "x = {x}");
        }
        assert!((sinhc(0.0) - 1.0).abs() < 1e-16);
    }

    #[test]
    fn the_exponential_is_that_of_the_power_series() {
        for matrix in [
            [[0.3, 0.1, -0.2], [0.1, -0.4, 0.05], [-0.2, 0.05, 0.2]],
            [[0.1, 0.0, 0.0], [0.0, -0.2, 0.0], [0.0, 0.0, 0.3]],
            [[0.0, 1e-9, 0.0], [1e-9, 0.0, 0.0], [0.0, 0.0, 0.0]],
        ] {
            let (values, vectors) = eigen(&matrix);
            let found = compose(values, &vectors, f64::exp);
            let mut term = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            let mut series = term;
            for k in 1..25 {
                term = math::matrix_scale(&math::matmul(&term, &matrix), 1.0 / f64::from(k));
                series = math::matrix_add(&series, &term);
            }
            let pairs = found.as_flattened().iter().zip(series.as_flattened());
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-14, "{a} {b}"));
        }
    }
}
