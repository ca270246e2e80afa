use crate::frame::Frame;
use crate::io::{self, ReadOptions};
use crate::units;

const RELAX: &str = include_str!("../../../tests/data/vasp/relax.vasprun.xml");
const NPT: &str = include_str!("../../../tests/data/vasp/npt.vasprun.xml");

fn read_bytes(bytes: &[u8]) -> Result<Vec<Frame>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("vasprun.xml");
    std::fs::write(&path, bytes).expect("written");
    let place = format!("{}", path.display());
    io::open(&path, &ReadOptions::default())
        .expect("opened")
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string().replace(&place, "FILE"))
}

fn read(text: &str) -> Result<Vec<Frame>, String> {
    read_bytes(text.as_bytes())
}

fn error(text: &str) -> String {
    read(text).expect_err("a file to be refused")
}

#[test]
fn a_calculation_of_as_many_steps_as_nelm_is_refused() {
    let text = RELAX.replace(r#"name="NELM">    60<"#, r#"name="NELM">     3<"#);
    let line = text.lines().position(|line| line == " </calculation>").expect("one") + 1;
    assert_eq!(
        error(&text),
        format!(
            "FILE: ionic step 1, which ends at line {line}: electronic minimisation not converged \
             (NELM = 3 steps); hint: remove this step, or raise NELM and run again"
        )
    );
    assert_eq!(
        read(&text.replace(r#""NELM">     3<"#, r#""NELM">     4<"#)).expect("enough").len(),
        3
    );
    let none = RELAX.replace("scstep", "other");
    assert!(error(&none).contains("ionic step 1, ") && error(&none).contains("no <scstep>"));
}

#[test]
fn a_truncated_file_names_the_step_it_ends_in() {
    let start = RELAX.find(" <calculation>").expect("the first");
    let ends: Vec<usize> =
        RELAX.match_indices("</calculation>").map(|(at, s)| at + s.len()).collect();
    let starts: Vec<usize> =
        RELAX.match_indices("<calculation>").map(|(at, s)| at + s.len()).collect();
    for kept in (1..RELAX.len()).step_by(37).chain([start, ends[0], ends[1] + 1]) {
        let result = read(&RELAX[..kept]);
        let complete = ends.iter().filter(|end| **end <= kept).count();
        let begun = starts.iter().filter(|start| **start <= kept).count();
        if begun == 0 {
            let message = result.expect_err("a header");
            assert!(message.contains("in the middle of the header"), "{kept} bytes: {message}");
        } else if begun == complete {
            // stopped between two steps
            assert_eq!(result.expect("steps").len(), complete, "{kept} bytes");
        } else {
            let message = result.expect_err("a part of a step");
            let line = RELAX[..kept].matches('\n').count() + 1;
            let what = format!("line {line}, in the middle of ionic step {}", complete + 1);
            assert!(message.contains(&what), "{kept} bytes: {message}");
        }
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused_with_their_line() {
    let forces = RELAX.find(r#"<varray name="forces" >"#).expect("forces");
    let line = RELAX[..forces].matches('\n').count() + 2;
    let row = RELAX[forces..].lines().nth(1).expect("an atom");
    assert_eq!(
        error(&RELAX.replacen(row, "   <v> ****************       0.1   0.2 </v>", 1)),
        format!(
            "FILE:{line}: expected the force on an atom, found \"****************\"; \
             hint: VASP prints stars where a number is too large for its column"
        )
    );
    let message = error(&RELAX.replacen(row, "   <v> 0.1 0.2 </v>", 1));
    assert_eq!(message, format!("FILE:{line}: expected the force on an atom, found \"\""));
    let message = error(&RELAX.replacen(&format!("{row}\n"), "", 1));
    assert!(
        message.contains("ionic step 1, ") && message.contains("3 forces of 4 atoms"),
        "{message}"
    );
}

#[test]
fn the_work_of_the_external_pressure_is_taken_off_the_energy() {
    let with = read(NPT).expect("readable");
    let without = read(&NPT.replace("12.50000000</i>", "0.00000000</i>")).expect("readable");
    for (a, b) in with.iter().zip(&without) {
        let (Some(energy), Some(enthalpy)) = (a.labels.energy, b.labels.energy) else {
            panic!("no energies")
        };
        let work = 12.5 / units::VASP_EV_PER_A3_IN_KB * a.structure.cell.volume();
        assert!((enthalpy - energy - work).abs() < 1e-9, "{enthalpy} - {energy} is not {work}");
    }
}

#[test]
fn runs_without_stress_have_no_virial() {
    let frames = read(&RELAX.replace(r#""stress""#, r#""other""#)).expect("readable");
    assert!(frames.iter().all(|frame| frame.labels.virial.is_none()));
    assert!(frames.iter().all(|frame| frame.labels.forces.is_some()));
}

#[test]
fn steps_of_a_force_field_are_left_out() {
    let (_, rest) = RELAX.split_once("  </scstep>\n  <structure>").expect("a calculation");
    let (step, _) = rest.split_once("  <eigenvalues>").expect("a calculation");
    let text = RELAX.replace(" <calculation>", &format!("  <structure>{step} <calculation>"));
    assert!(text.contains("</energy>\n <calculation>"));
    assert_eq!(read(&text), read(RELAX));
}

#[test]
fn latin_letters_and_entities_in_titles_do_no_harm() {
    let (before, after) = RELAX.split_once("Li2S &amp; more").expect("a title");
    let bytes = [before.as_bytes(), b"5 \xc5 &lt; \xe9", after.as_bytes()].concat();
    assert_eq!(read_bytes(&bytes), read(RELAX));
}

#[test]
fn files_that_are_no_vasprun_are_refused() {
    let cases = [
        ("<html><body/></html>", "its root is <html>, not <modeling>"),
        ("<modeling></modeling>", "in the middle of the header"),
        ("", "in the middle of the header"),
        ("<modeling>\n<a></b>\n</modeling>", "FILE:2: expected well-formed XML, found"),
    ];
    for (text, expected) in cases {
        assert!(error(text).contains(expected), "{text}: {}", error(text));
    }
    let unknown = RELAX.replace("<c>S </c>", "<c>Zz</c>");
    assert!(error(&unknown).contains("\"Zz\" is not a chemical element"), "{}", error(&unknown));
    let no_limit = RELAX.replace(r#"name="NELM""#, r#"name="OTHER""#);
    assert!(error(&no_limit).contains("no NELM in <parameters>"), "{}", error(&no_limit));
    let (head, rest) = RELAX.split_once(" <calculation>").expect("a calculation");
    let (_, tail) = rest.rsplit_once("</calculation>").expect("a calculation");
    assert!(error(&format!("{head}{tail}")).contains("it holds no <calculation>"));
}
