//! Ranges, ticks and the text of ticks. `chart.js` holds the same rules.

use crate::report::number;

/// A range of numbers on a line of some length.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Scale {
    pub(in super::super) low: f64,
    pub(in super::super) high: f64,
    pub(in super::super) log: bool,
}

/// Where an axis is marked.
pub(in super::super) struct Ticks {
    /// Position and text.
    pub(in super::super) major: Vec<(f64, String)>,
    pub(in super::super) minor: Vec<f64>,
}

impl Scale {
    /// Least and greatest usable value, padded by a share of the span; never empty.
    pub(in super::super) fn of(values: impl Iterator<Item = f64>, log: bool, pad: f64) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && (!log || *value > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            let (low, high) = if log { (0.1, 10.0) } else { (0.0, 1.0) };
            return Scale { low, high, log };
        }
        if log {
            let margin = ((high / low).ln() * pad).max(if high > low { 0.0 } else { 0.5 });
            return Scale { low: low * (-margin).exp(), high: high * margin.exp(), log };
        }
        let span = if high > low { (high - low) * pad } else { high.abs().max(1.0) * 0.1 };
        let floor = if low >= 0.0 && low < 0.1 * high { 0.0 } else { low - span };
        Scale { low: floor, high: high + span, log }
    }

    /// The range with a share of its length added at both ends.
    pub(super) fn widened(self, share: f64) -> Scale {
        let Scale { low, high, log } = self;
        if log {
            let margin = (high / low).powf(share);
            return Scale { low: low / margin, high: high * margin, log };
        }
        let margin = share * (high - low);
        Scale { low: low - margin, high: high + margin, log }
    }

    /// True for a number that has a place on the axis.
    pub(in super::super) fn usable(self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// 0 at the low end, 1 at the high one.
    pub(in super::super) fn share(self, value: f64) -> f64 {
        let Scale { low, high, log } = self;
        if log {
            (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        }
    }

    /// At most about `want` ticks.
    pub(in super::super) fn ticks(self, want: f64) -> Ticks {
        if !self.log {
            return self.linear(want);
        }
        let Scale { low, high, .. } = self;
        let first = (low.log10() - 1e-9).ceil() as i32;
        let last = (high.log10() + 1e-9).floor() as i32;
        if last - first >= 1 {
            let stride = (f64::from(last - first) / want).floor() as i32 + 1;
            let powers = first..=last;
            let major = powers.clone().filter(|power| (power - first) % stride == 0);
            let minor: Vec<f64> = if stride > 1 {
                powers
                    .filter(|power| (power - first) % stride != 0)
                    .map(|p| 10f64.powi(p))
                    .collect()
            } else {
                let within = |tick: &f64| (low..=high).contains(tick);
                (first - 1..=last)
                    .flat_map(|power| {
                        (2..10).map(move |digit| f64::from(digit) * 10f64.powi(power))
                    })
                    .filter(within)
                    .collect()
            };
            return Ticks {
                major: major.map(|p| 10f64.powi(p)).map(|t| (t, self.text(t))).collect(),
                minor,
            };
        }
        if high / low > 2.5 {
            let within = |tick: &f64| (low..=high).contains(tick);
            let digits = |digits: &[f64]| -> Vec<f64> {
                (first - 1..=last + 1)
                    .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
                    .filter(within)
                    .collect()
            };
            let major = digits(&[1.0, 2.0, 5.0]);
            if major.len() > 1 {
                return Ticks {
                    major: major.into_iter().map(|t| (t, self.text(t))).collect(),
                    minor: digits(&[3.0, 4.0, 6.0, 7.0, 8.0, 9.0]),
                };
            }
        }
        self.linear(want)
    }

    fn linear(self, want: f64) -> Ticks {
        let Scale { low, high, .. } = self;
        let raw = (high - low) / want.max(1.0);
        let power = 10f64.powf(raw.log10().floor());
        let (digit, parts) = [(1.0, 5.0), (2.0, 4.0), (5.0, 5.0), (10.0, 5.0)]
            .into_iter()
            .find(|(digit, _)| digit * power >= raw * 0.999)
            .unwrap_or((10.0, 5.0));
        let step = digit * power;
        let of = |step: f64| {
            let (first, last) =
                ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
            first..=last
        };
        let major = of(step).map(|index| index as f64 * step);
        let parts_of_step = parts as i64;
        let minor = of(step / parts).filter(|index| index % parts_of_step != 0);
        Ticks {
            major: major.map(|tick| (tick, self.text(tick))).collect(),
            minor: minor.map(|index| index as f64 * step / parts).collect(),
        }
    }

    /// Powers of ten read best on a logarithmic axis this wide.
    fn in_powers(self) -> bool {
        self.log && (self.low < 0.0099 || self.high > 2000.0)
    }

    fn text(self, value: f64) -> String {
        if self.in_powers() && value > 0.0 {
            let power = (value.log10() + 1e-9).floor() as i32;
            let digit = value / 10f64.powi(power);
            if (digit - digit.round()).abs() < 1e-6 {
                return match (digit.round() > 1.0, power) {
                    (false, 0) => "1".to_owned(),
                    (false, _) => format!("10{}", number::superscript(power)),
                    (true, _) => format!("{}·10{}", digit.round(), number::superscript(power)),
                };
            }
        }
        plain(value, 0.5e-9 * (self.high - self.low).abs())
    }
}

/// A number without needless zeros; what is below `nothing` is 0.
fn plain(value: f64, nothing: f64) -> String {
    let size = value.abs();
    if size <= nothing {
        return "0".to_owned();
    }
    if !(1e-4..1e5).contains(&size) {
        let power = (size.log10() + 1e-9).floor() as i32;
        let digits = trimmed(&format!("{:.3}", value / 10f64.powi(power)));
        return format!("{digits}·10{}", number::superscript(power));
    }
    trimmed(&format!("{value:.6}"))
}

fn trimmed(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, log: bool) -> Vec<String> {
        Scale { low, high, log }.ticks(6.0).major.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(texts(0.0, 10.3, false), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts(-0.25, 0.2, false), ["−0.2", "−0.1", "0", "0.1", "0.2"]);
        assert_eq!(texts(0.05, 200.0, true), ["0.1", "1", "10", "100"]);
        assert_eq!(texts(1e-5, 3e-2, true), ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"]);
        assert_eq!(texts(0.0, 4e-7, false), ["0", "1·10⁻⁷", "2·10⁻⁷", "3·10⁻⁷", "4·10⁻⁷"]);
    }

    #[test]
    fn a_logarithmic_axis_of_less_than_a_decade_has_several_ticks() {
        for (low, high) in [(1.1, 1.9), (2.1, 4.9), (3e-3, 2e-2), (0.7, 6.0), (5.1e-6, 9.9e-6)] {
            let found = texts(low, high, true);
            assert!(found.len() > 1, "{low} to {high}: {found:?}");
        }
        let ticks = Scale { low: 1.0, high: 100.0, log: true }.ticks(6.0);
        assert_eq!(ticks.minor.len(), 16);
    }

    #[test]
    fn what_cannot_be_drawn_leaves_the_range_alone() {
        let scale = Scale::of([f64::NAN, -3.0, 0.0, 2.0, 8.0].into_iter(), true, 0.0);
        assert!((scale.low - 2.0).abs() < 1e-12 && (scale.high - 8.0).abs() < 1e-12);
        let none = Scale::of(std::iter::empty(), false, 0.1);
        assert!(none.share(0.5) > 0.4);
    }
}
