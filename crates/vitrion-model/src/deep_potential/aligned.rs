//! Numbers that start at a cache line, so that full-width loads never straddle two.

use super::real::Real;
use std::ops::{Deref, DerefMut};

const LINE: usize = 64;

/// A fixed-size buffer whose first number lies at a multiple of 64 bytes.
#[derive(Debug)]
pub struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let data = vec![T::ZERO; len + LINE / size_of::<T>()];
        let start = data.as_ptr().align_offset(LINE);
        Aligned { data, start, len }
    }

    /// These numbers.
    pub fn from_slice(values: &[T]) -> Self {
        let mut aligned = Self::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_at_a_cache_line() {
        for len in [0, 1, 7, 1000] {
            let a = Aligned::<f32>::zeros(len);
            assert_eq!((a.len(), a.as_ptr().addr() % LINE), (len, 0));
            let b = Aligned::<f64>::from_slice(&vec![2.5; len]);
            assert_eq!((b.as_ptr().addr() % LINE, b.iter().sum::<f64>()), (0, 2.5 * len as f64));
        }
    }
}
