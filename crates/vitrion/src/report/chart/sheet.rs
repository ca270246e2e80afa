//! What is drawn on: a page that brings its colours, or paper.
//!
//! Both share one coordinate system, in which small text is 12 units high. On paper a unit is 0.625 pt, so that small text is
//! 7.5 pt high whatever the width of the sheet.

use crate::report::html::escape;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// The font of figures on paper, see `fonts/LICENSE-DejaVu.txt` and `scripts/fonts/subset.sh`.
pub(in super::super) const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
const FAMILY: &str = "'DejaVu Sans', Verdana, Arial, Helvetica, sans-serif";

/// A unit of drawing on paper [mm].
const UNIT_MM: f64 = 0.625 * 25.4 / 72.0;

/// Okabe–Ito, made a little darker where it is too pale for thin lines; the light theme of `style.css`.
const PALETTE: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#b5629a", "#c58800", "#3b9bd1", "#30363d"];
const PALETTE_ON_PAGE: [&str; 7] =
    ["var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"];

/// Something to draw on.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sheet {
    pub(in super::super) paper: bool,
    /// Width in units.
    pub(in super::super) width: f64,
}

/// What is coloured.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Ink {
    /// The ground.
    Ground,
    Text,
    Axis,
    Grid,
    Guide,
    Series(usize),
}

/// Sizes of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Size {
    /// Ticks and legends, 12 units.
    Small,
    /// Axes, 13 units.
    Large,
}

impl Sheet {
    pub(in super::super) const PAGE: Sheet = Sheet { paper: false, width: 720.0 };

    /// Paper of a width [mm].
    pub(in super::super) fn paper(width_mm: f64) -> Sheet {
        Sheet { paper: true, width: width_mm / UNIT_MM }
    }

    pub(in super::super) fn ink(&self, ink: Ink) -> &'static str {
        match (ink, self.paper) {
            (Ink::Ground, true) => "#ffffff",
            (Ink::Ground, false) => "var(--card)",
            (Ink::Text | Ink::Axis, true) => "#000000",
            (Ink::Text, false) => "var(--ink)",
            (Ink::Axis, false) => "var(--soft)",
            (Ink::Grid, true) => "#e4e4e4",
            (Ink::Grid, false) => "var(--grid)",
            (Ink::Guide, true) => "#6b7280",
            (Ink::Guide, false) => "var(--guide)",
            (Ink::Series(number), true) => PALETTE[number % 7],
            (Ink::Series(number), false) => PALETTE_ON_PAGE[number % 7],
        }
    }

    /// Text; `anchor` is start, middle or end.
    pub(in super::super) fn text(
        &self,
        out: &mut String,
        (x, y): (f64, f64),
        anchor: &str,
        size: Size,
        text: &str,
    ) {
        self.turned(out, &format!("x=\"{x:.1}\" y=\"{y:.1}\""), anchor, size, text);
    }

    /// Text that reads upwards.
    pub(in super::super) fn upwards(
        &self,
        out: &mut String,
        (x, y): (f64, f64),
        anchor: &str,
        size: Size,
        text: &str,
    ) {
        let place = format!("transform=\"translate({x:.1} {y:.1}) rotate(-90)\"");
        self.turned(out, &place, anchor, size, text);
    }

    fn turned(&self, out: &mut String, place: &str, anchor: &str, size: Size, text: &str) {
        let looks = match (self.paper, size) {
            (false, Size::Small) => "class=\"tick\"".to_owned(),
            (false, Size::Large) => "class=\"label\"".to_owned(),
            (true, _) => format!("font-size=\"{}\" fill=\"#000000\"", size.height()),
        };
        let anchor =
            if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
        let _ =
            write!(out, "<text {place}{anchor} {looks}>{}</text>", with_subscripts(&clean(text)));
    }

    /// The opening tag of a drawing on this sheet, up to its ground.
    pub(in super::super) fn open(&self, title: &str, height: f64) -> String {
        let (width, title) = (self.width, clean(title));
        if self.paper {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.3}mm\" height=\"{:.3}mm\" \
                 viewBox=\"0 0 {width:.2} {height:.2}\" font-family=\"{FAMILY}\" role=\"img\">\
                 <title>{title}</title><rect width=\"{width:.2}\" height=\"{height:.2}\" fill=\"#ffffff\"/>",
                width * UNIT_MM,
                height * UNIT_MM
            )
        } else {
            format!(
                "<svg class=\"static\" viewBox=\"0 0 {width} {height:.0}\" role=\"img\" \
                 aria-label=\"{title}\">"
            )
        }
    }
}

