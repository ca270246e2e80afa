//! What training does not change: how environments are normalised, and where the grids of the
//! embedding nets lie.

use super::GradientError;
use crate::deep_potential::DeepPotential;
use crate::train::parameters::Places;

/// Node values of a net: itself and two derivatives.
pub const ORDERS: usize = 3;
/// The node of an input outside the grid.
pub const OUTSIDE: u32 = u32::MAX;

/// Environments and grids of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// [Å]
    pub cutoff: f64,
    /// Where the smooth weight starts to fall [Å].
    pub smooth_cutoff: f64,
    /// Added to distances [Å].
    pub protection: f64,
    /// Neighbour slots of each species.
    pub sel: Vec<usize>,
    /// One over their total.
    pub inverse_slots: f64,
    /// Shortest distance the grids reach [Å].
    pub nearest: f64,
    /// `[centre][neighbour]`
    pub pairs: Vec<Pair>,
    /// The grid of each distinct embedding net, in the order of [`Places::embedding`].
    pub grids: Vec<GridPlace>,
    /// Added to what the fitting net of each species gives [eV].
    pub energy_bias: Vec<f64>,
}

/// A pair of species: how the environment is normalised, and the net that follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Of the radial row; that of the angular rows is zero.
    pub mean: f64,
    /// One over the spread of the radial and of the angular rows.
    pub per_radial: f64,
    pub per_angular: f64,
    /// Number of the embedding net.
    pub net: usize,
}

impl Pair {
    /// The input of the net for a radial row `s`.
    #[inline(always)]
    pub fn input(&self, s: f64) -> f64 {
        (s - self.mean) * self.per_radial
    }

    /// The input of empty slots; `None` where they contribute nothing.
    pub fn empty(&self) -> Option<f64> {
        let x = -self.mean * self.per_radial;
        (x.abs() >= f64::MIN_POSITIVE).then_some(x)
    }
}

/// The grid of one net: nodes at `lower + k · spacing`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridPlace {
    pub lower: f64,
    pub spacing: f64,
    pub nodes: usize,
    /// Number of the first node among those of all nets.
    pub first: usize,
}

impl GridPlace {
    /// Where a node of this net is, the first being 0.
    pub fn node(&self, k: usize) -> f64 {
        self.lower + k as f64 * self.spacing
    }

    /// What finds the interval of an input.
    #[inline]
    pub fn interval(&self) -> Interval {
        Interval {
            lower: self.lower,
            per_spacing: 1.0 / self.spacing,
            spacing: self.spacing,
            last: (self.nodes - 2) as f64,
            first: self.first as u32,
        }
    }
}

/// The intervals of one net's grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub lower: f64,
    /// One over the spacing.
    pub per_spacing: f64,
    pub spacing: f64,
    /// Number of the last interval, and of the first node among those of all nets.
    pub last: f64,
    pub first: u32,
}

impl Interval {
    /// The left node of the interval that `x` lies in, counted over all nets, and the position there
    /// from 0 to 1; [`OUTSIDE`] beyond the grid and for NaN.
    #[inline(always)]
    pub fn locate(&self, x: f64) -> (u32, f64) {
        let position = (x - self.lower) * self.per_spacing;
        let inside = position >= 0.0 && position <= self.last + 1.0;
        let interval = position.floor().min(self.last);
        let node = if inside { self.first + interval as u32 } else { OUTSIDE };
        (node, position - interval)
    }
}

impl Geometry {
    /// Of a model, with grids of spacing `spacing` (in normalised inputs) that start at distances of
    /// `nearest` [Å].
    ///
    /// # Errors
    /// Models that are not [`supported`].
    pub fn new(
        model: &DeepPotential,
        places: &Places,
        nearest: f64,
        spacing: f64,
    ) -> Result<Self, GradientError> {
        supported(model)?;
        let descriptor = &model.descriptor;
        let scales = descriptor.mean.iter().zip(&descriptor.std);
        let pairs: Vec<Pair> = scales
            .zip(&places.net_of_pair)
            .map(|((mean, std), net)| Pair {
                mean: mean[0],
                per_radial: 1.0 / std[0],
                per_angular: 1.0 / std[1],
                net: net.expect("no pair is excluded"),
            })
            .collect();
        let mut first = 0;
        let grids = (0..places.embedding.len())
            .map(|net| {
                let (mut lower, mut upper) = (f64::INFINITY, f64::NEG_INFINITY);
                for pair in pairs.iter().filter(|pair| pair.net == net) {
                    // at the cut-off and at the nearest distance
                    lower = lower.min(pair.input(0.0));
                    upper = upper.max(pair.input(1.0 / (nearest + descriptor.protection)));
                }
                // a hair wider: the weight at the cut-off may round below zero
                let lower = lower - 1e-9;
                let intervals = ((upper - lower) / spacing).ceil().max(1.0) as usize;
                let grid = GridPlace { lower, spacing, nodes: intervals + 1, first };
                first += grid.nodes;
                grid
            })
            .collect();
        Ok(Geometry {
            cutoff: descriptor.cutoff,
            smooth_cutoff: descriptor.smooth_cutoff,
            protection: descriptor.protection,
            sel: descriptor.sel.clone(),
            inverse_slots: 1.0 / descriptor.slots() as f64,
            nearest,
            pairs,
            grids,
            energy_bias: model
                .energy_bias
                .iter()
                .zip(&model.out_bias)
                .map(|(a, b)| a + b)
                .collect(),
        })
    }
}

