//! How far ions get: what softness is to predict.
//!
//! A trajectory is cut into windows. In every window and for every ion,
//!
//! * `D_cum = Σ_k √D²min(t_k, t_k + Δt)` over the intervals `Δt` of the window (paper, Methods), with [`D²min`](non_affine) over the neighbours at `t_k`. Vibration adds to it in every interval; `√D²min` from the
//!   first to the last frame of the window is there to compare with,
//! * `p_hop`, the largest of `√(⟨|r − ⟨r⟩_B|²⟩_A ⟨|r − ⟨r⟩_A|²⟩_B)` over the frames of the window, `A` and `B` being the times before and after a frame (Candelier et al., Phys. Rev. Lett. 102, 088001 (2009)),
//! * the displacement from the first to the last frame.
//!
//! Atoms are followed in fractional coordinates, so that a cell that changes its size moves nobody; the centre of mass of the framework stands still.

mod non_affine;
#[cfg(test)]
mod tests;

use crate::error::{AnalysisError, check_finite};
use crate::pairs::Neighbors;
use non_affine::Motion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vitrion_core::math::{self, Vector3};
use vitrion_core::{Cell, Frame, Structure};

/// Frames may be so far from where an interval ends [part of the interval].
const JITTER: f64 = 1e-6;
/// Bins per decade of the distribution of √D²min, from [`LEAST`] Å on.
const PER_DECADE: f64 = 20.0;
const LEAST: f64 = 1e-3;
const BINS: usize = 120;

/// What is summed over neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    Sum,
    Mean,
}

/// From which positions features are computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Snapshot {
    /// The first frame of a window.
    Thermal,
    /// The mean over the first part of a window [fs].
    Averaged { time: f64 },
}

/// Which windows, and how motion is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MobilitySettings {
    /// Element of the ions.
    pub species: String,
    /// Elements whose centre of mass stands still; all others if empty.
    pub framework: Vec<String>,
    /// [fs]
    pub interval: f64,
    /// [fs], a whole number of intervals.
    pub window: f64,
    /// Left out at the start of every trajectory [fs].
    pub skip: f64,
    /// Of the neighbours of D²min [Å].
    pub cutoff: f64,
    /// Elements of these neighbours; all if empty.
    pub neighbors: Vec<String>,
    pub norm: Norm,
    /// Time before and after a hop [fs].
    pub hop_time: f64,
    pub snapshot: Snapshot,
}

impl MobilitySettings {
    /// Intervals of 1 ps in windows of 100 ps, neighbours of any element within 5 Å.
    pub fn new(species: &str) -> Self {
        MobilitySettings {
            species: species.to_owned(),
            framework: Vec::new(),
            interval: 1000.0,
            window: 1e5,
            skip: 0.0,
            cutoff: 5.0,
            neighbors: Vec::new(),
            norm: Norm::Sum,
            hop_time: 5000.0,
            snapshot: Snapshot::Thermal,
        }
    }

    /// Intervals of a window.
    pub fn steps(&self) -> usize {
        (self.window / self.interval).round() as usize
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// Times or the cut-off not positive, a window that is no whole number of intervals.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |name, found: f64, expected: &str| {
            Err(AnalysisError::Parameter {
                name,
                found: found.to_string(),
                expected: expected.into(),
            })
        };
        for (name, value) in [
            ("interval", self.interval),
            ("window", self.window),
            ("cutoff", self.cutoff),
            ("hop_time", self.hop_time),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(name, value, "a positive number");
            }
        }
        let steps = self.window / self.interval;
        if (steps - steps.round()).abs() > 1e-6 * steps || steps.round() < 1.0 {
            return refuse("window", self.window, "a whole number of intervals (fs)");
        }
        if let Snapshot::Averaged { time } = self.snapshot
            && !(time > 0.0 && time <= self.window)
        {
            return refuse("averaged", time, "a time up to the length of a window (fs)");
        }
        Ok(())
    }
}

/// What the ions of a window did, in the order of the structure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mobility {
    /// `Σ √D²min` [Å].
    pub cumulative: Vec<f64>,
    /// `√D²min` from the first frame to the last [Å].
    pub whole: Vec<f64>,
    /// [Å²]
    pub hop: Vec<f64>,
    /// [Å]
    pub displacement: Vec<f64>,
    /// `cumulative` by other settings that one wants to compare with.
    pub others: Vec<Vec<f64>>,
}

/// A stretch of a trajectory.
#[derive(Debug, Clone)]
pub struct Window {
    /// Number in its trajectory.
    pub number: usize,
    /// Where features are computed.
    pub start: Structure,
    pub mobility: Mobility,
}

