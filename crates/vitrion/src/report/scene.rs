//! The atoms of a page: what `viewer/*.js` draws in three dimensions, and the card around it.

use super::html::escape;
use super::number::significant;
use super::packed;
use crate::movie::Moment;
use crate::render::{self, Color, ColorBy, Image, Look, View, elements};
use serde::Serialize;
use std::fmt::Write as _;
use vitrion_core::columns::{AtomColumn, AtomValues};
use vitrion_core::math::Vector3;
use vitrion_core::{Structure, units};

/// Characters that all pictures of a page may take together; the rest of a page is smaller.
const BUDGET: usize = 5_200_000;
/// Part of a picture's share that positions may take; the rest is for quantities.
const FOR_POSITIONS: f64 = 0.85;
/// Pixels of the picture for paper; the page has half of each.
const STILL: [usize; 2] = [1280, 960];
/// Quantities of atoms that are worth colouring by come first; others follow in their own order.
const FIRST: [&str; 4] = ["softness", "phase", "unit", "q6"];

/// Atoms of one or many frames.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    pub(super) id: String,
    /// What is shown, for screen readers and the caption.
    pub(super) title: String,
    atoms: usize,
    elements: Vec<Element>,
    /// Element of every atom, packed.
    kinds: String,
    /// Pairs of elements that are drawn bonded when closer than this [Å].
    bonds: Vec<(usize, usize, f64)>,
    /// Elements with coordination polyhedra.
    centres: Vec<usize>,
    periodic: [bool; 3],
    /// Lattice vectors as rows [Å]: of every frame, or one for all.
    cells: Vec<[f64; 9]>,
    /// Of every frame [ps]; empty when unknown.
    times: Vec<f64>,
    steps: [u32; 3],
    origin: Vector3,
    extent: Vector3,
    positions: String,
    quantities: Vec<Quantity>,
    /// What the atoms are coloured by at first; empty for their element.
    color: String,
    /// Colours of numbers at equal steps, and of words.
    palette: Vec<String>,
    distinct: Vec<String>,
    /// Factors on the radii of atoms below and above a threshold of displacement.
    sizes: [f64; 2],
    /// The ray-traced picture for paper, as a PNG file, with its pixels; and the smaller one of the page.
    #[serde(skip)]
    pub(super) still: (Vec<u8>, [u32; 2]),
    #[serde(skip)]
    poster: Vec<u8>,
    /// How exact the picture is.
    #[serde(skip)]
    remark: String,
}

/// How an element looks.
#[derive(Debug, Serialize)]
struct Element {
    symbol: String,
    radius: f64,
    color: String,
    /// Mass [amu], for the drift of all atoms.
    mass: f64,
    count: usize,
}

/// A property that may colour atoms.
#[derive(Debug, Serialize)]
struct Quantity {
    name: String,
    /// Words instead of numbers: value k stands for the k-th.
    words: Vec<String>,
    low: f64,
    high: f64,
    bytes: usize,
    /// Every so many frames have values of their own.
    stride: usize,
    data: String,
}

/// Atoms to look at.
pub struct Picture<'a> {
    /// What is shown.
    pub title: String,
    /// Where the atoms are from, for the caption.
    pub source: String,
    /// In the order of time, with the same atoms; one at least.
    pub moments: &'a [Moment],
    /// The column that colours the atoms at first; none for their elements.
    pub color: Option<String>,
}

