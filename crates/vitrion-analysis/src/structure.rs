//! Where atoms are: pair distributions and coordination.

pub mod radial_distribution;
mod shell;

pub use radial_distribution::RadialDistribution;

/// Why a structural quantity could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StructureError {
    /// A range or bin width that makes no histogram.
    #[error("r_max {r_max} Å with bins of {dr} Å: need 0 < dr < r_max, both finite")]
    BadRange { r_max: f64, dr: f64 },
    /// Frames of one trajectory with different atoms.
    #[error("frame {frame} has {found}, the first frame has {expected}")]
    CompositionChanged { frame: usize, expected: String, found: String },
    /// A species of the frame that the table lacks.
    #[error("frame {frame}: {source}")]
    Species {
        frame: usize,
        #[source]
        source: vitrion_core::species::SpeciesError,
    },
    /// g(r) needs a density, and a density needs a volume.
    #[error(
        "frame {frame} is not periodic along {directions}; g(r) needs a cell that repeats along \
         all three lattice vectors"
    )]
    NotPeriodic { frame: usize, directions: String },
    /// NaN or infinite position.
    #[error("frame {frame}, atom {atom}: position {position:?} is not finite")]
    NotFinite { frame: usize, atom: usize, position: vitrion_core::Vector3 },
    /// Nothing was added.
    #[error("no frame was added; a radial distribution needs at least one")]
    NoFrames,
}
