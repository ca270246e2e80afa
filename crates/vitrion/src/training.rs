//! Carrying out a training file: data, statistics, network, the loop, the finished model.

mod device;
mod queue;

use crate::device::Device;
use crate::error::{Error, InputError};
use crate::inputs;
use crate::run_file::{Start, TrainingFile};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use vitrion_core::SpeciesTable;
use vitrion_core::io::ReadOptions;
use vitrion_model::DeepPotential;
use vitrion_model::train::evaluation::{self, Evaluated, Measure};
use vitrion_model::train::settings::Settings;
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::trainer::{Control, Progress, Trained};
use vitrion_model::train::{Dataset, Source};

pub use queue::Queue;

/// Everything that is known before the first step.
#[derive(Debug)]
pub struct Prepared {
    pub data: Dataset,
    /// Of the training frames.
    pub statistics: Statistics,
    /// Weights to start from.
    pub model: DeepPotential,
    pub settings: Settings,
    /// Of settings, data and starting weights: what makes two runs the same run. The device is not in
    /// it: a run may change from one to another.
    pub identity: String,
    /// What computes.
    pub device: Device,
    /// On a CUDA device: matrix products on tensor cores.
    pub tensor_cores: bool,
}

/// Reads and checks the data, measures it, and makes or loads the starting model.
///
/// # Errors
/// Sources that cannot be read, elements nobody named, a starting model that does not fit.
pub fn prepare(
    file: &TrainingFile,
    folder: &Path,
    options: &ReadOptions,
    member: usize,
    progress: &dyn Fn(usize),
) -> Result<Prepared, Error> {
    let species = SpeciesTable::new(&file.species)
        .map_err(|error| InputError::Usage(format!("{}: species: {error}", file.path.display())))?;
    let sources = sources(file)?;
    let packed = folder.join("frames.pack");
    let data = Dataset::open(&sources, &species, &packed, options, progress)
        .map_err(InputError::Dataset)?;
    let mut settings = file.settings.clone();
    settings.seed += member as u64;
    let parts = settings.split.parts(&data);
    let loaded = match &file.start {
        Start::New(_) => None,
        Start::Model(name) => {
            let refuse = |message: String| {
                InputError::Usage(format!("{}:{}: {message}", file.path.display(), name.line))
            };
            let (model, _) =
                inputs::model(&name.value, &file.resolve(&name.value)).map_err(refuse)?;
            if model.species.symbols() != species.symbols() {
                let message = format!(
                    "the model knows {}, the file says {}; name them in the model's order",
                    model.species.symbols().join(" "),
                    species.symbols().join(" ")
                );
                return Err(refuse(message).into());
            }
            Some(model)
        }
    };
    let (cutoff, smooth, sel) = match (&file.start, &loaded) {
        (Start::New(shape), _) => (shape.cutoff, shape.smooth_cutoff, shape.sel.as_deref()),
        (_, Some(model)) => {
            let d = &model.descriptor;
            (d.cutoff, d.smooth_cutoff, Some(&d.sel[..]))
        }
        (_, None) => unreachable!("a start without a shape has a model"),
    };
    let statistics = Statistics::measure(&data, &parts.training, cutoff, smooth, sel);
    let model = match (&file.start, loaded) {
        (Start::New(shape), _) => shape.model(&species, &statistics, settings.seed),
        (_, Some(model)) => model,
        (_, None) => unreachable!("a start without a shape has a model"),
    };
    // frames of the held-out part may be a little closer than those of training
    settings.nearest = 0.8 * statistics.nearest.0;
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{settings:?} {}", file.double).as_bytes());
    hasher.update(data.fingerprint().as_bytes());
    hasher.update(format!("{model:?}").as_bytes());
    let identity = hasher.finalize().to_hex().to_string();
    let (device, tensor_cores) = device::of(file, &data, &model, &settings)?;
    Ok(Prepared { data, statistics, model, settings, identity, device, tensor_cores })
}

