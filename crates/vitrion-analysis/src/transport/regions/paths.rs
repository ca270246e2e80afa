//! Sums over displacements by the region of their origin.

use super::Regions;
use super::crossings::Crossings;
use crate::error::AnalysisError;
use crate::transport::lags::dealt;
use crate::transport::moments::{GROUPS, Moments, Sums};
use crate::transport::recording::{Path, Recording, Reference};

/// What was counted, by groups of atoms.
pub(super) struct Counted {
    pub(super) lags: Vec<usize>,
    pub(super) groups: usize,
    /// `[way][region][lag][group]`; the ways are origin-assigned and stayed.
    sums: [Vec<Vec<Vec<Sums>>>; 2],
    /// `[lag of the histograms][region][group][bin]`; the last bin lies beyond.
    pub(super) histograms: Vec<Vec<Vec<Vec<u64>>>>,
    /// `[group]`
    pub(super) crossings: Vec<Crossings>,
}

/// How displacements are counted.
pub(super) struct How<'a> {
    pub(super) lags: &'a [usize],
    /// Lags of the histograms.
    pub(super) histogram_lags: &'a [usize],
    pub(super) bins: usize,
    pub(super) bin: f64,
    /// [frames]
    pub(super) commit: usize,
}

/// What one ion contributes.
struct OfIon {
    /// `[way][lag][region]`
    sums: [Vec<Vec<Sums>>; 2],
    /// `[lag][region][bin]`
    histograms: Vec<Vec<Vec<u32>>>,
    crossings: Crossings,
}

impl Counted {
    pub(super) fn of(
        regions: &Regions,
        data: &Recording,
        how: &How<'_>,
    ) -> Result<Self, AnalysisError> {
        let count = regions.labels.names().len();
        let atoms = data.mobile_atoms();
        let groups = GROUPS.min(atoms);
        let group_of = dealt(atoms, groups);
        let empty = || vec![vec![vec![Sums::default(); groups]; how.lags.len()]; count];
        let mut counted = Counted {
            lags: how.lags.to_vec(),
            groups,
            sums: [empty(), empty()],
            histograms: vec![
                vec![vec![vec![0; how.bins + 1]; groups]; count];
                how.histogram_lags.len()
            ],
            crossings: vec![Crossings::new(count); groups],
        };
        // labels of all ions at once would not fit; each ion reads its own
        let measure = |atom: usize, path: Path<'_>| -> Result<OfIon, AnalysisError> {
            let row = regions.mobile.binary_search(&atom).expect("a mobile atom");
            let mut labels = Vec::new();
            regions.of_atoms.read(row..row + 1, &mut labels)?;
            Ok(of_ion(path, &labels, count, how))
        };
        let mut failure = None;
        let species = &data.settings().species;
        data.each_path(species, Reference::Framework, measure, |atom, found| {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    failure = Some(error);
                    return;
                }
            };
            let group = group_of[atom];
            for (sums, found) in counted.sums.iter_mut().zip(&found.sums) {
                for (lag, found) in found.iter().enumerate() {
                    for (region, found) in found.iter().enumerate() {
                        let sum = &mut sums[region][lag][group];
                        *sum = sum.plus(*found, 1.0);
                    }
                }
            }
            for (sums, found) in counted.histograms.iter_mut().zip(&found.histograms) {
                for (sums, found) in sums.iter_mut().zip(found) {
                    for (sum, count) in sums[group].iter_mut().zip(found) {
                        *sum += u64::from(*count);
                    }
                }
            }
            let crossings = &mut counted.crossings[group];
            *crossings = crossings.plus(&found.crossings, 1.0);
        })?;
        failure.map_or(Ok(counted), Err)
    }

    /// Moments of the displacements that begin in a region; with `stayed` of those that do not leave it.
    pub(super) fn moments(&self, region: usize, stayed: bool) -> Moments {
        let groups = self.sums[usize::from(stayed)][region].clone();
        Moments::of_groups(self.lags.clone(), groups)
    }
}

fn of_ion(path: Path<'_>, labels: &[u8], regions: usize, how: &How<'_>) -> OfIon {
    let frames = labels.len();
    // first frame in another region
    let mut until = vec![frames; frames];
    for t in (0..frames.saturating_sub(1)).rev() {
        until[t] = if labels[t] == labels[t + 1] { until[t + 1] } else { t + 1 };
    }
    let [x, y, z] = path.r;
    let moved = |t: usize, lag: usize| [x[t + lag] - x[t], y[t + lag] - y[t], z[t + lag] - z[t]];
    let at_lag = |lag: usize| -> [Vec<Sums>; 2] {
        let mut sums = [vec![Sums::default(); regions], vec![Sums::default(); regions]];
        for t in 0..frames - lag {
            let [dx, dy, dz] = moved(t, lag);
            let (xx, yy, zz) = (dx * dx, dy * dy, dz * dz);
            let r2 = xx + yy + zz;
            let one =
                Sums { count: 1.0, products: [xx, yy, zz, dx * dy, dx * dz, dy * dz], r4: r2 * r2 };
            let region = usize::from(labels[t]);
            let sum = &mut sums[0][region];
            *sum = sum.plus(one, 1.0);
            if until[t] > t + lag {
                let sum = &mut sums[1][region];
                *sum = sum.plus(one, 1.0);
            }
        }
        sums
    };
    let (assigned, stayed) = how
        .lags
        .iter()
        .map(|lag| {
            let [assigned, stayed] = at_lag(*lag);
            (assigned, stayed)
        })
        .unzip();
    let histogram = |lag: &usize| {
        let mut counts = vec![vec![0; how.bins + 1]; regions];
        for t in 0..frames - lag {
            let r = moved(t, *lag).iter().map(|d| d * d).sum::<f64>().sqrt();
            counts[usize::from(labels[t])][((r / how.bin) as usize).min(how.bins)] += 1;
        }
        counts
    };
    let mut crossings = Crossings::new(regions);
    crossings.add(labels, how.commit);
    OfIon {
        sums: [assigned, stayed],
        histograms: how.histogram_lags.iter().map(histogram).collect(),
        crossings,
    }
}
