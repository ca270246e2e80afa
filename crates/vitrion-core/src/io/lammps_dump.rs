//! LAMMPS text dumps (`dump custom`, `dump atom`).
//!
//! Coordinates `x`, `xs` (scaled), `xu` (unwrapped), `xsu` (scaled and unwrapped); image flags
//! `ix iy iz` beside `x` or `xs` are applied, which also gives unwrapped positions. Boxes:
//! orthogonal, triclinic (`xy xz yz`, bounds of the bounding box) and general triclinic
//! (`abc origin`). Atoms are sorted by `id`. Velocities and forces are in the file's units (metal
//! unless said otherwise). Elements come from the `element` column or from a type map.

use super::lammps::{Factors, MAP_HINT, check_map, mapped, turned};
use super::lines::Lines;
use super::words::Words;
use super::{IoError, LammpsUnits, ReadOptions};
use crate::cell::Cell;
use crate::elements;
use crate::frame::{Frame, Labels};
use crate::math::{self, Matrix3, Vector3};
use crate::species::{SpeciesError, SpeciesId, SpeciesTable};
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

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    /// The element, or the type where a map names its element.
    Species,
    /// The type where nothing maps it.
    Type,
    /// A number that goes to this place of [`Numbers`].
    Number(usize),
    Other,
}

/// Position, image flags, velocity and force of an atom as its line says.
type Numbers = [f64; 12];

/// Where the columns are.
struct Columns {
    order: Vec<Column>,
    /// The species column holds types.
    mapped: bool,
    scaled: bool,
    /// Which vectors of [`Numbers`] there are.
    present: [bool; 4],
}

impl Columns {
    fn parse(header: &str, mapped: bool, lines: &Lines) -> Result<Columns, IoError> {
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
        let (element, number) = (at("element"), at("type"));
        let mapped = mapped && number.is_some();
        let Some(species) = number.filter(|_| mapped).or(element) else {
            return Err(lines.error_with_hint("an element column", header, Some(MAP_HINT)));
        };
        let image = if unwrapped { None } else { three("ix", "iy", "iz") };
        let (velocity, force) = (three("vx", "vy", "vz"), three("fx", "fy", "fz"));
        let vectors = [Some(position), image, velocity, force];
        let mut order = vec![Column::Other; names.len()];
        if let Some(number) = number {
            order[number] = Column::Type;
        }
        order[id] = Column::Id;
        order[species] = Column::Species;
        for (vector, places) in vectors.iter().enumerate() {
            for (k, place) in places.iter().flatten().enumerate() {
                order[*place] = Column::Number(3 * vector + k);
            }
        }
        Ok(Columns { order, mapped, scaled, present: vectors.map(|places| places.is_some()) })
    }
}

/// What the lines of atoms say, in the order of the file.
struct Atoms<'a> {
    map: Option<&'a [String]>,
    ids: Vec<u64>,
    /// Symbols that occur, and the place of every atom's in them.
    symbols: Vec<String>,
    of: Vec<u8>,
    positions: Vec<Vector3>,
    velocities: Vec<Vector3>,
    forces: Vec<Vector3>,
    /// The type of the first atom, and whether others differ.
    first_type: Option<u64>,
    several_types: bool,
    /// Words that named an element (or a type of the map) before, and the place of its symbol.
    known: Vec<(u64, u8)>,
}

impl<'a> Atoms<'a> {
    fn with_capacity(count: usize, columns: &Columns, map: Option<&'a [String]>) -> Self {
        let vectors =
            |place: usize| Vec::with_capacity(if columns.present[place] { count } else { 0 });
        Atoms {
            map: map.filter(|_| columns.mapped),
            ids: Vec::with_capacity(count),
            symbols: Vec::new(),
            of: Vec::with_capacity(count),
            positions: vectors(0),
            velocities: vectors(2),
            forces: vectors(3),
            first_type: None,
            several_types: false,
            known: Vec::new(),
        }
    }

    /// Reads the present line.
    fn read(
        &mut self,
        columns: &Columns,
        numbers: &mut Numbers,
        lines: &Lines,
    ) -> Result<(), IoError> {
        let mut words = lines.words();
        let result = self.words(columns, numbers, &mut words, lines);
        if result.is_err() || words.next().is_some() {
            let expected = columns.order.len();
            if lines.line().split_ascii_whitespace().count() != expected {
                return Err(lines.error(format!("{expected} columns"), lines.line()));
            }
        }
        result
    }

    fn words(
        &mut self,
        columns: &Columns,
        numbers: &mut Numbers,
        words: &mut Words<'_>,
        lines: &Lines,
    ) -> Result<(), IoError> {
        for column in &columns.order {
            match column {
                Column::Id => self.ids.push(words.whole("an atom id")?),
                Column::Number(place) => numbers[*place] = words.finite("a finite number")?,
                Column::Species => {
                    let (key, word) = words.next_keyed();
                    let species = match self.known.iter().find(|(known, _)| Some(*known) == key) {
                        Some((_, species)) => *species,
                        None => self.learn(key, word, lines)?,
                    };
                    self.of.push(species);
                }
                Column::Type => {
                    let (key, _) = words.next_keyed();
                    self.several_types |= self.first_type.is_some_and(|first| key != Some(first));
                    self.first_type = self.first_type.or(key);
                }
                Column::Other => _ = words.next(),
            }
        }
        if words.ended_early() {
            return Err(lines.error("more columns", lines.line()));
        }
        Ok(())
    }

