//! The batch script of jobs of equal size.

use super::SlurmSettings;
use crate::jobs::{Job, LOG};
use std::fmt::Write as _;
use std::path::Path;

/// Seconds before the walltime at which a job is told to write its checkpoint.
const WARNING: u64 = 120;

/// One job, or an array with an element for each of several. They have the cores of the first.
pub(super) fn script(program: &Path, s: &SlurmSettings, jobs: &[&Job], name: &str) -> String {
    let first = jobs[0];
    let minutes = s.walltime.div_ceil(60).max(1);
    let more = if jobs.len() > 1 { format!("_and_{}_more", jobs.len() - 1) } else { String::new() };
    // what jobs say goes to their own logs, from the third line below on; "/" is there on every node
    let mut text = format!(
        "#!/bin/bash\n#SBATCH --job-name={name}\n#SBATCH --comment={}{more}\n#SBATCH --chdir=/\n#SBATCH \
         --output=/dev/null\n#SBATCH --nodes=1\n#SBATCH --ntasks={}\n#SBATCH --cpus-per-task={}\n#SBATCH \
         --time={minutes}\n#SBATCH --no-requeue\n",
        plain(&first.name),
        first.ranks,
        (first.cores / first.ranks).max(1),
    );
    if jobs.len() > 1 {
        let throttle = s.most_running.map_or(String::new(), |most| format!("%{most}"));
        let _ = writeln!(text, "#SBATCH --array=0-{}{throttle}", jobs.len() - 1);
    }
    if minutes * 60 > 2 * WARNING {
        let _ = writeln!(text, "#SBATCH --signal=B:TERM@{WARNING}");
    }
    for (option, value) in [("partition", &s.partition), ("account", &s.account)] {
        if let Some(value) = value {
            let _ = writeln!(text, "#SBATCH --{option}={value}");
        }
    }
    if let Some(memory) = s.memory_per_core {
        let _ = writeln!(text, "#SBATCH --mem-per-cpu={memory}");
    }
    for option in &s.options {
        let _ = writeln!(text, "#SBATCH {option}");
    }
    if let [job] = jobs {
        let _ = writeln!(text, "folder={}", quoted(&absolute(job)));
    } else {
        text.push_str("folders=(\n");
        for job in jobs {
            let _ = writeln!(text, "{}", quoted(&absolute(job)));
        }
        text.push_str(")\nfolder=${folders[$SLURM_ARRAY_TASK_ID]}\n");
    }
    let _ = writeln!(text, "cd \"$folder\" || exit 1\nexec >>{LOG} 2>&1");
    for line in &s.setup {
        let _ = writeln!(text, "{line}");
    }
    // exec: the warning before the walltime must reach the program itself
    let _ = writeln!(text, "exec {} job \"$folder\" --threads {}", quoted(program), first.cores);
    text
}

fn absolute(job: &Job) -> std::path::PathBuf {
    std::path::absolute(&job.folder).unwrap_or_else(|_| job.folder.clone())
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
        .collect()
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(folder: &str) -> Job {
        Job { folder: folder.into(), name: "label 3".into(), cores: 4, ranks: 2 }
    }

    fn settings() -> SlurmSettings {
        SlurmSettings {
            walltime: 7200,
            partition: Some("short".into()),
            memory_per_core: Some(2000),
            most_running: Some(7),
            options: vec!["--gres=gpu:1".into()],
            setup: vec!["module load cp2k".into()],
            ..SlurmSettings::default()
        }
    }

    fn assert_holds(script: &str, lines: &[&str]) {
        for line in lines {
            assert!(script.lines().any(|l| l == *line), "{line} is not in\n{script}");
        }
    }

    #[test]
    fn the_batch_script_says_everything_and_execs_the_program() {
        let program = Path::new("/opt/it's/vitrion");
        let text = script(program, &settings(), &[&job("/data/a b/job")], "vitrion-1");
        let lines = [
            "#SBATCH --job-name=vitrion-1",
            "#SBATCH --comment=label_3",
            "#SBATCH --ntasks=2",
            "#SBATCH --cpus-per-task=2",
            "#SBATCH --time=120",
            "#SBATCH --signal=B:TERM@120",
            "#SBATCH --no-requeue",
            "#SBATCH --partition=short",
            "#SBATCH --mem-per-cpu=2000",
            "#SBATCH --gres=gpu:1",
            "folder='/data/a b/job'",
            "module load cp2k",
            "exec '/opt/it'\\''s/vitrion' job \"$folder\" --threads 4",
        ];
        assert_holds(&text, &lines);
        assert!(!text.contains("--array") && !text.contains("SLURM_ARRAY_TASK_ID"), "{text}");
    }

    #[test]
    fn several_jobs_are_an_array_whose_elements_know_their_folders() {
        let jobs = [job("/data/a b"), job("/data/it's"), job("/data/c")];
        let list: Vec<&Job> = jobs.iter().collect();
        let text = script(Path::new("/bin/echo"), &settings(), &list, "vitrion-2");
        let lines = ["#SBATCH --array=0-2%7", "#SBATCH --comment=label_3_and_2_more"];
        assert_holds(&text, &lines);
        // bash itself says what an element would do
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("it's b");
        std::fs::create_dir(&place).expect("a folder");
        let jobs = [job("/nowhere"), Job { folder: place.clone(), ..job("") }];
        let list: Vec<&Job> = jobs.iter().collect();
        let bare = SlurmSettings { setup: vec!["echo ready".into()], ..SlurmSettings::default() };
        let text = script(Path::new("/bin/echo"), &bare, &list, "vitrion-3");
        let path = folder.path().join("script");
        std::fs::write(&path, text).expect("written");
        let mut call = std::process::Command::new("bash");
        let status = call.arg(&path).env("SLURM_ARRAY_TASK_ID", "1").status().expect("bash");
        assert!(status.success());
        let log = std::fs::read_to_string(place.join(LOG)).expect("a log");
        assert_eq!(log, format!("ready\njob {} --threads 4\n", place.display()));
    }
}
