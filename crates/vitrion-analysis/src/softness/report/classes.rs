//! The plane, its weights, and how far it can be trusted.

use super::{Findings, axis, curve, estimate, slug, standard_error};
use crate::softness::features::Shape;
use crate::softness::scores::{Scores, probability, standard_deviation};
use crate::softness::training::Scored;
use vitrion_core::observables::{Axis, Categories, Curve, Observables, Uncertainty};

/// Groups of ions of the calibration curve, of equal number.
const CALIBRATION: usize = 10;
/// Points of the receiver operating characteristic.
const POINTS: usize = 100;

pub(super) fn report(of: &Findings<'_>, softness: &[f64]) -> Observables {
    let Findings { data, trained, .. } = *of;
    let species = &data.settings.species;
    let mut result = Observables::new(
        "softness_classifier",
        &format!("Softness of {species}: which ions move"),
        "S = w.(G - mean)/scale + b, minimising C sum_n s_n loss(y_n S_n) + R(w); S > 0: mobile; scores from ions that the plane \
         has not seen (folds of whole ions, C chosen within the training part of each)",
    );
    parameters(of, &mut result);
    let Scored { scores, errors, rows } = trained.all;
    let groups = rows;
    for (k, (name, label, value)) in [
        ("auc", "area under the curve, held-out ions", scores.auc),
        ("accuracy", "accuracy, held-out ions", scores.accuracy),
        ("balanced_accuracy", "balanced accuracy, held-out ions", scores.balanced_accuracy),
        ("mcc", "Matthews's correlation coefficient, held-out ions", scores.mcc),
        ("brier", "Brier score, held-out ions", scores.brier),
        ("log_loss", "log loss, held-out ions (ln 2 = 0.693: knows nothing)", scores.log_loss),
    ]
    .into_iter()
    .enumerate()
    {
        result.estimates.push(estimate(name, label, value, standard_error(errors[k], groups)));
    }
    let own = || Uncertainty::NotEstimated { why: "of the ions that it was trained on".into() };
    result.estimates.push(estimate(
        "training_auc",
        "area under the curve, training ions",
        trained.training.auc,
        own(),
    ));
    result.estimates.push(estimate(
        "training_accuracy",
        "accuracy, training ions",
        trained.training.accuracy,
        own(),
    ));
    baselines(of, &mut result);
    forward(of, &mut result);
    weights(of, &mut result);
    calibration(of, softness, &mut result);
    by_phase(of, &mut result);
    by_material(of, &mut result);
    result
}

fn parameters(of: &Findings<'_>, result: &mut Observables) {
    let Findings { data, settings, trained, .. } = *of;
    let features = &data.settings;
    let shape = match features.shape {
        Shape::Gaussian { sigma } => format!("Gaussians, σ = {sigma} Å"),
        Shape::Shell => "counts in shells".into(),
    };
    result.parameter("features", format!("{} of {}", features.len(), features.elements.join(", ")));
    result.parameter(
        "radial functions",
        format!("{shape}, dr = {} Å, cut-off {} Å", features.dr, features.cutoff),
    );
    if !features.angular.is_empty() {
        result.parameter(
            "angular functions",
            format!("{}, cut-off {} Å", features.angular.len(), features.angular_cutoff),
        );
    }
    result.parameter("structures", of.structures);
    result.parameter("loss and penalty", format!("{:?}, {:?}", settings.loss, settings.penalty));
    result.parameter("classes balanced", settings.balanced);
    let chosen: Vec<String> = trained.chosen.iter().map(|c| format!("{c}")).collect();
    let how = if settings.c.is_some() { "as given" } else { "chosen by cross-validation" };
    result.parameter("C", format!("{}, {how}; in the folds {}", trained.c, chosen.join(", ")));
    result.parameter(
        "folds",
        format!("{} of whole ions, {} within", settings.folds, settings.inner_folds),
    );
    result.parameter(
        "rows",
        format!("{}, of them {} trained and tested", data.rows.len(), trained.all.rows),
    );
    result.parameter("distance from the plane", format!("S/{:.4}", trained.plane.norm()));
    let confusion = trained.all.scores.confusion;
    result.parameter(
        "confusion",
        format!(
            "immobile: {} right, {} wrong; mobile: {} right, {} wrong",
            confusion[0], confusion[1], confusion[3], confusion[2]
        ),
    );
}

