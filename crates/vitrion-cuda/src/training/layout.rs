//! Parameters on the device: rows of weights padded to multiples of four numbers.

use crate::potential::model::{activation, padded, skips};
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::Places;
use vitrion_model::train::optimizer::hidden_matrices;
use vitrion_model::train::parameters::{LayerPlace, NetPlace};

/// Where a layer is in the padded vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    /// Numbers in a row of the weights.
    pub ld: usize,
    pub weight: usize,
    pub bias: usize,
    pub timestep: Option<usize>,
    pub activation: i32,
    pub threshold: f64,
    pub skip: i32,
}

/// A matrix of weights between hidden layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hidden {
    pub at: usize,
    pub rows: usize,
    pub columns: usize,
    pub ld: usize,
}

/// All layers, and the way from the flat vector to the padded one.
#[derive(Debug)]
pub(super) struct Layout {
    pub embedding: Vec<Vec<Layer>>,
    pub fitting: Vec<Vec<Layer>>,
    pub hidden: Vec<Hidden>,
    /// Length of the padded vector.
    pub len: usize,
    /// Place of each flat parameter.
    index: Vec<u32>,
}

impl Layout {
    pub(super) fn new(places: &Places) -> Self {
        let mut layout = Layout {
            embedding: Vec::new(),
            fitting: Vec::new(),
            hidden: Vec::new(),
            len: 0,
            index: vec![0; places.len],
        };
        layout.embedding = places.embedding.iter().map(|net| layout.net(net, false)).collect();
        layout.fitting = places.fitting.iter().map(|net| layout.net(net, true)).collect();
        layout.hidden = hidden_matrices(places)
            .into_iter()
            .map(|(start, rows, columns)| {
                let at = layout.index[start] as usize;
                Hidden { at, rows, columns, ld: padded(columns) }
            })
            .collect();
        layout
    }

    /// The last layer of a fitting net has one output, and its weights are one row.
    fn net(&mut self, net: &NetPlace, fitting: bool) -> Vec<Layer> {
        let last = net.layers.len() - 1;
        let layers = net.layers.iter().enumerate();
        layers.map(|(k, layer)| self.place(layer, fitting && k == last)).collect()
    }

    fn place(&mut self, layer: &LayerPlace, turned: bool) -> Layer {
        let LayerPlace { inputs, outputs, .. } = *layer;
        let (rows, columns) = if turned { (outputs, inputs) } else { (inputs, outputs) };
        let mut take = |start: usize, rows: usize, columns: usize| {
            let at = self.len;
            for k in 0..rows * columns {
                self.index[start + k] = (at + k / columns * padded(columns) + k % columns) as u32;
            }
            self.len += rows * padded(columns);
            at
        };
        let (kind, threshold) = activation(layer.activation);
        Layer {
            inputs,
            outputs,
            ld: padded(outputs),
            weight: take(layer.weight, rows, columns),
            bias: take(layer.bias, 1, outputs),
            timestep: layer.timestep.map(|start| take(start, 1, outputs)),
            activation: kind,
            threshold,
            skip: skips(layer.skip),
        }
    }

    /// The padded vector.
    pub(super) fn spread<T: Real>(&self, flat: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; self.len];
        flat.iter().zip(&self.index).for_each(|(x, at)| out[*at as usize] = *x);
        out
    }

    /// The flat vector.
    pub(super) fn collect<T: Real>(&self, padded: &[T]) -> Vec<T> {
        self.index.iter().map(|at| padded[*at as usize]).collect()
    }
}
