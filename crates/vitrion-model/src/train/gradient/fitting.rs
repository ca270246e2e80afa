//! Fitting nets of a panel: energies, their slopes, tangents, and adjoints of both.
//!
//! Layer `y = φ(z) t + skip(x)`, `z = x W + b`; `g` is `∂E/∂y` and a dot the derivative along the
//! displacements. The loss changes by `Σ_i μ_i dE_i + dĖ_i` (see `gradient.rs`), so the adjoint of
//! `ẏ` is `g` itself, and with `p` the adjoint of `y`:
//!
//! ```text
//! q = g t φ′                        adjoint of ż;   g ← W q + skipᵀ g
//! ζ = p t φ′ + g t φ″ ż             adjoint of z;   p ← W ζ + skipᵀ p
//! dW = x ζᵀ + ẋ qᵀ    db = ζ    dt = p φ + g φ′ ż
//! ```

use super::curve::{Curve, Other, Straight, Tanh, with_curve};
use super::product::{PANEL, Product};
use crate::deep_potential::activation::Activation;
use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::network::Skip;
use crate::deep_potential::real::{Real, lanes, load, machine_lanes};
use crate::train::parameters::{LayerPlace, NetPlace};
use pulp::{Arch, Simd, WithSimd};

/// A hidden layer of one panel; arrays are `[output][atom]`.
#[derive(Debug)]
pub(super) struct PanelLayer<T> {
    pub place: LayerPlace,
    kept: Aligned<T>,
    /// `y`, then `ẏ`.
    pub output: [Aligned<T>; 2],
    /// `∂E/∂y`
    slope: Aligned<T>,
    /// `ż`
    moving: Aligned<T>,
    /// `ζ`, then `q`, as `[atom][output padded]`.
    pub turned: [Aligned<T>; 2],
    /// Gradients of biases and timesteps, summed over the panel.
    pub bias: Vec<T>,
    pub timestep: Vec<T>,
}

/// The fitting net of one panel.
#[derive(Debug)]
pub(super) struct PanelNet<T> {
    pub layers: Vec<PanelLayer<T>>,
    /// The last, linear layer.
    pub last: LayerPlace,
    /// Its gradient: weights, then the bias.
    pub last_gradient: Vec<T>,
    panel: usize,
}

/// Memory of a thread, reused.
#[derive(Debug)]
pub(super) struct Scratch<T> {
    /// `[output][atom]`
    first: Aligned<T>,
    second: Aligned<T>,
    adjoint: Aligned<T>,
    /// Adjoints of moments and of descriptors.
    pub moments: Aligned<T>,
    pub features: Aligned<T>,
}

impl<T: Real> Scratch<T> {
    /// For layers of at most `widest` outputs, and so many moments and descriptor entries.
    pub(super) fn new(arch: Arch, widest: usize, moments: usize, entries: usize) -> Self {
        let zeros = |rows: usize| Aligned::zeros(rows * PANEL * machine_lanes::<T>(arch));
        Scratch {
            first: zeros(widest),
            second: zeros(widest),
            adjoint: zeros(widest),
            moments: zeros(moments),
            features: zeros(entries),
        }
    }
}

impl<T: Real> PanelNet<T> {
    pub(super) fn new(arch: Arch, net: &NetPlace) -> Self {
        let panel = PANEL * machine_lanes::<T>(arch);
        let (last, hidden) = net.layers.split_last().expect("a net has layers");
        let layers = hidden
            .iter()
            .map(|place| {
                let h = place.outputs;
                let padded = h.next_multiple_of(machine_lanes::<T>(arch));
                PanelLayer {
                    place: *place,
                    kept: Aligned::zeros(h * panel),
                    output: std::array::from_fn(|_| Aligned::zeros(h * panel)),
                    slope: Aligned::zeros(h * panel),
                    moving: Aligned::zeros(h * panel),
                    turned: std::array::from_fn(|_| Aligned::zeros(panel * padded)),
                    bias: vec![T::ZERO; h],
                    timestep: vec![T::ZERO; h],
                }
            })
            .collect();
        PanelNet { layers, last: *last, last_gradient: vec![T::ZERO; last.inputs + 1], panel }
    }

