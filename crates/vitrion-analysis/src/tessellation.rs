//! The Voronoi tessellation of a frame, in any periodic cell.
//!
//! The cell of an atom is a cube from which the planes halfway to its neighbours cut pieces off, nearest
//! neighbours first, until the next is so far that its plane cannot reach the farthest
//! corner: at twice its distance. With radii `R` (radical or power tessellation) the plane between i and j
//! is at `(d² + R_i² − R_j²)/2d`, and a cell may vanish.

mod polyhedron;
#[cfg(test)]
mod tests;

use crate::error::AnalysisError;
use crate::pairs::Neighbors;
use polyhedron::{BOX, Plane, Polyhedron};
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Neighbours that are looked at first, on average.
const USUAL: f64 = 55.0;
/// Faces smaller than this part of the surface come from rounding.
const SMALLEST: f64 = 1e-10;

/// Voronoi cells of all atoms of a frame.
#[derive(Debug, Default)]
pub struct Tessellation {
    volumes: Vec<f64>,
    offsets: Vec<usize>,
    faces: Vec<Face>,
    neighbors: Neighbors,
    candidates: Vec<Candidate>,
    polyhedron: Polyhedron,
    /// The candidate that made each plane beyond those of the box.
    makers: Vec<Candidate>,
    areas: Vec<(usize, f64)>,
}

/// A face between two cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// The atom on the other side.
    pub neighbor: usize,
    /// Vector `r_j − r_i` to the image on the other side [Å].
    pub vector: Vector3,
    /// Area [Å²].
    pub area: f64,
}

/// An atom that may have a face.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    squared: f64,
    neighbor: usize,
    vector: Vector3,
}

impl Tessellation {
    /// Makes the cells of the atoms; with radii [Å], one per atom, the radical (power) variant.
    ///
    /// # Errors
    /// A cell that is not periodic in all directions; two atoms at one place.
    pub fn make(
        &mut self,
        frame: usize,
        cell: &Cell,
        positions: &[Vector3],
        radii: Option<&[f64]>,
    ) -> Result<(), AnalysisError> {
        if cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame });
        }
        self.volumes.clear();
        self.faces.clear();
        self.offsets.clear();
        self.offsets.push(0);
        let density = positions.len() as f64 / cell.volume();
        let reach = (0.75 * USUAL / (std::f64::consts::PI * density)).cbrt();
        self.neighbors.find(cell, positions, reach);
        // no cell reaches beyond that of the lattice of its own images
        let half: f64 = cell.matrix().iter().map(|row| math::norm(*row)).sum();
        let largest = radii.map_or(0.0, |radii| radii.iter().copied().fold(0.0, f64::max));
        for atom in 0..positions.len() {
            self.candidates.clear();
            let near = self.neighbors.table().of(atom);
            self.candidates.extend(near.map(|(neighbor, vector)| Candidate {
                squared: math::norm2(vector),
                neighbor,
                vector,
            }));
            let mut reach = reach;
            while !self.carve(frame, atom, half, reach, radii, largest)? {
                reach *= 1.6;
                self.search(cell, positions, atom, reach);
            }
            self.finish();
        }
        Ok(())
    }

    /// Cuts the cell of an atom; false if atoms beyond `reach` might still cut it.
    fn carve(
        &mut self,
        frame: usize,
        atom: usize,
        half: f64,
        reach: f64,
        radii: Option<&[f64]>,
        largest: f64,
    ) -> Result<bool, AnalysisError> {
        self.candidates.sort_unstable_by(|a, b| {
            a.squared.total_cmp(&b.squared).then(a.neighbor.cmp(&b.neighbor))
        });
        if self.candidates.first().is_some_and(|nearest| nearest.squared < 1e-12) {
            return Err(AnalysisError::NoDirection { frame, atom });
        }
        let own = radii.map_or(0.0, |radii| radii[atom] * radii[atom]);
        // a plane at (d² + own − other)/2d cuts nothing beyond this distance
        let bound = |radius_squared: f64| {
            (radius_squared.sqrt() + (radius_squared + largest * largest - own).max(0.0).sqrt())
                .powi(2)
        };
        self.polyhedron.start(half);
        self.makers.clear();
        let mut farthest = bound(self.polyhedron.radius_squared());
        for candidate in &self.candidates {
            if candidate.squared > farthest {
                return Ok(true);
            }
            let other = radii.map_or(0.0, |radii| radii[candidate.neighbor].powi(2));
            let height = 0.5 * (candidate.squared + own - other);
            if self.polyhedron.cut(Plane { normal: candidate.vector, height }) {
                self.makers.push(*candidate);
                if self.polyhedron.is_empty() {
                    return Ok(true);
                }
                farthest = bound(self.polyhedron.radius_squared());
            }
        }
        Ok(reach * reach > farthest)
    }

    /// All images of all atoms within a distance, for the few cells that reach unusually far.
    fn search(&mut self, cell: &Cell, positions: &[Vector3], atom: usize, reach: f64) {
        self.candidates.clear();
        let widths = cell.perpendicular_widths();
        let here = cell.to_fractional(positions[atom]);
        for (neighbor, r) in positions.iter().enumerate() {
            let there = cell.to_fractional(*r);
            // the image in the cell around this atom, then those around it
            let s: Vector3 = std::array::from_fn(|k| {
                let s = there[k] - here[k];
                s - s.round()
            });
            let most = widths.map(|width| (reach / width + 0.5).ceil() as i32);
            for i in -most[0]..=most[0] {
                for j in -most[1]..=most[1] {
                    for k in -most[2]..=most[2] {
                        if neighbor == atom && [i, j, k] == [0; 3] {
                            continue;
                        }
                        let shifted =
                            [s[0] + f64::from(i), s[1] + f64::from(j), s[2] + f64::from(k)];
                        let vector = cell.to_cartesian(shifted);
                        let squared = math::norm2(vector);
                        if squared <= reach * reach {
                            self.candidates.push(Candidate { squared, neighbor, vector });
                        }
                    }
                }
            }
        }
    }

    /// Volume and faces of the cell that was cut.
    fn finish(&mut self) {
        self.areas.clear();
        let areas = &mut self.areas;
        self.volumes.push(self.polyhedron.measure(|plane, area| areas.push((plane, area))));
        let surface: f64 = areas.iter().map(|(_, area)| area).sum();
        for (plane, area) in areas.iter().filter(|(_, area)| *area > SMALLEST * surface) {
            // planes of the box are cut off by images of the atom itself
            if let Some(maker) = plane.checked_sub(BOX).map(|maker| self.makers[maker]) {
                let Candidate { neighbor, vector, .. } = maker;
                self.faces.push(Face { neighbor, vector, area: *area });
            }
        }
        self.offsets.push(self.faces.len());
    }

    /// Volume of every cell [Å³].
    pub fn volumes(&self) -> &[f64] {
        &self.volumes
    }

    /// Faces of the cell of an atom.
    pub fn faces(&self, atom: usize) -> &[Face] {
        &self.faces[self.offsets[atom]..self.offsets[atom + 1]]
    }
}