/// All windows of a trajectory.
#[derive(Debug, Clone)]
pub struct Windows {
    pub windows: Vec<Window>,
    /// Frames that were seen.
    pub frames: usize,
    /// √D²min of all ions and intervals: counts per decade/20 from 10⁻³ Å on.
    pub increments: Vec<f64>,
    /// Mean of √D²min over the ions in every interval [Å].
    pub series: Vec<f64>,
    /// Mean number of neighbours of D²min, and times an ion had too few of them.
    pub neighbors: f64,
    pub too_few: usize,
}

impl Windows {
    /// Lower edges of the bins of `increments` [Å].
    pub fn increment_edges() -> Vec<f64> {
        (0..BINS).map(|k| LEAST * 10_f64.powf(k as f64 / PER_DECADE)).collect()
    }
}

/// Reads a trajectory frame by frame.
pub struct WindowReader {
    settings: MobilitySettings,
    state: Option<State>,
    windows: Vec<Window>,
    frames: usize,
    first_time: Option<f64>,
    increments: Vec<f64>,
    series: Vec<f64>,
    neighbors: (f64, f64),
    too_few: usize,
}

/// Of the trajectory so far.
struct State {
    ions: Vec<usize>,
    /// Atoms that are neighbours of D²min, and the masses of the framework.
    counts: Vec<bool>,
    masses: Vec<f64>,
    symbols: Vec<String>,
    /// Fractional coordinates, followed through the boundaries.
    followed: Vec<Vector3>,
    /// Time of the first frame kept [fs].
    begin: f64,
    /// Frame from which the present interval counts, and its number.
    from: Arc<Reference>,
    step: usize,
    window: OpenWindow,
}

/// A frame to compare with.
struct Reference {
    cell: Cell,
    followed: Vec<Vector3>,
    neighbors: Neighbors,
}

impl Reference {
    fn new(structure: &Structure, followed: &[Vector3], cutoff: f64) -> Self {
        let mut neighbors = Neighbors::default();
        neighbors.find(&structure.cell, &structure.positions, cutoff);
        Reference { cell: structure.cell.clone(), followed: followed.to_vec(), neighbors }
    }
}

/// The window that is being read.
struct OpenWindow {
    start: Structure,
    first: Arc<Reference>,
    cumulative: Vec<f64>,
    /// Positions of the ions against the framework, in the cell of the first frame `[frame][ion]`.
    paths: Vec<Vec<Vector3>>,
    /// Sum of fractional coordinates and of frames, for the mean structure.
    sum: Vec<Vector3>,
    summed: usize,
}

impl WindowReader {
    /// # Errors
    /// As [`MobilitySettings::check`].
    pub fn new(settings: MobilitySettings) -> Result<Self, AnalysisError> {
        settings.check()?;
        Ok(WindowReader {
            settings,
            state: None,
            windows: Vec::new(),
            frames: 0,
            first_time: None,
            increments: vec![0.0; BINS],
            series: Vec::new(),
            neighbors: (0.0, 0.0),
            too_few: 0,
        })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// No time, other atoms than before, no ion, positions that are not finite, intervals that fall between frames.
    pub fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        let (number, structure) = (self.frames, &frame.structure);
        self.frames += 1;
        check_finite(number, &structure.positions)?;
        let time = frame.time.ok_or(AnalysisError::NoTime { frame: number })?;
        if time - *self.first_time.get_or_insert(time) < self.settings.skip * (1.0 - 1e-9) {
            return Ok(());
        }
        let Some(state) = &mut self.state else {
            self.state = Some(State::new(&self.settings, structure, time)?);
            return Ok(());
        };
        state.follow(number, structure)?;
        let elapsed = (time - state.begin) / self.settings.interval;
        let next = (state.step + 1) as f64;
        if elapsed > next + JITTER {
            let interval = self.settings.interval;
            return Err(AnalysisError::Parameter {
                name: "interval",
                found: format!(
                    "{interval} fs, but no frame is {} fs after the first",
                    next * interval
                ),
                expected: "a whole number of frame intervals".into(),
            });
        }
        state.average(&self.settings, time);
        if elapsed < next - JITTER {
            return Ok(());
        }
        state.step += 1;
        let motion = state.since(&state.from, structure);
        let found = state.non_affine(&state.from, &motion);
        let mut total = 0.0;
        for (sum, (value, neighbors)) in state.window.cumulative.iter_mut().zip(&found) {
            let root = self.settings.root(*value, *neighbors);
            *sum += root;
            total += root;
            let bin = ((root.max(LEAST) / LEAST).log10() * PER_DECADE) as usize;
            self.increments[bin.min(BINS - 1)] += 1.0;
            self.neighbors.0 += *neighbors as f64;
            self.neighbors.1 += 1.0;
            self.too_few += usize::from(*neighbors < non_affine::FEWEST);
        }
        self.series.push(total / found.len() as f64);
        let place = state.places();
        state.window.paths.push(place);
        state.from = Arc::new(Reference::new(structure, &state.followed, self.settings.cutoff));
        if state.step.is_multiple_of(self.settings.steps()) {
            let window = state.close(&self.settings, structure, self.windows.len());
            self.windows.push(window);
        }
        Ok(())
    }

