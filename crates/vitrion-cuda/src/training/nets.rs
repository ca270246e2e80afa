//! Parameters of all nets on the device, the optimiser's memory, and the embedding nets' grids.

use super::arguments::{GRID_NODES, GRID_ROWS, GridArguments, GridLayer, GridNet, Top};
use super::layout::{Layer, Layout};
use crate::device::{Address, Buffer, Device, Shape};
use crate::error::{Result, unsupported};
use bytemuck::Zeroable;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::Geometry;
use vitrion_model::train::gradient::ORDERS;

/// Bytes of shared memory that a block may ask for on every supported device.
pub(super) const SHARED: usize = 96 << 10;

/// Which vector of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    Present,
    Averaged,
}

/// Vectors of padded parameters.
#[derive(Debug)]
pub(super) struct Vectors<T> {
    pub parameters: Buffer<T>,
    pub average: Buffer<T>,
    pub gradient: Buffer<T>,
    pub first: Buffer<T>,
    pub second: Buffer<T>,
}

impl<T: Real> Vectors<T> {
    pub(super) fn new(device: &Device, parameters: &[T]) -> Result<Self> {
        let zeros = || device.zeros(parameters.len());
        Ok(Vectors {
            parameters: device.buffer(parameters)?,
            average: device.buffer(parameters)?,
            gradient: zeros()?,
            first: zeros()?,
            second: zeros()?,
        })
    }

    pub(super) fn of(&self, weights: Weights) -> &Buffer<T> {
        match weights {
            Weights::Present => &self.parameters,
            Weights::Averaged => &self.average,
        }
    }
}

/// One layer of a net on its grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct GridPlaces {
    /// `[node][order][ld]` of the layer's input and its leading dimension.
    pub input: Address,
    pub ld_input: usize,
    /// `[node][order][ld]`
    pub adjoint: Address,
    /// `[node][ld]`, or null.
    pub terms: Address,
    pub layer: Layer,
    pub nodes: usize,
}

/// The embedding nets on their grids, and the last layers of the fitting nets.
#[derive(Debug)]
pub(super) struct Nets<T> {
    /// `[node of all nets][order][stride]`, and the adjoints.
    pub values: Buffer<T>,
    pub node_adjoints: Buffer<T>,
    /// Of all nets.
    pub grid_places: Vec<GridPlaces>,
    /// Of the present parameters and of their average.
    tops: [Buffer<Top>; 2],
    grid_layers: [Buffer<GridLayer>; 2],
    on_grids: Buffer<GridNet>,
    widest: usize,
    most_nodes: usize,
    _memory: Buffer<T>,
}

