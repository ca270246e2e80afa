//! Neighbours of every atom within a short distance.

use super::{Columns, LANES, Run};
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::Cell;
use vitrion_core::math::Vector3;

/// Finds neighbours frame after frame in the same memory.
#[derive(Debug, Default)]
pub struct Neighbors {
    columns: Columns,
    runs: Vec<Run>,
    half: Vec<Half>,
    table: NeighborTable,
}

/// Neighbours and the vectors to them, row by row.
#[derive(Debug, Default)]
pub struct NeighborTable {
    cutoff: f64,
    offsets: Vec<usize>,
    index: Vec<u32>,
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
}

/// One pair, seen from one side [Å].
#[derive(Debug, Clone, Copy, Default)]
struct Half {
    i: u32,
    j: u32,
    vector: Vector3,
}

impl Neighbors {
    /// All neighbours closer than `cutoff` [Å]; an atom of a small cell can be the neighbour of
    /// another, or of itself, by several images.
    ///
    /// # Panics
    /// If a position is not finite or `cutoff` is not positive.
    pub fn find(&mut self, cell: &Cell, positions: &[Vector3], cutoff: f64) {
        self.columns.sort(cell, positions, cutoff);
        let arch = Arch::new();
        self.half.clear();
        for column in 0..self.columns.count() {
            self.columns.runs(column, &mut self.runs);
            arch.dispatch(Collect {
                columns: &self.columns,
                runs: &self.runs,
                squared: cutoff * cutoff,
                half: &mut self.half,
            });
        }
        self.table.cutoff = cutoff;
        self.table.fill(positions.len(), &self.half);
    }

    /// What was found last.
    pub fn table(&self) -> &NeighborTable {
        &self.table
    }
}

impl NeighborTable {
    /// Both directions of every pair, in rows.
    fn fill(&mut self, atoms: usize, half: &[Half]) {
        self.offsets.clear();
        self.offsets.resize(atoms + 1, 0);
        for pair in half {
            self.offsets[pair.i as usize + 1] += 1;
            self.offsets[pair.j as usize + 1] += 1;
        }
        for atom in 0..atoms {
            self.offsets[atom + 1] += self.offsets[atom];
        }
        let entries = 2 * half.len();
        self.index.resize(entries, 0);
        for list in [&mut self.x, &mut self.y, &mut self.z] {
            list.resize(entries, 0.0);
        }
        for pair in half {
            let [x, y, z] = pair.vector;
            for (i, j, vector) in [(pair.i, pair.j, [x, y, z]), (pair.j, pair.i, [-x, -y, -z])] {
                let at = self.offsets[i as usize];
                self.offsets[i as usize] += 1;
                self.index[at] = j;
                (self.x[at], self.y[at], self.z[at]) = (vector[0], vector[1], vector[2]);
            }
        }
        // every offset has moved to the end of its row
        self.offsets.rotate_right(1);
        self.offsets[0] = 0;
    }

    /// Distance up to which neighbours are listed [Å].
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// True without atoms.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries of an atom's row.
    pub fn row(&self, atom: usize) -> std::ops::Range<usize> {
        self.offsets[atom]..self.offsets[atom + 1]
    }

    /// The neighbour of an entry.
    pub fn neighbor(&self, entry: usize) -> usize {
        self.index[entry] as usize
    }

    /// Vector `r_j − r_i` of an entry [Å].
    pub fn vector(&self, entry: usize) -> Vector3 {
        [self.x[entry], self.y[entry], self.z[entry]]
    }

    /// Neighbours of consecutive entries.
    pub(crate) fn indices(&self, entries: std::ops::Range<usize>) -> &[u32] {
        &self.index[entries]
    }

    /// Components x, y, z of the vectors of consecutive entries [Å].
    pub(crate) fn components(&self, entries: std::ops::Range<usize>) -> [&[f64]; 3] {
        [&self.x[entries.clone()], &self.y[entries.clone()], &self.z[entries]]
    }

    /// Neighbours of an atom with the vectors to them [Å].
    pub fn of(&self, atom: usize) -> impl Iterator<Item = (usize, Vector3)> + '_ {
        self.row(atom).map(|entry| (self.neighbor(entry), self.vector(entry)))
    }
}

/// Keeps the pairs of some runs that are close enough.
struct Collect<'a> {
    columns: &'a Columns,
    runs: &'a [Run],
    squared: f64,
    half: &'a mut Vec<Half>,
}

impl WithSimd for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Collect { columns, runs, squared, half } = self;
        let (x, y, z) = (&columns.x[..], &columns.y[..], &columns.z[..]);
        for run in runs {
            let center = [x[run.center], y[run.center], z[run.center]];
            let i = columns.atom[run.center];
            let length = run.end - run.first;
            let mut kept = half.len();
            half.resize(kept + length.next_multiple_of(LANES), Half::default());
            let mut first = run.first;
            while first < run.end {
                let mut vectors = [[0.0; LANES]; 3];
                let mut distances = [0.0; LANES];
                let (xs, ys, zs) =
                    (&x[first..][..LANES], &y[first..][..LANES], &z[first..][..LANES]);
                for lane in 0..LANES {
                    let dx = xs[lane] - center[0];
                    let dy = ys[lane] - center[1];
                    let dz = zs[lane] - center[2];
                    vectors[0][lane] = dx;
                    vectors[1][lane] = dy;
                    vectors[2][lane] = dz;
                    distances[lane] = dx * dx + dy * dy + dz * dz;
                }
                let lanes = LANES.min(run.end - first);
                for lane in 0..lanes {
                    // written always, kept only if near: a branch would be wrong half of the time
                    let vector = [vectors[0][lane], vectors[1][lane], vectors[2][lane]];
                    half[kept] = Half { i, j: columns.atom[first + lane], vector };
                    kept += usize::from(distances[lane] < squared);
                }
                first += LANES;
            }
            half.truncate(kept);
        }
    }
}
