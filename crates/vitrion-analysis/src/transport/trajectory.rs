//! Unwrapped paths of the atoms that are followed, with the drift of the framework removed.

use super::TransportError;
use vitrion_core::{Cell, Frame, SpeciesId, Vector3, math};

/// How the positions of the frames are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Continuous in time, as vitrion writes them (or wrapped with image flags, in a fixed cell).
    /// A jump that only wrapping explains is an error.
    Unwrapped,
    /// Wrapped into the cell, or of unknown history. The path is rebuilt from the shortest
    /// displacement between successive frames (the TOR scheme of Bullerjahn et al., J. Chem.
    /// Theory Comput. 19, 3406 (2023), taken in fractional coordinates so that a breathing cell
    /// alone moves nothing). Right as long as no atom moves half a cell between frames.
    Wrapped,
}

/// What moves with the sample and is subtracted from every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// Mass-weighted mean displacement of all species that are not mobile.
    Framework,
    /// Centre of mass of all atoms.
    CenterOfMass,
    /// Nothing is subtracted.
    Keep,
}

/// How a [`Trajectory`] is read.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryOptions {
    /// Symbols of the mobile species; all others form the framework.
    pub mobile: Vec<String>,
    /// Meaning of the positions.
    pub positions: Positions,
    /// What is subtracted.
    pub drift: Drift,
    /// Time between frames [fs]; `None` takes it from the frames.
    pub frame_interval: Option<f64>,
}

impl TrajectoryOptions {
    /// One mobile species, positions unwrapped, framework drift removed, times from the frames.
    pub fn new(mobile: &str) -> Self {
        TrajectoryOptions {
            mobile: vec![mobile.to_owned()],
            positions: Positions::Unwrapped,
            drift: Drift::Framework,
            frame_interval: None,
        }
    }
}

/// Paths of all atoms, consumed frame by frame. Memory 24 bytes per atom and frame.
#[derive(Debug, Clone)]
pub struct Trajectory {
    options: TrajectoryOptions,
    first: Option<First>,
    /// Cell and positions as given, of the last frame.
    last: Option<(Cell, Vec<Vector3>)>,
    /// Displacement from the first frame, drift included [Å]; row per frame.
    displacements: Vec<Vec<Vector3>>,
    /// Displacement of the drift reference [Å]; one per frame.
    drift: Vec<Vector3>,
    times: Vec<f64>,
    volume: f64,
    volume_range: (f64, f64),
    largest_step: f64,
    shortest_width: f64,
}

/// What the first frame fixes.
#[derive(Debug, Clone)]
struct First {
    species: Vec<SpeciesId>,
    symbols: Vec<String>,
    formula: String,
    cell: Cell,
    /// Weight of each atom in the drift; they sum to one, or are all zero.
    drift_weights: Vec<f64>,
}

impl Trajectory {
    /// An empty trajectory.
    pub fn new(options: TrajectoryOptions) -> Self {
        Trajectory {
            options,
            first: None,
            last: None,
            displacements: Vec::new(),
            drift: Vec::new(),
            times: Vec::new(),
            volume: 0.0,
            volume_range: (f64::INFINITY, 0.0),
            largest_step: 0.0,
            shortest_width: f64::INFINITY,
        }
    }

    /// Adds the next frame.
    ///
    /// # Errors
    /// Other atoms than in the first frame, positions that are not finite, that look wrapped though
    /// declared unwrapped, image flags in a changing cell, no mobile atom, no framework, or
    /// frames that are not equally spaced in time.
    pub fn add(&mut self, frame: &Frame) -> Result<(), TransportError> {
        let number = self.displacements.len();
        let structure = &frame.structure;
        let bad = structure.positions.iter().position(|r| !r.iter().all(|x| x.is_finite()));
        if let Some(atom) = bad {
            let position = structure.positions[atom];
            return Err(TransportError::NotFinite { frame: number, atom, position });
        }
        if self.first.is_none() {
            self.first = Some(self.first_frame(frame)?);
        }
        let first = self.first.as_ref().expect("set above");
        let same = structure.len() == first.species.len()
            && (0..structure.len())
                .all(|atom| structure.symbol(atom) == first.symbols[first.species[atom].index()]);
        if !same {
            return Err(TransportError::AtomsChanged {
                frame: number,
                expected: first.formula.clone(),
                found: structure.formula(),
            });
        }
        let time = self.time_of(frame, number)?;
        let positions = self.continuous(frame, number)?;
        let row = self.advance(&structure.cell, &positions, number)?;
        let weights = &self.first.as_ref().expect("set above").drift_weights;
        let mut drift = [0.0; 3];
        for (u, w) in row.iter().zip(weights) {
            drift = math::add(drift, math::scale(*u, *w));
        }
        self.times.push(time);
        self.drift.push(drift);
        self.displacements.push(row);
        let volume = structure.cell.volume();
        self.volume += (volume - self.volume) / self.times.len() as f64;
        self.volume_range = (self.volume_range.0.min(volume), self.volume_range.1.max(volume));
        let widths = structure.cell.perpendicular_widths();
        self.shortest_width = widths.into_iter().fold(self.shortest_width, f64::min);
        self.last = Some((structure.cell.clone(), positions));
        Ok(())
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.displacements.len()
    }

