//! The learn file: initial data, committee, exploration, trust, selection, labels, the end.

use super::engine::read_engine;
use super::label::{AimdTable, PerturbTable, read_aimd, read_perturb};
use super::reader::{Document, Located, Table};
use super::scheduler::{Cores, read_scheduler};
use super::system::read_repeat;
use super::training::{DataTable, read_data, read_network, read_settings, read_stage};
use super::{positive_number, positive_quantity, refuse_unsafe_name};
use crate::dft::EngineSettings;
use crate::error::InputError;
use crate::jobs::SchedulerSettings;
use crate::learn::windows::Trust;
use std::path::{Path, PathBuf};
use vitrion_core::units::Kind;
use vitrion_model::train::settings::Settings;

/// A learn file.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnFile {
    pub path: PathBuf,
    pub text: String,
    pub name: String,
    pub seed: u64,
    pub species: Vec<String>,
    pub committee: usize,
    pub engine: EngineSettings,
    pub scheduler: SchedulerSettings,
    /// Labelled frames from elsewhere.
    pub data: Vec<Located<LearnData>>,
    pub perturbed: Vec<Located<PerturbTable>>,
    pub aimd: Vec<Located<AimdTable>>,
    pub structures: Vec<Located<StructureTable>>,
    pub explore: Vec<Located<ExploreTable>>,
    /// Of the first training, and of later ones; `None` trains from scratch every time.
    pub training: Settings,
    pub retraining: bool,
    pub train: TrainTable,
    pub trust: Trust,
    pub selection: SelectionTable,
    pub stop: StopTable,
}

/// `[[data]]` of a learn file.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnData {
    pub frames: DataTable,
    /// Taken on trust to be of the engine's level; otherwise a few frames are labelled again.
    pub trusted: bool,
}

/// `[[structure]]`: where exploration starts.
#[derive(Debug, Clone, PartialEq)]
pub struct StructureTable {
    pub name: Located<String>,
    /// A file or `builtin:…`.
    pub structure: Located<String>,
    pub repeat: [usize; 3],
}

/// `[[explore]]`: one step of the schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum ExploreTable {
    Dynamics(Dynamics),
    /// Frames that are there already.
    Pool {
        path: Located<String>,
        systems: Option<Vec<String>>,
        repeats: usize,
    },
}

/// Runs of dynamics: every structure at every temperature and pressure.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    /// Names; all of them without.
    pub structures: Vec<Located<String>>,
    /// [K]
    pub temperatures: Vec<f64>,
    /// [eV/Å³]; empty at constant volume.
    pub pressures: Vec<f64>,
    /// [fs]
    pub timestep: f64,
    pub steps: u64,
    /// Steps between two looks of the committee.
    pub every: u64,
    /// Runs with other velocities.
    pub replicas: u64,
    /// Iterations that may be spent on it.
    pub repeats: usize,
    /// [fs]
    pub thermostat_period: f64,
    pub barostat_period: f64,
}

/// `[train]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainTable {
    /// Cores of one model.
    pub cores: usize,
    /// Share of every batch that comes from labels of the loop, the rest from `[[data]]`; `None` takes
    /// frames as they come.
    pub new_share: Option<f64>,
}

/// `[selection]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectionTable {
    /// Labels of an iteration, at most.
    pub labels: usize,
    pub method: Method,
    /// Frames of `[[data]]` that candidates are compared with, at most.
    pub compared: usize,
}

/// How candidates are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Farthest from what is labelled, weighted by deviation.
    Farthest,
    /// Farthest of the group that holds most of what is unknown.
    Cluster,
    /// Largest mean deviation.
    Deviation,
    /// As they come, shuffled: DP-GEN's way.
    Random,
}

/// `[stop]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopTable {
    pub iterations: usize,
    /// A step of the schedule is left when this share of its frames is below the lower trust level and
    /// no run failed.
    pub accurate: f64,
    /// The loop ends early when new labels are met within this root mean square error [eV/Å], before
    /// they are trained on.
    pub force_error: Option<f64>,
}

const KEYS: [&str; 22] = [
    "format",
    "name",
    "seed",
    "species",
    "committee",
    "precision",
    "engine",
    "scheduler",
    "data",
    "perturb",
    "aimd",
    "structure",
    "explore",
    "network",
    "batch",
    "validation",
    "stage",
    "retrain",
    "train",
    "trust",
    "selection",
    "stop",
];

