//! Who looks at a stage while it runs.

use vitrion_core::math::Vector3;
use vitrion_core::observables::Observables;
use vitrion_core::{Cell, Structure};

/// What an observer sees: the system after a step.
#[derive(Debug, Clone, Copy)]
pub struct Instant<'a> {
    /// Steps of this stage that are done.
    pub step: u64,
    /// The species, in the order of the arrays; its own cell and positions are not those of the moment.
    pub composition: &'a Structure,
    pub cell: &'a Cell,
    /// Unwrapped [Å].
    pub positions: &'a [Vector3],
    /// [Å/fs]
    pub velocities: &'a [Vector3],
}

/// Accumulates something while a stage runs; what it has becomes part of the checkpoint, so that a
/// resumed stage ends with the same bits.
pub trait Observer {
    /// Different observers of a stage have different names.
    fn name(&self) -> &str;

    /// Steps between two looks, the start of the stage included.
    fn every(&self) -> u64;

    /// Looks; what goes wrong ends the stage with this message.
    ///
    /// # Errors
    /// A message that says what was found.
    fn observe(&mut self, instant: &Instant<'_>) -> Result<(), String>;

    /// Everything that [`Observer::restore`] needs.
    fn save(&self) -> Vec<u8>;

    /// Goes on from what was saved.
    ///
    /// # Errors
    /// Bytes that were saved by something else.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// What was found so far.
    ///
    /// # Errors
    /// Too little was seen.
    fn finish(&self) -> Result<Observables, String>;
}
