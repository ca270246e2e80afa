//! VASP output: the labelled frames of a vasprun.xml, one for every `<calculation>`.
//!
//! * Energy: `e_fr_energy` of the calculation, the free energy F that the forces are derivatives of.
//!   VASP adds `PSTRESS·V` to it, which is taken off again: the enthalpy belongs to no potential. The
//!   energies of its `<scstep>`s lack dispersion corrections and are not used.
//! * Virial: `stress` in kB is a pressure as in an OUTCAR, positive if the cell pushes outwards;
//!   `W = p V`. Runs that compute no stress have none.
//! * Calculations with as many electronic steps as NELM allows are an error: the file does not say
//!   whether the last one converged. So is a calculation that the file ends in.
//! * Steps of a machine-learned force field stand outside of `<calculation>`s and are left out; `step`
//!   counts calculations, so it shows no gaps.
//!
//! Format: <https://vasp.at/wiki/Vasprun.xml>.

mod text;

use super::ionic_step::{Atoms, IonicStep};
use super::{IoError, compression};
use crate::frame::Frame;
use crate::math::{self, Matrix3, Vector3};
use crate::units;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::events::{BytesStart, Event};
use std::path::{Path, PathBuf};
use text::CountedLines;

/// Streams the frames of a file.
pub struct Reader {
    path: PathBuf,
    xml: quick_xml::Reader<CountedLines>,
    buffer: Vec<u8>,
    /// Open elements from the root, each behind a `/`; named arrays and values as `tag:name`.
    place: String,
    /// Length of `place` before each open element.
    lengths: Vec<usize>,
    /// Text since the last tag.
    text: String,
    head: Head,
    atoms: Option<Atoms>,
    step: IonicStep,
    matrix: Vec<Vector3>,
    stress: Vec<Vector3>,
    frames: usize,
    finished: bool,
}

/// What is said once for all calculations.
#[derive(Default)]
struct Head {
    symbols: Vec<String>,
    /// The next `<c>` of an atom is its element.
    first_column: bool,
    /// NELM
    most_iterations: Option<usize>,
    /// External pressure [kB] whose work VASP adds to the energy.
    external_pressure: f64,
}

