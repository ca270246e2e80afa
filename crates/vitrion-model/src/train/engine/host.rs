//! Training steps on the processors.

use super::{DeviceError, Engine, EngineError, Seconds, State, StepPlan};
use crate::classical::Zbl;
use crate::deep_potential::DeepPotential;
use crate::deep_potential::real::Real;
use crate::train::dataset::Dataset;
use crate::train::example::Example;
use crate::train::gradient::{Gradient, GradientError};
use crate::train::loss::Squares;
use crate::train::neighborhoods::Neighborhoods;
use crate::train::optimizer::{self, Method, Optimizer};
use crate::train::settings::Settings;
use rayon::prelude::*;
use std::time::Instant;
use vitrion_core::SpeciesTable;

/// Frames whose errors are measured at once.
const COMPARED: usize = 16;
/// Numbers that one task updates.
const PART: usize = 1 << 14;

/// The engine that needs no device: every step is done when its call returns.
#[derive(Debug)]
pub struct Host<'a, T> {
    data: &'a Dataset,
    species: SpeciesTable,
    cutoff: f64,
    repulsion: Option<Zbl>,
    gradient: Gradient<T>,
    parameters: Vec<T>,
    average: Vec<T>,
    optimizer: Optimizer<T>,
    slopes: Vec<T>,
    batch: Vec<Example>,
    neighborhoods: Neighborhoods,
    seconds: Seconds,
}

impl<'a, T: Real> Host<'a, T> {
    /// For training `model` on `data`.
    ///
    /// # Errors
    /// Models that cannot be trained.
    pub fn new(
        settings: &Settings,
        data: &'a Dataset,
        model: &DeepPotential,
    ) -> Result<Self, GradientError> {
        let gradient = Gradient::new(model, settings.nearest, settings.grid_spacing)?;
        let parameters: Vec<T> = gradient.places().read(model);
        Ok(Host {
            data,
            species: model.species.clone(),
            cutoff: model.descriptor.cutoff,
            repulsion: None,
            average: parameters.clone(),
            optimizer: Optimizer::new(settings.stages[0].optimizer, gradient.places()),
            slopes: vec![T::ZERO; parameters.len()],
            batch: Vec::new(),
            neighborhoods: Neighborhoods::new(data, settings.cache_bytes),
            seconds: Seconds::default(),
            gradient,
            parameters,
        })
    }

    /// The first of these frames whose own gradient is not finite.
    pub fn offender(&mut self, frames: &[usize], plan: &StepPlan<'_>) -> Option<usize> {
        frames.iter().copied().find(|frame| {
            self.fill(&[*frame]);
            self.differentiate(plan).is_err()
        })
    }

    /// Takes over frames with their neighbours; subtracts what the repulsion gives.
    fn fill(&mut self, frames: &[usize]) {
        let repulsion = self.repulsion.as_ref();
        self.neighborhoods.fill(self.data, frames, self.cutoff, &mut self.batch, |example| {
            if let Some(zbl) = repulsion {
                example.subtract(&mut zbl.clone());
            }
        });
    }

    /// The gradient of the batch, to `slopes`; its squares and the gradient's norm.
    fn differentiate(&mut self, plan: &StepPlan<'_>) -> Result<(Squares, f64), EngineError> {
        let step = plan.step;
        let found = self
            .gradient
            .evaluate(&self.parameters, &self.batch, plan.loss, &plan.prefactors, &mut self.slopes)
            .map_err(|source| EngineError::Frame { step: Some(step), source })?;
        let norm = optimizer::norm(&self.slopes);
        if norm.is_finite() {
            Ok((found.squares, norm))
        } else {
            Err(EngineError::Diverged { step })
        }
    }
}

impl<T: Real> Engine<T> for Host<'_, T> {
    fn begin_stage(
        &mut self,
        method: Method,
        repulsion: Option<(f64, f64)>,
    ) -> Result<(), DeviceError> {
        self.optimizer = Optimizer::new(method, self.gradient.places());
        self.repulsion = repulsion.map(|(inner, outer)| {
            Zbl::new(self.species.clone(), inner, outer).expect("radii were checked")
        });
        Ok(())
    }

    fn end_stage(&mut self, averaged: bool) -> Result<(), DeviceError> {
        if averaged {
            self.parameters.copy_from_slice(&self.average);
        } else {
            self.average.copy_from_slice(&self.parameters);
        }
        Ok(())
    }

    fn step(
        &mut self,
        frames: &[usize],
        plan: &StepPlan<'_>,
        squares: &mut Squares,
    ) -> Result<(), EngineError> {
        let now = Instant::now();
        self.fill(frames);
        self.seconds.batches += now.elapsed().as_secs_f64();
        let (found, norm) = self.differentiate(plan)?;
        let now = Instant::now();
        if let Some(most) = plan.clip
            && norm > most
        {
            let scale = T::from_f64(most / norm);
            self.slopes.par_iter_mut().with_min_len(PART).for_each(|g| *g = *g * scale);
        }
        self.optimizer.step(&mut self.parameters, &self.slopes, plan.learning_rate);
        if let Some(decay) = plan.decay {
            let (keep, take) = (T::from_f64(decay), T::from_f64(1.0 - decay));
            self.average.par_chunks_mut(PART).zip(self.parameters.par_chunks(PART)).for_each(
                |(a, p)| {
                    a.iter_mut().zip(p).for_each(|(a, p)| *a = keep * *a + take * *p);
                },
            );
        }
        self.seconds.optimizer += now.elapsed().as_secs_f64();
        squares.merge(&found);
        Ok(())
    }

    fn finish(&mut self, _: &mut Squares) -> Result<(), EngineError> {
        Ok(())
    }

    fn errors(&mut self, averaged: bool, frames: &[usize]) -> Result<Squares, EngineError> {
        let mut squares = Squares::default();
        for frames in frames.chunks(COMPARED) {
            self.fill(frames);
            let parameters = if averaged { &self.average } else { &self.parameters };
            let found = self.gradient.errors(parameters, &self.batch);
            squares.merge(&found.map_err(|source| EngineError::Frame { step: None, source })?);
        }
        Ok(squares)
    }

    fn state(&mut self) -> Result<State<'_, T>, DeviceError> {
        Ok(State {
            parameters: &self.parameters,
            average: &self.average,
            first: &self.optimizer.first,
            second: &self.optimizer.second,
            steps: self.optimizer.steps,
        })
    }

    fn restore(&mut self, state: State<'_, T>) -> Result<(), DeviceError> {
        self.parameters.copy_from_slice(state.parameters);
        self.average.copy_from_slice(state.average);
        self.optimizer.first.copy_from_slice(state.first);
        self.optimizer.second.copy_from_slice(state.second);
        self.optimizer.steps = state.steps;
        Ok(())
    }

    fn take_seconds(&mut self) -> Seconds {
        Seconds { gradient: self.gradient.take_phases(), ..std::mem::take(&mut self.seconds) }
    }
}
