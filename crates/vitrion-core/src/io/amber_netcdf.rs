//! Trajectories in the AMBER convention of NetCDF (classic format), which OVITO, MDAnalysis and VMD read.
//!
//! Every frame has the same size, so any frame is found without reading the others, and a file can grow
//! and be cut at any frame. Layout: the NetCDF classic format specification (Unidata) and the AMBER
//! NetCDF convention 1.0; integers and numbers are big-endian.
//!
//! * `coordinates(frame, atom, spatial)` \[Å\] and, if written, `velocities` \[Å/ps\] are f32: positions
//!   are rounded by at most 4e-6 Å below 64 Å and twice that for each doubling. Nothing else is lost.
//! * `cell_lengths`, `cell_angles` \[Å, degrees\] are all that the convention knows, so coordinates are
//!   turned into its orientation: first lattice vector along x, second in the xy plane.
//! * What the convention lacks are variables of our own, which other programs skip: `species` and the
//!   attribute `species_symbols`, `phase` and `phase_names`, `cell_vectors` (the exact matrix; with it our
//!   reader turns frames back), `time_fs`, `step`.
//!
//! Positions are written as they are, unwrapped. Files without `species`, such as AMBER's own, are
//! refused: they do not say what the atoms are.

mod header;
mod reader;
mod writer;

use super::IoError;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

pub use reader::Reader;
pub use writer::{Layout, Sink};

/// "CDF" and the version: 1 has 32-bit offsets, 2 has 64-bit ones.
const MAGIC: &[u8; 3] = b"CDF";

/// True if a file begins as NetCDF classic files do.
pub(super) fn is_netcdf(path: &Path) -> Result<bool, IoError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(IoError::os(path, "open"))?;
    file.take(4).read_to_end(&mut head).map_err(IoError::os(path, "read"))?;
    Ok(head.starts_with(MAGIC) && matches!(head.get(3), Some(1 | 2)))
}

#[cfg(test)]
mod tests;
