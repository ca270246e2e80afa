//! Stages that LAMMPS carries out, beside the same stages of vitrion.
//!
//! With `VITRION_TEST_LAMMPS` naming a LAMMPS program (`mpirun` is looked for beside it, then in the path); those with
//! `pair_style vitrion` need `VITRION_LAMMPS_PLUGIN` too. Without them the tests say SKIPPED and pass.

use super::{stderr, vitrion};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Argon and krypton in a cell that is neither upright nor right-handed.
const MIXTURE: &str = r#"
[potential]
kind = "lennard_jones"
species = { Ar = { epsilon = "10.3 meV", sigma = "3.4 A" }, Kr = { epsilon = "14 meV", sigma = "3.65 A" } }
cutoff = "7 A"
[system]
structure = "start.extxyz"
[[group]]
name = "krypton"
element = "Kr"
"#;

#[expect(clippy::print_stdout, reason = "skips are counted")]
pub(super) fn lammps() -> Option<PathBuf> {
    let found = std::env::var_os("VITRION_TEST_LAMMPS").map(PathBuf::from);
    if found.is_none() {
        println!("SKIPPED: no LAMMPS here (VITRION_TEST_LAMMPS)");
    }
    found
}

#[expect(clippy::print_stdout, reason = "skips are counted")]
fn plugin() -> bool {
    let found = std::env::var_os("VITRION_LAMMPS_PLUGIN").is_some();
    if !found {
        println!("SKIPPED: no plugin here (VITRION_LAMMPS_PLUGIN)");
    }
    found
}

pub(super) fn engine(lmp: &Path, ranks: usize) -> String {
    let beside = lmp.with_file_name("mpirun");
    let launcher = if beside.exists() { beside.display().to_string() } else { "mpirun".to_owned() };
    format!(
        "engine = \"lammps\"\n[lammps]\ncommand = \"{}\"\nlauncher = [\"{launcher}\"]\nranks = {ranks}\n",
        lmp.display()
    )
}

/// 108 atoms near the sites of a crystal, in lattice vectors that are turned, skewed and mirrored if asked for.
fn structure(general: bool) -> String {
    let edges = if general {
        [[1.2, 15.1, 2.3], [16.3, 0.7, -0.9], [-2.5, 1.9, 15.7]]
    } else {
        [[16.2, 0.0, 0.0], [0.0, 16.2, 0.0], [0.0, 0.0, 16.2]]
    };
    let mut out = String::new();
    let text: Vec<String> = edges.as_flattened().iter().map(f64::to_string).collect();
    let lattice = text.join(" ");
    writeln!(out, "108\nLattice=\"{lattice}\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"")
        .expect("a string");
    let mut state = 1_u64;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / f64::from(1 << 24) - 0.5) * 0.04
    };
    for k in 0..108_usize {
        let (cell, site) = (k / 4, k % 4);
        let corner = [cell % 3, cell / 3 % 3, cell / 9].map(|n| n as f64);
        let basis = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]][site];
        // some start outside of the cell
        let s: Vec<f64> = (0..3).map(|a| (corner[a] + basis[a] + noise()) / 3.0 - 0.4).collect();
        let r: Vec<String> =
            (0..3).map(|c| (0..3).map(|a| s[a] * edges[a][c]).sum::<f64>().to_string()).collect();
        let symbol = if k % 3 == 0 { "Kr" } else { "Ar" };
        writeln!(out, "{symbol} {}", r.join(" ")).expect("a string");
    }
    out
}

fn stage(name: &str, kind: &str, steps: u64, more: &str) -> String {
    format!(
        "[[stage]]\nname = \"{name}\"\nkind = \"{kind}\"\ntimestep = \"4 fs\"\nsteps = {steps}\nthermo = {{ every = \"4 fs\" }}\n\
         checkpoint = {{ every = \"80 fs\" }}\n{more}\n"
    )
}

fn run_file(engine: &str, system: &str, stages: &str) -> String {
    format!("format = 1\nname = \"run\"\nseed = 11\n{engine}{system}{stages}")
}

/// A folder with a run file for LAMMPS, one for vitrion, and the structure.
fn workplace(lmp: &Path, ranks: usize, general: bool, stages: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writable");
    write("start.extxyz", &structure(general));
    write("lammps.toml", &run_file(&engine(lmp, ranks), MIXTURE, stages));
    write("vitrion.toml", &run_file("", MIXTURE, stages));
    folder
}

