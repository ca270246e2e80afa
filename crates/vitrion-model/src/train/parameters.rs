//! All trained numbers of a Deep Potential in one flat vector, and back.
//!
//! The descriptor is symmetric in its leading `A × A` block (`D[m][a] = D[a][m]`), so the first
//! fitting layer has one row for both entries: the sum of the model's two rows. Written back, each
//! gets one half; the function is the same.

use crate::deep_potential::DeepPotential;
use crate::deep_potential::activation::Activation;
use crate::deep_potential::network::{Layer, Network, Skip};
use crate::deep_potential::real::Real;

/// Where the numbers of one layer are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerPlace {
    pub inputs: usize,
    pub outputs: usize,
    /// Start of the weights, row-major `[inputs][outputs]`.
    pub weight: usize,
    /// Start of the biases.
    pub bias: usize,
    /// Start of the timesteps (`idt`), if the layer has them.
    pub timestep: Option<usize>,
    pub activation: Activation,
    pub skip: Skip,
}

/// Where the numbers of one net are.
#[derive(Debug, Clone, PartialEq)]
pub struct NetPlace {
    /// For messages: "embedding net of S", "fitting net of Li".
    pub name: String,
    pub layers: Vec<LayerPlace>,
}

/// Places of all nets in the flat vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// Distinct embedding nets: one per neighbour species, or one per pair.
    pub embedding: Vec<NetPlace>,
    /// The embedding net of pair `[centre][neighbour]`.
    pub net_of_pair: Vec<Option<usize>>,
    /// One per species.
    pub fitting: Vec<NetPlace>,
    /// `(m, a)` of each descriptor entry, `a ≤ m` where both are below the axis.
    pub entries: Vec<(u32, u32)>,
    /// Length of the vector.
    pub len: usize,
}

impl Places {
    /// The places for a model's nets.
    pub fn new(model: &DeepPotential) -> Self {
        let descriptor = &model.descriptor;
        let n = model.species.len();
        let (width, axis) = (descriptor.width(), descriptor.axis);
        let entries: Vec<(u32, u32)> = (0..width)
            .flat_map(|m| (0..axis).map(move |a| (m, a)))
            .filter(|(m, a)| a <= m || *m >= axis)
            .map(|(m, a)| (m as u32, a as u32))
            .collect();
        let mut len = 0;
        let mut embedding = Vec::new();
        let mut net_of_pair = vec![None; n * n];
        let nets = if descriptor.one_side { n } else { n * n };
        for net in 0..nets {
            let Some(network) = &descriptor.embedding[net] else { continue };
            let symbol = |t: usize| model.species.symbols()[t].clone();
            let name = if descriptor.one_side {
                format!("embedding net of {}", symbol(net))
            } else {
                format!("embedding net of {} around {}", symbol(net % n), symbol(net / n))
            };
            for pair in 0..n * n {
                if pair == net || descriptor.one_side && pair % n == net {
                    net_of_pair[pair] = Some(embedding.len());
                }
            }
            embedding.push(NetPlace { name, layers: places(network, 1, &mut len) });
        }
        let fitting = model
            .fitting
            .iter()
            .zip(model.species.symbols())
            .map(|(network, symbol)| NetPlace {
                name: format!("fitting net of {symbol}"),
                layers: places(network, entries.len(), &mut len),
            })
            .collect();
        Places { embedding, net_of_pair, fitting, entries, len }
    }

    /// The numbers of a model that these places were made for.
    pub fn read<T: Real>(&self, model: &DeepPotential) -> Vec<T> {
        let mut flat = vec![T::ZERO; self.len];
        for (place, network) in self.embedding.iter().zip(self.distinct(model)) {
            for (place, layer) in place.layers.iter().zip(&network.layers) {
                write_layer(place, layer, &layer.weight, &mut flat);
            }
        }
        let axis = model.descriptor.axis;
        for (place, network) in self.fitting.iter().zip(&model.fitting) {
            for (k, (place, layer)) in place.layers.iter().zip(&network.layers).enumerate() {
                if k > 0 {
                    write_layer(place, layer, &layer.weight, &mut flat);
                    continue;
                }
                let row = |d: usize| &layer.weight[d * layer.outputs..][..layer.outputs];
                let mut merged = Vec::with_capacity(place.inputs * place.outputs);
                for (m, a) in &self.entries {
                    let (m, a) = (*m as usize, *a as usize);
                    let first = row(m * axis + a);
                    if m < axis && m != a {
                        let twin = row(a * axis + m);
                        merged.extend(first.iter().zip(twin).map(|(x, y)| x + y));
                    } else {
                        merged.extend_from_slice(first);
                    }
                }
                write_layer(place, layer, &merged, &mut flat);
            }
        }
        flat
    }

