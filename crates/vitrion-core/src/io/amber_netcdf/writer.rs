//! Frames to bytes: a header of fixed length, then records of fixed length.

use super::header::{Attribute, Header, Type, Value, Variable};
use crate::frame::Frame;
use crate::io::compression::Output;
use crate::io::lammps::turned;
use crate::io::{IoError, LammpsUnits};
use crate::structure::Structure;
use crate::trajectory::FrameSink;
use std::io::Write as _;
use std::path::Path;

/// Dimensions, by index.
const FRAME: usize = 0;
const SPATIAL: usize = 1;
const ATOM: usize = 2;
const CELL: usize = 3;
const LABEL: usize = 4;

/// What all frames of a file share.
#[derive(Debug, Clone)]
pub struct Layout {
    header: Vec<u8>,
    record_bytes: u64,
    structure: Structure,
    velocities: bool,
}

fn text(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), value: Value::Text(value.to_owned()) }
}

fn variable(name: &str, kind: Type, dimensions: &[usize], units: Option<&str>) -> Variable {
    Variable {
        name: name.to_owned(),
        dimensions: dimensions.to_vec(),
        attributes: units.map(|units| text("units", units)).into_iter().collect(),
        kind,
        begin: 0,
    }
}

impl Layout {
    /// Where the number of frames stands in a file.
    pub const FRAME_COUNT: u64 = 4;

    /// For frames like this one: its atoms, their phases, with or without velocities.
    pub fn new(first: &Frame) -> Self {
        let structure = first.structure.clone();
        let periodic = structure.cell.periodicity().map(|p| if p { "T" } else { "F" }).join(" ");
        let mut header = Header {
            records: 0,
            dimensions: [
                ("frame", 0),
                ("spatial", 3),
                ("atom", structure.len()),
                ("cell_spatial", 3),
                ("label", 5),
                ("cell_angular", 3),
            ]
            .map(|(name, length)| (name.to_owned(), length))
            .to_vec(),
            attributes: vec![
                text("Conventions", "AMBER"),
                text("ConventionVersion", "1.0"),
                text("program", "vitrion"),
                text("programVersion", env!("CARGO_PKG_VERSION")),
                text("title", &structure.formula()),
                text("species_symbols", &structure.table.symbols().join(" ")),
                text("periodic", &periodic),
            ],
            variables: vec![
                variable("spatial", Type::Char, &[SPATIAL], None),
                variable("cell_spatial", Type::Char, &[CELL], None),
                variable("cell_angular", Type::Char, &[5, LABEL], None),
                variable("species", Type::Int, &[ATOM], None),
            ],
        };
        if let Some(phases) = &structure.phases {
            header.attributes.push(text("phase_names", &phases.names().join(" ")));
            header.variables.push(variable("phase", Type::Int, &[ATOM], None));
        }
        header.variables.extend([
            variable("time", Type::Float, &[FRAME], Some("picosecond")),
            variable("time_fs", Type::Double, &[FRAME], Some("femtosecond")),
            variable("step", Type::Double, &[FRAME], None),
            variable("cell_lengths", Type::Double, &[FRAME, CELL], Some("angstrom")),
            variable("cell_angles", Type::Double, &[FRAME, 5], Some("degree")),
            variable("cell_vectors", Type::Double, &[FRAME, CELL, SPATIAL], Some("angstrom")),
            variable("coordinates", Type::Float, &[FRAME, ATOM, SPATIAL], Some("angstrom")),
        ]);
        let velocities = first.velocities.is_some();
        if velocities {
            let mut v = variable(
                "velocities",
                Type::Float,
                &[FRAME, ATOM, SPATIAL],
                Some("angstrom/picosecond"),
            );
            v.attributes.push(Attribute { name: "scale_factor".into(), value: Value::Number(1.0) });
            header.variables.push(v);
        }
        let mut bytes = header.lay_out();
        bytes.extend(b"xyz\0abc\0alphabeta gamma\0");
        bytes.extend(structure.species.iter().flat_map(|id| i32::from(id.0).to_be_bytes()));
        if let Some(phases) = &structure.phases {
            bytes.extend(phases.ids().iter().flat_map(|id| i32::from(*id).to_be_bytes()));
        }
        Layout { header: bytes, record_bytes: header.record_bytes(), structure, velocities }
    }

