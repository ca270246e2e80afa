//! `vitrion learn`: the loop with an engine that costs nothing.

use super::{one_line, stderr, stdout, vitrion};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIS: &str = "LiS\n1.0\n4.6 0.0 0.0\n0.2 4.5 0.0\n0.0 0.3 4.7\nLi S\n4 4\nDirect\n0 0 0\n0.5 0.5 0\n0.5 0 0.5\n0 0.5 \
                   0.5\n0.5 0 0\n0 0.5 0\n0 0 0.5\n0.5 0.5 0.5\n";

fn learn_file(explore: &str, more: &str) -> String {
    format!(
        "format = 1\nname = \"lis\"\nseed = 3\nspecies = [\"Li\", \"S\"]\ncommittee = 2\n[engine]\nkind = \"fake\"\nspecies = \
         [\"Li\", \"S\"]\nepsilon = [\"0.1 eV\", \"0.1 eV\"]\nsigma = [\"2.0 A\", \"2.2 A\"]\ncutoff = \"4.2 A\"\nfail_every = \
         9\n[scheduler]\ncores = 2\n[[perturb]]\nstructure = \"POSCAR\"\ncount = 30\ndisplacement = \"0.08 A\"\nstrain = \
         0.03\n[network]\ncutoff = \"4.2 A\"\nembedding = [4, 8]\naxis = 2\nfitting = [8, 8]\n[batch]\natoms = \
         32\n[[stage]]\nsteps = 150\noptimizer = \"muon\"\nstart_lr = 1e-2\nstop_lr = 1e-4\n[[retrain]]\nsteps = 60\noptimizer = \
         \"muon\"\nstart_lr = 4e-3\nstop_lr = 1e-4\n[[structure]]\nname = \"lis\"\nstructure = \"POSCAR\"\n{explore}\n{more}\n"
    )
}

const DYNAMICS: &str = "[[explore]]\ntemperature = [\"100 K\", \"600 K\"]\npressure = [\"0 GPa\"]\nduration = \"120 fs\"\nevery = \
                        \"10 fs\"\niterations = 2\n[trust]\nlow = 0.5\nhigh = 20\n[selection]\nlabels = 5\n";

fn workplace(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("POSCAR"), LIS).expect("written");
    fs::write(folder.path().join("learn.toml"), text).expect("written");
    folder
}

/// The ledger without times.
fn ledger(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("lis/ledger.json")).expect("a ledger");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    for summary in value["iterations"].as_array_mut().expect("a list") {
        summary.as_object_mut().expect("a table").remove("cost");
    }
    value
}

