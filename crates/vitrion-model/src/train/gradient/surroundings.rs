//! Sums over the neighbours of a centre: moments, forces, tangents, and adjoints of the grid.
//!
//! With rows `ρ_p = R̃_p / N_m`, inputs `x_p = R̃_p0` and nets `G` (see `grid.rs`):
//!
//! ```text
//! T_c   = Σ_p ρ_pc G(x_p)                                       moments, 4 × M
//! g_pc  = T̄_c · G / N_m  (+ Σ_c ρ_pc T̄_c · G′ for c = 0)          ∂E/∂R̃
//! Ṫ_c   = Σ_p ρ̇_pc G + ρ_pc G′ ẋ_p                              along the displacements d_p
//! Ḡ_p   = Σ_c ρ_pc T̄′_c + ρ̇_pc T̄_c,   Ḡ′_p = ẋ_p Σ_c ρ_pc T̄_c     adjoints, spread to nodes
//! ```

use super::grid::ORDERS;
use crate::deep_potential::real::{Real, lanes, load, store};
use pulp::{Simd, WithSimd};

/// One neighbour of one centre.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry<T> {
    /// `R̃ / N_m`
    pub row: [T; 4],
    /// Direction to the neighbour and distance [Å].
    pub unit: [T; 3],
    pub distance: T,
    /// `∂R̃₀/∂r`
    pub radial: T,
    /// `R̃_k = angular · r_k`, and `r · ∂angular/∂r`.
    pub angular: T,
    pub angular_slope: T,
    /// Left node of the grid, counted over all nets.
    pub node: u32,
    /// Atom of the frame; the centre itself for a padding term.
    pub neighbor: u32,
    /// Hermite weights of value and slope.
    pub value: [T; 2 * ORDERS],
    pub slope: [T; 2 * ORDERS],
}

impl<T: Real> Entry<T> {
    /// `dR̃` of a displacement of the neighbour against the centre.
    #[inline(always)]
    fn tangent(&self, d: [T; 3]) -> [T; 4] {
        let [x, y, z] = self.unit;
        let along = x * d[0] + y * d[1] + z * d[2];
        let turn = self.angular_slope * along;
        [
            self.radial * along,
            self.angular * d[0] + turn * x,
            self.angular * d[1] + turn * y,
            self.angular * d[2] + turn * z,
        ]
    }

    /// `∂E/∂r` of `∂E/∂R̃`.
    #[inline(always)]
    fn pull_back(&self, g: [T; 4]) -> [T; 3] {
        let [x, y, z] = self.unit;
        let along = self.radial * g[0] + self.angular_slope * (g[1] * x + g[2] * y + g[3] * z);
        [
            along * x + self.angular * g[1],
            along * y + self.angular * g[2],
            along * z + self.angular * g[3],
        ]
    }
}

/// A neighbour under displacement: `ρ̇` and `ẋ`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving<T> {
    pub row: [T; 4],
    pub input: T,
}

impl<T: Real> Moving<T> {
    pub(super) fn new(entry: &Entry<T>, displacement: [T; 3], inverse_slots: T) -> Self {
        let row = entry.tangent(displacement);
        Moving { row: row.map(|x| x * inverse_slots), input: row[0] }
    }
}

/// Registers of embedding outputs done at once.
const CHUNK: usize = 4;

/// Calls `$self.$part::<S, N>(simd, register)` for all registers in chunks.
macro_rules! in_chunks {
    ($self:ident, $part:ident, $simd:ident, $registers:expr) => {{
        let registers = $registers;
        let mut at = 0;
        while at < registers {
            match registers - at {
                CHUNK.. => $self.$part::<S, CHUNK>($simd, at),
                3 => $self.$part::<S, 3>($simd, at),
                2 => $self.$part::<S, 2>($simd, at),
                _ => $self.$part::<S, 1>($simd, at),
            }
            at += CHUNK;
        }
    }};
}

/// `Σ_q w_q Y_q` of `N` registers.
macro_rules! interpolate {
    ($simd:ident, $nodes:ident, $padded:expr, $at:expr, $weights:expr, $n:ident) => {{
        let mut sum = [T::splat($simd, T::ZERO); $n];
        for q in 0..2 * ORDERS {
            let w = T::splat($simd, $weights[q]);
            for v in 0..$n {
                let y = load::<T, S>($nodes, q * $padded + $at + v * lanes::<T, S>());
                sum[v] = T::mul_add($simd, w, y, sum[v]);
            }
        }
        sum
    }};
}

#[inline(always)]
fn nodes<T: Real>(values: &[T], padded: usize, node: u32) -> &[T] {
    &values[node as usize * ORDERS * padded..][..2 * ORDERS * padded]
}

/// Moments of one centre, `[4][padded]`.
pub(super) struct Moments<'a, T> {
    pub values: &'a [T],
    pub padded: usize,
    pub entries: &'a [Entry<T>],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Moments<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        in_chunks!(self, part, simd, self.padded / lanes::<T, S>());
    }
}

impl<T: Real> Moments<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, register: usize) {
        let at = register * lanes::<T, S>();
        let mut sums = [[T::splat(simd, T::ZERO); N]; 4];
        for entry in self.entries {
            let nodes = nodes(self.values, self.padded, entry.node);
            let g = interpolate!(simd, nodes, self.padded, at, entry.value, N);
            for c in 0..4 {
                let row = T::splat(simd, entry.row[c]);
                for v in 0..N {
                    sums[c][v] = T::mul_add(simd, row, g[v], sums[c][v]);
                }
            }
        }
        for c in 0..4 {
            for v in 0..N {
                store::<T, S>(self.out, c * self.padded + at + v * lanes::<T, S>(), sums[c][v]);
            }
        }
    }
}

