//! The table of formats, and the way from a path to frames and back.

use super::compression::{Compression, Output};
use super::{
    IoError, amber_netcdf, cif, cp2k, deepmd_npy, extxyz, lammps_data, lammps_dump, outcar, poscar,
    vasprun, xdatcar,
};
use crate::frame::Frame;
use crate::trajectory::FrameSink;
use std::path::Path;

/// A file format of structures, trajectories or data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    ExtXyz,
    LammpsData,
    LammpsDump,
    Poscar,
    Xdatcar,
    Outcar,
    Vasprun,
    Cif,
    AmberNetcdf,
    DeepmdNpy,
    /// Frames of different atoms in one system, DeePMD-kit's mixed layout.
    DeepmdMixed,
    /// Main output of CP2K, with the files beside it.
    Cp2k,
}

/// Unit system of LAMMPS files, which do not say it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LammpsUnits {
    /// Å, ps, eV, bar
    #[default]
    Metal,
    /// Å, fs, kcal/mol, atm
    Real,
}

/// What a reader cannot know from the file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format; otherwise it follows from the name and the content.
    pub format: Option<Format>,
    /// Element symbols of types 1, 2, … of files that only number their types.
    pub type_map: Option<Vec<String>>,
    /// Units of LAMMPS files; metal unless said otherwise.
    pub lammps_units: LammpsUnits,
}

/// How a file is written.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// The format; otherwise it follows from the name.
    pub format: Option<Format>,
    /// Replace an existing file.
    pub overwrite: bool,
    /// Store arrays as f32 (deepmd formats only; text formats are always exact).
    pub single_precision: bool,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 12] = [
        Format::ExtXyz,
        Format::LammpsData,
        Format::LammpsDump,
        Format::Poscar,
        Format::Xdatcar,
        Format::Outcar,
        Format::Vasprun,
        Format::Cif,
        Format::AmberNetcdf,
        Format::DeepmdNpy,
        Format::DeepmdMixed,
        Format::Cp2k,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::ExtXyz => "extxyz",
            Format::LammpsData => "lammps-data",
            Format::LammpsDump => "lammps-dump",
            Format::Poscar => "poscar",
            Format::Xdatcar => "xdatcar",
            Format::Outcar => "outcar",
            Format::Vasprun => "vasprun",
            Format::Cif => "cif",
            Format::AmberNetcdf => "amber-netcdf",
            Format::DeepmdNpy => "deepmd-npy",
            Format::DeepmdMixed => "deepmd-mixed",
            Format::Cp2k => "cp2k",
        }
    }

    /// The format of a name.
    pub fn by_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// True if vitrion writes it.
    pub fn writes(self) -> bool {
        !matches!(self, Format::Cif | Format::Cp2k | Format::Outcar | Format::Vasprun)
    }

    /// True if it holds several frames.
    pub fn is_trajectory(self) -> bool {
        matches!(
            self,
            Format::ExtXyz
                | Format::LammpsDump
                | Format::Xdatcar
                | Format::Outcar
                | Format::Vasprun
                | Format::AmberNetcdf
                | Format::DeepmdNpy
                | Format::DeepmdMixed
                | Format::Cp2k
        )
    }

    /// The format that a name stands for, if it is clear.
    pub fn of_name(path: &Path) -> Option<Format> {
        let (_, plain) = Compression::of(path);
        let name = plain.file_name()?.to_str()?.to_lowercase();
        let ending = plain.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
        Some(match ending.as_str() {
            "extxyz" | "xyz" => Format::ExtXyz,
            "lammpstrj" | "dump" => Format::LammpsDump,
            "lmp" | "data" | "lammps" => Format::LammpsData,
            "vasp" | "poscar" => Format::Poscar,
            "cif" => Format::Cif,
            "nc" | "ncdf" => Format::AmberNetcdf,
            "xml" if name.contains("vasprun") => Format::Vasprun,
            _ if name.contains("outcar") => Format::Outcar,
            _ if name.contains("xdatcar") => Format::Xdatcar,
            _ if name.contains("poscar") || name.contains("contcar") => Format::Poscar,
            _ if name.starts_with("dump.") => Format::LammpsDump,
            _ if name.starts_with("data.") => Format::LammpsData,
            _ => return None,
        })
    }

    /// The format of an existing file or folder, by name, then by its first lines.
    ///
    /// # Errors
    /// Nothing tells the format.
    pub fn detect(path: &Path) -> Result<Format, IoError> {
        if path.is_dir() {
            return if path.join("type.raw").exists() {
                Ok(Format::DeepmdNpy)
            } else {
                Err(IoError::invalid(
                    path,
                    "this folder is not a deepmd/npy system: it has no type.raw",
                    None,
                ))
            };
        }
        if let Some(format) = Format::of_name(path) {
            return Ok(format);
        }
        if amber_netcdf::is_netcdf(path)? {
            return Ok(Format::AmberNetcdf);
        }
        let mut lines = super::lines::Lines::open(path)?;
        let mut head = Vec::new();
        while head.len() < 30
            && let Some(line) = lines.next()?
        {
            head.push(line.to_owned());
        }
        if let Some(format) = Format::of_content(&head) {
            return Ok(format);
        }
        Err(IoError::invalid(
            path,
            "the format cannot be told from the name or the content",
            Some(&known()),
        ))
    }

    /// The format of a file that begins with these lines.
    fn of_content(head: &[String]) -> Option<Format> {
        let numbers = |line: usize| {
            let words = head.get(line).map_or("", |text| text.as_str()).split_whitespace();
            words.map_while(|word| word.parse::<f64>().ok()).count()
        };
        let any = |condition: fn(&str) -> bool| head.iter().any(|line| condition(line.trim_end()));
        if any(|line| line.starts_with("ITEM:")) {
            Some(Format::LammpsDump)
        } else if head.iter().any(|line| line.contains("DBCSR|") || line.contains("CP2K|")) {
            Some(Format::Cp2k)
        } else if any(|line| line == "<modeling>") {
            Some(Format::Vasprun)
        } else if head.first().is_some_and(|first| first.trim_start().starts_with("vasp.")) {
            Some(Format::Outcar)
        } else if head
            .get(1)
            .is_some_and(|second| second.contains("Properties=") || second.contains("Lattice="))
        {
            Some(Format::ExtXyz)
        } else if any(|line| line.ends_with(" xhi")) {
            Some(Format::LammpsData)
        } else if any(|line| line.starts_with("data_")) {
            Some(Format::Cif)
        } else if numbers(1) > 0 && (2..5).all(|line| numbers(line) == 3) {
            let sequence = any(|line| line.starts_with("Direct configuration"));
            Some(if sequence { Format::Xdatcar } else { Format::Poscar })
        } else {
            None
        }
    }
}

