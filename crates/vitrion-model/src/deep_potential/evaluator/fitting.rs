//! Fitting nets of one species for a block of centres: energies, and `∂E/∂D` by the way back.
//!
//! Forward `y_k = act(y_{k−1} W_k + b_k) ⊙ idt_k + skip`, backward `u_{k−1} = (u_k ⊙ slope_k) W_kᵀ +
//! skipᵀ(u_k)` with `u = ∂E/∂y`. Bias, activation and slopes are applied to each tile of a product
//! while it is in the registers or the first cache.

use super::super::activation::Activation;
use super::super::aligned::Aligned;
use super::super::gemm::{ACROSS, Epilogue, Packed, Product};
use super::super::network::{Layer, Network, Skip};
use super::super::real::{Real, lanes, machine_lanes};
use super::descriptor::Layout;
use pulp::{Arch, Simd};

/// A fitting net, packed.
#[derive(Debug)]
pub(super) struct FittingNet<T> {
    hidden: Vec<Hidden<T>>,
    /// Weights of the single output.
    output: Aligned<T>,
    output_bias: f64,
    output_activation: Activation,
    /// Numbers of a packed descriptor.
    features: usize,
    /// Place of each feature of the model's descriptor in the packed one, for skips from it.
    places: Vec<u32>,
}

#[derive(Debug)]
struct Hidden<T> {
    inputs: usize,
    outputs: usize,
    forward: Packed<T>,
    backward: Packed<T>,
    bias: Aligned<T>,
    timestep: Option<Aligned<T>>,
    activation: Activation,
    skip: Skip,
}

/// Buffers of a block, kept from step to step.
#[derive(Debug)]
pub(super) struct FittingWorkspace<T> {
    /// Descriptors, later `∂E/∂D`; rows are `stride` apart.
    pub(super) features: Aligned<T>,
    pub(super) stride: usize,
    /// `y` of each hidden layer.
    outputs: Vec<Aligned<T>>,
    /// `∂y/∂z` of each hidden layer, later `∂E/∂z`.
    slopes: Vec<Aligned<T>>,
    /// `∂E/∂y` of the layer at hand, and of the one before.
    upstream: Aligned<T>,
    downstream: Aligned<T>,
}

impl<T: Real> FittingWorkspace<T> {
    /// Room for blocks of `rows` centres in any of these nets.
    pub(super) fn new(arch: Arch, rows: usize, nets: &[&[FittingNet<T>]]) -> Self {
        let room = machine_lanes::<T>(arch) * ACROSS;
        let nets = || nets.iter().copied().flatten();
        let hidden = || nets().flat_map(|net| &net.hidden);
        let stride = nets()
            .map(|net| net.features + room)
            .chain(hidden().map(|layer| layer.backward.stride()))
            .max()
            .unwrap_or(room);
        let widest = hidden().map(|layer| layer.forward.stride()).max().unwrap_or(0);
        let layers = nets().map(|net| net.hidden.len()).max().unwrap_or(0);
        // a doubled skip reads beyond the last row
        let rows_of = |width: usize| Aligned::zeros(rows * width + widest + room);
        FittingWorkspace {
            features: rows_of(stride),
            stride,
            outputs: (0..layers).map(|_| rows_of(widest)).collect(),
            slopes: (0..layers).map(|_| rows_of(widest)).collect(),
            upstream: rows_of(widest),
            downstream: rows_of(widest),
        }
    }
}

