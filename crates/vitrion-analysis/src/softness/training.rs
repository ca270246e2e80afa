//! From ions and what they did to a plane, with scores that can be believed.
//!
//! Ions, not rows, are dealt to folds: an ion that was seen in training is never tested in another window. `C` is chosen by cross-validation within the training part of every fold. The same folds
//! serve the comparison with what a classifier gets that knows nothing but the material and the phase of an ion, and with labels that were exchanged between ions.

mod checks;
mod cross_validation;
mod scans;
#[cfg(test)]
mod tests;

pub use cross_validation::FoldError;
pub use scans::{ScanSettings, Scans};

use super::classifier::{ClassifierSettings, Fit, Loss, Penalty, Plane};
use super::dataset::{Dataset, Label};
use super::scores::{Scores, standard_deviation};
use checks::{baseline, bootstrap, forward, null, other_labels, transfer};
use cross_validation::{Problem, deal};
use serde::{Deserialize, Serialize};
use vitrion_core::rng::{self, Random, Stream};

/// Which ions are mobile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Threshold {
    /// The median of all training ions; the `gap` of all that lies around it is left out.
    Median { gap: f64 },
    /// `D_c`, in the unit of the label.
    Value { value: f64 },
}

impl Threshold {
    /// Part of the ions that is left out.
    pub fn gap(self) -> f64 {
        match self {
            Threshold::Median { gap } => gap,
            Threshold::Value { .. } => 0.0,
        }
    }
}

/// How a plane is trained and tested.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSettings {
    pub label: Label,
    pub threshold: Threshold,
    pub loss: Loss,
    pub penalty: Penalty,
    pub balanced: bool,
    /// Chosen among `grid` if not given.
    pub c: Option<f64>,
    pub grid: Vec<f64>,
    pub folds: usize,
    pub inner_folds: usize,
    /// Planes for the bands of the weights.
    pub bootstraps: usize,
    /// Times that labels are exchanged.
    pub permutations: usize,
    pub seed: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        TrainingSettings {
            label: Label::CumulativeD2min,
            threshold: Threshold::Median { gap: 0.2 },
            loss: Loss::Logistic,
            penalty: Penalty::L2,
            balanced: true,
            c: None,
            grid: (-4..=4).map(|k| 10_f64.powi(k)).collect(),
            folds: 5,
            inner_folds: 2,
            bootstraps: 50,
            permutations: 20,
            seed: 1,
        }
    }
}

impl TrainingSettings {
    /// The problem with this `C`.
    pub fn classifier(&self, c: f64) -> ClassifierSettings {
        let TrainingSettings { loss, penalty, balanced, .. } = *self;
        ClassifierSettings { loss, penalty, c, balanced }
    }
}

/// Scores with standard errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub scores: Scores,
    /// Standard error of the area under the curve, of accuracy, balanced accuracy, Matthews's coefficient, Brier score and log loss.
    pub errors: [f64; 6],
    /// Rows.
    pub rows: usize,
}

/// What training found.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub plane: Plane,
    pub c: f64,
    pub iterations: usize,
    /// In the unit of the label.
    pub threshold: f64,
    /// Values between which rows are left out.
    pub gap: [f64; 2],
    /// Softness of every training row by a plane that has not seen its ion; NaN for rows that do not train.
    pub held_out: Vec<f64>,
    /// Above the threshold, every row.
    pub mobile: Vec<bool>,
    /// Outside of the gap, every row.
    pub used: Vec<bool>,
    pub chosen: Vec<f64>,
    pub all: Scored,
    /// The classes that the plane itself gives its training ions.
    pub training: Scores,
    /// By phase; `None` where only one class is there.
    pub by_phase: Vec<(String, usize, Option<Scored>)>,
    /// By material and phase alone.
    pub baseline: Option<Scored>,
    /// Areas under the curve with exchanged labels.
    pub null: Vec<f64>,
    /// Standard errors of the weights.
    pub weight_errors: Vec<f64>,
    /// `[train][test]` area under the curve and its error, materials in their order.
    pub transfer: Vec<Vec<Option<(f64, f64)>>>,
    /// Area under the curve of every label, and of `D_cum` by other settings, each with its own median.
    pub labels: Vec<(String, Option<f64>)>,
    /// Rank correlation of held-out softness with mobility, in the window that begins there and in the next; and of mobility with that in the next window.
    pub forward: [Option<(f64, f64)>; 3],
}

