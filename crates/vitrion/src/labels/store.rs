//! Opening, reading and appending.

use super::{FailureKind, FailureRecord, LabelRecord, Level, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const FILE: &str = "labels.jsonl";
const LOCK: &str = ".lock";
/// Where a line that was being written is set aside.
const TORN: &str = "torn.txt";

/// A store, in memory and on disk. About 100 bytes per atom and label.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    levels: BTreeMap<String, Level>,
    /// In the order of the file.
    labels: Vec<LabelRecord>,
    /// Place of each key in `labels`.
    place: BTreeMap<String, usize>,
    /// Last failure of keys without a label.
    failures: BTreeMap<String, FailureRecord>,
    equivalences: Vec<super::Equivalence>,
    /// Bytes of a torn line that was set aside on opening.
    pub set_aside: usize,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    _lock: File,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Os {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A line that is not what was written.
    #[error(
        "{}:{line}: {message}; the line was changed or damaged after it was written. Restore the file \
         from a copy, or remove this line", path.display()
    )]
    Damaged { path: PathBuf, line: usize, message: String },
    /// Not a store.
    #[error("{}: there is no label store here (no {FILE}); `vitrion label LABEL.toml` makes one", path.display())]
    Absent { path: PathBuf },
    /// Another process writes.
    #[error("{}: another vitrion process writes to this store; wait for it to end", path.display())]
    Locked { path: PathBuf },
    /// Labels that must not be mixed.
    #[error(
        "{}: labels of {} levels, which must not be mixed:{}\nchoose one with --level, or show that two \
         agree with `vitrion label LABEL.toml --compare LEVEL`", path.display(), levels.len(), listed(levels)
    )]
    Mixed { path: PathBuf, levels: Vec<String> },
    /// No such level.
    #[error("{}: there is no level {wanted}; there are:{}", path.display(), listed(known))]
    NoLevel { path: PathBuf, wanted: String, known: Vec<String> },
    /// A label that cannot be used.
    #[error("the label of {formula} cannot be stored: {message}")]
    BadLabel { formula: String, message: String },
}

fn listed(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// A line on disk.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    blake3: String,
    #[serde(borrow)]
    record: &'a serde_json::value::RawValue,
}

/// Counts for `vitrion label --status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub levels: Vec<LevelStatus>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// One level of a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelStatus {
    pub hash: String,
    pub description: String,
    pub labels: usize,
    /// Labels that have a virial.
    pub with_virial: usize,
    pub atoms: usize,
    /// Geometries without a label, by reason.
    pub failures: BTreeMap<String, usize>,
    /// Labels by how their geometry arose.
    pub origins: BTreeMap<String, usize>,
    /// Labels by composition.
    pub compositions: BTreeMap<String, usize>,
    /// Labels that needed more than one attempt.
    pub retried: usize,
    /// Largest sum of forces of a label, per atom [eV/Å].
    pub largest_net_force: f64,
    /// Core hours of all labels.
    pub core_hours: f64,
    /// Levels (hashes) that were shown to agree with it.
    pub agrees_with: Vec<String>,
}

