//! Transport of charge by all ions together.
//!
//! With charges `z_i` and `M(t) = Σ_i z_i r_i(t)`:
//!
//! ```text
//! charge MSD    ⟨|M(t + τ) − M(t)|²⟩ / (N z²) = a + 6 D_σ τ      (per mobile ion)
//! conductivity  σ = N (z e)² D_σ / (V k_B T)                       (Einstein–Helfand)
//! Haven ratio   H_R = D*/D_σ
//! of two kinds  σ = Σ_ab σ_ab,  σ_ab from ⟨ΔM_a·ΔM_b⟩ with M_a = z_a Σ_{i∈a} r_i
//! Green–Kubo    σ = 1/(3 V k_B T) ∫₀^∞ ⟨J(0)·J(τ)⟩ dτ,  J = Σ z_i v_i
//! ```
//!
//! The frame of reference is the framework, at rest. Where the charges of all elements are given and add up to zero, `M` does not depend on it, which is checked and stated.
//!
//! `M` is one path, not one for every ion: errors are large. They follow from the covariance of the mean squared displacements of a random walk with
//! noise about it, all origins counted (see `walk.rs`); an estimate with relative variance `2/ν` has the distribution of `χ²_ν/ν`, whose quantiles make the
//! intervals. The spread over five parts of the trajectory is given beside it.

mod currents;
mod green_kubo;
mod report;
mod walk;

pub use green_kubo::{CurrentCorrelation, GreenKubo};

use super::pass::{Motion, MotionAnalysis};
use super::recording::{Recording, Reference};
use crate::error::AnalysisError;
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Frame, Structure};

/// Parts of the trajectory, for the spread beside the errors of the models.
const PARTS: usize = 5;

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

/// Atoms of one element, as currents need them.
struct Element {
    symbol: String,
    mass: f64,
    charge: f64,
    atoms: Vec<usize>,
}

/// Charge of all mobile ions together; sees velocities where frames have them.
pub(super) struct Collective {
    settings: CollectiveSettings,
    elements: Vec<Element>,
    /// `Σ v` of every frame so far and every element in it [Å/fs]; `None` once a frame had no velocities.
    velocities: Option<Vec<Vector3>>,
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
        let element = |symbol: &String| {
            let atoms = first.atoms_of(symbol);
            let (mass, charge) = (first.mass(*atoms.first()?), settings.charge(symbol));
            Some(Element { symbol: symbol.clone(), mass, charge, atoms })
        };
        let elements = first.table.symbols().iter().filter_map(element).collect();
        Ok(Collective { settings, elements, velocities: Some(Vec::new()) })
    }

    /// `J(t)` [e Å/fs], the framework at rest; `None` without velocities.
    fn currents(&self, data: &Recording) -> Option<Vec<Vector3>> {
        let in_framework = |element: &Element| data.framework().contains(&element.symbol);
        let of_frame = |sums: &[Vector3]| {
            let (mut momentum, mut mass, mut current, mut charge) = ([0.0; 3], 0.0, [0.0; 3], 0.0);
            for (element, sum) in self.elements.iter().zip(sums) {
                if in_framework(element) {
                    momentum = math::add(momentum, math::scale(*sum, element.mass));
                    mass += element.mass * element.atoms.len() as f64;
                }
                current = math::add(current, math::scale(*sum, element.charge));
                charge += element.charge * element.atoms.len() as f64;
            }
            math::sub(current, math::scale(momentum, charge / mass))
        };
        let velocities = self.velocities.as_ref()?;
        Some(velocities.chunks_exact(self.elements.len()).map(of_frame).collect())
    }

    /// `M(t)` [e Å] in a frame of reference.
    fn dipole(&self, data: &Recording, reference: Reference) -> Vec<Vector3> {
        let mut sum = vec![[0.0; 3]; data.frames()];
        for (_, part) in self.parts(data, reference) {
            for (sum, part) in sum.iter_mut().zip(part) {
                *sum = math::add(*sum, part);
            }
        }
        sum
    }

    /// What each element with a charge adds to `M(t)`.
    fn parts(&self, data: &Recording, reference: Reference) -> Vec<(&str, Vec<Vector3>)> {
        let charged = self.settings.charges.iter().filter(|(_, z)| *z != 0.0);
        charged
            .map(|(symbol, z)| {
                let (centers, atoms) = data.center(symbol, reference);
                let weight = z * atoms as f64;
                let part = centers.into_iter().map(|r| math::scale(r, weight)).collect();
                (symbol.as_str(), part)
            })
            .collect()
    }
}

impl MotionAnalysis for Collective {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        match (&frame.velocities, &mut self.velocities) {
            (Some(of_atoms), Some(sums)) => {
                let sum = |element: &Element| {
                    let atoms = element.atoms.iter();
                    atoms.fold([0.0; 3], |sum, atom| math::add(sum, of_atoms[*atom]))
                };
                sums.extend(self.elements.iter().map(sum));
            }
            _ => self.velocities = None,
        }
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(30, "collective transport")?;
        report::observables(self, data).map(Motion::from)
    }
}
