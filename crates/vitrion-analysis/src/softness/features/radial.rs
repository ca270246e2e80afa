//! Radial functions of all ions, pair by pair.
//!
//! A pair is seen once and counts for both of its ends. Its Gaussians are worked out in one go: those within six widths of the distance lie side by side, their
//! exponentials are evaluated together, and the sum goes to consecutive numbers. Rows have margins, so that no Gaussian needs to ask where the row ends.

use super::{FeatureSettings, Shape};
use crate::pairs::{Columns, LANES, Run};
use pulp::{Arch, Simd, WithSimd};
use vitrion_core::Structure;

/// Gaussians are left out beyond so many widths.
pub(super) const REACH: f64 = 6.0;
/// Marks atoms and elements that do not count.
const NONE: u32 = u32::MAX;

/// Adds the radial functions to rows of `settings.len()` numbers.
pub(super) fn fill(
    settings: &FeatureSettings,
    structure: &Structure,
    ions: &[usize],
    columns: &Columns,
    all: &mut [f64],
) {
    let bins = settings.bins();
    let place = |symbol: &String| settings.elements.iter().position(|known| known == symbol);
    let of_species: Vec<u32> = structure
        .table
        .symbols()
        .iter()
        .map(|symbol| place(symbol).map_or(NONE, |element| element as u32))
        .collect();
    let element: Vec<u32> =
        structure.species.iter().map(|species| of_species[species.index()]).collect();
    let mut ion = vec![NONE; structure.len()];
    for (number, atom) in ions.iter().enumerate() {
        ion[*atom] = number as u32;
    }
    let (half, window) = match settings.shape {
        Shape::Gaussian { sigma } => {
            let half = (REACH * sigma / settings.dr).ceil() as usize + 1;
            (half, (2 * half + 1).next_multiple_of(LANES))
        }
        Shape::Shell => (0, 1),
    };
    let stride = bins + half + window;
    let elements = settings.elements.len();
    let numbers = ions.len() * elements * stride;
    assert!(numbers < NONE as usize, "fewer than 2^32 numbers");
    let mut rows = vec![0.0; numbers];
    let arch = Arch::new();
    let mut runs = Vec::new();
    let mut near = Near::default();
    for column in 0..columns.count() {
        columns.runs(column, &mut runs);
        near.clear();
        let reach = settings.reach();
        let collect = Collect {
            columns,
            runs: &runs,
            ion: &ion,
            element: &element,
            squared: reach * reach,
            stride,
            elements,
            near: &mut near,
        };
        arch.dispatch(collect);
        match settings.shape {
            Shape::Gaussian { sigma } => arch.dispatch(Gaussians {
                near: &near,
                dr: settings.dr,
                sigma,
                half,
                window,
                last: bins + half,
                rows: &mut rows,
            }),
            Shape::Shell => {
                for (at, distance) in near.at.iter().zip(&near.distance) {
                    let bin = (distance / settings.dr) as usize;
                    if bin < bins {
                        for row in at.iter().filter(|row| **row != NONE) {
                            rows[*row as usize + bin] += 1.0;
                        }
                    }
                }
            }
        }
    }
    let width = settings.len();
    for (number, row) in all.chunks_exact_mut(width).enumerate() {
        for element in 0..elements {
            let from = (number * elements + element) * stride + half;
            row[element * bins..(element + 1) * bins].copy_from_slice(&rows[from..from + bins]);
        }
    }
}

/// Pairs that are close enough, with the rows that they go to.
#[derive(Default)]
struct Near {
    distance: Vec<f64>,
    /// Starts of the rows of either end.
    at: Vec<[u32; 2]>,
}

impl Near {
    fn clear(&mut self) {
        self.distance.clear();
        self.at.clear();
    }
}

struct Collect<'a> {
    columns: &'a Columns,
    runs: &'a [Run],
    ion: &'a [u32],
    element: &'a [u32],
    squared: f64,
    stride: usize,
    elements: usize,
    near: &'a mut Near,
}

