//! What happened to a job: a line for each event, by whoever saw it. Nothing depends on it but what people are
//! told, and whether a job that no queue knows any more has failed.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::End;

const EVENTS: &str = "events.jsonl";

/// An event and when it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub at: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A queue has accepted it under this number.
    Submitted { number: String },
    /// A process works on it; in a queue with its number.
    Started { host: String, process: u32, number: Option<String> },
    /// It was told to stop and may go on.
    Stopped,
    /// It cannot go on as it is.
    Failed { message: String },
    /// It ended without being done, as its scheduler saw it.
    Ended { how: End, message: String },
    /// It will not be started again.
    GivenUp { message: String },
}

/// Appends an event. Trouble with it is no reason to stop anything: what matters is written elsewhere.
pub(super) fn note(folder: &Path, event: Event) {
    let mut line =
        serde_json::to_string(&Entry { at: now(), event }).expect("events are plain data");
    line.push('\n');
    // one write, so that lines of several processes stay whole
    let file = File::options().create(true).append(true).open(folder.join(EVENTS));
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// All events of a job, the oldest first; lines that are not whole are left out.
pub fn of(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(folder.join(EVENTS)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Its last process ended with an error.
pub(super) fn has_failed(folder: &Path) -> bool {
    of(folder).last().is_some_and(|entry| matches!(entry.event, Event::Failed { .. }))
}

/// A process begins to work on a job.
pub(super) fn started(folder: &Path) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let variable = |name| std::env::var(name).ok();
    let number = match (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(index)) => Some(format!("{array}_{index}")),
        _ => variable("SLURM_JOB_ID"),
    };
    let host = host.trim().to_owned();
    note(folder, Event::Started { host, process: std::process::id(), number });
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back_and_broken_lines_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(of(folder.path()).is_empty());
        note(folder.path(), Event::Submitted { number: "7_3".into() });
        started(folder.path());
        note(folder.path(), Event::Failed { message: "no \"such\" file".into() });
        assert!(has_failed(folder.path()));
        note(folder.path(), Event::Ended { how: End::Machine, message: "NODE_FAIL".into() });
        let path = folder.path().join(EVENTS);
        let text = std::fs::read_to_string(&path).expect("written") + "{\"at\": 5, \"ev";
        std::fs::write(&path, text).expect("written");
        let found = of(folder.path());
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].event, Event::Submitted { number: "7_3".into() });
        assert!(!has_failed(folder.path()), "a later event counts");
    }
}
