//! Which atoms a group of the run file means in a structure.

use crate::run_file::{GroupTable, Located};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitrion_core::{Structure, elements};

/// A group: atoms that meet all its conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupPlan {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Vec<String>>,
    /// Ranges, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atoms: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_a: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y_a: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z_a: Option<[f64; 2]>,
}

/// Atoms of each group in one structure, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members(BTreeMap<String, Vec<u32>>);

impl Members {
    /// Indices from 0, ascending; empty for a name that is not a group.
    pub fn of(&self, group: &str) -> &[u32] {
        self.0.get(group).map_or(&[], Vec::as_slice)
    }

    /// Atoms of any of the groups, ascending.
    pub fn of_any(&self, groups: &[String]) -> Vec<u32> {
        let mut atoms: Vec<u32> = groups.iter().flat_map(|group| self.of(group)).copied().collect();
        atoms.sort_unstable();
        atoms.dedup();
        atoms
    }
}

/// Why a group cannot be resolved: the key and what is wrong with it.
pub(super) type Complaint = (&'static str, String);

impl GroupPlan {
    pub(super) fn new(table: &GroupTable) -> Self {
        let words = |list: &Option<Vec<Located<String>>>| {
            list.as_ref().map(|list| list.iter().map(|word| word.value.clone()).collect())
        };
        let [x, y, z] = [0, 1, 2].map(|k| table.region[k].map(|interval| interval.value));
        GroupPlan {
            name: table.name.value.clone(),
            element: words(&table.elements),
            phase: words(&table.phases),
            atoms: table.atoms.as_ref().map(|atoms| atoms.value.clone()),
            x_a: x,
            y_a: y,
            z_a: z,
        }
    }

    /// Its atoms in a structure, ascending.
    pub(super) fn members(&self, structure: &Structure) -> Result<Vec<u32>, Complaint> {
        for symbol in self.element.iter().flatten() {
            if elements::by_symbol(symbol).is_none() {
                return Err(("element", format!("\"{symbol}\" is not a chemical element")));
            }
        }
        for phase in self.phase.iter().flatten() {
            let known = structure.phases.as_ref().map_or(&[][..], |phases| phases.names());
            if !known.contains(phase) {
                let message = if known.is_empty() {
                    format!(
                        "no atom is labelled \"{phase}\": the structure file has no column `phase` \
                         (extended XYZ, as `vitrion build glass-ceramic` writes it)"
                    )
                } else {
                    format!("no atom is labelled \"{phase}\"; there is {}", known.join(", "))
                };
                return Err(("phase", message));
            }
        }
        let listed = self.atoms.as_deref().map(|text| ranges(text, structure.len())).transpose()?;
        let inside = |atom: usize| {
            let (place, _) = structure.cell.wrap(structure.positions[atom]);
            let regions = [self.x_a, self.y_a, self.z_a];
            regions
                .iter()
                .zip(place)
                .all(|(region, x)| region.is_none_or(|[low, high]| (low..high).contains(&x)))
        };
        let meets = |atom: usize| {
            self.element
                .as_ref()
                .is_none_or(|list| list.iter().any(|s| s == structure.symbol(atom)))
                && self.phase.as_ref().is_none_or(|list| {
                    let phases = structure.phases.as_ref().expect("checked above");
                    list.iter().any(|name| name == phases.name(atom))
                })
                && listed.as_ref().is_none_or(|listed| listed[atom])
                && inside(atom)
        };
        let members: Vec<u32> =
            (0..structure.len()).filter(|atom| meets(*atom)).map(|atom| atom as u32).collect();
        if members.is_empty() {
            return Err(("name", "no atom meets its conditions".to_owned()));
        }
        Ok(members)
    }
}

/// The atoms of all groups in a structure that was checked when the plan was made.
pub(super) fn members(groups: &[GroupPlan], structure: &Structure) -> Members {
    let of = |group: &GroupPlan| {
        let atoms = group.members(structure).expect("checked when the plan was made");
        (group.name.clone(), atoms)
    };
    Members(groups.iter().map(of).collect())
}

/// "1-512, 600" as a flag for each atom; atoms are counted from 1.
fn ranges(text: &str, atoms: usize) -> Result<Vec<bool>, Complaint> {
    let mut flags = vec![false; atoms];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>(), last.trim().parse::<usize>());
        let (Ok(first), Ok(last)) = (first, last) else {
            let message =
                format!("expected numbers and ranges such as \"1-512, 600\", found \"{part}\"");
            return Err(("atoms", message));
        };
        if first == 0 || last < first || last > atoms {
            let message = format!(
                "\"{part}\" is not a range of atoms: they are counted from 1 to {atoms}, the lower \
                 number first"
            );
            return Err(("atoms", message));
        }
        flags[first - 1..last].fill(true);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::{Cell, Phases};

    fn structure() -> Structure {
        let cell = Cell::orthorhombic([10.0; 3]).expect("a cube");
        let at = |z: f64| [1.0, 1.0, z];
        let mut structure = Structure::new(
            cell,
            &["Li", "P", "S", "Li"],
            vec![at(1.0), at(4.0), at(-1.0), at(6.0)],
        )
        .expect("elements");
        let phases = Phases::new(&["crystal", "crystal", "glass", "glass"]).expect("names");
        structure.phases = Some(phases.into());
        structure
    }

    fn group() -> GroupPlan {
        GroupPlan {
            name: "g".to_owned(),
            element: None,
            phase: None,
            atoms: None,
            x_a: None,
            y_a: None,
            z_a: None,
        }
    }

    #[test]
    fn conditions_are_met_together_and_regions_lie_in_the_cell() {
        let structure = structure();
        let members = |group: GroupPlan| group.members(&structure).expect("some atoms");
        let element = Some(vec!["Li".to_owned()]);
        let phase = Some(vec!["glass".to_owned()]);
        assert_eq!(members(GroupPlan { element: element.clone(), ..group() }), [0, 3]);
        assert_eq!(members(GroupPlan { element, phase, ..group() }), [3]);
        // the atom at z = −1 is at 9 in the cell
        assert_eq!(members(GroupPlan { z_a: Some([5.0, 10.0]), ..group() }), [2, 3]);
        assert_eq!(members(GroupPlan { atoms: Some("1, 3-4".to_owned()), ..group() }), [0, 2, 3]);
    }

    #[test]
    fn groups_without_atoms_and_wrong_ranges_are_refused() {
        let structure = structure();
        let word = |word: &str| Some(vec![word.to_owned()]);
        for (wrong, key, message) in [
            (GroupPlan { element: word("Xx"), ..group() }, "element", "not a chemical element"),
            (GroupPlan { element: word("Na"), ..group() }, "name", "no atom meets"),
            (GroupPlan { phase: word("melt"), ..group() }, "phase", "there is crystal, glass"),
            (GroupPlan { atoms: Some("0-2".into()), ..group() }, "atoms", "counted from 1 to 4"),
            (GroupPlan { atoms: Some("3-9".into()), ..group() }, "atoms", "counted from 1 to 4"),
            (GroupPlan { atoms: Some("all".into()), ..group() }, "atoms", "found \"all\""),
        ] {
            let (found, text) = wrong.members(&structure).expect_err(message);
            assert!(found == key && text.contains(message), "{found}: {text}");
        }
    }
}
