//! Reading one `.npy` file: a table whose rows are frames.

use super::super::IoError;
use std::path::Path;

/// What a row holds: how its columns are counted and named in messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row {
    /// So many numbers per frame.
    Frame(usize),
    /// So many numbers for each of so many atoms.
    Atoms { atoms: usize, each: usize },
}

impl Row {
    fn columns(self) -> usize {
        match self {
            Row::Frame(columns) => columns,
            Row::Atoms { atoms, each } => atoms * each,
        }
    }

    /// The place of a number, for messages.
    pub(super) fn place(self, index: usize) -> String {
        let (frame, column) = (index / self.columns(), index % self.columns());
        match self {
            Row::Frame(1) => format!("frame {frame}"),
            Row::Frame(_) => format!("frame {frame}, component {column}"),
            Row::Atoms { each, .. } => format!("frame {frame}, atom {}", column / each),
        }
    }
}

/// Frames and values of an f32 or f64 array, as f64, row after row.
///
/// # Errors
/// A damaged file, another element type, another shape, a number that is not finite.
pub(super) fn numbers(
    path: &Path,
    row: Row,
    frames: Option<usize>,
) -> Result<(usize, Vec<f64>), IoError> {
    let bytes = std::fs::read(path).map_err(IoError::os(path, "read"))?;
    let file = Npy::new(path, &bytes)?;
    let frames = file.frames(row, frames)?;
    let damaged = IoError::os(path, "read");
    let data: Vec<f64> = match file.kind.as_str() {
        "f8" => file.data.into_vec::<f64>().map_err(damaged)?,
        "f4" => file.data.into_vec::<f32>().map_err(damaged)?.into_iter().map(f64::from).collect(),
        _ => return Err(file.wrong_kind("f4 or f8 numbers", "numpy.float64")),
    };
    if let Some(at) = data.iter().position(|x| !x.is_finite()) {
        let message = format!("{}: {} is not finite", row.place(at), data[at]);
        return Err(IoError::invalid(path, message, None));
    }
    Ok((frames, data))
}

/// Values of an i4 or i8 array of so many frames, row after row.
///
/// # Errors
/// A damaged file, another element type, another shape.
pub(super) fn integers(path: &Path, row: Row, frames: usize) -> Result<Vec<i64>, IoError> {
    let bytes = std::fs::read(path).map_err(IoError::os(path, "read"))?;
    let file = Npy::new(path, &bytes)?;
    file.frames(row, Some(frames))?;
    let damaged = IoError::os(path, "read");
    match file.kind.as_str() {
        "i8" => file.data.into_vec::<i64>().map_err(damaged),
        "i4" => {
            Ok(file.data.into_vec::<i32>().map_err(damaged)?.into_iter().map(i64::from).collect())
        }
        _ => Err(file.wrong_kind("i4 or i8 integers", "numpy.int32")),
    }
}

/// A file whose header is understood and whose length fits it.
struct Npy<'a> {
    path: &'a Path,
    data: npyz::NpyFile<&'a [u8]>,
    shape: Vec<u64>,
    /// Element type without byte order, as "f8".
    kind: String,
}

impl<'a> Npy<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, IoError> {
        let invalid = |message: String, hint| IoError::invalid(path, message, hint);
        let mut rest = bytes;
        let header = npyz::NpyHeader::from_reader(&mut rest)
            .map_err(|error| invalid(format!("not a readable .npy array: {error}"), None))?;
        let shape = header.shape().to_vec();
        if header.order() != npyz::Order::C && shape.len() > 1 {
            return Err(invalid(
                "the array is stored column by column (Fortran order)".into(),
                Some("save it with numpy.ascontiguousarray"),
            ));
        }
        let kind = header.dtype().descr().trim_matches(|c| "'<>|=".contains(c)).to_owned();
        let size = header.dtype().num_bytes().and_then(|n| u64::try_from(n).ok());
        let announced = shape.iter().try_fold(size.unwrap_or(0), |n, k| n.checked_mul(*k));
        if size.is_some() && announced != Some(rest.len() as u64) {
            let announced = announced.map_or_else(|| "far more".to_owned(), |n| n.to_string());
            return Err(invalid(
                format!(
                    "the header announces {announced} bytes of data, the file holds {}",
                    rest.len()
                ),
                Some("was the file cut off while it was written or copied?"),
            ));
        }
        Ok(Npy { path, data: npyz::NpyFile::with_header(header, rest), shape, kind })
    }

    /// Number of rows, if the shape is that of `frames` rows. One number per frame may be flat.
    fn frames(&self, row: Row, frames: Option<usize>) -> Result<usize, IoError> {
        let columns = row.columns();
        let found = match *self.shape.as_slice() {
            [rows] if columns == 1 => Some(rows),
            [rows, width] if width == columns as u64 => Some(rows),
            _ => None,
        }
        .and_then(|rows| usize::try_from(rows).ok())
        .filter(|rows| frames.is_none_or(|frames| frames == *rows));
        found.ok_or_else(|| {
            let rows = frames.map_or_else(|| "frames".to_owned(), |frames| frames.to_string());
            let flat = if columns == 1 { format!("({rows},) or ") } else { String::new() };
            let shape: Vec<String> = self.shape.iter().map(u64::to_string).collect();
            IoError::invalid(
                self.path,
                format!(
                    "the array has shape ({}), expected {flat}({rows}, {columns})",
                    shape.join(", ")
                ),
                Some(
                    "rows are the frames of coord.npy; columns follow from the number of atoms in \
                     type.raw",
                ),
            )
        })
    }

    fn wrong_kind(&self, expected: &str, cast: &str) -> IoError {
        IoError::invalid(
            self.path,
            format!("the array holds {}, expected {expected}", self.kind),
            Some(&format!("save it again after .astype({cast})")),
        )
    }
}
