//! LAMMPS data files: one configuration.
//!
//! Elements come from the comments of the `Masses` section (`1 6.94 # Li`), from type labels, or from
//! a type map.
//! Atom styles atomic, charge, molecular, bond and full are read; image flags are applied, so
//! positions are unwrapped. Written files have style atomic, wrapped positions and image flags.

use super::lammps::{MAP_HINT, check_map, mapped, turned};
use super::lines::Lines;
use super::{IoError, LammpsUnits, ReadOptions};
use crate::cell::Cell;
use crate::elements;
use crate::frame::Frame;
use crate::math::{self, Vector3};
use crate::structure::Structure;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What the header and sections say.
#[derive(Default)]
struct Data {
    atoms: Option<usize>,
    types: Option<usize>,
    bounds: [Option<[f64; 2]>; 3],
    tilt: [f64; 3],
    /// Element of a type from the comment of its mass, or what the mass suggests.
    elements: BTreeMap<usize, Result<String, f64>>,
    /// [amu]
    masses: BTreeMap<usize, f64>,
    /// id → type, position, image
    rows: BTreeMap<u64, (usize, Vector3, [f64; 3])>,
    velocities: BTreeMap<u64, Vector3>,
}

/// Reads a data file.
///
/// # Errors
/// The line, what was expected and what was found.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Frame, IoError> {
    if let Some(map) = &options.type_map {
        check_map(map, path)?;
    }
    let mut lines = Lines::open(path)?;
    lines.required("a LAMMPS data file: it is empty")?;
    let mut data = Data::default();
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let (content, comment) = split_comment(&line);
        if content.is_empty() {
            continue;
        }
        let words: Vec<&str> = content.split_whitespace().collect();
        if header_line(&words, &mut data, &lines)? {
            continue;
        }
        match content {
            "Masses" => masses(&mut data, &mut lines)?,
            "Atom Type Labels" => labels(&mut data, &mut lines)?,
            "Atoms" => atoms(&mut data, comment, &mut lines)?,
            "Velocities" => velocities(&mut data, &mut lines)?,
            _ if words[0].chars().all(char::is_alphabetic)
                && words[0].starts_with(char::is_uppercase) =>
            {
                skip_section(&mut lines)?;
            }
            other => {
                return Err(lines.error("a header line or the name of a section", other));
            }
        }
    }
    build(&data, path, options)
}

fn split_comment(line: &str) -> (&str, &str) {
    match line.split_once('#') {
        Some((content, comment)) => (content.trim(), comment.trim()),
        None => (line.trim(), ""),
    }
}

