//! VASP structures: POSCAR and CONTCAR of VASP 5 and later.
//!
//! Read: one scale factor (negative = volume \[Å³\]) or three, Direct or Cartesian coordinates,
//! selective dynamics (flags are skipped), velocities \[Å/fs\]; lattice velocities of runs with a
//! changing cell and predictor-corrector data are skipped. Element symbols after the coordinates
//! must agree with the symbol line. Written: scale 1, Cartesian coordinates as they are
//! (unwrapped), velocities. Atoms keep their order: a run of equal elements becomes one entry of
//! the symbol line, and symbols may repeat, as VASP allows.
//!
//! Format: <https://vasp.at/wiki/POSCAR>.

use super::IoError;
use super::lines::Lines;
use crate::cell::Cell;
use crate::elements;
use crate::frame::Frame;
use crate::math::{Matrix3, Vector3};
use crate::structure::Structure;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// More atoms than this in a header are a slip of the keyboard.
const MOST_ATOMS: usize = 10_000_000;

/// Title, scaled lattice and symbols: what POSCAR and XDATCAR share.
pub(super) struct Head {
    pub(super) scale: Vector3,
    pub(super) matrix: Matrix3,
    pub(super) symbols: Vec<String>,
}

/// The lines from the scale factor to the numbers of atoms; the title was read before.
pub(super) fn head(lines: &mut Lines) -> Result<Head, IoError> {
    let line = lines.required("the scale factor")?.to_owned();
    let factors = numbers(&line, lines)?;
    let usable = matches!(factors[..], [s] if s != 0.0)
        || factors.len() == 3 && factors.iter().all(|s| *s > 0.0);
    if !usable {
        return Err(lines.error_with_hint(
            "a scale factor",
            &line,
            Some("one number (positive: factor, negative: volume in Å^3) or three positive ones"),
        ));
    }
    let mut rows = [[0.0; 3]; 3];
    for row in &mut rows {
        let line = lines.required("the lattice vectors")?.to_owned();
        *row = vector(&line, lines)?;
    }
    let scale = match factors[..] {
        [x, y, z] => [x, y, z],
        [s] if s > 0.0 => [s; 3],
        _ => {
            let unscaled = Cell::periodic(rows)
                .map_err(|error| IoError::invalid(lines.path(), error.to_string(), None))?;
            [(-factors[0] / unscaled.volume()).cbrt(); 3]
        }
    };
    let matrix = rows.map(|r| std::array::from_fn(|k| r[k] * scale[k]));
    let names = lines.required("the element symbols")?.to_owned();
    let names: Vec<&str> = names.split_whitespace().collect();
    if names.iter().all(|w| w.parse::<usize>().is_ok()) {
        return Err(lines.error_with_hint(
            "element symbols",
            &names.join(" "),
            Some("this is a VASP 4 file without symbols: insert a line with them, for example Li P S"),
        ));
    }
    if let Some(bad) = names.iter().find(|s| elements::by_symbol(s).is_none()) {
        let hint = bad.split(['_', '/']).next().filter(|s| elements::by_symbol(s).is_some());
        let hint = hint.map(|s| format!("write the plain symbol {s}")).or_else(|| {
            elements::nearest(bad).map(|s| format!("capitals matter: did you mean {s}?"))
        });
        return Err(lines.error_with_hint("element symbols", bad, hint.as_deref()));
    }
    let line = lines.required("the numbers of atoms")?.to_owned();
    let counts: Option<Vec<usize>> =
        line.split_whitespace().map(|w| w.parse().ok().filter(|n| *n > 0)).collect();
    let Some(counts) = counts.filter(|c| c.len() == names.len()) else {
        return Err(lines.error(format!("{} numbers of atoms", names.len()), &line));
    };
    let total = counts.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
    if total.is_none_or(|total| total > MOST_ATOMS) {
        return Err(lines.error(format!("at most {MOST_ATOMS} atoms"), &line));
    }
    let symbols = names
        .iter()
        .zip(counts)
        .flat_map(|(name, count)| std::iter::repeat_n((*name).to_owned(), count))
        .collect();
    Ok(Head { scale, matrix, symbols })
}

fn numbers(line: &str, lines: &Lines) -> Result<Vec<f64>, IoError> {
    line.split_whitespace().map(|w| lines.finite(Some(w), "a finite number")).collect()
}

/// Three numbers at the start of a line; what follows is ignored.
pub(super) fn vector(line: &str, lines: &Lines) -> Result<Vector3, IoError> {
    let mut words = line.split_whitespace();
    let mut v = [0.0; 3];
    for x in &mut v {
        *x = lines.finite(words.next(), "three finite numbers")?;
    }
    Ok(v)
}

pub(super) fn structure(
    head: &Head,
    positions: Vec<Vector3>,
    path: &Path,
) -> Result<Structure, IoError> {
    let trouble = |message: String| IoError::invalid(path, message, None);
    let cell = Cell::periodic(head.matrix).map_err(|e| trouble(e.to_string()))?;
    Structure::new(cell, &head.symbols, positions).map_err(|e| trouble(e.to_string()))
}

