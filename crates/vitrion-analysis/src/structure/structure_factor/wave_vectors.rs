//! The exact route: sums over wave vectors that fit the cell.
//!
//! Wave vectors are whole combinations of reciprocal lattice vectors, chosen once from the first cell and
//! kept by their indices, so that they fit every later cell as well. Of a pair k and −k one is enough. Each
//! shell of Q keeps at most so many, chosen by a hash of the indices: evenly over directions,
//! the same on every machine.
//!
//! `exp(i k·r)` is the product of powers of three phases; the powers of a block of atoms are made
//! by multiplication and stay in the cache while all wave vectors pass over them.

use pulp::{Arch, WithSimd};
use std::collections::BinaryHeap;
use std::f64::consts::PI;
use vitrion_core::Cell;
use vitrion_core::math::{self, Vector3};

/// Atoms at a time.
const BLOCK: usize = 128;

/// Reciprocal lattice vectors, as rows [1/Å], with the factor 2π.
pub(super) fn reciprocal(cell: &Cell) -> [Vector3; 3] {
    let [a, b, c] = *cell.matrix();
    let scale = 2.0 * PI / math::dot(a, math::cross(b, c));
    [math::cross(b, c), math::cross(c, a), math::cross(a, b)].map(|g| math::scale(g, scale))
}

fn length(g: &[Vector3; 3], [h, k, l]: [i32; 3]) -> f64 {
    let mut wave = [0.0; 3];
    for (g, n) in g.iter().zip([h, k, l]) {
        wave = math::add(wave, math::scale(*g, f64::from(n)));
    }
    math::norm(wave)
}

