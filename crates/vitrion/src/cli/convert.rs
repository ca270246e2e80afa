//! `vitrion convert`: structures, trajectories, data sets and models from one format to another.

use super::output::{print, print_json};
use super::{ReadArguments, format, refuse_existing};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::inputs;
use vitrion_core::io::{self, CreateOptions, Format};

/// Convert structures, trajectories, data sets and models
#[allow(clippy::struct_excessive_bools)] // flags of the command line
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to read; a model ends in .safetensors, .dp, .yaml, .json or .pb, or is builtin:li-p-s or builtin:li-p-s-fast
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// What to write; the ending chooses the format
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    read: ReadArguments,
    /// Format of the output, if its name does not tell
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    to: Option<Format>,
    /// Store arrays as f32 (deepmd formats)
    #[arg(long)]
    single_precision: bool,
    /// Replace the card of a model by this JSON file (name, description, software, provenance,
    /// errors, limitations, notes)
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Keep only every N-th frame, the first included
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    /// Keep only the last frame
    #[arg(long, conflicts_with = "every")]
    last: bool,
    /// Replace OUT if it exists
    #[arg(long)]
    overwrite: bool,
    /// What was read and written, as JSON
    #[arg(long)]
    json: bool,
}

/// What was read and written.
#[derive(Serialize)]
struct Converted<'a> {
    read: &'a Path,
    written: &'a Path,
    /// "model" or "frames".
    kind: &'static str,
    frames_read: usize,
    frames_written: usize,
    /// Of the last frame, or the number of parameters of a model.
    atoms: usize,
    formula: String,
}

pub(super) fn convert(arguments: &Arguments) -> Result<(), Error> {
    if arguments.every == 0 {
        return Err(InputError::Usage("--every must be at least 1".to_owned()).into());
    }
    refuse_existing(&arguments.output, arguments.overwrite)?;
    let converted = if is_model(&arguments.input) {
        convert_model(arguments)?
    } else {
        convert_frames(arguments)?
    };
    if arguments.json {
        print_json(&converted);
    } else if converted.kind == "model" {
        print(&format!(
            "{} → {}: model of {} with {} parameters",
            converted.read.display(),
            converted.written.display(),
            converted.formula,
            converted.atoms
        ));
    } else {
        print(&format!(
            "{} → {}: {} of {} frame(s), {} ({} atoms)",
            converted.read.display(),
            converted.written.display(),
            converted.frames_written,
            converted.frames_read,
            converted.formula,
            converted.atoms
        ));
    }
    Ok(())
}

/// True for names that only models have.
pub(super) fn is_model(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    path.to_string_lossy().starts_with("builtin:")
        || ["safetensors", "dp", "hlo", "yaml", "yml", "json", "pb", "pth", "pt", "pt2"]
            .contains(&ending)
}

fn convert_model(arguments: &Arguments) -> Result<Converted<'_>, InputError> {
    let name = arguments.input.to_string_lossy();
    let (mut model, _) = inputs::model(&name, &arguments.input).map_err(InputError::Usage)?;
    if let Some(path) = &arguments.card {
        let trouble = |error: &dyn std::fmt::Display| {
            InputError::Usage(format!("{}: not a model card: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| trouble(&error))?;
        model.card = serde_json::from_str(&text).map_err(|error| trouble(&error))?;
    }
    model.save(&arguments.output).map_err(|error| InputError::Usage(error.to_string()))?;
    Ok(Converted {
        read: &arguments.input,
        written: &arguments.output,
        kind: "model",
        frames_read: 0,
        frames_written: 0,
        atoms: model.parameters(),
        formula: model.species.symbols().join(", "),
    })
}

fn convert_frames(arguments: &Arguments) -> Result<Converted<'_>, InputError> {
    let source = io::open(&arguments.input, &arguments.read.options())?;
    let options = CreateOptions {
        format: arguments.to,
        overwrite: arguments.overwrite,
        single_precision: arguments.single_precision,
    };
    let mut sink = io::create(&arguments.output, &options)?;
    let (mut frames_read, mut frames_written) = (0, 0);
    let mut last = None;
    for frame in source {
        let frame = frame?;
        if !arguments.last && frames_read % arguments.every == 0 {
            sink.write(&frame)?;
            frames_written += 1;
        }
        frames_read += 1;
        last = Some(frame);
    }
    let Some(last) = last else {
        let message = format!("{}: the file holds no frame", arguments.input.display());
        return Err(InputError::Usage(message));
    };
    if arguments.last {
        sink.write(&last)?;
        frames_written = 1;
    }
    sink.finish()?;
    Ok(Converted {
        read: &arguments.input,
        written: &arguments.output,
        kind: "frames",
        frames_read,
        frames_written,
        atoms: last.structure.len(),
        formula: last.structure.formula(),
    })
}
