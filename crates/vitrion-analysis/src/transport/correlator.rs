//! Time correlations over many origins, accumulated while a simulation runs.
//!
//! Order-n scheme (Frenkel & Smit, *Understanding Molecular Simulation*, ch. 4; Dubbeldam et al., Mol.
//! Simul. 35, 1084 (2009)), without any averaging of coordinates: level `l` keeps the last [`KEPT`]
//! samples out of every `RATIO^l`-th, and each new one is compared with those. Lags are therefore exact,
//! about evenly spaced in their logarithm; long ones have fewer origins. Work per sample and memory do
//! not grow with the length of the run.
//!
//! * `MSD(τ) = ⟨|Δr_i|²⟩` per axis, and `α₂(τ) = 3⟨|Δr|⁴⟩/(5⟨|Δr|²⟩²) − 1` (paper, eqs. 10 and 11)
//! * `⟨v_i(0)·v_i(τ)⟩`
//! * with charges `z_i`: `⟨J(0)·J(τ)⟩` of `J = Σ z_i v_i`, its Green–Kubo integral, and `⟨|Σ z_i Δr_i|²⟩`
//!
//! Displacements are those against the deforming cell: between two samples an atom moves by
//! `r(t′) − r(t) · H(t)⁻¹ H(t′)`, so that a barostat makes nothing diffuse. The motion of the centre of
//! mass of all atoms is taken out.

mod level;
mod observables;

use crate::error::{AnalysisError, check_finite};
use level::{Level, Sample};
use serde::{Deserialize, Serialize};
use vitrion_core::cell::CellError;
use vitrion_core::math::{self, Matrix3, Vector3};
use vitrion_core::units;
use vitrion_core::{Cell, SpeciesId, Structure};

/// Samples kept by each level.
pub(super) const KEPT: usize = 16;
/// A level is so many times coarser than the one below.
pub(super) const RATIO: usize = 4;

/// What is correlated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelatorSettings {
    /// Time between samples [fs].
    pub interval: f64,
    /// Longest lag wanted [fs]; the next one of the scheme is taken.
    pub longest: f64,
    /// Charge numbers by element, for the collective quantities; all elements, or none.
    pub charges: Vec<(String, i64)>,
}

impl CorrelatorSettings {
    /// Refuses what [`Correlator::new`] refuses, without its memory.
    ///
    /// # Errors
    /// Times that make no sense, charges of elements that do not occur, or not of all that do.
    pub fn validate(&self, structure: &Structure) -> Result<(), AnalysisError> {
        let parameter = |name, found: String, expected: &str| AnalysisError::Parameter {
            name,
            found,
            expected: expected.to_owned(),
        };
        let CorrelatorSettings { interval, longest, charges } = self;
        if !(*interval > 0.0 && interval.is_finite()) {
            let found = format!("{interval} fs");
            return Err(parameter("correlation interval", found, "a positive time"));
        }
        if !(longest >= interval && longest.is_finite()) {
            let expected = "at least the interval between samples";
            return Err(parameter("longest correlation time", format!("{longest} fs"), expected));
        }
        let counts = structure.counts();
        let occurs = |id: &usize| counts[*id] > 0;
        let symbols: Vec<&str> = (0..counts.len())
            .filter(occurs)
            .map(|id| structure.table.symbol(SpeciesId(id as u8)))
            .collect();
        let known = |symbol: &str| symbols.contains(&symbol);
        if let Some((symbol, _)) = charges.iter().find(|(symbol, _)| !known(symbol)) {
            let expected = format!("elements of the structure: {}", symbols.join(", "));
            return Err(parameter("charges", symbol.clone(), &expected));
        }
        if let Some(symbol) =
            symbols.iter().find(|s| !charges.is_empty() && self.charge(s).is_none())
        {
            let expected = "a charge number for every element, zero if need be";
            return Err(parameter("charges", format!("none for {symbol}"), expected));
        }
        Ok(())
    }

    fn charge(&self, symbol: &str) -> Option<i64> {
        self.charges.iter().find(|(known, _)| known == symbol).map(|(_, z)| *z)
    }
}

/// Accumulates samples; plain data, so that a checkpoint can hold it and the sums go on bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlator {
    settings: CorrelatorSettings,
    /// Elements that occur, in the order of the structure's table.
    symbols: Vec<String>,
    /// Atoms sorted by element, and where each element ends.
    order: Vec<u32>,
    ends: Vec<usize>,
    /// In the order of `order`.
    masses: Vec<f64>,
    charges: Vec<f64>,
    samples: u64,
    /// Sums over samples: volume \[Å³\], and kinetic energy with the centre of mass at rest [eV].
    volume: f64,
    kinetic: f64,
    cell: Matrix3,
    previous: Vec<Vector3>,
    present: Sample,
    levels: Vec<Level>,
}

