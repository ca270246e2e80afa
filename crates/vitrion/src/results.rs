//! The results folder: its layout and the types of its JSON files.
//!
//! ```text
//! RESULTS/
//! ├── run.toml  plan.toml           as given; as resolved, every default visible
//! ├── manifest.json                 [`Manifest`]
//! ├── runs/beta-700K/               one system at one sweep temperature ("beta" without a sweep)
//! │   ├── initial.extxyz  status.json   where it starts; where it stands
//! │   ├── stages/01-production/     thermo.csv trajectory.extxyz.zst restart.bin final.extxyz done.json
//! │   └── analysis/msd.json         [`vitrion_core::observables::Observables`], and its tables as CSV
//! │   └── analysis/production.movie.extxyz.zst   at most 101 frames with what was found for atoms
//! ├── analysis/beta/arrhenius.json  over the sweep of one system
//! └── report.html
//! ```

pub mod csv;
mod folder;

pub(crate) use folder::hold;
pub use folder::{
    FORMAT, JOBS, Results, ResultsError, Scope, inside, now, read_json, really_inside,
    write_atomically, write_json, write_observables,
};

use serde::{Deserialize, Serialize};

/// `manifest.json`: what was run, with what, where, and how it went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// Name of the run.
    pub name: String,
    /// "running", "finished", "interrupted" or "failed: why".
    pub status: String,
    /// Version of vitrion and the commit it was built from ("unknown" outside a repository).
    pub vitrion_version: String,
    pub commit: String,
    /// Processor, cores used.
    pub machine: String,
    pub threads: usize,
    /// RFC 3339 times and wall time [s], summed over resumed sessions.
    pub started: String,
    pub finished: String,
    pub wall_s: f64,
    /// Seed of all random numbers.
    pub seed: u64,
    /// BLAKE3 of `run.toml` and of the plan.
    pub run_file_blake3: String,
    pub plan_blake3: String,
    /// What carried out the stages: "vitrion", or LAMMPS with its version and ranks.
    #[serde(default)]
    pub engine: String,
    pub potential: PotentialCard,
    pub systems: Vec<SystemEntry>,
}

/// What is known about the potential.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PotentialCard {
    pub name: String,
    /// For example "Deep Potential se_e2_a, one-side".
    pub kind: String,
    pub species: Vec<String>,
    pub cutoff_a: f64,
    /// "double" or "mixed".
    pub precision: String,
    /// What evaluates it: "cpu" or a CUDA device and its driver.
    #[serde(default)]
    pub device: String,
    /// Tables of the embedding nets and their measured error, in plain text.
    #[serde(default)]
    pub tables: String,
    /// BLAKE3 of the model file; empty for analytic potentials.
    pub blake3: String,
    /// Where it comes from.
    pub provenance: String,
    /// Measured errors, in plain text, one statement each.
    pub errors: Vec<String>,
    /// What it must not be used for.
    pub limitations: Vec<String>,
}

/// One system and its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemEntry {
    pub name: String,
    /// Where the structure came from (file or builtin) and its BLAKE3.
    pub source: String,
    pub blake3: String,
    pub formula: String,
    pub atoms: usize,
    pub density_g_per_cm3: f64,
    /// Lattice vectors as rows [Å].
    pub cell_a: [[f64; 3]; 3],
    /// Part of the atoms that are crystal, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crystal_fraction: Option<f64>,
    pub runs: Vec<RunEntry>,
    /// Cross-run analyses, relative to the results folder, for example "analysis/beta/arrhenius.json".
    pub analyses: Vec<String>,
}

/// One system at one temperature of the sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Folder below `runs/`.
    pub id: String,
    /// Temperature of the sweep [K], if the run file has one.
    pub temperature_k: Option<f64>,
    pub stages: Vec<StageEntry>,
    /// Analyses of this run, relative to the results folder.
    pub analyses: Vec<String>,
    /// Thinned trajectories with what analyses found for the atoms, relative to the results folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub movies: Vec<String>,
}

/// One stage of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageEntry {
    pub name: String,
    /// "nve", "nvt", "npt".
    pub kind: String,
    /// Folder relative to the results folder.
    pub folder: String,
    pub timestep_fs: f64,
    pub steps: u64,
    /// Filled when the stage has finished.
    pub wall_s: f64,
    pub us_per_atom_step: f64,
    pub mean_temperature_k: f64,
    pub mean_pressure_gpa: f64,
    /// Drift of the conserved quantity [meV/atom/ps].
    pub conserved_drift_mev_per_atom_ps: f64,
    pub finished: bool,
}
