//! CP2K: labelled frames from its outputs, and structures in and out of its inputs.
//!
//! The main output holds energies, forces and analytical stress but no coordinates: those come from
//! `PROJECT-pos-1.xyz` beside it (dynamics) or from the input it names (single points). Forces are
//! taken from `PROJECT-frc-1.xyz` where it is there, which has more digits.
//!
//! * energy \[hartree → eV\]: `ENERGY| Total FORCE_EVAL`, with smearing the free energy, whose
//!   derivatives the forces are;
//! * forces \[hartree/bohr → eV/Å\];
//! * virial \[eV\]: `STRESS| Analytical stress tensor` (positive = outward pressure) times the volume.
//!   The pressure of dynamics (`.stress` files, `MD| Pressure`) holds the kinetic part and is never used.
//!
//! An evaluation whose SCF has not converged is an error here, not a frame.

pub mod input;
pub mod output;

use super::IoError;
use super::lines::Lines;
use crate::cell::Cell;
use crate::frame::{Frame, Labels};
use crate::math::{self, Matrix3, Vector3};
use crate::structure::Structure;
use crate::units;
use output::{ForceEvaluation, Output};
use std::path::{Path, PathBuf};

/// Frames of an output.
pub struct Reader {
    path: PathBuf,
    frames: std::vec::IntoIter<Result<Frame, IoError>>,
}

impl Reader {
    /// Reads an output and the files beside it.
    ///
    /// # Errors
    /// Files that are missing or damaged. Evaluations that must not be used are reported one by one
    /// later on.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let output = output::read(path)?;
        let geometries = geometries(path, &output)?;
        let forces = forces(path, &output)?;
        let moving = geometries.len() > 1;
        let pairs = output.evaluations.iter().zip(geometries).enumerate();
        let frames: Vec<_> = pairs
            .filter(|(_, (evaluation, _))| is_whole(evaluation, &output, moving))
            .map(|(k, (evaluation, geometry))| {
                frame(evaluation, geometry, forces.as_ref().and_then(|f| f.get(k)), path)
            })
            .chain(cut(path, &output, moving).map(Err))
            .collect();
        Ok(Reader { path: path.to_owned(), frames: frames.into_iter() })
    }

    /// The output.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.frames.next()
    }
}

/// Nothing of the evaluation was cut off: a single point has the goodbye behind it, a step of dynamics
/// what the first step has.
fn is_whole(evaluation: &ForceEvaluation, output: &Output, moving: bool) -> bool {
    let stress = output.evaluations[0].stress.is_some();
    output.ended
        || moving && evaluation.forces.is_some() && (evaluation.stress.is_some() || !stress)
}

/// What is wrong with the end of the output.
fn cut(path: &Path, output: &Output, moving: bool) -> Option<IoError> {
    if let Some(text) = &output.abort {
        return Some(IoError::invalid(path, format!("CP2K gave up: {text}"), None));
    }
    let whole = output.evaluations.iter().filter(|e| is_whole(e, output, moving)).count();
    let unfinished = output.unfinished_scf || whole < output.evaluations.len() || whole == 0;
    (!output.ended && unfinished).then(|| IoError::Truncated {
        path: path.to_owned(),
        line: output.lines,
        what: format!("evaluation {}", whole + 1),
        hint: Some("the run was killed, or the file was cut; what is complete was read".to_owned()),
    })
}

/// Steps of dynamics that are complete in all files of a run, however it ended; `None` where the SCF did
/// not converge. `start` has the atoms and, where no file has it, the cell.
///
/// # Errors
/// Damaged files, or files of another run.
pub fn dynamics(path: &Path, start: &Structure) -> Result<Vec<(u64, Option<Frame>)>, IoError> {
    let output = output::read(path)?;
    let forces = forces(path, &output)?;
    let Some(positions) = beside(path, &output, "-pos-1.xyz") else { return Ok(Vec::new()) };
    let geometries = moving(path, &output, &positions, start)?;
    let mut found = Vec::new();
    // a run that goes on from a restart file evaluates its start again before it writes anything
    let repeated = usize::from(geometries.first().is_some_and(|g| g.step != Some(0)));
    let evaluations = output.evaluations.iter().skip(repeated);
    for (k, (evaluation, geometry)) in evaluations.zip(geometries).enumerate() {
        let step = geometry.step.unwrap_or(k as u64);
        let known = forces.as_ref().and_then(|f| f.get(k));
        if evaluation.scf.converged == Some(false) {
            found.push((step, None));
        } else if known.is_some() {
            found.push((step, Some(frame(evaluation, geometry, known, path)?)));
        }
    }
    Ok(found)
}

