//! Extended XYZ in the dialect of ASE: the format vitrion itself writes.
//!
//! Line 1 is the number of atoms, line 2 holds `key=value` pairs, then one line per atom with the
//! columns named by `Properties`. Units: Å, fs, eV, eV/Å.
//!
//! * `Lattice="ax ay az bx by bz cx cy cz"`: lattice vectors one after the other; `pbc="T T T"`.
//! * `energy` \[eV\], `forces` \[eV/Å\].
//! * `virial` \[eV\] is `W = −∂E/∂ε`, positive = outward pressure. `stress` \[eV/Å³\] is ASE's,
//!   tensile positive: `stress = −W/V`, nine numbers, or six as xx yy zz yz xz xy. Both are
//!   written; where a file has only one, the other follows from it.
//! * `velocities` \[Å/fs\] is written; ASE's `momenta` \[√(amu eV)\] is read too.
//! * `phase:S:1`: named part of the structure an atom belongs to.
//! * `step`, `time_fs`: MD step and time.
//!
//! Positions are written as they are, unwrapped. Numbers are the shortest text that reads back to
//! the same f64, so a round trip is exact.

mod further;
mod header;

use super::IoError;
use super::lines::Lines;
use crate::cell::Cell;
use crate::columns::{AtomColumn, AtomValues};
use crate::elements;
use crate::frame::{Frame, Labels};
use crate::math::{self, Matrix3, Vector3};
use crate::phases::Phases;
use crate::species::SpeciesTable;
use crate::structure::Structure;
use crate::units;
use further::Further;
pub use further::ReaderWithColumns;
use header::{Column, Header};
use std::io::Write;
use std::path::Path;

/// Writes one frame.
///
/// # Errors
/// What the writer reports.
pub fn write_frame<W: Write + ?Sized>(out: &mut W, frame: &Frame) -> std::io::Result<()> {
    write_frame_with(out, frame, &[])
}