/// Mixes the bits of indices (the finaliser of splitmix64).
fn hash(indices: [i32; 3]) -> u64 {
    let mut x = 0_u64;
    for n in indices {
        x = (x << 21) ^ u64::from(n.unsigned_abs()) ^ (u64::from(n < 0) << 20);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}

/// Indices of wave vectors shorter than `q_max`, at most `cap` for each shell of width `dq`.
pub(super) fn choose(cell: &Cell, q_max: f64, dq: f64, cap: usize) -> Vec<[i32; 3]> {
    let g = reciprocal(cell);
    // |n_i| = |k·a_i|/2π
    let most = cell.matrix().map(|a| (q_max * math::norm(a) / (2.0 * PI)).floor() as i32);
    let shells = (q_max / dq).round() as usize;
    let mut kept: Vec<BinaryHeap<(u64, [i32; 3])>> = vec![BinaryHeap::new(); shells];
    for h in 0..=most[0] {
        for k in -most[1]..=most[1] {
            for l in -most[2]..=most[2] {
                // the half whose first index that is not zero is positive
                if h == 0 && (k < 0 || (k == 0 && l <= 0)) {
                    continue;
                }
                let q = length(&g, [h, k, l]);
                if q >= q_max {
                    continue;
                }
                let shell = &mut kept[((q / dq) as usize).min(shells - 1)];
                let one = (hash([h, k, l]), [h, k, l]);
                if shell.len() < cap {
                    shell.push(one);
                } else if shell.peek().is_some_and(|largest| one < *largest) {
                    shell.pop();
                    shell.push(one);
                }
            }
        }
    }
    let chosen = kept.into_iter().flat_map(BinaryHeap::into_sorted_vec);
    let mut indices: Vec<[i32; 3]> = chosen.map(|(_, indices)| indices).collect();
    indices.sort_unstable();
    indices
}

/// Sums of `exp(i k·r)` over the atoms of each species, `[species][wave vector]`, and `|k|`.
#[derive(Debug, Default)]
pub(super) struct Amplitudes {
    pub(super) q: Vec<f64>,
    pub(super) re: Vec<f64>,
    pub(super) im: Vec<f64>,
}

impl Amplitudes {
    pub(super) fn of(
        cell: &Cell,
        positions: &[Vector3],
        species: &[usize],
        kinds: usize,
        indices: &[[i32; 3]],
    ) -> Self {
        let g = reciprocal(cell);
        let count = indices.len();
        let q = indices.iter().map(|n| length(&g, *n)).collect();
        let mut found =
            Amplitudes { q, re: vec![0.0; kinds * count], im: vec![0.0; kinds * count] };
        let most: [usize; 3] = std::array::from_fn(|axis| {
            indices.iter().map(|n| n[axis].unsigned_abs() as usize).max().unwrap_or(0)
        });
        let mut powers = most.map(Powers::new);
        let mut phases = Vec::with_capacity(BLOCK);
        for kind in 0..kinds {
            let mut atoms = (0..species.len()).filter(|atom| species[*atom] == kind).peekable();
            while atoms.peek().is_some() {
                phases.clear();
                phases.extend(
                    atoms.by_ref().take(BLOCK).map(|atom| cell.to_fractional(positions[atom])),
                );
                for (axis, powers) in powers.iter_mut().enumerate() {
                    powers.fill(phases.iter().map(|s: &Vector3| 2.0 * PI * s[axis]));
                }
                let sums = kind * count..(kind + 1) * count;
                Arch::new().dispatch(Sum {
                    indices,
                    powers: &powers,
                    re: &mut found.re[sums.clone()],
                    im: &mut found.im[sums],
                });
            }
        }
        found
    }
}

/// `exp(i n φ)` of a block of atoms, for `n` from 0; atoms that are missing have zero.
struct Powers {
    most: usize,
    re: Vec<[f64; BLOCK]>,
    im: Vec<[f64; BLOCK]>,
}

impl Powers {
    fn new(most: usize) -> Self {
        Powers { most, re: vec![[0.0; BLOCK]; most + 1], im: vec![[0.0; BLOCK]; most + 1] }
    }

    fn fill(&mut self, phases: impl Iterator<Item = f64>) {
        let (mut one_re, mut one_im) = ([0.0; BLOCK], [0.0; BLOCK]);
        self.re[0] = [0.0; BLOCK];
        self.im[0] = [0.0; BLOCK];
        for (atom, phase) in phases.enumerate() {
            (one_im[atom], one_re[atom]) = phase.sin_cos();
            self.re[0][atom] = 1.0;
        }
        for n in 1..=self.most {
            let (re, im) = (self.re[n - 1], self.im[n - 1]);
            for atom in 0..BLOCK {
                self.re[n][atom] = re[atom] * one_re[atom] - im[atom] * one_im[atom];
                self.im[n][atom] = re[atom] * one_im[atom] + im[atom] * one_re[atom];
            }
        }
    }
}

/// Adds the amplitudes of one block of atoms at all wave vectors.
struct Sum<'a> {
    indices: &'a [[i32; 3]],
    powers: &'a [Powers; 3],
    re: &'a mut [f64],
    im: &'a mut [f64],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let [a, b, c] = self.powers;
        let (mut plane_re, mut plane_im) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut plane = None;
        for ((n, re), im) in self.indices.iter().zip(self.re).zip(self.im) {
            let [h, k, l] = n.map(|n| n.unsigned_abs() as usize);
            let sign = |n: i32| if n < 0 { -1.0 } else { 1.0 };
            // wave vectors come in order: the product of the first two phases is often still right
            if plane != Some([n[0], n[1]]) {
                plane = Some([n[0], n[1]]);
                let s = sign(n[1]);
                for atom in 0..BLOCK {
                    let (br, bi) = (b.re[k][atom], s * b.im[k][atom]);
                    plane_re[atom] = a.re[h][atom] * br - a.im[h][atom] * bi;
                    plane_im[atom] = a.re[h][atom] * bi + a.im[h][atom] * br;
                }
            }
            let s = sign(n[2]);
            let (cr, ci) = (&c.re[l], &c.im[l]);
            let (mut sum_re, mut sum_im) = ([0.0; 8], [0.0; 8]);
            for from in (0..BLOCK).step_by(8) {
                for lane in 0..8 {
                    let atom = from + lane;
                    let (pr, pi) = (plane_re[atom], plane_im[atom]);
                    sum_re[lane] += pr * cr[atom] - s * (pi * ci[atom]);
                    sum_im[lane] += pi * cr[atom] + s * (pr * ci[atom]);
                }
            }
            *re += sum_re.iter().sum::<f64>();
            *im += sum_im.iter().sum::<f64>();
        }
    }
}
