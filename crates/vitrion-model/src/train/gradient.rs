//! The loss of a batch and its exact gradient with respect to every parameter.
//!
//! Forces are slopes of the energy, so the gradient needs second derivatives. They follow from one
//! directional derivative (Pearlmutter 1994): with `μ = ∂L/∂E`, `λ_i = ∂L/∂F_i` and `Λ = ∂L/∂W` held
//! fixed, `F = −∂E/∂r` and `W = −∂E/∂ε` give
//!
//! ```text
//! dL = d [ Σ_i μ E_i + Σ_i Ė_i ]      Ė = Σ_p ∂E/∂r_p · d_p,   d_p = λ_i − λ_j − Λ r_p
//! ```
//!
//! where the dot is the derivative along displacements `d_p` of every neighbour vector. So a step is
//!
//! 1. forward and back: energies and pair gradients of all atoms, in panels of one species;
//! 2. per frame: forces, virial, loss, `μ`, `λ`, `Λ`;
//! 3. tangents forward, then the adjoint of energies and tangents together, in panels;
//! 4. weight gradients: sums over all atoms of a species;
//! 5. gradients of the embedding nets, once per node of their grid.
//!
//! Sums run in an order that does not depend on the number of threads.

mod curve;
mod descriptor;
mod environment;
mod fitting;
mod geometry;
mod grid;
mod panel;
mod product;
mod surroundings;

use super::example::Example;
use super::loss::{Compared, Loss, Norms, Prefactors, Slopes, Squares};
use super::parameters::Places;
use crate::deep_potential::DeepPotential;
use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::real::{Real, machine_lanes};
use fitting::Scratch;
pub use geometry::{Geometry, GridPlace, Interval, ORDERS, OUTSIDE, Pair, hermite, supported};
use panel::{Context, Panel};
pub(super) use product::Product;
use product::{Outer, PANEL, Segment};
use pulp::Arch;
use rayon::prelude::*;
use std::sync::Mutex;
use std::time::Instant;
use vitrion_core::math::{self, Matrix3};
use vitrion_core::{SpeciesTable, Vector3};

/// Partial sums of node adjoints: panels are dealt out to these, whatever the number of threads.
const GROUPS: usize = 8;
/// Rows of a weight gradient that one task does.
const ROWS_PER_TASK: usize = 160;

/// Why a batch could not be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// The model has a feature that cannot be trained.
    #[error("{0}")]
    Unsupported(String),
    /// Two atoms closer than the grid of the embedding nets reaches.
    #[error(
        "frame {frame}: atoms {first} and {second} are {distance:.4} Å apart; the embedding grid \
         starts at {nearest:.4} Å"
    )]
    TooClose { frame: usize, first: usize, second: usize, distance: f64, nearest: f64 },
    /// NaN or infinity.
    #[error("frame {frame}: the energy is {energy} eV")]
    NonFinite { frame: usize, energy: f64 },
}

/// What the model says of one frame; forces in the order of the atoms in the file.
#[derive(Debug, Clone, Default)]
pub struct Predicted {
    /// [eV]
    pub energy: f64,
    /// [eV/Å]
    pub forces: Vec<Vector3>,
    /// [eV]
    pub virial: Matrix3,
}

/// Loss and errors of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchLoss {
    pub loss: f64,
    pub squares: Squares,
    pub atoms: usize,
}

/// Seconds of the phases of a step, summed over steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Phases {
    /// Embedding nets on their grids, both ways.
    pub embedding: f64,
    /// Energies and pair gradients.
    pub forward: f64,
    /// Forces and losses of the frames.
    pub frames: f64,
    /// Tangents and adjoints.
    pub adjoints: f64,
    /// Weight gradients of the fitting nets.
    pub weights: f64,
}

