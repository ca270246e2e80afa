//! Against `Interactions`, which finds neighbours by itself.

use super::*;
use std::collections::BTreeMap;
use vitrion_core::neighbors::brute_force;
use vitrion_core::testing::{derivatives, systems};
use vitrion_core::{Cell, Structure, interactions};

/// Bits of a neighbour that are no index, as LAMMPS uses them.
const MARKS: c_int = 1 << 30;

/// A structure as a host holds it: atoms, then images within reach, and who is near whom.
struct Host {
    positions: Vec<Vector3>,
    types: Vec<c_int>,
    /// Atom that each is a copy of.
    owner: Vec<usize>,
    centers: Vec<usize>,
    rows: Vec<Vec<c_int>>,
}

impl Host {
    /// All images within `reach`; type `t` is species `t - 1`, as in LAMMPS.
    fn new(structure: &Structure, species: &[u8], reach: f64) -> Self {
        let n = structure.positions.len();
        let found = brute_force::pairs(&structure.cell, &structure.positions, reach);
        let mut host = Host {
            positions: structure.positions.clone(),
            types: species.iter().map(|s| c_int::from(*s) + 1).collect(),
            owner: (0..n).collect(),
            centers: (0..n).rev().collect(), // any order will do
            rows: Vec::new(),
        };
        let mut ghosts = BTreeMap::new();
        for i in 0..n {
            let row = found.pairs[found.offsets[i]..found.offsets[i + 1]].iter().map(|pair| {
                let j = pair.j as usize;
                if pair.shift == [0; 3] {
                    return pair.j as c_int | MARKS;
                }
                *ghosts.entry((pair.j, pair.shift)).or_insert_with(|| {
                    let shift = structure.cell.to_cartesian(pair.shift.map(f64::from));
                    let r = structure.positions[j];
                    host.positions.push(std::array::from_fn(|k| r[k] + shift[k]));
                    host.types.push(c_int::from(species[j]) + 1);
                    host.owner.push(j);
                    host.owner.len() as c_int - 1
                })
            });
            host.rows.push(row.collect());
        }
        host
    }

    /// Sums over copies.
    fn fold(&self, order: &[u32], of: &[Vector3]) -> Vec<Vector3> {
        let mut sums = vec![[0.0; 3]; self.rows.len()];
        for (atom, value) in order.iter().zip(of) {
            let sum = &mut sums[self.owner[*atom as usize]];
            (0..3).for_each(|k| sum[k] += value[k]);
        }
        sums
    }
}

impl Centers for Host {
    fn centers(&self) -> impl ExactSizeIterator<Item = usize> {
        self.centers.iter().copied()
    }

    fn neighbors(&self, atom: usize) -> Result<&[c_int], HostError> {
        Ok(&self.rows[atom])
    }

    fn mask(&self) -> c_int {
        MARKS - 1
    }
}

fn structure(seed: u64) -> Structure {
    let cell = Cell::from_lengths_angles([9.0, 7.5, 5.0], [75.0, 100.0, 110.0]).expect("closes");
    systems::random_structure(seed, &["Li", "P", "S", "S"], 24, cell, 1.7)
}

fn model(name: &str) -> DeepPotential {
    builtin::named(name).expect("it is in the library")
}

const DOUBLE: HostedOptions = HostedOptions { precision: Precision::Double, threads: 1 };
const LAMMPS_TYPES: [Option<&str>; 4] = [None, Some("Li"), Some("P"), Some("S")];

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
}

