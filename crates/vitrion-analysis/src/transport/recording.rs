//! A trajectory as analyses of motion need it: continuous positions, atom by atom, drift taken out.
//!
//! Frames go in one by one; what is kept of them lies in memory up to 64 MB and in an unnamed temporary file beyond it
//! (in the folder `TMPDIR`), 24 bytes per atom and frame. Analyses read the path of one atom after the other, on several threads.

pub(super) mod store;
mod unwrapping;

use crate::error::{AnalysisError, check_finite};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;
use store::Store;
use unwrapping::Unwrapping;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, Structure};

use super::moments::Moments;
pub(crate) use unwrapping::Noticed;

/// Paths that a thread reads at once [bytes].
const BATCH: usize = 4 << 20;
/// The label of an atom without a phase.
pub(crate) const NO_PHASE: u8 = u8::MAX;

/// What is followed and how.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingSettings {
    /// The mobile species, for example "Li".
    pub species: String,
    /// Species whose centre of mass defines rest; empty means all others than `species`, or all
    /// atoms where there is no other.
    pub framework: Vec<String>,
    /// Time left out at the start [fs].
    pub skip: f64,
    /// Interval between frames [fs], where frames carry no time.
    pub interval: Option<f64>,
    /// Temperature of the run [K], for what depends on it.
    pub temperature: Option<f64>,
    /// Join positions wrapped into the cell: each displacement between frames is replaced by its
    /// nearest image in the present cell. Exact while no atom really moves half a cell between frames. Off for positions that are
    /// unwrapped already, by image flags or by the program that wrote them.
    pub unwrap: bool,
}

/// Whose centre of mass is at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// That of the framework.
    Framework,
    /// That of all atoms.
    Mass,
}

/// Atoms of one element.
#[derive(Debug, Clone)]
struct Element {
    symbol: String,
    mass: f64,
    rows: Range<usize>,
    /// Mean position in every frame [Å].
    centers: Vec<Vector3>,
    moments: OnceLock<Moments>,
}

/// A trajectory, ready for analyses of motion.
#[derive(Debug)]
pub struct Recording {
    settings: RecordingSettings,
    clock: Clock,
    framework: Vec<String>,
    elements: Vec<Element>,
    /// Atoms by row: sorted by element, the mobile one first.
    order: Vec<usize>,
    symbols: Vec<String>,
    unwrapping: Option<Unwrapping>,
    continuous: Vec<Vector3>,
    positions: Store<f64>,
    labels: Option<Store<u8>>,
    phases: Vec<String>,
    cells: Vec<Matrix3>,
    volumes: Vec<f64>,
}

/// The path of one atom in one frame of reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    /// Positions in all frames, component by component [Å].
    pub(crate) r: [&'a [f64]; 3],
    /// Its phase in every frame, an index of [`Recording::phases`] or [`NO_PHASE`]; empty without phases.
    pub(crate) phases: &'a [u8],
}

impl Recording {
    /// Without frames.
    pub fn new(settings: RecordingSettings) -> Self {
        Recording {
            clock: Clock { interval: settings.interval, skip: settings.skip, ..Clock::default() },
            settings,
            framework: Vec::new(),
            elements: Vec::new(),
            order: Vec::new(),
            symbols: Vec::new(),
            unwrapping: None,
            continuous: Vec::new(),
            positions: Store::new(0),
            labels: None,
            phases: Vec::new(),
            cells: Vec::new(),
            volumes: Vec::new(),
        }
    }

    /// Adds a frame; false for one that is left out at the start.
    ///
    /// # Errors
    /// Other atoms than in the first frame, positions that are not finite, no or unequal times, wrapped positions, a cell that
    /// jumps, a full disk.
    pub fn add(&mut self, frame: &Frame) -> Result<bool, AnalysisError> {
        let structure = &frame.structure;
        let index = self.clock.seen;
        check_finite(index, &structure.positions)?;
        if index == 0 {
            self.start(structure)?;
        }
        self.check_atoms(index, structure)?;
        if !self.clock.next(frame.time)? {
            return Ok(false);
        }
        match &mut self.unwrapping {
            None => {
                self.continuous.clone_from(&structure.positions);
                self.unwrapping = Some(Unwrapping::new(self.settings.unwrap, structure));
            }
            Some(unwrapping) => unwrapping.follow(index, structure, &mut self.continuous)?,
        }
        let (order, continuous) = (&self.order, &self.continuous);
        self.positions.push(|row| continuous[order[row / 3]][row % 3])?;
        for element in &mut self.elements {
            let sum = element
                .rows
                .clone()
                .fold([0.0; 3], |sum, row| math::add(sum, continuous[order[row]]));
            element.centers.push(math::scale(sum, 1.0 / element.rows.len() as f64));
        }
        self.cells.push(*structure.cell.matrix());
        self.volumes.push(structure.cell.volume());
        self.label(index, structure)?;
        Ok(true)
    }

