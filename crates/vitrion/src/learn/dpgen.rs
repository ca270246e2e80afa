//! A learn file from what users of DP-GEN have: `param.json`, `machine.json`.
//!
//! Keys whose meaning carries over are translated; all others are listed, with the reason. Nothing is guessed:
//! where DP-GEN has a default of its own that decides results, it is written out.

use crate::error::InputError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// A learn file, and what it lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub text: String,
    /// "key: why not", in the order of the file.
    pub not_carried: Vec<String>,
}

/// Translates a parameter file and, if given, a machine file.
///
/// # Errors
/// Files that cannot be read or are no JSON, or lack what no learn file can do without.
pub fn import(param: &Path, machine: Option<&Path>) -> Result<Imported, InputError> {
    let value = read(param)?;
    let machine = machine.map(read).transpose()?;
    let mut import = Import { path: param, param: &value, used: BTreeSet::new(), lost: Vec::new() };
    let text = import.text(machine.as_ref())?;
    let mut lost = std::mem::take(&mut import.lost);
    if let Some(map) = value.as_object() {
        for key in map.keys().filter(|key| !key.starts_with('_')) {
            if !import.used.contains(key.as_str()) {
                lost.push(format!("{key}: {}", reason(key)));
            }
        }
    }
    Ok(Imported { text, not_carried: lost })
}

fn read(path: &Path) -> Result<Value, InputError> {
    let text = std::fs::read_to_string(path).map_err(InputError::os(path, "read"))?;
    serde_json::from_str(&text)
        .map_err(|error| InputError::Usage(format!("{}: {error}", path.display())))
}

/// Why a key of DP-GEN has no counterpart.
fn reason(key: &str) -> &'static str {
    match key {
        "mass_map" => "masses are those of the elements",
        "dp_compress" => "tables are always made, at load, with a measured error",
        "init_batch_size" | "sys_batch_size" => {
            "batches are filled to a number of atoms: [batch] atoms"
        }
        "model_devi_clean_traj" => {
            "trajectories are kept; remove iteration-*/explore when space is short"
        }
        "model_devi_skip" => "the first frames of a run count like all others",
        "use_relative" | "epsilon" | "use_relative_v" | "epsilon_v" => {
            "relative deviations are not used: they hide errors of large forces"
        }
        "fp_task_min" => "a few labels are better than none",
        "fp_accurate_threshold" | "fp_accurate_soft_threshold" => {
            "the end of a step is [stop] accurate; the number of labels does not fade"
        }
        "ratio_failed" => "failed calculations are counted, shown and never trained on",
        "shuffle_poscar" => "frames are chosen by distance, not shuffled",
        "fp_pp_path" | "fp_pp_files" | "fp_incar" | "fp_kpt_file" => {
            "inputs of other codes belong to their ASE calculator"
        }
        "model_devi_adapt_trust_lo"
        | "model_devi_numb_candi_f"
        | "model_devi_perc_candi_f"
        | "model_devi_numb_candi_v"
        | "model_devi_perc_candi_v" => {
            "trust levels from quantiles of training deviations do this: leave out `force` in [trust]"
        }
        "training_reuse_old_ratio"
        | "training_reuse_start_pref_e"
        | "training_reuse_start_pref_f" => {
            "see new_share in [train] and the prefactors of [[retrain]]"
        }
        "srtab_file_path" | "use_srtab" => "say zbl = [inner, outer] in the stages",
        "lmp_d3" => "dispersion belongs to the labels",
        _ => "it has no counterpart",
    }
}

struct Import<'a> {
    path: &'a Path,
    param: &'a Value,
    used: BTreeSet<&'static str>,
    lost: Vec<String>,
}