/// Resamples for standard errors of scores.
const RESAMPLES: usize = 100;

/// Trains on all training rows.
///
/// # Errors
/// One class only, too few ions for the folds.
pub fn train(
    data: &Dataset,
    settings: &TrainingSettings,
    progress: &mut dyn FnMut(&str),
) -> Result<Trained, FoldError> {
    let rows = data.training_rows();
    let values = data.values(settings.label);
    let Classes { threshold, gap, mobile, used } = Classes::new(values, &rows, settings.threshold)?;
    let folds = deal(data, &rows, settings.folds, settings.seed)?;
    let problem = Problem { table: data.table(), rows: &rows, mobile: &mobile, used: &used };
    progress("cross-validation");
    let mut chosen = Vec::new();
    let held_out = problem.held_out(&folds, settings.folds, &mut |training, start| {
        let c = choose(data, &problem, training, settings)?;
        chosen.push(c);
        let classifier = settings.classifier(c);
        Ok(Fit::new(problem.table, training, &mobile, &classifier, start)?.plane)
    })?;
    let tested: Vec<u32> = rows.iter().copied().filter(|row| used[*row as usize]).collect();
    let score = |of: &[f64], rows: &[u32]| scored(data, of, &mobile, rows, settings.seed);
    let all = score(&held_out, &tested).ok_or(FoldError::OneClass)?;
    let by_phase = data
        .by_phase(tested.iter().copied())
        .into_iter()
        .map(|(name, rows)| (name, rows.len(), score(&held_out, &rows)))
        .collect();
    let baseline = score(&baseline(data, &problem, &folds, settings.folds), &tested);
    progress("final plane");
    let c = choose(data, &problem, &tested, settings)?;
    let classifier = settings.classifier(c);
    let fit = Fit::new(problem.table, &tested, &mobile, &classifier, None)?;
    let own: Vec<f64> =
        tested.iter().map(|row| fit.plane.softness(problem.table.row(*row as usize))).collect();
    let sides: Vec<bool> = tested.iter().map(|row| mobile[*row as usize]).collect();
    let training = Scores::of(&own, &sides).ok_or(FoldError::OneClass)?;
    progress("bootstrap");
    let weight_errors = bootstrap(data, &problem, &tested, &classifier, &fit.plane, settings);
    progress("exchanged labels");
    let null = null(data, &problem, &tested, &folds, &classifier, settings);
    progress("transfer between materials");
    let transfer = transfer(data, &problem, &tested, &held_out, &classifier, settings);
    progress("other labels");
    let labels = other_labels(data, &rows, &folds, &classifier, settings);
    let forward = forward(data, &held_out, values, &rows, settings.seed);
    Ok(Trained {
        plane: fit.plane,
        c,
        iterations: fit.iterations,
        threshold,
        gap,
        held_out,
        mobile,
        used,
        chosen,
        all,
        training,
        by_phase,
        baseline,
        null,
        weight_errors,
        transfer,
        labels,
        forward,
    })
}

/// Value at a share of sorted values, between them.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let low = at as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

/// Which rows are mobile, and which are left out.
struct Classes {
    threshold: f64,
    /// Values between which rows are left out.
    gap: [f64; 2],
    mobile: Vec<bool>,
    used: Vec<bool>,
}

