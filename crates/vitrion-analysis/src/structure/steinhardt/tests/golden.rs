//! Values of freud and pyscal3, made by `scripts/references/steinhardt.py` (versions in the file).

use super::super::bond_order::{BondOrder, Centers};
use super::super::harmonics::Layout;
use super::super::invariants::Invariants;
use super::super::third_order::ThirdOrder;
use super::lattices::by_addition_theorem;
use super::{Neighborhood, close, column, measure, with};
use crate::tessellation::Tessellation;
use serde_json::Value;
use vitrion_core::math;
use vitrion_core::{Cell, Structure};

/// freud works in single precision: positions near 4 Å are off by 2e-7 Å, q by a few 1e-7; averages and w
/// of disordered surroundings are quotients of small numbers.
const FREUD: f64 = 3e-6;
const FREUD_W: f64 = 5e-5;
/// pyscal3 works in double precision; ten digits are stored.
const PYSCAL: f64 = 1e-9;

fn data() -> Value {
    serde_json::from_str(include_str!("../../../../tests/data/steinhardt.json")).expect("JSON")
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("numbers")
}

#[test]
fn freud_and_pyscal_are_reproduced() {
    for system in data()["systems"].as_array().expect("systems") {
        let positions: Vec<[f64; 3]> = read(&system["positions"]);
        let atoms = positions.len();
        let cell = Cell::periodic(read(&system["cell"])).expect("a cell");
        let structure = Structure::new(cell, &vec!["Ar"; atoms], positions).expect("an element");
        let cutoff = read(&system["cutoff"]);
        let mut settings = with(&(2..=12).collect::<Vec<u32>>(), Neighborhood::Cutoff(cutoff));
        settings.third_order = true;
        let measured = measure(&structure, &settings);
        for source in ["freud", "pyscal3"] {
            let all = system[source].as_object().expect("names");
            assert_eq!(all.len(), if source == "freud" { 34 } else { 22 });
            for (name, expected) in all {
                let expected: Vec<f64> = read(expected);
                let found = column(&measured, name);
                let tolerance = match (source, &name[..1]) {
                    ("pyscal3", _) => PYSCAL,
                    (_, "w") => FREUD_W,
                    _ => FREUD,
                };
                let what = format!("{}, {source}, {name}", system["name"]);
                close(&found[..expected.len()], &expected, tolerance, &what);
            }
        }
    }
}

#[test]
fn freud_is_reproduced_with_the_areas_of_voronoi_faces_as_weights() {
    let data = data();
    let system = &data["systems"][0];
    let faces: Vec<(usize, usize, f64, f64, f64, f64)> = read(&system["faces"]);
    let l: Vec<u32> = (2..=12).collect();
    let layout = Layout::new(&l);
    let third: Vec<_> = l.iter().map(|l| ThirdOrder::new(*l as usize)).collect();
    let centers = Centers::new(system["positions"].as_array().expect("atoms").len(), |_| true);
    let order = BondOrder::new(&layout, 0, &centers, |atom, shell| {
        for (_, neighbor, x, y, z, area) in faces.iter().filter(|face| face.0 == atom) {
            shell.push(*neighbor, [*x, *y, *z], *area);
        }
        Ok(())
    });
    let order = order.expect("all have directions");
    let plain = Invariants::of(&layout, order.vectors(), order.counts(), &third);
    let averaged = Invariants::of(&layout, &order.averaged().0, order.counts(), &third);
    for (name, expected) in system["freud_weighted"].as_object().expect("names") {
        let of = if name.ends_with("_averaged") { &averaged } else { &plain };
        let digits = name[1..].trim_end_matches("_averaged");
        let which = digits.parse::<usize>().expect("an l") - 2;
        let expected: Vec<f64> = read(expected);
        let (found, tolerance) =
            if name.starts_with('q') { (&of.q[which], FREUD) } else { (&of.w[which], FREUD_W) };
        close(&found[..expected.len()], &expected, tolerance, name);
    }
}

#[test]
fn faces_of_freud_are_found_and_weigh_bonds() {
    let data = data();
    let system = &data["systems"][0];
    let positions: Vec<[f64; 3]> = read(&system["positions"]);
    let atoms = positions.len();
    let cell = Cell::periodic(read(&system["cell"])).expect("a cell");
    let mut voronoi = Tessellation::default();
    voronoi.make(0, &cell, &positions, None).expect("cells");
    let faces: Vec<(usize, usize, f64, f64, f64, f64)> = read(&system["faces"]);
    for (atom, neighbor, x, y, z, area) in faces {
        let same = |vector| math::norm(math::sub(vector, [x, y, z])) < 1e-3;
        let ours = voronoi.faces(atom).iter();
        let found = ours.filter(|face| face.neighbor == neighbor && same(face.vector));
        let found: f64 = found.map(|face| face.area).sum();
        // areas are rounded to 1e-4 and come from single precision
        assert!((found - area).abs() < 2e-4, "{atom} to {neighbor}: {found} is not {area}");
    }
    // freud loses a few faces of so small a cell: values are checked with all of them, by angles
    let structure = Structure::new(cell, &vec!["Ar"; atoms], positions).expect("an element");
    let l: Vec<u32> = (2..=12).collect();
    let measured = measure(&structure, &with(&l, Neighborhood::Voronoi));
    for l in l {
        let of = |atom: usize| {
            let bonds: Vec<_> =
                voronoi.faces(atom).iter().map(|face| (face.vector, face.area)).collect();
            by_addition_theorem(l, &bonds)
        };
        let expected: Vec<f64> = (0..atoms).map(of).collect();
        close(&column(&measured, &format!("q{l}")), &expected, 1e-12, &format!("q{l}"));
    }
}
