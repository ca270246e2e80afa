//! Training on devices against training on the processors.

use crate::devices;
use std::path::Path;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Frame, Labels, SpeciesTable};
use vitrion_cuda::{CudaTrainer, Device};
use vitrion_model::DeepPotential;
use vitrion_model::deep_potential::activation::Activation;
use vitrion_model::deep_potential::network::Network;
use vitrion_model::deep_potential::real::Real;
use vitrion_model::train::engine::{Engine, EngineError, State, StepPlan};
use vitrion_model::train::initial::Shape;
use vitrion_model::train::loss::Squares;
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::settings::{Settings, Stage};
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::trainer::{Control, TrainError, Trained, Trainer};
use vitrion_model::train::{
    Dataset, Example, Gradient, GradientError, Host, Loss, Places, Prefactors, Source,
};

/// Frames of 3 to 13 atoms with random labels, some of them missing.
fn data(folder: &Path, spoil: impl Fn(usize, &mut Labels)) -> Dataset {
    let path = folder.join("frames.extxyz");
    let mut out = Vec::new();
    for k in 0..6 {
        let (seed, atoms) = (40 + k as u64, [9, 4, 13, 3, 8, 6][k]);
        let edge = 1.0 + 1.9 * f64::powf(atoms as f64, 1.0 / 3.0);
        let cell = random_cell(seed, edge, edge + 1.0);
        let structure = random_structure(seed, &["S", "Li", "P", "S"], atoms, cell, 1.5);
        let wave = |n: usize| ((k * 31 + n * 17) as f64).sin();
        let mut frame = Frame::from(structure);
        frame.labels = Labels {
            energy: Some(-1.7 * atoms as f64 + wave(3)),
            forces: Some((0..atoms).map(|i| [wave(3 * i), wave(3 * i + 1), wave(7 * i)]).collect()),
            virial: Some(std::array::from_fn(|a| std::array::from_fn(|b| 2.0 * wave(a + b)))),
            atom_energies: None,
        };
        match k {
            1 => frame.labels.energy = None,
            2 => frame.labels.virial = None,
            4 => frame.labels.forces = None,
            _ => {}
        }
        spoil(k, &mut frame.labels);
        io::extxyz::write_frame(&mut out, &frame).expect("memory");
    }
    std::fs::write(&path, out).expect("the file is written");
    let source = Source { path, name: "random".into(), group: "random".into(), weight: 1.0 };
    let species = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
    let packed = folder.join("frames.pack");
    Dataset::open(&[source], &species, &packed, &ReadOptions::default(), &|_| {})
        .expect("readable frames")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A small network; `mean` of the radial environment in units of its spread.
fn model(data: &Dataset, one_side: bool, mean: f64) -> DeepPotential {
    let shape = Shape {
        cutoff: 3.5,
        embedding: vec![4, 8],
        axis: 4,
        fitting: vec![10, 10],
        one_side,
        ..Shape::default()
    };
    let frames: Vec<usize> = (0..data.len()).collect();
    let statistics = Statistics::measure(data, &frames, shape.cutoff, shape.smooth_cutoff, None);
    let mut model = shape.model(data.species(), &statistics, 7);
    let descriptor = &mut model.descriptor;
    for (row, std) in descriptor.mean.iter_mut().zip(&descriptor.std) {
        row[0] = mean * std[0];
    }
    model
}

fn settings(steps: u64, optimizer: Method) -> Settings {
    let mut stage = Stage { steps, optimizer, ..Stage::default() };
    stage.learning_rate.start = 2e-3;
    let mut settings = Settings { stages: vec![stage], display_every: 10, ..Settings::default() };
    settings.sampling.atoms_per_batch = 14;
    settings.nearest = 1.2;
    settings.checkpoint_seconds = 0.0;
    settings
}

const ALL: Prefactors = Prefactors { energy: 0.3, force: 20.0, virial: 0.7 };

fn plan(loss: &Loss) -> StepPlan<'_> {
    StepPlan { step: 5, loss, prefactors: ALL, learning_rate: 1e-3, clip: None, decay: None }
}