impl Classes {
    /// Of the values of all rows, by those of the training rows.
    fn new(values: &[f64], rows: &[u32], threshold: Threshold) -> Result<Self, FoldError> {
        let mut sorted: Vec<f64> = rows.iter().map(|row| values[*row as usize]).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.is_empty() {
            return Err(FoldError::NoRows);
        }
        let (threshold, gap) = match threshold {
            Threshold::Value { value } => (value, [value, value]),
            Threshold::Median { gap } => (
                quantile(&sorted, 0.5),
                [quantile(&sorted, 0.5 - 0.5 * gap), quantile(&sorted, 0.5 + 0.5 * gap)],
            ),
        };
        let mobile = values.iter().map(|value| *value > threshold).collect();
        let used = values.iter().map(|value| *value <= gap[0] || *value > gap[1]).collect();
        Ok(Classes { threshold, gap, mobile, used })
    }
}

/// The `C` of the grid with the largest area under the curve in a cross-validation among some rows.
fn choose(
    data: &Dataset,
    problem: &Problem<'_>,
    training: &[u32],
    settings: &TrainingSettings,
) -> Result<f64, FoldError> {
    if let Some(c) = settings.c {
        return Ok(c);
    }
    let folds = deal(data, training, settings.inner_folds, settings.seed + 1)?;
    let inner = Problem { rows: training, ..*problem };
    let mut best: Option<(f64, f64)> = None;
    let mut starts: Vec<Option<Plane>> = vec![None; settings.inner_folds];
    for c in &settings.grid {
        let classifier = settings.classifier(*c);
        let mut fold = 0;
        let found = inner.held_out(&folds, settings.inner_folds, &mut |rows, _| {
            let fit =
                Fit::new(problem.table, rows, problem.mobile, &classifier, starts[fold].as_ref())?;
            starts[fold] = Some(fit.plane.clone());
            fold += 1;
            Ok(fit.plane)
        });
        let Ok(found) = found else { continue };
        let of: Vec<f64> = training.iter().map(|row| found[*row as usize]).collect();
        let sides: Vec<bool> = training.iter().map(|row| problem.mobile[*row as usize]).collect();
        let Some(scores) = Scores::of(&of, &sides) else { continue };
        // a larger C must be better by more than rounding
        if best.is_none_or(|(auc, _)| scores.auc > auc + 1e-9) {
            best = Some((scores.auc, *c));
        }
    }
    best.map(|(_, c)| c).ok_or(FoldError::OneClass)
}

/// Scores with errors from drawing ions again and again.
fn scored(
    data: &Dataset,
    softness: &[f64],
    mobile: &[bool],
    rows: &[u32],
    seed: u64,
) -> Option<Scored> {
    let of = |rows: &[u32]| {
        let s: Vec<f64> = rows.iter().map(|row| softness[*row as usize]).collect();
        let m: Vec<bool> = rows.iter().map(|row| mobile[*row as usize]).collect();
        Scores::of(&s, &m)
    };
    let scores = of(rows)?;
    let mut random = rng::at(seed, Stream::Bootstrap, 1, rows.len() as u64);
    let groups = by_group(data, rows);
    let numbers = |s: &Scores| [s.auc, s.accuracy, s.balanced_accuracy, s.mcc, s.brier, s.log_loss];
    let drawn: Vec<[f64; 6]> = (0..RESAMPLES)
        .filter_map(|_| of(&draw(&groups, &mut random)).map(|scores| numbers(&scores)))
        .collect();
    let errors = std::array::from_fn(|k| {
        standard_deviation(&drawn.iter().map(|one| one[k]).collect::<Vec<f64>>())
    });
    Some(Scored { scores, errors, rows: rows.len() })
}

/// Rows of every ion.
fn by_group(data: &Dataset, rows: &[u32]) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); data.groups()];
    for row in rows {
        groups[data.rows[*row as usize].group as usize].push(*row);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// As many ions, drawn with replacement.
fn draw(groups: &[Vec<u32>], random: &mut Random) -> Vec<u32> {
    (0..groups.len()).flat_map(|_| groups[random.below(groups.len())].iter().copied()).collect()
}
