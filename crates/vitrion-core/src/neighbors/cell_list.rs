//! Neighbour lists in linear time: atoms are wrapped, binned and sorted along a space-filling curve,
//! and only bins within reach are searched.
//!
//! Everything depends on cell and positions alone, never on the number of threads.

use crate::cell::Cell;
use crate::math::{self, Vector3};
use crate::potential::NeighborList;
use rayon::prelude::*;
use std::ops::Range;

/// Atoms per task of a parallel search, about.
const ATOMS_PER_TASK: usize = 512;

/// Atoms inside the cell in Morton order of their bins, so that neighbours in space are neighbours
/// in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sorted {
    /// Number in the caller's order of each sorted atom.
    pub order: Vec<u32>,
    /// Lattice translation that was taken off: `r = position + image · H`.
    pub images: Vec<[i32; 3]>,
    /// Positions inside the cell [Å].
    pub positions: Vec<Vector3>,
}

impl Sorted {
    /// Takes over new positions (in the caller's order) and a new cell; order and images stay.
    pub fn refresh(&mut self, cell: &Cell, positions: &[Vector3]) {
        let matrix = cell.matrix();
        let place = |(r, (atom, n)): (&mut Vector3, (&u32, &[i32; 3]))| {
            let shift = math::row_times(n.map(f64::from), matrix);
            *r = math::sub(positions[*atom as usize], shift);
        };
        let whence = || self.order.iter().zip(&self.images);
        if rayon::current_num_threads() > 1 && positions.len() > 8 * ATOMS_PER_TASK {
            let whence = self.order.par_iter().zip(&self.images);
            self.positions.par_iter_mut().zip(whence).for_each(place);
        } else {
            self.positions.iter_mut().zip(whence()).for_each(place);
        }
    }
}

/// Equal bins along the lattice vectors; atoms of a bin are contiguous in the sorted order.
struct Bins {
    counts: [i64; 3],
    /// Bins to search on each side.
    reach: [i64; 3],
    /// Place in the sorted order of bins, and the bin at each place.
    rank: Vec<u32>,
    at: Vec<[i64; 3]>,
    /// First sorted atom of each place, and the end.
    starts: Vec<u32>,
}

/// All atoms within reach of one bin, in one array per coordinate: distances to them are plain loops.
#[derive(Default)]
struct Nearby {
    visits: Vec<Visit>,
    position: [Vec<f64>; 3],
    translation: [Vec<f64>; 3],
    index: Vec<u32>,
    image: Vec<u32>,
    /// Where the atoms of the bin itself start.
    home: usize,
    r2: Vec<f64>,
}

/// Atoms of one bin under one lattice translation.
struct Visit {
    atoms: Range<u32>,
    image: u32,
}

/// Sorts the atoms and lists all directed pairs closer than `cutoff` [Å], in any cell, with cutoffs
/// larger than the cell.
///
/// `images` receives the lattice translations that entries of `list.image` number; translation
/// `n` has the number `images.len() − 1` minus that of `−n`. Rows are sorted by neighbour, then
/// image. Cost O(N · neighbours).
///
/// # Panics
/// If a position is not finite: readers and the integrator check before.
pub fn build(
    cell: &Cell,
    positions: &[Vector3],
    cutoff: f64,
    sorted: &mut Sorted,
    images: &mut Vec<[i32; 3]>,
    list: &mut NeighborList,
) {
    assert!(
        positions.iter().flatten().all(|x| x.is_finite()),
        "positions are finite when a neighbour list is built"
    );
    let bins = Bins::new(cell, positions, cutoff, sorted);
    sorted.refresh(cell, positions);
    let box_of = bins.images(images, cell.periodicity());
    list.translations.clear();
    list.translations.extend(images.iter().map(|n| cell.to_cartesian(n.map(f64::from))));
    let tasks = bins.tasks();
    let search = Search {
        bins: &bins,
        box_of,
        periodic: cell.periodicity(),
        translations: &list.translations,
        positions: &sorted.positions,
        cutoff2: cutoff * cutoff,
    };

    let atoms = positions.len();
    list.offsets.clear();
    list.offsets.resize(atoms + 1, 0);
    let counts = cut(&mut list.offsets[1..], tasks.iter().map(|t| bins.atoms(t).len()));
    tasks.par_iter().zip(counts).for_each(|(places, counts)| search.count(places.clone(), counts));
    for i in 0..atoms {
        list.offsets[i + 1] += list.offsets[i];
    }

    let pairs = list.offsets[atoms];
    list.index.clear();
    list.index.resize(pairs, 0);
    list.image.clear();
    list.image.resize(pairs, 0);
    let offsets = &list.offsets;
    let lengths = || {
        tasks.iter().map(|t| {
            let atoms = bins.atoms(t);
            offsets[atoms.end] - offsets[atoms.start]
        })
    };
    let (index, image) = (cut(&mut list.index, lengths()), cut(&mut list.image, lengths()));
    tasks
        .par_iter()
        .zip(index.into_par_iter().zip(image))
        .for_each(|(places, (index, image))| search.fill(places.clone(), offsets, index, image));
    reverse(list);
}

