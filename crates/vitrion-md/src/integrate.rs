//! One step of dynamics: velocity Verlet with thermostats and barostats.
//!
//! All are one symmetric factorisation (Tuckerman et al., J. Phys. A 39, 5629 (2006)):
//!
//! `T(dt/2) · G(dt/2) · v(dt/2) · [r, H](dt) · forces · v(dt/2) · G(dt/2) · T(dt/2)`
//!
//! `T` are the thermostats (chains, or stochastic rescaling of velocities), each on its own atoms, `G`
//! the push on the rate of strain `D` of a Martyna–Tobias–Klein barostat; in a deformation `D` is
//! constant. With Langevin dynamics the motion `[r, H]` is cut in
//! two halves around friction and noise (BAOAB). What follows the new forces is
//! [`Integrator::second_half`], the rest [`Integrator::first_half`].

pub(crate) mod deformation;
mod nose_hoover;
mod stochastic;
mod system;

use crate::engine::Fault;
use crate::settings::{Barostat, Ensemble, Ramp, StageSettings, Thermostat};
use deformation::{compose, sinhc};
pub use nose_hoover::{Chain, SUZUKI_YOSHIDA};
use serde::{Deserialize, Serialize};
pub(crate) use system::System;
use vitrion_core::math::{self, Matrix3, eigen};
use vitrion_core::rng::{self, Stream};
use vitrion_core::units;

/// Largest relative change of a length in one step that a barostat may make.
pub const LARGEST_STRAIN: f64 = 0.02;

/// Thermostat and barostat variables; all zero at the start of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variables {
    /// Chains on the particles, one for each thermostat; empty where it is another.
    pub particles: Vec<Chain>,
    /// Chain on the cell; empty without one.
    pub piston: Chain,
    /// `D`, symmetric: the cell moves as `dH/dt = H D` [1/fs].
    pub strain_rate: Matrix3,
    /// Work done on the extended system by moving targets and by deformation [eV].
    pub work: f64,
    /// Energy that random numbers brought in [eV].
    pub heat: f64,
    /// `ln` of the last growth of the volume by cell rescaling, whose work is half counted; zero
    /// between two steps.
    pub growth: f64,
}

impl Variables {
    /// Those of a stage at its start.
    pub fn at_rest(settings: &StageSettings) -> Self {
        let particles = |thermostat| match thermostat {
            Some(Thermostat::NoseHooverChain { chain, .. }) => Chain::at_rest(chain),
            _ => Chain::at_rest(0),
        };
        let baths = settings.baths.iter().map(|bath| Some(bath.thermostat));
        let thermostats = std::iter::once(settings.ensemble.thermostat()).chain(baths);
        let piston = match settings.ensemble.barostat() {
            Some(Barostat::MartynaTobiasKlein { chain, .. }) => chain,
            _ => 0,
        };
        Variables {
            particles: thermostats.map(particles).collect(),
            piston: Chain::at_rest(piston),
            strain_rate: settings.strain_rate.unwrap_or(math::ZERO),
            work: 0.0,
            heat: 0.0,
            growth: 0.0,
        }
    }
}

/// A thermostat and its target, at work on one part of the system.
#[derive(Debug)]
struct Bath {
    thermostat: Option<Thermostat>,
    temperature: Option<Ramp>,
    /// [eV]
    kt: f64,
}

impl Bath {
    fn kt_at(&self, fraction: f64) -> f64 {
        self.temperature.map_or(0.0, |t| units::BOLTZMANN * t.at(fraction))
    }
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
    /// One for each part of the system, the first that of the ensemble.
    baths: Vec<Bath>,
    piston: Option<Piston>,
    /// The rate of strain is given and constant.
    deforms: bool,
    dt: f64,
    steps: u64,
    seed: u64,
    momentum_removed: bool,
    targets_move: bool,
    /// Target [eV/Å³].
    pressure: f64,
    variables: Variables,
}

