//! What training found, as observables.

mod classes;
mod mobility;
mod rearrangement;
mod scans;
mod structure;

use super::dataset::Dataset;
use super::mobility::MobilitySettings;
use super::training::{Scans, Trained, TrainingSettings, quantile};
use crate::error::AnalysisError;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};

/// What was seen of one trajectory while it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleStatistics {
    /// As in [`Windows`](super::Windows).
    pub increments: Vec<f64>,
    pub series: Vec<f64>,
    pub neighbors: f64,
    pub too_few: usize,
    pub windows: usize,
    pub frames: usize,
}

/// Everything that the report is about.
#[derive(Debug, Clone, Copy)]
pub struct Findings<'a> {
    pub data: &'a Dataset,
    /// By sample.
    pub statistics: &'a [SampleStatistics],
    pub mobility: &'a MobilitySettings,
    pub settings: &'a TrainingSettings,
    pub trained: &'a Trained,
    pub scans: Option<&'a Scans>,
    /// Lattice vector along which profiles go.
    pub axis: usize,
    /// "thermal", "averaged over 1000 fs", "inherent".
    pub structures: &'a str,
}

impl Findings<'_> {
    /// Softness of every row: by a plane that has not seen the ion where it trained.
    pub fn softness(&self) -> Vec<f64> {
        let table = self.data.table();
        let held_out = self.trained.held_out.iter().enumerate();
        held_out
            .map(|(row, held_out)| {
                if held_out.is_nan() {
                    self.trained.plane.softness(table.row(row))
                } else {
                    *held_out
                }
            })
            .collect()
    }

    /// All observables, in the order of the report, from [`Findings::softness`].
    ///
    /// # Errors
    /// A structure whose order parameter cannot be computed.
    pub fn observables(&self, softness: &[f64]) -> Result<Vec<Observables>, AnalysisError> {
        let mut all = vec![
            classes::report(self, softness),
            structure::report(self, softness)?,
            rearrangement::report(self, softness),
            mobility::report(self),
        ];
        all.extend(self.scans.map(|scans| scans::report(self, scans)));
        Ok(all)
    }
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.into(), unit: unit.into() }
}

fn curve(name: String, label: String, axes: (&Axis, &Axis), x: Vec<f64>, y: Vec<f64>) -> Curve {
    let (x_axis, y_axis) = (axes.0.clone(), axes.1.clone());
    Curve { name, label, x_axis, y_axis, x, y, y_error: Vec::new() }
}

fn estimate(name: &str, label: &str, value: f64, uncertainty: Uncertainty) -> Estimate {
    let (name, label) = (name.to_owned(), label.to_owned());
    Estimate { name, label, value, uncertainty, unit: String::new() }
}

fn standard_error(value: f64, n_eff: usize) -> Uncertainty {
    Uncertainty::StandardError { value, n_eff: n_eff as f64 }
}

/// All rows by material and phase.
fn by_phase(data: &Dataset) -> Vec<(String, Vec<usize>)> {
    let all = data.by_phase(0..data.rows.len() as u32).into_iter();
    all.map(|(name, rows)| (name, rows.into_iter().map(|row| row as usize).collect())).collect()
}

/// A machine name.
fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Probability density of some values in bins of equal width.
fn density(values: &[f64], low: f64, high: f64, bins: usize) -> (Vec<f64>, Vec<f64>) {
    let width = (high - low) / bins as f64;
    let mut counts = vec![0.0; bins];
    for value in values {
        let bin = ((value - low) / width).floor();
        if bin >= 0.0 && bin < bins as f64 {
            counts[bin as usize] += 1.0;
        }
    }
    let total = values.len() as f64 * width;
    let x = (0..bins).map(|bin| low + (bin as f64 + 0.5) * width).collect();
    (x, counts.into_iter().map(|count| count / total).collect())
}

/// Between what all values but two in a thousand lie, and a little more on either side.
fn range(values: &[f64]) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return (0.0, 1.0) };
    let (low, high) = (quantile(&sorted, 0.001), quantile(&sorted, 0.999));
    let margin = 0.05 * (high - low);
    if margin > 0.0 {
        ((low - margin).max(*first), (high + margin).min(*last))
    } else {
        (low - 0.5, low + 0.5)
    }
}
