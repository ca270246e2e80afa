//! Mean squared displacement, averaged over ions and time origins, with its spread.

use super::TransportError;
use super::trajectory::{Drift, Positions, Trajectory};
use rayon::prelude::*;
use vitrion_core::observables::{Axis, Curve, Estimate, Observables, Uncertainty};
use vitrion_core::stats::{least_squares, mean, variance};
use vitrion_core::units::{self, Kind};
use vitrion_core::{Vector3, math};

/// Time origins are split into this many blocks of consecutive ones.
const BLOCKS: usize = 8;
/// Lags per decade once every lag would be too many.
const LAGS_PER_DECADE: f64 = 24.0;
/// Half width of the interval of the local exponent, in decades of the lag.
const EXPONENT_REACH: f64 = 0.15;

/// `MSD(τ) = ⟨ |r_i(t + τ) − r_i(t)|² ⟩` over all ions i and time origins t, with what its error
/// needs.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanSquaredDisplacement {
    /// Symbol of the species.
    pub species: String,
    /// Number of ions.
    pub ions: usize,
    /// Number of frames.
    pub frames: usize,
    /// Time between frames [fs].
    pub interval: f64,
    /// Lags in frames, increasing, from 1.
    pub lags: Vec<usize>,
    /// MSD along x, y, z at each lag [Å²]; their sum is the MSD.
    pub components: Vec<Vector3>,
    /// Variance of the single squared displacements at each lag [Å⁴].
    pub spread: Vec<f64>,
    /// Components of each ion, averaged over origins [Å²]: row per lag.
    pub per_ion: Vec<Vec<Vector3>>,
    /// MSD of each block of consecutive origins [Å²]: row per lag; empty where origins are fewer
    /// than blocks.
    pub per_block: Vec<Vec<f64>>,
    notes: Option<Notes>,
}

/// What the trajectory says about the paths.
#[derive(Debug, Clone, PartialEq)]
struct Notes {
    positions: Positions,
    drift: Drift,
    framework: Vec<String>,
    /// Net displacement of the drift reference [Å].
    net_drift: f64,
    largest_step: f64,
    shortest_width: f64,
    volume_range: (f64, f64),
}

