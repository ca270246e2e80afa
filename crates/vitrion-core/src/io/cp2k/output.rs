//! The main output of CP2K: what it computed, and whether it may be believed.
//!
//! CP2K prints energy, forces and stress of an SCF that has not converged just as it prints good ones,
//! after a warning that is easily missed. So every evaluation here carries the state of its SCF. Units
//! are read from the brackets of the headings. Known layouts: 2022 to 2025 (`ATOMIC FORCES in [a.u.]`,
//! and the later `FORCES| Atomic forces [hartree/bohr]`).

use super::super::IoError;
use super::super::lines::Lines;
use crate::math::{self, Matrix3, Vector3};
use crate::units::{self, Kind};
use std::path::Path;

/// Everything that matters of an output.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// For example "2023.1".
    pub version: Option<String>,
    /// `PROJECT`, the stem of the other files.
    pub project: Option<String>,
    /// Name of the input file.
    pub input: Option<String>,
    /// In the order of the file: one for a single point, one for each step of dynamics.
    pub evaluations: Vec<ForceEvaluation>,
    /// CP2K said goodbye; without it the run was killed or the file cut off.
    pub ended: bool,
    /// Text of the box with which CP2K gives up.
    pub abort: Option<String>,
    /// What CP2K says it ran out of.
    pub shortage: Option<Shortage>,
    /// Numbers of the steps of dynamics that are complete.
    pub steps: Vec<u64>,
    /// Lines of the file.
    pub lines: usize,
    /// A warning that the atoms are too close to each other to be believed.
    pub too_close: Option<String>,
    /// SCF cycles begun after the last complete evaluation.
    pub unfinished_scf: bool,
}

/// What a run lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Its `WALLTIME` was over, or an `EXIT` file told it to stop.
    Time,
    Memory,
}

/// Energy and what follows from it at one geometry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForceEvaluation {
    /// Line of the energy.
    pub line: usize,
    /// [eV]
    pub energy: f64,
    /// [eV/Å]
    pub forces: Option<Vec<Vector3>>,
    /// Analytical stress `W/V` [eV/Å³], positive = outward pressure.
    pub stress: Option<Matrix3>,
    pub scf: Scf,
}

/// How the SCF went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scf {
    /// `None` if no SCF was run at all.
    pub converged: Option<bool>,
    /// Inner cycles, over all outer ones.
    pub cycles: usize,
}

/// Reads an output, however it ended.
///
/// # Errors
/// The file cannot be read; numbers that are none; a unit nobody knows. A file that ends early is no
/// error here: [`Output::ended`] says so.
pub fn read(path: &Path) -> Result<Output, IoError> {
    let mut lines = Lines::open(path)?;
    let mut output = Output::default();
    let mut scf = Scf::default();
    while let Some(line) = lines.next()? {
        let line = line.trim().to_owned();
        let line = line.as_str();
        if let Some(energy) = line.strip_prefix("ENERGY| Total FORCE_EVAL") {
            let energy = labelled_number(energy, &lines)?;
            let line = lines.number();
            output.evaluations.push(ForceEvaluation { line, energy, scf, ..Default::default() });
            scf = Scf::default();
        } else if line.starts_with("ATOMIC FORCES in [")
            || line.starts_with("FORCES| Atomic forces")
        {
            let factor = unit_factor(&lines, line, force_unit)?;
            let forces = read_forces(&mut lines, factor)?;
            if let (Some(last), Some(forces)) = (output.evaluations.last_mut(), forces) {
                last.forces = Some(forces);
            }
        } else if line.starts_with("STRESS| Analytical stress tensor [") {
            let factor = unit_factor(&lines, line, pressure_unit)?;
            let stress = read_stress(&mut lines, factor)?;
            if let (Some(last), Some(stress)) = (output.evaluations.last_mut(), stress) {
                last.stress = Some(stress);
            }
        } else if let Some(cycles) = between(line, "SCF run converged in", "steps") {
            scf.converged = Some(true);
            scf.cycles += cycles;
        } else if let Some(cycles) = between(line, "Leaving inner SCF loop after reaching", "steps")
        {
            // an outer loop may still get there
            scf.converged = Some(false);
            scf.cycles += cycles;
        } else if line.contains("SCF run NOT converged")
            || line.contains("outer SCF loop FAILED to converge")
        {
            scf.converged = Some(false);
        } else if line.starts_with("SCF WAVEFUNCTION OPTIMIZATION") {
            scf.converged.get_or_insert(false);
        } else {
            header(line, &mut output);
            if line.contains("[ABORT]") {
                output.abort = Some(abort_text(&mut lines)?);
            }
        }
    }
    output.lines = lines.number();
    output.unfinished_scf = scf.converged.is_some();
    if output.abort.as_deref().is_some_and(is_out_of_memory) {
        output.shortage = Some(Shortage::Memory);
    }
    Ok(output)
}

/// True for the words with which memory runs out, in the output or on standard error.
pub fn is_out_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "out of memory",
        "cannot allocate",
        "error allocating",
        "allocation failed",
        "oom-kill",
        "oom_kill",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// Lines that are read once: names, versions, the end.
