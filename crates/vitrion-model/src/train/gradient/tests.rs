//! The gradient against finite differences of a loss that knows nothing of this module.

use super::*;
use crate::deep_potential::Reference;
use crate::train::example::Known;
use crate::train::testing::small_model;
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Evaluation, Labels, Structure, interactions};

/// Labelled structures of several sizes, one narrower than two cut-offs.
fn frames() -> Vec<(Structure, Labels)> {
    [(1, 9, 5.5), (2, 14, 7.0), (3, 30, 9.5)]
        .into_iter()
        .map(|(seed, atoms, edge)| {
            let cell = random_cell(seed, edge, edge + 1.0);
            let structure = random_structure(seed, &["S", "Li", "P", "S"], atoms, cell, 1.5);
            let wave = |k: usize| ((seed as usize * 31 + k * 17) as f64).sin();
            let labels = Labels {
                energy: Some(-1.7 * atoms as f64 + wave(3)),
                forces: Some(
                    (0..atoms).map(|i| [wave(3 * i), wave(3 * i + 1), wave(7 * i)]).collect(),
                ),
                virial: Some(std::array::from_fn(|a| std::array::from_fn(|b| 2.0 * wave(a + b)))),
                atom_energies: None,
            };
            (structure, labels)
        })
        .collect()
}

fn examples(model: &DeepPotential, frames: &[(Structure, Labels)]) -> Vec<Example> {
    let of = |(number, (structure, labels)): (usize, &(Structure, Labels))| {
        let map = structure.table.map_onto(&model.species).expect("known species");
        let species: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
        let mut example = Example::new(model.descriptor.cutoff);
        let known = Known {
            energy: labels.energy,
            forces: labels.forces.as_deref(),
            virial: labels.virial,
        };
        let weight = 1.0 + number as f64;
        example.set(number, weight, &structure.cell, &structure.positions, &species, known);
        example
    };
    frames.iter().enumerate().map(of).collect()
}

/// The loss by the reference evaluator, atoms in the file's order.
fn loss_by_definition(
    model: &DeepPotential,
    frames: &[(Structure, Labels)],
    loss: &Loss,
    prefactors: &Prefactors,
) -> f64 {
    let species: Vec<Vec<u8>> = frames
        .iter()
        .map(|(structure, _)| {
            let map = structure.table.map_onto(&model.species).expect("known species");
            structure.species.iter().map(|id| map[id.index()]).collect()
        })
        .collect();
    let weighed = || frames.iter().zip(&species).enumerate();
    let norms = loss.norms(weighed().map(|(k, ((_, l), s))| (&s[..], l, 1.0 + k as f64)));
    let mut reference = Reference::new(model.clone());
    let mut total = 0.0;
    for (k, ((structure, labels), species)) in weighed() {
        let mut out = Evaluation::default();
        let cell = &structure.cell;
        interactions::evaluate(&mut reference, cell, &structure.positions, species, &mut out)
            .expect("finite");
        let compared = Compared {
            species,
            labels,
            weight: 1.0 + k as f64,
            energy: out.energy,
            forces: &out.forces,
            virial: &out.virial,
        };
        let mut slopes = Slopes::default();
        loss.slopes(prefactors, &norms, &compared, &mut slopes);
        total += slopes.loss;
    }
    total
}

/// Largest difference of the gradient and central differences in each block of parameters, as a
/// fraction of the block's largest entry.
fn worst_block(model: &DeepPotential, loss: &Loss, prefactors: &Prefactors) -> f64 {
    let frames = frames();
    let batch = examples(model, &frames);
    let mut engine = Gradient::<f64>::new(model, 1.2, 0.02).expect("supported");
    let places = engine.places().clone();
    let flat: Vec<f64> = places.read(model);
    let mut gradient = vec![f64::NAN; places.len];
    let found = engine.evaluate(&flat, &batch, loss, prefactors, &mut gradient).expect("finite");
    let defined = loss_by_definition(model, &frames, loss, prefactors);
    assert!((found.loss - defined).abs() < 1e-9 * defined, "{} {defined}", found.loss);

    let mut worst: f64 = 0.0;
    let mut check = |block: std::ops::Range<usize>| {
        let scale = gradient[block.clone()].iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let stride = (block.len() / 4).max(1);
        for at in block.step_by(stride) {
            let loss_at = |step: f64| {
                let (mut flat, mut model) = (flat.clone(), model.clone());
                flat[at] += step;
                places.write(&flat, &mut model);
                loss_by_definition(&model, &frames, loss, prefactors)
            };
            let h = 2e-4;
            let near = (loss_at(h) - loss_at(-h)) / (2.0 * h);
            let far = (loss_at(2.0 * h) - loss_at(-2.0 * h)) / (4.0 * h);
            let slope = (4.0 * near - far) / 3.0;
            worst = worst.max((gradient[at] - slope).abs() / scale);
        }
    };
    for (_, _, layer) in places.layers() {
        check(layer.weight..layer.weight + layer.inputs * layer.outputs);
        check(layer.bias..layer.bias + layer.outputs);
        if let Some(at) = layer.timestep {
            check(at..at + layer.outputs);
        }
    }
    worst
}

