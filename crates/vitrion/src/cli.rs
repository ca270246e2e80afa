//! The command line: one file per command. Results go to stdout, all else to stderr.

mod analyze;
mod bench;
mod build;
mod check;
mod convert;
mod demo;
mod eval;
mod info;
mod job;
mod jobs;
mod label;
mod learn;
mod output;
mod predict;
mod progress;
mod relax;
mod render;
mod report;
mod run;
mod softness;
mod train;
mod watch;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use vitrion::error::{Error, InputError};
use vitrion::threads;
use vitrion_core::io::{Format, LammpsUnits, ReadOptions};
use vitrion_core::units::Kind;

/// From first principles to understanding of solid electrolytes
#[derive(Parser)]
#[command(name = "vitrion", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads in all; results do not depend on it [default: all of the machine]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// No progress on stderr
    #[arg(long, short, global = true)]
    quiet: bool,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 the input must be changed, 2 the run failed or was \
                          stopped, 3 a bug in vitrion";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Run(run::RunArguments),
    Md(run::MdArguments),
    Train(train::Arguments),
    Softness(softness::Arguments),
    Label(label::Arguments),
    Learn(Box<learn::Arguments>),
    #[command(hide = true)]
    Job(job::Arguments),
    Jobs(jobs::Arguments),
    Check(check::Arguments),
    Analyze(analyze::Arguments),
    Predict(predict::Arguments),
    Relax(relax::Arguments),
    Render(Box<render::Arguments>),
    Build(build::Arguments),
    Eval(eval::Arguments),
    Convert(convert::Arguments),
    Info(info::Arguments),
    Report(report::Arguments),
    Watch(watch::Arguments),
    Bench(bench::Arguments),
}

/// What all commands share.
struct Common {
    threads: usize,
    quiet: bool,
}

/// How files that do not say it themselves are read.
#[derive(Args, Clone, Default)]
struct ReadArguments {
    /// Format of the input, if its name does not tell
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,
    /// Elements of types 1, 2, … of files that only number them, for example Li,P,S
    #[arg(long, value_name = "ELEMENTS", value_delimiter = ',')]
    type_map: Option<Vec<String>>,
    /// Units of LAMMPS files: metal or real
    #[arg(long, value_name = "UNITS", default_value = "metal", value_parser = units)]
    lammps_units: LammpsUnits,
}

impl ReadArguments {
    /// Something was said about how files are read.
    fn given(&self) -> bool {
        let ReadArguments { format, type_map, lammps_units } = self;
        format.is_some() || type_map.is_some() || *lammps_units != LammpsUnits::default()
    }

    fn options(&self) -> ReadOptions {
        ReadOptions {
            format: self.format,
            type_map: self.type_map.clone(),
            lammps_units: self.lammps_units,
        }
    }
}

fn format(name: &str) -> Result<Format, String> {
    Format::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("known formats: {}", names.join(", "))
    })
}

fn units(name: &str) -> Result<LammpsUnits, String> {
    match name {
        "metal" => Ok(LammpsUnits::Metal),
        "real" => Ok(LammpsUnits::Real),
        _ => Err("LAMMPS files are read in units metal or real".to_owned()),
    }
}

/// Runs the command of the arguments of this process.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            // nothing is left to report a broken pipe to
            let _ = error.print();
            return ExitCode::from(u8::from(!asked_for_help));
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// After a panic: its message is on stderr already.
pub(crate) fn report_bug() -> ExitCode {
    output::complain(
        "This is a bug in vitrion, whatever the input was. Please report the lines above together \
         with the command and its input.",
    );
    ExitCode::from(3)
}

fn dispatch(cli: Cli) -> Result<(), Error> {
    let threads = match cli.threads {
        Some(0) => return Err(InputError::Usage("--threads must be at least 1".to_owned()).into()),
        Some(threads) => threads,
        None => threads::available(),
    };
    let common = Common { threads, quiet: cli.quiet };
    match cli.command {
        Command::Demo(arguments) => demo::demo(&arguments, &common),
        Command::Run(arguments) => run::run(&arguments, &common),
        Command::Md(arguments) => run::md(&arguments, &common),
        Command::Train(arguments) => train::train(&arguments, &common),
        Command::Softness(arguments) => softness::softness(&arguments, &common),
        Command::Label(arguments) => label::label(&arguments, &common),
        Command::Learn(arguments) => learn::learn(&arguments, &common),
        Command::Job(arguments) => job::job(&arguments, &common),
        Command::Jobs(arguments) => jobs::jobs(&arguments),
        Command::Check(arguments) => check::check(&arguments, &common),
        Command::Analyze(arguments) => {
            threads::on(threads, || analyze::analyze(&arguments, &common))
        }
        Command::Predict(arguments) => threads::on(threads, || predict::predict(&arguments)),
        Command::Render(arguments) => threads::on(threads, || render::render(&arguments)),
        Command::Relax(arguments) => threads::on(threads, || relax::relax(&arguments, &common)),
        Command::Eval(arguments) => threads::on(threads, || eval::eval(&arguments)),
        Command::Build(arguments) => threads::on(threads, || build::build(&arguments)),
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Info(arguments) => info::info(&arguments),
        Command::Report(arguments) => threads::on(threads, || report::report(&arguments)),
        Command::Watch(arguments) => watch::watch(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments, cli.threads, &common),
    }
}

/// The value of an option that has a unit.
fn quantity(option: &str, text: &str, kind: Kind) -> Result<f64, InputError> {
    vitrion_core::units::parse(text, kind)
        .map_err(|error| InputError::Usage(format!("{option} \"{text}\": {error}")))
}

/// Refuses to replace a file unless told to.
fn refuse_existing(path: &std::path::Path, overwrite: bool) -> Result<(), InputError> {
    if path.exists() && !overwrite {
        return Err(InputError::Exists { path: PathBuf::from(path) });
    }
    Ok(())
}
