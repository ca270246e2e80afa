//! Words of the command line: frames, sizes, directions, bonds.

use super::values::{Chosen, DISPLACEMENT};
use crate::cli::quantity;
use vitrion::error::InputError;
use vitrion::render::{Background, Color, Slice};
use vitrion_core::units::Kind;
use vitrion_core::{Cell, Vector3, math};

/// Pixels along each side, at most.
const MOST_PIXELS: usize = 20_000;

pub(super) fn frame(text: &str) -> Result<Chosen, String> {
    match text {
        "first" => Ok(Chosen::Number(1)),
        "last" => Ok(Chosen::Last),
        _ => match text.parse() {
            Ok(number) if number > 0 => Ok(Chosen::Number(number)),
            _ => Err("expected first, last or a number from 1".to_owned()),
        },
    }
}

pub(super) fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once(['x', '×']).and_then(|(width, height)| {
        Some([width.trim().parse().ok()?, height.trim().parse().ok()?])
    });
    match sides {
        Some([width, height]) if [width, height].iter().all(|n| (1..=MOST_PIXELS).contains(n)) => {
            Ok([width, height])
        }
        _ => Err(format!("expected width x height up to {MOST_PIXELS}, for example 1600x1200")),
    }
}

pub(super) fn bond(text: &str) -> Result<(String, String, f64), String> {
    let parts = text.split_once('=').and_then(|(pair, length)| {
        let (a, b) = pair.split_once('-')?;
        Some((a, b, length.parse::<f64>().ok()?))
    });
    match parts {
        Some((a, b, length)) if (0.0..10.0).contains(&length) => {
            Ok((a.to_owned(), b.to_owned(), length))
        }
        _ => Err("expected a pair and a length below 10 Å, for example Li-S=2.9".to_owned()),
    }
}

pub(super) fn slice(text: &str) -> Result<Slice, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let parsed = match words[..] {
        [axis, from, to] => {
            ["a", "b", "c"].iter().position(|known| *known == axis).and_then(|axis| {
                let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                (from < to).then_some(Slice { axis, from, to })
            })
        }
        _ => None,
    };
    parsed.ok_or_else(|| {
        "expected a, b or c and two rising fractions of it, for example \"a 0.2 0.6\"".to_owned()
    })
}

pub(super) fn repeat(text: &str) -> Result<[usize; 3], String> {
    let counts: Option<Vec<usize>> = text
        .split_whitespace()
        .map(|word| word.parse().ok().filter(|count| (1..=100).contains(count)))
        .collect();
    counts
        .and_then(|counts| counts.try_into().ok())
        .ok_or_else(|| "expected three numbers from 1 to 100, for example \"2 2 1\"".to_owned())
}

pub(super) fn background(text: &str) -> Result<Background, String> {
    match text {
        "white" => Ok(Background::Color(Color::WHITE)),
        "transparent" => Ok(Background::Transparent),
        _ => Color::parse(text)
            .map(Background::Color)
            .ok_or_else(|| "expected white, transparent or #rrggbb".to_owned()),
    }
}

/// Three numbers.
pub(super) fn three(option: &str, text: &str, what: &str) -> Result<Vector3, InputError> {
    let numbers: Option<Vec<f64>> = text
        .split_whitespace()
        .map(|word| word.parse().ok().filter(|x: &f64| x.is_finite()))
        .collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| InputError::Usage(format!("{option} \"{text}\": expected {what}")))
}

/// A lattice vector by name, the sum of all directions, or a Cartesian direction.
pub(super) fn direction(option: &str, text: &str, cell: &Cell) -> Result<Vector3, InputError> {
    let rows = cell.matrix();
    let direction = match text {
        "a" => rows[0],
        "b" => rows[1],
        "c" => rows[2],
        "iso" => rows
            .iter()
            .fold([0.0; 3], |sum, row| math::add(sum, math::scale(*row, 1.0 / math::norm(*row)))),
        _ => three(option, text, "a, b, c, iso or three numbers \"x y z\"")?,
    };
    if math::norm(direction) > 0.0 {
        return Ok(direction);
    }
    Err(InputError::Usage(format!("{option} \"{text}\": this has no direction")))
}

/// `c`, or `b` where `c` points at the reader.
pub(super) fn usual_up(towards: Vector3, cell: &Cell) -> Vector3 {
    let [_, b, c] = *cell.matrix();
    let aside = math::norm(math::cross(c, towards)) / (math::norm(c) * math::norm(towards));
    if aside > 0.1 { c } else { b }
}

/// First and last number of a scale.
pub(super) fn range(text: &str) -> Result<[f64; 2], InputError> {
    let ends = text.split_once(':').and_then(|(from, to)| {
        let (from, to): (f64, f64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (from < to && from.is_finite() && to.is_finite()).then_some([from, to])
    });
    ends.ok_or_else(|| {
        let message = format!("--range \"{text}\": expected two rising numbers, for example 0:4");
        InputError::Usage(message)
    })
}

/// A length for displacements, a number for anything else.
pub(super) fn threshold(text: &str, of: &str) -> Result<f64, InputError> {
    if of == DISPLACEMENT {
        return quantity("--threshold", text, Kind::Length);
    }
    text.trim().parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| {
        InputError::Usage(format!("--threshold \"{text}\": expected a number, as {of} has it"))
    })
}
