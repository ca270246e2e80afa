//! The demonstration: a run file inside the program, carried out like any other.

use crate::error::InputError;
use crate::run_file::RunFile;
use std::path::Path;

/// Where `vitrion demo` writes unless told otherwise.
pub const FOLDER: &str = "demo-results";

const RUN_FILE: &str = include_str!("../../../examples/demo/run.toml");

/// The run file of the demonstration.
///
/// # Errors
/// Never in a tested build: the file is part of the program.
pub fn run_file() -> Result<RunFile, InputError> {
    RunFile::parse(Path::new("demo/run.toml"), RUN_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;
    use crate::inputs::Inputs;

    #[test]
    fn the_demonstration_can_be_planned() {
        let run = run_file().expect("a good run file");
        let inputs = Inputs::load(&run).expect("everything is inside the program");
        let plan = Plan::resolve(&run, &inputs).expect("a plan");
        assert!(plan.runs.len() >= 6, "two systems at three or more temperatures");
    }
}
