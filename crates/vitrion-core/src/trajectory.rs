//! Streams of frames: a trajectory need not fit in memory.

use crate::frame::Frame;
use crate::io::IoError;

/// A stream of frames from a file or a generator.
pub trait FrameSource: Iterator<Item = Result<Frame, IoError>> {}

impl<T: Iterator<Item = Result<Frame, IoError>>> FrameSource for T {}

/// Where frames are written.
pub trait FrameSink {
    /// Appends one frame.
    ///
    /// # Errors
    /// The disk is full, or the format cannot hold the frame.
    fn write(&mut self, frame: &Frame) -> Result<(), IoError>;

    /// Completes the file; nothing is guaranteed to be on disk before.
    ///
    /// # Errors
    /// The disk is full.
    fn finish(self: Box<Self>) -> Result<(), IoError>;
}
