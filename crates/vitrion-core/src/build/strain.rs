//! Homogeneous deformation.

use crate::cell::{Cell, CellError};
use crate::math::{self, Matrix3};
use crate::structure::Structure;

/// The structure deformed homogeneously, `r → r · (1 + ε)` and `H → H · (1 + ε)`, the convention of
/// the virial (see the crate root): fractional coordinates stay. `strain` is any 3×3 matrix, without
/// unit; its antisymmetric part rotates to first order. Positions are not wrapped.
///
/// # Errors
/// A strain that is not finite, flattens the cell, or mirrors the crystal (`det(1 + ε) < 0`).
pub fn strained(structure: &Structure, strain: &Matrix3) -> Result<Structure, CellError> {
    let deformation = math::matrix_add(&math::IDENTITY, strain);
    let matrix = math::matmul(structure.cell.matrix(), &deformation);
    let cell = Cell::new(matrix, structure.cell.periodicity())?;
    let determinant = math::determinant(&deformation);
    if determinant < 0.0 {
        return Err(CellError::Mirrored { strain: *strain, determinant });
    }
    let positions = structure.positions.iter().map(|r| math::row_times(*r, &deformation)).collect();
    Ok(Structure { cell, positions, ..structure.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::systems;

    fn crystal() -> Structure {
        systems::random_structure(4, &["Li", "S"], 6, systems::random_cell(4, 5.0, 8.0), 1.5)
    }

    #[test]
    fn the_volume_grows_by_the_determinant_and_fractions_stay() {
        let strain = [[0.02, 0.03, -0.01], [0.0, -0.05, 0.04], [0.01, 0.0, 0.1]];
        let before = crystal();
        let after = strained(&before, &strain).expect("small");
        // det(1 + ε), expanded by hand along the first column
        let growth = 1.02 * (0.95 * 1.1 - 0.04 * 0.0) + 0.01 * (0.03 * 0.04 - -0.01 * 0.95);
        assert!((after.cell.volume() / before.cell.volume() - growth).abs() < 1e-14);
        for (r, old) in after.positions.iter().zip(&before.positions) {
            let s = math::sub(after.cell.to_fractional(*r), before.cell.to_fractional(*old));
            assert!(math::norm(s) < 1e-14);
        }
        assert_eq!(after.species, before.species);
    }

    #[test]
    fn one_component_moves_y_with_x() {
        let cell = Cell::orthorhombic([4.0; 3]).expect("a cube");
        let unit = Structure::new(cell, &["Li"], vec![[2.0, 1.0, 3.0]]).expect("an element");
        let mut strain = math::ZERO;
        strain[0][1] = 0.1;
        let sheared = strained(&unit, &strain).expect("a shear");
        assert!(math::norm(math::sub(sheared.positions[0], [2.0, 1.2, 3.0])) < 1e-15);
        assert!(math::norm(math::sub(sheared.cell.matrix()[0], [4.0, 0.4, 0.0])) < 1e-15);
    }

    #[test]
    fn strains_that_leave_no_crystal_are_refused() {
        let refused = |strain: Matrix3| strained(&crystal(), &strain).expect_err("no crystal");
        let diagonal = |x: f64| [[x, 0.0, 0.0], [0.0; 3], [0.0; 3]];
        assert!(matches!(refused(diagonal(-1.0)), CellError::Singular { .. }));
        assert!(matches!(refused(diagonal(f64::NAN)), CellError::NotFinite { .. }));
        let error = refused(diagonal(-1.5)).to_string();
        assert!(error.contains("mirrors") && error.contains("-0.500"), "{error}");
    }
}
