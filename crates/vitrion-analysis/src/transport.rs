//! Transport: displacements, diffusion, conductivity, extrapolation in temperature.

mod arrhenius;
mod correlator;
mod diffusion;
mod displacements;
mod msd;
mod non_gaussian;

pub use arrhenius::{ArrheniusPoint, ArrheniusSettings, arrhenius};
pub use correlator::{Correlator, CorrelatorSettings};
pub use diffusion::{Diffusion, DiffusionSettings, diffusion};
pub use displacements::{DisplacementSettings, Displacements};
pub use msd::mean_squared_displacement;
pub use non_gaussian::non_gaussian_parameter;
