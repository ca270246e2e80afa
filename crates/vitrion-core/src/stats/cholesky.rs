//! Positive definite matrices by their Cholesky factor.

/// Lower triangle `L` with `L Lᵀ = C`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cholesky {
    n: usize,
    /// Row-major `n × n`.
    factor: Vec<f64>,
}

impl Cholesky {
    /// Factors `C`, row-major `n × n`, of which only the lower triangle is read. Cost O(n³).
    ///
    /// Returns `None` if `C` is not positive definite.
    ///
    /// # Panics
    /// Another number of elements.
    pub fn new(c: &[f64], n: usize) -> Option<Self> {
        assert_eq!(c.len(), n * n, "n rows of n elements");
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = c[i * n + j] - sum;
                if i == j {
                    let positive = rest.is_finite() && rest > 1e-12 * c[i * n + i];
                    if !positive {
                        return None;
                    }
                    l[i * n + i] = rest.sqrt();
                } else {
                    l[i * n + j] = rest / l[j * n + j];
                }
            }
        }
        Some(Cholesky { n, factor: l })
    }

    /// `L⁻¹ b`
    fn forward(&self, b: &[f64]) -> Vec<f64> {
        let (n, l) = (self.n, &self.factor);
        let mut y = b.to_vec();
        for i in 0..n {
            let sum: f64 = (0..i).map(|k| l[i * n + k] * y[k]).sum();
            y[i] = (y[i] - sum) / l[i * n + i];
        }
        y
    }

    /// `C⁻¹ b`
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (n, l) = (self.n, &self.factor);
        let mut y = self.forward(b);
        for i in (0..n).rev() {
            let sum: f64 = (i + 1..n).map(|k| l[k * n + i] * y[k]).sum();
            y[i] = (y[i] - sum) / l[i * n + i];
        }
        y
    }

    /// `bᵀ C⁻¹ b`
    pub fn inverse_quadratic(&self, b: &[f64]) -> f64 {
        self.forward(b).iter().map(|y| y * y).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_with_a_known_inverse() {
        // C = [[4, 2], [2, 3]], C⁻¹ = [[3, −2], [−2, 4]] / 8
        let factor = Cholesky::new(&[4.0, f64::NAN, 2.0, 3.0], 2).expect("positive definite");
        let x = factor.solve(&[1.0, 2.0]);
        assert!((x[0] + 0.125).abs() < 1e-15 && (x[1] - 0.75).abs() < 1e-15, "{x:?}");
        assert!((factor.inverse_quadratic(&[1.0, 2.0]) - 1.375).abs() < 1e-15);
        assert_eq!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], 2), None);
    }
}
