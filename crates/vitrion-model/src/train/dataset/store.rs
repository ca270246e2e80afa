//! The packed store: a header and one block of f64 numbers per frame.
//!
//! ```text
//! "vitrion frames 1\n" · length of the header (8 bytes) · header (JSON) · padding to 64 bytes ·
//! per frame: cell 9, positions 3N, [energy 1], [forces 3N], [virial 9], species N bytes in full words
//! ```
//!
//! The file is written under another name and renamed when it is complete, then mapped into memory:
//! a data set larger than memory is read as it is needed. Opening reads everything once to compare its
//! hash; a file that is cut short or damaged is made anew.

use super::{LabelledFrame, Source};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use vitrion_core::io::{self, IoError, ReadOptions};
use vitrion_core::{Cell, Frame, SpeciesTable, Vector3};

const MAGIC: &[u8] = b"vitrion frames 1\n";
const ALIGNMENT: usize = 64;

/// Why frames could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    #[error(transparent)]
    Io(#[from] IoError),
    /// A frame that cannot be used.
    #[error("{path}, frame {frame}: {message}")]
    Frame { path: PathBuf, frame: usize, message: String },
    /// The packed file cannot be written or mapped.
    #[error("{path}: {action} failed: {source}")]
    Packed { path: PathBuf, action: &'static str, source: std::io::Error },
    /// No frames at all.
    #[error("{path}: no frames")]
    Empty { path: PathBuf },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    species: Vec<String>,
    sources: Vec<Origin>,
    frames: Vec<FrameHeader>,
    fingerprint: String,
    /// Bytes of all frames.
    bytes: usize,
}

impl Header {
    /// Frames lie one behind the other, fill the file, and belong to sources.
    fn is_consistent(&self) -> bool {
        let mut end = 0_usize;
        let chained = self.frames.iter().all(|frame| {
            let follows = frame.offset == end;
            // no sum overflows: the file has that many bytes
            let fits = frame.atoms <= self.bytes;
            if fits {
                end = end.saturating_add(8 * words(frame));
            }
            follows && fits
        });
        let of_sources: usize = self.sources.iter().map(|origin| origin.frames).sum();
        chained && end == self.bytes && of_sources == self.frames.len()
    }
}

/// What a source looked like when it was packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Origin {
    path: PathBuf,
    /// Relative name, size and time of change [ns since 1970] of each of its files.
    files: Vec<(PathBuf, u64, u128)>,
    frames: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct FrameHeader {
    /// In bytes from the start of the frames.
    offset: usize,
    atoms: usize,
    periodic: [bool; 3],
    energy: bool,
    forces: bool,
    virial: bool,
}

/// The mapped file.
#[derive(Debug)]
pub(super) struct Store {
    map: Mmap,
    start: usize,
    header: Header,
}

impl Store {
    pub(super) fn open_or_pack(
        sources: &[Source],
        species: &SpeciesTable,
        packed: &Path,
        options: &ReadOptions,
        progress: &dyn Fn(usize),
    ) -> Result<Store, DatasetError> {
        let origins = sources.iter().map(origin).collect::<Result<Vec<_>, _>>()?;
        if let Some(store) = Store::open(packed)
            && store.header.species == species.symbols()
            && store.header.sources.len() == origins.len()
            && store
                .header
                .sources
                .iter()
                .zip(&origins)
                .all(|(a, b)| (&a.path, &a.files) == (&b.path, &b.files))
        {
            return Ok(store);
        }
        pack(sources, origins, species, packed, options, progress)?;
        Store::open(packed).ok_or_else(|| DatasetError::Packed {
            path: packed.to_owned(),
            action: "reading back what was just written",
            source: std::io::Error::other("the file is not what it was"),
        })
    }

    /// `None` if there is no whole packed file: it is then made anew.
    fn open(path: &Path) -> Option<Store> {
        let file = File::open(path).ok()?;
        let map = map(&file).ok()?;
        let rest = map.strip_prefix(MAGIC)?;
        let length = usize::try_from(u64::from_le_bytes(rest.get(..8)?.try_into().ok()?)).ok()?;
        let json = rest.get(8..)?.get(..length)?;
        let header: Header = serde_json::from_slice(json).ok()?;
        let start = (MAGIC.len() + 8 + length).next_multiple_of(ALIGNMENT);
        let numbers = map.get(start..)?;
        let whole = numbers.len() == header.bytes
            && header.is_consistent()
            && blake3::hash(numbers).to_hex().as_str() == header.fingerprint;
        whole.then_some(Store { map, start, header })
    }

    pub(super) fn frames_per_source(&self) -> impl Iterator<Item = usize> {
        self.header.sources.iter().map(|origin| origin.frames)
    }

    pub(super) fn atoms_of(&self, frame: usize) -> usize {
        self.header.frames[frame].atoms
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.header.fingerprint
    }

    pub(super) fn frame(&self, frame: usize, system: usize, number: usize) -> LabelledFrame<'_> {
        let header = self.header.frames[frame];
        let n = header.atoms;
        let words = words(&header);
        let at = self.start + header.offset;
        let numbers: &[f64] = bytemuck::cast_slice(&self.map[at..at + 8 * words]);
        let (cell, rest) = numbers.split_at(9);
        let (positions, mut rest) = rest.split_at(3 * n);
        let mut take = |wanted: bool, count: usize| {
            wanted.then(|| {
                let (part, after) = rest.split_at(count);
                rest = after;
                part
            })
        };
        let energy = take(header.energy, 1).map(|e| e[0]);
        let forces = take(header.forces, 3 * n);
        let virial = take(header.virial, 9);
        let matrix = |x: &[f64]| std::array::from_fn(|a| std::array::from_fn(|b| x[3 * a + b]));
        LabelledFrame {
            system,
            number,
            cell: Cell::new(matrix(cell), header.periodic).expect("it was a cell when packed"),
            positions: bytemuck::cast_slice(positions),
            species: &bytemuck::cast_slice(rest)[..n],
            energy,
            forces: forces.map(bytemuck::cast_slice),
            virial: virial.map(matrix),
        }
    }
}

