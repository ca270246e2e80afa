//! All pairs of one frame, as runs of consecutive atoms that a processor reads straight through.
//!
//! Atoms are sorted into columns along the third lattice vector, and in each column by height. What
//! lies near an atom is then one run in each of the columns around it. Images are explicit copies
//! in columns outside the cell, so that nothing wraps and any distance may be asked for, in any
//! cell. Every pair of an atom and an image comes up once: columns are visited by the half of
//! their offsets that is lexicographically positive, and within a column from an atom upwards.
//! That a pair and its mirror image are never both visited follows from the order of the atoms
//! alone, not from a comparison of rounded distances.
//!
//! Frames of a trajectory that are analysed lie too far apart for Verlet lists to pay; the lists
//! of `vitrion_core::neighbors` are for dynamics.

mod neighbors;
#[cfg(test)]
mod tests;

pub use neighbors::{NeighborTable, Neighbors};

use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Numbers that the vectorised loops read at a time; arrays are padded so that they may.
pub(crate) const LANES: usize = 8;
/// So many columns side by side are as wide as the reach: one for short distances, two from
/// `FAR` [Å]. Wide columns give long runs, narrow ones fewer atoms that are too far; both were
/// timed (book, performance). A whole number wastes least.
const ACROSS: [f64; 2] = [1.0, 2.0];
const FAR: f64 = 7.0;
/// No column is narrower [Å].
const NARROWEST: f64 = 1.5;
/// Added to windows [fraction of a lattice vector], far above rounding.
const MARGIN: f64 = 1e-9;

/// Atoms of one frame in columns, with the images that reach into the cell.
#[derive(Debug, Default)]
pub struct Columns {
    reach: f64,
    /// Columns of the cell along the first two lattice vectors, and copies of them on either side.
    grid: [usize; 2],
    margin: [usize; 2],
    /// First atom of every column, copies included, and the end of the last.
    starts: Vec<usize>,
    /// The atoms of each column that are no images.
    home: Vec<[usize; 2]>,
    steps: Vec<Step>,
    /// Height above an atom up to which its own column is searched.
    above: f64,
    /// Cartesian coordinates [Å], `LANES` more than there are atoms.
    pub(crate) x: Vec<f64>,
    pub(crate) y: Vec<f64>,
    pub(crate) z: Vec<f64>,
    /// Number of the atom in the order of the caller.
    pub(crate) atom: Vec<u32>,
    /// Third fractional coordinate.
    height: Vec<f64>,
    inside: Vec<Inside>,
}

/// An offset between columns, and the heights in between which its atoms can be near.
#[derive(Debug, Clone, Copy)]
struct Step {
    offset: [isize; 2],
    below: f64,
    above: f64,
}

/// An atom inside the cell.
#[derive(Debug, Clone, Copy)]
struct Inside {
    column: u32,
    atom: u32,
    height: f64,
    position: Vector3,
}

/// An atom and the consecutive atoms `first..end` that may be near it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) center: usize,
    pub(crate) first: usize,
    pub(crate) end: usize,
}

impl Columns {
    /// Sorts the atoms of a frame; pairs up to `reach` [Å] are found.
    ///
    /// # Panics
    /// If a position is not finite or `reach` is not positive.
    pub fn sort(&mut self, cell: &Cell, positions: &[Vector3], reach: f64) {
        assert!(reach > 0.0, "a positive reach");
        self.reach = reach;
        let (origin, extent) = self.bring_inside(cell, positions);
        let widths = cell.perpendicular_widths();
        let width = (reach / ACROSS[usize::from(reach >= FAR)]).max(NARROWEST);
        self.grid = [0, 1].map(|k| ((widths[k] * extent[k] / width) as usize).max(1));
        self.margin = [0, 1].map(|k| {
            let column = widths[k] * extent[k] / self.grid[k] as f64;
            (reach / column).ceil() as usize
        });
        self.choose_steps(cell, extent);
        for one in &mut self.inside {
            let s = cell.to_fractional(one.position);
            let [a, b] = [0, 1].map(|k| {
                let at = ((s[k] - origin[k]) / extent[k] * self.grid[k] as f64) as usize;
                at.min(self.grid[k] - 1)
            });
            one.column = (a * self.grid[1] + b) as u32;
        }
        let order = |p: &Inside, q: &Inside| {
            (p.column.cmp(&q.column)).then(p.height.total_cmp(&q.height)).then(p.atom.cmp(&q.atom))
        };
        self.inside.sort_unstable_by(order);
        self.lay_out(cell);
    }

