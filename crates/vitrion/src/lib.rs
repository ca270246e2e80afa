//! Vitrion as a library: run files, plans, results folders, reports.

pub mod bench;
pub mod demo;
pub mod device;
pub mod dft;
pub mod error;
pub mod inputs;
pub mod jobs;
pub mod labeling;
pub mod labels;
pub mod lammps;
pub mod learn;
pub mod movie;
pub mod pipeline;
pub mod plan;
pub mod render;
pub mod report;
pub mod results;
pub mod run_file;
pub mod softness;
pub mod structural_pass;
pub mod threads;
pub mod training;
pub mod watch;

pub use error::InputError;
pub use plan::Plan;
pub use run_file::RunFile;
