//! Units of network formers and ligands: PS₄, P₂S₇, P₂S₆, chains, networks, from the bond graph.
//!
//! Atoms of formers and ligands closer than the cut-off of their pair are bonded; a unit is a
//! connected component of that graph. Its name follows from what it is made of (formers, ligands,
//! former–former bonds, bridging ligands), never from a single distance: P···P across a bridging S
//! is no bond. A component that is connected to its own image is a network. Units without a name
//! of their own are called by their formula; none is dropped.
//!
//! Charges are counted from oxidation states: formers and ligands have theirs, each former–former
//! bond adds −2, each ligand–ligand bond +2, so that P₂S₆ with a P–P bond has −4, S₂ has −2, PS₄ −3.

mod graph;
mod report;
#[cfg(test)]
mod tests;

use super::bonds::{self, BondCutoff, Bonds};
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use graph::Graph;
pub(super) use report::machine;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, SpeciesTable};

/// Shifts of all cut-offs in the sensitivity scan [Å]; the middle one is none.
pub(super) const SHIFTS: [f64; 5] = [-0.2, -0.1, 0.0, 0.1, 0.2];
/// Place of the cut-offs as they are.
const UNSHIFTED: usize = 2;
/// The name of components that reach their own images.
pub const NETWORK: &str = "network";

/// What makes a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitDefinition {
    /// For example "P2S6 (P–P bond)".
    pub name: String,
    /// Elements and how many of each, for example P 2, S 6.
    pub atoms: Vec<(String, usize)>,
    /// Bonds between formers.
    #[serde(default)]
    pub direct_bonds: usize,
    /// Ligands bonded to two formers or more.
    #[serde(default)]
    pub bridging: usize,
}

/// How units are found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeciationSettings {
    /// Bonds; empty: all pairs of formers and ligands with a usual cut-off.
    #[serde(default)]
    pub cutoffs: Vec<BondCutoff>,
    /// Empty: the usual network formers.
    #[serde(default)]
    pub formers: Vec<String>,
    /// Empty: the usual ligands.
    #[serde(default)]
    pub ligands: Vec<String>,
    /// Names for units; empty: those of thiophosphates. All others are called by their formula.
    #[serde(default)]
    pub units: Vec<UnitDefinition>,
    /// A former counts as settled if its unit has been the same in so many frames, this one included; 0 is
    /// 1.
    #[serde(default)]
    pub persistence: usize,
}

impl SpeciationSettings {
    /// With every default filled in for these species.
    #[must_use]
    pub fn resolved(mut self, table: &SpeciesTable) -> Self {
        if self.formers.is_empty() {
            self.formers = bonds::present(&bonds::FORMERS, table);
        }
        if self.ligands.is_empty() {
            self.ligands = bonds::present(&bonds::LIGANDS, table);
            self.ligands.retain(|symbol| !self.formers.contains(symbol));
        }
        if self.cutoffs.is_empty() {
            let all: Vec<&String> = self.formers.iter().chain(&self.ligands).collect();
            for (k, a) in all.iter().enumerate() {
                for b in &all[k..] {
                    if let Some(cutoff) = bonds::known(a, b) {
                        let pair = [(*a).clone(), (*b).clone()];
                        self.cutoffs.push(BondCutoff { pair, cutoff });
                    }
                }
            }
        }
        if self.units.is_empty() {
            self.units = thiophosphates();
        }
        self.persistence = self.persistence.max(1);
        self
    }
}

/// The units of lithium thiophosphates.
pub fn thiophosphates() -> Vec<UnitDefinition> {
    let unit = |name: &str, p: usize, s: usize, direct_bonds: usize, bridging: usize| {
        let atoms = [("P", p), ("S", s)].into_iter().filter(|(_, n)| *n > 0);
        let atoms = atoms.map(|(symbol, n)| (symbol.to_owned(), n)).collect();
        UnitDefinition { name: name.to_owned(), atoms, direct_bonds, bridging }
    };
    vec![
        unit("PS4", 1, 4, 0, 0),
        unit("PS3", 1, 3, 0, 0),
        unit("PS2", 1, 2, 0, 0),
        unit("P2S7", 2, 7, 0, 1),
        unit("P2S6 (P–P bond)", 2, 6, 1, 0),
        unit("P2S6 (edge-sharing)", 2, 6, 0, 2),
        unit("P3S10 (chain)", 3, 10, 0, 2),
        unit("P4S13 (chain)", 4, 13, 0, 3),
        unit("S (free)", 0, 1, 0, 0),
        unit("S2", 0, 2, 0, 0),
        unit("S3", 0, 3, 0, 0),
    ]
}

/// Fractions of units, their charges, how long they last.
#[derive(Debug)]
pub struct Speciation {
    table: Arc<SpeciesTable>,
    settings: SpeciationSettings,
    bonds: Bonds,
    roles: Vec<Role>,
    /// Oxidation state or charge of every species, where one is known.
    charges: Vec<Option<f64>>,
    /// Of the trajectory so far: unit of every former in the last frame, frames since it changed.
    last: Vec<(String, usize)>,
    last_time: Option<f64>,
}

/// What a species does in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Former,
    Ligand,
    Outside,
}

