//! Crystallographic information files, read only: cell, symmetry operations, ordered sites.
//!
//! Sites are expanded by the operations in the file; copies closer than 0.1 Å are one atom
//! (special positions). Partial occupancies are refused: which atoms to keep is a choice of the
//! user. A file that names only its space group, without operations, is refused as well, and so are
//! operations that do not fit the cell or are not a group: atoms would be missing or misplaced. A
//! file that says nothing of symmetry lists all its atoms (P 1).

mod parser;
mod symmetry;

use super::IoError;
use super::lines::Lines;
use crate::cell::Cell;
use crate::elements;
use crate::frame::Frame;
use crate::math::{self, Vector3};
use crate::structure::Structure;
use parser::{Block, Value, number};
use std::path::Path;
use symmetry::Operation;

/// Copies of a site closer than this are one atom [Å]; a coordinate such as 0.333 leaves them
/// several hundredths of an Å apart.
const SAME: f64 = 0.1;
/// Atoms closer than this cannot both be there [Å].
const TOO_CLOSE: f64 = 0.5;

/// Reads the structure of a file.
///
/// # Errors
/// Malformed text, several structures, partial occupancy, missing operations.
pub fn read(path: &Path) -> Result<Frame, IoError> {
    let mut lines = Lines::open(path)?;
    let blocks = parser::parse(&mut lines)?;
    let with_atoms: Vec<&Block> =
        blocks.iter().filter(|b| b.column("_atom_site_fract_x").is_some()).collect();
    let block = match with_atoms[..] {
        [block] => block,
        [] => {
            return Err(IoError::invalid(
                path,
                "no block holds _atom_site_fract_x",
                Some("atoms are read from fractional coordinates _atom_site_fract_x, _y and _z"),
            ));
        }
        _ => {
            let names: Vec<&str> = with_atoms.iter().map(|b| b.name.as_str()).collect();
            return Err(IoError::invalid(
                path,
                format!("several structures: {}", names.join(", ")),
                Some("keep one data_ block in the file"),
            ));
        }
    };
    let cell = cell(block, path)?;
    let operations = operations(block, &cell, path)?;
    let sites = sites(block, path)?;
    expand(&sites, &cell, &operations, path)
}

/// An error about a value.
fn refuse(path: &Path, value: &Value, expected: impl Into<String>, hint: Option<&str>) -> IoError {
    IoError::Parse {
        path: path.to_owned(),
        line: value.line,
        expected: expected.into(),
        found: value.text.clone(),
        hint: hint.map(str::to_owned),
    }
}

fn cell(block: &Block, path: &Path) -> Result<Cell, IoError> {
    let value = |key: &str| -> Result<f64, IoError> {
        let value = block.value(key).ok_or_else(|| {
            IoError::invalid(
                path,
                format!("no {key} in the file"),
                Some("a crystal needs _cell_length_a, _b, _c and _cell_angle_alpha, _beta, _gamma"),
            )
        })?;
        number(&value.text).ok_or_else(|| refuse(path, value, format!("a number for {key}"), None))
    };
    let lengths = [value("_cell_length_a")?, value("_cell_length_b")?, value("_cell_length_c")?];
    let angles =
        [value("_cell_angle_alpha")?, value("_cell_angle_beta")?, value("_cell_angle_gamma")?];
    Cell::from_lengths_angles(lengths, angles)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))
}

/// The listed operations, or the identity alone for P 1.
fn operations(block: &Block, cell: &Cell, path: &Path) -> Result<Vec<Operation>, IoError> {
    let keys = ["_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz"];
    let group = larger_group(block);
    let Some(texts) = keys.iter().find_map(|key| block.column(key)) else {
        let Some(group) = group else { return Ok(vec![Operation::identity()]) };
        return Err(IoError::invalid(
            path,
            format!("the space group {group:?} is named, but its operations are not listed"),
            Some("export the file with symmetry operations, or expanded to P 1"),
        ));
    };
    let mut operations = Vec::with_capacity(texts.len());
    for value in texts {
        let operation = Operation::parse(&value.text).ok_or_else(|| {
            refuse(path, value, "a symmetry operation such as \"-x+1/2, y, z\"", None)
        })?;
        if !operation.fits(cell) {
            return Err(refuse(
                path,
                value,
                "a symmetry operation of this cell, one that keeps distances",
                Some("the operations belong to another setting, or a length or angle is wrong"),
            ));
        }
        operations.push(operation);
    }
    if let Some(trouble) = symmetry::missing_from_group(&operations) {
        return Err(IoError::invalid(
            path,
            format!("the symmetry operations are not a group: {trouble}"),
            Some("the list is incomplete; export the file again, or expanded to P 1"),
        ));
    }
    match group {
        Some(group) if operations.len() == 1 => Err(IoError::invalid(
            path,
            format!("the space group {group:?} is named, but the only operation is the identity"),
            Some("list all operations; if the file holds all atoms, name the group P 1"),
        )),
        _ => Ok(operations),
    }
}

/// The space group that a block names, unless it is P 1.
fn larger_group(block: &Block) -> Option<&str> {
    let keys = [
        "_space_group_name_h-m_alt",
        "_symmetry_space_group_name_h-m",
        "_space_group_name_h-m_full",
        "_space_group_name_hall",
        "_symmetry_space_group_name_hall",
        "_space_group_it_number",
        "_symmetry_int_tables_number",
    ];
    let trivial = |name: &str| {
        let plain: String = name.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
        ["P1", "1", "?", "."].iter().any(|known| plain.eq_ignore_ascii_case(known))
    };
    let mut named = keys.iter().filter_map(|key| block.value(key)).map(|value| value.text.as_str());
    // magnetic groups have operations of their own
    named.find(|name| !trivial(name)).or_else(|| {
        block.key_starting("_space_group_symop_magn").or(block.key_starting("_space_group_magn"))
    })
}

