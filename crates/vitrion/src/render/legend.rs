//! What colours mean, beside the picture.

use super::Image;
use super::color::Color;
use super::lettering::{blend, width, write};
use super::look::Background;
use crate::report::significant;

/// Height of capitals as a part of the height of the picture.
const CAPITAL: f64 = 0.022;

/// What colours mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Legend {
    /// Names and their colours.
    Kinds(Vec<(String, Color)>),
    /// A quantity with its unit, and the numbers at the ends of viridis.
    Scale { title: String, range: [f64; 2] },
}

impl Legend {
    /// Pixels that the legend needs beside a picture of this height.
    pub fn width(&self, height: usize) -> usize {
        let capital = CAPITAL * height as f64;
        let text = match self {
            Legend::Kinds(kinds) => {
                kinds.iter().map(|(name, _)| width(name, capital)).fold(0.0, f64::max)
            }
            Legend::Scale { title, range } => ticks(*range)
                .iter()
                .map(|tick| width(tick, capital))
                .fold(width(title, capital) - 2.0 * capital, f64::max),
        };
        (text + 4.5 * capital).ceil() as usize
    }

    /// The picture with the legend to its right; [`Legend::width`] is how much wider it becomes.
    pub fn beside(&self, picture: &Image, background: Background) -> Image {
        let (height, added) = (picture.height, self.width(picture.height));
        let under = match background {
            Background::Color(Color([r, g, b])) => [r, g, b, 255],
            Background::Transparent => [0; 4],
        };
        let mut image = Image {
            width: picture.width + added,
            height,
            rgba: Vec::with_capacity(4 * (picture.width + added) * height),
        };
        for row in picture.rgba.chunks_exact(4 * picture.width) {
            image.rgba.extend_from_slice(row);
            image.rgba.extend(std::iter::repeat_n(under, added).flatten());
        }
        let ink = if background.is_dark() { Color::WHITE } else { Color([30; 3]) };
        let capital = CAPITAL * height as f64;
        let left = picture.width as f64 + capital;
        match self {
            Legend::Kinds(kinds) => {
                let mut line = 0.5 * (height as f64 - 2.4 * capital * (kinds.len() as f64 - 1.0));
                for (name, color) in kinds {
                    disc(&mut image, [left + 0.7 * capital, line], 0.7 * capital, *color);
                    let text = [left + 2.1 * capital, line + 0.5 * capital];
                    write(&mut image, name, text, capital, ink);
                    line += 2.4 * capital;
                }
            }
            Legend::Scale { title, range } => {
                let (top, bottom) = (0.3 * height as f64, 0.75 * height as f64);
                write(&mut image, title, [left, top - 1.6 * capital], capital, ink);
                bar(&mut image, [left, top], [left + 1.2 * capital, bottom]);
                for (k, tick) in ticks(*range).iter().enumerate() {
                    let y = bottom + 0.5 * k as f64 * (top - bottom) + 0.5 * capital;
                    write(&mut image, tick, [left + 1.9 * capital, y], capital, ink);
                }
            }
        }
        image
    }
}

/// Numbers at the lower end, the middle and the upper end of a scale.
fn ticks([from, to]: [f64; 2]) -> [String; 3] {
    [from, f64::midpoint(from, to), to].map(|value| significant(value, 3))
}

/// A shaded disc, as a sphere would look.
fn disc(image: &mut Image, [x, y]: [f64; 2], radius: f64, color: Color) {
    for row in (y - radius - 1.0).max(0.0) as usize..((y + radius + 2.0) as usize).min(image.height)
    {
        for column in (x - radius - 1.0) as usize..((x + radius + 2.0) as usize).min(image.width) {
            let (dx, dy) = (column as f64 + 0.5 - x, row as f64 + 0.5 - y);
            let part = dx.hypot(dy) / radius;
            let rim = Color([0; 3]);
            let shade = color.mix(rim, 0.35 * part.min(1.0).powi(4));
            blend(image, column, row, shade, (radius * (1.0 - part) + 0.5).clamp(0.0, 1.0));
        }
    }
}

fn bar(image: &mut Image, [left, top]: [f64; 2], [right, bottom]: [f64; 2]) {
    for row in top as usize..(bottom as usize).min(image.height) {
        let color = Color::viridis((bottom - row as f64 - 0.5) / (bottom - top));
        for column in left as usize..(right as usize).min(image.width) {
            blend(image, column, row, color, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_widens_the_picture_and_shows_its_colours() {
        let picture = Image { width: 50, height: 400, rgba: vec![255; 4 * 50 * 400] };
        let white = Background::Color(Color::WHITE);
        let kinds =
            Legend::Kinds(vec![("Li".into(), Color([0, 158, 115])), ("S".into(), Color([9; 3]))]);
        let image = kinds.beside(&picture, white);
        assert_eq!(image.width, 50 + kinds.width(400));
        assert_eq!(image.rgba.len(), 4 * image.width * 400);
        assert!(image.rgba.chunks(4).any(|pixel| pixel == [0, 158, 115, 255]));
        let scale = Legend::Scale { title: "displacement (Å)".into(), range: [0.0, 4.0] };
        let image = scale.beside(&picture, Background::Transparent);
        let has = |wanted: Color| image.rgba.chunks(4).any(|pixel| pixel[..3] == wanted.0);
        assert!(has(Color::viridis(0.003)) || has(Color::viridis(0.0)));
        assert_eq!(image.pixel(image.width - 1, 0)[3], 0);
    }
}
