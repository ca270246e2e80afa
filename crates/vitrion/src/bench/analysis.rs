//! How fast structural analyses are on this machine, alone and together in one pass.

use super::{REPEATS, peak};
use crate::error::{Error, InputError};
use crate::pipeline::machine_description;
use crate::run_file::{AnalysisFile, FileAnalysis, Located};
use crate::structural_pass::StructuralPass;
use crate::threads;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vitrion_analysis::structure::StructureSettings;
use vitrion_analysis::{AnalysisError, Pass};
use vitrion_core::build::supercell;
use vitrion_core::io::{self, CreateOptions, ReadOptions};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Frame, Structure};

/// Thermal displacement of the made trajectory, along each axis [Å].
const DISPLACEMENT: f64 = 0.15;
/// Seed of the made trajectory.
const SEED: u64 = 2026;

/// What is timed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A trajectory; without one, a crystal with thermal noise.
    pub trajectory: Option<PathBuf>,
    pub read: ReadOptions,
    /// Atoms at least, and frames, of the trajectory that is made.
    pub atoms: usize,
    pub frames: usize,
    pub threads: Vec<usize>,
    /// Kinds of analyses; empty: all that suit the elements.
    pub only: Vec<String>,
    /// A file of `[[analysis]]` tables in their place.
    pub config: Option<PathBuf>,
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    pub machine: String,
    pub atoms: usize,
    pub frames: usize,
    pub runs: Vec<Run>,
}

/// With one number of threads.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub threads: usize,
    /// Reading the file and doing nothing else [ms/frame].
    pub reading_ms_per_frame: f64,
    pub megabytes_per_second: f64,
    pub analyses: Vec<Part>,
    /// Reading and all analyses together [ms/frame].
    pub one_pass_ms_per_frame: f64,
    /// Of reading once and every analysis alone.
    pub sum_of_parts_ms_per_frame: f64,
    /// The pass over the sum.
    pub ratio: f64,
    /// Resident memory of the process after the pass from the file [MB], where it is known.
    pub resident_mb: Option<f64>,
}

/// One analysis alone, frames in memory.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    pub kind: &'static str,
    pub ms_per_frame: f64,
    pub us_per_atom_frame: f64,
}

/// Times everything; `tell` hears what is going on.
///
/// # Errors
/// A trajectory that cannot be read, or a kind of analysis that does not suit it.
pub fn run(settings: &Settings, tell: &dyn Fn(&str)) -> Result<Results, Error> {
    let folder = std::env::temp_dir().join(format!("vitrion-bench-{}", std::process::id()));
    let made = if let Some(path) = &settings.trajectory {
        path.clone()
    } else {
        tell("writing a trajectory to read");
        std::fs::create_dir_all(&folder).map_err(InputError::os(&folder, "create"))?;
        write_trajectory(&folder, settings)?
    };
    let measured = measure(&made, settings, tell);
    if settings.trajectory.is_none() {
        // the folder is this process's own
        let _ = std::fs::remove_dir_all(&folder);
    }
    measured
}

/// A crystal with thermal noise, as extended XYZ.
fn write_trajectory(folder: &Path, settings: &Settings) -> Result<PathBuf, Error> {
    let cell = crate::inputs::bench_structure();
    let wanted = settings.atoms.max(1) as f64 / cell.len() as f64;
    let side = wanted.cbrt().ceil() as usize;
    let rows = (wanted / (side * side) as f64).ceil() as usize;
    let crystal = supercell::repeat(&cell, [rows.max(1), side, side]);
    let path = folder.join("trajectory.extxyz");
    let mut sink = io::create(&path, &CreateOptions::default())?;
    for number in 0..settings.frames {
        sink.write(&shaken(&crystal, number as u64))?;
    }
    sink.finish()?;
    Ok(path)
}

fn shaken(crystal: &Structure, number: u64) -> Frame {
    let mut structure = crystal.clone();
    for (atom, r) in structure.positions.iter_mut().enumerate() {
        let mut random = rng::at(SEED, Stream::Structure, number, atom as u64);
        for x in r {
            *x += DISPLACEMENT * random.normal();
        }
    }
    Frame { time: Some(number as f64 * 100.0), ..structure.into() }
}

