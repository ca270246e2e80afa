//! The comment line: `key=value` pairs with ASE's quoting.

use super::matrix;
use crate::io::IoError;
use crate::io::lines::Lines;
use crate::math::Matrix3;

/// What a column of the atom lines holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Symbol,
    Number,
    Position,
    Velocity,
    Momentum,
    Force,
    Energy,
    Phase,
    Other,
}

/// The kind of the words in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Real,
    Integer,
    Logical,
    Other,
}

/// One entry of `Properties`.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) column: Column,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) width: usize,
}

impl Field {
    fn new(column: Column, name: &str, kind: Kind, width: usize) -> Self {
        Field { column, name: name.to_owned(), kind, width }
    }

    /// True if a frame has no place for it.
    pub(super) fn is_further(&self) -> bool {
        self.column == Column::Other
    }
}

/// The known keys of a comment line.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) lattice: Option<Matrix3>,
    pub(super) periodic: [bool; 3],
    /// In file order.
    pub(super) columns: Vec<Field>,
    pub(super) step: Option<u64>,
    pub(super) time: Option<f64>,
    pub(super) energy: Option<f64>,
    pub(super) virial: Option<Matrix3>,
    pub(super) stress: Option<Matrix3>,
}

impl Header {
    /// Reads the comment line; unknown keys are skipped.
    pub(super) fn parse(comment: &str, lines: &Lines) -> Result<Header, IoError> {
        let mut header = Header {
            lattice: None,
            periodic: [true; 3],
            columns: vec![
                Field::new(Column::Symbol, "species", Kind::Text, 1),
                Field::new(Column::Position, "pos", Kind::Real, 3),
            ],
            step: None,
            time: None,
            energy: None,
            virial: None,
            stress: None,
        };
        let mut free_energy = None;
        for (key, value) in pairs(comment, lines)? {
            let number = || {
                value
                    .parse::<f64>()
                    .ok()
                    .filter(|x| x.is_finite())
                    .ok_or_else(|| lines.error(format!("a finite number for {key}"), &value))
            };
            match key.as_str() {
                "Lattice" => header.lattice = Some(matrix(&numbers(&value, &[9], &key, lines)?)),
                "pbc" => header.periodic = periodicity(&value, lines)?,
                "Properties" => header.columns = columns(&value, lines)?,
                "step" => {
                    header.step = Some(
                        value
                            .parse()
                            .map_err(|_| lines.error("a whole number for step", &value))?,
                    );
                }
                "time_fs" => header.time = Some(number()?),
                "energy" => header.energy = Some(number()?),
                "free_energy" => free_energy = Some(number()?),
                "virial" | "virials" => {
                    header.virial = Some(symmetric(&numbers(&value, &[9, 6], &key, lines)?));
                }
                "stress" => {
                    header.stress = Some(symmetric(&numbers(&value, &[9, 6], &key, lines)?));
                }
                _ => {}
            }
        }
        header.energy = header.energy.or(free_energy);
        Ok(header)
    }

    /// Words on an atom line.
    pub(super) fn width(&self) -> usize {
        self.columns.iter().map(|field| field.width).sum()
    }
}

/// Nine numbers as they are, six in Voigt order xx yy zz yz xz xy.
fn symmetric(n: &[f64]) -> Matrix3 {
    if n.len() == 9 {
        return matrix(n);
    }
    [[n[0], n[5], n[4]], [n[5], n[1], n[3]], [n[4], n[3], n[2]]]
}

fn periodicity(value: &str, lines: &Lines) -> Result<[bool; 3], IoError> {
    let flags: Option<Vec<bool>> = value
        .split(|c: char| c.is_whitespace() || ",[]".contains(c))
        .filter(|w| !w.is_empty())
        .map(|word| match word {
            "T" | "True" | "true" | "1" => Some(true),
            "F" | "False" | "false" | "0" => Some(false),
            _ => None,
        })
        .collect();
    match flags.as_deref() {
        Some([a, b, c]) => Ok([*a, *b, *c]),
        _ => Err(lines.error("three of T or F for pbc", value)),
    }
}

