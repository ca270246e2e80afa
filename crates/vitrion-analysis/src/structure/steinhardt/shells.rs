//! The neighbours of some atoms side by side in memory, for the vectorised loop.

use crate::pairs::LANES;
use std::ops::Range;
use vitrion_core::math::Vector3;

/// Bonds of atoms in rows whose lengths are multiples of `LANES`; what fills them up has weight 0.
#[derive(Debug, Default)]
pub(super) struct Shells {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) z: Vec<f64>,
    pub(super) weight: Vec<f64>,
    ends: Vec<usize>,
    totals: Vec<f64>,
}

impl Shells {
    pub(super) fn clear(&mut self) {
        for list in [&mut self.x, &mut self.y, &mut self.z, &mut self.weight, &mut self.totals] {
            list.clear();
        }
        self.ends.clear();
    }

    /// Adds a bond to the shell that is not closed yet.
    pub(super) fn push(&mut self, [x, y, z]: Vector3, weight: f64) {
        self.x.push(x);
        self.y.push(y);
        self.z.push(z);
        self.weight.push(weight);
    }

    /// Adds bonds of weight 1.
    pub(super) fn extend(&mut self, [x, y, z]: [&[f64]; 3]) {
        self.x.extend_from_slice(x);
        self.y.extend_from_slice(y);
        self.z.extend_from_slice(z);
        self.weight.resize(self.x.len(), 1.0);
    }

    /// Ends a shell, and returns how many bonds it has.
    pub(super) fn close(&mut self) -> usize {
        let first = self.ends.last().copied().unwrap_or(0);
        let bonds = self.x.len() - first;
        self.totals.push(self.weight[first..].iter().sum());
        let end = first + bonds.next_multiple_of(LANES);
        self.x.resize(end, 0.0);
        self.y.resize(end, 0.0);
        self.z.resize(end, 1.0);
        self.weight.resize(end, 0.0);
        self.ends.push(end);
        bonds
    }

    /// Number of closed shells.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Places of the bonds of a shell, with what fills it up.
    pub(super) fn range(&self, shell: usize) -> Range<usize> {
        let first = if shell == 0 { 0 } else { self.ends[shell - 1] };
        first..self.ends[shell]
    }

    /// Sum of the weights of a shell.
    pub(super) fn total(&self, shell: usize) -> f64 {
        self.totals[shell]
    }
}
