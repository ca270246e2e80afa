//! The data of a page in few characters: deflated, as base64; `page.js` reads it back with the browser's own inflate.
//!
//! Numbers of many atoms are integers in byte planes first. Positions are fractional coordinates on a grid of even steps along every lattice vector; after the first frame only steps since the frame before are stored, so that atoms at rest cost little and paths stay
//! unwrapped. Noise does not compress, so the grid is as fine as a size allows.

use base64::Engine as _;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write as _;
use vitrion_core::math::Vector3;

/// Steps of grids that are tried, finest first [Å].
const STEPS: [f64; 7] = [0.001, 0.004, 0.012, 0.025, 0.05, 0.125, 0.2];
/// More steps along a lattice vector do not fit into two bytes with a sign.
const MOST: f64 = 32766.0;

/// Positions of all frames.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    /// Steps of the grid along each lattice vector.
    pub(super) steps: [u32; 3],
    /// The largest of its steps [Å].
    pub(super) step: f64,
    /// Every so many frames were kept.
    pub(super) stride: usize,
    /// Where the grid begins and how far it reaches along each lattice vector: 0 and 1 where it is periodic.
    pub(super) origin: Vector3,
    pub(super) extent: Vector3,
    /// Per frame, axis: low bytes of all atoms, then high bytes. Frame 0 holds places modulo the cell, later ones zigzag
    /// steps.
    pub(super) text: String,
}

/// Packs fractional coordinates of all frames into at most `limit` characters if that is possible with a grid of 0.2 Å, or else with
/// fewer frames. `lengths` are those of the lattice vectors [Å].
pub(super) fn path(
    frames: &[Vec<Vector3>],
    periodic: [bool; 3],
    lengths: Vector3,
    limit: usize,
) -> Path {
    let (origin, extent) = reach(frames, periodic);
    let mut stride = 1;
    loop {
        let longest = longest(frames, stride, extent);
        for (number, wanted) in STEPS.iter().enumerate() {
            let reach = [0, 1, 2].map(|k| lengths[k] * extent[k]);
            // as fine as wanted, but no step from frame to frame may need more than two bytes
            let steps = [0, 1, 2].map(|k| {
                let most = MOST.min(MOST / longest[k].max(1.0));
                (reach[k] / wanted).ceil().min(most.floor()).max(2.0) as u32
            });
            let text = text(&planes(frames, stride, (origin, extent), steps));
            let last_resort = number + 1 == STEPS.len() && frames.len() <= stride;
            if text.len() <= limit || last_resort {
                let sizes = [0, 1, 2].map(|k| reach[k] / f64::from(steps[k]));
                let step = sizes.into_iter().fold(0.0, f64::max);
                return Path { steps, step, stride, origin, extent, text };
            }
        }
        stride *= 2;
    }
}

/// The longest steps between kept frames, in units of the extent.
fn longest(frames: &[Vec<Vector3>], stride: usize, extent: Vector3) -> Vector3 {
    let mut longest = [0.0_f64; 3];
    let kept: Vec<&Vec<Vector3>> = frames.iter().step_by(stride).collect();
    for pair in kept.windows(2) {
        for (now, next) in pair[0].iter().zip(pair[1]) {
            for axis in 0..3 {
                longest[axis] = longest[axis].max((next[axis] - now[axis]).abs() / extent[axis]);
            }
        }
    }
    longest
}

