//! Embedding nets on a grid.
//!
//! An embedding net has one input, so it is evaluated at nodes `x_k = lower + k h` only, with its
//! first two derivatives, and followed between nodes by the quintic Hermite polynomial through both
//! ends. The loss of this interpolated model has an exact gradient: what neighbours add to the
//! adjoints of node values flows back through the nets once per step, instead of once per neighbour.
//!
//! Taylor arithmetic through a layer `y = φ(z) t + skip(x)`, `z = x W + b` (orders 0, 1, 2):
//!
//! ```text
//! y₀ = φ t     y₁ = φ′ z₁ t     y₂ = (φ″ z₁² + φ′ z₂) t        (+ skip of each order)
//! ```
//!
//! and its adjoint, with `A_o = ȳ_o t`:
//!
//! ```text
//! z̄₂ = A₂ φ′    z̄₁ = A₁ φ′ + 2 A₂ φ″ z₁    z̄₀ = A₀ φ′ + A₁ φ″ z₁ + A₂ (φ‴ z₁² + φ″ z₂)
//! ```

use super::curve::{Curve, Other, Straight, Tanh, with_curve};
use super::fitting::skip_back;
use super::geometry::{GridPlace, ORDERS};
use super::product::{Outer, PANEL, Product, Segment};
use crate::deep_potential::activation::Activation;
use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::network::Skip;
use crate::deep_potential::real::{Real, machine_lanes};
use crate::train::parameters::{LayerPlace, NetPlace};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// All nets on their grids.
#[derive(Debug)]
pub(super) struct Grid<T> {
    nets: Vec<NetGrid<T>>,
    /// Outputs in full registers.
    pub padded: usize,
    /// `[node of all nets][order][padded]`
    pub values: Aligned<T>,
}

impl<T: Real> Grid<T> {
    /// The nets on grids at these places.
    pub(super) fn new(arch: Arch, nets: &[NetPlace], grids: &[GridPlace], width: usize) -> Self {
        let padded = width.next_multiple_of(machine_lanes::<T>(arch));
        let panel = PANEL * machine_lanes::<T>(arch);
        let nets = nets.iter().zip(grids).map(|(net, grid)| NetGrid::new(net, *grid, panel));
        let nodes: usize = grids.iter().map(|grid| grid.nodes).sum();
        Grid { nets: nets.collect(), padded, values: Aligned::zeros(nodes * ORDERS * padded) }
    }

    /// Floating-point operations of the nets of one step, both ways.
    pub(super) fn flops(&self) -> f64 {
        let weights = |net: &NetGrid<T>| {
            net.layers.iter().map(|l| (l.place.inputs * l.place.outputs) as f64).sum::<f64>()
        };
        self.nets.iter().map(|net| 18.0 * weights(net) * net.grid.nodes as f64).sum()
    }

    /// Evaluates the nets at all nodes.
    pub(super) fn forward(&mut self, arch: Arch, parameters: &[T]) {
        let row = ORDERS * self.padded;
        let mut rest: &mut [T] = &mut self.values;
        let mut parts = Vec::with_capacity(self.nets.len());
        for net in &self.nets {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(net.grid.nodes * row);
            parts.push(part);
            rest = after;
        }
        let padded = self.padded;
        self.nets
            .par_iter_mut()
            .zip(parts)
            .for_each(|(net, values)| net.forward(arch, parameters, values, padded));
    }

    /// Adds the gradient that follows from the adjoints of all node values to `gradient`, the part
    /// of the flat vector that starts with the embedding nets.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[T],
        adjoints: &[T],
        gradient: &mut [T],
    ) {
        let row = ORDERS * self.padded;
        let mut rest = gradient;
        let mut parts = Vec::with_capacity(self.nets.len());
        for net in &self.nets {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(net.len);
            parts.push(part);
            rest = after;
        }
        let padded = self.padded;
        self.nets.par_iter_mut().zip(parts).for_each(|(net, gradient)| {
            let GridPlace { first, nodes, .. } = net.grid;
            let adjoints = &adjoints[first * row..(first + nodes) * row];
            net.backward(arch, parameters, adjoints, padded, gradient);
        });
    }
}

#[derive(Debug)]
struct NetGrid<T> {
    grid: GridPlace,
    /// Parameters of the net, and where they start.
    len: usize,
    start: usize,
    /// Nodes in full panels.
    wide: usize,
    panel: usize,
    layers: Vec<GridLayer<T>>,
    /// `[order][input of the net][node]`
    input: [Aligned<T>; ORDERS],
    /// Adjoints of a layer's outputs and inputs, `[order][feature][node]`.
    outer: [Aligned<T>; ORDERS],
    inner: [Aligned<T>; ORDERS],
    /// Adjoints of pre-activations, `[order][output][node]` and `[order][node][output padded]`.
    slopes: [Aligned<T>; ORDERS],
    turned: [Aligned<T>; ORDERS],
}

