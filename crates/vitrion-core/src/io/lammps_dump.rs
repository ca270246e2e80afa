//! LAMMPS text dumps (`dump custom`, `dump atom`).
//!
//! Coordinates `x`, `xs` (scaled), `xu` (unwrapped), `xsu` (scaled and unwrapped); image flags
//! `ix iy iz` beside `x` or `xs` are applied, which also gives unwrapped positions. Boxes:
//! orthogonal, triclinic (`xy xz yz`, bounds of the bounding box) and general triclinic
//! (`abc origin`). Atoms are sorted by `id`. Velocities and forces are in the file's units (metal
//! unless said otherwise). Elements come from the `element` column or from a type map.

use super::lammps::{Factors, MAP_HINT, check_map, mapped, turned};
use super::lines::Lines;
use super::{IoError, LammpsUnits, ReadOptions};
use crate::cell::Cell;
use crate::elements;
use crate::frame::{Frame, Labels};
use crate::math::{self, Matrix3, Vector3};
use crate::structure::Structure;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Streams the frames of a dump.
pub struct Reader {
    lines: Lines,
    map: Option<Vec<String>>,
    factors: Factors,
    failed: bool,
}

impl Reader {
    /// Opens a dump.
    ///
    /// # Errors
    /// The file cannot be opened, or the type map names no elements.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, IoError> {
        if let Some(map) = &options.type_map {
            check_map(map, path)?;
        }
        Ok(Reader {
            lines: Lines::open(path)?,
            map: options.type_map.clone(),
            factors: options.lammps_units.factors(),
            failed: false,
        })
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result =
            read_frame(&mut self.lines, self.map.as_deref(), &mut self.factors).transpose();
        self.failed = matches!(result, Some(Err(_)));
        result
    }
}

/// Cell rows, origin, periodicity.
struct Box3 {
    matrix: Matrix3,
    origin: Vector3,
    periodic: [bool; 3],
}

fn read_frame(
    lines: &mut Lines,
    map: Option<&[String]>,
    factors: &mut Factors,
) -> Result<Option<Frame>, IoError> {
    let (mut step, mut time, mut atoms, mut cell) = (None, None, None, None);
    loop {
        let line = match lines.next()? {
            None if step.is_none() && atoms.is_none() => return Ok(None),
            None => {
                return Err(IoError::Truncated {
                    path: lines.path().to_owned(),
                    line: lines.number(),
                    what: "a frame: no ITEM: ATOMS follows".into(),
                    hint: None,
                });
            }
            Some(line) => line.trim().to_owned(),
        };
        if line.is_empty() {
            continue;
        }
        let Some(item) = line.strip_prefix("ITEM:").map(str::trim) else {
            return Err(lines.error_with_hint(
                "a line starting with ITEM:",
                &line,
                Some("does the number of atoms of the frame before agree with its lines?"),
            ));
        };
        if item.starts_with("TIMESTEP") {
            let word = lines.required("ITEM: TIMESTEP")?.trim().to_owned();
            step = Some(word.parse::<u64>().map_err(|_| lines.error("a timestep", &word))?);
        } else if item.starts_with("UNITS") {
            let word = lines.required("ITEM: UNITS")?.trim().to_owned();
            *factors = match word.as_str() {
                "metal" => LammpsUnits::Metal.factors(),
                "real" => LammpsUnits::Real.factors(),
                _ => return Err(lines.error("units metal or real", &word)),
            };
        } else if item.starts_with("TIME") {
            let word = lines.required("ITEM: TIME")?.trim().to_owned();
            time = Some(lines.finite(Some(&word), "a time")? * factors.time);
        } else if item.starts_with("NUMBER OF ATOMS") {
            let word = lines.required("ITEM: NUMBER OF ATOMS")?.trim().to_owned();
            let count = word.parse::<usize>();
            atoms = Some(count.map_err(|_| lines.error("the number of atoms", &word))?);
        } else if let Some(bounds) = item.strip_prefix("BOX BOUNDS") {
            cell = Some(read_box(bounds, lines)?);
        } else if let Some(columns) = item.strip_prefix("ATOMS") {
            let Some(atoms) = atoms else {
                return Err(lines.error("ITEM: NUMBER OF ATOMS before ITEM: ATOMS", item));
            };
            let Some(cell) = cell else {
                return Err(lines.error("ITEM: BOX BOUNDS before ITEM: ATOMS", item));
            };
            let mut frame = read_atoms(columns, atoms, &cell, lines, map, *factors)?;
            frame.step = step;
            frame.time = time;
            return Ok(Some(frame));
        } else {
            return Err(lines.error("TIMESTEP, NUMBER OF ATOMS, BOX BOUNDS or ATOMS", item));
        }
    }
}

