//! What the open choices change.

use super::{Findings, axis};
use crate::softness::scores::Scores;
use crate::softness::training::Scans;
use vitrion_core::observables::{Categories, Map, Observables};

pub(super) fn report(of: &Findings<'_>, scans: &Scans) -> Observables {
    let mut result = Observables::new(
        "softness_scans",
        "Sensitivity of softness to open choices",
        "scores of held-out ions for every C and threshold, and for every dr and cut-off of the radial functions; \
         the other choices as they are (paper, Figs. S15 and S16)",
    );
    result.parameter("rows", scans.rows);
    let label = of.settings.label;
    let thresholds: Vec<String> = scans
        .settings
        .thresholds
        .iter()
        .zip(&scans.thresholds)
        .map(|(share, value)| format!("{share:.2}: {value:.3} {}", label.unit()))
        .collect();
    result.parameter(&format!("thresholds of {} by share", label.name()), thresholds.join(", "));
    result.parameter("left out around the threshold", "nothing in the first scan");
    let number =
        |f: fn(&Scores) -> f64| move |one: &Option<Scores>| one.as_ref().map_or(f64::NAN, f);
    for (name, title, f) in [
        ("accuracy", "Accuracy", (|s: &Scores| s.accuracy) as fn(&Scores) -> f64),
        ("balanced_accuracy", "Balanced accuracy", |s: &Scores| s.balanced_accuracy),
        ("auc", "Area under the curve", |s: &Scores| s.auc),
    ] {
        let grid = |rows: &[Vec<Option<Scores>>]| -> Vec<Vec<f64>> {
            rows.iter().map(|row| row.iter().map(number(f)).collect()).collect()
        };
        if scans.by_threshold.len() > 1 && scans.thresholds.len() > 1 {
            result.maps.push(Map {
                name: format!("{name}_by_c_and_threshold"),
                label: format!("{title} by C and threshold"),
                x_axis: axis("log₁₀ C", ""),
                y_axis: axis("share of ions below the threshold", ""),
                z_axis: axis(&title.to_lowercase(), ""),
                x: scans.settings.c.iter().map(|c| c.log10()).collect(),
                y: scans.settings.thresholds.clone(),
                z: grid(&scans.by_threshold),
            });
        }
        if scans.settings.dr.len() > 1 && scans.settings.cutoff.len() > 1 {
            result.maps.push(Map {
                name: format!("{name}_by_dr_and_cutoff"),
                label: format!("{title} by dr and cut-off"),
                x_axis: axis("dr", "Å"),
                y_axis: axis("cut-off", "Å"),
                z_axis: axis(&title.to_lowercase(), ""),
                x: scans.settings.dr.clone(),
                y: scans.settings.cutoff.clone(),
                z: grid(&scans.by_features),
            });
        }
    }
    let known: Vec<(&String, &Scores)> = scans
        .by_choice
        .iter()
        .filter_map(|(name, scores)| scores.as_ref().map(|scores| (name, scores)))
        .collect();
    result.categories.push(Categories {
        name: "auc_by_choice".into(),
        label: "Area under the curve by form of the functions, loss and penalty".into(),
        axis: axis("held-out ions", ""),
        names: known.iter().map(|(name, _)| (*name).clone()).collect(),
        values: known.iter().map(|(_, scores)| scores.auc).collect(),
        errors: Vec::new(),
    });
    result.caution(
        "accuracy_at_other_thresholds",
        "a threshold far from the median makes one class rare, and accuracy grows because the larger class is guessed".into(),
        "read balanced accuracy and the area under the curve; do not choose a threshold by its accuracy",
    );
    result
}
