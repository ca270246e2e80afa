//! Directions in which light is looked for: evenly spread, and always the same.
//!
//! Neighbouring samples of a picture look in different directions, the sixteen samples of every square of four
//! by four in all of them; the tracer takes means over such squares.

use std::f64::consts::PI;
use vitrion_core::{Vector3, math};

/// Samples with directions of their own: a square of this many by this many.
pub(super) const SQUARE: usize = 4;
/// Directions of a sample into the sky.
pub(super) const SKY: usize = 8;
/// Directions of a sample to the light.
pub(super) const LIGHT: usize = 2;
/// Half the angle under which the light is seen, so that shadows are soft.
const LIGHT_ANGLE: f64 = 0.22;

/// Directions of all samples.
pub(super) struct Directions {
    /// About +z, denser near it as the cosine of the angle.
    pub(super) sky: [[Vector3; SKY]; SQUARE * SQUARE],
    pub(super) light: [[Vector3; LIGHT]; SQUARE * SQUARE],
}

impl Directions {
    /// * `light`: where the light is, length 1
    pub(super) fn new(light: Vector3) -> Self {
        let mut sky = [[[0.0; 3]; SKY]; SQUARE * SQUARE];
        let mut to_light = [[[0.0; 3]; LIGHT]; SQUARE * SQUARE];
        // neighbours get stretches of the sequence that are far from each other
        for sample in 0..SQUARE * SQUARE {
            let stretch = (sample as u32).reverse_bits() >> 28;
            for (k, direction) in sky[sample].iter_mut().enumerate() {
                let (u, v) = spread(stretch * SKY as u32 + k as u32);
                let (radius, angle) = (u.sqrt(), 2.0 * PI * v);
                *direction = [radius * angle.cos(), radius * angle.sin(), (1.0 - u).sqrt()];
            }
            for (k, direction) in to_light[sample].iter_mut().enumerate() {
                let (u, v) = spread(stretch * LIGHT as u32 + k as u32);
                let cos = 1.0 - u * (1.0 - LIGHT_ANGLE.cos());
                let (sin, angle) = ((1.0 - cos * cos).sqrt(), 2.0 * PI * v);
                *direction = about(light, [sin * angle.cos(), sin * angle.sin(), cos]);
            }
        }
        Directions { sky, light: to_light }
    }
}

/// Point `n` of Sobol's sequence in the unit square, moved off the edges: of 2ᵏ points in a row that begin at a
/// multiple of 2ᵏ, every box of area 2⁻ᵏ has one.
fn spread(n: u32) -> (f64, f64) {
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 2f64.powi(32);
    let mut second = 0;
    let mut column = 1u32 << 31;
    let mut rest = n;
    while rest > 0 {
        if rest & 1 == 1 {
            second ^= column;
        }
        column ^= column >> 1;
        rest >>= 1;
    }
    (unit(n.reverse_bits()), unit(second))
}

/// A direction given about +z, about another one instead (Duff and others, JCGT 2017).
#[inline]
pub(super) fn about(axis: Vector3, d: Vector3) -> Vector3 {
    let sign = 1f64.copysign(axis[2]);
    let a = -1.0 / (sign + axis[2]);
    let b = axis[0] * axis[1] * a;
    let first = [1.0 + sign * axis[0] * axis[0] * a, sign * b, -sign * axis[0]];
    let second = [b, sign + axis[1] * axis[1] * a, -axis[1]];
    math::add(
        math::add(math::scale(first, d[0]), math::scale(second, d[1])),
        math::scale(axis, d[2]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_length_one_and_cosine_weight() {
        let light = math::scale([1.0, 2.0, 2.0], 1.0 / 3.0);
        let directions = Directions::new(light);
        let all: Vec<Vector3> = directions.sky.into_iter().flatten().collect();
        let mean = all.iter().fold([0.0; 3], |sum, d| math::add(sum, *d));
        let mean = math::scale(mean, 1.0 / all.len() as f64);
        // of cosine-weighted directions ⟨z⟩ = 2/3 and ⟨x⟩ = ⟨y⟩ = 0
        assert!(math::norm(math::sub(mean, [0.0, 0.0, 2.0 / 3.0])) < 0.01, "{mean:?}");
        for d in all.iter().chain(directions.light.iter().flatten()) {
            assert!((math::norm(*d) - 1.0).abs() < 1e-12);
        }
        for d in directions.light.iter().flatten() {
            assert!(math::dot(*d, light) >= LIGHT_ANGLE.cos() - 1e-12);
        }
    }

    #[test]
    fn stretches_of_the_sequence_fill_all_boxes() {
        for stretch in 0..16 {
            for (columns, rows) in [(8, 1), (4, 2), (2, 4), (1, 8)] {
                let mut boxes = [false; 8];
                for k in 0..8 {
                    let (u, v) = spread(8 * stretch + k);
                    let column = (u * f64::from(columns)) as usize;
                    let row = (v * f64::from(rows)) as usize;
                    boxes[column * rows as usize + row] = true;
                }
                assert!(boxes.iter().all(|filled| *filled), "{stretch}: {columns} by {rows}");
            }
        }
    }
}
