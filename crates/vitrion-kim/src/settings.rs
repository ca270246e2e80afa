//! The parameter file `settings` of a portable model.

use crate::KimError;
use vitrion_capi::HostedOptions;
use vitrion_model::Precision;

/// Name of the file.
pub(crate) const FILE: &str = "settings";

/// Lines `key = value`; empty ones and those that begin with `#` say nothing.
///
/// `precision = double` (default: what KIM's own checks of derivatives need) or `mixed`.
pub(crate) fn parse(text: &str) -> Result<HostedOptions, KimError> {
    let mut options = HostedOptions { precision: Precision::Double, ..HostedOptions::default() };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |message: String| {
            Err(KimError::Settings(format!("{FILE}, line {}: {message}", number + 1)))
        };
        let Some((key, value)) = line.split_once('=') else {
            return refuse(format!("expected key = value, found \"{line}\""));
        };
        match (key.trim(), value.trim()) {
            ("precision", "double") => options.precision = Precision::Double,
            ("precision", "mixed") => options.precision = Precision::Mixed,
            ("precision", other) => {
                return refuse(format!("precision is \"{other}\", expected double or mixed"));
            }
            (other, _) => return refuse(format!("unknown key \"{other}\"; known: precision")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_named() {
        assert_eq!(parse("").expect("nothing").precision, Precision::Double);
        let mixed = parse("# fast\n\nprecision = mixed\n").expect("one line");
        assert_eq!((mixed.precision, mixed.threads), (Precision::Mixed, 1));
        for (text, message) in [
            (
                "\nprecision = half",
                "settings, line 2: precision is \"half\", expected double or mixed",
            ),
            ("threads = 2", "settings, line 1: unknown key \"threads\"; known: precision"),
            ("precision", "settings, line 1: expected key = value, found \"precision\""),
        ] {
            assert_eq!(parse(text).expect_err(message).to_string(), message);
        }
    }
}
