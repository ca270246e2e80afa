//! Static structure.

pub mod radial_distribution;
pub mod steinhardt;

pub use radial_distribution::RadialDistribution;
pub use steinhardt::{Neighborhood, Steinhardt, SteinhardtSettings};
