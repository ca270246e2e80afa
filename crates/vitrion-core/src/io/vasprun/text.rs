//! The text of an XML file on its way to the parser: lines are counted, letters outside ASCII dropped.

use std::io::{self, BufRead, Read};

/// How much is read at once [bytes].
const CHUNK: usize = 1 << 16;

/// Counts the lines that were used up.
pub(super) struct CountedLines {
    reader: Box<dyn BufRead>,
    chunk: Vec<u8>,
    at: usize,
    lines: usize,
}

impl CountedLines {
    pub(super) fn new(reader: Box<dyn BufRead>) -> Self {
        CountedLines { reader, chunk: Vec::new(), at: 0, lines: 0 }
    }

    /// Number of the present line, from 1.
    pub(super) fn line(&self) -> usize {
        self.lines + 1
    }
}

impl BufRead for CountedLines {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            self.chunk.resize(CHUNK, 0);
            self.at = 0;
            // nothing is left behind if the read fails
            let read = self.reader.read(&mut self.chunk);
            self.chunk.truncate(read.as_ref().map_or(0, |read| *read));
            read?;
            // VASP declares Latin-1; only titles and comments use what is not ASCII
            for byte in self.chunk.iter_mut().filter(|byte| !byte.is_ascii()) {
                *byte = b'?';
            }
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        let used = &self.chunk[self.at..self.at + amount];
        self.lines += memchr::memchr_iter(b'\n', used).count();
        self.at += amount;
    }
}

impl Read for CountedLines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(into)?;
        self.consume(some);
        Ok(some)
    }
}
