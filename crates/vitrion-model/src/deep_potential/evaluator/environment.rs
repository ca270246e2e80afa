//! The surroundings of the centres of a block: real neighbours only, grouped by species, with what
//! the environment rows and their derivatives need.

use super::super::Descriptor;
use super::super::real::Real;
use vitrion_core::{NeighborList, Vector3};

/// Numbers of a neighbour that do not depend on the nets, one array entry per neighbour.
///
/// With `R = [s, t x, t y, t z]`, `s = w/(r+p)`, `t = w/(r+p)²`: distances are computed and `s` is
/// kept in f64, the rest is rounded to `T`.
#[derive(Debug, Default)]
pub(super) struct Neighbors<T> {
    /// First neighbour of each centre and species, `[centre][species]`, and the end of the last.
    pub(super) runs: Vec<u32>,
    /// Entry in the centre's row of the list.
    pub(super) slot: Vec<u32>,
    pub(super) s: Vec<f64>,
    pub(super) unit: [Vec<T>; 3],
    pub(super) distance: Vec<T>,
    /// `t`, `∂s/∂r` and `r ∂t/∂r`
    pub(super) t: Vec<T>,
    pub(super) s_slope: Vec<T>,
    pub(super) t_slope: Vec<T>,
    species: usize,
    /// Entries of one row within the cut-off, before they are grouped.
    near: Vec<Near>,
    grouped: [Vec<f64>; 4],
}

#[derive(Debug, Clone, Copy, Default)]
struct Near {
    vector: Vector3,
    r2: f64,
    slot: u32,
    species: u8,
}

/// What decides which neighbours are seen, and how: the same for all members of a committee.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sight {
    /// Number of species.
    pub(super) species: usize,
    pub(super) cutoff: f64,
    pub(super) smooth_cutoff: f64,
    pub(super) protection: f64,
    /// `[centre][neighbour]`
    pub(super) pair_excluded: Vec<bool>,
}

impl Sight {
    pub(super) fn new(descriptor: &Descriptor) -> Self {
        Sight {
            species: descriptor.sel.len(),
            cutoff: descriptor.cutoff,
            smooth_cutoff: descriptor.smooth_cutoff,
            protection: descriptor.protection,
            pair_excluded: descriptor.pair_excluded.clone(),
        }
    }
}

impl<T: Real> Neighbors<T> {
    /// Neighbours of `species[s]` around a centre, as a range of the arrays.
    #[inline(always)]
    pub(super) fn run(&self, centre: usize, species: usize) -> std::ops::Range<usize> {
        let at = centre * self.species + species;
        self.runs[at] as usize..self.runs[at + 1] as usize
    }

    /// All neighbours of a centre.
    #[inline(always)]
    pub(super) fn around(&self, centre: usize) -> std::ops::Range<usize> {
        let at = centre * self.species;
        self.runs[at] as usize..self.runs[at + self.species] as usize
    }

