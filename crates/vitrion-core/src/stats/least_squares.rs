//! Straight lines and linear models through points with errors.

use super::{StatsError, check_finite};

/// `y = intercept + slope · x` with the covariance of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Value at x = 0.
    pub intercept: f64,
    /// Slope.
    pub slope: f64,
    /// Covariance of (intercept, slope), from the standard errors of the points alone.
    pub covariance: [[f64; 2]; 2],
    /// `Σ ((y − fit) / σ)²`.
    pub chi2: f64,
    /// Points minus two.
    pub dof: usize,
}

impl Line {
    /// Value of the line at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Variance of the line at `x`, `C_00 + 2 x C_01 + x² C_11`.
    pub fn variance_at(&self, x: f64) -> f64 {
        let c = &self.covariance;
        c[0][0] + 2.0 * x * c[0][1] + x * x * c[1][1]
    }
}

/// Weighted least-squares line through independent points with standard errors `sigma`.
///
/// Computed about the weighted mean of `x`, so that far-away origins lose no digits.
///
/// # Errors
/// Fewer than two points, lengths that differ, values that are not finite, errors that are not
/// positive, or abscissae that are all equal.
pub fn weighted_line(x: &[f64], y: &[f64], sigma: &[f64]) -> Result<Line, StatsError> {
    let n = x.len();
    if n < 2 {
        return Err(StatsError::TooFew { statistic: "a line", needed: 2, found: n });
    }
    for (what, values) in [("y", y), ("sigma", sigma)] {
        if values.len() != n {
            return Err(StatsError::LengthMismatch { what, expected: n, found: values.len() });
        }
    }
    for (what, values) in [("x", x), ("y", y), ("sigma", sigma)] {
        check_finite(what, values)?;
    }
    if let Some(index) = sigma.iter().position(|s| *s <= 0.0) {
        return Err(StatsError::BadError { index, value: sigma[index] });
    }
    let weights: Vec<f64> = sigma.iter().map(|s| s.powi(-2)).collect();
    let total: f64 = weights.iter().sum();
    let weighted_mean = |v: &[f64]| v.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>() / total;
    let (x0, y0) = (weighted_mean(x), weighted_mean(y));
    let (mut sxx, mut sxy) = (0.0, 0.0);
    for ((x, y), w) in x.iter().zip(y).zip(&weights) {
        sxx += w * (x - x0).powi(2);
        sxy += w * (x - x0) * (y - y0);
    }
    let scale = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if sxx <= total * (1e-14 * scale).powi(2) {
        return Err(StatsError::Singular);
    }
    let slope = sxy / sxx;
    let intercept = y0 - slope * x0;
    let chi2 = (0..n).map(|i| weights[i] * (y[i] - intercept - slope * x[i]).powi(2)).sum();
    Ok(Line {
        intercept,
        slope,
        covariance: [[1.0 / total + x0 * x0 / sxx, -x0 / sxx], [-x0 / sxx, 1.0 / sxx]],
        chi2,
        dof: n - 2,
    })
}

/// A linear model `y = X p` fitted with the full covariance of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearFit {
    /// Best parameters `p = G y`.
    pub parameters: Vec<f64>,
    /// Covariance of the parameters, `(Xᵀ C⁻¹ X)⁻¹`.
    pub covariance: Vec<Vec<f64>>,
    /// The estimator itself, `G = (Xᵀ C⁻¹ X)⁻¹ Xᵀ C⁻¹`, one row per parameter. Being linear it
    /// also applies to any part of the data, such as a single ion.
    pub weights: Vec<Vec<f64>>,
    /// `(y − X p)ᵀ C⁻¹ (y − X p)`.
    pub chi2: f64,
    /// Points minus parameters.
    pub dof: usize,
}

