//! Against outputs of CP2K 2023.1 and numbers that a script read from them
//! (`tests/data/cp2k`, `scripts/references/cp2k.py`).

use super::*;
use crate::io::{Format, ReadOptions, read_all};
use serde_json::Value;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cp2k").join(name)
}

fn expected(name: &str) -> Vec<(f64, Option<Vec<Vector3>>, Matrix3)> {
    let text = std::fs::read_to_string(data("expected.json")).expect("reference numbers");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let list = all[name]["evaluations"].as_array().expect("a list").clone();
    list.into_iter()
        .map(|e| {
            let energy = e["energy_ev"].as_f64().expect("an energy");
            let forces = serde_json::from_value(e["forces_ev_per_a"].clone()).expect("forces");
            let stress = serde_json::from_value(e["pressure_ev_per_a3"].clone()).expect("3 × 3");
            (energy, forces, stress)
        })
        .collect()
}

fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * b.abs().max(1e-3)
}

#[test]
fn a_converged_single_point_gives_what_another_reader_finds() {
    for name in ["converged", "ot_outer"] {
        let path = data(&format!("{name}.out"));
        assert_eq!(Format::detect(&path).expect("known by its first lines"), Format::Cp2k);
        let frames = read_all(&path, &ReadOptions::default()).expect("good output");
        let [frame] = &frames[..] else { panic!("one frame, found {}", frames.len()) };
        let (energy, forces, stress) = &expected(name)[0];
        assert!(close(frame.labels.energy.expect("energy"), *energy, 1e-12));
        let found = frame.labels.forces.as_ref().expect("forces");
        let forces = forces.as_ref().expect("printed");
        for (f, g) in found.as_flattened().iter().zip(forces.as_flattened()) {
            assert!(close(*f, *g, 1e-9), "{f} {g}");
        }
        let volume = frame.structure.cell.volume();
        let virial = frame.labels.virial.expect("stress");
        for (w, p) in virial.as_flattened().iter().zip(stress.as_flattened()) {
            assert!(close(*w, p * volume, 1e-9), "{w} {p}");
        }
        assert_eq!(frame.structure.formula(), "SH2");
        assert!((frame.structure.cell.matrix()[1][0] - 0.3).abs() < 1e-12, "triclinic");
    }
    let outer = output::read(&data("ot_outer.out")).expect("readable");
    assert_eq!(outer.evaluations[0].scf.converged, Some(true));
    assert!(outer.evaluations[0].scf.cycles > 8, "cycles of all inner loops are counted");
    assert_eq!(outer.version.as_deref(), Some("2023.1"));
}

#[test]
fn unconverged_outputs_look_complete_and_are_refused() {
    for name in ["unconverged", "ot_unconverged", "walltime"] {
        let path = data(&format!("{name}.out"));
        let found = output::read(&path).expect("readable");
        assert!(found.ended && found.evaluations[0].forces.is_some(), "CP2K prints everything");
        assert_eq!(found.evaluations[0].scf.converged, Some(false));
        assert_eq!(found.shortage == Some(output::Shortage::Time), name == "walltime");
        let error = read_all(&path, &ReadOptions::default()).expect_err("unconverged").to_string();
        assert!(error.contains("did not converge"), "{error}");
    }
}

#[test]
fn killed_and_cut_outputs_are_named_as_such_wherever_they_end() {
    let found = output::read(&data("killed.out")).expect("readable");
    assert!(!found.ended && found.unfinished_scf && found.evaluations.is_empty());
    let error = read_all(&data("killed.out"), &ReadOptions::default()).expect_err("cut");
    assert!(error.to_string().contains("in the middle of evaluation 1"), "{error}");
    let whole = std::fs::read_to_string(data("converged.out")).expect("readable");
    let goodbye = whole.find("PROGRAM ENDED AT").expect("it ended") + "PROGRAM ENDED AT".len() - 1;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(data("converged.inp"), folder.path().join("converged.inp")).expect("copied");
    let cut = folder.path().join("cut.out");
    for end in (0..whole.len()).step_by(97).filter(|end| whole.is_char_boundary(*end)) {
        std::fs::write(&cut, &whole[..end]).expect("written");
        let Ok(found) = output::read(&cut) else { continue };
        assert_eq!(found.ended, end > goodbye, "cut at byte {end}");
        assert_eq!(read_all(&cut, &ReadOptions::default()).is_ok(), end > goodbye, "cut at {end}");
        for evaluation in &found.evaluations {
            assert!(evaluation.forces.as_ref().is_none_or(|f| f.len() == 3), "cut at byte {end}");
        }
    }
}

