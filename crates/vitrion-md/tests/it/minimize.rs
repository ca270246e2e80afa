//! FIRE against the known minima of crystals.

use crate::potentials::LennardJones;
use crate::systems::crystal;
use vitrion_core::units::EV_PER_A3_IN_GPA;
use vitrion_core::{Cell, Structure, math};
use vitrion_md::{Coupling, MinimizeSettings, minimize};

fn argon() -> LennardJones {
    LennardJones::new(&["Ar"], 0.0103, 3.4, 5.4, true)
}

fn sharp(coupling: Option<Coupling>) -> MinimizeSettings {
    MinimizeSettings {
        force_tolerance: 1e-7,
        stress_tolerance: 1e-9,
        coupling,
        ..MinimizeSettings::default()
    }
}

/// Energy per atom of the perfect face-centred cubic crystal with edge `a`.
fn perfect(a: f64) -> f64 {
    let positions =
        vec![[0.0; 3], [0.0, a / 2.0, a / 2.0], [a / 2.0, 0.0, a / 2.0], [a / 2.0, a / 2.0, 0.0]];
    let cell = Cell::orthorhombic([a; 3]).expect("a cube");
    let structure = Structure::new(cell, &["Ar"; 4], positions).expect("argon");
    let settings = MinimizeSettings { steps: 0, ..MinimizeSettings::default() };
    let found = minimize(&structure, &mut argon(), &settings, &mut |_| true).expect("a crystal");
    found.energy / 4.0
}

/// The edge of least energy, by bisection of its slope.
fn best_edge() -> f64 {
    let (mut low, mut high) = (5.0, 5.6);
    for _ in 0..60 {
        let a = 0.5 * (low + high);
        if perfect(a + 1e-5) > perfect(a - 1e-5) { high = a } else { low = a }
    }
    0.5 * (low + high)
}

#[test]
fn a_jittered_crystal_finds_its_sites_again() {
    let initial = crystal(2, 5.35, &["Ar"], 60.0).structure;
    let mut energies = Vec::new();
    let found = minimize(&initial, &mut argon(), &sharp(None), &mut |p| {
        energies.push(p.enthalpy);
        true
    })
    .expect("a crystal");
    assert!(found.converged && found.last.force < 1e-7, "{:?}", found.last);
    assert!((found.energy / 32.0 - perfect(5.35)).abs() < 1e-10);
    assert_eq!(found.structure.cell, initial.cell);
    assert!(energies.len() as u64 == found.last.step + 1 && energies.len() < 600);
}

#[test]
fn a_strained_cell_relaxes_to_the_lattice_constant() {
    let mut initial = crystal(2, 5.35, &["Ar"], 60.0).structure;
    // 3 % longer along x, sheared by 2 %
    let strain = [[1.03, 0.02, 0.0], [0.0, 0.98, 0.0], [0.0, 0.0, 1.01]];
    initial.cell =
        Cell::new(math::matmul(initial.cell.matrix(), &strain), [true; 3]).expect("a cell");
    initial.positions.iter_mut().for_each(|r| *r = math::row_times(*r, &strain));
    let settings = sharp(Some(Coupling::TRICLINIC));
    let found = minimize(&initial, &mut argon(), &settings, &mut |_| true).expect("a crystal");
    assert!(found.converged, "{:?}", found.last);
    let edge = 2.0 * best_edge();
    for length in found.structure.cell.lengths() {
        assert!((length - edge).abs() < 1e-5, "{length}, not {edge}");
    }
    for angle in found.structure.cell.angles() {
        assert!((angle - 90.0).abs() < 1e-4, "{angle}°");
    }
    assert!(found.stress.iter().flatten().all(|s| s.abs() < 1e-8));
}

#[test]
fn pressure_and_fixed_axes_are_kept() {
    let initial = crystal(2, 5.35, &["Ar"], 60.0).structure;
    let pressure = 0.5 / EV_PER_A3_IN_GPA;
    let coupling = Coupling::from_name("xy").expect("axes");
    let settings = MinimizeSettings { pressure, ..sharp(Some(coupling)) };
    let found = minimize(&initial, &mut argon(), &settings, &mut |_| true).expect("a crystal");
    assert!(found.converged, "{:?}", found.last);
    let [x, y, z] = found.structure.cell.lengths();
    assert!((z - 10.7).abs() < 1e-12 && x < 10.69 && (x - y).abs() < 1e-9, "{x} {y} {z}");
    let mean = 0.5 * (found.stress[0][0] + found.stress[1][1]);
    assert!((mean + pressure).abs() < 1e-8, "{mean} and {pressure}");
}

#[test]
fn a_minimisation_can_be_ended_and_bad_settings_are_refused() {
    let initial = crystal(2, 5.35, &["Ar"], 60.0).structure;
    let found =
        minimize(&initial, &mut argon(), &sharp(None), &mut |p| p.step < 3).expect("a crystal");
    assert!(!found.converged && found.last.step == 3);
    let settings = MinimizeSettings { force_tolerance: 0.0, ..MinimizeSettings::default() };
    let error = minimize(&initial, &mut argon(), &settings, &mut |_| true).expect_err("zero");
    assert!(error.to_string().contains("force_tolerance is 0 eV/Å"), "{error}");
}
