//! `tests/c/program.c`, compiled with the address and undefined-behaviour sanitizers, linked with the
//! static library: forces and virials by finite differences, refusals, leaks and bad frees. (Reads of the
//! library itself are watched only where it is compiled with a nightly compiler's sanitizer, by hand.)

use std::path::{Path, PathBuf};
use std::process::Command;

/// The static library that cargo made along with this test.
pub(crate) fn static_library() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let folder = test.parent().expect("it lies in a folder");
    let library = folder.join("libvitrion_capi.a");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

fn run(name: &str, flags: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join(name);
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-g", "-Wall", "-Wextra", "-Werror"]).args(flags);
    cc.arg("-I").arg(root.join("include")).arg(root.join("tests/c/program.c"));
    cc.arg(static_library()).args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&program);
    let compiled = cc.output().expect("linking Rust needs a C compiler, so there is one");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&program).output().expect("it was just compiled");
    let (out, err) = (output.stdout.as_slice(), output.stderr.as_slice());
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert!(output.status.success() && out.contains("passed"), "{out}{err}");
}

#[test]
fn a_c_program_computes_and_is_told_its_mistakes() {
    run("plain", &[]);
}

#[test]
fn sanitizers_find_nothing() {
    run("sanitized", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
}

#[test]
fn the_header_is_valid_cpp() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cc = Command::new("c++");
    cc.args(["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++"]);
    let output = cc.arg(root.join("include/vitrion.h")).output();
    let output = output.expect("tests need a C++ compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
