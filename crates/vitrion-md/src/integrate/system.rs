//! The atoms and the cell that the integrator moves.

use super::StepError;
use crate::settings::StageSettings;
use crate::state::degrees_of_freedom;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Cell, Evaluation, Structure, units};

/// What the integrator moves, with the forces at the present positions.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) cell: Cell,
    /// Unwrapped [Å].
    pub(crate) positions: Vec<Vector3>,
    /// [Å/fs]
    pub(crate) velocities: Vec<Vector3>,
    pub(crate) evaluation: Evaluation,
    /// Degrees of freedom that share the kinetic energy.
    pub(crate) dof: f64,
    /// Atoms by thermostat: first those of the ensemble, then the baths.
    pub(super) parts: Vec<Part>,
    pub(super) masses: Vec<f64>,
    /// `√(eV/amu)` in the units of velocity, squared, over the mass: acceleration per force; zero for
    /// frozen atoms.
    mobility: Vec<f64>,
    /// Ascending.
    frozen: Vec<u32>,
}

/// Atoms with one thermostat.
#[derive(Debug)]
pub(super) struct Part {
    /// All of them, or those listed.
    pub(super) atoms: Option<Vec<u32>>,
    pub(super) dof: f64,
}

impl System {
    pub(crate) fn new(
        structure: &Structure,
        mut velocities: Vec<Vector3>,
        settings: &StageSettings,
    ) -> Self {
        let masses: Vec<f64> = (0..structure.len()).map(|atom| structure.mass(atom)).collect();
        let mut mobility: Vec<f64> =
            masses.iter().map(|m| units::ACCELERATION_PER_FORCE / m).collect();
        for atom in &settings.frozen {
            mobility[*atom as usize] = 0.0;
            velocities[*atom as usize] = [0.0; 3];
        }
        let parts = parts(structure.len(), settings);
        System {
            cell: structure.cell.clone(),
            positions: structure.positions.clone(),
            velocities,
            evaluation: Evaluation::default(),
            dof: parts.iter().map(|part| part.dof).sum(),
            parts,
            masses,
            mobility,
            frozen: settings.frozen.clone(),
        }
    }

    pub(crate) fn is_frozen(&self, atom: usize) -> bool {
        self.mobility[atom] <= 0.0
    }

    /// Takes frozen atoms out of a fresh evaluation: no force on them, and the virial becomes that of
    /// a deformation that leaves them where they are, `W − Σ_frozen r_i ⊗ F_i`.
    pub(crate) fn leave_out_frozen(&mut self) {
        let Evaluation { forces, virial, .. } = &mut self.evaluation;
        for atom in self.frozen.iter().map(|atom| *atom as usize) {
            let work = math::outer(self.positions[atom], forces[atom]);
            *virial = math::matrix_add(virial, &math::matrix_scale(&work, -1.0));
            forces[atom] = [0.0; 3];
        }
    }

    /// `2K = Σ m v²` [eV].
    pub(crate) fn twice_kinetic(&self) -> f64 {
        let sum: f64 =
            self.masses.iter().zip(&self.velocities).map(|(m, v)| m * math::norm2(*v)).sum();
        sum * units::KINETIC_PER_MV2
    }

    /// `2K` of the atoms of one thermostat [eV].
    pub(super) fn twice_kinetic_of(&self, part: usize) -> f64 {
        let Some(atoms) = &self.parts[part].atoms else { return self.twice_kinetic() };
        let twice = |atom: &u32| {
            let atom = *atom as usize;
            self.masses[atom] * math::norm2(self.velocities[atom])
        };
        atoms.iter().map(twice).sum::<f64>() * units::KINETIC_PER_MV2
    }

    /// `T = 2K/(N_f k_B)` [K].
    pub(crate) fn temperature(&self, twice_kinetic: f64) -> f64 {
        twice_kinetic / (self.dof * units::BOLTZMANN)
    }

    /// Number of groups with thermostats of their own.
    pub(crate) fn baths(&self) -> usize {
        self.parts.len() - 1
    }

    /// Temperature of a group with a thermostat of its own [K].
    pub(crate) fn temperature_of_bath(&self, bath: usize) -> f64 {
        let part = bath + 1;
        self.twice_kinetic_of(part) / (self.parts[part].dof * units::BOLTZMANN)
    }