/// A row of the loop over sites.
struct Site<'a> {
    label: &'a str,
    symbol: &'static str,
    fractional: Vector3,
}

fn sites<'a>(block: &'a Block, path: &Path) -> Result<Vec<Site<'a>>, IoError> {
    let first = "_atom_site_fract_x";
    let rows = block.column(first).map_or(0, <[Value]>::len);
    let column = |key: &str| match block.column(key) {
        Some(values) if values.len() != rows => Err(IoError::invalid(
            path,
            format!("{key} has {} values, {first} has {rows}", values.len()),
            Some("list all columns of the sites in one loop"),
        )),
        other => Ok(other),
    };
    let required = |key: &str| {
        column(key)?.ok_or_else(|| {
            let hint = "sites need _atom_site_fract_x, _y, _z and _atom_site_type_symbol or _label";
            IoError::invalid(path, format!("no {key} in the file"), Some(hint))
        })
    };
    let coordinates =
        [required(first)?, required("_atom_site_fract_y")?, required("_atom_site_fract_z")?];
    let labels = column("_atom_site_label")?;
    let types = column("_atom_site_type_symbol")?;
    let names = match types.or(labels) {
        Some(names) => names,
        None => required("_atom_site_type_symbol")?,
    };
    let occupancies = column("_atom_site_occupancy")?;
    let mut sites = Vec::with_capacity(rows);
    for row in 0..rows {
        let name = &names[row];
        let label = labels.map_or(name.text.as_str(), |l| l[row].text.as_str());
        let symbol = if types.is_some() { of_type(&name.text) } else { of_label(&name.text) };
        let symbol = symbol.ok_or_else(|| {
            let letters: String = name.text.chars().take_while(char::is_ascii_alphabetic).collect();
            let hint = elements::nearest(&letters).map_or_else(
                || "give the element in _atom_site_type_symbol, such as Li or Li1+".to_owned(),
                |near| format!("capitals matter: give {near} in _atom_site_type_symbol if meant"),
            );
            refuse(path, name, format!("an element for site {label}"), Some(&hint))
        })?;
        if let Some(value) = occupancies.map(|o| &o[row]) {
            let full = value.text == "."
                || value.text == "?"
                || number(&value.text).is_some_and(|o| (o - 1.0).abs() < 1e-6);
            if !full {
                return Err(refuse(
                    path,
                    value,
                    format!("occupancy 1 of site {label}"),
                    Some(
                        "choose which atoms to keep: build an ordered model (a supercell with whole \
                         atoms) and set the occupancies to 1",
                    ),
                ));
            }
        }
        let mut fractional = [0.0; 3];
        for (x, values) in fractional.iter_mut().zip(coordinates) {
            *x = number(&values[row].text).ok_or_else(|| {
                refuse(path, &values[row], format!("a fractional coordinate of site {label}"), None)
            })?;
        }
        sites.push(Site { label, symbol, fractional });
    }
    Ok(sites)
}

fn expand(
    sites: &[Site],
    cell: &Cell,
    operations: &[Operation],
    path: &Path,
) -> Result<Frame, IoError> {
    let mut symbols: Vec<&str> = Vec::new();
    let mut labels: Vec<&str> = Vec::new();
    let mut positions: Vec<Vector3> = Vec::new();
    for site in sites {
        let own = positions.len();
        for operation in operations {
            let r = cell.to_cartesian(operation.apply(site.fractional).map(|x| x - x.floor()));
            let distance = |q: &Vector3| math::norm(cell.minimum_image(math::sub(*q, r)));
            if positions[own..].iter().any(|q| distance(q) < SAME) {
                continue;
            }
            for (other, q) in labels.iter().zip(&positions) {
                let distance = distance(q);
                if distance < TOO_CLOSE {
                    return Err(IoError::invalid(
                        path,
                        format!(
                            "sites {other} and {} are {distance:.3} Å apart after applying the \
                             symmetry",
                            site.label
                        ),
                        Some("disordered sites, or coordinates with too few digits"),
                    ));
                }
            }
            symbols.push(site.symbol);
            labels.push(site.label);
            positions.push(r);
        }
    }
    let structure = Structure::new(cell.clone(), &symbols, positions)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    Ok(structure.into())
}

/// The element of a type with an optional charge: "Li", "Li1+", "S2-", "P5+".
fn of_type(text: &str) -> Option<&'static str> {
    let symbol = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    elements::by_symbol(symbol).map(|e| e.symbol)
}

/// The element at the start of a label: "Li1", "LiA", "O1W", "OW". Capitals that may be two
/// letters of one element or two of two, as in "CL1" or "CO2", are not guessed.
fn of_label(text: &str) -> Option<&'static str> {
    let mut symbol: String = text.chars().take(1).collect();
    symbol.extend(text.chars().skip(1).take_while(char::is_ascii_lowercase));
    let element = elements::by_symbol(&symbol)?;
    let two: String = text.chars().take(2).collect();
    let ambiguous = two != symbol && symbol.len() == 1 && elements::nearest(&two).is_some();
    (!ambiguous).then_some(element.symbol)
}

#[cfg(test)]
mod tests;