impl Reader {
    /// Opens a file, `.gz` and `.zst` included.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let mut xml = quick_xml::Reader::from_reader(CountedLines::new(compression::open(path)?));
        // VASP copies the title of a run as it is
        xml.config_mut().allow_dangling_amp = true;
        Ok(Reader {
            path: path.to_owned(),
            xml,
            buffer: Vec::new(),
            place: String::new(),
            lengths: Vec::new(),
            text: String::new(),
            head: Head::default(),
            atoms: None,
            step: IonicStep::default(),
            matrix: Vec::new(),
            stress: Vec::new(),
            frames: 0,
            finished: false,
        })
    }

    /// Takes the next tag or text; the frame if it completes one.
    fn event(&mut self) -> Result<Option<Frame>, IoError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut frame = None;
        match self.xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => self.open_element(&tag)?,
            Ok(Event::End(_)) => {
                frame = self.close_element()?;
                self.place.truncate(self.lengths.pop().unwrap_or(0));
                self.text.clear();
            }
            Ok(Event::Text(text)) => self.text.push_str(&text),
            Ok(Event::Eof) => self.end_of_file()?,
            Ok(_) => {}
            // all other syntax errors are tags that the file ends in
            Err(Error::Syntax(kind)) if kind != SyntaxError::InvalidBangMarkup => {
                self.end_of_file()?;
            }
            Err(error) => return Err(self.damaged(error)),
        }
        self.buffer = buffer;
        Ok(frame)
    }

    fn open_element(&mut self, tag: &BytesStart) -> Result<(), IoError> {
        let name = tag.name().into_inner();
        if self.place.is_empty() && name != "modeling" {
            return Err(IoError::invalid(
                &self.path,
                format!("this is XML of another kind: its root is <{name}>, not <modeling>"),
                None,
            ));
        }
        self.lengths.push(self.place.len());
        self.place.push('/');
        self.place.push_str(name);
        if matches!(name, "varray" | "array" | "i") {
            let attribute = tag.try_get_attribute("name").map_err(|e| self.damaged(e.into()))?;
            if let Some(attribute) = attribute {
                self.place.push(':');
                self.place.push_str(&attribute.value);
            }
        }
        self.text.clear();
        match self.place.as_str() {
            "/modeling/calculation" => {
                self.step = IonicStep {
                    number: self.frames as u64 + 1,
                    fractional: true,
                    ..IonicStep::default()
                };
                self.matrix.clear();
                self.stress.clear();
            }
            "/modeling/calculation/scstep" => self.step.iterations += 1,
            "/modeling/atominfo/array:atoms/set/rc" => self.head.first_column = true,
            _ => {}
        }
        Ok(())
    }

    /// Takes what an element held; the frame if it was a calculation.
    fn close_element(&mut self) -> Result<Option<Frame>, IoError> {
        let Some(inner) = self.place.strip_prefix("/modeling/") else { return Ok(None) };
        match inner {
            "calculation/structure/crystal/varray:basis/v" => {
                self.matrix.push(self.vector("a lattice vector")?);
            }
            "calculation/structure/varray:positions/v" => {
                self.step.positions.push(self.vector("the position of an atom")?);
            }
            "calculation/varray:forces/v" => {
                self.step.forces.push(self.vector("the force on an atom")?);
            }
            "calculation/varray:stress/v" => self.stress.push(self.vector("a row of the stress")?),
            "calculation/energy/i:e_fr_energy" => {
                self.step.energy = Some(self.finite(self.text.trim(), "a finite energy")?);
            }
            "calculation" => return self.finish().map(Some),
            "atominfo/array:atoms/set/rc/c" if self.head.first_column => {
                self.head.first_column = false;
                self.head.symbols.push(self.text.trim().to_owned());
            }
            "atominfo" => self.atoms = Some(Atoms::new(&self.head.symbols, &self.path)?),
            _ if !inner.starts_with("parameters/") => {}
            // the first NELM: the response functions have one of their own
            _ if inner.ends_with("/i:NELM") && self.head.most_iterations.is_none() => {
                let text = self.text.trim();
                let number = text.parse().map_err(|_| self.error("a number of steps", text))?;
                self.head.most_iterations = Some(number);
            }
            _ if inner.ends_with("/i:PSTRESS") => {
                self.head.external_pressure = self.finite(self.text.trim(), "a finite pressure")?;
            }
            _ => {}
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Frame, IoError> {
        let mut step = std::mem::take(&mut self.step);
        let line = self.line();
        let (Some(atoms), Some(most)) = (&self.atoms, self.head.most_iterations) else {
            return Err(IoError::invalid(
                &self.path,
                "no <atominfo>, or no NELM in <parameters>, before the first calculation",
                Some("was a part of the file cut out?"),
            ));
        };
        if step.iterations == 0 {
            return Err(step.unconverged("no <scstep> is in the file", &self.path, line));
        }
        if step.iterations >= most {
            return Err(step.unconverged(&format!("NELM = {most} steps"), &self.path, line));
        }
        step.matrix = self.rows(&self.matrix, "lattice vectors")?;
        step.pressure = self.rows(&self.stress, "rows of stress")?;
        if let (Some(enthalpy), Some(matrix)) = (&mut step.energy, &step.matrix) {
            let volume = math::determinant(matrix).abs();
            *enthalpy -= self.head.external_pressure / units::VASP_EV_PER_A3_IN_KB * volume;
        }
        let frame = step.frame(atoms, &self.path, line)?;
        self.frames += 1;
        Ok(frame)
    }

    fn rows(&self, rows: &[Vector3], what: &str) -> Result<Option<Matrix3>, IoError> {
        match *rows {
            [] => Ok(None),
            [a, b, c] => Ok(Some([a, b, c])),
            _ => Err(self.error(format!("3 {what}"), &rows.len().to_string())),
        }
    }

    /// A run that was stopped between two calculations leaves its root element open.
    fn end_of_file(&mut self) -> Result<(), IoError> {
        self.finished = true;
        if self.place.starts_with("/modeling/calculation") {
            return Err(self.step.truncated(self.frames, &self.path, self.line()));
        }
        if self.frames > 0 {
            return Ok(());
        }
        if self.lengths.is_empty() && !self.head.symbols.is_empty() {
            return Err(IoError::invalid(&self.path, "it holds no <calculation>", None));
        }
        Err(IoError::Truncated {
            path: self.path.clone(),
            line: self.line(),
            what: "the header, before the first <calculation>".into(),
            hint: None,
        })
    }

    fn damaged(&self, error: Error) -> IoError {
        match error {
            Error::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                IoError::Truncated {
                    path: self.path.clone(),
                    line: self.line(),
                    what: "a compressed block".into(),
                    hint: Some("the file was cut off".into()),
                }
            }
            Error::Io(source) => IoError::os(&self.path, "read")(source.kind().into()),
            other => self.error("well-formed XML", &other.to_string()),
        }
    }

    fn vector(&self, what: &str) -> Result<Vector3, IoError> {
        let mut words = self.text.split_ascii_whitespace();
        let mut vector = [0.0; 3];
        for x in &mut vector {
            *x = self.finite(words.next().unwrap_or(""), what)?;
        }
        Ok(vector)
    }

    fn finite(&self, word: &str, what: &str) -> Result<f64, IoError> {
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.error(what, word)),
        }
    }

    fn line(&self) -> usize {
        self.xml.get_ref().line()
    }

    fn error(&self, expected: impl Into<String>, found: &str) -> IoError {
        let stars = "VASP prints stars where a number is too large for its column";
        IoError::Parse {
            path: self.path.clone(),
            line: self.line(),
            expected: expected.into(),
            found: found.chars().take(80).collect(),
            hint: found.contains("**").then(|| stars.to_owned()),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.finished {
            match self.event().transpose() {
                None => {}
                Some(result) => {
                    self.finished |= result.is_err();
                    return Some(result);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
