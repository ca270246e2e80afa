//! `vitrion eval`: a model against labelled frames.

use super::ReadArguments;
use super::output::{print, print_json, table};
use super::predict::{evaluate, load};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion_core::{Evaluation, Frame, io};

/// Errors of a model against labelled frames, per file and in all
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model file or builtin:li-p-s
    #[arg(value_name = "MODEL")]
    model: String,
    /// Labelled frames: extended XYZ or deepmd/npy systems
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Arithmetic: double, mixed or reference (slow, follows the equations)
    #[arg(long, default_value = "double", value_parser = ["double", "mixed", "reference"])]
    precision: String,
    /// Evaluate the embedding nets themselves instead of their tables (slow)
    #[arg(long)]
    exact: bool,
    /// The table as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Evaluated {
    systems: Vec<Row>,
    total: Row,
}

/// Root mean square errors; `None` without labels of that kind.
#[derive(Serialize)]
struct Row {
    name: String,
    frames: usize,
    /// Atoms of all frames.
    atoms: usize,
    rmse_energy_mev_per_atom: Option<f64>,
    #[serde(rename = "rmse_force_mev_per_A")]
    rmse_force_mev_per_a: Option<f64>,
    rmse_virial_mev_per_atom: Option<f64>,
}

/// Sums of squares and how many.
#[derive(Clone, Copy, Default)]
struct Squares {
    sum: f64,
    count: usize,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    frames: usize,
    atoms: usize,
    energy: Squares,
    force: Squares,
    virial: Squares,
}

pub(super) fn eval(arguments: &Arguments) -> Result<(), Error> {
    let mut potential = load(&arguments.model, &arguments.precision, arguments.exact)?;
    let mut total = Sums::default();
    let mut systems = Vec::new();
    for path in &arguments.data {
        let mut sums = Sums::default();
        let source = io::open(path, &arguments.read.options()).map_err(InputError::Io)?;
        for (number, frame) in source.enumerate() {
            let frame = frame.map_err(InputError::Io)?;
            if frame.labels.is_empty() {
                let message = format!(
                    "{}, frame {}: it has neither energy nor forces nor virial to compare with",
                    path.display(),
                    number + 1
                );
                return Err(InputError::Usage(message).into());
            }
            sums.add(&frame, &evaluate(&mut *potential, &frame, path, number)?);
        }
        total.merge(sums);
        systems.push(sums.row(path.display().to_string()));
    }
    let result = Evaluated { systems, total: total.row("total".to_owned()) };
    if arguments.json {
        print_json(&result);
    } else {
        print(&described(&result));
    }
    Ok(())
}

impl Squares {
    fn add(&mut self, difference: f64) {
        self.sum += difference * difference;
        self.count += 1;
    }

    fn merge(&mut self, other: Squares) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// In thousandths: eV → meV.
    fn root_mean(self) -> Option<f64> {
        (self.count > 0).then(|| 1e3 * (self.sum / self.count as f64).sqrt())
    }
}

impl Sums {
    fn add(&mut self, frame: &Frame, found: &Evaluation) {
        let atoms = frame.structure.len();
        self.frames += 1;
        self.atoms += atoms;
        if let Some(energy) = frame.labels.energy {
            self.energy.add((found.energy - energy) / atoms as f64);
        }
        for (f, label) in found.forces.iter().zip(frame.labels.forces.iter().flatten()) {
            (0..3).for_each(|k| self.force.add(f[k] - label[k]));
        }
        for (row, label) in found.virial.iter().zip(frame.labels.virial.iter().flatten()) {
            (0..3).for_each(|k| self.virial.add((row[k] - label[k]) / atoms as f64));
        }
    }

    fn merge(&mut self, other: Sums) {
        self.frames += other.frames;
        self.atoms += other.atoms;
        self.energy.merge(other.energy);
        self.force.merge(other.force);
        self.virial.merge(other.virial);
    }

    fn row(self, name: String) -> Row {
        Row {
            name,
            frames: self.frames,
            atoms: self.atoms,
            rmse_energy_mev_per_atom: self.energy.root_mean(),
            rmse_force_mev_per_a: self.force.root_mean(),
            rmse_virial_mev_per_atom: self.virial.root_mean(),
        }
    }
}

fn described(result: &Evaluated) -> String {
    let heading =
        ["system", "frames", "atoms", "energy [meV/atom]", "force [meV/Å]", "virial [meV/atom]"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    for row in result.systems.iter().chain([&result.total]) {
        rows.push(vec![
            row.name.clone(),
            row.frames.to_string(),
            row.atoms.to_string(),
            number(row.rmse_energy_mev_per_atom),
            number(row.rmse_force_mev_per_a),
            number(row.rmse_virial_mev_per_atom),
        ]);
    }
    format!("Root mean square errors\n{}", table(&rows))
}