    /// All windows that are complete.
    ///
    /// # Errors
    /// Not one is.
    pub fn finish(self) -> Result<Windows, AnalysisError> {
        if self.windows.is_empty() {
            return Err(AnalysisError::Parameter {
                name: "window",
                found: format!("{} fs, longer than the trajectory", self.settings.window),
                expected: "a shorter window, or a longer trajectory".into(),
            });
        }
        Ok(Windows {
            windows: self.windows,
            frames: self.frames,
            increments: self.increments,
            series: self.series,
            neighbors: self.neighbors.0 / self.neighbors.1.max(1.0),
            too_few: self.too_few,
        })
    }
}

impl MobilitySettings {
    /// `√D²min` [Å] by the chosen norm.
    fn root(&self, sum: f64, neighbors: usize) -> f64 {
        match self.norm {
            Norm::Sum => sum.sqrt(),
            Norm::Mean => (sum / neighbors.max(1) as f64).sqrt(),
        }
    }
}

impl OpenWindow {
    /// That begins with a frame.
    fn new(structure: &Structure, first: Arc<Reference>, ions: &[usize]) -> Self {
        OpenWindow {
            start: structure.clone(),
            cumulative: vec![0.0; ions.len()],
            paths: Vec::new(),
            sum: first.followed.clone(),
            first,
            summed: 1,
        }
    }
}

impl State {
    fn new(
        settings: &MobilitySettings,
        structure: &Structure,
        time: f64,
    ) -> Result<Self, AnalysisError> {
        let present = || structure.table.symbols().to_vec();
        let known = |symbol: &String| {
            if structure.atoms_of(symbol).is_empty() {
                let species = symbol.clone();
                return Err(AnalysisError::NoSuchSpecies { species, present: present() });
            }
            Ok(())
        };
        known(&settings.species)?;
        settings.framework.iter().chain(&settings.neighbors).try_for_each(known)?;
        let ions = structure.atoms_of(&settings.species);
        let symbols: Vec<String> =
            (0..structure.len()).map(|atom| structure.symbol(atom).to_owned()).collect();
        let counts = symbols
            .iter()
            .map(|symbol| settings.neighbors.is_empty() || settings.neighbors.contains(symbol))
            .collect();
        let others = ions.len() < structure.len();
        let still = |symbol: &String| {
            if settings.framework.is_empty() {
                *symbol != settings.species || !others
            } else {
                settings.framework.contains(symbol)
            }
        };
        let masses = symbols
            .iter()
            .enumerate()
            .map(|(atom, symbol)| if still(symbol) { structure.mass(atom) } else { 0.0 })
            .collect();
        let followed: Vec<Vector3> =
            structure.positions.iter().map(|r| structure.cell.to_fractional(*r)).collect();
        let from = Arc::new(Reference::new(structure, &followed, settings.cutoff));
        let window = OpenWindow::new(structure, from.clone(), &ions);
        let mut state =
            State { from, ions, counts, masses, symbols, followed, begin: time, step: 0, window };
        let place = state.places();
        state.window.paths.push(place);
        Ok(state)
    }

    /// Moves all atoms to their images nearest to where they were, in the deformed cell.
    fn follow(&mut self, frame: usize, structure: &Structure) -> Result<(), AnalysisError> {
        let (expected, found) = (self.symbols.len(), structure.len());
        if expected != found {
            return Err(AnalysisError::AtomsChanged { frame, expected, found });
        }
        for (atom, symbol) in self.symbols.iter().enumerate() {
            if symbol != structure.symbol(atom) {
                return Err(AnalysisError::SpeciesChanged { frame, atom });
            }
        }
        let cell = &structure.cell;
        for (followed, r) in self.followed.iter_mut().zip(&structure.positions) {
            let step = math::sub(*r, cell.to_cartesian(*followed));
            *followed = math::add(*followed, cell.to_fractional(cell.minimum_image(step)));
        }
        Ok(())
    }

