//! A trajectory thinned to what a person looks at: some frames, with what analyses found for their atoms.
//!
//! Kept while a trajectory is read for its analyses anyway, so that looking at it later does not cost another reading.

use std::path::Path;
use vitrion_analysis::pass::Measured;
use vitrion_core::columns::{AtomColumn, AtomValues};
use vitrion_core::frame::Labels;
use vitrion_core::io::compression::Output;
use vitrion_core::io::{IoError, extxyz};
use vitrion_core::math::Vector3;
use vitrion_core::{Frame, Structure};

/// At most so many frames are kept,
const FRAMES: usize = 101;
/// and fewer of many atoms: at most so many positions, but two frames in any case.
const POSITIONS: usize = 4_000_000;

/// Positions in files are rounded to one in so many [1/Å]: nobody sees less.
const PLACES: f64 = 1e4;

/// The column that replaces labels which frames brought along.
const PHASE: &str = "phase";

impl From<Structure> for Moment {
    fn from(structure: Structure) -> Self {
        Moment { frame: Frame::from(structure), columns: Vec::new() }
    }
}

/// A frame and properties of its atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    pub frame: Frame,
    pub columns: Vec<AtomColumn>,
}

/// Frames of one trajectory at even distances, at most 101 of them however long it is, and fewer where it has more than 40,000 atoms.
#[derive(Debug, Default)]
pub struct Movie {
    kept: Vec<Kept>,
    /// Every so many frames are kept: a power of two.
    stride: usize,
    seen: usize,
    /// Fractional coordinates of the frame before, unwrapped; none for trajectories that are so already.
    unwrapped: Option<Vec<Vector3>>,
}

/// A frame that is kept.
#[derive(Debug)]
struct Kept {
    /// In the trajectory.
    number: usize,
    frame: Frame,
    /// With the place of their analysis among all.
    columns: Vec<(usize, AtomColumn)>,
}

impl Movie {
    /// Of a trajectory whose atoms are wrapped into the cell: each goes to the nearest image of where it was in the frame before.
    pub fn of_wrapped() -> Self {
        Movie { unwrapped: Some(Vec::new()), ..Movie::default() }
    }

    /// The next frame of the trajectory. Returns its number, from 0.
    pub fn add(&mut self, frame: &Frame) -> usize {
        let number = self.seen;
        self.seen += 1;
        self.follow(&frame.structure);
        self.keep(number, frame);
        number
    }

    fn keep(&mut self, number: usize, frame: &Frame) {
        self.stride = self.stride.max(1);
        if !number.is_multiple_of(self.stride) {
            return;
        }
        let most = (POSITIONS / frame.structure.len().max(1)).clamp(2, FRAMES);
        if self.kept.len() >= most {
            self.stride *= 2;
            let stride = self.stride;
            self.kept.retain(|kept| kept.number.is_multiple_of(stride));
            if !number.is_multiple_of(stride) {
                return;
            }
        }
        let mut frame = Frame { velocities: None, labels: Labels::default(), ..frame.clone() };
        if let Some(places) = &self.unwrapped {
            let cell = frame.structure.cell.clone();
            for (r, s) in frame.structure.positions.iter_mut().zip(places) {
                *r = cell.to_cartesian(*s);
            }
        }
        self.kept.push(Kept { number, frame, columns: Vec::new() });
    }

    fn follow(&mut self, structure: &Structure) {
        let Some(before) = &mut self.unwrapped else { return };
        let periodic = structure.cell.periodicity();
        let now = structure.positions.iter().map(|r| structure.cell.to_fractional(*r));
        if before.len() == structure.len() {
            for (known, s) in before.iter_mut().zip(now) {
                for axis in 0..3 {
                    let step = s[axis] - known[axis];
                    known[axis] += if periodic[axis] { step - step.round() } else { step };
                }
            }
        } else {
            *before = now.collect();
        }
    }

    /// What analyses found in the frame of a number, if it is still kept. Passes may tell of frames at any time: `first` is the place of
    /// their first analysis among those of all passes, so that names do not depend on who was faster.
    pub fn attach(&mut self, number: usize, first: usize, measured: &[Measured]) {
        if let Some(kept) = self.kept.iter_mut().rev().find(|kept| kept.number == number) {
            for (place, one) in measured.iter().enumerate() {
                kept.columns.extend(one.columns.iter().map(|c| (first + place, c.clone())));
            }
        }
    }

    /// The frames, and the columns that any of them has: absent ones are NaN, or the word "none". Columns of the same name get numbers in
    /// the order of their analyses.
    pub fn finish(self) -> Vec<Moment> {
        let mut all: Vec<(usize, String)> = Vec::new();
        for (place, column) in self.kept.iter().flat_map(|kept| &kept.columns) {
            if !all.iter().any(|(known, name)| (known, name) == (place, &column.name)) {
                all.push((*place, column.name.clone()));
            }
        }
        all.sort_by_key(|(place, _)| *place);
        let names = apart(all.iter().map(|(_, name)| name.as_str()));
        let named = |(place, column): (usize, AtomColumn)| {
            let at = all.iter().position(|known| *known == (place, column.name.clone()));
            AtomColumn { name: names[at.expect("collected above")].clone(), ..column }
        };
        let moment = |kept: Kept| Moment {
            frame: kept.frame,
            columns: kept.columns.into_iter().map(named).collect(),
        };
        let mut moments: Vec<Moment> = self.kept.into_iter().map(moment).collect();
        even_out(&mut moments, &names);
        moments
    }
}

