//! The driver in programs that speak the KIM API, against the potential by itself.
//!
//! `VITRION_TEST_KIM=1` says that a KIM API, a `lmp` with the package KIM and its `mpirun` are here, `VITRION_TEST_KIM_PYTHON`
//! names a Python with kimpy and ASE; without them these tests skip.

mod collection;
mod lammps;
mod python;

use std::path::Path;
use vitrion_core::cell::CellError;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::derivatives::evaluate;
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Evaluation, Structure};
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

/// The crystal that ships with vitrion, with every atom moved by about 0.1 Å.
fn displaced_crystal() -> Structure {
    let file = "../vitrion/structures/beta-li3ps4.extxyz";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut frames = io::read_all(&path, &ReadOptions::default()).expect("it ships with vitrion");
    let mut structure = frames.pop().expect("one frame").structure;
    let mut random = rng::at(5, Stream::Testing, 0, 0);
    structure.positions.iter_mut().flatten().for_each(|x| *x += 0.06 * random.normal());
    structure
}

/// What vitrion says.
fn native(structure: &Structure) -> Evaluation {
    let model = builtin::named("li-p-s-fast").expect("in the library");
    evaluate(&mut model.evaluator(Precision::Double, Embedding::Tables), structure)
}
