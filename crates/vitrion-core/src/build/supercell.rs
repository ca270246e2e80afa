//! Repeated cells.

use crate::cell::Cell;
use crate::math;
use crate::structure::Structure;

/// The structure repeated `n[k]` times along each lattice vector. Atoms of one copy stay together;
/// copies follow each other with the last lattice vector fastest.
///
/// # Panics
/// If a count is zero.
pub fn repeat(structure: &Structure, n: [usize; 3]) -> Structure {
    assert!(n.iter().all(|count| *count > 0), "each direction is repeated at least once");
    let matrix = structure.cell.matrix();
    let larger = std::array::from_fn(|k| math::scale(matrix[k], n[k] as f64));
    let cell = Cell::new(larger, structure.cell.periodicity()).expect("a multiple of a cell");
    let copies = n[0] * n[1] * n[2];
    let mut positions = Vec::with_capacity(structure.len() * copies);
    let mut species = Vec::with_capacity(structure.len() * copies);
    for a in 0..n[0] {
        for b in 0..n[1] {
            for c in 0..n[2] {
                let shift = structure.cell.to_cartesian([a as f64, b as f64, c as f64]);
                positions.extend(structure.positions.iter().map(|r| math::add(*r, shift)));
                species.extend_from_slice(&structure.species);
            }
        }
    }
    let phases = structure.phases.as_ref().map(|phases| phases.repeated(copies).into());
    Structure { cell, species, positions, table: structure.table.clone(), phases }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_and_composition_are_kept() {
        let cell = Cell::from_lengths_angles([4.0, 5.0, 6.0], [80.0, 70.0, 95.0]).expect("closes");
        let unit =
            Structure::new(cell, &["Li", "S"], vec![[0.0; 3], [1.0, 2.0, 3.0]]).expect("elements");
        let large = repeat(&unit, [2, 3, 1]);
        assert_eq!(large.formula(), "Li6S6");
        assert!((large.density() - unit.density()).abs() < 1e-14);
        assert_eq!(large.cell.lengths().map(|l| l.round() as i32), [8, 15, 6]);
    }
}
