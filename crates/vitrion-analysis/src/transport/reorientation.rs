//! How polyanions turn: PS4 tetrahedra, say.
//!
//! Bonds are those of the first frame that is kept; `u(t)` is the unit vector from a centre to a ligand by the nearest image in the momentary cell.
//!
//! * **correlation** `C_l(τ) = ⟨P_l(u(t)·u(t + τ))⟩`, `l` = 1 and 2, over bonds and all origins; `exp(−l(l + 1) D_r τ)` for rotational diffusion. The relaxation time is
//!   where it falls to 1/e.
//! * **flips**: a bond has flipped when its mean direction over the commit time is turned by more than an angle (60°, over half of that between tetrahedral directions) from where it was
//!   before. Bonds of one unit that flip within the commit time are one flip of the unit: a rotation about one bond turns three others.
//! * **angles** turned in fixed times.
//!
//! A unit counts until one of its bonds is broken (longer than 1.2 times the cut-off). Errors are those of leaving out groups of units.

mod flips;

use super::lags::{dealt, longest, spaced};
use super::moments::GROUPS;
use super::msd::times;
use super::pass::{Motion, MotionAnalysis};
use super::recording::Recording;
use super::recording::store::Store;
use super::self_intermediate_scattering::crossing;
use crate::error::AnalysisError;
use crate::pairs::Neighbors;
use crate::samples::jackknife;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Categories, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::{Frame, Structure};

/// A bond is broken beyond so many cut-offs.
const BROKEN: f64 = 1.2;
/// Lags of the correlation functions, and of the distributions of angles.
const LAGS: usize = 60;
const DISTRIBUTIONS: usize = 4;
/// Bins of angles from 0 to 180°.
const BINS: usize = 60;
/// Flips that are excluded at 95 % where none was seen: −ln 0.05.
const NONE_SEEN: f64 = 2.995_732;

/// Which units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReorientationSettings {
    /// Element in the middle, and the one around it.
    pub bond: [String; 2],
    /// [Å]
    pub cutoff: f64,
    /// Units with as many ligands; of any number if not given.
    pub ligands: Option<usize>,
    /// Angle of a flip [degrees].
    pub angle: f64,
    /// Time for which a new direction must last [fs].
    pub commit: f64,
}

impl Default for ReorientationSettings {
    fn default() -> Self {
        ReorientationSettings {
            bond: ["P".into(), "S".into()],
            cutoff: 2.7,
            ligands: Some(4),
            angle: 60.0,
            commit: 1000.0,
        }
    }
}

/// A centre with its bonds, rows of the store.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    bonds: std::ops::Range<usize>,
    /// Frames until one of its bonds was broken.
    whole: Option<usize>,
}

/// Directions of the bonds of all units.
pub(super) struct Reorientation {
    settings: ReorientationSettings,
    units: Vec<Unit>,
    /// Centre and ligand.
    bonds: Vec<[usize; 2]>,
    /// Centres with as many ligands, among them those that are not followed.
    with_ligands: BTreeMap<usize, usize>,
    directions: Store<f64>,
}

