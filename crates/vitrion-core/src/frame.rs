//! One instant of a trajectory, or one labelled configuration.

use crate::math::{Matrix3, Vector3};
use crate::structure::Structure;

/// A structure with what a file or a simulation knows about that instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Cell, species, positions.
    pub structure: Structure,
    /// MD step, if known.
    pub step: Option<u64>,
    /// Time [fs], if known.
    pub time: Option<f64>,
    /// Velocities [Å/fs].
    pub velocities: Option<Vec<Vector3>>,
    /// Energy, forces, virial.
    pub labels: Labels,
}

/// Energy, forces and virial of a frame from DFT or a potential, as far as known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// Potential energy [eV].
    pub energy: Option<f64>,
    /// Forces [eV/Å].
    pub forces: Option<Vec<Vector3>>,
    /// Virial `W = −∂E/∂ε` [eV].
    pub virial: Option<Matrix3>,
    /// Energy of each atom [eV].
    pub atom_energies: Option<Vec<f64>>,
}

impl Labels {
    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.energy.is_none()
            && self.forces.is_none()
            && self.virial.is_none()
            && self.atom_energies.is_none()
    }
}

impl From<Structure> for Frame {
    fn from(structure: Structure) -> Self {
        Frame { structure, step: None, time: None, velocities: None, labels: Labels::default() }
    }
}
