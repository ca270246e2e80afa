//! Out of the store: deepmd/npy for training, extended XYZ for everybody.

use super::LabelRecord;
use crate::error::InputError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vitrion_core::Frame;
use vitrion_core::io::{self, CreateOptions, Format, IoError};

/// Writes labelled frames: a name that ends in `.extxyz` (`.gz` and `.zst` too) is one file, any other
/// name a folder with a deepmd/npy system per composition.
///
/// # Errors
/// Nothing to write, something that exists, a disk that is full.
pub fn write_frames(
    records: &[&LabelRecord],
    path: &Path,
    overwrite: bool,
) -> Result<Vec<PathBuf>, InputError> {
    if records.is_empty() {
        return Err(InputError::Usage("there are no labels to write".to_owned()));
    }
    if Format::of_name(path) == Some(Format::ExtXyz) {
        let options = CreateOptions { overwrite, ..CreateOptions::default() };
        let mut sink = io::create(path, &options)?;
        for record in records {
            sink.write(&frame(record)?)?;
        }
        sink.finish()?;
        return Ok(vec![path.to_owned()]);
    }
    if path.exists() && !overwrite {
        return Err(InputError::Exists { path: path.to_owned() });
    }
    deepmd_systems(records, path)
}

/// One deepmd/npy system per composition below `folder`; systems that are there are replaced.
///
/// # Errors
/// A disk that is full or a folder that cannot be written.
pub fn deepmd_systems(records: &[&LabelRecord], folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    // frames of a system have the same atoms in the same order and the same kinds of labels
    let mut systems: BTreeMap<String, Vec<Frame>> = BTreeMap::new();
    let mut orders: Vec<(String, Vec<String>, bool)> = Vec::new();
    for record in records {
        let frame = frame(record)?;
        let formula = frame.structure.formula();
        let same = |(f, symbols, virial): &(String, Vec<String>, bool)| {
            *f == formula && *symbols == record.symbols && *virial == record.virial.is_some()
        };
        let known = orders.iter().position(same);
        let number = known.unwrap_or_else(|| {
            orders.push((formula.clone(), record.symbols.clone(), record.virial.is_some()));
            orders.len() - 1
        });
        let earlier = orders[..number].iter().filter(|(f, ..)| *f == formula).count();
        let name = if earlier == 0 { formula } else { format!("{formula}-{}", earlier + 1) };
        systems.entry(name).or_default().push(frame);
    }
    std::fs::create_dir_all(folder).map_err(InputError::os(folder, "create"))?;
    let options = CreateOptions {
        format: Some(Format::DeepmdNpy),
        overwrite: true,
        ..CreateOptions::default()
    };
    let mut written = Vec::new();
    for (name, frames) in &systems {
        let path = folder.join(name);
        let mut sink = io::create(&path, &options)?;
        frames.iter().try_for_each(|frame| sink.write(frame))?;
        sink.finish()?;
        written.push(path);
    }
    Ok(written)
}

fn frame(record: &LabelRecord) -> Result<Frame, InputError> {
    record.frame().map_err(|message| {
        let place = Path::new("label store");
        IoError::invalid(place, format!("record {}: {message}", &record.key[..8]), None).into()
    })
}
