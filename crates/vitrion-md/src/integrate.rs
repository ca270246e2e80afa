//! One step of velocity Verlet, Nosé–Hoover chain or Martyna–Tobias–Klein dynamics.
//!
//! All are one symmetric factorisation (Tuckerman et al., J. Phys. A 39, 5629 (2006)):
//!
//! `chains(dt/2) · v_ε(dt/2) · v(dt/2) · [r, ε](dt) · forces · v(dt/2) · v_ε(dt/2) · chains(dt/2)`
//!
//! With the volume fixed the `v_ε` factors are the identity; in NVE the chains are as well. What
//! follows the new forces is [`Integrator::second_half`], the rest [`Integrator::first_half`].

mod nose_hoover;

use crate::settings::{Ensemble, StageSettings};
use nose_hoover::Chain;
use serde::{Deserialize, Serialize};
use vitrion_core::cell::CellError;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Cell, Evaluation, Structure, units};

/// Largest relative change of the cell edges in one step that the barostat may make.
pub(crate) const LARGEST_STRAIN: f64 = 0.02;

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
    masses: Vec<f64>,
}

impl System {
    pub(crate) fn new(structure: &Structure, velocities: Vec<Vector3>, dof: usize) -> Self {
        System {
            cell: structure.cell.clone(),
            positions: structure.positions.clone(),
            velocities,
            evaluation: Evaluation::default(),
            dof: dof as f64,
            masses: (0..structure.len()).map(|atom| structure.mass(atom)).collect(),
        }
    }

    /// `2K = Σ m v²` [eV].
    pub(crate) fn twice_kinetic(&self) -> f64 {
        let sum: f64 =
            self.masses.iter().zip(&self.velocities).map(|(m, v)| m * math::norm2(*v)).sum();
        sum * units::KINETIC_PER_MV2
    }

    /// `T = 2K/(N_f k_B)` [K].
    pub(crate) fn temperature(&self, twice_kinetic: f64) -> f64 {
        twice_kinetic / (self.dof * units::BOLTZMANN)
    }

    /// `P = (2K + tr W)/(3V)` [eV/Å³].
    pub(crate) fn pressure(&self, twice_kinetic: f64) -> f64 {
        (twice_kinetic + math::trace(&self.evaluation.virial)) / (3.0 * self.cell.volume())
    }

    fn scale_velocities(&mut self, factor: f64) {
        for v in &mut self.velocities {
            *v = math::scale(*v, factor);
        }
    }

    /// `v ← v d + F/m · h`, with the friction factor `d` and the effective time `h` [fs].
    fn kick(&mut self, decay: f64, h: f64) {
        let forces = &self.evaluation.forces;
        for ((v, f), m) in self.velocities.iter_mut().zip(forces).zip(&self.masses) {
            let per_force = h * units::ACCELERATION_PER_FORCE / m;
            for k in 0..3 {
                v[k] = v[k] * decay + f[k] * per_force;
            }
        }
    }

    /// `r ← r s + v h`.
    fn drift(&mut self, scale: f64, h: f64) {
        for (r, v) in self.positions.iter_mut().zip(&self.velocities) {
            for k in 0..3 {
                r[k] = r[k] * scale + v[k] * h;
            }
        }
    }
}

/// Thermostat and barostat variables; all zero at the start of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variables {
    /// Chain on the particles; empty in NVE.
    particles: Chain,
    /// Chain on the barostat; empty without one.
    piston: Chain,
    /// `v_ε`, the rate of `ε = ln(V/V₀)/3` [1/fs].
    strain_rate: f64,
    /// Work done on the extended system by moving targets [eV].
    work: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Targets {
    /// [eV]
    kt: f64,
    /// [eV/Å³]
    pressure: f64,
}

/// Why a step could not be made.
#[derive(Debug)]
pub(crate) enum StepError {
    /// The barostat wants to change the edges by this fraction.
    Strain(f64),
    Cell(CellError),
}

