//! `vitrion demo`: the main job on what is inside the program.

use super::Common;
use super::run::{self, Manner};
use std::path::PathBuf;
use vitrion::demo;
use vitrion::error::Error;

/// Crystal and glass Li3PS4 from structure to conductivity, without any input
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Results folder
    #[arg(long, value_name = "DIR", default_value = demo::FOLDER)]
    out: PathBuf,
    /// Summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn demo(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    run::carry_out(&demo::run_file()?, &arguments.out, Manner::whole(arguments.json), common)
}
