//! Energies, forces and virials of a Deep Potential on a device.
//!
//! Centres are taken in order of species, in parts of at most [`ROWS`] whose numbers stay in the
//! caches:
//!
//! 1. `describe`: neighbours → moments `T` and descriptor `D`, one warp a centre;
//! 2. `layer_forward` for every hidden layer, the nets of all species in one launch; `output_layer`;
//! 3. `layer_backward` down to `∂E/∂D`;
//! 4. `differentiate`: `∂E_i/∂r_ij` of every pair, one warp a centre.
//!
//! Then `gather`: every atom collects both ends of its pairs. No sum depends on the order in which
//! threads run, so results are the same bits from run to run.

mod evaluator;
pub(crate) mod model;

pub use evaluator::CudaEvaluator;

use crate::arguments::{
    DescribeArguments, DifferentiateArguments, GatherArguments, OutputArguments, PRODUCTS, Product,
    ProductArguments, SilentArguments, Surroundings,
};
use crate::device::{Address, Buffer, Device, Kernel, Shape, Width};
use crate::error::Result;
use bytemuck::Zeroable;
use model::Model;
use std::ops::Range;
use std::sync::Arc;
use vitrion_model::Precision;
use vitrion_model::deep_potential::real::Real;

/// Centres in a part: many enough to fill a GPU, few enough for 100 MB of descriptors at most. Small on
/// the emulator, so that small systems have several parts.
const ROWS: usize = if cfg!(feature = "emulator") { 24 } else { 16_384 };
/// Threads of a block that serves a centre with each of its warps.
const BLOCK: u32 = 128;

/// What stops a run on the device; kernels after it do nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, bytemuck::Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Status {
    pub halt: u32,
    pub atom: u32,
}

/// Two atoms closer than the tables reach.
pub(crate) const TOO_CLOSE: u32 = 1;

/// Numbers that a device computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    pub precision: Precision,
    /// Matrix products of mixed precision on tensor cores: each f32 number split into two of TF32 and
    /// three products made of one, whose error is that of f32.
    pub tensor_cores: bool,
}

impl From<Precision> for Arithmetic {
    fn from(precision: Precision) -> Self {
        Arithmetic { precision, tensor_cores: false }
    }
}

#[derive(Debug)]
struct Kernels {
    describe: Kernel<DescribeArguments>,
    layer_forward: Kernel<ProductArguments>,
    output_layer: Kernel<OutputArguments>,
    layer_backward: Kernel<ProductArguments>,
    differentiate: Kernel<DifferentiateArguments>,
    silence: Kernel<SilentArguments>,
    gather: Kernel<GatherArguments>,
}

/// Where a list of neighbours and the results of an evaluation are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub around: Surroundings,
    pub reverse: Address,
    pub status: Address,
    /// Sorted atoms in order of [`Forces::ranks`].
    pub centres: Address,
    /// The caller's number of each sorted atom.
    pub order: Address,
    /// Of every list entry, `[3]` numbers of the nets' type.
    pub gradients: Address,
    /// By sorted atom.
    pub energies: Address,
    pub virials: Address,
    /// By the caller's number.
    pub forces: Address,
    pub atoms: usize,
}

/// A model with kernels and memory to evaluate it.
#[derive(Debug)]
pub(crate) struct Forces<T> {
    pub model: Arc<Model<T>>,
    kernels: Kernels,
    /// Number of atoms of each species.
    counts: Vec<usize>,
    /// `[centre][4][stride]`
    moments: Buffer<T>,
    /// `[centre][feature_stride]`: `D`, then `∂E/∂D`.
    features: Buffer<T>,
    /// Of each hidden layer: outputs, and `φ′ t`, later `∂E/∂z`.
    outputs: Vec<Buffer<T>>,
    slopes: Vec<Buffer<T>>,
    /// `∂E/∂y` on the way back, two layers in turn.
    upstream: [Buffer<T>; 2],
}

/// The kernels' name of a number type.
pub(crate) fn width<T>() -> Width {
    if size_of::<T>() == 4 { Width::Single } else { Width::Double }
}