#[test]
fn a_host_gets_what_the_program_itself_finds() {
    let model = model("li-p-s-fast");
    for (seed, threads) in [(1, 1), (2, 2), (3, 3)] {
        let structure = structure(seed);
        let species = structure.species_in(&model.species).expect("known species");
        let mut potential = model.evaluator(Precision::Double, Embedding::Tables);
        let exact = derivatives::evaluate(&mut potential, &structure);

        let mut hosted =
            Hosted::new(&[&model], HostedOptions { threads, ..DOUBLE }).expect("one model");
        hosted.map_types(&LAMMPS_TYPES).expect("its species");
        // a skin that the potential has to leave out
        let host = Host::new(&structure, &species, hosted.cutoff() + 1.0);
        hosted.set_neighbors(&host.types, &host).expect("a list");
        let wanted = Wanted { atom_virials: true, members: false };
        for _ in 0..2 {
            hosted.compute(&host.types, &host.positions, wanted).expect("finite");
            let [found] = hosted.evaluations() else { panic!("one model") };
            assert!((found.energy - exact.energy).abs() < 1e-9 * exact.energy.abs());
            let forces = host.fold(hosted.order(), &found.forces);
            assert!(close(forces.as_flattened(), exact.forces.as_flattened(), 1e-10));
            assert!(close(found.virial.as_flattened(), exact.virial.as_flattened(), 1e-9));
            let mut sum = [[0.0; 3]; 3];
            for w in &found.atom_virials {
                sum = vitrion_core::math::matrix_add(&sum, w);
            }
            assert!(close(sum.as_flattened(), exact.virial.as_flattened(), 1e-9));
            for (atom, energy) in hosted.order().iter().zip(&found.atom_energies) {
                assert!((energy - exact.atom_energies[*atom as usize]).abs() < 1e-9);
            }
            assert_eq!(found.atom_energies.len(), 24);
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let model = model("li-p-s-fast");
    let structure = structure(4);
    let species = structure.species_in(&model.species).expect("known species");
    let results: Vec<Evaluation> = [1, 2, 4]
        .map(|threads| {
            let options = HostedOptions { threads, ..HostedOptions::default() };
            let mut hosted = Hosted::new(&[&model], options).expect("one model");
            hosted.map_types(&LAMMPS_TYPES).expect("its species");
            let host = Host::new(&structure, &species, hosted.cutoff());
            hosted.set_neighbors(&host.types, &host).expect("a list");
            hosted.compute(&host.types, &host.positions, Wanted::default()).expect("finite");
            hosted.evaluations()[0].clone()
        })
        .into();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn members_of_a_committee_are_the_models_themselves() {
    let (a, b) = (model("li-p-s"), model("li-p-s-fast"));
    let structure = structure(5);
    let species = structure.species_in(&a.species).expect("known species");
    let mut hosted = Hosted::new(&[&a, &b], DOUBLE).expect("a committee");
    assert_eq!(hosted.members(), 2);
    hosted.map_types(&LAMMPS_TYPES).expect("its species");
    let host = Host::new(&structure, &species, hosted.cutoff());
    hosted.set_neighbors(&host.types, &host).expect("a list");
    for members in [true, false, true] {
        let wanted = Wanted { members, atom_virials: false };
        hosted.compute(&host.types, &host.positions, wanted).expect("finite");
        let models = if members { vec![&a, &b] } else { vec![&a] };
        assert_eq!(hosted.evaluations().len(), models.len());
        for (found, model) in hosted.evaluations().iter().zip(models) {
            let mut alone = Hosted::new(&[model], DOUBLE).expect("one model");
            alone.map_types(&LAMMPS_TYPES).expect("its species");
            alone.set_neighbors(&host.types, &host).expect("a list");
            alone.compute(&host.types, &host.positions, Wanted::default()).expect("finite");
            assert_eq!(found, &alone.evaluations()[0]);
        }
    }
}

#[test]
fn atoms_that_are_not_seen_are_not_there() {
    let model = model("li-p-s-fast");
    let whole = structure(6);
    let species = whole.species_in(&model.species).expect("known species");
    let mut hosted = Hosted::new(&[&model], DOUBLE).expect("one model");
    // all P are another potential's business
    hosted.map_types(&[None, Some("Li"), None, Some("S")]).expect("its species");
    let host = Host::new(&whole, &species, hosted.cutoff());
    hosted.set_neighbors(&host.types, &host).expect("a list");
    hosted.compute(&host.types, &host.positions, Wanted::default()).expect("finite");

    let kept: Vec<usize> = (0..whole.len()).filter(|i| species[*i] != 1).collect();
    let positions: Vec<Vector3> = kept.iter().map(|i| whole.positions[*i]).collect();
    let rest: Vec<u8> = kept.iter().map(|i| species[*i]).collect();
    let mut exact = Evaluation::default();
    let mut potential = model.evaluator(Precision::Double, Embedding::Tables);
    interactions::evaluate(&mut potential, &whole.cell, &positions, &rest, &mut exact)
        .expect("finite");
    let found = &hosted.evaluations()[0];
    assert!((found.energy - exact.energy).abs() < 1e-8);
    let forces = host.fold(hosted.order(), &found.forces);
    for (k, i) in kept.iter().enumerate() {
        assert!(close(&forces[*i], &exact.forces[k], 1e-10), "atom {i}");
    }
    let unseen = (0..whole.len()).filter(|i| species[*i] == 1);
    assert!(unseen.into_iter().all(|i| close(&forces[i], &[0.0; 3], f64::MIN_POSITIVE)));
}

#[test]
fn a_process_without_atoms_has_no_energy() {
    let model = model("li-p-s-fast");
    let mut hosted = Hosted::new(&[&model], DOUBLE).expect("one model");
    let nobody = Host {
        positions: vec![[0.0; 3]; 2],
        types: vec![0, 1],
        owner: vec![0, 1],
        centers: Vec::new(),
        rows: Vec::new(),
    };
    hosted.set_neighbors(&nobody.types, &nobody).expect("an empty list");
    hosted.compute(&nobody.types, &nobody.positions, Wanted::default()).expect("nothing");
    assert!(hosted.evaluations()[0].energy.abs() < f64::MIN_POSITIVE && hosted.order().is_empty());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let model = model("li-p-s-fast");
    let unknown = Hosted::open(&["builtin:na-p-s"], DOUBLE).expect_err("no such potential");
    assert!(unknown.to_string().contains("known: builtin:li-p-s, builtin:li-p-s-fast"));
    let missing = Hosted::open(&["no/such.safetensors"], DOUBLE).expect_err("no such file");
    assert!(missing.to_string().contains("no/such.safetensors"));
    assert!(Hosted::new(&[], DOUBLE).is_err());

    let structure = structure(7);
    let species = structure.species_in(&model.species).expect("known species");
    let mut hosted = Hosted::new(&[&model], DOUBLE).expect("one model");
    let sodium = hosted.map_types(&[None, Some("Na")]).expect_err("no Na").to_string();
    assert_eq!(sodium, "the potential has no Na: it knows Li P S");
    hosted.map_types(&LAMMPS_TYPES).expect("its species");
    let host = || Host::new(&structure, &species, model.descriptor.cutoff);
    let good = host();
    let stale = hosted.compute(&good.types, &good.positions, Wanted::default());
    assert!(matches!(stale, Err(HostError::StaleList)));
    hosted.set_neighbors(&good.types, &good).expect("a list");
    let mut types = good.types.clone();
    types[0] = 3;
    let stale = hosted.compute(&types, &good.positions, Wanted::default());
    assert!(matches!(stale, Err(HostError::StaleList)));

    let mut refused = |change: fn(&mut Host), message: &str| {
        let mut bad = host();
        change(&mut bad);
        let error = hosted.set_neighbors(&bad.types, &bad).expect_err(message).to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
        // what is half made is not used
        let next = hosted.compute(&bad.types, &bad.positions, Wanted::default());
        assert!(matches!(next, Err(HostError::StaleList)));
    };
    refused(|h| h.types[3] = 7, "atom 3 has type 7, but the types that were mapped are 1 to 3");
    refused(|h| h.types[3] = -1, "atom 3 has type -1");
    refused(|h| h.rows[2][0] = MARKS - 1, "neighbour 1073741823 of atom 2 is no other one");
    refused(|h| h.rows[2][0] = 2, "neighbour 2 of atom 2 is no other one");
    refused(|h| h.centers[0] = 0, "atom 0 appears twice");

    let mut evaluated = |change: fn(&mut Host)| {
        let mut broken = host();
        change(&mut broken);
        hosted.set_neighbors(&broken.types, &broken).expect("a list");
        hosted.compute(&broken.types, &broken.positions, Wanted::default()).expect_err("broken")
    };
    let lost = evaluated(|h| h.positions[5][1] = f64::NAN).to_string();
    assert!(lost.starts_with("atom 5: the position is ["), "{lost}");
    let near = evaluated(|h| {
        let j = (h.rows[3][0] & (MARKS - 1)) as usize;
        h.positions[j] = h.positions[3];
    });
    assert!(matches!(near, HostError::NotFinite { .. }), "{near}");
}
