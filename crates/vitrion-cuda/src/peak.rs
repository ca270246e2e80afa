//! What a device can do at best, measured: the ceilings that kernels are compared with.

use crate::arguments::arguments;
use crate::device::{Address, Buffer, Device, Kernel, Shape, Width};
use crate::error::Result;
use bytemuck::{Pod, Zeroable};
use std::time::Instant;
use vitrion_model::Precision;

/// Threads and rounds of the arithmetic, and numbers of the copy.
const THREADS: usize = 1 << 19;
const ROUNDS: i32 = 4096;
const LENGTH: usize = 1 << 28;
/// As in `peak.cuh`.
const CHAINS: f64 = 16.0;
const REPEATS: usize = 3;

arguments! {
    PeakArguments {
        out: Address,
        from: Address,
        length: u64,
        rounds: i32,
        reserved: i32,
    }
}

/// Ceilings of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceilings {
    /// Multiply-adds in registers, both operations counted [FLOP/s].
    pub flops: f64,
    /// Copy of memory, bytes read and written [B/s].
    pub bandwidth: f64,
}

/// Measures a device in the arithmetic of the nets; `effort` below 1 shortens it.
///
/// # Errors
/// A device that fails.
pub fn ceilings(device: &Device, precision: Precision, effort: f64) -> Result<Ceilings> {
    let (width, bytes) = match precision {
        Precision::Mixed => (Width::Single, 4),
        Precision::Double => (Width::Double, 8),
    };
    let part = |n: usize| ((n as f64 * effort) as usize).max(256);
    let (threads, length) = (part(THREADS), part(LENGTH) / bytes / 4 * 4);
    let rounds = (f64::from(ROUNDS) * effort).max(1.0) as i32;
    let memory: [Buffer<u8>; 2] =
        [device.zeros(length.max(threads) * bytes)?, device.zeros(length.max(threads) * bytes)?];
    let arguments = PeakArguments {
        out: memory[0].address(),
        from: memory[1].address(),
        length: length as u64,
        rounds,
        reserved: 0,
    };
    let best = |name: &'static str, shape: Shape| -> Result<f64> {
        let kernel: Kernel<PeakArguments> = device.kernel(width, name)?;
        let mut best = f64::INFINITY;
        for _ in 0..=REPEATS {
            device.synchronize()?;
            let begin = Instant::now();
            kernel.launch(shape, &arguments)?;
            device.synchronize()?;
            best = best.min(begin.elapsed().as_secs_f64());
        }
        Ok(best)
    };
    let arithmetic = best("peak_arithmetic", Shape::blocks(threads / 256, 256))?;
    let copy = best("peak_copy", Shape::threads(length.div_ceil(16), 256))?;
    Ok(Ceilings {
        flops: 2.0 * CHAINS * f64::from(rounds) * (threads / 256 * 256) as f64 / arithmetic,
        bandwidth: 2.0 * (length * bytes) as f64 / copy,
    })
}
