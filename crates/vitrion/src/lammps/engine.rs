//! The engine of a stage: LAMMPS runs it as a whole and is followed row by row.
//!
//! LAMMPS is at most a pipe full of rows ahead. Arrays come from dump files. LAMMPS writes row, dump and restart of a
//! step in an order that depends on its version, but all before the row of the next step: once that has come, or
//! LAMMPS has ended, they are whole.

use super::columns::{Arrays, Columns, Row};
use super::data::{self, Types};
use super::input::{self, DATA_FILE, STOP_FILE, Script, frame_file, restart_file, session_file};
use super::orientation::Orientation;
use super::program::Program;
use super::{INPUT_FILE, Lammps};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vitrion_core::math::{self, Vector3};
use vitrion_core::neighbors::verlet::Reference;
use vitrion_core::{Cell, SpeciesTable, units};
use vitrion_md::{
    Engine, EngineMaker, Fault, Record, Spent, StageSettings, Start, Variables, View, Wreck,
};

/// The stage is told of new steps at least this often.
const LIVELY: Duration = Duration::from_millis(200);
/// `2K` of the start may differ by this fraction: more means other constants.
const KINETIC_TOLERANCE: f64 = 1e-10;
/// What LAMMPS says when atoms run away.
const RUNS_AWAY: [&str; 5] =
    ["Lost atoms", "Non-numeric", "Out of range atoms", "Bond atoms", "not finite"];

/// Makes the engine of one stage in its folder.
pub(super) struct Maker<'a> {
    pub(super) lammps: &'a Lammps,
    pub(super) species: &'a SpeciesTable,
    pub(super) cutoff: f64,
    pub(super) folder: &'a Path,
    /// Steps between looks of the observers of the stage.
    pub(super) observed: Vec<u64>,
}

impl EngineMaker for Maker<'_> {
    fn species(&self) -> &SpeciesTable {
        self.species
    }

    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn make<'a>(&'a mut self, start: Start<'_>) -> Result<Box<dyn Engine + 'a>, Fault> {
        Ok(Box::new(LammpsEngine::new(self, start)?))
    }
}

struct LammpsEngine<'a> {
    folder: &'a Path,
    settings: StageSettings,
    program: Program,
    columns: Columns,
    orientation: Orientation,
    /// Of the start of the stage.
    cell: Cell,
    /// Positions at the start, which frozen atoms keep.
    frozen: Vec<(u32, Vector3)>,
    /// What came after the row of now, if it was read already.
    ahead: Option<Result<Option<Row>, Fault>>,
    now: Row,
    arrays: Arrays,
    /// Step and cell of the arrays.
    seen: (u64, Cell),
    /// Restart files before this step are not needed any more.
    kept: u64,
    /// Added to the conserved quantity, which LAMMPS does not go on with after every restart [eV].
    forgotten: f64,
    spent: f64,
}

impl<'a> LammpsEngine<'a> {
    fn new(maker: &'a Maker<'_>, start: Start<'_>) -> Result<Self, Fault> {
        let Start { structure, velocities, settings, variables, done, .. } = start;
        let folder = maker.folder;
        let cell = structure.cell.clone();
        let (orientation, lattice) = Orientation::of(&cell);
        let columns = Columns::of(settings);
        clean(folder, done).map_err(|error| unusable(folder, &error))?;
        let types = Types::of(structure);
        if done == 0 {
            let triclinic = input::is_triclinic(settings, &cell);
            let contents = data::Start {
                structure,
                velocities: &velocities,
                orientation: &orientation,
                lattice: &lattice,
                triclinic,
            };
            write(folder, DATA_FILE, &data::text(&contents, &types))?;
        } else if !folder.join(restart_file(done)).exists() {
            return Err(Fault::Program(format!(
                "{} is missing: LAMMPS cannot go on after step {done} of the stage; move the folder of the stage away \
                 to start it anew",
                folder.join(restart_file(done)).display()
            )));
        }
        let script = Script {
            settings,
            cell: &cell,
            atoms: structure.len(),
            setup: &maker.lammps.setup(),
            pair: &maker.lammps.pair.lines(&types),
            columns: &columns,
            done,
            session: session(),
            frames: &frame_intervals(settings, &maker.observed),
        };
        write(folder, INPUT_FILE, &script.text())?;
        let words = maker.lammps.words();
        let program = Program::start(&words, maker.lammps.threads, folder).map_err(|error| {
            Fault::Program(format!("{} cannot be started: {error}", words.join(" ")))
        })?;
        let forces = vec![[0.0; 3]; structure.len()];
        let frozen = &settings.frozen;
        let mut engine = LammpsEngine {
            folder,
            frozen: frozen.iter().map(|a| (*a, structure.positions[*a as usize])).collect(),
            settings: settings.clone(),
            program,
            columns,
            orientation,
            now: Row {
                step: done,
                record: unknown(&cell),
                corner: [0.0; 3],
                fastest: 0.0,
                builds: 0,
            },
            ahead: None,
            arrays: Arrays { positions: structure.positions.clone(), velocities, forces },
            seen: (done, cell.clone()),
            cell,
            kept: done,
            forgotten: 0.0,
            spent: 0.0,
        };
        engine.now = engine.next_row()?.ok_or_else(|| engine.failure())?;
        if engine.now.step != done {
            let found = engine.now.step;
            return Err(Fault::Program(format!(
                "expected the row of step {done}, found step {found}"
            )));
        }
        if done == 0 {
            engine.first_frame(structure)?;
        } else {
            engine.forgotten = taken(&engine.now.record) - variables.heat;
            engine.now.record.conserved += engine.forgotten;
        }
        Ok(engine)
    }

