//! A new network: random weights, environment and atomic energies from the data.

use super::statistics::Statistics;
use crate::card::Card;
use crate::deep_potential::activation::Activation;
use crate::deep_potential::network::{Layer, Network};
use crate::deep_potential::{DeepPotential, Descriptor};
use vitrion_core::SpeciesTable;
use vitrion_core::rng::{self, Random, Stream};

/// Shape of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// [Å]
    pub cutoff: f64,
    /// Where the smooth weight starts to fall [Å].
    pub smooth_cutoff: f64,
    /// Widths of the embedding nets.
    pub embedding: Vec<usize>,
    /// `A`
    pub axis: usize,
    /// Widths of the hidden fitting layers.
    pub fitting: Vec<usize>,
    pub activation: Activation,
    /// One embedding net per neighbour species, or one per pair.
    pub one_side: bool,
    /// Timesteps (`resnet_dt`) of the fitting nets.
    pub timestep: bool,
    /// Slots per neighbour species, in the order of the species; from the data where not given.
    pub sel: Option<Vec<usize>>,
}

impl Default for Shape {
    /// The network of the paper.
    fn default() -> Self {
        Shape {
            cutoff: 6.5,
            smooth_cutoff: 0.5,
            embedding: vec![25, 50, 100],
            axis: 16,
            fitting: vec![240; 3],
            activation: Activation::Tanh,
            one_side: true,
            timestep: true,
            sel: None,
        }
    }
}

impl Shape {
    /// A model with weights drawn as in DeePMD-kit: `W ~ N(0, 1/√(n_in + n_out))`, `b ~ N(0, 1)`,
    /// timesteps around 0.1. The mean of the environment is set to zero (`set_davg_zero`), so empty
    /// slots contribute nothing.
    pub fn model(
        &self,
        species: &SpeciesTable,
        statistics: &Statistics,
        seed: u64,
    ) -> DeepPotential {
        let n = species.len();
        let nets = if self.one_side { n } else { n * n };
        let mut widths = vec![1];
        widths.extend(&self.embedding);
        let embedding: Vec<Network> = (0..nets)
            .map(|k| self.network(&widths, false, &mut rng::at(seed, Stream::Weights, k as u64, 0)))
            .collect();
        let width = widths[widths.len() - 1];
        let mut widths = vec![width * self.axis];
        widths.extend(&self.fitting);
        let fitting = (0..n)
            .map(|k| {
                let mut random = rng::at(seed, Stream::Weights, k as u64, 1);
                let mut network = self.network(&widths, self.timestep, &mut random);
                let inputs = network.outputs();
                let mut last = layer(inputs, 1, Activation::Linear, false, &mut random);
                last.resnet = false;
                // the mean energy is in the bias of the species
                last.bias = vec![0.0];
                network.layers.push(last);
                network
            })
            .collect();
        let pairs = || 0..n * n;
        DeepPotential {
            species: species.clone(),
            descriptor: Descriptor {
                cutoff: self.cutoff,
                smooth_cutoff: self.smooth_cutoff,
                axis: self.axis,
                protection: 0.0,
                sel: statistics.sel.clone(),
                one_side: self.one_side,
                embedding: pairs()
                    .map(|pair| {
                        Some(embedding[if self.one_side { pair % n } else { pair }].clone())
                    })
                    .collect(),
                mean: vec![[0.0; 4]; n * n],
                std: pairs()
                    .map(|pair| {
                        let [radial, angular] = statistics.spread[pair / n];
                        [radial, angular, angular, angular]
                    })
                    .collect(),
                excluded: vec![false; n * n],
                excluded_keep_padding: true,
                pair_excluded: vec![false; n * n],
                mean_is_zero: true,
            },
            fitting,
            energy_bias: statistics.energy_bias.clone(),
            out_bias: vec![0.0; n],
            fitting_excluded: vec![false; n],
            atom_excluded: vec![false; n],
            zbl: None,
            card: Card::default(),
        }
    }

    fn network(&self, widths: &[usize], timestep: bool, random: &mut Random) -> Network {
        let pairs = widths.windows(2);
        Network {
            layers: pairs.map(|w| layer(w[0], w[1], self.activation, timestep, random)).collect(),
        }
    }
}

fn layer(
    inputs: usize,
    outputs: usize,
    activation: Activation,
    timestep: bool,
    random: &mut Random,
) -> Layer {
    let scale = 1.0 / ((inputs + outputs) as f64).sqrt();
    // weights that are exact in single precision survive every kind of training and file
    let single = |x: f64| f64::from(x as f32);
    Layer {
        inputs,
        outputs,
        weight: (0..inputs * outputs).map(|_| single(scale * random.normal())).collect(),
        bias: (0..outputs).map(|_| single(random.normal())).collect(),
        timestep: timestep
            .then(|| (0..outputs).map(|_| single(0.1 + 0.001 * random.normal())).collect()),
        activation,
        resnet: true,
    }
}