fn carry_out(folder: &Path, name: &str) {
    let output = vitrion(folder, &["run", &format!("{name}.toml"), "--out", name, "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
}

/// Columns of the thermo table of a stage.
fn thermo(folder: &Path, results: &str, stage: &str) -> BTreeMap<String, Vec<f64>> {
    let path = folder.join(results).join("runs/start/stages").join(stage).join("thermo.csv");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a heading").split(',').collect();
    let mut table: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in lines {
        for (name, value) in names.iter().zip(line.split(',')) {
            table.entry((*name).to_owned()).or_default().push(value.parse().expect("a number"));
        }
    }
    table
}

/// Steps, and all numbers of every frame, of the trajectory of a stage.
fn trajectory(folder: &Path, results: &str, stage: &str) -> (Vec<String>, Vec<f64>) {
    let path = folder.join(results).join("runs/start/stages").join(stage);
    let packed = fs::File::open(path.join("trajectory.extxyz.zst")).expect("a trajectory");
    let text = String::from_utf8(zstd::decode_all(packed).expect("whole")).expect("text");
    let of_step = |line: &&str| line.contains("Lattice");
    let step = |line: &str| {
        line.split("step=").nth(1).and_then(|t| t.split(' ').next().map(str::to_owned))
    };
    let steps = text.lines().filter(of_step).filter_map(step).collect();
    let numbers = text
        .lines()
        .filter(|line| !of_step(line))
        .flat_map(|line| line.split_whitespace().skip(1).map(|x| x.parse().expect("a number")))
        .collect();
    (steps, numbers)
}

/// The first `rows` rows of two tables agree in every column but those `left_out`, to `tolerance` of the largest value.
fn assert_alike(
    a: &BTreeMap<String, Vec<f64>>,
    b: &BTreeMap<String, Vec<f64>>,
    rows: usize,
    tolerance: f64,
    left_out: &[&str],
) {
    assert!(a.keys().eq(b.keys()), "{:?} {:?}", a.keys(), b.keys());
    assert_eq!(a["step"], b["step"]);
    for (name, first) in a.iter().filter(|(name, _)| !left_out.contains(&name.as_str())) {
        let scale = first.iter().fold(0.01_f64, |m, x| m.max(x.abs()));
        for (row, (x, y)) in first.iter().zip(&b[name]).take(rows).enumerate() {
            // tables have 6 to 10 digits behind the point
            assert!((x - y).abs() <= tolerance * scale + 2e-6, "{name}, row {row}: {x} {y}");
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn nve_in_a_general_cell_is_the_same_trajectory() {
    let Some(lmp) = lammps() else { return };
    let more = "temperature = \"60 K\"\ntrajectory = { every = \"40 fs\", velocities = true, forces = true }";
    let folder = workplace(&lmp, 2, true, &stage("nve", "nve", 100, more));
    for name in ["lammps", "vitrion"] {
        carry_out(folder.path(), name);
    }
    let [ours, theirs] = ["vitrion", "lammps"].map(|name| thermo(folder.path(), name, "00-nve"));
    // energy, forces and pressure tensor of the first structure
    assert_alike(&ours, &theirs, 1, 1e-10, &[]);
    assert_alike(&ours, &theirs, 101, 1e-8, &[]);
    let [ours, theirs] =
        ["vitrion", "lammps"].map(|name| trajectory(folder.path(), name, "00-nve"));
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1.len(), 11 * (108 * 9));
    let differs = ours.1.iter().zip(&theirs.1).fold(0.0_f64, |m, (x, y)| m.max((x - y).abs()));
    assert!(differs < 1e-8, "{differs:e}");
    let manifest = fs::read_to_string(folder.path().join("lammps/manifest.json")).expect("there");
    assert!(manifest.contains("\"engine\": \"LAMMPS "), "{manifest}");
    assert!(manifest.contains("2 MPI rank(s) of 1 thread(s)"), "{manifest}");
}

#[test]
fn thermostats_barostats_ramps_and_frozen_atoms_are_the_same_dynamics() {
    let Some(lmp) = lammps() else { return };
    let stages = [
        stage("melt", "nvt", 40, "temperature = \"90 K\"\nfreeze = [\"krypton\"]"),
        stage("quench", "nvt", 40, "temperature = { start = \"90 K\", end = \"30 K\" }"),
        stage(
            "groups",
            "nvt",
            40,
            "temperature = \"60 K\"\nthermostats = [{ group = \"krypton\", temperature = \"40 K\" }]",
        ),
        stage(
            "iso",
            "npt",
            40,
            "temperature = \"60 K\"\npressure = { start = \"0 GPa\", end = \"0.1 GPa\" }",
        ),
        stage(
            "uniaxial",
            "npt",
            40,
            "temperature = \"60 K\"\npressure = \"0.1 GPa\"\ncoupling = \"z\"",
        ),
        stage("still", "npt", 200, "temperature = \"60 K\"\npressure = \"0.1 GPa\""),
    ];
    let folder = workplace(&lmp, 1, false, &stages.concat());
    for name in ["lammps", "vitrion"] {
        carry_out(folder.path(), name);
    }
    let both = |stage: &str| ["vitrion", "lammps"].map(|name| thermo(folder.path(), name, stage));
    // a chain is cut otherwise; its conserved quantity leaves the work of a ramp out in LAMMPS
    for (stage, tolerance, left_out) in [
        ("00-melt", 3e-7, &[][..]),
        ("01-quench", 1e-6, &["conserved_ev"]),
        ("02-groups", 1e-5, &[]),
        ("03-iso", 3e-3, &["conserved_ev"]),
        ("04-uniaxial", 3e-2, &["conserved_ev"]),
    ] {
        let [ours, theirs] = both(stage);
        assert_alike(&ours, &theirs, 30, tolerance, left_out);
    }
    // LAMMPS leaves P V of the start out; besides, it is conserved
    for stage in ["04-uniaxial", "05-still"] {
        let theirs = thermo(folder.path(), "lammps", stage)["conserved_ev"].clone();
        let spread = theirs.iter().fold(0.0_f64, |m, x| m.max((x - theirs[0]).abs()));
        assert!(spread / 108.0 < 1e-5, "{stage}: {spread} eV");
    }
}

#[test]
fn stochastic_thermostats_hold_the_temperature_and_conserve_with_their_heat() {
    let Some(lmp) = lammps() else { return };
    let stages = [
        stage(
            "heat",
            "nvt",
            1000,
            "temperature = \"60 K\"\nthermostat = \"csvr\"\nthermostat_period = \"200 fs\"",
        ),
        stage(
            "csvr",
            "nvt",
            2000,
            "temperature = \"60 K\"\nthermostat = \"csvr\"\nthermostat_period = \"200 fs\"",
        ),
        stage(
            "langevin",
            "nvt",
            2000,
            "temperature = \"60 K\"\nthermostat = \"langevin\"\nthermostat_period = \"200 fs\"",
        ),
        stage(
            "npt",
            "npt",
            1000,
            "temperature = \"60 K\"\npressure = \"0 GPa\"\nthermostat = \"csvr\"",
        ),
        stage(
            "steps",
            "nvt",
            600,
            "temperature = { start = \"90 K\", end = \"30 K\", plateaus = 3 }\nthermostat = \"csvr\"\nthermostat_period = \"40 fs\"",
        ),
        stage("strain", "nve", 100, "strain_rate = { xx = \"0.1 /ps\" }"),
    ];
    let folder = workplace(&lmp, 2, false, &stages.concat());
    carry_out(folder.path(), "lammps");
    let atoms = 108.0;
    for name in ["01-csvr", "02-langevin"] {
        let table = thermo(folder.path(), "lammps", name);
        // √(2/N_f) T in every independent sample; the relaxation time is 50 steps
        let error = 60.0 * (2.0 / 321.0_f64).sqrt() / (2000.0 / 100.0_f64).sqrt();
        let found = mean(&table["temperature_k"]);
        assert!((found - 60.0).abs() < 5.0 * error, "{name}: {found} K, expected 60 ± {error}");
        let conserved = &table["conserved_ev"];
        let drift = (conserved[conserved.len() - 1] - conserved[0]).abs() / atoms;
        assert!(drift < 2e-4, "{name}: {drift} eV/atom");
    }
    let npt = thermo(folder.path(), "lammps", "03-npt");
    assert!(
        npt["volume_a3"].iter().any(|v| (v - npt["volume_a3"][0]).abs() > 1.0),
        "the cell moves"
    );
    let steps = thermo(folder.path(), "lammps", "04-steps")["temperature_k"].clone();
    for (part, target) in [90.0, 60.0, 30.0].into_iter().enumerate() {
        // the first half of a plateau gets there
        let found = mean(&steps[200 * part + 100..200 * (part + 1)]);
        assert!((found - target).abs() < 10.0, "plateau {part}: {found} K");
    }
    let strained = thermo(folder.path(), "lammps", "05-strain")["a_a"].clone();
    let grown = strained[100] / strained[0];
    assert!((grown - 0.04_f64.exp()).abs() < 1e-6, "{grown}");
}

/// Goes on with the run until the table of a stage has grown by some thousand rows, and sends a signal then.
fn carry_out_until(folder: &Path, stage: &str, signal: &str) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["run", "lammps.toml", "--out", "lammps", "--quiet"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built before its tests");
    let path = folder.join("lammps/runs/start/stages").join(stage).join("thermo.csv");
    let length = || fs::metadata(&path).map_or(0, |file| file.len());
    let (before, start) = (length(), Instant::now());
    while length() < before + 200_000 {
        assert!(start.elapsed() < Duration::from_mins(1), "LAMMPS does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    child.wait_with_output().expect("our own child")
}

#[test]
fn a_finished_stage_is_left_alone_when_the_run_goes_on() {
    let Some(lmp) = lammps() else { return };
    let second = stage("second", "nve", 6000, "").replace("\"80 fs\"", "\"800 fs\"");
    let stages = [stage("first", "nve", 50, "temperature = \"60 K\""), second];
    let folder = workplace(&lmp, 2, false, &stages.concat());
    carry_out_until(folder.path(), "01-second", "KILL");
    let first = folder.path().join("lammps/runs/start/stages/00-first");
    let files = || -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
        let entries = fs::read_dir(&first).expect("a folder").map(|entry| entry.expect("a file"));
        let made_by_lammps = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.contains("lammps") || name.starts_with("frame")
        };
        let state = |path: PathBuf| {
            let changed = fs::metadata(&path).and_then(|file| file.modified()).expect("a time");
            let bytes = fs::read(&path).expect("readable");
            (path, (changed, bytes))
        };
        entries.map(|entry| entry.path()).filter(made_by_lammps).map(state).collect()
    };
    let before = files();
    assert!(before.contains_key(&first.join("lammps.50.restart")), "{:?}", before.keys());
    assert!(!first.join("lammps.restart.part").exists());
    carry_out(folder.path(), "lammps");
    // the log would have grown, too
    assert!(files() == before, "{:?}", files().keys());
    let done = fs::read_to_string(first.join("done.json")).expect("the stage is done");
    assert!(done.contains("\"resumed\": 0"), "{done}");
}

#[test]
fn a_stage_that_was_killed_or_stopped_goes_on_from_the_restart_of_lammps() {
    let Some(lmp) = lammps() else { return };
    let long = stage(
        "long",
        "nvt",
        30_000,
        "temperature = \"60 K\"\ntrajectory = { every = \"400 fs\" }\ncorrelations = { every = \"40 fs\", longest = \"1 ps\" }",
    )
    .replace("\"80 fs\"", "\"800 fs\"");
    let folder = workplace(&lmp, 2, true, &long);
    for signal in ["KILL", "TERM", "KILL", "INT"] {
        let output = carry_out_until(folder.path(), "00-long", signal);
        if signal != "KILL" {
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(stderr(&output).contains("To go on: "), "{}", stderr(&output));
        }
    }
    carry_out(folder.path(), "lammps");
    let table = thermo(folder.path(), "lammps", "00-long");
    assert!(
        table["step"].iter().enumerate().all(|(k, step)| *step as usize == k),
        "every step once"
    );
    assert_eq!(table["step"].len(), 30_001);
    let (steps, _) = trajectory(folder.path(), "lammps", "00-long");
    assert!(steps.iter().enumerate().all(|(k, step)| *step == (100 * k).to_string()), "{steps:?}");
    assert_eq!(steps.len(), 301);
    // positions, velocities and chains are all in the restart
    let conserved = &table["conserved_ev"];
    let jump = conserved.windows(2).fold(0.0_f64, |m, pair| m.max((pair[1] - pair[0]).abs()));
    assert!(jump < 5e-3, "{jump} eV");
    let done = fs::read_to_string(folder.path().join("lammps/runs/start/stages/00-long/done.json"));
    assert!(done.is_ok_and(|text| text.contains("\"resumed\": 4")));
}

#[test]
fn atoms_that_run_away_end_the_stage_and_the_last_frame_is_kept() {
    let Some(lmp) = lammps() else { return };
    let hot = stage("hot", "nve", 200, "temperature = \"60 K\"\nmax_displacement = \"0.01 A\"");
    let folder = workplace(&lmp, 2, false, &hot);
    let output = vitrion(folder.path(), &["run", "lammps.toml", "--out", "lammps", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("further than the limit of 0.01 Å in one step"), "{message}");
    assert!(message.contains("last-good.extxyz"), "{message}");
    let last = folder.path().join("lammps/runs/start/stages/00-hot/last-good.extxyz");
    assert!(last.exists());

    // LAMMPS itself loses atoms
    let text = fs::read_to_string(folder.path().join("lammps.toml")).expect("there");
    let wild = text.replace("60 K", "30000000 K").replace("0.01 A", "1e15 A");
    fs::write(folder.path().join("wild.toml"), wild).expect("writable");
    let output = vitrion(folder.path(), &["run", "wild.toml", "--out", "wild", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("ERROR") && message.contains("last-good.extxyz"), "{message}");

    // a user's line that LAMMPS carries out and then fails in the run
    let limited = "setup = [\"timer timeout 0:00:00\"]\nranks = 2";
    fs::write(folder.path().join("late.toml"), text.replace("ranks = 2", limited))
        .expect("writable");
    let output = vitrion(folder.path(), &["run", "late.toml", "--out", "late", "--quiet"]);
    let message = stderr(&output);
    assert!(
        message.contains("LAMMPS ended before the stage was complete (exit code 0)"),
        "{message}"
    );
}

#[test]
fn a_lammps_that_lacks_the_potential_or_refuses_a_line_is_told_before_the_run() {
    let Some(lmp) = lammps() else { return };
    let folder = workplace(&lmp, 1, false, &stage("nve", "nve", 20, "temperature = \"60 K\""));
    let text = fs::read_to_string(folder.path().join("lammps.toml")).expect("there");
    let wrong = text.replace("ranks = 1", "ranks = 1\nsetup = [\"fly away\"]");
    fs::write(folder.path().join("wrong.toml"), wrong).expect("writable");
    let output = vitrion(folder.path(), &["check", "wrong.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Unknown command: fly away"), "{}", stderr(&output));

    let model =
        "[potential]\nmodel = \"builtin:li-p-s\"\n[system]\nstructure = \"builtin:beta-li3ps4\"\n";
    let stages = stage("nve", "nve", 20, "temperature = \"60 K\"");
    fs::write(folder.path().join("model.toml"), run_file(&engine(&lmp, 1), model, &stages))
        .expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_vitrion"))
        .args(["check", "model.toml"])
        .env_remove("VITRION_LAMMPS_PLUGIN")
        .current_dir(folder.path())
        .output()
        .expect("the program is built before its tests");
    let known = output.status.success(); // this LAMMPS may have the style by itself
    assert!(known || stderr(&output).contains("name vitrionplugin.so here"), "{}", stderr(&output));
}

#[test]
fn the_plugin_gives_the_dynamics_of_vitrion() {
    let Some(lmp) = lammps() else { return };
    if !plugin() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = "[potential]\nmodel = \"builtin:li-p-s\"\nprecision = \"double\"\n[system]\nname = \"start\"\n\
                 structure = \"builtin:beta-li3ps4\"\n[[group]]\nname = \"phosphorus\"\nelement = \"P\"\n";
    let stages = [
        "[[stage]]\nname = \"relax\"\nkind = \"minimize\"\nforce_tolerance = \"0.2 eV/A\"\n"
            .to_owned(),
        stage("held", "nvt", 20, "temperature = \"300 K\"\nfreeze = [\"phosphorus\"]")
            .replace("4 fs", "1 fs")
            .replace("80 fs", "10 fs"),
        stage("npt", "npt", 20, "temperature = \"300 K\"\npressure = \"0 GPa\"")
            .replace("4 fs", "1 fs")
            .replace("80 fs", "10 fs"),
    ];
    for (name, engine) in [("lammps", engine(&lmp, 2)), ("vitrion", String::new())] {
        let text = run_file(&engine, model, &stages.concat());
        fs::write(folder.path().join(format!("{name}.toml")), text).expect("writable");
        carry_out(folder.path(), name);
    }
    for (stage, tolerance, left_out) in
        [("01-held", 1e-7, &[][..]), ("02-npt", 3e-5, &["conserved_ev"])]
    {
        let [ours, theirs] = ["vitrion", "lammps"].map(|name| thermo(folder.path(), name, stage));
        assert_alike(&ours, &theirs, 21, tolerance, left_out);
    }
}