/// One evaluation as a frame.
fn frame(
    evaluation: &ForceEvaluation,
    geometry: Geometry,
    forces: Option<&Vec<Vector3>>,
    path: &Path,
) -> Result<Frame, IoError> {
    let refuse = |message: String, hint: &str| Err(IoError::invalid(path, message, Some(hint)));
    let line = evaluation.line;
    if evaluation.scf.converged == Some(false) {
        return refuse(
            format!("the SCF before the energy in line {line} did not converge"),
            "such energies and forces are wrong although CP2K prints them; raise MAX_SCF or change \
             the minimiser",
        );
    }
    let Geometry { structure, step, time, energy } = geometry;
    if let Some(energy) = energy
        && (energy - evaluation.energy).abs() > ENERGY_DIGITS
    {
        return refuse(
            format!(
                "the energy in line {line} is {} eV, but the trajectory beside it says {energy} eV for step {}",
                evaluation.energy,
                step.unwrap_or_default()
            ),
            "the files are of different runs, or the trajectory does not hold every step",
        );
    }
    let found = forces.or(evaluation.forces.as_ref());
    if let Some(found) = found
        && found.len() != structure.len()
    {
        return refuse(
            format!("{} forces for {} atoms (energy in line {line})", found.len(), structure.len()),
            "is the file beside it of another run?",
        );
    }
    let volume = structure.cell.volume();
    let labels = Labels {
        energy: Some(evaluation.energy),
        forces: found.cloned(),
        virial: evaluation.stress.map(|stress| math::matrix_scale(&stress, volume)),
        atom_energies: None,
    };
    Ok(Frame { structure, step, time, velocities: None, labels })
}

/// Where the atoms are at one evaluation.
struct Geometry {
    structure: Structure,
    step: Option<u64>,
    time: Option<f64>,
    /// As the trajectory has it [eV].
    energy: Option<f64>,
}

/// The ten digits of an energy in a trajectory, in eV.
const ENERGY_DIGITS: f64 = 1e-6;

/// A file of the project beside the output.
fn beside(path: &Path, output: &Output, ending: &str) -> Option<PathBuf> {
    let project = output.project.as_ref()?;
    let file = path.with_file_name(format!("{project}{ending}"));
    file.exists().then_some(file)
}

fn geometries(path: &Path, output: &Output) -> Result<Vec<Geometry>, IoError> {
    let start = match &output.input {
        Some(name) => {
            let name = Path::new(name).file_name().unwrap_or_default();
            let input = path.with_file_name(name);
            input.exists().then(|| input::read_structure(&input)).transpose()?
        }
        None => None,
    };
    let Some(start) = start else {
        let name = output.input.as_deref().unwrap_or("(not named)");
        return Err(IoError::invalid(
            path,
            format!("the input {name} is not beside the output, so cell and atoms are unknown"),
            Some("keep input and output in one folder"),
        ));
    };
    let Some(positions) = beside(path, output, "-pos-1.xyz") else {
        return Ok(vec![Geometry { structure: start, step: None, time: None, energy: None }]);
    };
    moving(path, output, &positions, &start)
}