impl<'a> Import<'a> {
    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        let found = self.param.get(key);
        if found.is_some() {
            self.used.insert(key);
        }
        found
    }

    fn lose(&mut self, what: impl Into<String>) {
        self.lost.push(what.into());
    }

    fn number(&mut self, key: &'static str) -> Option<f64> {
        self.get(key).and_then(Value::as_f64)
    }

    fn words(&mut self, key: &'static str) -> Vec<String> {
        strings(self.get(key))
    }

    fn missing(&self, key: &str) -> InputError {
        InputError::Usage(format!(
            "{}: there is no \"{key}\": is this a param.json of `dpgen run`?",
            self.path.display()
        ))
    }

    fn text(&mut self, machine: Option<&Value>) -> Result<String, InputError> {
        let species = self.words("type_map");
        if species.is_empty() {
            return Err(self.missing("type_map"));
        }
        let mut text = format!(
            "# Made from {} of DP-GEN. Read it before you run it: `vitrion learn --check`.\nformat = 1\nname = \
             \"from-dpgen\"\nseed = 1\nspecies = {}\n",
            self.path.display(),
            list(&species)
        );
        let models = self.number("numb_models").unwrap_or(4.0);
        let _ = writeln!(text, "committee = {models}");
        text += &self.engine(machine);
        text += &self.scheduler(machine);
        text += &self.data();
        text += &self.structures();
        text += &self.explore()?;
        text += &self.trust();
        if let Some(most) = self.number("fp_task_max") {
            let _ = write!(
                text,
                "\n[selection]\nlabels = {most}   # fp_task_max was for each system\n"
            );
        }
        text += &self.training();
        Ok(text)
    }

    fn engine(&mut self, machine: Option<&Value>) -> String {
        let style = self.get("fp_style").and_then(Value::as_str).unwrap_or("vasp").to_owned();
        if style != "cp2k" {
            self.lose(format!(
                "fp_style = \"{style}\": write calculator.py with a function calculator() that returns an \
                 ASE calculator"
            ));
            return "\n[engine]\nkind = \"ase\"\nscript = \"calculator.py\"\n".to_owned();
        }
        let mut text = "\n[engine]\nkind = \"cp2k\"\n".to_owned();
        if let Some(path) = self.get("external_input_path").and_then(Value::as_str) {
            let _ = writeln!(text, "template = \"{path}\"");
        }
        let empty = Value::Object(serde_json::Map::new());
        match self.get("user_fp_params") {
            Some(user) => text += &self.cp2k(user),
            // the defaults of DP-GEN, where the user has no input of his own
            None if !text.contains("template") => text += &self.cp2k(&empty),
            None => {}
        }
        for (key, value) in command(machine, "fp") {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }

    /// What is known of DP-GEN's nested CP2K settings.
    fn cp2k(&mut self, user: &Value) -> String {
        let mut text = String::new();
        let mut seen = BTreeSet::new();
        let grid = user.pointer("/FORCE_EVAL/DFT/MGRID");
        // DP-GEN's own defaults, where the user says nothing
        for (key, name, default) in
            [("cutoff_ry", "CUTOFF", 400.0), ("rel_cutoff_ry", "REL_CUTOFF", 50.0)]
        {
            let found = grid.and_then(|g| g.get(name)).and_then(as_number);
            let _ = writeln!(text, "{key} = {}", found.unwrap_or(default));
            seen.insert(format!("/FORCE_EVAL/DFT/MGRID/{name}"));
        }
        let dispersion = user
            .pointer("/FORCE_EVAL/DFT/XC/VDW_POTENTIAL/PAIR_POTENTIAL/TYPE")
            .and_then(Value::as_str);
        let word = match dispersion {
            Some("DFTD3") => "d3",
            Some("DFTD3(BJ)") => "d3bj",
            _ => "none",
        };
        let _ = writeln!(text, "dispersion = \"{word}\"");
        for name in [
            "POTENTIAL_TYPE",
            "PAIR_POTENTIAL/TYPE",
            "PAIR_POTENTIAL/PARAMETER_FILE_NAME",
            "PAIR_POTENTIAL/REFERENCE_FUNCTIONAL",
        ] {
            seen.insert(format!("/FORCE_EVAL/DFT/XC/VDW_POTENTIAL/{name}"));
        }
        if let Some(kinds) = user.pointer("/FORCE_EVAL/SUBSYS/KIND") {
            let words = |key: &str| strings(kinds.get(key));
            let (names, sets, potentials) = (words("_"), words("BASIS_SET"), words("POTENTIAL"));
            let mut lines = String::new();
            for (k, name) in names.iter().enumerate() {
                if let (Some(basis), Some(potential)) = (sets.get(k), potentials.get(k)) {
                    let _ = writeln!(
                        lines,
                        "{name} = {{ basis = \"{basis}\", potential = \"{potential}\" }}"
                    );
                }
            }
            for key in ["_", "BASIS_SET", "POTENTIAL"] {
                seen.insert(format!("/FORCE_EVAL/SUBSYS/KIND/{key}"));
            }
            if !lines.is_empty() {
                // inline, for sub-tables must come last in a TOML table
                let entries: Vec<String> = lines.lines().map(str::to_owned).collect();
                let _ = writeln!(text, "basis = {{ {} }}", entries.join(", "));
            }
        }
        let mut leaves = Vec::new();
        list_leaves(user, String::new(), &mut leaves);
        for leaf in leaves.iter().filter(|leaf| !seen.contains(*leaf)) {
            self.lose(format!("user_fp_params{leaf}: check it against the settings of [engine]"));
        }
        text
    }

    fn scheduler(&mut self, machine: Option<&Value>) -> String {
        let Some(machine) = machine else { return String::new() };
        for stage in ["train", "model_devi", "fp"] {
            let Some(entry) = first(machine.get(stage)) else { continue };
            let kind = entry.pointer("/machine/batch_type").and_then(Value::as_str).unwrap_or("");
            let context =
                entry.pointer("/machine/context_type").and_then(Value::as_str).unwrap_or("");
            if context.to_lowercase().starts_with("ssh") {
                self.lose(format!(
                    "machine.json {stage}: remote host over SSH; start vitrion on that host"
                ));
            }
            if !kind.eq_ignore_ascii_case("slurm") && !kind.eq_ignore_ascii_case("shell") {
                self.lose(format!(
                    "machine.json {stage}: batch_type = \"{kind}\"; there are local and slurm"
                ));
            }
            if let Some(gpus) = entry.pointer("/resources/gpu_per_node").and_then(Value::as_f64)
                && gpus > 0.0
            {
                self.lose(format!("machine.json {stage}: gpu_per_node = {gpus}"));
            }
            for key in [
                "group_size",
                "number_node",
                "cpu_per_node",
                "module_list",
                "envs",
                "prepend_script",
            ] {
                if entry.pointer(&format!("/resources/{key}")).is_some_and(|v| !is_empty(v)) {
                    self.lose(format!(
                        "machine.json {stage}: resources.{key}; see `setup` of [scheduler]"
                    ));
                }
            }
        }
        let Some(entry) = first(machine.get("fp")) else { return String::new() };
        let kind = entry.pointer("/machine/batch_type").and_then(Value::as_str).unwrap_or("");
        if !kind.eq_ignore_ascii_case("slurm") {
            return "\n[scheduler]\nkind = \"local\"\n".to_owned();
        }
        let mut text = "\n[scheduler]\nkind = \"slurm\"\n".to_owned();
        if let Some(queue) = entry.pointer("/resources/queue_name").and_then(Value::as_str)
            && !queue.is_empty()
        {
            let _ = writeln!(text, "partition = \"{queue}\"");
        }
        let options: Vec<String> = strings(entry.pointer("/resources/custom_flags"))
            .iter()
            .map(|flag| flag.trim().trim_start_matches("#SBATCH").trim().to_owned())
            .collect();
        if !options.is_empty() {
            let _ = writeln!(text, "options = {}", list(&options));
        }
        let sources = strings(entry.pointer("/resources/source_list"));
        if !sources.is_empty() {
            let lines: Vec<String> = sources.iter().map(|s| format!("source {s}")).collect();
            let _ = writeln!(text, "setup = {}", list(&lines));
        }
        text
    }

    fn data(&mut self) -> String {
        let prefix = self.get("init_data_prefix").and_then(Value::as_str).unwrap_or("").to_owned();
        let mut text = String::new();
        for system in self.words("init_data_sys") {
            let path = joined(&prefix, &system);
            let _ = write!(
                text,
                "\n[[data]]\npath = \"{path}\"\nlevel = \"check\"   # \"trusted\" if these are of the engine's \
                 level for certain\n"
            );
        }
        self.get("init_multi_systems");
        text
    }

    /// Systems by number: name and file.
    fn structures(&mut self) -> String {
        let prefix =
            self.get("sys_configs_prefix").and_then(Value::as_str).unwrap_or("").to_owned();
        if let Some(format) = self.get("sys_format").and_then(Value::as_str)
            && !format.contains("poscar")
        {
            self.lose(format!(
                "sys_format = \"{format}\": formats are told from names and contents"
            ));
        }
        let mut text = String::new();
        let configs =
            self.get("sys_configs").and_then(Value::as_array).cloned().unwrap_or_default();
        for (k, files) in configs.iter().enumerate() {
            for (n, file) in strings(Some(files)).iter().enumerate() {
                if file.contains('*') {
                    self.lose(format!(
                        "sys_configs[{k}]: the pattern {file}: name the files one by one"
                    ));
                    continue;
                }
                let _ = write!(
                    text,
                    "\n[[structure]]\nname = \"{}\"\nstructure = \"{}\"\n",
                    system_name(k, n),
                    joined(&prefix, file)
                );
            }
        }
        text
    }

    fn explore(&mut self) -> Result<String, InputError> {
        let engine = self.get("model_devi_engine").and_then(Value::as_str).unwrap_or("lammps");
        if engine != "lammps" {
            self.lose(format!(
                "model_devi_engine = \"{engine}\": exploration is vitrion's own dynamics"
            ));
        }
        let timestep = 1e3 * self.number("model_devi_dt").unwrap_or(0.002);
        let configs =
            self.param.get("sys_configs").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(jobs) = self.get("model_devi_jobs").and_then(Value::as_array) else {
            return Err(self.missing("model_devi_jobs"));
        };
        let mut text = String::new();
        for (number, job) in jobs.iter().enumerate() {
            // names that DP-GEN takes for the same thing
            let alias = |key: &str| -> Option<&Value> {
                let others: &[&str] = match key {
                    "temps" => &["Ts"],
                    "press" => &["Ps"],
                    "ensemble" => &["ens"],
                    "trj_freq" => &["t_freq", "traj_freq"],
                    _ => &[],
                };
                job.get(key).or_else(|| others.iter().find_map(|other| job.get(*other)))
            };
            let value = |key: &str| alias(key).and_then(as_number);
            let names: Vec<String> = job
                .get("sys_idx")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64)
                .flat_map(|k| {
                    let files = strings(configs.get(k as usize)).len().max(1);
                    (0..files).map(move |n| system_name(k as usize, n))
                })
                .collect();
            let numbers = |key: &str| -> Vec<f64> {
                alias(key)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(as_number)
                    .collect()
            };
            let (temps, press) = (numbers("temps"), numbers("press"));
            if temps.is_empty() {
                self.lose(format!(
                    "model_devi_jobs[{number}]: it has no temps (a template or another engine)"
                ));
                continue;
            }
            let ensemble = alias("ensemble").and_then(Value::as_str).unwrap_or("npt");
            let _ = write!(text, "\n[[explore]]\nstructures = {}\n", list(&names));
            let units = |values: &[f64], unit: &str| {
                list(&values.iter().map(|x| format!("{x} {unit}")).collect::<Vec<_>>())
            };
            let _ = writeln!(text, "temperature = {}", units(&temps, "K"));
            match ensemble {
                "nvt" => text += "ensemble = \"nvt\"\n",
                "nve" => {
                    self.lose(format!(
                        "model_devi_jobs[{number}].ensemble = \"nve\": explored in nvt"
                    ));
                    text += "ensemble = \"nvt\"\n";
                }
                "npt" | "npt-i" | "npt-iso" => {
                    let _ = writeln!(text, "pressure = {}", units(&press, "bar"));
                }
                other => {
                    self.lose(format!(
                        "model_devi_jobs[{number}].ensemble = \"{other}\": pressure is isotropic here"
                    ));
                    let _ = writeln!(text, "pressure = {}", units(&press, "bar"));
                }
            }
            let steps = value("nsteps").unwrap_or(1000.0);
            let every = value("trj_freq").unwrap_or(10.0);
            let _ = write!(
                text,
                "timestep = \"{timestep} fs\"\nduration = \"{} fs\"\nevery = \"{} fs\"\n",
                timestep * steps,
                timestep * every
            );
            for (key, name, default) in
                [("taut", "thermostat_period", 0.1), ("taup", "barostat_period", 0.5)]
            {
                let period = value(key).unwrap_or(default) * 1e3;
                if key == "taut" || !["nvt", "nve"].contains(&ensemble) {
                    let _ = writeln!(text, "{name} = \"{period} fs\"");
                }
            }
            for key in job.as_object().into_iter().flat_map(serde_json::Map::keys) {
                let known = [
                    "sys_idx",
                    "temps",
                    "Ts",
                    "press",
                    "Ps",
                    "trj_freq",
                    "t_freq",
                    "traj_freq",
                    "nsteps",
                    "ensemble",
                    "ens",
                    "taut",
                    "taup",
                    "_idx",
                    "_comment",
                ];
                if !known.contains(&key.as_str()) {
                    self.lose(format!("model_devi_jobs[{number}].{key}: it has no counterpart"));
                }
            }
        }
        Ok(text)
    }

    fn trust(&mut self) -> String {
        let one = |value: Option<&Value>| match value {
            Some(Value::Array(list)) => list.first().and_then(as_number),
            Some(other) => as_number(other),
            None => None,
        };
        let several = |value: Option<&Value>| match value {
            Some(Value::Array(list)) => list.len() > 1,
            Some(Value::Object(_)) => true,
            _ => false,
        };
        let (low, high) = (self.get("model_devi_f_trust_lo"), self.get("model_devi_f_trust_hi"));
        if several(low) || several(high) {
            self.lose("model_devi_f_trust_lo/hi: levels by system; the first is used for all");
        }
        let (v_low, v_high) =
            (self.get("model_devi_v_trust_lo"), self.get("model_devi_v_trust_hi"));
        let (Some(low), Some(high)) = (one(low), one(high)) else { return String::new() };
        let mut text = format!("\n[trust]\nforce = [\"{low} eV/A\", \"{high} eV/A\"]\n");
        if let (Some(low), Some(high)) = (one(v_low), one(v_high))
            // DP-GEN's way to say that virials do not count
            && low < 1e9
        {
            let _ = writeln!(text, "virial = [\"{low} eV\", \"{high} eV\"]");
        }
        text
    }

    fn training(&mut self) -> String {
        let Some(input) = self.get("default_training_param") else { return String::new() };
        let mut text = String::new();
        let descriptor = input.pointer("/model/descriptor");
        if let Some(kind) = descriptor.and_then(|d| d.get("type")).and_then(Value::as_str)
            && kind != "se_e2_a"
            && kind != "se_a"
        {
            self.lose(format!("descriptor of type \"{kind}\": vitrion trains se_e2_a"));
        }
        let value = |pointer: &str| input.pointer(pointer).and_then(as_number);
        let widths = |pointer: &str| -> Option<String> {
            let list: Vec<String> = input
                .pointer(pointer)?
                .as_array()?
                .iter()
                .filter_map(Value::as_u64)
                .map(|w| w.to_string())
                .collect();
            Some(format!("[{}]", list.join(", ")))
        };
        text += "\n[network]\n";
        for (key, pointer) in
            [("cutoff", "/model/descriptor/rcut"), ("smooth_cutoff", "/model/descriptor/rcut_smth")]
        {
            if let Some(x) = value(pointer) {
                let _ = writeln!(text, "{key} = \"{x} Å\"");
            }
        }
        for (key, pointer) in
            [("embedding", "/model/descriptor/neuron"), ("fitting", "/model/fitting_net/neuron")]
        {
            if let Some(list) = widths(pointer) {
                let _ = writeln!(text, "{key} = {list}");
            }
        }
        if let Some(axis) = value("/model/descriptor/axis_neuron") {
            let _ = writeln!(text, "axis = {axis}");
        }
        let steps = value("/training/numb_steps").or_else(|| value("/training/stop_batch"));
        text += "\n[[stage]]\n";
        let _ = writeln!(text, "steps = {}", steps.unwrap_or(400_000.0));
        for (key, pointer) in [
            ("start_lr", "/learning_rate/start_lr"),
            ("stop_lr", "/learning_rate/stop_lr"),
            ("start_pref_e", "/loss/start_pref_e"),
            ("limit_pref_e", "/loss/limit_pref_e"),
            ("start_pref_f", "/loss/start_pref_f"),
            ("limit_pref_f", "/loss/limit_pref_f"),
            ("start_pref_v", "/loss/start_pref_v"),
            ("limit_pref_v", "/loss/limit_pref_v"),
        ] {
            if let Some(x) = value(pointer) {
                let _ = writeln!(text, "{key} = {x:e}");
            }
        }
        if let Some(reuse) = self.number("training_reuse_iter") {
            let rate = self.number("training_reuse_start_lr").unwrap_or(1e-4);
            let steps = self.number("training_reuse_numb_steps").or(steps).unwrap_or(400_000.0);
            let stop = value("/learning_rate/stop_lr").unwrap_or(1e-6).min(rate);
            self.lose(format!(
                "training_reuse_iter = {reuse}: later trainings start from the models before from iteration 1 on"
            ));
            let _ = write!(
                text,
                "\n[[retrain]]\nsteps = {steps}\nstart_lr = {rate:e}\nstop_lr = {stop:e}\n"
            );
        }
        let known = [
            "/model/type_map",
            "/model/descriptor/type",
            "/model/descriptor/rcut",
            "/model/descriptor/rcut_smth",
            "/model/descriptor/neuron",
            "/model/descriptor/axis_neuron",
            "/model/descriptor/seed",
            "/model/fitting_net/seed",
            "/model/fitting_net/neuron",
            "/learning_rate/start_lr",
            "/learning_rate/stop_lr",
            "/learning_rate/type",
            "/training/numb_steps",
            "/training/stop_batch",
            "/training/seed",
            "/training/disp_file",
            "/training/training_data",
            "/training/set_prefix",
            "/training/systems",
        ];
        let mut leaves = Vec::new();
        list_leaves(input, String::new(), &mut leaves);
        for leaf in leaves {
            let covered = leaf.starts_with("/loss/start_pref_")
                || leaf.starts_with("/loss/limit_pref_")
                || leaf.contains("comment")
                || known.iter().any(|k| leaf == *k || leaf.starts_with(&format!("{k}/")));
            if !covered {
                self.lose(format!("default_training_param{leaf}: vitrion has its own or none"));
            }
        }
        text
    }
}

