//! The loss: energy, force and virial terms of a batch, and its slopes with respect to them.
//!
//! For frames `f` of weight `w_f` with `N_f` atoms, and residuals `dE`, `dF`, `dW` (DeePMD-kit's
//! energy loss, whose batches hold frames of one size; here they mix):
//!
//! ```text
//! L =  p_e Σ_f w_f dE²/N_f / Σ_f w_f
//!    + p_f Σ_f w_f Σ_i e_i |dF_i|² / Σ_f w_f Σ_i 3 e_i
//!    + p_v Σ_f w_f Σ_ab dW_ab²/(9 N_f) / Σ_f w_f
//! ```
//!
//! `e_i` weighs the element of an atom. With `huber = δ` a square `x²` becomes `x²/2` below δ and
//! `δ(|x| − δ/2)` above, of `dE/N`, `dF` and `dW/N` (δ in eV, eV/Å, eV). Sums run over what is labelled.

use serde::{Deserialize, Serialize};
use vitrion_core::math::Matrix3;
use vitrion_core::{Labels, Vector3};

/// Prefactors of the three terms at one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Prefactors {
    /// [1/eV²]
    pub energy: f64,
    /// [Å²/eV²]
    pub force: f64,
    /// [1/eV²]
    pub virial: f64,
}

/// How residuals become a loss.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loss {
    /// `δ`; squares without.
    pub huber: Option<f64>,
    /// `1/N²` instead of `1/N` in the energy and virial terms (DeePMD-kit's `intensive_ener_virial`).
    pub intensive: bool,
    /// Weight of the forces on each species, in the order of the model; ones if empty.
    pub element_weights: Vec<f64>,
}

/// What is known and found of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// Species of the atoms, in the order of the forces.
    pub species: &'a [u8],
    pub labels: &'a Labels,
    pub weight: f64,
    pub energy: f64,
    pub forces: &'a [Vector3],
    pub virial: &'a Matrix3,
}

/// Denominators of the three terms: sums over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Norms {
    /// `Σ_f w_f` of frames with an energy.
    pub energy: f64,
    /// `Σ_f w_f Σ_i 3 e_i` of frames with forces.
    pub force: f64,
    /// `Σ_f w_f` of frames with a virial; the nine components are not counted.
    pub virial: f64,
}

/// Sums of squares of a batch, for reports; `count` is that of the terms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Squares {
    /// `(dE/N)²` [eV²]
    pub energy: Sum,
    /// Of force components [eV²/Å²].
    pub force: Sum,
    /// Of `dW/N` components [eV²].
    pub virial: Sum,
}

/// A sum and how many terms it has.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sum {
    pub sum: f64,
    pub count: f64,
}

impl Sum {
    /// Adds the square of a residual.
    pub fn add(&mut self, residual: f64) {
        self.sum += residual * residual;
        self.count += 1.0;
    }

    fn merge(&mut self, other: Sum) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Root of the mean; `None` without terms.
    pub fn root_mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.sum / self.count).sqrt())
    }
}

impl Squares {
    /// Adds another batch.
    pub fn merge(&mut self, other: &Squares) {
        self.energy.merge(other.energy);
        self.force.merge(other.force);
        self.virial.merge(other.virial);
    }
}

/// `∂L/∂E`, `∂L/∂F`, `∂L/∂W` of one frame, its part of the loss, and its squares.
#[derive(Debug, Clone, Default)]
pub struct Slopes {
    pub loss: f64,
    pub energy: f64,
    pub forces: Vec<Vector3>,
    pub virial: Matrix3,
    pub squares: Squares,
}

impl Loss {
    /// `e`, the weight of forces on a species.
    pub fn element(&self, species: u8) -> f64 {
        self.element_weights.get(usize::from(species)).copied().unwrap_or(1.0)
    }

    /// What residuals of energy and virial of a frame of `n` atoms are multiplied with before their
    /// penalty. DeePMD-kit takes the Huber penalty of residuals per atom, and squares with one factor
    /// `1/N`.
    pub fn scale(&self, n: f64) -> f64 {
        if self.intensive || self.huber.is_some() { 1.0 / n } else { 1.0 / n.sqrt() }
    }

    /// `(penalty, slope)` of a residual `x`: `(x², 2x)`, or with `huber = δ` `(x²/2, x)` up to `|x| = δ`
    /// and `(δ(|x| − δ/2), ±δ)` beyond.
    pub fn penalty(&self, x: f64) -> (f64, f64) {
        match self.huber {
            None => (x * x, 2.0 * x),
            Some(delta) if x.abs() <= delta => (0.5 * x * x, x),
            Some(delta) => (delta * (x.abs() - 0.5 * delta), delta * x.signum()),
        }
    }

    /// Denominators of a batch.
    pub fn norms<'a>(&self, frames: impl Iterator<Item = (&'a [u8], &'a Labels, f64)>) -> Norms {
        let mut norms = Norms::default();
        for (species, labels, weight) in frames {
            if labels.energy.is_some() {
                norms.energy += weight;
            }
            if labels.forces.is_some() {
                let elements: f64 = species.iter().map(|s| self.element(*s)).sum();
                norms.force += 3.0 * weight * elements;
            }
            if labels.virial.is_some() {
                norms.virial += weight;
            }
        }
        norms
    }

    /// Fills `out` for one frame of a batch.
    pub fn slopes(&self, p: &Prefactors, norms: &Norms, frame: &Compared<'_>, out: &mut Slopes) {
        let n = frame.species.len() as f64;
        let scale = self.scale(n);
        out.loss = 0.0;
        out.energy = 0.0;
        out.virial = [[0.0; 3]; 3];
        out.squares = Squares::default();
        out.forces.clear();
        out.forces.resize(frame.species.len(), [0.0; 3]);
        if let Some(label) = frame.labels.energy {
            let residual = frame.energy - label;
            out.squares.energy.add(residual / n);
            let factor = p.energy * frame.weight / norms.energy;
            let (penalty, slope) = self.penalty(residual * scale);
            out.loss += factor * penalty;
            out.energy = factor * slope * scale;
        }
        if let Some(labels) = &frame.labels.forces {
            for (i, (force, label)) in frame.forces.iter().zip(labels).enumerate() {
                let weight = self.element(frame.species[i]);
                let factor = p.force * frame.weight * weight / norms.force;
                for k in 0..3 {
                    let residual = force[k] - label[k];
                    out.squares.force.add(residual);
                    let (penalty, slope) = self.penalty(residual);
                    out.loss += factor * penalty;
                    out.forces[i][k] = factor * slope;
                }
            }
        }
        if let Some(label) = &frame.labels.virial {
            let factor = p.virial * frame.weight / (9.0 * norms.virial);
            for a in 0..3 {
                for b in 0..3 {
                    let residual = frame.virial[a][b] - label[a][b];
                    out.squares.virial.add(residual / n);
                    let (penalty, slope) = self.penalty(residual * scale);
                    out.loss += factor * penalty;
                    out.virial[a][b] = factor * slope * scale;
                }
            }
        }
    }
}