impl<T: Real> Forces<T> {
    /// For systems with so many atoms of each species.
    pub(crate) fn new(device: &Device, model: &Arc<Model<T>>, counts: &[usize]) -> Result<Self> {
        let (w, tensor) = (width::<T>(), model.tensor_cores);
        let wide = model.descriptor.stride > 128;
        let kernels = Kernels {
            describe: device.kernel(w, if wide { "describe_wide" } else { "describe" })?,
            layer_forward: device
                .kernel(w, if tensor { "layer_forward_tensor" } else { "layer_forward" })?,
            output_layer: device.kernel(w, "output_layer")?,
            layer_backward: device
                .kernel(w, if tensor { "layer_backward_tensor" } else { "layer_backward" })?,
            differentiate: device
                .kernel(w, if wide { "differentiate_wide" } else { "differentiate" })?,
            silence: device.kernel(w, "silence")?,
            gather: device.kernel(w, "gather")?,
        };
        let rows = counts.iter().sum::<usize>().min(ROWS);
        let layer = |k: usize| device.room(rows * model.layers[k].ld);
        let layers = || 0..model.layers.len();
        Ok(Forces {
            kernels,
            counts: counts.to_vec(),
            moments: device.room(rows * 4 * model.descriptor.stride as usize)?,
            features: device.room(rows * model.descriptor.feature_stride as usize)?,
            outputs: layers().map(layer).collect::<Result<_>>()?,
            slopes: layers().map(layer).collect::<Result<_>>()?,
            upstream: [device.room(rows * model.widest)?, device.room(rows * model.widest)?],
            model: Arc::clone(model),
        })
    }