/// Writes one frame with further properties of its atoms. Spaces in words become `_`; atoms without
/// a number have `nan`.
///
/// # Errors
/// What the writer reports.
pub fn write_frame_with<W: Write + ?Sized>(
    out: &mut W,
    frame: &Frame,
    columns: &[AtomColumn],
) -> std::io::Result<()> {
    let structure = &frame.structure;
    writeln!(out, "{}", structure.len())?;
    let m = structure.cell.matrix().as_flattened();
    write!(out, "Lattice=\"{}\"", joined(m))?;
    write!(out, " Properties=species:S:1:pos:R:3")?;
    if structure.phases.is_some() {
        write!(out, ":phase:S:1")?;
    }
    if frame.velocities.is_some() {
        write!(out, ":velocities:R:3")?;
    }
    if frame.labels.forces.is_some() {
        write!(out, ":forces:R:3")?;
    }
    if frame.labels.atom_energies.is_some() {
        write!(out, ":energies:R:1")?;
    }
    for column in columns {
        let kind = if matches!(column.values, AtomValues::Real(_)) { 'R' } else { 'S' };
        write!(out, ":{}:{kind}:1", column.name)?;
    }
    if let Some(step) = frame.step {
        write!(out, " step={step}")?;
    }
    if let Some(time) = frame.time {
        write!(out, " time_fs={time}")?;
    }
    if let Some(energy) = frame.labels.energy {
        write!(out, " energy={energy}")?;
    }
    if let Some(virial) = frame.labels.virial {
        let stress = math::matrix_scale(&virial, -1.0 / structure.cell.volume());
        write!(out, " virial=\"{}\"", joined(virial.as_flattened()))?;
        write!(out, " stress=\"{}\"", joined(stress.as_flattened()))?;
    }
    let pbc = structure.cell.periodicity().map(|p| if p { "T" } else { "F" });
    writeln!(out, " pbc=\"{}\"", pbc.join(" "))?;
    for i in 0..structure.len() {
        let [x, y, z] = structure.positions[i];
        write!(out, "{} {x} {y} {z}", structure.symbol(i))?;
        if let Some(phases) = &structure.phases {
            write!(out, " {}", phases.name(i))?;
        }
        if let Some(velocities) = &frame.velocities {
            let [x, y, z] = velocities[i];
            write!(out, " {x} {y} {z}")?;
        }
        if let Some(forces) = &frame.labels.forces {
            let [x, y, z] = forces[i];
            write!(out, " {x} {y} {z}")?;
        }
        if let Some(energies) = &frame.labels.atom_energies {
            write!(out, " {}", energies[i])?;
        }
        for column in columns {
            match &column.values {
                AtomValues::Real(values) if values[i].is_nan() => write!(out, " nan")?,
                AtomValues::Real(values) => write!(out, " {}", values[i])?,
                AtomValues::Words { list, of } => {
                    write!(out, " {}", list[of[i] as usize].replace(char::is_whitespace, "_"))?;
                }
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn joined(numbers: &[f64]) -> String {
    numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

/// Streams the frames of a file.
pub struct Reader {
    lines: Lines,
    failed: bool,
}

impl Reader {
    /// Opens a file, `.gz` and `.zst` included.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Reader { lines: Lines::open(path)?, failed: false })
    }

    /// Reads frames that are part of the program; `name` is for messages.
    pub fn embedded(text: &'static str, name: &str) -> Self {
        Reader { lines: Lines::over(Box::new(text.as_bytes()), Path::new(name)), failed: false }
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = read_frame(&mut self.lines, None).transpose();
        self.failed = matches!(result, Some(Err(_)));
        result
    }
}

/// Per-atom numbers of a frame, as far as its columns go.
#[derive(Default)]
struct Columns {
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
    momenta: Vec<Vector3>,
    forces: Vec<Vector3>,
    energies: Vec<f64>,
    phases: Option<Phases>,
}

/// The next frame; further columns are skipped unless there is a place for them.
fn read_frame(
    lines: &mut Lines,
    mut further: Option<&mut Further>,
) -> Result<Option<Frame>, IoError> {
    let count = loop {
        match lines.next()? {
            None => return Ok(None),
            Some(line) if line.trim().is_empty() => {}
            Some(line) => break line.trim().to_owned(),
        }
    };
    let atoms: usize = count.parse().map_err(|_| {
        lines.error_with_hint(
            "the number of atoms",
            &count,
            Some("a frame of an extended XYZ file starts with its number of atoms"),
        )
    })?;
    let comment = lines.required("a frame: its comment line is missing")?.to_owned();
    let header = Header::parse(&comment, lines)?;
    if let Some(further) = &mut further {
        further.begin(&header.columns, lines)?;
    }
    let mut table: Vec<String> = Vec::new();
    let mut species = Vec::with_capacity(atoms);
    let mut columns = Columns::default();
    for atom in 0..atoms {
        lines.advance_within(|| format!("a frame of {atoms} atoms: {atom} were read"))?;
        read_atom(&header, lines, &mut table, &mut species, &mut columns, further.as_deref_mut())?;
    }
    finish(&header, &table, species, columns, lines).map(Some)
}

fn read_atom(
    header: &Header,
    lines: &Lines,
    table: &mut Vec<String>,
    species: &mut Vec<u8>,
    columns: &mut Columns,
    mut further: Option<&mut Further>,
) -> Result<(), IoError> {
    let mut words = lines.words();
    let mut further_columns = 0;
    for field in &header.columns {
        let mut vector = || -> Result<Vector3, IoError> {
            let mut v = [0.0; 3];
            for x in &mut v {
                *x = words.finite("a finite number")?;
            }
            Ok(v)
        };
        match field.column {
            Column::Symbol | Column::Number => {
                let word = words.next().unwrap_or("");
                let position = match table.iter().position(|known| known == word) {
                    Some(position) => position,
                    None => place(element(word, field.column, lines)?, table),
                };
                species.push(u8::try_from(position).expect("fewer than 256 elements exist"));
            }
            Column::Position => columns.positions.push(vector()?),
            Column::Velocity => columns.velocities.push(vector()?),
            Column::Momentum => columns.momenta.push(vector()?),
            Column::Force => columns.forces.push(vector()?),
            Column::Energy => {
                columns.energies.push(words.finite("a finite number")?);
            }
            Column::Phase => {
                let name = words.next().unwrap_or("");
                let phases = columns.phases.get_or_insert_default();
                phases.push(name).map_err(|error| {
                    lines.error_with_hint("the phase of an atom", name, Some(&error.to_string()))
                })?;
            }
            Column::Other => {
                if let Some(further) = &mut further {
                    further.read(field, further_columns, &mut words, lines)?;
                    further_columns += field.width;
                    continue;
                }
                for _ in 0..field.width {
                    if words.next().is_none() {
                        return Err(lines
                            .error(format!("{} columns", header.width()), "the end of the line"));
                    }
                }
            }
        }
    }
    if words.next().is_some() {
        let found = format!("{} columns", lines.line().split_ascii_whitespace().count());
        return Err(lines.error_with_hint(
            format!("{} columns as named by Properties", header.width()),
            &found,
            Some("is the number of atoms in the first line of the frame too small?"),
        ));
    }
    Ok(())
}

/// Place of a symbol in a table that it is added to if need be.
fn place(symbol: &str, table: &mut Vec<String>) -> usize {
    table.iter().position(|known| known == symbol).unwrap_or_else(|| {
        table.push(symbol.to_owned());
        table.len() - 1
    })
}

fn element<'a>(word: &'a str, column: Column, lines: &Lines) -> Result<&'a str, IoError> {
    if column == Column::Number || word.bytes().all(|b| b.is_ascii_digit()) {
        let number = word.parse::<usize>().unwrap_or(0);
        return number
            .checked_sub(1)
            .and_then(|index| elements::ELEMENTS.get(index))
            .map(|e| e.symbol)
            .filter(|_| column == Column::Number)
            .ok_or_else(|| {
                lines.error_with_hint(
                    if column == Column::Number { "an atomic number" } else { "an element symbol" },
                    word,
                    Some("numbered types are refused: write element symbols"),
                )
            });
    }
    if elements::by_symbol(word).is_some() {
        return Ok(word);
    }
    let hint = elements::nearest(word).map(|near| format!("did you mean {near}?"));
    Err(lines.error_with_hint("an element symbol", word, hint.as_deref()))
}

fn finish(
    header: &Header,
    table: &[String],
    species: Vec<u8>,
    columns: Columns,
    lines: &Lines,
) -> Result<Frame, IoError> {
    let comment_error = |message: String, hint: Option<&str>| {
        IoError::invalid(
            lines.path(),
            format!("frame ending at line {}: {message}", lines.number()),
            hint,
        )
    };
    let lattice = header.lattice.ok_or_else(|| {
        comment_error(
            "no Lattice, so there is no cell".into(),
            Some("add Lattice=\"ax ay az bx by bz cx cy cz\" and pbc=\"F F F\" for a molecule"),
        )
    })?;
    let cell = Cell::new(lattice, header.periodic)
        .map_err(|error| comment_error(error.to_string(), None))?;
    let table = SpeciesTable::new(table).map_err(|e| comment_error(e.to_string(), None))?;
    let masses: Vec<f64> =
        species.iter().map(|s| table.mass(crate::species::SpeciesId(*s))).collect();
    let volume = cell.volume();
    let structure = Structure {
        cell,
        species: species.into_iter().map(crate::species::SpeciesId).collect(),
        positions: columns.positions,
        table: table.into(),
        phases: columns.phases.map(Into::into),
    };
    let some = |v: Vec<Vector3>| if v.is_empty() { None } else { Some(v) };
    let from_momenta = some(columns.momenta).map(|momenta| {
        // ASE's unit of momentum is √(amu eV): v = p/m · √(eV/amu)
        let unit = units::ACCELERATION_PER_FORCE.sqrt();
        momenta.iter().zip(&masses).map(|(p, m)| math::scale(*p, unit / m)).collect()
    });
    let from_stress = header.stress.map(|stress| math::matrix_scale(&stress, -volume));
    if let (Some(virial), Some(other)) = (&header.virial, &from_stress)
        && !agree(virial, other)
    {
        return Err(comment_error(
            format!(
                "virial and stress disagree: virial xx is {} eV, -V*stress xx is {} eV",
                virial[0][0], other[0][0]
            ),
            Some(
                "one has another sign or unit: virial [eV] is positive outwards, stress [eV/A^3] \
                 positive in tension",
            ),
        ));
    }
    let virial = header.virial.or(from_stress);
    Ok(Frame {
        structure,
        step: header.step,
        time: header.time,
        velocities: some(columns.velocities).or(from_momenta),
        labels: Labels {
            energy: header.energy,
            forces: some(columns.forces),
            virial,
            atom_energies: if columns.energies.is_empty() { None } else { Some(columns.energies) },
        },
    })
}

/// True if two virials are equal to a thousandth: files round them, but a sign or a unit is more.
fn agree(a: &Matrix3, b: &Matrix3) -> bool {
    let size = |m: &Matrix3| math::norm(m.map(math::norm));
    let difference = math::matrix_add(a, &math::matrix_scale(b, -1.0));
    size(&difference) <= 1e-3 * size(a).max(1.0)
}

/// Nine numbers row by row.
fn matrix(numbers: &[f64]) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| numbers[3 * i + j]))
}

#[cfg(test)]
mod tests;