    /// Energies of the panel's atoms from their descriptors.
    pub(super) fn forward(
        &mut self,
        arch: Arch,
        parameters: &[T],
        features: &[T],
        across: usize,
        energies: &mut [f64],
    ) {
        let panel = self.panel;
        for k in 0..self.layers.len() {
            let (before, rest) = self.layers.split_at_mut(k);
            let input = before.last().map_or(features, |layer| &layer.output[0]);
            let layer = &mut rest[0];
            along(arch, parameters, &layer.place, input, &mut layer.kept, panel, across);
            arch.dispatch(Ahead { layer, input, parameters, panel, across });
        }
        let y: &[T] = self.layers.last().map_or(features, |layer| &layer.output[0]);
        let bias = parameters[self.last.bias].to_f64();
        energies.fill(bias);
        let weights = &parameters[self.last.weight..self.last.weight + self.last.inputs];
        for (w, row) in weights.iter().zip(y.chunks_exact(panel)) {
            for (energy, y) in energies.iter_mut().zip(row) {
                *energy += (*w * *y).to_f64();
            }
        }
    }

    /// `∂E/∂D` of every atom, to `out`.
    pub(super) fn backward(
        &mut self,
        arch: Arch,
        parameters: &[T],
        across: usize,
        scratch: &mut Scratch<T>,
        out: &mut [T],
    ) {
        let panel = self.panel;
        let weights = &parameters[self.last.weight..self.last.weight + self.last.inputs];
        let top = self.layers.last_mut().expect("a fitting net has hidden layers");
        for (w, row) in weights.iter().zip(top.slope.chunks_exact_mut(panel)) {
            row.fill(*w);
        }
        for k in (0..self.layers.len()).rev() {
            let (before, rest) = self.layers.split_at_mut(k);
            let layer = &rest[0];
            arch.dispatch(Slopes { layer, parameters, panel, across, out: &mut scratch.first });
            let below = before.last_mut().map_or(&mut *out, |layer| &mut layer.slope);
            back(arch, parameters, &layer.place, &scratch.first, below, panel, across);
            skip_back(&layer.place, &layer.slope, below, panel);
        }
    }

    /// Tangents of all layers from those of the descriptors.
    pub(super) fn tangents(&mut self, arch: Arch, parameters: &[T], features: &[T], across: usize) {
        let panel = self.panel;
        for k in 0..self.layers.len() {
            let (before, rest) = self.layers.split_at_mut(k);
            let input = before.last().map_or(features, |layer| &layer.output[1]);
            let layer = &mut rest[0];
            along(arch, parameters, &layer.place, input, &mut layer.moving, panel, across);
            arch.dispatch(Moving { layer, input, parameters, panel, across });
        }
    }

    /// Adjoints of all layers, kept for the weight gradients; the adjoint of the descriptors goes to
    /// `scratch.features`. `energy_slopes` are the `μ` of the atoms that are there.
    pub(super) fn adjoints(
        &mut self,
        arch: Arch,
        parameters: &[T],
        energy_slopes: &[T],
        across: usize,
        scratch: &mut Scratch<T>,
    ) {
        let panel = self.panel;
        let weights = &parameters[self.last.weight..self.last.weight + self.last.inputs];
        let atoms = energy_slopes.len();
        for (w, row) in weights.iter().zip(scratch.adjoint.chunks_exact_mut(panel)) {
            row.iter_mut().zip(energy_slopes).for_each(|(p, mu)| *p = *w * *mu);
            row[atoms..].fill(T::ZERO);
        }
        self.last_gradient.fill(T::ZERO);
        if let Some(layer) = self.layers.last() {
            for (k, gradient) in self.last_gradient[..self.last.inputs].iter_mut().enumerate() {
                let y = &layer.output[0][k * panel..(k + 1) * panel];
                let moving = &layer.output[1][k * panel..(k + 1) * panel];
                for r in 0..atoms {
                    *gradient += energy_slopes[r] * y[r] + moving[r];
                }
            }
        }
        for mu in energy_slopes {
            self.last_gradient[self.last.inputs] += *mu;
        }
        for k in (0..self.layers.len()).rev() {
            let layer = &mut self.layers[k];
            let Scratch { first, second, adjoint, features, .. } = scratch;
            arch.dispatch(Adjoints { layer, parameters, panel, across, adjoint, first, second });
            let padded = layer.place.outputs.next_multiple_of(machine_lanes::<T>(arch));
            for (turned, from) in layer.turned.iter_mut().zip([&*first, &*second]) {
                turn(from, layer.place.outputs, (panel, atoms), padded, turned);
            }
            if k == 0 {
                back(arch, parameters, &layer.place, first, features, panel, across);
                skip_back(&layer.place, adjoint, features, panel);
            } else {
                back(arch, parameters, &layer.place, first, second, panel, across);
                skip_back(&layer.place, adjoint, second, panel);
                std::mem::swap(adjoint, second);
            }
        }
    }
}

