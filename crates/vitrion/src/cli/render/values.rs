//! The frame that is drawn, and what is known of its atoms.

use super::words;
use std::path::Path;
use vitrion::error::InputError;
use vitrion::inputs;
use vitrion::render::ColorBy;
use vitrion_core::columns::{AtomColumn, AtomValues};
use vitrion_core::io::{self, Format, IoError, ReadOptions, extxyz};
use vitrion_core::{Frame, Structure, Vector3, math};

const ELEMENT: &str = "element";
const PHASE: &str = "phase";
/// Distance that atoms moved since the first frame.
pub(super) const DISPLACEMENT: &str = "displacement";
/// What frames of any format may hold.
const OF_FRAMES: [&str; 3] = ["force", "speed", "energy"];

/// The name of a property with its unit, where that is known.
pub(super) fn with_unit(name: &str) -> String {
    let unit = match name {
        DISPLACEMENT => "Å",
        "force" => "eV/Å",
        "speed" => "Å/fs",
        "energy" => "eV",
        _ => return name.to_owned(),
    };
    format!("{name} ({unit})")
}

/// Which frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// From 1.
    Number(usize),
    Last,
}

/// The chosen frame.
pub(super) struct Loaded {
    file: String,
    pub(super) structure: Structure,
    /// From 1.
    pub(super) number: usize,
    columns: Vec<AtomColumn>,
}

type Frames = Box<dyn Iterator<Item = Result<(Frame, Vec<AtomColumn>), IoError>>>;

impl Loaded {
    /// Reads the file up to the chosen frame.
    ///
    /// * `wanted`: what colours and sizes shall mean
    pub(super) fn read(
        file: &str,
        options: &ReadOptions,
        chosen: Chosen,
        wanted: &[&str],
    ) -> Result<Self, InputError> {
        if file.starts_with("builtin:") {
            let structure = inputs::structure_called(file, options)?;
            let columns = Vec::new();
            return Ok(Loaded { file: file.to_owned(), structure, number: 1, columns });
        }
        let follows = wanted.contains(&DISPLACEMENT);
        let plain = [ELEMENT, PHASE, DISPLACEMENT];
        let needs_columns = wanted.iter().any(|what| !plain.contains(what));
        let mut ways: Option<Ways> = None;
        let (mut number, mut last) = (0, None);
        for frame in frames(Path::new(file), options, needs_columns)? {
            let (frame, columns) = frame?;
            number += 1;
            if follows {
                let known = ways.get_or_insert_with(|| Ways::begin(&frame.structure));
                known.follow(&frame.structure).map_err(|count| {
                    InputError::Usage(format!(
                        "{file}: frame {number} has {} atoms, the first has {count}: displacements \
                         need the same atoms in all frames",
                        frame.structure.len()
                    ))
                })?;
            }
            last = Some((frame, columns));
            if chosen == Chosen::Number(number) {
                break;
            }
        }
        let Some((frame, mut columns)) = last else {
            return Err(InputError::Usage(format!("{file}: the file holds no frame")));
        };
        if let Chosen::Number(wanted) = chosen
            && wanted != number
        {
            let message = format!("--frame {wanted}: {file} has {number} frame(s)");
            return Err(InputError::Usage(message));
        }
        if let Some(ways) = ways {
            let values = AtomValues::Real(ways.lengths(&frame.structure));
            columns.push(AtomColumn { name: DISPLACEMENT.to_owned(), values });
        }
        columns.extend(of_frame(&frame));
        Ok(Loaded { file: file.to_owned(), structure: frame.structure, number, columns })
    }

    /// What the colours of atoms mean.
    pub(super) fn color(&self, by: &str, range: Option<&str>) -> Result<ColorBy, InputError> {
        let color = match by {
            ELEMENT => ColorBy::Element,
            PHASE => match &self.structure.phases {
                Some(phases) => ColorBy::Kind {
                    names: phases.names().to_vec(),
                    of: phases.ids().iter().map(|id| u32::from(*id)).collect(),
                },
                None => {
                    return Err(InputError::Usage(format!(
                        "--color phase: atoms of {} have no phases; `vitrion build glass-ceramic` and \
                         analyses label them",
                        self.file
                    )));
                }
            },
            _ => match &self.column(by, "--color")?.values {
                AtomValues::Words { list, of } => {
                    ColorBy::Kind { names: list.clone(), of: of.clone() }
                }
                AtomValues::Real(values) => {
                    let range = match range {
                        Some(text) => words::range(text)?,
                        None => self.range_of(by, values)?,
                    };
                    return Ok(ColorBy::Number { values: values.clone(), range });
                }
            },
        };
        if range.is_some() {
            let message = format!("--range is for numbers, but --color {by} has kinds");
            return Err(InputError::Usage(message));
        }
        Ok(color)
    }