impl WithSimd for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Collect { columns, runs, ion, element, squared, stride, elements, near } = self;
        let (x, y, z) = (&columns.x[..], &columns.y[..], &columns.z[..]);
        let row = |ion: u32, element: u32| {
            if ion == NONE || element == NONE {
                NONE
            } else {
                ((ion as usize * elements + element as usize) * stride) as u32
            }
        };
        for run in runs {
            let center = [x[run.center], y[run.center], z[run.center]];
            let i = columns.atom[run.center] as usize;
            let mut kept = near.distance.len();
            let room = kept + (run.end - run.first).next_multiple_of(LANES);
            near.distance.resize(room, 0.0);
            near.at.resize(room, [NONE; 2]);
            let mut first = run.first;
            while first < run.end {
                let mut squares = [0.0; LANES];
                let (xs, ys, zs) =
                    (&x[first..][..LANES], &y[first..][..LANES], &z[first..][..LANES]);
                for lane in 0..LANES {
                    let (dx, dy, dz) =
                        (xs[lane] - center[0], ys[lane] - center[1], zs[lane] - center[2]);
                    squares[lane] = dx * dx + dy * dy + dz * dz;
                }
                for lane in 0..LANES.min(run.end - first) {
                    let j = columns.atom[first + lane] as usize;
                    let ends = [row(ion[i], element[j]), row(ion[j], element[i])];
                    near.distance[kept] = squares[lane];
                    near.at[kept] = ends;
                    let counts = squares[lane] < squared && (ends[0] & ends[1]) != NONE;
                    kept += usize::from(counts);
                }
                first += LANES;
            }
            near.distance.truncate(kept);
            near.at.truncate(kept);
        }
        for distance in &mut near.distance {
            *distance = distance.sqrt();
        }
    }
}

struct Gaussians<'a> {
    near: &'a Near,
    dr: f64,
    sigma: f64,
    half: usize,
    window: usize,
    /// Bins beyond which no Gaussian is wanted, margin included.
    last: usize,
    rows: &'a mut [f64],
}

impl WithSimd for Gaussians<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Gaussians { near, dr, sigma, half, window, last, rows } = self;
        // in units of √2 σ, so that a Gaussian is exp(−u²)
        let per = 1.0 / (std::f64::consts::SQRT_2 * sigma);
        let step = dr * per;
        let per_bin = 1.0 / dr;
        for (distance, ends) in near.distance.iter().zip(&near.at) {
            // bin of the distance; the window begins `half` bins before, where the margin ends
            let bin = (distance * per_bin) as usize;
            if bin >= last {
                continue;
            }
            // u of the first Gaussian of the window
            let from = bin as f64 - half as f64;
            let u0 = (from + 0.5) * step - distance * per;
            let mut block = 0;
            while block < window {
                let mut g = [0.0; LANES];
                for lane in 0..LANES {
                    let u = u0 + (block + lane) as f64 * step;
                    g[lane] = exp(-u * u);
                }
                for end in ends {
                    if *end != NONE {
                        let row = &mut rows[*end as usize + bin + block..][..LANES];
                        for lane in 0..LANES {
                            row[lane] += g[lane];
                        }
                    }
                }
                block += LANES;
            }
        }
    }
}

/// `eˣ` for `x ≤ 0`, to the last digit or two; zero below −700.
#[inline(always)]
fn exp(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let x = x.max(-700.0);
    let shifted = x.mul_add(std::f64::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.mul_add(-1.908_214_929_270_587_7e-10, n.mul_add(-0.693_147_180_369_123_8, x));
    // Taylor to r¹²: |r| ≤ ½ ln 2
    let mut p: f64 = 1.0 / 479_001_600.0;
    p = p.mul_add(r, 1.0 / 39_916_800.0);
    p = p.mul_add(r, 1.0 / 3_628_800.0);
    p = p.mul_add(r, 1.0 / 362_880.0);
    p = p.mul_add(r, 1.0 / 40_320.0);
    p = p.mul_add(r, 1.0 / 5_040.0);
    p = p.mul_add(r, 1.0 / 720.0);
    p = p.mul_add(r, 1.0 / 120.0);
    p = p.mul_add(r, 1.0 / 24.0);
    p = p.mul_add(r, 1.0 / 6.0);
    p = p.mul_add(r, 0.5);
    p = p.mul_add(r, 1.0);
    p = p.mul_add(r, 1.0);
    // the low bits of `shifted` are n; they move into the exponent
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0_f64.to_bits()));
    p * power
}

#[cfg(test)]
mod exponential {
    #[test]
    fn is_that_of_the_standard_library() {
        for k in 0..70_000 {
            let x = -f64::from(k) * 0.01;
            let (found, exact) = (super::exp(x), x.exp());
            assert!((found - exact).abs() <= 4e-16 * exact, "{x}: {found} {exact}");
        }
    }
}