    /// Forces of the start; positions and velocities are those that were given. The kinetic energy tells
    /// whether LAMMPS has the constants that masses are corrected for.
    fn first_frame(&mut self, structure: &vitrion_core::Structure) -> Result<(), Fault> {
        let given = self.arrays.clone();
        self.read_frame()?;
        (self.arrays.positions, self.arrays.velocities) = (given.positions, given.velocities);
        let mv2 = |(atom, v): (usize, &Vector3)| structure.mass(atom) * math::norm2(*v);
        let ours: f64 = self.arrays.velocities.iter().enumerate().map(mv2).sum();
        let (ours, theirs) = (ours * units::KINETIC_PER_MV2, self.now.record.twice_kinetic);
        if (ours - theirs).abs() > KINETIC_TOLERANCE * ours {
            return Err(Fault::Program(format!(
                "LAMMPS finds a kinetic energy of {} eV, vitrion {} eV: this LAMMPS has other constants for units \
                 metal than vitrion knows",
                0.5 * theirs,
                0.5 * ours
            )));
        }
        Ok(())
    }

    /// The next row; `None` once LAMMPS has ended as it should.
    fn next_row(&mut self) -> Result<Option<Row>, Fault> {
        if let Some(next) = self.ahead.take() {
            return next;
        }
        loop {
            let line = self.program.line().map_err(|error| unusable(self.folder, &error))?;
            let Some(line) = line.map(str::to_owned) else {
                return if self.program.is_complete() { Ok(None) } else { Err(self.failure()) };
            };
            match self.columns.read(&line, &self.orientation, &self.cell) {
                Some(Ok(mut row)) => {
                    row.record.conserved += self.forgotten;
                    return Ok(Some(row));
                }
                Some(Err(why)) => return Err(Fault::RunAway(why)),
                None => self.program.note(&line).map_err(|error| unusable(self.folder, &error))?,
            }
        }
    }

    /// Waits until files of now are whole. What goes wrong meanwhile belongs to the next step.
    fn settle(&mut self) {
        if self.ahead.is_none() {
            self.ahead = Some(self.next_row());
        }
    }

    fn failure(&self) -> Fault {
        let words = self.program.last_words(self.folder);
        if RUNS_AWAY.iter().any(|cause| words.contains(cause)) {
            return Fault::RunAway(words);
        }
        Fault::Program(words)
    }

    /// Refuses a row of a step in which an atom moved too far.
    fn check_speed(&self, row: &Row) -> Result<(), Fault> {
        let moved = row.fastest * self.settings.timestep;
        let limit = self.settings.max_displacement;
        if moved <= limit {
            return Ok(());
        }
        Err(Fault::RunAway(format!(
            "an atom moves {moved:.4} Å along one axis, further than the limit of {limit} Å in one step"
        )))
    }

