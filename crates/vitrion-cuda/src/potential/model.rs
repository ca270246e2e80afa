//! A Deep Potential in the memory of a device: tables, packed nets, normalisation.

use crate::arguments::{DescriptorArguments, LayerArguments, PRODUCTS, Pair, RepulsionPair};
use crate::device::{Address, Buffer, Device};
use crate::error::{Result, unsupported};
use crate::potential::Arithmetic;
use rayon::prelude::*;
use vitrion_model::classical::Zbl;
use vitrion_model::deep_potential::activation::Activation;
use vitrion_model::deep_potential::evaluator::table_plan;
use vitrion_model::deep_potential::network::Skip;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::deep_potential::table::{RowShape, Table};
use vitrion_model::train::parameters::{LayerPlace, Places};
use vitrion_model::{DeepPotential, Embedding, Precision};

/// Nearest distance that tables cover [Å]; closer pairs end a run.
pub(crate) const NEAREST: f64 = 0.4;
/// Widest embedding: 32 lanes, four outputs each, twice.
const WIDEST: usize = 256;

/// The number that kernels know an activation by, and its threshold.
pub(crate) fn activation(activation: Activation) -> (i32, f64) {
    match activation {
        Activation::Tanh => (0, 0.0),
        Activation::Relu => (1, 0.0),
        Activation::Relu6 => (2, 0.0),
        Activation::Gelu => (3, 0.0),
        Activation::Softplus => (4, 0.0),
        Activation::Sigmoid => (5, 0.0),
        Activation::Silu => (6, 0.0),
        Activation::Silut(threshold) => (7, threshold),
        Activation::Linear => (8, 0.0),
    }
}

/// How often a layer adds its input.
pub(crate) fn skips(skip: Skip) -> i32 {
    match skip {
        Skip::None => 0,
        Skip::Identity => 1,
        Skip::Doubled => 2,
    }
}

/// The next multiple of four.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(4)
}

/// A layer of the fitting nets; all species have one of this shape.
#[derive(Debug, Clone)]
pub(crate) struct HiddenLayer {
    pub inputs: usize,
    pub outputs: usize,
    /// Numbers in a row of the weights, and of the outputs.
    pub ld: usize,
    /// Of each species.
    pub weights: Vec<Address>,
    pub arithmetic: Vec<LayerArguments>,
}

/// The last layer of a species.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub weights: Address,
    pub activation: i32,
    pub threshold: f64,
}

/// Everything of a model that does not change during a run.
#[derive(Debug)]
pub(crate) struct Model<T> {
    pub descriptor: DescriptorArguments,
    pub layers: Vec<HiddenLayer>,
    pub outputs: Vec<Output>,
    pub widest: usize,
    /// Constant energy of each species [eV], here and on the device.
    pub bias: Vec<f64>,
    pub constants: Buffer<f64>,
    /// Whether the net of a species is evaluated.
    pub has_net: Vec<bool>,
    pub repulsion: Option<(Buffer<RepulsionPair>, f64, f64)>,
    /// One line about the tables.
    pub tables: String,
    /// Matrix products on tensor cores.
    pub tensor_cores: bool,
    #[expect(dead_code, reason = "what the addresses above point to is kept alive")]
    memory: Memory<T>,
}

#[derive(Debug)]
struct Memory<T> {
    pairs: Buffer<Pair>,
    cells: Buffer<[u32; 2]>,
    numbers: Buffer<T>,
    padding: Buffer<T>,
    sel: Buffer<f64>,
    entries: Buffer<u32>,
    #[expect(dead_code, reason = "layers know their addresses")]
    nets: Buffer<T>,
}