fn baselines(of: &Findings<'_>, result: &mut Observables) {
    let trained = of.trained;
    let auc = trained.all.scores.auc;
    if let Some(Scored { scores, errors, rows }) = trained.baseline {
        for (name, label, value, error) in [
            (
                "baseline_auc",
                "area under the curve, by material and phase alone",
                scores.auc,
                errors[0],
            ),
            (
                "baseline_balanced_accuracy",
                "balanced accuracy, by material and phase alone",
                scores.balanced_accuracy,
                errors[2],
            ),
        ] {
            result.estimates.push(estimate(name, label, value, standard_error(error, rows)));
        }
        if auc < scores.auc + 2.0 * (errors[0].powi(2) + trained.all.errors[0].powi(2)).sqrt() {
            result.caution(
                "no_better_than_phase",
                format!("the plane has an area under the curve of {auc:.3}, the phase of an ion alone {:.3}", scores.auc),
                "the plane has learned which phase an ion is in, not which ion of it moves; look at the scores of each phase",
            );
        }
    }
    let count = trained.null.len() as f64;
    if count > 1.0 {
        let mean = trained.null.iter().sum::<f64>() / count;
        let most = trained.null.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sd = standard_deviation(&trained.null);
        result.estimates.push(estimate(
            "null_auc",
            "area under the curve, labels exchanged between ions (standard deviation in brackets)",
            mean,
            standard_error(sd, trained.null.len()),
        ));
        result.parameter(
            "largest area under the curve with exchanged labels",
            format!("{most:.3} of {count}"),
        );
        if auc <= most {
            result.caution(
                "no_better_than_chance",
                format!("labels that were exchanged between ions give up to {most:.3}, the true ones {auc:.3}"),
                "these features say nothing about these labels; give more ions or longer windows",
            );
        }
    }
}

fn forward(of: &Findings<'_>, result: &mut Observables) {
    for (name, label, found) in [
        (
            "spearman_window",
            "rank correlation of held-out softness with mobility in the window that begins",
            0,
        ),
        (
            "spearman_next_window",
            "rank correlation of held-out softness with mobility in the window after",
            1,
        ),
        ("spearman_memory", "rank correlation of mobility with that in the window after", 2),
    ]
    .map(|(name, label, k)| (name, label, of.trained.forward[k]))
    {
        let Some((value, error)) = found else { continue };
        let ions = of.data.groups();
        result.estimates.push(estimate(name, label, value, standard_error(error, ions)));
    }
    if of.trained.forward[1].is_none() {
        result.parameter("next window", "there is only one");
    }
}

