//! Atoms in a cell.

use crate::cell::Cell;
use crate::math::Vector3;
use crate::phases::Phases;
use crate::species::{SpeciesError, SpeciesId, SpeciesTable};
use crate::units;
use std::fmt::Write as _;
use std::sync::Arc;

/// Atoms in a cell. Positions may lie outside the cell; nothing wraps them silently.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Lattice vectors and periodicity.
    pub cell: Cell,
    /// Species of each atom, an index into `table`.
    pub species: Vec<SpeciesId>,
    /// Cartesian positions [Å].
    pub positions: Vec<Vector3>,
    /// Symbols and masses.
    pub table: Arc<SpeciesTable>,
    /// Named parts, where the atoms are labelled; one label per atom.
    pub phases: Option<Arc<Phases>>,
}

impl Structure {
    /// A structure from one symbol and one position [Å] per atom.
    ///
    /// # Errors
    /// Symbols that are not elements.
    ///
    /// # Panics
    /// If the two slices differ in length.
    pub fn new<S: AsRef<str>>(
        cell: Cell,
        symbols: &[S],
        positions: Vec<Vector3>,
    ) -> Result<Self, SpeciesError> {
        assert_eq!(symbols.len(), positions.len(), "one symbol per position");
        let (table, species) = SpeciesTable::from_atoms(symbols)?;
        Ok(Structure { cell, species, positions, table, phases: None })
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// True without atoms.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Symbol of an atom.
    pub fn symbol(&self, atom: usize) -> &str {
        self.table.symbol(self.species[atom])
    }

    /// Species of each atom as its id in `table`, matched by symbol.
    ///
    /// # Errors
    /// [`SpeciesError::Unknown`] for the first species that `table` lacks.
    pub fn species_in(&self, table: &SpeciesTable) -> Result<Vec<u8>, SpeciesError> {
        let map = self.table.map_onto(table)?;
        Ok(self.species.iter().map(|id| map[id.index()]).collect())
    }

    /// Mass of an atom [amu].
    pub fn mass(&self, atom: usize) -> f64 {
        self.table.mass(self.species[atom])
    }

    /// Total mass [amu].
    pub fn total_mass(&self) -> f64 {
        self.species.iter().map(|id| self.table.mass(*id)).sum()
    }

    /// Number of atoms of each species, in table order.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.table.len()];
        for id in &self.species {
            counts[id.index()] += 1;
        }
        counts
    }

    /// Indices of the atoms of an element; empty when there are none.
    pub fn atoms_of(&self, symbol: &str) -> Vec<usize> {
        let Some(id) = self.table.id(symbol) else { return Vec::new() };
        (0..self.len()).filter(|atom| self.species[*atom] == id).collect()
    }

    /// Mass density [amu/Å³].
    pub fn density(&self) -> f64 {
        self.total_mass() / self.cell.volume()
    }

    /// Mass density [g/cm³].
    pub fn density_g_per_cm3(&self) -> f64 {
        self.density() * units::AMU_PER_A3_IN_G_PER_CM3
    }

    /// Formula in table order, for example "Li24P8S32".
    pub fn formula(&self) -> String {
        let mut formula = String::new();
        for (symbol, count) in self.table.symbols().iter().zip(self.counts()) {
            if count == 1 {
                formula.push_str(symbol);
            } else if count > 1 {
                write!(formula, "{symbol}{count}").expect("writing to a string cannot fail");
            }
        }
        formula
    }
}
