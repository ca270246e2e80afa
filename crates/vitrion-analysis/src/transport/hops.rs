//! Hops of ions without sites, for glasses.
//!
//! An ion hops where its positions before and after belong to different places (Candelier et al., Phys. Rev. Lett. 105, 135702 (2010)):
//!
//! ```text
//! p(t) = √(⟨|r_B − ⟨r⟩_A|²⟩_B · ⟨|r_A − ⟨r⟩_B|²⟩_A),   A = [t − w, t), B = [t, t + w)
//! ```
//!
//! is above `d²`, `d` being the least length of a hop; the hop is at the largest `p` of each stretch above. What lies between hops is a cage, with the mean position
//! as its place. Cages closer than `d` are one. A cage that is left within the commit time for the place before it is a flicker, counted apart.
//!
//! * **rate** `Γ` = hops / (ions × time); its inverse is the mean residence time (for exponential residence: maximum likelihood, cut cages included)
//! * **residence** in cages whose beginning was seen, by the estimate of Kaplan and Meier (J. Am. Stat. Assoc. 53, 457 (1958)), since the last cages are cut off
//! * **correlation factor** `f = D*/(Γ⟨l²⟩/6)`: one for hops that know nothing of each other, less where ions hop back
//!
//! Errors are those of leaving out groups of ions.

mod cages;

use super::diffusion::fit::Fit;
use super::lags::dealt;
use super::moments::GROUPS;
use super::recording::{Path, Recording, Reference};
use super::window;
use crate::error::AnalysisError;
use crate::samples::jackknife;
use cages::{Cages, Rule};
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Vector3};
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::units;

/// Fewer hops than this are few.
const FEW: f64 = 30.0;
/// Hops that are excluded at 95 % where none was seen: −ln 0.05.
const NONE_SEEN: f64 = 2.995_732;
/// Width of a bin of jump lengths [Å], and the last of them.
const BIN: f64 = 0.2;
const LONGEST: f64 = 10.0;
/// Points of the survival curve.
const POINTS: usize = 200;

/// What counts as a hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HopSettings {
    /// Length of the windows before and after [fs].
    pub window: f64,
    /// Least length of a hop [Å].
    pub distance: f64,
    /// A return within this time is a flicker [fs].
    pub commit: f64,
}

impl Default for HopSettings {
    fn default() -> Self {
        HopSettings { window: 1000.0, distance: 1.5, commit: 2000.0 }
    }
}

impl HopSettings {
    /// # Errors
    /// Times or a distance that make no sense.
    pub(super) fn check(&self) -> Result<(), AnalysisError> {
        for (name, value) in [("window", self.window), ("distance", self.distance)] {
            if !(value.is_finite() && value > 0.0) {
                let (found, expected) = (value.to_string(), "a positive number".into());
                return Err(AnalysisError::Parameter { name, found, expected });
            }
        }
        Ok(())
    }

    fn rule(&self, data: &Recording) -> Result<Rule, AnalysisError> {
        let window = (self.window / data.interval()).round() as usize;
        if window < 2 || 4 * window > data.frames() {
            return Err(AnalysisError::Parameter {
                name: "window",
                found: format!("{} fs", self.window),
                expected: format!(
                    "two frames at least ({} fs), and a quarter of the trajectory at most ({} fs)",
                    2.0 * data.interval(),
                    data.duration() / 4.0
                ),
            });
        }
        let commit = (self.commit / data.interval()).round() as usize;
        Ok(Rule { window, distance: self.distance, commit })
    }
}

/// Sums over the hops of some ions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Ions times frames.
    pub(super) time: f64,
    pub(super) hops: f64,
    pub(super) length: f64,
    pub(super) length2: f64,
    /// Pairs of successive hops, and the sum of the cosines between them.
    pub(super) pairs: f64,
    pub(super) cosines: f64,
    pub(super) flickers: f64,
    pub(super) ions: f64,
    pub(super) hopped: f64,
}

impl Tally {
    /// Of the jumps of one ion.
    pub(super) fn of(jumps: &[Vector3], frames: usize, flickers: usize) -> Tally {
        let hops = jumps.len() as f64;
        let cosine = |pair: &[Vector3]| {
            math::dot(pair[0], pair[1]) / (math::norm(pair[0]) * math::norm(pair[1]))
        };
        Tally {
            time: frames as f64,
            hops,
            length: jumps.iter().map(|jump| math::norm(*jump)).sum(),
            length2: jumps.iter().map(|jump| math::norm2(*jump)).sum(),
            pairs: (hops - 1.0).max(0.0),
            cosines: jumps.windows(2).map(cosine).sum(),
            flickers: flickers as f64,
            ions: 1.0,
            hopped: f64::from(u8::from(hops > 0.0)),
        }
    }

