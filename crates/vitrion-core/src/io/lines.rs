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

    /// Goes to the next line; false at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, IoError> {
        self.buffer.clear();
        let read = match self.reader.read_line(&mut self.buffer) {
            Ok(read) => read,
            Err(source) => return Err(self.unreadable(source)),
        };
        if self.buffer.ends_with('\n') {
            self.buffer.pop();
        }
        while self.buffer.ends_with('\r') {
            self.buffer.pop();
        }
        self.number += usize::from(read > 0);
        Ok(read > 0)
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
        &self.buffer
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
        Ok(if self.advance()? { Some(&self.buffer) } else { None })
    }

    /// The next line; an end of file is an error in the middle of `what`.
    pub(crate) fn required(&mut self, what: &str) -> Result<&str, IoError> {
        self.advance_within(|| what.to_owned())?;
        Ok(&self.buffer)
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
        if let Some(value) = short_decimal(word.as_bytes()) {
            return Ok(value);
        }
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.error(what, if word.is_empty() { "the end of the line" } else { word })),
        }
    }
}

/// The number that plain decimals such as `-12.345678` stand for, if they are short enough for
/// one exact division, whose result is the nearest number there is (Clinger, PLDI 1990).
fn short_decimal(word: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match word {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, word),
    };
    // up to 15 digits fit 53 bits
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut point = None;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = 10 * mantissa + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |at| digits.len() - 1 - at);
    if digits.len() - usize::from(point.is_some()) == 0 || mantissa >= 1 << 53 {
        return None;
    }
    let value = mantissa as f64 / POWERS[fraction];
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::short_decimal;
    use crate::rng::{self, Stream};

    #[test]
    fn short_decimals_are_what_the_library_reads() {
        let mut random = rng::at(3, Stream::Testing, 0, 0);
        for length in 0..18 {
            for _ in 0..2000 {
                let value = 2e4 * (random.uniform() - 0.5);
                let word = format!("{value:.length$}");
                let read: f64 = word.parse().expect("a number");
                if let Some(found) = short_decimal(word.as_bytes()) {
                    assert_eq!(found.to_bits(), read.to_bits(), "{word}");
                } else {
                    assert!(word.len() > 15, "{word} is short");
                }
            }
        }
        for (word, expected) in [("-0.0", -0.0_f64), ("5.", 5.0), (".5", 0.5), ("007", 7.0)] {
            let found = short_decimal(word.as_bytes()).expect("plain");
            assert_eq!(found.to_bits(), expected.to_bits(), "{word}");
        }
        for word in
            ["", "-", ".", "-.", "1e5", "nan", "inf", "1.2.3", "--1", "+1", "9999999999999999"]
        {
            assert_eq!(short_decimal(word.as_bytes()), None, "{word}");
        }
    }
}