impl<T: Real> FittingNet<T> {
    /// Packs a net whose features are ordered `m · A + a` for features ordered by `layout`.
    pub(super) fn new(arch: Arch, net: &Network, layout: Layout) -> Self {
        let (output, hidden) = net.layers.split_last().expect("a net has layers");
        assert_eq!(output.outputs, 1, "a fitting net has one output");
        let axis = layout.axis;
        let entries = layout.entries();
        // both halves of the symmetric part act on the same number
        let folded = |layer: &Layer, place: usize, n: usize| {
            let (m, a) = entries[place];
            let weight = |m: usize, a: usize| layer.weight[(m * axis + a) * layer.outputs + n];
            if m < axis && m != a { weight(m, a) + weight(a, m) } else { weight(m, a) }
        };
        let pack = |(k, layer): (usize, &Layer)| {
            let inputs = if k == 0 { entries.len() } else { layer.inputs };
            let weight = |i: usize, n: usize| {
                if k == 0 { folded(layer, i, n) } else { layer.weight[i * layer.outputs + n] }
            };
            let forward = Packed::new(arch, inputs, layer.outputs, weight);
            let stride = forward.stride();
            let padded = |values: &[f64]| {
                let mut row = Aligned::zeros(stride);
                for (x, v) in row.iter_mut().zip(values) {
                    *x = T::from_f64(*v);
                }
                row
            };
            Hidden {
                inputs,
                outputs: layer.outputs,
                backward: Packed::new(arch, layer.outputs, inputs, |n, i| weight(i, n)),
                bias: padded(&layer.bias),
                timestep: layer.timestep.as_deref().map(padded),
                activation: layer.activation,
                skip: layer.skip(),
                forward,
            }
        };
        let inputs = if hidden.is_empty() { entries.len() } else { output.inputs };
        let weights: Vec<T> = (0..inputs)
            .map(|i| if hidden.is_empty() { folded(output, i, 0) } else { output.weight[i] })
            .map(T::from_f64)
            .collect();
        let places = (0..layout.width * axis).map(|f| layout.place(f / axis, f % axis) as u32);
        FittingNet {
            hidden: hidden.iter().enumerate().map(pack).collect(),
            output: Aligned::from_slice(&weights),
            output_bias: output.bias[0],
            output_activation: output.activation,
            features: entries.len(),
            places: places.collect(),
        }
    }

    /// Multiplications and additions of one centre, forward and backward.
    pub(super) fn flops(&self) -> f64 {
        let hidden: usize = self.hidden.iter().map(|l| l.inputs * l.outputs).sum();
        4.0 * (hidden + self.output.len()) as f64
    }

    /// Adds the energies of `rows` centres, whose descriptors are in `work.features`, and turns
    /// those into `∂E/∂D`.
    pub(super) fn evaluate(
        &self,
        arch: Arch,
        rows: usize,
        work: &mut FittingWorkspace<T>,
        energies: &mut [f64],
    ) {
        for k in 0..self.hidden.len() {
            self.forward(arch, rows, k, work);
        }
        self.output(rows, work, energies);
        for k in (0..self.hidden.len()).rev() {
            self.backward(arch, rows, k, work);
            std::mem::swap(&mut work.upstream, &mut work.downstream);
        }
    }

    /// `y_k` and its slopes.
    fn forward(&self, arch: Arch, rows: usize, k: usize, work: &mut FittingWorkspace<T>) {
        let layer = &self.hidden[k];
        let (before, now) = work.outputs.split_at_mut(k);
        let (input, stride): (&[T], usize) = match k {
            0 => (&work.features, work.stride),
            _ => (&before[k - 1], self.hidden[k - 1].forward.stride()),
        };
        let (out, slopes) = (&mut now[0][..], &mut work.slopes[k][..]);
        let fused = layer.skip == Skip::Identity && k > 0;
        let skip = if fused { Some(input) } else { None };
        let (b, width) = (&layer.forward, layer.forward.stride());
        let epilogue = Activate { layer, skip, slopes, width };
        arch.dispatch(Product { rows, a: input, stride, b, out, out_stride: width, epilogue });
        if layer.skip != Skip::None && !fused {
            for row in 0..rows {
                for o in 0..layer.outputs {
                    now[0][row * width + o] += input[row * stride + self.skip_source(k, o)];
                }
            }
        }
    }

    /// Energies, and `∂E/∂z` of the last hidden layer.
    fn output(&self, rows: usize, work: &mut FittingWorkspace<T>, energies: &mut [f64]) {
        let n = self.output.len();
        for (row, energy) in energies.iter_mut().enumerate().take(rows) {
            let y = match self.hidden.last() {
                Some(layer) => {
                    &work.outputs[self.hidden.len() - 1][row * layer.forward.stride()..][..n]
                }
                None => &work.features[row * work.stride..][..n],
            };
            let z = dot(y, &self.output) + self.output_bias;
            let (value, slope, _) = self.output_activation.derivatives(z);
            *energy += value;
            let slope = T::from_f64(slope);
            if let Some(layer) = self.hidden.last() {
                let at = row * layer.forward.stride();
                let slopes = &mut work.slopes[self.hidden.len() - 1][at..][..n];
                let up = &mut work.upstream[at..][..n];
                for k in 0..n {
                    up[k] = self.output[k] * slope;
                    slopes[k] = slopes[k] * up[k];
                }
            } else {
                let gradient = &mut work.features[row * work.stride..][..n];
                for (g, w) in gradient.iter_mut().zip(self.output.iter()) {
                    *g = *w * slope;
                }
            }
        }
    }

