//! `vitrion render`: a picture of a structure.

mod values;
mod words;

use super::output::{print, print_json};
use super::{ReadArguments, refuse_existing};
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use values::{Chosen, Loaded};
use vitrion::error::{Error, InputError};
use vitrion::render::{Background, ColorBy, Legend, Look, Scene, SizeBy, Slice, View};
use vitrion_core::Structure;
use vitrion_core::build::supercell;
use vitrion_core::io::compression::Output;

/// A picture of a structure, ray traced
#[allow(clippy::struct_excessive_bools)] // flags of the command line
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A structure or trajectory, or builtin:beta-li3ps4 or builtin:glass-li3ps4
    #[arg(value_name = "FILE")]
    file: String,
    /// The picture, a PNG file [default: the name of FILE with the ending .png, here]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Which frame: first, last or its number from 1
    #[arg(long, value_name = "FRAME", default_value = "last", value_parser = words::frame)]
    frame: Chosen,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", default_value = "1600x1200", value_parser = words::size)]
    size: [usize; 2],
    /// What points at the reader: a, b or c (a lattice vector), iso (all three), or a direction "x y z"
    /// [default: z, turned by −25° about the vertical and tilted by 15°]
    #[arg(long, value_name = "DIRECTION", allow_hyphen_values = true)]
    view: Option<String>,
    /// What points up: a, b, c or a direction "x y z" [default: c, or b if the view is along c]
    #[arg(long, value_name = "DIRECTION", allow_hyphen_values = true, requires = "view")]
    up: Option<String>,
    /// Turn by angles in degrees about the axes of the picture (right, up, towards the reader), in this order
    #[arg(long, value_name = "\"X Y Z\"", allow_hyphen_values = true)]
    rotate: Option<String>,
    /// Size of everything; at 1 all is in the picture
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    zoom: f64,
    /// A camera close by, with this angle of view in degrees, instead of parallel rays
    #[arg(long, value_name = "ANGLE", num_args = 0..=1, default_missing_value = "30")]
    perspective: Option<f64>,
    /// What colours mean: element, phase, displacement (since the first frame), force, speed, energy, or a
    /// column of an extended XYZ file
    #[arg(long, value_name = "WHAT", default_value = "element")]
    color: String,
    /// Numbers of the first and the last colour [default: from the atoms, displacements from 0]
    #[arg(long, value_name = "FROM:TO", allow_hyphen_values = true)]
    range: Option<String>,
    /// Draw atoms small unless this number is above --threshold: displacement, force, … as for --color
    #[arg(long, value_name = "WHAT", requires = "threshold")]
    size_by: Option<String>,
    /// For --size-by, for example "4 Å" for displacements, a number for others
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, requires = "size_by")]
    threshold: Option<String>,
    /// Multiply radii of atoms
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    radius_scale: f64,
    /// No bonds
    #[arg(long)]
    no_bonds: bool,
    /// Longest bond of two elements in Å, for example Li-S=2.9, 0 for none (may be repeated) [default: P, Si,
    /// Ge, Sn and B with O, S, Se and among each other]
    #[arg(long, value_name = "A-B=LENGTH", value_parser = words::bond)]
    bond: Vec<(String, String, f64)>,
    /// Elements in the middle of coordination polyhedra, made of the atoms they are bonded to
    #[arg(long, value_name = "ELEMENTS", value_delimiter = ',')]
    polyhedra: Vec<String>,
    /// Elements to leave out
    #[arg(long, value_name = "ELEMENTS", value_delimiter = ',')]
    hide: Vec<String>,
    /// Only atoms with this fractional coordinate in this range, for example "a 0.2 0.6" (may be repeated)
    #[arg(long, value_name = "\"AXIS FROM TO\"", value_parser = words::slice)]
    slice: Vec<Slice>,
    /// Repeat the cell along a, b and c
    #[arg(long, value_name = "\"A B C\"", value_parser = words::repeat)]
    repeat: Option<[usize; 3]>,
    /// No edges of the cell
    #[arg(long)]
    no_cell: bool,
    /// No dark lines around what stands in front
    #[arg(long)]
    no_outlines: bool,
    /// How far the rearmost atoms fade into the background, 0 to 1
    #[arg(long, value_name = "PART", default_value_t = Look::default().depth_cue)]
    depth_cue: f64,
    /// white, transparent or #rrggbb
    #[arg(long, value_name = "COLOUR", default_value = "white", value_parser = words::background)]
    background: Background,
    /// What colours mean, to the right of the atoms
    #[arg(long)]
    legend: bool,
    /// Replace the picture if it exists
    #[arg(long)]
    overwrite: bool,
    /// What was drawn, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Rendered<'a> {
    picture: &'a Path,
    width: usize,
    height: usize,
    /// Number of the frame, from 1.
    frame: usize,
    /// In the cell that was drawn; some may be hidden.
    atoms: usize,
    /// Numbers of the first and the last colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[f64; 2]>,
    /// Kinds of atoms and their colours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<(String, String)>,
    seconds: f64,
}

