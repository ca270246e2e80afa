use super::*;
use crate::pass::Accumulator;
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

fn analyse(frames: &[Frame], settings: BondAnglesSettings) -> Observables {
    let table = frames[0].structure.table.clone();
    let analysis = BondAngles::new(&table, settings).expect("good settings");
    let mut all = Accumulator::new(table, analysis);
    for frame in frames {
        all.add(frame).expect("the same atoms");
    }
    all.finish().expect("frames were added")
}

fn frame(edge: f64, symbols: &[&str], positions: Vec<Vector3>) -> Frame {
    let cell = Cell::orthorhombic([edge; 3]).expect("a box");
    Structure::new(cell, symbols, positions).expect("elements").into()
}

fn value(found: &Observables, name: &str) -> f64 {
    found.estimate(name).unwrap_or_else(|| panic!("no {name}")).value
}

#[test]
fn a_perfect_tetrahedron_has_the_angle_of_a_tetrahedron() {
    // on a corner of the cell, so that bonds cross its faces
    let d = 2.05 / 3.0_f64.sqrt();
    let mut r = vec![[0.0; 3]];
    r.extend([[d, d, d], [d, -d, -d], [-d, d, -d], [-d, -d, d]]);
    let found =
        analyse(&[frame(12.0, &["P", "S", "S", "S", "S"], r)], BondAnglesSettings::default());
    let exact = (-1.0_f64 / 3.0).acos().to_degrees();
    assert!((value(&found, "angle_S_P_S_deg") - exact).abs() < 1e-9);
    assert!(value(&found, "angle_sd_S_P_S_deg") < 1e-5);
    assert!((value(&found, "angles_per_S_P_S") - 6.0).abs() < 1e-12);
    assert!((value(&found, "q_tet_P_S") - 1.0).abs() < 1e-12);
    assert!(value(&found, "q_tet_missing_P_S").abs() < 1e-12);
    let curve = found.curve("p_S_P_S").expect("there are angles");
    let integral: f64 = curve.y.iter().sum();
    assert!((integral - 1.0).abs() < 1e-12 && (curve.y[109] - 1.0).abs() < 1e-12);
    let order = found.curve("p_q_tet_P_S").expect("a tetrahedron");
    assert!((order.x[0] - 0.01).abs() < 1e-12 && order.x.len() == 50, "nothing below 0");
    assert!((order.y[49] * 0.02 - 1.0).abs() < 1e-12, "all in the last bin");
}

#[test]
fn directions_at_random_have_no_preferred_angle_and_no_order() {
    // independent atoms: every ligand at an independent direction from its centre
    let mut random = rng::at(7, Stream::Testing, 0, 0);
    let (mut symbols, mut positions) = (Vec::new(), Vec::new());
    for k in 0..1000 {
        let center = [k % 10, k / 10 % 10, k / 100].map(|n| 8.0 * f64::from(n));
        symbols.push("P");
        positions.push(center);
        for _ in 0..4 {
            let v: Vector3 = std::array::from_fn(|_| random.normal());
            let scale = 2.0 / math::norm(v);
            symbols.push("S");
            positions.push(std::array::from_fn(|k| center[k] + scale * v[k]));
        }
    }
    let settings = BondAnglesSettings { bin: 15.0, ..BondAnglesSettings::default() };
    let found = analyse(&[frame(80.0, &symbols, positions)], settings);
    let curve = found.curve("relative_S_P_S").expect("there are angles");
    for (x, y) in curve.x.iter().zip(&curve.y) {
        // 6000 angles of 2 × 4000 directions: twice the Poisson error is generous
        let share = (x.to_radians().sin() * 15.0_f64.to_radians() / 2.0).max(1e-3);
        let error = (1.0 / (6000.0 * share)).sqrt();
        assert!((y - 1.0).abs() < 5.0 * error, "{x}°: {y} ± {error}");
    }
    // mean 0, standard deviation of one centre about 0.49
    assert!(value(&found, "q_tet_P_S").abs() < 5.0 * 0.5 / 1000.0_f64.sqrt());
    let order = found.curve("p_q_tet_P_S").expect("all centres");
    assert!(order.x[0] < -1.0 && order.y[0] > 0.0, "it begins where the first centre is");
    assert!((order.y.iter().sum::<f64>() * 0.02 - 1.0).abs() < 1e-12);
}

#[test]
fn angles_are_those_of_all_pairs_of_bonds_in_random_cells() {
    for seed in 0..10 {
        let cell = vitrion_core::testing::systems::random_cell(seed, 5.0, 9.0);
        let structure = vitrion_core::testing::systems::random_structure(
            seed,
            &["Li", "P", "S"],
            18,
            cell,
            1.4,
        );
        let found = analyse(&[structure.clone().into()], BondAnglesSettings::default());
        let pairs =
            vitrion_core::neighbors::brute_force::pairs(&structure.cell, &structure.positions, 3.2);
        let (mut count, mut sum) = (0.0, 0.0);
        for center in structure.atoms_of("Li") {
            let bonds: Vec<Vector3> = pairs.pairs[pairs.offsets[center]..pairs.offsets[center + 1]]
                .iter()
                .filter(|pair| structure.symbol(pair.j as usize) == "S")
                .map(|pair| {
                    let (cell, r) = (&structure.cell, &structure.positions);
                    vitrion_core::neighbors::pair_vector(cell, r, center, *pair)
                })
                .collect();
            for (k, u) in bonds.iter().enumerate() {
                for v in &bonds[..k] {
                    let cosine = math::dot(*u, *v) / (math::norm(*u) * math::norm(*v));
                    count += 1.0;
                    sum += cosine.acos().to_degrees();
                }
            }
        }
        if count > 0.0 {
            let mean = value(&found, "angle_S_Li_S_deg");
            assert!((mean - sum / count).abs() < 1e-9, "seed {seed}: {mean}");
        }
    }
}

#[test]
fn triplets_without_bonds_are_refused() {
    let table = Arc::new(SpeciesTable::new(&["Li", "P", "S"]).expect("elements"));
    let triplet = ["Li", "P", "Li"].map(str::to_owned);
    let settings = BondAnglesSettings { triplets: vec![triplet], ..BondAnglesSettings::default() };
    let text = BondAngles::new(&table, settings).expect_err("no Li–P bond").to_string();
    assert!(text.contains("Li-P-Li without a cut-off"), "{text}");
    let settings = BondAnglesSettings { bin: 0.0, ..BondAnglesSettings::default() };
    let text = BondAngles::new(&table, settings).expect_err("no width").to_string();
    assert!(text.contains("bin is 0°"), "{text}");
    let argon = Arc::new(SpeciesTable::new(&["Ar"]).expect("an element"));
    let text =
        BondAngles::new(&argon, BondAnglesSettings::default()).expect_err("nothing").to_string();
    assert!(text.contains("none are usual for Ar"), "{text}");
}
