//! Exact constants, derived factors, and quantities written with their unit ("2 fs").
//!
//! Inside vitrion: Å, fs, eV, amu, e, K. Every factor is computed here from the constants of the
//! 2019 SI and CODATA 2022; no other file holds a conversion number.

use std::fmt;

/// One electronvolt [J], exact.
pub const EV_IN_JOULE: f64 = 1.602_176_634e-19;
/// Elementary charge [C], exact.
pub const E_IN_COULOMB: f64 = 1.602_176_634e-19;
/// Boltzmann constant [J/K], exact.
pub const BOLTZMANN_J: f64 = 1.380_649e-23;
/// Avogadro constant [1/mol], exact.
pub const AVOGADRO: f64 = 6.022_140_76e23;
/// Atomic mass constant [kg], CODATA 2022.
pub const AMU_IN_KG: f64 = 1.660_539_068_92e-27;
/// Vacuum permittivity [F/m], CODATA 2022.
pub const EPSILON_0: f64 = 8.854_187_818_8e-12;
/// Bohr radius [Å], CODATA 2022.
pub const BOHR: f64 = 0.529_177_210_544;
/// Hartree energy [eV], CODATA 2022.
pub const HARTREE: f64 = 27.211_386_245_981;

/// Boltzmann constant [eV/K].
pub const BOLTZMANN: f64 = BOLTZMANN_J / EV_IN_JOULE;
/// Acceleration [Å/fs²] of 1 amu pulled by 1 eV/Å: `eV / (amu Å)` in Å/fs².
pub const ACCELERATION_PER_FORCE: f64 = EV_IN_JOULE / AMU_IN_KG * 1e-10;
/// Kinetic energy [eV] of 1 amu · (Å/fs)².
pub const KINETIC_PER_MV2: f64 = 1.0 / ACCELERATION_PER_FORCE;
/// One eV/Å³ [GPa].
pub const EV_PER_A3_IN_GPA: f64 = EV_IN_JOULE * 1e30 * 1e-9;
/// The electronvolt [J] by which VASP converts (CODATA 1986): only for undoing what it did.
pub const VASP_EV_IN_JOULE: f64 = 1.602_177_33e-19;
/// One eV/Å³ in the `kB` that VASP prints.
pub const VASP_EV_PER_A3_IN_KB: f64 = VASP_EV_IN_JOULE * 1e30 * 1e-8;
/// One amu/Å³ [g/cm³].
pub const AMU_PER_A3_IN_G_PER_CM3: f64 = AMU_IN_KG * 1e3 * 1e24;
/// One Å²/fs [cm²/s].
pub const A2_PER_FS_IN_CM2_PER_S: f64 = 1e-16 * 1e15;
/// Coulomb constant `e²/(4πε₀)` [eV Å].
pub const COULOMB: f64 =
    E_IN_COULOMB * E_IN_COULOMB / (4.0 * std::f64::consts::PI * EPSILON_0) / EV_IN_JOULE * 1e10;
/// Conductivity [S/cm] of `N/V [Å⁻³] · e²/(k_B T [eV]) · D [Å²/fs]`.
pub const CONDUCTIVITY_IN_S_PER_CM: f64 =
    // e² / eV = C²/J; 1/Å³ · Å²/fs = 1e10 m⁻¹ · 1e15 s⁻¹; S/m → S/cm
    E_IN_COULOMB * E_IN_COULOMB / EV_IN_JOULE * 1e10 * 1e15 * 1e-2;

/// What a quantity measures; each kind has one internal unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [Å]
    Length,
    /// [fs]
    Time,
    /// [eV]
    Energy,
    /// [K]
    Temperature,
    /// [eV/Å³]
    Pressure,
    /// [amu/Å³]
    Density,
    /// [eV/Å]
    Force,
    /// [1/fs]
    Rate,
}

/// `(unit, factor to the internal unit)` of each kind; the first is the internal one.
type UnitTable = &'static [(&'static str, f64)];

