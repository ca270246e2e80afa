//! Sums over the neighbours of a centre: moments, forces, tangents, and adjoints of the grid.
//!
//! With rows `ρ_p = R̃_p / N_m`, inputs `x_p = R̃_p0` and nets `G` (see `grid.rs`):
//!
//! ```text
//! T_c   = Σ_p ρ_pc G(x_p)                                       moments, 4 × M
//! g_pc  = T̄_c · G / N_m  (+ Σ_c ρ_pc T̄_c · G′ for c = 0)          ∂E/∂R̃
//! Ṫ_c   = Σ_p ρ̇_pc G + ρ_pc G′ ẋ_p                              along the displacements d_p
//! ```
//!
//! Between nodes `G(x_p) = Σ_q v_pq Y_q` and `G′(x_p) = Σ_q s_pq Y_q`, sums over node values `Y_q`
//! with Hermite weights, and many neighbours share their nodes. So what all neighbours of a centre ask
//! of a node is summed first ([`Share`]), and the wide arithmetic is done once per node:
//!
//! ```text
//! T_c = Σ_q α_qc Y_q    α_qc = Σ_p v_pq ρ_pc
//! Ṫ_c = Σ_q β_qc Y_q    β_qc = Σ_p v_pq ρ̇_pc + s_pq ẋ_p ρ_pc
//! Ȳ_q = Σ_c α_qc T̄′_c + β_qc T̄_c                                adjoints of the nodes
//! T̄_c · G = Σ_q v_pq (T̄_c · Y_q),   T̄_c · G′ = Σ_q s_pq (T̄_c · Y_q)
//! ```

use super::geometry::ORDERS;
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
    /// Shares of the left and the right node, counted from the first of the panel.
    pub shares: [u32; 2],
    /// Atom of the frame; the centre itself for a padding term.
    pub neighbor: u32,
    /// Hermite weights of value and slope at the left and the right node.
    pub value: [[T; ORDERS]; 2],
    pub slope: [[T; ORDERS]; 2],
}

/// Numbers of one node: of each order of derivative and each row of the environment.
pub(super) type PerNode<T> = [[T; 4]; ORDERS];

/// What the neighbours of one centre ask of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share<T> {
    /// Counted over all nets.
    pub node: u32,
    /// `α` and `β`.
    pub weights: [PerNode<T>; 2],
}

impl<T: Real> Entry<T> {
    /// Adds `α` of this neighbour to its shares.
    #[inline(always)]
    pub(super) fn share(&self, shares: &mut [Share<T>]) {
        for (share, value) in self.shares.iter().zip(&self.value) {
            let [weights, _] = &mut shares[*share as usize].weights;
            for o in 0..ORDERS {
                for c in 0..4 {
                    weights[o][c] += value[o] * self.row[c];
                }
            }
        }
    }

    /// Adds `β` of this neighbour, displaced by `d`, to its shares.
    #[inline(always)]
    pub(super) fn share_tangent(&self, d: [T; 3], inverse_slots: T, shares: &mut [Share<T>]) {
        let tangent = self.tangent(d);
        let input = tangent[0];
        for ((share, value), slope) in self.shares.iter().zip(&self.value).zip(&self.slope) {
            let [_, weights] = &mut shares[*share as usize].weights;
            for o in 0..ORDERS {
                let (value, slope) = (value[o] * inverse_slots, slope[o] * input);
                for c in 0..4 {
                    weights[o][c] += value * tangent[c] + slope * self.row[c];
                }
            }
        }
    }

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

/// Registers of embedding outputs done at once.
const CHUNK: usize = 4;
/// The same where eight rows of moments are kept in registers.
const NARROW: usize = 3;

#[inline(always)]
fn node_values<T: Real>(values: &[T], padded: usize, node: u32) -> &[T] {
    &values[node as usize * ORDERS * padded..][..ORDERS * padded]
}

/// Moments of one centre, or their tangents, `[4][padded]`.
pub(super) struct Moments<'a, T> {
    pub values: &'a [T],
    pub padded: usize,
    pub shares: &'a [Share<T>],
    /// 0 for the moments, 1 for their tangents.
    pub way: usize,
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Moments<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let registers = self.padded / lanes::<T, S>();
        let mut at = 0;
        while at < registers {
            match registers - at {
                CHUNK.. => self.part::<S, CHUNK>(simd, at),
                3 => self.part::<S, 3>(simd, at),
                2 => self.part::<S, 2>(simd, at),
                _ => self.part::<S, 1>(simd, at),
            }
            at += CHUNK;
        }
    }
}

