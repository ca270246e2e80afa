//! Trust levels: below, a frame is known; between, it teaches; above, it is nonsense.

use super::deviation::Deviation;
use serde::{Deserialize, Serialize};
use vitrion_core::stats::sample_quantile;

/// How trust levels are found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trust {
    /// Multiples of a quantile of the deviations on training frames: what the committee disagrees about
    /// where it has been taught is the measure of what it does not know.
    Quantile {
        /// 0 to 1.
        quantile: f64,
        low: f64,
        high: f64,
    },
    /// As given [eV/Å], [eV/atom].
    Fixed { force: (f64, f64), virial: Option<(f64, f64)> },
}

impl Default for Trust {
    /// 1.5 and 8 times what 95 % of the training frames stay below.
    fn default() -> Self {
        Trust::Quantile { quantile: 0.95, low: 1.5, high: 8.0 }
    }
}

/// Trust levels of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Of the largest deviation of a force [eV/Å].
    pub force: (f64, f64),
    /// Of the largest deviation of a component of the virial per atom [eV]; `None` leaves it out.
    pub virial: Option<(f64, f64)>,
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Accurate,
    Candidate,
    Failed,
}

impl Trust {
    /// The levels, from deviations on training frames.
    ///
    /// # Errors
    /// Quantiles of nothing, in words.
    pub fn window(&self, training: &[Deviation]) -> Result<Window, String> {
        match *self {
            Trust::Fixed { force, virial } => Ok(Window { force, virial }),
            Trust::Quantile { quantile: q, low, high } => {
                if training.is_empty() {
                    let message = "trust levels from quantiles need training frames to look at";
                    return Err(message.to_owned());
                }
                let of = |pick: fn(&Deviation) -> f64| {
                    let mut values: Vec<f64> = training.iter().map(pick).collect();
                    values.sort_by(f64::total_cmp);
                    let at = sample_quantile(&values, q);
                    (low * at, high * at)
                };
                Ok(Window { force: of(|d| d.max_f), virial: Some(of(|d| d.max_v)) })
            }
        }
    }
}

impl Window {
    /// DP-GEN's rule: accurate below both lower levels, failed from either upper level on.
    pub fn verdict(&self, found: &Deviation) -> Verdict {
        let above = |(low, high): (f64, f64), x: f64| (x >= low, x >= high);
        let (force_low, force_high) = above(self.force, found.max_f);
        let (virial_low, virial_high) =
            self.virial.map_or((false, false), |levels| above(levels, found.max_v));
        if force_high || virial_high || !found.max_f.is_finite() {
            Verdict::Failed
        } else if force_low || virial_low {
            Verdict::Candidate
        } else {
            Verdict::Accurate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(max_f: f64, max_v: f64) -> Deviation {
        Deviation { step: 0, max_v, min_v: 0.0, avg_v: 0.0, max_f, min_f: 0.0, avg_f: 0.0, atom: 0 }
    }

    #[test]
    fn windows_are_multiples_of_a_quantile_of_the_training_frames() {
        let training: Vec<Deviation> =
            (0..=100).map(|k| deviation(0.001 * f64::from(k), 0.01)).collect();
        let window = Trust::default().window(&training).expect("frames");
        assert!((window.force.0 - 1.5 * 0.095).abs() < 1e-12);
        assert!((window.force.1 - 8.0 * 0.095).abs() < 1e-12);
        assert_eq!(window.virial, Some((0.015, 0.08)));
        assert!(Trust::default().window(&[]).is_err());
    }

    #[test]
    fn verdicts_follow_the_worse_of_force_and_virial() {
        let window = Window { force: (0.1, 0.5), virial: Some((0.01, 0.05)) };
        for (force, virial, expected) in [
            (0.05, 0.001, Verdict::Accurate),
            (0.1, 0.001, Verdict::Candidate),
            (0.05, 0.02, Verdict::Candidate),
            (0.2, 0.05, Verdict::Failed),
            (0.5, 0.0, Verdict::Failed),
            (f64::NAN, 0.0, Verdict::Failed),
        ] {
            assert_eq!(window.verdict(&deviation(force, virial)), expected, "{force} {virial}");
        }
        let forces_only = Window { virial: None, ..window };
        assert_eq!(forces_only.verdict(&deviation(0.05, 9.0)), Verdict::Accurate);
    }
}
