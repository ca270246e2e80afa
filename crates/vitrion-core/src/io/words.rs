//! The words of a line, and the numbers they stand for, in one pass over its bytes.

use super::IoError;
use super::lines::Lines;

/// Bytes behind the end of a line that may be looked at (a word at a time) but mean nothing.
pub(crate) const SLACK: usize = 16;

/// Words of a line that are yet to come.
pub(crate) struct Words<'a> {
    lines: &'a Lines,
    /// The line and at least [`SLACK`] bytes more.
    bytes: &'a [u8],
    at: usize,
    end: usize,
    missing: bool,
}

impl<'a> Words<'a> {
    /// Words of the first `end` of these bytes, which go on for [`SLACK`] bytes at least.
    pub(super) fn new(lines: &'a Lines, bytes: &'a [u8], end: usize) -> Self {
        debug_assert!(bytes.len() >= end + SLACK, "slack behind a line");
        Words { lines, bytes, at: 0, end, missing: false }
    }

    #[inline(always)]
    fn skip_spaces(&mut self) {
        while self.at < self.end && self.bytes[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// The next word; `None` at the end of the line.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let word = self.next_bytes();
        (!word.is_empty()).then(|| std::str::from_utf8(word).expect("a line is text"))
    }

    /// The next word; empty at the end of the line.
    #[inline(always)]
    fn next_bytes(&mut self) -> &'a [u8] {
        self.skip_spaces();
        self.missing |= self.at == self.end;
        let from = self.at;
        while self.at < self.end && !self.bytes[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
        &self.bytes[from..self.at]
    }

    /// The next word, and a number that only the same word has if the word has one to eight bytes.
    #[inline(always)]
    pub(crate) fn next_keyed(&mut self) -> (Option<u64>, &'a [u8]) {
        let word = self.next_bytes();
        let key = match word.len() {
            0 | 9.. => None,
            length => {
                let eight = &self.bytes[self.at - length..][..8];
                let eight = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
                Some(eight & (u64::MAX >> (64 - 8 * length)))
            }
        };
        (key, word)
    }

    /// A word was asked for when none was left.
    pub(crate) fn ended_early(&self) -> bool {
        self.missing
    }

    /// The next word, which must be a finite number.
    #[inline(always)]
    pub(crate) fn finite(&mut self, what: &str) -> Result<f64, IoError> {
        self.skip_spaces();
        let negative = self.bytes[self.at] == b'-';
        if let Some(plain) = Plain::read(self.bytes, self.at + usize::from(negative))
            && self.ends_a_word(plain.end)
        {
            self.at = plain.end;
            return Ok(plain.value(negative));
        }
        self.unusual(what)
    }

    /// A number that is not plain, or none at all.
    #[cold]
    #[inline(never)]
    fn unusual(&mut self, what: &str) -> Result<f64, IoError> {
        let word = self.next();
        self.lines.finite(word, what)
    }

    /// The next word, which must be a whole number that is not negative.
    #[inline(always)]
    pub(crate) fn whole(&mut self, what: &str) -> Result<u64, IoError> {
        self.skip_spaces();
        if let Some(Plain { digits, decimals: 0, pointed: false, end }) =
            Plain::read(self.bytes, self.at)
            && self.ends_a_word(end)
        {
            self.at = end;
            return Ok(digits);
        }
        self.unusual_whole(what)
    }

    #[cold]
    #[inline(never)]
    fn unusual_whole(&mut self, what: &str) -> Result<u64, IoError> {
        let word = self.next().unwrap_or("the end of the line");
        word.parse().map_err(|_| self.lines.error(what, word))
    }

    fn ends_a_word(&self, at: usize) -> bool {
        at == self.end || at < self.end && self.bytes[at].is_ascii_whitespace()
    }
}

/// A plain decimal such as `12.345678` of up to 15 digits.
struct Plain {
    /// The digits as one whole number, below 10¹⁵.
    digits: u64,
    /// How many of them follow the point.
    decimals: usize,
    pointed: bool,
    /// Where it ends.
    end: usize,
}

impl Plain {
    /// The number whose first digit or point is at `at`, if it has digits, and less than 16 bytes.
    ///
    /// All bytes at once, digits by the multiplications of Lemire ("Number parsing at a gigabyte per second", 2021).
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        const EACH: u128 = u128::MAX / 255;
        let sixteen = bytes.get(at..at + 16)?;
        // the first byte is the lowest; digits become 0 to 9
        let text = u128::from_le_bytes(sixteen.try_into().expect("sixteen bytes"));
        let nibbles = text ^ (0x30 * EACH);
        // the top bit of every byte above 9; what carries is not ASCII, and what it reaches is behind it
        let others = (nibbles.wrapping_add(0x76 * EACH) | nibbles) & (0x80 * EACH);
        let first = (others.trailing_zeros() / 8) as usize;
        let pointed = sixteen.get(first)? == &b'.';
        let behind = if pointed { others & (others - 1) } else { others };
        let length = (behind.trailing_zeros() / 8) as usize;
        let count = length - usize::from(pointed);
        if length == 16 || count == 0 {
            return None;
        }
        // close the gap of the point, then move the last digit to the top, zeros before the first
        let gap = others & others.wrapping_neg();
        let before = nibbles & ((gap >> 7) - 1);
        let after = (nibbles & !(gap << 1).wrapping_sub(1)) >> 8;
        let aligned = (before | after) << (8 * (16 - count));
        let digits =
            100_000_000 * eight_digits(aligned as u64) + eight_digits((aligned >> 64) as u64);
        Some(Plain {
            digits,
            decimals: length - first - usize::from(pointed),
            pointed,
            end: at + length,
        })
    }