const ALL: Prefactors = Prefactors { energy: 0.3, force: 20.0, virial: 0.7 };

#[test]
fn gradient_agrees_with_finite_differences_in_every_block() {
    for (one_side, mean) in [(true, 0.0), (true, 0.3), (false, 0.3)] {
        let model = small_model(5, one_side, mean);
        let worst = worst_block(&model, &Loss::default(), &ALL);
        assert!(worst < 1e-6, "one_side {one_side}, mean {mean}: {worst:e}");
    }
}

#[test]
fn gradients_of_other_losses_agree_with_finite_differences() {
    let model = small_model(6, true, 0.0);
    for loss in [
        Loss { huber: Some(0.5), ..Loss::default() },
        Loss { intensive: true, element_weights: vec![1.0, 3.0, 0.5], ..Loss::default() },
    ] {
        let worst = worst_block(&model, &loss, &ALL);
        assert!(worst < 1e-6, "{loss:?}: {worst:e}");
    }
}

#[test]
fn gradients_of_other_activations_agree_with_finite_differences() {
    use crate::deep_potential::activation::Activation;
    for activation in
        [Activation::Gelu, Activation::Silu, Activation::Softplus, Activation::Sigmoid]
    {
        let mut model = small_model(7, true, 0.0);
        let nets = model.descriptor.embedding.iter_mut().flatten().chain(&mut model.fitting);
        for layer in nets.flat_map(|net| &mut net.layers) {
            if layer.activation == Activation::Tanh {
                layer.activation = activation;
            }
        }
        let worst = worst_block(&model, &Loss::default(), &ALL);
        assert!(worst < 1e-6, "{activation:?}: {worst:e}");
    }
}

#[test]
fn results_do_not_depend_on_threads_and_hardly_on_precision() {
    let model = small_model(8, true, 0.0);
    let batch = examples(&model, &frames());
    let places = Places::new(&model);
    let gradient = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let mut engine = Gradient::<f32>::new(&model, 1.2, 0.05).expect("supported");
            let mut out = vec![0.0_f32; places.len];
            let flat: Vec<f32> = places.read(&model);
            let loss = Loss::default();
            engine.evaluate(&flat, &batch, &loss, &ALL, &mut out).expect("finite");
            // a second time, with memory that was used
            engine.evaluate(&flat, &batch, &loss, &ALL, &mut out).expect("finite");
            out
        })
    };
    let one = gradient(1);
    assert_eq!(one, gradient(3));
    let mut engine = Gradient::<f64>::new(&model, 1.2, 0.02).expect("supported");
    let mut exact = vec![0.0; places.len];
    let flat: Vec<f64> = places.read(&model);
    engine.evaluate(&flat, &batch, &Loss::default(), &ALL, &mut exact).expect("finite");
    let norm = exact.iter().map(|g| g * g).sum::<f64>().sqrt();
    let off = one.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    assert!(off < 1e-5 * norm, "{off} of {norm}");
}

#[test]
fn atoms_nearer_than_the_grid_are_named() {
    let model = small_model(9, true, 0.0);
    let batch = examples(&model, &frames());
    let mut engine = Gradient::<f64>::new(&model, 2.5, 0.05).expect("supported");
    let flat: Vec<f64> = engine.places().read(&model);
    let error = engine.predict(&flat, &batch).expect_err("atoms are closer than 2.5 Å");
    assert!(error.to_string().contains("embedding grid starts at 2.5000 Å"), "{error}");
}
