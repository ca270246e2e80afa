//! A slow implementation straight from the definitions, with complex spherical harmonics, and the
//! addition theorem, on random atoms in random cells.

use super::super::bond_order::{BondOrder, Centers};
use super::super::harmonics::Layout;
use super::super::invariants::Invariants;
use super::lattices::by_addition_theorem;
use super::{Neighborhood, close, column, measure, with};
use std::f64::consts::PI;
use vitrion_core::math::{self, Vector3};
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Structure};

/// Neighbour, vector, weight.
type Bond = (usize, Vector3, f64);

fn factorial(n: i32) -> f64 {
    (1..=n).map(f64::from).product()
}

/// `Y_lm` with the Condon–Shortley phase, as real and imaginary part; Legendre functions from the
/// explicit sum over factorials.
fn spherical_harmonic(l: i32, m: i32, r: Vector3) -> [f64; 2] {
    let z = r[2] / math::norm(r);
    let angle = f64::from(m) * r[1].atan2(r[0]);
    let order = m.abs();
    let mut legendre = 0.0;
    for k in 0..=(l - order) / 2 {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        legendre += sign * factorial(2 * l - 2 * k)
            / (2.0_f64.powi(l) * factorial(k) * factorial(l - k) * factorial(l - 2 * k - order))
            * z.powi(l - 2 * k - order);
    }
    legendre *= (1.0 - z * z).max(0.0).powf(0.5 * f64::from(order));
    let norm = f64::from(2 * l + 1) / (4.0 * PI) * factorial(l - order) / factorial(l + order);
    // (−1)ᵐ for m > 0 only: Y_l−m is (−1)ᵐ times the conjugate of Y_lm
    let sign = if m > 0 && m % 2 == 1 { -1.0 } else { 1.0 };
    let size = sign * norm.sqrt() * legendre;
    [size * angle.cos(), size * angle.sin()]
}

/// All neighbours closer than a distance, by looking at many images.
fn neighbors(structure: &Structure, cutoff: f64) -> Vec<Vec<Bond>> {
    let (widths, periodic) = (structure.cell.perpendicular_widths(), structure.cell.periodicity());
    let span: [i32; 3] =
        std::array::from_fn(|k| if periodic[k] { (cutoff / widths[k]) as i32 + 2 } else { 0 });
    let bonds_of = |i: usize| {
        let mut bonds = Vec::new();
        for j in 0..structure.len() {
            let apart = math::sub(structure.positions[j], structure.positions[i]);
            let (direct, _) = structure.cell.wrap(apart);
            for a in -span[0]..=span[0] {
                for b in -span[1]..=span[1] {
                    for c in -span[2]..=span[2] {
                        let shift = structure.cell.to_cartesian([a, b, c].map(f64::from));
                        let vector = math::add(direct, shift);
                        if math::norm(vector) < cutoff && (i != j || math::norm(vector) > 1e-9) {
                            bonds.push((j, vector, 1.0));
                        }
                    }
                }
            }
        }
        bonds
    };
    (0..structure.len()).map(bonds_of).collect()
}

/// `q_lm` for m = −l..=l, or nothing without neighbours.
fn vector(l: i32, bonds: &[Bond]) -> Option<Vec<[f64; 2]>> {
    let total: f64 = bonds.iter().map(|bond| bond.2).sum();
    let sum = |m: i32| {
        let mut sum = [0.0; 2];
        for (_, r, weight) in bonds {
            let y = spherical_harmonic(l, m, *r);
            sum = [0, 1].map(|k| sum[k] + weight / total * y[k]);
        }
        sum
    };
    (!bonds.is_empty()).then(|| (-l..=l).map(sum).collect())
}

fn q(l: i32, vector: &[[f64; 2]]) -> f64 {
    let sum: f64 = vector.iter().map(|y| y[0] * y[0] + y[1] * y[1]).sum();
    (4.0 * PI / f64::from(2 * l + 1) * sum).sqrt()
}

/// `(l l l; m1 m2 m3)`, Racah's formula term by term.
fn wigner(l: i32, m: [i32; 3]) -> f64 {
    let mut sum = 0.0;
    for k in 0..=l {
        let rest = [k, l - k, l - m[0] - k, l + m[1] - k, k + m[0], k - m[1]];
        if rest.iter().all(|n| *n >= 0) {
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            sum += sign / rest.iter().map(|n| factorial(*n)).product::<f64>();
        }
    }
    let product: f64 = m.iter().map(|m| factorial(l + m) * factorial(l - m)).product();
    let sign = if m[2] % 2 == 0 { 1.0 } else { -1.0 };
    sign * (factorial(l).powi(3) / factorial(3 * l + 1) * product).sqrt() * sum
}