/// Loss, squares and gradient on the processors.
fn on_host<T: Real>(
    data: &Dataset,
    model: &DeepPotential,
    settings: &Settings,
    frames: &[usize],
    loss: &Loss,
) -> (f64, Squares, Vec<T>) {
    let mut host =
        Gradient::<T>::new(model, settings.nearest, settings.grid_spacing).expect("supported");
    let batch: Vec<Example> = frames
        .iter()
        .map(|number| {
            let frame = data.frame(*number);
            let mut example = Example::new(model.descriptor.cutoff);
            let (cell, positions) = (&frame.cell, frame.positions);
            example.set(*number, 1.0, cell, positions, frame.species, frame.known());
            example
        })
        .collect();
    let parameters: Vec<T> = host.places().read(model);
    let mut gradient = vec![T::ZERO; parameters.len()];
    let found = host.evaluate(&parameters, &batch, loss, &ALL, &mut gradient).expect("finite");
    (found.loss, found.squares, gradient)
}

fn norm(a: impl Iterator<Item = f64>) -> f64 {
    a.map(|x| x * x).sum::<f64>().sqrt()
}

fn squares(s: &Squares) -> [f64; 6] {
    [s.energy.sum, s.energy.count, s.force.sum, s.force.count, s.virial.sum, s.virial.count]
}

/// Compares a device with the processors; returns the device's numbers.
fn check<T: Real>(
    device: &Device,
    data: &Dataset,
    model: &DeepPotential,
    settings: &Settings,
    loss: &Loss,
    (tolerance, tensor_cores): (f64, bool),
) -> (f64, Squares, Vec<T>) {
    let trainer = CudaTrainer::<T>::new(device, settings, data, model).expect("supported");
    let mut trainer = trainer.with_tensor_cores(tensor_cores).expect("kernels that compile");
    let mut last = None;
    // a large batch after a small one, and a frame that is there twice
    for frames in [&[4, 1][..], &[0, 2, 3, 1, 2, 4, 5]] {
        let expected = on_host::<T>(data, model, settings, frames, loss);
        let found = trainer.gradient(frames, &plan(loss)).expect("finite");
        let off = (found.0 - expected.0).abs() / expected.0;
        assert!(off < tolerance, "loss {} of {}", found.0, expected.0);
        for (a, b) in squares(&found.1).iter().zip(squares(&expected.1)) {
            assert!((a - b).abs() <= tolerance * b, "{:?} {:?}", found.1, expected.1);
        }
        let size = norm(expected.2.iter().map(|g| g.to_f64()));
        let pairs = found.2.iter().zip(&expected.2);
        let off = norm(pairs.map(|(a, b)| a.to_f64() - b.to_f64())) / size;
        assert!(off < tolerance, "the gradient is off by {off:e}");
        for (name, k, layer) in Places::new(model).layers() {
            let end = layer.timestep.unwrap_or(layer.bias) + layer.outputs;
            for at in layer.weight..end {
                let d = (found.2[at].to_f64() - expected.2[at].to_f64()).abs();
                assert!(d < tolerance * size, "{name}, layer {k}, {at}: {d:e} of {size:e}");
            }
        }
        last = Some(found);
    }
    last.expect("two batches")
}

