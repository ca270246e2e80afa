//! Frames back from bytes, one after the other or any one.

use super::header::{Header, Type, Value, Variable};
use crate::cell::{Cell, CellError};
use crate::frame::{Frame, Labels};
use crate::io::lammps::orientation;
use crate::io::{IoError, LammpsUnits};
use crate::math::{self, Matrix3, Vector3};
use crate::phases::Phases;
use crate::species::{SpeciesId, SpeciesTable};
use crate::structure::Structure;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Headers longer than this are none.
const LONGEST_HEADER: usize = 1 << 24;

/// Frames of a file; a frame is read by seeking to it.
pub struct Reader {
    path: PathBuf,
    file: File,
    header: Header,
    frames: usize,
    next: usize,
    periodic: [bool; 3],
    species: Vec<SpeciesId>,
    table: Arc<SpeciesTable>,
    phases: Option<Arc<Phases>>,
}

impl Reader {
    /// Opens a file and reads what all frames share.
    ///
    /// # Errors
    /// Not a NetCDF classic file, one without coordinates, species or cells, one that was cut.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let mut file = File::open(path).map_err(IoError::os(path, "open"))?;
        let length = file.metadata().map_err(IoError::os(path, "read"))?.len();
        let header = read_header(&mut file, path)?;
        let mut reader = Reader {
            path: path.to_owned(),
            file,
            frames: header.records as usize,
            next: 0,
            periodic: [true; 3],
            species: Vec::new(),
            table: Arc::new(SpeciesTable::new::<&str>(&[]).expect("nothing is wrong with nothing")),
            phases: None,
            header,
        };
        reader.check(length)?;
        reader.read_species()?;
        reader.read_phases()?;
        if let Some(flags) = reader.header.text("periodic") {
            let flags: Vec<bool> = flags.split(' ').map(|flag| flag == "T").collect();
            reader.periodic = flags
                .try_into()
                .map_err(|_| reader.invalid("the attribute `periodic` is not three flags", None))?;
        }
        Ok(reader)
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frame `index`, from 0.
    ///
    /// # Errors
    /// No such frame, numbers that are not finite, a cell that is none.
    pub fn read(&mut self, index: usize) -> Result<Frame, IoError> {
        if index >= self.frames {
            let message = format!("there is no frame {index}; there are {} (from 0)", self.frames);
            return Err(self.invalid(message, None));
        }
        let (cell, rotation) = self.read_cell(index)?;
        let back = math::transpose(&rotation);
        let turned = |v: Vec<f64>, scale: f64| -> Vec<Vector3> {
            let vectors = v.chunks_exact(3).map(|r| [r[0] * scale, r[1] * scale, r[2] * scale]);
            vectors.map(|r| math::row_times(r, &back)).collect()
        };
        let positions = self.values("coordinates", index)?.expect("checked when opened");
        if let Some(k) = positions.iter().position(|x| !x.is_finite()) {
            let message =
                format!("frame {index}: the position of atom {} is {}", k / 3 + 1, positions[k]);
            return Err(self.invalid(message, None));
        }
        let velocities = self.values("velocities", index)?.map(|v| {
            let per_ps = LammpsUnits::Metal.factors().velocity;
            let scale = self.header.variable("velocities").and_then(scale_factor).unwrap_or(1.0);
            turned(v, scale * per_ps)
        });
        let single = |values: Option<Vec<f64>>| values.and_then(|v| v.first().copied());
        let exact = single(self.values("time_fs", index)?);
        let time = match exact {
            Some(time) => Some(time),
            None => single(self.values("time", index)?).map(|ps| ps * 1e3),
        };
        let step = single(self.values("step", index)?).map(|step| step as u64);
        let structure = Structure {
            cell,
            species: self.species.clone(),
            positions: turned(positions, 1.0),
            table: self.table.clone(),
            phases: self.phases.clone(),
        };
        Ok(Frame { structure, step, time, velocities, labels: Labels::default() })
    }

    /// The lattice vectors and the rotation that brought them into the orientation of the file.
    fn read_cell(&mut self, index: usize) -> Result<(Cell, Matrix3), IoError> {
        let wrong = |reader: &Reader, error: CellError| {
            reader.invalid(format!("frame {index}: {error}"), None)
        };
        if let Some(m) = self.values("cell_vectors", index)? {
            let matrix: Matrix3 = std::array::from_fn(|i| std::array::from_fn(|j| m[3 * i + j]));
            let cell = Cell::new(matrix, self.periodic).map_err(|error| wrong(self, error))?;
            let (rotation, _) = orientation(&cell, &self.path)?;
            return Ok((cell, rotation));
        }
        let lengths = self.values("cell_lengths", index)?.expect("checked when opened");
        let angles = self.values("cell_angles", index)?.expect("checked when opened");
        let three = |v: &[f64]| [v[0], v[1], v[2]];
        let cell = Cell::from_lengths_angles(three(&lengths), three(&angles))
            .and_then(|cell| Cell::new(*cell.matrix(), self.periodic))
            .map_err(|error| wrong(self, error))?;
        Ok((cell, math::IDENTITY))
    }

    /// Refuses files that miss what a frame needs, and files that are shorter than they say.
    fn check(&self, length: u64) -> Result<(), IoError> {
        for (name, why) in [
            ("coordinates", "so it holds no trajectory"),
            ("cell_lengths", "so it holds no cell; vitrion needs one"),
            ("cell_angles", "so it holds no cell; vitrion needs one"),
        ] {
            match self.header.variable(name) {
                Some(variable) if self.header.per_record(variable) => {}
                Some(_) => {
                    let message = format!("the variable `{name}` is not one for every frame");
                    return Err(self.invalid(message, Some("restart files are not read")));
                }
                None => return Err(self.invalid(format!("there is no `{name}`, {why}"), None)),
            }
        }
        let of_record = self.header.variables.iter().filter(|v| self.header.per_record(v));
        let begin = of_record.map(|v| v.begin).min().unwrap_or(0);
        let needed = begin + self.header.record_bytes() * self.frames as u64;
        if length < needed {
            let message = format!(
                "{} frames need {needed} bytes, but the file has {length}: it was cut",
                self.frames
            );
            return Err(self.invalid(message, None));
        }
        Ok(())
    }

