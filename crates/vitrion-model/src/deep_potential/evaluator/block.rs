//! One block of centres of one species: environment → embedding → descriptor → fitting net, and
//! back to the gradient of every pair.

use super::super::activation::Activation;
use super::super::gemm;
use super::super::network::{Layer, Skip};
use super::super::real::{LANES, Real};
use super::super::switching::weight;
use super::super::table::{Bound, Table, lane_values, lane_values_slopes, lanes};
use super::super::{DeepPotential, Descriptor};
use vitrion_core::NeighborList;

/// Centres per block: enough rows for the matrix products, few enough for the caches.
const CENTRES: usize = 64;
/// Nearest distance that tables cover [Å]; closer pairs are evaluated exactly.
const NEAREST: f64 = 0.6;

/// A model prepared for evaluation in precision `T`.
pub(super) struct Batch<T> {
    descriptor: Descriptor,
    tables: Vec<Table<T>>,
    /// Table of a pair, if it has a net and is not excluded.
    table_of: Vec<Option<usize>>,
    /// Padding term of a pair, `[4][padded]`; empty where there is none.
    padding: Vec<Vec<f64>>,
    fitting: Vec<Vec<FittingLayer<T>>>,
    /// Constant energy of a species; `None` where the fitting net is not evaluated.
    bias: Vec<f64>,
    has_net: Vec<bool>,
    width: usize,
    padded: usize,
    arch: pulp::Arch,
}

struct FittingLayer<T> {
    inputs: usize,
    outputs: usize,
    weight: Vec<T>,
    bias: Vec<T>,
    timestep: Option<Vec<T>>,
    activation: Activation,
    skip: Skip,
}

impl<T: Real> FittingLayer<T> {
    fn new(layer: &Layer) -> Self {
        let convert = |v: &[f64]| v.iter().map(|x| T::from_f64(*x)).collect::<Vec<T>>();
        FittingLayer {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weight: convert(&layer.weight),
            bias: convert(&layer.bias),
            timestep: layer.timestep.as_deref().map(convert),
            activation: layer.activation,
            skip: layer.skip(),
        }
    }
}

/// What is kept of a neighbour between the forward and the backward pass.
#[derive(Debug, Clone, Copy)]
struct Kept<T> {
    /// Entry in the neighbour list.
    pair_index: usize,
    /// `centre · n + neighbour` species.
    pair: usize,
    /// Normalised environment row.
    normal: [T; 4],
    input: f64,
    unit: [f64; 3],
    /// Slope of `w/(r+p)`; value and slope of `w/(r+p)²`.
    radial: [f64; 3],
}

/// Workspace and results of one block; buffers are kept from step to step.
pub(super) struct Block<T> {
    species: usize,
    atoms: Vec<usize>,
    kept: Vec<Kept<T>>,
    /// Row of each centre in `kept`.
    offsets: Vec<usize>,
    /// `[centre][4][padded]`
    moments: Vec<T>,
    moment_gradient: Vec<T>,
    /// `[centre][M · A]`, later its gradient.
    descriptors: Vec<T>,
    descriptor_gradient: Vec<T>,
    /// Per layer: activated outputs and slopes, `[centre][outputs]`.
    outputs: Vec<Vec<T>>,
    slopes: Vec<Vec<T>>,
    upstream: Vec<T>,
    downstream: Vec<T>,
    value: Vec<T>,
    slope: Vec<T>,
    counts: Vec<f64>,
    energies: Vec<f64>,
    gradient: Vec<[f64; 3]>,
}

