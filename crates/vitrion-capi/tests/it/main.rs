//! The C interface from outside: its header, and C programs that use it.

mod header;
mod lammps;
mod program;