/// Text that XML can hold: escaped, without control characters.
fn clean(text: &str) -> String {
    escape(&text.replace(|c: char| c.is_control() || c == '\u{fffe}' || c == '\u{ffff}', " "))
}

/// `G_s` as SVG: a subscript of up to three letters or digits after a single letter.
fn with_subscripts(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < letters.len() {
        let word = |c: &&char| c.is_alphanumeric() || **c == '_';
        let alone = letters[at].is_alphabetic() && !(at > 0 && letters[at - 1].is_alphabetic());
        let length = letters.iter().skip(at + 2).take_while(word).count();
        out.push(letters[at]);
        at += 1;
        if alone && letters.get(at) == Some(&'_') && (1..=3).contains(&length) {
            let below: String = letters[at + 1..at + 1 + length].iter().collect();
            // what follows is lifted again; some programs drop a blank at the start of a span
            let _ = write!(out, "<tspan dy=\"3\" font-size=\"9\">{below}</tspan>");
            at += 1 + length;
            let rest: String = letters[at..].iter().collect();
            let rest = rest.replacen(' ', "\u{a0}", usize::from(rest.starts_with(' ')));
            if !rest.is_empty() {
                let _ = write!(out, "<tspan dy=\"-3\">{}</tspan>", with_subscripts(&rest));
            }
            return out;
        }
    }
    out
}

impl Size {
    pub(in super::super) fn height(self) -> f64 {
        match self {
            Size::Small => 12.0,
            Size::Large => 13.0,
        }
    }

    /// Width of a text in units, in the font of paper; the fonts of pages are narrower.
    pub(in super::super) fn width(self, text: &str) -> f64 {
        static FACE: OnceLock<Option<ttf_parser::Face<'static>>> = OnceLock::new();
        let face = FACE.get_or_init(|| ttf_parser::Face::parse(FONT, 0).ok());
        let Some(face) = face else { return 0.6 * self.height() * text.chars().count() as f64 };
        let of = |c: char| {
            let glyph = face.glyph_index(c).unwrap_or_default();
            f64::from(face.glyph_hor_advance(glyph).unwrap_or(0))
        };
        text.chars().map(of).sum::<f64>() / f64::from(face.units_per_em()) * self.height()
    }

    /// The text, cut to fit a width.
    pub(in super::super) fn fitted(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut cut = text.to_owned();
        while cut.pop().is_some() && self.width(&cut) + self.width("…") > width {}
        cut + "…"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_sign_that_charts_use() {
        let face = ttf_parser::Face::parse(FONT, 0).expect("the bundled font");
        for sign in "AZaz09 σÅαβγτρχ⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉·×−–—°⟨⟩±≤≥→…µμ√∞∆".chars()
        {
            assert!(face.glyph_index(sign).is_some(), "{sign:?}");
        }
    }

    #[test]
    fn single_letters_take_subscripts_and_names_do_not() {
        assert_eq!(
            with_subscripts("4πr²G_s [1/Å]"),
            "4πr²G<tspan dy=\"3\" font-size=\"9\">s</tspan><tspan dy=\"-3\">\u{a0}[1/Å]</tspan>"
        );
        for plain in ["unit_fraction", "a_long", "x_", "_x", "σ [S/cm]", "&lt;b&gt;"] {
            assert_eq!(with_subscripts(plain), plain);
        }
    }

    #[test]
    fn text_is_measured_and_cut() {
        let size = Size::Small;
        assert!(size.width("WWW") > 2.0 * size.width("iii"));
        assert_eq!(size.fitted("short", 500.0), "short");
        let cut = size.fitted(&"long ".repeat(40), 120.0);
        assert!(cut.ends_with('…') && size.width(&cut) <= 120.0, "{cut}");
    }
}
