//! The descriptor `D = T · T[..A]ᵀ` of a centre, each distinct number once.
//!
//! The leading `A × A` part of `D` is symmetric, so only `D[m][a]` with `m ≥ a` is kept there, and
//! the first layer of the fitting net gets the sum of the weights of both halves. Order of the
//! `A (A + 1)/2 + A (M − A)` numbers: for every `a` the entries `m = a..A`; then for every `a` the
//! entries `m = A..M`.

use super::super::real::{Real, lanes, load, store};
use pulp::Simd;

/// Widest axis whose leading entries are unfolded into registers.
const MOST_AXIS: usize = 32;

/// Shape and order of a packed descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// `M`: width of the embedding.
    pub(super) width: usize,
    /// `A`
    pub(super) axis: usize,
    /// Width of a row of moments, padding included.
    pub(super) padded: usize,
}

impl Layout {
    /// Numbers of a descriptor.
    pub(super) fn len(self) -> usize {
        self.axis * (self.axis + 1) / 2 + self.axis * (self.width - self.axis)
    }

    /// Place of `D[m][a]`.
    pub(super) fn place(self, m: usize, a: usize) -> usize {
        let (m, a) = if m < self.axis { (m.max(a), m.min(a)) } else { (m, a) };
        if m < self.axis { self.triangle(a) + m - a } else { self.rest(a) + m - self.axis }
    }

    /// `(m, a)` of every place, with `m ≥ a`.
    pub(super) fn entries(self) -> Vec<(usize, usize)> {
        let mut entries = Vec::with_capacity(self.len());
        for a in 0..self.axis {
            entries.extend((a..self.axis).map(|m| (m, a)));
        }
        for a in 0..self.axis {
            entries.extend((self.axis..self.width).map(|m| (m, a)));
        }
        entries
    }

    #[inline(always)]
    fn triangle(self, a: usize) -> usize {
        a * self.axis - a * a.saturating_sub(1) / 2
    }

    #[inline(always)]
    fn rest(self, a: usize) -> usize {
        self.axis * (self.axis + 1) / 2 + a * (self.width - self.axis)
    }

    /// Writes the descriptor of `moments`, `[4][padded]`. Registers are written whole: `out` has
    /// room for one more than the descriptor's length, and what lies behind is overwritten.
    #[inline(always)]
    pub(super) fn descriptor<T: Real, S: Simd>(self, simd: S, moments: &[T], out: &mut [T]) {
        let (axis, padded, step) = (self.axis, self.padded, lanes::<T, S>());
        // whole registers where the axis is made of them: from the last row to the first, so that
        // each row overwrites what the next one wrote in front of itself
        let whole = axis.is_multiple_of(step);
        for a in (0..if whole { axis } else { 0 }).rev() {
            let left = splat_column::<T, S>(simd, moments, padded, a);
            for m in (a / step * step..axis).step_by(step) {
                let mut sum = T::vector_mul(simd, left[0], load::<T, S>(moments, m));
                for c in 1..4 {
                    sum = T::mul_add(simd, left[c], load::<T, S>(moments, c * padded + m), sum);
                }
                store::<T, S>(out, self.triangle(a) + m - a, sum);
            }
        }
        for a in 0..if whole { 0 } else { axis } {
            let left = column(moments, padded, a);
            let start = self.triangle(a);
            for m in a..axis {
                let mut sum = left[0] * moments[m];
                for c in 1..4 {
                    sum = left[c].fma(moments[c * padded + m], sum);
                }
                out[start + m - a] = sum;
            }
        }
        for a in 0..axis {
            let left = splat_column::<T, S>(simd, moments, padded, a);
            let start = self.rest(a);
            for m in (axis..self.width).step_by(step) {
                // the last register may reach beyond the padding of a row: those lanes are junk
                // that the next row, or nobody, overwrites
                let mut sum = T::vector_mul(simd, left[0], load::<T, S>(moments, m));
                for c in 1..4 {
                    sum = T::mul_add(simd, left[c], load::<T, S>(moments, c * padded + m), sum);
                }
                store::<T, S>(out, start + m - axis, sum);
            }
        }
    }