/// f64 words of a frame.
fn words(header: &FrameHeader) -> usize {
    let n = header.atoms;
    let vectors = if header.forces { 6 * n } else { 3 * n };
    let virial = if header.virial { 9 } else { 0 };
    9 + vectors + usize::from(header.energy) + virial + n.div_ceil(8)
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the file is only ever replaced by renaming a complete new one over it, which leaves a
    // mapping of the old one intact; all content is checked or plain numbers
    unsafe { Mmap::map(file) }
}

/// What the files of a source look like now.
fn origin(source: &Source) -> Result<Origin, DatasetError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| DatasetError::Packed { path, action: "looking at the source", source: error }
    };
    let mut files = Vec::new();
    let mut folders = vec![source.path.clone()];
    while let Some(path) = folders.pop() {
        let data = std::fs::metadata(&path).map_err(failed(&path))?;
        if data.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(failed(&path))? {
                folders.push(entry.map_err(failed(&path))?.path());
            }
        } else {
            let since =
                data.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
            let name = path.strip_prefix(&source.path).unwrap_or(&path).to_owned();
            files.push((name, data.len(), since.map_or(0, |t| t.as_nanos())));
        }
    }
    files.sort();
    let path = std::path::absolute(&source.path).map_err(failed(&source.path))?;
    Ok(Origin { path, files, frames: 0 })
}

/// A file in the making, removed when it goes out of scope. Its name holds the number of the process:
/// runs side by side may pack the same frames.
struct Partial(PathBuf);

impl Partial {
    fn beside(packed: &Path, what: &str) -> Self {
        Partial(packed.with_extension(format!("{what}.{}.part", std::process::id())))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // already renamed, or left behind: neither is worth an error
        let _ = std::fs::remove_file(&self.0);
    }
}

