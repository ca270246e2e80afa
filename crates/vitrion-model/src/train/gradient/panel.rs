//! Atoms of one species, as many as fill the registers of a product: all their numbers on the way
//! from neighbours to energies and back.

use super::descriptor::{Contract, ContractTangents, Spread, to_panel, to_rows};
use super::environment::Surroundings;
use super::fitting::{PanelNet, Scratch};
use super::geometry::Geometry;
use super::grid::Grid;
use super::product::PANEL;
use super::surroundings::{Moments, NodeAdjoints, PairGradients, PerNode};
use super::{FrameState, GradientError};
use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::real::{Real, machine_lanes};
use crate::train::example::Example;
use crate::train::parameters::Places;
use pulp::Arch;
use std::ops::Range;

/// What does not change during training, and the embedding nets.
#[derive(Debug)]
pub(super) struct Context<T> {
    pub arch: Arch,
    pub grid: Grid<T>,
    /// Outputs of the embedding nets.
    pub width: usize,
    geometry: Geometry,
}

impl<T: Real> Context<T> {
    /// `width` is the number of outputs of the embedding nets.
    pub(super) fn new(arch: Arch, places: &Places, geometry: Geometry, width: usize) -> Self {
        let grid = Grid::new(arch, &places.embedding, &geometry.grids, width);
        Context { arch, grid, width, geometry }
    }
}

#[derive(Debug)]
pub(super) struct Panel<T> {
    species: usize,
    /// Frame and atom of each lane.
    centres: Vec<(u32, u32)>,
    pub seen: Surroundings<T>,
    /// `∂E/∂r` of each entry.
    pub pair_gradients: Vec<[T; 3]>,
    /// Memory of [`PairGradients`].
    dots: Vec<PerNode<T>>,
    pub energies: Vec<f64>,
    /// `T` and `Ṫ`, `[c · M + m][atom]`.
    moments: [Aligned<T>; 2],
    /// `D` and `Ḋ`, `[entry][atom]`.
    pub features: [Aligned<T>; 2],
    /// `∂E/∂D`
    slopes: Aligned<T>,
    /// `∂E/∂T` and the adjoint of `T`, `[atom][4][padded]`.
    rows: [Aligned<T>; 2],
    pub net: PanelNet<T>,
}

impl<T: Real> Panel<T> {
    pub(super) fn new(context: &Context<T>, places: &Places, species: usize) -> Self {
        let panel = PANEL * machine_lanes::<T>(context.arch);
        let arrays = |rows: usize| std::array::from_fn(|_| Aligned::zeros(rows * panel));
        Panel {
            species,
            centres: Vec::with_capacity(panel),
            seen: Surroundings::new(),
            pair_gradients: Vec::new(),
            dots: Vec::new(),
            energies: Vec::new(),
            moments: arrays(4 * context.width),
            features: arrays(places.entries.len()),
            slopes: Aligned::zeros(places.entries.len() * panel),
            rows: arrays(4 * context.grid.padded),
            net: PanelNet::new(context.arch, &places.fitting[species]),
        }
    }

    pub(super) fn clear(&mut self) {
        self.centres.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }

    pub(super) fn push(&mut self, frame: usize, atom: usize) {
        self.centres.push((frame as u32, atom as u32));
    }

    /// Entries of a lane.
    pub(super) fn row(&self, lane: usize) -> Range<usize> {
        self.seen.offsets[lane]..self.seen.offsets[lane + 1]
    }

    /// Nodes that the entries of a lane share.
    fn shared(&self, lane: usize) -> Range<usize> {
        self.seen.share_offsets[lane]..self.seen.share_offsets[lane + 1]
    }

    /// Registers in use.
    fn across(&self, arch: Arch) -> usize {
        self.centres.len().div_ceil(machine_lanes::<T>(arch))
    }

    /// Energies and pair gradients.
    pub(super) fn forward(
        &mut self,
        context: &Context<T>,
        places: &Places,
        parameters: &[T],
        batch: &[Example],
        scratch: &mut Scratch<T>,
    ) -> Result<(), GradientError> {
        let (arch, across) = (context.arch, self.across(context.arch));
        let (geometry, grid) = (&context.geometry, &context.grid);
        self.seen.find(arch, geometry, self.species, &self.centres, batch)?;
        let (width, padded) = (context.width, context.grid.padded);
        let panel = PANEL * machine_lanes::<T>(arch);
        self.moments_to(context, 0);
        arch.dispatch(Contract {
            entries: &places.entries,
            width,
            panel,
            across,
            moments: &self.moments[0],
            out: &mut self.features[0],
        });
        self.energies.resize(self.centres.len(), 0.0);
        self.net.forward(arch, parameters, &self.features[0], across, &mut self.energies);
        self.energies.iter_mut().for_each(|e| *e += geometry.energy_bias[self.species]);
        self.net.backward(arch, parameters, across, scratch, &mut self.slopes);

        let sums: &mut [T] = &mut scratch.moments;
        sums.fill(T::ZERO);
        arch.dispatch(Spread {
            entries: &places.entries,
            width,
            panel,
            across,
            slopes: &self.slopes,
            moments: &self.moments[0],
            out: sums,
        });
        let atoms = self.centres.len() * 4 * padded;
        to_rows(sums, padded, width, panel, &mut self.rows[0][..atoms]);
        self.pair_gradients.clear();
        self.pair_gradients.resize(self.seen.entries.len(), [T::ZERO; 3]);
        self.dots.resize(self.seen.shares.len(), PerNode::default());
        for lane in 0..self.centres.len() {
            let (range, shared) = (self.row(lane), self.shared(lane));
            arch.dispatch(PairGradients {
                values: &grid.values,
                padded,
                entries: &self.seen.entries[range.clone()],
                shares: &self.seen.shares[shared.clone()],
                first: shared.start,
                slopes: &self.rows[0][lane * 4 * padded..(lane + 1) * 4 * padded],
                inverse_slots: T::from_f64(geometry.inverse_slots),
                dots: &mut self.dots[shared],
                out: &mut self.pair_gradients[range],
            });
        }
        Ok(())
    }

