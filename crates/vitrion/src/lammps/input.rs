//! `in.lammps`: a stage as LAMMPS input, to be read and to be run by hand.

use super::columns::Columns;
use super::constants;
use super::orientation::Orientation;
use super::support::is_tilted;
use std::fmt::{self, Write as _};
use vitrion_core::rng::{self, Stream};
use vitrion_core::{Cell, units};
use vitrion_md::{Barostat, Coupling, Ensemble, Part, Ramp, StageSettings, Thermostat};

/// LAMMPS looks every so many steps whether it is asked to stop.
const LOOK: u64 = 10;
/// Parts into which LAMMPS cuts half a step of a Nosé–Hoover chain: their error is then that of ours.
const CHAIN_PARTS: u32 = 8;
/// Seeds of LAMMPS are 1 to 900 million, and each rank adds its number.
const LARGEST_SEED: usize = 890_000_000;
/// Atom ranges on one line of a group.
const RANGES_PER_LINE: usize = 12;

/// Cell, positions and velocities of the first step.
pub(super) const DATA_FILE: &str = "start.data";
/// While this file exists, LAMMPS ends the run where it is.
pub(super) const STOP_FILE: &str = "lammps.stop";
/// The restart of the last step until it is whole.
const UNFINISHED_RESTART: &str = "lammps.restart.part";
/// What the input prints at its end.
pub(super) const END: &str = "vitrion: the stage is complete or was stopped";

/// While this file exists, LAMMPS goes on. The input makes it; the next session of vitrion in the folder removes it, so
/// that a LAMMPS that outlived its session ends and writes nothing more.
pub(super) fn session_file(session: impl fmt::Display) -> String {
    format!("lammps.{session}.session")
}

/// File with the restart of a step of the stage; `*` for all of them.
pub(super) fn restart_file(step: impl fmt::Display) -> String {
    format!("lammps.{step}.restart")
}

/// File with the arrays of a step of the stage.
pub(super) fn frame_file(step: impl fmt::Display) -> String {
    format!("frame.{step}.dump")
}

/// All that the input depends on.
pub(super) struct Script<'a> {
    pub(super) settings: &'a StageSettings,
    pub(super) cell: &'a Cell,
    pub(super) atoms: usize,
    /// Lines that load the plugin, and those of the user.
    pub(super) setup: &'a [String],
    /// `pair_style`, `pair_coeff`.
    pub(super) pair: &'a [String],
    pub(super) columns: &'a Columns,
    /// Steps that are done; with any, LAMMPS goes on from its restart file.
    pub(super) done: u64,
    /// Number that no other session in this folder has.
    pub(super) session: u64,
    /// Arrays are needed every so many steps, for each of these.
    pub(super) frames: &'a [u64],
}

/// True if the box must be able to tilt.
pub(super) fn is_triclinic(settings: &StageSettings, cell: &Cell) -> bool {
    let barostat = settings.ensemble.barostat();
    let shears =
        matches!(barostat, Some(Barostat::MartynaTobiasKlein { coupling, .. }) if coupling.shear);
    shears || is_tilted(&Orientation::of(cell).1)
}

