//! From moments to the descriptor and back, for a panel of atoms.
//!
//! `D = T · T[..A]ᵀ` entry by entry, each a product of two moments summed over the four rows:
//! `D_(m,a) = Σ_c T_cm T_ca`. Moments are `[c · M + m][atom]`, entries `[entry][atom]`.

use crate::deep_potential::real::{Real, lanes, load, store};
use pulp::{Simd, WithSimd};

/// Registers of atoms done at once.
const ACROSS: usize = 3;

/// Calls `$self.$part::<S, N>(simd, first atom)` for all registers of atoms.
macro_rules! in_columns {
    ($self:ident, $part:ident, $simd:ident) => {{
        let mut register = 0;
        while register < $self.across {
            let at = register * lanes::<T, S>();
            match $self.across - register {
                1 => $self.$part::<S, 1>($simd, at),
                2 => $self.$part::<S, 2>($simd, at),
                _ => $self.$part::<S, ACROSS>($simd, at),
            }
            register += ACROSS;
        }
    }};
}

/// `N` registers from `data[at..]`.
#[inline(always)]
fn load_all<T: Real, S: Simd, const N: usize>(simd: S, data: &[T], at: usize) -> [T::Vector<S>; N] {
    let data = &data[at..at + N * lanes::<T, S>()];
    let mut loaded = [T::splat(simd, T::ZERO); N];
    for v in 0..N {
        loaded[v] = load::<T, S>(data, v * lanes::<T, S>());
    }
    loaded
}

/// Writes `N` registers to `data[at..]`.
#[inline(always)]
fn store_all<T: Real, S: Simd, const N: usize>(
    data: &mut [T],
    at: usize,
    values: [T::Vector<S>; N],
) {
    let data = &mut data[at..at + N * lanes::<T, S>()];
    for v in 0..N {
        store::<T, S>(data, v * lanes::<T, S>(), values[v]);
    }
}

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
    fn with_simd<S: Simd>(mut self, simd: S) {
        in_columns!(self, part, simd);
    }
}

impl<T: Real> Contract<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, at: usize) {
        let moment = |c: usize, m: u32| (c * self.width + m as usize) * self.panel + at;
        let mut k = 0;
        // entries of one m follow each other: its moments stay in registers
        while k < self.entries.len() {
            let m = self.entries[k].0;
            let mut left = [[T::splat(simd, T::ZERO); N]; 4];
            for c in 0..4 {
                left[c] = load_all::<T, S, N>(simd, self.moments, moment(c, m));
            }
            while k < self.entries.len() && self.entries[k].0 == m {
                let a = self.entries[k].1;
                let mut sum = [T::splat(simd, T::ZERO); N];
                for c in 0..4 {
                    let right = load_all::<T, S, N>(simd, self.moments, moment(c, a));
                    for v in 0..N {
                        sum[v] = T::mul_add(simd, left[c][v], right[v], sum[v]);
                    }
                }
                store_all::<T, S, N>(self.out, k * self.panel + at, sum);
                k += 1;
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
    fn with_simd<S: Simd>(mut self, simd: S) {
        in_columns!(self, part, simd);
    }
}

impl<T: Real> ContractTangents<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, at: usize) {
        let moment = |c: usize, m: u32| (c * self.width + m as usize) * self.panel + at;
        let mut k = 0;
        while k < self.entries.len() {
            let m = self.entries[k].0;
            let mut left = [[T::splat(simd, T::ZERO); N]; 4];
            let mut left_moving = left;
            for c in 0..4 {
                left[c] = load_all::<T, S, N>(simd, self.moments, moment(c, m));
                left_moving[c] = load_all::<T, S, N>(simd, self.tangents, moment(c, m));
            }
            while k < self.entries.len() && self.entries[k].0 == m {
                let a = self.entries[k].1;
                let mut sum = [T::splat(simd, T::ZERO); N];
                for c in 0..4 {
                    let right_moving = load_all::<T, S, N>(simd, self.tangents, moment(c, a));
                    for v in 0..N {
                        sum[v] = T::mul_add(simd, left[c][v], right_moving[v], sum[v]);
                    }
                    let right = load_all::<T, S, N>(simd, self.moments, moment(c, a));
                    for v in 0..N {
                        sum[v] = T::mul_add(simd, left_moving[c][v], right[v], sum[v]);
                    }
                }
                store_all::<T, S, N>(self.out, k * self.panel + at, sum);
                k += 1;
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
    fn with_simd<S: Simd>(mut self, simd: S) {
        in_columns!(self, part, simd);
    }
}

impl<T: Real> Spread<'_, T> {
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, at: usize) {
        let place = |c: usize, m: u32| (c * self.width + m as usize) * self.panel + at;
        let mut k = 0;
        while k < self.entries.len() {
            let m = self.entries[k].0;
            let mut own = [[T::splat(simd, T::ZERO); N]; 4];
            let mut moment = own;
            for c in 0..4 {
                moment[c] = load_all::<T, S, N>(simd, self.moments, place(c, m));
            }
            while k < self.entries.len() && self.entries[k].0 == m {
                let a = self.entries[k].1;
                let slope = load_all::<T, S, N>(simd, self.slopes, k * self.panel + at);
                for c in 0..4 {
                    let other = load_all::<T, S, N>(simd, self.moments, place(c, a));
                    let mut sum = load_all::<T, S, N>(simd, self.out, place(c, a));
                    for v in 0..N {
                        own[c][v] = T::mul_add(simd, slope[v], other[v], own[c][v]);
                        sum[v] = T::mul_add(simd, slope[v], moment[c][v], sum[v]);
                    }
                    store_all::<T, S, N>(self.out, place(c, a), sum);
                }
                k += 1;
            }
            for c in 0..4 {
                let mut sum = load_all::<T, S, N>(simd, self.out, place(c, m));
                for v in 0..N {
                    sum[v] = T::vector_add(simd, sum[v], own[c][v]);
                }
                store_all::<T, S, N>(self.out, place(c, m), sum);
            }
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
