//! `vitrion build`: structures from nothing, or from smaller ones.

mod crystal;
mod glass_ceramic;
mod packing;

use super::output::{print, print_json, table};
use super::{ReadArguments, quantity};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion_core::build::packing::LeastDistances;
use vitrion_core::io::{self, CreateOptions};
use vitrion_core::neighbors::closest_pair;
use vitrion_core::units::Kind;
use vitrion_core::{Frame, SpeciesTable, Structure, phases};

/// Structures from nothing, or from smaller ones
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Crystal(crystal::Arguments),
    #[command(visible_alias = "glass")]
    Packing(packing::Arguments),
    GlassCeramic(glass_ceramic::Arguments),
}

pub(super) fn build(arguments: &Arguments) -> Result<(), Error> {
    match &arguments.what {
        What::Crystal(arguments) => crystal::build(arguments),
        What::Packing(arguments) => packing::build(arguments),
        What::GlassCeramic(arguments) => glass_ceramic::build(arguments),
    }
}

/// Where a crystal comes from.
#[derive(Args)]
struct Source {
    /// The crystal: a structure file, or builtin:beta-li3ps4
    #[arg(value_name = "STRUCTURE")]
    structure: String,
    #[command(flatten)]
    read: ReadArguments,
}

/// Where the structure goes.
#[derive(Args)]
struct Target {
    /// Where to write, for example start.extxyz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace FILE if it exists
    #[arg(long)]
    overwrite: bool,
    /// As JSON, in Å
    #[arg(long)]
    json: bool,
}

/// How close atoms of a random packing may be.
#[derive(Args)]
struct Distances {
    /// Least distance of a pair, for example S-S=2.8 [Å] (may be repeated) [default: from covalent
    /// radii, like charges further apart]
    #[arg(long, value_name = "A-B=DISTANCE", value_parser = distance)]
    distance: Vec<(String, String, f64)>,
}

#[derive(Serialize)]
struct Built {
    file: PathBuf,
    formula: String,
    atoms: usize,
    density_g_per_cm3: f64,
    /// Lengths and angles of the cell.
    cell_a: [f64; 3],
    cell_deg: [f64; 3],
    /// Distance of the closest two atoms, if there are any within 4 Å.
    closest_pair_a: Option<f64>,
    /// Atoms of each phase.
    phases: Vec<(String, usize)>,
    /// What the builder has to say, for example the tilt of an oriented cell.
    notes: Vec<String>,
}

impl Distances {
    fn resolve(&self, symbols: &[&str]) -> Result<LeastDistances, InputError> {
        let known = SpeciesTable::new(symbols).map_err(refused)?;
        for symbol in self.distance.iter().flat_map(|(a, b, _)| [a, b]) {
            if known.id(symbol).is_none() {
                let message =
                    format!("--distance names {symbol}, but there is only {}", symbols.join(", "));
                return Err(InputError::Usage(message));
            }
        }
        let given: Vec<(&str, &str, f64)> =
            self.distance.iter().map(|(a, b, d)| (a.as_str(), b.as_str(), *d)).collect();
        LeastDistances::new(symbols, &given).map_err(refused)
    }
}

fn distance(text: &str) -> Result<(String, String, f64), String> {
    let parts =
        text.split_once('=').and_then(|(pair, length)| Some((pair.split_once('-')?, length)));
    let Some(((a, b), length)) = parts else {
        return Err("write the pair and its distance in Å, for example S-S=2.8".to_owned());
    };
    match length.parse() {
        Ok(length) if length > 0.0 && length < 10.0 => Ok((a.to_owned(), b.to_owned(), length)),
        _ => Err(format!("\"{length}\" is not a distance between 0 and 10 Å")),
    }
}

/// A message about what was asked for.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: impl ToString) -> InputError {
    InputError::Usage(error.to_string())
}

/// A positive density [amu/Å³].
fn density(text: &str) -> Result<f64, InputError> {
    let value = quantity("--density", text, Kind::Density)?;
    if value > 0.0 {
        return Ok(value);
    }
    Err(InputError::Usage(format!("--density \"{text}\": it must be positive")))
}

impl Target {
    /// Before the work that would be lost.
    fn check(&self) -> Result<(), InputError> {
        super::refuse_existing(&self.out, self.overwrite)
    }

    /// Writes the structure and says what it is.
    fn write(&self, structure: Structure, notes: Vec<String>) -> Result<(), Error> {
        let closest = closest_pair(&structure.cell, &structure.positions, 4.0);
        let built = Built {
            file: self.out.clone(),
            formula: structure.formula(),
            atoms: structure.len(),
            density_g_per_cm3: structure.density_g_per_cm3(),
            cell_a: structure.cell.lengths(),
            cell_deg: structure.cell.angles(),
            closest_pair_a: closest.map(|(_, _, distance)| distance),
            phases: phases::counts(&structure),
            notes,
        };
        let options = CreateOptions { overwrite: self.overwrite, ..CreateOptions::default() };
        let mut sink = io::create(&self.out, &options).map_err(InputError::Io)?;
        sink.write(&Frame::from(structure))?;
        sink.finish()?;
        if self.json {
            print_json(&built);
        } else {
            print(&described(&built));
        }
        Ok(())
    }
}

fn described(built: &Built) -> String {
    let [a, b, c] = built.cell_a.map(|length| format!("{length:.4}"));
    let [alpha, beta, gamma] = built.cell_deg.map(|angle| format!("{angle:.3}"));
    let closest = built.closest_pair_a.map_or("> 4".to_owned(), |d| format!("{d:.3}"));
    let mut rows = vec![
        vec!["file".to_owned(), built.file.display().to_string()],
        vec!["formula".to_owned(), format!("{} ({} atoms)", built.formula, built.atoms)],
        vec!["density".to_owned(), format!("{:.4} g/cm³", built.density_g_per_cm3)],
        vec!["cell".to_owned(), format!("{a} {b} {c} Å, {alpha} {beta} {gamma}°")],
        vec!["closest pair".to_owned(), format!("{closest} Å")],
    ];
    for (phase, atoms) in &built.phases {
        rows.push(vec![format!("phase {phase}"), format!("{atoms} atoms")]);
    }
    let notes: Vec<&str> = built.notes.iter().flat_map(|note| ["\n", note]).collect();
    format!("{}{}", table(&rows), notes.concat())
}
