//! The Voronoi tessellation of a frame, in any periodic cell.
//!
//! The cell of atom `i` is what is nearer to it than to every other atom and image `j`,
//!
//! ```text
//! { x : (x − r_i)² − R_i² ≤ (x − r_j)² − R_j² for all j }
//! ```
//!
//! with `R = 0`, or with radii the radical (power, Laguerre) variant. In the frame of the atom this is the
//! intersection of the half-spaces `r_ij · x ≤ (r_ij² + R_i² − R_j²)/2`. Each cell starts as a box
//! and is cut by one neighbour after the other, nearest first (Rycroft 2009, Voro++). A corner at distance
//! `ρ` is out of reach of every atom farther than `ρ + √(ρ² + R_max² − R_i²)`: when that is less
//! than the distance of the next neighbour for the farthest corner, the cell is complete.
//!
//! Neighbours are images as well, of other atoms and of the atom itself. The cost is linear in the
//! number of atoms if they are spread evenly.

mod grid;
mod polyhedron;
#[cfg(test)]
mod tests;

use crate::error::AnalysisError;
use grid::{Grid, Nearby};
use polyhedron::{Plane, Polyhedron};
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Corners that are less than this beyond a plane are on it; in units of the cube root of the
/// volume per atom, as all below. Far above rounding and far below what matters.
const ON_PLANE: f64 = 1e-12;
/// Smaller faces are left out (squared units): slivers between neighbours that touch in a corner or
/// along an edge only, as in crystals.
const SLIVER: f64 = 1e-9;
/// Nearer atoms are at the same place.
const SAME_PLACE: f64 = 1e-9;
/// Half edge of the first box; larger ones are tried if the cell does not fit.
const BOX: f64 = 3.0;
const LARGER_BOX: f64 = 4.0;
/// Squared distances are rounded to single precision when they are sorted.
const ROUNDED: f64 = 1e-6;

/// Voronoi cells of all atoms of a frame.
#[derive(Debug, Clone, Default)]
pub struct Tessellation {
    volumes: Vec<f64>,
    /// First face of every atom and the one after its last.
    ranges: Vec<[usize; 2]>,
    faces: Vec<Face>,
    memory: Memory,
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

/// What is used again in the next frame.
#[derive(Debug, Clone, Default)]
struct Memory {
    grid: Grid,
    /// Of the first shell, and of the last one that was needed beyond it.
    near: Nearby,
    far: Nearby,
    sorted: Vec<u64>,
    polyhedron: Polyhedron,
}

impl Tessellation {
    /// Makes the cells of the atoms; with radii [Å], one per atom, the radical (power) variant. In this
    /// an atom may have an empty cell: volume 0, no faces.
    ///
    /// # Errors
    /// A cell that is not periodic in all directions; two atoms at one place.
    ///
    /// # Panics
    /// If positions are not finite, or there are not as many radii as atoms.
    pub fn make(
        &mut self,
        frame: usize,
        cell: &Cell,
        positions: &[Vector3],
        radii: Option<&[f64]>,
    ) -> Result<(), AnalysisError> {
        self.volumes.clear();
        self.volumes.resize(positions.len(), 0.0);
        self.ranges.clear();
        self.ranges.resize(positions.len(), [0, 0]);
        self.faces.clear();
        if cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame });
        }
        assert!(radii.is_none_or(|radii| radii.len() == positions.len()), "one radius per atom");
        assert!(positions.as_flattened().iter().all(|x| x.is_finite()), "positions are finite");
        if positions.is_empty() {
            return Ok(());
        }
        let spacing = (cell.volume() / positions.len() as f64).cbrt();
        self.memory.grid.sort(cell, positions, spacing);
        let squares = |radii: &[f64]| radii.iter().fold(0.0, |most: f64, r| most.max(r * r));
        let cells = Cells {
            frame,
            spacing,
            // no point of a cell is farther from its atom in the plain variant; in the radical one
            // no farther than the own images allow, which is the same
            largest: 0.501 * cell.lengths().iter().sum::<f64>(),
            radii,
            largest_radius2: radii.map_or(0.0, squares),
            tessellation: self,
        };
        Arch::new().dispatch(cells)
    }

    /// Volume of every cell [Å³].
    pub fn volumes(&self) -> &[f64] {
        &self.volumes
    }

    /// Faces of the cell of an atom, in order of distance to the neighbour.
    pub fn faces(&self, atom: usize) -> &[Face] {
        let [first, end] = self.ranges[atom];
        &self.faces[first..end]
    }
}

