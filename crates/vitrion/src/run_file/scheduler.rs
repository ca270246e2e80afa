//! `[scheduler]`: where jobs run. Part of run, training, label and learn files.

use super::engine::{count, wall_time};
use super::reader::{Located, Table};
use crate::error::InputError;
use crate::jobs::{SchedulerSettings, SlurmSettings};

/// Options that vitrion says itself: another value would break how it knows its jobs again.
const OURS: [&str; 9] =
    ["--array", "-a", "--job-name", "-J", "--chdir", "-D", "--requeue", "--no-requeue", "--signal"];

/// Who knows how many cores a job needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cores {
    /// The work of a label or learn file.
    OfWork,
    /// Nobody but the user.
    OfUser,
}

/// Reads `[scheduler]`; without it, this machine and all of its cores.
pub(super) fn read_scheduler(
    root: &Table<'_>,
    cores: Cores,
) -> Result<SchedulerSettings, InputError> {
    let Some(table) = root.table("scheduler", "in [scheduler]")? else {
        return Ok(SchedulerSettings::Local { cores: None });
    };
    let kind = table.word("kind", &[("local", false), ("slurm", true)])?;
    if !kind.is_some_and(|k| k.value) {
        table.only(&["kind", "cores"])?;
        let cores =
            if table.has("cores") { Some(count(&table, "cores", 1)? as usize) } else { None };
        return Ok(SchedulerSettings::Local { cores });
    }
    let mut keys = vec![
        "kind",
        "walltime",
        "partition",
        "account",
        "memory_per_core_mb",
        "most_jobs",
        "most_running",
        "options",
        "setup",
        "poll",
    ];
    if cores == Cores::OfUser {
        keys.push("cores_per_job");
    }
    table.only(&keys)?;
    let optional = |key: &str| -> Result<Option<usize>, InputError> {
        table.has(key).then(|| Ok(count(&table, key, 1)? as usize)).transpose()
    };
    let cores = optional("cores_per_job").and_then(|found| match cores {
        Cores::OfWork => Ok(None),
        Cores::OfUser => table.require("cores_per_job", "cores_per_job = 8", found).map(Some),
    })?;
    let default = SlurmSettings::default();
    let values = |list: Vec<Located<String>>| list.into_iter().map(|s| s.value).collect();
    let memory = optional("memory_per_core_mb")?;
    Ok(SchedulerSettings::Slurm(SlurmSettings {
        walltime: wall_time(&table, "walltime")?
            .map_or(default.walltime, |seconds| seconds.ceil() as u64),
        partition: table.string("partition")?.map(|p| p.value),
        account: table.string("account")?.map(|a| a.value),
        memory_per_core: memory.map(|megabytes| megabytes as u64),
        cores,
        most_jobs: optional("most_jobs")?.unwrap_or(default.most_jobs),
        most_running: optional("most_running")?,
        options: read_options(&table)?,
        setup: table.strings("setup")?.map_or(Vec::new(), values),
        poll: wall_time(&table, "poll")?.unwrap_or(default.poll),
        place: format!("{}:{}", table.path().display(), table.line()),
    }))
}

fn read_options(table: &Table<'_>) -> Result<Vec<String>, InputError> {
    let mut options = Vec::new();
    for option in table.strings("options")?.unwrap_or_default() {
        let text = option.value.trim();
        let name = text.split(['=', ' ']).next().unwrap_or("");
        if OURS.contains(&name) {
            let message = format!("{name} is vitrion's own: it knows its jobs again by it");
            return Err(table.refuse_at(option.line, "options", message));
        }
        if !text.starts_with('-') || text.contains('\n') {
            let message =
                format!("expected an option of sbatch such as \"--gres=gpu:1\", found \"{text}\"");
            return Err(table.refuse_at(option.line, "options", message));
        }
        options.push(text.to_owned());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::super::RunFile;
    use super::*;
    use std::path::Path;

    fn read(scheduler: &str) -> Result<SchedulerSettings, String> {
        let text = format!(
            "format = 1\nname = \"a\"\nseed = 1\n[potential]\nmodel = \"builtin:li-p-s\"\n[system]\nstructure = \
             \"builtin:beta-li3ps4\"\n[[stage]]\nname = \"run\"\nkind = \"nvt\"\ntemperature = \"300 K\"\ntimestep = \
             \"1 fs\"\nsteps = 10\n[scheduler]\n{scheduler}\n"
        );
        let file = RunFile::parse(Path::new("run.toml"), &text).map_err(|e| e.to_string())?;
        Ok(file.scheduler)
    }

    #[test]
    fn all_keys_are_read() {
        let found = read(
            "kind = \"slurm\"\nwalltime = \"30 min\"\ncores_per_job = 8\nmost_jobs = 50\nmost_running = \
             5\nmemory_per_core_mb = 2000\noptions = [\"--gres=gpu:1\"]\npoll = \"5 s\"",
        );
        let Ok(SchedulerSettings::Slurm(slurm)) = found else { panic!("Slurm: {found:?}") };
        assert_eq!((slurm.walltime, slurm.cores), (1800, Some(8)));
        assert_eq!((slurm.most_jobs, slurm.most_running), (50, Some(5)));
        assert_eq!((slurm.memory_per_core, slurm.place.as_str()), (Some(2000), "run.toml:14"));
        assert_eq!(read("cores = 3"), Ok(SchedulerSettings::Local { cores: Some(3) }));
    }

    #[test]
    fn complaints_say_what_is_wrong_and_where() {
        let slurm = |line: &str| format!("kind = \"slurm\"\ncores_per_job = 2\n{line}");
        for (text, expected) in [
            (
                slurm("most_jobs = 0"),
                "run.toml:17: `most_jobs` in [scheduler]: expected one or more",
            ),
            (slurm("most_running = 0"), "run.toml:17: `most_running` in [scheduler]: expected one"),
            (
                slurm("walltim = \"1 h\""),
                "unknown key `walltim` in [scheduler], did you mean `walltime`?",
            ),
            (slurm("walltime = \"1 ps\""), "expected a time on the clock such as"),
            (slurm("options = [\"--array=1-3\"]"), "--array is vitrion's own"),
            (slurm("options = [\"exclusive\"]"), "expected an option of sbatch such as"),
            (
                "kind = \"slurm\"".to_owned(),
                "`cores_per_job` is missing in [scheduler]; for example",
            ),
            ("kind = \"pbs\"".to_owned(), "`kind` in [scheduler]"),
        ] {
            let message = read(&text).expect_err("refused");
            assert!(message.contains(expected), "{message}");
        }
    }
}
