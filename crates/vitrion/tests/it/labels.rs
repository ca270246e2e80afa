//! `vitrion label` from structures to exported labels.

use super::{one_line, stderr, stdout, vitrion};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIH: &str =
    "LiH\n1.0\n0.0 2.0 2.1\n2.0 0.1 2.0\n2.0 2.0 0.0\nLi H\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n";

fn fake(more: &str) -> String {
    format!(
        "format = 1\nname = \"lih\"\n[engine]\nkind = \"fake\"\nspecies = [\"Li\", \"H\"]\nepsilon = [\"0.05 eV\", \
         \"0.02 eV\"]\nsigma = [\"2.2 A\", \"1.8 A\"]\ncutoff = \"5 A\"\n{more}\n[scheduler]\ncores = 2\n[[perturb]]\nstructure = \
         \"POSCAR\"\nrepeat = [2, 2, 1]\ncount = 150\ndisplacement = \"0.05 A\"\nstrain = 0.02\n"
    )
}

fn workplace(label_file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("POSCAR"), LIH).expect("written");
    fs::write(folder.path().join("label.toml"), label_file).expect("written");
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = vitrion(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON on stdout")
}

/// Records of a store without times and places.
fn content(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("labels/labels.jsonl")).expect("a store");
    text.lines()
        .map(|line| {
            let mut record = serde_json::from_str::<Value>(line).expect("JSON")["record"].take();
            for key in ["time", "run"] {
                if let Some(map) = record.as_object_mut() {
                    map.remove(key);
                }
            }
            record
        })
        .collect()
}

