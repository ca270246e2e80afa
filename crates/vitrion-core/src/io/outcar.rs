//! VASP output: the labelled frames of an OUTCAR, one for every ionic step.
//!
//! * Energy: `free  energy   TOTEN`, the free energy F that the forces are derivatives of; neither
//!   the energy without entropy nor the one extrapolated to zero smearing, and without `PSTRESS`.
//! * Virial: the line `in kB` below `FORCE on cell =-STRESS`, a pressure (positive if the cell pushes
//!   outwards) of electrons and ions without their kinetic part, in the order XX YY ZZ XY YZ ZX;
//!   `W = p V`, with VASP's own ratio of kB and eV/Å³. Runs that compute no stress have none.
//! * Positions have five decimals and forces six. vasprun.xml holds more.
//! * Steps of a machine-learned force field (`ML` in their headings) are no first-principles labels
//!   and are left out; `step` is VASP's number of the ionic step, so gaps show.
//! * A step whose electrons did not converge is an error, so is one that the file ends in. A run
//!   that was stopped between two steps is read.
//!
//! Format: <https://vasp.at/wiki/OUTCAR>.

mod head;

use super::IoError;
use super::ionic_step::IonicStep;
use super::lines::Lines;
use crate::frame::Frame;
use head::Head;
use std::path::Path;

/// Streams the frames of a file.
pub struct Reader {
    lines: Lines,
    head: Option<Head>,
    step: IonicStep,
    /// How the electronic loop of the present step ended, if the file says so.
    end: Option<LoopEnd>,
    frames: usize,
    failed: bool,
}

/// Why VASP left the electronic loop.
#[derive(Clone, Copy, PartialEq)]
enum LoopEnd {
    Converged,
    NotConverged,
    Stopped,
}

