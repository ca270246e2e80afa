//! One evaluation: energies, forces, virials.

use super::bench::{BEGIN, TYPES, data};
use super::{FORCES, crystal, host, native, tiny};
use std::path::Path;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::{Cell, Evaluation, Structure};
use vitrion_model::builtin;

/// bar·Å³ per eV in LAMMPS (`nktv2p` of metal units).
const NKTV2P: f64 = 1.6021765e6;

/// Energy, forces, virial, per-atom energies and virials of LAMMPS are those of the program.
fn compare(name: &str, exact: &Evaluation, structure: &Structure, ranks: usize) {
    let Some(host) = host() else { return };
    let input = format!(
        "{BEGIN}pair_style vitrion {name} precision double\npair_coeff * * {}\n\
         compute e all pe/atom\ncompute s all stress/atom NULL virial\n\
         compute c all centroid/stress/atom NULL virial\ncompute w all pressure NULL virial\n\
         dump d all custom 1 dump id fx fy fz c_e c_s[*] c_c[*]\n\
         dump_modify d format float %.17g\n\
         thermo_style custom step pe c_w[*] vol\nthermo_modify format float %.17g norm no\nrun 0\n",
        TYPES.join(" ")
    );
    let outcome = host.run(ranks, &[("data", data(structure))], &input).succeeded();
    let thermo = &outcome.thermo()[0];
    let (energy, pressure, volume) = (thermo[1], &thermo[2..8], thermo[8]);
    let n = structure.len() as f64;
    assert!((energy - exact.energy).abs() < 1e-9 * n, "{energy} eV, {} eV", exact.energy);
    let scale = exact.virial.as_flattened().iter().fold(n, |s, w| s.max(w.abs()));
    let order = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];
    for (p, (a, b)) in pressure.iter().zip(order) {
        let w = p * volume / NKTV2P;
        assert!((w - exact.virial[a][b]).abs() < 1e-10 * scale, "W[{a}][{b}]: {w} eV");
    }
    let frame = &outcome.dump("dump")[0];
    assert_eq!(frame.len(), structure.len());
    for (atom, row) in frame.iter().enumerate() {
        let (force, energy, virial, centroid) = (&row[..3], row[3], &row[4..10], &row[10..19]);
        for k in 0..3 {
            let d = (force[k] - exact.forces[atom][k]).abs();
            assert!(d < FORCES, "atom {atom}: {d:e} eV/Å on {ranks} ranks");
        }
        assert!((energy - exact.atom_energies[atom]).abs() < 1e-9);
        let w = exact.atom_virials[atom];
        // LAMMPS' stress has the other sign; the centroid form is r F, ours F r
        let both = order.iter().chain(&[(1, 0), (2, 0), (2, 1)]);
        for (found, (a, b)) in centroid.iter().zip(both) {
            assert!((-found / NKTV2P - w[*b][*a]).abs() < 1e-8, "atom {atom}, [{a}][{b}]");
        }
        for (found, (a, b)) in virial.iter().zip(order) {
            let symmetric = 0.5 * (w[a][b] + w[b][a]);
            assert!((-found / NKTV2P - symmetric).abs() < 1e-8, "atom {atom}, [{a}][{b}]");
        }
    }
}

#[test]
fn a_strained_crystal_on_any_number_of_ranks() {
    let structure = crystal([1, 2, 2]);
    let exact = native(&builtin::li_p_s(), &structure);
    for ranks in [1, 2, 4] {
        compare("builtin:li-p-s", &exact, &structure, ranks);
    }
}

#[test]
fn a_cell_smaller_than_the_cut_off() {
    let model = builtin::named("li-p-s-fast").expect("it is in the library");
    let structure = tiny();
    let exact = native(&model, &structure);
    for ranks in [1, 2, 4] {
        compare("builtin:li-p-s-fast", &exact, &structure, ranks);
    }
}

/// One structure of `*.expected.json`, made by DeePMD-kit.
#[derive(serde::Deserialize)]
struct Expected {
    symbols: Vec<String>,
    cell: Matrix3,
    positions: Vec<Vector3>,
    energy: f64,
    forces: Vec<Vector3>,
    virial: Matrix3,
    atom_energy: Vec<f64>,
    atom_virial: Vec<Matrix3>,
}

