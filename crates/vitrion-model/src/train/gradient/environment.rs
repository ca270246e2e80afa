//! What each centre of a panel sees: environment rows, their slopes and Hermite weights of all its
//! neighbours, eight at a time in f64, rounded to `T` at the end.

use super::GradientError;
use super::geometry::{Geometry, Interval, ORDERS, OUTSIDE, Pair, hermite};
use super::surroundings::{Entry, Share};
use crate::deep_potential::real::Real;
use crate::train::example::Example;
use pulp::{Arch, Simd, WithSimd};

/// Neighbours done at once.
const BLOCK: usize = 8;

/// Neighbours of one species around one centre.
#[derive(Debug, Default)]
struct Run {
    /// Vectors to them [Å]; the last block is filled up.
    vectors: [Vec<f64>; 3],
    nodes: Vec<u32>,
}

/// Entries of the centres of a panel, and the nodes they share.
#[derive(Debug)]
pub(super) struct Surroundings<T> {
    pub entries: Vec<Entry<T>>,
    /// Entries of lane `r` are `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<usize>,
    pub shares: Vec<Share<T>>,
    /// Shares of lane `r`.
    pub share_offsets: Vec<usize>,
    run: Run,
}

impl<T: Real> Surroundings<T> {
    pub(super) fn new() -> Self {
        Surroundings {
            entries: Vec::new(),
            offsets: Vec::new(),
            shares: Vec::new(),
            share_offsets: Vec::new(),
            run: Run::default(),
        }
    }

    /// Finds the entries of `centres` (frame and atom), all of species `own`, with their `α`.
    pub(super) fn find(
        &mut self,
        arch: Arch,
        geometry: &Geometry,
        own: usize,
        centres: &[(u32, u32)],
        batch: &[Example],
    ) -> Result<(), GradientError> {
        self.entries.clear();
        self.shares.clear();
        self.offsets.clear();
        self.share_offsets.clear();
        self.offsets.push(0);
        self.share_offsets.push(0);
        for (frame, atom) in centres {
            let (example, i) = (&batch[*frame as usize], *atom as usize);
            let end = example.list().row(i).end;
            let mut at = example.list().row(i).start;
            // neighbours come species by species
            for species in 0..geometry.sel.len() {
                let pair = &geometry.pairs[own * geometry.sel.len() + species];
                let interval = geometry.grids[pair.net].interval();
                let first = self.entries.len();
                at = self.collect(example, i, at..end, species);
                let count = self.entries.len() - first;
                arch.dispatch(Rows {
                    geometry,
                    pair,
                    interval,
                    vectors: &self.run.vectors,
                    nodes: &mut self.run.nodes,
                    entries: &mut self.entries[first..],
                });
                if let Some(k) = self.run.nodes[..count].iter().position(|node| *node == OUTSIDE) {
                    let order = example.order();
                    let entry = &self.entries[first + k];
                    return Err(GradientError::TooClose {
                        frame: example.number(),
                        first: order[i] as usize,
                        second: order[entry.neighbor as usize] as usize,
                        distance: entry.distance.to_f64(),
                        nearest: geometry.nearest,
                    });
                }
                if let Some(x) = pair.empty() {
                    let empty = geometry.sel[species] as f64 - count as f64;
                    self.pad(interval, x, *atom, empty * x * geometry.inverse_slots);
                }
                self.distribute(first);
            }
            self.offsets.push(self.entries.len());
            self.share_offsets.push(self.shares.len());
        }
        Ok(())
    }

    /// Vectors to the neighbours of `i` of one species from entry `row.start` of the list on; returns
    /// where the next species starts.
    fn collect(
        &mut self,
        example: &Example,
        i: usize,
        row: std::ops::Range<usize>,
        species: usize,
    ) -> usize {
        let (list, positions) = (example.list(), example.positions());
        let end = row.end;
        self.run.vectors.iter_mut().for_each(Vec::clear);
        for p in row {
            let j = list.index[p];
            if usize::from(example.species()[j as usize]) != species {
                return p;
            }
            let vector = list.vector(positions, i, p);
            self.run.vectors.iter_mut().zip(vector).for_each(|(all, x)| all.push(x));
            self.entries.push(Entry { neighbor: j, ..Entry::default() });
        }
        end
    }

    /// The term of empty slots, which counts where the environment is normalised with a mean: their
    /// input `x` and their row.
    fn pad(&mut self, interval: Interval, x: f64, atom: u32, row: f64) {
        let (node, u) = interval.locate(x);
        assert!(node != OUTSIDE, "the grid starts below the empty slots");
        let (value, slope) = hermite(u, interval.spacing);
        let round = |weights: [f64; 2 * ORDERS]| {
            let mut rounded = [[T::ZERO; ORDERS]; 2];
            for q in 0..2 * ORDERS {
                rounded[q / ORDERS][q % ORDERS] = T::from_f64(weights[q]);
            }
            rounded
        };
        self.run.nodes.truncate(self.run.vectors[0].len());
        self.run.nodes.push(node);
        self.entries.push(Entry {
            row: [T::from_f64(row), T::ZERO, T::ZERO, T::ZERO],
            neighbor: atom,
            value: round(value),
            slope: round(slope),
            ..Entry::default()
        });
    }

