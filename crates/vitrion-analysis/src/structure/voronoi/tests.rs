use super::*;
use crate::pass::Pass;
use vitrion_core::build::supercell;
use vitrion_core::phases::Phases;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame};

fn rock_salt(seed: u64) -> Structure {
    let cell = Cell::orthorhombic([5.0; 3]).expect("a box");
    let sites = vec![
        [0.0, 0.0, 0.0],
        [2.5, 2.5, 0.0],
        [2.5, 0.0, 2.5],
        [0.0, 2.5, 2.5],
        [2.5, 0.0, 0.0],
        [0.0, 2.5, 0.0],
        [0.0, 0.0, 2.5],
        [2.5, 2.5, 2.5],
    ];
    let symbols = ["Li", "Li", "Li", "Li", "S", "S", "S", "S"];
    let one = Structure::new(cell, &symbols, sites).expect("elements");
    let mut all = supercell::repeat(&one, [2; 3]);
    let mut random = rng::at(seed, Stream::Testing, 41, 0);
    for x in all.positions.as_flattened_mut() {
        *x += 0.1 * random.normal();
    }
    all
}

fn found(frames: &[Frame], settings: VoronoiSettings) -> Observables {
    let first = &frames[0].structure;
    let analysis = VoronoiVolumes::new(settings, first).unwrap_or_else(|error| panic!("{error}"));
    let mut pass = Pass::new(first.table.clone(), vec![Box::new(analysis)]);
    pass.add(frames).expect("good frames");
    pass.finish().expect("frames").remove(0)
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}")).value
}

#[test]
fn volumes_by_element_phase_and_environment_add_up() {
    let frames: Vec<Frame> = (0..12)
        .map(|seed| {
            let mut structure = rock_salt(seed);
            let half = |k: usize| if k < 32 { "glass" } else { "crystal" };
            let names: Vec<&str> = (0..64).map(half).collect();
            structure.phases = Some(Phases::new(&names).expect("names").into());
            structure.into()
        })
        .collect();
    let phases = vec!["glass".to_owned(), "crystal".to_owned()];
    let found = found(&frames, VoronoiSettings { phases, ..Default::default() });
    let mean = 0.5 * (value(&found, "volume_Li_a3") + value(&found, "volume_S_a3"));
    assert!((mean - 1000.0 / 64.0).abs() < 1e-9, "{mean}");
    let by_phase =
        0.5 * (value(&found, "volume_Li_glass_a3") + value(&found, "volume_Li_crystal_a3"));
    assert!((by_phase - value(&found, "volume_Li_a3")).abs() < 1e-9);
    assert!((value(&found, "faces_Li") - 14.0).abs() < 4.0);
    let curve = found.curve("distribution_Li").expect("there");
    let total: f64 = curve.y.iter().sum::<f64>() * 0.25;
    assert!((total - 1.0).abs() < 1e-9, "{total}");
    let by_ligands = &found.categories[0];
    assert!(by_ligands.names.contains(&"6".to_owned()), "{:?}", by_ligands.names);
    assert!(by_ligands.values.iter().all(|v| (10.0..25.0).contains(v)));
}

#[test]
fn radii_give_large_atoms_more_room() {
    let frame: Frame = rock_salt(1).into();
    let radii = vec![("Li".to_owned(), 0.7), ("S".to_owned(), 1.8)];
    let radical =
        found(std::slice::from_ref(&frame), VoronoiSettings { radii, ..Default::default() });
    let plain = found(&[frame], VoronoiSettings::default());
    assert!(value(&radical, "volume_S_a3") > value(&plain, "volume_S_a3") + 2.0);
    let mean = 0.5 * (value(&radical, "volume_Li_a3") + value(&radical, "volume_S_a3"));
    assert!((mean - 1000.0 / 64.0).abs() < 1e-9, "{mean}");
}

#[test]
fn cells_agree_with_voro() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/voronoi.json")).expect("JSON");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let vectors = |name: &str| -> Vec<[f64; 3]> {
        let list = golden[name].as_array().expect("a list");
        list.iter().map(|v| numbers(v).try_into().expect("three")).collect()
    };
    let rows: [[f64; 3]; 3] = vectors("cell").try_into().expect("three rows");
    let cell = Cell::new(rows, [true; 3]).expect("closes");
    let (positions, radii) = (vectors("positions"), numbers(&golden["radii"]));
    for (name, radii) in [("plain", None), ("radical", Some(&radii[..]))] {
        let mut cells = Tessellation::default();
        cells.make(0, &cell, &positions, radii).expect("a good frame");
        let volumes = numbers(&golden[name]["volumes"]);
        let areas = numbers(&golden[name]["areas"]);
        for atom in 0..positions.len() {
            assert!((cells.volumes()[atom] - volumes[atom]).abs() < 1e-8, "{name} {atom}");
            let area: f64 = cells.faces(atom).iter().map(|face| face.area).sum();
            assert!((area - areas[atom]).abs() < 1e-7, "{name} {atom}: {area} {}", areas[atom]);
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let structure = rock_salt(0);
    let refused = |settings: VoronoiSettings| {
        VoronoiVolumes::new(settings, &structure).expect_err("bad").to_string()
    };
    let text = refused(VoronoiSettings { bin: 0.0, ..Default::default() });
    assert!(text.contains("bin is 0 Å³"), "{text}");
    let one = vec![("Li".to_owned(), 0.7)];
    let text = refused(VoronoiSettings { radii: one, ..Default::default() });
    assert!(text.contains("none for S"), "{text}");
    let other = vec![("Na".to_owned(), 0.7)];
    let text = refused(VoronoiSettings { radii: other, ..Default::default() });
    assert!(text.contains("no atom of species Na"), "{text}");
}
