//! Atoms that are treated apart from the rest.

use super::ensemble::{check_chain, check_period, check_temperature};
use super::{Ramp, StageSettings, Thermostat, refused};
use crate::error::MdError;
use crate::state::degrees_of_freedom;
use serde::{Deserialize, Serialize};

/// A thermostat for some atoms only; the others keep that of the ensemble.
///
/// Each bath holds the `3 N_g` degrees of freedom of its own atoms. Baths of different strength push
/// on the centre of mass, so with them the total momentum fluctuates instead of being zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bath {
    /// For messages and for its column in the thermo file.
    pub name: String,
    /// Indices from 0, ascending.
    pub atoms: Vec<u32>,
    /// Target [K].
    pub temperature: Ramp,
    pub thermostat: Thermostat,
}

impl Bath {
    pub(super) fn validate(&self, dt: f64) -> Result<(), MdError> {
        check_temperature(self.temperature)?;
        self.thermostat.validate(dt)
    }
}

impl Thermostat {
    pub(super) fn validate(self, dt: f64) -> Result<(), MdError> {
        match self {
            Thermostat::NoseHooverChain { period, chain } => {
                check_period("thermostat period", period, dt)?;
                check_chain(chain)
            }
            Thermostat::Csvr { period } | Thermostat::Langevin { period } => {
                check_period("thermostat period", period, dt)
            }
        }
    }

    /// τ [fs].
    pub fn period(self) -> f64 {
        let (Thermostat::NoseHooverChain { period, .. }
        | Thermostat::Csvr { period }
        | Thermostat::Langevin { period }) = self;
        period
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Thermostat::NoseHooverChain { .. } => "Nosé–Hoover chain",
            Thermostat::Csvr { .. } => "stochastic velocity rescaling",
            Thermostat::Langevin { .. } => "Langevin",
        }
    }
}

/// Atoms with one thermostat, or none, and the degrees of freedom among which their kinetic energy is
/// shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Ascending; `None` is all atoms.
    pub atoms: Option<Vec<u32>>,
    /// A whole number; zero where no atom is left.
    pub dof: f64,
}

impl StageSettings {
    /// Parts of a system of `atoms` atoms: first that of the ensemble, then one for each bath. `3N − 3`
    /// degrees of freedom where nothing pushes on the centre of mass, else three for each atom that
    /// moves.
    pub fn parts(&self, atoms: usize) -> Vec<Part> {
        if self.frozen.is_empty() && self.baths.is_empty() {
            let dof = degrees_of_freedom(atoms, self.keeps_momentum());
            return vec![Part { atoms: None, dof: dof as f64 }];
        }
        let mut free = vec![true; atoms];
        let taken = self.baths.iter().flat_map(|bath| &bath.atoms).chain(&self.frozen);
        taken.for_each(|atom| free[*atom as usize] = false);
        let rest: Vec<u32> = free
            .iter()
            .enumerate()
            .filter(|(_, free)| **free)
            .map(|(atom, _)| atom as u32)
            .collect();
        let part = |atoms: Vec<u32>| Part {
            dof: degrees_of_freedom(atoms.len(), false) as f64,
            atoms: Some(atoms),
        };
        let baths = self.baths.iter().map(|bath| bath.atoms.clone());
        std::iter::once(rest).chain(baths).map(part).collect()
    }
}

/// Refuses frozen atoms and baths that overlap, are out of order or name atoms that do not exist.
pub(super) fn check_atoms(frozen: &[u32], baths: &[Bath], atoms: usize) -> Result<(), MdError> {
    let mut taken: Vec<Option<&str>> = vec![None; atoms];
    let groups = baths.iter().map(|bath| (bath.name.as_str(), bath.atoms.as_slice()));
    for (name, members) in std::iter::once(("frozen", frozen)).chain(groups) {
        let group = |message: String| Err(refused("group", format!("\"{name}\""), message));
        if members.is_empty() && name != "frozen" {
            return group("it has no atoms; a thermostat needs some".to_owned());
        }
        if !members.is_sorted_by(|a, b| a < b) {
            return group("its atoms must be listed once each, in ascending order".to_owned());
        }
        for atom in members {
            let Some(owner) = taken.get_mut(*atom as usize) else {
                return group(format!("it names atom {}, but there are {atoms}", atom + 1));
            };
            if let Some(other) = owner {
                return group(format!(
                    "atom {} also belongs to \"{other}\"; frozen atoms and thermostats must not \
                     overlap",
                    atom + 1
                ));
            }
            *owner = Some(name);
        }
    }
    if frozen.len() == atoms {
        return Err(refused("group", "\"frozen\"".to_owned(), "no atom may move".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bath(name: &str, atoms: &[u32]) -> Bath {
        Bath {
            name: name.to_owned(),
            atoms: atoms.to_vec(),
            temperature: Ramp::constant(300.0),
            thermostat: Thermostat::Csvr { period: 100.0 },
        }
    }

    #[test]
    fn groups_that_overlap_or_do_not_exist_are_refused() {
        check_atoms(&[0, 3], &[bath("a", &[1, 2])], 5).expect("apart");
        for (frozen, baths, message) in [
            (vec![0, 1], vec![bath("a", &[1, 2])], "atom 2 also belongs to \"frozen\""),
            (vec![], vec![bath("a", &[1, 2]), bath("b", &[2])], "atom 3 also belongs to \"a\""),
            (vec![7], vec![], "names atom 8, but there are 5"),
            (vec![2, 1], vec![], "ascending order"),
            (vec![], vec![bath("a", &[])], "it has no atoms"),
            (vec![0, 1, 2, 3, 4], vec![], "no atom may move"),
        ] {
            let error = check_atoms(&frozen, &baths, 5).expect_err(message).to_string();
            assert!(error.contains(message), "{error:?} does not say {message:?}");
        }
    }
}