/// Evaluates losses and gradients of one model shape; owns all memory of a step.
#[derive(Debug)]
pub struct Gradient<T> {
    arch: Arch,
    species: SpeciesTable,
    places: Places,
    context: Context<T>,
    /// Of each species.
    panels: Vec<Vec<Panel<T>>>,
    frames: Vec<FrameState<T>>,
    scratch: Vec<Mutex<Scratch<T>>>,
    groups: Vec<Aligned<T>>,
    phases: Phases,
}

/// What is known of a frame between the phases.
#[derive(Debug, Default)]
pub(super) struct FrameState<T> {
    /// Panel (counted over all species) and lane of each atom.
    pub(super) place: Vec<(u32, u32)>,
    pub(super) energy: f64,
    pub(super) forces: Vec<Vector3>,
    pub(super) virial: Matrix3,
    slopes: Slopes,
    /// `μ`, `λ`, `Λ` in the precision of the nets.
    pub(super) energy_slope: T,
    pub(super) force_slopes: Vec<[T; 3]>,
    pub(super) virial_slope: [[T; 3]; 3],
}

impl<T: Real> Gradient<T> {
    /// For models shaped like `model`, whose embedding nets are followed on grids of spacing
    /// `spacing` (in normalised inputs) down to distances of `nearest` [Å].
    ///
    /// # Errors
    /// Features that training does not support: excluded types or pairs, activations with kinks,
    /// angular means.
    pub fn new(model: &DeepPotential, nearest: f64, spacing: f64) -> Result<Self, GradientError> {
        let arch = Arch::new();
        let places = Places::new(model);
        let geometry = Geometry::new(model, &places, nearest, spacing)?;
        let context = Context::new(arch, &places, geometry, model.descriptor.width());
        let nodes = context.grid.values.len();
        Ok(Gradient {
            arch,
            species: model.species.clone(),
            panels: (0..model.species.len()).map(|_| Vec::new()).collect(),
            frames: Vec::new(),
            scratch: Vec::new(),
            groups: (0..GROUPS).map(|_| Aligned::zeros(nodes)).collect(),
            context,
            places,
            phases: Phases::default(),
        })
    }

    /// Where the parameters are in the flat vector.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Species of the model.
    pub fn species(&self) -> &SpeciesTable {
        &self.species
    }

    /// Seconds by phase since the last call.
    pub fn take_phases(&mut self) -> Phases {
        std::mem::take(&mut self.phases)
    }

    /// Floating-point operations of one step on atoms with `neighbors` neighbours on average, the
    /// numbers of `counts` per species: fitting nets 12 per weight, neighbours and outputs 12 + 8
    /// (moments), 24 + 10 (forces), 24 + 16 (tangents), 24 + 25 (adjoints), descriptor 8 + 16 + 16
    /// + 32 per entry, embedding nets 18 per weight and node.
    pub fn flops(&self, counts: &[usize], neighbors: f64) -> f64 {
        let width = self.context.width as f64;
        let entries = self.places.entries.len() as f64;
        let atoms: usize = counts.iter().sum();
        let nets = counts.iter().zip(&self.places.fitting).map(|(count, net)| {
            let weights: usize = net.layers.iter().map(|l| l.inputs * l.outputs).sum();
            12.0 * weights as f64 * *count as f64
        });
        let neighbors = neighbors * width * 143.0;
        nets.sum::<f64>() + atoms as f64 * (neighbors + 72.0 * entries) + self.context.grid.flops()
    }

    /// Energies, forces and virials of frames.
    ///
    /// # Errors
    /// Atoms too close, results that are not finite.
    pub fn predict(
        &mut self,
        parameters: &[T],
        batch: &[Example],
    ) -> Result<Vec<Predicted>, GradientError> {
        self.context.grid.forward(self.arch, parameters);
        self.assign(batch);
        self.forces(parameters, batch)?;
        let frames = batch.iter().zip(&self.frames);
        Ok(frames
            .map(|(example, frame)| {
                let mut forces = vec![[0.0; 3]; example.atoms()];
                for (atom, force) in example.order().iter().zip(&frame.forces) {
                    forces[*atom as usize] = *force;
                }
                Predicted { energy: frame.energy, forces, virial: frame.virial }
            })
            .collect())
    }