/// Refuses what the gradient does not cover.
///
/// # Errors
/// Excluded types or pairs, activations with kinks, angular means, fitting nets without a hidden layer.
pub fn supported(model: &DeepPotential) -> Result<(), GradientError> {
    let unsupported = |what: &str| Err(GradientError::Unsupported(what.to_owned()));
    let descriptor = &model.descriptor;
    let excluded = descriptor.excluded.iter().chain(&descriptor.pair_excluded);
    let any = excluded.chain(&model.fitting_excluded).chain(&model.atom_excluded).any(|x| *x);
    if any || descriptor.embedding.iter().any(Option::is_none) {
        return unsupported("models with excluded types or pairs cannot be trained further");
    }
    let nets = descriptor.embedding.iter().flatten().chain(&model.fitting);
    if let Some(net) = nets.into_iter().find(|net| !net.is_smooth()) {
        let name = net.layers[0].activation.name();
        return unsupported(&format!(
            "activation {name:?} has kinks, so forces have no slope there; train with \"tanh\", \
             \"gelu\", \"silu\", \"softplus\" or \"sigmoid\""
        ));
    }
    let straight = |mean: &[f64; 4], std: &[f64; 4]| {
        let same = std[1..].iter().all(|s| (s - std[1]).abs() <= 1e-12 * std[1].abs());
        mean[1..].iter().all(|m| m.abs() < f64::MIN_POSITIVE) && same
    };
    if !descriptor.mean.iter().zip(&descriptor.std).all(|(m, s)| straight(m, s)) {
        return unsupported(
            "the mean of angular environment rows is not zero, or their spread differs by direction",
        );
    }
    if model.fitting.iter().any(|net| net.layers.len() < 2 || net.outputs() != 1) {
        return unsupported("a fitting net needs a hidden layer and one output");
    }
    Ok(())
}

/// Weights of the six node values `[left y, y′, y″, right y, y′, y″]` for the value at `u` and for
/// the slope, of the quintic Hermite polynomial over an interval of width `h`.
#[inline(always)]
pub fn hermite(u: f64, h: f64) -> ([f64; 2 * ORDERS], [f64; 2 * ORDERS]) {
    let v = 1.0 - u;
    let (u2, v2) = (u * u, v * v);
    let (u3, v3) = (u2 * u, v2 * v);
    let flat = 30.0 * u2 * v2 / h;
    let value = [
        v3 * (1.0 + 3.0 * u + 6.0 * u2),
        h * u * v3 * (1.0 + 3.0 * u),
        0.5 * h * h * u2 * v3,
        u3 * (1.0 + 3.0 * v + 6.0 * v2),
        -h * v * u3 * (1.0 + 3.0 * v),
        0.5 * h * h * v2 * u3,
    ];
    let slope = [
        -flat,
        v2 * (1.0 - 3.0 * u) * (1.0 + 5.0 * u),
        0.5 * h * u * v2 * (2.0 - 5.0 * u),
        flat,
        u2 * (1.0 - 3.0 * v) * (1.0 + 5.0 * v),
        -0.5 * h * v * u2 * (2.0 - 5.0 * v),
    ];
    (value, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hermite_weights_reproduce_every_quintic_and_its_slope() {
        let h = 0.37;
        for power in 0..6 {
            // y = (x − 0.2)^p on an interval from 1
            let y = |x: f64| (x - 0.2).powi(power);
            let dy = |x: f64| f64::from(power) * (x - 0.2).powi((power - 1).max(0));
            let ddy = |x: f64| f64::from(power * (power - 1)) * (x - 0.2).powi((power - 2).max(0));
            let (a, b) = (1.0, 1.0 + h);
            let nodes = [y(a), dy(a), ddy(a), y(b), dy(b), ddy(b)];
            for u in [0.0, 0.2, 0.5, 0.83, 1.0] {
                let (value, slope) = hermite(u, h);
                let sum = |w: [f64; 6]| w.iter().zip(nodes).map(|(w, n)| w * n).sum::<f64>();
                assert!((sum(value) - y(1.0 + u * h)).abs() < 1e-13);
                assert!((sum(slope) - dy(1.0 + u * h)).abs() < 1e-12);
            }
        }
    }
}