impl Correlator {
    /// For the atoms of a structure.
    ///
    /// # Errors
    /// Times that make no sense, charges of elements that do not occur, or not of all that do.
    pub fn new(settings: CorrelatorSettings, structure: &Structure) -> Result<Self, AnalysisError> {
        settings.validate(structure)?;
        let CorrelatorSettings { interval, longest, charges } = &settings;
        let mut order: Vec<u32> = (0..structure.len() as u32).collect();
        order.sort_by_key(|atom| structure.species[*atom as usize].0);
        let (mut symbols, mut ends): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
        for (id, count) in structure.counts().into_iter().enumerate().filter(|(_, n)| *n > 0) {
            symbols.push(structure.table.symbol(SpeciesId(id as u8)).to_owned());
            ends.push(ends.last().unwrap_or(&0) + count);
        }
        let of = |f: &dyn Fn(usize) -> f64| order.iter().map(|atom| f(*atom as usize)).collect();
        let collective = !charges.is_empty();
        let mut levels = vec![Level::new(0, structure.len(), symbols.len(), collective)];
        while levels.last().expect("the first").longest() as f64 * interval < *longest {
            levels.push(Level::new(levels.len(), structure.len(), symbols.len(), collective));
        }
        Ok(Correlator {
            masses: of(&|atom| structure.mass(atom)),
            charges: if collective {
                of(&|atom| settings.charge(structure.symbol(atom)).unwrap_or(0) as f64)
            } else {
                Vec::new()
            },
            symbols,
            order,
            ends,
            samples: 0,
            volume: 0.0,
            kinetic: 0.0,
            cell: math::ZERO,
            previous: Vec::new(),
            present: Sample::zero(structure.len()),
            levels,
            settings,
        })
    }

    /// Adds a sample: unwrapped positions [Å], velocities [Å/fs], and the cell of the moment.
    ///
    /// # Errors
    /// Another number of atoms, values that are not finite, a singular cell.
    pub fn add(
        &mut self,
        cell: &Cell,
        positions: &[Vector3],
        velocities: &[Vector3],
    ) -> Result<(), AnalysisError> {
        let number = self.samples as usize;
        if positions.len() != self.order.len() || velocities.len() != self.order.len() {
            return Err(AnalysisError::AtomsChanged {
                frame: number,
                expected: self.order.len(),
                found: positions.len(),
            });
        }
        check_finite(number, positions)?;
        check_finite(number, velocities)?;
        self.advance(cell, positions, velocities).map_err(|error| AnalysisError::Parameter {
            name: "cell",
            found: error.to_string(),
            expected: "a cell".to_owned(),
        })?;
        for level in &mut self.levels {
            if self.samples.is_multiple_of(level.every()) {
                level.add(&self.present, &self.ends);
            }
        }
        self.samples += 1;
        Ok(())
    }

    /// The present sample: displacements since the first, against the cell, without drift.
    fn advance(
        &mut self,
        cell: &Cell,
        positions: &[Vector3],
        velocities: &[Vector3],
    ) -> Result<(), CellError> {
        let atoms = self.order.len();
        if self.previous.is_empty() {
            self.previous = self.order.iter().map(|atom| positions[*atom as usize]).collect();
            self.cell = *cell.matrix();
        }
        let rigid = self.cell == *cell.matrix();
        let growth = if rigid {
            math::IDENTITY
        } else {
            let before = Cell::new(self.cell, cell.periodicity())?;
            math::matmul(before.inverse(), cell.matrix())
        };
        let (mut drift, mut momentum, mut mass) = ([0.0; 3], [0.0; 3], 0.0);
        for k in 0..atoms {
            let r = positions[self.order[k] as usize];
            let before = self.previous[k];
            let carried = if rigid { before } else { math::row_times(before, &growth) };
            let step = math::sub(r, carried);
            let u = &mut self.present.displacement[k];
            *u = math::add(*u, step);
            self.previous[k] = r;
            self.present.velocity[k] = velocities[self.order[k] as usize];
            drift = math::add(drift, math::scale(step, self.masses[k]));
            momentum = math::add(momentum, math::scale(self.present.velocity[k], self.masses[k]));
            mass += self.masses[k];
        }
        self.cell = *cell.matrix();
        let (drift, motion) = (math::scale(drift, 1.0 / mass), math::scale(momentum, 1.0 / mass));
        let moving = self.present.displacement.iter_mut().zip(&mut self.present.velocity);
        let mut mv2 = 0.0;
        for ((u, v), mass) in moving.zip(&self.masses) {
            *u = math::sub(*u, drift);
            *v = math::sub(*v, motion);
            mv2 += mass * math::norm2(*v);
        }
        self.kinetic += 0.5 * units::KINETIC_PER_MV2 * mv2;
        self.volume += cell.volume();
        if !self.charges.is_empty() {
            let total = |vectors: &[Vector3]| {
                let weighted = self.charges.iter().zip(vectors);
                weighted.fold([0.0; 3], |sum, (z, v)| math::add(sum, math::scale(*v, *z)))
            };
            self.present.dipole = total(&self.present.displacement);
            self.present.current = total(&self.present.velocity);
        }
        Ok(())
    }

    /// Mean volume \[Å³\].
    fn mean_volume(&self) -> f64 {
        self.volume / self.samples as f64
    }

    /// Mean temperature [K] of all atoms, the centre of mass at rest.
    fn mean_temperature(&self) -> f64 {
        let degrees = 3 * self.order.len().saturating_sub(1).max(1);
        2.0 * self.kinetic / (self.samples as f64 * degrees as f64 * units::BOLTZMANN)
    }

    /// Samples so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes of memory, nearly all of them in the levels.
    pub fn bytes(&self) -> usize {
        let per_atom = 4 + 8 + 24 + 48 + if self.charges.is_empty() { 0 } else { 8 };
        self.order.len() * per_atom + self.levels.iter().map(Level::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
