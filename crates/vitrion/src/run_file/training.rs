//! The training file: data, network, stages. Keys of losses and learning rates are DeePMD-kit's.

use super::device::DeviceChoice;
use super::reader::{Document, Located, Table};
use super::scheduler::{Cores, read_scheduler};
use super::{positive_number, positive_quantity, refuse_unsafe_name};
use crate::error::InputError;
use crate::jobs::SchedulerSettings;
use std::path::{Path, PathBuf};
use vitrion_core::units::Kind;
use vitrion_model::deep_potential::activation::Activation;
use vitrion_model::train::initial::Shape;
use vitrion_model::train::loss::{Loss, Prefactors};
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::sampler::Sampling;
use vitrion_model::train::schedule::{Decay, LearningRate, PrefactorSchedule};
use vitrion_model::train::settings::{Settings, Stage};
use vitrion_model::train::split::Split;

/// A training file.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingFile {
    /// Where it was read from; paths in it are relative to its folder.
    pub path: PathBuf,
    /// As given, byte for byte.
    pub text: String,
    /// Name of the run and of its folder.
    pub name: String,
    /// Elements, in the order of the model.
    pub species: Vec<String>,
    /// `[[data]]`, at least one.
    pub data: Vec<Located<DataTable>>,
    pub start: Start,
    pub settings: Settings,
    /// f64 instead of f32 arithmetic.
    pub double: bool,
    /// Models to train, with seeds `seed`, `seed + 1`, …
    pub committee: usize,
    /// What computes.
    pub device: Option<Located<DeviceChoice>>,
    /// Matrix products on the tensor cores of a CUDA device.
    pub tensor_cores: Option<Located<bool>>,
    /// Where the models are trained.
    pub scheduler: SchedulerSettings,
}

/// `[[data]]`: labelled frames.
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// A labelled file, a deepmd/npy system, or a folder of such systems.
    pub path: Located<String>,
    /// Only the systems of the folder with these names.
    pub systems: Option<Vec<String>>,
    pub group: Option<String>,
    pub weight: f64,
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Random ones.
    New(Shape),
    /// Those of a model.
    Model(Located<String>),
}

impl TrainingFile {
    /// Reads a training file.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a training file; `path` is for messages and relative paths in it.
    ///
    /// # Errors
    /// As [`TrainingFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        let document = Document { path, text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        root.only(&[
            "format",
            "name",
            "seed",
            "species",
            "precision",
            "device",
            "tensor_cores",
            "committee",
            "model",
            "data",
            "network",
            "batch",
            "validation",
            "output",
            "stage",
            "scheduler",
        ])?;
        super::require_format(&root)?;
        let name = root.require("name", "name = \"li-p-s\"", root.string("name")?)?;
        refuse_unsafe_name(&root, &name)?;
        let species =
            root.require("species", "species = [\"Li\", \"P\", \"S\"]", root.strings("species")?)?;
        let seed = root.require("seed", "seed = 1", root.count("seed")?)?.value;
        let tables = root.tables("data")?;
        if tables.is_empty() {
            root.require("data", "[[data]] with path = \"dft/\"", None::<()>)?;
        }
        let data = super::located(&tables, |table| {
            read_data(table, &["path", "systems", "group", "weight"])
        })?;
        let network = root.table("network", "in [network]")?;
        let start = match (root.string("model")?, &network) {
            (Some(_), Some(network)) => {
                let message = "a run starts from a `model` or makes a new [network], not both";
                return Err(network.refuse("model", message));
            }
            (Some(model), None) => Start::Model(model),
            (None, Some(network)) => Start::New(read_network(network, species.len())?),
            (None, None) => Start::New(Shape::default()),
        };
        let settings = read_settings(&root, seed, &species)?;
        let committee = root.count("committee")?.map_or(1, |k| k.value as usize);
        if committee == 0 {
            return Err(root.refuse("committee", "expected one model or more, found 0"));
        }
        let precision = root.word("precision", &[("single", false), ("double", true)])?;
        Ok(TrainingFile {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.value,
            species: species.into_iter().map(|s| s.value).collect(),
            data,
            start,
            settings,
            double: precision.is_some_and(|p| p.value),
            committee,
            device: DeviceChoice::read(&root)?,
            tensor_cores: root.boolean("tensor_cores")?,
            scheduler: read_scheduler(&root, Cores::OfUser)?,
        })
    }

    /// Where a model of the committee lies: a single one has no folder of its own.
    pub fn member_folder(&self, folder: &Path, member: usize) -> PathBuf {
        if self.committee == 1 { folder.to_owned() } else { folder.join(format!("model-{member}")) }
    }

    /// A path written in this file, relative to its folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

