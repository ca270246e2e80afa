//! The training file of an iteration, from the learn file and the labels at hand.

use crate::error::InputError;
use crate::run_file::LearnFile;
use std::path::PathBuf;

/// A system of labels and how its frames weigh.
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) weight: f64,
}

/// Text of a training file: network, batches and validation as in the learn file, stages of the first or
/// of later trainings, data of `[[data]]` and the labels of the store.
pub(super) fn compose(
    file: &LearnFile,
    retrain: bool,
    labels: &[Part],
    initial: &[Part],
) -> Result<String, InputError> {
    let given: toml::Table = file.text.parse().map_err(|error: toml::de::Error| {
        InputError::Usage(format!("{}: {}", file.path.display(), error.message()))
    })?;
    let mut out = toml::Table::new();
    out.insert("format".into(), 1.into());
    out.insert("name".into(), file.name.clone().into());
    out.insert("seed".into(), i64::try_from(file.seed).unwrap_or(i64::MAX).into());
    let species: Vec<toml::Value> = file.species.iter().map(|s| s.clone().into()).collect();
    out.insert("species".into(), species.into());
    for key in ["precision", "network", "batch", "validation"] {
        if let Some(value) = given.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    if let Some(stages) = given.get(if retrain { "retrain" } else { "stage" }) {
        let stages = match stages {
            toml::Value::Array(_) => stages.clone(),
            table => toml::Value::Array(vec![table.clone()]),
        };
        out.insert("stage".into(), stages);
    }
    let mut data = Vec::new();
    for part in initial.iter().chain(labels) {
        let mut table = toml::Table::new();
        table.insert("path".into(), part.path.display().to_string().into());
        table.insert("weight".into(), part.weight.into());
        data.push(toml::Value::Table(table));
    }
    out.insert("data".into(), data.into());
    Ok(toml::to_string(&out).expect("a table of plain values"))
}