    /// From `∂E/∂z_k` to `∂E/∂y_{k−1}` and `∂E/∂z_{k−1}`, or to `∂E/∂D` for the first layer.
    fn backward(&self, arch: Arch, rows: usize, k: usize, work: &mut FittingWorkspace<T>) {
        let layer = &self.hidden[k];
        let stride = layer.forward.stride();
        let (before, now) = work.slopes.split_at_mut(k);
        let (a, b) = (&now[0][..], &layer.backward);
        let upstream = &work.upstream[..];
        if k > 0 {
            let (out, slopes) = (&mut work.downstream[..], &mut before[k - 1][..]);
            let (inputs, width, skip) = (layer.inputs, b.stride(), layer.skip);
            let epilogue = Chain { upstream, stride, inputs, skip, slopes, width };
            arch.dispatch(Product { rows, a, stride, b, out, out_stride: width, epilogue });
            return;
        }
        let (out, width) = (&mut work.features[..], work.stride);
        arch.dispatch(Product { rows, a, stride, b, out, out_stride: width, epilogue: Keep });
        if layer.skip != Skip::None {
            for row in 0..rows {
                for o in 0..layer.outputs {
                    let to = row * width + self.skip_source(0, o);
                    work.features[to] += upstream[row * stride + o];
                }
            }
        }
    }

    /// The input that a skip connection adds to output `o` of hidden layer `k`.
    fn skip_source(&self, k: usize, o: usize) -> usize {
        if k == 0 { self.places[o % self.places.len()] as usize } else { o % self.hidden[k].inputs }
    }
}

/// `Σ x y` in f64, eight chains at a time.
#[inline(always)]
fn dot<T: Real>(x: &[T], y: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    let (xs, ys) = (x.chunks(8), y.chunks(8));
    for (x, y) in xs.zip(ys) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x.to_f64() * y.to_f64();
        }
    }
    sums.iter().sum()
}

/// Bias, activation, time step and skip on a forward product; slopes beside.
struct Activate<'a, T> {
    layer: &'a Hidden<T>,
    skip: Option<&'a [T]>,
    slopes: &'a mut [T],
    width: usize,
}

impl<T: Real> Epilogue<T> for Activate<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, row: usize, column: usize, y: &mut [T]) {
        let n = ACROSS * lanes::<T, S>();
        let y = &mut y[..n];
        let at = row * self.width + column;
        let slope = &mut self.slopes[at..at + n];
        let bias = &self.layer.bias[column..column + n];
        if self.layer.activation == Activation::Tanh {
            for k in 0..n {
                let t = (y[k] + bias[k]).tanh();
                y[k] = t;
                slope[k] = T::ONE - t * t;
            }
        } else {
            for k in 0..n {
                let z = (y[k] + bias[k]).to_f64();
                let (f, df, _) = self.layer.activation.derivatives(z);
                y[k] = T::from_f64(f);
                slope[k] = T::from_f64(df);
            }
        }
        if let Some(timestep) = &self.layer.timestep {
            let timestep = &timestep[column..column + n];
            for k in 0..n {
                y[k] = y[k] * timestep[k];
                slope[k] = slope[k] * timestep[k];
            }
        }
        if let Some(x) = self.skip {
            let x = &x[at..at + n];
            for k in 0..n {
                y[k] += x[k];
            }
        }
    }
}

/// `∂E/∂y` of the layer before, skip included, and its `∂E/∂z` in place of the slopes.
struct Chain<'a, T> {
    upstream: &'a [T],
    stride: usize,
    inputs: usize,
    skip: Skip,
    slopes: &'a mut [T],
    width: usize,
}

impl<T: Real> Epilogue<T> for Chain<'_, T> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, row: usize, column: usize, g: &mut [T]) {
        let n = ACROSS * lanes::<T, S>();
        let g = &mut g[..n];
        let from = row * self.stride + column;
        if self.skip != Skip::None {
            let u = &self.upstream[from..from + n];
            for k in 0..n {
                g[k] += u[k];
            }
        }
        if self.skip == Skip::Doubled {
            let u = &self.upstream[from + self.inputs..from + self.inputs + n];
            for k in 0..n {
                g[k] += u[k];
            }
        }
        let at = row * self.width + column;
        let slope = &mut self.slopes[at..at + n];
        for k in 0..n {
            slope[k] = slope[k] * g[k];
        }
    }
}

/// Leaves a product as it is.
struct Keep;

impl<T: Real> Epilogue<T> for Keep {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, _: usize, _: usize, _: &mut [T]) {}
}