/// The definition, for one lag: the plain double loop over origins and ions [Å²].
///
/// `paths[t][i]`: unwrapped positions or displacements [Å]. Zero where no origin has that lag.
pub fn definition(paths: &[Vec<Vector3>], lag: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (start, end) in paths.iter().zip(paths.iter().skip(lag)) {
        for (a, b) in start.iter().zip(end) {
            sum += math::norm2(math::sub(*b, *a));
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Lags up to `longest` frames: every one up to 10, then about 24 per decade.
pub fn logarithmic_lags(longest: usize) -> Vec<usize> {
    let mut lags: Vec<usize> = (1..=longest.min(10)).collect();
    let mut exponent = 1.0;
    while lags.last().is_some_and(|last| *last < longest) {
        exponent += 1.0 / LAGS_PER_DECADE;
        let lag = (10f64.powf(exponent).round() as usize).min(longest);
        if lags.last().is_some_and(|last| lag > *last) {
            lags.push(lag);
        }
    }
    lags
}

impl MeanSquaredDisplacement {
    /// The MSD of one species of a trajectory, at logarithmic lags up to half of it.
    ///
    /// # Errors
    /// No such species, or fewer than four frames.
    pub fn of(trajectory: &Trajectory, species: &str) -> Result<Self, TransportError> {
        let frames = trajectory.frames();
        let paths = trajectory.paths(species)?;
        let interval = trajectory.frame_interval()?;
        let lags = logarithmic_lags((frames - 1) / 2);
        let mut msd = Self::from_paths(species, &paths, interval, lags)?;
        let drift = trajectory.drift();
        let (width, volumes) = (trajectory.shortest_width(), trajectory.volume_range());
        msd.notes = Some(Notes {
            positions: trajectory.options().positions,
            drift: trajectory.options().drift,
            framework: trajectory.framework(),
            net_drift: drift.last().map_or(0.0, |d| math::norm(*d)),
            largest_step: trajectory.largest_step(),
            shortest_width: width,
            volume_range: volumes,
        });
        Ok(msd)
    }

    /// The MSD of `paths[t][i]` [Å], frames `interval` [fs] apart, at increasing `lags` [frames].
    ///
    /// Cost O(lags · frames · ions), parallel over lags.
    ///
    /// # Errors
    /// Fewer than four frames, or a lag not shorter than the trajectory.
    ///
    /// # Panics
    /// If a lag is zero or rows differ in length.
    pub fn from_paths(
        species: &str,
        paths: &[Vec<Vector3>],
        interval: f64,
        lags: Vec<usize>,
    ) -> Result<Self, TransportError> {
        let frames = paths.len();
        let needed = lags.iter().copied().max().map_or(4, |lag| (lag + 1).max(4));
        if frames < needed {
            return Err(TransportError::TooFewFrames {
                quantity: "the mean squared displacement",
                needed,
                found: frames,
            });
        }
        assert!(lags.iter().all(|lag| *lag > 0), "a displacement needs a lag");
        let rows: Vec<OneLag> = lags.par_iter().map(|lag| one_lag(paths, *lag)).collect();
        let mut msd = MeanSquaredDisplacement {
            species: species.to_owned(),
            ions: paths[0].len(),
            frames,
            interval,
            lags,
            components: Vec::new(),
            spread: Vec::new(),
            per_ion: Vec::new(),
            per_block: Vec::new(),
            notes: None,
        };
        for row in rows {
            msd.components.push(row.components);
            msd.spread.push(row.spread);
            msd.per_ion.push(row.per_ion);
            msd.per_block.push(row.per_block);
        }
        Ok(msd)
    }

    /// Lag times [fs].
    pub fn times(&self) -> Vec<f64> {
        self.lags.iter().map(|lag| *lag as f64 * self.interval).collect()
    }

    /// Time from the first to the last frame [fs].
    pub fn duration(&self) -> f64 {
        (self.frames - 1) as f64 * self.interval
    }

    /// MSD at each lag [Å²].
    pub fn values(&self) -> Vec<f64> {
        self.components.iter().map(|c| c.iter().sum()).collect()
    }

    /// Standard error of the MSD at each lag [Å²]: the larger of the scatter between ions and the
    /// scatter between blocks of time origins.
    pub fn errors(&self) -> Vec<f64> {
        (0..self.lags.len())
            .map(|k| {
                let ions: Vec<f64> = self.per_ion[k].iter().map(|c| c.iter().sum()).collect();
                standard_error(&ions).max(standard_error(&self.per_block[k]))
            })
            .collect()
    }

    /// Local exponent `β(τ) = d ln MSD / d ln τ` with its standard error from the scatter between
    /// ions: slope over ±0.15 decades of lag, at least three lags. `None` where the MSD is zero.
    pub fn exponents(&self) -> Vec<Option<(f64, f64)>> {
        let values = self.values();
        let log_lags: Vec<f64> = self.lags.iter().map(|lag| (*lag as f64).log10()).collect();
        let n = self.lags.len();
        (0..n)
            .map(|center| {
                let mut range: Vec<usize> = (0..n)
                    .filter(|k| (log_lags[*k] - log_lags[center]).abs() <= EXPONENT_REACH)
                    .collect();
                if range.len() < 3 {
                    let start = center.saturating_sub(1).min(n.saturating_sub(3));
                    range = (start..(start + 3).min(n)).collect();
                }
                if range.len() < 2 || range.iter().any(|k| values[*k] <= 0.0) {
                    return None;
                }
                let x: Vec<f64> = range.iter().map(|k| (self.lags[*k] as f64).ln()).collect();
                let middle = mean(&x);
                let square: f64 = x.iter().map(|x| (x - middle).powi(2)).sum();
                let weights: Vec<f64> = x.iter().map(|x| (x - middle) / square).collect();
                let slope = range.iter().zip(&weights).map(|(k, w)| w * values[*k].ln()).sum();
                // to first order a change of one ion's MSD by δ changes ln MSD by δ / MSD
                let of_ions: Vec<f64> = (0..self.ions)
                    .map(|ion| {
                        let shift = range.iter().zip(&weights).map(|(k, w)| {
                            w * self.per_ion[*k][ion].iter().sum::<f64>() / values[*k]
                        });
                        shift.sum()
                    })
                    .collect();
                Some((slope, standard_error(&of_ions)))
            })
            .collect()
    }

    /// Mean exponent over the lags `range`, long lags weighted less as they are known less
    /// (weight 1/τ); `None` where the MSD is zero or lags are fewer than two.
    pub(super) fn mean_exponent(&self, range: std::ops::Range<usize>) -> Option<f64> {
        let values = self.values();
        if range.clone().any(|k| values[k] <= 0.0) {
            return None;
        }
        let x: Vec<f64> = range.clone().map(|k| (self.lags[k] as f64).ln()).collect();
        let y: Vec<f64> = range.clone().map(|k| values[k].ln()).collect();
        let sigma: Vec<f64> = range.map(|k| (self.lags[k] as f64).sqrt()).collect();
        least_squares::weighted_line(&x, &y, &sigma).ok().map(|line| line.slope)
    }

    /// Curves (total, components, exponent), drift, parameters and cautions.
    pub fn observables(&self) -> Observables {
        let species = &self.species;
        let mut result = Observables::new(
            "mean_squared_displacement",
            &format!("Mean squared displacement of {species}"),
            "MSD(tau) = < |r_i(t + tau) - r_i(t)|^2 > over ions and all time origins; \
             beta = d ln MSD / d ln tau over +-0.15 decades",
        );
        let ps = |time: f64| units::express(time, Kind::Time, "ps");
        result.parameters = vec![
            ("species".to_owned(), species.clone()),
            ("ions".to_owned(), self.ions.to_string()),
            ("frames".to_owned(), self.frames.to_string()),
            ("frame interval".to_owned(), format!("{} fs", self.interval)),
            ("duration".to_owned(), format!("{} ps", ps(self.duration()))),
            ("blocks of time origins".to_owned(), BLOCKS.to_string()),
            ("exponent interval".to_owned(), format!("±{EXPONENT_REACH} decades")),
        ];
        if let Some(notes) = &self.notes {
            notes.state(&mut result);
        }
        let times: Vec<f64> = self.times().into_iter().map(ps).collect();
        let lag_axis = || Axis { label: "lag time".to_owned(), unit: "ps".to_owned() };
        let msd_axis = || Axis { label: "MSD".to_owned(), unit: "Å²".to_owned() };
        result.curves.push(Curve {
            name: format!("msd_{species}"),
            label: species.clone(),
            x_axis: lag_axis(),
            y_axis: msd_axis(),
            x: times.clone(),
            y: self.values(),
            y_error: self.errors(),
        });
        for (k, axis) in ["xx", "yy", "zz"].into_iter().enumerate() {
            let error = |row: &Vec<Vector3>| {
                standard_error(&row.iter().map(|c| c[k]).collect::<Vec<f64>>())
            };
            result.curves.push(Curve {
                name: format!("msd_{species}_{axis}"),
                label: format!("{species} {axis}"),
                x_axis: lag_axis(),
                y_axis: msd_axis(),
                x: times.clone(),
                y: self.components.iter().map(|c| c[k]).collect(),
                y_error: self.per_ion.iter().map(error).collect(),
            });
        }
        let exponents: Vec<(f64, (f64, f64))> = times
            .iter()
            .zip(self.exponents())
            .filter_map(|(time, exponent)| Some((*time, exponent?)))
            .collect();
        result.curves.push(Curve {
            name: format!("exponent_{species}"),
            label: format!("{species} exponent"),
            x_axis: lag_axis(),
            y_axis: Axis { label: "d ln MSD / d ln τ".to_owned(), unit: String::new() },
            x: exponents.iter().map(|(time, _)| *time).collect(),
            y: exponents.iter().map(|(_, (beta, _))| *beta).collect(),
            y_error: exponents.iter().map(|(_, (_, error))| *error).collect(),
        });
        result
    }
}

impl Notes {
    fn state(&self, result: &mut Observables) {
        let positions = match self.positions {
            Positions::Unwrapped => "unwrapped, used as they are",
            Positions::Wrapped => "path rebuilt from nearest images (TOR)",
        };
        let drift = match self.drift {
            Drift::Framework => {
                format!("mass-weighted drift of {} removed", self.framework.join(", "))
            }
            Drift::CenterOfMass => "drift of the total centre of mass removed".to_owned(),
            Drift::Keep => "kept".to_owned(),
        };
        result.parameters.push(("positions".to_owned(), positions.to_owned()));
        result.parameters.push(("drift".to_owned(), drift));
        result.estimates.push(Estimate {
            name: "net_drift_angstrom".to_owned(),
            label: "Net drift of the reference, first to last frame".to_owned(),
            value: self.net_drift,
            uncertainty: Uncertainty::NotEstimated {
                why: "a property of this trajectory, not an average".to_owned(),
            },
            unit: "Å".to_owned(),
        });
        if self.positions == Positions::Wrapped && self.largest_step > 0.25 * self.shortest_width {
            result.caution(
                "coarse_frames",
                format!(
                    "an atom moves {:.2} Å between frames while the cell is {:.2} Å wide: nearest \
                     images may be the wrong ones",
                    self.largest_step, self.shortest_width
                ),
                "Write frames more often, or unwrapped positions.",
            );
        }
        let (low, high) = self.volume_range;
        if self.positions == Positions::Unwrapped && high - low > 1e-9 * high {
            result.caution(
                "breathing_cell",
                format!(
                    "the volume varies between {low:.2} and {high:.2} Å³: unwrapped positions \
                     far from the origin move with the cell and inflate displacements"
                ),
                "Take diffusion from a run at fixed volume, or read the positions as wrapped.",
            );
        }
    }
}

/// Averages of one lag.
struct OneLag {
    components: Vector3,
    spread: f64,
    per_ion: Vec<Vector3>,
    per_block: Vec<f64>,
}

fn one_lag(paths: &[Vec<Vector3>], lag: usize) -> OneLag {
    let ions = paths[0].len();
    let origins = paths.len() - lag;
    let mut per_ion = vec![[0.0; 3]; ions];
    let mut per_block = vec![0.0; BLOCKS];
    let mut fourth = 0.0;
    for origin in 0..origins {
        let mut frame_sum = 0.0;
        for ((sum, a), b) in per_ion.iter_mut().zip(&paths[origin]).zip(&paths[origin + lag]) {
            let d = math::sub(*b, *a);
            let mut r2 = 0.0;
            for k in 0..3 {
                let square = d[k] * d[k];
                sum[k] += square;
                r2 += square;
            }
            frame_sum += r2;
            fourth += r2 * r2;
        }
        per_block[origin * BLOCKS / origins] += frame_sum;
    }
    for sum in &mut per_ion {
        *sum = math::scale(*sum, 1.0 / origins as f64);
    }
    let total = per_ion.iter().fold([0.0; 3], |sum, c| math::add(sum, *c));
    let components = math::scale(total, 1.0 / ions as f64);
    for (block, sum) in per_block.iter_mut().enumerate() {
        // the origins o with floor(o · BLOCKS / origins) = block
        let edge = |b: usize| (b * origins).div_ceil(BLOCKS);
        *sum /= ((edge(block + 1) - edge(block)).max(1) * ions) as f64;
    }
    let msd: f64 = components.iter().sum();
    OneLag {
        components,
        spread: (fourth / (origins * ions) as f64 - msd * msd).max(0.0),
        per_ion,
        per_block: if origins >= BLOCKS { per_block } else { Vec::new() },
    }
}

/// Standard error of a mean of independent values; 0 below two, where nothing is known.
pub(super) fn standard_error(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    (variance(values) / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests;
