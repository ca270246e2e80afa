//! Spherical harmonics of bonds, summed over the neighbours of atoms: the hot loop.
//!
//! Components are real and scaled by `√(4π / (2l + 1))`, so that the `2l + 1` of a single bond have
//! norm 1 and `q_l` is the norm of their mean. For a unit vector `(x, y, z)` they are
//!
//! ```text
//! a_0 = P_l(z),   a_m, b_m = √(2 (l − m)! / (l + m)!) · dᵐP_l/dzᵐ · Re, Im (x + iy)ᵐ
//! ```
//!
//! in the order `a_0, a_1, b_1, a_2, b_2, …`. Negative `m` repeat the positive ones. The derivative is
//! a polynomial in `z²` (times `z` if `l − m` is odd), made with leading coefficient 1 here; what
//! is left of the prefactor is the same for all bonds and multiplies their sum.

use super::shells::Shells;
use crate::pairs::LANES;
use pulp::{Arch, Simd, WithSimd};

/// Largest `l`.
pub(super) const L_MAX: usize = 12;

/// Where the components of several `l` stand in the row of an atom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    degrees: Vec<Degree>,
    stride: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Degree {
    l: usize,
    first: usize,
    /// Prefactors by `m`.
    scale: [f64; L_MAX + 1],
}

impl Layout {
    /// Rows of all components of these `l`, each from 2 to 12.
    pub(super) fn new(l: &[u32]) -> Self {
        let mut first = 0;
        let mut degrees = Vec::with_capacity(l.len());
        for l in l {
            let l = *l as usize;
            degrees.push(Degree { l, first, scale: prefactors(l) });
            first += 2 * l + 1;
        }
        Layout { degrees, stride: first.next_multiple_of(LANES) }
    }

    /// Numbers per row; those behind the last component are zero.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// `l` and its components in a row, for every `l`.
    pub(super) fn components<'a>(
        &'a self,
        row: &'a [f64],
    ) -> impl Iterator<Item = (usize, &'a [f64])> + 'a {
        self.degrees.iter().map(|of| (of.l, &row[of.first..=of.first + 2 * of.l]))
    }

    /// Writes the weighted means over the bonds of each shell to the rows of `out`, zeros for
    /// shells without bonds, and makes the vectors of `shells` unit vectors. Returns false if one has
    /// no length: its shell has no means then.
    pub(super) fn means(&self, shells: &mut Shells, out: &mut [f64]) -> bool {
        assert_eq!(out.len(), shells.len() * self.stride, "a row for every shell");
        Arch::new().dispatch(Means { layout: self, shells, out })
    }
}

/// `√((2 −) (l − m)! / (l + m)!)` times the leading coefficient of the `m`-th derivative of `P_l`.
fn prefactors(l: usize) -> [f64; L_MAX + 1] {
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let mut scale = [0.0; L_MAX + 1];
    for m in 0..=l {
        let both_signs = if m == 0 { 1.0 } else { 2.0 };
        let norm = (both_signs * factorial(l - m) / factorial(l + m)).sqrt();
        let power = (1_u64 << l) as f64;
        scale[m] = norm * factorial(2 * l) / (power * factorial(l) * factorial(l - m));
    }
    scale
}

/// Coefficients of the polynomials in `z²` of one `l`, known when the code is compiled.
struct Legendre<const L: usize>;

impl<const L: usize> Legendre<L> {
    /// By `m`, from the highest power down, which has 1.
    const MONIC: [[f64; L_MAX / 2 + 1]; L_MAX + 1] = {
        let mut rows = [[0.0; L_MAX / 2 + 1]; L_MAX + 1];
        let mut m = 0;
        while m <= L {
            let degree = L - m;
            let mut coefficient = 1.0;
            let mut k = 0;
            while k <= degree / 2 {
                if k > 0 {
                    let above = ((degree - 2 * k + 2) * (degree - 2 * k + 1)) as f64;
                    coefficient *= -above / (2 * k * (2 * L - 2 * k + 1)) as f64;
                }
                rows[m][k] = coefficient;
                k += 1;
            }
            m += 1;
        }
        rows
    };
}

struct Means<'a> {
    layout: &'a Layout,
    shells: &'a mut Shells,
    out: &'a mut [f64],
}

impl WithSimd for Means<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Means { layout, shells, out } = self;
        let all_have_lengths = normalize(simd, shells);
        for of in &layout.degrees {
            let rows = Rows { shells, of, stride: layout.stride };
            match of.l {
                2 => rows.fill::<S, 2>(simd, out),
                3 => rows.fill::<S, 3>(simd, out),
                4 => rows.fill::<S, 4>(simd, out),
                5 => rows.fill::<S, 5>(simd, out),
                6 => rows.fill::<S, 6>(simd, out),
                7 => rows.fill::<S, 7>(simd, out),
                8 => rows.fill::<S, 8>(simd, out),
                9 => rows.fill::<S, 9>(simd, out),
                10 => rows.fill::<S, 10>(simd, out),
                11 => rows.fill::<S, 11>(simd, out),
                12 => rows.fill::<S, 12>(simd, out),
                l => unreachable!("l = {l} was refused"),
            }
        }
        all_have_lengths
    }
}

