//! LAMMPS as the engine of dynamics: stages become its input files, and what it says becomes the results.
//!
//! A stage is one process of LAMMPS in the folder of the stage. `vitrion_md` still owns the stage (files, statistics,
//! observers, checkpoints) and sees LAMMPS as one more [`vitrion_md::Engine`]: a row a step comes through a pipe, arrays
//! come from dump files when they are due. What LAMMPS does differently is in the book, `guide/lammps-engine.md`.

mod columns;
mod constants;
mod data;
mod engine;
mod input;
mod orientation;
mod pair;
mod probe;
mod program;
mod support;

use crate::error::InputError;
use crate::inputs::{Inputs, LoadedPotential};
use crate::plan::{Plan, StagePlan};
use crate::run_file::{
    DeviceChoice, DynamicsEngine, LammpsTable, Located, PotentialTable, RunFile,
};
use data::Types;
use engine::Maker;
use pair::Pair;
use probe::Trouble;
pub use program::terminate_all;
use std::path::{Path, PathBuf};
use vitrion_md::{
    Control, MdError, Observer, StageOutcome, StageSettings, State, Thermostat, run_stage_with,
};

/// The program and what starts it on several ranks, unless the run file says otherwise.
const COMMAND: &str = "lmp";
const LAUNCHER: &str = "mpirun";
/// Where the plugin is, unless the run file says.
const PLUGIN_VARIABLE: &str = "VITRION_LAMMPS_PLUGIN";
/// A stage as LAMMPS input.
const INPUT_FILE: &str = "in.lammps";

/// LAMMPS, found to be there and to know the potential.
#[derive(Debug, Clone, PartialEq)]
pub struct Lammps {
    command: String,
    /// Empty where one rank is started without one.
    launcher: Vec<String>,
    ranks: u32,
    threads: u32,
    plugin: Option<PathBuf>,
    setup: Vec<String>,
    pair: Pair,
    version: String,
}

impl Lammps {
    /// LAMMPS as a run file asks for it, started once to see that it is there and knows the potential; `None`
    /// if the run file does not ask for it.
    ///
    /// # Errors
    /// Anything that LAMMPS cannot do, or that is not there, with the line that asks for it.
    pub(crate) fn choose(
        run: &RunFile,
        inputs: &Inputs,
        plan: &Plan,
    ) -> Result<Option<Self>, InputError> {
        if run.engine.value != DynamicsEngine::Lammps {
            return Ok(None);
        }
        refuse_potential(run, inputs)?;
        refuse_stages(run, inputs, plan)?;
        let line = run.engine.line;
        let table = run.lammps.clone().unwrap_or(Located { value: LammpsTable::default(), line });
        let at = At { run, line: table.line };
        let table = table.value;
        let (ranks, threads) = table.layout();
        let pair = Pair::of(run, plan, threads);
        let plugin = if pair.is_plugin() { plugin(&at, table.plugin.as_ref())? } else { None };
        let launcher = match &table.launcher {
            Some(words) => words.value.clone(),
            None if ranks == 1 => Vec::new(),
            None => vec![LAUNCHER.to_owned()],
        };
        let command = table.command.as_ref().map_or(COMMAND, |command| &command.value);
        let mut lammps = Lammps {
            command: program(run, command),
            launcher: launcher.iter().map(|word| program(run, word)).collect(),
            ranks,
            threads,
            plugin,
            setup: table.setup.clone(),
            pair,
            version: String::new(),
        };
        lammps.version = lammps.probe(inputs, plan).map_err(|trouble| at.told(&table, trouble))?;
        Ok(Some(lammps))
    }

    /// What carries out the stages, in one line.
    pub fn name(&self) -> String {
        let (ranks, threads) = (self.ranks, self.threads);
        format!("LAMMPS {}, {ranks} MPI rank(s) of {threads} thread(s)", self.version)
    }

    /// How it is started and what it does not do, for the plan.
    pub fn describe(&self) -> String {
        let plugin = match &self.plugin {
            Some(path) => format!("plugin {}", path.display()),
            None if self.pair.is_plugin() => {
                format!(
                    "no plugin given ({PLUGIN_VARIABLE} is not set): LAMMPS knows pair_style vitrion"
                )
            }
            None => "no plugin needed".to_owned(),
        };
        format!(
            "engine: {}\n  {}\n  {plugin}\n  vitrion itself carries out minimisations; the times above are its own",
            self.name(),
            self.words().join(" ")
        )
    }