impl Store {
    /// Opens a store for reading and writing; makes it if it is not there.
    ///
    /// # Errors
    /// Another process writes to it, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(os(folder, "create"))?;
        let lock_path = folder.join(LOCK);
        let lock = File::create(&lock_path).map_err(os(&lock_path, "create"))?;
        if lock.try_lock().is_err() {
            return Err(StoreError::Locked { path: folder.to_owned() });
        }
        let path = folder.join(FILE);
        let mut store = Store::load(folder, path.exists(), true)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(os(&path, "open"))?;
        store.writer = Some(Writer { file, _lock: lock });
        Ok(store)
    }

    /// Reads a store.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        if !folder.join(FILE).exists() {
            return Err(StoreError::Absent { path: folder.to_owned() });
        }
        Store::load(folder, true, false)
    }

    fn load(folder: &Path, exists: bool, repair: bool) -> Result<Self, StoreError> {
        let mut store = Store {
            folder: folder.to_owned(),
            levels: BTreeMap::new(),
            labels: Vec::new(),
            place: BTreeMap::new(),
            failures: BTreeMap::new(),
            equivalences: Vec::new(),
            set_aside: 0,
            writer: None,
        };
        if !exists {
            return Ok(store);
        }
        let path = folder.join(FILE);
        let bytes = fs::read(&path).map_err(os(&path, "read"))?;
        let mut start = 0;
        let mut number = 0;
        while start < bytes.len() {
            number += 1;
            let end = bytes[start..].iter().position(|b| *b == b'\n').map(|k| start + k);
            let line = &bytes[start..end.unwrap_or(bytes.len())];
            let last = end.is_none_or(|end| end + 1 == bytes.len());
            match parse(line) {
                Ok(record) if end.is_some() => store.take(record),
                Err(message) if !last => {
                    return Err(StoreError::Damaged { path, line: number, message });
                }
                // the last line was being written
                _ => {
                    store.set_aside = bytes.len() - start;
                    if repair {
                        set_aside(folder, &path, start as u64, &bytes[start..])?;
                    }
                    break;
                }
            }
            start = end.map_or(bytes.len(), |end| end + 1);
        }
        Ok(store)
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Level(level) => {
                self.levels.insert(level.hash(), level);
            }
            Record::Label(label) => {
                self.failures.remove(&label.key);
                if !self.place.contains_key(&label.key) {
                    self.place.insert(label.key.clone(), self.labels.len());
                    self.labels.push(*label);
                }
            }
            Record::Failure(failure) => {
                if !self.place.contains_key(&failure.key) {
                    self.failures.insert(failure.key.clone(), *failure);
                }
            }
            Record::Equivalence(found) => self.equivalences.push(found),
        }
    }

    /// Appends records and waits until they are on the disk. Levels and labels that are there already
    /// are not written again.
    ///
    /// # Errors
    /// The store was opened for reading; the disk is full; a label with numbers that make no sense.
    pub fn append(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        let path = self.folder.join(FILE);
        let mut text = Vec::new();
        let mut fresh = Vec::new();
        let mut seen = BTreeSet::new();
        for record in records {
            match &record {
                Record::Level(level) if self.levels.contains_key(&level.hash()) => continue,
                Record::Label(label) => {
                    if self.place.contains_key(&label.key) || !seen.insert(label.key.clone()) {
                        continue;
                    }
                    if let Some(message) = label.complaint() {
                        return Err(StoreError::BadLabel { formula: label.formula(), message });
                    }
                }
                _ => {}
            }
            let record_text = serde_json::to_string(&record).expect("records are plain data");
            let raw = serde_json::value::RawValue::from_string(record_text).expect("it is JSON");
            let blake3 = blake3::hash(raw.get().as_bytes()).to_hex()[..16].to_owned();
            serde_json::to_writer(&mut text, &Line { blake3, record: &raw })
                .expect("memory takes it");
            text.push(b'\n');
            fresh.push(record);
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let writer = self.writer.as_mut().ok_or_else(|| StoreError::Os {
            path: path.clone(),
            doing: "append",
            source: std::io::Error::from(std::io::ErrorKind::PermissionDenied),
        })?;
        writer.file.write_all(&text).map_err(os(&path, "append"))?;
        writer.file.sync_data().map_err(os(&path, "append"))?;
        for record in fresh {
            self.take(record);
        }
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The label of a key.
    pub fn label(&self, key: &str) -> Option<&LabelRecord> {
        self.place.get(key).map(|k| &self.labels[*k])
    }

    /// The last failure of a key that has no label.
    pub fn failure(&self, key: &str) -> Option<&FailureRecord> {
        self.failures.get(key)
    }

    /// Labels of all levels, in the order they came.
    pub fn labels(&self) -> &[LabelRecord] {
        &self.labels
    }

    /// Levels by hash.
    pub fn levels(&self) -> &BTreeMap<String, Level> {
        &self.levels
    }

    /// Labels of one level and of those that were shown to agree with it.
    ///
    /// # Errors
    /// No level was named and there are several that do not agree; an unknown one.
    pub fn of_level(&self, level: Option<&str>) -> Result<Vec<&LabelRecord>, StoreError> {
        let used: BTreeSet<&str> = self.labels.iter().map(|l| l.level.as_str()).collect();
        let described = |hash: &str| {
            let count = self.labels.iter().filter(|l| l.level == hash).count();
            let text = self.levels.get(hash).map_or("(not described)", |l| &l.description);
            format!("{}: {count} labels, {text}", &hash[..Level::SHORT.min(hash.len())])
        };
        let all = || used.iter().map(|hash| described(hash)).collect::<Vec<_>>();
        let path = self.folder.clone();
        let first = match level {
            Some(wanted) => {
                let found = self.find_level(wanted);
                found.ok_or_else(|| StoreError::NoLevel {
                    path: path.clone(),
                    wanted: wanted.to_owned(),
                    known: all(),
                })?
            }
            None => match used.first() {
                Some(first) => (*first).to_owned(),
                None => return Ok(Vec::new()),
            },
        };
        let family = self.family(&first);
        if level.is_none() && used.iter().any(|hash| !family.contains(*hash)) {
            return Err(StoreError::Mixed { path, levels: all() });
        }
        Ok(self.labels.iter().filter(|l| family.contains(&l.level)).collect())
    }

    /// The full hash of a level, by the start of it or by the name of an import.
    pub fn find_level(&self, wanted: &str) -> Option<String> {
        let named = Level::imported(wanted).hash();
        if self.levels.contains_key(&named) {
            return Some(named);
        }
        let mut found = self.levels.keys().filter(|hash| hash.starts_with(wanted));
        match (found.next(), found.next()) {
            (Some(hash), None) if !wanted.is_empty() => Some(hash.clone()),
            _ => None,
        }
    }

    /// A level and all that agree with it, step by step.
    pub fn family(&self, level: &str) -> BTreeSet<String> {
        let mut family = BTreeSet::from([level.to_owned()]);
        loop {
            let before = family.len();
            for found in &self.equivalences {
                if found.levels.iter().any(|level| family.contains(level)) {
                    family.extend(found.levels.iter().cloned());
                }
            }
            if family.len() == before {
                return family;
            }
        }
    }

    /// Counts by level.
    pub fn status(&self) -> Status {
        let bytes = fs::metadata(self.folder.join(FILE)).map_or(0, |m| m.len());
        let levels = self.levels.iter().map(|(hash, level)| {
            let mut status = LevelStatus {
                hash: hash.clone(),
                description: level.description.clone(),
                labels: 0,
                with_virial: 0,
                atoms: 0,
                failures: BTreeMap::new(),
                origins: BTreeMap::new(),
                compositions: BTreeMap::new(),
                retried: 0,
                largest_net_force: 0.0,
                core_hours: 0.0,
                agrees_with: self.family(hash).into_iter().filter(|h| h != hash).collect(),
            };
            for label in self.labels.iter().filter(|l| l.level == *hash) {
                status.labels += 1;
                status.with_virial += usize::from(label.virial.is_some());
                status.atoms += label.positions.len();
                *status.origins.entry(label.origin.how.clone()).or_default() += 1;
                *status.compositions.entry(label.formula()).or_default() += 1;
                status.retried += usize::from(label.run.attempts > 1);
                status.largest_net_force =
                    status.largest_net_force.max(label.run.net_force.unwrap_or(0.0));
                status.core_hours += label.run.seconds * label.run.cores as f64 / 3600.0;
            }
            for failure in self.failures.values().filter(|f| f.level == *hash) {
                *status
                    .failures
                    .entry(FailureKind::name(failure.reason).to_owned())
                    .or_default() += 1;
                status.core_hours += failure.run.seconds * failure.run.cores as f64 / 3600.0;
            }
            status
        });
        Status { levels: levels.collect(), bytes }
    }
}

fn parse(line: &[u8]) -> Result<Record, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not text".to_owned())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let found = blake3::hash(line.record.get().as_bytes()).to_hex();
    if found[..16] != line.blake3 {
        return Err(format!("the checksum is {}, expected {}", &found[..16], line.blake3));
    }
    serde_json::from_str(line.record.get()).map_err(|e| e.to_string())
}

/// Moves a torn line out of the file.
fn set_aside(folder: &Path, path: &Path, whole: u64, torn: &[u8]) -> Result<(), StoreError> {
    let aside = folder.join(TORN);
    let mut kept = OpenOptions::new().create(true).append(true).open(&aside);
    kept.as_mut()
        .map_err(|e| std::io::Error::new(e.kind(), e.to_string()))
        .and_then(|file| file.write_all(torn).and_then(|()| file.write_all(b"\n")))
        .map_err(os(&aside, "append"))?;
    let file = OpenOptions::new().write(true).open(path).map_err(os(path, "open"))?;
    file.set_len(whole).and_then(|()| file.sync_all()).map_err(os(path, "cut"))
}

fn os(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Os { path, doing, source }
}

#[cfg(test)]
mod tests;
