//! Crystallographic information files, read only: cell, symmetry operations, ordered sites.
//!
//! Sites are expanded by the operations in the file; copies closer than 0.1 Å are one atom
//! (special positions). Partial occupancies are refused: which atoms to keep is a choice of the
//! user. A file that names only its space group, without operations, is refused as well.

mod parser;

use super::IoError;
use super::lines::Lines;
use crate::cell::Cell;
use crate::elements;
use crate::frame::Frame;
use crate::math::{self, Vector3};
use crate::structure::Structure;
use parser::{Block, Operation, number};
use std::path::Path;

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
        [] => return Err(IoError::invalid(path, "no block holds _atom_site_fract_x", None)),
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
    let operations = operations(block, path)?;
    expand(block, &cell, &operations, path)
}

fn cell(block: &Block, path: &Path) -> Result<Cell, IoError> {
    let value = |key: &str| -> Result<f64, IoError> {
        let text = block
            .value(key)
            .ok_or_else(|| IoError::invalid(path, format!("no {key} in the file"), None))?;
        number(text).ok_or_else(|| {
            IoError::invalid(path, format!("{key}: expected a number, found {text:?}"), None)
        })
    };
    let lengths = [value("_cell_length_a")?, value("_cell_length_b")?, value("_cell_length_c")?];
    let angles =
        [value("_cell_angle_alpha")?, value("_cell_angle_beta")?, value("_cell_angle_gamma")?];
    Cell::from_lengths_angles(lengths, angles)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))
}

fn operations(block: &Block, path: &Path) -> Result<Vec<Operation>, IoError> {
    let keys = ["_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz"];
    let listed = keys.iter().find_map(|key| block.column(key));
    if let Some(texts) = listed {
        return texts
            .iter()
            .map(|text| {
                Operation::parse(text).ok_or_else(|| {
                    IoError::invalid(
                        path,
                        format!("{text:?} is not a symmetry operation such as \"-x+1/2, y, z\""),
                        None,
                    )
                })
            })
            .collect();
    }
    let names = ["_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m"];
    let numbers = ["_space_group_it_number", "_symmetry_int_tables_number"];
    let name = names.iter().chain(&numbers).find_map(|key| block.value(key)).unwrap_or("P 1");
    if name.replace(' ', "").eq_ignore_ascii_case("P1") || name == "1" {
        return Ok(vec![Operation::identity()]);
    }
    Err(IoError::invalid(
        path,
        format!("the space group {name:?} is named, but its operations are not listed"),
        Some("export the file with symmetry operations, or expanded to P 1"),
    ))
}

fn expand(
    block: &Block,
    cell: &Cell,
    operations: &[Operation],
    path: &Path,
) -> Result<Frame, IoError> {
    let column = |key: &str| block.column(key);
    let missing = |key: &str| IoError::invalid(path, format!("no {key} in the file"), None);
    let xs = column("_atom_site_fract_x").ok_or_else(|| missing("_atom_site_fract_x"))?;
    let ys = column("_atom_site_fract_y").ok_or_else(|| missing("_atom_site_fract_y"))?;
    let zs = column("_atom_site_fract_z").ok_or_else(|| missing("_atom_site_fract_z"))?;
    let labels = column("_atom_site_label");
    let types = column("_atom_site_type_symbol");
    let names =
        types.or(labels).ok_or_else(|| missing("_atom_site_type_symbol or _atom_site_label"))?;
    let occupancies = column("_atom_site_occupancy");
    let mut symbols: Vec<String> = Vec::new();
    let mut positions: Vec<Vector3> = Vec::new();
    let mut sites: Vec<&str> = Vec::new();
    for site in 0..xs.len() {
        let label = labels.map_or(names[site].as_str(), |l| l[site].as_str());
        let symbol = symbol_of(&names[site]).ok_or_else(|| {
            IoError::invalid(
                path,
                format!("site {label}: {:?} names no element", names[site]),
                None,
            )
        })?;
        if let Some(text) = occupancies.map(|o| o[site].as_str()) {
            let full =
                text == "." || text == "?" || number(text).is_some_and(|o| (o - 1.0).abs() < 1e-6);
            if !full {
                return Err(IoError::invalid(
                    path,
                    format!("site {label} has occupancy {text}"),
                    Some(
                        "choose which atoms to keep: build an ordered model (a supercell with whole \
                         atoms) and set the occupancies to 1",
                    ),
                ));
            }
        }
        let mut s = [0.0; 3];
        for (x, text) in s.iter_mut().zip([&xs[site], &ys[site], &zs[site]]) {
            *x = number(text).ok_or_else(|| {
                IoError::invalid(
                    path,
                    format!("site {label}: expected a fractional coordinate, found {text:?}"),
                    None,
                )
            })?;
        }
        let mut copies: Vec<Vector3> = Vec::new();
        for operation in operations {
            let r = cell.to_cartesian(operation.apply(s).map(|x| x - x.floor()));
            let same = |q: &Vector3| math::norm(cell.minimum_image(math::sub(*q, r))) < SAME;
            if !copies.iter().any(same) {
                copies.push(r);
            }
        }
        for (index, r) in copies.iter().enumerate() {
            let others =
                sites.iter().zip(&positions).chain(std::iter::repeat(&label).zip(&copies[..index]));
            for (other, q) in others {
                let distance = math::norm(cell.minimum_image(math::sub(*q, *r)));
                if distance < TOO_CLOSE {
                    return Err(IoError::invalid(
                        path,
                        format!(
                            "sites {other} and {label} are {distance:.3} Å apart after applying \
                             the symmetry"
                        ),
                        Some("disordered sites, or coordinates with too few digits"),
                    ));
                }
            }
        }
        sites.extend(std::iter::repeat_n(label, copies.len()));
        symbols.extend(std::iter::repeat_n(symbol.to_owned(), copies.len()));
        positions.extend(copies);
    }
    let structure = Structure::new(cell.clone(), &symbols, positions)
        .map_err(|error| IoError::invalid(path, error.to_string(), None))?;
    Ok(structure.into())
}

/// The element at the start of a label or type: "Li1", "S2-", "P5+", "Li".
fn symbol_of(text: &str) -> Option<&'static str> {
    let letters: String = text.chars().take_while(char::is_ascii_alphabetic).take(2).collect();
    let exact = |s: &str| elements::by_symbol(s).map(|e| e.symbol);
    exact(&letters).or_else(|| exact(letters.get(..1)?))
}

#[cfg(test)]
mod tests;
