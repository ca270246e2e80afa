//! Slabs: crystals with vacuum between two surfaces.

use crate::cell::{Cell, CellError};
use crate::math;
use crate::structure::Structure;

use super::orient::into_cell;

/// Molecules stand out of the faces of a cell; slabs thicker than this many cells are none.
const THICKEST: f64 = 2.0;

/// Why a slab could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SlabError {
    /// No thickness of a vacuum.
    #[error("the vacuum is {found} Å thick; it must be a positive number of Å")]
    Vacuum { found: f64 },
    /// Atoms that belong elsewhere.
    #[error(
        "atom {} ({symbol}) is {height:.6} Å above the plane of the first two lattice vectors, far \
         outside the cell, which reaches from 0 to {thickness:.6} Å; move the atom by a lattice vector \
         (positions of an oriented crystal lie in its cell)",
        atom + 1
    )]
    Outside { atom: usize, symbol: String, height: f64, thickness: f64 },
    /// The new lattice vectors are no cell.
    #[error(transparent)]
    Cell(#[from] CellError),
}

/// The structure as a slab between two surfaces parallel to the first two lattice vectors: the third
/// becomes `n · (d + vacuum)` with the unit normal `n` on its side and the thickness `d`, the
/// distance between the faces of the given cell [Å], or of the lowest and the highest atom where atoms
/// stand out ([`super::molecules`] keeps molecules whole). Repeat the crystal along its third vector
/// first for thicker slabs.
///
/// Periodicity stays, so that periodic images of the slab are separated by the vacuum: their atoms
/// are at least `vacuum` [Å] apart along the normal. If the third vector was tilted, the upper surface
/// is no longer in registry with the next image across the vacuum.
///
/// Positions keep their height, or are lifted together so that none is below zero; they are moved by the
/// first two lattice vectors, where these repeat, into the new cell.
///
/// # Errors
/// A vacuum that is not positive and finite, atoms far outside the given cell.
pub fn with_vacuum(structure: &Structure, vacuum: f64) -> Result<Structure, SlabError> {
    if !(vacuum.is_finite() && vacuum > 0.0) {
        return Err(SlabError::Vacuum { found: vacuum });
    }
    let [a, b, c] = *structure.cell.matrix();
    let normal = math::cross(a, b);
    let normal = math::scale(normal, math::dot(c, normal).signum() / math::norm(normal));
    let thickness = math::dot(c, normal);
    let heights: Vec<f64> = structure.positions.iter().map(|r| math::dot(*r, normal)).collect();
    let low = heights.iter().copied().fold(0.0, f64::min);
    let high = heights.iter().copied().fold(thickness, f64::max);
    if high - low > THICKEST * thickness {
        let away = |atom: &usize| (heights[*atom] - 0.5 * thickness).abs();
        let atom = (0..structure.len()).max_by(|a, b| away(a).total_cmp(&away(b)));
        let atom = atom.expect("without atoms nothing stands out");
        let (symbol, height) = (structure.symbol(atom).to_owned(), heights[atom]);
        return Err(SlabError::Outside { atom, symbol, height, thickness });
    }
    let third = math::scale(normal, high - low + vacuum);
    let lift = math::scale(normal, -low);
    let periodic = structure.cell.periodicity();
    let cell = Cell::new([a, b, third], periodic)?;
    let mut positions = Vec::with_capacity(structure.len());
    for r in &structure.positions {
        let mut s = cell.to_fractional(math::add(*r, lift));
        for k in 0..2 {
            if periodic[k] {
                s[k] = into_cell(s[k]);
            }
        }
        s[2] = s[2].max(0.0);
        positions.push(cell.to_cartesian(s));
    }
    Ok(Structure { cell, positions, ..structure.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tilted(handedness: f64) -> Structure {
        let cell = Cell::periodic([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [2.0, 1.0, 6.0 * handedness]])
            .expect("a cell");
        let positions = [[0.0; 3], [0.4, 0.7, 0.5], [0.9, 0.9, 0.99]];
        let positions = positions.map(|s| cell.to_cartesian(s)).to_vec();
        Structure::new(cell, &["Li", "S", "Li"], positions).expect("elements")
    }

    #[test]
    fn the_third_vector_becomes_the_normal_for_either_handedness() {
        for handedness in [1.0, -1.0] {
            let bulk = tilted(handedness);
            let slab = with_vacuum(&bulk, 10.0).expect("a slab");
            let [a, b, c] = *slab.cell.matrix();
            assert_eq!([a, b], [bulk.cell.matrix()[0], bulk.cell.matrix()[1]]);
            assert!(math::norm(math::sub(c, [0.0, 0.0, 16.0 * handedness])) < 1e-13);
            assert_eq!(slab.cell.periodicity(), [true; 3]);
            for (r, old) in slab.positions.iter().zip(&bulk.positions) {
                let s = slab.cell.to_fractional(*r);
                assert!(s.iter().all(|s| (0.0..1.0).contains(s)), "{s:?}");
                let moved = slab.cell.to_fractional(math::sub(*r, *old));
                assert!(moved[2].abs() < 1e-15);
                assert!(moved.iter().all(|n| (n - n.round()).abs() < 1e-14), "{moved:?}");
            }
        }
    }

    #[test]
    fn what_leaves_no_vacuum_is_refused() {
        for vacuum in [0.0, -3.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(with_vacuum(&tilted(1.0), vacuum), Err(SlabError::Vacuum { .. })));
        }
        let mut bulk = tilted(1.0);
        bulk.positions[1][2] -= 13.5;
        let error = with_vacuum(&bulk, 10.0).expect_err("below the slab").to_string();
        assert!(error.contains("atom 2 (S) is -10.500000 Å"), "{error}");
    }
}
