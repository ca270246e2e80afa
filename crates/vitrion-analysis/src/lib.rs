//! Structure and transport of trajectories, with uncertainties.
//!
//! Analyses are accumulators: frames go in one by one (`add`), [`Observables`] come out (`finish`
//! or a function of the accumulated data). They know nothing of networks or integrators.

pub mod error;
pub mod structure;
pub mod transport;

pub use error::AnalysisError;
pub use structure::RadialDistribution;
pub use transport::{
    ArrheniusPoint, ArrheniusSettings, Correlator, CorrelatorSettings, Diffusion,
    DiffusionSettings, DisplacementSettings, Displacements, arrhenius, diffusion,
    mean_squared_displacement,
};
pub use vitrion_core::observables::Observables;
