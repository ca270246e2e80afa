//! Atoms in bins, and what lies around a bin up to one distance after the other.
//!
//! Bins are parallelepipeds along the lattice vectors; atoms are sorted by bin, with bins along the
//! third vector side by side in memory. A bin outside the cell is an image of one inside, so any
//! distance may be asked for in any periodic cell.

use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Atoms that are looked at together.
const LANES: usize = 8;
/// Atoms per bin that suit.
const PER_BIN: f64 = 3.0;
/// Radius of the first shell, in units of the cube root of the volume per atom, and the ratio of
/// the next radii.
const FIRST: f64 = 2.1;
const GROWTH: f64 = 1.4;
/// Added to the radius when bins are chosen, far above rounding [relative].
const MARGIN: f64 = 1e-9;

/// Consecutive bins along the third lattice vector, relative to a bin.
#[derive(Debug, Clone, Copy)]
struct Step {
    offset: [i64; 2],
    first: i64,
    last: i64,
}

/// The atoms of a periodic frame, by bin.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    bins: [usize; 3],
    /// First atom of every bin, and the end of the last.
    starts: Vec<usize>,
    pub(super) positions: Vec<Vector3>,
    /// Number in the order of the caller.
    pub(super) atoms: Vec<u32>,
    matrix: math::Matrix3,
    /// Edges of a bin.
    edges: math::Matrix3,
    first_radius: f64,
    shells: Vec<Vec<Step>>,
    /// Shells that are up to date.
    ready: usize,
    bin_of: Vec<u32>,
}

impl Grid {
    /// Sorts the atoms of a frame; `spacing` is the cube root of the volume per atom [Å].
    pub(super) fn sort(&mut self, cell: &Cell, positions: &[Vector3], spacing: f64) {
        let widths = cell.perpendicular_widths();
        let width = spacing * PER_BIN.cbrt();
        self.bins = widths.map(|w| ((w / width) as usize).max(1));
        self.matrix = *cell.matrix();
        for k in 0..3 {
            self.edges[k] = math::scale(self.matrix[k], 1.0 / self.bins[k] as f64);
        }
        self.first_radius = FIRST * spacing;
        self.ready = 0;
        let [na, nb, nc] = self.bins;
        self.starts.clear();
        self.starts.resize(na * nb * nc + 1, 0);
        self.bin_of.clear();
        for r in positions {
            let s = cell.to_fractional(cell.wrap(*r).0);
            let [a, b, c] =
                [0, 1, 2].map(|k| ((s[k] * self.bins[k] as f64) as usize).min(self.bins[k] - 1));
            let bin = (a * nb + b) * nc + c;
            self.bin_of.push(bin as u32);
            self.starts[bin + 1] += 1;
        }
        for bin in 0..na * nb * nc {
            self.starts[bin + 1] += self.starts[bin];
        }
        self.positions.resize(positions.len(), [0.0; 3]);
        self.atoms.resize(positions.len(), 0);
        for (atom, r) in positions.iter().enumerate() {
            let bin = self.bin_of[atom] as usize;
            let at = self.starts[bin];
            self.starts[bin] += 1;
            self.positions[at] = cell.wrap(*r).0;
            self.atoms[at] = atom as u32;
        }
        // every start has moved to the end of its bin
        self.starts.rotate_right(1);
        self.starts[0] = 0;
    }

    /// Number of bins.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Atoms of a bin, in the order of the grid.
    pub(super) fn bin(&self, bin: usize) -> std::ops::Range<usize> {
        self.starts[bin]..self.starts[bin + 1]
    }

    /// Outer radius of a shell [Å].
    pub(super) fn radius(&self, shell: usize) -> f64 {
        self.first_radius * GROWTH.powi(shell as i32)
    }

    /// Everything that can be within the radius of a shell around the atoms of a bin.
    pub(super) fn gather(&mut self, bin: usize, shell: usize, nearby: &mut Nearby) {
        while self.ready <= shell {
            self.prepare(self.ready);
            self.ready += 1;
        }
        nearby.clear();
        let [na, nb, nc] = self.bins.map(|n| n as i64);
        let (a, b, c) = (bin as i64 / (nb * nc), bin as i64 / nc % nb, bin as i64 % nc);
        for step in &self.shells[shell] {
            let (image_a, a) = image_and_bin(a + step.offset[0], na);
            let (image_b, b) = image_and_bin(b + step.offset[1], nb);
            let (mut first, last) = (c + step.first, c + step.last);
            while first <= last {
                let (image_c, from) = image_and_bin(first, nc);
                let length = (last - first + 1).min(nc - from);
                let row = (a * nb + b) * nc + from;
                let (start, end) =
                    (self.starts[row as usize], self.starts[(row + length) as usize]);
                let image = [image_a as f64, image_b as f64, image_c as f64];
                let shift = math::row_times(image, &self.matrix);
                nearby.extend(&self.positions[start..end], &self.atoms[start..end], shift);
                first += length;
            }
        }
        nearby.pad();
    }

