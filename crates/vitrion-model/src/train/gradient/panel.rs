//! Atoms of one species, as many as fill the registers of a product: all their numbers on the way
//! from neighbours to energies and back.

use super::descriptor::{Contract, ContractTangents, Spread, to_panel, to_rows};
use super::fitting::{PanelNet, Scratch};
use super::grid::{Grid, hermite};
use super::product::PANEL;
use super::surroundings::{Entry, MomentTangents, Moments, Moving, NodeAdjoints, PairGradients};
use super::{FrameState, GradientError};
use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::real::{Real, machine_lanes};
use crate::deep_potential::switching::weight;
use crate::deep_potential::{DeepPotential, Descriptor};
use crate::train::example::Example;
use crate::train::parameters::Places;
use pulp::Arch;
use std::ops::Range;
use vitrion_core::math;

/// What does not change during training, and the embedding nets.
#[derive(Debug)]
pub(super) struct Context<T> {
    pub arch: Arch,
    pub grid: Grid<T>,
    /// Outputs of the embedding nets.
    pub width: usize,
    descriptor: Descriptor,
    species: usize,
    net_of_pair: Vec<usize>,
    scales: Vec<Scale>,
    inverse_slots: f64,
    bias: Vec<f64>,
    nearest: f64,
}

/// How the environment of one pair of species is normalised.
#[derive(Debug)]
struct Scale {
    /// Of the radial row.
    mean: f64,
    /// One over the spread of the radial and of the angular rows.
    per_radial: f64,
    per_angular: f64,
}

impl<T: Real> Context<T> {
    pub(super) fn new(
        arch: Arch,
        model: &DeepPotential,
        places: &Places,
        nearest: f64,
        spacing: f64,
    ) -> Self {
        let descriptor = &model.descriptor;
        let n = model.species.len();
        let net_of_pair: Vec<usize> =
            places.net_of_pair.iter().map(|net| net.expect("no pair is excluded")).collect();
        let ranges: Vec<(f64, f64)> = (0..places.embedding.len())
            .map(|net| {
                let pairs = || (0..n * n).filter(|pair| net_of_pair[*pair] == net);
                let input = |row: f64, pair: usize| {
                    (row - descriptor.mean[pair][0]) / descriptor.std[pair][0]
                };
                let near = 1.0 / (nearest + descriptor.protection);
                let lower = pairs().map(|pair| input(0.0, pair)).fold(f64::INFINITY, f64::min);
                let upper = pairs().map(|pair| input(near, pair)).fold(f64::NEG_INFINITY, f64::max);
                // a hair wider: the weight at the cut-off may round below zero
                (lower - 1e-9, upper)
            })
            .collect();
        let width = descriptor.width();
        Context {
            arch,
            grid: Grid::new(arch, &places.embedding, &ranges, spacing, width),
            width,
            species: n,
            net_of_pair,
            scales: (0..n * n)
                .map(|pair| Scale {
                    mean: descriptor.mean[pair][0],
                    per_radial: 1.0 / descriptor.std[pair][0],
                    per_angular: 1.0 / descriptor.std[pair][1],
                })
                .collect(),
            inverse_slots: 1.0 / descriptor.slots() as f64,
            bias: model.energy_bias.iter().zip(&model.out_bias).map(|(a, b)| a + b).collect(),
            nearest,
            descriptor: Descriptor { embedding: Vec::new(), ..descriptor.clone() },
        }
    }
}

