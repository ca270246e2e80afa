//! `pair_style kim` in LAMMPS, with MPI.

use crate::collection::{Collection, DOUBLE, MIXED, installer, potential};
use crate::{displaced_crystal, native, structure};
use std::process::Command;
use vitrion_core::frame::Frame;
use vitrion_core::io::{self, CreateOptions, ReadOptions};
use vitrion_core::units::{ACCELERATION_PER_FORCE, BOHR, HARTREE};
use vitrion_core::{Cell, Evaluation, Structure, Vector3, math};

/// bar·Å³ per eV in LAMMPS (`nktv2p` of metal units).
const NKTV2P: f64 = 1.6021765e6;
/// eV in kcal/mol.
const KCAL_PER_MOL: f64 = 23.060_548;
/// Pairs of axes in the order of LAMMPS.
const TENSOR: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];

const INTERACTIONS: &str = "kim interactions Li P S\n";
const PRINT: &str = "thermo_style custom step pe pxx pyy pzz pxy pxz pyz vol etotal\n\
                     thermo_modify norm no format float %.17g\n";
const DUMP: &str = "dump d all custom 10 d.lammpstrj id element x y z fx fy fz\n\
                    dump_modify d element Li P S sort id format float %.17g\n";

#[expect(clippy::print_stdout, reason = "skips are counted")]
fn collection() -> Option<Collection> {
    if std::env::var_os("VITRION_TEST_KIM").is_none() {
        println!("SKIPPED: no KIM API and LAMMPS here (VITRION_TEST_KIM)");
        return None;
    }
    Some(Collection::new())
}

/// `kim init`
fn init(name: &str, units: &str) -> String {
    format!("kim init {name} {units}\n")
}

/// What LAMMPS says of lines before and after it has read the structure; its files are in the folder of the collection.
fn run(
    collection: &Collection,
    ranks: usize,
    structure: &Structure,
    (before, after): (&str, &str),
) -> String {
    let path = collection.path().join("start.data");
    let options = CreateOptions { overwrite: true, ..CreateOptions::default() };
    let mut sink = io::create(&path, &options).expect("a data file");
    sink.write(&Frame::from(structure.clone())).and_then(|()| sink.finish()).expect("written");
    let input = format!("{before}atom_style atomic\nbox tilt large\nread_data start.data\n{after}");
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

/// The last frame of the dump.
fn dumped(collection: &Collection) -> Frame {
    let path = collection.path().join("d.lammpstrj");
    let frames = io::read_all(&path, &ReadOptions::default());
    frames.expect("a dump").pop().expect("a frame")
}

/// The largest |a − b|.
fn largest_difference(a: &[Vector3], b: &[Vector3]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| math::norm(math::sub(*a, *b))).fold(0.0, f64::max)
}

/// Energy, virial and forces of a run in metal units are those of `exact`.
fn assert_same(collection: &Collection, ranks: usize, text: &str, exact: &Evaluation) {
    let row = thermo(text);
    assert!((row[1] - exact.energy).abs() < 1e-8, "{} eV, {} eV", row[1], exact.energy);
    for (pressure, (a, b)) in row[2..8].iter().zip(TENSOR) {
        let w = pressure * row[8] / NKTV2P;
        assert!((w - exact.virial[a][b]).abs() < 1e-7, "W[{a}][{b}]: {w} eV");
    }
    let forces = dumped(collection).labels.forces.expect("forces");
    let d = largest_difference(&forces, &exact.forces);
    assert!(d < 1e-9, "{ranks} ranks: {d:e} eV/Å");
}

#[test]
fn energy_forces_and_pressure_are_those_of_vitrion_on_any_number_of_ranks() {
    let Some(collection) = collection() else { return };
    let kim = init(DOUBLE, "metal");
    // the same as LAMMPS sees it without its commands for KIM
    let plain = "units metal\nnewton on\n";
    let pair = format!("pair_style kim {DOUBLE}\npair_coeff * * Li P S\n");
    for (structure, before, interactions) in
        [(structure(), kim.as_str(), INTERACTIONS), (displaced_crystal(), plain, pair.as_str())]
    {
        let exact = native(&structure);
        for ranks in [1, 2, 4] {
            let after = format!("{interactions}{PRINT}{DUMP}run 0\n");
            let text = run(&collection, ranks, &structure, (before, &after));
            assert_same(&collection, ranks, &text, &exact);
        }
    }
}