    /// Motion since a frame, in the present cell.
    fn since(&self, from: &Reference, structure: &Structure) -> (math::Matrix3, Vec<Vector3>) {
        let growth = math::matmul(from.cell.inverse(), structure.cell.matrix());
        let moved = self.followed.iter().zip(&from.followed);
        let shift =
            moved.map(|(now, then)| structure.cell.to_cartesian(math::sub(*now, *then))).collect();
        (growth, shift)
    }

    fn non_affine(
        &self,
        from: &Reference,
        (growth, shift): &(math::Matrix3, Vec<Vector3>),
    ) -> Vec<(f64, usize)> {
        let motion = Motion { growth: *growth, shift };
        let table = from.neighbors.table();
        let of = |ion: &usize| non_affine::of_atom(*ion, table, &self.counts, &motion);
        self.ions.par_iter().map(of).collect()
    }

    /// Where the ions are, the framework at rest, in the cell at the start of the window.
    fn places(&self) -> Vec<Vector3> {
        let first = &self.window.first;
        let mass: f64 = self.masses.iter().sum();
        let drift =
            self.followed.iter().zip(&first.followed).zip(&self.masses).fold(
                [0.0; 3],
                |sum, ((now, then), m)| {
                    math::add(sum, math::scale(math::sub(*now, *then), m / mass))
                },
            );
        let place = |ion: &usize| first.cell.to_cartesian(math::sub(self.followed[*ion], drift));
        self.ions.iter().map(place).collect()
    }

    /// Adds a frame to the mean structure while that is wanted.
    fn average(&mut self, settings: &MobilitySettings, time: f64) {
        let Snapshot::Averaged { time: length } = settings.snapshot else { return };
        let in_window = self.step % settings.steps();
        let start = self.begin + (self.step - in_window) as f64 * settings.interval;
        if time - start <= length * (1.0 + JITTER) {
            for (sum, now) in self.window.sum.iter_mut().zip(&self.followed) {
                *sum = math::add(*sum, *now);
            }
            self.window.summed += 1;
        }
    }

    /// Ends a window and begins the next with the same frame.
    fn close(
        &mut self,
        settings: &MobilitySettings,
        structure: &Structure,
        number: usize,
    ) -> Window {
        let motion = self.since(&self.window.first, structure);
        let whole = self
            .non_affine(&self.window.first, &motion)
            .into_iter()
            .map(|(value, neighbors)| settings.root(value, neighbors))
            .collect();
        let next = OpenWindow::new(structure, self.from.clone(), &self.ions);
        let done = std::mem::replace(&mut self.window, next);
        let place = self.places();
        self.window.paths.push(place);
        let frames = (settings.hop_time / settings.interval).round().max(1.0) as usize;
        let path = |ion: usize| -> Vec<Vector3> { done.paths.iter().map(|r| r[ion]).collect() };
        let (first, last) = (&done.paths[0], &done.paths[done.paths.len() - 1]);
        let mobility = Mobility {
            cumulative: done.cumulative,
            whole,
            hop: (0..self.ions.len()).map(|ion| largest_hop(&path(ion), frames)).collect(),
            displacement: first
                .iter()
                .zip(last)
                .map(|(first, last)| math::norm(math::sub(*last, *first)))
                .collect(),
            others: Vec::new(),
        };
        let mut start = done.start;
        if matches!(settings.snapshot, Snapshot::Averaged { .. }) {
            let mean = |sum: &Vector3| math::scale(*sum, 1.0 / done.summed as f64);
            start.positions =
                done.sum.iter().map(|sum| start.cell.to_cartesian(mean(sum))).collect();
        }
        Window { number, start, mobility }
    }
}

/// The largest `p_hop` of a path [Å²], with `half` frames before and after; zero for paths that are too short.
fn largest_hop(path: &[Vector3], half: usize) -> f64 {
    let mean = |part: &[Vector3]| {
        let sum = part.iter().fold([0.0; 3], |sum, r| math::add(sum, *r));
        math::scale(sum, 1.0 / part.len() as f64)
    };
    let spread = |part: &[Vector3], about: Vector3| {
        part.iter().map(|r| math::norm2(math::sub(*r, about))).sum::<f64>() / part.len() as f64
    };
    let at = |t: usize| {
        let (before, after) = (&path[t - half..t], &path[t..t + half]);
        (spread(before, mean(after)) * spread(after, mean(before))).sqrt()
    };
    (half..(path.len() + 1).saturating_sub(half)).map(at).fold(0.0, f64::max)
}
