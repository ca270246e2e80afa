//! Counting pairs into bins of distance: the hot loop of g(r).

use crate::pairs::{Columns, LANES, Run};
use crate::pass::Scene;
use pulp::{Arch, Simd, WithSimd};

/// Adding and subtracting it rounds to an integer; its last bits, with an integer added, are that
/// integer.
const ROUND: f64 = (1_u64 << 52) as f64;
/// Added to squared distances: nothing for atoms of a run, infinity for those behind it.
const TAIL: [f64; 2 * LANES] = {
    let mut tail = [0.0; 2 * LANES];
    let mut lane = LANES;
    while lane < 2 * LANES {
        tail[lane] = f64::INFINITY;
        lane += 1;
    }
    tail
};

/// Pairs `[i][j][bin]` of a frame with species `i` at one end and `j` at the other, each seen from one
/// end only; the mirrored half is in `[j][i]`.
pub(in crate::structure) fn pairs(scene: &Scene<'_>, r_max: f64, dr: f64, bins: usize) -> Vec<u32> {
    let columns = scene.columns;
    let kinds = scene.counts.len();
    // first bin of the row of each atom's species, for atoms at the far end
    let row: Vec<f64> = columns
        .atom
        .iter()
        .map(|atom| (scene.species[*atom as usize] * bins) as f64)
        .chain([0.0; LANES])
        .collect();
    // what is too far goes to bins behind the others, another for each lane
    let beyond = kinds * kinds * bins;
    let mut counts = vec![0; beyond + LANES];
    let arch = Arch::new();
    let mut runs = Vec::new();
    for column in 0..columns.count() {
        columns.runs(column, &mut runs);
        arch.dispatch(Count {
            columns,
            runs: &runs,
            species: scene.species,
            row: &row,
            stride: kinds * bins,
            squared: r_max * r_max,
            per_length: 1.0 / dr,
            last: (bins - 1) as f64,
            beyond: std::array::from_fn(|lane| (beyond + lane) as f64),
            counts: &mut counts,
        });
    }
    counts.truncate(beyond);
    counts
}

struct Count<'a> {
    columns: &'a Columns,
    runs: &'a [Run],
    species: &'a [usize],
    row: &'a [f64],
    stride: usize,
    squared: f64,
    per_length: f64,
    last: f64,
    beyond: [f64; LANES],
    counts: &'a mut [u32],
}

impl WithSimd for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Count { columns, runs, species, row, stride, .. } = self;
        let (x, y, z) = (&columns.x[..], &columns.y[..], &columns.z[..]);
        let squared = simd.splat_f64s(self.squared);
        let per_length = simd.splat_f64s(self.per_length);
        let last = simd.splat_f64s(self.last);
        let beyond = load::<S>(&self.beyond, 0);
        let round = simd.splat_f64s(ROUND);
        let one = simd.splat_f64s(1.0);
        let mut places = [0_u64; LANES];
        for run in runs {
            let cx = simd.splat_f64s(x[run.center]);
            let cy = simd.splat_f64s(y[run.center]);
            let cz = simd.splat_f64s(z[run.center]);
            let center = species[columns.atom[run.center] as usize] * stride;
            let block = simd.splat_f64s(center as f64);
            let mut first = run.first;
            while first < run.end {
                let tail = S::F64_LANES - S::F64_LANES.min(run.end - first);
                let dx = simd.sub_f64s(load::<S>(x, first), cx);
                let dy = simd.sub_f64s(load::<S>(y, first), cy);
                let dz = simd.sub_f64s(load::<S>(z, first), cz);
                let r2 = load::<S>(&TAIL[LANES - S::F64_LANES..], tail);
                let r2 = simd.mul_add_f64s(dx, dx, r2);
                let r2 = simd.mul_add_f64s(dy, dy, r2);
                let r2 = simd.mul_add_f64s(dz, dz, r2);
                let at = simd.mul_f64s(simd.sqrt_f64s(r2), per_length);
                let nearest = simd.sub_f64s(simd.add_f64s(at, round), round);
                let above = simd.greater_than_f64s(nearest, at);
                let bin = simd.select_f64s(above, simd.sub_f64s(nearest, one), nearest);
                let bin = simd.min_f64s(bin, last);
                let place = simd.add_f64s(simd.add_f64s(block, load::<S>(row, first)), bin);
                let near = simd.less_than_f64s(r2, squared);
                let place = simd.select_f64s(near, place, beyond);
                let bits = simd.transmute_u64s_f64s(simd.add_f64s(place, round));
                let places = &mut places[..S::F64_LANES];
                S::as_mut_simd_u64s(places).0[0] = bits;
                for place in places {
                    self.counts[*place as u32 as usize] += 1;
                }
                first += S::F64_LANES;
            }
        }
    }
}

/// A register of consecutive numbers.
#[inline(always)]
fn load<S: Simd>(list: &[f64], at: usize) -> S::f64s {
    S::as_simd_f64s(&list[at..][..S::F64_LANES]).0[0]
}
