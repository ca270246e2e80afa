//! Ions of all windows: what they saw and what they did.

use super::classifier::Table;
use super::features::FeatureSettings;
use super::mobility::{Mobility, Window};
use crate::error::AnalysisError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vitrion_core::Structure;

/// What makes an ion mobile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// `Σ √D²min`
    CumulativeD2min,
    /// `√D²min` from the first frame to the last.
    WholeD2min,
    Hop,
    Displacement,
}

impl Label {
    /// All of them.
    pub const ALL: [Label; 4] =
        [Label::CumulativeD2min, Label::WholeD2min, Label::Hop, Label::Displacement];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Label::CumulativeD2min => "D_cum",
            Label::WholeD2min => "√D²min of the window",
            Label::Hop => "p_hop",
            Label::Displacement => "displacement",
        }
    }

    /// Of the values.
    pub fn unit(self) -> &'static str {
        if self == Label::Hop { "Å²" } else { "Å" }
    }

    fn of(self, mobility: &Mobility) -> &[f64] {
        match self {
            Label::CumulativeD2min => &mobility.cumulative,
            Label::WholeD2min => &mobility.whole,
            Label::Hop => &mobility.hop,
            Label::Displacement => &mobility.displacement,
        }
    }
}

/// A trajectory that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    /// Samples of one material are one entry of the transfer matrix.
    pub material: String,
    /// [K]
    pub temperature: Option<f64>,
    /// It takes part in training; others are only looked at.
    pub train: bool,
}

/// One ion in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub sample: u32,
    pub window: u32,
    /// Atom in its structure.
    pub atom: u32,
    /// Place in [`Dataset::phases`].
    pub phase: u32,
    /// The same ion of the same sample, in any window.
    pub group: u32,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub samples: Vec<Sample>,
    /// Names of phases; the first is that of atoms without one.
    pub phases: Vec<String>,
    pub rows: Vec<Row>,
    /// By label, in the order of [`Label::ALL`].
    pub mobility: [Vec<f64>; 4],
    /// `D_cum` by other settings, with what is other.
    pub others: Vec<(String, Vec<f64>)>,
    pub settings: FeatureSettings,
    pub features: Vec<f64>,
    /// Structures that features were computed from, with the sample.
    pub starts: Vec<(usize, Structure)>,
    groups: u32,
}

impl Dataset {
    /// Empty; `others` are the names of [`Mobility::others`].
    pub fn new(settings: FeatureSettings, others: Vec<String>) -> Self {
        Dataset {
            samples: Vec::new(),
            phases: vec![String::new()],
            rows: Vec::new(),
            mobility: [const { Vec::new() }; 4],
            others: others.into_iter().map(|name| (name, Vec::new())).collect(),
            settings,
            features: Vec::new(),
            starts: Vec::new(),
            groups: 0,
        }
    }

    /// Adds the windows of a trajectory.
    ///
    /// # Errors
    /// A structure without ions.
    pub fn add(&mut self, sample: Sample, windows: Vec<Window>) -> Result<(), AnalysisError> {
        let number = self.samples.len();
        let measure = |window: &Window| self.settings.of(&window.start);
        let features: Result<Vec<Vec<f64>>, _> = windows.par_iter().map(measure).collect();
        for features in features? {
            self.features.extend(features);
        }
        let mut most = 0;
        for window in windows {
            let ions = window.start.atoms_of(&self.settings.species);
            for (ion, atom) in ions.iter().enumerate() {
                let phase = match &window.start.phases {
                    Some(phases) => self.phase(phases.name(*atom)),
                    None => 0,
                };
                self.rows.push(Row {
                    sample: number as u32,
                    window: window.number as u32,
                    atom: *atom as u32,
                    phase,
                    group: self.groups + ion as u32,
                });
            }
            for (column, label) in self.mobility.iter_mut().zip(Label::ALL) {
                column.extend_from_slice(label.of(&window.mobility));
            }
            for ((_, column), values) in self.others.iter_mut().zip(&window.mobility.others) {
                column.extend_from_slice(values);
            }
            most = most.max(ions.len() as u32);
            self.starts.push((number, window.start));
        }
        self.groups += most;
        self.samples.push(sample);
        Ok(())
    }

    fn phase(&mut self, name: &str) -> u32 {
        let known = self.phases.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.phases.push(name.to_owned());
            self.phases.len() - 1
        }) as u32
    }

    /// The same ions with other features.
    ///
    /// # Errors
    /// As [`FeatureSettings::of`].
    pub fn features_by(&self, settings: &FeatureSettings) -> Result<Vec<f64>, AnalysisError> {
        let all: Result<Vec<Vec<f64>>, _> =
            self.starts.par_iter().map(|(_, start)| settings.of(start)).collect();
        Ok(all?.concat())
    }

    /// Features of all rows.
    pub fn table(&self) -> Table<'_> {
        Table { values: &self.features, width: self.settings.len() }
    }

    /// Values of a label.
    pub fn values(&self, label: Label) -> &[f64] {
        let place = Label::ALL.iter().position(|known| *known == label).expect("all labels");
        &self.mobility[place]
    }

    /// Rows that take part in training.
    pub fn training_rows(&self) -> Vec<u32> {
        let train = |row: &u32| self.samples[self.rows[*row as usize].sample as usize].train;
        (0..self.rows.len() as u32).filter(train).collect()
    }

    /// Material, phase if atoms are labelled, temperature if the material is there at several.
    pub fn phase_of(&self, row: u32) -> String {
        let row = &self.rows[row as usize];
        let sample = &self.samples[row.sample as usize];
        let mut name = sample.material.clone();
        let phase = &self.phases[row.phase as usize];
        if !phase.is_empty() {
            name = format!("{name}, {phase}");
        }
        let differs = |other: &Sample| {
            other.material == sample.material && other.temperature != sample.temperature
        };
        match sample.temperature {
            Some(t) if self.samples.iter().any(differs) => format!("{name}, {t} K"),
            _ => name,
        }
    }

    /// Some rows by material, phase and temperature, in order of first appearance.
    pub fn by_phase(&self, rows: impl Iterator<Item = u32>) -> Vec<(String, Vec<u32>)> {
        let mut found: Vec<(String, Vec<u32>)> = Vec::new();
        for row in rows {
            let name = self.phase_of(row);
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.push(row),
                None => found.push((name, vec![row])),
            }
        }
        found
    }

    /// Ions that some rows are of.
    pub fn ions_of(&self, rows: &[usize]) -> usize {
        let mut groups: Vec<u32> = rows.iter().map(|row| self.rows[*row].group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// Materials in order of first appearance.
    pub fn materials(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for sample in &self.samples {
            if !all.contains(&sample.material) {
                all.push(sample.material.clone());
            }
        }
        all
    }

    /// Largest number of a group, and one.
    pub fn groups(&self) -> usize {
        self.groups as usize
    }
}
