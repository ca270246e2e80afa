//! Supercells with right angles.

use crate::math;
use crate::structure::Structure;

use super::lattice_plane::{Integers, Lattice};
use super::orient::{OrientError, Oriented, crystal_lattice, described_in};

/// Angles that differ by less are equal [degrees].
const EQUAL: f64 = 1e-9;

/// The smallest supercell whose lattice vectors are perpendicular within `tolerance` [degrees]: the
/// angle of the first two differs from 90° by no more, nor does the third from their normal. The first
/// two stay in the plane of the first two of `structure` (that of [`super::orient::oriented`], for
/// example), which is turned into xy with the first vector along +x.
///
/// In the plane all sublattices of 1, 2, … cells are tried in their reduced bases, and along the normal
/// heights of 1, 2, … cells with the most upright vector; the two searches do not depend on each other,
/// so their smallest results make the smallest supercell. Of sublattices of one size the most
/// perpendicular is taken, then the one with the shortest second vector. Nothing is strained: what is
/// left of the angles stays in the cell. The search takes a time of the order of `largest²`.
///
/// Copies follow each other as in [`super::supercell::repeat`]; positions are moved by lattice vectors
/// into the cell.
///
/// # Errors
/// [`OrientError::NotOrthogonal`] with the best supercell of at most `largest` cells; structures that
/// are not periodic in all directions.
///
/// # Panics
/// If `largest` is zero.
pub fn orthogonal_supercell(
    structure: &Structure,
    largest: usize,
    tolerance: f64,
) -> Result<Oriented, OrientError> {
    assert!(largest > 0, "a supercell has at least one cell");
    let lattice = crystal_lattice(structure, [0, 0, 1])?;
    let bases = better_and_better_bases(&lattice, largest, tolerance);
    let stacks = better_and_better_stacks(&lattice, largest, tolerance);
    let (basis, stack) = bases
        .iter()
        .flat_map(|basis| stacks.iter().map(move |stack| (basis, stack)))
        .filter(|(basis, stack)| basis.cells() * stack.cells <= largest)
        .min_by(|a, b| a.0.off.max(a.1.tilt).total_cmp(&b.0.off.max(b.1.tilt)))
        .expect("a single cell is among them");
    if basis.off > tolerance || stack.tilt > tolerance || tolerance.is_nan() {
        return Err(OrientError::NotOrthogonal {
            largest,
            tolerance,
            cells: basis.cells() * stack.cells,
            off: basis.off,
            tilt: stack.tilt,
        });
    }
    let copies = [basis.copies[0], basis.copies[1], stack.cells];
    Ok(described_in(structure, [basis.first, basis.second, stack.third], copies)?)
}

/// A sublattice in the plane.
struct Basis {
    /// Cells along the first and second lattice vector that fill it.
    copies: [usize; 2],
    first: Integers,
    second: Integers,
    /// Difference of its angle from 90° [degrees].
    off: f64,
    /// Length of the second vector, the longer one [Å].
    longer: f64,
}

impl Basis {
    fn cells(&self) -> usize {
        self.copies[0] * self.copies[1]
    }

    fn is_better_than(&self, other: &Basis) -> bool {
        self.off < other.off - EQUAL
            || (self.off < other.off + EQUAL && self.longer < other.longer * (1.0 - EQUAL))
    }
}

/// Sublattices with more and more cells, each closer to a right angle than those before; the last is
/// the first within the tolerance, if there is one.
fn better_and_better_bases(lattice: &Lattice, largest: usize, tolerance: f64) -> Vec<Basis> {
    let mut bases: Vec<Basis> = Vec::new();
    for cells in 1..=largest {
        let mut best: Option<Basis> = None;
        for along in (1..=cells).filter(|along| cells % along == 0) {
            // every sublattice has one basis (along, shift), (0, across) with 0 ≤ shift < across
            let across = cells / along;
            for shift in 0..across {
                let candidate = basis(lattice, along, across, shift);
                if best.as_ref().is_none_or(|best| candidate.is_better_than(best)) {
                    best = Some(candidate);
                }
            }
        }
        let best = best.expect("1 divides every number");
        if bases.last().is_none_or(|last| best.off < last.off - EQUAL) {
            bases.push(best);
        }
        if bases.last().is_some_and(|last| last.off <= tolerance) {
            break;
        }
    }
    bases
}

fn basis(lattice: &Lattice, along: usize, across: usize, shift: usize) -> Basis {
    let (first, second) = lattice.reduced([along as i64, shift as i64, 0], [0, across as i64, 0]);
    let (a, b) = (lattice.vector(first), lattice.vector(second));
    let longer = math::norm(b);
    let off = (math::dot(a, b) / (math::norm(a) * longer)).abs().asin().to_degrees();
    Basis { copies: [along, across], first, second, off, longer }
}

/// Cells on top of each other.
struct Stack {
    cells: usize,
    third: Integers,
    /// Angle to the normal [degrees].
    tilt: f64,
}

/// As [`better_and_better_bases`], along the normal.
fn better_and_better_stacks(lattice: &Lattice, largest: usize, tolerance: f64) -> Vec<Stack> {
    let (a, b) = lattice.reduced([1, 0, 0], [0, 1, 0]);
    let mut stacks: Vec<Stack> = Vec::new();
    for cells in 1..=largest {
        let third = lattice.upright(a, b, [0, 0, cells as i64]);
        let tilt = lattice.tilt(third);
        if stacks.last().is_none_or(|last| tilt < last.tilt - EQUAL) {
            stacks.push(Stack { cells, third, tilt });
        }
        if stacks.last().is_some_and(|last| last.tilt <= tolerance) {
            break;
        }
    }
    stacks
}