    /// The numbers of a column.
    pub(super) fn numbers(&self, by: &str, option: &str) -> Result<Vec<f64>, InputError> {
        match &self.column(by, option)?.values {
            AtomValues::Real(values) => Ok(values.clone()),
            AtomValues::Words { .. } => Err(InputError::Usage(format!(
                "{option} {by}: this column holds words, not numbers"
            ))),
        }
    }

    fn column(&self, name: &str, option: &str) -> Result<&AtomColumn, InputError> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let known = self.columns.iter().map(|column| column.name.as_str());
            let phase = self.structure.phases.is_some().then_some(PHASE);
            let known: Vec<&str> = [ELEMENT].into_iter().chain(phase).chain(known).collect();
            InputError::Usage(format!(
                "{option} {name}: atoms of {} have no such property; they have {}{}",
                self.file,
                known.join(", "),
                if self.file.starts_with("builtin:") { "" } else { ", and displacement" }
            ))
        })
    }

    fn range_of(&self, by: &str, values: &[f64]) -> Result<[f64; 2], InputError> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (least, most) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        if least > most {
            let message =
                format!("--color {by}: no atom of {} has a number in this column", self.file);
            return Err(InputError::Usage(message));
        }
        Ok(if by == DISPLACEMENT { [0.0, most] } else { [least, most] })
    }
}

/// Frames with columns where they are needed and the format has some.
fn frames(path: &Path, options: &ReadOptions, columns: bool) -> Result<Frames, InputError> {
    if columns && path.is_file() {
        let format = options.format.map_or_else(|| Format::detect(path), Ok)?;
        if format == Format::ExtXyz {
            return Ok(Box::new(extxyz::ReaderWithColumns::open(path)?));
        }
    }
    let frames = io::open(path, options)?;
    Ok(Box::new(frames.map(|frame| frame.map(|frame| (frame, Vec::new())))))
}

/// Numbers of atoms that a frame holds: sizes of forces [eV/Å] and velocities [Å/fs], energies [eV].
fn of_frame(frame: &Frame) -> Vec<AtomColumn> {
    let sizes = |vectors: &Vec<Vector3>| vectors.iter().map(|v| math::norm(*v)).collect();
    let values: [Option<Vec<f64>>; 3] = [
        frame.labels.forces.as_ref().map(sizes),
        frame.velocities.as_ref().map(sizes),
        frame.labels.atom_energies.clone(),
    ];
    let named = OF_FRAMES.iter().zip(values);
    named
        .filter_map(|(name, values)| {
            Some(AtomColumn { name: (*name).to_owned(), values: AtomValues::Real(values?) })
        })
        .collect()
}

/// Ways of atoms from frame to frame, in fractions of a cell that may change.
struct Ways {
    last: Vec<Vector3>,
    total: Vec<Vector3>,
}

impl Ways {
    fn begin(structure: &Structure) -> Self {
        let last = structure.positions.iter().map(|r| structure.cell.to_fractional(*r)).collect();
        Ways { last, total: vec![[0.0; 3]; structure.len()] }
    }

    /// Adds the shortest way to the places of this frame, so that wrapped files serve as well as others. The
    /// error is the number of atoms there should be.
    fn follow(&mut self, structure: &Structure) -> Result<(), usize> {
        if structure.len() != self.last.len() {
            return Err(self.last.len());
        }
        let cell = &structure.cell;
        for (i, r) in structure.positions.iter().enumerate() {
            let s = cell.to_fractional(*r);
            let step = cell.minimum_image(cell.to_cartesian(math::sub(s, self.last[i])));
            self.total[i] = math::add(self.total[i], cell.to_fractional(step));
            self.last[i] = s;
        }
        Ok(())
    }

    /// Distances [Å] in the cell of the last frame.
    fn lengths(&self, last: &Structure) -> Vec<f64> {
        self.total.iter().map(|s| math::norm(last.cell.to_cartesian(*s))).collect()
    }
}
