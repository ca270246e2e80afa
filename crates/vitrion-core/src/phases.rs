//! Named parts of a structure: which atoms were built as crystal, which as glass.
//!
//! A label of an atom, not of a place: it stays with the atom wherever the atom goes. Labels are
//! given by a builder or by a file (column `phase` of extended XYZ) and kept through dynamics.

use crate::structure::Structure;

/// The phase of every atom, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phases {
    names: Vec<String>,
    of: Vec<u8>,
}

/// Why a phase cannot be named so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhaseError {
    #[error("\"{0}\" cannot name a phase: use letters, digits, '-', '_' and '.'")]
    Name(String),
    #[error("more than 255 phases")]
    TooMany,
}

impl Phases {
    /// From one name per atom; phases are numbered in order of first appearance.
    ///
    /// # Errors
    /// A name that is empty or holds other characters than letters, digits, `-`, `_`, `.`; more than 255
    /// names.
    pub fn new<S: AsRef<str>>(of_atoms: &[S]) -> Result<Self, PhaseError> {
        let mut phases = Phases { names: Vec::new(), of: Vec::with_capacity(of_atoms.len()) };
        for name in of_atoms {
            phases.push(name.as_ref())?;
        }
        Ok(phases)
    }

    /// From a list of names and, for every atom, the place of its phase in it; a phase may have no atom.
    ///
    /// # Errors
    /// As [`Phases::new`].
    ///
    /// # Panics
    /// Never, unless a place lies outside of the list.
    pub fn with_names(names: &[&str], of: impl Iterator<Item = usize>) -> Result<Self, PhaseError> {
        let mut phases = Phases::new(names)?;
        phases.of.clear();
        for place in of {
            assert!(place < names.len(), "there is no phase {place}");
            phases.of.push(u8::try_from(place).map_err(|_| PhaseError::TooMany)?);
        }
        Ok(phases)
    }

    /// Labels one more atom.
    ///
    /// # Errors
    /// As [`Phases::new`].
    pub fn push(&mut self, name: &str) -> Result<(), PhaseError> {
        let id = self.names.iter().position(|known| known == name).unwrap_or(self.names.len());
        if id == self.names.len() {
            let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || !name.chars().all(safe) {
                return Err(PhaseError::Name(name.to_owned()));
            }
            self.names.push(name.to_owned());
        }
        self.of.push(u8::try_from(id).map_err(|_| PhaseError::TooMany)?);
        Ok(())
    }

    /// All names, in order of first appearance.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of labelled atoms.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// True without atoms.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Phase of an atom.
    pub fn name(&self, atom: usize) -> &str {
        &self.names[usize::from(self.of[atom])]
    }

    /// Index into [`Phases::names`] of every atom.
    pub fn ids(&self) -> &[u8] {
        &self.of
    }

    /// The labels of `copies` copies of the atoms, one after the other.
    #[must_use]
    pub fn repeated(&self, copies: usize) -> Phases {
        Phases { names: self.names.clone(), of: self.of.repeat(copies) }
    }
}

/// Atoms of each phase, in order of first appearance; empty without labels.
pub fn counts(structure: &Structure) -> Vec<(String, usize)> {
    let Some(phases) = &structure.phases else { return Vec::new() };
    let count = |id: usize| phases.of.iter().filter(|of| usize::from(**of) == id).count();
    phases.names.iter().enumerate().map(|(id, name)| (name.clone(), count(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_with_their_atoms() {
        let phases = Phases::new(&["crystal", "glass", "crystal"]).expect("plain names");
        assert_eq!(phases.names(), ["crystal", "glass"]);
        let twice = phases.repeated(2);
        assert_eq!(twice.ids(), [0, 1, 0, 0, 1, 0]);
        assert_eq!(twice.name(4), "glass");
    }

    #[test]
    fn a_name_that_breaks_a_column_is_refused() {
        for name in ["", "two words", "tab\t", "ü"] {
            assert_eq!(Phases::new(&[name]), Err(PhaseError::Name(name.to_owned())));
        }
    }
}
