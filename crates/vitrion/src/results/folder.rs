//! The folder itself: who may write into it, and how, so that a kill at any instant leaves every
//! file whole.

use super::Manifest;
use crate::error::InputError;
use crate::plan::Plan;
use crate::run_file::RunFile;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vitrion_core::observables::Observables;

/// Version of the layout.
pub const FORMAT: u32 = 1;

const PLAN: &str = "plan.toml";
const LOCK: &str = ".lock";
/// Ending of files that are being written.
const PART: &str = "part";
/// Folder of the jobs that carry out runs in a queue, one for each.
pub const JOBS: &str = "jobs";
/// The file that locks one run, or those who follow jobs.
const RUN_LOCK: &str = "lock";
/// How long a process that begins the folder may keep others waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// A results folder that this process alone may write, or one run of it.
#[derive(Debug)]
pub struct Results {
    root: PathBuf,
    /// Held as long as the folder is open; the system releases them when the process dies.
    _locks: Vec<File>,
}

/// How much of a results folder a process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of it; no other process may write.
    Whole,
    /// One run, by its id; other processes may write other runs at the same time.
    Run(&'a str),
    /// All of it but the runs, which processes of their own write at the same time.
    Queue,
}

/// A result that could not be written or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        /// "write", "read"
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A JSON file that is not what vitrion wrote.
    #[error("{}: {message}; remove it to make it again", path.display())]
    Damaged { path: PathBuf, message: String },
}

impl Results {
    /// Opens a folder for a plan: an absent or empty one is begun, one of the same plan is gone on
    /// with, all others are refused.
    ///
    /// # Errors
    /// Not a results folder, one of another run, in use, or not writable.
    pub fn open(
        root: &Path,
        run: &RunFile,
        plan: &Plan,
        scope: Scope<'_>,
    ) -> Result<Self, InputError> {
        fs::create_dir_all(root).map_err(InputError::os(root, "create"))?;
        refuse_foreign(root, &root.join(PLAN))?;
        let lock_path = root.join(LOCK);
        let lock = open_lock(&lock_path)?;
        let folder = match scope {
            Scope::Whole => {
                acquire(&lock_path, || lock.try_lock(), Duration::ZERO, root)?;
                begin(root, run, plan)?;
                return Ok(Results { root: root.to_owned(), _locks: vec![lock] });
            }
            Scope::Run(id) => root.join("runs").join(id),
            Scope::Queue => root.join(JOBS),
        };
        // alone while the folder is begun, then together with other runs
        if lock.try_lock().is_ok() {
            begin(root, run, plan)?;
            lock.unlock().map_err(InputError::os(&lock_path, "unlock"))?;
        }
        acquire(&lock_path, || lock.try_lock_shared(), PATIENCE, root)?;
        begin(root, run, plan)?;
        fs::create_dir_all(&folder).map_err(InputError::os(&folder, "create"))?;
        let own = hold(&folder, RUN_LOCK)?;
        Ok(Results { root: root.to_owned(), _locks: vec![lock, own] })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder below the root.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The manifest of earlier sessions, if there is one.
    ///
    /// # Errors
    /// A damaged file.
    pub fn manifest(&self) -> Result<Option<Manifest>, ResultsError> {
        let path = self.path("manifest.json");
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Writes a JSON file, folders included, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn write_json<T: Serialize>(&self, relative: &str, value: &T) -> Result<(), ResultsError> {
        write_json(&self.path(relative), value)
    }

    /// Writes `STEM.json` and the tables of [`super::csv`] beside it.
    ///
    /// # Errors
    /// As [`Results::write_json`].
    pub fn write_observables(&self, stem: &str, value: &Observables) -> Result<(), ResultsError> {
        write_observables(&self.path(stem), value)
    }
}

/// Writes a JSON file, folders included, whole or not at all.
///
/// # Errors
/// The disk is full or not writable.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ResultsError> {
    let mut text =
        serde_json::to_string_pretty(value).expect("results hold nothing that JSON cannot");
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

/// Writes `STEM.json` and the tables of [`super::csv`] beside it.
///
/// # Errors
/// The disk is full or not writable.
pub fn write_observables(stem: &Path, value: &Observables) -> Result<(), ResultsError> {
    let with = |ending: &str| {
        let mut path = stem.as_os_str().to_owned();
        path.push(".");
        path.push(ending);
        PathBuf::from(path)
    };
    let mut text =
        serde_json::to_string_pretty(value).expect("observables hold nothing that JSON cannot");
    text.push('\n');
    write_atomically(&with("json"), text.as_bytes())?;
    for (ending, text) in super::csv::tables(value) {
        write_atomically(&with(&ending), text.as_bytes())?;
    }
    Ok(())
}

/// Writes the plan into a new folder, or compares it with the one that is there.
fn begin(root: &Path, run: &RunFile, plan: &Plan) -> Result<(), InputError> {
    let plan_path = root.join(PLAN);
    let plan_text = plan.to_toml();
    if plan_path.exists() {
        let present = fs::read_to_string(&plan_path).map_err(InputError::os(&plan_path, "read"))?;
        if present != plan_text {
            let differences = differences(&present, &plan_text);
            return Err(InputError::OtherRun { path: root.to_owned(), differences });
        }
    } else {
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            write_file(&path, text.as_bytes()).map_err(InputError::os(&path, "write"))
        };
        write("run.toml", &run.text)?;
        write(PLAN, &plan_text)?; // last: it makes the folder a results folder
    }
    Ok(())
}

/// Locks a folder for this process alone, by a file in it of this name; the lock ends with the value.
pub(crate) fn hold(folder: &Path, name: &str) -> Result<File, InputError> {
    let path = folder.join(name);
    let lock = open_lock(&path)?;
    acquire(&path, || lock.try_lock(), Duration::ZERO, folder)?;
    Ok(lock)
}

fn open_lock(path: &Path) -> Result<File, InputError> {
    File::create(path).map_err(InputError::os(path, "create"))
}

/// Takes a lock, or says who is in the way.
fn acquire(
    lock: &Path,
    attempt: impl Fn() -> Result<(), TryLockError>,
    patience: Duration,
    folder: &Path,
) -> Result<(), InputError> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                let (path, lock) = (folder.to_owned(), lock.to_owned());
                return Err(InputError::Locked { path, lock });
            }
            Err(TryLockError::Error(error)) => return Err(InputError::os(lock, "lock")(error)),
        }
    }
}

