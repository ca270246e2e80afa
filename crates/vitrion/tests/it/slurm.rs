//! A real Slurm on this machine, where one can be started: jobs are queued, adopted, lost and found.

use super::{stderr, stdout, vitrion};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A controller and a node of their own; gone when dropped.
pub(super) struct Cluster {
    folder: tempfile::TempDir,
    conf: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/slurm-one-node.sh")
}

impl Cluster {
    fn start() -> Option<Self> {
        Cluster::with(&[])
    }

    /// A cluster with some settings of the script.
    #[expect(clippy::print_stdout, reason = "skips are counted")]
    pub(super) fn with(settings: &[(&str, &str)]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut call = Command::new("bash");
        call.arg(script()).arg("start").arg(folder.path()).env("SLURM_ONE_CPUS", "4");
        call.env("SLURM_ONE_MIN_JOB_AGE", "20");
        call.envs(settings.iter().copied());
        let output = call.output().expect("bash runs");
        if !output.status.success() {
            println!("SKIPPED: no Slurm here: {}", stderr(&output).trim());
            assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
            return None;
        }
        let said = stdout(&output);
        let conf = said.trim().strip_prefix("export SLURM_CONF=").expect("where it is").to_owned();
        Some(Cluster { folder, conf })
    }

    /// Starts what of it has died.
    pub(super) fn revive(&self) {
        let back = Command::new("bash").arg(script()).arg("start").arg(self.folder.path()).output();
        assert!(back.expect("bash runs").status.success(), "the cluster is back");
    }

    /// A file of the cluster.
    pub(super) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file of the cluster")
    }

    /// A call of the built program that knows the cluster.
    pub(super) fn vitrion(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitrion"));
        command.args(arguments).current_dir(folder).env("SLURM_CONF", &self.conf);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn command(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", &self.conf).output();
        stdout(&output.expect("Slurm's commands are there"))
    }

    fn label(&self, folder: &Path) -> Command {
        self.vitrion(folder, &["label", "label.toml", "--json", "--quiet"])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new("bash").arg(script()).arg("stop").arg(self.folder.path()).status();
    }
}

/// 400 labels in seven jobs of 64, each label taking a while.
fn workplace(seconds: f64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let poscar =
        "LiH\n1.0\n0.0 2.0 2.1\n2.0 0.1 2.0\n2.0 2.0 0.0\nLi H\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n";
    fs::write(folder.path().join("POSCAR"), poscar).expect("written");
    let text = format!(
        "format = 1\nname = \"lih\"\n[engine]\nkind = \"fake\"\nspecies = [\"Li\", \"H\"]\nepsilon = [\"0.05 eV\", \"0.02 \
         eV\"]\nsigma = [\"2.2 A\", \"1.8 A\"]\ncutoff = \"5 A\"\nduration = \"{seconds} s\"\n[scheduler]\nkind = \
         \"slurm\"\nwalltime = \"5 min\"\npartition = \"all\"\npoll = \"1 s\"\n[[perturb]]\nstructure = \"POSCAR\"\ncount = \
         400\ndisplacement = \"0.05 A\"\nstrain = 0.02\n"
    );
    fs::write(folder.path().join("label.toml"), text).expect("written");
    folder
}

#[test]
fn jobs_of_a_queue_survive_the_program_cancellation_and_a_silent_controller() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = workplace(0.1);
    // the program dies while its jobs are in the queue
    let mut child =
        cluster.label(folder.path()).stdout(Stdio::null()).spawn().expect("the program is built");
    let mut queued = String::new();
    for _ in 0..120 {
        std::thread::sleep(Duration::from_millis(500));
        queued = cluster.command("squeue", &["-h", "-r", "-t", "all", "-o", "%i|%T|%j"]);
        if queued.lines().count() == 7 && queued.contains("RUNNING") {
            break;
        }
    }
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    let jobs: Vec<&str> = queued.lines().collect();
    assert_eq!(jobs.len(), 7, "{queued}");
    assert!(jobs.iter().all(|job| job.contains("vitrion-")), "{queued}");
    // one of them is cancelled behind its back
    let running = jobs.iter().find(|job| job.contains("RUNNING")).expect("some run");
    let number = running.split('|').next().expect("a number");
    cluster.command("scancel", &[number]);
    // the next session adopts the others and starts that one again; the controller is away for a while
    let child = cluster.label(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program is built");
    std::thread::sleep(Duration::from_secs(2));
    let _ = Command::new("kill").arg(cluster.file("slurmctld.pid").trim()).status();
    std::thread::sleep(Duration::from_secs(3));
    cluster.revive();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(found["new"].as_u64(), Some(400), "{found}");
    // seven jobs, and the one that was cancelled once more: nothing was submitted twice
    let log = cluster.file("jobcomp.log");
    assert_eq!(log.lines().count(), 8, "{log}");
    // the same labels as without a queue
    let local = workplace(1e-3);
    let text = fs::read_to_string(local.path().join("label.toml")).expect("readable");
    let text = text.replace(
        "kind = \"slurm\"\nwalltime = \"5 min\"\npartition = \"all\"\npoll = \"1 s\"",
        "cores = 2",
    );
    fs::write(local.path().join("label.toml"), text).expect("written");
    assert_eq!(vitrion(local.path(), &["label", "label.toml", "--quiet"]).status.code(), Some(0));
    let energies = |folder: &Path| -> Vec<String> {
        let text = fs::read_to_string(folder.join("lih/labels/labels.jsonl")).expect("a store");
        text.lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).expect("JSON")["record"]["energy"].to_string()
            })
            .collect()
    };
    assert_eq!(energies(folder.path()), energies(local.path()));
}

#[test]
fn a_job_out_of_time_goes_on_in_another_one() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = workplace(0.15);
    let child = cluster.label(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program is built");
    std::thread::sleep(Duration::from_secs(4));
    let queued = cluster.command("squeue", &["-h", "-r", "-t", "RUNNING", "-o", "%i"]);
    for number in queued.lines() {
        cluster.command("scontrol", &["update", &format!("JobId={number}"), "EndTime=now"]);
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(found["new"].as_u64(), Some(400), "{found}");
}
