//! `vitrion build glass-ceramic`: a crystal slab in a glass to be.

use super::crystal::{copies, prepared};
use super::{Distances, Source, Target, density, refused};
use clap::Args;
use vitrion::error::{Error, InputError};
use vitrion_core::build::glass_ceramic::{from_crystal, glass_ceramic};

/// A crystal slab of a chosen plane and, beside it, what is to be melted around it while it is frozen,
/// quenched and relaxed (phases "crystal" and "glass" label the atoms)
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Share of the atoms that are crystal, for example 0.5
    #[arg(long, value_name = "FRACTION")]
    fraction: f64,
    /// Miller indices of the plane that faces the glass
    #[arg(
        long, value_names = ["H", "K", "L"], num_args = 3, allow_hyphen_values = true,
        default_values_t = [0, 0, 1]
    )]
    plane: Vec<i32>,
    /// Copies of the oriented crystal: two along the faces, the third is the thickness of the slab
    #[arg(long, value_name = "N", num_args = 3, default_values_t = [1, 1, 1])]
    repeat: Vec<usize>,
    /// Density of the glass, for example "1.75 g/cm3" [default: that of the crystal]
    #[arg(long, value_name = "DENSITY")]
    density: Option<String>,
    /// What is melted: more of the crystal, as in the paper, or a random packing of its composition
    #[arg(long, default_value = "crystal", value_parser = ["crystal", "packing"])]
    start: String,
    /// Of the random positions of a packing [default: 1]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    #[command(flatten)]
    distances: Distances,
    #[command(flatten)]
    target: Target,
}

pub(super) fn build(arguments: &Arguments) -> Result<(), Error> {
    arguments.target.check()?;
    let Arguments { source, plane, repeat, .. } = arguments;
    let packing = arguments.start == "packing";
    if !packing && (arguments.seed.is_some() || !arguments.distances.distance.is_empty()) {
        let message = "--seed and --distance belong to --start packing";
        return Err(InputError::Usage(message.to_owned()).into());
    }
    let [a, b, layers] = copies(repeat)?;
    let repeat = [a, b, if packing { layers } else { 1 }];
    let (slab, mut notes) = prepared(source, Some(plane), None, repeat, true)?;
    let density = match &arguments.density {
        Some(text) => density(text)?,
        None => slab.density(),
    };
    let built = if packing {
        let symbols: Vec<&str> = slab.table.symbols().iter().map(String::as_str).collect();
        let least = arguments.distances.resolve(&symbols)?;
        glass_ceramic(&slab, arguments.fraction, density, &least, arguments.seed.unwrap_or(1))
    } else {
        from_crystal(&slab, layers, arguments.fraction, density)
    };
    let built = built.map_err(refused)?;
    notes.push(format!(
        "crystal fraction {:.4}: a slab of {:.2} Å and {:.2} Å to be melted along z",
        built.fraction, built.crystal_thickness, built.glass_thickness
    ));
    arguments.target.write(built.structure, notes)
}
