//! Matrix products of the gradient: operands in panels of atoms, weights as the optimiser keeps
//! them.
//!
//! A panel holds `[feature][atom]` numbers of [`across`] registers of atoms, so weights are read one
//! by one and spread over a register, and need no packing after every step. Forward products run
//! along columns of the weights, products for the way back along rows; both are
//!
//! ```text
//! C[i][·] = Σ_l A(i, l) B[l][·]        A(i, l) = a[i · row_stride + l · depth_stride]
//! ```
//!
//! Weight gradients ([`Outer`]) are sums over atoms, with the second factor laid out `[atom][output]`.
//! Every element is one chain of fused multiply-adds in a fixed order.
#![allow(unsafe_code)]

use crate::deep_potential::real::{Real, lanes, load, store};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Registers across a tile.
pub(in crate::train) const ACROSS: usize = 3;
/// Registers across a panel: every block of weights that is fetched serves so many.
pub(in crate::train) const PANEL: usize = 3;
/// Depth and rows done at once: one tile's width of `B` stays in the first cache, the block of `A`
/// in the second.
const DEPTH: usize = 160;
const ROWS: usize = 240;

/// `C[i][·] = Σ_l A(i, l) B[l][·]`, or `+=` with `add`.
#[derive(Debug)]
pub(in crate::train) struct Product<'a, T> {
    pub a: &'a [T],
    pub row_stride: usize,
    pub depth_stride: usize,
    pub b: &'a [T],
    pub b_stride: usize,
    pub c: &'a mut [T],
    pub c_stride: usize,
    pub rows: usize,
    pub depth: usize,
    /// Registers of each row of `B` and `C`.
    pub across: usize,
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = self.across * lanes::<T, S>();
        let reach = |rows: usize, stride: usize, width: usize| match rows {
            0 => 0,
            rows => (rows - 1) * stride + width,
        };
        let last = self.rows.saturating_sub(1) * self.row_stride
            + self.depth.saturating_sub(1) * self.depth_stride;
        assert!(self.rows == 0 || self.depth == 0 || last < self.a.len(), "weights fit");
        assert!(self.b.len() >= reach(self.depth, self.b_stride, width), "the panel fits");
        assert!(self.c.len() >= reach(self.rows, self.c_stride, width), "the product fits");
        for first in (0..self.rows).step_by(ROWS) {
            let rows = first..(first + ROWS).min(self.rows);
            let mut start = 0;
            loop {
                let depth = start..(start + DEPTH).min(self.depth);
                start = depth.end;
                for column in (0..self.across).step_by(ACROSS) {
                    let block = (rows.clone(), depth.clone(), column * lanes::<T, S>());
                    match self.across - column {
                        1 => self.block::<S, 1>(simd, block),
                        2 => self.block::<S, 2>(simd, block),
                        _ => self.block::<S, ACROSS>(simd, block),
                    }
                }
                if start >= self.depth {
                    break;
                }
            }
        }
    }
}

/// Rows, depth and first column of a block.
type Block = (Range<usize>, Range<usize>, usize);

impl<T: Real> Product<'_, T> {
    #[inline(always)]
    fn block<S: Simd, const WIDE: usize>(&mut self, simd: S, (rows, depth, column): Block) {
        let tall = S::REGISTER_COUNT >= 32;
        let mut row = rows.start;
        while row < rows.end {
            let place = (row, depth.start, column);
            // SAFETY: at most as many rows as are left, depth and columns are in range, and the
            // assertions of `with_simd` hold
            row += unsafe {
                // narrow tiles are taller, so that loads stay fewer than multiplications
                match (tall, rows.end - row) {
                    (true, 16..) if WIDE == 1 => self.tile::<S, 16, WIDE>(simd, place, depth.len()),
                    (true, 12..) if WIDE == 2 => self.tile::<S, 12, WIDE>(simd, place, depth.len()),
                    (true, 8..) => self.tile::<S, 8, WIDE>(simd, place, depth.len()),
                    (_, 4..) => self.tile::<S, 4, WIDE>(simd, place, depth.len()),
                    (_, 2..) => self.tile::<S, 2, WIDE>(simd, place, depth.len()),
                    _ => self.tile::<S, 1, WIDE>(simd, place, depth.len()),
                }
            };
        }
    }

    /// # Safety
    /// `row + ROWS ≤ rows`, `start + deep ≤ depth`, `column` and `WIDE` registers are within `across`,
    /// and all operands reach that far.
    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const WIDE: usize>(
        &mut self,
        simd: S,
        (row, start, column): (usize, usize, usize),
        deep: usize,
    ) -> usize {
        let mut sums = [[T::splat(simd, T::ZERO); WIDE]; ROWS];
        // SAFETY: by the caller's promise; register accesses are unaligned ones
        unsafe {
            let mut a = self.a.as_ptr().add(row * self.row_stride + start * self.depth_stride);
            let mut b = self.b.as_ptr().add(start * self.b_stride + column);
            let c = self.c.as_mut_ptr().add(row * self.c_stride + column);
            if start > 0 {
                for r in 0..ROWS {
                    for v in 0..WIDE {
                        let at = c.add(r * self.c_stride).cast::<T::Vector<S>>().add(v);
                        sums[r][v] = at.read_unaligned();
                    }
                }
            }
            for _ in 0..deep {
                let mut across = [T::splat(simd, T::ZERO); WIDE];
                for v in 0..WIDE {
                    across[v] = b.cast::<T::Vector<S>>().add(v).read_unaligned();
                }
                for r in 0..ROWS {
                    let x = T::splat(simd, *a.add(r * self.row_stride));
                    for v in 0..WIDE {
                        sums[r][v] = T::mul_add(simd, x, across[v], sums[r][v]);
                    }
                }
                // the pointers of the last round are not read
                a = a.wrapping_add(self.depth_stride);
                b = b.wrapping_add(self.b_stride);
            }
            for r in 0..ROWS {
                for v in 0..WIDE {
                    let at = c.add(r * self.c_stride).cast::<T::Vector<S>>().add(v);
                    at.write_unaligned(sums[r][v]);
                }
            }
        }
        ROWS
    }
}