#[test]
fn ranks_without_atoms_do_no_harm() {
    let Some(collection) = collection() else { return };
    // all atoms in the first quarter of the box, and the third quarter beyond reach of ghosts
    let Structure { positions, .. } = structure();
    let cell = Cell::orthorhombic([80.0, 80.0, 80.0]).expect("a cube");
    let structure = Structure { cell, ..structure() };
    let (low, high) = (0..structure.len()).fold((f64::MAX, f64::MIN), |(low, high), i| {
        (positions[i][0].min(low), positions[i][0].max(high))
    });
    let positions =
        positions.iter().map(|r| [r[0] - low + 1.0, r[1] + 30.0, r[2] + 30.0]).collect();
    assert!(high - low < 18.0);
    let structure = Structure { positions, ..structure };
    let before = format!("{}processors 4 1 1\n", init(DOUBLE, "metal"));
    let after = format!("{INTERACTIONS}{PRINT}{DUMP}run 0\n");
    let text = run(&collection, 4, &structure, (&before, &after));
    assert_same(&collection, 4, &text, &native(&structure));
}

#[test]
fn energies_and_virials_of_atoms_are_those_of_vitrion() {
    let Some(collection) = collection() else { return };
    let structure = structure();
    let exact = native(&structure);
    let after = format!(
        "{INTERACTIONS}compute e all pe/atom\ncompute s all stress/atom NULL virial\n\
         dump p all custom 1 atoms id c_e c_s[1] c_s[2] c_s[3] c_s[4] c_s[5] c_s[6]\n\
         dump_modify p sort id format float %.17g\nrun 0\n"
    );
    for ranks in [1, 4] {
        let text = run(&collection, ranks, &structure, (&init(DOUBLE, "metal"), &after));
        let dump = std::fs::read_to_string(collection.path().join("atoms"));
        let dump = dump.unwrap_or_else(|_| panic!("{text}"));
        let (_, rows) = dump.split_once("ITEM: ATOMS").expect("a dump");
        let rows: Vec<Vec<f64>> = rows
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().map(|w| w.parse().expect("a number")).collect())
            .collect();
        assert_eq!(rows.len(), structure.len());
        for (atom, row) in rows.iter().enumerate() {
            let d = row[1] - exact.atom_energies[atom];
            assert!(d.abs() < 1e-8, "atom {atom} on {ranks} ranks: {d:e} eV");
            let own = &exact.atom_virials[atom];
            for (stress, (a, b)) in row[2..].iter().zip(TENSOR) {
                // of two, which need not be equal for one atom, programs get the mean
                let w = f64::midpoint(own[a][b], own[b][a]);
                let d = -stress / NKTV2P - w;
                assert!(d.abs() < 1e-7, "atom {atom}, W[{a}][{b}]: {d:e} eV");
            }
        }
    }
}

/// A few steps of NVE by ourselves, from rest: the last frame and its energy [eV].
fn velocity_verlet(mut structure: Structure, step: f64, steps: usize) -> (Structure, f64) {
    let mut velocities = vec![[0.0; 3]; structure.len()];
    let mut now = native(&structure);
    for _ in 0..steps {
        for half in [true, false] {
            for (i, v) in velocities.iter_mut().enumerate() {
                let kick = 0.5 * step * ACCELERATION_PER_FORCE / structure.mass(i);
                *v = math::add(*v, math::scale(now.forces[i], kick));
                if half {
                    let r = &mut structure.positions[i];
                    *r = math::add(*r, math::scale(*v, step));
                }
            }
            if half {
                now = native(&structure);
            }
        }
    }
    (structure, now.energy)
}

#[test]
fn dynamics_are_those_of_vitrion_on_any_number_of_ranks() {
    let Some(collection) = collection() else { return };
    let start = displaced_crystal();
    let after = format!("{INTERACTIONS}{PRINT}{DUMP}timestep 0.001\nfix 1 all nve\nrun 40\n");
    let (end, energy) = velocity_verlet(start.clone(), 1.0, 40);
    let moved = largest_difference(&start.positions, &end.positions);
    assert!(moved > 0.1, "{moved} Å are no dynamics");
    for ranks in [1, 2, 4] {
        let text = run(&collection, ranks, &start, (&init(DOUBLE, "metal"), &after));
        let row = thermo(&text);
        assert!((row[1] - energy).abs() < 1e-5, "{ranks} ranks: {} eV, {energy} eV", row[1]);
        // from rest, all energy was that of the start
        assert!((row[9] - native(&start).energy).abs() < 0.05, "{} eV", row[9]);
        let found = dumped(&collection).structure.positions;
        assert_eq!(found.len(), end.len());
        for (atom, (found, exact)) in found.iter().zip(&end.positions).enumerate() {
            let d = math::norm(end.cell.minimum_image(math::sub(*found, *exact)));
            assert!(d < 1e-6, "atom {atom} on {ranks} ranks: {d:e} Å");
        }
    }
}