fn read_box(header: &str, lines: &mut Lines) -> Result<Box3, IoError> {
    let words: Vec<&str> = header.split_whitespace().collect();
    let general = words.contains(&"abc") || words.contains(&"origin");
    let tilted = words.contains(&"xy");
    let flags: Vec<&&str> = words
        .iter()
        .filter(|w| w.len() == 2 && **w != "xy" && **w != "xz" && **w != "yz")
        .collect();
    let periodic = std::array::from_fn(|k| flags.get(k).is_none_or(|f| f.starts_with('p')));
    let mut rows: [[f64; 4]; 3] = [[0.0; 4]; 3];
    let width = if general {
        4
    } else if tilted {
        3
    } else {
        2
    };
    for row in &mut rows {
        let line = lines.required("the box bounds")?.to_owned();
        let found: Vec<&str> = line.split_whitespace().collect();
        if found.len() != width {
            return Err(lines.error(format!("{width} numbers per box line"), &line));
        }
        for (value, word) in row.iter_mut().zip(found) {
            *value = lines.finite(Some(word), "a finite number")?;
        }
    }
    if general {
        return Ok(Box3 {
            matrix: rows.map(|r| [r[0], r[1], r[2]]),
            origin: rows.map(|r| r[3]),
            periodic,
        });
    }
    let [xy, xz, yz] = if tilted { rows.map(|r| r[2]) } else { [0.0; 3] };
    // the bounds of a tilted box are those of its bounding box
    let low = |values: &[f64]| values.iter().fold(0.0_f64, |a, b| a.min(*b));
    let high = |values: &[f64]| values.iter().fold(0.0_f64, |a, b| a.max(*b));
    let x = [rows[0][0] - low(&[xy, xz, xy + xz]), rows[0][1] - high(&[xy, xz, xy + xz])];
    let y = [rows[1][0] - low(&[yz]), rows[1][1] - high(&[yz])];
    let z = [rows[2][0], rows[2][1]];
    for (axis, [low, high]) in [("x", x), ("y", y), ("z", z)] {
        if low > high {
            let expected = format!("{axis}lo below {axis}hi");
            return Err(lines.error(expected, &format!("{axis}lo {low}, {axis}hi {high}")));
        }
    }
    Ok(Box3 {
        matrix: [[x[1] - x[0], 0.0, 0.0], [xy, y[1] - y[0], 0.0], [xz, yz, z[1] - z[0]]],
        origin: [x[0], y[0], z[0]],
        periodic,
    })
}

/// Where the columns are.
struct Columns {
    id: usize,
    element: Option<usize>,
    number: Option<usize>,
    position: [usize; 3],
    scaled: bool,
    unwrapped: bool,
    image: Option<[usize; 3]>,
    velocity: Option<[usize; 3]>,
    force: Option<[usize; 3]>,
    count: usize,
}

