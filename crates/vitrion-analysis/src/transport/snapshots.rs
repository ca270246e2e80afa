//! Which ions moved far in a given time, against time (paper, Fig. 2c).
//!
//! `|r_i(t + τ) − r_i(t)| > d` with the displacement of the analysis: drift removed, against the deforming cell. One set of origins a time `τ` apart covers
//! the trajectory once; all atoms of the first frame with their displacements in the first interval are a file for a viewer. Ions that are mobile in one interval may be so in the next more often than chance says; the
//! memory, the share of mobile ions that are mobile again over the share of all ions, tells hopping regions that last from ions that take turns.

use super::lags::{at_times, dealt};
use super::moments::GROUPS;
use super::pass::{Attachment, Motion, MotionAnalysis};
use super::recording::{Path, Recording, Reference};
use crate::error::AnalysisError;
use crate::samples::jackknife;
use serde::{Deserialize, Serialize};
use vitrion_core::columns::{AtomColumn, AtomValues};
use vitrion_core::io::extxyz;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::{Frame, Vector3};

/// What counts as far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotSettings {
    /// Displacement [Å]; 4 Å in the paper.
    pub distance: f64,
    /// Time for it [fs]; 10 ps in the paper.
    pub time: f64,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        SnapshotSettings { distance: 4.0, time: 10_000.0 }
    }
}

impl SnapshotSettings {
    /// # Errors
    /// A distance or time that is not positive.
    pub(super) fn check(&self) -> Result<(), AnalysisError> {
        for (name, value, unit) in [("distance", self.distance, "Å"), ("time", self.time, "fs")] {
            if !(value.is_finite() && value > 0.0) {
                let (found, expected) = (format!("{value} {unit}"), "a positive number".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        Ok(())
    }
}

/// Sums over intervals and ions of one group.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Ions times intervals.
    all: f64,
    far: f64,
    /// Pairs of successive intervals, those that begin with a mobile ion, and those in which it is mobile twice.
    pairs: f64,
    pairs_far: f64,
    twice: f64,
}

impl Sums {
    fn plus(self, other: Sums, sign: f64) -> Sums {
        Sums {
            all: self.all + sign * other.all,
            far: self.far + sign * other.far,
            pairs: self.pairs + sign * other.pairs,
            pairs_far: self.pairs_far + sign * other.pairs_far,
            twice: self.twice + sign * other.twice,
        }
    }
}

/// Ions that moved far; keeps the first frame for the picture.
pub(super) struct Snapshots {
    settings: SnapshotSettings,
    first: Option<Frame>,
}

impl Snapshots {
    pub(super) fn new(settings: SnapshotSettings) -> Self {
        Snapshots { settings, first: None }
    }

    /// All atoms of the first frame, with how far the mobile ones came in the first interval.
    fn picture(&self, data: &Recording) -> Result<Vec<Attachment>, AnalysisError> {
        let Some(first) = &self.first else { return Ok(Vec::new()) };
        let lag = at_times(&[self.settings.time], data, "time")?[0];
        let mut moved = vec![0.0; first.structure.len()];
        let measure = |atom: usize, path: Path<'_>| {
            (atom, path.r.iter().map(|x| (x[lag] - x[0]).powi(2)).sum::<f64>().sqrt())
        };
        let species = &data.settings().species;
        data.each_path(species, Reference::Framework, measure, |_, (atom, distance)| {
            moved[atom] = distance;
        })?;
        let column = AtomColumn { name: "displacement".into(), values: AtomValues::Real(moved) };
        let mut content = Vec::new();
        extxyz::write_frame_with(&mut content, first, &[column]).expect("memory takes everything");
        Ok(vec![Attachment { ending: "xyz", content }])
    }
}

impl MotionAnalysis for Snapshots {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        if self.first.is_none() {
            self.first = Some(frame.structure.clone().into());
        }
        Ok(())
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        let observables = shares(data, &self.settings)?;
        Ok(Motion { attachments: self.picture(data)?, ..observables.into() })
    }
}

