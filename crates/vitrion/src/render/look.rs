//! What is drawn of a structure, and how.

use super::color::Color;
use super::elements;
use vitrion_core::Structure;

/// What is drawn of a structure, and how. The default: all atoms by element, bonds of network formers,
/// the cell, a white background.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub color: ColorBy,
    pub size: SizeBy,
    /// Radii of atoms are multiplied by this.
    pub radius_scale: f64,
    /// Sticks between bonded atoms.
    pub bonds: bool,
    /// Longest bonds [Å] of pairs of elements, before those of [`elements::bond_length`]; 0 for none.
    pub bond_lengths: Vec<(String, String, f64)>,
    /// Elements around which coordination polyhedra are drawn.
    pub polyhedra: Vec<String>,
    /// How much of the light polyhedra hold back, 0 to 1.
    pub polyhedra_opacity: f64,
    /// Edges of the cell.
    pub cell: bool,
    /// Elements that are left out.
    pub hidden: Vec<String>,
    /// Atoms outside of any of these are left out.
    pub slices: Vec<Slice>,
    pub background: Background,
    /// How much of the background's colour the rearmost atoms take on, 0 to 1.
    pub depth_cue: f64,
    /// Dark lines where something stands in front of something else.
    pub outlines: bool,
}

/// What the colour of an atom means.
#[derive(Debug, Clone, PartialEq)]
pub enum ColorBy {
    Element,
    /// One of a few kinds by atom, for example its phase.
    Kind {
        names: Vec<String>,
        of: Vec<u32>,
    },
    /// A number by atom, through viridis from the first to the second number of the range; atoms without
    /// one (NaN) are small and grey.
    Number {
        values: Vec<f64>,
        range: [f64; 2],
    },
}

/// What the size of an atom means.
#[derive(Debug, Clone, PartialEq)]
pub enum SizeBy {
    Element,
    /// Atoms whose number is above the threshold are large, others small.
    Threshold {
        values: Vec<f64>,
        above: f64,
    },
}

/// Atoms with a fractional coordinate in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// 0, 1, 2 for a, b, c.
    pub axis: usize,
    pub from: f64,
    pub to: f64,
}

/// What is behind all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    Color(Color),
    Transparent,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            color: ColorBy::Element,
            size: SizeBy::Element,
            radius_scale: 1.0,
            bonds: true,
            bond_lengths: Vec::new(),
            polyhedra: Vec::new(),
            polyhedra_opacity: 0.55,
            cell: true,
            hidden: Vec::new(),
            slices: Vec::new(),
            background: Background::Color(Color::WHITE),
            depth_cue: 0.25,
            outlines: true,
        }
    }
}

impl Look {
    /// The longest bond between two elements [Å].
    pub fn bond_length(&self, a: &str, b: &str) -> Option<f64> {
        let same = |(one, other, _): &&(String, String, f64)| {
            (one == a && other == b) || (one == b && other == a)
        };
        match self.bond_lengths.iter().find(same) {
            Some((_, _, length)) => Some(*length).filter(|length| *length > 0.0),
            None => elements::bond_length(a, b),
        }
    }

    /// Colours and sizes for `copies` copies of the atoms, one after the other.
    pub fn repeat_atoms(&mut self, copies: usize) {
        match &mut self.color {
            ColorBy::Element => {}
            ColorBy::Kind { of, .. } => *of = of.repeat(copies),
            ColorBy::Number { values, .. } => *values = values.repeat(copies),
        }
        if let SizeBy::Threshold { values, .. } = &mut self.size {
            *values = values.repeat(copies);
        }
    }

    /// What the colours of kinds mean, for those that the structure has: elements or the kinds of
    /// [`ColorBy::Kind`]. Empty for numbers.
    pub fn kinds(&self, structure: &Structure) -> Vec<(String, Color)> {
        match &self.color {
            ColorBy::Element => structure
                .table
                .symbols()
                .iter()
                .enumerate()
                .zip(structure.counts())
                .filter(|((_, symbol), count)| *count > 0 && !self.hidden.contains(symbol))
                .map(|((index, symbol), _)| (symbol.clone(), Color::of_element(symbol, index)))
                .collect(),
            ColorBy::Kind { names, of } => (0..names.len())
                .filter(|kind| of.iter().any(|one| *one as usize == *kind))
                .map(|kind| (names[kind].clone(), Color::distinct(kind)))
                .collect(),
            ColorBy::Number { .. } => Vec::new(),
        }
    }
}

impl Background {
    /// What far atoms fade into.
    pub(super) fn color(self) -> Color {
        match self {
            Background::Color(color) => color,
            Background::Transparent => Color::WHITE,
        }
    }

    /// True if dark lines would not be seen before it: its luminance is below a fifth.
    pub(super) fn is_dark(self) -> bool {
        let [r, g, b] = self.color().linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b < 0.2
    }
}
