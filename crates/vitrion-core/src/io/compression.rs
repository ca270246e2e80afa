//! Transparent gzip and zstd, by the ending of the file name.

use super::IoError;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// From the ending of the name, and the name without it.
    pub fn of(path: &Path) -> (Compression, PathBuf) {
        let stripped = path.with_extension("");
        match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => (Compression::Gzip, stripped),
            Some("zst") => (Compression::Zstd, stripped),
            _ => (Compression::None, path.to_owned()),
        }
    }
}

/// Opens a file for reading, unpacking it on the way. Several packed streams in a row read as one.
///
/// # Errors
/// The file cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, IoError> {
    let file = File::open(path).map_err(IoError::os(path, "open"))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(IoError::invalid(path, "this is a folder, not a file", None));
    }
    Ok(match Compression::of(path).0 {
        Compression::None => Box::new(BufReader::with_capacity(1 << 18, file)),
        Compression::Gzip => {
            Box::new(BufReader::with_capacity(1 << 18, flate2::read::MultiGzDecoder::new(file)))
        }
        Compression::Zstd => Box::new(BufReader::with_capacity(
            1 << 18,
            zstd::stream::read::Decoder::new(file).map_err(IoError::os(path, "open"))?,
        )),
    })
}

/// A file being written: packed by the ending of its name, and visible under that name only when
/// finished.
pub struct Output {
    path: PathBuf,
    part: PathBuf,
    writer: Packed,
}

enum Packed {
    None(BufWriter<File>),
    Gzip(Box<flate2::write::GzEncoder<BufWriter<File>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, BufWriter<File>>>),
}

impl Output {
    /// Starts a file.
    ///
    /// # Errors
    /// The file exists and must not be overwritten, or its folder cannot be written.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, IoError> {
        if !overwrite && path.exists() {
            return Err(IoError::invalid(
                path,
                "the file exists and is not overwritten",
                Some("choose another name, or allow it with --overwrite"),
            ));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let file = BufWriter::with_capacity(
            1 << 18,
            File::create(&part).map_err(IoError::os(path, "create"))?,
        );
        let writer = match Compression::of(path).0 {
            Compression::None => Packed::None(file),
            Compression::Gzip => Packed::Gzip(Box::new(flate2::write::GzEncoder::new(
                file,
                flate2::Compression::default(),
            ))),
            Compression::Zstd => Packed::Zstd(Box::new(
                zstd::stream::write::Encoder::new(file, 3).map_err(IoError::os(path, "create"))?,
            )),
        };
        Ok(Output { path: path.to_owned(), part, writer })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces bytes that were written before, in a file that is not packed.
    pub(super) fn replace(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        let Packed::None(file) = &mut self.writer else {
            return Err(std::io::Error::from(std::io::ErrorKind::Unsupported));
        };
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(self) -> Result<(), IoError> {
        let finished = match self.writer {
            Packed::None(mut w) => w.flush(),
            Packed::Gzip(w) => w.finish().and_then(|mut w| w.flush()),
            Packed::Zstd(w) => w.finish().and_then(|mut w| w.flush()),
        };
        finished.map_err(IoError::os(&self.path, "write"))?;
        std::fs::rename(&self.part, &self.path).map_err(IoError::os(&self.path, "rename"))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.writer {
            Packed::None(w) => w.write(bytes),
            Packed::Gzip(w) => w.write(bytes),
            Packed::Zstd(w) => w.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.writer {
            Packed::None(w) => w.flush(),
            Packed::Gzip(w) => w.flush(),
            Packed::Zstd(w) => w.flush(),
        }
    }
}
