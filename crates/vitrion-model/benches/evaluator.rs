//! The evaluator, a committee, and the matrix product of the fitting net on one thread.
//!
//! `cargo bench -p vitrion-model`; times are per evaluation of 1,080 atoms, rates in atoms per second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pulp::{Arch, Simd};
use std::hint::black_box;
use vitrion_core::neighbors::VerletList;
use vitrion_core::{Atoms, Cell, Evaluation, Potential, Vector3};
use vitrion_model::deep_potential::gemm::{Epilogue, Packed, Product};
use vitrion_model::deep_potential::real::Real;
use vitrion_model::{Committee, DeepPotential, Embedding, Precision, builtin};

/// Skin of the list [Å].
const SKIN: f64 = 1.0;

/// A disturbed cubic lattice at the density of Li3PS4, species as in it.
fn atoms(n: usize) -> (Cell, Vec<Vector3>, Vec<u8>) {
    let spacing = 2.72;
    let cell = Cell::orthorhombic([spacing * n as f64; 3]).expect("a box");
    let positions: Vec<Vector3> = (0..n * n * n)
        .map(|k| {
            let wave = |phase: f64| 0.15 * (1.7 * k as f64 + phase).sin();
            let site = [k / (n * n), k / n % n, k % n].map(|x| spacing * x as f64);
            [site[0] + wave(0.0), site[1] + wave(2.0), site[2] + wave(4.0)]
        })
        .collect();
    let species = (0..positions.len()).map(|k| [0, 2, 0, 2, 1, 2, 0, 2][k % 8]).collect();
    (cell, positions, species)
}

fn evaluations(criterion: &mut Criterion) {
    let model = builtin::li_p_s();
    let (cell, positions, species) = atoms(10);
    let mut list = VerletList::new(model.descriptor.cutoff, SKIN);
    list.update(&cell, &positions);
    let species: Vec<u8> = list.order().iter().map(|atom| species[*atom as usize]).collect();
    let atoms = Atoms { positions: list.positions(), species: &species, n_local: species.len() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(species.len() as u64));
    for precision in [Precision::Mixed, Precision::Double] {
        let mut evaluator = model.evaluator(precision, Embedding::Tables);
        let mut out = Evaluation::default();
        group.bench_function(precision.name(), |bencher| {
            pool.install(|| {
                bencher.iter(|| {
                    evaluator.evaluate(atoms, list.list(), &mut out).expect("finite");
                });
            });
        });
    }
    let four: Vec<&DeepPotential> = vec![&model; 4];
    let mut committee = Committee::new(&four, Precision::Mixed).expect("copies of one model");
    group.bench_function("committee of four, mixed", |bencher| {
        pool.install(|| {
            bencher.iter(|| committee.evaluate(atoms, list.list()).expect("finite"));
        });
    });
    group.finish();
}

struct Keep;

impl<T: Real> Epilogue<T> for Keep {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, _: usize, _: usize, _: &mut [T]) {}
}

fn products(criterion: &mut Criterion) {
    gemm::<f32>(criterion, "product, f32");
    gemm::<f64>(criterion, "product, f64");
}

/// Shapes of the paper's fitting net for a block of 128 centres; elements are multiply-adds, so that
/// twice the rate is FLOP/s.
fn gemm<T: Real>(criterion: &mut Criterion, name: &str) {
    let arch = Arch::new();
    let rows = 128;
    let mut group = criterion.benchmark_group(name);
    for (inputs, outputs) in [(1480, 240), (240, 240), (240, 1480)] {
        let b = Packed::<T>::new(arch, inputs, outputs, |k, n| ((k * 7 + n) % 13) as f64 * 0.01);
        let a: Vec<T> = (0..rows * inputs).map(|k| T::from_f64((k % 17) as f64 * 0.01)).collect();
        let mut out = vec![T::ZERO; rows * b.stride()];
        group.throughput(Throughput::Elements((rows * inputs * outputs) as u64));
        let id = BenchmarkId::from_parameter(format!("{rows}×{inputs}×{outputs}"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let out_stride = b.stride();
                let (a, out) = (&a[..], &mut out[..]);
                let epilogue = Keep;
                let task = Product { rows, a, stride: inputs, b: &b, out, out_stride, epilogue };
                arch.dispatch(task);
                black_box(());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, evaluations, products);
criterion_main!(benches);
