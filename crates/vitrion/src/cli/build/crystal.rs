//! `vitrion build crystal`: supercells, oriented crystals and slabs, strain.

use super::{Source, Target, refused};
use crate::cli::quantity;
use clap::Args;
use vitrion::error::{Error, InputError};
use vitrion::inputs::structure_called;
use vitrion_core::build::molecules::whole_molecules;
use vitrion_core::build::orient::oriented;
use vitrion_core::build::orthogonal::orthogonal_supercell;
use vitrion_core::build::slab::with_vacuum;
use vitrion_core::build::strain::strained;
use vitrion_core::build::supercell;
use vitrion_core::units::Kind;
use vitrion_core::{Structure, math};

/// A crystal from any structure file: oriented, repeated, strained, with vacuum if asked for
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Copies along each lattice vector, after the orientation
    #[arg(long, value_name = "N", num_args = 3, default_values_t = [1, 1, 1])]
    repeat: Vec<usize>,
    /// Miller indices of the plane that shall lie in xy, its normal along z, for example 1 1 0
    #[arg(long, value_names = ["H", "K", "L"], num_args = 3, allow_hyphen_values = true)]
    plane: Option<Vec<i32>>,
    /// Take the smallest supercell whose lattice vectors are perpendicular, of at most so many cells
    #[arg(long, value_name = "CELLS", requires = "plane")]
    orthogonal: Option<usize>,
    /// Homogeneous strain of cell and atoms, for example xx=0.01 or xy=-0.005 (may be repeated)
    #[arg(long, value_name = "COMPONENT=STRAIN", value_parser = component)]
    strain: Vec<(usize, usize, f64)>,
    /// Vacuum along the normal of the first two lattice vectors, for example "15 A"; bonded units are kept
    /// whole
    #[arg(long, value_name = "LENGTH")]
    vacuum: Option<String>,
    #[command(flatten)]
    target: Target,
}

fn component(text: &str) -> Result<(usize, usize, f64), String> {
    let axis = |c: char| "xyz".find(c);
    let parts = text.split_once('=').and_then(|(name, value)| {
        let mut axes = name.chars();
        let (a, b) = (axis(axes.next()?)?, axis(axes.next()?)?);
        if axes.next().is_some() { None } else { Some((a, b, value)) }
    });
    let Some((a, b, value)) = parts else {
        return Err("write a component and its strain, for example xx=0.01".to_owned());
    };
    match value.parse::<f64>() {
        Ok(strain) if strain.abs() < 0.5 => Ok((a, b, strain)),
        _ => Err(format!("\"{value}\" is not a strain between -0.5 and 0.5")),
    }
}

/// What still counts as perpendicular [degrees].
const RIGHT_ANGLE: f64 = 0.01;

/// Reads a crystal, lays a plane into xy and repeats it.
pub(super) fn prepared(
    source: &Source,
    plane: Option<&[i32]>,
    orthogonal: Option<usize>,
    repeat: [usize; 3],
    whole: bool,
) -> Result<(Structure, Vec<String>), InputError> {
    let mut structure = structure_called(&source.structure, &source.read.options())?;
    let mut notes = Vec::new();
    if let Some(plane) = plane {
        let plane = [plane[0], plane[1], plane[2]];
        let mut turned = oriented(&structure, plane).map_err(refused)?;
        if let Some(largest) = orthogonal {
            let upright = orthogonal_supercell(&turned.structure, largest, RIGHT_ANGLE);
            let upright = upright.map_err(refused)?;
            turned.matrix = product(upright.matrix, turned.matrix);
            (turned.structure, turned.tilt) = (upright.structure, upright.tilt);
        }
        let row = |row: [i64; 3]| format!("[{} {} {}]", row[0], row[1], row[2]);
        let [a, b, c] = turned.matrix.map(row);
        notes.push(format!("lattice vectors in those of the file: {a} {b} {c}"));
        if turned.tilt > 1e-6 {
            notes.push(format!("the third one is tilted by {:.3}° from the normal", turned.tilt));
        }
        structure = turned.structure;
    }
    if whole {
        structure = whole_molecules(&structure);
    }
    Ok((supercell::repeat(&structure, repeat), notes))
}

/// Three counts of copies.
pub(super) fn copies(repeat: &[usize]) -> Result<[usize; 3], InputError> {
    if let Some(count) = repeat.iter().find(|n| !(1..=1000).contains(*n)) {
        let message = format!("--repeat {count}: copies are counted from 1 to 1000");
        return Err(InputError::Usage(message));
    }
    Ok([repeat[0], repeat[1], repeat[2]])
}

pub(super) fn build(arguments: &Arguments) -> Result<(), Error> {
    arguments.target.check()?;
    let Arguments { source, plane, orthogonal, repeat, vacuum, .. } = arguments;
    let (plane, whole) = (plane.as_deref(), vacuum.is_some());
    let (mut structure, mut notes) = prepared(source, plane, *orthogonal, copies(repeat)?, whole)?;
    if !arguments.strain.is_empty() {
        let mut strain = math::ZERO;
        for (a, b, value) in &arguments.strain {
            strain[*a][*b] += value;
        }
        structure = strained(&structure, &strain).map_err(refused)?;
    }
    if let Some(text) = vacuum {
        let length = quantity("--vacuum", text, Kind::Length)?;
        structure = with_vacuum(&structure, length).map_err(refused)?;
        notes.push(format!("a slab with {length} Å of vacuum between it and its images"));
    }
    arguments.target.write(structure, notes)
}

/// Rows of `a` in units of the rows of `b`.
fn product(a: [[i64; 3]; 3], b: [[i64; 3]; 3]) -> [[i64; 3]; 3] {
    a.map(|row| std::array::from_fn(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
}
