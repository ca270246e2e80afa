//! Time per frame of the structural analyses, one thread: `cargo bench -p vitrion-analysis --bench structure`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use vitrion_analysis::pairs::Neighbors;
use vitrion_analysis::pass::Accumulator;
use vitrion_analysis::structure::{RadialDistribution, RadialDistributionSettings};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// Atoms at the density of a Li3PS4 glass, on a lattice with thermal noise.
fn glass(atoms: usize) -> Frame {
    let edge = (atoms as f64 / 0.05).cbrt();
    let side = (atoms as f64).cbrt().ceil() as usize;
    let mut random = rng::at(1, Stream::Testing, 0, 0);
    let mut sites: Vec<(f64, usize)> = (0..side.pow(3)).map(|k| (random.uniform(), k)).collect();
    sites.sort_by(|a, b| a.0.total_cmp(&b.0));
    let step = edge / side as f64;
    let positions = sites[..atoms].iter().map(|(_, site)| {
        [site % side, site / side % side, site / side / side]
            .map(|k| (k as f64 + 0.5) * step + 0.3 * random.normal())
    });
    let positions: Vec<[f64; 3]> = positions.collect();
    let symbols: Vec<&str> = (0..atoms)
        .map(|k| match k * 8 / atoms {
            0..3 => "Li",
            3 => "P",
            _ => "S",
        })
        .collect();
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    Structure::new(cell, &symbols, positions).expect("elements").into()
}

fn benchmarks(criterion: &mut Criterion) {
    let frame = glass(10_000);
    let table = frame.structure.table.clone();
    let mut group = criterion.benchmark_group("10,000 atoms");
    group.sample_size(20);
    group.bench_function("partial g(r) to 10 Å", |bencher| {
        let g = RadialDistribution::new(&table, RadialDistributionSettings::default())
            .expect("good parameters");
        let mut g = Accumulator::new(table.clone(), g);
        bencher.iter(|| g.add(black_box(&frame)).expect("a good frame"));
    });
    for cutoff in [2.8, 4.8] {
        group.bench_function(format!("neighbours within {cutoff} Å"), |bencher| {
            let mut neighbors = Neighbors::default();
            let structure = &frame.structure;
            bencher
                .iter(|| neighbors.find(&structure.cell, black_box(&structure.positions), cutoff));
        });
    }
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