impl<T: Real> Block<T> {
    pub(super) fn new(batch: &Batch<T>) -> Self {
        let d = batch.width * batch.descriptor.axis;
        let widest = batch.fitting.iter().flatten().map(|l| l.outputs).max().unwrap_or(1).max(d);
        let layers = batch.fitting.iter().map(Vec::len).max().unwrap_or(0);
        Block {
            species: 0,
            atoms: Vec::with_capacity(CENTRES),
            kept: Vec::new(),
            offsets: Vec::with_capacity(CENTRES + 1),
            moments: vec![T::ZERO; CENTRES * 4 * batch.padded],
            moment_gradient: vec![T::ZERO; 4 * batch.padded],
            descriptors: vec![T::ZERO; CENTRES * d],
            descriptor_gradient: vec![T::ZERO; CENTRES * d],
            outputs: vec![Vec::new(); layers],
            slopes: vec![Vec::new(); layers],
            upstream: vec![T::ZERO; CENTRES * widest],
            downstream: vec![T::ZERO; CENTRES * widest],
            value: vec![T::ZERO; batch.padded],
            slope: vec![T::ZERO; batch.padded],
            counts: vec![0.0; batch.species()],
            energies: Vec::with_capacity(CENTRES),
            gradient: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, species: usize) {
        self.species = species;
        self.atoms.clear();
    }

    pub(super) fn push(&mut self, atom: usize) {
        self.atoms.push(atom);
    }

    pub(super) fn is_full(&self) -> bool {
        self.atoms.len() == CENTRES
    }

    /// Copies energies and pair gradients to their places in the whole system.
    pub(super) fn collect(&self, gradient: &mut [[f64; 3]], energies: &mut [f64]) {
        for (atom, energy) in self.atoms.iter().zip(&self.energies) {
            energies[*atom] = *energy;
        }
        for (kept, g) in self.kept.iter().zip(&self.gradient) {
            gradient[kept.pair_index] = *g;
        }
    }
}

impl<T: Real> Batch<T> {
    pub(super) fn new(model: &DeepPotential, wanted: Bound) -> Self {
        let descriptor = model.descriptor.clone();
        let n = model.species.len();
        let width = descriptor.width();
        let padded = width.next_multiple_of(LANES);
        let mut tables = Vec::new();
        let mut table_of = vec![None; n * n];
        let groups = if descriptor.one_side { n } else { n * n };
        for group in 0..groups {
            let Some(network) = &descriptor.embedding[group] else { continue };
            let pairs: Vec<usize> = (0..n * n)
                .filter(|pair| if descriptor.one_side { pair % n == group } else { *pair == group })
                .filter(|pair| !descriptor.excluded[*pair] && !descriptor.pair_excluded[*pair])
                .collect();
            if pairs.is_empty() {
                continue;
            }
            // inputs run from −mean/std at the cut-off to (1/r − mean)/std at the nearest distance
            let end =
                |row: f64, pair: usize| (row - descriptor.mean[pair][0]) / descriptor.std[pair][0];
            let lower = pairs.iter().map(|p| end(0.0, *p)).fold(f64::INFINITY, f64::min);
            let near = 1.0 / (NEAREST + descriptor.protection);
            let upper = pairs.iter().map(|p| end(near, *p)).fold(f64::NEG_INFINITY, f64::max);
            for pair in &pairs {
                table_of[*pair] = Some(tables.len());
            }
            tables.push(Table::new(network.clone(), lower - 1e-9, upper, wanted));
        }
        let padding = (0..n * n)
            .map(|pair| {
                if descriptor.excluded[pair] && !descriptor.excluded_keep_padding {
                    return Vec::new();
                }
                let Some(term) = descriptor.padding(pair) else { return Vec::new() };
                if term.iter().all(|x| x.abs() < f64::MIN_POSITIVE) {
                    return Vec::new();
                }
                let mut rows = vec![0.0; 4 * padded];
                for m in 0..width {
                    for c in 0..4 {
                        rows[c * padded + m] = term[m * 4 + c];
                    }
                }
                rows
            })
            .collect();
        let has_net: Vec<bool> =
            (0..n).map(|t| !model.fitting_excluded[t] && !model.atom_excluded[t]).collect();
        let bias = (0..n)
            .map(|t| match (model.atom_excluded[t], model.fitting_excluded[t]) {
                (true, _) => 0.0,
                (false, true) => model.out_bias[t],
                (false, false) => model.out_bias[t] + model.energy_bias[t],
            })
            .collect();
        let fitting = model
            .fitting
            .iter()
            .map(|net| net.layers.iter().map(FittingLayer::new).collect())
            .collect();
        Batch {
            descriptor,
            tables,
            table_of,
            padding,
            fitting,
            bias,
            has_net,
            width,
            padded,
            arch: pulp::Arch::new(),
        }
    }