#[test]
fn losses_and_gradients_of_devices_are_those_of_the_processors() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let settings = settings(1, Method::ADAM);
    let losses = [
        Loss::default(),
        Loss { huber: Some(0.5), ..Loss::default() },
        Loss { intensive: true, element_weights: vec![1.0, 3.0, 0.5], ..Loss::default() },
    ];
    let mut first: Vec<Vec<f64>> = Vec::new();
    for device in devices::all() {
        let mut bits = Vec::new();
        for (k, (one_side, mean)) in
            [(true, 0.0), (true, 0.3), (false, 0.3)].into_iter().enumerate()
        {
            let mut model = model(&data, one_side, mean);
            let nets = model.descriptor.embedding.iter_mut().flatten().chain(&mut model.fitting);
            for layer in nets.flat_map(|net| &mut net.layers) {
                match k {
                    // timesteps in all nets, or in none
                    0 if layer.outputs > 1 => {
                        layer.timestep =
                            Some((0..layer.outputs).map(|o| 0.5 + 0.1 * o as f64).collect());
                    }
                    1 => layer.timestep = None,
                    2 if layer.activation == Activation::Tanh => {
                        layer.activation = Activation::Gelu;
                    }
                    _ => {}
                }
            }
            let found = check::<f64>(&device, &data, &model, &settings, &losses[k], (1e-11, true));
            bits.push(found.2);
            for tensor_cores in [false, true] {
                let how = (1e-5, tensor_cores);
                check::<f32>(&device, &data, &model, &settings, &losses[k], how);
            }
        }
        if device.name().contains("emulat") {
            if first.is_empty() {
                first.clone_from(&bits);
            }
            assert!(first == bits, "the order of threads is seen");
        }
    }
}

/// More outputs than a warp takes at once, more neighbours than a block, more rows than a tile.
#[test]
fn wide_nets_with_many_neighbours_have_the_same_gradients() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let settings = settings(1, Method::ADAM);
    let shape = Shape {
        cutoff: 8.5,
        embedding: vec![66, 132],
        axis: 3,
        fitting: vec![20, 40],
        ..Shape::default()
    };
    let statistics = Statistics::measure(&data, &[0, 2, 4], shape.cutoff, 0.5, None);
    assert!(statistics.sel.iter().sum::<usize>() > 128, "{:?}", statistics.sel);
    let model = shape.model(data.species(), &statistics, 8);
    let loss = Loss::default();
    let Some(device) = devices::all().pop() else { return };
    let frames = [2, 0, 2, 4, 5, 2, 0];
    let expected = on_host::<f64>(&data, &model, &settings, &frames, &loss).2;
    let mut trainer =
        CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
    let found = trainer.gradient(&frames, &plan(&loss)).expect("finite").2;
    let off = norm(found.iter().zip(&expected).map(|(a, b)| a - b));
    assert!(off < 1e-11 * norm(expected.iter().copied()), "{off:e}");
    // steps that orthogonalise matrices of several tiles
    let settings = self::settings(2, Method::MUON);
    let mut host = Host::<f64>::new(&settings, &data, &model).expect("supported");
    let (_, expected) = steps(&mut host, &settings, 2);
    let (_, found) = steps(&mut trainer, &settings, 2);
    let off = norm(found.iter().zip(&expected).map(|(a, b)| a - b));
    assert!(off < 1e-10 * norm(expected.iter().copied()), "{off:e}");
}

#[test]
fn models_that_the_kernels_lack_are_refused_by_name() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let settings = settings(1, Method::ADAM);
    for device in devices::one_of_each() {
        let refuse = |change: &dyn Fn(&mut DeepPotential), what: &str| {
            let mut model = model(&data, true, 0.0);
            change(&mut model);
            let error = CudaTrainer::<f64>::new(&device, &settings, &data, &model);
            let error = error.expect_err("it is refused").to_string();
            assert!(error.contains(what), "{error}");
        };
        refuse(&|model| model.fitting[1] = narrower(&model.fitting[1]), "differ in shape");
        refuse(&|model| model.fitting_excluded[0] = true, "cannot be trained further");
    }
}

/// A net whose last hidden layer is not there.
fn narrower(net: &Network) -> Network {
    let mut net = net.clone();
    net.layers.remove(1);
    net
}

