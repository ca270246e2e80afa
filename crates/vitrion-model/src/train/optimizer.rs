//! Optimisers: from a gradient to new parameters.

pub mod muon;

use super::parameters::Places;
use crate::deep_potential::real::Real;
use muon::Orthogonalizer;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers that one task updates.
const PART: usize = 1 << 14;

/// Which optimiser, and its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Kingma & Ba 2015; with `weight_decay` > 0 decoupled as in AdamW (Loshchilov & Hutter 2019).
    Adam { beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
    /// Jordan 2024: the momentum of every hidden weight matrix is replaced by its orthogonal factor,
    /// so that all directions learn at one speed; everything else by Adam. Steps are scaled by
    /// `0.2 √max(inputs, outputs)`, which gives them the size of Adam's.
    Muon { momentum: f64, beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
}

impl Method {
    /// As in a training file.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Adam { weight_decay, .. } if *weight_decay > 0.0 => "adamw",
            Method::Adam { .. } => "adam",
            Method::Muon { .. } => "muon",
        }
    }

    /// Adam with the usual constants.
    pub const ADAM: Method =
        Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    /// Muon with the usual constants.
    pub const MUON: Method =
        Method::Muon { momentum: 0.95, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
}

/// The memory of an optimiser.
#[derive(Debug)]
pub struct Optimizer<T> {
    method: Method,
    /// First and second moments of the gradient; of matrices that Muon treats the first is the
    /// momentum and the second unused.
    pub(super) first: Vec<T>,
    pub(super) second: Vec<T>,
    /// Steps taken.
    pub(super) steps: u64,
    matrices: Vec<Orthogonalizer<T>>,
    arch: Arch,
}

impl<T: Real> Optimizer<T> {
    /// A fresh optimiser.
    pub fn new(method: Method, places: &Places) -> Self {
        let arch = Arch::new();
        let matrices = match method {
            Method::Adam { .. } => Vec::new(),
            Method::Muon { .. } => hidden_matrices(places)
                .into_iter()
                .map(|(at, rows, columns)| Orthogonalizer::new(arch, at, rows, columns))
                .collect(),
        };
        Optimizer {
            method,
            first: vec![T::ZERO; places.len],
            second: vec![T::ZERO; places.len],
            steps: 0,
            matrices,
            arch,
        }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// One step at learning rate `rate`.
    pub fn step(&mut self, parameters: &mut [T], gradient: &[T], rate: f64) {
        self.steps += 1;
        let constants = Constants::new(&self.method, self.steps, rate);
        // between the matrices that Muon treats
        let mut ranges = Vec::new();
        let mut at = 0;
        for matrix in &self.matrices {
            ranges.push(at..matrix.range().start);
            at = matrix.range().end;
        }
        ranges.push(at..parameters.len());
        for range in ranges {
            let arch = self.arch;
            parameters[range.clone()]
                .par_chunks_mut(PART)
                .zip(gradient[range.clone()].par_chunks(PART))
                .zip(self.first[range.clone()].par_chunks_mut(PART))
                .zip(self.second[range].par_chunks_mut(PART))
                .for_each(|(((parameters, gradient), first), second)| {
                    arch.dispatch(Adam { constants, parameters, gradient, first, second });
                });
        }
        if let Method::Muon { momentum, weight_decay, .. } = self.method {
            let places: Vec<Range<usize>> =
                self.matrices.iter().map(Orthogonalizer::range).collect();
            let parameters = parts(parameters, &places);
            let momenta = parts(&mut self.first, &places);
            self.matrices
                .par_iter_mut()
                .zip(parameters.into_par_iter().zip(momenta))
                .with_max_len(1)
                .for_each(|(matrix, (parameters, first))| {
                    let gradient = &gradient[matrix.range()];
                    matrix.step(parameters, gradient, first, momentum, rate, weight_decay);
                });
        }
    }
}

/// Disjoint ascending parts of a slice.
fn parts<'a, T>(mut slice: &'a mut [T], ranges: &[Range<usize>]) -> Vec<&'a mut [T]> {
    let mut at = 0;
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (_, rest) = std::mem::take(&mut slice).split_at_mut(range.start - at);
        let (part, rest) = rest.split_at_mut(range.len());
        parts.push(part);
        slice = rest;
        at = range.end;
    }
    parts
}

/// Start, rows and columns of the weights between hidden layers, in order of their starts: all but
/// the first layer of an embedding net (one input) and the last of a fitting net (one output).
pub fn hidden_matrices(places: &Places) -> Vec<(usize, usize, usize)> {
    places
        .layers()
        .filter(|(_, _, layer)| layer.inputs > 1 && layer.outputs > 1)
        .map(|(_, _, layer)| (layer.weight, layer.inputs, layer.outputs))
        .collect()
}

