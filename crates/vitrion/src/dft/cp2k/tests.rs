use super::settings::{Cp2kSettings, Mixing, Rung, Smearing, Template};
use super::*;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use vitrion_core::io::cp2k::input;
use vitrion_core::{Cell, Structure};

fn outputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vitrion-core/tests/data/cp2k")
}

fn structure() -> Structure {
    input::read_structure(&outputs().join("converged.inp")).expect("a structure")
}

/// What the engine makes of a stored output.
fn verdict(name: &str, end: End) -> Result<Labels, (FailureKind, String)> {
    let found = output::read(&outputs().join(format!("{name}.out")))
        .map_err(|error| (FailureKind::Incomplete, error.to_string()))?;
    let said = std::fs::read_to_string(outputs().join(format!("{name}.err"))).unwrap_or_default();
    judge(&found, end, &said, &structure().into(), true)
}

#[test]
fn only_what_is_complete_and_converged_becomes_a_label() {
    let good = End::Exit(ExitStatus::default());
    let code = |code: i32| End::Exit(ExitStatus::from_raw(code << 8));
    let signal = |signal: i32| End::Exit(ExitStatus::from_raw(signal));
    for name in ["converged", "ot_outer"] {
        let labels = verdict(name, good).expect(name);
        assert!(labels.energy.is_some() && labels.virial.is_some());
        assert_eq!(labels.forces.expect("forces").len(), 3);
    }
    for (name, end, reason, words) in [
        ("unconverged", good, FailureKind::Unconverged, "did not converge in 2 cycles"),
        ("ot_unconverged", good, FailureKind::Unconverged, "did not converge"),
        ("walltime", good, FailureKind::TimedOut, "the time was over"),
        ("converged", End::TimedOut, FailureKind::TimedOut, "the time was over"),
        ("killed", signal(9), FailureKind::Killed, "what the system does when memory runs out"),
        ("killed", signal(15), FailureKind::Killed, "killed by signal 15"),
        ("out_of_memory", code(1), FailureKind::OutOfMemory, "memory ran out"),
        ("no_basis", code(1), FailureKind::Crashed, "basis set <NO-SUCH-BASIS> for element <H>"),
        ("too_close", good, FailureKind::Incomplete, "expected a force"),
        ("converged", code(1), FailureKind::Crashed, "exit code 1"),
        ("md", good, FailureKind::Incomplete, "4 energies, expected one"),
    ] {
        let (found, message) = verdict(name, end).expect_err(name);
        assert_eq!(found, reason, "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[test]
fn labels_need_forces_for_every_atom_and_a_stress_where_one_is_wanted() {
    let mut found = output::read(&outputs().join("converged.out")).expect("readable");
    let frame: Frame = structure().into();
    let good = End::Exit(ExitStatus::default());
    found.evaluations[0].stress = None;
    assert!(judge(&found, good, "", &frame, false).is_ok());
    let (reason, message) = judge(&found, good, "", &frame, true).expect_err("no stress");
    assert_eq!(reason, FailureKind::Incomplete, "{message}");
    found.evaluations[0].forces = Some(vec![[0.0; 3]; 2]);
    let (_, message) = judge(&found, good, "", &frame, false).expect_err("two forces");
    assert!(message.contains("2 forces for 3 atoms"), "{message}");
}

#[test]
fn the_default_is_the_level_of_the_paper() {
    let settings = Cp2kSettings::default();
    let cell = Cell::orthorhombic([8.0, 9.0, 10.0]).expect("a box");
    let positions = vec![[0.0; 3], [3.0, 0.0, 0.0], [0.0, 3.0, 0.0]];
    let structure = Structure::new(cell, &["Li", "P", "S"], positions).expect("elements");
    let text = writer::input(&settings, &settings.ladder()[0], &structure).expect("an input");
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    for expected in [
        "STRESS_TENSOR ANALYTICAL",
        "&XC_FUNCTIONAL PBE",
        "TYPE DFTD3 PARAMETER_FILE_NAME dftd3.dat REFERENCE_FUNCTIONAL PBE",
        "CUTOFF 500 REL_CUTOFF 50 NGRIDS 4",
        "&KIND Li BASIS_SET DZVP-MOLOPT-SR-GTH POTENTIAL GTH-PBE",
        "&KIND P BASIS_SET TZVP-MOLOPT-GTH POTENTIAL GTH-PBE",
        "&KIND S BASIS_SET TZVP-MOLOPT-GTH POTENTIAL GTH-PBE",
        "&OT MINIMIZER DIIS",
        "EPS_SCF 1E-6",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn the_level_is_decided_by_the_numbers_and_not_by_the_way_to_them() {
    let plain = Cp2kSettings::default();
    let level = |s: &Cp2kSettings| s.level().hash();
    let mut same = plain.clone();
    same.scf.minimizer = settings::Minimizer::Diagonalization;
    same.scf.max_scf = 7;
    same.resources.ranks = 8;
    same.keep_files = true;
    assert_eq!(level(&plain), level(&same));
    let mut others = vec![plain.clone(); 5];
    others[0].dispersion = None;
    others[1].cutoff = 600.0;
    others[2].scf.smearing = Some(Smearing { temperature: 300.0, added_mos: 20 });
    others[3].kpoints = Some([2, 2, 2]);
    others[4].basis.insert(
        "Li".into(),
        settings::Basis { basis: "SZV-MOLOPT-SR-GTH".into(), potential: "GTH-PBE".into() },
    );
    let mut hashes: Vec<String> = others.iter().chain([&plain]).map(level).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6, "each of these changes the numbers");
    assert!(others[0].level().description.contains("no dispersion term"));
}

#[test]
fn a_template_is_its_level_whatever_geometry_stands_in_it() {
    let text = "&GLOBAL\n PROJECT a\n RUN_TYPE ENERGY_FORCE\n&END\n&FORCE_EVAL\n STRESS_TENSOR ANALYTICAL\n &PRINT\n  \
                &FORCES ON\n  &END\n  &STRESS_TENSOR ON\n  &END\n &END\n &DFT\n  &MGRID\n   CUTOFF 300\n  &END\n &END\n &SUBSYS\n  &CELL\n   ABC 5 5 5\n  \
                &END\n  &COORD\n   H 0 0 0\n  &END\n &END\n&END\n";
    let of = |text: &str| Cp2kSettings {
        template: Some(Template { path: "my.inp".into(), text: text.into() }),
        ..Cp2kSettings::default()
    };
    let level = |text: &str| of(text).level().hash();
    let moved = text.replace("H 0 0 0", "H 1 1 1").replace("ABC 5 5 5", "ABC 6 6 6 ! larger");
    assert_eq!(level(text), level(&moved.replace("PROJECT a", "PROJECT b")));
    assert_ne!(level(text), level(&text.replace("CUTOFF 300", "CUTOFF 400")));
    let filled = writer::input(&of(text), &Rung::Template, &structure()).expect("all is there");
    assert!(filled.contains("CUTOFF 300") && filled.contains("  S 0.1 0.05 -0.03"), "{filled}");
    for (what, without) in [
        ("RUN_TYPE must be ENERGY_FORCE", text.replace("ENERGY_FORCE", "MD")),
        ("analytical stress is not computed", text.replace(" STRESS_TENSOR ANALYTICAL\n", "")),
        (
            "analytical stress is not computed",
            text.replace("&STRESS_TENSOR ON", "&STRESS_TENSOR OFF"),
        ),
        ("forces are not printed", text.replace("&FORCES ON", "&FORCES OFF")),
    ] {
        let error = writer::input(&of(&without), &Rung::Template, &structure()).expect_err(what);
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn the_ladder_never_leaves_the_level() {
    let mut settings = Cp2kSettings::default();
    let ladder = settings.ladder();
    assert!(ladder.len() == 5 && matches!(ladder[0], Rung::Ot { .. }));
    let last = ladder.last().expect("rungs");
    assert!(matches!(last, Rung::Diagonalization { mixing: Mixing::Pulay, .. }), "{last:?}");
    settings.scf.smearing = Some(Smearing { temperature: 300.0, added_mos: 10 });
    assert!(settings.ladder().iter().all(|rung| !matches!(rung, Rung::Ot { .. })));
    for rung in settings.ladder() {
        let text = writer::input(&settings, &rung, &structure()).expect("an input");
        assert!(text.contains("ELECTRONIC_TEMPERATURE [K] 300"), "{text}");
        assert!(text.contains("EPS_SCF 1E-6"), "{text}");
    }
    settings.scf.retry = false;
    assert_eq!(settings.ladder().len(), 1);
}

#[test]
fn a_program_that_is_missing_or_another_is_named_with_a_hint() {
    let error = version("no-such-cp2k").expect_err("missing").to_string();
    assert!(error.contains("cannot start no-such-cp2k") && error.contains("apt-get install cp2k"));
    let error = version("echo").expect_err("another program").to_string();
    assert!(error.contains("not a version of CP2K"), "{error}");
}