#[test]
fn frames_with_infinite_forces_are_named() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let model = model(&data, true, 0.0);
    let settings = settings(10, Method::ADAM);
    let loss = Loss::default();
    for device in devices::one_of_each() {
        let mut trainer =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        let length = Places::new(&model).len;
        let (bad, zeros) = (vec![f64::NAN; length], vec![0.0; length]);
        let (average, first, second) = (&bad[..], &zeros[..], &zeros[..]);
        let state = State { parameters: &bad, average, first, second, steps: 3 };
        trainer.restore(state).expect("a working device");
        trainer.step(&[4, 2], &plan(&loss), &mut Squares::default()).expect("it is queued");
        trainer.step(&[1], &plan(&loss), &mut Squares::default()).expect("it is queued");
        let mut squares = Squares::default();
        let error = trainer.finish(&mut squares).expect_err("nothing is finite");
        let EngineError::Frame { step: Some(5), source } = error else { panic!("{error}") };
        assert!(matches!(source, GradientError::NonFinite { frame: 4, .. }), "{source}");
        assert_eq!(squares, Squares::default());
        assert_eq!(trainer.state().expect("a state").steps, 3);
        let error = trainer.errors(true, &[1, 2]).expect_err("nothing is finite");
        let EngineError::Frame { step: None, source } = error else { panic!("{error}") };
        assert!(matches!(source, GradientError::NonFinite { frame: 1, .. }), "{source}");
    }
}

#[test]
fn gradients_of_devices_are_slopes_of_the_loss() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let settings = settings(1, Method::ADAM);
    let model = model(&data, true, 0.3);
    let loss = Loss::default();
    for device in devices::one_of_each() {
        let mut trainer =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        let (frames, plan) = ([0, 1, 4], plan(&loss));
        let (_, _, gradient) = trainer.gradient(&frames, &plan).expect("finite");
        let size = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let start = trainer.state().expect("a state").parameters.to_vec();
        for at in (0..start.len()).step_by(start.len() / 12) {
            let mut loss_at = |h: f64| {
                let mut parameters = start.clone();
                parameters[at] += h;
                let state = trainer.state().expect("a state");
                let rest = [state.average.to_vec(), state.first.to_vec(), state.second.to_vec()];
                let state = State {
                    parameters: &parameters,
                    average: &rest[0],
                    first: &rest[1],
                    second: &rest[2],
                    steps: 0,
                };
                trainer.restore(state).expect("a working device");
                trainer.gradient(&frames, &plan).expect("finite").0
            };
            let h = 1e-4;
            let (near, far) = (loss_at(h) - loss_at(-h), loss_at(2.0 * h) - loss_at(-2.0 * h));
            let slope = (8.0 * near - far) / (12.0 * h);
            assert!((slope - gradient[at]).abs() < 1e-6 * size, "{at}: {slope} {}", gradient[at]);
        }
    }
}

/// Steps one by one: the squares of each, and the state at the end.
fn steps<T: Real>(
    engine: &mut dyn Engine<T>,
    settings: &Settings,
    count: u64,
) -> (Vec<[f64; 6]>, Vec<T>) {
    let stage = &settings.stages[0];
    engine.begin_stage(stage.optimizer, stage.zbl).expect("a working device");
    let mut all = Vec::new();
    for t in 0..count {
        let frames = [(t % 6) as usize, (t * 5 % 6) as usize, (t * t % 6) as usize];
        let mut found = Squares::default();
        engine.step(&frames, &StepPlan::new(stage, t, t), &mut found).expect("finite");
        engine.finish(&mut found).expect("finite");
        all.push(squares(&found));
    }
    let state = engine.state().expect("a working device");
    assert_eq!(state.steps, count);
    let parts = [state.parameters, state.average, state.first, state.second];
    (all, parts.concat())
}

