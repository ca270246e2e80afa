//! Trajectories: any number of ranks, frozen atoms, restarts.

use super::bench::{BEGIN, TYPES, data};
use super::{crystal, host, native, tiny};
use vitrion_core::math;
use vitrion_core::{Structure, Vector3};
use vitrion_model::builtin;

/// Potential and thermo columns.
const STYLE: &str = "pair_style vitrion builtin:li-p-s-fast precision double\npair_coeff * * Li P S\n\
                     thermo 10\nthermo_style custom step pe etotal press vol\n\
                     thermo_modify format float %.17g norm no\n";
const DUMP: &str =
    "dump d all custom 10 dump id xu yu zu vx vy vz\ndump_modify d format float %.17g\n";
/// eV per amu·(Å/ps)² in LAMMPS (`mvv2e` of metal units).
const MVV2E: f64 = 1.0364269e-4;
const HOT: &str = "velocity all create 900 4711 loop geom\ntimestep 0.001\n";

fn difference(a: &[Vec<f64>], b: &[Vec<f64>], columns: std::ops::Range<usize>) -> f64 {
    assert_eq!(a.len(), b.len());
    let rows = a.iter().zip(b);
    let each = rows.flat_map(|(a, b)| a[columns.clone()].iter().zip(&b[columns.clone()]));
    each.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn nve_is_velocity_verlet_with_the_program_s_own_forces() {
    let Some(host) = host() else { return };
    let (model, start) =
        (builtin::named("li-p-s-fast").expect("in the library"), crystal([1, 1, 1]));
    for structure in [start, tiny()] {
        let input = format!("{BEGIN}{STYLE}{HOT}{DUMP}fix 1 all nve\nrun 50\n");
        let outcome = host.run(2, &[("data", data(&structure))], &input).succeeded();
        let frames = outcome.dump("dump");
        let first = &frames[0];
        let mut moving = Structure {
            positions: first.iter().map(|row| [row[0], row[1], row[2]]).collect(),
            ..structure.clone()
        };
        let mut v: Vec<Vector3> = first.iter().map(|row| [row[3], row[4], row[5]]).collect();
        let masses: Vec<f64> = (0..moving.len()).map(|i| mass(moving.symbol(i))).collect();
        let dt = 1e-3;
        let mut forces = native(&model, &moving).forces;
        for _ in 0..50 {
            for i in 0..moving.len() {
                let kick = 0.5 * dt / (masses[i] * MVV2E);
                v[i] = math::add(v[i], math::scale(forces[i], kick));
                moving.positions[i] = math::add(moving.positions[i], math::scale(v[i], dt));
            }
            forces = native(&model, &moving).forces;
            for i in 0..moving.len() {
                let kick = 0.5 * dt / (masses[i] * MVV2E);
                v[i] = math::add(v[i], math::scale(forces[i], kick));
            }
        }
        let last = frames.last().expect("frames");
        for (i, row) in last.iter().enumerate() {
            for c in 0..3 {
                assert!((row[c] - moving.positions[i][c]).abs() < 1e-9, "atom {i}: {row:?}");
                assert!((row[3 + c] - v[i][c]).abs() < 1e-7, "atom {i}: {row:?}");
            }
        }
    }
}

/// As in the data file [amu].
fn mass(symbol: &str) -> f64 {
    match symbol {
        "Li" => 6.94,
        "P" => 30.973761998,
        _ => 32.06,
    }
}

#[test]
fn trajectories_do_not_depend_on_the_number_of_ranks() {
    let Some(host) = host() else { return };
    let ensembles = [
        "fix 1 all nve\n",
        "fix 1 all npt temp 900 900 0.1 tri 0 0 1.0\n",
        "fix 1 all npt temp 900 300 0.1 iso 0 1000 1.0\n",
    ];
    let structure = crystal([1, 2, 2]);
    for ensemble in ensembles {
        let input = format!("{BEGIN}{STYLE}{HOT}{DUMP}{ensemble}run 60\n");
        let runs = [1, 2, 4]
            .map(|ranks| host.run(ranks, &[("data", data(&structure))], &input).succeeded());
        let [one, two, four] = runs.map(|run| (run.thermo(), run.dump("dump")));
        for other in [two, four] {
            let energies = difference(&one.0, &other.0, 1..3);
            assert!(energies < 1e-7, "{ensemble}: {energies:e} eV");
            let volumes = difference(&one.0, &other.0, 4..5);
            assert!(volumes < 1e-6, "{ensemble}: {volumes:e} Å^3");
            for (a, b) in one.1.iter().zip(&other.1) {
                let far = difference(a, b, 0..3);
                assert!(far < 1e-8, "{ensemble}: {far:e} Å");
            }
        }
    }
}

#[test]
fn frozen_atoms_stay_and_act_on_the_others() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 1]);
    let input = format!(
        "{BEGIN}{STYLE}{HOT}group ice type 2 3\ngroup free type 1\nvelocity ice set 0 0 0\n\
         fix 0 ice setforce 0 0 0\nfix 1 free nve\ncompute f all property/atom fx fy fz\n\
         dump d all custom 10 dump id xu yu zu fx fy fz\ndump_modify d format float %.17g\nrun 30\n"
    );
    let outcome = host.run(2, &[("data", data(&structure))], &input).succeeded();
    let frames = outcome.dump("dump");
    let (first, last) = (&frames[0], frames.last().expect("frames"));
    let model = builtin::named("li-p-s-fast").expect("in the library");
    let positions = last.iter().map(|row| [row[0], row[1], row[2]]).collect();
    let exact = native(&model, &Structure { positions, ..structure.clone() });
    for (atom, row) in last.iter().enumerate() {
        let free = structure.symbol(atom) == "Li";
        assert_eq!(free, row[..3] != first[atom][..3], "atom {atom}");
        for c in 0..3 {
            let expected = if free { exact.forces[atom][c] } else { 0.0 };
            assert!((row[3 + c] - expected).abs() < 1e-9, "atom {atom}: {row:?}");
        }
    }
}