/// The scenes of pictures, numbered; they share the room of a page, and what small ones leave is for large ones.
pub(super) fn of_pictures(pictures: &[Picture<'_>]) -> Vec<Scene> {
    let mut order: Vec<usize> = (0..pictures.len()).collect();
    let size =
        |picture: &Picture<'_>| picture.moments[0].frame.structure.len() * picture.moments.len();
    order.sort_by_key(|number| size(&pictures[*number]));
    let mut scenes = Vec::new();
    let mut left = BUDGET;
    for (done, number) in order.into_iter().enumerate() {
        let share = left / (pictures.len() - done);
        let scene = scene(&format!("atoms-{number}"), &pictures[number], share);
        left -= scene.characters().min(left);
        scenes.push((number, scene));
    }
    scenes.sort_by_key(|(number, _)| *number);
    scenes.into_iter().map(|(_, scene)| scene).collect()
}

/// The scene of a picture in at most `limit` characters. Frames with other atoms than the first are left out.
fn scene(id: &str, picture: &Picture<'_>, limit: usize) -> Scene {
    let first = &picture.moments[0].frame.structure;
    let same = |moment: &&Moment| moment.frame.structure.species == first.species;
    let moments: Vec<&Moment> = picture.moments.iter().filter(same).collect();
    let fractional = |moment: &&Moment| {
        let structure = &moment.frame.structure;
        structure.positions.iter().map(|r| structure.cell.to_fractional(*r)).collect()
    };
    let frames: Vec<Vec<Vector3>> = moments.iter().map(fractional).collect();
    let periodic = first.cell.periodicity();
    let for_positions = (limit as f64 * FOR_POSITIONS) as usize;
    let path = packed::path(&frames, periodic, first.cell.lengths(), for_positions);
    let kept: Vec<&Moment> = moments.iter().copied().step_by(path.stride).collect();
    let (quantities, left_out) = quantities(&kept, limit - for_positions.min(limit));
    let times: Option<Vec<f64>> = kept
        .iter()
        .map(|m| m.frame.time.map(|fs| units::express(fs, units::Kind::Time, "ps")))
        .collect();
    let mut cells: Vec<[f64; 9]> = kept.iter().map(|m| flat(&m.frame.structure)).collect();
    if cells.windows(2).all(|pair| pair[0].map(f64::to_bits) == pair[1].map(f64::to_bits)) {
        cells.truncate(1);
    }
    let color = picture.color.clone().unwrap_or_default();
    let image = still(picture, STILL[0], STILL[1]);
    Scene {
        id: id.to_owned(),
        title: picture.title.clone(),
        atoms: first.len(),
        elements: elements(first),
        kinds: packed::small(first.species.iter().map(|species| species.index() as u8)),
        bonds: bonds(first),
        centres: centres(first),
        periodic,
        cells,
        times: times.filter(|times| times.len() > 1).unwrap_or_default(),
        steps: path.steps,
        origin: path.origin,
        extent: path.extent,
        positions: path.text,
        palette: (0..=16).map(|k| Color::viridis(f64::from(k) / 16.0).hex()).collect(),
        distinct: (0..8).map(|k| Color::distinct(k).hex()).collect(),
        sizes: [render::scene::SMALL, render::scene::LARGE],
        color: quantities.iter().find(|q| q.name == color).map_or(String::new(), |_| color),
        quantities,
        still: (image.png(), [image.width as u32, image.height as u32]),
        poster: halved(&image).png(),
        remark: remark(picture, kept.len(), path.step, &left_out),
    }
}

fn remark(picture: &Picture<'_>, kept: usize, step: f64, left_out: &[String]) -> String {
    let all = picture.moments.len();
    let mut out = picture.source.clone();
    if all > 1 {
        let of = if kept == all { String::new() } else { format!(" of {all}") };
        let _ = write!(out, ": {kept}{of} frames, positions to {} Å", significant(0.5 * step, 1));
    }
    if !left_out.is_empty() {
        let _ = write!(out, "; too large for the page: {}", left_out.join(", "));
    }
    out
}

fn flat(structure: &Structure) -> [f64; 9] {
    let mut out = [0.0; 9];
    for (to, from) in out.iter_mut().zip(structure.cell.matrix().as_flattened()) {
        *to = (from * 1e4).round() / 1e4;
    }
    out
}

fn elements(structure: &Structure) -> Vec<Element> {
    let counts = structure.counts();
    let symbols = structure.table.symbols().iter().enumerate();
    symbols
        .map(|(index, symbol)| {
            let (radius, color) = elements::radius_and_color(symbol, index);
            let mass = structure.table.id(symbol).map_or(1.0, |id| structure.table.mass(id));
            let count = counts.get(index).copied().unwrap_or(0);
            Element { symbol: symbol.clone(), radius, color: color.to_owned(), mass, count }
        })
        .collect()
}

/// The quantities of all frames that fit into `limit` characters, those worth a look first, and the names of those that do not; frames are
/// thinned before quantities are left out.
fn quantities(moments: &[&Moment], limit: usize) -> (Vec<Quantity>, Vec<String>) {
    let (mut all, mut left_out): (Vec<Quantity>, Vec<String>) = (Vec::new(), Vec::new());
    let mut names: Vec<String> = moments[0].columns.iter().map(|c| c.name.clone()).collect();
    let phases = moments[0].frame.structure.phases.is_some();
    if phases && !names.iter().any(|name| name == "phase") {
        names.insert(0, "phase".to_owned());
    }
    let rank =
        |name: &str| FIRST.iter().position(|first| name.contains(first)).unwrap_or(FIRST.len());
    names.sort_by_key(|name| rank(name));
    let mut left = limit;
    let count = names.len();
    for (number, name) in names.iter().enumerate() {
        let share = left / (count - number);
        let mut stride = 1;
        loop {
            let shown: Vec<&Moment> = moments.iter().copied().step_by(stride).collect();
            let quantity = quantity(name, &shown, stride);
            if quantity.data.len() <= share {
                left -= quantity.data.len();
                all.push(quantity);
                break;
            }
            if stride >= moments.len() {
                left_out.push(name.clone());
                break;
            }
            stride *= 2;
        }
    }
    (all, left_out)
}

fn quantity(name: &str, moments: &[&Moment], stride: usize) -> Quantity {
    let column = |moment: &Moment| -> Option<AtomColumn> {
        moment.columns.iter().find(|column| column.name == name).cloned()
    };
    let mut words: Vec<String> = Vec::new();
    let mut numbered = |list: &[String], of: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        let places: Vec<usize> = list
            .iter()
            .map(|word| {
                words.iter().position(|known| known == word).unwrap_or_else(|| {
                    words.push(word.clone());
                    words.len() - 1
                })
            })
            .collect();
        of.map(|place| places[place] as f64).collect()
    };
    let mut values: Vec<Vec<f64>> = Vec::new();
    for moment in moments {
        let structure = &moment.frame.structure;
        values.push(match (column(moment).map(|column| column.values), &structure.phases) {
            (Some(AtomValues::Real(values)), _) => values,
            (Some(AtomValues::Words { list, of }), _) => {
                numbered(&list, &mut of.iter().map(|place| *place as usize))
            }
            (None, Some(phases)) if name == "phase" => {
                let of = (0..structure.len()).map(|atom| phases.name(atom));
                let place = |name| phases.names().iter().position(|known| known == name);
                numbered(phases.names(), &mut of.map(|name| place(name).unwrap_or(0)))
            }
            _ => vec![f64::NAN; structure.len()],
        });
    }
    let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let scale = if words.is_empty() {
        packed::scale(&values)
    } else {
        packed::indices(&values, words.len())
    };
    Quantity {
        name: name.to_owned(),
        words,
        low: scale.low,
        high: scale.high,
        bytes: scale.bytes,
        stride,
        data: scale.text,
    }
}

