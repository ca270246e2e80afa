//! Amplitudes of the two-dimensional Fourier transform of slabs.
//!
//! Atoms are spread over a few grid points with a narrow Gaussian that is a product along the two
//! lattice vectors; after the transform its own factor is divided out and the isotropic one of
//! width σ multiplied in (Greengard and Lee, SIAM Rev. 46, 443, 2004). This is exact in skewed cells, up
//! to aliasing below 1e-5 of an amplitude at any wave vector that counts.

use super::{Amorphization, Profile};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::cell::RefCell;
use std::f64::consts::PI;
use vitrion_core::Structure;
use vitrion_core::math::{self, Vector3};

/// Width of the spreading Gaussian [grid spacings] and how far it is carried.
const SPREAD: f64 = 1.2;
const REACH: usize = 7;
const POINTS: usize = 2 * REACH + 1;

thread_local! {
    /// Plans of sizes that were used before.
    static PLANNER: RefCell<FftPlanner<f64>> = RefCell::new(FftPlanner::new());
}

/// The plane of slabs: two lattice vectors, and wave vectors on their grid.
struct Plane {
    /// Lattice vectors in the plane.
    axes: [usize; 2],
    size: [usize; 2],
    /// Factor that turns a spread amplitude into a smeared one; zero for the first wave vector and
    /// from `π/spacing` on, so that the sum does not depend on the size of the grid.
    factors: Vec<f64>,
    /// Sum of `exp(−σ²k²/2)` over the same.
    total: f64,
    /// The third lattice vector projected onto the plane, as fractions of the two within it.
    tilt: [f64; 2],
    /// For every wave vector `exp(−i k·c)`, c being the third lattice vector: the next image.
    image: Vec<Complex<f64>>,
}

impl Plane {
    fn new(this: &Amorphization, structure: &Structure) -> Self {
        let axes = [(this.settings.axis + 1) % 3, (this.settings.axis + 2) % 3];
        let [u, v] = axes.map(|axis| structure.cell.matrix()[axis]);
        let size = [u, v].map(|edge| fast_size(math::norm(edge) / this.settings.spacing));
        // reciprocal vectors within the plane: g_u · u = 2π, g_u · v = 0
        let (uu, vv, uv) = (math::norm2(u), math::norm2(v), math::dot(u, v));
        let area2 = uu * vv - uv * uv;
        let combine =
            |a: f64, b: f64| math::add(math::scale(u, a / area2), math::scale(v, b / area2));
        let g: [Vector3; 2] = [combine(vv, -uv), combine(-uv, uu)];
        let across = structure.cell.matrix()[this.settings.axis];
        let tilt = g.map(|g| math::dot(g, across));
        let sigma2 = this.settings.sigma * this.settings.sigma;
        let mut factors = vec![0.0; size[0] * size[1]];
        let mut image = vec![Complex::new(1.0, 0.0); size[0] * size[1]];
        let mut total = 0.0;
        for i in 0..size[0] {
            for j in 0..size[1] {
                if i == 0 && j == 0 {
                    continue;
                }
                let (h, k) = (signed(i, size[0]), signed(j, size[1]));
                let wave =
                    math::add(math::scale(g[0], 2.0 * PI * h), math::scale(g[1], 2.0 * PI * k));
                if math::norm(wave) >= PI / this.settings.spacing {
                    continue;
                }
                let smear = (-0.5 * sigma2 * math::norm2(wave)).exp();
                total += smear;
                let own = |n: f64, size: usize| 2.0 * PI * n * SPREAD / size as f64;
                let spread = own(h, size[0]).powi(2) + own(k, size[1]).powi(2);
                factors[i * size[1] + j] = smear * (0.5 * spread).exp();
                image[i * size[1] + j] = Complex::cis(-math::dot(wave, across));
            }
        }
        Plane { axes, size, factors, total, tilt, image }
    }
}

/// The smallest product of 2, 3, 5 that is even and not below a number.
fn fast_size(least: f64) -> usize {
    let smooth = |mut n: usize| {
        for p in [2, 3, 5] {
            while n.is_multiple_of(p) {
                n /= p;
            }
        }
        n == 1
    };
    let mut n = (least.ceil() as usize).max(2 * POINTS);
    n += n % 2;
    while !smooth(n) {
        n += 2;
    }
    n
}

