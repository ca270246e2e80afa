//! Feed-forward networks with DeePMD-kit's skip connections.
//!
//! A layer is `y = act(x W + b) ⊙ idt + skip`, with `skip = x` where input and output have the same
//! width, `[x, x]` where the output is twice as wide, and nothing otherwise.

use super::activation::Activation;

/// One layer; `weight` is row-major `[inputs][outputs]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub weight: Vec<f64>,
    /// One per output; zeros where the file has none.
    pub bias: Vec<f64>,
    /// `idt`: a factor on each activated output.
    pub timestep: Option<Vec<f64>>,
    pub activation: Activation,
    /// Whether skip connections are on for this layer.
    pub resnet: bool,
}

/// How the input is added to the output of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    None,
    Identity,
    Doubled,
}

impl Layer {
    /// The skip connection of this layer.
    pub fn skip(&self) -> Skip {
        if self.resnet && self.outputs == self.inputs {
            Skip::Identity
        } else if self.resnet && self.outputs == 2 * self.inputs {
            Skip::Doubled
        } else {
            Skip::None
        }
    }

    fn timestep_of(&self, output: usize) -> f64 {
        self.timestep.as_ref().map_or(1.0, |idt| idt[output])
    }

    fn skipped(&self, x: &[f64], output: usize) -> f64 {
        match self.skip() {
            Skip::None => 0.0,
            Skip::Identity | Skip::Doubled => x[output % self.inputs],
        }
    }

    fn pre_activation(&self, x: &[f64], output: usize) -> f64 {
        let sum: f64 =
            (0..self.inputs).map(|i| x[i] * self.weight[i * self.outputs + output]).sum();
        sum + self.bias[output]
    }
}

/// Layers in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Network {
    pub layers: Vec<Layer>,
}

/// A network of one scalar input: outputs and their first two derivatives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScalarDerivatives {
    pub value: Vec<f64>,
    pub first: Vec<f64>,
    pub second: Vec<f64>,
}

