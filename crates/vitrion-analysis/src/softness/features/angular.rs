//! Angular functions of all ions.

use super::FeatureSettings;
use crate::pairs::Neighbors;
use vitrion_core::Structure;
use vitrion_core::math::{self, Vector3};

/// Adds the angular functions behind the radial ones in rows of `settings.len()` numbers.
pub(super) fn fill(
    settings: &FeatureSettings,
    structure: &Structure,
    ions: &[usize],
    all: &mut [f64],
) {
    let mut neighbors = Neighbors::default();
    neighbors.find(&structure.cell, &structure.positions, settings.angular_cutoff);
    let pairs = settings.element_pairs();
    let first = settings.elements.len() * settings.bins();
    let width = settings.len();
    for (row, ion) in all.chunks_exact_mut(width).zip(ions) {
        let around: Vec<(usize, Vector3)> = neighbors
            .table()
            .of(*ion)
            .filter_map(|(atom, vector)| {
                let symbol = structure.symbol(atom);
                let element = settings.elements.iter().position(|known| known == symbol);
                element.map(|element| (element, vector))
            })
            .collect();
        for (k, (a, to_a)) in around.iter().enumerate() {
            for (b, to_b) in &around[k + 1..] {
                let pair = (*a.min(b), *a.max(b));
                let at = pairs.iter().position(|known| *known == pair).expect("all pairs");
                let (r, s) = (math::norm(*to_a), math::norm(*to_b));
                let cosine = math::dot(*to_a, *to_b) / (r * s);
                let squares = r * r + s * s + math::norm2(math::sub(*to_b, *to_a));
                for (number, one) in settings.angular.iter().enumerate() {
                    let shape = (1.0 + one.lambda * cosine).max(0.0).powf(one.zeta);
                    row[first + number * pairs.len() + at] +=
                        (-squares / (one.xi * one.xi)).exp() * shape;
                }
            }
        }
    }
}
