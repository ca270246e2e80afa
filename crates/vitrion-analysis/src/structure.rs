//! Static structure.

pub mod amorphization;
pub mod bond_angles;
pub mod bonds;
pub mod coordination;
pub mod profiles;
pub mod radial_distribution;
pub mod settings;
pub mod speciation;
pub mod steinhardt;
pub mod structure_factor;
pub mod voronoi;

pub use amorphization::{Amorphization, AmorphizationSettings};
pub use bond_angles::{BondAngles, BondAnglesSettings};
pub use bonds::BondCutoff;
pub use coordination::{Coordination, CoordinationSettings};
pub use profiles::{Center, Profiles, ProfilesSettings, profile_of};
pub use radial_distribution::{RadialDistribution, RadialDistributionSettings};
pub use settings::StructureSettings;
pub use speciation::{Speciation, SpeciationSettings, UnitDefinition};
pub use steinhardt::{Neighborhood, Steinhardt, SteinhardtSettings};
pub use structure_factor::{Experiment, Scattering, StructureFactor, StructureFactorSettings};
pub use voronoi::{VoronoiSettings, VoronoiVolumes};