fn numbers(value: &str, counts: &[usize], key: &str, lines: &Lines) -> Result<Vec<f64>, IoError> {
    // ASE writes arrays of arrays as _JSON [[1, 2], [3, 4]] when they are not simple
    let plain = value.strip_prefix("_JSON").unwrap_or(value);
    let parsed: Option<Vec<f64>> = plain
        .split(|c: char| c.is_whitespace() || ",[]{}".contains(c))
        .filter(|w| !w.is_empty())
        .map(|word| word.parse().ok().filter(|x: &f64| x.is_finite()))
        .collect();
    match parsed {
        Some(list) if counts.contains(&list.len()) => Ok(list),
        _ => {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            Err(lines.error(format!("{} finite numbers for {key}", counts.join(" or ")), value))
        }
    }
}

fn columns(value: &str, lines: &Lines) -> Result<Vec<Field>, IoError> {
    let parts: Vec<&str> = value.split(':').collect();
    let mut result = Vec::new();
    for part in parts.chunks(3) {
        let [name, kind, width] = part else {
            return Err(lines.error("name:kind:width triples in Properties", value));
        };
        let width: usize = width
            .parse()
            .ok()
            .filter(|w| *w > 0)
            .ok_or_else(|| lines.error("a column width in Properties", width))?;
        let vector = *kind == "R" && width == 3;
        let column = match *name {
            "species" | "element" if *kind == "S" && width == 1 => Column::Symbol,
            "Z" | "numbers" if *kind == "I" && width == 1 => Column::Number,
            "pos" | "positions" if vector => Column::Position,
            "velocities" | "velocity" | "velo" | "vel" if vector => Column::Velocity,
            "momenta" if vector => Column::Momentum,
            "forces" | "force" if vector => Column::Force,
            "energies" | "local_energy" if *kind == "R" && width == 1 => Column::Energy,
            "phase" if matches!(*kind, "S" | "I") && width == 1 => Column::Phase,
            _ => Column::Other,
        };
        let kind = match *kind {
            "S" => Kind::Text,
            "R" => Kind::Real,
            "I" => Kind::Integer,
            "L" => Kind::Logical,
            _ => Kind::Other,
        };
        result.push(Field::new(column, name, kind, width));
    }
    // symbols win over atomic numbers where a file has both
    if result.iter().any(|field| field.column == Column::Symbol) {
        for field in &mut result {
            if field.column == Column::Number {
                field.column = Column::Other;
            }
        }
    }
    let count =
        |wanted: &[Column]| result.iter().filter(|field| wanted.contains(&field.column)).count();
    if count(&[Column::Symbol, Column::Number]) != 1 || count(&[Column::Position]) != 1 {
        return Err(lines.error("one species:S:1 (or Z:I:1) and one pos:R:3 in Properties", value));
    }
    Ok(result)
}

/// Splits `key=value key="quoted value" flag` with backslash escapes.
fn pairs(comment: &str, lines: &Lines) -> Result<Vec<(String, String)>, IoError> {
    let mut result = Vec::new();
    let mut chars = comment.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(result);
        }
        let key = token(&mut chars, "=", lines)?;
        if chars.next_if_eq(&'=').is_none() {
            // a key without value is a flag; ASE reads it as true
            result.push((key, "T".to_owned()));
            continue;
        }
        let value = token(&mut chars, "", lines)?;
        result.push((key, value));
    }
}

/// One word, or one text in quotes or brackets.
fn token(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    ends: &str,
    lines: &Lines,
) -> Result<String, IoError> {
    let close = match chars.peek() {
        Some(quote @ ('"' | '\'')) => Some(*quote),
        Some('{') => Some('}'),
        Some('[') => Some(']'),
        _ => None,
    };
    let mut text = String::new();
    if let Some(close) = close {
        let open = chars.next().expect("just seen");
        let mut depth = 1;
        while let Some(c) = chars.next() {
            match c {
                '\\' if close == '"' => text.extend(chars.next()),
                c if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(text);
                    }
                    text.push(c);
                }
                c if c == open => {
                    depth += 1;
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        return Err(lines.error(format!("a closing {close}"), &text));
    }
    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !ends.contains(*c)) {
        text.push(c);
    }
    Ok(text)
}
