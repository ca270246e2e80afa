//! Structures of the kernels of dynamics, field by field as in `control.cuh`, `atoms.cuh` and
//! `neighbors.cuh`.

use crate::arguments::arguments;
use crate::device::Address;
use crate::potential::Status;
use bytemuck::{Pod, Zeroable};

/// Thermostatted parts of a system, at most.
pub(super) const PARTS: usize = 8;
/// Thermostats of a chain, at most.
const CHAIN: usize = 16;
/// Free deformations of a cell, at most.
const MODES: usize = 6;
/// Records that the device keeps.
pub(super) const RING: usize = 128;
/// Lattice translations of a list, at most.
pub(super) const MAX_IMAGES: usize = 4096;
/// Numbers of a record.
pub(super) const RECORD: usize = 26 + PARTS;
/// Numbers of a partial sum.
pub(super) const SUMS: usize = 10 + 6 * PARTS;
/// Part of a frozen atom.
pub(super) const FROZEN: u8 = 255;

/// Reasons to halt, beside those of the potential.
pub(super) const LIST_FULL: u32 = 2;
pub(super) const MOVED_TOO_FAR: u32 = 3;
pub(super) const STRAINED: u32 = 4;
pub(super) const BAD_CELL: u32 = 5;
pub(super) const NOT_FINITE: u32 = 6;
pub(super) const TOO_MANY_IMAGES: u32 = 7;
pub(super) const TOO_MANY_PAIRS: u32 = 8;

arguments! {
    ChainState {
        position: [f64; CHAIN],
        velocity: [f64; CHAIN],
    }

    /// What a run keeps on the device.
    Control {
        status: Status,
        done: u64,
        moved2: u64,
        jumped2: u64,
        builds: u64,
        pairs: u64,
        rebuild: u32,
        images: u32,
        bins: [i32; 3],
        reach: [i32; 3],
        far: [i32; 3],
        reserved: u32,
        cell: [f64; 9],
        inverse: [f64; 9],
        before: [f64; 9],
        list_cell: [f64; 9],
        list_inverse: [f64; 9],
        carry: [f64; 9],
        volume: f64,
        particles: [ChainState; PARTS],
        piston: ChainState,
        strain_rate: [f64; 9],
        work: f64,
        heat: f64,
        growth: f64,
        kt: [f64; PARTS],
        pressure: f64,
        factor: [f64; PARTS],
        decay: [f64; 9],
        push: [f64; 9],
        grow: [f64; 9],
        drift: [f64; 9],
        whole: [f64; 9],
        energy: f64,
        virial: [f64; 9],
        kinetic: [f64; PARTS * 6],
        strain: f64,
    }

    RampArguments {
        start: f64,
        end: f64,
        plateaus: u32,
        moves: u32,
    }

    PartArguments {
        thermostat: i32,
        chain: i32,
        period: f64,
        dof: f64,
        temperature: RampArguments,
    }

    /// Everything of a stage that does not change.
    Plan {
        control: Address,
        partials: Address,
        record_of: Address,
        steps: u64,
        seed: u64,
        dt: f64,
        skin: f64,
        cutoff: f64,
        max_displacement: f64,
        boltzmann: f64,
        kinetic_per_mv2: f64,
        dof: f64,
        pressure: RampArguments,
        piston_period: f64,
        rescaling_period: f64,
        compressibility: f64,
        modes: [[f64; 9]; MODES],
        parts: [PartArguments; PARTS],
        part_count: i32,
        mode_count: i32,
        piston_chain: i32,
        deforms: i32,
        moving_targets: i32,
        most_bins: i32,
        atoms: u32,
        blocks: u32,
    }

    AtomArguments {
        plan: Plan,
        positions: Address,
        velocities: Address,
        forces: Address,
        before_positions: Address,
        before_velocities: Address,
        reference: Address,
        mobility: Address,
        mass: Address,
        part: Address,
        energies: Address,
        virials: Address,
        all: u32,
        reserved: u32,
    }

    ListArguments {
        control: Address,
        source: Address,
        reference: Address,
        species: Address,
        bin_of: Address,
        image_of: Address,
        bin_count: Address,
        bin_start: Address,
        bin_next: Address,
        order: Address,
        image: Address,
        sorted: Address,
        sorted_species: Address,
        offsets: Address,
        index: Address,
        entry_image: Address,
        reverse: Address,
        translations: Address,
        centres: Address,
        ranks: Address,
        reach2: f64,
        capacity: u64,
        atoms: u32,
        species_count: u32,
        of_list: u32,
        reserved: u32,
    }
}
