//! Structures from nothing or from smaller ones.

pub mod composition;
pub mod glass_ceramic;
mod lattice_plane;
pub mod molecules;
pub mod orient;
pub mod orthogonal;
pub mod packing;
pub mod slab;
pub mod strain;
pub mod supercell;
