//! `vitrion jobs`: a table of the jobs of a folder.

use super::output::{complain, duration, print, print_json, table, words};
use std::path::PathBuf;
use vitrion::error::Error;
use vitrion::jobs::overview::{self, JobRow, JobState, Overview};

/// Longest message in the table.
const MESSAGE: usize = 100;

/// Show the jobs of a folder that `vitrion run`, `train`, `label` or `learn` writes: state, number in the queue,
/// node, progress; reads only
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// All of it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn jobs(arguments: &Arguments) -> Result<(), Error> {
    let found = overview::of(&arguments.folder)?;
    if arguments.json {
        print_json(&found);
        return Ok(());
    }
    if let Some(silence) = &found.silence {
        complain(&format!(
            "the queue does not answer ({silence}); states are those of the folders"
        ));
    }
    print(&described(&found));
    Ok(())
}

fn described(found: &Overview) -> String {
    let heading =
        ["job", "work", "state", "Slurm", "node", "elapsed", "progress", "left", "message"];
    let mut rows = vec![words(&heading)];
    rows.extend(found.jobs.iter().map(cells));
    let count = |state: JobState| found.jobs.iter().filter(|job| job.state == state).count();
    let states = [
        JobState::Done,
        JobState::Running,
        JobState::Waiting,
        JobState::Stopped,
        JobState::Unknown,
        JobState::Failed,
    ];
    let counts: Vec<String> = states
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| format!("{} {}", count(state), state.name()))
        .collect();
    format!("{}{} jobs: {}", table(&rows), found.jobs.len(), counts.join(", "))
}

fn cells(row: &JobRow) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let again = match row.starts.saturating_sub(1) {
        0 => String::new(),
        n => format!(", {n}× again"),
    };
    let steps = row.progress.as_ref();
    // one line each, whatever a program said
    let mut message: String = row.message.split_whitespace().collect::<Vec<_>>().join(" ");
    if message.chars().count() > MESSAGE {
        message = message.chars().take(MESSAGE).chain("…".chars()).collect();
    }
    vec![
        row.job.clone(),
        row.work.to_owned(),
        format!("{}{again}", row.state.name()),
        or_dash(row.slurm.clone()),
        or_dash(row.node.clone()),
        or_dash(row.elapsed_s.map(|seconds| duration(seconds as f64))),
        or_dash(steps.map(|steps| format!("{}: {} of {}", steps.of, steps.done, steps.all))),
        or_dash(steps.and_then(|steps| steps.left_s).map(duration)),
        message,
    ]
}