fn w(l: i32, vector: &[[f64; 2]]) -> f64 {
    let times = |a: [f64; 2], b: [f64; 2]| [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]];
    let at = |m: i32| vector[(m + l) as usize];
    let mut sum = 0.0;
    for m1 in -l..=l {
        for m2 in (-l..=l).filter(|m2| (m1 + m2).abs() <= l) {
            let m3 = -m1 - m2;
            sum += wigner(l, [m1, m2, m3]) * times(times(at(m1), at(m2)), at(m3))[0];
        }
    }
    let norm: f64 = vector.iter().map(|y| y[0] * y[0] + y[1] * y[1]).sum();
    sum / norm.powf(1.5)
}

/// Mean of a vector with those of its neighbours that have one.
fn average(vectors: &[Option<Vec<[f64; 2]>>], center: usize, bonds: &[Bond]) -> Vec<[f64; 2]> {
    let mut sum = vectors[center].clone().expect("it has neighbours");
    let mut terms = 1.0;
    for other in bonds.iter().filter_map(|bond| vectors[bond.0].as_ref()) {
        terms += 1.0;
        for (sum, y) in sum.iter_mut().zip(other) {
            *sum = [sum[0] + y[0], sum[1] + y[1]];
        }
    }
    sum.iter().map(|y| y.map(|part| part / terms)).collect()
}

/// Plain and averaged, as `[q, q averaged, w, w averaged]` by atom.
fn expected(l: i32, bonds: &[Vec<Bond>], is_center: impl Fn(usize) -> bool) -> [Vec<f64>; 4] {
    let vectors: Vec<_> = bonds
        .iter()
        .enumerate()
        .map(|(atom, bonds)| if is_center(atom) { vector(l, bonds) } else { None })
        .collect();
    let averaged: Vec<_> = vectors
        .iter()
        .enumerate()
        .map(|(atom, vector)| vector.as_ref().map(|_| average(&vectors, atom, &bonds[atom])))
        .collect();
    let value = |of: &dyn Fn(i32, &[[f64; 2]]) -> f64, vectors: &[Option<Vec<[f64; 2]>>]| {
        vectors.iter().map(|v| v.as_ref().map_or(f64::NAN, |v| of(l, v))).collect::<Vec<f64>>()
    };
    [value(&q, &vectors), value(&q, &averaged), value(&w, &vectors), value(&w, &averaged)]
}

fn compare(
    seed: u64,
    structure: &Structure,
    settings: &super::SteinhardtSettings,
    bonds: &[Vec<Bond>],
) {
    let measured = measure(structure, settings);
    let is_center = |atom: usize| {
        settings.centers.is_empty() || settings.centers.iter().any(|s| s == structure.symbol(atom))
    };
    for l in &settings.l {
        let of = expected(*l as i32, bonds, is_center);
        let names =
            [format!("q{l}"), format!("q{l}_averaged"), format!("w{l}"), format!("w{l}_averaged")];
        for (name, expected) in names.iter().zip(&of) {
            if name.starts_with('w') && (l % 2 == 1 || !settings.third_order) {
                continue;
            }
            let what = format!("seed {seed}, {name}, {:?}", settings.neighborhood);
            // the sums of factorials lose digits at large l
            let tolerance = if name.starts_with('w') { 1e-8 } else { 1e-10 };
            close(&column(&measured, name), expected, tolerance, &what);
        }
    }
}

#[test]
fn all_l_agree_with_the_definitions_in_random_cells() {
    for seed in 0..5 {
        // cells shorter than the cut-off: the same atom is a neighbour by several images
        let cell = systems::random_cell(seed, 2.5, 5.5);
        let structure = systems::random_structure(seed, &["Li", "P", "S"], 4, cell, 1.0);
        let mut settings = with(&(2..=12).collect::<Vec<u32>>(), Neighborhood::Cutoff(3.2));
        settings.third_order = true;
        compare(seed, &structure, &settings, &neighbors(&structure, 3.2));
    }
}

#[test]
fn masks_agree_with_the_definitions() {
    for seed in 10..16 {
        let cell = systems::random_cell(seed, 5.0, 8.0);
        let structure = systems::random_structure(seed, &["Li", "P", "S"], 14, cell, 1.2);
        let mut settings = with(&[3, 4, 6], Neighborhood::Cutoff(2.6));
        settings.centers = vec!["Li".into(), "S".into()];
        settings.neighbors = vec!["S".into(), "P".into()];
        let mut bonds = neighbors(&structure, 2.6);
        for of in &mut bonds {
            of.retain(|bond| structure.symbol(bond.0) != "Li");
        }
        compare(seed, &structure, &settings, &bonds);
    }
}