    pub(super) fn species(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn describe(&self) -> String {
        let tabulated: Vec<&Table<T>> =
            self.tables.iter().filter(|t| t.stride().is_some()).collect();
        let bytes: usize = self.tables.iter().map(Table::bytes).sum();
        let value = tabulated.iter().map(|t| t.bound().value).fold(0.0, f64::max);
        let slope = tabulated.iter().map(|t| t.bound().slope).fold(0.0, f64::max);
        let finest = tabulated.iter().filter_map(|t| t.stride()).fold(f64::INFINITY, f64::min);
        if tabulated.is_empty() {
            return "embedding nets evaluated exactly".into();
        }
        format!(
            "{} of {} embedding nets tabulated (quintic, spacing {finest}, {:.1} MB), measured \
             error {value:.1e} in values and {slope:.1e} in slopes",
            tabulated.len(),
            self.tables.len(),
            bytes as f64 / 1e6
        )
    }

    /// Energies and pair gradients of a block.
    pub(super) fn evaluate(&self, block: &mut Block<T>, species: &[u8], list: &NeighborList) {
        block.kept.clear();
        block.offsets.clear();
        block.gradient.clear();
        block.energies.clear();
        block.energies.resize(block.atoms.len(), self.bias[block.species]);
        if !self.has_net[block.species] {
            return;
        }
        self.arch.dispatch(Forward { batch: self, block, species, list });
        self.fitting_net(block);
        self.arch.dispatch(Backward { batch: self, block, list });
    }

    /// `T = 1/N_m Σ G ⊗ R̃` of every centre.
    #[inline(always)]
    fn moments(&self, block: &mut Block<T>, species: &[u8], list: &NeighborList) {
        let descriptor = &self.descriptor;
        let n = self.species();
        let padded = self.padded;
        let per_slot = T::from_f64(1.0 / descriptor.slots() as f64);
        for (row, atom) in block.atoms.iter().enumerate() {
            block.offsets.push(block.kept.len());
            block.counts.fill(0.0);
            let moments = &mut block.moments[row * 4 * padded..(row + 1) * 4 * padded];
            moments.fill(T::ZERO);
            for p in list.row(*atom) {
                let v = list.vector[p];
                let r2 = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
                if r2 >= descriptor.cutoff * descriptor.cutoff {
                    continue;
                }
                let neighbor = usize::from(species[list.index[p] as usize]);
                let pair = block.species * n + neighbor;
                if descriptor.pair_excluded[pair] {
                    continue;
                }
                block.counts[neighbor] += 1.0;
                let Some(table) = self.table_of[pair] else { continue };
                let kept = keep(descriptor, p, pair, v, r2);
                accumulate(
                    &self.tables[table],
                    &kept,
                    padded,
                    moments,
                    &mut block.value,
                    &mut block.slope,
                );
                block.kept.push(kept);
            }
            for neighbor in 0..n {
                let padding = &self.padding[block.species * n + neighbor];
                if padding.is_empty() {
                    continue;
                }
                let empty = descriptor.sel[neighbor] as f64 - block.counts[neighbor];
                for (moment, term) in moments.iter_mut().zip(padding) {
                    *moment += T::from_f64(empty * term);
                }
            }
            for moment in moments {
                *moment = *moment * per_slot;
            }
        }
        block.offsets.push(block.kept.len());
    }

    /// `D = T · T[..A]ᵀ` of every centre.
    #[inline(always)]
    fn descriptors(&self, block: &mut Block<T>) {
        let (m, axis, padded) = (self.width, self.descriptor.axis, self.padded);
        for row in 0..block.atoms.len() {
            let moments = &block.moments[row * 4 * padded..(row + 1) * 4 * padded];
            let d = &mut block.descriptors[row * m * axis..(row + 1) * m * axis];
            for (k, out) in d.chunks_exact_mut(axis).enumerate() {
                let t = [
                    moments[k],
                    moments[padded + k],
                    moments[2 * padded + k],
                    moments[3 * padded + k],
                ];
                for (a, x) in out.iter_mut().enumerate() {
                    let mut sum = t[0] * moments[a];
                    for c in 1..4 {
                        sum = t[c].fma(moments[c * padded + a], sum);
                    }
                    *x = sum;
                }
            }
        }
    }

    /// Energies, and `∂E/∂D` in `descriptor_gradient`.
    fn fitting_net(&self, block: &mut Block<T>) {
        let rows = block.atoms.len();
        let layers = &self.fitting[block.species];
        for (k, layer) in layers.iter().enumerate() {
            let size = rows * layer.outputs;
            let (before, now) = block.outputs.split_at_mut(k);
            let input: &[T] = if k == 0 { &block.descriptors } else { &before[k - 1] };
            let output = &mut now[0];
            output.resize(size, T::ZERO);
            block.slopes[k].resize(size, T::ZERO);
            gemm::product(rows, layer.inputs, layer.outputs, input, &layer.weight, output);
            let slopes = &mut block.slopes[k];
            self.arch.dispatch(Activate { layer, rows, input, output, slopes });
        }
        let last = layers.len() - 1;
        for row in 0..rows {
            block.energies[row] += block.outputs[last][row].to_f64();
        }
        // backwards: start from ∂E/∂E = 1
        block.upstream[..rows].fill(T::ONE);
        for (k, layer) in layers.iter().enumerate().rev() {
            let size = rows * layer.outputs;
            let slopes = &mut block.slopes[k];
            for (slope, up) in slopes.iter_mut().zip(&block.upstream[..size]) {
                *slope = *slope * *up;
            }
            let target: &mut [T] =
                if k == 0 { &mut block.descriptor_gradient } else { &mut block.downstream };
            gemm::product_transposed(
                rows,
                layer.outputs,
                layer.inputs,
                slopes,
                &layer.weight,
                target,
            );
            if layer.skip != Skip::None {
                for row in 0..rows {
                    for o in 0..layer.outputs {
                        target[row * layer.inputs + o % layer.inputs] +=
                            block.upstream[row * layer.outputs + o];
                    }
                }
            }
            if k > 0 {
                std::mem::swap(&mut block.upstream, &mut block.downstream);
            }
        }
    }

    /// `∂E/∂r_ij` of every kept pair.
    #[inline(always)]
    fn gradients(&self, block: &mut Block<T>, list: &NeighborList) {
        let descriptor = &self.descriptor;
        let (m, axis, padded) = (self.width, descriptor.axis, self.padded);
        let per_slot = T::from_f64(1.0 / descriptor.slots() as f64);
        let dt = &mut block.moment_gradient;
        for row in 0..block.atoms.len() {
            let moments = &block.moments[row * 4 * padded..(row + 1) * 4 * padded];
            let dd = &block.descriptor_gradient[row * m * axis..(row + 1) * m * axis];
            dt.fill(T::ZERO);
            for (k, d) in dd.chunks_exact(axis).enumerate() {
                for c in 0..4 {
                    let t = moments[c * padded + k];
                    let (left, right) =
                        (&moments[c * padded..c * padded + axis], &mut dt[c * padded..]);
                    let mut sum = T::ZERO;
                    for a in 0..axis {
                        sum = d[a].fma(left[a], sum);
                        right[a] = d[a].fma(t, right[a]);
                    }
                    right[k] += sum;
                }
            }
            for x in dt.iter_mut() {
                *x = *x * per_slot;
            }
            for kept in &block.kept[block.offsets[row]..block.offsets[row + 1]] {
                let table = &self.tables[self.table_of[kept.pair].expect("kept pairs have one")];
                let d_normal =
                    contract(table, kept, padded, dt, &mut block.value, &mut block.slope);
                let std = descriptor.std[kept.pair];
                let d_row: [f64; 4] = std::array::from_fn(|c| d_normal[c] / std[c]);
                let v = list.vector[kept.pair_index];
                let [ds, t, t_slope] = kept.radial;
                let along =
                    d_row[0] * ds + t_slope * (d_row[1] * v[0] + d_row[2] * v[1] + d_row[3] * v[2]);
                block
                    .gradient
                    .push(std::array::from_fn(|k| along * kept.unit[k] + t * d_row[k + 1]));
            }
        }
    }
}

// `pulp` compiles `with_simd`, and everything inlined into it, once per instruction set. A closure
// would not do: its call is a separate function that is compiled without those instructions.

struct Forward<'a, T> {
    batch: &'a Batch<T>,
    block: &'a mut Block<T>,
    species: &'a [u8],
    list: &'a NeighborList,
}

impl<T: Real> pulp::WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.batch.moments(self.block, self.species, self.list);
        self.batch.descriptors(self.block);
    }
}