impl Reorientation {
    /// # Errors
    /// No such bonds in the first frame, numbers that make no sense.
    pub(super) fn new(
        settings: ReorientationSettings,
        first: &Structure,
    ) -> Result<Self, AnalysisError> {
        let ReorientationSettings { bond: [center, ligand], cutoff, angle, commit, .. } = &settings;
        for (name, value, most) in
            [("bond", *cutoff, 10.0), ("angle", *angle, 180.0), ("commit", *commit, f64::MAX)]
        {
            if !(value > 0.0 && value <= most) {
                let (found, expected) = (value.to_string(), "a positive number".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        let mut neighbors = Neighbors::default();
        neighbors.find(&first.cell, &first.positions, *cutoff);
        let (mut units, mut bonds, mut with_ligands) = (Vec::new(), Vec::new(), BTreeMap::new());
        for atom in first.atoms_of(center) {
            let around = neighbors.table().of(atom).map(|(other, _)| other);
            let ligands: Vec<usize> =
                around.filter(|other| first.symbol(*other) == ligand).collect();
            *with_ligands.entry(ligands.len()).or_default() += 1;
            if ligands.is_empty() || settings.ligands.is_some_and(|n| n != ligands.len()) {
                continue;
            }
            let start = bonds.len();
            bonds.extend(ligands.iter().map(|ligand| [atom, *ligand]));
            units.push(Unit { bonds: start..bonds.len(), whole: None });
        }
        if units.is_empty() {
            let many = settings.ligands.map_or("some".to_owned(), |n| n.to_string());
            let there: Vec<String> =
                with_ligands.iter().map(|(n, count)| format!("{count} have {n}")).collect();
            return Err(AnalysisError::Parameter {
                name: "bond",
                found: format!(
                    "no {center} with {many} {ligand} within {cutoff} Å in the first frame ({})",
                    if there.is_empty() { format!("no {center} at all") } else { there.join(", ") },
                ),
                expected: "units of this kind; \"ligands\" says how many atoms they have around the middle".into(),
            });
        }
        let directions = Store::new(3 * bonds.len());
        Ok(Reorientation { settings, units, bonds, with_ligands, directions })
    }
}

impl MotionAnalysis for Reorientation {
    fn see(&mut self, frame: &Frame, _drift: Vector3) -> Result<(), AnalysisError> {
        let structure = &frame.structure;
        let number = self.directions.frames();
        let mut all = vec![0.0; 3 * self.bonds.len()];
        for unit in &mut self.units {
            for bond in unit.bonds.clone() {
                let [center, ligand] = self.bonds[bond].map(|atom| structure.positions[atom]);
                let vector = structure.cell.minimum_image(math::sub(ligand, center));
                let length = math::norm(vector);
                if length == 0.0 {
                    let atom = self.bonds[bond][0];
                    return Err(AnalysisError::NoDirection { frame: number, atom });
                }
                if length > BROKEN * self.settings.cutoff && unit.whole.is_none() {
                    unit.whole = Some(number);
                }
                let unit_vector = math::scale(vector, 1.0 / length);
                all[3 * bond..3 * bond + 3].copy_from_slice(&unit_vector);
            }
        }
        self.directions.push(|row| all[row])
    }

    fn report(&self, data: &Recording) -> Result<Motion, AnalysisError> {
        data.needs(30, "reorientation")?;
        self.observables(data).map(Motion::from)
    }
}

/// Sums over the bonds of some units.
#[derive(Debug, Clone)]
struct Sums {
    /// `[lag]`: displacements, and sums of P_1 and P_2.
    count: Vec<f64>,
    legendre: [Vec<f64>; 2],
    /// `[lag of a distribution][bin]`
    angles: Vec<Vec<f64>>,
    /// Units times frames in which a flip would be seen.
    time: f64,
    flips: f64,
}

impl Sums {
    fn new(lags: usize, distributions: usize) -> Self {
        Sums {
            count: vec![0.0; lags],
            legendre: [vec![0.0; lags], vec![0.0; lags]],
            angles: vec![vec![0.0; BINS]; distributions],
            time: 0.0,
            flips: 0.0,
        }
    }

    fn add(&mut self, other: &Sums, sign: f64) {
        let add = |sum: &mut Vec<f64>, one: &Vec<f64>| {
            for (sum, x) in sum.iter_mut().zip(one) {
                *sum += sign * x;
            }
        };
        add(&mut self.count, &other.count);
        for l in 0..2 {
            add(&mut self.legendre[l], &other.legendre[l]);
        }
        for (sum, one) in self.angles.iter_mut().zip(&other.angles) {
            add(sum, one);
        }
        self.time += sign * other.time;
        self.flips += sign * other.flips;
    }

    fn correlation(&self, l: usize) -> Vec<f64> {
        self.legendre[l].iter().zip(&self.count).map(|(sum, n)| sum / n).collect()
    }
}

impl Reorientation {
    fn observables(&self, data: &Recording) -> Result<Observables, AnalysisError> {
        let lags = spaced(longest(data.frames()), LAGS);
        let place = |k: usize| lags[(k + 1) * (lags.len() - 1) / DISTRIBUTIONS];
        let few: Vec<usize> = (0..DISTRIBUTIONS).map(place).collect();
        let groups = GROUPS.min(self.units.len());
        let group_of = dealt(self.units.len(), groups);
        let mut of_group = vec![Sums::new(lags.len(), few.len()); groups];
        let commit = ((self.settings.commit / data.interval()).round() as usize).max(1);
        let turn = self.settings.angle.to_radians().cos();
        for batch in (0..self.units.len()).collect::<Vec<_>>().chunks(64) {
            let measure =
                |unit: &usize| self.of_unit(&self.units[*unit], &lags, &few, commit, turn);
            let found: Result<Vec<Sums>, AnalysisError> = batch.par_iter().map(measure).collect();
            for (unit, sums) in batch.iter().zip(found?) {
                of_group[group_of[*unit]].add(&sums, 1.0);
            }
        }
        let mut total = Sums::new(lags.len(), few.len());
        for group in &of_group {
            total.add(group, 1.0);
        }
        // a single group leaves nothing
        let left: Vec<Sums> = of_group[..if groups > 1 { groups } else { 0 }]
            .iter()
            .map(|group| {
                let mut rest = total.clone();
                rest.add(group, -1.0);
                rest
            })
            .collect();
        let [center, ligand] = &self.settings.bond;
        let mut result = Observables::new(
            "reorientation",
            &format!("Reorientation of {center}–{ligand} units"),
            "C_l(tau) = <P_l(u(t).u(t+tau))> over bonds and all origins; flip: mean direction over the commit time turned by more than the angle",
        );
        data.describe(&mut result);
        self.parameters(commit as f64 * data.interval(), &mut result);
        correlations(data, &lags, &total, &left, &mut result);
        angles(data, &few, &total, &left, &mut result);
        flip_rate(data, &total, &left, &mut result);
        Ok(result)
    }

    fn parameters(&self, commit: f64, result: &mut Observables) {
        let [center, ligand] = &self.settings.bond;
        result.parameter("bond", format!("{center}–{ligand} within {} Å", self.settings.cutoff));
        result.parameter("units", self.units.len());
        result.parameter("bonds", self.bonds.len());
        let (names, values) =
            self.with_ligands.iter().map(|(n, count)| (n.to_string(), *count as f64)).unzip();
        result.categories.push(Categories {
            name: "ligands".into(),
            label: format!("{ligand} within {} Å of {center}, first frame", self.settings.cutoff),
            axis: Axis { label: center.clone(), unit: String::new() },
            names,
            values,
            errors: Vec::new(),
        });
        result.parameter("angle of a flip", format!("{}°", self.settings.angle));
        result.parameter("commit time", format!("{commit} fs"));
        let broken = self.units.iter().filter(|unit| unit.whole.is_some()).count();
        result.parameter("units that lost a bond, followed until then", broken);
        if 10 * broken > self.units.len() {
            let message = format!("{broken} of {} units lost a bond", self.units.len());
            result.caution(
                "units_break",
                message,
                "units that last are not all units; look at the speciation",
            );
        }
    }

    fn of_unit(
        &self,
        unit: &Unit,
        lags: &[usize],
        few: &[usize],
        commit: usize,
        turn: f64,
    ) -> Result<Sums, AnalysisError> {
        let mut sums = Sums::new(lags.len(), few.len());
        let frames = self.directions.frames();
        let whole = unit.whole.unwrap_or(frames);
        let mut all = Vec::new();
        self.directions.read(3 * unit.bonds.start..3 * unit.bonds.end, &mut all)?;
        let bonds: Vec<[&[f64]; 3]> = (0..unit.bonds.len())
            .map(|bond| {
                let part =
                    |k: usize| &all[(3 * bond + k) * frames..(3 * bond + k) * frames + whole];
                [part(0), part(1), part(2)]
            })
            .collect();
        for u in &bonds {
            let cosine = |t: usize, lag: usize| -> f64 {
                u.iter().map(|x| x[t] * x[t + lag]).sum::<f64>().clamp(-1.0, 1.0)
            };
            for (k, lag) in lags.iter().enumerate() {
                let (mut first, mut second) = (0.0, 0.0);
                for t in 0..whole.saturating_sub(*lag) {
                    let c = cosine(t, *lag);
                    first += c;
                    second += c * c;
                }
                let count = whole.saturating_sub(*lag) as f64;
                sums.count[k] += count;
                sums.legendre[0][k] += first;
                sums.legendre[1][k] += 1.5 * second - 0.5 * count;
            }
            for (angles, lag) in sums.angles.iter_mut().zip(few) {
                for t in 0..whole.saturating_sub(*lag) {
                    let part = cosine(t, *lag).acos() / std::f64::consts::PI;
                    angles[((part * BINS as f64) as usize).min(BINS - 1)] += 1.0;
                }
            }
        }
        sums.time = flips::seen(whole, commit) as f64;
        sums.flips = flips::count(&bonds, commit, turn) as f64;
        Ok(sums)
    }
}

fn correlations(
    data: &Recording,
    lags: &[usize],
    total: &Sums,
    left: &[Sums],
    result: &mut Observables,
) {
    // where every unit has lost a bond before, nothing is known
    let known = |k: &usize| left.iter().chain([total]).all(|sums| sums.count[*k] > 0.0);
    let lags = &lags[..(0..lags.len()).take_while(known).count()];
    if lags.is_empty() {
        return;
    }
    let times = times(data, lags);
    for l in 0..2 {
        let y = total.correlation(l);
        let others: Vec<Vec<f64>> = left.iter().map(|sums| sums.correlation(l)).collect();
        let error = |k: usize| jackknife(others.iter().map(|curve| curve[k]));
        if let Some(value) = crossing(&times, &y) {
            let all: Option<Vec<f64>> =
                others.iter().map(|curve| crossing(&times, curve)).collect();
            let uncertainty = match all {
                Some(all) if all.len() > 1 => Uncertainty::StandardError {
                    value: jackknife(all.iter().copied()),
                    n_eff: all.len() as f64,
                },
                _ => Uncertainty::NotEstimated { why: "not in every group of units".into() },
            };
            result.estimates.push(Estimate {
                name: format!("relaxation_time_{}_ps", l + 1),
                label: format!("time in which C_{} falls to 1/e", l + 1),
                value,
                uncertainty,
                unit: "ps".into(),
            });
        }
        result.curves.push(Curve {
            name: format!("c{}", l + 1),
            label: format!("C_{}", l + 1),
            x_axis: Axis { label: "lag time".into(), unit: "ps".into() },
            y_axis: Axis { label: "⟨P_l(u·u)⟩".into(), unit: String::new() },
            x: times.clone(),
            y,
            y_error: if left.len() > 1 { (0..lags.len()).map(error).collect() } else { Vec::new() },
        });
    }
}

fn angles(data: &Recording, few: &[usize], total: &Sums, left: &[Sums], result: &mut Observables) {
    let width = 180.0 / BINS as f64;
    for (which, time) in times(data, few).into_iter().enumerate() {
        let density = |sums: &Sums| -> Vec<f64> {
            let sum: f64 = sums.angles[which].iter().sum();
            sums.angles[which].iter().map(|count| count / (sum * width)).collect()
        };
        if left.iter().chain([total]).any(|sums| sums.angles[which].iter().all(|n| *n == 0.0)) {
            continue;
        }
        let others: Vec<Vec<f64>> = left.iter().map(density).collect();
        let error = |bin: usize| jackknife(others.iter().map(|curve| curve[bin]));
        result.curves.push(Curve {
            name: format!("angle_{time:.3}ps"),
            label: format!("{time:.3} ps"),
            x_axis: Axis { label: "angle turned".into(), unit: "°".into() },
            y_axis: Axis { label: "probability density".into(), unit: "1/°".into() },
            x: (0..BINS).map(|k| (k as f64 + 0.5) * width).collect(),
            y: density(total),
            y_error: if left.len() > 1 { (0..BINS).map(error).collect() } else { Vec::new() },
        });
    }
}

fn flip_rate(data: &Recording, total: &Sums, left: &[Sums], result: &mut Observables) {
    let per_ps = 1e3 / data.interval();
    if total.time == 0.0 {
        let message =
            format!("no unit was whole for two commit times in {:.1} ps", data.duration() * 1e-3);
        result.caution("no_flip_rate", message, "run longer, or lower \"commit\"");
        return;
    }
    let rate = |sums: &Sums| sums.flips / sums.time * per_ps;
    let (value, uncertainty) = if total.flips == 0.0 {
        let message = format!("no unit flipped in {:.1} ps", data.duration() * 1e-3);
        result.caution(
            "too_few_events",
            message,
            "the rate is an upper bound (95 %); run longer, or hotter",
        );
        (NONE_SEEN / total.time * per_ps, Uncertainty::UpperBound { level: 0.95 })
    } else if left.len() > 1 && left.iter().all(|sums| sums.time > 0.0) {
        // units that happen to flip equally often do not make the rate exact: flips are counted
        let counted = total.flips.sqrt() / total.time * per_ps;
        let error = jackknife(left.iter().map(rate)).max(counted);
        (rate(total), Uncertainty::StandardError { value: error, n_eff: left.len() as f64 })
    } else {
        (rate(total), Uncertainty::NotEstimated { why: "a single unit".into() })
    };
    result.parameter("flips", total.flips);
    result.estimates.push(Estimate {
        name: "flip_rate_per_ps".into(),
        label: "flips per unit and time".into(),
        value,
        uncertainty,
        unit: "1/ps".into(),
    });
}
