//! VASP trajectories: XDATCAR with a constant or a changing cell.
//!
//! Coordinates are fractional and, as VASP writes them, wrapped: transport analyses need
//! unwrapping. There is no time in the file. Written with the header before every frame, the form
//! of runs with a changing cell, which VASP's own tools read as well.

use super::IoError;
use super::lines::Lines;
use super::poscar::{self, Head, check_periodic, write_head};
use crate::cell::Cell;
use crate::frame::Frame;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Streams the frames of a file.
pub struct Reader {
    lines: Lines,
    head: Option<Head>,
    failed: bool,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Reader { lines: Lines::open(path)?, head: None, failed: false })
    }

    fn frame(&mut self) -> Result<Option<Frame>, IoError> {
        loop {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            let line = line.trim().to_owned();
            if line.is_empty() && self.head.is_some() {
                continue;
            }
            if line.starts_with("Direct configuration") {
                let Some(head) = &self.head else {
                    return Err(self.lines.error("a title, a scale factor and a lattice", &line));
                };
                let cell = Cell::periodic(head.matrix)
                    .map_err(|e| IoError::invalid(self.lines.path(), e.to_string(), None))?;
                let step = line.split('=').nth(1).and_then(|n| n.trim().parse().ok());
                let atoms = head.symbols.len();
                let mut positions = Vec::with_capacity(atoms);
                for index in 0..atoms {
                    let what = format!("a configuration: {index} of {atoms} atoms were read");
                    let line = self.lines.required(&what)?.to_owned();
                    positions.push(cell.to_cartesian(poscar::vector(&line, &self.lines)?));
                }
                let structure = poscar::structure(head, positions, self.lines.path())?;
                return Ok(Some(Frame { step, ..structure.into() }));
            }
            if poscar::vector(&line, &self.lines).is_ok() {
                return Err(self.lines.error_with_hint(
                    "Direct configuration, or the title of another header",
                    &line,
                    Some("the numbers of atoms add up to fewer than there are lines"),
                ));
            }
            // anything else starts a header: this line is its title
            let head = poscar::head(&mut self.lines)?;
            if self.head.as_ref().is_some_and(|first| first.symbols != head.symbols) {
                return Err(self.lines.error_with_hint(
                    "the atoms of the first header",
                    "other elements or numbers of atoms",
                    Some("are two runs joined in one file? keep them in files of their own"),
                ));
            }
            self.head = Some(head);
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

/// Writes a frame; `written` frames came before.
///
/// # Errors
/// A cell that is not periodic, other atoms than in the first frame, or what the writer reports.
pub fn write_frame(
    out: &mut dyn Write,
    frame: &Frame,
    first: Option<&Frame>,
    written: usize,
    path: &Path,
) -> Result<(), IoError> {
    let structure = &frame.structure;
    check_periodic(structure, path)?;
    if first.is_some_and(|first| poscar::runs(&first.structure) != poscar::runs(structure)) {
        return Err(IoError::invalid(
            path,
            format!(
                "frame {written} has other atoms than the first; XDATCAR holds one set of atoms"
            ),
            Some("write extxyz"),
        ));
    }
    let mut text = String::new();
    write_head(&mut text, structure);
    writeln!(text, "Direct configuration= {:>5}", written + 1).expect("a string takes it");
    for r in &structure.positions {
        let [x, y, z] = structure.cell.to_fractional(*r);
        writeln!(text, "{x} {y} {z}").expect("a string takes it");
    }
    out.write_all(text.as_bytes()).map_err(IoError::os(path, "write"))
}
