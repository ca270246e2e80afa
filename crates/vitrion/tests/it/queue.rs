//! Sweeps and trainings in a real queue: whatever happens to their jobs, the results are those of one machine.

use super::resume::physics;
use super::slurm::Cluster;
use super::{one_line, stderr, stdout, training, vitrion, workplace};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Two materials at two temperatures with two seeds, each run some 2000 steps of 36 or 48 atoms long for each
/// `length`; and the table that puts them into a queue.
fn sweep(length: usize, scheduler: &str) -> tempfile::TempDir {
    let folder = workplace("good/long.toml");
    let text = format!(
        "format = 1\nname = \"argon\"\nseed = 7\n[potential]\nkind = \"lennard_jones\"\nspecies = {{ Ar = {{ epsilon = \"10.3 \
         meV\", sigma = \"3.4 A\" }} }}\ncutoff = \"5 A\"\n[[system]]\nname = \"cube\"\nstructure = \"argon.extxyz\"\nrepeat = \
         [3, 2, 2]\n[[system]]\nname = \"bar\"\nstructure = \"argon.extxyz\"\nrepeat = [3, 3, 1]\n[sweep]\ntemperature = [\"60 \
         K\", \"80 K\"]\nseeds = [1, 2]\n[[stage]]\nname = \"heat\"\nkind = \"nvt\"\ntemperature = \"80 K\"\ntimestep = \"4 \
         fs\"\nsteps = 500\n[[stage]]\nname = \"production\"\nkind = \"nvt\"\ntemperature = \"sweep\"\ntimestep = \"4 \
         fs\"\nsteps = {}\ncheckpoint = {{ every = \"1 ps\" }}\ntrajectory = {{ every = \"100 fs\" }}\n[[analysis]]\nkind = \
         \"diffusion\"\nspecies = \"Ar\"\ncharge = 1\n",
        1500 * length
    );
    fs::write(folder.path().join("local.toml"), &text).expect("written");
    let queued = format!("{text}[scheduler]\nkind = \"slurm\"\npoll = \"1 s\"\n{scheduler}\n");
    fs::write(folder.path().join("run.toml"), queued).expect("written");
    folder
}

fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// The results in the queue are those of this process, byte for byte.
fn assert_alike(folder: &Path) {
    let local = ["run", "local.toml", "--out", "whole", "--quiet", "--threads", "2"];
    assert_done(&vitrion(folder, &local));
    let (whole, queued) = (physics(&folder.join("whole")), physics(&folder.join("argon")));
    assert_eq!(whole.keys().collect::<Vec<_>>(), queued.keys().collect::<Vec<_>>());
    assert!(whole.keys().filter(|path| path.ends_with("trajectory.extxyz.zst")).count() == 8);
    for (path, bytes) in &whole {
        assert!(*bytes == queued[path], "{path} differs");
    }
    assert!(folder.join("argon/report.html").exists());
}

/// Rows of `vitrion jobs`.
fn jobs(cluster: &Cluster, folder: &Path, results: &str) -> Vec<Value> {
    let output = cluster.vitrion(folder, &["jobs", results, "--json"]).output();
    let output = output.expect("the program is built");
    assert_done(&output);
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert!(found.get("silence").is_none(), "{found}");
    found["jobs"].as_array().expect("a list").clone()
}

