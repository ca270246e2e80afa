//! The atom picture: what `viewer.js` turns, and a still drawn as SVG.

use super::heat_map;
use super::html::escape;
use super::number::significant;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use vitrion_core::{Structure, Vector3, math};

/// P–S pairs closer than this [Å] are drawn as bonds; the first minimum of g(r) lies near 2.6 Å.
const BOND_LENGTH: f64 = 2.6;
/// Stills of more atoms than this would be larger than the page is worth.
const STILL_LIMIT: usize = 3000;
/// Colours of a number.
const CLASSES: usize = 8;

/// Atoms, bonds and cell edges ready to be drawn, centred on the cell.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    pub(super) id: String,
    /// What is shown, for screen readers and the caption.
    pub(super) title: String,
    /// Distinct elements: symbol, radius [Å], colour.
    elements: Vec<(String, f64, Cow<'static, str>)>,
    /// Element of each atom.
    kinds: Vec<usize>,
    /// [Å], two decimals.
    positions: Vec<Vector3>,
    bonds: Vec<(usize, usize)>,
    edges: Vec<(Vector3, Vector3)>,
}

/// The scene of a structure: atoms wrapped into the cell, but S bonded to P kept beside its P.
pub(super) fn scene(id: &str, title: &str, structure: &Structure) -> Scene {
    let cell = &structure.cell;
    let mut places: Vec<Vector3> = structure.positions.iter().map(|r| cell.wrap(*r).0).collect();
    let (centres, ligands) = (structure.atoms_of("P"), structure.atoms_of("S"));
    let mut bonds = Vec::new();
    let mut moved = vec![false; places.len()];
    for p in centres {
        for s in &ligands {
            let step = cell.minimum_image(math::sub(places[*s], places[p]));
            if math::norm(step) > BOND_LENGTH {
                continue;
            }
            let beside = math::add(places[p], step);
            if !moved[*s] {
                places[*s] = beside;
                moved[*s] = true;
            }
            if math::norm(math::sub(places[*s], beside)) < 0.1 {
                bonds.push((p, *s));
            }
        }
    }
    let matrix = cell.matrix();
    let centre = cell.to_cartesian([0.5; 3]);
    let corner = |bits: usize| {
        let s = [bits & 1, bits >> 1 & 1, bits >> 2 & 1].map(|bit| bit as f64);
        round(math::sub(math::row_times(s, matrix), centre))
    };
    let edges = (0..8)
        .flat_map(|from| [1, 2, 4].map(|axis| (from, from | axis)))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| (corner(from), corner(to)))
        .collect();
    Scene {
        id: id.to_owned(),
        title: title.to_owned(),
        elements: structure
            .table
            .symbols()
            .iter()
            .enumerate()
            .map(|(index, symbol)| {
                let (radius, color) = look(symbol, index);
                (symbol.clone(), radius, Cow::Borrowed(color))
            })
            .collect(),
        kinds: structure.species.iter().map(|species| species.index()).collect(),
        positions: places.iter().map(|r| round(math::sub(*r, centre))).collect(),
        bonds,
        edges,
    }
}

/// The same with atoms coloured by a number of theirs: those without one keep the colour of their element but are small and grey.
pub(super) fn coloured(
    id: &str,
    title: &str,
    structure: &Structure,
    (quantity, values): (&str, &[f64]),
) -> Scene {
    let mut scene = scene(id, title, structure);
    let known = || values.iter().copied().filter(|value| value.is_finite());
    let largest = known().map(f64::abs).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    for (_, radius, color) in &mut scene.elements {
        (*radius, *color) = (0.45 * *radius, Cow::Borrowed("#b8b8b8"));
    }
    // classes of equal width, zero in the middle of the scale
    let first = scene.elements.len();
    let class =
        |value: f64| (((value / largest + 1.0) * 0.5 * CLASSES as f64) as usize).min(CLASSES - 1);
    for k in 0..CLASSES {
        let edge = |k: usize| (2.0 * k as f64 / CLASSES as f64 - 1.0) * largest;
        let text =
            format!("{quantity} {} to {}", significant(edge(k), 2), significant(edge(k + 1), 2));
        let color = heat_map::color(k as f64 / (CLASSES - 1) as f64);
        scene.elements.push((text, 0.62, Cow::Owned(color)));
    }
    for (kind, value) in scene.kinds.iter_mut().zip(values) {
        if value.is_finite() {
            *kind = first + class(*value);
        }
    }
    scene
}

