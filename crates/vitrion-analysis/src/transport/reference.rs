//! From one frame of reference to another.

use super::recording::{Recording, Reference};
use vitrion_core::math::{self, Vector3};

/// What the MSD of the atoms of an element gains [Å²] at each lag when the centre of mass of all atoms is at rest instead of the framework:
/// `⟨|ΔX|²⟩ − 2⟨ΔX·ΔC⟩` with the centre of mass `X` and the centre `C` of the element, both in the frame of the framework.
pub(crate) fn change_of_reference(data: &Recording, symbol: &str, lags: &[usize]) -> Vec<f64> {
    let (center, _) = data.center(symbol, Reference::Framework);
    let framework = data.drift(Reference::Framework);
    let mass: Vec<Vector3> = data
        .drift(Reference::Mass)
        .iter()
        .zip(&framework)
        .map(|(a, b)| math::sub(*a, *b))
        .collect();
    let change = |lag: &usize| {
        let origins = data.frames() - lag;
        let sum: f64 = (0..origins)
            .map(|t| {
                let moved = |x: &[Vector3]| math::sub(x[t + lag], x[t]);
                let (mass, center) = (moved(&mass), moved(&center));
                math::norm2(mass) - 2.0 * math::dot(mass, center)
            })
            .sum();
        sum / origins as f64
    };
    lags.iter().map(change).collect()
}