/// What Adam multiplies with in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constants<T> {
    /// `β₁`, `1 − β₁`, `β₂`, `1 − β₂`
    pub beta1: T,
    pub one_minus1: T,
    pub beta2: T,
    pub one_minus2: T,
    /// Learning rate over the bias `1 − β₁ᵗ` of the first moment.
    pub step: T,
    /// `1/√(1 − β₂ᵗ)`
    pub scale: T,
    pub epsilon: T,
    /// `1 − lr·decay`
    pub keep: T,
}

impl<T: Real> Constants<T> {
    /// Those of step number `steps`, the first being 1, at learning rate `rate`.
    pub fn new(method: &Method, steps: u64, rate: f64) -> Self {
        let steps = steps as f64;
        let (beta1, beta2, epsilon, weight_decay) = match *method {
            Method::Adam { beta1, beta2, epsilon, weight_decay }
            | Method::Muon { beta1, beta2, epsilon, weight_decay, .. } => {
                (beta1, beta2, epsilon, weight_decay)
            }
        };
        Constants {
            beta1: T::from_f64(beta1),
            one_minus1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            one_minus2: T::from_f64(1.0 - beta2),
            step: T::from_f64(rate / (1.0 - beta1.powf(steps))),
            scale: T::from_f64(1.0 / (1.0 - beta2.powf(steps)).sqrt()),
            epsilon: T::from_f64(epsilon),
            keep: T::from_f64(1.0 - rate * weight_decay),
        }
    }
}

/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `θ ← θ − lr m̂/(√v̂ + ε)`.
struct Adam<'a, T> {
    constants: Constants<T>,
    parameters: &'a mut [T],
    gradient: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
}

impl<T: Real> WithSimd for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let c = self.constants;
        let n = self.parameters.len();
        let (parameters, gradient) = (&mut self.parameters[..n], &self.gradient[..n]);
        let (first, second) = (&mut self.first[..n], &mut self.second[..n]);
        for k in 0..n {
            let g = gradient[k];
            first[k] = c.beta1 * first[k] + c.one_minus1 * g;
            second[k] = c.beta2 * second[k] + c.one_minus2 * g * g;
            let size = second[k].sqrt() * c.scale + c.epsilon;
            parameters[k] = c.keep * parameters[k] - c.step * first[k] / size;
        }
    }
}

/// Norm of a gradient; chunks are summed in order, so it does not depend on threads.
pub fn norm<T: Real>(gradient: &[T]) -> f64 {
    let parts: Vec<f64> = gradient
        .par_chunks(PART)
        .map(|part| part.iter().map(|g| g.to_f64() * g.to_f64()).sum())
        .collect();
    parts.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::testing::small_model;
    use vitrion_core::rng::{self, Stream};

    #[test]
    fn the_first_steps_of_adam_follow_the_definition() {
        let places = Places::new(&small_model(1, true, 0.0));
        let mut optimizer = Optimizer::<f64>::new(Method::ADAM, &places);
        let mut parameters = vec![1.0; places.len];
        let gradient: Vec<f64> = (0..places.len).map(|k| (k as f64 * 0.37).sin()).collect();
        optimizer.step(&mut parameters, &gradient, 0.01);
        optimizer.step(&mut parameters, &gradient, 0.01);
        // with a constant gradient both bias-corrected moments are exact: every step is lr · sign
        for (p, g) in parameters.iter().zip(&gradient) {
            let step = 0.02 * g / (g.abs() + 1e-8);
            assert!((p - (1.0 - step)).abs() < 1e-9);
        }
    }

    #[test]
    fn muon_turns_momentum_into_steps_of_equal_strength_in_all_directions() {
        let places = Places::new(&small_model(1, true, 0.0));
        let mut optimizer = Optimizer::<f64>::new(Method::MUON, &places);
        let mut parameters = vec![0.0; places.len];
        let mut random = rng::at(3, Stream::Testing, 5, 0);
        let gradient: Vec<f64> = (0..places.len).map(|_| random.normal()).collect();
        optimizer.step(&mut parameters, &gradient, 0.01);
        for (at, rows, columns) in hidden_matrices(&places) {
            let step = &parameters[at..at + rows * columns];
            // sum of squares = rank · lr² · 0.04 · max, within what five iterations reach
            let sum: f64 = step.iter().map(|x| x * x).sum();
            let most = 0.04 * 1e-4 * (rows.max(columns) * rows.min(columns)) as f64;
            assert!(sum < 1.5 * most && sum > 0.2 * most, "{rows}×{columns}: {sum} {most}");
        }
    }
}