/// What a finished run leaves beside its model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainingSummary {
    pub name: String,
    pub seed: u64,
    pub steps: u64,
    /// Time in the loop [s], and atoms seen in it.
    pub seconds: f64,
    pub atoms_seen: f64,
    pub parameters: usize,
    pub training_frames: usize,
    pub validation_frames: usize,
    /// Where the time of the last part of the run went [s].
    pub times: Times,
    /// Hash of the frames.
    pub data: String,
    /// What computed, last.
    #[serde(default)]
    pub device: String,
}

/// Seconds by phase.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Times {
    pub batches: f64,
    pub embedding: f64,
    pub forward: f64,
    pub frames: f64,
    pub adjoints: f64,
    pub weights: f64,
    pub optimizer: f64,
}

/// Errors of the finished model; `evaluation.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluation {
    /// On all held-out frames; empty without a split.
    pub validation: Option<Evaluated>,
    /// On a sample of the training frames.
    pub training: Evaluated,
}

/// A run that reached its end.
#[derive(Debug)]
pub struct Finished {
    pub summary: TrainingSummary,
    pub evaluation: Evaluation,
    pub model: PathBuf,
    pub report: PathBuf,
}

/// Training frames that are evaluated at the end, about.
const TRAINING_SAMPLE: usize = 1000;

/// The loop, in `folder`, continuing from its checkpoint; then errors, card, model and report.
/// `None` if `watch` stopped it.
///
/// # Errors
/// What stopped training; a folder that cannot be written.
pub fn carry_out(
    file: &TrainingFile,
    prepared: &Prepared,
    folder: &Path,
    watch: &mut dyn FnMut(&Progress<'_>) -> Control,
    evaluated: &mut dyn FnMut(usize, usize),
) -> Result<Option<Finished>, Error> {
    let Prepared { data, settings, device, .. } = prepared;
    let Trained { mut model, steps, complete, seconds, phases, batches, optimizer, atoms } =
        if file.double {
            device::train::<f64>(prepared, folder, watch)?
        } else {
            device::train::<f32>(prepared, folder, watch)?
        };
    if !complete {
        return Ok(None);
    }
    let parts = settings.split.parts(data);
    let stride = parts.training.len().div_ceil(TRAINING_SAMPLE).max(1);
    let sample: Vec<usize> = parts.training.iter().copied().step_by(stride).collect();
    let all = parts.validation.len() + sample.len();
    let mut evaluate = |frames: &[usize], before: usize| {
        evaluation::evaluate(&model, data, frames, &mut |done| evaluated(before + done, all))
            .map_err(|(frame, source)| Error::Potential { what: data.name_of(frame), source })
    };
    let validation = match &parts.validation[..] {
        [] => None,
        frames => Some(evaluate(frames, 0)?),
    };
    let training = evaluate(&sample, parts.validation.len())?;
    let evaluation = Evaluation { validation, training };
    let summary = TrainingSummary {
        name: file.name.clone(),
        seed: settings.seed,
        steps,
        seconds,
        atoms_seen: atoms,
        parameters: model.parameters(),
        training_frames: parts.training.len(),
        validation_frames: parts.validation.len(),
        times: Times {
            batches,
            embedding: phases.embedding,
            forward: phases.forward,
            frames: phases.frames,
            adjoints: phases.adjoints,
            weights: phases.weights,
            optimizer,
        },
        data: data.fingerprint().to_owned(),
        device: device.name().to_owned(),
    };
    fill_card(file, &summary, &evaluation, &mut model);
    let target = folder.join("model.safetensors");
    model.save(&target).map_err(|e| InputError::Usage(e.to_string()))?;
    write_json(&folder.join("summary.json"), &summary)?;
    write_json(&folder.join("evaluation.json"), &evaluation)?;
    let report = crate::report::write_training_report(folder)?;
    Ok(Some(Finished { summary, evaluation, model: target, report }))
}

/// Writes a result as JSON.
///
/// # Errors
/// The file cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), InputError> {
    let text = serde_json::to_string_pretty(value).expect("results are plain data");
    std::fs::write(path, text).map_err(InputError::os(path, "write"))
}

