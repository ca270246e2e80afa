//! The hub of vitrion: structures, files, neighbour lists, units, observables and statistics.
//!
//! Every other crate of the workspace depends on this one and on no sibling.
//!
//! # Conventions
//!
//! These hold in every crate, file and figure; nothing else restates them.
//!
//! * **Units inside:** Å, fs, eV, amu, e, K ([`units`]). Borders name their unit.
//! * **Cell:** the rows of the matrix `H` are the lattice vectors `a`, `b`, `c`; a Cartesian
//!   position is `r = s · H` with fractional `s` as a row vector.
//! * **Pairs:** `r_ij = r_j − r_i`, image included.
//! * **Force:** `F = −∂E/∂r` [eV/Å].
//! * **Virial:** `W = −∂E/∂ε` [eV] for the deformation `r → r · (1 + ε)`; positive means outward
//!   pressure. The potential part of the stress (tensile positive) is `−W/V`.
//! * **Pressure:** `P = (2K + tr W) / (3V)`.
//! * **Species** are known by element symbol, everywhere. A file that only numbers its types needs
//!   an explicit map from the user.
//! * **Positions** may lie outside the cell and are never wrapped silently; trajectories written
//!   by vitrion are unwrapped.

pub mod build;
pub mod cell;
pub mod columns;
pub mod elements;
pub mod frame;
pub mod interactions;
pub mod io;
pub mod math;
pub mod neighbors;
pub mod observables;
pub mod phases;
pub mod potential;
pub mod rng;
pub mod species;
pub mod stats;
pub mod structure;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trajectory;
pub mod units;

pub use cell::Cell;
pub use frame::{Frame, Labels};
pub use interactions::Interactions;
pub use math::{Matrix3, Vector3};
pub use observables::{Estimate, Uncertainty};
pub use phases::Phases;
pub use potential::{Atoms, Evaluation, NeighborList, Potential, PotentialError};
pub use species::{SpeciesId, SpeciesTable};
pub use structure::Structure;