#[derive(Debug)]
struct GridLayer<T> {
    place: LayerPlace,
    /// What the activation keeps, then `z₁` and `z₂`.
    z: [Aligned<T>; ORDERS],
    output: [Aligned<T>; ORDERS],
}

impl<T: Real> NetGrid<T> {
    fn new(net: &NetPlace, grid: GridPlace, panel: usize) -> Self {
        let wide = grid.nodes.next_multiple_of(panel);
        let arrays = |width: usize| std::array::from_fn(|_| Aligned::zeros(width * wide));
        let widest = net.layers.iter().map(|l| l.outputs).max().unwrap_or(1);
        // one register at most beyond the outputs
        let turned = widest.next_multiple_of(panel);
        let mut input: [Aligned<T>; ORDERS] = arrays(1);
        for (k, x) in input[0].iter_mut().enumerate() {
            *x = T::from_f64(grid.node(k.min(grid.nodes - 1)));
        }
        input[1].fill(T::ONE);
        let start = net.layers[0].weight;
        let last = net.layers.last().expect("a net has layers");
        let end = last.timestep.unwrap_or(last.bias) + last.outputs;
        NetGrid {
            grid,
            len: end - start,
            start,
            wide,
            panel,
            layers: net
                .layers
                .iter()
                .map(|place| GridLayer {
                    place: *place,
                    z: arrays(place.outputs),
                    output: arrays(place.outputs),
                })
                .collect(),
            input,
            outer: arrays(widest),
            inner: arrays(widest),
            slopes: arrays(widest),
            turned: arrays(turned),
        }
    }

    fn forward(&mut self, arch: Arch, parameters: &[T], values: &mut [T], padded: usize) {
        for k in 0..self.layers.len() {
            let (before, rest) = self.layers.split_at_mut(k);
            let input = before.last().map_or(&self.input, |layer| &layer.output);
            let layer = &mut rest[0];
            for order in 0..ORDERS {
                let weights = &parameters[layer.place.weight..];
                let (x, z) = (&input[order], &mut layer.z[order]);
                multiply(
                    arch,
                    weights,
                    &layer.place,
                    Way::Forward,
                    (x, z),
                    (self.wide, self.panel),
                );
            }
            arch.dispatch(Ahead { layer, input, parameters, wide: self.wide });
        }
        let last = self.layers.last().expect("a net has layers");
        let width = last.place.outputs;
        for (node, row) in values.chunks_exact_mut(ORDERS * padded).enumerate() {
            for order in 0..ORDERS {
                for m in 0..width {
                    row[order * padded + m] = last.output[order][m * self.wide + node];
                }
            }
        }
    }