#[test]
fn results_are_in_the_units_of_the_program() {
    let Some(collection) = collection() else { return };
    let structure = structure();
    let exact = native(&structure);
    let after = format!("{INTERACTIONS}{PRINT}{DUMP}run 0\n");
    let real = thermo(&run(&collection, 1, &structure, (&init(DOUBLE, "real"), &after)));
    let ev = real[1] / KCAL_PER_MOL;
    assert!((ev / exact.energy - 1.0).abs() < 1e-6, "{ev} eV, {} eV", exact.energy);

    // bohr and hartree
    let scaled = Structure {
        cell: Cell::periodic(structure.cell.matrix().map(|row| row.map(|x| x / BOHR)))
            .expect("right-handed"),
        positions: structure.positions.iter().map(|r| r.map(|x| x / BOHR)).collect(),
        ..structure.clone()
    };
    let electron = thermo(&run(&collection, 2, &scaled, (&init(DOUBLE, "electron"), &after)));
    let ev = electron[1] * HARTREE;
    assert!((ev / exact.energy - 1.0).abs() < 1e-6, "{ev} eV, {} eV", exact.energy);
    let forces = dumped(&collection).labels.forces.expect("forces");
    let forces: Vec<Vector3> = forces.iter().map(|f| math::scale(*f, HARTREE / BOHR)).collect();
    let scale = exact.forces.iter().map(|f| math::norm(*f)).fold(0.0, f64::max);
    let d = largest_difference(&forces, &exact.forces);
    assert!(d < 1e-6 * scale, "{d:e} of {scale} eV/Å");
}

#[test]
fn mixed_precision_is_near_double() {
    let Some(collection) = collection() else { return };
    let structure = structure();
    let exact = native(&structure);
    let after = format!("{INTERACTIONS}{PRINT}{DUMP}run 0\n");
    let mixed = thermo(&run(&collection, 1, &structure, (&init(MIXED, "metal"), &after)));
    let d = (mixed[1] - exact.energy).abs();
    assert!(d > 0.0 && d < 1e-3, "{d:e} eV");
}

#[test]
fn the_collection_of_the_user_serves_as_well() {
    if collection().is_none() {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut call = installer(&potential(), "vitrion_of_user");
    let output = call.env("HOME", home.path()).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(home.path().join("in"), init("vitrion_of_user", "metal")).expect("written");
    let mut call = Command::new("lmp");
    call.args(["-in", "in"]).current_dir(home.path()).env("HOME", home.path());
    let output = call.output().expect("lmp is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_is_wrong_is_said_in_the_log() {
    let Some(collection) = collection() else { return };
    let structure = structure();
    let broken = collection.path().join("broken.safetensors");
    std::fs::write(&broken, "not a potential").expect("written");
    collection.install(&broken, "vitrion_broken", "double");
    let double = init(DOUBLE, "metal");
    let collapsed =
        format!("{INTERACTIONS}set atom 3 x 1 y 1 z 1\nset atom 4 x 1 y 1 z 1\nrun 0\n");
    for (before, after, program, log) in [
        (
            init("vitrion_broken", "metal"),
            INTERACTIONS,
            "ERROR",
            "broken.safetensors: not a readable vitrion safetensors file",
        ),
        (
            double.clone(),
            &collapsed,
            "ERROR",
            "the energy is NaN eV, the nearest neighbour at 0.0000",
        ),
    ] {
        let text = run(&collection, 1, &structure, (&before, after));
        assert!(text.contains(program), "{text}");
        let path = collection.path().join("kim.log");
        let found = std::fs::read_to_string(&path).expect("KIM's log");
        assert!(found.contains(log), "{found}");
        std::fs::remove_file(&path).expect("it was there");
    }
    // LAMMPS itself sees that the driver has no such element
    let text = run(&collection, 1, &structure, (&double, "kim interactions Li P Na\nrun 0\n"));
    assert!(text.contains("ERROR") && text.contains("Na"), "{text}");
}
