//! Thermostats that draw random numbers; the draws depend on seed and step only, so a run that is
//! continued repeats them.

use super::System;
use vitrion_core::math;
use vitrion_core::rng::{self, Stream};
use vitrion_core::units;

/// Factor on all velocities that brings the kinetic energy `K` (given twice, [eV]) to its value
/// after a time `dt` of stochastic velocity rescaling with relaxation time `tau` (Bussi, Donadio &
/// Parrinello, J. Chem. Phys. 126, 014101 (2007), appendix):
///
/// `α² = c + (1 − c) K̄/(N_f K) (R₁² + Σ_{i>1} R_i²) + 2 R₁ √(c (1 − c) K̄/(N_f K))`, `c = e^{−dt/τ}`.
pub(super) fn rescaling_factor(
    twice_kinetic: f64,
    dof: f64,
    kt: f64,
    (dt, tau): (f64, f64),
    (seed, draw, part): (u64, u64, u64),
) -> f64 {
    let mut random = rng::at(seed, Stream::VelocityRescaling, draw, part);
    let c = (-dt / tau).exp();
    // K̄/(N_f K) = kT/(2K)
    let share = (1.0 - c) * kt / twice_kinetic;
    let first = random.normal();
    let others = random.chi_squared(dof as usize - 1);
    let square = c + share * (first * first + others) + 2.0 * first * (c * share).sqrt();
    let sign = if first + (c / share).sqrt() < 0.0 { -1.0 } else { 1.0 };
    sign * square.max(0.0).sqrt()
}

/// Ornstein–Uhlenbeck motion of the velocities of one part for a time `dt`: `v ← c v + √(1 − c²) √(kT/m) R` with
/// `c = e^{−dt/τ}`, exact for the friction and the noise. With `momentum_removed` the motion of the
/// centre of mass is taken out again, which is exact for the remaining 3N − 3 degrees of freedom,
/// because all atoms have the same friction. Returns the kinetic energy gained [eV].
pub(super) fn langevin(
    system: &mut System,
    part: usize,
    kt: f64,
    (dt, tau): (f64, f64),
    (seed, step): (u64, u64),
    momentum_removed: bool,
) -> f64 {
    let before = system.twice_kinetic_of(part);
    let c = (-dt / tau).exp();
    let noise = (1.0 - c * c).sqrt();
    let mut momentum = [0.0; 3];
    let mut total = 0.0;
    let System { velocities, masses, parts, .. } = system;
    let listed = parts[part].atoms.as_deref();
    let count = listed.map_or(velocities.len(), <[u32]>::len);
    for k in 0..count {
        let atom = listed.map_or(k, |atoms| atoms[k] as usize);
        let (v, m) = (&mut velocities[atom], masses[atom]);
        let mut random = rng::at(seed, Stream::Langevin, step, atom as u64);
        let width = noise * (kt * units::ACCELERATION_PER_FORCE / m).sqrt();
        for x in v.iter_mut() {
            *x = c * *x + width * random.normal();
        }
        momentum = math::add(momentum, math::scale(*v, m));
        total += m;
    }
    if momentum_removed {
        let drift = math::scale(momentum, 1.0 / total);
        system.velocities.iter_mut().for_each(|v| *v = math::sub(*v, drift));
    }
    0.5 * (system.twice_kinetic_of(part) - before)
}
