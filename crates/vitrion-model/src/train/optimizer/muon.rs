//! The orthogonal factor of a matrix by Newton–Schulz iterations on its Gram matrix.
//!
//! Muon's iteration `X ← X (a + b A + c A²)` with `A = Xᵀ X` multiplies `X` by polynomials in `A`
//! only, so it is done on the small square side: `Q ← Q p(A)`, `A ← A p(A)²`, and `X Q` once at the
//! end (all factors commute and are symmetric).

use crate::deep_potential::aligned::Aligned;
use crate::deep_potential::real::{Real, machine_lanes};
use crate::train::gradient::Product;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// Jordan's coefficients: fast at the price of singular values between 0.7 and 1.2.
pub const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Iterations of each step.
pub const ITERATIONS: usize = 5;
/// Rows of a product that one task does.
const ROWS: usize = 40;
/// Side of the squares in which a matrix is mirrored.
const SQUARE: usize = 16;

/// What the orthogonal factor of a matrix is multiplied with in a step at learning rate `rate`.
pub fn step_size(rate: f64, rows: usize, columns: usize) -> f64 {
    rate * 0.2 * (rows.max(columns) as f64).sqrt()
}

/// One weight matrix and the memory to orthogonalise it.
#[derive(Debug)]
pub(super) struct Orthogonalizer<T> {
    arch: Arch,
    at: usize,
    rows: usize,
    columns: usize,
    /// Longer and shorter side; the shorter in full registers.
    long: usize,
    short: usize,
    padded: usize,
    /// `[long][padded]`
    x: Aligned<T>,
    product: Aligned<T>,
    /// `[short][padded]`: Gram matrix, its polynomial, the factor, and one to spare.
    gram: Aligned<T>,
    polynomial: Aligned<T>,
    factor: Aligned<T>,
    spare: Aligned<T>,
}

impl<T: Real> Orthogonalizer<T> {
    pub(super) fn new(arch: Arch, at: usize, rows: usize, columns: usize) -> Self {
        let (long, short) = (rows.max(columns), rows.min(columns));
        let padded = short.next_multiple_of(machine_lanes::<T>(arch));
        let square = || Aligned::zeros(short * padded);
        Orthogonalizer {
            arch,
            at,
            rows,
            columns,
            long,
            short,
            padded,
            x: Aligned::zeros(long * padded),
            product: Aligned::zeros(long * padded),
            gram: square(),
            polynomial: square(),
            factor: square(),
            spare: square(),
        }
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.rows * self.columns
    }

    /// `m ← μ m + g`; `θ ← (1 − lr·decay) θ − lr · 0.2 √max(rows, columns) · orth(g + μ m)`.
    pub(super) fn step(
        &mut self,
        parameters: &mut [T],
        gradient: &[T],
        momentum: &mut [T],
        decay: f64,
        rate: f64,
        weight_decay: f64,
    ) {
        let mu = T::from_f64(decay);
        let (columns, padded) = (self.columns, self.padded);
        let upright = self.rows >= self.columns;
        let mut square = 0.0;
        let lines = momentum.chunks_exact_mut(columns).zip(gradient.chunks_exact(columns));
        for (row, (momentum, gradient)) in lines.enumerate() {
            let mut sum = T::ZERO;
            for (m, g) in momentum.iter_mut().zip(gradient) {
                *m = mu * *m + *g;
            }
            if upright {
                let to = &mut self.x[row * padded..row * padded + columns];
                for (x, (m, g)) in to.iter_mut().zip(momentum.iter().zip(gradient)) {
                    *x = *g + mu * *m;
                    sum += *x * *x;
                }
            } else {
                for (column, (m, g)) in momentum.iter().zip(gradient).enumerate() {
                    let x = *g + mu * *m;
                    self.x[column * padded + row] = x;
                    sum += x * x;
                }
            }
            square += sum.to_f64();
        }
        if square < f64::MIN_POSITIVE {
            return;
        }
        let scale = T::from_f64(1.0 / square.sqrt());
        self.x.iter_mut().for_each(|x| *x = *x * scale);
        self.orthogonalize();
        let keep = T::from_f64(1.0 - rate * weight_decay);
        let step = T::from_f64(step_size(rate, self.rows, self.columns));
        for (row, parameters) in parameters.chunks_exact_mut(columns).enumerate() {
            if upright {
                let from = &self.product[row * padded..row * padded + columns];
                parameters.iter_mut().zip(from).for_each(|(p, x)| *p = keep * *p - step * *x);
            } else {
                for (column, p) in parameters.iter_mut().enumerate() {
                    *p = keep * *p - step * self.product[column * padded + row];
                }
            }
        }
    }

