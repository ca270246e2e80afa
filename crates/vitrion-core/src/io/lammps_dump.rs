use super::*;
use crate::frame::Frame;
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
pub fn write_frame(
    _out: &mut dyn std::io::Write,
    _frame: &Frame,
    path: &Path,
) -> Result<(), IoError> {
    Err(IoError::invalid(path, "not yet", None))
}
