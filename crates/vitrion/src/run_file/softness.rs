//! The file of `vitrion softness`: trajectories, mobility, features, plane, tests.

use super::reader::{Document, Located, Table};
use super::{positive_number, positive_quantity};
use crate::error::InputError;
use std::path::{Path, PathBuf};
use vitrion_analysis::softness::{
    Angular, FeatureSettings, Label, Loss, MobilitySettings, Norm, Penalty, ScanSettings, Shape,
    Snapshot, Threshold, TrainingSettings,
};
use vitrion_core::units::Kind;

/// A softness file.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftnessFile {
    /// Where it was read from; paths in it are relative to its folder.
    pub path: PathBuf,
    /// As given, byte for byte.
    pub text: String,
    pub name: String,
    /// `[[sample]]`, at least one.
    pub samples: Vec<Located<SampleTable>>,
    pub mobility: MobilitySettings,
    /// Elements may be empty: all of the samples.
    pub features: FeatureSettings,
    /// Minimise the structures that features are computed from with this model.
    pub inherent: Option<Located<String>>,
    pub training: TrainingSettings,
    pub scan: Option<ScanSettings>,
    /// Other settings of D²min that the labels are compared for, with what is other.
    pub others: Vec<(String, MobilitySettings)>,
    /// Lattice vector of profiles.
    pub axis: usize,
}

/// `[[sample]]`
#[derive(Debug, Clone, PartialEq)]
pub struct SampleTable {
    pub name: String,
    pub material: String,
    /// Files that follow each other in time.
    pub trajectory: Vec<Located<String>>,
    /// [K]
    pub temperature: Option<f64>,
    pub train: bool,
    /// Phase of all atoms, where files carry no labels.
    pub phase: Option<String>,
    /// Structure that features of the first window are computed from, in place of the trajectory.
    pub structure: Option<Located<String>>,
}

impl SoftnessFile {
    /// Reads a softness file.
    ///
    /// # Errors
    /// [`InputError`] names the file, line, table and key.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a softness file; `path` is for messages and relative paths in it.
    ///
    /// # Errors
    /// As [`SoftnessFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        let document = Document { path, text };
        let parsed = document.parse()?;
        let root = Table::root(document, &parsed);
        root.only(&[
            "format",
            "name",
            "seed",
            "species",
            "axis",
            "sample",
            "mobility",
            "features",
            "classifier",
            "validation",
            "scan",
        ])?;
        super::require_format(&root)?;
        let name = root.require("name", "name = \"softness\"", root.string("name")?)?;
        super::refuse_unsafe_name(&root, &name)?;
        let species = root.require("species", "species = \"Li\"", root.string("species")?)?.value;
        let tables = root.tables("sample")?;
        if tables.is_empty() {
            let example = "[[sample]] with name = \"glass\", trajectory = \"glass.extxyz\"";
            root.require("sample", example, None::<()>)?;
        }
        let samples = super::located(&tables, read_sample)?;
        for (number, one) in samples.iter().enumerate() {
            if samples[..number].iter().any(|other| other.value.name == one.value.name) {
                let message = format!("there is a sample \"{}\" already", one.value.name);
                return Err(tables[number].refuse("name", message));
            }
        }
        let (features, snapshot, inherent) =
            read_features(root.table("features", "in [features]")?.as_ref(), &species)?;
        let (mut mobility, label, threshold) =
            read_mobility(root.table("mobility", "in [mobility]")?.as_ref(), &species)?;
        mobility.snapshot = snapshot;
        let mut training = TrainingSettings { label, threshold, ..TrainingSettings::default() };
        training.seed = root.count("seed")?.map_or(1, |seed| seed.value);
        read_classifier(root.table("classifier", "in [classifier]")?.as_ref(), &mut training)?;
        read_validation(root.table("validation", "in [validation]")?.as_ref(), &mut training)?;
        let scan_table = root.table("scan", "in [scan]")?;
        let scan = read_scan(scan_table.as_ref())?;
        let others = match &scan {
            Some(_) => read_others(scan_table.as_ref(), &mobility)?,
            None => Vec::new(),
        };
        let axis = root.word("axis", &super::structure::keys::AXES)?.map_or(1, |axis| axis.value);
        Ok(SoftnessFile {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.value,
            samples,
            mobility,
            features,
            inherent,
            training,
            scan,
            others,
            axis,
        })
    }

    /// A path written in this file, relative to its folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }
}

