//! Static structure.

pub mod bonds;
pub mod radial_distribution;
pub mod settings;
pub mod speciation;
pub mod steinhardt;

pub use bonds::BondCutoff;
pub use radial_distribution::{RadialDistribution, RadialDistributionSettings};
pub use settings::StructureSettings;
pub use speciation::{Speciation, SpeciationSettings, UnitDefinition};
pub use steinhardt::{Neighborhood, Steinhardt, SteinhardtSettings};
