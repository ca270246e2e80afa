//! When ions change their region.

/// Time spent in regions [frames] and crossings between them, of one ion or of several.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Crossings {
    /// `[region]`
    pub(super) time: Vec<f64>,
    /// `[from][to]`
    pub(super) count: Vec<Vec<f64>>,
}

impl Crossings {
    pub(super) fn new(regions: usize) -> Self {
        Crossings { time: vec![0.0; regions], count: vec![vec![0.0; regions]; regions] }
    }

    /// Counts the visits of one ion: an excursion shorter than `commit` frames is spent where the ion was before.
    pub(super) fn add(&mut self, labels: &[u8], commit: usize) {
        let Some(first) = labels.first() else { return };
        let mut present = usize::from(*first);
        let mut start = 0;
        while start < labels.len() {
            let label = labels[start];
            let length = labels[start..].iter().take_while(|other| **other == label).count();
            let region = usize::from(label);
            // the last visit is cut off and may have become a long one: it is not counted as a crossing
            let stays = length >= commit;
            if region != present && stays {
                self.count[present][region] += 1.0;
                present = region;
            }
            self.time[present] += length as f64;
            start += length;
        }
    }

    pub(super) fn plus(&self, other: &Crossings, sign: f64) -> Crossings {
        let add = |a: &[f64], b: &[f64]| -> Vec<f64> {
            a.iter().zip(b).map(|(a, b)| a + sign * b).collect()
        };
        Crossings {
            time: add(&self.time, &other.time),
            count: self.count.iter().zip(&other.count).map(|(a, b)| add(a, b)).collect(),
        }
    }

    /// Crossings per ion and frame.
    pub(super) fn rate(&self, from: usize, to: usize) -> f64 {
        self.count[from][to] / self.time[from]
    }

    /// Crossings to any other region per ion and frame.
    pub(super) fn rate_of_leaving(&self, from: usize) -> f64 {
        self.count[from].iter().sum::<f64>() / self.time[from]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_excursions_are_no_crossings() {
        let mut found = Crossings::new(2);
        found.add(&[0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1], 2);
        assert_eq!(found.count, [[0.0, 1.0], [0.0, 0.0]]);
        assert_eq!(found.time, [6.0, 6.0]);
        assert!((found.rate_of_leaving(0) - 1.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_commit_time_every_change_counts() {
        let mut found = Crossings::new(3);
        found.add(&[0, 2, 0, 1], 1);
        assert_eq!(found.count, [[0.0, 1.0, 1.0], [0.0; 3], [1.0, 0.0, 0.0]]);
    }
}