/// `reverse[p]` of every entry: rows are sorted by neighbour, so the entries of row `j` are met in
/// order while `i` runs; several images of one pair are met in opposite order from its two ends.
fn reverse(list: &mut NeighborList) {
    let atoms = list.offsets.len() - 1;
    list.reverse.clear();
    list.reverse.resize(list.index.len(), 0);
    let mut next: Vec<usize> = list.offsets[..atoms].to_vec();
    for i in 0..atoms {
        let end = list.offsets[i + 1];
        let mut p = list.offsets[i];
        while p < end {
            let j = list.index[p];
            let mut after = p + 1;
            while after < end && list.index[after] == j {
                after += 1;
            }
            let last = next[j as usize] + (after - p) - 1;
            for k in p..after {
                list.reverse[k] = u32::try_from(last - (k - p)).expect("fewer than 2^32 pairs");
            }
            next[j as usize] = last + 1;
            p = after;
        }
    }
}

/// Consecutive parts of a slice.
fn cut<T>(mut slice: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    let mut parts = Vec::new();
    for length in lengths {
        let (part, rest) = slice.split_at_mut(length);
        parts.push(part);
        slice = rest;
    }
    parts
}

impl Bins {
    /// Bins for this cutoff; `sorted` receives order and images of the atoms.
    fn new(cell: &Cell, positions: &[Vector3], cutoff: f64, sorted: &mut Sorted) -> Bins {
        let widths = cell.perpendicular_widths();
        let periodic = cell.periodicity();
        let wrapped: Vec<(Vector3, [i32; 3])> = positions
            .par_iter()
            .with_min_len(ATOMS_PER_TASK)
            .map(|r| {
                let (inside, image) = cell.wrap(*r);
                (cell.to_fractional(inside), image)
            })
            .collect();
        // never more bins than atoms along one direction: empty bins only cost time
        let most = (positions.len() as f64).cbrt().ceil() as i64 * 2;
        let mut counts = [1; 3];
        let mut reach = [1; 3];
        let mut origin = [0.0; 3];
        let mut per_bin = [1.0; 3];
        for k in 0..3 {
            let mut span = 1.0;
            if !periodic[k] {
                let along = || wrapped.iter().map(|(s, _)| s[k]);
                let low = along().fold(f64::INFINITY, f64::min);
                let high = along().fold(f64::NEG_INFINITY, f64::max);
                origin[k] = if low.is_finite() { low } else { 0.0 };
                // a hair wider, so that the highest atom falls into the last bin
                span = (high - low).max(1e-9) * (1.0 + 1e-9);
            }
            // one bin per cutoff: smaller ones would save distances, but collecting the atoms of
            // 125 bins for three atoms each costs more than that
            counts[k] = ((span * widths[k] / cutoff).floor() as i64).clamp(1, most.max(1));
            per_bin[k] = counts[k] as f64 / span;
            // a bin at offset m is at least (m − 1) bin widths away
            reach[k] = (cutoff * per_bin[k] / widths[k]).ceil() as i64;
        }
        let flat = |bin: [i64; 3]| ((bin[0] * counts[1] + bin[1]) * counts[2] + bin[2]) as usize;
        let mut at = Vec::with_capacity((counts[0] * counts[1] * counts[2]) as usize);
        for a in 0..counts[0] {
            for b in 0..counts[1] {
                at.extend((0..counts[2]).map(|c| [a, b, c]));
            }
        }
        at.sort_unstable_by_key(|bin| morton(*bin));
        let mut rank = vec![0; at.len()];
        for (place, bin) in at.iter().enumerate() {
            rank[flat(*bin)] = place as u32;
        }
        // counting sort of the atoms by the place of their bin
        let place = |s: &Vector3| {
            let bin = std::array::from_fn(|k| {
                (((s[k] - origin[k]) * per_bin[k]).floor() as i64).clamp(0, counts[k] - 1)
            });
            rank[flat(bin)]
        };
        let places: Vec<u32> = wrapped.iter().map(|(s, _)| place(s)).collect();
        let mut starts = vec![0_u32; at.len() + 1];
        for place in &places {
            starts[*place as usize + 1] += 1;
        }
        for place in 0..at.len() {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        sorted.order.clear();
        sorted.order.resize(positions.len(), 0);
        for (atom, place) in places.iter().enumerate() {
            let to = &mut next[*place as usize];
            sorted.order[*to as usize] = u32::try_from(atom).expect("fewer than 2^32 atoms");
            *to += 1;
        }
        sorted.images.clear();
        sorted.images.extend(sorted.order.iter().map(|atom| wrapped[*atom as usize].1));
        sorted.positions.clear();
        sorted.positions.resize(positions.len(), [0.0; 3]);
        Bins { counts, reach, rank, at, starts }
    }

    /// Fills `images` with all translations within reach, in lexicographic order, and returns how
    /// far they go along each lattice vector.
    fn images(&self, images: &mut Vec<[i32; 3]>, periodic: [bool; 3]) -> [i64; 3] {
        let far: [i64; 3] = std::array::from_fn(|k| {
            if periodic[k] { (self.counts[k] - 1 + self.reach[k]) / self.counts[k] } else { 0 }
        });
        images.clear();
        let range = |k: usize| -far[k] as i32..=far[k] as i32;
        for a in range(0) {
            for b in range(1) {
                images.extend(range(2).map(|c| [a, b, c]));
            }
        }
        far
    }

    /// Sorted atoms of these places.
    fn atoms(&self, places: &Range<usize>) -> Range<usize> {
        self.starts[places.start] as usize..self.starts[places.end] as usize
    }

    /// Places in groups of about [`ATOMS_PER_TASK`] atoms.
    fn tasks(&self) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let mut start = 0;
        for end in 1..=self.at.len() {
            if self.atoms(&(start..end)).len() >= ATOMS_PER_TASK || end == self.at.len() {
                tasks.push(start..end);
                start = end;
            }
        }
        tasks
    }
}

