//! Chemical species by element symbol.

use crate::elements;
use std::sync::Arc;

/// Index of a species in its [`SpeciesTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpeciesId(pub u8);

impl SpeciesId {
    /// As an index into per-species arrays.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The species of a structure or a potential: symbols and masses [amu], in a fixed order.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeciesTable {
    symbols: Vec<String>,
    masses: Vec<f64>,
}

/// Why a species table cannot be made or mapped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpeciesError {
    /// Not in the periodic table.
    #[error("{symbol:?} is not a chemical element{}", suggestion(hint.as_deref()))]
    NotAnElement { symbol: String, hint: Option<String> },
    /// The same symbol twice.
    #[error("species {symbol} is listed twice")]
    Duplicate { symbol: String },
    /// More species than an id can hold.
    #[error("{count} species; at most 255 are possible")]
    TooMany { count: usize },
    /// A species of one table that the other lacks.
    #[error("the structure contains {symbol}, but the potential only knows {}", known.join(", "))]
    Unknown { symbol: String, known: Vec<String> },
    /// A mass that is not positive.
    #[error("mass of {symbol} is {mass} amu; it must be positive")]
    BadMass { symbol: String, mass: f64 },
}

fn suggestion(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; did you mean {hint}?"))
}

impl SpeciesTable {
    /// A table of these element symbols with standard atomic weights.
    ///
    /// # Errors
    /// A symbol that is not an element, a symbol given twice, more than 255 species.
    pub fn new<S: AsRef<str>>(symbols: &[S]) -> Result<Self, SpeciesError> {
        if symbols.len() > usize::from(u8::MAX) {
            return Err(SpeciesError::TooMany { count: symbols.len() });
        }
        let mut table = SpeciesTable { symbols: Vec::new(), masses: Vec::new() };
        for symbol in symbols {
            let symbol = symbol.as_ref();
            let element =
                elements::by_symbol(symbol).ok_or_else(|| SpeciesError::NotAnElement {
                    symbol: symbol.to_owned(),
                    hint: elements::nearest(symbol).map(str::to_owned),
                })?;
            if table.id(symbol).is_some() {
                return Err(SpeciesError::Duplicate { symbol: symbol.to_owned() });
            }
            table.symbols.push(symbol.to_owned());
            table.masses.push(element.mass);
        }
        Ok(table)
    }

    /// The table of the symbols in `atoms` in order of first appearance, and the id of each atom.
    ///
    /// # Errors
    /// As [`SpeciesTable::new`].
    pub fn from_atoms<S: AsRef<str>>(
        atoms: &[S],
    ) -> Result<(Arc<Self>, Vec<SpeciesId>), SpeciesError> {
        let mut symbols: Vec<&str> = Vec::new();
        let mut ids = Vec::with_capacity(atoms.len());
        for atom in atoms {
            let atom = atom.as_ref();
            let position = symbols.iter().position(|known| *known == atom).unwrap_or_else(|| {
                symbols.push(atom);
                symbols.len() - 1
            });
            ids.push(SpeciesId(u8::try_from(position).unwrap_or(u8::MAX)));
        }
        Ok((Arc::new(Self::new(&symbols)?), ids))
    }

    /// The same table with another mass [amu] for one species.
    ///
    /// # Errors
    /// Unknown symbol, or a mass that is not positive and finite.
    pub fn with_mass(mut self, symbol: &str, mass: f64) -> Result<Self, SpeciesError> {
        if !(mass.is_finite() && mass > 0.0) {
            return Err(SpeciesError::BadMass { symbol: symbol.to_owned(), mass });
        }
        let id = self.id(symbol).ok_or_else(|| SpeciesError::Unknown {
            symbol: symbol.to_owned(),
            known: self.symbols.clone(),
        })?;
        self.masses[id.index()] = mass;
        Ok(self)
    }

    /// Number of species.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// True without any species.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Symbols in id order.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Symbol of a species.
    pub fn symbol(&self, id: SpeciesId) -> &str {
        &self.symbols[id.index()]
    }

    /// Mass of a species [amu].
    pub fn mass(&self, id: SpeciesId) -> f64 {
        self.masses[id.index()]
    }

    /// Id of a symbol.
    pub fn id(&self, symbol: &str) -> Option<SpeciesId> {
        self.symbols
            .iter()
            .position(|known| known == symbol)
            .map(|index| SpeciesId(u8::try_from(index).expect("at most 255 species")))
    }

    /// For each species of `self`, its id in `target`, matched by symbol.
    ///
    /// # Errors
    /// [`SpeciesError::Unknown`] for the first species of `self` that `target` lacks.
    pub fn map_onto(&self, target: &SpeciesTable) -> Result<Vec<u8>, SpeciesError> {
        self.symbols
            .iter()
            .map(|symbol| {
                target.id(symbol).map(|id| id.0).ok_or_else(|| SpeciesError::Unknown {
                    symbol: symbol.clone(),
                    known: target.symbols.clone(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_matched_by_symbol_not_by_index() {
        let structure = SpeciesTable::new(&["S", "Li"]).expect("elements");
        let potential = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
        assert_eq!(structure.map_onto(&potential), Ok(vec![2, 0]));
        let error = SpeciesTable::new(&["Na"]).expect("element").map_onto(&potential);
        assert_eq!(
            error.expect_err("no Na").to_string(),
            "the structure contains Na, but the potential only knows Li, P, S"
        );
    }

    #[test]
    fn a_misspelt_element_is_refused_with_a_suggestion() {
        let error = SpeciesTable::new(&["LI"]).expect_err("LI is not Li");
        assert_eq!(error.to_string(), "\"LI\" is not a chemical element; did you mean Li?");
    }

    #[test]
    fn atoms_keep_the_order_of_first_appearance() {
        let (table, ids) = SpeciesTable::from_atoms(&["P", "S", "P", "Li"]).expect("elements");
        assert_eq!(table.symbols(), ["P", "S", "Li"]);
        assert_eq!(ids, [0, 1, 0, 2].map(SpeciesId));
    }
}