    /// How the frames were read.
    pub fn options(&self) -> &TrajectoryOptions {
        &self.options
    }

    /// Time between frames [fs].
    ///
    /// # Errors
    /// [`TransportError::TooFewFrames`] below two frames.
    pub fn frame_interval(&self) -> Result<f64, TransportError> {
        if self.times.len() < 2 {
            return Err(TransportError::TooFewFrames {
                quantity: "a time step",
                needed: 2,
                found: self.times.len(),
            });
        }
        Ok((self.times[self.times.len() - 1] - self.times[0]) / (self.times.len() - 1) as f64)
    }

    /// Mean volume of the cell [Å³].
    pub fn mean_volume(&self) -> f64 {
        self.volume
    }

    /// Smallest and largest volume of the cell [Å³].
    pub fn volume_range(&self) -> (f64, f64) {
        self.volume_range
    }

    /// Largest displacement of an atom between successive frames [Å].
    pub fn largest_step(&self) -> f64 {
        self.largest_step
    }

    /// Smallest distance between opposite faces of the cell [Å].
    pub fn shortest_width(&self) -> f64 {
        self.shortest_width
    }

    /// Displacement of the drift reference since the first frame [Å].
    pub fn drift(&self) -> &[Vector3] {
        &self.drift
    }

    /// Symbols of the species present.
    pub fn symbols(&self) -> Vec<String> {
        let Some(first) = &self.first else { return Vec::new() };
        let present = |id: usize| first.species.iter().any(|s| s.index() == id);
        (0..first.symbols.len())
            .filter(|id| present(*id))
            .map(|id| first.symbols[id].clone())
            .collect()
    }

    /// Symbols of the species that are not mobile.
    pub fn framework(&self) -> Vec<String> {
        self.symbols().into_iter().filter(|s| !self.options.mobile.contains(s)).collect()
    }

    /// Number of atoms of a species.
    pub fn count(&self, symbol: &str) -> usize {
        self.atoms_of(symbol).len()
    }

    /// Displacements [Å] of the atoms of one species since the first frame, drift removed; row per
    /// frame.
    ///
    /// # Errors
    /// [`TransportError::NoSuchSpecies`] if there is no such atom.
    pub fn paths(&self, symbol: &str) -> Result<Vec<Vec<Vector3>>, TransportError> {
        let atoms = self.atoms_of(symbol);
        if atoms.is_empty() {
            return Err(TransportError::NoSuchSpecies {
                symbol: symbol.to_owned(),
                known: self.symbols(),
            });
        }
        Ok(self
            .displacements
            .iter()
            .zip(&self.drift)
            .map(|(row, drift)| atoms.iter().map(|atom| math::sub(row[*atom], *drift)).collect())
            .collect())
    }

    fn atoms_of(&self, symbol: &str) -> Vec<usize> {
        let Some(first) = &self.first else { return Vec::new() };
        (0..first.species.len())
            .filter(|atom| first.symbols[first.species[*atom].index()] == symbol)
            .collect()
    }

