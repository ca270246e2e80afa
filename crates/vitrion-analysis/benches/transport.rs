//! Displacements at all lags: direct sums and Fourier transforms.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vitrion_analysis::{MsdSettings, Recording, RecordingSettings, mean_squared_displacement};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

const FRAMES: usize = 4000;

fn walk(atoms: usize) -> Recording {
    let cell = Cell::orthorhombic([1000.0; 3]).expect("a box");
    let symbols: Vec<&str> = (0..=atoms).map(|k| if k < atoms { "Li" } else { "S" }).collect();
    let mut random = rng::at(1, Stream::Testing, 80, 0);
    let structure = Structure::new(cell, &symbols, vec![[0.0; 3]; atoms + 1]).expect("elements");
    let mut frame: Frame = structure.into();
    let mut data = Recording::new(RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: Some(100.0),
        temperature: None,
        unwrap: false,
    });
    for _ in 0..FRAMES {
        data.add(&frame).expect("regular frames");
        for r in &mut frame.structure.positions[..atoms] {
            for x in r {
                *x += random.uniform() - 0.5;
            }
        }
    }
    data
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mean_squared_displacement");
    group.sample_size(10);
    for atoms in [64, 256] {
        group.throughput(Throughput::Elements((atoms * FRAMES) as u64));
        for (name, every_lag) in [("direct", false), ("direct_and_every_lag", true)] {
            let settings = MsdSettings { every_lag, ..MsdSettings::default() };
            group.bench_with_input(BenchmarkId::new(name, atoms), &atoms, |bencher, atoms| {
                bencher.iter_batched(
                    || walk(*atoms),
                    |data| mean_squared_displacement(&data, &settings),
                    criterion::BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(transport, benches);
criterion_main!(transport);
