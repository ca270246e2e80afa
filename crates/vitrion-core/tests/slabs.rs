//! Oriented crystals, slabs and orthogonal supercells, against ASE and the geometry of lattices.

mod json;

use json::{numbers, vectors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use vitrion_core::build::orient::{OrientError, Oriented, oriented};
use vitrion_core::build::orthogonal::orthogonal_supercell;
use vitrion_core::build::slab::with_vacuum;
use vitrion_core::build::strain::strained;
use vitrion_core::build::supercell::repeat;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::neighbors::brute_force;
use vitrion_core::neighbors::pair_vector;
use vitrion_core::{Cell, Structure};

fn reference() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/slabs/expected.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("fixtures")).expect("JSON")
}

fn matrix(value: &Value) -> Matrix3 {
    vectors(value).try_into().expect("three rows")
}

fn plane(value: &Value) -> [i32; 3] {
    numbers(value).into_iter().map(|n| n as i32).collect::<Vec<_>>().try_into().expect("indices")
}

fn structure(entry: &Value) -> Structure {
    let symbols: Vec<&str> =
        entry["symbols"].as_array().expect("list").iter().filter_map(Value::as_str).collect();
    let cell = Cell::periodic(matrix(&entry["cell"])).expect("a cell");
    Structure::new(cell, &symbols, vectors(&entry["positions"])).expect("elements")
}

/// Every crystal with every plane: what to call it, the crystal, its entry, the plane's entry, and
/// the oriented crystal.
fn every_plane(check: impl Fn(&str, &Structure, &Value, &Value, &Oriented)) {
    let reference = reference();
    let mut planes = 0;
    for (name, entry) in reference["crystals"].as_object().expect("by name") {
        let crystal = structure(entry);
        for wanted in entry["planes"].as_array().expect("list") {
            let plane = plane(&wanted["plane"]);
            let found = oriented(&crystal, plane).expect("a plane");
            check(&format!("{name} {plane:?}"), &crystal, entry, wanted, &found);
            planes += 1;
        }
    }
    assert_eq!(planes, 21);
}

/// Sorted distances below the cut-off by pair of elements, directed pairs.
fn distances(structure: &Structure, cutoff: f64) -> BTreeMap<String, Vec<f64>> {
    let pairs = brute_force::pairs(&structure.cell, &structure.positions, cutoff);
    let mut result: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for i in 0..structure.len() {
        for pair in &pairs.pairs[pairs.offsets[i]..pairs.offsets[i + 1]] {
            let (a, b) = (structure.symbol(i), structure.symbol(pair.j as usize));
            if a <= b {
                let r = pair_vector(&structure.cell, &structure.positions, i, *pair);
                result.entry(format!("{a}-{b}")).or_default().push(math::norm(r));
            }
        }
    }
    for list in result.values_mut() {
        list.sort_by(f64::total_cmp);
    }
    result
}