/// Reads a JSON file that vitrion wrote.
///
/// # Errors
/// It cannot be read or is damaged.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ResultsError> {
    let text = fs::read_to_string(path).map_err(|source| ResultsError::Os {
        path: path.to_owned(),
        doing: "read",
        source,
    })?;
    serde_json::from_str(&text).map_err(|error| ResultsError::Damaged {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// The path of a file that a results file names, unless the name could lead out of the folder: such names come
/// from files that others may have written.
pub fn inside(folder: &Path, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && relative.components().next().is_some()).then(|| folder.join(relative))
}

/// [`inside`] for files that are there: links that lead out of the folder are refused too.
pub fn really_inside(folder: &Path, relative: &str) -> Option<PathBuf> {
    let path = inside(folder, relative)?;
    let Ok(real) = path.canonicalize() else { return Some(path) };
    real.starts_with(folder.canonicalize().ok()?).then_some(path)
}

/// Writes a file whole or not at all: beside it first, then renamed. Missing folders are made.
///
/// # Errors
/// The disk is full or not writable.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    write_file(path, bytes).map_err(|source| ResultsError::Os {
        path: path.to_owned(),
        doing: "write",
        source,
    })
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PART);
    let part = path.with_file_name(name);
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

/// A folder without `plan.toml` must be empty, apart from what a killed start leaves.
fn refuse_foreign(root: &Path, plan: &Path) -> Result<(), InputError> {
    if plan.exists() {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(InputError::os(root, "read"))? {
        let name = entry.map_err(InputError::os(root, "read"))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    let ours = |name: &&String| {
        let name = name.as_str();
        name == LOCK || name == "run.toml" || name.ends_with(&format!(".toml.{PART}"))
    };
    // run.toml alone is what a user keeps in a folder; ours comes with the lock
    let started = names.iter().any(|name| name == LOCK);
    match names.iter().find(|name| !(started && ours(name))) {
        None => Ok(()),
        Some(found) => {
            Err(InputError::NotAResultsFolder { path: root.to_owned(), found: found.clone() })
        }
    }
}

/// Lines of one text and not of the other, the first few.
fn differences(present: &str, wanted: &str) -> Vec<String> {
    const MOST: usize = 8;
    let (present, wanted): (Vec<&str>, Vec<&str>) =
        (present.lines().collect(), wanted.lines().collect());
    let mut lines = Vec::new();
    if present.len() == wanted.len() {
        for (there, here) in present.iter().zip(&wanted).filter(|(there, here)| there != here) {
            lines.push(format!("there: {there}, here: {here}"));
        }
    } else {
        lines.extend(only_in(&present, &wanted).map(|line| format!("only there: {line}")));
        lines.extend(only_in(&wanted, &present).map(|line| format!("only here: {line}")));
    }
    if lines.is_empty() {
        lines.push("the order of the lines".to_owned());
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn only_in<'a>(lines: &'a [&str], other: &'a [&str]) -> impl Iterator<Item = &'a str> {
    lines.iter().filter(|line| !other.contains(line)).copied()
}

/// The present time, RFC 3339 in UTC, for example "2026-02-28T23:59:59Z".
pub fn now() -> String {
    rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

/// Civil date of a time since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_calendars_do() {
        // from `date -u -d @… +%FT%TZ`
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn names_that_lead_out_of_the_folder_have_no_path() {
        let folder = Path::new("results");
        assert_eq!(inside(folder, "../secret"), None);
        assert_eq!(inside(folder, "a/../../secret"), None);
        assert_eq!(inside(folder, "/etc/hostname"), None);
        assert_eq!(inside(folder, ""), None);
        assert_eq!(inside(folder, "a/b.json"), Some(folder.join("a/b.json")));
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_part_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a/b.json");
        write_atomically(&path, b"1").expect("writable");
        write_atomically(&path, b"2").expect("writable");
        assert_eq!(fs::read(&path).expect("written"), b"2");
        let entries = fs::read_dir(folder.path().join("a")).expect("a folder").count();
        assert_eq!(entries, 1);
    }

    #[test]
    fn differing_lines_are_named() {
        let lines = differences("a = 1\nb = 2\n", "a = 1\nb = 3\n");
        assert_eq!(lines, ["there: b = 2, here: b = 3"]);
        assert_eq!(differences("a = 1\nb = 2\n", "a = 1\n"), ["only there: b = 2"]);
    }
}