fn signed(index: usize, size: usize) -> f64 {
    if index > size / 2 { index as f64 - size as f64 } else { index as f64 }
}

/// F of every window of a frame; `counts` says which species do.
pub(super) fn profile(this: &Amorphization, structure: &Structure, counts: &[bool]) -> Profile {
    let plane = Plane::new(this, structure);
    let windows = this.windows();
    let overlap = this.settings.overlap;
    let points = plane.size[0] * plane.size[1];
    // one grid for every thin slab; windows are sums of `overlap` of them
    let mut grids = vec![Complex::new(0.0, 0.0); points * windows];
    let mut atoms = vec![0.0; windows];
    let cell = &structure.cell;
    for (r, species) in structure.positions.iter().zip(&structure.species) {
        if !counts[species.index()] {
            continue;
        }
        let s = cell.to_fractional(cell.wrap(*r).0);
        let height = s[this.settings.axis];
        let slab = ((height * windows as f64) as usize).min(windows - 1);
        atoms[slab] += 1.0;
        let grid = &mut grids[slab * points..][..points];
        // where the atom is when the slab is looked at along its normal
        let seen = |k: usize| (s[plane.axes[k]] + height * plane.tilt[k]).rem_euclid(1.0);
        spread(grid, &plane, [seen(0), seen(1)]);
    }
    transform(&mut grids, &plane, windows);
    let mut f = vec![0.0; windows];
    let mut random = vec![0.0; windows];
    for window in 0..windows {
        let mut sum = 0.0;
        for (k, factor) in plane.factors.iter().enumerate() {
            let mut amplitude = Complex::new(0.0, 0.0);
            for slab in window..window + overlap {
                let one = grids[slab % windows * points + k];
                amplitude += if slab < windows { one } else { one * plane.image[k] };
            }
            sum += factor * amplitude.norm();
        }
        f[window] = sum;
        let n: f64 = (window..window + overlap).map(|slab| atoms[slab % windows]).sum();
        random[window] = 0.5 * (PI * n).sqrt() * plane.total;
    }
    Profile { f, random, length: cell.perpendicular_widths()[this.settings.axis] }
}

/// Adds one atom to a grid; its sum over the grid is 1.
fn spread(grid: &mut [Complex<f64>], plane: &Plane, s: [f64; 2]) {
    let mut places = [[0_usize; POINTS]; 2];
    let mut weights = [[0.0; POINTS]; 2];
    for axis in 0..2 {
        let size = plane.size[axis];
        let x = s[axis] * size as f64;
        let nearest = x.round() as i64;
        for k in 0..POINTS {
            let at = nearest + k as i64 - REACH as i64;
            let distance = (x - at as f64) / SPREAD;
            weights[axis][k] = (-0.5 * distance * distance).exp() / (SPREAD * (2.0 * PI).sqrt());
            places[axis][k] = at.rem_euclid(size as i64) as usize;
        }
    }
    for (i, wi) in places[0].iter().zip(weights[0]) {
        let row = &mut grid[i * plane.size[1]..][..plane.size[1]];
        for (j, wj) in places[1].iter().zip(weights[1]) {
            row[*j].re += wi * wj;
        }
    }
}

/// Two-dimensional transforms of all grids: along rows, transposed, along the others; the order of
/// wave vectors is restored.
fn transform(grids: &mut [Complex<f64>], plane: &Plane, count: usize) {
    let [rows, columns] = plane.size;
    let (along, across) = PLANNER.with_borrow_mut(|planner| {
        (planner.plan_fft_forward(columns), planner.plan_fft_forward(rows))
    });
    let longest = along.get_inplace_scratch_len().max(across.get_inplace_scratch_len());
    let mut scratch = vec![Complex::new(0.0, 0.0); longest];
    let mut turned = vec![Complex::new(0.0, 0.0); rows * columns];
    for grid in grids.chunks_exact_mut(rows * columns).take(count) {
        along.process_with_scratch(grid, &mut scratch);
        for (i, row) in grid.chunks_exact(columns).enumerate() {
            for (j, value) in row.iter().enumerate() {
                turned[j * rows + i] = *value;
            }
        }
        across.process_with_scratch(&mut turned, &mut scratch);
        for (j, column) in turned.chunks_exact(rows).enumerate() {
            for (i, value) in column.iter().enumerate() {
                grid[i * columns + j] = *value;
            }
        }
    }
}