/// Those of `keys` that the caller reads are its own.
pub(super) fn read_data(table: &Table<'_>, keys: &[&str]) -> Result<DataTable, InputError> {
    table.only(keys)?;
    Ok(DataTable {
        path: table.require("path", "path = \"dft/\"", table.string("path")?)?,
        systems: table
            .strings("systems")?
            .map(|names| names.into_iter().map(|name| name.value).collect()),
        group: table.string("group")?.map(|group| group.value),
        weight: positive_number(table, "weight")?.unwrap_or(1.0),
    })
}

/// A number from `low` up to but not with `high`.
fn number_within(
    table: &Table<'_>,
    key: &str,
    low: f64,
    high: f64,
) -> Result<Option<f64>, InputError> {
    match table.number(key)? {
        Some(x) if !(x.value >= low && x.value < high) => Err(table.refuse(
            key,
            format!("expected a number from {low} up to but not with {high}, found {}", x.value),
        )),
        other => Ok(other.map(|x| x.value)),
    }
}

fn positive_count(table: &Table<'_>, key: &str) -> Result<Option<u64>, InputError> {
    match table.count(key)? {
        Some(x) if x.value == 0 => Err(table.refuse(key, "expected one or more, found 0")),
        other => Ok(other.map(|x| x.value)),
    }
}

fn widths(table: &Table<'_>, key: &str) -> Result<Option<Vec<usize>>, InputError> {
    let Some(list) = table.integers(key)? else { return Ok(None) };
    if list.is_empty() || list.iter().any(|w| w.value < 1) {
        return Err(
            table.refuse(key, "expected whole numbers above zero, for example [25, 50, 100]")
        );
    }
    Ok(Some(list.into_iter().map(|w| w.value as usize).collect()))
}

pub(super) fn read_network(table: &Table<'_>, species: usize) -> Result<Shape, InputError> {
    table.only(&[
        "cutoff",
        "smooth_cutoff",
        "embedding",
        "axis",
        "fitting",
        "activation",
        "one_side",
        "timestep",
        "sel",
    ])?;
    let default = Shape::default();
    let cutoff = positive_quantity(table, "cutoff", Kind::Length)?;
    let smooth = positive_quantity(table, "smooth_cutoff", Kind::Length)?;
    let shape = Shape {
        cutoff: cutoff.map_or(default.cutoff, |x| x.value),
        smooth_cutoff: smooth.map_or(default.smooth_cutoff, |x| x.value),
        embedding: widths(table, "embedding")?.unwrap_or(default.embedding),
        axis: positive_count(table, "axis")?.map_or(default.axis, |a| a as usize),
        fitting: widths(table, "fitting")?.unwrap_or(default.fitting),
        activation: read_activation(table)?.unwrap_or(default.activation),
        one_side: table.boolean("one_side")?.map_or(default.one_side, |x| x.value),
        timestep: table.boolean("timestep")?.map_or(default.timestep, |x| x.value),
        sel: widths(table, "sel")?,
    };
    if shape.smooth_cutoff >= shape.cutoff {
        let message = format!(
            "it must be below the cutoff of {} Å, found {} Å",
            shape.cutoff, shape.smooth_cutoff
        );
        return Err(table.refuse("smooth_cutoff", message));
    }
    let width = *shape.embedding.last().expect("not empty");
    if shape.axis > width {
        let message = format!("at most the last embedding width {width}, found {}", shape.axis);
        return Err(table.refuse("axis", message));
    }
    if let Some(sel) = &shape.sel
        && sel.len() != species
    {
        let message = format!("expected one number per species ({species}), found {}", sel.len());
        return Err(table.refuse("sel", message));
    }
    Ok(shape)
}

