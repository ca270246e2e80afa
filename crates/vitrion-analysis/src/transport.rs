//! Transport: displacements, diffusion, conductivity, extrapolation in temperature.

mod arrhenius;
mod collective;
mod correlator;
mod diffusion;
mod lags;
mod moments;
mod msd;
mod non_gaussian;
mod pass;
mod recording;
mod reference;
mod regions;
mod self_intermediate_scattering;
mod settings;
mod snapshots;
mod spectrum;
mod van_hove;
mod window;

pub use arrhenius::{ArrheniusPoint, ArrheniusSettings, arrhenius};
pub use collective::{CollectiveSettings, GreenKubo, green_kubo};
pub use correlator::{Correlator, CorrelatorSettings};
pub use diffusion::{Diffusion, DiffusionSettings, diffusion};
pub use msd::{MsdSettings, mean_squared_displacement};
pub use non_gaussian::non_gaussian_parameter;
pub use pass::{Motion, MotionPass};
pub use recording::{Recording, RecordingSettings};
pub use regions::{RegionRule, RegionsSettings, Slab};
pub use self_intermediate_scattering::ScatteringSettings;
pub use settings::MotionSettings;
pub use snapshots::SnapshotSettings;
pub use van_hove::VanHoveSettings;
