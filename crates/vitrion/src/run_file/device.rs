//! The word `device`: what computes.

use super::reader::{Located, Table};
use crate::error::InputError;

/// What a run file or a training file asks to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one that can do it, else the processor.
    #[default]
    Auto,
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl DeviceChoice {
    /// Reads "auto", "cpu", "cuda" or "cuda:N".
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(DeviceChoice::Auto),
            "cpu" => Some(DeviceChoice::Cpu),
            "cuda" => Some(DeviceChoice::Cuda(0)),
            other => other.strip_prefix("cuda:")?.parse().ok().map(DeviceChoice::Cuda),
        }
    }

    /// The key `device` of a table.
    pub(super) fn read(table: &Table<'_>) -> Result<Option<Located<Self>>, InputError> {
        let Some(word) = table.string("device")? else { return Ok(None) };
        match DeviceChoice::parse(&word.value) {
            Some(value) => Ok(Some(Located { value, line: word.line })),
            None => Err(table.refuse(
                "device",
                format!(
                    "expected \"auto\", \"cpu\", \"cuda\" or \"cuda:N\" with the number of a \
                     device, found \"{}\"",
                    word.value
                ),
            )),
        }
    }
}