    /// `Σ m v v + W` [eV]: the pressure tensor times the volume.
    pub(crate) fn pressure_volume(&self) -> Matrix3 {
        math::matrix_add(&self.twice_kinetic_tensor(), &self.evaluation.virial)
    }

    /// `P = (2K + tr W)/(3V)` [eV/Å³].
    pub(crate) fn pressure(&self, twice_kinetic: f64) -> f64 {
        (twice_kinetic + math::trace(&self.evaluation.virial)) / (3.0 * self.cell.volume())
    }

    pub(super) fn scale_velocities(&mut self, factor: f64) {
        for v in &mut self.velocities {
            *v = math::scale(*v, factor);
        }
    }

    /// Scales the velocities of the atoms of one thermostat.
    pub(super) fn scale_velocities_of(&mut self, part: usize, factor: f64) {
        match &self.parts[part].atoms {
            None => self.scale_velocities(factor),
            Some(atoms) => {
                for atom in atoms {
                    let v = &mut self.velocities[*atom as usize];
                    *v = math::scale(*v, factor);
                }
            }
        }
    }

    /// `Σ m v v` [eV].
    pub(super) fn twice_kinetic_tensor(&self) -> Matrix3 {
        let mut sum = math::ZERO;
        for (m, v) in self.masses.iter().zip(&self.velocities) {
            sum = math::matrix_add(&sum, &math::outer(math::scale(*v, *m), *v));
        }
        math::matrix_scale(&sum, units::KINETIC_PER_MV2)
    }

    /// `v ← v + F/m · h`.
    pub(super) fn kick(&mut self, h: f64) {
        let forces = &self.evaluation.forces;
        for ((v, f), mobility) in self.velocities.iter_mut().zip(forces).zip(&self.mobility) {
            let per_force = h * mobility;
            for k in 0..3 {
                v[k] += f[k] * per_force;
            }
        }
    }

    /// `v ← v A + F/m · B`, with the friction `A` and the effective time `B` [fs].
    pub(super) fn kick_with(&mut self, decay: &Matrix3, time: &Matrix3) {
        let forces = &self.evaluation.forces;
        for ((v, f), mobility) in self.velocities.iter_mut().zip(forces).zip(&self.mobility) {
            let pushed = math::scale(math::row_times(*f, time), *mobility);
            *v = math::add(math::row_times(*v, decay), pushed);
        }
    }

    /// `r ← r + v h`.
    pub(super) fn drift(&mut self, h: f64) {
        for (r, v) in self.positions.iter_mut().zip(&self.velocities) {
            for k in 0..3 {
                r[k] += v[k] * h;
            }
        }
    }

    /// `r ← r A + v B` for all but frozen atoms, `H ← H A`.
    pub(super) fn drift_with(&mut self, growth: &Matrix3, time: &Matrix3) -> Result<(), StepError> {
        let atoms = self.positions.iter_mut().zip(&self.velocities).zip(&self.mobility);
        for ((r, v), _) in atoms.filter(|(_, mobility)| **mobility > 0.0) {
            *r = math::add(math::row_times(*r, growth), math::row_times(*v, time));
        }
        let matrix = math::matmul(self.cell.matrix(), growth);
        self.cell = Cell::new(matrix, self.cell.periodicity()).map_err(StepError::Cell)?;
        Ok(())
    }
}

/// Atoms by thermostat. `3N − 3` degrees of freedom where nothing pushes on the centre of mass, else
/// three for each atom that moves.
fn parts(atoms: usize, settings: &StageSettings) -> Vec<Part> {
    if settings.frozen.is_empty() && settings.baths.is_empty() {
        let dof = degrees_of_freedom(atoms, settings.keeps_momentum());
        return vec![Part { atoms: None, dof: dof as f64 }];
    }
    let mut free = vec![true; atoms];
    let taken = settings.baths.iter().flat_map(|bath| &bath.atoms).chain(&settings.frozen);
    taken.for_each(|atom| free[*atom as usize] = false);
    let rest: Vec<u32> =
        free.iter().enumerate().filter(|(_, free)| **free).map(|(atom, _)| atom as u32).collect();
    let part = |atoms: Vec<u32>| Part {
        dof: degrees_of_freedom(atoms.len(), false) as f64,
        atoms: Some(atoms),
    };
    let baths = settings.baths.iter().map(|bath| bath.atoms.clone());
    std::iter::once(rest).chain(baths).map(part).collect()
}