    /// Writes the numbers into a model that these places were made for.
    pub fn write<T: Real>(&self, flat: &[T], model: &mut DeepPotential) {
        for pair in 0..self.net_of_pair.len() {
            let Some(net) = self.net_of_pair[pair] else { continue };
            let Some(network) = &mut model.descriptor.embedding[pair] else { continue };
            for (place, layer) in self.embedding[net].layers.iter().zip(&mut network.layers) {
                layer.weight = weights(place, flat).collect();
                read_rest(place, flat, layer);
            }
        }
        let axis = model.descriptor.axis;
        for (place, network) in self.fitting.iter().zip(&mut model.fitting) {
            for (k, (place, layer)) in place.layers.iter().zip(&mut network.layers).enumerate() {
                read_rest(place, flat, layer);
                let packed: Vec<f64> = weights(place, flat).collect();
                if k > 0 {
                    layer.weight = packed;
                    continue;
                }
                let n = layer.outputs;
                for ((m, a), from) in self.entries.iter().zip(packed.chunks_exact(n)) {
                    let (m, a) = (*m as usize, *a as usize);
                    let twins = m < axis && m != a;
                    let part = if twins { 0.5 } else { 1.0 };
                    let places = [m * axis + a, a * axis + m];
                    for place in &places[..if twins { 2 } else { 1 }] {
                        let row = &mut layer.weight[place * n..(place + 1) * n];
                        row.iter_mut().zip(from).for_each(|(x, y)| *x = part * y);
                    }
                }
            }
        }
    }

    fn distinct<'a>(&self, model: &'a DeepPotential) -> Vec<&'a Network> {
        (0..self.embedding.len())
            .map(|net| {
                let pair = self.net_of_pair.iter().position(|n| *n == Some(net));
                let pair = pair.expect("every net serves a pair");
                model.descriptor.embedding[pair].as_ref().expect("it was there")
            })
            .collect()
    }

    /// All layers with the name of their net.
    pub fn layers(&self) -> impl Iterator<Item = (&str, usize, &LayerPlace)> {
        self.embedding.iter().chain(&self.fitting).flat_map(|net| {
            net.layers.iter().enumerate().map(|(k, layer)| (net.name.as_str(), k, layer))
        })
    }
}

/// Places of a net whose first layer has `inputs` rows.
fn places(network: &Network, inputs: usize, len: &mut usize) -> Vec<LayerPlace> {
    let mut take = |count: usize| {
        *len += count;
        *len - count
    };
    let layers = network.layers.iter().enumerate();
    layers
        .map(|(k, layer)| {
            let inputs = if k == 0 { inputs } else { layer.inputs };
            LayerPlace {
                inputs,
                outputs: layer.outputs,
                weight: take(inputs * layer.outputs),
                bias: take(layer.outputs),
                timestep: layer.timestep.as_ref().map(|_| take(layer.outputs)),
                activation: layer.activation,
                skip: layer.skip(),
            }
        })
        .collect()
}

fn write_layer<T: Real>(place: &LayerPlace, layer: &Layer, weight: &[f64], flat: &mut [T]) {
    let mut put = |at: usize, numbers: &[f64]| {
        flat[at..at + numbers.len()]
            .iter_mut()
            .zip(numbers)
            .for_each(|(x, y)| *x = T::from_f64(*y));
    };
    put(place.weight, weight);
    put(place.bias, &layer.bias);
    if let (Some(at), Some(timestep)) = (place.timestep, &layer.timestep) {
        put(at, timestep);
    }
}

fn weights<'a, T: Real>(place: &LayerPlace, flat: &'a [T]) -> impl Iterator<Item = f64> + 'a {
    flat[place.weight..place.weight + place.inputs * place.outputs].iter().map(|x| x.to_f64())
}

fn read_rest<T: Real>(place: &LayerPlace, flat: &[T], layer: &mut Layer) {
    let get = |at: usize| -> Vec<f64> {
        flat[at..at + place.outputs].iter().map(|x| x.to_f64()).collect()
    };
    layer.timestep = place.timestep.map(get);
    layer.bias = get(place.bias);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::testing::small_model;

    #[test]
    fn a_model_survives_the_way_through_the_flat_vector() {
        for one_side in [true, false] {
            let model = small_model(3, one_side, 0.1);
            let places = Places::new(&model);
            let flat: Vec<f64> = places.read(&model);
            let mut back = model.clone();
            places.write(&vec![0.0; places.len], &mut back);
            assert_ne!(back, model);
            places.write(&flat, &mut back);
            let again: Vec<f64> = places.read(&back);
            assert!(flat.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-15));
            // twins of the first layer share their sum, everything else is the same
            assert_eq!(back.descriptor, model.descriptor);
            assert_eq!(back.fitting[0].layers[1..], model.fitting[0].layers[1..]);
        }
    }
}
