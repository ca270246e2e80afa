//! Transport of charge by all ions together.
//!
//! With charges `z_i` and `M(t) = Σ_i z_i r_i(t)`:
//!
//! ```text
//! charge MSD    ⟨|M(t + τ) − M(t)|²⟩ / (N z²) = a + 6 D_σ τ      (per mobile ion)
//! conductivity  σ = N (z e)² D_σ / (V k_B T)                       (Einstein–Helfand)
//! Haven ratio   H_R = D*/D_σ
//! Green–Kubo    σ = 1/(3 V k_B T) ∫₀^∞ ⟨J(0)·J(τ)⟩ dτ,  J = Σ z_i v_i
//! ```
//!
//! The frame of reference is the framework, at rest. Where the charges of all elements are given and add up to zero, `M` does not depend on it, which is checked and stated.
//!
//! `M` is one path, not one for every ion: errors are large. They follow from the covariance of the mean squared displacements of a random walk with
//! noise about it, all origins counted (see `walk.rs`); an estimate with relative variance `2/ν` has the distribution of `χ²_ν/ν`, whose quantiles make the
//! intervals. The spread over five parts of the trajectory is given beside it.

mod green_kubo;
mod report;
mod walk;

pub use green_kubo::{GreenKubo, green_kubo};

use super::pass::{Motion, MotionAnalysis};
use super::recording::{Recording, Reference};
use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Frame, Structure};

/// Charges, and what is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectiveSettings {
    /// Charge numbers by element; that of the mobile one at least. All others that are not given do not count.
    pub charges: Vec<(String, f64)>,
    /// Lags of the fit, first and last [fs]; otherwise from the later of 1 ps and a twentieth of the trajectory to a third of it.
    pub window: Option<[f64; 2]>,
}

impl CollectiveSettings {
    fn charge(&self, symbol: &str) -> f64 {
        self.charges.iter().find(|(known, _)| known == symbol).map_or(0.0, |(_, z)| *z)
    }
}

/// Charge of all mobile ions together; sees velocities where frames have them.
pub(super) struct Collective {
    settings: CollectiveSettings,
    /// Charge numbers by atom.
    charges: Vec<f64>,
    /// `Σ z_i v_i` of every frame so far [Å/fs]; `None` once a frame had no velocities.
    currents: Option<Vec<Vector3>>,
}

impl Collective {
    /// # Errors
    /// Charges of elements that do not occur, or none of the mobile one.
    pub(super) fn new(
        settings: CollectiveSettings,
        first: &Structure,
        species: &str,
    ) -> Result<Self, AnalysisError> {
        let refuse = |found: String, expected: String| {
            Err(AnalysisError::Parameter { name: "charges", found, expected })
        };
        let absent = settings.charges.iter().find(|(symbol, _)| first.atoms_of(symbol).is_empty());
        if let Some((symbol, _)) = absent {
            let elements = first.table.symbols().join(", ");
            return refuse(
                format!("one of {symbol}"),
                format!("elements of the structure: {elements}"),
            );
        }
        if settings.charge(species) == 0.0 {
            return refuse(format!("none of {species}"), "a charge of the mobile element".into());
        }
        let charges = (0..first.len()).map(|atom| settings.charge(first.symbol(atom))).collect();
        Ok(Collective { settings, charges, currents: Some(Vec::new()) })
    }

    /// `M(t)` [e Å] in a frame of reference.
    fn dipole(&self, data: &Recording, reference: Reference) -> Vec<Vector3> {
        let mut sum = vec![[0.0; 3]; data.frames()];
        for (symbol, z) in &self.settings.charges {
            let (centers, atoms) = data.center(symbol, reference);
            for (sum, r) in sum.iter_mut().zip(centers) {
                *sum = math::add(*sum, math::scale(r, z * atoms as f64));
            }
        }
        sum
    }
}

impl MotionAnalysis for Collective {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        let Some(currents) = &mut self.currents else { return Ok(()) };
        match &frame.velocities {
            None => self.currents = None,
            Some(velocities) => {
                let terms = self.charges.iter().zip(velocities);
                currents
                    .push(terms.fold([0.0; 3], |sum, (z, v)| math::add(sum, math::scale(*v, *z))));
            }
        }
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(30, "collective transport")?;
        report::observables(self, data).map(Motion::from)
    }
}
