//! Structures as spheres, cylinders and triangles.

use super::color::Color;
use super::elements::radius_and_color;
use super::look::{Background, ColorBy, Look, SizeBy};
use super::placement::{self, Placement};
use super::polyhedra;
use vitrion_core::{Structure, Vector3, math};

/// Radius of bonds [Å], but they are never thicker than their atoms.
const BOND_RADIUS: f64 = 0.16;
/// Radius of the edges of the cell, of its longest edge.
const EDGE_PART: f64 = 0.0022;
/// Radius of the edges of polyhedra [Å].
const RIM_RADIUS: f64 = 0.045;
/// Size of atoms without a number beside those that have one, and of those below a threshold.
pub(crate) const SMALL: f64 = 0.45;
/// Size of atoms above a threshold.
pub(crate) const LARGE: f64 = 1.35;
const GREY: Color = Color([184, 184, 184]);
/// Edges of the cell before a light and a dark background.
const EDGE_COLORS: [Color; 2] = [Color([60, 60, 66]), Color([205, 205, 212])];

/// What rays can hit, in Å, where the structure is.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub spheres: Vec<Sphere>,
    pub cylinders: Vec<Cylinder>,
    pub triangles: Vec<Triangle>,
    /// Points that must be in the picture beside the spheres: corners of the cell if it is drawn.
    pub corners: Vec<Vector3>,
    pub background: Background,
    /// See [`Look::depth_cue`].
    pub depth_cue: f64,
    /// See [`Look::outlines`].
    pub outlines: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sphere {
    pub centre: Vector3,
    pub radius: f64,
    pub color: Color,
}

/// Open at both ends; the first half has the first colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cylinder {
    pub from: Vector3,
    pub to: Vector3,
    pub radius: f64,
    pub colors: [Color; 2],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triangle {
    pub corners: [Vector3; 3],
    pub color: Color,
    /// 1 holds back all light.
    pub opacity: f64,
}

impl Scene {
    /// The structure as `look` says. Atoms are wrapped into the cell, units are whole across its faces.
    ///
    /// # Panics
    /// If the look has numbers or kinds for another number of atoms.
    pub fn of(structure: &Structure, look: &Look) -> Scene {
        let placement = placement::place(structure, |a, b| look.bond_length(a, b));
        let shown = shown(structure, &placement, look);
        let colors = colors(structure, &look.color);
        let radii = radii(structure, look);
        let mut scene = Scene {
            spheres: Vec::new(),
            cylinders: Vec::new(),
            triangles: Vec::new(),
            corners: Vec::new(),
            background: look.background,
            depth_cue: look.depth_cue,
            outlines: look.outlines,
        };
        for i in (0..structure.len()).filter(|i| shown[*i]) {
            let (centre, radius, color) = (placement.positions[i], radii[i], colors[i]);
            scene.spheres.push(Sphere { centre, radius, color });
        }
        if look.bonds {
            for (i, j) in placement.bonds.iter().copied().filter(|(i, j)| shown[*i] && shown[*j]) {
                scene.cylinders.push(Cylinder {
                    from: placement.positions[i],
                    to: placement.positions[j],
                    radius: BOND_RADIUS.min(0.9 * radii[i].min(radii[j])),
                    colors: [colors[i], colors[j]],
                });
            }
        }
        scene.add_polyhedra(structure, &placement, look, &shown, &colors);
        if look.cell {
            scene.add_cell(structure);
        }
        scene
    }

