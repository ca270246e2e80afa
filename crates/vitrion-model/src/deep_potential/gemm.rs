//! Matrix products of the fitting nets: packed weights, register tiles, work on the result while it
//! is in registers.
//!
//! `C = A · B` with `A` the features of many atoms (row-major) and `B` constant weights. `B` is
//! packed once into panels of three registers' width, `[panel][k][3 · lanes]`, so that the inner
//! loop reads it in order; a tile of 8 rows (4 on machines with 16 registers) by one panel stays in
//! registers over the whole of `k`. What happens to a finished tile (bias, activation, slopes) is an
//! [`Epilogue`].
//!
//! Every element is one chain of fused multiply-adds over `k` in order, whatever the tile height:
//! the result of a row does not depend on the rows around it.
#![allow(unsafe_code)]

use super::aligned::Aligned;
use super::real::{Real, lanes, machine_lanes};
use pulp::{Arch, Simd, WithSimd};

/// Registers across a panel.
pub const ACROSS: usize = 3;

/// Weights of `inputs × outputs` in panels, the last one padded with zeros.
#[derive(Debug)]
pub struct Packed<T> {
    inputs: usize,
    panel: usize,
    panels: usize,
    data: Aligned<T>,
}

impl<T: Real> Packed<T> {
    /// Packs `weight(k, n)` for the registers of this machine.
    pub fn new(
        arch: Arch,
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let panel = ACROSS * machine_lanes::<T>(arch);
        let panels = outputs.div_ceil(panel);
        let mut data = Aligned::zeros(panels * inputs * panel);
        for (at, x) in data.iter_mut().enumerate() {
            let (p, k, column) = (at / (inputs * panel), at / panel % inputs, at % panel);
            let n = p * panel + column;
            if n < outputs {
                *x = T::from_f64(weight(k, n));
            }
        }
        Packed { inputs, panel, panels, data }
    }

    /// Columns of the result, padding included: the stride its rows must have at least.
    pub fn stride(&self) -> usize {
        self.panels * self.panel
    }
}

/// What is done with a finished part of a row, while it is in the first cache.
pub trait Epilogue<T: Real> {
    /// Takes `part = (A · B)[row][column .. column + 3 · lanes]` and may change it.
    fn finish<S: Simd>(&mut self, simd: S, row: usize, column: usize, part: &mut [T]);
}

/// `out = A · B` for `rows` rows of `a`, `stride` apart; a `WithSimd` task for
/// `pulp::Arch::dispatch`. Rows of `out` are `out_stride` apart, at least [`Packed::stride`].
#[derive(Debug)]
pub struct Product<'a, T, E> {
    pub rows: usize,
    pub a: &'a [T],
    pub stride: usize,
    pub b: &'a Packed<T>,
    pub out: &'a mut [T],
    pub out_stride: usize,
    pub epilogue: E,
}

impl<T: Real, E: Epilogue<T>> WithSimd for Product<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let b = self.b;
        assert_eq!(b.panel, ACROSS * lanes::<T, S>(), "packed for these registers");
        let reach = |stride: usize, width: usize| match self.rows {
            0 => 0,
            rows => (rows - 1) * stride + width,
        };
        assert!(
            self.stride >= b.inputs && self.a.len() >= reach(self.stride, b.inputs),
            "rows of features fit the slice"
        );
        assert!(
            self.out_stride >= b.stride() && self.out.len() >= reach(self.out_stride, b.stride()),
            "rows of the product fit the slice"
        );
        let tall = S::REGISTER_COUNT >= 32;
        for panel in 0..b.panels {
            let column = panel * b.panel;
            let mut row = 0;
            while row < self.rows {
                // SAFETY: at most as many rows as are left, and the assertions above hold
                let done = unsafe {
                    match (tall, self.rows - row) {
                        (true, 8..) => self.tile::<S, 8>(simd, row, panel),
                        (_, 4..) => self.tile::<S, 4>(simd, row, panel),
                        (_, 2..) => self.tile::<S, 2>(simd, row, panel),
                        _ => self.tile::<S, 1>(simd, row, panel),
                    }
                };
                for row in row..row + done {
                    let at = row * self.out_stride + column;
                    self.epilogue.finish(simd, row, column, &mut self.out[at..at + b.panel]);
                }
                row += done;
            }
        }
    }
}