/// One term of a weight gradient: `a` is `[rows][panel]`, `b` is `[panel][columns padded]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a, T> {
    pub a: &'a [T],
    pub b: &'a [T],
}

/// `C[i][n] += Σ_segments Σ_r a[first + i][r] b[r][n]` for rows of `C` without padding.
#[derive(Debug)]
pub(super) struct Outer<'a, T> {
    pub segments: &'a [Segment<'a, T>],
    /// First row of the segments' `a` that belongs to `c`.
    pub first: usize,
    /// Atoms of a panel: stride of `a`, and the depth of a segment.
    pub panel: usize,
    /// Stride of `b`: `columns` in full registers.
    pub b_stride: usize,
    pub columns: usize,
    /// `[rows][columns]`
    pub c: &'a mut [T],
}

/// Segments done at once, so that their part of `b` stays in the first cache.
const SEGMENTS: usize = 8;

impl<T: Real> WithSimd for Outer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.c.len() / self.columns;
        for segment in self.segments {
            assert!(segment.a.len() >= (self.first + rows) * self.panel, "features fit");
            assert!(segment.b.len() >= self.panel * self.b_stride, "slopes fit");
        }
        let lanes = lanes::<T, S>();
        assert!(
            self.b_stride.is_multiple_of(lanes) && self.b_stride >= self.columns,
            "columns in full registers"
        );
        let Outer { segments, first, panel, b_stride, columns, c } = self;
        let shape = Shape { first, panel, b_stride, columns };
        for segments in segments.chunks(SEGMENTS) {
            let mut column = 0;
            while column < b_stride {
                let wide = ((b_stride - column) / lanes).min(ACROSS);
                let mut row = 0;
                while row < rows {
                    let place = (row, column);
                    // SAFETY: rows and columns are left, and the assertions above hold
                    row += unsafe {
                        match (S::REGISTER_COUNT >= 32, rows - row, wide) {
                            (true, 8.., 3) => tile::<T, S, 8, 3>(simd, shape, segments, place, c),
                            (true, 8.., 2) => tile::<T, S, 8, 2>(simd, shape, segments, place, c),
                            (_, 4.., 3) => tile::<T, S, 4, 3>(simd, shape, segments, place, c),
                            (_, 4.., 2) => tile::<T, S, 4, 2>(simd, shape, segments, place, c),
                            (_, 4.., _) => tile::<T, S, 4, 1>(simd, shape, segments, place, c),
                            (_, _, 3) => tile::<T, S, 1, 3>(simd, shape, segments, place, c),
                            (_, _, 2) => tile::<T, S, 1, 2>(simd, shape, segments, place, c),
                            _ => tile::<T, S, 1, 1>(simd, shape, segments, place, c),
                        }
                    };
                }
                column += wide * lanes;
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Shape {
    first: usize,
    panel: usize,
    b_stride: usize,
    columns: usize,
}

/// Adds one tile of `ROWS` rows by `WIDE` registers to `c`; returns `ROWS`.
///
/// # Safety
/// The segments' `a` has rows up to `first + row + ROWS` and their `b` columns up to `column` plus
/// `WIDE` registers; `c` has rows up to `row + ROWS`.
#[inline(always)]
unsafe fn tile<T: Real, S: Simd, const ROWS: usize, const WIDE: usize>(
    simd: S,
    shape: Shape,
    segments: &[Segment<'_, T>],
    (row, column): (usize, usize),
    c: &mut [T],
) -> usize {
    let mut sums = [[T::splat(simd, T::ZERO); WIDE]; ROWS];
    for segment in segments {
        // SAFETY: by the caller's promise; register accesses are unaligned ones
        unsafe {
            let a = segment.a.as_ptr().add((shape.first + row) * shape.panel);
            let mut b = segment.b.as_ptr().add(column);
            for r in 0..shape.panel {
                let mut across = [T::splat(simd, T::ZERO); WIDE];
                for v in 0..WIDE {
                    across[v] = b.cast::<T::Vector<S>>().add(v).read_unaligned();
                }
                for i in 0..ROWS {
                    let x = T::splat(simd, *a.add(i * shape.panel + r));
                    for v in 0..WIDE {
                        sums[i][v] = T::mul_add(simd, x, across[v], sums[i][v]);
                    }
                }
                // the pointer of the last round is not read
                b = b.wrapping_add(shape.b_stride);
            }
        }
    }
    let lanes = lanes::<T, S>();
    for i in 0..ROWS {
        for v in 0..WIDE {
            let first = column + v * lanes;
            let line = &mut c[(row + i) * shape.columns..(row + i + 1) * shape.columns];
            if first + lanes <= shape.columns {
                let sum = T::vector_add(simd, load::<T, S>(line, first), sums[i][v]);
                store::<T, S>(line, first, sum);
            } else if first < shape.columns {
                // a copy: the address of `sums` itself would keep all sums out of registers
                let mut part = [T::ZERO; 16];
                store::<T, S>(&mut part, 0, sums[i][v]);
                line[first..].iter_mut().zip(part).for_each(|(x, y)| *x += y);
            }
        }
    }
    ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep_potential::real::machine_lanes;
    use pulp::Arch;
    use vitrion_core::rng::{self, Stream};

    fn numbers(count: usize, index: u64) -> Vec<f64> {
        let mut random = rng::at(11, Stream::Testing, 4, index);
        (0..count).map(|_| random.normal()).collect()
    }

    #[test]
    fn products_agree_with_plain_loops_along_and_across_the_weights() {
        let arch = Arch::new();
        let lanes = machine_lanes::<f64>(arch);
        for (inputs, outputs) in [(1, 1), (7, 13), (40, 24), (330, 17), (3, 331), (250, 250)] {
            let weights = numbers(inputs * outputs, 0);
            for across in 1..=PANEL {
                let (stride, width) = (PANEL * lanes, across * lanes);
                for forward in [true, false] {
                    let (rows, depth) = if forward { (outputs, inputs) } else { (inputs, outputs) };
                    let b = numbers(depth * stride, 1);
                    let mut c = vec![f64::NAN; rows * stride];
                    arch.dispatch(Product {
                        a: &weights,
                        row_stride: if forward { 1 } else { outputs },
                        depth_stride: if forward { outputs } else { 1 },
                        b: &b,
                        b_stride: stride,
                        c: &mut c,
                        c_stride: stride,
                        rows,
                        depth,
                        across,
                    });
                    for (i, row) in c.chunks_exact(stride).enumerate() {
                        for r in 0..width {
                            let weight = |l: usize| {
                                weights[if forward { l * outputs + i } else { i * outputs + l }]
                            };
                            let sum: f64 = (0..depth).map(|l| weight(l) * b[l * stride + r]).sum();
                            assert!((row[r] - sum).abs() < 1e-12);
                        }
                        assert!(row[width..].iter().all(|x| x.is_nan()), "padding is left alone");
                    }
                }
            }
        }
    }

    #[test]
    fn weight_gradients_agree_with_plain_loops() {
        let arch = Arch::new();
        let panel = PANEL * machine_lanes::<f64>(arch);
        for (inputs, columns, count) in [(5, 1_usize, 1), (23, 25, 3), (16, 48, 9), (9, 100, 5)] {
            let b_stride = columns.next_multiple_of(machine_lanes::<f64>(arch));
            let a: Vec<_> = (0..count).map(|k| numbers(inputs * panel, k)).collect();
            let b: Vec<_> = (0..count).map(|k| numbers(panel * b_stride, 100 + k)).collect();
            let segments: Vec<_> = a.iter().zip(&b).map(|(a, b)| Segment { a, b }).collect();
            let first = inputs / 3;
            let mut c = vec![0.25; (inputs - first) * columns];
            let task = Outer { segments: &segments, first, panel, b_stride, columns, c: &mut c };
            arch.dispatch(task);
            for (i, row) in c.chunks_exact(columns).enumerate() {
                for (n, x) in row.iter().enumerate() {
                    let mut sum = 0.25;
                    for s in &segments {
                        for r in 0..panel {
                            sum += s.a[(first + i) * panel + r] * s.b[r * b_stride + n];
                        }
                    }
                    assert!((x - sum).abs() < 1e-11);
                }
            }
        }
    }
}
