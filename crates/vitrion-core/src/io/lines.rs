//! Reading text line by line with one buffer, knowing where we are.

use super::{IoError, compression};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Lines of a (possibly compressed) text file.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    buffer: String,
    number: usize,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, IoError> {
        Ok(Lines::over(compression::open(path)?, path))
    }

    /// Lines of anything; `path` is for messages.
    pub(crate) fn over(reader: Box<dyn BufRead>, path: &Path) -> Self {
        Lines { path: path.to_owned(), reader, buffer: String::new(), number: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the present line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The next line without its end, or `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, IoError> {
        self.buffer.clear();
        let read = self.reader.read_line(&mut self.buffer).map_err(|source| {
            if source.kind() == std::io::ErrorKind::InvalidData {
                IoError::invalid(
                    &self.path,
                    format!("line {} is not text: {source}", self.number + 1),
                    Some("is this file of another kind, or damaged?"),
                )
            } else if source.kind() == std::io::ErrorKind::UnexpectedEof {
                IoError::Truncated {
                    path: self.path.clone(),
                    line: self.number,
                    what: "a compressed block".into(),
                    hint: Some("the file was cut off; everything up to this line is intact".into()),
                }
            } else {
                IoError::Os { path: self.path.clone(), doing: "read", source }
            }
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(self.buffer.trim_end_matches(['\n', '\r'])))
    }

    /// The next line; an end of file is an error in the middle of `what`.
    pub(crate) fn required(&mut self, what: &str) -> Result<&str, IoError> {
        let (path, number) = (self.path.clone(), self.number);
        match self.next()? {
            Some(line) => Ok(line),
            None => {
                Err(IoError::Truncated { path, line: number, what: what.to_owned(), hint: None })
            }
        }
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
