//! Colours: sRGB as files and people write them, linear light as the tracer adds them.

use super::elements::radius_and_color;

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// Viridis at equal steps, dark to light.
const VIRIDIS: [Color; 17] = [
    Color([68, 1, 84]),
    Color([72, 21, 103]),
    Color([72, 40, 120]),
    Color([67, 57, 131]),
    Color([62, 74, 137]),
    Color([55, 90, 140]),
    Color([49, 104, 142]),
    Color([43, 117, 142]),
    Color([38, 130, 142]),
    Color([33, 145, 140]),
    Color([31, 158, 137]),
    Color([43, 173, 127]),
    Color([68, 191, 112]),
    Color([107, 205, 90]),
    Color([155, 217, 60]),
    Color([205, 225, 29]),
    Color([253, 231, 37]),
];

/// Distinct colours for things without an order, safe for colour-blind readers (Okabe and Ito, 2008).
const DISTINCT: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"];

impl Color {
    pub const WHITE: Color = Color([255; 3]);

    /// From `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |k: usize| u8::from_str_radix(&digits[2 * k..2 * k + 2], 16).ok();
        Some(Color([part(0)?, part(1)?, part(2)?]))
    }

    /// As `#rrggbb`.
    pub fn hex(self) -> String {
        let Color([r, g, b]) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Of an element, see [`radius_and_color`].
    pub fn of_element(symbol: &str, index: usize) -> Self {
        Color::parse(radius_and_color(symbol, index).1).expect("constants are colours")
    }

    /// Viridis at a place from 0 to 1.
    pub fn viridis(part: f64) -> Self {
        let place = part.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
        let low = (place as usize).min(VIRIDIS.len() - 2);
        VIRIDIS[low].mix(VIRIDIS[low + 1], place - low as f64)
    }

    /// One of a few colours that are easily told apart; they repeat after seven.
    pub fn distinct(index: usize) -> Self {
        Color::parse(DISTINCT[index % DISTINCT.len()]).expect("constants are colours")
    }

    /// A share `part` of the other colour, the rest of this one.
    pub fn mix(self, other: Color, part: f64) -> Self {
        Color(std::array::from_fn(|k| {
            let (a, b) = (f64::from(self.0[k]), f64::from(other.0[k]));
            (a + part * (b - a)).round() as u8
        }))
    }

    /// Linear light, 0 to 1 (IEC 61966-2-1).
    pub(super) fn linear(self) -> [f64; 3] {
        self.0.map(|byte| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// The nearest sRGB colour of linear light.
    pub(super) fn of_linear(light: [f64; 3]) -> Self {
        Color(light.map(|x| {
            let x = x.clamp(0.0, 1.0);
            let value = if x <= 0.0031308 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
            (255.0 * value).round() as u8
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_linear_light_and_text() {
        for byte in 0..=255 {
            let color = Color([byte, 255 - byte, byte / 2]);
            assert_eq!(Color::of_linear(color.linear()), color);
            assert_eq!(Color::parse(&color.hex()), Some(color));
        }
        for bad in ["", "#12345", "#1234567", "123456", "#12345g", "#ééé"] {
            assert_eq!(Color::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn viridis_runs_from_dark_blue_to_yellow_and_is_clamped() {
        assert_eq!(Color::viridis(-1.0), Color([68, 1, 84]));
        assert_eq!(Color::viridis(0.5), Color([38, 130, 142]));
        assert_eq!(Color::viridis(7.0), Color([253, 231, 37]));
    }
}
