//! Curves, rates and coefficients of regions.

use super::crossings::Crossings;
use super::paths::{Counted, How};
use super::{RegionRule, Regions};
use crate::error::AnalysisError;
use crate::samples::jackknife;
use crate::transport::diffusion::fit::Fit;
use crate::transport::diffusion::tensor::Tensor;
use crate::transport::lags::{at_times, longest, spaced};
use crate::transport::moments::{Moments, Sums};
use crate::transport::msd::{along, times, unit};
use crate::transport::recording::Recording;
use crate::transport::window;
use std::ops::Range;
use vitrion_core::Matrix3;
use vitrion_core::observables::{Axis, Categories, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::units;

/// Lags of the curves.
const LAGS: usize = 60;
/// Lags of the van Hove functions, where none are given.
const HISTOGRAMS: usize = 4;
/// Diffusion is fitted where at least this part of the ions stays.
const STAY: f64 = 0.5;
/// Events that are excluded at 95 % where none was seen: −ln 0.05.
const NONE_SEEN: f64 = 2.995_732;
/// Points of the counts against time.
const TIMES: usize = 1000;

pub(super) fn observables(
    regions: &Regions,
    data: &Recording,
) -> Result<Observables, AnalysisError> {
    let settings = &regions.settings;
    let lags = spaced(longest(data.frames()), LAGS);
    let histogram_lags = if settings.times.is_empty() {
        let place = |k: usize| lags[(k + 1) * (lags.len() - 1) / HISTOGRAMS];
        (0..HISTOGRAMS).map(place).collect()
    } else {
        at_times(&settings.times, data, "times")?
    };
    let how = How {
        lags: &lags,
        histogram_lags: &histogram_lags,
        bins: (settings.r_max / settings.bin).round().max(1.0) as usize,
        bin: settings.bin,
        commit: ((settings.commit / data.interval()).round() as usize).max(1),
    };
    let counted = Counted::of(regions, data, &how)?;
    let species = &data.settings().species;
    let mut result = Observables::new(
        "regions",
        &format!("Motion of {species} by region"),
        "MSD_R(tau) = <|dr|^2> of displacements that begin in R (origin-assigned), or do not leave it (stayed); P(tau) = part that stays; \
         rate of crossing = crossings / time in R; D from lags with P > 0.5",
    );
    data.describe(&mut result);
    let rule = match &settings.rule {
        RegionRule::Labels => "labels of the frames",
        RegionRule::Slabs { .. } => "slabs of the cell",
        RegionRule::Amorphization { .. } => "amorphisation profile of every frame",
    };
    result.parameter("regions by", rule);
    result.parameter("commit time", format!("{} fs", how.commit as f64 * data.interval()));
    result.parameter("groups of atoms", counted.groups);
    let directions = unit(&settings.axes.unwrap_or_else(|| data.mean_cell()))?;
    let shown = Shown { regions, data, counted: &counted, directions };
    for (region, name) in regions.labels.names().iter().enumerate() {
        if counted.crossings.iter().all(|group| group.time[region] == 0.0) {
            result.parameter(&format!("ions in {name}"), "none at any time");
            continue;
        }
        shown.region(region, &mut result);
        shown.van_hove(region, &how, &mut result);
    }
    shown.rates(&mut result);
    shown.fractions(&mut result);
    Ok(result)
}

struct Shown<'a> {
    regions: &'a Regions,
    data: &'a Recording,
    counted: &'a Counted,
    directions: Matrix3,
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.into(), unit: unit.into() }
}