fn read_activation(table: &Table<'_>) -> Result<Option<Activation>, InputError> {
    let smooth = ["tanh", "gelu", "silu", "softplus", "sigmoid"];
    let words = smooth.map(|name| (name, Activation::parse(name).expect("a known name")));
    Ok(table.word("activation", &words)?.map(|found| found.value))
}

pub(super) fn read_settings(
    root: &Table<'_>,
    seed: u64,
    species: &[Located<String>],
) -> Result<Settings, InputError> {
    let mut settings = Settings { seed, ..Settings::default() };
    if let Some(table) = root.table("batch", "in [batch]")? {
        table.only(&["atoms", "energy_flattening"])?;
        let default = Sampling::default();
        settings.sampling = Sampling {
            atoms_per_batch: positive_count(&table, "atoms")?
                .map_or(default.atoms_per_batch, |n| n as usize),
            energy_flattening: number_within(&table, "energy_flattening", 0.0, 2.0)?
                .unwrap_or(default.energy_flattening),
        };
    }
    if let Some(table) = root.table("validation", "in [validation]")? {
        table.only(&["blocks", "every", "fold", "gap"])?;
        let default = Split::default();
        let count = |key: &str, or: usize| -> Result<usize, InputError> {
            Ok(table.count(key)?.map_or(or, |n| n.value as usize))
        };
        settings.split = Split {
            blocks: positive_count(&table, "blocks")?.map_or(default.blocks, |n| n as usize),
            every: count("every", default.every)?,
            fold: count("fold", default.fold)?,
            gap: count("gap", default.gap)?,
        };
    }
    if let Some(table) = root.table("output", "in [output]")? {
        table.only(&["every", "validation_atoms", "checkpoint_minutes", "patience"])?;
        if let Some(every) = positive_count(&table, "every")? {
            settings.display_every = every;
        }
        if let Some(atoms) = positive_count(&table, "validation_atoms")? {
            settings.display_atoms = atoms as usize;
        }
        if let Some(minutes) = positive_number(&table, "checkpoint_minutes")? {
            settings.checkpoint_seconds = 60.0 * minutes;
        }
        settings.patience = positive_count(&table, "patience")?.map(|n| n as usize);
    }
    let tables = root.tables("stage")?;
    if !tables.is_empty() {
        settings.stages =
            tables.iter().map(|t| read_stage(t, species)).collect::<Result<_, _>>()?;
    }
    Ok(settings)
}