#[test]
fn a_restart_goes_on_as_if_nothing_had_happened() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 2]);
    let files = [("data", data(&structure))];
    let whole =
        format!("{BEGIN}{STYLE}{HOT}{DUMP}fix 1 all npt temp 900 900 0.1 tri 0 0 1.0\nrun 40\n");
    let whole = host.run(2, &files, &whole).succeeded();
    let half = format!(
        "{BEGIN}{STYLE}{HOT}fix 1 all npt temp 900 900 0.1 tri 0 0 1.0\nrun 20\nwrite_restart half\n"
    );
    let half = host.run(2, &files, &half).succeeded();
    let rest = format!(
        "read_restart half\n{{plugin}}\n{STYLE}timestep 0.001\n{DUMP}\
         fix 1 all npt temp 900 900 0.1 tri 0 0 1.0\nrun 20\n"
    );
    let rest = host.go_on(half, 4, &rest).succeeded();
    let (whole, rest) = (whole.dump("dump"), rest.dump("dump"));
    let far = difference(whole.last().expect("frames"), rest.last().expect("frames"), 0..3);
    assert!(far < 1e-8, "{far:e} Å");
}

#[test]
fn threads_and_atoms_that_change_their_type_give_what_a_new_start_gives() {
    let Some(host) = host() else { return };
    let structure = crystal([1, 1, 1]);
    // types change between two neighbour lists
    let input = format!(
        "{BEGIN}pair_style vitrion builtin:li-p-s-fast precision double threads 2\npair_coeff * * Li P S\n\
         fix 1 all nve\nfix s all atom/swap 5 20 4711 50000 types 1 3 semi-grand no ke no\ntimestep 0.0001\n\
         thermo 10\nthermo_style custom step pe f_s[2]\nthermo_modify format float %.17g norm no\n\
         dump d all custom 10 dump id type x y z fx fy fz\ndump_modify d format float %.17g\nrun 10\n"
    );
    let outcome = host.run(1, &[("data", data(&structure))], &input).succeeded();
    let last = outcome.thermo().pop().expect("a row");
    assert!(last[2] > 0.0, "no swap was accepted: {last:?}");
    let frame = outcome.dump("dump").pop().expect("a frame");
    let symbols: Vec<&str> = frame.iter().map(|row| TYPES[row[0] as usize - 1]).collect();
    let positions = frame.iter().map(|row| [row[1], row[2], row[3]]).collect();
    let swapped = Structure::new(structure.cell.clone(), &symbols, positions).expect("elements");
    assert!((0..32).any(|atom| swapped.symbol(atom) != structure.symbol(atom)));
    let exact = native(&builtin::named("li-p-s-fast").expect("in the library"), &swapped);
    for (atom, row) in frame.iter().enumerate() {
        for c in 0..3 {
            assert!((row[4 + c] - exact.forces[atom][c]).abs() < 1e-9, "atom {atom}: {row:?}");
        }
    }
}
