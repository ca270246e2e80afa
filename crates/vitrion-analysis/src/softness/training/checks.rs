//! What the scores are compared with: phases alone, exchanged labels, other materials, other labels, later windows.

use super::cross_validation::{Problem, deal};
use super::{Classes, RESAMPLES, Threshold, TrainingSettings, by_group, draw, scored};
use crate::softness::classifier::{ClassifierSettings, Fit, Plane};
use crate::softness::dataset::{Dataset, Label};
use crate::softness::scores::{spearman, standard_deviation};
use vitrion_core::rng::{self, Stream};

/// Log odds of being mobile in the material and phase of an ion, from the other folds.
pub(super) fn baseline(
    data: &Dataset,
    problem: &Problem<'_>,
    folds: &[u8],
    count: usize,
) -> Vec<f64> {
    let names = data.by_phase(problem.rows.iter().copied());
    let mut found = vec![f64::NAN; data.rows.len()];
    for (_, rows) in &names {
        for fold in 0..count {
            let (mut mobile, mut immobile) = (1.0, 1.0);
            for row in rows.iter().map(|row| *row as usize) {
                if usize::from(folds[row]) != fold && problem.used[row] {
                    let side = if problem.mobile[row] { &mut mobile } else { &mut immobile };
                    *side += 1.0_f64;
                }
            }
            for row in rows.iter().map(|row| *row as usize) {
                if usize::from(folds[row]) == fold {
                    found[row] = (mobile / immobile).ln();
                }
            }
        }
    }
    found
}

/// Standard errors of the weights from ions drawn again.
pub(super) fn bootstrap(
    data: &Dataset,
    problem: &Problem<'_>,
    tested: &[u32],
    classifier: &ClassifierSettings,
    plane: &Plane,
    settings: &TrainingSettings,
) -> Vec<f64> {
    let groups = by_group(data, tested);
    let mut random = rng::at(settings.seed, Stream::Bootstrap, 2, 0);
    let planes: Vec<Plane> = (0..settings.bootstraps)
        .filter_map(|_| {
            let rows = draw(&groups, &mut random);
            let fit = Fit::new(problem.table, &rows, problem.mobile, classifier, Some(plane));
            fit.ok().map(|fit| fit.plane)
        })
        .collect();
    if planes.len() < 2 {
        return Vec::new();
    }
    (0..plane.weights.len())
        .map(|k| standard_deviation(&planes.iter().map(|one| one.weights[k]).collect::<Vec<f64>>()))
        .collect()
}

/// Areas under the curve where the labels of whole ions were exchanged, among ions with as many rows.
pub(super) fn null(
    data: &Dataset,
    problem: &Problem<'_>,
    tested: &[u32],
    folds: &[u8],
    classifier: &ClassifierSettings,
    settings: &TrainingSettings,
) -> Vec<f64> {
    let mut groups = by_group(data, tested);
    groups.sort_by_key(Vec::len);
    let mut random = rng::at(settings.seed, Stream::Bootstrap, 3, 0);
    (0..settings.permutations)
        .filter_map(|_| {
            let mut mobile = problem.mobile.to_vec();
            for alike in groups.chunk_by(|a, b| a.len() == b.len()) {
                let mut order: Vec<usize> = (0..alike.len()).collect();
                for k in (1..order.len()).rev() {
                    order.swap(k, random.below(k + 1));
                }
                for (group, from) in alike.iter().zip(order) {
                    for (row, other) in group.iter().zip(&alike[from]) {
                        mobile[*row as usize] = problem.mobile[*other as usize];
                    }
                }
            }
            let problem = Problem { rows: tested, mobile: &mobile, ..*problem };
            let found = problem.by(folds, settings.folds, classifier).ok()?;
            problem.auc(&found)
        })
        .collect()
}

