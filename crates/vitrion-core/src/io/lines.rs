//! Reading text line by line with one buffer, knowing where we are.

use super::words::{SLACK, Words};
use super::{IoError, compression};
use std::io::Read;
use std::path::{Path, PathBuf};

/// How much is read at once [bytes].
const CHUNK: usize = 1 << 18;

/// Lines of a (possibly compressed) text file.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// What was read, up to `filled`, and more room: [`SLACK`] bytes at least.
    chunk: Vec<u8>,
    filled: usize,
    /// Every byte read so far is ASCII, so that lines need no check one by one.
    ascii: bool,
    /// Nothing follows what was read.
    finished: bool,
    /// The present line is `chunk[start..end]`; the next begins at `next`.
    start: usize,
    end: usize,
    next: usize,
    number: usize,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Lines::over(compression::open(path)?, path))
    }

    /// Lines of anything; `path` is for messages.
    pub(crate) fn over(reader: Box<dyn Read>, path: &Path) -> Self {
        Lines {
            path: path.to_owned(),
            reader,
            chunk: vec![0; CHUNK + SLACK],
            filled: 0,
            ascii: true,
            finished: false,
            start: 0,
            end: 0,
            next: 0,
            number: 0,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the present line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Goes to the next line; false at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, IoError> {
        let mut searched = self.next;
        let end = loop {
            if let Some(found) = memchr::memchr(b'\n', &self.chunk[searched..self.filled]) {
                break searched + found;
            }
            if self.finished {
                break self.filled;
            }
            searched = self.filled - self.next;
            self.fill().map_err(|source| self.unreadable(source))?;
        };
        self.start = self.next;
        self.end = end;
        self.next = (end + 1).min(self.filled);
        if self.start == self.filled {
            return Ok(false);
        }
        while self.end > self.start && self.chunk[self.end - 1] == b'\r' {
            self.end -= 1;
        }
        if !self.ascii && std::str::from_utf8(&self.chunk[self.start..self.end]).is_err() {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8");
            return Err(self.unreadable(source));
        }
        self.number += 1;
        Ok(true)
    }

    /// Reads more behind what begins at `next`, which moves to the front.
    fn fill(&mut self) -> std::io::Result<()> {
        self.chunk.copy_within(self.next..self.filled, 0);
        self.filled -= self.next;
        self.next = 0;
        if self.filled + SLACK == self.chunk.len() {
            // a line longer than the room for it
            self.chunk.resize(2 * self.filled + SLACK, 0);
        }
        let room = self.chunk.len() - SLACK;
        let read = loop {
            match self.reader.read(&mut self.chunk[self.filled..room]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.ascii &= self.chunk[self.filled..self.filled + read].is_ascii();
        self.finished = read == 0;
        self.filled += read;
        Ok(())
    }

    /// Goes to the next line; an end of file is an error in the middle of what `what` says.
    pub(crate) fn advance_within(&mut self, what: impl FnOnce() -> String) -> Result<(), IoError> {
        if self.advance()? {
            return Ok(());
        }
        let path = self.path.clone();
        Err(IoError::Truncated { path, line: self.number, what: what(), hint: None })
    }

    /// The present line without its end.
    pub(crate) fn line(&self) -> &str {
        std::str::from_utf8(&self.chunk[self.start..self.end]).expect("checked when it was read")
    }

    /// The words of the present line.
    pub(crate) fn words(&self) -> Words<'_> {
        Words::new(self, &self.chunk[self.start..], self.end - self.start)
    }

    #[cold]
    fn unreadable(&self, source: std::io::Error) -> IoError {
        match source.kind() {
            std::io::ErrorKind::InvalidData => IoError::invalid(
                &self.path,
                format!("line {} is not text: {source}", self.number + 1),
                Some("is this file of another kind, or damaged?"),
            ),
            std::io::ErrorKind::UnexpectedEof => IoError::Truncated {
                path: self.path.clone(),
                line: self.number,
                what: "a compressed block".into(),
                hint: Some("the file was cut off; everything up to this line is intact".into()),
            },
            _ => IoError::Os { path: self.path.clone(), doing: "read", source },
        }
    }

    /// The next line without its end, or `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, IoError> {
        Ok(if self.advance()? { Some(self.line()) } else { None })
    }

    /// The next line; an end of file is an error in the middle of `what`.
    pub(crate) fn required(&mut self, what: &str) -> Result<&str, IoError> {
        self.advance_within(|| what.to_owned())?;
        Ok(self.line())
    }

    /// An error about the present line.
    pub(crate) fn error(&self, expected: impl Into<String>, found: &str) -> IoError {
        self.error_with_hint(expected, found, None)
    }

    /// An error about the present line with advice.
    pub(crate) fn error_with_hint(
        &self,
        expected: impl Into<String>,
        found: &str,
        hint: Option<&str>,
    ) -> IoError {
        // long lines would bury the message
        let mut found: String = found.trim().chars().take(80).collect();
        if found.len() >= 80 {
            found.push('…');
        }
        IoError::Parse {
            path: self.path.clone(),
            line: self.number,
            expected: expected.into(),
            found,
            hint: hint.map(str::to_owned),
        }
    }

    /// A finite number of the present line.
    pub(crate) fn finite(&self, word: Option<&str>, what: &str) -> Result<f64, IoError> {
        let word = word.unwrap_or("");
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.error(what, if word.is_empty() { "the end of the line" } else { word })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few bytes at a time, and an error where there are none.
    struct Trickle(Vec<u8>, usize, Option<std::io::ErrorKind>);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let some = self.1.min(self.0.len()).min(into.len());
            if let (0, Some(kind)) = (some, self.2) {
                return Err(kind.into());
            }
            into[..some].copy_from_slice(&self.0[..some]);
            self.0.drain(..some);
            Ok(some)
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<String> {
        let reader = Trickle(text.to_vec(), step, None);
        let mut lines = Lines::over(Box::new(reader), Path::new("t"));
        let mut found = Vec::new();
        while let Some(line) = lines.next().expect("text") {
            found.push(line.to_owned());
        }
        assert_eq!(lines.number(), found.len());
        assert!(!lines.advance().expect("still the end"));
        found
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        let long = "x".repeat(3 * CHUNK);
        let text = format!("first\n\nthird is Å\r\n{long}\nlast without an end");
        let expected = ["first", "", "third is Å", &long, "last without an end"];
        for step in [1, 7, CHUNK, 10 * CHUNK] {
            assert_eq!(all(text.as_bytes(), step), expected, "{step} bytes at a time");
        }
        assert_eq!(all(b"", 1), Vec::<String>::new());
        assert_eq!(all(b"\n", 1), [""]);
        assert_eq!(all(b"a\n", 5), ["a"]);
    }

    #[test]
    fn damage_is_reported_at_its_line_after_all_before_it() {
        for (text, kind, expected) in [
            (&b"good\n\xff\xfe\n"[..], None, "line 2 is not text"),
            (b"good\nhal", Some(std::io::ErrorKind::UnexpectedEof), "a compressed block"),
            (b"good\nhal", Some(std::io::ErrorKind::PermissionDenied), "read"),
        ] {
            let reader = Trickle(text.to_vec(), 4, kind);
            let mut lines = Lines::over(Box::new(reader), Path::new("t"));
            assert_eq!(lines.next().expect("text"), Some("good"));
            let error = lines.advance().expect_err("damaged").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
