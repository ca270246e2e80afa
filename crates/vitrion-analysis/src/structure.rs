//! Static structure.

pub mod bonds;
pub mod radial_distribution;
pub mod settings;
pub mod speciation;

pub use bonds::BondCutoff;
pub use radial_distribution::{RadialDistribution, RadialDistributionSettings};
pub use settings::StructureSettings;
pub use speciation::{Speciation, SpeciationSettings, UnitDefinition};