    /// The orthogonal factor of `x`, to `product`.
    fn orthogonalize(&mut self) {
        let (short, padded) = (self.short, self.padded);
        let shape = Squares { arch: self.arch, padded };
        // A = Xᵀ X
        shape.symmetric(&self.x, 1, padded, self.long, &self.x, &mut self.gram);
        let [a, b, c] = COEFFICIENTS.map(T::from_f64);
        for iteration in 0..ITERATIONS {
            // p(A) = a + b A + c A²
            shape.symmetric(&self.gram, padded, 1, short, &self.gram, &mut self.polynomial);
            for row in 0..short {
                for column in 0..short {
                    let k = row * padded + column;
                    let diagonal = if row == column { a } else { T::ZERO };
                    self.polynomial[k] = diagonal + b * self.gram[k] + c * self.polynomial[k];
                }
            }
            if iteration == 0 {
                self.factor.copy_from_slice(&self.polynomial);
            } else {
                let spare = &mut self.spare;
                shape.symmetric(&self.factor, padded, 1, short, &self.polynomial, spare);
                std::mem::swap(&mut self.factor, &mut self.spare);
            }
            if iteration + 1 < ITERATIONS {
                let spare = &mut self.spare;
                shape.symmetric(&self.gram, padded, 1, short, &self.polynomial, spare);
                shape.symmetric(&self.spare, padded, 1, short, &self.polynomial, &mut self.gram);
            }
        }
        shape.multiply(&self.x, padded, 1, short, &self.factor, &mut self.product);
    }
}

#[derive(Clone, Copy)]
struct Squares {
    arch: Arch,
    padded: usize,
}

impl Squares {
    /// `C = A B` of symmetric `C` with `A(i, l) = a[i · row_stride + l · depth_stride]`: the upper
    /// triangle, then its mirror image.
    fn symmetric<T: Real>(
        self,
        a: &[T],
        row_stride: usize,
        depth_stride: usize,
        depth: usize,
        b: &[T],
        c: &mut [T],
    ) {
        let (padded, lanes) = (self.padded, machine_lanes::<T>(self.arch));
        c.par_chunks_mut(ROWS * padded).enumerate().for_each(|(part, c)| {
            let rows = c.len() / padded;
            let first = part * ROWS / lanes;
            self.arch.dispatch(Product {
                a: &a[part * ROWS * row_stride..],
                row_stride,
                depth_stride,
                b: &b[first * lanes..],
                b_stride: padded,
                c: &mut c[first * lanes..],
                c_stride: padded,
                rows,
                depth,
                across: padded / lanes - first,
            });
        });
        let short = c.len() / padded;
        // square by square, so that both stay in the first cache
        for top in (0..short).step_by(SQUARE) {
            for left in (0..=top).step_by(SQUARE) {
                for row in top..(top + SQUARE).min(short) {
                    for column in left..(left + SQUARE).min(row) {
                        c[row * padded + column] = c[column * padded + row];
                    }
                }
            }
        }
    }

    /// `C = A B` with `A(i, l) = a[i · row_stride + l · depth_stride]`; rows are shared out to the
    /// threads.
    fn multiply<T: Real>(
        self,
        a: &[T],
        row_stride: usize,
        depth_stride: usize,
        depth: usize,
        b: &[T],
        c: &mut [T],
    ) {
        let lanes = machine_lanes::<T>(self.arch);
        c.par_chunks_mut(ROWS * self.padded).enumerate().for_each(|(part, c)| {
            let rows = c.len() / self.padded;
            self.arch.dispatch(Product {
                a: &a[part * ROWS * row_stride..],
                row_stride,
                depth_stride,
                b,
                b_stride: self.padded,
                c,
                c_stride: self.padded,
                rows,
                depth,
                across: self.padded / lanes,
            });
        });
    }
}
