//! Labelled frames as NumPy arrays, DeePMD-kit's `deepmd/npy` layout.
//!
//! ```text
//! system/type.raw  type_map.raw  [nopbc]  set.000/{coord,box,energy,force,virial,…}.npy  set.001/…
//! ```
//!
//! Units: Å, eV, eV/Å; `virial` \[eV\] is `W = −∂E/∂ε`, positive = outward pressure, row-major.
//! Arrays are f32 or f64, rows are frames. Types are matched by the names in `type_map.raw`. In the `mixed` layout
//! `real_atom_types.npy` (integers) gives the types of every frame, −1 marking atoms that are not there.
//! Without periodicity `box.npy` may be absent or zero; the frames then get a box around the atoms.

mod array;
mod writer;

pub use writer::Writer;

use super::{IoError, ReadOptions};
use crate::cell::Cell;
use crate::frame::{Frame, Labels};
use crate::math::Vector3;
use crate::species::{SpeciesId, SpeciesTable};
use crate::structure::Structure;
use array::Row;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Streams the frames of a system, one set at a time.
pub struct Reader {
    table: Arc<SpeciesTable>,
    /// `type.raw`
    types: Vec<SpeciesId>,
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
    /// Types of every frame in the mixed layout; `None` is an atom that is not there.
    real_types: Option<Vec<Option<SpeciesId>>>,
}