/// Generalised least squares: the best linear unbiased estimate for data with covariance `C`.
///
/// * `design[i]`: the row of `X` that belongs to datum `i`
/// * `covariance[i][j]`: positive definite; only the lower triangle is read
///
/// Cost O(n³): meant for tens to hundreds of points. Source: Aitken, Proc. R. Soc. Edinb. 55, 42
/// (1936).
///
/// # Errors
/// Lengths that differ, fewer points than parameters, values that are not finite, a covariance
/// that is not positive definite, or a design that leaves a parameter free.
pub fn generalised(
    design: &[Vec<f64>],
    y: &[f64],
    covariance: &[Vec<f64>],
) -> Result<LinearFit, StatsError> {
    let n = y.len();
    let m = design.first().map_or(0, Vec::len);
    if n < m.max(1) || m == 0 {
        return Err(StatsError::TooFew { statistic: "a linear fit", needed: m.max(1), found: n });
    }
    let mismatch = |what, found| StatsError::LengthMismatch { what, expected: n, found };
    if design.len() != n {
        return Err(mismatch("the design", design.len()));
    }
    if let Some(row) = design.iter().find(|row| row.len() != m) {
        return Err(StatsError::LengthMismatch {
            what: "a design row",
            expected: m,
            found: row.len(),
        });
    }
    if covariance.len() != n || covariance.iter().any(|row| row.len() != n) {
        return Err(mismatch("the covariance", covariance.len()));
    }
    check_finite("y", y)?;
    for row in design {
        check_finite("the design", row)?;
    }
    let factor = cholesky(covariance)?;
    // whiten: with C = L Lᵀ, ordinary least squares on L⁻¹ X and L⁻¹ y
    let column = |k: usize| -> Vec<f64> { design.iter().map(|row| row[k]).collect() };
    let white: Vec<Vec<f64>> = (0..m).map(|k| solve_lower(&factor, &column(k))).collect();
    let normal: Vec<Vec<f64>> =
        (0..m).map(|a| (0..m).map(|b| dot(&white[a], &white[b])).collect()).collect();
    let normal_factor = cholesky(&normal).map_err(|_| StatsError::Singular)?;
    let identity = |k: usize| -> Vec<f64> { (0..m).map(|a| f64::from(a == k)).collect() };
    let parameter_covariance: Vec<Vec<f64>> = (0..m)
        .map(|k| solve_upper(&normal_factor, &solve_lower(&normal_factor, &identity(k))))
        .collect();
    let weights: Vec<Vec<f64>> = (0..m)
        .map(|a| {
            let combined: Vec<f64> = (0..n)
                .map(|i| (0..m).map(|b| parameter_covariance[a][b] * white[b][i]).sum())
                .collect();
            solve_upper(&factor, &combined)
        })
        .collect();
    let parameters: Vec<f64> = weights.iter().map(|row| dot(row, y)).collect();
    let residual: Vec<f64> =
        design.iter().zip(y).map(|(row, y)| y - dot(row, &parameters)).collect();
    let white_residual = solve_lower(&factor, &residual);
    Ok(LinearFit {
        parameters,
        covariance: parameter_covariance,
        weights,
        chi2: dot(&white_residual, &white_residual),
        dof: n - m,
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Lower triangular `L` with `L Lᵀ = matrix`.
fn cholesky(matrix: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, StatsError> {
    let n = matrix.len();
    let mut factor = vec![vec![0.0; n]; n];
    for row in 0..n {
        for col in 0..=row {
            let sum = matrix[row][col] - dot(&factor[row][..col], &factor[col][..col]);
            if row == col {
                // a pivot lost to rounding is no pivot; false for NaN
                if !(sum > 1e-14 * matrix[row][row].abs()) {
                    return Err(StatsError::NotPositiveDefinite { row, pivot: sum });
                }
                factor[row][row] = sum.sqrt();
            } else {
                factor[row][col] = sum / factor[col][col];
            }
        }
    }
    Ok(factor)
}

/// `x` with `L x = b`.
fn solve_lower(factor: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for row in 0..x.len() {
        x[row] = (x[row] - dot(&factor[row][..row], &x[..row])) / factor[row][row];
    }
    x
}

/// `x` with `Lᵀ x = b`.
fn solve_upper(factor: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for row in (0..x.len()).rev() {
        let below: f64 = (row + 1..x.len()).map(|k| factor[k][row] * x[k]).sum();
        x[row] = (x[row] - below) / factor[row][row];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Stream};
    use crate::stats::{mean, variance};

    #[test]
    fn a_line_without_noise_is_recovered_exactly() {
        let x = [1000.0, 1001.0, 1003.0, 1007.0];
        let y = x.map(|x| 3.0 - 0.25 * x);
        let line = weighted_line(&x, &y, &[0.1, 0.2, 0.1, 0.4]).expect("a line");
        assert!((line.slope + 0.25).abs() < 1e-12 && (line.intercept - 3.0).abs() < 1e-8);
        assert!(line.chi2 < 1e-18 && line.dof == 2);
    }

    #[test]
    fn independent_errors_make_the_general_fit_the_weighted_line() {
        for seed in 0..20 {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let x: Vec<f64> = (0..7).map(|_| random.normal()).collect();
            let y: Vec<f64> = x.iter().map(|x| 1.0 + 2.0 * x + random.normal()).collect();
            let sigma: Vec<f64> = (0..7).map(|_| 0.5 + random.uniform()).collect();
            let line = weighted_line(&x, &y, &sigma).expect("a line");
            let design: Vec<Vec<f64>> = x.iter().map(|x| vec![1.0, *x]).collect();
            let covariance: Vec<Vec<f64>> = (0..7)
                .map(|i| (0..7).map(|j| f64::from(i == j) * sigma[i].powi(2)).collect())
                .collect();
            let fit = generalised(&design, &y, &covariance).expect("a fit");
            assert!((fit.parameters[0] - line.intercept).abs() < 1e-12, "seed {seed}");
            assert!((fit.parameters[1] - line.slope).abs() < 1e-12, "seed {seed}");
            assert!((fit.chi2 - line.chi2).abs() < 1e-10, "seed {seed}");
            for a in 0..2 {
                for b in 0..2 {
                    let difference = fit.covariance[a][b] - line.covariance[a][b];
                    assert!(difference.abs() < 1e-12, "seed {seed}");
                }
            }
            let at = line.variance_at(0.7);
            let c = &line.covariance;
            assert!((at - (c[0][0] + 1.4 * c[0][1] + 0.49 * c[1][1])).abs() < 1e-14);
        }
    }

    /// The slope of a random walk seen at all times is best estimated from its two ends.
    #[test]
    fn correlated_data_are_weighted_as_theory_says_and_the_error_is_the_observed_scatter() {
        let n = 12;
        let design: Vec<Vec<f64>> = (1..=n).map(|t| vec![f64::from(t)]).collect();
        let covariance: Vec<Vec<f64>> =
            (1..=n).map(|i| (1..=n).map(|j| f64::from(i.min(j))).collect()).collect();
        let mut slopes = Vec::new();
        let mut expected = 0.0;
        for seed in 0..400 {
            let mut random = rng::at(seed, Stream::Testing, 0, 0);
            let mut x = 0.0;
            let y: Vec<f64> = (0..n)
                .map(|_| {
                    x += 0.3 + random.normal();
                    x
                })
                .collect();
            let fit = generalised(&design, &y, &covariance).expect("a fit");
            assert!((fit.parameters[0] - y[n as usize - 1] / f64::from(n)).abs() < 1e-12);
            expected = fit.covariance[0][0];
            slopes.push(fit.parameters[0]);
        }
        assert!((mean(&slopes) - 0.3).abs() < 5.0 * (expected / 400.0).sqrt());
        // relative scatter of a variance from 400 samples: sqrt(2/400)
        assert!((variance(&slopes) / expected - 1.0).abs() < 5.0 * (2.0f64 / 400.0).sqrt());
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_by_name() {
        let same = weighted_line(&[2.0, 2.0], &[1.0, 3.0], &[1.0, 1.0]);
        assert_eq!(same, Err(StatsError::Singular));
        let bad = weighted_line(&[1.0, 2.0], &[1.0, 3.0], &[1.0, 0.0]);
        assert_eq!(bad, Err(StatsError::BadError { index: 1, value: 0.0 }));
        let design = vec![vec![1.0], vec![1.0]];
        let singular = generalised(&design, &[1.0, 2.0], &[vec![1.0, 1.0], vec![1.0, 1.0]]);
        assert!(matches!(singular, Err(StatsError::NotPositiveDefinite { row: 1, .. })));
        let short = generalised(&design, &[1.0], &[vec![1.0]]);
        assert!(matches!(short, Err(StatsError::LengthMismatch { .. })));
    }
}