/// Number, mean and mean inverse of the distances, as the script stores them.
fn assert_pairs(structure: &Structure, expected: &Value, cutoff: f64, what: &str) {
    let found = distances(structure, cutoff);
    let expected = expected.as_object().expect("by elements");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (elements, expected) in expected {
        let (list, expected) = (&found[elements], numbers(expected));
        let n = list.len() as f64;
        let mean = list.iter().sum::<f64>() / n;
        let inverse = list.iter().map(|r| 1.0 / r).sum::<f64>() / n;
        for (found, expected) in [n, mean, inverse].into_iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-8,
                "{what} {elements}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn the_cell_is_that_of_an_exhaustive_search_and_the_atoms_those_of_ase_cut() {
    every_plane(|what, _, _, wanted, found| {
        let transform = found.matrix.map(|n| n.map(|n| n as f64));
        assert_eq!(transform, matrix(&wanted["matrix"]), "{what}");
        let tilt = wanted["tilt"].as_f64().expect("degrees");
        assert!((found.tilt - tilt).abs() < 1e-6, "{what}: {} is not {tilt}", found.tilt);
        let cell = &found.structure.cell;
        let cellpar = [cell.lengths(), cell.angles()].concat();
        for (value, expected) in cellpar.iter().zip(numbers(&wanted["cut"]["cellpar"])) {
            assert!((value - expected).abs() < 1e-8, "{what}: {value} is not {expected}");
        }
        // ASE lists the atoms in another order and other images
        let mut free: Vec<usize> = (0..found.structure.len()).collect();
        let symbols = wanted["cut"]["symbols"].as_array().expect("list");
        for (symbol, s) in symbols.iter().zip(vectors(&wanted["cut"]["scaled_positions"])) {
            let same = free.iter().position(|atom| {
                let away = math::sub(cell.to_fractional(found.structure.positions[*atom]), s);
                symbol == found.structure.symbol(*atom)
                    && away.iter().all(|x| (x - x.round()).abs() < 1e-8)
            });
            free.swap_remove(same.unwrap_or_else(|| panic!("{what}: no {symbol} at {s:?}")));
        }
        assert!(free.is_empty());
    });
}

#[test]
fn the_crystal_is_the_same_and_its_plane_in_xy() {
    every_plane(|what, crystal, entry, _, found| {
        let Oriented { structure, matrix, tilt } = found;
        let [a, b, c] = *structure.cell.matrix();
        assert!(a[0] > 0.0 && b[1] > 0.0 && c[2] > 0.0, "{what}");
        assert!([a[1], a[2], b[2]].iter().all(|x| x.abs() < 1e-12), "{what}: {a:?} {b:?}");
        let determinant = math::determinant(&matrix.map(|n| n.map(|n| n as f64)));
        assert!((determinant - 1.0).abs() < 1e-12, "{what}: {determinant}");
        assert!((structure.cell.volume() / crystal.cell.volume() - 1.0).abs() < 1e-12, "{what}");
        assert_eq!(structure.species, crystal.species, "{what}");
        assert_eq!(structure.cell.periodicity(), [true; 3]);
        let angle = (c[2] / math::norm(c)).acos().to_degrees();
        assert!((tilt - angle).abs() < 1e-5, "{what}: {tilt} is not {angle}");
        for r in &structure.positions {
            let s = structure.cell.to_fractional(*r);
            assert!(s.iter().all(|s| (-1e-14..1.0).contains(s)), "{what}: {s:?}");
        }
        // a rigid motion keeps every distance
        let (before, after) = (distances(crystal, 6.0), distances(structure, 6.0));
        assert!(before.keys().eq(after.keys()), "{what}");
        for (elements, list) in &before {
            assert_eq!(list.len(), after[elements].len(), "{what} {elements}");
            for (r, other) in list.iter().zip(&after[elements]) {
                assert!((r - other).abs() < 1e-10, "{what} {elements}: {r} {other}");
            }
        }
        assert_pairs(structure, &entry["pairs"], 6.0, what);
    });
}

#[test]
fn new_vectors_and_positions_come_from_the_old_by_one_proper_rotation() {
    every_plane(|what, crystal, _, wanted, found| {
        let transform = found.matrix.map(|n| n.map(|n| n as f64));
        let before = math::matmul(&transform, crystal.cell.matrix());
        let inverse = math::inverse(&before).expect("a cell");
        let rotation = math::matmul(&inverse, found.structure.cell.matrix());
        let square = math::matmul(&rotation, &math::transpose(&rotation));
        for i in 0..3 {
            assert!(math::norm(math::sub(square[i], math::IDENTITY[i])) < 1e-12, "{what}");
        }
        assert!((math::determinant(&rotation) - 1.0).abs() < 1e-12, "{what}");
        // the reciprocal vector of the plane turns to z, and 1 over its length is the height
        let reciprocal = math::transpose(crystal.cell.inverse());
        let g = math::row_times(plane(&wanted["plane"]).map(f64::from), &reciprocal);
        let turned = math::scale(math::row_times(g, &rotation), 1.0 / math::norm(g));
        assert!(math::norm(math::sub(turned, [0.0, 0.0, 1.0])) < 1e-12, "{what}: {turned:?}");
        let height = found.structure.cell.matrix()[2][2];
        assert!((height * math::norm(g) - 1.0).abs() < 1e-12, "{what}: {height}");
        for (r, old) in found.structure.positions.iter().zip(&crystal.positions) {
            let away = math::sub(*r, math::row_times(*old, &rotation));
            let steps = found.structure.cell.to_fractional(away);
            assert!(steps.iter().all(|n| (n - n.round()).abs() < 1e-10), "{what}: {steps:?}");
        }
    });
}

#[test]
fn slabs_are_those_of_ase_surface() {
    let vacuum = reference()["vacuum"].as_f64().expect("Å");
    every_plane(|what, crystal, _, wanted, found| {
        let surface = &wanted["surface"];
        let slab = with_vacuum(&repeat(&found.structure, [1, 1, 2]), vacuum).expect("a slab");
        assert_eq!(slab.len() as u64, surface["atoms"].as_u64().expect("a number"), "{what}");
        assert_eq!(slab.len(), 2 * crystal.len());
        let height = surface["height"].as_f64().expect("Å") + vacuum;
        let third = slab.cell.matrix()[2];
        assert!(math::norm(math::sub(third, [0.0, 0.0, height])) < 1e-8, "{what}: {third:?}");
        for (length, expected) in slab.cell.lengths().iter().zip(numbers(&surface["lengths"])) {
            assert!((length - expected).abs() < 1e-8, "{what}: {length} is not {expected}");
        }
        assert_pairs(&slab, &surface["pairs"], 6.0, what);
    });
}

#[test]
fn orthogonal_supercells_are_those_of_ase() {
    for entry in reference()["orthogonal"].as_array().expect("list") {
        let name = entry["name"].as_str().expect("a name");
        let primitive = structure(entry);
        let unit = oriented(&primitive, plane(&entry["plane"])).expect("a plane").structure;
        let found = orthogonal_supercell(&unit, 12, 1e-6).expect("a supercell");
        let supercell = &found.structure;
        assert_eq!(supercell.len() as u64, entry["atoms"].as_u64().expect("atoms"), "{name}");
        let expected = numbers(&entry["cellpar"]);
        let flat = |x: f64, y: f64| if x < y { [x, y] } else { [y, x] };
        let lengths = supercell.cell.lengths();
        let [shorter, longer] = flat(expected[0], expected[1]);
        for (length, expected) in lengths.iter().zip([shorter, longer, expected[2]]) {
            assert!((length - expected).abs() < 1e-8, "{name}: {length} is not {expected}");
        }
        assert!(supercell.cell.angles().iter().all(|a| (a - 90.0).abs() < 1e-6), "{name}");
        let (before, after) = (distances(&primitive, 6.0), distances(supercell, 6.0));
        let cells = supercell.len() / primitive.len();
        for (elements, list) in &before {
            let copied = list.iter().flat_map(|r| std::iter::repeat_n(*r, cells));
            assert_eq!(after[elements].len(), list.len() * cells, "{name}");
            for (r, other) in copied.zip(&after[elements]) {
                assert!((r - other).abs() < 1e-10, "{name}: {r} {other}");
            }
        }
    }
}

#[test]
fn no_smaller_supercell_is_orthogonal_in_an_exhaustive_search() {
    // nearly rectangular lattices: angles of a few degrees, so that several cells are needed
    for (angles, tolerance) in [([84.0, 93.0, 97.0], 2.0), ([90.0, 80.0, 110.0], 3.0)] {
        let cell = Cell::from_lengths_angles([3.1, 3.7, 4.4], angles).expect("closes");
        let unit =
            Structure::new(cell.clone(), &["Ar"], vec![[0.3, 0.2, 0.1]]).expect("an element");
        let found = orthogonal_supercell(&unit, 200, tolerance).expect("a supercell").structure;
        let [a, b, c] = *cell.matrix();
        let vector = |i: i32, j: i32, k: i32| {
            let along = math::add(math::scale(a, f64::from(i)), math::scale(b, f64::from(j)));
            math::add(along, math::scale(c, f64::from(k)))
        };
        let angle = |u: Vector3, v: Vector3| {
            (math::dot(u, v) / (math::norm(u) * math::norm(v))).acos().to_degrees()
        };
        let range = -12..=12;
        let flat: Vec<(i32, i32)> =
            range.clone().flat_map(|i| range.clone().map(move |j| (i, j))).collect();
        let least_area = flat
            .iter()
            .flat_map(|u| flat.iter().map(move |v| (u, v, u.0 * v.1 - u.1 * v.0)))
            .filter(|(u, v, area)| {
                let right = || (angle(vector(u.0, u.1, 0), vector(v.0, v.1, 0)) - 90.0).abs();
                *area > 0 && right() <= tolerance
            })
            .map(|(_, _, area)| area)
            .min()
            .expect("some are orthogonal");
        let tilted = |k: i32| {
            flat.iter()
                .map(|(i, j)| angle(vector(*i, *j, k), [0.0, 0.0, 1.0]))
                .fold(180.0, f64::min)
        };
        let least_height = (1..60).find(|k| tilted(*k) <= tolerance).expect("some are upright");
        assert!(least_area > 1 && least_height > 1, "{least_area} {least_height}");
        assert_eq!(found.len(), usize::try_from(least_area * least_height).expect("positive"));
        assert!(found.cell.angles().iter().all(|a| (a - 90.0).abs() <= tolerance));
        assert!((found.density() / unit.density() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn what_is_not_orthogonal_within_the_limit_is_refused_with_the_best() {
    let cell = Cell::from_lengths_angles([4.0, 4.0, 5.0], [90.0, 90.0, 120.0]).expect("hexagonal");
    let unit = Structure::new(cell, &["Mg"], vec![[0.0; 3]]).expect("an element");
    let error = orthogonal_supercell(&unit, 1, 0.1).expect_err("one cell").to_string();
    assert!(
        error.contains("at most 1 cells")
            && error.contains("30.0000 degrees off a right angle")
            && error.contains("tilted by 0.0000"),
        "{error}"
    );
    let found = orthogonal_supercell(&unit, 2, 0.1).expect("two cells");
    assert_eq!(found.matrix, [[1, 0, 0], [1, 2, 0], [0, 0, 1]]);
    let never = orthogonal_supercell(&unit, 2, f64::NAN);
    assert!(matches!(never, Err(OrientError::NotOrthogonal { cells: 2, .. })), "{never:?}");
}

#[test]
fn planes_of_a_strained_crystal_have_the_strained_distance() {
    let reference = reference();
    let crystal = structure(&reference["crystals"]["orthorhombic"]);
    let mut strain = math::ZERO;
    (strain[0][0], strain[1][1], strain[2][2]) = (0.02, -0.03, 0.05);
    let found = oriented(&strained(&crystal, &strain).expect("small"), [2, 1, 1]).expect("a plane");
    // orthorhombic: 1/d² = h²/a² + k²/b² + l²/c²
    let inverse2: f64 = [(2.0, 12.9 * 1.02), (1.0, 8.1 * 0.97), (1.0, 6.2 * 1.05)]
        .iter()
        .map(|(index, length): &(f64, f64)| (index / length).powi(2))
        .sum();
    let height = found.structure.cell.matrix()[2][2];
    assert!((height - inverse2.sqrt().recip()).abs() < 1e-8, "{height}");
}
