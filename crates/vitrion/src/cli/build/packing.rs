//! `vitrion build packing`: what a melt starts from.

use super::{Distances, Target, density, refused};
use crate::cli::output::complain;
use clap::Args;
use vitrion::error::{Error, InputError};
use vitrion_core::build::composition::Composition;
use vitrion_core::build::packing::pack;
use vitrion_core::{Cell, elements};

/// Atoms of a composition at random in a cube, pushed apart: what a melt starts from
#[derive(Args)]
pub(super) struct Arguments {
    /// For example Li3PS4, Li7(PS4)2Cl or 75Li2S-25P2S5
    #[arg(value_name = "FORMULA")]
    formula: String,
    /// Number of atoms: whole formula units only
    #[arg(long, value_name = "N")]
    atoms: u64,
    /// For example "1.85 g/cm3"
    #[arg(long, value_name = "DENSITY")]
    density: String,
    /// Of the random positions
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Accept a composition whose usual oxidation numbers do not add up to zero
    #[arg(long)]
    charged: bool,
    #[command(flatten)]
    distances: Distances,
    #[command(flatten)]
    target: Target,
}

pub(super) fn build(arguments: &Arguments) -> Result<(), Error> {
    arguments.target.check()?;
    let composition = Composition::parse(&arguments.formula).map_err(refused)?;
    check_charge(&composition, arguments.charged)?;
    let counts = composition.counts(arguments.atoms).map_err(refused)?;
    let density = density(&arguments.density)?;
    let mass: f64 = counts
        .iter()
        .filter_map(|(symbol, n)| Some(elements::by_symbol(symbol)?.mass * *n as f64))
        .sum();
    let cell = Cell::orthorhombic([(mass / density).cbrt(); 3]).map_err(refused)?;
    let counts: Vec<(&str, usize)> =
        counts.iter().map(|(symbol, n)| (symbol.as_str(), *n as usize)).collect();
    let symbols: Vec<&str> = counts.iter().map(|(symbol, _)| *symbol).collect();
    let least = arguments.distances.resolve(&symbols)?;
    let structure = pack(cell, &counts, &least, arguments.seed).map_err(refused)?;
    arguments.target.write(structure, Vec::new())
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
