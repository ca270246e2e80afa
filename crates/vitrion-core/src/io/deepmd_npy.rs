//! Labelled frames as NumPy arrays, DeePMD-kit's `deepmd/npy` layout.
//!
//! ```text
//! system/type.raw  type_map.raw  [nopbc]  set.000/{coord,box,energy,force,virial,…}.npy  set.001/…
//! ```
//!
//! Units: Å, eV, eV/Å; `virial` \[eV\] is `W = −∂E/∂ε`, positive = outward pressure, row-major.
//! Arrays are f32 or f64. Types are matched by the names in `type_map.raw`. In the `mixed` layout
//! `real_atom_types.npy` gives the types of every frame, −1 marking atoms that are not there.

mod writer;

pub use writer::Writer;

use super::{IoError, ReadOptions};
use crate::cell::Cell;
use crate::frame::{Frame, Labels};
use crate::math::Vector3;
use crate::species::{SpeciesId, SpeciesTable};
use crate::structure::Structure;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Streams the frames of a system, one set at a time.
pub struct Reader {
    table: Arc<SpeciesTable>,
    /// `type.raw`
    types: Vec<usize>,
    periodic: bool,
    sets: VecDeque<PathBuf>,
    set: Option<Set>,
    failed: bool,
}

/// The arrays of one set.
struct Set {
    folder: PathBuf,
    next: usize,
    frames: usize,
    coord: Vec<f64>,
    cells: Option<Vec<f64>>,
    energy: Option<Vec<f64>>,
    force: Option<Vec<f64>>,
    virial: Option<Vec<f64>>,
    atom_energy: Option<Vec<f64>>,
    /// Types of every frame in the mixed layout.
    real_types: Option<Vec<f64>>,
}

impl Reader {
    /// Opens a system folder.
    ///
    /// # Errors
    /// Missing or malformed `type.raw` or `type_map.raw`, no sets.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, IoError> {
        let types_path = path.join("type.raw");
        let text =
            std::fs::read_to_string(&types_path).map_err(IoError::os(&types_path, "read"))?;
        let names_path = path.join("type_map.raw");
        let names: Vec<String> = if names_path.exists() {
            let names =
                std::fs::read_to_string(&names_path).map_err(IoError::os(&names_path, "read"))?;
            names.split_whitespace().map(str::to_owned).collect()
        } else if let Some(map) = &options.type_map {
            map.clone()
        } else {
            return Err(IoError::invalid(
                path,
                "the system has no type_map.raw, so its types are only numbers",
                Some("name the elements in order with --type-map, for example --type-map Li,P,S"),
            ));
        };
        let table = SpeciesTable::new(&names)
            .map_err(|error| IoError::invalid(&names_path, error.to_string(), None))?;
        let mut types = Vec::new();
        for (line, word) in text.split_whitespace().enumerate() {
            let index = word.parse::<usize>().ok().filter(|t| *t < names.len());
            types.push(index.ok_or_else(|| IoError::Parse {
                path: types_path.clone(),
                line: line + 1,
                expected: format!("a type from 0 to {} ({})", names.len() - 1, names.join(", ")),
                found: word.to_owned(),
                hint: None,
            })?);
        }
        if types.is_empty() {
            return Err(IoError::invalid(&types_path, "no atom types", None));
        }
        let mut sets: Vec<PathBuf> = std::fs::read_dir(path)
            .map_err(IoError::os(path, "read"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|p| {
                p.is_dir() && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("set."))
            })
            .collect();
        sets.sort();
        if sets.is_empty() {
            return Err(IoError::invalid(
                path,
                "the system holds no set.000, set.001, … folder",
                None,
            ));
        }
        Ok(Reader {
            table: Arc::new(table),
            types,
            periodic: !path.join("nopbc").exists(),
            sets: sets.into(),
            set: None,
            failed: false,
        })
    }

    fn frame(&mut self) -> Result<Option<Frame>, IoError> {
        loop {
            if let Some(set) = &mut self.set
                && set.next < set.frames
            {
                let index = set.next;
                set.next += 1;
                return set.frame(index, &self.types, &self.table, self.periodic).map(Some);
            }
            let Some(folder) = self.sets.pop_front() else { return Ok(None) };
            self.set = Some(Set::load(folder, self.types.len(), self.periodic)?);
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.frame().transpose();
        self.failed = matches!(result, Some(Err(_)));
        result
    }
}

impl Set {
    fn load(folder: PathBuf, atoms: usize, periodic: bool) -> Result<Set, IoError> {
        let coord_path = folder.join("coord.npy");
        let (shape, coord) = array(&coord_path)?;
        let frames = shape.first().copied().unwrap_or(0);
        if shape != [frames, 3 * atoms] {
            return Err(wrong_shape(&coord_path, &shape, &[frames, 3 * atoms]));
        }
        let optional = |name: &str, columns: usize| -> Result<Option<Vec<f64>>, IoError> {
            let path = folder.join(name);
            if !path.exists() {
                return Ok(None);
            }
            let (shape, data) = array(&path)?;
            let flat = columns == 1 && shape == [frames];
            if !flat && shape != [frames, columns] {
                return Err(wrong_shape(&path, &shape, &[frames, columns]));
            }
            Ok(Some(data))
        };
        let cells = optional("box.npy", 9)?;
        if periodic && cells.is_none() {
            return Err(IoError::invalid(
                &folder,
                "no box.npy",
                Some("a system without periodic boundaries has an empty file named nopbc"),
            ));
        }
        Ok(Set {
            next: 0,
            frames,
            coord,
            cells,
            energy: optional("energy.npy", 1)?,
            force: optional("force.npy", 3 * atoms)?,
            virial: optional("virial.npy", 9)?,
            atom_energy: optional("atom_ener.npy", atoms)?,
            real_types: optional("real_atom_types.npy", atoms)?,
            folder,
        })
    }

