//! Embedding nets from tables: the moments `T = 1/N_m Σ G ⊗ R̃` of a centre, and the way back from
//! `∂E/∂T` to every neighbour. `G` only ever exists in registers.

use super::super::real::{Real, lanes, load, registers, store};
use super::super::table::Table;
use super::environment::Neighbors;
use super::model::Model;
use pulp::Simd;

/// Where a neighbour lies in the table of its species, and its normalised environment row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Located<T> {
    /// Row of the table; beyond its end, a row of [`Rows::exact`].
    row: u32,
    u: T,
    scale: T,
    normal: [T; 4],
}

/// Neighbours of a block as one member of a committee sees them.
#[derive(Debug, Default)]
pub(super) struct Rows<T> {
    located: Vec<Located<T>>,
    /// Rows made for single inputs that no table covers.
    exact: Vec<T>,
}

/// The rows of a table, followed by the exact ones.
struct Source<'a, T> {
    table: &'a [T],
    exact: &'a [T],
    rows: usize,
    width: usize,
}

impl<'a, T: Real> Source<'a, T> {
    #[inline(always)]
    fn new(table: &'a Table<T>, exact: &'a [T], width: usize) -> Self {
        Source { table: table.coefficients(), exact, rows: table.rows(), width }
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &'a [T] {
        let row = row as usize;
        if row < self.rows {
            &self.table[row * self.width..(row + 1) * self.width]
        } else {
            let row = row - self.rows;
            &self.exact[row * self.width..(row + 1) * self.width]
        }
    }
}

impl<T: Real> Rows<T> {
    /// Looks up all neighbours of the block.
    #[inline(always)]
    pub(super) fn locate(
        &mut self,
        model: &Model<T>,
        own: usize,
        centers: usize,
        near: &Neighbors<T>,
    ) {
        self.located.clear();
        self.located.resize(near.s.len(), Located::default());
        self.exact.clear();
        let width = model.rows.size();
        for centre in 0..centers {
            for neighbor in 0..model.species {
                let pair = own * model.species + neighbor;
                let Some(table) = model.table(pair) else { continue };
                let (mean, inverse_std) = (model.mean[pair], model.inverse_std[pair]);
                let [m1, m2, m3] = [mean[1], mean[2], mean[3]].map(T::from_f64);
                let [i1, i2, i3] =
                    [inverse_std[1], inverse_std[2], inverse_std[3]].map(T::from_f64);
                let minus = |m: T| T::ZERO - m;
                for k in near.run(centre, neighbor) {
                    let input = (near.s[k] - mean[0]) * inverse_std[0];
                    let along = near.t[k] * near.distance[k];
                    let normal = [
                        T::from_f64(input),
                        along.fma(near.unit[0][k], minus(m1)) * i1,
                        along.fma(near.unit[1][k], minus(m2)) * i2,
                        along.fma(near.unit[2][k], minus(m3)) * i3,
                    ];
                    self.located[k] = if let Some(at) = table.locate(input) {
                        let (u, scale) = (T::from_f64(at.u), T::from_f64(at.scale));
                        Located { row: at.row, u, scale, normal }
                    } else {
                        let row = (table.rows() + self.exact.len() / width) as u32;
                        table.push_exact(input, &mut self.exact);
                        Located { row, u: T::ZERO, scale: T::ONE, normal }
                    };
                }
            }
        }
    }

    /// Adds `Σ G ⊗ R̃` of every centre to its `moments`, `[centre][4][padded]`.
    ///
    /// A few registers of outputs at a time for all centres: the part of the tables that belongs to
    /// them stays in the first caches.
    #[inline(always)]
    pub(super) fn moments<S: Simd>(
        &self,
        simd: S,
        model: &Model<T>,
        own: usize,
        centers: usize,
        near: &Neighbors<T>,
        moments: &mut [T],
    ) {
        let width = 4 * model.padded;
        let mut start = 0;
        while start < model.rows.registers {
            let left = model.rows.registers - start;
            for centre in 0..centers {
                let moments = &mut moments[centre * width..(centre + 1) * width];
                for neighbor in 0..model.species {
                    let Some(table) = model.table(own * model.species + neighbor) else {
                        continue;
                    };
                    let source = Source::new(table, &self.exact, model.rows.size());
                    let near = &self.located[near.run(centre, neighbor)];
                    match (left, model.rows.degree) {
                        (2.., 5) => accumulate::<T, S, 2, 6>(simd, &source, near, start, moments),
                        (2.., _) => accumulate::<T, S, 2, 8>(simd, &source, near, start, moments),
                        (_, 5) => accumulate::<T, S, 1, 6>(simd, &source, near, start, moments),
                        (_, _) => accumulate::<T, S, 1, 8>(simd, &source, near, start, moments),
                    }
                }
            }
            start += left.min(2);
        }
    }

