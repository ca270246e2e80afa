//! Carrying out a training file: data, statistics, network, the loop, the finished model.

use crate::error::{Error, InputError};
use crate::inputs;
use crate::run_file::{Start, TrainingFile};
use std::path::{Path, PathBuf};
use vitrion_core::SpeciesTable;
use vitrion_core::io::ReadOptions;
use vitrion_model::DeepPotential;
use vitrion_model::train::settings::Settings;
use vitrion_model::train::statistics::Statistics;
use vitrion_model::train::trainer::{Control, Progress, Trained, Trainer};
use vitrion_model::train::{Dataset, Source};

/// Everything that is known before the first step.
#[derive(Debug)]
pub struct Prepared {
    pub data: Dataset,
    /// Of the training frames.
    pub statistics: Statistics,
    /// Weights to start from.
    pub model: DeepPotential,
    pub settings: Settings,
    /// Of settings, data and starting weights: what makes two runs the same run.
    pub identity: String,
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
    let data =
        Dataset::open(&sources, &species, &packed, options, progress).map_err(InputError::Dataset)?;
    let mut settings = file.settings.clone();
    settings.seed += member as u64;
    let parts = settings.split.parts(&data);
    let loaded = match &file.start {
        Start::New(_) => None,
        Start::Model(name) => {
            let refuse = |message: String| {
                InputError::Usage(format!("{}:{}: {message}", file.path.display(), name.line))
            };
            let (model, _) = inputs::model(&name.value, &file.resolve(&name.value))
                .map_err(refuse)?;
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
    Ok(Prepared { data, statistics, model, settings, identity })
}

/// The loop, in `folder`, continuing from its checkpoint; the finished model is written to
/// `folder/model.safetensors`.
///
/// # Errors
/// What stopped training; a folder that cannot be written.
pub fn carry_out(
    file: &TrainingFile,
    prepared: &Prepared,
    folder: &Path,
    watch: &mut dyn FnMut(&Progress<'_>) -> Control,
) -> Result<Trained, Error> {
    let Prepared { data, model, settings, identity, .. } = prepared;
    let mut trained = if file.double {
        Trainer::<f64>::new(settings, data, model.clone(), folder, identity)?.run(watch)?
    } else {
        Trainer::<f32>::new(settings, data, model.clone(), folder, identity)?.run(watch)?
    };
    let card = &mut trained.model.card;
    card.name.clone_from(&file.name);
    card.software = format!("vitrion {}", env!("CARGO_PKG_VERSION"));
    let target = folder.join("model.safetensors");
    trained.model.save(&target).map_err(|e| InputError::Usage(e.to_string()))?;
    Ok(trained)
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
            let name = |p: &PathBuf| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(missing) = wanted.iter().find(|w| !found.iter().any(|p| name(p) == **w)) {
                return Err(refuse(format!("{} holds no system \"{missing}\"", path.display())));
            }
            found.retain(|p| wanted.contains(&name(p)));
        }
        if found.is_empty() {
            return Err(refuse(format!(
                "{} is neither a labelled file nor a deepmd/npy system (it has no type.raw) nor a \
                 folder of such systems",
                path.display()
            )));
        }
        for path in found {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if sources.iter().any(|source| source.path == path) {
                return Err(refuse(format!("{} is named twice", path.display())));
            }
            let group = table.value.group.clone().unwrap_or_else(|| name.clone());
            sources.push(Source { path, name, group, weight: table.value.weight });
        }
    }
    Ok(sources)
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