impl Expected {
    /// Structure and results in the orientation of LAMMPS.
    fn turned(self) -> (Structure, Evaluation) {
        let cell = Cell::periodic(self.cell).expect("a cell");
        let (r, lower) = cell.standard_orientation().expect("right-handed");
        let turn = |v: &[Vector3]| v.iter().map(|v| math::row_times(*v, &r)).collect::<Vec<_>>();
        let tensor = |w: &Matrix3| math::matmul(&math::transpose(&r), &math::matmul(w, &r));
        let exact = Evaluation {
            energy: self.energy,
            forces: turn(&self.forces),
            virial: tensor(&self.virial),
            atom_energies: self.atom_energy,
            atom_virials: self.atom_virial.iter().map(tensor).collect(),
            want_atom_virials: true,
        };
        let cell = Cell::periodic(lower).expect("the same cell");
        let positions = turn(&self.positions);
        (Structure::new(cell, &self.symbols, positions).expect("elements"), exact)
    }
}

#[test]
fn models_of_deepmd_kit_give_the_numbers_of_deepmd_kit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vitrion-model/tests/data/deepmd");
    for file in ["one-side-tanh.dp", "two-side-tanh.dp", "tf-one-side-resnet-dt.pb"] {
        let path = folder.join(file);
        let text = std::fs::read_to_string(path.with_extension("expected.json")).expect("numbers");
        let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let all: Vec<Expected> =
            serde_json::from_value(all["structures"].clone()).expect("structures");
        for (number, expected) in all.into_iter().enumerate() {
            let (structure, exact) = expected.turned();
            compare(path.to_str().expect("UTF-8"), &exact, &structure, 1 + number % 2);
        }
    }
}

#[test]
fn types_of_another_pair_style_are_not_seen() {
    let Some(host) = host() else { return };
    // P by Lennard-Jones alone, the rest by the network
    let structure = crystal([1, 1, 1]);
    let model = builtin::named("li-p-s-fast").expect("it is in the library");
    let kept: Vec<usize> = (0..structure.len()).filter(|i| structure.symbol(*i) != "P").collect();
    let symbols: Vec<&str> = kept.iter().map(|i| structure.symbol(*i)).collect();
    let positions = kept.iter().map(|i| structure.positions[*i]).collect();
    let rest = Structure::new(structure.cell.clone(), &symbols, positions).expect("elements");
    let exact = native(&model, &rest);
    let lennard_jones = "lj/cut 6.0";
    let both = |style: &str, networks: &str| {
        format!(
            "{BEGIN}pair_style {style}\n{networks}pair_coeff 2 * lj/cut 0.01 3.0\n\
             compute w all pressure NULL virial\nthermo_style custom step pe c_w[*] vol\nthermo_modify format float %.17g norm no\n\
             dump d all custom 1 dump id fx fy fz\ndump_modify d format float %.17g\nrun 0\n"
        )
    };
    let together = both(
        &format!("hybrid vitrion builtin:li-p-s-fast precision double {lennard_jones}"),
        "pair_coeff * * vitrion Li NULL S\npair_coeff 1 2 lj/cut 0.01 3.0\n",
    );
    let alone = both(
        &format!("hybrid {lennard_jones} zero 6.5"),
        "pair_coeff * * zero\npair_coeff 1 2 lj/cut 0.01 3.0\n",
    );
    let files = [("data", data(&structure))];
    for ranks in [1, 2] {
        let together = host.run(ranks, &files, &together).succeeded();
        let alone = host.run(ranks, &files, &alone).succeeded();
        let (a, b) = (together.thermo().remove(0), alone.thermo().remove(0));
        let difference = a[1] - b[1];
        assert!((difference - exact.energy).abs() < 1e-7, "{difference} eV, {} eV", exact.energy);
        for (k, (i, j)) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].into_iter().enumerate()
        {
            let w = (a[2 + k] - b[2 + k]) * a[8] / NKTV2P;
            assert!((w - exact.virial[i][j]).abs() < 1e-7, "W[{i}][{j}]: {w} eV");
        }
        let frames = [together, alone].map(|outcome| outcome.dump("dump").remove(0));
        for (k, atom) in kept.iter().enumerate() {
            for c in 0..3 {
                let force = frames[0][*atom][c] - frames[1][*atom][c];
                assert!((force - exact.forces[k][c]).abs() < FORCES, "atom {atom}");
            }
        }
    }
}