fn header_line(words: &[&str], data: &mut Data, lines: &Lines) -> Result<bool, IoError> {
    let count = |word: &str| word.parse::<usize>().map_err(|_| lines.error("a whole number", word));
    match words {
        [n, "atoms"] => data.atoms = Some(count(n)?),
        [n, "atom", "types"] => data.types = Some(count(n)?),
        [low, high, a, b] if a.ends_with("lo") && b.ends_with("hi") => {
            let axis = match *a {
                "xlo" => 0,
                "ylo" => 1,
                "zlo" => 2,
                other => return Err(lines.error("xlo, ylo or zlo", other)),
            };
            let bound = |word: &str| lines.finite(Some(word), "a finite number");
            data.bounds[axis] = Some([bound(low)?, bound(high)?]);
        }
        [xy, xz, yz, "xy", "xz", "yz"] => {
            for (tilt, word) in data.tilt.iter_mut().zip([xy, xz, yz]) {
                *tilt = lines.finite(Some(word), "a finite number")?;
            }
        }
        [n, ..] if n.parse::<f64>().is_ok() => {
            let known = ["bonds", "angles", "dihedrals", "impropers"];
            let ignored = words[1..].iter().any(|w| known.contains(w) || *w == "types")
                || words[1..]
                    .iter()
                    .any(|w| ["bond", "angle", "dihedral", "improper", "extra"].contains(w));
            if !ignored {
                return Err(lines.error("a header line such as \"64 atoms\"", &words.join(" ")));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Lines of a section: after one blank line, up to the next blank line.
fn section_line(lines: &mut Lines, started: &mut bool) -> Result<Option<String>, IoError> {
    loop {
        match lines.next()? {
            None => return Ok(None),
            Some(line) if line.trim().is_empty() => {
                if *started {
                    return Ok(None);
                }
            }
            Some(line) => {
                *started = true;
                return Ok(Some(line.to_owned()));
            }
        }
    }
}

fn skip_section(lines: &mut Lines) -> Result<(), IoError> {
    let mut started = false;
    while section_line(lines, &mut started)?.is_some() {}
    Ok(())
}

fn masses(data: &mut Data, lines: &mut Lines) -> Result<(), IoError> {
    let mut started = false;
    while let Some(line) = section_line(lines, &mut started)? {
        let (content, comment) = split_comment(&line);
        let words: Vec<&str> = content.split_whitespace().collect();
        let [number, mass] = words[..] else {
            return Err(lines.error("a type and its mass", &line));
        };
        let number = number.parse().map_err(|_| lines.error("a type number", number))?;
        let mass = lines.finite(Some(mass), "a mass")?;
        data.masses.insert(number, mass);
        let symbol = comment.split_whitespace().next().unwrap_or("");
        let named = elements::by_symbol(symbol).is_some();
        let element = if named { Ok(symbol.to_owned()) } else { Err(mass) };
        data.elements.entry(number).or_insert(element);
    }
    Ok(())
}

/// `1 Li`: labels that are element symbols name the elements.
fn labels(data: &mut Data, lines: &mut Lines) -> Result<(), IoError> {
    let mut started = false;
    while let Some(line) = section_line(lines, &mut started)? {
        let words: Vec<&str> = split_comment(&line).0.split_whitespace().collect();
        let [number, label] = words[..] else {
            return Err(lines.error("a type and its label", &line));
        };
        let number = number.parse().map_err(|_| lines.error("a type number", number))?;
        if elements::by_symbol(label).is_some() {
            data.elements.insert(number, Ok(label.to_owned()));
        }
    }
    Ok(())
}

fn atoms(data: &mut Data, style: &str, lines: &mut Lines) -> Result<(), IoError> {
    let Some(count) = data.atoms else {
        return Err(lines.error("\"N atoms\" in the header before the section Atoms", "Atoms"));
    };
    let mut started = false;
    for index in 0..count {
        let Some(line) = section_line(lines, &mut started)? else {
            return Err(IoError::Truncated {
                path: lines.path().to_owned(),
                line: lines.number(),
                what: format!("the section Atoms: {index} of {count} atoms were read"),
                hint: None,
            });
        };
        let words: Vec<&str> = split_comment(&line).0.split_whitespace().collect();
        // columns before x: id [molecule] type [charge]
        let (type_at, first) = match style.split_whitespace().next().unwrap_or("") {
            "atomic" => (1, 2),
            "charge" => (1, 3),
            "molecular" | "bond" | "angle" => (2, 3),
            "full" => (2, 4),
            "" if words.len() == 5 || words.len() == 8 => (1, 2),
            "" => {
                return Err(lines.error_with_hint(
                    "5 or 8 columns of atom style atomic",
                    &line,
                    Some("write the style behind the section name: Atoms # full"),
                ));
            }
            other => {
                return Err(
                    lines.error("atom style atomic, charge, molecular, bond or full", other)
                );
            }
        };
        if words.len() != first + 3 && words.len() != first + 6 {
            return Err(lines.error(format!("{} or {} columns", first + 3, first + 6), &line));
        }
        let id = words[0].parse().map_err(|_| lines.error("an atom id", words[0]))?;
        let number: usize = words[type_at]
            .parse()
            .ok()
            .filter(|t| *t >= 1 && data.types.is_none_or(|n| *t <= n))
            .ok_or_else(|| {
                let most = data.types.map_or("N".to_owned(), |n| n.to_string());
                lines.error(format!("an atom type from 1 to {most}"), words[type_at])
            })?;
        let mut r = [0.0; 3];
        let mut image = [0.0; 3];
        for k in 0..3 {
            r[k] = lines.finite(Some(words[first + k]), "a coordinate")?;
            if words.len() == first + 6 {
                image[k] = lines.finite(Some(words[first + 3 + k]), "an image flag")?;
            }
        }
        if data.rows.insert(id, (number, r, image)).is_some() {
            return Err(lines.error("an id that no other atom has", words[0]));
        }
    }
    Ok(())
}

fn velocities(data: &mut Data, lines: &mut Lines) -> Result<(), IoError> {
    let mut started = false;
    while let Some(line) = section_line(lines, &mut started)? {
        let words: Vec<&str> = split_comment(&line).0.split_whitespace().collect();
        let [id, x, y, z] = words[..] else {
            return Err(lines.error("an id and three velocities", &line));
        };
        let id = id.parse().map_err(|_| lines.error("an atom id", id))?;
        let mut v = [0.0; 3];
        for (component, word) in v.iter_mut().zip([x, y, z]) {
            *component = lines.finite(Some(word), "a velocity")?;
        }
        data.velocities.insert(id, v);
    }
    Ok(())
}

fn build(data: &Data, path: &Path, options: &ReadOptions) -> Result<Frame, IoError> {
    let missing = |what: &str| IoError::invalid(path, format!("no {what} in the file"), None);
    let count = data.atoms.ok_or_else(|| missing("header line \"N atoms\""))?;
    if data.rows.len() != count {
        return Err(missing("section Atoms"));
    }
    let [Some(x), Some(y), Some(z)] = data.bounds else {
        return Err(missing("complete box (xlo xhi, ylo yhi, zlo zhi)"));
    };
    if data.types.is_none() {
        return Err(missing("header line \"N atom types\""));
    }
    for (axis, [low, high]) in [("x", x), ("y", y), ("z", z)] {
        if low > high {
            let message = format!("{axis}lo is {low} and {axis}hi is {high}");
            return Err(IoError::invalid(path, message, Some("lo must be below hi")));
        }
    }
    for (number, mass) in &data.masses {
        if data.rows.values().any(|(used, ..)| used == number) {
            check_mass(*number, &symbol(*number, data, path, options)?, *mass, path)?;
        }
    }
    let [xy, xz, yz] = data.tilt;
    let matrix = [[x[1] - x[0], 0.0, 0.0], [xy, y[1] - y[0], 0.0], [xz, yz, z[1] - z[0]]];
    let cell =
        Cell::periodic(matrix).map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    let origin = [x[0], y[0], z[0]];
    let mut symbols = Vec::with_capacity(count);
    let mut positions = Vec::with_capacity(count);
    for (number, r, image) in data.rows.values() {
        symbols.push(symbol(*number, data, path, options)?);
        positions.push(math::add(math::sub(*r, origin), cell.to_cartesian(*image)));
    }
    let structure = Structure::new(cell, &symbols, positions)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    let velocities = if data.velocities.is_empty() {
        None
    } else {
        let factor = options.lammps_units.factors().velocity;
        let of = |id: &u64| {
            data.velocities.get(id).map(|v| math::scale(*v, factor)).ok_or_else(|| {
                IoError::invalid(path, format!("no velocity for the atom with id {id}"), None)
            })
        };
        Some(data.rows.keys().map(of).collect::<Result<_, _>>()?)
    };
    Ok(Frame { velocities, ..structure.into() })
}

/// Refuses a type whose mass is that of another element: two elements were swapped.
fn check_mass(number: usize, symbol: &str, mass: f64, path: &Path) -> Result<(), IoError> {
    let own = elements::by_symbol(symbol).map_or(mass, |element| element.mass);
    match elements::by_mass(mass) {
        Some(other) if other.symbol != symbol && (own - mass).abs() > 1.0 => Err(IoError::invalid(
            path,
            format!("type {number} is {symbol}, but its mass {mass} is that of {}", other.symbol),
            Some("check the order of the elements in --type-map or behind the masses"),
        )),
        _ => Ok(()),
    }
}

fn symbol(
    number: usize,
    data: &Data,
    path: &Path,
    options: &ReadOptions,
) -> Result<String, IoError> {
    match mapped(options.type_map.as_deref(), number) {
        Ok(Some(symbol)) => return Ok(symbol.to_owned()),
        Ok(None) => {}
        Err(expected) => {
            return Err(IoError::invalid(
                path,
                format!("type {number}: expected {expected}"),
                None,
            ));
        }
    }
    match data.elements.get(&number) {
        Some(Ok(symbol)) => Ok(symbol.clone()),
        Some(Err(mass)) => {
            let guess = elements::by_mass(*mass)
                .map_or_else(String::new, |e| format!(" (its mass {mass} suggests {})", e.symbol));
            Err(IoError::invalid(
                path,
                format!("the element of type {number} is not named{guess}"),
                Some("write the symbol behind the mass (1 6.94 # Li), or use --type-map Li,P,S"),
            ))
        }
        None => Err(IoError::invalid(
            path,
            format!("the element of type {number} is not named"),
            Some(MAP_HINT),
        )),
    }
}

/// Writes a data file of style atomic in metal units.
///
/// # Errors
/// A left-handed cell, or what the writer reports.
pub fn write(out: &mut dyn Write, frame: &Frame, path: &Path) -> Result<(), IoError> {
    use std::fmt::Write as _;
    let turned = turned(frame, path)?;
    let structure = &frame.structure;
    let cell = Cell::new(turned.cell, structure.cell.periodicity())
        .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    let factors = LammpsUnits::Metal.factors();
    let [[lx, ..], [xy, ly, _], [xz, yz, lz]] = turned.cell;
    let mut text = String::new();
    let mut write = || -> std::fmt::Result {
        writeln!(text, "{} written by vitrion, units metal\n", structure.formula())?;
        writeln!(text, "{} atoms\n{} atom types\n", structure.len(), structure.table.len())?;
        writeln!(text, "0 {lx} xlo xhi\n0 {ly} ylo yhi\n0 {lz} zlo zhi")?;
        if [xy, xz, yz].iter().any(|t| *t != 0.0) {
            writeln!(text, "{xy} {xz} {yz} xy xz yz")?;
        }
        writeln!(text, "\nMasses\n")?;
        for (k, symbol) in structure.table.symbols().iter().enumerate() {
            let id = structure.table.id(symbol).expect("its own symbol");
            writeln!(text, "{} {} # {symbol}", k + 1, structure.table.mass(id))?;
        }
        writeln!(text, "\nAtoms # atomic\n")?;
        for (i, r) in turned.positions.iter().enumerate() {
            let ([x, y, z], [ix, iy, iz]) = cell.wrap(*r);
            let number = structure.species[i].index() + 1;
            writeln!(text, "{} {number} {x} {y} {z} {ix} {iy} {iz}", i + 1)?;
        }
        if let Some(velocities) = &turned.velocities {
            writeln!(text, "\nVelocities\n")?;
            for (i, v) in velocities.iter().enumerate() {
                let [x, y, z] = math::scale(*v, 1.0 / factors.velocity);
                writeln!(text, "{} {x} {y} {z}", i + 1)?;
            }
        }
        Ok(())
    };
    write().expect("writing to a string cannot fail");
    out.write_all(text.as_bytes()).map_err(IoError::os(path, "write"))
}

#[cfg(test)]
mod tests;