    fn first_frame(&self, frame: &Frame) -> Result<First, TransportError> {
        let structure = &frame.structure;
        for symbol in &self.options.mobile {
            if structure.atoms_of(symbol).is_empty() {
                return Err(TransportError::NoSuchSpecies {
                    symbol: symbol.clone(),
                    known: structure.table.symbols().to_vec(),
                });
            }
        }
        let mut drift_weights: Vec<f64> = (0..structure.len())
            .map(|atom| {
                let mobile = self.options.mobile.iter().any(|s| s == structure.symbol(atom));
                match self.options.drift {
                    Drift::Framework if mobile => 0.0,
                    Drift::Framework | Drift::CenterOfMass => structure.mass(atom),
                    Drift::Keep => 0.0,
                }
            })
            .collect();
        let total: f64 = drift_weights.iter().sum();
        if total > 0.0 {
            for weight in &mut drift_weights {
                *weight /= total;
            }
        } else if self.options.drift == Drift::Framework {
            return Err(TransportError::NoFramework { mobile: self.options.mobile.clone() });
        }
        Ok(First {
            species: structure.species.clone(),
            symbols: structure.table.symbols().to_vec(),
            formula: structure.formula(),
            cell: structure.cell.clone(),
            drift_weights,
        })
    }

    fn time_of(&self, frame: &Frame, number: usize) -> Result<f64, TransportError> {
        let time = match (self.options.frame_interval, frame.time) {
            (Some(interval), _) if !(interval > 0.0 && interval.is_finite()) => {
                return Err(TransportError::BadValue {
                    what: "the time between frames [fs]",
                    value: interval,
                    expected: "a positive number",
                });
            }
            (Some(interval), _) => number as f64 * interval,
            (None, Some(time)) => time,
            (None, None) => return Err(TransportError::NoTime { frame: number }),
        };
        if number > 0 {
            let found = time - self.times[number - 1];
            let expected = if number > 1 { self.times[1] - self.times[0] } else { found };
            // times may have been printed with few digits
            let tolerance = 1e-3 * expected + 1e-9 * time.abs();
            if !(found > 0.0 && (found - expected).abs() <= tolerance) {
                return Err(TransportError::UnevenTime { frame: number, expected, found });
            }
        }
        Ok(time)
    }

    /// Positions with image flags applied where that is right.
    fn continuous(&self, frame: &Frame, number: usize) -> Result<Vec<Vector3>, TransportError> {
        let structure = &frame.structure;
        let (Positions::Unwrapped, Some(images)) = (self.options.positions, &frame.images) else {
            return Ok(structure.positions.clone());
        };
        let first = self.first.as_ref().expect("the first frame is known by now");
        if structure.cell != first.cell {
            return Err(TransportError::ImagesInChangingCell { frame: number });
        }
        let shifted = structure
            .positions
            .iter()
            .zip(images)
            .map(|(r, image)| math::add(*r, structure.cell.to_cartesian(image.map(f64::from))));
        Ok(shifted.collect())
    }

    /// Displacement of every atom since the first frame.
    fn advance(
        &mut self,
        cell: &Cell,
        positions: &[Vector3],
        number: usize,
    ) -> Result<Vec<Vector3>, TransportError> {
        let (Some((last_cell, last)), Some(before)) = (&self.last, self.displacements.last())
        else {
            return Ok(vec![[0.0; 3]; positions.len()]);
        };
        let half_width =
            0.5 * cell.perpendicular_widths().into_iter().fold(f64::INFINITY, f64::min);
        let periodic = cell.periodicity().contains(&true);
        let mut row = Vec::with_capacity(positions.len());
        for (atom, (new, old)) in positions.iter().zip(last).enumerate() {
            let step = match self.options.positions {
                Positions::Wrapped => {
                    let change = math::sub(cell.to_fractional(*new), last_cell.to_fractional(*old));
                    cell.minimum_image(cell.to_cartesian(change))
                }
                Positions::Unwrapped => {
                    let step = math::sub(*new, *old);
                    let jump = math::norm(step);
                    if periodic && jump > half_width {
                        let shortest = math::norm(cell.minimum_image(step));
                        if shortest < 0.9 * jump {
                            let first = self.first.as_ref().expect("the first frame is known");
                            let symbol = first.symbols[first.species[atom].index()].clone();
                            return Err(TransportError::LooksWrapped {
                                frame: number,
                                atom,
                                symbol,
                                jump,
                                shortest,
                            });
                        }
                    }
                    step
                }
            };
            self.largest_step = self.largest_step.max(math::norm(step));
            row.push(math::add(before[atom], step));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests;