/// Gives all frames the columns of these names; each is in one frame at least.
fn even_out(moments: &mut [Moment], names: &[String]) {
    let all: Vec<AtomColumn> = names
        .iter()
        .filter_map(|name| {
            let mut columns = moments.iter().flat_map(|moment| &moment.columns);
            columns.find(|column| column.name == *name).cloned()
        })
        .collect();
    for moment in moments {
        let atoms = moment.frame.structure.len();
        let absent = |column: &AtomColumn| AtomColumn {
            name: column.name.clone(),
            values: match column.values {
                AtomValues::Real(_) => AtomValues::Real(vec![f64::NAN; atoms]),
                AtomValues::Words { .. } => {
                    AtomValues::Words { list: vec!["none".to_owned()], of: vec![0; atoms] }
                }
            },
        };
        let found = std::mem::take(&mut moment.columns);
        let of = |column: &AtomColumn| {
            let mut known = found.iter().filter(|known| known.name == column.name);
            known.next().cloned().unwrap_or_else(|| absent(column))
        };
        moment.columns = all.iter().map(of).collect();
    }
}

/// Columns of several analyses of one frame, with names that differ.
pub fn columns_of(measured: &[Measured]) -> Vec<AtomColumn> {
    let all: Vec<&AtomColumn> = measured.iter().flat_map(|one| &one.columns).collect();
    let names = apart(all.iter().map(|column| column.name.as_str()));
    let named = |(name, column): (String, &AtomColumn)| AtomColumn { name, ..column.clone() };
    names.into_iter().zip(all).map(named).collect()
}

/// The same names with numbers behind those that occur again.
fn apart<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for wanted in all {
        let mut name = wanted.to_owned();
        let mut copies = 1;
        while names.contains(&name) {
            copies += 1;
            name = format!("{wanted}_{copies}");
        }
        names.push(name);
    }
    names
}

/// Writes a frame with its columns; a column of phases takes the place of the labels that the frame has.
///
/// # Errors
/// What the output reports.
pub fn write_moment(
    out: &mut Output,
    frame: &Frame,
    columns: &[AtomColumn],
) -> Result<(), IoError> {
    let relabelled = columns.iter().any(|column| column.name == PHASE);
    let written = if relabelled && frame.structure.phases.is_some() {
        let mut frame = frame.clone();
        frame.structure.phases = None;
        extxyz::write_frame_with(out, &frame, columns)
    } else {
        extxyz::write_frame_with(out, frame, columns)
    };
    written.map_err(|error| IoError::os(out.path(), "write")(error))
}

/// The frames of a file that [`write`] made.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Moment>, IoError> {
    let moment = |read: (Frame, Vec<AtomColumn>)| Moment { frame: read.0, columns: read.1 };
    extxyz::ReaderWithColumns::open(path)?.map(|read| read.map(moment)).collect()
}

/// Writes frames as extended XYZ, positions rounded to 0.0001 Å; an older file is replaced.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, moments: &[Moment]) -> Result<(), IoError> {
    let mut out = Output::create(path, true)?;
    for moment in moments {
        let mut frame = moment.frame.clone();
        for r in &mut frame.structure.positions {
            *r = r.map(|x| (x * PLACES).round() / PLACES);
        }
        write_moment(&mut out, &frame, &moment.columns)?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::Cell;

    fn frame(step: u64) -> Frame {
        let cell = Cell::orthorhombic([5.0; 3]).expect("a cube");
        let structure = Structure::new(cell, &["Li"], vec![[0.1; 3]]).expect("an atom");
        Frame { step: Some(step), time: Some(step as f64), ..Frame::from(structure) }
    }

    fn real(name: &str, value: f64) -> AtomColumn {
        AtomColumn { name: name.into(), values: AtomValues::Real(vec![value]) }
    }

    #[test]
    fn frames_of_a_long_trajectory_are_kept_at_even_distances() {
        for length in [1_u64, 100, 101, 102, 203, 1000, 2501] {
            let mut movie = Movie::default();
            for step in 0..length {
                movie.add(&frame(step));
            }
            let steps: Vec<u64> =
                movie.finish().iter().map(|m| m.frame.step.expect("a step")).collect();
            assert!(steps.len() <= FRAMES && steps.len() as u64 >= length.min(51), "{length}");
            assert!(steps.windows(2).all(|w| w[1] - w[0] == steps[1] - steps[0]), "{length}");
            assert_eq!(steps[0], 0);
        }
    }

    #[test]
    fn wrapped_atoms_are_followed_across_the_boundary() {
        let mut movie = Movie::of_wrapped();
        for step in 0..250 {
            let mut wrapped = frame(step);
            wrapped.structure.positions[0][0] = (0.3 * step as f64).rem_euclid(5.0);
            movie.add(&wrapped);
        }
        for Moment { frame, .. } in movie.finish() {
            let step = frame.step.expect("a step") as f64;
            assert!((frame.structure.positions[0][0] - 0.3 * step).abs() < 1e-9);
        }
    }

    #[test]
    fn columns_find_their_frames_and_absent_ones_are_told() {
        let mut movie = Movie::default();
        (0..3).for_each(|step| assert_eq!(movie.add(&frame(step)) as u64, step));
        let one = |value| Measured { columns: vec![real("q6", value)], ..Measured::default() };
        // the second analysis tells of a frame before the first does
        movie.attach(1, 1, &[one(0.25)]);
        movie.attach(1, 0, &[one(0.125)]);
        movie.attach(2, 0, &[one(0.5), one(-0.5)]);
        movie.attach(9, 0, &[one(9.0)]);
        let moments = movie.finish();
        assert_eq!(moments[1].columns, [real("q6", 0.125), real("q6_2", 0.25)]);
        assert_eq!(moments[2].columns, [real("q6", 0.5), real("q6_2", -0.5)]);
        let AtomValues::Real(absent) = &moments[0].columns[1].values else { panic!("numbers") };
        assert!(absent[0].is_nan());
    }
}