/// Waits until the jobs are as wanted.
fn wait_for(
    cluster: &Cluster,
    folder: &Path,
    results: &str,
    wanted: &str,
    is_so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let start = Instant::now();
    loop {
        // the folder may be there before its jobs are
        let begun = cluster.vitrion(folder, &["jobs", results]).output();
        let begun = begun.expect("the program is built").status.success();
        let found = if begun { jobs(cluster, folder, results) } else { Vec::new() };
        if is_so(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{wanted}: {found:#?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn with_state<'a>(rows: &'a [Value], state: &'a str) -> impl Iterator<Item = &'a Value> {
    rows.iter().filter(move |row| row["state"] == state)
}

fn is_moving(row: &Value) -> bool {
    row["progress"]["done"].as_u64().is_some_and(|step| step > 0)
}

fn begin(cluster: &Cluster, folder: &Path, arguments: &[&str]) -> Child {
    cluster.vitrion(folder, arguments).spawn().expect("the program is built")
}

/// The process that works on a job.
fn process(results: &Path, row: &Value) -> String {
    let path = results.join(row["job"].as_str().expect("a name")).join("events.jsonl");
    let text = fs::read_to_string(path).expect("events");
    let started = text.lines().rev().find(|line| line.contains("started")).expect("it began");
    serde_json::from_str::<Value>(started).expect("JSON")["process"].to_string()
}

fn signal(name: &str, pid: &str) {
    let _ = Command::new("kill").args(["-s", name, pid]).status();
}

#[test]
fn a_sweep_is_handed_over_as_arrays_and_its_results_are_those_of_one_process() {
    let settings = [("SLURM_ONE_MAX_ARRAY", "5")];
    let Some(cluster) = Cluster::with(&settings) else { return };
    let folder =
        sweep(3, "walltime = \"10 min\"\npartition = \"all\"\ncores_per_job = 1\nmost_running = 3");
    let folder = folder.path();
    // handed over, and nobody stays
    let output = cluster.vitrion(folder, &["run", "run.toml", "--submit", "--quiet"]).output();
    let output = output.expect("the program is built");
    assert_done(&output);
    let said = stdout(&output);
    assert!(said.contains("8 jobs are with the queue") && said.contains("vitrion jobs"), "{said}");
    let status = fs::read_to_string(folder.join("argon/manifest.json")).expect("a manifest");
    assert!(status.contains("\"status\": \"in the queue\""), "{status}");
    let is_so = |rows: &[Value]| with_state(rows, "running").any(is_moving);
    let rows = wait_for(&cluster, folder, "argon", "a run with some steps", is_so);
    let row = with_state(&rows, "running").next().expect("one runs");
    assert_eq!((row["work"].as_str(), rows.len()), (Some("run"), 8), "{row}");
    assert!(row["slurm"].as_str().is_some_and(|number| number.contains('_')), "{row}");
    assert!(row["node"].is_string() && row["elapsed_s"].is_u64(), "{row}");
    // somebody follows to the end: nothing is handed over twice
    let output = cluster.vitrion(folder, &["run", "run.toml", "--json"]).output();
    let output = output.expect("the program is built");
    assert_done(&output);
    assert!(
        stderr(&output).contains("8 runs as jobs in the Slurm queue \"all\""),
        "{}",
        stderr(&output)
    );
    let summary: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(summary["manifest"]["status"], "finished");
    assert_eq!(summary["manifest"]["potential"]["device"], "cpu");
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 8, "{log}");
    let words = log.split_whitespace();
    let mut names: Vec<&str> = words.filter(|word| word.starts_with("Name=vitrion-")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 2, "arrays of five and of three: {log}");
    // results that somebody removed are made by a job, not by whoever submits
    let stage = "argon/runs/bar-60K-seed1/stages/01-production/done.json";
    fs::remove_file(folder.join(stage)).expect("a stage that is done");
    let output = cluster.vitrion(folder, &["run", "run.toml", "--quiet"]).output();
    assert_done(&output.expect("the program is built"));
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 9, "{log}");
    assert_alike(folder);
    let table = cluster.vitrion(folder, &["jobs", "argon"]).output().expect("it is built");
    let table = stdout(&table);
    assert!(table.ends_with("8 jobs: 8 done\n"), "{table}");
    assert!(table.contains("stages: 2 of 2"), "{table}");
}

#[test]
fn a_driver_that_is_killed_at_any_instant_submits_nothing_twice() {
    let Some(cluster) = Cluster::with(&[("SLURM_ONE_MIN_JOB_AGE", "120")]) else { return };
    let folder = sweep(1, "cores_per_job = 1\nwalltime = \"10 min\"");
    let folder = folder.path();
    // before, while and after it writes tickets and calls sbatch; the instants are not reproducible
    for wait in [15, 30, 45, 60, 80, 110, 150, 300] {
        let mut driver = begin(&cluster, folder, &["run", "run.toml", "--quiet"]);
        std::thread::sleep(Duration::from_millis(wait));
        driver.kill().expect("our own child");
        driver.wait().expect("our own child");
    }
    let output = begin(&cluster, folder, &["run", "run.toml", "--quiet"]).wait_with_output();
    assert_done(&output.expect("our own child"));
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 8, "{log}");
    let rows = jobs(&cluster, folder, "argon");
    assert!(rows.iter().all(|row| row["starts"] == 1), "{rows:#?}");
    assert_alike(folder);
}

