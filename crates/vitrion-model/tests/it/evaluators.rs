//! The fast evaluator against the reference, in both precisions, at several thread counts.

use crate::expected;
use vitrion_core::math;
use vitrion_core::testing::derivatives::{self, evaluate};
use vitrion_core::testing::{invariance, systems};
use vitrion_core::{Cell, Structure};
use vitrion_model::{DeepPotential, Precision};

fn structures() -> Vec<Structure> {
    let wide = Cell::from_lengths_angles([13.0, 12.0, 11.0], [80.0, 95.0, 100.0]).expect("closes");
    let narrow = Cell::from_lengths_angles([5.0, 4.5, 5.5], [75.0, 85.0, 110.0]).expect("closes");
    vec![
        systems::random_structure(1, &["Li", "S", "Li", "S", "S"], 90, wide, 1.6),
        systems::random_structure(2, &["S", "Li"], 6, narrow, 1.6),
    ]
}

#[test]
fn fast_evaluators_agree_with_the_reference_for_every_fixture() {
    let mut entries: Vec<_> = std::fs::read_dir(expected::data())
        .expect("fixtures")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "dp" || e == "pb"))
        .collect();
    entries.sort();
    assert!(entries.len() >= 20, "only {} fixtures found", entries.len());
    for path in entries {
        let model = DeepPotential::load(&path).expect("a readable model");
        let json = path.with_extension("expected.json");
        for case in expected::read_json(&json) {
            let exact = evaluate(&mut model.reference(), &case.structure);
            // rounding of f32 grows with the forces; 1e-10 is the table bound times a few terms
            let largest = exact.forces.iter().map(|f| math::norm(*f)).fold(1.0, f64::max);
            for (precision, energy, force) in
                [(Precision::Double, 1e-10, 1e-9), (Precision::Mixed, 2e-5, 1e-4 * largest)]
            {
                let fast = evaluate(&mut model.evaluator(precision, 1), &case.structure);
                let name = format!("{} {precision:?}", path.display());
                let scale = case.structure.len() as f64;
                let d = (fast.energy - exact.energy).abs();
                assert!(d < energy * scale * largest, "{name}: energy differs by {d:e} eV");
                for (a, b) in fast.forces.iter().zip(&exact.forces) {
                    let d = math::norm(math::sub(*a, *b));
                    assert!(d < force * largest.max(1.0), "{name}: force differs by {d:e} eV/Å");
                }
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let model = DeepPotential::load(&expected::data().join("one-side-tanh-text.yaml"))
        .expect("a readable model");
    for structure in structures() {
        let single = evaluate(&mut model.evaluator(Precision::Mixed, 1), &structure);
        for threads in [2, 3, 8] {
            let many = evaluate(&mut model.evaluator(Precision::Mixed, threads), &structure);
            assert_eq!(single, many, "{threads} threads");
        }
    }
}

#[test]
fn derivatives_and_symmetries_of_both_evaluators() {
    let model = DeepPotential::load(&expected::data().join("one-side-tanh-text.yaml"))
        .expect("a readable model");
    for structure in structures().iter().skip(1) {
        derivatives::check(&mut model.reference(), structure, 1e-4, 1e-6);
        invariance::check(&mut model.reference(), structure, 1e-9);
        let mut fast = model.evaluator(Precision::Double, 1);
        derivatives::check(&mut fast, structure, 1e-4, 1e-6);
        invariance::check(&mut fast, structure, 1e-8);
    }
}

#[test]
fn the_paper_sized_model_agrees_in_both_precisions() {
    let Some(folder) = expected::shared() else { return };
    let model = DeepPotential::load(&folder.join("lips-reference.dp")).expect("a readable model");
    let cases =
        expected::read_npz(&folder.join("lips-reference.expected.npz"), model.species.symbols());
    let mut double = model.evaluator(Precision::Double, 2);
    let mut mixed = model.evaluator(Precision::Mixed, 2);
    let (mut worst, mut worst_mixed) = (0.0_f64, 0.0_f64);
    for case in cases {
        let fast = evaluate(&mut double, &case.structure);
        assert!((fast.energy - case.energy).abs() < 1e-9 * case.energy.abs(), "{}", case.name);
        let single = evaluate(&mut mixed, &case.structure);
        for (i, exact) in case.forces.iter().enumerate() {
            worst = worst.max(math::norm(math::sub(fast.forces[i], *exact)));
            worst_mixed = worst_mixed.max(math::norm(math::sub(single.forces[i], *exact)));
        }
    }
    println!("largest force error: double {worst:.2e}, mixed {worst_mixed:.2e} eV/Å");
    println!("{}\n{}", double.describe(), mixed.describe());
    assert!(worst < 1e-8, "double: {worst:e}");
    assert!(worst_mixed < 1e-3, "mixed: {worst_mixed:e}");
}
