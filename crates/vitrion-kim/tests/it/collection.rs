//! A collection of KIM of its own, made by `install.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Names of the portable models in it.
pub(crate) const DOUBLE: &str = "vitrion_double";
pub(crate) const MIXED: &str = "vitrion_mixed";

/// Driver and models in a temporary folder.
pub(crate) struct Collection {
    folder: TempDir,
}

impl Collection {
    pub(crate) fn new() -> Self {
        let collection = Collection { folder: tempfile::tempdir().expect("a temporary folder") };
        let potential = potential();
        for (name, precision) in [(DOUBLE, "double"), (MIXED, "mixed")] {
            collection.install(&potential, name, precision);
        }
        collection
    }

    pub(crate) fn install(&self, potential: &Path, name: &str, precision: &str) {
        let mut call = installer(potential, name);
        call.args(["--precision", precision, "--dir"]).arg(self.path());
        let output = call.output().expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // what is there is kept
        let output = call.output().expect("bash runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(&format!("there is a {name} in ")), "{text}");
    }

    /// Where to run programs.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program that finds this collection, in its folder.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path());
        command.env("KIM_API_MODEL_DRIVERS_DIR", self.path().join("model-drivers"));
        command.env("KIM_API_PORTABLE_MODELS_DIR", self.path().join("portable-models"));
        command
    }
}

/// The file of the potential that [`crate::native`] evaluates.
pub(crate) fn potential() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../../potentials/li-p-s-fast/li-p-s-fast.safetensors")
}

/// `install.sh` with the driver of this build.
pub(crate) fn installer(potential: &Path, name: &str) -> Command {
    let mut call = Command::new("bash");
    call.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh"));
    call.arg(potential).arg(name).arg("--library").arg(library());
    call
}

/// The driver that cargo made along with this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let folder = test.parent().expect("it lies in a folder");
    let library = folder.join("libvitrion_kim.so");
    assert!(library.exists(), "{} is missing", library.display());
    library
}

#[test]
fn mistakes_in_what_is_installed_are_named() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.pb");
    std::fs::write(&file, "x").expect("written");
    let file = file.to_str().expect("UTF-8");
    for (arguments, message) in [
        (vec![], "expected MODEL and NAME"),
        (vec!["nowhere.pb", "a"], "nowhere.pb is not there"),
        (vec![file, "1a"], "1a is no name"),
        (vec![file, "vitrion"], "vitrion is the name of the driver"),
        (vec![file, "a", "--precision", "half"], "precision is half, expected double or mixed"),
        (vec![file, "a", "--what", "1"], "unknown option --what"),
    ] {
        let output = Command::new("bash").arg(&script).args(&arguments).output();
        let output = output.expect("bash runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(message) && output.status.code() == Some(2), "{text}");
    }
}

#[test]
fn a_machine_without_kim_is_told_what_to_install() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // what the script needs before it looks for KIM
    for program in ["dirname", "basename"] {
        let found = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(program));
        let found = found.iter().find(|path| path.exists()).expect("coreutils");
        std::os::unix::fs::symlink(found, folder.path().join(program)).expect("a link");
    }
    let mut call = Command::new("/bin/bash");
    call.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh"));
    let output = call.arg(potential()).arg("a").env("PATH", folder.path()).output();
    let output = output.expect("bash runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("no KIM API here (Debian: apt-get install libkim-api-dev)"), "{text}");
}
