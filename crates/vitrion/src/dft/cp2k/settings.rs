//! Everything about a CP2K calculation, as data. Defaults are the level of the paper (Li3PS4, Methods).

use crate::labels::Level;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use vitrion_core::io::cp2k::input;

/// Elements that have a TZVP-MOLOPT-GTH basis in CP2K's `BASIS_MOLOPT`.
const HAS_TZVP: [&str; 9] = ["H", "C", "N", "O", "F", "Si", "P", "S", "Cl"];

/// A calculation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cp2kSettings {
    /// The user's own input in place of all below up to `scf`.
    pub template: Option<Template>,
    pub functional: Functional,
    pub dispersion: Option<Dispersion>,
    /// Plane-wave cut-offs [Ry].
    pub cutoff: f64,
    pub rel_cutoff: f64,
    pub grids: u32,
    /// Basis and potential by element; the rest as [`Cp2kSettings::basis`] says.
    pub basis: BTreeMap<String, Basis>,
    pub basis_file: String,
    pub potential_file: String,
    pub charge: i64,
    /// `None`: one without spin polarisation.
    pub multiplicity: Option<u32>,
    /// Monkhorst–Pack grid; `None` is the Γ point.
    pub kpoints: Option<[u32; 3]>,
    pub scf: Scf,
    /// Analytical stress.
    pub stress: bool,
    pub resources: Resources,
    /// Keep wave functions and the like of good attempts.
    pub keep_files: bool,
}

/// An input of the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub path: PathBuf,
    /// As it was when the settings were read; the level depends on it.
    pub text: String,
}

impl Template {
    /// Refuses an input that does not compute or print what a label needs.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn check(&self, stress: bool) -> Result<(), String> {
        let says = |word: &str, value: &str| input::says(&self.text, word, value);
        if !says("RUN_TYPE", "ENERGY_FORCE") {
            return Err("RUN_TYPE must be ENERGY_FORCE".to_owned());
        }
        if !["ON", "LOW", "MEDIUM"].iter().any(|level| says("&FORCES", level)) {
            let message = "forces are not printed: add &PRINT / &FORCES ON to &FORCE_EVAL";
            return Err(message.to_owned());
        }
        let printed = ["ON", "LOW", "MEDIUM"].iter().any(|level| says("&STRESS_TENSOR", level));
        if stress && !(says("STRESS_TENSOR", "ANALYTICAL") && printed) {
            let message = "the analytical stress is not computed and printed: add STRESS_TENSOR ANALYTICAL and \
                           &PRINT / &STRESS_TENSOR ON to &FORCE_EVAL, or say stress = false for labels without virial";
            return Err(message.to_owned());
        }
        Ok(())
    }
}

/// Exchange and correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Functional {
    Pbe,
    PbeSol,
    RevPbe,
    Lda,
    R2scan,
}

/// Grimme's dispersion correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dispersion {
    /// Zero damping.
    D3,
    /// Becke–Johnson damping.
    #[serde(rename = "d3bj")]
    D3Bj,
}

/// Basis set and pseudopotential of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    pub basis: String,
    pub potential: String,
}

/// The self-consistent field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scf {
    pub minimizer: Minimizer,
    pub smearing: Option<Smearing>,
    pub eps_scf: f64,
    pub eps_default: f64,
    /// Inner cycles.
    pub max_scf: u32,
    /// Outer cycles of OT.
    pub max_outer: u32,
    /// Try further minimisers where one does not converge.
    pub retry: bool,
}

/// How the minimum is found first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Minimizer {
    /// Orbital transformation: fast, for systems with a gap.
    Ot,
    Diagonalization,
}

/// Fermi–Dirac occupation, for metals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Smearing {
    /// [K]
    pub temperature: f64,
    /// Empty orbitals that may be occupied.
    pub added_mos: u32,
}

/// What a calculation runs on; no part of the level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    pub program: String,
    /// MPI ranks; more than one are started by `launcher`.
    pub ranks: usize,
    /// OpenMP threads per rank.
    pub threads: usize,
    /// "mpirun", "srun", with options of its own.
    pub launcher: Vec<String>,
    /// Longest time of one attempt [s].
    pub timeout: Option<f64>,
}

