//! Unwrapped positions of the mobile species, with the drift of the framework removed.

use crate::error::{AnalysisError, check_finite};
use vitrion_core::Frame;
use vitrion_core::math::{self, Vector3};

/// What is followed and how.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplacementSettings {
    /// The mobile species, for example "Li".
    pub species: String,
    /// Species whose centre of mass defines rest; empty means all others than `species`, or all
    /// atoms where there is no other.
    pub framework: Vec<String>,
    /// Time left out at the start [fs].
    pub skip: f64,
    /// Interval between frames [fs], where frames carry no time.
    pub interval: Option<f64>,
    /// Join positions wrapped into the cell: each displacement between frames is replaced by its
    /// nearest image in the present cell and summed, so changing cells add no jumps. Exact while no
    /// atom really moves half a cell between frames. Off for positions that are unwrapped already.
    pub unwrap: bool,
}

/// Positions against time, ready for transport analyses. Memory: frames × (mobile + framework)
/// atoms.
#[derive(Debug, Clone)]
pub struct Displacements {
    pub(crate) settings: DisplacementSettings,
    /// Interval between frames [fs]; zero until two frames were seen.
    pub(crate) interval: f64,
    /// `[frame][mobile atom]`, framework drift removed [Å].
    pub(crate) mobile: Vec<Vec<Vector3>>,
    /// `[frame][framework atom]`, same frame of reference [Å].
    pub(crate) framework: Vec<Vec<Vector3>>,
    /// Species of the framework as used.
    pub(crate) framework_species: Vec<String>,
    /// Displacement of the framework's centre since the first frame, largest seen [Å].
    pub(crate) drift: f64,
    pub(crate) volumes: Vec<f64>,
    mobile_atoms: Vec<usize>,
    framework_atoms: Vec<usize>,
    masses: Vec<f64>,
    seen: usize,
    last_time: Option<f64>,
    first_time: Option<f64>,
    previous: Vec<Vector3>,
    continuous: Vec<Vector3>,
    origin: Option<Vector3>,
    symbols: Vec<String>,
}

impl Displacements {
    /// An empty accumulator.
    pub fn new(settings: DisplacementSettings) -> Self {
        Displacements {
            settings,
            interval: 0.0,
            mobile: Vec::new(),
            framework: Vec::new(),
            framework_species: Vec::new(),
            drift: 0.0,
            volumes: Vec::new(),
            mobile_atoms: Vec::new(),
            framework_atoms: Vec::new(),
            masses: Vec::new(),
            seen: 0,
            last_time: None,
            first_time: None,
            previous: Vec::new(),
            continuous: Vec::new(),
            origin: None,
            symbols: Vec::new(),
        }
    }

    /// Frames kept so far.
    pub fn frames(&self) -> usize {
        self.mobile.len()
    }

    /// Number of mobile atoms.
    pub fn mobile_atoms(&self) -> usize {
        self.mobile_atoms.len()
    }