    /// `∂E/∂T` from `∂E/∂D` (times `factor`), ordered `[register][c][lane]` in `out`; the
    /// padding is finite and arbitrary, for it meets zeros in the tables. `work` is as long.
    #[inline(always)]
    pub(super) fn moment_gradient<T: Real, S: Simd>(
        self,
        simd: S,
        moments: &[T],
        gradient: &[T],
        factor: T,
        work: &mut [T],
        out: &mut [T],
    ) {
        let (axis, padded, step) = (self.axis, self.padded, lanes::<T, S>());
        self.leading(simd, moments, gradient, work);
        // registers that end inside the padding; what is left is done one by one
        let inside = (padded - axis) / step * step;
        let whole = if (padded - axis).is_multiple_of(step) {
            padded
        } else {
            axis + inside.min((self.width - axis) / step * step)
        };
        for m in (axis..whole).step_by(step) {
            // lanes beyond the width meet zeros in the tables
            let mut sums = [T::splat(simd, T::ZERO); 4];
            for a in 0..axis {
                let d = load::<T, S>(gradient, self.rest(a) + m - axis);
                for c in 0..4 {
                    let left = T::splat(simd, moments[c * padded + a]);
                    sums[c] = T::mul_add(simd, left, d, sums[c]);
                }
            }
            for c in 0..4 {
                store::<T, S>(work, c * padded + m, sums[c]);
            }
        }
        for a in 0..axis {
            let start = self.rest(a);
            let mut sums = [T::splat(simd, T::ZERO); 4];
            for m in (axis..whole).step_by(step) {
                let d = load::<T, S>(gradient, start + m - axis);
                for c in 0..4 {
                    let row = load::<T, S>(moments, c * padded + m);
                    sums[c] = T::mul_add(simd, row, d, sums[c]);
                }
            }
            let mut own = [
                T::sum(simd, sums[0]),
                T::sum(simd, sums[1]),
                T::sum(simd, sums[2]),
                T::sum(simd, sums[3]),
            ];
            for m in whole..self.width {
                let d = gradient[start + m - axis];
                for c in 0..4 {
                    let at = c * padded + m;
                    let before = if a == 0 { T::ZERO } else { work[at] };
                    work[at] = moments[c * padded + a].fma(d, before);
                    own[c] = moments[at].fma(d, own[c]);
                }
            }
            for c in 0..4 {
                work[c * padded + a] += own[c];
            }
        }
        for c in 0..4 {
            // never touched above where the axis does not end at a register
            let end = whole.max(self.width);
            work[c * padded + end..(c + 1) * padded].fill(T::ZERO);
        }
        let factor = T::splat(simd, factor);
        for v in 0..padded / step {
            for c in 0..4 {
                let x = T::vector_mul(simd, load::<T, S>(work, c * padded + v * step), factor);
                store::<T, S>(out, (v * 4 + c) * step, x);
            }
        }
    }

    /// The part of `∂E/∂T` that comes from the symmetric leading entries: columns `0..A` of `work`.
    #[inline(always)]
    fn leading<T: Real, S: Simd>(self, simd: S, moments: &[T], gradient: &[T], work: &mut [T]) {
        let (axis, padded, step) = (self.axis, self.padded, lanes::<T, S>());
        if axis.is_multiple_of(step) && axis <= MOST_AXIS {
            // both halves of the symmetric matrix, the diagonal twice: ∂(T_a·T_a) = 2 T_a ∂T_a
            let mut square = [T::ZERO; MOST_AXIS * MOST_AXIS];
            for a in 0..axis {
                let row = &gradient[self.triangle(a)..][..axis - a];
                square[a * axis + a] = row[0] + row[0];
                for (k, d) in row.iter().enumerate().skip(1) {
                    square[a * axis + a + k] = *d;
                    square[(a + k) * axis + a] = *d;
                }
            }
            for m in (0..axis).step_by(step) {
                let mut sums = [T::splat(simd, T::ZERO); 4];
                for a in 0..axis {
                    let d = load::<T, S>(&square, a * axis + m);
                    for c in 0..4 {
                        let left = T::splat(simd, moments[c * padded + a]);
                        sums[c] = T::mul_add(simd, left, d, sums[c]);
                    }
                }
                for c in 0..4 {
                    store::<T, S>(work, c * padded + m, sums[c]);
                }
            }
            return;
        }
        for c in 0..4 {
            let row = c * padded;
            work[row..row + axis].fill(T::ZERO);
            for a in 0..axis {
                let d = &gradient[self.triangle(a)..][..axis - a];
                let left = moments[row + a];
                let mut own = T::ZERO;
                for m in a..axis {
                    work[row + m] = left.fma(d[m - a], work[row + m]);
                    own = moments[row + m].fma(d[m - a], own);
                }
                work[row + a] += own;
            }
        }
    }
}

