//! Where the mobile ions are: their density on a grid.
//!
//! Fractional coordinates of the momentary cell, the drift of the framework taken out, are counted on a grid; the density is
//! `counts/(frames × volume of a grid cell)` [1/Å³] in the mean cell. An isosurface is chosen by the part of the ions inside. It percolates along a lattice vector if a
//! connected piece of it reaches its own image there: ions can then go on for ever without leaving it.

mod percolation;

use super::pass::{Attachment, Motion, MotionAnalysis};
use super::recording::Recording;
use crate::error::AnalysisError;
use percolation::percolates;
use serde::{Deserialize, Serialize};
use vitrion_core::io::cube;
use vitrion_core::math;
use vitrion_core::observables::{Estimate, Observables, Uncertainty};
use vitrion_core::{Cell, Frame, Structure, Vector3};

/// Most cells of a grid.
const MOST: usize = 1 << 27;
/// Parts of the ions inside of isosurfaces.
const PARTS: [f64; 2] = [0.5, 0.9];

/// The grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DensityMapSettings {
    /// Distance between grid points, about [Å].
    pub spacing: f64,
}

impl Default for DensityMapSettings {
    fn default() -> Self {
        DensityMapSettings { spacing: 0.3 }
    }
}

/// Counts on a grid.
pub(super) struct DensityMap {
    settings: DensityMapSettings,
    atoms: Vec<usize>,
    grid: [usize; 3],
    counts: Vec<u32>,
    first: Structure,
}

impl DensityMap {
    /// # Errors
    /// A grid that is too fine or too coarse, a cell that does not repeat.
    pub(super) fn new(
        settings: DensityMapSettings,
        first: &Structure,
        species: &str,
    ) -> Result<Self, AnalysisError> {
        if first.cell.periodicity() != [true; 3] {
            return Err(AnalysisError::NotPeriodic { frame: 0 });
        }
        let spacing = settings.spacing;
        let cells = first.cell.lengths().map(|length| (length / spacing).round());
        let total: f64 = cells.iter().product();
        if !(spacing > 0.0 && total >= 1.0 && total <= MOST as f64) {
            return Err(AnalysisError::Parameter {
                name: "spacing",
                found: format!("{spacing} Å"),
                expected: format!("a distance that makes 1 to {MOST} grid cells of this cell"),
            });
        }
        let grid = cells.map(|n| n as usize);
        Ok(DensityMap {
            atoms: first.atoms_of(species),
            counts: vec![0; grid.iter().product()],
            grid,
            settings,
            first: first.clone(),
        })
    }

    /// The least count inside of the isosurface that holds a part of the ions, and the part of the volume inside.
    fn level(&self, part: f64) -> (u32, f64) {
        let mut sorted: Vec<u32> = self.counts.iter().copied().filter(|count| *count > 0).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let total: f64 = sorted.iter().map(|count| f64::from(*count)).sum();
        let mut inside = 0.0;
        for (number, count) in sorted.iter().enumerate() {
            inside += f64::from(*count);
            if inside >= part * total {
                return (*count, (number + 1) as f64 / self.counts.len() as f64);
            }
        }
        (0, 1.0)
    }

    fn cube(&self, data: &Recording) -> Vec<u8> {
        let cell = data.mean_cell();
        let volume = data.mean_volume() / self.counts.len() as f64;
        let scale = 1.0 / (data.frames() as f64 * volume);
        let density: Vec<f64> = self.counts.iter().map(|n| f64::from(*n) * scale).collect();
        let rest = (0..self.first.len()).filter(|atom| !self.atoms.contains(atom));
        let inside = |atom: usize| {
            let s = self.first.cell.to_fractional(self.first.positions[atom]);
            math::row_times(s.map(|s| s - s.floor()), &cell)
        };
        let atoms: Vec<(String, Vector3)> =
            rest.map(|atom| (self.first.symbol(atom).to_owned(), inside(atom))).collect();
        let species = &data.settings().species;
        let title = format!("density of {species} in 1/A^3; lengths in bohr");
        let mut content = Vec::new();
        let grid = cube::Grid { cell, points: self.grid, values: &density };
        cube::write(&mut content, &title, &atoms, &grid).expect("memory takes everything");
        content
    }
}

impl MotionAnalysis for DensityMap {
    fn see(&mut self, frame: &Frame, drift: Vector3) -> Result<(), AnalysisError> {
        let structure = &frame.structure;
        let cell: &Cell = &structure.cell;
        for atom in &self.atoms {
            let s = cell.to_fractional(math::sub(structure.positions[*atom], drift));
            let [a, b, c]: [usize; 3] = std::array::from_fn(|k| {
                let n = self.grid[k];
                // a fraction just below one may round up to the border
                (((s[k] - s[k].floor()) * n as f64) as usize).min(n - 1)
            });
            self.counts[(a * self.grid[1] + b) * self.grid[2] + c] += 1;
        }
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(1, "a density map")?;
        let species = &data.settings().species;
        let mut result = Observables::new(
            "density_map",
            &format!("Density of {species}"),
            "counts/(frames x volume of a grid cell), fractional coordinates of the momentary cell, drift of the framework removed",
        );
        data.describe(&mut result);
        let [a, b, c] = self.grid;
        result.parameter("grid", format!("{a} × {b} × {c}"));
        result.parameter("spacing", format!("{} Å", self.settings.spacing));
        let mut push = |name: String, label: String, value: f64, why: &str| {
            let uncertainty = Uncertainty::NotEstimated { why: why.into() };
            let unit = String::new();
            result.estimates.push(Estimate { name, label, value, uncertainty, unit });
        };
        for part in PARTS {
            let (level, volume) = self.level(part);
            let percent = (100.0 * part).round();
            push(
                format!("volume_of_{percent}_percent"),
                format!("part of the cell that holds {percent} % of the {species}"),
                volume,
                "it falls as the trajectory gets longer, until every place was visited",
            );
            let along = percolates(&self.counts, self.grid, level);
            for (axis, reaches) in ["a", "b", "c"].iter().zip(along) {
                push(
                    format!("percolates_{percent}_percent_{axis}"),
                    format!("the isosurface of {percent} % goes on along {axis} (1 yes, 0 no)"),
                    f64::from(u8::from(reaches)),
                    "yes or no",
                );
            }
        }
        let content = self.cube(data);
        let attachments = vec![Attachment { ending: "cube", content }];
        Ok(Motion { attachments, ..result.into() })
    }
}
