//! What the machine can do: the fused multiply-add peak, measured.

use pulp::{Arch, Simd, WithSimd};
use serde::Serialize;
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::Instant;
use vitrion_model::Precision;
use vitrion_model::deep_potential::real::{Real, lanes};

/// Independent chains: more than latency × units of any processor so far.
const CHAINS: usize = 24;
/// Multiply-adds of each chain in one timed piece.
const LENGTH: u64 = 500_000;
/// Timed pieces; the fastest counts.
const PIECES: usize = 12;

/// Multiplications and additions per second of registers alone.
#[derive(Debug, Clone, Serialize)]
pub struct Peak {
    /// "mixed": f32, "double": f64.
    pub precision: &'static str,
    pub threads: usize,
    /// 10⁹ operations per second, all threads together.
    pub gflops: f64,
}

/// Measures the peak of this many threads at the same time.
pub fn measure(precision: Precision, threads: usize) -> Peak {
    let gflops = std::thread::scope(|scope| {
        let one = || match precision {
            Precision::Mixed => best::<f32>(),
            Precision::Double => best::<f64>(),
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|t| t.join().expect("arithmetic does not panic")).sum()
    });
    Peak { precision: precision.name(), threads, gflops }
}

/// The fastest piece of one thread [GFLOP/s].
fn best<T: Real>() -> f64 {
    let arch = Arch::new();
    (0..PIECES)
        .map(|_| {
            let begin = Instant::now();
            let lanes = arch.dispatch(Chains::<T>(PhantomData));
            let operations = (2 * LENGTH * CHAINS as u64) as f64 * lanes as f64;
            operations * 1e-9 / begin.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// Independent chains of multiply-adds; a struct, because a closure would be compiled without the
/// widest instructions. Returns the numbers in a register.
struct Chains<T>(PhantomData<T>);

impl<T: Real> WithSimd for Chains<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let mut chains = [T::splat(simd, T::ONE); CHAINS];
        let x = T::splat(simd, black_box(T::from_f64(0.999_999)));
        let y = T::splat(simd, black_box(T::from_f64(1e-9)));
        for _ in 0..LENGTH {
            for chain in &mut chains {
                *chain = T::mul_add(simd, *chain, x, y);
            }
        }
        black_box(&chains);
        lanes::<T, S>()
    }
}

/// Memory of this process that is in use, where the system tells.
pub(super) fn resident_bytes() -> Option<usize> {
    status("VmRSS:")
}

/// Most memory that this process had in use so far, where the system tells.
pub(super) fn most_resident_bytes() -> Option<usize> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_found_for_both_precisions() {
        for precision in [Precision::Mixed, Precision::Double] {
            let peak = measure(precision, 1);
            // any processor of this century, and none of the next decade
            assert!(peak.gflops > 0.1 && peak.gflops < 5000.0, "{peak:?}");
        }
    }
}
