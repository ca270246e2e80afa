//! Geometries to labels: jobs for what the store does not hold, and their results into the store.

use crate::dft::EngineSettings;
use crate::error::{Error, InputError};
use crate::inputs::{structure_called, structure_name};
use crate::jobs::{
    self, AimdDone, AimdWork, Drive, FRAMES, Failed, Job, LabelWork, Progress, START, STEPS,
    Scheduler, Work, drive,
};
use crate::labels::{
    FailureRecord, LabelRecord, Origin, Record, RunInfo, Store, deepmd_systems, key,
};
use crate::results::{now, read_json};
use crate::run_file::{AimdTable, LabelFile, PerturbTable};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use vitrion_core::build::supercell;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, Frame, Structure};

/// A geometry and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub frame: Frame,
    pub origin: Origin,
}

/// What came of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labelled {
    /// Labels that are new in the store, and those that were there.
    pub new: usize,
    pub known: usize,
    /// Geometries that have no label now.
    pub failed: usize,
    /// The last failure of each of these.
    pub failures: Vec<FailureRecord>,
    /// Jobs that did not get to an end at all.
    pub broken: Vec<Failed>,
    pub interrupted: bool,
}

impl Labelled {
    /// Adds what came of other requests.
    pub fn merge(&mut self, other: Labelled) {
        self.new += other.new;
        self.known += other.known;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.broken.extend(other.broken);
        self.interrupted |= other.interrupted;
    }
}

/// Everything that labelling needs besides the geometries.
pub struct Labeling<'a> {
    pub engine: &'a EngineSettings,
    pub scheduler: &'a mut dyn Scheduler,
    /// Folder of the jobs; the name of a job is a hash of its content.
    pub jobs: &'a Path,
    pub patience: Drive,
    pub stop: &'a AtomicBool,
}