#[derive(Debug)]
pub(super) struct Panel<T> {
    species: usize,
    /// Frame and atom of each lane.
    centres: Vec<(u32, u32)>,
    /// Entries of lane `r` are `offsets[r]..offsets[r + 1]`.
    offsets: Vec<usize>,
    pub entries: Vec<Entry<T>>,
    moving: Vec<Moving<T>>,
    /// `∂E/∂r` of each entry.
    pub pair_gradients: Vec<[T; 3]>,
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
            offsets: vec![0],
            entries: Vec::new(),
            moving: Vec::new(),
            pair_gradients: Vec::new(),
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
        self.offsets[lane]..self.offsets[lane + 1]
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
        self.find_entries(context, batch)?;
        let (arch, across) = (context.arch, self.across(context.arch));
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
        self.energies.iter_mut().for_each(|e| *e += context.bias[self.species]);
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
        self.pair_gradients.resize(self.entries.len(), [T::ZERO; 3]);
        for (lane, slopes) in self.rows[0][..atoms].chunks_exact(4 * padded).enumerate() {
            let range = self.offsets[lane]..self.offsets[lane + 1];
            arch.dispatch(PairGradients {
                values: &context.grid.values,
                padded,
                entries: &self.entries[range.clone()],
                slopes,
                inverse_slots: T::from_f64(context.inverse_slots),
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
        for (lane, out) in rows.chunks_exact_mut(4 * padded).take(self.centres.len()).enumerate() {
            let range = self.offsets[lane]..self.offsets[lane + 1];
            let entries = &self.entries[range.clone()];
            let values: &[T] = &context.grid.values;
            if way == 0 {
                arch.dispatch(Moments { values, padded, entries, out });
            } else {
                let moving = &self.moving[range];
                arch.dispatch(MomentTangents { values, padded, entries, moving, out });
            }
        }
        to_panel(rows, padded, context.width, panel, &mut self.moments[way]);
    }

    /// Neighbours of all lanes, and the padding terms of empty slots.
    fn find_entries(
        &mut self,
        context: &Context<T>,
        batch: &[Example],
    ) -> Result<(), GradientError> {
        let descriptor = &context.descriptor;
        let (n, inverse) = (context.species, context.inverse_slots);
        self.entries.clear();
        self.offsets.clear();
        self.offsets.push(0);
        let mut counts = vec![0.0; n];
        for (frame, atom) in &self.centres {
            let (example, i) = (&batch[*frame as usize], *atom as usize);
            let (list, positions) =
                (&example.neighborhood.list, &example.neighborhood.positions[..]);
            counts.fill(0.0);
            for p in list.row(i) {
                let vector = list.vector(positions, i, p);
                let r2 = math::norm2(vector);
                if r2 >= descriptor.cutoff * descriptor.cutoff {
                    continue;
                }
                let r = r2.sqrt();
                let j = list.index[p] as usize;
                let species = usize::from(example.species[j]);
                counts[species] += 1.0;
                let pair = self.species * n + species;
                let scale = &context.scales[pair];
                let (w, dw) = weight(r, descriptor.smooth_cutoff, descriptor.cutoff);
                let q = 1.0 / (r + descriptor.protection);
                let (s, t) = (w * q, w * q * q);
                let ds = dw * q - w * q * q;
                let dt = dw * q * q - 2.0 * w * q * q * q;
                let x = (s - scale.mean) * scale.per_radial;
                let net = context.net_of_pair[pair];
                let Some(place) = context.grid.locate(net, x) else {
                    let order = example.order();
                    return Err(GradientError::TooClose {
                        frame: example.number,
                        first: order[i] as usize,
                        second: order[j] as usize,
                        distance: r,
                        nearest: context.nearest,
                    });
                };
                let (value, slope) = hermite(place.u, context.grid.spacing(net));
                let (angular, per_r) = (t * scale.per_angular, 1.0 / r);
                let turn = angular * inverse;
                self.entries.push(Entry {
                    row: [x * inverse, turn * vector[0], turn * vector[1], turn * vector[2]]
                        .map(T::from_f64),
                    unit: vector.map(|v| T::from_f64(v * per_r)),
                    distance: T::from_f64(r),
                    radial: T::from_f64(ds * scale.per_radial),
                    angular: T::from_f64(angular),
                    angular_slope: T::from_f64(r * dt * scale.per_angular),
                    node: place.node as u32,
                    neighbor: list.index[p],
                    value: value.map(T::from_f64),
                    slope: slope.map(T::from_f64),
                });
            }
            for species in 0..n {
                let pair = self.species * n + species;
                let x = -descriptor.mean[pair][0] / descriptor.std[pair][0];
                if x.abs() < f64::MIN_POSITIVE {
                    continue;
                }
                let empty = descriptor.sel[species] as f64 - counts[species];
                let net = context.net_of_pair[pair];
                let place =
                    context.grid.locate(net, x).expect("the grid starts below the empty slots");
                let (value, slope) = hermite(place.u, context.grid.spacing(net));
                self.entries.push(Entry {
                    row: [T::from_f64(empty * x * inverse), T::ZERO, T::ZERO, T::ZERO],
                    node: place.node as u32,
                    neighbor: *atom,
                    value: value.map(T::from_f64),
                    slope: slope.map(T::from_f64),
                    ..Entry::default()
                });
            }
            self.offsets.push(self.entries.len());
        }
        Ok(())
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
            let range = self.offsets[lane]..self.offsets[lane + 1];
            arch.dispatch(NodeAdjoints {
                padded,
                entries: &self.entries[range.clone()],
                moving: &self.moving[range],
                primal,
                tangent,
                out: nodes,
            });
        }
    }

    /// Displacements `d = λ_i − λ_j − Λ r` of every entry, as tangents of its row.
    fn move_entries(&mut self, context: &Context<T>, frames: &[FrameState<T>]) {
        let inverse = T::from_f64(context.inverse_slots);
        self.moving.clear();
        for (lane, (frame, atom)) in self.centres.iter().enumerate() {
            let frame = &frames[*frame as usize];
            let own = frame.force_slopes[*atom as usize];
            for entry in &self.entries[self.offsets[lane]..self.offsets[lane + 1]] {
                let other = frame.force_slopes[entry.neighbor as usize];
                let mut d = [T::ZERO; 3];
                for a in 0..3 {
                    let strain = &frame.virial_slope[a];
                    let turned = strain[0] * entry.unit[0]
                        + strain[1] * entry.unit[1]
                        + strain[2] * entry.unit[2];
                    d[a] = own[a] - other[a] - entry.distance * turned;
                }
                self.moving.push(Moving::new(entry, d, inverse));
            }
        }
    }
}
