//! `vitrion eval`: a model against labelled frames.

use super::ReadArguments;
use super::output::{print, print_json, table};
use super::predict::{evaluate, load};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion::training::systems_in;
use vitrion_core::io;
use vitrion_model::train::evaluation::{Errors, Measure, Row};

/// Errors of a model against labelled frames, per file and in all
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model file, builtin:li-p-s or builtin:li-p-s-fast
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

pub(super) fn eval(arguments: &Arguments) -> Result<(), Error> {
    let mut potential = load(&arguments.model, &arguments.precision, arguments.exact)?;
    let table = potential.species().clone();
    let symbols = table.symbols();
    let mut total = Errors::new(symbols.len());
    let mut systems = Vec::new();
    for path in &systems_of(&arguments.data)? {
        let mut errors = Errors::new(symbols.len());
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
            let found = evaluate(&mut *potential, &frame, path, number)?;
            // evaluated, so the potential knows all elements
            let species = frame.structure.species_in(&table).map_err(|e| {
                InputError::Usage(format!("{}, frame {}: {e}", path.display(), number + 1))
            })?;
            errors.add(&species, &frame.labels, &found);
        }
        total.merge(&errors);
        systems.push(errors.row(path.display().to_string(), symbols));
    }
    let result = Evaluated { systems, total: total.row("total".to_owned(), symbols) };
    if arguments.json {
        print_json(&result);
    } else {
        print(&described(&result));
    }
    Ok(())
}

/// Folders of deepmd/npy systems stand for their systems.
fn systems_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, InputError> {
    let mut all = Vec::new();
    for path in paths {
        let found = systems_in(path).map_err(|source| InputError::Os {
            path: path.clone(),
            doing: "read",
            source,
        })?;
        // nothing recognised: the reader says what is wrong with the folder itself
        all.extend(if found.is_empty() { vec![path.clone()] } else { found });
    }
    Ok(all)
}

fn described(result: &Evaluated) -> String {
    error_table(&result.systems, &result.total)
}

/// Root mean square errors by system, then forces by element.
pub(super) fn error_table(rows: &[Row], total: &Row) -> String {
    let heading =
        ["system", "frames", "atoms", "energy [meV/atom]", "force [meV/Å]", "virial [meV/atom]"];
    let mut cells = vec![heading.map(str::to_owned).to_vec()];
    let elements: Vec<&str> = total.elements.iter().map(|(symbol, _)| symbol.as_str()).collect();
    cells[0].extend(elements.iter().map(|symbol| format!("on {symbol}")));
    let number = |value: Option<Measure>| value.map_or("-".into(), |m| format!("{:.3}", m.rmse));
    for row in rows.iter().chain([total]) {
        let mut line = vec![
            row.name.clone(),
            row.frames.to_string(),
            row.atoms.to_string(),
            number(row.energy_mev_per_atom),
            number(row.force_mev_per_a),
            number(row.virial_mev_per_atom),
        ];
        for symbol in &elements {
            let found = row.elements.iter().find(|(element, _)| element == symbol);
            line.push(number(found.map(|(_, measure)| *measure)));
        }
        cells.push(line);
    }
    format!("Root mean square errors\n{}", table(&cells))
}
