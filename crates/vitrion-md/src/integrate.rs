//! One step of dynamics: velocity Verlet with thermostats and barostats.
//!
//! All are one symmetric factorisation (Tuckerman et al., J. Phys. A 39, 5629 (2006)):
//!
//! `T(dt/2) · G(dt/2) · v(dt/2) · [r, H](dt) · forces · v(dt/2) · G(dt/2) · T(dt/2)`
//!
//! `T` is the thermostat (chains, or stochastic rescaling of velocities), `G` the push on the rate of
//! strain `D` of a Martyna–Tobias–Klein barostat. With Langevin dynamics the motion `[r, H]` is cut in
//! two halves around friction and noise (BAOAB). What follows the new forces is
//! [`Integrator::second_half`], the rest [`Integrator::first_half`].

pub(crate) mod deformation;
mod nose_hoover;
mod stochastic;

use crate::settings::{Barostat, Ensemble, StageSettings, Thermostat};
use deformation::{compose, eigen, sinhc};
use nose_hoover::Chain;
use serde::{Deserialize, Serialize};
use vitrion_core::cell::CellError;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Evaluation, Structure, units};

/// Largest relative change of a length in one step that a barostat may make.
pub(crate) const LARGEST_STRAIN: f64 = 0.02;
pub(crate) const IDENTITY: Matrix3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

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

    /// `Σ m v v` [eV].
    fn twice_kinetic_tensor(&self) -> Matrix3 {
        let mut sum = math::ZERO;
        for (m, v) in self.masses.iter().zip(&self.velocities) {
            sum = math::matrix_add(&sum, &math::outer(math::scale(*v, *m), *v));
        }
        math::matrix_scale(&sum, units::KINETIC_PER_MV2)
    }

    /// `v ← v + F/m · h`.
    fn kick(&mut self, h: f64) {
        let forces = &self.evaluation.forces;
        for ((v, f), m) in self.velocities.iter_mut().zip(forces).zip(&self.masses) {
            let per_force = h * units::ACCELERATION_PER_FORCE / m;
            for k in 0..3 {
                v[k] += f[k] * per_force;
            }
        }
    }

    /// `v ← v A + F/m · B`, with the friction `A` and the effective time `B` [fs].
    fn kick_with(&mut self, decay: &Matrix3, time: &Matrix3) {
        let forces = &self.evaluation.forces;
        for ((v, f), m) in self.velocities.iter_mut().zip(forces).zip(&self.masses) {
            let pushed = math::row_times(*f, time);
            let pushed = math::scale(pushed, units::ACCELERATION_PER_FORCE / m);
            *v = math::add(math::row_times(*v, decay), pushed);
        }
    }

    /// `r ← r + v h`.
    fn drift(&mut self, h: f64) {
        for (r, v) in self.positions.iter_mut().zip(&self.velocities) {
            for k in 0..3 {
                r[k] += v[k] * h;
            }
        }
    }

    /// `r ← r A + v B`, `H ← H A`.
    fn drift_with(&mut self, growth: &Matrix3, time: &Matrix3) -> Result<(), StepError> {
        for (r, v) in self.positions.iter_mut().zip(&self.velocities) {
            *r = math::add(math::row_times(*r, growth), math::row_times(*v, time));
        }
        let matrix = math::matmul(self.cell.matrix(), growth);
        self.cell = Cell::new(matrix, self.cell.periodicity()).map_err(StepError::Cell)?;
        Ok(())
    }
}

/// Thermostat and barostat variables; all zero at the start of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variables {
    /// Chain on the particles; empty without one.
    particles: Chain,
    /// Chain on the cell; empty without one.
    piston: Chain,
    /// `D`, symmetric: the cell moves as `dH/dt = H D` [1/fs].
    strain_rate: Matrix3,
    /// Work done on the extended system by moving targets [eV].
    work: f64,
    /// Energy that random numbers brought in [eV].
    heat: f64,
    /// `ln` of the last growth of the volume by cell rescaling, whose work is half counted.
    growth: f64,
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
    /// The barostat wants to change a length by this fraction.
    Strain(f64),
    Cell(CellError),
}