impl Network {
    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers
            .iter()
            .map(|l| l.weight.len() + l.bias.len() + l.timestep.as_ref().map_or(0, Vec::len))
            .sum()
    }

    /// True if every activation has all derivatives.
    pub fn is_smooth(&self) -> bool {
        self.layers.iter().all(|layer| layer.activation.is_smooth())
    }

    /// Output of the network.
    pub fn forward(&self, input: &[f64]) -> Vec<f64> {
        let mut x = input.to_vec();
        for layer in &self.layers {
            x = (0..layer.outputs)
                .map(|o| {
                    let z = layer.pre_activation(&x, o);
                    layer.activation.value(z) * layer.timestep_of(o) + layer.skipped(&x, o)
                })
                .collect();
        }
        x
    }

    /// Output and first two derivatives of a network with one input, by Taylor arithmetic.
    ///
    /// # Panics
    /// If the network has more than one input.
    pub fn scalar_derivatives(&self, x: f64) -> ScalarDerivatives {
        assert_eq!(self.inputs(), 1, "one scalar input");
        let mut now = ScalarDerivatives { value: vec![x], first: vec![1.0], second: vec![0.0] };
        for layer in &self.layers {
            let n = layer.outputs;
            let (mut z, mut dz, mut ddz) = (layer.bias.clone(), vec![0.0; n], vec![0.0; n]);
            for (i, row) in layer.weight.chunks_exact(n).enumerate() {
                for o in 0..n {
                    z[o] += now.value[i] * row[o];
                    dz[o] += now.first[i] * row[o];
                    ddz[o] += now.second[i] * row[o];
                }
            }
            let mut next = ScalarDerivatives::default();
            for o in 0..n {
                let (f, df, ddf) = layer.activation.derivatives(z[o]);
                let idt = layer.timestep_of(o);
                next.value.push(f * idt + layer.skipped(&now.value, o));
                next.first.push(df * dz[o] * idt + layer.skipped(&now.first, o));
                next.second.push(
                    (ddf * dz[o] * dz[o] + df * ddz[o]) * idt + layer.skipped(&now.second, o),
                );
            }
            now = next;
        }
        now
    }

    /// Output and gradient with respect to the input of a network with one output, by reverse
    /// accumulation.
    ///
    /// # Panics
    /// If the network has more than one output.
    pub fn value_and_gradient(&self, input: &[f64]) -> (f64, Vec<f64>) {
        assert_eq!(self.outputs(), 1, "one output");
        let mut inputs = vec![input.to_vec()];
        let mut slopes = Vec::new();
        for layer in &self.layers {
            let x = inputs.last().expect("starts with the input");
            let mut y = Vec::with_capacity(layer.outputs);
            let mut slope = Vec::with_capacity(layer.outputs);
            for o in 0..layer.outputs {
                let (f, df, _) = layer.activation.derivatives(layer.pre_activation(x, o));
                y.push(f * layer.timestep_of(o) + layer.skipped(x, o));
                slope.push(df * layer.timestep_of(o));
            }
            slopes.push(slope);
            inputs.push(y);
        }
        let value = inputs.last().expect("at least the input")[0];
        let mut gradient = vec![1.0];
        for (layer, slope) in self.layers.iter().zip(&slopes).rev() {
            let mut below = vec![0.0; layer.inputs];
            for i in 0..layer.inputs {
                below[i] = (0..layer.outputs)
                    .map(|o| gradient[o] * slope[o] * layer.weight[i * layer.outputs + o])
                    .sum();
            }
            match layer.skip() {
                Skip::None => {}
                Skip::Identity | Skip::Doubled => {
                    for o in 0..layer.outputs {
                        below[o % layer.inputs] += gradient[o];
                    }
                }
            }
            gradient = below;
        }
        (value, gradient)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    /// Random weights for any widths.
    pub(crate) fn random_network(
        seed: u64,
        widths: &[usize],
        activation: Activation,
        timestep: bool,
        linear_last: bool,
    ) -> Network {
        let mut random = rng::at(seed, Stream::Testing, 9, 0);
        let last = widths.len() - 2;
        let layers = (0..=last)
            .map(|k| {
                let (inputs, outputs) = (widths[k], widths[k + 1]);
                let linear = linear_last && k == last;
                let scale = 1.0 / ((inputs + outputs) as f64).sqrt();
                Layer {
                    inputs,
                    outputs,
                    weight: (0..inputs * outputs).map(|_| scale * random.normal()).collect(),
                    bias: (0..outputs).map(|_| 0.5 * random.normal()).collect(),
                    timestep: (timestep && !linear)
                        .then(|| (0..outputs).map(|_| 0.3 + 0.1 * random.normal()).collect()),
                    activation: if linear { Activation::Linear } else { activation },
                    resnet: !linear,
                }
            })
            .collect();
        Network { layers }
    }

    #[test]
    fn scalar_derivatives_agree_with_central_differences() {
        for (seed, widths) in
            [vec![1, 8, 16, 32], vec![1, 1, 2, 2, 5], vec![1, 2, 4]].into_iter().enumerate()
        {
            let network = random_network(seed as u64, &widths, Activation::Tanh, true, false);
            let (x, h) = (0.37, 1e-5);
            let here = network.scalar_derivatives(x);
            for (fast, plain) in here.value.iter().zip(network.forward(&[x])) {
                assert!((fast - plain).abs() < 1e-14);
            }
            let (up, down) = (network.scalar_derivatives(x + h), network.scalar_derivatives(x - h));
            for o in 0..network.outputs() {
                let slope = (up.value[o] - down.value[o]) / (2.0 * h);
                let bend = (up.first[o] - down.first[o]) / (2.0 * h);
                assert!((here.first[o] - slope).abs() < 1e-9);
                assert!((here.second[o] - bend).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn gradient_agrees_with_central_differences() {
        let network = random_network(3, &[6, 10, 10, 10, 1], Activation::Gelu, true, true);
        let input = [0.3, -0.8, 1.2, 0.0, -0.1, 0.5];
        let (value, gradient) = network.value_and_gradient(&input);
        assert!((value - network.forward(&input)[0]).abs() < 1e-14);
        let h = 1e-6;
        for i in 0..6 {
            let mut moved = input;
            moved[i] += h;
            let up = network.forward(&moved)[0];
            moved[i] -= 2.0 * h;
            let slope = (up - network.forward(&moved)[0]) / (2.0 * h);
            assert!((gradient[i] - slope).abs() < 1e-8);
        }
    }
}
