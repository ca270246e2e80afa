//! `vitrion build`: structures from nothing.

use super::output::{complain, print, print_json, table};
use super::refuse_existing;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::{Error, InputError};
use vitrion_core::build::composition::Composition;
use vitrion_core::build::packing::{LeastDistances, pack};
use vitrion_core::io::{self, CreateOptions};
use vitrion_core::neighbors::closest_pair;
use vitrion_core::units::{self, Kind};
use vitrion_core::{Cell, Frame, SpeciesTable, elements};

/// Structures from nothing
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Packing(PackingArguments),
}

/// Atoms of a composition at random in a cube, pushed apart: what a melt starts from
#[derive(Args)]
struct PackingArguments {
    /// For example Li3PS4, Li7(PS4)2Cl or 75Li2S-25P2S5
    #[arg(value_name = "FORMULA")]
    formula: String,
    /// Number of atoms: whole formula units only
    #[arg(long, value_name = "N")]
    atoms: u64,
    /// For example "1.85 g/cm3"
    #[arg(long, value_name = "DENSITY")]
    density: String,
    /// Where to write, for example start.extxyz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Of the random positions
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Least distance of a pair, for example S-S=2.8 [Å] (may be repeated) [default: from covalent
    /// radii, like charges further apart]
    #[arg(long, value_name = "A-B=DISTANCE", value_parser = distance)]
    distance: Vec<(String, String, f64)>,
    /// Accept a composition whose usual oxidation numbers do not add up to zero
    #[arg(long)]
    charged: bool,
    /// Replace FILE if it exists
    #[arg(long)]
    overwrite: bool,
    /// As JSON, in Å
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Built {
    file: PathBuf,
    formula: String,
    atoms: usize,
    density_g_per_cm3: f64,
    edge_a: f64,
    /// Distance of the closest two atoms.
    closest_pair_a: Option<f64>,
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

pub(super) fn build(arguments: &Arguments) -> Result<(), Error> {
    match &arguments.what {
        What::Packing(arguments) => packing(arguments),
    }
}

fn packing(arguments: &PackingArguments) -> Result<(), Error> {
    refuse_existing(&arguments.out, arguments.overwrite)?;
    let refused = |message: String| Error::from(InputError::Usage(message));
    let composition = Composition::parse(&arguments.formula).map_err(|e| refused(e.to_string()))?;
    check_charge(&composition, arguments.charged)?;
    let counts = composition.counts(arguments.atoms).map_err(|e| refused(e.to_string()))?;
    let text = &arguments.density;
    let density = units::parse(text, Kind::Density)
        .map_err(|error| refused(format!("--density \"{text}\": {error}")))?;
    if !(density > 0.0 && density.is_finite()) {
        return Err(refused(format!("--density \"{text}\": it must be positive")));
    }
    let mass: f64 = counts
        .iter()
        .filter_map(|(symbol, n)| Some(elements::by_symbol(symbol)?.mass * *n as f64))
        .sum();
    let edge = (mass / density).cbrt();
    let cell = Cell::orthorhombic([edge; 3]).map_err(|error| refused(error.to_string()))?;
    let counts: Vec<(&str, usize)> =
        counts.iter().map(|(symbol, n)| (symbol.as_str(), *n as usize)).collect();
    let symbols: Vec<&str> = counts.iter().map(|(symbol, _)| *symbol).collect();
    let known = SpeciesTable::new(&symbols).map_err(|error| refused(error.to_string()))?;
    for symbol in arguments.distance.iter().flat_map(|(a, b, _)| [a, b]) {
        if known.id(symbol).is_none() {
            let message =
                format!("--distance names {symbol}, which is not in {}", arguments.formula);
            return Err(refused(message));
        }
    }
    let given: Vec<(&str, &str, f64)> =
        arguments.distance.iter().map(|(a, b, d)| (a.as_str(), b.as_str(), *d)).collect();
    let least =
        LeastDistances::new(&symbols, &given).map_err(|error| refused(error.to_string()))?;
    let structure =
        pack(cell, &counts, &least, arguments.seed).map_err(|error| refused(error.to_string()))?;
    let options = CreateOptions { overwrite: arguments.overwrite, ..CreateOptions::default() };
    let closest = closest_pair(&structure.cell, &structure.positions, 4.0);
    let built = Built {
        file: arguments.out.clone(),
        formula: structure.formula(),
        atoms: structure.len(),
        density_g_per_cm3: structure.density_g_per_cm3(),
        edge_a: edge,
        closest_pair_a: closest.map(|(_, _, distance)| distance),
    };
    let mut sink = io::create(&arguments.out, &options).map_err(InputError::Io)?;
    sink.write(&Frame::from(structure))?;
    sink.finish()?;
    if arguments.json {
        print_json(&built);
    } else {
        let closest = built.closest_pair_a.map_or("–".to_owned(), |d| format!("{d:.3}"));
        let rows = [
            ["file", "formula", "atoms", "density [g/cm³]", "edge [Å]", "closest pair [Å]"]
                .map(str::to_owned)
                .to_vec(),
            vec![
                built.file.display().to_string(),
                built.formula,
                built.atoms.to_string(),
                format!("{:.4}", built.density_g_per_cm3),
                format!("{:.4}", built.edge_a),
                closest,
            ],
        ];
        print(&table(&rows));
    }
    Ok(())
}

fn check_charge(composition: &Composition, accepted: bool) -> Result<(), InputError> {
    let found = match composition.charge() {
        Ok(0) => return Ok(()),
        Ok(charge) => format!("has a charge of {charge:+} by usual oxidation numbers"),
        Err(symbol) => format!("cannot be balanced: {symbol} has no usual oxidation number"),
    };
    let formula = composition.formula();
    if accepted {
        complain(&format!("note: {formula} {found}"));
        return Ok(());
    }
    let hint = "correct the formula, or say --charged if it is meant so";
    Err(InputError::Usage(format!("{formula} {found}; {hint}")))
}