fn header(line: &str, output: &mut Output) {
    let last = |line: &str| line.split_whitespace().next_back().map(str::to_owned);
    if let Some(version) = line.strip_prefix("CP2K| version string:") {
        output.version = last(version);
    } else if line.starts_with("CP2K| Input file name") {
        output.input = last(line);
    } else if line.starts_with("GLOBAL| Project name") {
        output.project = last(line);
    } else if line.contains("PROGRAM ENDED AT") {
        output.ended = true;
    } else if line.contains("exceeded requested execution time")
        || line.contains("terminated by external request")
    {
        output.shortage = Some(Shortage::Time);
    } else if line.contains("The distance between the atoms") {
        output.too_close = Some(line.trim_matches(['*', ' ']).to_owned());
    } else if let Some(step) = line.strip_prefix("MD| Step number") {
        output.steps.extend(step.trim().parse::<u64>().ok());
    } else if is_out_of_memory(line) {
        output.shortage = Some(Shortage::Memory);
    }
}

/// The number at the end of `( QS ) energy [a.u.]:   -101.18`, in eV.
fn labelled_number(text: &str, lines: &Lines) -> Result<f64, IoError> {
    let factor = unit_factor(lines, text, |unit| match unit {
        "a.u." | "hartree" => Some(units::HARTREE),
        "eV" => Some(1.0),
        _ => None,
    })?;
    let word = text.split_whitespace().next_back();
    Ok(factor * lines.finite(word, "an energy")?)
}

/// The factor of the unit in brackets.
fn unit_factor(
    lines: &Lines,
    heading: &str,
    known: impl Fn(&str) -> Option<f64>,
) -> Result<f64, IoError> {
    let unit = heading.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(u, _)| u);
    unit.and_then(|unit| known(unit.trim())).ok_or_else(|| {
        lines.error_with_hint(
            "a unit in brackets that vitrion knows",
            unit.unwrap_or(heading),
            Some("is this another version of CP2K? please report its heading"),
        )
    })
}

fn force_unit(unit: &str) -> Option<f64> {
    match unit {
        "a.u." | "hartree/bohr" | "hartree*bohr^-1" => Some(units::HARTREE / units::BOHR),
        "eV/angstrom" | "eV*angstrom^-1" => Some(1.0),
        _ => None,
    }
}

fn pressure_unit(unit: &str) -> Option<f64> {
    match unit {
        "a.u." | "hartree/bohr^3" | "hartree*bohr^-3" => {
            Some(units::HARTREE / (units::BOHR * units::BOHR * units::BOHR))
        }
        "eV/angstrom^3" | "eV*angstrom^-3" => Some(1.0),
        unit => units::parse(&format!("1 {unit}"), Kind::Pressure).ok(),
    }
}

/// The table below a heading of forces; `None` if the file ends within it.
fn read_forces(lines: &mut Lines, factor: f64) -> Result<Option<Vec<Vector3>>, IoError> {
    let mut forces = Vec::new();
    while let Some(line) = lines.next()? {
        let line = line.trim().trim_start_matches("FORCES|").trim();
        if line.starts_with("SUM OF ATOMIC FORCES") || line.starts_with("Sum") {
            return Ok(Some(forces));
        }
        if line.is_empty() || line.starts_with('#') || line.starts_with("Atom") {
            continue;
        }
        // "1 1 Li x y z", or "1 x y z |f|" of later versions
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let first = if words.len() == 6 { 3 } else { 1 };
        let mut force = [0.0; 3];
        for (k, x) in force.iter_mut().enumerate() {
            *x = factor * lines.finite(words.get(first + k).map(String::as_str), "a force")?;
        }
        forces.push(force);
    }
    Ok(None)
}

/// The 3×3 table below a heading of stress; `None` if the file ends within it.
fn read_stress(lines: &mut Lines, factor: f64) -> Result<Option<Matrix3>, IoError> {
    let mut stress = math::ZERO;
    if lines.next()?.is_none() {
        return Ok(None);
    }
    for row in &mut stress {
        let Some(line) = lines.next()? else { return Ok(None) };
        let words: Vec<String> = line.split_whitespace().rev().take(3).map(str::to_owned).collect();
        for (x, word) in row.iter_mut().rev().zip(&words) {
            *x = factor * lines.finite(Some(word), "a component of the stress")?;
        }
    }
    Ok(Some(stress))
}

/// The words inside CP2K's box around `[ABORT]`, on one line.
fn abort_text(lines: &mut Lines) -> Result<String, IoError> {
    let mut words: Vec<String> = Vec::new();
    while let Some(line) = lines.next()? {
        let line = line.trim();
        if line.starts_with("****") {
            break;
        }
        let inner = line.trim_matches('*').trim();
        // the head of the small figure beside the text
        let inner = ["\\___/", "O/|", "/| |", "/ \\", "|"]
            .iter()
            .fold(inner, |text, limb| text.strip_prefix(limb).unwrap_or(text).trim());
        words.extend(inner.split_whitespace().map(str::to_owned));
    }
    Ok(words.join(" "))
}

/// The number between two texts.
fn between(line: &str, before: &str, after: &str) -> Option<usize> {
    let (_, rest) = line.split_once(before)?;
    let (number, _) = rest.split_once(after)?;
    number.trim().parse().ok()
}