/// States on the card where the model comes from and how good it is.
fn fill_card(
    file: &TrainingFile,
    summary: &TrainingSummary,
    evaluation: &Evaluation,
    model: &mut DeepPotential,
) {
    let card = &mut model.card;
    card.name.clone_from(&file.name);
    card.software = format!("vitrion {}", env!("CARGO_PKG_VERSION"));
    card.provenance.push(format!(
        "trained on {} frames (BLAKE3 {}), {} held out in blocks; {} steps of about {} atoms, seed {}",
        summary.training_frames,
        &summary.data[..16],
        summary.validation_frames,
        summary.steps,
        file.settings.sampling.atoms_per_batch,
        summary.seed,
    ));
    let number = |m: Option<Measure>| m.map_or("-".to_owned(), |m| format!("{:.1}", m.rmse));
    let (what, found) = match &evaluation.validation {
        Some(found) => ("held-out frames", found),
        None => ("training frames (nothing was held out)", &evaluation.training),
    };
    card.errors.clear();
    for row in found.groups.iter().chain([&found.total]) {
        card.errors.push(format!(
            "{}: {} {what}: energy {} meV/atom, force {} meV/Å, virial {} meV/atom (root mean square)",
            row.name,
            row.frames,
            number(row.energy_mev_per_atom),
            number(row.force_mev_per_a),
            number(row.virial_mev_per_atom),
        ));
    }
}

/// The systems that the data tables name.
fn sources(file: &TrainingFile) -> Result<Vec<Source>, InputError> {
    let mut sources: Vec<Source> = Vec::new();
    for table in &file.data {
        let path = file.resolve(&table.value.path.value);
        let refuse = |message: String| {
            let line = table.value.path.line;
            InputError::Usage(format!("{}:{line}: {message}", file.path.display()))
        };
        let mut found = systems_in(&path).map_err(InputError::os(&path, "read"))?;
        if let Some(wanted) = &table.value.systems {
            found = systems_called(found, wanted).map_err(|missing| {
                refuse(format!("{} holds no system \"{}\"", path.display(), wanted[missing]))
            })?;
        }
        if found.is_empty() {
            return Err(refuse(format!(
                "{} is neither a labelled file nor a deepmd/npy system (it has no type.raw) nor a \
                 folder of such systems",
                path.display()
            )));
        }
        for path in found {
            let name = system_name(&path);
            if sources.iter().any(|source| source.path == path) {
                return Err(refuse(format!("{} is named twice", path.display())));
            }
            let group = table.value.group.clone().unwrap_or_else(|| name.clone());
            sources.push(Source { path, name, group, weight: table.value.weight });
        }
    }
    Ok(sources)
}

/// The systems with the names that are wanted.
///
/// # Errors
/// The number of the first name that no system has.
pub fn systems_called<S: AsRef<str>>(
    mut systems: Vec<PathBuf>,
    wanted: &[S],
) -> Result<Vec<PathBuf>, usize> {
    let is = |path: &PathBuf, name: &S| system_name(path) == name.as_ref();
    if let Some(missing) = wanted.iter().position(|name| !systems.iter().any(|p| is(p, name))) {
        return Err(missing);
    }
    systems.retain(|path| wanted.iter().any(|name| is(path, name)));
    Ok(systems)
}

/// What a system is called: the name of its file or folder.
pub fn system_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file, a system, or the systems of a folder in the order of their names.
///
/// # Errors
/// The path is not there or cannot be read.
pub fn systems_in(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() || path.join("type.raw").exists() {
        std::fs::metadata(path)?;
        return Ok(vec![path.to_owned()]);
    }
    let mut systems = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let child = entry?.path();
        if child.join("type.raw").exists() {
            systems.push(child);
        }
    }
    systems.sort();
    Ok(systems)
}