fn known() -> String {
    let names: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
    format!("name it (--format when reading, --to when writing), one of {}", names.join(", "))
}

/// Streams the frames of a file; memory of one frame.
///
/// # Errors
/// The file cannot be opened or its format is unknown; later frames report their own errors.
pub fn open(
    path: &Path,
    options: &ReadOptions,
) -> Result<Box<dyn Iterator<Item = Result<Frame, IoError>>>, IoError> {
    if !path.exists() {
        return Err(IoError::Os {
            path: path.to_owned(),
            doing: "open",
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        });
    }
    let format = match options.format {
        Some(format) => format,
        None => Format::detect(path)?,
    };
    Ok(match format {
        Format::ExtXyz => Box::new(extxyz::Reader::open(path)?),
        Format::LammpsDump => Box::new(lammps_dump::Reader::open(path, options)?),
        Format::Xdatcar => Box::new(xdatcar::Reader::open(path)?),
        Format::Outcar => Box::new(outcar::Reader::open(path)?),
        Format::Vasprun => Box::new(vasprun::Reader::open(path)?),
        Format::AmberNetcdf => {
            refuse_packed(path)?;
            Box::new(amber_netcdf::Reader::open(path)?)
        }
        Format::DeepmdNpy | Format::DeepmdMixed => {
            Box::new(deepmd_npy::Reader::open(path, options)?)
        }
        Format::Cp2k => Box::new(cp2k::Reader::open(path)?),
        Format::LammpsData => Box::new(std::iter::once(lammps_data::read(path, options))),
        Format::Poscar => Box::new(std::iter::once(poscar::read(path))),
        Format::Cif => Box::new(std::iter::once(cif::read(path))),
    })
}

/// All frames of a file.
///
/// # Errors
/// The first error of any frame, or a file without frames.
pub fn read_all(path: &Path, options: &ReadOptions) -> Result<Vec<Frame>, IoError> {
    let frames: Vec<Frame> = open(path, options)?.collect::<Result<_, _>>()?;
    if frames.is_empty() { Err(no_frames(path)) } else { Ok(frames) }
}

/// The first frame of a file.
///
/// # Errors
/// As [`open`], or a file without frames.
pub fn read_first(path: &Path, options: &ReadOptions) -> Result<Frame, IoError> {
    open(path, options)?.next().unwrap_or_else(|| Err(no_frames(path)))
}

/// The last frame of a file; all frames are read.
///
/// # Errors
/// As [`read_all`].
pub fn read_last(path: &Path, options: &ReadOptions) -> Result<Frame, IoError> {
    let format = options.format.map_or_else(|| Format::detect(path), Ok);
    if path.is_file() && matches!(format, Ok(Format::AmberNetcdf)) {
        let mut reader = amber_netcdf::Reader::open(path)?;
        let last = reader.frames().checked_sub(1).ok_or_else(|| no_frames(path))?;
        return reader.read(last);
    }
    let mut last = None;
    for frame in open(path, options)? {
        last = Some(frame?);
    }
    last.ok_or_else(|| no_frames(path))
}