impl<T: Real> Model<T> {
    /// Puts a model on a device with the tables that its arithmetic deserves. Any order of work of the
    /// device may use it.
    ///
    /// # Errors
    /// Features that the kernels do not have; too little memory.
    pub(crate) fn new(
        device: &Device,
        model: &DeepPotential,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let Arithmetic { precision, tensor_cores } = arithmetic;
        if tensor_cores && !device.tensor_cores() {
            return unsupported("a product on tensor cores (compute capability below 8.0)");
        }
        let d = &model.descriptor;
        let (n, width) = (model.species.len(), d.width());
        if n > PRODUCTS {
            return unsupported(format!("a model of {n} species (at most {PRODUCTS})"));
        }
        if width > WIDEST {
            return unsupported(format!("an embedding of {width} outputs (at most {WIDEST})"));
        }
        let places = Places::new(model);
        let (stride, features) = (padded(width), places.entries.len());
        let shared = 4 * size_of::<T>() * (32 * 15 + 8 * stride + padded(features));
        if shared > device.shared_memory() {
            return unsupported(format!("a descriptor of {features} numbers"));
        }
        let tables = tables::<T>(model, precision, stride)?;
        let padding: Vec<Option<Vec<f64>>> = (0..n * n)
            .map(|pair| {
                let felt = !d.excluded[pair] || d.excluded_keep_padding;
                d.padding(pair).filter(|_| felt)
            })
            .collect();
        let zero = |term: &Vec<f64>| term.iter().all(|x| x.abs() < f64::MIN_POSITIVE);
        let mut rows = Vec::new();
        if !padding.iter().flatten().all(zero) {
            rows = vec![T::ZERO; n * n * 4 * stride];
            for (pair, term) in padding.iter().enumerate() {
                for (at, x) in term.iter().flatten().enumerate() {
                    rows[(pair * 4 + at % 4) * stride + at / 4] = T::from_f64(*x);
                }
            }
        }
        let entries: Vec<u32> = places.entries.iter().map(|(m, a)| m << 16 | a).collect();
        let sel: Vec<f64> = d.sel.iter().map(|sel| *sel as f64).collect();
        let (nets, layers, outputs) = fitting::<T>(device, model, &places)?;
        let bias: Vec<f64> = (0..n)
            .map(|t| match (model.atom_excluded[t], model.fitting_excluded[t]) {
                (true, _) => 0.0,
                (false, true) => model.out_bias[t],
                (false, false) => model.out_bias[t] + model.energy_bias[t],
            })
            .collect();
        let memory = Memory {
            pairs: device.buffer(&tables.pairs)?,
            cells: device.buffer(&tables.cells)?,
            numbers: device.buffer(&tables.numbers)?,
            padding: device.buffer(&rows)?,
            sel: device.buffer(&sel)?,
            entries: device.buffer(&entries)?,
            nets,
        };
        let repulsion = match model.zbl {
            None => None,
            Some((inner, outer)) => {
                let zbl = Zbl::new(model.species.clone(), inner, outer)
                    .expect("a model's radii are checked");
                let pairs: Vec<RepulsionPair> = zbl
                    .parameters()
                    .map(|[strength, per_length, a, b, c]| RepulsionPair {
                        strength,
                        per_length,
                        switch: [a, b, c],
                    })
                    .collect();
                Some((device.buffer(&pairs)?, inner, outer))
            }
        };
        // others may read it before they wait for anything
        device.synchronize()?;
        Ok(Model {
            descriptor: DescriptorArguments {
                cutoff: d.cutoff,
                smooth_cutoff: d.smooth_cutoff,
                protection: d.protection,
                pairs: memory.pairs.address(),
                cells: memory.cells.address(),
                tables: memory.numbers.address(),
                padding: if rows.is_empty() { Address::NULL } else { memory.padding.address() },
                sel: memory.sel.address(),
                entries: memory.entries.address(),
                per_slot: 1.0 / d.slots() as f64,
                species: n as i32,
                width: width as i32,
                stride: stride as i32,
                axis: d.axis as i32,
                degree: tables.degree as i32,
                features: features as i32,
                feature_stride: padded(features) as i32,
                reserved: 0,
            },
            widest: layers.iter().map(|layer| layer.ld).max().unwrap_or(0),
            layers,
            outputs,
            constants: device.buffer(&bias)?,
            bias,
            has_net: (0..n)
                .map(|t| !model.fitting_excluded[t] && !model.atom_excluded[t])
                .collect(),
            repulsion,
            tables: tables.described,
            tensor_cores: tensor_cores && precision == Precision::Mixed,
            memory,
        })
    }
}

/// All tables one after the other.
struct Tables<T> {
    degree: usize,
    pairs: Vec<Pair>,
    cells: Vec<[u32; 2]>,
    numbers: Vec<T>,
    described: String,
}

