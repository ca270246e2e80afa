//! How long a plan takes and what it needs, from a measured evaluation of its own potential.

use super::Plan;
use crate::inputs::Inputs;
use serde::Serialize;
use std::time::{Duration, Instant};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Evaluation, PotentialError};

/// How long evaluations are timed for each system.
const PATIENCE: Duration = Duration::from_millis(300);
/// Bytes of one entry of a neighbour list, its gradient and the pair it came from.
const BYTES_PER_PAIR: f64 = 24.0 + 4.0 + 24.0 + 16.0;
/// Bytes of one atom: positions, velocities, forces, their copies, virials.
const BYTES_PER_ATOM: f64 = 600.0;
/// Bytes of one atom of a compressed trajectory frame.
const BYTES_PER_ATOM_FRAME: f64 = 35.0;

/// What a plan will cost on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Runs at the same time, and threads of each.
    pub concurrent_runs: usize,
    pub threads_per_run: usize,
    /// Wall time of the dynamics [s].
    pub wall_s: f64,
    /// Memory of neighbour lists and states of the concurrent runs [MB]; networks come on top.
    pub memory_mb: f64,
    /// Trajectories [MB].
    pub disk_mb: f64,
    pub runs: Vec<RunEstimate>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunEstimate {
    pub id: String,
    pub atoms: usize,
    pub steps: u64,
    /// Neighbours within cutoff and skin, per atom.
    pub neighbors: f64,
    /// Measured at the initial structure.
    pub us_per_atom_step: f64,
    pub wall_s: f64,
}

/// How many runs go at once and with how many threads each.
pub(crate) fn share_threads(runs: usize, threads: usize) -> (usize, usize) {
    let concurrent = runs.min(threads).max(1);
    (concurrent, (threads / concurrent).max(1))
}

impl Plan {
    /// Times the potential on the structures of the plan.
    ///
    /// # Errors
    /// The potential fails on a structure.
    pub fn estimate(&self, inputs: &Inputs, threads: usize) -> Result<Estimate, PotentialError> {
        let (concurrent_runs, threads_per_run) = share_threads(self.runs.len(), threads);
        let mut potential = inputs.potential.instance(threads_per_run);
        let skin = self.stages.iter().map(|stage| stage.skin_a).fold(0.0, f64::max);
        let mut measured = Vec::new();
        for structure in self.structures(inputs) {
            let map = structure
                .table
                .map_onto(inputs.potential.species())
                .expect("checked when the plan was made");
            let species: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
            let mut list = VerletList::new(potential.cutoff(), skin);
            list.update(&structure.cell, &structure.positions);
            let atoms = Atoms {
                positions: &structure.positions,
                species: &species,
                n_local: species.len(),
            };
            let mut evaluation = Evaluation::default();
            potential.evaluate(atoms, list.list(), &mut evaluation)?; // sizes its buffers
            let start = Instant::now();
            let mut evaluations = 0;
            while evaluations == 0 || start.elapsed() < PATIENCE {
                potential.evaluate(atoms, list.list(), &mut evaluation)?;
                evaluations += 1;
            }
            let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(evaluations);
            measured.push((us / species.len() as f64, list.list().mean_neighbors()));
        }
        let steps: u64 = self.stages.iter().map(|stage| stage.steps).sum();
        let frames: u64 = self
            .stages
            .iter()
            .filter_map(|stage| stage.trajectory_every.map(|every| stage.steps / every + 1))
            .sum();
        let runs: Vec<RunEstimate> = self
            .runs
            .iter()
            .map(|run| {
                let index = self.system_of(run);
                let (us_per_atom_step, neighbors) = measured[index];
                let atoms = self.systems[index].atoms;
                RunEstimate {
                    id: run.id.clone(),
                    atoms,
                    steps,
                    neighbors,
                    us_per_atom_step,
                    wall_s: us_per_atom_step * 1e-6 * atoms as f64 * steps as f64,
                }
            })
            .collect();
        let total: f64 = runs.iter().map(|run| run.wall_s).sum();
        let longest = runs.iter().map(|run| run.wall_s).fold(0.0, f64::max);
        let bytes = |run: &RunEstimate| {
            run.atoms as f64 * (BYTES_PER_ATOM + run.neighbors * BYTES_PER_PAIR)
        };
        let largest = runs.iter().map(bytes).fold(0.0, f64::max);
        let atoms: usize = runs.iter().map(|run| run.atoms).sum();
        Ok(Estimate {
            concurrent_runs,
            threads_per_run,
            wall_s: (total / concurrent_runs as f64).max(longest),
            memory_mb: largest * concurrent_runs as f64 * 1e-6,
            disk_mb: atoms as f64 * frames as f64 * BYTES_PER_ATOM_FRAME * 1e-6,
            runs,
        })
    }
}