impl Columns {
    fn parse(header: &str, lines: &Lines) -> Result<Columns, IoError> {
        let names: Vec<&str> = header.split_whitespace().collect();
        let at = |name: &str| names.iter().position(|n| *n == name);
        let three = |a: &str, b: &str, c: &str| Some([at(a)?, at(b)?, at(c)?]);
        let styles = [
            (three("xu", "yu", "zu"), false, true),
            (three("xsu", "ysu", "zsu"), true, true),
            (three("x", "y", "z"), false, false),
            (three("xs", "ys", "zs"), true, false),
        ];
        let Some((position, scaled, unwrapped)) =
            styles.into_iter().find_map(|(p, s, u)| p.map(|p| (p, s, u)))
        else {
            return Err(lines.error("columns x y z, xs ys zs, xu yu zu or xsu ysu zsu", header));
        };
        let Some(id) = at("id") else {
            return Err(lines.error_with_hint(
                "a column id",
                header,
                Some("LAMMPS writes atoms in any order, which may change from frame to frame"),
            ));
        };
        Ok(Columns {
            id,
            element: at("element"),
            number: at("type"),
            position,
            scaled,
            unwrapped,
            image: three("ix", "iy", "iz"),
            velocity: three("vx", "vy", "vz"),
            force: three("fx", "fy", "fz"),
            count: names.len(),
        })
    }
}

/// What the lines of atoms say, in the order of the file.
struct Atoms {
    ids: Vec<u64>,
    /// Symbols that occur, and the place of every atom's in them.
    symbols: Vec<String>,
    of: Vec<u8>,
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
    forces: Vec<Vector3>,
    /// The type of the first atom, and whether others differ.
    first_type: String,
    several_types: bool,
    /// Words that named an element (or a type of the map) before, and the place of its symbol.
    known: Vec<(String, u8)>,
}

impl Atoms {
    fn with_capacity(count: usize, columns: &Columns) -> Self {
        let vectors = |there: bool| Vec::with_capacity(if there { count } else { 0 });
        Atoms {
            ids: Vec::with_capacity(count),
            symbols: Vec::new(),
            of: Vec::with_capacity(count),
            positions: vectors(true),
            velocities: vectors(columns.velocity.is_some()),
            forces: vectors(columns.force.is_some()),
            first_type: String::new(),
            several_types: false,
            known: Vec::new(),
        }
    }

    /// Place of the symbol that a line names; words that came before are not looked up again.
    fn species(
        &mut self,
        columns: &Columns,
        words: &Words<'_>,
        map: Option<&[String]>,
        lines: &Lines,
    ) -> Result<u8, IoError> {
        let column = match (map, columns.number) {
            (Some(_), Some(number)) => number,
            _ => columns.element.expect("checked before"),
        };
        let word = words.at(column);
        if let Some((_, place)) = self.known.iter().find(|(known, _)| known == word) {
            return Ok(*place);
        }
        let symbol = symbol_of(columns, words, map, lines)?;
        let place = self.symbols.iter().position(|known| *known == symbol).unwrap_or_else(|| {
            self.symbols.push(symbol);
            self.symbols.len() - 1
        });
        let place = u8::try_from(place).expect("fewer than 256 elements exist");
        self.known.push((word.to_owned(), place));
        Ok(place)
    }

    /// Places of the atoms in the order of their numbers.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        if !self.ids.is_sorted() {
            order.sort_unstable_by_key(|place| (self.ids[*place], *place));
        }
        order
    }
}

/// Words of a line; places are kept from line to line.
struct Words<'a> {
    line: &'a str,
    ends: &'a [[usize; 2]],
}

impl<'a> Words<'a> {
    fn split(line: &'a str, ends: &'a mut Vec<[usize; 2]>) -> Self {
        ends.clear();
        let bytes = line.as_bytes();
        let mut at = 0;
        loop {
            while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            let from = at;
            while bytes.get(at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
                at += 1;
            }
            if from == at {
                break;
            }
            ends.push([from, at]);
        }
        Words { line, ends }
    }

