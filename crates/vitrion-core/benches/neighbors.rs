//! Neighbour lists: a search from nothing, and the work of a step between searches.
//!
//! `cargo bench -p vitrion-core`; rates are atoms per second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Cell, Vector3};

/// A disturbed cubic lattice of n³ atoms at 0.05 atoms/Å³.
fn atoms(n: usize) -> (Cell, Vec<Vector3>) {
    let spacing = 2.72;
    let cell = Cell::orthorhombic([spacing * n as f64; 3]).expect("a box");
    let positions = (0..n * n * n)
        .map(|k| {
            let wave = |phase: f64| 0.3 * (1.7 * k as f64 + phase).sin();
            let site = [k / (n * n), k / n % n, k % n].map(|x| spacing * x as f64);
            [site[0] + wave(0.0), site[1] + wave(2.0), site[2] + wave(4.0)]
        })
        .collect();
    (cell, positions)
}

fn lists(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut group = criterion.benchmark_group(format!("6.5 + 1 Å, {threads} thread(s)"));
        for n in [16, 32] {
            let (cell, positions) = atoms(n);
            group.throughput(Throughput::Elements(positions.len() as u64));
            let mut list = VerletList::new(6.5, 1.0);
            list.update(&cell, &positions);
            let reference = list.reference().expect("built").clone();
            group.bench_function(BenchmarkId::new("search", positions.len()), |bencher| {
                pool.install(|| bencher.iter(|| list.restore(&reference)));
            });
            group.bench_function(BenchmarkId::new("step", positions.len()), |bencher| {
                pool.install(|| bencher.iter(|| list.update(&cell, &positions).pairs()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, lists);
criterion_main!(benches);