impl LearnFile {
    /// Reads a learn file.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a learn file; `path` is for messages and relative paths in it.
    ///
    /// # Errors
    /// As [`LearnFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        let document = Document { path, text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        super::require_format(&root)?;
        root.only(&KEYS)?;
        let name = root.require("name", "name = \"lps\"", root.string("name")?)?;
        refuse_unsafe_name(&root, &name)?;
        let seed = root.require("seed", "seed = 1", root.count("seed")?)?.value;
        let species =
            root.require("species", "species = [\"Li\", \"P\", \"S\"]", root.strings("species")?)?;
        let engine = root.table("engine", "in [engine]")?;
        let engine = root.require("engine", "[engine] with kind = \"cp2k\"", engine)?;
        let engine = read_engine(&engine)?;
        let committee = root.count("committee")?.map_or(4, |k| k.value as usize);
        if committee < 2 {
            let message = format!(
                "a committee of {committee} cannot disagree: expected 2 or more, 4 is usual"
            );
            return Err(root.refuse("committee", message));
        }
        if let Some(network) = root.table("network", "in [network]")? {
            read_network(&network, species.len())?;
        }
        root.word("precision", &[("single", false), ("double", true)])?;
        let training = read_settings(&root, seed, &species)?;
        let retrain = root.tables("retrain")?;
        retrain.iter().try_for_each(|table| read_stage(table, &species).map(|_| ()))?;
        let file = LearnFile {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.value,
            seed,
            committee,
            data: super::located(&root.tables("data")?, read_learn_data)?,
            perturbed: super::located(&root.tables("perturb")?, read_perturb)?,
            aimd: super::located(&root.tables("aimd")?, |table| read_aimd(table, &engine, seed))?,
            structures: super::located(&root.tables("structure")?, read_structure)?,
            explore: super::located(&root.tables("explore")?, read_explore)?,
            training,
            retraining: !retrain.is_empty(),
            train: read_train(&root)?,
            trust: read_trust(&root)?,
            selection: read_selection(&root)?,
            stop: read_stop(&root)?,
            scheduler: read_scheduler(&root, Cores::OfWork)?,
            species: species.into_iter().map(|s| s.value).collect(),
            engine,
        };
        file.check(&root)?;
        Ok(file)
    }

    /// What tables say about each other.
    fn check(&self, root: &Table<'_>) -> Result<(), InputError> {
        if self.data.is_empty() && self.perturbed.is_empty() && self.aimd.is_empty() {
            let example = "[[data]] with labelled frames, or [[perturb]] or [[aimd]] to make some";
            root.require("data", example, None::<()>)?;
        }
        if self.explore.is_empty() {
            root.require("explore", "[[explore]] with temperature = [\"600 K\"]", None::<()>)?;
        }
        for (k, table) in self.structures.iter().enumerate() {
            let name = &table.value.name;
            if self.structures[..k].iter().any(|other| other.value.name.value == name.value) {
                let message = format!("two [[structure]] tables are called \"{}\"", name.value);
                return Err(root.refuse_at(name.line, "structure", message));
            }
        }
        for table in &self.explore {
            let ExploreTable::Dynamics(dynamics) = &table.value else { continue };
            if self.structures.is_empty() {
                root.require("structure", "[[structure]] with a name and a file", None::<()>)?;
            }
            for wanted in &dynamics.structures {
                let known: Vec<&str> =
                    self.structures.iter().map(|s| s.value.name.value.as_str()).collect();
                if !known.contains(&wanted.value.as_str()) {
                    let message = format!(
                        "there is no [[structure]] called \"{}\"; there are: {}",
                        wanted.value,
                        known.join(", ")
                    );
                    return Err(root.refuse_at(wanted.line, "explore", message));
                }
            }
        }
        Ok(())
    }

    /// A path written in this file, relative to its folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

fn read_learn_data(table: &Table<'_>) -> Result<LearnData, InputError> {
    let frames = read_data(table, &["path", "systems", "weight", "level"])?;
    let trusted = table.word("level", &[("check", false), ("trusted", true)])?;
    Ok(LearnData { frames, trusted: trusted.is_some_and(|t| t.value) })
}