    pub(super) fn plus(self, other: Tally, sign: f64) -> Tally {
        Tally {
            time: self.time + sign * other.time,
            hops: self.hops + sign * other.hops,
            length: self.length + sign * other.length,
            length2: self.length2 + sign * other.length2,
            pairs: self.pairs + sign * other.pairs,
            cosines: self.cosines + sign * other.cosines,
            flickers: self.flickers + sign * other.flickers,
            ions: self.ions + sign * other.ions,
            hopped: self.hopped + sign * other.hopped,
        }
    }
}

/// Numbers with errors from groups of ions.
pub(super) struct Groups(pub(super) Vec<Tally>);

impl Groups {
    fn total(&self) -> Tally {
        self.0.iter().fold(Tally::default(), |sum, one| sum.plus(*one, 1.0))
    }

    pub(super) fn estimate(
        &self,
        name: &str,
        label: String,
        unit: &str,
        f: impl Fn(&Tally) -> f64,
    ) -> Option<Estimate> {
        let total = self.total();
        let value = f(&total);
        let error = jackknife(self.0.iter().map(|group| f(&total.plus(*group, -1.0))));
        let uncertainty = if self.0.len() > 1 && error.is_finite() {
            Uncertainty::StandardError { value: error, n_eff: self.0.len() as f64 }
        } else {
            Uncertainty::NotEstimated { why: "too few hops".into() }
        };
        let (name, unit) = (name.into(), unit.into());
        value.is_finite().then_some(Estimate { name, label, value, uncertainty, unit })
    }

    /// What hops of any kind have in common: rate, lengths, back-jumps, correlation factor.
    pub(super) fn describe(
        &self,
        data: &Recording,
        result: &mut Observables,
    ) -> Result<(), AnalysisError> {
        let per_ps = 1e3 / data.interval();
        let species = &data.settings().species;
        let total = self.total();
        result.parameter("hops", total.hops);
        result.parameter("flickers, not counted", total.flickers);
        if total.hops == 0.0 {
            result.estimates.push(Estimate {
                name: "hop_rate_per_ps".into(),
                label: format!("hops per {species} and time"),
                value: NONE_SEEN / total.time * per_ps,
                uncertainty: Uncertainty::UpperBound { level: 0.95 },
                unit: "1/ps".into(),
            });
            let message = format!("no {species} hopped in {:.1} ps", data.duration() * 1e-3);
            result.caution("too_few_events", message, "run longer, or hotter");
            return Ok(());
        }
        if total.hops < FEW {
            let message = format!("only {} hops were seen", total.hops);
            result.caution("too_few_events", message, "run longer, or hotter");
        }
        let rate = move |tally: &Tally| tally.hops / tally.time * per_ps;
        let found = [
            self.estimate("hop_rate_per_ps", format!("hops per {species} and time"), "1/ps", rate),
            self.estimate("residence_time_ps", "mean residence time".into(), "ps", move |tally| {
                1.0 / rate(tally)
            }),
            self.estimate("jump_length_a", "mean length of hops".into(), "Å", |tally| {
                tally.length / tally.hops
            }),
            self.estimate("hopped", format!("part of {species} that hopped at all"), "", |tally| {
                tally.hopped / tally.ions
            }),
            self.estimate("cosine", "mean cosine between successive hops".into(), "", |tally| {
                tally.cosines / tally.pairs
            }),
        ];
        result.estimates.extend(found.into_iter().flatten());
        let to_cm2 = units::A2_PER_FS_IN_CM2_PER_S / data.interval();
        let of_hops = |tally: &Tally| tally.length2 / tally.time / 6.0;
        result.estimates.extend(self.estimate(
            "diffusion_of_hops_cm2_per_s",
            "Γ⟨l²⟩/6, the diffusion coefficient of uncorrelated hops".into(),
            "cm²/s",
            |tally| of_hops(tally) * to_cm2,
        ));
        let moments = data.moments()?;
        let range = window::diffusive(moments, &window::exponents(moments));
        let Some(fit) = range.and_then(|range| Fit::new(moments, range, data.frames())) else {
            let message = "no correlation factor: the MSD does not grow as τ at any lag".into();
            result.caution("no_correlation_factor", message, "run longer");
            return Ok(());
        };
        // groups of ions left out change D and the hops together
        let without = |group: usize| {
            fit.of(|lag| moments.total[lag].plus(moments.groups[lag][group], -1.0).msd())
        };
        let left = (0..self.0.len())
            .map(|group| without(group) / of_hops(&total.plus(self.0[group], -1.0)));
        let known = self.0.len() > 1 && self.0.len() == moments.groups[0].len();
        result.estimates.push(Estimate {
            name: "correlation_factor".into(),
            label: "correlation factor D*/(Γ⟨l²⟩/6)".into(),
            value: fit.value / of_hops(&total),
            uncertainty: if known {
                Uncertainty::StandardError { value: jackknife(left), n_eff: self.0.len() as f64 }
            } else {
                Uncertainty::NotEstimated { why: "a single ion".into() }
            },
            unit: String::new(),
        });
        Ok(())
    }
}