impl<T: Real> Moments<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, register: usize) {
        let at = register * lanes::<T, S>();
        let mut sums = [[T::splat(simd, T::ZERO); N]; 4];
        for share in self.shares {
            let values = node_values(self.values, self.padded, share.node);
            let weights = &share.weights[self.way];
            for o in 0..ORDERS {
                let row = &values[o * self.padded + at..][..N * lanes::<T, S>()];
                let mut y = [T::splat(simd, T::ZERO); N];
                for v in 0..N {
                    y[v] = load::<T, S>(row, v * lanes::<T, S>());
                }
                for c in 0..4 {
                    let weight = T::splat(simd, weights[o][c]);
                    for v in 0..N {
                        sums[c][v] = T::mul_add(simd, weight, y[v], sums[c][v]);
                    }
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
    pub shares: &'a [Share<T>],
    /// Number of the first share in the panel.
    pub first: usize,
    pub slopes: &'a [T],
    pub inverse_slots: T,
    /// Memory for `T̄_c · Y_q` of every share.
    pub dots: &'a mut [PerNode<T>],
    pub out: &'a mut [[T; 3]],
}

impl<T: Real> WithSimd for PairGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for k in 0..self.shares.len() {
            self.dot(simd, k);
        }
        for (entry, out) in self.entries.iter().zip(self.out) {
            let (mut along, mut across) = ([T::ZERO; 4], [T::ZERO; 4]);
            for side in 0..2 {
                let dots = &self.dots[entry.shares[side] as usize - self.first];
                for o in 0..ORDERS {
                    let (value, slope) = (entry.value[side][o], entry.slope[side][o]);
                    for c in 0..4 {
                        along[c] = value.fma(dots[o][c], along[c]);
                        across[c] = slope.fma(dots[o][c], across[c]);
                    }
                }
            }
            let mut turn = T::ZERO;
            for c in 0..4 {
                along[c] = along[c] * self.inverse_slots;
                turn = entry.row[c].fma(across[c], turn);
            }
            along[0] += turn;
            *out = entry.pull_back(along);
        }
    }
}

impl<T: Real> PairGradients<'_, T> {
    #[inline(always)]
    fn dot<S: Simd>(&mut self, simd: S, k: usize) {
        let lanes = lanes::<T, S>();
        let padded = self.padded;
        let values = node_values(self.values, padded, self.shares[k].node);
        let slopes = &self.slopes[..4 * padded];
        let mut sums = [[T::splat(simd, T::ZERO); 4]; ORDERS];
        let mut at = 0;
        while at < padded {
            let mut slope = [T::splat(simd, T::ZERO); 4];
            for c in 0..4 {
                slope[c] = load::<T, S>(slopes, c * padded + at);
            }
            for o in 0..ORDERS {
                let y = load::<T, S>(values, o * padded + at);
                for c in 0..4 {
                    sums[o][c] = T::mul_add(simd, y, slope[c], sums[o][c]);
                }
            }
            at += lanes;
        }
        let dots = &mut self.dots[k];
        for o in 0..ORDERS {
            for c in 0..4 {
                dots[o][c] = T::sum(simd, sums[o][c]);
            }
        }
    }
}

/// Adds the adjoints of the node values that one centre uses to `out`.
pub(super) struct NodeAdjoints<'a, T> {
    pub padded: usize,
    pub shares: &'a [Share<T>],
    /// `T̄′` and `T̄`, `[4][padded]` each.
    pub primal: &'a [T],
    pub tangent: &'a [T],
    /// `[node][order][padded]`
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for NodeAdjoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let registers = self.padded / lanes::<T, S>();
        let mut at = 0;
        while at < registers {
            match registers - at {
                1 => self.part::<S, 1>(simd, at),
                2 => self.part::<S, 2>(simd, at),
                _ => self.part::<S, NARROW>(simd, at),
            }
            at += NARROW;
        }
    }
}

impl<T: Real> NodeAdjoints<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, register: usize) {
        let (padded, lanes) = (self.padded, lanes::<T, S>());
        let at = register * lanes;
        let mut primal = [[T::splat(simd, T::ZERO); N]; 4];
        let mut tangent = primal;
        for c in 0..4 {
            for v in 0..N {
                primal[c][v] = load::<T, S>(self.primal, c * padded + at + v * lanes);
                tangent[c][v] = load::<T, S>(self.tangent, c * padded + at + v * lanes);
            }
        }
        for share in self.shares {
            let start = share.node as usize * ORDERS * padded + at;
            for o in 0..ORDERS {
                let out = &mut self.out[start + o * padded..][..N * lanes];
                let mut sums = [T::splat(simd, T::ZERO); N];
                for v in 0..N {
                    sums[v] = load::<T, S>(out, v * lanes);
                }
                for c in 0..4 {
                    let alpha = T::splat(simd, share.weights[0][o][c]);
                    let beta = T::splat(simd, share.weights[1][o][c]);
                    for v in 0..N {
                        sums[v] = T::mul_add(simd, alpha, primal[c][v], sums[v]);
                        sums[v] = T::mul_add(simd, beta, tangent[c][v], sums[v]);
                    }
                }
                for v in 0..N {
                    store::<T, S>(out, v * lanes, sums[v]);
                }
            }
        }
    }
}
