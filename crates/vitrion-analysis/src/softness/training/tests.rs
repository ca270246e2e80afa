//! Ions whose mobility follows from what is around them, or from nothing.

use super::*;
use crate::softness::dataset::Sample;
use crate::softness::features::FeatureSettings;
use crate::softness::mobility::{Mobility, Window};
use vitrion_core::{Cell, Structure};

/// Ions in random surroundings, which they keep in all windows; mobility grows with the number of S within 3 Å by `strength`.
fn dataset(seed: u64, ions: usize, windows: usize, strength: f64) -> Dataset {
    let elements = ["S".to_owned()];
    let settings = FeatureSettings { cutoff: 4.0, ..FeatureSettings::new("Li", &elements) };
    let mut data = Dataset::new(settings, vec!["again".into()]);
    for (sample, material) in [(0, "a"), (1, "b")] {
        let mut random = rng::at(seed, Stream::Testing, 84, sample);
        let edge = 3.2 * (ions as f64).cbrt();
        let cell = Cell::orthorhombic([edge; 3]).expect("a cube");
        let mut place = |_| -> [f64; 3] { std::array::from_fn(|_| edge * random.uniform()) };
        let mut positions: Vec<[f64; 3]> = (0..3 * ions).map(&mut place).collect();
        positions.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let symbols: Vec<&str> =
            (0..3 * ions).map(|k| if k % 3 == 0 { "Li" } else { "S" }).collect();
        let start = Structure::new(cell, &symbols, positions).expect("elements");
        let of = |number: usize| {
            let near = |atom: usize| {
                let around = (0..start.len()).filter(|other| start.symbol(*other) == "S");
                let close = |other: &usize| {
                    let step: [f64; 3] = std::array::from_fn(|k| {
                        start.positions[*other][k] - start.positions[atom][k]
                    });
                    vitrion_core::math::norm(start.cell.minimum_image(step)) < 3.0
                };
                around.filter(close).count() as f64
            };
            let mut random = rng::at(seed, Stream::Testing, 85, sample * 100 + number as u64);
            let value: Vec<f64> = start
                .atoms_of("Li")
                .iter()
                .map(|atom| 10.0 + strength * near(*atom) + random.normal())
                .collect();
            let mobility = Mobility {
                cumulative: value.clone(),
                whole: value.clone(),
                hop: value.clone(),
                displacement: value.iter().map(|x| x * x).collect(),
                others: vec![value],
            };
            Window { number, start: start.clone(), mobility }
        };
        let sample = Sample {
            name: material.into(),
            material: material.into(),
            temperature: None,
            train: true,
        };
        data.add(sample, (0..windows).map(of).collect()).expect("ions");
    }
    data
}

fn settings() -> TrainingSettings {
    TrainingSettings { bootstraps: 10, permutations: 10, ..TrainingSettings::default() }
}

#[test]
fn structure_that_matters_is_found_and_tested_on_ions_not_seen() {
    let data = dataset(1, 150, 3, 2.0);
    let found = train(&data, &settings(), &mut |_| {}).expect("trains");
    assert!(found.all.scores.auc > 0.8, "{:?}", found.all);
    assert!(found.training.auc >= found.all.scores.auc - 0.01);
    // the phase says nothing, nor do exchanged labels
    let baseline = found.baseline.expect("both classes").scores.auc;
    assert!((baseline - 0.5).abs() < 0.08, "{baseline}");
    let null = found.null.iter().sum::<f64>() / found.null.len() as f64;
    assert!((null - 0.5).abs() < 0.04, "{null}");
    for row in &found.transfer {
        assert!(row.iter().all(|one| one.is_some_and(|(auc, _)| auc > 0.75)), "{row:?}");
    }
    // one of five is left out around the median
    let kept = found.used.iter().filter(|used| **used).count() as f64 / data.rows.len() as f64;
    assert!((kept - 0.8).abs() < 0.01, "{kept}");
    assert_eq!(found.weight_errors.len(), 20);
    // any rising function of the label has the same classes
    let areas: Vec<f64> = found.labels.iter().map(|(_, area)| area.expect("scored")).collect();
    assert_eq!(areas.len(), 5);
    assert!(areas.iter().all(|area| (area - areas[0]).abs() < 1e-12), "{areas:?}");
    let [now, next, memory] = found.forward.map(|one| one.expect("three windows").0);
    assert!(now > 0.5 && next > 0.5 && memory > 0.5, "{now} {next} {memory}");
}

#[test]
fn structure_that_does_not_matter_gives_half() {
    let data = dataset(2, 150, 2, 0.0);
    let found = train(&data, &settings(), &mut |_| {}).expect("trains");
    let Scored { scores, errors, .. } = found.all;
    assert!((scores.auc - 0.5).abs() < 4.0 * errors[0], "{} ± {}", scores.auc, errors[0]);
    // although the plane fits its own ions better than that
    assert!(found.training.auc > scores.auc);
}

#[test]
fn ions_are_never_tested_by_planes_that_saw_them_in_other_windows() {
    let data = dataset(3, 40, 4, 1.0);
    let rows = data.training_rows();
    let folds = deal(&data, &rows, 5, 1).expect("dealt");
    for (row, fold) in data.rows.iter().zip(&folds) {
        let same = data.rows.iter().zip(&folds).filter(|(other, _)| other.group == row.group);
        assert_eq!(same.clone().count(), 4);
        assert!(same.clone().all(|(_, other)| other == fold));
    }
    let sizes: Vec<usize> =
        (0..5).map(|fold| folds.iter().filter(|of| usize::from(**of) == fold).count()).collect();
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    assert!(matches!(deal(&data, &rows[..3], 5, 1), Err(FoldError::TooFew { ions: 3, folds: 5 })));
}

#[test]
fn scans_cover_their_grids_and_results_repeat() {
    let data = dataset(4, 80, 2, 2.0);
    let scan = ScanSettings {
        c: vec![0.01, 1.0],
        thresholds: vec![0.3, 0.5],
        dr: vec![0.2, 0.4],
        cutoff: vec![2.0, 4.0],
        most_rows: 200,
    };
    let of = || Scans::new(&data, &scan, &settings(), 0.1, &mut |_| {}).expect("scans");
    let found = of();
    assert!(found.rows <= 200);
    // 3 Å matters, so 2 Å is not enough
    let area = |dr: usize, cutoff: usize| found.by_features[dr][cutoff].expect("scored").auc;
    assert!(area(0, 1) > area(0, 0), "{} {}", area(0, 1), area(0, 0));
    assert!(found.by_threshold.iter().flatten().all(Option::is_some));
    assert_eq!(found, of());
}