impl Speciation {
    /// For frames of these species.
    ///
    /// # Errors
    /// No former or no ligand, an element that is not there, a bond that is not positive or too short for
    /// the sensitivity scan.
    pub fn new(
        table: &Arc<SpeciesTable>,
        settings: SpeciationSettings,
    ) -> Result<Self, AnalysisError> {
        let settings = settings.resolved(table);
        for (name, list) in [("formers", &settings.formers), ("ligands", &settings.ligands)] {
            if list.is_empty() {
                return Err(AnalysisError::Parameter {
                    name,
                    found: format!("none among {}", table.symbols().join(", ")),
                    expected: "at least one element".into(),
                });
            }
        }
        let mut roles = vec![Role::Outside; table.len()];
        for symbol in &settings.ligands {
            roles[bonds::species(symbol, table)?] = Role::Ligand;
        }
        for symbol in &settings.formers {
            let at = bonds::species(symbol, table)?;
            if roles[at] == Role::Ligand {
                return Err(AnalysisError::Parameter {
                    name: "formers",
                    found: format!("{symbol}, which is a ligand too"),
                    expected: "elements that are not ligands".into(),
                });
            }
            roles[at] = Role::Former;
        }
        let bonds = Bonds::new(&settings.cutoffs, table)?;
        let least = -SHIFTS[0] + 0.1;
        if let Some(short) = settings.cutoffs.iter().find(|bond| bond.cutoff <= least) {
            return Err(AnalysisError::Parameter {
                name: "cutoffs",
                found: format!("{} Å for {}-{}", short.cutoff, short.pair[0], short.pair[1]),
                expected: format!("more than {least:.1} Å"),
            });
        }
        let charges = table.symbols().iter().map(|symbol| {
            let lists = [&bonds::FORMERS[..], &bonds::LIGANDS, &bonds::CATIONS];
            lists.iter().find_map(|list| bonds::number_of(list, symbol))
        });
        Ok(Speciation {
            charges: charges.collect(),
            table: table.clone(),
            settings,
            bonds,
            roles,
            last: Vec::new(),
            last_time: None,
        })
    }
}

impl StructuralAnalysis for Speciation {
    fn needs(&self) -> Needs {
        Needs { neighbors: self.bonds.longest() + SHIFTS[SHIFTS.len() - 1], ..Needs::default() }
    }

    /// Means: charge of the cell. Named: `units:NAME`, `formers:NAME`, `charge:NAME`, `bonds:N` (ligands of a
    /// former), `bridges:N` (its bridging ligands), `ligand:KIND`, `shift K:NAME` (formers).
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let mut measured = Measured::default();
        let mut charge = 0.0;
        for (species, count) in scene.counts.iter().enumerate() {
            if self.roles[species] == Role::Outside {
                charge += self.charges[species].unwrap_or(0.0) * *count as f64;
            }
        }
        for (k, shift) in SHIFTS.into_iter().enumerate() {
            let graph = Graph::new(scene, &self.bonds, &self.roles, shift);
            let units = graph.units(&self.table, &self.roles, &self.settings.units);
            for unit in &units.found {
                if unit.formers > 0 {
                    let name = format!("shift {k}:{}", unit.name);
                    measured.named.push((name, unit.formers as f64));
                }
                if k == UNSHIFTED {
                    let own = self.charge(unit);
                    charge += own;
                    measured.named.push((format!("units:{}", unit.name), 1.0));
                    measured.named.push((format!("charge:{}", unit.name), own));
                    measured.named.push((format!("formers:{}", unit.name), unit.formers as f64));
                }
            }
            if k == UNSHIFTED {
                graph.count_coordination(&self.roles, &mut measured.named);
                measured.columns = columns(&units, &graph);
            }
        }
        measured.means.push(charge);
        Ok(measured)
    }

    fn follow(&mut self, frame: &Frame, measured: &mut Measured) {
        let Some(AtomColumn { values: AtomValues::Words { list, of }, .. }) =
            measured.columns.iter().find(|column| column.name == "unit")
        else {
            return;
        };
        let map = frame.structure.table.map_onto(&self.table).expect("it was measured");
        let roles = &self.roles;
        let formers = (0..frame.structure.len()).filter(|atom| {
            let species = frame.structure.species[*atom];
            roles[usize::from(map[species.index()])] == Role::Former
        });
        let words: Vec<&String> = formers.map(|atom| &list[of[atom] as usize]).collect();
        let follows = self.last.len() == words.len();
        let mut next = Vec::with_capacity(words.len());
        for (k, word) in words.iter().enumerate() {
            let mut since = 1;
            if follows {
                let (before, frames) = &self.last[k];
                measured.named.push((format!("from:{before}"), 1.0));
                if before == *word {
                    since = frames + 1;
                } else {
                    measured.named.push((format!("left:{before}"), 1.0));
                }
            }
            if since >= self.settings.persistence {
                measured.named.push((format!("settled:{word}"), 1.0));
            }
            next.push(((*word).clone(), since));
        }
        if let (true, Some(before), Some(now)) = (follows, self.last_time, frame.time) {
            measured.named.push(("time between frames".into(), now - before));
            measured.named.push(("pairs of frames".into(), 1.0));
        }
        self.last = next;
        self.last_time = frame.time;
    }

    fn next_trajectory(&mut self) {
        self.last.clear();
        self.last_time = None;
    }

    fn report(&self, samples: &Samples) -> Observables {
        report::report(self, samples)
    }
}

impl Speciation {
    /// Charge of a unit from oxidation states and bonds.
    fn charge(&self, unit: &graph::Unit) -> f64 {
        let atoms: f64 = unit
            .composition
            .iter()
            .map(|(species, count)| self.charges[*species].unwrap_or(0.0) * *count as f64)
            .sum();
        atoms - 2.0 * unit.direct_bonds as f64 + 2.0 * unit.ligand_bonds as f64
    }
}

/// Unit of every atom, and bonds of every atom.
fn columns(units: &graph::Units, graph: &Graph) -> Vec<AtomColumn> {
    vec![
        AtomColumn {
            name: "unit".into(),
            values: AtomValues::Words { list: units.words.clone(), of: units.of.clone() },
        },
        AtomColumn {
            name: "bonds".into(),
            values: AtomValues::Real(graph.degrees().map(|n| n as f64).collect()),
        },
    ]
}