pub(super) fn render(arguments: &Arguments) -> Result<(), Error> {
    let out = arguments.out.clone().unwrap_or_else(|| default_name(&arguments.file));
    check(arguments, &out)?;
    let start = Instant::now();
    let wanted = [Some(&arguments.color), arguments.size_by.as_ref()];
    let wanted: Vec<&str> = wanted.into_iter().flatten().map(String::as_str).collect();
    let loaded =
        Loaded::read(&arguments.file, &arguments.read.options(), arguments.frame, &wanted)?;
    check_elements(arguments, &loaded.structure)?;
    let mut look = look(arguments, &loaded)?;
    let view = view(arguments, &loaded.structure)?;
    let copies = arguments.repeat.unwrap_or([1; 3]);
    look.repeat_atoms(copies.iter().product());
    let structure = supercell::repeat(&loaded.structure, copies);
    let [width, height] = arguments.size;
    let legend = arguments.legend.then(|| legend(&arguments.color, &look, &structure));
    let scene = Scene::of(&structure, &look);
    let image = match &legend {
        None => scene.trace(&view, width, height),
        Some(legend) => {
            let left = width.checked_sub(legend.width(height)).filter(|left| *left > 0);
            let left = left.ok_or_else(|| {
                let needed = legend.width(height) + 1;
                InputError::Usage(format!(
                    "--size {width}x{height}: the legend needs a width of {needed}"
                ))
            })?;
            legend.beside(&scene.trace(&view, left, height), look.background)
        }
    };
    let mut file = Output::create(&out, arguments.overwrite).map_err(InputError::Io)?;
    file.write_all(&image.png()).map_err(|source| InputError::Os {
        path: out.clone(),
        doing: "write",
        source,
    })?;
    file.finish()?;
    let rendered = Rendered {
        picture: &out,
        width,
        height,
        frame: loaded.number,
        atoms: structure.len(),
        range: match look.color {
            ColorBy::Number { range, .. } => Some(range),
            _ => None,
        },
        kinds: look.kinds(&structure).into_iter().map(|(name, c)| (name, c.hex())).collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    if arguments.json {
        print_json(&rendered);
    } else {
        print(&described(&rendered, &arguments.color));
    }
    Ok(())
}

fn described(rendered: &Rendered, color: &str) -> String {
    let meaning = match rendered.range {
        Some([from, to]) => format!("\n{color}: {from} (dark) to {to} (light)"),
        None => String::new(),
    };
    format!(
        "{}: {} × {} pixels, frame {}, {} atoms, {:.1} s{meaning}",
        rendered.picture.display(),
        rendered.width,
        rendered.height,
        rendered.frame,
        rendered.atoms,
        rendered.seconds
    )
}

/// Before the work that would be lost.
fn check(arguments: &Arguments, out: &Path) -> Result<(), InputError> {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    if !ending.eq_ignore_ascii_case("png") {
        let message =
            format!("--out {}: pictures are PNG files, so the name ends in .png", out.display());
        return Err(InputError::Usage(message));
    }
    for (option, value, range) in [
        ("--zoom", arguments.zoom, 0.01..=1000.0),
        ("--radius-scale", arguments.radius_scale, 0.01..=100.0),
        ("--perspective", arguments.perspective.unwrap_or(30.0), 1.0..=120.0),
        ("--depth-cue", arguments.depth_cue, 0.0..=1.0),
    ] {
        if !range.contains(&value) {
            let (from, to) = (range.start(), range.end());
            let message = format!("{option} {value}: it must be between {from} and {to}");
            return Err(InputError::Usage(message));
        }
    }
    refuse_existing(out, arguments.overwrite)
}

/// The file's own name, without what its format and packing are called.
fn default_name(file: &str) -> PathBuf {
    let name = file.strip_prefix("builtin:").unwrap_or(file);
    let name = Path::new(name.trim_end_matches('/')).file_name().unwrap_or_default();
    let mut name = PathBuf::from(name);
    if ["gz", "zst"].iter().any(|packed| name.extension().is_some_and(|ending| ending == *packed)) {
        name.set_extension("");
    }
    name.set_extension("png");
    name
}

fn check_elements(arguments: &Arguments, structure: &Structure) -> Result<(), InputError> {
    let symbols = structure.table.symbols();
    let in_bonds = arguments.bond.iter().flat_map(|(a, b, _)| [("--bond", a), ("--bond", b)]);
    let in_polyhedra = arguments.polyhedra.iter().map(|symbol| ("--polyhedra", symbol));
    let hidden = arguments.hide.iter().map(|symbol| ("--hide", symbol));
    for (option, symbol) in in_bonds.chain(in_polyhedra).chain(hidden) {
        if !symbols.contains(symbol) {
            let message =
                format!("{option} names {symbol}, but there is only {}", symbols.join(", "));
            return Err(InputError::Usage(message));
        }
    }
    Ok(())
}

fn look(arguments: &Arguments, loaded: &Loaded) -> Result<Look, InputError> {
    let color = loaded.color(&arguments.color, arguments.range.as_deref())?;
    let size = match (&arguments.size_by, &arguments.threshold) {
        (Some(by), Some(threshold)) => SizeBy::Threshold {
            values: loaded.numbers(by, "--size-by")?,
            above: words::threshold(threshold, by)?,
        },
        _ => SizeBy::Element,
    };
    Ok(Look {
        color,
        size,
        radius_scale: arguments.radius_scale,
        bonds: !arguments.no_bonds,
        bond_lengths: arguments.bond.clone(),
        polyhedra: arguments.polyhedra.clone(),
        cell: !arguments.no_cell,
        hidden: arguments.hide.clone(),
        slices: arguments.slice.clone(),
        background: arguments.background,
        depth_cue: arguments.depth_cue,
        outlines: !arguments.no_outlines,
        ..Look::default()
    })
}

fn legend(color: &str, look: &Look, structure: &Structure) -> Legend {
    match look.color {
        ColorBy::Number { range, .. } => Legend::Scale { title: values::with_unit(color), range },
        _ => Legend::Kinds(look.kinds(structure)),
    }
}

fn view(arguments: &Arguments, structure: &Structure) -> Result<View, InputError> {
    let mut view = match &arguments.view {
        None => View::default(),
        Some(text) => {
            let towards = words::direction("--view", text, &structure.cell)?;
            let up = match &arguments.up {
                Some(up) => words::direction("--up", up, &structure.cell)?,
                None => words::usual_up(towards, &structure.cell),
            };
            View::from_direction(towards, up).ok_or_else(|| {
                InputError::Usage(format!(
                    "--up \"{}\" is along --view \"{text}\": choose another direction for up",
                    arguments.up.as_deref().unwrap_or("")
                ))
            })?
        }
    };
    if let Some(text) = &arguments.rotate {
        view = view.rotated(words::three("--rotate", text, "three angles in degrees")?);
    }
    Ok(View { zoom: arguments.zoom, perspective: arguments.perspective, ..view })
}
