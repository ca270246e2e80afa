//! How long a plan takes and what it needs, from a measured evaluation of its own potential.

use super::{Plan, PotentialPlan, StagePlan};
use crate::inputs::Inputs;
use crate::run_file::Precision;
use crate::threads;
use serde::Serialize;
use std::time::{Duration, Instant};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Evaluation, Interactions, PotentialError, Structure};
use vitrion_md::{TrajectoryFormat, TrajectorySettings};

/// How long evaluations are timed for each system.
const PATIENCE: Duration = Duration::from_millis(300);
/// Bytes of one entry of a neighbour list, and of the gradient of its pair in either arithmetic.
const BYTES_PER_ENTRY: f64 = 12.0;
const BYTES_PER_GRADIENT: f64 = 24.0;
const BYTES_PER_GRADIENT_MIXED: f64 = 12.0;
/// Bytes of one atom besides: positions, velocities, forces, their copies in spatial order and for
/// the last good state, energies, virials.
const BYTES_PER_ATOM: f64 = 560.0;
/// Bytes of one vector of one atom in a trajectory frame, measured on a glass of 3456 atoms; symbols and
/// numbers of atoms in text besides.
fn bytes_per_vector(format: TrajectoryFormat) -> f64 {
    match format {
        TrajectoryFormat::ExtXyzZstd => 29.0,
        TrajectoryFormat::ExtXyz => 58.0,
        TrajectoryFormat::LammpsDump => 65.0,
        TrajectoryFormat::AmberNetcdf => 12.1,
    }
}

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
    /// Neighbours within the cutoff, per atom.
    pub neighbors: f64,
    /// Measured at the initial structure.
    pub us_per_atom_step: f64,
    /// Neighbour list, gradients and state, see [`bytes_per_atom`].
    pub bytes_per_atom: f64,
    pub wall_s: f64,
}

/// One evaluation of one system.
#[derive(Debug, Clone, Copy)]
struct Timing {
    us_per_atom_step: f64,
    neighbors: f64,
    bytes_per_atom: f64,
}

/// Memory of a run with this neighbour list that grows with its atoms, per atom [bytes]: list,
/// gradients of pairs in f32 (`mixed`) or f64, and the state with its copies.
pub(crate) fn bytes_per_atom(list: &VerletList, mixed: bool) -> f64 {
    let gradient = if mixed { BYTES_PER_GRADIENT_MIXED } else { BYTES_PER_GRADIENT };
    let entries = list.list().pairs() as f64 / list.order().len().max(1) as f64;
    BYTES_PER_ATOM + entries * (BYTES_PER_ENTRY + gradient)
}

impl Plan {
    /// Times the potential on the structures of the plan.
    ///
    /// # Errors
    /// The potential fails on a structure.
    pub fn estimate(&self, inputs: &Inputs, threads: usize) -> Result<Estimate, PotentialError> {
        let (concurrent_runs, threads_per_run) = threads::share(self.runs.len(), threads);
        let measured = threads::on(threads_per_run, || self.timings(inputs))?;
        let steps: u64 = self.stages.iter().map(StagePlan::dynamics_steps).sum();
        let bytes_per_atom: f64 = self
            .stages
            .iter()
            .filter_map(|stage| {
                let frames = stage.steps / stage.trajectory_every? + 1;
                let TrajectorySettings { format, velocities, forces } = stage.trajectory();
                let vectors = 1 + u64::from(velocities) + u64::from(forces);
                Some((frames * vectors) as f64 * bytes_per_vector(format))
            })
            .sum();
        let runs: Vec<RunEstimate> = self
            .runs
            .iter()
            .map(|run| {
                let index = self.system_of(run);
                let Timing { us_per_atom_step, neighbors, bytes_per_atom } = measured[index];
                let atoms = self.systems[index].atoms;
                RunEstimate {
                    id: run.id.clone(),
                    atoms,
                    steps,
                    neighbors,
                    us_per_atom_step,
                    bytes_per_atom,
                    wall_s: us_per_atom_step * 1e-6 * atoms as f64 * steps as f64,
                }
            })
            .collect();
        let total: f64 = runs.iter().map(|run| run.wall_s).sum();
        let longest = runs.iter().map(|run| run.wall_s).fold(0.0, f64::max);
        let bytes = |run: &RunEstimate| run.atoms as f64 * run.bytes_per_atom;
        let largest = runs.iter().map(bytes).fold(0.0, f64::max);
        let atoms: usize = runs.iter().map(|run| run.atoms).sum();
        Ok(Estimate {
            concurrent_runs,
            threads_per_run,
            wall_s: (total / concurrent_runs as f64).max(longest),
            memory_mb: largest * concurrent_runs as f64 * 1e-6,
            disk_mb: atoms as f64 * bytes_per_atom * 1e-6,
            runs,
        })
    }

    /// Evaluates every system for a while.
    fn timings(&self, inputs: &Inputs) -> Result<Vec<Timing>, PotentialError> {
        let mut timings = Vec::new();
        for structure in self.structures(inputs) {
            let species = structure
                .species_in(inputs.potential.species())
                .expect("checked when the plan was made");
            let mut potential = inputs.potential.instance()?;
            let mut interactions = Interactions::new(potential.cutoff(), self.skin_a());
            let (cell, positions) = (&structure.cell, &structure.positions);
            let mut evaluation = Evaluation::default();
            let mut evaluate = || {
                let potential = &mut *potential;
                interactions.evaluate(potential, cell, positions, &species, &mut evaluation)
            };
            evaluate()?; // builds the list and sizes buffers
            let start = Instant::now();
            let mut evaluations = 0;
            while evaluations == 0 || start.elapsed() < PATIENCE {
                evaluate()?;
                evaluations += 1;
            }
            let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(evaluations);
            timings.push(Timing {
                us_per_atom_step: us / species.len() as f64,
                neighbors: interactions.list().mean_neighbors(),
                bytes_per_atom: self.bytes_per_atom(interactions.list()),
            });
        }
        Ok(timings)
    }

    fn bytes_per_atom(&self, list: &VerletList) -> f64 {
        let mixed = matches!(
            self.potential,
            PotentialPlan::DeepPotential { precision: Precision::Mixed, .. }
        );
        bytes_per_atom(list, mixed)
    }

    /// Atoms and memory per atom [bytes] of the largest run, from neighbour lists of the initial
    /// structures; nothing is evaluated.
    pub fn largest_run(&self, inputs: &Inputs) -> (usize, f64) {
        let memory = |structure: &Structure| {
            let mut list = VerletList::new(inputs.potential.cutoff(), self.skin_a());
            list.update(&structure.cell, &structure.positions);
            (structure.len(), self.bytes_per_atom(&list))
        };
        let total = |run: &(usize, f64)| run.0 as f64 * run.1;
        let runs = self.structures(inputs);
        runs.iter()
            .map(memory)
            .max_by(|a, b| total(a).total_cmp(&total(b)))
            .expect("a plan has a system")
    }

    /// The widest skin of all stages [Å].
    fn skin_a(&self) -> f64 {
        self.stages.iter().map(|stage| stage.skin_a).fold(0.0, f64::max)
    }
}