/// Advances a [`System`].
#[derive(Debug)]
pub(crate) struct Integrator {
    ensemble: Ensemble,
    dt: f64,
    steps: u64,
    targets: Targets,
    variables: Variables,
}

impl Integrator {
    /// At rest, at the start of a stage.
    pub(crate) fn new(settings: &StageSettings) -> Self {
        let chain = match settings.ensemble {
            Ensemble::Nve => 0,
            Ensemble::Nvt { chain, .. } | Ensemble::NptIsotropic { chain, .. } => chain,
        };
        let barostat = matches!(settings.ensemble, Ensemble::NptIsotropic { .. });
        let variables = Variables {
            particles: Chain::at_rest(chain),
            piston: Chain::at_rest(if barostat { chain } else { 0 }),
            strain_rate: 0.0,
            work: 0.0,
        };
        Integrator::resume(settings, variables, 0)
    }

    /// With stored variables, after `step` steps of the stage.
    pub(crate) fn resume(settings: &StageSettings, variables: Variables, step: u64) -> Self {
        let targets = targets(&settings.ensemble, step as f64 / settings.steps as f64);
        Integrator {
            ensemble: settings.ensemble,
            dt: settings.timestep,
            steps: settings.steps,
            targets,
            variables,
        }
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The part of step `step` (1 is the first of the stage) before the new forces: returns the
    /// factor by which the cell edges grew.
    pub(crate) fn first_half(&mut self, system: &mut System, step: u64) -> Result<f64, StepError> {
        self.move_targets(system, step as f64 / self.steps as f64);
        let half = 0.5 * self.dt;
        self.thermostat(system);
        let Ensemble::NptIsotropic { .. } = self.ensemble else {
            system.kick(1.0, half);
            system.drift(1.0, self.dt);
            return Ok(1.0);
        };
        self.push_piston(system);
        self.kick_with_piston(system);
        let strain = self.variables.strain_rate * self.dt;
        if strain.abs() > LARGEST_STRAIN || strain.is_nan() {
            return Err(StepError::Strain(strain));
        }
        let scale = strain.exp();
        system.drift(scale, self.dt * (0.5 * strain).exp() * sinhc(0.5 * strain));
        let matrix = math::matrix_scale(system.cell.matrix(), scale);
        system.cell = Cell::new(matrix, system.cell.periodicity()).map_err(StepError::Cell)?;
        Ok(scale)
    }

    /// The part of a step after the new forces.
    pub(crate) fn second_half(&mut self, system: &mut System) {
        if let Ensemble::NptIsotropic { .. } = self.ensemble {
            self.kick_with_piston(system);
            self.push_piston(system);
        } else {
            system.kick(1.0, 0.5 * self.dt);
        }
        self.thermostat(system);
    }

    /// The quantity that exact dynamics would conserve [eV], work of moving targets taken out.
    pub(crate) fn conserved(&self, system: &System, twice_kinetic: f64) -> f64 {
        system.evaluation.energy + 0.5 * twice_kinetic + self.extended_energy(system)
            - self.variables.work
    }

    /// Energy of thermostat and barostat, `P V` included [eV].
    fn extended_energy(&self, system: &System) -> f64 {
        let Targets { kt, pressure } = self.targets;
        let v = &self.variables;
        match self.ensemble {
            Ensemble::Nve => 0.0,
            Ensemble::Nvt { period, .. } => v.particles.energy(system.dof, kt, period),
            Ensemble::NptIsotropic { thermostat_period, barostat_period, .. } => {
                let inertia = piston_inertia(system.dof, kt, barostat_period);
                v.particles.energy(system.dof, kt, thermostat_period)
                    + v.piston.energy(1.0, kt, barostat_period)
                    + 0.5 * inertia * v.strain_rate * v.strain_rate
                    + pressure * system.cell.volume()
            }
        }
    }

    /// Moves the targets between two steps; the jump of the extended energy is work.
    fn move_targets(&mut self, system: &System, fraction: f64) {
        let next = targets(&self.ensemble, fraction);
        if next == self.targets {
            return;
        }
        let before = self.extended_energy(system);
        self.targets = next;
        self.variables.work += self.extended_energy(system) - before;
    }

    /// Both chains for half a step; they commute.
    fn thermostat(&mut self, system: &mut System) {
        let kt = self.targets.kt;
        let v = &mut self.variables;
        match self.ensemble {
            Ensemble::Nve => {}
            Ensemble::Nvt { period, .. } => {
                let twice_kinetic = system.twice_kinetic();
                let factor = v.particles.half_step(twice_kinetic, system.dof, kt, period, self.dt);
                system.scale_velocities(factor);
            }
            Ensemble::NptIsotropic { thermostat_period, barostat_period, .. } => {
                let inertia = piston_inertia(system.dof, kt, barostat_period);
                let twice_piston = inertia * v.strain_rate * v.strain_rate;
                v.strain_rate *=
                    v.piston.half_step(twice_piston, 1.0, kt, barostat_period, self.dt);
                let factor = v.particles.half_step(
                    system.twice_kinetic(),
                    system.dof,
                    kt,
                    thermostat_period,
                    self.dt,
                );
                system.scale_velocities(factor);
            }
        }
    }

    /// `v_ε += G_ε/W · dt/2` with `G_ε = (1 + 3/N_f) 2K + tr W_virial − 3PV`.
    fn push_piston(&mut self, system: &System) {
        let Ensemble::NptIsotropic { barostat_period, .. } = self.ensemble else { return };
        let Targets { kt, pressure } = self.targets;
        let force = (1.0 + 3.0 / system.dof) * system.twice_kinetic()
            + math::trace(&system.evaluation.virial)
            - 3.0 * pressure * system.cell.volume();
        self.variables.strain_rate +=
            0.5 * self.dt * force / piston_inertia(system.dof, kt, barostat_period);
    }

    /// `v̇ = F/m − (1 + 3/N_f) v_ε v` solved exactly over half a step.
    fn kick_with_piston(&self, system: &mut System) {
        let half = 0.5 * self.dt;
        let friction = (1.0 + 3.0 / system.dof) * self.variables.strain_rate * half;
        system.kick((-friction).exp(), half * (-0.5 * friction).exp() * sinhc(0.5 * friction));
    }
}

fn targets(ensemble: &Ensemble, fraction: f64) -> Targets {
    match ensemble {
        Ensemble::Nve => Targets { kt: 0.0, pressure: 0.0 },
        Ensemble::Nvt { temperature, .. } => {
            Targets { kt: units::BOLTZMANN * temperature.at(fraction), pressure: 0.0 }
        }
        Ensemble::NptIsotropic { temperature, pressure, .. } => Targets {
            kt: units::BOLTZMANN * temperature.at(fraction),
            pressure: pressure.at(fraction),
        },
    }
}

/// `W = (N_f + 3) k_B T τ_b²` [eV fs²].
fn piston_inertia(dof: f64, kt: f64, period: f64) -> f64 {
    (dof + 3.0) * kt * period * period
}

/// `sinh(x)/x`, by its series where the quotient would lose digits.
fn sinhc(x: f64) -> f64 {
    if x.abs() > 0.1 {
        return x.sinh() / x;
    }
    let x2 = x * x;
    1.0 + x2 / 6.0 * (1.0 + x2 / 20.0 * (1.0 + x2 / 42.0 * (1.0 + x2 / 72.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinhc_is_continuous_where_the_series_takes_over() {
        for x in [-0.1000001, -0.0999999, 0.0999999, 0.1000001, 1.0] {
            let exact = f64::sinh(x) / x;
            assert!((sinhc(x) - exact).abs() < 1e-15 * exact, "x = {x}");
        }
        assert!((sinhc(0.0) - 1.0).abs() < 1e-16);
    }
}
