//! The chi-squared distribution.

/// Terms of series and continued fractions, far more than are needed.
const TERMS: usize = 10_000;

/// `ln Γ(x)` for `x > 0` (Stirling's series after raising the argument).
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 12.0 {
        below += x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

/// `P(X ≤ x)` for chi-squared with `degrees` of freedom, which need not be whole: the regularised incomplete gamma function
/// `P(degrees/2, x/2)`, by its series or continued fraction.
///
/// # Panics
/// If `degrees` is not positive.
pub fn chi_squared_distribution(x: f64, degrees: f64) -> f64 {
    assert!(degrees > 0.0, "positive degrees of freedom");
    if x <= 0.0 {
        return 0.0;
    }
    let (a, x) = (0.5 * degrees, 0.5 * x);
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for k in 1..TERMS {
            term *= x / (a + k as f64);
            sum += term;
            if term < 1e-16 * sum {
                break;
            }
        }
        return front * sum;
    }
    // Lentz's algorithm for the continued fraction of the upper part
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
    let mut fraction = d;
    for k in 1..TERMS {
        let n = k as f64;
        let factor = n * (a - n);
        b += 2.0;
        d = 1.0 / (factor * d + b).max(tiny);
        c = (b + factor / c).max(tiny);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 - front * fraction
}

/// `x` with `P(X ≤ x) = p` for chi-squared with `degrees` of freedom, by bisection.
///
/// # Panics
/// If `p` is not strictly between 0 and 1, or `degrees` is not positive.
pub fn chi_squared_quantile(p: f64, degrees: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "a probability strictly between 0 and 1");
    let (mut low, mut high) = (0.0, degrees.max(1.0));
    while chi_squared_distribution(high, degrees) < p {
        high *= 2.0;
    }
    while high - low > 1e-13 * high {
        let middle = 0.5 * (low + high);
        if chi_squared_distribution(middle, degrees) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.16: stats.chi2.ppf([0.025, 0.5, 0.975], k)
    #[test]
    fn quantiles_agree_with_tables() {
        let table = [
            (1.0, [0.000_982_069_117_175, 0.454_936_423_119_573, 5.023_886_187_314_89]),
            (2.0, [0.050_635_615_968_579, 1.386_294_361_119_89, 7.377_758_908_227_87]),
            (10.0, [3.246_972_780_236_84, 9.341_817_765_591_97, 20.483_177_350_807_4]),
            (100.0, [74.221_927_474_923, 99.334_129_235_988, 129.561_197_185_838]),
        ];
        for (degrees, expected) in table {
            for (p, expected) in [0.025, 0.5, 0.975].into_iter().zip(expected) {
                let found = chi_squared_quantile(p, degrees);
                assert!((found / expected - 1.0).abs() < 1e-9, "{degrees} {p}: {found}");
            }
        }
    }
}