/// Where the grid must begin and how far it must reach.
fn reach(frames: &[Vec<Vector3>], periodic: [bool; 3]) -> (Vector3, Vector3) {
    let (mut origin, mut extent) = ([0.0; 3], [1.0; 3]);
    for axis in (0..3).filter(|axis| !periodic[*axis]) {
        let values = || frames.iter().flatten().map(|s| s[axis]);
        let (low, high) = values().fold((0.0_f64, 1.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (origin[axis], extent[axis]) = (low, (high - low) * (1.0 + 1e-6));
    }
    (origin, extent)
}

fn planes(
    frames: &[Vec<Vector3>],
    stride: usize,
    (origin, extent): (Vector3, Vector3),
    steps: [u32; 3],
) -> Vec<u8> {
    let steps = steps.map(i64::from);
    let atoms = frames.first().map_or(0, Vec::len);
    let kept = frames.iter().step_by(stride);
    let mut bytes = Vec::with_capacity(frames.len().div_ceil(stride) * atoms * 6);
    let mut before: Vec<[i64; 3]> = Vec::new();
    for frame in kept {
        let now: Vec<[i64; 3]> = frame
            .iter()
            .map(|s| {
                [0, 1, 2].map(|k| ((s[k] - origin[k]) / extent[k] * steps[k] as f64).floor() as i64)
            })
            .collect();
        for axis in 0..3 {
            let values: Vec<u16> = if before.is_empty() {
                now.iter().map(|q| q[axis].rem_euclid(steps[axis]) as u16).collect()
            } else {
                let pairs = now.iter().zip(&before);
                pairs.map(|(q, p)| zigzag(q[axis] - p[axis])).collect()
            };
            planes_of(&mut bytes, 2, values.into_iter());
        }
        before = now;
    }
    bytes
}

/// A signed step as an unsigned number: 0, −1, 1, −2, … become 0, 1, 2, 3, …
fn zigzag(step: i64) -> u16 {
    ((step << 1) ^ (step >> 63)) as u16
}

/// Small numbers, a byte each.
pub(super) fn small(values: impl Iterator<Item = u8>) -> String {
    text(&values.collect::<Vec<u8>>())
}

/// Values of a quantity on an even scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// 1 or 2 bytes a value; the greatest number stands for "none".
    pub(super) bytes: usize,
    /// Per frame: low bytes of all atoms, then high bytes if there are two.
    pub(super) text: String,
}

/// So many values are stored with two bytes.
const FINE: usize = 100_000;

/// Packs values of every frame; NaN are atoms without one.
pub(super) fn scale(frames: &[&[f64]]) -> Scale {
    let finite = || frames.iter().copied().flatten().filter(|value| value.is_finite());
    let low = finite().copied().fold(f64::INFINITY, f64::min);
    let high = finite().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let bytes = if frames.iter().map(|frame| frame.len()).sum::<usize>() > FINE { 1 } else { 2 };
    let none = if bytes == 1 { 255 } else { 65535 };
    let most = f64::from(none - 1);
    let place = |value: f64| -> u16 {
        if !value.is_finite() {
            return none;
        }
        let part = if high > low { (value - low) / (high - low) } else { 0.0 };
        (part * most).round() as u16
    };
    let mut out = Vec::new();
    for frame in frames {
        planes_of(&mut out, bytes, frame.iter().map(|value| place(*value)));
    }
    Scale { low, high, bytes, text: text(&out) }
}

/// Low bytes of all values, then high bytes if there are two.
fn planes_of(out: &mut Vec<u8>, bytes: usize, values: impl Iterator<Item = u16>) {
    let values: Vec<u16> = values.collect();
    out.extend(values.iter().map(|v| *v as u8));
    if bytes == 2 {
        out.extend(values.iter().map(|v| (*v >> 8) as u8));
    }
}

/// Packs places in a list of so many words; the scale makes them numbers again.
pub(super) fn indices(frames: &[&[f64]], words: usize) -> Scale {
    let bytes = if words < 255 { 1 } else { 2 };
    let none: u16 = if bytes == 1 { 255 } else { 65535 };
    let mut out = Vec::new();
    for frame in frames {
        let place = |v: &f64| if v.is_finite() { (*v as u16).min(none) } else { none };
        planes_of(&mut out, bytes, frame.iter().map(place));
    }
    Scale { low: 0.0, high: f64::from(none - 1), bytes, text: text(&out) }
}

/// Bytes, deflated, as base64.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("memory takes everything");
    let packed = encoder.finish().expect("memory takes everything");
    base64(&packed)
}