    /// Place of each species in the order of the centres: those with a net come first.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        let has_net = &self.model.has_net;
        let order = (0..has_net.len()).filter(|t| has_net[*t]);
        let order: Vec<usize> = order.chain((0..has_net.len()).filter(|t| !has_net[*t])).collect();
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, species)| ranks[*species] = rank);
        ranks
    }

    /// Species in order of the centres, with their rows.
    fn segments(&self) -> Vec<(usize, Range<usize>)> {
        let ranks = self.ranks();
        let mut species: Vec<usize> = (0..ranks.len()).collect();
        species.sort_by_key(|t| ranks[*t]);
        let mut at = 0;
        species
            .into_iter()
            .map(|t| {
                let rows = at..at + self.counts[t];
                at = rows.end;
                (t, rows)
            })
            .collect()
    }

    /// Puts the whole evaluation in the queue.
    pub(crate) fn evaluate(&self, field: &Field) -> Result<()> {
        let segments = self.segments();
        let with_net = |t: &usize| self.model.has_net[*t];
        let end =
            segments.iter().filter(|(t, _)| with_net(t)).map(|(_, r)| r.end).max().unwrap_or(0);
        for first in (0..end).step_by(ROWS) {
            let part = first..(first + ROWS).min(end);
            let inside: Vec<(usize, Range<usize>)> = segments
                .iter()
                .filter(|(t, _)| with_net(t))
                .map(|(t, r)| (*t, r.start.max(part.start)..r.end.min(part.end)))
                .filter(|(_, r)| !r.is_empty())
                .collect();
            self.part(field, &part, &inside)?;
        }
        let silent = end..field.atoms;
        if !silent.is_empty() {
            self.kernels.silence.launch(
                Shape::warps(silent.len(), BLOCK),
                &SilentArguments {
                    around: field.around,
                    status: field.status,
                    centres: offset::<u32>(field.centres, silent.start),
                    energy: self.model.constants.address(),
                    gradients: field.gradients,
                    virials: field.virials,
                    energies: field.energies,
                    count: silent.len() as u32,
                    reserved: 0,
                },
            )?;
        }
        let (repulsions, inner, outer) = match &self.model.repulsion {
            Some((pairs, inner, outer)) => (pairs.address(), *inner, *outer),
            None => (Address::NULL, 0.0, 0.0),
        };
        self.kernels.gather.launch(
            Shape::warps(field.atoms, BLOCK),
            &GatherArguments {
                around: field.around,
                reverse: field.reverse,
                status: field.status,
                gradients: field.gradients,
                energies: field.energies,
                virials: field.virials,
                order: field.order,
                forces: field.forces,
                repulsions,
                inner,
                outer,
                species: self.model.descriptor.species,
                atoms: field.atoms as u32,
            },
        )
    }

    /// Centres `part`, of which `inside` tells the species.
    fn part(
        &self,
        field: &Field,
        part: &Range<usize>,
        inside: &[(usize, Range<usize>)],
    ) -> Result<()> {
        let d = &self.model.descriptor;
        let (warps, number) = (BLOCK as usize / 32, size_of::<T>());
        let (stride, features) = (d.stride as usize, d.feature_stride as usize);
        let centres = offset::<u32>(field.centres, part.start);
        let count = part.len() as u32;
        self.kernels.describe.launch(
            Shape::warps(part.len(), BLOCK).with_shared(warps * number * (32 * 7 + 4 * stride)),
            &DescribeArguments {
                around: field.around,
                descriptor: *d,
                status: field.status,
                centres,
                moments: self.moments.address(),
                features: self.features.address(),
                count,
                reserved: 0,
            },
        )?;
        let last = self.model.layers.len() - 1;
        for k in 0..=last {
            let (input, ld) = self.input(k);
            let products = self.products(k, part, inside, |row, product, layer| {
                product.a = offset::<T>(input, row * ld);
                product.depth = layer.inputs as i32;
                product.c = self.outputs[k].at(row * layer.ld);
                product.input = product.a;
                product.slopes = self.slopes[k].at(row * layer.ld);
            });
            let layer = &self.model.layers[k];
            let arguments = ProductArguments {
                columns: layer.outputs as i32,
                lda: ld as i32,
                ldb: layer.ld as i32,
                ldc: layer.ld as i32,
                inputs: layer.inputs as i32,
                ld_input: ld as i32,
                ld_slopes: layer.ld as i32,
                status: field.status,
                ..products
            };
            self.kernels.layer_forward.launch(arguments.shape(), &arguments)?;
        }
        self.output(field, part, inside)?;
        for k in (0..=last).rev() {
            let layer = &self.model.layers[k];
            let below = if k == 0 { features } else { self.model.layers[k - 1].ld };
            let products = self.products(k, part, inside, |row, product, layer| {
                product.a = self.slopes[k].at(row * layer.ld);
                product.depth = layer.outputs as i32;
                product.input = self.upstream[k % 2].at(row * layer.ld);
                if k == 0 {
                    product.c = self.features.at(row * below);
                } else {
                    product.c = self.upstream[(k + 1) % 2].at(row * below);
                    product.slopes = self.slopes[k - 1].at(row * below);
                }
            });
            let arguments = ProductArguments {
                columns: layer.inputs as i32,
                lda: layer.ld as i32,
                ldb: layer.ld as i32,
                ldc: below as i32,
                inputs: layer.inputs as i32,
                ld_input: layer.ld as i32,
                ld_slopes: below as i32,
                status: field.status,
                ..products
            };
            self.kernels.layer_backward.launch(arguments.shape(), &arguments)?;
        }
        let shared = warps * number * (32 * 15 + 8 * stride + features);
        self.kernels.differentiate.launch(
            Shape::warps(part.len(), BLOCK).with_shared(shared),
            &DifferentiateArguments {
                around: field.around,
                descriptor: *d,
                status: field.status,
                centres,
                moments: self.moments.address(),
                slopes: self.features.address(),
                gradients: field.gradients,
                virials: field.virials,
                count,
                reserved: 0,
            },
        )
    }

    /// Input of hidden layer `k` and its leading dimension.
    fn input(&self, k: usize) -> (Address, usize) {
        match k {
            0 => (self.features.address(), self.model.descriptor.feature_stride as usize),
            k => (self.outputs[k - 1].address(), self.model.layers[k - 1].ld),
        }
    }

    /// The products of layer `k` for the species of a part; `fill` gets the first row of each.
    fn products(
        &self,
        k: usize,
        part: &Range<usize>,
        inside: &[(usize, Range<usize>)],
        fill: impl Fn(usize, &mut Product, &model::HiddenLayer),
    ) -> ProductArguments {
        let layer = &self.model.layers[k];
        let mut products = [Product::zeroed(); PRODUCTS];
        for (product, (species, rows)) in products.iter_mut().zip(inside) {
            product.rows = rows.len() as i32;
            product.b = layer.weights[*species];
            product.layer = layer.arithmetic[*species];
            fill(rows.start - part.start, product, layer);
        }
        ProductArguments { products, ..ProductArguments::zeroed() }
    }

    /// Energies, and the slopes of the last hidden layer.
    fn output(
        &self,
        field: &Field,
        part: &Range<usize>,
        inside: &[(usize, Range<usize>)],
    ) -> Result<()> {
        let last = self.model.layers.len() - 1;
        let layer = &self.model.layers[last];
        for (species, rows) in inside {
            let row = rows.start - part.start;
            let output = self.model.outputs[*species];
            self.kernels.output_layer.launch(
                Shape::warps(rows.len(), BLOCK),
                &OutputArguments {
                    status: field.status,
                    centres: offset::<u32>(field.centres, rows.start),
                    outputs: self.outputs[last].at(row * layer.ld),
                    slopes: self.slopes[last].at(row * layer.ld),
                    upstream: self.upstream[last % 2].at(row * layer.ld),
                    weights: output.weights,
                    energies: field.energies,
                    bias: self.model.bias[*species],
                    threshold: output.threshold,
                    activation: output.activation,
                    width: layer.outputs as i32,
                    ld: layer.ld as i32,
                    rows: rows.len() as u32,
                },
            )?;
        }
        Ok(())
    }
}

/// The address of entry `at` of an array of `T`.
pub(crate) fn offset<T>(address: Address, at: usize) -> Address {
    Address(address.0 + (at * size_of::<T>()) as u64)
}
