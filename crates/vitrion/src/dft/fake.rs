//! An engine that costs nothing: Lennard-Jones with noise, and failures to order. For tests, and for
//! rehearsing a workflow before it costs core hours.

use super::{EngineError, LabelEngine, Outcome, host};
use crate::labels::{FailureKind, Level, RunInfo};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Evaluation, Frame, Labels, Potential as _, SpeciesTable, interactions};
use vitrion_model::classical::{LennardJones, LennardJonesPair};

/// Settings of the fake engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FakeSettings {
    pub species: Vec<String>,
    /// Depth of each species' well [eV].
    pub epsilon: Vec<f64>,
    /// Diameter of each species [Å].
    pub sigma: Vec<f64>,
    /// [Å]
    pub cutoff: f64,
    /// Standard deviation of noise on every force component [eV/Å].
    pub noise: f64,
    /// Every so-manyth structure fails with this reason, counted by content.
    pub fail_every: Option<u64>,
    pub fail_as: FailureKind,
    /// Time that a label takes [s].
    pub seconds: f64,
}

impl FakeSettings {
    /// The level of theory.
    pub fn level(&self) -> Level {
        Level {
            engine: "fake".to_owned(),
            description: format!(
                "Lennard-Jones of {}, cut-off {} Å, noise {} eV/Å",
                self.species.join(" "),
                self.cutoff,
                self.noise
            ),
            settings: serde_json::json!({
                "species": self.species, "epsilon_ev": self.epsilon, "sigma_a": self.sigma,
                "cutoff_a": self.cutoff, "noise_ev_per_a": self.noise,
            }),
        }
    }
}

/// The engine.
pub(super) struct Fake {
    settings: FakeSettings,
    potential: LennardJones,
}

impl Fake {
    pub(super) fn new(settings: FakeSettings) -> Result<Self, EngineError> {
        let refuse = |error: &dyn std::fmt::Display| EngineError::Setting(error.to_string());
        let table = SpeciesTable::new(&settings.species).map_err(|e| refuse(&e))?;
        let pairs = settings.epsilon.iter().zip(&settings.sigma);
        let parameters: Vec<LennardJonesPair> = pairs
            .map(|(epsilon, sigma)| LennardJonesPair { epsilon: *epsilon, sigma: *sigma })
            .collect();
        let potential =
            LennardJones::new(table, &parameters, settings.cutoff, true).map_err(|e| refuse(&e))?;
        Ok(Fake { settings, potential })
    }
}

impl LabelEngine for Fake {
    fn program(&mut self) -> Result<String, EngineError> {
        Ok(format!("vitrion {} (fake)", env!("CARGO_PKG_VERSION")))
    }

    fn label(
        &mut self,
        frame: &Frame,
        _folder: &Path,
        stop: &AtomicBool,
    ) -> Result<Outcome, EngineError> {
        let started = Instant::now();
        while started.elapsed().as_secs_f64() < self.settings.seconds {
            if stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Interrupted);
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let structure = &frame.structure;
        let content = crate::labels::key("", structure);
        let number = u64::from_str_radix(&content[..15], 16).expect("a hash is hexadecimal");
        let mut run = RunInfo {
            program: self.program()?,
            host: host(),
            cores: 1,
            seconds: 0.0,
            attempts: 1,
            scf_cycles: None,
            net_force: None,
            method: "lennard-jones".to_owned(),
        };
        run.seconds = started.elapsed().as_secs_f64();
        if self.settings.fail_every.is_some_and(|n| number.is_multiple_of(n)) {
            let message = "it was ordered to fail".to_owned();
            return Ok(Outcome::Failed { reason: self.settings.fail_as, message, run });
        }
        let species = structure
            .species_in(self.potential.species())
            .map_err(|error| EngineError::Setting(error.to_string()))?;
        let mut found = Evaluation::default();
        let evaluated = interactions::evaluate(
            &mut self.potential,
            &structure.cell,
            &structure.positions,
            &species,
            &mut found,
        );
        if let Err(error) = evaluated {
            let (reason, message) = (FailureKind::Crashed, error.to_string());
            return Ok(Outcome::Failed { reason, message, run });
        }
        for (atom, force) in found.forces.iter_mut().enumerate() {
            let mut random = rng::at(number, Stream::Testing, 0, atom as u64);
            for f in force.iter_mut() {
                *f += self.settings.noise * random.normal();
            }
        }
        let labels = Labels {
            energy: Some(found.energy),
            forces: Some(found.forces),
            virial: Some(found.virial),
            atom_energies: None,
        };
        Ok(Outcome::Labelled { labels, run })
    }
}