impl Labeling<'_> {
    /// Labels what the store does not hold. Geometries that failed before are tried again.
    ///
    /// # Errors
    /// The scheduler, the disk or the store fail; failures of single calculations are counted.
    pub fn label(
        &mut self,
        requests: &[Request],
        store: &mut Store,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Labelled, Error> {
        let level = self.engine.level();
        let hash = level.hash();
        store.append(vec![Record::Level(level)])?;
        let mut done = Labelled::default();
        let mut seen = BTreeSet::new();
        let mut distinct: Vec<(String, &Request)> = Vec::new();
        for request in requests {
            let key = key(&hash, &request.frame.structure);
            if seen.insert(key.clone()) {
                distinct.push((key, request));
            }
        }
        // the same structures share a job in every session, whichever of them have a label by now
        let batches: Vec<Vec<(String, &Request)>> = distinct
            .chunks(self.engine.frames_per_job())
            .map(|group| {
                group.iter().filter(|(key, _)| store.label(key).is_none()).cloned().collect()
            })
            .filter(|batch: &Vec<_>| !batch.is_empty())
            .collect();
        let wanted: usize = batches.iter().map(Vec::len).sum();
        done.known = distinct.len() - wanted;
        let mut list = Vec::new();
        for batch in &batches {
            list.push(self.prepare(batch)?);
        }
        let report = drive(self.scheduler, &list, &self.patience, watch, self.stop)?;
        for (job, batch) in list.iter().zip(&batches) {
            // what an unfinished job has stays with it: its batch must not change
            if !job.is_done() {
                continue;
            }
            let mut records = Vec::new();
            for outcome in jobs::read_outcomes(&job.folder)? {
                let Some((key, request)) = batch.get(outcome.frame) else { continue };
                let origin = request.origin.clone();
                if let Some((reason, message)) = outcome.failure.clone() {
                    records.push(Record::Failure(Box::new(FailureRecord {
                        key: key.clone(),
                        level: hash.clone(),
                        reason,
                        message,
                        formula: request.frame.structure.formula(),
                        run: outcome.run,
                        origin,
                        time: now(),
                    })));
                    continue;
                }
                let labels = outcome.labels();
                let frame = Frame { labels, ..request.frame.structure.clone().into() };
                let record = LabelRecord::new(&hash, &frame, outcome.run, origin, now());
                records.extend(record.map(|r| Record::Label(Box::new(r))));
            }
            store.append(records)?;
        }
        let of = |batch: &Vec<(String, &Request)>| {
            batch.iter().filter(|(key, _)| store.label(key).is_some()).count()
        };
        done.new = batches.iter().map(of).sum();
        done.failed = wanted - done.new;
        for (key, _) in batches.iter().flatten() {
            done.failures.extend(store.failure(key).cloned());
        }
        done.broken = report.failed;
        done.interrupted = report.interrupted;
        Ok(done)
    }

    /// The job of a batch, in a folder named after structures and settings. One that ended with failures
    /// is left as it is, and another tries again.
    fn prepare(&self, batch: &[(String, &Request)]) -> Result<Job, Error> {
        let settings = self.engine.clone();
        let work = Work::Label(LabelWork { settings, frames: batch.len() });
        let mut hasher = blake3::Hasher::new();
        hasher.update(&serde_json::to_vec(&work).expect("work is plain data"));
        for (key, _) in batch {
            hasher.update(key.as_bytes());
        }
        let hash = hasher.finalize().to_hex()[..16].to_owned();
        let mut name = format!("label-{hash}");
        let mut number = 1;
        while self.jobs.join(&name).join(jobs::DONE).exists() {
            number += 1;
            name = format!("label-{hash}-{number}");
        }
        let folder = self.jobs.join(&name);
        let frames: Vec<Frame> =
            batch.iter().map(|(_, request)| request.frame.structure.clone().into()).collect();
        jobs::prepare(&folder, &work, Some((FRAMES, &frames)))?;
        Ok(Job { folder, name, cores: self.engine.cores(), ranks: self.engine.ranks() })
    }

    /// Runs the engine's own dynamics; its frames enter the store.
    ///
    /// # Errors
    /// As [`Labeling::label`].
    pub fn aimd(
        &mut self,
        runs: &[(AimdTable, Structure)],
        store: &mut Store,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Labelled, Error> {
        let EngineSettings::Cp2k(settings) = self.engine else { return Ok(Labelled::default()) };
        let level = self.engine.level();
        let hash = level.hash();
        store.append(vec![Record::Level(level)])?;
        let mut list = Vec::new();
        for (table, structure) in runs {
            let work = Work::Aimd(AimdWork {
                settings: (**settings).clone(),
                aimd: table.settings.clone(),
            });
            let text = serde_json::to_string(&table.settings).expect("settings are plain data");
            let name =
                blake3::hash((text + &key(&hash, structure)).as_bytes()).to_hex()[..16].to_owned();
            let folder = self.jobs.join(format!("aimd-{name}"));
            jobs::prepare(&folder, &work, Some((START, &[structure.clone().into()])))?;
            let (cores, ranks) = (self.engine.cores(), self.engine.ranks());
            list.push(Job { folder, name: format!("aimd-{name}"), cores, ranks });
        }
        let report = drive(self.scheduler, &list, &self.patience, watch, self.stop)?;
        let mut done = Labelled {
            broken: report.failed,
            interrupted: report.interrupted,
            ..Labelled::default()
        };
        for (job, (table, _)) in list.iter().zip(runs) {
            if !job.is_done() {
                continue;
            }
            let found: AimdDone = read_json(&job.folder.join(jobs::DONE))?;
            done.failed += found.unconverged.len();
            let mut records = Vec::new();
            let frames = io::read_all(&job.folder.join(STEPS), &ReadOptions::default())?;
            let seconds = found.seconds / frames.len() as f64;
            for (k, frame) in frames.into_iter().enumerate() {
                let run = RunInfo {
                    program: found.program.clone(),
                    cores: job.cores,
                    seconds,
                    attempts: 1,
                    method: "aimd".to_owned(),
                    ..RunInfo::default()
                };
                let origin = Origin {
                    how: "aimd".to_owned(),
                    source: table.structure.value.clone(),
                    frame: Some(k),
                    ..Origin::default()
                };
                records.extend(LabelRecord::new(&hash, &frame, run, origin, now()).map(|record| {
                    if store.label(&record.key).is_some() {
                        done.known += 1;
                    } else {
                        done.new += 1;
                    }
                    Record::Label(Box::new(record))
                }));
            }
            store.append(records)?;
        }
        Ok(done)
    }
}

/// The geometries of a label file.
///
/// # Errors
/// Files that cannot be read.
pub fn requests(file: &LabelFile) -> Result<Vec<Request>, Error> {
    let mut found = Vec::new();
    for table in &file.frames {
        let path = file.resolve(&table.value.path.value);
        let systems = crate::training::systems_in(&path).map_err(InputError::os(&path, "read"))?;
        if systems.is_empty() {
            let line = table.value.path.line;
            let message =
                format!("{}:{line}: {} holds no frames", file.path.display(), path.display());
            return Err(InputError::Usage(message).into());
        }
        for path in systems {
            for (k, frame) in io::open(&path, &ReadOptions::default())?.enumerate() {
                let frame = frame?;
                if k % table.value.every == 0 {
                    let origin = Origin {
                        how: "given".to_owned(),
                        source: path.display().to_string(),
                        frame: Some(k),
                        ..Origin::default()
                    };
                    found.push(Request { frame: frame.structure.into(), origin });
                }
            }
        }
    }
    for (number, table) in file.perturbed.iter().enumerate() {
        let structure = file.structure(&table.value.structure.value)?;
        found.extend(perturbed(&table.value, &structure, file.seed, number as u64));
    }
    Ok(found)
}

/// A structure by file or builtin name.
///
/// # Errors
/// It cannot be read.
pub fn structure(name: &str) -> Result<Structure, InputError> {
    structure_called(name, &ReadOptions::default())
}

impl LabelFile {
    /// A structure that this file names.
    fn structure(&self, written: &str) -> Result<Structure, InputError> {
        structure(&structure_name(written, |path| self.resolve(path)))
    }

    /// Dynamics of this file with their structures.
    ///
    /// # Errors
    /// Structures that cannot be read.
    pub fn aimd_runs(&self) -> Result<Vec<(AimdTable, Structure)>, InputError> {
        let runs = self.aimd.iter().map(|table| {
            let start = self.structure(&table.value.structure.value)?;
            Ok((table.value.clone(), supercell::repeat(&start, table.value.repeat)))
        });
        runs.collect()
    }
}

/// Copies of a structure, each strained by a random symmetric strain and shaken; the first of several
/// copies is the structure itself.
pub fn perturbed(table: &PerturbTable, start: &Structure, seed: u64, number: u64) -> Vec<Request> {
    let start = supercell::repeat(start, table.repeat);
    (0..table.count)
        .map(|copy| {
            let mut structure = start.clone();
            if copy > 0 || table.count == 1 {
                let mut random = rng::at(seed, Stream::Structure, copy as u64, number);
                let mut strain = [[0.0; 3]; 3];
                for a in 0..3 {
                    for b in a..3 {
                        let e = table.strain * (2.0 * random.uniform() - 1.0);
                        // off the diagonal half of it each, so that shear is as large as stretch
                        let e = if a == b { e } else { 0.5 * e };
                        strain[a][b] = e;
                        strain[b][a] = e;
                    }
                }
                let deform = |r: [f64; 3]| -> [f64; 3] {
                    std::array::from_fn(|b| r[b] + (0..3).map(|a| r[a] * strain[a][b]).sum::<f64>())
                };
                let matrix = structure.cell.matrix().map(deform);
                structure.cell = Cell::new(matrix, structure.cell.periodicity())
                    .expect("a strain below one half leaves a cell");
                for r in &mut structure.positions {
                    *r = deform(*r);
                    for x in r.iter_mut() {
                        *x += table.displacement * random.normal();
                    }
                }
            }
            Request {
                frame: structure.into(),
                origin: Origin {
                    how: "perturbed".to_owned(),
                    source: table.structure.value.clone(),
                    frame: Some(copy),
                    ..Origin::default()
                },
            }
        })
        .collect()
}

/// Labels as deepmd/npy systems for training; the folder is made anew.
///
/// # Errors
/// A disk that is full or a folder that cannot be written.
pub fn training_systems(records: &[&LabelRecord], folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(InputError::os(folder, "remove"))?;
    }
    Ok(deepmd_systems(records, folder)?)
}