/// Interleaved bits of three bin numbers below 2²¹.
fn morton(bin: [i64; 3]) -> u64 {
    let spread =
        |x: i64| (0..21).fold(0_u64, |key, bit| key | ((x as u64 >> bit & 1) << (3 * bit)));
    spread(bin[0]) << 2 | spread(bin[1]) << 1 | spread(bin[2])
}

struct Search<'a> {
    bins: &'a Bins,
    /// Largest image along each lattice vector.
    box_of: [i64; 3],
    periodic: [bool; 3],
    translations: &'a [Vector3],
    positions: &'a [Vector3],
    cutoff2: f64,
}

impl Search<'_> {
    /// Numbers of neighbours of the atoms of these places.
    fn count(&self, places: Range<usize>, counts: &mut [usize]) {
        let first = self.bins.starts[places.start] as usize;
        let mut nearby = Nearby::default();
        for place in places {
            self.look_around(place, &mut nearby);
            for i in self.bins.atoms(&(place..place + 1)) {
                self.distances(place, i, &mut nearby);
                counts[i - first] = nearby.r2.iter().filter(|r2| **r2 < self.cutoff2).count();
            }
        }
    }

    /// Neighbours and images of the atoms of these places.
    fn fill(&self, places: Range<usize>, offsets: &[usize], index: &mut [u32], image: &mut [u32]) {
        let first = offsets[self.bins.starts[places.start] as usize];
        let mut nearby = Nearby::default();
        let mut row: Vec<(u32, u32)> = Vec::new();
        for place in places {
            let in_order = self.look_around(place, &mut nearby);
            for i in self.bins.atoms(&(place..place + 1)) {
                self.distances(place, i, &mut nearby);
                row.resize(nearby.r2.len() + 1, (0, 0));
                let mut found = 0;
                for k in 0..nearby.r2.len() {
                    // written always and kept by moving on: no branch to guess
                    row[found] = (nearby.index[k], nearby.image[k]);
                    found += usize::from(nearby.r2[k] < self.cutoff2);
                }
                let row = &mut row[..found];
                if !in_order {
                    row.sort_unstable();
                }
                for (p, (j, n)) in (offsets[i] - first..).zip(&*row) {
                    (index[p], image[p]) = (*j, *n);
                }
            }
        }
    }

    /// Squared distances from atom `i` of the bin at `place`; infinite to itself.
    fn distances(&self, place: usize, i: usize, nearby: &mut Nearby) {
        let n = nearby.index.len();
        nearby.r2.resize(n, 0.0);
        let r2 = &mut nearby.r2[..n];
        let [x, y, z] = &nearby.position;
        let (x, y, z) = (&x[..n], &y[..n], &z[..n]);
        let [tx, ty, tz] = &nearby.translation;
        let (tx, ty, tz) = (&tx[..n], &ty[..n], &tz[..n]);
        let origin = self.positions[i];
        for k in 0..n {
            // in this order the vector from the other end is the exact negative
            let dx = (x[k] - origin[0]) + tx[k];
            let dy = (y[k] - origin[1]) + ty[k];
            let dz = (z[k] - origin[2]) + tz[k];
            r2[k] = dx * dx + dy * dy + dz * dz;
        }
        r2[nearby.home + i - self.bins.starts[place] as usize] = f64::INFINITY;
    }

    /// Collects the atoms of the bins around the bin at `place`, sorted by number; false if a bin is
    /// met twice, so that rows still have to be sorted.
    fn look_around(&self, place: usize, nearby: &mut Nearby) -> bool {
        let Bins { rank, starts, .. } = self.bins;
        nearby.visits.clear();
        let [first, second, third] =
            [self.line(place, 0), self.line(place, 1), self.line(place, 2)];
        for (a, image_a) in &first {
            for (b, image_b) in &second {
                for (c, image_c) in &third {
                    let rank = rank[a + b + c] as usize;
                    let atoms = starts[rank]..starts[rank + 1];
                    if !atoms.is_empty() {
                        let image = (image_a + image_b + image_c) as u32;
                        nearby.visits.push(Visit { atoms, image });
                    }
                }
            }
        }
        nearby.visits.sort_unstable_by_key(|v| u64::from(v.atoms.start) << 32 | u64::from(v.image));
        let Nearby { visits, position, translation, index, image, home, .. } = nearby;
        position.iter_mut().chain(translation.iter_mut()).for_each(Vec::clear);
        index.clear();
        image.clear();
        let itself = (self.translations.len() / 2) as u32;
        for visit in &*visits {
            if visit.image == itself && visit.atoms.start == starts[place] {
                *home = index.len();
            }
            let shift = self.translations[visit.image as usize];
            let atoms = &self.positions[visit.atoms.start as usize..visit.atoms.end as usize];
            for k in 0..3 {
                position[k].extend(atoms.iter().map(|r| r[k]));
                translation[k].extend(atoms.iter().map(|_| shift[k]));
            }
            index.extend(visit.atoms.clone());
            image.extend(atoms.iter().map(|_| visit.image));
        }
        visits.windows(2).all(|pair| pair[0].atoms.start != pair[1].atoms.start)
    }

    /// Bins to visit along lattice vector `k`: what each adds to the flat numbers of bin and image.
    fn line(&self, place: usize, k: usize) -> Vec<(usize, usize)> {
        let Bins { counts, reach, at, .. } = self.bins;
        let home = at[place][k];
        let (mut low, mut high) = (home - reach[k], home + reach[k]);
        if !self.periodic[k] {
            (low, high) = (low.max(0), high.min(counts[k] - 1));
        }
        let bins: i64 = counts[k + 1..].iter().product();
        let images: i64 = self.box_of[k + 1..].iter().map(|far| 2 * far + 1).product();
        (low..=high)
            .map(|m| {
                let (inside, image) = (m.rem_euclid(counts[k]), m.div_euclid(counts[k]));
                ((inside * bins) as usize, ((image + self.box_of[k]) * images) as usize)
            })
            .collect()
    }
}
