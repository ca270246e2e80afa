//! `vitrion watch`: a page about work that goes on.

use super::output::{complain, print, print_json};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vitrion::error::Error;
use vitrion::watch::Server;

/// Show on a page in the browser how a run, training, learning loop or labelling goes on; reads only, and
/// only this machine can see it
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder that `vitrion run`, `train`, `learn` or `label` writes
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Port of this machine [default: one that is free]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Wait for the folder if it is not there yet or still empty
    #[arg(long)]
    wait: bool,
    /// Address and folder as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Serving<'a> {
    url: String,
    folder: &'a Path,
}

pub(super) fn watch(arguments: &Arguments) -> Result<(), Error> {
    let server = Server::new(&arguments.folder, arguments.port, arguments.wait)?;
    // nothing is written, so there is nothing to finish
    ctrlc::set_handler(|| std::process::exit(0)).expect("the only signal handler of the process");
    let url = server.url();
    if arguments.json {
        print_json(&Serving { url, folder: &arguments.folder });
    } else {
        print(&url);
        complain("Ctrl-C ends the page, not the work");
    }
    server.serve();
    Ok(())
}
