//! Static structure.

pub mod radial_distribution;

pub use radial_distribution::RadialDistribution;
