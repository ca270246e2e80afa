//! Gradients of the training loss against DeePMD-kit's automatic differentiation.

use serde::Deserialize;
use std::path::Path;
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Cell, Evaluation, Structure, interactions};
use vitrion_model::DeepPotential;
use vitrion_model::deep_potential::Reference;
use vitrion_model::train::parameters::NetPlace;
use vitrion_model::train::settings::Settings;
use vitrion_model::train::{Example, Gradient, Known, Loss, Prefactors};

#[derive(Deserialize)]
struct Expected {
    file: String,
    prefactors: Terms,
    loss: f64,
    mean_squares: Terms,
    frames: Vec<Frame>,
    gradient: Gradients,
}

#[derive(Deserialize)]
struct Terms {
    energy: f64,
    force: f64,
    virial: f64,
}

#[derive(Deserialize)]
struct Frame {
    symbols: Vec<String>,
    cell: Matrix3,
    positions: Vec<Vector3>,
    labels: Quantities,
    predicted: Quantities,
}

#[derive(Deserialize)]
struct Quantities {
    energy: f64,
    forces: Vec<Vector3>,
    virial: Matrix3,
}

#[derive(Deserialize)]
struct Gradients {
    embedding: Vec<Vec<Layer>>,
    fitting: Vec<Vec<Layer>>,
}

#[derive(Deserialize)]
struct Layer {
    weight: Vec<f64>,
    bias: Option<Vec<f64>>,
    timestep: Option<Vec<f64>>,
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-8 * scale, "{what}[{k}]: {a:e}, DeePMD-kit {b:e}");
    }
}

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/training");
    let text = std::fs::read_to_string(folder.join(name)).expect("a fixture");
    let expected: Expected = serde_json::from_str(&text).expect("the fixture's layout");
    let model = DeepPotential::load(&folder.join(&expected.file)).expect("the fixture's model");
    let mut engine = Gradient::<f64>::new(&model, 1.5, 0.005).expect("it can be trained");
    let places = engine.places().clone();
    let parameters: Vec<f64> = places.read(&model);
    let frames = expected.frames.iter().enumerate();
    let batch: Vec<Example> = frames
        .map(|(number, frame)| {
            let cell = Cell::periodic(frame.cell).expect("a cell");
            let structure =
                Structure::new(cell, &frame.symbols, frame.positions.clone()).expect("elements");
            let map = structure.table.map_onto(&model.species).expect("known elements");
            let species: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
            let known = Known {
                energy: Some(frame.labels.energy),
                forces: Some(&frame.labels.forces),
                virial: Some(frame.labels.virial),
            };
            let mut example = Example::new(model.descriptor.cutoff);
            let (cell, positions) = (&structure.cell, &structure.positions);
            example.set(number, 1.0, cell, positions, &species, known);
            example
        })
        .collect();

    for (found, frame) in
        engine.predict(&parameters, &batch).expect("finite").iter().zip(&expected.frames)
    {
        close(&[found.energy], &[frame.predicted.energy], "energy");
        close(found.forces.as_flattened(), frame.predicted.forces.as_flattened(), "forces");
        close(found.virial.as_flattened(), frame.predicted.virial.as_flattened(), "virial");
    }

    let prefactors = Prefactors {
        energy: expected.prefactors.energy,
        force: expected.prefactors.force,
        virial: expected.prefactors.virial,
    };
    let mut gradient = vec![0.0; places.len];
    let found = engine
        .evaluate(&parameters, &batch, &Loss::default(), &prefactors, &mut gradient)
        .expect("finite");
    close(&[found.loss], &[expected.loss], "loss");
    let atoms = expected.frames[0].symbols.len() as f64;
    let mean = |sum: vitrion_model::train::loss::Sum| sum.root_mean().expect("terms").powi(2);
    close(&[mean(found.squares.energy) * atoms * atoms], &[expected.mean_squares.energy], "dE²");
    close(&[mean(found.squares.force)], &[expected.mean_squares.force], "dF²");
    close(&[mean(found.squares.virial) * atoms * atoms], &[expected.mean_squares.virial], "dW²");

    let n = model.species.len();
    let one_side = model.descriptor.one_side;
    for (k, net) in expected.gradient.embedding.iter().enumerate() {
        // DeePMD-kit counts the nets of pairs with the centre first
        let pair = if one_side { k } else { k % n * n + k / n };
        let place = &places.embedding[places.net_of_pair[pair].expect("a net")];
        check_net(place, net, &gradient, None);
    }
    for (place, net) in places.fitting.iter().zip(&expected.gradient.fitting) {
        check_net(place, net, &gradient, Some((&places.entries, model.descriptor.axis)));
    }
}

/// `merged` has the descriptor entries of the rows of the first layer, and the axis.
fn check_net(
    place: &NetPlace,
    net: &[Layer],
    gradient: &[f64],
    merged: Option<(&[(u32, u32)], usize)>,
) {
    for (k, (place, layer)) in place.layers.iter().zip(net).enumerate() {
        let weight = &gradient[place.weight..place.weight + place.inputs * place.outputs];
        match merged.filter(|_| k == 0) {
            None => close(weight, &layer.weight, "weight"),
            Some((entries, axis)) => {
                let rows: Vec<f64> = entries
                    .iter()
                    .flat_map(|(m, a)| {
                        let row = *m as usize * axis + *a as usize;
                        layer.weight[row * place.outputs..(row + 1) * place.outputs].to_vec()
                    })
                    .collect();
                close(weight, &rows, "weight of the first layer");
            }
        }
        let bias = &gradient[place.bias..place.bias + place.outputs];
        close(bias, layer.bias.as_ref().expect("a bias"), "bias");
        if let Some(at) = place.timestep {
            let timestep = layer.timestep.as_ref().expect("timesteps");
            close(&gradient[at..at + place.outputs], timestep, "timestep");
        }
    }
}

#[test]
fn gradients_of_a_one_side_model_are_those_of_deepmd_kit() {
    check("one-side.expected.json");
}

#[test]
fn gradients_of_a_two_side_model_with_padding_are_those_of_deepmd_kit() {
    check("two-side.expected.json");
}

/// The default spacing of the grid changes forces of a trained potential far less than they err.
#[test]
fn the_embedding_grid_follows_a_trained_potential() {
    let file = "../../potentials/li-p-s/li-p-s.safetensors";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let model = DeepPotential::load(&file).expect("the built-in potential");
    let cell = random_cell(5, 8.0, 9.0);
    let structure = random_structure(5, &["Li", "S", "Li", "P", "S", "S"], 24, cell, 2.0);
    let map = structure.table.map_onto(&model.species).expect("known elements");
    let species: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
    let mut exact = Evaluation::default();
    let (cell, positions) = (&structure.cell, &structure.positions);
    let mut reference = Reference::new(model.clone());
    interactions::evaluate(&mut reference, cell, positions, &species, &mut exact).expect("finite");

    let mut example = Example::new(model.descriptor.cutoff);
    example.set(0, 1.0, cell, positions, &species, Known::default());
    let spacing = Settings::default().grid_spacing;
    let mut engine = Gradient::<f64>::new(&model, 1.5, spacing).expect("it can be trained");
    let parameters = engine.places().read(&model);
    let found = engine.predict(&parameters, std::slice::from_ref(&example)).expect("finite");
    let pairs = found[0].forces.as_flattened().iter().zip(exact.forces.as_flattened());
    let square: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
    let rms = (square / 72.0).sqrt();
    assert!(rms < 2e-3, "{rms:e} eV/Å");
}
