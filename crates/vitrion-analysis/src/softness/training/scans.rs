//! What the open choices change (paper, Figs. S15 and S16).

use super::cross_validation::{FoldError, Problem, deal};
use super::{Classes, TrainingSettings, quantile};
use crate::softness::classifier::{ClassifierSettings, Loss, Penalty, Table};
use crate::softness::dataset::Dataset;
use crate::softness::features::{FeatureSettings, Shape};
use crate::softness::scores::Scores;

/// Which choices.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanSettings {
    pub c: Vec<f64>,
    /// Shares of ions below the threshold.
    pub thresholds: Vec<f64>,
    /// [Å]
    pub dr: Vec<f64>,
    /// [Å]
    pub cutoff: Vec<f64>,
    /// Rows, at most; whole ions are left out.
    pub most_rows: usize,
}

impl Default for ScanSettings {
    fn default() -> Self {
        ScanSettings {
            c: (-4..=4).map(|k| 10_f64.powi(k)).collect(),
            thresholds: (1..=9).map(|k| 0.1 * f64::from(k)).collect(),
            dr: vec![0.1, 0.2, 0.4, 0.8],
            cutoff: vec![4.0, 6.0, 8.0, 10.0],
            most_rows: 20_000,
        }
    }
}

/// Held-out scores over two grids; `None` where a class is missing or a fit fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Scans {
    pub settings: ScanSettings,
    /// Threshold of each share, in the unit of the label.
    pub thresholds: Vec<f64>,
    /// `[C][threshold]`
    pub by_threshold: Vec<Vec<Option<Scores>>>,
    /// `[dr][cut-off]`
    pub by_features: Vec<Vec<Option<Scores>>>,
    /// Other forms of the radial functions, other losses and penalties with the best `C` of the scan.
    pub by_choice: Vec<(String, Option<Scores>)>,
    pub rows: usize,
}

impl Scans {
    /// Cross-validates every choice; the others are as in `settings`, with `C` as given.
    ///
    /// # Errors
    /// Too few ions for the folds; features that make no sense.
    pub fn new(
        data: &Dataset,
        scan: &ScanSettings,
        settings: &TrainingSettings,
        c: f64,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, FoldError> {
        let all = data.training_rows();
        let step = all.len().div_ceil(scan.most_rows.max(1)).max(1);
        let kept = |row: &u32| (data.rows[*row as usize].group as usize).is_multiple_of(step);
        let rows: Vec<u32> = all.into_iter().filter(kept).collect();
        let values = data.values(settings.label);
        let mut sorted: Vec<f64> = rows.iter().map(|row| values[*row as usize]).collect();
        if sorted.is_empty() {
            return Err(FoldError::NoRows);
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let folds = deal(data, &rows, settings.folds, settings.seed)?;
        let scored = |problem: &Problem<'_>, classifier: &ClassifierSettings| {
            problem.scores(&problem.by(&folds, settings.folds, classifier).ok()?)
        };
        let everything = vec![true; data.rows.len()];
        let thresholds: Vec<f64> =
            scan.thresholds.iter().map(|share| quantile(&sorted, *share)).collect();
        let mut by_threshold = vec![vec![None; thresholds.len()]; scan.c.len()];
        progress("scan of C and threshold");
        for (column, threshold) in thresholds.iter().enumerate() {
            let mobile: Vec<bool> = values.iter().map(|value| value > threshold).collect();
            let problem =
                Problem { table: data.table(), rows: &rows, mobile: &mobile, used: &everything };
            for (row, c) in scan.c.iter().enumerate() {
                by_threshold[row][column] = scored(&problem, &settings.classifier(*c));
            }
        }
        let Classes { mobile, used, .. } = Classes::new(values, &rows, settings.threshold)?;
        let mut by_features = vec![vec![None; scan.cutoff.len()]; scan.dr.len()];
        progress("scan of dr and cut-off");
        for (row, dr) in scan.dr.iter().enumerate() {
            for (column, cutoff) in scan.cutoff.iter().enumerate() {
                let shape = match data.settings.shape {
                    Shape::Gaussian { sigma } => {
                        Shape::Gaussian { sigma: sigma * dr / data.settings.dr }
                    }
                    Shape::Shell => Shape::Shell,
                };
                let other =
                    FeatureSettings { dr: *dr, cutoff: *cutoff, shape, ..data.settings.clone() };
                other.check()?;
                let features = data.features_by(&other)?;
                let table = Table { values: &features, width: other.len() };
                let problem = Problem { table, rows: &rows, mobile: &mobile, used: &used };
                by_features[row][column] = scored(&problem, &settings.classifier(c));
            }
        }
        progress("scan of functions and losses");
        let mut by_choice = Vec::new();
        let dr = data.settings.dr;
        let shapes = [0.5, 1.0, 2.0].map(|k| Shape::Gaussian { sigma: k * dr });
        for shape in shapes.into_iter().chain([Shape::Shell]) {
            let name = match shape {
                Shape::Gaussian { sigma } => format!("Gaussians, σ = {sigma:.3} Å"),
                Shape::Shell => "shells".into(),
            };
            let other = FeatureSettings { shape, ..data.settings.clone() };
            let features = data.features_by(&other)?;
            let table = Table { values: &features, width: other.len() };
            let problem = Problem { table, rows: &rows, mobile: &mobile, used: &used };
            by_choice.push((name, scored(&problem, &settings.classifier(c))));
        }
        let problem = Problem { table: data.table(), rows: &rows, mobile: &mobile, used: &used };
        for (name, loss, penalty) in [
            ("logistic, L2", Loss::Logistic, Penalty::L2),
            ("logistic, L1", Loss::Logistic, Penalty::L1),
            ("squared hinge, L2", Loss::SquaredHinge, Penalty::L2),
        ] {
            // what C means differs between them: each with its own best
            let with = |c: &f64| {
                let classifier = ClassifierSettings { loss, penalty, ..settings.classifier(*c) };
                scored(&problem, &classifier)
            };
            let best = scan.c.iter().filter_map(with).max_by(|a, b| a.auc.total_cmp(&b.auc));
            by_choice.push((format!("{name}, its best C"), best));
        }
        Ok(Scans {
            settings: scan.clone(),
            thresholds,
            by_threshold,
            by_features,
            by_choice,
            rows: rows.len(),
        })
    }
}
