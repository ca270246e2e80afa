//! What every iteration did, found and cost: `iteration-NNN/summary.json`, and all of them in `ledger.json`.

use super::exploration::Ended;
use super::windows::Window;
use serde::{Deserialize, Serialize};
use vitrion_core::stats::student_t_quantile;
use vitrion_model::train::evaluation::Row;

/// The whole loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub name: String,
    /// What computes labels, for people, and the hash of its level.
    pub level: String,
    pub level_hash: String,
    /// Comparisons of relabelled frames of `[[data]]` with its own labels.
    pub checks: Vec<String>,
    /// Labels made for the start.
    pub initial_labels: usize,
    /// Frames of `[[data]]`.
    pub initial_frames: usize,
    pub iterations: Vec<Summary>,
    /// Why the loop ended, once it has.
    pub ended: Option<String>,
    /// Models of the last training, below the folder.
    pub models: Vec<String>,
}

/// One iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub iteration: usize,
    /// Step of the schedule, from 0, and what it is.
    pub step: usize,
    pub schedule: String,
    pub training_frames: usize,
    /// Held-out frames with the first member.
    pub held_out: Option<Row>,
    pub window: Window,
    pub runs: Vec<RunRow>,
    pub counts: Counts,
    /// Share of explored frames that are accurate, with its standard error over runs.
    pub accurate: Share,
    pub histogram: Histogram,
    pub selected: usize,
    /// Of the selected: frames before a run left what is known.
    pub traced: usize,
    pub new_labels: usize,
    pub failed_labels: usize,
    /// Labels of the loop so far, those of this iteration included.
    pub labels: usize,
    /// New labels, by the model that chose them.
    pub before: Option<Row>,
    /// Labels of the iteration before, by the model that was trained on them.
    pub after: Option<Row>,
    pub cost: Cost,
    /// What was decided, and on which evidence.
    pub decision: String,
    pub leave_step: bool,
    pub end: Option<String>,
}

/// One run of exploration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    pub name: String,
    pub structure: String,
    pub temperature_k: Option<f64>,
    pub pressure_gpa: Option<f64>,
    pub counts: Counts,
    /// `None` for frames that were there already.
    pub ended: Option<Ended>,
    pub steps: u64,
    pub wanted: u64,
    /// Largest deviation of a force anywhere [eV/Å].
    pub largest: f64,
}

/// Frames by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub accurate: usize,
    pub candidate: usize,
    pub failed: usize,
}

impl Counts {
    /// All frames.
    pub fn all(&self) -> usize {
        self.accurate + self.candidate + self.failed
    }
}

/// A share and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub value: f64,
    /// Over runs; `None` for a single one.
    pub error: Option<f64>,
    pub runs: usize,
}

impl Share {
    /// Mean over runs of equal standing.
    pub fn over(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n.max(1.0);
        let error = (values.len() > 1).then(|| {
            let square: f64 = values.iter().map(|x| (x - value) * (x - value)).sum();
            (square / (n - 1.0) / n).sqrt()
        });
        Share { value, error, runs: values.len() }
    }

    /// Lower end of a one-sided 90 % interval, where it can be told.
    pub fn at_least(&self) -> Option<f64> {
        let error = self.error?;
        Some(self.value - student_t_quantile(0.9, (self.runs - 1) as f64) * error)
    }
}

/// Largest force deviations of explored and of training frames, in equal bins of their logarithm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// One more than bins [eV/Å].
    pub edges: Vec<f64>,
    pub explored: Vec<usize>,
    pub training: Vec<usize>,
}

impl Histogram {
    /// Both sets in `bins` bins. Deviations that are not finite are left out; those far below the middle
    /// one (perfect crystals, where symmetry leaves nothing to disagree about) count in the first bin.
    pub fn new(explored: &[f64], training: &[f64], bins: usize) -> Self {
        let mut all: Vec<f64> = explored
            .iter()
            .chain(training)
            .copied()
            .filter(|x| x.is_finite() && *x > 0.0)
            .collect();
        all.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (all.first(), all.last()) else {
            return Histogram::default();
        };
        let low = low.max(FAR_BELOW * all[all.len() / 2]);
        if low >= *high {
            return Histogram::default();
        }
        let (low, high) = (low.ln(), high.ln() + 1e-9);
        let width = (high - low) / bins as f64;
        let count = |values: &[f64]| {
            let mut counts = vec![0; bins];
            for x in values.iter().filter(|x| x.is_finite()) {
                let place = ((x.max(f64::MIN_POSITIVE).ln() - low) / width).max(0.0);
                counts[(place as usize).min(bins - 1)] += 1;
            }
            counts
        };
        Histogram {
            edges: (0..=bins).map(|k| (low + k as f64 * width).exp()).collect(),
            explored: count(explored),
            training: count(training),
        }
    }
}

/// Deviations below this part of the median are drawn as one.
const FAR_BELOW: f64 = 0.01;

/// Core time [s].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub training: f64,
    pub exploration: f64,
    pub labels: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_carry_their_error_over_runs() {
        let share = Share::over(&[1.0, 0.9, 0.8]);
        assert!((share.value - 0.9).abs() < 1e-12);
        // standard deviation 0.1 over √3
        assert!((share.error.expect("three runs") - 0.1 / 3.0_f64.sqrt()).abs() < 1e-12);
        // t(0.9; 2) = 1.8856
        let low = share.at_least().expect("three runs");
        assert!((low - (0.9 - 1.885_618 * 0.1 / 3.0_f64.sqrt())).abs() < 1e-6);
        assert_eq!(Share::over(&[0.5]).at_least(), None);
    }

    #[test]
    fn histograms_count_every_finite_deviation_once() {
        let h = Histogram::new(&[0.01, 0.1, 1.0, f64::INFINITY], &[0.02, 0.02], 10);
        assert_eq!(h.edges.len(), 11);
        assert_eq!(h.explored.iter().sum::<usize>(), 3);
        assert_eq!(h.training.iter().sum::<usize>(), 2);
        assert!((h.edges[0] - 0.01).abs() < 1e-9 && h.explored[9] == 1);
        let crystal = Histogram::new(&[1e-9, 0.1, 1.0], &[0.2], 10);
        assert!(crystal.edges[0] > 1e-4 && crystal.explored[0] == 1, "{crystal:?}");
        assert_eq!(Histogram::new(&[0.1], &[], 10), Histogram::default());
    }
}