impl Script<'_> {
    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("writing to a string cannot fail");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let s = self.settings;
        writeln!(
            out,
            "# A stage of vitrion {}: {}, {} steps of {} fs.",
            env!("CARGO_PKG_VERSION"),
            s.ensemble.name(),
            s.steps,
            s.timestep
        )?;
        writeln!(
            out,
            "# By hand: mpirun -n RANKS lmp -in in.lammps. Masses, temperatures and pressures carry the"
        )?;
        writeln!(
            out,
            "# difference between the constants of LAMMPS and those of vitrion (1e-7 and 1e-6).\n"
        )?;
        writeln!(out, "units metal\natom_style atomic\nboundary p p p")?;
        self.setup.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        if self.done == 0 {
            writeln!(out, "read_data {DATA_FILE}")?;
        } else {
            writeln!(
                out,
                "# goes on after step {}\nread_restart {}",
                self.done,
                restart_file(self.done)
            )?;
        }
        self.pair.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out, "neighbor {:?} bin\nneigh_modify every 1 delay 0 check yes", s.skin)?;
        writeln!(out, "timestep {:?}\n", constants::time(s.timestep))?;
        let parts = s.parts(self.atoms);
        self.groups(out, &parts)?;
        self.integrator(out, &parts)?;
        self.output(out, &parts)?;
        writeln!(out, "run {0} upto start {1} stop {0}\n", s.steps, self.first_step())?;
        writeln!(out, "if \"${{mine}} < 0.5\" then \"quit 1\"")?;
        writeln!(
            out,
            "write_dump all custom {} {} modify format float %.17g",
            frame_file("$(step)"),
            Columns::FRAME
        )?;
        // a checkpoint may name the restart of this very step: it is never half written
        writeln!(out, "write_restart {UNFINISHED_RESTART}")?;
        writeln!(out, "shell mv {UNFINISHED_RESTART} {}", restart_file("$(step)"))?;
        writeln!(out, "print \"{END}\"")
    }

    /// Where the time of ramps begins. Without any it is the present step: after a restart LAMMPS counts the
    /// heat of Langevin noise from there.
    fn first_step(&self) -> u64 {
        let s = self.settings;
        let baths = s.baths.iter().map(|bath| bath.temperature);
        let moving = s.ensemble.ramps().chain(baths).any(Ramp::moves) || s.strain_rate.is_some();
        if moving { 0 } else { self.done }
    }

    fn groups(&self, out: &mut String, parts: &[Part]) -> fmt::Result {
        if let (Some(atoms), true) = (&parts[0].atoms, parts[0].dof > 0.0) {
            group(out, &group_name(parts, 0), atoms)?;
        }
        for (number, bath) in self.settings.baths.iter().enumerate() {
            writeln!(out, "# group \"{}\" of the run file", bath.name)?;
            group(out, &group_name(parts, number + 1), &bath.atoms)?;
        }
        if !self.settings.frozen.is_empty() {
            writeln!(out, "# atoms that no integrator moves")?;
            group(out, "frozen", &self.settings.frozen)?;
        }
        Ok(())
    }

    /// What moves the atoms, and what holds temperature and pressure.
    fn integrator(&self, out: &mut String, parts: &[Part]) -> fmt::Result {
        let s = self.settings;
        let main = s.ensemble.thermostat().zip(s.ensemble.temperature());
        if let Ensemble::Npt { pressure, barostat, .. } = s.ensemble {
            let cell = self.barostat(pressure, barostat, parts[0].dof);
            let (thermostat, temperature) = main.expect("NPT has both");
            writeln!(
                out,
                "# {} and {}",
                described(thermostat, temperature),
                pressure_described(pressure)
            )?;
            if let Thermostat::NoseHooverChain { .. } = thermostat {
                let particles = chain(thermostat, temperature);
                writeln!(out, "fix move all npt {particles} &\n    {cell}")?;
            } else {
                writeln!(out, "fix move all nph {cell}")?;
                self.bath(out, parts, 0, (thermostat, temperature))?;
            }
            return writeln!(out, "compute_modify move_temp extra/dof {}", self.removed());
        }
        let baths = s.baths.iter().map(|bath| Some((bath.thermostat, bath.temperature)));
        for (number, held) in std::iter::once(main).chain(baths).enumerate() {
            if parts[number].dof <= 0.0 {
                continue; // all atoms have thermostats of their own
            }
            let name = group_name(parts, number);
            match held {
                Some((thermostat @ Thermostat::NoseHooverChain { .. }, temperature)) => {
                    writeln!(out, "# {}", described(thermostat, temperature))?;
                    writeln!(
                        out,
                        "fix move{number} {name} nvt {}",
                        chain(thermostat, temperature)
                    )?;
                    writeln!(out, "compute_modify move{number}_temp extra/dof {}", self.removed())?;
                }
                Some(held) => {
                    writeln!(out, "# {}\nfix move{number} {name} nve", described(held.0, held.1))?;
                    self.bath(out, parts, number, held)?;
                }
                None => writeln!(out, "fix move{number} {name} nve")?,
            }
        }
        self.deformation(out)
    }

    /// Degrees of freedom that the momentum takes.
    fn removed(&self) -> u8 {
        if self.settings.keeps_momentum() { 3 } else { 0 }
    }

    /// A thermostat beside the integrator of its atoms.
    fn bath(
        &self,
        out: &mut String,
        parts: &[Part],
        number: usize,
        (thermostat, temperature): (Thermostat, Ramp),
    ) -> fmt::Result {
        let name = group_name(parts, number);
        let target = match temperature.plateaus {
            Some(plateaus) if temperature.moves() => {
                self.plateaus(out, number, temperature, plateaus)?;
                format!("v_target{number} 0.0")
            }
            _ => targets(temperature),
        };
        let damping = constants::time(thermostat.period());
        let seed = seed(self.settings.seed, number, self.done);
        if let Thermostat::Langevin { .. } = thermostat {
            let zero = if self.settings.keeps_momentum() { "yes" } else { "no" };
            return writeln!(
                out,
                "fix bath{number} {name} langevin {target} {damping:?} {seed} tally yes zero {zero}"
            );
        }
        writeln!(out, "fix bath{number} {name} temp/csvr {target} {damping:?} {seed}")?;
        writeln!(out, "compute_modify bath{number}_temp extra/dof {}", self.removed())
    }

    /// `T₁ + (T₂ − T₁) min(⌊n s/S⌋, n − 1)/(n − 1)` after step `s` of `S`.
    fn plateaus(&self, out: &mut String, number: usize, ramp: Ramp, plateaus: u32) -> fmt::Result {
        let [start, end] = [ramp.start, ramp.end].map(constants::temperature);
        let (steps, last) = (self.settings.steps, plateaus - 1);
        writeln!(out, "variable part{number} equal floor(step/{steps}*{plateaus})")?;
        writeln!(
            out,
            "variable target{number} equal {start:?}+({end:?}-{start:?})*ternary(v_part{number}>{last},{last},v_part{number})/{last}"
        )
    }

    /// The keywords of the barostat: its inertia, `(N + 1) k_B T Pdamp²` in LAMMPS, is made that of vitrion,
    /// `(N_f + 3) k_B T τ²/3`.
    fn barostat(&self, pressure: Ramp, barostat: Barostat, dof: f64) -> String {
        let Barostat::MartynaTobiasKlein { period, chain, coupling } = barostat else {
            unreachable!("checked: LAMMPS has no other")
        };
        let inertia = (dof + 3.0) / 3.0 / (self.atoms as f64 + 1.0);
        let damping = constants::time(period * inertia.sqrt());
        let [start, end] = [pressure.start, pressure.end].map(constants::pressure);
        let target = format!("{start:?} {end:?} {damping:?}");
        let shape = match coupling {
            Coupling::ISOTROPIC => format!("iso {target}"),
            Coupling::ANISOTROPIC => format!("aniso {target}"),
            Coupling::TRICLINIC => format!("tri {target}"),
            Coupling { axes, .. } => {
                let names = ["x", "y", "z"];
                let free: Vec<usize> = (0..3).filter(|k| axes[*k].is_some()).collect();
                let words: Vec<String> =
                    free.iter().map(|k| format!("{} {target}", names[*k])).collect();
                let pairs = [(0, 1), (1, 2), (0, 2)];
                let coupled =
                    pairs.iter().find(|(a, b)| axes[*a].is_some() && axes[*a] == axes[*b]);
                let coupled = coupled
                    .map_or("none".to_owned(), |(a, b)| format!("{}{}", names[*a], names[*b]));
                format!("{} couple {coupled}", words.join(" "))
            }
        };
        let flip = if is_triclinic(self.settings, self.cell) { " flip no" } else { "" };
        format!("{shape} pchain {chain} ploop {CHAIN_PARTS} fixedpoint 0.0 0.0 0.0{flip}")
    }

    fn deformation(&self, out: &mut String) -> fmt::Result {
        let Some(rate) = &self.settings.strain_rate else { return Ok(()) };
        let axes = ["x", "y", "z"].into_iter().enumerate().filter(|(k, _)| rate[*k][*k] != 0.0);
        let words: Vec<String> = axes
            .map(|(k, axis)| format!("{axis} trate {:?}", constants::rate(rate[k][k])))
            .collect();
        if words.is_empty() {
            return Ok(());
        }
        writeln!(out, "fix strain all deform 1 {} remap x", words.join(" "))
    }

    /// One row a step on the screen, which vitrion reads; arrays and restarts when they are due.
    fn output(&self, out: &mut String, parts: &[Part]) -> fmt::Result {
        let s = self.settings;
        writeln!(out, "\n# what vitrion needs to know of every step")?;
        writeln!(out, "compute kinetic all temp\ncompute virial all pressure NULL virial")?;
        let mobile = if s.frozen.is_empty() {
            "all"
        } else {
            writeln!(out, "group mobile subtract all frozen")?;
            writeln!(out, "# r F of atoms that do not move, which the pressure leaves out")?;
            writeln!(out, "compute place frozen property/atom xu yu zu")?;
            let names = ["xx", "yy", "zz", "xy", "xz", "yz"];
            for (name, (a, b)) in names.iter().zip([(1, 1), (2, 2), (3, 3), (1, 2), (1, 3), (2, 3)])
            {
                let f = ["", "fx", "fy", "fz"];
                writeln!(
                    out,
                    "variable held_{name} atom 0.5*(c_place[{a}]*{}+c_place[{b}]*{})",
                    f[b], f[a]
                )?;
            }
            let inputs = names.map(|name| format!("v_held_{name}")).join(" ");
            writeln!(out, "compute held frozen reduce sum {inputs}")?;
            "mobile"
        };
        writeln!(out, "compute fastest {mobile} reduce maxabs vx vy vz")?;
        for number in 1..parts.len() {
            writeln!(out, "compute kinetic{number} {} temp", group_name(parts, number))?;
        }
        writeln!(out, "thermo_style custom {}", self.columns.keywords())?;
        writeln!(out, "thermo_modify norm no flush yes lost error format float %.17g\nthermo 1")?;
        writeln!(out, "\n# arrays, and restarts, when they are due")?;
        for every in self.frames {
            writeln!(
                out,
                "dump every{every} all custom {every} {} {}",
                frame_file("*"),
                Columns::FRAME
            )?;
            writeln!(out, "dump_modify every{every} format float %.17g")?;
        }
        writeln!(out, "restart {} {}", s.checkpoint_every, restart_file("*"))?;
        let session = session_file(self.session);
        writeln!(out, "\n# the run ends where the first of these files is, or the second is gone")?;
        writeln!(
            out,
            "print \"While this file is here, LAMMPS goes on.\" file {session} screen no"
        )?;
        writeln!(out, "variable mine equal is_file({session})")?;
        writeln!(out, "variable stop equal is_file({STOP_FILE})||!v_mine")?;
        writeln!(out, "fix stop all halt {LOOK} v_stop > 0.5 error soft message no\n")
    }
}