struct Backward<'a, T> {
    batch: &'a Batch<T>,
    block: &'a mut Block<T>,
    list: &'a NeighborList,
}

impl<T: Real> pulp::WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.batch.gradients(self.block, self.list);
    }
}

struct Activate<'a, T> {
    layer: &'a FittingLayer<T>,
    rows: usize,
    input: &'a [T],
    output: &'a mut [T],
    slopes: &'a mut [T],
}

impl<T: Real> pulp::WithSimd for Activate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        activate(self.layer, self.rows, self.input, self.output, self.slopes);
    }
}

/// The environment row of a neighbour, normalised, with what its derivative needs.
#[inline(always)]
fn keep<T: Real>(
    descriptor: &Descriptor,
    pair_index: usize,
    pair: usize,
    v: [f64; 3],
    r2: f64,
) -> Kept<T> {
    let r = r2.sqrt();
    let (w, dw) = weight(r, descriptor.smooth_cutoff, descriptor.cutoff);
    let q = 1.0 / (r + descriptor.protection);
    let t = w * q * q;
    let (mean, std) = (descriptor.mean[pair], descriptor.std[pair]);
    let input = (w * q - mean[0]) / std[0];
    let normal = [
        T::from_f64(input),
        T::from_f64((t * v[0] - mean[1]) / std[1]),
        T::from_f64((t * v[1] - mean[2]) / std[2]),
        T::from_f64((t * v[2] - mean[3]) / std[3]),
    ];
    let inverse = 1.0 / r;
    Kept {
        pair_index,
        pair,
        normal,
        input,
        unit: [v[0] * inverse, v[1] * inverse, v[2] * inverse],
        radial: [(dw - w * q) * q, t, (dw - 2.0 * w * q) * q * q],
    }
}

