//! Input files of CP2K: the structure in them, and another one in its place.
//!
//! Only what is needed for that is understood: sections, keywords, comments. Whatever would make the
//! structure come from elsewhere (`@INCLUDE`, `@SET`, `COORD_FILE_NAME`, `MULTIPLE_UNIT_CELL`) is
//! refused.

use super::super::IoError;
use crate::cell::Cell;
use crate::elements;
use crate::math::{Matrix3, Vector3};
use crate::structure::Structure;
use crate::units;
use std::fmt::Write as _;
use std::path::Path;

/// A line of an input, in capitals and without comments.
struct Line {
    number: usize,
    /// First word: `&CELL`, `ABC`, `END`.
    word: String,
    /// The rest.
    rest: String,
}

/// Lines that say something, with their sections.
fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split(['!', '#']).next().unwrap_or("").trim();
        let Some(word) = line.split_whitespace().next() else { continue };
        let rest = line[word.len()..].trim().to_owned();
        found.push(Line { number: index + 1, word: word.to_uppercase(), rest });
    }
    found
}

/// The lines of the section `name` (such as `&CELL`) that directly follows `&SUBSYS`; first and last
/// are its begin and end.
fn section<'a>(lines: &'a [Line], name: &str, path: &Path) -> Result<Option<&'a [Line]>, IoError> {
    let mut open: Vec<&str> = Vec::new();
    let mut begin = None;
    for (k, line) in lines.iter().enumerate() {
        if line.word.starts_with("&END") {
            if open.last() == Some(&name)
                && open.len() >= 2
                && open[open.len() - 2] == "&SUBSYS"
                && let Some(begin) = begin
            {
                return Ok(Some(&lines[begin..=k]));
            }
            open.pop();
        } else if line.word.starts_with('&') {
            if line.word == name && open.last() == Some(&"&SUBSYS") {
                begin = Some(k);
            }
            open.push(&line.word);
        }
    }
    match begin {
        None => Ok(None),
        Some(begin) => Err(IoError::Truncated {
            path: path.to_owned(),
            line: lines[begin].number,
            what: format!("the section {name}"),
            hint: None,
        }),
    }
}

/// Keywords and sections that bring atoms from elsewhere, move them, or count them.
const ELSEWHERE: [&str; 8] = [
    "COORD_FILE_NAME",
    "COORDINATE",
    "CELL_FILE_NAME",
    "MULTIPLE_UNIT_CELL",
    "&CENTER_COORDINATES",
    "&EXT_RESTART",
    "&CONSTRAINT",
    "&VELOCITY",
];

/// Refuses what vitrion cannot see through.
fn refuse_indirection(lines: &[Line], path: &Path) -> Result<(), IoError> {
    let refused = lines.iter().find(|line| {
        line.word.starts_with('@')
            || line.rest.contains('$')
            || ELSEWHERE.contains(&line.word.as_str())
    });
    let evaluations = lines.iter().filter(|line| line.word == "&FORCE_EVAL").nth(1);
    match refused.or(evaluations) {
        None => Ok(()),
        Some(line) => Err(IoError::Parse {
            path: path.to_owned(),
            line: line.number,
            expected: "cell and coordinates in the file itself".to_owned(),
            found: format!("{} {}", line.word, line.rest),
            hint: Some(
                "write values in place of variables, includes and file names, and keep one \
                 &FORCE_EVAL without restarts and constraints"
                    .to_owned(),
            ),
        }),
    }
}

/// The structure of an input: `&CELL` and `&COORD` of `&SUBSYS`.
///
/// # Errors
/// The file cannot be read, has no such sections, or its structure comes from elsewhere.
pub fn read_structure(path: &Path) -> Result<Structure, IoError> {
    let text = std::fs::read_to_string(path).map_err(IoError::os(path, "read"))?;
    structure(&text, path)
}

/// As [`read_structure`], of a text; `path` is for messages.
///
/// # Errors
/// As [`read_structure`].
pub fn structure(text: &str, path: &Path) -> Result<Structure, IoError> {
    let lines = lines(text);
    refuse_indirection(&lines, path)?;
    let missing =
        |what: &str| IoError::invalid(path, format!("there is no {what} in &SUBSYS"), None);
    let cell = section(&lines, "&CELL", path)?.ok_or_else(|| missing("&CELL"))?;
    let cell = read_cell(cell, path)?;
    let coordinates = section(&lines, "&COORD", path)?.ok_or_else(|| missing("&COORD"))?;
    let mut scaled = false;
    let mut unit = 1.0;
    let (mut symbols, mut positions) = (Vec::new(), Vec::new());
    for line in &coordinates[1..coordinates.len() - 1] {
        match line.word.as_str() {
            "SCALED" => scaled = !line.rest.to_uppercase().starts_with('F'),
            "UNIT" => unit = length_unit(&line.rest).ok_or_else(|| bad(line, path, "a length"))?,
            _ => {
                let numbers = numbers(line, path)?;
                let [x, y, z] = numbers[..] else {
                    return Err(bad(line, path, "an element and three coordinates"));
                };
                symbols.push(symbol_of(&line.word));
                positions.push([x, y, z]);
            }
        }
    }
    let positions = positions
        .into_iter()
        .map(|r| if scaled { cell.to_cartesian(r) } else { r.map(|x| unit * x) })
        .collect();
    Structure::new(cell, &symbols, positions)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))
}

