//! Which atoms count as bonded: cut-offs by pair of elements.
//!
//! The cut-offs for Li–P–S lie in wide gaps of DFT crystals: P–S bonds end at 2.12 Å and the next S
//! is beyond 3.35 Å; P–P bonds are 2.17–2.19 Å, P···P across a bridging S 3.49 Å; non-bonded S···S
//! begin at 3.01 Å; Li–S shells end near 3.2 Å. Those of other pairs are the first minima that are
//! commonly used; compare them with g(r) of the material at hand.

use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use vitrion_core::SpeciesTable;

/// Atoms of two elements closer than a distance are bonded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BondCutoff {
    /// The two elements, in any order.
    pub pair: [String; 2],
    /// [Å]
    #[serde(rename = "cutoff_a")]
    pub cutoff: f64,
}

/// Elements that form units and networks with ligands, with their oxidation states.
pub const FORMERS: [(&str, f64); 10] = [
    ("P", 5.0),
    ("Si", 4.0),
    ("Ge", 4.0),
    ("B", 3.0),
    ("Al", 3.0),
    ("Ga", 3.0),
    ("Sn", 4.0),
    ("As", 5.0),
    ("Sb", 5.0),
    ("N", 3.0),
];
/// What formers bind, with oxidation states.
pub const LIGANDS: [(&str, f64); 7] =
    [("S", -2.0), ("O", -2.0), ("Se", -2.0), ("F", -1.0), ("Cl", -1.0), ("Br", -1.0), ("I", -1.0)];
/// Cations outside of units, with charges.
pub const CATIONS: [(&str, f64); 9] = [
    ("Li", 1.0),
    ("Na", 1.0),
    ("K", 1.0),
    ("Ag", 1.0),
    ("Cu", 1.0),
    ("Mg", 2.0),
    ("Ca", 2.0),
    ("Zn", 2.0),
    ("Y", 3.0),
];

/// Cut-offs of common pairs [Å].
const KNOWN: [(&str, &str, f64); 24] = [
    ("P", "S", 2.7),
    ("P", "P", 2.8),
    ("S", "S", 2.5),
    ("Li", "S", 3.2),
    ("Li", "O", 2.7),
    ("Li", "Cl", 3.4),
    ("Li", "Br", 3.5),
    ("Li", "I", 3.8),
    ("Li", "F", 2.6),
    ("Na", "S", 3.6),
    ("Na", "O", 3.2),
    ("Si", "O", 2.0),
    ("B", "O", 1.9),
    ("P", "O", 2.0),
    ("Al", "O", 2.3),
    ("Ge", "O", 2.2),
    ("Si", "S", 2.6),
    ("Ge", "S", 2.7),
    ("B", "S", 2.3),
    ("Sn", "S", 2.9),
    ("As", "S", 2.7),
    ("Sb", "S", 3.0),
    ("O", "O", 1.7),
    ("Se", "Se", 2.7),
];

/// The usual cut-off of a pair of elements [Å], where one is known.
pub fn known(a: &str, b: &str) -> Option<f64> {
    let same = |p: &str, q: &str| (p == a && q == b) || (p == b && q == a);
    KNOWN.iter().find(|(p, q, _)| same(p, q)).map(|(_, _, cutoff)| *cutoff)
}

/// The number that a list gives an element.
pub(super) fn number_of(list: &[(&str, f64)], symbol: &str) -> Option<f64> {
    list.iter().find(|(known, _)| *known == symbol).map(|(_, value)| *value)
}

/// Elements of a table that are in a list.
pub(super) fn present(list: &[(&str, f64)], table: &SpeciesTable) -> Vec<String> {
    table.symbols().iter().filter(|symbol| number_of(list, symbol).is_some()).cloned().collect()
}

/// Cut-offs as a matrix over the species of a table; 0 where nothing bonds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bonds {
    kinds: usize,
    cutoffs: Vec<f64>,
}

impl Bonds {
    /// From a list, with every pair known to the table.
    ///
    /// # Errors
    /// An element that is not in the table, a pair given twice, a cut-off that is not positive.
    pub(super) fn new(list: &[BondCutoff], table: &SpeciesTable) -> Result<Self, AnalysisError> {
        let kinds = table.len();
        let mut cutoffs = vec![0.0; kinds * kinds];
        for BondCutoff { pair, cutoff } in list {
            let [a, b] = [species(&pair[0], table)?, species(&pair[1], table)?];
            if !(cutoff.is_finite() && *cutoff > 0.0) {
                return Err(AnalysisError::Parameter {
                    name: "cutoffs",
                    found: format!("{cutoff} Å for {}-{}", pair[0], pair[1]),
                    expected: "a positive distance".into(),
                });
            }
            if cutoffs[a * kinds + b] > 0.0 {
                return Err(AnalysisError::Parameter {
                    name: "cutoffs",
                    found: format!("{}-{} twice", pair[0], pair[1]),
                    expected: "one cut-off for each pair".into(),
                });
            }
            cutoffs[a * kinds + b] = *cutoff;
            cutoffs[b * kinds + a] = *cutoff;
        }
        Ok(Bonds { kinds, cutoffs })
    }

    /// Cut-off between two species [Å]; 0 where nothing bonds.
    #[inline]
    pub(super) fn cutoff(&self, a: usize, b: usize) -> f64 {
        self.cutoffs[a * self.kinds + b]
    }

    /// The longest [Å].
    pub(super) fn longest(&self) -> f64 {
        self.cutoffs.iter().copied().fold(0.0, f64::max)
    }
}

/// Index of an element in a table.
pub(super) fn species(symbol: &str, table: &SpeciesTable) -> Result<usize, AnalysisError> {
    table.id(symbol).map(vitrion_core::SpeciesId::index).ok_or_else(|| {
        AnalysisError::NoSuchSpecies {
            species: symbol.to_owned(),
            present: table.symbols().to_vec(),
        }
    })
}

/// A list of cut-offs as text, for parameters.
pub(super) fn described(list: &[BondCutoff]) -> String {
    let one = |bond: &BondCutoff| format!("{}-{} {} Å", bond.pair[0], bond.pair[1], bond.cutoff);
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}