    /// Everything before the first frame, for a file of `frames` frames.
    ///
    /// # Panics
    /// More than 2³² − 2 frames.
    pub fn header(&self, frames: u64) -> Vec<u8> {
        let mut header = self.header.clone();
        let at = Layout::FRAME_COUNT as usize;
        header[at..at + 4].copy_from_slice(&Layout::frame_count(frames));
        header
    }

    /// The bytes at [`Layout::FRAME_COUNT`] of a file of `frames` frames.
    ///
    /// # Panics
    /// More than 2³² − 2 frames.
    pub fn frame_count(frames: u64) -> [u8; 4] {
        let frames = u32::try_from(frames).ok().filter(|n| *n < u32::MAX);
        frames.expect("fewer than 2^32 - 1 frames").to_be_bytes()
    }

    /// Bytes before the first frame.
    pub fn header_bytes(&self) -> u64 {
        self.header.len() as u64
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u64 {
        self.record_bytes
    }

    /// Appends the bytes of a frame.
    ///
    /// # Errors
    /// Other atoms than those of the first frame, velocities where the first had none or the other way
    /// round, a left-handed cell; `path` is for messages.
    pub fn append(&self, out: &mut Vec<u8>, frame: &Frame, path: &Path) -> Result<(), IoError> {
        let structure = &frame.structure;
        let same = structure.species == self.structure.species
            && structure.table.symbols() == self.structure.table.symbols()
            && structure.phases == self.structure.phases;
        if !same || frame.velocities.is_some() != self.velocities {
            let what = if same { "velocities" } else { "atoms" };
            return Err(IoError::invalid(
                path,
                format!("a frame has other {what} than the first; all frames of a file are alike"),
                Some("write extxyz, whose frames may differ"),
            ));
        }
        let turned = turned(frame, path)?;
        let time = frame.time.unwrap_or(0.0);
        out.extend(((time * 1e-3) as f32).to_be_bytes());
        out.extend(time.to_be_bytes());
        out.extend((frame.step.unwrap_or(0) as f64).to_be_bytes());
        let cell = &structure.cell;
        let numbers = cell.lengths().into_iter().chain(cell.angles());
        numbers
            .chain(cell.matrix().iter().flatten().copied())
            .for_each(|x| out.extend(x.to_be_bytes()));
        for r in &turned.positions {
            for x in r {
                out.extend((*x as f32).to_be_bytes());
            }
        }
        let per_ps = 1.0 / LammpsUnits::Metal.factors().velocity;
        for v in turned.velocities.iter().flatten() {
            for x in v {
                out.extend(((x * per_ps) as f32).to_be_bytes());
            }
        }
        Ok(())
    }
}

/// Writes a whole file.
pub struct Sink {
    output: Output,
    layout: Option<Layout>,
    frames: u64,
    /// The frame being written.
    bytes: Vec<u8>,
}

impl Sink {
    pub(in crate::io) fn new(output: Output) -> Self {
        Sink { output, layout: None, frames: 0, bytes: Vec::new() }
    }
}

impl FrameSink for Sink {
    fn write(&mut self, frame: &Frame) -> Result<(), IoError> {
        self.bytes.clear();
        if self.layout.is_none() {
            let layout = Layout::new(frame);
            self.bytes.extend(layout.header(0));
            self.layout = Some(layout);
        }
        let layout = self.layout.as_ref().expect("just made");
        let path = self.output.path().to_owned();
        layout.append(&mut self.bytes, frame, &path)?;
        self.output.write_all(&self.bytes).map_err(IoError::os(&path, "write"))?;
        self.frames += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), IoError> {
        let path = self.output.path().to_owned();
        if self.layout.is_none() {
            return Err(IoError::invalid(&path, "no frame was written", None));
        }
        let count = Layout::frame_count(self.frames);
        self.output.replace(Layout::FRAME_COUNT, &count).map_err(IoError::os(&path, "write"))?;
        self.output.finish()
    }
}