    fn add_polyhedra(
        &mut self,
        structure: &Structure,
        placement: &Placement,
        look: &Look,
        shown: &[bool],
        colors: &[Color],
    ) {
        for around in placement.all.chunk_by(|a, b| a.from == b.from) {
            let centre = around[0].from;
            let symbol = structure.symbol(centre);
            if !shown[centre] || !look.polyhedra.iter().any(|wanted| wanted == symbol) {
                continue;
            }
            let corners: Vec<Vector3> = around
                .iter()
                .filter(|bond| structure.symbol(bond.to) != symbol)
                .map(|bond| math::add(placement.positions[centre], bond.step))
                .collect();
            let hull = polyhedra::hull(&corners);
            let color = colors[centre];
            for face in &hull.faces {
                let opacity = look.polyhedra_opacity;
                self.triangles.push(Triangle { corners: face.map(|k| corners[k]), color, opacity });
            }
            let colors = [color.mix(Color([0; 3]), 0.35); 2];
            for [a, b] in &hull.edges {
                let (from, to) = (corners[*a], corners[*b]);
                self.cylinders.push(Cylinder { from, to, radius: RIM_RADIUS, colors });
            }
            if !hull.edges.is_empty() {
                self.spheres.extend(corners.iter().map(|corner| Sphere {
                    centre: *corner,
                    radius: RIM_RADIUS,
                    color: colors[0],
                }));
            }
        }
    }

    fn add_cell(&mut self, structure: &Structure) {
        let cell = &structure.cell;
        let radius = EDGE_PART * cell.lengths().iter().copied().fold(0.0, f64::max).max(10.0);
        let color = EDGE_COLORS[usize::from(self.background.is_dark())];
        let corner = |bits: usize| {
            cell.to_cartesian([bits & 1, bits >> 1 & 1, bits >> 2 & 1].map(|bit| bit as f64))
        };
        self.corners = (0..8).map(corner).collect();
        for bits in 0..8 {
            self.spheres.push(Sphere { centre: corner(bits), radius, color });
            for axis in [1, 2, 4].into_iter().filter(|axis| bits & axis == 0) {
                let (from, to) = (corner(bits), corner(bits | axis));
                self.cylinders.push(Cylinder { from, to, radius, colors: [color; 2] });
            }
        }
    }
}

/// Which atoms are drawn.
fn shown(structure: &Structure, placement: &Placement, look: &Look) -> Vec<bool> {
    let inside = |i: usize| {
        let s = structure.cell.to_fractional(placement.positions[i]);
        look.slices.iter().all(|slice| (slice.from..=slice.to).contains(&s[slice.axis]))
    };
    let hidden = |i: usize| look.hidden.iter().any(|symbol| symbol == structure.symbol(i));
    (0..structure.len()).map(|i| !hidden(i) && inside(i)).collect()
}

fn colors(structure: &Structure, by: &ColorBy) -> Vec<Color> {
    match by {
        ColorBy::Element => {
            let symbols = structure.table.symbols().iter().enumerate();
            let table: Vec<Color> =
                symbols.map(|(index, symbol)| Color::of_element(symbol, index)).collect();
            structure.species.iter().map(|id| table[id.index()]).collect()
        }
        ColorBy::Kind { of, .. } => {
            assert_eq!(of.len(), structure.len(), "one kind per atom");
            of.iter().map(|kind| Color::distinct(*kind as usize)).collect()
        }
        ColorBy::Number { values, range: [from, to] } => {
            assert_eq!(values.len(), structure.len(), "one number per atom");
            let color = |value: f64| {
                let part = if to > from { (value - from) / (to - from) } else { 0.5 };
                if value.is_nan() { GREY } else { Color::viridis(part) }
            };
            values.iter().map(|value| color(*value)).collect()
        }
    }
}

fn radii(structure: &Structure, look: &Look) -> Vec<f64> {
    let radius = |i: usize| {
        let index = structure.species[i].index();
        let (radius, _) = radius_and_color(structure.symbol(i), index);
        let by_color = match &look.color {
            ColorBy::Number { values, .. } if values[i].is_nan() => SMALL,
            _ => 1.0,
        };
        let factor = match &look.size {
            SizeBy::Element => by_color,
            SizeBy::Threshold { values, above } if values[i] > *above => LARGE,
            SizeBy::Threshold { .. } => SMALL,
        };
        radius * factor * look.radius_scale
    };
    (0..structure.len()).map(radius).collect()
}
