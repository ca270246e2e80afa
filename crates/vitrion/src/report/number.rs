//! Numbers as people read them: the error decides how many digits are shown.

use vitrion_core::{Estimate, Uncertainty};

/// A value ready for a table cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// For example "1.23(4) × 10⁻⁶", without unit.
    pub text: String,
    /// What the error means, for a tooltip or a note.
    pub detail: String,
}

/// Value and error of an estimate as text, without its unit.
pub fn shown(estimate: &Estimate) -> Shown {
    let value = estimate.value;
    match &estimate.uncertainty {
        Uncertainty::StandardError { value: error, n_eff } => Shown {
            text: with_error(value, *error),
            detail: format!(
                "one standard error in parentheses; {} independent samples",
                significant(*n_eff, 2)
            ),
        },
        Uncertainty::Interval { low, high, level } => Shown {
            text: with_interval(value, *low, *high),
            detail: format!("{} interval in brackets", percent(*level)),
        },
        Uncertainty::UpperBound { level } => Shown {
            text: format!("< {}", plain_or_power(value, 2)),
            detail: format!("upper bound at {}", percent(*level)),
        },
        Uncertainty::NotEstimated { why } => {
            Shown { text: plain_or_power(value, 3), detail: format!("no error estimated: {why}") }
        }
    }
}

/// `1.23(4)`, or `0.3 ± 1.4` when the digits in parentheses would mislead.
pub(super) fn with_error(value: f64, error: f64) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    if !(error.is_finite() && error > 0.0) {
        return plain_or_power(value, 4);
    }
    let power = power_of(value.abs().max(error));
    let scale = 10f64.powi(power);
    let (value, error) = (value / scale, error / scale);
    let exponent = error.log10().floor();
    let digits = if error / 10f64.powf(exponent) < 1.95 { 2.0 } else { 1.0 };
    let decimals = (digits - 1.0 - exponent).max(0.0) as usize;
    // digits before the point that the error does not support become zeros
    let unit = 10f64.powf((exponent - digits + 1.0).max(0.0));
    let (value, error) = if unit > 1.0 {
        ((value / unit).round() * unit, (error / unit).round() * unit)
    } else {
        (value, error)
    };
    let plus_minus = error >= 1.0 && decimals > 0 || error > value.abs();
    let body = if plus_minus {
        format!("{value:.decimals$} ± {error:.decimals$}")
    } else {
        format!("{value:.decimals$}({:.0})", error * 10f64.powi(decimals as i32))
    };
    match (power, plus_minus) {
        (0, _) => minus(&body),
        (_, true) => format!("({}) × 10{}", minus(&body), superscript(power)),
        (_, false) => format!("{} × 10{}", minus(&body), superscript(power)),
    }
}

/// `0.32 [0.11, 0.94]`, with a common power of ten where it helps.
pub(super) fn with_interval(value: f64, low: f64, high: f64) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    let power = power_of(value.abs());
    let scale = 10f64.powi(power);
    let width = (high - low).abs() / value.abs().max(f64::MIN_POSITIVE);
    let digits = if width < 0.05 { 3 } else { 2 };
    let side = |bound: f64| {
        let scaled = bound / scale;
        if scaled != 0.0 && scaled.is_finite() && !(1e-3..1e5).contains(&scaled.abs()) {
            plain_or_power(scaled, digits)
        } else {
            significant(scaled, digits)
        }
    };
    let body = format!("{} [{}, {}]", significant(value / scale, digits), side(low), side(high));
    if power == 0 { body } else { format!("{body} × 10{}", superscript(power)) }
}

/// `digits` significant digits, as a plain decimal or with a power of ten.
pub(super) fn plain_or_power(value: f64, digits: usize) -> String {
    let power = power_of(value.abs());
    if power == 0 || !value.is_finite() {
        significant(value, digits)
    } else {
        format!("{} × 10{}", significant(value / 10f64.powi(power), digits), superscript(power))
    }
}

/// `digits` significant digits as a plain decimal.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    minus(&format!("{value:.decimals$}"))
}

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.max(0.0).round();
    if seconds < 100.0 {
        format!("{} s", significant(seconds, 3))
    } else if total < 3600.0 {
        format!("{:.0} min {:.0} s", (total / 60.0).floor(), total % 60.0)
    } else {
        format!("{:.0} h {:.0} min", (total / 3600.0).floor(), (total % 3600.0 / 60.0).floor())
    }
}

