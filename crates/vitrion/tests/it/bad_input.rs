//! Bad input is refused by name, with exit code 1.

use super::{data, one_line, stderr, vitrion, workplace};
use std::fs;

/// Every run file under `tests/data/bad` starts with the message that it must cause.
const PACKING_OF_130: [&str; 9] = [
    "build",
    "packing",
    "75Li2S-25P2S5",
    "--atoms",
    "130",
    "--density",
    "1.8 g/cm3",
    "--out",
    "p.extxyz",
];
const PACKING_TOO_DENSE: [&str; 9] =
    ["build", "packing", "Li3PS4", "--atoms", "64", "--density", "9 g/cm3", "--out", "p.extxyz"];

#[test]
fn every_bad_run_file_is_refused_with_the_message_in_its_first_line() {
    let folder = data("bad");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("test data is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| path.file_name().expect("a file").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 40, "{} bad run files", names.len());
    for name in names {
        let text = fs::read_to_string(folder.join(&name)).expect("readable");
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let expected = format!("error: {}", expected.expect("the first line is the message"));
        let output = vitrion(&folder, &["check", &name]);
        assert_eq!(one_line(&stderr(&output)), expected, "{name}");
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn bad_command_lines_are_refused_with_exit_code_1() {
    let folder = workplace("good/argon.toml");
    let cases: [(&[&str], &str); 30] = [
        (&["fly"], "unrecognized subcommand 'fly'"),
        (&["check"], "<RUN.toml>"),
        (&["check", "run.toml", "--jsn"], "unexpected argument '--jsn'"),
        (&["check", "run.toml", "--threads", "0"], "--threads must be at least 1"),
        (&["check", "no.toml"], "no.toml: cannot read: No such file"),
        (&["run", "argon.extxyz"], "argon.extxyz:1: not valid TOML"),
        (&["run", "run.toml", "--out", "/proc/none"], "/proc/none: cannot create"),
        (&["info", "none.extxyz"], "none.extxyz: cannot open"),
        (&["info", "run.toml"], "the format cannot be told from the name"),
        (&["convert", "argon.extxyz", "argon.extxyz"], "argon.extxyz exists"),
        (&["convert", "argon.extxyz", "argon.what"], "the format cannot be told"),
        (&["convert", "argon.extxyz", "a.extxyz", "--to", "exe"], "known formats: "),
        (&["convert", "argon.extxyz", "a.extxyz", "--every", "0"], "--every must be at least 1"),
        (&["predict", "builtin:li-p-s", "argon.extxyz"], "only knows Li, P, S"),
        (&PACKING_OF_130, "the nearest numbers are 128 and 136"),
        (&PACKING_TOO_DENSE, "lower the density or the least distances"),
        (
            &[
                "build",
                "packing",
                "Li4PS4",
                "--atoms",
                "90",
                "--density",
                "2 g/cm3",
                "--out",
                "p.xyz",
            ],
            "Li4PS4 has a charge of +1 by usual oxidation numbers",
        ),
        (
            &["build", "packing", "Li2X", "--atoms", "9", "--density", "2 g/cm3", "--out", "p.xyz"],
            "X is not a chemical element",
        ),
        (&["relax", "builtin:li-p-s", "argon.extxyz", "--out", "a.extxyz"], "only knows Li, P, S"),
        (
            &["relax", "builtin:li-p-s", "argon.extxyz", "--out", "a.extxyz", "--cell", "xx"],
            "expected isotropic, anisotropic",
        ),
        (
            &["build", "crystal", "argon.extxyz", "--plane", "0", "0", "0", "--out", "c.xyz"],
            "(0 0 0) is no",
        ),
        (
            &["build", "crystal", "argon.extxyz", "--strain", "xw=1", "--out", "c.xyz"],
            "write a component",
        ),
        (&["build", "crystal", "argon.extxyz", "--vacuum", "15", "--out", "c.xyz"], "has no unit"),
        (&["build", "crystal", "argon.extxyz", "--out", "argon.extxyz"], "argon.extxyz exists"),
        (
            &["build", "glass-ceramic", "argon.extxyz", "--fraction", "1.5", "--out", "g.xyz"],
            "must lie between 0 and 1",
        ),
        (
            &["build", "glass-ceramic", "argon.extxyz", "--fraction", "0.4", "--out", "g.xyz"],
            "take another number of layers, or a packing",
        ),
        (
            &[
                "build",
                "glass-ceramic",
                "argon.extxyz",
                "--fraction",
                "0.5",
                "--seed",
                "3",
                "--out",
                "g.xyz",
            ],
            "--seed and --distance belong to --start packing",
        ),
        (
            &["run", "run.toml", "--only", "argon-1K"],
            "no run is called \"argon-1K\"; there is argon-60K",
        ),
        (&["eval", "builtin:li-p-s", "argon.extxyz"], "neither energy nor forces nor virial"),
        (&["analyze", "argon.extxyz", "--skip", "3 K"], "is a temperature, but a time is"),
    ];
    for (arguments, expected) in cases {
        let output = vitrion(folder.path(), arguments);
        let message = one_line(&stderr(&output));
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    }
}

#[test]
fn a_results_folder_of_another_run_and_a_folder_of_other_things_are_refused() {
    let folder = workplace("good/argon.toml");
    let first = vitrion(folder.path(), &["md", "run.toml", "--out", "results", "--quiet"]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let text = fs::read_to_string(folder.path().join("run.toml")).expect("readable");
    fs::write(folder.path().join("other.toml"), text.replace("seed = 7", "seed = 8"))
        .expect("writable");
    let output = vitrion(folder.path(), &["md", "other.toml", "--out", "results"]);
    let message = stderr(&output);
    assert!(message.contains("results folder of another run"), "{message}");
    assert!(message.contains("there: seed = 7, here: seed = 8"), "{message}");
    assert_eq!(output.status.code(), Some(1));
    let output = vitrion(folder.path(), &["md", "run.toml", "--out", "."]);
    assert!(stderr(&output).contains("is not a results folder"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
    let before = fs::read_to_string(folder.path().join("run.toml")).expect("readable");
    assert_eq!(before, text, "nothing was written");
}
