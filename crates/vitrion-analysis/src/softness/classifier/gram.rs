//! Sums over samples: gradient and Hessian of the loss.
//!
//! Rows of features are scaled by the root of the curvature, block by block, and the Hessian is the sum of the products of their columns. A tile of 8 columns by three registers stays in registers
//! while a block passes; blocks fit the second cache. Samples are dealt to strips, as many as their number asks for, whose sums are added in order, so that the result is the same for any number of threads.

use super::Loss;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Parts that samples are dealt to, at most, and fewest samples of one.
const STRIPS: usize = 32;
const FEWEST: usize = 1024;
/// Rows of a block.
const BLOCK: usize = 128;
/// Columns are filled up to a multiple of this.
pub(super) const PAD: usize = 8;
/// Columns of a tile that are broadcast.
const ACROSS: usize = 8;

/// Standardised features with a last column of ones, the side of every sample and its weight.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    /// Unknowns: features and intercept.
    pub(super) unknowns: usize,
    /// Numbers in a row, zero beyond the unknowns.
    pub(super) stride: usize,
    pub(super) x: Vec<f64>,
    /// ±1
    pub(super) side: Vec<f64>,
    pub(super) weight: Vec<f64>,
}

/// Value, gradient and Hessian at a point.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// Row by row, upper triangle.
    pub(super) hessian: Vec<f64>,
}

impl Samples {
    /// Of the loss at some unknowns.
    pub(super) fn sums(&self, loss: Loss, unknowns: &[f64]) -> Sums {
        let count = self.side.len();
        let parts = (count / FEWEST).clamp(1, STRIPS);
        let of_strip = |strip: usize| {
            let rows = strip * count / parts..(strip + 1) * count / parts;
            Arch::new().dispatch(Strip { of: self, loss, unknowns, rows })
        };
        let strips: Vec<Sums> = (0..parts).into_par_iter().map(of_strip).collect();
        let mut strips = strips.into_iter();
        let mut total = strips.next().expect("at least one");
        for strip in strips {
            total.value += strip.value;
            let add = |sum: &mut [f64], one: &[f64]| {
                for (sum, x) in sum.iter_mut().zip(one) {
                    *sum += x;
                }
            };
            add(&mut total.gradient, &strip.gradient);
            add(&mut total.hessian, &strip.hessian);
        }
        total
    }
}

struct Strip<'a> {
    of: &'a Samples,
    loss: Loss,
    unknowns: &'a [f64],
    rows: std::ops::Range<usize>,
}

impl WithSimd for Strip<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let Strip { of, loss, unknowns, rows } = self;
        let stride = of.stride;
        let mut weights = vec![0.0; stride];
        weights[..unknowns.len()].copy_from_slice(unknowns);
        let mut sums =
            Sums { value: 0.0, gradient: vec![0.0; stride], hessian: vec![0.0; stride * stride] };
        let mut scaled = vec![0.0; BLOCK * stride];
        let mut start = rows.start;
        while start < rows.end {
            let end = (start + BLOCK).min(rows.end);
            let mut kept = 0;
            for row in start..end {
                let x = &of.x[row * stride..(row + 1) * stride];
                let z = dot(simd, x, &weights);
                let side = of.side[row];
                let [value, slope, curvature] = loss.at(side * z);
                let weight = of.weight[row];
                sums.value += weight * value;
                add_scaled(simd, &mut sums.gradient, x, weight * slope * side);
                if curvature > 0.0 {
                    let root = (weight * curvature).sqrt();
                    let into = &mut scaled[kept * stride..(kept + 1) * stride];
                    into.fill(0.0);
                    add_scaled(simd, into, x, root);
                    kept += 1;
                }
            }
            products(simd, &scaled[..kept * stride], stride, &mut sums.hessian);
            start = end;
        }
        sums.gradient.truncate(of.unknowns);
        sums
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> f64 {
    let ((a, _), (b, _)) = (S::as_simd_f64s(a), S::as_simd_f64s(b));
    let mut sums = [simd.splat_f64s(0.0); 2];
    let (pairs, last) = a.as_chunks::<2>();
    let (others, other) = b.as_chunks::<2>();
    for (a, b) in pairs.iter().zip(others) {
        for k in 0..2 {
            sums[k] = simd.mul_add_f64s(a[k], b[k], sums[k]);
        }
    }
    for (a, b) in last.iter().zip(other) {
        sums[0] = simd.mul_add_f64s(*a, *b, sums[0]);
    }
    simd.reduce_sum_f64s(simd.add_f64s(sums[0], sums[1]))
}

#[inline(always)]
fn add_scaled<S: Simd>(simd: S, into: &mut [f64], x: &[f64], factor: f64) {
    let ((into, _), (x, _)) = (S::as_mut_simd_f64s(into), S::as_simd_f64s(x));
    let factor = simd.splat_f64s(factor);
    for (into, x) in into.iter_mut().zip(x) {
        *into = simd.mul_add_f64s(*x, factor, *into);
    }
}

/// Adds `BᵀB` of some rows to the tiles of the upper triangle.
#[inline(always)]
fn products<S: Simd>(simd: S, rows: &[f64], stride: usize, hessian: &mut [f64]) {
    let along = 3 * S::F64_LANES;
    let mut first = 0;
    while first < stride {
        // tiles that lie wholly below the diagonal are left out
        let mut column = first / S::F64_LANES * S::F64_LANES;
        while column + along <= stride {
            tile::<S, 3>(simd, rows, stride, [first, column], hessian);
            column += along;
        }
        match (stride - column) / S::F64_LANES {
            2 => tile::<S, 2>(simd, rows, stride, [first, column], hessian),
            1 => tile::<S, 1>(simd, rows, stride, [first, column], hessian),
            _ => {}
        }
        first += ACROSS;
    }
}

/// Eight columns with `N` registers of others.
#[inline(always)]
fn tile<S: Simd, const N: usize>(
    simd: S,
    rows: &[f64],
    stride: usize,
    [first, column]: [usize; 2],
    hessian: &mut [f64],
) {
    let along = N * S::F64_LANES;
    let mut tile = [[simd.splat_f64s(0.0); N]; ACROSS];
    for row in rows.chunks_exact(stride) {
        let (right, _) = S::as_simd_f64s(&row[column..column + along]);
        let left = &row[first..first + ACROSS];
        for a in 0..ACROSS {
            let x = simd.splat_f64s(left[a]);
            for k in 0..N {
                tile[a][k] = simd.mul_add_f64s(x, right[k], tile[a][k]);
            }
        }
    }
    for (a, tile) in tile.iter().enumerate() {
        let at = (first + a) * stride + column;
        let (into, _) = S::as_mut_simd_f64s(&mut hessian[at..at + along]);
        for k in 0..N {
            into[k] = simd.add_f64s(into[k], tile[k]);
        }
    }
}