/// The output of a sweep whose first real call of `sbatch` is this script; `$real` is the true one.
fn with_sbatch(cluster: &Cluster, folder: &Path, script: &str) -> Output {
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("a folder");
    let path = bin.join("sbatch");
    let text = format!(
        "#!/bin/bash\nPATH=${{PATH#*:}}\nreal=$(type -P sbatch)\n[ \"$1\" = --version ] && exit 0\nmkdir '{}' \
         2>/dev/null || exec $real \"$@\"\n{script}\n",
        folder.join("called").display()
    );
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    let paths = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let mut call = cluster.vitrion(folder, &["run", "run.toml", "--quiet"]);
    call.env("PATH", paths).output().expect("the program is built")
}

#[test]
fn an_sbatch_that_was_killed_after_it_was_heard_is_not_called_again() {
    let Some(cluster) = Cluster::with(&[]) else { return };
    let folder = sweep(1, "cores_per_job = 1\nwalltime = \"10 min\"");
    assert_done(&with_sbatch(&cluster, folder.path(), "$real \"$@\"; kill -INT $$; sleep 9"));
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 8, "{log}");
    let rows = jobs(&cluster, folder.path(), "argon");
    assert!(rows.iter().all(|row| row["starts"] == 1), "{rows:#?}");
}

#[test]
fn a_refusal_in_words_of_a_cluster_is_quoted_once_the_queue_has_no_such_job() {
    let Some(cluster) = Cluster::with(&[]) else { return };
    let folder = sweep(1, "cores_per_job = 1\nwalltime = \"10 min\"");
    let output = with_sbatch(&cluster, folder.path(), "echo 'say which project' >&2; exit 1");
    let message = one_line(&stderr(&output));
    assert!(message.contains("run.toml:37: in [scheduler]: sbatch"), "{message}");
    assert!(message.contains("say which project; the queue has no such job"), "{message}");
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(!folder.path().join("argon/jobs/bar-60K-seed1/slurm.json").exists());
}

#[test]
fn runs_go_on_after_walltimes_kills_cancellation_and_a_driver_that_died() {
    let Some(cluster) = Cluster::with(&[("SLURM_ONE_MIN_JOB_AGE", "120")]) else { return };
    let folder = sweep(16, "cores_per_job = 1\nwalltime = \"10 min\"");
    let folder = folder.path();
    let mut driver = begin(&cluster, folder, &["run", "run.toml", "--quiet"]);
    let moving = |row: &&Value| is_moving(row);
    let is_so = |rows: &[Value]| with_state(rows, "running").filter(moving).count() >= 4;
    let rows = wait_for(&cluster, folder, "argon", "four runs with some steps", is_so);
    // as they are now: nothing ends before it is hit
    let hit: Vec<&Value> = with_state(&rows, "running").filter(moving).take(4).collect();
    let pids: Vec<String> = hit.iter().map(|row| process(&folder.join("argon"), row)).collect();
    for pid in &pids {
        signal("STOP", pid);
    }
    driver.kill().expect("our own child");
    driver.wait().expect("our own child");
    let numbers: Vec<&str> = hit.iter().filter_map(|row| row["slurm"].as_str()).collect();
    // the walltime is over; killed without a word; cancelled; warned that the walltime will soon be over
    let end = ["update", &format!("JobId={}", numbers[0]), "EndTime=now"];
    cluster.command("scontrol", &end);
    signal("KILL", &pids[1]);
    cluster.command("scancel", &[numbers[2]]);
    cluster.command("scancel", &["--batch", "--signal=TERM", numbers[3]]);
    signal("CONT", &pids[3]);
    // without a driver the table says what became of them
    let ended = |rows: &[Value]| with_state(rows, "stopped").count() == 4;
    let found = wait_for(&cluster, folder, "argon", "four jobs that ended early", ended);
    for (row, expected) in hit.iter().zip(["TIMEOUT", "FAILED", "CANCELLED", "FAILED"]) {
        let now = found.iter().find(|now| now["job"] == row["job"]).expect("it is still there");
        assert!(now["message"].as_str().is_some_and(|m| m.contains(expected)), "{expected}: {now}");
    }
    let output = begin(&cluster, folder, &["run", "run.toml", "--quiet"]).wait_with_output();
    assert_done(&output.expect("our own child"));
    let rows = jobs(&cluster, folder, "argon");
    assert_eq!(with_state(&rows, "done").count(), 8, "{rows:#?}");
    for row in hit {
        let row = rows.iter().find(|r| r["job"] == row["job"]).expect("it is still there");
        assert_eq!(row["starts"], 2, "{row}");
    }
    // eight, and four once more: the others were adopted
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 12, "{log}");
    assert_alike(folder);
}