/// Side of the squares of [`turn`].
const SQUARE: usize = 16;

/// `[output][atom]` to `[atom][output padded]`, in squares that stay in the first cache; rows of
/// atoms that are not there become zero.
fn turn<T: Real>(
    from: &[T],
    outputs: usize,
    (panel, atoms): (usize, usize),
    padded: usize,
    to: &mut [T],
) {
    to[atoms * padded..].fill(T::ZERO);
    for first in (0..outputs).step_by(SQUARE) {
        let outputs = first..(first + SQUARE).min(outputs);
        for r in 0..atoms {
            let row = &mut to[r * padded..(r + 1) * padded];
            for o in outputs.clone() {
                row[o] = from[o * panel + r];
            }
        }
    }
}

/// `z = x W`
fn along<T: Real>(
    arch: Arch,
    parameters: &[T],
    place: &LayerPlace,
    x: &[T],
    z: &mut [T],
    panel: usize,
    across: usize,
) {
    arch.dispatch(Product {
        a: &parameters[place.weight..place.weight + place.inputs * place.outputs],
        row_stride: 1,
        depth_stride: place.outputs,
        b: x,
        b_stride: panel,
        c: z,
        c_stride: panel,
        rows: place.outputs,
        depth: place.inputs,
        across,
    });
}

/// `x̄ = W z̄`
fn back<T: Real>(
    arch: Arch,
    parameters: &[T],
    place: &LayerPlace,
    z: &[T],
    x: &mut [T],
    panel: usize,
    across: usize,
) {
    arch.dispatch(Product {
        a: &parameters[place.weight..place.weight + place.inputs * place.outputs],
        row_stride: place.outputs,
        depth_stride: 1,
        b: z,
        b_stride: panel,
        c: x,
        c_stride: panel,
        rows: place.inputs,
        depth: place.outputs,
        across,
    });
}

/// Adds what the skip connection carries back from outputs to inputs; rows are `panel` apart.
pub(super) fn skip_back<T: Real>(place: &LayerPlace, outer: &[T], inner: &mut [T], panel: usize) {
    if place.skip == Skip::None {
        return;
    }
    for o in 0..place.outputs {
        let i = o % place.inputs;
        let from = &outer[o * panel..(o + 1) * panel];
        inner[i * panel..(i + 1) * panel].iter_mut().zip(from).for_each(|(x, y)| *x += *y);
    }
}

fn timestep<T: Real>(place: &LayerPlace, parameters: &[T], o: usize) -> T {
    place.timestep.map_or(T::ONE, |at| parameters[at + o])
}

/// Activation and output of a layer whose `kept` holds `x W`.
struct Ahead<'a, T> {
    layer: &'a mut PanelLayer<T>,
    input: &'a [T],
    parameters: &'a [T],
    panel: usize,
    across: usize,
}

impl<T: Real> WithSimd for Ahead<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.across * lanes::<T, S>();
        with_curve!(self.layer.place.activation, curve, self.run(curve, width));
    }
}

impl<T: Real> Ahead<'_, T> {
    #[inline(always)]
    fn run<C: Curve>(self, curve: C, width: usize) {
        let PanelLayer { place, kept, output: [output, _], .. } = self.layer;
        let skip = if place.skip == Skip::None { T::ZERO } else { T::ONE };
        for o in 0..place.outputs {
            let bias = self.parameters[place.bias + o];
            let timestep = timestep(place, self.parameters, o);
            let (row, below) = (o * self.panel, o % place.inputs * self.panel);
            let kept = &mut kept[row..row + width];
            let y = &mut output[row..row + width];
            let x = &self.input[below..below + width];
            for r in 0..width {
                kept[r] = curve.keep(kept[r] + bias);
                let [value, ..] = curve.derivatives(kept[r]);
                y[r] = value * timestep + skip * x[r];
            }
        }
    }
}