fn read_structure(table: &Table<'_>) -> Result<StructureTable, InputError> {
    table.only(&["name", "structure", "repeat"])?;
    let name = table.require("name", "name = \"glass67\"", table.string("name")?)?;
    refuse_unsafe_name(table, &name)?;
    let structure =
        table.require("structure", "structure = \"glass67.extxyz\"", table.string("structure")?)?;
    Ok(StructureTable { name, structure, repeat: read_repeat(table)?.unwrap_or([1; 3]) })
}

fn read_explore(table: &Table<'_>) -> Result<ExploreTable, InputError> {
    let repeats = match table.count("iterations")? {
        Some(n) if n.value == 0 => {
            return Err(table.refuse("iterations", "expected one or more, found 0"));
        }
        Some(n) => n.value as usize,
        None => 1,
    };
    let pool = table.word("kind", &[("dynamics", false), ("pool", true)])?;
    if pool.is_some_and(|p| p.value) {
        table.only(&["kind", "path", "systems", "iterations"])?;
        let path = table.require("path", "path = \"frames\"", table.string("path")?)?;
        let systems = table.strings("systems")?;
        let systems = systems.map(|names| names.into_iter().map(|name| name.value).collect());
        return Ok(ExploreTable::Pool { path, systems, repeats });
    }
    table.only(&[
        "kind",
        "structures",
        "temperature",
        "pressure",
        "ensemble",
        "timestep",
        "duration",
        "every",
        "replicas",
        "iterations",
        "thermostat_period",
        "barostat_period",
    ])?;
    let temperatures = table.quantities("temperature", Kind::Temperature)?;
    let temperatures =
        table.require("temperature", "temperature = [\"500 K\", \"800 K\"]", temperatures)?;
    if temperatures.is_empty() || temperatures.iter().any(|t| t.value <= 0.0) {
        return Err(table.refuse("temperature", "expected one or more temperatures above zero"));
    }
    let pressures = table.quantities("pressure", Kind::Pressure)?;
    if pressures.as_ref().is_some_and(Vec::is_empty) {
        return Err(
            table.refuse("pressure", "the list is empty; leave the key out for constant volume")
        );
    }
    let pressures = pressures.unwrap_or_default();
    let npt = table.word("ensemble", &[("npt", true), ("nvt", false)])?;
    let npt = npt.map_or(!pressures.is_empty(), |e| e.value);
    if npt && pressures.is_empty() {
        table.require("pressure", "pressure = [\"0 bar\", \"50 bar\"]", None::<()>)?;
    }
    if !npt && !pressures.is_empty() {
        return Err(table.refuse("pressure", "ensemble = \"nvt\" keeps the volume; leave it out"));
    }
    let value = |key: &str, default: f64| -> Result<f64, InputError> {
        Ok(positive_quantity(table, key, Kind::Time)?.map_or(default, |q| q.value))
    };
    let timestep = value("timestep", 1.0)?;
    let duration = value("duration", 2000.0)?;
    let every = value("every", 20.0)?;
    let (steps, stride) = ((duration / timestep).round() as u64, (every / timestep).round() as u64);
    if stride == 0 || steps < stride {
        let message =
            format!("expected from one step ({timestep} fs) to the duration ({duration} fs)");
        return Err(table.refuse("every", message));
    }
    let replicas = table.count("replicas")?.map_or(1, |n| n.value);
    if replicas == 0 {
        return Err(table.refuse("replicas", "expected one or more, found 0"));
    }
    Ok(ExploreTable::Dynamics(Dynamics {
        structures: table.strings("structures")?.unwrap_or_default(),
        temperatures: temperatures.into_iter().map(|t| t.value).collect(),
        pressures: pressures.into_iter().map(|p| p.value).collect(),
        timestep,
        steps,
        every: stride,
        replicas,
        repeats,
        thermostat_period: value("thermostat_period", 100.0 * timestep)?,
        barostat_period: value("barostat_period", 1000.0 * timestep)?,
    }))
}