/// Bytes as base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn bytes(text: &str) -> Vec<u8> {
        let packed = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
        let mut out = Vec::new();
        flate2::read::DeflateDecoder::new(&packed[..]).read_to_end(&mut out).expect("deflated");
        out
    }

    /// What `viewer/atoms.js` does: the unwrapped places of all frames, in units of lattice vectors.
    fn unpacked(path: &Path, atoms: usize) -> Vec<Vec<Vector3>> {
        let bytes = bytes(&path.text);
        let mut places = vec![[0_i64; 3]; atoms];
        let mut frames = Vec::new();
        for (number, frame) in bytes.chunks(6 * atoms).enumerate() {
            for axis in 0..3 {
                for (atom, place) in places.iter_mut().enumerate() {
                    let at = 2 * axis * atoms + atom;
                    let value = i64::from(frame[at]) + 256 * i64::from(frame[at + atoms]);
                    if number == 0 {
                        place[axis] = value;
                    } else {
                        place[axis] += (value >> 1) ^ -(value & 1);
                    }
                }
            }
            let real = |q: &[i64; 3]| {
                [0, 1, 2].map(|k| {
                    path.origin[k] + path.extent[k] * (q[k] as f64 + 0.5) / f64::from(path.steps[k])
                })
            };
            frames.push(places.iter().map(real).collect());
        }
        frames
    }

    #[test]
    fn positions_come_back_to_half_a_step_and_stay_unwrapped() {
        // an atom that leaves the cell, one that rests outside of it, one that jumps by most of it
        let frames: Vec<Vec<Vector3>> = (0..5)
            .map(|f| {
                let f = f64::from(f);
                vec![[0.9 + 0.3 * f, 0.1, 0.5], [-0.2, 1.7, 0.0], [0.9 * f, 0.0, -0.9 * f]]
            })
            .collect();
        let path = path(&frames, [true; 3], [30.0, 3.0, 30.0], 1_000_000);
        assert_eq!((path.steps, path.stride), ([30000, 3000, 30000], 1));
        let far: Vec<Vec<Vector3>> = (0..3).map(|f| vec![[4.0 * f64::from(f), 0.0, 0.0]]).collect();
        let coarse = super::path(&far, [true; 3], [30.0; 3], 1_000_000);
        assert_eq!(coarse.steps, [8191, 30000, 30000]);
        assert!((unpacked(&coarse, 1)[2][0][0] - 8.0).abs() < 0.51 / 8191.0);
        let back = unpacked(&path, 3);
        for (found, expected) in back.iter().zip(&frames) {
            for atom in 0..3 {
                for axis in 0..3 {
                    // the first frame is taken modulo the cell, displacements are not
                    let shift = frames[0][atom][axis].floor();
                    let error = found[atom][axis] + shift - expected[atom][axis];
                    assert!(error.abs() < 0.51 / f64::from(path.steps[axis]), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_cell_without_periodicity_holds_atoms_outside_of_it() {
        let frames = vec![vec![[-3.0, 0.5, 0.5], [4.0, 0.5, 0.5]]; 2];
        let path = path(&frames, [false, true, true], [10.0; 3], 1_000_000);
        let back = unpacked(&path, 2);
        assert!((back[1][0][0] + 3.0).abs() < 2e-4 && (back[1][1][0] - 4.0).abs() < 4e-4);
    }

    #[test]
    fn what_is_too_large_loses_digits_first_and_then_frames() {
        let mut seed = 1_u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as f64 / 2_f64.powi(31)
        };
        let frames: Vec<Vec<Vector3>> =
            (0..8).map(|_| (0..200).map(|_| [noise(), noise(), noise()]).collect()).collect();
        let path = |limit| path(&frames, [true; 3], [20.0; 3], limit);
        let whole = path(usize::MAX);
        let coarse = path(whole.text.len() * 4 / 5);
        assert!(coarse.step > 1.5 * whole.step && coarse.stride == 1, "{}", coarse.step);
        let short = path(whole.text.len() / 3);
        assert!(short.step < 0.3 && short.stride > 1, "{} {}", short.step, short.stride);
        assert!(short.text.len() <= whole.text.len() / 3);
        assert!(path(10).stride >= 8);
    }

    #[test]
    fn values_keep_their_range_and_those_that_are_none() {
        let scale = scale(&[&[-1.0, f64::NAN, 3.0, 1.0]]);
        assert_eq!((scale.bytes, scale.low.to_bits()), (2, (-1.0_f64).to_bits()));
        let bytes = bytes(&scale.text);
        let value = |k: usize| u32::from(bytes[k]) + 256 * u32::from(bytes[k + 4]);
        assert_eq!([value(0), value(1), value(2), value(3)], [0, 65535, 65534, 32767]);
    }
}