    /// Arrays of now, from the file that LAMMPS wrote; the file is not needed after that.
    fn read_frame(&mut self) -> Result<(), Fault> {
        self.settle();
        let (step, atoms) = (self.now.step, self.arrays.positions.len());
        let path = self.folder.join(frame_file(step));
        let bad = |message: String| Fault::Program(format!("{}: {message}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        self.arrays =
            Arrays::read(&text, step, atoms, self.now.corner, &self.orientation).map_err(bad)?;
        for (atom, position) in &self.frozen {
            self.arrays.positions[*atom as usize] = *position;
            self.arrays.forces[*atom as usize] = [0.0; 3];
        }
        self.seen = (step, self.now.record.cell.clone());
        let _ = fs::remove_file(&path);
        Ok(())
    }
}

impl Engine for LammpsEngine<'_> {
    fn stride(&self) -> u64 {
        u64::MAX
    }

    fn advance(&mut self, done: u64, steps: u64, records: &mut Vec<Record>) -> Result<(), Fault> {
        let begin = Instant::now();
        let last = done + steps;
        let outcome = loop {
            match self.next_row() {
                Ok(Some(row)) => {
                    // the first row of a run is also the last of the one before
                    if row.step <= self.now.step {
                        continue;
                    }
                    if let Err(fault) = self.check_speed(&row) {
                        break Err(fault);
                    }
                    records.push(row.record.clone());
                    self.now = row;
                    if self.now.step == self.settings.steps {
                        // arrays and restart of the last step come after its row
                        break self.next_row().map(|_| ());
                    }
                    if self.now.step == last || begin.elapsed() > LIVELY {
                        break Ok(());
                    }
                }
                Ok(None) if records.is_empty() => {
                    let message = format!("LAMMPS ended after step {} of the stage", self.now.step);
                    break Err(Fault::Program(message));
                }
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        self.spent += begin.elapsed().as_secs_f64();
        outcome
    }

    fn record(&mut self) -> Result<Record, Fault> {
        Ok(self.now.record.clone())
    }

    fn snapshot(&mut self) -> Result<View<'_>, Fault> {
        if self.seen.0 != self.now.step {
            self.read_frame()?;
        }
        let Arrays { positions, velocities, forces } = &self.arrays;
        Ok(View { cell: &self.seen.1, positions, velocities, forces })
    }

    /// At rest, for LAMMPS keeps its own in its restart files; but what they do not hold of the conserved
    /// quantity, the heat of Langevin noise.
    fn variables(&mut self) -> Result<Variables, Fault> {
        self.settle();
        // a checkpoint is about to be written; the one before must stay whole until it is
        prune(self.folder, self.kept).map_err(|error| unusable(self.folder, &error))?;
        self.kept = self.now.step;
        Ok(Variables { heat: taken(&self.now.record), ..Variables::at_rest(&self.settings) })
    }

    fn list_reference(&mut self) -> Result<Reference, Fault> {
        let View { cell, positions, .. } = self.snapshot()?;
        Ok(Reference { cell: cell.clone(), positions: positions.to_vec() })
    }

    /// The search at the start is counted, which LAMMPS does not.
    fn builds(&self) -> u64 {
        self.now.builds + 1
    }

    /// All of it as that of the potential: LAMMPS tells the parts only at the end.
    fn spent(&mut self) -> Spent {
        Spent { potential: std::mem::take(&mut self.spent), ..Spent::default() }
    }

    fn wreck(&self) -> Wreck<'_> {
        let Arrays { positions, velocities, .. } = &self.arrays;
        Wreck {
            cell: &self.seen.1,
            before: positions,
            velocities,
            positions,
            forces: &[],
            atom_energies: &[],
            age: self.now.step - self.seen.0,
        }
    }

    fn nearest(&self, _atom: usize) -> Option<f64> {
        None
    }

    fn halt(&mut self, done: u64) -> Result<bool, Fault> {
        let path = self.folder.join(STOP_FILE);
        fs::write(&path, "").map_err(|error| unusable(&path, &error))?;
        match self.next_row()? {
            None => {
                let _ = fs::remove_file(&path);
                Ok(self.now.step == done)
            }
            Some(row) => {
                self.ahead = Some(Ok(Some(row)));
                Ok(false)
            }
        }
    }
}

/// What is missing from potential and kinetic energy in the conserved quantity [eV].
fn taken(record: &Record) -> f64 {
    record.potential_energy + 0.5 * record.twice_kinetic - record.conserved
}

/// What is not known yet.
fn unknown(cell: &Cell) -> Record {
    Record {
        cell: cell.clone(),
        potential_energy: f64::NAN,
        virial: math::ZERO,
        twice_kinetic: f64::NAN,
        kinetic: math::ZERO,
        baths: Vec::new(),
        conserved: f64::NAN,
    }
}

/// Intervals at which arrays are needed, those that are multiples of others left out.
fn frame_intervals(settings: &StageSettings, observed: &[u64]) -> Vec<u64> {
    let own = [Some(settings.checkpoint_every), settings.trajectory_every];
    let mut all: Vec<u64> = own.into_iter().flatten().chain(observed.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    let needed =
        |every: &u64| !all.iter().any(|other| other < every && every.is_multiple_of(*other));
    all.iter().copied().filter(needed).collect()
}

/// Removes what an earlier session left beyond step `done`, and with it the file that keeps its LAMMPS going.
fn clean(folder: &Path, done: u64) -> io::Result<()> {
    for (path, kind, step) in numbered(folder)? {
        if kind != Kind::Restart || step > done || done == 0 {
            fs::remove_file(path)?;
        }
    }
    match fs::remove_file(folder.join(STOP_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes restart files before step `kept`.
fn prune(folder: &Path, kept: u64) -> io::Result<()> {
    let old = numbered(folder)?
        .into_iter()
        .filter(|(_, kind, step)| *kind == Kind::Restart && *step < kept);
    old.map(|(path, ..)| path).try_for_each(fs::remove_file)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Frame,
    Restart,
    Session,
}

/// A number that no other session has.
fn session() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as u64
}

/// The files of frames and restarts, with their steps, and those of sessions.
fn numbered(folder: &Path) -> io::Result<Vec<(PathBuf, Kind, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        for (pattern, kind) in [
            (frame_file("*"), Kind::Frame),
            (restart_file("*"), Kind::Restart),
            (session_file("*"), Kind::Session),
        ] {
            let (before, after) = pattern.split_once('*').expect("a pattern");
            let step = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            if let Some(step) = step.and_then(|step| step.parse().ok()) {
                found.push((path.clone(), kind, step));
            }
        }
    }
    Ok(found)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Fault> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| unusable(&path, &error))
}

fn unusable(path: &Path, error: &io::Error) -> Fault {
    Fault::Program(format!("{}: {error}", path.display()))
}
