//! Pages in a real browser: `tests/browser/*.mjs` drive headless Chromium over pages of runs that are made here, with names in
//! them that would run as scripts if they were not escaped.
//!
//! With `VITRION_TEST_BROWSER` set they must run. Needs `node`, Chromium and `npm ci --prefix crates/vitrion/tests/browser`; skipped, and said so, where one is absent.

use super::{stderr, stdout, vitrion};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Would set `window.hacked` if any of it became markup or script.
const HOSTILE: &str =
    "</script><script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">";

const RUN: &str = r#"
format = 1
name = "pages"
seed = 3

[potential]
model = "builtin:li-p-s-fast"
precision = "mixed"

[[system]]
name = "beta"
structure = "builtin:beta-li3ps4"
crystal_fraction = 1.0

[[system]]
name = "double"
structure = "builtin:beta-li3ps4"
repeat = [1, 1, 2]
crystal_fraction = 0.5

[sweep]
temperature = ["700 K", "900 K", "1100 K"]

[[stage]]
name = "production"
kind = "nvt"
temperature = "sweep"
timestep = "2 fs"
duration = "0.6 ps"
trajectory = { every = "10 fs" }

[[analysis]]
kind = "radial_distribution"
[[analysis]]
kind = "speciation"
[[analysis]]
kind = "steinhardt"
[[analysis]]
kind = "mean_squared_displacement"
species = "Li"
framework = ["P", "S"]
[[analysis]]
kind = "van_hove"
species = "Li"
[[analysis]]
kind = "diffusion"
species = "Li"
framework = ["P", "S"]
charge = 1
[[analysis]]
kind = "arrhenius"
species = "Li"
extrapolate = "300 K"
"#;

#[allow(clippy::print_stdout)] // what was skipped is told
/// The program called `node`, a Chromium, and the folder of the scripts.
fn tools() -> Option<(PathBuf, PathBuf)> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let runs = |name: &str| {
        let mut asked = Command::new(name);
        let asked = asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    let on_path = |name: &str| {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
    };
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path);
    let absent = if !runs("node") {
        "node is absent"
    } else if chromium.is_none() {
        "Chromium is absent"
    } else if !scripts.join("node_modules/playwright-core").exists() {
        "run `npm ci --prefix crates/vitrion/tests/browser`"
    } else {
        return Some((chromium?, scripts));
    };
    assert!(
        std::env::var_os("VITRION_TEST_BROWSER").is_none(),
        "a browser was asked for: {absent}"
    );
    println!("SKIPPED: pages in a browser: {absent}");
    None
}

#[allow(clippy::print_stdout)] // what was looked at is told
fn look(script: &str, what: &str, pictures: &Path) {
    let Some((chromium, scripts)) = tools() else { return };
    let output = Command::new("node")
        .arg(scripts.join(script))
        .arg(chromium)
        .arg(what)
        .arg(pictures)
        .output()
        .expect("node is there");
    println!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "{script} found faults, see above");
}

/// A finished run with hostile names in its manifest and in all its results.
fn run_with_hostile_names(folder: &Path) {
    std::fs::write(folder.join("run.toml"), RUN).expect("writable");
    let output = vitrion(folder, &["run", "run.toml", "--out", "results", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut replaced = std::collections::BTreeMap::new();
    let mut hostile = |path: &Path, from: &'static str| {
        let text = std::fs::read_to_string(path).expect("readable");
        let escaped = serde_json::to_string(HOSTILE).expect("a text");
        *replaced.entry(from).or_insert(0) += text.matches(from).count();
        let text = text.replace(from, &format!("{from}{}", &escaped[1..escaped.len() - 1]));
        std::fs::write(path, text).expect("writable");
    };
    let results = folder.join("results");
    let manifest = results.join("manifest.json");
    for from in ["\"name\": \"beta", "\"name\": \"pages", "\"formula\": \"", "\"provenance\": \""] {
        hostile(&manifest, from);
    }
    for run in std::fs::read_dir(results.join("runs")).expect("runs") {
        let analysis = run.expect("an entry").path().join("analysis");
        for file in ["radial_distribution", "speciation", "van_hove-Li", "diffusion-Li"] {
            for from in ["\"title\": \"", "\"label\": \"", "\"message\": \"", "\"PS4"] {
                hostile(&analysis.join(format!("{file}.json")), from);
            }
        }
    }
    assert!(replaced.values().all(|count| *count > 0), "names that are not there: {replaced:?}");
}

#[test]
fn a_report_works_in_a_browser_whatever_the_names_in_it() {
    if tools().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_with_hostile_names(folder.path());
    let output = vitrion(folder.path(), &["report", "results", "--no-figures"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = folder.path().join("results/report.html");
    look("check.mjs", &page.display().to_string(), folder.path());
}

/// Ends the server with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_live_page_works_in_a_browser_whatever_the_names_in_it() {
    if tools().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_with_hostile_names(folder.path());
    let mut server = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["watch", "results"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built before its tests");
    let out = server.stdout.take().expect("piped");
    let _server = Server(server);
    let mut url = String::new();
    BufReader::new(out).read_line(&mut url).expect("the address");
    look("live.mjs", url.trim(), folder.path());
}