fn tables<T: Real>(
    model: &DeepPotential,
    precision: Precision,
    stride: usize,
) -> Result<Tables<T>> {
    let d = &model.descriptor;
    let rule = precision.tables(Embedding::Tables);
    let shape = RowShape { degree: rule.degree, lanes: stride, registers: 1 };
    let plan = table_plan(d, NEAREST);
    let mut made = Tables {
        degree: rule.degree,
        pairs: Vec::new(),
        cells: Vec::new(),
        numbers: Vec::new(),
        described: String::new(),
    };
    let made_tables: Vec<Table<T>> = plan
        .ranges
        .into_par_iter()
        .map(|(pair, range)| {
            let net = d.embedding[pair].clone().expect("pairs of a table have a net");
            Table::new(net, range, shape, rule.wanted)
        })
        .collect();
    // lower end, cells per unit, first cell, number of cells and first row of each table
    let mut known = Vec::new();
    let (mut rows, mut value) = (0, 0.0_f64);
    for table in &made_tables {
        if table.rows() == 0 {
            return unsupported(
                "an embedding net that no table follows (relu and other activations with kinks)",
            );
        }
        let (lower, per_cell) = table.scale();
        let cells = table.cells();
        known.push((lower, per_cell, made.cells.len(), cells.len(), rows));
        made.cells.extend(cells.iter().map(|(first, count)| [*first, *count]));
        made.numbers.extend_from_slice(table.coefficients());
        rows += table.rows();
        value = value.max(table.bound().value);
    }
    made.described = format!(
        "{} embedding nets tabulated down to {NEAREST} Å (degree {}, {rows} intervals, {:.1} MB), \
         measured error {value:.1e}",
        known.len(),
        rule.degree,
        size_of_val(&made.numbers[..]) as f64 / 1e6
    );
    for (pair, table) in plan.table_of.iter().enumerate() {
        let (lower, per_cell, first_cell, cells, first_row) =
            table.map_or((0.0, 0.0, 0, 0, 0), |table| known[table]);
        made.pairs.push(Pair {
            mean: d.mean[pair],
            inverse_std: d.std[pair].map(|x| 1.0 / x),
            lower,
            per_cell,
            first_cell: first_cell as u32,
            cells: cells as u32,
            first_row: first_row as u32,
            seen: u32::from(!d.pair_excluded[pair]),
        });
    }
    Ok(made)
}

/// Weights with rows of a multiple of four numbers; the first layer has one row for both halves of
/// a symmetric entry (see `Places`).
fn fitting<T: Real>(
    device: &Device,
    model: &DeepPotential,
    places: &Places,
) -> Result<(Buffer<T>, Vec<HiddenLayer>, Vec<Output>)> {
    let flat: Vec<T> = places.read(model);
    let shape = |net: usize| -> Vec<(usize, usize)> {
        places.fitting[net].layers.iter().map(|l| (l.inputs, l.outputs)).collect()
    };
    let first = shape(0);
    if (1..places.fitting.len()).any(|net| shape(net) != first) || first.len() < 2 {
        return unsupported("a model whose fitting nets differ in shape or have no hidden layer");
    }
    if places.fitting.iter().any(|net| net.layers[0].skip != Skip::None) {
        return unsupported("a fitting net whose first layer adds the descriptor to its output");
    }
    let mut packed: Vec<T> = Vec::new();
    // starts in `packed`: weights, bias, time steps
    let mut pack = |layer: &LayerPlace, last: bool| {
        let ld = if last { 1 } else { padded(layer.outputs) };
        let start = packed.len();
        for row in 0..layer.inputs {
            let at = layer.weight + row * layer.outputs;
            packed.extend_from_slice(&flat[at..at + layer.outputs]);
            packed.resize(start + (row + 1) * ld, T::ZERO);
        }
        let bias = packed.len();
        packed.extend_from_slice(&flat[layer.bias..layer.bias + layer.outputs]);
        packed.resize(padded(packed.len()), T::ZERO);
        let timestep = layer.timestep.map(|from| {
            let at = packed.len();
            packed.extend_from_slice(&flat[from..from + layer.outputs]);
            packed.resize(padded(packed.len()), T::ZERO);
            at
        });
        (start, bias, timestep)
    };
    let starts: Vec<Vec<_>> = places
        .fitting
        .iter()
        .map(|net| {
            let count = net.layers.len();
            net.layers.iter().enumerate().map(|(k, layer)| pack(layer, k + 1 == count)).collect()
        })
        .collect();
    let memory = device.buffer(&packed)?;
    let hidden = first.len() - 1;
    let layers = (0..hidden)
        .map(|k| {
            let (inputs, outputs) = first[k];
            let arithmetic = places.fitting.iter().zip(&starts).map(|(net, starts)| {
                let (kind, threshold) = activation(net.layers[k].activation);
                LayerArguments {
                    activation: kind,
                    skip: skips(net.layers[k].skip),
                    threshold,
                    timestep: starts[k].2.map_or(Address::NULL, |at| memory.at(at)),
                    bias: memory.at(starts[k].1),
                }
            });
            HiddenLayer {
                inputs,
                outputs,
                ld: padded(outputs),
                weights: starts.iter().map(|starts| memory.at(starts[k].0)).collect(),
                arithmetic: arithmetic.collect(),
            }
        })
        .collect();
    let outputs = places
        .fitting
        .iter()
        .zip(&starts)
        .map(|(net, starts)| {
            let (kind, threshold) = activation(net.layers[hidden].activation);
            Output { weights: memory.at(starts[hidden].0), activation: kind, threshold }
        })
        .collect();
    Ok((memory, layers, outputs))
}
