//! `pair_style kim` in LAMMPS, with MPI.

use crate::collection::{Collection, DOUBLE, MIXED};
use crate::{native, structure};
use vitrion_core::Structure;
use vitrion_core::frame::Frame;
use vitrion_core::io::{self, CreateOptions, ReadOptions};
use vitrion_core::{Vector3, math};

/// bar·Å³ per eV in LAMMPS (`nktv2p` of metal units).
const NKTV2P: f64 = 1.6021765e6;
/// eV in kcal/mol.
const KCAL_PER_MOL: f64 = 23.060_548;

#[expect(clippy::print_stdout, reason = "skips are counted")]
fn collection() -> Option<Collection> {
    if std::env::var_os("VITRION_TEST_KIM").is_none() {
        println!("SKIPPED: no KIM API and LAMMPS here (VITRION_TEST_KIM)");
        return None;
    }
    Some(Collection::new())
}

/// What LAMMPS says about an input after `kim init`, and its files in the folder of the collection.
fn run(collection: &Collection, ranks: usize, init: &str, rest: &str) -> String {
    let path = collection.path().join("start.data");
    let options = CreateOptions { overwrite: true, ..CreateOptions::default() };
    let mut sink = io::create(&path, &options).expect("a data file");
    sink.write(&Frame::from(structure())).and_then(|()| sink.finish()).expect("written");
    let input = format!(
        "kim init {init}\natom_style atomic\nbox tilt large\nread_data start.data\n\
         kim interactions Li P S\n{rest}"
    );
    std::fs::write(collection.path().join("in"), input).expect("written");
    let mut call = collection.command("mpirun");
    call.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string(), "lmp"]);
    let output = call.args(["-in", "in", "-log", "log"]).output().expect("mpirun is there");
    let (out, err) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err))
}

/// Numbers of the last row of the first thermo table.
fn thermo(text: &str) -> Vec<f64> {
    let (_, table) = text.split_once("\nStep ").unwrap_or_else(|| panic!("no table in {text}"));
    let rows = table.lines().skip(1).map_while(|line| {
        line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>()
    });
    rows.last().expect("a row")
}

fn forces(collection: &Collection, name: &str) -> Vec<Vector3> {
    let frames = io::read_all(&collection.path().join(name), &ReadOptions::default());
    let last = frames.expect("a dump").pop().expect("a frame");
    last.labels.forces.expect("forces")
}

const PRINT: &str = "thermo_style custom step pe pxx pyy pzz pxy pxz pyz vol etotal\n\
                     thermo_modify norm no format float %.17g\n";
const DUMP: &str = "dump d all custom 10 d.lammpstrj id element x y z fx fy fz\n\
                    dump_modify d element Li P S sort id format float %.17g\n";

#[test]
fn energy_forces_and_pressure_are_those_of_vitrion_on_any_number_of_ranks() {
    let Some(collection) = collection() else { return };
    let structure = structure();
    let exact = native(&structure);
    for ranks in [1, 2, 4] {
        let text =
            run(&collection, ranks, &format!("{DOUBLE} metal"), &format!("{PRINT}{DUMP}run 0\n"));
        let row = thermo(&text);
        assert!((row[1] - exact.energy).abs() < 1e-8, "{} eV, {} eV", row[1], exact.energy);
        let order = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];
        for (pressure, (a, b)) in row[2..8].iter().zip(order) {
            let w = pressure * row[8] / NKTV2P;
            assert!((w - exact.virial[a][b]).abs() < 1e-7, "W[{a}][{b}]: {w} eV");
        }
        for (atom, (found, exact)) in
            forces(&collection, "d.lammpstrj").iter().zip(&exact.forces).enumerate()
        {
            let d = math::norm(math::sub(*found, *exact));
            assert!(d < 1e-9, "atom {atom} on {ranks} ranks: {d:e} eV/Å");
        }
    }
}

#[test]
fn dynamics_conserve_energy_and_do_not_depend_on_ranks() {
    let Some(collection) = collection() else { return };
    let dynamics = format!(
        "{PRINT}{DUMP}velocity all create 300 4711 loop geom\ntimestep 0.0002\nfix 1 all nve\nthermo 50\nrun 50\n"
    );
    let last = |ranks: usize| -> (Vec<f64>, Structure) {
        let text = run(&collection, ranks, &format!("{DOUBLE} metal"), &dynamics);
        let (_, after) = text.rsplit_once("Time step").unwrap_or_else(|| panic!("{text}"));
        let rows: Vec<Vec<f64>> = after
            .lines()
            .filter_map(|line| line.split_whitespace().map(|word| word.parse().ok()).collect())
            .filter(|row: &Vec<f64>| row.len() == 10)
            .collect();
        let [first, end] = rows.as_slice() else { panic!("{text}") };
        assert!((first[9] - end[9]).abs() < 2e-3, "{} to {} eV", first[9], end[9]);
        let frames = io::read_all(&collection.path().join("d.lammpstrj"), &ReadOptions::default());
        (end.clone(), frames.expect("a dump").pop().expect("a frame").structure)
    };
    let ((one, a), (two, b)) = (last(1), last(2));
    assert!((one[9] - two[9]).abs() < 1e-6, "{} eV, {} eV", one[9], two[9]);
    for (x, y) in a.positions.iter().zip(&b.positions) {
        let d = math::norm(a.cell.minimum_image(math::sub(*x, *y)));
        assert!(d < 1e-6, "{d:e} Å");
    }
}

#[test]
fn other_units_and_mixed_precision() {
    let Some(collection) = collection() else { return };
    let exact = native(&structure());
    let real = thermo(&run(&collection, 1, &format!("{DOUBLE} real"), &format!("{PRINT}run 0\n")));
    let ev = real[1] / KCAL_PER_MOL;
    assert!((ev / exact.energy - 1.0).abs() < 1e-6, "{ev} eV, {} eV", exact.energy);
    let init = format!("{MIXED} metal");
    let mixed = thermo(&run(&collection, 1, &init, &format!("{PRINT}{DUMP}run 0\n")));
    let d = (mixed[1] - exact.energy).abs();
    assert!(d > 0.0 && d < 1e-3, "{d:e} eV");
}

#[test]
fn what_is_wrong_is_said_in_the_log() {
    let Some(collection) = collection() else { return };
    let broken = collection.path().join("broken.safetensors");
    std::fs::write(&broken, "not a potential").expect("written");
    collection.install(&broken, "vitrion_broken", "double");
    let text = run(&collection, 1, "vitrion_broken metal", "run 0\n");
    assert!(text.contains("ERROR"), "{text}");
    let log = std::fs::read_to_string(collection.path().join("kim.log")).expect("KIM's log");
    assert!(log.contains("broken.safetensors: not a readable vitrion safetensors file"), "{log}");
    let text = run(
        &collection,
        1,
        &format!("{DOUBLE} metal"),
        "set atom 3 x 1 y 1 z 1\nset atom 4 x 1 y 1 z 1\nrun 0\n",
    );
    assert!(text.contains("ERROR"), "{text}");
    let log = std::fs::read_to_string(collection.path().join("kim.log")).expect("KIM's log");
    assert!(log.contains("the energy is NaN eV, the nearest neighbour at 0.0000"), "{log}");
}