fn read_sample(table: &Table<'_>) -> Result<SampleTable, InputError> {
    table.only(&[
        "name",
        "material",
        "trajectory",
        "trajectories",
        "temperature",
        "train",
        "phase",
        "structure",
    ])?;
    let name = table.require("name", "name = \"glass\"", table.string("name")?)?;
    super::refuse_unsafe_name(table, &name)?;
    let trajectory = match (table.string("trajectory")?, table.strings("trajectories")?) {
        (Some(_), Some(_)) => {
            return Err(table.refuse("trajectories", "\"trajectory\" is there already: give one"));
        }
        (Some(one), None) => vec![one],
        (None, all) => {
            let all = all.filter(|all| !all.is_empty());
            table.require("trajectory", "trajectory = \"glass.extxyz\"", all)?
        }
    };
    let material = table.string("material")?;
    Ok(SampleTable {
        material: material.map_or_else(|| name.value.clone(), |material| material.value),
        name: name.value,
        trajectory,
        temperature: positive_quantity(table, "temperature", Kind::Temperature)?.map(|t| t.value),
        train: table.boolean("train")?.is_none_or(|train| train.value),
        phase: table.string("phase")?.map(|phase| phase.value),
        structure: table.string("structure")?,
    })
}

fn elements(table: &Table<'_>, key: &str) -> Result<Vec<String>, InputError> {
    let found = table.strings(key)?.unwrap_or_default();
    Ok(found.into_iter().map(|one| one.value).collect())
}

/// Settings, label and threshold.
fn read_mobility(
    table: Option<&Table<'_>>,
    species: &str,
) -> Result<(MobilitySettings, Label, Threshold), InputError> {
    let mut settings = MobilitySettings::new(species);
    let (mut label, mut threshold) = (Label::CumulativeD2min, Threshold::Median { gap: 0.2 });
    let Some(table) = table else { return Ok((settings, label, threshold)) };
    table.only(&[
        "label",
        "interval",
        "window",
        "skip",
        "cutoff",
        "neighbors",
        "norm",
        "hop_time",
        "framework",
        "threshold",
        "gap",
    ])?;
    for (key, into) in [
        ("interval", &mut settings.interval),
        ("window", &mut settings.window),
        ("hop_time", &mut settings.hop_time),
    ] {
        if let Some(time) = positive_quantity(table, key, Kind::Time)? {
            *into = time.value;
        }
    }
    if let Some(skip) = table.quantity("skip", Kind::Time)? {
        if skip.value < 0.0 {
            return Err(table.refuse("skip", format!("it is negative: {} fs", skip.value)));
        }
        settings.skip = skip.value;
    }
    if let Some(cutoff) = positive_quantity(table, "cutoff", Kind::Length)? {
        settings.cutoff = cutoff.value;
    }
    settings.neighbors = elements(table, "neighbors")?;
    settings.framework = elements(table, "framework")?;
    if let Some(norm) = table.word("norm", &[("sum", Norm::Sum), ("mean", Norm::Mean)])? {
        settings.norm = norm.value;
    }
    let words = [
        ("d2min_cumulative", Label::CumulativeD2min),
        ("d2min_window", Label::WholeD2min),
        ("p_hop", Label::Hop),
        ("displacement", Label::Displacement),
    ];
    if let Some(found) = table.word("label", &words)? {
        label = found.value;
    }
    if let Some(value) = table.number("threshold")? {
        if table.has("gap") {
            let message = "with a threshold nothing is left out around the median";
            return Err(table.refuse("gap", message));
        }
        threshold = Threshold::Value { value: value.value };
    } else if let Some(gap) = table.number("gap")? {
        if !(0.0..1.0).contains(&gap.value) {
            let message =
                format!("expected a share from 0 up to but not with 1, found {}", gap.value);
            return Err(table.refuse("gap", message));
        }
        threshold = Threshold::Median { gap: gap.value };
    }
    let steps = settings.window / settings.interval;
    if (steps - steps.round()).abs() > 1e-6 * steps {
        let message = format!(
            "expected a whole number of intervals of {} fs, found {} fs",
            settings.interval, settings.window
        );
        return Err(table.refuse("window", message));
    }
    if settings.steps() < 2 * (settings.hop_time / settings.interval).round() as usize
        && label == Label::Hop
    {
        let message = "a window must hold twice that time, before and after a hop";
        return Err(table.refuse("hop_time", message));
    }
    Ok((settings, label, threshold))
}

