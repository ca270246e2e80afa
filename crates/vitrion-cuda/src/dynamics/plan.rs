//! What a stage asks of the device, as its kernels take it; and variables there and back.

use super::arguments::{ChainState, Control, FROZEN, PARTS, PartArguments, Plan, RampArguments};
use crate::error::{Result, unsupported};
use bytemuck::Zeroable;
use vitrion_core::{Cell, units};
use vitrion_md::{Barostat, Chain, Ensemble, Ramp, StageSettings, Thermostat, Variables};

/// Refuses what the kernels do not have.
///
/// # Errors
/// Langevin dynamics, cells that are not periodic in all directions, more than seven baths.
pub(super) fn supported(settings: &StageSettings, cell: &Cell) -> Result<()> {
    if cell.periodicity() != [true; 3] {
        return unsupported("dynamics in a cell that is not periodic in all directions");
    }
    let baths = settings.baths.iter().map(|bath| bath.thermostat);
    let mut all = settings.ensemble.thermostat().into_iter().chain(baths);
    if all.any(|thermostat| matches!(thermostat, Thermostat::Langevin { .. })) {
        return unsupported("Langevin dynamics");
    }
    if settings.baths.len() >= PARTS {
        return unsupported(format!(
            "more than {} groups with thermostats of their own",
            PARTS - 1
        ));
    }
    Ok(())
}

fn ramp(ramp: Ramp) -> RampArguments {
    RampArguments {
        start: ramp.start,
        end: ramp.end,
        plateaus: ramp.plateaus.unwrap_or(0),
        moves: u32::from(ramp.moves()),
    }
}

/// The stage's settings; addresses and sizes are left to the caller.
pub(super) fn plan(settings: &StageSettings, cutoff: f64, atoms: usize) -> Plan {
    let parts = settings.parts(atoms);
    let main = (settings.ensemble.thermostat(), settings.ensemble.temperature());
    let baths = settings.baths.iter().map(|bath| (Some(bath.thermostat), Some(bath.temperature)));
    let mut plan = Plan {
        steps: settings.steps,
        seed: settings.seed,
        dt: settings.timestep,
        skin: settings.skin,
        cutoff,
        max_displacement: settings.max_displacement,
        boltzmann: units::BOLTZMANN,
        kinetic_per_mv2: units::KINETIC_PER_MV2,
        dof: parts.iter().map(|part| part.dof).sum(),
        part_count: parts.len() as i32,
        deforms: i32::from(settings.strain_rate.is_some()),
        atoms: atoms as u32,
        ..Plan::zeroed()
    };
    let thermostats = std::iter::once(main).chain(baths).zip(&parts);
    for (to, ((thermostat, temperature), part)) in plan.parts.iter_mut().zip(thermostats) {
        let (kind, chain, period) = match thermostat {
            Some(Thermostat::NoseHooverChain { period, chain }) => (1, chain, period),
            Some(Thermostat::Csvr { period }) => (2, 0, period),
            Some(Thermostat::Langevin { .. }) | None => (0, 0, 0.0),
        };
        *to = PartArguments {
            thermostat: kind,
            chain: chain as i32,
            period,
            dof: part.dof,
            temperature: ramp(temperature.unwrap_or(Ramp::constant(0.0))),
        };
    }
    if let Ensemble::Npt { pressure, barostat, .. } = settings.ensemble {
        plan.pressure = ramp(pressure);
        match barostat {
            Barostat::MartynaTobiasKlein { period, chain, coupling } => {
                let modes = coupling.modes();
                plan.piston_period = period;
                plan.piston_chain = chain as i32;
                plan.mode_count = modes.len() as i32;
                for (to, mode) in plan.modes.iter_mut().zip(&modes) {
                    to.copy_from_slice(mode.as_flattened());
                }
            }
            Barostat::StochasticCellRescaling { period, compressibility } => {
                plan.rescaling_period = period;
                plan.compressibility = compressibility;
            }
        }
    }
    let moving = plan.parts.iter().any(|part| part.temperature.moves > 0);
    plan.moving_targets = i32::from(moving || plan.pressure.moves > 0);
    plan
}

/// The part of each atom.
pub(super) fn parts_of_atoms(settings: &StageSettings, atoms: usize) -> Vec<u8> {
    let mut of = vec![FROZEN; atoms];
    for (number, part) in settings.parts(atoms).iter().enumerate() {
        match &part.atoms {
            None => of.fill(number as u8),
            Some(list) => list.iter().for_each(|atom| of[*atom as usize] = number as u8),
        }
    }
    of
}

/// The stage after `done` steps, before the device has seen it.
pub(super) fn control(
    settings: &StageSettings,
    variables: &Variables,
    cell: &Cell,
    list_cell: &Cell,
    done: u64,
) -> Control {
    let flat = |cell: &Cell| -> [f64; 9] {
        cell.matrix().as_flattened().try_into().expect("nine components")
    };
    let fraction = done as f64 / settings.steps as f64;
    let mut control = Control {
        done,
        cell: flat(cell),
        list_cell: flat(list_cell),
        strain_rate: variables.strain_rate.as_flattened().try_into().expect("nine components"),
        work: variables.work,
        heat: variables.heat,
        growth: variables.growth,
        piston: chain_state(&variables.piston),
        ..Control::zeroed()
    };
    for (to, chain) in control.particles.iter_mut().zip(&variables.particles) {
        *to = chain_state(chain);
    }
    let main = settings.ensemble.temperature();
    let ramps = std::iter::once(main).chain(settings.baths.iter().map(|b| Some(b.temperature)));
    for (kt, ramp) in control.kt.iter_mut().zip(ramps) {
        *kt = ramp.map_or(0.0, |ramp| units::BOLTZMANN * ramp.at(fraction));
    }
    if let Ensemble::Npt { pressure, .. } = settings.ensemble {
        control.pressure = pressure.at(fraction);
    }
    control
}

/// Variables as a checkpoint keeps them; `like` tells the lengths of the chains.
pub(super) fn variables(control: &Control, like: &Variables) -> Variables {
    let chain = |state: &ChainState, like: &Chain| {
        let n = like.position.len();
        Chain { position: state.position[..n].to_vec(), velocity: state.velocity[..n].to_vec() }
    };
    let particles = control.particles.iter().zip(&like.particles);
    let mut strain_rate = [[0.0; 3]; 3];
    strain_rate.as_flattened_mut().copy_from_slice(&control.strain_rate);
    Variables {
        particles: particles.map(|(state, like)| chain(state, like)).collect(),
        piston: chain(&control.piston, &like.piston),
        strain_rate,
        work: control.work,
        heat: control.heat,
        growth: control.growth,
    }
}

fn chain_state(chain: &Chain) -> ChainState {
    let mut state = ChainState::zeroed();
    state.position[..chain.position.len()].copy_from_slice(&chain.position);
    state.velocity[..chain.velocity.len()].copy_from_slice(&chain.velocity);
    state
}
