//! A convex polyhedron that planes cut pieces off.
//!
//! It is kept as its vertices, each of which is where three planes meet (Ray, Sokolov, Lefebvre, Lévy, ACM Trans.
//! Graph. 37, 2018). A plane removes the vertices behind it; every edge between a vertex that goes and one that
//! stays gets a new vertex. Corners where more than three planes meet are several vertices at one place.

use vitrion_core::math::{self, Vector3};

/// A plane `normal · x = height`; the polyhedron is where `normal · x` is less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub(super) normal: Vector3,
    pub(super) height: f64,
}

/// Where three planes meet, counterclockwise as seen from outside.
#[derive(Debug, Clone, Copy)]
struct Vertex {
    planes: [u16; 3],
    at: Vector3,
}

/// Planes of the box that everything starts from.
pub(super) const BOX: usize = 6;
/// Vertices so near to a plane [fraction of its distance squared] are not behind it.
const NEAR: f64 = 1e-12;

/// The polyhedron and the planes that made it.
#[derive(Debug, Clone, Default)]
pub(super) struct Polyhedron {
    pub(super) planes: Vec<Plane>,
    vertices: Vec<Vertex>,
    removed: Vec<Vertex>,
    corners: Vec<(u16, u16, Vector3)>,
}

impl Polyhedron {
    /// A cube around the origin.
    pub(super) fn start(&mut self, half: f64) {
        self.planes.clear();
        self.vertices.clear();
        for axis in 0..3 {
            for sign in [1.0, -1.0] {
                let mut normal = [0.0; 3];
                normal[axis] = sign;
                self.planes.push(Plane { normal, height: half });
            }
        }
        for corner in 0..8_u16 {
            let negative = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
            let [x, y, z] = [negative[0], 2 + negative[1], 4 + negative[2]];
            let even = (negative[0] + negative[1] + negative[2]) % 2 == 0;
            let at = negative.map(|negative| if negative == 1 { -half } else { half });
            self.vertices.push(Vertex { planes: if even { [x, y, z] } else { [x, z, y] }, at });
        }
    }

    /// Squared distance of the farthest vertex.
    pub(super) fn radius_squared(&self) -> f64 {
        self.vertices.iter().map(|vertex| math::norm2(vertex.at)).fold(0.0, f64::max)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }

    /// Cuts off what is behind a plane; false if that is nothing.
    pub(super) fn cut(&mut self, plane: Plane) -> bool {
        let limit = plane.height + NEAR * math::norm2(plane.normal);
        self.removed.clear();
        let removed = &mut self.removed;
        let mut at = 0;
        while let Some(vertex) = self.vertices.get(at) {
            if math::dot(plane.normal, vertex.at) > limit {
                removed.push(self.vertices.swap_remove(at));
            } else {
                at += 1;
            }
        }
        if removed.is_empty() {
            return false;
        }
        let new = self.planes.len() as u16;
        self.planes.push(plane);
        for vertex in &self.removed {
            let [a, b, c] = vertex.planes;
            for (from, to) in [(a, b), (b, c), (c, a)] {
                let inside = self.removed.iter().any(|other| {
                    let [a, b, c] = other.planes;
                    (a == to && b == from) || (b == to && c == from) || (c == to && a == from)
                });
                if !inside {
                    let planes = [from, to, new];
                    self.vertices.push(Vertex { planes, at: self.meeting(planes) });
                }
            }
        }
        true
    }

    /// The point of three planes.
    fn meeting(&self, planes: [u16; 3]) -> Vector3 {
        let [a, b, c] = planes.map(|plane| self.planes[usize::from(plane)]);
        let (bc, ca) = (math::cross(b.normal, c.normal), math::cross(c.normal, a.normal));
        let ab = math::cross(a.normal, b.normal);
        let scale = 1.0 / math::dot(a.normal, bc);
        std::array::from_fn(|k| scale * (a.height * bc[k] + b.height * ca[k] + c.height * ab[k]))
    }

    /// Volume; the planes that bound the polyhedron and the areas of their faces go to `face`.
    pub(super) fn measure(&mut self, mut face: impl FnMut(usize, f64)) -> f64 {
        let mut volume = 0.0;
        for plane in 0..self.planes.len() {
            let number = plane as u16;
            self.corners.clear();
            for vertex in &self.vertices {
                let [a, b, c] = vertex.planes;
                let turned = match number {
                    n if n == a => (b, c),
                    n if n == b => (c, a),
                    n if n == c => (a, b),
                    _ => continue,
                };
                self.corners.push((turned.0, turned.1, vertex.at));
            }
            let Some((first, rest)) = self.corners.split_first() else { continue };
            // walk around the face: the next corner begins with the plane where this one ends
            let mut area = [0.0; 3];
            let mut here = *first;
            for _ in rest {
                let Some(next) = rest.iter().find(|corner| corner.0 == here.1) else { break };
                let edges = (math::sub(here.2, first.2), math::sub(next.2, first.2));
                area = math::add(area, math::scale(math::cross(edges.0, edges.1), 0.5));
                here = *next;
            }
            let Plane { normal, height } = self.planes[plane];
            let length = math::norm(normal);
            let area = math::dot(area, normal) / length;
            volume += area * height / (3.0 * length);
            face(plane, area);
        }
        volume
    }
}