/// Of the random numbers of a thermostat in a session that begins after step `done`: others after every restart, for
/// Langevin noise would repeat itself, and mixed, for each rank adds its number to its seed.
fn seed(stage: u64, bath: usize, done: u64) -> usize {
    rng::at(stage, Stream::OtherPrograms, done, bath as u64).below(LARGEST_SEED) + 1
}

/// "all" where there is one part only.
fn group_name(parts: &[Part], number: usize) -> String {
    match (number, &parts[0].atoms) {
        (0, None) => "all".to_owned(),
        (0, Some(_)) => "rest".to_owned(),
        _ => format!("bath{number}"),
    }
}

/// `group NAME id 1:20 25`: runs of atoms together.
fn group(out: &mut String, name: &str, atoms: &[u32]) -> fmt::Result {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for id in atoms.iter().map(|atom| atom + 1) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => ranges.push((id, id)),
        }
    }
    write!(out, "group {name} id")?;
    for (number, (first, last)) in ranges.iter().enumerate() {
        if number > 0 && number.is_multiple_of(RANGES_PER_LINE) {
            write!(out, " &\n   ")?;
        }
        if first == last {
            write!(out, " {first}")?;
        } else {
            write!(out, " {first}:{last}")?;
        }
    }
    writeln!(out)
}