/// Makes all vectors unit vectors; false if one has no length.
#[inline(always)]
fn normalize<S: Simd>(simd: S, shells: &mut Shells) -> bool {
    let one = simd.splat_f64s(1.0);
    let mut shortest = one;
    let (x, _) = S::as_mut_simd_f64s(&mut shells.x);
    let (y, _) = S::as_mut_simd_f64s(&mut shells.y);
    let (z, _) = S::as_mut_simd_f64s(&mut shells.z);
    for ((x, y), z) in x.iter_mut().zip(y).zip(z) {
        let squared = simd.mul_f64s(*x, *x);
        let squared = simd.mul_add_e_f64s(*y, *y, squared);
        let squared = simd.mul_add_e_f64s(*z, *z, squared);
        shortest = simd.min_f64s(shortest, squared);
        let inverse = simd.div_f64s(one, simd.sqrt_f64s(squared));
        *x = simd.mul_f64s(*x, inverse);
        *y = simd.mul_f64s(*y, inverse);
        *z = simd.mul_f64s(*z, inverse);
    }
    simd.reduce_min_f64s(shortest) > 0.0
}

/// The rows of one `l`.
struct Rows<'a> {
    shells: &'a Shells,
    of: &'a Degree,
    stride: usize,
}

impl Rows<'_> {
    #[inline(always)]
    fn fill<S: Simd, const L: usize>(&self, simd: S, out: &mut [f64]) {
        let zero = simd.splat_f64s(0.0);
        let (x, _) = S::as_simd_f64s(&self.shells.x);
        let (y, _) = S::as_simd_f64s(&self.shells.y);
        let (z, _) = S::as_simd_f64s(&self.shells.z);
        let (weight, _) = S::as_simd_f64s(&self.shells.weight);
        for (shell, row) in out.chunks_exact_mut(self.stride).enumerate() {
            let range = self.shells.range(shell);
            let range = range.start / S::F64_LANES..range.end / S::F64_LANES;
            let mut even = [zero; L_MAX + 1];
            let mut odd = [zero; L_MAX + 1];
            let bonds = x[range.clone()].iter().zip(&y[range.clone()]);
            let bonds = bonds.zip(&z[range.clone()]).zip(&weight[range]);
            for (((x, y), z), weight) in bonds {
                let square = simd.mul_f64s(*z, *z);
                // weight · (x + iy)ᵐ
                let (mut c, mut s) = (*weight, zero);
                for m in 0..=L {
                    if m == 1 {
                        (c, s) = (simd.mul_f64s(*weight, *x), simd.mul_f64s(*weight, *y));
                    } else if m > 1 {
                        let next = simd.negate_mul_add_e_f64s(s, *y, simd.mul_f64s(c, *x));
                        s = simd.mul_add_e_f64s(s, *x, simd.mul_f64s(c, *y));
                        c = next;
                    }
                    let monic = &Legendre::<L>::MONIC[m];
                    let half = (L - m) / 2;
                    let mut value = square;
                    if half > 0 {
                        value = simd.add_f64s(square, simd.splat_f64s(monic[1]));
                        for k in 2..=half {
                            let next = simd.splat_f64s(monic[k]);
                            value = simd.mul_add_e_f64s(value, square, next);
                        }
                    }
                    let value = match (half, (L - m) % 2) {
                        (0, 0) => None,
                        (0, _) => Some(*z),
                        (_, 0) => Some(value),
                        _ => Some(simd.mul_f64s(value, *z)),
                    };
                    let add = |sum, term| match value {
                        Some(value) => simd.mul_add_e_f64s(value, term, sum),
                        None => simd.add_f64s(sum, term),
                    };
                    even[m] = add(even[m], c);
                    if m > 0 {
                        odd[m] = add(odd[m], s);
                    }
                }
            }
            let total = self.shells.total(shell);
            let inverse = if total > 0.0 { 1.0 / total } else { 0.0 };
            let row = &mut row[self.of.first..=self.of.first + 2 * L];
            row[0] = simd.reduce_sum_f64s(even[0]) * (self.of.scale[0] * inverse);
            for m in 1..=L {
                let scale = self.of.scale[m] * inverse;
                row[2 * m - 1] = simd.reduce_sum_f64s(even[m]) * scale;
                row[2 * m] = simd.reduce_sum_f64s(odd[m]) * scale;
            }
        }
    }
}