#[test]
fn structures_are_labelled_once_failures_counted_and_tried_again() {
    let folder = workplace(&fake("fail_every = 4"));
    let first = json(folder.path(), &["label", "label.toml", "--json", "--quiet"]);
    let (new, failed) = (first["new"].as_u64().expect("n"), first["failed"].as_u64().expect("n"));
    assert!(new + failed == 150 && failed > 10, "{first}");
    assert_eq!(first["status"]["levels"][0]["failures"]["SCF not converged"], failed);
    let again = json(folder.path(), &["label", "label.toml", "--json", "--quiet"]);
    assert_eq!((again["new"].as_u64(), again["known"].as_u64()), (Some(0), Some(new)));
    assert_eq!(again["failed"].as_u64(), Some(failed), "they were tried again");
    // export: every frame with its labels, none that failed
    let shown =
        vitrion(folder.path(), &["label", "--store", "lih/labels", "--export", "out.extxyz"]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    let info = json(folder.path(), &["info", "out.extxyz", "--json"]);
    assert_eq!(info["frames"].as_u64(), Some(new), "{info}");
    let refused =
        vitrion(folder.path(), &["label", "--store", "lih/labels", "--export", "out.extxyz"]);
    assert!(stderr(&refused).contains("out.extxyz") && refused.status.code() == Some(1));
    let npy = vitrion(folder.path(), &["label", "--store", "lih/labels", "--export", "npy"]);
    assert_eq!(npy.status.code(), Some(0), "{}", stderr(&npy));
    assert!(folder.path().join("npy/Li4H4/set.000/virial.npy").exists());
    let status = vitrion(folder.path(), &["label", "label.toml", "--status"]);
    assert!(stdout(&status).contains("(never exported)"), "{}", stdout(&status));
}

#[test]
fn labelling_that_was_killed_ends_with_the_same_store() {
    let whole = workplace(&fake("duration = \"0.01 s\""));
    json(whole.path(), &["label", "label.toml", "--json", "--quiet"]);
    let killed = workplace(&fake("duration = \"0.01 s\""));
    for wait in [80, 200, 350, 500] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .args(["label", "label.toml", "--quiet"])
            .current_dir(killed.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built before its tests");
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().expect("it runs or has ended");
        child.wait().expect("it ended");
    }
    json(killed.path(), &["label", "label.toml", "--json", "--quiet"]);
    assert_eq!(content(&killed.path().join("lih")), content(&whole.path().join("lih")));
}

#[test]
fn imported_labels_mix_with_ours_only_after_a_comparison() {
    let folder = workplace(&fake(""));
    json(folder.path(), &["label", "label.toml", "--json", "--quiet"]);
    let run = |arguments: &[&str]| vitrion(folder.path(), arguments);
    assert_eq!(run(&["label", "--store", "lih/labels", "--export", "same"]).status.code(), Some(0));
    // the same labels from elsewhere, and others: shifted and with other forces
    let shifted = fake("").replace("0.05 eV", "0.08 eV").replace("\"lih\"", "\"other\"");
    fs::write(folder.path().join("other.toml"), shifted).expect("written");
    json(folder.path(), &["label", "other.toml", "--json", "--quiet"]);
    assert_eq!(
        run(&["label", "--store", "other/labels", "--export", "different"]).status.code(),
        Some(0)
    );
    for name in ["same", "different"] {
        let output = run(&["label", "--store", "lih/labels", "--import", name, "--level", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let mixed = run(&["label", "--store", "lih/labels", "--export", "mixed"]);
    assert_eq!(mixed.status.code(), Some(1));
    assert!(one_line(&stderr(&mixed)).contains("labels of 3 levels, which must not be mixed"));
    let found =
        json(folder.path(), &["label", "label.toml", "--compare", "same", "--json", "--quiet"]);
    assert_eq!(found["agreement"], "same", "{found}");
    let other = run(&["label", "label.toml", "--compare", "different", "--json", "--quiet"]);
    assert_eq!(other.status.code(), Some(2));
    let found: Value = serde_json::from_str(&stdout(&other)).expect("JSON");
    assert_eq!(found["agreement"], "different", "{found}");
    assert!(stderr(&other).contains("must not be mixed"), "{}", stderr(&other));
    // those that agree leave together, the others stay
    let ours = run(&["label", "--store", "lih/labels", "--export", "ours", "--level", "same"]);
    assert!(stdout(&ours).starts_with("300 labels"), "{}", stdout(&ours));
}

#[test]
fn bad_label_files_are_refused_by_line_and_key() {
    for (text, expected) in [
        (fake("").replace("kind = \"fake\"", "kind = \"cp3k\""), "expected one of cp2k, ase, known, fake"),
        (fake("").replace("sigma = [\"2.2 A\", \"1.8 A\"]", "sigma = [\"2.2 A\"]"), "for each of 2 species, found 1"),
        (fake("duration = \"5 fs\""), "expected a time on the clock such as"),
        (fake("").replace("structure = \"POSCAR\"", "structure = \"none\""), "none"),
        (fake("").replace("[[perturb]]", "[[aimd]]"), "only CP2K runs dynamics of its own"),
        (fake("").replace("displacement = \"0.05 A\"\nstrain = 0.02", ""), "are all the same"),
        ("format = 1\nname = \"x\"\n[engine]\nkind = \"cp2k\"\nsmearing = \"300 K\"\nminimizer = \"ot\"\n[[frames]]\npath = \"POSCAR\"\n".to_owned(),
         "smearing needs \"diagonalization\""),
        ("format = 1\nname = \"x\"\n[engine]\nkind = \"ase\"\ncalculator = \"EMT\"\n[[frames]]\npath = \"POSCAR\"\n".to_owned(),
         "expected \"module:Class\""),
        ("format = 1\nname = \"x\"\n[engine]\nkind = \"cp2k\"\nbasis = { Lx = \"A\" }\n[[frames]]\npath = \"POSCAR\"\n".to_owned(),
         "expected the symbol of an element"),
        ("format = 1\nname = \"x\"\n[engine]\nkind = \"cp2k\"\n".to_owned(), "`frames` is missing"),
    ] {
        let folder = workplace(&text);
        let output = vitrion(folder.path(), &["label", "label.toml", "--check"]);
        let said = one_line(&stderr(&output));
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
    let folder = workplace(&fake("").replace("kind = \"fake\"", "kind = \"ase\"\nx = 1"));
    let output = vitrion(folder.path(), &["label", "label.toml"]);
    assert!(
        stderr(&output).contains("label.toml:5: unknown key `x` in [engine]"),
        "{}",
        stderr(&output)
    );
    let output = vitrion(folder.path(), &["label", "--store", "nowhere"]);
    assert!(one_line(&stderr(&output)).contains("there is no label store here"));
}

/// A Python with ASE: `VITRION_TEST_PYTHON`, or the one in PATH.
fn python() -> Option<String> {
    let named = std::env::var("VITRION_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&named).args(["-c", "import ase"]).output().ok()?;
    found.status.success().then_some(named)
}

#[test]
fn any_ase_calculator_labels_over_a_pipe() {
    let Some(python) = python() else {
        println!("SKIPPED: no Python with ASE (VITRION_TEST_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    // fcc copper, sheared; EMT prints nothing, but calculators do
    fs::write(
        folder.path().join("POSCAR"),
        "Cu\n1.0\n0.0 1.8 1.85\n1.8 0.05 1.8\n1.8 1.8 0.0\nCu\n1\nDirect\n0 0 0\n",
    )
    .expect("written");
    fs::write(
        folder.path().join("calc.py"),
        "from ase.calculators.emt import EMT\nclass Loud(EMT):\n    def calculate(self, *a, **k):\n        print('noise on stdout')\n        \
         super().calculate(*a, **k)\n        if len(self.atoms) == 1:\n            raise RuntimeError('SCF not converged')\ndef \
         calculator():\n    print('more noise')\n    return Loud()\n",
    )
    .expect("written");
    let file = |engine: &str, repeat: &str| {
        format!(
            "format = 1\nname = \"cu\"\n[engine]\nkind = \"ase\"\npython = \"{python}\"\n{engine}\n[scheduler]\ncores = \
             1\n[[perturb]]\nstructure = \"POSCAR\"\nrepeat = {repeat}\ncount = 5\ndisplacement = \"0.05 A\"\nstrain = 0.03\n"
        )
    };
    let emt = "calculator = \"ase.calculators.emt:EMT\"";
    fs::write(folder.path().join("label.toml"), file(emt, "[2, 2, 2]")).expect("written");
    let found = json(folder.path(), &["label", "label.toml", "--json", "--quiet"]);
    assert_eq!(found["new"].as_u64(), Some(5), "{found}");
    let store = content(&folder.path().join("cu"));
    // against ASE itself, asked directly
    let script = "import json,sys\nimport numpy as np\nfrom ase import Atoms\nfrom ase.calculators.emt import EMT\nfor line in \
                  open('cu/labels/labels.jsonl'):\n    r = json.loads(line)['record']\n    if r['kind'] != 'label': continue\n    a = \
                  Atoms(r['symbols'], positions=r['positions'], cell=r['cell'], pbc=True, calculator=EMT())\n    w = \
                  -a.get_stress(voigt=False)*a.get_volume()\n    d = max(abs(a.get_potential_energy()-r['energy']), \
                  abs(a.get_forces()-r['forces']).max(), abs(w-np.array(r['virial'])).max())\n    assert d < 1e-9, d\nprint('ok')\n";
    let checked = Command::new(&python).args(["-c", script]).current_dir(folder.path()).output();
    let checked = checked.expect("python runs");
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout).trim(),
        "ok",
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    let program =
        fs::read_to_string(folder.path().join("cu/labels/labels.jsonl")).expect("a store");
    assert!(program.contains("EMT (ase.calculators.emt"), "provenance");
    assert_eq!(store.len(), 6);
    // a script; single atoms make it fail as unconverged, others do not
    fs::write(folder.path().join("label.toml"), file("script = \"calc.py\"", "[1, 1, 1]"))
        .expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stdout(&output).contains("SCF not converged"), "{}", stdout(&output));
    fs::write(
        folder.path().join("label.toml"),
        file("calculator = \"ase.calculators.none:X\"", "[1, 1, 1]"),
    )
    .expect("written");
    let output = vitrion(folder.path(), &["label", "label.toml", "--quiet"]);
    let said = one_line(&stderr(&output));
    assert!(
        said.contains("No module named 'ase.calculators.none'")
            && said.contains("set [engine] python"),
        "{said}"
    );
}