fn no_frames(path: &Path) -> IoError {
    IoError::invalid(path, "the file holds no frame", None)
}

/// Starts a file; frames are on disk under its name only after [`FrameSink::finish`].
///
/// # Errors
/// A format that is unknown or not written, a file that exists, a folder that cannot be written.
pub fn create(path: &Path, options: &CreateOptions) -> Result<Box<dyn FrameSink>, IoError> {
    let Some(format) = options.format.or_else(|| Format::of_name(path)) else {
        return Err(IoError::invalid(
            path,
            "the format cannot be told from the name",
            Some(&known()),
        ));
    };
    if matches!(format, Format::DeepmdNpy | Format::DeepmdMixed) {
        let mixed = format == Format::DeepmdMixed;
        let writer = deepmd_npy::Writer::create(path, options, mixed)?;
        return Ok(Box::new(writer));
    }
    if options.single_precision {
        return Err(IoError::invalid(
            path,
            format!(
                "{} files hold exact numbers; single precision is for deepmd arrays",
                format.name()
            ),
            None,
        ));
    }
    if !format.writes() {
        return Err(IoError::invalid(
            path,
            format!("{} files are only read", format.name()),
            Some("write extxyz or poscar instead"),
        ));
    }
    if format == Format::AmberNetcdf {
        refuse_packed(path)?;
        let output = Output::create(path, options.overwrite)?;
        return Ok(Box::new(amber_netcdf::Sink::new(output)));
    }
    let output = Output::create(path, options.overwrite)?;
    Ok(Box::new(TextSink { output, format, frames: 0, first: None }))
}

/// NetCDF files are read at any place, so they cannot be packed.
fn refuse_packed(path: &Path) -> Result<(), IoError> {
    if Compression::of(path).0 == Compression::None {
        return Ok(());
    }
    let message = "NetCDF trajectories are not packed: their frames are found by their place";
    Err(IoError::invalid(path, message, Some("leave out .gz or .zst, or unpack the file")))
}

/// Writes frames of a text format.
struct TextSink {
    output: Output,
    format: Format,
    frames: usize,
    /// The first frame, for formats whose header describes all frames.
    first: Option<Frame>,
}

impl FrameSink for TextSink {
    fn write(&mut self, frame: &Frame) -> Result<(), IoError> {
        let path = self.output.path().to_owned();
        if self.frames > 0 && !self.format.is_trajectory() {
            return Err(IoError::invalid(
                &path,
                format!("{} files hold one frame; this is the second", self.format.name()),
                Some("choose a trajectory format such as extxyz, or convert one frame"),
            ));
        }
        match self.format {
            Format::ExtXyz => {
                extxyz::write_frame(&mut self.output, frame)
                    .map_err(IoError::os(&path, "write"))?;
            }
            Format::LammpsDump => lammps_dump::write_frame(&mut self.output, frame, &path)?,
            Format::LammpsData => lammps_data::write(&mut self.output, frame, &path)?,
            Format::Poscar => poscar::write(&mut self.output, frame, &path)?,
            Format::Xdatcar => {
                xdatcar::write_frame(
                    &mut self.output,
                    frame,
                    self.first.as_ref(),
                    self.frames,
                    &path,
                )?;
                if self.first.is_none() {
                    self.first = Some(frame.clone());
                }
            }
            Format::Cif
            | Format::Cp2k
            | Format::Outcar
            | Format::Vasprun
            | Format::AmberNetcdf
            | Format::DeepmdNpy
            | Format::DeepmdMixed => unreachable!("create sends these elsewhere"),
        }
        self.frames += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), IoError> {
        if self.frames == 0 {
            return Err(IoError::invalid(self.output.path(), "no frame was written", None));
        }
        self.output.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_telling_name_are_known_by_their_first_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        for (text, format) in [
            ("ITEM: TIMESTEP\n0\n", Format::LammpsDump),
            ("1\nLattice=\"5 0 0 0 5 0 0 0 5\"\nLi 0 0 0\n", Format::ExtXyz),
            ("title\n\n1 atoms\n\n0 5.0 xlo xhi\n", Format::LammpsData),
            ("# a comment\ndata_x\n_cell_length_a 5\n", Format::Cif),
            ("title\n1.0\n5 0 0\n0 5 0\n0 0 5\nLi\n1\nDirect\n0 0 0\n", Format::Poscar),
            (" vasp.6.4.2 20Jul23 complex\n", Format::Outcar),
            ("<?xml version=\"1.0\"?>\n<modeling>\n", Format::Vasprun),
            ("t\n1\n5 0 0\n0 5 0\n0 0 5\nLi\n1\nDirect configuration= 1\n", Format::Xdatcar),
        ] {
            let path = folder.path().join("unnamed");
            std::fs::write(&path, text).expect("write");
            assert_eq!(Format::detect(&path).expect("known"), format);
        }
    }
}