fn chain(thermostat: Thermostat, temperature: Ramp) -> String {
    let Thermostat::NoseHooverChain { period, chain } = thermostat else {
        unreachable!("asked for chains only")
    };
    let damping = constants::time(period);
    format!("temp {} {damping:?} tchain {chain} tloop {CHAIN_PARTS}", targets(temperature))
}

fn targets(temperature: Ramp) -> String {
    let [start, end] = [temperature.start, temperature.end].map(constants::temperature);
    format!("{start:?} {end:?}")
}

fn described(thermostat: Thermostat, temperature: Ramp) -> String {
    format!("{} K: {}, {} fs", temperature, thermostat.name(), thermostat.period())
}

fn pressure_described(pressure: Ramp) -> String {
    let [start, end] = [pressure.start, pressure.end].map(|p| p * units::EV_PER_A3_IN_GPA);
    format!("{start} to {end} GPa")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_md::Bath;

    fn text(settings: &StageSettings, done: u64) -> String {
        let cell = Cell::orthorhombic([10.0; 3]).expect("a cube");
        let script = Script {
            settings,
            cell: &cell,
            atoms: 6,
            setup: &["suffix off".to_owned()],
            pair: &["pair_style lj/cut 7.0".to_owned()],
            columns: &Columns::of(settings),
            done,
            session: 7,
            frames: &[10],
        };
        script.text()
    }

    fn assert_holds(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_ramp_goes_on_where_it_was_after_a_restart() {
        let thermostat = Thermostat::NoseHooverChain { period: 100.0, chain: 3 };
        let ensemble = Ensemble::Nvt { temperature: Ramp::linear(900.0, 300.0), thermostat };
        let settings =
            StageSettings { checkpoint_every: 50, ..StageSettings::new(ensemble, 2.0, 500) };
        let begun = text(&settings, 0);
        assert_holds(
            &begun,
            &[
                "suffix off",
                "read_data start.data",
                "timestep 0.002",
                "variable stop equal is_file(lammps.stop)||!v_mine",
                "variable mine equal is_file(lammps.7.session)",
                "restart 50 lammps.*.restart",
                "run 500 upto start 0 stop 500",
            ],
        );
        let targets =
            format!("{:?} {:?}", constants::temperature(900.0), constants::temperature(300.0));
        assert!(begun.contains(&format!("nvt temp {targets} 0.1 tchain 3 tloop 8")), "{begun}");
        let resumed = text(&settings, 150);
        assert_holds(
            &resumed,
            &["read_restart lammps.150.restart", "run 500 upto start 0 stop 500"],
        );
        assert!(!resumed.contains("read_data"));
    }

    #[test]
    fn frozen_atoms_and_groups_have_integrators_of_their_own() {
        let thermostat = Thermostat::Langevin { period: 500.0 };
        let ensemble = Ensemble::Nvt { temperature: Ramp::constant(300.0), thermostat };
        let bath = Bath {
            name: "wall".to_owned(),
            atoms: vec![3, 4],
            temperature: Ramp::constant(300.0),
            thermostat: Thermostat::Csvr { period: 100.0 },
        };
        let usual = StageSettings::new(ensemble, 1.0, 100);
        let text = text(&StageSettings { frozen: vec![0], baths: vec![bath], ..usual }, 0);
        let target = targets(Ramp::constant(300.0));
        let [first, second] = [0, 1].map(|bath| seed(1, bath, 0));
        assert!(first.abs_diff(second) > 1_000_000, "{first} {second}");
        assert_holds(
            &text,
            &[
                "group rest id 2:3 6",
                "group bath1 id 4:5",
                "group frozen id 1",
                "fix move0 rest nve",
                &format!("fix bath0 rest langevin {target} 0.5 {first} tally yes zero no"),
                "fix move1 bath1 nve",
                &format!("fix bath1 bath1 temp/csvr {target} 0.1 {second}"),
                "compute_modify bath1_temp extra/dof 0",
                "group mobile subtract all frozen",
                "compute fastest mobile reduce maxabs vx vy vz",
            ],
        );
    }
}
