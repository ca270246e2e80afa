//! Nosé–Hoover chains (Martyna, Klein & Tuckerman, J. Chem. Phys. 97, 2635 (1992)), integrated as
//! in Martyna et al., Mol. Phys. 87, 1117 (1996) with the Suzuki–Yoshida factorisation of third
//! order.

use serde::{Deserialize, Serialize};

/// `1/(2 − 2^(1/3))`, the outer Suzuki–Yoshida weight; the inner one is `1 − 2w`.
const OUTER: f64 = 1.351_207_191_959_657_8;
/// Parts of half a step, one after the other, whose errors of third order cancel.
pub const SUZUKI_YOSHIDA: [f64; 3] = [OUTER, 1.0 - 2.0 * OUTER, OUTER];

/// A chain of thermostats. `Q₁ = f k_B T τ²`, `Q_k = k_B T τ²`, where `f` is the number of degrees
/// of freedom that the first thermostat holds. An empty chain does nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// `η_k`, dimensionless.
    pub position: Vec<f64>,
    /// `v_ηk` [1/fs].
    pub velocity: Vec<f64>,
}

impl Chain {
    /// `length` thermostats, all variables zero.
    pub fn at_rest(length: usize) -> Self {
        Chain { position: vec![0.0; length], velocity: vec![0.0; length] }
    }

    /// Half of a step `dt` [fs]; `twice_kinetic` and `kt` in eV, `tau` in fs. Returns the factor
    /// by which the velocities of the thermostatted degrees of freedom are multiplied.
    pub fn half_step(&mut self, twice_kinetic: f64, f: f64, kt: f64, tau: f64, dt: f64) -> f64 {
        let Some(last) = self.velocity.len().checked_sub(1) else { return 1.0 };
        let mut factor = 1.0;
        for weight in SUZUKI_YOSHIDA {
            let whole = 0.5 * weight * dt;
            let (half, eighth) = (0.5 * whole, 0.25 * whole);
            // from the end of the chain to the particles
            self.velocity[last] +=
                half * self.pull(last, twice_kinetic * factor * factor, f, kt, tau);
            for k in (0..last).rev() {
                let pull = self.pull(k, twice_kinetic * factor * factor, f, kt, tau);
                self.drag(k, pull, half, eighth);
            }
            factor *= (-whole * self.velocity[0]).exp();
            for (eta, v) in self.position.iter_mut().zip(&self.velocity) {
                *eta += whole * v;
            }
            // and back
            for k in 0..last {
                let pull = self.pull(k, twice_kinetic * factor * factor, f, kt, tau);
                self.drag(k, pull, half, eighth);
            }
            self.velocity[last] +=
                half * self.pull(last, twice_kinetic * factor * factor, f, kt, tau);
        }
        factor
    }

    /// `v_k` under its pull and the friction of `v_{k+1}`.
    fn drag(&mut self, k: usize, pull: f64, half: f64, eighth: f64) {
        let decay = (-eighth * self.velocity[k + 1]).exp();
        self.velocity[k] = self.velocity[k] * decay * decay + half * pull * decay;
    }

    /// `G_k/Q_k` [1/fs²]: `(2K − f kT)/Q₁` or `(Q_{k−1} v²_{k−1} − kT)/Q_k`.
    fn pull(&self, k: usize, twice_kinetic: f64, f: f64, kt: f64, tau: f64) -> f64 {
        let tau2 = tau * tau;
        if k == 0 {
            return (twice_kinetic / (f * kt) - 1.0) / tau2;
        }
        let share = if k == 1 { f } else { 1.0 };
        share * self.velocity[k - 1] * self.velocity[k - 1] - 1.0 / tau2
    }

    /// `Σ Q_k v_k²/2 + f kT η₁ + kT Σ_{k>1} η_k` [eV].
    pub fn energy(&self, f: f64, kt: f64, tau: f64) -> f64 {
        let mut sum = 0.0;
        for (k, (eta, v)) in self.position.iter().zip(&self.velocity).enumerate() {
            let share = if k == 0 { f } else { 1.0 };
            sum += share * (0.5 * tau * tau * v * v + eta);
        }
        sum * kt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suzuki_yoshida_weights_cancel_the_third_order() {
        let cubes: f64 = SUZUKI_YOSHIDA.iter().map(|w| w.powi(3)).sum();
        let sum: f64 = SUZUKI_YOSHIDA.iter().sum();
        assert!((sum - 1.0).abs() < 1e-15 && cubes.abs() < 1e-14, "{sum} {cubes}");
    }

    #[test]
    fn an_empty_chain_does_nothing() {
        let mut chain = Chain::at_rest(0);
        let factor = chain.half_step(1.0, 3.0, 0.02, 100.0, 1.0);
        assert_eq!(factor.to_bits(), 1.0_f64.to_bits());
        assert_eq!(chain.energy(3.0, 0.02, 100.0).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_half_step_backwards_undoes_a_half_step_forwards() {
        let mut chain = Chain::at_rest(3);
        let (twice_kinetic, f, kt, tau) = (3.7, 30.0, 0.05, 40.0);
        let first = chain.half_step(twice_kinetic, f, kt, tau, 2.0);
        let factor = chain.half_step(twice_kinetic * first * first, f, kt, tau, 2.0);
        let reached = chain.clone();
        let forward = chain.half_step(twice_kinetic * (first * factor).powi(2), f, kt, tau, 2.0);
        let now = twice_kinetic * (first * factor * forward).powi(2);
        let back = chain.half_step(now, f, kt, tau, -2.0);
        assert!((forward * back - 1.0).abs() < 1e-15);
        for k in 0..3 {
            assert!((chain.velocity[k] - reached.velocity[k]).abs() < 1e-17);
            assert!((chain.position[k] - reached.position[k]).abs() < 1e-15);
        }
    }
}
