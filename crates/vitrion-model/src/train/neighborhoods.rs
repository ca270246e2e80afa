//! Neighbours of the frames of a data set, found once and kept as far as memory is allowed.

use super::dataset::Dataset;
use super::example::{Example, Neighborhood};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What is kept.
#[derive(Debug)]
pub struct Neighborhoods {
    found: Vec<OnceLock<Arc<Neighborhood>>>,
    /// Bytes that may still be kept.
    spare: AtomicUsize,
}

impl Neighborhoods {
    /// For the frames of `data`, in at most so many bytes.
    pub fn new(data: &Dataset, bytes: usize) -> Self {
        Neighborhoods {
            found: (0..data.len()).map(|_| OnceLock::new()).collect(),
            spare: AtomicUsize::new(bytes),
        }
    }

    /// Takes over frames with their neighbours; `batch` becomes as long as `frames`. `finish` is
    /// called with every example.
    pub fn fill(
        &self,
        data: &Dataset,
        frames: &[usize],
        cutoff: f64,
        batch: &mut Vec<Example>,
        finish: impl Fn(&mut Example) + Sync,
    ) {
        batch.resize_with(frames.len(), || Example::new(cutoff));
        batch.par_iter_mut().zip(frames).for_each(|(example, number)| {
            let frame = data.frame(*number);
            let known = frame.known();
            if let Some(neighborhood) = self.found[*number].get() {
                let neighborhood = Arc::clone(neighborhood);
                example.set_known(*number, 1.0, neighborhood, frame.species, known);
            } else {
                let (cell, positions) = (&frame.cell, frame.positions);
                example.set(*number, 1.0, cell, positions, frame.species, known);
                let found = example.neighborhood();
                let bytes = found.bytes();
                let take = |left: usize| left.checked_sub(bytes);
                if self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    // lost only if a frame is twice in this batch
                    let _ = self.found[*number].set(Arc::clone(found));
                }
            }
            finish(example);
        });
    }
}
