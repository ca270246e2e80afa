//! Held-out frames. Neighbouring frames of a trajectory are nearly equal, so whole blocks are held
//! out, never single frames.

use super::dataset::Dataset;

/// How frames are divided into training and validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Equal blocks that each system is cut into, in time order; systems with fewer frames than
    /// blocks are cut into single frames.
    pub blocks: usize,
    /// Every `every`-th block is held out: `every` folds in all; 0 holds out nothing.
    pub every: usize,
    /// Which of them, from 0.
    pub fold: usize,
    /// Training frames dropped on each side of a held-out block.
    pub gap: usize,
}

impl Default for Split {
    fn default() -> Self {
        Split { blocks: 20, every: 10, fold: 3, gap: 0 }
    }
}

/// Numbers of frames, ascending.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parts {
    pub training: Vec<usize>,
    pub validation: Vec<usize>,
}

impl Split {
    /// Divides the frames of a data set.
    pub fn parts(&self, data: &Dataset) -> Parts {
        let mut parts = Parts::default();
        for system in data.systems() {
            let (start, count) = (system.frames.start, system.frames.len());
            let held = self.held_out(count);
            for k in 0..count {
                let near = k.saturating_sub(self.gap)..(k + self.gap + 1).min(count);
                if held[k] {
                    parts.validation.push(start + k);
                } else if !held[near].iter().any(|h| *h) {
                    parts.training.push(start + k);
                }
            }
        }
        parts
    }

    fn held_out(&self, count: usize) -> Vec<bool> {
        let blocks = self.blocks.min(count).max(1);
        let of = |k: usize| k * blocks / count;
        (0..count).map(|k| self.every > 0 && of(k) % self.every == self.fold % self.every).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_cover_every_frame_once_in_whole_blocks() {
        let mut times = [0; 97];
        for fold in 0..5 {
            let split = Split { blocks: 20, every: 5, fold, gap: 0 };
            let held = split.held_out(97);
            let changes = held.windows(2).filter(|w| w[0] != w[1]).count();
            assert!(changes <= 8, "four blocks of a fold: {changes} edges");
            held.iter().zip(&mut times).for_each(|(h, t)| *t += usize::from(*h));
        }
        assert!(times.iter().all(|t| *t == 1));
        let none = Split { every: 0, ..Split::default() };
        assert!(none.held_out(10).iter().all(|h| !h));
    }
}
