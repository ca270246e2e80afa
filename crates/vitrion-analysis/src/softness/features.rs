//! What an ion sees: radial and angular structure functions.
//!
//! For each element `X` around an ion `i` and each distance `r_k = (k + ½) dr` below the cut-off,
//!
//! ```text
//! gaussian  G(i; X, r_k) = Σ_{j ∈ X} exp(−(r_ij − r_k)²/(2σ²))
//! shell     G(i; X, r_k) = number of j ∈ X with k dr ≤ r_ij < (k + 1) dr
//! ```
//!
//! over all images `j` of the crystal (Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007); Schoenholz et al., Nat. Phys. 12, 469 (2016)). Gaussians reach
//! beyond the cut-off; terms below `exp(−18)` = 1.5·10⁻⁸ are left out. Angular functions, if any,
//!
//! ```text
//! Ψ(i; X, Y, ξ, λ, ζ) = Σ_{pairs j ∈ X, k ∈ Y} exp(−(r_ij² + r_ik² + r_jk²)/ξ²) (1 + λ cos θ_jik)^ζ
//! ```
//!
//! over neighbours closer than a cut-off of their own.

mod angular;
mod radial;
#[cfg(test)]
mod tests;

use crate::error::AnalysisError;
use crate::pairs::Columns;
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// Form of the radial functions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Shape {
    /// Of a width [Å].
    Gaussian { sigma: f64 },
    /// Counts of atoms.
    Shell,
}

/// An angular function for every pair of elements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Angular {
    /// [Å]
    pub xi: f64,
    /// 1 or −1: small or large angles.
    pub lambda: f64,
    pub zeta: f64,
}

/// Which functions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSettings {
    /// Element of the ions.
    pub species: String,
    /// Elements around them.
    pub elements: Vec<String>,
    pub shape: Shape,
    /// Between radial functions [Å].
    pub dr: f64,
    /// [Å]
    pub cutoff: f64,
    pub angular: Vec<Angular>,
    /// Of the angular functions [Å].
    pub angular_cutoff: f64,
}

impl FeatureSettings {
    /// The choice of the paper: `dr` = 0.2 Å up to 10 Å, Gaussians as wide as they are apart.
    pub fn new(species: &str, elements: &[String]) -> Self {
        FeatureSettings {
            species: species.to_owned(),
            elements: elements.to_vec(),
            shape: Shape::Gaussian { sigma: 0.2 },
            dr: 0.2,
            cutoff: 10.0,
            angular: Vec::new(),
            angular_cutoff: 5.0,
        }
    }

    /// Radial functions of one element.
    pub fn bins(&self) -> usize {
        (self.cutoff / self.dr + 1e-9) as usize
    }

    /// Pairs of elements of angular functions, in their order.
    fn element_pairs(&self) -> Vec<(usize, usize)> {
        let count = self.elements.len();
        (0..count).flat_map(|a| (a..count).map(move |b| (a, b))).collect()
    }

    /// Number of functions.
    pub fn len(&self) -> usize {
        self.elements.len() * self.bins() + self.angular.len() * self.element_pairs().len()
    }

    /// True without functions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Distance of a radial function [Å].
    pub fn distance(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) * self.dr
    }

    /// What every function is, for people: "Li–S 2.30 Å".
    pub fn names(&self) -> Vec<String> {
        let species = &self.species;
        let radial = self.elements.iter().flat_map(|element| {
            (0..self.bins())
                .map(move |bin| format!("{species}–{element} {:.2} Å", self.distance(bin)))
        });
        let pairs = self.element_pairs();
        let angular = self.angular.iter().flat_map(|one| {
            let Angular { xi, lambda, zeta } = one;
            pairs.iter().map(move |(a, b)| {
                let (a, b) = (&self.elements[*a], &self.elements[*b]);
                format!("{a}–{species}–{b} ξ = {xi} Å, λ = {lambda}, ζ = {zeta}")
            })
        });
        radial.chain(angular).collect()
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// Widths or cut-offs that are not positive, fewer than one or more than 10,000 functions.
    pub fn check(&self) -> Result<(), AnalysisError> {
        self.check_without_elements()?;
        if self.elements.is_empty() || self.len() > 10_000 {
            return Err(AnalysisError::Parameter {
                name: "features",
                found: format!("{} functions", self.len()),
                expected: "between 1 and 10000: elements, dr below the cut-off".into(),
            });
        }
        Ok(())
    }

    /// The same where elements are not known yet.
    ///
    /// # Errors
    /// As [`FeatureSettings::check`].
    pub fn check_without_elements(&self) -> Result<(), AnalysisError> {
        let sigma = match self.shape {
            Shape::Gaussian { sigma } => sigma,
            Shape::Shell => self.dr,
        };
        let angular = self.angular.iter().flat_map(|one| [one.xi, one.zeta]);
        let numbers = [("dr", self.dr), ("sigma", sigma), ("cutoff", self.cutoff)];
        let all = numbers.into_iter().chain(angular.map(|value| ("angular", value)));
        for (name, value) in all.chain([("angular cut-off", self.angular_cutoff)]) {
            if !(value > 0.0 && value <= 50.0) {
                let (found, expected) = (format!("{value}"), "a length between 0 and 50 Å".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        if self.bins() == 0 {
            let (name, found) = ("dr", format!("{} Å", self.dr));
            let expected = format!("less than the cut-off, {} Å", self.cutoff);
            return Err(AnalysisError::Parameter { name, found, expected });
        }
        Ok(())
    }

    /// The functions of every ion: `[ion][function]`, ions in the order of the structure.
    ///
    /// # Errors
    /// No ion of the species.
    pub fn of(&self, structure: &Structure) -> Result<Vec<f64>, AnalysisError> {
        let mut columns = Columns::default();
        columns.sort(&structure.cell, &structure.positions, self.reach());
        self.with_columns(structure, &columns)
    }

    /// How far atoms matter for the radial functions [Å].
    pub(crate) fn reach(&self) -> f64 {
        match self.shape {
            Shape::Gaussian { sigma } => self.cutoff + radial::REACH * sigma,
            Shape::Shell => self.cutoff,
        }
    }

    /// As [`FeatureSettings::of`], from columns that reach far enough.
    pub(crate) fn with_columns(
        &self,
        structure: &Structure,
        columns: &Columns,
    ) -> Result<Vec<f64>, AnalysisError> {
        let ions = structure.atoms_of(&self.species);
        if ions.is_empty() {
            return Err(AnalysisError::NoSuchSpecies {
                species: self.species.clone(),
                present: structure.table.symbols().to_vec(),
            });
        }
        let width = self.len();
        let mut all = vec![0.0; ions.len() * width];
        radial::fill(self, structure, &ions, columns, &mut all);
        if !self.angular.is_empty() {
            angular::fill(self, structure, &ions, &mut all);
        }
        Ok(all)
    }
}