    /// The images of the atoms in the cell, and where fractional coordinates begin and how far they
    /// go.
    fn bring_inside(&mut self, cell: &Cell, positions: &[Vector3]) -> (Vector3, Vector3) {
        let periodic = cell.periodicity();
        let (mut low, mut high) = ([0.0; 3], [1.0; 3]);
        for k in (0..3).filter(|k| !periodic[*k]) {
            (low[k], high[k]) = (f64::INFINITY, f64::NEG_INFINITY);
        }
        self.inside.clear();
        for (atom, r) in positions.iter().enumerate() {
            assert!(r.iter().all(|x| x.is_finite()), "positions are finite");
            let (position, _) = cell.wrap(*r);
            let s = cell.to_fractional(position);
            for k in (0..3).filter(|k| !periodic[*k]) {
                (low[k], high[k]) = (low[k].min(s[k]), high[k].max(s[k]));
            }
            let atom = u32::try_from(atom).expect("fewer than 2^32 atoms");
            self.inside.push(Inside { column: 0, atom, height: s[2], position });
        }
        let extent = [0, 1, 2].map(|k| (high[k] - low[k]).max(1e-6));
        (low, extent)
    }

    /// Which columns can hold neighbours, and at which heights.
    fn choose_steps(&mut self, cell: &Cell, extent: Vector3) {
        let [a, b, c] = *cell.matrix();
        let a = math::scale(a, extent[0] / self.grid[0] as f64);
        let b = math::scale(b, extent[1] / self.grid[1] as f64);
        let length = math::norm(c);
        let axis = math::scale(c, 1.0 / length);
        let [range_a, range_b] = self.margin.map(|m| m as isize);
        self.steps.clear();
        for da in 0..=range_a {
            for db in -range_b..=range_b {
                let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(u, v)| {
                    let along_a = math::scale(a, da as f64 + u);
                    math::add(along_a, math::scale(b, db as f64 + v))
                });
                let rise = corners.map(|d| math::dot(d, axis));
                let aside: [Vector3; 4] =
                    std::array::from_fn(|k| math::sub(corners[k], math::scale(axis, rise[k])));
                let touching = da.abs() <= 1 && db.abs() <= 1;
                let nearest = if touching { 0.0 } else { distance_to_edges(&aside) };
                if nearest > self.reach {
                    continue;
                }
                let half = (self.reach * self.reach - nearest * nearest).sqrt();
                let lowest = rise.into_iter().fold(f64::INFINITY, f64::min);
                let highest = rise.into_iter().fold(f64::NEG_INFINITY, f64::max);
                let below = (-half - highest) / length - MARGIN;
                let above = (half - lowest) / length + MARGIN;
                if da == 0 && db == 0 {
                    self.above = above;
                } else if da > 0 || db > 0 {
                    self.steps.push(Step { offset: [da, db], below, above });
                }
            }
        }
    }

    /// Copies of every column with the images above and below it, side by side in memory.
    fn lay_out(&mut self, cell: &Cell) {
        let periodic = cell.periodicity();
        let [na, nb] = self.grid;
        let [ma, mb] = self.margin;
        let mut first_of = vec![0; na * nb + 1];
        for one in &self.inside {
            first_of[one.column as usize + 1] += 1;
        }
        for column in 0..na * nb {
            first_of[column + 1] += first_of[column];
        }
        let heights = self.steps.iter().flat_map(|step| [-step.below, step.above]);
        let window = heights.fold(self.above, f64::max);
        let copies = if periodic[2] { window.ceil() as i64 } else { 0 };
        self.starts.clear();
        self.home.clear();
        self.home.resize(na * nb, [0, 0]);
        for list in [&mut self.x, &mut self.y, &mut self.z, &mut self.height] {
            list.clear();
        }
        self.atom.clear();
        for ea in 0..na + 2 * ma {
            for eb in 0..nb + 2 * mb {
                self.starts.push(self.atom.len());
                let (image_a, a) = image_and_column(ea, ma, na);
                let (image_b, b) = image_and_column(eb, mb, nb);
                if (image_a != 0 && !periodic[0]) || (image_b != 0 && !periodic[1]) {
                    continue;
                }
                let column = a * nb + b;
                let atoms = first_of[column]..first_of[column + 1];
                for image_c in -copies..=copies {
                    let first = self.atom.len();
                    let image = [image_a as f64, image_b as f64, image_c as f64];
                    let shift = math::row_times(image, cell.matrix());
                    for one in &self.inside[atoms.clone()] {
                        let height = one.height + image[2];
                        if image_c != 0 && !(-window..=1.0 + window).contains(&height) {
                            continue;
                        }
                        self.x.push(one.position[0] + shift[0]);
                        self.y.push(one.position[1] + shift[1]);
                        self.z.push(one.position[2] + shift[2]);
                        self.height.push(height);
                        self.atom.push(one.atom);
                    }
                    if image_a == 0 && image_b == 0 && image_c == 0 {
                        self.home[column] = [first, self.atom.len()];
                    }
                }
            }
        }
        self.starts.push(self.atom.len());
        for list in [&mut self.x, &mut self.y, &mut self.z] {
            list.extend([0.0; LANES]);
        }
    }

    /// Number of columns without copies.
    pub(crate) fn count(&self) -> usize {
        self.home.len()
    }

    /// Every run of the atoms of one column.
    pub(crate) fn runs(&self, column: usize, runs: &mut Vec<Run>) {
        runs.clear();
        let [nb, mb] = [self.grid[1], self.margin[1]];
        let across = nb + 2 * mb;
        let at = (column / nb + self.margin[0]) * across + column % nb + mb;
        let [first, last] = self.home[column];
        let mut end = first;
        let top = self.starts[at + 1];
        for center in first..last {
            while end < top && self.height[end] <= self.height[center] + self.above {
                end += 1;
            }
            if center + 1 < end {
                runs.push(Run { center, first: center + 1, end });
            }
        }
        for step in &self.steps {
            let there = at.wrapping_add_signed(step.offset[0] * across as isize + step.offset[1]);
            let top = self.starts[there + 1];
            let mut low = self.starts[there];
            let mut end = low;
            for center in first..last {
                let height = self.height[center];
                while low < top && self.height[low] < height + step.below {
                    low += 1;
                }
                while end < top && self.height[end] <= height + step.above {
                    end += 1;
                }
                if low < end {
                    runs.push(Run { center, first: low, end });
                }
            }
        }
    }
}

/// Which copy of the cell a column of the enlarged grid belongs to, and the column there.
fn image_and_column(at: usize, margin: usize, count: usize) -> (i64, usize) {
    let relative = at as i64 - margin as i64;
    (relative.div_euclid(count as i64), relative.rem_euclid(count as i64) as usize)
}

/// Smallest distance of the origin to the edges of a polygon around or beside it.
fn distance_to_edges(corners: &[Vector3; 4]) -> f64 {
    let to_edge = |k: usize| {
        let (p, q) = (corners[k], corners[(k + 1) % 4]);
        let edge = math::sub(q, p);
        let along = (-math::dot(p, edge) / math::norm2(edge)).clamp(0.0, 1.0);
        math::norm(math::add(p, math::scale(edge, along)))
    };
    (0..4).map(to_edge).fold(f64::INFINITY, f64::min)
}
