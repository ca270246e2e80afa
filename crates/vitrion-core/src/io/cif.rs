use super::*;
use crate::frame::Frame;
pub fn read(path: &Path) -> Result<Frame, IoError> {
    Err(IoError::invalid(path, "not yet", None))
}