    fn start(&mut self, structure: &Structure) -> Result<(), AnalysisError> {
        let counts = structure.counts();
        let present: Vec<String> = structure
            .table
            .symbols()
            .iter()
            .zip(&counts)
            .filter(|(_, count)| **count > 0)
            .map(|(symbol, _)| symbol.clone())
            .collect();
        let mobile = &self.settings.species;
        let others = present.iter().filter(|symbol| *symbol != mobile);
        let all: Vec<String> = others.cloned().collect();
        self.framework = match (&self.settings.framework, all.is_empty()) {
            (framework, _) if !framework.is_empty() => framework.clone(),
            (_, true) => present.clone(),
            (_, false) => all.clone(),
        };
        for species in self.framework.iter().chain([mobile]) {
            if !present.contains(species) {
                let species = species.clone();
                return Err(AnalysisError::NoSuchSpecies { species, present });
            }
        }
        for symbol in [mobile].into_iter().chain(&all) {
            let atoms = structure.atoms_of(symbol);
            let first = self.order.len();
            let mass = structure.mass(atoms[0]);
            self.order.extend(atoms);
            let rows = first..self.order.len();
            let symbol = symbol.clone();
            let (centers, moments) = (Vec::new(), OnceLock::new());
            self.elements.push(Element { symbol, mass, rows, centers, moments });
        }
        self.symbols = (0..structure.len()).map(|i| structure.symbol(i).to_owned()).collect();
        self.positions = Store::new(3 * structure.len());
        self.labels = structure.phases.is_some().then(|| Store::new(structure.len()));
        Ok(())
    }

    fn check_atoms(&self, frame: usize, structure: &Structure) -> Result<(), AnalysisError> {
        if structure.len() != self.symbols.len() {
            let (expected, found) = (self.symbols.len(), structure.len());
            return Err(AnalysisError::AtomsChanged { frame, expected, found });
        }
        match (0..structure.len()).find(|i| structure.symbol(*i) != self.symbols[*i]) {
            Some(atom) => Err(AnalysisError::SpeciesChanged { frame, atom }),
            None => Ok(()),
        }
    }

    /// Keeps the phases of the atoms.
    fn label(&mut self, frame: usize, structure: &Structure) -> Result<(), AnalysisError> {
        let Some(labels) = &mut self.labels else { return Ok(()) };
        let Some(phases) = &structure.phases else {
            return Err(AnalysisError::NoSuchPhase {
                frame,
                phase: self.phases.join(" or "),
                present: Vec::new(),
            });
        };
        for name in phases.names() {
            if !self.phases.contains(name) {
                self.phases.push(name.clone());
            }
        }
        let known = |name: &String| self.phases.iter().position(|known| known == name);
        let ids: Vec<u8> =
            phases.names().iter().map(|name| known(name).map_or(NO_PHASE, |id| id as u8)).collect();
        labels.push(|row| ids[usize::from(phases.ids()[self.order[row]])])
    }

    /// How it was recorded.
    pub fn settings(&self) -> &RecordingSettings {
        &self.settings
    }

    /// Frames kept so far.
    pub fn frames(&self) -> usize {
        self.positions.frames()
    }

    /// Interval between frames [fs]; zero before the second.
    pub fn interval(&self) -> f64 {
        self.clock.step
    }

    /// Time from the first frame kept to the last [fs].
    pub fn duration(&self) -> f64 {
        self.frames().saturating_sub(1) as f64 * self.interval()
    }

    /// Number of mobile atoms.
    pub fn mobile_atoms(&self) -> usize {
        self.elements.first().map_or(0, |element| element.rows.len())
    }