    fn frame(
        &self,
        index: usize,
        types: &[usize],
        table: &Arc<SpeciesTable>,
        periodic: bool,
    ) -> Result<Frame, IoError> {
        let atoms = types.len();
        let trouble = |message: String| {
            IoError::invalid(&self.folder, format!("frame {index}: {message}"), None)
        };
        let mut kept = Vec::with_capacity(atoms);
        let mut species = Vec::with_capacity(atoms);
        for (atom, type_index) in types.iter().enumerate() {
            let id = match &self.real_types {
                None => *type_index as f64,
                Some(real) => real[index * atoms + atom],
            };
            if id < 0.0 {
                continue;
            }
            if id.fract() != 0.0 || id >= table.len() as f64 {
                return Err(trouble(format!(
                    "atom {atom} has type {id}, expected 0 to {}",
                    table.len() - 1
                )));
            }
            kept.push(atom);
            species.push(SpeciesId(id as u8));
        }
        let vectors = |data: &[f64]| -> Vec<Vector3> {
            let row = &data[index * 3 * atoms..(index + 1) * 3 * atoms];
            kept.iter().map(|atom| std::array::from_fn(|k| row[3 * atom + k])).collect()
        };
        let matrix = |data: &[f64]| {
            std::array::from_fn(|a| std::array::from_fn(|b| data[index * 9 + 3 * a + b]))
        };
        let positions = vectors(&self.coord);
        let cell = match (&self.cells, periodic) {
            (Some(cells), true) => Cell::periodic(matrix(cells)),
            _ => surrounding(&positions),
        }
        .map_err(|error| trouble(error.to_string()))?;
        Ok(Frame {
            structure: Structure { cell, species, positions, table: table.clone() },
            step: None,
            time: None,
            velocities: None,
            images: None,
            labels: Labels {
                energy: self.energy.as_ref().map(|e| e[index]),
                forces: self.force.as_deref().map(vectors),
                virial: self.virial.as_deref().map(matrix),
                atom_energies: self
                    .atom_energy
                    .as_ref()
                    .map(|e| kept.iter().map(|atom| e[index * atoms + atom]).collect()),
            },
        })
    }
}

/// A cell without periodicity around the atoms.
fn surrounding(positions: &[Vector3]) -> Result<Cell, crate::cell::CellError> {
    let span = |k: usize| {
        let low = positions.iter().map(|r| r[k]).fold(f64::INFINITY, f64::min);
        let high = positions.iter().map(|r| r[k]).fold(f64::NEG_INFINITY, f64::max);
        (high - low).max(0.0) + 10.0
    };
    Cell::new([[span(0), 0.0, 0.0], [0.0, span(1), 0.0], [0.0, 0.0, span(2)]], [false; 3])
}

fn wrong_shape(path: &Path, found: &[usize], expected: &[usize]) -> IoError {
    IoError::invalid(
        path,
        format!("the array has shape {found:?}, expected {expected:?}"),
        Some("rows are frames; columns follow from the number of atoms in type.raw"),
    )
}

/// Shape and values of an array of numbers, as f64.
fn array(path: &Path) -> Result<(Vec<usize>, Vec<f64>), IoError> {
    let bytes = std::fs::read(path).map_err(IoError::os(path, "read"))?;
    let damaged = |error: std::io::Error| {
        IoError::invalid(path, format!("not a readable .npy array: {error}"), None)
    };
    let npy = npyz::NpyFile::new(&bytes[..]).map_err(damaged)?;
    let shape: Vec<usize> = npy.shape().iter().map(|n| *n as usize).collect();
    if npy.order() != npyz::Order::C {
        return Err(IoError::invalid(
            path,
            "the array is stored column by column (Fortran order)",
            Some("save it with numpy.ascontiguousarray"),
        ));
    }
    let kind = npy.dtype().descr();
    let data: Vec<f64> = match kind.trim_matches(|c| "'<>|=".contains(c)) {
        "f8" => npy.into_vec::<f64>().map_err(damaged)?,
        "f4" => npy.into_vec::<f32>().map_err(damaged)?.into_iter().map(f64::from).collect(),
        "i4" => npy.into_vec::<i32>().map_err(damaged)?.into_iter().map(f64::from).collect(),
        "i8" => npy.into_vec::<i64>().map_err(damaged)?.into_iter().map(|x| x as f64).collect(),
        other => {
            return Err(IoError::invalid(
                path,
                format!("the array holds {other}, expected f4 or f8 (i4 or i8 for types)"),
                None,
            ));
        }
    };
    if let Some(at) = data.iter().position(|x| !x.is_finite()) {
        let columns = (data.len() / shape[0].max(1)).max(1);
        return Err(IoError::invalid(
            path,
            format!("frame {}, column {}: {} is not finite", at / columns, at % columns, data[at]),
            None,
        ));
    }
    Ok((shape, data))
}

#[cfg(test)]
mod tests;