#[test]
fn a_hundred_steps_on_devices_are_those_of_the_processors() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let model = model(&data, true, 0.0);
    let devices = devices::all();
    for method in
        [Method::MUON, Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }]
    {
        let mut settings = settings(100, method);
        settings.stages[0].clip = Some(3.0);
        settings.stages[0].average = Some(0.99);
        settings.stages[0].zbl = Some((1.3, 1.9));
        let mut host = Host::<f64>::new(&settings, &data, &model).expect("supported");
        let expected = steps(&mut host, &settings, 100);
        let errors = squares(&host.errors(true, &[0, 2, 4]).expect("finite"));
        let mut host = Host::<f32>::new(&settings, &data, &model).expect("supported");
        let rounded = steps(&mut host, &settings, 100);
        let mut first = None;
        for device in &devices {
            let mut engine =
                CudaTrainer::<f64>::new(device, &settings, &data, &model).expect("supported");
            let found = steps(&mut engine, &settings, 100);
            close(&found.0, &expected.0, 1e-9);
            let size = norm(expected.1.iter().copied());
            let off = norm(found.1.iter().zip(&expected.1).map(|(a, b)| a - b)) / size;
            assert!(off < 1e-9, "{method:?}: the state is off by {off:e}");
            let measured = squares(&engine.errors(true, &[0, 2, 4]).expect("finite"));
            close(&[measured], &[errors], 1e-9);
            if device.name().contains("emulat") {
                let bits: Vec<u64> = found.1.iter().map(|x| x.to_bits()).collect();
                assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "order of threads");
            }
        }
        for device in &devices::one_of_each() {
            let engine =
                CudaTrainer::<f32>::new(device, &settings, &data, &model).expect("supported");
            // of both methods one on tensor cores
            let tensor_cores = method == Method::MUON;
            let mut engine = engine.with_tensor_cores(tensor_cores).expect("kernels that compile");
            let found = steps(&mut engine, &settings, 100);
            for expected in [&rounded.0, &expected.0] {
                for (step, (a, b)) in found.0.iter().zip(expected).enumerate() {
                    let (a, b) = (loss(a), loss(b));
                    assert!((a - b).abs() < 1e-5 * b, "{method:?}, step {step}: {a} {b}");
                }
            }
        }
    }
}

/// A loss of the squares of a step.
fn loss(squares: &[f64; 6]) -> f64 {
    let mean = |k: usize| squares[2 * k] / squares[2 * k + 1].max(1.0);
    0.3 * mean(0) + mean(1) + 0.1 * mean(2)
}

fn close(found: &[[f64; 6]], expected: &[[f64; 6]], tolerance: f64) {
    for (step, (a, b)) in found.iter().zip(expected).enumerate() {
        for (x, y) in a.iter().zip(b) {
            let scale = y.abs().max(1e-2);
            assert!((x - y).abs() < tolerance * scale, "step {step}: {a:?} {b:?}");
        }
    }
}

fn run<T: Real>(
    settings: &Settings,
    data: &Dataset,
    folder: &Path,
    device: Option<&Device>,
    stop_at: Option<u64>,
) -> Result<Trained, TrainError> {
    let start = model(data, true, 0.0);
    let mut trainer = match device {
        None => Trainer::<T>::new(settings, data, start, folder, "test")?,
        Some(device) => {
            let engine = CudaTrainer::<T>::new(device, settings, data, &start).expect("supported");
            Trainer::with_engine(settings, data, start, folder, "test", Box::new(engine))?
        }
    };
    trainer.run(&mut |progress| match stop_at {
        Some(step) if progress.step >= step => Control::Stop,
        _ => Control::Continue,
    })
}

#[test]
fn checkpoints_of_one_engine_are_continued_by_the_other() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let mut settings = settings(20, Method::MUON);
    settings.stages[0].average = Some(0.9);
    settings.stages.push(Stage { steps: 10, zbl: Some((1.3, 1.9)), ..Stage::default() });
    for device in devices::one_of_each() {
        let whole = folder();
        let once = run::<f64>(&settings, &data, whole.path(), None, None).expect("training runs");
        let places = Places::new(&once.model);
        let expected: Vec<f64> = places.read(&once.model);
        for turns in [[Some(&device), None, Some(&device)], [None, Some(&device), None]] {
            let parts = folder();
            run::<f64>(&settings, &data, parts.path(), turns[0], Some(7)).expect("training runs");
            run::<f64>(&settings, &data, parts.path(), turns[1], Some(23)).expect("training runs");
            let again = run::<f64>(&settings, &data, parts.path(), turns[2], None);
            let again = again.expect("training runs");
            assert!(again.complete && again.steps == 30);
            let found: Vec<f64> = places.read(&again.model);
            let off = norm(found.iter().zip(&expected).map(|(a, b)| a - b));
            assert!(off < 1e-9 * norm(expected.iter().copied()), "{off:e}");
        }
        // on one device: the same bits, wherever it was stopped
        let (whole, parts) = (folder(), folder());
        let on = Some(&device);
        let once = run::<f64>(&settings, &data, whole.path(), on, None).expect("training runs");
        run::<f64>(&settings, &data, parts.path(), on, Some(13)).expect("training runs");
        let again = run::<f64>(&settings, &data, parts.path(), on, None).expect("training runs");
        assert_eq!(once.model, again.model);
        let curve = |f: &Path| std::fs::read_to_string(f.join("lcurve.out")).expect("a curve");
        assert_eq!(curve(whole.path()), curve(parts.path()));
    }
}