    /// Elements that occur, the mobile one first.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().map(|element| element.symbol.as_str())
    }

    /// Species whose centre of mass is at rest.
    pub(crate) fn framework(&self) -> &[String] {
        &self.framework
    }

    /// Names of phases that frames brought along.
    pub fn phases(&self) -> &[String] {
        &self.phases
    }

    /// Mean volume \[Å³\] of the frames kept.
    pub fn mean_volume(&self) -> f64 {
        self.volumes.iter().sum::<f64>() / self.volumes.len().max(1) as f64
    }

    /// Volume \[Å³\] of every frame kept.
    pub(crate) fn volumes(&self) -> &[f64] {
        &self.volumes
    }

    /// Mean lattice vectors [Å], rows.
    pub(crate) fn mean_cell(&self) -> Matrix3 {
        let share = 1.0 / self.cells.len().max(1) as f64;
        self.cells
            .iter()
            .fold(math::ZERO, |sum, cell| math::matrix_add(&sum, &math::matrix_scale(cell, share)))
    }

    /// What was noticed about displacements between frames.
    pub(crate) fn noticed(&self) -> Noticed {
        self.unwrapping.as_ref().map_or(Noticed::default(), |unwrapping| unwrapping.noticed)
    }

    /// Refuses fewer frames than an analysis needs.
    pub(crate) fn needs(&self, needed: usize, what: &'static str) -> Result<(), AnalysisError> {
        let found = self.frames();
        if found < needed {
            Err(AnalysisError::TooFewFrames { what, needed, found })
        } else {
            Ok(())
        }
    }

    /// Displacement of a centre of mass since the first frame, in every frame [Å].
    pub(crate) fn drift(&self, reference: Reference) -> Vec<Vector3> {
        (0..self.frames()).map(|frame| self.drift_at(frame, reference)).collect()
    }

    /// Displacement of the framework since the first frame in the last one [Å].
    pub(crate) fn present_drift(&self) -> Vector3 {
        let last = self.frames().checked_sub(1);
        last.map_or([0.0; 3], |frame| self.drift_at(frame, Reference::Framework))
    }

    fn drift_at(&self, frame: usize, reference: Reference) -> Vector3 {
        let counts = |element: &&Element| {
            reference == Reference::Mass || self.framework.contains(&element.symbol)
        };
        let parts: Vec<&Element> = self.elements.iter().filter(counts).collect();
        let weight = |element: &Element| element.mass * element.rows.len() as f64;
        let total: f64 = parts.iter().map(|element| weight(element)).sum();
        let center = |frame: usize| {
            parts.iter().fold([0.0; 3], |sum, element| {
                math::add(sum, math::scale(element.centers[frame], weight(element) / total))
            })
        };
        math::sub(center(frame), center(0))
    }

    /// Largest distance that a centre of mass moved away from its first place [Å].
    pub(crate) fn largest_drift(&self, reference: Reference) -> f64 {
        self.drift(reference).into_iter().map(math::norm).fold(0.0, f64::max)
    }

    /// Mean position of the atoms of an element in every frame, in a frame of reference [Å], and their number.
    pub(crate) fn center(&self, symbol: &str, reference: Reference) -> (Vec<Vector3>, usize) {
        let Some(element) = self.elements.iter().find(|element| element.symbol == symbol) else {
            return (Vec::new(), 0);
        };
        let drift = self.drift(reference);
        let moved = element.centers.iter().zip(drift).map(|(r, drift)| math::sub(*r, drift));
        (moved.collect(), element.rows.len())
    }

    /// Shows the path of every atom of an element to `measure`, on several threads, and hands what it found to `collect` in the order of
    /// the atoms.
    pub(crate) fn each_path<R: Send>(
        &self,
        symbol: &str,
        reference: Reference,
        measure: impl Fn(usize, Path<'_>) -> R + Sync,
        mut collect: impl FnMut(usize, R),
    ) -> Result<(), AnalysisError> {
        let element = self.elements.iter().find(|element| element.symbol == symbol);
        let rows = element.map_or(0..0, |element| element.rows.clone());
        let frames = self.frames();
        let drift = self.drift(reference);
        let per_batch = (BATCH / (24 * frames.max(1))).clamp(1, 64);
        let threads = rayon::current_num_threads();
        let starts: Vec<usize> = rows.clone().step_by(per_batch).collect();
        for some in starts.chunks(2 * threads) {
            let found: Result<Vec<Vec<R>>, AnalysisError> = some
                .par_iter()
                .map(|start| {
                    let batch = *start..(start + per_batch).min(rows.end);
                    let (mut paths, mut labels) = (Vec::new(), Vec::new());
                    self.positions.read(3 * batch.start..3 * batch.end, &mut paths)?;
                    if let Some(store) = &self.labels {
                        store.read(batch.clone(), &mut labels)?;
                    }
                    for (number, path) in paths.chunks_exact_mut(frames.max(1)).enumerate() {
                        for (r, drift) in path.iter_mut().zip(&drift) {
                            *r -= drift[number % 3];
                        }
                    }
                    let one = |number: usize| {
                        let part = |k: usize| {
                            &paths[(3 * number + k) * frames..(3 * number + k + 1) * frames]
                        };
                        let r = [part(0), part(1), part(2)];
                        let phases = labels.get(number * frames..(number + 1) * frames);
                        let path = Path { r, phases: phases.unwrap_or_default() };
                        measure(self.order[batch.start + number], path)
                    };
                    Ok((0..batch.len()).map(one).collect())
                })
                .collect();
            for (start, batch) in some.iter().zip(found?) {
                for (number, result) in batch.into_iter().enumerate() {
                    collect(start + number - rows.start, result);
                }
            }
        }
        Ok(())
    }

    /// Moments of the displacements of the mobile atoms at all lags, with the framework at rest.
    pub(crate) fn moments(&self) -> Result<&Moments, AnalysisError> {
        self.moments_of(&self.settings.species)
    }

    /// Moments of the displacements of the atoms of an element, made when they are first asked for.
    pub(crate) fn moments_of(&self, symbol: &str) -> Result<&Moments, AnalysisError> {
        let element = self.elements.iter().find(|element| element.symbol == symbol);
        let element = element.ok_or_else(|| AnalysisError::NoSuchSpecies {
            species: symbol.to_owned(),
            present: self.elements().map(str::to_owned).collect(),
        })?;
        if let Some(known) = element.moments.get() {
            return Ok(known);
        }
        let found = Moments::of(self, symbol, Reference::Framework)?;
        Ok(element.moments.get_or_init(|| found))
    }

    /// Parameters that every analysis of motion states.
    pub(crate) fn describe(&self, result: &mut Observables) {
        let noticed = self.noticed();
        let settings = &self.settings;
        result.parameter("species", &settings.species);
        result.parameter("atoms", self.mobile_atoms());
        result.parameter("framework", self.framework.join(", "));
        for (name, reference) in [
            ("largest drift of the framework, removed", Reference::Framework),
            ("largest drift of the centre of mass", Reference::Mass),
        ] {
            result.parameter(name, format!("{:.3} Å", self.largest_drift(reference)));
        }
        result.parameter("frames", self.frames());
        let kept = if self.positions.on_disk() { "in a temporary file" } else { "in memory" };
        result.parameter("positions kept", kept);
        result.parameter("frame interval", format!("{} fs", self.interval()));
        result.parameter("skipped", format!("{} fs", settings.skip));
        result.parameter(
            "unwrapped by vitrion",
            if settings.unwrap {
                format!("yes, {} displacements joined", noticed.nearer)
            } else {
                "no".to_owned()
            },
        );
        result.parameter(
            "cell",
            if noticed.cell_changed {
                "changes; displacements are those against it"
            } else {
                "constant"
            },
        );
        result
            .parameter("longest displacement between frames", format!("{:.3} Å", noticed.longest));
        if settings.unwrap && noticed.long > 0 {
            let message = format!(
                "{} displacements between frames are nearly half as long as the cell: their images may be wrong",
                noticed.long
            );
            result.caution("long_displacements", message, "write frames more often");
        }
        if !settings.unwrap && noticed.nearer > 0 {
            let message = format!(
                "{} displacements between frames have a nearer image than the one that was written; they were taken as written",
                noticed.nearer
            );
            let advice = "compare with --unwrap: atoms moved half a cell between frames, or image flags are wrong";
            result.caution("images_disagree", message, advice);
        }
    }
}

/// Times of the frames.
#[derive(Debug, Clone, Default)]
struct Clock {
    /// Interval that replaces the times of frames [fs].
    interval: Option<f64>,
    skip: f64,
    seen: usize,
    /// Interval between frames [fs].
    step: f64,
    first: f64,
    last: f64,
}

impl Clock {
    /// Checks the time of the next frame; false for one that is left out.
    fn next(&mut self, time: Option<f64>) -> Result<bool, AnalysisError> {
        let frame = self.seen;
        let time = match (self.interval, time) {
            (Some(interval), _) => interval * frame as f64,
            (None, Some(time)) => time,
            (None, None) => return Err(AnalysisError::NoTime { frame }),
        };
        if frame == 0 {
            self.first = time;
        } else {
            let found = time - self.last;
            if frame == 1 {
                self.step = found;
            }
            let expected = self.step;
            let regular = found > 0.0 && (found - expected).abs() <= 1e-6 * expected;
            if !regular {
                return Err(AnalysisError::UnequalTimes { frame, expected, found });
            }
        }
        self.last = time;
        self.seen += 1;
        Ok(time - self.first + 1e-9 >= self.skip)
    }
}
