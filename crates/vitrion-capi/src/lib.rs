//! Vitrion's potentials for programs that have atoms and neighbour lists of their own.
//!
//! ```text
//! C or C++ (LAMMPS) ── c.rs ──┐
//!                             ├─► Hosted ── HostList ──► Evaluator or Committee of vitrion-model
//! Rust (OpenKIM) ─────────────┘
//! ```
//!
//! [`Hosted`] is a model, or several, behind the arrays of another program: atoms of its own, copies of
//! atoms that other processes or periodic images own (ghosts), and a full neighbour list of plain integers.
//! [`c`] is the same for C: `include/vitrion.h`, generated from it. Nothing here knows of MPI.

pub mod c;
mod hosted;
mod list;
mod threads;

pub use hosted::{HostError, Hosted, HostedOptions, Wanted};
pub use list::Centers;

use std::any::Any;

/// What a panic said, for hosts in whose log it must end.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