/// Geometries of a run of dynamics.
fn moving(
    path: &Path,
    output: &Output,
    positions: &Path,
    start: &Structure,
) -> Result<Vec<Geometry>, IoError> {
    let cells = match beside(path, output, "-1.cell") {
        Some(cells) => Some(read_cells(&cells, start.cell.periodicity())?),
        None => None,
    };
    let mut found = Vec::new();
    for (k, step) in Steps::open(positions)?.enumerate() {
        let Step { number, time, energy, symbols, vectors } = step?;
        if symbols.len() != start.len()
            || symbols.iter().enumerate().any(|(i, s)| start.symbol(i) != s)
        {
            let message = format!("step {number} has other atoms than the input");
            return Err(IoError::invalid(positions, message, None));
        }
        let cell = match &cells {
            Some(cells) => cells.get(k).cloned().ok_or_else(|| {
                IoError::invalid(positions, format!("there is no cell for step {number}"), None)
            })?,
            None => start.cell.clone(),
        };
        let structure = Structure { cell, positions: vectors, ..start.clone() };
        found.push(Geometry { structure, step: Some(number), time: Some(time), energy });
    }
    Ok(found)
}

/// Forces of `PROJECT-frc-1.xyz` [eV/Å].
fn forces(path: &Path, output: &Output) -> Result<Option<Vec<Vec<Vector3>>>, IoError> {
    let Some(file) = beside(path, output, "-frc-1.xyz") else { return Ok(None) };
    let factor = units::HARTREE / units::BOHR;
    let steps = Steps::open(&file)?;
    let all: Result<Vec<_>, IoError> = steps
        .map(|step| Ok(step?.vectors.into_iter().map(|f| math::scale(f, factor)).collect()))
        .collect();
    all.map(Some)
}

/// One step of an XYZ file of CP2K.
struct Step {
    number: u64,
    time: f64,
    /// [eV]
    energy: Option<f64>,
    symbols: Vec<String>,
    vectors: Vec<Vector3>,
}

/// Steps of an XYZ file whose second lines read `i = 4, time = 2.000, E = -101.18`. A step that is cut
/// off at the end is left out: it was being written.
struct Steps {
    lines: Lines,
}

impl Steps {
    fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Steps { lines: Lines::open(path)? })
    }

    fn step(&mut self) -> Result<Option<Step>, IoError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let line = line.trim().to_owned();
        let atoms: usize =
            line.parse().map_err(|_| self.lines.error("a number of atoms", &line))?;
        let Some(title) = self.lines.next()? else { return Ok(None) };
        let title = title.to_owned();
        let value = |name: &str| {
            title.split(',').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            })
        };
        let number = value("i").and_then(|i| i.parse().ok());
        let time = value("time").and_then(|t| t.parse().ok());
        let energy = value("E").and_then(|e| e.parse().ok()).map(|e: f64| units::HARTREE * e);
        let (Some(number), Some(time)) = (number, time) else {
            return Err(self.lines.error("i = …, time = …", &title));
        };
        let (mut symbols, mut vectors) = (Vec::with_capacity(atoms), Vec::with_capacity(atoms));
        for _ in 0..atoms {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let mut vector = [0.0; 3];
            for (k, x) in vector.iter_mut().enumerate() {
                *x = self.lines.finite(words.get(k + 1).map(String::as_str), "a coordinate")?;
            }
            symbols.push(words[0].clone());
            vectors.push(vector);
        }
        Ok(Some(Step { number, time, energy, symbols, vectors }))
    }
}

impl Iterator for Steps {
    type Item = Result<Step, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Cells of `PROJECT-1.cell` [Å].
fn read_cells(path: &Path, periodic: [bool; 3]) -> Result<Vec<Cell>, IoError> {
    let mut lines = Lines::open(path)?;
    let mut cells = Vec::new();
    while let Some(line) = lines.next()? {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut matrix: Matrix3 = math::ZERO;
        for (k, x) in matrix.as_flattened_mut().iter_mut().enumerate() {
            *x = lines.finite(words.get(k + 2).map(String::as_str), "a component of the cell")?;
        }
        let cell = Cell::new(matrix, periodic)
            .map_err(|e| lines.error(e.to_string(), &words.join(" ")))?;
        cells.push(cell);
    }
    Ok(cells)
}

#[cfg(test)]
mod tests;