/// `moments[c][m] += G[m] · R̃[c]`
#[inline(always)]
fn accumulate<T: Real>(
    table: &Table<T>,
    kept: &Kept<T>,
    padded: usize,
    moments: &mut [T],
    value: &mut [T],
    slope: &mut [T],
) {
    if let Some((row, dx)) = table.locate(kept.input) {
        let row = table.row(row);
        for start in (0..padded).step_by(LANES) {
            add_moments(moments, kept.normal, padded, start, &lane_values(row, padded, start, dx));
        }
    } else {
        table.exact(kept.input, value, slope);
        for start in (0..padded).step_by(LANES) {
            add_moments(moments, kept.normal, padded, start, lanes(value, start));
        }
    }
}

/// One group of lanes of [`accumulate`].
#[inline(always)]
fn add_moments<T: Real>(
    moments: &mut [T],
    normal: [T; 4],
    padded: usize,
    start: usize,
    g: &[T; LANES],
) {
    for c in 0..4 {
        let at = c * padded + start;
        let target = moments[at..at + LANES].as_mut_array::<LANES>().expect("LANES numbers");
        for l in 0..LANES {
            target[l] = g[l].fma(normal[c], target[l]);
        }
    }
}

/// One group of lanes of [`contract`].
#[inline(always)]
fn add_contraction<T: Real>(
    sums: &mut [[T; LANES]; 4],
    normal: [T; 4],
    dt: &[T],
    padded: usize,
    start: usize,
    (g, dg): (&[T; LANES], &[T; LANES]),
) {
    let mut through = [T::ZERO; LANES];
    for c in 0..4 {
        let row = lanes(dt, c * padded + start);
        for l in 0..LANES {
            through[l] = row[l].fma(normal[c], through[l]);
            sums[c][l] = row[l].fma(g[l], sums[c][l]);
        }
    }
    for l in 0..LANES {
        sums[0][l] = through[l].fma(dg[l], sums[0][l]);
    }
}