impl Reader {
    /// Opens a system folder.
    ///
    /// # Errors
    /// Missing or malformed `type.raw` or `type_map.raw`, no sets.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, IoError> {
        let table = read_table(path, options)?;
        Ok(Reader {
            types: read_types(&path.join("type.raw"), &table)?,
            table: Arc::new(table),
            periodic: !path.join("nopbc").exists(),
            sets: find_sets(path)?,
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
            self.set = Some(Set::load(folder, self.types.len(), &self.table, self.periodic)?);
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

/// The species named by `type_map.raw`, or else by the user.
fn read_table(path: &Path, options: &ReadOptions) -> Result<SpeciesTable, IoError> {
    let names_path = path.join("type_map.raw");
    let (place, names) = if names_path.exists() {
        let text =
            std::fs::read_to_string(&names_path).map_err(IoError::os(&names_path, "read"))?;
        (names_path.as_path(), text.split_whitespace().map(str::to_owned).collect())
    } else if let Some(map) = &options.type_map {
        (path, map.clone())
    } else {
        return Err(IoError::invalid(
            path,
            "the system has no type_map.raw, so its types are only numbers",
            Some("name the elements in order with --type-map, for example --type-map Li,P,S"),
        ));
    };
    if names.is_empty() {
        return Err(IoError::invalid(place, "no element is named", None));
    }
    SpeciesTable::new(&names).map_err(|error| IoError::invalid(place, error.to_string(), None))
}

fn read_types(path: &Path, table: &SpeciesTable) -> Result<Vec<SpeciesId>, IoError> {
    let text = std::fs::read_to_string(path).map_err(IoError::os(path, "read"))?;
    let mut types = Vec::new();
    for (line, content) in text.lines().enumerate() {
        for word in content.split_whitespace() {
            let id = word.parse::<i64>().ok().and_then(|number| species(number, table));
            types.push(id.ok_or_else(|| IoError::Parse {
                path: path.to_owned(),
                line: line + 1,
                expected: known_types(table),
                found: word.to_owned(),
                hint: None,
            })?);
        }
    }
    if types.is_empty() {
        return Err(IoError::invalid(path, "no atom types", None));
    }
    Ok(types)
}

fn species(number: i64, table: &SpeciesTable) -> Option<SpeciesId> {
    let id = SpeciesId(u8::try_from(number).ok()?);
    (id.index() < table.len()).then_some(id)
}

fn known_types(table: &SpeciesTable) -> String {
    format!("a type from 0 to {} ({})", table.len() - 1, table.symbols().join(", "))
}

/// The folders `set.…` in the order of their numbers.
fn find_sets(path: &Path) -> Result<VecDeque<PathBuf>, IoError> {
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(path).map_err(IoError::os(path, "read"))? {
        let folder = entry.map_err(IoError::os(path, "read"))?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(number) = name.strip_prefix("set.").filter(|_| folder.is_dir()) else { continue };
        let number: u64 = number.parse().map_err(|_| {
            IoError::invalid(
                &folder,
                "sets are numbered: set.000, set.001, …",
                Some("rename the folder, or move it out of the system"),
            )
        })?;
        sets.push((number, folder));
    }
    sets.sort();
    if sets.is_empty() {
        return Err(IoError::invalid(
            path,
            "the system holds no set.000, set.001, … folder",
            Some("a system is the folder that holds type.raw and the sets"),
        ));
    }
    Ok(sets.into_iter().map(|(_, folder)| folder).collect())
}

impl Set {
    fn load(
        folder: PathBuf,
        atoms: usize,
        table: &SpeciesTable,
        periodic: bool,
    ) -> Result<Set, IoError> {
        let vectors = Row::Atoms { atoms, each: 3 };
        let (frames, coord) = array::numbers(&folder.join("coord.npy"), vectors, None)?;
        let optional = |name: &str, row: Row| -> Result<Option<Vec<f64>>, IoError> {
            let path = folder.join(name);
            if !path.exists() {
                return Ok(None);
            }
            array::numbers(&path, row, Some(frames)).map(|(_, data)| Some(data))
        };
        let cells = optional("box.npy", Row::Frame(9))?;
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
            energy: optional("energy.npy", Row::Frame(1))?,
            force: optional("force.npy", vectors)?,
            virial: optional("virial.npy", Row::Frame(9))?,
            atom_energy: optional("atom_ener.npy", Row::Atoms { atoms, each: 1 })?,
            real_types: real_types(&folder.join("real_atom_types.npy"), atoms, frames, table)?,
            folder,
        })
    }

    fn frame(
        &self,
        index: usize,
        types: &[SpeciesId],
        table: &Arc<SpeciesTable>,
        periodic: bool,
    ) -> Result<Frame, IoError> {
        let atoms = types.len();
        let (kept, species): (Vec<usize>, Vec<SpeciesId>) = match &self.real_types {
            None => types.iter().copied().enumerate().unzip(),
            Some(real) => {
                let row = &real[index * atoms..(index + 1) * atoms];
                row.iter().enumerate().filter_map(|(atom, id)| Some((atom, (*id)?))).unzip()
            }
        };
        let vectors = |data: &[f64]| -> Vec<Vector3> {
            let row = &data[index * 3 * atoms..(index + 1) * 3 * atoms];
            kept.iter().map(|atom| std::array::from_fn(|k| row[3 * atom + k])).collect()
        };
        let matrix = |data: &[f64]| {
            std::array::from_fn(|a| std::array::from_fn(|b| data[index * 9 + 3 * a + b]))
        };
        let positions = vectors(&self.coord);
        let cell = match &self.cells {
            Some(cells) if periodic => Cell::periodic(matrix(cells)),
            Some(cells) if matrix(cells) != [[0.0; 3]; 3] => Cell::new(matrix(cells), [false; 3]),
            _ => surrounding(&positions),
        }
        .map_err(|error| {
            let place = self.folder.join("box.npy");
            IoError::invalid(&place, format!("frame {index}: {error}"), None)
        })?;
        Ok(Frame {
            structure: Structure { cell, species, positions, table: table.clone(), phases: None },
            step: None,
            time: None,
            velocities: None,
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

/// `real_atom_types.npy` of the mixed layout, if it is there.
fn real_types(
    path: &Path,
    atoms: usize,
    frames: usize,
    table: &SpeciesTable,
) -> Result<Option<Vec<Option<SpeciesId>>>, IoError> {
    if !path.exists() {
        return Ok(None);
    }
    let row = Row::Atoms { atoms, each: 1 };
    let numbers = array::integers(path, row, frames)?;
    let mut types = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.into_iter().enumerate() {
        let id = species(number, table);
        if id.is_none() && number != -1 {
            let expected = known_types(table);
            return Err(IoError::invalid(
                path,
                format!("{}: expected {expected} or -1, found {number}", row.place(index)),
                Some("-1 marks a virtual atom, which pads the frame and is dropped"),
            ));
        }
        types.push(id);
    }
    if let Some(frame) = types.chunks(atoms).position(|row| row.iter().all(Option::is_none)) {
        return Err(IoError::invalid(
            path,
            format!("frame {frame} holds only virtual atoms"),
            None,
        ));
    }
    Ok(Some(types))
}

#[cfg(test)]
mod tests;
