//! Molecular dynamics: integrators, thermostats, barostats, output and bit-exact restart; and
//! minimisation.
//!
//! [`minimize`] finds the next minimum of a structure. The one entry to dynamics is [`run_stage`]: it advances a [`State`] under a potential through one stage of
//! a protocol, owns the files of the stage folder, and resumes from `restart.bin` when there is
//! one. [`run_stage_with`] does the same with an [`Engine`] of another crate. Units and signs: `vitrion_core`. Equations, conserved quantities, degrees of freedom and
//! the restart contract: book, `theory/dynamics.md`.

pub mod velocities;

mod engine;
mod error;
mod integrate;
mod minimize;
mod observe;
mod settings;
mod stage;
mod state;
mod summary;

pub use engine::{Engine, EngineMaker, Fault, Host, Record, Spent, Start, View, Wreck};
pub use error::{MdError, Offender};
pub use integrate::{Chain, LARGEST_STRAIN, SUZUKI_YOSHIDA, Variables};
pub use minimize::{MinimizeProgress, MinimizeSettings, Minimum, minimize};
pub use observe::{Instant, Observer};
pub use settings::{
    Barostat, Bath, Coupling, Ensemble, Part, Ramp, StageSettings, Thermostat, TrajectoryFormat,
    TrajectorySettings,
};
pub use stage::{
    Control, FINAL_FILE, LAST_GOOD_FILE, Progress, RESTART_FILE, StageOutcome, THERMO_FILE,
    run_stage, run_stage_with,
};
pub use state::{State, degrees_of_freedom, kinetic_energy, temperature};
pub use summary::StageSummary;