#[test]
fn steps_after_one_that_fails_change_nothing() {
    let home = folder();
    let data = data(home.path(), |k, labels| {
        if k == 3 {
            labels.energy = Some(f64::MAX);
        }
    });
    let sound = folder();
    let model = model(&self::data(sound.path(), |_, _| {}), true, 0.0);
    let settings = settings(10, Method::ADAM);
    let stage = &settings.stages[0];
    for device in devices::all() {
        let mut engine =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        engine.begin_stage(stage.optimizer, None).expect("a working device");
        let (mut sums, mut before) = (Squares::default(), Squares::default());
        let step = |engine: &mut CudaTrainer<'_, f64>, t: u64, frame: usize, s: &mut Squares| {
            engine.step(&[frame], &StepPlan::new(stage, 90 + t, t), s).expect("it is queued");
        };
        step(&mut engine, 0, 0, &mut before);
        step(&mut engine, 1, 2, &mut before);
        engine.finish(&mut before).expect("finite");
        let good = engine.state().expect("a state").parameters.to_vec();
        let mut engine =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        engine.begin_stage(stage.optimizer, None).expect("a working device");
        for (t, frame) in [0, 2, 3, 1, 5].into_iter().enumerate() {
            step(&mut engine, t as u64, frame, &mut sums);
        }
        let error = engine.finish(&mut sums).expect_err("the third step fails");
        assert!(matches!(error, EngineError::Diverged { step: 92 }), "{error}");
        assert_eq!(sums, before);
        let state = engine.state().expect("a state");
        assert_eq!((state.parameters, state.steps), (&good[..], 2));
        // and it goes on
        step(&mut engine, 2, 1, &mut sums);
        engine.finish(&mut sums).expect("finite");
        assert_eq!(engine.state().expect("a state").steps, 3);
    }
}

#[test]
fn atoms_too_close_are_named_and_little_memory_is_enough() {
    let home = folder();
    let data = data(home.path(), |_, _| {});
    let model = model(&data, true, 0.0);
    let mut settings = settings(10, Method::ADAM);
    let loss = Loss::default();
    for device in devices::one_of_each() {
        let expected: Vec<Vec<f64>> = [[0, 2], [3, 4], [0, 5]]
            .iter()
            .map(|frames| on_host::<f64>(&data, &model, &settings, frames, &loss).2)
            .collect();
        let trainer =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        let mut trainer = trainer.with_frame_memory(20 << 10);
        for (frames, expected) in [[0, 2], [3, 4], [0, 5]].iter().zip(&expected) {
            let found = trainer.gradient(frames, &plan(&loss)).expect("two frames fit").2;
            let off = norm(found.iter().zip(expected).map(|(a, b)| a - b));
            assert!(off < 1e-11 * norm(expected.iter().copied()));
        }
        let error = trainer.gradient(&[0, 1, 2, 3, 4, 5], &plan(&loss)).expect_err("six do not");
        assert!(matches!(error, EngineError::Device(_)), "{error}");
        settings.nearest = 2.5;
        let mut trainer =
            CudaTrainer::<f64>::new(&device, &settings, &data, &model).expect("supported");
        let error = trainer.step(&[1, 0], &plan(&loss), &mut Squares::default());
        let error = error.expect_err("atoms are closer than 2.5 Å");
        assert!(
            matches!(
                error,
                EngineError::Frame { step: Some(5), source: GradientError::TooClose { .. } }
            ),
            "{error}"
        );
    }
}
