//! Structures from nothing or from smaller ones.

pub mod composition;
pub mod glass_ceramic;
pub mod molecules;
pub mod orient;
pub mod packing;
pub mod supercell;