impl Integrator {
    /// With these variables, after `step` steps of the stage.
    pub(crate) fn new(settings: &StageSettings, variables: Variables, step: u64) -> Self {
        let fraction = step as f64 / settings.steps as f64;
        let ensemble = &settings.ensemble;
        let main = Bath {
            thermostat: ensemble.thermostat(),
            temperature: ensemble.temperature(),
            kt: 0.0,
        };
        let others = settings.baths.iter().map(|bath| Bath {
            thermostat: Some(bath.thermostat),
            temperature: Some(bath.temperature),
            kt: 0.0,
        });
        let mut baths: Vec<Bath> = std::iter::once(main).chain(others).collect();
        for bath in &mut baths {
            bath.kt = bath.kt_at(fraction);
        }
        let ramps = settings.baths.iter().map(|bath| bath.temperature).chain(ensemble.ramps());
        let targets_move = { ramps }.any(Ramp::moves);
        let piston = match settings.ensemble.barostat() {
            Some(Barostat::MartynaTobiasKlein { period, coupling, .. }) => {
                Some(Piston { modes: coupling.modes(), period })
            }
            _ => None,
        };
        Integrator {
            ensemble: settings.ensemble,
            baths,
            piston,
            deforms: settings.strain_rate.is_some(),
            dt: settings.timestep,
            steps: settings.steps,
            seed: settings.seed,
            momentum_removed: settings.keeps_momentum(),
            targets_move,
            pressure: pressure_at(ensemble, fraction),
            variables,
        }
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The part of step `step` (1 is the first of the stage) before the new forces: returns what
    /// positions and cell were multiplied by.
    pub(crate) fn first_half(&mut self, system: &mut System, step: u64) -> Result<Matrix3, Fault> {
        self.move_targets(system, step as f64 / self.steps as f64);
        self.thermostat(system, 2 * step);
        self.work_of_deformation(system);
        if self.piston.is_none() && !self.deforms {
            let growth = match self.ensemble.barostat() {
                Some(Barostat::StochasticCellRescaling { period, compressibility }) => {
                    self.rescale_cell(system, (period, compressibility), step)?
                }
                _ => math::IDENTITY,
            };
            system.kick(0.5 * self.dt);
            self.cut_in_two(step, system, |system, h| {
                system.drift(h);
                Ok(())
            })?;
            return Ok(growth);
        }
        self.push_piston(system);
        self.kick_in_flow(system);
        let (rates, vectors) = eigen(&self.variables.strain_rate);
        let largest = rates.iter().fold(0.0_f64, |m, rate| {
            // written so that NaN stays
            if (rate * self.dt).abs() <= m { m } else { (rate * self.dt).abs() }
        });
        if largest > LARGEST_STRAIN || largest.is_nan() {
            return Err(Fault::Strain(largest));
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
        if self.piston.is_some() || self.deforms {
            self.kick_in_flow(system);
            self.push_piston(system);
        } else {
            system.kick(0.5 * self.dt);
        }
        self.work_of_deformation(system);
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
        motion: impl Fn(&mut System, f64) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self
            .baths
            .iter()
            .any(|bath| matches!(bath.thermostat, Some(Thermostat::Langevin { .. })))
        {
            return motion(system, self.dt);
        }
        motion(system, 0.5 * self.dt)?;
        let draw = (self.seed, step);
        for (part, bath) in self.baths.iter().enumerate() {
            if let Some(Thermostat::Langevin { period }) = bath.thermostat {
                let times = (self.dt, period);
                self.variables.heat +=
                    stochastic::langevin(system, part, bath.kt, times, draw, self.momentum_removed);
            }
        }
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
        let v = &self.variables;
        let mut energy = 0.0;
        for ((bath, chain), part) in self.baths.iter().zip(&v.particles).zip(&system.parts) {
            if let Some(Thermostat::NoseHooverChain { period, .. }) = bath.thermostat {
                energy += chain.energy(part.dof, bath.kt, period);
            }
        }
        if let Some(piston) = &self.piston {
            let kt = self.baths[0].kt;
            energy += v.piston.energy(piston.modes.len() as f64, kt, piston.period)
                + 0.5 * piston.inertia(system.dof, kt) * inner(&v.strain_rate, &v.strain_rate)
                + self.pressure * system.cell.volume();
        }
        energy
    }

    /// Moves the targets between two steps; the jump of the extended energy is work.
    fn move_targets(&mut self, system: &System, fraction: f64) {
        if !self.targets_move {
            return;
        }
        let before = self.extended_energy(system);
        for bath in &mut self.baths {
            bath.kt = bath.kt_at(fraction);
        }
        self.pressure = pressure_at(&self.ensemble, fraction);
        self.variables.work += self.extended_energy(system) - before;
    }

    /// Particles and cell for half a step; they commute. `draw` numbers the half steps.
    fn thermostat(&mut self, system: &mut System, draw: u64) {
        let v = &mut self.variables;
        if let Some(piston) = &self.piston {
            let kt = self.baths[0].kt;
            let (f, inertia) = (piston.modes.len() as f64, piston.inertia(system.dof, kt));
            let twice = inertia * inner(&v.strain_rate, &v.strain_rate);
            let factor = v.piston.half_step(twice, f, kt, piston.period, self.dt);
            v.strain_rate = math::matrix_scale(&v.strain_rate, factor);
        }
        for (part, (bath, chain)) in self.baths.iter().zip(&mut v.particles).enumerate() {
            let dof = system.parts[part].dof;
            match bath.thermostat {
                None | Some(Thermostat::Langevin { .. }) => {}
                // all atoms may have thermostats of their own
                Some(_) if dof <= 0.0 => {}
                Some(Thermostat::NoseHooverChain { period, .. }) => {
                    let twice_kinetic = system.twice_kinetic_of(part);
                    let factor = chain.half_step(twice_kinetic, dof, bath.kt, period, self.dt);
                    system.scale_velocities_of(part, factor);
                }
                Some(Thermostat::Csvr { period }) => {
                    let twice_kinetic = system.twice_kinetic_of(part);
                    let times = (0.5 * self.dt, period);
                    let draw = (self.seed, draw, part as u64);
                    let factor =
                        stochastic::rescaling_factor(twice_kinetic, dof, bath.kt, times, draw);
                    system.scale_velocities_of(part, factor);
                    v.heat += 0.5 * twice_kinetic * (factor * factor - 1.0);
                }
            }
        }
    }

    /// Half the work of a deformation in a step, by the trapezoidal rule: `−(Σ m v v + W) : D dt/2`.
    fn work_of_deformation(&mut self, system: &System) {
        if self.deforms {
            let power = inner(&system.pressure_volume(), &self.variables.strain_rate);
            self.variables.work -= 0.5 * self.dt * power;
        }
    }

    /// `dD/dt = Σ_k B_k (B_k : G)/(W_g B_k : B_k)` with
    /// `G = Σ m v v + W − P V I + (2K/N_f) I`, for half a step.
    fn push_piston(&mut self, system: &System) {
        let Some(piston) = &self.piston else { return };
        let mut force = system.twice_kinetic_tensor();
        let isotropic = math::trace(&force) / system.dof - self.pressure * system.cell.volume();
        let virial = &system.evaluation.virial;
        for a in 0..3 {
            for b in 0..3 {
                force[a][b] += 0.5 * (virial[a][b] + virial[b][a]);
            }
            force[a][a] += isotropic;
        }
        let inertia = piston.inertia(system.dof, self.baths[0].kt);
        for mode in &piston.modes {
            let change = 0.5 * self.dt * inner(mode, &force) / (inertia * inner(mode, mode));
            let rate = &mut self.variables.strain_rate;
            *rate = math::matrix_add(rate, &math::matrix_scale(mode, change));
        }
    }

    /// `dv/dt = F/m − v D − (tr D/N_f) v` solved exactly over half a step; the last term belongs to the
    /// piston, a given deformation has none.
    fn kick_in_flow(&self, system: &mut System) {
        let half = 0.5 * self.dt;
        let (rates, vectors) = eigen(&self.variables.strain_rate);
        let trace = rates.iter().sum::<f64>();
        let shared = if self.piston.is_some() { trace / system.dof } else { 0.0 };
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
    ) -> Result<Matrix3, Fault> {
        let (kt, pressure) = (self.baths[0].kt, self.pressure);
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
            return Err(Fault::Strain(strain));
        }
        let scale = strain.exp();
        let matrix = math::matrix_scale(&math::IDENTITY, scale);
        system.drift_with(&matrix, &math::ZERO)?;
        system.scale_velocities(1.0 / scale);
        self.variables.heat += 0.5 * twice_kinetic * (1.0 / (scale * scale) - 1.0)
            - growth * math::trace(&system.evaluation.virial) / 6.0;
        self.variables.growth = growth;
        Ok(matrix)
    }
}

/// `A : B`
fn inner(a: &Matrix3, b: &Matrix3) -> f64 {
    a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| a * b).sum()
}

fn pressure_at(ensemble: &Ensemble, fraction: f64) -> f64 {
    match ensemble {
        Ensemble::Npt { pressure, .. } => pressure.at(fraction),
        _ => 0.0,
    }
}