impl Resources {
    pub(crate) fn cores(&self) -> usize {
        self.ranks * self.threads
    }

    /// The words that start CP2K.
    pub(super) fn command(&self, arguments: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        if self.ranks > 1 {
            words.extend(self.launcher.iter().cloned());
            words.extend(["-n".to_owned(), self.ranks.to_string()]);
        }
        words.push(self.program.clone());
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        words
    }
}

impl Default for Cp2kSettings {
    /// PBE + D3 (zero damping), GTH, 500/50 Ry, OT.
    fn default() -> Self {
        Cp2kSettings {
            template: None,
            functional: Functional::Pbe,
            dispersion: Some(Dispersion::D3),
            cutoff: 500.0,
            rel_cutoff: 50.0,
            grids: 4,
            basis: BTreeMap::new(),
            basis_file: "BASIS_MOLOPT".to_owned(),
            potential_file: "GTH_POTENTIALS".to_owned(),
            charge: 0,
            multiplicity: None,
            kpoints: None,
            scf: Scf {
                minimizer: Minimizer::Ot,
                smearing: None,
                eps_scf: 1e-6,
                eps_default: 1e-12,
                max_scf: 50,
                max_outer: 10,
                retry: true,
            },
            stress: true,
            resources: Resources {
                program: "cp2k.psmp".to_owned(),
                ranks: 1,
                threads: 1,
                launcher: vec!["mpirun".to_owned()],
                timeout: None,
            },
            keep_files: false,
        }
    }
}

impl Functional {
    /// Words in files, and in CP2K's terms.
    pub const ALL: [(&'static str, Functional); 5] = [
        ("pbe", Functional::Pbe),
        ("pbesol", Functional::PbeSol),
        ("revpbe", Functional::RevPbe),
        ("lda", Functional::Lda),
        ("r2scan", Functional::R2scan),
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Functional::Pbe => "PBE",
            Functional::PbeSol => "PBEsol",
            Functional::RevPbe => "revPBE",
            Functional::Lda => "LDA",
            Functional::R2scan => "r2SCAN",
        }
    }

    /// The pseudopotentials made for it; those of PBE for those that have none of their own.
    pub(super) fn potential(self) -> &'static str {
        match self {
            Functional::Lda => "GTH-PADE",
            _ => "GTH-PBE",
        }
    }
}

impl Dispersion {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Dispersion::D3 => "D3(zero)",
            Dispersion::D3Bj => "D3(BJ)",
        }
    }
}

impl Cp2kSettings {
    /// Basis and potential of an element: as set, else the choice of the paper where there is one
    /// (TZVP-MOLOPT-GTH for light non-metals, DZVP-MOLOPT-SR-GTH for the rest).
    pub fn basis(&self, symbol: &str) -> Basis {
        self.basis.get(symbol).cloned().unwrap_or_else(|| {
            let tzvp = HAS_TZVP.contains(&symbol);
            Basis {
                basis: if tzvp { "TZVP-MOLOPT-GTH" } else { "DZVP-MOLOPT-SR-GTH" }.to_owned(),
                potential: self.functional.potential().to_owned(),
            }
        })
    }