/// "LI" or "Li1" as CP2K users write kinds → "Li".
fn symbol_of(kind: &str) -> String {
    let letters: String = kind.chars().take_while(char::is_ascii_alphabetic).collect();
    let mut word = letters.to_lowercase();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    while word.len() > 1 && elements::by_symbol(&word).is_none() {
        word.pop();
    }
    word
}

fn bad(line: &Line, path: &Path, expected: &str) -> IoError {
    IoError::Parse {
        path: path.to_owned(),
        line: line.number,
        expected: expected.to_owned(),
        found: format!("{} {}", line.word, line.rest),
        hint: None,
    }
}

fn length_unit(text: &str) -> Option<f64> {
    match text.to_lowercase().trim_matches(['[', ']', ' ']) {
        "angstrom" => Some(1.0),
        "bohr" | "au_l" | "internal_cp2k" => Some(units::BOHR),
        "nm" => Some(10.0),
        _ => None,
    }
}

/// Numbers after the first word, in Å if a unit in brackets stands before them.
fn numbers(line: &Line, path: &Path) -> Result<Vec<f64>, IoError> {
    let (factor, rest) = match line.rest.strip_prefix('[') {
        Some(rest) => {
            let (unit, rest) = rest.split_once(']').unwrap_or((rest, ""));
            (length_unit(unit).ok_or_else(|| bad(line, path, "a unit of length"))?, rest)
        }
        None => (1.0, line.rest.as_str()),
    };
    rest.split_whitespace()
        .map(|word| {
            let number: Option<f64> = word.parse().ok().filter(|x: &f64| x.is_finite());
            number.map(|x| factor * x).ok_or_else(|| bad(line, path, "numbers"))
        })
        .collect()
}

fn read_cell(section: &[Line], path: &Path) -> Result<Cell, IoError> {
    let mut rows: [Option<Vector3>; 3] = [None; 3];
    let mut lengths = None;
    let mut angles = [90.0; 3];
    let mut periodic = [true; 3];
    let three = |line: &Line| -> Result<Vector3, IoError> {
        let found = numbers(line, path)?;
        found[..].try_into().map_err(|_| bad(line, path, "three numbers"))
    };
    for line in &section[1..section.len() - 1] {
        match line.word.as_str() {
            "A" => rows[0] = Some(three(line)?),
            "B" => rows[1] = Some(three(line)?),
            "C" => rows[2] = Some(three(line)?),
            "ABC" => lengths = Some(three(line)?),
            "ALPHA_BETA_GAMMA" | "ANGLES" => angles = three(line)?,
            "PERIODIC" => {
                let axes = line.rest.to_uppercase();
                periodic = ['X', 'Y', 'Z'].map(|axis| axes.contains(axis));
            }
            _ => {}
        }
    }
    let place = || format!("&CELL in line {}", section[0].number);
    let cell = match (rows, lengths) {
        ([Some(a), Some(b), Some(c)], None) => Cell::new([a, b, c], periodic),
        ([None, None, None], Some(lengths)) => Cell::from_lengths_angles(lengths, angles)
            .and_then(|cell| Cell::new(*cell.matrix(), periodic)),
        _ => {
            let message = format!("{} needs ABC, or all of A, B and C", place());
            return Err(IoError::invalid(path, message, None));
        }
    };
    cell.map_err(|error| IoError::invalid(path, format!("{}: {error}", place()), None))
}

/// `&CELL` and `&COORD` of a structure, indented by `indent` spaces; numbers read back exactly.
pub fn subsystem(structure: &Structure, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut text = format!("{pad}&CELL\n");
    let matrix: &Matrix3 = structure.cell.matrix();
    for (name, row) in ["A", "B", "C"].iter().zip(matrix) {
        let _ = writeln!(text, "{pad}  {name} {} {} {}", row[0], row[1], row[2]);
    }
    let _ = writeln!(text, "{pad}  PERIODIC XYZ\n{pad}&END CELL\n{pad}&COORD");
    for (atom, r) in structure.positions.iter().enumerate() {
        let _ = writeln!(text, "{pad}  {} {} {} {}", structure.symbol(atom), r[0], r[1], r[2]);
    }
    let _ = writeln!(text, "{pad}&END COORD");
    text
}

/// The template with the cell and the coordinates of `structure` in place of its own; all else stays
/// byte for byte.
///
/// # Errors
/// No `&SUBSYS`, sections that do not end, a structure that comes from elsewhere.
pub fn with_structure(
    template: &str,
    structure: &Structure,
    path: &Path,
) -> Result<String, IoError> {
    let found = lines(template);
    refuse_indirection(&found, path)?;
    let mut skipped = vec![false; template.lines().count() + 1];
    for name in ["&CELL", "&COORD"] {
        if let Some(section) = section(&found, name, path)? {
            let (first, last) = (section[0].number, section[section.len() - 1].number);
            skipped[first..=last].fill(true);
        }
    }
    let subsys = found.iter().find(|line| line.word == "&SUBSYS").ok_or_else(|| {
        IoError::invalid(path, "the template has no &SUBSYS section to put the atoms into", None)
    })?;
    let mut text = String::new();
    for (index, line) in template.lines().enumerate() {
        if skipped[index + 1] {
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if index + 1 == subsys.number {
            let indent = line.len() - line.trim_start().len();
            text.push_str(&subsystem(structure, indent + 2));
        }
    }
    Ok(text)
}

/// True if a keyword has this value anywhere in the input, capitals aside.
pub fn says(text: &str, word: &str, value: &str) -> bool {
    lines(text).iter().any(|line| line.word == word && line.rest.to_uppercase().starts_with(value))
}