    /// Cores that one run keeps busy.
    pub(crate) fn cores(&self) -> usize {
        self.ranks as usize * self.threads as usize
    }

    /// One stage in its folder, see [`vitrion_md::run_stage`].
    ///
    /// # Errors
    /// What the stage reports.
    pub(crate) fn run_stage(
        &self,
        potential: &LoadedPotential,
        initial: State,
        settings: &StageSettings,
        folder: &Path,
        observers: &mut [Box<dyn Observer>],
        control: &Control<'_>,
    ) -> Result<StageOutcome, MdError> {
        let mut maker = Maker {
            lammps: self,
            species: potential.species(),
            cutoff: potential.cutoff(),
            folder,
            observed: observers.iter().map(|observer| observer.every()).collect(),
        };
        run_stage_with(initial, &mut maker, settings, folder, observers, control)
    }

    /// The words that start LAMMPS on a stage.
    fn words(&self) -> Vec<String> {
        let options = ["-nocite", "-log", "none", "-in", INPUT_FILE];
        self.start(self.ranks, &options)
    }

    fn start(&self, ranks: u32, options: &[&str]) -> Vec<String> {
        let mut words = self.launcher.clone();
        if !words.is_empty() {
            words.extend(["-n".to_owned(), ranks.to_string()]);
        }
        words.push(self.command.clone());
        words.extend(options.iter().map(|word| (*word).to_owned()));
        words
    }

    /// Lines after `atom_style`.
    fn setup(&self) -> Vec<String> {
        let load = self.plugin.iter().map(|path| format!("plugin load \"{}\"", path.display()));
        self.setup.iter().cloned().chain(load).collect()
    }

    /// Starts LAMMPS on an empty box with the potential and what the stages need beyond its core.
    fn probe(&self, inputs: &Inputs, plan: &Plan) -> Result<String, Trouble> {
        let symbols = inputs.potential.species().symbols();
        let list: Vec<(String, f64)> = symbols.iter().map(|s| (s.clone(), 1.0)).collect();
        let types = Types::new(list);
        let mut script = "units metal\natom_style atomic\n".to_owned();
        let mut add = |line: &str| {
            script.push_str(line);
            script.push('\n');
        };
        self.setup().iter().for_each(|line| add(line));
        add("region box block 0 9 0 9 0 9");
        add(&format!("create_box {} box\nmass * 1.0", symbols.len()));
        self.pair.lines(&types).iter().for_each(|line| add(line));
        if stages_settings(inputs, plan).any(|(_, settings, _)| uses_csvr(&settings)) {
            add("fix csvr all temp/csvr 300.0 300.0 0.1 1");
        }
        probe::version(&self.start(1, &["-nocite", "-log", "none"]), self.threads, &script)
    }
}

/// Settings of all stages of dynamics in all systems; temperature and seed do not matter.
fn stages_settings<'a>(
    inputs: &'a Inputs,
    plan: &'a Plan,
) -> impl Iterator<Item = (usize, StageSettings, vitrion_core::Cell)> + 'a {
    let moving = |stage: &StagePlan| stage.minimize_settings().is_none();
    plan.structures(inputs).into_iter().flat_map(move |structure| {
        let members = plan.members(&structure);
        let stages = plan.stages.iter().enumerate().filter(move |(_, stage)| moving(stage));
        stages.map(move |(number, stage)| {
            (number, stage.settings(Some(300.0), 0, &members), structure.cell.clone())
        })
    })
}

fn uses_csvr(settings: &StageSettings) -> bool {
    let baths = settings.baths.iter().map(|bath| bath.thermostat);
    let mut all = settings.ensemble.thermostat().into_iter().chain(baths);
    all.any(|thermostat| matches!(thermostat, Thermostat::Csvr { .. }))
}

