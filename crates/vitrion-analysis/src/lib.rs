//! Structure and transport of trajectories, with uncertainties.
//!
//! Analyses of structure implement [`StructuralAnalysis`]; a [`Pass`] shows every frame to any number
//! of them. Analyses of motion are accumulators: frames go in one by one (`add`), [`Observables`] come
//! out. None of them knows of networks or integrators.

pub mod error;
pub mod pairs;
pub mod pass;
pub mod samples;
pub mod softness;
pub mod structure;
pub mod tessellation;
pub mod transport;

pub use error::AnalysisError;
pub use pass::{Accumulator, Pass, StructuralAnalysis};
pub use structure::{Neighborhood, RadialDistribution, Steinhardt, SteinhardtSettings};
pub use transport::{
    ArrheniusPoint, ArrheniusSettings, Attachment, CollectiveSettings, Correlator,
    CorrelatorSettings, CurrentCorrelation, DensityMapSettings, Diffusion, DiffusionSettings,
    HopSettings, Motion, MotionPass, MotionSettings, MsdSettings, PathSettings, Recording,
    RecordingSettings, RegionRule, RegionsSettings, ReorientationSettings, ScatteringSettings,
    SiteSettings, Slab, SnapshotSettings, VanHoveSettings, arrhenius, diffusion,
    mean_squared_displacement, non_gaussian_parameter, pooled,
};
pub use vitrion_core::observables::Observables;
