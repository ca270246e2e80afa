//! `start.data`: cell, masses, positions and velocities of the first step, to the last bit.

use super::constants;
use super::orientation::Orientation;
use std::fmt::Write as _;
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::{Cell, Structure};

/// Types of atoms: LAMMPS has one mass for each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Types {
    /// Element and mass [amu] of types 1, 2, …
    pub(super) list: Vec<(String, f64)>,
    /// Type of each atom, from 1.
    of: Vec<usize>,
}

impl Types {
    /// Types without atoms.
    pub(super) fn new(list: Vec<(String, f64)>) -> Self {
        Types { list, of: Vec::new() }
    }

    pub(super) fn of(structure: &Structure) -> Self {
        let mut types = Types { list: Vec::new(), of: Vec::with_capacity(structure.len()) };
        for atom in 0..structure.len() {
            let (symbol, mass) = (structure.symbol(atom), structure.mass(atom));
            let same =
                |known: &(String, f64)| known.0 == symbol && known.1.to_bits() == mass.to_bits();
            let place = types.list.iter().position(same).unwrap_or_else(|| {
                types.list.push((symbol.to_owned(), mass));
                types.list.len() - 1
            });
            types.of.push(place + 1);
        }
        types
    }
}

/// What the data file holds besides the types.
pub(super) struct Start<'a> {
    pub(super) structure: &'a Structure,
    /// [Å/fs]
    pub(super) velocities: &'a [Vector3],
    pub(super) orientation: &'a Orientation,
    /// Lattice vectors in LAMMPS.
    pub(super) lattice: &'a Matrix3,
    /// The box must be able to tilt, also where it does not now.
    pub(super) triclinic: bool,
}

/// The text of the file. Positions are inside the cell, with the image that makes them ours.
pub(super) fn text(start: &Start<'_>, types: &Types) -> String {
    let Start { structure, velocities, orientation, lattice, triclinic } = start;
    let mut out = String::with_capacity(200 * structure.len());
    write(
        &mut out,
        format_args!("start of a stage of vitrion: units metal, atom_style atomic\n\n"),
    );
    write(&mut out, format_args!("{} atoms\n{} atom types\n\n", structure.len(), types.list.len()));
    for (k, axis) in ["x", "y", "z"].iter().enumerate() {
        write(&mut out, format_args!("0.0 {:?} {axis}lo {axis}hi\n", lattice[k][k]));
    }
    if *triclinic {
        let (xy, xz, yz) = (lattice[1][0], lattice[2][0], lattice[2][1]);
        write(&mut out, format_args!("{xy:?} {xz:?} {yz:?} xy xz yz\n"));
    }
    out.push_str("\nMasses\n\n");
    for (number, (symbol, mass)) in types.list.iter().enumerate() {
        let given = constants::mass(*mass);
        write(&mut out, format_args!("{} {given:?} # {symbol} {mass:?} amu\n", number + 1));
    }
    out.push_str("\nAtoms # atomic\n\n");
    let cell = Cell::periodic(**lattice).expect("the lattice of a cell");
    for (atom, r) in structure.positions.iter().enumerate() {
        let ([x, y, z], [i, j, k]) = cell.wrap(orientation.vector_there(*r));
        let kind = types.of[atom];
        write(&mut out, format_args!("{} {kind} {x:?} {y:?} {z:?} {i} {j} {k}\n", atom + 1));
    }
    out.push_str("\nVelocities\n\n");
    for (atom, v) in velocities.iter().enumerate() {
        let [x, y, z] = orientation.vector_there(*v).map(constants::velocity);
        write(&mut out, format_args!("{} {x:?} {y:?} {z:?}\n", atom + 1));
    }
    out
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lie_in_the_cell_and_their_images_lead_back() {
        let cell = Cell::orthorhombic([5.0, 6.0, 7.0]).expect("a cell");
        let positions = vec![[11.25, -0.5, 7.0], [1.0, 1.0, 1.0]];
        let structure = Structure::new(cell, &["Li", "S"], positions).expect("elements");
        let (orientation, lattice) = Orientation::of(&structure.cell);
        let velocities = [[1e-3, 0.0, -0.1], [0.0; 3]];
        let types = Types::of(&structure);
        let start = Start {
            structure: &structure,
            velocities: &velocities,
            orientation: &orientation,
            lattice: &lattice,
            triclinic: true,
        };
        let text = text(&start, &types);
        for line in [
            "2 atoms",
            "2 atom types",
            "0.0 6.0 ylo yhi",
            "0.0 0.0 0.0 xy xz yz",
            "1 1 1.25 5.5 0.0 2 -1 1",
            "2 2 1.0 1.0 1.0 0 0 0",
            "1 1.0 0.0 -100.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
        }
        assert!(text.contains("# Li 6.94 amu"), "{text}");
    }
}
