//! The cages of one ion.

use super::Tally;
use crate::transport::recording::Path;
use vitrion_core::math::{self, Vector3};

/// What counts as a hop; times in frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) window: usize,
    /// [Å]
    pub(super) distance: f64,
    pub(super) commit: usize,
}

/// Consecutive frames around one place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cage {
    start: usize,
    end: usize,
    place: Vector3,
}

/// Where an ion stayed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cages {
    stays: Vec<Cage>,
    flickers: usize,
    frames: usize,
}

/// Sums from the first frame up to each frame.
struct Running {
    r: [Vec<f64>; 3],
    r2: Vec<f64>,
}

impl Running {
    fn of(path: Path<'_>) -> Self {
        let sum = |values: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            let mut total = 0.0;
            let rest = values.map(|value| {
                total += value;
                total
            });
            [0.0].into_iter().chain(rest).collect()
        };
        let first = path.r.map(|x| x[0]);
        let r = [0, 1, 2].map(|k| sum(&mut path.r[k].iter().map(|x| x - first[k])));
        let squares = (0..path.r[0].len())
            .map(|t| (0..3).map(|k| (path.r[k][t] - first[k]).powi(2)).sum::<f64>());
        let r2 = sum(&mut { squares });
        Running { r, r2 }
    }

    /// Mean position, relative to the first, and mean square of frames `from..to`.
    fn mean(&self, from: usize, to: usize) -> (Vector3, f64) {
        let share = 1.0 / (to - from) as f64;
        let mean = std::array::from_fn(|k| (self.r[k][to] - self.r[k][from]) * share);
        (mean, (self.r2[to] - self.r2[from]) * share)
    }

    /// `p(t)²` of Candelier et al. [Å⁴].
    fn p2(&self, t: usize, window: usize) -> f64 {
        let (a, a2) = self.mean(t - window, t);
        let (b, b2) = self.mean(t, t + window);
        let cross = 2.0 * math::dot(a, b);
        let of_b = b2 - cross + math::norm2(a);
        let of_a = a2 - cross + math::norm2(b);
        of_a * of_b
    }
}

impl Cages {
    pub(super) fn of(path: Path<'_>, rule: &Rule) -> Self {
        let frames = path.r[0].len();
        let running = Running::of(path);
        let threshold = rule.distance.powi(4);
        let (mut starts, mut best) = (vec![0], None::<(usize, f64)>);
        for t in rule.window..=frames - rule.window {
            let p2 = running.p2(t, rule.window);
            if p2 > threshold {
                best = match best {
                    // two hops of one stretch are told apart when they are a window apart
                    Some((at, _)) if t - at > rule.window => {
                        starts.push(at);
                        Some((t, p2))
                    }
                    Some((at, most)) if most >= p2 => Some((at, most)),
                    _ => Some((t, p2)),
                };
            } else if let Some((at, _)) = best.take() {
                starts.push(at);
            }
        }
        starts.extend(best.map(|(at, _)| at));
        let ends = starts[1..].iter().copied().chain([frames]);
        let cage =
            |(start, end): (usize, usize)| Cage { start, end, place: running.mean(start, end).0 };
        let stays = starts.iter().copied().zip(ends).map(cage).collect();
        let mut found = Cages { stays, flickers: 0, frames };
        found.settle(&running, rule);
        found
    }

    /// Joins cages that are one: too close to each other, or left for the one before at once.
    fn settle(&mut self, running: &Running, rule: &Rule) {
        let mut kept: Vec<Cage> = Vec::with_capacity(self.stays.len());
        let join = |first: Cage, last: Cage| Cage {
            start: first.start,
            end: last.end,
            place: running.mean(first.start, last.end).0,
        };
        let near = |a: &Cage, b: &Cage| math::norm(math::sub(a.place, b.place)) < rule.distance;
        for cage in &self.stays {
            let mut cage = *cage;
            loop {
                if let Some(last) = kept.last().filter(|last| near(last, &cage)) {
                    cage = join(*last, cage);
                    kept.pop();
                    continue;
                }
                if let [.., before, last] = kept[..]
                    && last.end - last.start < rule.commit
                    && near(&before, &cage)
                {
                    // the place stays that of the cage before: the excursion is no part of it
                    self.flickers += 1;
                    cage = Cage { start: before.start, end: cage.end, place: before.place };
                    kept.truncate(kept.len() - 2);
                    continue;
                }
                break;
            }
            kept.push(cage);
        }
        self.stays = kept;
    }

    /// Vectors between the places of successive cages.
    fn jumps(&self) -> impl Iterator<Item = Vector3> {
        self.stays.windows(2).map(|pair| math::sub(pair[1].place, pair[0].place))
    }

    pub(super) fn lengths(&self) -> impl Iterator<Item = f64> {
        self.jumps().map(math::norm)
    }

    /// Lengths [frames] of the cages whose beginning was seen, and whether their end was.
    pub(super) fn durations(&self) -> impl Iterator<Item = (usize, bool)> {
        self.stays.iter().skip(1).map(|cage| (cage.end - cage.start, cage.end < self.frames))
    }

    pub(super) fn tally(&self) -> Tally {
        let jumps: Vec<Vector3> = self.jumps().collect();
        Tally::of(&jumps, self.frames, self.flickers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cages(x: &[f64], rule: Rule) -> Cages {
        let zero = vec![0.0; x.len()];
        Cages::of(Path { r: [x, &zero, &zero], phases: &[] }, &rule)
    }

    #[test]
    fn a_step_is_one_hop_at_its_time_and_of_its_length() {
        let x: Vec<f64> = (0..100).map(|t| if t < 40 { 0.0 } else { 3.0 }).collect();
        let found = cages(&x, Rule { window: 10, distance: 1.5, commit: 0 });
        assert_eq!(found.stays.len(), 2);
        assert_eq!((found.stays[0].end, found.stays[1].start), (40, 40));
        let lengths: Vec<f64> = found.lengths().collect();
        assert!((lengths[0] - 3.0).abs() < 1e-12);
        assert_eq!(found.durations().collect::<Vec<_>>(), [(60, false)]);
    }

    #[test]
    fn a_return_within_the_commit_time_is_a_flicker() {
        let x: Vec<f64> =
            (0..200).map(|t| if (80..110).contains(&t) { 3.0 } else { 0.0 }).collect();
        let quick = cages(&x, Rule { window: 10, distance: 1.5, commit: 40 });
        assert_eq!((quick.stays.len(), quick.flickers), (1, 1));
        let patient = cages(&x, Rule { window: 10, distance: 1.5, commit: 20 });
        assert_eq!((patient.stays.len(), patient.flickers), (3, 0));
    }
}
