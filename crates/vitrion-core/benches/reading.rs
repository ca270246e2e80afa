//! Reading text trajectories: one frame of 10,000 atoms of each format.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::hint::black_box;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::rng::{self, Stream};

const ATOMS: usize = 10_000;
const FRAMES: usize = 10;
const EDGE: f64 = 58.0;

fn trajectory(dump: bool) -> String {
    let mut text = String::new();
    for frame in 0..FRAMES {
        let mut random = rng::at(frame as u64, Stream::Testing, 0, 0);
        let head = if dump {
            format!(
                "ITEM: TIMESTEP\n{frame}\nITEM: NUMBER OF ATOMS\n{ATOMS}\nITEM: BOX BOUNDS pp pp pp\n\
                 0 {EDGE}\n0 {EDGE}\n0 {EDGE}\nITEM: ATOMS id type element x y z\n"
            )
        } else {
            format!(
                "{ATOMS}\nLattice=\"{EDGE} 0 0 0 {EDGE} 0 0 0 {EDGE}\" \
                 Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n"
            )
        };
        text.push_str(&head);
        for atom in 0..ATOMS {
            let kind = atom * 7 % 3;
            if dump {
                write!(text, "{} {} ", atom + 1, kind + 1).expect("memory");
            }
            let [x, y, z] = [0; 3].map(|_| EDGE * random.uniform());
            writeln!(text, "{} {x:.8} {y:.8} {z:.8}", ["Li", "P", "S"][kind]).expect("memory");
        }
    }
    text
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("reading 10 frames of 10,000 atoms");
    group.sample_size(20);
    for (name, dump) in [("extended XYZ", false), ("LAMMPS dump", true)] {
        let text = trajectory(dump);
        let path = folder.path().join(if dump { "t.lammpstrj" } else { "t.extxyz" });
        group.throughput(Throughput::Bytes(text.len() as u64));
        std::fs::write(&path, text).expect("the folder is there");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for frame in io::open(&path, &ReadOptions::default()).expect("it is there") {
                    black_box(frame.expect("a good frame"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
