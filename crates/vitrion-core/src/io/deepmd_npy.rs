use super::*;
use crate::frame::Frame;
use crate::trajectory::FrameSink;
pub struct Reader;
impl Reader {
    pub fn open(path: &Path, _o: &ReadOptions) -> Result<Self, IoError> {
        Err(IoError::invalid(path, "not yet", None))
    }
}
impl Iterator for Reader {
    type Item = Result<Frame, IoError>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
pub struct Writer;
impl Writer {
    pub fn create(path: &Path, _overwrite: bool) -> Result<Self, IoError> {
        Err(IoError::invalid(path, "not yet", None))
    }
}
impl FrameSink for Writer {
    fn write(&mut self, _f: &Frame) -> Result<(), IoError> {
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<(), IoError> {
        Ok(())
    }
}
