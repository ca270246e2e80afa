use crate::frame::Frame;
use crate::io::{self, ReadOptions};
use crate::math;

const RELAX: &str = include_str!("../../../tests/data/vasp/relax.OUTCAR");
const NPT: &str = include_str!("../../../tests/data/vasp/npt.OUTCAR");
const REACHED: &str = "aborting loop because EDIFF is reached";

fn read(text: &str) -> Result<Vec<Frame>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("OUTCAR");
    std::fs::write(&path, text).expect("written");
    let place = format!("{}", path.display());
    io::open(&path, &ReadOptions::default())
        .expect("opened")
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

fn error(text: &str) -> String {
    read(text).expect_err("a file to be refused")
}

/// The file with one occurrence of `old`, counted from 0, replaced.
fn replaced(text: &str, old: &str, nth: usize, new: &str) -> String {
    let (at, _) = text.match_indices(old).nth(nth).expect("the text is in the file");
    format!("{}{new}{}", &text[..at], &text[at + old.len()..])
}

#[test]
fn a_step_that_hit_nelm_is_refused() {
    let text = RELAX.replace("NELM   =     60", "NELM   =      3");
    assert_eq!(read(&text).expect("EDIFF was reached in the last iteration").len(), 3);
    let cut = replaced(&text, REACHED, 1, "aborting loop EDIFF was not reached (unconverged)");
    assert_eq!(
        error(&cut),
        "FILE: ionic step 2, which ends at line 275: electronic minimisation not converged \
         (NELM = 3 steps); hint: remove this step, or raise NELM and run again"
    );
    // older versions print nothing
    let silent = replaced(&text, REACHED, 1, "");
    assert!(error(&silent).contains("ionic step 2"), "{}", error(&silent));
    let stopped = replaced(RELAX, REACHED, 0, "aborting loop because hard stop was set");
    assert!(error(&stopped).contains("ionic step 1, "), "{}", error(&stopped));
    assert!(error(&stopped).contains("not converged (stopped by hand)"), "{}", error(&stopped));
}

#[test]
fn without_a_word_about_the_loop_fewer_iterations_than_nelm_will_do() {
    let silent = RELAX.replace(REACHED, "");
    assert_eq!(read(&silent), read(RELAX));
    let nothing = silent.replacen(" Iteration      1(   1)", " iteration", 1);
    let nothing = nothing.replace(" Iteration      2(", " iteration 2(");
    assert!(error(&nothing).contains("no iteration is in the file"), "{}", error(&nothing));
}

#[test]
fn a_truncated_file_names_the_step_it_ends_in() {
    let lines: Vec<&str> = RELAX.lines().collect();
    let ends: Vec<usize> =
        (1..=lines.len()).filter(|n| lines[n - 1].starts_with("  free  energy   TOTEN")).collect();
    let starts: Vec<usize> =
        (1..=lines.len()).filter(|n| lines[n - 1].contains("(   1)  ---")).collect();
    for kept in 1..lines.len() {
        let result = read(&(lines[..kept].join("\n") + "\n"));
        let complete = ends.iter().filter(|end| **end <= kept).count();
        if starts[0] > kept {
            let message = "in the middle of the header, before the first electronic iteration";
            assert!(result.expect_err("a header").contains(message), "{kept} lines");
        } else if starts.get(complete).is_none_or(|start| *start > kept) {
            // stopped between two steps
            assert_eq!(result.expect("steps").len(), complete, "{kept} lines");
        } else {
            let message = result.expect_err("a part of a step");
            let what = format!("line {kept}, in the middle of ionic step {}", complete + 1);
            assert!(message.contains(&what), "{kept} lines: {message}");
        }
    }
    let kept = lines[..ends[1] - 3].join("\n");
    assert!(
        error(&kept)
            .ends_with("; hint: the step before it is complete; remove this one to read it")
    );
}

#[test]
fn numbers_that_do_not_fit_are_refused_with_their_line() {
    let (line, force) = RELAX
        .lines()
        .enumerate()
        .skip_while(|(_, line)| !line.contains("TOTAL-FORCE"))
        .nth(3)
        .expect("an atom");
    let stars = force.replace(&force[47..], "********************************");
    assert_eq!(
        error(&RELAX.replace(force, &stars)),
        format!(
            "FILE:{}: expected the position and the force of an atom, found \
             \"********************************\"; hint: VASP prints stars where a number is too \
             large for its column",
            line + 1
        )
    );
    let energy = RELAX.lines().find(|l| l.starts_with("  free  energy   TOTEN")).expect("one");
    for (bad, found) in [
        ("  free  energy   TOTEN  =           NaN eV", "NaN"),
        ("  free  energy   TOTEN  =", "the end of the line"),
    ] {
        let message = error(&RELAX.replace(energy, bad));
        assert!(
            message.contains(&format!("expected a finite energy, found {found:?}")),
            "{message}"
        );
    }
}

