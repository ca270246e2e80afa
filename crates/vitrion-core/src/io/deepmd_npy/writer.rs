//! Frames of one composition into a system folder.

use super::super::IoError;
use super::array;
use crate::frame::Frame;
use crate::species::SpeciesId;
use crate::trajectory::FrameSink;
use std::path::{Path, PathBuf};

/// Collects frames and writes `type.raw`, `type_map.raw` and `set.000` (f64) when finished.
pub struct Writer {
    path: PathBuf,
    overwrite: bool,
    frames: Vec<Frame>,
}

impl Writer {
    /// Starts a system folder.
    ///
    /// # Errors
    /// The folder exists and must not be overwritten, or it is not a system that could be replaced.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, IoError> {
        if path.exists() && !overwrite {
            return Err(IoError::invalid(
                path,
                "the folder exists and is not overwritten",
                Some("choose another name, or allow it with --overwrite"),
            ));
        }
        if path.exists() && !path.join("type.raw").is_file() {
            return Err(IoError::invalid(
                path,
                "this is not a deepmd/npy system (it has no type.raw), so it is not replaced",
                Some("choose another name"),
            ));
        }
        if path.file_name().is_none() {
            return Err(IoError::invalid(path, "the name of a folder is needed", None));
        }
        Ok(Writer { path: path.to_owned(), overwrite, frames: Vec::new() })
    }

    fn species_of(frame: &Frame) -> Vec<&str> {
        (0..frame.structure.len()).map(|i| frame.structure.symbol(i)).collect()
    }

    /// An array of one number per frame and column, if all frames or none have it.
    fn column<T>(
        &self,
        what: &str,
        of: impl Fn(&Frame) -> Option<T>,
    ) -> Result<Option<Vec<T>>, IoError> {
        let values: Vec<T> = self.frames.iter().filter_map(&of).collect();
        if values.is_empty() {
            return Ok(None);
        }
        if values.len() < self.frames.len() {
            let missing = self.frames.iter().position(|f| of(f).is_none()).unwrap_or(0);
            return Err(IoError::invalid(
                &self.path,
                format!("frame {missing} has no {what}, but others have"),
                Some("deepmd/npy needs a label in all frames of a system or in none"),
            ));
        }
        Ok(Some(values))
    }
}

impl FrameSink for Writer {
    fn write(&mut self, frame: &Frame) -> Result<(), IoError> {
        if let Some(first) = self.frames.first() {
            if Self::species_of(first) != Self::species_of(frame) {
                return Err(IoError::invalid(
                    &self.path,
                    format!(
                        "frame {} is {} ({} atoms), the first frame is {}: a system holds frames of \
                         the same atoms in the same order",
                        self.frames.len(),
                        frame.structure.formula(),
                        frame.structure.len(),
                        first.structure.formula()
                    ),
                    Some("convert each composition into a folder of its own"),
                ));
            }
            if first.structure.cell.periodicity() != frame.structure.cell.periodicity() {
                return Err(IoError::invalid(
                    &self.path,
                    format!("frame {} has another periodicity than the first", self.frames.len()),
                    None,
                ));
            }
        } else {
            let periodic = frame.structure.cell.periodicity();
            if periodic.iter().any(|p| *p) && !periodic.iter().all(|p| *p) {
                return Err(IoError::invalid(
                    &self.path,
                    "deepmd/npy holds fully periodic or fully isolated systems, not slabs",
                    None,
                ));
            }
        }
        self.frames.push(frame.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), IoError> {
        let Some(first) = self.frames.first() else {
            return Err(IoError::invalid(&self.path, "no frame was written", None));
        };
        let energy = self.column("energy", |f| f.labels.energy)?;
        let forces = self.column("forces", |f| f.labels.forces.clone())?;
        let virial = self.column("virial", |f| f.labels.virial)?;
        let atom_energy = self.column("atom energies", |f| f.labels.atom_energies.clone())?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = self.path.with_file_name(name);
        let set = part.join("set.000");
        if part.exists() {
            std::fs::remove_dir_all(&part).map_err(IoError::os(&part, "remove"))?;
        }
        std::fs::create_dir_all(&set).map_err(IoError::os(&set, "create"))?;
        let text = |name: &str, content: String| {
            let path = part.join(name);
            std::fs::write(&path, content).map_err(IoError::os(&path, "write"))
        };
        let structure = &first.structure;
        let lines = |items: Vec<String>| items.into_iter().map(|s| s + "\n").collect::<String>();
        text("type_map.raw", lines(structure.table.symbols().to_vec()))?;
        let types = structure.species.iter().map(|SpeciesId(id)| id.to_string());
        text("type.raw", lines(types.collect()))?;
        if structure.cell.periodicity() == [false; 3] {
            text("nopbc", String::new())?;
        }
        let (frames, atoms) = (self.frames.len() as u64, structure.len() as u64);
        let coord = self.frames.iter().flat_map(|f| f.structure.positions.as_flattened());
        array::write(&set.join("coord.npy"), &[frames, 3 * atoms], coord.copied())?;
        let cells = self.frames.iter().flat_map(|f| f.structure.cell.matrix().as_flattened());
        array::write(&set.join("box.npy"), &[frames, 9], cells.copied())?;
        if let Some(energy) = energy {
            array::write(&set.join("energy.npy"), &[frames], energy.into_iter())?;
        }
        if let Some(forces) = forces {
            let flat = forces.iter().flat_map(|f| f.as_flattened()).copied();
            array::write(&set.join("force.npy"), &[frames, 3 * atoms], flat)?;
        }
        if let Some(virial) = virial {
            let flat = virial.iter().flat_map(|w| w.as_flattened()).copied();
            array::write(&set.join("virial.npy"), &[frames, 9], flat)?;
        }
        if let Some(atom_energy) = atom_energy {
            array::write(
                &set.join("atom_ener.npy"),
                &[frames, atoms],
                atom_energy.into_iter().flatten(),
            )?;
        }
        if self.overwrite && self.path.exists() {
            std::fs::remove_dir_all(&self.path).map_err(IoError::os(&self.path, "replace"))?;
        }
        std::fs::rename(&part, &self.path).map_err(IoError::os(&self.path, "rename"))
    }
}