    fn at(&self, column: usize) -> &'a str {
        let [from, to] = self.ends[column];
        &self.line[from..to]
    }

    fn vector(&self, columns: [usize; 3], lines: &Lines) -> Result<Vector3, IoError> {
        let mut v = [0.0; 3];
        for (x, column) in v.iter_mut().zip(columns) {
            *x = lines.finite(Some(self.at(column)), "a finite number")?;
        }
        Ok(v)
    }
}

fn read_atoms(
    header: &str,
    count: usize,
    cell: &Box3,
    lines: &mut Lines,
    map: Option<&[String]>,
    factors: Factors,
) -> Result<Frame, IoError> {
    let columns = Columns::parse(header, lines)?;
    if columns.element.is_none() && (columns.number.is_none() || map.is_none()) {
        return Err(lines.error_with_hint("an element column", header, Some(MAP_HINT)));
    }
    let trouble = |lines: &Lines, message: String| {
        IoError::invalid(
            lines.path(),
            format!("frame ending at line {}: {message}", lines.number()),
            None,
        )
    };
    let matrix =
        Cell::new(cell.matrix, cell.periodic).map_err(|e| trouble(lines, e.to_string()))?;
    let mut atoms = Atoms::with_capacity(count, &columns);
    let mut ends = Vec::with_capacity(columns.count);
    for index in 0..count {
        lines.advance_within(|| format!("a frame of {count} atoms: {index} were read"))?;
        let words = Words::split(lines.line(), &mut ends);
        if words.ends.len() != columns.count {
            return Err(lines.error(format!("{} columns", columns.count), lines.line()));
        }
        let species = atoms.species(&columns, &words, map, lines)?;
        if let Some(k) = columns.number {
            if index == 0 {
                words.at(k).clone_into(&mut atoms.first_type);
            }
            atoms.several_types |= words.at(k) != atoms.first_type;
        }
        let mut r = words.vector(columns.position, lines)?;
        r = if columns.scaled { matrix.to_cartesian(r) } else { math::sub(r, cell.origin) };
        if let (Some(at), false) = (columns.image, columns.unwrapped) {
            r = math::add(r, matrix.to_cartesian(words.vector(at, lines)?));
        }
        let word = words.at(columns.id);
        atoms.ids.push(word.parse().map_err(|_| lines.error("an atom id", word))?);
        atoms.of.push(species);
        atoms.positions.push(r);
        if let Some(at) = columns.velocity {
            atoms.velocities.push(math::scale(words.vector(at, lines)?, factors.velocity));
        }
        if let Some(at) = columns.force {
            atoms.forces.push(math::scale(words.vector(at, lines)?, factors.force));
        }
    }
    if map.is_none() && atoms.symbols == ["C"] && atoms.several_types {
        // what LAMMPS writes where the input script has no "dump_modify ID element ..."
        return Err(lines.error_with_hint(
            "the element of each type",
            "several types that are all C",
            Some(MAP_HINT),
        ));
    }
    let order = atoms.order();
    if let Some(pair) = order.windows(2).find(|pair| atoms.ids[pair[0]] == atoms.ids[pair[1]]) {
        return Err(trouble(lines, format!("two atoms have the id {}", atoms.ids[pair[0]])));
    }
    let sorted =
        |of: &[Vector3]| -> Vec<Vector3> { order.iter().map(|place| of[*place]).collect() };
    let symbols: Vec<&str> =
        order.iter().map(|place| atoms.symbols[usize::from(atoms.of[*place])].as_str()).collect();
    let structure = Structure::new(matrix, &symbols, sorted(&atoms.positions))
        .map_err(|e| trouble(lines, e.to_string()))?;
    Ok(Frame {
        velocities: columns.velocity.map(|_| sorted(&atoms.velocities)),
        labels: Labels {
            forces: columns.force.map(|_| sorted(&atoms.forces)),
            ..Labels::default()
        },
        ..structure.into()
    })
}

