//! The lines of the store.

use super::Level;
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Cell, Frame, Labels, Structure};

/// One line of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// Comes before the first record that refers to it.
    Level(Level),
    Label(Box<LabelRecord>),
    Failure(Box<FailureRecord>),
    Equivalence(Equivalence),
}

/// A geometry and what was computed for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRecord {
    /// [`key`] of level and geometry.
    pub key: String,
    /// Hash of the level.
    pub level: String,
    pub symbols: Vec<String>,
    pub periodic: [bool; 3],
    /// Rows are lattice vectors [Å].
    pub cell: Matrix3,
    /// [Å]
    pub positions: Vec<Vector3>,
    /// [eV]
    pub energy: f64,
    /// [eV/Å]
    pub forces: Vec<Vector3>,
    /// `W = −∂E/∂ε` [eV], positive = outward pressure.
    pub virial: Option<Matrix3>,
    pub run: RunInfo,
    pub origin: Origin,
    /// When it entered the store, UTC.
    pub time: String,
}

/// How a label was computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Program and version, for example "CP2K 2023.1".
    pub program: String,
    pub host: String,
    pub cores: usize,
    /// Wall time of all attempts [s].
    pub seconds: f64,
    /// Attempts, the good one included.
    pub attempts: usize,
    /// SCF cycles of the good attempt.
    pub scf_cycles: Option<usize>,
    /// Length of the sum of all forces, per atom [eV/Å]: zero but for the grid, whose plane-wave cut-off is
    /// too low where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_force: Option<f64>,
    /// How the good attempt reached convergence, for example "ot-diis".
    pub method: String,
}

/// Where a geometry comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// "given", "import", "perturbed", "aimd", "explored", "pool", "check".
    pub how: String,
    /// File or structure.
    pub source: String,
    /// Frame in it, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<usize>,
    /// Iteration of active learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<usize>,
    /// Largest deviation of the committee about a force when it was chosen [eV/Å].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_deviation: Option<f64>,
}

/// An attempt to label that gave nothing that may be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailureRecord {
    pub key: String,
    pub level: String,
    pub reason: FailureKind,
    pub message: String,
    /// For example "Li24P8S32".
    pub formula: String,
    pub run: RunInfo,
    pub origin: Origin,
    pub time: String,
}

/// Why there is no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The SCF did not converge, on any rung of the ladder.
    Unconverged,
    /// The program gave up with a message.
    Crashed,
    /// It ended without a word: killed from outside.
    Killed,
    TimedOut,
    OutOfMemory,
    /// Output without forces, stress or an end.
    Incomplete,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [FailureKind; 6] = [
        FailureKind::Unconverged,
        FailureKind::Crashed,
        FailureKind::Killed,
        FailureKind::TimedOut,
        FailureKind::OutOfMemory,
        FailureKind::Incomplete,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Unconverged => "SCF not converged",
            FailureKind::Crashed => "program gave up",
            FailureKind::Killed => "killed",
            FailureKind::TimedOut => "timed out",
            FailureKind::OutOfMemory => "out of memory",
            FailureKind::Incomplete => "output incomplete",
        }
    }
}

/// Two levels whose labels were compared and agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Equivalence {
    /// Hashes.
    pub levels: [String; 2],
    /// Frames compared.
    pub frames: usize,
    /// What was found, in words and numbers.
    pub evidence: String,
    pub time: String,
}

/// Address of a label: BLAKE3 of the level's hash, periodicity, cell, elements and positions, bit by bit.
pub fn key(level: &str, structure: &Structure) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(level.as_bytes());
    for periodic in structure.cell.periodicity() {
        hasher.update(&[u8::from(periodic)]);
    }
    let mut number = |x: f64| {
        // −0 and 0 are the same place
        hasher.update(&(x + 0.0).to_bits().to_le_bytes());
    };
    structure.cell.matrix().as_flattened().iter().for_each(|x| number(*x));
    structure.positions.as_flattened().iter().for_each(|x| number(*x));
    for atom in 0..structure.len() {
        hasher.update(structure.symbol(atom).as_bytes());
        hasher.update(b" ");
    }
    hasher.finalize().to_hex().to_string()
}

impl LabelRecord {
    /// The record of a labelled frame; `None` without energy or forces.
    pub fn new(
        level: &str,
        frame: &Frame,
        run: RunInfo,
        origin: Origin,
        time: String,
    ) -> Option<Self> {
        let structure = &frame.structure;
        let mut run = run;
        if let Some(forces) = &frame.labels.forces {
            let sum = forces.iter().fold([0.0; 3], |sum, f| math::add(sum, *f));
            run.net_force = Some(math::norm(sum) / forces.len().max(1) as f64);
        }
        Some(LabelRecord {
            key: key(level, structure),
            level: level.to_owned(),
            symbols: (0..structure.len()).map(|i| structure.symbol(i).to_owned()).collect(),
            periodic: structure.cell.periodicity(),
            cell: *structure.cell.matrix(),
            positions: structure.positions.clone(),
            energy: frame.labels.energy?,
            forces: frame.labels.forces.clone()?,
            virial: frame.labels.virial,
            run,
            origin,
            time,
        })
    }

    /// As a labelled frame.
    ///
    /// # Errors
    /// A cell or elements that make no sense, in words.
    pub fn frame(&self) -> Result<Frame, String> {
        let cell = Cell::new(self.cell, self.periodic).map_err(|e| e.to_string())?;
        let structure = Structure::new(cell, &self.symbols, self.positions.clone())
            .map_err(|e| e.to_string())?;
        let labels = Labels {
            energy: Some(self.energy),
            forces: Some(self.forces.clone()),
            virial: self.virial,
            atom_energies: None,
        };
        Ok(Frame { labels, ..structure.into() })
    }

    /// Why it cannot be right, if so: numbers that are missing or not finite.
    pub fn complaint(&self) -> Option<String> {
        let atoms = self.positions.len();
        if self.symbols.len() != atoms || self.forces.len() != atoms {
            return Some(format!(
                "{} elements, {atoms} positions and {} forces",
                self.symbols.len(),
                self.forces.len()
            ));
        }
        let finite = self.energy.is_finite()
            && self.forces.as_flattened().iter().all(|x| x.is_finite())
            && self.virial.iter().flatten().flatten().all(|x| x.is_finite());
        (!finite).then(|| "energy, forces or virial are not finite".to_owned())
    }

    /// For example "Li24P8S32".
    pub fn formula(&self) -> String {
        self.frame().map_or_else(|_| self.symbols.concat(), |frame| frame.structure.formula())
    }
}
