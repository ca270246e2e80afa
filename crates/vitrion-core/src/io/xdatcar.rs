use super::*;
use crate::frame::Frame;
pub struct Reader;
impl Reader {
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Err(IoError::invalid(path, "not yet", None))
    }
}
impl Iterator for Reader {
    type Item = Result<Frame, IoError>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
/// `first` is the first frame of the file (`None` while writing it), `written` the frames before.
pub fn write_frame(
    _out: &mut dyn std::io::Write,
    _frame: &Frame,
    _first: Option<&Frame>,
    _written: usize,
    path: &Path,
) -> Result<(), IoError> {
    Err(IoError::invalid(path, "not yet", None))
}
