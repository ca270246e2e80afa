//! The atoms and the cell that the integrator moves.

use crate::engine::Fault;
use crate::settings::{Part, StageSettings};
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
    pub(super) dof: f64,
    /// Atoms by thermostat: first those of the ensemble, then the baths.
    pub(super) parts: Vec<Part>,
    pub(super) masses: Vec<f64>,
    /// `√(eV/amu)` in the units of velocity, squared, over the mass: acceleration per force; zero for
    /// frozen atoms.
    mobility: Vec<f64>,
    /// Ascending.
    frozen: Vec<u32>,
}

impl System {
    /// `velocities` of frozen atoms are zero.
    pub(crate) fn new(
        structure: &Structure,
        velocities: Vec<Vector3>,
        settings: &StageSettings,
    ) -> Self {
        let masses: Vec<f64> = (0..structure.len()).map(|atom| structure.mass(atom)).collect();
        let mut mobility: Vec<f64> =
            masses.iter().map(|m| units::ACCELERATION_PER_FORCE / m).collect();
        for atom in &settings.frozen {
            mobility[*atom as usize] = 0.0;
        }
        let parts = settings.parts(structure.len());
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

    /// `2K` of each group with a thermostat of its own [eV].
    pub(crate) fn twice_kinetic_of_baths(&self) -> Vec<f64> {
        (1..self.parts.len()).map(|part| self.twice_kinetic_of(part)).collect()
    }

    /// `Σ m v v + W` [eV]: the pressure tensor times the volume.
    pub(super) fn pressure_volume(&self) -> Matrix3 {
        math::matrix_add(&self.twice_kinetic_tensor(), &self.evaluation.virial)
    }

    /// `P = (2K + tr W)/(3V)` [eV/Å³].
    pub(super) fn pressure(&self, twice_kinetic: f64) -> f64 {
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
        self.kinetic().1
    }

    /// `Σ m v²` and `Σ m v v` [eV] in one pass.
    pub(crate) fn kinetic(&self) -> (f64, Matrix3) {
        let (mut sum, mut tensor) = (0.0, math::ZERO);
        for (m, v) in self.masses.iter().zip(&self.velocities) {
            sum += m * math::norm2(*v);
            tensor = math::matrix_add(&tensor, &math::outer(math::scale(*v, *m), *v));
        }
        (sum * units::KINETIC_PER_MV2, math::matrix_scale(&tensor, units::KINETIC_PER_MV2))
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
    pub(super) fn drift_with(&mut self, growth: &Matrix3, time: &Matrix3) -> Result<(), Fault> {
        let atoms = self.positions.iter_mut().zip(&self.velocities).zip(&self.mobility);
        for ((r, v), _) in atoms.filter(|(_, mobility)| **mobility > 0.0) {
            *r = math::add(math::row_times(*r, growth), math::row_times(*v, time));
        }
        let matrix = math::matmul(self.cell.matrix(), growth);
        self.cell = Cell::new(matrix, self.cell.periodicity()).map_err(Fault::Cell)?;
        Ok(())
    }
}