const LENGTH: UnitTable = &[("A", 1.0), ("Å", 1.0), ("angstrom", 1.0), ("nm", 10.0), ("pm", 0.01)];
const TIME: UnitTable = &[("fs", 1.0), ("ps", 1e3), ("ns", 1e6), ("us", 1e9), ("as", 1e-3)];
const ENERGY: UnitTable = &[
    ("eV", 1.0),
    ("meV", 1e-3),
    ("kJ/mol", 1e3 / AVOGADRO / EV_IN_JOULE),
    ("kcal/mol", 4184.0 / AVOGADRO / EV_IN_JOULE),
];
const TEMPERATURE: UnitTable = &[("K", 1.0)];
const PRESSURE: UnitTable = &[
    ("eV/A^3", 1.0),
    ("GPa", 1.0 / EV_PER_A3_IN_GPA),
    ("MPa", 1e-3 / EV_PER_A3_IN_GPA),
    ("kbar", 0.1 / EV_PER_A3_IN_GPA),
    ("bar", 1e-4 / EV_PER_A3_IN_GPA),
    ("atm", 1.013_25e-4 / EV_PER_A3_IN_GPA),
    ("Pa", 1e-9 / EV_PER_A3_IN_GPA),
];
const DENSITY: UnitTable = &[
    ("amu/A^3", 1.0),
    ("g/cm3", 1.0 / AMU_PER_A3_IN_G_PER_CM3),
    ("g/cm^3", 1.0 / AMU_PER_A3_IN_G_PER_CM3),
    ("kg/m3", 1e-3 / AMU_PER_A3_IN_G_PER_CM3),
];
const FORCE: UnitTable = &[("eV/A", 1.0), ("meV/A", 1e-3)];
const RATE: UnitTable = &[("/fs", 1.0), ("/ps", 1e-3), ("/ns", 1e-6)];

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Length,
        Kind::Time,
        Kind::Energy,
        Kind::Temperature,
        Kind::Pressure,
        Kind::Density,
        Kind::Force,
        Kind::Rate,
    ];

    fn table(self) -> UnitTable {
        match self {
            Kind::Length => LENGTH,
            Kind::Time => TIME,
            Kind::Energy => ENERGY,
            Kind::Temperature => TEMPERATURE,
            Kind::Pressure => PRESSURE,
            Kind::Density => DENSITY,
            Kind::Force => FORCE,
            Kind::Rate => RATE,
        }
    }

    /// The word used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Length => "length",
            Kind::Time => "time",
            Kind::Energy => "energy",
            Kind::Temperature => "temperature",
            Kind::Pressure => "pressure",
            Kind::Density => "density",
            Kind::Force => "force",
            Kind::Rate => "rate",
        }
    }

    /// The unit in which values of this kind are stored.
    pub fn internal_unit(self) -> &'static str {
        self.table()[0].0
    }

    fn listed(self) -> String {
        self.table().iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", ")
    }

    fn of_unit(unit: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.table().iter().any(|(name, _)| *name == unit))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not a quantity of the wanted kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// No number at the start.
    #[error("expected a {kind} such as \"1 {}\", found {found:?}", kind.internal_unit())]
    NotANumber { kind: Kind, found: String },
    /// A number without unit.
    #[error("{found:?} has no unit: a {kind} needs one of {}", kind.listed())]
    NoUnit { kind: Kind, found: String },
    /// A unit of another kind.
    #[error("{found:?} is a {other}, but a {kind} is expected here: use one of {}", kind.listed())]
    WrongKind { kind: Kind, other: Kind, found: String },
    /// A unit nobody knows.
    #[error("unknown unit {unit:?} in {found:?}: a {kind} needs one of {}", kind.listed())]
    UnknownUnit { kind: Kind, unit: String, found: String },
    /// NaN or infinite.
    #[error("{found:?} is not finite; a {kind} must be")]
    NotFinite { kind: Kind, found: String },
}

/// Reads a quantity such as `"2 fs"` or `"1.5 GPa"` and returns it in the internal unit of `kind`.
///
/// # Errors
/// [`UnitError`] names what was found and lists the units that would do.
pub fn parse(text: &str, kind: Kind) -> Result<f64, UnitError> {
    let found = || text.to_owned();
    let trimmed = text.trim();
    let (number, unit) = split_number(trimmed);
    let value: f64 = number.parse().map_err(|_| UnitError::NotANumber { kind, found: found() })?;
    if !value.is_finite() {
        return Err(UnitError::NotFinite { kind, found: found() });
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit { kind, found: found() });
    }
    if let Some((_, factor)) = kind.table().iter().find(|(name, _)| *name == unit) {
        return Ok(value * factor);
    }
    match Kind::of_unit(unit) {
        Some(other) => Err(UnitError::WrongKind { kind, other, found: found() }),
        None => Err(UnitError::UnknownUnit { kind, unit: unit.to_owned(), found: found() }),
    }
}

