//! The distinct part: other ions about the places where ions were.

use super::VanHoveSettings;
use crate::error::AnalysisError;
use crate::pairs::Neighbors;
use crate::samples::jackknife;
use crate::transport::msd::times;
use crate::transport::recording::{Path, Recording, Reference};
use rayon::prelude::*;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Observables};
use vitrion_core::{Cell, Frame};

/// Most origins.
pub(super) const ORIGINS: usize = 32;
/// Blocks of consecutive origins that are left out one at a time.
const BLOCKS: usize = 8;

/// Positions of the mobile atoms at a few frames, evenly spaced in time, however many there will be.
pub(super) struct Origins {
    species: String,
    atoms: Vec<usize>,
    seen: usize,
    every: usize,
    kept: Vec<Origin>,
}

struct Origin {
    frame: usize,
    cell: Cell,
    positions: Vec<Vector3>,
}

impl Origins {
    pub(super) fn new(species: &str) -> Self {
        let species = species.to_owned();
        Origins { species, atoms: Vec::new(), seen: 0, every: 1, kept: Vec::new() }
    }

    /// Keeps every so many frames; when there are twice as many as wanted, every other one goes.
    pub(super) fn see(&mut self, frame: &Frame) {
        let structure = &frame.structure;
        if self.seen == 0 {
            self.atoms = structure.atoms_of(&self.species);
        }
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == 2 * ORIGINS {
                let mut even = false;
                self.kept.retain(|_| {
                    even = !even;
                    even
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(Origin {
                    frame: self.seen,
                    cell: structure.cell.clone(),
                    positions: self.atoms.iter().map(|atom| structure.positions[*atom]).collect(),
                });
            }
        }
        self.seen += 1;
    }

    /// Origins that are followed for the longest of the lags.
    fn used(&self, longest: usize) -> Vec<&Origin> {
        let whole = self.kept.iter().filter(|origin| origin.frame + longest < self.seen);
        let all: Vec<&Origin> = whole.collect();
        let count = ORIGINS.min(all.len());
        (0..count).map(|k| all[k * all.len() / count]).collect()
    }

    pub(super) fn report(
        &self,
        data: &Recording,
        settings: &VanHoveSettings,
        lags: &[usize],
        result: &mut Observables,
    ) -> Result<(), AnalysisError> {
        let atoms = self.atoms.len();
        if atoms < 2 || self.kept.iter().any(|origin| origin.cell.periodicity() != [true; 3]) {
            let why = "the distinct part needs two mobile atoms or more, and a cell that repeats";
            result.caution("no_distinct_part", why.into(), "it is left out");
            return Ok(());
        }
        let with_zero: Vec<usize> = [0].into_iter().chain(lags.iter().copied()).collect();
        let origins = self.used(*with_zero.iter().max().expect("zero at least"));
        let moved = self.moved(data, &origins, &with_zero)?;
        let jobs: Vec<(usize, usize)> = (0..with_zero.len())
            .flat_map(|lag| (0..origins.len()).map(move |origin| (lag, origin)))
            .collect();
        let found: Vec<Vec<f64>> = jobs
            .par_iter()
            .map(|(lag, origin)| {
                let of = &moved[*origin * with_zero.len() + *lag];
                about(origins[*origin], of, settings)
            })
            .collect();
        let blocks = BLOCKS.min(origins.len());
        let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
        for (number, time) in times(data, &with_zero).into_iter().enumerate() {
            let of_lag = &found[number * origins.len()..(number + 1) * origins.len()];
            let mean = |left_out: Option<usize>| -> Vec<f64> {
                let inside = |k: &usize| Some(k * blocks / of_lag.len()) != left_out;
                let used: Vec<usize> = (0..of_lag.len()).filter(inside).collect();
                let of_bin = |bin: usize| used.iter().map(|k| of_lag[*k][bin]).sum::<f64>();
                (0..settings.bins()).map(|bin| of_bin(bin) / used.len() as f64).collect()
            };
            let left: Vec<Vec<f64>> =
                if blocks > 2 { (0..blocks).map(|b| mean(Some(b))).collect() } else { Vec::new() };
            let y = mean(None);
            let error = |bin: usize| jackknife(left.iter().map(|curve| curve[bin]));
            result.curves.push(Curve {
                name: format!("distinct_{}_{time:.3}ps", self.species),
                label: format!("{time:.3} ps"),
                x_axis: axis("r", "Å"),
                y_axis: axis("G_d/ρ", ""),
                x: settings.middles(),
                y_error: if left.is_empty() {
                    Vec::new()
                } else {
                    (0..y.len()).map(error).collect()
                },
                y,
            });
        }
        result.parameter("origins of the distinct part", origins.len());
        Ok(())
    }

    /// Displacements of all mobile atoms, `[origin][lag]`.
    fn moved(
        &self,
        data: &Recording,
        origins: &[&Origin],
        lags: &[usize],
    ) -> Result<Vec<Vec<Vector3>>, AnalysisError> {
        let mut moved = vec![Vec::with_capacity(self.atoms.len()); origins.len() * lags.len()];
        let measure = |_: usize, path: Path<'_>| -> Vec<Vector3> {
            let of = |frame: usize| path.r.map(|x| x[frame]);
            origins
                .iter()
                .flat_map(|origin| lags.iter().map(move |lag| (origin.frame, origin.frame + lag)))
                .map(|(from, to)| math::sub(of(to), of(from)))
                .collect()
        };
        data.each_path(&self.species, Reference::Framework, measure, |_, found| {
            for (all, one) in moved.iter_mut().zip(found) {
                all.push(one);
            }
        })?;
        Ok(moved)
    }
}

/// The density of other ions about the places of an origin, over their mean density.
fn about(origin: &Origin, moved: &[Vector3], settings: &VanHoveSettings) -> Vec<f64> {
    let atoms = origin.positions.len();
    let after = origin.positions.iter().zip(moved).map(|(r, d)| math::add(*r, *d));
    let both: Vec<Vector3> = origin.positions.iter().copied().chain(after).collect();
    let mut neighbors = Neighbors::default();
    let reach = settings.bins() as f64 * settings.bin;
    neighbors.find(&origin.cell, &both, reach);
    let table = neighbors.table();
    let mut counts = vec![0_u32; settings.bins()];
    for center in 0..atoms {
        for (other, vector) in table.of(center) {
            // places after the lag come second; an ion about its own place is the self part
            if other < atoms || other == center + atoms {
                continue;
            }
            let bin = (math::norm(vector) / settings.bin) as usize;
            if let Some(count) = counts.get_mut(bin) {
                *count += 1;
            }
        }
    }
    let density = (atoms - 1) as f64 / origin.cell.volume();
    let shell = |k: usize| {
        let (inner, outer) = (k as f64 * settings.bin, (k + 1) as f64 * settings.bin);
        4.0 / 3.0 * std::f64::consts::PI * (outer.powi(3) - inner.powi(3))
    };
    let each = |(k, count): (usize, &u32)| f64::from(*count) / (atoms as f64 * density * shell(k));
    counts.iter().enumerate().map(each).collect()
}