fn symbol_of(
    columns: &Columns,
    words: &Words<'_>,
    map: Option<&[String]>,
    lines: &Lines,
) -> Result<String, IoError> {
    if let (Some(map), Some(k)) = (map, columns.number) {
        let word = words.at(k);
        let number = word.parse().map_err(|_| lines.error("an atom type", word))?;
        return match mapped(Some(map), number) {
            Ok(symbol) => Ok(symbol.expect("a map was given").to_owned()),
            Err(expected) => Err(lines.error(expected, word)),
        };
    }
    let word = words.at(columns.element.expect("checked before"));
    if elements::by_symbol(word).is_some() {
        return Ok(word.to_owned());
    }
    let hint = elements::nearest(word)
        .map_or_else(|| MAP_HINT.to_owned(), |near| format!("did you mean {near}?"));
    Err(lines.error_with_hint("an element symbol", word, Some(&hint)))
}

/// Writes a frame in metal units: unwrapped positions, elements, velocities and forces if known.
///
/// # Errors
/// A left-handed cell, or what the writer reports.
pub fn write_frame(out: &mut dyn Write, frame: &Frame, path: &Path) -> Result<(), IoError> {
    let turned = turned(frame, path)?;
    let factors = LammpsUnits::Metal.factors();
    let structure = &frame.structure;
    let [[lx, ..], [xy, ly, _], [xz, yz, lz]] = turned.cell;
    let mut text = String::new();
    let mut write = || -> std::fmt::Result {
        writeln!(text, "ITEM: TIMESTEP\n{}", frame.step.unwrap_or(0))?;
        writeln!(text, "ITEM: UNITS\nmetal")?;
        if let Some(time) = frame.time {
            writeln!(text, "ITEM: TIME\n{}", time / factors.time)?;
        }
        writeln!(text, "ITEM: NUMBER OF ATOMS\n{}", structure.len())?;
        let flags = structure.cell.periodicity().map(|p| if p { "pp" } else { "ff" }).join(" ");
        let tilted = [xy, xz, yz].iter().any(|t| *t != 0.0);
        if tilted {
            let low = |v: &[f64]| v.iter().fold(0.0_f64, |a, b| a.min(*b));
            let high = |v: &[f64]| v.iter().fold(0.0_f64, |a, b| a.max(*b));
            let xs = [xy, xz, xy + xz];
            writeln!(text, "ITEM: BOX BOUNDS xy xz yz {flags}")?;
            writeln!(text, "{} {} {xy}", low(&xs), lx + high(&xs))?;
            writeln!(text, "{} {} {xz}", low(&[yz]), ly + high(&[yz]))?;
            writeln!(text, "0 {lz} {yz}")?;
        } else {
            writeln!(text, "ITEM: BOX BOUNDS {flags}\n0 {lx}\n0 {ly}\n0 {lz}")?;
        }
        write!(text, "ITEM: ATOMS id type element xu yu zu")?;
        if turned.velocities.is_some() {
            write!(text, " vx vy vz")?;
        }
        if turned.forces.is_some() {
            write!(text, " fx fy fz")?;
        }
        writeln!(text)?;
        for i in 0..structure.len() {
            let [x, y, z] = turned.positions[i];
            let number = structure.species[i].index() + 1;
            write!(text, "{} {number} {} {x} {y} {z}", i + 1, structure.symbol(i))?;
            if let Some(v) = &turned.velocities {
                let [x, y, z] = math::scale(v[i], 1.0 / factors.velocity);
                write!(text, " {x} {y} {z}")?;
            }
            if let Some(f) = &turned.forces {
                let [x, y, z] = f[i];
                write!(text, " {x} {y} {z}")?;
            }
            writeln!(text)?;
        }
        Ok(())
    };
    write().expect("writing to a string cannot fail");
    out.write_all(text.as_bytes()).map_err(IoError::os(path, "write"))
}

#[cfg(test)]
mod tests;
