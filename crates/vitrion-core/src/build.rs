//! Structures from nothing or from smaller ones.

pub mod supercell;
