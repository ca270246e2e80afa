//! Learning rates and prefactors as functions of the step.

use super::loss::Prefactors;

/// How the learning rate falls from its start to its stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// DeePMD-kit's `exp`: `lr₀ r^⌊t/s⌋` with `r = (lr_stop/lr₀)^(s/T)`, never below `lr_stop`; the
    /// floor is left out with `smooth`.
    Exponential { decay_steps: Option<u64>, smooth: bool },
    /// Half a cosine wave.
    Cosine,
}

impl Decay {
    /// As in a training file.
    pub fn name(&self) -> &'static str {
        match self {
            Decay::Exponential { .. } => "exp",
            Decay::Cosine => "cosine",
        }
    }
}

/// A learning rate schedule over the steps of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    pub start: f64,
    pub stop: f64,
    pub decay: Decay,
    /// Steps of linear growth at the beginning.
    pub warmup_steps: u64,
}

impl LearningRate {
    /// `lr(t)` at step `t` of `steps`, counted from 0.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup_steps {
            return self.start * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let (t, total) = (step - self.warmup_steps, (steps - self.warmup_steps).max(1));
        match self.decay {
            Decay::Exponential { decay_steps, smooth } => {
                let s = decay_steps.unwrap_or(5000);
                let s = if s < total {
                    s
                } else if total > 1000 {
                    100
                } else {
                    total / 100 + 1
                };
                let rate = (self.stop / self.start).powf(s as f64 / total as f64);
                let exponent = if smooth { t as f64 / s as f64 } else { (t / s) as f64 };
                (self.start * rate.powf(exponent)).max(self.stop)
            }
            Decay::Cosine => {
                let phase = std::f64::consts::PI * t as f64 / total as f64;
                self.stop + 0.5 * (self.start - self.stop) * (1.0 + phase.cos())
            }
        }
    }
}

/// Prefactors at the beginning and in the limit of a vanishing learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrefactorSchedule {
    pub start: Prefactors,
    pub limit: Prefactors,
}

impl PrefactorSchedule {
    /// `p = p_limit + (p_start − p_limit) · lr(t)/lr(0)`
    pub fn at(&self, fraction: f64) -> Prefactors {
        let mix = |start: f64, limit: f64| limit + (start - limit) * fraction;
        Prefactors {
            energy: mix(self.start.energy, self.limit.energy),
            force: mix(self.start.force, self.limit.force),
            virial: mix(self.start.virial, self.limit.virial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_decay_follows_deepmd_kit() {
        // 1e-3 → 1e-8 over 1,000,000 steps, every 5000: rate 10^(−5/200)
        let decay = Decay::Exponential { decay_steps: None, smooth: false };
        let rate = LearningRate { start: 1e-3, stop: 1e-8, decay, warmup_steps: 0 };
        let at = |t| rate.at(t, 1_000_000);
        assert!((at(4999) - 1e-3).abs() < 1e-18);
        assert!((at(5000) / 1e-3 - 10f64.powf(-0.025)).abs() < 1e-12);
        assert!((at(1_000_000) / 1e-8 - 1.0).abs() < 1e-9);
        let smooth = Decay::Exponential { decay_steps: None, smooth: true };
        let rate = LearningRate { decay: smooth, ..rate };
        assert!((rate.at(500_000, 1_000_000) / 10f64.powf(-5.5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn warm_up_grows_linearly_and_the_cosine_ends_at_its_stop() {
        let rate = LearningRate { start: 2e-3, stop: 1e-5, decay: Decay::Cosine, warmup_steps: 10 };
        assert!((rate.at(4, 110) - 1e-3).abs() < 1e-15);
        assert!((rate.at(10, 110) - 2e-3).abs() < 1e-15);
        assert!((rate.at(60, 110) - 0.5 * (2e-3 + 1e-5)).abs() < 1e-12);
        assert!((rate.at(110, 110) - 1e-5).abs() < 1e-15);
    }

    #[test]
    fn prefactors_follow_the_learning_rate() {
        let p = |energy, force, virial| Prefactors { energy, force, virial };
        let schedule = PrefactorSchedule { start: p(0.02, 1000.0, 0.02), limit: p(2.0, 1.0, 0.2) };
        for (fraction, force) in [(1.0, 1000.0), (0.1, 100.9), (0.0, 1.0)] {
            assert!((schedule.at(fraction).force - force).abs() < 1e-9);
        }
        assert!((schedule.at(0.0).energy - 2.0).abs() < 1e-12);
    }
}
