use super::*;
use crate::frame::Frame;
pub fn read(path: &Path, _o: &ReadOptions) -> Result<Frame, IoError> {
    Err(IoError::invalid(path, "not yet", None))
}
pub fn write(_out: &mut dyn std::io::Write, _frame: &Frame, path: &Path) -> Result<(), IoError> {
    Err(IoError::invalid(path, "not yet", None))
}