#[test]
fn every_kind_of_trouble_is_recognised() {
    let found = output::read(&data("no_basis.out")).expect("readable");
    let text = found.abort.expect("CP2K gave up");
    assert!(
        text.contains("The requested basis set <NO-SUCH-BASIS> for element <H> was not found"),
        "{text}"
    );
    let error = read_all(&data("no_basis.out"), &ReadOptions::default()).expect_err("aborted");
    assert!(error.to_string().contains("CP2K gave up: The requested basis set"), "{error}");
    let error = output::read(&data("too_close.out")).expect_err("stars in place of forces");
    assert!(error.to_string().contains("expected a force, found \"***"), "{error}");
    let said = std::fs::read_to_string(data("out_of_memory.err")).expect("readable");
    assert!(output::is_out_of_memory(&said));
    assert!(!output::is_out_of_memory("PROGRAM ENDED"));
}

#[test]
fn dynamics_gives_a_frame_for_each_step_with_the_stress_of_the_potential_alone() {
    let path = data("md.out");
    let frames = read_all(&path, &ReadOptions::default()).expect("good output");
    let wanted = expected("md");
    assert_eq!(frames.len(), 4);
    for (k, (frame, (energy, forces, stress))) in frames.iter().zip(&wanted).enumerate() {
        assert_eq!(frame.step, Some(k as u64));
        assert!((frame.time.expect("a time") - 0.5 * k as f64).abs() < 1e-9);
        assert!(close(frame.labels.energy.expect("energy"), *energy, 1e-12));
        // the file of forces has two digits more than the output
        let found = frame.labels.forces.as_ref().expect("forces");
        let forces = forces.as_ref().expect("printed");
        for (f, g) in found.as_flattened().iter().zip(forces.as_flattened()) {
            assert!((f - g).abs() < 5.1e-9 * units::HARTREE / units::BOHR, "{f} {g}");
        }
        let volume = frame.structure.cell.volume();
        let virial = frame.labels.virial.expect("stress");
        assert!(close(virial[2][2], stress[2][2] * volume, 1e-9));
    }
    assert!(frames[1].structure.positions != frames[0].structure.positions);
}

#[test]
fn steps_that_did_not_converge_are_left_out_and_a_restart_repeats_none() {
    let start = input::read_structure(&data("md_unconverged.inp")).expect("a structure");
    let found = dynamics(&data("md_unconverged.out"), &start).expect("readable");
    assert_eq!(found.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(found.iter().all(|(_, frame)| frame.is_none()));
    // goes on from step 3 of md: evaluates it again, writes steps 4 and 5
    let more = dynamics(&data("md_more.out"), &start).expect("readable");
    assert_eq!(more.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 5]);
    let (energy, ..) = expected("md_more")[1];
    let first = more[0].1.as_ref().expect("converged").labels.energy.expect("energy");
    assert!(close(first, energy, 1e-12));
    // files of two runs in one folder do not pass for one
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to) in [
        ("md.out", "md.out"),
        ("md.inp", "md.inp"),
        ("md_more-pos-1.xyz", "md-pos-1.xyz"),
        ("md_more-frc-1.xyz", "md-frc-1.xyz"),
    ] {
        std::fs::copy(data(from), folder.path().join(to)).expect("copied");
    }
    let error = dynamics(&folder.path().join("md.out"), &start).expect_err("mixed");
    assert!(error.to_string().contains("the files are of different runs"), "{error}");
    // nor does a trajectory that holds every second step
    let whole = std::fs::read_to_string(data("md-pos-1.xyz")).expect("readable");
    let lines: Vec<&str> = whole.lines().collect();
    let thin: Vec<&str> = lines.chunks(5).step_by(2).flatten().copied().collect();
    let thin = thin.join("\n") + "\n";
    std::fs::write(folder.path().join("md-pos-1.xyz"), thin).expect("written");
    std::fs::remove_file(folder.path().join("md-frc-1.xyz")).expect("there");
    let error = read_all(&folder.path().join("md.out"), &ReadOptions::default()).expect_err("thin");
    assert!(error.to_string().contains("does not hold every step"), "{error}");
}

#[test]
fn a_structure_goes_into_a_template_and_comes_back_exactly() {
    let template = "! mine\n&GLOBAL\n  RUN_TYPE ENERGY_FORCE\n&END GLOBAL\n&FORCE_EVAL\n  &subsys\n    \
                    &cell\n      ABC 5 5 5\n      ALPHA_BETA_GAMMA 90 90 120\n      SYMMETRY HEXAGONAL\n    \
                    &end cell\n    &COORD ! old\n      H 0 0 0\n    &END COORD\n    &KIND H\n      BASIS_SET X\n    \
                    &END KIND\n  &end subsys\n&END FORCE_EVAL\n";
    let path = Path::new("template.inp");
    let old = input::structure(template, path).expect("the structure of the template");
    assert!((old.cell.matrix()[1][0] + 2.5).abs() < 1e-12);
    let structure = input::read_structure(&data("converged.inp")).expect("a structure");
    let filled = input::with_structure(template, &structure, path).expect("a place for it");
    assert!(!filled.contains("SYMMETRY") && !filled.contains("ABC"), "{filled}");
    assert!(filled.contains("! mine") && filled.contains("BASIS_SET X"));
    let back = input::structure(&filled, path).expect("what was put in");
    assert_eq!(back.positions, structure.positions);
    assert_eq!(back.cell.matrix(), structure.cell.matrix());
}