impl Reader {
    /// Opens a file, `.gz` and `.zst` included.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Reader {
            lines: Lines::open(path)?,
            head: None,
            step: IonicStep::default(),
            end: None,
            frames: 0,
            failed: false,
        })
    }

    fn frame(&mut self) -> Result<Option<Frame>, IoError> {
        if self.head.is_none() {
            self.head = Some(Head::read(&mut self.lines)?);
            self.iteration();
        }
        // "in kB" also stands below headings of machine-learned stresses
        let mut in_stress = false;
        while self.lines.advance()? {
            let line = self.lines.line().trim_start();
            match line.as_bytes().first() {
                Some(b'-') if is_iteration(line) => self.iteration(),
                Some(b'-') if line.contains("aborting loop") => {
                    self.end = Some(LoopEnd::of(line));
                }
                Some(b'F') if line.starts_with("FORCE on cell =-STRESS") => in_stress = true,
                Some(b'i') if in_stress && line.starts_with("in kB") => {
                    let [xx, yy, zz, xy, yz, zx] =
                        numbers(&self.lines, "in kB", "six finite stresses")?;
                    self.step.pressure = Some([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]);
                    in_stress = false;
                }
                Some(b'V') if line.starts_with("VOLUME and BASIS-vectors are now") => {
                    self.cell()?;
                }
                Some(b'P') if is_table_of_forces(line) => self.positions_and_forces()?,
                Some(b'f') if line.starts_with("free  energy   TOTEN") => {
                    let [energy] = numbers(&self.lines, "=", "a finite energy")?;
                    self.step.energy = Some(energy);
                    return self.finish().map(Some);
                }
                Some(b'G') if line.starts_with("General timing and accounting") => {
                    return self.end_of_run();
                }
                _ => {}
            }
        }
        if self.step.iterations == 0 { self.end_of_run() } else { Err(self.truncated()) }
    }

    /// The present line announces one more electronic iteration.
    fn iteration(&mut self) {
        if self.step.iterations == 0 {
            let behind = self.lines.line().split_once("Iteration").map_or("", |(_, it)| it);
            let printed = behind.split('(').next().and_then(|number| number.trim().parse().ok());
            // the field of very long runs overflows: then our own count must do
            self.step.number = printed.unwrap_or(self.frames as u64 + 1);
        }
        self.step.iterations += 1;
    }

    fn cell(&mut self) -> Result<(), IoError> {
        while !self.lines.line().contains("direct lattice vectors") {
            self.within_step()?;
        }
        let mut rows = [[0.0; 3]; 3];
        for row in &mut rows {
            self.within_step()?;
            *row = numbers(&self.lines, "", "a lattice vector")?;
        }
        self.step.matrix = Some(rows);
        Ok(())
    }

    fn positions_and_forces(&mut self) -> Result<(), IoError> {
        let atoms = self.head.as_ref().map_or(0, |head| head.atoms.len());
        self.within_step()?;
        // VASP repeats a table in some modes; the last counts
        self.step.positions.clear();
        self.step.forces.clear();
        for _ in 0..atoms {
            self.within_step()?;
            let [x, y, z, fx, fy, fz] =
                numbers(&self.lines, "", "the position and the force of an atom")?;
            self.step.positions.push([x, y, z]);
            self.step.forces.push([fx, fy, fz]);
        }
        self.within_step()?;
        let line = self.lines.line();
        if line.trim_start().starts_with("---") {
            return Ok(());
        }
        Err(self.lines.error_with_hint(
            format!("the end of the table after {atoms} atoms"),
            line,
            Some("the header names fewer atoms: are two runs joined in one file?"),
        ))
    }

    fn within_step(&mut self) -> Result<(), IoError> {
        if self.lines.advance()? { Ok(()) } else { Err(self.truncated()) }
    }

    fn truncated(&self) -> IoError {
        self.step.truncated(self.frames, self.lines.path(), self.lines.number())
    }

    /// The frame of the step that ends with the present line.
    fn finish(&mut self) -> Result<Frame, IoError> {
        let step = std::mem::take(&mut self.step);
        let end = self.end.take();
        let (path, line) = (self.lines.path(), self.lines.number());
        let head = self.head.as_ref().expect("read before the first step");
        match end {
            Some(LoopEnd::Converged) => {}
            Some(LoopEnd::Stopped) => {
                return Err(step.unconverged("stopped by hand", path, line));
            }
            None if (1..head.most_iterations).contains(&step.iterations) => {}
            _ if step.iterations == 0 => {
                return Err(step.unconverged("no iteration is in the file", path, line));
            }
            _ => {
                let why = format!("NELM = {} steps", head.most_iterations);
                return Err(step.unconverged(&why, path, line));
            }
        }
        let frame = step.frame(&head.atoms, path, line)?;
        self.frames += 1;
        Ok(frame)
    }

    /// After the last step; iterations of linear response that follow it are of no concern.
    fn end_of_run(&mut self) -> Result<Option<Frame>, IoError> {
        if !self.step.positions.is_empty() {
            return self.finish().map(Some);
        }
        if self.frames == 0 {
            let message = "it holds no ionic step that was computed from first principles";
            return Err(IoError::invalid(self.lines.path(), message, None));
        }
        // only timings are left
        while self.lines.advance()? {}
        Ok(None)
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

impl LoopEnd {
    fn of(line: &str) -> Self {
        if line.contains("because EDIFF is reached") {
            LoopEnd::Converged
        } else if line.contains("EDIFF was not reached") {
            LoopEnd::NotConverged
        } else {
            LoopEnd::Stopped
        }
    }
}

/// The heading of a table from first principles.
fn is_table_of_forces(line: &str) -> bool {
    line.starts_with("POSITION") && line.contains("TOTAL-FORCE") && !line.contains("(ML)")
}

fn is_iteration(line: &str) -> bool {
    line.starts_with("---") && line.contains(" Iteration ")
}

/// The first numbers of the present line behind a word.
fn numbers<const N: usize>(lines: &Lines, behind: &str, what: &str) -> Result<[f64; N], IoError> {
    let line = lines.line();
    let mut rest = line.split_once(behind).map_or(line, |(_, rest)| rest);
    let mut values = [0.0; N];
    for value in &mut values {
        let word = first_number(&mut rest);
        if word.contains('*') {
            return Err(lines.error_with_hint(
                what,
                word,
                Some("VASP prints stars where a number is too large for its column"),
            ));
        }
        *value = lines.finite(Some(word), what)?;
    }
    Ok(values)
}

/// Takes the next number off a line. Columns of fixed width may touch where a minus begins one.
fn first_number<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let bytes = text.as_bytes();
    let ends = |at: usize| {
        bytes[at].is_ascii_whitespace()
            || at > 0 && bytes[at] == b'-' && bytes[at - 1].is_ascii_digit()
    };
    let end = (0..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len());
    let (word, behind) = text.split_at(end);
    *rest = behind;
    word
}

#[cfg(test)]
mod tests;
