//! What can go wrong in an analysis.

/// Why an analysis could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// Nothing to analyse.
    #[error("{what} needs at least {needed} frames, found {found}")]
    TooFewFrames { what: &'static str, needed: usize, found: usize },
    /// A species that the trajectory lacks.
    #[error("no atom of species {species} in the trajectory; it holds {}", present.join(", "))]
    NoSuchSpecies { species: String, present: Vec<String> },
    /// Frames of different atoms.
    #[error("frame {frame}: {found} atoms, but the first frame has {expected}")]
    AtomsChanged { frame: usize, expected: usize, found: usize },
    /// An atom that became another element.
    #[error("frame {frame}: the species of atom {atom} is not that of the first frame")]
    SpeciesChanged { frame: usize, atom: usize },
    /// An element that the analysis was not set up for.
    #[error("frame {frame}: {source}")]
    Species {
        frame: usize,
        #[source]
        source: vitrion_core::species::SpeciesError,
    },
    /// NaN or infinity.
    #[error("frame {frame}: the position of atom {atom} is {position:?}; it must be finite")]
    NotFinite { frame: usize, atom: usize, position: vitrion_core::Vector3 },
    /// No volume, no density.
    #[error(
        "frame {frame} is not periodic in all three directions; this analysis needs a cell that \
         repeats"
    )]
    NotPeriodic { frame: usize },
    /// No time in the frames.
    #[error(
        "frame {frame} has no time; give the interval between frames (--frame-interval \"20 fs\")"
    )]
    NoTime { frame: usize },
    /// Frames that are not equally spaced.
    #[error(
        "frame {frame} is {found} fs after the one before, but the interval so far is {expected} fs; \
         transport needs equally spaced frames"
    )]
    UnequalTimes { frame: usize, expected: f64, found: f64 },
    /// Positions that jump by a cell.
    #[error(
        "frame {frame}: atom {atom} moves by {distance:.2} Å between frames, {nearer:.2} Å to its \
         nearest image: the positions are wrapped, or their image flags are wrong. Unwrap them (--unwrap) if frames are close \
         enough in time that no atom really moves half a cell"
    )]
    Wrapped { frame: usize, atom: usize, distance: f64, nearer: f64 },
    /// A cell that is not the one before, a little deformed.
    #[error(
        "frame {frame}: the cell differs too much from that of the frame before for displacements to be told; write frames more often, or \
         analyse the parts before and after on their own"
    )]
    CellJumped { frame: usize },
    /// No room for positions that do not fit into memory.
    #[error(
        "cannot {doing} a temporary file in {}: {message}; it holds the positions of all frames, choose a folder with room for them \
         by the environment variable TMPDIR",
        folder.display()
    )]
    Scratch { doing: &'static str, folder: std::path::PathBuf, message: String },
    /// A vector of length zero points nowhere.
    #[error("frame {frame}: an atom lies at the very place of atom {atom}; no bond joins them")]
    NoDirection { frame: usize, atom: usize },
    /// No plane lies between two atoms at one place.
    #[error("frame {frame}: atoms {} and {} lie at one place; no Voronoi cell parts them", atoms[0], atoms[1])]
    SamePlace { frame: usize, atoms: [usize; 2] },
    /// A fixed number of neighbours where there are not as many atoms.
    #[error("frame {frame}: atom {atom} has only {found} atoms around it; {needed} were asked for")]
    TooFewNeighbors { frame: usize, atom: usize, needed: usize, found: usize },
    /// A phase that no atom is labelled with.
    #[error(
        "frame {frame}: no atom of phase {phase}; {}",
        if present.is_empty() { "atoms are not labelled".into() } else { format!("there are {}", present.join(", ")) }
    )]
    NoSuchPhase { frame: usize, phase: String, present: Vec<String> },
    /// A parameter that makes no sense.
    #[error("{name} is {found}; expected {expected}")]
    Parameter { name: &'static str, found: String, expected: String },
}

/// Refuses positions that are NaN or infinite, with the place.
pub(crate) fn check_finite(
    frame: usize,
    positions: &[vitrion_core::Vector3],
) -> Result<(), AnalysisError> {
    match positions.iter().position(|r| !r.iter().all(|x| x.is_finite())) {
        Some(atom) => Err(AnalysisError::NotFinite { frame, atom, position: positions[atom] }),
        None => Ok(()),
    }
}
