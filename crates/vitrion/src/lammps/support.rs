//! What LAMMPS cannot do as this program does it, refused by name before anything runs.

use super::orientation::Orientation;
use vitrion_core::{Cell, Matrix3};
use vitrion_md::{Barostat, Coupling, Ensemble, Ramp, StageSettings, Thermostat};

/// The key of the stage that asks for it, and what is wrong.
pub(super) type Complaint = (&'static str, String);

const NATIVE: &str = "or engine = \"vitrion\", which can";

/// Refuses a stage that LAMMPS would carry out differently.
///
/// # Errors
/// What it cannot do, and what to do instead.
pub(super) fn check(settings: &StageSettings, cell: &Cell) -> Result<(), Complaint> {
    if cell.periodicity() != [true; 3] {
        let message = "engine = \"lammps\" needs a cell that is periodic in all directions; put the atoms into a cell";
        return Err(("kind", message.to_owned()));
    }
    let (orientation, lattice) = Orientation::of(cell);
    let upright = orientation.is_identity() && !is_tilted(&lattice);
    stepwise(settings)?;
    if let Ensemble::Npt { barostat, .. } = settings.ensemble {
        under_pressure(settings, barostat, upright)?;
    }
    let Some(rate) = &settings.strain_rate else { return Ok(()) };
    let sheared = (0..3).any(|a| (0..3).any(|b| a != b && rate[a][b] != 0.0));
    if sheared {
        let message = format!(
            "LAMMPS has no symmetric shear: its cell cannot rotate; give xx, yy, zz only, {NATIVE}"
        );
        return Err(("strain_rate", message));
    }
    if !upright {
        let message = format!(
            "LAMMPS turns this cell or deforms its angles otherwise; only cells with lattice vectors along \
             x, y and z are strained in LAMMPS, {NATIVE}"
        );
        return Err(("strain_rate", message));
    }
    Ok(())
}

/// True if a lower-triangular matrix is not diagonal.
pub(super) fn is_tilted(lattice: &Matrix3) -> bool {
    [lattice[1][0], lattice[2][0], lattice[2][1]].iter().any(|tilt| *tilt != 0.0)
}

/// Plateaus need a thermostat that takes any function of time.
fn stepwise(settings: &StageSettings) -> Result<(), Complaint> {
    let main = settings.ensemble.thermostat().zip(settings.ensemble.temperature());
    let baths = settings.baths.iter().map(|bath| (bath.thermostat, bath.temperature));
    for (thermostat, temperature) in main.into_iter().chain(baths) {
        let chain = matches!(thermostat, Thermostat::NoseHooverChain { .. });
        if chain && stands(temperature) {
            let message = format!(
                "LAMMPS moves the target of a Nosé–Hoover chain linearly only; leave out `plateaus`, take \
                 thermostat = \"csvr\" or \"langevin\", {NATIVE}"
            );
            return Err(("temperature", message));
        }
    }
    if let Ensemble::Npt { pressure, .. } = settings.ensemble
        && stands(pressure)
    {
        let message =
            format!("LAMMPS moves a pressure linearly only; leave out `plateaus`, {NATIVE}");
        return Err(("pressure", message));
    }
    Ok(())
}

fn stands(ramp: Ramp) -> bool {
    ramp.moves() && ramp.plateaus.is_some()
}

fn under_pressure(
    settings: &StageSettings,
    barostat: Barostat,
    upright: bool,
) -> Result<(), Complaint> {
    let Barostat::MartynaTobiasKlein { coupling, .. } = barostat else {
        let message = format!(
            "LAMMPS has no stochastic cell rescaling; take barostat = \"martyna_tobias_klein\", {NATIVE}"
        );
        return Err(("barostat", message));
    };
    if !settings.frozen.is_empty() {
        let message = format!(
            "a barostat of LAMMPS counts the forces on atoms that do not move; freeze in nvt and nve stages only, {NATIVE}"
        );
        return Err(("freeze", message));
    }
    if !settings.baths.is_empty() {
        let message = format!(
            "a barostat of LAMMPS comes with one thermostat for all atoms; hold groups in nvt and nve stages only, {NATIVE}"
        );
        return Err(("thermostats", message));
    }
    if !upright && coupling != Coupling::ISOTROPIC && coupling != Coupling::TRICLINIC {
        let message = format!(
            "LAMMPS turns this cell or changes its angles on the way; take \"isotropic\" or \"triclinic\", {NATIVE}"
        );
        return Err(("coupling", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npt(barostat: Barostat) -> StageSettings {
        let ensemble = Ensemble::Npt {
            temperature: Ramp::constant(300.0),
            thermostat: Thermostat::Csvr { period: 100.0 },
            pressure: Ramp::constant(0.0),
            barostat,
        };
        StageSettings::new(ensemble, 1.0, 100)
    }

    fn mtk(coupling: Coupling) -> StageSettings {
        npt(Barostat::MartynaTobiasKlein { period: 1000.0, chain: 3, coupling })
    }

    #[test]
    fn what_lammps_does_differently_is_refused_by_name() {
        let upright = Cell::orthorhombic([10.0; 3]).expect("a cube");
        let tilted =
            Cell::periodic([[10.0, 0.0, 0.0], [2.0, 10.0, 0.0], [0.0, 0.0, 9.0]]).expect("a cell");
        let slab = Cell::new(*upright.matrix(), [true, true, false]).expect("a slab");
        let good = mtk(Coupling::ANISOTROPIC);
        check(&good, &upright).expect("LAMMPS can");
        check(&mtk(Coupling::TRICLINIC), &tilted).expect("LAMMPS can");
        let scr = npt(Barostat::StochasticCellRescaling { period: 1000.0, compressibility: 1.0 });
        let chain = Thermostat::NoseHooverChain { period: 100.0, chain: 3 };
        let stepped = Ramp { plateaus: Some(3), ..Ramp::linear(900.0, 300.0) };
        let nvt = |thermostat| {
            StageSettings::new(Ensemble::Nvt { temperature: stepped, thermostat }, 1.0, 100)
        };
        check(&nvt(Thermostat::Csvr { period: 100.0 }), &upright).expect("LAMMPS can");
        let strained = |a: usize, b: usize| {
            let mut rate = [[0.0; 3]; 3];
            (rate[a][b], rate[b][a]) = (1e-6, 1e-6);
            StageSettings { strain_rate: Some(rate), ..StageSettings::new(Ensemble::Nve, 1.0, 10) }
        };
        check(&strained(0, 0), &upright).expect("LAMMPS can");
        for (settings, cell, key, word) in [
            (good.clone(), &slab, "kind", "periodic in all directions"),
            (good.clone(), &tilted, "coupling", "\"isotropic\" or \"triclinic\""),
            (scr, &upright, "barostat", "no stochastic cell rescaling"),
            (StageSettings { frozen: vec![0], ..good }, &upright, "freeze", "do not move"),
            (nvt(chain), &upright, "temperature", "leave out `plateaus`"),
            (strained(0, 1), &upright, "strain_rate", "no symmetric shear"),
            (strained(0, 0), &tilted, "strain_rate", "along x, y and z"),
        ] {
            let (found, message) = check(&settings, cell).expect_err(word);
            assert!(found == key && message.contains(word), "{found}: {message}");
        }
    }
}