/// Hops of the mobile species.
///
/// # Errors
/// Windows that are no two frames long, or too long for the trajectory.
pub(super) fn hops(data: &Recording, settings: &HopSettings) -> Result<Observables, AnalysisError> {
    data.needs(30, "hops")?;
    let rule = settings.rule(data)?;
    let species = &data.settings().species;
    let atoms = data.mobile_atoms();
    let group_of = dealt(atoms, GROUPS.min(atoms));
    let mut groups = vec![Tally::default(); GROUPS.min(atoms)];
    let bins = (LONGEST / BIN) as usize;
    let mut lengths = vec![0.0; bins];
    let mut cages: Vec<(usize, bool)> = Vec::new();
    let measure = |_: usize, path: Path<'_>| Cages::of(path, &rule);
    data.each_path(species, Reference::Framework, measure, |atom, found| {
        let group = &mut groups[group_of[atom]];
        *group = group.plus(found.tally(), 1.0);
        for length in found.lengths() {
            if let Some(count) = lengths.get_mut((length / BIN) as usize) {
                *count += 1.0;
            }
        }
        cages.extend(found.durations());
    })?;
    let mut result = Observables::new(
        "hops",
        &format!("Hops of {species}"),
        "p(t) = sqrt(<|r_B - <r>_A|^2>_B <|r_A - <r>_B|^2>_A) > d^2, windows A before and B after t; f = D*/(rate <l^2>/6); \
         residence by Kaplan-Meier",
    );
    data.describe(&mut result);
    let (interval, window) = (data.interval(), rule.window as f64 * data.interval());
    result.parameter("windows before and after", format!("{window} fs"));
    result.parameter("least length of a hop", format!("{} Å", rule.distance));
    result.parameter("commit time", format!("{} fs", rule.commit as f64 * interval));
    let groups = Groups(groups);
    groups.describe(data, &mut result)?;
    let axis = |label: &str, unit: &str| Axis { label: label.into(), unit: unit.into() };
    let total: f64 = lengths.iter().sum();
    if total > 0.0 {
        result.curves.push(Curve {
            name: "jump_length".into(),
            label: "lengths of hops".into(),
            x_axis: axis("length", "Å"),
            y_axis: axis("probability density", "1/Å"),
            x: (0..bins).map(|k| (k as f64 + 0.5) * BIN).collect(),
            y: lengths.iter().map(|count| count / (total * BIN)).collect(),
            y_error: lengths.iter().map(|count| count.sqrt() / (total * BIN)).collect(),
        });
    }
    result.curves.extend(kaplan_meier(cages, interval * 1e-3));
    Ok(result)
}

/// Part of the cages that last longer than a time; Greenwood's error. `None` without cages whose beginning was seen.
fn kaplan_meier(mut cages: Vec<(usize, bool)>, to_ps: f64) -> Option<Curve> {
    cages.sort_unstable();
    let (mut survival, mut variance) = (1.0, 0.0);
    let (mut x, mut y, mut y_error) = (vec![0.0], vec![1.0], vec![0.0]);
    let mut at = 0;
    while at < cages.len() {
        let duration = cages[at].0;
        let same = cages[at..].iter().take_while(|cage| cage.0 == duration);
        let (count, ended) =
            same.fold((0, 0), |(count, ended), cage| (count + 1, ended + usize::from(cage.1)));
        let at_risk = (cages.len() - at) as f64;
        at += count;
        if ended == 0 {
            continue;
        }
        let ended = ended as f64;
        survival *= 1.0 - ended / at_risk;
        if survival > 0.0 {
            variance += ended / (at_risk * (at_risk - ended));
        }
        x.push(duration as f64 * to_ps);
        y.push(survival);
        y_error.push(survival * variance.sqrt());
    }
    let step = x.len().div_ceil(POINTS).max(1);
    let thin = |of: Vec<f64>| of.into_iter().step_by(step).collect::<Vec<f64>>();
    (x.len() > 1).then(|| Curve {
        name: "residence".into(),
        label: "part of the cages that last longer".into(),
        x_axis: Axis { label: "time".into(), unit: "ps".into() },
        y_axis: Axis { label: "survival".into(), unit: String::new() },
        x: thin(x),
        y: thin(y),
        y_error: thin(y_error),
    })
}
