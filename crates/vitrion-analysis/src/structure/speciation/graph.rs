//! The bond graph of one frame and its connected components.

use super::super::bonds::Bonds;
use super::{NETWORK, Role, UnitDefinition};
use crate::pass::Scene;
use std::fmt::Write as _;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{SpeciesId, SpeciesTable};

/// A ring that closes up to this is a ring; all others are connected to an image [Å].
const CLOSED: f64 = 1e-3;
/// Word for atoms outside of units.
const OUTSIDE: &str = "-";

/// Bonds of every atom of formers and ligands.
pub(super) struct Graph<'a> {
    species: &'a [usize],
    offsets: Vec<usize>,
    /// Atom at the other end, and the vector to it [Å].
    bonds: Vec<(u32, Vector3)>,
}

/// A connected component.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub(super) name: String,
    /// Species and how many atoms of it, in the order of the table.
    pub(super) composition: Vec<(usize, usize)>,
    pub(super) formers: usize,
    pub(super) direct_bonds: usize,
    pub(super) ligand_bonds: usize,
    pub(super) bridging: usize,
}

/// All components of a frame.
pub(super) struct Units {
    pub(super) found: Vec<Unit>,
    /// Names, and the name of every atom's unit among them.
    pub(super) words: Vec<String>,
    pub(super) of: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// Bonds shorter than their cut-off and a shift [Å].
    pub(super) fn new(scene: &Scene<'a>, bonds: &Bonds, roles: &[Role], shift: f64) -> Self {
        let species = scene.species;
        let mut graph = Graph { species, offsets: vec![0], bonds: Vec::new() };
        for (atom, kind) in species.iter().enumerate() {
            if roles[*kind] != Role::Outside {
                for (neighbor, vector) in scene.neighbors.of(atom) {
                    let other = species[neighbor];
                    let cutoff = bonds.cutoff(*kind, other) + shift;
                    let bonded = roles[other] != Role::Outside && bonds.cutoff(*kind, other) > 0.0;
                    if bonded && math::norm2(vector) < cutoff * cutoff {
                        graph.bonds.push((neighbor as u32, vector));
                    }
                }
            }
            graph.offsets.push(graph.bonds.len());
        }
        graph
    }

    fn of(&self, atom: usize) -> &[(u32, Vector3)] {
        &self.bonds[self.offsets[atom]..self.offsets[atom + 1]]
    }

    /// Bonds of every atom.
    pub(super) fn degrees(&self) -> impl Iterator<Item = usize> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    fn bonds_to(&self, atom: usize, roles: &[Role], role: Role) -> usize {
        self.of(atom).iter().filter(|(j, _)| roles[self.species[*j as usize]] == role).count()
    }

    /// Connected components with their names.
    pub(super) fn units(
        &self,
        table: &SpeciesTable,
        roles: &[Role],
        definitions: &[UnitDefinition],
    ) -> Units {
        let mut units = Units {
            found: Vec::new(),
            words: vec![OUTSIDE.into()],
            of: vec![0; self.species.len()],
        };
        let mut place: Vec<Option<Vector3>> = vec![None; self.species.len()];
        let mut members = Vec::new();
        for start in 0..self.species.len() {
            if roles[self.species[start]] == Role::Outside || place[start].is_some() {
                continue;
            }
            let endless = self.walk(start, &mut place, &mut members);
            let mut unit = self.unit(&members, roles);
            unit.name = if endless { NETWORK.to_owned() } else { named(&unit, table, definitions) };
            let word = units.words.iter().position(|word| *word == unit.name);
            let word = word.unwrap_or_else(|| {
                units.words.push(unit.name.clone());
                units.words.len() - 1
            });
            for atom in &members {
                units.of[*atom] = word as u32;
            }
            units.found.push(unit);
        }
        units
    }

    /// Everything connected to an atom, and whether it meets an image of itself.
    fn walk(&self, start: usize, place: &mut [Option<Vector3>], members: &mut Vec<usize>) -> bool {
        members.clear();
        members.push(start);
        place[start] = Some([0.0; 3]);
        let mut endless = false;
        let mut next = 0;
        while let Some(atom) = members.get(next).copied() {
            next += 1;
            let here = place[atom].expect("members have places");
            for (neighbor, vector) in self.of(atom) {
                let there = math::add(here, *vector);
                let neighbor = *neighbor as usize;
                if let Some(known) = place[neighbor] {
                    endless |= math::norm(math::sub(known, there)) > CLOSED;
                } else {
                    place[neighbor] = Some(there);
                    members.push(neighbor);
                }
            }
        }
        endless
    }

    fn unit(&self, members: &[usize], roles: &[Role]) -> Unit {
        let mut counts = vec![0; roles.len()];
        let (mut formers, mut direct, mut between_ligands, mut bridging) = (0, 0, 0, 0);
        for atom in members {
            counts[self.species[*atom]] += 1;
            let to_formers = self.bonds_to(*atom, roles, Role::Former);
            if roles[self.species[*atom]] == Role::Former {
                formers += 1;
                direct += to_formers;
            } else {
                bridging += usize::from(to_formers > 1);
                between_ligands += self.bonds_to(*atom, roles, Role::Ligand);
            }
        }
        let composition = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        Unit {
            name: String::new(),
            composition,
            formers,
            // each bond was seen from both ends
            direct_bonds: direct / 2,
            ligand_bonds: between_ligands / 2,
            bridging,
        }
    }

    /// Ligands and bridging ligands of every former, and what ligands are bonded to.
    pub(super) fn count_coordination(&self, roles: &[Role], named: &mut Vec<(String, f64)>) {
        for (atom, species) in self.species.iter().enumerate() {
            match roles[*species] {
                Role::Former => {
                    let ligands = self.bonds_to(atom, roles, Role::Ligand);
                    let bridging = self
                        .of(atom)
                        .iter()
                        .map(|(j, _)| *j as usize)
                        .filter(|j| roles[self.species[*j]] == Role::Ligand)
                        .filter(|j| self.bonds_to(*j, roles, Role::Former) > 1)
                        .count();
                    named.push((format!("bonds:{ligands}"), 1.0));
                    named.push((format!("bridges:{bridging}"), 1.0));
                }
                Role::Ligand => {
                    let kind = match self.bonds_to(atom, roles, Role::Former) {
                        0 => "free",
                        1 => "non-bridging",
                        _ => "bridging",
                    };
                    named.push((format!("ligand:{kind}"), 1.0));
                }
                Role::Outside => {}
            }
        }
    }
}

/// The name of a definition that fits, or else the formula with what tells isomers apart.
fn named(unit: &Unit, table: &SpeciesTable, definitions: &[UnitDefinition]) -> String {
    let symbol = |species: usize| {
        table.symbol(SpeciesId(u8::try_from(species).expect("at most 255 species")))
    };
    let same = |definition: &&UnitDefinition| {
        definition.direct_bonds == unit.direct_bonds
            && definition.bridging == unit.bridging
            && definition.atoms.len() == unit.composition.len()
            && unit.composition.iter().all(|(species, count)| {
                definition.atoms.iter().any(|(known, n)| known == symbol(*species) && n == count)
            })
    };
    if let Some(definition) = definitions.iter().find(same) {
        return definition.name.clone();
    }
    let mut formula = String::new();
    for (species, count) in &unit.composition {
        formula.push_str(symbol(*species));
        if *count > 1 {
            write!(formula, "{count}").expect("writing to a string cannot fail");
        }
    }
    formula
}
