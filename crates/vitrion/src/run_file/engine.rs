//! `[engine]`: who computes labels. Part of label and learn files.

use super::reader::{Located, Table};
use super::{positive_number, positive_quantity};
use crate::dft::cp2k::{
    Basis, Cp2kSettings, Dispersion, Functional, Minimizer, Smearing, Template,
};
use crate::dft::{AseSettings, EngineSettings, FakeSettings, KnownSettings};
use crate::error::InputError;
use crate::labels::FailureKind;
use std::path::{Path, PathBuf};
use vitrion_core::units::Kind;

/// Which engine a table describes.
#[derive(Clone, Copy)]
enum Which {
    Cp2k,
    Ase,
    Fake,
    Known,
}

/// Reads `[engine]`; paths are relative to the folder of the file.
pub(super) fn read_engine(table: &Table<'_>) -> Result<EngineSettings, InputError> {
    let words = [
        ("cp2k", Which::Cp2k),
        ("ase", Which::Ase),
        ("known", Which::Known),
        ("fake", Which::Fake),
    ];
    let kind = table.require("kind", "kind = \"cp2k\"", table.word("kind", &words)?)?;
    Ok(match kind.value {
        Which::Cp2k => EngineSettings::Cp2k(Box::new(read_cp2k(table)?)),
        Which::Ase => EngineSettings::Ase(read_ase(table)?),
        Which::Fake => EngineSettings::Fake(read_fake(table)?),
        Which::Known => EngineSettings::Known(read_known(table)?),
    })
}

/// A path written in the file of this table.
fn resolve(table: &Table<'_>, written: &str) -> PathBuf {
    let path = table.path().parent().unwrap_or(Path::new("")).join(written);
    std::path::absolute(&path).unwrap_or(path)
}

fn read_text(table: &Table<'_>, key: &str) -> Result<Option<(PathBuf, String)>, InputError> {
    let Some(written) = table.string(key)? else { return Ok(None) };
    let path = resolve(table, &written.value);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        table.refuse_at(written.line, key, format!("cannot read {}: {error}", path.display()))
    })?;
    Ok(Some((path, text)))
}

pub(super) fn count(table: &Table<'_>, key: &str, default: u32) -> Result<u32, InputError> {
    let Some(found) = table.count(key)? else { return Ok(default) };
    match u32::try_from(found.value) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(table.refuse(key, format!("expected one or more, found {}", found.value))),
    }
}

/// A time on the clock such as "2 h", in seconds.
pub(super) fn wall_time(table: &Table<'_>, key: &str) -> Result<Option<f64>, InputError> {
    let Some(written) = table.string(key)? else { return Ok(None) };
    let text = written.value.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let factor = match text[end..].trim() {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => 0.0,
    };
    match text[..end].parse::<f64>() {
        Ok(number) if number * factor > 0.0 => Ok(Some(number * factor)),
        _ => {
            let message = format!(
                "expected a time on the clock such as \"90 s\", \"30 min\", \"2 h\" or \"1 d\", found \
                 \"{text}\""
            );
            Err(table.refuse_at(written.line, key, message))
        }
    }
}

const CP2K_LEVEL: [&str; 13] = [
    "functional",
    "dispersion",
    "cutoff_ry",
    "rel_cutoff_ry",
    "grids",
    "basis",
    "basis_file",
    "potential_file",
    "charge",
    "multiplicity",
    "kpoints",
    "minimizer",
    "smearing",
];

