//! Static structure.

pub mod radial_distribution;
pub mod settings;

pub use radial_distribution::{RadialDistribution, RadialDistributionSettings};
pub use settings::StructureSettings;
