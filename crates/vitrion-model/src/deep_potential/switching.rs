//! The smooth cut-off and the environment row of one neighbour.

use vitrion_core::Vector3;

/// `w(r) = 1` below `smooth`, `u³(−6u² + 15u − 10) + 1` with `u = (r − smooth)/(cutoff − smooth)` up
/// to `cutoff`, 0 beyond; and its slope.
#[inline]
pub fn weight(r: f64, smooth: f64, cutoff: f64) -> (f64, f64) {
    if r < smooth {
        return (1.0, 0.0);
    }
    if r >= cutoff {
        return (0.0, 0.0);
    }
    let width = cutoff - smooth;
    let u = (r - smooth) / width;
    let u2 = u * u;
    let polynomial = -6.0 * u2 + 15.0 * u - 10.0;
    let value = u2 * u * polynomial + 1.0;
    let slope = (3.0 * u2 * polynomial + u2 * u * (-12.0 * u + 15.0)) / width;
    (value, slope)
}

/// The environment row `[w/(r+p), w x/(r+p)², w y/(r+p)², w z/(r+p)²]` of a neighbour at `vector`,
/// and its derivatives `row_derivative[c][k] = ∂row_c/∂vector_k`.
#[inline]
pub fn environment_row(
    vector: Vector3,
    smooth: f64,
    cutoff: f64,
    protection: f64,
) -> ([f64; 4], [Vector3; 4]) {
    let r = (vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]).sqrt();
    let (w, dw) = weight(r, smooth, cutoff);
    let q = 1.0 / (r + protection);
    let unit = vector.map(|x| x / r);
    let s = w * q;
    let ds = dw * q - w * q * q;
    // t = w/(r+p)², dt = its slope
    let t = w * q * q;
    let dt = dw * q * q - 2.0 * w * q * q * q;
    let mut row = [s, 0.0, 0.0, 0.0];
    let mut derivative = [[0.0; 3]; 4];
    for k in 0..3 {
        derivative[0][k] = ds * unit[k];
        row[k + 1] = t * vector[k];
        for l in 0..3 {
            derivative[k + 1][l] = vector[k] * dt * unit[l] + if k == l { t } else { 0.0 };
        }
    }
    (row, derivative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_is_twice_continuously_differentiable_at_both_ends() {
        let (smooth, cutoff) = (0.5, 6.5);
        for r in [smooth, cutoff] {
            let (below, slope_below) = weight(r - 1e-7, smooth, cutoff);
            let (above, slope_above) = weight(r + 1e-7, smooth, cutoff);
            assert!((below - above).abs() < 1e-12 && (slope_below - slope_above).abs() < 1e-12);
        }
    }

    #[test]
    fn row_derivatives_agree_with_central_differences() {
        let h = 1e-6;
        for vector in [[0.3, -0.2, 0.1], [2.0, 1.0, -3.0], [-4.0, 2.0, 3.5]] {
            let (_, derivative) = environment_row(vector, 1.0, 6.0, 0.01);
            for k in 0..3 {
                let mut moved = vector;
                moved[k] += h;
                let (up, _) = environment_row(moved, 1.0, 6.0, 0.01);
                moved[k] -= 2.0 * h;
                let (down, _) = environment_row(moved, 1.0, 6.0, 0.01);
                for c in 0..4 {
                    let slope = (up[c] - down[c]) / (2.0 * h);
                    assert!((derivative[c][k] - slope).abs() < 1e-7 * slope.abs().max(1.0));
                }
            }
        }
    }
}