/// A barostat with inertia.
#[derive(Debug)]
struct Piston {
    /// Deformations that are free.
    modes: Vec<Matrix3>,
    period: f64,
}

impl Piston {
    /// `W_g = (N_f + 3) k_B T τ_b²/3` [eV fs²].
    fn inertia(&self, dof: f64, kt: f64) -> f64 {
        (dof + 3.0) * kt * self.period * self.period / 3.0
    }
}

/// Advances a [`System`].
#[derive(Debug)]
pub(crate) struct Integrator {
    ensemble: Ensemble,
    piston: Option<Piston>,
    dt: f64,
    steps: u64,
    seed: u64,
    momentum_removed: bool,
    targets: Targets,
    variables: Variables,
}

impl Integrator {
    /// At rest, at the start of a stage.
    pub(crate) fn new(settings: &StageSettings) -> Self {
        let particles = match settings.ensemble.thermostat() {
            Some(Thermostat::NoseHooverChain { chain, .. }) => chain,
            _ => 0,
        };
        let piston = match settings.ensemble.barostat() {
            Some(Barostat::MartynaTobiasKlein { chain, .. }) => chain,
            _ => 0,
        };
        let variables = Variables {
            particles: Chain::at_rest(particles),
            piston: Chain::at_rest(piston),
            strain_rate: math::ZERO,
            work: 0.0,
            heat: 0.0,
            growth: 0.0,
        };
        Integrator::resume(settings, variables, 0)
    }

