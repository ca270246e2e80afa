//! One level of the order-n scheme: the last samples at its spacing, and sums at its lags.

use super::{KEPT, RATIO};
use serde::{Deserialize, Serialize};
use vitrion_core::math::{self, Vector3};

/// Displacements and velocities of one instant, atoms sorted by element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) displacement: Vec<Vector3>,
    pub(super) velocity: Vec<Vector3>,
    /// `Σ z_i Δr_i` and `Σ z_i v_i`.
    pub(super) dipole: Vector3,
    pub(super) current: Vector3,
}

impl Sample {
    pub(super) fn zero(atoms: usize) -> Self {
        Sample {
            displacement: vec![[0.0; 3]; atoms],
            velocity: vec![[0.0; 3]; atoms],
            dipole: [0.0; 3],
            current: [0.0; 3],
        }
    }
}

/// Sums over origins and atoms of one element at one lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// `Δx², Δy², Δz²`
    pub(super) axes: Vector3,
    /// `|Δr|⁴, |Δr|⁶, |Δr|⁸`
    pub(super) higher: Vector3,
    /// `v(0)·v(τ)` and its square.
    pub(super) velocity: f64,
    pub(super) velocity2: f64,
}

/// Sums of the collective quantities at one lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Collective {
    /// `|Σ z Δr|²` and its square.
    pub(super) dipole: f64,
    pub(super) dipole2: f64,
    /// `J(0)·J(τ)` and its square.
    pub(super) current: f64,
    pub(super) current2: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    number: usize,
    /// Ring of the last samples.
    kept: Vec<Sample>,
    /// Samples seen by this level.
    seen: u64,
    elements: usize,
    /// `[lag][element]`
    sums: Vec<Sums>,
    /// `[lag]`, empty without charges.
    collective: Vec<Collective>,
    /// Origins at each lag.
    origins: Vec<u64>,
}

impl Level {
    pub(super) fn new(number: usize, atoms: usize, elements: usize, charged: bool) -> Self {
        Level {
            number,
            kept: vec![Sample::zero(atoms); KEPT],
            seen: 0,
            elements,
            sums: vec![Sums::default(); KEPT * elements],
            collective: if charged { vec![Collective::default(); KEPT] } else { Vec::new() },
            origins: vec![0; KEPT],
        }
    }

    /// Its spacing, in samples.
    pub(super) fn every(&self) -> u64 {
        (RATIO as u64).pow(self.number as u32)
    }

    /// Its longest lag, in samples.
    pub(super) fn longest(&self) -> u64 {
        (KEPT as u64 - 1) * self.every()
    }

    /// Lags of this level, in units of its spacing: shorter ones belong to the level below.
    pub(super) fn lags(&self) -> std::ops::Range<usize> {
        if self.number == 0 { 0..KEPT } else { KEPT.div_ceil(RATIO)..KEPT }
    }

    /// Compares a sample with those kept, and keeps it.
    pub(super) fn add(&mut self, sample: &Sample, ends: &[usize]) {
        let place = (self.seen % KEPT as u64) as usize;
        self.kept[place].clone_from(sample);
        for lag in self.lags() {
            if lag as u64 > self.seen {
                break;
            }
            let origin = &self.kept[(place + KEPT - lag) % KEPT];
            self.origins[lag] += 1;
            let mut start = 0;
            for (element, end) in ends.iter().enumerate() {
                let sums = &mut self.sums[lag * self.elements + element];
                accumulate(sums, origin, sample, start..*end);
                start = *end;
            }
            if let Some(collective) = self.collective.get_mut(lag) {
                let dipole = math::norm2(math::sub(sample.dipole, origin.dipole));
                let current = math::dot(sample.current, origin.current);
                collective.dipole += dipole;
                collective.dipole2 += dipole * dipole;
                collective.current += current;
                collective.current2 += current * current;
            }
        }
        self.seen += 1;
    }

    pub(super) fn sums(&self, lag: usize, element: usize) -> &Sums {
        &self.sums[lag * self.elements + element]
    }

    pub(super) fn collective(&self, lag: usize) -> Option<&Collective> {
        self.collective.get(lag)
    }

    pub(super) fn origins(&self, lag: usize) -> u64 {
        self.origins[lag]
    }

    pub(super) fn bytes(&self) -> usize {
        let atoms = self.kept[0].displacement.len();
        KEPT * atoms * 2 * size_of::<Vector3>() + self.sums.len() * size_of::<Sums>()
    }
}

fn accumulate(sums: &mut Sums, origin: &Sample, now: &Sample, atoms: std::ops::Range<usize>) {
    let displaced = now.displacement[atoms.clone()].iter().zip(&origin.displacement[atoms.clone()]);
    let (mut axes, mut higher) = ([0.0; 3], [0.0; 3]);
    for (b, a) in displaced {
        let d = math::sub(*b, *a);
        let squares = [d[0] * d[0], d[1] * d[1], d[2] * d[2]];
        let r2 = squares[0] + squares[1] + squares[2];
        let r4 = r2 * r2;
        axes = math::add(axes, squares);
        higher = math::add(higher, [r4, r4 * r2, r4 * r4]);
    }
    sums.axes = math::add(sums.axes, axes);
    sums.higher = math::add(sums.higher, higher);
    let (mut velocity, mut velocity2) = (0.0, 0.0);
    for (b, a) in now.velocity[atoms.clone()].iter().zip(&origin.velocity[atoms]) {
        let product = math::dot(*a, *b);
        velocity += product;
        velocity2 += product * product;
    }
    sums.velocity += velocity;
    sums.velocity2 += velocity2;
}