fn read_cp2k(table: &Table<'_>) -> Result<Cp2kSettings, InputError> {
    let further = [
        "kind",
        "template",
        "added_orbitals",
        "eps_scf",
        "eps_default",
        "max_scf",
        "max_outer",
        "retry",
        "stress",
        "program",
        "ranks",
        "threads",
        "launcher",
        "timeout",
        "keep_files",
    ];
    table.only(&[&further[..], &CP2K_LEVEL[..]].concat())?;
    let mut s = Cp2kSettings::default();
    if let Some((path, text)) = read_text(table, "template")? {
        let doubled = CP2K_LEVEL.iter().chain(&["eps_scf", "eps_default", "max_scf", "max_outer"]);
        if let Some(key) = doubled.clone().find(|key| table.has(key)) {
            let message = "the template says this itself; leave out one of the two";
            return Err(table.refuse(key, message));
        }
        let template = Template { path, text };
        let stress = table.boolean("stress")?.is_none_or(|r| r.value);
        template.check(stress).map_err(|message| table.refuse("template", message))?;
        s.template = Some(template);
    }
    if let Some(found) = table.word("functional", &Functional::ALL)? {
        s.functional = found.value;
    }
    let words = [("none", None), ("d3", Some(Dispersion::D3)), ("d3bj", Some(Dispersion::D3Bj))];
    if let Some(found) = table.word("dispersion", &words)? {
        s.dispersion = found.value;
    }
    if s.dispersion.is_some() && s.functional == Functional::Lda {
        return Err(table.refuse("functional", "there is no D3 for LDA; say dispersion = \"none\""));
    }
    s.cutoff = positive_number(table, "cutoff_ry")?.unwrap_or(s.cutoff);
    s.rel_cutoff = positive_number(table, "rel_cutoff_ry")?.unwrap_or(s.rel_cutoff);
    s.grids = count(table, "grids", s.grids)?;
    if let Some(sets) = table.table("basis", "in [engine.basis]")? {
        for symbol in sets.keys() {
            read_basis(&sets, &symbol, &mut s)?;
        }
    }
    if let Some(file) = table.string("basis_file")? {
        s.basis_file = data_file(table, &file);
    }
    if let Some(file) = table.string("potential_file")? {
        s.potential_file = data_file(table, &file);
    }
    s.charge = table.integer("charge")?.map_or(0, |c| c.value);
    if table.has("multiplicity") {
        s.multiplicity = Some(count(table, "multiplicity", 1)?);
    }
    if let Some(grid) = table.integers("kpoints")? {
        let values: Vec<u32> = grid.iter().filter_map(|n| u32::try_from(n.value).ok()).collect();
        let [a, b, c] = values[..] else {
            return Err(
                table.refuse("kpoints", "expected three whole numbers, for example [2, 2, 2]")
            );
        };
        if a * b * c == 0 {
            return Err(table.refuse("kpoints", "expected one or more along each axis"));
        }
        s.kpoints = Some([a, b, c]);
    }
    let smearing = positive_quantity(table, "smearing", Kind::Temperature)?;
    if table.has("added_orbitals") && smearing.is_none() {
        return Err(table.refuse(
            "added_orbitals",
            "they are for electrons with a temperature: say smearing too",
        ));
    }
    let added_mos = count(table, "added_orbitals", 20)?;
    s.scf.smearing = smearing.map(|t| Smearing { temperature: t.value, added_mos });
    let words = [("ot", Minimizer::Ot), ("diagonalization", Minimizer::Diagonalization)];
    match table.word("minimizer", &words)? {
        Some(found) if found.value == Minimizer::Ot && s.kpoints.is_some() => {
            let message =
                "orbital transformation knows the Γ point only; k-points need \"diagonalization\"";
            return Err(table.refuse_at(found.line, "minimizer", message));
        }
        Some(found) if found.value == Minimizer::Ot && s.scf.smearing.is_some() => {
            let message = "orbital transformation has whole occupation numbers; smearing needs \
                           \"diagonalization\"";
            return Err(table.refuse_at(found.line, "minimizer", message));
        }
        Some(found) => s.scf.minimizer = found.value,
        None if s.scf.smearing.is_some() || s.kpoints.is_some() => {
            s.scf.minimizer = Minimizer::Diagonalization;
        }
        None => {}
    }
    s.scf.eps_scf = positive_number(table, "eps_scf")?.unwrap_or(s.scf.eps_scf);
    s.scf.eps_default = positive_number(table, "eps_default")?.unwrap_or(s.scf.eps_default);
    s.scf.max_scf = count(table, "max_scf", s.scf.max_scf)?;
    s.scf.max_outer = count(table, "max_outer", s.scf.max_outer)?;
    s.scf.retry = table.boolean("retry")?.is_none_or(|r| r.value);
    s.stress = table.boolean("stress")?.is_none_or(|r| r.value);
    s.keep_files = table.boolean("keep_files")?.is_some_and(|r| r.value);
    let resources = &mut s.resources;
    if let Some(program) = table.string("program")? {
        resources.program = data_file(table, &program);
    }
    resources.ranks = count(table, "ranks", 1)? as usize;
    resources.threads = count(table, "threads", 1)? as usize;
    if let Some(words) = table.strings("launcher")? {
        resources.launcher = words.into_iter().map(|w| w.value).collect();
    }
    resources.timeout = wall_time(table, "timeout")?;
    Ok(s)
}

/// A file or program that others find by its name alone, or one of the user's by its path.
fn data_file(table: &Table<'_>, written: &Located<String>) -> String {
    if written.value.contains('/') {
        resolve(table, &written.value).display().to_string()
    } else {
        written.value.clone()
    }
}

fn read_basis(sets: &Table<'_>, symbol: &str, s: &mut Cp2kSettings) -> Result<(), InputError> {
    if vitrion_core::elements::by_symbol(symbol).is_none() {
        return Err(sets.refuse(symbol, "expected the symbol of an element"));
    }
    let title = format!("in [engine.basis] {symbol}");
    let default = s.basis(symbol);
    let written = if let Ok(Some(table)) = sets.table(symbol, &title) {
        table.only(&["basis", "potential"])?;
        Basis {
            basis: table.string("basis")?.map_or(default.basis, |b| b.value),
            potential: table.string("potential")?.map_or(default.potential, |p| p.value),
        }
    } else {
        let basis = sets.string(symbol)?.map_or(default.basis, |b| b.value);
        Basis { basis, ..default }
    };
    s.basis.insert(symbol.to_owned(), written);
    Ok(())
}