/// Pairs of elements with the longest bond between them; first the centre.
fn bonds(structure: &Structure) -> Vec<(usize, usize, f64)> {
    let symbols = structure.table.symbols();
    let mut out = Vec::new();
    for (i, a) in symbols.iter().enumerate().filter(|(_, a)| elements::is_centre(a)) {
        for (j, b) in symbols.iter().enumerate() {
            out.extend(elements::bond_length(a, b).map(|length| (i, j, length)));
        }
    }
    out
}

fn centres(structure: &Structure) -> Vec<usize> {
    let symbols = structure.table.symbols().iter().enumerate();
    symbols.filter(|(_, symbol)| elements::is_centre(symbol)).map(|(index, _)| index).collect()
}

/// The picture as the viewer shows it first.
fn still(picture: &Picture<'_>, width: usize, height: usize) -> Image {
    let Moment { frame, columns } = &picture.moments[0];
    let column = columns.iter().find(|column| Some(&column.name) == picture.color.as_ref());
    let color = match column.map(|column| &column.values) {
        None => ColorBy::Element,
        Some(AtomValues::Words { list, of }) => {
            ColorBy::Kind { names: list.clone(), of: of.clone() }
        }
        Some(AtomValues::Real(values)) => {
            let finite = || values.iter().copied().filter(|value| value.is_finite());
            let (low, high) = (
                finite().fold(f64::INFINITY, f64::min),
                finite().fold(f64::NEG_INFINITY, f64::max),
            );
            ColorBy::Number {
                values: values.clone(),
                range: if low < high { [low, high] } else { [0.0, 1.0] },
            }
        }
    };
    let look = Look { color, ..Look::default() };
    render::Scene::of(&frame.structure, &look).trace(&View::default(), width, height)
}

/// Half the width and height, each pixel the mean of four.
fn halved(image: &Image) -> Image {
    let (width, height) = (image.width / 2, image.height / 2);
    let mut rgba = Vec::with_capacity(4 * width * height);
    for row in 0..height {
        for column in 0..width {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .map(|(right, down)| image.pixel(2 * column + right, 2 * row + down));
            for channel in 0..4 {
                let sum: u16 = four.iter().map(|pixel| u16::from(pixel[channel])).sum();
                rgba.push(((sum + 2) / 4) as u8);
            }
        }
    }
    Image { width, height, rgba }
}

impl Scene {
    /// Room of the packed numbers.
    fn characters(&self) -> usize {
        self.positions.len() + self.quantities.iter().map(|q| q.data.len()).sum::<usize>()
    }

    /// Picture, legend and caption; `viewer/view.js` finds it by its name.
    pub(super) fn figure(&self) -> String {
        let title = escape(&self.title);
        let poster = packed::base64(&self.poster);
        format!(
            "<figure class=\"scene card\" data-scene=\"{}\"><div class=\"stage\">\
             <img class=\"poster\" src=\"data:image/png;base64,{poster}\" alt=\"{title}\"></div>{}\
             <figcaption><strong>{title}</strong><br>{}</figcaption></figure>",
            escape(&self.id),
            self.legend(),
            escape(&self.remark)
        )
    }

    /// Elements and their colours as an HTML list.
    fn legend(&self) -> String {
        let mut out = String::from("<ul class=\"legend elements\">");
        for element in self.elements.iter().filter(|element| element.count > 0) {
            let _ = write!(
                out,
                "<li><span class=\"ball\" style=\"background:{}\"></span>{} × {}</li>",
                escape(&element.color),
                escape(&element.symbol),
                element.count
            );
        }
        out.push_str("</ul>");
        out
    }
}