/// Column `a` of moments.
#[inline(always)]
fn column<T: Real>(moments: &[T], padded: usize, a: usize) -> [T; 4] {
    [moments[a], moments[padded + a], moments[2 * padded + a], moments[3 * padded + a]]
}

/// Column `a` of moments, each number in all lanes of a register.
#[inline(always)]
fn splat_column<T: Real, S: Simd>(
    simd: S,
    moments: &[T],
    padded: usize,
    a: usize,
) -> [T::Vector<S>; 4] {
    let column = column(moments, padded, a);
    [
        T::splat(simd, column[0]),
        T::splat(simd, column[1]),
        T::splat(simd, column[2]),
        T::splat(simd, column[3]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};
    use vitrion_core::rng::{self, Stream};

    struct Both<'a> {
        layout: Layout,
        moments: &'a [f64],
        gradient: &'a [f64],
        descriptor: &'a mut [f64],
        out: &'a mut [f64],
    }

    impl WithSimd for Both<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.layout.descriptor(simd, self.moments, self.descriptor);
            let Both { layout, moments, gradient, out, .. } = self;
            let mut work = vec![f64::NAN; out.len()];
            let mut mixed = vec![f64::NAN; out.len()];
            layout.moment_gradient(simd, moments, gradient, 0.5, &mut work, &mut mixed);
            let step = lanes::<f64, S>();
            for (at, x) in mixed.iter().enumerate() {
                let (register, c, lane) = (at / (4 * step), at / step % 4, at % step);
                out[c * layout.padded + register * step + lane] = *x;
            }
        }
    }

    #[test]
    fn packed_descriptor_and_gradient_agree_with_the_definition() {
        let mut random = rng::at(3, Stream::Testing, 0, 0);
        for (width, axis) in [(100, 16), (7, 3), (20, 20), (33, 1), (40, 9)] {
            let padded = usize::next_multiple_of(width, 16);
            let layout = Layout { width, axis, padded };
            let n = layout.len();
            let mut moments = vec![0.0; 4 * padded];
            for c in 0..4 {
                moments[c * padded..c * padded + width].fill_with(|| random.normal());
            }
            let gradient: Vec<f64> = (0..n + 16).map(|_| random.normal()).collect();
            let (mut descriptor, mut out) = (vec![f64::NAN; n + 16], vec![f64::NAN; 4 * padded]);
            // room behind the last row of moments for a whole register
            let mut roomy = moments.clone();
            roomy.resize(4 * padded + 16, 0.0);
            Arch::new().dispatch(Both {
                layout,
                moments: &roomy,
                gradient: &gradient,
                descriptor: &mut descriptor,
                out: &mut out,
            });
            let mut exact = vec![0.0; 4 * padded];
            for m in 0..width {
                for a in 0..axis {
                    let d: f64 =
                        (0..4).map(|c| moments[c * padded + m] * moments[c * padded + a]).sum();
                    let place = layout.place(m, a);
                    assert!((descriptor[place] - d).abs() < 1e-12, "D[{m}][{a}]");
                }
            }
            for (place, (m, a)) in layout.entries().into_iter().enumerate() {
                assert_eq!((layout.place(m, a), m >= a), (place, true));
                for c in 0..4 {
                    exact[c * padded + m] += 0.5 * gradient[place] * moments[c * padded + a];
                    exact[c * padded + a] += 0.5 * gradient[place] * moments[c * padded + m];
                }
            }
            assert_eq!(layout.entries().len(), n);
            for c in 0..4 {
                let row = c * padded..c * padded + width;
                for (x, y) in out[row.clone()].iter().zip(&exact[row]) {
                    assert!((x - y).abs() < 1e-11, "{width} × {axis}");
                }
                let padding = &out[c * padded + width..(c + 1) * padded];
                assert!(padding.iter().all(|x| x.is_finite()), "{width} × {axis}");
            }
        }
    }
}