    /// The level of theory. How the SCF gets there, and on how many cores, is no part of it.
    pub fn level(&self) -> Level {
        if let Some(template) = &self.template {
            let name = template.path.file_name().unwrap_or_default().to_string_lossy();
            return Level {
                engine: "cp2k".to_owned(),
                description: format!("CP2K, input after {name}"),
                settings: serde_json::json!({ "template": without_geometry(&template.text) }),
            };
        }
        let dispersion = self.dispersion.map_or("no dispersion term", Dispersion::name);
        let sets: Vec<String> =
            self.basis.iter().map(|(e, b)| format!("{e} {} {}", b.basis, b.potential)).collect();
        let mut description = format!(
            "CP2K {} + {dispersion}, {}/{} Ry, {}",
            self.functional.name(),
            self.cutoff,
            self.rel_cutoff,
            if sets.is_empty() { "DZVP/TZVP-MOLOPT, GTH".to_owned() } else { sets.join(", ") },
        );
        if let Some(smearing) = &self.scf.smearing {
            let _ = write!(description, ", electrons at {} K", smearing.temperature);
        }
        if let Some([a, b, c]) = self.kpoints {
            let _ = write!(description, ", {a}×{b}×{c} k-points");
        }
        Level {
            engine: "cp2k".to_owned(),
            description,
            settings: serde_json::json!({
                "functional": self.functional,
                "dispersion": self.dispersion,
                "cutoff_ry": self.cutoff,
                "rel_cutoff_ry": self.rel_cutoff,
                "grids": self.grids,
                "basis": self.basis,
                "basis_file": file_name(&self.basis_file),
                "potential_file": file_name(&self.potential_file),
                "charge": self.charge,
                "multiplicity": self.multiplicity,
                "kpoints": self.kpoints,
                "smearing": self.scf.smearing,
                "eps_scf": self.scf.eps_scf,
                "eps_default": self.scf.eps_default,
            }),
        }
    }

    /// Ways to the minimum, tried one after the other; all lead to the same level.
    pub(super) fn ladder(&self) -> Vec<Rung> {
        if self.template.is_some() {
            return vec![Rung::Template];
        }
        let diagonal = |mixing, alpha, cycles| Rung::Diagonalization { mixing, alpha, cycles };
        let max = self.scf.max_scf;
        let slow = [
            diagonal(Mixing::Broyden, 0.4, max.max(100)),
            diagonal(Mixing::Broyden, 0.1, max.max(200)),
            diagonal(Mixing::Pulay, 0.05, max.max(300)),
        ];
        let ot = [
            Rung::Ot { minimizer: "DIIS", preconditioner: "FULL_SINGLE_INVERSE", cycles: max },
            Rung::Ot { minimizer: "CG", preconditioner: "FULL_ALL", cycles: max.max(50) },
        ];
        // smeared electrons and k-points are beyond OT; where OT fails the gap may be gone, and
        // whole occupation numbers by diagonalisation are the last resort
        let mut ladder: Vec<Rung> = match self.scf.minimizer {
            Minimizer::Ot if self.scf.smearing.is_none() && self.kpoints.is_none() => {
                ot.into_iter().chain(slow).collect()
            }
            _ => slow.to_vec(),
        };
        if !self.scf.retry {
            ladder.truncate(1);
        }
        ladder
    }
}

fn file_name(path: &str) -> String {
    PathBuf::from(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The lines of an input that are no cell, no coordinates and no comment: what decides its level.
fn without_geometry(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.split(['!', '#']).next().unwrap_or("").trim();
        let upper = line.to_uppercase();
        if ["&CELL", "&COORD"].iter().any(|section| upper == *section) {
            inside = true;
        }
        let named = ["PROJECT", "PROJECT_NAME", "PRINT_LEVEL", "WALLTIME"];
        let word = upper.split_whitespace().next().unwrap_or("");
        if !inside && !line.is_empty() && !named.contains(&word) {
            kept.push_str(&upper.split_whitespace().collect::<Vec<_>>().join(" "));
            kept.push('\n');
        }
        if upper.starts_with("&END") && inside {
            inside = false;
        }
    }
    kept
}

/// One way to the minimum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rung {
    Template,
    Ot { minimizer: &'static str, preconditioner: &'static str, cycles: u32 },
    Diagonalization { mixing: Mixing, alpha: f64, cycles: u32 },
}

/// How densities are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixing {
    Broyden,
    Pulay,
}

impl Rung {
    /// For records.
    pub(super) fn name(&self) -> String {
        match self {
            Rung::Template => "template".to_owned(),
            Rung::Ot { minimizer, .. } => format!("OT {minimizer}"),
            Rung::Diagonalization { mixing, alpha, .. } => {
                format!("diagonalisation, {mixing:?} mixing {alpha}")
            }
        }
    }
}