fn measure(path: &Path, settings: &Settings, tell: &dyn Fn(&str)) -> Result<Results, Error> {
    let frames: Vec<Frame> = io::open(path, &settings.read)
        .map_err(InputError::Io)?
        .collect::<Result<_, _>>()
        .map_err(InputError::Io)?;
    let Some(first) = frames.first() else {
        let message = format!("{}: no frame in it", path.display());
        return Err(InputError::Usage(message).into());
    };
    let analyses = chosen(settings, &first.structure)?;
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    let mut runs = Vec::new();
    for count in &settings.threads {
        tell(&format!("{} analyses, {count} thread(s)", analyses.len()));
        let one = || timed(path, settings, &frames, &analyses, *count, bytes);
        runs.push(threads::on(*count, one)?);
    }
    Ok(Results {
        machine: machine_description(),
        atoms: first.structure.len(),
        frames: frames.len(),
        runs,
    })
}

/// The analyses of the file, those that were named, or all that suit.
fn chosen(settings: &Settings, first: &Structure) -> Result<Vec<StructureSettings>, Error> {
    if let Some(path) = &settings.config {
        let file = AnalysisFile::read(path)?;
        file.check(first)?;
        let structural = |table: Located<FileAnalysis>| match table.value {
            FileAnalysis::Structure(table) => Some(table.settings),
            FileAnalysis::Motion(_) => None,
        };
        return Ok(file.analyses.into_iter().filter_map(structural).collect());
    }
    let mut analyses = StructureSettings::suiting(first);
    if !settings.only.is_empty() {
        let known: Vec<&str> = analyses.iter().map(StructureSettings::kind).collect();
        let known = format!("--only: known for these elements: {}", known.join(", "));
        analyses.retain(|one| settings.only.iter().any(|kind| kind == one.kind()));
        if analyses.len() < settings.only.len() {
            return Err(InputError::Usage(known).into());
        }
    }
    Ok(analyses)
}

fn timed(
    path: &Path,
    settings: &Settings,
    frames: &[Frame],
    analyses: &[StructureSettings],
    count: usize,
    bytes: u64,
) -> Result<Run, Error> {
    let per_frame = |seconds: f64| 1e3 * seconds / frames.len() as f64;
    let refused = |error: AnalysisError| Error::from(InputError::Usage(error.to_string()));
    let atoms = frames[0].structure.len() as f64;
    let reading = median(|| {
        for frame in io::open(path, &settings.read)? {
            frame?;
        }
        Ok(())
    })?;
    let mut parts = Vec::new();
    for analysis in analyses {
        let table = &frames[0].structure.table;
        let seconds = median(|| {
            let one = analysis.clone().alone().analysis(&frames[0].structure).map_err(refused)?;
            let mut pass = Pass::new(table.clone(), vec![one]);
            for batch in frames.chunks(2 * count) {
                pass.add(batch).map_err(refused)?;
            }
            pass.finish().map_err(refused)?;
            Ok(())
        })?;
        parts.push(Part {
            kind: analysis.kind(),
            ms_per_frame: per_frame(seconds),
            us_per_atom_frame: 1e6 * seconds / frames.len() as f64 / atoms,
        });
    }
    let together = median(|| {
        let mut pass = StructuralPass::new(analyses.to_vec());
        for frame in io::open(path, &settings.read)? {
            pass.add::<AnalysisError>(frame?, &mut |_, _| Ok(())).map_err(refused)?;
        }
        pass.finish::<AnalysisError>(&mut |_, _| Ok(())).map_err(refused)?;
        Ok(())
    })?;
    let reading_ms_per_frame = per_frame(reading);
    let sum = reading_ms_per_frame + parts.iter().map(|part| part.ms_per_frame).sum::<f64>();
    Ok(Run {
        threads: count,
        reading_ms_per_frame,
        megabytes_per_second: bytes as f64 * 1e-6 / reading,
        analyses: parts,
        one_pass_ms_per_frame: per_frame(together),
        sum_of_parts_ms_per_frame: sum,
        ratio: per_frame(together) / sum,
        resident_mb: peak::resident_bytes().map(|bytes| bytes as f64 * 1e-6),
    })
}

/// Median wall time of some repeats [s].
fn median(work: impl Fn() -> Result<(), Error>) -> Result<f64, Error> {
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[REPEATS / 2])
}
