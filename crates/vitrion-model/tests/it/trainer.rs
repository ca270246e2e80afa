//! Training runs on a small data set: they learn, resume to the bit, and say what is wrong.

mod late;

use std::path::{Path, PathBuf};
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Evaluation, Frame, Labels, Potential, SpeciesTable, interactions};
use vitrion_model::DeepPotential;
use vitrion_model::classical::{LennardJones, Zbl};
use vitrion_model::train::initial::Shape;
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::settings::{Settings, Stage};
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::trainer::{Control, TrainError, Trained, Trainer};
use vitrion_model::train::{Dataset, Source};

fn folder(name: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(name).tempdir().expect("a temporary folder")
}

fn species() -> SpeciesTable {
    SpeciesTable::new(&["Li", "S"]).expect("elements")
}

/// Lennard-Jones frames of two elements in an extended XYZ file; `spoil` may change labels.
fn frames(folder: &Path, count: usize, spoil: impl Fn(usize, &mut Labels)) -> PathBuf {
    let path = folder.join("frames.extxyz");
    let pair = |epsilon, sigma| vitrion_model::classical::LennardJonesPair { epsilon, sigma };
    let pairs = [pair(0.05, 2.2), pair(0.07, 2.6)];
    let mut potential = LennardJones::new(species(), &pairs, 4.5, true).expect("parameters");
    let mut out = Vec::new();
    for k in 0..count {
        let cell = random_cell(7 + k as u64 / 8, 7.5, 8.5);
        let structure = random_structure(100 + k as u64, &["Li", "S"], 14, cell, 2.1);
        let map = structure.table.map_onto(&species()).expect("known");
        let types: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
        let mut found = Evaluation::default();
        let (cell, positions) = (&structure.cell, &structure.positions);
        interactions::evaluate(&mut potential, cell, positions, &types, &mut found)
            .expect("finite");
        let mut frame = Frame::from(structure);
        frame.labels = Labels {
            energy: Some(found.energy),
            forces: Some(found.forces),
            virial: Some(found.virial),
            atom_energies: None,
        };
        spoil(k, &mut frame.labels);
        io::extxyz::write_frame(&mut out, &frame).expect("memory");
    }
    std::fs::write(&path, out).expect("the file is written");
    path
}

fn data(folder: &Path, path: &Path) -> Dataset {
    let source =
        Source { path: path.to_owned(), name: "lj".into(), group: "lj".into(), weight: 1.0 };
    let packed = folder.join("frames.pack");
    Dataset::open(&[source], &species(), &packed, &ReadOptions::default(), &|_| {})
        .expect("readable frames")
}

fn settings(steps: u64, optimizer: Method) -> Settings {
    let mut stage = Stage { steps, optimizer, average: Some(0.9), ..Stage::default() };
    stage.learning_rate.start = 5e-3;
    let mut settings = Settings { stages: vec![stage], display_every: 10, ..Settings::default() };
    settings.sampling.atoms_per_batch = 56;
    settings.nearest = 1.5;
    settings.checkpoint_seconds = 0.0;
    settings
}

fn model(data: &Dataset, settings: &Settings) -> DeepPotential {
    let shape = Shape {
        cutoff: 4.5,
        embedding: vec![4, 8],
        axis: 3,
        fitting: vec![16, 16],
        ..Shape::default()
    };
    let frames: Vec<usize> = (0..data.len()).collect();
    let statistics = Statistics::measure(data, &frames, shape.cutoff, shape.smooth_cutoff, None);
    shape.model(data.species(), &statistics, settings.seed)
}

fn run(
    settings: &Settings,
    data: &Dataset,
    folder: &Path,
    stop_at: Option<u64>,
) -> Result<Trained, TrainError> {
    let start = model(data, settings);
    let mut trainer = Trainer::<f32>::new(settings, data, start, folder, "test")?;
    trainer.run(&mut |progress| match stop_at {
        Some(step) if progress.step >= step => Control::Stop,
        _ => Control::Continue,
    })
}

fn curve(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("lcurve.out")).expect("a learning curve")
}

/// Force error on held-out frames in the last line of the learning curve [eV/Å].
fn last_force_error(folder: &Path) -> f64 {
    let text = curve(folder);
    let line = text.lines().last().expect("a line");
    line.split_whitespace().nth(5).expect("a column").parse().expect("a number")
}