fn read_ase(table: &Table<'_>) -> Result<AseSettings, InputError> {
    table.only(&[
        "kind",
        "calculator",
        "arguments",
        "script",
        "python",
        "stress",
        "timeout",
        "cores",
        "frames_per_job",
    ])?;
    let script = read_text(table, "script")?;
    let calculator = table.string("calculator")?;
    let calculator = match (calculator, &script) {
        (Some(named), None) if named.value.contains(':') => named.value,
        (Some(named), None) => {
            let message = format!(
                "expected \"module:Class\" such as \"ase.calculators.emt:EMT\", found \"{}\"",
                named.value
            );
            return Err(table.refuse_at(named.line, "calculator", message));
        }
        (None, Some(_)) => String::new(),
        (Some(_), Some(_)) => {
            return Err(table.refuse("calculator", "give a `calculator` or a `script`, not both"));
        }
        (None, None) => {
            let example = "calculator = \"ase.calculators.emt:EMT\", or script = \"calculator.py\"";
            return Err(table
                .require("calculator", example, None::<()>)
                .expect_err("it is missing"));
        }
    };
    let (script, script_text) = script.map_or((None, None), |(p, t)| (Some(p), Some(t)));
    if script.is_some() && table.has("arguments") {
        return Err(
            table.refuse("arguments", "they belong to `calculator`; a script says them itself")
        );
    }
    Ok(AseSettings {
        calculator,
        arguments: table.json("arguments")?.unwrap_or_else(|| serde_json::json!({})),
        script,
        script_text,
        python: table
            .string("python")?
            .map_or_else(|| "python3".to_owned(), |p| data_file(table, &p)),
        stress: table.boolean("stress")?.is_none_or(|s| s.value),
        timeout: wall_time(table, "timeout")?,
        cores: count(table, "cores", 1)? as usize,
        frames_per_job: count(table, "frames_per_job", 16)? as usize,
    })
}

fn read_known(table: &Table<'_>) -> Result<KnownSettings, InputError> {
    table.only(&["kind", "level", "path", "systems"])?;
    let level = table.require("level", "level = \"paper\"", table.string("level")?)?;
    let path = table.require("path", "path = \"glasses\"", table.string("path")?)?;
    let folder = resolve(table, &path.value);
    let mut files = crate::training::systems_in(&folder).map_err(|error| {
        table.refuse_at(path.line, "path", format!("cannot read {}: {error}", folder.display()))
    })?;
    if let Some(wanted) = table.strings("systems")? {
        let names: Vec<&str> = wanted.iter().map(|w| w.value.as_str()).collect();
        files = crate::training::systems_called(files, &names).map_err(|missing| {
            let message = format!("{} holds no system \"{}\"", folder.display(), names[missing]);
            table.refuse_at(wanted[missing].line, "systems", message)
        })?;
    }
    if files.is_empty() {
        let message = format!("{} holds no labelled frames", folder.display());
        return Err(table.refuse_at(path.line, "path", message));
    }
    Ok(KnownSettings { name: level.value, files })
}

fn read_fake(table: &Table<'_>) -> Result<FakeSettings, InputError> {
    table.only(&[
        "kind",
        "species",
        "epsilon",
        "sigma",
        "cutoff",
        "noise",
        "fail_every",
        "fail_as",
        "duration",
    ])?;
    let species = table.strings("species")?;
    let species = table.require("species", "species = [\"Li\", \"S\"]", species)?;
    let epsilon = table.quantities("epsilon", Kind::Energy)?;
    let epsilon = table.require("epsilon", "epsilon = [\"0.05 eV\", \"0.1 eV\"]", epsilon)?;
    let sigma = table.quantities("sigma", Kind::Length)?;
    let sigma = table.require("sigma", "sigma = [\"2.2 Å\", \"3.0 Å\"]", sigma)?;
    let cutoff = positive_quantity(table, "cutoff", Kind::Length)?;
    let cutoff = table.require("cutoff", "cutoff = \"6 Å\"", cutoff)?;
    for (key, found) in [("epsilon", epsilon.len()), ("sigma", sigma.len())] {
        if found != species.len() {
            let message =
                format!("expected one for each of {} species, found {found}", species.len());
            return Err(table.refuse(key, message));
        }
    }
    let words = FailureKind::ALL.map(|kind| {
        let word = match kind {
            FailureKind::Unconverged => "unconverged",
            FailureKind::Crashed => "crashed",
            FailureKind::Killed => "killed",
            FailureKind::TimedOut => "timed_out",
            FailureKind::OutOfMemory => "out_of_memory",
            FailureKind::Incomplete => "incomplete",
        };
        (word, kind)
    });
    Ok(FakeSettings {
        species: species.into_iter().map(|s| s.value).collect(),
        epsilon: epsilon.into_iter().map(|e| e.value).collect(),
        sigma: sigma.into_iter().map(|s| s.value).collect(),
        cutoff: cutoff.value,
        noise: table.quantity("noise", Kind::Force)?.map_or(0.0, |n| n.value),
        fail_every: table.count("fail_every")?.map(|n| n.value).filter(|n| *n > 0),
        fail_as: table.word("fail_as", &words)?.map_or(FailureKind::Unconverged, |w| w.value),
        seconds: wall_time(table, "duration")?.unwrap_or(0.0),
    })
}
