//! Activations inside kernels: what is stored of a forward pass, and the derivatives that follow.

use crate::deep_potential::activation::Activation;
use crate::deep_potential::real::Real;

/// `tanh` keeps its value, from which all derivatives follow; others keep their argument.
pub(super) trait Curve: Copy {
    /// What is kept of argument `z`.
    fn keep<T: Real>(self, z: T) -> T;
    /// `(φ, φ′, φ″, φ‴)` from what was kept.
    fn derivatives<T: Real>(self, kept: T) -> [T; 4];
}

/// tanh, in vector registers.
#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Curve for Tanh {
    #[inline(always)]
    fn keep<T: Real>(self, z: T) -> T {
        z.tanh()
    }
    #[inline(always)]
    fn derivatives<T: Real>(self, kept: T) -> [T; 4] {
        let two = T::ONE + T::ONE;
        let slope = T::ONE - kept * kept;
        let bend = (T::ZERO - two) * kept * slope;
        let third = slope * (two * two * kept * kept - two * slope);
        [kept, slope, bend, third]
    }
}

/// x itself: the last layer of a fitting net.
#[derive(Clone, Copy)]
pub(super) struct Straight;

impl Curve for Straight {
    #[inline(always)]
    fn keep<T: Real>(self, z: T) -> T {
        z
    }
    #[inline(always)]
    fn derivatives<T: Real>(self, kept: T) -> [T; 4] {
        [kept, T::ONE, T::ZERO, T::ZERO]
    }
}

/// Any other activation, one number at a time in f64.
#[derive(Clone, Copy)]
pub(super) struct Other(pub Activation);

impl Curve for Other {
    #[inline(always)]
    fn keep<T: Real>(self, z: T) -> T {
        z
    }
    #[inline(always)]
    fn derivatives<T: Real>(self, kept: T) -> [T; 4] {
        let z = kept.to_f64();
        let (value, slope, bend) = self.0.derivatives(z);
        [value, slope, bend, self.0.third_derivative(z)].map(T::from_f64)
    }
}

/// Runs `$body` with `$curve` bound to the kernel of `$activation`.
macro_rules! with_curve {
    ($activation:expr, $curve:ident, $body:expr) => {
        match $activation {
            Activation::Tanh => {
                let $curve = Tanh;
                $body
            }
            Activation::Linear => {
                let $curve = Straight;
                $body
            }
            other => {
                let $curve = Other(other);
                $body
            }
        }
    };
}
pub(super) use with_curve;
