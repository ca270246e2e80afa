//! Dynamics against theory, against LAMMPS, and against itself after a restart.

mod barostat;
mod engines;
mod ensembles;
mod groups;
mod lammps;
mod minimize;
mod nve;
mod outside;
mod potentials;
mod restart;
mod stops;
mod systems;
mod thermostat;