/// Weights of the radial functions by element, beside what the ions see on average.
fn weights(of: &Findings<'_>, result: &mut Observables) {
    let features = &of.data.settings;
    let (bins, species) = (features.bins(), &features.species);
    let x: Vec<f64> = (0..bins).map(|bin| features.distance(bin)).collect();
    let axes = [axis("r", "Å"), axis("W(r)", ""), axis("g(r), smeared", "")];
    for (number, element) in features.elements.iter().enumerate() {
        let range = number * bins..(number + 1) * bins;
        let pair = format!("{species}–{element}");
        let errors = &of.trained.weight_errors;
        result.curves.push(Curve {
            y_error: if errors.is_empty() { Vec::new() } else { errors[range.clone()].to_vec() },
            ..curve(
                format!("weight_{species}_{element}"),
                pair.clone(),
                (&axes[0], &axes[1]),
                x.clone(),
                of.trained.plane.weights[range.clone()].to_vec(),
            )
        });
        // mean number of atoms in a function over that of an ideal gas
        let density = of
            .data
            .starts
            .iter()
            .map(|(_, start)| start.atoms_of(element).len() as f64 / start.cell.volume());
        let density = density.sum::<f64>() / of.data.starts.len() as f64;
        let width = match features.shape {
            Shape::Gaussian { sigma } => sigma * (2.0 * std::f64::consts::PI).sqrt(),
            Shape::Shell => features.dr,
        };
        let mean = &of.trained.plane.standardizer.mean[range];
        let y = mean
            .iter()
            .zip(&x)
            .map(|(mean, r)| mean / (4.0 * std::f64::consts::PI * r * r * width * density))
            .collect();
        let name = format!("g_{species}_{element}");
        result.curves.push(curve(name, pair, (&axes[0], &axes[2]), x.clone(), y));
    }
    // the share of the squared weights that an element has
    let squares = |range: std::ops::Range<usize>| -> f64 {
        of.trained.plane.weights[range].iter().map(|w| w * w).sum()
    };
    let all = squares(0..of.trained.plane.weights.len()).max(f64::MIN_POSITIVE);
    let mut names: Vec<String> =
        features.elements.iter().map(|element| format!("{species}–{element}")).collect();
    let mut values: Vec<f64> =
        (0..names.len()).map(|number| squares(number * bins..(number + 1) * bins) / all).collect();
    if !features.angular.is_empty() {
        names.push("angular".into());
        values.push(squares(features.elements.len() * bins..of.trained.plane.weights.len()) / all);
    }
    result.categories.push(Categories {
        name: "importance".into(),
        label: "Share of the squared weights".into(),
        axis: Axis { label: "share".into(), unit: String::new() },
        names,
        values,
        errors: Vec::new(),
    });
}

fn calibration(of: &Findings<'_>, softness: &[f64], result: &mut Observables) {
    let trained = of.trained;
    let mut rows: Vec<usize> = (0..softness.len())
        .filter(|row| trained.used[*row] && !trained.held_out[*row].is_nan())
        .collect();
    rows.sort_by(|a, b| softness[*a].total_cmp(&softness[*b]).then(a.cmp(b)));
    let size = rows.len().div_ceil(CALIBRATION).max(1);
    let share = |rows: &[usize]| {
        rows.iter().filter(|row| trained.mobile[**row]).count() as f64 / rows.len() as f64
    };
    let axes = (axis("probability that is predicted", ""), axis("share that is mobile", ""));
    let x = rows
        .chunks(size)
        .map(|part| {
            part.iter().map(|row| probability(softness[*row])).sum::<f64>() / part.len() as f64
        })
        .collect();
    let error = |part: &[usize]| (share(part) * (1.0 - share(part)) / part.len() as f64).sqrt();
    result.curves.push(Curve {
        y_error: rows.chunks(size).map(error).collect(),
        ..curve(
            "calibration".into(),
            "held-out ions".into(),
            (&axes.0, &axes.1),
            x,
            rows.chunks(size).map(share).collect(),
        )
    });
    result.curves.push(curve(
        "calibration_ideal".into(),
        "ideal".into(),
        (&axes.0, &axes.1),
        vec![0.0, 1.0],
        vec![0.0, 1.0],
    ));
    let (mut right, mut wrong) = (vec![0.0], vec![0.0]);
    let mobile = rows.iter().filter(|row| trained.mobile[**row]).count() as f64;
    let immobile = rows.len() as f64 - mobile;
    let (mut hits, mut alarms) = (0.0, 0.0);
    let step = (rows.len() / POINTS).max(1);
    for (number, row) in rows.iter().rev().enumerate() {
        let side = if trained.mobile[*row] { &mut hits } else { &mut alarms };
        *side += 1.0;
        if (number + 1).is_multiple_of(step) || number + 1 == rows.len() {
            right.push(hits / mobile);
            wrong.push(alarms / immobile);
        }
    }
    let axes = (axis("immobile ions called mobile", ""), axis("mobile ions called mobile", ""));
    result.curves.push(curve(
        "receiver_operating_characteristic".into(),
        "held-out ions".into(),
        (&axes.0, &axes.1),
        wrong,
        right,
    ));
}

