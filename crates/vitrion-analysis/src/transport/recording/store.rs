//! Numbers of every atom in every frame, written frame by frame and read atom by atom.
//!
//! Frames are collected in chunks, `[row][frame of the chunk]`; chunks are kept in memory up to a limit and in an unnamed temporary file
//! beyond it, so that memory does not grow with the length of a trajectory.

use crate::error::AnalysisError;
use bytemuck::Pod;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Mutex;

/// What one store keeps in memory [bytes]; the page cache keeps the rest there anyway while there is room.
const MEMORY: usize = 64 << 20;
/// Size of a chunk [bytes], about.
const CHUNK: usize = 16 << 20;
/// Most frames of a chunk.
const FRAMES: usize = 512;
/// Frames that are put into a chunk together, so that memory is written in runs.
const TOGETHER: usize = 8;

/// `rows` numbers per frame.
#[derive(Debug)]
pub(crate) struct Store<T> {
    rows: usize,
    per_chunk: usize,
    open: Vec<T>,
    in_open: usize,
    /// Frames that are not in the open chunk yet, `[frame][row]`.
    pending: Vec<T>,
    frames: usize,
    /// Numbers that may be kept in memory.
    limit: usize,
    closed: Vec<T>,
    file: Option<Mutex<File>>,
}

impl<T: Pod> Store<T> {
    pub(crate) fn new(rows: usize) -> Self {
        Store::within(rows, MEMORY)
    }

    /// `limit` is how much is kept in memory [bytes].
    fn within(rows: usize, limit: usize) -> Self {
        let size = std::mem::size_of::<T>();
        Store {
            rows,
            per_chunk: (CHUNK / (size * rows.max(1))).clamp(1, FRAMES).next_multiple_of(TOGETHER),
            open: Vec::new(),
            in_open: 0,
            pending: Vec::new(),
            frames: 0,
            limit: limit / size,
            closed: Vec::new(),
            file: None,
        }
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// True if a temporary file is used.
    pub(crate) fn on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// Adds a frame: the number of every row.
    pub(crate) fn push(&mut self, value: impl Fn(usize) -> T) -> Result<(), AnalysisError> {
        self.pending.extend((0..self.rows).map(value));
        self.frames += 1;
        if !self.frames.is_multiple_of(TOGETHER) {
            return Ok(());
        }
        let chunk = self.per_chunk;
        if self.open.is_empty() {
            self.open.resize(self.rows * chunk, T::zeroed());
        }
        for row in 0..self.rows {
            let at = row * chunk + self.in_open;
            for (frame, place) in self.open[at..at + TOGETHER].iter_mut().enumerate() {
                *place = self.pending[frame * self.rows + row];
            }
        }
        self.pending.clear();
        self.in_open += TOGETHER;
        if self.in_open == chunk { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), AnalysisError> {
        self.in_open = 0;
        if self.file.is_none() && self.closed.len() + self.open.len() <= self.limit {
            self.closed.extend_from_slice(&self.open);
            return Ok(());
        }
        if self.file.is_none() {
            let mut file = tempfile::tempfile().map_err(scratch("make"))?;
            file.write_all(bytemuck::cast_slice(&self.closed)).map_err(scratch("write"))?;
            self.closed = Vec::new();
            self.file = Some(Mutex::new(file));
        }
        let file = self.file.as_mut().expect("made above").get_mut().expect("no thread panicked");
        file.write_all(bytemuck::cast_slice(&self.open)).map_err(scratch("write"))
    }

    /// The numbers of consecutive rows: `[row][frame]`.
    pub(crate) fn read(&self, rows: Range<usize>, into: &mut Vec<T>) -> Result<(), AnalysisError> {
        let (chunk, count) = (self.per_chunk, rows.len());
        into.clear();
        into.resize(count * self.frames, T::zeroed());
        let closed = self.frames / chunk;
        let mut buffer: Vec<T> = Vec::new();
        for number in 0..closed {
            let start = (number * self.rows + rows.start) * chunk;
            let length = count * chunk;
            let found = if let Some(file) = &self.file {
                buffer.resize(length, T::zeroed());
                let at = (start * std::mem::size_of::<T>()) as u64;
                let mut file = file.lock().expect("no thread panicked");
                file.seek(SeekFrom::Start(at)).map_err(scratch("read"))?;
                file.read_exact(bytemuck::cast_slice_mut(&mut buffer)).map_err(scratch("read"))?;
                &buffer[..]
            } else {
                &self.closed[start..start + length]
            };
            for row in 0..count {
                let at = row * self.frames + number * chunk;
                into[at..at + chunk].copy_from_slice(&found[row * chunk..(row + 1) * chunk]);
            }
        }
        for row in 0..count {
            let from = (rows.start + row) * chunk;
            let at = row * self.frames + closed * chunk;
            if self.in_open > 0 {
                let open = &self.open[from..from + self.in_open];
                into[at..at + self.in_open].copy_from_slice(open);
            }
            let end = (row + 1) * self.frames;
            for (place, frame) in into[at + self.in_open..end].iter_mut().zip(0..) {
                *place = self.pending[frame * self.rows + rows.start + row];
            }
        }
        Ok(())
    }
}

fn scratch(doing: &'static str) -> impl Fn(std::io::Error) -> AnalysisError {
    move |error| AnalysisError::Scratch {
        doing,
        folder: std::env::temp_dir(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_frames_is_read_by_rows_from_memory_and_disk() {
        for (limit, frames) in [(usize::MAX, 100), (0, 100), (0, 80), (0, 83), (0, 3)] {
            let mut store = Store::<f64>::within(50_000, limit);
            for frame in 0..frames {
                store.push(|row| (row * 1000 + frame) as f64).expect("written");
            }
            assert_eq!(store.on_disk(), limit == 0 && frames > 10);
            let mut found = Vec::new();
            store.read(49_990..49_993, &mut found).expect("read");
            let expected: Vec<f64> = (49_990..49_993)
                .flat_map(|row| (0..frames).map(move |frame| (row * 1000 + frame) as f64))
                .collect();
            assert_eq!(found, expected);
        }
    }
}