/// Shares of ions that moved far.
fn shares(data: &Recording, settings: &SnapshotSettings) -> Result<Observables, AnalysisError> {
    data.needs(4, "snapshots of displacements")?;
    let lag = at_times(&[settings.time], data, "time")?[0];
    let origins: Vec<usize> = (0..data.frames() - lag).step_by(lag).collect();
    let atoms = data.mobile_atoms();
    let groups = GROUPS.min(atoms);
    let group_of = dealt(atoms, groups);
    let far2 = settings.distance * settings.distance;
    let measure = |_: usize, path: Path<'_>| -> Vec<bool> {
        let moved = |t: usize| path.r.iter().map(|x| (x[t + lag] - x[t]).powi(2)).sum::<f64>();
        origins.iter().map(|t| moved(*t) > far2).collect()
    };
    let mut at = vec![0.0; origins.len()];
    let mut sums = vec![Sums::default(); groups];
    let mut intervals = Vec::with_capacity(atoms);
    let species = &data.settings().species;
    data.each_path(species, Reference::Framework, measure, |atom, far| {
        let group = &mut sums[group_of[atom]];
        let count = |condition: bool| f64::from(u8::from(condition));
        for (sum, far) in at.iter_mut().zip(&far) {
            *sum += count(*far) / atoms as f64;
        }
        group.all += far.len() as f64;
        let own: f64 = far.iter().map(|far| count(*far)).sum();
        group.far += own;
        intervals.push(own);
        for pair in far.windows(2) {
            group.pairs += 1.0;
            group.pairs_far += count(pair[0]);
            group.twice += count(pair[0] && pair[1]);
        }
    })?;
    let mut result = Observables::new(
        "displacement_snapshots",
        &format!(
            "{species} that moved more than {} Å in {} ps",
            settings.distance,
            settings.time * 1e-3
        ),
        "|r_i(t+tau) - r_i(t)| > d at origins a time tau apart; memory = P(far again | far) / P(far)",
    );
    data.describe(&mut result);
    result.parameter("distance", format!("{} Å", settings.distance));
    result.parameter("time", format!("{} ps", settings.time * 1e-3));
    result.parameter("intervals", origins.len());
    estimates(&sums, &mut result);
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    result.curves.push(Curve {
        name: "share_far".into(),
        label: format!("{species} beyond {} Å", settings.distance),
        x_axis: axis("start of the interval", "ps"),
        y_axis: axis("share of ions", ""),
        x: origins.iter().map(|t| *t as f64 * data.interval() * 1e-3).collect(),
        y: at,
        y_error: Vec::new(),
    });
    result.curves.push(Curve {
        name: "intervals_far".into(),
        label: "intervals in which each ion moved far".into(),
        x_axis: axis("mobile atom", ""),
        y_axis: axis("intervals", ""),
        x: (0..atoms).map(|atom| atom as f64).collect(),
        y: intervals,
        y_error: Vec::new(),
    });
    Ok(result)
}

fn estimates(sums: &[Sums], result: &mut Observables) {
    let total = sums.iter().fold(Sums::default(), |sum, one| sum.plus(*one, 1.0));
    let left: Vec<Sums> = sums.iter().map(|group| total.plus(*group, -1.0)).collect();
    let mut push = |name: &str, label: &str, f: fn(&Sums) -> f64| {
        let value = f(&total);
        if !value.is_finite() {
            return;
        }
        let error = jackknife(left.iter().map(f));
        let uncertainty = if left.len() > 1 && error.is_finite() {
            Uncertainty::StandardError { value: error, n_eff: left.len() as f64 }
        } else {
            Uncertainty::NotEstimated { why: "too few ions moved far".into() }
        };
        let (name, label, unit) = (name.into(), label.into(), String::new());
        result.estimates.push(Estimate { name, label, value, uncertainty, unit });
    };
    push("share_far", "share of ions that moved far", |sums| sums.far / sums.all);
    push("memory", "how much likelier those move far again", |sums| {
        (sums.twice / sums.pairs_far) / (sums.far / sums.all)
    });
}
