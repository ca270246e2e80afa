//! Where the time of an evaluation goes.

use std::ops::AddAssign;
use std::time::Instant;

/// Seconds of all threads together since the last call of `take_breakdown`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Breakdown {
    /// Distances, the switch and environment rows.
    pub environment: f64,
    /// Tables, moments and descriptors.
    pub embedding: f64,
    /// Fitting nets, forward and backward.
    pub fitting: f64,
    /// From the descriptor's gradient to that of every pair, and the gather of forces.
    pub force: f64,
}

impl Breakdown {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.environment + self.embedding + self.fitting + self.force
    }
}

impl AddAssign for Breakdown {
    fn add_assign(&mut self, other: Breakdown) {
        self.environment += other.environment;
        self.embedding += other.embedding;
        self.fitting += other.fitting;
        self.force += other.force;
    }
}

/// A stopwatch for consecutive parts.
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Clock(Instant::now())
    }

    /// Adds the time since the last lap to `part`.
    pub(super) fn lap(&mut self, part: &mut f64) {
        let now = Instant::now();
        *part += (now - self.0).as_secs_f64();
        self.0 = now;
    }
}
