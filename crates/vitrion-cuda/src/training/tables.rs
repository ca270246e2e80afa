//! Tables of the products of a step: what is multiplied, and what follows.
//!
//! They name the memory of a batch and stay as they are until it grows; which rows belong to which
//! species is told beside them.

use super::arguments::{Columns, Task};
use super::batch::{Hidden, Way};
use super::layout::{Layer, Layout};
use super::nets::{Nets, Vectors, Weights};
use crate::device::{Address, Buffer};
use bytemuck::Zeroable;
use vitrion_model::deep_potential::real::Real;

/// Where everything is that tables of products point to.
pub(super) struct Places<'a, T> {
    pub layout: &'a Layout,
    pub vectors: &'a Vectors<T>,
    pub hidden: &'a [Hidden<T>],
    pub features: &'a [Buffer<T>; 4],
    pub feature_stride: usize,
}

impl<T: Real> Places<'_, T> {
    /// Input of layer `k` or its tangent, and the leading dimension.
    fn input(&self, k: usize, tangent: bool) -> (Address, usize) {
        match k {
            0 => (self.features[usize::from(tangent)].address(), self.feature_stride),
            k => {
                let below = &self.hidden[k - 1];
                let buffer = if tangent { &below.tangent } else { &below.output };
                (buffer.address(), self.layout.fitting[0][k - 1].ld)
            }
        }
    }

    /// `[way][layer][species]`
    pub(super) fn tasks(&self, weights: Weights) -> Vec<Task> {
        let mut all = Vec::new();
        for way in [Way::Forward, Way::Backward, Way::Tangents, Way::Adjoints] {
            for k in 0..self.hidden.len() {
                for species in 0..self.layout.fitting.len() {
                    all.push(self.task(weights, way, k, species));
                }
            }
        }
        all
    }

    fn task(&self, weights: Weights, way: Way, k: usize, species: usize) -> Task {
        let base = self.vectors.of(weights);
        let net = &self.layout.fitting[species];
        let (layer, memory) = (&net[k], &self.hidden[k]);
        let timestep =
            |layer: &Layer| layer.timestep.map_or(Address::NULL, |at: usize| base.at(at));
        let task = Task {
            b: base.at(layer.weight),
            ldb: layer.ld as i32,
            segment: species as i32,
            skip: layer.skip,
            ..Task::zeroed()
        };
        if let Way::Forward | Way::Tangents = way {
            let tangent = matches!(way, Way::Tangents);
            let (input, ld) = self.input(k, tangent);
            let out = if tangent { &memory.tangent } else { &memory.output };
            return Task {
                a: input,
                c: out.address(),
                input,
                kept: memory.kept.address(),
                moving: memory.moving.address(),
                timestep: timestep(layer),
                bias: base.at(layer.bias),
                threshold: layer.threshold,
                activation: layer.activation,
                columns: layer.outputs as i32,
                depth: layer.inputs as i32,
                lda: ld as i32,
                ldc: layer.ld as i32,
                ld_input: ld as i32,
                ..task
            };
        }
        let adjoint = matches!(way, Way::Adjoints);
        let (from, upper) =
            if adjoint { (&memory.zeta, &memory.adjoint) } else { (&memory.second, &memory.slope) };
        let task = Task {
            a: from.address(),
            input: upper.address(),
            columns: layer.inputs as i32,
            depth: layer.outputs as i32,
            lda: layer.ld as i32,
            ld_input: layer.ld as i32,
            ..task
        };
        if k == 0 {
            let out = &self.features[if adjoint { 3 } else { 2 }];
            return Task { c: out.address(), ldc: self.feature_stride as i32, ..task };
        }
        let (below, memory) = (&net[k - 1], &self.hidden[k - 1]);
        let (out, second) =
            if adjoint { (&memory.adjoint, &memory.zeta) } else { (&memory.slope, &memory.second) };
        Task {
            c: out.address(),
            ldc: below.ld as i32,
            kept: memory.kept.address(),
            slope: memory.slope.address(),
            moving: memory.moving.address(),
            second: second.address(),
            timestep: timestep(below),
            threshold: below.threshold,
            activation: below.activation,
            ..task
        }
    }

    /// Gradients of weights: those of fitting nets, `xᵀ ζ + ẋᵀ q`, and those of embedding nets.
    pub(super) fn weights(&self, nets: &Nets<T>) -> Vec<Task> {
        let gradient = &self.vectors.gradient;
        let mut all = Vec::new();
        for (species, net) in self.layout.fitting.iter().enumerate() {
            for (k, memory) in self.hidden.iter().enumerate() {
                let ((a, lda), (a2, _)) = (self.input(k, false), self.input(k, true));
                all.push(Task {
                    a,
                    b: memory.zeta.address(),
                    a2,
                    b2: memory.second.address(),
                    c: gradient.at(net[k].weight),
                    rows: net[k].inputs as i32,
                    columns: net[k].outputs as i32,
                    lda: lda as i32,
                    ldb: net[k].ld as i32,
                    ldc: net[k].ld as i32,
                    segment: species as i32,
                    ..Task::zeroed()
                });
            }
        }
        all.extend(nets.grid_places.iter().map(|place| Task {
            a: place.input,
            b: place.adjoint,
            c: gradient.at(place.layer.weight),
            rows: place.layer.inputs as i32,
            columns: place.layer.outputs as i32,
            depth: (3 * place.nodes) as i32,
            lda: place.ld_input as i32,
            ldb: place.layer.ld as i32,
            ldc: place.layer.ld as i32,
            segment: -1,
            ..Task::zeroed()
        }));
        all
    }

    /// Gradients of biases, timesteps and last layers.
    pub(super) fn columns(&self, nets: &Nets<T>, row_slopes: &Buffer<T>) -> Vec<Columns> {
        let gradient = &self.vectors.gradient;
        let mut all = Vec::new();
        for (species, net) in self.layout.fitting.iter().enumerate() {
            let mut add = |from: &Buffer<T>, ld: usize, to: usize, columns: usize| {
                all.push(Columns {
                    from: from.address(),
                    to: gradient.at(to),
                    ld: ld as i32,
                    count: columns as i32,
                    rows: 0,
                    segment: species as i32,
                });
            };
            for (layer, memory) in net.iter().zip(self.hidden) {
                add(&memory.zeta, layer.ld, layer.bias, layer.outputs);
                if let Some(at) = layer.timestep {
                    add(&memory.moving, layer.ld, at, layer.outputs);
                }
            }
            let (last, k) = (&net[self.hidden.len()], self.hidden.len() - 1);
            add(&self.hidden[k].tangent, net[k].ld, last.weight, last.inputs);
            add(row_slopes, 4, last.bias, 1);
        }
        for place in &nets.grid_places {
            let mut add = |from: Address, ld: usize, to: usize| {
                all.push(Columns {
                    from,
                    to: gradient.at(to),
                    ld: ld as i32,
                    count: place.layer.outputs as i32,
                    rows: place.nodes as i32,
                    segment: -1,
                });
            };
            add(place.adjoint, 3 * place.layer.ld, place.layer.bias);
            if let Some(at) = place.layer.timestep {
                add(place.terms, place.layer.ld, at);
            }
        }
        all
    }
}