/// Settings, snapshot and the model that minimises.
fn read_features(
    table: Option<&Table<'_>>,
    species: &str,
) -> Result<(FeatureSettings, Snapshot, Option<Located<String>>), InputError> {
    let mut settings = FeatureSettings::new(species, &[]);
    let Some(table) = table else { return Ok((settings, Snapshot::Thermal, None)) };
    table.only(&[
        "shape",
        "dr",
        "sigma",
        "cutoff",
        "elements",
        "angular",
        "angular_cutoff",
        "structures",
        "average",
        "model",
    ])?;
    for (key, into) in [
        ("dr", &mut settings.dr),
        ("cutoff", &mut settings.cutoff),
        ("angular_cutoff", &mut settings.angular_cutoff),
    ] {
        if let Some(length) = positive_quantity(table, key, Kind::Length)? {
            *into = length.value;
        }
    }
    let gaussian = table.word("shape", &[("gaussian", true), ("shell", false)])?;
    let sigma = positive_quantity(table, "sigma", Kind::Length)?;
    settings.shape = if gaussian.is_none_or(|found| found.value) {
        Shape::Gaussian { sigma: sigma.map_or(settings.dr, |sigma| sigma.value) }
    } else if sigma.is_some() {
        return Err(table.refuse("sigma", "shells have no width but dr"));
    } else {
        Shape::Shell
    };
    settings.elements = elements(table, "elements")?;
    for one in table.tables("angular")? {
        one.only(&["xi", "lambda", "zeta"])?;
        let xi = positive_quantity(&one, "xi", Kind::Length)?;
        let lambda = one.require("lambda", "lambda = 1", one.integer("lambda")?)?.value;
        if lambda.abs() != 1 {
            return Err(one.refuse("lambda", format!("expected 1 or -1, found {lambda}")));
        }
        settings.angular.push(Angular {
            xi: one.require("xi", "xi = \"4 A\"", xi)?.value,
            lambda: lambda as f64,
            zeta: one.require("zeta", "zeta = 2", one.number("zeta")?)?.value,
        });
    }
    settings.check_without_elements().map_err(|error| table.refuse("dr", error.to_string()))?;
    let words = [("thermal", 0), ("averaged", 1), ("inherent", 2)];
    let structures = table.word("structures", &words)?.map_or(0, |found| found.value);
    let average = positive_quantity(table, "average", Kind::Time)?;
    let model = table.string("model")?;
    if average.is_some() && structures != 1 {
        return Err(table.refuse("average", "only structures = \"averaged\" takes a time"));
    }
    if model.is_some() && structures != 2 {
        return Err(table.refuse("model", "only structures = \"inherent\" takes a model"));
    }
    Ok(match structures {
        1 => {
            let time = table.require("average", "average = \"1 ps\"", average)?.value;
            (settings, Snapshot::Averaged { time }, None)
        }
        2 => {
            let model = table.require("model", "model = \"builtin:li-p-s\"", model)?;
            (settings, Snapshot::Thermal, Some(model))
        }
        _ => (settings, Snapshot::Thermal, None),
    })
}

fn read_classifier(
    table: Option<&Table<'_>>,
    settings: &mut TrainingSettings,
) -> Result<(), InputError> {
    let Some(table) = table else { return Ok(()) };
    table.only(&["loss", "penalty", "balanced", "c", "grid"])?;
    let losses = [("logistic", Loss::Logistic), ("squared_hinge", Loss::SquaredHinge)];
    if let Some(loss) = table.word("loss", &losses)? {
        settings.loss = loss.value;
    }
    if let Some(penalty) = table.word("penalty", &[("l2", Penalty::L2), ("l1", Penalty::L1)])? {
        settings.penalty = penalty.value;
    }
    if let Some(balanced) = table.boolean("balanced")? {
        settings.balanced = balanced.value;
    }
    settings.c = positive_number(table, "c")?;
    if let Some(grid) = positives(table, "grid")? {
        settings.grid = grid;
    }
    Ok(())
}

fn read_validation(
    table: Option<&Table<'_>>,
    settings: &mut TrainingSettings,
) -> Result<(), InputError> {
    let Some(table) = table else { return Ok(()) };
    table.only(&["folds", "inner_folds", "bootstraps", "permutations"])?;
    for (key, into, least, most) in [
        ("folds", &mut settings.folds, 2, 100),
        ("inner_folds", &mut settings.inner_folds, 2, 100),
        ("bootstraps", &mut settings.bootstraps, 0, 10_000),
        ("permutations", &mut settings.permutations, 0, 10_000),
    ] {
        if let Some(count) = table.count(key)? {
            if !(least..=most).contains(&count.value) {
                let message = format!("expected {least} to {most}, found {}", count.value);
                return Err(table.refuse(key, message));
            }
            *into = count.value as usize;
        }
    }
    Ok(())
}