impl Scene {
    /// A still of the scene, depth-sorted, with the view `viewer.js` starts from.
    fn svg(&self) -> String {
        if self.positions.len() > STILL_LIMIT {
            return format!(
                "<p class=\"note\">{} atoms are too many for a still picture; the interactive \
                 one needs JavaScript.</p>",
                self.positions.len()
            );
        }
        let corners = self.edges.iter().flat_map(|(a, b)| [*a, *b]);
        let reach = corners.map(math::norm).fold(1.0, f64::max);
        let scale = 150.0 / reach;
        let (width, height) = (420.0, 340.0);
        let place = |r: Vector3| {
            let v = view(r);
            (width / 2.0 + v[0] * scale, height / 2.0 - v[1] * scale, v[2])
        };
        let mut out = format!(
            "<svg class=\"static still\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\"><defs>",
            escape(&self.title)
        );
        for (kind, (_, _, color)) in self.elements.iter().enumerate() {
            let _ = write!(
                out,
                "<radialGradient id=\"{0}-{1}\" cx=\".35\" cy=\".3\" r=\".8\">\
                 <stop offset=\"0\" stop-color=\"#fff\"/><stop offset=\".3\" stop-color=\"{color}\"/>\
                 <stop offset=\"1\" stop-color=\"#333\"/></radialGradient>",
                escape(&self.id),
                kind
            );
        }
        out.push_str("</defs>");
        let mut pieces: Vec<(f64, String)> = Vec::new();
        for (a, b) in &self.edges {
            let ((x1, y1, z1), (x2, y2, z2)) = (place(*a), place(*b));
            let path = format!("<path class=\"edge\" d=\"M{x1:.0} {y1:.0}L{x2:.0} {y2:.0}\"/>");
            pieces.push((f64::midpoint(z1, z2), path));
        }
        for (a, b) in &self.bonds {
            let ((x1, y1, z1), (x2, y2, z2)) =
                (place(self.positions[*a]), place(self.positions[*b]));
            let path = format!("<path class=\"bond\" d=\"M{x1:.0} {y1:.0}L{x2:.0} {y2:.0}\"/>");
            pieces.push((f64::midpoint(z1, z2), path));
        }
        for (kind, r) in self.kinds.iter().zip(&self.positions) {
            let (x, y, z) = place(*r);
            let radius = self.elements[*kind].1;
            pieces.push((
                z,
                format!(
                    "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{:.1}\" fill=\"url(#{}-{})\"/>",
                    radius * scale,
                    escape(&self.id),
                    kind
                ),
            ));
        }
        pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
        out.extend(pieces.into_iter().map(|(_, piece)| piece));
        out.push_str("</svg>");
        out
    }

    /// Still, legend and caption; `viewer.js` finds it by its name.
    pub(super) fn figure(&self) -> String {
        format!(
            "<figure class=\"scene card\" data-scene=\"{}\"><div class=\"stage\">{}</div>{}\
             <figcaption>{}</figcaption></figure>",
            escape(&self.id),
            self.svg(),
            self.legend(),
            escape(&self.title)
        )
    }

    /// Elements and their colours as an HTML list.
    fn legend(&self) -> String {
        let mut out = String::from("<ul class=\"legend elements\">");
        for (kind, (symbol, _, color)) in self.elements.iter().enumerate() {
            let count = self.kinds.iter().filter(|k| **k == kind).count();
            if count == 0 {
                continue;
            }
            let _ = write!(
                out,
                "<li><span class=\"ball\" style=\"background:{color}\"></span>{} × {count}</li>",
                escape(symbol)
            );
        }
        out.push_str("</ul>");
        out
    }
}

/// The starting view: turned by −25° about y, then tilted by 15° about x; z points at the reader.
fn view(r: Vector3) -> Vector3 {
    let (turn, tilt) = ((-25f64).to_radians(), 15f64.to_radians());
    let (x, z) = (r[0] * turn.cos() + r[2] * turn.sin(), r[2] * turn.cos() - r[0] * turn.sin());
    [x, r[1] * tilt.cos() - z * tilt.sin(), r[1] * tilt.sin() + z * tilt.cos()]
}

/// Radius [Å] (about half the distance to neighbours, for looks) and a colour-blind-safe colour.
fn look(symbol: &str, index: usize) -> (f64, &'static str) {
    match symbol {
        "Li" | "Na" => (0.55, "#009e73"),
        "P" | "Ge" | "Si" | "Sn" => (0.60, "#d55e00"),
        "S" | "O" | "Se" => (0.85, "#e8c52a"),
        "Cl" | "Br" | "I" => (0.95, "#56b4e9"),
        _ => (0.7, ["#0072b2", "#cc79a7", "#e69f00", "#777777"][index % 4]),
    }
}

fn round(r: Vector3) -> Vector3 {
    r.map(|x| (x * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::Cell;

    #[test]
    fn a_tetrahedron_across_the_boundary_is_drawn_whole() {
        let cell = Cell::orthorhombic([8.0; 3]).expect("a cube");
        let positions = vec![[0.2, 4.0, 4.0], [7.0, 4.0, 4.0], [12.0, 4.0, 4.0]];
        let structure = Structure::new(cell, &["P", "S", "Li"], positions).expect("elements");
        let scene = scene("a", "title", &structure);
        assert_eq!(scene.bonds, [(0, 1)]);
        let span = math::sub(scene.positions[0], scene.positions[1]);
        assert!((math::norm(span) - 1.2).abs() < 0.02, "{span:?}");
        assert!((scene.positions[2][0] - 0.0).abs() < 0.01, "Li is wrapped");
        assert_eq!(scene.edges.len(), 12);
        assert_eq!(scene.svg().matches("<circle").count(), 3);
    }
}