fn pack(
    sources: &[Source],
    mut origins: Vec<Origin>,
    species: &SpeciesTable,
    packed: &Path,
    options: &ReadOptions,
    progress: &dyn Fn(usize),
) -> Result<(), DatasetError> {
    let failed = |action: &'static str| {
        let path = packed.to_owned();
        move |source| DatasetError::Packed { path, action, source }
    };
    // numbers first, to a file of their own: the header is known at the end
    let numbers = Partial::beside(packed, "numbers");
    let mut body = BufWriter::new(File::create(&numbers.0).map_err(failed("writing"))?);
    let mut hasher = blake3::Hasher::new();
    let mut frames = Vec::new();
    let mut offset = 0;
    for (source, origin) in sources.iter().zip(&mut origins) {
        for (number, frame) in io::open(&source.path, options)?.enumerate() {
            let frame = frame?;
            let bad = |message: String| DatasetError::Frame {
                path: source.path.clone(),
                frame: number,
                message,
            };
            let (header, block) = block(&frame, species, offset).map_err(bad)?;
            let bytes: &[u8] = bytemuck::cast_slice(&block);
            hasher.update(bytes);
            body.write_all(bytes).map_err(failed("writing"))?;
            offset += bytes.len();
            frames.push(header);
            origin.frames += 1;
            progress(frames.len());
        }
        if origin.frames == 0 {
            return Err(DatasetError::Empty { path: source.path.clone() });
        }
    }
    body.flush().map_err(failed("writing"))?;
    let header = Header {
        species: species.symbols().to_vec(),
        sources: origins,
        frames,
        fingerprint: hasher.finalize().to_hex().to_string(),
        bytes: offset,
    };
    let json = serde_json::to_vec(&header).expect("plain data");
    let whole = Partial::beside(packed, "whole");
    let mut out = BufWriter::new(File::create(&whole.0).map_err(failed("writing"))?);
    let start = MAGIC.len() + 8 + json.len();
    let padding = start.next_multiple_of(ALIGNMENT) - start;
    let mut write = || -> std::io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&(json.len() as u64).to_le_bytes())?;
        out.write_all(&json)?;
        out.write_all(&[0; ALIGNMENT][..padding])?;
        std::io::copy(&mut File::open(&numbers.0)?, &mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        std::fs::rename(&whole.0, packed)
    };
    write().map_err(failed("writing"))
}

/// The numbers of one frame.
fn block(
    frame: &Frame,
    species: &SpeciesTable,
    offset: usize,
) -> Result<(FrameHeader, Vec<f64>), String> {
    let structure = &frame.structure;
    let labels = &frame.labels;
    if labels.energy.is_none() && labels.forces.is_none() && labels.virial.is_none() {
        return Err("it has neither energy nor forces nor virial to learn from".into());
    }
    let map = structure.table.map_onto(species).map_err(|e| e.to_string())?;
    let header = FrameHeader {
        offset,
        atoms: structure.len(),
        periodic: structure.cell.periodicity(),
        energy: labels.energy.is_some(),
        forces: labels.forces.is_some(),
        virial: labels.virial.is_some(),
    };
    let mut block = Vec::with_capacity(words(&header));
    let vectors = |block: &mut Vec<f64>, rows: &[Vector3]| {
        block.extend_from_slice(rows.as_flattened());
    };
    block.extend_from_slice(structure.cell.matrix().as_flattened());
    vectors(&mut block, &structure.positions);
    block.extend(labels.energy);
    labels.forces.iter().for_each(|forces| vectors(&mut block, forces));
    labels.virial.iter().for_each(|virial| block.extend_from_slice(virial.as_flattened()));
    if let Some(number) = block.iter().find(|x| !x.is_finite()) {
        return Err(format!("it holds a number that is not finite ({number})"));
    }
    let mut bytes: Vec<u8> = structure.species.iter().map(|id| map[id.index()]).collect();
    bytes.resize(structure.len().next_multiple_of(8), 0);
    let words = bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")));
    block.extend(words);
    Ok((header, block))
}
