//! How atoms move: displacements, diffusion, conductivity, and their temperature dependence.
//!
//! [`Trajectory`] takes frames one by one; [`MeanSquaredDisplacement`] averages displacements over
//! ions and time origins; [`Diffusion`] fits the diffusive part with the covariance of its points;
//! [`arrhenius`](arrhenius::arrhenius) joins temperatures.

pub mod arrhenius;
pub mod diffusion;
pub mod displacement;
pub mod trajectory;
mod window;

pub use arrhenius::{ArrheniusOptions, ArrheniusPoint, arrhenius};
pub use diffusion::{Diffusion, DiffusionOptions, Outcome};
pub use displacement::MeanSquaredDisplacement;
pub use trajectory::{Drift, Positions, Trajectory, TrajectoryOptions};

use vitrion_core::stats::StatsError;

/// Why a transport quantity could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Not enough frames for what was asked.
    #[error("{quantity} needs at least {needed} frames, the trajectory has {found}")]
    TooFewFrames { quantity: &'static str, needed: usize, found: usize },
    /// A species without atoms.
    #[error("no atom of {symbol} to follow; the trajectory holds {}", known.join(", "))]
    NoSuchSpecies { symbol: String, known: Vec<String> },
    /// A reference for the drift without atoms.
    #[error(
        "every atom is {}: there is no framework whose drift could be removed; \
         choose the drift of the centre of mass, or none", mobile.join(" or ")
    )]
    NoFramework { mobile: Vec<String> },
    /// Frames of one trajectory with different atoms.
    #[error("frame {frame} has {found}, the first frame has {expected}, in another order perhaps")]
    AtomsChanged { frame: usize, expected: String, found: String },
    /// NaN or infinite position.
    #[error("frame {frame}, atom {atom}: position {position:?} is not finite")]
    NotFinite { frame: usize, atom: usize, position: vitrion_core::Vector3 },
    /// A jump that only wrapping explains.
    #[error(
        "atom {atom} ({symbol}) moves {jump:.2} Å between frames {} and {frame}, but only \
         {shortest:.2} Å to its nearest image: the positions look wrapped into the cell. Read \
         them as wrapped (displacements by nearest image), or write unwrapped positions (xu yu zu)",
        frame - 1
    )]
    LooksWrapped { frame: usize, atom: usize, symbol: String, jump: f64, shortest: f64 },
    /// Image flags and a cell that changes.
    #[error(
        "frame {frame} carries image flags and its cell differs from the first: adding images \
         times the present cell inflates displacements. Read the positions as wrapped instead"
    )]
    ImagesInChangingCell { frame: usize },
    /// Frames know their time in part only.
    #[error("frame {frame} has no time; give the time between frames")]
    NoTime { frame: usize },
    /// Frames are not equally spaced in time.
    #[error(
        "frame {frame} is {found} fs after the one before, expected {expected} fs; \
         displacements need equally spaced frames"
    )]
    UnevenTime { frame: usize, expected: f64, found: f64 },
    /// A number outside its meaning.
    #[error("{what} is {value}; expected {expected}")]
    BadValue { what: &'static str, value: f64, expected: &'static str },
    /// A fit failed.
    #[error("{doing}: {source}")]
    Statistics {
        doing: &'static str,
        #[source]
        source: StatsError,
    },
}