/// Scans are made unless the table says `off = true`.
fn read_scan(table: Option<&Table<'_>>) -> Result<Option<ScanSettings>, InputError> {
    let mut settings = ScanSettings::default();
    let Some(table) = table else { return Ok(Some(settings)) };
    table.only(&[
        "off",
        "c",
        "thresholds",
        "dr",
        "cutoff",
        "most_rows",
        "intervals",
        "d2min_cutoffs",
    ])?;
    if table.boolean("off")?.is_some_and(|off| off.value) {
        return Ok(None);
    }
    if let Some(c) = positives(table, "c")? {
        settings.c = c;
    }
    if let Some(shares) = positives(table, "thresholds")? {
        if let Some(wrong) = shares.iter().find(|share| **share >= 1.0) {
            let message = format!("expected shares of the ions between 0 and 1, found {wrong}");
            return Err(table.refuse("thresholds", message));
        }
        settings.thresholds = shares;
    }
    for (key, into) in [("dr", &mut settings.dr), ("cutoff", &mut settings.cutoff)] {
        let Some(found) = table.quantities(key, Kind::Length)? else { continue };
        if let Some(wrong) = found.iter().find(|length| length.value <= 0.0) {
            let message = format!("expected lengths above zero, found {} Å", wrong.value);
            return Err(table.refuse_at(wrong.line, key, message));
        }
        *into = rising(found.into_iter().map(|length| length.value).collect());
    }
    if let Some(rows) = table.count("most_rows")? {
        settings.most_rows = rows.value.max(1) as usize;
    }
    Ok(Some(settings))
}

/// Numbers above zero, in rising order.
fn positives(table: &Table<'_>, key: &str) -> Result<Option<Vec<f64>>, InputError> {
    let Some(list) = table.numbers(key)? else { return Ok(None) };
    if list.is_empty() || list.iter().any(|x| x.value <= 0.0) {
        return Err(table.refuse(key, "expected numbers above zero, for example [0.01, 0.1, 1.0]"));
    }
    Ok(Some(rising(list.into_iter().map(|x| x.value).collect())))
}

fn rising(mut list: Vec<f64>) -> Vec<f64> {
    list.sort_unstable_by(f64::total_cmp);
    list.dedup();
    list
}

/// D²min with other intervals (twice and five times as long where they divide the window), other cut-offs (one ångström less and more), and the other norm.
fn read_others(
    table: Option<&Table<'_>>,
    settings: &MobilitySettings,
) -> Result<Vec<(String, MobilitySettings)>, InputError> {
    let MobilitySettings { interval, window, cutoff, norm, .. } = *settings;
    let given = |key: &str, kind: Kind| -> Result<Option<Vec<f64>>, InputError> {
        let list = table.map(|table| table.quantities(key, kind)).transpose()?.flatten();
        Ok(list.map(|list| list.into_iter().map(|one| one.value).collect()))
    };
    let divides = |other: f64| {
        let steps = window / other;
        other > 0.0 && (steps - steps.round()).abs() < 1e-6 * steps && steps.round() >= 1.0
    };
    let mut others = Vec::new();
    let intervals = match given("intervals", Kind::Time)? {
        Some(intervals) => {
            if let (Some(wrong), Some(table)) = (intervals.iter().find(|t| !divides(**t)), table) {
                let message = format!("the window of {window} fs is no whole number of {wrong} fs");
                return Err(table.refuse("intervals", message));
            }
            intervals
        }
        None => [2.0, 5.0].map(|k| k * interval).into_iter().filter(|t| divides(*t)).collect(),
    };
    for other in intervals {
        let name = format!("D_cum, interval {other} fs");
        others.push((name, MobilitySettings { interval: other, ..settings.clone() }));
    }
    let cutoffs = given("d2min_cutoffs", Kind::Length)?;
    for other in cutoffs.unwrap_or_else(|| vec![cutoff - 1.0, cutoff + 1.0]) {
        if let (true, Some(table)) = (other <= 0.0, table) {
            return Err(table.refuse("d2min_cutoffs", format!("{other} Å is not above zero")));
        }
        let name = format!("D_cum, neighbours within {other} Å");
        others.push((name, MobilitySettings { cutoff: other, ..settings.clone() }));
    }
    let (other, name) = match norm {
        Norm::Sum => (Norm::Mean, "D_cum, mean over neighbours"),
        Norm::Mean => (Norm::Sum, "D_cum, sum over neighbours"),
    };
    others.push((name.into(), MobilitySettings { norm: other, ..settings.clone() }));
    others.retain(|(_, settings)| settings.cutoff > 0.0);
    Ok(others)
}