#[test]
fn numbers_may_touch() {
    let stress = NPT.lines().find(|line| line.starts_with("  in kB")).expect("a stress");
    let text = NPT
        .replace(
            stress,
            "  in kB   -4009.33748-27562.06670-28738.56309 -1340.32608  -875.82819   349.35023",
        )
        .replacen(
            " VOLUME and BASIS-vectors are now :",
            " VOLUME and BASIS-vectors are now :\n direct lattice vectors\n\
             3.000000000  0.000000000-10.955671660  1.0\n0.0 20.2-0.1\n-1.0-1.0 9.0",
            1,
        );
    // what the file says about the cell thereafter is no longer read
    let frame = read(&text).expect("readable").remove(0);
    assert!((frame.structure.cell.matrix()[0][2] + 10.955_671_660).abs() < 1e-12);
    assert!((frame.structure.cell.matrix()[2][1] + 1.0).abs() < 1e-12);
    let virial = frame.labels.virial.expect("a stress");
    let ratio = virial[1][1] / virial[0][2];
    assert!((ratio + 27562.06670 / 349.35023).abs() < 1e-9, "{ratio}");
    assert!((virial[2][1] / virial[0][2] + 875.82819 / 349.35023).abs() < 1e-9);
}

#[test]
fn runs_without_stress_have_no_virial() {
    let frames = read(&NPT.replace("  in kB", "  in MB")).expect("readable");
    assert!(frames.iter().all(|frame| frame.labels.virial.is_none()));
    assert!(frames.iter().all(|frame| frame.labels.energy.is_some()));
}

#[test]
fn a_step_without_a_table_of_forces_is_refused() {
    let message = error(&replaced(NPT, "TOTAL-FORCE", 1, "FORCE"));
    assert!(message.contains("ionic step 2, "), "{message}");
    assert!(message.contains(": no positions, no forces; hint: an OUTCAR written with NWRITE"));
    let message = error(&replaced(NPT, "VOLUME and BASIS", 0, "volume and basis"));
    assert!(message.contains("ionic step 1, ") && message.contains(": no lattice vectors;"));
}

#[test]
fn headers_name_the_atoms_in_several_ways() {
    let formula = |text: &str| read(text).map(|frames| frames[0].structure.formula());
    assert_eq!(formula(RELAX), formula(&RELAX.replace("   TITEL  = ", "   LABEL  = ")));
    let unnamed = RELAX.replace("TITEL  = PAW_PBE S 06Sep2000", "TITEL  = sulphur");
    assert_eq!(formula(RELAX), formula(&unnamed), "VRHFIN names it");
    let hydrogen =
        RELAX.replace("TITEL  = PAW_PBE S 06Sep2000", "TITEL  = PAW_PBE H1.25 07Sep2000");
    assert_eq!(formula(&hydrogen).expect("readable"), "Li2H2");
    let wrapped = RELAX.replace("   1   2   1\n", "   1\n      2   1\n");
    assert_ne!(wrapped, RELAX);
    assert_eq!(formula(RELAX), formula(&wrapped));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let cases = [
        (
            "   1   2   1\n",
            "   1   3\n",
            "3 POTCARs (Li S Li), but 2 numbers of ions per type; hint: read",
        ),
        ("   1   2   1\n", "   1   3   1\n", "ions per type add up to 5, but NIONS is 4; hint:"),
        (
            "NIONS =      4",
            "NIONS =     ",
            "ions per type add up to 4, but NIONS is missing; hint:",
        ),
        ("   1   2   1\n", "   1   2   x\n", "expected whole numbers, found \"x\""),
        ("   NELM   =     60;", "   NELM60;", "no NELM, so nothing tells whether"),
        ("TITEL  = PAW_PBE S 06Sep2000\n", "TITEL  =\n", "Li2S2"),
    ];
    for (old, new, expected) in cases {
        let text = replaced(RELAX, old, 0, new);
        let message = match read(&text) {
            Ok(frames) => frames[0].structure.formula(),
            Err(message) => message,
        };
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn another_number_of_atoms_is_refused() {
    let row =
        RELAX.lines().skip_while(|line| !line.contains("TOTAL-FORCE")).nth(2).expect("an atom");
    let message = error(&RELAX.replacen(row, &format!("{row}\n{row}"), 1));
    assert!(message.contains("expected the end of the table after 4 atoms, found"), "{message}");
    let message = error(&RELAX.replacen(&format!("{row}\n"), "", 1));
    assert!(message.contains("expected the position and the force of an atom, found"), "{message}");
}

#[test]
fn a_run_by_a_force_field_alone_is_refused() {
    let start = RELAX.find("--------------------------------------- Iteration").expect("a step");
    let text = format!("{} General timing and accounting informations\n", &RELAX[..start]);
    assert!(error(&text).contains("no ionic step that was computed from first principles"));
}

#[test]
fn what_linear_response_adds_is_no_step() {
    let more = "--------------------------------------- Iteration      3(   1)  -----\n";
    let text = RELAX.replace(" General timing", &format!("{more} General timing"));
    assert_eq!(read(&text), read(RELAX));
}

#[test]
fn a_compressed_crystal_has_a_positive_virial() {
    // the line "external pressure" is the mean of "in kB": positive in a cell that is too small
    let frame = read(NPT).expect("readable").remove(0);
    let virial = frame.labels.virial.expect("a stress");
    let printed = NPT.split_once("external pressure =").expect("a pressure").1;
    let printed: f64 = printed.split("kB").next().expect("text").trim().parse().expect("a number");
    let pressure = (0..3).map(|k| virial[k][k]).sum::<f64>() / 3.0 / frame.structure.cell.volume()
        * crate::units::VASP_EV_PER_A3_IN_KB;
    // "external pressure" has two decimals and is without PSTRESS
    assert!((pressure - printed - 12.5).abs() < 0.006, "{pressure} is not {printed} + 12.5");
    assert!(math::determinant(frame.structure.cell.matrix()) > 0.0);
}
