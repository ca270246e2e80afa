//! When the bonds of a unit turn for good.

use vitrion_core::math::{self, Vector3};

/// Length of the mean of directions that last.
const STEADY: f64 = 0.8;

/// Frames out of `frames` in which a flip would be seen: with a direction of `commit` frames on either side.
pub(super) fn seen(frames: usize, commit: usize) -> usize {
    (frames + 1).saturating_sub(2 * commit)
}

/// Flips of a unit: bonds whose mean direction over `commit` frames has turned so that its cosine with the one before is below `turn`; those of several
/// bonds within `commit` frames are one.
pub(super) fn count(bonds: &[[&[f64]; 3]], commit: usize, turn: f64) -> usize {
    let mut all: Vec<usize> = bonds.iter().flat_map(|bond| of_bond(bond, commit, turn)).collect();
    all.sort_unstable();
    let mut last = None;
    all.into_iter()
        .filter(|time| {
            let new = last.is_none_or(|last: usize| time - last > commit);
            if new {
                last = Some(*time);
            }
            new
        })
        .count()
}

/// Frames at which one bond has turned.
fn of_bond(u: &[&[f64]; 3], commit: usize, turn: f64) -> Vec<usize> {
    let frames = u[0].len();
    if frames < 2 * commit {
        return Vec::new();
    }
    let mut sum = [0.0; 3];
    let mut before: Option<Vector3> = None;
    let mut found = Vec::new();
    for t in 0..frames {
        let out = |k: usize| if t < commit { 0.0 } else { u[k][t - commit] };
        sum = std::array::from_fn(|k| sum[k] + u[k][t] - out(k));
        // the mean of directions on the way is short; it counts when the new direction has lasted
        let length = math::norm(sum);
        if t + 1 < commit || length <= STEADY * commit as f64 {
            continue;
        }
        let present = math::scale(sum, 1.0 / length);
        match before {
            Some(last) if math::dot(present, last) >= turn => {}
            last => {
                found.extend(last.map(|_| t));
                before = Some(present);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_about_one_bond_is_one_flip_and_a_short_one_none() {
        let turned = |from: usize, to: usize| -> [Vec<f64>; 3] {
            let inside = |t: usize| f64::from(u8::from((from..to).contains(&t)));
            let x: Vec<f64> = (0..60).map(inside).collect();
            let y = x.iter().map(|x| 1.0 - x).collect();
            [x, y, vec![0.0; 60]]
        };
        let (rest, first, second) = (turned(60, 60), turned(20, 60), turned(22, 60));
        let unit = [&rest, &first, &second].map(|u| u.each_ref().map(Vec::as_slice));
        assert_eq!(count(&unit, 8, 0.5), 1);
        for (from, to, flips) in [(20, 25, 0), (20, 40, 2)] {
            let bond = turned(from, to);
            assert_eq!(count(&[bond.each_ref().map(Vec::as_slice)], 8, 0.5), flips);
        }
    }
}