    /// Loss of a batch; its gradient is written to `gradient`, laid out as [`Gradient::places`] says.
    ///
    /// # Errors
    /// Atoms too close, results that are not finite.
    pub fn evaluate(
        &mut self,
        parameters: &[T],
        batch: &[Example],
        loss: &Loss,
        prefactors: &Prefactors,
        gradient: &mut [T],
    ) -> Result<BatchLoss, GradientError> {
        let start = Instant::now();
        self.context.grid.forward(self.arch, parameters);
        self.phases.embedding += start.elapsed().as_secs_f64();
        self.assign(batch);
        self.forces(parameters, batch)?;
        let start = Instant::now();
        let found = self.losses(batch, loss, prefactors);
        self.phases.frames += start.elapsed().as_secs_f64();
        let start = Instant::now();
        self.adjoints(parameters, batch);
        self.phases.adjoints += start.elapsed().as_secs_f64();
        let start = Instant::now();
        gradient.fill(T::ZERO);
        self.weight_gradients(gradient);
        self.phases.weights += start.elapsed().as_secs_f64();
        let start = Instant::now();
        self.context.grid.backward(self.arch, parameters, &self.groups[0], gradient);
        self.phases.embedding += start.elapsed().as_secs_f64();
        Ok(found)
    }

    /// Squares of the errors of a batch.
    ///
    /// # Errors
    /// Atoms too close, results that are not finite.
    pub fn errors(
        &mut self,
        parameters: &[T],
        batch: &[Example],
    ) -> Result<Squares, GradientError> {
        self.context.grid.forward(self.arch, parameters);
        self.assign(batch);
        self.forces(parameters, batch)?;
        Ok(self.losses(batch, &Loss::default(), &Prefactors::default()).squares)
    }

    /// Deals the atoms out to panels, species by species.
    fn assign(&mut self, batch: &[Example]) {
        let wide = PANEL * machine_lanes::<T>(self.arch);
        if self.frames.len() < batch.len() {
            self.frames.resize_with(batch.len(), FrameState::default);
        }
        for (example, frame) in batch.iter().zip(&mut self.frames) {
            frame.place.clear();
            frame.place.resize(example.atoms(), (0, 0));
        }
        let mut counted = 0;
        for (species, panels) in self.panels.iter_mut().enumerate() {
            panels.iter_mut().for_each(Panel::clear);
            let mut used = 0;
            for (f, example) in batch.iter().enumerate() {
                for (atom, s) in example.species().iter().enumerate() {
                    if usize::from(*s) != species {
                        continue;
                    }
                    let (panel, lane) = (used / wide, used % wide);
                    if panel == panels.len() {
                        panels.push(Panel::new(&self.context, &self.places, species));
                    }
                    panels[panel].push(f, atom);
                    self.frames[f].place[atom] = ((counted + panel) as u32, lane as u32);
                    used += 1;
                }
            }
            counted += used.div_ceil(wide);
        }
        while self.scratch.len() < rayon::current_num_threads() {
            let layers = self.places.fitting.iter().flat_map(|net| &net.layers);
            let widest = layers.map(|layer| layer.outputs).max().unwrap_or(0);
            let (moments, entries) = (4 * self.context.width, self.places.entries.len());
            self.scratch.push(Mutex::new(Scratch::new(self.arch, widest, moments, entries)));
        }
    }