/// Makes all cells of a frame.
struct Cells<'a> {
    frame: usize,
    spacing: f64,
    /// Half edge of a box that holds every cell.
    largest: f64,
    radii: Option<&'a [f64]>,
    largest_radius2: f64,
    tessellation: &'a mut Tessellation,
}

impl WithSimd for Cells<'_> {
    type Output = Result<(), AnalysisError>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> Self::Output {
        for bin in 0..self.tessellation.memory.grid.len() {
            let atoms = self.tessellation.memory.grid.bin(bin);
            if atoms.is_empty() {
                continue;
            }
            let Memory { grid, near, .. } = &mut self.tessellation.memory;
            grid.gather(bin, 0, near);
            for at in atoms {
                self.make_cell(bin, at)?;
            }
        }
        Ok(())
    }
}

impl Cells<'_> {
    /// The cell of one atom, in boxes of growing size until it fits.
    #[inline(always)]
    fn make_cell(&mut self, bin: usize, at: usize) -> Result<(), AnalysisError> {
        let mut half = self.largest.min(BOX * self.spacing);
        loop {
            self.cut_out(bin, at, half)?;
            let polyhedron = &self.tessellation.memory.polyhedron;
            let fits = !polyhedron.is_empty() && !polyhedron.touches_box();
            if fits || half >= self.largest {
                break;
            }
            half = self.largest.min(LARGER_BOX * half);
        }
        let Tessellation { volumes, ranges, faces, memory } = &mut *self.tessellation;
        let atom = memory.grid.atoms[at] as usize;
        let first = faces.len();
        let smallest = SLIVER * self.spacing * self.spacing;
        if !memory.polyhedron.is_empty() {
            volumes[atom] = memory.polyhedron.faces(|plane, area| {
                if area > smallest {
                    let neighbor = plane.neighbor as usize;
                    faces.push(Face { neighbor, vector: plane.normal, area });
                }
            });
        }
        ranges[atom] = [first, faces.len()];
        Ok(())
    }

    /// Cuts a cube by the neighbours of an atom, shell by shell.
    #[inline(always)]
    fn cut_out(&mut self, bin: usize, at: usize, half: f64) -> Result<(), AnalysisError> {
        let Memory { grid, near, far, sorted, polyhedron } = &mut self.tessellation.memory;
        let center = grid.positions[at];
        let atom = grid.atoms[at];
        let radius2 = |atom: u32| self.radii.map_or(0.0, |radii| radii[atom as usize].powi(2));
        let own = radius2(atom);
        let more = self.largest_radius2 - own;
        // squared distance from which on nothing is cut
        let reach2 = |polyhedron: &Polyhedron| {
            let farthest2 = polyhedron.radius2();
            let reach = farthest2.sqrt() + (farthest2 + more).sqrt();
            reach * reach
        };
        let same_place2 = (SAME_PLACE * self.spacing).powi(2);
        let tolerance = ON_PLANE * self.spacing;
        polyhedron.cube(half);
        let mut reach = reach2(polyhedron);
        let mut seen = 0.0;
        let mut shell = 0;
        while seen < reach {
            let high = grid.radius(shell).powi(2);
            if shell > 0 {
                grid.gather(bin, shell, far);
            }
            let nearby = if shell == 0 { &*near } else { &*far };
            nearby.sorted(center, seen, high, sorted);
            for key in &*sorted {
                let entry = (*key & u64::from(u32::MAX)) as usize;
                let normal = nearby.vector(entry, center);
                let distance2 = math::norm2(normal);
                if distance2 > reach * (1.0 + ROUNDED) {
                    break;
                }
                let neighbor = nearby.atom(entry);
                if distance2 <= same_place2 {
                    if neighbor == atom {
                        continue;
                    }
                    let atoms = [atom.min(neighbor), atom.max(neighbor)].map(|a| a as usize);
                    return Err(AnalysisError::SamePlace { frame: self.frame, atoms });
                }
                let plane = Plane {
                    normal,
                    offset: 0.5 * (distance2 + own - radius2(neighbor)),
                    length: distance2.sqrt(),
                    neighbor,
                };
                if polyhedron.cut(plane, tolerance) {
                    if polyhedron.is_empty() {
                        return Ok(());
                    }
                    reach = reach2(polyhedron);
                }
            }
            seen = high;
            shell += 1;
        }
        Ok(())
    }
}