    fn backward(
        &mut self,
        arch: Arch,
        parameters: &[T],
        adjoints: &[T],
        padded: usize,
        gradient: &mut [T],
    ) {
        let width = self.layers.last().expect("a net has layers").place.outputs;
        for order in 0..ORDERS {
            for m in 0..width {
                let row = &mut self.outer[order][m * self.wide..(m + 1) * self.wide];
                row.fill(T::ZERO);
                for (node, x) in row[..self.grid.nodes].iter_mut().enumerate() {
                    *x = adjoints[(node * ORDERS + order) * padded + m];
                }
            }
        }
        for k in (0..self.layers.len()).rev() {
            let place = self.layers[k].place;
            let wide = self.wide;
            arch.dispatch(Back {
                layer: &self.layers[k],
                parameters,
                wide,
                outer: &self.outer,
                slopes: &mut self.slopes,
                gradient,
                start: self.start,
            });
            let stride = place.outputs.next_multiple_of(machine_lanes::<T>(arch));
            let input = if k == 0 { &self.input } else { &self.layers[k - 1].output };
            for order in 0..ORDERS {
                let turned = &mut self.turned[order];
                turned[..wide * stride].fill(T::ZERO);
                for (n, row) in
                    self.slopes[order].chunks_exact(wide).take(place.outputs).enumerate()
                {
                    for (node, x) in row.iter().enumerate() {
                        turned[node * stride + n] = *x;
                    }
                }
            }
            let segments: [Segment<'_, T>; ORDERS] =
                std::array::from_fn(|order| Segment { a: &input[order], b: &self.turned[order] });
            let at = place.weight - self.start;
            arch.dispatch(Outer {
                segments: &segments,
                first: 0,
                panel: wide,
                b_stride: stride,
                columns: place.outputs,
                c: &mut gradient[at..at + place.inputs * place.outputs],
            });
            if k > 0 {
                for order in 0..ORDERS {
                    let weights = &parameters[place.weight..];
                    let (z, x) = (&self.slopes[order], &mut self.inner[order]);
                    multiply(arch, weights, &place, Way::Back, (z, x), (wide, self.panel));
                    skip_back(&place, &self.outer[order], x, wide);
                }
                std::mem::swap(&mut self.outer, &mut self.inner);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Forward,
    Back,
}

/// `z = xᵀ W` or `x = W z` for all nodes.
fn multiply<T: Real>(
    arch: Arch,
    weights: &[T],
    place: &LayerPlace,
    way: Way,
    (from, to): (&[T], &mut [T]),
    (wide, panel): (usize, usize),
) {
    let forward = way == Way::Forward;
    for at in (0..wide).step_by(panel) {
        arch.dispatch(Product {
            a: &weights[..place.inputs * place.outputs],
            row_stride: if forward { 1 } else { place.outputs },
            depth_stride: if forward { place.outputs } else { 1 },
            b: &from[at..],
            b_stride: wide,
            c: &mut to[at..],
            c_stride: wide,
            rows: if forward { place.outputs } else { place.inputs },
            depth: if forward { place.inputs } else { place.outputs },
            across: PANEL,
        });
    }
}

/// Activation of a layer's pre-activations, in place, and its outputs.
struct Ahead<'a, T> {
    layer: &'a mut GridLayer<T>,
    input: &'a [Aligned<T>; ORDERS],
    parameters: &'a [T],
    wide: usize,
}

impl<T: Real> WithSimd for Ahead<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        with_curve!(self.layer.place.activation, curve, self.run(curve));
    }
}

impl<T: Real> Ahead<'_, T> {
    #[inline(always)]
    fn run<C: Curve>(self, curve: C) {
        let Ahead { layer, input, parameters, wide } = self;
        let place = layer.place;
        let [z0, z1, z2] = &mut layer.z;
        let [y0, y1, y2] = &mut layer.output;
        for o in 0..place.outputs {
            let bias = parameters[place.bias + o];
            let timestep = place.timestep.map_or(T::ONE, |at| parameters[at + o]);
            let skip = if place.skip == Skip::None { T::ZERO } else { T::ONE };
            let (row, below) = (o * wide, o % place.inputs * wide);
            let (z0, z1) = (&mut z0[row..row + wide], &z1[row..row + wide]);
            let z2 = &z2[row..row + wide];
            let (y0, y1) = (&mut y0[row..row + wide], &mut y1[row..row + wide]);
            let y2 = &mut y2[row..row + wide];
            let x0 = &input[0][below..below + wide];
            let x1 = &input[1][below..below + wide];
            let x2 = &input[2][below..below + wide];
            for k in 0..wide {
                let kept = curve.keep(z0[k] + bias);
                let [value, slope, bend, _] = curve.derivatives(kept);
                z0[k] = kept;
                y0[k] = value * timestep + skip * x0[k];
                y1[k] = slope * z1[k] * timestep + skip * x1[k];
                y2[k] = (bend * z1[k] * z1[k] + slope * z2[k]) * timestep + skip * x2[k];
            }
        }
    }
}

/// Adjoints of a layer's pre-activations; gradients of biases and timesteps.
struct Back<'a, T> {
    layer: &'a GridLayer<T>,
    parameters: &'a [T],
    wide: usize,
    outer: &'a [Aligned<T>; ORDERS],
    slopes: &'a mut [Aligned<T>; ORDERS],
    gradient: &'a mut [T],
    start: usize,
}

impl<T: Real> WithSimd for Back<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        with_curve!(self.layer.place.activation, curve, self.run(curve));
    }
}

impl<T: Real> Back<'_, T> {
    #[inline(always)]
    fn run<C: Curve>(self, curve: C) {
        let Back { layer, parameters, wide, outer, slopes, gradient, start } = self;
        let place = layer.place;
        let two = T::ONE + T::ONE;
        let [s0, s1, s2] = slopes;
        for o in 0..place.outputs {
            let timestep = place.timestep.map_or(T::ONE, |at| parameters[at + o]);
            let row = o * wide..(o + 1) * wide;
            let (kept, z1) = (&layer.z[0][row.clone()], &layer.z[1][row.clone()]);
            let z2 = &layer.z[2][row.clone()];
            let (a0, a1) = (&outer[0][row.clone()], &outer[1][row.clone()]);
            let a2 = &outer[2][row.clone()];
            let (s0, s1) = (&mut s0[row.clone()], &mut s1[row.clone()]);
            let s2 = &mut s2[row];
            let (mut bias, mut step) = (T::ZERO, T::ZERO);
            for k in 0..wide {
                let [value, slope, bend, third] = curve.derivatives(kept[k]);
                let second = bend * z1[k] * z1[k] + slope * z2[k];
                step += a0[k] * value + a1[k] * slope * z1[k] + a2[k] * second;
                let (a0, a1, a2) = (a0[k] * timestep, a1[k] * timestep, a2[k] * timestep);
                s2[k] = a2 * slope;
                s1[k] = a1 * slope + two * a2 * bend * z1[k];
                s0[k] =
                    a0 * slope + a1 * bend * z1[k] + a2 * (third * z1[k] * z1[k] + bend * z2[k]);
                bias += s0[k];
            }
            gradient[place.bias + o - start] += bias;
            if let Some(at) = place.timestep {
                gradient[at + o - start] += step;
            }
        }
    }
}
