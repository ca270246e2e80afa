//! Arithmetic over f32 and f64, one number or one vector register at a time, and a tanh.
//!
//! Kernels are generic over `pulp::Simd`: AVX-512, AVX2 + FMA, NEON or plain numbers, picked at run
//! time. `pulp` compiles a `WithSimd` struct, and everything inlined into it, once per instruction
//! set; a closure would not do, because its call is a function compiled without those instructions.

use bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// f32 or f64.
pub trait Real:
    Copy
    + Debug
    + Default
    + Send
    + Sync
    + PartialOrd
    + Pod
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    /// A register of these numbers.
    type Vector<S: Simd>: Pod + Debug;

    /// Rounds to this precision.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// `self · a + b` in one rounding where the processor can.
    fn fma(self, a: Self, b: Self) -> Self;
    /// tanh with an absolute error of a few units in the last place of 1.
    fn tanh(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;

    /// All lanes the same.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a · b + c` lane by lane.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `a · b` lane by lane.
    fn vector_mul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a + b` lane by lane.
    fn vector_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// Sum of all lanes.
    fn sum<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
}

/// Numbers in a register.
#[inline(always)]
pub fn lanes<T: Real, S: Simd>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

/// Numbers as full registers; what does not fill one is left out.
#[inline(always)]
pub fn registers<T: Real, S: Simd>(data: &[T]) -> &[T::Vector<S>] {
    let full = data.len() / lanes::<T, S>() * lanes::<T, S>();
    bytemuck::cast_slice(&data[..full])
}

/// The register filled from `data[at..]`.
///
/// # Panics
/// If the slice ends before the register is full.
#[inline(always)]
pub fn load<T: Real, S: Simd>(data: &[T], at: usize) -> T::Vector<S> {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&data[at..at + lanes::<T, S>()]))
}

/// Writes a register to `data[at..]`.
///
/// # Panics
/// If the slice ends before the register is empty.
#[inline(always)]
pub fn store<T: Real, S: Simd>(data: &mut [T], at: usize, value: T::Vector<S>) {
    bytemuck::cast_slice_mut(&mut data[at..at + lanes::<T, S>()])
        .copy_from_slice(bytemuck::bytes_of(&value));
}

/// Numbers of type `T` in the registers of this machine.
pub fn machine_lanes<T: Real>(arch: Arch) -> usize {
    struct Lanes<T>(PhantomData<T>);
    impl<T: Real> WithSimd for Lanes<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            lanes::<T, S>()
        }
    }
    arch.dispatch(Lanes::<T>(PhantomData))
}

/// Taylor coefficients 1/k! of exp, highest power first; on |f| ≤ ln 2 / 2 the remainder of degree
/// 13 is 4e-18 and that of degree 7 is 5e-9.
const EXP: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `tanh x = sign(x) (1 − e)/(1 + e)` with `e = exp(−2|x|) = 2ⁿ exp(f)`, `|f| ≤ ln 2 / 2`.
macro_rules! tanh {
    ($x:expr, $float:ty, $bits:ty, $mantissa:expr, $magic:expr, $degree:expr, $limit:expr,
     $ln2_high:expr, $ln2_low:expr) => {{
        let x: $float = $x;
        // written so that NaN stays NaN; beyond the limit tanh is ±1 to all digits
        let size: $float = if x.abs() > $limit { $limit } else { x.abs() };
        let y: $float = -2.0 * size;
        // adding 1.5 · 2^mantissa leaves the rounded integer in the low bits
        let shifted: $float = y.mul_add(std::f64::consts::LOG2_E as $float, $magic);
        let n: $float = shifted - $magic;
        let f: $float = n.mul_add(-$ln2_low, n.mul_add(-$ln2_high, y));
        let mut p: $float = EXP[13 - $degree] as $float;
        let mut k = 14 - $degree;
        while k < 14 {
            p = p.mul_add(f, EXP[k] as $float);
            k += 1;
        }
        // n is in the low bits of `shifted`; moved into the exponent field it multiplies by 2ⁿ
        let e = <$float>::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << $mantissa));
        // the bits above forget a NaN
        let e: $float = y.mul_add(0.0, e);
        ((1.0 - e) / (1.0 + e)).copysign(x)
    }};
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    type Vector<S: Simd> = S::f64s;

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: f64) -> S::f64s {
        simd.splat_f64s(value)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(a, b, c)
    }
    #[inline(always)]
    fn vector_mul<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.mul_f64s(a, b)
    }
    #[inline(always)]
    fn vector_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.add_f64s(a, b)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f64s) -> f64 {
        simd.reduce_sum_f64s(a)
    }

    #[inline(always)]
    fn from_f64(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn fma(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn tanh(self) -> f64 {
        tanh!(
            self,
            f64,
            u64,
            52,
            6_755_399_441_055_744.0,
            13,
            20.0,
            0.693_147_180_369_123_8,
            1.908_214_929_270_587_7e-10
        )
    }
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    type Vector<S: Simd> = S::f32s;

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: f32) -> S::f32s {
        simd.splat_f32s(value)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(a, b, c)
    }
    #[inline(always)]
    fn vector_mul<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.mul_f32s(a, b)
    }
    #[inline(always)]
    fn vector_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.add_f32s(a, b)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f32s) -> f32 {
        simd.reduce_sum_f32s(a)
    }

    #[inline(always)]
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn tanh(self) -> f32 {
        tanh!(self, f32, u32, 23, 12_582_912.0, 7, 10.0, 355.0 / 512.0, -2.121_944_4e-4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_exact_to_a_few_units_in_the_last_place_of_one() {
        let (mut worst, mut worst_single) = (0.0_f64, 0.0_f64);
        for k in -400_000..=400_000 {
            let x = f64::from(k) * 6.1e-5;
            worst = worst.max((Real::tanh(x) - f64::tanh(x)).abs());
            let single = Real::tanh(x as f32);
            let exact = f64::tanh(f64::from(x as f32));
            worst_single = worst_single.max((f64::from(single) - exact).abs());
        }
        assert!(worst < 4.0 * f64::EPSILON, "{worst:e}");
        assert!(worst_single < 4.0 * f64::from(f32::EPSILON), "{worst_single:e}");
    }

    #[test]
    fn tanh_of_special_values() {
        assert!(Real::tanh(f64::NAN).is_nan() && Real::tanh(f32::NAN).is_nan());
        assert!((Real::tanh(f64::INFINITY) - 1.0).abs() < 1e-15);
        assert!((Real::tanh(f32::NEG_INFINITY) + 1.0).abs() < 1e-6);
        assert!(Real::tanh(0.0_f64).abs() < f64::EPSILON);
    }
}