impl<T: Real> Nets<T> {
    pub(super) fn new(
        device: &Device,
        layout: &Layout,
        geometry: &Geometry,
        vectors: &Vectors<T>,
    ) -> Result<Self> {
        let stride = layout.embedding[0].last().expect("a net has layers").ld;
        let nodes: usize = geometry.grids.iter().map(|grid| grid.nodes).sum();
        let widest = layout.embedding.iter().flatten().map(|l| l.outputs).max().unwrap_or(1);
        if 3 * widest * GRID_ROWS * size_of::<T>() > SHARED {
            return unsupported(format!("an embedding net of {widest} outputs"));
        }
        let values = device.zeros(nodes * ORDERS * stride)?;
        let node_adjoints = device.zeros(nodes * ORDERS * stride)?;
        let per_node =
            |net: &Vec<Layer>| 4 + net.iter().map(|l| (3 * ORDERS + 1) * l.ld).sum::<usize>();
        let numbers: usize = geometry
            .grids
            .iter()
            .zip(&layout.embedding)
            .map(|(g, net)| g.nodes * per_node(net) * 3)
            .sum();
        let memory: Buffer<T> = device.zeros(numbers)?;
        let mut used = 0;
        let mut take = |numbers: usize| {
            used += numbers;
            memory.at(used - numbers)
        };
        let (mut nets, mut grid_places, mut layers) = (Vec::new(), Vec::new(), Vec::new());
        for (grid, net) in geometry.grids.iter().zip(&layout.embedding) {
            let rows = grid.nodes * ORDERS;
            nets.push(GridNet {
                lower: grid.lower,
                spacing: grid.spacing,
                adjoints: node_adjoints.at(grid.first * ORDERS * stride),
                nodes: grid.nodes as u32,
                first_layer: layers.len() as u32,
                layers: net.len() as u32,
                reserved: 0,
            });
            let first = used_inputs::<T>(grid.nodes, |k| grid.node(k));
            let (mut input, mut ld_input) = (take(first.len()), 4);
            memory.upload_at((input.0 - memory.address().0) as usize / size_of::<T>(), &first)?;
            for (k, layer) in net.iter().enumerate() {
                let last = k + 1 == net.len();
                let adjoint = take(rows * layer.ld);
                let terms = layer.timestep.map_or(Address::NULL, |_| take(grid.nodes * layer.ld));
                let z = take(rows * layer.ld);
                let y = if last {
                    values.at(grid.first * ORDERS * stride)
                } else {
                    take(rows * layer.ld)
                };
                grid_places.push(GridPlaces {
                    input,
                    ld_input,
                    adjoint,
                    terms,
                    layer: *layer,
                    nodes: grid.nodes,
                });
                layers.push((*layer, z, y, adjoint, terms));
                (input, ld_input) = (y, layer.ld);
            }
        }
        let table = |weights: Weights| {
            let base = vectors.of(weights);
            let all: Vec<GridLayer> = layers
                .iter()
                .map(|(layer, z, y, adjoint, terms)| GridLayer {
                    weights: base.at(layer.weight),
                    bias: base.at(layer.bias),
                    timestep: layer.timestep.map_or(Address::NULL, |at| base.at(at)),
                    z: *z,
                    y: *y,
                    adjoint: *adjoint,
                    terms: *terms,
                    threshold: layer.threshold,
                    inputs: layer.inputs as i32,
                    outputs: layer.outputs as i32,
                    ld: layer.ld as i32,
                    activation: layer.activation,
                    skip: layer.skip,
                    reserved: 0,
                })
                .collect();
            device.buffer(&all)
        };
        let tops = |weights: Weights| {
            let base = vectors.of(weights);
            let all: Vec<Top> = layout
                .fitting
                .iter()
                .zip(&geometry.energy_bias)
                .map(|(net, constant)| {
                    let (last, hidden) = net.split_last().expect("a net has layers");
                    let below = hidden.last().expect("a fitting net has a hidden layer");
                    Top {
                        weights: base.at(last.weight),
                        bias: base.at(last.bias),
                        timestep: below.timestep.map_or(Address::NULL, |at| base.at(at)),
                        threshold: below.threshold,
                        constant: *constant,
                        activation: below.activation,
                        ..Top::zeroed()
                    }
                })
                .collect();
            device.buffer(&all)
        };
        Ok(Nets {
            tops: [tops(Weights::Present)?, tops(Weights::Averaged)?],
            grid_layers: [table(Weights::Present)?, table(Weights::Averaged)?],
            on_grids: device.buffer(&nets)?,
            widest,
            most_nodes: geometry.grids.iter().map(|grid| grid.nodes).max().unwrap_or(0),
            values,
            node_adjoints,
            grid_places,
            _memory: memory,
        })
    }

    /// The last layers with these weights.
    pub(super) fn tops(&self, weights: Weights) -> Address {
        self.tops[usize::from(weights == Weights::Averaged)].address()
    }

    /// Arguments and shape of a launch over all nets that keeps `rows` times the widest layer in
    /// shared memory.
    pub(super) fn grid(&self, weights: Weights, rows: usize) -> (Shape, GridArguments) {
        let nets = self.on_grids.len() as u32;
        let grid = [self.most_nodes.div_ceil(GRID_NODES) as u32, nets, 1];
        let shape = Shape { grid, block: 128, shared: 0 };
        let arguments = GridArguments {
            nets: self.on_grids.address(),
            layers: self.grid_layers[usize::from(weights == Weights::Averaged)].address(),
            widest: self.widest as i32,
            reserved: 0,
        };
        (shape.with_shared(rows * self.widest * GRID_ROWS * size_of::<T>()), arguments)
    }
}

/// Inputs of a net, `[node][order][4]`: the node, one and zero.
fn used_inputs<T: Real>(nodes: usize, node: impl Fn(usize) -> f64) -> Vec<T> {
    let mut rows = vec![T::ZERO; nodes * ORDERS * 4];
    for (k, row) in rows.chunks_exact_mut(ORDERS * 4).enumerate() {
        row[0] = T::from_f64(node(k));
        row[4] = T::ONE;
    }
    rows
}
