//! Straight lines through points with known errors, independent or correlated.

use super::Cholesky;

/// `y = intercept + slope · x` with the covariance of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct LineFit {
    pub intercept: f64,
    pub slope: f64,
    pub variance_intercept: f64,
    pub variance_slope: f64,
    pub covariance: f64,
    /// `rᵀ C⁻¹ r` of the residuals.
    pub chi2: f64,
    /// `slope = Σ_k weights[k] · y[k]`: the estimator is linear in the data.
    pub slope_weights: Vec<f64>,
}

impl LineFit {
    /// The line at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Variance of the line at `x`.
    pub fn variance_at(&self, x: f64) -> f64 {
        self.variance_intercept + 2.0 * x * self.covariance + x * x * self.variance_slope
    }
}

/// Weighted least squares for independent points with variances `variance[k]`.
///
/// Returns `None` below two distinct abscissae or with a variance that is not positive.
pub fn weighted_line_fit(x: &[f64], y: &[f64], variance: &[f64]) -> Option<LineFit> {
    let n = x.len();
    let mut covariance = vec![0.0; n * n];
    for k in 0..n {
        covariance[k * n + k] = variance[k];
    }
    generalised_line_fit(x, y, &covariance)
}

/// Generalised least squares: `(Aᵀ C⁻¹ A)⁻¹ Aᵀ C⁻¹ y` with `A = [1, x]` and the covariance `C` of
/// the points, row-major `n × n`. Cost O(n³).
///
/// Returns `None` if `C` is not positive definite or the abscissae coincide.
pub fn generalised_line_fit(x: &[f64], y: &[f64], covariance: &[f64]) -> Option<LineFit> {
    let n = x.len();
    assert!(y.len() == n && covariance.len() == n * n, "one row and column per point");
    if n < 2 {
        return None;
    }
    let factor = Cholesky::new(covariance, n)?;
    let ones = factor.solve(&vec![1.0; n]);
    let xs = factor.solve(x);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| p * q).sum::<f64>();
    let one = vec![1.0; n];
    let (s11, s1x, sxx) = (dot(&one, &ones), dot(x, &ones), dot(x, &xs));
    let determinant = s11 * sxx - s1x * s1x;
    if determinant <= 1e-14 * s11 * sxx {
        return None;
    }
    let slope_weights: Vec<f64> =
        (0..n).map(|k| (s11 * xs[k] - s1x * ones[k]) / determinant).collect();
    let intercept_weights: Vec<f64> =
        (0..n).map(|k| (sxx * ones[k] - s1x * xs[k]) / determinant).collect();
    let (intercept, slope) = (dot(&intercept_weights, y), dot(&slope_weights, y));
    let residuals: Vec<f64> = (0..n).map(|k| y[k] - intercept - slope * x[k]).collect();
    let chi2 = dot(&residuals, &factor.solve(&residuals));
    Some(LineFit {
        intercept,
        slope,
        variance_intercept: sxx / determinant,
        variance_slope: s11 / determinant,
        covariance: -s1x / determinant,
        chi2,
        slope_weights,
    })
}

/// [`generalised_line_fit`] with a covariance that was estimated and may not be positive definite: its off-diagonal part is then shrunk, as
/// little as is needed of 10⁻⁶, 10⁻⁴, 1 %, 10 %, 30 % and all of it.
///
/// Returns `None` with a variance that is not positive, or if the abscissae coincide.
pub fn shrunk_line_fit(x: &[f64], y: &[f64], covariance: &[f64]) -> Option<LineFit> {
    let n = x.len();
    [0.0, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0].into_iter().find_map(|shrink| {
        let mut c = covariance.to_vec();
        for (place, value) in c.iter_mut().enumerate() {
            if place / n != place % n {
                *value *= 1.0 - shrink;
            }
        }
        generalised_line_fit(x, y, &c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_fit() {
        // independent unit errors: slope variance is 1/Σ(x − x̄)²
        let x = [0.0, 1.0, 2.0, 3.0];
        let y = [1.1, 2.9, 5.2, 6.8];
        let fit = weighted_line_fit(&x, &y, &[1.0; 4]).expect("regular");
        assert!((fit.slope - 1.94).abs() < 1e-12 && (fit.intercept - 1.09).abs() < 1e-12);
        assert!((fit.variance_slope - 0.2).abs() < 1e-12);
        assert!((fit.variance_at(1.5) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn sums_of_noise_are_fitted_as_well_as_their_increments() {
        // y_k = Σ_{i≤k} e_i + x_k: the covariance min(i, j); the best slope is y_n / n
        let n = 6;
        let x: Vec<f64> = (1..=n).map(f64::from).collect();
        let y = [1.3, 1.9, 3.4, 3.9, 5.6, 6.6];
        let n = n as usize;
        let c: Vec<f64> = (0..n * n).map(|p| ((p / n).min(p % n) + 1) as f64).collect();
        let fit = generalised_line_fit(&x, &y, &c).expect("regular");
        // with a free intercept the first point only fixes the intercept
        assert!((fit.slope - (y[5] - y[0]) / 5.0).abs() < 1e-10);
    }

    #[test]
    fn singular_input_is_refused() {
        assert_eq!(weighted_line_fit(&[1.0, 1.0], &[0.0, 1.0], &[1.0; 2]), None);
        assert_eq!(weighted_line_fit(&[1.0, 2.0], &[0.0, 1.0], &[1.0, 0.0]), None);
    }
}
