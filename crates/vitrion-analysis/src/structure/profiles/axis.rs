//! The normal of a lattice plane as a periodic axis.
//!
//! In a cell that repeats, what is averaged over planes `(h k l)` repeats along their normal with the
//! spacing `d = 1/|h a* + k b* + l c*|`, if h, k and l have no common divisor. The place of an atom along it is
//! `u = h s_a + k s_b + l s_c` modulo 1, `s` being its fractional coordinates.

use crate::error::AnalysisError;
use std::f64::consts::PI;
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Indices beyond this are a mistake: the spacing would be far below any bin.
const LARGEST: u64 = 50;

/// The indices without their common divisor.
///
/// # Errors
/// (0 0 0), or an index beyond ±50.
pub(super) fn primitive(plane: [i64; 3]) -> Result<[i64; 3], AnalysisError> {
    let sizes = plane.map(i64::unsigned_abs);
    let divisor = sizes.into_iter().fold(0, greatest_common_divisor);
    if divisor == 0 || sizes.iter().any(|size| *size > LARGEST) {
        return Err(AnalysisError::Parameter {
            name: "plane",
            found: described(plane),
            expected: format!("Miller indices between -{LARGEST} and {LARGEST}, not all zero"),
        });
    }
    let divisor = i64::try_from(divisor).expect("at most 50");
    Ok(plane.map(|index| index / divisor))
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// For example "(1 -1 0)".
pub(super) fn described(plane: [i64; 3]) -> String {
    let [h, k, l] = plane;
    format!("({h} {k} {l})")
}

/// The axis in one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// `h a* + k b* + l c*` [1/Å].
    reciprocal: Vector3,
    /// Period along the normal [Å].
    pub(super) length: f64,
}

impl Axis {
    /// The axis of primitive indices.
    pub(super) fn new(cell: &Cell, plane: [i64; 3]) -> Self {
        let indices = plane.map(|index| index as f64);
        let reciprocal = cell.inverse().map(|row| math::dot(row, indices));
        Axis { reciprocal, length: 1.0 / math::norm(reciprocal) }
    }

    /// Place of a position, from 0 to 1.
    #[inline]
    pub(super) fn place(&self, r: Vector3) -> f64 {
        wrapped(math::dot(self.reciprocal, r))
    }
}

/// A number modulo 1, below 1.
#[inline]
pub(super) fn wrapped(u: f64) -> f64 {
    let inside = u - u.floor();
    // −1e-20 becomes 1
    if inside < 1.0 { inside } else { 0.0 }
}

/// The bin of a place.
#[inline]
pub(super) fn bin(u: f64, bins: usize) -> usize {
    ((u * bins as f64) as usize).min(bins - 1)
}

/// Mean place of points with weights on the periodic axis: that of `Σ w exp(2πi u)` on the circle; and the length
/// of that vector over `Σ w`, 1 for points that coincide, 0 where there is no centre.
pub(super) fn circular_mean(points: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut cosine, mut sine, mut total) = (0.0, 0.0, 0.0);
    for (u, weight) in points {
        let (s, c) = (2.0 * PI * u).sin_cos();
        cosine += weight * c;
        sine += weight * s;
        total += weight;
    }
    let concentration = if total > 0.0 { cosine.hypot(sine) / total } else { 0.0 };
    (wrapped(sine.atan2(cosine) / (2.0 * PI)), concentration)
}

/// A periodic Gaussian of width `sigma` [bins], its weights by distance in bins; they add up to 1.
pub(super) fn kernel(sigma: f64, bins: usize) -> Vec<f64> {
    let mut weights = vec![0.0; bins];
    if sigma <= 0.0 {
        weights[0] = 1.0;
        return weights;
    }
    let reach = (8.0 * sigma).ceil() as i64;
    for offset in -reach..=reach {
        let x = offset as f64 / sigma;
        weights[offset.rem_euclid(bins as i64) as usize] += (-0.5 * x * x).exp();
    }
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights
}

/// A profile folded with a kernel around the axis; its sum stays.
pub(super) fn smoothed(values: &[f64], kernel: &[f64]) -> Vec<f64> {
    let bins = values.len();
    if kernel[0] >= 1.0 {
        return values.to_vec();
    }
    let mut out = vec![0.0; bins];
    for (at, value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        for (offset, weight) in kernel.iter().enumerate() {
            out[(at + offset) % bins] += value * weight;
        }
    }
    out
}