fn system_name(system: usize, file: usize) -> String {
    if file == 0 { format!("sys-{system}") } else { format!("sys-{system}-{file}") }
}

fn joined(prefix: &str, path: &str) -> String {
    Path::new(prefix).join(path).display().to_string()
}

fn list(words: &[String]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|w| toml::Value::from(w.as_str()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

/// A text, or the texts of a list.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// A number, also one in quotes.
fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The first of a list, or the value itself: DP-GEN takes both.
fn first(value: Option<&Value>) -> Option<&Value> {
    match value {
        Some(Value::Array(items)) => items.first(),
        other => other,
    }
}

/// Ranks and program of a command such as `mpirun -n 16 cp2k.psmp -i input.inp`.
fn command(machine: Option<&Value>, stage: &str) -> Vec<(&'static str, String)> {
    let Some(text) = first(machine.and_then(|m| m.get(stage)))
        .and_then(|entry| entry.get("command"))
        .and_then(Value::as_str)
    else {
        return Vec::new();
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    if let Some(program) =
        words.iter().find(|w| w.rsplit('/').next().is_some_and(|n| n.starts_with("cp2k")))
    {
        found.push(("program", format!("\"{program}\"")));
    }
    let ranks = words.windows(2).find(|pair| ["-n", "-np"].contains(&pair[0]));
    if let Some(ranks) = ranks.and_then(|pair| pair[1].parse::<usize>().ok()) {
        found.push(("ranks", ranks.to_string()));
        found.push(("launcher", format!("[\"{}\"]", words[0])));
    }
    found
}

/// Paths of all values that are no tables.
fn list_leaves(value: &Value, path: String, out: &mut Vec<String>) {
    match value.as_object() {
        Some(map) => {
            for (key, value) in map {
                list_leaves(value, format!("{path}/{key}"), out);
            }
        }
        None => out.push(path),
    }
}

#[cfg(test)]
mod tests;
