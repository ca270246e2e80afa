//! Constants of LAMMPS' `units metal`, and how settings are written so that they mean what they mean here.
//!
//! LAMMPS carries older constants to eight digits or fewer. Masses, temperatures and pressures are therefore written with
//! factors that differ from one in the eighth digit or the sixth: `F/m`, `k_B T`, `2K` and `P` are then those of
//! [`vitrion_core::units`], and trajectories agree to rounding.

use vitrion_core::units::{BOLTZMANN, KINETIC_PER_MV2};

/// `force->boltz` [eV/K]; ours is 8.617333262e-5.
const BOLTZ: f64 = 8.617343e-5;
/// `force->mvv2e` [eV per amu (Å/ps)²]; ours is 1.03642697e-4.
const MVV2E: f64 = 1.0364269e-4;
/// `force->nktv2p` [bar per eV/Å³]; ours is 1.602176634e6.
const NKTV2P: f64 = 1.6021765e6;
/// One fs [ps].
const PS: f64 = 1e-3;

/// A mass [amu] as LAMMPS must be given it for the acceleration of ours.
pub(super) fn mass(amu: f64) -> f64 {
    amu * (KINETIC_PER_MV2 * PS * PS / MVV2E)
}

/// A temperature [K] as LAMMPS must be given it for our `k_B T`.
pub(super) fn temperature(kelvin: f64) -> f64 {
    kelvin * (BOLTZMANN / BOLTZ)
}

/// A pressure [eV/Å³] in the bar of LAMMPS.
pub(super) fn pressure(internal: f64) -> f64 {
    internal * NKTV2P
}

/// What LAMMPS calls a virial pressure [bar] times the volume [Å³], in eV.
pub(super) fn virial(bar: f64, volume: f64) -> f64 {
    bar * volume / NKTV2P
}

/// A time [fs] in ps.
pub(super) fn time(fs: f64) -> f64 {
    fs * PS
}

/// A velocity [Å/fs] in Å/ps.
pub(super) fn velocity(internal: f64) -> f64 {
    internal / PS
}

/// A velocity [Å/ps] in Å/fs.
pub(super) fn internal_velocity(lammps: f64) -> f64 {
    lammps * PS
}

/// A rate [1/fs] in 1/ps.
pub(super) fn rate(internal: f64) -> f64 {
    internal / PS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_differ_as_the_book_says() {
        let differs =
            |factor: f64, from_one: f64| (factor - 1.0 - from_one).abs() < 0.05 * from_one.abs();
        assert!(differs(mass(1.0), 6.4e-8), "{:e}", mass(1.0) - 1.0);
        assert!(differs(temperature(1.0), -1.13e-6), "{:e}", temperature(1.0) - 1.0);
        let bar = vitrion_core::units::EV_PER_A3_IN_GPA * 1e4;
        assert!(differs(pressure(1.0) / bar, -8.4e-8), "{:e}", pressure(1.0) / bar - 1.0);
    }
}
