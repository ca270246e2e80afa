//! Softness of the ions of a trajectory by a trained model, beside other analyses of structure.

use super::model::SoftnessModel;
use crate::error::AnalysisError;
use crate::pass::{AtomColumn, AtomValues, Measured, Needs, Scene, StructuralAnalysis};
use crate::samples::Samples;
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;
use vitrion_core::observables::Observables;

/// Distributions go from −`REACH` to `REACH`, in `BINS` bins.
const REACH: f64 = 12.0;
const BINS: usize = 240;
/// Ions, sum and sum of squares of S, soft ions, and ions outside of the bins.
const NUMBERS: usize = 5;

/// Which model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftnessSettings {
    pub model: SoftnessModel,
    /// Phases told apart.
    pub phases: Vec<String>,
}

/// Applies it.
pub struct Softness {
    settings: SoftnessSettings,
}

impl Softness {
    /// For trajectories that begin with this structure.
    ///
    /// # Errors
    /// A model that does not fit together; no ion of its species; an element that it does not know.
    pub fn new(settings: SoftnessSettings, first: &Structure) -> Result<Self, AnalysisError> {
        let model = &settings.model;
        model.check()?;
        let species = &model.features.species;
        let present = || first.table.symbols().to_vec();
        if first.atoms_of(species).is_empty() {
            let species = species.clone();
            return Err(AnalysisError::NoSuchSpecies { species, present: present() });
        }
        let known = &model.features.elements;
        if let Some(stranger) = present().iter().find(|symbol| !known.contains(symbol)) {
            return Err(AnalysisError::Parameter {
                name: "model",
                found: format!("a structure with {stranger}"),
                expected: format!("elements that it was trained with: {}", known.join(", ")),
            });
        }
        Ok(Softness { settings })
    }

    fn place(group: usize) -> usize {
        group * (NUMBERS + BINS)
    }
}

impl StructuralAnalysis for Softness {
    fn needs(&self) -> Needs {
        Needs { pairs: self.settings.model.features.reach(), ..Needs::default() }
    }

    /// For all ions and for those of every phase: numbers and histogram.
    fn measure(&self, scene: &Scene<'_>) -> Result<Measured, AnalysisError> {
        let model = &self.settings.model;
        let wanted = &self.settings.phases;
        let phases = scene.structure.phases.as_deref();
        if let (Some(phase), None) = (wanted.first(), phases) {
            let (frame, phase) = (scene.number, phase.clone());
            return Err(AnalysisError::NoSuchPhase { frame, phase, present: Vec::new() });
        }
        let softness = model.with_columns(scene.structure, scene.columns)?;
        let mut measured = Measured::means(vec![0.0; Softness::place(wanted.len() + 1)]);
        let mut values = vec![f64::NAN; scene.structure.len()];
        for (atom, s) in scene.structure.atoms_of(&model.features.species).iter().zip(&softness) {
            values[*atom] = *s;
            let phase =
                phases.and_then(|all| wanted.iter().position(|name| name == all.name(*atom)));
            for group in [Some(0), phase.map(|phase| phase + 1)].into_iter().flatten() {
                let place = Softness::place(group);
                let bin = ((s + REACH) * BINS as f64 / (2.0 * REACH)).floor();
                let inside = bin >= 0.0 && bin < BINS as f64;
                let share = |yes: bool| f64::from(u8::from(yes));
                for (k, x) in
                    [1.0, *s, s * s, share(*s > 0.0), share(!inside)].into_iter().enumerate()
                {
                    measured.means[place + k] += x;
                }
                if inside {
                    measured.means[place + NUMBERS + bin as usize] += 1.0;
                }
            }
        }
        measured.columns =
            vec![AtomColumn { name: "softness".into(), values: AtomValues::Real(values) }];
        Ok(measured)
    }

    fn report(&self, samples: &Samples) -> Observables {
        let model = &self.settings.model;
        let species = &model.features.species;
        let mut result = Observables::new(
            "softness",
            &format!("Softness of {species}"),
            "S = sum_k w_k (G_k - mean_k)/scale_k + b with the weights of the model; S > 0: likely to be mobile \
             in the window that it was trained for, with probability 1/(1 + exp(-S))",
        );
        result.parameter("functions", model.features.len());
        result.parameter("trained on structures", &model.structures);
        result.parameter("window", format!("{} fs", model.window));
        result.parameter("distance from the plane", format!("S/{:.4}", model.plane.norm()));
        for (name, value) in &model.about {
            result.parameter(name, value);
        }
        let mean = samples.mean();
        let groups = [None].into_iter().chain(self.settings.phases.iter().map(Some));
        for (group, phase) in groups.enumerate() {
            let place = Softness::place(group);
            if mean[place] == 0.0 {
                continue;
            }
            let ending = phase.map_or(String::new(), |phase| format!("_{phase}"));
            let of = phase.map_or(species.clone(), |phase| format!("{species} in the {phase}"));
            let labels = [
                (format!("softness{ending}"), format!("mean softness of {of}"), ""),
                (format!("softness_sd{ending}"), format!("standard deviation of it, {of}"), ""),
                (format!("soft_fraction{ending}"), format!("share of {of} with S > 0"), ""),
            ];
            result.estimates.extend(samples.estimates(&labels, |means| {
                let [ions, sum, squares, soft] = std::array::from_fn(|k| means[place + k]);
                let mean = sum / ions;
                vec![mean, (squares / ions - mean * mean).max(0.0).sqrt(), soft / ions]
            }));
            let width = 2.0 * REACH / BINS as f64;
            let occupied = |bin: &usize| mean[place + NUMBERS + bin] > 0.0;
            let first = (0..BINS).find(occupied).unwrap_or(0);
            let bins = first..(0..BINS).rfind(occupied).map_or(BINS, |last| last + 1);
            let x = bins.clone().map(|bin| (bin as f64 + 0.5) * width - REACH).collect();
            result.curves.push(samples.curve(
                (&format!("distribution{ending}"), &of),
                (("S", ""), x),
                ("P(S)", ""),
                |means| {
                    let ions = means[place];
                    bins.clone().map(|bin| means[place + NUMBERS + bin] / (ions * width)).collect()
                },
            ));
            if mean[place + 4] > 0.0 {
                let share = mean[place + 4] / mean[place];
                result.parameter("outside of the distribution", format!("{share:.2e} of {of}"));
            }
        }
        result
    }
}
