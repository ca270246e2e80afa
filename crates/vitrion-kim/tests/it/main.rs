//! The driver in programs that speak the KIM API, against the potential by itself.
//!
//! `VITRION_TEST_KIM=1` says that a KIM API, a `lmp` with the package KIM and its `mpirun` are here, `VITRION_TEST_KIM_PYTHON`
//! names a Python with kimpy and ASE; without them these tests skip.

mod collection;
mod lammps;
mod python;

use vitrion_core::{Cell, Evaluation, Structure, interactions};
use vitrion_core::{cell::CellError, testing::systems};
use vitrion_model::{Embedding, Precision, builtin};

/// Atoms in a general cell, in the orientation of LAMMPS.
fn structure() -> Structure {
    let cell = Cell::from_lengths_angles([9.0, 7.5, 8.0], [75.0, 100.0, 110.0]);
    let cell = cell.and_then(|cell| -> Result<Cell, CellError> {
        let (_, lower) = cell.standard_orientation().expect("right-handed");
        Cell::periodic(lower)
    });
    systems::random_structure(11, &["Li", "P", "S", "S"], 32, cell.expect("closes"), 1.75)
}

/// What vitrion says.
fn native(structure: &Structure) -> Evaluation {
    let model = builtin::named("li-p-s-fast").expect("in the library");
    let species = structure.species_in(&model.species).expect("known species");
    let mut out = Evaluation::with_atom_virials();
    let mut potential = model.evaluator(Precision::Double, Embedding::Tables);
    let Structure { cell, positions, .. } = structure;
    interactions::evaluate(&mut potential, cell, positions, &species, &mut out).expect("finite");
    out
}
