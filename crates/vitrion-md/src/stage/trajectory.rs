//! The trajectory of a stage in any of its formats: append-only and cut back to a checkpoint.

use super::checkpoint::replace;
use super::output::Growing;
use crate::error::MdError;
use crate::settings::{TrajectoryFormat, TrajectorySettings};
use std::path::Path;
use vitrion_core::io::amber_netcdf::Layout;
use vitrion_core::io::{IoError, extxyz, lammps_dump};
use vitrion_core::{Frame, Structure};

/// Bytes gathered before they are handed to the system, besides at checkpoints; with zstd, they become
/// one frame of it.
const LARGEST_CHUNK: usize = 4 << 20;
/// zstd level: higher ones gain little on coordinates.
const LEVEL: i32 = 3;

/// Frames of one stage.
pub(super) struct TrajectoryFile {
    file: Growing,
    format: TrajectoryFormat,
    pending: Vec<u8>,
    /// Packs extended XYZ in independent zstd frames, so that the file can be cut at any checkpoint and
    /// read by any zstd.
    compressor: Option<zstd::bulk::Compressor<'static>>,
    layout: Option<Layout>,
}

impl TrajectoryFile {
    /// Opens the file and cuts it to `bytes`; frames will have these atoms.
    pub(super) fn open(
        directory: &Path,
        settings: TrajectorySettings,
        structure: &Structure,
        bytes: u64,
    ) -> Result<Self, MdError> {
        let format = settings.format;
        let path = directory.join(format.file_name());
        let prepare = || {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
            compressor.include_checksum(true)?;
            Ok(compressor)
        };
        let compressor = (format == TrajectoryFormat::ExtXyzZstd)
            .then(prepare)
            .transpose()
            .map_err(MdError::os(&path, "compress"))?;
        let layout = (format == TrajectoryFormat::AmberNetcdf).then(|| {
            let mut frame = Frame::from(structure.clone());
            frame.velocities = settings.velocities.then(|| vec![[0.0; 3]; structure.len()]);
            Layout::new(&frame)
        });
        let file = Growing::open(path, bytes)?;
        let mut trajectory =
            TrajectoryFile { file, format, pending: Vec::new(), compressor, layout };
        trajectory.count_frames()?; // some may have been cut off
        Ok(trajectory)
    }

    pub(super) fn write(&mut self, frame: &Frame) -> Result<(), MdError> {
        let path = &self.file.path;
        match self.format {
            TrajectoryFormat::ExtXyzZstd | TrajectoryFormat::ExtXyz => {
                append_text(&mut self.pending, frame, path)?;
            }
            TrajectoryFormat::LammpsDump => {
                lammps_dump::write_frame(&mut self.pending, frame, path)?;
            }
            TrajectoryFormat::AmberNetcdf => {
                let layout = self.layout.as_ref().expect("made with the file");
                if self.file.bytes == 0 && self.pending.is_empty() {
                    self.pending.extend(layout.header(0));
                }
                layout.append(&mut self.pending, frame, path)?;
            }
        }
        if self.pending.len() >= LARGEST_CHUNK { self.flush() } else { Ok(()) }
    }

    /// Hands all frames to the system.
    pub(super) fn flush(&mut self) -> Result<(), MdError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        match &mut self.compressor {
            None => self.file.append(&self.pending)?,
            Some(compressor) => {
                let packed = compressor
                    .compress(&self.pending)
                    .map_err(MdError::os(&self.file.path, "compress"))?;
                self.file.append(&packed)?;
            }
        }
        self.pending.clear();
        self.count_frames()
    }

    /// Brings the number of frames in a NetCDF header up to date.
    fn count_frames(&mut self) -> Result<(), MdError> {
        let Some(layout) = self.layout.as_ref().filter(|_| self.file.bytes > 0) else {
            return Ok(());
        };
        let frames = (self.file.bytes - layout.header_bytes()) / layout.frame_bytes();
        self.file.replace(Layout::FRAME_COUNT, &Layout::frame_count(frames))
    }

    /// Brings the file to the disk and returns its length.
    pub(super) fn sync(&mut self) -> Result<u64, MdError> {
        self.flush()?;
        self.file.sync()?;
        Ok(self.file.bytes)
    }
}

/// Replaces a file by a single frame.
pub(super) fn write_single(path: &Path, frame: &Frame) -> Result<(), MdError> {
    let mut text = Vec::new();
    append_text(&mut text, frame, path)?;
    replace(path, &text)
}

fn append_text(text: &mut Vec<u8>, frame: &Frame, path: &Path) -> Result<(), MdError> {
    extxyz::write_frame(text, frame).map_err(|source| {
        MdError::Io(IoError::Os { path: path.to_owned(), doing: "format a frame for", source })
    })
}
