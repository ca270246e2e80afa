//! Where the atoms are and how they move.

use crate::error::MdError;
use vitrion_core::Structure;
use vitrion_core::math::{self, Vector3};
use vitrion_core::units;

/// Positions, velocities and the clock: what one stage hands to the next.
///
/// Thermostat and barostat variables are not part of it: every stage starts them at rest.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Cell, species and unwrapped positions.
    pub structure: Structure,
    /// Velocities [Å/fs].
    pub velocities: Vec<Vector3>,
    /// Steps since the start of the protocol.
    pub step: u64,
    /// Time since the start of the protocol [fs].
    pub time: f64,
}

impl State {
    /// A state at step 0.
    pub fn new(structure: Structure, velocities: Vec<Vector3>) -> Self {
        State { structure, velocities, step: 0, time: 0.0 }
    }

    /// Refuses a state that no dynamics can start from.
    pub(crate) fn validate(&self) -> Result<(), MdError> {
        let atoms = self.structure.len();
        let refuse = |message: String| Err(MdError::BadState(message));
        if atoms == 0 {
            return refuse("there are no atoms".to_owned());
        }
        if self.structure.species.len() != atoms || self.velocities.len() != atoms {
            return refuse(format!(
                "{atoms} positions, {} species and {} velocities; one of each per atom is needed",
                self.structure.species.len(),
                self.velocities.len()
            ));
        }
        for atom in 0..atoms {
            for (what, vector) in
                [("position", self.structure.positions[atom]), ("velocity", self.velocities[atom])]
            {
                if !vector.iter().all(|x| x.is_finite()) {
                    return refuse(format!(
                        "the {what} of atom {atom} ({}) is {vector:?}",
                        self.structure.symbol(atom)
                    ));
                }
            }
        }
        if !self.time.is_finite() {
            return refuse(format!("its time is {} fs", self.time));
        }
        Ok(())
    }
}

/// Degrees of freedom that share the kinetic energy: 3N − 3 with the total momentum fixed at
/// zero, else 3N. A single atom without momentum has none.
pub fn degrees_of_freedom(atoms: usize, momentum_removed: bool) -> usize {
    if momentum_removed { (3 * atoms).saturating_sub(3) } else { 3 * atoms }
}

/// Kinetic energy `K = Σ m v²/2` [eV] of velocities [Å/fs].
pub fn kinetic_energy(structure: &Structure, velocities: &[Vector3]) -> f64 {
    let twice: f64 =
        velocities.iter().enumerate().map(|(atom, v)| structure.mass(atom) * math::norm2(*v)).sum();
    0.5 * twice * units::KINETIC_PER_MV2
}

/// Temperature `T = 2K/(N_f k_B)` [K] with `N_f = 3N − 3`; `None` for a single atom.
pub fn temperature(structure: &Structure, velocities: &[Vector3]) -> Option<f64> {
    let dof = degrees_of_freedom(structure.len(), true);
    (dof > 0).then(|| 2.0 * kinetic_energy(structure, velocities) / (dof as f64 * units::BOLTZMANN))
}

/// Subtracts the velocity of the centre of mass and returns it [Å/fs].
pub(crate) fn remove_drift(structure: &Structure, velocities: &mut [Vector3]) -> Vector3 {
    let mut momentum = [0.0; 3];
    for (atom, v) in velocities.iter().enumerate() {
        momentum = math::add(momentum, math::scale(*v, structure.mass(atom)));
    }
    let drift = math::scale(momentum, 1.0 / structure.total_mass());
    for v in velocities {
        *v = math::sub(*v, drift);
    }
    drift
}