    /// With stored variables, after `step` steps of the stage.
    pub(crate) fn resume(settings: &StageSettings, variables: Variables, step: u64) -> Self {
        let targets = targets(&settings.ensemble, step as f64 / settings.steps as f64);
        let piston = match settings.ensemble.barostat() {
            Some(Barostat::MartynaTobiasKlein { period, coupling, .. }) => {
                Some(Piston { modes: coupling.modes(), period })
            }
            _ => None,
        };
        Integrator {
            ensemble: settings.ensemble,
            piston,
            dt: settings.timestep,
            steps: settings.steps,
            seed: settings.seed,
            momentum_removed: settings.remove_drift,
            targets,
            variables,
        }
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The part of step `step` (1 is the first of the stage) before the new forces: returns what
    /// positions and cell were multiplied by.
    pub(crate) fn first_half(
        &mut self,
        system: &mut System,
        step: u64,
    ) -> Result<Matrix3, StepError> {
        self.move_targets(system, step as f64 / self.steps as f64);
        self.thermostat(system, 2 * step);
        if self.piston.is_none() {
            let growth = match self.ensemble.barostat() {
                Some(Barostat::StochasticCellRescaling { period, compressibility }) => {
                    self.rescale_cell(system, (period, compressibility), step)?
                }
                _ => IDENTITY,
            };
            system.kick(0.5 * self.dt);
            self.cut_in_two(step, system, |system, h| {
                system.drift(h);
                Ok(())
            })?;
            return Ok(growth);
        }
        self.push_piston(system);
        self.kick_with_piston(system);
        let (rates, vectors) = eigen(&self.variables.strain_rate);
        let largest = rates.iter().fold(0.0_f64, |m, rate| {
            // written so that NaN stays
            if (rate * self.dt).abs() <= m { m } else { (rate * self.dt).abs() }
        });
        if largest > LARGEST_STRAIN || largest.is_nan() {
            return Err(StepError::Strain(largest));
        }
        self.cut_in_two(step, system, |system, h| {
            let growth = compose(rates, &vectors, |rate| (rate * h).exp());
            let time =
                compose(rates, &vectors, |rate| h * (0.5 * rate * h).exp() * sinhc(0.5 * rate * h));
            system.drift_with(&growth, &time)
        })?;
        Ok(compose(rates, &vectors, |rate| (rate * self.dt).exp()))
    }

    /// The part of a step after the new forces.
    pub(crate) fn second_half(&mut self, system: &mut System, step: u64) {
        if self.piston.is_some() {
            self.kick_with_piston(system);
            self.push_piston(system);
        } else {
            system.kick(0.5 * self.dt);
        }
        // the second half of the work of cell rescaling, by the trapezoidal rule
        let growth = std::mem::take(&mut self.variables.growth);
        self.variables.heat -= growth * math::trace(&system.evaluation.virial) / 6.0;
        self.thermostat(system, 2 * step + 1);
    }

    /// The motion over a step, in two halves around friction and noise if there are any.
    fn cut_in_two(
        &mut self,
        step: u64,
        system: &mut System,
        motion: impl Fn(&mut System, f64) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let Some(Thermostat::Langevin { period }) = self.ensemble.thermostat() else {
            return motion(system, self.dt);
        };
        motion(system, 0.5 * self.dt)?;
        let times = (self.dt, period);
        let draw = (self.seed, step);
        self.variables.heat +=
            stochastic::langevin(system, self.targets.kt, times, draw, self.momentum_removed);
        motion(system, 0.5 * self.dt)
    }

    /// The quantity that exact dynamics would conserve [eV]: work of moving targets and heat of
    /// random numbers taken out.
    pub(crate) fn conserved(&self, system: &System, twice_kinetic: f64) -> f64 {
        system.evaluation.energy + 0.5 * twice_kinetic + self.extended_energy(system)
            - self.variables.work
            - self.variables.heat
    }

    /// Energy of chains and piston, `P V` of the latter included [eV].
    fn extended_energy(&self, system: &System) -> f64 {
        let Targets { kt, pressure } = self.targets;
        let v = &self.variables;
        let mut energy = 0.0;
        if let Some(Thermostat::NoseHooverChain { period, .. }) = self.ensemble.thermostat() {
            energy += v.particles.energy(system.dof, kt, period);
        }
        if let Some(piston) = &self.piston {
            energy += v.piston.energy(piston.modes.len() as f64, kt, piston.period)
                + 0.5 * piston.inertia(system.dof, kt) * square(&v.strain_rate)
                + pressure * system.cell.volume();
        }
        energy
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

    /// Particles and cell for half a step; they commute. `draw` numbers the half steps.
    fn thermostat(&mut self, system: &mut System, draw: u64) {
        let kt = self.targets.kt;
        let v = &mut self.variables;
        if let Some(piston) = &self.piston {
            let (f, inertia) = (piston.modes.len() as f64, piston.inertia(system.dof, kt));
            let twice = inertia * square(&v.strain_rate);
            let factor = v.piston.half_step(twice, f, kt, piston.period, self.dt);
            v.strain_rate = math::matrix_scale(&v.strain_rate, factor);
        }
        match self.ensemble.thermostat() {
            None | Some(Thermostat::Langevin { .. }) => {}
            Some(Thermostat::NoseHooverChain { period, .. }) => {
                let twice_kinetic = system.twice_kinetic();
                let factor = v.particles.half_step(twice_kinetic, system.dof, kt, period, self.dt);
                system.scale_velocities(factor);
            }
            Some(Thermostat::Csvr { period }) => {
                let twice_kinetic = system.twice_kinetic();
                let times = (0.5 * self.dt, period);
                let draw = (self.seed, draw);
                let factor =
                    stochastic::rescaling_factor(twice_kinetic, system.dof, kt, times, draw);
                system.scale_velocities(factor);
                v.heat += 0.5 * twice_kinetic * (factor * factor - 1.0);
            }
        }
    }

    /// `dD/dt = Σ_k B_k (B_k : G)/(W_g B_k : B_k)` with
    /// `G = Σ m v v + W − P V I + (2K/N_f) I`, for half a step.
    fn push_piston(&mut self, system: &System) {
        let Some(piston) = &self.piston else { return };
        let Targets { kt, pressure } = self.targets;
        let mut force = system.twice_kinetic_tensor();
        let isotropic = math::trace(&force) / system.dof - pressure * system.cell.volume();
        let virial = &system.evaluation.virial;
        for a in 0..3 {
            for b in 0..3 {
                force[a][b] += 0.5 * (virial[a][b] + virial[b][a]);
            }
            force[a][a] += isotropic;
        }
        let inertia = piston.inertia(system.dof, kt);
        for mode in &piston.modes {
            let along: f64 =
                mode.as_flattened().iter().zip(force.as_flattened()).map(|(b, g)| b * g).sum();
            let change = 0.5 * self.dt * along / (inertia * square(mode));
            let rate = &mut self.variables.strain_rate;
            *rate = math::matrix_add(rate, &math::matrix_scale(mode, change));
        }
    }

    /// `dv/dt = F/m − v D − (tr D/N_f) v` solved exactly over half a step.
    fn kick_with_piston(&self, system: &mut System) {
        let half = 0.5 * self.dt;
        let (rates, vectors) = eigen(&self.variables.strain_rate);
        let shared = rates.iter().sum::<f64>() / system.dof;
        let decay = compose(rates, &vectors, |rate| (-(rate + shared) * half).exp());
        let time = compose(rates, &vectors, |rate| {
            let friction = (rate + shared) * half;
            half * (-0.5 * friction).exp() * sinhc(0.5 * friction)
        });
        system.kick_with(&decay, &time);
    }

    /// Stochastic cell rescaling over a step (Bernetti & Bussi, J. Chem. Phys. 153, 114107 (2020)), in
    /// `λ = √V`, whose noise does not depend on the state:
    ///
    /// `dλ = −λ β/(2τ) (P₀ − P − kT/(2V)) dt + √(kT β/(2τ)) dW`
    ///
    /// Lengths grow by `(λ′/λ)^{2/3}`, velocities shrink by as much.
    fn rescale_cell(
        &mut self,
        system: &mut System,
        (period, compressibility): (f64, f64),
        step: u64,
    ) -> Result<Matrix3, StepError> {
        let Targets { kt, pressure } = self.targets;
        let twice_kinetic = system.twice_kinetic();
        let volume = system.cell.volume();
        let rate = 0.5 * compressibility / period * self.dt;
        let lambda = volume.sqrt();
        let mut random = rng::at(self.seed, Stream::CellRescaling, step, 0);
        let excess = pressure - system.pressure(twice_kinetic) - 0.5 * kt / volume;
        let next = lambda - lambda * rate * excess + (kt * rate).sqrt() * random.normal();
        let growth = 2.0 * (next / lambda).ln();
        let strain = growth / 3.0;
        if strain.abs() > LARGEST_STRAIN || strain.is_nan() {
            return Err(StepError::Strain(strain));
        }
        let scale = strain.exp();
        let matrix = math::matrix_scale(&IDENTITY, scale);
        system.drift_with(&matrix, &math::ZERO)?;
        system.scale_velocities(1.0 / scale);
        self.variables.heat += 0.5 * twice_kinetic * (1.0 / (scale * scale) - 1.0)
            - growth * math::trace(&system.evaluation.virial) / 6.0;
        self.variables.growth = growth;
        Ok(matrix)
    }
}

/// `A : A`
fn square(matrix: &Matrix3) -> f64 {
    matrix.as_flattened().iter().map(|x| x * x).sum()
}

fn targets(ensemble: &Ensemble, fraction: f64) -> Targets {
    let kt = ensemble.temperature().map_or(0.0, |t| units::BOLTZMANN * t.at(fraction));
    let pressure = match ensemble {
        Ensemble::Npt { pressure, .. } => pressure.at(fraction),
        _ => 0.0,
    };
    Targets { kt, pressure }
}