fn by_phase(of: &Findings<'_>, result: &mut Observables) {
    let scored: Vec<(&String, &Scored)> = of
        .trained
        .by_phase
        .iter()
        .filter_map(|(name, _, scored)| scored.as_ref().map(|scored| (name, scored)))
        .collect();
    for (name, label, pick, error) in [
        (
            "phase_auc",
            "Area under the curve within each phase",
            (|s: &Scores| s.auc) as fn(&Scores) -> f64,
            0,
        ),
        (
            "phase_accuracy",
            "Balanced accuracy within each phase",
            |s: &Scores| s.balanced_accuracy,
            2,
        ),
    ] {
        result.categories.push(Categories {
            name: name.into(),
            label: label.into(),
            axis: Axis { label: "held-out ions".into(), unit: String::new() },
            names: scored.iter().map(|(name, _)| (*name).clone()).collect(),
            values: scored.iter().map(|(_, scored)| pick(&scored.scores)).collect(),
            errors: scored.iter().map(|(_, scored)| scored.errors[error]).collect(),
        });
    }
    for (name, rows, scored) in &of.trained.by_phase {
        match scored {
            None => result.parameter(
                &format!("scores within {name}"),
                format!("none: all {rows} rows are of one class"),
            ),
            Some(Scored { scores: Scores { confusion: [a, b, c, d], .. }, .. }) => result
                .parameter(
                    &format!("confusion within {name}"),
                    format!("immobile: {a} right, {b} wrong; mobile: {d} right, {c} wrong"),
                ),
        }
    }
    let labels: Vec<(&str, f64)> = of
        .trained
        .labels
        .iter()
        .filter_map(|(label, auc)| auc.map(|auc| (label.as_str(), auc)))
        .collect();
    result.categories.push(Categories {
        name: "label_auc".into(),
        label:
            "Area under the curve for other labels and settings of D²min, each with its own median"
                .into(),
        axis: Axis { label: "held-out ions".into(), unit: String::new() },
        names: labels.iter().map(|(name, _)| (*name).to_owned()).collect(),
        values: labels.iter().map(|(_, auc)| *auc).collect(),
        errors: Vec::new(),
    });
}

/// Trained on one material, tested on another.
fn by_material(of: &Findings<'_>, result: &mut Observables) {
    let materials = of.data.materials();
    if materials.len() < 2 {
        result.parameter("transfer between materials", "there is only one");
        return;
    }
    let (mut names, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (from, row) in materials.iter().zip(&of.trained.transfer) {
        for (to, found) in materials.iter().zip(row) {
            match found {
                Some((auc, error)) => {
                    names.push(format!("{from} → {to}"));
                    values.push(*auc);
                    errors.push(*error);
                    result.estimates.push(estimate(
                        &format!("transfer_auc_{}_{}", slug(from), slug(to)),
                        &format!("area under the curve, trained on {from}, tested on {to}"),
                        *auc,
                        standard_error(*error, of.data.groups()),
                    ));
                }
                None => result.parameter(
                    &format!("trained on {from}, tested on {to}"),
                    "no score: one of them has one class only, or too few ions",
                ),
            }
        }
    }
    result.categories.push(Categories {
        name: "transfer".into(),
        label: "Area under the curve, trained on one material, tested on another".into(),
        axis: Axis { label: "held-out ions".into(), unit: String::new() },
        names,
        values,
        errors,
    });
}
