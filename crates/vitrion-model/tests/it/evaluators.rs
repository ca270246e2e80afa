//! The fast evaluator against the reference, in both precisions, at several thread counts.

use crate::expected;
use vitrion_core::math;
use vitrion_core::neighbors::VerletList;
use vitrion_core::testing::derivatives::{self, evaluate};
use vitrion_core::testing::{invariance, systems};
use vitrion_core::{Atoms, Cell, Evaluation, Potential, Structure};
use vitrion_model::{Committee, CommitteeError, DeepPotential, Embedding, Precision};

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
                let fast =
                    evaluate(&mut model.evaluator(precision, Embedding::Tables), &case.structure);
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
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a few threads").install(|| {
                evaluate(&mut model.evaluator(Precision::Mixed, Embedding::Tables), &structure)
            })
        };
        let single = on(1);
        for threads in [2, 3, 8] {
            let many = on(threads);
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
        let mut fast = model.evaluator(Precision::Double, Embedding::Tables);
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
    let mut double = model.evaluator(Precision::Double, Embedding::Tables);
    let mut mixed = model.evaluator(Precision::Mixed, Embedding::Tables);
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

/// The model with all embedding weights scaled: another member of a committee.
fn relative(model: &DeepPotential, factor: f64) -> DeepPotential {
    let mut other = model.clone();
    let nets = other.descriptor.embedding.iter_mut().flatten();
    nets.flat_map(|net| &mut net.layers)
        .flat_map(|layer| &mut layer.weight)
        .for_each(|w| *w *= factor);
    other
}

fn small_model() -> DeepPotential {
    DeepPotential::load(&expected::data().join("one-side-tanh-text.yaml"))
        .expect("a readable model")
}

/// Sorted atoms of a structure with their list, as an engine hands them over.
fn listed(model: &DeepPotential, structure: &Structure) -> (VerletList, Vec<u8>) {
    let map = structure.table.map_onto(&model.species).expect("species of the test");
    let mut list = VerletList::new(model.descriptor.cutoff, 0.7);
    list.update(&structure.cell, &structure.positions);
    let species = |atom: &u32| map[structure.species[*atom as usize].index()];
    let species = list.order().iter().map(species).collect();
    (list, species)
}

#[test]
fn members_of_a_committee_are_evaluated_as_if_alone() {
    let first = small_model();
    let models = [first.clone(), relative(&first, 1.02), relative(&first, 0.97)];
    let members: Vec<&DeepPotential> = models.iter().collect();
    for precision in [Precision::Double, Precision::Mixed] {
        let mut committee = Committee::new(&members, precision).expect("alike");
        for structure in structures() {
            let (list, species) = listed(&first, &structure);
            let n_local = species.len();
            let atoms = Atoms { positions: list.positions(), species: &species, n_local };
            committee.evaluate(atoms, list.list()).expect("finite");
            for (model, found) in models.iter().zip(committee.evaluations()) {
                let mut alone = Evaluation::default();
                model
                    .evaluator(precision, Embedding::Tables)
                    .evaluate(atoms, list.list(), &mut alone)
                    .expect("finite");
                assert_eq!(&alone, found);
            }
            let forces = |m: usize, i: usize| committee.evaluations()[m].forces[i];
            for (i, deviation) in committee.force_deviation().iter().enumerate() {
                let mut square = 0.0;
                for k in 0..3 {
                    let mean = (0..3).map(|m| forces(m, i)[k]).sum::<f64>() / 3.0;
                    square += (0..3).map(|m| (forces(m, i)[k] - mean).powi(2)).sum::<f64>();
                }
                let naive = (square / 3.0).sqrt();
                assert!((deviation - naive).abs() < 1e-12 * naive.max(1.0));
                assert!(*deviation > 1e-6, "the members differ");
            }
        }
    }
}

#[test]
fn models_that_do_not_make_a_committee_are_refused_by_name() {
    let first = small_model();
    let mut wide = first.clone();
    wide.descriptor.cutoff += 0.5;
    assert_eq!(Committee::new(&[], Precision::Mixed).err(), Some(CommitteeError::Empty));
    let error = Committee::new(&[&first, &wide], Precision::Mixed).expect_err("another cut-off");
    let message = error.to_string();
    assert!(message.contains("member 1") && message.contains("cut-off"), "{message}");
}

#[test]
fn tables_stay_within_their_bound_of_the_nets_themselves() {
    let model = small_model();
    for structure in structures() {
        let exact = evaluate(&mut model.evaluator(Precision::Double, Embedding::Exact), &structure);
        let reference = evaluate(&mut model.reference(), &structure);
        let tables =
            evaluate(&mut model.evaluator(Precision::Double, Embedding::Tables), &structure);
        for ((e, r), t) in exact.forces.iter().zip(&reference.forces).zip(&tables.forces) {
            assert!(math::norm(math::sub(*e, *r)) < 1e-11 * math::norm(*r).max(1.0));
            assert!(math::norm(math::sub(*e, *t)) < 1e-8 * math::norm(*r).max(1.0));
        }
    }
}

#[test]
fn lists_without_other_ends_give_the_same_forces() {
    let model = small_model();
    for structure in structures() {
        let (verlet, species) = listed(&model, &structure);
        let n_local = species.len();
        let atoms = Atoms { positions: verlet.positions(), species: &species, n_local };
        let mut one_ended = verlet.list().clone();
        one_ended.reverse.clear();
        let run = |list: &vitrion_core::NeighborList| {
            let mut out = Evaluation::with_atom_virials();
            model
                .evaluator(Precision::Double, Embedding::Tables)
                .evaluate(atoms, list, &mut out)
                .expect("finite");
            out
        };
        let (gathered, scattered) = (run(verlet.list()), run(&one_ended));
        assert!((gathered.energy - scattered.energy).abs() < 1e-12);
        for (a, b) in gathered.forces.iter().zip(&scattered.forces) {
            assert!(math::norm(math::sub(*a, *b)) < 1e-12 * math::norm(*a).max(1.0));
        }
        for (a, b) in gathered.atom_virials.iter().zip(&scattered.atom_virials) {
            assert!(a.iter().flatten().zip(b.iter().flatten()).all(|(x, y)| (x - y).abs() < 1e-11));
        }
    }
}

/// Without its table a net costs ten times as much.
#[test]
fn all_embedding_nets_of_the_shipped_potentials_have_tables() {
    for (name, _) in vitrion_model::builtin::POTENTIALS {
        let model = vitrion_model::builtin::named(name).expect("shipped");
        for precision in [Precision::Mixed, Precision::Double] {
            let tables = model.evaluator(precision, Embedding::Tables).describe();
            assert!(tables.starts_with("3 of 3"), "{name}: {tables}");
        }
    }
}