/// Tangents of the moments of one centre, `[4][padded]`.
pub(super) struct MomentTangents<'a, T> {
    pub values: &'a [T],
    pub padded: usize,
    pub entries: &'a [Entry<T>],
    pub moving: &'a [Moving<T>],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for MomentTangents<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        in_chunks!(self, part, simd, self.padded / lanes::<T, S>());
    }
}

impl<T: Real> MomentTangents<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, register: usize) {
        let at = register * lanes::<T, S>();
        let mut sums = [[T::splat(simd, T::ZERO); N]; 4];
        for (entry, moving) in self.entries.iter().zip(self.moving) {
            let nodes = nodes(self.values, self.padded, entry.node);
            let g = interpolate!(simd, nodes, self.padded, at, entry.value, N);
            let mut weights = entry.slope;
            for q in 0..2 * ORDERS {
                weights[q] = weights[q] * moving.input;
            }
            let slope = interpolate!(simd, nodes, self.padded, at, weights, N);
            for c in 0..4 {
                let (row, turn) = (T::splat(simd, entry.row[c]), T::splat(simd, moving.row[c]));
                for v in 0..N {
                    let sum = T::mul_add(simd, turn, g[v], sums[c][v]);
                    sums[c][v] = T::mul_add(simd, row, slope[v], sum);
                }
            }
        }
        for c in 0..4 {
            for v in 0..N {
                store::<T, S>(self.out, c * self.padded + at + v * lanes::<T, S>(), sums[c][v]);
            }
        }
    }
}

/// `∂E/∂r` of every neighbour of one centre from `∂E/∂T`, `[4][padded]`.
pub(super) struct PairGradients<'a, T> {
    pub values: &'a [T],
    pub padded: usize,
    pub entries: &'a [Entry<T>],
    pub slopes: &'a [T],
    pub inverse_slots: T,
    pub out: &'a mut [[T; 3]],
}

impl<T: Real> WithSimd for PairGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = lanes::<T, S>();
        let (padded, slopes) = (self.padded, self.slopes);
        for (entry, out) in self.entries.iter().zip(self.out) {
            let nodes = nodes(self.values, padded, entry.node);
            let mut sums = [T::splat(simd, T::ZERO); 5];
            let mut at = 0;
            while at < padded {
                let [g] = interpolate_one::<T, S>(simd, nodes, padded, at, &entry.value);
                let [slope] = interpolate_one::<T, S>(simd, nodes, padded, at, &entry.slope);
                let mut turn = T::splat(simd, T::ZERO);
                for c in 0..4 {
                    let t = load::<T, S>(slopes, c * padded + at);
                    sums[c] = T::mul_add(simd, t, g, sums[c]);
                    turn = T::mul_add(simd, T::splat(simd, entry.row[c]), t, turn);
                }
                sums[4] = T::mul_add(simd, turn, slope, sums[4]);
                at += lanes;
            }
            let mut g = [T::ZERO; 4];
            for c in 0..4 {
                g[c] = T::sum(simd, sums[c]) * self.inverse_slots;
            }
            g[0] += T::sum(simd, sums[4]);
            *out = entry.pull_back(g);
        }
    }
}

#[inline(always)]
fn interpolate_one<T: Real, S: Simd>(
    simd: S,
    nodes: &[T],
    padded: usize,
    at: usize,
    weights: &[T; 2 * ORDERS],
) -> [T::Vector<S>; 1] {
    const ONE: usize = 1;
    interpolate!(simd, nodes, padded, at, weights, ONE)
}

/// Adds the adjoints of the node values of all neighbours of one centre to `out`.
pub(super) struct NodeAdjoints<'a, T> {
    pub padded: usize,
    pub entries: &'a [Entry<T>],
    pub moving: &'a [Moving<T>],
    /// `T̄′` and `T̄`, `[4][padded]` each.
    pub primal: &'a [T],
    pub tangent: &'a [T],
    /// `[node][order][padded]`
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for NodeAdjoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (padded, lanes) = (self.padded, lanes::<T, S>());
        for (entry, moving) in self.entries.iter().zip(self.moving) {
            let start = entry.node as usize * ORDERS * padded;
            let out = &mut self.out[start..start + 2 * ORDERS * padded];
            let input = T::splat(simd, moving.input);
            let mut at = 0;
            while at < padded {
                let mut value = T::splat(simd, T::ZERO);
                let mut slope = T::splat(simd, T::ZERO);
                for c in 0..4 {
                    let primal = load::<T, S>(self.primal, c * padded + at);
                    let tangent = load::<T, S>(self.tangent, c * padded + at);
                    let row = T::splat(simd, entry.row[c]);
                    value = T::mul_add(simd, row, primal, value);
                    value = T::mul_add(simd, T::splat(simd, moving.row[c]), tangent, value);
                    slope = T::mul_add(simd, row, tangent, slope);
                }
                let slope = T::vector_mul(simd, slope, input);
                for q in 0..2 * ORDERS {
                    let place = q * padded + at;
                    let sum = load::<T, S>(out, place);
                    let sum = T::mul_add(simd, T::splat(simd, entry.value[q]), value, sum);
                    let sum = T::mul_add(simd, T::splat(simd, entry.slope[q]), slope, sum);
                    store::<T, S>(out, place, sum);
                }
                at += lanes;
            }
        }
    }
}