    /// Place of the symbol that a new word names, which is kept for the next time.
    #[cold]
    fn learn(&mut self, key: Option<u64>, word: &[u8], lines: &Lines) -> Result<u8, IoError> {
        let word = std::str::from_utf8(word).expect("a line is text");
        let symbol = symbol_of(word, self.map, lines)?;
        let place = self.symbols.iter().position(|known| *known == symbol).unwrap_or_else(|| {
            self.symbols.push(symbol);
            self.symbols.len() - 1
        });
        let place = u8::try_from(place).expect("fewer than 256 elements exist");
        self.known.extend(key.map(|key| (key, place)));
        Ok(place)
    }

    /// A table of the symbols in order of first appearance, and the species of each atom.
    fn species(&self) -> Result<(SpeciesTable, Vec<SpeciesId>), SpeciesError> {
        let mut ids: Vec<Option<SpeciesId>> = vec![None; self.symbols.len()];
        let mut symbols = Vec::with_capacity(self.symbols.len());
        let species = self.of.iter().map(|place| {
            let place = usize::from(*place);
            *ids[place].get_or_insert_with(|| {
                symbols.push(&self.symbols[place]);
                SpeciesId(symbols.len() as u8 - 1)
            })
        });
        let species = species.collect();
        Ok((SpeciesTable::new(&symbols)?, species))
    }

    /// Places of the atoms in the order of their numbers, if that is not the order they have.
    fn order(&self) -> Option<Vec<usize>> {
        if self.ids.is_sorted() {
            return None;
        }
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_unstable_by_key(|place| (self.ids[*place], *place));
        Some(order)
    }

    /// The id that two atoms share, if any do.
    fn twice(&self, order: Option<&[usize]>) -> Option<u64> {
        let shared = |pair: (u64, u64)| (pair.0 == pair.1).then_some(pair.0);
        match order {
            None => self.ids.windows(2).find_map(|pair| shared((pair[0], pair[1]))),
            Some(order) => {
                order.windows(2).find_map(|pair| shared((self.ids[pair[0]], self.ids[pair[1]])))
            }
        }
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
    let columns = Columns::parse(header, map.is_some(), lines)?;
    let trouble = |lines: &Lines, message: String| {
        IoError::invalid(
            lines.path(),
            format!("frame ending at line {}: {message}", lines.number()),
            None,
        )
    };
    let matrix =
        Cell::new(cell.matrix, cell.periodic).map_err(|e| trouble(lines, e.to_string()))?;
    let mut atoms = Atoms::with_capacity(count, &columns, map);
    let mut numbers = Numbers::default();
    let [_, images, velocities, forces] = columns.present;
    for index in 0..count {
        lines.advance_within(|| format!("a frame of {count} atoms: {index} were read"))?;
        atoms.read(&columns, &mut numbers, lines)?;
        let [x, y, z, ix, iy, iz, vx, vy, vz, fx, fy, fz] = numbers;
        let mut r = [x, y, z];
        r = if columns.scaled { matrix.to_cartesian(r) } else { math::sub(r, cell.origin) };
        if images {
            r = math::add(r, matrix.to_cartesian([ix, iy, iz]));
        }
        atoms.positions.push(r);
        if velocities {
            atoms.velocities.push(math::scale([vx, vy, vz], factors.velocity));
        }
        if forces {
            atoms.forces.push(math::scale([fx, fy, fz], factors.force));
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
    if let Some(id) = atoms.twice(order.as_deref()) {
        return Err(trouble(lines, format!("two atoms have the id {id}")));
    }
    if let Some(order) = order {
        for vectors in [&mut atoms.positions, &mut atoms.velocities, &mut atoms.forces] {
            if !vectors.is_empty() {
                *vectors = order.iter().map(|place| vectors[*place]).collect();
            }
        }
        atoms.of = order.iter().map(|place| atoms.of[*place]).collect();
    }
    let (table, species) = atoms.species().map_err(|e| trouble(lines, e.to_string()))?;
    let positions = atoms.positions;
    let structure =
        Structure { cell: matrix, species, positions, table: table.into(), phases: None };
    Ok(Frame {
        velocities: velocities.then_some(atoms.velocities),
        labels: Labels { forces: forces.then_some(atoms.forces), ..Labels::default() },
        ..structure.into()
    })
}

fn symbol_of(word: &str, map: Option<&[String]>, lines: &Lines) -> Result<String, IoError> {
    if let Some(map) = map {
        let number = word.parse().map_err(|_| lines.error("an atom type", word))?;
        return match mapped(Some(map), number) {
            Ok(symbol) => Ok(symbol.expect("a map was given").to_owned()),
            Err(expected) => Err(lines.error(expected, word)),
        };
    }
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