/// `q = g t φ′`
struct Slopes<'a, T> {
    layer: &'a PanelLayer<T>,
    parameters: &'a [T],
    panel: usize,
    across: usize,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Slopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.across * lanes::<T, S>();
        with_curve!(self.layer.place.activation, curve, self.run(curve, width));
    }
}

impl<T: Real> Slopes<'_, T> {
    #[inline(always)]
    fn run<C: Curve>(self, curve: C, width: usize) {
        let layer = self.layer;
        for o in 0..layer.place.outputs {
            let timestep = timestep(&layer.place, self.parameters, o);
            let row = o * self.panel..o * self.panel + width;
            let (kept, g) = (&layer.kept[row.clone()], &layer.slope[row.clone()]);
            let q = &mut self.out[row];
            for r in 0..width {
                let [_, slope, ..] = curve.derivatives(kept[r]);
                q[r] = g[r] * timestep * slope;
            }
        }
    }
}

/// `ẏ` of a layer whose `moving` holds `ẋ W`.
struct Moving<'a, T> {
    layer: &'a mut PanelLayer<T>,
    input: &'a [T],
    parameters: &'a [T],
    panel: usize,
    across: usize,
}

impl<T: Real> WithSimd for Moving<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.across * lanes::<T, S>();
        with_curve!(self.layer.place.activation, curve, self.run(curve, width));
    }
}

impl<T: Real> Moving<'_, T> {
    #[inline(always)]
    fn run<C: Curve>(self, curve: C, width: usize) {
        let PanelLayer { place, kept, output: [_, output], moving, .. } = self.layer;
        let skip = if place.skip == Skip::None { T::ZERO } else { T::ONE };
        for o in 0..place.outputs {
            let timestep = timestep(place, self.parameters, o);
            let (row, below) = (o * self.panel, o % place.inputs * self.panel);
            let (kept, moving) = (&kept[row..row + width], &moving[row..row + width]);
            let y = &mut output[row..row + width];
            let x = &self.input[below..below + width];
            for r in 0..width {
                let [_, slope, ..] = curve.derivatives(kept[r]);
                y[r] = slope * moving[r] * timestep + skip * x[r];
            }
        }
    }
}

/// `ζ` and `q` of a layer from the adjoint of its output; gradients of biases and timesteps.
struct Adjoints<'a, T> {
    layer: &'a mut PanelLayer<T>,
    parameters: &'a [T],
    panel: usize,
    across: usize,
    adjoint: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
}

impl<T: Real> WithSimd for Adjoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_curve!(self.layer.place.activation, curve, self.run(simd, curve));
    }
}

impl<T: Real> Adjoints<'_, T> {
    #[inline(always)]
    fn run<S: Simd, C: Curve>(self, simd: S, curve: C) {
        let width = self.across * lanes::<T, S>();
        let Adjoints { layer, parameters, panel, adjoint, first, second, .. } = self;
        for o in 0..layer.place.outputs {
            let timestep = timestep(&layer.place, parameters, o);
            let row = o * panel..o * panel + width;
            let (kept, g) = (&layer.kept[row.clone()], &layer.slope[row.clone()]);
            let (moving, p) = (&layer.moving[row.clone()], &adjoint[row.clone()]);
            let (zeta, q) = (&mut first[row.clone()], &mut second[row]);
            if layer.place.timestep.is_some() {
                for r in 0..width {
                    let [value, slope, ..] = curve.derivatives(kept[r]);
                    q[r] = p[r] * value + g[r] * slope * moving[r];
                }
                layer.timestep[o] = total::<T, S>(simd, q);
            }
            for r in 0..width {
                let [_, slope, bend, _] = curve.derivatives(kept[r]);
                zeta[r] = (p[r] * slope + g[r] * bend * moving[r]) * timestep;
                q[r] = g[r] * timestep * slope;
            }
            layer.bias[o] = total::<T, S>(simd, zeta);
        }
    }
}

/// Sum of full registers.
#[inline(always)]
fn total<T: Real, S: Simd>(simd: S, row: &[T]) -> T {
    let mut sum = T::splat(simd, T::ZERO);
    let mut at = 0;
    while at < row.len() {
        sum = T::vector_add(simd, sum, load::<T, S>(row, at));
        at += lanes::<T, S>();
    }
    T::sum(simd, sum)
}
