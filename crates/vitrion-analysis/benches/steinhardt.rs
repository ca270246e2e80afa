//! Time per frame of averaged bond-order parameters, one thread; the peers are timed by
//! `scripts/benchmarks/steinhardt.py` on atoms of the same kind.
//! `cargo bench -p vitrion-analysis --bench steinhardt`

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use vitrion_analysis::pairs::Neighbors;
use vitrion_analysis::pass::Accumulator;
use vitrion_analysis::structure::{Neighborhood, Steinhardt, SteinhardtSettings};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// 10,000 atoms at the density of a Li3PS4 glass, on sites of a lattice with thermal noise.
fn glass() -> Frame {
    let (atoms, side) = (10_000, 22_usize);
    let edge = (f64::from(atoms) / 0.05).cbrt();
    let step = edge / side as f64;
    let mut random = rng::at(1, Stream::Testing, 0, 0);
    let mut sites: Vec<(f64, usize)> = (0..side.pow(3)).map(|k| (random.uniform(), k)).collect();
    sites.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positions: Vec<[f64; 3]> = sites[..atoms as usize]
        .iter()
        .map(|(_, site)| {
            [site % side, site / side % side, site / side / side]
                .map(|k| (k as f64 + 0.5) * step + 0.3 * random.normal())
        })
        .collect();
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    Structure::new(cell, &vec!["S"; positions.len()], positions).expect("an element").into()
}

fn benchmarks(criterion: &mut Criterion) {
    let frame = glass();
    let table = frame.structure.table.clone();
    let mut group = criterion.benchmark_group("10,000 atoms");
    group.sample_size(20);
    for cutoff in [3.6, 4.1, 6.0] {
        group.bench_function(format!("neighbours within {cutoff} Å"), |bencher| {
            let mut neighbors = Neighbors::default();
            let structure = &frame.structure;
            bencher
                .iter(|| neighbors.find(&structure.cell, black_box(&structure.positions), cutoff));
        });
    }
    for (name, l, neighborhood) in [
        ("averaged q6 within 3.6 Å", vec![6], Neighborhood::Cutoff(3.6)),
        ("averaged q6 within 4.1 Å", vec![6], Neighborhood::Cutoff(4.1)),
        ("averaged q6 of the 12 nearest", vec![6], Neighborhood::Nearest(12)),
        ("averaged q4 and q6 within 4.1 Å", vec![4, 6], Neighborhood::Cutoff(4.1)),
        ("averaged q2 to q12 within 4.1 Å", (2..=12).collect(), Neighborhood::Cutoff(4.1)),
    ] {
        group.bench_function(name, |bencher| {
            let settings = SteinhardtSettings { l: l.clone(), neighborhood, ..Default::default() };
            let analysis = Steinhardt::new(&table, settings).expect("good settings");
            let mut analysis = Accumulator::new(table.clone(), analysis);
            bencher.iter(|| analysis.add(black_box(&frame)).expect("a good frame"));
        });
    }
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