    /// Chooses the bins of a shell.
    fn prepare(&mut self, shell: usize) {
        if self.shells.len() <= shell {
            self.shells.push(Vec::new());
        }
        let radius = self.radius(shell) * (1.0 + MARGIN);
        let volume = math::determinant(&self.edges).abs();
        let [a, b, c] = self.edges;
        let normals = [math::cross(b, c), math::cross(c, a), math::cross(a, b)];
        let range = normals.map(|n| (radius * math::norm(n) / volume).ceil() as i64);
        let mut steps = std::mem::take(&mut self.shells[shell]);
        steps.clear();
        for da in -range[0]..=range[0] {
            for db in -range[1]..=range[1] {
                let near = |dc: &i64| self.gap([da, db, *dc], &normals) <= radius;
                let first = (-range[2]..=range[2]).find(near);
                let last = (-range[2]..=range[2]).rev().find(near);
                if let (Some(first), Some(last)) = (first, last) {
                    steps.push(Step { offset: [da, db], first, last });
                }
            }
        }
        self.shells[shell] = steps;
    }

    /// At most the distance between two bins: the gap between their shadows on the line along some
    /// directions that suit.
    fn gap(&self, offset: [i64; 3], normals: &[Vector3; 3]) -> f64 {
        let along = offset.map(|d| d as f64);
        let between = math::row_times(along, &self.edges);
        let free = along.map(|d| d.signum() * (d.abs() - 1.0).max(0.0));
        let free = math::row_times(free, &self.edges);
        let [a, b, c] = *normals;
        let shadow = |direction: Vector3| {
            let length = math::norm(direction);
            if length < f64::MIN_POSITIVE {
                return 0.0;
            }
            let widths = self.edges.map(|edge| math::dot(edge, direction).abs());
            (math::dot(between, direction).abs() - widths.iter().sum::<f64>()) / length
        };
        [a, b, c, between, free].into_iter().map(shadow).fold(0.0, f64::max)
    }
}

/// Which copy of the cell a bin belongs to, and the bin there.
#[inline(always)]
fn image_and_bin(at: i64, count: i64) -> (i64, i64) {
    if (0..count).contains(&at) {
        return (0, at);
    }
    (at.div_euclid(count), at.rem_euclid(count))
}

/// Atoms and images around a bin.
#[derive(Debug, Clone, Default)]
pub(super) struct Nearby {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    atoms: Vec<u32>,
}

impl Nearby {
    fn clear(&mut self) {
        for list in [&mut self.x, &mut self.y, &mut self.z] {
            list.clear();
        }
        self.atoms.clear();
    }

    fn extend(&mut self, positions: &[Vector3], atoms: &[u32], shift: Vector3) {
        self.x.extend(positions.iter().map(|r| r[0] + shift[0]));
        self.y.extend(positions.iter().map(|r| r[1] + shift[1]));
        self.z.extend(positions.iter().map(|r| r[2] + shift[2]));
        self.atoms.extend_from_slice(atoms);
    }

    /// Fills the last lanes with atoms that are nowhere near.
    fn pad(&mut self) {
        let padded = self.atoms.len().next_multiple_of(LANES);
        for list in [&mut self.x, &mut self.y, &mut self.z] {
            list.resize(padded, f64::INFINITY);
        }
    }

    /// Number of the atom of an entry.
    #[inline(always)]
    pub(super) fn atom(&self, entry: usize) -> u32 {
        self.atoms[entry]
    }

    /// Vector from a position to an entry [Å].
    #[inline(always)]
    pub(super) fn vector(&self, entry: usize, from: Vector3) -> Vector3 {
        [self.x[entry] - from[0], self.y[entry] - from[1], self.z[entry] - from[2]]
    }

    /// Entries with squared distances `low..high` from a position, nearest first: the entry is in the
    /// lower half of each number, its squared distance in single precision in the upper.
    #[inline(always)]
    pub(super) fn sorted(&self, from: Vector3, low: f64, high: f64, found: &mut Vec<u64>) {
        let padded = self.x.len();
        found.resize(padded.max(found.len()), 0);
        let mut kept = 0;
        let lists = (self.x.chunks_exact(LANES))
            .zip(self.y.chunks_exact(LANES))
            .zip(self.z.chunks_exact(LANES));
        for (block, ((x, y), z)) in lists.enumerate() {
            let mut squared = [0.0; LANES];
            for lane in 0..LANES {
                let (dx, dy, dz) = (x[lane] - from[0], y[lane] - from[1], z[lane] - from[2]);
                squared[lane] = dx * dx + dy * dy + dz * dz;
            }
            for lane in 0..LANES {
                let bits = u64::from((squared[lane] as f32).to_bits());
                // written always, kept only if in the shell
                found[kept] = bits << 32 | (block * LANES + lane) as u64;
                kept += usize::from(squared[lane] >= low) & usize::from(squared[lane] < high);
            }
        }
        found.truncate(kept);
        found.sort_unstable();
    }
}