    /// Fills the arrays for these centres, all of species `own`.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        sight: &Sight,
        own: usize,
        centers: &[u32],
        positions: &[Vector3],
        species: &[u8],
        list: &NeighborList,
    ) {
        let kinds = sight.species;
        self.species = kinds;
        let excluded = &sight.pair_excluded[own * kinds..(own + 1) * kinds];
        self.runs.clear();
        let mut total = 0;
        for centre in centers {
            let mut counts = [0_u32; 256];
            let found =
                self.near(sight.cutoff, excluded, *centre as usize, positions, species, list);
            for near in &self.near[..found] {
                counts[usize::from(near.species)] += 1;
            }
            let mut next = [0_u32; 256];
            let mut at = 0;
            for s in 0..kinds {
                self.runs.push((total + at as usize) as u32);
                next[s] = at;
                at += counts[s];
            }
            self.resize(total + found);
            for k in 0..4 {
                self.grouped[k].resize(found, 0.0);
            }
            for near in &self.near[..found] {
                let at = next[usize::from(near.species)] as usize;
                next[usize::from(near.species)] += 1;
                for k in 0..3 {
                    self.grouped[k][at] = near.vector[k];
                }
                self.grouped[3][at] = near.r2;
                self.slot[total + at] = near.slot;
            }
            self.rows(sight, total, found);
            total += found;
        }
        self.runs.push(total as u32);
    }

    /// Collects the entries of a row that are seen; returns their number.
    #[inline(always)]
    fn near(
        &mut self,
        cutoff: f64,
        excluded: &[bool],
        centre: usize,
        positions: &[Vector3],
        species: &[u8],
        list: &NeighborList,
    ) -> usize {
        let row = list.row(centre);
        if self.near.len() < row.len() {
            self.near.resize(row.len(), Near::default());
        }
        let (index, image) = (&list.index[row.clone()], &list.image[row]);
        let cutoff2 = cutoff * cutoff;
        let origin = positions[centre];
        let mut found = 0;
        for (slot, (j, image)) in index.iter().zip(image).enumerate() {
            let (r, shift) = (positions[*j as usize], list.translations[*image as usize]);
            let vector: Vector3 = [
                (r[0] - origin[0]) + shift[0],
                (r[1] - origin[1]) + shift[1],
                (r[2] - origin[2]) + shift[2],
            ];
            let r2 = vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2];
            let species = species[*j as usize];
            // written always and kept by moving on: no branch to guess
            self.near[found] = Near { vector, r2, slot: slot as u32, species };
            found += usize::from(r2 < cutoff2) & usize::from(!excluded[usize::from(species)]);
        }
        found
    }

    fn resize(&mut self, len: usize) {
        self.slot.resize(len, 0);
        self.s.resize(len, 0.0);
        self.unit.iter_mut().for_each(|x| x.resize(len, T::ZERO));
        for x in [&mut self.distance, &mut self.t, &mut self.s_slope, &mut self.t_slope] {
            x.resize(len, T::ZERO);
        }
    }

    /// The arrays from the grouped vectors, from `start` on.
    #[inline(always)]
    fn rows(&mut self, sight: &Sight, start: usize, n: usize) {
        let [x, y, z, r2] = &self.grouped;
        let (x, y, z, r2) = (&x[..n], &y[..n], &z[..n], &r2[..n]);
        let [ux, uy, uz] = &mut self.unit;
        let (ux, uy, uz) = (&mut ux[start..][..n], &mut uy[start..][..n], &mut uz[start..][..n]);
        let (s, distance) = (&mut self.s[start..][..n], &mut self.distance[start..][..n]);
        let t = &mut self.t[start..][..n];
        let (s_slope, t_slope) = (&mut self.s_slope[start..][..n], &mut self.t_slope[start..][..n]);
        let (smooth, per_width) = (sight.smooth_cutoff, 1.0 / (sight.cutoff - sight.smooth_cutoff));
        for k in 0..n {
            let r = r2[k].sqrt();
            let inverse = 1.0 / r;
            let q = 1.0 / (r + sight.protection);
            // the switch of `switching::weight`, without branches: 1 for u = 0
            let u = ((r - smooth) * per_width).max(0.0);
            let polynomial = u.mul_add(u.mul_add(-6.0, 15.0), -10.0);
            let w = (u * u * u).mul_add(polynomial, 1.0);
            let dw = u * u * per_width * 3.0f64.mul_add(polynomial, u * u.mul_add(-12.0, 15.0));
            let sk = w * q;
            let tk = sk * q;
            s[k] = sk;
            ux[k] = T::from_f64(x[k] * inverse);
            uy[k] = T::from_f64(y[k] * inverse);
            uz[k] = T::from_f64(z[k] * inverse);
            distance[k] = T::from_f64(r);
            t[k] = T::from_f64(tk);
            s_slope[k] = T::from_f64((dw - sk) * q);
            t_slope[k] = T::from_f64(r * (2.0f64.mul_add(-sk, dw)) * q * q);
        }
    }
}