/// `value` (internal unit of `kind`) in the named unit.
///
/// # Panics
/// If `unit` is not a unit of `kind`: callers pass literals.
pub fn express(value: f64, kind: Kind, unit: &str) -> f64 {
    let (_, factor) = kind
        .table()
        .iter()
        .find(|(name, _)| *name == unit)
        .expect("express is called with a unit of the table");
    value / factor
}

fn split_number(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let c = bytes[end];
        let exponent_sign =
            (c == b'+' || c == b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        let leading_sign = (c == b'+' || c == b'-') && end == 0;
        // "2eV": an `e` belongs to the number only when an exponent follows
        let exponent = matches!(c, b'e' | b'E')
            && end > 0
            && bytes.get(end + 1).is_some_and(|next| {
                next.is_ascii_digit()
                    || (matches!(next, b'+' | b'-')
                        && bytes.get(end + 2).is_some_and(u8::is_ascii_digit))
            });
        if c.is_ascii_digit() || c == b'.' || exponent || exponent_sign || leading_sign {
            end += 1;
        } else {
            break;
        }
    }
    if end == 0 {
        // "NaN K", "inf K": let the number parser decide
        let word = text.split_whitespace().next().unwrap_or("");
        return (word, text[word.len()..].trim());
    }
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_agree_with_published_values() {
        // LAMMPS units metal: boltz 8.617343e-5 (2006 value), mvv2e 1.0364269e-4 (ps), nktv2p 1.6021765e6 bar
        assert!((BOLTZMANN - 8.617_333_262e-5).abs() < 1e-14);
        assert!((ACCELERATION_PER_FORCE - 9.648_533e-3).abs() < 1e-8);
        assert!((EV_PER_A3_IN_GPA - 160.217_663_4).abs() < 1e-9);
        assert!((COULOMB - 14.399_645_4).abs() < 1e-6);
        assert!((AMU_PER_A3_IN_G_PER_CM3 - 1.660_539).abs() < 1e-6);
    }

    #[test]
    fn nernst_einstein_factor_matches_a_hand_calculation() {
        // 1.83 g/cm3 Li3PS4 at 300 K: sigma/D = 1.138e5 S s/cm3 with n_Li = 3 * 1.83/180.034 * N_A
        let lithium = 3.0 * 1.83 / 180.034 * AVOGADRO * 1e-24; // per Å^3
        let one_cm2_per_s = 1.0 / A2_PER_FS_IN_CM2_PER_S;
        let sigma = CONDUCTIVITY_IN_S_PER_CM * lithium * one_cm2_per_s / (BOLTZMANN * 300.0);
        assert!((sigma / 1.138e5 - 1.0).abs() < 1e-3, "{sigma}");
    }

    #[test]
    fn quantities_are_read_in_any_unit_of_their_kind() {
        assert_eq!(parse("2 fs", Kind::Time), Ok(2.0));
        assert_eq!(parse("0.5ps", Kind::Time), Ok(500.0));
        assert_eq!(parse("2eV", Kind::Energy), Ok(2.0));
        assert_eq!(parse("1e-3 eV", Kind::Energy), Ok(1e-3));
        let gpa = parse("1 GPa", Kind::Pressure).expect("a pressure");
        assert!((gpa * EV_PER_A3_IN_GPA - 1.0).abs() < 1e-15);
        assert!((express(gpa, Kind::Pressure, "bar") - 1e4).abs() < 1e-8);
    }

    #[test]
    fn a_unit_of_the_wrong_kind_is_refused_by_name() {
        let error = parse("300 fs", Kind::Temperature).expect_err("a time");
        assert_eq!(
            error.to_string(),
            "\"300 fs\" is a time, but a temperature is expected here: use one of K"
        );
        assert!(matches!(parse("300", Kind::Temperature), Err(UnitError::NoUnit { .. })));
        assert!(matches!(parse("NaN K", Kind::Temperature), Err(UnitError::NotFinite { .. })));
        assert!(matches!(parse("1 lightyear", Kind::Length), Err(UnitError::UnknownUnit { .. })));
        assert!(matches!(parse("warm", Kind::Temperature), Err(UnitError::NotANumber { .. })));
    }
}