fn refuse_potential(run: &RunFile, inputs: &Inputs) -> Result<(), InputError> {
    let refuse = |line: usize, key: &str, message: String| InputError::Value {
        place: run.place(line),
        key: key.to_owned(),
        table: "in [potential]".to_owned(),
        message,
    };
    if let PotentialTable::Model { device, tensor_cores, .. } = &run.potential.value {
        if let Some(device) = device.filter(|d| matches!(d.value, DeviceChoice::Cuda(_))) {
            let message = "engine = \"lammps\" computes on the processor; leave `device` out, or take engine = \"vitrion\"";
            return Err(refuse(device.line, "device", message.to_owned()));
        }
        if let Some(tensor) = tensor_cores.filter(|tensor| tensor.value) {
            let message = "engine = \"lammps\" computes on the processor, which has none";
            return Err(refuse(tensor.line, "tensor_cores", message.to_owned()));
        }
    }
    pair::check(&inputs.potential)
        .map_err(|(key, message)| refuse(run.potential.line, key, message))
}

fn refuse_stages(run: &RunFile, inputs: &Inputs, plan: &Plan) -> Result<(), InputError> {
    for (number, settings, cell) in stages_settings(inputs, plan) {
        support::check(&settings, &cell).map_err(|(key, message)| InputError::Value {
            place: run.place(run.stages[number].line),
            key: key.to_owned(),
            table: format!("in [[stage]] {} (\"{}\")", number + 1, plan.stages[number].name),
            message,
        })?;
    }
    Ok(())
}

/// The plugin that the run file names, or the environment.
fn plugin(at: &At<'_>, written: Option<&Located<String>>) -> Result<Option<PathBuf>, InputError> {
    let (found, line) = match written {
        Some(path) => (at.run.resolve(&path.value), path.line),
        None => match std::env::var_os(PLUGIN_VARIABLE) {
            Some(path) if !path.is_empty() => (PathBuf::from(path), at.line),
            _ => return Ok(None),
        },
    };
    if found.is_file() {
        return Ok(Some(std::path::absolute(&found).unwrap_or(found)));
    }
    let message = format!("there is no file {}; lammps/build.sh makes it", found.display());
    Err(at.refuse(Some(line), "plugin", message))
}

/// A program by name is found by the system, one by path relative to the run file.
fn program(run: &RunFile, word: &str) -> String {
    if !word.contains('/') {
        return word.to_owned();
    }
    let path = run.resolve(word);
    std::path::absolute(&path).unwrap_or(path).display().to_string()
}

/// The table a complaint is about.
struct At<'a> {
    run: &'a RunFile,
    line: usize,
}

impl At<'_> {
    fn refuse(&self, line: Option<usize>, key: &str, message: String) -> InputError {
        InputError::Value {
            place: self.run.place(line.unwrap_or(self.line)),
            key: key.to_owned(),
            table: "in [lammps]".to_owned(),
            message,
        }
    }

    /// What a probe that failed means.
    fn told(&self, table: &LammpsTable, trouble: Trouble) -> InputError {
        let launched = table.launcher.is_some() || table.ranks.is_some_and(|ranks| ranks.value > 1);
        let command = table.command.as_ref().map(|command| command.line);
        match trouble {
            Trouble::NotStarted(why) if launched => {
                let words = table.launcher.as_ref().map(|words| words.value.join(" "));
                let message = format!(
                    "\"{}\" cannot be started: {why}; name the MPI launcher of this machine: \"mpiexec\", [\"srun\"], …",
                    words.as_deref().unwrap_or(LAUNCHER)
                );
                self.refuse(table.launcher.as_ref().map(|words| words.line), "launcher", message)
            }
            Trouble::NotStarted(why) => {
                let name = table.command.as_ref().map_or(COMMAND, |command| &command.value);
                let message = format!(
                    "\"{name}\" cannot be started: {why}; name the LAMMPS program of this machine, such as \"lmp_mpi\""
                );
                self.refuse(command, "command", message)
            }
            Trouble::Refused(said) if said.contains("pair style 'vitrion'") => {
                let message = format!(
                    "{said}\nname vitrionplugin.so here or in the environment variable {PLUGIN_VARIABLE}; lammps/build.sh makes it"
                );
                self.refuse(table.plugin.as_ref().map(|path| path.line), "plugin", message)
            }
            Trouble::Refused(said) => self.refuse(command, "command", said),
        }
    }
}