/// The 95 % interval of an estimate, `None` where no error is known.
///
/// A standard error of few samples is widened by Student's t with `n_eff − 1` degrees of freedom;
/// an upper bound reaches from zero to the bound.
pub(super) fn interval_95(estimate: &Estimate) -> Option<(f64, f64)> {
    let interval = match &estimate.uncertainty {
        Uncertainty::StandardError { value, n_eff } => {
            let half = student_t_95((n_eff - 1.0).max(1.0)) * value;
            (estimate.value - half, estimate.value + half)
        }
        Uncertainty::Interval { low, high, .. } => (*low, *high),
        Uncertainty::UpperBound { .. } => (0.0, estimate.value),
        Uncertainty::NotEstimated { .. } => return None,
    };
    (interval.0.is_finite() && interval.1.is_finite()).then_some(interval)
}

/// "95 %" of 0.95.
pub(super) fn percent(level: f64) -> String {
    format!("{} %", significant(level * 100.0, 2))
}

/// Two-sided 95 % quantile of Student's t for `nu` ≥ 1 degrees of freedom: table for small `nu`
/// (rounded down), then the first terms of the expansion about the normal quantile
/// (Abramowitz and Stegun 26.7.5).
fn student_t_95(nu: f64) -> f64 {
    const TABLE: [f64; 5] = [12.706, 4.303, 3.182, 2.776, 2.571];
    if nu < 6.0 {
        return TABLE[(nu.floor() as usize).clamp(1, 5) - 1];
    }
    let z: f64 = 1.959_964;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / nu + second / (nu * nu)
}

/// The power of ten to factor out; 0 where a plain decimal reads well.
fn power_of(magnitude: f64) -> i32 {
    if magnitude == 0.0 || !magnitude.is_finite() {
        return 0;
    }
    let power = magnitude.log10().floor() as i32;
    if (-3..5).contains(&power) { 0 } else { power }
}

/// "⁻³" of −3.
pub(super) fn superscript(power: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    power
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]))
        .collect()
}

/// A real minus sign.
fn minus(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, uncertainty: Uncertainty) -> Estimate {
        Estimate { name: "x".into(), label: "x".into(), value, uncertainty, unit: "cm²/s".into() }
    }

    #[test]
    fn the_error_decides_how_many_digits_are_shown() {
        assert_eq!(with_error(1.2345, 0.041), "1.23(4)");
        assert_eq!(with_error(1.2345, 0.013), "1.234(13)");
        assert_eq!(with_error(0.3456, 0.02), "0.35(2)");
        assert_eq!(with_error(612.7, 4.2), "613(4)");
        assert_eq!(with_error(1161.4, 151.3), "1160(150)");
        assert_eq!(with_error(1.2345e-6, 4.1e-8), "1.23(4) × 10⁻⁶");
        assert_eq!(with_error(-1.5, 0.2), "−1.5(2)");
    }

    #[test]
    fn an_error_larger_than_the_value_is_written_out() {
        assert_eq!(with_error(0.3, 1.4), "0.3 ± 1.4");
        assert_eq!(with_error(2.0e-7, 5.0e-7), "(2 ± 5) × 10⁻⁷");
    }

    #[test]
    fn numbers_without_a_usable_error_are_still_readable() {
        assert_eq!(with_error(f64::NAN, 0.1), "not a number");
        assert_eq!(with_error(1.23456, 0.0), "1.235");
        assert_eq!(with_interval(f64::NAN, 0.0, 1.0), "not a number");
    }

    #[test]
    fn bounds_and_intervals_say_what_they_are() {
        let bound = shown(&estimate(2.34e-7, Uncertainty::UpperBound { level: 0.95 }));
        assert_eq!(bound.text, "< 2.3 × 10⁻⁷");
        assert_eq!(bound.detail, "upper bound at 95 %");
        let interval = Uncertainty::Interval { low: 0.011, high: 0.94, level: 0.95 };
        assert_eq!(shown(&estimate(0.1, interval)).text, "0.10 [0.011, 0.94]");
        let none = shown(&estimate(0.35, Uncertainty::NotEstimated { why: "one block".into() }));
        assert_eq!(none.detail, "no error estimated: one block");
    }

    #[test]
    fn few_samples_widen_the_interval_as_student_says() {
        let three = estimate(10.0, Uncertainty::StandardError { value: 1.0, n_eff: 3.0 });
        let (low, high) = interval_95(&three).expect("an error is known");
        assert!((low - (10.0 - 4.303)).abs() < 1e-9 && (high - 14.303).abs() < 1e-9);
        // t tables: 2.228 for 10 degrees of freedom, 1.960 for infinitely many
        assert!((student_t_95(10.0) - 2.228).abs() < 5e-3);
        assert!((student_t_95(1e9) - 1.960).abs() < 1e-3);
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(duration(12.345), "12.3 s");
        assert_eq!(duration(345.0), "5 min 45 s");
        assert_eq!(duration(7384.0), "2 h 3 min");
    }
}
