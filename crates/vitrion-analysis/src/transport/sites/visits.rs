//! The sites of one ion, one after the other.

use crate::transport::hops::Tally;
use vitrion_core::Vector3;

/// Stays that count.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visits {
    sites: Vec<u32>,
    flickers: usize,
    frames: usize,
}

impl Visits {
    /// A stay shorter than `commit` frames belongs to the site before, or the one after at the beginning.
    pub(super) fn of(labels: &[u32], commit: usize) -> Self {
        let mut found = Visits { sites: Vec::new(), flickers: 0, frames: labels.len() };
        let mut start = 0;
        while start < labels.len() {
            let site = labels[start];
            let length = labels[start..].iter().take_while(|other| **other == site).count();
            start += length;
            let stays = length >= commit.max(1);
            match found.sites.last() {
                Some(last) if *last == site => {}
                _ if stays => found.sites.push(site),
                Some(_) => found.flickers += 1,
                None => {}
            }
        }
        found
    }

    /// Successive sites.
    pub(super) fn jumps(&self) -> impl Iterator<Item = (u32, u32)> {
        self.sites.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Sums over the jumps, whose vectors are given.
    pub(super) fn tally(&self, jumps: &[Vector3]) -> Tally {
        Tally::of(jumps, self.frames, self.flickers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_stays_are_flickers_and_long_ones_jumps() {
        let found = Visits::of(&[0, 0, 0, 1, 0, 0, 2, 2, 2, 1, 2, 3, 3], 2);
        assert_eq!(found.sites, [0, 2, 3]);
        assert_eq!(found.flickers, 2);
        assert_eq!(Visits::of(&[0, 1, 0], 1).sites, [0, 1, 0]);
    }
}