#[test]
fn runs_of_a_lost_node_go_on_when_there_is_one_again() {
    let Some(cluster) = Cluster::with(&[("SLURM_ONE_NODE_TIMEOUT", "5")]) else { return };
    let folder = sweep(16, "cores_per_job = 1\nwalltime = \"10 min\"");
    let folder = folder.path();
    let driver = begin(&cluster, folder, &["run", "run.toml", "--quiet"]);
    let is_so = |rows: &[Value]| with_state(rows, "running").any(is_moving);
    wait_for(&cluster, folder, "argon", "a run with some steps", is_so);
    // the machine is off: first its daemons, then what they started
    let rows = jobs(&cluster, folder, "argon");
    let busy: Vec<String> =
        with_state(&rows, "running").map(|row| process(&folder.join("argon"), row)).collect();
    let keepers = busy.iter().filter_map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| Some(line.strip_prefix("PPid:")?.trim().to_owned()))
    });
    let slurmd = cluster.file("slurmd.pid").trim().to_owned();
    let dead: Vec<String> = std::iter::once(slurmd).chain(keepers).collect();
    for pid in dead.iter().chain(&busy).filter(|pid| *pid != "1") {
        signal("KILL", pid);
    }
    let lost = |_: &[Value]| events(&folder.join("argon")).contains("NODE_FAIL");
    wait_for(&cluster, folder, "argon", "a node that counts as lost", lost);
    cluster.revive();
    let output = driver.wait_with_output().expect("our own child");
    assert_done(&output);
    assert!(events(&folder.join("argon")).contains("\"how\":\"machine\""));
    assert_alike(folder);
}

/// What happened to all jobs of a results folder.
fn events(results: &Path) -> String {
    let folders = fs::read_dir(results.join("jobs")).expect("jobs");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("readable").path().join("events.jsonl");
        fs::read_to_string(path).unwrap_or_default()
    };
    folders.map(read).collect()
}

#[test]
fn a_training_that_ran_out_of_time_in_a_queue_ends_with_the_same_model() {
    let Some(cluster) = Cluster::with(&[]) else { return };
    let folder = training::workplace(1.0);
    let folder = folder.path();
    let text = fs::read_to_string(folder.join("train.toml")).expect("a file");
    let text =
        text.replace("committee = 1", "committee = 2").replace("steps = 60", "steps = 15000");
    fs::write(folder.join("local.toml"), &text).expect("written");
    let scheduler =
        "[scheduler]\nkind = \"slurm\"\npoll = \"1 s\"\ncores_per_job = 1\nwalltime = \"20 min\"\n";
    fs::write(folder.join("train.toml"), text + scheduler).expect("written");
    let driver = begin(&cluster, folder, &["train", "train.toml", "--json", "--quiet"]);
    let is_so = |rows: &[Value]| {
        with_state(rows, "running").any(|row| row["progress"]["done"].as_u64() > Some(20))
    };
    let rows = wait_for(&cluster, folder, "tiny", "a training with some steps", is_so);
    let row = with_state(&rows, "running").next().expect("one runs");
    assert_eq!((row["work"].as_str(), &row["progress"]["all"]), (Some("train"), &15000.into()));
    let pid = process(&folder.join("tiny"), row);
    signal("STOP", &pid);
    let second = cluster.vitrion(folder, &["train", "train.toml", "--submit"]).output();
    let second = second.expect("the program is built");
    let message = one_line(&stderr(&second));
    assert!(message.contains("tiny is in use by another vitrion process"), "{message}");
    assert_eq!(second.status.code(), Some(1), "{message}");
    signal("INT", &driver.id().to_string());
    let output = driver.wait_with_output().expect("our own child");
    let message = one_line(&stderr(&output));
    assert!(message.contains("jobs go on in the queue"), "{message}");
    assert!(message.contains("vitrion train --continue "), "{message}");
    assert_eq!(output.status.code(), Some(2), "{message}");
    // what Slurm does before the walltime
    let number = row["slurm"].as_str().expect("a number");
    cluster.command("scancel", &["--batch", "--signal=TERM", number]);
    signal("CONT", &pid);
    // with more time: what decides the model is the same
    let text = fs::read_to_string(folder.join("train.toml")).expect("a file");
    fs::write(folder.join("train.toml"), text.replace("20 min", "30 min")).expect("written");
    let output = begin(&cluster, folder, &["train", "train.toml", "--json", "--quiet"]);
    let output = output.wait_with_output().expect("our own child");
    assert_done(&output);
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!((&found[0][0]["seed"], &found[1][0]["seed"]), (&5.into(), &6.into()));
    let rows = jobs(&cluster, folder, "tiny");
    assert_eq!(with_state(&rows, "done").count(), 2, "{rows:#?}");
    assert!(rows.iter().any(|row| row["starts"] == 2), "{rows:#?}");
    let local = ["train", "local.toml", "--out", "local", "--quiet", "--threads", "2"];
    assert_done(&vitrion(folder, &local));
    for member in 0..2 {
        let of =
            |run: &str| fs::read(folder.join(format!("{run}/model-{member}/model.safetensors")));
        assert_eq!(of("tiny").expect("a model"), of("local").expect("a model"), "model {member}");
    }
}