fn read_train(root: &Table<'_>) -> Result<TrainTable, InputError> {
    let Some(table) = root.table("train", "in [train]")? else {
        return Ok(TrainTable { cores: 1, new_share: None });
    };
    table.only(&["cores", "new_share"])?;
    let share = table.number("new_share")?.map(|x| x.value);
    if share.is_some_and(|x| !(x > 0.0 && x < 1.0)) {
        return Err(table.refuse("new_share", "expected a share between 0 and 1"));
    }
    let cores = table.count("cores")?.map_or(1, |n| n.value as usize);
    Ok(TrainTable { cores: cores.max(1), new_share: share })
}

fn read_trust(root: &Table<'_>) -> Result<Trust, InputError> {
    let Some(table) = root.table("trust", "in [trust]")? else { return Ok(Trust::default()) };
    table.only(&["quantile", "low", "high", "force", "virial"])?;
    let pair = |key: &str, kind: Kind, example: &str| -> Result<Option<(f64, f64)>, InputError> {
        let Some(found) = table.quantities(key, kind)? else { return Ok(None) };
        match &found[..] {
            [low, high] if 0.0 <= low.value && low.value < high.value => {
                Ok(Some((low.value, high.value)))
            }
            _ => {
                Err(table.refuse(key, format!("expected the lower and the upper level, {example}")))
            }
        }
    };
    let force = pair("force", Kind::Force, "force = [\"0.15 eV/A\", \"0.5 eV/A\"]")?;
    let virial = pair("virial", Kind::Energy, "virial = [\"0.01 eV\", \"0.1 eV\"] per atom")?;
    if let Some(force) = force {
        if let Some(key) = ["quantile", "low", "high"].into_iter().find(|key| table.has(key)) {
            return Err(
                table.refuse(key, "levels are either given by `force` or taken from quantiles")
            );
        }
        return Ok(Trust::Fixed { force, virial });
    }
    if virial.is_some() {
        return Err(
            table.refuse("virial", "give `force` too: levels are all fixed or all quantiles")
        );
    }
    let Trust::Quantile { quantile, low, high } = Trust::default() else {
        unreachable!("the default is quantiles")
    };
    let q = table.number("quantile")?.map_or(quantile, |q| q.value);
    if !(q > 0.0 && q <= 1.0) {
        return Err(
            table.refuse("quantile", format!("expected a share of frames up to 1, found {q}"))
        );
    }
    let low = positive_number(&table, "low")?.unwrap_or(low);
    let high = positive_number(&table, "high")?.unwrap_or(high);
    if high <= low {
        return Err(table.refuse("high", format!("it must exceed low = {low}, found {high}")));
    }
    Ok(Trust::Quantile { quantile: q, low, high })
}

fn read_selection(root: &Table<'_>) -> Result<SelectionTable, InputError> {
    let default = SelectionTable { labels: 50, method: Method::Cluster, compared: 2000 };
    let Some(table) = root.table("selection", "in [selection]")? else { return Ok(default) };
    table.only(&["labels", "method", "compared"])?;
    let words = [
        ("cluster", Method::Cluster),
        ("farthest", Method::Farthest),
        ("deviation", Method::Deviation),
        ("random", Method::Random),
    ];
    let labels = table.count("labels")?.map_or(default.labels, |n| n.value as usize);
    if labels == 0 {
        return Err(table.refuse("labels", "expected one or more for an iteration, found 0"));
    }
    Ok(SelectionTable {
        labels,
        method: table.word("method", &words)?.map_or(default.method, |m| m.value),
        compared: table.count("compared")?.map_or(default.compared, |n| n.value as usize),
    })
}

fn read_stop(root: &Table<'_>) -> Result<StopTable, InputError> {
    let default = StopTable { iterations: 20, accurate: 0.98, force_error: None };
    let Some(table) = root.table("stop", "in [stop]")? else { return Ok(default) };
    table.only(&["iterations", "accurate", "force_error"])?;
    let accurate = table.number("accurate")?.map_or(default.accurate, |x| x.value);
    if !(accurate > 0.0 && accurate <= 1.0) {
        return Err(table.refuse("accurate", format!("expected a share up to 1, found {accurate}")));
    }
    Ok(StopTable {
        iterations: table.count("iterations")?.map_or(default.iterations, |n| n.value as usize),
        accurate,
        force_error: positive_quantity(&table, "force_error", Kind::Force)?.map(|f| f.value),
    })
}