    /// Phases 1 and 2 up to energies, forces and virials.
    fn forces(&mut self, parameters: &[T], batch: &[Example]) -> Result<(), GradientError> {
        let start = Instant::now();
        let (context, places, scratch) = (&self.context, &self.places, &self.scratch);
        let mut panels: Vec<&mut Panel<T>> =
            self.panels.iter_mut().flatten().filter(|p| !p.is_empty()).collect();
        panels.par_iter_mut().try_for_each(|panel| {
            let mut scratch = own(scratch);
            panel.forward(context, places, parameters, batch, &mut scratch)
        })?;
        self.phases.forward += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let panels: Vec<&Panel<T>> = panels.into_iter().map(|p| &*p).collect();
        let done = self.frames[..batch.len()].par_iter_mut().zip(batch).try_for_each(
            |(frame, example)| {
                frame.gather(&panels, example);
                let finite = frame.energy.is_finite()
                    && frame.forces.iter().flatten().all(|x| x.is_finite());
                if finite {
                    Ok(())
                } else {
                    let (frame, energy) = (example.number(), frame.energy);
                    Err(GradientError::NonFinite { frame, energy })
                }
            },
        );
        self.phases.frames += start.elapsed().as_secs_f64();
        done
    }

    /// Losses and their slopes.
    fn losses(&mut self, batch: &[Example], loss: &Loss, prefactors: &Prefactors) -> BatchLoss {
        let norms: Norms = loss.norms(batch.iter().map(|e| (e.species(), e.labels(), e.weight())));
        let frames = &mut self.frames[..batch.len()];
        frames.par_iter_mut().zip(batch).for_each(|(frame, example)| {
            let compared = Compared {
                species: example.species(),
                labels: example.labels(),
                weight: example.weight(),
                energy: frame.energy,
                forces: &frame.forces,
                virial: &frame.virial,
            };
            loss.slopes(prefactors, &norms, &compared, &mut frame.slopes);
            let round = |v: &Vector3| v.map(T::from_f64);
            frame.energy_slope = T::from_f64(frame.slopes.energy);
            frame.force_slopes.clear();
            frame.force_slopes.extend(frame.slopes.forces.iter().map(round));
            frame.virial_slope = std::array::from_fn(|a| round(&frame.slopes.virial[a]));
        });
        let mut found = BatchLoss::default();
        for (frame, example) in frames.iter().zip(batch) {
            found.loss += frame.slopes.loss;
            found.squares.merge(&frame.slopes.squares);
            found.atoms += example.atoms();
        }
        found
    }

    /// Phase 3.
    fn adjoints(&mut self, parameters: &[T], batch: &[Example]) {
        let (context, places, scratch) = (&self.context, &self.places, &self.scratch);
        let frames = &self.frames[..batch.len()];
        let mut panels: Vec<&mut Panel<T>> =
            self.panels.iter_mut().flatten().filter(|p| !p.is_empty()).collect();
        let per_group = panels.len().div_ceil(GROUPS).max(1);
        panels.par_chunks_mut(per_group).zip(&mut self.groups).for_each(|(panels, sums)| {
            sums.fill(T::ZERO);
            for panel in panels {
                let mut scratch = own(scratch);
                panel.adjoints(context, places, parameters, frames, &mut scratch, sums);
            }
        });
        let used = panels.len().div_ceil(per_group);
        let (total, others) = self.groups.split_first_mut().expect("there are groups");
        let others = &others[..used.saturating_sub(1)];
        total.par_chunks_mut(4096).enumerate().for_each(|(k, part)| {
            let start = k * 4096;
            for other in others {
                let from = &other[start..start + part.len()];
                part.iter_mut().zip(from).for_each(|(x, y)| *x += *y);
            }
        });
    }

    /// Phase 4.
    fn weight_gradients(&self, gradient: &mut [T]) {
        let arch = self.arch;
        let lanes = machine_lanes::<T>(arch);
        let mut rest = gradient;
        let mut at = 0;
        let mut tasks: Vec<Task<'_, T>> = Vec::new();
        for (species, net) in self.places.fitting.iter().enumerate() {
            let panels = &self.panels[species];
            for (k, layer) in net.layers.iter().enumerate() {
                let mut take = |start: usize, len: usize| {
                    let (_, after) = std::mem::take(&mut rest).split_at_mut(start - at);
                    let (part, after) = after.split_at_mut(len);
                    rest = after;
                    at = start + len;
                    part
                };
                let last = k + 1 == net.layers.len();
                let weights = take(layer.weight, layer.inputs * layer.outputs);
                let rows = if last { layer.inputs } else { ROWS_PER_TASK };
                for (part, c) in weights.chunks_mut(rows * layer.outputs).enumerate() {
                    let kind = if last { Kind::Last } else { Kind::Weight(part * rows) };
                    tasks.push(Task { panels, layer: k, kind, part: c });
                }
                let kind = if last { Kind::LastBias } else { Kind::Bias };
                tasks.push(Task { panels, layer: k, kind, part: take(layer.bias, layer.outputs) });
                if let Some(start) = layer.timestep {
                    let part = take(start, layer.outputs);
                    tasks.push(Task { panels, layer: k, kind: Kind::Timestep, part });
                }
            }
        }
        tasks.into_par_iter().for_each(|task| task.run(arch, lanes));
    }
}