    /// Gives the entries from `first` on their shares, and these their `α`. Neighbours come in order
    /// of distance, so their nodes descend.
    fn distribute(&mut self, first: usize) {
        let new = self.shares.len();
        for (entry, node) in self.entries[first..].iter_mut().zip(&self.run.nodes) {
            let mut of = |node: u32| {
                let known = &self.shares[new..];
                let last = known.len().saturating_sub(2);
                let at = known[last..].iter().position(|share| share.node == node);
                let at = at.map_or(known.len(), |at| last + at) + new;
                if at == self.shares.len() {
                    self.shares.push(Share { node, ..Share::default() });
                }
                at as u32
            };
            // the right one first: it may be the left one of the entry before
            let right = of(node + 1);
            entry.shares = [of(*node), right];
            entry.share(&mut self.shares);
        }
    }
}

/// Rows and Hermite weights of the neighbours of a run.
struct Rows<'a, T> {
    geometry: &'a Geometry,
    pair: &'a Pair,
    interval: Interval,
    vectors: &'a [Vec<f64>; 3],
    nodes: &'a mut Vec<u32>,
    entries: &'a mut [Entry<T>],
}

impl<T: Real> WithSimd for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.nodes.clear();
        self.nodes.resize(self.entries.len(), 0);
        let [x, y, z] = self.vectors;
        let mut done = 0;
        while done < self.entries.len() {
            let count = (self.entries.len() - done).min(BLOCK);
            // those beyond the last repeat it
            let mut vector = [[0.0; BLOCK]; 3];
            for l in 0..BLOCK {
                let k = done + l.min(count - 1);
                vector[0][l] = x[k];
                vector[1][l] = y[k];
                vector[2][l] = z[k];
            }
            let block = rows::<T>(self.geometry, self.pair, self.interval, &vector);
            for l in 0..count {
                block.write(l, &mut self.entries[done + l]);
                self.nodes[done + l] = block.node[l];
            }
            done += count;
        }
    }
}

/// What [`rows`] finds, by lanes.
struct Rounded<T> {
    node: [u32; BLOCK],
    row: [[T; BLOCK]; 4],
    unit: [[T; BLOCK]; 3],
    distance: [T; BLOCK],
    radial: [T; BLOCK],
    angular: [T; BLOCK],
    angular_slope: [T; BLOCK],
    value: [[T; BLOCK]; 2 * ORDERS],
    slope: [[T; BLOCK]; 2 * ORDERS],
}

impl<T: Real> Rounded<T> {
    #[inline(always)]
    fn write(&self, l: usize, entry: &mut Entry<T>) {
        for c in 0..4 {
            entry.row[c] = self.row[c][l];
        }
        for a in 0..3 {
            entry.unit[a] = self.unit[a][l];
        }
        entry.distance = self.distance[l];
        entry.radial = self.radial[l];
        entry.angular = self.angular[l];
        entry.angular_slope = self.angular_slope[l];
        for q in 0..2 * ORDERS {
            entry.value[q / ORDERS][q % ORDERS] = self.value[q][l];
            entry.slope[q / ORDERS][q % ORDERS] = self.slope[q][l];
        }
    }
}

/// `w`, `s = w/(r+p)`, `t = w/(r+p)²` and what follows from them, lane by lane.
#[inline(always)]
fn rows<T: Real>(
    geometry: &Geometry,
    pair: &Pair,
    interval: Interval,
    [x, y, z]: &[[f64; BLOCK]; 3],
) -> Rounded<T> {
    let zero = [T::ZERO; BLOCK];
    let mut found = Rounded {
        node: [0; BLOCK],
        row: [zero; 4],
        unit: [zero; 3],
        distance: zero,
        radial: zero,
        angular: zero,
        angular_slope: zero,
        value: [zero; 2 * ORDERS],
        slope: [zero; 2 * ORDERS],
    };
    let (smooth, per_width) =
        (geometry.smooth_cutoff, 1.0 / (geometry.cutoff - geometry.smooth_cutoff));
    for l in 0..BLOCK {
        let r = (x[l] * x[l] + y[l] * y[l] + z[l] * z[l]).sqrt();
        let per_r = 1.0 / r;
        let q = 1.0 / (r + geometry.protection);
        // the switch of `switching::weight` without branches: 1 below, 0 and flat beyond
        let u = ((r - smooth) * per_width).clamp(0.0, 1.0);
        let polynomial = u.mul_add(u.mul_add(-6.0, 15.0), -10.0);
        let w = (u * u * u).mul_add(polynomial, 1.0);
        let dw = u * u * per_width * 3.0f64.mul_add(polynomial, u * u.mul_add(-12.0, 15.0));
        let (s, t) = (w * q, w * q * q);
        let (ds, dt) = ((dw - s) * q, 2.0f64.mul_add(-s, dw) * q * q);
        let input = pair.input(s);
        let (node, u) = interval.locate(input);
        let angular = t * pair.per_angular;
        let turn = angular * geometry.inverse_slots;
        found.node[l] = node;
        found.row[0][l] = T::from_f64(input * geometry.inverse_slots);
        found.row[1][l] = T::from_f64(turn * x[l]);
        found.row[2][l] = T::from_f64(turn * y[l]);
        found.row[3][l] = T::from_f64(turn * z[l]);
        found.unit[0][l] = T::from_f64(x[l] * per_r);
        found.unit[1][l] = T::from_f64(y[l] * per_r);
        found.unit[2][l] = T::from_f64(z[l] * per_r);
        found.distance[l] = T::from_f64(r);
        found.radial[l] = T::from_f64(ds * pair.per_radial);
        found.angular[l] = T::from_f64(angular);
        found.angular_slope[l] = T::from_f64(r * dt * pair.per_angular);
        let (value, slope) = hermite(u, interval.spacing);
        for q in 0..2 * ORDERS {
            found.value[q][l] = T::from_f64(value[q]);
            found.slope[q][l] = T::from_f64(slope[q]);
        }
    }
    found
}
