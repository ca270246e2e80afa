//! Structures from nothing or from smaller ones.

pub mod composition;
pub mod packing;
pub mod supercell;