impl Shown<'_> {
    fn name(&self, region: usize) -> &str {
        &self.regions.labels.names()[region]
    }

    /// MSD, its directions, α₂ and the part that stays.
    fn region(&self, region: usize, result: &mut Observables) {
        let name = self.name(region);
        let all = times(self.data, &self.counted.lags);
        let assigned = self.counted.moments(region, false);
        let stayed = self.counted.moments(region, true);
        let mut push = |moments: &Moments,
                        name: String,
                        label: String,
                        y_axis: Axis,
                        f: &dyn Fn(&Sums) -> f64| {
            let (y, y_error) = moments.curve(f);
            // lags that no ion of the region was watched for have no value
            let known: Vec<usize> = (0..y.len()).filter(|k| y[*k].is_finite()).collect();
            if known.is_empty() {
                return;
            }
            let take = |of: &[f64]| known.iter().filter_map(|k| of.get(*k).copied()).collect();
            let sound = known.iter().all(|k| y_error.get(*k).is_some_and(|e| e.is_finite()));
            result.curves.push(Curve {
                name,
                label,
                x_axis: axis("lag time", "ps"),
                y_axis,
                x: take(&all),
                y: take(&y),
                y_error: if sound { take(&y_error) } else { Vec::new() },
            });
        };
        let msd = || axis("MSD", "Å²");
        push(&assigned, format!("msd_{name}"), name.to_owned(), msd(), &Sums::msd);
        push(&stayed, format!("msd_{name}_stayed"), format!("{name}, stayed"), msd(), &Sums::msd);
        for (letter, direction) in ["a", "b", "c"].iter().zip(self.directions) {
            let label = format!("{name} along {letter}");
            push(
                &assigned,
                format!("msd_{name}_{letter}"),
                label,
                axis("MSD along an axis", "Å²"),
                &|sums: &Sums| along(&sums.tensor(), direction),
            );
        }
        push(&assigned, format!("alpha2_{name}"), name.to_owned(), axis("α₂", ""), &Sums::alpha2);
        push(
            &stayed,
            format!("alpha2_{name}_stayed"),
            format!("{name}, stayed"),
            axis("α₂", ""),
            &Sums::alpha2,
        );
        let survival = survival(&assigned, &stayed);
        result.curves.push(Curve {
            name: format!("survival_{name}"),
            label: name.to_owned(),
            x_axis: axis("lag time", "ps"),
            y_axis: axis("P, part that stays", ""),
            x: all.clone(),
            y: survival.clone(),
            y_error: Vec::new(),
        });
        self.diffusion(name, (&assigned, &stayed), &survival, result);
    }

    /// Coefficients in both ways, from the lags at which most ions stay.
    fn diffusion(
        &self,
        name: &str,
        (assigned, stayed): (&Moments, &Moments),
        survival: &[f64],
        result: &mut Observables,
    ) {
        let few = survival.iter().take_while(|part| **part > STAY).count();
        let mut found = false;
        for (moments, suffix, label) in
            [(assigned, "", "origin-assigned"), (stayed, "_stayed", "stayed")]
        {
            let Some(range) = lags_of_fit(moments, few) else { continue };
            let Some(fit) = Fit::new(moments, range, self.data.frames()) else { continue };
            found = true;
            self.coefficients(name, suffix, label, moments, &fit, result);
        }
        if !found {
            let message = format!(
                "no diffusion coefficient for {name}: the MSD does not grow as τ while more than half of its ions stay"
            );
            let advice =
                "look at the curves; a wider region, a longer trajectory, or other regions";
            result.caution("region_left_too_soon", message, advice);
        }
    }

    fn coefficients(
        &self,
        name: &str,
        suffix: &str,
        label: &str,
        moments: &Moments,
        fit: &Fit,
        result: &mut Observables,
    ) {
        let scale = units::A2_PER_FS_IN_CM2_PER_S / self.data.interval();
        let tensor = Tensor::new(moments, fit);
        let uncertainty = |error: Option<(f64, usize)>| match error {
            Some((error, groups)) if error.is_finite() => {
                Uncertainty::StandardError { value: error * scale, n_eff: groups as f64 }
            }
            _ => Uncertainty::NotEstimated { why: "too few ions in the region".into() },
        };
        let (value, error) = tensor.evaluate(|d| vitrion_core::math::trace(d) / 3.0);
        let lags = times(self.data, &self.counted.lags);
        let (first, last) = (lags[fit.range.start], lags[fit.range.end - 1]);
        result.parameter(
            &format!("fit window of {name}, {label}"),
            format!("{first:.3} to {last:.3} ps"),
        );
        result.estimates.push(Estimate {
            name: format!("diffusion_{name}{suffix}_cm2_per_s"),
            label: format!("D in {name}, {label}"),
            value: value * scale,
            uncertainty: uncertainty(error),
            unit: "cm²/s".into(),
        });
        for (letter, direction) in ["a", "b", "c"].iter().zip(self.directions) {
            let (value, error) = tensor.evaluate(|d| along(d, direction));
            result.estimates.push(Estimate {
                name: format!("diffusion_{name}{suffix}_{letter}_cm2_per_s"),
                label: format!("D in {name} along {letter}, {label}"),
                value: value * scale,
                uncertainty: uncertainty(error),
                unit: "cm²/s".into(),
            });
        }
    }

    fn van_hove(&self, region: usize, how: &How<'_>, result: &mut Observables) {
        let name = self.name(region);
        let ps = times(self.data, how.histogram_lags);
        for (number, time) in ps.into_iter().enumerate() {
            let of_group = &self.counted.histograms[number][region];
            let density = |left_out: Option<usize>| -> Vec<f64> {
                let groups = of_group.iter().enumerate();
                let used: Vec<&Vec<u64>> = groups
                    .filter(|(g, _)| Some(*g) != left_out)
                    .map(|(_, counts)| counts)
                    .collect();
                let sum = |k: usize| used.iter().map(|counts| counts[k]).sum::<u64>() as f64;
                let total: f64 = (0..=how.bins).map(sum).sum();
                (0..how.bins).map(|k| sum(k) / (total * how.bin)).collect()
            };
            let y = density(None);
            if !y.iter().all(|y| y.is_finite()) {
                continue;
            }
            let left: Vec<Vec<f64>> = (0..of_group.len()).map(|g| density(Some(g))).collect();
            let y_error: Vec<f64> =
                (0..y.len()).map(|k| jackknife(left.iter().map(|curve| curve[k]))).collect();
            let sound = left.len() > 1 && y_error.iter().all(|error| error.is_finite());
            result.curves.push(Curve {
                name: format!("self_{name}_{time:.3}ps"),
                label: format!("{name}, {time:.3} ps"),
                x_axis: axis("r", "Å"),
                y_axis: axis("4πr²G_s", "1/Å"),
                x: (0..how.bins).map(|k| (k as f64 + 0.5) * how.bin).collect(),
                y,
                y_error: if sound { y_error } else { Vec::new() },
            });
        }
    }

    /// Rates of crossing and residence times.
    fn rates(&self, result: &mut Observables) {
        let groups = &self.counted.crossings;
        let names = self.regions.labels.names();
        let empty = Crossings::new(names.len());
        let total = groups.iter().fold(empty, |sum, one| sum.plus(one, 1.0));
        let left: Vec<_> = groups.iter().map(|group| total.plus(group, -1.0)).collect();
        let per_ps = 1e3 / self.data.interval();
        let (mut pairs, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for from in 0..names.len() {
            if total.time[from] == 0.0 {
                continue;
            }
            for to in (0..names.len()).filter(|to| *to != from) {
                pairs.push(format!("{} to {}", names[from], names[to]));
                values.push(total.rate(from, to) * per_ps);
                errors.push(jackknife(left.iter().map(|one| one.rate(from, to))) * per_ps);
            }
            let count: f64 = total.count[from].iter().sum();
            let rate = |one: &Crossings| one.rate_of_leaving(from) * per_ps;
            self.leaving(
                from,
                count,
                rate(&total),
                &left.iter().map(rate).collect::<Vec<f64>>(),
                result,
            );
        }
        if !pairs.is_empty() {
            result.categories.push(Categories {
                name: "crossing_rate".into(),
                label: "rate of crossing per ion".into(),
                axis: axis("rate", "1/ps"),
                names: pairs,
                values,
                errors: if left.len() > 1 { errors } else { Vec::new() },
            });
        }
    }

    /// The rate at which ions leave a region [1/ps], and its inverse; an upper bound where none left.
    fn leaving(
        &self,
        region: usize,
        count: f64,
        rate: f64,
        left: &[f64],
        result: &mut Observables,
    ) {
        let name = self.name(region);
        let error = |f: fn(f64) -> f64| {
            let error = jackknife(left.iter().map(|rate| f(*rate)));
            if left.len() > 1 && error.is_finite() {
                Uncertainty::StandardError { value: error, n_eff: left.len() as f64 }
            } else {
                Uncertainty::NotEstimated { why: "too few ions left".into() }
            }
        };
        let time: f64 = self.counted.crossings.iter().map(|group| group.time[region]).sum();
        let ps = time * self.data.interval() * 1e-3;
        let (value, uncertainty) = if count == 0.0 {
            (NONE_SEEN / ps, Uncertainty::UpperBound { level: 0.95 })
        } else {
            (rate, error(|rate| rate))
        };
        let mut push = |name: String, label: String, value: f64, uncertainty, unit: &str| {
            result.estimates.push(Estimate { name, label, value, uncertainty, unit: unit.into() });
        };
        let label = format!("rate of leaving {name} per ion ({count:.0} left)");
        push(format!("leaving_{name}_per_ps"), label, value, uncertainty, "1/ps");
        if count > 0.0 {
            let label = format!("residence time in {name}");
            push(format!("residence_{name}_ps"), label, 1.0 / rate, error(|rate| 1.0 / rate), "ps");
        }
    }

    /// Share of the mobile atoms in each region against time, and that over the share of all other atoms.
    fn fractions(&self, result: &mut Observables) {
        let counts = &self.regions.counts;
        let (ions, others) = (self.data.mobile_atoms() as f64, self.regions.others as f64);
        let block = counts.len().div_ceil(TIMES);
        for region in 0..self.regions.labels.names().len() {
            let mean = |part: &[Vec<[u32; 2]>], which: usize| {
                let of = |counts: &Vec<[u32; 2]>| counts.get(region).map_or(0, |c| c[which]);
                part.iter().map(|counts| f64::from(of(counts))).sum::<f64>() / part.len() as f64
            };
            let share: Vec<f64> = counts.chunks(block).map(|part| mean(part, 0) / ions).collect();
            let over: Vec<f64> = counts
                .chunks(block)
                .map(|part| mean(part, 0) / ions / (mean(part, 1) / others))
                .collect();
            let middle =
                |k: usize| (k as f64 + 0.5 * (block as f64 - 1.0) / block as f64) * block as f64;
            let x: Vec<f64> =
                (0..share.len()).map(|k| middle(k) * self.data.interval() * 1e-3).collect();
            let name = self.name(region);
            let species = &self.data.settings().species;
            result.curves.push(Curve {
                name: format!("fraction_{name}"),
                label: name.to_owned(),
                x_axis: axis("time", "ps"),
                y_axis: axis(&format!("share of {species}"), ""),
                x: x.clone(),
                y: share,
                y_error: Vec::new(),
            });
            if others > 0.0 && over.iter().all(|over| over.is_finite()) {
                result.curves.push(Curve {
                    name: format!("enrichment_{name}"),
                    label: name.to_owned(),
                    x_axis: axis("time", "ps"),
                    y_axis: axis(&format!("share of {species} over share of all others"), ""),
                    x,
                    y: over,
                    y_error: Vec::new(),
                });
            }
        }
    }
}

/// Part of the displacements of a region that do not leave it, by lag.
fn survival(assigned: &Moments, stayed: &Moments) -> Vec<f64> {
    let counts = assigned.total.iter().zip(&stayed.total);
    counts
        .map(|(all, stayed)| if all.count > 0.0 { stayed.count / all.count } else { 0.0 })
        .collect()
}

/// Diffusive lags among the first few.
fn lags_of_fit(moments: &Moments, few: usize) -> Option<Range<usize>> {
    let moments = moments.first_lags(few);
    window::diffusive(&moments, &window::exponents(&moments))
}