impl<T: Real, E: Epilogue<T>> Product<'_, T, E> {
    /// One tile of `ROWS` rows by one panel; returns `ROWS`.
    ///
    /// # Safety
    /// `row + ROWS ≤ rows` and `panel < b.panels`, the rows of `a` and `out` lie in their slices,
    /// and `b` is packed for the registers of `S`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
    ) -> usize {
        let (inputs, stride) = (self.b.inputs, self.stride);
        let mut sums = [[T::splat(simd, T::ZERO); ACROSS]; ROWS];
        // SAFETY: by the caller's promise `a` reaches element (row + ROWS − 1) · stride + inputs − 1,
        // `b` element (panel + 1) · inputs · width − 1 and `out` the same rows and columns; all
        // register accesses are unaligned ones.
        unsafe {
            let a = self.a.as_ptr().add(row * stride);
            let mut b =
                self.b.data.as_ptr().add(panel * inputs * self.b.panel).cast::<T::Vector<S>>();
            for k in 0..inputs {
                let across: [T::Vector<S>; ACROSS] =
                    [b.read_unaligned(), b.add(1).read_unaligned(), b.add(2).read_unaligned()];
                for r in 0..ROWS {
                    let x = T::splat(simd, *a.add(r * stride + k));
                    for v in 0..ACROSS {
                        sums[r][v] = T::mul_add(simd, x, across[v], sums[r][v]);
                    }
                }
                b = b.add(ACROSS);
            }
            for r in 0..ROWS {
                let at = (row + r) * self.out_stride + panel * self.b.panel;
                let out = self.out.as_mut_ptr().add(at).cast::<T::Vector<S>>();
                for v in 0..ACROSS {
                    out.add(v).write_unaligned(sums[r][v]);
                }
            }
        }
        ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    struct Keep;

    impl<T: Real> Epilogue<T> for Keep {
        #[inline(always)]
        fn finish<S: Simd>(&mut self, _: S, _: usize, _: usize, _: &mut [T]) {}
    }

    fn product<T: Real>(rows: usize, k: usize, n: usize, a: &[f64], b: &[f64]) -> Vec<T> {
        let arch = Arch::new();
        let packed = Packed::<T>::new(arch, k, n, |l, j| b[l * n + j]);
        let a: Vec<T> = a.iter().map(|x| T::from_f64(*x)).collect();
        let stride = packed.stride();
        let mut c = vec![T::from_f64(f64::NAN); rows * stride];
        let (out, out_stride) = (&mut c[..], stride);
        let task = Product { rows, a: &a, stride: k, b: &packed, out, out_stride, epilogue: Keep };
        arch.dispatch(task);
        c.chunks(stride).flat_map(|row| row[..n].to_vec()).collect()
    }

    fn check<T: Real>(tolerance: f64) {
        let mut random = rng::at(1, Stream::Testing, 21, 0);
        for (rows, k, n) in
            [(1, 1, 1), (3, 7, 5), (64, 33, 17), (5, 192, 50), (15, 20, 100), (9, 300, 30)]
        {
            let a: Vec<f64> = (0..rows * k).map(|_| random.normal()).collect();
            let b: Vec<f64> = (0..k * n).map(|_| random.normal()).collect();
            let c = product::<T>(rows, k, n, &a, &b);
            for i in 0..rows {
                for j in 0..n {
                    let exact: f64 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                    assert!((c[i * n + j].to_f64() - exact).abs() < tolerance, "{rows}×{k}×{n}");
                }
            }
            // a row alone gives the same bits as among others
            let last = product::<T>(1, k, n, &a[(rows - 1) * k..], &b);
            assert_eq!(format!("{last:?}"), format!("{:?}", &c[(rows - 1) * n..].to_vec()));
        }
    }

    #[test]
    fn products_agree_with_plain_loops() {
        check::<f64>(1e-12);
        check::<f32>(2e-4);
    }
}