    /// Mean volume \[Å³\] of the frames kept.
    pub fn mean_volume(&self) -> f64 {
        self.volumes.iter().sum::<f64>() / self.volumes.len().max(1) as f64
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// Other atoms than in the first frame, positions that are not finite, no or unequal times,
    /// wrapped positions.
    pub fn add(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        let index = self.seen;
        let structure = &frame.structure;
        check_finite(index, &structure.positions)?;
        if index == 0 {
            self.start(frame)?;
        } else {
            if structure.len() != self.symbols.len() {
                return Err(AnalysisError::AtomsChanged {
                    frame: index,
                    expected: self.symbols.len(),
                    found: structure.len(),
                });
            }
            if let Some(atom) =
                (0..structure.len()).find(|i| structure.symbol(*i) != self.symbols[*i])
            {
                return Err(AnalysisError::SpeciesChanged { frame: index, atom });
            }
        }
        let time = match (self.settings.interval, frame.time) {
            (Some(interval), _) => interval * index as f64,
            (None, Some(time)) => time,
            (None, None) => return Err(AnalysisError::NoTime { frame: index }),
        };
        self.check_time(index, time)?;
        self.follow(index, frame)?;
        self.seen += 1;
        let elapsed = time - self.first_time.expect("set by check_time");
        if elapsed + 1e-9 < self.settings.skip {
            return Ok(());
        }
        let total: f64 = self.framework_atoms.iter().map(|i| self.masses[*i]).sum();
        let centre = self.framework_atoms.iter().fold([0.0; 3], |sum, i| {
            math::add(sum, math::scale(self.continuous[*i], self.masses[*i] / total))
        });
        let origin = *self.origin.get_or_insert(centre);
        let drift = math::sub(centre, origin);
        self.drift = self.drift.max(math::norm(drift));
        let at_rest = |atoms: &[usize]| -> Vec<Vector3> {
            atoms.iter().map(|i| math::sub(self.continuous[*i], drift)).collect()
        };
        let (mobile, framework) = (at_rest(&self.mobile_atoms), at_rest(&self.framework_atoms));
        self.mobile.push(mobile);
        self.framework.push(framework);
        self.volumes.push(structure.cell.volume());
        Ok(())
    }

    fn start(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        let structure = &frame.structure;
        let present = structure.table.symbols().to_vec();
        let missing = |species: &str| AnalysisError::NoSuchSpecies {
            species: species.to_owned(),
            present: present.clone(),
        };
        self.mobile_atoms = structure.atoms_of(&self.settings.species);
        if self.mobile_atoms.is_empty() {
            return Err(missing(&self.settings.species));
        }
        self.framework_species = if self.settings.framework.is_empty() {
            let others: Vec<String> =
                present.iter().filter(|s| **s != self.settings.species).cloned().collect();
            if others.is_empty() { present.clone() } else { others }
        } else {
            self.settings.framework.clone()
        };
        for species in &self.framework_species {
            let atoms = structure.atoms_of(species);
            if atoms.is_empty() {
                return Err(missing(species));
            }
            self.framework_atoms.extend(atoms);
        }
        self.symbols = (0..structure.len()).map(|i| structure.symbol(i).to_owned()).collect();
        self.masses = (0..structure.len()).map(|i| structure.mass(i)).collect();
        Ok(())
    }

    fn check_time(&mut self, index: usize, time: f64) -> Result<(), AnalysisError> {
        if let Some(last) = self.last_time {
            let step = time - last;
            if index == 1 {
                self.interval = step;
            }
            let regular = step > 0.0 && (step - self.interval).abs() <= 1e-6 * self.interval;
            if !regular {
                return Err(AnalysisError::UnequalTimes {
                    frame: index,
                    expected: self.interval,
                    found: step,
                });
            }
        } else {
            self.first_time = Some(time);
        }
        self.last_time = Some(time);
        Ok(())
    }

    /// Continues the unwrapped positions by this frame, or checks that they need no unwrapping.
    fn follow(&mut self, index: usize, frame: &Frame) -> Result<(), AnalysisError> {
        let positions = &frame.structure.positions;
        let cell = &frame.structure.cell;
        if index == 0 {
            self.continuous.clone_from(positions);
            self.previous.clone_from(positions);
            return Ok(());
        }
        let half = 0.5 * cell.perpendicular_widths().iter().fold(f64::INFINITY, |a, b| a.min(*b));
        for atom in 0..positions.len() {
            let step = math::sub(positions[atom], self.previous[atom]);
            if self.settings.unwrap {
                self.continuous[atom] = math::add(self.continuous[atom], cell.minimum_image(step));
            } else {
                let distance = math::norm(step);
                if distance > half {
                    let nearer = math::norm(cell.minimum_image(step));
                    if nearer < 0.5 * distance {
                        return Err(AnalysisError::Wrapped {
                            frame: index,
                            atom,
                            distance,
                            nearer,
                        });
                    }
                }
                self.continuous[atom] = positions[atom];
            }
        }
        self.previous.clone_from(positions);
        Ok(())
    }
}
