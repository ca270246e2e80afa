//! Quantiles of the normal and Student's t distributions.

/// The value that a fraction `q` of ascending numbers stays below, interpolated linearly between them
/// (Hyndman & Fan's type 7, NumPy's default).
///
/// # Panics
/// Without numbers, or if `q` is not within 0 to 1.
pub fn sample_quantile(ascending: &[f64], q: f64) -> f64 {
    assert!(!ascending.is_empty() && (0.0..=1.0).contains(&q), "numbers and a fraction");
    let place = q * (ascending.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + (place - below as f64) * (ascending[above] - ascending[below])
}

/// `x` with `P(X ≤ x) = p` for a standard normal `X`.
///
/// # Panics
/// If `p` is not strictly between 0 and 1.
pub fn normal_quantile(p: f64) -> f64 {
    student_t_quantile(p, f64::INFINITY)
}

/// `x` with `P(T ≤ x) = p` for Student's t with `degrees` of freedom; infinity means normal.
///
/// Found by bisection of the distribution function, to 1e-12.
///
/// # Panics
/// If `p` is not strictly between 0 and 1, or `degrees` is not positive.
pub fn student_t_quantile(p: f64, degrees: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "a probability strictly between 0 and 1");
    assert!(degrees > 0.0, "positive degrees of freedom");
    if p < 0.5 {
        return -student_t_quantile(1.0 - p, degrees);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while distribution(high, degrees) < p {
        high *= 2.0;
    }
    while high - low > 1e-13 * (1.0 + high) {
        let middle = 0.5 * (low + high);
        if distribution(middle, degrees) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// `P(T ≤ x)` for Student's t with `degrees` of freedom; infinity means normal.
pub fn student_t_distribution(x: f64, degrees: f64) -> f64 {
    if x < 0.0 { 1.0 - distribution(-x, degrees) } else { distribution(x, degrees) }
}

/// `P(T ≤ x)` for `x ≥ 0`, by composite Gauss–Legendre integration of the density.
fn distribution(x: f64, degrees: f64) -> f64 {
    // the substitution x = √ν tan θ makes the density cos^(ν−1) θ: smooth on a bounded interval
    if degrees.is_finite() {
        let normal =
            1.0 / integrate(|t: f64| t.cos().powf(degrees - 1.0), std::f64::consts::FRAC_PI_2);
        let angle = (x / degrees.sqrt()).atan();
        return 0.5 + 0.5 * normal * integrate(|t: f64| t.cos().powf(degrees - 1.0), angle);
    }
    if x > 12.0 {
        return 1.0;
    }
    0.5 + integrate(|t: f64| (-0.5 * t * t).exp(), x) / (2.0 * std::f64::consts::PI).sqrt()
}

/// `∫₀^end f` with 5-point Gauss–Legendre on 64 panels.
fn integrate(f: impl Fn(f64) -> f64, end: f64) -> f64 {
    const NODES: [(f64, f64); 3] = [
        (0.0, 0.568_888_888_888_888_9),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
        (0.906_179_845_938_664, 0.236_926_885_056_189_1),
    ];
    let panels = 64;
    let half = end / f64::from(2 * panels);
    let mut sum = 0.0;
    for k in 0..panels {
        let centre = half * f64::from(2 * k + 1);
        for (node, weight) in NODES {
            let pair = if node > 0.0 {
                f(centre - half * node) + f(centre + half * node)
            } else {
                f(centre)
            };
            sum += weight * pair;
        }
    }
    sum * half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [0, 0.1, 0.5, 0.95, 1]), NumPy 2.4
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, expected) in [(0.0, 1.0), (0.1, 1.4), (0.5, 4.0), (0.95, 14.4), (1.0, 16.0)] {
            assert!((sample_quantile(&values, q) - expected).abs() < 1e-12);
        }
    }

    /// scipy 1.16: stats.t.ppf(0.975, [1, 2, 3, 10, 100]) and stats.norm.ppf([0.975, 0.5, 0.05])
    #[test]
    fn quantiles_agree_with_tables() {
        let student = [
            (1.0, 12.706_204_736_174_7),
            (2.0, 4.302_652_729_696_14),
            (3.0, 3.182_446_305_283_71),
            (10.0, 2.228_138_851_986_27),
            (100.0, 1.983_971_518_523_55),
        ];
        for (degrees, expected) in student {
            assert!(
                (student_t_quantile(0.975, degrees) / expected - 1.0).abs() < 1e-8,
                "{degrees}"
            );
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_05).abs() < 1e-10);
        assert!(normal_quantile(0.5).abs() < 1e-12);
        assert!((normal_quantile(0.05) + 1.644_853_626_951_47).abs() < 1e-10);
    }

    #[test]
    fn quantiles_invert_the_distribution() {
        for degrees in [1.0, 7.0, f64::INFINITY] {
            for p in [0.01, 0.3, 0.5, 0.9] {
                let found = student_t_distribution(student_t_quantile(p, degrees), degrees);
                assert!((found - p).abs() < 1e-10, "{p} {degrees}: {found}");
            }
        }
    }
}
