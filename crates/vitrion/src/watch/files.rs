//! Reading a folder that somebody else writes, and whose content is not trusted.

use crate::results::inside;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Larger files are not read whole: what vitrion writes for people is far below.
const LARGEST: u64 = 128 << 20;
/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 20_000;
/// Remarks that are kept.
const MOST_NOTES: usize = 20;

/// One look at a folder.
#[derive(Debug)]
pub(super) struct Look<'a> {
    root: &'a Path,
    /// What could not be read, in plain words.
    pub(super) notes: BTreeSet<String>,
    /// When the youngest file was written that was looked at.
    newest: Option<SystemTime>,
}

impl<'a> Look<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Look { root, notes: BTreeSet::new(), newest: None }
    }

    /// A regular file of the folder, open. Names that lead out of it, by `..` or by a link, are noted and not
    /// followed; a file that is not there is nothing to talk about.
    pub(super) fn file(&mut self, relative: &str) -> Option<(File, Metadata)> {
        let Some(path) = inside(self.root, relative) else {
            self.note(format!("{relative:?} points outside the folder and was not read"));
            return None;
        };
        let real = path.canonicalize().ok()?;
        if !real.starts_with(self.root.canonicalize().ok()?) {
            self.note(format!("{relative:?} is a link out of the folder and was not read"));
            return None;
        }
        // opening a pipe would wait for somebody to write into it
        if !std::fs::metadata(&real).ok()?.is_file() {
            self.note(format!("{relative:?} is not a file"));
            return None;
        }
        match File::open(&real).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
            Ok((file, metadata)) => {
                self.newest = self.newest.max(metadata.modified().ok());
                Some((file, metadata))
            }
            Err(error) => {
                self.note(format!("{relative:?}: {error}"));
                None
            }
        }
    }

    /// A whole file.
    pub(super) fn bytes(&mut self, relative: &str) -> Option<Vec<u8>> {
        let (file, metadata) = self.file(relative)?;
        if metadata.len() > LARGEST {
            self.note(format!("{relative:?} is too large ({} bytes)", metadata.len()));
            return None;
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// True if there is such a file.
    pub(super) fn has(&mut self, relative: &str) -> bool {
        self.file(relative).is_some()
    }

    /// Names in a folder, sorted; empty if it is not there or leads elsewhere.
    pub(super) fn names(&self, relative: &str) -> Vec<String> {
        let listed = || {
            let real = inside(self.root, relative)?.canonicalize().ok()?;
            let entries = real.starts_with(self.root.canonicalize().ok()?).then_some(real)?;
            let entries = std::fs::read_dir(entries).ok()?;
            Some(entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).take(MOST_ENTRIES))
        };
        let mut names: Vec<String> = listed().map_or(Vec::new(), Iterator::collect);
        names.sort();
        names
    }

    /// True if there is such a folder and it is not elsewhere.
    pub(super) fn is_folder(&self, relative: &str) -> bool {
        let real = inside(self.root, relative).and_then(|path| path.canonicalize().ok());
        let root = self.root.canonicalize().ok();
        real.zip(root).is_some_and(|(real, root)| real.starts_with(root) && real.is_dir())
    }

    /// Adds a remark.
    pub(super) fn note(&mut self, text: String) {
        if self.notes.len() < MOST_NOTES {
            self.notes.insert(text);
        }
    }

    /// How long ago the youngest file was written that was looked at [s].
    pub(super) fn silence_s(&self) -> Option<f64> {
        let age = SystemTime::now().duration_since(self.newest?).unwrap_or(Duration::ZERO);
        Some(age.as_secs_f64())
    }
}

/// What tells that a file has changed: length, time of change, and the file itself.
type Stamp = (u64, i64, i64, u64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
}

/// The content of a JSON file, parsed again only when the file has changed.
#[derive(Debug)]
pub(super) struct Json<T> {
    stamp: Option<Stamp>,
    value: Option<T>,
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Json { stamp: None, value: None }
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// The content now. A file that cannot be parsed may be half written: the last content that could is kept.
    pub(super) fn refresh(&mut self, look: &mut Look<'_>, relative: &str) -> Option<&T> {
        match look.file(relative) {
            None => *self = Json::default(),
            Some((_, metadata)) if self.stamp == Some(stamp(&metadata)) => {}
            Some((_, metadata)) => {
                let bytes = look.bytes(relative).unwrap_or_default();
                match serde_json::from_slice(&bytes) {
                    Ok(value) => {
                        *self = Json { stamp: Some(stamp(&metadata)), value: Some(value) };
                    }
                    Err(error) => look.note(format!("{relative:?}: {error}")),
                }
            }
        }
        self.value()
    }
}

impl<T> Json<T> {
    /// The content as it was last seen.
    pub(super) fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn links_and_names_that_lead_out_are_not_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().join("results");
        fs::create_dir(&root).expect("a folder");
        fs::write(place.path().join("secret"), "1").expect("written");
        fs::write(root.join("own"), "2").expect("written");
        std::os::unix::fs::symlink("../secret", root.join("link")).expect("a link");
        std::os::unix::fs::symlink("own", root.join("alias")).expect("a link");
        std::os::unix::fs::symlink("..", root.join("up")).expect("a link");
        let mut look = Look::new(&root);
        assert_eq!(look.bytes("own"), Some(b"2".to_vec()));
        assert_eq!(look.bytes("alias"), Some(b"2".to_vec()));
        assert!(look.notes.is_empty() && look.silence_s().is_some());
        for name in ["../secret", "link", "up/secret", "/etc/hostname", ""] {
            assert_eq!(look.bytes(name), None, "{name}");
        }
        assert_eq!(look.notes.len(), 5, "{:?}", look.notes);
        assert_eq!(look.names("up"), [""; 0]);
        assert_eq!(look.names("../results"), [""; 0]);
    }

    #[test]
    fn a_json_file_is_taken_again_when_it_changes_and_kept_while_it_is_half_written() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("a.json");
        let mut json = Json::<Vec<u32>>::default();
        let mut look = Look::new(place.path());
        assert_eq!(json.refresh(&mut look, "a.json"), None);
        fs::write(&path, "[1]").expect("written");
        assert_eq!(json.refresh(&mut look, "a.json"), Some(&vec![1]));
        fs::write(&path, "[1, 2").expect("written");
        assert_eq!(json.refresh(&mut look, "a.json"), Some(&vec![1]));
        fs::write(&path, "[1, 2]").expect("written");
        assert_eq!(json.refresh(&mut look, "a.json"), Some(&vec![1, 2]));
        fs::remove_file(&path).expect("removed");
        assert_eq!(json.refresh(&mut look, "a.json"), None);
    }
}