/// Reads a POSCAR.
///
/// # Errors
/// The line, what was expected and what was found.
pub fn read(path: &Path) -> Result<Frame, IoError> {
    let mut lines = Lines::open(path)?;
    lines.required("a POSCAR: it is empty")?;
    let head = head(&mut lines)?;
    let mut mode = lines.required("Direct or Cartesian")?.trim().to_owned();
    let selective = mode.starts_with(['S', 's']);
    if selective {
        lines.required("Direct or Cartesian")?.trim().clone_into(&mut mode);
    }
    let direct = match mode.chars().next() {
        Some('D' | 'd') => true,
        Some('C' | 'c' | 'K' | 'k') => false,
        _ => {
            return Err(lines.error_with_hint(
                "Direct or Cartesian",
                &mode,
                Some(
                    "the first letter counts: D for fractions of the lattice vectors, C or K for Å",
                ),
            ));
        }
    };
    let cell = Cell::periodic(head.matrix)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    let atoms = head.symbols.len();
    let mut positions = Vec::with_capacity(atoms);
    for index in 0..atoms {
        let line = lines.required(&format!("the coordinates: {index} of {atoms} were read"))?;
        let line = line.to_owned();
        let r = vector(&line, &lines)?;
        check_symbol(&line, selective, &head.symbols[index], &lines)?;
        positions.push(if direct {
            cell.to_cartesian(r)
        } else {
            std::array::from_fn(|k| r[k] * head.scale[k])
        });
    }
    let velocities = velocities(&mut lines, atoms)?;
    Ok(Frame { velocities, ..structure(&head, positions, path)?.into() })
}

/// Refuses a symbol after the coordinates that is not the one of the header.
fn check_symbol(line: &str, selective: bool, expected: &str, lines: &Lines) -> Result<(), IoError> {
    let at = if selective { 6 } else { 3 };
    // a lone F may be a flag rather than fluorine
    let symbol = line.split_whitespace().nth(at).filter(|w| *w != "F");
    match symbol.filter(|w| *w != expected && elements::by_symbol(w).is_some()) {
        None => Ok(()),
        Some(symbol) => Err(lines.error_with_hint(
            format!("an atom of {expected} by the symbol line"),
            symbol,
            Some("the symbols or the numbers of atoms in lines 6 and 7 are in another order"),
        )),
    }
}

/// The optional velocities after a blank line or a line that names their kind.
fn velocities(lines: &mut Lines, atoms: usize) -> Result<Option<Vec<Vector3>>, IoError> {
    let Some(kind) = lines.next()? else { return Ok(None) };
    let mut kind = kind.trim().to_owned();
    if kind.starts_with(['L', 'l']) {
        // a state flag, three velocities of lattice vectors, three lattice vectors
        for _ in 0..7 {
            lines.required("the lattice velocities")?;
        }
        let Some(next) = lines.next()? else { return Ok(None) };
        next.trim().clone_into(&mut kind);
    }
    if kind.starts_with(['D', 'd']) {
        return Err(lines.error_with_hint(
            "Cartesian velocities",
            &kind,
            Some("fractions per time step cannot be used: the file does not state the time step"),
        ));
    }
    if !(kind.is_empty() || kind.starts_with(['C', 'c', 'K', 'k'])) {
        return Err(lines.error_with_hint(
            "a blank line after the positions",
            &kind,
            Some("the numbers of atoms add up to fewer than there are lines"),
        ));
    }
    let mut result = Vec::with_capacity(atoms);
    for index in 0..atoms {
        let line = match lines.next()? {
            Some(line) if !line.trim().is_empty() => line.to_owned(),
            _ if index == 0 => return Ok(None),
            _ => {
                return Err(IoError::Truncated {
                    path: lines.path().to_owned(),
                    line: lines.number(),
                    what: format!("the velocities: {index} of {atoms} were read"),
                    hint: None,
                });
            }
        };
        let v = vector(&line, lines)?;
        result.push(v);
    }
    Ok(Some(result))
}

/// Runs of equal symbols and their lengths.
pub(super) fn runs(structure: &Structure) -> Vec<(&str, usize)> {
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for atom in 0..structure.len() {
        let symbol = structure.symbol(atom);
        match runs.last_mut() {
            Some((last, count)) if *last == symbol => *count += 1,
            _ => runs.push((symbol, 1)),
        }
    }
    runs
}

/// Title, scale, lattice, symbols and counts.
pub(super) fn write_head(text: &mut String, structure: &Structure) {
    let mut write = || -> std::fmt::Result {
        writeln!(text, "{}\n1.0", structure.formula())?;
        for [x, y, z] in structure.cell.matrix() {
            writeln!(text, "{x} {y} {z}")?;
        }
        let runs = runs(structure);
        let symbols: Vec<&str> = runs.iter().map(|(s, _)| *s).collect();
        let counts: Vec<String> = runs.iter().map(|(_, n)| n.to_string()).collect();
        writeln!(text, "{}\n{}", symbols.join(" "), counts.join(" "))
    };
    write().expect("writing to a string cannot fail");
}

/// Refuses cells that VASP does not know.
pub(super) fn check_periodic(structure: &Structure, path: &Path) -> Result<(), IoError> {
    if structure.cell.periodicity() == [true; 3] {
        return Ok(());
    }
    Err(IoError::invalid(
        path,
        "VASP cells are periodic in all directions; this one is not",
        Some("write extxyz, which keeps the periodicity"),
    ))
}

/// Writes a POSCAR.
///
/// # Errors
/// A cell that is not periodic, or what the writer reports.
pub fn write(out: &mut dyn Write, frame: &Frame, path: &Path) -> Result<(), IoError> {
    check_periodic(&frame.structure, path)?;
    let mut text = String::new();
    write_head(&mut text, &frame.structure);
    text.push_str("Cartesian\n");
    let mut rows = |vectors: &[Vector3]| {
        for [x, y, z] in vectors {
            writeln!(text, "{x} {y} {z}").expect("writing to a string cannot fail");
        }
    };
    rows(&frame.structure.positions);
    if let Some(velocities) = &frame.velocities {
        text.push_str("Cartesian\n");
        for [x, y, z] in velocities {
            writeln!(text, "{x} {y} {z}").expect("writing to a string cannot fail");
        }
    }
    out.write_all(text.as_bytes()).map_err(IoError::os(path, "write"))
}

#[cfg(test)]
mod tests;