    /// Moments (`way` 0) or their tangents (`way` 1) of all lanes, in panel order.
    fn moments_to(&mut self, context: &Context<T>, way: usize) {
        let (arch, padded) = (context.arch, context.grid.padded);
        let panel = PANEL * machine_lanes::<T>(arch);
        let rows = &mut self.rows[1];
        rows[self.centres.len() * 4 * padded..].fill(T::ZERO);
        let values: &[T] = &context.grid.values;
        for (lane, out) in rows.chunks_exact_mut(4 * padded).take(self.centres.len()).enumerate() {
            let shared = self.seen.share_offsets[lane]..self.seen.share_offsets[lane + 1];
            let shares = &self.seen.shares[shared];
            arch.dispatch(Moments { values, padded, shares, way, out });
        }
        to_panel(rows, padded, context.width, panel, &mut self.moments[way]);
    }

    /// Tangents along the displacements the loss asks for, then adjoints of everything; those of the
    /// node values are added to `nodes`.
    pub(super) fn adjoints(
        &mut self,
        context: &Context<T>,
        places: &Places,
        parameters: &[T],
        frames: &[FrameState<T>],
        scratch: &mut Scratch<T>,
        nodes: &mut [T],
    ) {
        let (arch, across) = (context.arch, self.across(context.arch));
        let (width, padded) = (context.width, context.grid.padded);
        let panel = PANEL * machine_lanes::<T>(arch);
        self.move_entries(context, frames);
        self.moments_to(context, 1);
        let [moments, tangents] = &self.moments;
        let [_, features] = &mut self.features;
        let entries = &places.entries[..];
        let out: &mut [T] = features;
        arch.dispatch(ContractTangents { entries, width, panel, across, moments, tangents, out });
        self.net.tangents(arch, parameters, &self.features[1], across);

        let mut energy_slopes = Vec::with_capacity(panel);
        energy_slopes.extend(self.centres.iter().map(|(f, _)| frames[*f as usize].energy_slope));
        self.net.adjoints(arch, parameters, &energy_slopes, across, scratch);

        // T̄′ from D̄′ through T, and from the adjoint of Ḋ, which is ∂E/∂D, through Ṫ
        let sums: &mut [T] = &mut scratch.moments;
        sums.fill(T::ZERO);
        let spread = |slopes: &[T], moments: &[T], out: &mut [T]| {
            let entries = &places.entries[..];
            arch.dispatch(Spread { entries, width, panel, across, slopes, moments, out });
        };
        spread(&scratch.features, &self.moments[0], sums);
        spread(&self.slopes, &self.moments[1], sums);
        let atoms = self.centres.len() * 4 * padded;
        let [tangent, primal] = &mut self.rows;
        to_rows(sums, padded, width, panel, &mut primal[..atoms]);

        let rows = primal.chunks_exact(4 * padded).zip(tangent.chunks_exact(4 * padded));
        for (lane, (primal, tangent)) in rows.take(self.centres.len()).enumerate() {
            let shared = self.seen.share_offsets[lane]..self.seen.share_offsets[lane + 1];
            let shares = &self.seen.shares[shared];
            arch.dispatch(NodeAdjoints { padded, shares, primal, tangent, out: nodes });
        }
    }

    /// Displaces every entry by `d = λ_i − λ_j − Λ r`.
    fn move_entries(&mut self, context: &Context<T>, frames: &[FrameState<T>]) {
        let inverse = T::from_f64(context.geometry.inverse_slots);
        let Surroundings { entries, offsets, shares, .. } = &mut self.seen;
        for (lane, (frame, atom)) in self.centres.iter().enumerate() {
            let frame = &frames[*frame as usize];
            let own = frame.force_slopes[*atom as usize];
            for entry in &entries[offsets[lane]..offsets[lane + 1]] {
                let other = frame.force_slopes[entry.neighbor as usize];
                let mut d = [T::ZERO; 3];
                for a in 0..3 {
                    let strain = &frame.virial_slope[a];
                    let turned = strain[0] * entry.unit[0]
                        + strain[1] * entry.unit[1]
                        + strain[2] * entry.unit[2];
                    d[a] = own[a] - other[a] - entry.distance * turned;
                }
                entry.share_tangent(d, inverse, shares);
            }
        }
    }
}