    /// One exact division, whose result is the nearest number there is (Clinger, PLDI 1990).
    #[inline]
    fn value(&self, negative: bool) -> f64 {
        const POWERS: [f64; 16] =
            [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
        let value = self.digits as f64 / POWERS[self.decimals];
        if negative { -value } else { value }
    }
}

/// The number that eight digits (0 to 9, not text; the first lowest) make.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 * 0x100 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Stream};
    use std::path::Path;

    fn line(text: &str) -> Lines {
        let text = text.to_owned();
        let mut lines = Lines::over(Box::new(std::io::Cursor::new(text)), Path::new("test"));
        assert!(lines.advance().expect("text"));
        lines
    }

    fn short(word: &str) -> Option<f64> {
        let bytes = [word.as_bytes(), &b" 123456789.12345"[..]].concat();
        let negative = word.starts_with('-');
        let plain = Plain::read(&bytes, usize::from(negative))?;
        (plain.end == word.len()).then(|| plain.value(negative))
    }

    #[test]
    fn short_decimals_are_what_the_library_reads() {
        let mut random = rng::at(3, Stream::Testing, 0, 0);
        for length in 0..18 {
            for _ in 0..2000 {
                let value = 2e4 * (random.uniform() - 0.5);
                let word = format!("{value:.length$}");
                let read: f64 = word.parse().expect("a number");
                if let Some(found) = short(&word) {
                    assert_eq!(found.to_bits(), read.to_bits(), "{word}");
                } else {
                    assert!(word.trim_start_matches('-').len() > 15, "{word} is short");
                }
            }
        }
        for (word, expected) in [
            ("-0.0", -0.0_f64),
            ("5.", 5.0),
            (".5", 0.5),
            ("007", 7.0),
            ("0.0000000012345", 1.2345e-9),
            ("123456789012345", 123_456_789_012_345.0),
            ("1234567.1234567", 1_234_567.123_456_7),
        ] {
            let found = short(word).unwrap_or_else(|| panic!("{word} is plain"));
            assert_eq!(found.to_bits(), expected.to_bits(), "{word}");
        }
        for word in
            ["", "-", ".", "-.", "1e5", "nan", "inf", "1.2.3", "--1", "+1", "9999999999999999999"]
        {
            assert_eq!(short(word), None, "{word}");
        }
    }

    #[test]
    fn numbers_stop_at_anything_else() {
        for other in (0_u8..=255).filter(|byte| !byte.is_ascii_digit() && *byte != b'.') {
            for length in 1..16 {
                for point in 0..=length {
                    let mut bytes = b"987654321098765"[..length].to_vec();
                    if point < length {
                        bytes[point] = b'.';
                    }
                    let text = std::str::from_utf8(&bytes).expect("ASCII").to_owned();
                    bytes.push(other);
                    bytes.extend_from_slice(b"555555555555555");
                    let found = Plain::read(&bytes, 0).map(|plain| (plain.value(false), plain.end));
                    let expected = text.parse::<f64>().ok().map(|value| (value, length));
                    assert_eq!(found, expected, "{text} and {other}");
                }
            }
        }
    }

    #[test]
    fn words_numbers_and_keys_follow_each_other() {
        let lines = line("  12 Li\t-3.25 1e-3 +7  nine_or_more Li");
        let mut words = lines.words();
        assert_eq!(words.whole("an id").expect("12"), 12);
        let (li, _) = words.next_keyed();
        assert!(li.is_some());
        assert_eq!(words.finite("x").expect("-3.25").to_bits(), (-3.25_f64).to_bits());
        assert_eq!(words.finite("x").expect("1e-3").to_bits(), 1e-3_f64.to_bits());
        assert_eq!(words.whole("an id").expect("+7"), 7);
        assert_eq!(words.next_keyed(), (None, &b"nine_or_more"[..]));
        assert_eq!(words.next_keyed(), (li, &b"Li"[..]));
        assert!(!words.ended_early());
        assert_eq!(words.next_keyed(), (None, &b""[..]));
        assert!(words.ended_early());
        assert_eq!(words.next(), None);
        let error = words.finite("a finite number").expect_err("nothing is left").to_string();
        assert!(error.contains("the end of the line"), "{error}");
    }

    #[test]
    fn words_that_only_begin_like_numbers_are_refused() {
        for word in ["12a", "1.5.2", "3-", "0x10", "nan", "inf", "1e400", "--2", "."] {
            let lines = line(word);
            let error = lines.words().finite("a finite number").expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
        for word in ["-1", "1.0", "18446744073709551616", "seven"] {
            let lines = line(word);
            let error = lines.words().whole("an atom id").expect_err(word).to_string();
            assert!(error.contains("an atom id") && error.contains(word), "{error}");
        }
    }
}