pub(super) fn transfer(
    data: &Dataset,
    problem: &Problem<'_>,
    tested: &[u32],
    held_out: &[f64],
    classifier: &ClassifierSettings,
    settings: &TrainingSettings,
) -> Vec<Vec<Option<(f64, f64)>>> {
    let materials = data.materials();
    let rows_of = |material: &String| -> Vec<u32> {
        let is = |row: &u32| {
            data.samples[data.rows[*row as usize].sample as usize].material == *material
        };
        tested.iter().copied().filter(is).collect()
    };
    let with_error = |of: &[f64], rows: &[u32]| {
        let scored = scored(data, of, problem.mobile, rows, settings.seed)?;
        Some((scored.scores.auc, scored.errors[0]))
    };
    if materials.len() < 2 {
        return vec![vec![with_error(held_out, tested)]];
    }
    let rows: Vec<Vec<u32>> = materials.iter().map(rows_of).collect();
    rows.iter()
        .map(|training| {
            let whole = Fit::new(problem.table, training, problem.mobile, classifier, None).ok();
            let of = |test: &Vec<u32>| {
                if test == training {
                    let folds = deal(data, training, settings.folds, settings.seed).ok()?;
                    let own = Problem { rows: training, ..*problem };
                    let found = own.by(&folds, settings.folds, classifier).ok()?;
                    return with_error(&found, test);
                }
                let plane = &whole.as_ref()?.plane;
                let mut found = vec![f64::NAN; data.rows.len()];
                for row in test {
                    found[*row as usize] = plane.softness(problem.table.row(*row as usize));
                }
                with_error(&found, test)
            };
            rows.iter().map(of).collect()
        })
        .collect()
}

pub(super) fn other_labels(
    data: &Dataset,
    rows: &[u32],
    folds: &[u8],
    classifier: &ClassifierSettings,
    settings: &TrainingSettings,
) -> Vec<(String, Option<f64>)> {
    let gap = settings.threshold.gap();
    let area = |values: &[f64]| {
        let Classes { mobile, used, .. } =
            Classes::new(values, rows, Threshold::Median { gap }).ok()?;
        let problem = Problem { table: data.table(), rows, mobile: &mobile, used: &used };
        let found = problem.by(folds, settings.folds, classifier).ok()?;
        problem.auc(&found)
    };
    let labels = Label::ALL.iter().map(|label| (label.name().to_owned(), data.values(*label)));
    let others = data.others.iter().map(|(name, values)| (name.clone(), &values[..]));
    labels.chain(others).map(|(name, values)| (name, area(values))).collect()
}

/// Rank correlations of softness with what comes.
pub(super) fn forward(
    data: &Dataset,
    held_out: &[f64],
    values: &[f64],
    rows: &[u32],
    seed: u64,
) -> [Option<(f64, f64)>; 3] {
    // the row of the same ion in the next window
    let groups = by_group(data, rows);
    let pairs: Vec<Vec<(u32, u32)>> = groups
        .iter()
        .map(|group| {
            let follows = |pair: &&[u32]| {
                let [a, b] = [pair[0], pair[1]].map(|row| data.rows[row as usize].window);
                b == a + 1
            };
            group.windows(2).filter(follows).map(|pair| (pair[0], pair[1])).collect()
        })
        .filter(|pairs: &Vec<(u32, u32)>| !pairs.is_empty())
        .collect();
    let own: Vec<Vec<(u32, u32)>> =
        groups.iter().map(|group| group.iter().map(|row| (*row, *row)).collect()).collect();
    let correlation = |groups: &[Vec<(u32, u32)>], of: &[f64]| -> Option<(f64, f64)> {
        if groups.len() < 10 {
            return None;
        }
        let rank = |pairs: &mut dyn Iterator<Item = &(u32, u32)>| {
            let (x, y): (Vec<f64>, Vec<f64>) =
                pairs.map(|(a, b)| (of[*a as usize], values[*b as usize])).unzip();
            spearman(&x, &y)
        };
        let value = rank(&mut groups.iter().flatten());
        let mut random = rng::at(seed, Stream::Bootstrap, 4, groups.len() as u64);
        let again: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let drawn: Vec<usize> =
                    (0..groups.len()).map(|_| random.below(groups.len())).collect();
                rank(&mut drawn.iter().flat_map(|group| &groups[*group]))
            })
            .collect();
        Some((value, standard_deviation(&again)))
    };
    [correlation(&own, held_out), correlation(&pairs, held_out), correlation(&pairs, values)]
}