    fn read_species(&mut self) -> Result<(), IoError> {
        let hint = "the AMBER convention knows no elements; write the trajectory with vitrion, or convert \
                    it together with its topology to extended XYZ (MDAnalysis, ASE, OVITO)";
        let (Some(symbols), Some(ids)) =
            (self.header.text("species_symbols"), self.header.variable("species").cloned())
        else {
            let message = "it does not say which elements its atoms are";
            return Err(self.invalid(message, Some(hint)));
        };
        let symbols: Vec<&str> = symbols.split(' ').collect();
        let table =
            SpeciesTable::new(&symbols).map_err(|error| self.invalid(error.to_string(), None))?;
        let ids = self.numbers(&ids, 0)?;
        let positions = self.header.variable("coordinates").expect("checked before");
        if self.header.count(positions) != 3 * ids.len() {
            return Err(self.invalid("there is not one species for each atom", None));
        }
        self.species =
            self.indices("species", &ids, table.len())?.into_iter().map(SpeciesId).collect();
        self.table = Arc::new(table);
        Ok(())
    }

    fn read_phases(&mut self) -> Result<(), IoError> {
        let (Some(names), Some(ids)) = (
            self.header.text("phase_names").map(str::to_owned),
            self.header.variable("phase").cloned(),
        ) else {
            return Ok(());
        };
        let names: Vec<&str> = names.split(' ').collect();
        let ids = self.numbers(&ids, 0)?;
        let ids = self.indices("phase", &ids, names.len())?;
        if ids.len() != self.species.len() {
            return Err(self.invalid("there is not one phase for each atom", None));
        }
        let labels: Vec<&str> = ids.iter().map(|id| names[usize::from(*id)]).collect();
        let phases = Phases::new(&labels).map_err(|error| self.invalid(error.to_string(), None))?;
        self.phases = Some(Arc::new(phases));
        Ok(())
    }

    fn indices(&self, what: &str, found: &[f64], count: usize) -> Result<Vec<u8>, IoError> {
        let known = |id: &f64| *id >= 0.0 && (*id as usize) < count;
        if let Some(bad) = found.iter().find(|id| !known(id)) {
            let message = format!("`{what}` holds {bad}, but there are {count} names");
            return Err(self.invalid(message, None));
        }
        Ok(found.iter().map(|id| *id as u8).collect())
    }

    /// Values of a variable in a frame, if the file has it.
    fn values(&mut self, name: &str, frame: usize) -> Result<Option<Vec<f64>>, IoError> {
        let Some(variable) = self.header.variable(name).cloned() else { return Ok(None) };
        self.numbers(&variable, frame).map(Some)
    }

    fn numbers(&mut self, variable: &Variable, frame: usize) -> Result<Vec<f64>, IoError> {
        let at = if self.header.per_record(variable) {
            variable.begin + frame as u64 * self.header.record_bytes()
        } else {
            variable.begin
        };
        let size = variable.kind.size();
        let mut bytes = vec![0; self.header.count(variable) * size];
        self.file.seek(SeekFrom::Start(at)).map_err(IoError::os(&self.path, "read"))?;
        self.file.read_exact(&mut bytes).map_err(IoError::os(&self.path, "read"))?;
        let number = |b: &[u8]| -> f64 {
            match variable.kind {
                Type::Byte | Type::Char => f64::from(b[0]),
                Type::Short => f64::from(i16::from_be_bytes([b[0], b[1]])),
                Type::Int => f64::from(i32::from_be_bytes(b.try_into().expect("four bytes"))),
                Type::Float => f64::from(f32::from_be_bytes(b.try_into().expect("four bytes"))),
                Type::Double => f64::from_be_bytes(b.try_into().expect("eight bytes")),
            }
        };
        Ok(bytes.chunks_exact(size).map(number).collect())
    }

    fn invalid(&self, message: impl Into<String>, hint: Option<&str>) -> IoError {
        IoError::invalid(&self.path, message, hint)
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.frames {
            return None;
        }
        let frame = self.read(self.next);
        // after an error nothing more is believed
        self.next = if frame.is_ok() { self.next + 1 } else { self.frames };
        Some(frame)
    }
}

fn scale_factor(variable: &Variable) -> Option<f64> {
    variable.attributes.iter().find(|a| a.name == "scale_factor").and_then(|a| match a.value {
        Value::Number(scale) => Some(scale),
        _ => None,
    })
}

/// Reads as much of the file as the header needs.
fn read_header(file: &mut File, path: &Path) -> Result<Header, IoError> {
    let mut bytes = Vec::new();
    let mut wanted = 1 << 14;
    loop {
        let missing = (wanted - bytes.len()) as u64;
        let found =
            file.take(missing).read_to_end(&mut bytes).map_err(IoError::os(path, "read"))?;
        match Header::decode(&bytes).map_err(|message| IoError::invalid(path, message, None))? {
            Some(header) => return Ok(header),
            None if found as u64 == missing && bytes.len() < LONGEST_HEADER => wanted *= 4,
            None => {
                let message = "the file ends within its NetCDF header";
                return Err(IoError::invalid(path, message, None));
            }
        }
    }
}