#[test]
fn inputs_whose_atoms_come_from_elsewhere_are_refused_by_line() {
    let structure = input::read_structure(&data("converged.inp")).expect("a structure");
    let path = Path::new("template.inp");
    for (line, text) in [
        (2, "&FORCE_EVAL\n@INCLUDE 'cell.inc'\n&SUBSYS\n&END\n&END\n"),
        (3, "&FORCE_EVAL\n&SUBSYS\n&CELL\nABC ${L} 5 5\n&END\n&END\n&END\n"),
        (4, "&FORCE_EVAL\n&SUBSYS\n&TOPOLOGY\nCOORD_FILE_NAME a.xyz\n&END\n&END\n&END\n"),
        (4, "&FORCE_EVAL\n&SUBSYS\n&TOPOLOGY\n&CENTER_COORDINATES\n&END\n&END\n&END\n&END\n"),
        (4, "&FORCE_EVAL\n&SUBSYS\n&END SUBSYS\n&FORCE_EVAL\n&END\n&END\n"),
    ] {
        let error = input::with_structure(text, &structure, path).expect_err("refused").to_string();
        // the variable is in line 4
        let line = if text.contains("${L}") { 4 } else { line };
        assert!(error.starts_with(&format!("template.inp:{line}:")), "{error}");
    }
    let error = input::with_structure("&GLOBAL\n&END\n", &structure, path).expect_err("no place");
    assert!(error.to_string().contains("no &SUBSYS section"), "{error}");
}

#[test]
fn later_versions_print_other_headings() {
    // the layout of CP2K 2025, by hand from its documentation of the print sections
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new.out");
    let text = " DBCSR| CPU\n CP2K| version string:     CP2K version 2025.1\n SCF WAVEFUNCTION OPTIMIZATION\n  *** SCF \
                run converged in    12 steps ***\n ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]   -1.5\n\n \
                FORCES| Atomic forces [hartree/bohr]\n FORCES|   Atom     x     y     z    |f|\n FORCES|      1  1.0E-01  \
                -2.0E-01  0.0E+00  2.2E-01\n FORCES|      2 -1.0E-01  2.0E-01  0.0E+00  2.2E-01\n FORCES| Sum  0.0 0.0 0.0 \
                0.0\n\n STRESS| Analytical stress tensor [bar]\n STRESS|     x y z\n STRESS| x 1.0E+04 0.0 0.0\n STRESS| y 0.0 \
                2.0E+04 0.0\n STRESS| z 0.0 0.0 3.0E+04\n  PROGRAM ENDED AT\n";
    std::fs::write(&path, text).expect("written");
    let found = output::read(&path).expect("readable");
    let [e] = &found.evaluations[..] else { panic!("one evaluation") };
    assert!((e.energy + 1.5 * units::HARTREE).abs() < 1e-9 && e.scf.converged == Some(true));
    let forces = e.forces.as_ref().expect("forces");
    assert!((forces[1][1] - 0.2 * units::HARTREE / units::BOHR).abs() < 1e-9 && forces.len() == 2);
    // 1e4 bar = 1 GPa
    let stress = e.stress.expect("stress");
    assert!((stress[1][1] * units::EV_PER_A3_IN_GPA - 2.0).abs() < 1e-9);
    let other = text.replace("[bar]", "[furlongs]");
    std::fs::write(&path, other).expect("written");
    let error = output::read(&path).expect_err("no such unit").to_string();
    assert!(error.contains("a unit in brackets that vitrion knows, found \"furlongs\""), "{error}");
}

#[test]
fn outputs_of_other_people_read_the_same() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/cp2k");
    if !shared.exists() {
        println!("SKIPPED: shared data absent");
        return;
    }
    let frames = read_all(&shared.join("li2s_sp.out"), &ReadOptions::default()).expect("good");
    let labels = &frames[0].labels;
    assert!(
        (labels.energy.expect("energy") + 101.188_417_062_124_93 * units::HARTREE).abs() < 1e-9
    );
    let virial = labels.virial.expect("stress");
    let pressure = virial[0][0] / frames[0].structure.cell.volume() * units::EV_PER_A3_IN_GPA;
    assert!((pressure - 1.264_793_079_39).abs() < 1e-9, "positive as printed");
    let md = read_all(&shared.join("li2s_md.out"), &ReadOptions::default()).expect("good");
    assert_eq!(md.len(), 5);
    for name in ["li2s_unconverged.out", "li2s_sp_truncated.out", "p2s5_killed.out"] {
        assert!(read_all(&shared.join(name), &ReadOptions::default()).is_err(), "{name}");
    }
}