/// Part of a fitting net's gradient.
struct Task<'a, T> {
    panels: &'a [Panel<T>],
    layer: usize,
    kind: Kind,
    part: &'a mut [T],
}

enum Kind {
    /// Rows of the weights from this one on.
    Weight(usize),
    Bias,
    Timestep,
    Last,
    LastBias,
}

impl<T: Real> Task<'_, T> {
    fn run(self, arch: Arch, lanes: usize) {
        let panels = || self.panels.iter().filter(|p| !p.is_empty());
        let mut add = |from: &[T]| self.part.iter_mut().zip(from).for_each(|(x, y)| *x += *y);
        match self.kind {
            Kind::Bias => panels().for_each(|p| add(&p.net.layers[self.layer].bias)),
            Kind::Timestep => panels().for_each(|p| add(&p.net.layers[self.layer].timestep)),
            Kind::Last => panels().for_each(|p| add(&p.net.last_gradient[..p.net.last.inputs])),
            Kind::LastBias => panels().for_each(|p| add(&p.net.last_gradient[p.net.last.inputs..])),
            Kind::Weight(first) => {
                let mut segments: Vec<Segment<'_, T>> = Vec::new();
                for panel in panels() {
                    for way in 0..2 {
                        let a = match self.layer {
                            0 => &panel.features[way],
                            k => &panel.net.layers[k - 1].output[way],
                        };
                        let b = &panel.net.layers[self.layer].turned[way];
                        segments.push(Segment { a, b });
                    }
                }
                let Some(panel) = self.panels.first() else { return };
                let columns = panel.net.layers[self.layer].place.outputs;
                arch.dispatch(Outer {
                    segments: &segments,
                    first,
                    panel: PANEL * lanes,
                    b_stride: columns.next_multiple_of(lanes),
                    columns,
                    c: self.part,
                });
            }
        }
    }
}

impl<T: Real> FrameState<T> {
    /// Energy, forces and virial of a frame from the pair gradients of its atoms.
    fn gather(&mut self, panels: &[&Panel<T>], example: &Example) {
        self.energy = 0.0;
        self.virial = math::ZERO;
        self.forces.clear();
        self.forces.resize(example.atoms(), [0.0; 3]);
        for (i, (panel, lane)) in self.place.iter().enumerate() {
            let panel = panels[*panel as usize];
            let lane = *lane as usize;
            self.energy += panel.energies[lane];
            let mut own = [0.0; 3];
            for p in panel.row(lane) {
                let entry = &panel.seen.entries[p];
                let g = panel.pair_gradients[p].map(T::to_f64);
                let r = entry.distance.to_f64();
                let j = entry.neighbor as usize;
                for a in 0..3 {
                    own[a] += g[a];
                    self.forces[j][a] -= g[a];
                    for b in 0..3 {
                        self.virial[a][b] -= g[a] * r * entry.unit[b].to_f64();
                    }
                }
            }
            self.forces[i] = math::add(self.forces[i], own);
        }
    }
}

/// The scratch memory of this thread.
fn own<T>(scratch: &[Mutex<T>]) -> std::sync::MutexGuard<'_, T> {
    let thread = rayon::current_thread_index().unwrap_or(0);
    scratch[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