#[test]
fn both_optimisers_learn_lennard_jones() {
    let home = folder("learn");
    let path = frames(home.path(), 40, |_, _| {});
    let data = data(home.path(), &path);
    for method in [Method::ADAM, Method::MUON] {
        let place = folder("run");
        run(&settings(400, method), &data, place.path(), None).expect("training runs");
        let forces =
            (0..data.len()).flat_map(|k| data.frame(k).forces.expect("forces").as_flattened());
        let (sum, count) = forces.fold((0.0, 0.0), |(sum, n), f| (sum + f * f, n + 1.0));
        let spread = f64::sqrt(sum / count);
        let last = last_force_error(place.path());
        assert!(last < 0.5 * spread, "{method:?}: force error {last} of {spread} eV/Å");
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bits() {
    let home = folder("resume");
    let path = frames(home.path(), 24, |_, _| {});
    let data = data(home.path(), &path);
    let mut settings = settings(25, Method::MUON);
    // a second stage, with another optimiser and repulsion
    settings.stages.push(Stage { steps: 15, zbl: Some((1.8, 2.4)), ..Stage::default() });
    let (whole, parts) = (folder("whole"), folder("parts"));
    let once = run(&settings, &data, whole.path(), None).expect("training runs");
    for stop in [7, 20, 33] {
        let stopped = run(&settings, &data, parts.path(), Some(stop)).expect("training runs");
        assert!(!stopped.complete && stopped.steps == stop);
    }
    let again = run(&settings, &data, parts.path(), None).expect("training runs");
    assert!(again.complete && again.steps == 40);
    assert_eq!(again.model, once.model);
    assert_eq!(curve(parts.path()), curve(whole.path()));
}

#[test]
fn a_checkpoint_of_another_run_and_a_damaged_one_are_refused() {
    let home = folder("other");
    let path = frames(home.path(), 10, |_, _| {});
    let data = data(home.path(), &path);
    let settings = settings(5, Method::ADAM);
    run(&settings, &data, home.path(), Some(3)).expect("training runs");
    let start = model(&data, &settings);
    let other = Trainer::<f32>::new(&settings, &data, start, home.path(), "another");
    let error = other.err().expect("refused").to_string();
    assert!(error.contains("other settings, data or starting model"), "{error}");
    let checkpoint = home.path().join("checkpoint.bin");
    let mut bytes = std::fs::read(&checkpoint).expect("a checkpoint");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&checkpoint, bytes).expect("written");
    let error = run(&settings, &data, home.path(), None).expect_err("refused").to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn a_frame_that_blows_up_the_gradient_is_named() {
    let home = folder("nan");
    let path = frames(home.path(), 12, |k, labels| {
        if k == 8 {
            labels.energy = Some(1e39);
        }
    });
    let data = data(home.path(), &path);
    let mut settings = settings(50, Method::ADAM);
    settings.split.every = 0;
    let error = run(&settings, &data, home.path(), None).expect_err("it diverges").to_string();
    assert!(error.contains("frame 8 of lj"), "{error}");
}

#[test]
fn repulsion_is_part_of_a_model_that_was_trained_with_it() {
    let home = folder("zbl");
    let path = frames(home.path(), 12, |_, _| {});
    let data = data(home.path(), &path);
    let mut settings = settings(5, Method::ADAM);
    settings.stages[0].zbl = Some((1.8, 2.6));
    let trained = run(&settings, &data, home.path(), None).expect("training runs").model;
    let frame = data.frame(3);
    let energy = |potential: &mut dyn Potential| {
        let mut out = Evaluation::default();
        interactions::evaluate(potential, &frame.cell, frame.positions, frame.species, &mut out)
            .expect("finite");
        out.energy
    };
    let bare = DeepPotential { zbl: None, ..trained.clone() };
    let mut zbl = Zbl::new(species(), 1.8, 2.6).expect("radii");
    let sum = energy(&mut bare.reference()) + energy(&mut zbl);
    let whole = energy(&mut trained.reference());
    assert!((whole - sum).abs() < 1e-10 && energy(&mut zbl).abs() > 1e-3);
    let fast = energy(
        &mut trained.evaluator(vitrion_model::Precision::Double, vitrion_model::Embedding::Tables),
    );
    assert!((fast - whole).abs() < 1e-7);
    let kept = home.path().join("kept.safetensors");
    trained.save(&kept).expect("our format holds it");
    assert_eq!(DeepPotential::load(&kept).expect("readable").zbl, Some((1.8, 2.6)));
    let error = trained.save(&home.path().join("model.dp")).expect_err("refused").to_string();
    assert!(error.contains("repulsion inside"), "{error}");
}

#[test]
fn packed_frames_are_used_again_until_a_source_changes() {
    let home = folder("pack");
    let path = frames(home.path(), 5, |_, _| {});
    let first = data(home.path(), &path);
    let packed = home.path().join("frames.pack");
    let time = |p: &Path| std::fs::metadata(p).and_then(|m| m.modified()).expect("a time");
    let made = time(&packed);
    assert_eq!(data(home.path(), &path).fingerprint(), first.fingerprint());
    assert_eq!(time(&packed), made, "not packed again");
    // the same numbers come out as in the file
    let read = io::read_all(&path, &ReadOptions::default()).expect("readable");
    for (k, frame) in read.iter().enumerate() {
        let kept = first.frame(k);
        assert_eq!(kept.positions, &frame.structure.positions[..]);
        assert_eq!((kept.energy, kept.virial), (frame.labels.energy, frame.labels.virial));
        assert_eq!(kept.forces, frame.labels.forces.as_deref());
        assert_eq!(kept.cell, frame.structure.cell);
    }
    // cut short, or from changed sources: made anew
    let bytes = std::fs::read(&packed).expect("the packed file");
    std::fs::write(&packed, &bytes[..bytes.len() - 8]).expect("written");
    assert_eq!(data(home.path(), &path).len(), 5);
    let path = frames(home.path(), 6, |_, _| {});
    let second = data(home.path(), &path);
    assert_eq!(second.len(), 6);
    assert_ne!(second.fingerprint(), first.fingerprint());
}
