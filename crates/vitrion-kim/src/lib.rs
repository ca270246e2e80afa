//! A model driver for the KIM API (version 2), so that LAMMPS, ASE and every other program that speaks it can use
//! vitrion's potentials.
//!
//! ```text
//! simulator ── libkim-api ── kim_shared_library_schema (schema) ── create (driver) ── compute ── Hosted of vitrion-capi
//! ```
//!
//! KIM opens this library as a model driver and hands it the parameter files of a portable model: a potential, and
//! perhaps `settings`. `install.sh` makes both. Functions of libkim-api are looked up in the running process
//! ([`api`]), so that the library is built, and tested in part, where KIM is not installed.

mod api;
mod compute;
mod driver;
mod schema;
mod settings;

/// What goes wrong; it ends up in the log of KIM.
#[derive(Debug, thiserror::Error)]
enum KimError {
    #[error("libkim-api has no {0}: version 2 of the KIM API is needed")]
    Missing(String),
    #[error("KIM refuses {0}")]
    Refused(&'static str),
    #[error("the simulator says that there are {0} particles")]
    Particles(std::ffi::c_int),
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Host(#[from] vitrion_capi::HostError),
    #[error("a fault inside vitrion: {0}")]
    Panic(String),
}
