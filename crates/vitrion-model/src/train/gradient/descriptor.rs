//! From moments to the descriptor and back, for a panel of atoms.
//!
//! `D = T · T[..A]ᵀ` entry by entry, each a product of two moments summed over the four rows:
//! `D_(m,a) = Σ_c T_cm T_ca`. Moments are `[c · M + m][atom]`, entries `[entry][atom]`.

use crate::deep_potential::real::{Real, lanes, load, store};
use pulp::{Simd, WithSimd};

/// `D` of `T`.
pub(super) struct Contract<'a, T> {
    pub entries: &'a [(u32, u32)],
    pub width: usize,
    pub panel: usize,
    pub across: usize,
    pub moments: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Contract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (k, (m, a)) in self.entries.iter().enumerate() {
            let mut at = 0;
            while at < self.across * lanes::<T, S>() {
                let mut sum = T::splat(simd, T::ZERO);
                for c in 0..4 {
                    let moment = |m: u32| (c * self.width + m as usize) * self.panel + at;
                    let left = load::<T, S>(self.moments, moment(*m));
                    let right = load::<T, S>(self.moments, moment(*a));
                    sum = T::mul_add(simd, left, right, sum);
                }
                store::<T, S>(self.out, k * self.panel + at, sum);
                at += lanes::<T, S>();
            }
        }
    }
}

/// `Ḋ` of `T` and `Ṫ`.
pub(super) struct ContractTangents<'a, T> {
    pub entries: &'a [(u32, u32)],
    pub width: usize,
    pub panel: usize,
    pub across: usize,
    pub moments: &'a [T],
    pub tangents: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for ContractTangents<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (k, (m, a)) in self.entries.iter().enumerate() {
            let mut at = 0;
            while at < self.across * lanes::<T, S>() {
                let mut sum = T::splat(simd, T::ZERO);
                for c in 0..4 {
                    let moment = |m: u32| (c * self.width + m as usize) * self.panel + at;
                    let left = load::<T, S>(self.moments, moment(*m));
                    let right = load::<T, S>(self.moments, moment(*a));
                    let left_moving = load::<T, S>(self.tangents, moment(*m));
                    let right_moving = load::<T, S>(self.tangents, moment(*a));
                    sum = T::mul_add(simd, left, right_moving, sum);
                    sum = T::mul_add(simd, left_moving, right, sum);
                }
                store::<T, S>(self.out, k * self.panel + at, sum);
                at += lanes::<T, S>();
            }
        }
    }
}

/// `T̄_cm += D̄_(m,a) T_ca`, `T̄_ca += D̄_(m,a) T_cm`.
pub(super) struct Spread<'a, T> {
    pub entries: &'a [(u32, u32)],
    pub width: usize,
    pub panel: usize,
    pub across: usize,
    /// `D̄`
    pub slopes: &'a [T],
    pub moments: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = lanes::<T, S>();
        let mut at = 0;
        while at < self.across * lanes {
            let mut k = 0;
            // entries of one m follow each other: their sum stays in registers
            while k < self.entries.len() {
                let m = self.entries[k].0;
                let place = |c: usize, m: u32| (c * self.width + m as usize) * self.panel + at;
                let mut own = [T::splat(simd, T::ZERO); 4];
                let mut moment = own;
                for c in 0..4 {
                    moment[c] = load::<T, S>(self.moments, place(c, m));
                }
                while k < self.entries.len() && self.entries[k].0 == m {
                    let a = self.entries[k].1;
                    let slope = load::<T, S>(self.slopes, k * self.panel + at);
                    for c in 0..4 {
                        let other = load::<T, S>(self.moments, place(c, a));
                        own[c] = T::mul_add(simd, slope, other, own[c]);
                        let sum = load::<T, S>(self.out, place(c, a));
                        let sum = T::mul_add(simd, slope, moment[c], sum);
                        store::<T, S>(self.out, place(c, a), sum);
                    }
                    k += 1;
                }
                for c in 0..4 {
                    let sum = load::<T, S>(self.out, place(c, m));
                    store::<T, S>(self.out, place(c, m), T::vector_add(simd, sum, own[c]));
                }
            }
            at += lanes;
        }
    }
}

/// Rows `[atom][4][padded]` to `[c · M + m][atom]`.
pub(super) fn to_panel<T: Real>(
    rows: &[T],
    padded: usize,
    width: usize,
    panel: usize,
    out: &mut [T],
) {
    for (r, row) in rows.chunks_exact(4 * padded).enumerate() {
        for c in 0..4 {
            for m in 0..width {
                out[(c * width + m) * panel + r] = row[c * padded + m];
            }
        }
    }
}

/// Back to rows.
pub(super) fn to_rows<T: Real>(
    from: &[T],
    padded: usize,
    width: usize,
    panel: usize,
    rows: &mut [T],
) {
    for (r, row) in rows.chunks_exact_mut(4 * padded).enumerate() {
        for c in 0..4 {
            for m in 0..width {
                row[c * padded + m] = from[(c * width + m) * panel + r];
            }
        }
    }
}
