//! Frames into a system folder, standard or mixed.

use super::super::{CreateOptions, IoError};
use crate::frame::Frame;
use crate::species::SpeciesTable;
use crate::trajectory::FrameSink;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Frames per `set.NNN` folder.
const SET: usize = 5000;

/// Collects frames and writes `type.raw`, `type_map.raw` and the sets when finished.
///
/// The standard layout holds frames of the same atoms in the same order. The mixed layout holds any
/// frames: `real_atom_types.npy` names the species of each, padded with −1 to the largest.
pub struct Writer {
    path: PathBuf,
    overwrite: bool,
    single: bool,
    mixed: bool,
    frames: Vec<Frame>,
}

impl Writer {
    /// Starts a system folder.
    ///
    /// # Errors
    /// The folder exists and must not be overwritten, or it is not a system that could be replaced.
    pub fn create(path: &Path, options: &CreateOptions, mixed: bool) -> Result<Self, IoError> {
        if path.exists() && !options.overwrite {
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
        Ok(Writer {
            path: path.to_owned(),
            overwrite: options.overwrite,
            single: options.single_precision,
            mixed,
            frames: Vec::new(),
        })
    }

    fn species_of(frame: &Frame) -> Vec<&str> {
        (0..frame.structure.len()).map(|i| frame.structure.symbol(i)).collect()
    }

    /// Whether all frames have a label; some with and some without is an error.
    fn labelled(&self, what: &str, has: impl Fn(&Frame) -> bool) -> Result<bool, IoError> {
        let count = self.frames.iter().filter(|f| has(f)).count();
        if count == 0 || count == self.frames.len() {
            return Ok(count > 0);
        }
        let missing = self.frames.iter().position(|f| !has(f)).unwrap_or(0);
        Err(IoError::invalid(
            &self.path,
            format!("frame {missing} has no {what}, but others have"),
            Some("deepmd/npy needs a label in all frames of a system or in none"),
        ))
    }

    /// Symbols of all frames in order of first appearance.
    fn symbols(&self) -> Vec<String> {
        let mut symbols: Vec<String> = Vec::new();
        for frame in &self.frames {
            for symbol in frame.structure.table.symbols() {
                if !symbols.contains(symbol) {
                    symbols.push(symbol.clone());
                }
            }
        }
        symbols
    }

    /// One set of frames; `atoms` is the number of columns per frame.
    fn write_set(
        &self,
        folder: &Path,
        frames: &[Frame],
        atoms: usize,
        table: &SpeciesTable,
        [energy, forces, virial, atom_energy]: [bool; 4],
    ) -> Result<(), IoError> {
        std::fs::create_dir_all(folder).map_err(IoError::os(folder, "create"))?;
        let count = frames.len() as u64;
        let save = |name: &str, columns: Option<usize>, data: Vec<f64>| {
            let mut shape = vec![count];
            shape.extend(columns.map(|n| n as u64));
            array(&folder.join(name), &shape, data, self.single)
        };
        // atoms that a frame lacks are zeros
        let per_atom = |of: &dyn Fn(&Frame) -> Vec<f64>, width: usize| -> Vec<f64> {
            frames
                .iter()
                .flat_map(|frame| {
                    let mut row = of(frame);
                    row.resize(width * atoms, 0.0);
                    row
                })
                .collect()
        };
        let positions = |f: &Frame| f.structure.positions.as_flattened().to_vec();
        save("coord.npy", Some(3 * atoms), per_atom(&positions, 3))?;
        let cells = frames.iter().flat_map(|f| f.structure.cell.matrix().as_flattened().to_vec());
        save("box.npy", Some(9), cells.collect())?;
        if energy {
            save("energy.npy", None, frames.iter().filter_map(|f| f.labels.energy).collect())?;
        }
        if forces {
            let of = |f: &Frame| {
                f.labels.forces.as_ref().map_or_else(Vec::new, |v| v.as_flattened().to_vec())
            };
            save("force.npy", Some(3 * atoms), per_atom(&of, 3))?;
        }
        if virial {
            let rows = frames.iter().filter_map(|f| f.labels.virial);
            save("virial.npy", Some(9), rows.flat_map(|w| w.as_flattened().to_vec()).collect())?;
        }
        if atom_energy {
            let of = |f: &Frame| f.labels.atom_energies.clone().unwrap_or_default();
            save("atom_ener.npy", Some(atoms), per_atom(&of, 1))?;
        }
        if self.mixed {
            let types: Vec<i32> = frames
                .iter()
                .flat_map(|frame| {
                    let mut row: Vec<i32> = Self::species_of(frame)
                        .iter()
                        .map(|s| i32::from(table.id(s).expect("all symbols are in the table").0))
                        .collect();
                    row.resize(atoms, -1);
                    row
                })
                .collect();
            let path = folder.join("real_atom_types.npy");
            numbers(&path, &[count, atoms as u64], types)?;
        }
        Ok(())
    }
}

impl FrameSink for Writer {
    fn write(&mut self, frame: &Frame) -> Result<(), IoError> {
        if let Some(first) = self.frames.first() {
            if !self.mixed && Self::species_of(first) != Self::species_of(frame) {
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
                    Some("use --to deepmd-mixed, or convert each composition into its own folder"),
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
        let labels = [
            self.labelled("energy", |f| f.labels.energy.is_some())?,
            self.labelled("forces", |f| f.labels.forces.is_some())?,
            self.labelled("virial", |f| f.labels.virial.is_some())?,
            self.labelled("atom energies", |f| f.labels.atom_energies.is_some())?,
        ];
        let symbols = self.symbols();
        let table = SpeciesTable::new(&symbols)
            .map_err(|error| IoError::invalid(&self.path, error.to_string(), None))?;
        let atoms = self.frames.iter().map(|f| f.structure.len()).max().unwrap_or(0);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = self.path.with_file_name(name);
        if part.exists() {
            std::fs::remove_dir_all(&part).map_err(IoError::os(&part, "remove"))?;
        }
        std::fs::create_dir_all(&part).map_err(IoError::os(&part, "create"))?;
        let text = |name: &str, content: String| {
            let path = part.join(name);
            std::fs::write(&path, content).map_err(IoError::os(&path, "write"))
        };
        let lines = |items: Vec<String>| items.into_iter().map(|s| s + "\n").collect::<String>();
        let types: Vec<String> = if self.mixed {
            vec!["0".to_owned(); atoms]
        } else {
            let of = |s: &&str| table.id(s).expect("all symbols are in the table").0.to_string();
            Self::species_of(first).iter().map(of).collect()
        };
        text("type_map.raw", lines(symbols))?;
        text("type.raw", lines(types))?;
        if first.structure.cell.periodicity() == [false; 3] {
            text("nopbc", String::new())?;
        }
        for (k, frames) in self.frames.chunks(SET).enumerate() {
            self.write_set(&part.join(format!("set.{k:03}")), frames, atoms, &table, labels)?;
        }
        if self.overwrite && self.path.exists() {
            std::fs::remove_dir_all(&self.path).map_err(IoError::os(&self.path, "replace"))?;
        }
        std::fs::rename(&part, &self.path).map_err(IoError::os(&self.path, "rename"))
    }
}

fn array(path: &Path, shape: &[u64], data: Vec<f64>, single: bool) -> Result<(), IoError> {
    if single {
        numbers(path, shape, data.into_iter().map(|x| x as f32).collect())
    } else {
        numbers(path, shape, data)
    }
}

fn numbers<T: npyz::AutoSerialize>(
    path: &Path,
    shape: &[u64],
    data: Vec<T>,
) -> Result<(), IoError> {
    use npyz::WriterBuilder;
    let file = File::create(path).map_err(IoError::os(path, "create"))?;
    let written = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(BufWriter::new(file))
        .begin_nd()
        .and_then(|mut writer| {
            writer.extend(data)?;
            writer.finish()
        });
    written.map_err(IoError::os(path, "write"))
}
