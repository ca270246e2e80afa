//! Time per frame of Voronoi tessellations; the peers are timed by
//! `scripts/benchmarks/tessellation.py` on atoms of the same kind.
//! `cargo bench -p vitrion-analysis --bench tessellation`

use criterion::{Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use std::hint::black_box;
use vitrion_analysis::tessellation::Tessellation;
use vitrion_core::Cell;
use vitrion_core::math::Vector3;
use vitrion_core::rng::{self, Stream};

/// 10,000 atoms at the density of a Li3PS4 glass, on sites of a lattice with thermal noise.
fn glass() -> (Cell, Vec<Vector3>) {
    let (atoms, side) = (10_000, 22_usize);
    let edge = (f64::from(atoms) / 0.05).cbrt();
    let step = edge / side as f64;
    let mut random = rng::at(1, Stream::Testing, 0, 0);
    let mut sites: Vec<(f64, usize)> = (0..side.pow(3)).map(|k| (random.uniform(), k)).collect();
    sites.sort_by(|a, b| a.0.total_cmp(&b.0));
    let noisy = |(_, site): &(f64, usize)| {
        [site % side, site / side % side, site / side / side]
            .map(|k| (k as f64 + 0.5) * step + 0.3 * random.normal())
    };
    let positions = sites[..atoms as usize].iter().map(noisy).collect();
    (Cell::orthorhombic([edge; 3]).expect("a box"), positions)
}

/// The same number of atoms anywhere, in a triclinic cell of the same volume.
fn gas() -> (Cell, Vec<Vector3>) {
    let cell = Cell::from_lengths_angles([50.0, 60.0, 80.0], [75.0, 80.0, 95.0]).expect("closes");
    let factor = (200_000.0 / cell.volume()).cbrt();
    let cell = Cell::periodic(cell.matrix().map(|v| v.map(|x| factor * x))).expect("a cell");
    let mut random = rng::at(2, Stream::Testing, 0, 0);
    let anywhere = |_| cell.to_cartesian(std::array::from_fn(|_| random.uniform()));
    let positions = (0..10_000).map(anywhere).collect();
    (cell, positions)
}

fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tessellation of 10,000 atoms");
    group.sample_size(20);
    for (name, (cell, positions)) in [("glass", glass()), ("gas, triclinic", gas())] {
        let radii: Vec<f64> = (0..positions.len()).map(|k| [0.76, 1.84][k % 2]).collect();
        for (variant, radii) in [("", None), (", with radii", Some(&radii[..]))] {
            group.bench_function(format!("{name}{variant}"), |bencher| {
                let mut tessellation = Tessellation::default();
                bencher.iter(|| {
                    tessellation.make(0, &cell, black_box(&positions), radii).expect("a frame");
                });
            });
        }
        group.bench_function(format!("{name}, 8 frames on all threads"), |bencher| {
            let mut all = vec![Tessellation::default(); 8];
            bencher.iter(|| {
                all.par_iter_mut().with_max_len(1).for_each(|tessellation| {
                    tessellation.make(0, &cell, black_box(&positions), None).expect("a frame");
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
