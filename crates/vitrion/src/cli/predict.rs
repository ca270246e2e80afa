//! `vitrion predict`: energy, forces and virial of structures.

use super::output::{print, print_json, table};
use super::{ReadArguments, refuse_existing};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::inputs;
use vitrion_core::io::{self, CreateOptions};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Evaluation, Frame, Labels, Potential, SpeciesTable, interactions, math};
use vitrion_model::{Committee, DeepPotential, Precision};

/// Energy, forces, virial and atomic energies of structures
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model file, builtin:li-p-s or builtin:li-p-s-fast
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
    /// Evaluate the embedding nets themselves instead of their tables (slow)
    #[arg(long)]
    exact: bool,
    /// A further member of a committee (may be repeated): also report by how much the members
    /// disagree about forces
    #[arg(long, value_name = "MODEL", conflicts_with = "exact")]
    with: Vec<String>,
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
    /// Disagreement of a committee about the force on each atom.
    #[serde(skip_serializing_if = "Option::is_none")]
    force_deviation: Option<Vec<f64>>,
}

/// One potential, or a committee whose first member predicts.
enum Predictor {
    Single(Box<dyn Potential>),
    Committee(Box<Committee>),
}

pub(super) fn predict(arguments: &Arguments) -> Result<(), Error> {
    if let Some(out) = &arguments.out {
        refuse_existing(out, arguments.overwrite)?;
    }
    let mut predictor = Predictor::new(arguments)?;
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
            let (result, force_deviation) = predictor.evaluate(&frame, path, number)?;
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
                force_deviation,
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
    exact: bool,
) -> Result<Box<dyn Potential>, InputError> {
    let model = deep_potential(name)?;
    if precision == "reference" {
        return Ok(Box::new(model.reference()));
    }
    Ok(Box::new(model.evaluator(arithmetic(precision), inputs::embedding(exact))))
}

fn deep_potential(name: &str) -> Result<DeepPotential, InputError> {
    inputs::model(name, Path::new(name)).map(|(model, _)| model).map_err(InputError::Usage)
}

fn arithmetic(precision: &str) -> Precision {
    if precision == "mixed" { Precision::Mixed } else { Precision::Double }
}

impl Predictor {
    fn new(arguments: &Arguments) -> Result<Self, InputError> {
        let Arguments { model, precision, exact, with, .. } = arguments;
        if with.is_empty() {
            return Ok(Predictor::Single(load(model, precision, *exact)?));
        }
        if precision == "reference" {
            let message = "--with needs --precision double or mixed: the reference evaluates one \
                           model at a time";
            return Err(InputError::Usage(message.to_owned()));
        }
        let names = std::iter::once(model).chain(with);
        let models: Vec<DeepPotential> =
            names.map(|name| deep_potential(name)).collect::<Result<_, _>>()?;
        let members: Vec<&DeepPotential> = models.iter().collect();
        Committee::new(&members, arithmetic(precision))
            .map(|committee| Predictor::Committee(Box::new(committee)))
            .map_err(|error| InputError::Usage(error.to_string()))
    }

    /// What the first member predicts, and how much all disagree about the force on each atom.
    fn evaluate(
        &mut self,
        frame: &Frame,
        path: &Path,
        number: usize,
    ) -> Result<(Evaluation, Option<Vec<f64>>), Error> {
        let committee = match self {
            Predictor::Single(potential) => {
                return evaluate(&mut **potential, frame, path, number).map(|found| (found, None));
            }
            Predictor::Committee(committee) => committee,
        };
        let what = described_frame(path, number);
        let species = species_of(frame, committee.species(), &what)?;
        let structure = &frame.structure;
        let mut list = VerletList::new(committee.cutoff(), 0.0);
        list.update(&structure.cell, &structure.positions);
        let order = list.order();
        let sorted: Vec<u8> = order.iter().map(|atom| species[*atom as usize]).collect();
        let atoms = Atoms { positions: list.positions(), species: &sorted, n_local: sorted.len() };
        committee
            .evaluate(atoms, list.list())
            .map_err(|source| Error::Potential { what, source })?;
        let mut evaluation = Evaluation::default();
        committee.evaluations()[0].reorder(order, &mut evaluation);
        let mut deviation = vec![0.0; order.len()];
        for (atom, found) in order.iter().zip(committee.force_deviation()) {
            deviation[*atom as usize] = *found;
        }
        Ok((evaluation, Some(deviation)))
    }
}

fn described_frame(path: &Path, number: usize) -> String {
    format!("{}, frame {}", path.display(), number + 1)
}

fn species_of(frame: &Frame, known: &SpeciesTable, what: &str) -> Result<Vec<u8>, InputError> {
    let species = frame.structure.species_in(known);
    species.map_err(|error| InputError::Usage(format!("{what}: {error}")))
}

/// Evaluates frame `number` of a file.
pub(super) fn evaluate(
    potential: &mut dyn Potential,
    frame: &Frame,
    path: &Path,
    number: usize,
) -> Result<Evaluation, Error> {
    let what = described_frame(path, number);
    let structure = &frame.structure;
    let species = species_of(frame, potential.species(), &what)?;
    let mut evaluation = Evaluation::default();
    let (cell, positions) = (&structure.cell, &structure.positions);
    interactions::evaluate(potential, cell, positions, &species, &mut evaluation)
        .map_err(|source| Error::Potential { what, source })?;
    Ok(evaluation)
}

fn described(frames: &[Prediction]) -> String {
    let mut heading = vec!["frame", "formula", "energy [eV]", "per atom [eV]", "max force [eV/Å]"];
    if frames.iter().any(|frame| frame.force_deviation.is_some()) {
        heading.extend(["mean deviation [eV/Å]", "max deviation [eV/Å]"]);
    }
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for frame in frames {
        let largest = frame.forces.iter().map(|f| math::norm(*f)).fold(0.0, f64::max);
        rows.push(vec![
            format!("{}:{}", frame.file.display(), frame.frame + 1),
            frame.formula.clone(),
            format!("{:.6}", frame.energy),
            format!("{:.6}", frame.energy / frame.forces.len().max(1) as f64),
            format!("{largest:.4}"),
        ]);
        if let (Some(deviation), Some(row)) = (&frame.force_deviation, rows.last_mut()) {
            let mean = deviation.iter().sum::<f64>() / deviation.len().max(1) as f64;
            let largest = deviation.iter().copied().fold(0.0, f64::max);
            row.extend([format!("{mean:.4}"), format!("{largest:.4}")]);
        }
    }
    table(&rows)
}
