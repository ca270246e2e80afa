//! Accumulators that look at a stage while it runs.

use super::{CorrelationsPlan, RadialPlan, StagePlan};
use vitrion_analysis::samples::Samples;
use vitrion_analysis::structure::{RadialDistribution, RadialDistributionSettings};
use vitrion_analysis::{Accumulator, AnalysisError, Correlator, CorrelatorSettings};
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, Structure};
use vitrion_md::{Instant, Observer};

/// Names of the observers and of their results.
const CORRELATIONS: &str = "time_correlation";
const RADIAL: &str = "radial_distribution";

impl StagePlan {
    /// Refuses accumulators that do not suit a structure: the key of the run file and why.
    pub(crate) fn check_observers(
        &self,
        structure: &Structure,
    ) -> Result<(), (&'static str, AnalysisError)> {
        if let Some(plan) = &self.correlations {
            let settings = self.correlator_settings(plan);
            settings.validate(structure).map_err(|error| ("correlations", error))?;
        }
        if let Some(plan) = &self.radial_distribution {
            plan.accumulator(structure).map_err(|error| ("radial_distribution", error))?;
        }
        Ok(())
    }

    /// Its accumulators for a structure.
    pub(crate) fn observers(
        &self,
        structure: &Structure,
    ) -> Result<Vec<Box<dyn Observer>>, AnalysisError> {
        let mut observers: Vec<Box<dyn Observer>> = Vec::new();
        if let Some(plan) = &self.correlations {
            let correlator = Correlator::new(self.correlator_settings(plan), structure)?;
            observers.push(Box::new(Correlations { every: plan.every, correlator }));
        }
        if let Some(plan) = &self.radial_distribution {
            let accumulator = plan.accumulator(structure)?;
            let frame = Frame::from(structure.clone());
            observers.push(Box::new(Radial { every: plan.every, accumulator, frame }));
        }
        Ok(observers)
    }

    /// Names of its accumulators.
    pub(crate) fn observed(&self) -> impl Iterator<Item = &'static str> {
        let correlations = self.correlations.as_ref().map(|_| CORRELATIONS);
        correlations.into_iter().chain(self.radial_distribution.map(|_| RADIAL))
    }

    fn correlator_settings(&self, plan: &CorrelationsPlan) -> CorrelatorSettings {
        CorrelatorSettings {
            interval: plan.every as f64 * self.timestep_fs,
            longest: plan.longest_fs,
            charges: plan.charges.iter().map(|(s, z)| (s.clone(), *z)).collect(),
        }
    }
}

impl RadialPlan {
    fn accumulator(
        &self,
        structure: &Structure,
    ) -> Result<Accumulator<RadialDistribution>, AnalysisError> {
        let table = &structure.table;
        let settings = RadialDistributionSettings { r_max: self.r_max_a, dr: self.dr_a };
        let analysis = RadialDistribution::new(table, settings)?;
        Ok(Accumulator::new(table.clone(), analysis))
    }
}

struct Correlations {
    every: u64,
    correlator: Correlator,
}

impl Observer for Correlations {
    fn name(&self) -> &'static str {
        CORRELATIONS
    }

    fn every(&self) -> u64 {
        self.every
    }

    fn observe(&mut self, instant: &Instant<'_>) -> Result<(), String> {
        self.correlator
            .add(instant.cell, instant.positions, instant.velocities)
            .map_err(|error| error.to_string())
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.correlator).expect("plain data can be serialised")
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.correlator = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn finish(&self) -> Result<Observables, String> {
        self.correlator.finish().map_err(|error| error.to_string())
    }
}

struct Radial {
    every: u64,
    accumulator: Accumulator<RadialDistribution>,
    /// Room for the frame of the moment.
    frame: Frame,
}

impl Observer for Radial {
    fn name(&self) -> &'static str {
        RADIAL
    }

    fn every(&self) -> u64 {
        self.every
    }

    fn observe(&mut self, instant: &Instant<'_>) -> Result<(), String> {
        self.frame.structure.cell.clone_from(instant.cell);
        self.frame.structure.positions.copy_from_slice(instant.positions);
        self.accumulator.add(&self.frame).map_err(|error| error.to_string())
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_stdvec(self.accumulator.samples()).expect("plain data can be serialised")
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let samples: Samples = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        self.accumulator.restore(samples);
        Ok(())
    }

    fn finish(&self) -> Result<Observables, String> {
        self.accumulator.finish().map_err(|error| error.to_string())
    }
}
