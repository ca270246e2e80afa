//! Labelled frames from many files, packed once into one memory-mapped store.

pub mod store;
pub mod validate;

pub use store::DatasetError;

use super::example::Known;
use std::ops::Range;
use std::path::{Path, PathBuf};
use store::Store;
use vitrion_core::io::ReadOptions;
use vitrion_core::math::Matrix3;
use vitrion_core::{Cell, SpeciesTable, Vector3};

/// One source of labelled frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// A deepmd/npy system (standard or mixed), an extended XYZ file, or any other labelled format.
    pub path: PathBuf,
    /// How it is called in tables; unique.
    pub name: String,
    /// Systems of one group are reported together.
    pub group: String,
    /// Sampling weight of its frames against those of other sources.
    pub weight: f64,
}

/// The frames of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    pub name: String,
    pub group: String,
    pub weight: f64,
    /// Numbers of its frames in the store, in the order of the file.
    pub frames: Range<usize>,
}

/// A frame of the store; `species` are indices into [`Dataset::species`].
#[derive(Debug, Clone)]
pub struct LabelledFrame<'a> {
    pub system: usize,
    /// Number in its source, from 0.
    pub number: usize,
    pub cell: Cell,
    /// [Å]
    pub positions: &'a [Vector3],
    pub species: &'a [u8],
    /// [eV]
    pub energy: Option<f64>,
    /// [eV/Å]
    pub forces: Option<&'a [Vector3]>,
    /// [eV]
    pub virial: Option<Matrix3>,
}

impl<'a> LabelledFrame<'a> {
    /// Its labels.
    pub fn known(&self) -> Known<'a> {
        Known { energy: self.energy, forces: self.forces, virial: self.virial }
    }

    /// Number of atoms of each species.
    pub fn counts(&self, species: usize) -> Vec<usize> {
        let mut counts = vec![0; species];
        self.species.iter().for_each(|s| counts[usize::from(*s)] += 1);
        counts
    }
}

/// Labelled frames of a model's species.
#[derive(Debug)]
pub struct Dataset {
    species: SpeciesTable,
    systems: Vec<System>,
    /// System of each frame.
    system_of: Vec<u32>,
    store: Store,
}

impl Dataset {
    /// Opens the packed file if it was made from the same sources (paths, sizes, times of change),
    /// else reads the sources and packs them. `progress` is told how many frames were read.
    ///
    /// # Errors
    /// Unreadable or malformed sources, elements the model does not know, frames without labels.
    pub fn open(
        sources: &[Source],
        species: &SpeciesTable,
        packed: &Path,
        options: &ReadOptions,
        progress: &dyn Fn(usize),
    ) -> Result<Dataset, DatasetError> {
        let store = Store::open_or_pack(sources, species, packed, options, progress)?;
        let mut start = 0;
        let mut systems = Vec::new();
        let mut system_of = Vec::new();
        for (k, (source, frames)) in sources.iter().zip(store.frames_per_source()).enumerate() {
            systems.push(System {
                name: source.name.clone(),
                group: source.group.clone(),
                weight: source.weight,
                frames: start..start + frames,
            });
            system_of.resize(start + frames, k as u32);
            start += frames;
        }
        Ok(Dataset { species: species.clone(), systems, system_of, store })
    }

    /// Species that indices refer to.
    pub fn species(&self) -> &SpeciesTable {
        &self.species
    }

    /// The sources' frames.
    pub fn systems(&self) -> &[System] {
        &self.systems
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.system_of.len()
    }

    /// True without frames.
    pub fn is_empty(&self) -> bool {
        self.system_of.is_empty()
    }

    /// Atoms of all frames.
    pub fn atoms(&self) -> usize {
        (0..self.len()).map(|frame| self.atoms_of(frame)).sum()
    }

    /// Atoms of one frame.
    pub fn atoms_of(&self, frame: usize) -> usize {
        self.store.atoms_of(frame)
    }

    /// System of one frame.
    pub fn system_of(&self, frame: usize) -> usize {
        self.system_of[frame] as usize
    }

    /// One frame.
    pub fn frame(&self, frame: usize) -> LabelledFrame<'_> {
        let system = self.system_of(frame);
        self.store.frame(frame, system, frame - self.systems[system].frames.start)
    }

    /// A name for messages: system and number in its source.
    pub fn name_of(&self, frame: usize) -> String {
        let system = &self.systems[self.system_of(frame)];
        format!("frame {} of {}", frame - system.frames.start, system.name)
    }

    /// Hash of all content.
    pub fn fingerprint(&self) -> &str {
        self.store.fingerprint()
    }
}

#[cfg(test)]
mod tests;