#[test]
fn exactly_n_neighbours_are_found_in_any_cell() {
    let mut compared = 0;
    for seed in 20..32 {
        let cell = systems::random_cell(seed, 2.5, 9.0);
        let periodic = [seed % 2 == 0, seed % 3 != 0, true];
        let cell = Cell::new(*cell.matrix(), periodic).expect("the same matrix");
        let mut structure = systems::random_structure(seed, &["Li", "S"], 5, cell, 1.0);
        // an atom far outside: moved images count, and along directions without period it is alone
        structure.positions[3] = math::add(structure.positions[3], [40.0, -31.0, 8.0]);
        for number in [1, 6, 25] {
            let mut settings = with(&[4, 6], Neighborhood::Nearest(number));
            settings.neighbors = if seed % 2 == 0 { vec![] } else { vec!["Li".into()] };
            let reach = if periodic == [true; 3] { 16.0 } else { 130.0 };
            let mut bonds = neighbors(&structure, reach);
            for of in &mut bonds {
                of.retain(|bond| seed % 2 == 0 || structure.symbol(bond.0) == "Li");
                of.sort_by(|a, b| math::norm(a.1).total_cmp(&math::norm(b.1)));
                assert!(of.len() >= number, "seed {seed}: look farther");
                // images at ±r are equally far; cut only where distances differ
                let tie = of.len() > number
                    && math::norm(of[number].1) - math::norm(of[number - 1].1) < 1e-7;
                of.truncate(number + usize::from(tie));
            }
            if bonds.iter().all(|of| of.len() == number) {
                compare(seed, &structure, &settings, &bonds);
                compared += 1;
            }
        }
    }
    assert!(compared >= 12, "only {compared} of 36 cases have no ties");
}

#[test]
fn a_void_and_a_crowd_do_not_disturb_the_search_for_neighbours() {
    // dense atoms in one corner of a large cell, and a few far from everything
    let cell = Cell::orthorhombic([60.0; 3]).expect("a box");
    let small = Cell::orthorhombic([12.0; 3]).expect("a box");
    let mut structure = systems::random_structure(3, &["Ar"], 150, small, 1.2);
    structure.cell = cell;
    structure.positions[7] = [40.0, 33.0, 25.0];
    structure.positions[70] = [50.0, 13.0, 45.0];
    let mut bonds =
        neighbors(&Structure { cell: structure.cell.clone(), ..structure.clone() }, 50.0);
    for of in &mut bonds {
        of.sort_by(|a, b| math::norm(a.1).total_cmp(&math::norm(b.1)));
        of.truncate(12);
    }
    compare(3, &structure, &with(&[6], Neighborhood::Nearest(12)), &bonds);
}

#[test]
fn weights_of_faces_enter_the_vectors_but_not_the_averages() {
    let l: Vec<u32> = (2..=12).collect();
    let layout = Layout::new(&l);
    for seed in 0..4 {
        let mut random = rng::at(seed, Stream::Testing, 3, 0);
        // bonds made by hand, more and fewer than a register holds, and none for atom 5
        let bonds: Vec<Vec<Bond>> = (0..6)
            .map(|atom| {
                let faces = if atom == 5 { 0 } else { 1 + 4 * atom + seed as usize };
                let face = |k: usize| {
                    let vector = std::array::from_fn(|_| random.normal());
                    ((atom + k) % 6, vector, 0.1 + random.uniform())
                };
                (0..faces).map(face).collect()
            })
            .collect();
        let centers = Centers::new(6, |atom| atom != 2);
        let order = BondOrder::new(&layout, 0, &centers, |atom, shell| {
            for (neighbor, vector, weight) in &bonds[atom] {
                shell.push(*neighbor, *vector, *weight);
            }
            Ok(())
        });
        let order = order.expect("all have directions");
        let none = vec![None; l.len()];
        let plain = Invariants::of(&layout, order.vectors(), order.counts(), &none);
        let (averaged, over) = order.averaged();
        let averaged = Invariants::of(&layout, &averaged, order.counts(), &none);
        let atoms: Vec<usize> = centers.atoms().collect();
        assert_eq!(atoms, [0, 1, 3, 4, 5]);
        for (which, l) in l.iter().enumerate() {
            let of = expected(*l as i32, &bonds, |atom| atom != 2);
            let pick = |all: &[f64]| atoms.iter().map(|atom| all[*atom]).collect::<Vec<f64>>();
            let what = format!("seed {seed}, l {l}");
            close(&plain.q[which], &pick(&of[0]), 1e-10, &what);
            close(&averaged.q[which], &pick(&of[1]), 1e-10, &what);
            let by_angles = |atom: &usize| {
                let weighted: Vec<_> = bonds[*atom].iter().map(|bond| (bond.1, bond.2)).collect();
                if weighted.is_empty() { f64::NAN } else { by_addition_theorem(*l, &weighted) }
            };
            let expected: Vec<f64> = atoms.iter().map(by_angles).collect();
            close(&plain.q[which], &expected, 1e-12, &what);
        }
        for (center, atom) in atoms.iter().enumerate() {
            let with_vector = bonds[*atom].iter().filter(|bond| ![2, 5].contains(&bond.0)).count();
            assert_eq!(over[center] as usize, with_vector, "seed {seed}, atom {atom}");
        }
    }
}