#[test]
fn a_queue_that_refuses_is_quoted_with_the_line_and_what_would_be_right() {
    let Some(cluster) = Cluster::with(&[]) else { return };
    let refused = |scheduler: &str, expected: &[&str]| {
        let folder = sweep(1, scheduler);
        let output = cluster.vitrion(folder.path(), &["run", "run.toml", "--quiet"]).output();
        let output = output.expect("the program is built");
        let message = one_line(&stderr(&output));
        for words in expected {
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(output.status.code(), Some(1), "{message}");
        // nothing that a later call would take for a job in the queue
        assert!(!folder.path().join("argon/jobs/bar-60K-seed1/slurm.json").exists());
    };
    let partition = ["run.toml:37: in [scheduler]: sbatch", "check `partition`: there is all"];
    refused("cores_per_job = 1\npartition = \"short\"", &partition);
    let cores = ["run.toml:37", "waits for PartitionConfig", "check `partition`"];
    refused("cores_per_job = 4000\nwalltime = \"10 min\"", &cores);
    let vain = ["run.toml:37", "waits for Partition", "it was taken out of the queue"];
    refused("cores_per_job = 1\nwalltime = \"2 h\"", &vain);
    assert_eq!(cluster.command("squeue", &["-h"]), "");
}

#[test]
fn without_slurm_the_line_that_asks_for_it_is_named() {
    let folder = sweep(1, "cores_per_job = 1");
    let call = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .args(arguments)
            .current_dir(folder.path())
            .env("PATH", folder.path())
            .output()
            .expect("the program is built")
    };
    let output = call(&["run", "run.toml", "--quiet"]);
    let message = one_line(&stderr(&output));
    assert!(message.contains("run.toml:37: in [scheduler]: kind = \"slurm\" needs"), "{message}");
    assert_eq!(output.status.code(), Some(1), "{message}");
    let output = call(&["run", "local.toml", "--submit"]);
    let message = one_line(&stderr(&output));
    assert!(message.contains("--submit needs a queue: local.toml has no [scheduler]"), "{message}");
    assert_eq!(output.status.code(), Some(1), "{message}");
    let output = call(&["jobs", "whole"]);
    assert!(stderr(&output).contains("whole: cannot read"), "{}", stderr(&output));
}

#[test]
fn runs_of_a_queue_may_be_those_of_lammps_on_several_ranks() {
    let Some(lmp) = super::lammps::lammps() else { return };
    let Some(cluster) = Cluster::with(&[]) else { return };
    let folder = sweep(1, "walltime = \"10 min\"\npartition = \"all\"\ncores_per_job = 2");
    let folder = folder.path();
    let engine = super::lammps::engine(&lmp, 2);
    let (key, table) = engine.split_once("[lammps]").expect("a table");
    let text = fs::read_to_string(folder.join("run.toml")).expect("there");
    let text = text.replace("format = 1\n", &format!("format = 1\n{key}"));
    let text = format!("{text}[lammps]{table}");
    fs::write(folder.join("run.toml"), &text).expect("written");
    let output = cluster.vitrion(folder, &["run", "run.toml", "--quiet"]).output();
    assert_done(&output.expect("the program is built"));
    let manifest = fs::read_to_string(folder.join("argon/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let engine = manifest["engine"].as_str().expect("a name");
    assert!(engine.starts_with("LAMMPS") && engine.contains("2 MPI rank(s)"), "{engine}");
    assert_eq!(manifest["status"], "finished");
    assert!(folder.join("argon/report.html").exists());

    let narrow = text.replace("cores_per_job = 2", "cores_per_job = 3");
    fs::write(folder.join("narrow.toml"), narrow).expect("written");
    let output = cluster.vitrion(folder, &["run", "narrow.toml", "--out", "narrow"]).output();
    let message = one_line(&stderr(&output.expect("the program is built")));
    let expected = "2 rank(s) of 1 thread(s) need as many cores, but `cores_per_job`";
    assert!(message.contains(expected), "{message}");
}