pub(super) fn read_stage(
    table: &Table<'_>,
    species: &[Located<String>],
) -> Result<Stage, InputError> {
    table.only(&[
        "name",
        "steps",
        "start_lr",
        "stop_lr",
        "decay",
        "decay_steps",
        "smooth",
        "warmup_steps",
        "start_pref_e",
        "limit_pref_e",
        "start_pref_f",
        "limit_pref_f",
        "start_pref_v",
        "limit_pref_v",
        "huber",
        "intensive",
        "element_weights",
        "optimizer",
        "momentum",
        "weight_decay",
        "clip",
        "average",
        "zbl",
    ])?;
    let default = Stage::default();
    let steps = positive_count(table, "steps")?;
    let steps = table.require("steps", "steps = 20000", steps)?;
    let start = positive_number(table, "start_lr")?.unwrap_or(default.learning_rate.start);
    let stop = positive_number(table, "stop_lr")?.unwrap_or(default.learning_rate.stop);
    if stop > start {
        let message = format!("it must not exceed start_lr = {start:e}, found {stop:e}");
        return Err(table.refuse("stop_lr", message));
    }
    let warmup_steps = table.count("warmup_steps")?.map_or(0, |n| n.value);
    if warmup_steps >= steps {
        let message = format!("it must be below steps = {steps}, found {warmup_steps}");
        return Err(table.refuse("warmup_steps", message));
    }
    let cosine = table.word("decay", &[("exp", false), ("cosine", true)])?;
    let decay = if cosine.is_some_and(|c| c.value) {
        if table.has("decay_steps") || table.has("smooth") {
            let message = "decay_steps and smooth belong to decay = \"exp\"";
            return Err(table.refuse("decay", message));
        }
        Decay::Cosine
    } else {
        let decay_steps = positive_count(table, "decay_steps")?;
        Decay::Exponential { decay_steps, smooth: table.boolean("smooth")?.is_none_or(|s| s.value) }
    };
    let pref = |key: &str, or: f64| -> Result<f64, InputError> {
        Ok(number_within(table, key, 0.0, f64::INFINITY)?.unwrap_or(or))
    };
    let (from, to) = (default.prefactors.start, default.prefactors.limit);
    let prefactors = PrefactorSchedule {
        start: Prefactors {
            energy: pref("start_pref_e", from.energy)?,
            force: pref("start_pref_f", from.force)?,
            virial: pref("start_pref_v", from.virial)?,
        },
        limit: Prefactors {
            energy: pref("limit_pref_e", to.energy)?,
            force: pref("limit_pref_f", to.force)?,
            virial: pref("limit_pref_v", to.virial)?,
        },
    };
    let zbl = match table.quantities("zbl", Kind::Length)? {
        None => None,
        Some(radii) => match &radii[..] {
            [inner, outer] if 0.0 < inner.value && inner.value < outer.value => {
                Some((inner.value, outer.value))
            }
            _ => {
                let example =
                    "expected where its switching starts and ends, zbl = [\"0.7 Å\", \"0.9 Å\"]";
                return Err(table.refuse("zbl", example));
            }
        },
    };
    Ok(Stage {
        name: table.string("name")?.map_or(default.name, |name| name.value),
        steps,
        learning_rate: LearningRate { start, stop, decay, warmup_steps },
        prefactors,
        loss: Loss {
            huber: positive_number(table, "huber")?,
            intensive: table.boolean("intensive")?.is_some_and(|x| x.value),
            element_weights: read_element_weights(table, species)?,
        },
        optimizer: read_optimizer(table)?,
        clip: positive_number(table, "clip")?,
        average: number_within(table, "average", 0.0, 1.0)?,
        zbl,
    })
}

fn read_optimizer(table: &Table<'_>) -> Result<Method, InputError> {
    let words = [("adam", Method::ADAM), ("adamw", Method::ADAM), ("muon", Method::MUON)];
    let method = table.word("optimizer", &words)?.map_or(Method::ADAM, |m| m.value);
    let decoupled = number_within(table, "weight_decay", 0.0, f64::INFINITY)?;
    let adamw = table.string("optimizer")?.is_some_and(|o| o.value == "adamw");
    let decay = decoupled.unwrap_or(if adamw { 0.01 } else { 0.0 });
    let plain = matches!(method, Method::Adam { .. }) && !adamw;
    if plain && decoupled.is_some() {
        return Err(table.refuse("weight_decay", "plain adam has none; say optimizer = \"adamw\""));
    }
    let momentum = number_within(table, "momentum", 0.0, 1.0)?;
    Ok(match method {
        Method::Adam { beta1, beta2, epsilon, .. } => {
            if momentum.is_some() {
                return Err(table.refuse("momentum", "it belongs to optimizer = \"muon\""));
            }
            Method::Adam { beta1, beta2, epsilon, weight_decay: decay }
        }
        Method::Muon { momentum: default, beta1, beta2, epsilon, .. } => Method::Muon {
            momentum: momentum.unwrap_or(default),
            beta1,
            beta2,
            epsilon,
            weight_decay: decay,
        },
    })
}

fn read_element_weights(
    table: &Table<'_>,
    species: &[Located<String>],
) -> Result<Vec<f64>, InputError> {
    let Some(weights) = table.table("element_weights", "in element_weights")? else {
        return Ok(Vec::new());
    };
    let known: Vec<&str> = species.iter().map(|s| s.value.as_str()).collect();
    weights.only(&known)?;
    known.iter().map(|symbol| Ok(positive_number(&weights, symbol)?.unwrap_or(1.0))).collect()
}

#[cfg(test)]
mod tests;
