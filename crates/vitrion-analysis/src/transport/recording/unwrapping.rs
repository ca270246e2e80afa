//! Displacements from one frame to the next, against the deforming cell.
//!
//! `d = r′ − r H⁻¹ H′`: an atom that rests in the cell does not move, whatever a barostat does, and the same holds for atoms that are
//! written many cells away (image flags times the present cell make those jump with every change of the cell; Kulke and Vermaas,
//! J. Chem. Theory Comput. 18, 6161 (2022), and von Bülow et al., J. Chem. Phys. 153, 021101 (2020)). Where positions are to be joined, `d` is replaced by its
//! nearest image in the present cell. In a constant cell the sum of `d` is the toroidal-view-preserving scheme.
//!
//! A cell that was replaced by another one of the same lattice (a flip of its tilt) is noticed: `H` is then replaced by `M H` with the
//! integer matrix `M` nearest to `H′ H⁻¹`.

use crate::error::AnalysisError;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Cell, Structure};

/// A displacement longer than this part of half the cell is worth a caution.
const LONG: f64 = 0.9;

/// What was noticed about the displacements between frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Noticed {
    /// Displacements that have a nearer image: replaced by it where positions are joined, kept otherwise.
    pub(crate) nearer: u64,
    /// Displacements that are nearly half as long as the cell: their image is a guess, if positions were joined.
    pub(crate) long: u64,
    /// The longest displacement kept [Å].
    pub(crate) longest: f64,
    /// The cell changed its shape or size.
    pub(crate) cell_changed: bool,
}

/// Follows the atoms from frame to frame.
#[derive(Debug, Clone)]
pub(super) struct Unwrapping {
    join: bool,
    cell: Cell,
    previous: Vec<Vector3>,
    pub(super) noticed: Noticed,
}

impl Unwrapping {
    pub(super) fn new(join: bool, first: &Structure) -> Self {
        Unwrapping {
            join,
            cell: first.cell.clone(),
            previous: first.positions.clone(),
            noticed: Noticed::default(),
        }
    }

    /// Adds the displacement of every atom since the frame before to `continuous`.
    pub(super) fn follow(
        &mut self,
        frame: usize,
        structure: &Structure,
        continuous: &mut [Vector3],
    ) -> Result<(), AnalysisError> {
        let cell = &structure.cell;
        let rigid = cell.matrix() == self.cell.matrix();
        let growth = if rigid { math::IDENTITY } else { growth(frame, &self.cell, cell)? };
        self.noticed.cell_changed |= !rigid;
        let widths = cell.perpendicular_widths();
        let half = (0..3)
            .filter(|k| cell.periodicity()[*k])
            .fold(f64::INFINITY, |least, k| least.min(0.5 * widths[k]));
        for (atom, r) in structure.positions.iter().enumerate() {
            let before = self.previous[atom];
            let carried = if rigid { before } else { math::row_times(before, &growth) };
            let mut step = math::sub(*r, carried);
            let mut distance = math::norm(step);
            if distance > half {
                let nearest = cell.minimum_image(step);
                let nearer = math::norm(nearest);
                if !self.join && nearer < 0.5 * distance {
                    return Err(AnalysisError::Wrapped { frame, atom, distance, nearer });
                }
                self.noticed.nearer += u64::from(nearer < distance);
                if self.join {
                    (step, distance) = (nearest, nearer);
                }
            }
            self.noticed.long += u64::from(distance > LONG * half);
            self.noticed.longest = self.noticed.longest.max(distance);
            continuous[atom] = math::add(continuous[atom], step);
        }
        self.previous.copy_from_slice(&structure.positions);
        self.cell = cell.clone();
        Ok(())
    }
}

/// `H⁻¹ H′`, with `H` replaced by the cell of the same lattice that is nearest to `H′`.
fn growth(frame: usize, before: &Cell, after: &Cell) -> Result<Matrix3, AnalysisError> {
    let deformed = math::matmul(after.matrix(), before.inverse());
    let images: Matrix3 = deformed.map(|row| row.map(f64::round));
    let unimodular = (math::determinant(&images).abs() - 1.0).abs() < 0.5;
    let stretched = |m: &Matrix3| {
        let strain = math::matmul(&deformed, &math::inverse(m)?);
        let largest = (0..9).fold(0.0_f64, |most, k| {
            most.max((strain[k / 3][k % 3] - math::IDENTITY[k / 3][k % 3]).abs())
        });
        (largest < 0.45).then_some(())
    };
    if !unimodular || stretched(&images).is_none() {
        return Err(AnalysisError::CellJumped { frame });
    }
    let lattice = math::matmul(&images, before.matrix());
    let inverse = math::inverse(&lattice).ok_or(AnalysisError::CellJumped { frame })?;
    Ok(math::matmul(&inverse, after.matrix()))
}
