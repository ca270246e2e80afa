//! `vitrion predict`: energy, forces and virial of structures.

use super::output::{print, print_json, table};
use super::{Common, ReadArguments, refuse_existing};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::inputs;
use vitrion_core::io::{self, CreateOptions};
use vitrion_core::neighbors::neighbor_list;
use vitrion_core::{Atoms, Evaluation, Frame, Labels, Potential, math};
use vitrion_model::Precision;

/// Energy, forces, virial and atomic energies of structures
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model file or builtin:li-p-s
    #[arg(value_name = "MODEL")]
    model: String,
    /// Structures or trajectories
    #[arg(value_name = "STRUCTURE", required = true)]
    structures: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Arithmetic: double, mixed or reference (slow, follows the equations)
    #[arg(long, default_value = "double", value_parser = ["double", "mixed", "reference"])]
    precision: String,
    /// Also write the frames with their labels, for example labelled.extxyz
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace FILE if it exists
    #[arg(long)]
    overwrite: bool,
    /// Everything as JSON, in eV and Å
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Predictions {
    frames: Vec<Prediction>,
}

/// One frame; [eV], [eV/Å].
#[derive(Serialize)]
struct Prediction {
    file: PathBuf,
    frame: usize,
    formula: String,
    energy: f64,
    forces: Vec<[f64; 3]>,
    virial: [[f64; 3]; 3],
    atom_energies: Vec<f64>,
}

pub(super) fn predict(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    if let Some(out) = &arguments.out {
        refuse_existing(out, arguments.overwrite)?;
    }
    let mut potential = load(&arguments.model, &arguments.precision, common.threads)?;
    let options = CreateOptions { overwrite: arguments.overwrite, ..CreateOptions::default() };
    let mut sink = match &arguments.out {
        Some(out) => Some(io::create(out, &options).map_err(InputError::Io)?),
        None => None,
    };
    let mut frames = Vec::new();
    for path in &arguments.structures {
        let source = io::open(path, &arguments.read.options()).map_err(InputError::Io)?;
        for (number, frame) in source.enumerate() {
            let mut frame = frame.map_err(InputError::Io)?;
            let result = evaluate(&mut *potential, &frame, path, number)?;
            if let Some(sink) = &mut sink {
                frame.labels = Labels {
                    energy: Some(result.energy),
                    forces: Some(result.forces.clone()),
                    virial: Some(result.virial),
                    atom_energies: Some(result.atom_energies.clone()),
                };
                sink.write(&frame)?;
            }
            frames.push(Prediction {
                file: path.clone(),
                frame: number,
                formula: frame.structure.formula(),
                energy: result.energy,
                forces: result.forces,
                virial: result.virial,
                atom_energies: result.atom_energies,
            });
        }
    }
    if let Some(sink) = sink {
        sink.finish()?;
    }
    if arguments.json {
        print_json(&Predictions { frames });
    } else {
        print(&described(&frames));
    }
    Ok(())
}

/// A model by file or builtin name, ready to evaluate.
pub(super) fn load(
    name: &str,
    precision: &str,
    threads: usize,
) -> Result<Box<dyn Potential>, InputError> {
    let (model, _) = inputs::model(name, Path::new(name)).map_err(InputError::Usage)?;
    Ok(match precision {
        "reference" => Box::new(model.reference()),
        "mixed" => Box::new(model.evaluator(Precision::Mixed, threads)),
        _ => Box::new(model.evaluator(Precision::Double, threads)),
    })
}

/// Evaluates frame `number` of a file.
pub(super) fn evaluate(
    potential: &mut dyn Potential,
    frame: &Frame,
    path: &Path,
    number: usize,
) -> Result<Evaluation, Error> {
    let what = format!("{}, frame {}", path.display(), number + 1);
    let structure = &frame.structure;
    let map = structure
        .table
        .map_onto(potential.species())
        .map_err(|error| InputError::Usage(format!("{what}: {error}")))?;
    let species: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
    let list = neighbor_list(&structure.cell, &structure.positions, potential.cutoff());
    let atoms =
        Atoms { positions: &structure.positions, species: &species, n_local: species.len() };
    let mut evaluation = Evaluation::default();
    potential
        .evaluate(atoms, &list, &mut evaluation)
        .map_err(|source| Error::Potential { what, source })?;
    Ok(evaluation)
}

fn described(frames: &[Prediction]) -> String {
    let heading = ["frame", "formula", "energy [eV]", "per atom [eV]", "max force [eV/Å]"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for frame in frames {
        let largest = frame.forces.iter().map(|f| math::norm(*f)).fold(0.0, f64::max);
        rows.push(vec![
            format!("{}:{}", frame.file.display(), frame.frame + 1),
            frame.formula.clone(),
            format!("{:.6}", frame.energy),
            format!("{:.6}", frame.energy / frame.forces.len().max(1) as f64),
            format!("{largest:.4}"),
        ]);
    }
    table(&rows)
}