    /// `∂E/∂R` of the neighbours of a centre from `∂E/∂T`, ordered `[register][c][lane]`: entries
    /// `[c][k]` of `out`, `k` counted from the centre's first neighbour; `(own, centre)` are its
    /// species and its number in the block.
    #[inline(always)]
    pub(super) fn gradients<S: Simd>(
        &self,
        simd: S,
        model: &Model<T>,
        (own, centre): (usize, usize),
        near: &Neighbors<T>,
        moment_gradient: &[T],
        out: &mut [Vec<T>; 4],
    ) {
        let width = model.rows.size();
        let first = near.around(centre).start;
        for neighbor in 0..model.species {
            let pair = own * model.species + neighbor;
            let run = near.run(centre, neighbor);
            let Some(table) = model.table(pair) else {
                // without a net this neighbour is not felt
                for rows in out.iter_mut() {
                    rows[run.start - first..run.end - first].fill(T::ZERO);
                }
                continue;
            };
            let source = Source::new(table, &self.exact, width);
            let scale = model.inverse_std[pair].map(T::from_f64);
            for k in run {
                let at = &self.located[k];
                let d = if model.rows.degree == 5 {
                    contract::<T, S, 6>(simd, source.row(at.row), at, moment_gradient)
                } else {
                    contract::<T, S, 8>(simd, source.row(at.row), at, moment_gradient)
                };
                for c in 0..4 {
                    out[c][k - first] = d[c] * scale[c];
                }
            }
        }
    }
}

/// `moments[c] += Σ G · R̃_c` for `ACROSS` registers of outputs from register `start` on, with
/// polynomials of `TERMS` coefficients.
#[inline(always)]
fn accumulate<T: Real, S: Simd, const ACROSS: usize, const TERMS: usize>(
    simd: S,
    source: &Source<'_, T>,
    located: &[Located<T>],
    start: usize,
    moments: &mut [T],
) {
    let step = lanes::<T, S>();
    let padded = moments.len() / 4;
    let mut sums = [[T::splat(simd, T::ZERO); ACROSS]; 4];
    for c in 0..4 {
        for v in 0..ACROSS {
            sums[c][v] = load::<T, S>(moments, c * padded + (start + v) * step);
        }
    }
    let part = start * TERMS..(start + ACROSS) * TERMS;
    for at in located {
        let row: &[T::Vector<S>] = &registers::<T, S>(source.row(at.row))[part.clone()];
        let u = T::splat(simd, at.u);
        let normal = splat4::<T, S>(simd, at.normal);
        for v in 0..ACROSS {
            let c: &[T::Vector<S>; TERMS] =
                row[v * TERMS..(v + 1) * TERMS].as_array().expect("TERMS registers");
            let mut g = c[TERMS - 1];
            for p in (0..TERMS - 1).rev() {
                g = T::mul_add(simd, g, u, c[p]);
            }
            for c in 0..4 {
                sums[c][v] = T::mul_add(simd, g, normal[c], sums[c][v]);
            }
        }
    }
    for c in 0..4 {
        for v in 0..ACROSS {
            store::<T, S>(moments, c * padded + (start + v) * step, sums[c][v]);
        }
    }
}

/// `∂E/∂R̃` of one neighbour: `Σ_m ∂E/∂T[c][m] G[m]`, and through the embedding net, whose input is
/// `R̃₀`, `Σ_m (Σ_c R̃_c ∂E/∂T[c][m]) G′[m]` added to `c = 0`.
#[inline(always)]
fn contract<T: Real, S: Simd, const TERMS: usize>(
    simd: S,
    row: &[T],
    at: &Located<T>,
    moment_gradient: &[T],
) -> [T; 4] {
    let u = T::splat(simd, at.u);
    let normal = splat4::<T, S>(simd, at.normal);
    let mut sums = [T::splat(simd, T::ZERO); 4];
    let mut through = T::splat(simd, T::ZERO);
    let (polynomials, _) = registers::<T, S>(row).as_chunks::<TERMS>();
    let (gradients, _) = registers::<T, S>(moment_gradient).as_chunks::<4>();
    for (c, dt) in polynomials.iter().zip(gradients) {
        let mut g = c[TERMS - 1];
        let mut slope = g;
        for p in (1..TERMS - 1).rev() {
            g = T::mul_add(simd, g, u, c[p]);
            slope = T::mul_add(simd, slope, u, g);
        }
        g = T::mul_add(simd, g, u, c[0]);
        let mut felt = T::vector_mul(simd, dt[0], normal[0]);
        sums[0] = T::mul_add(simd, dt[0], g, sums[0]);
        for c in 1..4 {
            felt = T::mul_add(simd, dt[c], normal[c], felt);
            sums[c] = T::mul_add(simd, dt[c], g, sums[c]);
        }
        through = T::mul_add(simd, felt, slope, through);
    }
    sums[0] = T::mul_add(simd, through, T::splat(simd, at.scale), sums[0]);
    [T::sum(simd, sums[0]), T::sum(simd, sums[1]), T::sum(simd, sums[2]), T::sum(simd, sums[3])]
}

/// Four numbers, each in all lanes of a register. (Closures, as in `array::map`, would be compiled
/// without the instructions of `S`.)
#[inline(always)]
fn splat4<T: Real, S: Simd>(simd: S, x: [T; 4]) -> [T::Vector<S>; 4] {
    [T::splat(simd, x[0]), T::splat(simd, x[1]), T::splat(simd, x[2]), T::splat(simd, x[3])]
}