/// `∂E/∂R̃` of a neighbour: `Σ_m ∂E/∂T[c][m] G[m]`, with the embedding's slope added to `c = 0`.
#[inline(always)]
fn contract<T: Real>(
    table: &Table<T>,
    kept: &Kept<T>,
    padded: usize,
    dt: &[T],
    value: &mut [T],
    slope: &mut [T],
) -> [f64; 4] {
    let mut sums = [[T::ZERO; LANES]; 4];
    if let Some((row, dx)) = table.locate(kept.input) {
        let row = table.row(row);
        for start in (0..padded).step_by(LANES) {
            let (g, dg) = lane_values_slopes(row, padded, start, dx);
            add_contraction(&mut sums, kept.normal, dt, padded, start, (&g, &dg));
        }
    } else {
        table.exact(kept.input, value, slope);
        for start in (0..padded).step_by(LANES) {
            let exact = (lanes(value, start), lanes(slope, start));
            add_contraction(&mut sums, kept.normal, dt, padded, start, exact);
        }
    }
    let mut result = [0.0; 4];
    for c in 0..4 {
        for l in 0..LANES {
            result[c] += sums[c][l].to_f64();
        }
    }
    result
}

/// Bias, activation, time step and skip connection on the products of a layer; slopes beside.
#[inline(always)]
fn activate<T: Real>(
    layer: &FittingLayer<T>,
    rows: usize,
    input: &[T],
    output: &mut [T],
    slopes: &mut [T],
) {
    let n = layer.outputs;
    for row in 0..rows {
        let out = &mut output[row * n..(row + 1) * n];
        let slope = &mut slopes[row * n..(row + 1) * n];
        if layer.activation == Activation::Tanh {
            for o in 0..n {
                let t = (out[o] + layer.bias[o]).tanh();
                out[o] = t;
                slope[o] = T::ONE - t * t;
            }
        } else {
            for o in 0..n {
                let (f, df, _) = layer.activation.derivatives((out[o] + layer.bias[o]).to_f64());
                out[o] = T::from_f64(f);
                slope[o] = T::from_f64(df);
            }
        }
        if let Some(timestep) = &layer.timestep {
            for o in 0..n {
                out[o] = out[o] * timestep[o];
                slope[o] = slope[o] * timestep[o];
            }
        }
        if layer.skip != Skip::None {
            let x = &input[row * layer.inputs..(row + 1) * layer.inputs];
            for half in out.chunks_exact_mut(layer.inputs) {
                for (y, x) in half.iter_mut().zip(x) {
                    *y += *x;
                }
            }
        }
    }
}