#[test]
fn the_loop_labels_what_it_does_not_know_and_leaves_a_ledger_and_pages() {
    let folder = workplace(&learn_file(DYNAMICS, ""));
    let output = vitrion(folder.path(), &["learn", "learn.toml", "--json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let iterations = found["iterations"].as_array().expect("iterations");
    assert_eq!(iterations.len(), 2, "{found}");
    assert_eq!(found["ended"], "the schedule of exploration is finished");
    let initial = found["initial_labels"].as_u64().expect("labels");
    assert!((20..30).contains(&initial), "every ninth or so fails: {initial}");
    for summary in iterations {
        let chosen = summary["selected"].as_u64().expect("a number");
        assert!((1..=5).contains(&chosen), "{summary}");
        let (new, failed) = (
            summary["new_labels"].as_u64().expect("n"),
            summary["failed_labels"].as_u64().expect("n"),
        );
        assert_eq!(new + failed, chosen);
        assert_eq!(summary["runs"].as_array().map(Vec::len), Some(2));
    }
    assert!(iterations[1]["after"]["force_mev_per_A"]["rmse"].is_number());
    let root = folder.path().join("lis");
    let devi =
        fs::read_to_string(root.join("iteration-000/explore/lis-600K-0GPa-0/model_devi.out"));
    let devi = devi.expect("a table of deviations");
    assert!(devi.starts_with("#       step         max_devi_v"), "{devi}");
    assert_eq!(devi.lines().count(), 1 + 13, "step 0 and every tenth");
    for page in ["report.html", "iteration-000/report.html", "iteration-001/report.html"] {
        let text = fs::read_to_string(root.join(page)).expect("a page");
        let drawn = text.split("<script").next().expect("a page");
        assert!(drawn.contains("data-figure=") && !drawn.contains("NaN"), "{page}");
    }
    // the final models carry all labels
    let model = root.join(found["models"][0].as_str().expect("a name"));
    let info = vitrion(folder.path(), &["info", model.to_str().expect("text")]);
    assert_eq!(info.status.code(), Some(0), "{}", stderr(&info));
    // nothing is done again
    let again = vitrion(folder.path(), &["learn", "learn.toml", "--json", "--quiet"]);
    assert_eq!(stdout(&again), stdout(&output));
    // another file does not go on in this folder, other limits do
    let text = learn_file(DYNAMICS, "").replace("labels = 5", "labels = 6");
    fs::write(folder.path().join("learn.toml"), text).expect("written");
    let other = vitrion(folder.path(), &["learn", "learn.toml", "--quiet"]);
    assert!(
        one_line(&stderr(&other)).contains("only here: selection.labels = 6"),
        "{}",
        stderr(&other)
    );
    let text = learn_file(DYNAMICS, "").replace("cores = 2", "cores = 1");
    fs::write(folder.path().join("learn.toml"), text).expect("written");
    let other = vitrion(folder.path(), &["learn", "learn.toml", "--quiet"]);
    assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
}

#[test]
fn a_loop_that_was_killed_again_and_again_ends_with_the_same_ledger() {
    let whole = workplace(&learn_file(DYNAMICS, ""));
    let output = vitrion(whole.path(), &["learn", "learn.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let killed = workplace(&learn_file(DYNAMICS, ""));
    for wait in [150, 400, 700, 1000, 1300, 1700, 2200] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .args(["learn", "learn.toml", "--quiet"])
            .current_dir(killed.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built before its tests");
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().expect("it runs or has ended");
        child.wait().expect("it ended");
    }
    let output = vitrion(killed.path(), &["learn", "learn.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(ledger(killed.path()), ledger(whole.path()));
}

#[test]
fn runs_that_fly_apart_teach_at_the_place_where_they_leave_what_is_known() {
    // a hot run of a potential that knows next to nothing
    let explore = "[[explore]]\ntemperature = [\"9000 K\"]\nensemble = \"nvt\"\nduration = \"400 fs\"\nevery = \"20 \
                   fs\"\n[trust]\nlow = 1.0\nhigh = 4\n[selection]\nlabels = 8\n[stop]\niterations = 1\n";
    let folder = workplace(&learn_file(explore, "").replace("count = 30", "count = 12"));
    let output = vitrion(folder.path(), &["learn", "learn.toml", "--json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let summary = &found["iterations"][0];
    assert!(summary["counts"]["failed"].as_u64().expect("n") > 0, "{summary}");
    assert_eq!(summary["traced"].as_u64(), Some(1), "one run, one place: {summary}");
    let text = fs::read_to_string(folder.path().join("lis/iteration-000/select.json"));
    let select: Value = serde_json::from_str(&text.expect("chosen")).expect("JSON");
    let chosen = select["chosen"].as_array().expect("a list");
    let traced = chosen.iter().find(|c| c["traced"] == true).expect("it is labelled");
    let limit = select["window"]["force"][1].as_f64().expect("a level");
    let deviation = traced["deviation"]["max_f"].as_f64().expect("a number");
    assert!(deviation <= limit, "{deviation} is beyond {limit}: that frame is not reliable");
}

#[test]
fn a_pool_of_frames_is_explored_without_dynamics() {
    let explore = "[[explore]]\nkind = \"pool\"\npath = \"pool.extxyz\"\niterations = 2\n[trust]\nforce = [\"0 eV/A\", \
                   \"1000 eV/A\"]\n[selection]\nlabels = 4\nmethod = \"random\"\n";
    let text = learn_file(explore, "").replace("fail_every = 9\n", "");
    let folder = workplace(&text);
    let pool = text.split("[network]").next().expect("a part").replace("\"lis\"", "\"pool\"");
    let pool = pool
        .replace("species = [\"Li\", \"S\"]\ncommittee = 2\n", "")
        .replace("displacement = \"0.08 A\"", "displacement = \"0.15 A\"");
    fs::write(folder.path().join("pool.toml"), pool).expect("written");
    let made = vitrion(folder.path(), &["label", "pool.toml", "--quiet"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let export = ["label", "--store", "pool/labels", "--export", "pool.extxyz"];
    assert_eq!(vitrion(folder.path(), &export).status.code(), Some(0));
    let output = vitrion(folder.path(), &["learn", "learn.toml", "--json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let rounds: Vec<u64> = found["iterations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| s["counts"]["candidate"].as_u64().expect("n"))
        .collect();
    // the first of 30 is the structure itself, which the initial labels hold too
    assert_eq!(rounds, [29, 25], "what is labelled is no candidate any more");
}

#[test]
fn bad_learn_files_are_refused_by_line_and_key() {
    for (text, expected) in [
        (
            learn_file(DYNAMICS, "").replace("committee = 2", "committee = 1"),
            "a committee of 1 cannot disagree",
        ),
        (learn_file("", ""), "`explore` is missing"),
        (
            learn_file(
                &DYNAMICS.replace("temperature", "structures = [\"none\"]\ntemperature"),
                "",
            ),
            "there is no [[structure]] called \"none\"; there are: lis",
        ),
        (
            learn_file(&DYNAMICS.replace("low = 0.5", "low = 50"), ""),
            "it must exceed low = 50, found 20",
        ),
        (
            learn_file(&DYNAMICS.replace("low = 0.5", "force = [\"0.3 eV/A\", \"0.1 eV/A\"]"), ""),
            "expected the lower and the upper level",
        ),
        (
            learn_file(&DYNAMICS.replace("pressure = [\"0 GPa\"]\n", "ensemble = \"npt\"\n"), ""),
            "`pressure` is missing",
        ),
        (
            learn_file(&DYNAMICS.replace("labels = 5", "labels = 0"), ""),
            "expected one or more for an iteration",
        ),
        (learn_file(DYNAMICS, "[train]\nnew_share = 1.5"), "a share between 0 and 1"),
        (
            learn_file(DYNAMICS, "").replace("axis = 2", "axis = 20"),
            "at most the last embedding width 8",
        ),
        (learn_file(DYNAMICS, "[stop]\nacurate = 0.9"), "did you mean `accurate`?"),
        (
            learn_file(DYNAMICS, "").replace("count = 30", "count = 30\nrepeat = [0, 2, 2, 2]"),
            "expected three counts",
        ),
        (learn_file(DYNAMICS, "[[data]]\npath = \"dft\"\ngroup = \"glass\""), "`group`"),
    ] {
        let folder = workplace(&text);
        let output = vitrion(folder.path(), &["learn", "learn.toml", "--check"]);
        let said = one_line(&stderr(&output));
        assert!(said.contains(expected) && said.contains("learn.toml:"), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
    let folder = workplace(&learn_file(DYNAMICS, ""));
    fs::create_dir(folder.path().join("lis")).expect("made");
    fs::write(folder.path().join("lis/thesis.tex"), "mine").expect("written");
    let output = vitrion(folder.path(), &["learn", "learn.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(1), "a folder with something else is left alone");
}
